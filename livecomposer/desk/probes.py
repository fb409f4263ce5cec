"""What is tried in a child of its own, because a driver or a C library may hang, print or crash.

``doctor`` calls :func:`ask` from the thread of a check, ``cli`` before anything opens a port; the other functions run
in the spawned child and raise what they meet.
"""

import importlib
import importlib.metadata
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from livecomposer.errors import LivecomposerError, PortError
from livecomposer.quiet import hush_libraries

KILL_S = 1.0
WEDGED_S = 5.0

_SPAWN = multiprocessing.get_context("spawn")


class Answer(NamedTuple):
    """What a probe returned, or in ``problem`` why it did not."""

    value: Any
    problem: str = ""
    hung: bool = False


def ask(probe: Callable[..., Any], *args: Any, timeout_s: float) -> Answer:
    """Run ``probe(*args)`` in a child and wait so long; never raises for what happens there."""
    mine, theirs = _SPAWN.Pipe(duplex=False)
    child = _SPAWN.Process(target=_main, args=(theirs, probe, args), name=f"livecomposer {probe.__name__}", daemon=True)
    child.start()
    theirs.close()
    try:
        if not mine.poll(timeout_s):
            return Answer(None, f"no answer within {timeout_s:g} s", True)
        return Answer(*mine.recv())
    except (EOFError, OSError):
        child.join(KILL_S)
        return Answer(None, f"the attempt died with exit code {child.exitcode}")
    finally:
        mine.close()
        child.join(KILL_S)
        if child.is_alive():
            child.kill()
            child.join(KILL_S)


def import_package(module: str, distribution: str) -> tuple[str, float]:
    """Version and seconds of the import."""
    start = time.perf_counter()
    importlib.import_module(module)
    return importlib.metadata.version(distribution), time.perf_counter() - start


def midi_systems() -> list[str]:
    """The MIDI systems built into RtMidi, in the order in which ``play`` tries them."""
    from livecomposer.midi import ports

    return list(ports.built_in())


def midi_ports(name: str) -> tuple[list[str], list[str]]:
    """(inputs, outputs) of one MIDI system. Raises PortError if it does not answer."""
    from livecomposer.midi import ports

    return ports.list_ports(ports.find_system(name))


def refuse_wedged(wanted: str) -> None:
    """Raise PortError if asking for MIDI would hang for good, as it does on a wedged JACK server (Linux; 0.2 s)."""
    if sys.platform == "linux" and ask(midi_ports, wanted, timeout_s=WEDGED_S).hung:
        raise PortError(
            f"a MIDI system (JACK?) takes clients but has not answered for {WEDGED_S:g} s; restart its server, "
            "or choose another by --api"
        )


def open_sound() -> tuple[str, float, int]:
    """The audio backend that ``play`` would sound on, its latency in seconds and its sample rate in Hz."""
    from livecomposer.synth.sound import Sound

    sound = Sound()
    facts = sound.backend, sound.latency_s, sound.sample_rate
    sound.close()
    return facts


def real_time() -> None:
    """Ask for the priority that the instrument asks for. Raises OSError where it is not allowed."""
    from livecomposer.instrument.live import FIFO_PRIORITY

    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))


def _main(connection: Connection, probe: Callable[..., Any], args: tuple[Any, ...]) -> None:
    hush_libraries()
    try:
        answer = (probe(*args), "")
    except LivecomposerError as error:
        answer = (None, str(error))
    except BaseException as error:  # SystemExit too: a broken package may raise anything when imported
        answer = (None, f"{type(error).__name__}: {error}")
    connection.send(answer)
    connection.close()
    os._exit(0)  # a C library's shutdown may hang
