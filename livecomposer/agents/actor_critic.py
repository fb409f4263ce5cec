"""Actor-critic methods: A2C, A3C with lock-free workers, and PPO, on the networks of ``agents.policy_gradient``.

A3C: Mnih et al. 2016, algorithm S3, with RMSprop whose statistics are shared (section 4.5). A2C is its synchronous
form: one worker, several environments. PPO: Schulman et al. 2017, algorithm 1. All estimate advantages by GAE (Schulman
et al. 2016), of which λ = 1 gives the n-step returns of the former two.
"""

from dataclasses import dataclass

import numpy as np

from livecomposer.agents.kernels import new_rng
from livecomposer.agents.network import adam, clip_norm, rmsprop, shuffle
from livecomposer.agents.policy_gradient import ENTROPY, POLICY, Actor, normalise
from livecomposer.agents.rows import Rows, set_aside

DECAY, TINY = 0.99, 1e-5  # of RMSprop


@dataclass(frozen=True, slots=True)
class A2CSettings:
    """Hyper-parameters of A2C."""

    alpha: float = 5e-4  # step size of RMSprop, at first; falls to 0 over the training
    gamma: float = 0.99  # discount
    lambda_: float = 0.95  # of GAE
    width: int = 64  # units of a hidden layer
    depth: int = 2  # hidden layers
    gain: float = 1.0  # size of the last layer's first weights (0: it says nothing at first)
    lanes: int = 4  # environments side by side
    horizon: int = 32  # steps in each before an update
    value_cost: float = 0.5  # weight of the critic's squared error
    entropy_gain: float = 0.0  # weight of the bonus for staying near the prior
    longest: float = 0.5  # the gradient's length is at most this


@dataclass(frozen=True, slots=True)
class A3CSettings:
    """Hyper-parameters of A3C."""

    alpha: float = 3e-4  # step size of RMSprop, at first; falls to 0 over the training
    gamma: float = 0.99  # discount
    lambda_: float = 0.95  # of GAE
    width: int = 64  # units of a hidden layer
    depth: int = 2  # hidden layers
    gain: float = 1.0  # size of the last layer's first weights (0: it says nothing at first)
    workers: int = 2  # threads; with 1 the same seed gives the same weights
    horizon: int = 64  # steps of a worker before an update
    value_cost: float = 0.5  # weight of the critic's squared error
    entropy_gain: float = 0.0  # weight of the bonus for staying near the prior
    longest: float = 0.5  # the gradient's length is at most this


@dataclass(frozen=True, slots=True)
class PPOSettings:
    """Hyper-parameters of PPO."""

    alpha: float = 1e-3  # step size of Adam, at first; falls to 0 over the training
    gamma: float = 0.98  # discount
    lambda_: float = 0.8  # of GAE
    width: int = 64  # units of a hidden layer
    depth: int = 2  # hidden layers
    gain: float = 1.0  # size of the last layer's first weights (0: it says nothing at first)
    lanes: int = 8  # environments side by side
    horizon: int = 32  # steps in each before an update
    epochs: int = 20  # times that all those steps are learnt from
    batch: int = 256  # steps of them at a time
    clip: float = 0.2  # how far the policy may go from the one that acted, at first; falls to 0 over the training
    value_cost: float = 0.5  # weight of the critic's squared error
    entropy_gain: float = 0.0  # weight of the bonus for staying near the prior
    longest: float = 0.5  # the gradient's length is at most this
    normalise: bool = True  # advantages are brought to standard deviation 1


class Worker:
    """A2C, or one thread of A3C: acts with weights of its own and sends its gradients to those that are shared.

    Parameters
    ----------
    shared, squares : float32[n], optional
        Weights to change, and RMSprop's statistics of them (default: its own, as A2C has it).
    """

    whole_episodes = False

    def __init__(
        self, n_features: int, n_actions: int, hyper: A2CSettings | A3CSettings, seed: int,
        shared: np.ndarray | None = None, squares: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.hyper = hyper
        self.n_features, self.n_actions = n_features, n_actions
        self.actor = Actor(n_features, n_actions, hyper.width, hyper.depth, hyper.gain, seed)
        self.act, self.decide, self.value = self.actor.act, self.actor.decide, self.actor.value
        self.lanes = hyper.lanes if isinstance(hyper, A2CSettings) else 1
        self.horizon = hyper.horizon
        self.updates = self.bad = 0
        self._shared = self.actor.params if shared is None else shared
        self._squares = np.zeros_like(self._shared) if squares is None else squares
        self.actor.params[:] = self._shared

    @property
    def policy_params(self) -> np.ndarray:
        """The parameters that decide."""
        return self.actor.policy_params

    def learn(self, rows: Rows, share: float = 0.0) -> dict[str, float]:
        """See ``Trainer.learn``: one step along the gradient; then the weights of all are acted with."""
        hyper, actor = self.hyper, self.actor
        self.bad += set_aside(rows.features, rows.reward, rows.ghost)
        index = np.flatnonzero(rows.ghost == 0)
        if not index.size:
            return {}
        targets = actor.targets(rows, hyper.gamma, hyper.lambda_)
        actor.loss(rows, targets, index, 0.0, hyper.value_cost, hyper.entropy_gain)
        if np.isfinite(clip_norm(actor.gradient, hyper.longest)):
            rmsprop(self._shared, actor.gradient, self._squares, hyper.alpha * (1.0 - share), DECAY, TINY)
            self.updates += 1
        else:
            actor.gradient[:] = 0.0
        if actor.params is not self._shared:
            actor.params[:] = self._shared
        return {"loss": float(actor.report[POLICY]), "entropy": float(actor.report[ENTROPY])}

    def state(self) -> dict[str, np.ndarray]:
        """See ``Trainer.state``."""
        return {"params": self._shared, "squares": self._squares, "rng": self.actor.rng}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """See ``Trainer.load``."""
        for name, array in self.state().items():
            array[:] = state[name]
        self.actor.params[:] = self._shared


class A3C:
    """Several workers on one set of weights; by itself it acts and learns as its first worker does."""

    whole_episodes = False
    lanes = 1

    def __init__(self, n_features: int, n_actions: int, hyper: A3CSettings, seed: int) -> None:
        self.hyper = hyper
        self.n_features, self.n_actions = n_features, n_actions
        first = Worker(n_features, n_actions, hyper, seed)
        self.params = first.actor.params.copy()
        squares = np.zeros_like(self.params)
        self._workers = [
            Worker(n_features, n_actions, hyper, seed + 2 * i, self.params, squares) for i in range(hyper.workers)
        ]
        self._squares = squares
        self.horizon = hyper.horizon
        self.learn = self._workers[0].learn
        self.act, self.decide, self.value = (getattr(self._workers[0], name) for name in ("act", "decide", "value"))

    @property
    def policy_params(self) -> np.ndarray:
        """The parameters that decide."""
        return self._workers[0].policy_params

    @property
    def updates(self) -> int:
        """Steps of the optimiser so far."""
        return sum(worker.updates for worker in self._workers)

    @property
    def bad(self) -> int:
        """Rows set aside by all workers."""
        return sum(worker.bad for worker in self._workers)

    def workers(self) -> list[Worker]:
        """One trainer a thread."""
        return self._workers

    def state(self) -> dict[str, np.ndarray]:
        """See ``Trainer.state``."""
        kept = {"params": self.params, "squares": self._squares}
        return kept | {f"rng{i}": worker.actor.rng for i, worker in enumerate(self._workers)}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """See ``Trainer.load``."""
        for name, array in self.state().items():
            array[:] = state[name]
        for worker in self._workers:
            worker.actor.params[:] = self.params


class PPO:
    """Proximal policy optimisation."""

    whole_episodes = False

    def __init__(self, n_features: int, n_actions: int, hyper: PPOSettings, seed: int) -> None:
        self.hyper = hyper
        self.n_features, self.n_actions = n_features, n_actions
        self.actor = Actor(n_features, n_actions, hyper.width, hyper.depth, hyper.gain, seed)
        self.act, self.decide, self.value = self.actor.act, self.actor.decide, self.actor.value
        self.lanes, self.horizon = hyper.lanes, hyper.horizon
        self.bad = 0
        self._moments = np.zeros((2, self.actor.params.size), dtype=np.float32)
        self._updates = np.zeros(1, dtype=np.int64)
        self._rng = new_rng(seed, 0x990)

    @property
    def policy_params(self) -> np.ndarray:
        """The parameters that decide."""
        return self.actor.policy_params

    @property
    def updates(self) -> int:
        """Steps of the optimiser so far."""
        return int(self._updates[0])

    def learn(self, rows: Rows, share: float = 0.0) -> dict[str, float]:
        """See ``Trainer.learn``: epochs of minibatches on the clipped objective."""
        hyper, actor = self.hyper, self.actor
        self.bad += set_aside(rows.features, rows.reward, rows.ghost)
        index = np.flatnonzero(rows.ghost == 0)
        if not index.size:
            return {}
        targets = actor.targets(rows, hyper.gamma, hyper.lambda_)
        if hyper.normalise:
            normalise(targets, index)
        left = 1.0 - share
        total = np.zeros(3)
        n = 0
        for _ in range(hyper.epochs):
            shuffle(index, self._rng)
            for at in range(0, index.size, hyper.batch):
                part = index[at : at + hyper.batch]
                actor.loss(rows, targets, part, hyper.clip * max(left, 1e-3), hyper.value_cost, hyper.entropy_gain)
                total += actor.report
                n += 1
                if np.isfinite(clip_norm(actor.gradient, hyper.longest)):
                    self._updates += 1
                    adam(
                        actor.params, actor.gradient, self._moments, self.updates, hyper.alpha * left, 0.9, 0.999, 1e-5
                    )
                else:
                    actor.gradient[:] = 0.0
        return {"loss": float(total[POLICY] / n), "entropy": float(total[ENTROPY] / n)}

    def state(self) -> dict[str, np.ndarray]:
        """See ``Trainer.state``."""
        return {
            "params": self.actor.params, "moments": self._moments, "updates": self._updates, "rng": self.actor.rng,
            "order": self._rng,
        }  # fmt: skip

    def load(self, state: dict[str, np.ndarray]) -> None:
        """See ``Trainer.load``."""
        for name, array in self.state().items():
            array[:] = state[name]
