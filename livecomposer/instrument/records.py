"""What each kind of ring record carries, packed and unpacked in one place.

The loop packs (in its slack), desk, studio and replay unpack; numba-free.
"""

import json
import struct
from collections.abc import Callable
from typing import Any

from livecomposer.instrument.ring import PAYLOAD_BYTES, Kind, Record, RingWriter, join_chunks
from livecomposer.settings import AGENTS

Write = Callable[[int, int, bytes], object]

COMMAND_TEXT_BYTES = 31
_INPUT = struct.Struct("<qBB")  # t_in, port, length; then the bytes
_OUTPUT = struct.Struct("<qiBB")  # due, step, by (0 player, 1 agent, 2 click, 3 release), length; then the bytes
_DECISION = struct.Struct("<BBHiqqqff")  # head, flags (1 late), action, step, in, decided, sent, value, prior
_RATING = struct.Struct("<qiBdi")  # t_pressed, number, source, value, phrase (or one of those below)
_CREDIT = struct.Struct("<iBif")  # rating, head, step, weight
_ANSWER = struct.Struct("<iBii")  # number (counted with the ratings), index in ANSWERS, the two phrases
_COMMAND = struct.Struct(f"<Bd{COMMAND_TEXT_BYTES}s")  # index in COMMANDS, number (NaN: none), text
_LATE = struct.Struct("<q")  # the time to which all had been handled
_ADOPT = struct.Struct("<i")  # job
_TASTE = struct.Struct("<BIIB")  # what (CHANGED, ...), number and agent of the taste, CRC-32 of its file (0: new)
_BEAT = struct.Struct("<ifBBHBB")  # tick, tempo, tonic, phase, pitch classes of the key, role, flags
_PLAN = struct.Struct("<iHhBB")  # tick, ticks, note (-1 rest), added notes, first of its plan; then the added notes
_CHORD = struct.Struct("<bH")  # root (-1: none), pitch classes
_LIKELY = struct.Struct("<iB")  # tick, notes; then (note, share in 255ths) of each, the likeliest first
_LEDGER = struct.Struct("<IIfffII")  # notes in, notes out, p50, p99, max ms, misses, malformed
_LOSS = struct.Struct("<I")  # how many

ROLE_NAMES = ("harmonize", "duet", "answer", "solo")
SOURCES = ("api", "keys", "midi", "page", "virtual")
OBEYED = (Kind.COMMAND, Kind.DONE)  # the player has asked for something; of a DONE the log has the MIDI message
COMMANDS = (
    "role", "key", "tempo", "held", "mute", "level", "adventure", "click", "tap", "end", "panic", "undo",
    "key_next", "in_lost", "out_lost", "outside", "ab", "ab_a", "ab_b", "ab_none", "forget", "about_rhythm",
    "about_notes", "about_chords", "taste", "restore", "agent",
)  # fmt: skip
ANSWERS = {"ab_a": "a", "ab_b": "b", "ab_none": "neither"}  # to a pair: the command, and what it says
# where a pair stands, and the line that says so
PAIR_LINES = {
    "coming": "Pair: two phrases, from the next bar line on.", "first": "Pair: the first …",
    "second": "Pair: the second …", "which": "Which? 1, 2, or 0 for neither.", "a": "Pair: the first it is.",
    "b": "Pair: the second it is.", "neither": "Pair: neither of them.", "left": "The pair is left.",
}  # fmt: skip
FORGET_S = 30.0  # the command forget takes back what was pressed in so many seconds
CHANGED, RESTORED, BROUGHT_BACK = range(3)  # to another taste; to the start; to what was there before that
BY_PLAYER, BY_AGENT, BY_CLICK, BY_RELEASE = range(4)
# the phrase of a rating that is about a moment; that no note was there for; that is no rating but the last one bouncing
MOMENT, NOTHING_REACHED, SAME_PRESS = -1, -2, -3
FLAG_HELD, FLAG_MUTED, FLAG_CLICK, FLAG_EXTERNAL = 1, 2, 4, 8
MOST_LIKELY = (PAYLOAD_BYTES - _LIKELY.size) // 2  # notes in a LIKELY record
_MAX_INPUT = PAYLOAD_BYTES - _INPUT.size


class Recorder:
    """Packs what happened into ring records through ``write(kind, t_ns, payload)`` (or nowhere, if None)."""

    def __init__(self, writer: RingWriter | None) -> None:
        self._writer = writer
        self._write: Write = writer.write if writer else (lambda kind, t_ns, payload: None)

    @property
    def heard(self) -> bool:
        """Whether anybody can read what is recorded."""
        return self._writer is not None

    def settings(self, t_ns: int, blob: dict[str, Any]) -> None:
        """Start of a take and all its settings as JSON."""
        self._write(Kind.START, t_ns, b"")
        if self._writer:
            self._writer.write_long(Kind.SETTINGS, t_ns, json.dumps(blob).encode())

    def input(self, turn_ns: int, t_in: int, port: int, msg: bytes) -> None:
        """A message from the player; long ones keep their first bytes only (they are never valid notes)."""
        self._write(Kind.INPUT, turn_ns, _INPUT.pack(t_in, port, min(len(msg), 255)) + msg[:_MAX_INPUT])

    def output(self, sent_ns: int, due_ns: int, step: int, by: int, msg: bytes) -> None:
        """A message that has been sent."""
        self._write(Kind.OUTPUT, sent_ns, _OUTPUT.pack(due_ns, step, by, len(msg)) + msg)

    def decision(
        self, head: int, late: bool, action: int, step: int, stamps: tuple[int, int, int], value: float, prior: float
    ) -> None:
        """What a head chose, with its three stamps (in, decided, sent) and the terms it weighed."""
        payload = _DECISION.pack(head, 1 if late else 0, action, step, *stamps, value, prior)
        self._write(Kind.DECISION, stamps[2], payload)

    def rating(self, turn_ns: int, t_pressed: int, number: int, source: int, value: float, phrase: int) -> None:
        """A rating as it was pressed; one with the number of an earlier one stands for it."""
        self._write(Kind.RATING, turn_ns, _RATING.pack(t_pressed, number, source, value, phrase))

    def credit(self, turn_ns: int, number: int, head: int, step: int, weight: float) -> None:
        """Which step a rating reached."""
        self._write(Kind.CREDIT, turn_ns, _CREDIT.pack(number, head, step, weight))

    def answer(self, turn_ns: int, number: int, answer: str, first: int, second: int) -> None:
        """An answer to an A/B pair, from which something has been learnt."""
        self._write(Kind.ANSWER, turn_ns, _ANSWER.pack(number, list(ANSWERS.values()).index(answer), first, second))

    def command(self, turn_ns: int, name: str, value: float | str | None) -> None:
        """A command; its value is a number, a text or nothing."""
        text = value.encode()[:COMMAND_TEXT_BYTES] if isinstance(value, str) else b""
        number = float(value) if isinstance(value, int | float) else float("nan")
        self._write(Kind.COMMAND, turn_ns, _COMMAND.pack(COMMANDS.index(name), number, text))

    def done(self, turn_ns: int, name: str, value: float | None) -> None:
        """A control of the player's has done what this command does. The log has the message it came by."""
        number = float("nan") if value is None else value
        self._write(Kind.DONE, turn_ns, _COMMAND.pack(COMMANDS.index(name), number, b""))

    def late(self, turn_ns: int, from_ns: int) -> None:
        """The budget is gone: decisions from ``from_ns`` to this turn are the fallback's."""
        self._write(Kind.LATE, turn_ns, _LATE.pack(from_ns))

    def adopt(self, turn_ns: int, job: int) -> None:
        """A job's result is in use from here on."""
        self._write(Kind.ADOPT, turn_ns, _ADOPT.pack(job))

    def taste(self, turn_ns: int, what: int, number: int, crc: int, agent: str) -> None:
        """Another taste than before is in use from here on, and plays by ``agent``."""
        self._write(Kind.TASTE, turn_ns, _TASTE.pack(what, number, crc, AGENTS.index(agent)))

    def beat(
        self, t_ns: int, tick: int, tempo: float, tonic: int, phase: int, classes: int, role: str, flags: int
    ) -> None:
        """A beat (written a little before it sounds); ``classes`` has bit i set for pitch class i of the key."""
        payload = _BEAT.pack(tick, tempo, tonic, phase, classes, ROLE_NAMES.index(role), flags)
        self._write(Kind.BEAT, t_ns, payload)

    def plan(self, t_ns: int, tick: int, ticks: int, note: int, added: tuple[int, ...], first: bool) -> None:
        """One event of the plan; the first of a plan replaces the plan before it."""
        self._write(Kind.PLAN, t_ns, _PLAN.pack(tick, ticks, note, len(added), first) + bytes(added))

    def controls(self, turn_ns: int, rows: list[tuple[Any, ...]]) -> None:
        """Another controller's controls are obeyed from here on, as JSON."""
        if self._writer:
            self._writer.write_long(Kind.CONTROLS, turn_ns, json.dumps(rows).encode())

    def chord(self, t_ns: int, root: int, classes: int) -> None:
        """The chord that is played over from here on; ``classes`` as in a beat."""
        self._write(Kind.CHORD, t_ns, _CHORD.pack(root, classes))

    def likely(self, t_ns: int, tick: int, odds: tuple[tuple[int, float], ...]) -> None:
        """What the note planned at ``tick`` was drawn from: (note, probability), the likeliest first."""
        shown = [byte for note, p in odds[:MOST_LIKELY] for byte in (note, round(p * 255))]
        self._write(Kind.LIKELY, t_ns, _LIKELY.pack(tick, len(shown) // 2) + bytes(shown))

    def ledger(self, t_ns: int, row: tuple[int, int, float, float, float, int, int]) -> None:
        """The latency ledger: notes in, notes out, p50, p99, max (ms), misses, malformed."""
        self._write(Kind.LEDGER, t_ns, _LEDGER.pack(*row))

    def loss(self, t_ns: int, count: int) -> None:
        """So many events could not be taken."""
        self._write(Kind.LOSS, t_ns, _LOSS.pack(count))

    def status(self, t_ns: int, text: str) -> None:
        """A line for desk."""
        if self._writer:
            self._writer.write_long(Kind.STATUS, t_ns, text.encode())

    def end(self, t_ns: int) -> None:
        """The take is over."""
        self._write(Kind.END, t_ns, b"")


def unpack(record: Record) -> tuple[Any, ...]:
    """The fields of a record, in the order its ``Recorder`` method takes them after the time."""
    payload = record.payload
    kind = record.kind
    if kind == Kind.INPUT:
        t_in, port, length = _INPUT.unpack_from(payload)
        return t_in, port, payload[_INPUT.size : _INPUT.size + length]
    if kind == Kind.OUTPUT:
        due, step, by, length = _OUTPUT.unpack_from(payload)
        return due, step, by, payload[_OUTPUT.size : _OUTPUT.size + length]
    if kind in OBEYED:
        index, number, text = _COMMAND.unpack(payload)
        words = text.rstrip(b"\0").decode(errors="replace")
        return COMMANDS[index], words or (None if number != number else number)
    if kind == Kind.ANSWER:
        number, index, first, second = _ANSWER.unpack(payload)
        return number, list(ANSWERS.values())[index], first, second
    if kind == Kind.PLAN:
        tick, ticks, note, added, first = _PLAN.unpack_from(payload)
        return tick, ticks, note, tuple(payload[_PLAN.size : _PLAN.size + added]), bool(first)
    if kind == Kind.LIKELY:
        tick, n = _LIKELY.unpack_from(payload)
        pairs = payload[_LIKELY.size : _LIKELY.size + 2 * n]
        return tick, tuple((pairs[i], pairs[i + 1] / 255) for i in range(0, len(pairs), 2))
    if kind == Kind.TASTE:
        what, number, crc, index = _TASTE.unpack(payload.ljust(_TASTE.size, b"\xff"))
        return what, number, crc, AGENTS[index] if index < len(AGENTS) else None  # takes of before named no agent
    layout = {
        Kind.DECISION: _DECISION, Kind.RATING: _RATING, Kind.CREDIT: _CREDIT, Kind.LATE: _LATE, Kind.ADOPT: _ADOPT,
        Kind.BEAT: _BEAT, Kind.LEDGER: _LEDGER, Kind.LOSS: _LOSS, Kind.CHORD: _CHORD,
    }.get(Kind(kind))  # fmt: skip
    return layout.unpack(payload) if layout else ()


def blob_at(records: list[Record], at: int) -> bytes:
    """The text of a SETTINGS or STATUS record with its chunks."""
    return join_chunks(records, at)
