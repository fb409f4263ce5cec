"""The learned listener: which features of music this player likes, how surely, and what to try next.

The loop owns one and calls it in its slack; agents read ``weights``. Bayesian linear regression: a rating is
y = b + θ·x + ε, x the features of what it reached, ε ~ N(0, σ²). Most features mean nothing to most listeners and a few
mean much, so each θ has a Student-t prior, fitted by expectation-maximisation over its scale mixture (Tipping 2001,
with the hyperprior of section 2 kept proper); σ² is fitted too, so that ratings without a taste in them leave θ at
nothing; and what has been learnt of a head is played for as far as it has foretold the ratings (each head's part one
predictor beside a constant, none weighing less than nothing: stacking, Breiman 1996; each told before it was known:
Dawid 1984): who cares for rhythm only is not to find the melody changed. When ratings come that it foretells worse
than nothing would, the player has come to like something else (a CUSUM chart: Page 1954), and little of it is kept. An
answer to a pair of phrases is one more observation, of a difference (``Taste.prefer``). What is tried is drawn from the
posterior (Thompson 1933), with the tails that the prior has: a few features are tried boldly, the others hardly at all,
else what is rare would never be heard often enough to be judged.
"""

from math import erfc, exp, log, pi, sqrt
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from livecomposer.agents.kernels import new_rng
from livecomposer.errors import TasteError
from livecomposer.music.actions import HeadSpec
from livecomposer.ratings import UNDO
from livecomposer.ratings.features import N_FEATURES, N_OF, NAMES, TABLES, TRENDS, WORDS, shares, trend_basis
from livecomposer.ratings.regression import (
    DOUBT,
    N_SCALARS,
    SCALE,
    TAU,
    absorb,
    count_presses,
    foreseen,
    foretell,
    posterior,
    stacked,
    surprise,
    weigh,
)

ROOM = 512  # ratings that are remembered; the oldest half then becomes part of what is known
MARK = 32  # of them lie between two places from which what is known can be worked out again
KEEPS = 0.985  # of what earlier ratings said of just what a new one is about; what it is not about is kept
FREE = 1.0  # variance of the intercept b
FADES = 0.98  # of earlier surprises, per rating
ROUNDS = 1  # of expectation-maximisation after each rating
REMAINS = 0.1  # of what was known before the change
FREEDOM, FARTHEST = 2.0, 10.0  # of the Student-t that a draw's z comes from, and where it is cut off
BOLD_FOR = 15  # ratings of one taste: then exploring becomes less
TRUSTED = 2.0  # how surely what is learnt is taken to be a taste
TRUST, EXPIRES = 0.5, 0.97  # what it is credited with beforehand, and what is left of that credit after each rating
HEAD_TRUST, HEAD_EXPIRES, LASTING = 10.0, 0.86, 0.02  # the same of each head by itself, and what of it stays
SILENT = 0.3  # what it weighs that nobody pressed, with players who press one way only: their silence is neutral
UNSURE = 0.4  # standard deviation of the difference of two phrases, as it is felt for an answer, in ratings
ALIKE = 0.5  # of the difference of two of which neither is chosen
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
        What is played for now: a feature's worth in ratings, drawn from the posterior (or its mean); what is usual in
        its table is worth nothing.
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
        # a usual entry of each table is worth nothing, and so is an event without any
        self._centred = self._basis - _usual(self._basis, self.seen)
        self._spread_of[N_FEATURES:] = 1.0  # a trend counts in standard deviations, a feature in shares of an event
        table_of = {table: head for head, tables in enumerate(TABLES) for table in tables}
        trends = [table_of[table] for table, _, _ in TRENDS.values()]
        self._head_of = np.append(np.repeat(np.arange(len(TABLES)), N_OF), trends)
        self._parts = np.stack([_part(row, self.seen) for row in basis]) * self._spread_of[:N_FEATURES]
        self.weights = np.zeros(N_FEATURES)
        self.mean = np.zeros(N_FEATURES)
        self._n = np.zeros(1, dtype=np.int64)
        self.daring = 0.3
        self._always = False
        self._rng = np.random.Generator(np.random.PCG64(new_rng(seed, 0x7A57E)))
        self._x = np.zeros((ROOM, N_X), dtype=np.float32)
        self._silent = np.zeros((ROOM, N_X), dtype=np.float32)
        self._y = np.zeros(ROOM)
        self._t = np.zeros(ROOM, dtype=np.int64)
        self._weight = np.zeros(ROOM, dtype=np.float32)  # by which x and y count: 1 but for answers
        self._remains = np.ones(ROOM, dtype=np.float32)  # of what was known before it: 1 unless the taste changed
        # Σ x xᵀ and Σ x y before every `MARK`th of what is remembered (the first: of what has been folded in for good),
        # and how many of these stand
        self._grams, self._products = np.zeros((ROOM // MARK, N_X, N_X)), np.zeros((ROOM // MARK, N_X))
        self._marks = 1
        # Σ x xᵀ, Σ x y, and surprise, number, what `weigh` sums, and how many there have been of one taste; and what
        # `foretell` sums
        self._sums = (np.zeros((N_X, N_X)), np.zeros(N_X), np.zeros(N_SCALARS))
        self._told = np.zeros((len(TABLES) + 2, len(TABLES) + 2))
        self._spread = np.full(N_X, TAU**2)  # var(θ) by feature, and behind them σ²
        self._spread = np.append(self._spread, SCALE)
        self._spread[N_X - 1] = FREE
        # before each rating: the same, what had surprised, what had been foretold, the draw
        self._before = np.zeros((UNDO, 2 * N_X + 1 + N_SCALARS + self._told.size))
        self._z = np.zeros(N_X)
        self._draw = np.zeros(N_X)
        self._mu = np.zeros(N_X)
        self._var = np.zeros(N_X)
        self._work = np.zeros((N_X, N_X))
        self.redraw()

    @property
    def trust(self) -> np.ndarray:
        """How much of what has been learnt of each head is played for, float64[heads] in 0..1: as much as it has
        foretold of the ratings.

        Before they have foretold any they are credited. Who presses whatever is played leaves little to be foretold,
        hardly more than that credit, and it is not to stand for ever. Presses of one kind only (or none, but answers to
        pairs) tell little of what each head has foretold, the less the more is liked: then all count as much as all of
        them together have foretold.
        """
        n = float(self._sums[2][4])
        together, each = stacked(self._told, TRUST * EXPIRES**n + 1e-9, HEAD_TRUST * HEAD_EXPIRES**n + LASTING)
        return np.minimum(TRUSTED * (np.full_like(each, together) if self.one_sided(self.n) else each), 1.0)

    @property
    def n(self) -> int:
        """Ratings and answers to pairs that are remembered."""
        return int(self._n[0])

    @property
    def compared(self) -> np.ndarray:
        """Which of them are answers to pairs, bool[n]: their x is a difference, without an intercept."""
        return self._x[: self.n, N_X - 1] == 0.0

    def one_sided(self, n: int) -> bool:
        """Whether the first ``n`` ratings only ever like, or dislike: then this player's silence says something too."""
        likes, dislikes = count_presses(self._x, self._y, n)
        return min(likes, dislikes) <= ONE_SIDED * max(likes, dislikes)

    def features_of(self, reached: list[tuple[int, float, np.ndarray]]) -> np.ndarray:
        """What a rating is about, float32[N_X]: (head, weight, active features; -1 is none) of the steps it reached,
        weighed within each head, against what is usual there, in standard deviations."""
        heads, weights, rows = zip(*reached, strict=True)
        found = shares(
            np.array(heads, dtype=np.int64), np.array(weights, dtype=np.float64),
            np.array([row.size for row in rows], dtype=np.int64), np.concatenate(rows, dtype=np.int64), self.seen,
        )  # fmt: skip
        x = np.ones(N_X, dtype=np.float32)
        x[:N_BASIS] = self._basis @ found
        return x

    def rate(self, t_ns: int, value: float, x: np.ndarray, silent: np.ndarray | None = None) -> bool:
        """Learn from one rating, and from what nobody rated before it (``silent``, float32[N_X]). The draw stays as it
        was but for what has been learnt; a dislike draws anew. Returns whether it shows that the taste has changed."""
        i = self._next(t_ns, x, value, 1.0)
        surprise(self._sums[2], self._told, self._x[i], value, self._spread, self._mu, self._work, FADES)
        changed = self._doubted(i)
        if silent is not None and self.one_sided(i):
            self._silent[i] = silent * np.float32(np.sqrt(SILENT))
        if self._silent[i].any():
            foretell(self._told, self._silent[i], 0.0, self._mu, self._head_of)
        foretell(self._told, self._x[i], value, self._mu, self._head_of)
        self._absorb(self._sums, i)
        if value < 0.0:
            self._z[:] = self._another()
        self._fit(ROUNDS)
        return changed

    def undo(self, times: int = 1) -> bool:
        """Take the last ratings back, as if they had never been; False, and nothing is done, unless so many are
        remembered (`UNDO` in a row are)."""
        n = self.n - times
        before = self._before[n % UNDO].copy()
        if n < 0 or times > UNDO or not before.any():
            return False
        for column in (self._x, self._silent, self._y, self._t, self._weight):
            column[n : self.n] = 0
        self._remains[n : self.n] = 1.0
        self._before[np.arange(n, self.n) % UNDO] = 0.0
        self._n[0] = n
        ends = np.cumsum([self._spread.size, N_SCALARS, self._told.size])
        self._spread[:], scalars, told, self._z[:] = np.split(before, ends)
        self._rebuild()
        self._sums[2][:] = scalars
        self._told[:] = told.reshape(self._told.shape)
        self._settle()
        return True

    def prefer(self, t_ns: int, answer: str, x_a: np.ndarray, x_b: np.ndarray) -> bool:
        """Learn from a comparison of two phrases that are about ``x_a`` and ``x_b``: "a", "b" or "neither".

        P(a) = Φ(θ·(x_a − x_b) / ν), ν = `UNSURE`: Thurstone's (1927) form of the model of Bradley & Terry (1952), in
        which the intercept cancels. It enters the regression as the observation y of θ·(x_a − x_b) with the variance
        σ²/k² that leaves it, by itself and as known so far, with the mean and variance that the answer does (moment
        matching: Minka 2001, "Expectation propagation", section 3.2). An answer that was foreseen so says little, one
        that was not says much. "neither" is y = 0 with the variance `ALIKE`²: that both were poor cannot be told from
        that both were alike. The draw stays as it was but for what has been learnt. Returns what ``rate`` does.
        """
        x = x_a - x_b
        mean, variance = foreseen(x, self._mu, self._work)
        sigma = float(np.sqrt(self._spread[N_X]))
        if answer == "neither":
            y, k, told = 0.0, sigma / ALIKE, 0.0
        else:
            sign = 1.0 if answer == "a" else -1.0
            total = UNSURE * UNSURE + variance
            z = sign * mean / sqrt(total)
            twice = max(erfc(-z / sqrt(2.0)), 1e-300)  # 2 Φ(z): how much likelier it was than by chance
            slope = sqrt(2.0 / pi) * exp(-z * z / 2.0) / twice  # φ(z)/Φ(z)
            told = log(twice)
            curve = max(slope * (slope + z), 1e-12)
            y, k = sign * sqrt(total) * (z + slope / curve), sigma * sqrt(curve / (total - variance * curve))
        i = self._next(t_ns, x, y, k)
        weigh(self._sums[2], told)
        changed = self._doubted(i)
        foretell(self._told, self._x[i] * self._weight[i], y * float(self._weight[i]), self._mu, self._head_of)
        self._absorb(self._sums, i)
        self._fit(ROUNDS)
        return changed

    def draw(self) -> np.ndarray:
        """What is tried now, to come back to with ``hold``."""
        return self._z.copy()

    def redraw(self) -> None:
        """Try something else: draw anew."""
        self.hold(None, self.daring)

    def hold(self, draw: np.ndarray | None, daring: float, always: bool = False) -> None:
        """Try a draw (None: draw anew) so far from the mean, if ``always`` before any rating too."""
        self._z[:] = self._another() if draw is None else draw
        self.daring, self._always = daring, always
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
        root = np.triu(self._work)  # A = UᵀU
        found = []
        changes = np.flatnonzero(self._remains[: self.n] < 1.0)
        now = slice(int(changes[-1]) if changes.size else 0, self.n)  # ratings of another taste say nothing of this one
        shares = self._x[now, :N_BASIS] * self._spread_of
        about_all = self._x[now].astype(np.float64)
        compared = self.compared[now]
        if not compared.all():
            about_all[~compared] -= about_all[~compared].mean(axis=0)
        for k, (name, words) in enumerate(_SAID):
            part = about_all[:, :N_FEATURES] @ self._parts[k]
            c = about_all.T @ part / (part @ part + 0.01 * max(len(about_all), 1))
            if part @ part < 1e-6:  # never rated: by itself
                c = np.append(self._basis @ self._parts[k], 0.0)
            half = np.linalg.solve(root.T, c)
            if k < N_FEATURES:
                about = np.where(compared, np.abs(shares[:, k]), shares[:, k] + self.seen[k]) >= ABOUT
            else:
                about = np.abs(shares[:, k]) >= 0.5
            found.append(Effect(name, words, float(self._mu @ c), float(np.sqrt(half @ half)), int(about.sum())))
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a file must keep, as named arrays (live, not copies)."""
        return {
            "x": self._x, "silent": self._silent, "y": self._y, "t": self._t, "weight": self._weight,
            "remains": self._remains, "before": self._before, "spread": self._spread, "n": self._n,
            "gram": self._grams[0], "product": self._products[0], "surprise": self._sums[2], "told": self._told,
            "z": self._z,
        }  # fmt: skip

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from ``state()`` of another, but for what is drawn from here on. Raises TasteError for what cannot be
        one."""
        check(state)
        for name, array in self.state().items():
            array[:] = state[name]
        self._marks = 1
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
        self._marks = 1
        self._settle()

    def _another(self) -> np.ndarray:
        return np.clip(self._rng.standard_t(FREEDOM, N_X), -FARTHEST, FARTHEST)

    def _next(self, t_ns: int, x: np.ndarray, y: float, weight: float) -> int:
        """Remember an observation, and what stood before it."""
        if self.n == ROOM:
            self._fold()
        i = self.n
        self._mark(i)
        self._x[i], self._y[i], self._t[i], self._weight[i] = x, y, t_ns, weight
        self._silent[i] = 0.0
        self._remains[i] = 1.0
        self._before[i % UNDO] = np.concatenate([self._spread, self._sums[2], self._told.reshape(-1), self._z])
        self._n[0] = i + 1
        return i

    def _standing(self) -> list[np.ndarray]:
        return [*self.state().values(), *self._sums[:2]]

    def _settle(self) -> None:
        self._fit(0)

    def _fit(self, rounds: int) -> None:
        """Posterior and draw; before any rating nothing is tried: the prior is what there is."""
        of_one = float(self._sums[2][4])
        daring = self.daring / np.hypot(1.0, of_one / BOLD_FOR) if self.n or self._always else 0.0
        posterior(*self._sums, self._spread, rounds, self._z, self._work, self._mu, self._var, self._draw)
        known = self.trust[self._head_of] * self._mu[:N_BASIS]
        np.matmul(known, self._centred, out=self.mean)
        np.matmul(known + daring * self._draw[:N_BASIS], self._centred, out=self.weights)

    def _mark(self, i: int) -> None:
        """Remember the sums as they are before observation ``i``, if it is the next that they are remembered of."""
        if i == self._marks * MARK:
            self._grams[self._marks], self._products[self._marks] = self._sums[:2]
            self._marks += 1

    def _rebuild(self) -> None:
        """The sums over all that is remembered, bit for bit as they came about, from the last mark on."""
        n = self.n
        self._marks = min(self._marks, n // MARK + 1)
        begin = self._marks - 1
        self._sums[0][:], self._sums[1][:] = self._grams[begin], self._products[begin]
        for i in range(begin * MARK, n):
            self._mark(i)
            self._absorb(self._sums, i)

    def _doubted(self, i: int) -> bool:
        """Whether what is known has come to foretell so badly, having foretold well, that observation ``i`` is of
        another taste: then `REMAINS` of what was known is kept, and exploring begins anew."""
        scalars = self._sums[2]
        changed = bool(min(scalars[2], scalars[3]) > DOUBT)
        if changed:
            self._remains[i] = REMAINS
            scalars[:2] *= REMAINS
            self._told *= REMAINS
            scalars[2:] = 0.0
        scalars[4] += 1.0
        return changed

    def _absorb(self, sums: tuple[np.ndarray, ...], i: int) -> None:
        if self._remains[i] < 1.0:
            sums[0][:] *= self._remains[i]
            sums[1][:] *= self._remains[i]
        if self._silent[i].any():
            absorb(sums[0], sums[1], self._silent[i], 0.0, 1.0 - SILENT * (1.0 - KEEPS))
        weight = self._weight[i]
        absorb(sums[0], sums[1], self._x[i] * weight, self._y[i] * float(weight), KEEPS)

    def _fold(self) -> None:
        """The older half of the log becomes part of the base: it can no longer be taken back."""
        half = ROOM // 2
        if self._marks < ROOM // MARK:
            self._rebuild()
        for column in (self._x, self._silent, self._y, self._t, self._weight, self._remains):
            column[: ROOM - half] = column[half:].copy()
        for marks in (self._grams, self._products):
            marks[: -half // MARK] = marks[half // MARK :].copy()
        self._marks -= half // MARK
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
    none_of = (
        any((of <= 0.0).any() for of in (spread, before, state["remains"], state["weight"][:n])),
        any((of < 0.0).any() for of in (gram.diagonal(), state["surprise"], state["told"].diagonal())),
        any((np.abs(of) > FARTHEST).any() for of in (state["z"], state["before"][:, -N_X:])),
        (state["remains"] > 1.0).any(),
        not all(np.allclose(table, table.T) for table in (gram, state["told"])),
    )
    if any(none_of):
        raise TasteError(_ODD)


_ODD = "numbers that cannot be"
_SAID = [*zip(NAMES, WORDS, strict=True), *((name, words) for name, (_, words, _) in TRENDS.items())]


def _part(much: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How much of a basis row an event with one of each feature has, as its worth is told: the share of it, and of a
    trend of more than yes and no how many standard deviations."""
    if set(much.tolist()) <= {0.0, 1.0}:
        return much
    return much / max(np.sqrt(max(_variance(much, seen), 0.0)), RARE)


def _usual(rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """What the usual entry of each feature's table has of each row, float64 as ``rows``."""
    found = np.zeros_like(rows)
    at = 0
    for tables in TABLES:
        for entries in tables.values():
            of = slice(at, at + len(entries))
            found[:, of] = (rows[:, of] @ seen[of])[:, None]
            at += len(entries)
    return found


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
