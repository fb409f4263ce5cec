"""A JACK server of one's own, without sound hardware, for benches and tests.

``jack_server`` starts ``jackd`` with the dummy driver under a name of its own, so that any other server on the machine
stays as it is, and points this process and its children to it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import NamedTuple

from livecomposer.errors import PortError

PERIOD, RATE = 128, 48000
LIMIT_S = 900  # whatever happens to us, the server ends by then
START_S, STOP_S = 8.0, 8.0  # ``timeout`` itself goes from SIGTERM to SIGKILL after 5 s
# JACK knows at most 8 servers, and forgets one that was killed only when its name is taken again: so a few fixed names.
# A second server started under a name in use deletes the first one's semaphores before it gives up: so a lock for each,
# which jackd inherits and holds as long as it lives.
NAMES = ("livecomposer-a", "livecomposer-b", "livecomposer-c", "livecomposer-d")
_PROBE = "import rtmidi; rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name='livecomposer probe').get_ports()"


class Server(NamedTuple):
    """A running server: its name, frames a period, frames a second, whether it has real-time priority."""

    name: str
    period: int
    rate: int
    realtime: bool

    @property
    def period_ms(self) -> float:
        """One period in ms."""
        return 1e3 * self.period / self.rate


def missing() -> str:
    """What stands in the way of a server here, as a sentence, or "" if nothing does."""
    if shutil.which("jackd") is None:
        return "jackd is not on PATH; install it (Debian: apt-get install jackd2)"
    try:
        import rtmidi
    except ImportError:
        return "python-rtmidi is not installed"
    if rtmidi.API_UNIX_JACK not in rtmidi.get_compiled_api():
        return "this build of RtMidi has no JACK"
    return ""


def answers(timeout_s: float = 4.0) -> bool:
    """Whether the server that ``JACK_DEFAULT_SERVER`` names (default: ``default``) takes clients.

    Asked from a process of its own: a wedged server hangs whoever asks.
    """
    environ = {**os.environ, "JACK_NO_START_SERVER": "1"}
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], timeout=timeout_s, env=environ, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


@contextmanager
def jack_server(synchronous: bool = True, period: int = PERIOD) -> Iterator[Server]:
    """A fresh server; while it runs, ``JACK_DEFAULT_SERVER`` and ``JACK_NO_START_SERVER`` are set.

    A start that wedges (``-S`` does so for good once in ~50 times) is ended, and tried again under another name.
    Real-time priority where the system allows it, else without. Raises PortError if none can be started.
    """
    problem = missing()
    if problem:
        raise PortError(problem)
    keys = ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER")
    before = {key: os.environ.get(key) for key in keys}
    said = ""
    try:
        os.environ["JACK_NO_START_SERVER"] = "1"
        for realtime, name in product((True, False), NAMES):
            os.environ["JACK_DEFAULT_SERVER"] = name
            with _locked(name) as lock, tempfile.TemporaryFile() as log:
                if lock is None:
                    said = f"{name} is in use"
                    continue
                process = _start(name, realtime, synchronous, period, log, lock)
                try:
                    if _ready(process):
                        yield Server(name, period, RATE, realtime)
                        return
                finally:
                    _stop(process, name)
                log.seek(0)
                said = log.read().decode(errors="replace").strip().rpartition("\n")[2]
        raise PortError(f"jackd does not start; its last word: {said!r}")
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


@contextmanager
def _locked(name: str) -> Iterator[int | None]:
    """A lock on the name, or None if another has it."""
    import fcntl

    try:
        lock = os.open(Path(tempfile.gettempdir()) / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield None
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        yield None
        return
    try:
        yield lock
    finally:
        os.close(lock)


def _start(name: str, realtime: bool, synchronous: bool, period: int, log: object, lock: int) -> subprocess.Popen:
    command = ["jackd", "-n", name, "-R" if realtime else "-r", *(["-S"] if synchronous else [])]
    command += ["-d", "dummy", "-r", str(RATE), "-p", str(period)]
    if shutil.which("timeout"):
        command = ["timeout", "-k", "5", str(LIMIT_S), *command]
    return subprocess.Popen(  # type: ignore[call-overload]  # the stub knows no plain file for stdout
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, pass_fds=[lock]
    )


def _ready(process: subprocess.Popen) -> bool:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.2)
        if answers() and process.poll() is None:  # else it was another server of this name
            return True
    return False


def _stop(process: subprocess.Popen, name: str) -> None:
    """SIGTERM (``timeout`` passes it on), and by force only if that is not obeyed; then what a killed one leaves.

    Only the semaphores of this name are removed: segments and the registry are shared by all servers, and the next
    one to start frees what dead ones had.
    """
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_S)
    for left in Path("/dev/shm").glob(f"jack_sem.*_{name}_*"):
        left.unlink(missing_ok=True)
