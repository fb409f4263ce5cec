"""Networks: gradients of every loss against central differences in float64, and against PyTorch where it is installed;
optimisers step by step; masks; the parts against their formulas in numpy.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecomposer.agents import network
from livecomposer.agents.dqn import dqn_loss, remember
from livecomposer.agents.kernels import new_rng
from livecomposer.agents.network import (
    BLOCK,
    Shape,
    adam,
    clip_norm,
    forward,
    forward_many,
    gather,
    masked_softmax,
    network_decide,
    rmsprop,
    work_of,
)
from livecomposer.agents.policy_gradient import judge, policy_loss

N, F, A, WIDTH, DEPTH = 75, 5, 4, 9, 2  # more rows than a block, more units than are added up at once
POLICY, CRITIC = Shape(F, WIDTH, DEPTH, A), Shape(F, WIDTH, DEPTH, 1)


class Batch:
    """Random rows, float64, of which some features are 0 and some actions are forbidden."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.policy = rng.normal(size=POLICY.n_params) * 0.5
        self.actor_critic = np.concatenate([self.policy, rng.normal(size=CRITIC.n_params) * 0.5])
        self.target = rng.normal(size=POLICY.n_params) * 0.5
        self.x, self.after = (rng.normal(size=(N, F)) * (rng.random((N, F)) < 0.8) for _ in range(2))
        self.prior = rng.normal(size=(N, A))
        self.mask = (rng.random((N, A)) < 0.7).astype(np.uint8)
        self.action = rng.integers(0, A, N)
        self.mask[np.arange(N), self.action] = 1
        self.gain = np.stack([rng.normal(size=N) * 2.0, rng.choice([0.0, 0.9], N)], axis=1)
        self.targets = np.stack([rng.normal(size=N), rng.normal(size=N), np.log(rng.uniform(0.1, 0.9, N))], axis=1)
        self.index = np.arange(N)
        self.work = work_of(POLICY).astype(np.float64)


def plain_forward(params, x, shape):
    """(outputs) by matrices."""
    at, h = 0, x
    sizes = [shape.n_in, *[shape.width] * shape.depth, shape.n_out]
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        w, b = params[at : at + n_in * n_out].reshape(n_in, n_out), params[at + n_in * n_out :][:n_out]
        h = h @ w + b
        h = np.maximum(h, 0.0) if i < shape.depth else h
        at += (n_in + 1) * n_out
    assert at == shape.n_params
    return h


def test_forward_is_matrices():
    batch = Batch(1)
    for x in batch.x:
        units = np.zeros(POLICY.n_units)
        forward(batch.policy, x, units, WIDTH, DEPTH)
        np.testing.assert_allclose(units[DEPTH * WIDTH :], plain_forward(batch.policy, x, POLICY), rtol=1e-12)


@pytest.mark.parametrize("n", [1, 3, BLOCK])
def test_a_block_is_its_rows_one_by_one(n):
    """To rounding; what stands in other columns changes nothing and stays."""
    batch, work = Batch(2), work_of(POLICY).astype(np.float64)
    work[:] = np.nan
    index = np.arange(N - n, N)[::-1].copy()
    x, units = work[:F], work[F : F + POLICY.n_units]
    gather(batch.x, index, x)
    forward_many(batch.policy, x, units, n, WIDTH, DEPTH)
    for k, i in enumerate(index):
        alone = np.zeros(POLICY.n_units)
        forward(batch.policy, batch.x[i], alone, WIDTH, DEPTH)
        np.testing.assert_allclose(units[:, k], alone, rtol=1e-12)
    assert np.isnan(work[:, n:]).all()


# ---- the losses, each as a function of the parameters ---------------------------------------------------------------
def policy(batch, params, clip, entropy_gain=0.3):
    gradient, report = np.zeros_like(params), np.zeros(3)
    policy_loss(
        params, batch.x, batch.prior, batch.mask, batch.action, batch.targets, batch.index, batch.work, gradient,
        report, WIDTH, DEPTH, clip, 0.7, entropy_gain,
    )  # fmt: skip
    return report[0] + 0.7 * report[1] - entropy_gain * report[2], gradient


def dqn(batch, params, double):
    gradient = np.zeros_like(params)
    loss = dqn_loss(
        params, batch.target, batch.x, batch.after, batch.mask, batch.action, batch.gain, batch.index, batch.work,
        gradient, WIDTH, DEPTH, double,
    )  # fmt: skip
    return loss, gradient


LOSSES = {
    "reinforce, a2c, a3c": (lambda b, p: policy(b, p, 0.0), "actor_critic"),
    "ppo": (lambda b, p: policy(b, p, 0.2), "actor_critic"),
    "dqn": (lambda b, p: dqn(b, p, False), "policy"),
    "double dqn": (lambda b, p: dqn(b, p, True), "policy"),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_central_differences(name, seed):
    loss, which = LOSSES[name]
    batch = Batch(seed)
    params = getattr(batch, which)
    found = loss(batch, params)[1]
    expected = np.zeros_like(params)
    for i in range(len(params)):
        sides = []
        for step in (1e-6, -1e-6):
            moved = params.copy()
            moved[i] += step
            sides.append(loss(batch, moved)[0])
        expected[i] = (sides[0] - sides[1]) / 2e-6
    assert np.linalg.norm(expected) > 0.01
    assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


def test_advantages_are_those_of_the_closed_form():
    """λ = 1 without a critic: discounted returns, broken off at the ghost by its value (0 here), ended by the end."""
    batch = Batch(4)
    params = batch.actor_critic.copy()
    params[POLICY.n_params :] = 0.0
    reward = np.arange(1.0, N + 1.0)
    terminated, ghost = np.zeros(N, dtype=np.uint8), np.zeros(N, dtype=np.uint8)
    terminated[4], ghost[8], ghost[N - 1] = 1, 1, 1
    targets = np.zeros((N, 3))
    judge(params, batch.x, batch.prior, batch.mask, batch.action, reward, terminated, ghost, targets, batch.work, WIDTH,
          DEPTH, 0.9, 1.0)  # fmt: skip
    expected = np.zeros(N)
    for first, end in ((0, 5), (5, 8), (9, N - 1)):
        for i in range(first, end):
            expected[i] = sum(0.9 ** (k - i) * reward[k] for k in range(i, end))
    np.testing.assert_allclose(targets[:, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(targets[:, 1], expected, rtol=1e-12)
    for i in np.flatnonzero(ghost == 0):
        logits = plain_forward(params[: POLICY.n_params], batch.x[i], POLICY) + batch.prior[i]
        allowed = batch.mask[i] == 1
        log_prob = logits[batch.action[i]] - np.log(np.exp(logits[allowed]).sum())
        assert targets[i, 2] == pytest.approx(log_prob, abs=1e-12)


def test_gae_adds_up_the_errors():
    """Schulman et al. 2016, eq. 16, with values from a critic of one constant: δ = r + γV − V."""
    batch = Batch(5)
    params = batch.actor_critic.copy()
    params[POLICY.n_params :] = 0.0
    params[-1] = 2.0  # the critic's last bias: V is 2 everywhere
    reward, none = np.arange(1.0, N + 1.0), np.zeros(N, dtype=np.uint8)
    ghost = none.copy()
    ghost[N - 1] = 1
    targets = np.zeros((N, 3))
    judge(params, batch.x, batch.prior, batch.mask, batch.action, reward, none, ghost, targets, batch.work, WIDTH,
          DEPTH, 0.9, 0.5)  # fmt: skip
    errors = reward[: N - 1] + 0.9 * 2.0 - 2.0
    expected = [sum(0.45 ** (k - i) * errors[k] for k in range(i, N - 1)) for i in range(N - 1)]
    np.testing.assert_allclose(targets[: N - 1, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(targets[: N - 1, 1], np.array(expected) + 2.0, rtol=1e-12)


def test_memory_adds_up_rewards_to_the_end_or_to_where_experience_breaks_off():
    n, room = 8, 4
    features = np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)
    mask = np.array([[1, i % 2] for i in range(n)], dtype=np.uint8)
    action, reward = np.arange(n), 2.0 ** np.arange(n, dtype=np.float32)
    terminated, ghost = np.zeros(n, dtype=np.uint8), np.zeros(n, dtype=np.uint8)
    terminated[2], ghost[5] = 1, 1
    before, after = np.zeros((2, room, 2), dtype=np.float32)
    after_mask, actions = np.zeros((room, 2), dtype=np.uint8), np.zeros(room, dtype=np.int64)
    gain = np.zeros((room, 2), dtype=np.float32)
    found = remember(
        features, mask, action, reward, terminated, ghost, before, after, after_mask, actions, gain, 0, 2, 0.5
    )
    assert found == 5  # what came of the last two is not known; the first was overwritten first
    assert actions.tolist() == [4, 1, 2, 3]
    assert gain.tolist() == [[16.0, 0.5], [4.0, 0.0], [4.0, 0.0], [16.0, 0.25]]
    leads_to = [5, 2, 2, 5]
    np.testing.assert_array_equal(before, features[actions])
    np.testing.assert_array_equal(after, features[leads_to])
    np.testing.assert_array_equal(after_mask, mask[leads_to])


# ---- masks ----------------------------------------------------------------------------------------------------------
@given(hnp.arrays(np.float64, 6, elements=st.floats(-50.0, 50.0)), hnp.arrays(np.uint8, 6, elements=st.integers(0, 1)))
def test_a_forbidden_action_has_probability_exactly_0(logits, mask):
    mask[2] = 1
    found = np.full(6, 7.0)
    total = masked_softmax(logits, mask, found)
    assert (found[mask == 0] == 0.0).all()
    np.testing.assert_allclose(found[mask == 1], np.exp(logits[mask == 1] - total), rtol=1e-12)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)


@given(hnp.arrays(np.uint8, A, elements=st.integers(0, 1)), st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 0.5]),
       st.sampled_from([0.0, np.nan, np.inf]), st.integers(0, 99))  # fmt: skip
def test_the_mask_is_always_obeyed(mask, temperature, epsilon, feature, seed):
    params = Batch(seed).policy.astype(np.float32)
    x, units = np.full(F, feature, dtype=np.float32), np.zeros(POLICY.n_units, dtype=np.float32)
    rng = new_rng(seed)
    for _ in range(5):
        action = network_decide(params, x, mask, np.zeros(A), units, rng, WIDTH, DEPTH, 1.0, temperature, epsilon)
        assert mask[action] == 1 if mask.any() else action == -1


def test_a_forbidden_actions_output_is_left_alone():
    """Its gradient is exactly 0, whatever is learnt."""
    batch = Batch(6)
    batch.mask[:, 3], batch.action[batch.action == 3] = 0, 0
    batch.mask[:, 0] = 1
    gradient = policy(batch, batch.actor_critic, 0.0)[1][: POLICY.n_params]
    last = gradient[-(WIDTH + 1) * A :]
    assert not last[: WIDTH * A].reshape(WIDTH, A)[:, 3].any()
    assert last[WIDTH * A + 3] == 0.0
    assert last.any()


def test_decisions_follow_the_policy():
    """20,000 draws, 3 degrees of freedom: chi-square above 16.27 has probability .001."""
    batch, rng = Batch(7), new_rng(7)
    params, x = batch.policy.astype(np.float32), batch.x[0].astype(np.float32)
    prior, mask, units = batch.prior[0], np.ones(A, dtype=np.uint8), np.zeros(POLICY.n_units, dtype=np.float32)
    counts = np.zeros(A)
    for _ in range(20_000):
        counts[network_decide(params, x, mask, prior, units, rng, WIDTH, DEPTH, 2.0, 1.5, 0.0)] += 1
    z = (2.0 * plain_forward(batch.policy, batch.x[0], POLICY) + prior) / 1.5
    expected = 20_000 * np.exp(z) / np.exp(z).sum()
    assert ((counts - expected) ** 2 / expected).sum() < 16.27


# ---- optimisers -----------------------------------------------------------------------------------------------------
def test_adam_is_its_formula():
    rng = np.random.default_rng(1)
    params, moments = rng.normal(size=9), np.zeros((2, 9))
    p, m, v = params.copy(), np.zeros(9), np.zeros(9)
    for step in range(1, 6):
        gradient = rng.normal(size=9)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        p -= 0.01 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        adam(params, gradient, moments, step, 0.01, 0.9, 0.999, 1e-8)
        assert not gradient.any()
    np.testing.assert_allclose(params, p, rtol=1e-12)


def test_moments_too_small_to_count_with_are_0():
    params, moments = np.zeros(2, dtype=np.float32), np.full((2, 2), 1e-36, dtype=np.float32)
    moments[:, 1] = 1e-20
    adam(params, np.zeros(2, dtype=np.float32), moments, 5, 0.01, 0.9, 0.999, 1e-8)
    assert not moments[:, 0].any() and moments[:, 1].all()


def test_clipping_keeps_the_direction():
    gradient = np.array([3.0, 4.0])
    assert clip_norm(gradient, 10.0) == 5.0
    assert gradient.tolist() == [3.0, 4.0]
    assert clip_norm(gradient, 1.0) == 5.0
    np.testing.assert_allclose(gradient, [0.6, 0.8], rtol=1e-6)


def test_weights_begin_orthogonal():
    params = network.new_params(POLICY, 1, 0.5)
    w = params[: F * WIDTH].reshape(F, WIDTH)
    np.testing.assert_allclose(w @ w.T, 2.0 * np.eye(F), atol=1e-5)
    last = params[-(WIDTH + 1) * A : -A].reshape(WIDTH, A)
    np.testing.assert_allclose(last.T @ last, 0.25 * np.eye(A), atol=1e-5)


# ---- PyTorch as referee ---------------------------------------------------------------------------------------------
def torch_outputs(torch, params, x, shape):
    at, h = 0, x
    sizes = [shape.n_in, *[shape.width] * shape.depth, shape.n_out]
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        w, b = params[at : at + n_in * n_out].reshape(n_in, n_out), params[at + n_in * n_out :][:n_out]
        h = h @ w + b
        h = torch.relu(h) if i < shape.depth else h
        at += (n_in + 1) * n_out
    return h


def torch_loss(torch, batch, params, name):
    """The same losses in the words of PyTorch, from its own functions."""
    functional = torch.nn.functional
    x, after, mask = torch.tensor(batch.x), torch.tensor(batch.after), torch.tensor(batch.mask == 1)
    x, after = x.to(params.dtype), after.to(params.dtype)
    action = torch.tensor(batch.action)[:, None]
    if "dqn" in name:
        with torch.no_grad():
            target = torch.tensor(batch.target).to(params.dtype)
            judged = torch_outputs(torch, target, after, POLICY)
            chosen = torch_outputs(torch, params, after, POLICY) if name == "double dqn" else judged
            best = chosen.masked_fill(~mask, -torch.inf).argmax(1, keepdim=True)
            gain = torch.tensor(batch.gain).to(params.dtype)
            y = gain[:, 0] + gain[:, 1] * judged.gather(1, best)[:, 0]
        return functional.smooth_l1_loss(torch_outputs(torch, params, x, POLICY).gather(1, action)[:, 0], y)
    o = torch_outputs(torch, params[: POLICY.n_params], x, POLICY)
    logits = (o + torch.tensor(batch.prior).to(params.dtype)).masked_fill(~mask, -torch.inf)
    policy = torch.distributions.Categorical(logits=logits)
    advantage, returns, old = torch.tensor(batch.targets).to(params.dtype).T
    log_prob = policy.log_prob(action[:, 0])
    if name == "ppo":
        ratio = torch.exp(log_prob - old)
        gained = torch.min(ratio * advantage, torch.clamp(ratio, 0.8, 1.2) * advantage)
    else:
        gained = log_prob * advantage
    value = torch_outputs(torch, params[POLICY.n_params :], x, CRITIC)[:, 0]
    bonus = torch.logsumexp(logits, 1) - (policy.probs * o).sum(1)
    return -gained.mean() + 0.7 * functional.mse_loss(value, returns) - 0.3 * bonus.mean()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    loss, which = LOSSES[name]
    batch = Batch(11)
    params = torch.tensor(getattr(batch, which), requires_grad=True)
    expected = torch_loss(torch, batch, params, name)
    expected.backward()
    found, gradient = loss(batch, getattr(batch, which))
    assert found == pytest.approx(expected.item(), rel=1e-10)
    np.testing.assert_allclose(gradient, params.grad.numpy(), atol=1e-10)


@pytest.mark.parametrize("optimiser", ["adam", "rmsprop"])
@pytest.mark.parametrize("name", LOSSES)
def test_twenty_steps_stay_with_torch(name, optimiser):
    """In float32, as in use, with clipping. PPO begins with the policy that acted, and in short steps: beyond its clip
    the gradient jumps, so that a rounding would decide where it goes."""
    torch = pytest.importorskip("torch")
    loss, which = LOSSES[name]
    batch = Batch(12)
    rate = 1e-2
    if name == "ppo":
        rate, none = 1e-3, np.zeros(N, dtype=np.uint8)
        found = np.zeros((N, 3))
        judge(batch.actor_critic, batch.x, batch.prior, batch.mask, batch.action, np.zeros(N), none, none, found,
              batch.work, WIDTH, DEPTH, 0.9, 0.9)  # fmt: skip
        batch.targets[:, 2] = found[:, 2]
    start = getattr(batch, which).astype(np.float32)
    params = torch.tensor(start, requires_grad=True)
    if optimiser == "adam":
        stepper = torch.optim.Adam([params], lr=rate, eps=1e-8)
    else:
        stepper = torch.optim.RMSprop([params], lr=rate, alpha=0.99, eps=1e-5)
    for _ in range(20):
        stepper.zero_grad()
        torch_loss(torch, batch, params, name).backward()
        torch.nn.utils.clip_grad_norm_([params], 0.5)
        stepper.step()
    for field in ("x", "after", "prior", "gain", "targets", "target", "work"):
        setattr(batch, field, getattr(batch, field).astype(np.float32))
    mine, moments = start.copy(), np.zeros((2, start.size), dtype=np.float32)
    for step in range(1, 21):
        gradient = loss(batch, mine)[1]
        clip_norm(gradient, 0.5)
        if optimiser == "adam":
            adam(mine, gradient, moments, step, rate, 0.9, 0.999, 1e-8)
        else:
            rmsprop(mine, gradient, moments[0], rate, 0.99, 1e-5)
    assert np.abs(mine - start).max() > 5.0 * rate
    np.testing.assert_allclose(mine, params.detach().numpy(), atol=1e-4)
