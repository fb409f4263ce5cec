"""Every agent beside the default one and the prior: what it makes of ratings, of practice, and of music.

``bench.taste`` and ``bench.music`` call it (``--agents``). An agent is *rated*: 50 graded presses of a simulated
listener while it plays; or *practised*: it learns in imagined music (`livecomposer.practice_agents`) what the taste
rewards that the default agent has learnt from 50 such presses, as ``livecomposer practice --taste`` does between gigs.
Neither hears the takes that it is judged on. For its music it practises the rules alone, and nobody rates it.

Keys of the report of tastes: ``machine``; ``ok`` (always True); ``seeds``; ``steps`` (events of practice);
``agents``: by name ``rated`` and ``practised`` (None for the default agent, which plans instead), each scores by group
as ``bench.taste`` has them. Of music: ``machine``; ``ok``; ``steps``; ``pieces``; ``agents``: by name (``prior``
first) ``table`` and ``diversity`` of ``bench.melody``, ``likelihood`` (with the extra ``music``), and ``reward`` of an
event by the rules.
"""

import os
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np

from livecomposer.agents.model import pack
from livecomposer.bench import lessons, melody, verdicts
from livecomposer.bench.course import CURVE, LONG, SEED, SHORT, Done, Progress, Size, Task, in_processes, perform
from livecomposer.bench.listeners import GROUPS
from livecomposer.bench.report import machine
from livecomposer.bench.verdicts import Goal
from livecomposer.errors import SettingsError
from livecomposer.settings import AGENTS, Settings

SEEDS = 3
STEPS, STEPS_SHORT = 100_000, 4096  # events of practice
PIECES, PIECES_SHORT = 300, 20
DEFAULT = AGENTS[0]
SHORT_OF = ("q", "ppo")  # agents of a short run
PLAIN = Settings(role="solo", key="C major", tempo=120.0)


def taste(short: bool, seeds: int | None = None, jobs: int | None = None) -> dict[str, Any]:
    """All agents with all listeners, 3 seeds (``short``: two agents, four listeners, one seed)."""
    size = (SHORT if short else LONG)._replace(seeds=seeds if seeds is not None else 1 if short else SEEDS)
    if size.seeds < 1:
        raise SettingsError(f"seeds = {seeds} is not at least 1")
    steps = STEPS_SHORT if short else STEPS
    others = SHORT_OF if short else AGENTS[1:]
    tasks = [Task("oracle", name, rests) for name in size.listeners for rests in (0, 1)]
    for part in (f"rated/{DEFAULT}", *(f"{kind}/{agent}" for agent in others for kind in ("rated", "practised"))):
        tasks += [Task(part, name, seed) for name in size.listeners for seed in range(size.seeds)]
    tasks += [Task("prior", "", seed) for seed in range(size.seeds)]
    done: Done = {}
    shown = Progress(len(tasks))
    jobs = jobs if jobs is not None else os.cpu_count() or 1
    for task, result in in_processes(partial(perform, size._replace(practice=steps), lessons.tastes_of()), tasks, jobs):
        done[task] = result
        shown.one_more()
    return {"machine": machine(jobs=jobs), "ok": True, "seeds": size.seeds, "steps": steps,
            "agents": _scores(size, done, (DEFAULT, *others))}  # fmt: skip


def _scores(size: Size, done: Done, agents: tuple[str, ...]) -> dict[str, Any]:
    """By agent and part, scores by group."""
    prior = [done[Task("prior", "", seed)]["dyna-q"].pleases for seed in range(size.seeds)]
    goals = {
        name: Goal(
            lessons.ARCHETYPES[name].group, fmean(p[name] for p in prior),
            max(done[Task("oracle", name, rests)]["pleases"] for rests in (0, 1)), 0.0,
        )
        for name in size.listeners
    }  # fmt: skip
    found: dict[str, Any] = {}
    for agent in agents:
        found[agent] = {}
        for kind in ("rated", "practised"):
            gains = {
                (task.listener, task.seed): result["played"][CURVE[-1]].pleases[task.listener]
                - prior[task.seed][task.listener]
                for task, result in done.items()
                if task.part == f"{kind}/{agent}"
            }
            found[agent][kind] = verdicts.scores(gains, goals) if gains else None
    return found


def music(short: bool) -> dict[str, Any]:
    """All agents' melodies after practice, beside the prior's."""
    steps, n = (STEPS_SHORT, PIECES_SHORT) if short else (STEPS, PIECES)
    names = ("prior", *(SHORT_OF if short else AGENTS[1:]))
    shown = Progress(len(names))
    found: dict[str, Any] = {}
    held_out = _bach()
    for name, result in in_processes(partial(_melodies, steps, n, held_out), names, os.cpu_count() or 1):
        found[name] = result
        shown.one_more()
    found["prior"]["reward"] = {"reward": found[SHORT_OF[0]]["reward"]["prior"]}
    return {
        "machine": machine(), "ok": True, "steps": steps, "pieces": n, "agents": {name: found[name] for name in names}
    }  # fmt: skip


def _bach() -> list[Any]:
    """Bach's melodies to measure by, none without the extra. Read here: the processes may not begin any, as reading
    them for the first time does."""
    from livecomposer.bench.corpus import chorales, split

    try:
        return [chorale.soprano for chorale in split(chorales())[1]]
    except SettingsError:
        return []


def _melodies(steps: int, n: int, held_out: list[Any], name: str) -> tuple[str, dict[str, Any]]:
    """An agent's pieces in figures."""
    from livecomposer.bench.music import play

    report: dict[str, Any] = {}
    settings, snapshot = PLAIN, None
    if name != "prior":
        snapshot, report["reward"] = practised(name, np.zeros(0), steps, SEED)
        settings = settings.with_(agent=name)
    pieces = [play(settings.with_(seed=seed), snapshot=snapshot) for seed in range(n)]
    report |= {"table": melody.table(pieces), "diversity": melody.diversity(pieces)}
    if held_out:
        report["likelihood"] = melody.likelihood(pieces, held_out, np.random.default_rng(1))
    return name, report


def practised(agent: str, liked: np.ndarray, steps: int, seed: int) -> tuple[bytes, dict[str, float]]:
    """A model of an agent that has practised solos to a taste (float64[N_FEATURES], empty: the rules alone), and the
    mean reward of an event, its own and the prior's."""
    from livecomposer.music.rules import load_weights
    from livecomposer.practice_agents import Wanted, practise
    from livecomposer.ratings.features import N_FEATURES

    liked = liked if liked.size else np.zeros(N_FEATURES)
    learnt = practise(Wanted(agent, liked, "solo", steps, 0.0, seed, load_weights(), "shipped", None))
    return pack(learnt.arrays, {"kind": "model", "agent": agent, "layout": learnt.layout}), learnt.metrics


# ---- how it is shown -----------------------------------------------------------------------------------------------


def rows(report: dict[str, Any]) -> list[list[str]]:
    """One line an agent."""
    return _music_rows(report) if "pieces" in report else _taste_rows(report)


def _taste_rows(report: dict[str, Any]) -> list[list[str]]:
    groups = (*GROUPS, "all")
    head = f"{'':16}" + "".join(f"{'rated, ' + group:>18}" for group in groups)
    lines = [head + "".join(f"{'practised, ' + group:>21}" for group in groups)]
    lines.append(f"{'the prior':16}" + f"{0.0:18.2f}" * len(groups) + f"{'–':>21}" * len(groups))
    for name, found in report["agents"].items():
        cells = [_score(found["rated"], group).rjust(18) for group in groups]
        cells += [_score(found["practised"], group).rjust(21) for group in groups]
        lines.append(f"{name:16}" + "".join(cells))
    lines.append(
        f"shares of what can be won, {report['seeds']} seeds (95 % in the --json); rated: 50 graded presses; "
        f"practised: {report['steps']:,} events to the taste that {DEFAULT} has learnt from as many presses"
    )
    return [[line] for line in lines]


def _score(scores: dict[str, Any] | None, group: str) -> str:
    found = (scores or {}).get(group, {})
    return f"{found['score']:.2f}" if "score" in found else "–"


def _music_rows(report: dict[str, Any]) -> list[list[str]]:
    from livecomposer.bench.music import LABELS

    shown = ("reward", "likelihood", "4-grams")
    lines = [f"{'':34}" + "".join(f"{name:>16}" for name in report["agents"])]
    for key, label in (*LABELS.items(), *zip(shown, shown, strict=True)):
        cells = []
        for found in report["agents"].values():
            value = {
                "reward": found.get("reward", {}).get("reward"), "likelihood": found.get("likelihood", {}).get("share"),
                "4-grams": found["diversity"]["fourgrams_per_note"],
            }.get(key, found["table"].get(key))  # fmt: skip
            cells.append("–" if value is None else f"{value:.2f}")
        lines.append(f"{label:34}" + "".join(f"{cell:>16}" for cell in cells))
    lines.append(
        f"{report['pieces']} pieces each, after {report['steps']:,} events of practice by the rules ({DEFAULT}, which "
        "plans on ratings, plays the prior without them); reward: of an "
        "event; likelihood: part of the way from shuffled to Bach's melodies; 4-grams: distinct ones a note"
    )
    return [[line] for line in lines]
