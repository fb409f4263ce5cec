"""``practice --agent``: what a taste likes is played more, and ``play --model`` begins with the model."""

import json
from pathlib import Path

import numpy as np
import pytest

from livecomposer import Performance, Settings, cli
from livecomposer import practice_agents as module
from livecomposer.agents.model import pack, unpack
from livecomposer.agents.registry import NETWORKS, TABULAR
from livecomposer.errors import LivecomposerError
from livecomposer.music.rules import N_RULES
from livecomposer.practice_agents import EVENTS, Wanted, practise
from livecomposer.ratings.features import N_FEATURES, NAMES

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
    steps, seen = [], []
    practise = module.practise
    for more in ((), ("--resume",)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "practise", lambda wanted, show: seen.append(wanted.start) or practise(wanted, show))
            steps.append(json.loads(run("--agent", "a2c", "--steps", EVENTS, "--json", *more)[1])["steps"])
        kept = Path("a2c.npz").read_bytes()
        seen.append(kept)
    assert steps == [EVENTS, 2 * EVENTS]
    assert seen[0] is None and seen[2] == seen[1] != seen[3]  # it begins with what was written


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
