"""Desk keeps both parts from the ring and writes them as .mid."""

from pathlib import Path

import mido

from livecomposer.desk.screen import State
from livecomposer.instrument.performance import Performance
from livecomposer.instrument.records import BY_RELEASE
from livecomposer.instrument.ring import RingReader, RingWriter, size_of
from livecomposer.midi.files import read_performance
from livecomposer.music.metre import parse_metre
from livecomposer.settings import Settings
from livecomposer.studio.keeping import IDLE, Kept

S = 1_000_000_000


def played(thru: str) -> tuple[Kept, list[tuple[int, bytes]]]:
    memory = memoryview(bytearray(size_of(1 << 12)))
    settings = Settings(role="harmonize", seed=2, thru=thru)
    p = Performance(settings, ring=RingWriter(memory, 1 << 12), start_ns=5 * S)
    kept = Kept(settings, thru != "off", 0)
    for i, note in enumerate((60, 64, 67)):
        p.receive(6 * S + i * S // 2, bytes((0x90, note, 90)))
        p.receive(6 * S + i * S // 2 + S // 4, bytes((0x80, note, 0)))
    p.rate(8 * S, 0.5)
    sent = p.advance(9 * S)
    for record in RingReader(memory).read():
        kept.take(record)
    return kept, sent


def test_both_parts_ratings_and_tempo_are_kept() -> None:
    kept, sent = played("on")
    assert kept.start_ns == 5 * S
    seconds = [((t - 5 * S) * 1e-9, msg) for t, msg in sent]
    assert kept.sounded == seconds
    assert kept.player == [(t, msg) for t, msg in seconds if msg[0] & 15 == 0]
    assert kept.agent == [(t, msg) for t, msg in seconds if msg[0] & 15 == 1]
    assert [(round(t, 6), value) for t, value in kept.ratings] == [(3.0, 0.5)]
    assert [(t, tempo) for t, tempo in kept.tempi] == [(0.0, 112.0)]


def test_with_thru_off_the_player_is_kept_from_what_came_in() -> None:
    kept, sent = played("off")
    assert [msg for _, msg in kept.player] == [
        bytes((status, note, velocity)) for note in (60, 64, 67) for status, velocity in ((0x90, 90), (0x80, 0))
    ]
    assert all(msg[0] & 15 == 1 for _, msg in sent)


def test_export_reads_back_with_every_note_ended_even_after_a_crash(tmp_path: Path) -> None:
    kept, _ = played("on")
    kept.add(5.0, 1, bytes((0x91, 50, 80)))  # sounding when the instrument died
    kept.add(5.5, BY_RELEASE, bytes((0x81, 50, 0)))
    path = tmp_path / "a.mid"
    kept.export(str(path))
    player, agent = read_performance(path)
    assert [m[1] for _, m in player if m[0] >> 4 == 9] == [60, 64, 67]
    last = [(round(t, 2), m[0], m[1]) for t, m in agent if m[1] == 50]
    assert last == [(5.0, 0x91, 50), (5.5, 0x81, 50)]


def test_a_press_for_which_nothing_was_there_is_taken_back_and_counts_for_nothing(tmp_path: Path) -> None:
    memory = memoryview(bytearray(size_of(1 << 12)))
    settings = Settings(role="harmonize", seed=2)
    p = Performance(settings, ring=RingWriter(memory, 1 << 12))
    p.rate(S, 1.0)
    kept, state = Kept(settings, True, 0), State()
    for record in RingReader(memory).read():
        kept.take(record)
        state.take(record, parse_metre("4/4"))
    assert (kept.ratings, kept.pairs, kept.verdicts.ratings, state.ratings) == ([], 0, [], 0)
    kept.export(str(tmp_path / "a.mid"))
    assert not [m for m in mido.MidiFile(tmp_path / "a.mid").tracks[0] if m.type == "marker"]
    assert kept.forget(2 * S) == 0
    assert kept.undo() is None
    kept.verdicts.given.append((1.0, IDLE))
    assert (kept.undo(), kept.undo()) == (IDLE, None)


def test_answers_are_kept_with_the_ratings_and_taken_back_in_turn(tmp_path: Path) -> None:
    memory = memoryview(bytearray(size_of(1 << 12)))
    settings = Settings(role="solo", seed=2, tempo=240.0)
    p = Performance(settings, ring=RingWriter(memory, 1 << 12))
    p.command(S, "ab")
    p.advance(8 * S)
    p.prefer(8 * S, "b")
    p.rate(9 * S, -0.5)
    kept, state = Kept(settings, True, 0), State()
    for record in RingReader(memory).read():
        kept.take(record)
        state.take(record, parse_metre("4/4"))
    assert kept.ratings == [(8.0, "pair: the second"), (9.0, -0.5)]
    assert (kept.pairs, state.pairs, state.ratings) == (1, 1, 1)
    kept.export(str(tmp_path / "a.mid"))
    marks = [m.text for m in mido.MidiFile(tmp_path / "a.mid").tracks[0] if m.type == "marker"]
    assert marks == ["pair: the second", "dislike -0.5"]
    assert [kept.undo(), kept.undo(), kept.undo()] == [-0.5, "pair: the second", None]
