"""What sounds, kept in shared memory, so that desk can release it when the instrument has died, even by SIGKILL.

The loop marks a note before its note_on and unmarks it after its note_off; desk reads. Numba-free.
"""

from livecomposer.midi.messages import NOTE_OFF, NOTE_ON, release_messages

SIZE = 2048 + 16  # a byte for each (channel, note), then a byte for each channel used


class GuardMemory:
    """The table over a buffer of ``SIZE`` bytes; one writer (the loop, or desk while the instrument is away)."""

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer

    def before(self, msg: bytes) -> None:
        """Call with each channel message before it is sent."""
        channel = msg[0] & 15
        self._buffer[2048 + channel] = 1
        if msg[0] & 0xF0 == NOTE_ON and msg[2]:
            self._buffer[channel << 7 | msg[1]] = 1

    def after(self, msg: bytes) -> None:
        """Call with each channel message after it has been sent."""
        kind = msg[0] & 0xF0
        if kind == NOTE_OFF or (kind == NOTE_ON and not msg[2]):
            self._buffer[(msg[0] & 15) << 7 | msg[1]] = 0

    def sounding(self) -> list[tuple[int, int]]:
        """(channel, note) of all that is marked."""
        return [(at >> 7, at & 127) for at in range(2048) if self._buffer[at]]

    def release(self) -> list[bytes]:
        """The messages that end all of it."""
        return release_messages((c for c in range(16) if self._buffer[2048 + c]), self.sounding())

    def clear(self) -> None:
        """Nothing sounds any more."""
        self._buffer[:2048] = bytes(2048)
