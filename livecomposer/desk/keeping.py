"""What desk keeps of the ring: both parts' messages, ratings and tempi, written as .mid and .wav at the end.

Kept in desk's memory, so that a crash of the instrument loses nothing but what it had not yet put on the ring.
"""

from livecomposer.instrument.records import BY_AGENT, BY_CLICK, BY_PLAYER, BY_RELEASE, FORGET_S, SAME_PRESS, unpack
from livecomposer.instrument.ring import Kind, Record
from livecomposer.midi.files import write_performance
from livecomposer.midi.messages import is_channel_message
from livecomposer.music.metre import parse_metre
from livecomposer.settings import Settings

PAIR_MARKS = {"a": "pair: the first", "b": "pair: the second", "neither": "pair: neither"}


class Kept:
    """Both parts of one run; times in seconds from ``start_ns``, the performance's beginning."""

    def __init__(self, settings: Settings, thru: bool, start_ns: int) -> None:
        self.settings = settings
        self.start_ns = start_ns
        self.player: list[tuple[float, bytes]] = []
        self.agent: list[tuple[float, bytes]] = []
        self.sounded: list[tuple[float, bytes]] = []
        self.ratings: list[tuple[float, float | str]] = []  # and what was said of pairs
        self.tempi: list[tuple[float, float]] = []
        self._floor = self._floor_before = 0  # ratings before these cannot be taken back any more
        self._thru = thru
        self._started = False
        self._number = -1  # of the last rating

    def take(self, record: Record) -> None:
        """Keep a record if it is one of ours."""
        if record.kind == Kind.START:
            self._number = -1
            if not self._started:
                self._started = True
                self.start_ns = record.t_ns
        elif record.kind == Kind.OUTPUT:
            _, _, by, msg = unpack(record)
            self.add((record.t_ns - self.start_ns) * 1e-9, by, msg)
        elif record.kind == Kind.INPUT and not self._thru:
            _, _, msg = unpack(record)
            if is_channel_message(msg):
                self.player.append(((record.t_ns - self.start_ns) * 1e-9, msg))
        elif record.kind == Kind.RATING:
            t_pressed, number, _, value, phrase = unpack(record)
            if phrase != SAME_PRESS:
                if number == self._number:  # it stands for the last one
                    self.undo()
                self._number = number
                self.ratings.append(((t_pressed - self.start_ns) * 1e-9, value))
        elif record.kind == Kind.ANSWER:
            self._number = unpack(record)[0]
            self.ratings.append(((record.t_ns - self.start_ns) * 1e-9, PAIR_MARKS[unpack(record)[1]]))
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
    def pairs(self) -> int:
        """Pairs that have been answered."""
        return sum(isinstance(value, str) for _, value in self.ratings)

    def settle(self) -> None:
        """What has been rated up to now can no longer be taken back."""
        self._floor_before, self._floor = self._floor, len(self.ratings)

    def unsettle(self) -> None:
        """What the last ``settle`` kept from being taken back can be again."""
        self._floor = self._floor_before

    def undo(self) -> float | str | None:
        """The last rating or answer has been taken back; returns it, None if there was none."""
        return self.ratings.pop()[1] if len(self.ratings) > self._floor else None

    def forget(self, t_ns: int) -> int:
        """Those pressed in the last 30 s have been taken back; returns how many that were."""
        since = (t_ns - self.start_ns) * 1e-9 - FORGET_S
        n = len(self.ratings)
        while self.ratings and self.ratings[-1][0] >= since and self.undo() is not None:
            pass
        return n - len(self.ratings)

    def export(self, path: str) -> None:
        """Write both parts as a standard MIDI file. Raises StoreError."""
        write_performance(
            path, self.player, self.agent,
            tempo_changes=self.tempi or [(0.0, self.settings.tempo)], ratings=self.ratings,
            metre=parse_metre(self.settings.metre),
        )  # fmt: skip
