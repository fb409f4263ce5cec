"""The bench of taste: what it plays, how it judges, on figures and notes made by hand, and one small run."""

import json
import math
import os
import sys
from argparse import Namespace
from functools import partial
from typing import Any

import numpy as np
import pytest

from livecomposer import bench
from livecomposer.bench import course, lessons, taste, verdicts
from livecomposer.bench.course import Size, Task
from livecomposer.bench.lessons import BEAT_NS, Again, S
from livecomposer.bench.listeners import ARCHETYPES, Habit, Heard, Listener, Taste, hear_notes
from livecomposer.bench.verdicts import Goal
from livecomposer.cli import main
from livecomposer.errors import SettingsError
from livecomposer.instrument.clock import Transport
from livecomposer.instrument.pairs import ASKED
from livecomposer.instrument.performance import Performance
from tests.bench.test_benches import documented

GOALS = {
    "a": Goal("family", 0.0, 1.0, 0.5),
    "b": Goal("contrary", 0.5, 2.5, 3.0),
    "flat": Goal("family", 0.0, 0.2, 0.1),
}


def beats(*notes):
    """Messages of notes (onset, length, pitch), times in beats."""
    sent = []
    for onset, length, pitch in notes:
        sent.append((round(onset * BEAT_NS), bytes((0x91, pitch, 80))))
        sent.append((round((onset + length) * BEAT_NS), bytes((0x81, pitch, 0))))
    return sorted(sent)


def high(notes, i):
    return 1.0 if notes[i].pitch >= 70 else -1.0


HIGH = Taste("high", "family", high)


# what is judged


def test_a_score_is_the_gain_of_all_runs_in_parts_of_all_that_can_be_won():
    assert verdicts.score([], []) == {"n": 0}
    assert verdicts.score([1.0, 1.0], [2.0, 2.0]) == {"score": 0.5, "low": 0.5, "high": 0.5, "sds": 1.0, "n": 2}
    found = verdicts.score([0.0, 3.0], [1.0, 2.0])  # not the mean of 0 and 1.5
    assert (found["score"], found["sds"]) == (1.0, 1.5)
    assert (found["low"], found["high"]) == (0.0, 1.5)


def test_scores_pool_listeners_of_whom_enough_can_be_won():
    gains = {("a", 0): 0.5, ("a", 1): 1.0, ("b", 0): 1.0, ("flat", 0): -5.0}
    found = verdicts.scores(gains, GOALS)
    assert (found["family"]["score"], found["family"]["n"]) == (0.75, 2)
    assert found["contrary"]["score"] == 0.5
    assert found["outside"] == {"n": 0}
    assert found["all"]["score"] == round(2.5 / 4, 3)
    assert verdicts.by_listener(gains, GOALS) == {"a": 0.75, "b": 0.5, "flat": -25.0}
    assert verdicts.by_listener({("lost", 0): 1.0}, {"lost": Goal("family", 1.0, 0.5, 1.0)}) == {}


def test_the_worst_tenth_is_a_mean_of_shares_of_pooled_runs():
    gains = {("b", seed): 2.0 * seed for seed in range(20)} | {("flat", 0): -9.0}
    assert verdicts.worst_tenth(gains, GOALS) == 0.5  # of runs 0 and 1
    assert verdicts.worst_tenth({("a", 0): 0.25}, GOALS) == 0.25
    assert verdicts.worst_tenth({("flat", 0): 1.0}, GOALS) is None


def test_drift_is_by_archetype_of_the_mean_and_of_one_run():
    found = verdicts.drift({"a": [0.5, -0.5], "b": [0.2, 0.4], "flat": [9.0]}, GOALS)
    assert found == {"mean": {"a": 0.0, "b": 0.15}, "worst": 0.15, "run": 0.5}
    assert verdicts.drift({"flat": [1.0]}, GOALS) == {"mean": {}, "worst": None, "run": None}


def test_interaction_is_above_0_where_each_prefers_its_own():
    assert verdicts.interaction((1.0, 0.5), (0.25, -0.25)) == 1.5


def test_what_moves_besides_has_its_error_and_its_share():
    goal = verdicts.Goal("family", 1.0, 3.0, 2.0)
    found = verdicts.moved([0.1, 0.3, 0.2], -0.25, goal)
    assert found == {"moves": 0.2, "error": 0.058, "share": 0.1, "told": -0.25}
    flat = verdicts.Goal("family", 1.0, 1.0, 2.0)
    assert verdicts.moved([0.5], 0.0, flat) == {"moves": 0.5, "error": None, "share": None, "told": 0.0}
    assert verdicts.moved([0.5], 0.0, None)["share"] is None


def test_what_has_been_recovered_is_a_part_of_the_loss():
    assert verdicts.recovered([1.0, 2.0], [0.0, -1.0], [0.5, 0.5]) == 0.5
    assert verdicts.recovered([1.0, 1.0], [0.5, 1.0], [1.0, 1.0]) is None  # of too little, a part says nothing
    assert verdicts.recovered([], [], []) is None


def test_diversity_compares_equal_numbers_of_notes():
    prior = (bytes(range(60, 70)), bytes(range(60, 70)))
    assert verdicts.distinct(prior, (10, 10)) == 7
    assert verdicts.distinct(prior, (5, 3)) == 2
    assert verdicts.diversity((bytes([60] * 10), bytes([60] * 10)), prior) == round(1 / 7, 3)
    assert verdicts.diversity((bytes(range(60, 66)), b""), prior) == 1.0
    assert verdicts.diversity((b"", b""), prior) is None


def test_the_two_phrases_around_a_dislike_leave_out_what_was_disliked():
    width = verdicts.TWO_PHRASES
    late = verdicts.LATEST_S * S / BEAT_NS
    pitches = [(0.0, 60), (1.0, 72), (width + late - 1.5, 60), (width + late + 0.5, 72), (2 * width + late - 0.5, 72)]
    notes = [Heard(onset, 0.5, 0.0, pitch, 1, 0, 0.0, False) for onset, pitch in pitches]
    at = round((width + late) * BEAT_NS)
    end = round((2 * width + late) * BEAT_NS) + 1
    # before: beats 0 to width; the low note in the last 1.5 s is what was disliked
    assert verdicts.aftermath(HIGH, notes, [(at, -1.0)], end) == [(0.0, 1.0)]
    assert verdicts.aftermath(HIGH, notes, [(at, 1.0)], end) == []
    assert verdicts.aftermath(HIGH, notes, [(at, -1.0)], end - 3) == []
    assert verdicts.aftermath(HIGH, notes, [(0, 1.0)] * verdicts.EARLY + [(at, -1.0)], end) == []


def test_dislikes_are_pooled_and_runs_counted():
    pairs = {("a", 0): [(0.0, 1.0), (0.0, 0.5)], ("a", 1): [(0.5, 0.0)], ("a", 2): []}
    assert verdicts.dislikes(pairs) == {"n": 3, "before": 0.167, "after": 0.5, "falls": 0.5}
    assert verdicts.dislikes({("a", 0): []}) == {"n": 0}


# what is played


def test_tastes_are_standardised_with_a_floor():
    takes = [lessons.solo(lessons.settings_of(seed), 60) for seed in range(12)]
    found = lessons.tastes_of(takes)
    assert list(found) == list(ARCHETYPES)
    steps = lessons.judge(takes, [found["rising steps"]]).pleases["rising steps"]
    assert (round(steps, 9), found["rising steps"].sd > lessons.FLOOR) == (0.0, True)
    assert found["tritones"].sd == lessons.FLOOR  # the prior plays nearly none


def test_notes_are_judged_together_not_take_by_take():
    takes = [hear_notes(beats(*((i, 0.5, p) for i, p in enumerate(ps))), BEAT_NS, 0) for ps in ((72, 72, 60), (60,))]
    played = lessons.judge(takes, [HIGH])
    assert played == ({"high": 0.0}, (bytes((72, 72, 60)), bytes((60,))))
    assert lessons.judge([[], []], [HIGH]).pleases == {"high": 0.0}
    assert lessons.in_key((bytes((60, 61)), bytes((62, 71)))) == 0.75
    assert lessons.in_key((b"",)) == 1.0


def test_again_gives_each_press_once():
    again = Again([(1, 0.5), (2, -0.5), (9, 1.0)])
    assert again.presses(2) == [(1, 0.5), (2, -0.5)]
    assert again.presses(8) == []
    assert again.presses(9) == [(9, 1.0)]


def test_planned_notes_stay_if_they_sound_in_time():
    sent = beats((0, 1, 60), (1, 1, 62))
    assert lessons.stayed([(0, 60), (BEAT_NS, 62), (BEAT_NS, 64), (BEAT_NS // 2, 60)], sent) == (2, 4)
    assert lessons.stayed([], sent) == (0, 0)


def test_a_lesson_keeps_snapshots_by_ratings_and_ends_with_the_last():
    p = Performance(lessons.settings_of(3))
    lesson = lessons.teach(p, Again([(2 * S, 1.0), (3 * S, -1.0), (4 * S, 1.0), (5 * S, 1.0)]), (1, 3))
    assert lesson.presses == [(2 * S, 1.0), (3 * S, -1.0), (4 * S, 1.0)]
    assert (set(lesson.snapshots), lesson.complete, lesson.ended_ns) == ({1, 3}, True, 4 * S)
    assert lesson.taken_ns == {1: 2 * S, 3: 4 * S}
    assert lesson.awaited
    assert all(at <= 4 * S for at, _ in lesson.awaited)
    assert len(set(lesson.snapshots.values())) == 2


def test_a_lesson_without_enough_ratings_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lessons, "LIMIT_S", 6)
    lesson = lessons.teach(Performance(lessons.settings_of(3)), Again([(2 * S, 1.0)]), (1, 2))
    assert (set(lesson.snapshots), lesson.complete, lesson.ended_ns) == ({1, 2}, False, 6 * S)


def test_a_lesson_by_the_clock_ends_in_time():
    lesson = lessons.teach(Performance(lessons.settings_of(3)), Again([]), times_s=(2, 4))
    assert (set(lesson.snapshots), lesson.complete, lesson.ended_ns) == ({2, 4}, True, 4 * S)


def test_a_listener_changes_its_mind_in_a_lesson():
    listener = Listener(HIGH, Habit(per_minute=60.0), BEAT_NS, 0, 1)
    other = Taste("other", "family", high, sign=-1.0)
    lessons.teach(Performance(lessons.settings_of(3)), listener, (4,), change=(2, other))
    assert listener.taste is other


class Pairs:
    """An instrument that plays two phrases at each "ab", the second one high, and then asks."""

    transport = Transport(lessons.TEMPO, 0)

    def __init__(self) -> None:
        self.now_ns = 0
        self.pairs = self
        self.spans: list[tuple[int, int]] = []
        self.answers: list[str] = []
        self._coming: list[tuple[int, bytes]] = []

    def command(self, t_ns: int, name: str) -> None:
        assert name == "ab"
        begun = round(self.transport.tick_at(t_ns))
        self.spans = [(begun + 12, begun + 48), (begun + 72, begun + 108)]
        line = [(0, 0.5, 90), (1, 1, 60), (2, 1, 62), (3, 1, 60), (6, 1, 72), (7, 1, 74), (8, 1, 72)]
        self._coming = [(t_ns + at, msg) for at, msg in beats(*line)]

    @property
    def state(self) -> int:
        return ASKED if self.now_ns >= self.transport.ns_at(self.spans[1][1]) else 0

    def prefer(self, t_ns: int, answer: str) -> None:
        self.answers.append(answer)

    def advance(self, until_ns: int) -> list[tuple[int, bytes]]:
        self.now_ns = until_ns
        due = [message for message in self._coming if message[0] <= until_ns]
        self._coming = self._coming[len(due) :]
        return due

    def snapshot(self) -> bytes:
        return bytes(len(self.answers))


def test_pairs_are_heard_and_answered():
    p: Any = Pairs()
    lesson = lessons.compare(p, Listener(HIGH, Habit(wrong=0.0), BEAT_NS, 0, 1), (2, 5))
    assert p.answers == ["b"] * 5
    assert (lesson.snapshots, lesson.complete) == ({2: bytes(2), 5: bytes(5)}, True)


def test_pairs_that_are_not_played_end_the_lesson():
    p: Any = Pairs()
    p.command = lambda t_ns, name: p.spans.append((0, 10**9)) or p.spans.append((10**9, 10**9))
    lesson = lessons.compare(p, Listener(HIGH, Habit(), BEAT_NS, 0, 1), (1,))
    assert (lesson.presses, lesson.complete, lesson.ended_ns) == ([], False, lessons.PAIR_S * S)


def test_the_oracle_hears_what_is_liked():
    tastes = [ARCHETYPES["high notes"]]
    taught = lessons.judge(lessons.frozen(lessons.oracle(tastes[0], 7, 120), 3), tastes).pleases["high notes"]
    assert taught > lessons.judge(lessons.frozen(None, 3), tastes).pleases["high notes"] + 0.3


def test_the_oracle_gives_up_on_an_instrument_that_falls_silent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Performance, "advance", lambda p, t_ns: [])
    assert lessons.oracle(ARCHETYPES["space"], 7, 10) == Performance(lessons.settings_of(7)).snapshot()


# the course


def test_credit_for_the_last_note_reaches_it_alone():
    """What began last, though the finger had no time to mean it; and no phrase."""
    task = Task("last_note", "leaps", 0)
    p = course.instrument_of(task)
    p.advance(10 * S)
    steps = p.learning.steps
    assert course._agent(task) == "q"
    last = [int(table.t_ns[: table.n].max()) for table in steps]
    p.rate(max(last) + 40_000_000, 1.0)
    for table, t_ns in zip(steps, last, strict=True):
        rewarded = np.flatnonzero(table.reward[: table.n])
        assert table.t_ns[rewarded].tolist() == [t_ns] and table.reward[rewarded].tolist() == [1.0]


def test_some_grow_used_to_what_they_hear():
    usual, used = (course.listener_of(ARCHETYPES["leaps"], Task(part, "leaps", 0)) for part in ("graded", "used_to"))
    assert (usual.habit.habituation, used.habit.habituation) == (0.0, course.HABITUATION)


def test_everyone_becomes_someone_else():
    assert set(course.BECOMES) == set(ARCHETYPES)
    assert all(course.becomes(name, tuple(ARCHETYPES)) == other != name for name, other in course.BECOMES.items())
    assert course.becomes("leaps", ("high notes", "leaps")) == "high notes"


def test_tasks_are_all_lessons_of_all_listeners(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lessons, "CAN_COMPARE", True)
    size = Size(("leaps", "space"), 2, 6, 10, 60)
    tasks = course.tasks_of(size)
    assert len(tasks) == len(set(tasks)) == 2 * 2 + 8 * 4 + 4 * 2 + 3
    assert Task("ab", "space", 1) in tasks
    monkeypatch.setattr(lessons, "CAN_COMPARE", False)
    assert len(course.tasks_of(size)) == len(tasks) - 4


def test_results_come_from_other_processes():
    whose: Any = partial(eval, "__import__('os').getpid()")
    assert os.getpid() not in set(course.in_processes(whose, [{}, {}, {}], 2))
    assert list(course.in_processes(whose, [{}], 1)) == [os.getpid()]


def test_progress_is_a_line_at_each_tenth_in_a_file(capsys: pytest.CaptureFixture[str]):
    shown = course.Progress(20)
    for _ in range(20):
        shown.one_more()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert "20 of 20" in lines[-1]


# all of it


SMALL = Size(("leaps", "long notes"), 1, 1, 20, 2)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lessons of half a minute."""
    for module in (course, taste):
        monkeypatch.setattr(module, "CLOCK_S", (10, 20))
        monkeypatch.setattr(module, "SHORT", SMALL)
    monkeypatch.setattr(lessons, "LIMIT_S", 30)
    monkeypatch.setattr(lessons, "TAKE_S", 10)
    monkeypatch.setattr(lessons, "PRIOR_TAKES", 12)
    monkeypatch.setattr(taste, "TIMED_SHORT", 5)


def test_a_small_run_reports_what_is_documented(small: None, capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    png = tmp_path / "curves.png"
    args = Namespace(bench="taste", json=True, short=True, out=None, plot=str(png), seeds=1, jobs=1)
    assert bench.run(args) == 0
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    told = documented(taste)
    assert set(report) - {"bench", "short"} <= told
    assert set(report["listeners"]["leaps"]) | set(report["scores"]) | set(report["clock"]) <= told
    assert (report["seeds"], report["takes"], report["rate"]["n"]) == (1, 2, 5)
    assert set(report["tasteless"]) == {"always", "random", "silent"}
    assert report["short_of"] > 0
    assert report["change"]["listeners"]["leaps"]["to"] == "long notes"
    assert set(report["rhythm_only"]) == {"long notes"}
    assert set(report["rhythm_only"]["long notes"]) == {"rising steps", "high notes"}
    assert set(report["rhythm_only"]["long notes"]["high notes"]) <= told
    assert png.read_bytes().startswith(b"\x89PNG")
    text = [cells[0] for cells in taste.rows(report)]
    assert sum(line.startswith(("leaps  ", "long notes  ")) for line in text) == 2
    assert (report["scores"]["ab_50"] is None) == any("plays no pairs" in line for line in text)


def test_results_depend_on_the_task_alone(small: None):
    tastes = lessons.tastes_of()
    task = Task("graded", "leaps", 0)
    assert course.perform(SMALL, tastes, task) == course.perform(SMALL, tastes, task)


def test_times_are_taken_of_each_rating():
    found = taste.times(3)
    assert found["rate"]["n"] == 3
    assert found["plan"]["n"] >= 3
    assert math.isfinite(found["rate"]["p99"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["latency", "--plot", "x.png"], "bench latency draws no curves; leave out --plot"),
        (["music", "--seeds", "3"], "bench music chooses its own seeds; leave out --seeds"),
        (["decide", "--jobs", "2"], "bench decide runs in one process; leave out --jobs"),
        (["taste", "--out", "x"], "bench taste keeps no files; leave out --out"),
        (["taste", "--seeds", "0"], "seeds = 0 is not at least 1"),
        (["taste", "--jobs", "-1"], "jobs = -1 is not at least 1"),
        (["taste", "--plot", "nowhere/at/all.png"], "there is no folder"),
        (["taste", "--plot", "."], "is a folder; name a file in it"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(given, words, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", *given]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_picture_needs_matplotlib(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SettingsError, match=r"pip install livecomposer\[plot\]"):
        taste.measure(True, plot="curves.png")
