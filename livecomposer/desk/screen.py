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
    ROLE_NAMES,
    SAME_PRESS,
    unpack,
)
from livecomposer.instrument.ring import Kind, Record
from livecomposer.music.metre import Metre
from livecomposer.music.theory import spell
from livecomposer.quiet import drop

LINE_S = 0.1
PLAIN_S = 5.0
SLOW_MS = 20.0
PHASES = ("listening", "your call", "playing", "yielded", "stopped")
ABOUT = {"about_rhythm": "rhythm", "about_notes": "notes", "about_chords": "chords"}
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
            if phrase != SAME_PRESS:
                self.ratings += number != self.number  # else it stands for the last one
                self.number, self.last_rating = number, value
        elif record.kind == Kind.ANSWER:
            self.pairs += 1
        elif record.kind == Kind.COMMAND:
            name, on = unpack(record)
            if name in ABOUT:
                self.about ^= {name} if on is None or bool(on) != (name in self.about) else set()
        elif record.kind == Kind.START:
            self.number = -1
            self.about.clear()


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
        line = self.line(state)
        if self.plain:
            self._print(line + "\n")
            return
        try:
            width = os.get_terminal_size(sys.stdout.fileno()).columns
        except OSError:
            width = 80
        self._print("\r\x1b[K" + line[: max(width - 1, 20)])
        self._drawn = True

    @staticmethod
    def _print(text: str) -> None:
        try:
            print(text, end="", flush=True)
        except (OSError, ValueError):  # the terminal has been closed: the run still ends in order
            drop(sys.stdout)

    def line(self, state: State) -> str:
        """The status as one line."""
        learning = "HELD" if state.flags & FLAG_HELD else "LEARNING"
        marks = "".join(
            f" {word}"
            for flag, word in ((FLAG_MUTED, "MUTE"), (FLAG_CLICK, "click"), (FLAG_EXTERNAL, "ext"))
            if state.flags & flag
        )
        marks += "".join(f" rating {word}" for name, word in ABOUT.items() if name in state.about)
        sign = "" if not state.ratings else (" ▲" if state.last_rating > 0 else " ▼")
        pairs = f" pairs {state.pairs}" if state.pairs else ""
        sound = state.p50_ms + self.sound_ms
        warning = " SLOW: use a smaller audio buffer" if sound > SLOW_MS else ""
        heard = f" key→sound {sound:.0f} ms{warning}" if self.sound_ms else ""
        return (
            f"{state.role}·{PHASES[state.phase]} {state.key} {state.tempo:.0f}·{state.beat} {learning}{marks} "
            f"notes {state.notes} ratings {state.ratings}{sign}{pairs} "
            f"latency {state.p50_ms:.2f}/{state.p99_ms:.2f}/{state.max_ms:.2f} ms misses {state.misses}{heard} "
            f"{self.in_force}"
        )
