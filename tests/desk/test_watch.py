"""The ports are watched by a child, which may die, hang, or lose its server without harm to desk."""

import time
from types import SimpleNamespace
from typing import ClassVar

import pytest

from livecomposer.bench.jack import jack_server
from livecomposer.desk import crew, watch
from livecomposer.desk.watch import AWAY, Listing, Watch


class Process:
    """A process of which the test holds the other end."""

    made: ClassVar[list["Process"]] = []

    def __init__(self, target, args, name, daemon=False):
        self.pipe, self.alive = args[1], True
        Process.made.append(self)

    def start(self):
        self.pipe = None if self.pipe is None else _copy(self.pipe)

    def is_alive(self):
        return self.alive

    def kill(self):
        self.alive = False

    def join(self, seconds):
        pass


def _copy(pipe):
    import os
    from multiprocessing.connection import Connection

    return Connection(os.dup(pipe.fileno()))


@pytest.fixture
def now(monkeypatch):
    """The time of day, which the test moves."""
    at = [100.0]
    Process.made = []
    for module in (watch, crew):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: at[0]))
        monkeypatch.setattr(module._SPAWN, "Process", Process, raising=False)
    return at


def test_the_newest_listing_counts(now):
    ports = Watch("jack")
    ports.start()
    assert ports.look() is None
    for names in (["a"], ["a", "b"]):
        Process.made[0].pipe.send(Listing(names, [], True))
    assert ports.look() == Listing(["a", "b"], [], True)
    assert ports.look() is None
    ports.stop()
    assert not Process.made[0].alive


def test_a_child_that_dies_is_started_again_once_a_second(now):
    ports = Watch("jack")
    ports.start()
    Process.made[0].pipe.send(Listing(["a"], [], True))
    Process.made[0].pipe.close()
    assert ports.look() == Listing(["a"], [], True)
    assert len(Process.made) == 1
    now[0] += watch.LOOK_S
    assert ports.look() == AWAY
    assert len(Process.made) == 2
    Process.made[1].pipe.send(Listing(["a"], [], True))
    assert ports.look() == Listing(["a"], [], True)
    ports.stop()


def test_a_child_that_hangs_is_ended_and_counts_as_away(now):
    ports = Watch("jack")
    ports.start()
    now[0] += watch.SILENT_S - 1
    assert ports.look() is None
    now[0] += 1
    assert ports.look() == AWAY
    assert [process.alive for process in Process.made] == [False, True]
    ports.stop()


@pytest.mark.jack
def test_a_server_that_ends_is_noticed_and_the_next_child_waits_for_one():
    with jack_server():
        ports = Watch("jack")
        ports.start()
        assert _next(ports).there
    while (listing := _next(ports)).there:
        pass
    assert listing == AWAY
    ports.stop()


def _next(ports):
    end = time.monotonic() + 60.0
    while (listing := ports.look()) is None:
        assert time.monotonic() < end, "the child says nothing"
        time.sleep(0.02)
    return listing


def test_an_audio_device_that_has_gone_is_tried_until_it_is_back(now):
    class Memory:
        name = "ring"

    sound = crew.Sound(Memory(), {})
    sound.start()
    first = Process.made[0]
    first.pipe.send(("ready", {}))
    assert sound.look() == ("ready", {})
    first.pipe.send(("failed", "gone"))
    first.alive = False
    assert sound.look() == ("failed", "gone")
    now[0] += crew.RETRY_S
    assert sound.look() is None and len(Process.made) == 2
    Process.made[1].pipe.send(("failed", "gone"))
    assert sound.look() is None  # it has been said
    Process.made[1].alive = False
    now[0] += crew.RETRY_S
    assert sound.look() is None and len(Process.made) == 3
    now[0] += crew.RETRY_S
    assert sound.look() is None and len(Process.made) == 3  # it is still starting
    Process.made[2].pipe.send(("ready", {}))
    assert sound.look() == ("ready", {})


def test_an_audio_device_that_never_was_there_is_not_tried_again(now):
    class Memory:
        name = "ring"

    sound = crew.Sound(Memory(), {})
    sound.start()
    Process.made[0].pipe.send(("failed", "none"))
    assert sound.look() == ("failed", "none")
    Process.made[0].alive = False
    now[0] += 100 * crew.RETRY_S
    assert sound.look() is None and len(Process.made) == 1
