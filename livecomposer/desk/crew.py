"""The three processes that desk starts, and everything shared with them: spawned, watched, started again.

Owned by desk's main thread. Shared memory is made here and attached by the children only.
"""

import multiprocessing
import time
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from livecomposer.instrument import guard, inbox, live, ring
from livecomposer.instrument.live import Wiring
from livecomposer.instrument.snapshot import SharedSnapshot
from livecomposer.settings import Settings

SYNTH_CAPACITY = 1 << 12
SNAPSHOT_BYTES = 1 << 20
STOP_S = 3.0
RESTARTS, RESTART_WINDOW_S = 5, 60.0
RETRY_S = 3.0  # between two tries to get back an audio device that has gone
HANGS_S = 15.0  # one that takes longer to open it (2 s are usual) is ended
AGAIN_S = 1.0
RENDERING_S = 5.0  # so often it is said how far a file has come
SNAPSHOTS = 16  # that studio is told again when it has died

_SPAWN = multiprocessing.get_context("spawn")


class Memories:
    """The shared memory of one run."""

    def __init__(self, with_synth: bool) -> None:
        self.ring = ring.create()
        self.guard = SharedMemory(create=True, size=guard.SIZE)
        self.snapshot = SharedMemory(create=True, size=SharedSnapshot.size_of(SNAPSHOT_BYTES))
        self.synth = ring.create(SYNTH_CAPACITY) if with_synth else None

    def close(self) -> None:
        """Give it all back to the system."""
        for memory in (self.ring, self.guard, self.snapshot, self.synth):
            if memory is not None:
                memory.close()
                memory.unlink()


class Instrument:
    """The instrument process: ``start`` it with a wiring, ``dead`` tells, three pipes lead to it (studio has the end of
    ``page`` too, but desk holds it: the instrument goes on when studio dies)."""

    def __init__(self) -> None:
        self.process: Any = None
        self.control: Connection | None = None
        self.hands: Connection | None = None
        self.page: Connection | None = None
        self._starts: list[float] = []

    def start(self, wiring: Wiring) -> None:
        """Spawn it."""
        mine_control, theirs_control = _SPAWN.Pipe()
        mine_hands, theirs_hands = _SPAWN.Pipe()
        theirs_page, mine_page = _SPAWN.Pipe(duplex=False)
        theirs = [theirs_control, theirs_hands, theirs_page]
        self.process = _SPAWN.Process(target=live.main, args=(wiring, theirs), name="livecomposer instrument")
        self.process.start()
        for pipe in theirs:
            pipe.close()
        self.control, self.hands, self.page = mine_control, mine_hands, mine_page
        self._starts.append(time.monotonic())

    @property
    def dead(self) -> bool:
        """Whether it has ended."""
        return self.process is not None and not self.process.is_alive()

    @property
    def hopeless(self) -> bool:
        """Whether it has been started too often lately to try once more."""
        now = time.monotonic()
        return sum(now - start < RESTART_WINDOW_S for start in self._starts) > RESTARTS

    def tell(self, data: bytes) -> None:
        """Send an entry; one that cannot be sent any more is dropped."""
        if self.control is not None:
            try:
                self.control.send_bytes(data)
            except (OSError, ValueError):
                self.control = None

    def stop(self) -> bool:
        """Ask it to release everything and end; returns whether it did in time (else it is killed)."""
        if self.process is None:
            return True
        self.tell(inbox.pack(time.perf_counter_ns(), 0, inbox.STOP))
        self.process.join(STOP_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(STOP_S)
            return False
        return self.process.exitcode == 0

    def close_pipes(self) -> None:
        """Let go of the pipes of a process that has ended."""
        for pipe in (self.control, self.hands, self.page):
            if pipe is not None:
                pipe.close()
        self.control = self.hands = self.page = None


class Trial:
    """A process that lets an agent play for a moment, so that its kernels lie compiled on the disk: the instrument then
    only loads them while it plays."""

    def __init__(self, known: str) -> None:
        self._known = {known}
        self._process: Any = None
        self._agent = ""  # of the process
        self._wanted: Settings | None = None

    def known(self, settings: Settings) -> bool:
        """Whether ``settings.agent`` has been tried; if not, it will be, after the one that is being tried now."""
        if settings.agent in self._known:
            return True
        self._wanted = settings
        self._next()
        return False

    def look(self) -> tuple[str, bool]:
        """The agent that has just been tried ("": none), and whether it can be played."""
        if self._process is None or self._process.is_alive():
            return "", False
        agent, good = self._agent, self._process.exitcode == 0
        self._process = None
        if good:
            self._known.add(agent)
        self._next()
        return agent, good

    def stop(self) -> None:
        """End it, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join(STOP_S)
            self._process = None

    def _next(self) -> None:
        wanted = self._wanted
        if self._process is not None or wanted is None:
            return
        self._wanted = None
        if wanted.agent not in self._known:
            self._agent = wanted.agent
            self._process = _SPAWN.Process(target=live.try_out, args=(wanted,), name="livecomposer kernels")
            self._process.start()


class Sound:
    """The built-in sound's process. ``said`` is its last word: None, ("ready", facts) or ("failed", sentence). A device
    that was there and has gone is tried again every few seconds."""

    def __init__(self, memory: SharedMemory, options: dict[str, Any]) -> None:
        from livecomposer.synth import process

        self._target = process.main
        self._memory = memory
        self._options = options
        self._process: Any = None
        self._pipe: Connection | None = None
        self._starts: list[float] = []
        self._retry = 0.0  # when a device that has gone is tried again (0: it has not gone)
        self.said: tuple[str, Any] | None = None

    def start(self) -> None:
        """Spawn it."""
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(
            target=self._target, args=(self._memory.name, theirs, self._options), name="livecomposer sound"
        )
        self._process.start()
        theirs.close()
        self._starts.append(time.monotonic())

    def look(self) -> tuple[str, Any] | None:
        """What it has said since the last look; a process that has died by itself is started again."""
        said = None
        if self._pipe is not None:
            try:
                if self._pipe.poll():
                    said = self._pipe.recv()
            except (EOFError, OSError):
                self._pipe = None
        if said is not None:
            before, self.said = self.said, said
            if said[0] == "ready":
                self._retry = 0.0
            elif self._retry:
                said = None  # still away: that has been said
            elif before is not None and before[0] == "ready":
                self._retry = time.monotonic() + RETRY_S
        failed = self.said is not None and self.said[0] == "failed"
        if self._retry and time.monotonic() >= self._retry:
            starting = self._process.is_alive() and time.monotonic() < self._starts[-1] + HANGS_S
            self._retry = time.monotonic() + RETRY_S
            if not starting:
                self._kill()
                self.start()
            return said
        if self._process is not None and not self._process.is_alive() and not failed:
            now = time.monotonic()
            if sum(now - start < RESTART_WINDOW_S for start in self._starts) <= RESTARTS:
                self.start()
                return ("again", "the built-in sound had died and has been started again")
            self.said = said = ("failed", "the built-in sound keeps dying; the music goes on without it")
        return said

    def send(self, msg: bytes) -> None:
        """One message by desk's own way (the guard)."""
        if self._pipe is not None:
            try:
                self._pipe.send(("midi", msg))
            except OSError:
                self._pipe = None

    def stop(self) -> None:
        """End it."""
        if self._pipe is not None:
            try:
                self._pipe.send(("stop",))
            except OSError:
                pass
        if self._process is not None:
            self._process.join(STOP_S)
            self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.is_alive():
            self._process.kill()
            self._process.join(STOP_S)


class Studio:
    """The process that records and shows. ``look`` starts it again when it has died, at most once a second."""

    def __init__(self, memory: SharedMemory, options: dict[str, Any]) -> None:
        from livecomposer.studio import process

        self._target = process.main
        self._memory = memory
        self._options = options
        self._process: Any = None
        self._pipe: Connection | None = None
        self._started = 0.0
        self._failures = 0  # deaths in a row without having been ready
        self._commands: Connection | None = None
        self._snapshots: list[bytes] = []
        self._facts: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        """Its process, 0 if there is none."""
        return self._process.pid if self._process is not None else 0

    @property
    def address(self) -> str:
        """Of the page, with its token."""
        return f"http://127.0.0.1:{self._options['port']}/?key={self._options['token']}"

    def start(self, commands: Connection | None) -> None:
        """Spawn it; ``commands`` leads to the instrument."""
        self._commands = commands
        self._pipe, theirs = _SPAWN.Pipe()
        options = {**self._options, "commands": commands}
        self._process = _SPAWN.Process(
            target=self._target, args=(self._memory.name, theirs, options), name="livecomposer studio"
        )
        self._process.start()
        theirs.close()
        self._started = time.monotonic()
        for data in self._snapshots:
            self._tell("snapshot", data)
        self._tell("facts", self._facts)

    def connect(self, commands: Connection | None) -> None:
        """The instrument is another now."""
        self._commands = commands
        self._tell("instrument", commands)

    def snapshot(self, data: bytes | None) -> None:
        """What a performance of this run begins with."""
        if data is not None:
            self._snapshots = [*self._snapshots[1 - SNAPSHOTS :], data]
            self._tell("snapshot", data)

    def show(self, text: str) -> None:
        """Show a line on the page, if anybody looks at it just now."""
        self._tell("said", text)

    def say(self, **facts: Any) -> None:
        """What the page shows of desk's; what it knows already is not said again."""
        new = {name: value for name, value in facts.items() if self._facts.get(name) != value}
        if new:
            self._facts = {**self._facts, **new}
            self._tell("facts", new)

    def look(self) -> tuple[str, Any] | None:
        """What it has said since the last look, one thing at a time."""
        said = None
        try:
            if self._pipe is not None and self._pipe.poll():
                said = self._pipe.recv()
        except (EOFError, OSError):
            self._pipe = None
        if said is not None:
            if said[0] == "ready":
                self._failures = 0
                self._options = {**self._options, "port": said[1]}  # the next one is found at the same address
            return said
        if self._process is not None and not self._process.is_alive():
            if self._failures > RESTARTS:
                self._process = None
                return ("say", "Warning: what records and shows keeps dying and has been given up; the music goes on.")
            if time.monotonic() - self._started >= AGAIN_S:
                self._failures += 1
                self.start(self._commands)
                return ("say", "What records and shows had died and has been started again; the music went on.")
        return None

    def stop(self) -> int | None:
        """Let it write what is left, and end it; returns the number of the take, None if it has not been told."""
        self._tell("stop", None)
        take = None
        if self._process is not None:
            self._process.join(STOP_S)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(STOP_S)
            self._process = None
        try:
            while self._pipe is not None and self._pipe.poll():
                what, value = self._pipe.recv()
                if what == "take":
                    take = value
        except (EOFError, OSError):
            self._pipe = None
        return take

    def _tell(self, what: str, value: Any) -> None:
        if self._pipe is not None:
            try:
                self._pipe.send((what, value))
            except (OSError, ValueError):
                self._pipe = None


def render(events: list[tuple[float, bytes]], path: str, say: Any) -> bool:
    """Write a WAV in a child of its own (SignalFlow's graph is one per process). ``say`` gets a sentence; returns
    whether it has been written."""
    from livecomposer.synth import render as rendering

    mine, theirs = _SPAWN.Pipe()
    child = _SPAWN.Process(target=rendering.main_render, args=(theirs, events, path), name="livecomposer render")
    child.start()
    theirs.close()
    kind, value = "failed", f"{path} could not be written: the renderer died"
    next_word = time.monotonic() + RENDERING_S
    try:
        while True:
            kind, value = mine.recv()
            if kind in ("done", "failed"):
                break
            if time.monotonic() >= next_word:
                next_word = time.monotonic() + RENDERING_S
                say(f"… {path}: {value:.0%}")
    except EOFError:
        kind, value = "failed", f"{path} could not be written: the renderer died"
    say(f"Wrote {path} ({value:.0f} s of sound)." if kind == "done" else str(value))
    child.join(STOP_S)
    return kind == "done"
