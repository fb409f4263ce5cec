"""Device profiles: what a controller or synth is, which of its ports to use and what its controls do, read from TOML.

``cli`` and ``desk`` load and match them before ports open; nothing here is called while playing. Numba-free.
Channels are 1-16 in the files and 0-15 in the code; this module is the place where they are converted.
"""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from livecomposer.errors import ProfileError, StoreError
from livecomposer.midi.messages import DRUMS

SCHEMA = 1
KINDS = ("keyboard", "piano", "pads", "controller", "synth")
KEYS_KINDS = ("keyboard", "piano")
OUTPUT_KINDS = ("synth", "piano")  # a digital piano makes its own sound
MODES = ("absolute", "relative_twos", "relative_signed")
CURVES = ("linear", "square", "root")
# A press does one thing once, or for as long as it lasts (held); a knob carries a value. Together they are the closed
# list of roles.
HOLD_ROLES = ("about_notes", "about_rhythm", "about_chords")
PRESS_ROLES = (
    "rate_up", "rate_down", "undo", "forget", "panic", "role", "held", "mute", "tap", "click", "end", "key_next",
    *HOLD_ROLES, "ab", "ab_a", "ab_b", "ab_none", "taste",
)  # fmt: skip
KNOB_ROLES = ("rate", "level", "adventure", "outside", "tempo")
CONTROL_ROLES = (*KNOB_ROLES, *PRESS_ROLES)
# What a knob covers from one end to the other unless the profile says otherwise, and the most it may cover.
ROLE_RANGES = {
    "rate": (-1.0, 1.0), "level": (0.0, 1.0), "adventure": (0.0, 1.0), "outside": (0.0, 1.0), "tempo": (60.0, 180.0),
}  # fmt: skip
ROLE_LIMITS = {**ROLE_RANGES, "tempo": (30.0, 300.0)}
PRESS_MESSAGES = ("note_on", "control_change", "program_change")
HOLD_MESSAGES = ("note_on", "control_change")
KNOB_MESSAGES = ("note_on", "polytouch", "control_change", "aftertouch", "pitchwheel")
MESSAGES = ("note_on", "polytouch", "control_change", "program_change", "aftertouch", "pitchwheel")
UNNUMBERED = ("aftertouch", "pitchwheel")
LIGHT_MESSAGES = ("note_on", "control_change")
GENERIC_PREFIX = "generic-"

_PROFILE_KEYS = ("schema", "name", "kind", "match", "avoid", "channels", "note_range", "control", "feedback")
_CONTROL_KEYS = ("message", "channel", "number", "role", "mode", "range", "curve")
_FEEDBACK_KEYS = ("local", "echo", "light")
_LIGHT_KEYS = ("role", "message", "channel", "number", "on", "off")
_KIND_WORDS = {int: "a whole number", str: "a text in quotes", list: "a list", dict: "a table", bool: "true or false"}
_LAST_CC = 119  # 120-127 are channel mode messages: all sound off and the like
_REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Control:
    """One pad, knob, pedal or key, and the role it plays.

    ``message`` is mido's word; ``channel`` 0-15 or -1 for any; ``number`` the note, controller or program, -1 where
    the message has none. ``low`` and ``high`` are the values at the two ends of a knob (reversed: turned round);
    equal, as by default, they stand for the role's own range. ``mode``, ``low``, ``high`` and ``curve`` mean nothing
    for a role that is pressed, but for program changes that choose a taste: those from ``low`` (also the ``number``)
    to ``high`` do, each another.
    """

    message: str
    channel: int
    number: int
    role: str
    mode: str = "absolute"
    low: float = 0.0
    high: float = 0.0
    curve: str = "linear"

    def __post_init__(self) -> None:
        if self.low == self.high:
            alone = (float(self.number), float(self.number))
            low, high = alone if self.selects else ROLE_RANGES.get(self.role, (0.0, 1.0))
            object.__setattr__(self, "low", low)
            object.__setattr__(self, "high", high)

    @property
    def selects(self) -> bool:
        """Whether it chooses a taste by number: a range of program changes."""
        return self.role == "taste" and self.message == "program_change"

    @property
    def numbers(self) -> range:
        """The notes, controllers or programs that it is."""
        if self.selects:
            return range(int(self.low), int(self.high) + 1)
        return range(128) if self.message in UNNUMBERED else range(self.number, self.number + 1)

    @property
    def place(self) -> tuple[str, int, int]:
        """Message, channel and number: what two controls of one device cannot share."""
        return self.message, self.channel, self.number


@dataclass(frozen=True, slots=True)
class Light:
    """What to send to a device so that it shows a role: data byte ``on`` when active, ``off`` when not."""

    role: str
    message: str
    channel: int
    number: int
    on: int = 127
    off: int = 0


@dataclass(frozen=True, slots=True)
class Feedback:
    """What comes back: the device sounds its own keys (``local``), returns what it is sent (``echo``), has lights."""

    local: bool = False
    echo: bool = False
    lights: tuple[Light, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """One device. ``match`` and ``avoid`` are case-insensitive regexes searched in the port's name.

    ``channels`` (0-15) and ``note_range`` (lowest, highest) are what its keys send; ``path`` is the file it came
    from and takes no part in equality.
    """

    name: str
    kind: str
    match: tuple[str, ...]
    avoid: tuple[str, ...] = ()
    channels: tuple[int, ...] = tuple(range(16))
    note_range: tuple[int, int] = (0, 127)
    controls: tuple[Control, ...] = ()
    feedback: Feedback = Feedback()
    path: Path | None = field(default=None, compare=False)

    @property
    def generic(self) -> bool:
        """Whether the file is named ``generic-*``: tried only when no profile knows the device."""
        return self.path is not None and self.path.name.lower().startswith(GENERIC_PREFIX)

    @property
    def outer_keys(self) -> tuple[int, ...]:
        """Keys given to a role, so that they rate instead of sounding: the mapped notes outside channel 10."""
        return tuple(sorted({c.number for c in self.controls if c.message == "note_on" and c.channel != DRUMS}))


class _Table:
    """One TOML table while it is read; every complaint names the file, the place, the key and what is allowed."""

    def __init__(self, table: dict[str, Any], allowed: tuple[str, ...], source: str, place: str = "") -> None:
        self.table, self.source, self.place = table, source, place
        for key in table:
            if key not in allowed:
                near = _nearest(key, allowed)
                raise ProfileError(f"{source}: {place}unknown key {key!r}{near}; allowed are {', '.join(allowed)}")

    def refuse(self, key: str, allowed: str) -> NoReturn:
        shown = f"{key} is missing" if key not in self.table else f"{key} = {_shown(self.table[key])} is not possible"
        raise ProfileError(f"{self.source}: {self.place}{shown}; it must be {allowed}")

    def take(self, key: str, kind: type, default: Any = _REQUIRED) -> Any:
        if key not in self.table and default is not _REQUIRED:
            return default
        if type(self.table.get(key)) is not kind:  # not isinstance: true is no number
            self.refuse(key, _KIND_WORDS[kind])
        return self.table[key]

    def choice(self, key: str, choices: tuple[str, ...], default: Any = _REQUIRED, why: str = "") -> str:
        word = self.take(key, str, default)
        if word not in choices:
            self.refuse(key, f"one of {', '.join(choices)}{why}{_nearest(word, choices)}")
        return str(word)

    def whole(self, key: str, low: int, high: int, default: Any = _REQUIRED) -> int:
        number = self.take(key, int, default)
        if not low <= number <= high and key in self.table:
            self.refuse(key, f"a whole number from {low} to {high}")
        return int(number)

    def wholes(self, key: str, low: int, high: int, default: list[int]) -> list[int]:
        numbers: list[int] = self.take(key, list, default)
        if not numbers or any(type(n) is not int or not low <= n <= high for n in numbers):
            self.refuse(key, f"a list of whole numbers from {low} to {high}")
        return numbers

    def patterns(self, key: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        patterns = self.take(key, list, default)
        for pattern in patterns:
            if type(pattern) is not str or not pattern:
                self.refuse(key, "a list of texts, each a regex searched in the port's name")
            try:
                re.compile(pattern, re.IGNORECASE)
            except (re.error, OverflowError, RecursionError) as error:
                self.refuse(key, f"a list of regexes, and {_shown(pattern)} is none ({error})")
        return tuple(patterns)

    def tables(self, key: str) -> list[dict[str, Any]]:
        tables: list[dict[str, Any]] = self.take(key, list, [])
        if any(type(table) is not dict for table in tables):
            self.refuse(key, f"tables headed [[{key}]]")
        return tables


def parse_profile(text: str, source: str | Path) -> Profile:
    """The profile in ``text``, which was read from ``source`` (named in complaints and kept as ``path``).

    Raises
    ------
    ProfileError
        In one sentence: the file, the key (or line), what is allowed, and the nearest valid word.
    """
    name = str(source)
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = text.count("\n") + 1
        place = "" if " line " in str(error) else f" (line {line})"
        raise ProfileError(f"{name}: not valid TOML: {error or 'nested too deeply'}{place}") from None
    table = _Table(raw, _PROFILE_KEYS, name)
    if table.take("schema", int) != SCHEMA:
        table.refuse("schema", f"{SCHEMA}, the only one this version reads")
    title = table.take("name", str)
    if not title.strip():
        table.refuse("name", "what people call the device")
    kind = table.choice("kind", KINDS)
    match = table.patterns("match")
    if not match:
        table.refuse("match", "a list of at least one regex searched in the port's name")
    note_range = table.wholes("note_range", 0, 127, [0, 127])
    if len(note_range) != 2 or note_range[0] > note_range[1]:
        table.refuse("note_range", "[lowest, highest] note")
    controls: list[Control] = []
    for n, entry in enumerate(table.tables("control"), 1):
        control = _control(_Table(entry, _CONTROL_KEYS, name, f"control {n}: "))
        for other, known in enumerate(controls, 1):
            if (known.message, known.channel) == (control.message, control.channel) and _meet(
                known.numbers, control.numbers
            ):
                taken = f"message, channel and number are those of control {other} ({known.role})"
                raise ProfileError(f"{name}: control {n}: {taken}; allowed is one role each")
        controls.append(control)
    avoid, channels = table.patterns("avoid", []), sorted(set(table.wholes("channels", 1, 16, list(range(1, 17)))))
    feedback = _feedback(table.take("feedback", dict, {}), name)
    zero_based = tuple(n - 1 for n in channels)
    keys = (note_range[0], note_range[1])
    return Profile(title, kind, match, avoid, zero_based, keys, tuple(controls), feedback, Path(source))


def _control(table: _Table) -> Control:
    message, role = table.choice("message", MESSAGES), table.choice("role", CONTROL_ROLES)
    pressed = role in PRESS_ROLES
    fit = HOLD_MESSAGES if role in HOLD_ROLES else PRESS_MESSAGES if pressed else KNOB_MESSAGES
    table.choice("message", fit, why=f" for the role {role!r}")
    selects = role == "taste" and message == "program_change"
    number = -1
    if selects:
        if "number" in table.table:
            table.refuse("number", "left out: a range of programs chooses tastes")
        programs = table.wholes("range", 0, 127, [0, 0])
        if len(programs) != 2 or programs[0] >= programs[1]:
            table.refuse("range", "[lowest, highest] program that chooses a taste")
        number = programs[0]
    elif message not in UNNUMBERED:
        number = table.whole("number", 0, _LAST_CC if message == "control_change" else 127)
    elif "number" in table.table:
        table.refuse("number", f"left out: {message} has none")
    for key in ("mode", "range", "curve"):
        if pressed and key in table.table and not (selects and key == "range"):
            table.refuse(key, f"left out: {role!r} is pressed, only {', '.join(KNOB_ROLES)} have a {key}")
    mode = table.choice("mode", MODES, "absolute")
    if mode != "absolute" and message != "control_change":
        table.refuse("mode", f"'absolute': {message} has no steps")
    if mode != "absolute" and "curve" in table.table:
        table.refuse("curve", f"left out: {mode} counts steps")
    low, high = (float(programs[0]), float(programs[1])) if selects else (0.0, 0.0)
    if not pressed:
        low, high = _range(table, role)
    channel = table.whole("channel", 1, 16, 0) - 1
    return Control(message, channel, number, role, mode, low, high, table.choice("curve", CURVES, "linear"))


def _range(table: _Table, role: str) -> tuple[float, float]:
    least, most = ROLE_LIMITS[role]
    ends: list[Any] = table.take("range", list, list(ROLE_RANGES[role]))
    numbers = all(type(end) in (int, float) and least <= end <= most for end in ends)  # nan is in no range
    if not numbers or len(ends) != 2 or ends[0] == ends[1]:
        table.refuse("range", f"two different numbers from {least:g} to {most:g} for the role {role!r}")
    return float(ends[0]), float(ends[1])


def _feedback(raw: dict[str, Any], source: str) -> Feedback:
    table = _Table(raw, _FEEDBACK_KEYS, source, "feedback: ")
    lights = []
    for n, entry in enumerate(table.tables("light"), 1):
        light = _Table(entry, _LIGHT_KEYS, source, f"feedback: light {n}: ")
        message = light.choice("message", LIGHT_MESSAGES)
        number = light.whole("number", 0, _LAST_CC if message == "control_change" else 127)
        role, channel = light.choice("role", CONTROL_ROLES), light.whole("channel", 1, 16) - 1
        on, off = light.whole("on", 0, 127, 127), light.whole("off", 0, 127, 0)
        lights.append(Light(role, message, channel, number, on, off))
    return Feedback(table.take("local", bool, False), table.take("echo", bool, False), tuple(lights))


def packaged_dir() -> Path:
    """The profiles that come with the program: ``devices`` in the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "devices"
    return inside if inside.is_dir() else package.parent / "devices"


def load_profiles(user_dir: Path | None) -> tuple[list[Profile], list[ProfileError]]:
    """All profiles in the order in which they are tried, and what is wrong with those that cannot be used.

    ``user_dir`` is the folder of the player's own ``*.toml`` (it need not exist); the packaged ones follow. A broken
    file costs only itself.
    """
    profiles, errors = [], []
    for folder in (user_dir, packaged_dir()):
        # glob passes over a folder that is missing or shut; by stem, so that "x" stands before "x-control".
        for path in sorted(folder.glob("*.toml"), key=lambda p: p.stem) if folder else ():
            try:
                # Notepad puts a byte-order mark in front, which TOML forbids: utf-8-sig drops it.
                profiles.append(parse_profile(path.read_text(encoding="utf-8-sig"), path))
            except ProfileError as error:
                errors.append(error)
            except (OSError, UnicodeDecodeError) as error:
                errors.append(ProfileError(f"{path}: the file cannot be read ({error}); it must be UTF-8 text"))
    return sorted(profiles, key=_rank), errors


def match_profile(port_name: str, profiles: Sequence[Profile], *, output: bool = False) -> Profile | None:
    """The first profile that fits a port, generic ones last and the catch-all behind those; None if none does.

    For an input, synths are passed over; for an output (``output=True``) only synths and pianos are looked at. Once a
    profile has said that the port is its DAW port, only one made for that port can follow: kind pads or controller.
    """
    daw = False
    for profile in sorted(profiles, key=_rank):
        if (profile.kind not in OUTPUT_KINDS if output else profile.kind == "synth") or not _found(
            profile.match, port_name
        ):
            continue
        if _found(profile.avoid, port_name):
            daw = daw or not profile.generic
        elif not daw or (profile.kind not in KEYS_KINDS and not profile.generic):
            return profile
    return None


def is_daw_port(port_name: str, profiles: Sequence[Profile]) -> bool:
    """Whether a profile calls this port the one for a DAW, where no keys arrive.

    A keyboard profile tried earlier that wants the port, such as the player's own, overrules it.
    """
    for profile in sorted(profiles, key=_rank):
        if profile.kind == "synth" or profile.generic or not _found(profile.match, port_name):
            continue
        if _found(profile.avoid, port_name):
            return True
        if profile.kind in KEYS_KINDS:
            return False
    return False


def profile_text(profile: Profile) -> str:
    """The profile as TOML; :func:`parse_profile` reads it back equal."""
    lines = [f"schema = {SCHEMA}", f"name = {_quoted(profile.name)}", f"kind = {_quoted(profile.kind)}"]
    for key, patterns in (("match", profile.match), ("avoid", profile.avoid)):
        lines += [f"{key} = [{', '.join(map(_quoted, patterns))}]"]
    lines += [f"channels = {[n + 1 for n in profile.channels]}", f"note_range = {list(profile.note_range)}"]
    for c in profile.controls:
        lines += ["", "[[control]]", *_place_lines(c), f"role = {_quoted(c.role)}"]
        if c.selects:
            lines += [f"range = [{int(c.low)}, {int(c.high)}]"]
        if c.role in KNOB_ROLES:
            lines += [f"mode = {_quoted(c.mode)}", f"range = [{float(c.low)!r}, {float(c.high)!r}]"]
            lines += [f"curve = {_quoted(c.curve)}"] if c.mode == "absolute" else []
    if profile.feedback != Feedback():
        flags = {"local": profile.feedback.local, "echo": profile.feedback.echo}
        lines += ["", "[feedback]", *(f"{key} = {json.dumps(value)}" for key, value in flags.items())]
    for light in profile.feedback.lights:
        lines += ["", "[[feedback.light]]", *_place_lines(light), f"role = {_quoted(light.role)}"]
        lines += [f"on = {light.on}", f"off = {light.off}"]
    return "\n".join(lines) + "\n"


def write_profile(profile: Profile, path: Path) -> None:
    """Write the profile to ``path``, whole or not at all. Raises StoreError if it cannot be written."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(profile_text(profile))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error}); free some space or choose another folder") from None


def _place_lines(thing: Control | Light) -> list[str]:
    lines = [f"message = {_quoted(thing.message)}"]
    lines += [f"channel = {thing.channel + 1}"] if thing.channel >= 0 else []
    numbered = thing.number >= 0 and not (isinstance(thing, Control) and thing.selects)
    return lines + ([f"number = {thing.number}"] if numbered else [])


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def _quoted(text: str) -> str:
    # JSON's escapes are all TOML's; only DEL, bare in JSON, is forbidden in TOML.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word.lower(), known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _found(patterns: Sequence[str], port_name: str) -> bool:
    return any(re.search(pattern, port_name, re.IGNORECASE) for pattern in patterns)


def _rank(profile: Profile) -> int:
    # A pattern found in the empty text is found everywhere; such a profile must not hide the other generic ones.
    return 0 if not profile.generic else 2 if _found(profile.match, "") else 1
