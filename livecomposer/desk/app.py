"""Desk: the parent process of a run. It starts the others, owns the terminal, watches, and keeps files.

``play`` is called by ``cli``; everything here happens on its main thread, 50 times a second, except the hands thread.
"""

import json
import os
import secrets
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from typing import Any

from livecomposer.desk.cables import Cables
from livecomposer.desk.crew import Instrument, Memories, Sound, Studio, Trial, render
from livecomposer.desk.files import check_writable, log_crash
from livecomposer.desk.guard import Guard
from livecomposer.desk.hands import Hands
from livecomposer.desk.keys import Keyboard
from livecomposer.desk.reached import Reached
from livecomposer.desk.screen import HINT, Screen, State
from livecomposer.desk.shelf import Shelf
from livecomposer.desk.wiring import choose, note_kernels
from livecomposer.errors import LivecomposerError
from livecomposer.instrument import inbox
from livecomposer.instrument.guard import GuardMemory
from livecomposer.instrument.live import Wiring
from livecomposer.instrument.records import (
    BROUGHT_BACK,
    BY_RELEASE,
    CHANGED,
    FLAG_CLICK,
    FLAG_HELD,
    FLAG_MUTED,
    NOTHING_REACHED,
    OBEYED,
    SOURCES,
)
from livecomposer.instrument.records import unpack as unpack_record
from livecomposer.instrument.ring import Kind, Record, RingReader, join_chunks
from livecomposer.instrument.snapshot import SharedSnapshot, read_model
from livecomposer.midi.profiles import load_profiles
from livecomposer.music.metre import parse_metre
from livecomposer.music.player import VirtualPlayer
from livecomposer.music.theory import key_names, parse_key
from livecomposer.quiet import hush_libraries
from livecomposer.settings import AGENTS, Settings, user_dir
from livecomposer.studio.keeping import IDLE, Kept

TURN_S = 0.02
WATCH_S = 1.0
READY_S, FIRST_S = 120.0, 900.0  # until it must play: usually, and where its kernels must be compiled
PREPARING_S = 10.0
PEOPLE = (SOURCES.index("midi"), SOURCES.index("page"))  # who plays where an input comes from there


def play(settings: Settings) -> int:
    """Run a performance to its end; returns the exit code. Raises LivecomposerError before anything has begun."""
    return Desk(settings).run()


class Desk:
    """One run."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.screen = Screen(settings.plain)
        self.state = State(key_names=key_names(settings.first_key))
        for path in (settings.export, settings.render):  # before anything is made that would have to be given back
            check_writable(path)
        home = user_dir()
        profiles, problems = load_profiles(home / "devices")
        for problem in problems:
            self.screen.say(f"Warning: {problem}")
        plan = choose(settings, profiles)
        self.model = read_model(settings.model) if settings.model else None
        self.instrument = Instrument()
        self.trial = Trial(settings.agent)
        self._show: Callable[[str], None] = lambda text: None  # until there is a page
        self.shelf = Shelf(
            home, settings.taste, settings.agent, self._say_everywhere, self.instrument.tell, self._tried
        )
        if self.model is not None and self.shelf.learnt is not None:
            self.screen.say(
                f'Warning: "{self.shelf.taste.name}" knows more than a model, so {settings.model} is not used; '
                "begin another --taste with it."
            )
        self.memories = Memories(plan.sound)
        self.reader = RingReader(_buffer(self.memories.ring))
        self.shared = SharedSnapshot(_buffer(self.memories.snapshot))
        self.sound = Sound(self.memories.synth, {}) if self.memories.synth is not None else None
        self.studio = Studio(self.memories.ring, {
            "run": secrets.token_hex(8), "folder": str(home), "port": settings.page_port,
            "token": secrets.token_urlsafe(24) if settings.page else "",
        })  # fmt: skip
        self._show = self.studio.show
        self.guard_memory = GuardMemory(_buffer(self.memories.guard))
        self.guard = Guard(plan.system, plan.midi_out, self.guard_memory, self._sound_send)
        self.cables = Cables(
            plan, profiles, home / "devices", self.guard, self.instrument.tell, self.screen.say, self._say_everywhere
        )
        self.kept = Kept(settings, plan.settings.thru != "off", time.perf_counter_ns())
        self.reached = Reached()
        self.keyboard = Keyboard()
        self.metre = parse_metre(settings.metre)
        player = None
        if plan.virtual_player:
            player = VirtualPlayer(
                settings.role, parse_key(settings.first_key), settings.tempo,
                settings.seed, bar_quarters=self.metre.bar_ticks / 12,
            )  # fmt: skip
        self.hands = Hands(self.keyboard, player, settings.player_channel - 1)
        self.ready = False
        self._played = False  # it has been ready before
        self.ending = False
        self.code = 0
        self._next_watch = 0.0
        self._next_preparing = 0.0
        self._stopped = False
        self._virtual_begun = False
        self._role = settings.role
        self._key = parse_key(settings.first_key).label
        self._hinted = False
        self._saves = 0
        self._shown = False  # the page's address has been said
        self._long: list[Any] = []
        self._asked: list[tuple[str, Any]] = []  # by the page, of the ports

    # ---- the run -------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """From start to end; everything is released and written however it ends."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._end)
        hush_libraries()
        for line in self.cables.plan.lines:
            self.screen.say(line)
        if self.settings.stage:
            self.screen.say("On stage: HELD, it plays without learning until you press Space.")
        if self.guard.problem:
            self.screen.say(f"Warning: {self.guard.problem}")
        begun = time.monotonic()
        try:
            if self.sound is not None:
                self.sound.start()
            if not self.cables.plan.kernels_ready:
                self.screen.say("… preparing kernels (first start: one to two minutes)")
            self._next_preparing = begun + PREPARING_S
            self._start_instrument()
            self.studio.start(self.instrument.page)
            self.cables.start()
            with self.keyboard.raw():
                self.hands.start()
                stop_at = 0.0
                while not self.ending:
                    self._turn()
                    if self.ready and not stop_at:
                        stop_at = time.monotonic() + (self.settings.seconds or 1e12)
                    limit = READY_S if self.cables.plan.kernels_ready else FIRST_S
                    if time.monotonic() > (stop_at or begun + limit):
                        if not stop_at:
                            self.screen.say("The instrument does not start; run `livecomposer doctor`.")
                            self.code = 1
                        break
                    time.sleep(TURN_S)
                self.hands.stop()
                self._stop_instrument()
        finally:
            self._close()
        return self.code

    def _turn(self) -> None:
        self._read_ring()
        for text in self._take_said():
            self.screen.say(text)
        self._watch_sound()
        self._watch_studio()
        agent, good = self.trial.look()
        if agent:
            self.shelf.tried(agent, good)
        if self.hands.saves != self._saves:
            self._saves = self.hands.saves
            self._save_last()
        if self.instrument.dead and not self.ending:
            self._raise_from_the_dead()
        now = time.monotonic()
        self.shelf.save(self.shared, now)
        self._obey()
        if self.ready:
            self.cables.look()
            self.studio.say(**self.cables.facts)
        if not self._played and not self.cables.plan.kernels_ready and now >= self._next_preparing:
            self.screen.say(f"… preparing kernels, {(time.perf_counter_ns() - self.kept.start_ns) * 1e-9:.0f} s")
            self._next_preparing = now + PREPARING_S
        if now >= self._next_watch and self.ready:
            self._next_watch = now + WATCH_S
            self._tell_page()
        self.screen.draw(self.state)

    def _obey(self) -> None:
        """What the page has asked of the ports, which waits while the instrument is being started."""
        if not self.ready:
            return
        asked, self._asked = self._asked, []
        for kind, what in asked:
            if kind == "port":
                self.cables.choose(what["side"], what["name"])
            else:
                self.cables.learn(what)

    def _end(self, *_: Any) -> None:
        self.ending = True

    def _start_instrument(self) -> None:
        wiring = self._wiring()
        self.studio.snapshot(wiring.snapshot or wiring.model)
        self.instrument.start(wiring)
        self.hands.connect(self.instrument.hands)

    def _wiring(self) -> Wiring:
        """What the instrument starts with; one that has died goes on in the role, key and tempo it had."""
        plan, memories, state = self.cables.plan, self.memories, self.state
        agent = self.shelf.taste.agent
        model = self.model if agent == plan.settings.agent else None
        settings = plan.settings.with_(agent=agent, model="")
        if state.role:
            settings = settings.with_(
                role=state.role, key="auto" if self.settings.key == "auto" else state.key,
                tempo=min(max(state.tempo, 30.0), 300.0), count_in=False,
                held=bool(state.flags & FLAG_HELD), stage=False, click=bool(state.flags & FLAG_CLICK),
            )  # fmt: skip
        return Wiring(
            settings=settings, ring=memories.ring.name, guard=memories.guard.name,
            snapshot_memory=memories.snapshot.name, synth_ring=memories.synth.name if memories.synth else None,
            system=plan.system, midi_in=plan.midi_in, midi_out=plan.midi_out, virtual_in=plan.virtual_in,
            virtual_out=plan.virtual_out, profile=plan.profile, snapshot=self.shelf.learnt,
            taste=self.shelf.number, model=model if self.shelf.learnt is None else None,
        )  # fmt: skip

    # ---- what the ring says --------------------------------------------------------------------------------------

    def _read_ring(self) -> None:
        records = self.reader.read()
        for record in records:
            self.kept.take(record)
            self.reached.take(record)
            self.state.take(record, self.metre)
            if record.kind in (Kind.STATUS, Kind.CHUNK):
                self._collect(record)
            elif record.kind == Kind.BEAT:
                self._follow_beat()
            elif record.kind == Kind.RATING:
                self._rated(record)
            elif record.kind in OBEYED:
                self._commanded(record.t_ns, *unpack_record(record))
            elif record.kind == Kind.TASTE:
                self._changed_taste(*unpack_record(record))
            elif record.kind == Kind.INPUT and self.hands.virtual and record.payload[8] in PEOPLE:
                self.hands.human()
        line = self.reached.line(time.perf_counter_ns())
        if line:
            self.screen.say(line)
        if self.reader.lost:
            self.screen.say(f"Warning: {self.reader.lost} records were lost; the files written at the end have a hole.")
            self.reader.lost = 0

    def _rated(self, record: Record) -> None:
        """A rating has been taken: what it means is said once, and that it reached nothing each time."""
        if unpack_record(record)[4] == NOTHING_REACHED:
            self.screen.say("Nothing rated: it has not played just now.")
        elif not self._hinted:
            self._hinted = True
            self.screen.say(HINT)

    def _commanded(self, t_ns: int, name: str, value: float | str | None) -> None:
        """Say what a key or control has done, where the status line does not show it."""
        if name == "undo":
            gone = self.kept.undo()
            what = "press" if gone == IDLE else "answer" if isinstance(gone, str) else "rating"
            self.screen.say(f"There is no {what} to take back." if gone is None else f"Took the last {what} back.")
            self._count()
        elif name == "forget":
            n = self.kept.forget(t_ns)
            what = f"Took {n} rating{'s' if n > 1 else ''} of the last 30 s back."
            self.screen.say(what if n else "There is no rating of the last 30 s to take back.")
            self._count()
        elif name == "taste":
            self.shelf.choose(value)
        elif name == "agent":
            self._choose_agent(value)
        elif name == "panic":
            self.screen.say("Panic: all notes off.")
        else:
            reply = self.state.reply(name, value)
            if reply:
                self.screen.say(reply)

    def _choose_agent(self, value: float | str | None) -> None:
        """The player wants another agent, or the next."""
        now = self.shelf.coming
        agent = str(value) if value is not None else AGENTS[(AGENTS.index(now) + 1) % len(AGENTS)]
        self.shelf.choose_agent(agent)
        self._tell_page()

    def _tried(self, agent: str) -> bool:
        """Whether an agent's kernels are there; if not, they are made, and the shelf is told."""
        known = self.trial.known(self.cables.plan.settings.with_(agent=agent, model=""))
        if not known:
            self._say_everywhere(f"… preparing agent {agent}")
        return known

    def _say_everywhere(self, text: str) -> None:
        """A line that stays, and that the page shows too."""
        self.screen.say(text)
        self._show(text)

    def _count(self) -> None:
        self.state.pairs = self.kept.pairs
        self.state.ratings = len(self.kept.ratings) - self.state.pairs

    def _changed_taste(self, what: int, number: int, crc: int, agent: str) -> None:
        """What has been rated in another taste, or put away, cannot be taken back."""
        if what == BROUGHT_BACK:
            self.kept.unsettle()
            return
        self.kept.settle()
        if what == CHANGED:
            self.shelf.changed(number, self.shared)
            self.studio.snapshot(self.shelf.learnt)
            self._tell_page()

    def _collect(self, record: Any) -> None:
        """A status text may span several records."""
        if record.kind == Kind.STATUS:
            self._long = [record]
        elif self._long:
            self._long.append(record)
        else:
            return
        text = join_chunks(self._long, 0)
        if len(text) == int.from_bytes(self._long[0].payload[:4], "little"):
            self._long = []
            self._status(text.decode(errors="replace"))

    def _status(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        if word == "stage":
            if rest == "opening ports":
                self.guard.hand_back()
        elif word == "ready":
            facts = json.loads(rest)
            where = self.cables.plan.system.label if self.cables.plan.system else "no MIDI system"
            self.screen.in_force = f"[{where}, {'SCHED_FIFO' if facts['fifo'] else 'normal priority'}]"
            keys = "" if self._played else " Keys: ? for help, Ctrl-C to quit."
            self.screen.say(f"Ready {self.screen.in_force} (instrument {facts['pid']}).{keys}")
            self.ready = self._played = True
            self.hands.ready()
            note_kernels(self.cables.plan.settings.agent)
            if self.state.flags & FLAG_MUTED:  # it was muted when it died
                self.instrument.tell(inbox.command(time.perf_counter_ns(), 0, "mute", 1.0))
        elif word == "lost":
            side, _, why = rest.partition(" ")
            self.cables.refuse(side, why)
        elif word == "refused":
            self.shelf.refused(rest)
        elif word == "error":
            self.screen.say(rest)
            self.code, self.ending = 2, True
        elif word == "crash":
            summary, _, trace = rest.partition("\n")
            where = log_crash(user_dir(), trace)
            self.screen.say(f"The instrument stopped on an internal error ({summary}){where}.")
        else:
            self.screen.say(text)

    def _follow_beat(self) -> None:
        """Keep the virtual player on the instrument's bars and in its role."""
        state = self.state
        if not self.hands.virtual:
            return
        beat_ns = 60e9 / state.tempo
        bar_ticks = self.metre.bar_ticks
        bar = -(-(state.tick + 12) // bar_ticks) * bar_ticks
        if state.role in ("harmonize", "answer"):  # there the agent follows: no bar line to wait for
            bar = state.tick + 12
        bar_ns = state.beat_ns + int((bar - state.tick) / 12 * beat_ns)
        if not self._virtual_begun:
            self._virtual_begun = True
            self.hands.begin(bar_ns)
        elif state.role != self._role:
            self._role = state.role
            self.hands.role(state.role, bar_ns)
        elif state.key != self._key:
            self._key = state.key
            self.hands.key(parse_key(state.key))

    def _take_said(self) -> list[str]:
        said = []
        while self.hands.said:
            said.append(self.hands.said.pop(0))
        return said

    # ---- watching over the others --------------------------------------------------------------------------------

    def _raise_from_the_dead(self) -> None:
        """The instrument has died: silence first, then thru, then a new one with what was learnt."""
        now = (time.perf_counter_ns() - self.kept.start_ns) * 1e-9
        for msg in self.guard.release():
            self.kept.add(now, BY_RELEASE, msg)
        self._read_ring()
        if self.ending or self.code:
            return
        self.ready = False
        self.hands.connect(None)
        self.instrument.close_pipes()
        if self.instrument.hopeless:
            self.screen.say("The instrument keeps dying; giving up. Everything played has been kept.")
            self.code, self.ending = 1, True
            return
        self.screen.say("The instrument died; everything is released. Starting it again …")
        if self.cables.plan.settings.thru != "off":
            self.guard.take_over(self.cables.plan.midi_in, self.cables.plan.profile)
        self.shelf.died(self.shared)
        self.kept.settle()
        self._start_instrument()
        self._virtual_begun = False
        self.studio.connect(self.instrument.page)

    def _watch_sound(self) -> None:
        said = self.sound.look() if self.sound is not None else None
        if said is None:
            return
        kind, what = said
        if kind == "ready":
            self.screen.sound_ms = (what.get("latency_s") or 0.0) * 1e3
            self.screen.say(f"Sound: built-in, {what['backend']}, about {self.screen.sound_ms:.0f} ms of buffer.")
        elif kind == "again":
            self.screen.say(f"Warning: {what}.")
        else:
            self.screen.sound_ms = 0.0
            short = what.partition(" (")[0]  # what each library said is doctor's to tell
            self.screen.say(f"No sound: {short}; see `livecomposer doctor`. --render FILE.wav still writes it.")

    def _watch_studio(self) -> None:
        said = self.studio.look()
        if said is None:
            return
        kind, what = said
        if kind == "say":
            self.screen.say(what)
        elif kind == "save":
            self._save_last()
        elif kind in ("port", "learn"):
            self._asked.append((kind, what))
        elif kind == "ready" and what and not self._shown:
            self._shown = True
            self.screen.say(f"Page: {self.studio.address}")
            open_browser(self.studio.address)

    def _tell_page(self) -> None:
        """What else the page shows of desk's."""
        sound = self.screen.sound_ms
        self.studio.say(
            taste=self.shelf.taste.name,
            agent=self.shelf.taste.agent, agents=AGENTS, preparing=self.shelf.preparing, sound_ms=round(sound, 1),
            sound=f"Built-in sound: on, about {sound:.0f} ms of buffer." if sound else "Built-in sound: off.",
            in_force=self.screen.in_force,
        )  # fmt: skip

    def _sound_send(self, msg: bytes) -> None:
        if self.sound is not None:
            self.sound.send(msg)

    # ---- files and the end ---------------------------------------------------------------------------------------

    def _stop_instrument(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        if not self.instrument.stop():
            for msg in self.guard.release():
                self.kept.add((time.perf_counter_ns() - self.kept.start_ns) * 1e-9, BY_RELEASE, msg)
        self._read_ring()
        self.shelf.close(self.shared)
        for path in self.shelf.written:
            self.screen.say(f"What it has learnt is kept in {path}.")

    def _close(self) -> None:
        self.screen.end_line()
        self._try(self._stop_instrument)
        take = self.studio.stop()
        if take is not None:
            self.screen.say(f"Recorded as take {take}: `livecomposer takes` lists it.")
        self.trial.stop()
        if self.sound is not None:
            self._try(self.sound.stop)
        self.guard.close()
        self.cables.stop()
        if self.settings.export:
            self._try(self._exported)
        if self.settings.render and not render(self.kept.sounded, self.settings.render, self.screen.say):
            self.code = self.code or 2
        self.instrument.close_pipes()
        del self.reader, self.shared, self.guard_memory  # views of the shared memory must go before it does
        self.memories.close()

    def _save_last(self) -> None:
        """The last minutes as a file, on a thread of its own: the guard must not wait for the disk."""
        since = (time.perf_counter_ns() - self.kept.start_ns) * 1e-9 - 60.0 * self.settings.save_minutes
        kept, folder = self.kept.copy(), user_dir() / "saved"
        if not any(t >= since for part in (kept.player, kept.agent) for t, _ in part):
            self.screen.say("There is nothing to save: nothing has been played in the last minutes.")
            return

        def save() -> None:
            path = folder / time.strftime("%Y-%m-%d %H-%M-%S.mid")
            try:
                folder.mkdir(parents=True, exist_ok=True)
                kept.export(path, max(since, 0.0))
                self.hands.said.append(f"Saved the last minutes: {path}.")
            except (LivecomposerError, OSError) as error:
                self.hands.said.append(f"Warning: the last minutes cannot be saved ({error}).")

        threading.Thread(target=save, name="save").start()

    def _exported(self) -> None:
        self.kept.export(self.settings.export)
        notes = [sum(m[0] & 0xF0 == 0x90 and m[2] > 0 for _, m in part) for part in (self.kept.player, self.kept.agent)]
        self.screen.say(f"Wrote {self.settings.export} (notes: player {notes[0]}, agent {notes[1]}).")

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except LivecomposerError as error:
            self.screen.say(str(error))
            self.code = self.code or 2


def open_browser(address: str) -> None:
    """Show the page, where somebody sits at a desktop."""
    desktop = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if desktop and sys.stdout.isatty():
        threading.Thread(target=webbrowser.open, args=(address,), name="browser", daemon=True).start()


def _buffer(memory: Any) -> memoryview:
    assert memory.buf is not None
    return memory.buf
