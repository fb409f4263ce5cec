"""MIDI bytes: what is a whole, valid message, and what releases everything.

Plain functions on ``bytes``, called by the loop (hot), by desk's guard and by the built-in sound; numba-free.
Words and numbers as in mido (``mido.messages.specs``), channels 0-15.
"""

from collections.abc import Iterable

NOTE_OFF = 0x80
NOTE_ON = 0x90
POLYTOUCH = 0xA0
CONTROL_CHANGE = 0xB0
PROGRAM_CHANGE = 0xC0
AFTERTOUCH = 0xD0
PITCHWHEEL = 0xE0
CLOCK = 0xF8
START = 0xFA
CONTINUE = 0xFB
STOP = 0xFC
ACTIVE_SENSING = 0xFE

CC_VOLUME = 7
CC_SUSTAIN = 64
CC_SOSTENUTO = 66
CC_SOFT = 67
CC_ALL_SOUND_OFF = 120
CC_ALL_NOTES_OFF = 123
DRUMS = 9  # channel 10 for people

# Length of a message by the high nibble of its status byte; 0 = not a channel message.
CHANNEL_LENGTH = (0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 3, 2, 2, 3, 0)


def is_channel_message(msg: bytes) -> bool:
    """Whether ``msg`` is exactly one well-formed channel message (rtmidi checks nothing: truncated or
    running-status packets and data bytes above 127 arrive as sent)."""
    n = len(msg)
    if n == 3:
        return CHANNEL_LENGTH[msg[0] >> 4] == 3 and msg[1] < 128 and msg[2] < 128
    return n == 2 and CHANNEL_LENGTH[msg[0] >> 4] == 2 and msg[1] < 128


def release_messages(channels: Iterable[int], sounding: Iterable[tuple[int, int]]) -> list[bytes]:
    """What ends every sound on ``channels`` (0-15), in the only order that works.

    Pedals go up before the notes end: FluidSynth with CC 64 down still sounds 3 s after note-off and CC 123.
    ``sounding`` lists (channel, note) that need a note_off of their own.
    """
    channels = sorted(set(channels))
    messages = []
    for channel in channels:
        for pedal in (CC_SUSTAIN, CC_SOSTENUTO, CC_SOFT):
            messages.append(bytes((CONTROL_CHANGE | channel, pedal, 0)))
        messages.append(bytes((PITCHWHEEL | channel, 0, 64)))
    messages += [bytes((NOTE_OFF | channel, note, 0)) for channel, note in sounding]
    for channel in channels:
        messages.append(bytes((CONTROL_CHANGE | channel, CC_ALL_NOTES_OFF, 0)))
        messages.append(bytes((CONTROL_CHANGE | channel, CC_ALL_SOUND_OFF, 0)))
    return messages
