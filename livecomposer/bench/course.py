"""The course: which listener teaches which instrument, as tasks that any process can do, and the processes.

``bench.taste`` calls it and judges the results. A task's result depends on the task alone, not on its process.
"""

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from livecomposer.bench import lessons, verdicts
from livecomposer.bench.lessons import Lesson, Played
from livecomposer.bench.listeners import ARCHETYPES, Habit, Listener, Taste, hear_notes, opposite, utility
from livecomposer.instrument.performance import Performance

SEED = 20_000  # of the first lesson
CURVE = (5, 10, 20, 35, 50)  # ratings
CHANGE_AT, CHANGED = 60, 100  # ratings
CLOCK_S = (300, 600)
TASTELESS = ("always", "random", "silent")
RHYTHM_ONLY, MELODY_ONLY = ("long notes", "space", "syncopation"), ("rising steps", "high notes")
MANY = 4  # times as many takes show what rhythm alone does to melody: little, beside what contexts do to it
HABITUATION = 0.7  # of who grows used to what is played
CHUNK = 25  # takes of the prior in one task
TAKES_SEED = 50_000
# whom a listener turns into
BECOMES: Mapping[str, str] = MappingProxyType({
    "falling thirds": "no thirds", "rising steps": "leaps", "high notes": "long low notes",
    "long notes": "syncopation", "full chords": "single notes", "single notes": "full chords", "space": "syncopation",
    "leaps": "rising steps", "tritones": "falling thirds", "long low notes": "high notes", "syncopation": "long notes",
    "no thirds": "falling thirds", "zigzag": "rising steps", "arches": "zigzag", "fresh pitches": "one register",
    "returning motifs": "fresh pitches", "one register": "fresh pitches", "silence then chord": "single notes",
})  # fmt: skip


class Size(NamedTuple):
    """How much is measured."""

    listeners: tuple[str, ...]
    seeds: int
    takes: int  # held-out, a lesson
    oracle: int  # ratings
    prior: int  # takes that the oracle is to beat
    practice: int = 0  # events of other agents


LONG = Size(tuple(ARCHETYPES), 20, 6, 1500, 1000)
SHORT = Size(("rising steps", "long notes", "leaps", "one register"), 1, 4, 250, 50)


class Task(NamedTuple):
    """A piece of work for one process; ``seed`` counts from 0."""

    part: str
    listener: str
    seed: int


Done = dict[Task, dict[str, Any]]


def tasks_of(size: Size) -> list[Task]:
    """The longest first."""
    parts = ["graded", "clock", "thumb", "opposite", "used_to", "q", "last_note"]
    parts += ["ab"] if lessons.CAN_COMPARE else []
    runs = [Task(part, name, seed) for part in parts for seed in range(size.seeds) for name in size.listeners]
    return [
        *(Task("oracle", name, rests) for name in size.listeners for rests in (0, 1)),
        *runs,
        *(Task(part, "", seed) for part in (*TASTELESS, "prior") for seed in range(size.seeds)),
        *(Task("best", "", first) for first in range(0, size.prior, CHUNK)),
    ]


def becomes(name: str, listeners: Sequence[str]) -> str:
    """Whom a listener turns into: the one set, or else the next of those measured."""
    chosen = BECOMES[name]
    return chosen if chosen in listeners else listeners[(listeners.index(name) + 1) % len(listeners)]


# ---- one task, in any process --------------------------------------------------------------------------------------


def perform(size: Size, tastes: Mapping[str, Taste], task: Task) -> tuple[Task, dict[str, Any]]:
    """Do a task."""
    work: dict[str, Callable[[Size, Mapping[str, Taste], Task], dict[str, Any]]] = {
        "oracle": _oracle, "best": _best, "prior": _prior, "graded": _graded, "clock": _clock, "opposite": _opposite
    }  # fmt: skip
    if task.part.startswith("practised/"):
        return task, _practised(size, tastes, task)
    return task, work.get(task.part, _plain)(size, tastes, task)


def _oracle(size: Size, tastes: Mapping[str, Taste], task: Task) -> dict[str, Any]:
    """``seed`` 1: told of rests too."""
    name = task.listener
    told = lessons.oracle(tastes[name], SEED, size.oracle, rests=task.seed == 1)
    takes = lessons.frozen(told, size.takes * size.seeds)
    played = lessons.judge(takes, [tastes[asked] for asked in (name, *MELODY_ONLY)])
    melody = {other: played.pleases[other] for other in MELODY_ONLY}
    return {"pleases": played.pleases[name], "melody": melody, "pitches": played.pitches}


def _best(size: Size, tastes: Mapping[str, Taste], task: Task) -> dict[str, Any]:
    takes = lessons.frozen(None, min(CHUNK, size.prior - task.seed), first=TAKES_SEED + task.seed)
    return {name: max(utility(taste, notes) for notes in takes) for name, taste in tastes.items()}


def _prior(size: Size, tastes: Mapping[str, Taste], task: Task) -> dict[str, Any]:
    played = {agent: _judged(size, task, None, list(tastes.values()), agent) for agent in ("dyna-q", "q")}
    return {**played, "melody": _melody(size, tastes, task, None)}


def _melody(size: Size, tastes: Mapping[str, Taste], task: Task, snapshot: bytes | None) -> dict[str, float]:
    """What those think of it who hear melody alone."""
    takes = MANY * size.takes
    heard = lessons.frozen(snapshot, takes, first=2 * lessons.HELD_OUT + task.seed * takes)
    return lessons.judge(heard, [tastes[name] for name in MELODY_ONLY]).pleases


def _graded(size: Size, tastes: Mapping[str, Taste], task: Task) -> dict[str, Any]:
    """100 ratings with a change of taste after 60, and the control."""
    name = task.listener
    after = becomes(name, size.listeners)
    asked = [tastes[n] for n in dict.fromkeys((name, after))]
    counts = (*CURVE, CHANGE_AT, CHANGED)
    lesson = lessons.teach(
        instrument_of(task), listener_of(tastes[name], task), counts, change=(CHANGE_AT, tastes[after])
    )
    presses = lesson.presses[: CURVE[-1]]
    values = np.random.default_rng(task.seed).permutation([value for _, value in presses])
    again = lessons.Again([(t_ns, float(value)) for (t_ns, _), value in zip(presses, values, strict=True)])
    control = lessons.teach(instrument_of(task), again, (len(presses),))
    shuffled = _judged(size, task, control.snapshots[len(presses)], [tastes[name]])
    more: dict[str, Any] = {"stay": lessons.stayed(lesson.awaited, lesson.sent), "shuffled": shuffled}
    if name in RHYTHM_ONLY:
        more["melody"] = _melody(size, tastes, task, lesson.snapshots[CURVE[-1]])
    return _figures(size, task, lesson, asked, **more)


def _clock(size: Size, tastes: Mapping[str, Taste], task: Task) -> dict[str, Any]:
    taste = tastes[task.listener]
    lesson = lessons.teach(instrument_of(task), listener_of(taste, task, "phrase_end"), times_s=CLOCK_S)
    notes = hear_notes(lesson.sent, lessons.BEAT_NS, 0)
    late = [note.onset * lessons.BEAT_NS >= CLOCK_S[0] * lessons.S for note in notes]
    heard = float(taste.likings(notes)[late].mean()) if any(late) else 0.0
    per_minute = 60 * len(lesson.presses) / CLOCK_S[-1]
    return _figures(size, task, lesson, [taste], heard=heard, per_minute=per_minute)


def _opposite(size: Size, tastes: Mapping[str, Taste], task: Task) -> dict[str, Any]:
    """The listener's opposite teaches; the result says what the listener itself thinks of it."""
    taste = tastes[task.listener]
    lesson = lessons.teach(instrument_of(task), listener_of(opposite(taste), task), CURVE[-1:])
    notes = hear_notes(lesson.sent, lessons.BEAT_NS, 0)
    pairs = verdicts.aftermath(opposite(taste), notes, lesson.presses, lesson.ended_ns)
    return _figures(size, task, lesson, [taste], pairs=pairs)


def _plain(size: Size, tastes: Mapping[str, Taste], task: Task) -> dict[str, Any]:
    """50 ratings by thumb, in pairs, by who grows used to what is played, to another agent (`last_note`: with credit
    for the last note only), or by someone without a taste."""
    if task.part in TASTELESS:
        any_taste = tastes[size.listeners[0]]
        lesson = lessons.teach(instrument_of(task), listener_of(any_taste, task, task.part), CURVE[-1:])
        lesson.complete |= task.part == "silent"
        return _figures(size, task, lesson, list(tastes.values()))
    taste = tastes[task.listener]
    listener = listener_of(taste, task, "thumb" if task.part == "thumb" else "graded")
    if task.part == "ab":
        return _figures(size, task, lessons.compare(instrument_of(task), listener, CURVE[-1:]), [taste])
    counts = (20, 50) if task.part == "q" else CURVE[-1:]
    return _figures(size, task, lessons.teach(instrument_of(task), listener, counts), [taste])


def _practised(size: Size, tastes: Mapping[str, Taste], task: Task) -> dict[str, Any]:
    """Another agent practises to what the default one has learnt from 50 graded ratings."""
    from livecomposer.bench.agents import practised

    taste = tastes[task.listener]
    told = Task("graded", task.listener, task.seed)
    p = instrument_of(told)
    lessons.teach(p, listener_of(taste, told), CURVE[-1:])
    assert p.learning.taste is not None
    model, reward = practised(_agent(task), p.learning.taste.mean, size.practice, SEED + task.seed)
    return {"played": {CURVE[-1]: _judged(size, task, model, [taste], _agent(task))}, "reward": reward}


def _agent(task: Task) -> str:
    """``q``, or what stands behind the part's slash, or the default."""
    return "q" if task.part in ("q", "last_note") else task.part.partition("/")[2] or "dyna-q"


def instrument_of(task: Task) -> Performance:
    """Who is taught."""
    p = Performance(lessons.settings_of(SEED + task.seed, _agent(task)))
    if task.part == "last_note":
        lessons.credit_last_note(p)
    return p


def listener_of(taste: Taste, task: Task, kind: str = "graded") -> Listener:
    """Who teaches."""
    habit = Habit(kind, habituation=HABITUATION if task.part == "used_to" else 0.0)
    return Listener(taste, habit, lessons.BEAT_NS, 0, crc32(repr(task).encode()))


def _judged(size: Size, task: Task, snapshot: bytes | None, tastes: Sequence[Taste], agent: str = "dyna-q") -> Played:
    first = lessons.HELD_OUT + task.seed * size.takes
    return lessons.judge(lessons.frozen(snapshot, size.takes, agent, first), tastes)


def _figures(size: Size, task: Task, lesson: Lesson, tastes: Sequence[Taste], **more: Any) -> dict[str, Any]:
    played = {mark: _judged(size, task, held, tastes, _agent(task)) for mark, held in lesson.snapshots.items()}
    minutes = {mark: t_ns / 60 / lessons.S for mark, t_ns in lesson.taken_ns.items()}
    return {"played": played, "minutes": minutes, "complete": lesson.complete, **more}


# ---- the processes -------------------------------------------------------------------------------------------------


class Progress:
    """How many tasks are done, on stderr: a bar on a terminal, else a line at each tenth."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self._begun = time.monotonic()

    def one_more(self) -> None:
        """A task is done."""
        self.done += 1
        live = sys.stderr.isatty()
        if not live and self.done * 10 // self.total == (self.done - 1) * 10 // self.total:
            return
        share = self.done / self.total
        left = (time.monotonic() - self._begun) * (1 - share) / share
        bar = "█" * round(24 * share) + "·" * (24 - round(24 * share))
        line = f"{bar} {self.done} of {self.total} lessons, {left / 60:.1f} minutes left "
        last = "\n" if self.done == self.total or not live else ""
        print(f"\r{line}" if live else line, end=last, file=sys.stderr, flush=True)


def in_processes(work: Callable[[Any], Any], tasks: Sequence[Any], jobs: int) -> Iterator[tuple[Any, Any]]:
    """Results as they come; with one job, from this process."""
    if jobs == 1:
        yield from map(work, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield from pool.imap_unordered(work, tasks)
