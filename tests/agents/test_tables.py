"""Tabular agents against problems whose answers others have published, or that can be solved exactly.

Sutton & Barto (2018) examples 6.2, 6.5 and 6.6 and figure 12.6; Gymnasium's toy texts, exactly, by value iteration.
Random numbers are seeded; the bands are what the books state, or four standard errors of so many runs.
"""

import gymnasium
import numpy as np
import pytest

from livecomposer.agents.kernels import METHODS, td_update
from livecomposer.agents.tables import Tables
from livecomposer.agents.tabular import Learner, TableSettings

UP, RIGHT, DOWN, LEFT = range(4)


def learner(problem: Tables, seed: int = 1, **hyper) -> Learner:
    hyper = {"policy": "epsilon-greedy", **hyper}
    return Learner(len(problem.start), problem.reward.shape[1], TableSettings(**hyper), seed)


def toy(name: str) -> Tables:
    env = gymnasium.make(name).unwrapped
    return Tables(env.P, env.initial_state_distrib)


# ---- exact ----------------------------------------------------------------------------------------------------------
TOYS = [
    ("FrozenLake-v1", 0.99, 0.542026),
    ("Taxi-v4", 0.99, 6.327464),
    ("CliffWalking-v1", 0.99, -12.247898),
    ("CliffWalking-v1", 1.0, -13.0),
]


@pytest.mark.parametrize(("name", "gamma", "best"), TOYS)
def test_value_iteration_finds_the_published_optimum(name, gamma, best):
    problem = toy(name)
    found = float(np.diff(problem.start, prepend=0.0) @ problem.optimum(gamma))
    assert found == pytest.approx(best, abs=5e-7)


# beside the cliff those who learn what they do keep to the safe path for as long as anything is left to chance
LEARNT = [(method, *toy) for toy in TOYS[:3] for method in METHODS if method == "q" or toy[0] != "CliffWalking-v1"]


@pytest.mark.parametrize(("method", "name", "gamma", "best"), LEARNT)
def test_the_greedy_policy_learnt_is_optimal(method, name, gamma, best):
    """Chance and step size fall over the training, as convergence asks for; what is learnt is worth the optimum."""
    problem = toy(name)
    a = learner(problem, method=method, gamma=gamma, alpha=0.5, alpha_end=0.01, epsilon=1.0, epsilon_end=0.0)
    for share in np.linspace(0.0, 1.0, 40):
        a.anneal(1.0 - (1.0 - float(share)) ** 4)
        problem.train(a, 150_000, longest=200)
    assert problem.worth(a.table.q.argmax(axis=1), gamma) == pytest.approx(best, abs=5e-7)


@pytest.mark.parametrize("name", ["Taxi-v4", "CliffWalking-v1"])
def test_q_learning_with_alpha_1_reaches_q_star_exactly_where_nothing_is_chance(name):
    problem, gamma = toy(name), 0.99
    best = problem.backup(problem.optimum(gamma), gamma)
    a = learner(problem, alpha=1.0, gamma=gamma, epsilon=1.0)
    mask = np.ones(problem.reward.shape[1], dtype=np.uint8)
    for _ in range(60):
        for state in range(len(problem.start)):
            for action in range(len(mask)):
                after = int(problem.following[state, action, 0])
                a.table.update(state, action, float(problem.reward[state, action, 0]), after, 0, mask)
    np.testing.assert_allclose(a.table.q, best, rtol=0.0, atol=1e-9)


# ---- example 6.2: the random walk -----------------------------------------------------------------------------------
def walk(places: int, left: float, right: float) -> Tables:
    """A row of places with one action, which goes either way; off its ends the episode is over."""
    ways = {
        i: {0: [(0.5, i - 1, left if i == 0 else 0.0, i == 0), (0.5, i + 1, right if i == places - 1 else 0.0,
                                                                i == places - 1)]}
        for i in range(places)
    }  # fmt: skip
    return Tables(ways, np.eye(places)[places // 2])


def rms(problem: Tables, true: np.ndarray, episodes: int, runs: int, **hyper) -> float:
    """RMS error of the values over the states, its mean over episodes, over so many runs."""
    found = []
    for seed in range(runs):
        a = learner(problem, seed, method="sarsa", gamma=1.0, **hyper)
        for _ in range(episodes):
            problem.train(a, 100_000, episodes=1)
            found.append(np.sqrt(np.mean((a.table.q[:, 0] - true) ** 2)))
    return float(np.mean(found))


def test_example_6_2_random_walk():
    """TD(0) with α .1 from .5: after 100 episodes an RMS error of about .05 (the figure's right-hand part)."""
    problem, true = walk(5, 0.0, 1.0), np.arange(1, 6) / 6
    errors = []
    for seed in range(400):
        a = learner(problem, seed, method="sarsa", gamma=1.0, alpha=0.1, optimistic=0.5)
        problem.train(a, 1_000_000, episodes=100)
        errors.append(np.sqrt(np.mean((a.table.q[:, 0] - true) ** 2)))
    assert np.mean(errors) == pytest.approx(0.052, abs=0.006)


def plain_td_lambda(lambda_: float, alpha: float, runs: int) -> float:
    """The same error by the formulas as they stand in section 12.2."""
    rng, true, found = np.random.default_rng(0), np.arange(-18, 20, 2) / 20, []
    for _ in range(runs):
        v = np.zeros(21)
        for _ in range(10):
            z, s = np.zeros(21), 10
            while 0 < s < 20:
                after = s + (1 if rng.random() < 0.5 else -1)
                z *= lambda_
                z[s] += 1.0
                reward = {0: -1.0, 20: 1.0}.get(after, 0.0)
                v += alpha * (reward + (v[after] if 0 < after < 20 else 0.0) - v[s]) * z
                s = after
            found.append(np.sqrt(np.mean((v[1:20] - true) ** 2)))
    return float(np.mean(found))


# near the figure's minima: .44 for λ 0, .3 or a little less for λ .8 and .9
@pytest.mark.parametrize(("lambda_", "alpha", "figure"), [(0.0, 0.3, 0.44), (0.8, 0.2, 0.3), (0.9, 0.15, 0.3)])
def test_figure_12_6_nineteen_places(lambda_, alpha, figure):
    true = np.arange(-18, 20, 2) / 20
    error = rms(walk(19, -1.0, 1.0), true, 10, 300, lambda_=lambda_, alpha=alpha, traces="accumulating")
    assert error == pytest.approx(plain_td_lambda(lambda_, alpha, 100), abs=0.015)
    assert error == pytest.approx(figure, abs=0.015)


# ---- example 6.5: the windy gridworld -------------------------------------------------------------------------------
def windy() -> Tables:
    wind = (0, 0, 0, 1, 1, 1, 2, 2, 1, 0)
    ways: dict = {}
    for row in range(7):
        for column in range(10):
            ways[row * 10 + column] = {}
            for action, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
                to_row = min(max(row + down - wind[column], 0), 6)
                to_column = min(max(column + right, 0), 9)
                over = (to_row, to_column) == (3, 7)
                ways[row * 10 + column][action] = [(1.0, to_row * 10 + to_column, -1.0, over)]
    return Tables(ways, np.eye(70)[30])


def test_example_6_5_windy_gridworld():
    """Sarsa, α .5, ε .1: 170 episodes take about 8000 steps; the best path has 15."""
    problem = windy()
    assert problem.optimum(1.0)[30] == -15.0
    steps = []
    for seed in range(40):
        a = learner(problem, seed, method="sarsa", alpha=0.5, gamma=1.0, epsilon=0.1)
        steps.append(problem.train(a, 1_000_000, episodes=170)[:, 1].sum())
    assert np.mean(steps) == pytest.approx(7944, rel=0.06)


# ---- example 6.6: cliff walking -------------------------------------------------------------------------------------
def test_example_6_6_sarsa_takes_the_safe_path_and_q_learning_the_edge():
    """α .5, ε .1, γ 1: online returns of episodes 100 to 500, and where the greedy paths go."""
    problem = toy("CliffWalking-v1")
    online, edges = {}, {}
    for method in ("sarsa", "q"):
        returns, edges[method] = [], 0
        for seed in range(100):
            a = learner(problem, seed, method=method, alpha=0.5, gamma=1.0, epsilon=0.1)
            returns.append(problem.train(a, 10_000_000, episodes=500)[100:, 0].mean())
            edges[method] += problem.worth(a.table.q.argmax(axis=1), 1.0, sweeps=500) == -13.0
        online[method] = float(np.mean(returns))
    assert online["sarsa"] == pytest.approx(-26.6, abs=1.5)
    assert online["q"] == pytest.approx(-50.7, abs=2.0)
    assert edges["q"] >= 95
    assert edges["sarsa"] <= 5


# ---- traces and starts ----------------------------------------------------------------------------------------------
def test_watkins_cuts_its_traces_at_an_action_that_is_not_the_best():
    """Two steps, then a reward: it reaches the first step only if the second was the best."""
    for second, reached in ((0, True), (1, False)):
        a = Learner(3, 2, TableSettings(method="q", lambda_=0.9, alpha=0.5, gamma=1.0), 1)
        mask = np.ones(2, dtype=np.uint8)
        a.table.q[1] = (0.0, -1.0)
        a.table.update(0, 0, 0.0, 1, second, mask)
        a.table.update(1, second, 10.0, -1, 0, mask)
        assert (a.table.q[0, 0] > 0.0) == reached


def test_a_step_seen_twice_weighs_once_with_replacing_traces():
    found = {}
    for traces in ("replacing", "accumulating"):
        a = Learner(2, 1, TableSettings(method="sarsa", lambda_=1.0, alpha=0.1, gamma=1.0, traces=traces), 1)
        mask = np.ones(1, dtype=np.uint8)
        a.table.update(0, 0, 0.0, 0, 0, mask)
        a.table.update(0, 0, 1.0, -1, 0, mask)
        found[traces] = float(a.table.q[0, 0])
    assert found == {"replacing": pytest.approx(0.1), "accumulating": pytest.approx(0.2)}


def test_an_optimistic_start_tries_everything():
    """Without any chance, of five actions with rewards .1 to .5 the first is good enough for who expects nothing."""
    problem = Tables({0: {a: [(1.0, 0, 0.1 * (a + 1), True)] for a in range(5)}}, [1.0])
    found = {}
    for start in (0.0, 5.0):
        a = learner(problem, epsilon=0.0, alpha=0.5, gamma=1.0, optimistic=start)
        problem.train(a, 200)
        found[start] = int(a.table.q.argmax())
    assert found == {0.0: 0, 5.0: 4}


def test_expected_sarsa_is_sarsa_on_average():
    """At the same table its target is the mean of Sarsa's over the actions of the policy, ε-greedy or softmax."""
    q = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, -1.0]])
    mask, none, nothing = np.array([1, 1, 0], dtype=np.uint8), np.zeros((0, 3)), np.zeros(1, dtype=np.int64)
    for epsilon, temperature, policy in (
        (0.4, 0.0, (0.2, 0.8)),
        (0.0, 0.5, (1 / (1 + np.e**2), np.e**2 / (1 + np.e**2))),
    ):
        rates = (0.1, 0.9, 0.0, epsilon, temperature, True)
        errors = [td_update(q.copy(), none, nothing, mask, 0, 0, 0.5, 1, a, 1, *rates) for a in (0, 1)]
        mean = td_update(q.copy(), none, nothing, mask, 0, 0, 0.5, 1, 0, 2, *rates)
        assert mean == pytest.approx(float(np.dot(policy, errors)), abs=1e-12)


def test_schedules_fall_to_their_ends():
    a = Learner(2, 2, TableSettings(alpha=0.5, alpha_end=0.1, policy="epsilon-greedy", epsilon=0.3, epsilon_end=0.0), 1)
    seen = []
    for share in (0.0, 0.5, 1.0):
        a.anneal(share)
        seen.append((a.table.rates[0], a._heat))
    assert seen == [(0.5, 0.3), (pytest.approx(0.3), pytest.approx(0.15)), (pytest.approx(0.1), pytest.approx(0.0))]


def test_training_is_reproducible():
    problem = toy("Taxi-v4")
    tables = []
    for seed in (3, 3, 4):
        a = learner(problem, seed, gamma=0.99, alpha=0.1)
        problem.train(a, 20_000, longest=100)
        tables.append(a.table.q)
    np.testing.assert_array_equal(tables[0], tables[1])
    assert (tables[0] != tables[2]).any()
