"""How a late rating reaches the notes it was meant for.

A press comes 0.2–1.5 s after what it is about, so credit is spread over what sounded before it by a delay density; a
verdict on a phrase reaches all of it. Called by the loop in its slack.
"""

import numpy as np
from numba import njit

from livecomposer.agents.protocol import Steps
from livecomposer.ratings.delay import USUAL, Delay
from livecomposer.ratings.phrases import Phrase

LASTS_S = 1.5  # a note is heard until the next begins, at most so long
WINDOW_S = 3.5  # a note that began earlier cannot be meant by a press inside a phrase
LASTING_S = 12.0  # what is remembered of what went on without a breath
GRACE_S = 1.5  # the longest way of a press from finger to loop, and of another that repeats or corrects it
LEAST = 0.01  # of a press: less is nobody's meaning
PHRASE_WEIGHT = 0.3  # of a press about a phrase on each note: a verdict on all of them, vaguer on each


# F(d) = 1 − e^{−x} Σ_{j<k} x^j/j!, x = d/θ: the distribution function of the delay (Gamma with a whole k)
@njit("float64(float64, int64, float64)", cache=True)
def _passed(d, shape, scale):
    x = max(d, 0.0) / scale
    term = total = 1.0
    for j in range(1, shape):
        term *= x / j
        total += term
    return 1.0 - np.exp(-x) * total


# w_i = F(t − on_i) − F(t − off_i): the chance that the moment that is meant lies in the note;
# off_i is the next onset, or on_i + LASTS_S if that is sooner
@njit("Tuple((int64, float64))(int64[::1], int64, int64, int64, int64, float64, float64[::1])", cache=True)
def delay_weights(t_ns, first, n, t_rating, shape, scale, weights):
    """Fill ``weights[first:n]`` with the chance of each row; return the first row with any (n if none), and the chance
    that it is any of them.

    ``t_ns`` int64[rows] ascending; rows of one sonority share one onset and so the same weight, which counts once. The
    delay is Gamma with ``shape`` (whole) and ``scale`` (s).
    """
    total = chance = 0.0
    start = n
    onset = after = t_rating
    for i in range(n - 1, first - 1, -1):
        d = (t_rating - t_ns[i]) * 1e-9
        if d > WINDOW_S:
            break
        another = t_ns[i] < onset
        if another:
            after = onset
            onset = t_ns[i]
        until = max((t_rating - after) * 1e-9, d - LASTS_S)
        weights[i] = _passed(d, shape, scale) - _passed(until, shape, scale)
        total += weights[i]
        if another:
            chance += weights[i]
        start = i
    return (start, chance) if total > 0.0 else (n, 0.0)


class Credit:
    """The delay density over all heads' steps, or a phrase's, with enough memory to take a rating back.

    ``take_back`` leaves the rows' rewards bit for bit as they were before the last ``give``.
    """

    def __init__(self, tables: list[Steps], delay: Delay = USUAL) -> None:
        self.tables = tables
        self.delay = delay
        self._weights = np.zeros(max(table.capacity for table in tables), dtype=np.float64)

    def moment(self, t_ns: int) -> tuple[list[tuple[int, int, float]], float]:
        """Which steps a press at ``t_ns`` reaches if it is about what was just heard, (head, step number, weight), and
        the chance that anything was to be heard at the moment that is meant (every note has a step of the last head).
        """
        reached = []
        chance = 0.0
        for head, table in enumerate(self.tables):
            start, chance = delay_weights(
                table.t_ns, table.matured, table.n, t_ns, self.delay.shape, self.delay.scale_s, self._weights
            )
            chances = self._weights[start : table.n].tolist()
            total = sum(chances)
            first = table.first + start
            reached += [(head, first + i, x / total) for i, x in enumerate(chances) if x > LEAST * total]
        return reached, chance

    def whole(self, phrase: Phrase) -> list[tuple[int, int, float]]:
        """The steps of a phrase, of a long one the last `LASTING_S`: (head, step number, weight)."""
        since = max(phrase.since_ns, phrase.last_ns - int(LASTING_S * 1e9) - 1)
        reached = []
        for head, table in enumerate(self.tables):
            low, high = np.searchsorted(table.t_ns[: table.n], (since, phrase.last_ns), "right")
            reached += [(head, table.first + i, PHRASE_WEIGHT) for i in range(int(low), int(high))]
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

    def mature(self, t_ns: int, since_ns: int) -> list[tuple[int, int]]:
        """Steps that no rating can reach any more, as (head, row), oldest first; marks them matured.

        A step is safe once the window has passed *and* no press can be about its phrase any more: those that can
        began behind ``since_ns``. The last row waits for its successor.
        """
        ripe = []
        old = min(t_ns - int((WINDOW_S + GRACE_S) * 1e9), since_ns + 1)
        for head, table in enumerate(self.tables):
            i = table.matured
            while i < table.n - 1 and table.t_ns[i] < old:
                ripe.append((head, i))
                i += 1
            table.matured = i
        return ripe
