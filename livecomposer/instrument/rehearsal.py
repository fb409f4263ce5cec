"""Keeps the path of a note warm: a scratch performance answers a key now and then while the player rests.

A path that has not been used for 20 ms is out of the processor's caches: from callback to sent it takes 200 µs in the
median, rehearsed 86 (``livecomposer bench latency``, in process, idle learner). The loop calls ``note`` in its slack,
once a millisecond while somebody plays (0.12 ms each, 12 % of one core), never otherwise; every 5 ms gives nothing.
"""

import time

from livecomposer.instrument.guard import SIZE, GuardMemory
from livecomposer.instrument.performance import Performance
from livecomposer.settings import Settings

STEP_NS = 100_000_000


class Rehearsal:
    """A scratch performance in *harmonize*, in a virtual time of its own; nothing of it is heard, kept or learnt."""

    def __init__(self, settings: Settings) -> None:
        self._guard = GuardMemory(memoryview(bytearray(SIZE)))
        settings = settings.with_(role="harmonize", click=False, held=True)
        self._performance = Performance(settings, self._sink, clock=time.perf_counter_ns)
        self._t_ns = 0

    def note(self) -> None:
        """One key down and up."""
        self._t_ns += STEP_NS
        self._performance.receive(self._t_ns, bytes([0x90, 60, 80]))
        self._performance.receive(self._t_ns + 1, bytes([0x80, 60, 0]))
        self._performance.learning.forget()

    def _sink(self, t_ns: int, msg: bytes) -> int:
        self._guard.before(msg)
        self._guard.after(msg)
        return t_ns
