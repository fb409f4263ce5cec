"""Drops an exact echo of what we sent, once per message sent, without ever dropping what the player means.

A synth that sends back what it receives (or a loop in the cabling) would otherwise feed thru with itself for ever.
``Performance`` asks before thru; hot, bounded, about 1 µs.

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


class EchoFilter:
    """Remembers the last 128 messages sent; ``sent`` and ``is_echo`` belong to the loop."""

    def __init__(self) -> None:
        self._sent: deque[list] = deque(maxlen=128)  # [bytes, t_ns, not the player's]; bytes b"" once matched
        self._proof_until = 0
        self.dropped = 0

    def sent(self, msg: bytes, t_ns: int, foreign: bool) -> None:
        """Remember a message that went out; ``foreign``: on a channel where the player has not been heard."""
        self._sent.append([msg, t_ns, foreign])

    def is_echo(self, msg: bytes, t_ns: int, changes_nothing: bool) -> bool:
        """Whether ``msg``, come in at ``t_ns``, is an echo; if so the message sent is used up."""
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
                self.dropped += 1
                return True
        return False
