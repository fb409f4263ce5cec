"""How fast agents decide and learn, next to Stable-Baselines3 (the extra ``referee``) in the same run, on one thread.

JSON: ``machine``; ``ok`` (always True); ``decide``: p50 in µs of ``table``, ``network`` (64-64-64-64, 48 features, 14
actions, its decision drawn), and where PyTorch is installed ``torch`` (the same network, no gradients), ``sb3_dqn`` and
``sb3_ppo`` (``predict``); ``dqn_step`` (p50 in µs of one update, batch 32, that network) and ``sb3_dqn_step``;
``taxi``: steps of tabular Q-learning in a second of CPU, in one kernel; ``cartpole``: steps of Gymnasium's own CartPole
in a second of CPU, 64-64 networks, by ``dqn`` and ``a2c`` (one environment each) and ``ppo`` (8 × 32 steps, 20 epochs),
``sb3_dqn``, ``sb3_a2c``, ``sb3_ppo`` with the same hyper-parameters (A2C: 5 steps an update); ``practice``: events of
all heads in a second, as ``practice --agent`` trains on all cores there are, by ``ppo`` (4 epochs), ``a2c``, ``a3c``
(two workers), ``a3c_1`` (one) and ``q`` (networks 32-32). What is not installed is None.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from livecomposer.agents.kernels import new_rng
from livecomposer.agents.registry import hyper_of, make_trainer
from livecomposer.bench.report import machine, need

CALLS, SHORT_CALLS = 2_000, 200
STEPS, SHORT_STEPS = 8_192, 512
TAXI, SHORT_TAXI = 5_000_000, 200_000
EVENTS, SHORT_EVENTS = 20, 1  # calls of ``Imagined.play``
N_FEATURES, N_ACTIONS, WIDTH, DEPTH = 48, 14, 64, 4
ENV = "CartPole-v1"


def measure(short: bool) -> dict[str, Any]:
    """Run all."""
    need("speed", "gymnasium")
    calls, steps = (SHORT_CALLS, SHORT_STEPS) if short else (CALLS, STEPS)
    decide, step = _decide(calls)
    other = {"torch": None, "sb3_dqn": None, "sb3_ppo": None}
    other_step = None
    cartpole: dict[str, Any] = {name: _cartpole(name, steps) for name in ("dqn", "a2c", "ppo")}
    cartpole |= dict.fromkeys(("sb3_dqn", "sb3_a2c", "sb3_ppo"))
    if find_spec("stable_baselines3") is not None:
        from livecomposer.bench.referee import decisions, training

        other, other_step = decisions(calls, N_FEATURES, N_ACTIONS, [WIDTH] * DEPTH)
        cartpole |= training(steps, ENV)
    return {
        "machine": machine(), "ok": True, "decide": {**decide, **other}, "dqn_step": step, "sb3_dqn_step": other_step,
        "taxi": _taxi(SHORT_TAXI if short else TAXI), "cartpole": cartpole,
        "practice": {
            name: _practice(name, SHORT_EVENTS if short else EVENTS) for name in ("ppo", "a2c", "a3c_1", "a3c", "q")
        },
    }  # fmt: skip


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table."""

    def beside(mine: float, other: float | None, faster: Callable[[float, float], float]) -> str:
        return "not installed" if other is None else f"{other:,.1f}: {faster(mine, other):.1f} ×"

    decide, cartpole = report["decide"], report["cartpole"]
    times = [("decide: table", decide["table"], None), ("decide: 64-64-64-64", decide["network"], decide["sb3_dqn"]),
             ("  beside torch without gradients", decide["network"], decide["torch"]),
             ("DQN step, batch 32, 64-64-64-64", report["dqn_step"], report["sb3_dqn_step"])]  # fmt: skip
    table = [[f"{name}, µs", f"{mine:.1f}", beside(mine, other, lambda a, b: b / a)] for name, mine, other in times]
    for name in ("dqn", "a2c", "ppo"):
        mine, other = cartpole[name], cartpole[f"sb3_{name}"]
        table.append([f"CartPole, 64-64, {name}: steps/CPU s", f"{mine:,}", beside(mine, other, lambda a, b: a / b)])
    table.append(["Taxi from its tables: steps/CPU s", f"{report['taxi']:,}", ""])
    for name, n in report["practice"].items():
        table.append([f"practice, {name}: events/s, all cores", f"{n:,}", ""])
    return [["", "here", "Stable-Baselines3"], *table]


def _p50(call: Callable[[], object], n: int) -> float:
    """Median of ``n`` calls, µs."""
    times = []
    for _ in range(n):
        begun = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - begun)
    return round(float(np.median(times)) / 1000, 2)


def _decide(n: int) -> tuple[dict[str, Any], float]:
    """p50 of decisions, and of a DQN step."""
    from livecomposer.agents.tabular import Learner

    random = np.random.default_rng(1)
    features = random.random(N_FEATURES).astype(np.float32)
    mask, prior, rng = np.ones(N_ACTIONS, dtype=np.uint8), np.zeros(N_ACTIONS), new_rng(1)
    table = Learner(150, N_ACTIONS, hyper_of("q"), 1)
    shape = {"width": str(WIDTH), "depth": str(DEPTH), "batch": "32", "memory": "4096"}
    dqn = make_trainer("dqn", N_FEATURES, N_ACTIONS, hyper_of("dqn", shape), 1)
    rows = _random_rows(random)
    dqn.learn(rows)
    decide = {
        "table": _p50(lambda: table.act(7, mask), n),
        "network": _p50(lambda: dqn.decide(features, mask, prior, rng, 1.0), n),
    }
    return decide, _p50(dqn.update, n)  # type: ignore[attr-defined]


def _random_rows(random: np.random.Generator) -> Any:
    from livecomposer.agents.rows import Rows

    rows = Rows(N_FEATURES, N_ACTIONS, 1, 2048)
    rows.features[:] = random.random(rows.features.shape)
    rows.action[:] = random.integers(0, N_ACTIONS, 2048)
    rows.reward[:] = random.normal(size=2048)
    rows.ghost[:-1] = 0
    return rows


SAME = {
    "dqn": {"width": "64", "horizon": "256", "updates": "128", "batch": "64", "memory": "100000"},
    "a2c": {"lanes": "1", "horizon": "5", "lambda": "1.0", "alpha": "7e-4"},
    "ppo": {},
}


def _cartpole(name: str, steps: int) -> int:
    """Steps in a second of CPU, without evaluations."""
    from livecomposer.agents.school import Adapter, Course

    trainer = make_trainer(name, 4, 2, hyper_of(name, SAME[name]), 1)
    course = Course(trainer, [Adapter(ENV, lane) for lane in range(trainer.lanes)])
    course.round(0.0)
    begun, done = time.process_time(), 0
    while done < steps:
        done += course.round(done / steps)
    return round(done / (time.process_time() - begun))


def _taxi(steps: int) -> int:
    import gymnasium

    from livecomposer.agents.tables import Tables
    from livecomposer.agents.tabular import Learner

    env: Any = gymnasium.make("Taxi-v4").unwrapped
    problem = Tables(env.P, env.initial_state_distrib)
    learner = Learner(500, 6, hyper_of("q"), 1)
    begun = time.process_time()
    problem.train(learner, steps, longest=200)
    return round(steps / (time.process_time() - begun))


def _practice(name: str, n: int) -> int:
    from livecomposer.music.rules import load_weights
    from livecomposer.practice_agents import EVENTS as CHUNK
    from livecomposer.practice_agents import Wanted, practise
    from livecomposer.ratings.features import N_FEATURES as FELT

    rates = []
    agent, _, one = name.partition("_")
    wanted = Wanted(agent, np.zeros(FELT), "duet", n * CHUNK, 0.0, 1, load_weights(), "shipped", None)
    before = [0, time.perf_counter()]

    def progress(done: int, seconds: float, reward: float, entropy: float) -> None:
        now = time.perf_counter()
        rates.append((done - before[0]) / (now - before[1]))
        before[:] = done, now

    practise(wanted._replace(workers=1) if one else wanted, progress)
    return round(float(np.median(rates)))
