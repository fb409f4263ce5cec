"""A page over a ring and a store of its own: a real server on a port of this machine, no other process."""

import multiprocessing
import os
import threading
from collections import deque
from concurrent.futures import Future
from pathlib import Path

from livecomposer.instrument import inbox
from livecomposer.instrument.performance import Performance
from livecomposer.instrument.ring import RingWriter, size_of
from livecomposer.settings import Settings
from livecomposer.studio.recorder import Recorder
from livecomposer.studio.server import Page
from livecomposer.studio.store import FILE, Store

TOKEN = "a-token-of-this-test"
S = 1_000_000_000


class Stage:
    """What ``Page`` asks of the studio process."""

    def __init__(self, folder: Path, capacity: int = 1 << 14) -> None:
        self.buffer = memoryview(bytearray(size_of(capacity)))
        self.writer = RingWriter(self.buffer, capacity)
        self.options = {"folder": str(folder)}
        self.facts = {"taste": "mine"}
        self.trouble = ""
        self.told = []
        self.said = deque()
        self.heard, self.commands = multiprocessing.Pipe(duplex=False)
        self.store = Store(folder / FILE)
        self.recorder = Recorder(self.store, self.buffer, "run", lambda t_ns: t_ns * 1e-9)
        self._asked = []
        self._lock = threading.Lock()

    @property
    def take(self):
        return self.recorder.take

    def tell(self, what, value):
        self.told.append((what, value))

    def ask(self, work):
        future = Future()
        with self._lock:
            self._asked.append((work, future))
        return future

    def answer(self):
        """What studio's main thread does between two turns."""
        with self._lock:
            asked, self._asked = self._asked, []
        for work, future in asked:
            try:
                future.set_result(work(self.store))
            except Exception as error:
                future.set_exception(error)

    def entries(self):
        """What has been sent to the instrument."""
        found = []
        while self.heard.poll(0.0):
            found.append(inbox.unpack(self.heard.recv_bytes()))
        return found

    def perform(self, seconds=20, role="solo", start_ns=5 * S, end=True, **settings):
        """Somebody plays, and rates twice; the recorder takes it down."""
        given = Settings(role=role, seed=2, count_in=False, **settings)
        p = Performance(given, ring=self.writer, start_ns=start_ns)
        for t in range(1, seconds):
            p.receive(start_ns + t * S, bytes((0x90, 60 + t % 12, 80)))
            p.receive(start_ns + t * S + S // 4, bytes((0x80, 60 + t % 12, 0)))
            if t in (9, 14):
                p.rate(start_ns + t * S + S // 2, 0.5 if t == 9 else -1.0)
        p.advance(start_ns + seconds * S)
        if end:
            p.release(start_ns + seconds * S)
        self.recorder.drain()
        return p

    def serve(self):
        page = Page(self, TOKEN, 0)
        page.start()
        assert page.ready.wait(20) and not page.problem, page.problem
        return page

    def close(self):
        self.commands.close()
        self.heard.close()
        self.store.close()


def files_open():
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))
