"""REINFORCE with a learned baseline, and the policy and value networks that actor-critic methods share with it.

A policy is π(a|x) ∝ exp[o(x, a) + ln π₀(a)], o a network's outputs and π₀ a prior (uniform where there is none). The
loss of all of them is ``policy_loss``: the policy gradient (Williams 1992; Sutton & Barto 2018, section 13.4), half the
squared error of the value network, and a bonus for staying near the prior: the entropy if that is uniform (Mnih et al.
2016, section 4), else minus KL(π‖π₀).
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
    masked_softmax,
    network_decide,
    new_params,
    work_of,
)
from livecomposer.agents.rows import Rows, set_aside

POLICY, VALUE, ENTROPY = range(3)  # places in what ``policy_loss`` reports
ADVANTAGE, RETURN, LOG_PROB = range(3)  # columns of targets


class Actor:
    """A policy network and a value network of one size, in one row of parameters.

    Attributes
    ----------
    policy, critic : Shape
    params, gradient : float32[n]
        The policy network's parameters, then the value network's.
    """

    def __init__(self, n_features: int, n_actions: int, width: int, depth: int, gain: float, seed: int) -> None:
        self.policy = Shape(n_features, width, depth, n_actions)
        self.critic = Shape(n_features, width, depth, 1)
        parts = (new_params(self.policy, seed, 0.01 * gain), new_params(self.critic, seed + 1, gain))
        self.params = np.concatenate(parts)
        self.gradient = np.zeros_like(self.params)
        self.work = work_of(self.policy)
        self.report = np.zeros(3)
        self.rng = new_rng(seed, 0xAC7)
        self._units = np.zeros(self.policy.n_units, dtype=np.float32)
        self._none = np.zeros(n_actions)

    @property
    def policy_params(self) -> np.ndarray:
        """The policy network's parameters."""
        return self.params[: self.policy.n_params]

    def act(self, features: np.ndarray, mask: np.ndarray, greedy: bool = False) -> int:
        """See ``Trainer.act``."""
        return self.decide(features, mask, self._none, self.rng, GREEDY if greedy else 1.0)

    def decide(
        self, features: np.ndarray, mask: np.ndarray, prior: np.ndarray, rng: np.ndarray, heat: float
    ) -> int:  # fmt: skip
        """See ``Trainer.decide``: the policy at temperature ``heat``."""
        shape = self.policy
        return network_decide(
            self.params, features, mask, prior, self._units, rng, shape.width, shape.depth, 1.0, heat, 0.0
        )

    def value(self, features: np.ndarray, action: int) -> float:
        """See ``Trainer.value``: the logit that the network adds."""
        shape = self.policy
        forward(self.policy_params, features, self._units, shape.width, shape.depth)
        return float(self._units[shape.depth * shape.width + action])

    def targets(self, rows: Rows, gamma: float, lambda_: float) -> np.ndarray:
        """Advantage, return and log-probability of each row, float32[n, 3]."""
        found = np.zeros((len(rows.ghost), 3), dtype=np.float32)
        shape = self.policy
        judge(
            self.params, rows.features, rows.prior, rows.mask, rows.action, rows.reward, rows.terminated, rows.ghost,
            found, self.work, shape.width, shape.depth, gamma, lambda_,
        )  # fmt: skip
        return found

    def loss(
        self, rows: Rows, targets: np.ndarray, index: np.ndarray, clip: float, value_cost: float, entropy_gain: float
    ) -> None:  # fmt: skip
        """Add the loss's gradient over the rows in ``index``; ``report`` then holds its parts."""
        shape = self.policy
        policy_loss(
            self.params, rows.features, rows.prior, rows.mask, rows.action, targets, index, self.work, self.gradient,
            self.report, shape.width, shape.depth, clip, value_cost, entropy_gain,
        )  # fmt: skip


# V and ln π(a) of each row, then Â_t = δ_t + γλ Â_{t+1}, δ_t = r + γ V(s′) − V(s) (generalised advantage estimation:
# Schulman et al. 2016, eq. 11–16; λ = 1 is the return less the baseline), and Â + V, the return to be learnt
@njit(
    both(
        "void(real[::1], real[:,::1], real[:,::1], uint8[:,::1], int64[::1], real[::1], uint8[::1], uint8[::1],"
        " real[:,::1], real[:,::1], int64, int64, float64, float64)"
    ),
    cache=True,
    nogil=True,
)
def judge(
    params, features, prior, mask, action, reward, terminated, ghost, targets, work, width, depth, gamma, lambda_
):  # fmt: skip
    """Fill ``targets`` real[n, 3]; a ghost's value is what the row before it leads to."""
    n_actions = prior.shape[1]
    inner = depth * width
    n_in = features.shape[1]
    n_policy = (n_in + 1 + (depth - 1) * (width + 1)) * width + (width + 1) * n_actions
    actor, critic = params[:n_policy], params[n_policy:]
    x, units = work[:n_in], work[n_in : n_in + inner + n_actions]
    logits, policy = np.empty(n_actions, dtype=params.dtype), np.empty(n_actions, dtype=params.dtype)
    rows = np.empty(ghost.shape[0], dtype=np.int64)
    n = 0
    for i in range(ghost.shape[0]):
        if ghost[i] == 0 or (i > 0 and ghost[i - 1] == 0):
            rows[n] = i
            n += 1
    for first in range(0, n, BLOCK):
        block = rows[first : min(first + BLOCK, n)]
        many = block.shape[0]
        gather(features, block, x)
        forward_many(critic, x, units[: inner + 1], many, width, depth)
        for k in range(many):
            targets[block[k], RETURN] = units[inner, k]
        forward_many(actor, x, units, many, width, depth)
        for k in range(many):
            i = block[k]
            if ghost[i] == 0:
                for a in range(n_actions):
                    logits[a] = units[inner + a, k] + prior[i, a]
                total = masked_softmax(logits, mask[i], policy)
                targets[i, LOG_PROB] = logits[action[i]] - total
    following, carried = 0.0, 0.0
    for back in range(n):
        i = rows[n - 1 - back]
        value = targets[i, RETURN]
        if ghost[i] == 1:
            following, carried, targets[i, RETURN] = value, 0.0, 0.0
            continue
        if terminated[i] == 1:
            following, carried = 0.0, 0.0
        elif back == 0:
            following, carried = value, 0.0
        error = reward[i] + gamma * following - value
        carried = error + gamma * lambda_ * carried
        targets[i, ADVANTAGE], targets[i, RETURN] = carried, carried + value
        following = value


# L = mean over rows of −Â ln π(a|x) [clip 0], or −min(ρÂ, clip(ρ, 1−c, 1+c) Â), ρ = π/π_old (Schulman et al. 2017,
# eq. 7), plus v (V(x) − G)², minus e · (ln Z − Σ π o), which is the entropy where the prior is uniform, else −KL(π‖π₀)
# but for a constant
@njit(
    both(
        "void(real[::1], real[:,::1], real[:,::1], uint8[:,::1], int64[::1], real[:,::1], int64[::1], real[:,::1],"
        " real[::1], float64[::1], int64, int64, float64, float64, float64)"
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def policy_loss(
    params, features, prior, mask, action, targets, index, work, gradient, report, width, depth, clip, value_cost,
    entropy_gain,
):  # fmt: skip
    """Add the gradient; ``report`` becomes the means of the policy's loss, the squared error and the bonus."""
    n_actions = prior.shape[1]
    inner = depth * width
    n_in = features.shape[1]
    n_policy = (n_in + 1 + (depth - 1) * (width + 1)) * width + (width + 1) * n_actions
    actor, critic = params[:n_policy], params[n_policy:]
    actor_gradient, critic_gradient = gradient[:n_policy], gradient[n_policy:]
    n_units = inner + n_actions
    x, units, delta = work[:n_in], work[n_in : n_in + n_units], work[n_in + n_units : n_in + 2 * n_units]
    logits, policy = np.empty(n_actions, dtype=params.dtype), np.empty(n_actions, dtype=params.dtype)
    n = index.shape[0]
    report[:] = 0.0
    for first in range(0, n, BLOCK):
        block = index[first : first + BLOCK]
        many = block.shape[0]
        gather(features, block, x)
        forward_many(actor, x, units, many, width, depth)
        for k in range(many):
            i = block[k]
            for a in range(n_actions):
                logits[a] = units[inner + a, k] + prior[i, a]
            total = masked_softmax(logits, mask[i], policy)
            log_prob = logits[action[i]] - total
            advantage = targets[i, ADVANTAGE]
            if clip > 0.0:
                ratio = np.exp(log_prob - targets[i, LOG_PROB])
                bounded = min(max(ratio, 1.0 - clip), 1.0 + clip)
                report[POLICY] -= min(ratio * advantage, bounded * advantage)
                gone = ratio > 1.0 + clip if advantage > 0.0 else ratio < 1.0 - clip
                pull = 0.0 if gone else -advantage * ratio
            else:
                report[POLICY] -= advantage * log_prob
                pull = -advantage
            mean = 0.0
            for a in range(n_actions):
                if mask[i, a] == 1:
                    mean += policy[a] * units[inner + a, k]
            report[ENTROPY] += total - mean
            for a in range(n_actions):
                chosen = 1.0 if a == action[i] else 0.0
                change = pull * (chosen - policy[a]) + entropy_gain * policy[a] * (units[inner + a, k] - mean)
                delta[inner + a, k] = change / n if mask[i, a] == 1 else 0.0
        backward_many(actor, x, units, delta, actor_gradient, many, width, depth)
        forward_many(critic, x, units[: inner + 1], many, width, depth)
        for k in range(many):
            error = units[inner, k] - targets[block[k], RETURN]
            report[VALUE] += error * error
            delta[inner, k] = 2.0 * value_cost * error / n
        backward_many(critic, x, units[: inner + 1], delta[: inner + 1], critic_gradient, many, width, depth)
    for part in range(3):
        report[part] /= n


def normalise(targets: np.ndarray, index: np.ndarray) -> None:
    """Give the advantages of the rows in ``index`` mean 0 and standard deviation 1."""
    advantages = targets[index, ADVANTAGE]
    targets[index, ADVANTAGE] = (advantages - advantages.mean()) / (advantages.std() + 1e-8)


@dataclass(frozen=True, slots=True)
class ReinforceSettings:
    """Hyper-parameters of REINFORCE with baseline."""

    alpha: float = 2e-3  # step size of Adam, at first; falls to 0 over the training
    gamma: float = 0.99  # discount
    width: int = 64  # units of a hidden layer
    depth: int = 2  # hidden layers
    gain: float = 1.0  # size of the last layer's first weights (0: it says nothing at first)
    batch: int = 1000  # steps before an update, and then to the end of the episode
    value_cost: float = 0.5  # weight of the baseline's squared error
    value_steps: int = 10  # further steps of the baseline alone after each of the policy's
    entropy_gain: float = 0.0  # weight of the bonus for staying near the prior
    longest: float = 0.5  # the gradient's length is at most this
    normalise: bool = True  # advantages are brought to standard deviation 1


class Reinforce:
    """REINFORCE with baseline (Sutton & Barto 2018, section 13.4), with several episodes to an update."""

    whole_episodes = True
    lanes = 1

    def __init__(self, n_features: int, n_actions: int, hyper: ReinforceSettings, seed: int) -> None:
        self.hyper = hyper
        self.n_features, self.n_actions = n_features, n_actions
        self.actor = Actor(n_features, n_actions, hyper.width, hyper.depth, hyper.gain, seed)
        self.act, self.decide, self.value = self.actor.act, self.actor.decide, self.actor.value
        self.horizon = hyper.batch
        self.bad = 0
        self._moments = np.zeros((2, self.actor.params.size), dtype=np.float32)
        self._updates = np.zeros(1, dtype=np.int64)

    @property
    def policy_params(self) -> np.ndarray:
        """The parameters that decide."""
        return self.actor.policy_params

    @property
    def updates(self) -> int:
        """Steps of the optimiser so far."""
        return int(self._updates[0])

    def learn(self, rows: Rows, share: float = 0.0) -> dict[str, float]:
        """See ``Trainer.learn``: one step up the policy gradient, several down the baseline's error."""
        hyper, actor = self.hyper, self.actor
        self.bad += set_aside(rows.features, rows.reward, rows.ghost)
        index = np.flatnonzero(rows.ghost == 0)
        if not index.size:
            return {}
        targets = actor.targets(rows, hyper.gamma, 1.0)
        if hyper.normalise:
            normalise(targets, index)
        for i in range(1 + hyper.value_steps):
            if i == 1:
                targets[:, ADVANTAGE] = 0.0
            entropy_gain = hyper.entropy_gain if i == 0 else 0.0
            actor.loss(rows, targets, index, 0.0, hyper.value_cost, entropy_gain)
            if i == 0:
                found = {"loss": float(actor.report[POLICY]), "entropy": float(actor.report[ENTROPY])}
            else:
                actor.gradient[: actor.policy.n_params] = 0.0
            if np.isfinite(clip_norm(actor.gradient, hyper.longest)):
                self._updates += 1
                rate = hyper.alpha * (1.0 - share)
                adam(actor.params, actor.gradient, self._moments, self.updates, rate, 0.9, 0.999, 1e-8)
            else:
                actor.gradient[:] = 0.0
        return found

    def state(self) -> dict[str, np.ndarray]:
        """See ``Trainer.state``."""
        return {
            "params": self.actor.params, "moments": self._moments, "updates": self._updates, "rng": self.actor.rng
        }  # fmt: skip

    def load(self, state: dict[str, np.ndarray]) -> None:
        """See ``Trainer.load``."""
        for name, array in self.state().items():
            array[:] = state[name]
