"""The built-in sound on a JACK server of the test's own (dummy driver, own name): opened, wired, heard as silence."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("signalflow", reason="SignalFlow has no wheel for this platform")

pytestmark = [
    pytest.mark.jack,
    pytest.mark.skipif(
        not (shutil.which("jackd") and shutil.which("jack_lsp") and shutil.which("timeout")),
        reason="SKIPPED LOUDLY: jackd or jack_lsp is not installed, so sound on JACK is not tested",
    ),
]

PLAY = """
import subprocess
from livecomposer.synth.sound import Sound
with Sound(backend="auto", block=128) as sound:
    sound.handle(bytes((0x90, 60, 100)))
    print(sound.backend, sound.block, sound.sample_rate)
    print(subprocess.run(["jack_lsp", "-c"], capture_output=True, text=True, timeout=10).stdout)
"""


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    name = f"lc-synth-{os.getpid()}"
    found = {**os.environ, "JACK_DEFAULT_SERVER": name, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["timeout", "-k", "2", "60", "jackd", "-n", name, "-r", "-S", "-d", "dummy", "-r", "48000", "-p", "128"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 15
        while subprocess.run(["jack_lsp"], env=found, capture_output=True, timeout=10, check=False).returncode:
            assert time.monotonic() < deadline, "jackd did not start"
            time.sleep(0.1)
        yield found
    finally:
        server.terminate()  # `timeout` hands it on to jackd
        server.wait(10)


def test_on_jack_it_opens_first_and_is_connected_to_the_speakers(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", PLAY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert first == "jack 128 48000"
    wired, port = {}, ""  # jack_lsp -c: a port, then indented what it is connected to
    for line in lines:
        if line.startswith(" "):
            wired[port] = line.strip()
        else:
            port = line
    assert wired["miniaudio:playback0"] == "system:playback_1"
    assert wired["miniaudio:playback1"] == "system:playback_2"
