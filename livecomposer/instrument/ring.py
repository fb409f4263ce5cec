"""Fixed 64-byte records in shared memory, one writer, any number of readers, nobody ever waits.

The instrument's loop writes (in its slack) what happened; desk and studio tail it. The same ring, with ``OUTPUT``
records only, carries the instrument's MIDI to the built-in sound. Numba-free: every process may import it.

Record: ``seq u64 | t_ns i64 | kind u16 | length u16 | check u32 | payload 40 bytes``. The writer zeroes ``seq``,
fills the record, then writes ``seq`` last; a reader takes a record only when ``seq`` is the one it expects and the
check field (CRC-32 of the 52 bytes behind it, and of ``seq``) agrees. Kinds may be added, never changed.
"""

import struct
from enum import IntEnum
from multiprocessing.shared_memory import SharedMemory
from typing import NamedTuple
from zlib import crc32

RECORD_BYTES = 64
PAYLOAD_BYTES = 40
HEADER_BYTES = 64
CAPACITY = 1 << 17  # 131,072 records: 10.9 minutes at 200 a second, 8 MiB
MAGIC = 0x4C43_5249_4E47_0001  # "LCRING", layout 1

_HEADER = struct.Struct("<QQQ")  # magic, capacity, number of the last record written
_SEQ = struct.Struct("<Q")
_BODY = struct.Struct("<qHHI40s")  # t_ns, kind, length, check, payload
_CHECKED = struct.Struct("<QqHH40s")  # what the check field covers


class Kind(IntEnum):
    """What a record says; its payload's layout stands in :data:`LAYOUT`."""

    START = 1
    SETTINGS = 2
    INPUT = 3
    OUTPUT = 4
    DECISION = 5
    RATING = 6
    CREDIT = 7
    COMMAND = 8
    LATE = 9
    ADOPT = 10
    BEAT = 11
    PLAN = 12
    LEDGER = 13
    LOSS = 14
    END = 15
    CHUNK = 16
    STATUS = 17
    ANSWER = 18
    TASTE = 19
    CHORD = 24
    LIKELY = 25
    CONTROLS = 26
    DONE = 27


class Record(NamedTuple):
    """One record as a reader sees it."""

    seq: int
    t_ns: int
    kind: int
    payload: bytes


def size_of(capacity: int = CAPACITY) -> int:
    """Bytes of shared memory that a ring of ``capacity`` records needs."""
    return HEADER_BYTES + capacity * RECORD_BYTES


class RingWriter:
    """The one writer. ``write`` is real-time safe (1.5 µs, never blocks) and may be called from one thread only."""

    def __init__(self, buffer: memoryview, capacity: int = CAPACITY, *, resume: bool = False) -> None:
        self.buffer = buffer
        self.capacity = capacity
        self.seq = _HEADER.unpack_from(buffer, 0)[2] if resume else 0
        if not resume:
            _HEADER.pack_into(buffer, 0, MAGIC, capacity, 0)

    def write(self, kind: int, t_ns: int, payload: bytes) -> int:
        """Append one record and return its number (from 1). ``payload`` holds at most 40 bytes."""
        seq = self.seq + 1
        at = HEADER_BYTES + ((seq - 1) % self.capacity) * RECORD_BYTES
        check = crc32(_CHECKED.pack(seq, t_ns, kind, len(payload), payload))
        _SEQ.pack_into(self.buffer, at, 0)
        _BODY.pack_into(self.buffer, at + 8, t_ns, kind, len(payload), check, payload)
        _SEQ.pack_into(self.buffer, at, seq)
        _SEQ.pack_into(self.buffer, 16, seq)
        self.seq = seq
        return seq

    def write_long(self, kind: int, t_ns: int, blob: bytes) -> None:
        """A record of ``kind`` followed by as many ``CHUNK`` records as ``blob`` needs (SysEx, settings)."""
        head = struct.pack("<I", len(blob)) + blob[: PAYLOAD_BYTES - 4]
        self.write(kind, t_ns, head)
        for at in range(PAYLOAD_BYTES - 4, len(blob), PAYLOAD_BYTES):
            self.write(Kind.CHUNK, t_ns, blob[at : at + PAYLOAD_BYTES])


class RingReader:
    """A reader with its own place in the ring; ``lost`` counts the records it was too slow for."""

    def __init__(self, buffer: memoryview, *, from_seq: int = 1) -> None:
        magic, self.capacity, _ = _HEADER.unpack_from(buffer, 0)
        if magic != MAGIC:
            raise ValueError(f"not a livecomposer ring: magic {magic:#x}, expected {MAGIC:#x}")
        self.buffer = buffer
        self.next_seq = from_seq
        self.lost = 0

    def read(self, most: int = 4096) -> list[Record]:
        """The records that have come since the last call, oldest first, at most ``most``."""
        found: list[Record] = []
        last = _SEQ.unpack_from(self.buffer, 16)[0]
        oldest = last - self.capacity + 1
        if self.next_seq < oldest:
            self.lost += oldest - self.next_seq
            self.next_seq = oldest
        while self.next_seq <= last and len(found) < most:
            at = HEADER_BYTES + ((self.next_seq - 1) % self.capacity) * RECORD_BYTES
            raw = bytes(self.buffer[at : at + RECORD_BYTES])
            t_ns, kind, length, check, payload = _BODY.unpack_from(raw, 8)
            seq = _SEQ.unpack_from(raw, 0)[0]
            if seq == self.next_seq and check == crc32(_CHECKED.pack(seq, t_ns, kind, length, payload)):
                found.append(Record(seq, t_ns, kind, payload[:length]))
            else:
                self.lost += 1  # damaged, or overwritten while we looked
            self.next_seq += 1
        return found


def join_chunks(records: list[Record], at: int) -> bytes:
    """The blob that ``write_long`` put at ``records[at]`` and the ``CHUNK`` records behind it."""
    first = records[at].payload
    size = struct.unpack_from("<I", first)[0]
    parts = [first[4:]]
    have = len(parts[0])
    for record in records[at + 1 :]:
        if have >= size:
            break
        if record.kind == Kind.CHUNK:
            parts.append(record.payload)
            have += len(record.payload)
    return b"".join(parts)[:size]


def create(capacity: int = CAPACITY) -> SharedMemory:
    """New shared memory for a ring; the creator (desk) closes and unlinks it. Children attach by its name."""
    memory = SharedMemory(create=True, size=size_of(capacity))
    assert memory.buf is not None
    _HEADER.pack_into(memory.buf, 0, MAGIC, capacity, 0)
    return memory


def attach(name: str) -> SharedMemory:
    """Attach from a *spawned child* only (a foreign process's resource tracker would unlink it at exit)."""
    return SharedMemory(name=name)
