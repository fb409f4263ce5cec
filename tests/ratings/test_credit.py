"""Late ratings: the delay density against its formula, the gap rule, exact undo, and what may mature."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.agents.protocol import Choice, Steps
from livecomposer.instrument.learning import Learning
from livecomposer.instrument.records import Recorder
from livecomposer.music.actions import HeadSpec
from livecomposer.ratings.credit import GRACE_S, LASTS_S, PHRASE_WEIGHT, SCALE_S, SHAPE, WINDOW_S, Credit, delay_weights

MS = 1_000_000
SPEC = HeadSpec("rhythm", 2, 1, 2)
CHOICE = Choice(0, 1, np.ones(2, np.uint8), np.zeros(1, np.float32), False, 0.0, np.zeros(0, np.int64))


def naive_weights(onsets, first, t_rating):
    """The Gamma density of the delay over the time for which each row is heard, summed in steps of its distribution
    function, and normalised over the rows from ``first`` on that lie within the window."""

    def passed(d):
        x = max(d, 0.0) / SCALE_S
        return 1.0 - math.exp(-x) * sum(x**j / math.factorial(j) for j in range(SHAPE))

    chance = []
    for i, onset in enumerate(onsets):
        d = (t_rating - onset) * 1e-9
        off = min([later for later in onsets if onset < later <= t_rating], default=t_rating)
        ends = max((t_rating - off) * 1e-9, d - LASTS_S)
        near = i >= first and 0.0 < d <= WINDOW_S
        chance.append(passed(d) - passed(ends) if near else 0.0)
    total = sum(chance)
    return [x / total if total else 0.0 for x in chance]


def table_of(onsets_ms, phrases=None):
    table = Steps(SPEC, 256, 1)
    for i, onset in enumerate(onsets_ms):
        table.append(onset * MS, phrases[i] if phrases else 0, CHOICE)
    return table


onset_lists = st.lists(st.integers(0, 6000), min_size=1, max_size=30).map(sorted)


@given(onset_lists, st.integers(0, 8000), st.integers(0, 30))
def test_weights_are_the_formula(onsets, press, first):
    first = min(first, len(onsets))
    table = table_of(onsets)
    weights = np.full(256, -1.0)
    start = delay_weights(table.t_ns, first, table.n, press * MS, weights)
    expected = naive_weights([o * MS for o in onsets], first, press * MS)
    assert start == len(onsets) if not sum(expected) else start <= np.flatnonzero(expected)[0]
    np.testing.assert_allclose(weights[start : table.n], expected[start:], rtol=1e-9, atol=1e-12)
    assert (weights[: min(start, first)] == -1.0).all()


def test_the_density_has_its_mode_where_players_press():
    """Steps 0.1 s apart: the one heard from 0.7 to 0.6 s before the press (mode 0.64 s) is reached most."""
    credit = Credit([table_of(range(0, 2001, 100))])
    reached = credit.reach(2_000 * MS, -1)
    best = max(reached, key=lambda step: step[2])
    assert best[:2] == (0, 13)
    assert 0.95 < sum(weight for _, _, weight in reached) <= 1.0
    assert all(weight > 0.01 for _, _, weight in reached)


def test_a_press_in_the_gap_reaches_the_whole_phrase_and_nothing_else():
    heads = [table_of(range(0, 9000, 1000), [0, 0, 1, 1, 1, 1, 1, 2, 2]), table_of([2000, 4000], [1, 1])]
    heads[0].first = 100
    assert Credit(heads).reach(6_100 * MS, 1) == [
        *((0, 100 + i, PHRASE_WEIGHT) for i in range(2, 7)),
        (1, 0, PHRASE_WEIGHT),
        (1, 1, PHRASE_WEIGHT),
    ]


@given(
    onset_lists,
    st.lists(st.tuples(st.integers(0, 7000), st.floats(-1, 1, allow_nan=False), st.booleans()), max_size=12),
)
def test_taking_back_is_exact_in_any_depth(onsets, presses):
    table = table_of(onsets, [o // 2000 for o in onsets])
    credit = Credit([table])
    history = []
    for press, value, gap in presses:
        before = table.reward.copy()
        history.append((before, credit.give(credit.reach(press * MS, press // 2000 if gap else -1), value)))
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
    """Old enough, of an earlier phrase, and with a successor; oldest first, each once."""
    table = table_of([0, 500, 1000, 5000, 5500], [0, 0, 1, 1, 2])
    credit = Credit([table])
    old = int((WINDOW_S + GRACE_S) * 1e9)
    assert credit.mature(old, 2) == []
    assert credit.mature(old + 1, 2) == [(0, 0)]
    assert credit.mature(20_000 * MS, 1) == [(0, 1)]
    assert credit.mature(20_000 * MS, 9) == [(0, 2), (0, 3)]
    assert credit.mature(20_000 * MS, 9) == []


class Listener:
    """An agent that only takes down what it observes."""

    spec = SPEC
    n_features = 1

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
    learning.credit.reach = lambda t, gap: reached.extend(Credit.reach(learning.credit, t, gap)) or []
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
    assert agent.observed == list(range(16))


def test_held_neither_hears_nor_matures():
    agent = Listener()
    learning = Learning([agent], Recorder(None), None, True)
    for i in range(20):
        learning.step(0, i * 1000 * MS, i, CHOICE)
        learning.sounded(i * 1000 * MS, (i * 1000 + 900) * MS, i)
        learning.mature(i * 1000 * MS)
    learning.rate(19_500 * MS, 19_500 * MS, 1.0, 0, False)
    assert (agent.observed, learning.ratings, learning.steps[0].reward.any()) == ([], 0, False)
    learning.held = False
    learning.rate(19_500 * MS, 19_500 * MS, 1.0, 0, False)
    assert learning.steps[0].reward[17:20].sum() > 0.99
