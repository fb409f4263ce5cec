"""The table of all agents: what was rated and practised by whom, and figures as they are documented."""

import json

import numpy as np
import pytest

from livecomposer.bench import agents, corpus, course, music
from livecomposer.bench.lessons import Played
from livecomposer.cli import main
from livecomposer.errors import SettingsError
from livecomposer.instrument.performance import Performance
from livecomposer.settings import Settings

SIZE = course.SHORT._replace(listeners=("rising steps", "leaps"), seeds=1)


def played(**pleases):
    return {"played": {50: Played({name.replace("_", " "): u for name, u in pleases.items()}, ())}}


def test_scores_are_shares_of_what_the_oracle_wins_over_the_prior():
    prior = {"rising steps": 0.1, "leaps": -0.2}
    done = {
        course.Task("prior", "", 0): {"dyna-q": Played(prior, ())},
        **{course.Task("oracle", name, rests): {"pleases": 1.1 - 0.3 * rests} for name in prior for rests in (0, 1)},
        course.Task("rated/dyna-q", "rising steps", 0): played(rising_steps=0.6),
        course.Task("rated/dyna-q", "leaps", 0): played(leaps=-0.2),
        course.Task("practised/q", "rising steps", 0): played(rising_steps=1.1),
        course.Task("practised/q", "leaps", 0): played(leaps=0.45),
        course.Task("rated/q", "rising steps", 0): played(rising_steps=0.1),
        course.Task("rated/q", "leaps", 0): played(leaps=-0.2),
    }
    found = agents._scores(SIZE, done, ("dyna-q", "q"))
    assert found["dyna-q"]["practised"] is None
    assert {g: s["score"] for g, s in found["dyna-q"]["rated"].items() if s["n"]} == {
        "family": 0.5, "contrary": 0.0, "all": round(0.5 / 2.3, 3)
    }  # fmt: skip
    assert found["q"]["practised"]["family"]["score"] == 1.0 and found["q"]["practised"]["contrary"]["score"] == 0.5
    assert found["q"]["rated"]["all"]["score"] == 0.0


@pytest.mark.parametrize("agent", ["q", "a2c"])
def test_what_has_been_practised_is_a_model_that_the_instrument_plays(agent):
    """Practised by the rules it earns more of them, and the file goes into a performance."""
    liked = np.zeros(0)
    long, earned = agents.practised(agent, liked, 60_000, 1)
    assert earned["reward"] > earned["prior"] and long
    plain, _ = agents.practised(agent, liked, 4096, 1)
    again, reward = agents.practised(agent, liked, 4096, 1)
    assert plain == again and set(reward) == {"reward", "prior"}
    p = Performance(Settings(role="solo", agent=agent, seed=2), snapshot=plain)
    assert p.snapshot() == plain
    assert sum(m[0] & 0xF0 == 0x90 for _, m in p.advance(8_000_000_000)) > 4


def test_a_part_names_its_agent():
    parts = {"q": "q", "graded": "dyna-q", "rated/ppo": "ppo", "practised/q-lambda": "q-lambda"}
    assert {part: course._agent(course.Task(part, "", 0)) for part in parts} == parts


def test_bach_is_read_before_the_processes_begin(monkeypatch):
    """They are daemons and may not begin any themselves, as reading the corpus for the first time does."""
    asked = []
    monkeypatch.setattr(corpus, "chorales", lambda: asked.append("read") or [])

    def begin(work, names, jobs):
        asked.append("processes")
        return [(name, {"reward": {"prior": 0.0}}) for name in names]

    monkeypatch.setattr(agents, "in_processes", begin)
    assert list(agents.music(True)["agents"]) == ["prior", "q", "ppo"]
    assert asked == ["read", "processes"]


@pytest.mark.parametrize("bench", ["taste", "music"])
def test_a_short_run_reports_what_is_documented(bench, monkeypatch, capsys):
    monkeypatch.setattr(agents, "STEPS_SHORT", 2048)
    monkeypatch.setattr(agents, "PIECES_SHORT", 2)
    monkeypatch.setattr(agents, "SHORT_OF", ("q",))
    monkeypatch.setattr(agents, "SHORT", SIZE._replace(takes=1, oracle=20))
    assert main(["bench", bench, "--short", "--agents", "--json", *(["--jobs", "1"] if bench == "taste" else [])]) == 0
    report = json.loads(capsys.readouterr().out)
    if bench == "taste":
        assert set(report) == {"bench", "short", "machine", "ok", "seeds", "steps", "agents"}
        assert list(report["agents"]) == ["dyna-q", "q"]
        assert report["agents"]["q"]["practised"]["all"]["n"] == report["agents"]["dyna-q"]["rated"]["all"]["n"] > 0
    else:
        assert set(report) == {"bench", "short", "machine", "ok", "steps", "pieces", "agents"}
        assert list(report["agents"]) == ["prior", "q"]
        assert {"table", "diversity", "reward"} <= set(report["agents"]["q"])
    lines = [line for row in agents.rows(report) for line in row]
    assert ("q" in lines[0].split()) if bench == "music" else any(line.split()[0] == "q" for line in lines)


def test_other_benches_have_no_agents(capsys):
    assert main(["bench", "decide", "--agents"]) == 2
    assert "bench decide plays one agent; leave out --agents" in capsys.readouterr().err


def test_without_tunes_bench_music_says_what_is_missing(monkeypatch):
    """Bach may have been read before music21 was taken away."""

    def missing():
        raise SettingsError("this needs music21's corpus")

    monkeypatch.setattr(music, "SHORT", 1)
    monkeypatch.setattr(music, "chorales", list)
    monkeypatch.setattr(music, "tunes", missing)
    monkeypatch.setattr(music.form, "measure", lambda short: {})
    report = music.measure(True)
    assert report["music_missing"] == "this needs music21's corpus" and "bach" not in report
