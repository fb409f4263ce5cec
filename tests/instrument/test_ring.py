"""The ring on a plain bytearray: every record round trip, losses counted, damage seen."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.instrument import records
from livecomposer.instrument.records import Recorder, unpack
from livecomposer.instrument.ring import (
    HEADER_BYTES,
    PAYLOAD_BYTES,
    RECORD_BYTES,
    Kind,
    Record,
    RingReader,
    RingWriter,
    join_chunks,
    size_of,
)


def new(capacity=16):
    buffer = memoryview(bytearray(size_of(capacity)))
    return buffer, RingWriter(buffer, capacity)


@given(
    st.lists(st.tuples(st.sampled_from(Kind), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=40)), max_size=16)
)
def test_round_trip(written):
    buffer, writer = new()
    reader = RingReader(buffer)
    assert [writer.write(*record) for record in written] == [*range(1, len(written) + 1)]
    assert reader.read() == [Record(i + 1, t, kind, payload) for i, (kind, t, payload) in enumerate(written)]
    assert (reader.read(), reader.lost) == ([], 0)


@given(st.lists(st.one_of(st.integers(1, 40), st.none()), max_size=40), st.integers(1, 20))
def test_nothing_is_lost_uncounted(steps, capacity):
    """Any mixture of writes and reads: what was not read is counted, and what was read is in order and right."""
    buffer, writer = new(capacity)
    reader = RingReader(buffer)
    seen = []
    for step in [*steps, None]:
        for _ in range(step or 0):
            writer.write(Kind.BEAT, writer.seq, struct.pack("<Q", writer.seq + 1))
        if step is None:
            seen += reader.read()
    assert len(seen) + reader.lost == writer.seq
    assert [r.seq for r in seen] == sorted({r.seq for r in seen})
    assert all(r.payload == struct.pack("<Q", r.seq) and r.t_ns == r.seq - 1 for r in seen)


def test_an_overrun_leaves_the_newest_and_counts_the_rest():
    buffer, writer = new(8)
    reader = RingReader(buffer)
    for i in range(21):
        writer.write(Kind.BEAT, i, b"")
    assert [record.t_ns for record in reader.read()] == [*range(13, 21)]
    assert reader.lost == 13


def test_reading_in_portions():
    buffer, writer = new()
    reader = RingReader(buffer)
    for i in range(10):
        writer.write(Kind.BEAT, i, b"")
    assert [[r.t_ns for r in reader.read(4)] for _ in range(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]
    late = RingReader(buffer, from_seq=9)
    assert [r.t_ns for r in late.read()] == [8, 9]


@pytest.mark.parametrize("at", range(RECORD_BYTES))
def test_one_damaged_byte_anywhere_costs_exactly_that_record(at):
    buffer, writer = new()
    for i in range(3):
        writer.write(Kind.OUTPUT, i, bytes(range(40)))
    buffer[HEADER_BYTES + RECORD_BYTES + at] ^= 0x40
    reader = RingReader(buffer)
    assert [record.t_ns for record in reader.read()] == [0, 2]
    assert reader.lost == 1


def test_a_record_being_overwritten_is_not_taken():
    """The writer has lapped the reader between its looks: number zeroed, old or new bytes behind it."""
    buffer, writer = new(4)
    reader = RingReader(buffer)
    for i in range(4):
        writer.write(Kind.BEAT, i, b"")
    struct.pack_into("<Q", buffer, HEADER_BYTES, 0)
    assert ([r.t_ns for r in reader.read()], reader.lost) == ([1, 2, 3], 1)


def test_a_writer_that_starts_again_goes_on_counting():
    buffer, writer = new()
    writer.write(Kind.BEAT, 1, b"a")
    again = RingWriter(buffer, 16, resume=True)
    assert again.write(Kind.BEAT, 2, b"b") == 2
    assert RingReader(buffer).read() == [Record(1, 1, Kind.BEAT, b"a"), Record(2, 2, Kind.BEAT, b"b")]


def test_a_foreign_buffer_is_refused():
    with pytest.raises(ValueError, match="not a livecomposer ring"):
        RingReader(memoryview(bytearray(256)))


@pytest.mark.parametrize("size", [0, 1, 35, 36, 37, 76, 77, 500])
def test_chunks(size):
    buffer, writer = new(64)
    blob = bytes(i % 251 for i in range(size))
    writer.write_long(Kind.STATUS, 5, blob)
    writer.write_long(Kind.STATUS, 6, b"next")
    found = RingReader(buffer).read()
    assert join_chunks(found, 0) == blob
    last = max(i for i, record in enumerate(found) if record.kind == Kind.STATUS)
    assert join_chunks(found, last) == b"next"
    assert len(found) == 2 + -(-max(size - 36, 0) // PAYLOAD_BYTES)


def test_chunks_skip_what_another_record_says_between_them():
    buffer, writer = new()
    writer.write_long(Kind.STATUS, 5, bytes(70))
    found = RingReader(buffer).read()
    found.insert(1, Record(9, 9, Kind.BEAT, b"beat"))
    assert join_chunks(found, 0) == bytes(70)


RECORDS = [  # a method of Recorder, its arguments, and the record's time and fields
    ("input", (3, 17, 2, b"\x90\x3c\x40"), 3, (17, 2, b"\x90\x3c\x40")),
    ("output", (3, 16, 8, records.BY_AGENT, b"\x91\x3c\x40"), 3, (16, 8, records.BY_AGENT, b"\x91\x3c\x40")),
    ("decision", (1, True, 4, 99, (1, 2, 3), 0.5, 0.25), 3, (1, 1, 4, 99, 1, 2, 3, 0.5, 0.25)),
    ("rating", (3, 12, 3, 2, -0.1, -1), 3, (12, 3, 2, -0.1, -1)),
    ("credit", (3, 3, 1, 99, 0.5), 3, (3, 1, 99, 0.5)),
    ("command", (3, "tempo", 96.5), 3, ("tempo", 96.5)),
    ("command", (3, "held", True), 3, ("held", 1.0)),
    ("command", (3, "key", "C\u266f 0,1,2,3,4,5,6,7,8,9,10,11"), 3, ("key", "C\u266f 0,1,2,3,4,5,6,7,8,9,10,11")),
    ("command", (3, "tap", None), 3, ("tap", None)),
    ("late", (3, 15), 3, (15,)),
    ("adopt", (3, 7), 3, (7,)),
    ("beat", (3, 48, 112.5, 2, 1, 0b101010110101, "duet", 5), 3, (48, 112.5, 2, 1, 0b101010110101, 1, 5)),
    ("plan", (3, 60, 6, 64, (60, 57), True), 3, (60, 6, 64, (60, 57), True)),
    ("plan", (3, 60, 6, -1, (), False), 3, (60, 6, -1, (), False)),
    ("ledger", (3, (1, 2, 0.5, 0.25, 4.0, 3, 9)), 3, (1, 2, 0.5, 0.25, 4.0, 3, 9)),
    ("loss", (3, 4), 3, (4,)),
]


@pytest.mark.parametrize(("name", "arguments", "t_ns", "fields"), RECORDS)
def test_every_record_unpacks_to_what_was_recorded(name, arguments, t_ns, fields):
    buffer, writer = new()
    getattr(Recorder(writer), name)(*arguments)
    (record,) = RingReader(buffer).read()
    assert (record.t_ns, unpack(record)) == (t_ns, fields)


def test_settings_and_status_are_text_in_chunks():
    buffer, writer = new()
    recorder = Recorder(writer)
    recorder.settings(1, {"settings": {"role": "solo", "key": "C major"}, "start_ns": 1})
    recorder.status(2, "no MIDI input matches")
    recorder.end(3)
    found = RingReader(buffer).read()
    assert [Kind(r.kind).name for r in found] == ["START", "SETTINGS", "CHUNK", "STATUS", "END"]
    assert json.loads(records.blob_at(found, 1)) == {
        "settings": {"role": "solo", "key": "C major"},
        "start_ns": 1,
    }
    assert records.blob_at(found, 3) == b"no MIDI input matches"


def test_a_recorder_without_a_ring_takes_everything():
    recorder = Recorder(None)
    recorder.settings(1, {})
    recorder.status(1, "x")
    for name, arguments, *_ in RECORDS:
        getattr(recorder, name)(*arguments)
    recorder.end(1)


@given(st.binary(max_size=300))
def test_an_input_keeps_its_first_bytes(msg):
    buffer, writer = new()
    Recorder(writer).input(4, 3, 0, msg)
    assert unpack(RingReader(buffer).read()[0]) == (3, 0, msg[:30])
