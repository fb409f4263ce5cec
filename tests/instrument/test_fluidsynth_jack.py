"""With a synth that nobody here wrote: FluidSynth sounds, and falls silent when the instrument is killed.

The audio is captured by jack_capture and judged by its loudness, in windows relative to what was captured itself.
"""

import os
import shutil
import signal
import subprocess
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from livecomposer.bench.jack import jack_server
from tests.instrument.jack_rig import CC, NOTE_ON, Rig

pytestmark = pytest.mark.jack
SOUNDFONTS = sorted(Path("/usr/share/sounds/sf2").glob("*.sf2"))
ORGAN = 19


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    if not shutil.which("fluidsynth") or not shutil.which("jack_capture") or not SOUNDFONTS:
        pytest.skip("fluidsynth, jack_capture or a SoundFont is missing")
    with jack_server():
        yield


@pytest.fixture
def fluidsynth(server: None) -> Iterator[None]:
    command = ["fluidsynth", "-i", "-s", "-a", "jack", "-m", "jack", "-o", "audio.jack.multi=0", "-g", "0.8"]
    process = subprocess.Popen(
        ["timeout", "-k", "2", "60", *command, str(SOUNDFONTS[0])],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(100):
        listed = subprocess.run(["jack_lsp"], capture_output=True, text=True, timeout=5, check=False).stdout
        if "fluidsynth" in listed and "left" in listed:
            break
        time.sleep(0.1)
    yield
    process.terminate()
    process.wait(10)
    assert process.stdin is not None
    process.stdin.close()


@pytest.fixture
def rig(fluidsynth: None, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def capture(path: Path) -> subprocess.Popen:
    command = ["jack_capture", "-p", "fluidsynth*", "-c", "2", "-b", "16", "-f", "wav", "-d", "30", "-ns", str(path)]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # ends by itself


def loudness(path: Path) -> np.ndarray:
    """RMS of each tenth of a second, 0..1."""
    with wave.open(str(path)) as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64) / 32768
        window = file.getnchannels() * file.getframerate() // 10
    whole = raw[: len(raw) // window * window].reshape(-1, window)
    return np.sqrt((whole**2).mean(axis=1))


def test_killed_with_the_pedal_down_an_organ_falls_silent(rig: Rig, tmp_path: Path) -> None:
    rig.plug_keyboard()
    rig.start("--in", "rig keys", "--out", "fluidsynth", "--role", "harmonize")
    path = tmp_path / "captured.wav"
    recorder = capture(path)
    time.sleep(1.0)
    rig.send(0xC0, ORGAN)
    rig.send(CC, 64, 127)
    for note in (60, 64, 67):
        rig.send(NOTE_ON, note, 100)
    time.sleep(1.5)
    os.kill(rig.instrument_pid(), signal.SIGKILL)
    rig.wait_for("died")  # desk has released; the instrument is still away
    time.sleep(0.6)
    recorder.send_signal(signal.SIGINT)
    recorder.wait(20)
    rig.wait_for("Ready")
    assert rig.end() == 0
    loud = loudness(path)
    assert loud.max() > 0.01
    assert (loud > 0.2 * loud.max()).sum() >= 10  # it was sounding for more than a second
    assert loud[-2:].max() < 0.01 * loud.max()  # and then no more, though keys and pedal were never let go
