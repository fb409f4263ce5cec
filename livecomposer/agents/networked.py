"""A network behind one head: it decides with adopted weights beside the prior, and learns from rated steps in jobs.

The loop owns it. There are two trainers of one kind: the one that plays, and a spare that the learner thread teaches in
a job, always from the same base and all remembered steps, so that a job's result depends on the rows only (undoing a
rating is exact); ``adopt`` exchanges them. Until something is rated its output is 0 everywhere: it plays the prior.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from livecomposer.agents.kernels import new_rng
from livecomposer.agents.protocol import Steps
from livecomposer.agents.registry import make_trainer
from livecomposer.agents.rows import Rows
from livecomposer.agents.trainer import Trainer
from livecomposer.errors import TasteError
from livecomposer.music.actions import HeadSpec

CAPACITY = 2048  # steps remembered, about ten minutes: a job learns from all of them
PASSES = 8  # over the remembered steps in one job


class NetworkAgent:
    """One head's network.

    Parameters
    ----------
    spec : HeadSpec
    name : str
        Of the agent, as the registry has it.
    hyper
        Its hyper-parameters.
    seed : int
    """

    def __init__(self, spec: HeadSpec, name: str, hyper: Any, seed: int) -> None:
        self.spec = spec
        self.n_features = spec.n_features
        self.capacity = CAPACITY
        self.rng = new_rng(seed, *spec.name.encode())
        self.trainer, self._spare = (
            make_trainer(name, spec.n_features, spec.n_actions, hyper, int(self.rng[0]) >> 33) for _ in range(2)
        )
        self._base = _copy(self.trainer)
        self._heat = 1.0
        self.nat = float(getattr(hyper, "unit", 1.0))

    def act(
        self, state: int, features: np.ndarray, mask: np.ndarray, prior: np.ndarray, liking: np.ndarray
    ) -> int:  # fmt: skip
        """An action with mask 1, or -1 if there is none."""
        return self.trainer.decide(features, mask, prior, self.rng, self._heat)

    def value(self, state: int, features: np.ndarray, action: int) -> float:
        """What the network says of an action."""
        return self.trainer.value(features, action)

    def explore(self, adventure: float) -> None:
        """Scale the temperature by 1/8 (0) to 8 (1)."""
        self._heat = 8.0 ** (2.0 * adventure - 1.0)

    def observe(self, steps: Steps, i: int) -> None:
        """Nothing: what is rated is learnt in jobs."""

    def job(self, steps: Steps) -> Callable[[], Trainer]:
        """Learn from all remembered rows, from the base on; the closure owns what can still change."""
        n = steps.n
        rows = Rows(self.n_features, self.spec.n_actions, 1, n)
        rows.features, rows.mask, rows.action = steps.features[:n].copy(), steps.mask[:n], steps.action[:n]
        rows.prior, rows.reward = steps.logits[:n], steps.reward[:n].astype(np.float32)
        rows.terminated, rows.ghost = steps.terminated[:n].copy(), np.zeros(n, dtype=np.uint8)
        rows.ghost[n - 1 : n] = 1  # what comes of the last is not known yet
        base, spare = self._base, self._spare

        def run() -> Trainer:
            spare.load(base)
            for _ in range(PASSES):
                spare.learn(rows)
            return spare

        return run

    def adopt(self, result: Trainer) -> None:
        """What has learnt plays, and what has played will learn."""
        if result is not self.trainer:
            self.trainer, self._spare = result, self.trainer

    def fold(self, steps: Steps, rows: int) -> None:
        """What has been learnt so far becomes the base; no rating before it can be taken back."""
        self._base = _copy(self.trainer)

    def state(self) -> dict[str, np.ndarray]:
        """The weights in use, and what learning goes on from."""
        return self.trainer.state()

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from such a state; it is also what undo goes back to. Raises TasteError for what cannot be one."""
        least = [state[name].min() for name in ("updates", "squares") if name in state]
        if min([*least, *(state["moments"][1].min() for _ in range("moments" in state))], default=0) < 0:
            raise TasteError("numbers that cannot be")
        self.trainer.load(state)
        self._base = _copy(self.trainer)

    def keep(self) -> dict[str, np.ndarray]:
        """What it stands on, as ``load`` takes it."""
        return _copy(self.trainer)

    def restore(self, kept: dict[str, np.ndarray]) -> None:
        """Stand there again."""
        self.load(kept)


def _copy(trainer: Trainer) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in trainer.state().items()}
