"""What every network that learns offers, whatever it learns from: an environment, imagined music, or a player.

``agents.school`` trains one on environments, ``practice`` in music, ``agents.networked`` puts one behind a head.
"""

from typing import Any, Protocol

import numpy as np

from livecomposer.agents.rows import Rows


class Trainer(Protocol):
    """One learner with discrete actions."""

    hyper: Any  # its frozen dataclass of hyper-parameters
    n_features: int
    n_actions: int
    lanes: int  # environments that it learns from side by side
    horizon: int  # steps in each of them between two calls of ``learn``
    whole_episodes: bool  # and then to the episode's end
    updates: int  # steps of the optimiser so far
    bad: int  # rows set aside because something in them was no finite number

    @property
    def policy_params(self) -> np.ndarray:
        """The parameters that decide, float32[n], live."""

    def act(self, features: np.ndarray, mask: np.ndarray, greedy: bool = False) -> int:
        """An action with mask 1 (-1: there is none)."""

    def decide(
        self, features: np.ndarray, mask: np.ndarray, prior: np.ndarray, rng: np.ndarray, heat: float
    ) -> int:  # fmt: skip
        """The same beside a prior float64[n_actions], ``heat`` times as much by chance as usual. Hot: no allocation."""

    def value(self, features: np.ndarray, action: int) -> float:
        """What the network says for an action: its worth (DQN), or the logit that it adds to the prior's."""

    def learn(self, rows: Rows, share: float = 0.0) -> dict[str, float]:
        """Learn from rows, ``share`` of all the training being over; returns what to show (``loss``, ``entropy``)."""

    def state(self) -> dict[str, np.ndarray]:
        """All that training goes on from, as named arrays (live, not copies)."""

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from the ``state()`` of a trainer of the same shape."""


class Asynchronous(Trainer, Protocol):
    """A trainer whose workers learn at once, each on a thread of its own, without locks."""

    def workers(self) -> list[Trainer]:
        """One trainer a thread; all change the same weights."""
