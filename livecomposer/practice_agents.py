"""``livecomposer practice --agent NAME``: an agent learns in imagined music what a taste and the rules reward.

``cli`` calls ``practice_agent_command``. Progress goes to stderr; Ctrl-C saves what has been learnt, and ``--resume``
goes on from there. The file is a model that ``play --agent NAME --model FILE`` begins with: it holds the weights, the
hyper-parameters, seed, role, taste (and its checksum) and metrics.
"""

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from livecomposer.agents.imagined import Imagined, rows_of
from livecomposer.agents.kernels import td_sweep
from livecomposer.agents.model import pack, unpack
from livecomposer.agents.prior import Prior, load_prior
from livecomposer.agents.registry import ENTRIES, TABULAR, hyper_of, make_agents, make_trainer
from livecomposer.errors import SettingsError
from livecomposer.instrument.snapshot import arrays_of, layout_of, unpack_agents
from livecomposer.music.context import ROLES
from livecomposer.music.rules import load_weights
from livecomposer.picture import blank, curves
from livecomposer.practice import check_out
from livecomposer.ratings.features import N_FEATURES
from livecomposer.settings import AGENTS

EVENTS = 2048  # of all heads, between two calls of ``learn``
SIDES = 2  # stages that are played at once, each on a thread: half of the events, or a worker of A3C
HELD_OUT = 1_000_003  # seed of the music by which what was learnt is judged
JUDGED = 8  # calls of EVENTS each
LINES = 10  # of progress, where it is written to a file


class Wanted(NamedTuple):
    """What is to be practised; travels to processes."""

    agent: str
    liked: np.ndarray
    role: str
    steps: int
    seconds: float
    seed: int
    rules: np.ndarray
    prior: str
    start: bytes | None
    workers: int = SIDES  # of A3C; with 1 the same seed gives the same model


class Learnt(NamedTuple):
    """What has come of it: a model's arrays, metrics, and the curve (steps, mean reward, entropy)."""

    arrays: dict[str, np.ndarray]
    metrics: dict[str, float]
    curve: list[tuple[int, float, float]]
    steps: int
    layout: int


def practise(wanted: Wanted, progress: Any = None) -> Learnt:
    """Let one agent learn; KeyboardInterrupt ends it and keeps what has been learnt.

    ``progress(steps done, seconds, mean reward, entropy)`` is called after every ``EVENTS`` events.
    """
    prior = load_prior(wanted.prior)
    agents, _ = make_agents(wanted.agent, wanted.seed, prior)
    if wanted.start is not None:
        unpack_agents(wanted.start, wanted.agent, agents, "the model to go on from")
    role = ROLES.index(wanted.role) if wanted.role else -1
    hyper = hyper_of(wanted.agent, playing=True)
    heads = [agent if wanted.agent in TABULAR else agent.trainer for agent in agents]  # type: ignore[attr-defined]
    policy = _policy(wanted.agent, hyper)

    def stage(seed: int, n: int = EVENTS) -> Imagined:
        return Imagined(prior, wanted.liked, wanted.rules, role, seed, n, wanted.agent not in TABULAR)

    crews = _crews(wanted, heads, hyper, stage)
    curve: list[tuple[int, float, float]] = []
    done, begun = 0, time.monotonic()
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            while done < wanted.steps and not (wanted.seconds and time.monotonic() - begun > wanted.seconds):
                share = done / wanted.steps
                if wanted.seconds:
                    share = max(share, min((time.monotonic() - begun) / wanted.seconds, 1.0))
                if wanted.agent == "a3c":  # a worker is a thread
                    found = list(pool.map(partial(_round, wanted.agent, policy, share, map), crews))
                else:
                    found = [_round(wanted.agent, policy, share, pool.map, crews[0])]
                done += EVENTS * len(crews)
                reward, entropy = (float(np.mean([one[i] for one in found])) for i in (0, 1))
                curve.append((done, reward, entropy))
                if progress:
                    progress(done, time.monotonic() - begun, reward, entropy)
    except KeyboardInterrupt:
        pass
    if crews[0].shared:
        for head, shared in zip(heads, crews[0].shared, strict=True):
            state = shared.state()
            head.load({name: state[name] for name in head.state()})
    try:
        metrics = _judged(wanted, prior, stage, heads, policy)
    except KeyboardInterrupt:  # what has been learnt is kept: only the judging, of a moment, begins anew
        metrics = _judged(wanted, prior, stage, heads, policy)
    arrays = {name: array.copy() for name, array in arrays_of(agents).items()}
    return Learnt(arrays, metrics, curve, done, layout_of(agents))


def _judged(
    wanted: Wanted, prior: Prior, stage: Callable[[int], Imagined], heads: list[Any], policy: dict[str, Any]
) -> dict[str, float]:  # fmt: skip
    """What an event earns on music that was not practised on, and what it earns by the prior."""
    judged = stage(HELD_OUT)
    means = [_play(judged, wanted.agent, heads, policy) for _ in range(JUDGED)]
    plain = stage(HELD_OUT)
    untaught, _ = make_agents(wanted.agent, wanted.seed, prior)
    fresh = [agent if wanted.agent in TABULAR else agent.trainer for agent in untaught]  # type: ignore[attr-defined]
    before = [_play(plain, wanted.agent, fresh, policy) for _ in range(JUDGED)]
    return {"reward": round(float(np.mean(means)), 4), "prior": round(float(np.mean(before)), 4)}


def _policy(agent: str, hyper: Any) -> dict[str, Any]:
    """How choices are drawn, as the instrument draws them at adventure 0.5."""
    if agent in TABULAR:
        return {"unit": hyper.temperature, "heat": 1.0}
    scale = 1.0 / hyper.unit if agent == "dqn" else 1.0
    return {"width": hyper.width, "depth": hyper.depth, "scale": scale, "heat": 1.0}


class _Crew(NamedTuple):
    """Three heads that learn from what they have played on their stages; of A3C, one worker of each, and those whose
    weights all workers share."""

    heads: list[Any]
    stages: list[Imagined]
    shared: list[Any]


def _crews(wanted: Wanted, heads: list[Any], hyper: Any, stage: Callable[[int, int], Imagined]) -> list[_Crew]:
    """One that plays on several stages, or as many as A3C has workers. Of those, two take turns by chance: what is
    learnt is not the same a second time."""
    seeds = [wanted.seed + HELD_OUT * (i + 1) for i in range(SIDES)]
    if wanted.agent != "a3c":
        return [_Crew(heads, [stage(seed, EVENTS // SIDES) for seed in seeds], [])]
    shared = [
        make_trainer("a3c", head.n_features, head.n_actions, replace(hyper, workers=wanted.workers), wanted.seed)
        for head in heads
    ]
    for one, head in zip(shared, heads, strict=True):
        one.load(one.state() | head.state())
    workers = [one.workers() for one in shared]  # type: ignore[attr-defined]
    return [
        _Crew([of_head[i] for of_head in workers], [stage(seeds[0] + i, EVENTS)], shared)
        for i in range(wanted.workers)
    ]  # fmt: skip


def _round(
    agent: str, policy: dict[str, Any], share: float, each: Callable[..., Any], crew: _Crew
) -> tuple[float, float]:  # fmt: skip
    """All stages play, then all heads learn; (mean reward of an event, mean entropy)."""
    rewards = list(each(lambda music: _play(music, agent, crew.heads, policy), crew.stages))
    found = list(each(partial(_learn, agent, crew.heads, crew.stages, share), range(3)))
    return float(np.mean(rewards)), float(np.mean([f.get("entropy", 0.0) for f in found]))


def _play(music: Imagined, agent: str, heads: list[Any], policy: dict[str, Any]) -> float:
    if agent in TABULAR:
        return music.play([head.q for head in heads], None, policy)
    return music.play(None, [head.policy_params for head in heads], policy)


def _learn(agent: str, heads: list[Any], stages: list[Imagined], share: float, head: int) -> dict[str, float]:
    """One head learns from what it has just played."""
    learner = heads[head]
    if agent not in TABULAR:
        rows = rows_of(stages, head)
        return learner.learn(rows, share) if len(rows.action) >= 2 else {}
    table = learner.table
    for music in stages:
        rows = rows_of([music], head)
        if len(rows.action) >= 2:
            td_sweep(
                table.q, table.trace, table.active, music.states(head), rows.action, rows.reward.astype(np.float64),
                rows.terminated, rows.mask, 1, table.method, *table.rates,
            )  # fmt: skip
    return {}


def practice_agent_command(args: Namespace, liked: Callable[[str], np.ndarray]) -> int:
    """Returns 0; ``liked(name)`` is what a taste finds each feature worth.

    Raises SettingsError on what cannot be, TasteError for a file that cannot be used.
    """
    if args.agent in AGENTS and args.agent not in ENTRIES:
        raise SettingsError(
            f"agent {args.agent} learns from your ratings while you play and needs no practice; "
            f"these practise: {', '.join(ENTRIES)}"
        )
    if args.agent not in ENTRIES:
        hyper_of(args.agent)  # says which is nearest
    wanted = _wanted(args, liked(args.taste) if args.taste else np.zeros(N_FEATURES))
    out = Path(args.out or f"{args.agent}.npz")
    check_out(out, args.resume, args.force)
    figure = blank(args.plot) if args.plot else None
    before = 0
    if args.resume and out.exists():
        data = out.read_bytes()
        before = int(unpack(data, str(out))[1].get("steps", 0))
        wanted = wanted._replace(start=data, seed=wanted.seed + before)
        unpack_agents(data, args.agent, make_agents(args.agent, 0, load_prior(wanted.prior))[0], str(out))
    if args.seeds > 1:
        context = get_context("spawn")
        with ProcessPoolExecutor(min(args.seeds, os.cpu_count() or 1), mp_context=context) as pool:
            several = list(pool.map(practise, [wanted._replace(seed=wanted.seed + i) for i in range(args.seeds)]))
        best = max(range(len(several)), key=lambda i: several[i].metrics["reward"])
        learnt, seed = several[best], wanted.seed + best
    else:
        learnt, seed = practise(wanted, _Progress(wanted).show), wanted.seed
        if sys.stderr.isatty():
            print(file=sys.stderr)
    meta = {
        "kind": "model", "agent": args.agent, "layout": learnt.layout, "steps": before + learnt.steps, "seed": seed,
        "role": args.role or "", "taste": args.taste or "", "taste_crc": crc32(wanted.liked.tobytes()),
        "hyper": asdict(hyper_of(args.agent, playing=True)), "metrics": learnt.metrics,
    }  # fmt: skip
    out.write_bytes(pack(learnt.arrays, meta))
    if figure is not None:
        across, up = ([point[i] for point in learnt.curve] for i in (0, 1))
        curves(figure, args.plot, {"": (across, up)}, "events", "mean reward (ratings)")
    report = {"out": str(out), **{k: v for k, v in meta.items() if k not in ("kind", "layout")}}
    said = f"{out}: {meta['steps']:,} events, mean reward {learnt.metrics['reward']:+.3f} (the prior's "
    print(json.dumps(report) if args.json else f"{said}{learnt.metrics['prior']:+.3f}), seed {seed}")
    return 0


def _wanted(args: Namespace, liked: np.ndarray) -> Wanted:
    minutes = args.minutes
    if (args.steps is not None and args.steps <= 0) or not (minutes is None or minutes > 0) or args.seeds < 1:
        raise SettingsError(
            "practice needs --steps and --seeds of at least 1 and --minutes above 0; leave out what has no limit"
        )
    if args.seed < 0:
        raise SettingsError(f"seed = {args.seed} is below 0; practice needs one of 0 or more")
    text = None
    if args.rules:
        try:
            text = Path(args.rules).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"rules = {args.rules!r} cannot be read ({error})") from None
    steps = args.steps or (1 << 40 if minutes else 1_000_000)
    return Wanted(
        args.agent, liked, args.role or "", steps, 60.0 * (minutes or 0.0), args.seed,
        load_weights(text, args.rules or "rules"), "shipped", None,
    )  # fmt: skip


class _Progress:
    """A line on stderr, written over in a terminal."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._shown = -1
        self._mean = 0.0

    def show(self, done: int, seconds: float, reward: float, entropy: float) -> None:
        """See ``practise``."""
        self._mean = reward if self._shown < 0 else 0.9 * self._mean + 0.1 * reward
        share = done / self._wanted.steps
        if self._wanted.seconds:
            share = max(share, seconds / self._wanted.seconds)
        share = min(share, 1.0)
        live = sys.stderr.isatty()
        if not live and int(share * LINES) == self._shown:
            return
        self._shown = int(share * LINES)
        bar = "█" * round(24 * share) + "·" * (24 - round(24 * share))
        line = (
            f"{bar} {done:>11,} events  {done / max(seconds, 1e-9):>9,.0f}/s  "
            f"reward {self._mean:+.3f}  entropy {entropy:.2f} "
        )
        print(f"\r{line}" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)
