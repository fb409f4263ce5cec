"""``bench learn`` through the command line: one object, the same from the same seed; errors are one sentence."""

import json

import gymnasium
import numpy as np
import pytest

from livecomposer import cli
from livecomposer.agents.registry import NETWORKS, hyper_of, make_trainer
from livecomposer.agents.school import Adapter, Course, train
from livecomposer.bench.learn import together

KEYS = {"env", "agent", "seed", "steps", "best_return", "solved_at_step", "cpu_s"}


@pytest.fixture
def learn(capsys):
    def call(*arguments):
        code = cli.main(["bench", "learn", *(str(a) for a in arguments)])
        return code, *capsys.readouterr()

    return call


def report(learn, *arguments):
    code, out, _ = learn(*arguments, "--json")
    assert (code, out.count("\n")) == (0, 1)
    found = json.loads(out)
    for key in ("cpu_s", "machine"):
        found.pop(key)
    return found


def test_a_table_solves_the_cliff(learn):
    found = report(learn, "--env", "CliffWalking-v1", "--agent", "q", "--steps", 20_000)
    assert set(found) >= KEYS - {"cpu_s"}
    assert (found["env"], found["agent"], found["seed"], found["steps"]) == ("CliffWalking-v1", "q", 1, 20_000)
    assert found["best_return"] == -13.0


def test_ppo_learns_to_balance(learn):
    """In 8,000 steps (all seeds of all agents, until it is solved: docs/agents.md); by chance a return is about 22."""
    found = report(learn, "--agent", "ppo", "--steps", 8_000)
    assert found["best_return"] > 150.0
    assert len(found["curve"]) == 8


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_seed_gives_the_same_result(learn, name):
    hyper = ["--hyper", "workers=1"] if name == "a3c" else []
    short = ("--agent", name, "--steps", 600, *hyper)
    one, same, other = report(learn, *short), report(learn, *short), report(learn, *short, "--seed", 2)
    assert one == same
    assert one["curve"] != other["curve"]


def test_two_workers_share_their_weights():
    """Each learns, and what one has learnt the other acts with from its next turn on."""
    hyper = hyper_of("a3c", {"workers": 2})
    trainer, _ = train(
        lambda: make_trainer("a3c", 4, 2, hyper, 1), lambda seed: Adapter("CartPole-v1", seed), 2_000, 1, together
    )
    first, second = trainer.workers()
    assert min(first.updates, second.updates) >= 10
    course = Course(first, [Adapter("CartPole-v1", 7)])
    before = trainer.params.copy()
    course.round(0.0)
    learnt = trainer.params - before
    assert learnt.any()
    np.testing.assert_array_equal(second.actor.params, before)
    Course(second, [Adapter("CartPole-v1", 8)]).round(1.0)  # the steps are of size 0 by then: it only takes over
    np.testing.assert_array_equal(second.actor.params, before + learnt)


class Masked(gymnasium.Env):
    """Two of three actions are forbidden, others each time; the third ends the episode."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2, 2), dtype=np.float32)
    action_space = gymnasium.spaces.Discrete(3, start=5)

    def _seen(self):
        self.allowed = int(self.np_random.integers(0, 3))
        mask = np.zeros(3, dtype=np.int8)
        mask[self.allowed] = 1
        return np.zeros((2, 2), dtype=np.float32), {"action_mask": mask}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen()

    def step(self, action):
        assert action == 5 + self.allowed
        observation, info = self._seen()
        return observation, 1.0, False, bool(self.np_random.random() < 0.1), info


@pytest.mark.parametrize("name", NETWORKS)
def test_masks_starts_and_shapes_of_an_environment(name):
    env = Adapter("masked", 3, Masked())
    assert (env.n_features, env.n_actions, env.n_states) == (4, 3, 0)
    trainer = make_trainer(name, 4, 3, hyper_of(name, {"lanes": 1} if name in ("a2c", "ppo") else {}), 1)
    course = Course(trainer, [env])
    for _ in range(3):
        course.round(0.0)
    assert trainer.bad == 0
    assert not course._rows.terminated.any()  # what time cuts short has not ended


def test_rows_say_where_episodes_end_and_where_they_break_off():
    trainer = make_trainer("ppo", 4, 3, hyper_of("ppo", {"lanes": 1, "horizon": 100}), 1)
    env = Adapter("masked", 3, Masked())
    ends, step = [], env.step

    def watched(action):
        reward, _, cut = step(action)
        ends.append((len(ends) % 2 == 0 and cut, cut))
        return reward, *ends[-1]

    env.step = watched
    course = Course(trainer, [env])
    course.round(0.0)
    steps = np.flatnonzero(course._rows.ghost == 0)
    assert course._rows.terminated[steps].tolist() == [over for over, _ in ends]
    breaks = [i for i, (over, cut) in enumerate(ends[:-1]) if cut and not over]
    assert np.flatnonzero(np.diff(steps) == 2).tolist() == breaks and 0 < len(breaks) < sum(cut for _, cut in ends)


# ---- what cannot be -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--steps", 0), "steps = 0; training takes at least 1"),
        (("--seed", -1), "seed = -1 is below 0; training needs one of 0 or more"),
        (("--agent", "poo"), "agent = 'poo' is not known (did you mean 'ppo'?); there are: q, "),
        (("--env", "Pendulum-v1"), "env = 'Pendulum-v1' has actions of the kind Box; agents choose"),
        (("--agent", "q"), "env = 'CartPole-v1' has no discrete states, which agent q needs; choose a network"),
        (("--hyper", "epochs"), "hyper = 'epochs' is not of the form name=value"),
        (("--hyper", "epochs=x"), "epochs = 'x' of agent ppo is not a whole number"),
        (("--env", "CartPool-v1"), "env = 'CartPool-v1' cannot be made ("),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(learn, arguments, said):
    code, out, err = learn(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"livecomposer: {said}")
    assert err.count("\n") == 1


def test_other_benches_take_none_of_its_flags(capsys):
    assert cli.main(["bench", "decide", "--env", "CartPole-v1"]) == 2
    assert capsys.readouterr().err == "livecomposer: bench decide trains on no environment; leave out --env\n"
