"""The rules of music as reward: one named column each, filled event by event, weighted in TOML.

``instrument.plan`` and ``music.env`` call ``play``: it judges an event in the context it was decided in and then
advances the context, the same kernel for both. Nothing here allocates; all kernels hold the GIL.
"""

import tomllib
from importlib.resources import files
from typing import Any

import numpy as np
from numba import njit

from livecomposer.errors import SettingsError
from livecomposer.music.actions import MINOR_AT, N_LENGTHS, NOTES_AT
from livecomposer.music.context import (
    _INTERVAL,
    _TICKS,
    BAR_TICKS,
    BASS,
    BASS_PART,
    CHORD_BITS,
    CHORD_ROOT,
    COMP,
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
    LEAP_FROM,
    LINE,
    LOW,
    LOWEST,
    N_RHYTHM,
    N_STEPS,
    NO_STEP,
    PART,
    PHRASE_END,
    PHRASE_TICK,
    PLAYER_MOVE,
    PLAYER_TICK,
    RHYTHM_RUN,
    ROLE,
    SAME,
    TARGET,
    TICK,
    UNIT,
    advance,
    chord_under,
    degree_of,
    density,
    expected,
    melody_note,
    sounding,
    start_note,
    strength,
    voiced_note,
)

# name → the head that it rewards in practice (0 rhythm, 1 melody, 2 harmony); in this order the columns
RULES = {
    "length_style": 0,  # ln p of the note's length after the one before, at its place in the beat
    "length_motif": 0,  # 1 as the motif has it, -0.5 otherwise
    "rest": 0,  # -1 a rest
    "fit": 0,  # -1 for a syncopation over the bar line, or an event cut by the phrase's end; -0.5 a scrap left over
    "close": 0,  # 1 if the last note of the phrase is a quarter or longer, -1 if it is shorter or a rest
    "room": 0,  # -1 beginning where a busy player is expected, 0.5 beginning elsewhere
    "part": 0,  # comp and bass: 1 a quarter or longer on a beat, -1 anything shorter or beside it
    "monotony": 0,  # -1 from the sixth equal length on
    "step_style": 1,  # ln p of the step after the one before, from its degree
    "in_key": 1,  # -1 outside the scale
    "repetition": 1,  # -0.5 for the second repetition of a note, -1 from the third on
    "leap": 1,  # an open leap: -1 leapt on, 0.5 a step back, 1 returned to where it came from
    "step_motion": 1,  # 1 a scale step, less from a fourth on
    "chord_tone": 1,  # 1 in the chord, -1 foreign to it on a strong beat, less elsewhere (a bass: its root)
    "cadence": 1,  # 1 if the phrase ends on its goal, -1 elsewhere
    "opening": 1,  # 1 if the phrase begins on the tonic, 0.3 on another tone of its triad, -0.5 elsewhere
    "step_motif": 1,  # 1 as the motif has it, -0.5 otherwise
    "climax": 1,  # -1 for reaching the highest note again, 0.3 for a new one in the middle of the phrase
    "lowest": 1,  # -1 for reaching the lowest note again
    "range": 1,  # minus the cube of the distance from the register's centre, 1 at its edge
    "approach": 1,  # 1 if a chromatic note resolves to its target, -1 if not
    "consonance": 1,  # with the player's note, on beats: 1 third or sixth, 0.8 octave, 0.1 fifth, -1 dissonant
    "crossing": 1,  # -1 above the player's note, -0.5 in unison with it
    "contrary": 1,  # against a player who moves: 1 the other way, 0.5 held, -0.5 the same way
    "fullness": 2,  # how well the number of added notes suits the part
    "chord_fit": 2,  # -1 for each added note foreign to the chord, 0.3 for each in it; a close has the tonic's triad
    "voice_leading": 2,  # minus the lowest voice's movement in scale steps, over 7
    "parallels": 2,  # -1 for parallel fifths or octaves of the outer voices
    "dissonance": 2,  # -1 for each semitone, major seventh or tritone under the melody; -1 against the player's note
    "mud": 2,  # -1 for a close chord below A2
}
N_RULES = len(RULES)
HEAD_OF = np.array(list(RULES.values()), dtype=np.int64)
(
    LENGTH_STYLE, LENGTH_MOTIF, REST_RULE, FIT, CLOSE, ROOM, PART_RULE, MONOTONY, STEP_STYLE, IN_KEY, REPETITION,
    LEAP, STEP_MOTION, CHORD_TONE, CADENCE, OPENING, STEP_MOTIF, CLIMAX, LOWEST_RULE, RANGE, APPROACH, CONSONANCE,
    CROSSING, CONTRARY, FULLNESS, CHORD_FIT, VOICE_LEADING, PARALLELS, DISSONANCE, MUD,
) = range(N_RULES)  # fmt: skip

STEP_TABLE = 2 * 7 * (N_STEPS + 1) * N_STEPS  # minor × degree × last step × step
LENGTH_TABLE = 12 * (N_LENGTHS + 1) * N_LENGTHS  # place in the quarter × last length × length
N_STYLE = STEP_TABLE + LENGTH_TABLE


def load_weights(text: str | None = None, where: str = "the rules") -> np.ndarray:
    """Weights of the rules from TOML, float64[N_RULES] (those not named: as shipped).

    Raises
    ------
    SettingsError
        It is no TOML, names no rule, or a weight is no number from -100 to 100.
    """
    weights = np.zeros(N_RULES)
    names = list(RULES)
    shipped = files("livecomposer.music").joinpath("rules.toml").read_text(encoding="utf-8")
    for source, table in (("the shipped rules", _table(shipped, where)), (where, _table(text or "", where))):
        for name, value in table.items():
            if name not in RULES:
                raise SettingsError(f"{source}: there is no rule {name!r}; there are {', '.join(names)}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not -100 <= value <= 100:
                raise SettingsError(f"{source}: {name} = {value!r} is not a number from -100 to 100")
            weights[names.index(name)] = value
    return weights


def _table(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where}: not valid TOML: {error}") from None


@njit(
    "void(int64[::1], int64[::1], int64[::1], float32[::1], int64, int64, int64, int64, float32[::1])",
    cache=True,
)
def judge(own, world, ladder, style, rhythm, note, melody, voicing, columns):
    """Fill ``columns`` float32[N_RULES] for one event decided in ``own`` (its length is in EVENT_TICKS)."""
    for i in range(columns.shape[0]):
        columns[i] = 0.0
    tick, ticks = own[TICK], own[EVENT_TICKS]
    force = strength(world, tick)
    hint = own[HINT_RHYTHM]
    ends = tick + ticks >= own[PHRASE_END]
    busy = density(world, tick)
    place = tick % 12
    before = min(own[LAST_RHYTHM], N_LENGTHS)
    if hint >= 0:
        columns[LENGTH_MOTIF] = 1.0 if hint == rhythm else -0.5
    if tick + _TICKS[rhythm] > own[PHRASE_END] or (
        tick % world[BAR_TICKS] + ticks > world[BAR_TICKS] and tick % world[UNIT] != 0
    ):
        columns[FIT] = -1.0
    elif 0 < own[PHRASE_END] - tick - ticks < 6:
        columns[FIT] = -0.5
    columns[MONOTONY] = -1.0 if rhythm == own[LAST_RHYTHM] and own[RHYTHM_RUN] >= 4 else 0.0
    if note < 0:
        columns[REST_RULE] = -1.0 if own[COUNT] > 0 else -3.0
        if N_LENGTHS <= own[LAST_RHYTHM] < N_RHYTHM:
            columns[REST_RULE] -= 1.0
        columns[CLOSE] = -1.0 if ends else 0.0
        return
    columns[LENGTH_STYLE] = style[STEP_TABLE + (place * (N_LENGTHS + 1) + before) * N_LENGTHS + rhythm]
    if ends:
        columns[CLOSE] = 1.0 if ticks >= 12 else -1.0
    if world[ROLE] == DUET and world[PART] != LINE:
        columns[PART_RULE] = 1.0 if force < 3 and ticks >= 12 else -1.0
    if world[ROLE] == DUET and busy >= 2:
        columns[ROOM] = -1.0 if expected(world, tick) else 0.5

    # melody
    start = start_note(own, world)
    last = own[LAST_NOTE]
    step = min(max(ladder[note] - ladder[start], -7), 7)
    interval = note - last if last >= 0 else 0
    came = N_STEPS if own[LAST_STEP] == NO_STEP else own[LAST_STEP] + 7
    in_scale = ladder[NOTES_AT + ladder[note]] == note
    at = ((ladder[MINOR_AT] * 7 + degree_of(ladder, start)) * (N_STEPS + 1) + came) * N_STEPS + step + 7
    if last >= 0:
        columns[STEP_STYLE] = style[at]
        columns[STEP_MOTION] = 1.0 if abs(step) == 1 else (0.0 if abs(step) <= 2 else (2 - abs(step)) / 5.0)
    columns[IN_KEY] = 0.0 if in_scale else -1.0
    if last >= 0 and interval == 0 and own[SAME] >= 1:
        columns[REPETITION] = -1.0 if own[SAME] >= 2 else -0.5
    direction = 1 if interval > 0 else (-1 if interval < 0 else 0)
    if own[LEAP_DIR] != 0:
        if direction == own[LEAP_DIR] and abs(interval) >= 7:
            columns[LEAP] = -1.0
        elif direction == -own[LEAP_DIR]:
            back = note <= own[LEAP_FROM] if own[LEAP_DIR] > 0 else note >= own[LEAP_FROM]
            columns[LEAP] = 1.0 if back else 0.5
    if own[CHORD_ROOT] >= 0:
        sign = 1.0 if (own[CHORD_BITS] >> (note % 12)) & 1 else -1.0
        columns[CHORD_TONE] = sign * (1.0 if force < 2 else (0.5 if force == 2 else 0.15))
        if world[PART] == BASS_PART and force == 0 and note % 12 != own[CHORD_ROOT]:
            columns[CHORD_TONE] = -1.0
    degree = degree_of(ladder, note)
    if ends:
        columns[CADENCE] = 1.0 if degree == own[GOAL] and in_scale else -1.0
    if own[COUNT] == 0:
        columns[OPENING] = 1.0 if degree == 0 else (0.3 if degree == 2 or degree == 4 else -0.5)
    if own[HINT_RUNG] >= 0:
        columns[STEP_MOTIF] = 1.0 if ladder[note] == own[HINT_RUNG] and in_scale else -0.5
    if own[COUNT] > 0 and interval != 0:
        if note == own[HIGHEST]:
            columns[CLIMAX] = -1.0
        elif note > own[HIGHEST] and own[COUNT] > 2:
            passed = (tick - own[PHRASE_TICK]) / max(own[PHRASE_END] - own[PHRASE_TICK], 1)
            columns[CLIMAX] = 0.3 if 0.3 <= passed <= 0.8 else 0.0
        if note == own[LOWEST] and not ends:
            columns[LOWEST_RULE] = -1.0
    half = max(world[HIGH] - world[LOW], 1) / 2.0
    columns[RANGE] = -((abs(note - world[LOW] - half) / half) ** 3)
    if own[TARGET] >= 0:
        columns[APPROACH] = 1.0 if note == own[TARGET] else -1.0
    other = sounding(world, tick)
    if other >= 0:
        kind = _INTERVAL[(other - note) % 12]
        weight = 1.0 if force < 2 else (0.7 if force == 2 else 0.2)
        if kind <= 3:
            columns[CONSONANCE] = weight * (0.8 if kind == 0 else (0.1 if kind == 3 else 1.0))
        else:
            columns[CONSONANCE] = -weight
        columns[CROSSING] = -1.0 if note > other else (-0.5 if note == other else 0.0)
        if world[PLAYER_MOVE] != 0 and tick - world[PLAYER_TICK] <= 3:
            columns[CONTRARY] = 1.0 if direction == -world[PLAYER_MOVE] else (0.5 if direction == 0 else -0.5)

    # harmony
    chord = chord_under(own, ladder)
    size = 0
    lowest = -1
    for i in range(4):
        added = voiced_note(ladder, note, voicing, i, world[KEEP])
        if added < 0:
            continue
        size += 1
        lowest = added if lowest < 0 or added < lowest else lowest
        if chord >= 0:
            columns[CHORD_FIT] += 0.3 if (chord >> (added % 12)) & 1 else -1.0
        gap = abs(note - added) % 12
        if gap == 1 or gap == 11 or gap == 6:
            columns[DISSONANCE] -= 1.0
        if other >= 0 and (abs(other - added) % 12 == 1 or abs(other - added) % 12 == 11):
            columns[DISSONANCE] -= 1.0
    role, part = world[ROLE], world[PART]
    if role == DUET and part == COMP:
        columns[FULLNESS] = -2.0 if size == 0 else (0.5 if size == 1 else 2.0)
    elif role == DUET and part == BASS_PART:
        columns[FULLNESS] = -1.0 * size
    elif role == DUET:
        columns[FULLNESS] = -0.5 * size
    elif role == HARMONIZE:
        columns[FULLNESS] = 0.0 if size == 0 else (1.0 if size <= 2 else 0.3)
    else:  # a full chord where it has time to sound
        if force < 2 and ticks >= 12:
            columns[FULLNESS] = 0.3 * min(size, 3) if size else -0.3
        else:
            columns[FULLNESS] = -0.5 * size
    if lowest >= 0 and own[BASS] >= 0 and last >= 0:
        columns[VOICE_LEADING] = -min(abs(ladder[lowest] - ladder[own[BASS]]), 7) / 7.0
        outer = (note - lowest) % 12
        same_way = (lowest - own[BASS]) * interval > 0
        if same_way and outer == (last - own[BASS]) % 12 and (outer == 7 or outer == 0):
            columns[PARALLELS] = -1.0
    if lowest >= 0 and lowest < 45 and size > 1:
        columns[MUD] = -1.0


@njit(
    "int64(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64, int64, int64, float32[::1])",
    cache=True,
)
def play(own, world, trace, ladder, style, rhythm, melody, voicing, columns):
    """Carry out one event (its length chosen before by ``choose_length``): judge it, then advance the context.

    ``melody`` and ``voicing`` are ignored for a rest. Returns its note, -1 for a rest.
    """
    note = -1 if rhythm >= N_LENGTHS else melody_note(ladder, start_note(own, world), melody)
    judge(own, world, ladder, style, rhythm, note, melody, voicing, columns)
    advance(own, world, trace, ladder, rhythm, own[EVENT_TICKS], note, melody, voicing)
    return note
