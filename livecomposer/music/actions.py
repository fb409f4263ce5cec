"""What can be played: the actions of the three heads, as tables, and how an action becomes notes.

Pure data and plain functions; called by ``instrument.plan`` (slack) and, for voicings, by the loop (hot).
Time is counted in ticks of 1/12 quarter note, so that sixteenths (3) and eighth triplets (4) are whole numbers.
"""

from typing import NamedTuple

import numpy as np

TICKS_PER_BEAT = 12


class HeadSpec(NamedTuple):
    """The size of a head's decision: states 0..n_states-1, features float32[n_features], actions 0..n_actions-1."""

    name: str
    n_states: int
    n_features: int
    n_actions: int


class Rhythm(NamedTuple):
    """One action of the rhythm head: how long the next event lasts, and whether it is a rest."""

    name: str
    ticks: int
    rest: bool


RHYTHMS = (
    Rhythm("1/16", 3, False),
    Rhythm("1/8 triplet", 4, False),
    Rhythm("1/8", 6, False),
    Rhythm("1/4 triplet", 8, False),
    Rhythm("1/8 dotted", 9, False),
    Rhythm("1/4", 12, False),
    Rhythm("1/4 dotted", 18, False),
    Rhythm("1/2", 24, False),
    Rhythm("1/2 dotted", 36, False),
    Rhythm("1/1", 48, False),
    Rhythm("1/16 rest", 3, True),
    Rhythm("1/8 rest", 6, True),
    Rhythm("1/4 rest", 12, True),
    Rhythm("1/2 rest", 24, True),
)
N_LENGTHS = sum(not rhythm.rest for rhythm in RHYTHMS)  # the lengths of notes come first

STEPS = tuple(range(-7, 8))  # melody: scale steps from the agent's last note


class Approach(NamedTuple):
    """A chromatic melody action: the note ``semitones`` beside the scale note ``target`` steps away, which it must
    resolve to."""

    name: str
    target: int
    semitones: int


# They follow the steps in the melody head's actions.
APPROACHES = (
    Approach("raised, to the step above", 1, -1),
    Approach("lowered, to the step below", -1, 1),
    Approach("from below to the third above", 2, -1),
    Approach("from above to the third below", -2, 1),
)
N_MELODY = len(STEPS) + len(APPROACHES)


class Voicing(NamedTuple):
    """One action of the harmony head: scale steps below the melody note, nearest first (at most four)."""

    name: str
    below: tuple[int, ...]


VOICINGS = (
    Voicing("single", ()),
    Voicing("third", (2,)),
    Voicing("sixth", (5,)),
    Voicing("octave", (7,)),
    Voicing("fifth", (4,)),
    Voicing("triad, fifth on top", (2, 4)),
    Voicing("triad, third on top", (2, 5)),
    Voicing("triad, root on top", (3, 5)),
    Voicing("sus4", (1, 4)),
    Voicing("seventh", (2, 4, 6)),
    Voicing("open tenth", (9,)),
    Voicing("seventh, third on top", (2, 3, 5)),
    Voicing("seventh, fifth on top", (2, 4, 5)),
    Voicing("seventh, drop-2", (4, 6, 9)),
)

RHYTHM_FALLBACK = 5  # a quarter: always in time
HARMONY_FALLBACK = 1  # a third: always in key


def melody_fallback(rung: int, tonic_rung: int) -> int:
    """The nearest scale step towards the tonic, as a melody action (what plays when a decision would be late)."""
    return STEPS.index((tonic_rung > rung) - (tonic_rung < rung))


# Places in ``Ladder.row``: 128 rungs, the notes, then
NOTES_AT, COUNT_AT, TONIC_AT, SIZE_AT, MINOR_AT, LADDER_SIZE = 128, 256, 257, 258, 259, 260


class Ladder:
    """A scale's notes as a ladder, for walking by scale steps in whole numbers.

    Attributes
    ----------
    row : int64[LADDER_SIZE]
        What the kernels read: for each note the rung of itself or of the nearest scale note (ties go down), from
        ``NOTES_AT`` the notes by rung (-1 behind the last), how many there are, the tonic's pitch class, scale notes
        in an octave, and 1 for a scale with a minor third but no major one.
    notes, rung : views of ``row``
    size, tonic : int
    """

    def __init__(self, tonic: int, intervals: tuple[int, ...]) -> None:
        classes = {(tonic + interval) % 12 for interval in intervals}
        self.tonic = tonic
        self.size = len(classes)
        self._notes = [note for note in range(128) if note % 12 in classes]
        self._rung = []
        at = 0
        for note in range(128):
            while at + 1 < len(self._notes) and self._notes[at + 1] - note < note - self._notes[at]:
                at += 1
            self._rung.append(at)
        self.row = np.full(LADDER_SIZE, -1, dtype=np.int64)
        self.row[:NOTES_AT] = self._rung
        self.row[NOTES_AT : NOTES_AT + len(self._notes)] = self._notes
        minor = (tonic + 3) % 12 in classes and (tonic + 4) % 12 not in classes
        self.row[COUNT_AT:] = (len(self._notes), tonic, self.size, minor)
        self.rung = self.row[:NOTES_AT]
        self.notes = self.row[NOTES_AT : NOTES_AT + len(self._notes)]

    def voicing(self, action: int, note: int, below: bool = True) -> tuple[int, ...]:
        """The notes that a harmony action adds to ``note`` (below it, or mirrored above), inside 0..127."""
        notes, at = self._notes, self._rung[note]
        added: tuple[int, ...] = ()
        for steps in VOICINGS[action].below:
            to = at - steps if below else at + steps
            if 0 <= to < len(notes) and notes[to] != note:
                added += (notes[to],)
        return added

    def nearest_tonic(self, note: int) -> int:
        """The tonic nearest to ``note`` (ties go down)."""
        below = note - (note - self.tonic) % 12
        above = below + 12
        if below < 0 or (above <= 127 and above - note < note - below):
            return above
        return below
