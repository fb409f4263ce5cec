"""The judging of calls and replies, by hand; and a short run over tunes made up here."""

import math
import re

import numpy as np
import pytest

from livecomposer.bench import calls
from livecomposer.bench.calls import Call, Reply
from livecomposer.bench.corpus import Chorale, Melody
from livecomposer.music.theory import parse_key

MS = 1_000_000
VARIED = (1.0, 0.5, 0.5, 1.0, 1.0, 0.75, 0.25, 1.0, 2.0)


def melody(lengths, start=0.0, bar=4.0, notes=None, name="tune", tonic=0, mode="major"):
    onsets = start + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    notes = notes if notes is not None else [60 + tonic + (0, 2, 4, 5, 7, 9, 11)[i % 7] for i in range(len(lengths))]
    return Melody(name, tonic, mode, bar, np.column_stack([onsets, lengths, notes]).astype(np.float64))


def call(notes=(60, 62, 64, 65, 67), lengths=(12, 6, 6, 12, 24), tempo=120.0, start_s=1.0, metre="4/4", key="C major"):
    ticks = [sum(lengths[:i]) for i in range(len(lengths))]
    tick = 60.0 / tempo / 12
    played = tuple(
        (start_s + at * tick, length * tick * 0.95, note)
        for at, length, note in zip(ticks, lengths, notes, strict=True)
    )
    return Call("call", metre, key, tempo, start_s, tuple(ticks), tuple(lengths), played)


def reply(notes, lengths, tempo=120.0, start_s=4.0):
    tick = 60.0 / tempo / 12
    onsets = [start_s + sum(lengths[:i]) * tick for i in range(len(lengths))]
    return Reply(
        tempo,
        tuple((on, length * tick, note) for on, length, note in zip(onsets, lengths, notes, strict=True)),
        tuple(lengths),
    )


# ---- the calls


@pytest.mark.parametrize(
    ("bar", "lengths", "metre"),
    [
        (4.0, (1.0,) * 8, "4/4"),
        (3.0, (1.0,) * 9, "3/4"),
        (3.0, (1.0, 0.5, 1.0, 0.5) * 4, "6/8"),
        (3.0, (0.5,) * 24, "3/4"),
        (2.0, (1.0,) * 8, ""),
        (4.5, (1.5,) * 9, ""),
    ],
)
def test_metre_of(bar, lengths, metre):
    assert calls.metre_of(melody(lengths, bar=bar)) == metre


def test_openings_are_whole_bars_of_5_to_16_notes():
    bar = (1.0, 0.5, 0.5, 1.0, 1.0)
    assert calls.openings(melody(bar * 5)) == [5, 10, 15]
    assert calls.openings(melody(bar * 2)) == [5]  # (the second would be the whole melody)
    assert calls.openings(melody((1.0, *bar * 5), start=3.0)) == [6, 11, 16]  # a pickup comes with the first bar
    assert calls.openings(melody((2.0, 1.0, 1.0) * 4)) == [6, 9]


def test_openings_have_variety_and_no_long_rest():
    assert calls.openings(melody((1.0,) * 20)) == []
    assert calls.openings(melody((0.5, 0.5, *(1.0,) * 18))) == [5, 9]  # 6 of 8 lengths alike; of 12, 10
    tune = melody((1.0, 0.5, 0.5, 1.0, 1.0) * 4)
    tune.notes[6, 1] = 0.25  # an eighth that sounds half as long
    assert calls.openings(tune) == [5, 10, 15]
    tune.notes[5, 1] = 0.5  # a quarter: half a beat of rest
    assert calls.openings(tune) == [5]


@pytest.mark.parametrize("seed", range(5))
def test_a_call_is_the_opening_as_it_is_played(seed):
    tune = melody(VARIED, start=3.0, tonic=7, notes=[86, 79, 81, 83, 79, 81, 83, 84, 79], mode="minor")
    made = calls.make_call(tune, 8, np.random.default_rng(seed))
    assert made == calls.make_call(tune, 8, np.random.default_rng(seed))
    assert (made.name, made.metre, made.key) == ("tune", "4/4", "C minor")
    assert 70.0 <= made.tempo <= 140.0
    assert 0.5 <= made.start_s <= 4.5
    assert made.ticks == (36, 48, 54, 60, 72, 84, 93, 96)
    assert made.lengths == (12, 6, 6, 12, 12, 9, 3, 12)
    assert [note for _, _, note in made.played] == [67, 60, 62, 64, 60, 62, 64, 65]
    beat = 60.0 / made.tempo
    beside = [(on - made.start_s) / beat - tick / 12 for (on, _, _), tick in zip(made.played, made.ticks, strict=True)]
    assert max(map(abs, beside)) <= 0.03
    assert len({round(b, 9) for b in beside}) == 8
    for (on, held, _), (after, _, _), ticks in zip(made.played, made.played[1:], made.lengths, strict=False):
        assert held == pytest.approx(min(0.95 * ticks / 12 * beat, after - on - 0.005))


def test_the_lowest_note_lies_from_g3_to_f_sharp_4_whatever_the_octave():
    for note in (24, 43, 55, 72, 96, 103):
        notes = [note + i for i in (0, 2, 4, 2, 0, 4, 5, 2, 0)]
        made = calls.make_call(melody(VARIED, notes=notes), 6, np.random.default_rng(0))
        assert 55 <= min(n for _, _, n in made.played) == made.played[0][2] < 67
        assert (made.played[0][2] - note) % 12 == 0


# ---- judging


def test_near_takes_3_percent_of_any_level():
    assert [calls.near(ratio, (1.0,)) for ratio in (0.969, 0.971, 1.0, 1.029, 1.031, 2.0)] == [
        False, True, True, True, False, False,
    ]  # fmt: skip
    assert calls.near(1.98, (1.0, 2.0))


@pytest.mark.parametrize(
    ("metre", "t_s", "error"),
    [("4/4", 4.0, 0.0), ("4/4", 4.02, 0.02), ("4/4", 3.98, -0.02), ("4/4", 4.24, 0.24), ("6/8", 4.24, -0.01)],
)
def test_beat_error(metre, t_s, error):
    assert calls.beat_error_s(call(metre=metre), t_s) == pytest.approx(error)


@pytest.mark.parametrize(("ticks", "alike"), [(47, False), (48, True), (60, True), (72, True), (73, False)])
def test_as_long_within_a_beat(ticks, alike):
    assert calls.as_long(call(), reply([60, 62], [24, ticks - 24])) is alike  # the call has 60


def test_scale_places():
    assert calls.scale_places([60, 62, 64, 71, 72, 59, 61], parse_key("C major")) == [35, 36, 37, 41, 42, 34, 35]
    assert calls.scale_places([63, 70], parse_key("C minor")) == [37, 41]


def test_motifs_are_four_intervals_or_four_lengths():
    assert calls.motifs(reply([60, 62, 64, 65, 67], [12, 6, 6, 12, 24]), "C major") == {
        ("steps", (1, 1, 1, 1)), ("lengths", (12, 6, 6, 12)), ("lengths", (6, 6, 12, 24)),
    }  # fmt: skip
    assert calls.motifs(reply([60, 62, 64, 65], [12, 12, 12, 12]), "C major") == set()  # equal lengths are no rhythm
    assert calls.motifs(reply([60, 62], [12, 6]), "C major") == set()


def test_a_motif_may_be_transposed_and_modal():
    major, minor = reply([60, 64, 62, 65, 64], [12] * 5), reply([67, 70, 68, 72, 70], [6] * 5)
    assert calls.motifs(major, "C major") == calls.motifs(minor, "C minor") == {("steps", (2, -1, 2, -1))}


def test_literal_is_pitch_classes_and_rhythm():
    asked = call()
    assert calls.literal(asked, reply([72, 74, 76, 77, 79], [12, 6, 6, 12, 36]))
    assert not calls.literal(asked, reply([72, 74, 76, 77, 79], [12, 6, 6, 24, 12]))
    assert not calls.literal(asked, reply([72, 74, 76, 77, 77], [12, 6, 6, 12, 24]))
    assert not calls.literal(asked, reply([72, 74, 76, 77], [12, 6, 6, 12]))


def test_judge_compares_with_all_other_calls():
    up, down = call(), call(notes=(67, 65, 64, 62, 60), lengths=(12, 12, 12, 12, 12))
    rhythm = call(notes=(60, 60, 62, 60, 60), lengths=(18, 6, 12, 12, 12))
    replies = [
        reply([62, 64, 65, 67, 69], [12, 12, 12, 12, 12], start_s=4.0),  # the steps of ``up``
        reply([60, 62, 64, 65, 67], [12, 12, 12, 12, 12], tempo=240.0, start_s=4.02),  # not its call's but ``up``'s
        reply([], []),
    ]
    found = calls.judge([up, down, rhythm], replies)
    assert found == pytest.approx({
        "calls": 3, "silent": 1, "tempo": 1 / 3, "tempo_level": 2 / 3, "beat": 2 / 3, "beat_ms": 10.0, "length": 1 / 3,
        "own": 1 / 3, "other": 1 / 6, "gain": 1 / 6, "literal": 0.0,
    })  # fmt: skip


def test_judge_of_silence():
    found = calls.judge([call(), call()], [Reply(112.0, (), ())] * 2)
    assert math.isnan(found.pop("beat_ms"))
    assert found == {
        "calls": 2, "silent": 2, "tempo": 0, "tempo_level": 0, "beat": 0, "length": 0, "own": 0, "other": 0, "gain": 0,
        "literal": 0,
    }  # fmt: skip


def test_hear_reply_takes_the_top_line_after_the_call():
    asked = call()  # its last key is up at 3.45 s
    sent = [
        (3_400 * MS, b"\x91\x40\x50"), (3_420 * MS, b"\x81\x40\x40"),
        (3_500 * MS, b"\x90\x40\x50"), (3_510 * MS, b"\x80\x40\x40"),  # another channel
        (4_000 * MS, b"\x91\x3c\x50"), (4_000 * MS, b"\x91\x48\x50"),
        (4_230 * MS, b"\x81\x3c\x40"), (4_230 * MS, b"\x81\x48\x40"),
        (4_250 * MS, b"\x91\x4a\x50"), (4_710 * MS, b"\x91\x4a\x00"),
    ]  # fmt: skip
    found = calls.hear_reply(asked, sent, 120.0, 0.92)
    assert (found.tempo, found.lengths) == (120.0, (6, 12))
    assert [(on, round(length, 9), note) for on, length, note in found.notes] == [(4.0, 0.25, 72), (4.25, 0.5, 74)]
    assert calls.hear_reply(asked, sent[:4], 120.0, 0.92) == Reply(120.0, (), ())


def test_late_onsets_are_later_than_10_ms_and_not_after_the_player():
    on = b"\x91\x40\x50"
    sent = [
        (1_000 * MS, on), (1_010 * MS, on), (1_010 * MS + 1, on), (1_500 * MS, on), (2_000 * MS, on),
        (2_000 * MS + 1, on), (1_500 * MS, b"\x91\x40\x00"), (1_500 * MS, b"\x90\x40\x50"),
        (1_500 * MS, b"\x81\x40\x40"),
    ]  # fmt: skip
    assert calls.late_onsets(sent, 1_000 * MS, 2_000 * MS) == 3


# ---- playing


def test_a_call_is_answered_and_the_answer_can_be_cut():
    asked = call(notes=(60, 62, 64, 62, 67, 65, 64), lengths=(12, 6, 6, 12, 12, 24, 24), tempo=100.0)
    found = calls.reply_to(asked, 3)
    assert found == calls.reply_to(asked, 3)
    assert len(found.notes) == len(found.lengths) >= 1
    assert found.notes[0][0] > asked.played[-1][0] + asked.played[-1][1]
    assert calls.interrupt(asked, 3, found, np.random.default_rng(0)) == 0
    assert calls.interrupt(asked, 3, Reply(100.0, (), ()), np.random.default_rng(0)) is None


def test_calls_alternate_between_tunes_and_chorales_and_go_round(monkeypatch):
    made_up(monkeypatch)
    made = calls.make_calls(9)
    assert made == calls.make_calls(9)
    assert made[:3] == calls.make_calls(3)
    assert {made[0].name[0], made[1].name[0]} == {"t", "c"}
    assert len({m.name for m in made}) == 5 == len({m.name for m in made[:5]})
    assert made[5].name == made[0].name
    assert made[5].tempo != made[0].tempo


def test_a_short_run_reports_what_the_docstring_says(monkeypatch):
    made_up(monkeypatch)
    report = calls.measure(True)
    assert calls.__doc__ is not None
    documented = set(re.findall(r"``([a-z_]+)``", calls.__doc__.partition("Keys of the report:")[2]))
    assert set(report) == documented
    assert report["calls"] == calls.SHORT
    assert report["interrupted"] == calls.SHORT - report["silent"]
    assert all(isinstance(sentence, str) for (sentence,) in calls.rows(report))


def made_up(monkeypatch):
    """Three held-out tunes and two chorales."""
    tunes = [melody(np.roll(VARIED, i).tolist() * 3, name=f"t{i}") for i in range(3)]
    lines = [melody((1.0, 1.0, 0.5, 0.5, 1.0) * 4, start=3.0, name=f"c{i}", tonic=i) for i in range(2)]
    chorales = [Chorale(m.name, m.tonic, m.mode, m.bar_quarters, (m.notes,) * 4) for m in lines]
    monkeypatch.setattr(calls, "tunes", lambda: tunes)
    monkeypatch.setattr(calls, "chorales", lambda: chorales)
    monkeypatch.setattr(calls, "split", lambda of: ([], of))
