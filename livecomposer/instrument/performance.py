"""One performance as a plain object: MIDI and ratings go in with their times, MIDI comes out, nothing else is touched.

``live`` drives it on real ports in real time; tests, replay, benchmarks and notebooks drive the same code in virtual
time. All calls come from one thread. Output depends only on the settings, the starting snapshot and the log of what
was called when (each entry is handled at its *turn*).

A note's way: ``receive`` (thru ▸ perceive ▸ decide ▸ send, then the slack), or for the agent's own line ``_beat``
(plans, and schedules the coming beat 30 ms ahead) and ``advance`` (sends what is due).
"""

import heapq
from collections.abc import Callable
from dataclasses import asdict, astuple
from typing import Any
from zlib import crc32

from livecomposer.agents.protocol import Choice
from livecomposer.agents.registry import make_agents
from livecomposer.instrument import records
from livecomposer.instrument.clock import Transport
from livecomposer.instrument.commands import KNOB_STEPS, check_command, knob, obey
from livecomposer.instrument.hands import CONTROL, KEY_DOWN, KEY_UP, PEDAL_UP, REAL_TIME, Hands
from livecomposer.instrument.learning import Learner, Learning
from livecomposer.instrument.plan import Line, Planned
from livecomposer.instrument.records import BY_AGENT, BY_CLICK, BY_PLAYER, BY_RELEASE, SOURCES, Recorder
from livecomposer.instrument.ring import RingWriter
from livecomposer.instrument.roles import PHRASE_BARS, PLAY, QUIET_S, STOPPED, Turns
from livecomposer.instrument.snapshot import pack_agents, unpack_agents
from livecomposer.instrument.voices import LINE, Voices
from livecomposer.midi.controls import ControlMap
from livecomposer.midi.messages import (
    ACTIVE_SENSING,
    CC_VOLUME,
    CLOCK,
    CONTINUE,
    CONTROL_CHANGE,
    PROGRAM_CHANGE,
    START,
    STOP,
)
from livecomposer.midi.profiles import Profile
from livecomposer.music.actions import TICKS_PER_BEAT, Ladder
from livecomposer.music.context import HARMONY, PLAYER_HELD, PLAYER_NOTE, TICK, new_context
from livecomposer.music.theory import Key, parse_key
from livecomposer.settings import Settings

LEAD_NS = 30_000_000  # a beat is planned and scheduled this long before it sounds
CHORD_NS = 40_000_000  # keys struck within this are one chord
CLICK_NS = 60_000_000
GATE = 0.92  # of an event's length sounds
VELOCITY_NS = 2_000_000_000
SENSE_NS = 400_000_000  # active sensing comes every 300 ms (MIDI 1.0); without it the cable is out
HELD_NS = 3_600_000_000_000  # a key's voices sound until it is up: no gap before that
# what can be due, in the order in which a moment's events are handled
OFF, QUIET, SENSE, BEAT, ON, CLICK = range(6)


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
                "controls": [astuple(control) for control in profile.controls] if profile else [],
            },
        )
        self.now_ns = start_ns
        self.key: Key = parse_key(settings.key)
        self.ladder = Ladder(self.key.tonic, self.key.intervals)
        self.bar_ticks = settings.beats_per_bar * TICKS_PER_BEAT
        agents = make_agents(settings.agent, settings.seed)
        if snapshot is not None:
            unpack_agents(snapshot, settings.agent, agents)
        for agent in agents:
            agent.explore(settings.adventure)
        self.learning = Learning(agents, self.recorder, learner, settings.held)
        self.line = Line(agents, self.ladder, settings.low, settings.high, settings.beats_per_bar)
        self.transport = Transport(settings.tempo, start_ns)
        self.turns = Turns(settings.role, self.bar_ticks, settings.trade_bars)
        self.voices = Voices(self._send, settings.thru != "off")
        self.hands = Hands(self.voices, ControlMap(profile))
        self.muted = False
        self.click = settings.click
        self.adventure = settings.adventure
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
        self._heap: list[tuple[int, int, int, int, Any]] = []
        self._count = 0
        self._beat_gen = 0
        self._beat_tick = -1  # the last beat handled
        self._line_gen = 0
        self._quiet_gen = 0
        self._late_until = start_ns - 1
        self._late_from = -1
        self._context = new_context(settings.beats_per_bar)
        self._chord_ns = start_ns - CHORD_NS - 1
        self._phrase_over = True  # of harmonize
        self._pending = 0  # events of the line that are scheduled and have not sounded
        self._velocities: list[tuple[int, int]] = []
        self._level = 72
        self._heard_ns = start_ns
        self._sensing = False
        self._count_in_until = 0
        self._ending = -1
        self._replan = False
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
            self._key_up(a, b, turn)
        elif kind == PEDAL_UP:
            self._by = BY_AGENT
            self.voices.pedal_up()
        # the note has left
        self._record_late()
        self.recorder.input(turn, t_ns, port, msg)
        if answer is not None:
            self._answered(answer, t_ns)
        elif kind == CONTROL:
            self._control(a, b, t_ns, turn)
        elif kind == REAL_TIME:
            self._real_time(a, t_ns, turn)
        self._slack()

    def rate(self, t_ns: int, value: float, turn_ns: int | None = None, source: str = "api") -> None:
        """A rating in -1..1 (others are clipped, NaN is ignored), pressed at ``t_ns``."""
        turn = self._turn(t_ns if turn_ns is None else turn_ns)
        self._record_late()
        if value == value:
            self._rate(turn, min(t_ns, turn), value, SOURCES.index(source))
        self._slack()

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

    def late(self, turn_ns: int) -> None:
        """Live saw the budget overrun: decisions from here to ``turn_ns`` are the fallback's."""
        self._late_from = self.now_ns
        self._late_until = turn_ns

    def adopt(self, t_ns: int, number: int, results: list[Any]) -> None:
        """The learner has finished a job."""
        turn = self._turn(t_ns)
        self._record_late()
        self.recorder.adopt(turn, number)
        self.learning.adopt(number, results)
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
        return self._heap[0][0]

    def snapshot(self) -> bytes:
        """What the agents have learnt, as the bytes of a model file."""
        return pack_agents(self.settings.agent, self.learning.agents)

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
        """A key is down and through: answer it (harmonize), or give way (answer, solo)."""
        turns = self.turns
        self.keys_changed()
        answer = None
        if turns.role == "harmonize":
            if not self.muted and turns.phase != STOPPED:
                answer = self._harmonize(note, velocity, t_in, turn)
        else:
            sign = turns.player_on(self.transport.tick_at(turn))
            if "yield" in sign:
                self._yield(turn)
            if "call" in sign:
                self._call(t_in)
        self._context[PLAYER_NOTE] = self.line.context[PLAYER_NOTE] = note
        self.notes_in += 1
        self._quiet_gen += 1
        self._velocities = [*self._velocities[-15:], (t_in, velocity)]
        return answer

    def _harmonize(self, note: int, velocity: int, t_in: int, turn: int) -> tuple[Choice, int, int] | None:
        """Perceive ▸ decide ▸ send under one key. Returns (choice, step, time decided)."""
        voices, settings = self.voices, self.settings
        self._by = BY_AGENT
        if t_in - self._chord_ns <= CHORD_NS:  # a later key of the same chord only removes what it clashes with
            voices.end_where(lambda key, added: key != LINE and abs(added - note) <= 2)
            return None
        self._chord_ns = t_in
        voices.key_up(note, False)  # struck again under the pedal: its old voices end
        began = self._clock() if self._clock else turn
        self._context[TICK] = int(self.transport.tick_at(turn))
        choice = self.line.harmonize(self._context, note, turn <= self._late_until)
        decided = self._clock() if self._clock else turn
        self.decide_ns = decided - began
        channel = (settings.player_channel if settings.share_sound else settings.agent_channel) - 1
        steps = self.learning.steps[HARMONY]
        for added in self.ladder.voicing(choice.action, note, settings.keep == "top"):
            if not voices.player_holds(added):
                voices.on(channel, added, max(1, velocity * 4 // 5), steps.first + steps.n, note)
                self.notes_out += 1
        return choice, decided, self.sent_ns

    def _key_up(self, note: int, channel: int, turn: int) -> None:
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
        self._context[PLAYER_HELD] = self.line.context[PLAYER_HELD] = self.voices.keys_down

    def _send(self, msg: bytes, step: int) -> None:
        """One driver call for one message; its record is written in the slack."""
        if self._sink is None:
            self.sent_ns = self.now_ns
            self._out.append((self.now_ns, msg))
        else:
            self.sent_ns = self._sink(self.now_ns, msg) or self.now_ns
        self._sent.append((self.sent_ns, self._due, step, self._by, msg))
        self.hands.echo.sent(msg, self.sent_ns, not self.voices.heard[msg[0] & 15])

    # ---- time --------------------------------------------------------------------------------------------------

    def _turn(self, turn_ns: int) -> int:
        """Handle all that is due up to ``turn_ns``, in order of time; note-offs first within a moment."""
        heap = self._heap
        while heap[0][0] <= turn_ns:  # never empty: there is always a next beat
            due, kind, _, gen, what = heapq.heappop(heap)
            if due > self.now_ns:
                self.now_ns = due
            self._due = due
            if kind == OFF:
                self._by = BY_AGENT
                self.voices.off(what, gen)
            elif kind == ON:
                if gen == self._line_gen and not self.muted:
                    self._sound(due, what)
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

    def push(self, t_ns: int, kind: int, gen: int, what: Any) -> None:
        """Schedule; ``gen`` lets a later change of mind void it."""
        self._count += 1
        heapq.heappush(self._heap, (t_ns, kind, self._count, gen, what))

    def moved_grid(self, t_ns: int, again: bool = False) -> None:
        """The grid has moved: find the coming beat anew and move what is scheduled of the line along (what would now
        lie in the past does not sound). A beat that falls on ``t_ns`` is handled ``again`` only if asked."""
        transport = self.transport
        self._beat_gen += 1
        tick = transport.tick_at(t_ns) - 1e-6  # rounding
        beat = int(tick // TICKS_PER_BEAT + 1) * TICKS_PER_BEAT
        if beat <= min(tick + 2e-6, self._beat_tick) and not again:
            beat += TICKS_PER_BEAT
        for i, (_, kind, count, gen, what) in enumerate(self._heap):
            if kind == ON and gen == self._line_gen:
                at = transport.ns_at(what.tick)
                past = at < t_ns - 1
                self._pending -= past
                self._heap[i] = (at, kind, count, -1 if past else gen, what)
        heapq.heapify(self._heap)
        self.push(max(transport.ns_at(beat) - LEAD_NS, t_ns), BEAT, self._beat_gen, beat)

    def next_beat(self, t_ns: int) -> int:
        """The first beat (in ticks) that is not scheduled yet at ``t_ns``."""
        return int(self.transport.tick_at(t_ns + LEAD_NS) // TICKS_PER_BEAT + 1) * TICKS_PER_BEAT

    def _beat(self, due: int, tick: int) -> None:
        """30 ms before a beat: turns, plan, the events that start in it, the click, what has matured."""
        transport, turns, line, learning = self.transport, self.turns, self.line, self.learning
        at = transport.ns_at(tick)
        if at - LEAD_NS > due + 1_000_000:  # an external clock has slowed down: not yet
            self.push(at - LEAD_NS, BEAT, self._beat_gen, tick)
            return
        self._beat_tick = tick
        if turns.bar(tick):
            self._speak()
        if 0 <= self._ending <= tick:
            self._ending = -1
            turns.phase = STOPPED
            line.stop()
        if turns.phase == PLAY and not self.muted:
            if not line.active:  # after a panic or a mute: from here on
                turns.start_tick = max(turns.start_tick, tick)
                self._speak()
            if learning.changed:
                line.cut(tick + 2 * TICKS_PER_BEAT)
                learning.changed = False
            line.extend(tick + self.bar_ticks + TICKS_PER_BEAT, due <= self._late_until)
            for event in line.take(tick + TICKS_PER_BEAT):
                if event.tick >= tick:  # else the grid has jumped over it
                    self.push(max(transport.ns_at(event.tick), due), ON, self._line_gen, event)
                    self._pending += 1
            self._publish(due)
        if turns.phase != STOPPED and (self.click or tick < self._count_in_until):
            self.push(at, CLICK, self._beat_gen, 76 if tick % self.bar_ticks == 0 else 77)
        self.push(transport.ns_at(tick + TICKS_PER_BEAT) - LEAD_NS, BEAT, self._beat_gen, tick + TICKS_PER_BEAT)
        learning.mature(due)
        self._record_beat(at, tick)

    def _sound(self, due: int, event: Planned) -> None:
        """A planned event's moment has come."""
        self._by = BY_AGENT
        self._pending -= 1
        end = self.transport.ns_at(event.tick + event.ticks)
        learning = self.learning
        if event.note >= 0:
            off = max(due + int((end - due) * GATE), due + CLICK_NS // 2)
            velocity = self._velocity(due, event.tick)
            step = learning.steps[0].first + learning.steps[0].n if event.choices[0] else -1
            for i, note in enumerate((event.note, *event.added)):
                slot = self.voices.on(
                    self.settings.agent_channel - 1, note, velocity if i == 0 else max(1, velocity - 12), step
                )
                if slot >= 0:
                    self.notes_out += 1
                    self.push(off, OFF, self.voices.serial[slot], slot)
            learning.sounded(due, off, event.phrase)
        decided = due - LEAD_NS
        for head, choice in enumerate(event.choices):
            if choice is not None:
                number = learning.step(head, due, event.phrase, choice)
                self._record_decision(head, choice, number, (decided, decided, self.sent_ns))

    def _tick_tock(self, due: int, note: int) -> None:
        self._by = BY_CLICK
        slot = self.voices.on(self.settings.click_channel - 1, note, 100, -1)
        if slot >= 0:
            self.push(due + CLICK_NS, OFF, self.voices.serial[slot], slot)

    # ---- turns -------------------------------------------------------------------------------------------------

    def begin_role(self, t_ns: int, role: str) -> None:
        """Take up a role now: the agent's line of the old one ends, keys keep what they hold."""
        self.cancel_line()
        for slot, serial in self.voices.line_voices():
            self.push(t_ns, OFF, serial, slot)
        self.turns.role = role
        self.turns.begin(self.transport.tick_at(t_ns), self.settings.count_in)
        self._ending = -1
        counted = self.turns.phase == PLAY and role == "duet" and self.settings.count_in
        self._count_in_until = self.turns.start_tick if counted else 0
        if self.turns.phase == PLAY:
            self._speak()
        self.moved_grid(t_ns, again=True)  # its first beat may have been passed over already

    def cancel_line(self) -> None:
        """What the line had scheduled or planned does not sound."""
        self._line_gen += 1
        self._pending = 0
        self.line.stop()

    def finish(self, turn: int) -> None:
        """END: cadence on the tonic at the next 2-bar line at least a beat away, and stop; once more: go on."""
        turns, line = self.turns, self.line
        if turns.phase == STOPPED or self._ending >= 0:
            self.begin_role(turn, turns.role)
        elif turns.phase == PLAY and not self.muted:
            unit = 2 * self.bar_ticks
            tick = int(-(-(self.next_beat(turn) + TICKS_PER_BEAT) // unit)) * unit
            line.cut(self.next_beat(turn))
            line.end_tick = turns.end_tick = self._ending = tick
            tonic = self.ladder.nearest_tonic((self.settings.low + self.settings.high) // 2)
            cadence = Planned(
                tick, self.bar_ticks, tonic, self.ladder.voicing(7, tonic), line.phrase, (None, None, None),
                line.context,
            )  # fmt: skip
            self.push(self.transport.ns_at(tick), ON, self._line_gen, cadence)
            self._pending += 1
        else:
            turns.phase = STOPPED

    def panic(self) -> None:
        """Everything that sounds ends now."""
        self._by = BY_RELEASE
        self.cancel_line()
        self.voices.release()

    def await_quiet(self, turn: int) -> None:
        """From now on, max(1 beat, 0.4 s) without a key ends the call."""
        beat = self.transport.ns_at(TICKS_PER_BEAT) - self.transport.ns_at(0)
        self._quiet_gen += 1
        self.push(turn + max(beat, int(QUIET_S * 1e9)), QUIET, self._quiet_gen, None)

    def _quiet(self, due: int) -> None:
        self._phrase_over = True
        tick = self.transport.tick_at(due)
        if self.turns.quiet(tick, self.transport.tick_at(due + LEAD_NS) - tick):
            self._line_gen += 1
            self._speak()
            if self.turns.start_tick <= self._beat_tick:  # passed over already
                self.moved_grid(due, again=True)

    def _speak(self) -> None:
        """The agent's line begins where its turn does."""
        turns = self.turns
        self.line.begin(turns.start_tick, turns.end_tick, PHRASE_BARS * self.bar_ticks if turns.end_tick < 0 else 0)

    def _call(self, t_in: int) -> None:
        """A call begins: the grid starts with its first note, unless another clock gives it."""
        tick = self.transport.tick_at(t_in)
        if self.transport.external:
            self.turns.call(int(tick // self.bar_ticks) * self.bar_ticks)
            return
        bar = int(-(-tick // self.bar_ticks)) * self.bar_ticks
        self.transport.rebase(t_in, bar)
        self.turns.call(bar)
        self.moved_grid(t_in, again=True)

    def _yield(self, turn: int) -> None:
        """The player comes in: what is scheduled is cancelled, what sounds ends by the next eighth."""
        eighth = self.transport.ns_at(int(self.transport.tick_at(turn) // 6 + 1) * 6)
        self.cancel_line()
        for slot, serial in self.voices.line_voices():
            self.push(eighth, OFF, serial, slot)
        self.turns.pause()

    def _velocity(self, t_ns: int, tick: int) -> int:
        """The player's mean of the last 2 s less 8, accented by metre."""
        recent = [velocity for t, velocity in self._velocities if t_ns - t < VELOCITY_NS]
        if recent:
            self._level = sum(recent) // len(recent) - 8
        accent = 8 if tick % self.bar_ticks == 0 else (4 if tick % TICKS_PER_BEAT == 0 else 0)
        return min(max(self._level + accent, 1), 127)

    # ---- the slack: the note has left --------------------------------------------------------------------------

    def _answered(self, answer: tuple[Choice, int, int], t_in: int) -> None:
        choice, decided, sent = answer
        if self._phrase_over:
            self.line.phrase += 1
            self._phrase_over = False
        number = self.learning.step(HARMONY, t_in, self.line.phrase, choice)
        self.learning.sounded(t_in, t_in + HELD_NS, self.line.phrase)
        self._record_decision(HARMONY, choice, number, (t_in, decided, sent))

    def _control(self, index: int, data2: int, t_in: int, turn: int) -> None:
        """A mapped control moved: a rating or a command of ours, never music."""
        controls = self.hands.controls
        value = controls.value(index, data2)
        if value is None:
            return
        role = controls.role(index)
        if role in ("rate", "rate_up", "rate_down"):
            self._rate(turn, t_in, value, SOURCES.index("midi"))
        elif role in KNOB_STEPS:
            obey(self, turn, role, knob(self, controls.controls[index], value) if controls.relative(index) else value)
        else:
            obey(self, turn, role, None, t_in)

    def _rate(self, turn: int, t_pressed: int, value: float, source: int) -> None:
        value = min(max(float(value), -1.0), 1.0)
        over = self._phrase_over
        if self.turns.role != "harmonize":
            phrase = self.learning.phrase
            over = self._pending == 0 and not (self.line.events and self.line.events[0].phrase == phrase)
        self.learning.rate(turn, t_pressed, value, source, over)
        if value < 0.0 and self.turns.phase == PLAY and not self.learning.held:
            # left at the next beat, never in mid-beat; decided again once this rating has been learnt
            self._replan = self.line.cut(self.next_beat(turn))

    def _real_time(self, status: int, t_in: int, turn: int) -> None:
        """Clock, Start and Stop (obeyed unless the clock is internal), active sensing."""
        mode = self.settings.clock
        if status == ACTIVE_SENSING:
            if not self._sensing:
                self.push(turn + SENSE_NS, SENSE, 0, None)
            self._sensing = True
        elif mode != "internal":
            if status in (START, CONTINUE) or (status == CLOCK and mode == "external" and not self.transport.external):
                self.transport.clock_start(t_in, self.bar_ticks)
            if status == CLOCK and self.transport.clock(t_in):
                self.moved_grid(t_in)
            elif status == STOP:
                self.transport.clock_stop()

    def _sense(self, due: int) -> None:
        """Active sensing has begun, and now nothing at all comes any more: the cable is out."""
        if due - self._heard_ns >= SENSE_NS:
            self._sensing = False
            obey(self, due, "in_lost", None)
        else:
            self.push(self._heard_ns + SENSE_NS, SENSE, 0, None)

    def _slack(self) -> None:
        for sent, due, step, by, msg in self._sent:
            self.recorder.output(sent, due, step, by, msg)
        self._sent.clear()
        if self._replan and not self.learning.busy:
            self._replan = False
            if self.turns.phase == PLAY and self.line.active:
                self.line.extend(self.next_beat(self.now_ns) + self.bar_ticks, False)
                self._publish(self.now_ns)

    def _publish(self, t_ns: int) -> None:
        for i, event in enumerate(self.line.events):
            self.recorder.plan(t_ns, event.tick, event.ticks, event.note, event.added, i == 0)

    def _record_late(self) -> None:
        if self._late_from >= 0:
            self.recorder.late(self._late_until, self._late_from)
            self._late_from = -1

    def _record_decision(self, head: int, choice: Choice, number: int, stamps: tuple[int, int, int]) -> None:
        value = self.learning.agents[head].value(choice.state, choice.action)
        self.recorder.decision(head, choice.late, choice.action, number, stamps, value, 0.0)

    def _record_beat(self, at: int, tick: int) -> None:
        flags = records.FLAG_HELD * self.learning.held | records.FLAG_MUTED * self.muted
        flags |= records.FLAG_CLICK * self.click | records.FLAG_EXTERNAL * self.transport.external
        classes = sum(1 << (self.key.tonic + i) % 12 for i in self.key.intervals)
        tempo, turns = self.transport.tempo, self.turns
        self.recorder.beat(at, tick, tempo, self.key.tonic, turns.phase, classes, turns.role, flags)

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
