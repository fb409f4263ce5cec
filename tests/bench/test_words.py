"""What a taste says of itself, held against who taught it: the classes are sound, and the verdicts follow the facts."""

import json

import pytest

from livecomposer import Performance, Settings
from livecomposer.bench import words
from livecomposer.bench.listeners import ARCHETYPES
from livecomposer.cli import main
from livecomposer.desk import portrait
from livecomposer.desk.pairs import Answer
from livecomposer.ratings.features import NAMES, TRENDS
from livecomposer.ratings.taste import Effect


def test_every_class_is_of_things_that_there_are_and_every_listener_has_someone_unrelated():
    inside = {name for name, taste in ARCHETYPES.items() if taste.group != "outside"}
    assert set(words.MEANS) == set(words.UNRELATED) == inside
    for name, means in words.MEANS.items():
        assert set(means) <= {*NAMES, *TRENDS} and set(means.values()) <= {-1, 1}
        assert words.UNRELATED[name] in ARCHETYPES and words.UNRELATED[name] != name


@pytest.fixture
def model():
    p = Performance(Settings(role="solo", seed=1))
    for i in range(1, 12):
        p.rate(i * 900_000_000, 1.0 if i % 2 else -1.0)
    return p.snapshot()


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        ([("height", 0.3)], True), ([("height", -0.3)], False), ([("register.0", -0.2)], True), ([], False),
        ([("long", 0.9), ("full", 0.8), ("space", 0.7), ("height", 0.6)], False),
        ([("long", 0.9), ("full", 0.8), ("height", 0.6)], True),
    ],
)  # fmt: skip
def test_named_is_a_statement_of_the_first_three_with_the_right_sign(model, monkeypatch, stated, named):
    effects = [Effect(name, "", worth, 0.1, 9) for name, worth in stated]
    monkeypatch.setattr(words, "hold", lambda *of: iter(()))
    for sure in (len(effects), 0):
        drawn = portrait.Portrait("x", 11, 6, 5, 0, effects, [], effects, [[] for _ in effects], sure)
        monkeypatch.setattr(words, "draw", lambda name, taste, drawn=drawn: drawn)
        assert words.said(model, "high notes", 0) == words.Said(named, named and sure > 0, False, False)


@pytest.mark.parametrize(("chosen", "won"), [(12, True), (10, True), (9, False), (0, False)])
def test_a_test_is_won_or_fooled_beyond_chance_by_who_listens(model, monkeypatch, chosen, won):
    """Of twelve pairs; the other listener chooses as chance does."""

    def answers(pairs, play, choose, say):
        taken = chosen if choose == "high notes" else 6
        for i, pair in enumerate(pairs):
            yield Answer(pair, "a" if (i < taken) == pair.taste_first else "b")

    drawn = portrait.Portrait("x", 11, 6, 5, 0, [], [], [], [], 0)
    monkeypatch.setattr(words, "draw", lambda name, taste: drawn)
    monkeypatch.setattr(words, "hold", answers)
    monkeypatch.setattr(words, "simulated", lambda name, players, seed: name)
    assert words.said(model, "high notes", 0) == words.Said(False, False, won, False)
    monkeypatch.setattr(words, "UNRELATED", {"leaps": "high notes"})
    assert words.said(model, "leaps", 0) == words.Said(False, False, False, won)


def test_whether_anything_is_said_of_nobody(model, monkeypatch):
    effects = [Effect("long", "", 0.9, 0.1, 9)]
    for stated, sure, found in ((effects, 1, (True, True)), (effects, 0, (False, True)), ([], 0, (False, False))):
        drawn = portrait.Portrait("x", 11, 6, 5, 0, stated, [], effects, [[] for _ in stated], sure)
        monkeypatch.setattr(words, "draw", lambda name, taste, drawn=drawn: drawn)
        assert words.invented(model) == words.Invented(*found)


def test_what_the_ratings_cannot_tell_from_a_statement_names_it_too(model, monkeypatch):
    stated, other = Effect("long", "", 0.9, 0.1, 9), Effect("height", "", 0.4, 0.1, 9)
    monkeypatch.setattr(words, "hold", lambda *of: iter(()))
    for others, named in (([[other]], True), ([[other._replace(worth=-0.4)]], False), ([[]], False)):
        drawn = portrait.Portrait("x", 11, 6, 5, 0, [stated], [], [stated, other], others, 1)
        monkeypatch.setattr(words, "draw", lambda name, taste, drawn=drawn: drawn)
        assert words.said(model, "high notes", 0) == words.Said(named, named, False, False)


def test_a_short_run_reports_what_is_documented(monkeypatch, capsys):
    monkeypatch.setattr(words, "RATINGS", 8)
    monkeypatch.setattr(words, "PAIRS", 2)
    assert main(["bench", "words", "--short", "--json", "--jobs", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"bench", "short", "machine", "ok", "seeds", "listeners", "all", "nothing"}
    assert set(report["nothing"]) == set(words.NOTHING)
    assert set(report["listeners"]) == set(words.SHORT_OF) and set(report["all"]) == set(words.SHARES)
    table = words.rows(report)
    assert table[0] == ["", "named", "sure", "wins", "fooled"] and table[3][0] == "all"
    assert main(["bench", "words", "--seeds", "0"]) == 2
    assert "seeds = 0 is not at least 1" in capsys.readouterr().err
