"""The arithmetic of ``ratings.taste``: Bayesian regression with a scale for each weight, and how well it foretells.

Kernels that the loop calls in its slack; each has its formula above it and its twin in ``tests/ratings/test_taste.py``.
"""

import numpy as np
from numba import njit

NU, TAU = 1.0, 0.06  # of the Student-t that a standardised feature's worth comes from (ratings a standard deviation)
SHAPE, SCALE = 2.0, 0.25  # of the inverse gamma that σ² comes from before any rating: about 0.25
DOUBT, AT_MOST = 3.0, 1.0  # nats by which ratings must speak for what is known, then against it; and of each of them
BLANK = 0.4  # variance of ratings before any; it weighs as one
REMEMBERS = 0.95  # of earlier predictions, per rating
N_SCALARS = 5  # float64 that go from rating to rating: S, n, D, B, and the ratings of one taste
ROWS = 4  # of a triangle that are subtracted from the others together
SWEEPS, STILL = 500, 1e-7  # of coordinate descent at most, and the step at which it has arrived


# forgets along x only (Cao & Schwartz 2000): g = Gx, c = x·g, G ← G − (1−k) ggᵀ/c + xxᵀ, p ← p − (1−k) g (x·p)/c + xy
@njit("void(float64[:,::1], float64[::1], float32[::1], float64, float64)", cache=True)
def absorb(gram, product, x, y, keeps):
    n = x.shape[0]
    along = np.zeros(n)
    c = 0.0
    said = 0.0
    for i in range(n):  # G is symmetric
        row = gram[i]
        for j in range(n):
            along[j] += row[j] * x[i]
    for i in range(n):
        c += x[i] * along[i]
        said += x[i] * product[i]
    lost = (1.0 - keeps) / c if c > 1e-9 else 0.0
    for i in range(n):
        xi = np.float64(x[i])
        for j in range(n):
            gram[i, j] += xi * x[j] - lost * along[i] * along[j]
        product[i] += xi * y - lost * along[i] * said


# of the first n ratings: likes, dislikes (an answer to a pair, which has no intercept, is neither)
@njit("UniTuple(int64, 2)(float32[:,::1], float64[::1], int64)", cache=True)
def count_presses(x, y, n):
    likes = dislikes = 0
    for i in range(n):
        if x[i, x.shape[1] - 1] != 0.0:
            likes += y[i] > 0.0
            dislikes += y[i] < 0.0
    return likes, dislikes


# m·x and xᵀA⁻¹x (A = UᵀU as factored last)
@njit("UniTuple(float64, 2)(float32[::1], float64[::1], float64[:,::1])", cache=True)
def foreseen(x, mean, work):
    d = x.shape[0]
    m = 0.0
    h = 0.0
    rest = np.zeros(d)
    for i in range(d):
        m += mean[i] * x[i]
        rest[i] += x[i]
        rest[i] /= work[i, i]
        h += rest[i] * rest[i]
        for c in range(i + 1, d):
            rest[c] -= work[i, c] * rest[i]
    return m, h


# E = Σ told, each within ± `AT_MOST`; its highest value yet B and how far it lies below, D:
# D ← D − told (at most just beyond `DOUBT`); where that is negative, B ← B − D, D ← 0
@njit("void(float64[::1], float64)", cache=True)
def weigh(scalars, told):
    doubt = scalars[2] - min(max(told, -AT_MOST), AT_MOST)
    scalars[2] = min(max(doubt, 0.0), DOUBT + AT_MOST)
    scalars[3] += max(-doubt, 0.0)


# e = y − m·x, h = xᵀA⁻¹x (A = UᵀU as factored last): (S, n) ← k(S, n) + (e²/(1 + h/σ²), 1);
# and weigh log N(e; 0, σ² + h) − log N(y; ȳ, v), ȳ = T/W, v = (`BLANK` + Q − ȳT)/(1 + W), of M (`foretell`) W = Σ r²,
# T = Σ ry, Q = Σ y²
@njit(
    "void(float64[::1], float64[:,::1], float32[::1], float64, float64[::1], float64[::1], float64[:,::1], float64)",
    cache=True,
)
def surprise(scalars, told, x, y, spread, mean, work, fades):
    foretold, h = foreseen(x, mean, work)
    error = y - foretold
    scalars[0] = fades * scalars[0] + error * error / (1.0 + h / spread[-1])
    scalars[1] = fades * scalars[1] + 1.0
    last = told.shape[0] - 1
    usual = told[0, last] / told[0, 0] if told[0, 0] > 0.0 else 0.0
    blind = (BLANK + max(told[last, last] - usual * told[0, last], 0.0)) / (1.0 + told[0, 0])
    variance = spread[-1] + h
    apart = y - usual
    weigh(scalars, 0.5 * (apart * apart / blind - error * error / variance - np.log(variance / blind)))


# A = UᵀU in place, U its upper triangle: `ROWS` rows of U, then what they leave of each row below (rows are views: the
# compiler then knows that they do not overlap)
@njit("void(float64[:,::1])", cache=True)
def factor(work):
    d = work.shape[0]
    for j in range(0, d, ROWS):
        until = min(j + ROWS, d)
        for i in range(j, until):
            row = work[i, i:]
            scale = 1.0 / np.sqrt(row[0])
            for c in range(row.shape[0]):
                row[c] *= scale
            for k in range(i + 1, until):
                below, rest = work[k, k:], row[k - i :]
                for c in range(below.shape[0]):
                    below[c] -= row[k - i] * rest[c]
        for i in range(until, d):
            below = work[i, i:]
            r0, r1, r2, r3 = work[j, i:], work[j + 1, i:], work[j + 2, i:], work[j + 3, i:]
            f0, f1, f2, f3 = r0[0], r1[0], r2[0], r3[0]
            for c in range(below.shape[0]):
                below[c] -= f0 * r0[c] + f1 * r1[c] + f2 * r2[c] + f3 * r3[c]


# L = U⁻ᵀ, a lower triangle, in the same way
@njit("void(float64[:,::1], float64[:,::1])", cache=True)
def invert(work, inverse):
    d = work.shape[0]
    inverse[:, :] = 0.0
    for i in range(d):
        inverse[i, i] = 1.0
    for j in range(0, d, ROWS):
        until = min(j + ROWS, d)
        for i in range(j, until):
            row = inverse[i, : i + 1]
            scale = 1.0 / work[i, i]
            for c in range(row.shape[0]):
                row[c] *= scale
            for k in range(i + 1, until):
                below = inverse[k, : i + 1]
                for c in range(row.shape[0]):
                    below[c] -= work[i, k] * row[c]
        for i in range(until, d):
            below = inverse[i, :until]
            r0, r1, r2, r3 = (
                inverse[j, :until],
                inverse[j + 1, :until],
                inverse[j + 2, :until],
                inverse[j + 3, :until],
            )
            f0, f1, f2, f3 = work[j, i], work[j + 1, i], work[j + 2, i], work[j + 3, i]
            for c in range(until):
                below[c] -= f0 * r0[c] + f1 * r1[c] + f2 * r2[c] + f3 * r3[c]


# M: v_i ← (ντ² + m_i² + s_i)/(ν + 1), m and s as they were
# E: A = G/σ² + diag(1/v) = UᵀU, L = U⁻ᵀ, m = A⁻¹p/σ² = LᵀLp/σ², s = diag A⁻¹ = Σ_i L_i²
# σ² = (2ab + S)/(2a + n) of what each rating surprised by; ``rounds`` of both (0: an E); draw = U⁻¹z = Lᵀz
@njit(
    "void(float64[:,::1], float64[::1], float64[::1], float64[::1], int64, float64[::1], float64[:,::1],"
    " float64[::1], float64[::1], float64[::1])",
    cache=True,
)
def posterior(gram, product, scalars, spread, rounds, z, work, mean, variance, draw):
    d = product.shape[0]
    inverse = np.empty((d, d))
    sigma2 = spread[d] = (2.0 * SHAPE * SCALE + scalars[0]) / (2.0 * SHAPE + scalars[1])
    said = product / sigma2
    for _ in range(max(rounds, 1)):
        if rounds:
            for i in range(d - 1):
                spread[i] = (NU * TAU * TAU + mean[i] * mean[i] + variance[i]) / (NU + 1.0)
        for i in range(d):
            row, known = work[i, i:], gram[i, i:]
            for c in range(row.shape[0]):
                row[c] = known[c] / sigma2
            row[0] += 1.0 / spread[i]
        factor(work)
        invert(work, inverse)
        mean[:] = 0.0
        variance[:] = 0.0
        draw[:] = 0.0
        for i in range(d):
            row = inverse[i, : i + 1]
            along = 0.0
            for c in range(row.shape[0]):
                along += row[c] * said[c]
            for c in range(row.shape[0]):
                mean[c] += row[c] * along
                variance[c] += row[c] * row[c]
                draw[c] += row[c] * z[i]


# before each rating (and each silence that counts, y = 0): z = (r, u_1 .. u_H, y), r its intercept and u_h = Σ m_i x_i
# over the i of head h, what was learnt of that head foretold: M ← kM + zzᵀ
@njit("void(float64[:,::1], float32[::1], float64, float64[::1], int64[::1])", cache=True)
def foretell(told, x, y, mean, head_of):
    n = told.shape[0]
    z = np.zeros(n)
    z[0], z[n - 1] = x[x.shape[0] - 1], y
    for i in range(x.shape[0] - 1):
        z[1 + head_of[i]] += mean[i] * x[i]
    for i in range(n):
        for j in range(n):
            told[i, j] = REMEMBERS * told[i, j] + z[i] * z[j]


# κ = ``credit``, λ = ``own``, ȳ and ū the means by r, V_gh = Σ (u_g − ū_g)(u_h − ū_h), C_h = Σ (u_h − ū_h)(y − ȳ):
# what all heads together weigh, (Σ C + κ)/(Σ V + κ) in 0..1; and what each does, the c ≥ 0 that minimise
# Σ (y − ȳ − Σ_h c_h (u_h − ū_h))² + λ Σ_h (c_h − 1)²: c_h ← max(c_h + (C + λ − (V + λI)c)_h/(V_hh + λ), 0)
@njit("Tuple((float64, float64[::1]))(float64[:,::1], float64, float64)", cache=True)
def stacked(told, credit, own):
    last = told.shape[0] - 1
    usual = 1.0 / told[0, 0] if told[0, 0] > 0.0 else 0.0
    apart = np.empty((last, last))  # V, and C behind it
    foretold = varied = credit
    for h in range(1, last):
        for g in range(1, last + 1):
            apart[h - 1, g - 1] = told[h, g] - told[0, h] * told[0, g] * usual
            if g < last:
                varied += apart[h - 1, g - 1]
        apart[h - 1, h - 1] = max(apart[h - 1, h - 1], 0.0)
        foretold += apart[h - 1, last - 1]
    together = min(max(foretold / max(varied, credit), 0.0), 1.0)
    c = np.ones(last - 1)
    for _ in range(SWEEPS):
        farthest = 0.0
        for h in range(last - 1):
            left = apart[h, last - 1] + own * (1.0 - c[h])
            for g in range(last - 1):
                left -= apart[h, g] * c[g]
            was = c[h]
            c[h] = max(was + left / (apart[h, h] + own), 0.0)
            farthest = max(farthest, abs(c[h] - was))
        if farthest < STILL:
            break
    return together, c
