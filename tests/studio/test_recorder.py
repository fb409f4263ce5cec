"""The recorder writes what is on the ring, goes on where it stopped, and says what is missing."""

import sqlite3
from pathlib import Path

import pytest

from livecomposer.errors import StoreError
from livecomposer.instrument.performance import Performance
from livecomposer.instrument.records import Recorder as Records
from livecomposer.instrument.ring import Kind, RingReader, RingWriter, size_of
from livecomposer.settings import Settings
from livecomposer.studio.recorder import OVERWRITTEN, UNSENT, Recorder
from livecomposer.studio.store import Store

S = 1_000_000_000


class Rig:
    """A ring with a performance on it, and a recorder that reads it."""

    def __init__(self, tmp_path: Path, capacity: int = 1 << 14) -> None:
        self.memory = memoryview(bytearray(size_of(capacity)))
        self.writer = RingWriter(self.memory, capacity)
        self.path = tmp_path / "takes.sqlite"
        self.store = Store(self.path)
        self.recorder = self.new()

    def new(self) -> Recorder:
        return Recorder(self.store, self.memory, "run", lambda t_ns: t_ns * 1e-9)

    def perform(self, start_ns: int = 5 * S, role: str = "solo") -> Performance:
        return Performance(Settings(role=role, seed=2), ring=self.writer, start_ns=start_ns)

    def kept(self, take: int) -> list:
        return self.store.records(take)


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.store.close()


def test_all_of_the_ring_is_in_the_take(rig):
    rig.writer.write(Kind.STATUS, 1, b"\0\0\0\0")  # before anything is played: of no take
    p = rig.perform()
    for t in range(6, 16):
        p.advance(t * S)
        rig.recorder.turn()
    p.rate(16 * S, 0.5)
    p.rate(17 * S, -1.0)
    p.release(18 * S)
    rig.recorder.drain()
    on_ring = RingReader(rig.memory).read(1 << 14)[1:]
    assert rig.kept(1) == on_ring
    (take,) = rig.store.takes()
    onsets = sum(r.kind == Kind.OUTPUT and r.payload[14] & 0xF0 == 0x90 and r.payload[16] > 0 for r in on_ring)
    assert (take.agent, take.player, take.ratings, take.liking) == (onsets, 0, 2, -0.25)
    assert (take.began, take.seconds, take.ended, take.role) == (5.0, 13.0, True, "solo")
    assert take.settings["settings"]["seed"] == 2
    assert set(take.machine) >= {"cpu", "numba", "numpy"}
    assert rig.store.losses(1) == []


def test_what_is_taken_back_no_longer_counts(rig):
    p = rig.perform()
    for t, value in ((6, 1.0), (7, 0.5), (8, -1.0)):
        p.rate(t * S, value)
    p.undo_rating(9 * S)
    rig.recorder.drain()
    assert [(t.ratings, t.liking) for t in rig.store.takes()] == [(2, 0.75)]
    p.command(10 * S, "forget")
    rig.recorder.drain()
    assert [(t.ratings, t.liking) for t in rig.store.takes()] == [(0, None)]


def test_presses_that_are_one_count_once(rig):
    p = rig.perform()
    p.advance(9 * S)
    for ms, value in ((10_000, 0.4), (10_020, 0.4), (10_040, 0.8), (10_060, 0.3), (16_000, 1.0), (16_300, -1.0)):
        p.rate(ms * S // 1000, value, source="keys")
    rig.recorder.drain()
    assert p.learning.undoable == 2  # one that bounced and grew, and one that was put right
    assert [(t.ratings, t.liking) for t in rig.store.takes()] == [(2, pytest.approx(-0.1))]


def test_another_recorder_goes_on_from_the_last_record(rig):
    p = rig.perform()
    p.rate(6 * S, 1.0)
    p.advance(9 * S)
    rig.recorder.drain()
    half = len(rig.kept(1))
    p.rate(10 * S, 0.5)
    p.advance(12 * S)
    recorder = rig.new()
    recorder.drain()
    assert recorder.seq == rig.writer.seq and len(rig.kept(1)) == rig.writer.seq > half
    assert [(t.ratings, t.liking) for t in rig.store.takes()] == [(2, 0.75)]


def test_another_recorder_knows_what_another_taste_has_settled(rig):
    p = rig.perform()
    for t, value in ((6, 1.0), (7, 0.5)):
        p.rate(t * S, value)
    p.change_taste(8 * S, None)
    rig.recorder.drain()
    rig.recorder = rig.new()
    p.undo_rating(9 * S)  # there is nothing to be taken back
    p.rate(10 * S, -1.0)
    p.rate(12 * S, -0.5)
    p.undo_rating(13 * S)
    rig.recorder.drain()
    assert [(t.ratings, t.liking) for t in rig.store.takes()] == [(3, pytest.approx(0.5 / 3))]


def test_each_start_is_a_take(rig):
    rig.perform().release(6 * S)
    rig.perform(7 * S, "answer").release(9 * S)
    rig.recorder.drain()
    assert [(t.id, t.role, t.seconds) for t in rig.store.takes()] == [(2, "answer", 2.0), (1, "solo", 1.0)]
    assert rig.kept(1) + rig.kept(2) == RingReader(rig.memory).read(1 << 14)


def test_what_the_ring_overwrote_is_counted(tmp_path):
    rig = Rig(tmp_path, 256)
    records = Records(rig.writer)
    records.settings(S, {"settings": {"role": "solo"}})
    rig.recorder.turn()
    first = rig.writer.seq
    for i in range(300):
        records.loss(2 * S + i, 0)
    rig.recorder.turn()
    assert rig.store.losses(1)[0] == (first, 300 - 256, OVERWRITTEN)
    assert [r.seq for r in rig.kept(1)] == [*range(1, first + 1), *range(rig.writer.seq - 255, rig.writer.seq + 1)]
    rig.store.close()


def test_a_damaged_record_is_one_loss_wherever_it_lies(rig):
    records = Records(rig.writer)
    records.settings(S, {})
    for i in range(5):
        records.late(2 * S, i)
    last = rig.writer.seq
    for seq in (last - 2, last):
        rig.memory[64 + (seq - 1) * 64 + 30] ^= 1
    rig.recorder.drain()
    assert rig.store.losses(1) == [(last - 3, 1, OVERWRITTEN), (last - 1, 1, OVERWRITTEN)]
    assert rig.recorder.seq == last


def test_messages_that_were_never_sent_are_a_loss(rig):
    records = Records(rig.writer)
    records.settings(S, {})
    records.loss(2 * S, 7)
    rig.recorder.drain()
    assert rig.store.losses(1) == [(rig.writer.seq, 7, UNSENT)]


def test_a_take_whose_beginning_is_lost_is_kept_all_the_same(tmp_path):
    rig = Rig(tmp_path, 16)
    for i in range(40):
        rig.writer.write(Kind.LATE, i, bytes(8))
    rig.recorder.drain()
    assert rig.store.losses(1) == [(0, 24, OVERWRITTEN)]
    assert [(t.role, t.settings) for t in rig.store.takes()] == [("?", None)]
    rig.store.close()


def test_a_full_disk_loses_nothing_that_the_ring_still_has(rig):
    p = rig.perform()
    p.advance(6 * S)
    rig.recorder.drain()
    before = rig.kept(1)
    pages = rig.store._db.execute("PRAGMA page_count").fetchone()[0]
    rig.store._db.execute(f"PRAGMA max_page_count = {pages}")
    p.rate(7 * S, 1.0)
    p.advance(60 * S)
    assert not rig.recorder.turn()
    assert "full" in rig.recorder.failed and rig.kept(1) == before
    rig.store._db.execute("PRAGMA max_page_count = 1000000")
    rig.recorder.drain()
    on_ring = RingReader(rig.memory).read(1 << 14)
    assert rig.recorder.failed == "" and rig.kept(1) == on_ring
    onsets = sum(r.kind == Kind.OUTPUT and r.payload[14] & 0xF0 == 0x90 and r.payload[16] > 0 for r in on_ring)
    (take,) = rig.store.takes()
    assert (take.ratings, take.agent) == (1, onsets)  # nothing is counted twice
    assert rig.store.losses(1) == []


def test_what_a_full_disk_outlasts_is_said_by_the_take(tmp_path):
    rig = Rig(tmp_path, 512)
    records = Records(rig.writer)
    records.settings(S, {})
    rig.recorder.drain()
    db = rig.store._db
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
    for i in range(1000):
        records.late(2 * S, i)
        if i % 100 == 0:
            rig.recorder.turn()
    assert rig.recorder.failed
    kept = rig.store.last_seq("run")  # what there was still room for
    db.execute("PRAGMA max_page_count = 1000000")
    rig.recorder.drain()
    assert rig.store.losses(1) == [(kept, rig.writer.seq - 512 - kept, OVERWRITTEN)]
    rig.store.close()


def test_the_file_opens_after_a_death_in_the_middle_of_a_transaction(rig):
    rig.perform().advance(8 * S)
    rig.recorder.drain()
    before = rig.kept(1)
    other = sqlite3.connect(rig.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM records")
    other.close()  # never committed
    again = Store(rig.path)
    assert again.records(1) == before
    again.close()


def test_a_newer_or_damaged_file_is_refused_in_one_sentence(tmp_path):
    newer = tmp_path / "newer.sqlite"
    Store(newer).close()
    db = sqlite3.connect(newer)
    db.execute("PRAGMA user_version = 99")
    db.close()
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"this is no database" * 100)
    blocked = tmp_path / "file"
    blocked.write_text("")
    for path, words in (
        (newer, "newer livecomposer"),
        (damaged, "damaged"),
        (blocked / "x.sqlite", "cannot be opened"),
    ):
        with pytest.raises(StoreError, match=words) as raised:
            Store(path)
        assert "\n" not in str(raised.value)


def test_names_stars_deletion_and_its_undo(rig):
    for t in (5, 10, 15):
        rig.perform(t * S).release((t + 1) * S)
    rig.recorder.drain()
    store = rig.store
    store.rename(1, "  <b>first</b> ")
    store.star(2, True)
    assert [(t.id, t.title if t.name else "", t.star) for t in store.takes()] == [
        (3, "", False), (2, "", True), (1, "<b>first</b>", False),
    ]  # fmt: skip
    store.delete(1, 100.0)
    store.delete(3, 200.0)
    assert [t.id for t in store.takes()] == [2] and [t.id for t in store.takes(deleted=True)] == [3, 1]
    with pytest.raises(StoreError, match="has been deleted"):
        store.star(1, True)
    assert store.bring_back() == 3
    assert store.bring_back(1) == 1
    assert store.take(1).name == "<b>first</b>"
    with pytest.raises(StoreError, match="no take has been deleted"):
        store.bring_back()
    with pytest.raises(StoreError, match="there is no take 9"):
        store.delete(9, 1.0)
    with pytest.raises(StoreError, match="there is no take"):
        store.take(10**30)
    for bad in ("a\nb", "x" * 200):
        with pytest.raises(StoreError, match="one line"):
            store.rename(1, bad)
    store.delete(2, 0.0)
    store.delete(3, 30 * 86400.0)
    assert store.purge(31 * 86400.0) == 1
    assert [t.id for t in store.takes(deleted=True)] == [3]
    assert store.records(2) == [] and store.records(3)


def test_a_snapshot_is_kept_once_and_found_by_its_crc(rig):
    from zlib import crc32

    rig.store.keep_snapshot(b"what had been learnt")
    rig.store.keep_snapshot(b"what had been learnt")
    assert rig.store.snapshot(crc32(b"what had been learnt")) == b"what had been learnt"
    assert rig.store.snapshot(1) is None
    assert rig.store._db.execute("SELECT count(*) FROM snapshots").fetchone() == (1,)
