"""The JACK server of one's own: it starts, takes clients, ends, and leaves nothing; and the benches that need it."""

import json
import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from livecomposer import bench
from livecomposer.bench import guard, jack, latency
from livecomposer.bench.jack import Server, jack_server

pytestmark = pytest.mark.jack


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    problem = jack.missing()
    if problem:
        pytest.skip(f"NO JACK HERE, NOTHING IS TESTED ON REAL PORTS: {problem}")
    with jack_server() as server:
        yield server


def test_a_server_starts_and_ends_and_leaves_nothing(server: Server) -> None:
    outside = os.environ["JACK_DEFAULT_SERVER"]
    with jack_server(period=256) as inner:
        assert inner.period == 256 and inner.name != server.name
        assert os.environ["JACK_DEFAULT_SERVER"] == inner.name
        assert jack.answers()
    assert os.environ["JACK_DEFAULT_SERVER"] == outside == server.name
    assert list(Path("/dev/shm").glob(f"jack_sem.*_{inner.name}_*")) == []
    os.environ["JACK_DEFAULT_SERVER"] = inner.name
    try:
        assert not jack.answers()
    finally:
        os.environ["JACK_DEFAULT_SERVER"] = outside
    assert jack.answers()


def test_guard_releases_everything_in_every_round(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(Namespace(bench="guard", json=True, short=True, out=None)) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["released"] is True
    assert len(report["rounds"]) == len(report["notes"]) == guard.SHORT_ROUNDS
    assert min(report["notes"]) > len(guard.CHORD)


def test_no_note_is_lost_through_jack(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(Namespace(bench="latency", json=True, short=True, out=None)) == 0
    through = json.loads(capsys.readouterr().out)["jack"]
    assert (through["lost"], through["echo_lost"]) == (0, 0)
    assert through["thru"]["n"] == through["echo"]["n"] == latency.SHORT_NOTES
    assert len(through["own"]) == 3
