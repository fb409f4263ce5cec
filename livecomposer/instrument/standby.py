"""Other tastes than the one that is played: one made ready to go on with, and the one that the performance began with.

A taste belongs to the agent that learnt it: going on with one of another agent is going on with that agent.

What is costly, ``ready``, is any thread's; the loop only copies arrays, in its slack.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
from zlib import crc32

from livecomposer.agents.protocol import Agent, Steps
from livecomposer.errors import TasteError
from livecomposer.instrument.learning import Learning, Mind, Standing
from livecomposer.instrument.records import BROUGHT_BACK, CHANGED, RESTORED, Recorder
from livecomposer.instrument.snapshot import Stateful, agent_of, unpack_agents
from livecomposer.ratings.taste import Taste

Make = Callable[[str, int], tuple[list[Agent], Taste | None]]

SAID = {
    RESTORED: "Back to the taste as it was when it was taken up; once more undoes that.",
    BROUGHT_BACK: "The taste is again what it had become.",
}


class Ready(NamedTuple):
    """A taste that has been checked and planned on: its number (whoever asked for it counts), the CRC-32 of its file
    (0: it begins anew), the name of its agent, where its heads stand, and (if another agent plays) the heads."""

    number: int
    crc: int
    agent: str
    kept: list[Any]
    mind: Mind | None


class _Spare(NamedTuple):
    """The heads that tastes of one agent are tried with, and where they stand before any rating."""

    agents: list[Agent]
    all: list[Stateful]
    new: list[Any]


class Standby:
    """What the performance can go on with.

    Parameters
    ----------
    learning : Learning
        As it stands when the performance begins.
    agent : str
        Who plays.
    make : callable
        ``(agent, seed) -> (agents, taste or None)``, a set of heads. Called by ``ready``.
    recorder : Recorder
    seed : int
        Of agents that take over.
    """

    def __init__(self, learning: Learning, agent: str, make: Make, recorder: Recorder, seed: int) -> None:
        self.agent = agent
        self._learning = learning
        self._make = make
        self._recorder = recorder
        self._seed = seed
        self._start = learning.keep()
        self._put_away: Standing | None = None  # what ``restore`` has replaced
        self._spares: dict[str, _Spare] = {}

    def ready(self, data: bytes | None, number: int = 0, where: str = "it", agent: str | None = None) -> Ready:
        """Check a model file (None: begin anew) and plan on it; ``agent`` (None: the file's, or the one that plays)
        is who is to play by it. One thread at a time; raises TasteError, and SettingsError for an unknown agent."""
        if agent is None:
            agent = self.agent if data is None else agent_of(data, where)
        spare = self._spare(agent)
        kept = spare.new
        if data is not None:
            for one, new in zip(spare.all, spare.new, strict=True):
                one.restore(new)
            unpack_agents(data, agent, spare.all, where)
            for head in spare.agents:
                run = head.job(Steps(head.spec, 1, head.n_features))
                if run is not None:
                    head.adopt(run())
            kept = [one.keep() for one in spare.all]
        mind = Mind.of(*self._make(agent, self._seed)) if agent != self.agent else None
        return Ready(number, crc32(data) if data is not None else 0, agent, kept, mind)

    def take(self, turn_ns: int, ready: Ready) -> bool:
        """Go on with another taste; it is what ``restore`` goes back to from now on. Returns whether other heads
        decide now."""
        if ready.mind is None and ready.agent != self.agent:
            raise TasteError(f"it was made ready while {ready.agent} played, and {self.agent} plays now; do it again")
        self._start = Standing(ready.kept, [])
        self._put_away = None
        other = ready.agent != self.agent
        if ready.mind is not None and other:
            self._learning.change_mind(ready.mind)
            self.agent = ready.agent
        self._learning.stand(self._start)
        self._recorder.taste(turn_ns, CHANGED, ready.number, ready.crc, self.agent)
        return other

    def restore(self, turn_ns: int) -> None:
        """Back to the start; if nothing has been rated since the last time, back to what was there before that."""
        if self._put_away is not None and not self._learning.undoable:
            back, self._put_away, what = self._put_away, None, BROUGHT_BACK
        else:
            back, self._put_away, what = self._start, self._learning.keep(), RESTORED
        self._learning.stand(back)
        self._recorder.taste(turn_ns, what, 0, 0, self.agent)
        self._recorder.status(turn_ns, SAID[what])

    def _spare(self, agent: str) -> _Spare:
        if agent not in self._spares:
            agents, taste = self._make(agent, 0)  # where it begins anew is the same in every run
            if taste is not None:
                taste.explore(0.0)
            heads: list[Stateful] = [*agents, *([taste] if taste is not None else [])]
            self._spares[agent] = _Spare(agents, heads, [one.keep() for one in heads])
        return self._spares[agent]
