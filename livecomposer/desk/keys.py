"""The one table of computer keys, and reading them from a terminal.

Used by desk's hands thread; the help text and README's table are made from ``HELP``. POSIX reads raw bytes (cbreak,
so Ctrl-C stays a signal), Windows polls ``msvcrt``.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

PIANO = {key: i for i, key in enumerate("awsedftgyhujk")}  # semitones above C


class Action(NamedTuple):
    """What a key does: ``kind`` is note, octave, rate, command, save, help; ``value`` what with."""

    kind: str
    value: float | str = 0.0


ACTIONS: dict[str, Action] = {
    **{key: Action("note", semitone) for key, semitone in PIANO.items()},
    "z": Action("octave", -12.0),
    "x": Action("octave", 12.0),
    "up": Action("rate", 1.0),
    "right": Action("rate", 0.5),
    "left": Action("rate", -0.5),
    "down": Action("rate", -1.0),
    "backspace": Action("command", "undo"),
    "delete": Action("command", "forget"),
    "i": Action("command", "about_rhythm"),
    "o": Action("command", "about_notes"),
    "p": Action("command", "about_chords"),
    " ": Action("command", "held"),
    "tab": Action("command", "role"),
    "b": Action("command", "ab"),
    "1": Action("command", "ab_a"),
    "2": Action("command", "ab_b"),
    "0": Action("command", "ab_none"),
    "v": Action("command", "taste"),
    "r": Action("command", "restore"),
    "l": Action("command", "agent"),
    "m": Action("command", "click"),
    ".": Action("command", "tap"),
    "/": Action("command", "mute"),
    "n": Action("command", "end"),
    "esc": Action("command", "panic"),
    "c": Action("save"),
    "?": Action("help"),
}
HELP = (
    ("a w s e d f t g y h u j k", "piano (z x: octave down, up)"),
    ("↑ →", "strong like, like"),
    ("↓ ←", "strong dislike, dislike"),
    ("b", "a pair: two phrases from one context; again: leave it"),
    ("1 2 0", "which of the pair: the first, the second, neither"),
    ("Backspace", "take the last rating or answer back"),
    ("Delete", "take back all ratings of the last 30 s"),
    ("i o p", "rate rhythm, notes, chords only; again: all"),
    ("v", "your next taste"),
    ("l", "the next agent: another way of learning"),
    ("r", "back to the taste as it was when you began; again: undo that"),
    ("Space", "LEARNING / HELD"),
    ("Tab", "next role: harmonize, duet, answer, solo"),
    (".", "tap the tempo"),
    ("m", "click on, off"),
    ("/", "mute the agent"),
    ("n", "end: cadence and stop; again: go on"),
    ("Esc", "panic: all notes off"),
    ("c", "save the last minutes as a MIDI file"),
    ("?", "this help"),
    ("Ctrl-C", "quit"),
)
_SEQUENCES = {
    b"\x1b[A": "up", b"\x1b[B": "down", b"\x1b[C": "right", b"\x1b[D": "left",
    b"\x1bOA": "up", b"\x1bOB": "down", b"\x1bOC": "right", b"\x1bOD": "left",
    b"\x1b[3~": "delete",
}  # fmt: skip
_SINGLE = {0x7F: "backspace", 0x08: "backspace", 0x09: "tab", 0x1B: "esc"}
_WINDOWS = {"H": "up", "P": "down", "M": "right", "K": "left", "S": "delete"}


def parse_keys(data: bytes) -> list[str]:
    """Key names from what a terminal sent; unknown sequences are passed over."""
    names = []
    at = 0
    while at < len(data):
        byte = data[at]
        if byte == 0x1B and at + 1 < len(data) and data[at + 1] in b"[O":
            end = at + 2
            while end < len(data) and not 0x40 <= data[end] <= 0x7E:
                end += 1
            name = _SEQUENCES.get(data[at : end + 1])
            if name:
                names.append(name)
            at = end + 1
            continue
        if byte in _SINGLE:
            names.append(_SINGLE[byte])
        elif 0x20 <= byte < 0x7F:
            names.append(chr(byte).lower())
        at += 1
    return names


def help_text() -> str:
    """The table of keys for the screen."""
    width = max(len(keys) for keys, _ in HELP)
    return "\n".join(f"  {keys:<{width}}  {text}" for keys, text in HELP)


class Keyboard:
    """Keys from the terminal, if there is one. ``wait(seconds)`` returns the names pressed meanwhile."""

    def __init__(self) -> None:
        try:
            self.there = sys.stdin.isatty()
        except (AttributeError, ValueError):
            self.there = False
        self._fd = sys.stdin.fileno() if self.there else -1

    def wait(self, seconds: float) -> list[str]:
        """Key names, after at most ``seconds``; without a terminal it only waits."""
        import time

        if not self.there:
            time.sleep(seconds)
            return []
        if os.name == "nt":
            return self._wait_windows(seconds)
        import select

        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready:
            return []
        try:
            data = os.read(self._fd, 64)
        except OSError:
            data = b""
        if not data:  # end of input never quits
            self.there = False
        return parse_keys(data)

    def _wait_windows(self, seconds: float) -> list[str]:
        import msvcrt
        import time

        end = time.perf_counter() + seconds
        while not msvcrt.kbhit():  # type: ignore[attr-defined]  # Windows only
            if time.perf_counter() >= end:
                return []
            time.sleep(0.005)
        key = msvcrt.getwch()  # type: ignore[attr-defined]
        if key in ("\x00", "\xe0"):
            return [name] if (name := _WINDOWS.get(msvcrt.getwch())) else []  # type: ignore[attr-defined]
        return parse_keys(key.encode("latin-1", "ignore"))

    @contextmanager
    def raw(self) -> Iterator[None]:
        """Keys arrive one by one and are not echoed, until the end of the block, however it ends."""
        if not self.there or os.name == "nt":
            yield
            return
        import termios
        import tty

        saved = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        mode = termios.tcgetattr(self._fd)
        mode[6][termios.VSUSP] = b"\0"  # Ctrl-Z would freeze every process with notes sounding
        termios.tcsetattr(self._fd, termios.TCSANOW, mode)
        try:
            yield
        finally:
            try:
                termios.tcsetattr(self._fd, termios.TCSADRAIN, saved)
            except termios.error:  # the terminal has been closed
                pass
