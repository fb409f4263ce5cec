"""Other tastes than the one that is played: one made ready to go on with, and the one that the performance began with.

What is costly, ``ready``, is any thread's; the loop only copies arrays, in its slack.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
from zlib import crc32

from livecomposer.agents.protocol import Agent, Steps
from livecomposer.instrument.learning import Learning, Standing
from livecomposer.instrument.records import BROUGHT_BACK, CHANGED, RESTORED, Recorder
from livecomposer.instrument.snapshot import Stateful, unpack_agents
from livecomposer.ratings.taste import Taste

SAID = {
    RESTORED: "Back to the taste as it was when it was taken up; once more undoes that.",
    BROUGHT_BACK: "The taste is again what it had become.",
}


class Ready(NamedTuple):
    """A taste that has been checked and planned on: its number (whoever asked for it counts), the CRC-32 of its file
    (0: it begins anew), and where its agents stand."""

    number: int
    crc: int
    kept: list[Any]


class Standby:
    """What the performance can go on with.

    Parameters
    ----------
    learning : Learning
        As it stands when the performance begins.
    agent : str
    make : callable
        ``() -> (agents, taste or None)``, a set like the one that plays. Called by the first ``ready``.
    """

    def __init__(
        self, learning: Learning, agent: str, make: Callable[[], tuple[list[Agent], Taste | None]], recorder: Recorder
    ) -> None:
        self._learning = learning
        self._agent = agent
        self._make = make
        self._recorder = recorder
        self._start = learning.keep()
        self._put_away: Standing | None = None  # what ``restore`` has replaced
        self._agents: list[Agent] = []  # the spare set, without its taste and with it
        self._spare: list[Stateful] = []
        self._new: list[Any] = []  # where the spare set stands before any rating

    def ready(self, data: bytes | None, number: int = 0, where: str = "it") -> Ready:
        """Check a model file (None: begin anew) and plan on it. One thread at a time; raises TasteError."""
        if not self._spare:
            self._agents, taste = self._make()
            if taste is not None:
                taste.explore(0.0)
            self._spare = [*self._agents, *([taste] if taste is not None else [])]
            self._new = [one.keep() for one in self._spare]
        if data is None:
            return Ready(number, 0, self._new)
        for one, kept in zip(self._spare, self._new, strict=True):
            one.restore(kept)
        unpack_agents(data, self._agent, self._spare, where)
        for agent in self._agents:
            run = agent.job(Steps(agent.spec, 1, agent.n_features))
            if run is not None:
                agent.adopt(run())
        return Ready(number, crc32(data), [one.keep() for one in self._spare])

    def take(self, turn_ns: int, ready: Ready) -> None:
        """Go on with another taste; it is what ``restore`` goes back to from now on."""
        self._start = Standing(ready.kept, [])
        self._put_away = None
        self._learning.stand(self._start)
        self._recorder.taste(turn_ns, CHANGED, ready.number, ready.crc)

    def restore(self, turn_ns: int) -> None:
        """Back to the start; if nothing has been rated since the last time, back to what was there before that."""
        if self._put_away is not None and not self._learning.undoable:
            back, self._put_away, what = self._put_away, None, BROUGHT_BACK
        else:
            back, self._put_away, what = self._start, self._learning.keep(), RESTORED
        self._learning.stand(back)
        self._recorder.taste(turn_ns, what, 0, 0)
        self._recorder.status(turn_ns, SAID[what])
