"""Desk's hands: computer keys and the virtual player, turned into entries for the instrument's inbox.

One thread with one pipe of its own. A terminal has no key-up: a piano key sounds 300 ms and auto-repeat prolongs it.
"""

import queue
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from livecomposer.desk.keys import ACTIONS, Action, Keyboard
from livecomposer.instrument import inbox
from livecomposer.instrument.records import SOURCES
from livecomposer.midi.messages import CC_SUSTAIN
from livecomposer.music.player import VirtualPlayer
from livecomposer.music.theory import Key, note_name

KEY_NS = 300_000_000
KEYS, VIRTUAL = SOURCES.index("keys"), SOURCES.index("virtual")
POLL_S = 0.02
ONCE_S = 1.0
AHEAD_S = 0.1


class Hands(threading.Thread):
    """Reads keys and plays the virtual player until ``stop``.

    Attributes
    ----------
    said : list[str]
        Lines for the screen, oldest first; desk's main thread takes them.
    saves : int
        How often the last minutes were to be saved.
    """

    def __init__(self, keyboard: Keyboard, player: VirtualPlayer | None, channel: int) -> None:
        super().__init__(name="hands", daemon=True)
        self.keyboard = keyboard
        self.said: list[str] = []
        self.saves = 0
        self._player = player
        self._start_ns = 0  # the virtual player's time zero, on a bar line of the instrument; 0: not known yet
        self._channel = channel
        self._octave = 60
        self._sounding: dict[int, int] = {}  # note: when it ends
        self._connection: Connection | None = None
        self._asked: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._ahead: list[tuple[int, bytes]] = []
        self._holding: set[tuple[int, int]] = set()  # (status, number) of its notes and pedals that are down
        self._planned_s = 0.0
        self._running = True
        self._ready = False  # the instrument plays
        self._not_ready_s = -1.0  # when that was said last

    # From desk's main thread: each is taken up by the thread within 20 ms.

    def connect(self, connection: Connection | None) -> None:
        """The instrument's pipe, or None while it is away (what is played then is lost to it)."""
        self._asked.put(("connect", connection))

    def ready(self) -> None:
        """The instrument plays: from now on keys are obeyed."""
        self._asked.put(("ready", None))

    def begin(self, bar_ns: int) -> None:
        """A bar of the instrument begins at ``bar_ns``: the virtual player comes in there."""
        self._asked.put(("begin", bar_ns))

    def role(self, role: str, bar_ns: int) -> None:
        """The instrument has changed its role: the virtual player plays to it from the bar at ``bar_ns``."""
        self._asked.put(("role", (role, bar_ns)))

    def key(self, key: Key) -> None:
        """The instrument has changed its key: the virtual player follows."""
        self._asked.put(("key", key))

    @property
    def virtual(self) -> bool:
        """Whether the virtual player is playing."""
        return self._player is not None

    def human(self) -> None:
        """A person has begun to play: the virtual player stops."""
        self._asked.put(("human", None))

    def stop(self) -> None:
        """End soon."""
        self._running = False

    def run(self) -> None:
        """The thread."""
        while self._running:
            while not self._asked.empty():
                self._answer(*self._asked.get())
            for name in self.keyboard.wait(self._wait_s()):
                action = ACTIONS.get(name)
                if action:
                    self._act(action)
            now = time.perf_counter_ns()
            self.end_keys(now)
            self._play(now)

    def end_keys(self, now: int) -> None:
        """Let go of the computer keys whose 300 ms are over."""
        for note in [n for n, end in self._sounding.items() if end <= now]:
            del self._sounding[note]
            self._midi(now, bytes((0x80 | self._channel, note, 0)), KEYS)

    def _answer(self, what: str, value: Any) -> None:
        player = self._player
        if what == "ready":
            self._ready = True
        elif what == "connect":
            self._connection = value
            self._ready = False
            self._start_ns = 0
            self._ahead.clear()
            self._holding.clear()  # an instrument that has died has released them
        elif player is None:
            return
        elif what == "begin":
            self._start_ns = value - int(self._planned_s * 1e9)
            if self._planned_s:  # else it begins by itself, on its first bar
                player.resume(self._planned_s)
        elif what == "human":
            self._take_over()
        elif what == "key":
            player.set_key(value)
        else:
            role, bar_ns = value
            player.release()
            self._let_go()
            player.set_role(role)
            self._start_ns = bar_ns - int(self._planned_s * 1e9)
            player.resume(self._planned_s)

    def _take_over(self) -> None:
        if self._player is not None:
            self._player = None
            self._let_go()
            self.said.append("You play: the virtual player has stopped.")

    def _let_go(self) -> None:
        """End what the virtual player has sounding *now* (it has been asked ahead, so it knows a later state)."""
        self._ahead.clear()
        now = time.perf_counter_ns()
        for status, number in sorted(self._holding):
            self._midi(now, bytes((status if status & 0xF0 == 0xB0 else status & 0x8F, number, 0)), VIRTUAL)
        self._holding.clear()

    def _wait_s(self) -> float:
        if not self._ahead:
            return POLL_S
        return min(max((self._ahead[0][0] - time.perf_counter_ns()) * 1e-9, 0.0), POLL_S)

    def _act(self, action: Action) -> None:
        now = time.perf_counter_ns()
        if not self._ready and action.kind not in ("help", "octave"):
            if now * 1e-9 >= self._not_ready_s + ONCE_S:
                self._not_ready_s = now * 1e-9
                self.said.append("Not ready yet: it says so when it plays.")
        elif action.kind == "note":
            self._take_over()
            note = self._octave + int(action.value)
            if note not in self._sounding:
                self._midi(now, bytes((0x90 | self._channel, note, 90)), KEYS)
            self._sounding[note] = now + KEY_NS
        elif action.kind == "octave":
            octave = min(max(self._octave + int(action.value), 24), 96)
            most = "" if octave != self._octave else f", the {'highest' if octave > 60 else 'lowest'}"
            self._octave = octave
            self.said.append(f"Octave of the computer keys: from {note_name(octave)} up{most}.")
        elif action.kind == "rate":
            self._post(inbox.pack(now, KEYS, inbox.RATE, float(action.value)))
        elif action.kind == "command":
            self._post(inbox.command(now, KEYS, str(action.value)))
        elif action.kind == "save":
            self.saves += 1
        else:
            from livecomposer.desk.keys import help_text

            self.said.append(help_text())

    def _play(self, now: int) -> None:
        """Send what the virtual player has due; ask it for the next half second."""
        player = self._player
        if player is None or self._connection is None or not self._start_ns:
            return
        elapsed = (now - self._start_ns) * 1e-9
        if elapsed + AHEAD_S > self._planned_s:
            self._planned_s = max(elapsed + AHEAD_S, self._planned_s)
            self._ahead += [(self._start_ns + int(t * 1e9), msg) for t, msg in player.events(self._planned_s)]
        while self._ahead and self._ahead[0][0] <= now:
            due, msg = self._ahead.pop(0)
            self._midi(max(due, now - 1_000_000), msg, VIRTUAL)
            kind, channel = msg[0] & 0xF0, msg[0] & 15
            if kind in (0x80, 0x90):
                key = (0x90 | channel, msg[1])
                self._holding.add(key) if kind == 0x90 and msg[2] else self._holding.discard(key)
            elif kind == 0xB0 and msg[1] == CC_SUSTAIN:
                self._holding.add((msg[0], msg[1])) if msg[2] else self._holding.discard((msg[0], msg[1]))

    def _midi(self, t_ns: int, msg: bytes, source: int) -> None:
        self._post(inbox.pack(t_ns, source, inbox.MIDI, None, msg))

    def _post(self, data: bytes) -> None:
        if self._connection is not None:
            try:
                self._connection.send_bytes(data)
            except (OSError, ValueError):
                self._connection = None
