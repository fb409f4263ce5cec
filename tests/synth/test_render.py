"""Rendering to a file. Each render has a process of its own, as SignalFlow keeps one graph a process."""

import multiprocessing
import wave
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("signalflow", reason="SignalFlow has no wheel for this platform")

from livecomposer.synth.render import main_render

RATE = 48_000


def run(events: list[tuple[float, bytes]], path: Path, **options: object) -> list[tuple[str, object]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=main_render, args=(theirs, events, str(path), options))
    child.start()
    theirs.close()
    said = []
    try:
        while not said or said[-1][0] not in ("done", "failed"):
            assert ours.poll(60)
            said.append(ours.recv())
    finally:
        child.join(20)
        ours.close()
    assert child.exitcode == 0
    return said


def read(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, RATE, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T / 32768


def test_format_length_and_onsets(tmp_path: Path) -> None:
    dues = [0.0, 0.51234, 1.0, 1.7]
    events = [(due, bytes((0x99, 76, 120))) for due in dues]
    said = run(events, tmp_path / "clicks.wav", tail_s=1.0)
    assert said[-1] == ("done", pytest.approx(2.7))
    shares = [share for kind, share in said if kind == "progress"]
    assert shares == sorted(shares)
    audio = np.abs(read(tmp_path / "clicks.wav")).max(axis=0)
    assert len(audio) == round(2.7 * RATE)
    for due in dues:
        at = round(due * RATE)
        assert audio[max(at - 480, 0) : at].max(initial=0.0) < 1e-3
        assert audio[at : at + 64].max() > 1e-2
    assert not list(tmp_path.glob("*.part"))


def test_a_note_that_nobody_ends_fades_before_the_file_does(tmp_path: Path) -> None:
    run([(0.2, b"\xc0\x59"), (0.0, b"\x90\x3c\x64"), (0.3, b"\x90\x40\x64")], tmp_path / "held.wav", tail_s=0.5)
    audio = read(tmp_path / "held.wav")
    assert audio.shape[1] == round(0.8 * RATE)
    assert np.abs(audio[:, -24:]).max() < 1e-3
    assert np.abs(audio).max() < 1.0


def test_two_renders_are_the_same_bytes(tmp_path: Path) -> None:
    events = [(0.1 * i, bytes((0x90 | i % 3, 50 + i, 90))) for i in range(8)]
    for name in ("a.wav", "b.wav"):
        run(events, tmp_path / name, tail_s=0.2, programs={2: 89})
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_nothing_to_play(tmp_path: Path) -> None:
    assert run([], tmp_path / "empty.wav", tail_s=0.1)[-1] == ("done", pytest.approx(0.1))
    assert not read(tmp_path / "empty.wav").any()


def test_a_path_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    kind, sentence = run([(0.0, b"\x90\x3c\x64")], tmp_path / "nowhere" / "a.wav")[-1]
    assert kind == "failed"
    assert "cannot write" in str(sentence)
    assert "nowhere" in str(sentence)
