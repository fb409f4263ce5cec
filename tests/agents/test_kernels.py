"""The tabular kernels against their plain twins, bit for bit, and Q-learning against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecomposer.agents import kernels
from tests.agents import naive

WIDTH = 6
values = st.one_of(st.floats(-3.0, 3.0), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 0.5]))
tables = hnp.arrays(np.float64, (4, WIDTH), elements=values)
masks = hnp.arrays(np.uint8, WIDTH, elements=st.integers(0, 1))
priors = hnp.arrays(np.float64, WIDTH, elements=st.floats(-5.0, 5.0))
likings = hnp.arrays(np.float64, WIDTH, elements=st.floats(-2.0, 2.0))
seeds = st.integers(0, 2**64 - 1)


def rng(state: int) -> np.ndarray:
    return np.array([state], dtype=np.uint64)


@given(tables, st.integers(0, 3), masks, priors, likings, st.floats(0.0, 1.0), st.floats(0.01, 2.0), seeds)
def test_softmax_is_its_twin(q, state, mask, prior, liking, unit, temperature, seed):
    random = rng(seed)
    found = kernels.softmax_decide(q, state, mask, prior, liking, unit, temperature, random)
    assert (found, int(random[0])) == naive.softmax_decide(q[state] + liking + unit * prior, mask, temperature, seed)
    assert found == -1 if not mask.any() else mask[found] == 1


@given(tables, st.integers(0, 3), masks, priors, likings, st.floats(0.0, 1.0), st.floats(0.0, 1.0), seeds)
def test_epsilon_greedy_is_its_twin(q, state, mask, prior, liking, unit, epsilon, seed):
    random = rng(seed)
    found = kernels.epsilon_greedy_decide(q, state, mask, prior, liking, unit, epsilon, random)
    assert (found, int(random[0])) == naive.epsilon_greedy_decide(q[state] + liking + unit * prior, mask, epsilon, seed)
    assert found == -1 if not mask.any() else mask[found] == 1


def test_the_random_numbers_are_those_of_splitmix64():
    """First outputs for seed 1234567 as published with the algorithm (java.util.SplittableRandom's reference)."""
    state, outputs = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        outputs.append(z ^ (z >> 31))
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert naive.splitmix64(1234567)[1] == (outputs[0] >> 11) * 2.0**-53


def chi_square(counts: dict[int, int], probabilities: dict[int, float], n: int) -> float:
    assert set(counts) <= set(probabilities)
    return sum((counts.get(a, 0) - n * p) ** 2 / (n * p) for a, p in probabilities.items())


PRIOR, UNIT = np.array([1.0, -0.5, 2.0, 0.0, 0.25, 3.0]), 0.1
LIKING = np.array([0.05, -0.1, 1.0, 0.1, 0.0, 2.0])


def count(decide, q, mask, heat, seed, n=20_000):
    random, counts = rng(seed), {}
    for _ in range(n):
        a = decide(q, 0, mask, PRIOR[: q.shape[1]], LIKING[: q.shape[1]], UNIT, heat, random)
        counts[a] = counts.get(a, 0) + 1
    return counts


# 4 actions allowed: 3 degrees of freedom, chi-square above 16.27 has probability 0.001; the seeds are fixed
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_softmax_draws_its_distribution(seed):
    q = np.array([[0.1, 0.3, math.nan, -0.2, 0.3, 9.0]])
    mask = np.array([1, 1, 1, 1, 1, 0], dtype=np.uint8)
    probabilities = naive.softmax_probabilities(q[0] + LIKING + UNIT * PRIOR, mask, 0.2)
    counts = count(kernels.softmax_decide, q, mask, 0.2, seed)
    assert chi_square(counts, probabilities, 20_000) < 16.27


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_epsilon_greedy_draws_its_distribution(seed):
    q = np.array([[0.1, 0.3, 9.0, -0.2, 0.2]])
    mask = np.array([1, 1, 0, 1, 1], dtype=np.uint8)
    probabilities = {0: 0.775, 1: 0.075, 3: 0.075, 4: 0.075}
    counts = count(kernels.epsilon_greedy_decide, q, mask, 0.3, seed)
    assert chi_square(counts, probabilities, 20_000) < 16.27


def test_new_rng_depends_on_every_seed_and_their_order():
    states = {int(kernels.new_rng(*s)[0]) for s in [(1,), (2,), (1, 2), (2, 1), (-1,), (-1, 2)]}
    assert len(states) == 6
    assert kernels.new_rng(3, 4) == kernels.new_rng(3, 4)


rates = st.tuples(
    st.sampled_from(kernels.METHODS),
    st.floats(0.0, 1.0),  # alpha
    st.floats(0.0, 1.0),  # gamma
    st.sampled_from([0.0, 0.5, 1.0]),  # lambda
    st.floats(0.0, 1.0),  # epsilon
    st.sampled_from([0.0, 0.5]),  # temperature
    st.booleans(),  # replacing traces
)
rows = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.int64, n, elements=st.integers(0, 3)),
        hnp.arrays(np.int64, n, elements=st.integers(0, WIDTH - 1)),
        hnp.arrays(np.float64, n, elements=values),
        hnp.arrays(np.uint8, n, elements=st.integers(0, 1)),
        hnp.arrays(np.uint8, (n, WIDTH), elements=st.integers(0, 1)),
    )
)


@given(tables, rows, st.integers(0, 3), rates)
def test_sweep_is_its_twin(q, rows, sweeps, rates):
    twin, (method, *numbers) = q.copy(), rates
    with np.errstate(all="ignore"):
        naive.td_sweep(twin, *rows, sweeps, method, *numbers)
    trace, active = np.zeros((4, WIDTH)), np.zeros(1 + 4 * WIDTH, dtype=np.int64)
    kernels.td_sweep(q, trace, active, *rows, sweeps, kernels.METHODS.index(method), *numbers)
    np.testing.assert_allclose(q, twin, rtol=1e-12, atol=1e-12)
    if method != "expected-sarsa":
        np.testing.assert_array_equal(q, twin)


def test_q_learning_reaches_the_exact_optimum_of_a_chain():
    """Five places in a row, 1 for stepping off the right end, -0.1 for a step back: α 1 is exact when deterministic."""
    n, gamma = 5, 0.9
    successors = [[max(s - 1, 0), s + 1 if s + 1 < n else -1] for s in range(n)]
    rewards = [[-0.1, 1.0 if s == n - 1 else 0.0] for s in range(n)]
    best = naive.optimal_q(rewards, successors, gamma)
    q = np.zeros((n, 2))
    everything, none, nothing = np.ones(2, dtype=np.uint8), np.zeros((0, 2)), np.zeros(1, dtype=np.int64)
    for _ in range(100):
        for s in range(n):
            for a in range(2):
                kernels.td_update(
                    q, none, nothing, everything, s, a, rewards[s][a], successors[s][a], 0, kernels.Q_LEARNING, 1.0,
                    gamma, 0.0, 0.0, 0.0, True,
                )  # fmt: skip
    np.testing.assert_allclose(q, best, rtol=0, atol=1e-12)
    np.testing.assert_allclose(best[:, 1], [gamma ** (n - 1 - s) for s in range(n)], atol=1e-12)
