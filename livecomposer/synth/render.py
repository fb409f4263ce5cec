"""Timed MIDI messages → a WAV file, through the built-in sound and faster than real time.

SignalFlow has one graph a process, so ``desk`` spawns a process for it with ``main_render``; where no ``Sound`` is
open, ``render`` may be called directly. Any thread, one at a time.
"""

import os
import sys
import wave
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from livecomposer.errors import LivecomposerError, StoreError
from livecomposer.synth.sound import Sound
from livecomposer.synth.timbres import Audio

FADE_S = 0.03  # what still sounds at the end is cut this long before it, or the file would end in a click


def render(
    events: Iterable[tuple[float, bytes]],
    path: str | os.PathLike[str],
    *,
    tail_s: float = 2.0,
    sample_rate: int = 48_000,
    programs: Mapping[int, int] | None = None,
    progress: Callable[[float], None] | None = None,
) -> float:
    """Write what the messages sound like as a stereo WAV file of 16 bits.

    Parameters
    ----------
    events : ``(seconds from start, one whole MIDI message)`` in any order; each sounds from its very frame on.
    path : the file; it appears whole or not at all.
    tail_s : seconds after the last event.
    sample_rate : Hz.
    programs : channel (0-15) → General MIDI program, before the first event.
    progress : called with the share done, 0..1, a few times for each second of music.

    Returns
    -------
    The file's length in seconds.

    Raises
    ------
    StoreError : the file cannot be written. PortError: SignalFlow is missing or in use in this process.
    """
    ordered = sorted(events, key=lambda event: event[0])
    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as raw, wave.open(raw, "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(2)
            out.setframerate(sample_rate)
            seconds = _write(ordered, out, tail_s, sample_rate, programs, progress)
        part.replace(target)
    except OSError as error:
        if isinstance(error, LivecomposerError):  # a PortError is an OSError too
            raise
        raise StoreError(
            f"cannot write {target}: {error.strerror or error}; choose a folder that exists and may be written"
        ) from None
    finally:
        try:
            part.unlink(missing_ok=True)
        except OSError:
            pass
    return seconds


def _write(
    events: list[tuple[float, bytes]],
    out: wave.Wave_write,
    tail_s: float,
    sample_rate: int,
    programs: Mapping[int, int] | None,
    progress: Callable[[float], None] | None,
) -> float:
    last_s = max(events[-1][0], 0.0) if events else 0.0
    total = round((last_s + tail_s) * sample_rate)
    cut = max(round(last_s * sample_rate), total - round(FADE_S * sample_rate))
    at = 0
    with Sound(backend="offline", sample_rate=sample_rate, programs=programs) as sound:

        def forward(until: int) -> None:
            nonlocal at
            while at < until:
                step = min(until - at, sample_rate // 4)
                out.writeframesraw(_to_bytes(sound.render(step)))
                at += step
                if progress is not None:
                    progress(at / total)

        for due_s, message in events:
            forward(round(due_s * sample_rate))
            sound.handle(message)
        forward(cut)
        sound.silence()
        forward(total)
    return total / sample_rate


def _to_bytes(audio: Audio) -> bytes:
    return np.rint(audio.T * 32767.0).astype("<i2").tobytes()


def main_render(
    connection: Connection, events: list[tuple[float, bytes]], path: str, options: dict[str, Any] | None = None
) -> None:
    """``render`` as the target of a spawned process.

    Sends ``("progress", share)`` now and then, and last ``("done", seconds)`` or ``("failed", sentence)``.
    ``options`` are ``render``'s keyword arguments, ``progress`` excepted.
    """
    sent = -1.0

    def report(share: float) -> None:
        nonlocal sent
        if share - sent >= 0.02:
            sent = share
            _tell(connection, ("progress", share))

    try:
        seconds = render(events, path, progress=report, **(options or {}))
    except LivecomposerError as error:
        _tell(connection, ("failed", str(error)))
    else:
        _tell(connection, ("done", seconds))


def _tell(connection: Connection, message: tuple[str, float | str]) -> None:
    try:
        connection.send(message)
    except OSError:
        sys.exit(1)  # nobody listens any more: stop, and leave no half-written file
