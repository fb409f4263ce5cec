"""Turn-taking: when the agent may speak, in each role.

``Performance`` reports what happens and asks; times are ticks of 1/12 quarter. Nothing here sounds or schedules.
"""

from livecomposer.music.metre import Metre

LISTEN, CALL, PLAY, PAUSED, STOPPED = range(5)
PHASES = ("listening", "your call", "playing", "yielded", "stopped")
PHRASE_BARS = 4  # solo and duet breathe for the last beat of every fourth bar
QUIET_S = 0.4  # a call ends after one beat, but at least this, with no key down


class Turns:
    """The state of the turn: ``phase``, and for the line ``start_tick`` and ``end_tick`` (-1: open).

    Attributes
    ----------
    role : str
        harmonize, duet, answer or solo.
    heard : bool
        The player has played in this call.
    """

    def __init__(self, role: str, metre: Metre, trade_bars: int) -> None:
        self.role = role
        self.bar_ticks = metre.bar_ticks
        self.beat = metre.unit_ticks
        self.trade_ticks = trade_bars * metre.bar_ticks
        self.phase = LISTEN
        self.heard = False
        self.call_tick = 0
        self.start_tick = 0
        self.end_tick = -1

    def begin(self, tick: float, count_in: bool) -> None:
        """Enter the role at ``tick``: solo and duet begin at the next bar line, a duet after a bar of count-in."""
        self.heard = False
        if self.role in ("solo", "duet"):
            self.phase = PLAY
            self.start_tick = self._ceil(tick, self.bar_ticks)
            if self.role == "duet" and count_in:
                self.start_tick += self.bar_ticks
            self.end_tick = -1
        else:
            self.phase = LISTEN

    def player_on(self, tick: float) -> str:
        """The player has struck a key; returns "call" (a call begins here), "yield", or ""."""
        if self.role == "answer":
            if self.trade_ticks and self.phase == PLAY and tick < self.start_tick + self.beat:
                return ""  # an overhang does not cut the agent
            self.heard = True
            if self.phase == LISTEN:
                return "call"
            if self.phase == PLAY and (not self.trade_ticks or tick < self.end_tick - self.beat):
                return "yield call"  # (nor does a pickup)
        elif self.role == "solo" and self.phase == PLAY:
            return "yield"
        return ""

    def call(self, tick: int) -> None:
        """A call begins on ``tick``."""
        self.phase = CALL
        self.call_tick = tick

    def pause(self) -> None:
        """The agent has yielded."""
        self.phase = PAUSED

    @property
    def answering(self) -> bool:
        """Whether the player's pause would be the agent's turn to reply."""
        return self.role == "answer" and self.phase == CALL and not self.trade_ticks

    def reply_beat(self, tick: float, lead: float) -> int:
        """The first beat on which a reply may begin, ``lead`` ticks after ``tick``."""
        return self._ceil(tick + lead, self.beat)

    def reply(self, start: int, call_ticks: float) -> None:
        """The agent replies from ``start``, for as many beats as the call had: whole bars, if that is within a beat."""
        length = max(round(call_ticks / self.beat), 2) * self.beat
        bars = max(round(length / self.bar_ticks), 1) * self.bar_ticks
        self.start_tick = start
        self.end_tick = start + (bars if abs(bars - length) <= self.beat else length)
        self.phase = PLAY

    @property
    def calling(self) -> bool:
        """Whether the player is in the middle of a call."""
        return self.phase == PAUSED or (self.phase == CALL and self.heard)

    def listen(self, tick: int) -> None:
        """The agent has said what it had to: the player's turn, in trading from the bar line at ``tick``."""
        self.heard = False
        if self.trade_ticks:
            self.call(tick)
        else:
            self.phase = LISTEN

    def play_pair(self, start: int, end: int) -> None:
        """The agent plays by itself from ``start`` on, in *answer* at most to ``end``; any key is a call."""
        self.phase = PLAY
        self.start_tick = start
        if self.role == "answer":
            self.end_tick = end

    def quiet(self, tick: float, lead: float) -> bool:
        """The player has been quiet long enough; returns whether the agent, alone before, now goes on."""
        if self.role == "solo" and self.phase == PAUSED:
            self.start_tick = self._ceil(tick + lead, self.bar_ticks)
            self.end_tick = -1
            self.phase = PLAY
            return True
        return False

    def bar(self, tick: int) -> bool:
        """A beat is about to come at ``tick``: trading changes sides at the bar line; returns whether the agent now
        speaks."""
        if self.role != "answer":
            return False
        if self.phase == CALL and self.trade_ticks and tick >= self.call_tick + self.trade_ticks:
            if not self.heard:
                self.phase = LISTEN
                return False
            self.heard = False
            self.start_tick = tick
            self.end_tick = tick + self.trade_ticks
            self.phase = PLAY
            return True
        if self.phase == PLAY and tick >= self.end_tick:
            if self.trade_ticks:
                self.call(tick)
            else:
                self.phase = LISTEN
        return False

    @staticmethod
    def _ceil(tick: float, unit: int) -> int:
        return int(-(-tick // unit)) * unit
