"""Arguments in, settings and sentences out; nothing is started."""

import os
import subprocess
import sys

import numpy as np
import pytest

from livecomposer import cli
from livecomposer.agents.model import pack
from livecomposer.bench import report
from livecomposer.desk.screen import as_called
from livecomposer.errors import LivecomposerError


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("LIVECOMPOSER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LIVECOMPOSER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ppo.npz").write_bytes(pack({"a": np.zeros(1)}, {"kind": "model", "agent": "ppo"}))
    (tmp_path / "prior.npz").write_bytes(pack({"a": np.zeros(1)}, {"kind": "prior"}))
    (tmp_path / "text.npz").write_text("no model", encoding="utf-8")


def settings(*args):
    return cli._settings(cli._parser().parse_args(["play", *args]))


def test_a_model_brings_its_agent(capsys):
    found = settings("--model", "ppo.npz")
    assert (found.agent, found.model) == ("ppo", "ppo.npz")
    assert capsys.readouterr().out == "The model 'ppo.npz' is of agent ppo: that agent plays.\n"
    assert settings("--model", "ppo.npz", "--agent", "ppo").agent == "ppo"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--model", "ppo.npz", "--agent", "q"], "model 'ppo.npz' is of agent ppo, not q; leave out --agent"),
        (["--model", "text.npz"], "model 'text.npz' is damaged"),
        (["--model", "prior.npz"], "model 'prior.npz' is a prior, not an agent's; play it with --prior"),
        (["--model", "none.npz"], "model = 'none.npz' cannot be read"),
        (["--prior", "text.npz"], "prior 'text.npz' is damaged"),
        (["--prior", "ppo.npz"], "prior = 'ppo.npz' is no prior but a model of agent ppo; play it with --model"),
        (["--prior", "none.npz"], "prior = 'none.npz' cannot be read"),
        (["--tempo", "abc"], "tempo = 'abc' is not a number"),
        (["--low", "4.5"], "low = '4.5' is not a whole number"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(args, said):
    with pytest.raises(LivecomposerError) as error:
        settings(*args)
    assert str(error.value).startswith(said)


def test_a_prior_that_is_one(tmp_path):
    assert settings("--prior", "prior.npz").prior == "prior.npz"


def test_a_mistake_in_the_arguments_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        settings("--no-such-flag")
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1 and "--no-such-flag" in said


def test_a_strange_variable_is_warned_of_once(monkeypatch, capsys):
    monkeypatch.setenv("LIVECOMPOSER_TEMPOO", "90")
    settings()
    said = capsys.readouterr().err
    assert said.startswith("Warning: environment variable LIVECOMPOSER_TEMPOO") and said.count("\n") == 1


def test_commands_are_named_as_they_were_called(monkeypatch):
    text = "run `livecomposer doctor`"
    assert as_called(text) == text
    monkeypatch.setenv("LIVECOMPOSER_COMMAND", "python3 run_live.py")
    assert as_called(text) == "run `python3 run_live.py doctor`"


@pytest.mark.parametrize("bench", ["learn", "speed"])
def test_a_bench_names_the_extra_that_it_lacks(monkeypatch, capsys, bench):
    monkeypatch.setattr(report, "find_spec", lambda name: None)
    assert cli.main(["bench", bench, "--short"]) == 2
    said = capsys.readouterr().err
    assert said == f'livecomposer: bench {bench} needs Gymnasium; run `pip install "livecomposer[gym]"`\n'


@pytest.mark.skipif(os.name == "nt", reason="no pipes to close there")
def test_a_reader_that_has_gone_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "livecomposer", "tastes"], stdout=write, stderr=subprocess.PIPE, text=True, check=False,
        timeout=100,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
