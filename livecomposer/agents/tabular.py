"""Tables of action values: Q-learning, Sarsa, Expected Sarsa, Watkins's Q(λ) and Sarsa(λ), by one update kernel.

``TableAgent`` plays a head: the loop owns it, and ``job()`` returns a closure over copies that the learner thread runs
(sweeps over remembered steps are Lin's 1992 experience replay, in the order played, so that a job's result depends
only on the rows: undoing a rating is exact). ``Learner`` is the same table in any environment with discrete states.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from livecomposer.agents.kernels import METHODS, epsilon_greedy_decide, new_rng, softmax_decide, td_sweep, td_update
from livecomposer.agents.protocol import CAPACITY, Steps
from livecomposer.music.actions import HeadSpec

COLDEST = 1e-9  # temperature of a softmax that has annealed to nothing


@dataclass(frozen=True, slots=True)
class TableSettings:
    """Hyper-parameters of the tabular agents, as they are in the instrument."""

    method: str = "q"  # "q", "sarsa" or "expected-sarsa"
    alpha: float = 0.05  # step size, 0 to 1 (`bench listener`; 0.2 follows the noise of 150 presses)
    alpha_end: float = -1.0  # to which it falls over a training (-1: it stays)
    gamma: float = 0.3  # discount: how much the notes that follow count, 0 to 1
    lambda_: float = 0.0  # how far back an error reaches by eligibility traces, 0 (one step) to 1
    traces: str = "replacing"  # "replacing" or "accumulating"
    policy: str = "softmax"  # "softmax" or "epsilon-greedy"
    temperature: float = 0.02  # of the softmax at adventure 0.5, and so what a nat of the prior is worth, reward units
    epsilon: float = 0.1  # of ε-greedy at adventure 0.5
    epsilon_end: float = -1.0  # to which it falls over a training, and the temperature as much (-1: it stays)
    optimistic: float = 0.0  # what every action is taken to be worth at first
    sweeps: int = 4  # passes over the remembered steps in one job


class Table:
    """Action values, the eligibility traces behind them, and the update that the hyper-parameters ask for."""

    def __init__(self, n_states: int, n_actions: int, hyper: TableSettings) -> None:
        self.hyper = hyper
        self.q = np.full((n_states, n_actions), hyper.optimistic)
        traced = n_states if hyper.lambda_ > 0.0 else 0
        self.trace = np.zeros((traced, n_actions))
        self.active = np.zeros(1 + traced * n_actions, dtype=np.int64)
        self.method = METHODS.index(hyper.method)
        self.rates = (
            hyper.alpha, hyper.gamma, hyper.lambda_, hyper.epsilon,
            hyper.temperature if hyper.policy == "softmax" else 0.0, hyper.traces == "replacing",
        )  # fmt: skip

    def update(
        self, state: int, action: int, reward: float, next_state: int, next_action: int, mask: np.ndarray
    ) -> float:  # fmt: skip
        """One step's update; see ``kernels.td_update``."""
        return td_update(
            self.q, self.trace, self.active, mask, state, action, reward, next_state, next_action, self.method,
            *self.rates,
        )  # fmt: skip


class TableAgent:
    """A table over ``spec``, beside a prior: it holds what ratings have added to it, at first nothing.

    Steps that nobody rates therefore leave the prior as it is, and ratings without a taste in them average to nothing.
    """

    def __init__(self, spec: HeadSpec, hyper: TableSettings, seed: int) -> None:
        self.spec = spec
        self.n_features = 0
        self.capacity = CAPACITY
        self.hyper = hyper
        self.table = Table(spec.n_states, spec.n_actions, hyper)
        self.base = self.table.q.copy()
        self.rng = new_rng(seed, *spec.name.encode())
        self._decide = softmax_decide if hyper.policy == "softmax" else epsilon_greedy_decide
        self.nat = hyper.temperature
        self._heat = 0.0
        self.explore(0.5)

    @property
    def q(self) -> np.ndarray:
        """The values in use, float64[n_states, n_actions]."""
        return self.table.q

    def act(
        self, state: int, features: np.ndarray, mask: np.ndarray, prior: np.ndarray, liking: np.ndarray
    ) -> int:  # fmt: skip
        """An action with mask 1, or -1 if there is none."""
        return self._decide(self.table.q, state, mask, prior, liking, self.nat, self._heat, self.rng)

    def value(self, state: int, features: np.ndarray, action: int) -> float:
        """Q(s, a)."""
        return float(self.table.q[state, action])

    def explore(self, adventure: float) -> None:
        """Scale temperature by 1/8 (0) to 8 (1), or ε from 0 to twice its setting."""
        if self.hyper.policy == "softmax":
            self._heat = self.hyper.temperature * 8.0 ** (2.0 * adventure - 1.0)
        else:
            self._heat = self.hyper.epsilon * 2.0 * adventure

    def observe(self, steps: Steps, i: int) -> None:
        """One update from row ``i``."""
        after = -1 if steps.terminated[i] else int(steps.state[i + 1])
        self.table.update(
            int(steps.state[i]), int(steps.action[i]), float(steps.reward[i]), after, int(steps.action[i + 1]),
            steps.mask[i + 1],
        )  # fmt: skip

    def job(self, steps: Steps) -> Callable[[], np.ndarray]:
        """Sweeps over all remembered rows from the base table."""
        return self._sweeping(steps, steps.n)

    def _sweeping(self, steps: Steps, n: int) -> Callable[[], np.ndarray]:
        """Sweeps over the first ``n`` rows; the closure owns what can still change."""
        base = self.base  # replaced, never written in place
        states, actions, masks = steps.state[:n], steps.action[:n], steps.mask[:n]  # rows once written stay
        rewards = steps.reward[:n].copy()
        terminated = steps.terminated[:n].copy()
        table = self.table
        trace, active = np.zeros_like(table.trace), np.zeros_like(table.active)

        def run() -> np.ndarray:
            q = base.copy()
            td_sweep(
                q, trace, active, states, actions, rewards, terminated, masks, table.hyper.sweeps, table.method,
                *table.rates,
            )  # fmt: skip
            return q

        return run

    def adopt(self, result: np.ndarray) -> None:
        """The job's table becomes the table in use."""
        self.table.q = result

    def fold(self, steps: Steps, rows: int) -> None:
        """Make the first ``rows`` rows part of the base table."""
        self.base = self._sweeping(steps, rows + 1)()

    def state(self) -> dict[str, np.ndarray]:
        """The table float64[n_states, n_actions]."""
        return {"q": self.table.q}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Start from a table of the same shape; it is also what undo goes back to."""
        self.base = np.ascontiguousarray(state["q"], dtype=np.float64).copy()
        self.table.q = self.base.copy()
        self.table.trace[:] = 0.0
        self.table.active[0] = 0

    def keep(self) -> Any:
        """The table, as ``load`` takes it."""
        return {"q": self.table.q.copy()}

    def restore(self, kept: Any) -> None:
        """Start from that table."""
        self.load(kept)


class Learner:
    """A table that acts and learns in an environment, step by step."""

    def __init__(self, n_states: int, n_actions: int, hyper: TableSettings, seed: int) -> None:
        self.hyper = hyper
        self.table = Table(n_states, n_actions, hyper)
        self.rng = new_rng(seed, 0x7AB)
        self._none = np.zeros(n_actions)
        self._decide = softmax_decide if hyper.policy == "softmax" else epsilon_greedy_decide
        self._heat = 0.0
        self.anneal(0.0)

    def act(self, state: int, mask: np.ndarray) -> int:
        """An action with mask 1, or -1 if there is none."""
        return self._decide(self.table.q, state, mask, self._none, self._none, 0.0, self._heat, self.rng)

    def greedy(self, state: int, mask: np.ndarray) -> int:
        """The best action, the first of equals."""
        return epsilon_greedy_decide(self.table.q, state, mask, self._none, self._none, 0.0, 0.0, self.rng)

    def anneal(self, share: float) -> None:
        """Set the step size and chance for when ``share`` of the training is over."""
        hyper = self.hyper
        alpha = hyper.alpha if hyper.alpha_end < 0.0 else hyper.alpha + (hyper.alpha_end - hyper.alpha) * share
        epsilon = hyper.epsilon
        if hyper.epsilon_end >= 0.0:
            epsilon += (hyper.epsilon_end - hyper.epsilon) * share
        softly = hyper.policy == "softmax"
        cooler = epsilon / hyper.epsilon if hyper.epsilon > 0.0 else 1.0
        self._heat = max(hyper.temperature * cooler, COLDEST) if softly else epsilon
        _, gamma, lambda_, _, _, replacing = self.table.rates
        self.table.rates = (alpha, gamma, lambda_, epsilon, self._heat if softly else 0.0, replacing)

    def end(self) -> None:
        """The episode is over: nothing before it is to be credited with what comes."""
        self.table.trace[:] = 0.0
        self.table.active[0] = 0

    def state(self) -> dict[str, np.ndarray]:
        """The table float64[n_states, n_actions]."""
        return {"q": self.table.q}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a table of the same shape."""
        self.table.q[:] = state["q"]
