"""Controls in the hot path: which role a message plays, and with what value, by table look-up.

``ControlMap`` is built before ports open; the real-time loop calls ``find`` and ``value`` for every message of the
player. It owns the up-or-down state of pedals, so one map belongs to one input port and one thread. Numba-free.
"""

from array import array
from collections.abc import Iterable

from livecomposer.midi.messages import (
    AFTERTOUCH,
    CONTROL_CHANGE,
    NOTE_OFF,
    NOTE_ON,
    PITCHWHEEL,
    POLYTOUCH,
    PROGRAM_CHANGE,
)
from livecomposer.midi.profiles import HOLD_ROLES, PRESS_ROLES, Control, Profile

STATUS = {
    "note_on": NOTE_ON,
    "polytouch": POLYTOUCH,
    "control_change": CONTROL_CHANGE,
    "program_change": PROGRAM_CHANGE,
    "aftertouch": AFTERTOUCH,
    "pitchwheel": PITCHWHEEL,
}
PEDALS = range(64, 70)  # sustain, portamento, sostenuto, soft, legato, hold 2: the switch pedals of MIDI 1.0
DOWN_AT = 64
UP_BELOW = 32
PLAIN_STRENGTH = 0.5  # of a rating pressed on something that feels no force
LOWEST_OF_88 = 21
RATE_STEPS = 4  # steps of an endless encoder that make a full rating

_SEEN, _HIGH, _DOWN = 1, 2, 4


def outer_key_controls(lowest: int = LOWEST_OF_88, channel: int = -1) -> tuple[Control, Control]:
    """The two lowest keys as ratings: the lowest is a dislike, the one above it a like."""
    return (
        Control("note_on", channel, lowest, "rate_down"),
        Control("note_on", channel, lowest + 1, "rate_up"),
    )


class ControlMap:
    """The controls of one input, compiled.

    Parameters
    ----------
    profile
        The device's profile, or None.
    extra
        Further controls, such as those of the settings. They come before the profile's, a control with a channel
        before one without, the earlier before the later.

    Attributes
    ----------
    controls
        Every control, by the index that :meth:`find` returns.
    """

    __slots__ = ("_holds", "_presses", "_state", "_strength", "_table", "_values", "controls")

    def __init__(self, profile: Profile | None, extra: Iterable[Control] = ()) -> None:
        own = profile.controls if profile is not None else ()
        extra = tuple(extra)
        self.controls: tuple[Control, ...] = (*extra, *own)
        self._presses = bytes(c.message == "control_change" and c.role in PRESS_ROLES for c in self.controls)
        self._holds = bytes(c.role in HOLD_ROLES for c in self.controls)
        self._strength = tuple(_strength(control) for control in self.controls)
        self._values = tuple(_values(control) for control in self.controls)
        self._state = bytearray(len(self.controls))
        # One entry for each status and first data byte, 0x80 0x00 .. 0xEF 0x7F; written from the weakest claim on.
        self._table = array("h", [-1]) * ((0xF0 - NOTE_OFF) << 7)
        order = sorted(range(len(self.controls)), key=lambda i: (i < len(extra), self.controls[i].channel >= 0, -i))
        for index in order:
            self._claim(index, self.controls[index])

    def _claim(self, index: int, control: Control) -> None:
        statuses = [STATUS[control.message]]
        if control.message == "note_on":
            statuses.append(NOTE_OFF)
        for status in statuses:
            for channel in range(16) if control.channel < 0 else (control.channel,):
                start = ((status | channel) - NOTE_OFF) << 7
                for number in control.numbers:
                    self._table[start + number] = index

    def find(self, status: int, data1: int) -> int:
        """Index of the control that a message belongs to, or -1. Real-time safe.

        A note_off finds the control of its note_on, so that both are swallowed.
        """
        if status < NOTE_OFF or status >= 0xF0 or data1 > 127:
            return -1
        return self._table[(status - NOTE_OFF) << 7 | data1]

    def value(self, index: int, data2: int, status: int = NOTE_ON) -> float | None:
        """What the message says in the role's own terms, or None if it says nothing. Real-time safe, but stateful:
        call it once for each message.

        ``data2`` is the message's *last* data byte, 0-127 (aftertouch and program_change have only one). ``status`` is
        needed for note_off only: its velocity is how fast the key came up and must not count as a press.

        - A role that is pressed gives 1.0 once for each press, ``rate_up`` and ``rate_down`` a signed strength:
          ±(0.25 + 0.75 velocity/127) for a note, ±0.5 for anything without a velocity.
        - A role that is held (``about_...``) gives 1.0 when it goes down and 0.0 when it comes up.
        - Program changes that choose a taste give its number, from 0.
        - A control_change is down at 64 and above and up below 32; between them nothing changes.
        - A pedal that rests high is inverted, and its first message shows it: a pedal resting at 0 cannot send 0
          first, and the pedal controllers 64-69 start at 127 (a switch) or low (a sweep), never at 64-126. Other
          controllers are inverted by a first 0 only, since a pad that sends its force may well start at 100.
        - An absolute knob gives ``low`` .. ``high`` through its curve; where the range has two signs, and for the
          pitch wheel, the middle is 64 exactly (0 for two signs).
        - An endless encoder gives signed steps, negative ones first if the range is reversed; as ``rate``, four steps
          make a full rating.
        """
        if status < NOTE_ON:
            return 0.0 if self._holds[index] else None
        if self._presses[index]:
            return self._press(index, data2)
        return self._values[index][data2]

    def role(self, index: int) -> str:
        """The role of a control. Real-time safe."""
        return self.controls[index].role

    def relative(self, index: int) -> bool:
        """Whether :meth:`value` gives steps, to be added up within the control's ``low`` .. ``high``."""
        return self.controls[index].mode != "absolute" and self.controls[index].role != "rate"

    def reset(self) -> None:
        """Forget which pedals are down and which rest high, as after the port was lost."""
        self._state[:] = bytes(len(self._state))

    def _press(self, index: int, data2: int) -> float | None:
        state = self._state[index]
        if not state & _SEEN:
            state = _SEEN
            if data2 == 0 or (DOWN_AT <= data2 <= 126 and self.controls[index].number in PEDALS):
                state = _SEEN | _HIGH
        depth = 127 - data2 if state & _HIGH else data2
        edge = depth >= DOWN_AT and not state & _DOWN
        up = depth < UP_BELOW and state & _DOWN
        if edge:
            state |= _DOWN
        elif up:
            state &= ~_DOWN
        self._state[index] = state
        if up and self._holds[index]:
            return 0.0
        return self._strength[index] if edge else None


def _strength(control: Control) -> float:
    if control.role == "rate_up":
        return PLAIN_STRENGTH
    return -PLAIN_STRENGTH if control.role == "rate_down" else 1.0


def _values(control: Control) -> tuple[float | None, ...]:
    """The value for each last data byte 0-127."""
    note = control.message == "note_on"
    if control.selects:
        return tuple(float(data - control.number) for data in range(128))
    if control.role in PRESS_ROLES:
        if note and control.role in ("rate_up", "rate_down"):
            sign = 1.0 if control.role == "rate_up" else -1.0
            return (None, *(sign * (0.25 + 0.75 * velocity / 127) for velocity in range(1, 128)))
        if control.role in HOLD_ROLES:
            return (0.0, *(1.0 for _ in range(1, 128)))
        return tuple(None if note and data == 0 else _strength(control) for data in range(128))
    if control.mode == "relative_twos":
        return tuple(_steps(control, data - 128 if data >= 64 else data) for data in range(128))
    if control.mode == "relative_signed":
        return tuple(_steps(control, 64 - data if data >= 64 else data) for data in range(128))
    return tuple(None if note and data == 0 else _absolute(control, data) for data in range(128))


def _steps(control: Control, steps: int) -> float | None:
    if steps == 0:
        return None
    if control.role == "rate":
        share = min(1.0, abs(steps) / RATE_STEPS)
        return share * (control.high if steps > 0 else control.low)
    return float(steps if control.low <= control.high else -steps)


def _absolute(control: Control, data: int) -> float:
    low, high = control.low, control.high
    # 7 bits have no middle: 64 is the middle, with 64 values below it and 63 above (MIDI 2.0 bit scaling does the same)
    centred = (data - 64) / (64 if data < 64 else 63)
    if low * high < 0:
        share = _curved(control.curve, abs(centred))
        return share * (high if centred >= 0 else low)
    share = (centred + 1) / 2 if control.message == "pitchwheel" else data / 127
    share = _curved(control.curve, share)
    return low * (1 - share) + high * share


def _curved(curve: str, share: float) -> float:
    if curve == "square":
        return share * share
    return share**0.5 if curve == "root" else share
