"""The agent's own part: its line brought to time, how loud it plays, how it yields and how it ends.

``Performance`` asks it once a beat (30 ms ahead) and when one of its notes is due; all of it is slack for the player's
own notes. In *harmonize* the part is silent.
"""

import numpy as np

from livecomposer.instrument.agenda import OFF, ON, WAITED, Agenda
from livecomposer.instrument.clock import Transport
from livecomposer.instrument.learning import Learning
from livecomposer.instrument.plan import Line, Planned
from livecomposer.instrument.records import Recorder
from livecomposer.instrument.roles import PHRASE_BARS, PLAY, STOPPED, Turns
from livecomposer.instrument.voices import Voices
from livecomposer.music.context import DUET, HIGH, LOW, ROLE, density, expected, strength
from livecomposer.music.metre import parse_metre
from livecomposer.music.rules import N_RULES
from livecomposer.settings import Settings

LEAD_NS = 30_000_000  # a beat is planned and scheduled this long before it sounds
WAIT_NS = 25_000_000  # in a duet a note waits so long for a player who is expected to strike with it
PLAYING_NS = 1_500_000_000  # a player who struck within this is expected on every strong beat
OFF_STRONG = 2  # the least strength that is not a strong beat's
TOGETHER_NS = 60_000_000  # a key so long before the agent's note was meant to come with it
HUMAN_NS = 12_000_000  # at most so early or late, fully humanised
HUMAN_VELOCITY = 10
SWING_TICKS = 2  # an off-beat eighth at full swing: the last third of the beat
SHORTEST_NS = 30_000_000
VELOCITY_NS = 2_000_000_000
STRONG = 0.9  # a like from which on it plays that again now
CADENCE = 7  # the voicing with the root on top


class Part:
    """What the agent plays by itself in one performance.

    Attributes
    ----------
    line : Line
        The plan.
    gen : int
        Generation of the notes on the agenda that are still meant.
    pending : int
        Events that are on the agenda and have not sounded.
    ending : int
        Tick at which all stops, -1 if it is not to.
    waiting : Planned or None
        A note that is due and waits for the player to strike with it.
    reply_ticks : int
        How long the last reply is, 0 before the first.
    """

    def __init__(
        self, settings: Settings, line: Line, agenda: Agenda, transport: Transport, turns: Turns, voices: Voices,
        learning: Learning, recorder: Recorder,
    ) -> None:  # fmt: skip
        metre = parse_metre(settings.metre)
        self.line = line
        self.gen = 0
        self.pending = 0
        self.ending = -1
        self.waiting: Planned | None = None
        self.reply_ticks = 0
        self._called = 0  # the tick from which the reply took up its call, if it did
        self._takes_up = False
        self._settings = settings
        self._channel = settings.agent_channel - 1
        self._bar_ticks = metre.bar_ticks
        self._beat = metre.unit_ticks
        self._agenda = agenda
        self._transport = transport
        self._turns = turns
        self._voices = voices
        self._learning = learning
        self._recorder = recorder
        self._velocities: list[tuple[int, int]] = []
        self._level = 72
        self._replan = False
        self._brought = -1  # the number of the like that brings back what the line does
        self.struck_ns = -PLAYING_NS  # when the player last struck a key
        self._loose = np.random.Generator(np.random.PCG64(max(settings.seed, 0)))

    def next_beat(self, t_ns: int) -> int:
        """The first beat (in ticks) that is not on the agenda yet at ``t_ns``."""
        return int(self._transport.tick_at(t_ns + LEAD_NS) // self._beat + 1) * self._beat

    # ---- turns -------------------------------------------------------------------------------------------------

    def begin(self, lag: int = 0) -> None:
        """The line begins where its turn does; a reply takes up what the player began ``lag`` ticks ago."""
        turns = self._turns
        if turns.end_tick < 0:
            self.line.begin(turns.start_tick, PHRASE_BARS * self._bar_ticks)
        else:
            self.reply_ticks = turns.end_tick - turns.start_tick
            self._called, self._takes_up = turns.start_tick - lag, lag > 0
            self.line.answer(turns.start_tick, turns.end_tick, lag)

    def lag_at(self, tick: int) -> int:
        """How many ticks before ``tick`` the last call began (0: there is none to take up)."""
        return tick - self._called if self._takes_up else 0

    def cancel(self) -> None:
        """What is on the agenda or planned does not sound."""
        self.gen += 1
        self.pending = 0
        self.waiting = None
        self.line.stop()

    def end_notes(self, t_ns: int) -> None:
        """What sounds of the line has ended by ``t_ns``."""
        for slot, serial in self._voices.line_voices():
            self._agenda.push(t_ns, OFF, serial, slot)
        self._learning.silent(t_ns)

    def give_way(self, turn: int) -> None:
        """The player comes in: nothing more begins, what sounds ends by the next eighth."""
        transport = self._transport
        self.cancel()
        self.end_notes(transport.ns_at(int(transport.tick_at(turn) // 6 + 1) * 6))
        self._turns.pause()

    def finish(self, turn: int) -> None:
        """Cadence on the tonic at the next 2-bar line at least a beat away, and stop there."""
        line, ladder, world = self.line, self.line.ladder, self.line.world
        unit = 2 * self._bar_ticks
        tick = int(-(-(self.next_beat(turn) + self._beat) // unit)) * unit
        line.cut(self.next_beat(turn))
        line.close(tick)
        self._turns.end_tick = self.ending = tick
        tonic = ladder.nearest_tonic(int(world[LOW] + world[HIGH]) // 2)
        last = Planned(
            tick, self._bar_ticks, tonic, ladder.voicing(CADENCE, tonic), line.phrase, (None, None, None), line.own,
            np.zeros(N_RULES, dtype=np.float32),
        )  # fmt: skip
        self._schedule(last, turn)

    # ---- time --------------------------------------------------------------------------------------------------

    def beat(self, due: int, tick: int, muted: bool, late: bool) -> None:
        """30 ms before the beat at ``tick``: plan, and put the events that start in it on the agenda."""
        turns, line, learning = self._turns, self.line, self._learning
        if 0 <= self.ending <= tick:
            self.ending = -1
            turns.phase = STOPPED
            line.stop()
        if turns.phase != PLAY or muted:
            return
        if not line.active:  # after a panic or a mute: from here on
            turns.start_tick = max(turns.start_tick, tick)
            self.begin()
        if learning.changed:
            line.cut(tick + 2 * self._beat)
            learning.changed = False
        line.extend(tick + self._bar_ticks + self._beat, late)
        for event in line.take(tick + self._beat):
            if event.tick >= tick:  # else the grid has jumped over it
                self._schedule(event, due)
        self._publish(due)

    def waits(self, due: int, event: Planned) -> bool:
        """Whether a note that is due now is held back a moment, so that it sounds with the player's."""
        world = self.line.world
        if event.note < 0 or event.choices[0] is None or world[ROLE] != DUET or event.tick % self._beat:
            return False
        if self.met(due) or not (
            (density(world, event.tick) and expected(world, event.tick))
            or (strength(world, event.tick) < OFF_STRONG and due - self.struck_ns < PLAYING_NS)
        ):
            return False
        self.waiting = event
        self._agenda.push(due + WAIT_NS, WAITED, self.gen, event)
        return True

    def met(self, t_ns: int) -> bool:
        """Whether the player has just struck, as if together with a note at ``t_ns``."""
        return t_ns - self.struck_ns <= TOGETHER_NS

    def heard_against(self, due: int, event: Planned) -> Planned:
        """The event as it is to sound beside the player: thought over if they have just struck, or on a strong beat."""
        world = self.line.world
        if world[ROLE] == DUET and (self.met(due) or strength(world, event.tick) < OFF_STRONG):
            return self.line.reconsider(event)
        return event

    def sound(self, due: int, event: Planned) -> int:
        """An event's moment has come; returns how many notes began."""
        self.pending -= 1
        if event.note < 0:
            return 0
        learning, voices, settings = self._learning, self._voices, self._settings
        end = self._transport.ns_at(self._swung(event.tick + event.ticks))
        off = due + max(int((end - due) * settings.articulation), SHORTEST_NS)
        velocity = self._velocity(due, event.tick)
        chosen = event.choices[0] is not None and event.mind == self.line.mind
        step = learning.steps[0].first + learning.steps[0].n if chosen else -1
        began = 0
        for i, note in enumerate((event.note, *event.added)):
            slot = voices.on(self._channel, note, velocity if i == 0 else max(1, velocity - 12), step)
            if slot >= 0:
                began += 1
                self._agenda.push(off, OFF, voices.serial[slot], slot)
        learning.sounded(due, off, event.phrase)
        return began

    def moved(self, t_ns: int) -> None:
        """The grid has moved at ``t_ns``: what is on the agenda moves along."""
        self.pending -= self._agenda.move(
            ON, self.gen, t_ns, lambda event: self._transport.ns_at(self._swung(event.tick))
        )

    # ---- what the player does ----------------------------------------------------------------------------------

    def hear(self, t_ns: int, velocity: int) -> None:
        """The player has struck a key this hard."""
        self.struck_ns = t_ns
        self._velocities = [*self._velocities[-15:], (t_ns, velocity)]

    def phrase_over(self) -> bool:
        """Whether nothing more will come of the phrase that sounded last."""
        events = self.line.events
        return self.pending == 0 and not (events and events[0].phrase == self._learning.phrase)

    def disliked(self, turn: int) -> None:
        """Leave the plan and its motif at the next beat, never in mid-beat; it is decided anew once the rating has been
        learnt."""
        if self._turns.phase == PLAY:
            self._replan |= self.line.cut(self.next_beat(turn))
            self.line.leave()

    def liked(self, turn: int, t_ns: int, strength: float) -> None:
        """What was heard at ``t_ns`` comes back within two phrases; liked strongly, at the next bar line."""
        if self._turns.phase != PLAY or not self.line.active:
            return
        bar = self._bar_ticks
        now = -(-self.next_beat(turn) // bar) * bar if strength >= STRONG else -1
        before = self.line.back
        if self.line.bring_back(int(self._transport.tick_at(t_ns)), now):
            self._replan |= self.line.cut(now)
        if self.line.back is not before:
            self._brought = self._learning.newest

    def taken_back(self) -> None:
        """Ratings have been taken back: what one of them was to bring back does not come, or ends where the plan does
        (to decide that again might try something else)."""
        if self._learning.newest < self._brought:
            self.line.back = None

    def replan(self, now_ns: int) -> None:
        """Decide anew what a rating has cut, as soon as the learner is idle."""
        if self._replan and not self._learning.busy:
            self._replan = False
            if self._turns.phase == PLAY and self.line.active:
                self.line.extend(self.next_beat(now_ns) + self._bar_ticks, False)
                self._publish(now_ns)

    def _schedule(self, event: Planned, due: int) -> None:
        at = self._transport.ns_at(self._swung(event.tick))
        if self._settings.humanise:
            at += round(self._loose.uniform(-1.0, 1.0) * self._settings.humanise * HUMAN_NS)
        self._agenda.push(max(at, due), ON, self.gen, event)
        self.pending += 1

    def _swung(self, tick: int) -> float:
        return tick + SWING_TICKS * self._settings.swing if tick % 12 == 6 else tick

    def _publish(self, t_ns: int) -> None:
        for i, event in enumerate(self.line.events):
            self._recorder.plan(t_ns, event.tick, event.ticks, event.note, event.added, i == 0)
        coming = next((event for event in self.line.events if event.odds), None)
        if coming is not None:
            self._recorder.likely(t_ns, coming.tick, coming.odds)

    def _velocity(self, t_ns: int, tick: int) -> int:
        """The player's mean of the last 2 s less 8, accented by metre."""
        recent = [velocity for t, velocity in self._velocities if t_ns - t < VELOCITY_NS]
        if recent:
            self._level = sum(recent) // len(recent) - 8
        accent = 8 if tick % self._bar_ticks == 0 else (4 if tick % self._beat == 0 else 0)
        if self._settings.humanise:
            accent += round(self._loose.uniform(-1.0, 1.0) * self._settings.humanise * HUMAN_VELOCITY)
        return min(max(self._level + accent, 1), 127)
