"""Training on any Gymnasium environment with discrete actions, through the one adapter of this package.

``bench.learn`` and ``bench.speed`` call it. Needs the extra ``gym``. A network's input is the observation, flattened;
of a discrete one the unit vector. Tabular agents take discrete observations as their states. A mask is taken from
``info["action_mask"]`` if the environment gives one.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from livecomposer.agents.rows import Rows
from livecomposer.agents.tabular import Learner
from livecomposer.agents.trainer import Trainer
from livecomposer.errors import SettingsError

SCREEN = 20  # greedy episodes of an evaluation while training
FINAL = 100  # episodes by which the best weights are judged, and a task counts as solved
EVALUATIONS = 40  # in a training, and
EVERY = 1000  # steps at least between two of them
LONGEST = 2000  # steps of an evaluated episode: some environments never end one that goes in circles
ANNEAL = 256  # steps between two settings of a table's step size and chance
ROOM = 2048  # rows of a lane where whole episodes are wanted


class Adapter:
    """One environment as agents see it.

    Attributes
    ----------
    n_states : int
        0 if observations are not discrete.
    n_features, n_actions : int
    features : float32[n_features]
        Of the present observation.
    mask : uint8[n_actions]
    """

    def __init__(self, name: str, seed: int, made: Any = None) -> None:
        import gymnasium

        try:
            self.env = gymnasium.make(name) if made is None else made
        except gymnasium.error.Error as error:
            raise SettingsError(f"env = {name!r} cannot be made ({str(error).splitlines()[0]})") from None
        except ImportError as error:
            raise SettingsError(f"env = {name!r} needs a package that is not installed ({error})") from None
        spaces = gymnasium.spaces
        self.name = name
        actions, seen = self.env.action_space, self.env.observation_space
        if not isinstance(actions, spaces.Discrete):
            raise SettingsError(
                f"env = {name!r} has actions of the kind {type(actions).__name__}; agents choose among discrete ones"
            )
        self.n_actions = int(actions.n)
        self.n_states = int(seen.n) if isinstance(seen, spaces.Discrete) else 0
        if not self.n_states and not isinstance(seen, spaces.Box):
            raise SettingsError(f"env = {name!r} shows a {type(seen).__name__}; agents see a Box or a Discrete")
        self.n_features = self.n_states or int(np.prod(seen.shape or ()))
        self.features = np.zeros(self.n_features, dtype=np.float32)
        self.mask = np.ones(self.n_actions, dtype=np.uint8)
        self.state = 0
        self._first = int(actions.start)
        self._seed: int | None = seed

    def reset(self) -> None:
        """A new episode; the first is seeded."""
        observation, info = self.env.reset(seed=self._seed)
        self._seed = None
        self._see(observation, info)

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Act; returns reward, terminated, truncated."""
        observation, reward, terminated, truncated, info = self.env.step(action + self._first)
        self._see(observation, info)
        return float(reward), terminated, truncated

    def _see(self, observation: Any, info: dict[str, Any]) -> None:
        if self.n_states:
            self.features[self.state] = 0.0
            self.state = int(observation)
            self.features[self.state] = 1.0
        else:
            self.features[:] = observation if observation.ndim == 1 else observation.reshape(-1)
        if "action_mask" in info:
            self.mask[:] = info["action_mask"]


class Report(NamedTuple):
    """How a training went: the mean greedy return of ``FINAL`` fresh episodes with the best weights, at which step it
    first was as high as the environment asks for (None: never), and the evaluations, (step, mean return) each."""

    best_return: float
    solved_at_step: int | None
    curve: list[tuple[int, float]]
    best: dict[str, np.ndarray]


class Judge:
    """Evaluates now and then, greedily and apart from the training, and keeps the best weights."""

    def __init__(self, env: Callable[[int], Adapter], twin: Any, act: Callable[[Adapter], int], steps: int) -> None:
        self._env = env(1_000_003)
        self._twin, self._act = twin, act
        self._goal = self._env.env.spec.reward_threshold if self._env.env.spec else None
        self._every = min(steps, max(EVERY, steps // EVALUATIONS))
        self._next = self._every
        self.curve: list[tuple[int, float]] = []
        self.best: dict[str, np.ndarray] = {}
        self.best_mean = -np.inf
        self.solved: int | None = None

    def due(self, step: int) -> bool:
        """Whether it is time."""
        return step >= self._next

    def look(self, step: int, state: dict[str, np.ndarray]) -> None:
        """Evaluate weights; keep them if there have been none better."""
        self._next += self._every
        state = {name: array.copy() for name, array in state.items()}
        self._twin.load(state)
        mean = self.mean(SCREEN)
        if self._goal is not None and mean >= self._goal:  # looks solved: is it?
            mean = self.mean(FINAL)
            if mean >= self._goal and self.solved is None:
                self.solved = step
        self.curve.append((step, mean))
        if mean >= self.best_mean:
            self.best, self.best_mean = state, mean

    def mean(self, episodes: int) -> float:
        """Mean greedy return of fresh episodes."""
        env, total = self._env, 0.0
        for _ in range(episodes):
            env.reset()
            for _ in range(LONGEST):
                reward, terminated, truncated = env.step(self._act(env))
                total += reward
                if terminated or truncated:
                    break
        return total / episodes

    def report(self) -> Report:
        """The end: the best weights, judged anew."""
        self._twin.load(self.best)
        return Report(self.mean(FINAL), self.solved, self.curve, self.best)


def train(
    make: Callable[[], Trainer], env: Callable[[int], Adapter], steps: int, seed: int,
    together: Callable[[list[Callable[[], None]]], None] | None = None,
) -> tuple[Trainer, Report]:  # fmt: skip
    """Train a network for ``steps`` steps of all environments together.

    Parameters
    ----------
    make : callable
        A new trainer, the same each time.
    env : callable
        ``env(seed)``: a new environment.
    together : callable, optional
        Runs functions at once and waits for them: the workers of A3C (without it the first works alone).
    """
    trainer, twin = make(), make()
    judge = Judge(env, twin, lambda e: twin.act(e.features, e.mask, True), steps)
    workers = getattr(trainer, "workers", lambda: [trainer])() if together else [trainer]
    courses = [Course(worker, [env(seed + 101 * k + lane) for lane in range(trainer.lanes)]) for k, worker in
               enumerate(workers)]  # fmt: skip
    done = [0] * len(courses)
    share = steps / len(courses)

    def work(k: int) -> Callable[[], None]:
        def run() -> None:
            end = judge.curve[-1][0] + judge._every if judge.curve else judge._every
            end = min(end, steps)
            while done[k] < end / len(courses):
                done[k] += courses[k].round(min(done[k] / share, 1.0))

        return run

    while sum(done) < steps:
        runs = [work(k) for k in range(len(courses))]
        if together and len(runs) > 1:
            together(runs)
        else:
            runs[0]()
        judge.look(sum(done), trainer.state())
    report = judge.report()
    trainer.load(report.best)
    return trainer, report


class Course:
    """A trainer in its environments."""

    def __init__(self, trainer: Trainer, envs: list[Adapter]) -> None:
        self.trainer, self.envs = trainer, envs
        room = ROOM + trainer.horizon if trainer.whole_episodes else 2 * trainer.horizon + 2
        self._rows = Rows(trainer.n_features, trainer.n_actions, len(envs), room)
        for env in envs:
            env.reset()

    def round(self, share: float) -> int:
        """Play what one call of ``learn`` takes, and learn; returns the steps taken."""
        trainer, rows = self.trainer, self._rows
        rows.clear()
        n = 0
        for lane, env in enumerate(self.envs):
            taken = 0
            over = True
            while not rows.full(lane):
                action = trainer.act(env.features, env.mask)
                i = rows.begin(lane, env.features, env.mask, action)
                reward, terminated, truncated = env.step(action)
                rows.reward[i] = reward
                taken += 1
                over = terminated or truncated
                if over:
                    if terminated:
                        rows.terminated[i] = 1
                    else:
                        rows.end(lane, env.features, env.mask)
                    env.reset()
                if taken >= trainer.horizon and (over or not trainer.whole_episodes):
                    break
            if not over:
                rows.end(lane, env.features, env.mask)
            n += taken
        trainer.learn(rows, share)
        return n


def train_table(
    make: Callable[[], Learner], env: Callable[[int], Adapter], steps: int, seed: int
) -> tuple[Learner, Report]:  # fmt: skip
    """The same for a table, which learns at every step."""
    learner, twin = make(), make()
    judge = Judge(env, twin, lambda e: twin.greedy(e.state, e.mask), steps)
    course = env(seed)
    course.reset()
    action = learner.act(course.state, course.mask)
    for step in range(1, steps + 1):
        state = course.state
        reward, terminated, truncated = course.step(action)
        following = learner.act(course.state, course.mask)
        after = -1 if terminated else course.state
        learner.table.update(state, action, reward, after, following, course.mask)
        action = following
        if terminated or truncated:
            learner.end()
            course.reset()
            action = learner.act(course.state, course.mask)
        if step % ANNEAL == 0:
            learner.anneal(step / steps)
        if judge.due(step) or step == steps:
            judge.look(step, learner.state())
    report = judge.report()
    learner.load(report.best)
    return learner, report
