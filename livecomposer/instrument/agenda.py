"""What is due and when: one heap of everything that is going to happen.

``Performance`` owns one and empties it turn by turn; the agent's part puts its notes there.
"""

import heapq
from collections.abc import Callable
from typing import Any

# what can be due, in the order in which a moment's entries are handled: note-offs first
OFF, CLICK_OFF, QUIET, SENSE, BEAT, ON, WAITED, CLICK = range(8)

VOID = -1  # a generation that no one is


class Agenda:
    """Entries ``(t_ns, kind, gen, what)`` in order of time, then of kind, then of being pushed.

    ``gen`` belongs to whoever pushed: it lets a later change of mind void an entry without looking for it.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, int, Any]] = []
        self._count = 0

    def push(self, t_ns: int, kind: int, gen: int, what: Any = None) -> None:
        """Add an entry."""
        self._count += 1
        heapq.heappush(self._heap, (t_ns, kind, self._count, gen, what))

    def next_ns(self) -> int:
        """When the next entry is due; there is always one, the coming beat."""
        return self._heap[0][0]

    def pop(self) -> tuple[int, int, int, Any]:
        """Take the next entry: (t_ns, kind, gen, what)."""
        t_ns, kind, _, gen, what = heapq.heappop(self._heap)
        return t_ns, kind, gen, what

    def move(self, kind: int, gen: int, from_ns: int, when: Callable[[Any], int]) -> int:
        """Give all entries of a kind and generation the times ``when(what)``; those that would now lie before
        ``from_ns`` are void. Returns how many those are."""
        lost = 0
        for i, (_, its_kind, count, its_gen, what) in enumerate(self._heap):
            if its_kind == kind and its_gen == gen:
                at = when(what)
                past = at < from_ns - 1
                lost += past
                self._heap[i] = (at, kind, count, VOID if past else gen, what)
        heapq.heapify(self._heap)
        return lost
