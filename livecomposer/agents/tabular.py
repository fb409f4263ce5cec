"""Tabular Q-learning for one head: a table, one decide kernel, one update kernel, and batch sweeps as jobs.

The loop owns the object; ``job()`` returns a closure over copies that the learner thread runs (Watkins 1989; the
sweeps over remembered steps are Lin's 1992 experience replay, in the order played, so that a job's result depends
only on the rows: undoing a rating is exact).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from livecomposer.agents.kernels import epsilon_greedy_decide, new_rng, q_sweep, q_update, softmax_decide
from livecomposer.agents.protocol import Steps
from livecomposer.music.actions import HeadSpec


@dataclass(frozen=True, slots=True)
class QSettings:
    """Hyper-parameters of tabular Q-learning."""

    alpha: float = 0.05  # step size, 0 to 1 (`bench listener`; 0.2 follows the noise of 150 presses)
    gamma: float = 0.3  # discount: how much the notes that follow count, 0 to 1
    policy: str = "softmax"  # "softmax" or "epsilon-greedy"
    temperature: float = 0.02  # of the softmax at adventure 0.5, and so what a nat of the prior is worth, reward units
    epsilon: float = 0.1  # of ε-greedy at adventure 0.5
    sweeps: int = 4  # passes over the remembered steps in one job


class QAgent:
    """Q-learning over ``spec``, beside a prior: the table holds what ratings have added to it, at first nothing.

    Steps that nobody rates therefore leave the prior as it is, and ratings without a taste in them average to nothing.
    """

    def __init__(self, spec: HeadSpec, hyper: QSettings, seed: int) -> None:
        self.spec = spec
        self.n_features = 0
        self.hyper = hyper
        self.base = np.zeros((spec.n_states, spec.n_actions))
        self.q = self.base.copy()
        self.rng = new_rng(seed, *spec.name.encode())
        self._decide = softmax_decide if hyper.policy == "softmax" else epsilon_greedy_decide
        self.nat = hyper.temperature
        self._heat = 0.0
        self.explore(0.5)

    def act(
        self, state: int, features: np.ndarray, mask: np.ndarray, prior: np.ndarray, liking: np.ndarray
    ) -> int:  # fmt: skip
        """An action with mask 1, or -1 if there is none."""
        return self._decide(self.q, state, mask, prior, liking, self.nat, self._heat, self.rng)

    def value(self, state: int, action: int) -> float:
        """Q(s, a)."""
        return float(self.q[state, action])

    def explore(self, adventure: float) -> None:
        """Scale temperature by 1/8 (0) to 8 (1), or ε from 0 to twice its setting."""
        if self.hyper.policy == "softmax":
            self._heat = self.hyper.temperature * 8.0 ** (2.0 * adventure - 1.0)
        else:
            self._heat = self.hyper.epsilon * 2.0 * adventure

    def observe(self, steps: Steps, i: int) -> None:
        """One update from row ``i``."""
        action, reward = int(steps.action[i]), float(steps.reward[i])
        after = -1 if steps.terminated[i] else int(steps.state[i + 1])
        hyper = self.hyper
        q_update(self.q, int(steps.state[i]), action, reward, after, steps.mask[i + 1], hyper.alpha, hyper.gamma)

    def job(self, steps: Steps) -> Callable[[], np.ndarray]:
        """Sweeps over all remembered rows from the base table."""
        return self._sweeping(steps, steps.n)

    def _sweeping(self, steps: Steps, n: int) -> Callable[[], np.ndarray]:
        """Sweeps over the first ``n`` rows; the closure owns what can still change."""
        base = self.base  # replaced, never written in place
        states, actions, masks = steps.state[:n], steps.action[:n], steps.mask[:n]  # rows once written stay
        rewards = steps.reward[:n].copy()
        terminated = steps.terminated[:n].copy()
        hyper = self.hyper

        def run() -> np.ndarray:
            q = base.copy()
            q_sweep(q, states, actions, rewards, terminated, masks, hyper.sweeps, hyper.alpha, hyper.gamma)
            return q

        return run

    def adopt(self, result: np.ndarray) -> None:
        """The job's table becomes the table in use."""
        self.q = result

    def fold(self, steps: Steps, rows: int) -> None:
        """Make the first ``rows`` rows part of the base table."""
        self.base = self._sweeping(steps, rows + 1)()

    def state(self) -> dict[str, np.ndarray]:
        """The table float64[n_states, n_actions]."""
        return {"q": self.q}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Start from a table of the same shape; it is also what undo goes back to."""
        self.base = np.ascontiguousarray(state["q"], dtype=np.float64).copy()
        self.q = self.base.copy()

    def keep(self) -> Any:
        """The table, as ``load`` takes it."""
        return {"q": self.q.copy()}

    def restore(self, kept: Any) -> None:
        """Start from that table."""
        self.load(kept)
