"""Keeps what C libraries print (libjack, ALSA and miniaudio do, at every failure) off the player's screen.

Used by every process that opens MIDI or audio; what Python itself writes still comes through.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def hushed(*descriptors: int) -> Iterator[None]:
    """Nothing written to these file descriptors (2: stderr) is seen meanwhile."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        saved = [(number, os.dup(number)) for number in descriptors]
    except (OSError, ValueError, AttributeError):  # no such stream (pythonw, a closed terminal): nothing to hush
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in descriptors:
            os.dup2(nowhere, number)
        yield
    finally:
        for number, copy in saved:
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


def hush_libraries() -> None:
    """From now on only Python's own ``sys.stdout`` and ``sys.stderr`` reach the terminal."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout = os.fdopen(os.dup(1), "w", buffering=1, errors="replace")
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
    except (OSError, ValueError, AttributeError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


def drop(stream: TextIO) -> None:
    """Nobody reads this stream any more (``| head`` has ended): what is still written to it goes nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass
