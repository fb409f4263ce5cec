"""The bench of key and chord following: its rules by hand, on pieces made for it."""

import re

import numpy as np
import pytest

from livecomposer.bench import following
from livecomposer.bench.corpus import Chorale

TUNE = (67, 72, 71, 72, 74, 76, 74, 72, 77, 76, 74, 72, 74, 71, 67, 72)


def voice(notes, lengths=None):
    lengths = lengths or [1.0] * len(notes)
    return np.array([(sum(lengths[:i]), lengths[i], note) for i, note in enumerate(notes)], dtype=np.float64)


def chorale(name, up=0, notes=TUNE, lengths=None):
    soprano = voice([note + up for note in notes], lengths)
    under = [voice([note + up for _ in notes], lengths) for note in (60, 52, 48)]
    return Chorale(name, up % 12, "major", 4.0, (soprano, *under))


def test_events_come_from_below_and_end_with_a_stop():
    piece = chorale("a", notes=(67, 72), lengths=[2.0, 1.0])
    assert following.whole(piece.voices[:1]) == [(0.0, 67), (2.0, 72), (4.0, -1)]
    assert following.whole(piece.voices[:1], True) == [(0.0, 67), (3.0, -1), (4.0, 72), (6.0, -1)]
    assert [note for _, note in following.whole(piece.voices)[:4]] == [48, 52, 60, 67]
    assert following.first_notes(chorale("a", notes=TUNE * 2))[-1] == (15.0, 72)


def test_keys_are_judged_by_name_and_by_signature():
    assert following.signature(9, "minor") == following.signature(0, "major") == 0
    piece = chorale("a", 3)
    assert following.judge(piece, following.whole(piece.voices)) == (True, True)
    assert following.judge(piece._replace(tonic=0, mode="minor"), following.whole(piece.voices)) == (False, True)
    assert following.judge(piece._replace(tonic=0), following.whole(piece.voices)) == (False, False)
    key, changes, minutes = following.play(following.whole(piece.voices[:1]))
    assert (key, changes, minutes) == ((3, "major"), 0, pytest.approx(17 * 0.6 / 60))


def test_a_piece_stays_in_its_key_or_not():
    assert following.stays(chorale("a"))
    assert not following.stays(chorale("a", notes=(*TUNE, 66)))


def test_every_block_chord_is_known():
    assert {name: following.chord_share(name) for name in following.PLAYED} == dict.fromkeys(following.PLAYED, 1.0)


def test_the_report_says_what_the_docstring_promises(monkeypatch):
    pieces = [chorale(f"p{i}", i) for i in range(12)]
    monkeypatch.setattr(following, "chorales", lambda: pieces)
    monkeypatch.setattr(following, "split", lambda of: (of[:1], of[1:]))
    report = following.measure(True)
    documented = set(re.findall(r"``([a-z_0-9]+)``", following.__doc__.partition("Keys of the report:")[2]))
    assert set(report) <= documented
    assert report["pieces"] == [f"p{i}" for i in range(1, 12)]
    assert report["soprano_end"] == {"n": 11, "exact": 1.0, "signature": 1.0}
    assert report["unseen_end"] == {"n": 0}
    assert report["changes"] == {"n": 11, "per_minute": 0.0}
    assert [line[0].partition(":")[0] for line in following.rows(report)] == [
        "key, soprano, 16 notes", "key, soprano, end", "key, four voices, end",
        "key changes in steady sopranos", "key changes in the same with pauses", "block chords",
    ]  # fmt: skip
