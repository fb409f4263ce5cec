"""The agent's own part: its line brought to time, how loud it plays, how it yields and how it ends.

``Performance`` asks it once a beat (30 ms ahead) and when one of its notes is due; all of it is slack for the player's
own notes. In *harmonize* the part is silent.
"""

from livecomposer.instrument.agenda import OFF, ON, Agenda
from livecomposer.instrument.clock import Transport
from livecomposer.instrument.learning import Learning
from livecomposer.instrument.plan import Line, Planned
from livecomposer.instrument.records import Recorder
from livecomposer.instrument.roles import PHRASE_BARS, PLAY, STOPPED, Turns
from livecomposer.instrument.voices import Voices
from livecomposer.music.actions import TICKS_PER_BEAT
from livecomposer.settings import Settings

LEAD_NS = 30_000_000  # a beat is planned and scheduled this long before it sounds
GATE = 0.92  # of an event's length sounds
SHORTEST_NS = 30_000_000
VELOCITY_NS = 2_000_000_000
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
    """

    def __init__(
        self, settings: Settings, line: Line, agenda: Agenda, transport: Transport, turns: Turns, voices: Voices,
        learning: Learning, recorder: Recorder,
    ) -> None:  # fmt: skip
        self.line = line
        self.gen = 0
        self.pending = 0
        self.ending = -1
        self._channel = settings.agent_channel - 1
        self._centre = (settings.low + settings.high) // 2
        self._bar_ticks = settings.beats_per_bar * TICKS_PER_BEAT
        self._agenda = agenda
        self._transport = transport
        self._turns = turns
        self._voices = voices
        self._learning = learning
        self._recorder = recorder
        self._velocities: list[tuple[int, int]] = []
        self._level = 72
        self._replan = False

    def next_beat(self, t_ns: int) -> int:
        """The first beat (in ticks) that is not on the agenda yet at ``t_ns``."""
        return int(self._transport.tick_at(t_ns + LEAD_NS) // TICKS_PER_BEAT + 1) * TICKS_PER_BEAT

    # ---- turns -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The line begins where its turn does."""
        turns = self._turns
        self.line.begin(turns.start_tick, turns.end_tick, PHRASE_BARS * self._bar_ticks if turns.end_tick < 0 else 0)

    def cancel(self) -> None:
        """What is on the agenda or planned does not sound."""
        self.gen += 1
        self.pending = 0
        self.line.stop()

    def end_notes(self, t_ns: int) -> None:
        """What sounds of the line has ended by ``t_ns``."""
        for slot, serial in self._voices.line_voices():
            self._agenda.push(t_ns, OFF, serial, slot)

    def give_way(self, turn: int) -> None:
        """The player comes in: nothing more begins, what sounds ends by the next eighth."""
        transport = self._transport
        self.cancel()
        self.end_notes(transport.ns_at(int(transport.tick_at(turn) // 6 + 1) * 6))
        self._turns.pause()

    def finish(self, turn: int) -> None:
        """Cadence on the tonic at the next 2-bar line at least a beat away, and stop there."""
        line, ladder = self.line, self.line.ladder
        unit = 2 * self._bar_ticks
        tick = int(-(-(self.next_beat(turn) + TICKS_PER_BEAT) // unit)) * unit
        line.cut(self.next_beat(turn))
        line.end_tick = self._turns.end_tick = self.ending = tick
        tonic = ladder.nearest_tonic(self._centre)
        added = ladder.voicing(CADENCE, tonic)
        self._schedule(
            Planned(tick, self._bar_ticks, tonic, added, line.phrase, (None, None, None), line.context), turn
        )

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
            line.cut(tick + 2 * TICKS_PER_BEAT)
            learning.changed = False
        line.extend(tick + self._bar_ticks + TICKS_PER_BEAT, late)
        for event in line.take(tick + TICKS_PER_BEAT):
            if event.tick >= tick:  # else the grid has jumped over it
                self._schedule(event, due)
        self._publish(due)

    def sound(self, due: int, event: Planned) -> int:
        """An event's moment has come; returns how many notes began."""
        self.pending -= 1
        if event.note < 0:
            return 0
        learning, voices = self._learning, self._voices
        end = self._transport.ns_at(event.tick + event.ticks)
        off = due + max(int((end - due) * GATE), SHORTEST_NS)
        velocity = self._velocity(due, event.tick)
        step = learning.steps[0].first + learning.steps[0].n if event.choices[0] else -1
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
        self.pending -= self._agenda.move(ON, self.gen, t_ns, lambda event: self._transport.ns_at(event.tick))

    # ---- what the player does ----------------------------------------------------------------------------------

    def hear(self, t_ns: int, velocity: int) -> None:
        """The player has struck a key this hard."""
        self._velocities = [*self._velocities[-15:], (t_ns, velocity)]

    def phrase_over(self) -> bool:
        """Whether nothing more will come of the phrase that sounded last."""
        events = self.line.events
        return self.pending == 0 and not (events and events[0].phrase == self._learning.phrase)

    def disliked(self, turn: int) -> None:
        """Leave the plan at the next beat, never in mid-beat; it is decided anew once the rating has been learnt."""
        if self._turns.phase == PLAY:
            self._replan = self.line.cut(self.next_beat(turn))

    def replan(self, now_ns: int) -> None:
        """Decide anew what a dislike has cut, as soon as the learner is idle."""
        if self._replan and not self._learning.busy:
            self._replan = False
            if self._turns.phase == PLAY and self.line.active:
                self.line.extend(self.next_beat(now_ns) + self._bar_ticks, False)
                self._publish(now_ns)

    def _schedule(self, event: Planned, due: int) -> None:
        self._agenda.push(max(self._transport.ns_at(event.tick), due), ON, self.gen, event)
        self.pending += 1

    def _publish(self, t_ns: int) -> None:
        for i, event in enumerate(self.line.events):
            self._recorder.plan(t_ns, event.tick, event.ticks, event.note, event.added, i == 0)

    def _velocity(self, t_ns: int, tick: int) -> int:
        """The player's mean of the last 2 s less 8, accented by metre."""
        recent = [velocity for t, velocity in self._velocities if t_ns - t < VELOCITY_NS]
        if recent:
            self._level = sum(recent) // len(recent) - 8
        accent = 8 if tick % self._bar_ticks == 0 else (4 if tick % TICKS_PER_BEAT == 0 else 0)
        return min(max(self._level + accent, 1), 127)
