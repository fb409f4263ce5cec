"""How a late rating reaches the notes it was meant for.

A press comes 0.2–1.5 s after what it is about, so credit is spread over what sounded before it by a delay density; a
press in the gap after a phrase is about the whole phrase. Called by the loop in its slack.
"""

import numpy as np
from numba import njit

from livecomposer.agents.protocol import Steps

LASTS_S = 1.5  # a note is heard until the next begins, at most so long
WINDOW_S = 3.5  # a note that began earlier cannot be meant by a press inside a phrase
GRACE_S = 0.5  # the longest way of a press from finger to loop
SHAPE, SCALE_S = 5, 0.16  # Gamma density: mode 0.64 s, mean 0.80 s, 5–95 % 0.32–1.46 s (facts: 0.2–1.5 s)
PHRASE_WEIGHT = 0.3  # of a press in the gap on each note: a verdict on all of them, vaguer on each


# F(d) = 1 − e^{−x} Σ_{j<5} x^j/j!, x = d/θ: the distribution function of the delay (Gamma, k = 5)
@njit("float64(float64)", cache=True)
def _passed(d):
    x = max(d, 0.0) / SCALE_S
    return 1.0 - np.exp(-x) * (1.0 + x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0))))


# w_i = [F(t − on_i) − F(t − off_i)] / Σ_j [...]: the chance that the moment that is meant lies in the note;
# off_i is the next onset, or on_i + LASTS_S if that is sooner
@njit("int64(int64[::1], int64, int64, int64, float64[::1])", cache=True)
def delay_weights(t_ns, first, n, t_rating, weights):
    """Fill ``weights[first:n]`` with the share of each row and return the first row with any (n if none).

    ``t_ns`` int64[rows] ascending; rows of one sonority share one onset and so the same weight.
    """
    total = 0.0
    start = n
    onset = after = t_rating
    for i in range(n - 1, first - 1, -1):
        d = (t_rating - t_ns[i]) * 1e-9
        if d > WINDOW_S:
            break
        if t_ns[i] < onset:
            after = onset
            onset = t_ns[i]
        weights[i] = _passed(d) - _passed(max((t_rating - after) * 1e-9, d - LASTS_S))
        total += weights[i]
        start = i
    if total <= 0.0:
        return n
    for i in range(start, n):
        weights[i] /= total
    return start


class Credit:
    """The gap rule and the delay density over all heads' steps, with enough memory to take a rating back.

    ``take_back`` leaves the rows' rewards bit for bit as they were before the last ``give``.
    """

    def __init__(self, tables: list[Steps]) -> None:
        self.tables = tables
        self._weights = np.zeros(max(table.capacity for table in tables), dtype=np.float64)

    def reach(self, t_ns: int, gap_phrase: int) -> list[tuple[int, int, float]]:
        """Which steps a press at ``t_ns`` reaches: (head, step number, weight).

        ``gap_phrase`` is the phrase that has just ended if the press fell in the gap behind it, else -1.
        """
        reached = []
        for head, table in enumerate(self.tables):
            if gap_phrase >= 0:
                low = int(np.searchsorted(table.phrase[: table.n], gap_phrase, "left"))
                high = int(np.searchsorted(table.phrase[: table.n], gap_phrase, "right"))
                reached += [(head, table.first + i, PHRASE_WEIGHT) for i in range(low, high)]
            else:
                start = delay_weights(table.t_ns, table.matured, table.n, t_ns, self._weights)
                reached += [
                    (head, table.first + i, float(self._weights[i]))
                    for i in range(start, table.n)
                    if self._weights[i] > 0.01  # a hundredth of a press is nobody's meaning
                ]
        return reached

    def give(self, reached: list[tuple[int, int, float]], value: float) -> list[tuple[int, int, float]]:
        """Add ``value`` × weight to each step's reward; returns what to take back: (head, step, reward before)."""
        before = []
        for head, number, weight in reached:
            table = self.tables[head]
            row = number - table.first
            before.append((head, number, float(table.reward[row])))
            table.reward[row] += value * weight
        return before

    def take_back(self, before: list[tuple[int, int, float]]) -> None:
        """Undo the last ``give`` that has not been taken back (rows that have been dropped since are left out)."""
        for head, number, reward in before:
            table = self.tables[head]
            if number >= table.first:
                table.reward[number - table.first] = reward

    def mature(self, t_ns: int, phrase: int) -> list[tuple[int, int]]:
        """Steps that no rating can reach any more, as (head, row), oldest first; marks them matured.

        A step is safe once the window has passed *and* its phrase can no longer be rated in the gap: ``phrase`` is
        the first that still can. The last row waits for its successor.
        """
        ripe = []
        old = t_ns - int((WINDOW_S + GRACE_S) * 1e9)
        for head, table in enumerate(self.tables):
            i = table.matured
            while i < table.n - 1 and table.t_ns[i] < old and table.phrase[i] < phrase:
                ripe.append((head, i))
                i += 1
            table.matured = i
        return ripe
