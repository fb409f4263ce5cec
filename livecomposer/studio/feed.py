"""What the page is told: the ring's records as small JSON events, and all that a browser needs that comes later.

The page's thread owns it. An event is a list, its name first, then its time in ms since the feed began:

``take`` [how many, settings, controls] · ``on`` [channel, note, velocity, by, event] · ``off`` [channel, note] · ``in``
[] (something came in) · ``beat`` [tick, tempo, tonic, key, phase, role, flags, beat, beats in a bar, ticks a beat] ·
``chord`` [label] · ``plan`` [[tick, ticks, note, [added ...]] ...] · ``likely`` [tick, [[note, p] ...]] · ``rated``
[number, value, source, phrase] · ``credit`` [number, event, head, weight] · ``answer`` [number, answer] · ``stands``
[ratings and answers that stand] · ``said`` [what the instrument tells the player] · ``pair`` [where it stands, one of
``records.PAIR_LINES``] · ``ledger`` [notes in, notes out, p50, p99, max, misses] · ``about`` [names] ·
``taste`` [what] · ``controls`` [rows] · ``did`` [command, value] · ``loss`` [count] · ``end`` []

``event`` joins the notes, decisions and credit of what the heads chose together.
"""

import json
import time
from collections import OrderedDict, deque
from typing import Any

from livecomposer.instrument.records import (
    BY_AGENT,
    BY_PLAYER,
    OBEYED,
    PAIR_LINES,
    ROLE_NAMES,
    SAME_PRESS,
    SOURCES,
    blob_at,
)
from livecomposer.instrument.records import unpack as unpack_record
from livecomposer.instrument.ring import Kind, Record, RingReader
from livecomposer.midi.messages import NOTE_OFF, NOTE_ON, is_channel_message
from livecomposer.music.metre import parse_metre
from livecomposer.music.theory import Key, chord_name, key_names, spell
from livecomposer.studio.keeping import Verdicts
from livecomposer.studio.recorder import settings_of

PAST_MS = 30_000.0  # of notes that a browser is given when it comes
STEPS = 2048
RHYTHM, HARMONY = 0, 2
LATEST = ("take", "beat", "chord", "plan", "likely", "ledger", "about", "controls", "pair")
DESKS = ("stage", "ready", "lost", "refused", "error", "crash")  # what these lines begin with is for desk to act on
_PAIR_AT = {line: at for at, line in PAIR_LINES.items()}
Event = list[Any]


class Feed:
    """Follows the ring from its beginning."""

    def __init__(self, buffer: memoryview) -> None:
        self._reader = RingReader(buffer)
        self._zero_ns = time.perf_counter_ns()
        self._metre = parse_metre("4/4")
        self._names = key_names("C major")
        self._thru = True
        self._long: list[Record] = []
        self._events: OrderedDict[tuple[int, int], int] = OrderedDict()  # by head and step
        self._sending: OrderedDict[int, int] = OrderedDict()
        self._count = 0
        self._last_ns = -1
        self._plan: list[Any] = []
        self._about: set[str] = set()
        self._key: Key | None = None
        self._verdicts = Verdicts(0)
        self._latest: dict[str, Event] = {}
        self._past: deque[Event] = deque()
        self._rated: list[Event] = []  # the take's ratings and their credit
        self.take = 0

    def ms(self, t_ns: int) -> float:
        """A time of the ring as the page counts it."""
        return round((t_ns - self._zero_ns) * 1e-6, 2)

    def read(self) -> list[Event]:
        """What has happened since the last call."""
        found: list[Event] = []
        for record in self._reader.read():
            self._take(record, found)
        if self._reader.lost:
            found.append(["loss", 0.0, self._reader.lost])
            self._reader.lost = 0
        for event in found:
            self._remember(event)
        return found

    def so_far(self) -> list[Event]:
        """What a browser that comes now must know, in order."""
        latest = [self._latest[name] for name in LATEST if name in self._latest]
        standing = [["stands", 0.0, len(self._verdicts.given)]]
        return [*latest[:1], *self._rated, *standing, *latest[1:], *self._past]

    def _remember(self, event: Event) -> None:
        name = event[0]
        if name in LATEST:
            self._latest[name] = event
        if name == "take":
            self._rated.clear()
            self._past.clear()
            for old in ("plan", "likely", "chord", "about", "controls", "pair"):
                self._latest.pop(old, None)
        elif name in ("on", "off"):
            self._past.append(event)
            while self._past[0][1] < event[1] - PAST_MS:
                self._past.popleft()
        elif name in ("rated", "credit", "answer"):
            if name == "rated":  # it may stand for the last one
                self._rated = [e for e in self._rated if e[2] != event[2]]
            self._rated.append(event)
        elif name == "stands":
            gone = [e for e in self._rated if e[0] != "credit"][event[2] :]
            numbers = {e[2] for e in gone}
            self._rated = [e for e in self._rated if e[2] not in numbers]

    def _take(self, record: Record, found: list[Event]) -> None:
        kind, t = record.kind, self.ms(record.t_ns)
        if kind != Kind.PLAN and self._plan:
            found.append(["plan", t, self._plan])
            self._plan = []
        if kind == Kind.OUTPUT:
            self._output(record, t, found)
        elif kind == Kind.INPUT:
            self._input(record, t, found)
        elif kind == Kind.DECISION:
            self._decision(record)
        elif kind == Kind.BEAT:
            found.append(["beat", t, *self._beat(record)])
        elif kind == Kind.CHORD:
            root, bits = unpack_record(record)
            classes = [i for i in range(12) if bits >> i & 1] if root >= 0 else []
            found.append(["chord", t, chord_name(classes, root, self._key) if classes else ""])
        elif kind == Kind.PLAN:
            tick, ticks, note, added, _ = unpack_record(record)
            self._plan.append([tick, ticks, note, list(added)])
        elif kind == Kind.LIKELY:
            tick, odds = unpack_record(record)
            found.append(["likely", t, tick, [[note, round(p, 3)] for note, p in odds]])
        elif kind in (Kind.RATING, Kind.ANSWER, Kind.CREDIT, *OBEYED, Kind.TASTE):
            self._judged(record, t, found)
        elif kind == Kind.LEDGER:
            found.append(["ledger", t, *(round(value, 3) for value in unpack_record(record)[:6])])
        elif kind == Kind.LOSS:
            found.append(["loss", t, *unpack_record(record)])
        elif kind == Kind.END:
            found.append(["end", t])
        elif kind == Kind.START:
            self._events.clear()
            self._sending.clear()
            self._about.clear()
            self._verdicts = Verdicts(record.t_ns)
            self._long = [record]
        elif kind in (Kind.CONTROLS, Kind.STATUS):
            self._long = [record]
            self._go_on(t, found)
        elif kind in (Kind.SETTINGS, Kind.CHUNK) and self._long:
            self._long.append(record)
            self._go_on(t, found)

    def _go_on(self, t: float, found: list[Event]) -> None:
        """A take's settings, a controller's controls and what is said may span several records."""
        if self._long[0].kind == Kind.START:
            start = settings_of(self._long)
            if start is not None:
                self._long = []
                found.append(self.begin(start, t))
            return
        blob = blob_at(self._long, 0)
        if len(blob) == int.from_bytes(self._long[0].payload[:4], "little"):
            status = self._long[0].kind == Kind.STATUS
            self._long = []
            if status:
                self._said(blob.decode(errors="replace"), t, found)
            else:
                found.append(["controls", t, json.loads(blob)])

    def _said(self, text: str, t: float, found: list[Event]) -> None:
        if text.split(" ", 1)[0] in DESKS:
            return
        found.append(["said", t, text])
        if text in _PAIR_AT:
            found.append(["pair", t, _PAIR_AT[text]])

    def begin(self, start: dict[str, Any], t: float = 0.0) -> Event:
        """A take begins, with what its SETTINGS record says; the event that tells of it."""
        settings = start["settings"]
        self._metre = parse_metre(settings["metre"])
        self._names = key_names("C major" if settings["key"] == "auto" else settings["key"])
        self._thru = settings["thru"] != "off"
        self.take += 1
        self._latest["take"] = ["take", t, self.take, settings, start["controls"]]
        return self._latest["take"]

    def _output(self, record: Record, t: float, found: list[Event]) -> None:
        _, step, by, msg = unpack_record(record)
        kind = msg[0] & 0xF0
        if kind == NOTE_ON and msg[2]:
            event = self._sending.get(step, -1) if by == BY_AGENT else -1
            found.append(["on", t, msg[0] & 15, msg[1], msg[2], by, event])
        elif kind in (NOTE_ON, NOTE_OFF):
            found.append(["off", t, msg[0] & 15, msg[1]])

    def _input(self, record: Record, t: float, found: list[Event]) -> None:
        _, _, msg = unpack_record(record)
        if not is_channel_message(msg):
            return
        kind = msg[0] & 0xF0
        if self._thru or kind not in (NOTE_ON, NOTE_OFF):
            found.append(["in", t])
        elif kind == NOTE_ON and msg[2]:
            found.append(["on", t, msg[0] & 15, msg[1], msg[2], BY_PLAYER, -1])
        else:
            found.append(["off", t, msg[0] & 15, msg[1]])

    def _decision(self, record: Record) -> None:
        head, _, _, step, t_in, *_ = unpack_record(record)
        if head == RHYTHM or (head == HARMONY and self._last_ns != t_in):
            self._last_ns = t_in
            self._count += 1
            self._sending[step] = self._count
        self._events[head, step] = self._count
        while len(self._sending) > STEPS:
            self._sending.popitem(last=False)
        while len(self._events) > 3 * STEPS:
            self._events.popitem(last=False)

    def _beat(self, record: Record) -> Event:
        tick, tempo, tonic, phase, classes, role, flags = unpack_record(record)
        label = self._names.get((tonic, classes)) or spell(tonic)
        units, ticks = self._metre.units, self._metre.unit_ticks
        beat = tick // ticks % units + 1
        return [tick, round(tempo, 2), tonic, label, phase, ROLE_NAMES[role], flags, beat, units, ticks]

    def _judged(self, record: Record, t: float, found: list[Event]) -> None:
        before = len(self._verdicts.given)
        self._verdicts.take(record)
        self._verdicts.obey(record)
        if record.kind == Kind.RATING:
            t_pressed, number, source, value, phrase = unpack_record(record)
            if phrase != SAME_PRESS:
                found.append(["rated", self.ms(t_pressed), number, value, SOURCES[source], phrase])
        elif record.kind == Kind.CREDIT:
            number, head, step, weight = unpack_record(record)
            found.append(["credit", t, number, self._events.get((head, step), -1), head, round(weight, 4)])
        elif record.kind == Kind.ANSWER:
            number, answer, *_ = unpack_record(record)
            found.append(["answer", t, number, answer])
        elif record.kind == Kind.TASTE:
            found.append(["taste", t, unpack_record(record)[0]])
        else:
            name, value = unpack_record(record)
            if name == "in_lost" and self._about:  # what was held is held no more
                self._about = set()
                found.append(["about", t, []])
            elif name.startswith("about_"):
                on = name not in self._about if value is None else bool(value)
                self._about = self._about | {name} if on else self._about - {name}
                found.append(["about", t, sorted(self._about)])
            found.append(["did", t, name, value])
            if len(self._verdicts.given) != before:
                found.append(["stands", t, len(self._verdicts.given)])
