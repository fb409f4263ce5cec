"""Lessons: a solo in virtual time that a listener teaches, and what the instrument plays afterwards.

``bench.course`` gives them, each in one process. Presses enter by ``Performance.rate`` as they would live: stamped when
they are made, taken up to 50 ms later.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np

from livecomposer.bench.listeners import (
    ARCHETYPES,
    FULL,
    NEVER,
    ON,
    Ear,
    Heard,
    Listener,
    Sent,
    Taste,
    hear_notes,
    standardised,
)
from livecomposer.instrument.pairs import ASKED
from livecomposer.instrument.performance import Performance
from livecomposer.instrument.records import COMMANDS
from livecomposer.music.theory import parse_key
from livecomposer.ratings.delay import Delay
from livecomposer.ratings.meaning import Meaning, Meant
from livecomposer.settings import Settings

KEY, TEMPO = "C major", 112.0
S = 1_000_000_000
BEAT_NS = round(60 * S / TEMPO)
POLL_NS = 50_000_000  # presses are taken so often
LIMIT_S = 1200  # a lesson ends then, whatever has been pressed
TAKE_S = 40  # a take after it
HELD_OUT = 1_000_000  # seeds of those takes: no lesson has them
PRIOR_TAKES, PRIOR_S, PRIOR_SEED = 40, 60, 8000  # what tastes are standardised on
FLOOR = 0.2  # least raw SD of a taste
AHEAD = 8  # planned notes that a like should leave as they are
EXACT_S, EXACT_LIMIT_S = 2, 3600  # the oracle plans anew so often, and is told no longer
PAIR_S = 40  # a pair that has not been heard by then is none

Press = tuple[int, float]
CAN_COMPARE = "ab" in COMMANDS  # whether the instrument plays A/B pairs


class Presser(Protocol):
    """What teaches: a ``Listener``, or ``Again``."""

    def hear(self, t_ns: int, msg: bytes) -> None:
        """One message that has been sent."""

    def presses(self, until_ns: int) -> list[Press]:
        """The presses since the last call."""


class Again:
    """Presses at set times, whatever is played."""

    def __init__(self, presses: Sequence[Press]) -> None:
        self._left = list(presses)

    def hear(self, t_ns: int, msg: bytes) -> None:
        """Nothing: it does not listen."""

    def presses(self, until_ns: int) -> list[Press]:
        """The presses up to this time that have not been given yet."""
        due = [press for press in self._left if press[0] <= until_ns]
        self._left = self._left[len(due) :]
        return due


@dataclass
class Lesson:
    """What came of one."""

    snapshots: dict[int, bytes] = field(default_factory=dict)
    """By the number of ratings, or by seconds."""
    presses: list[Press] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    awaited: list[tuple[int, int]] = field(default_factory=list)
    """Onset (ns) and MIDI note of the notes that were planned at a like, but those behind a later dislike."""
    taken_ns: dict[int, int] = field(default_factory=dict)
    """When each snapshot was taken."""
    ended_ns: int = 0
    complete: bool = True
    """Whether as many ratings came as were to come."""


class Played(NamedTuple):
    """What the instrument plays on the held-out contexts."""

    pleases: dict[str, float]  # mean liking per note, by taste
    pitches: tuple[bytes, ...]  # of the top line of each take


def settings_of(seed: int, agent: str = "dyna-q") -> Settings:
    """Of all that is played here."""
    return Settings(role="solo", key=KEY, tempo=TEMPO, agent=agent, seed=seed)


def solo(settings: Settings, seconds: int, snapshot: bytes | None = None) -> list[Heard]:
    """A take that nobody rates, as it is heard."""
    return hear_notes(Performance(settings, snapshot=snapshot).advance(seconds * S), BEAT_NS, 0)


def frozen(snapshot: bytes | None, takes: int, agent: str = "dyna-q", first: int = HELD_OUT) -> list[list[Heard]]:
    """Takes of ``TAKE_S`` on contexts (seeds) from ``first`` on, HELD and without trying anything; without a snapshot
    the instrument knows the prior only."""
    return [
        solo(settings_of(seed, agent).with_(held=True, explore=False), TAKE_S, snapshot)
        for seed in range(first, first + takes)
    ]


def judge(takes: Sequence[Sequence[Heard]], tastes: Iterable[Taste]) -> Played:
    """How the takes please: the mean over all their notes, 0 without any."""
    pleases = {}
    for taste in tastes:
        likings = np.concatenate([taste.likings(notes) for notes in takes])
        pleases[taste.name] = float(likings.mean()) if likings.size else 0.0
    return Played(pleases, tuple(bytes(note.pitch for note in notes) for notes in takes))


def tastes_of(takes: Sequence[Sequence[Heard]] | None = None) -> dict[str, Taste]:
    """The archetypes, standardised on takes of the prior.

    A raw SD below 0.2 counts as 0.2: else one more of what the prior plays nearly never (tritones, say) would weigh
    more than anything that can be learnt of the others.
    """
    if takes is None:
        takes = [solo(settings_of(PRIOR_SEED + i), PRIOR_S) for i in range(PRIOR_TAKES)]
    found = (standardised(taste, takes) for taste in ARCHETYPES.values())
    return {taste.name: replace(taste, sd=max(taste.sd, FLOOR)) for taste in found}


def in_key(pitches: Sequence[bytes]) -> float:
    """Share of the notes that lie in the key, 1 without notes."""
    key = parse_key(KEY)
    classes = {(key.tonic + i) % 12 for i in key.intervals}
    notes = [pitch for take in pitches for pitch in take]
    return sum(pitch % 12 in classes for pitch in notes) / len(notes) if notes else 1.0


class LastNote(Meaning):
    """Credit as simple as it can be: a press is about the note that began last, of whatever phrase."""

    def of(self, t_ns: int, done: bool) -> Meant:
        """Nothing is weighed."""
        near = self.credit.moment(t_ns)[0]
        return Meant(near, None, (0.0, 0.0), near)


def credit_last_note(p: Performance) -> None:
    """Let presses reach the last note only."""
    p.learning.credit.delay = Delay(1, 1e-6)  # all of a press is within microseconds of it
    p.learning.meaning = LastNote(p.learning.credit)


def teach(
    p: Performance, presser: Presser, counts: Sequence[int] = (), times_s: Sequence[int] = (),
    change: tuple[int, Taste] | None = None,
) -> Lesson:  # fmt: skip
    """Play and be rated.

    Parameters
    ----------
    p : Performance
        At its beginning.
    presser : Presser
    counts : ascending ints
        Keep a snapshot after so many ratings, and end after the last of them.
    times_s : ascending ints
        Or: after so many seconds.
    change : (int, Taste), optional
        After so many ratings the (``Listener``) listener likes something else.
    """
    lesson = Lesson()
    now, end, most = 0, LIMIT_S, counts[-1] if counts else -1
    if times_s:
        end = times_s[-1]
    while now < end * S and len(lesson.presses) != most:
        now += POLL_NS
        _listen(p, presser, lesson, now)
        for t_ns, value in presser.presses(now):
            if len(lesson.presses) == most:
                break
            _rate(p, lesson, t_ns, value, now)
            n = len(lesson.presses)
            if n in counts:
                _keep(p, lesson, n)
            if change and n == change[0] and isinstance(presser, Listener):
                presser.change(change[1])
        if now % S == 0 and now // S in times_s:
            _keep(p, lesson, now // S)
    _end(p, lesson, counts)
    return lesson


def compare(p: Performance, listener: Listener, counts: Sequence[int]) -> Lesson:
    """Answer A/B pairs instead; there is an answer for each count.

    Of each pair the listener hears what was sent from where the instrument said that a phrase begins.
    """
    lesson = Lesson()
    now = 0
    while now < LIMIT_S * S and len(lesson.presses) < counts[-1]:
        p.command(now, "ab")
        asked = now
        while p.pairs.state != ASKED and now < asked + PAIR_S * S:
            now += POLL_NS
            _listen(p, listener, lesson, now)
        if p.pairs.state != ASKED:
            break
        first, second = (p.transport.ns_at(start) for start, _ in p.pairs.spans)
        answer = listener.prefers(
            [message for message in lesson.sent if first <= message[0] < second],
            [message for message in lesson.sent if second <= message[0]],
        )
        p.prefer(now, answer)
        lesson.presses.append((now, {"a": -1.0, "b": 1.0}.get(answer, 0.0)))
        if len(lesson.presses) in counts:
            _keep(p, lesson, len(lesson.presses))
    _end(p, lesson, counts)
    return lesson


def oracle(taste: Taste, seed: int, ratings: int, rests: bool = False) -> bytes:
    """A snapshot of the same instrument after it has been told of every note, at once, how it is liked.

    It is told as by a press of a graded habit, without noise, and of this note alone, or (``rests``) of the rests
    before it too: what pleases a taste for silence was decided there. An instrument that falls silent is told less.
    """
    p = Performance(settings_of(seed))
    learnt = p.learning.taste
    assert learnt is not None  # dyna-q has one
    ear = Ear(BEAT_NS, 0)
    judged = told = now = 0
    while told < ratings and now < EXACT_LIMIT_S * S:
        now += EXACT_S * S
        for t_ns, msg in p.advance(now):
            ear.hear(t_ns, msg)
        while judged < len(ear.notes) and ear.ended[judged] != NEVER:
            at = ear.begun[judged]
            since = ear.begun[judged - 1] + 1 if rests and judged else at
            reached = []
            for head, steps in enumerate(p.learning.steps):
                first, last = np.searchsorted(steps.t_ns[: steps.n], (since, at + 1))
                reached += [(head, 1.0, rows) for rows in steps.rows[first:last]]
            if reached:
                value = min(max(taste.liking(ear.notes, judged) / FULL, -1.0), 1.0)
                learnt.rate(at, value, learnt.features_of(reached))
                told += 1
            judged += 1
        p.learning.plan()
    return p.snapshot()


def stayed(awaited: Sequence[tuple[int, int]], sent: Iterable[Sent]) -> tuple[int, int]:
    """How many of the awaited notes (onset in ns, MIDI note) began when they were to, and of how many."""
    begun = {(t_ns // 1_000_000, msg[1]) for t_ns, msg in sent if msg[0] == ON and msg[2]}
    kept = sum(any((t_ns // 1_000_000 + d, note) in begun for d in (-1, 0, 1)) for t_ns, note in awaited)
    return kept, len(awaited)


def _listen(p: Performance, presser: Presser, lesson: Lesson, now: int) -> None:
    sent = p.advance(now)
    for t_ns, msg in sent:
        presser.hear(t_ns, msg)
    lesson.sent += sent


def _rate(p: Performance, lesson: Lesson, t_ns: int, value: float, now: int) -> None:
    planned = [(p.transport.ns_at(event.tick), event.note) for event in p.line.events if event.note >= 0][:AHEAD]
    p.rate(t_ns, value, now)
    lesson.presses.append((t_ns, value))
    if value > 0:
        lesson.awaited += planned
    else:
        lesson.awaited = [note for note in lesson.awaited if note[0] <= now]


def _keep(p: Performance, lesson: Lesson, mark: int) -> None:
    lesson.snapshots[mark], lesson.taken_ns[mark] = p.snapshot(), p.now_ns


def _end(p: Performance, lesson: Lesson, counts: Sequence[int]) -> None:
    """What has not been reached is as it stands."""
    lesson.ended_ns = p.now_ns
    lesson.complete = all(count in lesson.snapshots for count in counts)
    for count in counts:
        if count not in lesson.snapshots:
            _keep(p, lesson, count)
    lesson.awaited = [note for note in lesson.awaited if note[0] <= p.now_ns]
