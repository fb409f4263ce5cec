"""Files of a performance: what goes in comes out, and what a MIDI file must never hold is mended on the way."""

import os

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer.errors import SettingsError, StoreError
from livecomposer.midi.files import TempoMap, rating_text, read_performance, write_performance
from livecomposer.music.metre import parse_metre

ON, OFF, CC, BEND, PROGRAM = 0x90, 0x80, 0xB0, 0xE0, 0xC0
TICK_S = 0.5 / 480  # at 120


def message(status, *data):
    return bytes((status, *data))


seven = st.integers(0, 127)
channel = st.integers(0, 2)
few_notes = st.integers(60, 63)
messages = st.one_of(
    st.builds(lambda c, n, v: message(ON | c, n, v), channel, few_notes, st.integers(0, 127)),
    st.builds(lambda c, n, v: message(OFF | c, n, v), channel, few_notes, seven),
    st.builds(lambda c, n, v: message(CC | c, n, v), channel, st.sampled_from((1, 7, 64, 66, 67, 120, 123)), seven),
    st.builds(lambda c, a, b: message(BEND | c, a, b), channel, seven, seven),
    st.builds(lambda c, p: message(PROGRAM | c, p), channel, seven),
    st.binary(max_size=4),
)
# A few milliseconds apart at most, so that many meet on one tick.
moments = st.one_of(st.floats(0, 20, allow_nan=False), st.integers(0, 12).map(lambda n: n * TICK_S / 3))
streams = st.lists(st.tuples(moments, messages), max_size=40)
tempos = st.lists(st.tuples(st.floats(0, 15), st.floats(20, 400)), max_size=6)


def absolute(track):
    tick, out = 0, []
    for item in track:
        tick += item.time
        out.append((tick, item))
    return out


def spans(track):
    """(channel, note, start, end) in ticks, refusing whatever a file must not hold."""
    down, out = {}, []
    for tick, item in absolute(track):
        if item.type == "note_on":
            assert item.velocity > 0
            assert (item.channel, item.note) not in down, "a note over another of its pitch"
            down[item.channel, item.note] = tick
        elif item.type == "note_off":
            start = down.pop((item.channel, item.note))  # KeyError: a note-off without a note
            assert tick > start, "a note of no length"
            out.append((item.channel, item.note, start, tick))
    assert not down, "a note without its end"
    return out


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("files") / "take.mid"


def test_the_whole_file_by_hand(path):
    write_performance(
        path,
        player=[(0.0, message(PROGRAM, 5)), (0.0, message(ON, 60, 100)), (0.5, message(OFF, 60, 40))],
        agent=[(0.5, message(ON | 1, 64, 80)), (0.75, message(BEND | 1, 0, 96)), (1.0, message(ON | 1, 64, 0))],
        tempo_changes=[(0.0, 120), (0.5, 60)],
        ratings=[(0.75, 0.5), (1.0, -1.0)],
        metre=parse_metre("3/4"),
    )
    file = mido.MidiFile(path)
    assert (file.type, file.ticks_per_beat) == (1, 480)
    assert [track.name for track in file.tracks] == ["livecomposer", "player", "agent"]
    rows = [[(tick, str(item.copy(time=0))) for tick, item in absolute(track)[1:-1]] for track in file.tracks]
    assert rows[0] == [
        (
            0,
            "MetaMessage('time_signature', numerator=3, denominator=4, clocks_per_click=24, "
            "notated_32nd_notes_per_beat=8, time=0)",
        ),
        (0, "MetaMessage('set_tempo', tempo=500000, time=0)"),
        (480, "MetaMessage('set_tempo', tempo=1000000, time=0)"),
        (600, "MetaMessage('marker', text='like +0.5', time=0)"),
        (720, "MetaMessage('marker', text='dislike -1.0', time=0)"),
    ]
    assert rows[1] == [
        (0, "program_change channel=0 program=5 time=0"),
        (0, "note_on channel=0 note=60 velocity=100 time=0"),
        (480, "note_off channel=0 note=60 velocity=40 time=0"),
    ]
    assert rows[2] == [
        (480, "note_on channel=1 note=64 velocity=80 time=0"),
        (600, "pitchwheel channel=1 pitch=4096 time=0"),
        (720, "note_off channel=1 note=64 velocity=64 time=0"),
    ]
    assert [absolute(track)[-1][0] for track in file.tracks] == [720, 720, 720]


def test_a_silent_performance_is_a_file_too(path):
    write_performance(path, [], [])
    assert read_performance(path) == ([], [])
    assert [item.tempo for item in mido.MidiFile(path).tracks[0] if item.type == "set_tempo"] == [500000]


def test_the_offset_is_the_beginning(path):
    events = [(9.0, message(CC, 7, 90)), (10.0, message(ON, 60, 90)), (11.0, message(OFF, 60, 64))]
    write_performance(path, events, [], tempo_changes=[(9.5, 60), (8.0, 200), (11.0, 120)], offset_s=10.0)
    assert read_performance(path)[0] == [
        (0.0, message(CC, 7, 90)),
        (0.0, message(ON, 60, 90)),
        (1.0, message(OFF, 60, 64)),
    ]
    tempo = [(tick, item.tempo) for tick, item in absolute(mido.MidiFile(path).tracks[0]) if item.type == "set_tempo"]
    assert tempo == [(0, 1000000), (480, 500000)]


@settings(deadline=None)
@given(tempos, st.lists(st.floats(0, 60), max_size=30))
def test_every_event_lands_within_half_a_tick(path, changes, times):
    events = [(t_s, message(CC, 1, i)) for i, t_s in enumerate(sorted(times))]
    write_performance(path, events, [], tempo_changes=changes)
    read, _ = read_performance(path)
    assert [data for _, data in read] == [data for _, data in events]
    ordered = sorted(changes, key=lambda change: change[0])
    for (t_s, _), (read_s, _) in zip(events, read, strict=True):
        # Where tempos change within a tick or two of the event, the slowest of them bounds the tick.
        before = [bpm for at, bpm in ordered if at <= t_s - 0.02][-1:] or [bpm for _, bpm in ordered][:1] or [120.0]
        around = [bpm for at, bpm in ordered if abs(at - t_s) < 0.02]
        assert abs(read_s - t_s) <= 0.5 * 60 / (480 * min(before + around)) * (1 + 1e-5) + 1e-9


@settings(deadline=None)
@given(tempos, st.floats(0, 60))
def test_seconds_and_ticks_agree(changes, t_s):
    tempo_map = TempoMap.from_seconds(changes)
    position = tempo_map.position(t_s)
    tick = round(position)
    assert abs(tempo_map.position(tempo_map.seconds(tick)) - tick) < 1e-6
    assert tempo_map.ticks == sorted(set(tempo_map.ticks))


@settings(deadline=None)
@given(streams, streams, tempos)
def test_no_file_holds_what_it_must_not(path, player, agent, changes):
    write_performance(path, player, agent, tempo_changes=changes, ratings=[(1.0, 1.0)])
    file = mido.MidiFile(path)
    ends = [absolute(track)[-1][0] for track in file.tracks]
    for track, end in zip(file.tracks[1:], ends[1:], strict=True):
        found = spans(track)
        assert all(stop <= end for *_, stop in found)
        pedals = {}
        for item in track:
            if item.type == "control_change" and item.control in (64, 66, 67):
                pedals[item.channel, item.control] = item.value
        assert not any(pedals.values())
    assert all(item.is_meta for item in file.tracks[0])


@settings(deadline=None)
@given(streams)
def test_what_was_written_is_read_and_written_the_same(path, stream):
    write_performance(path, stream, [])
    first = read_performance(path)
    write_performance(path, *first)
    assert read_performance(path) == first


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), few_notes, st.integers(1, 127)), max_size=12))
def test_clean_music_comes_back_as_it_was(path, plan):
    free, events = {}, []
    for gap, length, note, velocity in plan:
        start = free.get(note, 0) + gap
        free[note] = start + length
        events += [(start * TICK_S, message(ON, note, velocity)), (free[note] * TICK_S, message(OFF, note, 64))]
    write_performance(path, events, [])
    read, _ = read_performance(path)
    assert sorted((round(t_s / TICK_S), data) for t_s, data in read) == sorted(
        (round(t_s / TICK_S), data) for t_s, data in events
    )


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([(0, ON, 60, 9), (0, OFF, 60, 9)], [(60, 0, 1)], id="no length: one tick"),
        pytest.param([(0, ON, 60, 9), (4, ON, 60, 9), (9, OFF, 60, 9)], [(60, 0, 4), (60, 4, 9)], id="struck again"),
        pytest.param([(0, ON, 60, 9), (0, ON, 60, 9), (9, OFF, 60, 9)], [(60, 0, 9)], id="twice on one tick"),
        pytest.param(
            [(0, ON, 60, 9), (0, OFF, 60, 9), (0, ON, 60, 9), (9, OFF, 60, 9)], [(60, 0, 9)], id="all on one tick"
        ),
        pytest.param([(3, OFF, 60, 9), (4, ON, 62, 9), (9, OFF, 62, 9)], [(62, 4, 9)], id="off without on"),
        pytest.param([(0, ON, 60, 9), (7, CC, 1, 9)], [(60, 0, 7)], id="hanging"),
        pytest.param([(5, ON, 60, 9)], [(60, 5, 6)], id="hanging from the last tick"),
        pytest.param([(0, ON, 60, 9), (5, CC, 123, 0), (7, OFF, 60, 9)], [(60, 0, 5)], id="all notes off"),
        pytest.param([(0, ON, 60, 9), (5, ON, 60, 0)], [(60, 0, 5)], id="velocity 0 ends"),
    ],
)
def test_mending(path, events, expected):
    write_performance(path, [(tick * TICK_S, message(*data)) for tick, *data in events], [])
    assert [(note, start, end) for _, note, start, end in spans(mido.MidiFile(path).tracks[1])] == expected


def test_the_pedal_goes_up_at_the_end_of_the_longer_track(path):
    write_performance(path, [(0.0, message(CC, 64, 127)), (0.0, message(ON, 60, 9))], [(2.0, message(CC | 1, 1, 1))])
    assert read_performance(path)[0] == [
        (0.0, message(CC, 64, 127)),
        (0.0, message(ON, 60, 9)),
        (2.0, message(OFF, 60, 64)),
        (2.0, message(CC, 64, 0)),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "like +0.5"), (-1.0, "dislike -1.0"), (1, "like +1.0"), (0.25, "like +0.25"), (-0.0, "neutral +0.0")],
)
def test_rating_text(value, text):
    assert rating_text(value) == text


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "take.mid"
    write_performance(path, [(0.0, message(ON, 60, 9))], [])
    before = path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreError, match=r"cannot write .*take\.mid: No space left on device; choose another"):
        write_performance(path, [], [])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match="No such file or directory; choose another file or folder"):
        write_performance(tmp_path / "nowhere" / "take.mid", [], [])
    with pytest.raises(StoreError, match="cannot read"):
        read_performance(tmp_path / "take.mid")


@pytest.mark.parametrize("content", [b"", b"RIFF", b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\4\0\x90", b"\0" * 40])
def test_a_damaged_file(tmp_path, content):
    path = tmp_path / "x.mid"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="it is no MIDI file, or damaged"):
        read_performance(path)


def test_a_foreign_file(tmp_path):
    path = tmp_path / "x.mid"
    mido.MidiFile(type=1, tracks=[mido.MidiTrack()]).save(path)
    with pytest.raises(StoreError, match='no track named "player"'):
        read_performance(path)


@pytest.mark.parametrize("bpm", [0, -1, 3.9, 1001, float("nan")])
def test_a_tempo_no_file_can_hold(path, bpm):
    with pytest.raises(SettingsError, match="4 to 1000"):
        write_performance(path, [], [], tempo_changes=[(0.0, bpm)])
