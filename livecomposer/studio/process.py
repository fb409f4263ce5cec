"""The studio process: records what is played and shows it; whatever happens to it, the music goes on.

``main`` is the target that ``desk`` spawns. Its main thread records (four times a second) and obeys desk; the page, if
there is one, has a thread of its own with an event loop, and hands to the main thread whatever concerns the store.
"""

import os
import queue
import signal
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livecomposer.errors import StoreError
from livecomposer.instrument.ring import attach
from livecomposer.quiet import hush_libraries
from livecomposer.studio.recorder import TURN_S, Recorder
from livecomposer.studio.store import FILE, Store

if TYPE_CHECKING:  # without a page none of it is loaded
    from livecomposer.studio.server import Page

POLL_S = 0.02
RETRY_S = 1.0
READY_S = 10.0
SAID = 16  # lines that wait for the page
NICE = 5  # the instrument comes first, also where it has no real-time priority


class Studio:
    """What runs in the process. ``ask`` may be called from any thread, all else by the main thread.

    Attributes
    ----------
    facts : dict
        What desk has said of ports, sound and tastes; replaced whole, never changed.
    said : deque of str
        Lines of desk's that the page has not shown yet.
    commands : Connection or None
        The pipe to the instrument's inbox.
    """

    def __init__(self, buffer: memoryview, connection: Connection, options: dict[str, Any]) -> None:
        self.buffer = buffer
        self.options = options
        self.facts: dict[str, Any] = {}
        self.commands: Connection | None = options["commands"]
        self.store: Store | None = None
        self.recorder: Recorder | None = None
        self.trouble = ""  # why nothing is recorded
        self._connection = connection
        self.said: deque[str] = deque(maxlen=SAID)
        self._asked: queue.SimpleQueue[tuple[Callable[[Store], Any], Future]] = queue.SimpleQueue()
        self._to_desk: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._snapshots: list[bytes] = []
        self._running = True

    @property
    def take(self) -> int | None:
        """The take that is being recorded."""
        return self.recorder.take if self.recorder is not None else None

    def ask(self, work: Callable[[Store], Any]) -> "Future[Any]":
        """Let the main thread do something with the store; it fails with StoreError where the store does."""
        future: Future[Any] = Future()
        self._asked.put((work, future))
        return future

    def tell(self, what: str, value: Any) -> None:
        """Say something to desk."""
        self._to_desk.put((what, value))

    def run(self) -> None:
        """Until desk says stop, or is gone."""
        parent = os.getppid()
        next_turn = next_open = 0.0
        while self._running and os.getppid() == parent:
            now = time.monotonic()
            if self.store is None and now >= next_open:
                next_open = now + RETRY_S
                self._open()
            if now >= next_turn:
                next_turn = now + (TURN_S if not self.trouble else RETRY_S)
                self._record()
            self._answer()
            self._obey(POLL_S)
        if self.recorder is not None:
            self.recorder.drain()
            try:
                self._connection.send(("take", self.recorder.take))
            except OSError:  # desk is gone
                pass
        if self.store is not None:
            self.store.close()

    def _open(self) -> None:
        try:
            self.store = Store(Path(self.options["folder"]) / FILE)
            self.recorder = Recorder(self.store, self.buffer, self.options["run"], _time_of_day)
            self.store.purge(time.time())
        except StoreError as error:
            self.store = self.recorder = None
            self._troubled(str(error))

    def _record(self) -> None:
        if self.recorder is None or self.store is None:
            return
        try:
            while self._snapshots:
                self.store.keep_snapshot(self._snapshots[0])
                del self._snapshots[0]
        except StoreError as error:
            self._troubled(str(error))
            return
        if not self.recorder.turn():
            self._troubled(self.recorder.failed)
        elif self.trouble:
            self.trouble = ""
            self.tell("say", "It is recorded again; `livecomposer takes` says if anything is missing.")

    def _troubled(self, why: str) -> None:
        if not self.trouble:
            self.tell("say", f"Warning: nothing is being recorded: {why}. The music goes on.")
        self.trouble = why

    def _answer(self) -> None:
        while not self._asked.empty():
            work, future = self._asked.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if self.store is None:
                    raise StoreError(self.trouble or "the takes have not been opened yet; try again")
                future.set_result(work(self.store))
            except Exception as error:  # it is the asker's to say
                future.set_exception(error)

    def _obey(self, seconds: float) -> None:
        try:
            while not self._to_desk.empty():
                self._connection.send(self._to_desk.get())
            if not self._connection.poll(seconds):
                return
            while self._connection.poll():
                what, value = self._connection.recv()
                if what == "instrument":
                    self.commands = value
                elif what == "snapshot":
                    self._snapshots.append(value)
                elif what == "said":
                    self.said.append(value)
                elif what == "facts":
                    self.facts = {**self.facts, **value}
                else:
                    self._running = False
        except (EOFError, OSError):
            self._running = False


def _time_of_day(t_ns: int) -> float:
    return time.time() - (time.perf_counter_ns() - t_ns) * 1e-9


def _show(studio: Studio) -> "Page | None":
    """Open the page, at the port wished for or, if that cannot be had, at any."""
    from livecomposer.studio.server import Page

    for port in dict.fromkeys((studio.options["port"], 0)):
        page = Page(studio, studio.options["token"], port)
        page.start()
        page.ready.wait(READY_S)
        if not page.problem:
            return page
        page.stop()
        then = f"at port {port} ({page.problem}); another is tried" if port else f"({page.problem})"
        studio.tell("say", f"Warning: the page cannot be shown {then}.")
    return None


def main(ring_name: str, connection: Connection, options: dict[str, Any]) -> None:
    """Record, and serve the page, until told to stop or until the parent is gone.

    Parameters
    ----------
    ring_name : shared memory of the instrument's ring.
    connection : this end's duplex pipe. Sent: ``("say", sentence)`` for the player, ``("ready", port)`` (0: no page),
        ``("port", {"side", "name"})``, ``("learn", step)`` and ``("save", None)`` where the page asks for another port,
        to teach the controller (a step of ``asked.LEARN_STEPS``) or for the last minutes as a file, and in the end
        ``("take", number)`` of what was recorded last. Taken: ``("instrument", connection)``, ``("snapshot", bytes)``,
        ``("facts", dict)``, ``("said", sentence)`` for the page, and ``("stop", None)``.
    options : ``run`` (a name of this run), ``folder`` (the user folder), ``commands`` (the pipe to the instrument),
        ``token`` (of the page; "": no page), ``port`` (0: any).
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):  # desk gets them, and tells us when the take has ended
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICE)
    hush_libraries()
    memory = attach(ring_name)
    assert memory.buf is not None
    studio = Studio(memory.buf, connection, options)
    try:
        page = _show(studio) if options["token"] else None
        studio.tell("ready", page.port if page else 0)
        studio.run()
        if page is not None:
            page.stop()
    finally:
        os._exit(0)  # what had to be written is; a view of the ring may still be held by the page's thread
