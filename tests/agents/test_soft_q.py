"""Soft Q-learning of the prior: its update against the formula, the same from a seed, and that it learns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.agents.prior import counts, style_of
from livecomposer.agents.soft_q import GAMMA, _learn, train
from livecomposer.music.context import ANSWER, DUET, HARMONIZE, SOLO
from livecomposer.music.env import NOTE, Stage, harmonize
from livecomposer.music.heads import N_ROWS, harmony_prior
from livecomposer.music.rules import HEAD_OF, N_RULES, N_STYLE, RULES, load_weights

STYLE = style_of(counts())


def trained(n, seed=1, rules=None, role=-1, blocks=1, alphas=(0.1, 0.1), weights=None):
    """Weights of the three heads after ``n`` steps, and the curve."""
    stage = Stage(STYLE, seed)
    learnt = weights or [np.zeros(rows, dtype=np.float32) for rows in N_ROWS]
    curve = np.zeros((blocks, 3 + N_RULES))
    train(
        stage.own, stage.world, stage.trace, stage.ladder, stage.style, stage.player, stage.rng, *learnt,
        load_weights() if rules is None else rules, HEAD_OF, stage.columns, n, role, *alphas, curve,
    )  # fmt: skip
    return learnt, curve


# ---- one update -----------------------------------------------------------------------------------------------------
numbers = st.floats(-5.0, 5.0)


@given(
    st.lists(numbers, min_size=12, max_size=12),
    st.permutations(range(12)),
    st.integers(1, 12),
    st.integers(0, 2),
    st.floats(-50.0, 50.0),
    numbers,
    st.floats(0.0, 1.0),
)
def test_an_update_is_its_formula(start, order, k, head, reward, soft, alpha):
    """w[row] ← w[row] + α/K [r + γV − Σ w[row]] for K rows, the error kept within ±10, and no other row."""
    weights = np.array(start, dtype=np.float32)
    rows = np.zeros((3, 16), dtype=np.int64)
    rows[head, :12] = order
    expected = weights.copy()
    value = 0.0
    for row in order[:k]:
        value += float(expected[row])
    error = min(max(reward + soft - value, -10.0), 10.0)
    for row in order[:k]:
        expected[row] = np.float32(float(expected[row]) + alpha * error / k)
    assert _learn(weights, rows, head, reward, soft, alpha, k) == error
    np.testing.assert_array_equal(weights, expected)


def test_updates_reach_the_reward():
    """The error shrinks by 1 − α each time."""
    weights, rows = np.zeros(4, dtype=np.float32), np.array([[0, 2, 3, 1]], dtype=np.int64)
    errors = [_learn(weights, rows, 0, 2.0, 1.0, 0.5, 3) for _ in range(20)]
    np.testing.assert_allclose(errors, 3.0 * 0.5 ** np.arange(20), atol=1e-5)
    np.testing.assert_allclose(weights, [1.0, 0.0, 1.0, 1.0], atol=1e-5)


# ---- training -------------------------------------------------------------------------------------------------------
def test_training_is_its_seed_bit_by_bit():
    (one, first), (same, again), (other, _) = trained(20_000, 3), trained(20_000, 3), trained(20_000, 4)
    assert [w.tobytes() for w in one] == [w.tobytes() for w in same]
    assert first.tobytes() == again.tobytes()
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_training_learns():
    """Mean rewards of all heads in the last of ten blocks, by far more than in the first, and of most rules."""
    weights, curve = trained(200_000, blocks=10, alphas=(0.1, 0.005))
    assert all(np.isfinite(w).all() for w in weights)
    assert [w.any() for w in weights] == [True] * 3
    first, last = curve[0], curve[-1]
    assert (last[:3] > first[:3] + 0.25 * np.abs(first[:3])).all()
    better = dict(zip(RULES, last[3:] > first[3:], strict=True))
    assert [
        name for name in ("in_key", "fit", "chord_tone", "cadence", "approach", "consonance") if not better[name]
    ] == []


def test_the_curve_is_the_mean_of_the_steps():
    """In one block or in ten of the same steps; the rewards of a head are those of its rules."""
    _, one = trained(10_000, role=SOLO)
    _, ten = trained(10_000, role=SOLO, blocks=10)
    np.testing.assert_allclose(ten.mean(axis=0), one[0], rtol=0, atol=1e-9)
    weighted = load_weights() * one[0, 3:]
    sums = [weighted[head == HEAD_OF].sum() for head in range(3)]
    np.testing.assert_allclose(one[0, :3], sums, rtol=0, atol=1e-9)


def test_without_rewards_nothing_is_learnt():
    """Q = 0 everywhere is the soft fixed point of no rewards: V = ln mean exp 0 = 0."""
    weights, curve = trained(20_000, rules=np.zeros(N_RULES))
    assert [int(np.count_nonzero(w)) for w in weights] == [0, 0, 0]
    assert curve[0, :3].tolist() == [0.0] * 3
    assert np.count_nonzero(curve[0, 3:]) > 20


def test_a_reward_that_no_choice_changes():
    """r a step whatever is chosen: every choice is worth r / (1 − γ), and none is better (first and last notes of an
    episode apart)."""
    stage, rules = Stage(STYLE, 1), np.zeros(N_RULES)
    rules[list(RULES).index("step_style")] = 1.0
    stage.style[:N_STYLE] = 0.7
    weights = [np.zeros(rows, dtype=np.float32) for rows in N_ROWS]
    arrays = stage.own, stage.world, stage.trace, stage.ladder, stage.style, stage.player, stage.rng
    head_of = np.full(N_RULES, 2)
    train(*arrays, *weights, rules, head_of, stage.columns, 100_000, HARMONIZE, 0.1, 0.005, np.zeros((1, 3 + N_RULES)))
    values, found = np.zeros(14), []
    stage.reset(HARMONIZE)
    for voicing in range(14):
        harmonize(*arrays, voicing, stage.columns)
        harmony_prior(*arrays[:2], stage.ladder, int(stage.player[NOTE]), weights[2], values)
        found.append(values.copy())
    np.testing.assert_allclose(found, 0.7 / (1.0 - GAMMA[2]), rtol=0, atol=0.14)


def test_a_step_size_of_nothing_leaves_all_as_it_was():
    start = [np.random.default_rng(i).normal(size=rows).astype(np.float32) for i, rows in enumerate(N_ROWS)]
    weights, _ = trained(2_000, weights=[w.copy() for w in start], alphas=(0.0, 0.0))
    for one, other in zip(weights, start, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("role", "heads"),
    [(SOLO, [True] * 3), (DUET, [True] * 3), (ANSWER, [True] * 3), (HARMONIZE, [False, False, True])],
)
def test_heads_learn_where_they_are_asked(role, heads):
    weights, curve = trained(5_000, role=role)
    assert [bool(w.any()) for w in weights] == heads
    assert [bool(x) for x in curve[0, :3]] == heads
