"""The learned listener: which features of music this player likes, how surely, and what to try next.

The loop owns one and calls it in its slack; agents read ``weights``. Bayesian linear regression: a rating is
y = b + θ·x + ε, x the features of what it reached, ε ~ N(0, σ²). Most features mean nothing to most listeners and a few
mean much, so each θ has a Student-t prior, fitted by expectation-maximisation over its scale mixture (Tipping 2001,
with the hyperprior of section 2 kept proper); σ² is fitted too, so that ratings without a taste in them leave θ at
nothing. What is tried is drawn from the posterior (Thompson 1933).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from livecomposer.agents.kernels import new_rng
from livecomposer.ratings.features import FIRST_OF, N_FEATURES, N_OF

ROOM = 2048  # ratings that are remembered; the oldest half then becomes part of what is known
KEEPS = 0.97  # of what earlier ratings said of just what a new one is about; what it is not about is kept
NU, TAU = 1.0, 0.06  # of the Student-t that a standardised feature's worth comes from (ratings a standard deviation)
FREE = 1.0  # variance of the intercept b
SHAPE, SCALE = 2.0, 0.25  # of the inverse gamma that σ² comes from before any rating: about 0.25
FADES = 0.98  # of earlier surprises, per rating
ROUNDS = 2  # of expectation-maximisation after each rating
RARE = 0.15  # standard deviation that a rarer feature counts as having
N_X = N_FEATURES + 1  # and the intercept


class Rated(NamedTuple):
    """One rating as it is remembered: when it was pressed (ns), what it says (-1..1), and what it reached."""

    t_ns: int
    value: float
    x: np.ndarray


class Taste:
    """What is known of one listener.

    Parameters
    ----------
    seen : float32[N_FEATURES]
        The share of each feature among the events of its head before any rating.
    seed : int

    Attributes
    ----------
    weights : float64[N_FEATURES]
        What is played for now: a feature's worth in ratings, drawn from the posterior (or its mean).
    mean, sd : float64[N_FEATURES]
        The posterior of the same.
    """

    def __init__(self, seen: np.ndarray, seed: int) -> None:
        self.seen = seen.astype(np.float64)
        self._unit = np.maximum(np.sqrt(self.seen * (1.0 - self.seen)), RARE)
        self.weights = np.zeros(N_FEATURES)
        self.mean = np.zeros(N_FEATURES)
        self.sd = np.zeros(N_FEATURES)
        self._n = np.zeros(1, dtype=np.int64)
        self.daring = 0.3
        self._rng = np.random.Generator(np.random.PCG64(new_rng(seed, 0x7A57E)))
        self._x = np.zeros((ROOM, N_X), dtype=np.float32)
        self._y = np.zeros(ROOM)
        self._t = np.zeros(ROOM, dtype=np.int64)
        # what has been folded in for good; and all together: Σ x xᵀ, Σ x y, and (of all) surprise and number
        self._base = (np.zeros((N_X, N_X)), np.zeros(N_X))
        self._sums = (np.zeros((N_X, N_X)), np.zeros(N_X), np.zeros(2))
        self._spread = np.full(N_X, TAU**2)  # var(θ) by feature, and behind them σ²
        self._spread = np.append(self._spread, SCALE)
        self._spread[N_X - 1] = FREE
        self._before = np.zeros((ROOM, N_X + 3))  # the same before each rating, and what had surprised till then
        self._z = np.zeros(N_X)
        self._draw = np.zeros(N_X)
        self._mu = np.zeros(N_X)
        self._var = np.zeros(N_X)
        self._work = np.zeros((N_X + 1, N_X))
        self.redraw()

    @property
    def n(self) -> int:
        """Ratings that are remembered."""
        return int(self._n[0])

    def features_of(self, reached: list[tuple[int, float, np.ndarray]]) -> np.ndarray:
        """What a rating is about, float32[N_X]: (head, weight, active features) of the steps it reached, weighed within
        each head, against what is usual there, in standard deviations."""
        x = np.zeros(N_X)
        total = [0.0, 0.0, 0.0]
        for head, weight, _ in reached:
            total[head] += weight
        for head, weight, rows in reached:
            for row in rows:
                x[row] += weight / total[head]
        for head, weight in enumerate(total):
            if weight > 0.0:
                of = slice(FIRST_OF[head], FIRST_OF[head] + N_OF[head])
                x[of] -= self.seen[of]
        x[:N_FEATURES] /= self._unit
        x[N_FEATURES] = 1.0
        return x.astype(np.float32)

    def rate(self, t_ns: int, value: float, x: np.ndarray) -> None:
        """Learn from one rating. The draw stays as it was but for what has been learnt; a dislike draws anew."""
        if self.n == ROOM:
            self._fold()
        i = self.n
        self._x[i], self._y[i], self._t[i] = x, value, t_ns
        self._before[i, :-2], self._before[i, -2:] = self._spread, self._sums[2]
        self._n[0] = i + 1
        _surprise(self._sums[2], self._x[i], value, self._spread, self._mu, self._work, FADES)
        _absorb(*self._sums[:2], self._x[i], value, KEEPS)
        self._fit(ROUNDS)
        if value < 0.0:
            self.redraw()
        else:
            self._settle()

    def undo(self) -> bool:
        """Take the last rating back, as if it had never been; False if none is remembered."""
        if self.n == 0:
            return False
        self._n[0] -= 1
        self._spread[:], surprise = self._before[self.n, :-2], self._before[self.n, -2:].copy()
        self._rebuild()
        self._sums[2][:] = surprise
        self._settle()
        return True

    def redraw(self) -> None:
        """Try something else: draw anew."""
        self._z[:] = self._rng.standard_normal(N_X)
        self._settle()

    def explore(self, daring: float) -> None:
        """How far draws lie from the mean: 0 plays the mean, 1 draws from the posterior itself."""
        self.daring = daring
        self._settle()

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a file must keep, as named arrays (live, not copies)."""
        return {
            "x": self._x, "y": self._y, "t": self._t, "before": self._before, "spread": self._spread, "n": self._n,
            "gram": self._base[0], "product": self._base[1], "surprise": self._sums[2], "z": self._z,
        }  # fmt: skip

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from ``state()`` of another."""
        for name, array in self.state().items():
            array[:] = state[name]
        self._rebuild()
        self._settle()

    def _settle(self) -> None:
        self._fit(0)

    def _fit(self, rounds: int) -> None:
        _posterior(*self._sums, self._spread, rounds, self._z, self.daring, self._work, self._mu, self._var, self._draw)
        np.divide(self._mu[:N_FEATURES], self._unit, out=self.mean)
        np.divide(np.sqrt(self._var[:N_FEATURES]), self._unit, out=self.sd)
        np.divide(self._draw[:N_FEATURES], self._unit, out=self.weights)

    def _rebuild(self) -> None:
        for now, base in zip(self._sums[:2], self._base, strict=True):
            now[:] = base
        for i in range(self.n):
            _absorb(*self._sums[:2], self._x[i], self._y[i], KEEPS)

    def _fold(self) -> None:
        """The older half of the log becomes part of the base: it can no longer be taken back."""
        half = ROOM // 2
        for i in range(half):
            _absorb(*self._base[:2], self._x[i], self._y[i], KEEPS)
        for column in (self._x, self._y, self._t, self._before):
            column[: ROOM - half] = column[half:].copy()
        self._n[0] = ROOM - half


# forgets along x only (Cao & Schwartz 2000): g = Gx, c = x·g, G ← G − (1−k) ggᵀ/c + xxᵀ, p ← p − (1−k) g (x·p)/c + xy
@njit("void(float64[:,::1], float64[::1], float32[::1], float64, float64)", cache=True)
def _absorb(gram, product, x, y, keeps):
    n = x.shape[0]
    along = np.zeros(n)
    c = 0.0
    said = 0.0
    for i in range(n):
        for j in range(n):
            along[i] += gram[i, j] * x[j]
        c += x[i] * along[i]
        said += x[i] * product[i]
    lost = (1.0 - keeps) / c if c > 1e-9 else 0.0
    for i in range(n):
        xi = np.float64(x[i])
        for j in range(n):
            gram[i, j] += xi * x[j] - lost * along[i] * along[j]
        product[i] += xi * y - lost * along[i] * said


# e = y − m·x, h = xᵀA⁻¹x (A = UᵀU as factored last): (S, n) ← k(S, n) + (e²/(1 + h/σ²), 1)
@njit("void(float64[::1], float32[::1], float64, float64[::1], float64[::1], float64[:,::1], float64)", cache=True)
def _surprise(scalars, x, y, spread, mean, work, fades):
    d = x.shape[0]
    error = y
    for i in range(d):
        error -= mean[i] * x[i]
    h = 0.0
    rest = np.zeros(d)
    for i in range(d):
        rest[i] += x[i]
        rest[i] /= work[i, i]
        h += rest[i] * rest[i]
        for c in range(i + 1, d):
            rest[c] -= work[i, c] * rest[i]
    scalars[0] = fades * scalars[0] + error * error / (1.0 + h / spread[d])
    scalars[1] = fades * scalars[1] + 1.0


# E: A = G/σ² + diag(1/v) = UᵀU, m = A⁻¹p/σ², s = diag A⁻¹
# M: v_i ← (ντ² + m_i² + s_i)/(ν + 1)
# σ² = (2ab + S)/(2a + n) of what each rating surprised by; after ``rounds`` of both a last E; draw = m + daring U⁻¹z
@njit(
    "void(float64[:,::1], float64[::1], float64[::1], float64[::1], int64, float64[::1], float64, float64[:,::1],"
    " float64[::1], float64[::1], float64[::1])",
    cache=True,
)
def _posterior(gram, product, scalars, spread, rounds, z, daring, work, mean, variance, draw):
    d = product.shape[0]
    column = work[d]
    spread[d] = (2.0 * SHAPE * SCALE + scalars[0]) / (2.0 * SHAPE + scalars[1])
    for turn in range(rounds + 1):
        sigma2 = spread[d]
        for i in range(d):
            for j in range(i, d):
                work[i, j] = gram[i, j] / sigma2
            work[i, i] += 1.0 / spread[i]
        for j in range(d):
            pivot = np.sqrt(work[j, j])
            for c in range(j, d):
                work[j, c] /= pivot
            for i in range(j + 1, d):
                f = work[j, i]
                for c in range(i, d):
                    work[i, c] -= f * work[j, c]
        for i in range(d):
            mean[i] = product[i] / sigma2
        for i in range(d):
            mean[i] /= work[i, i]
            for c in range(i + 1, d):
                mean[c] -= work[i, c] * mean[i]
        for i in range(d - 1, -1, -1):
            rest = mean[i]
            for c in range(i + 1, d):
                rest -= work[i, c] * mean[c]
            mean[i] = rest / work[i, i]
        for k in range(d):  # the k-th column of U⁻ᵀ
            for i in range(k, d):
                column[i] = 0.0
            column[k] = 1.0
            total = 0.0
            for i in range(k, d):
                column[i] /= work[i, i]
                total += column[i] * column[i]
                f = column[i]
                for c in range(i + 1, d):
                    column[c] -= work[i, c] * f
            variance[k] = total
        if turn == rounds:
            break
        for i in range(d - 1):
            spread[i] = (NU * TAU * TAU + mean[i] * mean[i] + variance[i]) / (NU + 1.0)
    for i in range(d - 1, -1, -1):
        rest = z[i]
        for c in range(i + 1, d):
            rest -= work[i, c] * draw[c]
        draw[i] = rest / work[i, i]
    for i in range(d):
        draw[i] = mean[i] + daring * draw[i]
