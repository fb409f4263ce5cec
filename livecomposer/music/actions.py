"""What can be played: the actions of the three heads, as tables, and how an action becomes notes.

Pure data and plain functions; called by ``instrument.plan`` (slack) and, for voicings, by the loop (hot).
Time is counted in ticks of 1/12 beat, so that sixteenths (3) and eighth triplets (4) are whole numbers.
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
    Rhythm("1/8 dotted", 9, False),
    Rhythm("1/4", 12, False),
    Rhythm("1/4 dotted", 18, False),
    Rhythm("1/2", 24, False),
    Rhythm("1/8 rest", 6, True),
    Rhythm("1/4 rest", 12, True),
)
STEPS = tuple(range(-7, 8))  # melody: scale steps from the agent's last note


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
)

# What each action earns by itself, in reward units (a full press is 1, shared out over the notes it reaches): steps
# before leaps, eighths and quarters before the rest, few notes at once. It is what an agent starts from and also part
# of every step's reward: otherwise the steps that nobody rates would wash it out, and any rating, even a random one,
# would move the music towards noise.
LEANING = {
    "rhythm": np.array([-10, -30, 15, -10, 15, -5, -15, -15, -20]) / 300,
    "melody": np.array([-5.0 * max(abs(step) - 1, 0) - (10.0 if step == 0 else 0.0) for step in STEPS]) / 300,
    "harmony": np.array([8, 10, 8, -10, -15, 0, 0, 0, -20, -20, -5]) / 300,
}

RHYTHM_FALLBACK = 4  # a quarter: always in time
HARMONY_FALLBACK = 1  # a third: always in key


def melody_fallback(rung: int, tonic_rung: int) -> int:
    """The nearest scale step towards the tonic, as a melody action (what plays when a decision would be late)."""
    return STEPS.index((tonic_rung > rung) - (tonic_rung < rung))


class Ladder:
    """A key's notes as a ladder, for walking by scale steps in whole numbers.

    Attributes
    ----------
    notes : int64[n]
        All notes 0..127 of the key, ascending.
    rung : int64[128]
        For each note the index in ``notes`` of itself, or of the nearest scale note (ties go down).
    size : int
        Scale notes in an octave.
    tonic : int
        Pitch class of the tonic.
    """

    def __init__(self, tonic: int, intervals: tuple[int, ...]) -> None:
        classes = {(tonic + interval) % 12 for interval in intervals}
        self.tonic = tonic
        self.size = len(classes)
        self.notes = np.array([note for note in range(128) if note % 12 in classes], dtype=np.int64)
        self.rung = np.array([int(np.argmin(np.abs(self.notes - note))) for note in range(128)], dtype=np.int64)
        self._notes = self.notes.tolist()
        self._rung = self.rung.tolist()

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
