"""Which MIDI ports there are, seen from a child of desk's: a library whose server has ended may crash or hang.

Owned by desk's main thread; ``main`` is the target that it spawns. libjack goes on listing the ports of a server that
has ended, and its clients cannot be used with the next one: so the child then ends too, and desk starts another.
"""

import multiprocessing
import os
import signal
import time
from contextlib import nullcontext
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from livecomposer.quiet import hush_libraries

LOOK_S = 1.0
SILENT_S = 6.0  # without a word for so long it hangs (a server may take seconds over a dying client)
STOP_S = 1.0

_SPAWN = multiprocessing.get_context("spawn")


class Listing(NamedTuple):
    """The names of the ports, and whether the MIDI system answers at all."""

    inputs: list[str]
    outputs: list[str]
    there: bool


AWAY = Listing([], [], False)


class Watch:
    """``start`` it with the name of a MIDI system, ``look`` as often as you like."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: Any = None
        self._pipe: Connection | None = None
        self._heard = self._started = 0.0

    def start(self) -> None:
        """Spawn the child."""
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=main, args=(self._name, theirs), name="livecomposer watch", daemon=True)
        self._process.start()
        theirs.close()
        self._heard = self._started = time.monotonic()

    def look(self) -> Listing | None:
        """The newest listing since the last look, None if there is none. A child that has died or hangs is started
        again, at most once a second; whatever it watches counts as away."""
        said = None
        now = time.monotonic()
        try:
            while self._pipe is not None and self._pipe.poll():
                said = Listing(*self._pipe.recv())
                self._heard = now
        except (EOFError, OSError):
            self._pipe = None
        if self._process is None or (self._pipe is not None and now - self._heard < SILENT_S):
            return said
        if now - self._started >= LOOK_S:
            self.stop()
            self.start()
            return AWAY
        return said

    def stop(self) -> None:
        """End the child, whatever it does."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._process is not None:
            self._process.kill()  # it holds nothing but its own clients
            self._process.join(STOP_S)
            self._process = None


def main(name: str, connection: Connection) -> None:
    """Tell which ports there are, once a second, until desk hangs up or the MIDI system has ended."""
    for other in ("SIGINT", "SIGHUP", "SIGQUIT"):  # desk gets them and hangs up
        if hasattr(signal, other):
            signal.signal(getattr(signal, other), signal.SIG_IGN)
    hush_libraries()
    try:
        _watch(name, connection)
    finally:
        os._exit(0)  # a dead server's library may hang at the end


def _watch(name: str, connection: Connection) -> None:
    from livecomposer.midi import ports
    from livecomposer.synth import jack

    while True:
        try:
            lister = ports.PortLister(ports.find_system(name))
            break
        except Exception:  # PortError and RtMidi's own types
            connection.send(AWAY)
            if connection.poll(LOOK_S):
                return
    with jack.server_end() if name == "jack" else nullcontext() as ended:
        while ended is None or not ended.is_set():
            inputs, outputs = lister.names()
            connection.send(Listing(sorted(inputs), sorted(outputs), True))
            if connection.poll(LOOK_S):
                return
        connection.send(AWAY)
        os._exit(0)  # leaving it in order would ask the dead server
