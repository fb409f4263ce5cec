"""Dyna-Q on a learned listener: Q-learning by planning on what the player has been found to like.

The loop owns one for each head. Ratings go to ``ratings.taste`` (Bayesian linear regression, Thompson sampling); an
action's value is what the taste says of it here and now, to which planning in the shipped model adds what comes of it
(Sutton 1990; Sutton & Barto 2018, section 8.2). The policy stays near the prior, as far as nothing speaks against it:
π(a|c) ∝ π₀(a|c) exp β [θ·φ(c, a) + F(s, a) − w(c, a)] (Haarnoja et al. 2017; Jaques et al. 2017), where w is what has
been heard too often of late (``agents.view``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from livecomposer.agents.kernels import new_rng, plan_sweeps, softmax_decide
from livecomposer.agents.prior import Model
from livecomposer.agents.protocol import CAPACITY, Steps
from livecomposer.music.actions import HeadSpec
from livecomposer.ratings.features import FIRST_OF, N_OF
from livecomposer.ratings.taste import Taste


@dataclass(frozen=True, slots=True)
class DynaQSettings:
    """Hyper-parameters of planning on a taste."""

    beta: float = 18.0  # nats that a whole rating (1) is worth
    gamma: float = 0.6  # discount: how much the events that follow count
    sweeps: int = 12  # value-iteration sweeps of one job


class DynaQAgent:
    """One head's planner.

    Attributes
    ----------
    future : float64[n_states, n_actions]
        γ Σ P(s'|s,a) V(s'): what comes of an action, in ratings.
    """

    def __init__(self, spec: HeadSpec, head: int, hyper: DynaQSettings, seed: int, model: Model, taste: Taste) -> None:
        self.spec = spec
        self.n_features = 0
        self.capacity = CAPACITY
        self.hyper = hyper
        self.taste = taste
        self.future = np.zeros((spec.n_states, spec.n_actions))
        self.rng = new_rng(seed, *spec.name.encode())
        self._of = slice(FIRST_OF[head], FIRST_OF[head] + N_OF[head])
        self._model = model
        self._values = np.zeros(spec.n_states)
        self.nat = 1.0 / hyper.beta  # what a nat is worth in ratings

    def act(
        self, state: int, features: np.ndarray, mask: np.ndarray, prior: np.ndarray, liking: np.ndarray
    ) -> int:  # fmt: skip
        """An action with mask 1, or -1 if there is none."""
        return softmax_decide(self.future, state, mask, prior, liking, self.nat, self.nat, self.rng)

    def value(self, state: int, features: np.ndarray, action: int) -> float:
        """What comes of the choice (what there is to say of it here stands in ``Choice.liking``)."""
        return float(self.future[state, action])

    def explore(self, adventure: float) -> None:
        """Nothing of its own: the taste explores."""

    def observe(self, steps: Steps, i: int) -> None:
        """Nothing: ratings reach the taste, not the steps."""

    def job(self, steps: Steps) -> Callable[[], np.ndarray]:
        """Sweeps on the taste as it is now, from the old values."""
        weights, values, model, hyper = self.taste.weights[self._of].copy(), self._values, self._model, self.hyper
        future = np.empty_like(self.future)

        def run() -> np.ndarray:
            v = values.copy()
            plan_sweeps(
                model.chosen, model.features, model.following, weights, hyper.beta, hyper.gamma, hyper.sweeps, v, future
            )
            return np.concatenate([future.reshape(-1), v])

        return run

    def adopt(self, result: np.ndarray) -> None:
        """The job's plan becomes the plan in use."""
        self.future = result[: self.future.size].reshape(self.future.shape)
        self._values = result[self.future.size :]

    def fold(self, steps: Steps, rows: int) -> None:
        """Nothing is kept of steps."""

    def state(self) -> dict[str, np.ndarray]:
        """Nothing: what has been learnt is the taste's."""
        return {}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Nothing to load."""

    def keep(self) -> Any:
        """The plan in use."""
        return self.future, self._values  # replaced by each job, never written in place

    def restore(self, kept: Any) -> None:
        """That plan again."""
        self.future, self._values = kept
