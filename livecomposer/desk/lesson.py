"""A lesson in the middle of a performance, as the page asks for it: what ``livecomposer learn`` does, while it plays.

Desk's main thread owns it. The instrument has let go of the input meanwhile (so nothing that is pressed here rates or
sounds), and gets it back, with what was taught, when the lesson is over.
"""

import queue
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livecomposer.desk import teach
from livecomposer.errors import PortError, PortLost
from livecomposer.midi import ports
from livecomposer.midi.profiles import Profile

OPEN_S = 3.0  # the instrument needs a moment to let go of a port that only one may have
RETRY_S = 0.2
PATIENCE_S = 60.0  # nothing pressed and no word from the page for so long: nobody is there any more


class LiveLesson:
    """Listens to one input until all is answered.

    Attributes
    ----------
    device : str
        The input's name.
    said : str
        What was said to the last press.
    """

    def __init__(self, system: ports.System, device: str, base: Profile | None, tastes: bool) -> None:
        self.device = device
        self.said = ""
        self._system = system
        self._base = base
        self._lesson = teach.Lesson(teach.known_range(base), tastes)
        self._heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._port: Any = None
        self._begun = self._heard_s = time.monotonic()
        self._next_try = 0.0

    @property
    def done(self) -> bool:
        """Whether all has been answered."""
        return self._lesson.done

    @property
    def facts(self) -> dict[str, str]:
        """What the page shows of it."""
        return {"device": self.device, "prompt": self._lesson.prompt, "said": self.said}

    def look(self, there: Sequence[str]) -> None:
        """Hear what has come since the last look; ``there`` are the inputs of the machine. Raises PortError where it
        cannot listen, PortLost where it cannot any more, or where nobody answers; the port has been given back then."""
        if self.device not in there:
            self.leave()
            raise PortLost(f'"{self.device}" has gone; plug it in and begin again')
        if self._port is None:
            self._open()
        now = time.monotonic()
        if now >= self._heard_s + PATIENCE_S:
            self.leave()
            raise PortLost(f'"{self.device}" was not pressed for {PATIENCE_S:.0f} s; nothing was written')
        while not self._heard.empty() and not self._lesson.done:
            self._heard_s = now
            self.said = self._lesson.hear(self._heard.get(), now) or self.said
        if self._lesson.done:
            self.leave()

    def skip(self) -> None:
        """Leave this question."""
        if not self._lesson.done:
            self._heard_s = time.monotonic()
            self.said = self._lesson.skip()

    def leave(self) -> None:
        """End it, and give the port back."""
        old, self._port = self._port, None
        ports.close_port(old)

    def keep(self, folder: Path) -> str:
        """Write what was taught, once all is answered, into the player's folder of profiles; returns what to say.
        Raises StoreError."""
        session = self._lesson.session
        assert session is not None
        if not session.controls:
            return "Nothing was taught; nothing was written."
        winmm = self._system.name == "winmm"
        _, path, line = teach.write(session, self.device, self._base, "", folder, winmm)
        return f"{line} {teach.before(self.device, path, folder)}".strip()

    def _open(self) -> None:
        now = time.monotonic()
        if now < self._next_try:
            return
        self._next_try = now + RETRY_S
        try:
            self._port = ports.open_input(self._system, self.device, self._arrive)
        except PortError:
            if now >= self._begun + OPEN_S:
                self.leave()
                raise

    def _arrive(self, event: tuple[list[int], float], data: Any = None) -> None:
        if event[0]:
            self._heard.put(bytes(event[0]))
