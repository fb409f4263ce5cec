"""The recorder: tails the ring into the store, four times a second, in one transaction each.

Studio's main thread calls ``turn``. Whatever the disk does, the ring waits ten minutes: what could not be written is
read from it again, and only what it has overwritten meanwhile is lost, counted, and said by the take.
"""

import json
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from zlib import crc32

from livecomposer.errors import StoreError
from livecomposer.instrument.records import BY_AGENT, BY_PLAYER, OBEYED, blob_at, unpack
from livecomposer.instrument.ring import Kind, Record, RingReader
from livecomposer.midi.messages import NOTE_ON
from livecomposer.studio.keeping import Verdicts
from livecomposer.studio.store import Store

TURN_S = 0.25
MOST = 1 << 15  # records of one transaction
TALLIED = (
    Kind.START, Kind.OUTPUT, Kind.RATING, Kind.ANSWER, *OBEYED, Kind.TASTE, Kind.LEDGER, Kind.END,
)  # fmt: skip
OVERWRITTEN = "the ring had been overwritten before they could be written"
UNSENT = "the MIDI output did not take them"


class Tally:
    """A take's figures, from its records."""

    def __init__(self, start_ns: int) -> None:
        self.verdicts = Verdicts(start_ns)
        self.facts: dict[str, Any] = {"player": 0, "agent": 0, "ended": 0, "end_ns": start_ns}

    def take(self, record: Record) -> None:
        """Follow a record."""
        facts = self.facts
        if record.kind != Kind.BEAT:  # it is written before it sounds
            facts["end_ns"] = max(facts["end_ns"], record.t_ns)
        if record.kind == Kind.OUTPUT:
            _, _, by, msg = unpack(record)
            if by in (BY_PLAYER, BY_AGENT) and msg[0] & 0xF0 == NOTE_ON and msg[2]:
                facts["player" if by == BY_PLAYER else "agent"] += 1
        elif record.kind == Kind.LEDGER:
            _, _, facts["p50_ms"], facts["p99_ms"], facts["max_ms"], facts["misses"], _ = unpack(record)
        elif record.kind == Kind.END:
            facts["ended"] = 1
        self.verdicts.take(record)
        self.verdicts.obey(record)

    def row(self) -> dict[str, Any]:
        """The columns of the take's row."""
        ratings = self.verdicts.ratings
        liking = sum(ratings) / len(ratings) if ratings else None
        return {**self.facts, "ratings": len(ratings), "pairs": self.verdicts.pairs, "liking": liking}


class Recorder:
    """One run's. It goes on from the last record that the store has of it.

    Parameters
    ----------
    store : Store
    buffer : memoryview
        The ring.
    run : str
        A name that no other run has.
    clock : callable
        ``t_ns`` of the ring → seconds of the time of day.
    """

    def __init__(self, store: Store, buffer: memoryview, run: str, clock: Callable[[int], float]) -> None:
        self.store = store
        self.run = run
        self.machine = machine()
        self.failed = ""  # why nothing can be written just now
        self.take: int | None = None
        self._clock = clock
        self._tally = Tally(0)
        self._settled = False  # the take's settings are known
        self._standing = False  # where the store stands
        self._reader = RingReader(buffer, from_seq=store.last_seq(run) + 1)

    @property
    def seq(self) -> int:
        """The last record that has been dealt with."""
        return self._reader.next_seq - 1

    def turn(self) -> bool:
        """Write what has come; returns whether it could be."""
        reader = self._reader
        after = reader.next_seq
        records = reader.read(MOST)
        if reader.next_seq == after:
            return True
        try:
            if not self._standing:
                self._resume()
            with self.store.transaction():
                self._write(records, after)
                self.store.reached(self.run, reader.next_seq - 1)
        except StoreError as error:
            self.failed = str(error)
            reader.next_seq = after  # it is still on the ring, or will be missed there
            self._standing = False
            return False
        self.failed = ""
        return True

    def drain(self) -> None:
        """Write all that is on the ring."""
        seq = -1
        while seq != self.seq and self.turn():
            seq = self.seq

    def _write(self, records: list[Record], expected: int) -> None:
        batch: list[Record] = []
        for record in records:
            if record.seq != expected:
                self._flush(batch)
                self._lost(record.t_ns, expected - 1, record.seq - expected, OVERWRITTEN)
            expected = record.seq + 1
            if record.kind == Kind.START:
                self._flush(batch)
                self._begin(record.t_ns)
            if self.take is None:
                continue  # a status before anything is played
            batch.append(record)
            self._tally.take(record)
            if record.kind == Kind.LOSS:
                self.store.lost(self.take, record.seq, unpack(record)[0], UNSENT)
        self._flush(batch)
        if self._reader.next_seq != expected:
            self._lost(records[-1].t_ns if records else 0, expected - 1, self._reader.next_seq - expected, OVERWRITTEN)

    def _begin(self, t_ns: int) -> None:
        self.take = self.store.begin(self.run, t_ns, self._clock(t_ns), self.machine)
        self._tally = Tally(t_ns)
        self._settled = False

    def _lost(self, t_ns: int, after: int, count: int, why: str) -> None:
        """A hole; one at the very beginning has a take of its own, so that it is not forgotten."""
        if self.take is None:
            self._begin(t_ns)
        assert self.take is not None
        self.store.lost(self.take, after, count, why)

    def _flush(self, batch: list[Record]) -> None:
        if self.take is None:
            return
        self.store.add(self.take, batch)
        batch.clear()
        facts = self._tally.row()
        if not self._settled:
            settings = settings_of(self.store.beginning(self.take))
            if settings is not None:
                self._settled = True
                facts["settings"] = json.dumps(settings)
        self.store.sum_up(self.take, **facts)

    def _resume(self) -> None:
        """Stand where the store stands."""
        self._standing = True
        self.take = self.store.last_take(self.run)
        if self.take is None:
            return
        tallied = self.store.records(self.take, TALLIED)
        self._tally = Tally(tallied[0].t_ns if tallied else 0)
        for record in tallied:
            self._tally.take(record)
        self._settled = self.store.take_settled(self.take)


def settings_of(records: list[Record]) -> dict[str, Any] | None:
    """What a take's first records say it began with; None if they do not (yet)."""
    at = next((i for i, record in enumerate(records) if record.kind == Kind.SETTINGS), -1)
    if at < 0:
        return None
    blob = blob_at(records, at)
    if len(blob) < int.from_bytes(records[at].payload[:4], "little"):
        return None
    return json.loads(blob)


def machine() -> dict[str, str]:
    """What the same bytes depend on besides the log: another processor or numba may round otherwise."""
    facts = {"cpu": _cpu(), "python": platform.python_version(), "system": platform.platform(terse=True)}
    for package in ("livecomposer", "numba", "llvmlite", "numpy"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "?"
    return facts


def _cpu() -> str:
    if sys.platform == "linux":
        try:
            with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
                found = {line.split(":", 1)[0].strip(): line.split(":", 1)[1].strip() for line in file if ":" in line}
            return f"{found.get('model name', platform.machine())} {crc32(found.get('flags', '').encode()):08x}"
        except OSError:
            pass
    return platform.processor() or platform.machine()
