"""``livecomposer learn``: teach it by pressing what means yes, no, undo and panic on this controller, or by sending
the program changes that choose a taste.

Called by ``cli``. ``Lesson`` and ``taught`` know the answers, ``hold`` the order of events; only ``learn_command``
touches the port, the terminal and the disk.
"""

import os
import queue
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from livecomposer.desk.checks import why_not_writable
from livecomposer.errors import PortLost, PortNotFound, StoreError
from livecomposer.midi import ports
from livecomposer.midi.learn import QUESTIONS, UP_BELOW, LearnSession, TastesSession, port_pattern
from livecomposer.midi.messages import CONTROL_CHANGE, DRUMS, NOTE_ON, is_channel_message
from livecomposer.midi.profiles import GENERIC_PREFIX, Control, Profile, load_profiles, match_profile, write_profile
from livecomposer.settings import collect, user_dir

REMIND_S = 60.0
SETTLE_S = 0.25  # one press may send several messages (layered zones, a bouncing switch): the first one counts
EVERY_KEY = (0, 127)
OCTAVE = 12
SLICE_S = 0.2  # on Windows a wait cannot be interrupted: Ctrl-C works between two
WORDS = {role: word for word, role in QUESTIONS}
ENTER = b""

Wait = Callable[[float], bytes | None]


class Lesson:
    """The questions and what has been answered. ``played`` are the lowest and highest key; None: ask for them first.
    ``tastes``: the lesson is about the program changes that choose a taste, and not about keys."""

    def __init__(self, played: tuple[int, int] | None, tastes: bool = False) -> None:
        self.session: LearnSession | TastesSession | None = None
        if tastes:
            self.session = TastesSession(*(played or EVERY_KEY))
        elif played is not None:
            self.session = LearnSession(*played)
        self._first: int | None = None
        self._settled_s = float("-inf")

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask."""
        return self.session is not None and self.session.done

    @property
    def prompt(self) -> str:
        """What to ask now; empty when done."""
        if self.session is not None:
            return self.session.prompt
        return "play your lowest key" if self._first is None else "play your highest key"

    def hear(self, msg: bytes, now_s: float) -> str | None:
        """Take a message from the device; returns what to say to it, if anything."""
        if not is_channel_message(msg):
            return None
        released = msg[0] & 0xF0 == CONTROL_CHANGE and msg[2] < UP_BELOW
        if now_s < self._settled_s and not released:
            return None
        said = self._range(msg) if self.session is None else self.session.feed(msg)
        if said is not None:
            self._settled_s = now_s + SETTLE_S
        return said

    def skip(self) -> str:
        """Enter was pressed: leave this question; returns what that means."""
        if self.session is None:
            self.session = LearnSession(*EVERY_KEY)
            return "no keys then: only pedals, buttons and pads can be taught"
        word = self.prompt.rsplit(" ", 1)[-1]
        self.session.skip()
        return f"{word}: left as it is"

    def _range(self, msg: bytes) -> str | None:
        if msg[0] & 0xF0 != NOTE_ON or msg[2] == 0 or msg[0] & 0x0F == DRUMS:
            return None
        if self._first is None:
            self._first = msg[1]
            return f"one end: note {msg[1]}"
        low, high = sorted((self._first, msg[1]))
        if high - low < OCTAVE:
            self._first = None
            return f"notes {low} and {high} are less than an octave apart; once more, from end to end"
        self.session = LearnSession(low, high)
        return f"your keys: notes {low} to {high}"


def hold(
    lesson: Lesson, device: str, wait: Wait, say: Callable[[str], None], clock: Callable[[], float],
    there: Callable[[], bool],
) -> None:  # fmt: skip
    """Ask until all is answered.

    ``wait(seconds)`` gives the next message, ``ENTER``, or None if nothing came in that time; ``there()`` tells
    whether the device still is. Raises PortLost if it has gone.
    """
    while not lesson.done:
        say(f"{lesson.prompt[:1].upper()}{lesson.prompt[1:]} (Enter: skip).")
        before = lesson.prompt
        remind_at = clock() + REMIND_S
        while lesson.prompt == before:
            event = wait(max(remind_at - clock(), 0.0))
            now_s = clock()
            told = None
            if event == ENTER:
                told = lesson.skip()
            elif event is not None:
                told = lesson.hear(event, now_s)
            if told is not None:
                say(f"  {told}")
                remind_at = now_s + REMIND_S
            elif now_s >= remind_at:
                if not there():
                    raise PortLost(f'"{device}" is not there any more; plug it in and begin again')
                say(f'  Still listening to "{device}": {before}. If it stays deaf, look at `livecomposer ports`.')
                remind_at = now_s + REMIND_S


def taught(profile: Profile, base: Profile | None, port_name: str) -> Profile:
    """What was learnt, on top of what ``base``, the profile in use so far, says about the device.

    A role that was taught has no other control left, and a control that was taught has no other role; all else stays.
    """
    if base is None:
        return profile
    roles = {control.role for control in profile.controls}
    kept = [c for c in base.controls if c.role not in roles and not any(_overlap(c, new) for new in profile.controls)]
    avoid = tuple(pattern for pattern in base.avoid if not re.search(pattern, port_name, re.IGNORECASE))
    return replace(base, name=profile.name, match=profile.match, avoid=avoid, note_range=profile.note_range,
                   controls=(*profile.controls, *kept), path=None)  # fmt: skip


def _overlap(one: Control, other: Control) -> bool:
    a, b = one.numbers, other.numbers
    same = one.message == other.message and a.start < b.stop and b.start < a.stop
    return same and (one.channel == other.channel or -1 in (one.channel, other.channel))


def meanings(profile: Profile) -> list[str]:
    """What each control of a profile does, a line each."""
    rows = [(WORDS.get(control.role, control.role), place(control)) for control in profile.controls]
    width = max((len(word) for word, _ in rows), default=0)
    return [f"  {word:<{width}}  {where}" for word, where in rows]


def place(control: Control) -> str:
    """A control in words: "CC 67 on channel 1"."""
    kind = {"control_change": "CC", "note_on": "note", "program_change": "program"}.get(
        control.message, control.message
    )
    number = f" {control.number}" if control.number >= 0 else ""
    if control.selects:
        number = f"s {control.numbers[0]} to {control.numbers[-1]}"
    return f"{kind}{number} on {f'channel {control.channel + 1}' if control.channel >= 0 else 'any channel'}"


def device_name(port_name: str) -> str:
    """What to call a device after its port: without the client's name said twice, and without ALSA's numbers."""
    whole = re.sub(r"\s+\d+:\d+$", "", port_name)
    client, _, port = whole.partition(":")
    return port.strip() if port.strip().lower().startswith(client.strip().lower()) else whole


def file_of(name: str) -> str:
    """A file name for a profile: letters and digits joined by dashes, never one that is tried last."""
    slug = re.sub(r"[\W_]+", "-", name.lower()).strip("-")[:60].strip("-") or "device"
    return f"{'my-' if slug.startswith(GENERIC_PREFIX) else ''}{slug}.toml"


def known_range(profile: Profile | None) -> tuple[int, int] | None:
    """The keys of a device if its profile says which it has."""
    return profile.note_range if profile is not None and profile.note_range != EVERY_KEY else None


def keep(profile: Profile, path: Path) -> str:
    """Write the profile, with a copy of the one before beside it; returns a line for the player. Raises StoreError."""
    copy = path.with_name(f"{path.name}.bak")
    try:
        if not path.exists():
            write_profile(profile, path)
            return f"Wrote {path}."
        shutil.copy2(path, copy)
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"{path} cannot be copied to {copy.name} ({why}); move it away and begin again") from None
    write_profile(profile, path)
    return f"Wrote {path}; the one before is kept as {copy.name}."


def check_folder(folder: Path) -> None:
    """Raise StoreError if no profile can be written there: to be asked before anything is taught."""
    problem = why_not_writable(folder)
    if problem:
        raise StoreError(f"{folder} cannot be written ({problem}); set LIVECOMPOSER_HOME to a folder that can")


def write(
    session: LearnSession | TastesSession, device: str, base: Profile | None, name: str, folder: Path, winmm: bool
) -> tuple[Profile, Path, str]:  # fmt: skip
    """Write what was taught on top of ``base``; returns the profile, its file and a line for the player. Raises
    StoreError."""
    profile = session.profile(name or device_name(device), port_pattern(device, winmm))
    profile, path = placed(taught(profile, base, device), base, name, folder)
    return profile, path, keep(profile, path)


def learn_command(pattern: str, api: str, name: str, tastes: bool = False) -> int:
    """Ask for the four controls of one input, or for the programs that choose ``tastes``, and write its profile into
    the player's own folder.

    Returns
    -------
    0, or 130 if Ctrl-C left it (nothing is written then).

    Raises
    ------
    SettingsError, PortError, PortNotFound, PortLost, StoreError
    """
    settings = collect({}, os.environ, user_dir(), Path.cwd())
    folder = user_dir() / "devices"
    profiles, broken = load_profiles(folder)
    for error in broken:
        _say(f"Warning: {error}")
    system = ports.find_system(api or settings.api)
    names = ports.list_ports(system)[0]
    chosen = ports.choose_input(names, pattern or settings.midi_in, profiles)
    if chosen is None:
        raise PortNotFound(f"no MIDI keyboard or controller is there on {system.label}; plug one in and begin again")
    device, base = chosen
    check_folder(folder)
    session = _ask(system, device, known_range(base), tastes)
    if session is None:
        _say("\nLeft; nothing was written.")
        return 130
    if not session.controls:
        _say("Nothing was taught; nothing was written.")
        return 0
    profile, path, line = write(session, device, base, name, folder, system.name == "winmm")
    _say(line)
    _say(f'On "{device}" now:')
    for text in meanings(profile):
        _say(text)
    _say(use(device, names, path, folder))
    return 0


def placed(profile: Profile, base: Profile | None, name: str, folder: Path) -> tuple[Profile, Path]:
    """The profile and its file. One of the player's own that fitted the port is changed in place, fits what it fitted,
    and keeps its name unless ``name`` is given; so no two of them fight over the port."""
    if base is None or base.path is None or base.path.parent != folder:
        return profile, folder / file_of(profile.name)
    return replace(profile, name=name or base.name, match=base.match), base.path


def before(device: str, path: Path, folder: Path) -> str:
    """A sentence if another profile is obeyed in place of the one that was just written, else ""."""
    match = match_profile(device, load_profiles(folder)[0])
    if match is not None and match.path == path:
        return ""
    other = match.path.name if match is not None and match.path is not None else "another profile"
    return f"But {other} comes before it; move one of the two out of {folder}."


def use(device: str, names: list[str], path: Path, folder: Path) -> str:
    """How to play with the profile that was just written."""
    rival = before(device, path, folder)
    if rival:
        return rival
    profiles, _ = load_profiles(folder)
    automatic = ports.choose_input(names, "", profiles)
    if automatic is not None and automatic[0] == device:
        return "`livecomposer play` will use it."
    return f'`livecomposer play --in "{port_pattern(device)}"` will use it.'


def _ask(
    system: ports.System, device: str, played: tuple[int, int] | None, tastes: bool
) -> LearnSession | TastesSession | None:
    """Hold the lesson on the real port and terminal; None if Ctrl-C ended it."""
    lesson = Lesson(played, tastes)
    events: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def arrive(event: tuple[list[int], float], data: Any = None) -> None:
        if event[0]:  # an empty message would count as ENTER
            events.put(bytes(event[0]))

    def wait(seconds: float) -> bytes | None:
        try:
            return events.get(timeout=min(seconds, SLICE_S))
        except queue.Empty:
            return None

    port = ports.open_input(system, device, arrive)
    try:
        _say(f'Listening to "{device}". Ctrl-C leaves without writing anything.')
        threading.Thread(target=_read_lines, args=(events,), name="lines", daemon=True).start()
        hold(lesson, device, wait, _say, time.monotonic, lambda: device in ports.list_ports(system)[0])
    except KeyboardInterrupt:
        return None
    finally:
        ports.close_port(port)
    return lesson.session


def _say(text: str) -> None:
    print(text, flush=True)


def _read_lines(events: "queue.SimpleQueue[bytes]") -> None:
    """An ENTER for each line typed; the end of stdin ends nothing but this thread."""
    try:
        number = sys.stdin.fileno()
        # Not readline: a thread that waits within Python's own buffer makes the interpreter abort at its end.
        while data := os.read(number, 1024):
            for _ in range(data.count(b"\n")):
                events.put(ENTER)
    except (OSError, ValueError, AttributeError):
        pass
