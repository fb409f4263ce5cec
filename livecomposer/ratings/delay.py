"""How late a player presses: the density of the time from what is meant to the press, and how it is measured.

A value that ``Credit`` holds. ``desk.calibrate`` plays a lesson and fits it; nothing here touches sound or time.
Numba-free.
"""

import math
import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

MEAN_S, SPREAD_S = 0.8, 0.358  # before a player's own are known: 5–95 % 0.32–1.46 s; players take 0.2–1.5 s
MOST_SHAPE = 12

# the lesson: a scale up and down, with notes that are not in it
NOTE_NS = 400_000_000
NOTES = 75  # half a minute
FIRST, APART = 8, (6, 8)  # notes before the first wrong one; from one to the next at least and at most
SCALE = (60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62)
CHANNEL, VELOCITY = 1, 80
SOONEST_S, LATEST_S = 0.1, 2.2  # of a press that answers a wrong note
LEAST = 5  # hits that say something
TRUST = 5.0  # hits that count as much as what is usual
LOOSEST_S = 0.55  # spread of presses that still answer what they seem to; of one who guesses it is about 0.8
MAD = 1.4826  # standard deviations of a normal density in a median absolute deviation


class Delay(NamedTuple):
    """A Gamma density with a whole shape k (Erlang 1909): f(d) = d^{k−1} e^{−d/θ} / (θ^k (k−1)!)."""

    shape: int
    scale_s: float

    @classmethod
    def of(cls, mean_s: float, spread_s: float) -> "Delay":
        """The one with this mean kθ and nearly this standard deviation √k θ."""
        shape = min(max(round((mean_s / spread_s) ** 2), 1), MOST_SHAPE)
        return cls(shape, mean_s / shape)

    def density(self, d_s: float) -> float:
        """f, a second."""
        if d_s <= 0.0:
            return 0.0
        x = d_s / self.scale_s
        return math.exp((self.shape - 1) * math.log(x) - x - math.lgamma(self.shape)) / self.scale_s


USUAL = Delay.of(MEAN_S, SPREAD_S)


class Lesson(NamedTuple):
    """What is played, messages with their times in ns, and the onsets (ns) of the wrong notes."""

    messages: list[tuple[int, bytes]]
    wrong_ns: list[int]


class Found(NamedTuple):
    """What a lesson has shown: the presses that answered a wrong note, the wrong notes that nobody answered, the
    presses that answered none; and, from LEAST hits on if they are most presses, the mean and the standard deviation of
    this player's delay."""

    hits: int
    misses: int
    false_alarms: int
    mean_s: float | None = None
    spread_s: float | None = None


def lesson(seed: int) -> Lesson:
    """A scale of half a minute in which about ten notes, a semitone beside their place and never as regular as that one
    could press ahead, are wrong."""
    rng = random.Random(seed)
    messages: list[tuple[int, bytes]] = []
    wrong_ns: list[int] = []
    wrong = FIRST + rng.randint(0, 3)
    for i in range(NOTES):
        note, t_ns = SCALE[i % len(SCALE)], i * NOTE_NS
        if i == wrong and i < NOTES - 6:  # the last ones can still be answered
            note += 1 if note + 1 not in SCALE else -1
            wrong_ns.append(t_ns)
            wrong += rng.randint(*APART)
        messages.append((t_ns, bytes((0x90 | CHANNEL, note, VELOCITY))))
        messages.append((t_ns + NOTE_NS * 9 // 10, bytes((0x80 | CHANNEL, note, 0))))
    return Lesson(messages, wrong_ns)


def fit(wrong_ns: Sequence[int], presses_ns: Sequence[int]) -> Found:
    """The delay from presses, misses and false alarms among them.

    The first press within SOONEST_S to LATEST_S of a wrong note answers it (they lie further apart than that). Of n
    delays the median m and the spread s = 1.4826 MAD are taken, which a few stray presses do not move; the mean is that
    of the Gamma with this median and spread (Wilson and Hilferty 1931: m ≈ μ (1 − 1/9k)³, k = μ²/s²). Mean and variance
    are then shrunk toward the usual ones, which weigh as much as TRUST hits: (n x + TRUST x₀) / (n + TRUST).
    """
    left = sorted(presses_ns)
    delays: list[float] = []
    for t_ns in wrong_ns:
        near = [press for press in left if SOONEST_S <= (press - t_ns) * 1e-9 <= LATEST_S]
        if near:
            delays.append((near[0] - t_ns) * 1e-9)
            left.remove(near[0])
    n = len(delays)
    counts = (n, len(wrong_ns) - n, len(left))
    if n < LEAST or len(left) > n:  # who presses all the time answers everything
        return Found(*counts)
    median = statistics.median(delays)
    spread = MAD * statistics.median(abs(d - median) for d in delays)
    if spread > LOOSEST_S:
        return Found(*counts)
    mean = median
    for _ in range(4):
        shape = max((mean / spread) ** 2, 1.0) if spread else math.inf
        mean = median / (1.0 - 1.0 / (9.0 * shape)) ** 3
    mean = (n * mean + TRUST * MEAN_S) / (n + TRUST)
    variance = (n * spread**2 + TRUST * SPREAD_S**2) / (n + TRUST)
    return Found(*counts, mean, math.sqrt(variance))
