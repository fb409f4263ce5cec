"""Is it true what a taste says of itself? `tastes explain` and `tastes test`, held against who taught it.

``cli`` calls it. Simulated listeners (of those whose taste has words: not the ones outside the learner's features) give
50 graded presses. Keys of the report: ``machine``; ``ok`` (always True); ``seeds``; ``listeners``: by name, shares of
lessons: ``named`` (one of the first three statements of ``explain``, sure or likely, or what it says the ratings
cannot tell from it, is the listener's taste, as ``MEANS`` has it), ``sure`` (one that is sure is), ``wins`` (a blind
test of 12 pairs is won beyond chance), ``fooled`` (it is won with a listener to whom that taste says nothing,
``UNRELATED``); ``all``: the same of all lessons; ``nothing``: of as many by a listener without a taste, who presses at
random, the shares in which anything is stated: ``sure``, ``likely`` (either).
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean
from types import MappingProxyType
from typing import Any, NamedTuple

from livecomposer.bench import lessons
from livecomposer.bench.course import Progress, Task, in_processes, instrument_of, listener_of
from livecomposer.bench.listeners import Taste
from livecomposer.bench.report import machine
from livecomposer.desk.blind import Players, simulated
from livecomposer.desk.pairs import hold, plan_pairs, results
from livecomposer.desk.portrait import draw
from livecomposer.desk.tastes import understand
from livecomposer.errors import SettingsError, TasteError

SEEDS = 20
SHORT_OF = ("high notes", "space")  # of a short run, with one seed
RATINGS = 50
TOP = 3  # statements
PAIRS = 12  # as ``tastes test`` has them by default
SHARES = ("named", "sure", "wins", "fooled")
NOTHING = ("sure", "likely")


def _all(sign: int, *names: str) -> dict[str, int]:
    return dict.fromkeys(names, sign)


# fixed in advance: for each listener the things (features and trends of ``ratings.features``) that are its hidden taste
# in the learner's words, each with the sign that it must have; whatever comes to the same on the keyboard counts
MEANS: Mapping[str, Mapping[str, int]] = MappingProxyType({
    "falling thirds": _all(1, "interval.7", "thirds"),
    "rising steps": _all(1, "interval.1", "up", "steps"),
    "high notes": _all(1, "height", "register.3", "register.4", "register.5", "weight.1", "weight.3")
    | _all(-1, "register.0", "register.1", "register.2", "weight.0", "weight.2"),
    "long notes": _all(1, "long", "length.3", "length.4", "length.5", "weight.2", "weight.3", "place.2")
    | _all(-1, "length.0", "length.1", "weight.0", "weight.1", "place.3"),
    "full chords": _all(1, "full", "voices.2", "voices.3", "triads", "sevenths", "harsh", "bass.1", "bass.2")
    | _all(-1, "voices.0", "voicing.0", "bass.0"),
    "single notes": _all(1, "voices.0", "voicing.0", "bass.0")
    | _all(-1, "full", "voices.2", "voices.3", "triads", "sevenths", "harsh", "bass.1", "bass.2"),
    "space": _all(1, "rests", "length.6", "length.7", "before.0"),
    "leaps": _all(1, "leaps", "wide", "interval.5", "interval.10", "interval.3", "interval.8", "fourths")
    | _all(-1, "steps", "interval.1", "interval.6"),
    "tritones": _all(1, "tritones", "interval.4", "interval.9"),
    "long low notes": _all(1, "weight.2", "register.0", "register.1", "long", "length.4", "length.5")
    | _all(-1, "height", "register.4", "register.5", "weight.1"),
    "syncopation": _all(1, "off", "place.3", "place.1") | _all(-1, "place.0"),
    "no thirds": _all(-1, "thirds", "interval.2", "interval.7"),
})  # fmt: skip
# a listener to whom another's taste says nothing: of those who care for other heads, one whom the oracle of that taste
# (300 exact ratings) moves by at most .07 SD
UNRELATED: Mapping[str, str] = MappingProxyType({
    "falling thirds": "space", "rising steps": "space", "high notes": "silence then chord",
    "long notes": "falling thirds", "full chords": "falling thirds", "single notes": "falling thirds",
    "space": "falling thirds", "leaps": "silence then chord", "tritones": "long notes",
    "long low notes": "falling thirds", "syncopation": "arches", "no thirds": "syncopation",
})  # fmt: skip


class Said(NamedTuple):
    """What came of one lesson; see the module."""

    named: bool
    sure: bool
    wins: bool
    fooled: bool


class Invented(NamedTuple):
    """What is said of a lesson by somebody without a taste."""

    sure: bool
    likely: bool


def measure(short: bool, seeds: int | None = None, jobs: int | None = None) -> dict[str, Any]:
    """Twelve listeners and one without a taste, with 20 seeds (``short``: two with one), in ``jobs`` processes
    (default: one a core)."""
    seeds = seeds if seeds is not None else 1 if short else SEEDS
    jobs = jobs if jobs is not None else os.cpu_count() or 1
    for name, value in (("seeds", seeds), ("jobs", jobs)):
        if value < 1:
            raise SettingsError(f"{name} = {value} is not at least 1")
    names = SHORT_OF if short else tuple(MEANS)
    tasks = [Task("graded", name, seed) for name in names for seed in range(seeds)]
    tasks += [Task("random", "", seed) for seed in range(seeds * len(names))]
    done: dict[Task, Said | Invented] = {}
    shown = Progress(len(tasks))
    for task, result in in_processes(partial(lesson, lessons.tastes_of()), tasks, jobs):
        done[task] = result
        shown.one_more()
    of = {name: [result for task, result in done.items() if task.listener == name] for name in (*names, "")}
    nothing = of.pop("")
    return {
        "machine": machine(jobs=jobs), "ok": True, "seeds": seeds,
        "listeners": {name: shares(found, SHARES) for name, found in of.items()},
        "all": shares([one for found in of.values() for one in found], SHARES), "nothing": shares(nothing, NOTHING),
    }  # fmt: skip


def shares(found: Sequence[Said | Invented], names: Sequence[str]) -> dict[str, float]:
    """Of lessons."""
    return {share: round(fmean(getattr(one, share) for one in found), 3) for share in names}


def lesson(tastes: Mapping[str, Taste], task: Task) -> tuple[Task, Said | Invented]:
    """Teach, then look at what is said. Any process."""
    p = instrument_of(task)
    if task.part == "random":
        listener = listener_of(next(iter(tastes.values())), task, task.part)
        return task, invented(lessons.teach(p, listener, (RATINGS,)).snapshots[RATINGS])
    taught = lessons.teach(p, listener_of(tastes[task.listener], task), (RATINGS,))
    return task, said(taught.snapshots[RATINGS], task.listener, task.seed)


def invented(model: bytes) -> Invented:
    """Whether anything is stated."""
    taste = understand(model, "nobody").taste
    assert taste is not None  # dyna-q has one
    drawn = draw("nobody", taste)
    return Invented(drawn.sure > 0, len(drawn.stated) > 0)


def said(model: bytes, listener: str, seed: int) -> Said:
    """Hold a taste's words against the listener."""
    taste = understand(model, listener).taste
    assert taste is not None  # dyna-q has one
    means = MEANS[listener]
    players = Players(model, taste, "shipped", seed)

    def won(name: str) -> bool:
        try:
            answers = [*hold(plan_pairs(PAIRS, seed), players.play, simulated(name, players, seed), lambda text: None)]
        except TasteError:  # both play the same: nothing to be won
            return False
        return bool(results(answers)["all"]["low"] > 0.5)

    drawn = draw(listener, taste)
    top = [
        any(means.get(e.name, 0) * e.worth > 0 for e in (stated, *others))
        for stated, others in zip(drawn.stated[:TOP], drawn.others[:TOP], strict=True)
    ]
    return Said(any(top), any(top[: drawn.sure]), won(listener), won(UNRELATED[listener]))


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table."""
    table = [["", *SHARES]]
    for name, found in [*report["listeners"].items(), ("all", report["all"])]:
        table.append([name, *(f"{found[share]:.0%}" for share in SHARES)])
    sentences = (
        f"{report['seeds']} seeds, {RATINGS} graded presses; named: `tastes explain` says the hidden taste in its "
        f"first {TOP} statements, or in what the ratings cannot tell from them; sure: in those that are sure;",
        f"wins: `tastes test` of {PAIRS} pairs is won beyond chance; fooled: with another",
        f"somebody without a taste is said to have one in {report['nothing']['sure']:.0%} of lessons, perhaps to have "
        f"one in {report['nothing']['likely']:.0%}",
    )
    return [*table, *([sentence] for sentence in sentences)]
