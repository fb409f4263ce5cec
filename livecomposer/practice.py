"""``livecomposer practice``: trains the prior in ``music.env`` by rules and style, and writes a model file.

``cli`` calls ``practice_command``. Progress goes to stderr; Ctrl-C saves what has been learnt, and ``--resume``
goes on from there. README says which call made the shipped prior.
"""

import json
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from livecomposer.agents.prior import Prior, counts, load_prior, pack_prior, style_of
from livecomposer.agents.soft_q import train
from livecomposer.agents.survey import survey
from livecomposer.errors import SettingsError, StoreError
from livecomposer.music.env import Stage
from livecomposer.music.heads import N_ROWS
from livecomposer.music.rules import HEAD_OF, RULES, load_weights
from livecomposer.picture import blank, curves
from livecomposer.whole import write_whole

STEPS = 20_000_000  # where nothing else is asked for
BLOCK = 100_000  # steps between two looks at the clock
LINES = 10  # of progress, where it is written to a file
ALPHA, ALPHA_END = 0.1, 0.005
HEADS = ("rhythm", "melody", "harmony")


def practice(
    steps: int, seed: int = 1, rules: np.ndarray | None = None, start: Prior | None = None, minutes: float = 0.0,
    progress: Any = None,
) -> tuple[Prior, np.ndarray]:  # fmt: skip
    """Train for ``steps`` events, or ``minutes`` if that is shorter (0: no limit).

    Parameters
    ----------
    steps : int
    seed : int
        Same seed, same steps: same prior, bit for bit.
    rules : float64[N_RULES], optional
        Weights (default: the shipped ones).
    start : Prior, optional
        Go on from this one (the step size is then its last).
    minutes : float
    progress : callable, optional
        ``progress(steps done, row)`` after every block; KeyboardInterrupt from it ends practice and keeps the rest.

    Returns
    -------
    Prior
    float64[blocks, 3 + N_RULES]
        The learning curve: mean rewards of the heads, then of the rules' columns.
    """
    weights = load_weights() if rules is None else rules
    done = int(start.meta.get("steps", 0)) if start else 0  # type: ignore[call-overload]
    style = start.style if start else style_of(counts())
    stage = Stage(style, seed + done)
    learnt: list[np.ndarray] = [np.zeros(n, dtype=np.float32) for n in N_ROWS]
    if start:
        learnt = [w.copy() for w in start.weights]
    rows: list[np.ndarray] = []
    begun = time.monotonic()
    at = 0
    try:
        while at < steps and not (minutes and time.monotonic() - begun > 60.0 * minutes):
            n = min(BLOCK, steps - at)
            curve = np.zeros((1, 3 + len(RULES)))
            alphas = (ALPHA_END,) * 2 if start else tuple(_alpha(x / steps) for x in (at, at + n))
            train(  # type: ignore[call-arg]  # numba types a kernel by its first arguments only
                stage.own, stage.world, stage.trace, stage.ladder, stage.style, stage.player, stage.rng, *learnt,
                weights, HEAD_OF, stage.columns, n, -1, *alphas, curve,
            )  # fmt: skip
            at += n
            rows.append(curve[0])
            if progress:
                progress(at, curve[0])
    except KeyboardInterrupt:
        pass
    metrics = {name: round(float(rows[-1][i]), 4) for i, name in enumerate((*HEADS, *RULES))} if rows else {}
    meta = {"seed": seed, "steps": done + at, "rules": weights.tolist(), "metrics": metrics}
    heads = (learnt[0], learnt[1], learnt[2])
    try:
        models = survey(Stage(style, seed), heads)
    except KeyboardInterrupt:  # what has been learnt is kept: only the count, of some seconds, begins anew
        models = survey(Stage(style, seed), heads)
    return Prior(heads, style, models, meta), np.array(rows)


def practice_command(args: Namespace) -> int:
    """``livecomposer practice``: returns 0. Raises SettingsError on what cannot be."""
    out = Path(args.out or "prior.npz")
    if args.steps is None:
        args.steps = STEPS
    for flag in ("taste", "role"):
        if getattr(args, flag, None):
            raise SettingsError(f"--{flag} is for an agent; name one with --agent")
    if args.seeds != 1:
        raise SettingsError("--seeds is for an agent; name one with --agent")
    if args.steps <= 0 or not (args.minutes is None or args.minutes > 0):
        raise SettingsError("practice needs --steps of at least 1 and --minutes above 0; leave out what has no limit")
    if args.seed < 0:
        raise SettingsError(f"seed = {args.seed} is below 0; practice needs one of 0 or more")
    check_out(out, args.resume, args.force)
    figure = blank(args.plot) if args.plot else None
    text = None
    if args.rules:
        try:
            text = Path(args.rules).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"rules = {args.rules!r} cannot be read ({error})") from None
    start = load_prior(str(out)) if args.resume and out.exists() else None
    begun = time.monotonic()

    shown = [-1]

    def progress(done: int, row: np.ndarray) -> None:
        share = done / args.steps
        live = sys.stderr.isatty()
        if not live and int(share * LINES) == shown[0]:
            return
        shown[0] = int(share * LINES)
        speed = done / max(time.monotonic() - begun, 1e-9)
        bar = "█" * round(24 * share) + "·" * (24 - round(24 * share))
        means = "  ".join(f"{name} {value:+.3f}" for name, value in zip(HEADS, row[:3], strict=True))
        line = f"{bar} {done:>11,} steps  {speed:>9,.0f}/s  {means} "
        print(f"\r{line}" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)

    prior, curve = practice(
        args.steps, args.seed, load_weights(text, args.rules or "rules"), start, args.minutes or 0.0, progress
    )
    if sys.stderr.isatty():
        print(file=sys.stderr)
    write_model(out, pack_prior(prior))
    if figure is not None:
        across = BLOCK * np.arange(1, len(curve) + 1)
        of = {name: (across, curve[:, i]) for i, name in enumerate(HEADS)}
        curves(figure, args.plot, of, "steps", "mean reward (nats)")
    report = {"out": str(out), **prior.meta, "rules": dict(zip(RULES, prior.meta["rules"], strict=True))}  # type: ignore[call-overload]
    print(json.dumps(report) if args.json else f"{out}: {prior.meta['steps']:,} steps, seed {args.seed}")
    return 0


def check_out(out: Path, resume: bool = False, force: bool = False) -> None:
    """Raise SettingsError unless a file can be written there; one that is there is gone on from, or replaced."""
    if not out.parent.is_dir():
        raise SettingsError(f"out = {str(out)!r}: there is no folder {str(out.parent)!r}; make it first")
    if out.is_dir():
        raise SettingsError(f"out = {str(out)!r} is a folder; name a file in it")
    if out.exists() and not resume and not force:
        raise SettingsError(
            f"out = {str(out)!r} is there already; name another, go on from it by --resume, or replace it by --force"
        )


def write_model(out: Path, data: bytes) -> None:
    """Write it whole. Raises StoreError; what was there then still stands."""
    try:
        write_whole(out, data)
    except OSError as error:
        raise StoreError(f"{out} cannot be written ({error.strerror}); nothing there has been changed") from None


def _alpha(share: float) -> float:
    return ALPHA + (ALPHA_END - ALPHA) * share
