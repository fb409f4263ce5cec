"""The context kernels on situations made by hand, with exact values, and against their plain twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.music import context as c
from livecomposer.music.actions import NOTES_AT, RHYTHMS, STEPS, VOICINGS, Ladder
from livecomposer.music.metre import parse_metre
from livecomposer.music.theory import SCALES
from tests.music import naive

C_MAJOR = Ladder(0, SCALES["major"]).row
NAMES = {rhythm.name: i for i, rhythm in enumerate(RHYTHMS)}
EIGHTH, QUARTER, HALF, REST = (NAMES[name] for name in ("1/8", "1/4", "1/2", "1/4 rest"))
SINGLE, TRIAD = 0, 5
BAR = 48  # of 4/4
SAME, UP, DOWN = (STEPS.index(step) for step in (0, 1, -1))


def world_of(metre="4/4", role="solo", low=48, high=84, part="line"):
    return c.new_world(parse_metre(metre), low, high, role, part)


def rng(seed=1):
    return np.array([seed], dtype=np.uint64)


class Scene:
    """The rows of one line in C major, and what to do with them."""

    def __init__(self, role="solo", metre="4/4", seed=1):
        self.own, self.world, self.trace = c.new_own(), world_of(metre, role), c.new_trace()
        self.rng = rng(seed)

    def prepare(self):
        return c.prepare(self.own, self.world, self.trace, C_MAJOR, self.rng)

    def play(self, *events):
        """Events as (rhythm, note), rests with note -1, without asking the plan in between."""
        for rhythm, note in events:
            ticks = c.choose_length(self.own, rhythm)
            c.advance(self.own, self.world, self.trace, C_MAJOR, rhythm, ticks, note, SAME, SINGLE)

    def get(self, *columns):
        return [int(self.own[column]) for column in columns]


# ---- metre ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("metre", "unit", "beats"),
    [
        ("4/4", 12, [0, 2, 1, 2]),
        ("3/4", 12, [0, 2, 2]),
        ("6/8", 6, [0, 2, 2, 1, 2, 2]),
        ("5/4", 12, [0, 2, 2, 1, 2]),
        ("7/8", 6, [0, 2, 1, 2, 1, 2, 2]),
    ],
)
def test_strength(metre, unit, beats):
    """Beat by beat, the same in the fourth bar, and 3 everywhere between beats."""
    world, bar = world_of(metre), unit * len(beats)
    for first in (0, 3 * bar):
        found = [c.strength(world, first + tick) for tick in range(bar)]
        assert found == [beats[tick // unit] if tick % unit == 0 else 3 for tick in range(bar)]


# ---- the player's grid ----------------------------------------------------------------------------------------------
def grid(world):
    return [int(world[i]) for i in (c.GRID_BAR, c.GRID, c.GRID_NOW)]


def test_hear_writes_sixteenths_of_this_bar_and_the_one_before():
    world, found = world_of(), []
    for tick in (0, 5, 12, BAR + 24, BAR + 24, 3 * BAR + 45):
        c.hear(world, tick, 60)
        found.append(grid(world))
    assert found == [
        [0, 0, 0b1], [0, 0, 0b101], [0, 0, 0b10101],  # tick 5 is nearest to the third sixteenth
        [1, 0b10101, 1 << 8], [1, 0b10101, 1 << 8],
        [3, 0, 1 << 15],  # a bar of silence between them
    ]  # fmt: skip


def test_a_key_just_before_the_bar_line_is_the_next_bars_first():
    world = world_of()
    c.hear(world, BAR - 1, 60)
    assert grid(world) == [1, 0, 0b1]
    assert [c.expected(world, tick) for tick in (2 * BAR, 2 * BAR + 3)] == [1, 0]


def test_hear_takes_the_note_and_where_it_came_from():
    world, found = world_of(), []
    for tick, note in ((0, 60), (12, 64), (24, 64), (36, 59)):
        c.hear(world, tick, note)
        found.append([int(world[i]) for i in (c.PLAYER_NOTE, c.PLAYER_MOVE, c.PLAYER_TICK)])
    assert found == [[60, 0, 0], [64, 1, 12], [64, 0, 24], [59, -1, 36]]


def played(ticks, metre="4/4"):
    world = world_of(metre)
    for tick in ticks:
        c.hear(world, tick, 60)
    return world


@pytest.mark.parametrize(
    ("metre", "sixteenths", "busy"),
    [
        ("4/4", 0, 0), ("4/4", 1, 1), ("4/4", 2, 1), ("4/4", 3, 2), ("4/4", 5, 2), ("4/4", 6, 3), ("4/4", 16, 3),
        ("3/4", 1, 1), ("3/4", 2, 2), ("3/4", 3, 2), ("3/4", 4, 3), ("6/8", 2, 2), ("7/8", 4, 2), ("7/8", 5, 3),
    ],
)  # fmt: skip
def test_density_counts_the_notes_of_the_bar_before(metre, sixteenths, busy):
    """Up to a note every other beat is sparse, up to 1.3 a beat is a note a beat."""
    world = played((3 * i for i in range(sixteenths)), metre)
    bar = int(world[c.BAR_TICKS])
    assert [c.density(world, tick) for tick in (bar, 2 * bar - 1)] == [busy, busy]


def test_density_before_during_and_long_after():
    """In the bar being played the one before it counts; two bars later nothing does."""
    world = played([*range(0, BAR, 6), BAR])
    assert [c.density(world, bar * BAR) for bar in range(5)] == [3, 3, 1, 0, 0]


def test_expected_where_the_player_struck_a_bar_before():
    world = played([0, 12, 30, BAR + 6])
    bars = [[tick for tick in range(BAR) if c.expected(world, bar * BAR + tick)] for bar in range(5)]
    first, second = [0, 1, 2, 12, 13, 14, 30, 31, 32], [6, 7, 8]
    assert bars == [first, first, second, second, []]


def test_nothing_is_expected_of_nobody():
    world = world_of()
    assert {(c.density(world, tick), c.expected(world, tick)) for tick in range(3 * BAR)} == {(0, 0)}


@given(st.lists(st.integers(0, 5 * BAR), max_size=12), st.sampled_from(["4/4", "3/4", "6/8", "5/4", "7/8"]))
def test_density_and_expected_are_their_twins(ticks, metre):
    world = played(sorted(ticks), metre)
    for tick in range(0, 8 * BAR, 3):
        assert c.density(world, tick) == naive.density(world.tolist(), tick)
        assert c.expected(world, tick) == naive.expected(world.tolist(), tick)


@pytest.mark.parametrize(("role", "note"), [("solo", -1), ("answer", -1), ("harmonize", -1), ("duet", 67)])
def test_sounding_in_a_duet_only(role, note):
    """While a key is down, and for two beats after it was struck."""
    world = world_of(role=role)
    c.hear(world, 10, 67)
    found = [c.sounding(world, tick) for tick in (10, 33, 34, 400)]
    world[c.PLAYER_HELD] = 1
    assert [*found, c.sounding(world, 400)] == [note, note, -1, -1, note]


# ---- notes ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("last", "player", "start"),
    [(70, 60, 70), (-1, -1, 66), (-1, 60, 60), (-1, 90, 78), (-1, 96, 84), (-1, 30, 54), (-1, 36, 48), (-1, 47, 59)],
)
def test_start_note(last, player, start):
    """The agent's own last note; else the player's, moved into 48..84 by octaves; else the centre."""
    own, world = c.new_own(), world_of()
    own[c.LAST_NOTE], world[c.PLAYER_NOTE] = last, player
    assert c.start_note(own, world) == start


def test_steps_from_g():
    found = [c.melody_note(C_MAJOR, 67, action) for action in range(15)]
    assert found == [55, 57, 59, 60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79]


@pytest.mark.parametrize(
    ("start", "notes"),
    [
        (60, [61, -1, 63, 58]),  # C# to D; (C is in the scale); Eb to E; Bb to A
        (62, [63, 61, -1, -1]),
        (64, [-1, 63, 66, 61]),
        (67, [68, 66, 70, -1]),
    ],
)
def test_chromatic_approaches(start, notes):
    """Below the next step, above the last step, below the third above, above the third below; -1 is in the scale."""
    assert [c.melody_note(C_MAJOR, start, action) for action in range(15, 19)] == notes


def test_steps_end_with_the_keyboard():
    assert [c.melody_note(C_MAJOR, 2, action) for action in range(5, 9)] == [-1, 0, 2, 4]
    assert [c.melody_note(C_MAJOR, 125, action) for action in range(7, 10)] == [125, 127, -1]
    assert c.melody_note(Ladder(11, SCALES["major"]).row, 0, 16) == -1  # there is no step below


ladders = st.builds(Ladder, st.integers(0, 11), st.sampled_from([*SCALES.values(), (0,), (0, 1)]))


@given(ladders, st.integers(0, 127), st.integers(0, 18))
def test_melody_notes_are_their_twins(ladder, start, action):
    assert c.melody_note(ladder.row, start, action) == naive.melody_note(naive.scale_of(ladder.row), start, action)


def test_voiced_notes():
    """A triad under and over G; a seventh that runs off the keyboard; nothing under the lowest note."""

    def voiced(note, voicing, direction):
        return [c.voiced_note(C_MAJOR, note, voicing, i, direction) for i in range(4)]

    assert voiced(67, TRIAD, -1) == [64, 60, -1, -1]
    assert voiced(67, TRIAD, 1) == [71, 74, -1, -1]
    assert voiced(7, 9, -1) == [4, 0, -1, -1]
    assert voiced(0, TRIAD, -1) == [-1] * 4
    assert voiced(67, SINGLE, -1) == [-1] * 4


@given(ladders, st.integers(0, 127), st.integers(0, len(VOICINGS) - 1), st.booleans())
def test_voiced_notes_are_the_ladders(ladder, note, action, below):
    found = [c.voiced_note(ladder.row, note, action, i, -1 if below else 1) for i in range(4)]
    assert tuple(n for n in found if n >= 0) == ladder.voicing(action, note, below)


def test_degrees_of_a_flat_major():
    """Sharpened and flattened degrees count as the degree."""
    row = Ladder(8, SCALES["major"]).row
    assert [c.degree_of(row, 56 + i) for i in range(12)] == [0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6]


# ---- new rows -------------------------------------------------------------------------------------------------------
def test_new_rows():
    own, world, trace = c.new_own(), world_of("6/8", "duet", 40, 64, "bass"), c.new_trace()
    assert (own.shape, world.shape, trace.shape) == ((c.N_OWN,), (c.N_WORLD,), (4, 4096))
    minus = [c.LAST_NOTE, c.GOAL, c.PIVOT, c.HINT_RHYTHM, c.HINT_RUNG, c.HIGHEST, c.LOWEST, c.TARGET, c.CHORD_ROOT,
             c.NEXT_ROOT, c.BASS]  # fmt: skip
    others = {c.LAST_STEP: 8, c.LAST_RHYTHM: 14, c.PHRASE_END: c.NEVER, c.CHORD_END: c.NEVER, c.VOICING: 14,
              c.SECTION: 3, c.EVENT_TICKS: 12}  # fmt: skip
    assert {i: int(x) for i, x in enumerate(own) if x} == dict.fromkeys(minus, -1) | others
    assert {i: int(x) for i, x in enumerate(world) if x} == {
        c.BAR_TICKS: 36, c.UNIT: 6, c.STRONG: 0b1001, c.LOW: 40, c.HIGH: 64, c.ROLE: 1, c.PART: 2, c.SCALE_MASK: 1,
        c.PLAYER_NOTE: -1, c.PLAYER_TICK: c.NEVER_BEFORE, c.GRID_BAR: -1, c.KEEP: -1,
    }  # fmt: skip
    assert np.unique(trace).tolist() == [c.NOTHING]


# ---- phrases --------------------------------------------------------------------------------------------------------
def test_begin_phrase():
    """Place and goal of the phrase are set, and what was heard in the one before is forgotten."""
    own = np.arange(1000, 1000 + c.N_OWN, dtype=np.int64)
    c.begin_phrase(own, 96, 240, 192, 4)
    changed = {i: int(x) for i, x in enumerate(own) if x != 1000 + i}
    assert changed == {
        c.PHRASE: 1000 + c.PHRASE + 1, c.TICK: 96, c.PHRASE_TICK: 96, c.NEXT_BAR: 96, c.PHRASE_END: 240,
        c.PHRASE_TICKS: 192, c.GOAL: 4, c.LAST_NOTE: -1, c.HIGHEST: -1, c.LOWEST: -1, c.TARGET: -1, c.BASS: -1,
        c.LAST_STEP: 8, c.LAST_RHYTHM: 14, c.VOICING: 14, c.LEAP_DIR: 0, c.SAME: 0, c.RHYTHM_RUN: 0, c.COUNT: 0,
        c.LAG: 0, c.VOICE: 0,
    }  # fmt: skip


def test_begin_form_starts_with_a_and_draws_its_chords():
    chords = set()
    for seed in range(500):
        own = c.new_own()
        c.begin_form(own, 48, 192, rng(seed))
        assert own[[c.SECTION, c.A_TICK, c.TICK, c.PHRASE_END, c.PHRASE_TICKS, c.GOAL]].tolist() == [
            c.A, 48, 48, 240, 192, 4,
        ]  # fmt: skip
        chords.add(tuple(own[[c.CHORDS_A, c.CHORDS_B]].tolist()))
    assert chords == {(a, b) for a in range(7) for b in range(7)}


def answers(first=64, lag=96, ticks=96):
    """What 400 replies at tick 192 take up of a motif that began with ``first``."""
    found = []
    for seed in range(400):
        own, trace = c.new_own(), c.new_trace()
        c.remember(trace, 1, 192 - lag, 12, first)
        c.begin_answer(own, trace, C_MAJOR, 192, ticks, lag, rng(seed))
        found.append(own)
    return found


def test_begin_answer_takes_up_the_players_motif():
    """Transposed by 1 to 3 steps up or down, or inverted around its first note; its last quarter is left free."""
    found = answers()
    rung = C_MAJOR[64]
    assert {tuple(own[[c.LAG, c.VOICE, c.MOTIF_END]].tolist()) for own in found} == {(96, 1, 192 + 96 - 24)}
    kinds = [tuple(own[[c.SHIFT, c.PIVOT]].tolist()) for own in found]
    assert set(kinds) == {(0, rung), *((shift, -1) for shift in (-3, -2, -1, 1, 2, 3))}
    assert 0.06 < kinds.count((0, rung)) / 400 < 0.18


def test_begin_answer_is_one_phrase_that_closes_on_the_tonic():
    columns = (c.TICK, c.PHRASE_TICK, c.PHRASE_END, c.PHRASE_TICKS, c.GOAL, c.NEXT_BAR, c.PHRASE)
    assert {tuple(own[list(columns)].tolist()) for own in answers()} == {(192, 192, 288, 0, 0, c.NEVER, 1)}


def test_a_short_answer_leaves_a_quarter_free():
    assert {int(own[c.MOTIF_END]) for own in answers(ticks=36)} == {192 + 36 - 12}


def test_a_motif_that_begins_with_a_rest_is_not_inverted():
    assert {int(own[c.PIVOT]) for own in answers(first=c.REST)} == {-1}


def test_an_answer_to_nothing_takes_up_nothing():
    own, state = c.new_own(), rng(5)
    c.begin_answer(own, c.new_trace(), C_MAJOR, 192, 96, 0, state)
    assert (int(own[c.LAG]), int(state[0])) == (0, 5)


def test_take_up():
    own = c.new_own()
    c.take_up(own, 96, -2, 30, 1, 500)
    columns = [c.LAG, c.SHIFT, c.PIVOT, c.VOICE, c.MOTIF_END]
    assert own[columns].tolist() == [96, -2, 30, 1, 500]
    own[columns] = c.new_own()[columns]
    np.testing.assert_array_equal(own, c.new_own())


# ---- the form -------------------------------------------------------------------------------------------------------
def test_phrases_of_a_round_and_their_goals():
    """A ends on the fifth degree, A' on the tonic, B on the fifth, the last A on the tonic; then a new round."""
    s = Scene()
    c.begin_form(s.own, 48, 192, s.rng)
    found = []
    for _ in range(5):
        assert s.prepare() == 0
        found.append(s.get(c.SECTION, c.GOAL, c.PHRASE_TICK, c.PHRASE_END, c.A_TICK, c.PHRASE, c.TICK))
        s.own[c.TICK] += 192 - 13
        assert s.prepare() == 0  # more than a beat is left
        s.own[c.TICK] += 1
        assert s.prepare() == 1
    assert found == [
        [c.A, 4, 48, 240, 48, 1, 48],
        [c.A_VARIED, 0, 240, 432, 48, 2, 240],
        [c.B, 4, 432, 624, 48, 3, 432],
        [c.A_AGAIN, 0, 624, 816, 48, 4, 624],
        [c.A, 4, 816, 1008, 816, 5, 816],
    ]


def test_prepare_passes_over_phrases_that_were_missed():
    s = Scene()
    c.begin_form(s.own, 48, 192, s.rng)
    s.own[c.TICK] = 48 + 2 * 192 + 30
    assert s.prepare() == 1
    assert s.get(c.SECTION, c.TICK) == [c.A_VARIED, 240]


def test_preparing_twice_changes_nothing():
    for moment in naive.walk(3, c.SOLO, 300):
        own, state = moment.own.copy(), rng()
        assert c.prepare(own, moment.world, moment.trace, moment.ladder, state) == 0
        np.testing.assert_array_equal(own, moment.own)
        assert state == rng()


MOTIF = ((EIGHTH, 60), (EIGHTH, 64), (QUARTER, 67), (REST, -1), (QUARTER, 65))  # a bar


def bars_of(section, seeds=range(600), motif=MOTIF):
    """What the plan takes up in each bar of a section whose first bar is ``motif``: lists of columns by bar."""
    found = []
    for seed in seeds:
        s = Scene(seed=seed)
        c.begin_form(s.own, 48, 192, s.rng)
        s.prepare()
        s.play(*motif)
        if section != c.A:
            s.own[[c.TICK, c.SECTION]] = 48 + 180, section - 1
            s.prepare()
        if section == c.B:
            s.play(*motif)
        bars = []
        for bar in range(4):
            s.own[c.TICK] = int(s.own[c.PHRASE_TICK]) + bar * BAR
            s.prepare()
            bars.append(tuple(s.get(c.LAG, c.SHIFT, c.PIVOT, c.MOTIF_END)) if s.own[c.LAG] else None)
        found.append(bars)
    return found


def test_a_is_made_of_its_first_bar():
    """The first and the last bar are free; in the others the first comes back: as it was, in sequence, inverted, or
    not at all."""
    found = bars_of(c.A)
    rung = int(C_MAJOR[60])
    assert {(bars[0], bars[3]) for bars in found} == {(None, None)}
    for bar in (1, 2):
        lag, end = BAR * bar, 48 + BAR * (bar + 1)
        literal, inverted = (lag, 0, -1, end), (lag, 0, rung, end)
        sequences = [(lag, shift * bar, -1, end) for shift in (-2, -1, 1, 2)]
        kinds = [bars[bar] for bars in found]
        assert set(kinds) == {None, literal, inverted, *sequences}
        shares = [kinds.count(None), kinds.count(literal), sum(map(kinds.count, sequences)), kinds.count(inverted)]
        assert [abs(n / 600 - p) < 0.06 for n, p in zip(shares, (0.25, 0.08, 0.57, 0.10), strict=True)] == [True] * 4


def test_a_varied_brings_a_back_up_to_its_last_bar():
    """Half of the time as it was, else one or two steps higher or lower."""
    found = bars_of(c.A_VARIED)
    firsts = [bars[0] for bars in found]
    assert [bars[1:] for bars in found] == [[first] * 3 for first in firsts]
    assert set(firsts) == {(192, shift, -1, 240 + 3 * BAR) for shift in (-2, -1, 0, 1, 2)}
    assert 0.44 < firsts.count((192, 0, -1, 240 + 3 * BAR)) / 600 < 0.56


def test_the_last_a_is_as_the_first():
    assert [bars[0] for bars in bars_of(c.A_AGAIN, range(50))] == [(192, 0, -1, 240 + 3 * BAR)] * 50


def test_b_is_new_and_then_made_of_itself():
    found = bars_of(c.B)
    assert {(bars[0], bars[3]) for bars in found} == {(None, None)}
    assert {bars[1][:2] for bars in found if bars[1]} == {(BAR, shift) for shift in (-2, -1, 0, 1, 2)}


def test_a_bar_of_three_notes_is_no_motif_to_make_a_phrase_of():
    assert len([note for _, note in MOTIF if note >= 0]) == c.MOTIF_NOTES
    assert bars_of(c.A, range(50), MOTIF[:3]) == [[None] * 4] * 50


# ---- what the motif suggests ----------------------------------------------------------------------------------------
def hints(s, ticks):
    """(rhythm's name, note) that would follow at each tick."""
    found = []
    for tick in ticks:
        s.own[c.TICK] = tick
        s.prepare()
        rhythm, rung = s.get(c.HINT_RHYTHM, c.HINT_RUNG)
        found.append((RHYTHMS[rhythm].name if rhythm >= 0 else "", int(C_MAJOR[NOTES_AT + rung]) if rung >= 0 else -1))
    return found


def remembering(shift, pivot):
    """A bar of ``MOTIF`` at tick 48, taken up a bar later."""
    s = Scene("duet")
    c.begin_phrase(s.own, 48, c.NEVER, 0, 0)
    s.play(*MOTIF)
    c.take_up(s.own, BAR, shift, pivot, 0, 48 + 2 * BAR)
    return s


@pytest.mark.parametrize(
    ("shift", "pivot", "notes"),
    [(0, -1, [60, 64, 67, 65]), (2, -1, [64, 67, 71, 69]), (-1, -1, [59, 62, 65, 64]), (0, 60, [60, 57, 53, 55])],
    ids=["literal", "two steps up", "a step down", "inverted"],
)
def test_hints_of_a_motif(shift, pivot, notes):
    s = remembering(shift, int(C_MAJOR[pivot]) if pivot >= 0 else -1)
    found = hints(s, (96, 102, 108, 120, 132))
    a, b, c_, d = notes
    assert found == [("1/8", a), ("1/8", b), ("1/4", c_), ("1/4 rest", -1), ("1/4", d)]


def test_between_two_onsets_of_the_motif_its_next_is_waited_for():
    """Less than an eighth by a note, more by a rest (the first note of a phrase is not waited for)."""
    s = remembering(0, -1)
    ticks = (111, 114, 117, 119)
    assert hints(s, ticks) == [("1/8 rest", -1), ("1/8 rest", -1), ("1/16", -1), ("", -1)]
    s.own[c.COUNT] = 0
    assert hints(s, ticks) == [("1/8 dotted", -1), ("1/8", -1), ("1/16", -1), ("", -1)]


def test_suggestions_end_with_the_motif():
    s = remembering(0, -1)
    assert hints(s, (143, 144))[1] == ("", -1)
    s.own[c.MOTIF_END] = c.NEVER
    s.own[c.LAG] = 0
    assert hints(s, (96,)) == [("", -1)]


def test_the_players_motif_is_another_voice():
    s = remembering(0, -1)
    c.remember(s.trace, 1, 48, 24, 72)
    c.take_up(s.own, BAR, -2, -1, 1, c.NEVER)
    assert hints(s, (96, 97)) == [("1/2", 69), ("", -1)]


def test_a_motif_longer_ago_than_the_memory_suggests_nothing():
    s = remembering(0, -1)
    for lag, expected in ((c.TRACE_TICKS - 65, ("1/8", 60)), (c.TRACE_TICKS - 64, ("", -1))):
        c.take_up(s.own, lag, 0, -1, 0, c.NEVER)
        assert hints(s, (48 + lag,)) == [expected]


def test_rungs_off_the_keyboard_are_not_suggested():
    s = remembering(60, -1)
    assert hints(s, (96,)) == [("1/8", -1)]


def test_odd_lengths_are_suggested_as_the_longest_that_fits():
    s = Scene("duet")
    c.begin_phrase(s.own, 0, c.NEVER, 0, 0)
    for tick, ticks in ((0, 5), (10, 11), (30, 47), (90, 60), (200, 2)):
        c.remember(s.trace, 1, tick, ticks, 60)
    c.take_up(s.own, 480, 0, -1, 1, c.NEVER)
    found = hints(s, (480, 490, 510, 570, 680))
    assert [name for name, _ in found] == ["1/8 triplet", "1/8 dotted", "1/2 dotted", "1/1", ""]


# ---- chords of a solo -----------------------------------------------------------------------------------------------
def chords_of(section, goal, a=1, b=3, row=C_MAJOR, role="solo", metre="4/4"):
    """(root, pitch classes) in each bar of a phrase of four."""
    own, world, trace = c.new_own(), world_of(metre, role), c.new_trace()
    bar, found = int(world[c.BAR_TICKS]), []
    c.begin_phrase(own, 2 * bar, 6 * bar, 4 * bar, goal)
    own[[c.SECTION, c.CHORDS_A, c.CHORDS_B]] = section, a, b
    for i in range(4):
        own[c.TICK] = (2 + i) * bar + 3
        c.prepare(own, world, trace, row, rng())
        classes = [j for j in range(12) if own[c.CHORD_BITS] >> j & 1]
        found.append((int(own[c.CHORD_ROOT]), classes) if own[c.CHORD_ROOT] >= 0 else None)
    return found


C, D, F, G, AM = (0, [0, 4, 7]), (2, [2, 5, 9]), (5, [0, 5, 9]), (7, [2, 7, 11]), (9, [0, 4, 9])


@pytest.mark.parametrize("metre", ["4/4", "3/4", "7/8"])
def test_chords_of_a_solo_follow_the_plan(metre):
    """I vi IV V for A, I ii V I for B; the last bar of a phrase that closes has the tonic."""
    assert c.PROGRESSIONS[1] == (0, 5, 3, 4)
    assert c.PROGRESSIONS[3] == (0, 1, 4, 0)
    assert chords_of(c.A, 4, metre=metre) == [C, AM, F, G]
    assert chords_of(c.A_VARIED, 0, metre=metre) == [C, AM, F, C]
    assert chords_of(c.B, 4, metre=metre) == [C, D, G, C]


def test_chords_of_a_solo_in_e_harmonic_minor():
    row = Ladder(4, SCALES["harmonic minor"]).row
    assert chords_of(c.A, 4, a=0, row=row) == [(4, [4, 7, 11]), (9, [0, 4, 9]), (11, [3, 6, 11]), (4, [4, 7, 11])]


@pytest.mark.parametrize("role", ["duet", "answer", "harmonize"])
def test_only_a_solo_has_chords_of_its_own(role):
    assert chords_of(c.A, 4, role=role) == [None] * 4


def test_only_seven_notes_have_chords():
    assert chords_of(c.A, 4, row=Ladder(0, SCALES["major pentatonic"]).row) == [None] * 4


def test_an_answer_has_no_chords():
    s = Scene()
    c.begin_answer(s.own, s.trace, C_MAJOR, 192, 96, 0, s.rng)
    s.prepare()
    assert s.get(c.CHORD_ROOT) == [-1]


def test_given_chords_stay():
    s = Scene()
    c.begin_form(s.own, 48, 192, s.rng)
    s.own[[c.GIVEN, c.CHORD_ROOT, c.CHORD_BITS]] = 1, 3, 0b1000
    s.prepare()
    assert s.get(c.CHORD_ROOT, c.CHORD_BITS) == [3, 0b1000]


def test_stack_chord():
    own = c.new_own()
    c.stack_chord(own, C_MAJOR, int(C_MAJOR[71]))
    assert own[[c.CHORD_ROOT, c.CHORD_BITS]].tolist() == [11, 1 << 11 | 1 << 2 | 1 << 5]


def under(goal, tick, row=C_MAJOR, given=False):
    """(root, pitch classes) that voices keep to under a quarter, in a phrase that ends at 240."""
    own = c.new_own()
    c.begin_phrase(own, 48, 240, 192, goal)
    own[[c.TICK, c.EVENT_TICKS]] = tick, 12
    if given:
        c.stack_chord(own, row, int(row[65]))
    chord = c.chord_under(own, row)
    return (chord >> 12, [i for i in range(12) if chord >> i & 1]) if chord >= 0 else None


def test_the_chord_under_a_close():
    """Without a chord a phrase that ends on the tonic has its triad under the last note."""
    assert under(0, 228) == (0, [0, 4, 7])
    assert under(0, 234) == (0, [0, 4, 7])
    assert under(0, 227) is None
    assert under(4, 228) is None
    assert under(0, 228, Ladder(9, SCALES["minor"]).row) == (9, [0, 4, 9])
    assert [under(goal, tick, given=True) for goal, tick in ((0, 228), (4, 48))] == [(5, [0, 5, 9])] * 2


# ---- lengths and memory ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tick", "ticks"), [(0, [6, 24, 12]), (228, [6, 12, 12]), (236, [4, 4, 4]), (240, [1, 1, 1]), (245, [1, 1, 1])]
)
def test_lengths_are_cut_at_the_end_of_the_phrase(tick, ticks):
    own = c.new_own()
    own[[c.TICK, c.PHRASE_END]] = tick, 240
    found = []
    for rhythm in (EIGHTH, HALF, REST):
        found.append((c.choose_length(own, rhythm), int(own[c.EVENT_TICKS])))
    assert found == [(n, n) for n in ticks]


def test_every_length_in_an_open_phrase():
    own = c.new_own()
    assert [c.choose_length(own, i) for i in range(14)] == [3, 4, 6, 8, 9, 12, 18, 24, 36, 48, 3, 6, 12, 24]


def onsets(trace, voice):
    row = trace[2 * voice]
    return {int(i): (int(row[i]), int(trace[2 * voice + 1, i])) for i in np.flatnonzero(row != c.NOTHING)}


def test_remember_writes_over_what_was_there():
    trace = c.new_trace()
    for tick, ticks, note in ((0, 12, 60), (12, 12, 62), (24, 24, c.REST), (6, 12, 67)):
        c.remember(trace, 0, tick, ticks, note)
    assert onsets(trace, 0) == {0: (60, 12), 6: (67, 12), 24: (c.REST, 24)}
    assert onsets(trace, 1) == {}


def test_memory_wraps_around():
    trace = c.new_trace()
    c.remember(trace, 1, 4, 3, 50)
    c.remember(trace, 1, 5 * 4096 - 6, 12, 60)  # to tick 5 of the next round
    c.remember(trace, 1, 5 * 4096 + 6, 6, 62)
    assert onsets(trace, 1) == {4090: (60, 12), 6: (62, 6)}


def test_a_motif_is_found_across_the_wrap():
    s = Scene("duet")
    c.begin_phrase(s.own, 4090, c.NEVER, 0, 0)
    s.play((EIGHTH, 60), (QUARTER, 62))
    c.take_up(s.own, BAR, 1, -1, 0, c.NEVER)
    assert hints(s, (4090 + BAR, 4096 + BAR)) == [("1/8", 62), ("1/4", 64)]


# ---- advance --------------------------------------------------------------------------------------------------------
def steps(*notes, rhythms=(QUARTER,)):
    """The rows after each of these notes (None: a rest)."""
    s = Scene("duet")
    c.begin_phrase(s.own, 0, c.NEVER, 0, 0)
    for i, note in enumerate(notes):
        s.play((REST, -1) if note is None else (rhythms[i % len(rhythms)], note))
        yield s


def track(columns, *notes, rhythms=(QUARTER,)):
    return [s.get(*columns) for s in steps(*notes, rhythms=rhythms)]


def test_advance_moves_on():
    columns = (c.TICK, c.LAST_NOTE, c.LAST_STEP, c.LAST_RHYTHM, c.COUNT)
    assert track(columns, 60, None, 64, 76, 60, rhythms=(QUARTER, QUARTER, EIGHTH)) == [
        [12, 60, 8, QUARTER, 1],
        [24, 60, 8, REST, 1],
        [30, 64, 2, EIGHTH, 2],
        [42, 76, 7, QUARTER, 3],
        [54, 60, -7, QUARTER, 4],  # nine steps
    ]


def test_advance_remembers_notes_and_rests():
    *_, s = steps(60, None, 64)
    assert onsets(s.trace, 0) == {0: (60, 12), 12: (c.REST, 12), 24: (64, 12)}


def test_highest_and_lowest():
    assert track((c.HIGHEST, c.LOWEST), 60, 64, None, 59, 62) == [[60, 60], [64, 60], [64, 60], [64, 59], [64, 59]]


def test_repetitions_are_counted():
    assert track((c.SAME,), 60, 60, None, 60, 62, 62) == [[0], [1], [1], [2], [0], [1]]


def test_equal_lengths_are_counted():
    found = track((c.RHYTHM_RUN,), 60, 62, 64, None, None, 65, 67, rhythms=(QUARTER,) * 6 + (HALF,))
    assert found == [[0], [1], [2], [0], [1], [0], [0]]


@pytest.mark.parametrize(
    ("notes", "leaps"),
    [
        ((60, 66, 72), [(0, 0), (0, 0), (0, 0)]),  # tritones: no leap
        ((60, 67, 65, 62, 60), [(0, 0), (1, 60), (1, 60), (1, 60), (0, 60)]),  # up, and back to where it came from
        ((60, 67, 65, 59), [(0, 0), (1, 60), (1, 60), (0, 60)]),  # and beyond
        ((67, 60, 62, 67), [(0, 0), (-1, 67), (-1, 67), (0, 67)]),  # down, and back
        ((60, 67, 74), [(0, 0), (1, 60), (0, 60)]),  # leapt on: no longer open
        ((60, 72, 60), [(0, 0), (1, 60), (0, 60)]),  # leapt back
        ((60, 67, 69, 71), [(0, 0), (1, 60), (1, 60), (1, 60)]),  # steps on leave it open
        ((60, 67, None, 60, 67), [(0, 0), (1, 60), (1, 60), (0, 60), (1, 60)]),
    ],
)
def test_leaps(notes, leaps):
    found = []
    for s in steps(*notes):
        direction, origin = s.get(c.LEAP_DIR, c.LEAP_FROM)
        found.append((direction, origin))
    assert found == leaps


def advance(own, world, note, melody=SAME, voicing=SINGLE, rhythm=QUARTER):
    c.advance(own, world, c.new_trace(), C_MAJOR, rhythm, 12, note, melody, voicing)


@pytest.mark.parametrize(("action", "note", "target"), [(15, 61, 62), (16, 63, 62), (17, 63, 64), (18, 58, 57)])
def test_an_approach_has_a_target_until_the_next_note(action, note, target):
    own, world = c.new_own(), world_of()
    found = []
    for event in ((note, action), (-1, SAME), (target, UP)):
        advance(own, world, *event)
        found.append(int(own[c.TARGET]))
    assert found == [target, target, -1]


def test_voicing_and_bass():
    """Below the note or, with KEEP 1, above it; a single note has none; a rest changes nothing."""
    own, world = c.new_own(), world_of()
    found = []
    for note, voicing, keep in ((67, TRIAD, -1), (-1, 3, -1), (67, SINGLE, -1), (67, TRIAD, 1), (67, 10, -1)):
        world[c.KEEP] = keep
        advance(own, world, note, SAME, voicing)
        found.append([int(own[c.VOICING]), int(own[c.BASS])])
    assert found == [[TRIAD, 60], [TRIAD, 60], [SINGLE, -1], [TRIAD, 71], [10, 52]]


def test_a_rest_changes_time_and_rhythm_only():
    own, world = c.new_own(), world_of()
    for note in (60, 67):
        advance(own, world, note)
    before = own.copy()
    advance(own, world, -1, DOWN, TRIAD, REST)
    assert np.flatnonzero(own != before).tolist() == [c.LAST_RHYTHM, c.TICK, c.RHYTHM_RUN]
