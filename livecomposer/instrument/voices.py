"""Who sounds: the player's keys, the agent's voices, and one rule: a pitch ends with the last cause that holds it.

``Performance`` owns one ``Voices`` and gives it the function that sends. Hot: fixed tables, nothing grows.
"""

from collections.abc import Callable

from livecomposer.midi.messages import DRUMS, NOTE_OFF, NOTE_ON, release_messages

SLOTS = 32  # agent voices sounding at once; the oldest is ended to make room
UP, THRU, SWALLOWED = 0, 1, 2  # what became of a key's note_on, and so of its note_off
LINE, METRONOME = -1, -2  # who holds a voice if not a key: the agent's line, the click


class Voices:
    """Note ownership on 16 channels.

    ``send(msg, step)`` sends one message; ``step`` is the step of the agent it belongs to, or -1. With ``thru`` off
    the player's keys are known but not sent.

    Attributes
    ----------
    causes : bytearray[2048]
        How many causes hold (channel, note): the player's key, agent voices.
    route : bytearray[2048]
        UP, THRU or SWALLOWED for each of the player's keys.
    keys_down : int
        Keys the player holds that pass thru, drums not counted.
    pedal : list[int]
        CC 64 by channel.
    heard : bytearray[16]
        1 for the channels on which the player has sent anything.
    """

    def __init__(self, send: Callable[[bytes, int], None], thru: bool) -> None:
        self._send = send
        self.thru = thru
        self.causes = bytearray(2048)
        self.route = bytearray(2048)
        self.keys_down = 0
        self.pedal = [0] * 16
        self.used = bytearray(16)
        self.heard = bytearray(16)
        self.serial = [0] * SLOTS
        self._note = [-1] * SLOTS  # channel * 128 + note, -1 = free
        self._key = [LINE] * SLOTS
        self._key_up = bytearray(SLOTS)
        self._next_serial = 1

    def player_on(self, msg: bytes) -> None:
        """The player's note_on goes thru unchanged; its key now holds the pitch."""
        at = (msg[0] & 15) * 128 + msg[1]
        if self.route[at] != THRU:
            self.route[at] = THRU
            if msg[0] & 15 != DRUMS:
                self.keys_down += 1
            if self.thru:
                if self.causes[at]:  # the agent's voice of this pitch on this channel: struck again by the player
                    self._send(bytes((NOTE_OFF | msg[0] & 15, msg[1], 0)), -1)
                self.causes[at] += 1
        self.player_message(msg)

    def player_off(self, msg: bytes) -> None:
        """The player's note_off goes thru, unless the agent holds the same pitch on the same channel."""
        at = (msg[0] & 15) * 128 + msg[1]
        if self.route[at] == THRU:
            self.route[at] = UP
            if msg[0] & 15 != DRUMS:
                self.keys_down -= 1
            if self.thru:
                self.causes[at] -= 1
        if self.causes[at] == 0:
            self.player_message(msg)

    def player_message(self, msg: bytes) -> None:
        """Any message of the player's goes thru unchanged, if thru is on."""
        self.heard[msg[0] & 15] = 1
        if self.thru:
            self.used[msg[0] & 15] = 1
            self._send(msg, -1)

    def player_holds(self, note: int) -> bool:
        """Whether the player holds this pitch on any channel but the drums."""
        route = self.route  # its column of this note, below and above the drums' row
        return THRU in route[note : DRUMS * 128 : 128] or THRU in route[(DRUMS + 1) * 128 + note :: 128]

    def on(self, channel: int, note: int, velocity: int, step: int, key: int = LINE) -> int:
        """Start an agent voice held by the player's ``key`` (or LINE, METRONOME) and return its slot.

        -1 if the player's own key already sounds this pitch on this channel.
        """
        at = channel * 128 + note
        if self.route[at] == THRU:
            return -1
        slot = self._free_slot()
        self.used[channel] = 1
        if self.causes[at]:
            self._send(bytes((NOTE_OFF | channel, note, 0)), step)  # struck again: one note_off for every note_on
        self.causes[at] += 1
        self._send(bytes((NOTE_ON | channel, note, velocity)), step)
        self._note[slot] = at
        self._key[slot] = key
        self._key_up[slot] = 0
        self.serial[slot] = self._next_serial
        self._next_serial += 1
        return slot

    def off(self, slot: int, serial: int) -> None:
        """End a voice, if the slot is still that voice."""
        at = self._note[slot]
        if at < 0 or self.serial[slot] != serial:
            return
        self._note[slot] = -1
        self.causes[at] -= 1
        if self.causes[at] == 0:
            self._send(bytes((NOTE_OFF | at >> 7, at & 127, 0)), -1)

    def key_up(self, key: int, pedal_down: bool) -> None:
        """End the voices that a key holds, or leave them to the pedal."""
        if key not in self._key:
            return
        for slot in range(SLOTS):
            if self._note[slot] >= 0 and self._key[slot] == key:
                if pedal_down:
                    self._key_up[slot] = 1
                else:
                    self.off(slot, self.serial[slot])

    def pedal_up(self) -> None:
        """End the voices whose key is up already."""
        for slot in range(SLOTS):
            if self._note[slot] >= 0 and self._key_up[slot]:
                self.off(slot, self.serial[slot])

    def end_where(self, wanted: Callable[[int, int], bool]) -> None:
        """End the voices for which ``wanted(key, note)``."""
        for slot in range(SLOTS):
            if self._note[slot] >= 0 and wanted(self._key[slot], self._note[slot] & 127):
                self.off(slot, self.serial[slot])

    def line_voices(self) -> list[tuple[int, int]]:
        """(slot, serial) of every voice of the agent's line."""
        return [(s, self.serial[s]) for s in range(SLOTS) if self._note[s] >= 0 and self._key[s] == LINE]

    def sounding(self) -> list[tuple[int, int]]:
        """(channel, note) of all that sounds."""
        return [(at >> 7, at & 127) for at in range(2048) if self.causes[at]]

    def release_player(self) -> None:
        """The controller has gone: end what its keys hold (``Hands.lost`` has put its pedals up)."""
        for at in range(2048):
            if self.route[at] == THRU:
                self.player_off(bytes((NOTE_OFF | at >> 7, at & 127, 0)))
            self.route[at] = UP
        self.pedal = [0] * 16
        self.end_where(lambda key, note: key >= 0)

    def release(self) -> None:
        """End everything on every channel used (the note_off of a key still held then passes thru as it comes)."""
        for msg in release_messages((c for c in range(16) if self.used[c]), self.sounding()):
            self._send(msg, -1)
        self._note = [-1] * SLOTS
        for at in range(2048):
            self.causes[at] = 0
            self.route[at] = UP
        self.keys_down = 0
        self.pedal = [0] * 16

    def _free_slot(self) -> int:
        if -1 in self._note:
            return self._note.index(-1)
        oldest = self.serial.index(min(self.serial))
        self.off(oldest, self.serial[oldest])
        return oldest
