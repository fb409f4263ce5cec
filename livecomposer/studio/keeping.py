"""What records say was played: both parts' messages, ratings and tempi, written as .mid and .wav.

Desk keeps a run in its memory while it lasts (``play --export``, and the last minutes by one key), studio and desk
read a take from the store; all of them through ``Kept``.
"""

import os
from copy import copy

from livecomposer.instrument.records import (
    BROUGHT_BACK,
    BY_AGENT,
    BY_CLICK,
    BY_PLAYER,
    BY_RELEASE,
    FORGET_S,
    NOTHING_REACHED,
    OBEYED,
    SAME_PRESS,
    unpack,
)
from livecomposer.instrument.ring import Kind, Record
from livecomposer.midi.files import write_performance
from livecomposer.midi.messages import is_channel_message
from livecomposer.music.metre import parse_metre
from livecomposer.settings import Settings

PAIR_MARKS = {"a": "pair: the first", "b": "pair: the second", "neither": "pair: neither"}
IDLE = ""  # said by a press that no note was there for: it can be taken back, and is no rating


class Verdicts:
    """Ratings and answers as they stand: ``given`` has (seconds, value, or what was said of a pair, or `IDLE`)."""

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.given: list[tuple[float, float | str]] = []
        self._number = -1  # of the last one
        self._floor = self._floor_before = 0  # those before these cannot be taken back any more

    def take(self, record: Record) -> None:
        """Follow a record."""
        if record.kind == Kind.START:
            self._number = -1
        elif record.kind == Kind.RATING:
            t_pressed, number, _, value, phrase = unpack(record)
            if phrase != SAME_PRESS:
                if number == self._number:  # it stands for the last one
                    self.undo()
                self._number = number
                said = IDLE if phrase == NOTHING_REACHED else value
                self.given.append(((t_pressed - self.start_ns) * 1e-9, said))
        elif record.kind == Kind.ANSWER:
            self._number, answer, _, _ = unpack(record)
            self.given.append(((record.t_ns - self.start_ns) * 1e-9, PAIR_MARKS[answer]))

    def obey(self, record: Record) -> None:
        """Take back what a command takes back; another taste settles what was said of the one before."""
        if record.kind == Kind.TASTE:
            if unpack(record)[0] == BROUGHT_BACK:
                self.unsettle()
            else:
                self.settle()
        elif record.kind in OBEYED:
            name, _ = unpack(record)
            if name == "undo":
                self.undo()
            elif name == "forget":
                self.forget(record.t_ns)

    @property
    def ratings(self) -> list[float]:
        """The values of all that are no answers."""
        return [value for _, value in self.given if not isinstance(value, str)]

    @property
    def pairs(self) -> int:
        """Pairs that have been answered."""
        return sum(value in PAIR_MARKS.values() for _, value in self.given)

    def settle(self) -> None:
        """What has been rated up to now can no longer be taken back."""
        self._floor_before, self._floor = self._floor, len(self.given)

    def unsettle(self) -> None:
        """What the last ``settle`` kept from being taken back can be again."""
        self._floor = self._floor_before

    def undo(self) -> float | str | None:
        """The last press or answer has been taken back; returns what it said, None if there was none."""
        return self.given.pop()[1] if len(self.given) > self._floor else None

    def forget(self, t_ns: int) -> int:
        """Those pressed in the last 30 s have been taken back; returns how many that were."""
        since = (t_ns - self.start_ns) * 1e-9 - FORGET_S
        gone = []
        while self.given and self.given[-1][0] >= since and (said := self.undo()) is not None:
            gone.append(said)
        return len(gone) - gone.count(IDLE)


class Kept:
    """Both parts of one run; times in seconds from ``start_ns``, the performance's beginning."""

    def __init__(self, settings: Settings, thru: bool, start_ns: int) -> None:
        self.settings = settings
        self.start_ns = start_ns
        self.player: list[tuple[float, bytes]] = []
        self.agent: list[tuple[float, bytes]] = []
        self.sounded: list[tuple[float, bytes]] = []
        self.verdicts = Verdicts(start_ns)
        self.tempi: list[tuple[float, float]] = []
        self._thru = thru
        self._started = False

    def take(self, record: Record) -> None:
        """Keep a record if it is one of ours."""
        self.verdicts.take(record)
        if record.kind == Kind.START:
            if not self._started:
                self._started = True
                self.start_ns = self.verdicts.start_ns = record.t_ns
        elif record.kind == Kind.OUTPUT:
            _, _, by, msg = unpack(record)
            self.add((record.t_ns - self.start_ns) * 1e-9, by, msg)
        elif record.kind == Kind.INPUT and not self._thru:
            _, _, msg = unpack(record)
            if is_channel_message(msg):
                self.player.append(((record.t_ns - self.start_ns) * 1e-9, msg))
        elif record.kind == Kind.BEAT:
            _, tempo, *_ = unpack(record)
            if not self.tempi or abs(self.tempi[-1][1] - tempo) > 0.01:
                t = 0.0 if not self.tempi else max((record.t_ns - self.start_ns) * 1e-9, 0.0)
                self.tempi.append((t, tempo))

    def add(self, t_s: float, by: int, msg: bytes) -> None:
        """Keep one message that was sent on somebody's behalf."""
        t_s = max(t_s, 0.0)
        self.sounded.append((t_s, msg))
        if by == BY_PLAYER:
            self.player.append((t_s, msg))
        elif by == BY_AGENT:
            self.agent.append((t_s, msg))
        elif by == BY_RELEASE:
            channel = msg[0] & 15
            if channel == self.settings.player_channel - 1:
                self.player.append((t_s, msg))
            if channel == self.settings.agent_channel - 1:
                self.agent.append((t_s, msg))
        else:
            assert by == BY_CLICK  # heard, but nobody's part

    @property
    def ratings(self) -> list[tuple[float, float | str]]:
        """What has been rated and answered, and stands."""
        return [(t_s, said) for t_s, said in self.verdicts.given if said != IDLE]

    @property
    def pairs(self) -> int:
        """Pairs that have been answered."""
        return self.verdicts.pairs

    def settle(self) -> None:
        """What has been rated up to now can no longer be taken back."""
        self.verdicts.settle()

    def unsettle(self) -> None:
        """What the last ``settle`` kept from being taken back can be again."""
        self.verdicts.unsettle()

    def undo(self) -> float | str | None:
        """The last press or answer has been taken back; returns what it said, None if there was none."""
        return self.verdicts.undo()

    def forget(self, t_ns: int) -> int:
        """Those pressed in the last 30 s have been taken back; returns how many that were."""
        return self.verdicts.forget(t_ns)

    def copy(self) -> "Kept":
        """The same as of now: what comes later is not in it."""
        twin = copy(self)
        twin.player, twin.agent = list(self.player), list(self.agent)
        twin.sounded, twin.tempi = list(self.sounded), list(self.tempi)
        twin.verdicts = copy(self.verdicts)
        twin.verdicts.given = list(self.verdicts.given)
        return twin

    def export(self, path: str | os.PathLike[str], since_s: float = 0.0) -> None:
        """Write both parts (what began from ``since_s`` on) as a standard MIDI file. Raises StoreError."""
        tempi = self.tempi or [(0.0, self.settings.tempo)]
        if since_s > 0.0:
            before = [tempo for t_s, tempo in tempi if t_s <= since_s][-1:] or [tempi[0][1]]
            tempi = [(since_s, before[0]), *((t_s, tempo) for t_s, tempo in tempi if t_s > since_s)]
        player, agent = ([event for event in part if event[0] >= since_s] for part in (self.player, self.agent))
        write_performance(
            path, player, agent, tempo_changes=tempi, ratings=[given for given in self.ratings if given[0] >= since_s],
            metre=parse_metre(self.settings.metre), offset_s=since_s,
        )  # fmt: skip
