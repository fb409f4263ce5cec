"""From a key to its answer in harmonize: inside the instrument, and through JACK next to a bare echo.

Keys of the report: ``machine`` (with ``fifo``); ``ok``: False if a note was lost; ``agent``; ``inside``: times from
callback entry to the last message sent, in µs, over a null output, each a spread ``{n, p50, p99, max}``: ``idle`` and
``busy`` (the learner at work without a pause and a rating every second, in alternating blocks); of that, ``idle_wake``
and ``busy_wake`` (until the loop has taken the message), ``idle_thru`` and ``busy_thru`` (until the player's own note
was sent); ``idle_entry`` and ``busy_entry`` (how late the callback itself was entered: timer and GIL), ``job`` (one job
of ``rows`` steps a head, run time); ``rated``: how many ratings those were; ``lost``.
``jack`` (or ``jack_missing``, a sentence): round trips in ms of a client that plays the real ``livecomposer play`` and
a bare python-rtmidi echo by turns: spreads ``echo``, ``thru`` (the player's own note back), ``last`` (the last added
note), ``more_p50`` (thru less echo), ``last_more_p50``, ``lost``, ``echo_lost``, ``own`` (what the instrument itself
reports, callback entry to sent with real driver calls: ``[p50, p99, max]``), ``start_s`` (warm start of the program to
the first note back, median of ``starts_s``), ``period_ms``, ``synchronous`` (None: somebody else's server),
``in_force``.
"""

import random
import statistics
import threading
import time
from contextlib import ExitStack
from typing import Any

import numpy as np

from livecomposer.bench import jack
from livecomposer.bench.play import READY_S, Play, connect
from livecomposer.bench.process import SPAWN, Loop
from livecomposer.bench.report import machine, row, spread
from livecomposer.errors import PortError
from livecomposer.instrument.inbox import RATE
from livecomposer.instrument.live import Live
from livecomposer.instrument.records import BY_PLAYER, SOURCES, unpack
from livecomposer.instrument.ring import Kind, Record
from livecomposer.midi import ports
from livecomposer.midi.messages import NOTE_OFF, NOTE_ON
from livecomposer.settings import AGENTS, Settings, check

NOTES, SHORT_NOTES = 1000, 40  # of each kind
BLOCKS = 8  # idle, busy, idle, ...
ROWS = 5_000  # steps a head that a job learns from: about an hour of playing
GAP_S = 0.042  # keys closer than 40 ms are one chord, and only its first is answered
HELD_S = 0.02
RATING_NS = 1_000_000_000  # between two ratings
ECHO_IN, ECHO_OUT = "bench echo in", "bench echo out"
HARMONIZE = ("--virtual", "--role", "harmonize", "--seed", "7")
STARTS = 5  # of the program; a short run has only the one that is needed
WARM = 127  # velocity of notes that are not counted; below it, even velocities are idle blocks, odd ones busy


def measure(short: bool, agent: str = AGENTS[0]) -> dict[str, Any]:
    """The loop alone, then through JACK if it is there or can be started; ``agent`` decides and learns."""
    check("agent", agent)
    notes = SHORT_NOTES if short else NOTES
    facts = machine()
    fifo, inside = _inside(notes, agent)
    report: dict[str, Any] = {"machine": {**facts, "fifo": fifo}, "agent": agent, "inside": inside}
    with ExitStack() as stack:
        try:
            server = _server(stack)
            report["jack"] = _through_jack(notes, server, agent)
        except PortError as error:
            report["jack_missing"] = str(error)
    through = report.get("jack", {"lost": 0, "echo_lost": 0})
    report["ok"] = inside["lost"] == 0 and through["lost"] == 0 and through["echo_lost"] == 0
    return report


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table."""
    inside = report["inside"]
    job = inside["job"]
    table = [
        row("callback → sent, learner idle", inside["idle"], "µs"),
        row("callback → sent, learner busy, rated", inside["busy"], "µs"),
        row("  of it until the loop wakes, idle", inside["idle_wake"], "µs"),
        row("  of it until the loop wakes, busy", inside["busy_wake"], "µs"),
        row("  of it until the own note, idle", inside["idle_thru"], "µs"),
        row("  of it until the own note, busy", inside["busy_thru"], "µs"),
        row("  callback entered late by, idle", inside["idle_entry"], "µs"),
        row("  callback entered late by, busy", inside["busy_entry"], "µs"),
        row(f"  a job of {inside['rows']} steps a head", job, "µs"),
    ]
    if "jack" not in report:
        return [*table, [f"through JACK: not measured ({report['jack_missing']})"]]
    through = report["jack"]
    p50, p99, most = through["own"]
    return [
        *table,
        row("JACK, bare echo", through["echo"], "ms"),
        row("JACK, own note", through["thru"], "ms"),
        row("JACK, last added note", through["last"], "ms"),
        [
            f"through JACK at p50: {through['more_p50']:+.2f} ms next to the bare echo (last added note "
            f"{through['last_more_p50']:+.2f}); lost {through['lost']}, by the echo {through['echo_lost']}"
        ],
        [f"period {through['period_ms'] or 0:.2f} ms, {through['in_force']}, learner idle"],
        [f"inside that instrument, with its driver calls: {p50:.2f}/{p99:.2f}/{most:.2f} ms (p50/p99/max)"],
        [f"warm start to the first note: {through['start_s']:.2f} s (median of {len(through['starts_s'])})"],
    ]


# ---- inside: the loop without ports ----------------------------------------------------------------------------------


class Again:
    """A job that submits itself again, as long as ``busy`` is set: a learner that never rests."""

    number = -1  # not one the performance waits for

    def __init__(self, live: Live) -> None:
        learning = live.performance.learning
        dice = np.random.default_rng(7)
        for steps in learning.steps:
            n = min(ROWS, steps.capacity)
            steps.n = steps.matured = n
            steps.state[:n] = dice.integers(0, steps.spec.n_states, n)
            steps.action[:n] = dice.integers(0, steps.spec.n_actions, n)
            steps.mask[:n] = 1
            steps.features[:n] = dice.random(steps.features[:n].shape) < 0.1
            steps.reward[:n] = dice.normal(0.0, 0.1, n) * (dice.random(n) < 0.05)
        pairs = zip(learning.agents, learning.steps, strict=True)
        self.parts = tuple(agent.job(steps) for agent, steps in pairs)
        self.busy = threading.Event()
        self.took: list[int] = []
        self._learner = live.learner

    def start(self) -> None:
        """From now on the learner is busy."""
        self.busy.set()
        self._learner.submit(self)

    def run(self) -> list[Any]:
        """In the learner's thread."""
        start = time.perf_counter_ns()
        results = [part() for part in self.parts]
        self.took.append(time.perf_counter_ns() - start)
        if self.busy.is_set():
            self._learner.submit(self)
        return results


def _inside(notes: int, agent: str) -> tuple[bool, dict[str, Any]]:
    mine, theirs = SPAWN.Pipe()
    with Loop(Settings(role="harmonize", seed=7, agent=agent), _feed, theirs, notes * 2 // BLOCKS) as loop:
        theirs.close()
        loop.wait(mine.poll, 30.0 + notes * 4 * GAP_S)
        late, took, rows, rated = mine.recv()
        loop.tail(0.2)
        keys = _latencies(loop.records)
        fifo = loop.fifo
    figures: dict[str, Any] = {}
    for side, name in enumerate(("idle", "busy")):
        found = [key for key in keys if key[0] < WARM and key[0] % 2 == side]
        for part, label in enumerate(("_wake", "_thru", "")):
            figures[name + label] = spread(key[1 + part] for key in found)
        figures[f"{name}_entry"] = spread(ns for velocity, ns in late if velocity < WARM and velocity % 2 == side)
    played = sum(velocity < WARM for velocity, _ in late)
    figures |= {
        "job": spread(took),
        "rows": rows,
        "rated": rated,
        "lost": played - figures["idle"]["n"] - figures["busy"]["n"],
    }
    return fifo, figures


def _feed(live: Live, pipe: Any, notes: int) -> None:
    """In the instrument's process: start a player on a thread that has the loop's priority, as a driver's has."""
    threading.Thread(target=_player, args=(live, pipe, notes), daemon=True).start()


def _player(live: Live, pipe: Any, notes: int) -> None:
    dice = random.Random(7)
    again = Again(live)
    late = []
    rated, next_rating = 0, 0
    clock, callback = time.perf_counter_ns, live._on_midi
    for block in range(-1, BLOCKS):  # the first is for warming up
        if block % 2:
            again.start()
        for _ in range(notes if block >= 0 else 10):
            velocity = WARM if block < 0 else 40 + 2 * dice.randrange(40) + block % 2
            note = dice.randrange(55, 76)
            down, up = ([NOTE_ON, note, velocity], 0.0), ([NOTE_OFF, note, 0], 0.0)
            due = clock() + int((GAP_S - HELD_S + dice.random() * 0.008) * 1e9)
            time.sleep((due - clock()) * 1e-9)
            entered = clock()
            callback(down)
            time.sleep(HELD_S)  # as a driver's thread does, it gives the GIL back at once
            late.append((velocity, entered - due))
            callback(up)
            if block % 2 and clock() >= next_rating:
                next_rating = clock() + RATING_NS
                live.inbox.put((RATE, clock(), SOURCES.index("keys"), 0.5 if rated % 3 else -0.5))
                rated += 1
        again.busy.clear()
        time.sleep(0.1)
    pipe.send((late, again.took, live.performance.learning.steps[0].n, rated))


def _latencies(records: list[Record]) -> list[tuple[int, int, int, int]]:
    """(velocity, ns until the loop took it, until the own note was sent, until the last note was) of every key."""
    keys: dict[int, tuple[int, int]] = {}
    thru: dict[int, int] = {}
    last: dict[int, int] = {}
    for record in records:
        if record.kind == Kind.INPUT:
            t_in, _, msg = unpack(record)
            if msg[0] == NOTE_ON:
                keys[t_in] = msg[2], record.t_ns - t_in
        elif record.kind == Kind.OUTPUT:
            due, _, by, msg = unpack(record)
            if msg[0] & 0xF0 == NOTE_ON:
                last[due] = max(record.t_ns, last.get(due, 0))
                if by == BY_PLAYER:
                    thru[due] = record.t_ns
    return [(*key, thru[t] - t, last[t] - t) for t, key in keys.items() if t in thru]


# ---- through JACK ----------------------------------------------------------------------------------------------------


def _server(stack: ExitStack) -> jack.Server | None:
    """Somebody's running server (None), else one of our own until the stack ends. Raises PortError."""
    return None if jack.answers() else stack.enter_context(jack.jack_server())


def _through_jack(notes: int, server: jack.Server | None, agent: str) -> dict[str, Any]:
    system = ports.find_system("jack")
    mine, theirs = SPAWN.Pipe()
    echo = SPAWN.Process(target=echo_main, args=(system.api, theirs), name="bench echo")
    echo.start()
    theirs.close()
    try:
        if not mine.poll(20.0):
            raise PortError("the bare echo does not start")
        starts = [_start(system, agent) for _ in range(0 if notes < NOTES else STARTS - 1)]
        with Play(*HARMONIZE, "--agent", agent) as play:
            return _round_trips(notes, server, system, play, starts)
    finally:
        mine.close()  # its end of the pipe tells it to go
        echo.join(3.0)
        if echo.is_alive():
            echo.kill()
            echo.join(3.0)


def echo_main(api: int, pipe: Any) -> None:
    """A process that sends back what comes in, from the callback itself: nothing in Python can be faster."""
    import os

    import rtmidi

    midi_in, midi_out = rtmidi.MidiIn(api, name=ECHO_IN), rtmidi.MidiOut(api, name=ECHO_OUT)
    midi_out.open_virtual_port(ECHO_OUT)
    midi_in.set_callback(lambda event, _: midi_out.send_message(event[0]))
    midi_in.open_virtual_port(ECHO_IN)
    pipe.send(None)
    try:
        pipe.recv()
    except (EOFError, OSError):
        os._exit(0)


class Side:
    """One of the two that are measured: our ports to it, and what has come back, as (time, message)."""

    def __init__(self, system: ports.System, label: str) -> None:
        import rtmidi

        self.out = rtmidi.MidiOut(system.api, name=f"bench to {label}")
        self.back = rtmidi.MidiIn(system.api, name=f"bench from {label}", queue_size_limit=4096)
        self.heard: list[tuple[int, list[int]]] = []
        self.back.set_callback(lambda event, _: self.heard.append((time.perf_counter_ns(), event[0])))
        self.sent: list[tuple[int, int, int]] = []  # time, note, how much had come back before

    def connect(self, play: Play, name_in: str, name_out: str) -> None:
        """Connect to these ports as soon as they are there."""
        play.wait(lambda: connect(self.out, name_in, "keys"), READY_S, f'"{name_in}"')
        play.wait(lambda: connect(self.back, name_out, "back"), READY_S, f'"{name_out}"')

    def close(self) -> None:
        """Give the ports back."""
        ports.close_port(self.out)
        ports.close_port(self.back)

    def play(self, note: int) -> None:
        """A key down."""
        before = len(self.heard)
        self.sent.append((time.perf_counter_ns(), note, before))
        self.out.send_message((NOTE_ON, note, 90))

    def times(self) -> list[tuple[int, int]]:
        """(ns to the own note, ns to the last note_on) for each key answered before the next."""
        found = []
        for i, (sent, note, start) in enumerate(self.sent):
            end = self.sent[i + 1][2] if i + 1 < len(self.sent) else len(self.heard)
            ons = [(t, msg) for t, msg in self.heard[start:end] if msg[0] & 0xF0 == NOTE_ON and msg[2]]
            own = next((t for t, msg in ons if msg[0] == NOTE_ON and msg[1] == note), None)
            if own is not None:
                found.append((own - sent, ons[-1][0] - sent))
        return found


def _round_trips(
    notes: int, server: jack.Server | None, system: ports.System, play: Play, starts: list[float]
) -> dict[str, Any]:
    sides = [Side(system, "instrument"), Side(system, "echo")]
    try:
        sides[0].connect(play, ports.IN_NAME, ports.OUT_NAME)
        sides[1].connect(play, ECHO_IN, ECHO_OUT)
        starts = [*starts, _first_note(sides[0], play)]
        play.wait(lambda: play.ready, READY_S, "Ready")
        dice = random.Random(7)
        time.sleep(0.5)
        for side in sides:
            side.sent.clear()
            side.heard.clear()
        for i in range(notes):
            order = sides if i % 2 else sides[::-1]
            for side in order:
                note = dice.randrange(55, 76)
                side.play(note)
                time.sleep(HELD_S)
                side.out.send_message((NOTE_OFF, note, 0))
                time.sleep(0.003 + dice.random() * 0.006)  # any phase of the period
        time.sleep(0.3)
        own = _own(play)
    finally:
        for side in sides:
            side.close()
    through, bare = (side.times() for side in sides)
    thru, last = ([pair[i] for pair in through] for i in (0, 1))
    echo = [pair[0] for pair in bare]
    scale = 1e-6
    return {
        "echo": spread(echo, scale), "thru": spread(thru, scale), "last": spread(last, scale),
        "more_p50": _more(thru, echo), "last_more_p50": _more(last, echo),
        "lost": notes - len(through), "echo_lost": notes - len(bare), "own": own,
        "start_s": round(statistics.median(starts), 2), "starts_s": [round(took, 2) for took in starts],
        "period_ms": round(server.period_ms, 3) if server else None, "synchronous": True if server else None,
        "in_force": play.ready[-1][0],
    }  # fmt: skip


def _start(system: ports.System, agent: str) -> float:
    """Start the program once and end it again; seconds to the first note back."""
    side = Side(system, "instrument")
    try:
        with Play(*HARMONIZE, "--agent", agent) as play:
            side.connect(play, ports.IN_NAME, ports.OUT_NAME)
            return _first_note(side, play)
    finally:
        side.close()


def _first_note(side: Side, play: Play) -> float:
    """Play a key every 10 ms until one comes back; seconds since the program was started."""

    def back() -> bool:
        side.out.send_message((NOTE_ON, 60, 90))
        side.out.send_message((NOTE_OFF, 60, 0))
        time.sleep(0.01)
        return bool(side.heard)

    play.wait(back, READY_S, "the first note")
    return side.heard[0][0] * 1e-9 - play.started


def _own(play: Play) -> list[float]:
    """p50, p99 and max of its next status line, ms."""

    def lines() -> list[str]:
        return [line for line in play.lines if " latency " in line]

    before = len(lines())
    play.wait(lambda: len(lines()) > before, 12.0, "a status line")
    return [float(word) for word in lines()[-1].partition(" latency ")[2].split(" ")[0].split("/")]


def _more(ours: list[int], bare: list[int]) -> float:
    if not ours or not bare:
        return 0.0
    return round((statistics.median(ours) - statistics.median(bare)) * 1e-6, 3)
