"""The learned listener: which features of music this player likes, how surely, and what to try next.

The loop owns one and calls it in its slack; agents read ``weights``. Bayesian linear regression: a rating is
y = b + θ·x + ε, x the features of what it reached, ε ~ N(0, σ²). Most features mean nothing to most listeners and a few
mean much, so each θ has a Student-t prior, fitted by expectation-maximisation over its scale mixture (Tipping 2001,
with the hyperprior of section 2 kept proper); σ² is fitted too, so that ratings without a taste in them leave θ at
nothing. What is tried is drawn from the posterior (Thompson 1933).
"""

from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numba import njit

from livecomposer.agents.kernels import new_rng
from livecomposer.errors import TasteError
from livecomposer.music.actions import HeadSpec
from livecomposer.ratings.features import FIRST_OF, N_FEATURES, N_OF, NAMES, TABLES, TRENDS, WORDS, trend_basis

ROOM = 512  # ratings that are remembered; the oldest half then becomes part of what is known
UNDO = 256  # of them that can be taken back
KEEPS = 0.985  # of what earlier ratings said of just what a new one is about; what it is not about is kept
NU, TAU = 1.0, 0.06  # of the Student-t that a standardised feature's worth comes from (ratings a standard deviation)
FREE = 1.0  # variance of the intercept b
SHAPE, SCALE = 2.0, 0.25  # of the inverse gamma that σ² comes from before any rating: about 0.25
FADES = 0.98  # of earlier surprises, per rating
ROUNDS = 1  # of expectation-maximisation after each rating
SILENT = 0.3  # what it weighs that nobody pressed, with players who press one way only: their silence is neutral
ONE_SIDED = 0.1  # at most so many presses of the other kind for one
ABOUT = 0.25  # share of what a rating reached that makes it one about a feature
RARE = 0.2  # standard deviation that a rarer feature counts as having
N_BASIS = N_FEATURES + len(TRENDS)
N_X = N_BASIS + 1  # and the intercept


class Effect(NamedTuple):
    """What one feature or trend does to a listener's liking, in ratings: by how much an event that has it is liked more
    than a usual one (of a trend: for a standard deviation of it), how sure that is, and how many ratings were about it.
    """

    name: str
    words: str
    worth: float
    sd: float
    n: int


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
    mean : float64[N_FEATURES]
        The posterior's mean of the same.
    """

    def __init__(self, seen: np.ndarray, seed: int) -> None:
        self.spec = HeadSpec("taste", crc32(",".join(NAMES).encode()), N_FEATURES, 1)  # what a file of it must match
        self.seen = seen.astype(np.float64)
        # what the regression works in: features and trends, each in its standard deviations: x = basis @ features
        basis = np.concatenate([np.eye(N_FEATURES), trend_basis()])
        spread = [np.sqrt(max(_variance(row, self.seen), 0.0)) for row in basis]
        self._spread_of = np.maximum(spread, RARE)
        self._basis = basis / self._spread_of[:, None]
        self._spread_of[N_FEATURES:] = 1.0  # a trend counts in standard deviations, a feature in shares of an event
        self._parts = np.stack([_part(row, self.seen) for row in basis]) * self._spread_of[:N_FEATURES]
        self.weights = np.zeros(N_FEATURES)
        self.mean = np.zeros(N_FEATURES)
        self._n = np.zeros(1, dtype=np.int64)
        self.daring = 0.3
        self._rng = np.random.Generator(np.random.PCG64(new_rng(seed, 0x7A57E)))
        self._x = np.zeros((ROOM, N_X), dtype=np.float32)
        self._silent = np.zeros((ROOM, N_X), dtype=np.float32)
        self._y = np.zeros(ROOM)
        self._t = np.zeros(ROOM, dtype=np.int64)
        # what has been folded in for good; and all together: Σ x xᵀ, Σ x y, and (of all) surprise and number
        self._base = (np.zeros((N_X, N_X)), np.zeros(N_X))
        self._sums = (np.zeros((N_X, N_X)), np.zeros(N_X), np.zeros(2))
        self._spread = np.full(N_X, TAU**2)  # var(θ) by feature, and behind them σ²
        self._spread = np.append(self._spread, SCALE)
        self._spread[N_X - 1] = FREE
        self._before = np.zeros((UNDO, 2 * N_X + 3))  # before each rating: the same, what had surprised, the draw
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
        found = np.zeros(N_FEATURES)
        total = [0.0, 0.0, 0.0]
        for head, weight, _ in reached:
            total[head] += weight
        for head, weight, rows in reached:
            for row in rows:
                found[row] += weight / total[head]
        for head, weight in enumerate(total):
            if weight > 0.0:
                of = slice(FIRST_OF[head], FIRST_OF[head] + N_OF[head])
                found[of] -= self.seen[of]
        return np.append(self._basis @ found, 1.0).astype(np.float32)

    def rate(self, t_ns: int, value: float, x: np.ndarray, silent: np.ndarray | None = None) -> None:
        """Learn from one rating, and from what nobody rated before it (``silent``, float32[N_X]). The draw stays as it
        was but for what has been learnt; a dislike draws anew."""
        if self.n == ROOM:
            self._fold()
        i = self.n
        self._x[i], self._y[i], self._t[i] = x, value, t_ns
        self._silent[i] = 0.0
        if silent is not None and self._one_sided():
            self._silent[i] = silent * np.float32(np.sqrt(SILENT))
        self._before[i % UNDO] = np.concatenate([self._spread, self._sums[2], self._z])
        self._n[0] = i + 1
        _surprise(self._sums[2], self._x[i], value, self._spread, self._mu, self._work, FADES)
        self._absorb(self._sums, i)
        if value < 0.0:
            self._z[:] = self._rng.standard_normal(N_X)
        self._fit(ROUNDS)

    def undo(self) -> bool:
        """Take the last rating back, as if it had never been; False if none is remembered (`UNDO` in a row are)."""
        if self.n == 0:
            return False
        self._n[0] -= 1
        before = self._before[self.n % UNDO].copy()
        for column in (self._x, self._silent, self._y, self._t):
            column[self.n] = 0
        self._before[self.n % UNDO] = 0.0
        self._spread[:], surprise, self._z[:] = before[: N_X + 1], before[N_X + 1 : N_X + 3], before[N_X + 3 :]
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

    def effects(self) -> list[Effect]:
        """What has been learnt of every feature and trend, in the order of ``NAMES`` and ``TRENDS``. Slack.

        Each with what comes along with it in this player's ratings (d = Xᵀs / (s·s + .01 n), X and s centred, s how
        much of it each rating was about): what cannot be told apart is not left with nothing each.
        """
        root = np.triu(self._work[:N_X, :N_X])  # A = UᵀU
        found = []
        shares = self._x[: self.n, :N_BASIS] * self._spread_of
        about_all = self._x[: self.n].astype(np.float64)
        about_all -= about_all.mean(axis=0) if self.n else 0.0
        for k, (name, words) in enumerate(_SAID):
            part = about_all[:, :N_FEATURES] @ self._parts[k]
            c = about_all.T @ part / (part @ part + 0.01 * max(self.n, 1))
            if part @ part < 1e-6:  # never rated: by itself
                c = np.append(self._basis @ self._parts[k], 0.0)
            half = np.linalg.solve(root.T, c)
            about = shares[:, k] + self.seen[k] >= ABOUT if k < N_FEATURES else np.abs(shares[:, k]) >= 0.5
            found.append(Effect(name, words, float(self._mu @ c), float(np.sqrt(half @ half)), int(about.sum())))
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a file must keep, as named arrays (live, not copies)."""
        return {
            "x": self._x, "silent": self._silent, "y": self._y, "t": self._t, "before": self._before,
            "spread": self._spread, "n": self._n, "gram": self._base[0], "product": self._base[1],
            "surprise": self._sums[2], "z": self._z,
        }  # fmt: skip

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from ``state()`` of another. Raises TasteError for what cannot be one."""
        check(state)
        for name, array in self.state().items():
            array[:] = state[name]
        try:
            self._rebuild()
            self._settle()
        except ZeroDivisionError:
            self.mean[:] = np.nan
        if not np.isfinite(self.mean).all():
            raise TasteError(_ODD)

    def keep(self) -> Any:
        """All that it stands on, to come back to without working anything out: arrays of its own."""
        return [array.copy() for array in self._standing()]

    def restore(self, kept: Any) -> None:
        """Stand again where ``keep()`` was called, here or in another."""
        for array, was in zip(self._standing(), kept, strict=True):
            array[:] = was
        self._settle()

    def _standing(self) -> list[np.ndarray]:
        return [*self.state().values(), *self._sums[:2]]

    def _settle(self) -> None:
        self._fit(0)

    def _fit(self, rounds: int) -> None:
        """Posterior and draw; before any rating nothing is tried: the prior is what there is."""
        daring = self.daring if self.n else 0.0
        _posterior(*self._sums, self._spread, rounds, self._z, daring, self._work, self._mu, self._var, self._draw)
        np.matmul(self._mu[:N_BASIS], self._basis, out=self.mean)
        np.matmul(self._draw[:N_BASIS], self._basis, out=self.weights)

    def _rebuild(self) -> None:
        for now, base in zip(self._sums[:2], self._base, strict=True):
            now[:] = base
        for i in range(self.n):
            self._absorb(self._sums, i)

    def _one_sided(self) -> bool:
        """Whether this player has only ever liked, or disliked: then silence says something too."""
        likes, dislikes = int((self._y[: self.n] > 0.0).sum()), int((self._y[: self.n] < 0.0).sum())
        return min(likes, dislikes) <= ONE_SIDED * max(likes, dislikes)

    def _absorb(self, sums: tuple[np.ndarray, ...], i: int) -> None:
        if self._silent[i].any():
            _absorb(sums[0], sums[1], self._silent[i], 0.0, 1.0 - SILENT * (1.0 - KEEPS))
        _absorb(sums[0], sums[1], self._x[i], self._y[i], KEEPS)

    def _fold(self) -> None:
        """The older half of the log becomes part of the base: it can no longer be taken back."""
        half = ROOM // 2
        for i in range(half):
            self._absorb(self._base, i)
        for column in (self._x, self._silent, self._y, self._t):
            column[: ROOM - half] = column[half:].copy()
        self._n[0] = ROOM - half


def check(state: dict[str, np.ndarray]) -> None:
    """Raise TasteError, which says what is wrong and not where, unless a taste can go on from this ``state()``.

    Shapes, types and finite numbers are taken for granted. Times need not ascend: the clock of the stamps begins anew
    with the machine. Nothing of LAPACK here: its threads, waiting for each other, made the loop 10 ms late.
    """
    n = int(state["n"][0])
    x, y = state["x"][: max(n, 0)], state["y"][: max(n, 0)]
    if not 0 <= n <= ROOM or not (np.abs(y[x[:, N_X - 1] != 0.0]) <= 1.0).all():
        raise TasteError("ratings that cannot be")
    spread, gram = state["spread"], state["gram"]
    before = state["before"][np.arange(max(n - UNDO, 0), n) % UNDO, : N_X + 1]
    before = before[before.any(axis=1)]  # those of ratings that were taken back are nothing
    positive = (spread > 0.0).all() and (before > 0.0).all() and (state["surprise"] >= 0.0).all()
    if not positive or not np.allclose(gram, gram.T) or (gram.diagonal() < 0.0).any():
        raise TasteError(_ODD)


_ODD = "numbers that cannot be"
_SAID = [*zip(NAMES, WORDS, strict=True), *((name, words) for name, (_, words, _) in TRENDS.items())]


def _part(much: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How much of a basis row an event with one of each feature has, as its worth is told: the share of it, and of a
    trend of more than yes and no how many standard deviations."""
    if set(much.tolist()) <= {0.0, 1.0}:
        return much
    return much / max(np.sqrt(max(_variance(much, seen), 0.0)), RARE)


def _variance(much: np.ndarray, seen: np.ndarray) -> float:
    """Of what a feature or trend amounts to in an event, its table's entries as usual as ``seen``."""
    mean = 0.0
    square = 0.0
    at = 0
    for tables in TABLES:
        for entries in tables.values():
            of = slice(at, at + len(entries))
            mean += float(much[of] @ seen[of])
            square += float(much[of] ** 2 @ seen[of])
            at += len(entries)
    return square - mean * mean


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
