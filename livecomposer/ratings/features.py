"""What a listener may care about: named features of an event, a few of them active in each, for all three heads.

Numba kernels beside `livecomposer.music.heads`: ``agents.view`` asks them what a taste says of each action (hot in
*harmonize*), ``ratings.taste`` learns one weight for each feature. They are tables like the prior's: of each table
exactly one entry is active in an event of its head (but for a rest that goes on). ``WORDS`` says each entry for people.
"""

import numpy as np
from numba import njit

from livecomposer.music.actions import N_LENGTHS, VOICINGS
from livecomposer.music.context import (
    _TICKS,
    CHORD_BITS,
    CHORD_ROOT,
    EVENT_TICKS,
    HINT_RUNG,
    KEEP,
    LAST_NOTE,
    LAST_RHYTHM,
    LAST_STEP,
    N_RHYTHM,
    N_STEPS,
    NO_STEP,
    TICK,
    degree_of,
    melody_note,
    start_note,
    strength,
    voiced_note,
)

# table → its entries, in words that complete "you like ..."
RHYTHM_FEATURES: dict[str, tuple[str, ...]] = {
    "length": (
        "sixteenths and quick triplets", "eighths", "dotted eighths and quarter triplets", "quarters",
        "dotted quarters and halves", "notes longer than a half", "short rests", "long rests",
    ),
    "place": ("notes on strong beats", "notes on weak beats", "long notes off the beat", "short notes off the beat"),
    "before": ("notes after a rest", "equal lengths in a row", "changing lengths"),
}  # fmt: skip
MELODY_FEATURES: dict[str, tuple[str, ...]] = {
    "interval": (
        "repeated notes", "rising steps", "rising thirds", "rising fourths and fifths", "rising tritones",
        "rising leaps", "falling steps", "falling thirds", "falling fourths and fifths", "falling tritones",
        "falling leaps", "first notes of phrases",
    ),
    "register": ("very low notes", "low notes", "notes below the middle", "notes above the middle", "high notes",
                 "very high notes"),
    "degree": ("the tonic", "the third of the scale", "the fifth of the scale", "other notes of the scale",
               "notes outside the scale"),
    "contour": ("lines that go on in their direction", "lines that turn", "notes after a repetition"),
    "motif": ("motifs that come back", "notes that leave the motif", "notes without a motif"),
    "chord": ("notes without a chord", "notes foreign to the chord", "roots of chords", "other notes of chords"),
    "weight": ("short low notes", "short high notes", "long low notes", "long high notes"),
}  # fmt: skip
HARMONY_FEATURES: dict[str, tuple[str, ...]] = {
    "voicing": tuple("single notes" if v.name == "single" else f"{v.name} below" for v in VOICINGS),
    "voices": ("one voice", "two voices", "three voices", "four voices and more"),
    "harshness": ("smooth chords", "chords with a semitone or tritone", "chords with several"),
    "bass": ("no bass", "basses below A2", "light basses"),
}  # fmt: skip
TABLES = (RHYTHM_FEATURES, MELODY_FEATURES, HARMONY_FEATURES)
N_OF = tuple(sum(len(words) for words in tables.values()) for tables in TABLES)
N_FEATURES = sum(N_OF)
FIRST_OF = (0, N_OF[0], N_OF[0] + N_OF[1])  # where the features of each head begin
N_ACTIVE = tuple(len(tables) for tables in TABLES)
MOST_ACTIVE = max(N_ACTIVE)
WORDS = tuple(words for tables in TABLES for entries in tables.values() for words in entries)
NAMES = tuple(f"{table}.{i}" for tables in TABLES for table, entries in tables.items() for i in range(len(entries)))

# What several entries of one table have in common, or how much they have of it: a listener who likes all of them is
# found out sooner than for each alone. name → (table, words, how much of it each entry has)
TRENDS: dict[str, tuple[str, str, tuple[float, ...]]] = {
    "long": ("length", "longer notes", (0.0, 1.0, 1.6, 2.0, 2.8, 3.8, 1.5, 1.5)),
    "rests": ("length", "rests", (0, 0, 0, 0, 0, 0, 1, 1)),
    "off": ("place", "notes off the beat", (0, 0, 1, 1)),
    "up": ("interval", "rising lines (not falling ones)", (0, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, 0)),
    "wide": ("interval", "wide intervals", (0, 1, 2, 3, 3, 4, 1, 2, 3, 3, 4, 1)),
    "steps": ("interval", "steps", (0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0)),
    "thirds": ("interval", "thirds", (0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0)),
    "fourths": ("interval", "fourths and fifths", (0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0)),
    "tritones": ("interval", "tritones", (0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0)),
    "leaps": ("interval", "leaps", (0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)),
    "height": ("register", "higher notes", (0, 1, 2, 3, 4, 5)),
    "tones": ("chord", "tones of the chord", (0, 0, 1, 1)),
    "triads": ("voicing", "triads", (0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0)),
    "sevenths": ("voicing", "seventh chords", (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1)),
    "full": ("voices", "fuller chords", (0, 1, 2, 3)),
    "harsh": ("harshness", "harsher chords", (0, 1, 2)),
}


def trend_basis() -> np.ndarray:
    """How much of each trend every feature has, float64[len(TRENDS), N_FEATURES]."""
    at = dict(zip((table for tables in TABLES for table in tables), _AT[:-1], strict=True))
    basis = np.zeros((len(TRENDS), N_FEATURES))
    for row, (table, _, much) in zip(basis, TRENDS.values(), strict=True):
        row[at[table] : at[table] + len(much)] = much
    return basis


_SIZES = [len(entries) for tables in TABLES for entries in tables.values()]
_AT = tuple(int(n) for n in np.cumsum([0, *_SIZES]))
_LENGTH = np.array([0 if t <= 4 else 1 if t <= 6 else 2 if t <= 9 else 3 if t <= 12 else 4 if t <= 24 else 5
                    for t in _TICKS[:N_LENGTHS]] + [6 if t <= 6 else 7 for t in _TICKS[N_LENGTHS:]])  # fmt: skip
# by semitones, 0..12: how far up the entries of "interval" a move lies (0: repeated)
_MOVE = np.array([0, 1, 1, 2, 2, 3, 4, 3, 5, 5, 5, 5, 5], dtype=np.int64)
HEIGHTS = (54, 60, 66, 72, 78)  # where the entries of "register" from the second on begin
LOW_BELOW, LONG_TICKS = 62, 12


@njit("UniTuple(int64, 3)(int64[::1], int64, int64)", cache=True)
def rhythm_kinds(own, action, force):
    """``rhythm_features`` where the strength of the moment is known."""
    ticks, last = _TICKS[action], own[LAST_RHYTHM]
    rested = N_LENGTHS <= last < N_RHYTHM
    if rested and action >= N_LENGTHS:
        return -1, -1, -1
    k0 = _AT[0] + _LENGTH[action]
    k1 = _AT[1] + (0 if force < 2 else (1 if force == 2 else (2 if ticks >= LONG_TICKS else 3)))
    k2 = _AT[2] + (0 if rested else (1 if action == last else 2))
    return k0, k1, k2


@njit("void(int64[::1], int64[::1], int64, int64[::1])", cache=True)
def rhythm_features(own, world, action, rows):
    """The active features of a rhythm action, int64[3]; a rest has a place too, for one active in each table.

    A rest that only goes on has none (-1): who likes silence likes what comes out of it, else it would never end.
    """
    found = rhythm_kinds(own, action, strength(world, own[TICK]))
    for k in range(len(found)):
        rows[k] = found[k]


@njit("UniTuple(int64, 7)(int64[::1], int64[::1], int64, int64)", cache=True)
def melody_kinds(own, ladder, action, note):
    """``melody_features`` where the note that the action leads to is known."""
    last = own[LAST_NOTE]
    interval = note - last
    move = _MOVE[min(abs(interval), 12)]
    if last < 0:
        move = 11
    elif interval < 0:
        move += 5
    k0 = _AT[3] + move
    k1 = (
        _AT[4]
        + (note >= HEIGHTS[0])
        + (note >= HEIGHTS[1])
        + (note >= HEIGHTS[2])
        + (note >= HEIGHTS[3])
        + (note >= HEIGHTS[4])
    )
    degree = degree_of(ladder, note)
    if action >= N_STEPS:
        kind = 4
    else:
        kind = 0 if degree == 0 else (1 if degree == 2 else (2 if degree == 4 else 3))
    k2 = _AT[5] + kind
    came = own[LAST_STEP]
    if came == NO_STEP or came == 0 or interval == 0 or last < 0:
        contour = 2
    else:
        contour = 0 if (came > 0) == (interval > 0) else 1
    k3 = _AT[6] + contour
    if own[HINT_RUNG] < 0:
        follows = 2
    else:
        follows = 0 if ladder[note] == own[HINT_RUNG] else 1
    k4 = _AT[7] + follows
    tone = 0
    if own[CHORD_ROOT] >= 0:
        tone = 1
        if (own[CHORD_BITS] >> (note % 12)) & 1:
            tone = 2 if note % 12 == own[CHORD_ROOT] else 3
    k5 = _AT[8] + tone
    k6 = _AT[9] + (2 if own[EVENT_TICKS] >= LONG_TICKS else 0) + (0 if note < LOW_BELOW else 1)
    return k0, k1, k2, k3, k4, k5, k6


@njit("void(int64[::1], int64[::1], int64[::1], int64, int64[::1])", cache=True)
def melody_features(own, world, ladder, action, rows):
    """The active features of an (allowed) melody action, int64[7]; the event's length is known (EVENT_TICKS)."""
    found = melody_kinds(own, ladder, action, melody_note(ladder, start_note(own, world), action))
    for k in range(len(found)):
        rows[k] = found[k]


@njit("UniTuple(int64, 4)(int64[::1], int64[::1], int64, int64)", cache=True)
def harmony_kinds(world, ladder, note, action):
    """The active features of a harmony action under ``note``."""
    size = harsh = 0
    lowest = 128
    for i in range(4):
        added = voiced_note(ladder, note, action, i, world[KEEP])
        if added >= 0:
            size += 1
            lowest = min(lowest, added)
            gap = abs(note - added) % 12
            if gap == 1 or gap == 11 or gap == 6:
                harsh += 1
    k0 = _AT[10] + action
    k1 = _AT[11] + min(size, 3)
    k2 = _AT[12] + min(harsh, 2)
    k3 = _AT[13] + (0 if size == 0 else (1 if lowest < 45 else 2))
    return k0, k1, k2, k3


@njit("void(int64[::1], int64[::1], int64, int64, int64[::1])", cache=True)
def harmony_features(world, ladder, note, action, rows):
    """The active features of a harmony action under ``note``, int64[4]."""
    found = harmony_kinds(world, ladder, note, action)
    for k in range(len(found)):
        rows[k] = found[k]


# found_k = Σ_i w_i [k active in step i] / Σ_i w_i − seen_k for the features k of each head, its steps i (those without
# any are no part of it); 0 for a head without steps
@njit("float64[::1](int64[::1], float64[::1], int64[::1], int64[::1], float64[::1])", cache=True)
def shares(heads, weights, sizes, features, seen):
    """What part of it has each feature, float64[N_FEATURES], less what is usual: of steps (head, weight), ``features``
    int64[sum of ``sizes``] being theirs one behind the other (-1 is none)."""
    total = np.zeros(len(N_OF))
    k = 0
    for i in range(heads.shape[0]):
        counts = False
        for _ in range(sizes[i]):
            counts |= features[k] >= 0
            k += 1
        if counts:
            total[heads[i]] += weights[i]
    found = np.zeros(seen.shape[0])
    k = 0
    for i in range(heads.shape[0]):
        share = weights[i] / (total[heads[i]] if total[heads[i]] != 0.0 else 1.0)
        for _ in range(sizes[i]):
            if features[k] >= 0:
                found[features[k]] += share
            k += 1
    for head in range(len(N_OF)):
        if total[head] != 0.0:
            for f in range(FIRST_OF[head], FIRST_OF[head] + N_OF[head]):
                found[f] -= seen[f]
    return found
