"""One performance as a plain object: MIDI and ratings go in with their times, MIDI comes out, nothing else is touched.

``live`` drives it on real ports in real time; tests, replay, benchmarks and notebooks drive the same code in virtual
time. All calls come from one thread. Output depends only on the settings, the starting snapshot and the log of what
was called when (each entry is handled at its *turn*).

A note's way: ``receive`` (thru ▸ perceive ▸ decide ▸ send, then the slack), or for the agent's own line ``_beat``
(plans, and schedules the coming beat 30 ms ahead) and ``advance`` (sends what is due).
"""

from collections.abc import Callable
from dataclasses import asdict, astuple
from math import isfinite
from typing import Any
from zlib import crc32

from livecomposer.agents.kernels import new_rng
from livecomposer.agents.prior import load_prior
from livecomposer.agents.protocol import Choice
from livecomposer.agents.registry import make_agents
from livecomposer.errors import SettingsError
from livecomposer.instrument import records
from livecomposer.instrument.agenda import BEAT, CLICK, CLICK_OFF, OFF, ON, QUIET, SENSE, WAITED, Agenda
from livecomposer.instrument.call import fine
from livecomposer.instrument.clock import Transport
from livecomposer.instrument.commands import ABOUT, check_command, obey, obey_control
from livecomposer.instrument.echo import AGENTS, FOREIGN, PLAYERS
from livecomposer.instrument.hands import CONTROL, KEY_DOWN, KEY_UP, PEDAL_UP, REAL_TIME, Hands
from livecomposer.instrument.hearing import Hearing
from livecomposer.instrument.learning import Learner, Learning
from livecomposer.instrument.pairs import Pairs
from livecomposer.instrument.part import LEAD_NS, Part
from livecomposer.instrument.plan import Line, Planned
from livecomposer.instrument.records import ANSWERS, BY_AGENT, BY_CLICK, BY_PLAYER, BY_RELEASE, SOURCES, Recorder
from livecomposer.instrument.ring import RingWriter
from livecomposer.instrument.roles import LISTEN, PLAY, QUIET_S, STOPPED, Turns
from livecomposer.instrument.snapshot import load_model, pack_agents, unpack_agents
from livecomposer.instrument.standby import Ready, Standby
from livecomposer.instrument.voices import METRONOME, Voices
from livecomposer.midi.controls import ControlMap
from livecomposer.midi.messages import ACTIVE_SENSING, CC_VOLUME, CONTROL_CHANGE, PROGRAM_CHANGE
from livecomposer.midi.profiles import Profile
from livecomposer.music.actions import TICKS_PER_BEAT
from livecomposer.music.context import BASS, HARMONY, LAST_NOTE, PHRASE, TICK, VOICING, new_own
from livecomposer.music.metre import parse_metre
from livecomposer.music.rules import HEAD_OF, load_weights
from livecomposer.ratings.delay import Delay
from livecomposer.settings import Settings

CHORD_NS = 40_000_000  # keys struck within this are one chord
CLICK_NS = 60_000_000
SENSE_NS = 400_000_000  # active sensing comes every 300 ms (MIDI 1.0); without it the cable is out
NAT = 0.02  # what a nat of the rules is worth in rewards (as the prior's: ``agents.tabular``)
FORM = 1  # seeds the form apart from the agents
HELD_NS = 3_600_000_000_000  # a key's voices sound until it is up: no gap before that


class Performance:
    """See the module. ``sink(t_ns, msg)`` sends at once and may return the time it was sent; without it, messages
    are collected and returned by ``advance``.

    Parameters
    ----------
    settings : Settings
    sink : callable, optional
    profile : Profile, optional
        The controller's profile; its mapped controls become commands and ratings.
    ring : RingWriter, optional
        Where records go.
    clock : callable, optional
        ``() -> t_ns`` for the stamps of decisions; virtual time if None.
    learner : Learner, optional
        Runs jobs and gives their results back through ``adopt``; inline if None.
    snapshot : bytes, optional
        What ``snapshot()`` of an earlier performance gave: its agents go on from there. Raises TasteError.
    start_ns : int
        The time at which the performance begins.
    """

    def __init__(
        self,
        settings: Settings,
        sink: Callable[[int, bytes], int | None] | None = None,
        *,
        profile: Profile | None = None,
        ring: RingWriter | None = None,
        clock: Callable[[], int] | None = None,
        learner: Learner | None = None,
        snapshot: bytes | None = None,
        start_ns: int = 0,
    ) -> None:
        self.settings = settings
        self.recorder = Recorder(ring)
        self.recorder.settings(
            start_ns,
            {
                "settings": asdict(settings),
                "start_ns": start_ns,
                "snapshot_crc": crc32(snapshot or b""),
                "learner": learner is not None,
                "controls": [astuple(control) for control in profile.controls] if profile else [],
            },
        )
        self.now_ns = start_ns
        metre = parse_metre(settings.metre)
        self.bar_ticks, self.beat_ticks = metre.bar_ticks, metre.unit_ticks
        self.hearing = Hearing(settings, metre)
        prior = load_prior(settings.prior)
        agents, taste = make_agents(settings.agent, settings.seed, prior, settings.policy, settings.theory)
        delay = Delay.of(settings.delay, settings.delay_spread)
        held = settings.held or settings.stage
        self.learning = Learning(agents, self.recorder, learner, held, taste, delay)
        if settings.model and snapshot is None:
            load_model(settings.model, settings.agent, agents)
        if snapshot is not None:
            unpack_agents(snapshot, settings.agent, self.learning.kept)
        self.learning.explore(settings.adventure if settings.explore else 0.0)
        if snapshot is not None:
            self.learning.plan()
        self.standby = Standby(
            self.learning, settings.agent,
            lambda agent, seed: make_agents(agent, seed, prior, settings.policy, settings.theory), self.recorder,
            settings.seed,
        )  # fmt: skip
        self.transport = Transport(settings.tempo, start_ns)
        self.turns = Turns(settings.role, metre, settings.trade_bars)
        self.voices = Voices(self._send, settings.thru != "off")
        self.agenda = Agenda()
        self.line = Line(agents, self.hearing.world, prior, new_rng(settings.seed, FORM), self.hearing.chord, taste)
        self.line.shown = self.recorder.heard
        self.part = Part(
            settings, self.line, self.agenda, self.transport, self.turns, self.voices, self.learning, self.recorder
        )
        self.pairs = Pairs(self.part, self.transport, self.turns, self.learning, self.recorder, metre)
        self.line.on_phrase = self.pairs.phrase_begins
        self.hands = Hands(self.voices, ControlMap(profile))
        self.muted = False
        self.click = settings.click
        self.adventure = settings.adventure
        self.outside = settings.outside
        self.level = (settings.agent_level if settings.agent_level >= 0 else 100) / 127  # 100: as synths start
        self.notes_in = 0
        self.notes_out = 0
        self.sent_ns = start_ns  # when the last message was sent
        self.decide_ns = -1  # what the last decision in the path of a note cost

        self._sink = sink
        self._clock = clock
        self._out: list[tuple[int, bytes]] = []
        self._sent: list[tuple[int, int, int, int, bytes]] = []  # outputs of this turn, recorded in its slack
        self._by = BY_PLAYER
        self._due = start_ns
        self._beat_gen = 0
        self._beat_tick = -1  # the last beat handled
        self._quiet_gen = 0
        self._late_until = start_ns - 1
        self._late_from = -1
        self._own = new_own()  # of harmonize
        self._theory = settings.theory * NAT * load_weights()[None, :] * (HEAD_OF[None, :] == [[0], [1], [2]])
        self._chord_ns = -HELD_NS  # a key may be struck before it begins
        self._phrase_over = True  # of harmonize
        self._heard_ns = start_ns
        self._chord_shown = (-1, 0)
        self._sensing = False
        self._count_in_until = 0
        self._programs()
        self.begin_role(start_ns, settings.role)
        self._slack()

    # ---- what enters -------------------------------------------------------------------------------------------

    def receive(self, t_ns: int, msg: bytes, turn_ns: int | None = None, port: int = 0) -> None:
        """One whole MIDI message from the player, come in at ``t_ns`` and taken at ``turn_ns`` (default: at once).

        Real-time safe. Anything malformed is counted and otherwise ignored.
        """
        turn = self._turn(t_ns if turn_ns is None else turn_ns)
        self._by, self._due, self._heard_ns, self.decide_ns = BY_PLAYER, t_ns, turn, -1
        kind, a, b = self.hands.take(msg, t_ns)
        answer = None
        if kind == KEY_DOWN:
            answer = self._key_down(a, b, t_ns, turn)
        elif kind == KEY_UP:
            self._key_up(a, b, t_ns, turn)
        elif kind == PEDAL_UP:
            self._by = BY_AGENT
            self.voices.pedal_up()
        # the note has left
        self._record_late()
        self.recorder.input(turn, t_ns, port, msg)
        if kind == KEY_DOWN:
            self._heard(a, b, t_ns, turn, answer)
        elif kind == KEY_UP and self.hearing.key_up(t_ns, a):
            self.heard_otherwise(turn)
        elif kind == CONTROL:
            obey_control(self, turn, a, b, t_ns)
        elif kind == REAL_TIME:
            self._real_time(a, t_ns, turn)
        self._slack()

    def rate(
        self, t_ns: int, value: float, turn_ns: int | None = None, source: str = "api", about: str | None = None
    ) -> None:  # fmt: skip
        """A rating in -1..1 (others are clipped, what is no finite number is ignored), pressed at ``t_ns`` (later than
        now: now; more than a minute ago: ignored).

        A program ("api") says what it means: each of its ratings counts, as strong as given. Of the player's sources
        ("keys", "midi", "page") presses bounce, repeat or correct each other (``ratings.presses``), and the strength
        of a graded control is its rank among the presses on it (``ratings.strength``). ``about`` "rhythm", "notes" or
        "chords" is as if the control for it were held (commands ``about_...``), for this rating. Raises SettingsError
        for another of either.
        """
        if source not in SOURCES:
            raise SettingsError(f"source = {source!r} is not one of {', '.join(SOURCES)}")
        turn = self._turn(t_ns if turn_ns is None else turn_ns)
        if about is not None:
            name = f"about_{about}"
            check_command(name, 1)
            if isfinite(value) and ABOUT[name] not in self.learning.about:
                self.command(turn, name, 1)
                self.rate(t_ns, value, turn, source)
                self.command(turn, name, 0)
                return
        self._record_late()
        if isfinite(value):
            self.take_rating(turn, t_ns, value, SOURCES.index(source))
        self._slack()

    def prefer(self, t_ns: int, answer: str) -> None:
        """The answer to an A/B pair: "a" (the first), "b" or "neither". Raises SettingsError for another."""
        name = next((name for name, said in ANSWERS.items() if said == answer), None)
        if name is None:
            raise SettingsError(f"answer = {answer!r} is not one of {', '.join(ANSWERS.values())}")
        self.command(t_ns, name)

    def undo_rating(self, t_ns: int | None = None) -> None:
        """Take the last rating back, as if it had never been."""
        self.command(self.now_ns if t_ns is None else t_ns, "undo")

    def freeze(self, on: bool = True, t_ns: int | None = None) -> None:
        """HELD: play on without learning."""
        self.command(self.now_ns if t_ns is None else t_ns, "held", 1.0 if on else 0.0)

    def command(self, t_ns: int, name: str, value: float | str | None = None) -> None:
        """One of ``records.COMMANDS``; None toggles, or takes the next. Raises SettingsError on what is not allowed,
        and then changes nothing."""
        check_command(name, value)
        turn = self._turn(t_ns)
        self._record_late()
        self.recorder.command(turn, name, value)
        obey(self, turn, name, value)
        self._slack()

    def change_taste(self, t_ns: int, taste: Ready | bytes | None, agent: str | None = None) -> None:
        """Go on with another taste, and with its agent: a model file (None: begin anew, by ``agent``, by default the
        one that plays), or what ``standby.ready`` has made of one.

        Raises TasteError or SettingsError for what cannot be used, and then changes nothing.
        """
        ready = taste if isinstance(taste, Ready) else self.standby.ready(taste, agent=agent)
        turn = self._turn(t_ns)
        self._record_late()
        if self.standby.take(turn, ready):
            self.line.decided_by(self.learning.agents, self.learning.taste)
        self.ratings_changed()
        self._slack()

    def late(self, turn_ns: int) -> None:
        """Live saw the budget overrun: decisions from here to ``turn_ns`` are the fallback's."""
        self._late_from = self._turn(self.now_ns)  # what was due before is not late
        self._late_until = turn_ns

    def adopt(self, t_ns: int, number: int, results: list[Any]) -> None:
        """The learner has finished a job."""
        turn = self._turn(t_ns)
        self._record_late()
        self.recorder.adopt(turn, number)
        self.learning.adopt(number, results)
        self._slack()

    def take_up(self, t_ns: int, profile: Profile | None) -> None:
        """Another controller is plugged in: its controls are obeyed from here on."""
        turn = self._turn(t_ns)
        self._record_late()
        self.recorder.controls(turn, [astuple(control) for control in profile.controls] if profile else [])
        self.hands.controls = ControlMap(profile)
        self._slack()

    def advance(self, until_ns: int) -> list[tuple[int, bytes]]:
        """Do all that is due up to and including ``until_ns``; returns what was sent since the last call."""
        self._turn(until_ns)
        self._record_late()
        self._slack()
        out, self._out = self._out, []
        return out

    def next_due_ns(self) -> int:
        """When ``advance`` will next have something to do."""
        return self.agenda.next_ns()

    def snapshot(self) -> bytes:
        """What the agents have learnt, as the bytes of a model file."""
        return pack_agents(self.standby.agent, self.learning.kept)

    def release(self, t_ns: int) -> None:
        """The end: everything that sounds, ends."""
        self._turn(t_ns)
        self._record_late()
        self.panic()
        self.turns.phase = STOPPED
        self.moved_grid(self.now_ns)  # voids a click that was coming
        self._slack()
        self.recorder.end(self.now_ns)

    # ---- before the note leaves --------------------------------------------------------------------------------

    def _key_down(self, note: int, velocity: int, t_in: int, turn: int) -> tuple[Choice, int, int] | None:
        """A key is down and through: answer it (harmonize), sound with it (duet), or give way (answer, solo)."""
        turns = self.turns
        self.keys_changed()
        answer = None
        tick = self.transport.tick_at(t_in)
        melody = self.hearing.struck(t_in, tick, note)
        self.part.struck_ns = t_in
        if turns.role == "harmonize":
            if not self.muted and turns.phase != STOPPED:
                answer = self._harmonize(note, velocity, t_in, turn)
        elif self.part.waiting is not None and melody:
            waiting, self.part.waiting = self.part.waiting, None
            self._sound(turn, waiting)
        elif self.part.ending < 0:  # END is a promise: its cadence comes
            sign = turns.player_on(self.transport.tick_at(turn))
            if "yield" in sign:
                self.part.give_way(turn)
            if "call" in sign:
                self._call(t_in)
        self.notes_in += 1
        self._quiet_gen += 1
        return answer

    def _harmonize(self, note: int, velocity: int, t_in: int, turn: int) -> tuple[Choice, int, int] | None:
        """Perceive ▸ decide ▸ send under one key. Returns (choice, step, time decided)."""
        voices, settings, own = self.voices, self.settings, self._own
        self._by = BY_AGENT
        if t_in - self._chord_ns <= CHORD_NS:  # a later key of the same chord only removes what it clashes with
            voices.end_where(lambda key, added: key >= 0 and abs(added - note) <= 2)
            return None
        self._chord_ns = t_in
        voices.key_up(note, False)  # struck again under the pedal: its old voices end
        began = self._clock() if self._clock else turn
        own[TICK] = int(self.transport.tick_at(turn))
        choice = self.line.harmonize(own, note, turn <= self._late_until)
        decided = self._clock() if self._clock else turn
        self.decide_ns = decided - began
        channel = (settings.player_channel if settings.share_sound else settings.agent_channel) - 1
        steps = self.learning.steps[HARMONY]
        for added in self.line.ladder.voicing(choice.action, note, settings.keep == "top"):
            if not voices.player_holds(added):
                voices.on(channel, added, max(1, velocity * 4 // 5), steps.first + steps.n, note)
                self.notes_out += 1
        return choice, decided, self.sent_ns

    def _key_up(self, note: int, channel: int, t_in: int, turn: int) -> None:
        voices = self.voices
        self._by = BY_AGENT
        voices.key_up(note, voices.pedal[channel] >= 64)
        self.keys_changed()
        if voices.keys_down == 0:
            if self.turns.role == "harmonize":
                self.learning.silent(turn)
            self.await_quiet(turn)

    def keys_changed(self) -> None:
        """The player holds more keys, or fewer."""
        self.hearing.held(self.voices.keys_down)

    def _send(self, msg: bytes, step: int) -> None:
        """One driver call for one message; its record is written in the slack."""
        if self._sink is None:
            self.sent_ns = self.now_ns
            self._out.append((self.now_ns, msg))
        else:
            self.sent_ns = self._sink(self.now_ns, msg) or self.now_ns
        self._sent.append((self.sent_ns, self._due, step, self._by, msg))
        heard = self.voices.heard[msg[0] & 15]
        self.hands.echo.sent(msg, self.now_ns, FOREIGN if not heard else PLAYERS if self._by == BY_PLAYER else AGENTS)

    # ---- time --------------------------------------------------------------------------------------------------

    def _turn(self, turn_ns: int) -> int:
        """Handle all that is due up to ``turn_ns``, in order of time; note-offs first within a moment."""
        agenda = self.agenda
        while agenda.next_ns() <= turn_ns:
            due, kind, gen, what = agenda.pop()
            if due > self.now_ns:
                self.now_ns = due
            self._due = due
            if kind <= CLICK_OFF:
                self._by = BY_AGENT if kind == OFF else BY_CLICK
                self.voices.off(what, gen)
            elif kind == ON:
                if gen == self.part.gen and not self.muted and not self.part.waits(due, what):
                    self._sound(due, what)
            elif kind == WAITED:
                waiting = self.part.waiting
                if gen == self.part.gen and waiting is not None and waiting is what:
                    self.part.waiting = None
                    if not self.muted:
                        self._sound(due, waiting)
            elif kind == BEAT:
                if gen == self._beat_gen:
                    self._beat(due, what)
            elif kind == CLICK:
                if gen == self._beat_gen:
                    self._tick_tock(due, what)
            elif kind == QUIET:
                if gen == self._quiet_gen and self.voices.keys_down == 0:
                    self._quiet(due)
            elif kind == SENSE:
                self._sense(due)
        if turn_ns > self.now_ns:
            self.now_ns = turn_ns
        return self.now_ns

    def by(self, who: int) -> None:
        """On whose behalf the next messages are sent (``records.BY_...``)."""
        self._by = who

    def moved_grid(self, t_ns: int, again: bool = False) -> None:
        """The grid has moved: find the coming beat anew and move what is scheduled of the line along (what would now
        lie in the past does not sound). A beat that falls on ``t_ns`` is handled ``again`` only if asked."""
        transport = self.transport
        self._beat_gen += 1
        tick = transport.tick_at(t_ns) - 1e-6  # rounding
        beat = int(tick // self.beat_ticks + 1) * self.beat_ticks
        if beat <= min(tick + 2e-6, self._beat_tick) and not again:
            beat += self.beat_ticks
        self.part.moved(t_ns)
        self.agenda.push(max(transport.ns_at(beat) - LEAD_NS, t_ns), BEAT, self._beat_gen, beat)

    def _beat(self, due: int, tick: int) -> None:
        """30 ms before a beat: turns, the agent's part, the click, what has matured."""
        transport, turns = self.transport, self.turns
        at = transport.ns_at(tick)
        if at - LEAD_NS > due + 1_000_000:  # an external clock has slowed down: not yet
            self.agenda.push(at - LEAD_NS, BEAT, self._beat_gen, tick)
            return
        self._beat_tick = tick
        if turns.bar(tick):
            self.hearing.call.write(self.line.trace, transport, at)
            self.part.begin(turns.trade_ticks)
            self.hearing.call.clear()
        self.part.beat(due, tick, self.muted, due <= self._late_until)
        self.pairs.beat(due, tick)
        counting_in = self._count_in_until - self.bar_ticks <= tick < self._count_in_until
        if turns.phase != STOPPED and (self.click or counting_in):
            self.agenda.push(at, CLICK, self._beat_gen, 76 if tick % self.bar_ticks == 0 else 77)
        after = tick + self.beat_ticks
        self.agenda.push(transport.ns_at(after) - LEAD_NS, BEAT, self._beat_gen, after)
        self.learning.mature(due)
        self._record_beat(at, tick)

    def _sound(self, due: int, event: Planned) -> None:
        """A planned event's moment has come: heard against a key of the player that has just come, in a duet."""
        self._by = BY_AGENT
        event = self.part.heard_against(due, event)
        self.notes_out += self.part.sound(due, event)
        decided = due - LEAD_NS
        for head, choice in enumerate(event.choices):
            if choice is not None and event.mind == self.line.mind:  # else nobody is there to learn from it
                reward = float(self._theory[head] @ event.columns) if self.settings.theory else 0.0
                number = self.learning.step(head, due, event.phrase, choice, reward)
                self._record_decision(head, choice, number, (decided, decided, self.sent_ns))

    def _tick_tock(self, due: int, note: int) -> None:
        self._by = BY_CLICK
        slot = self.voices.on(self.settings.click_channel - 1, note, 100, -1, METRONOME)
        if slot >= 0:
            self.agenda.push(due + CLICK_NS, CLICK_OFF, self.voices.serial[slot], slot)

    # ---- turns -------------------------------------------------------------------------------------------------

    def begin_role(self, t_ns: int, role: str) -> None:
        """Take up a role now: the agent's line of the old one ends, keys keep what they hold."""
        self.pairs.drop(t_ns)
        self.part.cancel()
        self.part.end_notes(t_ns)
        self.part.ending = -1
        self.turns.role = role
        self.hearing.set_role(role)
        self.turns.begin(self.transport.tick_at(t_ns), self.settings.count_in)
        counted = self.turns.phase == PLAY and role == "duet" and self.settings.count_in
        self._count_in_until = self.turns.start_tick if counted else 0
        if self.turns.phase == PLAY:
            self.part.begin()
        self.moved_grid(t_ns, again=True)  # its first beat may have been passed over already

    def finish(self, turn: int) -> None:
        """END: cadence and stop (at once, if the agent is not playing); once more: go on."""
        turns = self.turns
        self.pairs.leave(turn)
        if turns.phase == STOPPED or self.part.ending >= 0:
            self.begin_role(turn, turns.role)
        elif turns.phase == PLAY and not self.muted:
            self.part.finish(turn)
        else:
            turns.phase = STOPPED

    def panic(self) -> None:
        """Everything that sounds ends now."""
        self._by = BY_RELEASE
        self.pairs.drop(self.now_ns)
        self.part.cancel()
        self.voices.release()
        self.learning.silent(self.now_ns)

    def await_quiet(self, turn: int) -> None:
        """From now on, max(1 beat, 0.4 s) without a key ends the call."""
        beat = self.transport.ns_at(TICKS_PER_BEAT) - self.transport.ns_at(0)
        self._quiet_gen += 1
        self.agenda.push(turn + max(beat, int(QUIET_S * 1e9)), QUIET, self._quiet_gen)

    def _quiet(self, due: int) -> None:
        self._phrase_over = True
        if self.hearing.rest():
            self.heard_otherwise(due)
        turns = self.turns
        if turns.answering:
            self._reply(due)
            return
        tick = self.transport.tick_at(due)
        if turns.quiet(tick, self.transport.tick_at(due + LEAD_NS) - tick):
            self.part.begin()
            if turns.start_tick <= self._beat_tick:  # passed over already
                self.moved_grid(due, again=True)

    def _reply(self, due: int) -> None:
        """The call is over: its tempo and beat are taken up, and the reply begins on a beat, which begins a bar."""
        transport, call, turns = self.transport, self.hearing.call, self.turns
        if call.n == 0:
            turns.phase = LISTEN
            return
        beat = self.beat_ticks
        if not transport.external:
            tempo, beat_ns, _ = call.pulse.estimate(transport.tempo)
            transport.set_tempo(tempo, due)
            transport.rebase(beat_ns, round(transport.tick_at(beat_ns) / beat) * beat)
        tick = transport.tick_at(due)
        start = turns.reply_beat(tick, transport.tick_at(due + LEAD_NS) - tick)
        if not transport.external:
            bar = -(-start // self.bar_ticks) * self.bar_ticks
            transport.rebase(due, tick + bar - start)
            start = bar
        first, end = call.span(due)
        call.write(self.line.trace, transport, due)
        begun = fine(transport.tick_at(first)) // beat * beat
        turns.reply(start, transport.tick_at(end) - transport.tick_at(first))
        self.part.begin(start - begun)
        self.moved_grid(due, again=True)

    def _call(self, t_in: int) -> None:
        """A call begins: the grid starts with its first note, unless another clock gives it."""
        self.hearing.call.clear()
        tick = self.transport.tick_at(t_in)
        if self.transport.external:
            self.turns.call(int(tick // self.bar_ticks) * self.bar_ticks)
            return
        bar = int(-(-tick // self.bar_ticks)) * self.bar_ticks
        self.transport.rebase(t_in, bar)
        self.turns.call(bar)
        self.moved_grid(t_in, again=True)

    # ---- the slack: the note has left --------------------------------------------------------------------------

    def _heard(
        self, note: int, velocity: int, t_in: int, turn: int, answer: tuple[Choice, int, int] | None
    ) -> None:  # fmt: skip
        """A key has been struck, and answered if it was to be."""
        self.part.hear(t_in, velocity)
        if self.pairs.on:
            self.pairs.drop(turn)
        self.hearing.call.key_down(t_in, note, velocity)
        if answer is not None:
            self._answered(note, answer, t_in)
        if self.hearing.key_down(t_in, self.transport.tick_at(t_in), note):
            self.heard_otherwise(turn)

    def heard_otherwise(self, turn: int) -> None:
        """The key or the chord is another: what is planned behind the next beat is decided again."""
        self.line.cut(self.part.next_beat(turn))
        self.line.ladder = self.hearing.chord(self._own)

    def _answered(self, note: int, answer: tuple[Choice, int, int], t_in: int) -> None:
        choice, decided, sent = answer
        if self._phrase_over:
            self.line.own[PHRASE] += 1
            self._phrase_over = False
        added = self.line.ladder.voicing(choice.action, note, self.settings.keep == "top")
        self._own[LAST_NOTE], self._own[VOICING] = note, choice.action
        self._own[BASS] = min(added) if added else -1
        number = self.learning.step(HARMONY, t_in, self.line.phrase, choice)
        self.learning.sounded(t_in, t_in + HELD_NS, self.line.phrase)
        self._record_decision(HARMONY, choice, number, (t_in, decided, sent))

    def take_rating(self, turn: int, t_pressed: int, value: float, source: int, control: int = -1) -> None:
        """Credit a rating that was pressed at ``t_pressed`` and is taken at ``turn``."""
        value = min(max(float(value), -1.0), 1.0)
        over = self._phrase_over if self.turns.role == "harmonize" else self.part.phrase_over()
        taken = self.learning.rate(turn, min(t_pressed, turn), value, source, over, control)
        if taken is None or self.pairs.on:
            self.pairs.go_on_trying()  # a pair is heard out
            return
        if value < 0.0:
            self.part.disliked(turn)
        elif value > 0.0 and taken.t_ns >= 0:
            self.part.liked(turn, taken.t_ns, taken.strength)

    def ratings_changed(self) -> None:
        """Ratings have been taken back, or what is learnt stands elsewhere."""
        self.part.taken_back()
        self.pairs.go_on_trying()

    def _real_time(self, status: int, t_in: int, turn: int) -> None:
        """Active sensing, or the clock of another machine."""
        if status == ACTIVE_SENSING:
            if not self._sensing:
                self.agenda.push(turn + SENSE_NS, SENSE, 0)
            self._sensing = True
        elif self.transport.real_time(status, t_in, self.settings.clock, self.bar_ticks):
            self.moved_grid(t_in)

    def _sense(self, due: int) -> None:
        """Active sensing has begun, and now nothing at all comes any more: the cable is out."""
        if due - self._heard_ns >= SENSE_NS:
            self._sensing = False
            obey(self, due, "in_lost", None)
        else:
            self.agenda.push(self._heard_ns + SENSE_NS, SENSE, 0)

    def _slack(self) -> None:
        for sent, due, step, by, msg in self._sent:
            self.recorder.output(sent, due, step, by, msg)
        self._sent.clear()
        self.part.replan(self.now_ns)

    def _record_late(self) -> None:
        if self._late_from >= 0:
            self.recorder.late(self._late_until, self._late_from)
            self._late_from = -1

    def _record_decision(self, head: int, choice: Choice, number: int, stamps: tuple[int, int, int]) -> None:
        value = choice.liking + self.learning.agents[head].value(choice.state, choice.features, choice.action)
        self.recorder.decision(head, choice.late, choice.action, number, stamps, value, choice.prior)

    def _record_beat(self, at: int, tick: int) -> None:
        flags = records.FLAG_HELD * self.learning.held | records.FLAG_MUTED * self.muted
        flags |= records.FLAG_CLICK * self.click | records.FLAG_EXTERNAL * self.transport.external
        key = self.hearing.key
        classes = sum(1 << (key.tonic + i) % 12 for i in key.intervals)
        tempo, turns = self.transport.tempo, self.turns
        chord = self.hearing.chord_at(tick)
        if chord != self._chord_shown:
            self._chord_shown = chord
            self.recorder.chord(at, *chord)
        self.recorder.beat(at, tick, tempo, key.tonic, turns.phase, classes, turns.role, flags)

    def _programs(self) -> None:
        """Programs and levels that the settings ask for, sent at the start."""
        s = self.settings
        self._by = BY_AGENT
        for channel, program, level in (
            (s.player_channel - 1, s.player_program, s.player_level),
            (s.agent_channel - 1, s.agent_program, s.agent_level),
        ):
            if program >= 0:
                self._send(bytes((PROGRAM_CHANGE | channel, program)), -1)
            if level >= 0:
                self.send_level(channel, level)

    def send_level(self, channel: int, level: int) -> None:
        """Set a channel's volume (CC 7)."""
        self._by = BY_AGENT
        self._send(bytes((CONTROL_CHANGE | channel, CC_VOLUME, level)), -1)
