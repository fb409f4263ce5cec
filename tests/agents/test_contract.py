"""What every agent must keep to, whoever it is: masks, shapes, saving, bad numbers, seeds, and learning two tasks."""

import tracemalloc

import numpy as np
import pytest
from numba.core.runtime import rtsys
from numba.core.runtime._nrt_python import memsys_enable_stats
from numba.core.types import Array

from livecomposer import Performance, Settings
from livecomposer.agents.kernels import softmax_decide
from livecomposer.agents.network import network_decide
from livecomposer.agents.networked import PASSES, NetworkAgent
from livecomposer.agents.prior import load_prior
from livecomposer.agents.protocol import Choice, Steps
from livecomposer.agents.registry import NETWORKS, hyper_of, make_agents, make_trainer
from livecomposer.agents.rows import Rows
from livecomposer.errors import SettingsError, TasteError
from livecomposer.instrument.snapshot import pack_agents, unpack_agents
from livecomposer.ratings.credit import Credit
from livecomposer.ratings.features import FIRST_OF
from livecomposer.settings import AGENTS

PRIOR = load_prior("none")
OWN = [name for name in AGENTS if name != "dyna-q"]  # dyna-q learns through a taste: see below
S = 1_000_000_000


def make(name: str, seed: int = 1):
    """The melody head's agent."""
    return make_agents(name, seed, PRIOR)[0][1]


def seen(agent, state: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(features, mask, prior) of a state, of which the features are the unit vector."""
    features = np.zeros(agent.n_features, dtype=np.float32)
    if agent.n_features:
        features[state] = 1.0
    return features, np.ones(agent.spec.n_actions, dtype=np.uint8), np.zeros(agent.spec.n_actions)


def step(agent, steps: Steps, t_ns: int, phrase: int, state: int, reward=lambda action: 0.0) -> int:
    features, mask, prior = seen(agent, state)
    action = agent.act(state, features, mask, prior, np.zeros_like(prior))
    logits = prior.astype(np.float32) if agent.n_features else prior[:0].astype(np.float32)
    choice = Choice(state, action, mask, features, False, 0.0, np.zeros(0, np.int64), 0.0, logits)
    steps.append(t_ns, phrase, choice, reward(action))
    return action


def table(agent) -> Steps:
    return Steps(agent.spec, agent.capacity, agent.n_features)


@pytest.mark.parametrize("name", AGENTS)
def test_the_mask_is_obeyed(name):
    agent, rng = make(name), np.random.default_rng(1)
    features, _, prior = seen(agent, 3)
    for adventure in (0.0, 0.5, 1.0):
        agent.explore(adventure)
        for _ in range(60):
            mask = (rng.random(agent.spec.n_actions) < 0.3).astype(np.uint8)
            action = agent.act(3, features, mask, prior, np.zeros_like(prior))
            assert mask[action] == 1 if mask.any() else action == -1


@pytest.mark.parametrize("name", AGENTS)
def test_unrated_it_plays_the_prior_and_goes_on_doing_so(name):
    agent, steps = make(name), None
    steps = table(agent)
    for i in range(60):
        step(agent, steps, i * S, i // 8, i % 5)
    agent.adopt(agent.job(steps)())
    features, mask, _ = seen(agent, 2)
    prior = np.log(np.arange(1.0, agent.spec.n_actions + 1.0))
    draws = [agent.act(2, features, mask, prior, np.zeros_like(prior)) for _ in range(4000)]
    shares = np.bincount(draws, minlength=agent.spec.n_actions) / 4000
    np.testing.assert_allclose(shares, np.exp(prior) / np.exp(prior).sum(), atol=0.025)


@pytest.mark.parametrize("name", OWN)
def test_identity_task(name):
    """Reward 1 for the action that the state names, learnt in jobs: then that is mostly what is played."""
    agent = make(name)
    steps, rng = table(agent), np.random.default_rng(2)
    for i in range(600):
        state = int(rng.integers(0, 4))
        step(agent, steps, i * S, i // 4, state, lambda action, state=state: float(action == state))
        if i % 60 == 59:
            agent.adopt(agent.job(steps)())
    agent.explore(0.2)
    right = 0
    for state in range(4):
        features, mask, prior = seen(agent, state)
        right += sum(agent.act(state, features, mask, prior, np.zeros_like(prior)) == state for _ in range(50))
    assert right >= 100  # of 200; by chance 11


@pytest.mark.parametrize("name", OWN)
def test_late_rating_task(name):
    """One note a second, each liked note's press .7 s late: the liked action is played more and more."""
    agent = make(name)
    steps = table(agent)
    credit, rated = Credit([steps]), 0
    for i in range(200):
        if step(agent, steps, i * S, i // 4, 0) == 2:
            credit.give(credit.moment(i * S + 700_000_000)[0], 1.0)
            rated += 1
            if rated <= 30:
                agent.adopt(agent.job(steps)())
    features, mask, prior = seen(agent, 0)
    draws = [agent.act(0, features, mask, prior, np.zeros_like(prior)) for _ in range(200)]
    assert draws.count(2) >= 50  # by chance 11


RIGHT, WRONG = (int(FIRST_OF[1]) + k for k in (0, 1))  # two features of the melody head


def likings(taste, n_actions: int, right: int) -> np.ndarray:
    """What the taste says of each action, of which ``right`` has the one feature and all others the other."""
    return np.array([taste.weights[RIGHT if a == right else WRONG] for a in range(n_actions)])


def test_through_a_taste_the_identity_task_is_learnt_and_saved():
    agents, taste = make_agents("dyna-q", 1, PRIOR)
    agent, rng = agents[1], np.random.default_rng(2)
    _, mask, prior = seen(agent, 0)
    n = agent.spec.n_actions
    for i in range(60):
        state = int(rng.integers(0, 4))
        action = agent.act(state, prior[:0], mask, prior, likings(taste, n, state))
        found = np.array([RIGHT if action == state else WRONG])
        taste.rate(i * S, 1.0 if action == state else -1.0, taste.features_of([(1, 1.0, found)]))
        agent.adopt(agent.job(table(agent))())
    taste.explore(0.0)
    right = sum(agent.act(k % 4, prior[:0], mask, prior, likings(taste, n, k % 4)) == k % 4 for k in range(200))
    assert right >= 150  # of 200; by chance 11
    again, kept = make_agents("dyna-q", 1, PRIOR)
    unpack_agents(pack_agents("dyna-q", [*agents, taste]), "dyna-q", [*again, kept])
    kept.explore(0.0)
    again[1].adopt(again[1].job(table(agent))())
    for one in (agent, again[1]):
        one.rng[:] = 5
    agent.adopt(agent.job(table(agent))())
    draws = [
        [one.act(k % 4, prior[:0], mask, prior, likings(of, n, k % 4)) for k in range(200)]
        for one, of in ((agent, taste), (again[1], kept))
    ]
    assert draws[0] == draws[1]


@pytest.mark.parametrize("theory", [0.0, 1.0])
def test_rules_count_more_as_reward_where_that_is_asked_for(theory):
    """π ∝ π₀ exp(β l / (1 + theory)): a nat of the prior, which has learnt the rules, is worth more in ratings."""
    agents, _ = make_agents("dyna-q", 1, PRIOR, theory=theory)
    agent, n = agents[1], agents[1].spec.n_actions
    _, mask, prior = seen(agent, 0)
    rng = np.random.default_rng(4)
    logits, liking = rng.normal(size=n), rng.normal(0.0, 0.05, n)
    chance = np.exp(logits + 18.0 / (1.0 + theory) * liking) * mask
    drawn = np.bincount([agent.act(0, prior[:0], mask, logits, liking) for _ in range(20_000)], minlength=n)
    np.testing.assert_allclose(drawn / 20_000, chance / chance.sum(), atol=0.015)


def test_through_a_taste_the_late_rating_task_is_learnt():
    agents, taste = make_agents("dyna-q", 1, PRIOR)
    agent = agents[1]
    steps = table(agent)
    credit, rated = Credit([steps]), 0
    _, mask, prior = seen(agent, 0)
    n = agent.spec.n_actions
    for i in range(120):
        action = agent.act(0, prior[:0], mask, prior, likings(taste, n, 2))
        rows = np.array([RIGHT if action == 2 else WRONG])
        steps.append(i * S, i // 4, Choice(0, action, mask, prior[:0].astype(np.float32), False, 0.0, rows))
        if action == 2 and rated < 30:
            rated += 1
            reached = [(number, weight) for _, number, weight in credit.moment(i * S + 700_000_000)[0]]
            silent = [(number, 1.0) for number in range(max(0, i - 10), reached[0][0])]  # nobody pressed there
            x, y = (taste.features_of([(1, weight, steps.rows[k, :1]) for k, weight in rows]) if rows else None
                    for rows in (reached, silent))  # fmt: skip
            taste.rate(i * S, 1.0, x, y)
            agent.adopt(agent.job(steps)())
    taste.explore(0.0)
    assert (
        sum(agent.act(0, prior[:0], mask, prior, likings(taste, n, 2)) == 2 for _ in range(200)) >= 50
    )  # by chance 11


@pytest.mark.parametrize("name", OWN)
def test_what_is_saved_plays_the_same(name):
    one, other = (make_agents(name, 3, PRIOR)[0] for _ in range(2))
    steps = table(one[1])
    for i in range(40):
        step(one[1], steps, i * S, 0, i % 4, lambda action: float(action == 1))
    one[1].adopt(one[1].job(steps)())
    data = pack_agents(name, one)
    unpack_agents(data, name, other)
    fresh = make_agents(name, 3, PRIOR)[0]
    draws = []
    for agents in (one, other, fresh):
        agents[1].rng[:] = 5
        views = [seen(agents[1], i % 4) for i in range(200)]
        draws.append([agents[1].act(i % 4, *views[i], views[i][2]) for i in range(200)])
    assert draws[0] == draws[1] != draws[2]
    for cut in (20, len(data) // 2, len(data) - 3):
        with pytest.raises(TasteError):
            unpack_agents(data[:cut], name, other)
    foreign = next(n for n in OWN if n != name)
    with pytest.raises(TasteError, match=f"was learnt by agent '{name}', not '{foreign}'"):
        unpack_agents(data, foreign, make_agents(foreign, 3, PRIOR)[0])


@pytest.mark.parametrize("name", AGENTS)
def test_the_same_seed_gives_the_same_notes(name):
    def evening(seed):
        p = Performance(Settings(role="solo", agent=name, seed=seed))
        for i in range(12):
            p.advance(i * 2 * S)
            p.rate(i * 2 * S, 1.0 if i % 3 else -1.0)
        return p.advance(30 * S), p.snapshot()

    first, again, other = evening(4), evening(4), evening(5)
    assert first == again
    assert first[0] != other[0]


@pytest.mark.parametrize("name", AGENTS)
def test_a_decision_allocates_nothing(name):
    """No array in a kernel, not for a moment, and nothing of Python's that stays."""
    agent = make(name)
    features, mask, prior = seen(agent, 1)
    liking = np.zeros_like(prior)
    for _ in range(50):
        agent.act(1, features, mask, prior, liking)
    kernel = network_decide if name in NETWORKS else softmax_decide
    handed_over = sum(isinstance(kind, Array) for kind in kernel.nopython_signatures[0].args)  # each has a handle
    memsys_enable_stats()
    before = rtsys.get_allocation_stats().alloc
    agent.act(1, features, mask, prior, liking)
    assert rtsys.get_allocation_stats().alloc - before == handed_over > 0
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            agent.act(1, features, mask, prior, liking)
        assert tracemalloc.get_traced_memory()[0] - before < 200  # bytes: of 200 decisions
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", OWN)
def test_a_job_depends_on_the_rows_at_its_time_only(name):
    results = []
    for spoilt in (False, True):
        agent = make(name)
        steps = table(agent)
        for i in range(50):
            step(agent, steps, i * S, i // 8, i % 4, lambda action: float(action % 3 == 0))
        run = agent.job(steps)
        if spoilt:
            steps.reward[:50] = -7.0
            steps.features[:50] = 9.0
            for i in range(50, 60):
                step(agent, steps, i * S, 9, 0)
        agent.adopt(run())
        results.append({key: array.copy() for key, array in agent.state().items()})
    for key in results[0]:
        np.testing.assert_array_equal(results[0][key], results[1][key])


# ---- networks as trainers -------------------------------------------------------------------------------------------
def filled(n: int, seed: int = 1) -> Rows:
    rng = np.random.default_rng(seed)
    rows = Rows(6, 3, 1, n)
    rows.features[:] = rng.normal(size=(n, 6))
    rows.action[:] = rng.integers(0, 3, n)
    rows.reward[:] = rng.normal(size=n)
    rows.ghost[:] = 0
    rows.ghost[n - 1] = 1
    return rows


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("name", NETWORKS)
def test_bad_numbers_leave_finite_weights_and_are_counted(name, bad):
    trainer = make_trainer(name, 6, 3, hyper_of(name, {"begin": 1} if name == "dqn" else {}), 1)
    for place in ("reward", "features"):
        rows = filled(64)
        getattr(rows, place)[7] = bad
        trainer.learn(rows)
    assert trainer.bad == 2
    for array in trainer.state().values():
        assert np.isfinite(array).all()
    before = trainer.updates
    trainer.learn(filled(64, 2))
    assert trainer.updates > before


@pytest.mark.parametrize("name", NETWORKS)
def test_a_trainer_learns_the_same_from_the_same_seed(name):
    states = []
    for seed in (1, 1, 2):
        trainer = make_trainer(name, 6, 3, hyper_of(name, {"begin": 1} if name == "dqn" else {}), seed)
        for i in range(3):
            trainer.learn(filled(64, i))
        states.append(trainer.state()["params"].copy())
    np.testing.assert_array_equal(states[0], states[1])
    assert (states[0] != states[2]).any()


@pytest.mark.parametrize("name", NETWORKS)
def test_who_is_judged_leaves_nothing_to_chance(name):
    trainer = make_trainer(name, 6, 3, hyper_of(name), 1)
    x, mask = np.ones(6, dtype=np.float32), np.ones(3, dtype=np.uint8)
    assert len({trainer.act(x, mask, greedy=True) for _ in range(60)}) == 1
    assert len({trainer.act(x, mask) for _ in range(60)}) == 3


def test_the_target_network_follows_in_steps():
    trainer = make_trainer("dqn", 6, 3, hyper_of("dqn", {"begin": 1, "updates": 1, "target_every": 2}), 1)
    params = []
    for i in range(5):
        params.append(trainer.policy_params.copy())
        trainer.learn(filled(64, i))
        np.testing.assert_array_equal(trainer.state()["target"], params[i - i % 2])
    assert len({array.tobytes() for array in params}) == 5


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "dqn"])
def test_steps_fall_to_nothing_over_a_training(name):
    trainer = make_trainer(name, 6, 3, hyper_of(name), 1)
    moved = []
    for share in (0.0, 1.0):
        before = trainer.state()["params"].copy()
        trainer.learn(filled(64), share)
        moved.append(bool((trainer.state()["params"] != before).any()))
    assert moved == [True, False]


@pytest.mark.parametrize("name", NETWORKS)
def test_taking_a_rating_back_is_exact(name):
    """A job begins at the base: with the rewards as they were, the weights are as they were."""
    agent = NetworkAgent(make(name).spec, name, hyper_of(name, playing=True), 1)
    steps = table(agent)
    for i in range(300):  # more than a batch
        step(agent, steps, i * S, 0, i % 4, lambda action: float(action == 1))
    agent.adopt(agent.job(steps)())
    once = agent.trainer.state()["params"].copy()
    steps.reward[20] += 1.0
    agent.adopt(agent.job(steps)())
    assert (agent.trainer.state()["params"] != once).any()
    steps.reward[20] -= 1.0
    agent.adopt(agent.job(steps)())
    np.testing.assert_array_equal(agent.trainer.state()["params"], once)
    assert agent.trainer.updates % PASSES == 0


def weights(agent) -> dict[str, np.ndarray]:
    return {key: array.copy() for key, array in agent.state().items()}


def taught(name: str) -> tuple[NetworkAgent, Steps]:
    agent = NetworkAgent(make(name).spec, name, hyper_of(name, playing=True), 1)
    steps = table(agent)
    for i in range(40):
        step(agent, steps, i * S, 0, i % 4, lambda action: float(action == 1))
    return agent, steps


@pytest.mark.parametrize("name", NETWORKS)
def test_what_plays_stays_as_it_is_until_a_job_is_adopted(name):
    agent, steps = taught(name)
    for _ in range(3):
        before = weights(agent)
        steps.reward[:40] += 1.0
        result = agent.job(steps)()
        for key, array in agent.state().items():
            np.testing.assert_array_equal(array, before[key])
        agent.adopt(result)
        assert (agent.state()["params"] != before["params"]).any()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_last_step_waits_for_what_comes_of_it(name):
    agent, steps = taught(name)
    agent.adopt(agent.job(steps)())
    once = weights(agent)["params"]
    steps.reward[39] += 1.0
    agent.adopt(agent.job(steps)())
    np.testing.assert_array_equal(agent.state()["params"], once)


@pytest.mark.parametrize("way", ["fold", "load", "restore"])
@pytest.mark.parametrize("name", NETWORKS)
def test_jobs_go_on_from_what_was_folded_or_taken_up(name, way):
    """Of no steps at all nothing is learnt: what a job gives then is what it began with."""
    agent, steps = taught(name)
    agent.adopt(agent.job(steps)())
    learnt, kept = weights(agent)["params"], agent.keep()
    if way == "fold":
        agent.fold(steps, steps.n // 2)
    else:
        agent = make(name, 2)
        getattr(agent, way)(kept)
    agent.adopt(agent.job(table(agent))())
    np.testing.assert_array_equal(agent.state()["params"], learnt)


@pytest.mark.parametrize("name", NETWORKS)
def test_adventure_leaves_more_or_less_to_chance(name):
    agent = make(name)
    features, mask, _ = seen(agent, 0)
    prior = np.linspace(0.0, 3.0, agent.spec.n_actions)
    mean = []
    for adventure in (0.0, 0.5, 1.0):
        agent.explore(adventure)
        mean.append(np.mean([agent.act(0, features, mask, prior, np.zeros_like(prior)) for _ in range(300)]))
    assert mean[0] > agent.spec.n_actions - 1.5 > mean[1] > mean[2] + 1.0


# ---- what cannot be -------------------------------------------------------------------------------------------------
def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(
        SettingsError, match=r"agent = 'pppo' is not known \(did you mean 'ppo'\?\); there are: q, sarsa"
    ):
        hyper_of("pppo")
    with pytest.raises(SettingsError, match=r"agent ppo has no hyper-parameter 'epoch' \(did you mean 'epochs'\?\)"):
        hyper_of("ppo", {"epoch": "3"})
    with pytest.raises(SettingsError, match="epochs = 'many' of agent ppo is not a whole number"):
        hyper_of("ppo", {"epochs": "many"})
    assert hyper_of("q-lambda", {"lambda": "0.5"}).lambda_ == 0.5
