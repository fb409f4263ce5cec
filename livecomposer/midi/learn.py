"""Learning a controller by pressing it: which message means yes, no, undo and panic, which programs choose a taste.

Pure state machines: ``livecomposer learn`` feeds one of them every message of the player's port, prints what it
answers, and writes the profile it builds. No ports, no clock, no files.
"""

import re
from dataclasses import replace

from livecomposer.midi.messages import CONTROL_CHANGE, DRUMS, NOTE_ON, PROGRAM_CHANGE, is_channel_message
from livecomposer.midi.profiles import Control, Profile, parse_profile, profile_text

QUESTIONS = (("yes", "rate_up"), ("no", "rate_down"), ("undo", "undo"), ("panic", "panic"))
OUTER_KEYS = 2  # at each end: enough for the four questions
DOWN_AT = 64
UP_BELOW = 32
# Part of other messages (bank select before a program, data entry, RPN, velocity prefix) or channel mode: no buttons.
NO_BUTTONS = frozenset({0, 6, 32, 38, 88, *range(96, 102), *range(120, 128)})

_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def port_pattern(port_name: str, winmm: bool = False) -> str:
    """A regex for this port wherever it is plugged in next time.

    ALSA's ``20:0`` at the end, and with ``winmm`` the index that RtMidi appends there, change between starts.
    """
    stable = re.sub(r" \d+$" if winmm else r" \d+:\d+$", "", port_name)
    return re.escape(stable or port_name)


class LearnSession:
    """Asks in turn for yes, no, undo and panic.

    Parameters
    ----------
    played_low, played_high
        Lowest and highest key of the keyboard (MIDI numbers). Only the two outermost keys at either end may be given
        away; pads on channel 10 always may.
    """

    def __init__(self, played_low: int, played_high: int) -> None:
        self.played_low = played_low
        self.played_high = played_high
        self._asked = 0
        self._taken: list[tuple[str, Control]] = []
        self._held: tuple[str, int, int] | None = None

    @property
    def done(self) -> bool:
        """Whether all four have been answered or skipped."""
        return self._asked == len(QUESTIONS)

    @property
    def prompt(self) -> str:
        """What to ask now; empty when done."""
        if self.done:
            return ""
        return f"press what you want for {QUESTIONS[self._asked][0]}"

    @property
    def controls(self) -> tuple[Control, ...]:
        """What has been learnt so far."""
        return tuple(control for _, control in self._taken)

    def feed(self, msg: bytes) -> str | None:
        """Take one message from the device; returns what to show, or None where nothing was pressed.

        A press is a note_on, a control_change of 64 or more, or a program_change. A pedal that sweeps upwards counts
        once, until it has been below 32.
        """
        if self.done or not is_channel_message(msg):
            return None
        kind, channel = msg[0] & 0xF0, msg[0] & 0x0F
        if kind == NOTE_ON and msg[2] > 0:
            place = ("note_on", channel, msg[1])
        elif kind == CONTROL_CHANGE and msg[1] not in NO_BUTTONS:
            place = ("control_change", channel, msg[1])
            if place == self._held or msg[2] < DOWN_AT:
                if place == self._held and msg[2] < UP_BELOW:
                    self._held = None
                return None
            self._held = place
        elif kind == PROGRAM_CHANGE:
            place = ("program_change", channel, msg[1])
        else:
            return None
        return self._answer(*place)

    def skip(self) -> None:
        """Leave the present question unanswered."""
        if not self.done:
            self._asked += 1

    def profile(self, name: str, match: str) -> Profile:
        """A keyboard profile of what was learnt, for ports in whose name the regex ``match`` is found.

        :func:`port_pattern` makes such a regex from a port's name. Raises ProfileError if ``match`` is none.
        """
        return _profile(name, match, (self.played_low, self.played_high), self.controls)

    def _answer(self, message: str, channel: int, number: int) -> str:
        what = _described(message, channel, number)
        for word, control in self._taken:
            if control.place == (message, channel, number):
                return f"{what} already means {word}; press something else for {QUESTIONS[self._asked][0]}"
        low, high = self.played_low + OUTER_KEYS, self.played_high - OUTER_KEYS
        if message == "note_on" and channel != DRUMS and low <= number <= high:
            return (
                f"{what} is a key you play, and it would fall silent; "
                "press a pedal, a button, a pad on channel 10 or one of the two outermost keys"
            )
        word, role = QUESTIONS[self._asked]
        self._taken.append((word, Control(message, channel, number, role)))
        self._asked += 1
        return f"{word}: {what}"


class TastesSession:
    """Asks for the lowest and the highest of the program changes that are to choose a taste.

    Parameters
    ----------
    played_low, played_high
        Lowest and highest key of the keyboard, for the profile.
    """

    def __init__(self, played_low: int, played_high: int) -> None:
        self.played_low = played_low
        self.played_high = played_high
        self.done = False
        self.controls: tuple[Control, ...] = ()
        self._first: tuple[int, int] | None = None  # channel and program

    @property
    def prompt(self) -> str:
        """What to ask now; empty when done."""
        if self.done:
            return ""
        which = "lowest" if self._first is None else "highest"
        return f"send the {which} of the program changes that should choose a taste"

    def feed(self, msg: bytes) -> str | None:
        """Take one message from the device; returns what to show, or None if it is no program change."""
        if self.done or not is_channel_message(msg) or msg[0] & 0xF0 != PROGRAM_CHANGE:
            return None
        channel, program = msg[0] & 0x0F, msg[1]
        what = _described("program_change", channel, program)
        if self._first is None:
            self._first = channel, program
            return f"lowest: {what}"
        if channel != self._first[0]:
            return f"{what}: the lowest was on channel {self._first[0] + 1}; send one on that"
        if program <= self._first[1]:
            return f"{what} is not above the lowest, program {self._first[1]}; send a higher one"
        self.controls = (
            Control("program_change", channel, self._first[1], "taste", low=float(self._first[1]), high=float(program)),
        )
        self.done = True
        return f"highest: {what}"

    def skip(self) -> None:
        """Leave it as it is."""
        self.done = True

    def profile(self, name: str, match: str) -> Profile:
        """As ``LearnSession.profile``."""
        return _profile(name, match, (self.played_low, self.played_high), self.controls)


def _profile(name: str, match: str, played: tuple[int, int], controls: tuple[Control, ...]) -> Profile:
    profile = Profile(name=name, kind="keyboard", match=(match,), note_range=played, controls=controls)
    return replace(parse_profile(profile_text(profile), name), path=None)


def _described(message: str, channel: int, number: int) -> str:
    if message == "note_on":
        return f"{_NAMES[number % 12]}{number // 12 - 1} (note {number}) on channel {channel + 1}"
    return f"{'CC' if message == 'control_change' else 'program'} {number} on channel {channel + 1}"
