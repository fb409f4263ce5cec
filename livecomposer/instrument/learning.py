"""Ratings to agents: steps, credit, undo, and the numbered jobs that the learner does.

Everything here happens in the slack of the loop, except ``Job.run``, which a learner may run on its own thread.
"""

from collections import deque
from collections.abc import Callable
from itertools import takewhile
from typing import Any, NamedTuple, Protocol

import numpy as np

from livecomposer.agents.protocol import Agent, Choice, Steps
from livecomposer.instrument.records import FORGET_S, MOMENT, NOTHING_REACHED, SAME_PRESS, SOURCES, Recorder
from livecomposer.instrument.snapshot import Stateful
from livecomposer.ratings import UNDO
from livecomposer.ratings.credit import LASTS_S, Credit
from livecomposer.ratings.delay import USUAL, Delay
from livecomposer.ratings.meaning import Meaning, Meant
from livecomposer.ratings.presses import AGAIN, BOUNCE, INSTEAD, NEW, STRONGER, Press, Presses
from livecomposer.ratings.strength import Control, Strength
from livecomposer.ratings.taste import Taste

SILENCE_S = 10.0
DARING = 3.0  # how far at adventure 1 a draw lies from the mean, in standard deviations of the posterior
PAIR_DARING = 1.4  # the same in a pair, before the first rating too: phrases must differ to tell anything
PAIR_WORTH = {"a": (0.5, -0.5), "b": (-0.5, 0.5), "neither": (-0.25, -0.25)}  # of the phrases' steps, without a taste
PROGRAM = SOURCES.index("api")  # each of whose ratings counts, as strong as it says
OLD_S = 60.0
REFUSED_NS = 1_000_000_000  # a wheel sends many values: so often at most it is said that they teach nothing
CHANGED = "Your taste seems to have changed: what was learnt before counts little now; undo if it has not."
HELD = "HELD: your rating teaches nothing; let it learn again first."
TOO_OLD = "A rating came more than a minute after it was pressed and was not used; check the clock of what sent it."


class Given(NamedTuple):
    """What it takes to take a rating back."""

    number: int
    t_pressed: int
    control: Control | None  # None: it is the answer to a pair
    rewards: list[tuple[int, int, float]]  # before it
    felt: bool  # the taste has learnt from it
    pressed_ns: int  # Learning._pressed_ns before it


class Taken(NamedTuple):
    """A rating that has been taken: how strong it was (-1..1), and the onset of what it is about above all (-1: of
    nothing that was heard)."""

    strength: float
    t_ns: int


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
    given: list[Given]


class Mind(NamedTuple):
    """Who decides and learns: the heads of one agent, the taste that they share (if they learn through one), and the
    tables of their steps."""

    agents: list[Agent]
    taste: Taste | None
    steps: list[Steps]

    @classmethod
    def of(cls, agents: list[Agent], taste: Taste | None) -> "Mind":
        """With empty tables."""
        return cls(agents, taste, [Steps(agent.spec, agent.capacity, agent.n_features) for agent in agents])


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
        self, agents: list[Agent], recorder: Recorder, learner: Learner | None, held: bool, taste: Taste | None = None,
        delay: Delay = USUAL,
    ) -> None:  # fmt: skip
        self.agents, self.taste, self.steps = Mind.of(agents, taste)
        self.credit = Credit(self.steps, delay)
        self.meaning = Meaning(self.credit)
        self.strength = Strength()
        self.presses = Presses()
        self.held = held
        self.about: set[int] = set()  # heads that ratings concern for now; none: all
        self.version = 0
        self.changed = False  # a plan made before this is stale
        self.ratings = 0
        self._recorder = recorder
        self._learner = learner
        self._given: deque[Given] = deque(maxlen=UNDO)
        self._adventure = 0.0
        self._jobs = 0
        self._in_flight = -1
        self._outdated = -1  # the job in flight is of another standing
        self._wanted = False
        self._pressed_ns = -1  # the last onset when a rating was last given
        self._warned = False
        self._refused_ns = -REFUSED_NS  # when it was said last that a press teaches nothing

    def step(self, head: int, t_ns: int, phrase: int, choice: Choice, reward: float = 0.0) -> int:
        """Take down a step that has just sounded, with what it earns by itself, and return its number."""
        table = self.steps[head]
        if table.n == table.capacity:
            self.agents[head].fold(table, table.n // 2)
            table.drop_half()
        return table.append(t_ns, phrase, choice, reward)

    def explore(self, adventure: float) -> None:
        """How much is tried that is not known to be liked, 0 (nothing) to 1."""
        self._adventure = adventure
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

    def hold(self, head: int, on: bool) -> None:
        """Ratings concern this head (and the others that are held) only, until it is let go."""
        if on:
            self.about.add(head)
        else:
            self.about.discard(head)

    @property
    def newest(self) -> int:
        """The number of the last rating that has not been taken back, -1 if there is none."""
        return self._given[-1].number if self._given else -1

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
        self._pressed_ns = -1  # before the first press on it, silence says nothing
        if self.taste is None:  # its agents learn from steps: these were rated for what stood there before
            for table in self.steps:
                table.first += table.n
                table.n = table.matured = 0
        self._outdated = self._in_flight
        self.version += 1
        self.changed = True
        self._work()

    def change_mind(self, mind: Mind) -> None:
        """Others decide and learn from here on (``stand`` says on what); nothing before can be rated any more."""
        for old, new in zip(self.steps, mind.steps, strict=True):
            new.first = old.first + old.n  # numbers of steps go on: each is of one decision only
        self.agents, self.taste, self.steps = mind
        self.credit = self.meaning.credit = Credit(self.steps, self.credit.delay)
        self.explore(self._adventure)

    def forget(self) -> None:
        """Drop all steps: nothing was meant to be learnt from them."""
        for table in self.steps:
            table.n = table.matured = 0

    def sounded(self, t_ns: int, end_ns: int, phrase: int) -> None:
        """An event of ``phrase`` began at ``t_ns`` and ends at ``end_ns``."""
        self.meaning.phrases.sounded(t_ns, end_ns, phrase)

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
        return self.meaning.phrases.now.number

    def silent(self, t_ns: int) -> None:
        """What sounds has just ended."""
        self.meaning.phrases.silent(t_ns)

    def rate(
        self, turn_ns: int, t_pressed: int, value: float, source: int, phrase_over: bool, control: int = -1
    ) -> Taken | None:  # fmt: skip
        """Credit a rating (-1..1) pressed at ``t_pressed``; ``phrase_over``: nothing more of the last phrase comes.

        Returns None if it was not taken: while HELD, if it is older than a minute (said once), and if it is the
        last press of its ``source`` bouncing.
        """
        if self.held:
            if turn_ns - self._refused_ns >= REFUSED_NS:
                self._refused_ns = turn_ns
                self._recorder.status(turn_ns, HELD)
            return None
        if turn_ns - t_pressed > OLD_S * 1e9:
            if not self._warned:
                self._warned = True
                self._recorder.status(turn_ns, TOO_OLD)
            return None
        meant = self._meant(t_pressed, phrase_over)
        densities = meant.densities
        number, first_ns = self.ratings, t_pressed
        if source != PROGRAM:
            what = self.presses.what(source, t_pressed, value, meant.reached, meant.near)
            last = self.presses.last(source)
            if last is not None and (what == BOUNCE or (what == STRONGER and last.number != self.newest)):
                self._recorder.rating(turn_ns, t_pressed, last.number, source, value, SAME_PRESS)
                return None
            if last is not None and what in (STRONGER, INSTEAD) and last.number == self.newest:
                number = last.number  # this one stands for it
                self.undo()
            if last is not None and what != NEW:
                first_ns = last.first_ns
                meant = self._meant(first_ns, phrase_over)
                densities = (0.0, 0.0) if what == AGAIN else meant.densities
        self.ratings = max(self.ratings, number + 1)
        reached, judged = meant.reached, meant.phrase
        pressed_ns, strong = self._pressed_ns, value
        if source != PROGRAM:
            strong = self.strength.of((source, control), value)
            self.presses.taken(source, Press(number, first_ns, t_pressed, value, reached, meant.near))
        self.meaning.habit.pressed(*densities)
        rewards: list[tuple[int, int, float]] = []
        if self.taste is None:
            rewards = self.credit.give(reached, strong)
        elif reached:
            felt = self.taste.features_of(self._felt(reached))
            silent = self._silence(reached, self.taste.one_sided(self.taste.n))
            unsaid = self.taste.features_of(self._felt(silent)) if silent else None
            if self.taste.rate(first_ns, strong, felt, unsaid):
                self._recorder.status(turn_ns, CHANGED)
        learnt = self.taste is not None and bool(reached)
        self._given.append(Given(number, t_pressed, (source, control), rewards, learnt, pressed_ns))
        phrase = judged.number if judged is not None else MOMENT
        self._recorder.rating(turn_ns, t_pressed, number, source, value, phrase if reached else NOTHING_REACHED)
        for head, step, weight in reached:
            self._recorder.credit(turn_ns, number, head, step, weight)
        self._work()
        if not reached:
            return Taken(strong, -1)
        head, step, _ = max(reached, key=lambda one: one[2])  # the first step of a phrase
        return Taken(strong, int(self.steps[head].t_ns[step - self.steps[head].first]))

    def undo(self) -> bool:
        """Take the last rating back, exactly; returns whether there was one."""
        return self._take_back(min(len(self._given), 1)) == 1

    def forget_last(self, turn_ns: int) -> int:
        """Take back all that was pressed in the last ``FORGET_S``; returns how many ratings that were."""
        recent = takewhile(lambda given: given.t_pressed >= turn_ns - FORGET_S * 1e9, reversed(self._given))
        return self._take_back(len(list(recent)))

    def _take_back(self, n: int) -> int:
        """The last ``n`` ratings had never been; returns ``n``."""
        felt = 0
        for _ in range(n):
            given = self._given.pop()
            self.credit.take_back(given.rewards)
            if given.control is not None:
                self.meaning.habit.undo()
                self.presses.undo(given.number)
                if given.control[0] != PROGRAM:
                    self.strength.undo(given.control)
            self._pressed_ns = given.pressed_ns
            felt += given.felt
        if self.taste is not None and felt:
            self.taste.undo(felt)
        if n:
            self._work()
        return n

    def new_phrase(self) -> None:
        """A phrase is about to be decided: something else is tried in it."""
        if self.taste is not None and not self.held and self.taste.n:
            self.taste.redraw()
            self._work()

    def draw(self) -> np.ndarray | None:
        """What is tried just now, to come back to."""
        return self.taste.draw() if self.taste is not None else None

    def try_out(self, draw: np.ndarray | None) -> None:
        """Try a draw in a phrase of a pair, another if there is none."""
        if self.taste is not None:
            self.taste.hold(draw, PAIR_DARING * self._adventure, always=True)
            self._work()

    def keep_draw(self, draw: np.ndarray | None) -> None:
        """A pair is over: go on with a draw, or (None) with another."""
        if self.taste is not None:
            self.taste.hold(draw, DARING * self._adventure)
            self._work()

    def prefer(self, turn_ns: int, answer: str, first: int, second: int) -> None:
        """Learn from the answer to a pair: "a" (phrase ``first``), "b" (``second``) or "neither"."""
        if self.held:
            return
        a, b = (self._steps_of(phrase) for phrase in (first, second))
        if not a or not b:
            return
        rewards: list[tuple[int, int, float]] = []
        if self.taste is None:
            worth = PAIR_WORTH[answer]
            rewards = self.credit.give(a, worth[0]) + self.credit.give(b, worth[1])
        else:
            x_a, x_b = (self.taste.features_of(self._felt(steps)) for steps in (a, b))
            if self.taste.prefer(turn_ns, answer, x_a, x_b):
                self._recorder.status(turn_ns, CHANGED)
        self._given.append(Given(self.ratings, turn_ns, None, rewards, self.taste is not None, self._pressed_ns))
        self._recorder.answer(turn_ns, self.ratings, answer, first, second)
        self.ratings += 1
        self._pressed_ns = max(int(table.t_ns[table.n - 1]) for table in self.steps if table.n)
        self._work()

    def _meant(self, t_pressed: int, phrase_over: bool) -> Meant:
        """What a press means, as far as it concerns the heads that are held."""
        meant = self.meaning.of(t_pressed, phrase_over)
        if not self.about:
            return meant
        reached, near = ([step for step in steps if step[0] in self.about] for steps in (meant.reached, meant.near))
        return meant._replace(reached=reached, near=near)

    def _steps_of(self, phrase: int) -> list[tuple[int, int, float]]:
        """All steps of a phrase, weighing the same, as ``Credit.whole`` gives them."""
        return [
            (head, table.first + int(i), 1.0)
            for head, table in enumerate(self.steps)
            for i in np.flatnonzero(table.phrase[: table.n] == phrase)
        ]

    def _silence(self, reached: list[tuple[int, int, float]], counts: bool) -> list[tuple[int, int, float]]:
        """What was played since the last press and not reached by this one, at most ``SILENCE_S`` of it; nothing if
        silence does not count, nor before the first press: who has not pressed yet may not be judging yet."""
        first: dict[int, int] = {}
        for head, number, _ in reached:
            first[head] = min(number, first.get(head, number))
        rows: list[tuple[int, int, float]] = []
        last = self._pressed_ns
        for head, number in first.items():
            table = self.steps[head]
            self._pressed_ns = max(self._pressed_ns, int(table.t_ns[table.n - 1]))
            if not counts or last < 0:
                continue
            end = number - table.first
            since = max(last, int(table.t_ns[end]) - int(SILENCE_S * 1e9))
            begin = int(np.searchsorted(table.t_ns[:end], since, "right"))
            heard = np.minimum(np.diff(table.t_ns[begin : end + 1]) * 1e-9, LASTS_S)  # as a press would weigh them
            rows += [
                (head, table.first + i, float(s)) for i, s in zip(range(begin, end), heard, strict=True) if s > 0.0
            ]
        return rows

    def _felt(self, reached: list[tuple[int, int, float]]) -> list[tuple[int, float, np.ndarray]]:
        """The same with the features of each step."""
        return [
            (head, weight, self.steps[head].rows[number - self.steps[head].first]) for head, number, weight in reached
        ]

    def mature(self, t_ns: int) -> None:
        """Let the agents observe the steps that no rating can reach any more."""
        if self.held:
            return
        for head, row in self.credit.mature(t_ns, self.meaning.since(t_ns)):
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
