"""A first run without any hardware, as a newcomer starts it: it plays by itself and writes what was played."""

import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from livecomposer import Performance, Settings
from livecomposer.agents.model import pack, unpack
from livecomposer.bench.kill import Typed
from livecomposer.desk.files import save_taste, taste_files, taste_path
from livecomposer.midi.files import read_performance

NOWHERE = "livecomposer-test-no-such-server"


def run(tmp_path: Path, *args: str, home: Path | None = None) -> subprocess.CompletedProcess:
    environ = {
        **os.environ, "LIVECOMPOSER_HOME": str(home or tmp_path / "home"), "JACK_NO_START_SERVER": "1",
        "JACK_DEFAULT_SERVER": NOWHERE,
    }  # fmt: skip
    command = [sys.executable, "-m", "livecomposer", *args]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environ, cwd=tmp_path, stdin=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip


def test_plays_without_hardware_and_what_is_written_sounds(tmp_path: Path) -> None:
    done = run(
        tmp_path, "play", "--seconds", "8", "--role", "duet", "--render", "a.wav", "--export", "a.mid", "--seed", "5"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No MIDI" in done.stdout and "virtual player" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    player, agent = read_performance(tmp_path / "a.mid")
    end = max(t for t, _ in player + agent) - 0.15  # what begins just before the end is cut short by it
    onsets = [(t, msg[1]) for t, msg in player + agent if msg[0] & 0xF0 == 0x90 and msg[2] and t < end]
    assert len([1 for _, msg in player if msg[0] & 0xF0 == 0x90]) >= 3
    assert len([1 for _, msg in agent if msg[0] & 0xF0 == 0x90]) >= 3
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 48000)
        audio = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2).mean(axis=1) / 32768
    strength = np.array([tone(audio, t, note) for t, note in onsets])
    assert strength.min() > 0.002  # every note of the .mid sounds at its pitch from its onset on
    before = np.array([tone(audio, t - 0.12, note) for t, note in onsets if t > 0.2])
    after = np.array([s for s, (t, _) in zip(strength, onsets, strict=True) if t > 0.2])
    assert np.median(after / np.maximum(before, 1e-6)) > 3.0  # and it begins there


def tone(audio: np.ndarray, t_s: float, note: int) -> float:
    """Amplitude at a note's pitch in the 0.1 s from ``t_s``."""
    start = max(int(t_s * 48000), 0)
    piece = audio[start : start + 4800]
    n = np.arange(len(piece))
    hz = 440.0 * 2.0 ** ((note - 69) / 12.0)
    return float(abs(np.sum(piece * np.hanning(len(piece)) * np.exp(-2j * np.pi * hz / 48000 * n))) * 4 / 4800)


def test_what_was_learnt_is_there_the_next_time(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = run(tmp_path, "play", "--seconds", "2", "--taste", "zoe", "--role", "solo", home=home)
    assert first.returncode == 0, first.stdout + first.stderr
    assert not (home / "tastes" / "zoe.npz").exists()  # nothing was rated: nothing to keep
    (home / "tastes").mkdir(parents=True, exist_ok=True)
    (home / "tastes" / "zoe.npz").write_bytes(b"not a taste")
    second = run(tmp_path, "play", "--seconds", "1", "--taste", "zoe", "--role", "solo", home=home)
    assert second.returncode == 0
    assert "zoe.npz is damaged" in second.stdout
    assert [p.read_bytes() for p in (home / "tastes").glob("zoe.unused-*.npz")] == [b"not a taste"]


def test_mistakes_are_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cases = (
        (["play", "--in", "keystep"], "no MIDI system answers"),
        (["play", "--key", "H mixo"], "key"),
        (["play", "--tempo", "1000"], "tempo = 1000.0 is outside 30 to 300"),
        (["play", "--role", "duett"], "did you mean 'duet'?"),
        (["play", "--taste", "../x"], "cannot be a file name"),
        (["play", "--virtual", "--api", "jack"], "JACK"),
    )
    for args, words in cases:
        done = run(tmp_path, *args)
        said = done.stderr.strip()
        assert done.returncode == 2, (args, done)
        assert words in said and "\n" not in said, (args, said)
        assert "Traceback" not in said


def test_a_home_that_cannot_be_written_still_plays_and_says_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = run(tmp_path, "play", "--seconds", "1", "--role", "solo", home=blocked / "home")
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode in (0, 2)
    assert (done.returncode == 0) or str(blocked) in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminal there")
def test_tastes_change_while_it_plays_and_each_keeps_its_own(tmp_path: Path) -> None:
    """Keys typed into a real run: a like, the start again and back, the next taste, a dislike, and the first again."""
    home = tmp_path
    for name, seed in (("ann", 1), ("mine", 2)):
        p = Performance(Settings(role="solo", seed=seed))
        p.rate(5_000_000_000, 0.5)
        save_taste(taste_path(home, name), p.snapshot())
    with Typed(home, "mine", 5) as play:

        def says(key: bytes, words: str) -> None:
            heard = sum(words in line for line in play.lines)
            play.press(key)
            play.wait(lambda: sum(words in line for line in play.lines) > heard, 20.0, words)

        play.wait(lambda: play.instruments, 90.0, "Ready")
        assert 'Taste: "mine" (1 rating).' in play.lines
        time.sleep(2.0)
        says(b"\x1b[A", "Rate what")
        says(b"r", "Back to the taste as it was")
        says(b"\x7f", "There is no rating to take back.")
        says(b"r", "again what it had become")
        says(b"v", 'Taste: "ann" (1 rating).')
        assert ratings(home) == {"ann": [0.5], "mine": [0.5, 1.0]}
        says(b"\x7f", "There is no rating to take back.")
        time.sleep(0.5)
        play.press(b"\x1b[B")
        says(b"v", 'Taste: "mine" (2 ratings).')
        assert ratings(home) == {"ann": [0.5, -1.0], "mine": [0.5, 1.0]}
        play.press(b"\x1b[D")
        time.sleep(0.2)
        play.desk.terminate()
        assert play.desk.wait(20) == 0
    assert ratings(home) == {"ann": [0.5, -1.0], "mine": [0.5, 1.0, -0.5]}
    assert sorted(os.listdir(home / "tastes")) == ["ann.npz", "mine.npz"]


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminal there")
def test_the_agent_changes_while_it_plays_and_the_taste_comes_back_with_its_own(tmp_path: Path) -> None:
    """Keys typed into a real run: a like, the next agent, a like for that one, the first taste again."""
    with Typed(tmp_path, "mine", 5) as play:

        def says(key: bytes, words: str) -> None:
            play.press(key)
            play.wait(lambda: any(words in line for line in play.lines), 60.0, words)

        play.wait(lambda: play.instruments, 90.0, "Ready")
        time.sleep(2.0)
        says(b"\x1b[A", "Rate what")
        says(b"l", 'Taste: "mine-2" (new), learnt by agent q.')
        assert "… preparing agent q" in play.lines
        assert ratings(tmp_path)["mine"] == [1.0]
        time.sleep(4.0)  # what was planned before is not its own
        play.press(b"\x1b[A")
        time.sleep(1.0)
        os.kill(play.instruments[-1], signal.SIGKILL)  # the next one goes on with the same agent
        play.wait(lambda: len(play.instruments) == 2, 60.0, "Ready again")
        time.sleep(3.0)
        play.press(b"\x1b[A")
        time.sleep(1.0)
        says(b"v", 'Taste: "mine" (1 rating).')
        play.desk.terminate()
        assert play.desk.wait(20) == 0
    found = {path.stem: unpack(path.read_bytes()) for path in (tmp_path / "tastes").glob("*.npz")}
    assert {name: meta["agent"] for name, (_, meta) in found.items()} == {"mine": "dyna-q", "mine-2": "q"}
    assert any(array.any() for array in found["mine-2"][0].values())
    assert not any("Warning" in line for line in play.lines), play.lines
    assert sum("liked" in line for line in play.lines) == 3


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminal there")
def test_a_taste_that_cannot_be_used_gives_way_to_the_one_beside_it(tmp_path: Path) -> None:
    """The instrument finds out when it starts; it is offered the next one while it is still getting ready."""
    p = Performance(Settings(role="solo", seed=1))
    p.rate(5_000_000_000, 0.5)
    arrays, meta = unpack(p.snapshot())
    save_taste(taste_path(tmp_path, "mine"), pack(arrays, {**meta, "layout": 1}))
    save_taste(taste_path(tmp_path, "mine-2"), p.snapshot())
    before = taste_path(tmp_path, "mine").read_bytes()
    with Typed(tmp_path, "mine", 5) as play:
        play.wait(lambda: any('Taste: "mine-2" (1 rating).' in line for line in play.lines), 90.0, "mine-2")
        time.sleep(2.0)
        play.press(b"\x1b[A")
        play.wait(lambda: any("liked" in line for line in play.lines), 20.0, "liked")
        time.sleep(0.5)
        play.desk.terminate()
        assert play.desk.wait(20) == 0
    assert ratings(tmp_path)["mine-2"] == [0.5, 1.0]
    assert taste_path(tmp_path, "mine").read_bytes() == before


def ratings(home: Path) -> dict[str, list[float]]:
    """By taste, what its file holds."""
    found = {}
    for path in taste_files(home):
        arrays, _ = unpack((home / "tastes" / path.name).read_bytes())
        found[path.stem] = arrays["taste.y"][: arrays["taste.n"][0]].tolist()
    return found
