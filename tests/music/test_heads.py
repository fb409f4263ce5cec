"""The three heads against their plain twins: masks, states, features, rows, priors, and the draw."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecomposer.music import context as c
from livecomposer.music import heads
from livecomposer.music.actions import NOTES_AT, Ladder
from livecomposer.music.context import HARMONY, HEADS, MELODY, RHYTHM
from livecomposer.music.metre import parse_metre
from livecomposer.music.theory import SCALES
from tests.agents.naive import splitmix64
from tests.music import naive

TABLES = (heads.RHYTHM_TABLES, heads.MELODY_TABLES, heads.HARMONY_TABLES)
WALKS = [
    *product((c.SOLO, c.DUET, c.ANSWER, c.HARMONIZE), ("", "5/4", "7/8"), (-1,)),
    *product((c.DUET,), ("", "3/4"), (c.COMP, c.BASS_PART)),
]
C_MAJOR = Ladder(0, SCALES["major"]).row


def look(head, moment):
    """State, features and mask of a head; the harmony's under the note, or what a note would start from."""
    own, world, ladder = moment.own, moment.world, moment.ladder
    spec = HEADS[head]
    features = np.full(spec.n_features, np.nan, dtype=np.float32)
    mask = np.full(spec.n_actions, 7, dtype=np.uint8)
    if head == RHYTHM:
        state = heads.rhythm_context(own, world, features, mask)
    elif head == MELODY:
        state = heads.melody_context(own, world, ladder, features, mask)
    else:
        state = heads.harmony_context(own, world, ladder, under(moment), features, mask)
    return state, features, mask


def under(moment):
    return moment.note if moment.note >= 0 else c.start_note(moment.own, moment.world)


def rows_of(head, moment, action):
    """The kernel's rows and the twin's."""
    own, world, ladder = moment.own, moment.world, moment.ladder
    rows = np.full(heads.N_ACTIVE[head], -1, dtype=np.int64)
    plain = own.tolist(), world.tolist()
    if head == RHYTHM:
        heads.rhythm_rows(own, world, action, rows)
        return rows.tolist(), naive.rhythm_rows(*plain, action)
    if head == MELODY:
        heads.melody_rows(own, world, ladder, action, rows)
        return rows.tolist(), naive.melody_rows(*plain, ladder, action)
    heads.harmony_rows(own, world, ladder, under(moment), action, rows)
    return rows.tolist(), naive.harmony_rows(*plain, ladder, under(moment), action)


def state():
    return c.new_own(), c.new_world(parse_metre("4/4"), 48, 84)


def asked(role):
    """The heads that decide in a role."""
    return (HARMONY,) if role == c.HARMONIZE else (RHYTHM, MELODY, HARMONY)


# ---- states, features, masks ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("role", "metre", "part"), WALKS)
def test_states_and_features_stay_in_their_ranges(role, metre, part):
    for moment in naive.walk(11, role, 1500, metre, part):
        for head in asked(role):
            number, features, mask = look(head, moment)
            assert 0 <= number < HEADS[head].n_states
            assert [i for i, x in enumerate(features) if not -2.0 <= x <= 2.0] == []
            assert set(mask.tolist()) <= {0, 1}
            assert mask.any()


@pytest.mark.parametrize("role", [c.SOLO, c.DUET, c.ANSWER])
def test_states_are_what_their_docstrings_say(role):
    places = {0: 0, 6: 1, 4: 3, 8: 4}
    for moment in naive.walk(12, role, 400):
        own, world, scale = moment.own.tolist(), moment.world.tolist(), naive.scale_of(moment.ladder)
        tick, strong = own[c.TICK], naive.strength(world, own[c.TICK]) < 2
        place = places.get(tick % 12, 2)
        assert look(RHYTHM, moment)[0] == (place * 2 + strong) * 15 + own[c.LAST_RHYTHM]
        degree = {0: 0, 2: 1, 4: 1}.get(scale.degree(naive.start_note(own, world)), 2)
        step = own[c.LAST_STEP]
        sizes = {range(-7, -2): 0, range(-2, 0): 1, range(1): 2, range(1, 3): 3, range(3, 8): 4, range(8, 9): 5}
        size = next(number for steps, number in sizes.items() if step in steps)
        low, high = world[c.LOW], world[c.HIGH]
        fifth = 5 * (naive.start_note(own, world) - low) // (high - low + 1)
        assert look(MELODY, moment)[0] == (degree * 6 + size) * 5 + fifth
        held = world[c.PLAYER_HELD]
        above = (under(moment) - scale.tonic) % 12
        assert look(HARMONY, moment)[0] == above * 3 + (0 if held < 2 else 1 if held == 2 else 2)


@pytest.mark.parametrize("role", [c.SOLO, c.DUET])
def test_nobody_needs_to_want_the_features(role):
    """Given no room for them, a head's state and mask are the same."""
    none = np.zeros(0, dtype=np.float32)
    for moment in naive.walk(17, role, 200):
        own, world, ladder = moment.own, moment.world, moment.ladder
        masks = [np.full(spec.n_actions, 7, dtype=np.uint8) for spec in HEADS]
        states = [
            heads.rhythm_context(own, world, none, masks[RHYTHM]),
            heads.melody_context(own, world, ladder, none, masks[MELODY]),
            heads.harmony_context(own, world, ladder, under(moment), none, masks[HARMONY]),
        ]
        for head in range(3):
            state, _, mask = look(head, moment)
            assert (states[head], masks[head].tolist()) == (state, mask.tolist())


def test_every_state_of_the_rhythm_head_is_distinct():
    """4/4 on and off the strong beats: place × strong × last action."""
    found = set()
    own, world = state()
    for tick in range(48):
        for last in range(15):
            own[[c.TICK, c.LAST_RHYTHM]] = tick, last
            moment = naive.Moment(own, world, c.new_trace(), C_MAJOR, 0, 7, -1, 0)
            found.add((naive.strength(world, tick) < 2, {0: 0, 6: 1, 4: 3, 8: 4}.get(tick % 12, 2), last,
                       look(RHYTHM, moment)[0]))  # fmt: skip
    assert len(found) == len({number for *_, number in found}) == (2 + 4) * 15


ladders = st.builds(Ladder, st.integers(0, 11), st.sampled_from([*SCALES.values(), (0,), (0, 1)]))
registers = st.integers(0, 115).flatmap(lambda low: st.tuples(st.just(low), st.integers(low + 12, 127)))


@given(ladders, registers, st.integers(-1, 127), st.integers(-1, 127), st.sampled_from([0, 1, 100]), st.booleans())
def test_the_mask_is_scale_and_register_only(ladder, register, last, player, outside, scale_mask):
    """An action is allowed if and only if its note exists in the register, an approach only if it may leave the
    scale."""
    low, high = register
    own, world = state()
    world[[c.LOW, c.HIGH, c.OUTSIDE, c.SCALE_MASK, c.PLAYER_NOTE]] = low, high, outside, scale_mask, player
    own[c.LAST_NOTE] = last if low <= last <= high else -1
    moment = naive.Moment(own, world, c.new_trace(), ladder.row, 0, 7, -1, 0)
    _, _, mask = look(MELODY, moment)
    scale, start = naive.scale_of(ladder.row), naive.start_note(own, world)
    notes = [naive.melody_note(scale, start, action) for action in range(19)]
    free = outside > 0 or not scale_mask
    assert mask.tolist() == [int(low <= note <= high and (a < 15 or free)) for a, note in enumerate(notes)]
    assert mask[:15].any()
    for head in (RHYTHM, HARMONY):
        assert look(head, moment)[2].all()


@pytest.mark.parametrize(
    ("outside", "scale_mask", "chromatic"), [(0, 1, [0, 0, 0, 0]), (1, 1, [1, 1, 1, 0]), (0, 0, [1, 1, 1, 0])]
)
def test_the_mask_of_c_major_in_an_octave(outside, scale_mask, chromatic):
    """From G in 60..72: down to C, up to C; chromatic G# to A, F# to F, Bb to B; a semitone above E is in the scale."""
    own, world = state()
    world[[c.LOW, c.HIGH, c.OUTSIDE, c.SCALE_MASK]] = 60, 72, outside, scale_mask
    own[c.LAST_NOTE] = 67
    notes = [naive.melody_note(naive.scale_of(C_MAJOR), 67, action) for action in range(15, 19)]
    assert notes == [68, 66, 70, -1]
    _, _, mask = look(MELODY, naive.Moment(own, world, c.new_trace(), C_MAJOR, 0, 7, -1, 0))
    assert mask[:15].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert mask[15:].tolist() == chromatic


def test_features_of_a_first_note():
    """The beginning of a solo in C, from the register's centre F#: which features are not 0."""
    own, world = state()
    c.begin_phrase(own, 48, 240, 192, 4)
    moment = naive.Moment(own, world, c.new_trace(), C_MAJOR, 0, 7, 60, 0)
    found = [{i: round(float(x), 6) for i, x in enumerate(look(head, moment)[1]) if x} for head in range(3)]
    assert found == [
        {0: 1.0, 5: 1.0, 23: 1.0, 24: 1.0, 39: 1.0, 45: 1.0, 47: 1.0, 51: 1.0, 52: 1.0},
        {3: 1.0, 12: 1.0, 14: 1.0, 34: 1.0, 35: 1.0, 36: 1.0, 39: 0.5, 42: 0.5, 61: 1.0},
        {0: 1.0, 12: 1.0, 29: 1.0, 30: 1.0, 34: 0.25, 47: 1.0},
    ]


@pytest.mark.parametrize("up", [2, 7])
@pytest.mark.parametrize("role", [c.SOLO, c.DUET])
def test_features_do_not_depend_on_the_key(role, up):
    """What is heard a few semitones higher, in a key as much higher, looks the same."""
    for moment in naive.walk(13, role, 300):
        own, world = moment.own.copy(), moment.world.copy()
        tonic = int(moment.ladder[naive.TONIC_AT])
        classes = {(note - tonic) % 12 for note in naive.scale_of(moment.ladder).notes}
        ladder = Ladder((tonic + up) % 12, tuple(sorted(classes))).row
        for i in (c.LAST_NOTE, c.HIGHEST, c.LOWEST, c.LEAP_FROM, c.TARGET, c.BASS):
            own[i] += up if own[i] >= 0 else 0
        for i in (c.LOW, c.HIGH, c.PLAYER_NOTE):
            world[i] += up if world[i] >= 0 else 0
        if own[c.HINT_RUNG] >= 0:
            own[c.HINT_RUNG] = ladder[moment.ladder[NOTES_AT + own[c.HINT_RUNG]] + up]
        if own[c.CHORD_ROOT] >= 0:
            own[c.CHORD_ROOT] = (own[c.CHORD_ROOT] + up) % 12
            own[c.CHORD_BITS] = sum(1 << (i + up) % 12 for i in range(12) if own[c.CHORD_BITS] >> i & 1)
        note = moment.note + up if moment.note >= 0 else -1
        moved = moment._replace(own=own, world=world, ladder=ladder, note=note)
        for head in range(3):
            for found, expected in zip(look(head, moved), look(head, moment), strict=True):
                np.testing.assert_array_equal(found, expected)


# ---- rows and priors ------------------------------------------------------------------------------------------------
def test_the_sizes_of_the_tables():
    assert heads.N_ACTIVE == tuple(len(tables) for tables in TABLES) == (11, 14, 12)
    assert tuple(sum(tables.values()) for tables in TABLES) == heads.N_ROWS


@pytest.mark.parametrize(("role", "metre", "part"), WALKS)
def test_rows_are_their_twins(role, metre, part):
    """Also: each row lies in its own table (the twin sees to that), whatever the action."""
    for moment in naive.walk(14, role, 150, metre, part):
        for head in asked(role):
            _, _, mask = look(head, moment)
            for action in np.flatnonzero(mask).tolist():
                found, expected = rows_of(head, moment, action)
                assert found == expected


def test_most_rows_are_reached():
    """Random playing comes by most of each small table: what is never asked for would never be learnt. (The simulated
    player has one key down at most.)"""
    reached = [set(), set(), set()]
    for role, metre, part in WALKS:
        for moment in naive.walk(15, role, 400, metre, part):
            plain = moment.own.tolist(), moment.world.tolist()
            reached[RHYTHM] |= set(naive.rhythm_places(*plain, moment.rhythm).items())
            if moment.note >= 0:
                reached[MELODY] |= set(naive.melody_places(*plain, moment.ladder, moment.melody).items())
                places = naive.harmony_places(*plain, moment.ladder, moment.note, moment.voicing)
                reached[HARMONY] |= set(places.items())
    for tables, found in zip(TABLES, reached, strict=True):
        for name, size in tables.items():
            if name not in ("style", "held"):
                assert sum(table == name for table, _ in found) >= 0.7 * size, name


@pytest.mark.parametrize("role", [c.SOLO, c.DUET, c.ANSWER, c.HARMONIZE])
def test_priors_are_their_twins(role):
    """Σ_k w[row_k] of what is allowed, 0 of what is not; the knob *outside* adds 5 nats at 1 to approaches."""
    weights = [np.random.default_rng(head).normal(size=n).astype(np.float32) for head, n in enumerate(heads.N_ROWS)]
    for moment in naive.walk(16, role, 150):
        own, world, ladder = moment.own, moment.world, moment.ladder
        for head in asked(role):
            n = HEADS[head].n_actions
            _, _, mask = look(head, moment)
            prior = np.full(n, np.nan)
            if head == RHYTHM:
                mask[3] = 0
                heads.rhythm_prior(own, world, weights[head], mask, prior)
            elif head == MELODY:
                heads.melody_prior(own, world, ladder, weights[head], mask, prior)
            else:
                heads.harmony_prior(own, world, ladder, under(moment), weights[head], prior)
            expected = [naive.logit(weights[head], rows_of(head, moment, a)[1]) if mask[a] else 0.0 for a in range(n)]
            if head == MELODY:
                for a in range(15, 19):
                    expected[a] += mask[a] * heads.OUTSIDE_BONUS * world[c.OUTSIDE] / 100
            np.testing.assert_allclose(prior, expected, rtol=0, atol=1e-9)


# ---- the draw -------------------------------------------------------------------------------------------------------
values = hnp.arrays(np.float64, 6, elements=st.floats(-20.0, 20.0))
masks = hnp.arrays(np.uint8, 6, elements=st.integers(0, 1))


def draw(logits, mask, n, seed):
    """(action, next random state, soft value)."""
    rng, soft = np.array([seed], dtype=np.uint64), np.zeros(1)
    return heads.draw(logits, mask, n, rng, soft), int(rng[0]), float(soft[0])


@given(values, masks, st.integers(0, 2**64 - 1))
def test_a_draw_is_its_twin(logits, mask, seed):
    """The action but where the uniform number falls on a border; the soft value; one random number is used up."""
    action, after, soft = draw(logits, mask, 6, seed)
    expected, state_after = naive.draw(logits, mask, seed)
    assert after == state_after
    if not mask.any():
        assert action == expected == -1
        return
    assert mask[action]
    assert soft == pytest.approx(naive.soft_value(logits, mask), abs=1e-9)
    u = splitmix64(seed)[1]
    shares = naive.probabilities(logits, mask)
    borders = np.cumsum(list(shares.values()))
    if np.abs(borders - u).min() > 1e-12:
        assert action == expected


def test_a_draw_looks_at_the_first_n_only():
    logits, mask = np.array([0.0, 0.0, 99.0]), np.ones(3, dtype=np.uint8)
    found = [draw(logits, mask, 2, seed) for seed in range(50)]
    assert {action for action, _, _ in found} == {0, 1}
    assert {soft for _, _, soft in found} == {0.0}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_draws_have_their_distribution(seed):
    """χ² with three degrees of freedom exceeds 16.27 with probability 0.001; the seeds are fixed."""
    logits = np.array([1.0, -0.5, 50.0, 0.0, 2.0, math.inf])
    mask = np.array([1, 1, 0, 1, 1, 0], dtype=np.uint8)
    rng, soft, n = np.array([seed], dtype=np.uint64), np.zeros(1), 20_000
    drawn = np.bincount([heads.draw(logits, mask, 6, rng, soft) for _ in range(n)], minlength=6)
    shares = naive.probabilities(logits, mask)
    assert drawn[[2, 5]].tolist() == [0, 0]
    assert sum((drawn[a] - n * p) ** 2 / (n * p) for a, p in shares.items()) < 16.27


def test_nothing_allowed_draws_nothing():
    assert draw(np.zeros(4), np.zeros(4, dtype=np.uint8), 4, 5)[0] == -1
