"""A take as file, table and roll: the same notes in each, and in every reader of MIDI files."""

import csv
import io
import time
import warnings

import mido
import pytest

from livecomposer.errors import StoreError
from livecomposer.instrument.performance import Performance
from livecomposer.instrument.records import BY_AGENT, BY_PLAYER, unpack
from livecomposer.instrument.records import Recorder as Records
from livecomposer.instrument.ring import Kind, RingWriter
from livecomposer.midi.files import read_performance
from livecomposer.settings import Settings
from livecomposer.studio.export import COLUMNS, roll, table, write_mid
from tests.studio.rig import S, Stage


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def sent(stage, by):
    """Onsets on somebody's behalf: (s, note)."""
    return [
        ((r.t_ns - 5 * S) * 1e-9, unpack(r)[3][1])
        for r in stage.store.records(1, [Kind.OUTPUT])
        if unpack(r)[2] == by and unpack(r)[3][0] & 0xF0 == 0x90 and unpack(r)[3][2]
    ]


def test_the_file_holds_what_was_played(stage, tmp_path):
    stage.perform(role="duet", tempo=90.0, metre="3/4")
    path = tmp_path / "a.mid"
    write_mid(stage.store, stage.store.take(1), path)
    file = mido.MidiFile(path)
    assert [track.name for track in file.tracks] == ["livecomposer", "player", "agent"]
    conductor = {m.type: m for m in file.tracks[0]}
    assert conductor["set_tempo"].tempo == round(60e6 / 90) and conductor["time_signature"].numerator == 3
    assert [m.text for m in file.tracks[0] if m.type == "marker"] == ["like +0.5", "dislike -1.0"]
    for part, by in zip(read_performance(path), (BY_PLAYER, BY_AGENT), strict=True):
        found = [(t, m[1]) for t, m in part if m[0] & 0xF0 == 0x90]
        wanted = sent(stage, by)
        assert [note for _, note in found] == [note for _, note in wanted] and len(found) > 5
        assert max(abs(a - b) for (a, _), (b, _) in zip(found, wanted, strict=True)) < 0.001
        down = {}
        for t, msg in part:
            if msg[0] & 0xF0 == 0x90:
                assert msg[1] not in down
                down[msg[1]] = t
            elif msg[0] & 0xF0 == 0x80:
                assert t > down.pop(msg[1])
        assert down == {}


def test_every_reader_reads_the_same(stage, tmp_path):
    stage.perform(role="duet", tempo=100.0)
    path = tmp_path / "a.mid"
    write_mid(stage.store, stage.store.take(1), path)
    wanted = []
    for part in read_performance(path):
        down = {}
        for t, msg in part:
            if msg[0] & 0xF0 == 0x90:
                down[msg[1]] = t
            elif msg[0] & 0xF0 == 0x80:
                wanted.append((round(down.pop(msg[1]), 3), round(t, 3), msg[1]))
    wanted.sort()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        import pretty_midi
        import symusic

        pretty = pretty_midi.PrettyMIDI(str(path))
        score = symusic.Score(str(path)).to("second")
    read = {
        "pretty_midi": [(n.start, n.end, n.pitch) for instrument in pretty.instruments for n in instrument.notes],
        "symusic": [(n.time, n.time + n.duration, n.pitch) for track in score.tracks for n in track.notes],
    }
    by_pitch = lambda note: (note[2], note[0])  # noqa: E731 - a key, used twice
    for reader, notes in read.items():
        assert len(notes) == len(wanted), reader
        for one, other in zip(sorted(notes, key=by_pitch), sorted(wanted, key=by_pitch), strict=True):
            assert one == pytest.approx(other, abs=0.0011), reader
    music21 = pytest.importorskip("music21", reason="music21 is in the extra `music` only")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = music21.converter.parse(str(path), format="midi", quantizePost=False)
        pitches = sorted(p.midi for n in parsed.stripTies().flatten().notes for p in n.pitches)
    assert pitches == sorted(note for _, _, note in wanted)


def test_the_table_has_every_event(stage):
    stage.perform(role="duet")
    rows = list(csv.DictReader(io.StringIO(table(stage.store, stage.store.take(1)))))
    assert tuple(rows[0]) == COLUMNS
    records = [r for r in stage.store.records(1) if r.kind not in (Kind.CHUNK, Kind.SETTINGS, Kind.STATUS)]
    assert [row["kind"] for row in rows] == [Kind(r.kind).name.lower() for r in records]
    first = next(row for row in rows if row["kind"] == "rating")
    assert (first["value"], first["source"], first["due_s"]) == ("+0.5", "api", "9.500000")
    note = next(row for row in rows if row["kind"] == "output" and row["part"] == "player")
    assert note["message"] == "90 3d 50" and note["t_s"] == note["due_s"] == "1.000000"
    decision = next(row for row in rows if row["kind"] == "decision")
    assert decision["head"] == "rhythm" and float(decision["prior"]) < 10 and decision["decided_ms"] == "0.0000"


def test_a_hole_stands_in_the_table_and_the_roll(stage):
    records = Records(stage.writer)
    p = stage.perform(3, end=False)
    records.loss(p.now_ns, 7)
    stage.recorder.drain()
    take = stage.store.take(1)
    assert table(stage.store, take).splitlines()[1].startswith(",loss,,,,,,,,7,")
    assert [loss["count"] for loss in roll(stage.store, take)["losses"]] == [7]


def test_the_roll_has_every_note_with_its_length(stage):
    stage.perform(role="duet")
    found = roll(stage.store, stage.store.take(1))
    player = [row for row in found["notes"] if row[4] == 0]
    assert [row[0] for row in player] == [float(t) for t in range(1, 20)]
    assert all(row[1] == 0.25 for row in player)
    agent = [(round(t, 4), note) for t, note in sent(stage, BY_AGENT)]
    assert sorted((row[0], row[2]) for row in found["notes"] if row[4] == 1) == sorted(agent)
    assert found["seconds"] == 20.0


def test_a_take_without_a_beginning_cannot_be_written(stage, tmp_path):
    for i in range(5):
        stage.writer.write(Kind.LATE, i, bytes(8))
    stage.recorder.drain()
    stage.recorder._begin(0)
    stage.recorder.store.begin("other", 0, 0.0, {})
    take = stage.store.takes()[0]
    for write in (lambda: write_mid(stage.store, take, tmp_path / "a.mid"), lambda: roll(stage.store, take)):
        with pytest.raises(StoreError, match="has lost its beginning"):
            write()
    assert not (tmp_path / "a.mid").exists()


def test_an_hour_is_written_as_fast_as_a_minute_sixty_times(tmp_path):
    """Twice the take, twice the time, and not four times: nothing in it is quadratic."""
    took = {}
    for minutes in (4, 16):
        (tmp_path / str(minutes)).mkdir()
        stage = Stage(tmp_path / str(minutes), 1 << 17)
        stage.writer = RingWriter(stage.buffer, 1 << 17)
        p = Performance(Settings(role="solo", seed=2), ring=stage.writer, start_ns=5 * S)
        for minute in range(minutes):
            p.advance((65 + 60 * minute) * S)
            stage.recorder.drain()
        take = stage.store.take(1)
        took[minutes] = min(_seconds(stage, take, tmp_path) for _ in range(3))
        stage.close()
    assert took[16] < 10 * took[4]


def _seconds(stage, take, tmp_path):
    begun = time.perf_counter()
    write_mid(stage.store, take, tmp_path / "a.mid")
    return time.perf_counter() - begun
