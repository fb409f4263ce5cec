"""From SIGKILL of the instrument to silence on its output, the pedal down.

A real ``livecomposer play --out`` plays to a port of ours; we hold a chord and the pedal, kill the instrument's
process, and wait until every note that sounds has had its note_off and the pedal is up. Desk starts the instrument
again, and the next round comes. A synchronous jackd stands still for about 55 ms for each client of the dead
instrument (RtMidi makes one for the input and one for the output), most often for both at once: rounds come in two
kinds, 55 and 111 ms, and in the latter all that desk had sent meanwhile arrives together.

Keys of the report: ``machine``; ``ok`` and ``released``: whether all was released in every round; ``rounds``: ms from
the kill to the last release for each (None: not released); ``release_ms``: their spread ``{n, p50, p99, max}``;
``notes``: how many sounded in each; ``period_ms``, ``synchronous`` (None: somebody else's server), ``in_force``;
``jack_missing``: why nothing was measured, if so (``ok`` is then True: nothing is known to be wrong).
"""

import os
import signal
import time
from contextlib import ExitStack
from typing import Any

from livecomposer.bench import jack
from livecomposer.bench.play import READY_S, Play, connect
from livecomposer.bench.report import machine, row, spread
from livecomposer.errors import PortError
from livecomposer.midi import ports
from livecomposer.midi.messages import CC_SUSTAIN, CONTROL_CHANGE, NOTE_OFF, NOTE_ON

ROUNDS, SHORT_ROUNDS = 16, 2
ROUNDS_A_PLAY = 4  # desk gives up on an instrument that dies more often within a minute
CHORD = (48, 55, 64)
SILENT_S = 3.0
SYNTH = "bench synth"


class Synth:
    """What a synth on the other side would do: which notes sound, whether a pedal is down, and since when not."""

    def __init__(self, system: ports.System) -> None:
        import rtmidi

        self.notes: set[tuple[int, int]] = set()
        self.pedals: set[int] = set()
        self.changed_ns = 0
        self._port = rtmidi.MidiIn(system.api, name=SYNTH, queue_size_limit=4096)
        self._port.set_callback(self._take)
        self._port.open_virtual_port(SYNTH)

    def close(self) -> None:
        """Give the port back."""
        ports.close_port(self._port)

    @property
    def silent(self) -> bool:
        """Nothing sounds and no pedal is down."""
        return not self.notes and not self.pedals

    def _take(self, event: tuple[list[int], float], _: Any) -> None:
        now = time.perf_counter_ns()
        msg = event[0]
        kind, channel = msg[0] & 0xF0, msg[0] & 15
        was = len(self.notes) + len(self.pedals)
        if kind == NOTE_ON and msg[2]:
            self.notes.add((channel, msg[1]))
        elif kind in (NOTE_ON, NOTE_OFF):
            self.notes.discard((channel, msg[1]))
        elif kind == CONTROL_CHANGE and msg[1] == CC_SUSTAIN:
            (self.pedals.add if msg[2] >= 64 else self.pedals.discard)(channel)
        if len(self.notes) + len(self.pedals) != was:
            self.changed_ns = now


def measure(short: bool) -> dict[str, Any]:
    """Kill, look, and again."""
    report: dict[str, Any] = {"machine": machine(), "ok": True, "released": None, "rounds": [], "notes": []}
    with ExitStack() as stack:
        try:
            server = None if jack.answers() else stack.enter_context(jack.jack_server())
            system = ports.find_system("jack")
        except PortError as error:
            return {**report, "jack_missing": str(error)}
        synth = Synth(system)
        stack.callback(synth.close)
        left = SHORT_ROUNDS if short else ROUNDS
        while left > 0:
            with Play("--out", SYNTH, "--virtual", "--role", "harmonize", "--seed", "7") as play:
                for number in range(min(left, ROUNDS_A_PLAY)):
                    took, notes = _round(system, synth, play, number)
                    report["rounds"].append(took)
                    report["notes"].append(notes)
                report["in_force"] = play.ready[-1][0]
            left -= ROUNDS_A_PLAY
    took_ms = [took for took in report["rounds"] if took is not None]
    report["released"] = report["ok"] = len(took_ms) == len(report["rounds"])
    report["release_ms"] = spread(took_ms, 1.0)
    report["period_ms"] = round(server.period_ms, 3) if server else None
    report["synchronous"] = True if server else None
    return report


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table."""
    if "jack_missing" in report:
        return [[f"not measured: {report['jack_missing']}"]]
    each = ", ".join("NOT RELEASED" if took is None else f"{took:.0f}" for took in report["rounds"])
    return [
        row("kill → all released, pedal up", report["release_ms"], "ms"),
        [f"by rounds: {each} ms; notes sounding: {', '.join(map(str, report['notes']))}"],
        [f"period {report['period_ms'] or 0:.2f} ms, {report['in_force']}"],
    ]


def _round(system: ports.System, synth: Synth, play: Play, number: int) -> tuple[float | None, int]:
    """(ms from the kill to silence or None, notes that sounded)."""
    import rtmidi

    play.wait(lambda: len(play.ready) > number, READY_S, "Ready")
    keys = rtmidi.MidiOut(system.api, name="bench keys")
    try:
        play.wait(lambda: connect(keys, ports.IN_NAME, "keys"), READY_S, f'"{ports.IN_NAME}"')
        time.sleep(0.3)
        keys.send_message((CONTROL_CHANGE, CC_SUSTAIN, 127))
        for note in CHORD:
            keys.send_message((NOTE_ON, note, 90))
            time.sleep(0.06)  # not one chord: each is answered
        own = {(0, note) for note in CHORD}
        play.wait(lambda: synth.pedals and own <= synth.notes, 5.0, "the chord")
        time.sleep(0.2)
        notes = len(synth.notes)
        killed_ns = time.perf_counter_ns()
        os.kill(play.ready[number][1], signal.SIGKILL)
        end = time.monotonic() + SILENT_S
        while not synth.silent and time.monotonic() < end:
            time.sleep(0.005)
        took = (synth.changed_ns - killed_ns) * 1e-6 if synth.silent else None
        synth.notes.clear()
        synth.pedals.clear()
        return None if took is None else round(took, 2), notes
    finally:
        ports.close_port(keys)
