"""Ratings to agents: steps, credit, undo, and the numbered jobs that the learner does.

Everything here happens in the slack of the loop, except ``Job.run``, which a learner may run on its own thread.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from livecomposer.agents.protocol import Agent, Choice, Steps
from livecomposer.instrument.records import NOTHING_REACHED, Recorder
from livecomposer.instrument.snapshot import Stateful
from livecomposer.ratings.credit import GRACE_S, LASTS_S, Credit
from livecomposer.ratings.taste import Taste

REMEMBERED = 256  # ratings that can be taken back
SILENCE_S = 10.0
DARING = 0.7  # how far at adventure 1 a draw lies from the mean, in standard deviations of the posterior


class Job(NamedTuple):
    """Work for the learner: ``run()`` touches nothing that the loop may still change."""

    number: int
    parts: tuple[Callable[[], Any] | None, ...]

    def run(self) -> list[Any]:
        """Each head's result (None where the agent had nothing to do)."""
        return [part() if part else None for part in self.parts]


class Standing(NamedTuple):
    """Where all that is learnt stands: of each agent and the taste, and what can be taken back."""

    kept: list[Any]
    given: list[list[tuple[int, int, float]]]


class Learner(Protocol):
    """Who runs jobs: inline, a thread, or a replay that waits for the recorded turn."""

    def submit(self, job: Job) -> None:
        """Accept a job; its result comes back through ``Performance.adopt``."""


class Learning:
    """All that is learnt in one performance.

    Attributes
    ----------
    held : bool
        HELD: ratings are not heard.
    version : int
        Grows whenever an agent's state has changed.
    """

    def __init__(
        self, agents: list[Agent], recorder: Recorder, learner: Learner | None, held: bool, taste: Taste | None = None
    ) -> None:  # fmt: skip
        self.agents = agents
        self.taste = taste
        self.steps = [Steps(agent.spec, n_features=agent.n_features) for agent in agents]
        self.credit = Credit(self.steps)
        self.held = held
        self.version = 0
        self.changed = False  # a plan made before this is stale
        self.ratings = 0
        self._recorder = recorder
        self._learner = learner
        self._given: deque[list[tuple[int, int, float]]] = deque(maxlen=REMEMBERED)  # rewards before each
        self._jobs = 0
        self._in_flight = -1
        self._outdated = -1  # the job in flight is of another standing
        self._wanted = False
        # the last phrase: its number, first onset, end of its last note; and the onset that began the one before it
        self._phrase = -1
        self._began = 0
        self._ended = 0
        self._before = (-1, 0)
        self._pressed_ns = -1  # the last onset when a rating was last given

    def step(self, head: int, t_ns: int, phrase: int, choice: Choice, reward: float = 0.0) -> int:
        """Take down a step that has just sounded, with what it earns by itself, and return its number."""
        table = self.steps[head]
        if table.n == table.capacity:
            self.agents[head].fold(table, table.n // 2)
            table.drop_half()
        return table.append(t_ns, phrase, choice, reward)

    def explore(self, adventure: float) -> None:
        """How much is tried that is not known to be liked, 0 (nothing) to 1."""
        for agent in self.agents:
            agent.explore(adventure)
        if self.taste is not None:
            self.taste.explore(DARING * adventure)

    def plan(self) -> None:
        """Plan on what has been learnt before, at once: nothing plays yet."""
        if self.taste is not None:
            for agent, steps in zip(self.agents, self.steps, strict=True):
                run = agent.job(steps)
                if run is not None:
                    agent.adopt(run())

    @property
    def undoable(self) -> int:
        """Ratings that can be taken back."""
        return len(self._given)

    def keep(self) -> Standing:
        """Where it stands, to come back to."""
        return Standing([one.keep() for one in self.kept], list(self._given))

    def stand(self, standing: Standing) -> None:
        """Go on from there. Copies, in the slack; the plan in mid-phrase changes two beats later."""
        for one, kept in zip(self.kept, standing.kept, strict=True):
            one.restore(kept)
        self._given.clear()
        self._given.extend(standing.given)
        if self.taste is None:  # its agents learn from steps: these were rated for what stood there before
            for table in self.steps:
                table.first += table.n
                table.n = table.matured = 0
        self._outdated = self._in_flight
        self.version += 1
        self.changed = True
        self._work()

    def forget(self) -> None:
        """Drop all steps: nothing was meant to be learnt from them."""
        for table in self.steps:
            table.n = table.matured = 0

    def sounded(self, t_ns: int, end_ns: int, phrase: int) -> None:
        """An event of ``phrase`` began at ``t_ns`` and ends at ``end_ns``: the gap begins behind the last of them."""
        if phrase != self._phrase:
            self._before = (self._phrase, self._ended)
            self._phrase, self._began = phrase, t_ns
        self._ended = end_ns

    @property
    def kept(self) -> list[Stateful]:
        """All whose state a file must keep."""
        return [*self.agents, *([self.taste] if self.taste is not None else [])]

    @property
    def busy(self) -> bool:
        """Whether a job is in flight."""
        return self._in_flight >= 0

    @property
    def phrase(self) -> int:
        """The phrase that sounded last, -1 before the first."""
        return self._phrase

    def silent(self, t_ns: int) -> None:
        """The last note of the phrase has just ended."""
        self._ended = min(self._ended, t_ns)

    def rate(self, turn_ns: int, t_pressed: int, value: float, source: int, phrase_over: bool) -> None:
        """Credit a rating (-1..1) pressed at ``t_pressed``; ``phrase_over``: nothing more of the last phrase comes."""
        if self.held:
            return
        gap = -1
        if phrase_over and self._phrase >= 0 and t_pressed >= self._ended:
            gap = self._phrase
        elif self._before[0] >= 0 and self._before[1] <= t_pressed < self._began:
            gap = self._before[0]
        reached = self.credit.reach(t_pressed, gap)
        number = self.ratings
        self.ratings += 1
        if self.taste is None:
            self._given.append(self.credit.give(reached, value))
        else:
            self._given.append([])
            if reached:
                self.taste.rate(t_pressed, value, self.taste.features_of(self._felt(reached)), self._silence(reached))
        self._recorder.rating(turn_ns, t_pressed, number, source, value, gap if reached else NOTHING_REACHED)
        for head, step, weight in reached:
            self._recorder.credit(turn_ns, number, head, step, weight)
        self._work()

    def undo(self) -> bool:
        """Take the last rating back, exactly; returns whether there was one."""
        if not self._given:
            return False
        self.credit.take_back(self._given.pop())
        if self.taste is not None:
            self.taste.undo()
        self._work()
        return True

    def new_phrase(self) -> None:
        """A phrase is about to be decided: something else is tried in it."""
        if self.taste is not None and not self.held and self.taste.n:
            self.taste.redraw()
            self._work()

    def _silence(self, reached: list[tuple[int, int, float]]) -> np.ndarray | None:
        """What was played since the last press and not reached by this one, at most ``SILENCE_S`` of it."""
        first: dict[int, int] = {}
        for head, number, _ in reached:
            first[head] = min(number, first.get(head, number))
        rows: list[tuple[int, int, float]] = []
        last = self._pressed_ns
        for head, number in first.items():
            table = self.steps[head]
            end = number - table.first
            since = max(last, int(table.t_ns[end]) - int(SILENCE_S * 1e9))
            begin = int(np.searchsorted(table.t_ns[:end], since, "right"))
            heard = np.minimum(np.diff(table.t_ns[begin : end + 1]) * 1e-9, LASTS_S)  # as a press would weigh them
            rows += [
                (head, table.first + i, float(s)) for i, s in zip(range(begin, end), heard, strict=True) if s > 0.0
            ]
            self._pressed_ns = max(self._pressed_ns, int(table.t_ns[table.n - 1]))
        return self.taste.features_of(self._felt(rows)) if rows and self.taste is not None else None

    def _felt(self, reached: list[tuple[int, int, float]]) -> list[tuple[int, float, np.ndarray]]:
        """The same with the features of each step."""
        return [
            (head, weight, rows[rows >= 0])
            for head, number, weight in reached
            for rows in (self.steps[head].rows[number - self.steps[head].first],)
        ]

    def mature(self, t_ns: int) -> None:
        """Let the agents observe the steps that no rating can reach any more."""
        if self.held:
            return
        # a press on its way may still have fallen into the gap before the phrase that sounds
        phrase = self._phrase if t_ns - self._began >= GRACE_S * 1e9 else self._before[0]
        for head, row in self.credit.mature(t_ns, phrase):
            self.agents[head].observe(self.steps[head], row)

    def adopt(self, number: int, results: list[Any]) -> None:
        """Take the results of the job in flight; any other's are out of date."""
        if number != self._in_flight:
            return
        self._in_flight = -1
        if number != self._outdated:
            for agent, result in zip(self.agents, results, strict=True):
                if result is not None:
                    agent.adopt(result)
            self.version += 1
            self.changed |= self.taste is None  # what has been planned on a taste is kept, unless disliked
        if self._wanted:
            self._work()

    def _work(self) -> None:
        if self._in_flight >= 0:
            self._wanted = True  # one job at a time: the rows it reads must stay where they are
            return
        self._wanted = False
        job = Job(self._jobs, tuple(agent.job(steps) for agent, steps in zip(self.agents, self.steps, strict=True)))
        self._jobs += 1
        self._in_flight = job.number
        if self._learner is None:
            self.adopt(job.number, job.run())
        else:
            self._learner.submit(job)
