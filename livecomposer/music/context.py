"""What is perceived: the state that the three heads decide in, advanced in place, and the kernels that read it.

``instrument.plan`` (behind ``Performance``) and ``music.env`` drive the same kernels on arrays that they own; nothing
here allocates. Two rows: ``own`` int64[N_OWN], the agent's line up to the event to come, copied when a plan is to be
taken back; ``world`` int64[N_WORLD], the settings and the player as of now, never taken back. A third array, ``trace``
int16[N_TRACE, TRACE_TICKS], remembers by tick what the agent and the player began when (the memory of motifs). All
kernels hold the GIL: about 1 µs a call (``livecomposer bench decide``), where giving it away can cost 5 ms.
"""

import numpy as np
from numba import njit

from livecomposer.music.actions import (
    APPROACHES,
    COUNT_AT,
    N_MELODY,
    NOTES_AT,
    RHYTHMS,
    SIZE_AT,
    STEPS,
    TONIC_AT,
    VOICINGS,
    HeadSpec,
)
from livecomposer.music.metre import Metre

# ---- columns of ``own`` ---------------------------------------------------------------------------------------------
LAST_NOTE = 0  # the agent's last note, -1 at the start of a phrase
LAST_STEP = 1  # scale steps that led to it, -7..7, NO_STEP at the start of a phrase
LAST_RHYTHM = 2  # the last rhythm action, len(RHYTHMS) at the start of a phrase
TICK = 3  # onset of the next event
EVENT_TICKS = 4  # how long it will last (known once the rhythm head has chosen)
PHRASE_TICK = 5  # where the phrase began
PHRASE_END = 6  # where its last note ends, NEVER if open
PHRASE_TICKS = 7  # from one phrase to the next, 0: this one is the only one
GOAL = 8  # degree on which the phrase is to end
SECTION = 9  # which of A A' B A the phrase is
A_TICK = 10  # where the first A of this round began
NEXT_BAR = 11  # where the next decision about the motif falls
LAG = 12  # the motif to take up was heard so many ticks ago, 0: none
SHIFT = 13  # it is transposed by so many scale steps
PIVOT = 14  # and inverted around this rung, -1: not inverted
VOICE = 15  # 0: the agent's own, 1: the player's
MOTIF_END = 16  # where the suggestions end
HINT_RHYTHM = 17  # the rhythm action that would follow the motif, -1: none
HINT_RUNG = 18  # the rung of the note that would follow the motif, -1: none
HIGHEST, LOWEST = 19, 20  # notes of the phrase so far, -1 before the first
LEAP_FROM, LEAP_DIR = 21, 22  # an unresolved leap (seven semitones or more): where from; 1 up, -1 down, 0 none
SAME = 23  # how often the last note was repeated
TARGET = 24  # the note that a chromatic approach must resolve to, -1: none
RHYTHM_RUN = 25  # how often the last rhythm was repeated
COUNT = 26  # notes of the phrase so far
CHORD_ROOT, CHORD_BITS = 27, 28  # the chord under the next event: pitch class (-1: none), bit i for pitch class i
NEXT_ROOT, NEXT_BITS, CHORD_END = 29, 30, 31  # the chord after it, and the tick at which it comes
VOICING, BASS = 32, 33  # the last voicing (len(VOICINGS): none) and its lowest note (-1)
GIVEN = 34  # 1: the chord comes from a chart or the player, 0: from the plan of the form
CHORDS_A, CHORDS_B = 35, 36  # which of PROGRESSIONS the sections of this round have
PHRASE = 37  # its number, from 1
N_OWN = 38

# ---- columns of ``world`` -------------------------------------------------------------------------------------------
BAR_TICKS, UNIT, STRONG = 0, 1, 2  # the metre: ticks in a bar, in a unit, a bit for each strong unit
LOW, HIGH = 3, 4  # the agent's register
ROLE, PART = 5, 6  # index in ROLES and PARTS
OUTSIDE = 7  # the knob, 0..100
SCALE_MASK = 8  # 1: notes outside the scale only by the knob
PLAYER_NOTE = 9  # the player's last note, -1 before the first
PLAYER_MOVE = 10  # the direction that led to it
PLAYER_TICK = 11  # when (NEVER_BEFORE: not yet)
PLAYER_HELD = 12  # keys the player holds
GRID_BAR, GRID, GRID_NOW = 13, 14, 15  # the bar the player last played in; bits by sixteenth: the bar before, this one
KEEP = 16  # harmonize: -1 adds below the key, 1 above it
N_WORLD = 17

ROLES = ("harmonize", "duet", "answer", "solo")
PARTS = ("line", "comp", "bass")
HARMONIZE, DUET, ANSWER, SOLO = range(4)
LINE, COMP, BASS_PART = range(3)

N_TRACE, TRACE_TICKS = 4, 4096  # (a power of two) rows: the agent's notes, their ticks, the player's notes, their ticks
_WRAP = TRACE_TICKS - 1
NOTHING, REST = -1, -2  # in the trace: nothing begins here, a rest begins here
NEVER, NEVER_BEFORE = 1 << 40, -(1 << 40)
NO_STEP = 8
SECTIONS = 4
A, A_VARIED, B, A_AGAIN = range(SECTIONS)
MOTIF_NOTES = 4  # a first bar of fewer is no motif to make a phrase of
FIFTH = 7  # semitones: a leap, in the definition of Jaques et al. (2017)

N_RHYTHM, N_VOICINGS, N_STEPS = len(RHYTHMS), len(VOICINGS), len(STEPS)
REGISTERS = 5  # that the melody head tells apart
PLACES = 5  # in the beat: on, half, other sixteenth, first and second triplet
N_RHYTHM_FEATURES, N_MELODY_FEATURES, N_HARMONY_FEATURES = 56, 64, 48
HEADS = (
    HeadSpec("rhythm", PLACES * 2 * (N_RHYTHM + 1), N_RHYTHM_FEATURES, N_RHYTHM),
    HeadSpec("melody", 3 * 6 * REGISTERS, N_MELODY_FEATURES, N_MELODY),
    HeadSpec("harmony", 12 * 3, N_HARMONY_FEATURES, N_VOICINGS),
)
RHYTHM, MELODY, HARMONY = range(3)

# ---- tables that the kernels read -----------------------------------------------------------------------------------
_TICKS = np.array([rhythm.ticks for rhythm in RHYTHMS], dtype=np.int64)
_RHYTHM_OF = np.full(49, -1, dtype=np.int64)  # by ticks: the longest length that fits
_REST_OF = np.full(49, -1, dtype=np.int64)
for _i, _r in enumerate(RHYTHMS):
    (_REST_OF if _r.rest else _RHYTHM_OF)[_r.ticks :] = _i
_DEGREE = np.array([0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6], dtype=np.int64)  # by semitones above the tonic
_PLACE = np.array([0, 2, 2, 2, 3, 2, 1, 2, 4, 2, 2, 2], dtype=np.int64)  # by ticks into the quarter
_TARGET = np.array([approach.target for approach in APPROACHES], dtype=np.int64)
_SEMITONES = np.array([approach.semitones for approach in APPROACHES], dtype=np.int64)
_BELOW = np.array([[*v.below, 0, 0, 0, 0][:4] for v in VOICINGS], dtype=np.int64)
# scale degrees of the chords under four bars of a solo
PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3), (0, 1, 4, 0), (5, 3, 0, 4), (0, 2, 3, 4), (3, 4, 0, 5))
_PROGRESSIONS = np.array(PROGRESSIONS, dtype=np.int64)
# by semitones: 0 unison or octave, 1 third, 2 sixth, 3 fifth, 4 fourth, 5 second, 6 seventh, 7 tritone
_INTERVAL = np.array([0, 5, 5, 1, 1, 4, 7, 3, 2, 2, 6, 6], dtype=np.int64)


def new_own() -> np.ndarray:
    """``own`` at the start of a phrase at tick 0, int64[N_OWN]."""
    own = np.zeros(N_OWN, dtype=np.int64)
    own[[LAST_NOTE, GOAL, PIVOT, HINT_RHYTHM, HINT_RUNG, HIGHEST, LOWEST, TARGET, CHORD_ROOT, NEXT_ROOT, BASS]] = -1
    own[[PHRASE_END, CHORD_END]] = NEVER
    own[LAST_STEP] = NO_STEP
    own[LAST_RHYTHM] = N_RHYTHM
    own[VOICING] = N_VOICINGS
    own[SECTION] = A_AGAIN  # the next is A
    own[EVENT_TICKS] = 12
    return own


def new_world(metre: Metre, low: int, high: int, role: str = "solo", part: str = "line") -> np.ndarray:
    """``world`` before anybody has played, int64[N_WORLD]."""
    world = np.zeros(N_WORLD, dtype=np.int64)
    world[[BAR_TICKS, UNIT, STRONG]] = metre.bar_ticks, metre.unit_ticks, metre.strong_bits
    world[[LOW, HIGH, ROLE, PART]] = low, high, ROLES.index(role), PARTS.index(part)
    world[SCALE_MASK] = 1
    world[[PLAYER_NOTE, GRID_BAR]] = -1
    world[PLAYER_TICK] = NEVER_BEFORE
    world[KEEP] = -1
    return world


def new_trace() -> np.ndarray:
    """An empty memory, int16[N_TRACE, TRACE_TICKS]."""
    return np.full((N_TRACE, TRACE_TICKS), NOTHING, dtype=np.int16)


# ---- small helpers (inlined where every action needs them: a call would cost more than they do) ----------------------
@njit("float64(uint64[::1])", cache=True)
def _uniform(rng):
    """splitmix64 (Steele, Lea & Flood 2014) to 0..1."""
    z = rng[0] + np.uint64(0x9E3779B97F4A7C15)
    rng[0] = z
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * 1.1102230246251565e-16


@njit("int64(int64[::1], int64)", cache=True)
def strength(world, tick):
    """0 on the bar line, 1 on another strong beat, 2 on another beat, 3 off the beat."""
    in_bar = tick % world[BAR_TICKS]
    if in_bar % world[UNIT] != 0:
        return 3
    if in_bar == 0:
        return 0
    return 1 if (world[STRONG] >> (in_bar // world[UNIT])) & 1 else 2


@njit("int64(int64[::1], int64[::1])", cache=True, inline="always")
def start_note(own, world):
    """What the next step is measured from: the last note; at the start of a phrase the player's, or the centre."""
    note = own[LAST_NOTE]
    if note < 0:
        low, high = world[LOW], world[HIGH]
        note = world[PLAYER_NOTE] if world[PLAYER_NOTE] >= 0 else (low + high) // 2
        while note > high:
            note -= 12
        while note < low:
            note += 12
    return note


@njit("int64(int64[::1], int64, int64)", cache=True, inline="always")
def melody_note(ladder, start, action):
    """The note that a melody action leads to from ``start``, -1 if there is none."""
    at = ladder[start]
    if action < N_STEPS:
        to = at + action - 7
        return ladder[NOTES_AT + to] if 0 <= to < ladder[COUNT_AT] else -1
    to = at + _TARGET[action - N_STEPS]
    if to < 0 or to >= ladder[COUNT_AT]:
        return -1
    note = ladder[NOTES_AT + to] + _SEMITONES[action - N_STEPS]
    if note < 0 or note > 127 or ladder[NOTES_AT + ladder[note]] == note:
        return -1  # in the scale: a step would do
    return note


@njit("int64(int64[::1], int64, int64, int64, int64)", cache=True, inline="always")
def voiced_note(ladder, note, action, i, direction):
    """The i-th note (0..3) that a voicing adds below (-1) or above (1) ``note``; -1 if there is none."""
    steps = _BELOW[action, i]
    to = ladder[note] + direction * steps
    if steps == 0 or to < 0 or to >= ladder[COUNT_AT]:
        return -1
    return ladder[NOTES_AT + to] if ladder[NOTES_AT + to] != note else -1


@njit("int64(int64[::1], int64)", cache=True, inline="always")
def degree_of(ladder, note):
    """Degree class 0..6 of any note (sharpened or flattened degrees count as the degree)."""
    return _DEGREE[(note - ladder[TONIC_AT]) % 12]


@njit("int64(int64[::1], int64)", cache=True)
def density(world, tick):
    """How busy the player has been since the bar before: 0 silent, 1 sparse, 2 a note a beat or so, 3 dense."""
    bar = tick // world[BAR_TICKS]
    bits = world[GRID] if bar <= world[GRID_BAR] + 1 else 0
    if bar == world[GRID_BAR] + 1:
        bits = world[GRID_NOW]
    elif bar > world[GRID_BAR] + 1:
        return 0
    n = 0
    while bits:
        bits &= bits - 1
        n += 1
    if n == 0:
        return 0
    quarters = world[BAR_TICKS] / 12.0
    return 1 if n <= 0.5 * quarters else (2 if n <= 1.3 * quarters else 3)


@njit("int64(int64[::1], int64, int64)", cache=True)
def expected_in(world, bar, tick):
    """1 if the player is expected to strike ``tick`` behind the beginning of ``bar``: they did so, a bar before."""
    if bar > world[GRID_BAR] + 2:
        return 0
    bits = world[GRID] if bar <= world[GRID_BAR] else world[GRID_NOW]
    return (bits >> (tick // 3)) & 1


@njit("int64(int64[::1], int64)", cache=True)
def expected(world, tick):
    """The same, ``tick`` being counted from the beginning of all."""
    bar = tick // world[BAR_TICKS]
    return expected_in(world, bar, tick - bar * world[BAR_TICKS])


@njit("int64(int64[::1], int64)", cache=True)
def sounding(world, tick):
    """The player's note that the agent's note at ``tick`` is heard against in a duet, -1 if none."""
    if world[ROLE] != DUET:
        return -1
    if world[PLAYER_HELD] > 0 or tick - world[PLAYER_TICK] < 2 * world[UNIT]:
        return world[PLAYER_NOTE]
    return -1


# ---- what changes it ------------------------------------------------------------------------------------------------
@njit("void(int64[::1], int64, int64)", cache=True)
def hear(world, tick, note):
    """The player strikes a key at ``tick`` (rounded): last note, direction, and where in the bar they play."""
    last = world[PLAYER_NOTE]
    world[PLAYER_MOVE] = 0 if last < 0 or last == note else (1 if note > last else -1)
    world[PLAYER_NOTE] = note
    world[PLAYER_TICK] = tick
    near = tick + 1  # a tick before a sixteenth is on it
    bar = near // world[BAR_TICKS]
    if bar != world[GRID_BAR]:
        world[GRID] = world[GRID_NOW] if bar == world[GRID_BAR] + 1 else 0
        world[GRID_NOW] = 0
        world[GRID_BAR] = bar
    world[GRID_NOW] |= 1 << min(near % world[BAR_TICKS] // 3, 62)


@njit("void(int64[::1], int64, int64, int64, int64)", cache=True)
def begin_phrase(own, tick, end, ticks, goal):
    """A phrase begins at ``tick``; its last note ends at ``end``; the next comes ``ticks`` later (0: none)."""
    own[PHRASE] += 1
    own[TICK] = own[PHRASE_TICK] = own[NEXT_BAR] = tick
    own[PHRASE_END] = end
    own[PHRASE_TICKS] = ticks
    own[GOAL] = goal
    own[LAST_NOTE] = own[HIGHEST] = own[LOWEST] = own[TARGET] = own[BASS] = -1
    own[LAST_STEP] = NO_STEP
    own[LAST_RHYTHM] = N_RHYTHM
    own[VOICING] = N_VOICINGS
    own[LEAP_DIR] = own[SAME] = own[RHYTHM_RUN] = own[COUNT] = own[LAG] = own[VOICE] = 0


@njit("void(int64[::1], int64, int64, int64, int64, int64)", cache=True)
def take_up(own, lag, shift, pivot, voice, end):
    """The motif of ``lag`` ticks ago is to come back until ``end``, transposed by ``shift`` steps or inverted."""
    own[LAG] = lag
    own[SHIFT] = shift
    own[PIVOT] = pivot
    own[VOICE] = voice
    own[MOTIF_END] = end


@njit("void(int64[::1], int64, int64, uint64[::1])", cache=True)
def begin_form(own, tick, ticks, rng):
    """A line that goes on begins at ``tick`` with its first A; phrases are ``ticks`` long."""
    begin_phrase(own, tick, tick + ticks, ticks, 4)
    own[SECTION] = A
    own[A_TICK] = tick
    own[CHORDS_A] = np.int64(_uniform(rng) * _PROGRESSIONS.shape[0])
    own[CHORDS_B] = np.int64(_uniform(rng) * _PROGRESSIONS.shape[0])


@njit("void(int64[::1], int16[:,::1], int64[::1], int64, int64, int64, uint64[::1])", cache=True)
def begin_answer(own, trace, ladder, tick, ticks, lag, rng):
    """A reply of ``ticks`` begins at ``tick``, closing on the tonic. It takes up the player's motif of ``lag`` ticks
    ago, mostly transposed, sometimes inverted, and leaves it for its close (lag 0: there is none)."""
    begin_phrase(own, tick, tick + ticks, 0, 0)
    own[NEXT_BAR] = NEVER
    if lag <= 0:
        return
    u, v = _uniform(rng), _uniform(rng)
    shift = int(v * 6.0) - 3
    if shift >= 0:
        shift += 1  # -3, -2, -1, 1, 2, 3
    first = trace[2, (tick - lag) & _WRAP]
    pivot = ladder[first] if u < 0.12 and first >= 0 else -1
    end = tick + ticks - max(12, ticks // 4)
    take_up(own, lag, 0 if pivot >= 0 else shift, pivot, 1, end)


# The form, bar by bar: A is made of a first bar and what becomes of it, A' and the last A bring A back but for the
# close, B is new. u is uniform in 0..1.
@njit("void(int64[::1], int64[::1], int16[:,::1], int64[::1], uint64[::1])", cache=True)
def _plan_bar(own, world, trace, ladder, rng):
    tick, bar_ticks = own[NEXT_BAR], world[BAR_TICKS]
    own[NEXT_BAR] = tick + bar_ticks
    bar = (tick - own[PHRASE_TICK]) // bar_ticks
    bars = (own[PHRASE_TICKS] + bar_ticks - 1) // bar_ticks
    u = _uniform(rng)
    v = _uniform(rng)
    shift = int(v * 4.0) - 2  # -2, -1, 0, 1
    if shift >= 0:
        shift += 1
    if own[SECTION] in (A_VARIED, A_AGAIN):
        if bar == 0:
            shift = 0 if own[SECTION] == A_AGAIN or u < 0.5 else shift
            end = own[PHRASE_TICK] + (bars - 1) * bar_ticks
            take_up(own, own[PHRASE_TICK] - own[A_TICK], shift, -1, 0, end)
        return
    own[LAG] = 0
    if bar == 0 or bar == bars - 1:
        return
    onsets = 0
    for i in range(bar_ticks):
        if trace[0, (own[PHRASE_TICK] + i) & _WRAP] >= 0:
            onsets += 1
    if onsets < MOTIF_NOTES:
        return
    first = trace[0, own[PHRASE_TICK] & _WRAP]
    if u < 0.08:
        take_up(own, bar_ticks * bar, 0, -1, 0, tick + bar_ticks)
    elif u < 0.65:
        take_up(own, bar_ticks * bar, shift * bar, -1, 0, tick + bar_ticks)
    elif u < 0.75 and first >= 0:
        take_up(own, bar_ticks * bar, 0, ladder[first], 0, tick + bar_ticks)


@njit("void(int64[::1], int64[::1], int64)", cache=True)
def stack_chord(own, ladder, rung):
    """Let the chord under the next event be the triad of scale notes on a rung."""
    root = ladder[NOTES_AT + rung]
    own[CHORD_ROOT] = root % 12
    own[CHORD_BITS] = 0
    for i in range(3):
        own[CHORD_BITS] |= 1 << (ladder[NOTES_AT + rung + 2 * i] % 12)


@njit("int64(int64[::1], int64[::1])", cache=True)
def chord_under(own, ladder):
    """The chord that voices keep to, ``root << 12 | bits``, -1 for none: the given one, or without one the tonic's
    triad under the last note of a phrase that closes on it."""
    if own[CHORD_ROOT] >= 0:
        return own[CHORD_ROOT] << 12 | own[CHORD_BITS]
    if ladder[SIZE_AT] != 7 or own[GOAL] != 0 or own[TICK] + own[EVENT_TICKS] < own[PHRASE_END]:
        return -1
    rung = ladder[60 + ladder[TONIC_AT]]
    bits = 0
    for i in range(3):
        bits |= 1 << (ladder[NOTES_AT + rung + 2 * i] % 12)
    return ladder[TONIC_AT] << 12 | bits


@njit("void(int64[::1], int64[::1], int64[::1])", cache=True)
def _imply_chord(own, world, ladder):
    """Without a given chord a solo in seven notes has one a bar, by the plan of its form."""
    own[CHORD_ROOT] = -1
    if world[ROLE] != SOLO or own[PHRASE_TICKS] <= 0 or ladder[SIZE_AT] != 7:
        return
    bar = (own[TICK] - own[PHRASE_TICK]) // world[BAR_TICKS]
    chords = own[CHORDS_B] if own[SECTION] == B else own[CHORDS_A]
    degree = _PROGRESSIONS[chords, bar % 4]
    if own[GOAL] == 0 and bar == (own[PHRASE_TICKS] - 1) // world[BAR_TICKS]:
        degree = 0
    stack_chord(own, ladder, ladder[60 + ladder[TONIC_AT]] + degree)


@njit("void(int64[::1], int16[:,::1], int64[::1])", cache=True)
def _look_up(own, trace, ladder):
    """What would follow the motif here, into HINT_RHYTHM and HINT_RUNG."""
    own[HINT_RHYTHM] = own[HINT_RUNG] = -1
    tick = own[TICK]
    if own[LAG] <= 0 or own[LAG] >= TRACE_TICKS - 64 or tick >= own[MOTIF_END]:
        return
    row = 2 * own[VOICE]
    source = (tick - own[LAG]) & _WRAP
    note = trace[row, source]
    if note == NOTHING:  # between two onsets: wait for the next
        for ahead in range(1, 49):
            if trace[row, (source + ahead) & _WRAP] != NOTHING:
                own[HINT_RHYTHM] = _REST_OF[ahead] if own[COUNT] > 0 and ahead >= 6 else _RHYTHM_OF[ahead]
                return
        return
    ticks = min(trace[row + 1, source], 48)
    if note == REST:
        own[HINT_RHYTHM] = _REST_OF[ticks]
        return
    own[HINT_RHYTHM] = _RHYTHM_OF[ticks]
    rung = ladder[note]
    rung = rung + own[SHIFT] if own[PIVOT] < 0 else 2 * own[PIVOT] - rung
    if 0 <= rung < ladder[COUNT_AT]:
        own[HINT_RUNG] = rung


@njit("void(int64[::1], int64[::1], int16[:,::1], int64[::1], int64, int64, int64)", cache=True)
def come_back(own, world, trace, ladder, source, at, shift):
    """In the bar at ``at`` the agent's bar at ``source`` is what the motif suggests, transposed by ``shift`` steps;
    behind it an A goes on with what it had. To be called behind ``prepare``."""
    tick, bar_ticks = own[TICK], world[BAR_TICKS]
    if at <= tick < at + bar_ticks:
        take_up(own, at - source, shift, -1, 0, at + bar_ticks)
    elif tick >= at + bar_ticks and own[LAG] == at - source and own[MOTIF_END] == at + bar_ticks:
        again = own[PHRASE_TICKS] > 0 and (own[SECTION] == A_VARIED or own[SECTION] == A_AGAIN)
        bars = (own[PHRASE_TICKS] + bar_ticks - 1) // bar_ticks
        lag = own[PHRASE_TICK] - own[A_TICK] if again else 0
        take_up(own, lag, 0, -1, 0, own[PHRASE_TICK] + (bars - 1) * bar_ticks)
    else:
        return
    _look_up(own, trace, ladder)


@njit("int64(int64[::1], int64[::1], int16[:,::1], int64[::1], uint64[::1])", cache=True)
def prepare(own, world, trace, ladder, rng):
    """Before an event is decided: a new phrase or bar of the plan if one begins, and what the motif suggests.

    Phrases of a line that goes on breathe: no event begins in their last beat. Returns 1 if a phrase has begun.
    """
    begun = 0
    if own[PHRASE_TICKS] > 0:
        while own[TICK] >= own[PHRASE_TICK] + own[PHRASE_TICKS] - 12:
            tick = own[PHRASE_TICK] + own[PHRASE_TICKS]
            section = (own[SECTION] + 1) % SECTIONS
            if section == A:
                own[A_TICK] = tick
                own[CHORDS_A] = np.int64(_uniform(rng) * _PROGRESSIONS.shape[0])
                own[CHORDS_B] = np.int64(_uniform(rng) * _PROGRESSIONS.shape[0])
            own[SECTION] = section
            goal = 0 if section in (A_VARIED, A_AGAIN) else 4
            begin_phrase(own, tick, tick + own[PHRASE_TICKS], own[PHRASE_TICKS], goal)
            begun = 1
        while own[TICK] >= own[NEXT_BAR]:
            _plan_bar(own, world, trace, ladder, rng)
    if own[GIVEN] == 0:
        _imply_chord(own, world, ladder)
    _look_up(own, trace, ladder)
    return begun


@njit("int64(int64[::1], int64)", cache=True)
def choose_length(own, rhythm):
    """The rhythm head has chosen: how many ticks the event lasts, at most to the end of the phrase (into ``own``)."""
    ticks = max(min(_TICKS[rhythm], own[PHRASE_END] - own[TICK]), 1)
    own[EVENT_TICKS] = ticks
    return ticks


@njit("void(int16[:,::1], int64, int64, int64, int64)", cache=True)
def remember(trace, voice, tick, ticks, note):
    """Write into the memory what begins at ``tick``: a note, or REST."""
    row = 2 * voice
    for i in range(ticks):
        trace[row, (tick + i) & _WRAP] = NOTHING
    trace[row, tick & _WRAP] = note
    trace[row + 1, tick & _WRAP] = ticks


@njit("void(int64[::1], int64[::1], int16[:,::1], int64[::1], int64, int64, int64, int64, int64)", cache=True)
def advance(own, world, trace, ladder, rhythm, ticks, note, melody, voicing):
    """The state after one event: the next onset is ``ticks`` later; a rest (note -1) keeps the note."""
    tick = own[TICK]
    remember(trace, 0, tick, ticks, note if note >= 0 else REST)
    own[RHYTHM_RUN] = own[RHYTHM_RUN] + 1 if rhythm == own[LAST_RHYTHM] else 0
    own[LAST_RHYTHM] = rhythm
    own[TICK] = tick + ticks
    if note < 0:
        return
    last = own[LAST_NOTE]
    if last >= 0:
        interval = note - last
        step = ladder[note] - ladder[last]
        own[LAST_STEP] = min(max(step, -7), 7)
        own[SAME] = own[SAME] + 1 if interval == 0 else 0
        if abs(interval) >= FIFTH:
            if own[LEAP_DIR] == 0:
                own[LEAP_DIR] = 1 if interval > 0 else -1
                own[LEAP_FROM] = last
            else:
                own[LEAP_DIR] = 0
        elif (own[LEAP_DIR] == 1 and note <= own[LEAP_FROM]) or (own[LEAP_DIR] == -1 and note >= own[LEAP_FROM]):
            own[LEAP_DIR] = 0
    own[TARGET] = -1
    if melody >= N_STEPS:
        own[TARGET] = note - _SEMITONES[melody - N_STEPS]
    own[LAST_NOTE] = note
    own[COUNT] += 1
    own[HIGHEST] = max(own[HIGHEST], note)
    own[LOWEST] = note if own[LOWEST] < 0 else min(own[LOWEST], note)
    bass = -1
    for i in range(4):
        added = voiced_note(ladder, note, voicing, i, world[KEEP])
        if added >= 0 and (bass < 0 or added < bass):
            bass = added
    own[VOICING] = voicing
    own[BASS] = bass
