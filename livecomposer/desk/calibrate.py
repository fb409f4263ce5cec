"""``livecomposer calibrate``: half a minute in which wrong notes show how late this player presses.

Called by ``cli``. What the lesson is and what presses say of it is ``ratings.delay``'s; here are the ports, the sound,
the terminal and the file that ``settings`` reads.
"""

import json
import os
import random
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from livecomposer.desk.blind import Speaker
from livecomposer.desk.keys import ACTIONS, Keyboard
from livecomposer.desk.wiring import Plan, choose
from livecomposer.errors import SettingsError, StoreError
from livecomposer.midi import ports
from livecomposer.midi.controls import ControlMap
from livecomposer.midi.messages import is_channel_message
from livecomposer.midi.profiles import load_profiles
from livecomposer.ratings.delay import LEAST, Found, Lesson, fit, lesson
from livecomposer.settings import DELAY_FILE, collect, user_dir
from livecomposer.whole import write_whole

RATES = ("rate", "rate_up", "rate_down")
COUNT_S = 0.7
BEGIN_NS = 700_000_000  # from the last word to the first note
TOLD_NS = 10_000_000_000  # so often it is said how far the lesson has come
SLICE_S = 0.02

Send = Callable[[int, bytes], None]  # (when it is due, message)
Poll = Callable[[float], list[int]]  # waits at most so many seconds; the times of the presses meanwhile


def calibrate_command(args: Namespace) -> int:
    """Hold the lesson on the ports and the sound that ``play`` would choose, and keep what it shows.

    Returns
    -------
    0, 1 if too few wrong notes were answered (nothing is changed then), or 130 after Ctrl-C.

    Raises
    ------
    SettingsError, PortError, PortNotFound, PortLost, StoreError
    """
    given = {name: value for name in ("midi_in", "midi_out", "api", "sound") if (value := getattr(args, name))}
    settings = collect(given, os.environ, user_dir(), Path.cwd())
    profiles, broken = load_profiles(user_dir() / "devices")
    for error in broken:
        _say(f"Warning: {error}")
    plan = choose(settings, profiles)
    keyboard = Keyboard()
    if plan.midi_out is None and not plan.sound:
        raise SettingsError("there is nothing to hear the lesson on; plug in a synth or choose --sound on")
    if plan.midi_in is None and not keyboard.there:
        raise SettingsError("there is nothing to press; plug in a controller or start it in a terminal")
    played = lesson(random.SystemRandom().randrange(2**31))
    try:
        with keyboard.raw(), Room(plan, keyboard) as room:
            _say("Half a minute of a scale. Whenever a note is wrong, press dislike (or any of your rating controls).")
            for left in ("3", "2", "1"):
                _say(f"  {left} …")
                room.poll(COUNT_S)
            begin = time.perf_counter_ns() + BEGIN_NS
            presses = hold(played, begin, told(played, begin, room.send), heard(room.poll), time.perf_counter_ns)
    except KeyboardInterrupt:
        _say("Left; nothing has changed.")
        return 130
    found = fit(played.wrong_ns, presses)
    path = user_dir() / DELAY_FILE
    if found.mean_s is not None:
        keep(found, path)
    print(json.dumps(found._asdict()) if args.json else words(found), flush=True)
    if found.mean_s is not None:
        _say(f"Kept in {path}; delete that file to go back to what is usual.")
    return 0 if found.mean_s is not None else 1


def hold(played: Lesson, begin_ns: int, send: Send, poll: Poll, clock: Callable[[], int]) -> list[int]:
    """Play the lesson from ``begin_ns`` on; returns the presses (ns from there)."""
    presses: list[int] = []
    for t_ns, msg in played.messages:
        while (wait := begin_ns + t_ns - clock()) > 0:
            presses += poll(min(wait * 1e-9, SLICE_S))
        send(begin_ns + t_ns, msg)
    return [press - begin_ns for press in presses]


def told(played: Lesson, begin_ns: int, send: Send) -> Send:
    """``send``, which now and then says how far the lesson has come."""
    whole = played.messages[-1][0]
    said = [TOLD_NS]

    def sent(t_ns: int, msg: bytes) -> None:
        if t_ns - begin_ns >= said[0]:
            _say(f"  … {said[0] // 1_000_000_000} s of {whole // 1_000_000_000}")
            said[0] += TOLD_NS
        send(t_ns, msg)

    return sent


def heard(poll: Poll) -> Poll:
    """``poll``, which says that a press has come."""

    def polled(seconds: float) -> list[int]:
        presses = poll(seconds)
        for _ in presses:
            _say("  heard you")
        return presses

    return polled


def words(found: Found) -> str:
    """What was found, in one or two sentences."""
    of = f"{found.hits} of {found.hits + found.misses} wrong notes"
    n = found.false_alarms
    strays = f", and {n} press{'' if n == 1 else 'es'} where nothing was wrong" if n else ""
    if found.mean_s is None and found.hits >= max(LEAST, found.false_alarms):
        return (
            f"You answered {of}{strays}, but now soon and now late, as if guessing. Nothing has changed. Try again: "
            "press at once for each note that does not belong."
        )
    if found.mean_s is None:
        return (
            f"You answered {of}{strays}. Nothing has changed: it takes {LEAST} answers, and more of them than presses "
            "where nothing was wrong. Try again: press once for each note that does not belong."
        )
    return (
        f"You answered {of}{strays}: you press about {found.mean_s:.2f} s (± {found.spread_s:.2f}) after what you "
        "mean. It will be reckoned with from now on."
    )


def keep(found: Found, path: Path) -> None:
    """Write it where ``settings`` finds it. Raises StoreError."""
    text = (
        "# Measured by `livecomposer calibrate`; delete this file to go back to what is usual.\n"
        f"delay = {found.mean_s:.3f}\ndelay-spread = {found.spread_s:.3f}\n"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); set LIVECOMPOSER_HOME to a folder that can"
        ) from None


class Room:
    """The ports, the sound and the keys for the length of a ``with``."""

    def __init__(self, plan: Plan, keyboard: Keyboard) -> None:
        self._plan, self._keyboard = plan, keyboard
        self._controls = ControlMap(plan.profile)
        self._presses: list[int] = []
        self._stack = ExitStack()
        self._out: Any = None
        self._speaker: Speaker | None = None

    def __enter__(self) -> "Room":
        plan = self._plan
        try:
            if plan.sound:
                self._speaker = self._stack.enter_context(Speaker())
            if plan.system is not None and plan.midi_out is not None:
                self._out = ports.open_output(plan.system, plan.midi_out)
                self._stack.callback(ports.close_port, self._out)
            if plan.system is not None and plan.midi_in is not None:
                self._stack.callback(ports.close_port, ports.open_input(plan.system, plan.midi_in, self._arrived))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self._stack.close()

    def send(self, t_ns: int, msg: bytes) -> None:
        """A message that is due now."""
        if self._out is not None:
            self._out.send_message(msg)
        if self._speaker is not None:
            self._speaker.send(t_ns, msg)

    def poll(self, seconds: float) -> list[int]:
        """Wait for presses, on the terminal and on the controller."""
        for name in self._keyboard.wait(seconds):
            action = ACTIONS.get(name)
            if action is not None and action.kind == "rate":
                self._presses.append(time.perf_counter_ns())
        said, self._presses = self._presses, []
        return said

    def _arrived(self, event: tuple[list[int], float], data: Any = None) -> None:
        now, msg = time.perf_counter_ns(), bytes(event[0])
        if is_channel_message(msg) and pressed(self._controls, msg):
            self._presses.append(now)


def pressed(controls: ControlMap, msg: bytes) -> bool:
    """Whether a message is a rating."""
    index = controls.find(msg[0], msg[1])
    return index >= 0 and controls.role(index) in RATES and bool(controls.value(index, msg[-1], msg[0] & 0xF0))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
