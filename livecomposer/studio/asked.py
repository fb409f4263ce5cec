"""What a page may ask: one closed table, each message checked before anything is done with it.

The page's thread calls it. Whatever is not in the table, too long or of another type is refused with a sentence.
"""

import json
from typing import Any

from livecomposer.errors import SettingsError
from livecomposer.instrument.records import COMMAND_TEXT_BYTES
from livecomposer.midi.messages import is_channel_message
from livecomposer.settings import check
from livecomposer.studio.store import LONGEST_NAME

MOST_BYTES = 1024
SWITCHES = ("held", "mute", "click", "about_rhythm", "about_notes", "about_chords")
PLAIN = (
    "tap", "end", "panic", "undo", "forget", "key_next", "ab", "ab_a", "ab_b", "ab_none", "restore",
)  # fmt: skip
KNOBS = ("tempo", "adventure", "outside", "level")
LONGEST_PORT = 150  # bytes
LEARN_STEPS = ("begin", "tastes", "skip", "leave")
# what may be done, and what each must carry
TABLE: dict[str, tuple[str, ...]] = {
    "rate": ("value",),
    "command": ("name",),
    "midi": ("data",),
    "rename": ("take", "name"),
    "star": ("take", "on"),
    "delete": ("take",),
    "undelete": (),
    "takes": (),
    "wav": ("take",),
    "port": ("side", "name"),
    "learn": ("step",),
    "save": (),
    "doctor": (),
    "explain": (),
    "ping": ("t",),
}


def parse(text: str) -> dict[str, Any]:
    """A message that may be done as it stands. Raises SettingsError."""
    if len(text) > MOST_BYTES or len(text.encode(errors="replace")) > MOST_BYTES:
        raise SettingsError(f"a message has at most {MOST_BYTES} bytes")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise SettingsError("a message is one JSON object") from None
    if not isinstance(message, dict) or not isinstance(message.get("do"), str) or message["do"] not in TABLE:
        raise SettingsError(f"a message has a do out of {', '.join(TABLE)}")
    do = message["do"]
    optional = ("value",) if do == "command" else ()
    if not set(TABLE[do]) <= set(message) - {"do"} <= {*TABLE[do], *optional}:
        raise SettingsError(f"{do} carries {', '.join(TABLE[do]) or 'nothing'}")
    _CHECKS.get(do, lambda message: None)(message)
    return message


def _number(value: Any, low: float, high: float, what: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # what is no number is not
        raise SettingsError(f"{what} is a number from {low:g} to {high:g}")


def _text(value: Any, longest: int, what: str) -> None:
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise SettingsError(f"{what} is one line of at most {longest} characters")


def _rate(message: dict[str, Any]) -> None:
    _number(message["value"], -1.0, 1.0, "a rating")


def _command(message: dict[str, Any]) -> None:
    name, value = message["name"], message.get("value")
    if name in PLAIN:
        fits = value is None
    elif name in SWITCHES:
        fits = value is None or value in (0, 1)
    elif name in KNOBS:
        _number(value, *((30.0, 300.0) if name == "tempo" else (0.0, 1.0)), name)
        fits = True
    elif name in ("role", "key", "taste", "agent"):
        if value is not None:
            _text(value, COMMAND_TEXT_BYTES, name)
            if name != "taste":
                check(name, value)
        fits = value is None or 0 < len(value.encode()) <= COMMAND_TEXT_BYTES
    else:
        raise SettingsError("there is no such command")
    if not fits:
        raise SettingsError(f"{name} does not take that value")


def _midi(message: dict[str, Any]) -> None:
    data = message["data"]
    whole = isinstance(data, list) and len(data) <= 3 and all(type(byte) is int and 0 <= byte < 256 for byte in data)
    if not whole or not data or not is_channel_message(bytes(data)):
        raise SettingsError("data is one whole MIDI channel message as a list of bytes")


def _take(message: dict[str, Any]) -> None:
    take = message["take"]
    if type(take) is not int or not 0 < take < 1 << 62:
        raise SettingsError("take is the number of a take")
    if "name" in message:
        _text(message["name"], LONGEST_NAME, "a name")
    if "on" in message and not isinstance(message["on"], bool):
        raise SettingsError("on is true or false")


def _port(message: dict[str, Any]) -> None:
    if message["side"] not in ("in", "out"):
        raise SettingsError("side is in or out")
    _text(message["name"], LONGEST_PORT, "a port's name")
    if len(message["name"].encode()) > LONGEST_PORT:
        raise SettingsError(f"a port's name has at most {LONGEST_PORT} bytes")


def _learn(message: dict[str, Any]) -> None:
    if message["step"] not in LEARN_STEPS:
        raise SettingsError(f"step is one of {', '.join(LEARN_STEPS)}")


def _ping(message: dict[str, Any]) -> None:
    _number(message["t"], 0.0, 1e15, "t")


_CHECKS = {
    "rate": _rate, "command": _command, "midi": _midi, "rename": _take, "star": _take, "delete": _take,
    "wav": _take, "port": _port, "learn": _learn, "ping": _ping,
}  # fmt: skip
