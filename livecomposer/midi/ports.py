"""MIDI ports through RtMidi: which there are, which to take, and opening them without surprises.

Desk lists and chooses (once a second it looks whether they are still there); the instrument opens. Callbacks run on
RtMidi's thread: they stamp, queue and return. Names are matched by case-insensitive regex, never by index.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from livecomposer.errors import PortError, PortNotFound
from livecomposer.midi.profiles import Profile, is_daw_port, match_profile
from livecomposer.quiet import hushed

OWN = "livecomposer"
IN_NAME, OUT_NAME, GUARD_NAME = "livecomposer in", "livecomposer out", "livecomposer guard"
API_NAMES = {"alsa": "LINUX_ALSA", "jack": "UNIX_JACK", "coremidi": "MACOSX_CORE", "winmm": "WINDOWS_MM"}
API_LABELS = {"alsa": "ALSA", "jack": "JACK", "coremidi": "CoreMIDI", "winmm": "Windows MIDI"}
_LOOPBACK = re.compile(r"midi through", re.IGNORECASE)
_PARTS = re.compile(r"[:\s]*\b(midi|port|in|out|input|output|\d+(:\d+)?)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\s+\d+(:\d+)?$")
# What RtMidi says, in words that help; anything else is passed on as it is.
_PLAIN_WORDS = (
    ("error creating ALSA sequencer client", "no sequencer, /dev/snd/seq is missing or not permitted"),
    ("JACK server not running", "no server is running"),
)

Callback = Callable[[tuple[list[int], float], Any], None]


class System(NamedTuple):
    """A MIDI system that answered: its name as in ``--api`` and RtMidi's number for it."""

    name: str
    api: int

    @property
    def label(self) -> str:
        """Its name for people."""
        return API_LABELS[self.name]


def find_system(wanted: str = "") -> System:
    """The MIDI system to use: the one asked for, else the first that answers (ALSA before JACK on Linux).

    Raises
    ------
    PortError
        None answers; the message says what each said.
    """
    rtmidi = _import_rtmidi()
    os.environ.setdefault("JACK_NO_START_SERVER", "1")  # looking must not start a server
    there = built_in()
    if wanted and wanted not in there:
        raise PortError(f"there is no {API_LABELS[wanted]} here; --api can be {' or '.join(there) or 'left out only'}")
    said = []
    for name, api in there.items():
        if wanted and name != wanted:
            continue
        try:
            with hushed(2):
                probe = rtmidi.MidiOut(api, name="livecomposer probe")
                probe.get_ports()
                probe.delete()
            return System(name, api)
        except Exception as error:  # RtMidi raises its own SystemError, and others by platform
            said.append((API_LABELS[name], plain_words(error)))
    if wanted:
        raise PortError(f"{said[0][0]} does not answer: {said[0][1]}; start it, or choose another MIDI system by --api")
    listed = "; ".join(f"{label}: {words}" for label, words in said) or "none is built in"
    raise PortError(f"no MIDI system answers ({listed}); start one, or play without")


def built_in() -> dict[str, int]:
    """The MIDI systems that this build of RtMidi knows, in the order in which they are tried, with its numbers."""
    rtmidi = _import_rtmidi()
    compiled = {name: getattr(rtmidi, f"API_{tail}") for name, tail in API_NAMES.items()}
    return {name: api for name, api in compiled.items() if api in rtmidi.get_compiled_api()}


def plain_words(error: Exception) -> str:
    """What an error of RtMidi means, or its own words."""
    text = str(error).rstrip(".")
    return next((plain for internal, plain in _PLAIN_WORDS if internal.lower() in text.lower()), text)


def list_ports(system: System) -> tuple[list[str], list[str]]:
    """(inputs, outputs) that others offer, without our own ports and loopbacks."""
    import rtmidi

    found = []
    for cls in (rtmidi.MidiIn, rtmidi.MidiOut):
        try:
            with hushed(2):
                port = cls(system.api, name="livecomposer probe")
                names = port.get_ports()
                port.delete()
        except Exception as error:
            raise PortError(f"{system.label} does not list its ports: {plain_words(error)}") from None
        found.append([n for n in names if not n.startswith(OWN) and not _LOOPBACK.search(n)])
    return found[0], found[1]


class PortLister:
    """Lists ports again and again over one pair of clients, so that watching costs no new client each second."""

    def __init__(self, system: System) -> None:
        import rtmidi

        with hushed(2):
            self._clients = (
                rtmidi.MidiIn(system.api, name="livecomposer watch"),
                rtmidi.MidiOut(system.api, name="livecomposer watch out"),
            )

    def names(self) -> tuple[set[str], set[str]]:
        """(inputs, outputs) that are there now."""
        with hushed(2):
            return set(self._clients[0].get_ports()), set(self._clients[1].get_ports())

    def close(self) -> None:
        """Give the clients back."""
        for client in self._clients:
            close_port(client)


def choose_input(names: Sequence[str], pattern: str, profiles: Sequence[Profile]) -> tuple[str, Profile | None] | None:
    """The input to play on and its profile: the one that ``pattern`` names, else the first with a profile of its own,
    else the first real one; None if there is nothing to choose from. Raises PortNotFound."""
    keys = [name for name in names if not is_daw_port(name, profiles)]
    if pattern:
        name = _one(names, keys, pattern, "input", "--virtual")
        return name, match_profile(name, profiles)
    known = [(name, match_profile(name, profiles)) for name in keys]
    known.sort(key=lambda pair: pair[1] is None or pair[1].generic)  # stable: the system's order otherwise
    return known[0] if known else None


def choose_output(
    names: Sequence[str], pattern: str, profiles: Sequence[Profile], input_name: str | None = None
) -> str | None:
    """The synth to play on: the one that ``pattern`` names, else the first that looks like a synth, else the player's
    own digital piano; None: the built-in sound. Raises PortNotFound."""
    real = [name for name in names if not is_daw_port(name, profiles)]
    if pattern:
        return _one(names, real, pattern, "output", "--virtual")
    for name in real:
        profile = match_profile(name, profiles, output=True)
        if profile is not None and profile.kind == "synth":
            return name
    if input_name is not None:
        profile = match_profile(input_name, profiles)
        if profile is not None and profile.kind == "piano":
            return next((name for name in real if same_device(name, input_name)), None)
    return None


def same_device(one: str, other: str) -> bool:
    """Whether an input and an output belong to one device: their names agree but for port words and numbers."""
    return _PARTS.sub("", one).strip().lower() == _PARTS.sub("", other).strip().lower()


def find_again(name: str, names: Sequence[str]) -> str:
    """``name`` as it is called now: ALSA numbers a port anew when its cable has been out (``... 20:0``)."""
    if name in names:
        return name
    bare = _NUMBER.sub("", name)
    return next((other for other in names if _NUMBER.sub("", other) == bare), name)


def open_input(system: System, name: str | None, callback: Callback) -> Any:
    """Open an input (None: our virtual port) and deliver every message, clock, SysEx and sensing included.

    Raises PortNotFound if it has gone, PortError if it is busy.
    """
    import rtmidi

    with _opening(system, name):
        port = rtmidi.MidiIn(system.api, name=IN_NAME, queue_size_limit=4096)
        port.ignore_types(False, False, False)
        port.set_callback(callback)
        _open(port, name, IN_NAME)
    return port


def open_output(system: System, name: str | None, client: str = OUT_NAME) -> Any:
    """Open an output (None: our virtual port). Raises PortNotFound if it has gone, PortError if it is busy."""
    import rtmidi

    with _opening(system, name):
        port = rtmidi.MidiOut(system.api, name=client)
        _open(port, name, client)
    return port


def close_port(port: Any, timeout_s: float = 1.0) -> bool:
    """Close a port; RtMidi's shutdown can hang, so it gets this long. Returns whether it closed."""
    if port is None:
        return True

    def close() -> None:
        port.close_port()
        port.delete()

    thread = threading.Thread(target=close, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return not thread.is_alive()


@contextmanager
def _opening(system: System, name: str | None) -> Iterator[None]:
    where = f'"{name}"' if name else "a virtual port"
    if name is None and system.name == "winmm":
        raise PortError("Windows has no virtual MIDI ports; install loopMIDI and name its port with --in and --out")
    try:
        with hushed(2):
            yield
    except PortError:
        raise
    except Exception as error:
        said = plain_words(error)
        raise PortError(f"{where} on {system.label} cannot be opened ({said}); is another program using it?") from None


def _import_rtmidi() -> Any:
    try:
        import rtmidi
    except ImportError as error:
        raise PortError(f"python-rtmidi cannot be loaded ({error}); install it for MIDI, or play without") from None
    return rtmidi


def _open(port: Any, name: str | None, own: str) -> None:
    if name is None:
        port.open_virtual_port(own)
        return
    names = port.get_ports()
    if name not in names:
        port.delete()
        raise PortNotFound(f'"{name}" is not there any more; found: {_listed(names)}; plug it in again')
    port.open_port(names.index(name), name=own)


def _one(names: Sequence[str], preferred: Sequence[str], pattern: str, what: str, instead: str) -> str:
    """The one name that ``pattern`` matches, DAW ports set aside unless nothing else matches."""
    try:
        regex = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise PortNotFound(f'the MIDI {what} pattern "{pattern}" is not a regular expression: {error}') from None
    hits = [n for n in preferred if regex.search(n)] or [n for n in names if regex.search(n)]
    if len(hits) == 1:
        return hits[0]
    if not hits:
        raise PortNotFound(f'no MIDI {what} matches "{pattern}"; found: {_listed(names)}; plug it in or use {instead}')
    raise PortNotFound(f'the MIDI {what} pattern "{pattern}" matches {_listed(hits)}; make it name one')


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names) or "none at all"
