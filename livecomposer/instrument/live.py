"""The same performance on real ports and threads: the instrument process.

Desk spawns ``main``. Its main thread is the real-time loop; RtMidi's callback stamps and queues; a pipe thread per
sender does the same for commands; the learner thread runs numbered jobs. Everything meets in one ``SimpleQueue``.
"""

import gc
import json
import os
import queue
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from livecomposer.errors import ForeignTaste, LivecomposerError, PortNotFound, TasteError
from livecomposer.instrument import inbox, ring
from livecomposer.instrument.guard import GuardMemory
from livecomposer.instrument.inbox import ADOPT, BACK, COMMAND, MIDI, PORT, RATE, SAY, STOP, TASTE
from livecomposer.instrument.ledger import Ledger
from livecomposer.instrument.records import SOURCES, Recorder
from livecomposer.instrument.snapshot import SharedSnapshot
from livecomposer.midi import ports
from livecomposer.midi.messages import NOTE_ON
from livecomposer.midi.profiles import Profile, load_profiles, match_profile
from livecomposer.quiet import hush_libraries
from livecomposer.settings import Settings, user_dir

if TYPE_CHECKING:  # it loads numba, and desk imports this module without
    from livecomposer.instrument.standby import Ready

SPIN_NS = 800_000  # before a deadline the loop stops sleeping and polls: sleeping wakes 0.09 ms late, 3 ms at p99
EARLY_NS = 250_000  # so long before it, what is due is worked out (0.05 ms, out of a cold cache 0.15); `sink` waits
IDLE_NS = 50_000_000
BEGIN_NS = 100_000_000  # from here on a performance is made (20 to 80 ms) until its first note may be due
REST_NS = 1_000_000  # while somebody plays, the path of a note is rehearsed this often,
AWAKE_NS = 5_000_000_000  # until so long after the last key
BEHIND_NS = 20_000_000  # a beat taken up this late has no time left to think
TIDY_NS = 2_000_000_000
CHANGE_NS = 10_000_000  # another taste is taken up when nothing is due for so long (it takes about 1 ms)
FEW = 200
LEDGER_NS = 500_000_000
FIFO_PRIORITY = 8  # below jackd's usual 10
SWITCH_S = 0.0002
ORPHAN_PAUSES_S = (0.03, 0.05, 0.2)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the instrument process is given: names of shared memory and ports, the profile, what was learnt before."""

    settings: Settings
    ring: str
    guard: str
    snapshot_memory: str
    synth_ring: str | None
    system: ports.System | None
    midi_in: str | None
    midi_out: str | None
    virtual_in: bool
    virtual_out: bool
    profile: Profile | None
    snapshot: bytes | None
    taste: int = 0  # the number of the taste that ``snapshot`` is
    model: bytes | None = None  # what to begin with where nothing was learnt before


class LearnerThread:
    """Runs one job at a time and puts its result into the inbox."""

    def __init__(self, inbox_put: Callable[[tuple], None]) -> None:
        self._jobs: queue.SimpleQueue = queue.SimpleQueue()
        self._put = inbox_put
        threading.Thread(target=self._run, name="learner", daemon=True).start()

    def submit(self, job: Any) -> None:
        """Accept a job (called by the loop, in its slack)."""
        self._jobs.put(job)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                results = job.run()
            except Exception as error:  # a learner that fails must not silence the player
                results = [None] * len(job.parts)
                text = f"learning failed ({type(error).__name__}: {error}); playing goes on"
                self._put((SAY, time.perf_counter_ns(), text))
            self._put((ADOPT, time.perf_counter_ns(), job.number, results))


class Live:
    """The loop and what it owns. ``run`` returns when told to stop; ``close`` releases everything, always."""

    def __init__(self, wiring: Wiring, connections: list[Connection]) -> None:
        self.wiring = wiring
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self._memories = [ring.attach(n) for n in (wiring.ring, wiring.guard, wiring.snapshot_memory)]
        self.ring = ring.RingWriter(self._buffer(0), resume=True)
        self.recorder = Recorder(self.ring)
        self.guard = GuardMemory(self._buffer(1))
        self.shared = SharedSnapshot(self._buffer(2))
        self._synth: ring.RingWriter | None = None
        if wiring.synth_ring:
            self._memories.append(ring.attach(wiring.synth_ring))
            self._synth = ring.RingWriter(self._buffer(3), resume=True)
        self.ledger = Ledger(int(wiring.settings.budget_ms * 1e6))
        self.decide = Ledger(self.ledger.budget_ns)
        self.fifo = False
        self._in: Any = None
        self._out: Any = None
        self._send_out: Callable[[bytes], None] | None = None
        self._not_before = 0
        self.unsent = 0
        self._stopping = False
        self._orphan = False
        self._awake_until = 0
        self._version = -1  # which is in the shared copy: none yet, not even of where it begins
        self._taste = wiring.taste
        self._taken = 0  # the version with which this taste was taken up
        self._ready: Ready | None = None
        self._there = threading.Event()  # the performance has been made
        self._decide_p99 = 0
        self._next_ledger = 0
        self._next_tidy = 0
        self.learner = LearnerThread(self.inbox.put)
        for i, connection in enumerate(connections):  # the first is desk's own, and brings work; the others bring hands
            threading.Thread(target=self._listen, args=(connection, i > 0), name="pipe", daemon=True).start()

    # ---- start -------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Compile or load the kernels, open the ports, and create the performance."""
        from livecomposer.instrument.performance import Performance
        from livecomposer.instrument.rehearsal import Rehearsal

        self._status("stage preparing kernels")
        warm(self.wiring.settings)
        self._rehearsal = Rehearsal(self.wiring.settings)
        self._status("stage opening ports")
        wiring = self.wiring
        if wiring.system is not None:
            inputs, outputs = ports.list_ports(wiring.system)
            if wiring.virtual_out or wiring.midi_out:
                self._open("out", outputs)
            if wiring.virtual_in or wiring.midi_in:
                self._open("in", inputs)
        self.fifo = real_time_priority()
        sys.setswitchinterval(SWITCH_S)
        snapshot, refusal = self._learnt()
        gc.collect()
        self.performance = Performance(
            wiring.settings, self.sink, profile=wiring.profile, ring=self.ring, clock=time.perf_counter_ns,
            learner=self.learner, snapshot=snapshot, start_ns=time.perf_counter_ns() + BEGIN_NS,
        )  # fmt: skip
        self._describe()
        gc.freeze()
        gc.disable()
        self._there.set()
        if refusal:
            self._status(refusal)
        self._status("ready " + json.dumps({"fifo": self.fifo, "pid": os.getpid()}))

    def _learnt(self) -> tuple[bytes | None, str]:
        """What to begin with, checked; and the status that tells desk that what it gave cannot be used: it then looks
        for another, and meanwhile this one begins with the model, or anew. Raises TasteError for a bad model."""
        from livecomposer.instrument.performance import Performance

        snapshot, model, settings, refusal = self.wiring.snapshot, self.wiring.model, self.wiring.settings, ""
        if snapshot is not None:
            try:
                Performance(settings).standby.ready(snapshot, agent=settings.agent)
            except TasteError as error:
                snapshot, refusal = None, _refusal(error)
        if snapshot is None and model is not None:
            Performance(settings).standby.ready(model, agent=settings.agent, where="this model")
            snapshot = model
        return snapshot, refusal

    # ---- other threads: stamp, queue, return -------------------------------------------------------------------

    def _on_midi(self, event: tuple[list[int], float], port: Any = None) -> None:
        self.inbox.put((MIDI, time.perf_counter_ns(), 2, event[0]))

    def _listen(self, connection: Connection, urgent: bool) -> None:
        """One pipe: its entries go to the inbox; its end means that the parent has gone. An ``urgent`` one is read with
        the loop's priority, as a driver's thread would: on a busy machine others are woken milliseconds late."""
        if urgent:
            real_time_priority()
        while True:
            try:
                entry = inbox.unpack(connection.recv_bytes())
            except (EOFError, OSError):
                self._orphan = True
                self.inbox.put((STOP, time.perf_counter_ns()))
                return
            except struct.error:  # not ours; what follows may be
                continue
            if entry.kind == MIDI:
                self.inbox.put((MIDI, entry.t_ns, entry.source, entry.text))
            elif entry.kind == RATE:
                self.inbox.put((RATE, entry.t_ns, entry.source, entry.number))
            elif entry.kind == COMMAND:
                self.inbox.put((COMMAND, entry.t_ns, *inbox.command_of(entry)))
            elif entry.kind == TASTE:
                agent, _, memory = entry.text.decode().partition("=")
                self._make_ready(int(entry.number or 0), agent, memory)
            elif entry.kind == PORT:
                side, chosen, name = entry.text.decode(errors="replace").partition("=")
                if chosen:
                    self._choose_port(side, name)
                else:
                    self._port_changed(side, entry.number == BACK)
            else:
                self.inbox.put((STOP, entry.t_ns))

    def _make_ready(self, number: int, agent: str, memory: str) -> None:
        """Another taste, checked and planned on here, away from the loop, which then only copies it."""
        try:
            data = None
            if memory:
                shared = ring.attach(memory)
                assert shared.buf is not None
                size = int.from_bytes(shared.buf[:8], "little")
                data = bytes(shared.buf[8 : 8 + size])
                shared.close()
            self._there.wait()
            ready = self.performance.standby.ready(data, number, agent=agent)
        except Exception as error:  # whatever an agent does with a file: this thread also brings the end of the run
            self.inbox.put((SAY, time.perf_counter_ns(), _refusal(error)))
        else:
            self.inbox.put((TASTE, time.perf_counter_ns(), ready))

    def _choose_port(self, side: str, name: str) -> None:
        """Another port is wanted: opened here, away from the loop, which ends what sounds on the one before."""
        wiring = self.wiring
        if wiring.system is None:
            return
        port, profile = None, None
        if side == "in":
            profile = match_profile(name, load_profiles(user_dir() / "devices")[0]) if name else None
            self.wiring = replace(wiring, midi_in=name or None, virtual_in=False)
        else:
            self.wiring = replace(wiring, midi_out=name or None, virtual_out=False)
        try:
            if name and side == "in":
                port = ports.open_input(wiring.system, name, self._on_midi)
            elif name:
                port = ports.open_output(wiring.system, name)
        except LivecomposerError as error:  # desk looks for it, and tells when it is back
            self.inbox.put((SAY, time.perf_counter_ns(), f"lost {side} {error}"))
        self.inbox.put((PORT, time.perf_counter_ns(), side, port, profile))

    def _take_port(self, now: int, side: str, port: Any, profile: Profile | None) -> None:
        """Go on with another port; the one before has got its note-offs."""
        self.performance.command(now, f"{side}_lost")
        if side == "in":
            self.performance.take_up(now, profile)
            old, self._in = self._in, port
        else:
            old, self._out = self._out, port
            self._send_out = port.send_message if port is not None else None
        if old is not None:  # JACK sends in its next cycle: let it
            threading.Timer(0.1, ports.close_port, (old,)).start()

    def _port_changed(self, side: str, back: bool) -> None:
        """A port has gone or come back (desk watches): reopen it here, away from the loop."""
        wiring = self.wiring
        if wiring.system is None:
            return
        if side == "in":
            old, self._in = self._in, None
        else:
            self._send_out = None
            old, self._out = self._out, None
        ports.close_port(old)
        if back:
            try:
                inputs, outputs = ports.list_ports(wiring.system)
                self._open(side, inputs if side == "in" else outputs)
            except LivecomposerError as error:
                self.inbox.put((SAY, time.perf_counter_ns(), f"lost {side} {error}"))
        if old is not None or (self._in if side == "in" else self._out) is not None:  # else it has been told before
            self.inbox.put((COMMAND, time.perf_counter_ns(), f"{side}_lost", None))

    def _open(self, side: str, names: list[str]) -> None:
        """Open a side, under the name it has by now. One that has gone again is desk's to find: it is told."""
        wiring = self.wiring
        assert wiring.system is not None
        try:
            if side == "in":
                name = ports.find_again(wiring.midi_in, names) if wiring.midi_in else None
                self._in = ports.open_input(wiring.system, name, self._on_midi)
            else:
                name = ports.find_again(wiring.midi_out, names) if wiring.midi_out else None
                self._out = ports.open_output(wiring.system, name)
                self._send_out = self._out.send_message
        except PortNotFound as error:
            self.inbox.put((SAY, time.perf_counter_ns(), f"lost {side} {error}"))

    def stop(self, *_: Any) -> None:
        """End ``run`` soon; also a signal handler."""
        self.inbox.put((STOP, time.perf_counter_ns()))

    # ---- the loop ----------------------------------------------------------------------------------------------

    def sink(self, t_ns: int, msg: bytes) -> int:
        """Hop 7: mark, send, unmark; returns when it had been sent. A timed message waits here for its moment."""
        self.guard.before(msg)
        while time.perf_counter_ns() < self._not_before:
            pass
        if self._send_out is not None:
            try:
                self._send_out(msg)
            except Exception:  # a driver's own error type; the next message may get through again
                self.unsent += 1
        if self._synth is not None:
            self._synth.write(ring.Kind.OUTPUT, t_ns, msg)
        sent = time.perf_counter_ns()
        self.guard.after(msg)
        return sent

    def run(self) -> None:
        """Sleep to 0.8 ms before what is due next or until something comes in; then do it.

        What is due is begun a little early and its first message held until its time: done afterwards, the work
        would be the note's onset error (50 µs, against 1 µs: ``livecomposer bench jitter``).
        """
        performance, box, clock = self.performance, self.inbox, time.perf_counter_ns
        while not self._stopping:
            due = performance.next_due_ns()
            now = clock()
            wait = due - now
            if wait <= 0:
                if wait < -BEHIND_NS:
                    performance.late(now)
                performance.advance(now)
            elif wait > SPIN_NS:
                awake = now < self._awake_until
                try:
                    entry = box.get(timeout=min(wait - SPIN_NS, REST_NS if awake else IDLE_NS) * 1e-9)
                except queue.Empty:
                    if due - clock() > 2 * SPIN_NS:
                        if awake:
                            self._rehearsal.note()
                        self._idle()
                    continue
                self._handle(entry)
                if clock() >= self._next_ledger and performance.next_due_ns() - clock() > 2 * SPIN_NS:
                    self._idle()  # input that never pauses (MIDI clock) must not starve it
            else:
                while clock() < due - EARLY_NS:
                    if not box.empty():
                        self._handle(box.get())
                        break
                else:
                    self._not_before = due
                    performance.advance(due)
                    self._not_before = 0

    def _handle(self, entry: tuple) -> None:
        kind, t_in = entry[0], entry[1]
        performance = self.performance
        now = time.perf_counter_ns()
        if kind == MIDI:
            msg = bytes(entry[3])
            if now - t_in + self._decide_p99 > self.ledger.budget_ns:
                performance.late(now)
            performance.receive(t_in, msg, now, entry[2])
            if len(msg) == 3 and msg[0] & 0xF0 == NOTE_ON and msg[2] and performance.sent_ns >= now:
                self.ledger.add(performance.sent_ns - t_in)
                self._awake_until = now + AWAKE_NS
                if performance.decide_ns >= 0:
                    self.decide.add(performance.decide_ns)
        elif kind == RATE:
            if entry[3] is not None:  # else it was no number
                performance.rate(t_in, entry[3], now, SOURCES[entry[2]])
        elif kind == COMMAND:
            try:
                performance.command(now, entry[2], entry[3])
            except LivecomposerError as error:
                self._status(str(error))
        elif kind == ADOPT:
            performance.adopt(now, entry[2], entry[3])
        elif kind == PORT:
            self._take_port(now, *entry[2:])
        elif kind == TASTE:
            self._ready = entry[2]  # for a moment in which nothing is due
        elif kind == SAY:
            self._status(entry[2])  # the ring has one writer: the loop
        else:
            self._stopping = True

    def _change_taste(self, ready: "Ready", now: int) -> None:
        """Leave the present taste to desk, if anything has been learnt, and go on with another."""
        from livecomposer.instrument.snapshot import arrays_of

        learning = self.performance.learning
        if learning.busy or learning.version != self._taken:
            self.shared.leave(arrays_of(learning.kept), self._taste)
        before = self.performance.standby.agent
        self.performance.change_taste(now, ready)
        if ready.agent != before:
            self._describe()
        self._taste, self._taken, self._version = ready.number, learning.version, -1

    def _describe(self) -> None:
        """Say what the shared copies hold by now."""
        from livecomposer.instrument.snapshot import arrays_of, layout_of

        kept = self.performance.learning.kept
        meta = {"kind": "model", "agent": self.performance.standby.agent, "layout": layout_of(kept)}
        self.shared.describe(arrays_of(kept), meta)

    def _idle(self) -> None:
        """Nothing is due for a while: percentiles, the shared copy of what was learnt, young garbage."""
        now = time.perf_counter_ns()
        performance = self.performance
        if performance.learning.version != self._version:
            from livecomposer.instrument.snapshot import arrays_of

            self._version = performance.learning.version
            self.shared.write(arrays_of(performance.learning.kept), self._taste)
        if now >= self._next_ledger:
            self._next_ledger = now + LEDGER_NS
            share = 0.99 if self.decide.count >= FEW else 0.5  # of a few, the 99th percentile is the slowest
            self._decide_p99 = self.decide.percentile(share)
            self._write_ledger(now)
        elif self._ready is not None and performance.next_due_ns() - now > CHANGE_NS:
            ready, self._ready = self._ready, None
            try:
                self._change_taste(ready, now)
            except TasteError as error:
                self._status(_refusal(error))
        elif now >= self._next_tidy:
            self._next_tidy = now + TIDY_NS
            gc.collect(0)

    def _write_ledger(self, now: int) -> None:
        p, ledger = self.performance, self.ledger
        row = (
            p.notes_in, p.notes_out, ledger.percentile(0.5) / 1e6, ledger.percentile(0.99) / 1e6, ledger.max_ns / 1e6,
            ledger.misses, p.hands.malformed,
        )  # fmt: skip
        self.recorder.ledger(now, row)
        if self.unsent:
            self.recorder.loss(now, self.unsent)
            self.unsent = 0

    # ---- the end -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Release everything that sounds, whatever has happened, then let go of ports and memory."""
        performance = getattr(self, "performance", None)
        messages = self.guard.release()
        try:
            if performance is not None:
                performance.release(time.perf_counter_ns())
                self._write_ledger(time.perf_counter_ns())
                self._save()
        except Exception:  # a broken performance: the guard's table still knows what sounds
            for msg in messages:
                self.sink(0, msg)
        if self._orphan:  # JACK loses what is sent while it clears the dead desk's clients away: ~80 ms
            for pause in ORPHAN_PAUSES_S:
                time.sleep(pause)
                for msg in messages:
                    self.sink(0, msg)
        time.sleep(0.05)  # JACK sends in its next cycle; a client that closes sooner takes its last bytes along
        ports.close_port(self._in)
        ports.close_port(self._out)
        self.guard.clear()

    def _save(self) -> None:
        from livecomposer.instrument.snapshot import arrays_of

        self.shared.write(arrays_of(self.performance.learning.kept), self._taste)

    def _status(self, text: str) -> None:
        self.recorder.status(time.perf_counter_ns(), text)

    def _buffer(self, index: int) -> memoryview:
        buffer = self._memories[index].buf
        assert buffer is not None
        return buffer


def _refusal(error: Exception) -> str:
    """The status that tells desk that a taste cannot be used."""
    return f"refused {'foreign' if isinstance(error, ForeignTaste) else 'damaged'} {error}"


def warm(settings: Settings) -> None:
    """Run every kernel once on a scratch performance: the first call of a cached kernel costs ~20 ms."""
    from livecomposer.instrument.performance import Performance
    from livecomposer.settings import ROLES

    for role in ROLES:
        scratch = Performance(settings.with_(role=role, count_in=False))
        for i in range(8):
            scratch.receive(i * 250_000_000, bytes((NOTE_ON, 60 + i, 80)))
            scratch.receive(i * 250_000_000 + 1, bytes((0x80, 60 + i, 0)))
        scratch.advance(6_000_000_000)
        scratch.rate(6_100_000_000, -0.5)
        scratch.advance(16_000_000_000)


def try_out(settings: Settings) -> None:
    """``warm`` in a process of its own, out of everybody's way; exit code 1 if it cannot be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hush_libraries()
    if hasattr(os, "nice"):
        os.nice(10)
    try:
        warm(settings)
    except Exception:
        sys.exit(1)


def real_time_priority() -> bool:
    """SCHED_FIFO for the calling thread where the system allows it; returns whether it is in force."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
        return True
    except (AttributeError, OSError):
        return False


def main(wiring: Wiring, connections: list[Connection]) -> None:
    """Entry point of the spawned process. Exit codes: 0 told to stop, 2 a mendable error (named in a status record),
    1 anything else."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # desk gets Ctrl-C and tells us
    hush_libraries()
    live = Live(wiring, connections)
    signal.signal(signal.SIGTERM, live.stop)
    if hasattr(signal, "SIGHUP"):  # the terminal has been closed: it reaches every process of the run
        signal.signal(signal.SIGHUP, live.stop)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    code = 0
    try:
        live.prepare()
        live.run()
    except LivecomposerError as error:
        live._status(f"error {error}")
        code = 2
    except Exception as error:
        live._status(f"crash {type(error).__name__}: {error}\n{traceback.format_exc()}")
        code = 1
    finally:
        try:
            live.close()
        finally:
            os._exit(code)  # RtMidi's and numba's shutdown may hang; everything is released and written
