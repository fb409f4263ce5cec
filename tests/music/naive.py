"""The music kernels slowly and in plain Python, written from their descriptions, and walks through what they reach.

``own``, ``world`` and ``ladder`` are the kernels' own rows, as arrays or lists. What a kernel gives as numbers of rows
or columns has names here.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from livecomposer.agents.prior import counts, style_of
from livecomposer.music import context as c
from livecomposer.music.actions import APPROACHES, COUNT_AT, NOTES_AT, RHYTHMS, STEPS, TONIC_AT, VOICINGS
from livecomposer.music.env import END_TICK, EPISODE_BARS, NEXT_TICK, NOTE, Stage, act, harmonize
from livecomposer.music.heads import HARMONY_TABLES, MELODY_TABLES, RHYTHM_TABLES, melody_context
from livecomposer.music.metre import parse_metre
from tests.agents.naive import allowed_actions, splitmix64

DEGREES = (0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6)  # by semitones above the tonic
UNISON, THIRD, SIXTH, FIFTH, FOURTH, SECOND, SEVENTH, TRITONE = range(8)
INTERVALS = (UNISON, SECOND, SECOND, THIRD, THIRD, FOURTH, TRITONE, FIFTH, SIXTH, SIXTH, SEVENTH, SEVENTH)
HARSH = (1, 6, 11)  # semitone, tritone, major seventh


# ---- scales ---------------------------------------------------------------------------------------------------------
class Scale:
    """The notes of a scale, and its steps."""

    def __init__(self, notes: tuple[int, ...], tonic: int) -> None:
        self.notes = notes
        self.tonic = tonic
        self.rungs = [notes.index(min(notes, key=lambda n: (abs(n - note), n))) for note in range(128)]
        classes = {note % 12 for note in notes}
        self.minor = (tonic + 3) % 12 in classes and (tonic + 4) % 12 not in classes

    def at(self, rung: int) -> int:
        """The note on a rung, -1 if there is none."""
        return self.notes[rung] if 0 <= rung < len(self.notes) else -1

    def degree(self, note: int) -> int:
        return DEGREES[(note - self.tonic) % 12]


@cache
def _scale(notes: tuple[int, ...], tonic: int) -> Scale:
    return Scale(notes, tonic)


def scale_of(ladder) -> Scale:
    row = [int(x) for x in ladder]
    return _scale(tuple(row[NOTES_AT : NOTES_AT + row[COUNT_AT]]), row[TONIC_AT])


# ---- what the context says ------------------------------------------------------------------------------------------
def strength(world, tick: int) -> int:
    """0 the bar line, 1 another strong beat, 2 another beat, 3 between beats."""
    unit, off = divmod(tick % world[c.BAR_TICKS], world[c.UNIT])
    if off:
        return 3
    if unit == 0:
        return 0
    return 1 if world[c.STRONG] >> unit & 1 else 2


def struck_before(world, bar: int) -> int:
    """The player's sixteenths in the newest bar that had begun before ``bar`` did (bits)."""
    return world[c.GRID_NOW] if bar > world[c.GRID_BAR] else world[c.GRID]


def density(world, tick: int) -> int:
    bar = tick // world[c.BAR_TICKS]
    if bar > world[c.GRID_BAR] + 1:
        return 0
    notes = bin(struck_before(world, bar)).count("1")
    quarters = world[c.BAR_TICKS] / 12
    return 0 if notes == 0 else 1 if notes <= quarters / 2 else 2 if notes <= 1.3 * quarters else 3


def expected(world, tick: int) -> int:
    bar, in_bar = divmod(tick, world[c.BAR_TICKS])
    return 0 if bar > world[c.GRID_BAR] + 2 else struck_before(world, bar) >> in_bar // 3 & 1


def sounding(world, tick: int) -> int:
    """The player's note in a duet while a key is down, and for two beats after it was struck."""
    here = world[c.PLAYER_HELD] > 0 or tick - world[c.PLAYER_TICK] < 2 * world[c.UNIT]
    return world[c.PLAYER_NOTE] if world[c.ROLE] == c.DUET and here else -1


def start_note(own, world) -> int:
    if own[c.LAST_NOTE] >= 0:
        return own[c.LAST_NOTE]
    low, high, player = world[c.LOW], world[c.HIGH], world[c.PLAYER_NOTE]
    if player < 0:
        return (low + high) // 2
    octaves = [note for note in range(player % 12, 128, 12) if low <= note <= high]
    return min(octaves, key=lambda note: abs(note - player))


def melody_note(scale: Scale, start: int, action: int) -> int:
    rung = scale.rungs[start]
    if action < len(STEPS):
        return scale.at(rung + STEPS[action])
    approach = APPROACHES[action - len(STEPS)]
    target = scale.at(rung + approach.target)
    note = target + approach.semitones
    return -1 if target < 0 or not 0 <= note <= 127 or note in scale.notes else note


def added_notes(scale: Scale, note: int, voicing: int, direction: int) -> list[int]:
    """What a voicing adds below (-1) or above (1) a note."""
    rungs = [scale.rungs[note] + direction * steps for steps in VOICINGS[voicing].below]
    return [scale.at(rung) for rung in rungs if scale.at(rung) >= 0 and scale.at(rung) != note]


def chord_under(own, scale: Scale) -> tuple[int, int]:
    """(root, bits) of the chord that voices keep to: the given one, else the tonic's triad under a close on the tonic;
    root -1: none."""
    if own[c.CHORD_ROOT] >= 0:
        return own[c.CHORD_ROOT], own[c.CHORD_BITS]
    if (
        len({note % 12 for note in scale.notes}) == 7
        and own[c.GOAL] == 0
        and own[c.TICK] + own[c.EVENT_TICKS] >= own[c.PHRASE_END]
    ):
        tonic = scale.notes.index(60 + scale.tonic)
        return scale.tonic, sum(1 << scale.at(tonic + i) % 12 for i in (0, 2, 4))
    return -1, 0


def sign(x: int) -> int:
    return (x > 0) - (x < 0)


# ---- the rows of the priors: {table: (its shape, the place in it)} --------------------------------------------------
Places = dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
N_RHYTHMS, N_LENGTHS = len(RHYTHMS), sum(not rhythm.rest for rhythm in RHYTHMS)
N_VOICINGS, N_MELODY = len(VOICINGS), len(STEPS) + len(APPROACHES)


def rhythm_places(own, world, action: int) -> Places:
    tick, (_, ticks, rest) = own[c.TICK], RHYTHMS[action]
    before, bar, hint = own[c.LAST_RHYTHM], world[c.BAR_TICKS], own[c.HINT_RHYTHM]
    if hint < 0:
        motif = 0
    elif hint == action:
        motif = 1
    else:
        motif = 2 if RHYTHMS[hint].rest == rest else 3
    left = own[c.PHRASE_END] - tick - ticks
    close = 3 if left < 0 else 0 if left == 0 else 2 if left < 12 else 1
    size = 3 if rest else 0 if ticks <= 6 else 1 if ticks <= 12 else 2
    busy, first = density(world, tick), own[c.COUNT] == 0
    rested = before < N_RHYTHMS and RHYTHMS[before].rest
    return {
        "style": ((12, N_LENGTHS + 1, N_RHYTHMS), (tick % 12, min(before, N_LENGTHS), action)),
        "beat": ((4, N_RHYTHMS), (strength(world, tick), action)),
        "motif": ((2, 4), (own[c.VOICE], motif)),
        "close": ((4, 4), (close, size)),
        "room": ((4, 2, 2), (busy, expected(world, tick), rest)),
        "next": ((4, 2), (busy, expected(world, tick + ticks))),
        "run": ((4, 2), (min(own[c.RHYTHM_RUN], 3), action == before)),
        "rest": ((2, 2, 2), (rested, first, rest)),
        "part": ((3, N_RHYTHMS), (world[c.PART], action)),
        "role": ((4, N_RHYTHMS), (world[c.ROLE], action)),
        "across": ((2, 2), (tick % bar + ticks > bar, tick % world[c.UNIT] != 0)),
    }


def melody_places(own, world, ladder, action: int) -> Places:
    scale, tick = scale_of(ladder), own[c.TICK]
    start = start_note(own, world)
    note = melody_note(scale, start, action)
    last, force = own[c.LAST_NOTE], strength(world, tick)
    interval = note - last if last >= 0 else 0
    before = len(STEPS) if own[c.LAST_STEP] == c.NO_STEP else STEPS.index(own[c.LAST_STEP])

    if own[c.CHORD_ROOT] < 0:
        chord = 0
    elif not own[c.CHORD_BITS] >> note % 12 & 1:
        chord = 1
    else:
        chord = 2 if note % 12 == own[c.CHORD_ROOT] else 3

    open_leap, leaps = own[c.LEAP_DIR], abs(interval) >= 7
    if interval == 0:
        move = 4
    elif open_leap and sign(interval) != open_leap:
        move = 1 if leaps else 3
    else:
        move = 0 if leaps else 2

    quarter = 0
    if own[c.PHRASE_END] < c.NEVER:
        span = max(own[c.PHRASE_END] - own[c.PHRASE_TICK], 1)
        quarter = min(4 * (tick - own[c.PHRASE_TICK]) // span, 3)

    def reaches(edge: int, beyond: int) -> int:
        """Where the note lies by the highest (beyond 1) or lowest (-1) so far."""
        if edge < 0:
            return 0
        if note == edge:
            return 3 if last == note else 2
        if (note - edge) * beyond < 0:
            return 1
        return 4 if (scale.rungs[note] - scale.rungs[edge]) * beyond <= 1 else 5

    motif = 0
    if own[c.HINT_RUNG] >= 0:
        off = abs(scale.rungs[note] - own[c.HINT_RUNG])
        motif = 1 if off == 0 and action < len(STEPS) else 2 if off <= 1 else 3

    left = own[c.PHRASE_END] - tick
    time = 3 if left <= own[c.EVENT_TICKS] else 2 if left <= 24 else 1 if left <= world[c.BAR_TICKS] else 0
    away = min(abs(scale.degree(note) - own[c.GOAL] + octave) for octave in (-7, 0, 7))

    other = sounding(world, tick)
    heard = 0 if other < 0 else 9 if note > other else 1 + INTERVALS[(other - note) % 12]
    moved = 0
    if other >= 0 and tick - world[c.PLAYER_TICK] <= 3:
        moved = {0: 0, 1: 1, -1: 2}[world[c.PLAYER_MOVE]]

    kind = 2 if action >= len(STEPS) else int(note == own[c.TARGET])
    size = next(i for i, most in enumerate((0, 1, 2, 3, 4, 5, 7, 9, 127)) if abs(interval) <= most)
    eighth = min(8 * (note - world[c.LOW]) // max(world[c.HIGH] - world[c.LOW] + 1, 1), 7)
    return {
        "style": ((2, 7, 16, N_MELODY), (scale.minor, scale.degree(start), before, action)),
        "chord": ((3, 4, 4), (world[c.PART], force, chord)),
        "leap": ((2, 5), (open_leap != 0, move)),
        "highest": ((2, 6), (quarter // 2, reaches(own[c.HIGHEST], 1))),
        "lowest": ((2, 6), (quarter // 2, reaches(own[c.LOWEST], -1))),
        "motif": ((2, 4), (own[c.VOICE], motif)),
        "close": ((4, 4, 2), (time, away, own[c.GOAL] == 0)),
        "player": ((4, 10), (force, heard)),
        "motion": ((3, 3), (moved, sign(interval) + 1)),
        "repeat": ((4, 2), (min(own[c.SAME], 3), last == note)),
        "register": ((4, 8), (quarter, eighth)),
        "approach": ((2, 3), (own[c.TARGET] >= 0, kind)),
        "opening": ((8,), (scale.degree(note) + 1 if own[c.COUNT] == 0 else 0,)),
        "size": ((3, 9), (max(force - 1, 0), size)),
    }


def harmony_places(own, world, ladder, note: int, action: int) -> Places:
    scale, tick, last = scale_of(ladder), own[c.TICK], own[c.LAST_NOTE]
    part = {c.HARMONIZE: 0, c.DUET: 1 + world[c.PART], c.ANSWER: 4, c.SOLO: 5}[world[c.ROLE]]
    added = added_notes(scale, note, action, world[c.KEEP])
    root, bits = chord_under(own, scale)
    if root < 0:
        function = 0
    elif not bits >> note % 12 & 1:
        function = 5
    else:
        function = next(i for i, most in enumerate((0, 5, 8, 11), 1) if (note - root) % 12 <= most)
    other = sounding(world, tick)
    moved, parallel = 4, False
    if added and own[c.BASS] >= 0 and last >= 0:
        moved = min(abs(scale.rungs[min(added)] - scale.rungs[own[c.BASS]]), 3)
        outer = (note - min(added)) % 12
        parallel = outer == (last - own[c.BASS]) % 12 and outer in (0, 7) and note != last
    ticks = own[c.EVENT_TICKS]
    length = 0 if ticks <= 6 else 1 if ticks <= 12 else 2
    if not added or min(added) >= 45:
        low = 0
    else:
        low = 1 if len(added) == 1 or min(added) >= 36 else 2
    return {
        "part": ((6, N_VOICINGS), (part, action)),
        "chord": ((6, N_VOICINGS), (function, action)),
        "foreign": ((5,), (4 if root < 0 else min(sum(not bits >> n % 12 & 1 for n in added), 3),)),
        "last": ((N_VOICINGS + 1, N_VOICINGS), (own[c.VOICING], action)),
        "parallel": ((2,), (parallel,)),
        "held": ((4, 5), (min(world[c.PLAYER_HELD], 3), len(added))),
        "beat": ((4, 3, 5), (strength(world, tick), length, len(added))),
        "low": ((3,), (low,)),
        "dissonance": ((3,), (min(sum(abs(note - n) % 12 in HARSH for n in added), 2),)),
        "clash": ((2,), (other >= 0 and any(abs(other - n) % 12 in (1, 11) for n in added),)),
        "bass": ((5,), (moved,)),
        "degree": ((7, N_VOICINGS), (scale.degree(note), action)),
    }


def rows_of(places: Places, tables: dict[str, int]) -> list[int]:
    """Numbers of rows, the tables lying one behind the other; every place must be inside its own table."""
    rows, begin = [], 0
    for (name, size), (other, (shape, place)) in zip(tables.items(), places.items(), strict=True):
        assert (name, size) == (other, math.prod(shape))
        assert all(0 <= i < n for i, n in zip(place, shape, strict=True)), (name, place, shape)
        at = 0
        for i, n in zip(place, shape, strict=True):
            at = at * n + int(i)
        rows.append(begin + at)
        begin += size
    return rows


def rhythm_rows(own, world, action: int) -> list[int]:
    return rows_of(rhythm_places(own, world, action), RHYTHM_TABLES)


def melody_rows(own, world, ladder, action: int) -> list[int]:
    return rows_of(melody_places(own, world, ladder, action), MELODY_TABLES)


def harmony_rows(own, world, ladder, note: int, action: int) -> list[int]:
    return rows_of(harmony_places(own, world, ladder, note, action), HARMONY_TABLES)


def logit(weights, rows: list[int]) -> float:
    """Σ_k w[row_k]."""
    return math.fsum(float(weights[row]) for row in rows)


# ---- the draw -------------------------------------------------------------------------------------------------------
def probabilities(values, mask) -> dict[int, float]:
    """exp v(a) / Σ_b exp v(b) over the allowed actions."""
    allowed = allowed_actions(mask)
    best = max((values[a] for a in allowed), default=0.0)
    weights = {a: math.exp(values[a] - best) for a in allowed}
    return {a: weight / sum(weights.values()) for a, weight in weights.items()}


def soft_value(values, mask) -> float:
    """ln of the mean of exp v(a) over the allowed actions."""
    allowed = allowed_actions(mask)
    return math.log(math.fsum(math.exp(values[a]) for a in allowed) / len(allowed))


def draw(values, mask, state: int) -> tuple[int, int]:
    """(action, next random state): the first whose share of the whole reaches beyond a uniform number."""
    state, u = splitmix64(state)
    shares = probabilities(values, mask)
    beyond = 0.0
    for a, share in shares.items():
        beyond += share
        if u < beyond:
            return a, state
    return max(shares, default=-1), state


# ---- the rules ------------------------------------------------------------------------------------------------------
def judge(own, world, ladder, style, rhythm: int, note: int, voicing: int) -> dict[str, float]:
    """What each rule says of an event, rules that say nothing left out."""
    columns = _rhythm_rules(own, world, style, rhythm, note)
    if note >= 0:
        columns |= _melody_rules(own, world, scale_of(ladder), style, note)
        columns |= _harmony_rules(own, world, scale_of(ladder), note, voicing)
    return {name: value for name, value in columns.items() if value}


def _rhythm_rules(own, world, style, rhythm, note):
    columns = {}
    tick, ticks, end, bar = own[c.TICK], own[c.EVENT_TICKS], own[c.PHRASE_END], world[c.BAR_TICKS]
    before, force = own[c.LAST_RHYTHM], strength(world, tick)
    last_of_phrase = tick + ticks >= end
    if own[c.HINT_RHYTHM] >= 0:
        columns["length_motif"] = 1.0 if own[c.HINT_RHYTHM] == rhythm else -0.5
    if tick + RHYTHMS[rhythm].ticks > end or (tick % world[c.UNIT] and tick % bar + ticks > bar):
        columns["fit"] = -1.0
    elif 0 < end - (tick + ticks) < 6:
        columns["fit"] = -0.5
    if rhythm == before and own[c.RHYTHM_RUN] >= 4:
        columns["monotony"] = -1.0
    if note < 0:
        columns["rest"] = -3.0 if own[c.COUNT] == 0 else -1.0
        if before < len(RHYTHMS) and RHYTHMS[before].rest:
            columns["rest"] -= 1.0
        if last_of_phrase:
            columns["close"] = -1.0
        return columns
    lengths = np.reshape(style[-12 * (N_LENGTHS + 1) * N_LENGTHS :], (12, N_LENGTHS + 1, N_LENGTHS))
    columns["length_style"] = float(lengths[tick % 12, min(before, N_LENGTHS), rhythm])
    if last_of_phrase:
        columns["close"] = 1.0 if ticks >= 12 else -1.0
    if world[c.ROLE] == c.DUET:
        if world[c.PART] != c.LINE:
            columns["part"] = 1.0 if force < 3 and ticks >= 12 else -1.0
        if density(world, tick) >= 2:
            columns["room"] = -1.0 if expected(world, tick) else 0.5
    return columns


def _melody_rules(own, world, scale, style, note):
    columns = {}
    tick, force, last, count = own[c.TICK], strength(world, own[c.TICK]), own[c.LAST_NOTE], own[c.COUNT]
    last_of_phrase = tick + own[c.EVENT_TICKS] >= own[c.PHRASE_END]
    degree, in_scale = scale.degree(note), note in scale.notes
    interval = note - last if last >= 0 else 0
    if last >= 0:
        step = min(max(scale.rungs[note] - scale.rungs[last], -7), 7)
        came = len(STEPS) if own[c.LAST_STEP] == c.NO_STEP else STEPS.index(own[c.LAST_STEP])
        steps = np.reshape(style[: 2 * 7 * 16 * 15], (2, 7, 16, 15))
        columns["step_style"] = float(steps[int(scale.minor), scale.degree(last), came, STEPS.index(step)])
        columns["step_motion"] = {0: 0.0, 1: 1.0, 2: 0.0}.get(abs(step), -(abs(step) - 2) / 5)
        columns["repetition"] = (0.0, -0.5, -1.0)[min(own[c.SAME], 2)] if interval == 0 else 0.0
    columns["in_key"] = 0.0 if in_scale else -1.0
    leap = own[c.LEAP_DIR]
    if leap and sign(interval) == leap and abs(interval) >= 7:
        columns["leap"] = -1.0
    elif leap and sign(interval) == -leap:
        columns["leap"] = 1.0 if (note - own[c.LEAP_FROM]) * leap <= 0 else 0.5
    if own[c.CHORD_ROOT] >= 0:
        weight = (1.0, 1.0, 0.5, 0.15)[force]
        columns["chord_tone"] = weight if own[c.CHORD_BITS] >> note % 12 & 1 else -weight
        if world[c.PART] == c.BASS_PART and force == 0 and note % 12 != own[c.CHORD_ROOT]:
            columns["chord_tone"] = -1.0
    if last_of_phrase:
        columns["cadence"] = 1.0 if in_scale and degree == own[c.GOAL] else -1.0
    if count == 0:
        columns["opening"] = {0: 1.0, 2: 0.3, 4: 0.3}.get(degree, -0.5)
    if own[c.HINT_RUNG] >= 0:
        columns["step_motif"] = 1.0 if note == scale.at(own[c.HINT_RUNG]) else -0.5
    if count and interval:
        if note == own[c.HIGHEST]:
            columns["climax"] = -1.0
        elif note > own[c.HIGHEST] and count > 2:
            passed = (tick - own[c.PHRASE_TICK]) / max(own[c.PHRASE_END] - own[c.PHRASE_TICK], 1)
            columns["climax"] = 0.3 if 0.3 <= passed <= 0.8 else 0.0
        columns["lowest"] = -1.0 if note == own[c.LOWEST] and not last_of_phrase else 0.0
    centre, half = (world[c.LOW] + world[c.HIGH]) / 2, max(world[c.HIGH] - world[c.LOW], 1) / 2
    columns["range"] = -((abs(note - centre) / half) ** 3)
    if own[c.TARGET] >= 0:
        columns["approach"] = 1.0 if note == own[c.TARGET] else -1.0
    other = sounding(world, tick)
    if other >= 0:
        sweet = {UNISON: 0.8, THIRD: 1.0, SIXTH: 1.0, FIFTH: 0.1}.get(INTERVALS[(other - note) % 12], -1.0)
        columns["consonance"] = sweet * (1.0, 1.0, 0.7, 0.2)[force]
        columns["crossing"] = {1: -1.0, 0: -0.5, -1: 0.0}[sign(note - other)]
        if world[c.PLAYER_MOVE] and tick - world[c.PLAYER_TICK] <= 3:
            columns["contrary"] = {-1: 1.0, 0: 0.5, 1: -0.5}[sign(interval) * world[c.PLAYER_MOVE]]
    return columns


def _harmony_rules(own, world, scale, note, voicing):
    columns = {}
    added, other, last = (
        added_notes(scale, note, voicing, world[c.KEEP]),
        sounding(world, own[c.TICK]),
        own[c.LAST_NOTE],
    )
    n, role, part = len(added), world[c.ROLE], world[c.PART]
    if role == c.DUET:
        full = {c.COMP: (-2.0, 0.5, 2.0, 2.0, 2.0), c.BASS_PART: (0.0, -1.0, -2.0, -3.0, -4.0)}
        columns["fullness"] = full.get(part, (0.0, -0.5, -1.0, -1.5, -2.0))[n]
    elif role == c.HARMONIZE:
        columns["fullness"] = (0.0, 1.0, 1.0, 0.3, 0.3)[n]
    elif strength(world, own[c.TICK]) < 2 and own[c.EVENT_TICKS] >= 12:
        columns["fullness"] = (-0.3, 0.3, 0.6, 0.9, 0.9)[n]
    else:
        columns["fullness"] = -0.5 * n
    root, bits = chord_under(own, scale)
    if root >= 0:
        columns["chord_fit"] = sum(0.3 if bits >> a % 12 & 1 else -1.0 for a in added)
    harsh = sum(abs(note - a) % 12 in HARSH for a in added)
    clash = sum(abs(other - a) % 12 in (1, 11) for a in added) if other >= 0 else 0
    columns["dissonance"] = -float(harsh + clash)
    if added and own[c.BASS] >= 0 and last >= 0:
        low, before = min(added), own[c.BASS]
        columns["voice_leading"] = -min(abs(scale.rungs[low] - scale.rungs[before]), 7) / 7
        outer, same_way = (note - low) % 12, (low - before) * (note - last) > 0
        if same_way and outer in (0, 7) and outer == (last - before) % 12:
            columns["parallels"] = -1.0
    if n > 1 and min(added) < 45:
        columns["mud"] = -1.0
    return columns


# ---- what can be reached --------------------------------------------------------------------------------------------
class Moment(NamedTuple):
    """An event decided at random, and the rows it was decided in (the walk's own: they change when it goes on)."""

    own: np.ndarray
    world: np.ndarray
    trace: np.ndarray
    ladder: np.ndarray
    rhythm: int
    melody: int
    note: int
    voicing: int


def walk(seed: int, role: int, n: int, metre: str = "", part: int = -1) -> Iterator[Moment]:
    """``n`` events at random through the kernels of the environment, in a metre and part of one's own if so wished,
    the knob *outside* and the side of the added notes turned now and then."""
    random = np.random.default_rng(seed)
    stage = Stage(style_of(counts()), seed)
    arrays = (stage.own, stage.world, stage.trace, stage.ladder, stage.style, stage.player, stage.rng)
    own, world, trace, ladder = arrays[:4]
    features = np.zeros(c.HEADS[c.MELODY].n_features, dtype=np.float32)
    mask = np.zeros(N_MELODY, dtype=np.uint8)
    over = True
    for _ in range(n):
        if over:
            stage.reset(role)
            if metre:
                _set_metre(stage, metre)
            if part >= 0:
                world[c.PART] = part
        if random.random() < 0.1:
            world[c.OUTSIDE], world[c.KEEP] = random.choice([0, 50, 100]), random.choice([-1, 1])
        voicing = int(random.integers(N_VOICINGS))
        if role == c.HARMONIZE:
            yield Moment(own, world, trace, ladder, 5, 7, int(stage.player[NOTE]), voicing)
            over = harmonize(*arrays, voicing, stage.columns)
            continue
        rhythm, melody, note = int(random.integers(N_RHYTHMS)), 7, -1
        if random.random() < 0.4 and own[c.HINT_RHYTHM] >= 0:
            rhythm = int(own[c.HINT_RHYTHM])
        c.choose_length(own, rhythm)
        if not RHYTHMS[rhythm].rest:
            melody_context(own, world, ladder, features, mask)
            melody = int(random.choice(np.flatnonzero(mask)))
            note = int(c.melody_note(ladder, c.start_note(own, world), melody))
        yield Moment(own, world, trace, ladder, rhythm, melody, note, voicing)
        over = act(*arrays, rhythm, melody, voicing, stage.columns)


def _set_metre(stage: Stage, text: str) -> None:
    """What ``reset`` has begun, begun anew in another metre."""
    metre, own, world = parse_metre(text), stage.own, stage.world
    bar = metre.bar_ticks
    world[[c.BAR_TICKS, c.UNIT, c.STRONG]] = bar, metre.unit_ticks, metre.strong_bits
    if world[c.ROLE] == c.HARMONIZE:
        return
    if world[c.ROLE] == c.ANSWER:
        stage.player[END_TICK] = 4 * bar
        c.begin_answer(own, stage.trace, stage.ladder, 2 * bar, 2 * bar, bar, stage.rng)
    else:
        stage.player[NEXT_TICK], stage.player[END_TICK] = bar, (1 + EPISODE_BARS) * bar
        c.begin_form(own, bar, 4 * bar, stage.rng)
    c.prepare(own, world, stage.trace, stage.ladder, stage.rng)
