"""Which presses are one: a key that bounces, a press that is repeated for emphasis, a slip that is put right.

``instrument.learning`` asks in its slack. One source (the computer's keys, the controller, the page) is one hand:

- within ``BOUNCE_S`` of the last press with the same sign it is the same press: nothing more is learnt from it, but
  what gets stronger on its way (a wheel, a fader) counts as the strongest it got;
- within ``AGAIN_S``, the same sign, on largely the same notes: it is about the notes of the first press, once more;
- within ``AGAIN_S``, the other sign, on largely the same notes: it corrects the last press, which is taken back.
"""

from typing import NamedTuple

BOUNCE_S = 0.06
AGAIN_S = 1.0
SAME = 0.5  # share of what two presses reach that makes it largely the same

NEW, BOUNCE, STRONGER, AGAIN, INSTEAD = range(5)
Reached = list[tuple[int, int, float]]  # head, step number, weight


class Press(NamedTuple):
    """The last press of a hand."""

    number: int  # of its rating
    first_ns: int  # when the first of those that are about the same was pressed
    last_ns: int  # when it last bounced
    value: float
    reached: Reached
    near: Reached  # if it had been about a moment


class Presses:
    """The last press of each source in one performance."""

    def __init__(self) -> None:
        self._last: dict[int, Press] = {}

    def last(self, source: int) -> Press | None:
        """The last press of a source that may still have to do with the next."""
        return self._last.get(source)

    def what(self, source: int, t_ns: int, value: float, reached: Reached, near: Reached) -> int:
        """What a press is (one of the five above); ``reached`` is what it would reach by itself, ``near`` if it is
        about a moment: of two on the same notes one may be taken for a verdict on a phrase, the other not."""
        last = self._last.get(source)
        if last is None:
            return NEW
        later_s = (t_ns - last.last_ns) * 1e-9
        if later_s < 0.0 or later_s > AGAIN_S:
            return NEW
        if last.value * value >= 0.0 and later_s < BOUNCE_S:
            self._last[source] = last._replace(last_ns=t_ns)
            return STRONGER if abs(value) > abs(last.value) else BOUNCE
        if last.value * value == 0.0 or max(overlap(last.reached, reached), overlap(last.near, near)) < SAME:
            return NEW
        return AGAIN if last.value * value > 0.0 else INSTEAD

    def taken(self, source: int, press: Press) -> None:
        """A press has been taken for a rating."""
        self._last[source] = press

    def undo(self, number: int) -> None:
        """A rating has been taken back: what comes next has nothing to do with it."""
        for source in [source for source, last in self._last.items() if last.number == number]:
            del self._last[source]


def overlap(one: Reached, other: Reached) -> float:
    """How much of two presses is about the same, 0 to 1: Σ min(w, w′), both normalised."""
    total, totals = sum(w for _, _, w in one), sum(w for _, _, w in other)
    if not total or not totals:
        return 0.0
    weights = {(head, step): w / total for head, step, w in one}
    return sum(min(weights.get((head, step), 0.0), w / totals) for head, step, w in other)
