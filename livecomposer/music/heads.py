"""How the three heads see the context: a state, features and a mask each, and what the prior thinks of every action.

Called by ``instrument.plan`` and the loop, and by ``music.env``; nothing here allocates. A head's prior is log-linear:
ln π₀(a|context) = Σ_k w[row_k(context, a)] + const, one row per table below (a tile coding of context and action).
So what was learnt for one situation also counts in others that share a row.
"""

import numpy as np
from numba import njit

from livecomposer.music.actions import COUNT_AT, MINOR_AT, N_LENGTHS, N_MELODY, NOTES_AT, TONIC_AT
from livecomposer.music.context import (
    _DEGREE,
    _INTERVAL,
    _PLACE,
    _TICKS,
    ANSWER,
    BAR_TICKS,
    BASS,
    CHORD_BITS,
    CHORD_ROOT,
    COUNT,
    DUET,
    EVENT_TICKS,
    GOAL,
    HARMONIZE,
    HIGH,
    HIGHEST,
    HINT_RHYTHM,
    HINT_RUNG,
    KEEP,
    LAST_NOTE,
    LAST_RHYTHM,
    LAST_STEP,
    LEAP_DIR,
    LOW,
    LOWEST,
    N_RHYTHM,
    N_STEPS,
    N_VOICINGS,
    NEVER,
    NO_STEP,
    OUTSIDE,
    PART,
    PHRASE_END,
    PHRASE_TICK,
    PLAYER_HELD,
    PLAYER_MOVE,
    PLAYER_TICK,
    REGISTERS,
    RHYTHM_RUN,
    ROLE,
    SAME,
    SCALE_MASK,
    TARGET,
    TICK,
    VOICE,
    VOICING,
    _uniform,
    chord_under,
    degree_of,
    density,
    expected,
    expected_in,
    melody_note,
    sounding,
    start_note,
    strength,
    voiced_note,
)

# ---- the tables of each head's prior: how many rows each has, in order ----------------------------------------------
RHYTHM_TABLES = {
    "style": 12 * (N_LENGTHS + 1) * N_RHYTHM,  # place in the quarter × last length × action
    "beat": 4 * N_RHYTHM,
    "motif": 2 * 4,  # whose motif × (no hint, as hinted, another length, rest or note instead)
    "close": 4 * 4,  # how the phrase's end is met × length class
    "room": 4 * 2 * 2,  # the player's density × expected here × rest
    "next": 4 * 2,  # density × expected where the next would begin
    "run": 4 * 2,
    "rest": 2 * 2 * 2,  # rested before × first of the phrase × rest
    "part": 3 * N_RHYTHM,
    "role": 4 * N_RHYTHM,
    "across": 2 * 2,  # over the bar line × from off the beat
}
MELODY_TABLES = {
    "style": 2 * 7 * (N_STEPS + 1) * N_MELODY,  # minor × degree × last step × action
    "chord": 3 * 4 * 4,  # part × strength × (no chord, foreign, root, other tone)
    "leap": 2 * 5,  # a leap is open × (leap on, leap back, on, back, same)
    "highest": 2 * 6,  # second half × (first note, below, reached again, repeated, one step above, far above)
    "lowest": 2 * 6,
    "motif": 2 * 4,
    "close": 4 * 4 * 2,  # time left × steps to the goal × goal is the tonic
    "player": 4 * 10,  # strength × interval to the player's note
    "motion": 3 * 3,  # the player's direction × ours
    "repeat": 4 * 2,
    "register": 4 * 8,  # quarter of the phrase × place in the register
    "approach": 2 * 3,  # one is open × (scale note, resolves, chromatic)
    "opening": 8,
    "size": 3 * 9,
}
HARMONY_TABLES = {
    "part": 6 * N_VOICINGS,
    "chord": 6 * N_VOICINGS,  # what the melody note is in the chord
    "foreign": 5,
    "last": (N_VOICINGS + 1) * N_VOICINGS,
    "parallel": 2,
    "held": 4 * 5,
    "beat": 4 * 3 * 5,
    "low": 3,
    "dissonance": 3,
    "clash": 2,
    "bass": 5,
    "degree": 7 * N_VOICINGS,
}


def _offsets(tables: dict[str, int]) -> tuple[int, ...]:
    """Where each table begins, and their sum."""
    return tuple(int(n) for n in np.cumsum([0, *tables.values()]))


_R, _M, _H = (_offsets(tables) for tables in (RHYTHM_TABLES, MELODY_TABLES, HARMONY_TABLES))
N_ROWS = (_R[-1], _M[-1], _H[-1])  # weights of each head's prior
N_ACTIVE = (len(RHYTHM_TABLES), len(MELODY_TABLES), len(HARMONY_TABLES))
OUTSIDE_BONUS = 5.0  # nats that the knob *outside* at 1 adds to chromatic approaches


# ---- rhythm ---------------------------------------------------------------------------------------------------------
@njit("int64(int64[::1], int64[::1], float32[::1], uint8[::1])", cache=True)
def rhythm_context(own, world, features, mask):
    """State of the rhythm head: place in the beat × strong beat × last action. All actions are allowed.

    ``features`` (in every head) may be empty: nobody wants them.
    """
    tick = own[TICK]
    force = strength(world, tick)
    place = _PLACE[tick % 12]
    for a in range(mask.shape[0]):
        mask[a] = 1
    state = (place * 2 + (1 if force < 2 else 0)) * (N_RHYTHM + 1) + own[LAST_RHYTHM]
    if features.shape[0] == 0:
        return state
    busy = density(world, tick)
    left = own[PHRASE_END] - tick
    for i in range(features.shape[0]):
        features[i] = 0.0
    features[place] = 1.0
    features[5 + force] = 1.0
    features[9 + own[LAST_RHYTHM]] = 1.0  # 0..14
    features[24 + own[HINT_RHYTHM] + 1] = 1.0  # 0..14
    features[39 + busy] = 1.0
    features[43] = expected(world, tick)
    features[44] = min(own[RHYTHM_RUN], 4) / 4.0
    features[45] = min(left, 96) / 96.0
    features[46] = 1.0 if left <= 12 else 0.0
    features[47] = 1.0 if own[COUNT] == 0 else 0.0
    features[48 + world[ROLE]] = 1.0
    features[52 + world[PART]] = 1.0
    features[55] = (tick % world[BAR_TICKS]) / world[BAR_TICKS]
    return state


@njit(
    "UniTuple(int64, 11)(int64[::1], int64[::1], int64, int64, int64, int64, int64, int64)", cache=True, inline="always"
)
def _rhythm_rows(own, world, action, force, busy, awaited, bar, within):
    tick, ticks = own[TICK], _TICKS[action]
    rest = 1 if action >= N_LENGTHS else 0
    last = own[LAST_RHYTHM]
    r0 = _R[0] + ((tick % 12) * (N_LENGTHS + 1) + min(last, N_LENGTHS)) * N_RHYTHM + action
    r1 = _R[1] + force * N_RHYTHM + action
    hint = own[HINT_RHYTHM]
    if hint < 0:
        follows = 0
    elif hint == action:
        follows = 1
    else:
        follows = 2 if rest == (1 if hint >= N_LENGTHS else 0) else 3
    r2 = _R[2] + own[VOICE] * 4 + follows
    left = own[PHRASE_END] - tick - ticks
    close = 0 if left == 0 else (1 if left >= 12 else (2 if left > 0 else 3))
    size = 3 if rest else (0 if ticks <= 6 else (1 if ticks <= 12 else 2))
    r3 = _R[3] + close * 4 + size
    r4 = _R[4] + (busy * 2 + awaited) * 2 + rest
    end = within + ticks
    across = 1 if end > world[BAR_TICKS] else 0
    while end >= world[BAR_TICKS]:  # a division takes longer
        end -= world[BAR_TICKS]
        bar += 1
    r5 = _R[5] + busy * 2 + expected_in(world, bar, end)
    r6 = _R[6] + min(own[RHYTHM_RUN], 3) * 2 + (1 if action == last else 0)
    rested = 1 if N_LENGTHS <= last < N_RHYTHM else 0
    r7 = _R[7] + (rested * 2 + (1 if own[COUNT] == 0 else 0)) * 2 + rest
    r8 = _R[8] + world[PART] * N_RHYTHM + action
    r9 = _R[9] + world[ROLE] * N_RHYTHM + action
    r10 = _R[10] + across * 2 + (1 if force == 3 else 0)
    return r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10


@njit("void(int64[::1], int64[::1], int64, int64[::1])", cache=True)
def rhythm_rows(own, world, action, rows):
    """The active rows of the rhythm prior for one action, int64[11]."""
    tick = own[TICK]
    bar = tick // world[BAR_TICKS]
    within = tick - bar * world[BAR_TICKS]
    force, busy, awaited = strength(world, tick), density(world, tick), expected_in(world, bar, within)
    found = _rhythm_rows(own, world, action, force, busy, awaited, bar, within)
    for k in range(len(found)):
        rows[k] = found[k]


# ---- melody ---------------------------------------------------------------------------------------------------------
@njit("int64(int64[::1], int64[::1], int64[::1], float32[::1], uint8[::1])", cache=True)
def melody_context(own, world, ladder, features, mask):
    """State of the melody head: degree (tonic, other triad tone, other) × last step (five sizes, none) × fifth of the
    register.

    The mask allows the scale steps inside the register, and the chromatic approaches only by the knob *outside* or
    with the scale mask off.
    """
    start = start_note(own, world)
    at = ladder[start]
    low, high = world[LOW], world[HIGH]
    first, last = 7 - at, ladder[COUNT_AT] + 6 - at
    for a in range(N_STEPS):
        note = ladder[NOTES_AT + at + a - 7] if first <= a <= last else -1
        mask[a] = 1 if low <= note <= high else 0
    open_scale = world[OUTSIDE] > 0 or world[SCALE_MASK] == 0
    for a in range(N_STEPS, mask.shape[0]):
        mask[a] = 0
        if open_scale:
            note = melody_note(ladder, start, a)
            mask[a] = 1 if low <= note <= high else 0
    degree = degree_of(ladder, start)
    group = 0 if degree == 0 else (1 if degree == 2 or degree == 4 else 2)
    step = own[LAST_STEP]
    if step == NO_STEP:
        size = 5
    elif step == 0:
        size = 2
    elif step < 0:
        size = 1 if step >= -2 else 0
    else:
        size = 3 if step <= 2 else 4
    force = strength(world, own[TICK])
    left = own[PHRASE_END] - own[TICK]
    height = min(max((start - low) * REGISTERS // max(high - low + 1, 1), 0), REGISTERS - 1)
    state = (group * 6 + size) * REGISTERS + height
    if features.shape[0] == 0:
        return state
    for i in range(features.shape[0]):
        features[i] = 0.0
    features[degree] = 1.0
    features[7 + size] = 1.0
    features[13] = step / 7.0 if step != NO_STEP else 0.0
    features[14 + force] = 1.0
    if own[HINT_RUNG] >= 0 and abs(own[HINT_RUNG] - at) <= 7:
        features[18 + own[HINT_RUNG] - at + 7] = 1.0  # 0..14
    features[33] = own[LEAP_DIR]
    features[34] = min(own[HIGHEST] - start, 12) / 12.0 if own[HIGHEST] >= 0 else 1.0
    features[35] = min(start - own[LOWEST], 12) / 12.0 if own[LOWEST] >= 0 else 1.0
    features[36] = min(left, 96) / 96.0
    features[37] = 1.0 if left <= own[EVENT_TICKS] else 0.0
    features[38] = 1.0 if own[GOAL] == 0 else 0.0
    features[39] = (start - world[LOW]) / max(world[HIGH] - world[LOW], 1)
    features[40] = min(own[SAME], 3) / 3.0
    features[41] = 1.0 if own[TARGET] >= 0 else 0.0
    features[42] = min(own[EVENT_TICKS], 24) / 24.0
    other = sounding(world, own[TICK])
    if other >= 0:
        features[43 + _INTERVAL[(other - start) % 12]] = 1.0  # 0..7
        features[51] = min(max(other - start, -48), 48) / 24.0
        features[52] = world[PLAYER_MOVE]
    if own[CHORD_ROOT] >= 0:
        features[53 + (degree - degree_of(ladder, 60 + own[CHORD_ROOT])) % 7] = 1.0  # 0..6
        features[60] = 1.0
    features[61 + world[PART]] = 1.0
    return state


@njit("int64(int64[::1])", cache=True)
def _quarter(own):
    """How much of the phrase has passed, in quarters of it, 0..3 (0: it is open)."""
    if own[PHRASE_END] >= NEVER:
        return 0
    return min((own[TICK] - own[PHRASE_TICK]) * 4 // max(own[PHRASE_END] - own[PHRASE_TICK], 1), 3)


@njit(
    "UniTuple(int64, 14)(int64[::1], int64[::1], int64[::1], int64, int64, int64, int64, int64, int64)",
    cache=True,
    inline="always",
)
def _melody_rows(own, world, ladder, action, start, note, force, other, quarter):
    to = ladder[note]
    last = own[LAST_NOTE]
    tick = own[TICK]
    step = own[LAST_STEP]
    before = N_STEPS if step == NO_STEP else step + 7
    r0 = _M[0] + ((ladder[MINOR_AT] * 7 + degree_of(ladder, start)) * (N_STEPS + 1) + before) * N_MELODY + action
    in_chord = 0
    if own[CHORD_ROOT] >= 0:
        in_chord = 1
        if (own[CHORD_BITS] >> (note % 12)) & 1:
            in_chord = 2 if note % 12 == own[CHORD_ROOT] else 3
    r1 = _M[1] + (world[PART] * 4 + force) * 4 + in_chord
    interval = note - last if last >= 0 else 0
    direction = 1 if interval > 0 else (-1 if interval < 0 else 0)
    leap = abs(interval) >= 7
    if direction == 0:
        move = 4
    elif own[LEAP_DIR] == 0 or direction == own[LEAP_DIR]:
        move = 0 if leap else 2
    else:
        move = 1 if leap else 3
    r2 = _M[2] + (5 if own[LEAP_DIR] != 0 else 0) + move
    half = quarter // 2
    high, low = own[HIGHEST], own[LOWEST]
    if high < 0:
        above = below = 0
    else:
        above = 1 if note < high else (4 if ladder[note] <= ladder[high] + 1 else 5)
        if note == high:
            above = 3 if last == note else 2
        below = 1 if note > low else (4 if ladder[note] >= ladder[low] - 1 else 5)
        if note == low:
            below = 3 if last == note else 2
    r3 = _M[3] + half * 6 + above
    r4 = _M[4] + half * 6 + below
    if own[HINT_RUNG] < 0:
        follows = 0
    else:
        off = abs(to - own[HINT_RUNG])
        follows = 1 if off == 0 and action < N_STEPS else (2 if off <= 1 else 3)
    r5 = _M[5] + own[VOICE] * 4 + follows
    left = own[PHRASE_END] - tick
    zone = 3 if left <= own[EVENT_TICKS] else (2 if left <= 24 else (1 if left <= world[BAR_TICKS] else 0))
    away = (degree_of(ladder, note) - own[GOAL]) % 7
    away = min(away, 7 - away)
    r6 = _M[6] + (zone * 4 + away) * 2 + (1 if own[GOAL] == 0 else 0)
    if other < 0:
        heard = 0
    elif note > other:
        heard = 9
    else:
        heard = 1 + _INTERVAL[(other - note) % 12]
    r7 = _M[7] + force * 10 + heard
    moved = 0
    if other >= 0 and tick - world[PLAYER_TICK] <= 3:
        moved = 1 if world[PLAYER_MOVE] > 0 else (2 if world[PLAYER_MOVE] < 0 else 0)
    r8 = _M[8] + moved * 3 + direction + 1
    r9 = _M[9] + min(own[SAME], 3) * 2 + (1 if last == note else 0)
    place = min((note - world[LOW]) * 8 // max(world[HIGH] - world[LOW] + 1, 1), 7)
    r10 = _M[10] + quarter * 8 + place
    if action >= N_STEPS:
        kind = 2
    else:
        kind = 1 if note == own[TARGET] else 0
    r11 = _M[11] + (3 if own[TARGET] >= 0 else 0) + kind
    r12 = _M[12] + (degree_of(ladder, note) + 1 if own[COUNT] == 0 else 0)
    size = abs(interval)
    bucket = size if size <= 5 else (6 if size <= 7 else (7 if size <= 9 else 8))
    r13 = _M[13] + (0 if force < 2 else (1 if force == 2 else 2)) * 9 + bucket
    return r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13


@njit("void(int64[::1], int64[::1], int64[::1], int64, int64[::1])", cache=True)
def melody_rows(own, world, ladder, action, rows):
    """The active rows of the melody prior for one (allowed) action, int64[14]."""
    tick = own[TICK]
    start = start_note(own, world)
    note = melody_note(ladder, start, action)
    force, other = strength(world, tick), sounding(world, tick)
    found = _melody_rows(own, world, ladder, action, start, note, force, other, _quarter(own))
    for k in range(len(found)):
        rows[k] = found[k]


# ---- harmony --------------------------------------------------------------------------------------------------------
@njit("int64(int64[::1], int64[::1], int64[::1], int64, float32[::1], uint8[::1])", cache=True)
def harmony_context(own, world, ladder, note, features, mask):
    """State of the harmony head: semitones of the melody note above the tonic (12) × keys held (0-1, 2, 3+)."""
    above = (note - ladder[TONIC_AT]) % 12
    held = world[PLAYER_HELD]
    crowd = 0 if held < 2 else (1 if held == 2 else 2)
    for a in range(mask.shape[0]):
        mask[a] = 1
    state = above * 3 + crowd
    if features.shape[0] == 0:
        return state
    for i in range(features.shape[0]):
        features[i] = 0.0
    features[above] = 1.0
    features[12 + crowd] = 1.0
    features[15 + own[VOICING]] = 1.0  # 0..14
    features[30 + strength(world, own[TICK])] = 1.0
    features[34] = min(own[EVENT_TICKS], 48) / 48.0
    if own[CHORD_ROOT] >= 0:
        features[35] = 1.0
        features[36 + _DEGREE[(note - own[CHORD_ROOT]) % 12]] = 1.0  # 0..6
        features[43] = (own[CHORD_BITS] >> (note % 12)) & 1
    features[44 + world[ROLE]] = 1.0
    return state


@njit(
    "UniTuple(int64, 12)(int64[::1], int64[::1], int64[::1], int64, int64, int64, int64, int64)",
    cache=True,
    inline="always",
)
def _harmony_rows(own, world, ladder, note, action, force, other, chord):
    role = world[ROLE]
    part = 0 if role == HARMONIZE else (1 + world[PART] if role == DUET else (4 if role == ANSWER else 5))
    r0 = _H[0] + part * N_VOICINGS + action
    root, bits = chord >> 12, chord
    function = 0
    if root >= 0:
        function = 5
        if (bits >> (note % 12)) & 1:
            third = (note - root) % 12
            function = 1 if third == 0 else (2 if third <= 5 else (3 if third <= 8 else 4))
    r1 = _H[1] + function * N_VOICINGS + action
    foreign = 0
    harsh = 0
    size = 0
    lowest = -1
    clash = 0
    for i in range(4):
        added = voiced_note(ladder, note, action, i, world[KEEP])
        if added < 0:
            continue
        size += 1
        if root >= 0 and not (bits >> (added % 12)) & 1:
            foreign += 1
        gap = abs(note - added) % 12
        if gap == 1 or gap == 11 or gap == 6:
            harsh += 1
        if other >= 0 and (abs(other - added) % 12 == 1 or abs(other - added) % 12 == 11):
            clash = 1
        if lowest < 0 or added < lowest:
            lowest = added
    r2 = _H[2] + (min(foreign, 3) if root >= 0 else 4)
    r3 = _H[3] + own[VOICING] * N_VOICINGS + action
    parallel = 0
    moved = 4
    if lowest >= 0 and own[BASS] >= 0 and own[LAST_NOTE] >= 0:
        fifth = (note - lowest) % 12
        moved = abs(ladder[lowest] - ladder[own[BASS]])
        moved = moved if moved <= 2 else 3
        if fifth == (own[LAST_NOTE] - own[BASS]) % 12 and (fifth == 7 or fifth == 0) and note != own[LAST_NOTE]:
            parallel = 1
    r4 = _H[4] + parallel
    r5 = _H[5] + min(world[PLAYER_HELD], 3) * 5 + size
    ticks = own[EVENT_TICKS]
    span = 0 if ticks <= 6 else (1 if ticks <= 12 else 2)
    r6 = _H[6] + (force * 3 + span) * 5 + size
    r7 = _H[7] + (0 if lowest < 0 or lowest >= 45 else (1 if size == 1 or lowest >= 36 else 2))
    r8 = _H[8] + min(harsh, 2)
    r9 = _H[9] + clash
    r10 = _H[10] + moved
    r11 = _H[11] + degree_of(ladder, note) * N_VOICINGS + action
    return r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11


@njit("void(int64[::1], int64[::1], int64[::1], int64, int64, int64[::1])", cache=True)
def harmony_rows(own, world, ladder, note, action, rows):
    """The active rows of the harmony prior for one action, int64[12]."""
    tick = own[TICK]
    chord = chord_under(own, ladder)
    found = _harmony_rows(own, world, ladder, note, action, strength(world, tick), sounding(world, tick), chord)
    for k in range(len(found)):
        rows[k] = found[k]


# ---- what the prior thinks: Σ_k w[row_k(context, a)] for every allowed action ---------------------------------------
@njit("void(int64[::1], int64[::1], float32[::1], uint8[::1], float64[::1])", cache=True, error_model="numpy")
def rhythm_prior(own, world, weights, mask, prior):
    """Fill ``prior`` float64[actions] with logits (0 where the mask is 0)."""
    tick = own[TICK]
    bar = tick // world[BAR_TICKS]
    within = tick - bar * world[BAR_TICKS]
    force, busy, awaited = strength(world, tick), density(world, tick), expected_in(world, bar, within)
    for a in range(mask.shape[0]):
        total = 0.0
        if mask[a]:
            rows = _rhythm_rows(own, world, a, force, busy, awaited, bar, within)
            for k in range(len(rows)):
                total += weights[rows[k]]
        prior[a] = total


@njit(
    "void(int64[::1], int64[::1], int64[::1], float32[::1], uint8[::1], float64[::1])", cache=True, error_model="numpy"
)
def melody_prior(own, world, ladder, weights, mask, prior):
    """Fill ``prior`` float64[actions] with logits (0 where the mask is 0)."""
    bonus = OUTSIDE_BONUS * world[OUTSIDE] / 100.0
    start, force, other = start_note(own, world), strength(world, own[TICK]), sounding(world, own[TICK])
    quarter = _quarter(own)
    for a in range(mask.shape[0]):
        total = 0.0
        if mask[a]:
            note = melody_note(ladder, start, a)
            rows = _melody_rows(own, world, ladder, a, start, note, force, other, quarter)
            for k in range(len(rows)):
                total += weights[rows[k]]
            if a >= N_STEPS:
                total += bonus
        prior[a] = total


@njit("void(int64[::1], int64[::1], int64[::1], int64, float32[::1], float64[::1])", cache=True, error_model="numpy")
def harmony_prior(own, world, ladder, note, weights, prior):
    """Fill ``prior`` float64[actions] with logits."""
    force, other, chord = strength(world, own[TICK]), sounding(world, own[TICK]), chord_under(own, ladder)
    for a in range(prior.shape[0]):
        rows = _harmony_rows(own, world, ladder, note, a, force, other, chord)
        total = 0.0
        for k in range(len(rows)):
            total += weights[rows[k]]
        prior[a] = total


# a ~ exp Q(s,·); also V(s) = ln (1/|A|) Σ_a exp Q(s,a), into soft[0]
@njit("int64(float64[::1], uint8[::1], int64, uint64[::1], float64[::1])", cache=True)
def draw(values, mask, n, rng, soft):
    """Draw one of the first ``n`` actions that the mask allows, by their logits; -1 if there is none."""
    best = -np.inf
    allowed = 0
    for a in range(n):
        if mask[a]:
            allowed += 1
            if values[a] > best:
                best = values[a]
    total = 0.0
    for a in range(n):
        if mask[a]:
            total += np.exp(values[a] - best)
    soft[0] = best + np.log(total / max(allowed, 1))
    left = _uniform(rng) * total
    last = -1
    for a in range(n):
        if mask[a]:
            last = a
            left -= np.exp(values[a] - best)
            if left < 0.0:
                return a
    return last
