"""DQN: Q-learning with a network, a replay memory and a target network (Mnih et al. 2015, algorithm 1).

Huber loss, Adam and gradient clipping; Double DQN (van Hasselt et al. 2016) and n-step returns (Sutton & Barto 2018,
eq. 7.1) by hyper-parameter. The memory is preallocated arrays, the oldest row is overwritten first.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from livecomposer.agents.kernels import new_rng
from livecomposer.agents.network import (
    BLOCK,
    GREEDY,
    Shape,
    adam,
    backward_many,
    both,
    clip_norm,
    forward,
    forward_many,
    gather,
    network_decide,
    new_params,
    uniform,
    work_of,
)
from livecomposer.agents.rows import Rows, set_aside


@dataclass(frozen=True, slots=True)
class DQNSettings:
    """Hyper-parameters of DQN."""

    alpha: float = 2.3e-3  # step size of Adam
    gamma: float = 0.99  # discount
    width: int = 256  # units of a hidden layer
    depth: int = 2  # hidden layers
    gain: float = 1.0  # size of the last layer's first weights (0: it says nothing at first)
    memory: int = 100_000  # steps that are remembered
    begin: int = 1000  # steps before the first update
    horizon: int = 256  # steps between two rounds of updates
    updates: int = 128  # in a round
    batch: int = 64  # steps in an update
    target_every: int = 128  # updates between two copies of the network to the target network
    epsilon: float = 0.04  # share of chance actions at the end
    epsilon_falls: float = 0.16  # over this share of the training ε falls from 1 to its end
    n_steps: int = 1  # rewards that are added up before the network's estimate takes over
    double: bool = True  # the network chooses, the target network judges
    longest: float = 10.0  # the gradient's length is at most this
    unit: float = 0.02  # beside a prior: what a nat of it is worth in rewards


class DQN:
    """One deep Q-network."""

    whole_episodes = False
    lanes = 1

    def __init__(self, n_features: int, n_actions: int, hyper: DQNSettings, seed: int) -> None:
        self.hyper = hyper
        self.n_features, self.n_actions = n_features, n_actions
        self.shape = Shape(n_features, hyper.width, hyper.depth, n_actions)
        self.params = new_params(self.shape, seed, hyper.gain)
        self.horizon = hyper.horizon
        self.bad = 0
        self.rng = new_rng(seed, 0xD0)
        self._target = self.params.copy()
        self._moments = np.zeros((2, self.params.size), dtype=np.float32)
        self._gradient = np.zeros_like(self.params)
        self._counts = np.zeros(2, dtype=np.int64)  # steps seen, updates
        self._epsilon = 1.0
        room = hyper.memory
        self._before = np.zeros((room, n_features), dtype=np.float32)
        self._after = np.zeros((room, n_features), dtype=np.float32)
        self._mask = np.zeros((room, n_actions), dtype=np.uint8)
        self._action = np.zeros(room, dtype=np.int64)
        self._gain = np.zeros((room, 2), dtype=np.float32)
        self._index = np.zeros(hyper.batch, dtype=np.int64)
        self._work = work_of(self.shape)
        self._units = np.zeros(self.shape.n_units, dtype=np.float32)
        self._none = np.zeros(n_actions)

    @property
    def policy_params(self) -> np.ndarray:
        """The parameters that decide."""
        return self.params

    @property
    def updates(self) -> int:
        """Steps of the optimiser so far."""
        return int(self._counts[1])

    def act(self, features: np.ndarray, mask: np.ndarray, greedy: bool = False) -> int:
        """See ``Trainer.act``: ε-greedy."""
        shape, epsilon = self.shape, 0.0 if greedy else self._epsilon
        return network_decide(
            self.params, features, mask, self._none, self._units, self.rng, shape.width, shape.depth, 1.0, GREEDY,
            epsilon,
        )  # fmt: skip

    def decide(
        self, features: np.ndarray, mask: np.ndarray, prior: np.ndarray, rng: np.ndarray, heat: float
    ) -> int:  # fmt: skip
        """See ``Trainer.decide``: π(a) ∝ π₀(a) exp [Q(x, a) / unit], all at temperature ``heat``."""
        shape = self.shape
        return network_decide(
            self.params, features, mask, prior, self._units, rng, shape.width, shape.depth,
            1.0 / self.hyper.unit, heat, 0.0,
        )  # fmt: skip

    def value(self, features: np.ndarray, action: int) -> float:
        """See ``Trainer.value``: Q(x, a)."""
        shape = self.shape
        forward(self.params, features, self._units, shape.width, shape.depth)
        return float(self._units[shape.depth * shape.width + action])

    def learn(self, rows: Rows, share: float = 0.0) -> dict[str, float]:
        """See ``Trainer.learn``: remember the rows, then a round of updates."""
        hyper = self.hyper
        self.bad += set_aside(rows.features, rows.reward, rows.ghost)
        self._counts[0] = remember(
            rows.features, rows.mask, rows.action, rows.reward, rows.terminated, rows.ghost, self._before, self._after,
            self._mask, self._action, self._gain, self._counts[0], hyper.n_steps, hyper.gamma,
        )  # fmt: skip
        self._epsilon = max(hyper.epsilon, 1.0 - (1.0 - hyper.epsilon) * share / max(hyper.epsilon_falls, 1e-9))
        if self._counts[0] < hyper.begin:
            return {}
        loss = 0.0
        for _ in range(hyper.updates):
            loss = self.update()
        return {"loss": loss}

    def update(self) -> float:
        """One step of the optimiser on a batch drawn from the memory; returns its loss."""
        hyper, shape = self.hyper, self.shape
        if self._counts[1] % hyper.target_every == 0:
            self._target[:] = self.params
        draw_index(self._index, self.rng, min(int(self._counts[0]), hyper.memory))
        loss = dqn_loss(
            self.params, self._target, self._before, self._after, self._mask, self._action, self._gain, self._index,
            self._work, self._gradient, shape.width, shape.depth, hyper.double,
        )  # fmt: skip
        if np.isfinite(clip_norm(self._gradient, hyper.longest)):
            self._counts[1] += 1
            adam(self.params, self._gradient, self._moments, self._counts[1], hyper.alpha, 0.9, 0.999, 1e-8)
        else:
            self._gradient[:] = 0.0
        return loss

    def state(self) -> dict[str, np.ndarray]:
        """See ``Trainer.state`` (all but the memory)."""
        return {
            "params": self.params, "target": self._target, "moments": self._moments,
            "updates": self._counts[1:], "rng": self.rng,
        }  # fmt: skip

    def load(self, state: dict[str, np.ndarray]) -> None:
        """See ``Trainer.load``; the memory is empty then."""
        for name, array in self.state().items():
            array[:] = state[name]
        self._counts[0] = 0


@njit("void(int64[::1], uint64[::1], int64)", cache=True, nogil=True)
def draw_index(index, rng, n):
    """Whole numbers of 0 to n − 1, each as likely as the other."""
    for k in range(index.shape[0]):
        index[k] = np.int64(uniform(rng) * n)


# G = r_t + γ r_{t+1} + … (n of them at most), to which γᵏ max_b Q(s_{t+k}, b) is added unless the episode has ended
# (Sutton & Barto 2018, eq. 7.1)
@njit(
    "int64(float32[:,::1], uint8[:,::1], int64[::1], float32[::1], uint8[::1], uint8[::1], float32[:,::1],"
    " float32[:,::1], uint8[:,::1], int64[::1], float32[:,::1], int64, int64, float64)",
    cache=True,
    nogil=True,
)
def remember(
    features, mask, action, reward, terminated, ghost, before, after, after_mask, actions, gain, count, n_steps, gamma
):  # fmt: skip
    """Write rows to the memory behind the ``count`` that it has seen; returns the new count.

    ``gain`` float32[room, 2] receives G and what the estimate is discounted by (0: the episode has ended).
    """
    room = before.shape[0]
    n = reward.shape[0]
    for i in range(n):
        if ghost[i] == 1:
            continue
        total, weight, last = 0.0, 1.0, i
        for _ in range(n_steps):
            total += weight * reward[last]
            weight *= gamma
            if terminated[last] == 1:
                weight = 0.0
                break
            last += 1
            if last == n or ghost[last] == 1:
                break
        if last == n:  # what came of it is not known
            continue
        at = count % room
        before[at] = features[i]
        after[at] = features[last]
        after_mask[at] = mask[last]
        actions[at] = action[i]
        gain[at, 0], gain[at, 1] = total, weight
        count += 1
    return count


# L = mean Huber(y − Q(s,a)), y = G + γᵏ Q⁻(s′, argmax_b Q(s′,b)) (Double DQN: van Hasselt et al. 2016, eq. 4), or
# G + γᵏ max_b Q⁻(s′,b); the Huber loss is e²/2 up to |e| = 1, |e| − ½ beyond
@njit(
    both(
        "float64(real[::1], real[::1], real[:,::1], real[:,::1], uint8[:,::1], int64[::1], real[:,::1], int64[::1],"
        " real[:,::1], real[::1], int64, int64, boolean)"
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def dqn_loss(
    params, target, before, after, mask, action, gain, index, work, gradient, width, depth, double
):  # fmt: skip
    """Add the gradient over the steps in ``index`` and return the loss; ``work`` as ``network.work_of`` makes it."""
    inner = depth * width
    n_in, n_actions = before.shape[1], mask.shape[1]
    n_units = inner + n_actions
    x, units = work[:n_in], work[n_in : n_in + n_units]
    delta, other = work[n_in + n_units : n_in + 2 * n_units], work[n_in + 2 * n_units : n_in + 3 * n_units]
    worth = np.zeros(BLOCK)
    loss = 0.0
    for first in range(0, index.shape[0], BLOCK):
        block = index[first : first + BLOCK]
        n = block.shape[0]
        gather(after, block, x)
        forward_many(target, x, units, n, width, depth)
        if double:
            forward_many(params, x, other, n, width, depth)
        judged = units[inner:]
        chosen = other[inner:] if double else judged
        for k in range(n):
            i = block[k]
            best = -1
            for b in range(n_actions):
                if mask[i, b] == 1 and (best < 0 or chosen[b, k] > chosen[best, k]):
                    best = b
            worth[k] = gain[i, 0]
            if best >= 0 and gain[i, 1] != 0.0:
                worth[k] += gain[i, 1] * judged[best, k]
        gather(before, block, x)
        forward_many(params, x, units, n, width, depth)
        for k in range(n):
            chose = inner + action[block[k]]
            error = units[chose, k] - worth[k]
            size = abs(error)
            loss += 0.5 * error * error if size <= 1.0 else size - 0.5
            for a in range(n_actions):
                delta[inner + a, k] = 0.0
            delta[chose, k] = min(max(error, -1.0), 1.0) / index.shape[0]
        backward_many(params, x, units, delta, gradient, n, width, depth)
    return loss / index.shape[0]
