"""Networks as flat arrays: forward, backward, masked softmax, losses' shared parts and optimisers, each written once.

``agents.dqn``, ``policy_gradient`` and ``actor_critic`` are made of these kernels. ``network_decide`` is called by the
loop and holds the GIL; the others run in the learner thread without it, on blocks of rows (``forward`` is for the one
row of a decision). A network is (n_in, width × depth, n_out) with rectified hidden units (Nair & Hinton 2010), its
parameters one flat row: of each layer the weights [n_in, n_out], then the biases. Every learner kernel exists in
float32, in use, and in float64, in which tests check gradients.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit

GREEDY = 0.0  # the temperature of no chance at all
BLOCK = 64  # rows that are learnt from at once
TINY = 1e-30  # moments below it are 0: processors count with what is smaller twenty times more slowly


class Shape(NamedTuple):
    """A network's size: ``depth`` hidden layers (1 or more) of ``width`` units each."""

    n_in: int
    width: int
    depth: int
    n_out: int

    @property
    def n_params(self) -> int:
        """Weights and biases in all."""
        hidden = (self.depth - 1) * (self.width + 1) * self.width
        return (self.n_in + 1) * self.width + hidden + (self.width + 1) * self.n_out

    @property
    def n_units(self) -> int:
        """Values that one forward pass leaves: of the hidden units, then the outputs."""
        return self.depth * self.width + self.n_out


def new_params(shape: Shape, seed: int, last: float) -> np.ndarray:
    """Orthogonal weights with gain √2, of the last layer ``last``, biases 0; float32 (Saxe et al. 2014)."""
    rng = np.random.default_rng(seed)
    sizes = [shape.n_in, *[shape.width] * shape.depth, shape.n_out]
    rows = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        gain = last if i == shape.depth else 2.0**0.5
        q, r = np.linalg.qr(rng.normal(size=(max(n_in, n_out), min(n_in, n_out))))
        q = q * np.sign(np.diag(r))
        rows += [gain * (q if n_in >= n_out else q.T).reshape(-1), np.zeros(n_out)]
    return np.concatenate(rows).astype(np.float32)


def both(signature: str) -> list[str]:
    """A signature's float32 and float64 forms, "real" standing for either."""
    return [signature.replace("real", kind) for kind in ("float32", "float64")]


# splitmix64 (Steele, Lea & Flood 2014), its 53 upper bits as a fraction
@njit("float64(uint64[::1])", cache=True, nogil=True)
def uniform(rng):
    """The next random number of 0 to 1 (exclusive)."""
    z = rng[0] + np.uint64(0x9E3779B97F4A7C15)
    rng[0] = z
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * 1.1102230246251565e-16


# Fisher & Yates 1938, as Durstenfeld 1964 has it
@njit("void(int64[::1], uint64[::1])", cache=True, nogil=True)
def shuffle(index, rng):
    """Put whole numbers into random order."""
    for i in range(index.shape[0] - 1, 0, -1):
        j = np.int64(uniform(rng) * (i + 1))
        index[i], index[j] = index[j], index[i]


# y = W x + b, four inputs at a time (each y is then loaded and stored once for four products); inputs of 0, which
# one-hot features and rectified units mostly are, cost nothing
@njit(
    both("void(real[::1], real[::1], real[::1], real[::1])"),
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath={"contract"},
)
def _dense(weights, bias, x, y):
    n_in, n_out = x.shape[0], y.shape[0]
    for k in range(n_out):
        y[k] = bias[k]
    whole = n_in - n_in % 4
    row = np.uintp(n_out)  # without a sign: an index that might count from the end is checked each time
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        if x0 == 0.0 and x1 == 0.0 and x2 == 0.0 and x3 == 0.0:
            continue
        w0 = np.uintp(i) * row
        w1, w2, w3 = w0 + row, w0 + row + row, w0 + row + row + row
        for k in range(n_out):
            j = np.uintp(k)
            y[j] += x0 * weights[w0 + j] + x1 * weights[w1 + j] + x2 * weights[w2 + j] + x3 * weights[w3 + j]
    for i in range(whole, n_in):
        x0 = x[i]
        w0 = np.uintp(i) * row
        for k in range(n_out):
            j = np.uintp(k)
            y[j] += x0 * weights[w0 + j]


# h_1 = max(0, W_1 x + b_1), h_k = max(0, W_k h_{k−1} + b_k), outputs W h + b
@njit(both("void(real[::1], real[::1], real[::1], int64, int64)"), cache=True, nogil=True, error_model="numpy")
def forward(params, x, units, width, depth):
    """One input through the network; ``units`` real[depth · width + n_out] receives every layer's values."""
    at = 0
    inputs = x
    for layer in range(depth + 1):
        n_in = inputs.shape[0]
        outputs = units[layer * width : (layer + 1) * width] if layer < depth else units[depth * width :]
        n_out = outputs.shape[0]
        end = at + n_in * n_out
        _dense(params[at:end], params[end : end + n_out], inputs, outputs)
        at = end + n_out
        if layer < depth:
            for j in range(n_out):
                outputs[j] = max(outputs[j], 0.0)
            inputs = outputs


def work_of(shape: Shape) -> np.ndarray:
    """Working room for the kernels that learn from many rows at once, float32[n_in + 3 · n_units, BLOCK]: of a block of
    rows the inputs, the units, and twice as much again; a column is a row of experience."""
    return np.zeros((shape.n_in + 3 * shape.n_units, BLOCK), dtype=np.float32)


@njit(both("void(real[:,::1], int64[::1], real[:,::1])"), cache=True, nogil=True, error_model="numpy")
def gather(features, index, x):
    """Stand the rows in ``index`` (at most BLOCK) beside one another as the columns of ``x``."""
    for b in range(index.shape[0]):
        row = features[index[b]]
        for k in range(row.shape[0]):
            x[k, b] = row[k]


# as ``forward``, for n columns at once: Y = W X + b, four outputs by four inputs at a time, so that each x that is
# loaded serves four sums and each sum four products
@njit(both("void(real[::1], real[:,::1], real[:,::1], int64, int64, int64)"), cache=True, nogil=True,
      error_model="numpy", fastmath={"contract"})  # fmt: skip
def forward_many(params, x, units, n, width, depth):
    """The first ``n`` columns of ``x`` real[n_in, BLOCK] through the network; ``units`` real[n_units, BLOCK] receives
    every layer's values."""
    at = 0
    inputs = x
    for layer in range(depth + 1):
        n_in = inputs.shape[0]
        outputs = units[layer * width : (layer + 1) * width] if layer < depth else units[depth * width :]
        n_out = outputs.shape[0]
        weights = params[at : at + n_in * n_out]
        bias = params[at + n_in * n_out : at + (n_in + 1) * n_out]
        in_4, out_4 = n_in - n_in % 4, n_out - n_out % 4
        for j in range(n_out):
            y = outputs[j]
            for b in range(n):
                y[b] = bias[j]
        for j in range(0, out_4, 4):
            y0, y1, y2, y3 = outputs[j], outputs[j + 1], outputs[j + 2], outputs[j + 3]
            for i in range(0, in_4, 4):
                k = i * n_out + j
                p0, p1, p2, p3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
                k += n_out
                q0, q1, q2, q3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
                k += n_out
                r0, r1, r2, r3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
                k += n_out
                s0, s1, s2, s3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
                x0, x1, x2, x3 = inputs[i], inputs[i + 1], inputs[i + 2], inputs[i + 3]
                for b in range(n):
                    p, q, r, s = x0[b], x1[b], x2[b], x3[b]
                    y0[b] += p0 * p + q0 * q + r0 * r + s0 * s
                    y1[b] += p1 * p + q1 * q + r1 * r + s1 * s
                    y2[b] += p2 * p + q2 * q + r2 * r + s2 * s
                    y3[b] += p3 * p + q3 * q + r3 * r + s3 * s
        for j in range(n_out):  # what is left of inputs, or of outputs
            y = outputs[j]
            for i in range(in_4 if j < out_4 else 0, n_in):
                w0, x0 = weights[i * n_out + j], inputs[i]
                for b in range(n):
                    y[b] += w0 * x0[b]
            if layer < depth:
                for b in range(n):
                    y[b] = max(y[b], 0.0)
        at += (n_in + 1) * n_out
        inputs = outputs


# ∂L/∂W = H Δᵀ, ∂L/∂b = Δ 1, Δ_below = W Δ where H > 0 (Rumelhart et al. 1986), a column a row of experience. Products
# are summed eight at a time along what lies together in memory; for H Δᵀ a hidden layer's Δ is turned first
@njit(both("void(real[::1], real[:,::1], real[:,::1], real[:,::1], real[::1], int64, int64, int64)"), cache=True,
      nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})  # fmt: skip
def backward_many(params, x, units, delta, gradient, n, width, depth):
    """Add the gradients of the first ``n`` columns: ``delta``, like ``units``, holds ∂L/∂outputs behind the places of
    the hidden units, which it overwrites."""
    end = params.shape[0]
    nothing = params[0] * 0.0
    turned = np.empty((n, width), dtype=params.dtype)
    n_8 = n - n % 8
    for back in range(depth + 1):
        layer = depth - back
        above = delta[layer * width : (layer + 1) * width] if layer < depth else delta[depth * width :]
        inputs = units[(layer - 1) * width : layer * width] if layer > 0 else x
        n_in, n_out = inputs.shape[0], above.shape[0]
        at = end - (n_in + 1) * n_out
        bias = gradient[end - n_out : end]
        for j in range(n_out):
            d0 = above[j]
            total = nothing
            for b in range(n):
                total += d0[b]
            bias[j] += total
        if layer < depth:
            for j in range(n_out):
                d0 = above[j]
                for b in range(n):
                    turned[b, j] = d0[b]
        for i in range(n_in):
            h = inputs[i]
            row = gradient[at + i * n_out : at + (i + 1) * n_out]
            if layer == depth:  # few outputs
                for j in range(n_out):
                    d0 = above[j]
                    total = nothing
                    for b in range(n):
                        total += h[b] * d0[b]
                    row[j] += total
            else:
                for b in range(0, n_8, 8):
                    h0, h1, h2, h3 = h[b], h[b + 1], h[b + 2], h[b + 3]
                    h4, h5, h6, h7 = h[b + 4], h[b + 5], h[b + 6], h[b + 7]
                    d0, d1, d2, d3 = turned[b], turned[b + 1], turned[b + 2], turned[b + 3]
                    d4, d5, d6, d7 = turned[b + 4], turned[b + 5], turned[b + 6], turned[b + 7]
                    for j in range(n_out):
                        row[j] += (
                            h0 * d0[j] + h1 * d1[j] + h2 * d2[j] + h3 * d3[j]
                            + h4 * d4[j] + h5 * d5[j] + h6 * d6[j] + h7 * d7[j]
                        )  # fmt: skip
                for b in range(n_8, n):
                    h0, d0 = h[b], turned[b]
                    for j in range(n_out):
                        row[j] += h0 * d0[j]
            if layer > 0:
                w = params[at + i * n_out : at + (i + 1) * n_out]
                below = delta[(layer - 1) * width + i]
                for b in range(n):
                    below[b] = 0.0
                out_8 = n_out - n_out % 8
                for j in range(0, out_8, 8):
                    d0, d1, d2, d3 = above[j], above[j + 1], above[j + 2], above[j + 3]
                    d4, d5, d6, d7 = above[j + 4], above[j + 5], above[j + 6], above[j + 7]
                    w0, w1, w2, w3 = w[j], w[j + 1], w[j + 2], w[j + 3]
                    w4, w5, w6, w7 = w[j + 4], w[j + 5], w[j + 6], w[j + 7]
                    for b in range(n):
                        below[b] += (
                            w0 * d0[b] + w1 * d1[b] + w2 * d2[b] + w3 * d3[b]
                            + w4 * d4[b] + w5 * d5[b] + w6 * d6[b] + w7 * d7[b]
                        )  # fmt: skip
                for j in range(out_8, n_out):
                    d0, w0 = above[j], w[j]
                    for b in range(n):
                        below[b] += w0 * d0[b]
                for b in range(n):
                    below[b] = below[b] if h[b] > 0.0 else nothing
        end = at


# π(a) = exp z(a) / Σ_b exp z(b) over actions with mask 1, 0 for the others
@njit(both("real(real[::1], uint8[::1], real[::1])"), cache=True, nogil=True, error_model="numpy")
def masked_softmax(logits, mask, policy):
    """Fill ``policy``; returns ln Σ exp z. An action that the mask forbids has probability exactly 0."""
    best = -np.inf
    for a in range(mask.shape[0]):
        if mask[a] == 1 and logits[a] > best:
            best = logits[a]
    total = logits[0] * 0.0
    for a in range(mask.shape[0]):
        policy[a] = 0.0
        if mask[a] == 1:
            policy[a] = np.exp(logits[a] - best)
            total += policy[a]
    for a in range(mask.shape[0]):
        policy[a] /= total
    return best + np.log(total)


# with probability ε any allowed action, else a ~ exp([u·o(a) + ln π₀(a)]/τ) over allowed a (τ = 0: the greatest, the
# first of equals), o the network's outputs
@njit(
    "int64(float32[::1], float32[::1], uint8[::1], float64[::1], float32[::1], uint64[::1], int64, int64, float64,"
    " float64, float64)",
    cache=True,
)
def network_decide(params, x, mask, prior, units, rng, width, depth, scale, temperature, epsilon):
    """Draw an action; -1 if the mask allows none. ``units`` is working room. A value that is not finite is never drawn
    while another is."""
    forward(params, x, units, width, depth)
    outputs = units[depth * width :]
    n = mask.shape[0]
    allowed = 0
    last = -1
    best = -np.inf
    for a in range(n):
        if mask[a] == 1:
            allowed += 1
            value = scale * outputs[a] + prior[a]
            if last < 0 or (best < value < np.inf):
                last = a
            if best < value < np.inf:
                best = value
    if temperature == 0.0 and epsilon == 0.0:
        return last
    u = uniform(rng)
    if u < epsilon:
        pick = np.int64(u / epsilon * allowed)
        for a in range(n):
            if mask[a] == 1:
                if pick == 0:
                    return a
                pick -= 1
        return last
    if temperature == 0.0:
        return last
    u = (u - epsilon) / (1.0 - epsilon)
    total = 0.0
    for a in range(n):
        if mask[a] == 1:
            value = scale * outputs[a] + prior[a] - best
            if value <= 0.0:
                total += np.exp(value / temperature)
    left = u * total
    for a in range(n):
        if mask[a] == 1:
            value = scale * outputs[a] + prior[a] - best
            if value <= 0.0:
                last = a
                left -= np.exp(value / temperature)
                if left < 0.0:
                    return a
    return last


# g ← g · min(1, c / (‖g‖ + 10⁻⁶)) (Pascanu et al. 2013)
@njit(
    both("float64(real[::1], float64)"), cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"}
)
def clip_norm(gradient, most):
    """Shorten a gradient to the length ``most`` (0: leave it); returns the length it had."""
    total = 0.0
    for i in range(gradient.shape[0]):
        total += gradient[i] * gradient[i]
    norm = np.sqrt(total)
    if most > 0.0 and norm > most:
        shorter = most / (norm + 1e-6)
        for i in range(gradient.shape[0]):
            gradient[i] *= shorter
    return norm


# m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − α m̂ / (√v̂ + ε) (Kingma & Ba 2015, algorithm 1)
@njit(both("void(real[::1], real[::1], real[:,::1], int64, float64, float64, float64, float64)"), cache=True,
      nogil=True, error_model="numpy")  # fmt: skip
def adam(params, gradient, moments, step, rate, beta1, beta2, epsilon):
    """One step (the first has ``step`` 1); ``moments`` real[2, n]. The gradient is 0 afterwards."""
    kind = params.dtype.type
    first, second = moments[0], moments[1]
    size = kind(rate / (1.0 - beta1**step))
    root = kind(1.0 / np.sqrt(1.0 - beta2**step))
    b1, b2, c1, c2, e = kind(beta1), kind(beta2), kind(1.0 - beta1), kind(1.0 - beta2), kind(epsilon)
    tiny = kind(TINY)
    for i in range(params.shape[0]):
        g = gradient[i]
        m, v = b1 * first[i] + c1 * g, b2 * second[i] + c2 * g * g
        first[i] = m if abs(m) > tiny else kind(0.0)
        second[i] = v if v > tiny else kind(0.0)
        params[i] -= size * first[i] / (np.sqrt(second[i]) * root + e)
        gradient[i] = 0.0


# v ← ρv + (1−ρ)g², p ← p − α g / (√v + ε) (Tieleman & Hinton 2012; shared between threads: Mnih et al. 2016)
@njit(
    both("void(real[::1], real[::1], real[::1], float64, float64, float64)"),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def rmsprop(params, gradient, squares, rate, decay, epsilon):
    """One step; the gradient is 0 afterwards. Threads may call it on the same arrays without a lock."""
    kind = params.dtype.type
    size, keep, new, e = kind(rate), kind(decay), kind(1.0 - decay), kind(epsilon)
    for i in range(params.shape[0]):
        g = gradient[i]
        squares[i] = keep * squares[i] + new * g * g
        params[i] -= size * g / (np.sqrt(squares[i]) + e)
        gradient[i] = 0.0
