"""The judging of two lines and of the plan, by hand; and a short run over a chorale made up here."""

import re

import numpy as np
import pytest

from livecomposer.bench import duets
from livecomposer.bench.corpus import Chorale
from livecomposer.bench.duets import BEAT_S, Strong

MS = 1_000_000
C, G, D7 = frozenset({0, 4, 7}), frozenset({7, 11, 2}), frozenset({2, 6, 9, 0})


def voice(*notes, start=0.0):
    """Quarters from notes; a pair is (length, note)."""
    rows, at = [], start
    for item in notes:
        length, note = item if isinstance(item, tuple) else (1.0, item)
        rows.append((at, length, float(note)))
        at += length
    return np.array(rows, dtype=np.float64)


def chorale(bar=4.0, mode="major"):
    """| C C G G | C Dm7 G C |, the third of the last chord left out."""
    return Chorale(
        "made up", 0, mode, bar,
        (
            voice(72, 76, 74, 71, 72, 77, 74, 72),
            voice(67, 67, 67, 67, 67, 69, 67, 67),
            voice(64, 64, 59, 62, 64, 60, 59, 60),
            voice(48, 48, 43, 43, 48, 50, 43, 48),
        ),
    )  # fmt: skip


def beats(*notes, start=0.0, late_s=0.0):
    """Quarters in seconds; None is a rest."""
    return [((start + i) * BEAT_S + late_s, BEAT_S, note) for i, note in enumerate(notes) if note is not None]


NO_STRONG = Strong((), (), ())


# ---- chords


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        (C, "C"),
        ({9, 0, 4}, "Am"),
        ({10, 2, 5}, "Bb"),
        ({11, 2, 5}, "Bdim"),
        (D7, "D7"),
        ({0, 4, 8}, ""),
        ({0, 7}, ""),
        ((), ""),
    ],
)
def test_plain_chord(classes, name):
    assert duets.plain_chord(classes) == name


def test_a_chart_holds_bachs_chords_on_strong_beats():
    assert duets.chart_of(chorale()) == "| C G | C G |"
    assert duets.chart_of(chorale(bar=3.0)) == "| C | G | G |"


def test_a_chart_without_a_triad_is_the_tonic():
    thirds = Chorale("thirds", 2, "minor", 4.0, (voice(62, 65, 62, 65),) * 4)
    assert duets.chart_of(thirds) == "| Dm |"


def test_strong_beats_know_both_chords():
    found = duets.strong_beats(chorale(), "| C . G . | C . G . |")
    assert found == Strong((0.0, 2.0, 4.0, 6.0), (C, G, C, G), (C, G, C, G))
    assert duets.strong_beats(chorale(bar=3.0), "") == Strong((0.0, 3.0, 6.0), (C, G, G), ())


def test_the_right_hand_is_the_soprano_a_little_loose():
    hand = duets.right_hand(chorale(), 5)
    assert hand == duets.right_hand(chorale(), 5)
    assert [note for _, _, note in hand] == [72, 76, 74, 71, 72, 77, 74, 72]
    for i, (onset, length, _) in enumerate(hand):
        assert abs(onset - i * BEAT_S) <= 0.008
        assert onset >= 0.0
        if i < 7:
            assert onset + length <= hand[i + 1][0] + 1e-12
    pickup = chorale()._replace(voices=(voice(72, 76, start=3.0),) * 4)
    assert duets.right_hand(pickup, 0)[0][0] == pytest.approx(3 * BEAT_S, abs=0.008)


# ---- two lines


@pytest.mark.parametrize(
    ("t_s", "note"),
    [(0.93, None), (0.94, 60), (1.0, 60), (1.43, 60), (1.44, 62), (1.9, 62), (1.99, 62), (2.0, None), (2.9, 64)],
)
def test_what_an_onset_is_heard_with(t_s, note):
    player = [(1.0, 0.5, 60), (1.5, 0.5, 62), (2.95, 0.1, 64)]
    assert duets.heard_with(player, t_s) == note


def test_a_note_just_struck_counts_though_it_has_ended():
    assert duets.heard_with([(1.0, 0.02, 60)], 1.06) == 60
    assert duets.heard_with([(1.0, 0.02, 60)], 1.07) is None


@pytest.mark.parametrize(("t_s", "note"), [(0.9, None), (1.0, 60), (1.49, 60), (1.5, 60), (1.51, None), (2.0, 62)])
def test_sounding(t_s, note):
    assert duets.sounding([(1.0, 0.5, 60), (2.0, 0.5, 62)], t_s) == note


@pytest.mark.parametrize(
    ("interval", "good"),
    [
        (0, 1),
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 1),
        (5, 0),
        (6, 0),
        (7, 1),
        (8, 1),
        (9, 1),
        (10, 0),
        (11, 0),
        (12, 1),
        (17, 0),
    ],
)
def test_consonance_is_of_the_interval_under_the_player(interval, good):
    strong = Strong((0.0,), (C,), ())
    found = duets.tally(beats(72), beats(72 - interval), strong)
    assert (found["strong"], found["consonant"]) == (1, good)


def test_above_the_player_the_same_intervals_count():
    strong = Strong((0.0,), (C,), ())
    assert [duets.tally(beats(60), beats(60 + i), strong)["consonant"] for i in (3, 4, 5, 7)] == [1, 1, 0, 1]
    assert [duets.tally(beats(60), beats(60 - i), strong)["consonant"] for i in (3, 4, 5, 7)] == [1, 1, 0, 1]


def test_only_strong_beats_within_60_ms_are_judged_and_against_their_chords():
    player = beats(72, 72, 72, 72)
    strong = Strong((0.0, 2.0), (C, G), (G, G))
    line = [*beats(64, 65, late_s=0.05), *beats(67, start=2, late_s=-0.059), *beats(62, start=3)]
    found = duets.tally(player, line, strong)
    assert {key: found[key] for key in ("onsets", "strong", "consonant", "true_chord", "charted", "chord_tone")} == {
        "onsets": 4, "strong": 2, "consonant": 1, "true_chord": 2, "charted": 2, "chord_tone": 1,
    }  # fmt: skip
    late = duets.tally(player, beats(64, late_s=0.061), strong)
    assert (late["strong"], late["onsets"], late["together"]) == (0, 1, 0)


def test_where_the_player_rests_nothing_is_consonant():
    found = duets.tally(beats(None, 72), beats(60, 60), Strong((0.0, 1.0), (C, C), ()))
    assert (found["strong"], found["consonant"], found["charted"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("line", "moves", "contrary"),
    [
        (beats(60, 59, 57), 2, 2),  # the player goes up twice: contrary
        (beats(60, 60, 60), 2, 2),  # oblique, struck again
        ([(0.0, 3 * BEAT_S, 60)], 2, 2),  # oblique, held
        (beats(60, 62, 60), 2, 1),  # parallel, contrary
        (beats(60, None, 60), 0, 0),  # silent before or after
        (beats(60, 62), 1, 0),
    ],
)
def test_motion(line, moves, contrary):
    found = duets.tally(beats(72, 74, 76), line, NO_STRONG)
    assert (found["moves"], found["contrary"]) == (moves, contrary)


def test_a_repeated_note_is_no_move():
    assert duets.tally(beats(72, 72), beats(60, 62), NO_STRONG)["moves"] == 0


def test_onsets_together():
    player = beats(72, 74)
    line = [(-0.061, 0.1, 60), (0.06, 0.1, 60), (0.3, 0.1, 60), (BEAT_S - 0.059, 0.1, 60)]
    found = duets.tally(player, line, NO_STRONG)
    assert (found["onsets"], found["together"]) == (4, 2)


def test_crossing_is_a_share_of_the_time_that_both_sound():
    player = [(0.0, 1.0, 60), (1.0, 1.0, 72), (3.0, 1.0, 60)]
    line = [(0.5, 1.0, 67), (1.5, 2.0, 67), (2.75, 0.5, 60)]
    both, above = duets.overlap(player, line)
    assert both == pytest.approx(0.5 + 0.5 + 0.5 + 0.25)
    assert above == pytest.approx(0.5)


def test_shares_of_several():
    one = duets.tally(beats(72, 74), beats(60, 62), Strong((0.0,), (C,), (G,)))
    two = duets.tally(beats(72, 74), beats(67, None), Strong((0.0,), (C,), (G,)))
    assert duets.shares([one, two]) == {
        "strong": 2, "consonant": 0.5, "true_chord": 1.0, "chord_tone": 0.5, "contrary": 0.0, "together": 1.0,
        "crossing": 0.0,
    }  # fmt: skip
    assert set(duets.shares([]).values()) == {0}


# ---- the plan


def test_a_note_is_shown_if_the_plan_of_a_beat_before_had_it():
    beat = 500 * MS
    plans = [
        (0, ((500 * MS, frozenset({60})), (1000 * MS, frozenset({64, 67})))),
        (470 * MS, ((1000 * MS, frozenset({65, 67})), (1500 * MS, frozenset()))),
    ]
    good = [(500, 60), (525, 60), (540, 60), (1000, 65), (969, 64), (1000, 67)]
    bad = [(541, 60), (460, 60), (500, 64), (1000, 64), (1500, 60), (499, 60)]
    for ms, note in good:
        assert duets.count_shown(plans, [(ms * MS, note)], beat) == 1, (ms, note)
    for ms, note in bad:
        assert duets.count_shown(plans, [(ms * MS, note)], beat) == 0, (ms, note)
    assert duets.count_shown([], [(500 * MS, 60)], beat) == 0


def test_a_watched_solo_tells_its_plan_and_its_notes():
    plans, notes = duets.watch("solo", 1, 12.0)
    assert plans == duets.watch("solo", 1, 12.0)[0]
    published = [t_ns for t_ns, _ in plans]
    assert published == sorted(published)
    assert all(begin for _, begin in plans)
    assert len(notes) > 4
    tick = 60e9 / 110.0 / 12
    assert all(abs(t_ns / tick - round(t_ns / tick)) < 1e-3 for _, plan in plans for t_ns, _ in plan)
    assert duets.count_shown(plans, notes, round(60e9 / 110.0)) > 0


@pytest.mark.parametrize("role", ["answer", "duet"])
def test_the_other_roles_can_be_watched(role):
    plans, notes = duets.watch(role, 2, 15.0)
    assert plans
    assert notes


def test_a_short_run_reports_what_the_docstring_says(monkeypatch):
    monkeypatch.setattr(duets, "chorales", lambda: [chorale(), chorale(bar=3.0, mode="minor"), chorale(bar=6.0)])
    monkeypatch.setattr(duets, "split", lambda of: ([], of))
    monkeypatch.setattr(duets, "SHOWN_S", 10.0)
    report = duets.measure(True)
    assert report["pieces"] == 2
    assert set(report["shown"]) == set(duets.SHOWN_ROLES)
    assert report["alone"]["strong"] > 0
    assert duets.__doc__ is not None
    documented = set(re.findall(r"``([a-z_]+)``", duets.__doc__.partition("Keys of the report:")[2]))
    assert set(report) | set(report["alone"]) | set(report["chart"]) == documented
    assert all(isinstance(sentence, str) for (sentence,) in duets.rows(report))
