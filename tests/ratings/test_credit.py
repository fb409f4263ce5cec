"""Late ratings: the delay density against its formula, the gap rule, exact undo, and what may mature."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.agents.protocol import Choice, Steps
from livecomposer.instrument.learning import Learning
from livecomposer.instrument.records import Recorder
from livecomposer.music.actions import HeadSpec
from livecomposer.ratings.credit import GRACE_S, LASTING_S, LASTS_S, PHRASE_WEIGHT, WINDOW_S, Credit, delay_weights
from livecomposer.ratings.delay import USUAL, Delay
from livecomposer.ratings.phrases import Phrase

MS = 1_000_000
SPEC = HeadSpec("rhythm", 2, 1, 2)
CHOICE = Choice(0, 1, np.ones(2, np.uint8), np.zeros(1, np.float32), False, 0.0, np.zeros(0, np.int64))


def naive_weights(onsets, first, t_rating, delay):
    """The Gamma density of the delay over the time for which each row is heard, summed in steps of its distribution
    function, of the rows from ``first`` on that lie within the window."""

    def passed(d):
        x = max(d, 0.0) / delay.scale_s
        return 1.0 - math.exp(-x) * sum(x**j / math.factorial(j) for j in range(delay.shape))

    chance = []
    for i, onset in enumerate(onsets):
        d = (t_rating - onset) * 1e-9
        off = min([later for later in onsets if onset < later <= t_rating], default=t_rating)
        ends = max((t_rating - off) * 1e-9, d - LASTS_S)
        near = i >= first and 0.0 < d <= WINDOW_S
        chance.append(passed(d) - passed(ends) if near else 0.0)
    return chance


def table_of(onsets_ms, phrases=None):
    table = Steps(SPEC, 256, 1)
    for i, onset in enumerate(onsets_ms):
        table.append(onset * MS, phrases[i] if phrases else 0, CHOICE)
    return table


onset_lists = st.lists(st.integers(0, 6000), min_size=1, max_size=30).map(sorted)


@given(onset_lists, st.integers(0, 8000), st.integers(0, 30), st.integers(1, 12), st.floats(0.03, 0.5))
def test_weights_are_the_formula(onsets, press, first, shape, scale):
    first = min(first, len(onsets))
    table = table_of(onsets)
    weights = np.full(256, -1.0)
    start, chance = delay_weights(table.t_ns, first, table.n, press * MS, shape, scale, weights)
    expected = naive_weights([o * MS for o in onsets], first, press * MS, Delay(shape, scale))
    if sum(expected) > 1e-12:
        assert start <= np.flatnonzero(expected)[0]
    else:  # nothing, but for what rounding leaves
        assert start == len(onsets) or sum(map(abs, expected)) > 0.0
    np.testing.assert_allclose(weights[start : table.n], expected[start:], rtol=1e-9, atol=1e-12)
    each = dict(zip(onsets, expected, strict=True))  # of those that begin together one
    assert chance == pytest.approx(sum(each.values()), rel=1e-9, abs=1e-12)
    assert (weights[: min(start, first)] == -1.0).all()


def test_the_density_has_its_mode_where_players_press():
    """Steps 0.1 s apart: the one heard from 0.7 to 0.6 s before the press (mode 0.64 s) is reached most."""
    credit = Credit([table_of(range(0, 2001, 100))])
    reached, chance = credit.moment(2_000 * MS)
    assert 0.98 < chance <= 1.0
    best = max(reached, key=lambda step: step[2])
    assert best[:2] == (0, 13)
    assert 0.95 < sum(weight for _, _, weight in reached) <= 1.0
    assert all(weight > 0.01 for _, _, weight in reached)


def test_the_chance_that_something_was_heard_counts_a_sonority_once():
    """A chord of three, alone, 0.8 s ago: anything later than it is heard in it."""
    alone, three = (Credit([table_of([1000] * n)]).moment(1_800 * MS) for n in (1, 3))
    assert alone[1] == three[1] == naive_weights([1000 * MS], 0, 1_800 * MS, USUAL)[0]
    assert [weight for _, _, weight in three[0]] == [1 / 3] * 3
    assert Credit([table_of([1000])]).moment(10_000 * MS) == ([], 0.0)


def test_a_verdict_reaches_the_whole_phrase_with_the_rests_before_it_and_nothing_else():
    heads = [table_of(range(0, 9000, 1000)), table_of([2000, 4000])]
    heads[0].first = 100
    assert Credit(heads).whole(Phrase(1, 1000 * MS, 3000 * MS, 6000 * MS, 6900 * MS, 4)) == [
        *((0, 100 + i, PHRASE_WEIGHT) for i in range(2, 7)),
        (1, 0, PHRASE_WEIGHT),
        (1, 1, PHRASE_WEIGHT),
    ]


def test_of_what_went_on_without_a_breath_a_verdict_reaches_the_last_seconds():
    table = table_of(range(0, 30_000, 1000))
    reached = Credit([table]).whole(Phrase(1, -1, 0, 29_000 * MS, 29_900 * MS, 30))
    assert reached == [(0, i, PHRASE_WEIGHT) for i in range(29 - int(LASTING_S), 30)]


@given(
    onset_lists,
    st.lists(st.tuples(st.integers(0, 7000), st.floats(-1, 1, allow_nan=False), st.booleans()), max_size=12),
)
def test_taking_back_is_exact_in_any_depth(onsets, presses):
    table = table_of(onsets)
    credit = Credit([table])
    history = []
    for press, value, whole in presses:
        before = table.reward.copy()
        phrase = Phrase(0, (press - 2000) * MS, 0, press * MS, press * MS, 3)
        reached = credit.whole(phrase) if whole else credit.moment(press * MS)[0]
        history.append((before, credit.give(reached, value)))
    for before, taken in reversed(history):
        credit.take_back(taken)
        assert table.reward.tobytes() == before.tobytes()


def test_taking_back_leaves_out_rows_that_have_been_dropped():
    table = table_of([0, 100, 200, 300])
    credit = Credit([table])
    before = credit.give([(0, 1, 0.5), (0, 3, 0.5)], 1.0)
    table.drop_half()
    assert table.reward[:2].tolist() == [0.0, 0.5]
    credit.take_back(before)
    assert table.reward[:2].tolist() == [0.0, 0.0]


def test_what_matures():
    """Old enough, of no phrase that can still be judged, and with a successor; oldest first, each once."""
    table = table_of([0, 500, 1000, 5000, 5500])
    credit = Credit([table])
    old = int((WINDOW_S + GRACE_S) * 1e9)
    assert credit.mature(old, 9000 * MS) == []
    assert credit.mature(old + 1, 9000 * MS) == [(0, 0)]
    assert credit.mature(20_000 * MS, 500 * MS) == [(0, 1)]
    assert credit.mature(20_000 * MS, 9000 * MS) == [(0, 2), (0, 3)]
    assert credit.mature(20_000 * MS, 9000 * MS) == []


class Listener:
    """An agent that only takes down what it observes."""

    spec = SPEC
    n_features = 1
    capacity = 1 << 12

    def __init__(self):
        self.observed = []

    def observe(self, steps, i):
        self.observed.append(steps.first + i)

    def job(self, steps):
        return None


# a performance: phrases of notes (length, gap behind, ms), beats to look at it, presses up to GRACE late
phrase = st.tuples(st.lists(st.integers(50, 1500), min_size=1, max_size=6), st.integers(0, 5000))


@given(st.lists(phrase, min_size=1, max_size=5), st.lists(st.integers(0, int(GRACE_S * 1000) - 1), min_size=200))
def test_no_step_matures_that_a_rating_can_still_reach(phrases, lateness):
    """At every moment a press that was made up to half a second ago is credited to unmatured steps only."""
    agent = Listener()
    learning = Learning([agent], Recorder(None), None, False)
    reached = []
    whole, moment = learning.credit.whole, learning.credit.moment
    learning.credit.whole = lambda phrase: reached.extend(whole(phrase)) or []
    learning.credit.moment = lambda t: (reached.extend(moment(t)[0]) or [], moment(t)[1])
    now, lateness = 1000, iter(lateness)
    looks = 0
    for number, (notes, gap) in enumerate(phrases):
        for i, length in enumerate(notes):
            learning.step(0, now * MS, number, CHOICE)
            learning.sounded(now * MS, (now + length) * MS, number)
            until = now + length + (gap if i == len(notes) - 1 else 0)
            while now < until:
                now = min(now + 250, until)
                learning.mature(now * MS)
                over = i == len(notes) - 1
                reached.clear()
                learning.rate(now * MS, (now - next(lateness, 0)) * MS, 1.0, 0, over)
                assert not {number for _, number, _ in reached} & set(agent.observed)
                looks += 1
    assert looks and agent.observed == sorted(set(agent.observed))


def test_steps_do_mature_while_phrases_go_on():
    agent = Listener()
    learning = Learning([agent], Recorder(None), None, False)
    for i in range(20):
        learning.step(0, i * 1000 * MS, i // 4, CHOICE)
        learning.sounded(i * 1000 * MS, (i * 1000 + 900) * MS, i // 4)
        learning.mature((i * 1000 + 600) * MS)
    assert agent.observed == list(range(12))  # a press on its way may judge the phrase of the four before these


def test_held_neither_hears_nor_matures():
    agent = Listener()
    learning = Learning([agent], Recorder(None), None, True)
    for i in range(20):
        learning.step(0, i * 1000 * MS, i, CHOICE)
        learning.sounded(i * 1000 * MS, (i * 1000 + 900) * MS, 0)
        learning.mature(i * 1000 * MS)
    learning.rate(19_500 * MS, 19_500 * MS, 1.0, 0, False)
    assert (agent.observed, learning.ratings, learning.steps[0].reward.any()) == ([], 0, False)
    learning.held = False
    learning.rate(19_500 * MS, 19_500 * MS, 1.0, 0, False)
    assert learning.steps[0].reward[17:20].sum() > 0.99
