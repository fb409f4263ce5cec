"""A performance played again from its ring records: the same settings and log give the same bytes at the same times.

Tests call it, and whoever wants to hear a take anew; any thread, virtual time, no ports.
"""

import json
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Any, NamedTuple
from zlib import crc32

from livecomposer.errors import StoreError
from livecomposer.instrument.learning import Job
from livecomposer.instrument.performance import Performance
from livecomposer.instrument.records import CHANGED, SOURCES, blob_at, unpack
from livecomposer.instrument.ring import Kind, Record, RingWriter
from livecomposer.midi.profiles import Control, Profile
from livecomposer.settings import Settings

BY_MIDI = SOURCES.index("midi")  # such a rating came in as a mapped control: its INPUT record gives it again


class Tap(RingWriter):
    """A writer without a ring: each record goes to a function."""

    def __init__(self, write: Callable[[int, int, bytes], None]) -> None:
        self._tapped = write

    def write(self, kind: int, t_ns: int, payload: bytes) -> int:
        """Hand one record over."""
        self._tapped(kind, t_ns, payload)
        return 0


class Recomputing:
    """A learner that does a job when it is submitted and hands out its results when they were adopted."""

    def __init__(self) -> None:
        self.results: dict[int, list[Any]] = {}

    def submit(self, job: Job) -> None:
        """Do it now: its result depends on the rows of this moment only."""
        self.results[job.number] = job.run()


class Difference(NamedTuple):
    """The first message that is not the one recorded: its number, and both as (due, step, by whom, bytes)."""

    number: int
    recorded: tuple[int, int, int, bytes] | None
    replayed: tuple[int, int, int, bytes] | None


def verify(
    records: list[Record], snapshot: bytes | None = None, tastes: Iterable[bytes] = ()
) -> tuple[int, Difference | None]:
    """Play a take again and compare each message with the one recorded: (how many were compared, what differs first).

    A take that was cut off is compared as far as it goes. Parameters and errors are those of ``replay``.
    """
    recorded = [unpack(record) for record in records if record.kind == Kind.OUTPUT]
    replayed: list[tuple[int, int, int, bytes]] = []
    ended = any(record.kind == Kind.END for record in records)
    until = max((record.t_ns for record in records if record.kind != Kind.BEAT), default=0)

    def take(kind: int, t_ns: int, payload: bytes) -> None:
        if kind == Kind.OUTPUT:
            replayed.append(unpack(Record(0, t_ns, kind, payload)))

    replay(records, snapshot, tastes, write=take, until_ns=None if ended else until)
    if not ended:
        del replayed[len(recorded) :]
    for number, (one, other) in enumerate(zip_longest(recorded, replayed)):
        if one != other:
            return number, Difference(number, one, other)
    return len(recorded), None


def replay(
    records: list[Record], snapshot: bytes | None = None, tastes: Iterable[bytes] = (), *,
    write: Callable[[int, int, bytes], None] | None = None, until_ns: int | None = None,
) -> list[tuple[int, bytes]]:  # fmt: skip
    """All that the performance sent, as (t_ns, bytes), up to its END.

    Parameters
    ----------
    records : list[Record]
        From START on, none lost.
    snapshot : bytes, optional
        What the performance began with.
    tastes : iterable of bytes
        The model files that it changed to, in any order: the records hold only their CRC-32.
    write : callable, optional
        ``(kind, t_ns, payload)`` of the records that this performance makes.
    until_ns : int, optional
        Play on to this moment behind the last record.

    Raises
    ------
    StoreError
        The records do not begin with a take's settings, the snapshot is not the one it began with, or a taste that it
        changed to is missing.
    """
    if len(records) < 2 or records[1].kind != Kind.SETTINGS:
        raise StoreError("this take has lost its beginning; it cannot be played again")
    start = json.loads(blob_at(records, 1))
    if start["snapshot_crc"] != crc32(snapshot or b""):
        raise StoreError("this take began with another taste; give the one that it began with")
    by_crc: dict[int, bytes | None] = {crc32(data): data for data in tastes} | {0: None}
    learner = Recomputing()
    p = Performance(
        Settings(**start["settings"]), profile=_profile(start["controls"]),
        learner=learner if start["learner"] else None, snapshot=snapshot, start_ns=start["start_ns"],
        ring=Tap(write) if write else None,
    )  # fmt: skip
    sent: list[tuple[int, bytes]] = []
    for at, record in enumerate(records):
        if record.kind == Kind.INPUT:
            t_in, port, msg = unpack(record)
            p.receive(t_in, msg, record.t_ns, port)
        elif record.kind == Kind.RATING:
            t_pressed, _, source, value, _ = unpack(record)
            if source != BY_MIDI:
                p.rate(t_pressed, value, record.t_ns, SOURCES[source])
        elif record.kind == Kind.COMMAND:
            p.command(record.t_ns, *unpack(record))
        elif record.kind == Kind.LATE:
            sent += p.advance(unpack(record)[0])
            p.late(record.t_ns)
        elif record.kind == Kind.ADOPT:
            (number,) = unpack(record)
            sent += p.advance(record.t_ns)  # a beat may have given the job
            p.adopt(record.t_ns, number, learner.results.pop(number, []))
        elif record.kind == Kind.TASTE:
            what, _, crc, agent = unpack(record)
            if what == CHANGED:
                if crc not in by_crc:
                    raise StoreError("this take changed to another taste; give all that it played")
                p.change_taste(record.t_ns, by_crc[crc], agent)
        elif record.kind == Kind.CONTROLS:
            p.take_up(record.t_ns, _profile(json.loads(blob_at(records, at))))
        elif record.kind == Kind.END:
            p.release(record.t_ns)
    return sent + p.advance(max(p.now_ns, until_ns or 0))


def _profile(rows: list[list[Any]]) -> Profile:
    """A profile of these controls."""
    return Profile("", "keyboard", (), controls=tuple(Control(*row) for row in rows))
