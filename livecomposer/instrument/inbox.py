"""What travels over the pipes into the instrument: one fixed struct, and the thread that puts it into the inbox.

Desk and the page pack; the instrument's pipe thread unpacks. Numba-free.
"""

import struct
from typing import Any, NamedTuple

# kinds of entries in the instrument's inbox
MIDI, RATE, COMMAND, STOP, PORT, ADOPT, SAY, TASTE = range(8)
# what a PORT entry says (its number); its text is the side, and of CHOSEN "=" and the port's name ("": none)
LOST, BACK, CHOSEN = 0, 1, 2
# a TASTE entry's number is the taste's; its text is the agent, "=" and the shared memory that holds the model file
# (empty: begin anew)

_STRUCT = struct.Struct("<qBBBd160s")  # t_pressed, source, kind, text length, number (NaN: none), text


class Entry(NamedTuple):
    """One thing that somebody did: when, who (index in ``records.SOURCES``), what, and its value."""

    t_ns: int
    source: int
    kind: int
    number: float | None
    text: bytes


def pack(t_ns: int, source: int, kind: int, number: float | None = None, text: bytes = b"") -> bytes:
    """The bytes for a pipe; ``text`` holds at most 160 bytes."""
    return _STRUCT.pack(t_ns, source, kind, len(text), float("nan") if number is None else number, text)


def unpack(data: bytes) -> Entry:
    """An entry from a pipe's bytes. Raises struct.error on another length."""
    t_ns, source, kind, length, number, text = _STRUCT.unpack(data)
    return Entry(t_ns, source, kind, None if number != number else number, text[:length])


def command(t_ns: int, source: int, name: str, value: float | str | None = None) -> bytes:
    """A command for a pipe: ``name`` and, after ``=``, a text value; a number travels as the number."""
    text = f"{name}={value}" if isinstance(value, str) else name
    return pack(t_ns, source, COMMAND, None if isinstance(value, str | None) else value, text.encode()[:160])


def command_of(entry: Entry) -> tuple[str, Any]:
    """(name, value) of a COMMAND entry."""
    name, _, text = entry.text.decode(errors="replace").partition("=")
    return name, (text or entry.number)
