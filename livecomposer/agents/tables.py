"""Small decision problems as tables: tabular learning in one kernel, and exact values to judge it by.

Tests and ``bench.speed`` use it: the toy texts of Gymnasium carry their tables (``env.unwrapped.P``), and the examples
of Sutton & Barto (2018) are as small.
"""

from typing import Any

import numpy as np
from numba import njit

from livecomposer.agents.kernels import epsilon_greedy_decide, td_update
from livecomposer.agents.network import uniform
from livecomposer.agents.tabular import Learner


class Tables:
    """What a problem does, in up to k ways for each state and action.

    Attributes
    ----------
    chance : float64[s, a, k]
        Of each way, summed up along k.
    following : int64[s, a, k]
        Where it leads; -1: the episode ends.
    reward : float64[s, a, k]
    start : float64[s]
        Chance of beginning in each state, summed up.
    """

    def __init__(self, ways: dict[int, dict[int, list[tuple[float, int, float, bool]]]], start: Any) -> None:
        n, n_actions = len(ways), len(ways[0])
        most = max(len(found) for row in ways.values() for found in row.values())
        self.chance = np.ones((n, n_actions, most))
        self.following = np.full((n, n_actions, most), -1, dtype=np.int64)
        self.reward = np.zeros((n, n_actions, most))
        self.start = np.cumsum(np.asarray(start, dtype=np.float64))
        for state, row in ways.items():
            for action, found in row.items():
                for k, (chance, following, reward, over) in enumerate(found):
                    self.chance[state, action, k] = chance + (self.chance[state, action, k - 1] if k else 0.0)
                    self.following[state, action, k] = -1 if over else following
                    self.reward[state, action, k] = reward

    def backup(self, values: np.ndarray, gamma: float) -> np.ndarray:
        """Σ p [r + γ V(s′)] of each state and action, float64[s, a] (Sutton & Barto 2018, eq. 4.10)."""
        p = np.diff(self.chance, axis=2, prepend=0.0)
        after = np.where(self.following >= 0, values[self.following], 0.0)
        return (p * (self.reward + gamma * after)).sum(axis=2)

    def optimum(self, gamma: float, sweeps: int = 10_000) -> np.ndarray:
        """V* by value iteration, float64[s]."""
        values = np.zeros(len(self.start))
        for _ in range(sweeps):
            new = self.backup(values, gamma).max(axis=1)
            if np.array_equal(new, values):
                break
            values = new
        return values

    def worth(self, policy: np.ndarray, gamma: float, sweeps: int = 10_000) -> float:
        """The exact expected return of a deterministic policy int64[s] from the start."""
        values = np.zeros(len(self.start))
        for _ in range(sweeps):
            values = self.backup(values, gamma)[np.arange(len(policy)), policy]
        return float(np.diff(self.start, prepend=0.0) @ values)

    def train(self, learner: Learner, steps: int, episodes: int = 0, longest: int = 0) -> np.ndarray:
        """Let a learner play and learn for ``steps`` steps, ε-greedily, or until so many ``episodes`` are over.

        ``longest`` cuts episodes short (0: never). Returns rewards and steps of each episode, float64[episodes, 2].
        """
        found = np.zeros((max(episodes, 1), 2))
        table = learner.table
        n = _train(
            table.q, table.trace, table.active, self.chance, self.following, self.reward, self.start, found,
            learner.rng, steps, episodes, longest, table.method, *table.rates,
        )  # fmt: skip
        return found[:n]


# S ← start, A ~ ε-greedy; loop: R, S′, A′, update, S ← S′, A ← A′ (Sutton & Barto 2018, sections 6.4 and 6.5)
@njit(
    "int64(float64[:,::1], float64[:,::1], int64[::1], float64[:,:,::1], int64[:,:,::1], float64[:,:,::1],"
    " float64[::1], float64[:,::1], uint64[::1], int64, int64, int64, int64, float64, float64, float64, float64,"
    " float64, boolean)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _train(
    q, trace, active, chance, following, reward, start, found, rng, steps, episodes, longest, method, alpha, gamma,
    lambda_, epsilon, temperature, replacing,
):  # fmt: skip
    mask = np.ones(q.shape[1], dtype=np.uint8)
    none = np.zeros(q.shape[1])
    episode, total, length = 0, 0.0, 0
    state, action = -1, -1
    for _ in range(steps):
        if state < 0:
            u = uniform(rng)
            state, last = 0, start.shape[0] - 1
            while state < last:  # the first whose sum is above u
                middle = (state + last) // 2
                if u >= start[middle]:
                    state = middle + 1
                else:
                    last = middle
            action = epsilon_greedy_decide(q, state, mask, none, none, 0.0, epsilon, rng)
        k = 0
        if chance.shape[2] > 1:
            u = uniform(rng)
            while k < chance.shape[2] - 1 and u >= chance[state, action, k]:
                k += 1
        after = following[state, action, k]
        gained = reward[state, action, k]
        chosen = -1
        if after >= 0:
            chosen = epsilon_greedy_decide(q, after, mask, none, none, 0.0, epsilon, rng)
        td_update(
            q, trace, active, mask, state, action, gained, after, chosen, method, alpha, gamma, lambda_, epsilon,
            temperature, replacing,
        )  # fmt: skip
        total += gained
        length += 1
        state, action = after, chosen
        if after < 0 or length == longest:
            if episode < found.shape[0]:
                found[episode, 0], found[episode, 1] = total, length
            episode += 1
            total, length = 0.0, 0
            state = -1
            for j in range(1, active[0] + 1):
                trace[active[j] // q.shape[1], active[j] % q.shape[1]] = 0.0
            active[0] = 0
            if episode == episodes:
                break
    return min(episode, found.shape[0])
