"""The benches run, say what their docstrings promise, and never judge a speed."""

import json
import os
import re
import subprocess
import sys
from argparse import Namespace
from types import ModuleType
from typing import Any

import pytest

from livecomposer import bench
from livecomposer.bench import decide, guard, jack, jitter, kill, latency, studio
from livecomposer.bench.report import heading, spread


def documented(module: ModuleType) -> set[str]:
    """Every key that the docstring names in double backquotes."""
    assert module.__doc__ is not None
    return set(re.findall(r"``([a-z_0-9]+)``", module.__doc__.partition("Keys of the report:")[2]))


def run(name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """A short run: exit code 0 and one JSON object."""
    assert bench.run(Namespace(bench=name, json=True, short=True, out=None)) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["bench"], report["short"], report["ok"]) == (name, True, True)
    return report


def test_spread_takes_percentiles_of_what_was_found() -> None:
    assert spread([]) == {"n": 0}
    assert spread(range(1000, 101_000, 1000)) == {"n": 100, "p50": 51.0, "p99": 100.0, "max": 100.0}


def test_decide_reports_kernels_next_to_the_oracle(capsys: pytest.CaptureFixture[str]) -> None:
    report = run("decide", capsys)
    assert set(report) - {"bench", "short"} <= documented(decide)
    for name in decide.KERNELS:
        assert report[name]["n"] == decide.SHORT_CALLS
    assert report["receive"]["n"] == decide.SHORT_NOTES
    assert heading(report).startswith("bench decide --short: ")
    assert len(decide.rows(report)) == len(decide.KERNELS) + 4


def test_the_oracle_learns_what_the_kernel_learns() -> None:
    np = pytest.importorskip("numpy")
    from livecomposer.agents.kernels import Q_LEARNING, td_update

    one, other, mask = np.zeros((3, 4)), np.zeros((3, 4)), np.ones(4, dtype=np.uint8)
    none, nothing = np.zeros((0, 4)), np.zeros(1, dtype=np.int64)
    for state, action, reward, after in ((0, 1, 0.5, 1), (1, 2, -1.0, 0), (0, 1, 0.25, 2)):
        td_update(one, none, nothing, mask, state, action, reward, after, 0, Q_LEARNING, 0.2, 0.9, 0.0, 0.1, 0.0, True)
        decide.oracle_update(other, state, action, reward, after, mask, 0.2, 0.9)
    assert one.tolist() == other.tolist()


def test_latency_without_jack_counts_every_note(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jack, "answers", lambda: False)
    monkeypatch.setattr(jack, "missing", lambda: "no jackd in this test")
    report = run("latency", capsys)
    inside = report["inside"]
    assert report["jack_missing"] == "no jackd in this test"
    assert set(inside) <= documented(latency) and inside["rated"] > 0
    for name in ("idle", "busy", "idle_wake", "busy_wake", "idle_thru", "busy_thru", "idle_entry", "busy_entry"):
        assert inside[name]["n"] == latency.SHORT_NOTES, name
    assert inside["job"]["n"] > 0
    assert inside["lost"] == 0
    assert latency.rows(report)[-1] == ["through JACK: not measured (no jackd in this test)"]


def test_jitter_gives_both_loops_the_same_deadlines(capsys: pytest.CaptureFixture[str]) -> None:
    report = run("jitter", capsys)
    assert set(report) - {"bench", "short"} <= documented(jitter)
    assert report["onset"]["n"] == report["bare"]["n"] > 0
    assert report["early"] == 0
    assert report["all"]["n"] >= report["onset"]["n"]
    assert len(report["rounds"]) == jitter.SHORT_ROUNDS


def test_guard_without_jack_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jack, "answers", lambda: False)
    monkeypatch.setattr(jack, "missing", lambda: "no jackd in this test")
    report = run("guard", capsys)
    assert (report["jack_missing"], report["released"], report["rounds"]) == ("no jackd in this test", None, [])
    assert guard.rows(report) == [["not measured: no jackd in this test"]]


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminal there")
def test_kill_finds_the_ratings_of_a_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill, "SHORT_ROUNDS", 1)
    report = run("kill", capsys)
    assert set(report) - {"bench", "short"} <= documented(kill)
    [found] = report["kills"]
    assert set(found) <= documented(kill)
    assert (found["what"], found["saving"]) == ("instrument", False)
    assert found["presses"] > found["lost"]
    assert len(kill.rows(report)) == 2


def test_kill_matches_each_press_with_one_stamp() -> None:
    ms = 1_000_000
    assert kill._unmatched([0, 100 * ms, 400 * ms], {20 * ms, 110 * ms, 430 * ms, 900 * ms}) == []
    assert kill._unmatched([0, 10 * ms, 400 * ms], {20 * ms, 399 * ms}) == [10 * ms, 400 * ms]


def test_a_process_that_has_ended_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert not kill.gone(child.pid)
    child.communicate()
    assert kill.gone(child.pid)


def test_a_report_that_is_not_ok_gives_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "measure", lambda short: {"machine": {}, "ok": False})
    assert bench.run(Namespace(bench="decide", json=True, short=True, out=None)) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_studio_in_virtual_time_and_its_table() -> None:
    hour = studio._hour(1)
    assert hour["minutes"] == 1 and hour["notes"] > 50
    share, of = studio._intention(60)
    assert of > 50 and share >= 0.8
    some = spread(range(1000, 9000, 1000))
    report = {
        "machine": {}, "ok": True, "alone": some, "beside": some, "p50_ratio": 1.0, "p99_ratio": 1.0, "p99_more": 0.0,
        "lost": 0, "rounds": 1, "clients": 5, "note_ms": some, "cpu": 0.1, "rss_mb": 40.0, "hour": hour,
        "page": {"browser": "b", "fps": 60.0, "lit_ms": some, "unlit": 0}, "intention": share, "of": of,
        "kills": {"back_ms": some, "records_lost": 0, "gaps": 0, "misses": 0, "restarts": 0,
                  "near": {"late_ms": some, "over": 0}, "apart": {"late_ms": some, "over": 0}},
    }  # fmt: skip
    keys = set(report) | set(report["page"]) | set(report["kills"]) | set(hour)
    assert keys <= documented(studio)
    assert len(studio.rows(report)) == 12
    assert len(studio.rows({**report, "page": {"browser": None}})) == 11
