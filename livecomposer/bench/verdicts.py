"""What lessons have come to: scores with their intervals, and the other judgements of ``bench.taste``, from figures.

``bench.taste`` calls them. A *run* is a (listener, seed); gains and gaps are in SDs of a note's liking.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from livecomposer.bench.lessons import BEAT_NS, Press
from livecomposer.bench.listeners import GROUPS, Heard, Taste
from livecomposer.instrument.roles import PHRASE_BARS

LEAST = 0.3  # SD; a listener with less to be won is listed, not pooled
RESAMPLES, SEED = 2000, 1
GRAM = 4  # notes
TENTH = 0.1
LATEST_S = 1.5  # nobody presses later than so after what is judged
TWO_PHRASES = 2 * PHRASE_BARS * 4  # beats
EARLY = 20  # presses: later the disliked feature is rare already

Run = tuple[str, int]


@dataclass(frozen=True)
class Goal:
    """What can be won with one listener; all in SDs."""

    group: str
    prior: float
    oracle: float
    best: float
    """The best of the prior's takes."""

    @property
    def gap(self) -> float:
        """Oracle less prior."""
        return self.oracle - self.prior

    @property
    def pooled(self) -> bool:
        """Whether there is enough to be won."""
        return self.gap >= LEAST


def score(gains: Sequence[float], gaps: Sequence[float]) -> dict[str, float]:
    """``score`` Σ gain / Σ gap, its bootstrap 95 % interval over runs (``low``, ``high``), the mean gain (``sds``) and
    ``n``; only n 0 without runs."""
    if not gains:
        return {"n": 0}
    gain, gap = np.array(gains), np.array(gaps)
    drawn = np.random.default_rng(SEED).integers(gain.size, size=(RESAMPLES, gain.size))
    low, high = np.quantile(gain[drawn].sum(axis=1) / gap[drawn].sum(axis=1), (0.025, 0.975))
    return _rounded({"score": gain.sum() / gap.sum(), "low": low, "high": high, "sds": gain.mean(), "n": gain.size})


def scores(gains: Mapping[Run, float], goals: Mapping[str, Goal]) -> dict[str, dict[str, float]]:
    """``score`` of the pooled listeners by group, and of ``all`` of them."""
    pooled = {run: gain for run, gain in gains.items() if goals[run[0]].pooled}
    found = {}
    for group in (*GROUPS, "all"):
        runs = [run for run in pooled if group in ("all", goals[run[0]].group)]
        found[group] = score([pooled[run] for run in runs], [goals[run[0]].gap for run in runs])
    return found


def by_listener(gains: Mapping[Run, float], goals: Mapping[str, Goal]) -> dict[str, float]:
    """Each listener's mean gain as a share of its gap, however small that is; those without any are left out."""
    names = dict.fromkeys(name for name, _ in gains if goals[name].gap > 0)
    return {
        name: _round(fmean(gain for run, gain in gains.items() if run[0] == name) / goals[name].gap) for name in names
    }


def worst_tenth(gains: Mapping[Run, float], goals: Mapping[str, Goal]) -> float | None:
    """Mean share of the gap in the worst tenth of the pooled runs (at least one), None without any."""
    shares = sorted(gain / goals[run[0]].gap for run, gain in gains.items() if goals[run[0]].pooled)
    return _round(fmean(shares[: max(round(TENTH * len(shares)), 1)])) if shares else None


def drift(changes: Mapping[str, Sequence[float]], goals: Mapping[str, Goal]) -> dict[str, Any]:
    """How far lessons without a taste in them move what each pooled archetype's taste is worth, in shares of its gap:
    ``mean`` (the size of the mean over seeds) by archetype, its ``worst``, and ``run``: the worst mean size of one
    seed's."""
    held = {name: np.array(values) / goals[name].gap for name, values in changes.items() if goals[name].pooled}
    mean = {name: _round(abs(values.mean())) for name, values in held.items()}
    sizes = [_round(np.abs(values).mean()) for values in held.values()]
    return {"mean": mean, "worst": max(mean.values(), default=None), "run": max(sizes, default=None)}


def moved(changes: Sequence[float], told: float, goal: Goal | None) -> dict[str, float | None]:
    """What teaching one thing does to another, over seeds: ``moves``, the mean in SDs, its standard ``error`` (None of
    one seed), ``share`` (the same of the other's gap, None if there is none) and ``told``, as it is given."""
    mean = fmean(changes)
    error = float(np.std(changes, ddof=1)) / len(changes) ** 0.5 if len(changes) > 1 else None
    return {
        "moves": _round(mean), "error": None if error is None else _round(error),
        "share": _round(mean / goal.gap) if goal is not None and goal.gap > 0 else None, "told": _round(told),
    }  # fmt: skip


def interaction(own: Sequence[float], others: Sequence[float]) -> float:
    """2×2: what two listeners think of their own instruments, less what each thinks of the other's."""
    return sum(own) - sum(others)


def recovered(before: Sequence[float], at_change: Sequence[float], after: Sequence[float]) -> float | None:
    """Share of the loss that has been won back; None if less than 0.3 SD a run was lost.

    Parameters
    ----------
    before : sequence of floats
        By run: what the new taste would give an instrument taught as well to it as this one was to the old.
    at_change, after : sequences of floats
        What it gives this one when the taste changes, and at the end.
    """
    lost = sum(before) - sum(at_change)
    return _round((sum(after) - sum(at_change)) / lost) if before and lost >= LEAST * len(before) else None


def distinct(pitches: Sequence[bytes], lengths: Sequence[int]) -> int:
    """Distinct successions of 4 pitches in the first so many notes of each take."""
    seen: set[bytes] = set()
    for take, n in zip(pitches, lengths, strict=True):
        seen |= {take[i : i + GRAM] for i in range(min(n, len(take)) - GRAM + 1)}
    return len(seen)


def diversity(taught: Sequence[bytes], prior: Sequence[bytes]) -> float | None:
    """Distinct 4-grams relative to the prior's, in equal numbers of notes of each take; None if there are too few."""
    lengths = [min(len(a), len(b)) for a, b in zip(taught, prior, strict=True)]
    usual = distinct(prior, lengths)
    return _round(distinct(taught, lengths) / usual) if usual else None


def aftermath(taste: Taste, notes: Sequence[Heard], presses: Iterable[Press], end_ns: int) -> list[tuple[float, float]]:
    """For each dislike among the first presses: mean liking of the notes in the two phrases before it and after it.

    What was disliked itself (the last 1.5 s) counts in neither; a dislike without a note on both sides, or less than
    two phrases before the end, is left out.
    """
    onsets = np.array([note.onset for note in notes])
    likings = taste.likings(notes)
    found = []
    for t_ns, value in list(presses)[:EARLY]:
        at = t_ns / BEAT_NS
        judged = at - LATEST_S * 1e9 / BEAT_NS
        before = likings[(onsets >= judged - TWO_PHRASES) & (onsets < judged)]
        after = likings[(onsets >= at) & (onsets < at + TWO_PHRASES)]
        if value < 0 and before.size and after.size and end_ns / BEAT_NS >= at + TWO_PHRASES:
            found.append((float(before.mean()), float(after.mean())))
    return found


def dislikes(pairs: Mapping[Run, Sequence[tuple[float, float]]]) -> dict[str, Any]:
    """``n`` dislikes, mean liking ``before`` and ``after``, and ``falls``: share of runs in which what is disliked has
    become rarer."""
    every = [pair for found in pairs.values() for pair in found]
    if not every:
        return {"n": 0}
    means = [np.mean(found, axis=0) for found in pairs.values() if found]
    return {
        "n": len(every),
        "before": _round(fmean(pair[0] for pair in every)),
        "after": _round(fmean(pair[1] for pair in every)),
        "falls": _round(fmean(after > before for before, after in means)),
    }


def _round(value: float) -> float:
    return round(float(value), 3)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: int(value) if name == "n" else _round(value) for name, value in figures.items()}
