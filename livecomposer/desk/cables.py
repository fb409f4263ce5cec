"""The MIDI ports of a run: those in use, those that go and come back, another that is wanted, one that is being taught.

Desk's main thread owns it and calls ``look`` once a turn. The instrument opens its ports itself; it is told when.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livecomposer.desk.guard import Guard
from livecomposer.desk.lesson import LiveLesson
from livecomposer.desk.teach import check_folder
from livecomposer.desk.watch import Watch
from livecomposer.desk.wiring import Plan
from livecomposer.errors import LivecomposerError
from livecomposer.instrument import inbox
from livecomposer.midi import ports
from livecomposer.midi.profiles import Profile, load_profiles, match_profile

NAME_BYTES = 160  # of an inbox entry
REFUSED_S = 5.0  # between two tries of a port that is there but cannot be opened


class Cables:
    """What is plugged into what.

    Parameters
    ----------
    plan, profiles : what the run begins with.
    folder : of the player's own profiles.
    guard : whose output follows the instrument's.
    tell : sends an entry to the instrument.
    say, say_everywhere : a line for the player; ``say_everywhere``: the page shows it too.

    Attributes
    ----------
    plan : Plan
        The wiring as it is now; replaced whole.
    lost : set of str
        ``"in"`` and ``"out"``, where a port that is wanted is away.
    """

    def __init__(
        self, plan: Plan, profiles: list[Profile], folder: Path, guard: Guard, tell: Callable[[bytes], None],
        say: Callable[[str], None], say_everywhere: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.plan = plan
        self.lost: set[str] = set()
        self._profiles = profiles
        self._folder = folder
        self._guard = guard
        self._tell_instrument = tell
        self._say = say
        self._say_everywhere = say_everywhere
        self._watch = Watch(plan.system.name) if plan.system is not None else None
        self._away = False  # the MIDI system itself
        self._names: dict[str, str] = {}  # what the ports are called by now
        self._inputs: list[str] = []
        self._outputs: list[str] = []
        self._lesson: LiveLesson | None = None
        self._refused: dict[str, tuple[str, float]] = {}  # why a port that is there cannot be opened, and when

    def start(self) -> None:
        """Begin to look which ports there are."""
        if self._watch is not None:
            self._watch.start()

    def stop(self) -> None:
        """Give back what is open here."""
        if self._watch is not None:
            self._watch.stop()
        if self._lesson is not None:
            self._lesson.leave()

    @property
    def facts(self) -> dict[str, Any]:
        """What the page shows of the ports."""
        plan, lesson = self.plan, self._lesson
        return {
            "inputs": self._inputs, "outputs": self._outputs, "midi_in": lesson.device if lesson else plan.midi_in,
            "midi_out": plan.midi_out, "profile": plan.profile.name if plan.profile else "",
            "lost": sorted(self.lost), "lesson": lesson.facts if lesson else None,
        }  # fmt: skip

    def look(self) -> None:
        """See what has changed since the last look."""
        self._look_at_ports()
        if self._lesson is not None:
            self._follow(self._lesson)

    # ---- ports that go and come back -------------------------------------------------------------------------------

    def _look_at_ports(self) -> None:
        listing = self._watch.look() if self._watch is not None else None
        if listing is None or self.plan.system is None:
            return
        plan, label = self.plan, self.plan.system.label
        if not listing.there and not self._away:
            self._say(f"{label} has gone, and with it its ports: start it again. Looking for it every second …")
            self._guard.lose()
        elif listing.there and self._away:
            self._say(f"{label} is back.")
        away, self._away = self._away, not listing.there
        self._inputs, self._outputs = listing.inputs, listing.outputs
        for side, virtual in (("in", plan.virtual_in), ("out", plan.virtual_out)):
            if virtual and away != self._away:
                self._tell(side, inbox.LOST if self._away else inbox.BACK)
        for side, name, there in (("in", plan.midi_in, listing.inputs), ("out", plan.midi_out, listing.outputs)):
            if name is None:
                continue
            found = ports.find_again(name, there)
            if found in there and found != self._names.get(side, name) and side not in self.lost:
                self.lost.add(side)  # out and in again between two looks: it has a new number
                self._tell(side, inbox.LOST)
            if found in there:
                self._names[side] = found
            if found not in there and side not in self.lost:
                self.lost.add(side)
                if listing.there:
                    self._say(f'The MIDI {side}put "{name}" has gone: check its cable. Looking for it every second …')
                self._tell(side, inbox.LOST)
            elif found in there and side in self.lost:
                self._bring_back(side, name)
            elif side not in self.lost and side in self._refused and self._tried_s(side) >= 2 * REFUSED_S:
                del self._refused[side]  # it was tried again, and nothing was heard against it
                self._say(f'The MIDI {side}put "{name}" is back.')

    def refuse(self, side: str, why: str) -> None:
        """The instrument says that it cannot open a port (any more). That is told once, and tried again quietly."""
        told = self._refused.get(side, ("", 0.0))[0]
        self._refused[side] = (why, time.monotonic())
        self.lost.add(side)
        if why != told:
            self._say(why)

    def _bring_back(self, side: str, name: str) -> None:
        if side in self._refused:
            if self._tried_s(side) < REFUSED_S:
                return
        else:
            self._say(f'The MIDI {side}put "{name}" is back.')
        self.lost.discard(side)
        self._tell(side, inbox.BACK)
        if side == "out":
            self._guard.open()

    def _tried_s(self, side: str) -> float:
        """Seconds since a port was last refused."""
        return time.monotonic() - self._refused[side][1]

    def _tell(self, text: str, what: int) -> None:
        entry = inbox.pack(time.perf_counter_ns(), 0, inbox.PORT, what, text.encode()[:NAME_BYTES])
        self._tell_instrument(entry)

    # ---- another port ----------------------------------------------------------------------------------------------

    def choose(self, side: str, name: str) -> None:
        """The page asks for another port: one that is there, or none ("")."""
        if name and name not in (self._inputs if side == "in" else self._outputs):
            self._say(f'There is no MIDI {side}put "{name}" any more.')
            return
        if side == "in":
            if self._lesson is not None:
                self._lesson.leave()
                self._lesson = None
            self._take_input(name)
        else:
            self.plan = self.plan._replace(midi_out=name or None, virtual_out=False)
            self._guard.choose(name or None)
            self._tell_chosen(side, name)
        self._say(f'MIDI {side}: "{name}".' if name else f"MIDI {side}: none.")

    def _take_input(self, name: str) -> None:
        """Another input ("": none), and what its controls mean."""
        profile = match_profile(name, self._profiles) if name else None
        self.plan = self.plan._replace(midi_in=name or None, virtual_in=False, profile=profile)
        self._tell_chosen("in", name)

    def _tell_chosen(self, side: str, name: str) -> None:
        self.lost.discard(side)
        self._names.pop(side, None)
        self._refused.pop(side, None)
        self._tell(f"{side}={name}", inbox.CHOSEN)

    # ---- a lesson --------------------------------------------------------------------------------------------------

    def learn(self, step: str) -> None:
        """The page wants to ``begin`` to teach what the controller's pedals, pads and keys mean, or which of its
        programs choose ``tastes``; to ``skip`` a question; to ``leave``."""
        lesson, device, system = self._lesson, self.plan.midi_in, self.plan.system
        if lesson is not None:
            if step == "skip":
                lesson.skip()
            elif step == "leave":
                self._end(lesson, "Left; nothing was written.")
        elif step in ("begin", "tastes"):
            if system is None or device is None:
                self._say_everywhere("There is no controller to teach: choose it as MIDI in first.")
                return
            if "in" in self.lost:
                self._say_everywhere(f'"{device}" is away: plug it in, then teach it.')
                return
            try:
                check_folder(self._folder)
            except LivecomposerError as error:
                self._say_everywhere(f"{error}.")
                return
            self._lesson = LiveLesson(system, self._names.get("in", device), self.plan.profile, step == "tastes")
            self._take_input("")
            self._say(f'The page teaches "{device}": its keys are silent until that is done or left.')

    def _follow(self, lesson: LiveLesson) -> None:
        try:
            lesson.look(self._inputs)
            if lesson.done:
                self._end(lesson, lesson.keep(self._folder))
        except LivecomposerError as error:
            self._end(lesson, f"{error}.")

    def _end(self, lesson: LiveLesson, text: str) -> None:
        """The instrument gets its input back, with what the controls mean from now on."""
        lesson.leave()
        self._lesson = None
        self._profiles, _ = load_profiles(self._folder)
        self._take_input(lesson.device)
        self._say_everywhere(text)
