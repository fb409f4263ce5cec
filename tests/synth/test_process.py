"""The synth process, spawned as desk does it, on SignalFlow's null device: real time, no hardware."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory

import pytest

pytest.importorskip("signalflow", reason="SignalFlow has no wheel for this platform")

from livecomposer.instrument.ring import Kind, RingWriter, create
from livecomposer.synth import process

CONTEXT = multiprocessing.get_context("spawn")
PATIENCE_S = 60.0


@pytest.fixture
def memory() -> Iterator[SharedMemory]:
    shared = create(1024)
    yield shared
    shared.close()
    shared.unlink()


def start(name: str, options: dict[str, object]) -> tuple[BaseProcess, Connection]:
    ours, theirs = CONTEXT.Pipe()
    child = CONTEXT.Process(target=process.main, args=(name, theirs, options), daemon=True)
    child.start()
    theirs.close()
    return child, ours


def hear(connection: Connection) -> tuple[str, object]:
    assert connection.poll(PATIENCE_S), "the synth process said nothing"
    return connection.recv()


def test_it_reports_plays_and_stops(memory: SharedMemory) -> None:
    writer = RingWriter(memory.buf, 1024)
    writer.write(Kind.OUTPUT, time.perf_counter_ns() - 10**10, b"\x90\x30\x64")  # history: not to be played
    child, connection = start(memory.name, {"backend": "dummy"})
    try:
        kind, facts = hear(connection)
        assert kind == "ready"
        assert facts["backend"] == "dummy"
        assert 0 < facts["latency_s"] < 0.1
        now_ns = time.perf_counter_ns()
        for i in range(50):
            writer.write(Kind.OUTPUT, now_ns + i * 1_000_000, bytes((0x90, 40 + i, 100)))
            writer.write(Kind.OUTPUT, now_ns + i * 1_000_000, bytes((0x80, 40 + i, 0)))
        writer.write(Kind.BEAT, now_ns, b"not for the synth")
        connection.send(("midi", b"\x99\x4c\x64"))
        connection.send(("stop",))
        child.join(PATIENCE_S)
        assert child.exitcode == 0
    finally:
        connection.close()
        child.kill()
        child.join()


def test_interrupts_are_ignored_and_terminate_is_clean(memory: SharedMemory) -> None:
    child, connection = start(memory.name, {"backend": "dummy"})
    try:
        assert hear(connection)[0] == "ready"
        assert child.pid is not None
        if sys.platform != "win32":
            os.kill(child.pid, signal.SIGINT)
            child.join(0.3)
            assert child.is_alive()
            child.terminate()
        else:
            connection.send(("stop",))
        child.join(PATIENCE_S)
        assert child.exitcode == 0
    finally:
        connection.close()
        child.kill()
        child.join()


def test_a_closed_connection_ends_it(memory: SharedMemory) -> None:
    child, connection = start(memory.name, {"backend": "dummy"})
    assert hear(connection)[0] == "ready"
    connection.close()
    child.join(PATIENCE_S)
    assert child.exitcode == 0


def test_a_ring_that_does_not_exist_is_a_sentence() -> None:
    child, connection = start("livecomposer-no-such-ring", {"backend": "dummy"})
    kind, sentence = hear(connection)
    child.join(PATIENCE_S)
    connection.close()
    assert (kind, child.exitcode) == ("failed", 0)
    assert "livecomposer-no-such-ring" in str(sentence)


def test_a_backend_that_does_not_exist_is_a_sentence(memory: SharedMemory) -> None:
    child, connection = start(memory.name, {"backend": "bogus"})
    kind, sentence = hear(connection)
    child.join(PATIENCE_S)
    connection.close()
    assert (kind, child.exitcode) == ("failed", 0)
    assert "no audio device opened" in str(sentence)
    assert "bogus" in str(sentence)


PARENT = """
import multiprocessing, os, time
from livecomposer.instrument.ring import create
from livecomposer.synth import process

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    memory = create(1024)
    ours, theirs = context.Pipe()
    child = context.Process(target=process.main, args=(memory.name, theirs, {"backend": "dummy"}), daemon=True)
    child.start()
    theirs.close()
    assert ours.recv()[0] == "ready"
    print(child.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a killed parent is simulated with SIGKILL")
def test_it_ends_when_its_parent_is_killed(tmp_path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    quiet = subprocess.DEVNULL
    command = [sys.executable, script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, env=environment, text=True) as parent:
        assert parent.stdout is not None
        synth = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and is_running(synth):
        time.sleep(0.02)
    assert not is_running(synth)


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        if sys.platform == "linux":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_process_leaves_no_warning_behind(tmp_path) -> None:
    """No resource tracker's complaint, no BufferError, nothing of libjack's or miniaudio's on the terminal."""
    script = tmp_path / "parent.py"
    body = PARENT.replace("time.sleep(60)", 'ours.send(("stop",)); child.join(); memory.close(); memory.unlink()')
    script.write_text(body, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, check=True)
    assert done.stderr == ""
    assert done.stdout.strip().isdigit()


def test_no_device_is_a_sentence_and_nothing_else(tmp_path) -> None:
    code = (
        "from livecomposer.errors import PortNotFound\n"
        "from livecomposer.synth.sound import Sound\n"
        "try:\n    Sound(backend='auto', device='no such device at all')\n"
        "except PortNotFound as error:\n    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stderr == ""
    assert "no such device at all" in done.stdout
    assert done.stdout.count("\n") == 1


def test_a_missing_library_is_a_sentence() -> None:
    code = (
        "import sys\nsys.modules['signalflow'] = None\n"
        "from livecomposer.errors import PortError\nfrom livecomposer.synth.sound import Sound\n"
        "try:\n    Sound()\nexcept PortError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert "pip install signalflow" in done.stdout


def test_numba_stays_out() -> None:
    code = "import sys, livecomposer.synth.process, livecomposer.synth.render; assert 'numba' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
