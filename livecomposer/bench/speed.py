"""How fast agents decide and learn, next to Stable-Baselines3 (the extra ``referee``) in the same run, on one thread.

All take turns (`TURNS`), for a machine has spells of half its speed; a figure is the median of its turns, and how much
faster something is, the median of what each turn says.

JSON: ``machine``; ``ok`` (always True); ``decide``: p50 in µs of ``table``, ``network`` (64-64-64-64, 48 features, 14
actions, its decision drawn), and where PyTorch is installed ``torch`` (the same network, no gradients), ``sb3_dqn`` and
``sb3_ppo`` (``predict``); ``dqn_step`` (p50 in µs of one update, batch 32, that network) and ``sb3_dqn_step``;
``taxi``: steps of tabular Q-learning in a second of CPU, in one kernel; ``cartpole``: steps of Gymnasium's own CartPole
in a second of CPU, 64-64 networks, by ``dqn`` and ``a2c`` (one environment each) and ``ppo`` (8 × 32 steps, 20 epochs),
``sb3_dqn``, ``sb3_a2c``, ``sb3_ppo`` with the same hyper-parameters (A2C: 5 steps an update); ``practice``: events of
all heads in a second, as ``practice --agent`` trains on all cores there are, by ``ppo`` (4 epochs), ``a2c``, ``a3c``
(two workers), ``a3c_1`` (one) and ``q`` (networks 32-32); ``faster``: by what is faster how many times, ``network``
than ``sb3_dqn``, ``without_gradients`` (the same) than ``torch``, ``dqn_step``, ``dqn``, ``a2c``, ``ppo`` than
Stable-Baselines3's, ``a3c`` than ``a3c_1``. What is not installed is None.
"""

import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np

from livecomposer.agents.kernels import new_rng
from livecomposer.agents.registry import hyper_of, make_trainer
from livecomposer.bench.report import machine, need

TURNS, SHORT_TURNS = 9, 1
CALLS, SHORT_CALLS = 300, 100  # a turn
STEPS, SHORT_STEPS = 2_048, 512
TAXI, SHORT_TAXI = 1_000_000, 200_000
WARM = 2_048  # steps before the first turn: then all learn
EVENTS, SHORT_EVENTS = 7, 4  # calls of ``Imagined.play``, of which the first is not counted
LONG = 1 << 40  # events of a practice that goes on
N_FEATURES, N_ACTIONS, WIDTH, DEPTH = 48, 14, 64, 4
ENV = "CartPole-v1"
PRACTISE = ("ppo", "a2c", "a3c_1", "a3c", "q")
SAME = {
    "dqn": {"double": "false", "width": "64", "horizon": "256", "updates": "128", "batch": "64", "memory": "100000"},
    "a2c": {"lanes": "1", "horizon": "5", "lambda": "1.0", "alpha": "7e-4"},
    "ppo": {},
}
Turn = dict[str, float]


def measure(short: bool) -> dict[str, Any]:
    """Run all."""
    need("speed", "gymnasium")
    calls, steps, taxi, events, turns = (
        (SHORT_CALLS, SHORT_STEPS, SHORT_TAXI, SHORT_EVENTS, SHORT_TURNS) if short
        else (CALLS, STEPS, TAXI, EVENTS, TURNS)
    )  # fmt: skip
    decide, step = _deciders()
    learn: dict[str, Callable[[int], float]] = {name: _on_cartpole(name) for name in SAME}
    if find_spec("stable_baselines3") is not None:
        from livecomposer.bench import referee

        others, other_step = referee.deciders(N_FEATURES, N_ACTIONS, [WIDTH] * DEPTH)
        decide |= others
        step |= other_step
        learn |= referee.learners(ENV, WARM)
    each: dict[str, Callable[[], float]] = {name: partial(_p50, call, calls) for name, call in decide.items()}
    decisions = by_turns(each, turns)
    updates = by_turns({name: partial(_p50, call, max(calls // 4, 20)) for name, call in step.items()}, turns)
    side_by_side = [name for mine in SAME for name in (mine, f"sb3_{mine}") if name in learn]
    cartpole = by_turns({name: partial(learn[name], steps) for name in side_by_side}, turns)
    practice = by_turns({name: partial(_practice, name, events) for name in PRACTISE}, turns)
    return {
        "machine": machine(turns=turns), "ok": True,
        "decide": {name: _median(decisions, name) for name in ("table", "network", "torch", "sb3_dqn", "sb3_ppo")},
        **{name: _median(updates, name) for name in ("dqn_step", "sb3_dqn_step")},
        "taxi": _median(by_turns({"taxi": partial(_taxi, taxi)}, turns), "taxi"),
        "cartpole": {f"{by}{name}": _median(cartpole, f"{by}{name}") for by in ("", "sb3_") for name in SAME},
        "practice": {name: _median(practice, name) for name in PRACTISE},
        "faster": {
            "network": _times(decisions, "sb3_dqn", "network"),
            "without_gradients": _times(decisions, "torch", "network"),
            "dqn_step": _times(updates, "sb3_dqn_step", "dqn_step"),
            **{name: _times(cartpole, name, f"sb3_{name}") for name in SAME}, "a3c": _times(practice, "a3c", "a3c_1"),
        },
    }  # fmt: skip


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table."""
    decide, cartpole, faster = report["decide"], report["cartpole"], report["faster"]

    def beside(other: float | None, name: str) -> str:
        return "not installed" if other is None else f"{other:,.1f}: {faster[name]:.1f} ×"

    network = f"{N_FEATURES} in, {'-'.join([str(WIDTH)] * DEPTH)}, {N_ACTIONS} out"
    table = [
        ["", "here", "Stable-Baselines3"],
        ["decide: table, µs", f"{decide['table']:.1f}", ""],
        [f"decide: {network}, µs", f"{decide['network']:.1f}", beside(decide["sb3_dqn"], "network")],
        ["  beside torch without gradients", "", beside(decide["torch"], "without_gradients")],
    ]
    step, other_step = report["dqn_step"], report["sb3_dqn_step"]
    table.append([f"DQN step, batch 32, {network}, µs", f"{step:.1f}", beside(other_step, "dqn_step")])
    for name in SAME:
        mine = f"{cartpole[name]:,.0f}"
        lanes = "8 environments" if name == "ppo" else "1 environment"
        table.append([f"CartPole, 64-64, {name}, {lanes}: steps/CPU s", mine, beside(cartpole[f"sb3_{name}"], name)])
    table.append(["Taxi from its tables: steps/CPU s", f"{report['taxi']:,.0f}", ""])
    for name, n in report["practice"].items():
        times = f"{faster['a3c']:.2f} × one worker" if name == "a3c" else ""
        what = "table" if name == "q" else "32-32"
        table.append([f"practice, {name}, {what}, {1 if name == 'a3c_1' else 2} stages: events/s", f"{n:,.0f}", times])
    return table


def by_turns(contenders: dict[str, Callable[[], float]], turns: int) -> list[Turn]:
    """What each gives, turn by turn."""
    return [{name: contend() for name, contend in contenders.items()} for _ in range(turns)]


def _median(turns: list[Turn], name: str) -> float | None:
    return round(median(turn[name] for turn in turns), 2) if name in turns[0] else None


def _times(turns: list[Turn], more: str, less: str) -> float | None:
    """How many times ``less`` goes into ``more``."""
    if not {more, less} <= set(turns[0]):
        return None
    return round(median(turn[more] / turn[less] for turn in turns), 2)


def _p50(call: Callable[[], object], n: int) -> float:
    """Median of ``n`` calls, µs."""
    times = []
    for _ in range(n):
        begun = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - begun)
    return median(times) / 1000


def _deciders() -> tuple[dict[str, Callable[[], Any]], dict[str, Callable[[], Any]]]:
    """Decisions, and a DQN step."""
    from livecomposer.agents.tabular import Learner

    random = np.random.default_rng(1)
    features = random.random(N_FEATURES).astype(np.float32)
    mask, prior, rng = np.ones(N_ACTIONS, dtype=np.uint8), np.zeros(N_ACTIONS), new_rng(1)
    table = Learner(150, N_ACTIONS, hyper_of("q"), 1)
    shape = {"width": str(WIDTH), "depth": str(DEPTH), "batch": "32", "memory": "4096"}
    dqn = make_trainer("dqn", N_FEATURES, N_ACTIONS, hyper_of("dqn", shape), 1)
    dqn.learn(_random_rows(random))
    decide: dict[str, Callable[[], Any]] = {
        "table": lambda: table.act(7, mask), "network": lambda: dqn.decide(features, mask, prior, rng, 1.0)
    }  # fmt: skip
    return decide, {"dqn_step": dqn.update}  # type: ignore[attr-defined]


def _random_rows(random: np.random.Generator) -> Any:
    from livecomposer.agents.rows import Rows

    rows = Rows(N_FEATURES, N_ACTIONS, 1, 2048)
    rows.features[:] = random.random(rows.features.shape)
    rows.action[:] = random.integers(0, N_ACTIONS, 2048)
    rows.reward[:] = random.normal(size=2048)
    rows.ghost[:-1] = 0
    return rows


def _on_cartpole(name: str) -> Callable[[int], float]:
    """Goes on training, and gives steps in a second of CPU, without evaluations."""
    from livecomposer.agents.school import Adapter, Course

    trainer = make_trainer(name, 4, 2, hyper_of(name, SAME[name]), 1)
    course = Course(trainer, [Adapter(ENV, lane) for lane in range(trainer.lanes)])
    total = 0

    def run(steps: int) -> float:
        nonlocal total
        begun, done = time.process_time(), 0
        while done < steps:
            done += course.round(min(total / (steps * TURNS), 1.0))
        total += done
        return done / (time.process_time() - begun)

    run(WARM)
    return run


def _taxi(steps: int) -> float:
    import gymnasium

    from livecomposer.agents.tables import Tables
    from livecomposer.agents.tabular import Learner

    env: Any = gymnasium.make("Taxi-v4").unwrapped
    problem = Tables(env.P, env.initial_state_distrib)
    learner = Learner(500, 6, hyper_of("q"), 1)
    begun = time.process_time()
    problem.train(learner, steps, longest=200)
    return steps / (time.process_time() - begun)


def _practice(name: str, n: int) -> float:
    from livecomposer.music.rules import load_weights
    from livecomposer.practice_agents import EVENTS as CHUNK
    from livecomposer.practice_agents import Wanted, practise
    from livecomposer.ratings.features import N_FEATURES as FELT

    came: list[tuple[int, float]] = []
    agent, _, one = name.partition("_")
    wanted = Wanted(agent, np.zeros(FELT), "duet", LONG, 0.0, 1, load_weights(), "shipped", None)

    def progress(done: int, seconds: float, reward: float, entropy: float) -> None:
        came.append((done, time.perf_counter()))
        if done >= n * CHUNK:
            raise KeyboardInterrupt  # that is enough; what it earns is not looked at before

    practise(wanted._replace(workers=1) if one else wanted, progress)
    (first, begun), (last, ended) = came[0], came[-1]
    return (last - first) / (ended - begun)
