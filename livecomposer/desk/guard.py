"""The guard port: desk's own way to the synth, for when the instrument has died with notes sounding.

Opened at start and then silent. RtMidi on JACK can lose a release sent in a dying client's cycle (15 of 16 under plain
``-R``), so it is sent at 0, 30 and 80 ms.
"""

import time
from collections.abc import Callable
from typing import Any

from livecomposer.errors import LivecomposerError
from livecomposer.instrument.guard import SIZE, GuardMemory
from livecomposer.midi import ports
from livecomposer.midi.controls import ControlMap
from livecomposer.midi.messages import is_channel_message
from livecomposer.midi.profiles import Profile

MOMENTS_S = (0.0, 0.03, 0.08)


class Guard:
    """Owned by desk's main thread. ``also`` sends to the built-in sound, if there is one."""

    def __init__(
        self, system: ports.System | None, midi_out: str | None, memory: GuardMemory, also: Callable[[bytes], None]
    ) -> None:
        self._own = GuardMemory(memoryview(bytearray(SIZE)))  # what went thru here
        self._system = system
        self._name = midi_out
        self._memory = memory
        self._also = also
        self._out: Any = None
        self._in: Any = None
        self._controls = ControlMap(None)
        self.problem = ""
        self.open()

    def open(self) -> None:
        """Open the port (again, after its cable was out). Where a port takes one program only, say so once."""
        if self._system is None or self._name is None:
            return
        ports.close_port(self._out)
        self._out = None
        try:
            _, outputs = ports.list_ports(self._system)
            name = ports.find_again(self._name, outputs)
            self._out = ports.open_output(self._system, name, ports.GUARD_NAME)
        except LivecomposerError as error:
            self.problem = (
                f"the guard port is closed ({error}); if the instrument dies, notes may hang until it is back"
            )

    def lose(self) -> None:
        """The MIDI system has gone: let go of the port, without waiting for it."""
        old, self._out = self._out, None
        ports.close_port(old, 0.0)

    def choose(self, midi_out: str | None) -> None:
        """The output is another now."""
        self._name = midi_out
        ports.close_port(self._out)
        self._out = None
        self.open()

    def release(self) -> list[bytes]:
        """The instrument has died: end everything it had sounding. Returns what was sent."""
        messages = self._memory.release()
        start = time.perf_counter()
        if self._out is None and self._name is not None:
            self.open()
        for moment in MOMENTS_S:
            time.sleep(max(0.0, start + moment - time.perf_counter()))
            for msg in messages:
                self._send(msg)
        self._memory.clear()
        return messages

    def take_over(self, midi_in: str | None, profile: Profile | None) -> None:
        """Until the instrument is back, the player's own notes go thru here (not what ``profile`` maps)."""
        if self._system is None or midi_in is None or self._in is not None:
            return
        self._controls = ControlMap(profile)
        try:
            inputs, _ = ports.list_ports(self._system)
            self._in = ports.open_input(self._system, ports.find_again(midi_in, inputs), self._thru)
        except LivecomposerError:
            self._in = None  # the cable may be out as well: nothing comes, nothing goes thru

    def hand_back(self) -> None:
        """The instrument is about to take the input up again: end what went thru here."""
        if self._in is None:
            return
        ports.close_port(self._in)
        self._in = None
        for msg in self._own.release():
            self._send(msg)
        self._own.clear()

    def close(self) -> None:
        """Give back the ports, and the memory."""
        ports.close_port(self._in)
        ports.close_port(self._out)
        self._in = self._out = None
        del self._memory

    def _thru(self, event: tuple[list[int], float], data: Any = None) -> None:
        msg = bytes(event[0])
        if is_channel_message(msg) and self._controls.find(msg[0], msg[1]) < 0:
            self._own.before(msg)
            self._send(msg)
            self._own.after(msg)

    def _send(self, msg: bytes) -> None:
        if self._out is not None:
            try:
                self._out.send_message(msg)
            except Exception:  # a driver's own error type; the next message may get through again
                pass
        self._also(msg)
