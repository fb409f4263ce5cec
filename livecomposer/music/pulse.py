"""The pulse of a call: tempo and beat from the onsets of a few notes, wherever they lie.

``instrument.call`` feeds it key by key and asks once, when the call is over; all of it is slack.
"""

import numpy as np
from numba import njit

ROOM = 64
HEARD = 20  # the last of them that count: a player drifts, and 24 take up to 1.1 ms
CHORD_NS = 40_000_000  # onsets within this are one
SLOWEST, FASTEST = 55.0, 170.0  # BPM that are tried; more, where the hint lies near or beyond
TEMPI = 120  # of them, 0.95 % apart: onsets are followed, so that an error of tempo does not add up
USUAL_LOW, USUAL_HIGH = 70.0, 140.0  # calls are taken to lie in this octave, or in that about a hint beyond it
EDGE = 0.02  # spread of ln(tempo) beyond the octave
HINT_SPREAD = 0.6  # and about the hint, within it
LOOSE = 0.022  # beats: how far an onset lies beside its place
LOOSE_FOLLOWED = 0.035  # and beside where the one before lets it be expected
FOLLOW = 0.4  # how much of that goes on to the next
FAR = 9.0  # nats: no onset costs more for where it lies
ACCENT = 0.3  # nats that a beat gains by a note one standard deviation louder than the others
BEST = 12  # candidates that are refined
ROUNDS = 3
NEAR = 0.02  # tempi within this, with the same phase, are one candidate

# Places in the beat, in ticks of 1/12, and lengths from onset to onset; costs are -ln of their frequency in the
# training halves of the fiddle tunes and chorales of ``bench.corpus`` (smoothed by the lengths' frequency anywhere).
PLACES = np.array([0, 2, 3, 4, 6, 8, 9, 10])
LENGTHS = np.array([2, 3, 4, 6, 8, 9, 12, 18, 24, 36, 48])
FIRST_COST = np.array([0.4, 4.0, 4.0, 4.0, 1.5, 4.0, 4.0, 4.0])  # where a call begins
# [place, length]; the last column is any other length
LENGTH_COST = np.array(
    [
        [7.7, 3.7, 4.7, 1.5, 8.0, 3.1, 0.5, 4.3, 2.6, 4.3, 6.3, 7.2],
        [1.9, 8.0, 1.4, 1.4, 8.0, 8.0, 1.2, 4.9, 3.3, 4.9, 6.8, 4.4],
        [8.0, 0.2, 8.0, 2.8, 8.0, 2.1, 3.6, 7.3, 5.7, 7.3, 8.0, 8.0],
        [3.3, 8.0, 0.2, 2.8, 8.0, 8.0, 2.6, 6.3, 4.7, 6.3, 8.0, 8.0],
        [5.7, 2.2, 5.8, 0.2, 8.0, 4.4, 3.4, 5.2, 7.9, 8.0, 8.0, 8.0],
        [2.6, 8.0, 0.3, 2.9, 8.0, 8.0, 2.6, 6.3, 4.7, 6.4, 8.0, 4.8],
        [8.0, 0.1, 8.0, 4.5, 8.0, 4.2, 4.4, 8.0, 6.7, 8.0, 8.0, 4.8],
        [0.9, 8.0, 1.8, 1.8, 8.0, 8.0, 1.6, 5.3, 3.7, 5.3, 7.1, 7.3],
    ]
)

# Their inverses: tick of the beat to place, length to column; -1 and the last column where there is none.
PLACE_OF = np.array([list(PLACES).index(tick) if tick in PLACES else -1 for tick in range(12)])
LENGTH_OF = np.array([list(LENGTHS).index(ticks) if ticks in LENGTHS else len(LENGTHS) for ticks in range(49)])


class Pulse:
    """The last ``ROOM`` onsets of a call.

    Attributes
    ----------
    n : int
        Onsets, chords counted once.
    """

    def __init__(self) -> None:
        self.n = 0
        self._onset = np.zeros(ROOM, dtype=np.int64)
        self._velocity = np.zeros(ROOM, dtype=np.float64)
        self._work = np.zeros((3, HEARD), dtype=np.float64)
        self._best = np.zeros((BEST, 4), dtype=np.float64)
        self._found = np.zeros(3, dtype=np.float64)

    def clear(self) -> None:
        """A call begins."""
        self.n = 0

    def hear(self, t_ns: int, note: int, velocity: int) -> None:
        """A key of the call, in order of time. Cheap; keys within 40 ms of the first of them are one onset, as loud as
        the loudest."""
        n = self.n
        if n and t_ns - self._onset[n - 1] <= CHORD_NS:
            self._velocity[n - 1] = max(self._velocity[n - 1], velocity)
            return
        if n == ROOM:
            self._onset[:-1] = self._onset[1:]
            self._velocity[:-1] = self._velocity[1:]
            n -= 1
        self._onset[n] = t_ns
        self._velocity[n] = velocity
        self.n = n + 1

    def estimate(self, tempo_hint: float) -> tuple[float, int, float]:
        """Tempo and beat of what was heard.

        Parameters
        ----------
        tempo_hint : float
            BPM; weighed where the onsets leave a choice.

        Returns
        -------
        tempo : float
            BPM.
        beat_ns : int
            The beat on which the last onset lies, or the last before it; fitted through all onsets.
        confidence : float
            0 to 1: the probability of this reading against the next best. Below three onsets it is 0, the tempo is the
            hint, and the beat falls on the first onset.
        """
        n = self.n
        if n < 3:
            return tempo_hint, int(self._onset[0]) if n else 0, 0.0
        of = slice(max(n - HEARD, 0), n)
        whole = int(n <= HEARD)
        _fit(self._onset[of], self._velocity[of], whole, tempo_hint, self._work, self._best, self._found)
        period, beat, confidence = self._found
        return 60.0 / float(period), int(self._onset[of.start]) + round(float(beat) * 1e9), float(confidence)


# y_i = 12 (t_i - a_i)/P ticks, g_i = argmin_g of c_i(g) = min((y_i - g)²/2(12σ)², FAR) + C[place g_{i-1}, g - g_{i-1}],
# a_{i+1} = a_i + k (y_i - g_i) P/12; the cost is Σ c_i + n ln P: -ln of the onsets' density, with σ = ``loose`` beats
@njit("float64(float64[::1], float64[::1], int64, int64, float64, float64, float64, float64, float64)", cache=True)
def _follow(times, ticks, n, begins, period, phase, gain, loose, limit):
    """Put onsets on places, one after the other: fills ``ticks`` from the grid of ``period`` whose tick 0 lies at
    ``phase``; returns the cost (inf above ``limit``)."""
    width = 2.0 * (12.0 * loose) ** 2
    cost = n * np.log(period)
    last = -1_000
    place = 0
    for i in range(n):
        y = 12.0 * (times[i] - phase) / period
        base = int(np.floor(y)) - 1
        least = np.inf
        to = base
        to_place = 0
        for g in range(base, base + 4):
            p = PLACE_OF[g % 12]
            if p < 0 or (i > 0 and g <= last):
                continue
            c = min((y - g) ** 2 / width, FAR)
            if i > 0:
                length = g - last
                c += LENGTH_COST[place, LENGTH_OF[length] if length < LENGTH_OF.shape[0] else LENGTHS.shape[0]]
            elif begins == 1:
                c += FIRST_COST[p]
            if c < least:
                least = c
                to = g
                to_place = p
        if least == np.inf:  # two onsets, one place
            least = 2.0 * FAR
            to = last + 1
            to_place = max(PLACE_OF[to % 12], 0)
        cost += least
        if cost > limit:
            return np.inf
        ticks[i] = to
        last = to
        place = to_place
        phase += gain * (y - to) * period / 12.0
    return cost


# search: P on a grid of ln P, the first onset on each place, the onsets followed with gain k; then for the ``BEST``
# t_i ≈ a + P g_i/12 by least squares, ``ROUNDS`` times; the cost adds (ln T/hint)²/2s² + (ln T beyond octave)²/2e²
# and -A z_i for loud notes (velocity z_i standard deviations above the mean) on beats
@njit("void(int64[::1], float64[::1], int64, float64, float64[:,::1], float64[:,::1], float64[::1])", cache=True)
def _fit(onset, velocity, begins, hint, work, best, found):
    """``found``: period in s, the last onset's beat or the last before it in s after the first onset, confidence."""
    n = onset.shape[0]
    times, ticks, loud = work[0], work[1], work[2]
    mean = 0.0
    square = 0.0
    for i in range(n):
        times[i] = (onset[i] - onset[0]) * 1e-9
        mean += velocity[i] / n
        square += velocity[i] ** 2 / n
    spread = np.sqrt(max(square - mean * mean, 0.0))
    for i in range(n):
        loud[i] = (velocity[i] - mean) / max(spread, 4.0)
    low = np.log(min(USUAL_LOW, hint / 1.1))
    high = np.log(max(USUAL_HIGH, hint * 1.1))
    slowest = np.log(min(SLOWEST, hint / 1.2))
    fastest = np.log(max(FASTEST, hint * 1.2))
    for b in range(BEST):
        best[b, 0] = np.inf
    for c in range(TEMPI):
        ln_tempo = slowest + (fastest - slowest) * c / (TEMPI - 1)
        period = 60.0 / np.exp(ln_tempo)
        beyond = max(low - ln_tempo, ln_tempo - high, 0.0) / EDGE
        prior = 0.5 * ((ln_tempo - np.log(hint)) / HINT_SPREAD) ** 2 + 0.5 * beyond * beyond
        for p in range(PLACES.shape[0]):
            phase = -PLACES[p] * period / 12.0
            limit = best[BEST - 1, 0] - prior
            cost = prior + _follow(times, ticks, n, begins, period, phase, FOLLOW, LOOSE_FOLLOWED, limit)
            if cost == np.inf:
                continue
            at = BEST - 1  # the row to be overwritten: the same reading's, or the last
            for b in range(BEST):
                if best[b, 0] < np.inf and best[b, 3] == p and abs(best[b, 1] / period - 1.0) < NEAR:
                    at = b
                    break
            if cost >= best[at, 0]:
                continue
            while at > 0 and best[at - 1, 0] > cost:
                best[at] = best[at - 1]
                at -= 1
            best[at, 0] = cost
            best[at, 1] = period
            best[at, 2] = phase
            best[at, 3] = p
    for b in range(BEST):
        if best[b, 0] == np.inf:
            break
        period, phase = best[b, 1], best[b, 2]
        gain, loose = FOLLOW, LOOSE_FOLLOWED
        for _ in range(ROUNDS):
            _follow(times, ticks, n, begins, period, phase, gain, loose, np.inf)
            sx = sy = sxx = sxy = 0.0
            for i in range(n):
                sx += ticks[i]
                sy += times[i]
                sxx += ticks[i] * ticks[i]
                sxy += ticks[i] * times[i]
            period = 12.0 * (n * sxy - sx * sy) / (n * sxx - sx * sx)
            phase = (sy - period / 12.0 * sx) / n
            gain, loose = 0.0, LOOSE
        ln_tempo = np.log(60.0 / period)
        beyond = max(low - ln_tempo, ln_tempo - high, 0.0) / EDGE
        cost = 0.5 * ((ln_tempo - np.log(hint)) / HINT_SPREAD) ** 2 + 0.5 * beyond * beyond
        cost += _follow(times, ticks, n, begins, period, phase, 0.0, LOOSE, np.inf)
        for i in range(n):
            if ticks[i] % 12 == 0:
                cost -= ACCENT * loud[i]
        best[b, 0], best[b, 1], best[b, 2] = cost, period, phase
    first = 0
    for b in range(BEST):
        if best[b, 0] < best[first, 0]:
            first = b
    period, phase = best[first, 1], best[first, 2]
    other = np.inf
    for b in range(BEST):
        shift = (best[b, 2] - phase) / period
        shift = abs(shift - np.round(shift))
        if best[b, 0] < other and (abs(best[b, 1] / period - 1.0) > NEAR or shift > 1.0 / 12.0):
            other = best[b, 0]
    found[0] = period
    found[1] = phase + period * np.floor((times[n - 1] - phase) / period + 1.0 / 24.0)
    found[2] = 1.0 / (1.0 + np.exp(best[first, 0] - other))
