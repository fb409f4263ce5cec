"""A probe that hangs, dies or prints costs its caller a sentence, not its life."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from livecomposer.bench.jack import jack_server
from livecomposer.desk import probes
from livecomposer.errors import PortError


def hang() -> None:
    time.sleep(600)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_ask_returns_refuses_and_gives_up() -> None:
    assert probes.ask(os.path.basename, "a/b", timeout_s=30) == probes.Answer("b")
    assert probes.ask(hang, timeout_s=0.2) == probes.Answer(None, "no answer within 0.2 s", True)
    assert probes.ask(die, timeout_s=30) == probes.Answer(None, "the attempt died with exit code -9")


@pytest.mark.jack
@pytest.mark.skipif(sys.platform != "linux", reason="the check is made on Linux only")
def test_a_wedged_jack_is_named_instead_of_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "WEDGED_S", 1.5)
    with jack_server() as server:
        [pid] = [
            int(p.parent.name)
            for p in Path("/proc").glob("[0-9]*/cmdline")
            if p.read_bytes().startswith(b"jackd\0") and server.name.encode() in p.read_bytes()
        ]
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(PortError, match="restart its server"):
                probes.refuse_wedged("jack")
        finally:
            os.kill(pid, signal.SIGCONT)
