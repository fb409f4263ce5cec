"""Graded presses count by their rank on their control; what is no graded control counts as it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.ratings.strength import FEW, LATEST, UNDO, Strength

PAD, OTHER = (2, 0), (2, 1)
values = st.floats(-1.0, 1.0).map(lambda v: round(v, 2))


@given(st.lists(values, min_size=1, max_size=LATEST + 20))
def test_the_rank_is_the_formula(presses):
    strength = Strength()
    for press in presses:
        got = strength.of(PAD, press)
    latest = np.abs(presses[-LATEST:])
    n, mine = len(latest), abs(press)
    rank = ((latest < mine).sum() + (latest == mine).sum() / 2) / n
    expected = mine if n <= FEW or len(set(latest.tolist())) < 3 else rank + (mine - rank) * FEW / n
    assert got == pytest.approx(np.sign(press) * expected)
    assert np.sign(got) == np.sign(press) and abs(got) <= 1.0


def test_a_timid_and_a_heavy_player_mean_the_same_by_their_strongest():
    """The same presses at a quarter of the strength: nearly the same once there are many, the same at the weakest."""
    rng = np.random.default_rng(1)
    told = {}
    for scale in (0.25, 1.0):
        strength = Strength()
        for force in (*rng.permutation(np.linspace(0.1, 0.9, 60)), 1.0):
            last = strength.of(PAD, force * scale)
        told[scale] = last
    assert told[1.0] == pytest.approx(0.99, abs=0.01)
    assert told[0.25] > 0.93


@pytest.mark.parametrize("grades", [(0.5,), (0.5, 1.0)])
def test_a_thumb_and_two_grades_mean_what_they_say(grades):
    strength = Strength()
    for i in range(100):
        value = grades[i % len(grades)] * (-1) ** (i // 2)
        assert strength.of(PAD, value) == value


def test_controls_do_not_mix():
    strength = Strength()
    for i in range(30):
        strength.of(OTHER, i / 30)
    assert [strength.of(PAD, v) for v in (0.1, 0.2, 0.3)] == [0.1, 0.2, 0.3]


@given(st.lists(values, min_size=LATEST, max_size=LATEST + 20), st.lists(values, max_size=60), values)
def test_undo_is_exact(before, after, then):
    strength, plain = Strength(), Strength()
    for value in before:
        strength.of(PAD, value), plain.of(PAD, value)
    for value in after:
        strength.of(PAD, value)
    for _ in after:
        strength.undo(PAD)
    strength.undo(OTHER)  # never pressed
    assert strength.of(PAD, then) == plain.of(PAD, then)
    assert len(after) <= UNDO
