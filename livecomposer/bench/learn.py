"""Trains an agent on a Gymnasium environment: ``bench learn --env CartPole-v1 --agent ppo --steps 100000 --seed 1``.

JSON: ``env``, ``agent``, ``seed``, ``steps`` (taken), ``best_return`` (mean greedy return of 100 fresh episodes with
the best weights), ``solved_at_step`` (when the mean of 100 greedy episodes first reached what the environment asks for;
null: never, or it asks for nothing), ``cpu_s`` (of all, evaluations included), ``hyper`` (the hyper-parameters),
``curve`` (evaluations while training: [step, mean return] each), ``set_aside`` (steps with a number that was not
finite), ``machine``, ``ok`` (always true). Nothing but the flags decides the result, except with several workers of
A3C: they change the weights as it happens.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from livecomposer.agents.registry import TABULAR, hyper_of, make_trainer
from livecomposer.bench.report import machine, need
from livecomposer.errors import SettingsError
from livecomposer.picture import blank, curves

STEPS, SHORT_STEPS = 100_000, 4_000


def measure(
    short: bool, env: str = "CartPole-v1", agent: str = "ppo", steps: int | None = None, seed: int = 1,
    hyper: list[str] | None = None, plot: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Train once; ``hyper`` are texts "name=value", ``plot`` a file for the curve. Raises SettingsError on what cannot
    be."""
    figure = blank(plot) if plot else None
    if steps is None:
        steps = SHORT_STEPS if short else STEPS
    if steps < 1:
        raise SettingsError(f"steps = {steps}; training takes at least 1")
    if seed < 0:
        raise SettingsError(f"seed = {seed} is below 0; training needs one of 0 or more")
    chosen = hyper_of(agent, _pairs(hyper or []))
    need("learn", "gymnasium")
    from livecomposer.agents import school

    first = school.Adapter(env, seed)
    begun = time.process_time()

    def new(seed: int) -> school.Adapter:
        return school.Adapter(env, seed)

    if agent in TABULAR:
        if not first.n_states:
            raise SettingsError(f"env = {env!r} has no discrete states, which agent {agent} needs; choose a network")
        from livecomposer.agents.tabular import Learner

        _, report = school.train_table(lambda: Learner(first.n_states, first.n_actions, chosen, seed), new, steps, seed)
        bad = 0
    else:
        trainer, report = school.train(
            lambda: make_trainer(agent, first.n_features, first.n_actions, chosen, seed), new, steps, seed, together
        )
        bad = trainer.bad
    if figure is not None:
        across, up = zip(*report.curve, strict=True)
        goal = first.env.spec.reward_threshold if first.env.spec else None
        curves(figure, plot, {agent: (across, up)}, f"steps in {env}", "mean greedy return", level=goal)
    return {
        "env": env, "agent": agent, "seed": seed, "steps": report.curve[-1][0],
        "best_return": round(report.best_return, 3), "solved_at_step": report.solved_at_step,
        "cpu_s": round(time.process_time() - begun, 2), "hyper": asdict(chosen), "set_aside": bad,
        "curve": [[step, round(mean, 2)] for step, mean in report.curve], "machine": machine(), "ok": True,
    }  # fmt: skip


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table."""
    table = [[f"{step:,} steps", f"{mean:.1f}"] for step, mean in report["curve"]]
    solved = report["solved_at_step"]
    said = [f"solved after {solved:,} steps" if solved is not None else "not solved"]
    if report["set_aside"]:
        said.append(f"{report['set_aside']:,} steps set aside: a number in them was not finite")
    return [
        [f"{report['agent']} on {report['env']}", "mean greedy return"], *table,
        ["best weights, 100 episodes", f"{report['best_return']:.1f}"], [f"{'; '.join(said)}; {report['cpu_s']} s CPU"],
    ]  # fmt: skip


def together(runs: list[Callable[[], None]]) -> None:
    """Run functions at once, each on a thread of its own, and wait."""
    with ThreadPoolExecutor(len(runs)) as pool:
        for done in [pool.submit(run) for run in runs]:
            done.result()


def _pairs(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise SettingsError(f"hyper = {text!r} is not of the form name=value")
        found[name.strip().replace("-", "_")] = value.strip()
    return found
