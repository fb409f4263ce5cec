"""What the player reads while playing: a status line at 10 Hz on a terminal, plain log lines elsewhere.

Owned by desk's main thread.
"""

import os
import sys
import time
from dataclasses import dataclass, field

from livecomposer.instrument.records import (
    FLAG_CLICK,
    FLAG_EXTERNAL,
    FLAG_HELD,
    FLAG_MUTED,
    NOTHING_REACHED,
    OBEYED,
    ROLE_NAMES,
    SAME_PRESS,
    unpack,
)
from livecomposer.instrument.ring import Kind, Record
from livecomposer.music.metre import Metre
from livecomposer.music.theory import spell
from livecomposer.quiet import drop
from livecomposer.settings import ROLES

LINE_S = 0.1
PLAIN_S = 5.0
SLOW_MS = 20.0
PHASES = ("listening", "your call", "playing", "yielded", "stopped")
ABOUT = {"about_rhythm": "rhythm", "about_notes": "notes", "about_chords": "chords"}
SWITCHES = {  # by command: its flag, and what is said when it is on and off
    "held": (FLAG_HELD, "HELD: it plays on and learns nothing.", "LEARNING: what you rate teaches it."),
    "click": (FLAG_CLICK, "Click on.", "Click off."),
    "mute": (FLAG_MUTED, "MUTE: the agent only listens.", "The agent plays again."),
}
HINT = "Rate what *it* played: more of this (↑ →), or less (↓ ←)?"


@dataclass
class State:
    """The instrument as the ring has shown it last."""

    role: str = ""
    phase: int = 0
    key: str = ""
    tempo: float = 0.0
    beat: int = 0
    flags: int = 0
    notes: int = 0
    ratings: int = 0
    pairs: int = 0
    last_rating: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    misses: int = 0
    malformed: int = 0
    beat_ns: int = 0
    tick: int = 0
    number: int = -1  # of the last rating
    about: set[str] = field(default_factory=set)  # what ratings concern, if not all
    key_names: dict[tuple[int, int], str] = field(default_factory=dict)

    def take(self, record: Record, metre: Metre) -> None:
        """Follow a record."""
        if record.kind == Kind.BEAT:
            tick, self.tempo, tonic, self.phase, classes, role, self.flags = unpack(record)
            self.role = ROLE_NAMES[role]
            self.beat_ns, self.tick = record.t_ns, tick
            self.beat = tick // metre.unit_ticks % metre.units + 1
            self.key = self.key_names.get((tonic, classes)) or spell(tonic)
        elif record.kind == Kind.LEDGER:
            _, self.notes, self.p50_ms, self.p99_ms, self.max_ms, self.misses, self.malformed = unpack(record)
        elif record.kind == Kind.RATING:
            _, number, _, value, phrase = unpack(record)
            if phrase not in (NOTHING_REACHED, SAME_PRESS):
                self.ratings += number != self.number  # else it stands for the last one
                self.number, self.last_rating = number, value
        elif record.kind == Kind.ANSWER:
            self.pairs += 1
        elif record.kind in OBEYED:
            name, on = unpack(record)
            if name == "in_lost":  # what was held is held no more
                self.about.clear()
            elif name in ABOUT:
                self.about ^= {name} if on is None or bool(on) != (name in self.about) else set()
        elif record.kind == Kind.START:
            self.number = -1
            self.about.clear()

    def reply(self, name: str, value: float | str | None) -> str:
        """What a command has done, in a few words; "" for those that are not answered here. To be asked after ``take``
        has followed its record; what BEAT records tell is still as before."""
        if name == "role" and (value or self.role):  # before the first beat nobody knows which comes next
            self.role = str(value) if value else ROLES[(ROLES.index(self.role) + 1) % len(ROLES)]
            return f"Role: {self.role}."
        if name in SWITCHES:
            flag, on, off = SWITCHES[name]
            was = bool(self.flags & flag)
            if (not was if value is None else bool(value)) != was:
                self.flags ^= flag
            return on if self.flags & flag else off
        if name == "end":
            return "Going on." if self.phase == PHASES.index("stopped") else "It ends with a cadence; n again: go on."
        if name in ABOUT:
            only = [word for about, word in ABOUT.items() if about in self.about]
            return f"Ratings are about the {' and '.join(only)} only." if only else "Ratings are about all again."
        return ""


def as_called(text: str) -> str:
    """A text with the commands in it as this player calls them: run_live.py is called instead of ``livecomposer``."""
    return text.replace("`livecomposer ", f"`{os.environ.get('LIVECOMPOSER_COMMAND', 'livecomposer')} ")


class Screen:
    """Writes lines. ``in_force`` says once and for all what is used (SCHED_FIFO, JACK, ...)."""

    def __init__(self, plain: bool) -> None:
        self.plain = plain or not sys.stdout.isatty()
        self.in_force = ""
        self.sound_ms = 0.0
        self._next = 0.0
        self._drawn = False

    def say(self, text: str) -> None:
        """A line that stays."""
        self._print(("\r\x1b[K" if self._drawn else "") + as_called(text) + "\n")
        self._drawn = False

    def end_line(self) -> None:
        """Leave the cursor below the status line."""
        if self._drawn:
            self._print("\n")
            self._drawn = False

    def draw(self, state: State) -> None:
        """The status, if it is time."""
        now = time.monotonic()
        if now < self._next or not state.role:
            return
        self._next = now + (PLAIN_S if self.plain else LINE_S)
        if self.plain:
            self._print(self.line(state) + "\n")
            return
        try:
            width = os.get_terminal_size(sys.stdout.fileno()).columns
        except OSError:
            width = 80
        self._print("\r\x1b[K" + self.line(state, max(width - 1, 20))[: max(width - 1, 20)])
        self._drawn = True

    @staticmethod
    def _print(text: str) -> None:
        try:
            print(text, end="", flush=True)
        except (OSError, ValueError):  # the terminal has been closed: the run still ends in order
            drop(sys.stdout)

    def line(self, state: State, width: int = 0) -> str:
        """The status as one line of at most ``width`` columns (0: as many as it takes); what matters least is left out
        first, whole."""
        fields = self._fields(state)
        while width and len(fields) > 1 and len(" ".join(text for _, text in fields)) > width:
            fields.remove(min(fields, key=lambda one: one[0]))
        return " ".join(text for _, text in fields)

    def _fields(self, state: State) -> list[tuple[int, str]]:
        """(how much it matters, text) from left to right."""
        marks = (
            (FLAG_MUTED, "MUTE"),
            (FLAG_CLICK, "click"),
            (FLAG_EXTERNAL, "ext"),
        )
        fields = [
            (99, f"{state.role}·{PHASES[state.phase]}"),
            (8, state.key),
            (9, f"{state.tempo:.0f}·{state.beat}"),
            (12, "HELD" if state.flags & FLAG_HELD else "LEARNING"),
            *((10, word) for flag, word in marks if state.flags & flag),
        ]
        only = [word for name, word in ABOUT.items() if name in state.about]
        if only:
            fields.append((11, f"(rates {' and '.join(only)} only)"))
        sign = "" if not state.ratings else (" ▲" if state.last_rating > 0 else " ▼")
        fields += [(4, f"notes {state.notes}"), (7, f"ratings {state.ratings}{sign}")]
        if state.pairs:
            fields.append((6, f"pairs {state.pairs}"))
        fields.append((1, f"latency {state.p50_ms:.2f}/{state.p99_ms:.2f}/{state.max_ms:.2f} ms"))
        fields.append((2, f"misses {state.misses}"))
        sound = state.p50_ms + self.sound_ms
        if self.sound_ms and sound > SLOW_MS:
            fields.append((5, f"key→sound {sound:.0f} ms SLOW: use a smaller audio buffer"))
        elif self.sound_ms:
            fields.append((3, f"key→sound {sound:.0f} ms"))
        if self.in_force:
            fields.append((0, self.in_force))
        return fields
