"""A table behind a head, through its protocol: trivially solvable tasks, late ratings, jobs, state and the mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecomposer.agents.prior import load_prior
from livecomposer.agents.protocol import Choice, Steps
from livecomposer.agents.registry import make_agents
from livecomposer.agents.tabular import TableAgent, TableSettings
from livecomposer.errors import SettingsError
from livecomposer.music.actions import HeadSpec
from livecomposer.ratings.credit import Credit

SPEC = HeadSpec("test", 4, 2, 4)
ALL = np.ones(4, dtype=np.uint8)
NONE = np.zeros(2, dtype=np.float32)
FLAT = np.zeros(4)
PRIOR = load_prior("none")


def agent(seed=1, **hyper) -> TableAgent:
    return TableAgent(SPEC, TableSettings(**hyper), seed)


def choice(state, action, mask=ALL):
    return Choice(state, action, mask, NONE, False, 0.0, np.zeros(0, np.int64))


@pytest.mark.parametrize("policy", ["softmax", "epsilon-greedy"])
def test_identity_task(policy):
    """Reward 1 for doing what the state says, else 0: after 400 steps every state's best action is its own number."""
    a, steps = agent(policy=policy, gamma=0.0), Steps(SPEC, n_features=2)
    states = np.random.default_rng(1).integers(0, 4, 401)
    for i, state in enumerate(states.tolist()):
        action = a.act(state, NONE, ALL, FLAT, FLAT)
        steps.append(i, 0, choice(state, action))
        steps.reward[i] = 1.0 if action == state else 0.0
        if i:
            a.observe(steps, i - 1)
    assert a.q.argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_late_rating_task():
    """One note a second, each liked note's press 0.7 s late: through credit and jobs the liked action wins."""
    a, steps = agent(gamma=0.0), Steps(SPEC, n_features=2)
    credit = Credit([steps])
    second = 1_000_000_000
    for i in range(200):
        action = a.act(0, NONE, ALL, FLAT, FLAT)
        steps.append(i * second, 0, choice(0, action))
        if action == 2:
            credit.give(credit.moment(i * second + 700_000_000)[0], 1.0)
            a.adopt(a.job(steps)())
    late = [a.act(0, NONE, ALL, FLAT, FLAT) for _ in range(50)]
    assert a.q[0].argmax() == 2
    assert late.count(2) >= 45


def fill(steps, n, seed):
    rng = np.random.default_rng(seed)
    for i in range(n):
        state, action = (int(v) for v in rng.integers(0, 4, 2))
        steps.append(i, i // 5, choice(state, action))
    steps.reward[:n] = rng.normal(size=n)


def test_job_result_depends_on_the_rows_at_submission_only():
    a, steps = agent(), Steps(SPEC, 64, 2)
    fill(steps, 40, 3)
    expected = a.job(steps)()
    job = a.job(steps)
    steps.reward[:40] += 7.0
    for i in range(40, 64):
        steps.append(i, 9 + i, choice(1, 1))
    a.fold(steps, 32)
    steps.drop_half()
    for i in range(64, 80):
        steps.append(i, 90 + i, choice(2, 3))
    a.q[:] = 5.0
    np.testing.assert_array_equal(job(), expected)


def test_fold_then_drop_learns_as_if_nothing_was_dropped():
    """With one sweep, base after the older half and then the rest is the same sequence of updates."""
    whole, halves, steps, other = agent(sweeps=1), agent(sweeps=1), Steps(SPEC, 64, 2), Steps(SPEC, 64, 2)
    fill(steps, 64, 4)
    fill(other, 64, 4)
    halves.fold(other, 32)
    other.drop_half()
    assert (other.n, other.first) == (32, 32)
    np.testing.assert_array_equal(other.state[:32], steps.state[32:])
    np.testing.assert_array_equal(halves.job(other)(), whole.job(steps)())


def test_steps_number_rows_from_the_first_ever():
    steps = Steps(SPEC, 4, 2)
    assert [steps.append(i, 0, choice(0, i)) for i in range(4)] == [0, 1, 2, 3]
    steps.matured = 3
    steps.drop_half()
    assert (steps.n, steps.first, steps.matured) == (2, 2, 1)
    assert steps.append(4, 1, choice(0, 0)) == 4
    assert steps.action[:3].tolist() == [2, 3, 0]
    assert steps.terminated[:3].tolist() == [0, 1, 0]


def test_state_and_load_round_trip():
    a, b, steps = agent(seed=1), agent(seed=1), Steps(SPEC, n_features=2)
    fill(steps, 30, 5)
    a.adopt(a.job(steps)())
    b.load({name: array.copy() for name, array in a.state().items()})
    np.testing.assert_array_equal(a.q, b.q)
    assert [a.act(i % 4, NONE, ALL, FLAT, FLAT) for i in range(50)] == [
        b.act(i % 4, NONE, ALL, FLAT, FLAT) for i in range(50)
    ]
    nothing = Steps(SPEC, n_features=2)
    np.testing.assert_array_equal(b.job(nothing)(), a.q)  # what was loaded is what undo goes back to
    a.q[0, 0] += 1.0
    assert b.q[0, 0] != a.q[0, 0]


@given(
    hnp.arrays(np.uint8, 4, elements=st.integers(0, 1)),
    hnp.arrays(np.float64, (4, 4), elements=st.floats(allow_nan=True, allow_infinity=True)),
    st.sampled_from(["softmax", "epsilon-greedy"]),
    st.floats(0.0, 1.0),
    st.integers(0, 1000),
)
def test_the_mask_is_always_obeyed(mask, table, policy, adventure, seed):
    a = agent(seed=seed, policy=policy)
    a.load({"q": table})
    a.explore(adventure)
    for state in range(4):
        action = a.act(state, NONE, mask, FLAT, FLAT)
        assert mask[action] == 1 if mask.any() else action == -1


def test_adventure_scales_exploration():
    a = agent(temperature=0.06)
    a.load({"q": np.tile([0.0, 0.1, 0.2, 0.3], (4, 1))})
    bold = []
    for adventure in (0.0, 0.5, 1.0):
        a.explore(adventure)
        bold.append(sum(a.act(0, NONE, ALL, FLAT, FLAT) != 3 for _ in range(500)))
    assert bold[0] < 10 < bold[1] < bold[2]
    greedy = agent(policy="epsilon-greedy")
    greedy.load({"q": np.tile([0.0, 0.1, 0.2, 0.3], (4, 1))})
    greedy.explore(0.0)
    assert {greedy.act(0, NONE, ALL, FLAT, FLAT) for _ in range(100)} == {3}


def test_registry_refuses_what_it_does_not_know():
    assert [a.spec.name for a in make_agents("q", 1, PRIOR)[0]] == ["rhythm", "melody", "harmony"]
    with pytest.raises(SettingsError, match=r"agent = 'pro' is not known \(did you mean 'ppo'\?\); there are: dyna-q"):
        make_agents("pro", 1, PRIOR)


def test_agents_of_one_seed_differ_by_head_and_repeat_by_seed():
    def draws(seed):
        found = []
        for a in make_agents("q", seed, PRIOR)[0]:
            mask, prior = np.ones(a.spec.n_actions, np.uint8), np.zeros(a.spec.n_actions)
            found.append([a.act(0, NONE, mask, prior, prior) for _ in range(40)])
        return found

    assert draws(1) == draws(1) != draws(2)
    assert draws(1)[0] != draws(1)[2]


def test_observe_ends_at_a_phrase():
    """The last step of a phrase has no successor: γ max Q(s′, ·) is left out."""
    a, steps = agent(alpha=1.0, gamma=0.5), Steps(SPEC, n_features=2)
    a.q[1] = 8.0
    for phrase, state in ((0, 0), (0, 1), (1, 1), (1, 1)):
        steps.append(0, phrase, choice(state, 2))
    steps.reward[:3] = 1.0
    a.observe(steps, 0)
    assert a.q[0].tolist() == [0.0, 0.0, 5.0, 0.0]
    a.observe(steps, 1)
    assert a.q[1].tolist() == [8.0, 8.0, 1.0, 8.0]


def test_value_is_the_table():
    a = agent()
    a.q[2, 3] = 0.25
    assert a.value(2, NONE, 3) == 0.25


def test_unrated_it_plays_the_prior_and_ratings_move_it():
    """A nat of the prior is worth ``temperature`` in rewards: at adventure 0.5 an untaught agent draws exp(prior)."""
    a, prior = agent(temperature=0.02), np.log([0.1, 0.2, 0.3, 0.4])
    draws = np.bincount([a.act(0, NONE, ALL, prior, FLAT) for _ in range(10_000)], minlength=4) / 10_000
    np.testing.assert_allclose(draws, np.exp(prior), atol=0.02)
    a.q[0, 0] += 0.02 * np.log(4.0)  # as liked as the likeliest
    draws = np.bincount([a.act(0, NONE, ALL, prior, FLAT) for _ in range(10_000)], minlength=4) / 10_000
    np.testing.assert_allclose(draws, np.array([0.4, 0.2, 0.3, 0.4]) / 1.3, atol=0.02)


def test_steps_nobody_rates_leave_the_prior_alone():
    a, steps = agent(), Steps(SPEC, n_features=2)
    fill(steps, 40, 6)
    steps.reward[:40] = 0.0
    a.adopt(a.job(steps)())
    assert not a.q.any()
