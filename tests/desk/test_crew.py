"""Agents tried out in a process of their own: one at a time, the last that was asked for next."""

from typing import ClassVar

import pytest

from livecomposer.desk import crew
from livecomposer.instrument import live
from livecomposer.settings import Settings


class Process:
    """A process that ends when the test says so."""

    made: ClassVar[list["Process"]] = []

    def __init__(self, target, args, name):
        self.agent, self.target, self.exitcode = args[0].agent, target, None
        Process.made.append(self)

    def start(self):
        pass

    def is_alive(self):
        return self.exitcode is None

    def kill(self):
        self.exitcode = -9

    def join(self, seconds):
        pass


@pytest.fixture
def trial(monkeypatch):
    Process.made = []
    monkeypatch.setattr(crew._SPAWN, "Process", Process, raising=False)
    return crew.Trial("dyna-q")


def settings(agent):
    return Settings(agent=agent)


def test_what_plays_is_known_and_others_are_tried_once(trial):
    assert trial.known(settings("dyna-q")) and not Process.made
    assert not trial.known(settings("q"))
    assert trial.look() == ("", False)
    Process.made[0].exitcode = 0
    assert (trial.look(), trial.look()) == (("q", True), ("", False))
    assert trial.known(settings("q")) and len(Process.made) == 1
    assert Process.made[0].target is live.try_out


def test_only_one_runs_and_the_last_wish_is_next(trial):
    for agent in ("q", "ppo", "sarsa"):
        assert not trial.known(settings(agent))
    assert [process.agent for process in Process.made] == ["q"]
    Process.made[0].exitcode = 0
    assert trial.look() == ("q", True)
    assert [process.agent for process in Process.made] == ["q", "sarsa"]


@pytest.mark.parametrize("code", [1, -9])
def test_what_fails_is_not_known(trial, code):
    trial.known(settings("q"))
    Process.made[0].exitcode = code
    assert trial.look() == ("q", False)
    assert not trial.known(settings("q")) and len(Process.made) == 2


def test_it_ends_with_desk(trial):
    trial.known(settings("q"))
    trial.stop()
    assert Process.made[0].exitcode == -9 and trial.look() == ("", False)


@pytest.mark.parametrize(("fails", "code"), [(False, None), (True, 1)])
def test_the_process_says_by_its_code_whether_it_can_be_played(monkeypatch, fails, code):
    seen = []
    monkeypatch.setattr(live, "warm", lambda settings: 1 / 0 if fails else seen.append(settings.agent))
    monkeypatch.setattr(live.os, "nice", seen.append)
    monkeypatch.setattr(live.signal, "signal", lambda *of: None)
    monkeypatch.setattr(live, "hush_libraries", lambda: None)
    if fails:
        with pytest.raises(SystemExit) as ended:
            live.try_out(settings("q"))
        assert ended.value.code == code
    else:
        live.try_out(settings("q"))
        assert seen == [10, "q"]
