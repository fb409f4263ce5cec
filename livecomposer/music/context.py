"""What a head sees when it decides: one row of whole numbers, advanced in place, and three kernels that read it.

``instrument.plan`` and the loop call the kernels through typed arrays that they own; nothing here allocates.
All kernels hold the GIL: 0.4–0.6 µs a call (``livecomposer bench decide``), where giving it away can cost 5 ms.
"""

import numpy as np
from numba import njit

from livecomposer.music.actions import RHYTHMS, STEPS, TICKS_PER_BEAT, VOICINGS, HeadSpec

# Columns of a context row, int64[N_COLUMNS].
LAST_NOTE = 0  # the agent's last note, -1 at the start of a phrase
LAST_STEP = 1  # the melody step that led to it, -7..7
LAST_RHYTHM = 2  # the last rhythm action, len(RHYTHMS) at the start of a phrase
TICK = 3  # onset of the next event, 1/12 beat
BAR_TICKS = 4  # ticks in a bar
PLAYER_NOTE = 5  # the player's last note, -1 before the first
PLAYER_HELD = 6  # keys the player holds
N_COLUMNS = 7

HEADS = (
    HeadSpec("rhythm", 4 * 2 * (len(RHYTHMS) + 1), 3, len(RHYTHMS)),
    HeadSpec("melody", 3 * 6 * 2, 4, len(STEPS)),
    HeadSpec("harmony", 12 * 3, 3, len(VOICINGS)),
)
RHYTHM, MELODY, HARMONY = range(3)


def new_context(beats_per_bar: int) -> np.ndarray:
    """A context row at the start of a phrase, int64[N_COLUMNS]."""
    context = np.zeros(N_COLUMNS, dtype=np.int64)
    context[LAST_NOTE] = context[PLAYER_NOTE] = -1
    context[LAST_RHYTHM] = len(RHYTHMS)
    context[BAR_TICKS] = beats_per_bar * TICKS_PER_BEAT
    return context


@njit("int64(int64[::1], float32[::1], uint8[::1])", cache=True)
def rhythm_context(context, features, mask):
    """State of the rhythm head: place in the beat (on, half, other sixteenth, triplet) × strong beat × last action.

    Fills features float32[3] (place in the beat, place in the bar, player holds a key) and mask uint8[actions] (all 1).
    """
    tick = context[3]
    in_beat = tick % 12
    beat = (tick % context[4]) // 12
    place = 0 if in_beat == 0 else (1 if in_beat == 6 else (2 if in_beat % 3 == 0 else 3))
    strong = 1 if beat % 2 == 0 else 0
    features[0] = in_beat / 12.0
    features[1] = (tick % context[4]) / context[4]
    features[2] = 1.0 if context[6] > 0 else 0.0
    for a in range(mask.shape[0]):
        mask[a] = 1
    return (place * 2 + strong) * 10 + context[2]


@njit("int64(int64[::1], int64[::1], int64[::1], int64, int64, int64, float32[::1], uint8[::1])", cache=True)
def melody_context(context, notes, rung, tonic, low, high, features, mask):
    """State of the melody head: degree (tonic, other triad tone, other) × last step (five sizes, none) × strong beat.

    Fills features float32[4] (semitones above the tonic, last step, place in the register, place in the bar) and
    mask uint8[15]: 1 where the step lands on a scale note in low..high. A phrase starts from the player's last note,
    brought into the register by octaves, or from the register's centre.
    """
    note = context[0]
    if note < 0:
        note = context[5] if context[5] >= 0 else (low + high) // 2
        while note > high:
            note -= 12
        while note < low:
            note += 12
    at = rung[note]
    for a in range(mask.shape[0]):
        to = at + a - 7
        mask[a] = 1 if 0 <= to < notes.shape[0] and low <= notes[to] <= high else 0
    above = (notes[at] - tonic) % 12
    degree = 0 if above == 0 else (1 if above == 3 or above == 4 or above == 7 else 2)
    step = context[1]
    if context[0] < 0:
        size = 5
    elif step == 0:
        size = 2
    elif step < 0:
        size = 1 if step >= -2 else 0
    else:
        size = 3 if step <= 2 else 4
    strong = 1 if context[3] % 24 == 0 else 0
    features[0] = above / 12.0
    features[1] = step / 7.0
    features[2] = (notes[at] - low) / (high - low)
    features[3] = (context[3] % context[4]) / context[4]
    return (degree * 6 + size) * 2 + strong


@njit("int64(int64[::1], int64, int64, float32[::1], uint8[::1])", cache=True)
def harmony_context(context, note, tonic, features, mask):
    """State of the harmony head: semitones of the melody note above the tonic (12) × keys held (0-1, 2, 3+).

    Fills features float32[3] (semitones above the tonic, keys held, place in the bar) and mask uint8[actions] (all 1).
    """
    above = (note - tonic) % 12
    held = context[6]
    crowd = 0 if held < 2 else (1 if held == 2 else 2)
    features[0] = above / 12.0
    features[1] = min(held, 10) / 10.0
    features[2] = (context[3] % context[4]) / context[4]
    for a in range(mask.shape[0]):
        mask[a] = 1
    return above * 3 + crowd


@njit("void(int64[::1], int64, int64, int64, int64)", cache=True)
def advance(context, rhythm, ticks, note, step):
    """The context after one event of the agent: the next onset is ``ticks`` later; a rest (note -1) keeps the note."""
    context[2] = rhythm
    context[3] += ticks
    if note >= 0:
        context[0] = note
        context[1] = step
