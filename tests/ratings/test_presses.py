"""Which presses are one: bounce, emphasis, correction; and what they have in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.ratings.presses import AGAIN, BOUNCE, INSTEAD, NEW, STRONGER, Press, Presses, overlap

MS = 1_000_000
HERE, HALF, THERE = [(0, 1, 0.5), (0, 2, 0.5)], [(0, 2, 0.7), (0, 3, 0.7)], [(0, 8, 1.0)]


@pytest.mark.parametrize(
    ("later_ms", "value", "reached", "what"),
    [
        (0, 0.5, HERE, BOUNCE), (59, 0.5, THERE, BOUNCE), (59, 0.6, HERE, STRONGER), (59, 0.0, HERE, BOUNCE),
        (59, -0.5, HERE, INSTEAD), (60, 0.5, HERE, AGAIN), (1000, 0.5, HALF, AGAIN), (1001, 0.5, HERE, NEW),
        (400, 0.5, THERE, NEW), (400, -0.1, HERE, INSTEAD), (400, -0.1, THERE, NEW), (400, 0.0, HERE, NEW),
        (400, 0.5, [], NEW), (-1, 0.5, HERE, NEW),
    ],
)  # fmt: skip
def test_what_a_press_is(later_ms, value, reached, what):
    presses = Presses()
    assert presses.what(1, 5000 * MS, 0.5, HERE, HERE) == NEW
    presses.taken(1, Press(7, 5000 * MS, 5000 * MS, 0.5, HERE, HERE))
    assert presses.what(2, (5000 + later_ms) * MS, value, reached, reached) == NEW  # another hand's
    assert presses.what(1, (5000 + later_ms) * MS, value, reached, reached) == what


def test_a_bounce_goes_on_as_long_as_it_does():
    presses = Presses()
    presses.taken(1, Press(7, 0, 0, -0.5, HERE, HERE))
    assert [presses.what(1, t * MS, -0.5, HERE, HERE) for t in (50, 100, 150, 200, 260)] == [BOUNCE] * 4 + [AGAIN]


def test_after_an_undo_the_next_press_is_a_new_one():
    presses = Presses()
    presses.taken(1, Press(7, 0, 0, -0.5, HERE, HERE))
    presses.undo(6)
    assert presses.what(1, 10 * MS, -0.5, HERE, HERE) == BOUNCE
    presses.undo(7)
    assert (presses.what(1, 10 * MS, -0.5, HERE, HERE), presses.last(1)) == (NEW, None)


@pytest.mark.parametrize(
    ("whole", "then", "near", "what"),
    [
        (HERE, THERE, HERE, INSTEAD),  # a moment, then a verdict on a phrase: on the same notes all the same
        (THERE, THERE, [], INSTEAD),  # both verdicts on a phrase, nothing having been heard of late
        (THERE, HERE, THERE, NEW),
    ],
)
def test_a_correction_counts_whatever_either_press_is_taken_for(whole, then, near, what):
    presses = Presses()
    presses.taken(1, Press(7, 0, 0, 0.5, whole, HERE))
    assert presses.what(1, 200 * MS, -0.5, then, near) == what


weights = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 5)), st.floats(0.01, 1.0), max_size=8)


@given(weights, weights, st.floats(0.1, 10.0))
def test_overlap(one, other, scale):
    a, b = ([(head, step, w) for (head, step), w in of.items()] for of in (one, other))
    shared = overlap(a, b)
    assert 0.0 <= shared <= 1.0 + 1e-9
    assert shared == pytest.approx(overlap(b, a))
    assert shared == pytest.approx(overlap([(h, s, w * scale) for h, s, w in a], b))
    assert overlap(a, a) == pytest.approx(1.0 if a else 0.0)
    assert (shared > 0.0) == bool(one.keys() & other.keys())
