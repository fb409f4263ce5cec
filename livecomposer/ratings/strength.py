"""How strong a press was, among this player's own presses on that control.

``instrument.learning`` asks in its slack. One player's pad never gets above velocity 60, another's never below: what
counts is the rank. A control that knows two strengths at most (a pedal, a button, two keys, one for *like* and one for
*strong like*) says what it means by itself.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque

from livecomposer.ratings import UNDO

LATEST = 64  # presses on a control that a press is compared with (`UNDO` more come back when later ones are taken back)
FEW = 5  # presses that are taken as they are; so many more count as much as that
GRADES = 3  # different strengths that make a control graded

Control = tuple[int, int]  # source, index of the control


class Strength:
    """The strengths of one performance."""

    def __init__(self) -> None:
        self._pressed: dict[Control, deque[float]] = {}

    def of(self, control: Control, value: float) -> float:
        """The value of a press (-1..1) with its strength as rank; takes the press into account.

        The rank is the mid-rank quantile (less + ½ equal) / n of |value| among the last ``LATEST`` presses on the
        control, in (0, 1]; of n presses it counts (n − FEW) / n, the value as given the rest.
        """
        pressed = self._pressed.setdefault(control, deque(maxlen=LATEST + UNDO))
        pressed.append(abs(value))
        latest: list[float] = []
        for one in list(pressed)[-LATEST:]:
            insort(latest, one)
        n = len(latest)
        if n <= FEW or value == 0.0 or len(set(latest)) < GRADES:
            return value
        less, most = bisect_left(latest, abs(value)), bisect_right(latest, abs(value))
        rank = (less + (most - less) / 2.0) / n
        strength = rank + (abs(value) - rank) * FEW / n
        return strength if value > 0.0 else -strength

    def undo(self, control: Control) -> None:
        """The last press on a control had not been."""
        if self._pressed.get(control):
            self._pressed[control].pop()
