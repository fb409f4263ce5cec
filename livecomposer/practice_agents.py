"""``livecomposer practice --agent NAME``: an agent learns in imagined music what a taste and the rules reward.

``cli`` calls ``practice_agent_command``. Progress goes to stderr; Ctrl-C saves what has been learnt, and ``--resume``
goes on from there. The file is a model that ``play --agent NAME --model FILE`` begins with: it holds the weights, the
hyper-parameters, seed, role, taste (and its checksum) and metrics.
"""

import json
import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, wait
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
from livecomposer.instrument.snapshot import arrays_of, layout_of, read_model, unpack_agents
from livecomposer.music.context import ROLES
from livecomposer.music.rules import load_weights
from livecomposer.picture import blank, curves
from livecomposer.practice import check_out, write_model
from livecomposer.ratings.features import N_FEATURES
from livecomposer.settings import AGENTS

EVENTS = 2048  # of all heads, between two calls of ``learn``
SIDES = 2  # stages that are played at once, each on a thread: half of the events, or a worker of A3C
APART = 1_000_003  # seeds of two stages
LOOKED_AT, JUDGED_ON = 1 << 40, 1 << 41  # seeds of music that nobody practises on: while learning, and in the end
LOOKS = 8  # in a training, at what it earns: the best weights are kept, for late collapse is normal
LOOKED, JUDGED = 4, 8  # calls of EVENTS each
TURN_S = 0.5  # between two looks at how far several processes are
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

    def share(self, done: int, seconds: float) -> float:
        """How much of it is over, 1 being all."""
        return max(done / self.steps, seconds / self.seconds if self.seconds else 0.0)


class Learnt(NamedTuple):
    """What has come of it: a model's arrays, metrics, and the curve (steps, mean reward, entropy)."""

    arrays: dict[str, np.ndarray]
    metrics: dict[str, float]
    curve: list[tuple[int, float, float]]
    steps: int
    layout: int
    bad: int = 0  # choices set aside because something in them was no finite number


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
    best = _Best(wanted.agent, heads, crews[0].shared, policy)
    curve: list[tuple[int, float, float]] = []
    done, looks, begun = 0, 0, time.monotonic()
    share = 0.0 if wanted.steps else 1.0
    try:
        if wanted.start is not None:  # it may stay the best
            best.look(stage(LOOKED_AT))
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            while share < 1.0:
                if wanted.agent == "a3c":  # a worker is a thread
                    found = list(pool.map(partial(_round, wanted.agent, policy, share, map), crews))
                else:
                    found = [_round(wanted.agent, policy, share, pool.map, crews[0])]
                done += EVENTS * len(crews)
                reward, entropy = (float(np.mean([one[i] for one in found])) for i in (0, 1))
                curve.append((done, reward, entropy))
                seconds = time.monotonic() - begun
                share = wanted.share(done, seconds)
                if int(share * LOOKS) > looks:
                    best.look(stage(LOOKED_AT))
                    looks = int(share * LOOKS)
                if progress:
                    progress(done, seconds, reward, entropy)
    except KeyboardInterrupt:
        pass

    def finish() -> dict[str, float]:
        if share < 1.0 or not best.weights:
            best.look(stage(LOOKED_AT))
        best.take()
        return _judged(wanted, prior, stage, heads, policy)

    try:
        metrics = finish()
    except KeyboardInterrupt:  # what has been learnt is kept: only the judging, of a moment, begins anew
        metrics = finish()
    arrays = {name: array.copy() for name, array in arrays_of(agents).items()}
    bad = sum(getattr(head, "bad", 0) for head in crews[0].shared or heads)
    return Learnt(arrays, metrics, curve, done, layout_of(agents), bad)


class _Best:
    """The weights of all heads that earned most when they were looked at: late collapse is normal.

    ``shared``: the trainers whose weights A3C's workers change; the heads then are brought up to them.
    """

    def __init__(self, agent: str, heads: list[Any], shared: list[Any], policy: dict[str, Any]) -> None:
        self.weights: list[dict[str, np.ndarray]] = []
        self._agent, self._heads, self._shared, self._policy = agent, heads, shared, policy
        self._earned = -np.inf

    def look(self, music: Imagined) -> None:
        """See what the weights of now earn on music that is not practised on."""
        for head, shared in zip(self._heads, self._shared, strict=False):
            state = shared.state()
            head.load({name: state[name] for name in head.state()})
        earned = _earns(music, self._agent, self._heads, self._policy, LOOKED)
        if earned >= self._earned:
            self._earned = earned
            self.weights = [{name: array.copy() for name, array in head.state().items()} for head in self._heads]

    def take(self) -> None:
        """Go back to the best."""
        for head, state in zip(self._heads, self.weights, strict=True):
            head.load(state)


def _earns(music: Imagined, agent: str, heads: list[Any], policy: dict[str, Any], calls: int) -> float:
    """The mean reward of an event."""
    return float(np.mean([_play(music, agent, heads, policy) for _ in range(calls)]))


def _judged(
    wanted: Wanted, prior: Prior, stage: Callable[[int], Imagined], heads: list[Any], policy: dict[str, Any]
) -> dict[str, float]:  # fmt: skip
    """What an event earns on music by which nothing was chosen, and what it earns by the prior."""
    untaught, _ = make_agents(wanted.agent, wanted.seed, prior)
    fresh = [agent if wanted.agent in TABULAR else agent.trainer for agent in untaught]  # type: ignore[attr-defined]
    return {
        name: round(_earns(stage(JUDGED_ON), wanted.agent, whose, policy, JUDGED), 4)
        for name, whose in (("reward", heads), ("prior", fresh))
    }


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
    seeds = [wanted.seed + APART * (i + 1) for i in range(SIDES)]
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
        data = read_model(str(out))
        meta = unpack(data, str(out))[1]
        before = int(meta.get("steps", 0))
        wanted = wanted._replace(start=data, seed=wanted.seed + before)
        for what, now in (("taste", args.taste or ""), ("role", args.role or "")):
            if meta.get(what, "") != now:
                was, to = (f'"{name}"' if name else "none" for name in (meta.get(what, ""), now))
                print(f"It has practised with {what} {was} so far and goes on with {to}.", file=sys.stderr)
        unpack_agents(data, args.agent, make_agents(args.agent, 0, load_prior(wanted.prior))[0], str(out))
    if args.seeds > 1:
        several = _several(wanted, args.seeds)
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
    write_model(out, pack(learnt.arrays, meta))
    if figure is not None:
        across, up = ([point[i] for point in learnt.curve] for i in (0, 1))
        curves(figure, args.plot, {"": (across, up)}, "events", "mean reward (ratings)")
    report = {"out": str(out), **{k: v for k, v in meta.items() if k not in ("kind", "layout")}}
    said = f"{out}: {meta['steps']:,} events, mean reward {learnt.metrics['reward']:+.3f} (the prior's "
    print(json.dumps(report) if args.json else f"{said}{learnt.metrics['prior']:+.3f}), seed {seed}")
    if learnt.bad:
        print(f"{learnt.bad:,} choices were no finite numbers and have been left out.", file=sys.stderr)
    return 0


def _several(wanted: Wanted, seeds: int) -> list[Learnt]:
    """Practise from so many seeds in parallel processes; Ctrl-C ends them all and keeps what they have learnt."""
    context = get_context("spawn")
    done, stop = context.Array("d", seeds), context.Event()  # share of each that is over
    shown = _Progress(wanted)
    begun = time.monotonic()
    n = min(seeds, os.cpu_count() or 1)
    with ProcessPoolExecutor(n, context, initializer=_begin, initargs=(done, stop)) as pool:
        coming = [pool.submit(_one_of, i, wanted._replace(seed=wanted.seed + i)) for i in range(seeds)]
        while True:
            try:
                if not wait(coming, TURN_S).not_done:
                    return [one.result() for one in coming]
                shown.share(sum(done[:]) / seeds, f"{seeds} seeds  {time.monotonic() - begun:.0f} s")
            except KeyboardInterrupt:
                stop.set()


_shared: list[Any] = []  # of a process that practises for `_several`: what it tells, and whether it is to end


def _begin(done: Any, stop: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who began it says when to end
    _shared[:] = done, stop


def _one_of(i: int, wanted: Wanted) -> Learnt:
    """In such a process."""
    shares, stop = _shared

    def progress(done: int, seconds: float, reward: float, entropy: float) -> None:
        shares[i] = min(wanted.share(done, seconds), 1.0)
        if stop.is_set():
            raise KeyboardInterrupt

    return practise(wanted, progress)


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
        speed = done / max(seconds, 1e-9)
        self.share(
            self._wanted.share(done, seconds),
            f"{done:>11,} events  {speed:>9,.0f}/s  reward {self._mean:+.3f}  entropy {entropy:.2f}",
        )

    def share(self, share: float, facts: str) -> None:
        """So much is over."""
        share = min(share, 1.0)
        live = sys.stderr.isatty()
        if not live and int(share * LINES) == self._shown:
            return
        self._shown = int(share * LINES)
        line = f"{'█' * round(24 * share)}{'·' * (24 - round(24 * share))} {facts} "
        print(f"\r{line}" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)
