"""``practice --agent``: what a taste likes is played more, and ``play --model`` begins with the model."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import current_thread

import numpy as np
import pytest

from livecomposer import Performance, Settings, cli
from livecomposer import practice_agents as module
from livecomposer.agents.imagined import NAT, Imagined, _choose, rows_of
from livecomposer.agents.model import pack, unpack
from livecomposer.agents.prior import load_prior
from livecomposer.agents.registry import NETWORKS, TABULAR, hyper_of, make_agents
from livecomposer.errors import LivecomposerError
from livecomposer.music.context import HEADS, ROLE, ROLES, TICK
from livecomposer.music.rules import HEAD_OF, N_RULES, load_weights
from livecomposer.practice_agents import EVENTS, Wanted, practise
from livecomposer.ratings.features import N_ACTIVE, N_FEATURES, NAMES
from tests.agents import naive

LIKED = NAMES.index("voicing.1")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("livecomposer.desk.wiring.kernels_made", lambda what: True)

    def call(*arguments):
        code = cli.main(["practice", *(str(a) for a in arguments)])
        return code, *capsys.readouterr()

    return call


def wanted(name: str, steps: int, **changes) -> Wanted:
    liked = np.zeros(N_FEATURES)
    liked[LIKED] = 1.0
    return Wanted(name, liked, "solo", steps, 0.0, 1, np.zeros(N_RULES), "shipped", None)._replace(**changes)


@pytest.mark.parametrize("name", [*TABULAR[:2], *NETWORKS])
def test_what_is_liked_is_played_more(name):
    """Rewarded by one feature alone: its share of events grows by a half at least, on music not practised on."""
    found = practise(wanted(name, 20 * EVENTS))
    assert found.metrics["reward"] > 1.5 * found.metrics["prior"] > 0.0
    assert found.steps == 20 * EVENTS
    for array in found.arrays.values():
        assert np.isfinite(array).all()


def test_the_same_seed_learns_the_same():
    one, same, other = (practise(wanted("ppo", EVENTS, seed=seed)) for seed in (1, 1, 2))
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, same.arrays[name])
    assert any((one.arrays[name] != array).any() for name, array in other.arrays.items())


def test_a_model_is_what_the_instrument_begins_with(run, tmp_path):
    code, out, err = run("--agent", "ppo", "--steps", EVENTS, "--role", "solo", "--json", "--plot", "curve.png")
    report = json.loads(out)
    assert (code, report["out"], report["agent"], report["steps"], report["role"]) == (
        0,
        "ppo.npz",
        "ppo",
        EVENTS,
        "solo",
    )
    assert set(report["metrics"]) == {"reward", "prior"}
    assert {"hyper", "taste", "taste_crc", "seed"} <= set(report)
    assert "█" in err and "entropy" in err
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    p = Performance(Settings(role="solo", seed=1, agent="ppo", model="ppo.npz"))
    arrays, _ = unpack((tmp_path / "ppo.npz").read_bytes())
    np.testing.assert_array_equal(p.learning.agents[1].state()["params"], arrays["melody.params"])
    plain = Performance(Settings(role="solo", seed=1, agent="ppo")).advance(20_000_000_000)
    assert p.advance(20_000_000_000) != plain


def test_resume_goes_on(run):
    steps, seen, seeds = [], [], []
    practise = module.practise

    def watched(wanted, show):
        seen.append(wanted.start)
        seeds.append(wanted.seed)
        return practise(wanted, show)

    for more in ((), ("--resume",)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "practise", watched)
            steps.append(json.loads(run("--agent", "a2c", "--steps", EVENTS, "--json", *more)[1])["steps"])
        kept = Path("a2c.npz").read_bytes()
        seen.append(kept)
    assert steps == [EVENTS, 2 * EVENTS]
    assert seen[0] is None and seen[2] == seen[1] != seen[3]  # it begins with what was written
    assert seeds[1] == seeds[0] + EVENTS  # and to other music


@pytest.mark.parametrize("name", ["q", "a3c", "ppo"])
def test_what_it_goes_on_from_is_all_that_it_stands_on(name):
    begun = practise(wanted(name, 2 * EVENTS))
    data = pack(begun.arrays, {"kind": "model", "agent": name, "layout": begun.layout})
    again = practise(wanted(name, 0, start=data))
    assert (again.steps, again.metrics) == (0, begun.metrics)
    for key, array in begun.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[key])


def test_it_says_what_it_goes_on_with(run):
    code, _, err = run("--agent", "q", "--steps", EVENTS, "--role", "solo")
    assert code == 0 and "goes on" not in err
    code, _, err = run("--agent", "q", "--steps", EVENTS, "--role", "duet", "--resume")
    assert (code, unpack(Path("q.npz").read_bytes())[1]["role"]) == (0, "duet")
    assert 'It has practised with role "solo" so far and goes on with "duet".' in err.splitlines()


@pytest.mark.parametrize("name", ["q", "a3c"])
@pytest.mark.parametrize("best", [0, 3, 7])
def test_the_best_weights_are_kept(name, best, monkeypatch):
    """Whatever became of them later."""
    looked = []
    earns = module._earns

    def fake(music, agent, heads, policy, calls):
        if calls != module.LOOKED:
            return earns(music, agent, heads, policy, calls)
        looked.append([{key: array.copy() for key, array in head.state().items()} for head in heads])
        return 1.0 if len(looked) - 1 == best else 0.5

    monkeypatch.setattr(module, "_earns", fake)
    found = practise(wanted(name, 16 * EVENTS, workers=1))
    assert len(looked) == module.LOOKS
    for spec, state in zip(HEADS, looked[best], strict=True):
        for key, array in state.items():
            np.testing.assert_array_equal(found.arrays[f"{spec.name}.{key}"], array)
    assert any((a != b).any() for a, b in zip(looked[0][2].values(), looked[-1][2].values(), strict=True))


def test_what_it_goes_on_from_may_stay_the_best(monkeypatch):
    begun = practise(wanted("q", 2 * EVENTS))
    data = pack(begun.arrays, {"kind": "model", "agent": "q", "layout": begun.layout})
    earned = iter([1.0, *[0.5] * module.LOOKS])
    earns = module._earns
    monkeypatch.setattr(module, "_earns", lambda *args: next(earned) if args[-1] == module.LOOKED else earns(*args))
    again = practise(wanted("q", 8 * EVENTS, seed=2, start=data))
    assert again.steps == 8 * EVENTS
    for key, array in begun.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[key])


def test_of_several_seeds_the_best_is_kept(run):
    """In processes of their own, on music that none has practised on."""
    alone = [practise(wanted("q", 2 * EVENTS, seed=seed, liked=np.zeros(N_FEATURES), rules=load_weights()))
             for seed in (5, 6)]  # fmt: skip
    rewards = [learnt.metrics["reward"] for learnt in alone]
    best = rewards.index(max(rewards))
    code, out, err = run("--agent", "q", "--steps", 2 * EVENTS, "--seeds", 2, "--seed", 5, "--role", "solo", "--json")
    report = json.loads(out)
    assert (code, report["seed"], report["metrics"]) == (0, 5 + best, alone[best].metrics)
    assert rewards[0] != rewards[1] and "2 seeds" in err
    arrays, meta = unpack(Path("q.npz").read_bytes())
    assert meta["seed"] == 5 + best
    for key, array in alone[best].arrays.items():
        np.testing.assert_array_equal(arrays[key], array)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_saves_what_several_have_learnt(tmp_path):
    command = [sys.executable, "-m", "livecomposer", "practice", "--agent", "q", "--seeds", "2", "--minutes", "0.5"]
    root = Path(__file__).parents[1]
    child = subprocess.Popen(
        [*command, "--json"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        while "█" not in (line := child.stderr.readline()):  # a tenth is over: both have begun, or one has
            assert line
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    report = json.loads(out)
    assert (child.returncode, report["out"]) == (0, "q.npz") and report["steps"] > 0
    assert unpack((tmp_path / "q.npz").read_bytes())[1]["steps"] == report["steps"]


def test_a_model_that_cannot_be_written_is_one_sentence(run, monkeypatch):
    run("--agent", "q", "--steps", EVENTS)
    before = Path("q.npz").read_bytes()

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("livecomposer.practice.write_whole", full)
    code, _, err = run("--agent", "q", "--steps", EVENTS, "--resume")
    assert code == 2
    assert err.splitlines()[-1].endswith(
        "q.npz cannot be written (No space left on device); nothing there has been changed"
    )
    assert Path("q.npz").read_bytes() == before


def test_it_says_what_was_no_finite_number(run, monkeypatch):
    play = Imagined.play

    def odd(music, *arguments):
        earned = play(music, *arguments)
        music._reward[1, 3] = np.inf
        return earned

    monkeypatch.setattr(Imagined, "play", odd)
    code, _, err = run("--agent", "ppo", "--steps", EVENTS)
    assert code == 0
    assert err.splitlines()[-1] == "2 choices were no finite numbers and have been left out."  # one of each stage
    assert all(np.isfinite(array).all() for array in unpack(Path("ppo.npz").read_bytes())[0].values())


def test_ctrl_c_saves(run, monkeypatch):
    learn, calls = module._learn, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return learn(*arguments)

    monkeypatch.setattr(module, "_learn", interrupted)
    code, out, _ = run("--agent", "q", "--steps", 5 * EVENTS, "--json")
    assert (code, json.loads(out)["steps"]) == (0, EVENTS)
    assert any(array.any() for array in unpack(Path("q.npz").read_bytes())[0].values())


# ---- the music that is imagined --------------------------------------------------------------------------------------
TABLES = [np.zeros((spec.n_states, spec.n_actions)) for spec in HEADS]


def imagined(n, seed=1, role="solo", rules=None, liked=0.0, reads=True):
    rules = np.zeros(N_RULES) if rules is None else rules
    return Imagined(load_prior("shipped"), np.full(N_FEATURES, liked), rules, ROLES.index(role), seed, n, reads)


def play(music):
    """Its next events by the prior, as each head's rows."""
    music.play(TABLES, None, {"unit": 1.0, "heat": 1.0})
    return [rows_of([music], head) for head in range(3)]


def test_a_choice_earns_what_the_rules_of_its_head_say():
    rules, earned = load_weights(), []
    music = imagined(1, rules=rules)
    for _ in range(200):
        for head, rows in enumerate(play(music)):
            due = NAT * float((rules * music.stage.columns) @ (head == HEAD_OF))
            assert rows.reward.tolist() == pytest.approx([due] * len(rows.action), abs=1e-6)
            earned += [due] * len(rows.action)
    assert min(earned) < 0.0 < max(earned)


def test_a_choice_earns_what_each_of_its_features_is_liked():
    rows = play(imagined(300, liked=1.0))
    assert set(rows[0].reward.tolist()) == {0.0, float(N_ACTIVE[0])}  # a rest that goes on has none
    for head in (1, 2):
        assert set(rows[head].reward.tolist()) == {float(N_ACTIVE[head])}


def test_pieces_end_for_all_heads_and_stages_break_off():
    one, ends = imagined(1), []
    for i in range(600):
        before = int(one.stage.own[TICK])
        rows = play(one)
        over = int(one.stage.own[TICK]) < before
        assert rows[0].terminated.tolist() == [over]
        ends += [i] * over
    whole, other = imagined(600), imagined(300, seed=2)
    rows = play(whole)
    play(other)
    assert np.flatnonzero(rows[0].terminated).tolist() == ends and len(ends) >= 2
    assert [int(of.terminated.sum()) for of in rows] == [len(ends)] * 3
    assert np.flatnonzero(rows_of([whole, other], 0).ghost).tolist() == [599, 899]
    assert all(np.flatnonzero(of.ghost).tolist() == [len(of.action) - 1] for of in rows)


@pytest.mark.parametrize("name", ["q", "dqn", "ppo"])
def test_choices_are_drawn_as_the_instrument_draws_them(name):
    agent = make_agents(name, 1, load_prior("none"))[0][1]
    rng, n = np.random.default_rng(3), agent.spec.n_actions
    table, params = np.zeros((1, 0)), np.zeros(0, dtype=np.float32)
    if name in TABULAR:
        agent.q[:] = rng.normal(size=agent.q.shape) * 0.02
        table = agent.q
    else:
        params = agent.trainer.policy_params
        params[:] = rng.normal(size=params.size) * 0.1
    policy = module._policy(name, hyper_of(name, playing=True))
    width, depth, scale, unit = (policy.get(key, usual) for key, usual in
                                 (("width", 0), ("depth", 0), ("scale", 1.0), ("unit", 1.0)))  # fmt: skip
    units, chance = np.zeros(depth * width + n, dtype=np.float32), agent.rng.copy()
    for state in range(100):
        x, prior = rng.normal(size=agent.n_features or 1).astype(np.float32), rng.normal(size=n)
        mask = (rng.random(n) < 0.7).astype(np.uint8)
        drawn = _choose(table, params, x, mask, prior, np.zeros(n), units, chance, state, width, depth, scale, unit,
                        policy["heat"])  # fmt: skip
        assert drawn == agent.act(state, x, mask, prior, np.zeros(n))


def test_without_features_the_same_is_played():
    with_them, without = play(imagined(300)), play(imagined(300, reads=False))
    for rows, bare in zip(with_them, without, strict=True):
        assert bare.features.shape == (len(rows.action), 0) and rows.features.any()
        for name in ("mask", "prior", "action", "reward", "terminated", "ghost"):
            np.testing.assert_array_equal(getattr(bare, name), getattr(rows, name))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_of_a3c_is_a_thread(monkeypatch, workers):
    done, learn = {}, module._learn

    def noted(agent, heads, stages, share, head):
        done.setdefault(id(heads), []).append((current_thread().name, head))
        return learn(agent, heads, stages, share, head)

    monkeypatch.setattr(module, "_learn", noted)
    practise(wanted("a3c", EVENTS, workers=workers))
    assert len(done) == workers
    assert all(len({name for name, _ in by}) == 1 and [head for _, head in by] == [0, 1, 2] for by in done.values())


def test_a_table_learns_from_what_it_has_played_piece_by_piece():
    music = imagined(600, liked=0.3)
    rows = play(music)[0]
    agents = make_agents("q", 1, load_prior("none"))[0]
    module._learn("q", agents, [music], 0.0, 0)
    twin = np.zeros_like(agents[0].q)
    naive.td_sweep(
        twin, music.states(0), rows.action, rows.reward.astype(np.float64), rows.terminated, rows.mask, 1, "q",
        *agents[0].table.rates,
    )  # fmt: skip
    np.testing.assert_array_equal(agents[0].q, twin)
    assert rows.terminated.any() and twin.any() and not agents[1].q.any()


def test_piece_after_piece_is_of_the_role_that_is_practised():
    for role in ROLES:
        music = imagined(300, role=role)
        for _ in range(4):
            play(music)
            assert music.stage.world[ROLE] == ROLES.index(role)


# ---- what cannot be -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--agent", "pp0"), "agent = 'pp0' is not known (did you mean 'ppo'?)"),
        (("--agent", "dyna-q"), "agent dyna-q learns from your ratings while you play and needs no practice; these"),
        (("--agent", "ppo", "--minutes", 0), "practice needs --steps and --seeds of at least 1 and --minutes above 0"),
        (("--agent", "ppo", "--steps", 0), "practice needs --steps and --seeds of at least 1"),
        (("--agent", "ppo", "--taste", "nobody"), 'taste = "nobody": there is no '),
        (("--agent", "ppo", "--out", "no/where.npz"), "out = 'no/where.npz': there is no folder 'no'"),
        (("--taste", "mine"), "--taste is for an agent; name one with --agent"),
        (("--seeds", 3), "--seeds is for an agent; name one with --agent"),
    ],
)
def test_bad_input_is_one_sentence(run, arguments, said):
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"livecomposer: {said}")


def test_models_that_cannot_be_used(run, tmp_path):
    run("--agent", "a2c", "--steps", EVENTS, "--out", "a2c.npz")
    data = (tmp_path / "a2c.npz").read_bytes()
    arrays, meta = unpack(data)
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    (tmp_path / "newer.npz").write_bytes(pack(arrays, {**meta, "version": 99}))
    (tmp_path / "other.npz").write_bytes(pack(arrays, {**meta, "layout": 1}))
    (tmp_path / "odd.npz").write_bytes(pack({**arrays, "melody.params": arrays["melody.params"] * np.nan}, meta))
    for agent, model, said in (
        ("ppo", "a2c.npz", "model 'a2c.npz' was learnt by agent 'a2c', not 'ppo'"),
        ("a2c", "cut.npz", "model 'cut.npz' is damaged"),
        ("a2c", "newer.npz", "model 'newer.npz' was written by a newer livecomposer"),
        ("a2c", "other.npz", "model 'other.npz' has another layout"),
        ("a2c", "odd.npz", "model 'odd.npz' holds numbers that are not finite"),
        ("a2c", "none.npz", "model = 'none.npz' cannot be read"),
    ):
        with pytest.raises(LivecomposerError) as caught:
            Performance(Settings(agent=agent, model=model))
        assert str(caught.value).startswith(said)
