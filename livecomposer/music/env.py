"""Music as an environment: the kernels of ``Performance``, with a simulated player, at millions of steps a second.

``practice`` trains in it, ``music.gym`` wraps it for Gymnasium. One step is one decided event of all heads. It shares
``prepare``, ``choose_length`` and ``play`` with ``instrument.plan``; only who plays along and what the chords are is
simulated here, from the shipped style tables.
"""

import numpy as np
from numba import njit

from livecomposer.music.actions import COUNT_AT, MINOR_AT, N_LENGTHS, NOTES_AT, SIZE_AT, TONIC_AT, Ladder
from livecomposer.music.context import (
    A_AGAIN,
    ANSWER,
    BAR_TICKS,
    CHORD_BITS,
    CHORD_END,
    CHORD_ROOT,
    DUET,
    EVENT_TICKS,
    GIVEN,
    GRID,
    GRID_BAR,
    GRID_NOW,
    HARMONIZE,
    HEADS,
    HIGH,
    LOW,
    N_RHYTHM,
    N_STEPS,
    N_VOICINGS,
    NEVER,
    NEVER_BEFORE,
    NEXT_BITS,
    NEXT_ROOT,
    PART,
    PHRASE_END,
    PHRASE_TICKS,
    PLAYER_HELD,
    PLAYER_MOVE,
    PLAYER_NOTE,
    PLAYER_TICK,
    ROLE,
    SCALE_MASK,
    SECTION,
    SOLO,
    TICK,
    _uniform,
    advance,
    begin_answer,
    begin_form,
    begin_phrase,
    choose_length,
    degree_of,
    hear,
    melody_note,
    new_own,
    new_trace,
    new_world,
    prepare,
    remember,
    start_note,
    strength,
)
from livecomposer.music.heads import (
    draw,
    harmony_context,
    harmony_prior,
    melody_context,
    rhythm_context,
    rhythm_prior,
)
from livecomposer.music.metre import parse_metre
from livecomposer.music.rules import N_RULES, N_STYLE, STEP_TABLE, judge, play
from livecomposer.music.theory import SCALES

# columns of ``player`` int64[N_PLAYER], the simulated one
ON, NEXT_TICK, NOTE, CAME, LENGTH, CHORDS, END_TICK = range(7)
OVER, RHYTHM = 7, 8  # the episode is over; the rhythm that ``next_note`` has chosen
N_PLAYER = 9
PHRASE_BARS = 4
EPISODE_BARS = 16
LOW_NOTE, HIGH_NOTE = 48, 84

_BANK = np.stack(
    [
        Ladder(tonic, SCALES[name]).row
        for name in ("major", "minor", "harmonic minor", "dorian", "mixolydian", "major pentatonic", "minor pentatonic")
        for tonic in range(12)
    ]
)
_METRES = np.array(
    [
        (metre.bar_ticks, metre.unit_ticks, metre.strong_bits)
        for metre in map(parse_metre, ("4/4", "4/4", "4/4", "3/4", "6/8"))
    ],
    dtype=np.int64,
)


_NEW = new_own()
# where the heads' features and masks begin in those of all
_F1, _F2 = HEADS[0].n_features, HEADS[0].n_features + HEADS[1].n_features
_A1, _A2 = HEADS[0].n_actions, HEADS[0].n_actions + HEADS[1].n_actions


class Stage:
    """The arrays of one environment; see ``music.context`` for what is in them.

    Attributes
    ----------
    own, world : int64 rows
    trace : int16[N_TRACE, TRACE_TICKS]
    ladder : int64[LADDER_SIZE]
    style : float32[N_STYLE + STEP_TABLE]
        Behind the prior's own the distribution functions of its steps, for the simulated player.
    player : int64[N_PLAYER]
    rng : uint64[1]
    columns : float32[N_RULES]
    """

    def __init__(self, style: np.ndarray, seed: int) -> None:
        self.own = new_own()
        self.world = new_world(parse_metre("4/4"), LOW_NOTE, HIGH_NOTE)
        self.trace = new_trace()
        self.ladder = Ladder(0, SCALES["major"]).row.copy()
        steps = np.exp(style[:STEP_TABLE].reshape(-1, N_STEPS).astype(np.float64)).cumsum(axis=1)
        self.style = np.concatenate([style, steps.reshape(-1)]).astype(np.float32)
        self.player = np.zeros(N_PLAYER, dtype=np.int64)
        self.rng = np.random.SeedSequence(seed).generate_state(1, np.uint64)
        self.columns = np.zeros(N_RULES, dtype=np.float32)

    def reset(self, role: int = -1) -> None:
        """A new episode in ``role`` (index in ``context.ROLES``; -1: any)."""
        reset(self.own, self.world, self.trace, self.ladder, self.style, self.player, self.rng, role)


# step ~ p(step | mode, degree, step before), by inversion of its distribution function
@njit("int64(float32[::1], int64[::1], int64, int64, uint64[::1])", cache=True)
def _draw_step(style, ladder, note, came, rng):
    """A scale step as the style has it after the step before, 0..14."""
    at = N_STYLE + ((ladder[MINOR_AT] * 7 + degree_of(ladder, note)) * (N_STEPS + 1) + came) * N_STEPS
    u = _uniform(rng)
    for step in range(N_STEPS - 1):
        if u < style[at + step]:
            return step
    return N_STEPS - 1


@njit("void(int64[::1], int64[::1], int64[::1], float32[::1], int64[::1], uint64[::1])", cache=True)
def _player_onset(own, world, ladder, style, player, rng):
    """The simulated player's next note at NEXT_TICK, and when the one after it comes."""
    tick = player[NEXT_TICK]
    step = _draw_step(style, ladder, player[NOTE], player[CAME], rng)
    to = ladder[player[NOTE]] + step - 7
    note = ladder[NOTES_AT + min(max(to, 0), ladder[COUNT_AT] - 1)]
    if note < 60 or note > 81:  # the hand turns round
        step = 14 - step
        to = ladder[player[NOTE]] + step - 7
        note = ladder[NOTES_AT + to]
        if note < 60 or note > 81:  # as far off on the other side: the hand stays
            to = ladder[player[NOTE]]
            note = player[NOTE]
    if player[CHORDS] and strength(world, tick) < 2:
        for away in range(3):
            for sign in (-1, 1):
                other = ladder[NOTES_AT + min(max(to + sign * away, 0), ladder[COUNT_AT] - 1)]
                if (own[CHORD_BITS] >> (other % 12)) & 1 and 55 <= other <= 84:
                    note = other
                    break
            else:
                continue
            break
    hear(world, tick, note)
    world[PLAYER_HELD] = 1
    player[CAME] = min(max(ladder[note] - ladder[player[NOTE]], -7), 7) + 7
    player[NOTE] = note
    u = _uniform(rng)
    place = tick % 12
    if place == 6:
        length = 6
    elif u < 0.5:
        length = 12
    elif u < 0.8:
        length = 6
    else:
        length = 24
    player[LENGTH] = length
    if tick % (4 * world[BAR_TICKS]) + length >= 4 * world[BAR_TICKS] - 12 and _uniform(rng) < 0.5:
        length += world[BAR_TICKS]  # breathes
    player[NEXT_TICK] = tick + length


@njit("void(int64[::1], int64[::1], int64[::1], int64[::1], uint64[::1])", cache=True)
def _set_chord(own, world, ladder, player, rng):
    """With given chords there is a new one in every bar: its triad, sometimes with the seventh."""
    if player[CHORDS] == 0:
        return
    while own[TICK] >= own[CHORD_END]:
        own[CHORD_ROOT], own[CHORD_BITS] = own[NEXT_ROOT], own[NEXT_BITS]
        own[CHORD_END] += world[BAR_TICKS]
        u = _uniform(rng)
        degree = 0 if u < 0.3 else (4 if u < 0.5 else (3 if u < 0.7 else (5 if u < 0.85 else (1 if u < 0.95 else 2))))
        root = ladder[60 + ladder[TONIC_AT]] + degree
        own[NEXT_ROOT] = ladder[NOTES_AT + root] % 12
        own[NEXT_BITS] = 0
        for i in range(4 if _uniform(rng) < 0.3 else 3):
            own[NEXT_BITS] |= 1 << (ladder[NOTES_AT + root + 2 * i] % 12)


@njit("void(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1])", cache=True)
def _listen(own, world, trace, ladder, style, player, rng):
    """Bring chords and the player up to the next event, and plan it."""
    begun = True
    while begun:
        _set_chord(own, world, ladder, player, rng)
        if player[ON]:
            while player[NEXT_TICK] <= own[TICK]:
                _player_onset(own, world, ladder, style, player, rng)
            if own[TICK] - world[PLAYER_TICK] >= player[LENGTH]:
                world[PLAYER_HELD] = 0
        begun = prepare(own, world, trace, ladder, rng) == 1 and player[ON] == 1


@njit(
    "void(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1], int64)", cache=True
)
def reset(own, world, trace, ladder, style, player, rng, role):
    """A new episode: key, metre, role and part, who plays along and whether chords are given are drawn anew."""
    own[:] = _NEW
    trace[:, :] = -1
    if role < 0:
        u = _uniform(rng)
        role = SOLO if u < 0.35 else (DUET if u < 0.75 else (ANSWER if u < 0.9 else HARMONIZE))
    u = _uniform(rng)
    part = 0 if role != DUET or u < 0.6 else (1 if u < 0.8 else 2)
    ladder[:] = _BANK[np.int64(_uniform(rng) * _BANK.shape[0])]
    metre = np.int64(_uniform(rng) * _METRES.shape[0])
    for i in range(3):
        world[BAR_TICKS + i] = _METRES[metre, i]
    world[ROLE], world[PART] = role, part
    world[LOW], world[HIGH] = (28, 52) if part == 2 else ((48, 72) if role == DUET else (48, 84))
    world[SCALE_MASK] = 1 if _uniform(rng) < 0.7 else 0
    world[PLAYER_NOTE] = world[GRID_BAR] = -1
    world[PLAYER_MOVE] = world[PLAYER_HELD] = world[GRID] = world[GRID_NOW] = 0
    world[PLAYER_TICK] = NEVER_BEFORE
    seven = ladder[SIZE_AT] == 7
    player[ON] = 1 if role in (DUET, HARMONIZE) else 0
    player[CHORDS] = 1 if role in (DUET, HARMONIZE) and seven and _uniform(rng) < 0.5 else 0
    player[NOTE] = ladder[NOTES_AT + ladder[72]]
    player[CAME] = N_STEPS
    player[LENGTH] = 12
    bar = world[BAR_TICKS]
    player[NEXT_TICK] = bar
    own[SECTION] = A_AGAIN
    own[GIVEN] = player[CHORDS]
    own[CHORD_ROOT] = own[NEXT_ROOT] = -1
    own[CHORD_END] = 0
    own[TICK] = bar
    if player[CHORDS]:
        own[NEXT_BITS] = 0
        _set_chord(own, world, ladder, player, rng)
        _set_chord(own, world, ladder, player, rng)
    if role == ANSWER:
        bars = 1 + np.int64(_uniform(rng) * 3.0)
        tick = bar
        while tick < bar + bars * bar:
            step = _draw_step(style, ladder, player[NOTE], player[CAME], rng)
            to = min(max(ladder[player[NOTE]] + step - 7, 0), ladder[COUNT_AT] - 1)
            note = ladder[NOTES_AT + to]
            if note < 55 or note > 84:
                note = player[NOTE]
            length = 6 if tick % 12 else (6, 12, 12, 18, 24)[np.int64(_uniform(rng) * 5.0)]
            remember(trace, 1, tick, length, note)
            player[CAME] = min(max(ladder[note] - ladder[player[NOTE]], -7), 7) + 7
            player[NOTE] = note
            hear(world, tick, note)
            tick += length
        start = bar + bars * bar
        player[END_TICK] = start + bars * bar
        begin_answer(own, trace, ladder, start, bars * bar, bars * bar, rng)
    else:
        player[END_TICK] = bar + EPISODE_BARS * bar
        begin_form(own, bar, PHRASE_BARS * bar, rng)
    if role == HARMONIZE:
        begin_phrase(own, bar, NEVER, 0, 0)
        _player_onset(own, world, ladder, style, player, rng)
        own[EVENT_TICKS] = player[LENGTH]
        return
    _listen(own, world, trace, ladder, style, player, rng)


@njit(
    "int64(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1], int64, int64,"
    " int64, float32[::1])",
    cache=True,
)
def act(own, world, trace, ladder, style, player, rng, rhythm, melody, voicing, columns):
    """One step: carry the event out (its length chosen before by ``choose_length``); 1 if the episode is over."""
    play(own, world, trace, ladder, style, rhythm, melody, voicing, columns)
    breath = 12 if own[PHRASE_TICKS] > 0 else 0  # no event begins in the last beat of a phrase
    if own[TICK] >= player[END_TICK] - breath or (own[TICK] >= own[PHRASE_END] and world[ROLE] == ANSWER):
        return 1
    _listen(own, world, trace, ladder, style, player, rng)
    return 0


@njit(
    "int64(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1], int64,"
    " float32[::1])",
    cache=True,
)
def harmonize(own, world, trace, ladder, style, player, rng, voicing, columns):
    """One step of *harmonize*: notes under the player's last note, then the player goes on; 1 at the end."""
    note = player[NOTE]
    judge(own, world, ladder, style, 5, note, 7, voicing, columns)
    advance(own, world, trace, ladder, 5, own[EVENT_TICKS], note, 7, voicing)
    if player[NEXT_TICK] >= player[END_TICK]:
        return 1
    own[TICK] = player[NEXT_TICK]
    _set_chord(own, world, ladder, player, rng)
    _player_onset(own, world, ladder, style, player, rng)
    own[EVENT_TICKS] = player[LENGTH]
    return 0


# ---- as Gymnasium has it: one call a step ---------------------------------------------------------------------------
@njit("void(int64[::1], int64[::1], int64[::1], float32[::1], uint8[::1])", cache=True)
def look(own, world, ladder, features, mask):
    """The three heads' features and masks, one behind the other (harmony's under the note to start from)."""
    rhythm_context(own, world, features[:_F1], mask[:_A1])
    melody_context(own, world, ladder, features[_F1:_F2], mask[_A1:_A2])
    harmony_context(own, world, ladder, start_note(own, world), features[_F2:], mask[_A2:])


@njit("int64(uint8[::1], int64)", cache=True)
def _allowed(mask, melody):
    """The melody action, or the scale step nearest to it that the mask allows."""
    if mask[_A1 + melody]:
        return melody
    best = 7
    away = 99
    for a in range(N_STEPS):
        if mask[_A1 + a] and abs(a - min(melody, N_STEPS - 1)) < away:
            best = a
            away = abs(a - min(melody, N_STEPS - 1))
    return best


@njit(
    "float64(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1], int64, int64,"
    " int64, float32[::1], float32[::1], float32[::1], uint8[::1])",
    cache=True,
)
def duet_step(
    own, world, trace, ladder, style, player, rng, rhythm, melody, voicing, weights, columns, features, mask
):  # fmt: skip
    """One event of all heads, and a look at the next; returns the reward (``player[OVER]`` says if that was all)."""
    choose_length(own, rhythm)
    player[OVER] = act(own, world, trace, ladder, style, player, rng, rhythm, _allowed(mask, melody), voicing, columns)
    reward = 0.0
    for i in range(columns.shape[0]):
        reward += weights[i] * columns[i]
    look(own, world, ladder, features, mask)
    return reward


@njit(
    "void(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1], float32[::1],"
    " float32[::1], uint8[::1], int64, int64, boolean)",
    cache=True,
    nogil=True,
)
def wander(own, world, trace, ladder, style, player, rng, columns, features, mask, n, role, seen):
    """``n`` steps with uniform actions in episodes of ``role``, each with a look at the next if ``seen``."""
    reset(own, world, trace, ladder, style, player, rng, role)
    look(own, world, ladder, features, mask)
    for _ in range(n):
        rhythm = np.int64(_uniform(rng) * N_RHYTHM)
        step = np.int64(_uniform(rng) * N_STEPS)
        voicing = np.int64(_uniform(rng) * N_VOICINGS)
        choose_length(own, rhythm)
        melody = _allowed(mask, step) if seen else 7
        if act(own, world, trace, ladder, style, player, rng, rhythm, melody, voicing, columns):
            reset(own, world, trace, ladder, style, player, rng, role)
        if seen:
            look(own, world, ladder, features, mask)


@njit(
    "void(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1], float32[::1],"
    " float32[::1], uint8[::1])",
    cache=True,
)
def next_note(own, world, trace, ladder, style, player, rng, rhythm_w, features, mask):
    """Let the prior's rhythm go on to the next note (or the end): its length in RHYTHM, and a look at it."""
    values = np.empty(N_RHYTHM)
    soft = np.empty(1)
    columns = np.empty(N_RULES, dtype=np.float32)
    player[RHYTHM] = N_LENGTHS
    while player[RHYTHM] >= N_LENGTHS and not player[OVER]:
        rhythm_prior(own, world, rhythm_w, mask[:_A1], values)
        player[RHYTHM] = draw(values, mask[:_A1], N_RHYTHM, rng, soft)
        choose_length(own, player[RHYTHM])
        if player[RHYTHM] >= N_LENGTHS:
            player[OVER] = act(own, world, trace, ladder, style, player, rng, player[RHYTHM], 7, 0, columns)
    look(own, world, ladder, features, mask)


@njit(
    "float64(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1], int64,"
    " float32[::1], float32[::1], float32[::1], float32[::1], float32[::1], uint8[::1])",
    cache=True,
)
def melody_step(
    own, world, trace, ladder, style, player, rng, melody, rhythm_w, harmony_w, weights, columns, features, mask
):  # fmt: skip
    """One note of the melody, the chord under it drawn from the prior, and on to the next; returns the reward."""
    melody = _allowed(mask, melody)
    values = np.empty(N_VOICINGS)
    soft = np.empty(1)
    note = melody_note(ladder, start_note(own, world), melody)
    harmony_prior(own, world, ladder, note, harmony_w, values)
    voicing = draw(values, mask[_A2:], N_VOICINGS, rng, soft)
    player[OVER] = act(own, world, trace, ladder, style, player, rng, player[RHYTHM], melody, voicing, columns)
    reward = 0.0
    for i in range(columns.shape[0]):
        reward += weights[i] * columns[i]
    next_note(own, world, trace, ladder, style, player, rng, rhythm_w, features, mask)
    return reward
