"""Drops an exact echo of what we sent, once per message sent, without ever dropping what the player means.

A synth that sends back what it receives (or a loop in the cabling) would otherwise feed thru with itself for ever.
``Performance`` asks before thru; hot, bounded, about 1 µs: what was not sent is known from a table of counts (walking
what was sent in the last half second, out of a cold cache, took 60 µs).

What cannot come from a player proves an echo: our bytes on a channel where the player has not been heard, or the
note_on of a key already down within 60 ms of our sending it. For 2 s after such proof every exact repetition within
500 ms of being sent counts as an echo. A message that changes nothing (note_off of a key already up, a controller at
the value it has) is dropped within 60 ms of our sending it, but proves nothing: controllers repeat themselves.
"""

from collections import deque

from livecomposer.midi.messages import NOTE_ON

IDLE_NS = 60_000_000
PROVEN_NS = 500_000_000
PROOF_LASTS_NS = 2_000_000_000
REMEMBERED = 128


class EchoFilter:
    """Remembers the last 128 messages sent; ``sent`` and ``is_echo`` belong to the loop."""

    def __init__(self) -> None:
        self._sent: deque[list] = deque()  # [bytes, t_ns, not the player's]; bytes b"" once matched
        self._waiting: dict[bytes, int] = {}  # how often each message is in there
        self._proof_until = 0
        self.dropped = 0

    def sent(self, msg: bytes, t_ns: int, foreign: bool) -> None:
        """Remember a message that went out; ``foreign``: on a channel where the player has not been heard."""
        if len(self._sent) == REMEMBERED:
            self._forget(self._sent.popleft()[0])
        self._sent.append([msg, t_ns, foreign])
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
                idle = changes_nothing and age <= IDLE_NS
                if entry[2] or (idle and msg[0] & 0xF0 == NOTE_ON and msg[2] > 0):
                    self._proof_until = t_ns + PROOF_LASTS_NS
                elif not idle and not proven:
                    continue
                entry[0] = b""
                self._forget(msg)
                self.dropped += 1
                return True
        return False

    def _forget(self, msg: bytes) -> None:
        left = self._waiting.get(msg, 0) - 1
        if left > 0:
            self._waiting[msg] = left
        else:
            self._waiting.pop(msg, None)
