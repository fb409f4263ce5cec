"""The synth process: plays what the instrument writes into a shared ring.

``main`` is the target that ``desk`` spawns; everything here runs in that child's main thread. It is not part of the
instrument's real-time path: if it dies, the music on hardware goes on and desk starts it again.
"""

import gc
import heapq
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from livecomposer.errors import LivecomposerError
from livecomposer.instrument.ring import Kind, RingReader, attach
from livecomposer.quiet import hush_libraries
from livecomposer.synth.sound import Sound

POLL_S = 0.001
ASIDE = 10  # the connection and the parent are looked at every tenth poll
FADE_S = 0.03  # a stopped synth falls silent before it closes the device
STALLED_S = 2.0  # a device that takes no block for so long is gone
STALE_NS = 100_000_000  # at start, notes older than this are history
PRIORITY = 10  # SCHED_FIFO: below jackd's and the audio thread's


def main(ring_name: str, connection: Connection, options: dict[str, Any]) -> None:
    """Open the sound, report, play until told to stop or until the parent is gone.

    Parameters
    ----------
    ring_name : shared memory of a ring whose ``OUTPUT`` records carry MIDI bytes, due at ``t_ns`` of
        ``time.perf_counter_ns``.
    connection : this end's duplex pipe. Sent: once ``("ready", {"backend", "latency_s", "sample_rate", "block"})`` or
        ``("failed", sentence)``; later ``("failed", sentence)`` if the device goes away. Taken: ``("midi", bytes)``
        and ``("stop",)``.
    options : keyword arguments of ``Sound``; ``{"backend": "dummy"}`` needs no device.
    """
    for name in ("SIGINT", "SIGHUP", "SIGQUIT"):  # desk gets them and tells us
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # through `finally`, so that the device is given back
    parent = os.getppid()
    hush_libraries()
    try:
        memory = attach(ring_name)
    except OSError:
        _tell(connection, ("failed", f"the built-in sound cannot find the shared ring {ring_name}; start again"))
        return
    try:
        try:
            sound = Sound(**options)
        except LivecomposerError as error:
            _tell(connection, ("failed", str(error)))
            return
        assert memory.buf is not None
        try:
            _play(sound, RingReader(memory.buf), connection, parent)
        finally:
            _fall_silent(sound)
            sound.close()
    finally:
        memory.close()
        connection.close()


def _play(sound: Sound, reader: RingReader, connection: Connection, parent: int) -> None:
    due: list[tuple[int, int, bytes]] = []
    _catch_up(sound, reader, due)
    lost = reader.lost
    facts = {
        "backend": sound.backend,
        "latency_s": sound.latency_s,
        "sample_rate": sound.sample_rate,
        "block": sound.block,
    }
    if not _tell(connection, ("ready", facts)):
        return
    _hurry()
    turn = 0
    while True:
        for record in reader.read():
            if record.kind == Kind.OUTPUT:
                heapq.heappush(due, (record.t_ns, record.seq, record.payload))
        if reader.lost != lost:  # a note_off may be among them
            lost = reader.lost
            sound.silence()
        now_ns = time.perf_counter_ns()
        while due and due[0][0] <= now_ns:
            sound.handle(heapq.heappop(due)[2])
        sound.tick()
        turn += 1
        if turn % ASIDE == 0:
            if os.getppid() != parent or not _obey(sound, connection):
                return
            if sound.stalled_s > STALLED_S:
                _tell(
                    connection,
                    ("failed", f"the audio device has stopped ({sound.backend}); check it, or choose another backend"),
                )
                return
        time.sleep(POLL_S)


def _catch_up(sound: Sound, reader: RingReader, due: list[tuple[int, int, bytes]]) -> None:
    """What the ring held before we came: programs, controllers and bends count, notes that are over do not."""
    stale_ns = time.perf_counter_ns() - STALE_NS
    while records := reader.read():
        for record in records:
            if record.kind != Kind.OUTPUT:
                continue
            if record.t_ns >= stale_ns:
                heapq.heappush(due, (record.t_ns, record.seq, record.payload))
            elif record.payload and record.payload[0] & 0xF0 not in (0x80, 0x90):
                sound.handle(record.payload)


def _obey(sound: Sound, connection: Connection) -> bool:
    """Take what desk has sent; False when it is time to go."""
    try:
        while connection.poll():
            message = connection.recv()
            if message[0] == "midi":
                sound.handle(message[1])
            elif message[0] == "stop":
                return False
    except (EOFError, OSError):
        return False
    return True


def _fall_silent(sound: Sound) -> None:
    sound.silence()
    end_s = time.perf_counter() + FADE_S
    while time.perf_counter() < end_s:
        sound.tick()
        time.sleep(POLL_S)


def _tell(connection: Connection, message: tuple[str, Any]) -> bool:
    try:
        connection.send(message)
    except OSError:  # desk is gone
        return False
    return True


def _hurry() -> None:
    """Real-time priority for this thread where allowed, and no full garbage collections."""
    gc.collect()
    gc.freeze()
    if hasattr(os, "sched_setscheduler"):
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
        except OSError:
            pass
