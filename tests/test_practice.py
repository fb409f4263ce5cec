"""``livecomposer practice``: what it writes, that it goes on, and what it says of what cannot be."""

import json

import numpy as np
import pytest

from livecomposer import Performance, Settings
from livecomposer import practice as module
from livecomposer.agents.model import unpack
from livecomposer.agents.prior import counts, load_prior, style_of
from livecomposer.agents.survey import survey
from livecomposer.cli import main
from livecomposer.music.actions import N_LENGTHS
from livecomposer.music.rules import RULES, load_weights
from livecomposer.practice import HEADS, practice
from livecomposer.ratings.features import HARMONY_FEATURES, MELODY_FEATURES, RHYTHM_FEATURES

BLOCK, SURVEYED = 4000, 3000
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Blocks and the survey at the end are shorter than in earnest."""
    monkeypatch.setattr(module, "BLOCK", BLOCK)
    monkeypatch.setattr(module, "survey", lambda stage, weights: survey(stage, weights, SURVEYED))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run practice in a folder of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("livecomposer.desk.wiring.kernels_made", lambda what: True)

    def run_it(*arguments):
        code = main(["practice", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run_it


def arrays_of(path):
    arrays, _ = unpack(path.read_bytes())
    return {name: array.tobytes() for name, array in arrays.items()}


# ---- what it writes -------------------------------------------------------------------------------------------------
def test_it_writes_a_model_that_performs(run, tmp_path):
    code, out, _ = run("--steps", 3000, "--seed", 4)
    assert (code, out) == (0, "prior.npz: 3,000 steps, seed 4\n")
    prior = load_prior("prior.npz")
    assert not prior.empty
    np.testing.assert_array_equal(prior.style, style_of(counts()))
    p = Performance(Settings(role="solo", seed=1, prior=str(tmp_path / "prior.npz")))
    sent = p.advance(8_000_000_000)
    assert sum(msg[0] & 0xF0 == 0x90 for _, msg in sent) > 5
    other = Performance(Settings(role="solo", seed=1, prior="none")).advance(8_000_000_000)
    assert sent != other


def test_same_seed_same_model(run, tmp_path):
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        assert run("--steps", 3000, "--seed", seed, "--out", f"{name}.npz")[0] == 0
    one, same, other = (arrays_of(tmp_path / f"{name}.npz") for name in "abc")
    assert one == same
    assert one["style"] == other["style"]
    assert one["melody"] != other["melody"]


def test_it_surveys_what_comes_of_choices(run):
    """Each event of the survey was chosen by the rhythm head or, in *harmonize*, by the harmony head alone; shares of
    features and of the states behind a choice add up to 1 in each table and in all."""
    run("--steps", 3000)
    rhythm, melody, harmony = load_prior("prior.npz").models
    assert melody.chosen.sum() <= rhythm.chosen.sum() < SURVEYED
    assert harmony.chosen.sum() - melody.chosen.sum() == SURVEYED - rhythm.chosen.sum()
    for model, tables in ((rhythm, RHYTHM_FEATURES), (melody, MELODY_FEATURES), (harmony, HARMONY_FEATURES)):
        made = model.chosen > 0
        shares = model.features.sum(axis=2)
        sounds = slice(0, N_LENGTHS) if model is rhythm else slice(None)
        np.testing.assert_allclose(shares[:, sounds], (made * len(tables))[:, sounds], atol=1e-4)
        assert (shares <= len(tables) + 1e-4).all()  # a rest that only goes on has none
        behind = model.following.sum(axis=2)
        assert set(np.round(behind, 4).ravel().tolist()) == {0.0, 1.0}
        assert not behind[~made].any()


def test_json(run):
    code, out, _ = run("--steps", 2000, "--json")
    report = json.loads(out)
    assert (code, out.count("\n")) == (0, 1)
    assert set(report) == {"out", "seed", "steps", "rules", "metrics"}
    assert (report["out"], report["seed"], report["steps"]) == ("prior.npz", 1, 2000)
    assert report["rules"] == dict(zip(RULES, load_weights().tolist(), strict=True))
    assert list(report["metrics"]) == [*HEADS, *RULES]


def test_progress_goes_to_stderr(run):
    _, _, err = run("--steps", 2000)
    assert err.lstrip("\r").startswith("█" * 24)
    assert " 2,000 steps " in err
    assert err.endswith("\n")
    assert [f"{head} " in err for head in HEADS] == [True] * 3


def test_rules_of_ones_own(run, tmp_path):
    """Those named in the file; without rewards nothing is learnt."""
    (tmp_path / "mine.toml").write_text("".join(f"{name} = 0\n" for name in RULES))
    assert run("--steps", 2000, "--rules", "mine.toml")[0] == 0
    assert load_prior("prior.npz").empty
    (tmp_path / "mine.toml").write_text("leap = 9\n")
    _, out, _ = run("--steps", 2000, "--rules", "mine.toml", "--json", "--force")
    weights = dict(zip(RULES, load_weights().tolist(), strict=True))
    assert json.loads(out)["rules"] == {**weights, "leap": 9}


def test_the_learning_curve_as_a_picture(run, tmp_path):
    assert run("--steps", 2000, "--plot", "curve.png")[0] == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(PNG)


# ---- going on -------------------------------------------------------------------------------------------------------
def test_resume_goes_on(run):
    steps, weights = [], []
    for arguments in ((), ("--resume",), ("--resume",), ("--force",)):
        _, out, _ = run("--steps", 2000, "--json", *arguments)
        steps.append(json.loads(out)["steps"])
        weights.append([w.copy() for w in load_prior("prior.npz").weights])
    assert steps == [2000, 4000, 6000, 2000]
    for one, other, again in zip(weights[0], weights[1], weights[3], strict=True):
        assert not np.array_equal(one, other)
        np.testing.assert_array_equal(one, again)


def test_resume_is_reproducible(monkeypatch):
    """From the same start the same, with other random numbers than those that led there; the start stays as it is."""
    seeds, stage = [], module.Stage
    monkeypatch.setattr(module, "Stage", lambda style, seed: seeds.append(seed) or stage(style, seed))
    start, _ = practice(2000, seed=7)
    kept = [w.copy() for w in start.weights]
    one, same = (practice(2000, seed=7, start=start)[0] for _ in range(2))
    for a, b, before, now in zip(one.weights, same.weights, kept, start.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(now, before)
    assert one.meta["steps"] == 4000
    assert seeds.count(2007) == 2  # (the survey has the seed itself)


def test_resume_of_nothing_begins(run):
    code, out, _ = run("--steps", 2000, "--resume", "--json")
    assert (code, json.loads(out)["steps"]) == (0, 2000)


def test_resume_of_something_else_is_refused(run, tmp_path):
    (tmp_path / "prior.npz").write_bytes(b"my thesis")
    code, _, err = run("--steps", 2000, "--resume")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("livecomposer: prior 'prior.npz' is damaged or no file")
    assert (tmp_path / "prior.npz").read_bytes() == b"my thesis"


# ---- blocks, Ctrl-C, minutes ----------------------------------------------------------------------------------------
def test_progress_after_every_block():
    seen = []
    prior, curve = practice(2 * BLOCK + 500, progress=lambda done, row: seen.append((done, row[:3].tolist())))
    assert [done for done, _ in seen] == [BLOCK, 2 * BLOCK, 2 * BLOCK + 500]
    assert [row for _, row in seen] == curve[:, :3].tolist()
    assert curve.shape == (3, 3 + len(RULES))
    assert prior.meta["steps"] == 2 * BLOCK + 500
    metrics = dict(zip((*HEADS, *RULES), curve[-1], strict=True))
    assert prior.meta["metrics"] == {name: round(float(x), 4) for name, x in metrics.items()}


def test_ctrl_c_keeps_what_was_learnt():
    """The same as what the same steps have given by then."""
    kept = []

    def stop(done, row):
        if done == 2 * BLOCK:
            raise KeyboardInterrupt

    def take(done, row):
        kept.append(row)

    stopped, curve = practice(4 * BLOCK, progress=stop)
    whole, _ = practice(4 * BLOCK, progress=take)
    assert stopped.meta["steps"] == 2 * BLOCK
    np.testing.assert_array_equal(curve, kept[:2])
    assert not stopped.empty
    assert any(not np.array_equal(a, b) for a, b in zip(stopped.weights, whole.weights, strict=True))


def test_ctrl_c_writes_the_file(run, monkeypatch):
    """And is no error."""
    train, calls = module.train, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        train(*arguments)

    monkeypatch.setattr(module, "train", interrupted)
    code, out, _ = run("--steps", 3 * BLOCK)
    assert (code, out) == (0, f"prior.npz: {BLOCK:,} steps, seed 1\n")
    assert not load_prior("prior.npz").empty


def test_minutes_end_it_between_blocks(monkeypatch):
    now = iter([0.0, 10.0, 59.0, 61.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    prior, _ = practice(10 * BLOCK, minutes=1.0)
    assert prior.meta["steps"] == 2 * BLOCK


# ---- what cannot be -------------------------------------------------------------------------------------------------
def refused(result, tmp_path):
    """The one sentence on stderr; nothing has been written."""
    code, out, err = result
    assert (code, out, err.count("\n"), err.endswith("\n")) == (2, "", 1, True)
    assert err.startswith("livecomposer: ")
    assert list(tmp_path.glob("*.npz")) == []
    return err.removeprefix("livecomposer: ").removesuffix("\n")


@pytest.mark.parametrize(
    "arguments", [("--steps", 0), ("--steps", -5), *(("--steps", 10, "--minutes", n) for n in (-1, 0, "nan"))]
)
def test_bad_steps(run, tmp_path, arguments):
    assert refused(run(*arguments), tmp_path) == (
        "practice needs --steps of at least 1 and --minutes above 0; leave out what has no limit"
    )


def test_a_file_that_is_there_is_replaced_only_when_told(run, tmp_path):
    assert run("--steps", 1000)[0] == 0
    before = (tmp_path / "prior.npz").read_bytes()
    code, out, err = run("--steps", 1000, "--seed", 5)
    assert (code, out) == (2, "")
    assert "'prior.npz' is there already; name another, go on from it by --resume, or replace it by --force" in err
    assert (tmp_path / "prior.npz").read_bytes() == before
    assert run("--steps", 1000, "--seed", 5, "--force")[0] == 0
    assert (tmp_path / "prior.npz").read_bytes() != before


def test_the_first_time_it_says_that_kernels_are_prepared(run, monkeypatch):
    made = []
    monkeypatch.setattr("livecomposer.desk.wiring.kernels_made", lambda what: what in made)
    monkeypatch.setattr("livecomposer.desk.wiring.note_kernels", made.append)
    words = "… preparing kernels (first time: one to two minutes)\n"
    assert run("--steps", 1000)[2].startswith(words)
    assert words not in run("--steps", 1000, "--force")[2]


def test_a_missing_folder(run, tmp_path):
    assert refused(run("--steps", 10, "--out", "no/where.npz"), tmp_path) == (
        "out = 'no/where.npz': there is no folder 'no'; make it first"
    )


def test_an_out_that_is_a_folder(run, tmp_path):
    (tmp_path / "models").mkdir()
    assert "'models'" in refused(run("--steps", 10, "--out", "models"), tmp_path)


def test_a_picture_in_a_missing_folder(run, tmp_path):
    """Said before anything is learnt."""
    assert "'no/curve.png'" in refused(run("--steps", 10, "--plot", "no/curve.png"), tmp_path)


def test_a_negative_seed(run, tmp_path):
    assert "seed" in refused(run("--steps", 10, "--seed", -1), tmp_path)


def test_rules_that_cannot_be_read(run, tmp_path):
    assert refused(run("--steps", 10, "--rules", "none.toml"), tmp_path) == (
        "rules = 'none.toml' cannot be read ([Errno 2] No such file or directory: 'none.toml')"
    )
    (tmp_path / "latin.toml").write_bytes(b"# \xe4\n")
    assert refused(run("--steps", 10, "--rules", "latin.toml"), tmp_path).startswith(
        "rules = 'latin.toml' cannot be read ('utf-8' codec can't decode byte 0xe4"
    )
    assert refused(run("--steps", 10, "--rules", "."), tmp_path).startswith("rules = '.' cannot be read (")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leap = \n", "mine.toml: not valid TOML: Invalid value (at line 1, column 8)"),
        ("leep = 1\n", f"mine.toml: there is no rule 'leep'; there are {', '.join(RULES)}"),
        ("leap = 'high'\n", "mine.toml: leap = 'high' is not a number from -100 to 100"),
    ],
)
def test_broken_rules(run, tmp_path, text, said):
    (tmp_path / "mine.toml").write_text(text)
    assert refused(run("--steps", 10, "--rules", "mine.toml"), tmp_path) == said


def test_steps_that_are_no_number(run, capsys):
    with pytest.raises(SystemExit) as caught:
        run("--steps", "many")
    assert caught.value.code == 2
    assert "argument --steps: invalid int value: 'many'" in capsys.readouterr().err
