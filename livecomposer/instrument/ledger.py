"""The latency ledger: how long notes took, always on, a fixed amount of memory.

Written by the loop (an array store per note), read out in its slack.
"""

import numpy as np

SIZE = 4096  # notes that the percentiles look back on


class Ledger:
    """The last ``SIZE`` latencies, the greatest ever, and the misses of the budget. Times in ns."""

    def __init__(self, budget_ns: int) -> None:
        self.budget_ns = budget_ns
        self._values = np.zeros(SIZE, dtype=np.int64)
        self.count = 0
        self.max_ns = 0
        self.misses = 0

    def add(self, latency_ns: int) -> None:
        """One note's time from its callback to its last message sent."""
        self._values[self.count % SIZE] = latency_ns
        self.count += 1
        if latency_ns > self.max_ns:
            self.max_ns = latency_ns
        if latency_ns > self.budget_ns:
            self.misses += 1

    def percentile(self, share: float) -> int:
        """The latency that ``share`` of the last notes stayed within; 0 before the first. Slack (~40 µs)."""
        n = min(self.count, SIZE)
        if n == 0:
            return 0
        at = min(int(share * n), n - 1)
        return int(np.partition(self._values[:n], at)[at])
