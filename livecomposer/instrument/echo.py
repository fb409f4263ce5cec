"""Drops an exact echo of what we sent, once per message sent, without ever dropping what the player means.

A synth that sends back what it receives (or a loop in the cabling) would otherwise feed thru with itself for ever.
``Performance`` asks before thru; hot, bounded, about 1 µs: what was not sent is known from a table of counts (walking
what was sent in the last half second, out of a cold cache, took 60 µs).

What cannot come from a player proves an echo: our bytes on a channel where the player has not been heard. For 2 s after
such proof every exact repetition within 500 ms of being sent counts as an echo. Without proof, within 60 ms of our
sending it: the agent's own message on the player's channel, and a message that changes nothing (the note_on of a key
already down, the note_off of one already up, a controller at the value it has). These prove nothing: hands and
controllers repeat themselves. The note_off of a key that is down is never asked about: a dropped one would hang.
"""

from collections import deque

IDLE_NS = 60_000_000
PROVEN_NS = 500_000_000
PROOF_LASTS_NS = 2_000_000_000
REMEMBERED = 128
PLAYERS, AGENTS, FOREIGN = range(3)


class EchoFilter:
    """Remembers the last 128 messages sent; ``sent`` and ``is_echo`` belong to the loop."""

    def __init__(self) -> None:
        self._sent: deque[list] = deque()  # [bytes, t_ns, origin]; bytes b"" once matched
        self._waiting: dict[bytes, int] = {}  # how often each message is in there
        self._proof_until = 0
        self.dropped = 0

    def sent(self, msg: bytes, t_ns: int, origin: int) -> None:
        """Remember a message that went out: the player's, the agent's, or on a channel where the player has not been
        heard (PLAYERS, AGENTS, FOREIGN)."""
        if len(self._sent) == REMEMBERED:
            self._forget(self._sent.popleft()[0])
        self._sent.append([msg, t_ns, origin])
        self._waiting[msg] = self._waiting.get(msg, 0) + 1

    def is_echo(self, msg: bytes, t_ns: int, changes_nothing: bool) -> bool:
        """Whether ``msg``, come in at ``t_ns``, is an echo; if so the message sent is used up."""
        if msg not in self._waiting:
            return False
        proven = t_ns < self._proof_until
        for entry in reversed(self._sent):
            age = t_ns - entry[1]
            if age > PROVEN_NS:
                return False
            if entry[0] == msg:
                if entry[2] == FOREIGN:
                    self._proof_until = t_ns + PROOF_LASTS_NS
                elif not proven and not ((changes_nothing or entry[2] == AGENTS) and age <= IDLE_NS):
                    continue
                entry[0] = b""
                self._forget(msg)
                self.dropped += 1
                return True
        return False

    def players(self, channel: int) -> None:
        """The player has been heard on this channel: what we sent on it before proves nothing any more."""
        for entry in self._sent:
            if entry[0] and entry[0][0] & 15 == channel:
                entry[2] = min(entry[2], AGENTS)

    def _forget(self, msg: bytes) -> None:
        left = self._waiting.get(msg, 0) - 1
        if left > 0:
            self._waiting[msg] = left
        else:
            self._waiting.pop(msg, None)
