"""What the player has said: the onsets of a call, its tempo and beat, and its notes as a motif to take up.

``Performance`` feeds it key by key and asks when the call is over; all of it is slack. Arrays are made once.
"""

import numpy as np

from livecomposer.instrument.clock import Transport
from livecomposer.music.context import remember
from livecomposer.music.pulse import Pulse

ROOM = 128
CHORD_NS = 40_000_000  # keys struck within this are one: the highest counts
FINE = (0, 3, 4, 6, 8, 9, 12)  # places in a quarter, in ticks
MOST_TICKS = 48


class Call:
    """The notes since the call began (the last ``ROOM`` of them).

    Attributes
    ----------
    n : int
        Notes.
    onset, off : int64[ROOM]
        When each began and ended, ns (``off`` 0: still held).
    """

    def __init__(self) -> None:
        self.n = 0
        self.onset = np.zeros(ROOM, dtype=np.int64)
        self.off = np.zeros(ROOM, dtype=np.int64)
        self.note = np.zeros(ROOM, dtype=np.int64)
        self.pulse = Pulse()

    def clear(self) -> None:
        """A call begins."""
        self.n = 0
        self.pulse.clear()

    def key_down(self, t_ns: int, note: int, velocity: int) -> None:
        """A key of the call."""
        if self.n and t_ns - self.onset[self.n - 1] <= CHORD_NS:
            if note > self.note[self.n - 1]:
                self.note[self.n - 1] = note
            return
        if self.n == ROOM:
            self.n = ROOM // 2
            for column in (self.onset, self.off, self.note):
                column[: self.n] = column[ROOM - self.n :]
        self.onset[self.n], self.off[self.n], self.note[self.n] = t_ns, 0, note
        self.n += 1
        self.pulse.hear(t_ns, note, velocity)

    def key_up(self, t_ns: int, note: int) -> None:
        """Its end."""
        for i in range(self.n - 1, max(self.n - 8, 0) - 1, -1):
            if self.note[i] == note and not self.off[i]:
                self.off[i] = t_ns
                return

    def span(self, now_ns: int) -> tuple[int, int]:
        """First onset and last end, ns."""
        end = int(self.off[self.n - 1]) or now_ns
        return int(self.onset[0]), max(end, int(self.onset[self.n - 1]) + 1)

    def write(self, trace: np.ndarray, transport: Transport, now_ns: int) -> None:
        """Take the notes down in the memory of motifs, on the grid as it is now, each as long as to the next."""
        end = transport.tick_at(self.span(now_ns)[1])
        ticks = [fine(transport.tick_at(int(t))) for t in self.onset[: self.n]] + [fine(end)]
        for i in range(self.n):
            length = min(max(ticks[i + 1] - ticks[i], 3), MOST_TICKS)
            remember(trace, 1, ticks[i], length, int(self.note[i]))


def fine(tick: float) -> int:
    """The nearest place on the grid of sixteenths and triplets."""
    quarter = int(tick // 12) * 12
    return quarter + min(FINE, key=lambda place: abs(tick - quarter - place))
