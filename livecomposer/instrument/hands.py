"""What the player's hands do: thru first, then what the bytes mean.

``Performance`` calls ``take`` once per message, before anything is decided (hot). Owns which keys are down, which
were swallowed as controls, and the last value of every controller.
"""

from livecomposer.instrument.echo import EchoFilter
from livecomposer.instrument.voices import SWALLOWED, THRU, UP, Voices
from livecomposer.midi.controls import ControlMap
from livecomposer.midi.messages import (
    AFTERTOUCH,
    CC_SOFT,
    CC_SOSTENUTO,
    CC_SUSTAIN,
    CLOCK,
    CONTROL_CHANGE,
    DRUMS,
    NOTE_OFF,
    NOTE_ON,
    PITCHWHEEL,
    PROGRAM_CHANGE,
    is_channel_message,
)

NOTHING, KEY_DOWN, KEY_UP, PEDAL_UP, CONTROL, REAL_TIME = range(6)
Gesture = tuple[int, int, int]
_NOTHING: Gesture = (NOTHING, 0, 0)
_PEDALS = (CC_SUSTAIN, CC_SOSTENUTO, CC_SOFT)


class Hands:
    """Decodes one player's messages. ``malformed`` counts what was no whole channel or real-time message."""

    def __init__(self, voices: Voices, controls: ControlMap) -> None:
        self.voices = voices
        self.controls = controls
        self.echo = EchoFilter()
        self.malformed = 0
        self._values: dict[int, int] = {}  # last value by status and controller: at most 16 × 260 entries

    def take(self, msg: bytes, t_in: int) -> Gesture:
        """Pass ``msg`` on if it is the player's, and say what it was.

        Returns ``(KEY_DOWN, note, velocity)``, ``(KEY_UP, note, channel)``, ``(PEDAL_UP, channel, 0)``,
        ``(CONTROL, index, data byte)``, ``(REAL_TIME, status, 0)`` or ``(NOTHING, 0, 0)``.
        """
        if not is_channel_message(msg):
            if len(msg) == 1 and msg[0] >= CLOCK:
                return (REAL_TIME, msg[0], 0)
            self.malformed += 1
            return _NOTHING
        kind = msg[0] & 0xF0
        if kind in (NOTE_ON, NOTE_OFF):
            return self._key(msg, t_in, kind == NOTE_ON and msg[2] > 0)
        return self._controller(msg, t_in, kind)

    def lost(self) -> None:
        """The controller has gone: pedals up, bend centred, keys up; how its controls stood is forgotten."""
        for slot, value in self._values.items():
            status, number = slot >> 7, slot & 127
            if status & 0xF0 == PITCHWHEEL and value != 64:
                self.voices.player_message(bytes((status, 0, 64)))
            elif status & 0xF0 == CONTROL_CHANGE and number in _PEDALS and value & 127:
                self.voices.player_message(bytes((status, number, 0)))
        self._values.clear()
        self.controls.reset()
        self.voices.release_player()

    def _key(self, msg: bytes, t_in: int, down: bool) -> Gesture:
        voices = self.voices
        channel, note = msg[0] & 15, msg[1]
        route = voices.route[channel * 128 + note]
        if (down or route != THRU) and self.echo.is_echo(msg, t_in, route == (THRU if down else UP)):
            return _NOTHING
        if not voices.heard[channel]:
            self.echo.players(channel)
        control = self.controls.find(msg[0], note)
        if down:
            if control >= 0 and route != THRU:
                voices.route[channel * 128 + note] = SWALLOWED
                return (CONTROL, control, msg[2])
            voices.player_on(msg)
            return (KEY_DOWN, note, msg[2]) if channel != DRUMS else _NOTHING
        if route == SWALLOWED:  # whatever is mapped by now, it ends as it began
            voices.route[channel * 128 + note] = UP
            return (CONTROL, control, 0) if control >= 0 else _NOTHING
        voices.player_off(msg)
        return (KEY_UP, note, channel) if channel != DRUMS else _NOTHING

    def _controller(self, msg: bytes, t_in: int, kind: int) -> Gesture:
        status, data1 = msg[0], msg[1]
        data2 = msg[2] if len(msg) == 3 else 0
        slot = status << 7 if kind in (AFTERTOUCH, PROGRAM_CHANGE, PITCHWHEEL) else status << 7 | data1
        value = data1 << 7 | data2
        if self.echo.is_echo(msg, t_in, self._values.get(slot) == value):
            return _NOTHING
        control = self.controls.find(status, data1)
        if control >= 0:
            return (CONTROL, control, msg[-1])
        self._values[slot] = value
        self.voices.player_message(msg)
        if kind == CONTROL_CHANGE and data1 == CC_SUSTAIN:
            channel = status & 15
            was, self.voices.pedal[channel] = self.voices.pedal[channel], data2
            if was >= 64 > data2:
                return (PEDAL_UP, channel, 0)
        return _NOTHING
