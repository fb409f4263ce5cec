"""Does learning become audible? A simulated listener who likes one melodic interval rates a solo in virtual time.

The listener hears only the MIDI that is sent. Every 1.5–3 s it judges the interval it has just heard (the one it
likes: +1, any other: -0.3) and presses 0.3–1.2 s later. The interval's share of all melodic intervals is taken over a
minute before the first rating and over a minute after the last. The control presses as often, with the same values in
shuffled order.

JSON: ``interval`` (semitones), ``ratings``, ``seeds``; for ``listener`` and ``control``: ``start`` and ``end`` (mean
shares), ``ratio`` (end / start), ``low`` and ``high`` (95 % bootstrap interval of the ratio over seeds); ``cpu_s``;
``machine``, ``ok`` (always true: nothing can be lost here).
"""

import time
from typing import Any

import numpy as np

from livecomposer.bench.report import machine
from livecomposer.instrument.performance import Performance
from livecomposer.settings import Settings

INTERVAL = 5  # semitones, up or down: a fourth
RATINGS = 150
SEEDS = 20
S = 1_000_000_000


class Ear:
    """Hears a performance: onsets and, of notes struck together, the highest."""

    def __init__(self, performance: Performance) -> None:
        self.performance = performance
        self.onsets: list[tuple[int, int]] = []

    def until(self, t_s: float) -> None:
        """Listen on."""
        for t_ns, msg in self.performance.advance(int(t_s * S)):
            if msg[0] & 0xF0 == 0x90 and msg[0] & 15 == 1 and msg[2]:
                if self.onsets and t_ns - self.onsets[-1][0] < 1_000_000:
                    self.onsets[-1] = (t_ns, max(self.onsets[-1][1], msg[1]))
                else:
                    self.onsets.append((t_ns, msg[1]))

    def share(self, from_s: float) -> float:
        """The liked interval's share since ``from_s``."""
        notes = [note for t_ns, note in self.onsets if t_ns >= from_s * S]
        return float(np.mean(np.abs(np.diff(notes)) == INTERVAL))


def judge(ear: Ear) -> float:
    """What the listener thinks of the interval just heard."""
    (_, before), (_, last) = ear.onsets[-2:]
    return 1.0 if abs(last - before) == INTERVAL else -0.3


def hear(seed: int, ratings: int, values: list[float] | None = None) -> tuple[float, float, list[float]]:
    """One performance: (share before, share after, values pressed); ``values`` given are pressed instead."""
    rng = np.random.default_rng(seed)
    performance = Performance(Settings(role="solo", tempo=120.0, seed=seed))
    ear = Ear(performance)
    ear.until(62.0)
    before = ear.share(0.0)
    t = 62.0
    pressed: list[float] = []
    while len(pressed) < ratings:
        t += rng.uniform(1.5, 3.0)
        ear.until(t)
        value = judge(ear) if values is None else values[len(pressed)]
        t += rng.uniform(0.3, 1.2)
        ear.until(t)
        performance.rate(int(t * S), value)
        pressed.append(value)
    ear.until(t + 64.0)
    return before, ear.share(t + 4.0), pressed


def measure(short: bool) -> dict[str, Any]:
    """20 seeds (5 if ``short``), listener and control."""
    begun = time.process_time()
    seeds, ratings = 5 if short else SEEDS, RATINGS
    shares: dict[str, list[tuple[float, float]]] = {"listener": [], "control": []}
    for seed in range(seeds):
        before, after, values = hear(seed, ratings)
        shares["listener"].append((before, after))
        shuffled = np.random.default_rng(1000 + seed).permutation(values).tolist()
        shares["control"].append(hear(seed, ratings, shuffled)[:2])
    found: dict[str, Any] = {"interval": INTERVAL, "ratings": ratings, "seeds": seeds}
    for name, pairs in shares.items():
        found[name] = _ratio(np.array(pairs))
    return {"machine": machine(), "ok": True, **found, "cpu_s": round(time.process_time() - begun, 1)}


def _ratio(pairs: np.ndarray) -> dict[str, float]:
    """Ratio of mean shares with its bootstrap interval over seeds; pairs float64[seeds, 2]."""
    rng = np.random.default_rng(0)
    picks = rng.integers(len(pairs), size=(2000, len(pairs)))
    means = pairs[picks].mean(axis=1)
    ratios = means[:, 1] / means[:, 0]
    start, end = pairs.mean(axis=0)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return {
        "start": float(start),
        "end": float(end),
        "ratio": float(end / start),
        "low": float(low),
        "high": float(high),
    }


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table, in sentences."""
    lines = [
        [f"share of intervals of {report['interval']} semitones before and after {report['ratings']} late ratings, "
         f"{report['seeds']} seeds:"]
    ]  # fmt: skip
    for name, words in (("listener", "who likes it"), ("control", "the same presses, shuffled")):
        r = report[name]
        bounds = f"95 %: {r['low']:.2f} to {r['high']:.2f}"
        lines.append([f"{words}: {r['start']:.3f} → {r['end']:.3f}, × {r['ratio']:.2f} ({bounds})"])
    return lines
