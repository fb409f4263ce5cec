"""Does it learn your taste? Simulated listeners rate solos in virtual time; then what the instrument plays is judged.

``cli`` calls it. The listeners (`livecomposer.bench.listeners`) are not people: what they show is that a taste of their
kind, pressed so late and so carelessly, is found or not. U is the mean liking of a note in standard deviations of the
prior's notes (a raw deviation below 0.2 counts as 0.2). Taught instruments play HELD and without exploring, on contexts
(seeds) that they were not taught on, beside the prior and the oracle on the same. The oracle is the same instrument
told at once, exactly and of every note, how it is liked (once of the note alone, once of the rests before it too:
whichever pleases more).

A *score* is Σ gain / Σ gap over runs (listeners × seeds), gain = U(taught) − U(prior), gap = U(oracle) − U(prior); it
has ``score``, ``low``, ``high`` (95 % bootstrap interval), ``sds`` (mean gain) and ``n``, by group: ``family`` (of the
learner's features), ``contrary`` (to the prior), ``outside`` (both), ``all``. Listeners with a gap below 0.3 are
listed, not pooled. A *share* is a mean gain in parts of the gap. Lessons run in parallel processes (``--jobs``); equal
seeds (``--seeds``), equal figures. ``--plot`` draws ``curves``.

Keys of the report:

- ``machine``; ``ok`` (always True); ``seeds``; ``oracle_ratings``; ``takes`` (of the prior, as long as those judged,
  whose best the oracle is to beat); ``short_of`` (lessons that ended after 20 minutes with fewer ratings than they
  should).
- ``listeners``: by name ``group``, ``prior``, ``oracle``, ``gap``, ``best`` (of those takes), ``beaten`` (by the
  oracle), ``pooled``; ``diversity`` (distinct 4-grams after 50 ratings in parts of the prior's, equal numbers of
  notes), ``asked`` (the oracle's: what such a taste leaves of it) and ``in_key`` (of notes); shares ``graded_20``,
  ``graded_50``, ``thumb_50``, ``ab_50`` (A/B answers), ``used_50`` (graded, by who grows used to what is heard: 0.7 of
  its mean level of late is taken off), ``q_50`` (agent q beside its own prior), ``last_50`` (the same with credit for
  the last note only), ``shuffled_50`` (the same times, values permuted), ``clock_10`` (a rating after each phrase, for
  10 minutes), ``heard`` (what is played meanwhile, minutes 5 to 10).
- ``scores``: the same columns, ``q_20`` and ``clock_5``, as scores; ``ab_50`` is None if the instrument plays no pairs.
- ``curves``: scores by group after 0 to 50 graded ratings; ``minutes``: mean, till there are 50 of them, by column.
- ``clock``: ``per_minute`` (ratings), ``worst_tenth`` (mean share of those runs after 10 minutes),
  ``worst_tenth_heard``.
- ``opposites``: a listener and its opposite: ``pairs`` (2×2 interaction in SDs, mean over seeds), ``worst`` of them,
  ``positive`` (part of runs).
- ``tasteless``: for ``always``, ``random``, ``silent``: ``mean``, ``worst``, ``run`` of ``verdicts.drift``,
  ``diversity``, ``in_key``.
- ``change`` of taste after 60 ratings: ``recovered`` (part of the loss, at 100 ratings); by listener ``to``, ``share``.
- ``rhythm_only``: by such a listener what it does to tastes in melody, judged on four times as many takes: ``moves``,
  ``error``, ``share`` of ``verdicts.moved``, and ``told``: what the oracle does that was told of that rhythm alone
  (other lengths bring other steps, whoever asks for them).
- ``likes``: ``stay`` (part of the next 8 planned notes that sound; those behind a later dislike apart), ``notes``.
- ``dislikes``: ``n``, ``before``, ``after``, ``falls`` of ``verdicts.dislikes``, for the opposites, who dislike one
  thing.
- ``rate``, ``plan``: ms of a rating in the loop, and of planning on it: ``n``, ``p50``, ``p99``, ``max``.
"""

import gc
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np

from livecomposer.bench import agents as of_agents
from livecomposer.bench import lessons, verdicts
from livecomposer.bench.course import (
    CHANGE_AT,
    CHANGED,
    CLOCK_S,
    CURVE,
    LONG,
    MELODY_ONLY,
    RHYTHM_ONLY,
    SEED,
    SHORT,
    TASTELESS,
    Done,
    Progress,
    Size,
    Task,
    becomes,
    in_processes,
    perform,
    tasks_of,
)
from livecomposer.bench.lessons import Played
from livecomposer.bench.listeners import ARCHETYPES, GROUPS
from livecomposer.bench.report import machine, row, spread
from livecomposer.bench.verdicts import Goal, Run
from livecomposer.errors import SettingsError
from livecomposer.instrument.learning import Job
from livecomposer.instrument.performance import Performance
from livecomposer.picture import blank, curves

TIMED, TIMED_SHORT = 300, 60  # ratings


def measure(
    short: bool, plot: str = "", seeds: int | None = None, jobs: int | None = None, agents: bool = False
) -> dict[str, Any]:  # fmt: skip
    """All listeners with 20 seeds (``short``: four with one), in ``jobs`` processes (default: one a core); ``agents``:
    all agents instead (`livecomposer.bench.agents`)."""
    if agents:
        if plot:
            raise SettingsError("--plot draws what ratings make of the default agent; leave it out with --agents")
        return of_agents.taste(short, seeds, jobs)
    size = SHORT if short else LONG
    seeds = size.seeds if seeds is None else seeds
    jobs = jobs if jobs is not None else os.cpu_count() or 1
    for name, value in (("seeds", seeds), ("jobs", jobs)):
        if value < 1:
            raise SettingsError(f"{name} = {value} is not at least 1")
    figure = blank(plot) if plot else None
    size = size._replace(seeds=seeds)
    tastes = lessons.tastes_of()
    tasks = tasks_of(size)
    done: Done = {}
    shown = Progress(len(tasks))
    for task, result in in_processes(partial(perform, size, tastes), tasks, jobs):
        done[task] = result
        shown.one_more()
    report = {"machine": machine(jobs=jobs), "ok": True, **verdict(size, done)}
    report |= times(TIMED_SHORT if short else TIMED)
    if figure is not None:
        drawn = {group: ((0, *CURVE), shares) for group, shares in report["curves"].items() if None not in shares}
        curves(figure, plot, drawn, "ratings (graded)", "share of what can be won", "o", 0.0)
    return report


# ---- the results of the tasks, judged ------------------------------------------------------------------------------


def verdict(size: Size, done: Done) -> dict[str, Any]:
    """The report of all results, but for the times."""
    prior = [done[Task("prior", "", seed)] for seed in range(size.seeds)]
    best = [result for task, result in done.items() if task.part == "best"]
    goals = {
        name: Goal(
            ARCHETYPES[name].group, fmean(p["dyna-q"].pleases[name] for p in prior),
            _oracle(name, done)["pleases"],
            max(result[name] for result in best),
        )
        for name in size.listeners
    }  # fmt: skip
    marks: dict[str, tuple[str, int | str]] = {
        **{f"graded_{n}": ("graded", n) for n in CURVE},
        "thumb_50": ("thumb", 50), "ab_50": ("ab", 50), "used_50": ("used_to", 50),
        "q_20": ("q", 20), "q_50": ("q", 50), "last_50": ("last_note", 50),
        "shuffled_50": ("graded", "shuffled"), "clock_5": ("clock", CLOCK_S[0]), "clock_10": ("clock", CLOCK_S[1]),
        "heard": ("clock", "heard"),
    }  # fmt: skip
    runs = {name: _gains(done, part, mark) for name, (part, mark) in marks.items()}
    scores = {name: verdicts.scores(found, goals) if found else None for name, found in runs.items()}
    shares = {name: verdicts.by_listener(found, goals) for name, found in runs.items()}
    shown = {
        group: [0.0, *((scores[f"graded_{n}"] or {})[group].get("score") for n in CURVE)] for group in (*GROUPS, "all")
    }
    kept = [result["stay"] for task, result in done.items() if task.part == "graded"]
    planned = sum(n for _, n in kept)
    likes = {"stay": round(sum(k for k, _ in kept) / planned, 3) if planned else None, "notes": planned}
    pairs = {(t.listener, t.seed): result["pairs"] for t, result in done.items() if t.part == "opposite"}
    clocks = [result["per_minute"] for task, result in done.items() if task.part == "clock"]
    return {
        "seeds": size.seeds,
        "oracle_ratings": size.oracle,
        "takes": size.prior,
        "short_of": sum(not result.get("complete", True) for result in done.values()),
        "listeners": {name: _listed(name, size, done, goals[name], shares) for name in size.listeners},
        "scores": {name: scores[name] for name in scores if name not in ("graded_5", "graded_10", "graded_35")},
        "curves": shown,
        "minutes": _minutes(done),
        "clock": {
            "per_minute": round(fmean(clocks), 2),
            "worst_tenth": verdicts.worst_tenth(runs["clock_10"], goals),
            "worst_tenth_heard": verdicts.worst_tenth(runs["heard"], goals),
        },
        "opposites": _opposites(size, done),
        "tasteless": {kind: _tasteless(kind, size, done, goals) for kind in TASTELESS},
        "change": _change(size, done, goals),
        "rhythm_only": _rhythm_only(size, done, goals),
        "likes": likes,
        "dislikes": verdicts.dislikes(pairs),
    }


def _oracle(name: str, done: Done) -> dict[str, Any]:
    """Of the two that were told, the one that pleases more."""
    return max((done[Task("oracle", name, rests)] for rests in (0, 1)), key=lambda oracle: oracle["pleases"])


def _gains(done: Done, part: str, mark: int | str) -> dict[Run, float]:
    """By run: U at a mark (ratings or seconds of ``played``, or another result) less the prior's."""
    found = {}
    agent = "q" if part in ("q", "last_note") else "dyna-q"
    for (which, name, seed), result in done.items():
        if which == part:
            value = result[mark] if isinstance(mark, str) else result["played"][mark]
            u = value.pleases[name] if isinstance(value, Played) else value
            found[name, seed] = u - done[Task("prior", "", seed)][agent].pleases[name]
    return found


def _minutes(done: Done) -> dict[str, float]:
    """By column, till the 50th rating."""
    found: dict[str, list[float]] = {}
    for task, result in done.items():
        if task.part in ("graded", "thumb", "ab"):
            found.setdefault(f"{task.part}_50", []).append(result["minutes"][CURVE[-1]])
    return {column: round(fmean(minutes), 1) for column, minutes in found.items()}


def _listed(
    name: str, size: Size, done: Done, goal: Goal, shares: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:  # fmt: skip
    diverse, in_key = _variety("graded", name, size, done)
    told = _oracle(name, done)["pitches"]
    asked = [
        verdicts.diversity(told[at : at + size.takes], done[Task("prior", "", seed)]["dyna-q"].pitches)
        for seed, at in enumerate(range(0, size.seeds * size.takes, size.takes))
    ]
    figures = {key: round(getattr(goal, key), 3) for key in ("prior", "oracle", "gap", "best")}
    return {
        "group": goal.group, **figures, "beaten": goal.oracle > goal.best, "pooled": goal.pooled,
        "diversity": diverse, "asked": _mean(asked), "in_key": in_key,
        **{column: shares[column].get(name) for column in COLUMNS},
    }  # fmt: skip


def _variety(part: str, name: str, size: Size, done: Done) -> tuple[float | None, float]:
    """Diversity and share in key after 50 ratings, means over seeds."""
    diverse, key = [], []
    for seed in range(size.seeds):
        pitches = done[Task(part, name, seed)]["played"][CURVE[-1]].pitches
        diverse.append(verdicts.diversity(pitches, done[Task("prior", "", seed)]["dyna-q"].pitches))
        key.append(lessons.in_key(pitches))
    return _mean(diverse), round(fmean(key), 3)


def _mean(shares: Iterable[float | None]) -> float | None:
    """Of those that there are."""
    known = [share for share in shares if share is not None]
    return round(fmean(known), 3) if known else None


def _opposites(size: Size, done: Done) -> dict[str, Any]:
    found = {}
    for name in size.listeners:
        for seed in range(size.seeds):
            own = done[Task("graded", name, seed)]["played"][CURVE[-1]].pleases[name]
            other = done[Task("opposite", name, seed)]["played"][CURVE[-1]].pleases[name]
            # the opposite's U is the listener's with the other sign
            found[name, seed] = verdicts.interaction((own, -other), (other, -own))
    pairs = {n: round(fmean(v for run, v in found.items() if run[0] == n), 3) for n in size.listeners}
    positive = fmean(value > 0 for value in found.values())
    return {"pairs": pairs, "worst": min(pairs.values()), "positive": round(positive, 3)}


def _tasteless(kind: str, size: Size, done: Done, goals: Mapping[str, Goal]) -> dict[str, Any]:
    changes: dict[str, list[float]] = {name: [] for name in goals}
    for seed in range(size.seeds):
        now = done[Task(kind, "", seed)]["played"][CURVE[-1]].pleases
        before = done[Task("prior", "", seed)]["dyna-q"].pleases
        for name, values in changes.items():
            values.append(now[name] - before[name])
    diversity, key = _variety(kind, "", size, done)
    return {**verdicts.drift(changes, goals), "diversity": diversity, "in_key": key}


def _change(size: Size, done: Done, goals: Mapping[str, Goal]) -> dict[str, Any]:
    found: dict[str, tuple[list[float], list[float], list[float]]] = {}
    for name in size.listeners:
        to = becomes(name, size.listeners)
        before, at, after = found.setdefault(name, ([], [], []))
        if not (goals[name].pooled and goals[to].pooled):
            continue
        for seed in range(size.seeds):
            played = done[Task("graded", name, seed)]["played"]
            prior = done[Task("prior", "", seed)]["dyna-q"].pleases
            share = (played[CHANGE_AT].pleases[name] - prior[name]) / goals[name].gap
            before.append(prior[to] + share * goals[to].gap)
            at.append(played[CHANGE_AT].pleases[to])
            after.append(played[CHANGED].pleases[to])
    together = [[value for column in found.values() for value in column[i]] for i in range(3)]
    return {
        "recovered": verdicts.recovered(*together),
        "listeners": {
            name: {"to": becomes(name, size.listeners), "share": verdicts.recovered(*columns)}
            for name, columns in found.items()
        },
    }


def _rhythm_only(size: Size, done: Done, goals: Mapping[str, Goal]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for name in (name for name in RHYTHM_ONLY if name in size.listeners):
        told = _oracle(name, done)
        found[name] = {}
        for other in MELODY_ONLY:
            priors = [done[Task("prior", "", seed)] for seed in range(size.seeds)]
            moved = [
                done[Task("graded", name, seed)]["melody"][other] - prior["melody"][other]
                for seed, prior in enumerate(priors)
            ]
            usual = fmean(prior["dyna-q"].pleases[other] for prior in priors)
            found[name][other] = verdicts.moved(moved, told["melody"][other] - usual, goals.get(other))
    return found


class _Waits:
    """A learner that leaves its jobs to be done when they are asked for."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        self.jobs.append(job)


def times(ratings: int) -> dict[str, dict[str, float]]:
    """What a rating costs, one a second: in the loop (``rate``), and the learner's plan on it (``plan``). As in the
    loop's process, nothing is collected meanwhile."""
    gc.collect()
    gc.disable()
    try:
        return _times(ratings)
    finally:
        gc.enable()


def _times(ratings: int) -> dict[str, dict[str, float]]:
    learner = _Waits()
    p = Performance(lessons.settings_of(SEED), learner=learner)
    rng = np.random.default_rng(1)
    rate, plan = [], []
    for second in range(1, ratings + 1):
        now = second * lessons.S
        p.advance(now)
        while learner.jobs:  # of a new phrase
            job = learner.jobs.pop()
            p.adopt(now, job.number, job.run())
        begun = time.perf_counter_ns()
        p.rate(now, float(rng.uniform(-1, 1)))
        rated = time.perf_counter_ns()
        rate.append(rated - begun)
        for job in learner.jobs:
            rated = time.perf_counter_ns()
            results = job.run()
            plan.append(time.perf_counter_ns() - rated)
            p.adopt(now, job.number, results)
        learner.jobs.clear()
    return {"rate": spread(rate, 1e-6), "plan": spread(plan, 1e-6)}


# ---- how it is shown -----------------------------------------------------------------------------------------------

COLUMNS = {
    "graded_20": "@20", "graded_50": "@50", "thumb_50": "thumb", "ab_50": "A/B", "used_50": "used to", "q_50": "q",
    "last_50": "last note", "shuffled_50": "shuffled", "clock_10": "10 min", "heard": "heard",
}  # fmt: skip


def rows(report: dict[str, Any]) -> list[list[str]]:
    """Listeners and groups in columns, then sentences."""
    if "agents" in report:
        return of_agents.rows(report)
    r = report
    head = f"{'':20}{'prior':>7}{'oracle':>7}{'gap':>6}{'best':>6}" + "".join(f"{c:>12}" for c in COLUMNS.values())
    lines = [head + f"{'diverse':>9}{'oracle':>7}{'in key':>8}"]
    for group in GROUPS:
        members = [(name, found) for name, found in r["listeners"].items() if found["group"] == group]
        for name, found in members:
            flags = ("" if found["pooled"] else " not pooled") + ("" if found["beaten"] else " best take wins")
            lines.append(
                f"{name:20}{found['prior']:>7.2f}{found['oracle']:>7.2f}{found['gap']:>6.2f}{found['best']:>6.2f}"
                + "".join(f"{_cell(found[column]):>12}" for column in COLUMNS)
                + f"{_cell(found['diversity']):>9}{_cell(found['asked']):>7}{found['in_key']:>8.0%}{flags}"
            )
    for group in (*GROUPS, "all"):
        found = {column: (r["scores"][column] or {}).get(group, {}) for column in COLUMNS}
        lines.append(f"{group:46}" + "".join(f"{_cell(score.get('score')):>12}" for score in found.values()))
        lines.append(f"{'  95 %':46}" + "".join(f"{_interval(score):>12}" for score in found.values()))
        lines.append(f"{'  SDs':46}" + "".join(f"{_cell(score.get('sds')):>12}" for score in found.values()))
    lines += _sentences(r)
    return [*([line] for line in lines), row("a rating, in the loop", r["rate"], "ms"), row("a plan", r["plan"], "ms")]


def _sentences(r: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{r['seeds']} seeds; oracle: {r['oracle_ratings']} exact ratings; best: of {r['takes']} takes of the prior; "
        f"columns in shares of the gap; {r['short_of']} lessons fell short of their ratings"
    )
    times = ", ".join(f"{COLUMNS[column]} {minutes:.1f}" for column, minutes in r["minutes"].items())
    yield f"minutes till the 50th rating: {times}"
    if r["scores"]["ab_50"] is None:
        yield "A/B: not measured (this instrument plays no pairs)"
    clock, five = r["clock"], r["scores"]["clock_5"]["all"]
    yield (
        f"by the clock, {clock['per_minute']:.1f} ratings a minute: {_cell(five.get('score'))} after 5 minutes; worst "
        f"tenth of runs {_cell(clock['worst_tenth'])} after 10, {_cell(clock['worst_tenth_heard'])} heard"
    )
    q20 = r["scores"]["q_20"]["all"]
    yield f"q after 20 ratings: {_cell(q20.get('score'))}"
    opposites = r["opposites"]
    pairs = ", ".join(f"{name} {value:+.2f}" for name, value in opposites["pairs"].items())
    yield f"opposite listeners, interaction: {pairs}; above 0 in {opposites['positive']:.0%} of runs"
    for kind, found in r["tasteless"].items():
        yield (
            f"{kind}: moves no taste by more than {_cell(found['worst'])} of its gap (one run {_cell(found['run'])}); "
            f"diversity {_cell(found['diversity'])}, in key {found['in_key']:.0%}"
        )
    shares = ", ".join(
        f"{name} → {found['to']} {_cell(found['share'])}" for name, found in r["change"]["listeners"].items()
    )
    recovered = _cell(r["change"]["recovered"])
    yield f"change of taste after {CHANGE_AT}, recovered at {CHANGED}: {recovered} ({shares})"
    for name, found in r["rhythm_only"].items():
        moved = ", ".join(
            f"{other} {by['moves']:+.2f} ± {_cell(by['error'])} (oracle {by['told']:+.2f})"
            for other, by in found.items()
        )
        yield f"{name} (rhythm only) moves, in SDs: {moved}"
    likes, dislikes = r["likes"], r["dislikes"]
    yield f"after a like {_cell(likes['stay'])} of the next planned notes stay ({likes['notes']})"
    if dislikes["n"]:
        yield (
            f"after a dislike, mean liking in the two phrases before and after: {dislikes['before']:+.2f} → "
            f"{dislikes['after']:+.2f} ({dislikes['n']} dislikes; better in {dislikes['falls']:.0%} of runs)"
        )


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _interval(score: Mapping[str, float]) -> str:
    return f"{score['low']:.2f}…{score['high']:.2f}" if score.get("n") else "–"
