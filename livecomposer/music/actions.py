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

# What an agent that knows nothing yet leans towards (reward units): steps before leaps, eighths and quarters before
# the rest, few notes at once. One evening's ratings outweigh it; without it the first minute is noise.
INITIAL = {
    "rhythm": np.array([-0.10, -0.30, 0.15, -0.10, 0.15, -0.05, -0.15, -0.15, -0.20]),
    "melody": np.array([-0.05 * max(abs(step) - 1, 0) - (0.10 if step == 0 else 0.0) for step in STEPS]),
    "harmony": np.array([0.08, 0.10, 0.08, -0.10, -0.15, 0.0, 0.0, 0.0, -0.20, -0.20, -0.05]),
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

    def step(self, note: int, steps: int) -> int:
        """``note`` moved by scale steps, or -1 beyond 0..127."""
        at = self._rung[note] + steps
        return self._notes[at] if 0 <= at < len(self._notes) else -1

    def voicing(self, action: int, note: int, below: bool = True) -> tuple[int, ...]:
        """The notes that a harmony action adds to ``note`` (below it, or mirrored above), inside 0..127."""
        sign = -1 if below else 1
        added = (self.step(note, sign * steps) for steps in VOICINGS[action].below)
        return tuple(n for n in added if n >= 0 and n != note)

    def nearest_tonic(self, note: int) -> int:
        """The tonic nearest to ``note`` (ties go down)."""
        below = note - (note - self.tonic) % 12
        above = below + 12
        if below < 0 or (above <= 127 and above - note < note - below):
            return above
        return below
