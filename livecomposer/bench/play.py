"""A real ``livecomposer play`` in a process of its own, and ports that stand outside it.

Called by ``latency`` and ``guard`` (on JACK: Linux and macOS), and by ``studio``, which needs no ports.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livecomposer.errors import PortError
from livecomposer.quiet import hushed

READY_S = 60.0
LIMIT_S = 600
_READY = re.compile(r"^Ready \[(.*)\] \(instrument (\d+)\)")


class Play:
    """``with Play("--role", "harmonize") as play``: started, stopped at the end of the block.

    Attributes
    ----------
    started : float
        ``time.perf_counter()`` just before the process was made.
    lines : list of str
        What it has said.
    """

    def __init__(self, *args: str, jack: bool = True) -> None:
        self.lines: list[str] = []
        self._home = tempfile.TemporaryDirectory(prefix="livecomposer-bench-")
        ports = ["--api", "jack", "--player", "none"] if jack else []
        command = [sys.executable, "-m", "livecomposer", "play", "--sound", "off", *ports]
        environ = {**os.environ, "LIVECOMPOSER_HOME": self._home.name}
        if not jack:  # no port is looked for, and none is waited for
            environ |= {"JACK_NO_START_SERVER": "1", "JACK_DEFAULT_SERVER": "livecomposer-nowhere"}
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            [*command, "--plain", "--seconds", str(LIMIT_S), *args], text=True, env=environ,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Play":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._reader.join(2)
        self._home.cleanup()

    @property
    def home(self) -> Path:
        """Its user folder."""
        return Path(self._home.name)

    @property
    def pid(self) -> int:
        """Its process: desk."""
        return self._process.pid

    @property
    def page(self) -> str:
        """The address of its page, "" until it has been said."""
        return next((line.removeprefix("Page: ") for line in list(self.lines) if line.startswith("Page: ")), "")

    def end(self) -> int:
        """Let it end in order; its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        code = self._process.wait(30)
        self._reader.join(5)
        return code

    @property
    def ready(self) -> list[tuple[str, int]]:
        """(what is in force, the instrument's process id) at each start of the instrument so far."""
        return [(found[1], int(found[2])) for found in map(_READY.match, list(self.lines)) if found]

    def wait(self, until: Callable[[], Any], seconds: float, what: str) -> None:
        """Look every 5 ms until ``until()``. Raises PortError saying ``what`` did not come, and its last words."""
        end = time.monotonic() + seconds
        while not until():
            if self._process.poll() is not None or time.monotonic() > end:
                raise PortError(f"{what} did not come; `livecomposer play` said: {' / '.join(self.lines[-3:])}")
            time.sleep(0.005)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())
        self._process.stdout.close()


def connect(port: Any, name: str, client: str) -> bool:
    """Connect an RtMidi port of ours to the port of that name, if it is there."""
    names = port.get_ports()
    found = next((i for i, other in enumerate(names) if name in other), None)
    if found is None:
        return False
    with hushed(2):
        port.open_port(found, name=client)
    return True
