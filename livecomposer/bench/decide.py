"""What deciding and learning one step cost, called from Python, next to plain numpy doing the same.

Keys of the report: ``machine``; ``ok`` (always True); ``timer_us``: what an empty measurement takes (contained in all
others); a spread ``{n, p50, p99, max}`` in µs each for ``decide`` (softmax over one head), ``update`` (one Q update),
``decide_update`` (both), ``oracle_decide``, ``oracle_update``, ``oracle_decide_update`` (the same in numpy),
``epsilon_greedy``, ``rhythm_context``, ``melody_context``, ``harmony_context``, ``rhythm_prior``, ``melody_prior``,
``harmony_prior``, ``act`` (``TableAgent.act``),
``three`` (perceive, and the three decisions of one event), ``event`` (the same as the line plans it: with chord, form,
rules and the new context), ``receive`` (``Performance.receive`` of a note_on in harmonize, no driver: thru, decision,
added notes, all of the slack); ``solo_x``: how many times real time a solo runs in virtual time; ``env``: steps of the
environment in a second of CPU, uniform actions: ``steps`` (player, chords, form, event, rules), ``seen`` (the same with
the states, features and masks of the three heads), ``gym_melody`` and ``gym_duet`` (through
``gymnasium.make``; None without the extra ``gym``).
"""

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from livecomposer.bench.report import machine, row, spread

BLOCK = 500
CALLS, SHORT_CALLS = 20_000, 2_000
NOTES, SHORT_NOTES = 5_000, 500
SOLO_S, SHORT_SOLO_S = 600, 60
STEPS, SHORT_STEPS = 1_000_000, 50_000
KERNELS = (
    "decide", "oracle_decide", "update", "oracle_update", "decide_update", "oracle_decide_update", "epsilon_greedy",
    "rhythm_context", "rhythm_prior", "melody_context", "melody_prior", "harmony_context", "harmony_prior", "act",
    "three", "event",
)  # fmt: skip
LABELS = {
    "decide": "decide (softmax)", "oracle_decide": "  numpy", "update": "update (Q-learning)",
    "oracle_update": "  numpy", "decide_update": "decide + update", "oracle_decide_update": "  numpy",
    "epsilon_greedy": "decide (ε-greedy)", "rhythm_context": "context of rhythm",
    "melody_context": "context of melody", "harmony_context": "context of harmony", "act": "TableAgent.act",
    "rhythm_prior": "prior of rhythm", "melody_prior": "prior of melody", "harmony_prior": "prior of harmony",
    "steps": "compiled", "seen": "with features and masks", "gym_melody": "Melody-v0", "gym_duet": "Duet-v0",
    "three": "perceive, three decisions", "event": "an event of the line, planned",
}  # fmt: skip


def measure(short: bool) -> dict[str, Any]:
    """Run all; the calls take turns in blocks, so that the machine's noise reaches each."""
    cases = _cases()
    times: dict[str, list[int]] = {name: [] for name in cases}
    for call in cases.values():
        _time(call, 50)
    gc.collect()
    gc.disable()
    try:
        for _ in range((SHORT_CALLS if short else CALLS) // BLOCK):
            for name, call in cases.items():
                times[name] += _time(call, BLOCK)
        received = _receive(SHORT_NOTES if short else NOTES)
    finally:
        gc.enable()
    report = {name: spread(found) for name, found in times.items() if name != "timer"}
    return {
        "machine": machine(), "ok": True, "timer_us": spread(times["timer"])["p50"], **report,
        "receive": spread(received), "solo_x": round(_solo(SHORT_SOLO_S if short else SOLO_S)),
        "env": _env(SHORT_STEPS if short else STEPS),
    }  # fmt: skip


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table."""
    table = [row(LABELS[name], report[name], "µs") for name in KERNELS]
    ratio = report["oracle_decide_update"]["p50"] / max(report["decide_update"]["p50"], 1e-3)
    speeds = ", ".join(f"{LABELS[name]} {n:,}" for name, n in report["env"].items() if n)
    return [
        *table, row("Performance.receive, harmonize", report["receive"], "µs"),
        [f"numpy takes {ratio:.0f} × as long; each figure contains {report['timer_us']:.2f} µs of measuring"],
        [f"virtual time: a solo runs {report['solo_x']} × as fast as real time"],
        [f"environment, steps a second: {speeds}"],
    ]  # fmt: skip


def oracle_decide(q: np.ndarray, state: int, mask: np.ndarray, temperature: float, rng: np.random.Generator) -> int:
    """Softmax over the allowed actions in plain numpy (Sutton & Barto 2018, eq. 2.11)."""
    values = np.where(mask == 1, q[state], -np.inf)
    weights = np.exp((values - values.max()) / temperature)
    return int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum(), side="right"))


def oracle_update(
    q: np.ndarray, state: int, action: int, reward: float, next_state: int, next_mask: np.ndarray, alpha: float,
    gamma: float,
) -> float:  # fmt: skip
    """Q-learning in plain numpy (Watkins 1989; Sutton & Barto 2018, eq. 6.8)."""
    best = q[next_state][next_mask == 1].max()
    td_error = reward + gamma * best - q[state, action]
    q[state, action] += alpha * td_error
    return float(td_error)


def _cases() -> dict[str, Callable[[], object]]:
    from livecomposer.agents import kernels
    from livecomposer.agents.prior import load_prior
    from livecomposer.agents.registry import make_agents
    from livecomposer.instrument.performance import Performance
    from livecomposer.music import context, heads
    from livecomposer.music.actions import Ladder
    from livecomposer.music.context import MELODY
    from livecomposer.music.metre import parse_metre
    from livecomposer.settings import Settings

    agent = make_agents("q", 7, load_prior("shipped"))[0][MELODY]
    spec = agent.spec
    q = agent.state()["q"].copy()
    plain_q = q.copy()
    mask = np.ones(spec.n_actions, dtype=np.uint8)
    mask[:4] = 0
    features = np.zeros(spec.n_features, dtype=np.float32)
    rng, plain_rng = kernels.new_rng(7), np.random.default_rng(7)
    states = [int(s) for s in np.random.default_rng(7).integers(0, spec.n_states, 997)]
    heat, alpha, gamma = 0.06, 0.2, 0.3
    untraced = (np.zeros((0, spec.n_actions)), np.zeros(1, dtype=np.int64))
    at = 0

    def step() -> int:
        nonlocal at
        at = (at + 1) % 996
        return at

    def update(state: int, action: int, after: int) -> None:
        kernels.td_update(
            q, *untraced, mask, state, action, 0.1, after, 7, kernels.Q_LEARNING, alpha, gamma, 0.0, 0.1, 0.0, True
        )

    def decide_update() -> None:
        i = step()
        state = states[i]
        action = kernels.softmax_decide(q, state, mask, none, none, 0.02, heat, rng)
        update(state, action, states[i + 1])

    def oracle_decide_update() -> None:
        i = step()
        state = states[i]
        action = oracle_decide(plain_q, state, mask, heat, plain_rng)
        oracle_update(plain_q, state, action, 0.1, states[i + 1], mask, alpha, gamma)

    ladder = Ladder(0, (0, 2, 4, 5, 7, 9, 11)).row
    own, world = context.new_own(), context.new_world(parse_metre("4/4"), 48, 84)
    context.hear(world, 0, 64)
    specs = context.HEADS
    room = [(np.zeros(h.n_features, dtype=np.float32), np.zeros(h.n_actions, dtype=np.uint8)) for h in specs]
    weights = load_prior("shipped").weights
    values = [np.zeros(h.n_actions) for h in specs]
    line = Performance(Settings(role="solo", seed=7)).line
    none = np.zeros(spec.n_actions)

    def three() -> None:
        line.rhythm(False)
        line.harmonize(line.own, line.melody(False)[1], False)

    def event() -> None:
        line.extend(int(line.own[context.TICK]) + 1, False)
        line.events.clear()

    return {
        "timer": lambda: None,
        "decide": lambda: kernels.softmax_decide(q, states[step()], mask, none, none, 0.02, heat, rng),
        "oracle_decide": lambda: oracle_decide(plain_q, states[step()], mask, heat, plain_rng),
        "update": lambda: update(states[step()], 7, 3),
        "oracle_update": lambda: oracle_update(plain_q, states[step()], 7, 0.1, 3, mask, alpha, gamma),
        "decide_update": decide_update,
        "oracle_decide_update": oracle_decide_update,
        "epsilon_greedy": lambda: kernels.epsilon_greedy_decide(q, states[step()], mask, none, none, 0.02, 0.1, rng),
        "rhythm_context": lambda: heads.rhythm_context(own, world, *room[0]),
        "melody_context": lambda: heads.melody_context(own, world, ladder, *room[1]),
        "harmony_context": lambda: heads.harmony_context(own, world, ladder, 64, *room[2]),
        "rhythm_prior": lambda: heads.rhythm_prior(own, world, weights[0], room[0][1], values[0]),
        "melody_prior": lambda: heads.melody_prior(own, world, ladder, weights[1], room[1][1], values[1]),
        "harmony_prior": lambda: heads.harmony_prior(own, world, ladder, 64, weights[2], values[2]),
        "act": lambda: agent.act(states[step()], features, mask, none, none),
        "three": three,
        "event": event,
    }


def _time(call: Callable[[], object], n: int) -> list[int]:
    clock = time.perf_counter_ns
    found = []
    for _ in range(n):
        start = clock()
        call()
        found.append(clock() - start)
    return found


def _receive(notes: int) -> list[int]:
    """Single keys 50 virtual ms apart, so that each is answered."""
    from livecomposer.instrument.performance import Performance
    from livecomposer.settings import Settings

    performance = Performance(Settings(role="harmonize", seed=7))
    clock = time.perf_counter_ns
    found = []
    for i in range(notes + 50):
        t_ns = i * 50_000_000
        msg = bytes((0x90, 55 + i * 5 % 20, 90))
        start = clock()
        performance.receive(t_ns, msg)
        took = clock() - start
        if i >= 50:
            found.append(took)
        performance.receive(t_ns + 25_000_000, bytes((0x80, msg[1], 0)))
        performance.advance(t_ns + 26_000_000)
    return found


def _solo(seconds: int) -> float:
    from livecomposer.instrument.performance import Performance
    from livecomposer.settings import Settings

    performance = Performance(Settings(role="solo", seed=7))
    start = time.perf_counter()
    performance.advance(seconds * 1_000_000_000)
    return seconds / (time.perf_counter() - start)


def _env(n: int) -> dict[str, int | None]:
    """Steps a second: half of them solo, half duet."""
    from livecomposer.agents.prior import load_prior
    from livecomposer.music import env
    from livecomposer.music.context import HEADS, ROLES

    stage = env.Stage(load_prior("shipped").style, 7)
    specs = HEADS
    features = np.zeros(sum(spec.n_features for spec in specs), dtype=np.float32)
    mask = np.zeros(sum(spec.n_actions for spec in specs), dtype=np.uint8)
    arrays = (
        stage.own, stage.world, stage.trace, stage.ladder, stage.style, stage.player, stage.rng, stage.columns,
        features, mask,
    )  # fmt: skip

    def speed(seen: bool) -> int:
        took = 0.0
        for role in ("solo", "duet"):
            env.wander(*arrays, 100, ROLES.index(role), seen)  # warm
            start = time.process_time()
            env.wander(*arrays, n // 2, ROLES.index(role), seen)
            took += time.process_time() - start
        return round(n / took)

    return {
        "steps": speed(False), "seen": speed(True),
        "gym_melody": _gym("Melody", n // 10), "gym_duet": _gym("Duet", n // 10),
    }  # fmt: skip


def _gym(name: str, n: int) -> int | None:
    try:
        import gymnasium

        import livecomposer.music.gym  # noqa: F401 - makes the names known
    except ImportError:
        return None
    made = gymnasium.make(f"livecomposer/{name}-v0")
    made.action_space.seed(7)
    actions = [made.action_space.sample() for _ in range(1000)]
    made.reset(seed=7)
    start = time.process_time()
    for i in range(n):
        if made.step(actions[i % 1000])[2]:
            made.reset()
    return round(n / (time.process_time() - start))
