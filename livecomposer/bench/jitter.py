"""How exactly scheduled notes leave, next to a bare loop that only sleeps and spins.

A solo at ``TEMPO`` in the instrument's own loop, and in a process of the same kind and priority a loop with nothing
to do but the same deadlines (same number, same gaps); they take turns, and while one plays the other waits.

Keys of the report: ``machine`` (with ``fifo``); ``ok`` (False if ring records were lost or a message left
before its time); ``early`` (how many did); spreads ``{n, p50, p99,
max}`` in µs: ``onset`` (sent − due of the first note of each event), ``bare``, ``all`` (every note_on of the agent,
chords included: each further note waits for the ones before it), ``off`` (note_offs); ``ratio_p99`` (onset over bare);
``rounds``: for each round ``[onset p99, bare p99]``.
"""

import gc
import time
from itertools import pairwise
from typing import Any

from livecomposer.bench.process import SPAWN, Loop
from livecomposer.bench.report import machine, row, spread
from livecomposer.instrument.live import SPIN_NS, SWITCH_S, real_time_priority
from livecomposer.instrument.records import BY_AGENT, unpack
from livecomposer.instrument.ring import Kind, Record
from livecomposer.midi.messages import NOTE_OFF, NOTE_ON
from livecomposer.settings import Settings

TEMPO = 300.0
ROUNDS, SHORT_ROUNDS = 8, 2
ROUND_S, SHORT_ROUND_S = 20.0, 2.5
Sent = list[tuple[int, int, bytes]]  # due, sent, message


def measure(short: bool) -> dict[str, Any]:
    """The loop and the bare loop by turns."""
    facts = machine()
    sent: Sent = []
    bare: list[int] = []
    rounds = []
    mine, theirs = SPAWN.Pipe()
    other = SPAWN.Process(target=bare_main, args=(theirs,), name="bench bare loop")
    other.start()
    theirs.close()
    try:
        with Loop(Settings(role="solo", tempo=TEMPO, seed=7, taste="bench")) as loop:
            loop.command("mute", 1.0)
            for _ in range(SHORT_ROUNDS if short else ROUNDS):
                loop.command("mute", 0.0)
                played = _of_the_agent(loop.tail(SHORT_ROUND_S if short else ROUND_S))
                loop.command("mute", 1.0)
                played += _of_the_agent(loop.tail(0.5))
                dues = [due for due, _, _ in _onsets(played)]
                mine.send([b - a for a, b in pairwise(dues)])
                loop.wait(mine.poll, 60.0)
                errors = mine.recv()
                rounds.append([spread(s - d for d, s, _ in _onsets(played)).get("p99"), spread(errors).get("p99")])
                sent += played
                bare += errors
            fifo, lost = loop.fifo, loop.lost
    finally:
        mine.close()  # the end of the pipe tells it to go
        other.join(5.0)
        if other.is_alive():
            other.kill()
            other.join(5.0)
    early = sum(s < d for d, s, _ in sent)
    onset, other_onset = spread(s - d for d, s, _ in _onsets(sent)), spread(bare)
    return {
        "machine": {**facts, "fifo": fifo}, "ok": lost == early == 0, "early": early, "onset": onset,
        "bare": other_onset,
        "all": spread(s - d for d, s, msg in sent if msg[0] & 0xF0 == NOTE_ON),
        "off": spread(s - d for d, s, msg in sent if msg[0] & 0xF0 == NOTE_OFF),
        "ratio_p99": round(onset.get("p99", 0.0) / max(other_onset.get("p99", 0.0), 1e-3), 2), "rounds": rounds,
    }  # fmt: skip


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table."""
    pairs = ", ".join(f"{ours:.0f}/{bare:.0f}" for ours, bare in report["rounds"] if ours and bare)
    return [
        row("onset of scheduled notes", report["onset"], "µs"),
        row("bare sleep-and-spin loop", report["bare"], "µs"),
        row("every note of a chord", report["all"], "µs"),
        row("note_offs", report["off"], "µs"),
        [f"at p99 {report['ratio_p99']:.2f} × the bare loop; by rounds, loop/bare: {pairs} µs"],
        ["learner idle, output: none"],
    ]


def bare_main(pipe: Any) -> None:
    """Wait for a list of gaps (ns), keep that many deadlines, answer with the errors; until the pipe ends."""
    import sys

    real_time_priority()
    sys.setswitchinterval(SWITCH_S)
    gc.disable()
    clock = time.perf_counter_ns
    try:
        while True:
            gaps = pipe.recv()
            errors = []
            due = clock() + 10_000_000
            for gap in [*gaps, 0]:
                time.sleep(max(due - SPIN_NS - clock(), 0) * 1e-9)
                while clock() < due:
                    pass
                errors.append(clock() - due)
                due += gap
            pipe.send(errors)
    except (EOFError, OSError):
        return


def _of_the_agent(records: list[Record]) -> Sent:
    found = []
    for record in records:
        if record.kind == Kind.OUTPUT:
            due, _, by, msg = unpack(record)
            if by == BY_AGENT and msg[0] & 0xF0 in (NOTE_ON, NOTE_OFF):
                found.append((due, record.t_ns, msg))
    return found


def _onsets(sent: Sent) -> Sent:
    """The first note_on of each moment."""
    first: dict[int, tuple[int, int, bytes]] = {}
    for entry in sent:
        if entry[2][0] & 0xF0 == NOTE_ON:
            first.setdefault(entry[0], entry)
    return list(first.values())
