"""The instrument's own loop in a spawned process, with no driver behind it, and a tail of its ring.

Called by the benches of the loop. The child is what ``livecomposer play`` spawns, ``live.Live`` with all its threads,
priority and garbage rules; only its ports are missing (a driver call costs ~7 µs a message more).
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from livecomposer.desk.crew import Memories
from livecomposer.instrument import inbox
from livecomposer.instrument.live import Live, Wiring
from livecomposer.instrument.records import blob_at
from livecomposer.instrument.ring import Kind, Record, RingReader
from livecomposer.settings import Settings

SPAWN = multiprocessing.get_context("spawn")
START_S = 120.0  # the first start ever compiles
TAIL_S = 0.02  # desk reads as often


class Loop:
    """``with Loop(settings, extra) as loop``: the process runs, and is ready, until the end of the block.

    ``extra(live, *args)`` is called in the child when it is ready, before its loop begins (a spawned child finds it
    by name). ``records`` grows by ``tail``.
    """

    def __init__(self, settings: Settings, extra: Callable[..., None] | None = None, *args: Any) -> None:
        self.records: list[Record] = []
        self._memories = Memories(False)
        memory = self._memories.ring.buf
        assert memory is not None
        self._reader = RingReader(memory)
        wiring = Wiring(
            settings=settings, ring=self._memories.ring.name, guard=self._memories.guard.name,
            snapshot_memory=self._memories.snapshot.name, synth_ring=None, system=None, midi_in=None, midi_out=None,
            virtual_in=False, virtual_out=False, profile=None, snapshot=None,
        )  # fmt: skip
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_main, args=(wiring, theirs, extra, args), name="livecomposer loop")
        self._process.start()
        theirs.close()

    def __enter__(self) -> "Loop":
        try:
            self.wait(lambda: any(text.startswith("ready") for text in self.said()), START_S)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    @property
    def ring(self) -> str:
        """The name of its ring."""
        return self._memories.ring.name

    @property
    def fifo(self) -> bool:
        """Whether its loop runs under SCHED_FIFO."""
        return any('"fifo": true' in text for text in self.said())

    @property
    def lost(self) -> int:
        """Records that were overwritten before we read them."""
        return self._reader.lost

    def said(self) -> list[str]:
        """Its status lines so far."""
        records = self.records
        return [
            blob_at(records, i).decode(errors="replace") for i, r in enumerate(records) if r.kind == Kind.STATUS
        ]  # fmt: skip

    def command(self, name: str, value: float | str | None = None) -> None:
        """Give it a command, as desk does."""
        self._pipe.send_bytes(inbox.command(time.perf_counter_ns(), 0, name, value))

    def tail(self, seconds: float) -> list[Record]:
        """Read its ring for so long; returns the new records. Raises RuntimeError if the process has ended."""
        before = len(self.records)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look()
        return self.records[before:]

    def wait(self, until: Callable[[], bool], seconds: float) -> None:
        """Read its ring until ``until()``. Raises RuntimeError if that takes longer, or the process has ended."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                raise RuntimeError(f"the instrument's process takes too long; it said: {self.said()[-3:]}")
            self._look()

    def _look(self) -> None:
        alive = self._process.is_alive()
        self.records += self._reader.read(1 << 16)
        if not alive:
            raise RuntimeError(f"the instrument's process has ended; it said: {self.said()[-3:]}")
        time.sleep(TAIL_S)

    def _close(self) -> None:
        try:
            self._pipe.send_bytes(inbox.pack(time.perf_counter_ns(), 0, inbox.STOP))
        except OSError:
            pass
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(5.0)
        self._pipe.close()
        del self._reader
        self._memories.close()


def _main(wiring: Wiring, pipe: Any, extra: Callable[..., None] | None, args: tuple[Any, ...]) -> None:
    """As ``live.main``, with something more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    live = Live(wiring, [pipe])
    try:
        live.prepare()
        if extra is not None:
            extra(live, *args)
        live.run()
    except Exception as error:
        live.recorder.status(time.perf_counter_ns(), f"crash {type(error).__name__}: {error}")
    finally:
        live.close()
        os._exit(0)
