"""Which taste a run plays to: its file and its lock, saving it, and changing to another.

Owned by desk's main thread. A change takes three steps: desk finds the file and offers it to the instrument; the
instrument checks it away from its loop, which then goes on with it at a turn and leaves a copy of the one before; desk
reads of that in the ring, saves what was left, and from then on saves the new one. A taste that cannot be used changes
nothing.
"""

import time
from collections.abc import Callable
from difflib import get_close_matches
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import NamedTuple

import numpy as np

from livecomposer.desk.files import ASIDE, load_taste, read_taste, save_taste, set_aside, taste_files, taste_path
from livecomposer.desk.lock import Lock
from livecomposer.errors import ForeignTaste, LivecomposerError, StoreError, TasteError
from livecomposer.instrument import inbox
from livecomposer.instrument.snapshot import SharedSnapshot, unpack
from livecomposer.settings import AGENTS

PAUSE_S = 0.25  # between two savings
RETRY_S = 2.0  # after one that failed
DEFAULT = AGENTS[0]  # goes without saying
DRAW = ".z"  # the array that changes with each phrase, whatever is learnt


class Played(NamedTuple):
    """A taste with its file, its lock, whether that is ours, and the agent that learns it."""

    path: Path
    lock: Lock
    ours: bool
    data: bytes | None  # what is in the file (None: there is none)
    agent: str

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(".npz")


class Offer(NamedTuple):
    """A taste that the instrument has been asked to go on with, and those to try if it cannot."""

    taste: Played
    number: int
    memory: SharedMemory | None
    rest: list[str]
    told: bool  # the instrument has been; before that, while its agent is made ready, another can take its place


class Shelf:
    """The taste of one run.

    Parameters
    ----------
    home : Path
        The user folder.
    name : str
        The taste to begin with.
    agent : str
        Who learns it.
    say : callable
        Takes a line for the player.
    tell : callable
        Takes an entry for the instrument's inbox.
    ready : callable
        Whether an agent can be played at once; if not, ``tried`` is called when it can.

    Attributes
    ----------
    number : int
        Of the taste that is played; the instrument marks its copies with it.
    written : list of Path
        The files that have been written in this run.
    learnt : bytes or None
        What the instrument starts with.

    Raises
    ------
    SettingsError, StoreError
        From the constructor, if the taste's file cannot be.
    """

    def __init__(
        self, home: Path, name: str, agent: str, say: Callable[[str], None], tell: Callable[[bytes], None],
        ready: Callable[[str], bool] = lambda agent: True,
    ) -> None:  # fmt: skip
        self.number = 0
        self.written: list[Path] = []
        self._home = home
        self._say = say
        self._tell = tell
        self._ready = ready
        self._offer: Offer | None = None
        self._owed: tuple[Played, bytes] | None = None  # left, and not saved yet
        self._saved = 0  # the number of the copy that was looked at last
        self._next_s = 0.0
        self._trouble = ""
        self.taste = self._begin(name, agent)
        self._played = {self.taste.name: agent}  # in this run, whether anything was rated or not
        self.learnt = self.taste.data
        self._known = _arrays(self.learnt)
        if not self.taste.ours:
            say(f"Warning: {_in_use(self.taste.name)}")
        say(self._introduction() + (self._mistaken() if self.taste.name == name else ""))

    @property
    def coming(self) -> str:
        """The agent that plays, or will soon."""
        return (self._offer or self).taste.agent

    @property
    def changing(self) -> bool:
        """Whether the instrument has been offered another taste and has not answered."""
        return self._offer is not None

    @property
    def preparing(self) -> str:
        """The agent that is to take over, "" if it is the one that plays."""
        return self.coming if self.coming != self.taste.agent else ""

    # ---- changing ------------------------------------------------------------------------------------------------

    def choose(self, value: float | str | None) -> None:
        """The player wants another taste: by name, by its number in the order of ``livecomposer tastes`` (from 0), or
        (None) the next. It comes with the agent that has learnt it."""
        if not self._free():
            return
        try:
            names = self._names()
            if isinstance(value, str):
                taste_path(self._home, value)
                wanted = [value]
            elif value is None:
                at = names.index(self.taste.name)
                wanted = names[at + 1 :] + names[:at]
                if not wanted:
                    self._say("There is no other taste; `livecomposer tastes copy` or `play --taste NAME` makes one.")
            else:
                wanted = names[int(value) : int(value) + 1]
                if not wanted:
                    self._say(f"There is no taste for that: there are {len(names)}.")
        except LivecomposerError as error:
            self._say(f"{error}.")
            return
        if wanted == [self.taste.name]:
            self._say(self._introduction())
        else:
            self._try(wanted)

    def choose_agent(self, agent: str) -> None:
        """The player wants another agent, to this taste: the first of mine, mine-2, mine-3 ... that it has learnt, or
        else that is free."""
        if not self._free():
            return
        if agent == self.taste.agent:
            self._say(self._introduction())
            return
        try:
            stem, dash, number = self.taste.name.rpartition("-")
            name = stem if dash and number.isdecimal() else self.taste.name
            while self._learnt_by(name) not in (agent, None):
                name = _beside(name)
        except LivecomposerError as error:
            self._say(f"{error}.")
            return
        self._try([name], agent)

    def tried(self, agent: str, good: bool) -> None:
        """Whether an agent that was not ready can be played now."""
        offer = self._offer
        if offer is None or offer.taste.agent != agent:
            return
        if good:
            self._hand_over()
        else:
            self._withdraw()
            self._say(f'Warning: agent {agent} cannot be played; going on with "{self.taste.name}".')

    def changed(self, number: int, shared: SharedSnapshot) -> None:
        """The instrument goes on with the taste that it was offered, and has left the one before."""
        offer = self._offer
        if offer is None or offer.number != number:
            return
        self._offer = None
        before = self.taste
        if before.path != offer.taste.path:  # else it had begun anew for a moment: this is what it was to begin with
            left = shared.read_left(self.number)
            if left is not None and before.ours and self._differs(left) and not self._write(before, left):
                self._owed = (before, left)
            else:
                before.lock.release()
        self.taste, self.number = offer.taste, number
        self._played[self.taste.name] = self.taste.agent
        self.learnt = self.taste.data
        self._known = _arrays(self.learnt)
        _drop(offer.memory)
        if not self.taste.ours:
            self._say(f"Warning: {_in_use(self.taste.name)}")
        self._say(self._introduction())

    def refused(self, text: str) -> None:
        """The instrument cannot use a taste: ``text`` is "damaged" or "foreign" and a sentence."""
        kind, _, why = text.partition(" ")
        offer = self._offer
        if offer is not None:
            self._withdraw()
            self._say(f'Warning: "{offer.taste.name}" is not played: {why}; going on with "{self.taste.name}".')
            self._try(offer.rest)
            return
        before = self.taste
        self.learnt, self._known = None, {}
        self.taste = before._replace(data=None)
        try:
            if kind == "foreign":
                self.taste = self._begin(_beside(before.name), before.agent)
                self._played[self.taste.name] = before.agent
                before.lock.release()
                how = f'it stays as it is, and what is learnt now is kept as "{self.taste.name}"'
            elif before.ours:
                how = f"it now lies in {set_aside(before.path).name}, and this run begins anew"
            else:
                how = "this run begins anew"
        except LivecomposerError as error:
            self.taste = before._replace(data=None, ours=False)
            how = f"nothing is kept of what is learnt: {error}"
        self._say(f'Warning: "{before.name}" is not played: {why}; {how}.')
        if self.taste.data is not None:  # of an earlier run that met the same
            self._try([self.taste.name])

    def died(self, shared: SharedSnapshot) -> None:
        """The instrument has died: what it starts again with is what it had."""
        offer = self._offer
        if offer is not None:
            self._withdraw()
        if offer is not None and offer.taste.path == self.taste.path:  # it had begun anew, and was to go on with this
            self.taste, self.learnt, self._known = offer.taste, offer.taste.data, _arrays(offer.taste.data)
            self.number = offer.number
        elif (copy := shared.read(0, self.number)) is not None:
            self.learnt = copy[1]

    # ---- saving --------------------------------------------------------------------------------------------------

    def save(self, shared: SharedSnapshot, now_s: float | None = None) -> None:
        """Write what has been learnt since, if it is time (None: whatever the time)."""
        if now_s is not None and now_s < self._next_s:
            return
        if self._owed is not None and self._write(*self._owed):
            self._owed[0].lock.release()
            self._owed = None
        waits = self._offer is not None and self._offer.taste.path == self.taste.path  # it has begun anew, for now
        copy = shared.read(self._saved, self.number) if self.taste.ours and not waits else None
        done = True
        if copy is not None:
            done = not self._differs(copy[1]) or self._write(self.taste, copy[1])
            if done:
                self._saved = copy[0]
                self._known = _arrays(copy[1])
        if now_s is not None:
            self._next_s = now_s + (PAUSE_S if done and self._owed is None else RETRY_S)

    def close(self, shared: SharedSnapshot) -> bool:
        """The run is over: the last saving; returns whether the file holds what has been learnt."""
        if self._offer is not None:
            self._withdraw()
        self.save(shared)
        for taste in (self.taste, *(self._owed or ())[:1]):
            taste.lock.release()
        return self.taste.ours and not self._trouble and self.taste.path.exists()

    # ---- within --------------------------------------------------------------------------------------------------

    def _free(self) -> bool:
        """Whether the taste can be changed now; says why not."""
        if self._trouble:
            self._say(f'The taste is not changed: first "{(self._owed or (self.taste,))[0].name}" must be saved.')
        if self._offer is not None and not self._offer.told:
            self._withdraw()
        return self._offer is None and not self._trouble

    def _learnt_by(self, name: str) -> str | None:
        """The agent of a taste's file, None if there is none; "" of one that this version cannot read."""
        if name in self._played:
            return self._played[name]
        try:
            data = read_taste(taste_path(self._home, name))
        except TasteError:
            return ""
        return None if data is None else _agent(data)

    def _begin(self, name: str, agent: str) -> Played:
        """A taste to start with; one that this version cannot read or another agent has learnt stays as it is, and
        another is taken beside it."""
        path = taste_path(self._home, name)
        lock = Lock(path)
        ours = lock.take()
        try:
            data, warning = load_taste(path) if ours else (read_taste(path), "")
            if data is not None and _agent(data) != agent:
                raise ForeignTaste(f"{path} was learnt by agent {_agent(data)!r}, not {agent!r}")
        except ForeignTaste as error:
            lock.release()
            other = self._begin(_beside(name), agent)
            self._say(f'Warning: {error}; it stays as it is, and what is learnt now is kept as "{other.name}".')
            return other
        except LivecomposerError:
            lock.release()
            raise
        if warning:
            self._say(f"Warning: {warning}.")
        return Played(path, lock, ours, data, agent)

    def _names(self) -> list[str]:
        """All that can be chosen, in the order of ``livecomposer tastes``, the one that is played among them."""
        found = {path.name.removesuffix(".npz") for path in taste_files(self._home) if ASIDE not in path.name}
        return sorted(found | {self.taste.name}, key=lambda name: (f"{name}.npz".lower(), name))

    def _try(self, names: list[str], agent: str = "") -> None:
        """Offer the first of these that is whole; a new one is for ``agent`` ("": the one that plays)."""
        while names:
            name, *names = names
            path = taste_path(self._home, name)
            lock = Lock(path) if path != self.taste.path else self.taste.lock
            ours = lock.take()
            try:
                data = read_taste(path)
                memory = None
                if data is not None:
                    memory = SharedMemory(create=True, size=8 + len(data))
                    assert memory.buf is not None
                    memory.buf[: 8 + len(data)] = len(data).to_bytes(8, "little") + data
            except (LivecomposerError, OSError) as error:
                if lock is not self.taste.lock:
                    lock.release()
                self._say(f'Warning: {error}; going on with "{self.taste.name}".')
                continue
            who = _agent(data) if data is not None else agent or self.taste.agent
            self._offer = Offer(Played(path, lock, ours, data, who), self.number + 1, memory, names, False)
            if who == self.taste.agent or self._ready(who):
                self._hand_over()
            return

    def _hand_over(self) -> None:
        """Tell the instrument of the offer."""
        assert self._offer is not None
        self._offer = self._offer._replace(told=True)
        taste, memory = self._offer.taste, self._offer.memory
        place = f"{taste.agent}={memory.name if memory is not None else ''}"
        self._tell(inbox.pack(time.perf_counter_ns(), 0, inbox.TASTE, float(self._offer.number), place.encode()))

    def _withdraw(self) -> None:
        offer, self._offer = self._offer, None
        if offer is not None:
            _drop(offer.memory)
            if offer.taste.lock is not self.taste.lock:
                offer.taste.lock.release()

    def _differs(self, data: bytes) -> bool:
        """Whether there is more in it than in the file; of a new taste, whether there is anything in it."""
        arrays = _arrays(data)
        if not self._known:  # the first copy, of where a new taste begins, comes before anything can be rated
            return bool(arrays["taste.n"].any()) if "taste.n" in arrays else False
        return any(
            not np.array_equal(array, self._known.get(name))  # type: ignore[arg-type]  # None equals nothing
            for name, array in arrays.items()
            if not name.endswith(DRAW)
        )

    def _write(self, taste: Played, data: bytes) -> bool:
        """Save a taste; what hinders it is said once."""
        try:
            if taste is self.taste and not self._known and taste.path.exists():
                set_aside(taste.path)  # somebody else's since we looked
            save_taste(taste.path, data)
        except StoreError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._say(f"Warning: {error}; it is tried again and again.")
            return False
        if self._trouble:
            self._trouble = ""
            self._say(f"Saved again: {taste.path}.")
        if taste.path not in self.written:
            self.written.append(taste.path)
        return True

    def _mistaken(self) -> str:
        """Of a new taste: that there is one of nearly the same name."""
        if self._known:
            return ""
        names = {path.stem.lower(): path.stem for path in taste_files(self._home) if ASIDE not in path.name}
        close = get_close_matches(self.taste.name.lower(), [*names], 1, 0.75)
        return f' There is also "{names[close[0]]}".' if close else ""

    def _introduction(self) -> str:
        n = self._known.get("taste.n")
        count = "" if n is None else f" ({int(n[0])} rating{'' if n[0] == 1 else 's'})"
        who = "" if self.taste.agent == DEFAULT else f", learnt by agent {self.taste.agent}"
        return f'Taste: "{self.taste.name}"{count if self._known else " (new)"}{who}.'


def _arrays(data: bytes | None) -> dict[str, np.ndarray]:
    return unpack(data)[0] if data is not None else {}


def _agent(data: bytes) -> str:
    return str(unpack(data)[1].get("agent"))


def _beside(name: str) -> str:
    """The next name to try where a taste cannot be used: mine, mine-2, mine-3 ..."""
    stem, dash, number = name.rpartition("-")
    return f"{stem}-{int(number) + 1}" if dash and number.isdecimal() else f"{name}-2"


def _in_use(name: str) -> str:
    return (
        f'"{name}" is being played by another livecomposer, which saves it: this one plays to it as it is now and '
        "keeps nothing of what it learns; choose another --taste to keep that."
    )


def _drop(memory: SharedMemory | None) -> None:
    if memory is not None:
        memory.close()
        memory.unlink()
