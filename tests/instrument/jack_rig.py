"""A player and a synth on real JACK ports, around a real ``livecomposer play``: what the JACK tests use."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import rtmidi

from livecomposer.midi import ports

NOTE_ON, NOTE_OFF, CC = 0x90, 0x80, 0xB0


class Rig:
    """``keyboard`` is an output of ours named "rig keys", ``heard`` what arrived at our input "rig synth"."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.system = ports.find_system("jack")
        self.heard: list[tuple[float, bytes]] = []
        self.play: subprocess.Popen | None = None
        self.lines: list[str] = []
        self.seen = 0
        self.keyboard: rtmidi.MidiOut | None = None
        self.synth: rtmidi.MidiIn | None = None

    def plug_keyboard(self) -> None:
        """Offer a source of MIDI that the instrument can choose."""
        self.keyboard = rtmidi.MidiOut(self.system.api, name="rig keys")
        self.keyboard.open_virtual_port("keys")

    def plug_synth(self) -> None:
        """Offer a destination of MIDI that the instrument can choose."""
        self.synth = rtmidi.MidiIn(self.system.api, name="rig synth", queue_size_limit=65536)
        self.synth.ignore_types(False, False, False)
        self.synth.set_callback(lambda event, _: self.heard.append((time.perf_counter(), bytes(event[0]))))
        self.synth.open_virtual_port("synth")

    def unplug_keyboard(self) -> None:
        """Pull the keyboard's cable."""
        assert self.keyboard is not None
        self.keyboard.close_port()
        self.keyboard.delete()
        self.keyboard = None

    def unplug_synth(self) -> None:
        """Pull the synth's cable."""
        assert self.synth is not None
        self.synth.close_port()
        self.synth.delete()
        self.synth = None

    def start(self, *args: str, script: Path | None = None) -> None:
        """Start the instrument and wait until it is ready."""
        command = [sys.executable, str(script)] if script else [sys.executable, "-m", "livecomposer"]
        environ = {**os.environ, "LIVECOMPOSER_HOME": str(self.home)}
        self.play = subprocess.Popen(
            [*command, "play", "--plain", "--sound", "off", "--player", "none", "--api", "jack", *args],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, env=environ,
        )  # fmt: skip
        assert self.play.stdout is not None
        threading.Thread(target=self._read, args=(self.play.stdout,), daemon=True).start()
        self.wait_for("Ready")
        time.sleep(0.3)

    def wait_for(self, text: str, seconds: float = 60.0) -> str:
        """Wait for a line with ``text`` behind the last one waited for."""
        assert self.play is not None
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ended = self.play.poll() is not None
            while self.seen < len(self.lines):
                self.seen += 1
                if text in self.lines[self.seen - 1]:
                    return self.lines[self.seen - 1]
            if ended:
                break
            time.sleep(0.02)
        raise AssertionError(f"no line with {text!r} in:\n" + "\n".join(self.lines))

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.append(line.rstrip("\n"))

    def instrument_pid(self) -> int:
        """The process id of the instrument that is playing now."""
        ready = [line for line in self.lines if line.startswith("Ready")]
        found = re.search(r"instrument (\d+)", ready[-1])
        assert found, ready
        return int(found.group(1))

    def send(self, *message: int) -> None:
        """Play something on the keyboard."""
        assert self.keyboard is not None
        self.keyboard.send_message(message)

    def connect_virtual(self) -> None:
        """Connect to the instrument's own virtual ports: our keyboard to its in, its out to our synth."""
        self.keyboard = rtmidi.MidiOut(self.system.api, name="rig keys")
        self.keyboard.open_port(_index(self.keyboard, ports.IN_NAME))
        self.synth = rtmidi.MidiIn(self.system.api, name="rig synth", queue_size_limit=65536)
        self.synth.ignore_types(False, False, False)
        self.synth.set_callback(lambda event, _: self.heard.append((time.perf_counter(), bytes(event[0]))))
        self.synth.open_port(_index(self.synth, ports.OUT_NAME))
        time.sleep(0.1)

    def settle(self, quiet_s: float = 0.6, most_s: float = 5.0) -> None:
        """Wait until nothing new has been heard for a while."""
        end = time.monotonic() + most_s
        seen = -1
        while len(self.heard) != seen and time.monotonic() < end:
            seen = len(self.heard)
            time.sleep(quiet_s)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the run and return its exit code."""
        assert self.play is not None
        self.play.send_signal(how)
        code = self.play.wait(15)
        self.settle()
        return code

    def close(self) -> None:
        """Leave nothing running."""
        if self.play is not None and self.play.poll() is None:
            self.play.kill()
            self.play.wait(10)
        if self.play is not None and self.play.stdout is not None:
            self.play.wait(10)
            self.play.stdout.close()
        for port in (self.keyboard, self.synth):
            ports.close_port(port)
        self.keyboard = self.synth = None
        self.seen = 0

    def messages(self) -> list[bytes]:
        """All that was heard, without times."""
        return [msg for _, msg in self.heard]


def unfinished(messages: list[bytes]) -> list[tuple[int, int]]:
    """(channel, note) still sounding at the end of ``messages``; a pedal still down counts as (channel, -1)."""
    open_notes: dict[tuple[int, int], int] = {}
    pedals: set[int] = set()
    for msg in messages:
        kind, channel = msg[0] & 0xF0, msg[0] & 15
        if kind == NOTE_ON and msg[2]:
            open_notes[channel, msg[1]] = open_notes.get((channel, msg[1]), 0) + 1
        elif kind in (NOTE_ON, NOTE_OFF):
            open_notes[channel, msg[1]] = open_notes.get((channel, msg[1]), 0) - 1
        elif kind == CC and msg[1] == 64:
            pedals.discard(channel) if msg[2] < 64 else pedals.add(channel)
    return [key for key, count in open_notes.items() if count > 0] + [(channel, -1) for channel in sorted(pedals)]


def _index(port: object, name: str) -> int:
    end = time.monotonic() + 5.0
    while time.monotonic() < end:
        for index, found in enumerate(port.get_ports()):  # type: ignore[attr-defined]
            if name in found:
                return index
        time.sleep(0.05)
    raise AssertionError(f"no port {name!r}")
