"""A/B pairs: two phrases from the same context, each to a draw of the taste of its own, and which of them was better.

``Performance`` owns one and tells it of commands (slack) and beats. A pair takes over the agent's part: the line comes
to rest, plays the one phrase, then from what stood before it the other, and is silent until the answer. In *answer*
the phrases are replies to the last call. Nothing here sounds or schedules by itself.
"""

from typing import NamedTuple

import numpy as np

from livecomposer.instrument.clock import Transport
from livecomposer.instrument.learning import Learning
from livecomposer.instrument.part import Part
from livecomposer.instrument.plan import Kept
from livecomposer.instrument.records import PAIR_LINES, Recorder
from livecomposer.instrument.roles import PHRASE_BARS, PLAY, STOPPED, Turns
from livecomposer.music.metre import Metre

BARS = 2  # of a phrase in solo; its last beat is silent
WAIT_BEATS = 8  # so long it is silent for an answer
LATER_NS = 60_000_000_000  # so long after the question an answer still counts
NONE, FIRST, SECOND, ASKED, LATER = range(5)


class Phrase(NamedTuple):
    """One of the two, once it has been decided: its number, where the line stands behind it, what was tried in it."""

    number: int
    after: Kept
    draw: np.ndarray | None


class Pairs:
    """The pair that is being played or asked about.

    Attributes
    ----------
    state : int
        NONE, FIRST (from the command on), SECOND, ASKED, or LATER (the music has gone on without an answer).
    spans : list of (int, int)
        First and last tick of the phrases, the silence behind each not counted.
    """

    def __init__(
        self, part: Part, transport: Transport, turns: Turns, learning: Learning, recorder: Recorder, metre: Metre
    ) -> None:
        self.state = NONE
        self.spans: list[tuple[int, int]] = []
        self._part = part
        self._line = part.line
        self._transport = transport
        self._turns = turns
        self._learning = learning
        self._recorder = recorder
        self._bar = metre.bar_ticks
        self._beat = metre.unit_ticks
        self._before = self._line.keep()
        self._phrases: list[Phrase] = []
        self._draw: np.ndarray | None = None  # what is tried in the phrase that has begun last
        self._asked_ns = 0
        self._early = ""  # an answer that came before the second had ended
        self._keeps_draw = False

    @property
    def on(self) -> bool:
        """Whether a pair has taken over the agent's part."""
        return NONE < self.state < LATER

    def phrase_begins(self) -> None:
        """The line begins a phrase: something else is tried in it, but in a pair and in what goes on from one."""
        if self._keeps_draw:
            self._keeps_draw = self.on
        else:
            self._learning.new_phrase()

    def go_on_trying(self) -> None:
        """Whatever has been learnt or taken back meanwhile, a phrase of a pair is played to its draw."""
        if self.on:
            self._learning.try_out(self._draw)

    # ---- commands ------------------------------------------------------------------------------------------------

    def ask(self, turn: int, muted: bool) -> None:
        """Play a pair; while there is one, leave it."""
        if self.on:
            self.leave(turn)
            return
        why = self._refusal(muted)
        if why:
            self._say(turn, why)
            return
        self._say(turn, PAIR_LINES["coming"])
        part, line, turns = self._part, self._line, self._turns
        beat = part.next_beat(turn)
        line.cut(beat)
        self._before = line.keep()
        self._quiet(turn)
        start = self._bar_line(beat + self._beat)
        length = BARS * self._bar - self._beat if turns.role == "solo" else part.reply_ticks
        apart = self._bar_line(length + self._beat)
        self.spans = [(at, at + length) for at in (start, start + apart)]
        self._phrases.clear()
        self._early = ""
        self.state = FIRST
        turns.play_pair(beat - self._bar, self.spans[1][1] + (WAIT_BEATS + 1) * self._beat)
        self._begin(0)

    def answer(self, turn: int, answer: str) -> None:
        """Which was better: "a", "b" or "neither"."""
        if self.state == LATER and turn - self._asked_ns > LATER_NS:
            self.state = NONE
        if self.state == NONE:
            self._say(turn, "There is no pair to answer; ask for one first.")
        elif self.on and self._transport.tick_at(turn) < self.spans[1][0]:  # SECOND as soon as that is decided
            self._say(turn, "Hear both first, then answer.")
        elif self.state == SECOND:
            self._early = answer
        else:
            self._take(turn, answer)

    def leave(self, turn: int) -> None:
        """The pair ends without an answer, and the music goes on as if there had been none."""
        if self.state != NONE:
            self._say(turn, PAIR_LINES["left"])
        if self.on:
            self._go_on(turn, self._before, None)
        self.state = NONE

    def drop(self, turn: int) -> None:
        """The player plays, or everything ends: the pair is over, whatever comes now."""
        if self.state != NONE:
            self._say(turn, PAIR_LINES["left"])
        if self.on:
            self._learning.keep_draw(None)
            if self._turns.role == "answer" and self._turns.phase == PLAY:
                self._turns.listen(self._bar_line(self._part.next_beat(turn)))
        self._keeps_draw = False
        self.state = NONE

    # ---- time ----------------------------------------------------------------------------------------------------

    def beat(self, due: int, tick: int) -> None:
        """A beat is about to come, and the part has planned and scheduled it."""
        if not self.on:
            return
        for (start, _), which in zip(self.spans, ("first", "second"), strict=True):
            if tick == start:
                self._say(due, PAIR_LINES[which])
        line = self._line
        end = self.spans[min(self.state, SECOND) - FIRST][1]
        if self.state < ASKED and line.over(end):
            if len(self._phrases) < self.state:
                self._phrases.append(Phrase(line.phrase, line.keep(), self._draw))
            if self.state == FIRST:
                self.state = SECOND
                self._begin(1)
            elif tick >= end:
                self.state, self._asked_ns = ASKED, due
                if self._early:
                    self._take(due, self._early)
                else:
                    self._say(due, PAIR_LINES["which"])
        elif self.state == ASKED and tick >= end + WAIT_BEATS * self._beat:
            self._go_on(due, self._before, None)
            self.state = LATER

    def _begin(self, which: int) -> None:
        """Decide a phrase from what stood before the pair."""
        line, (start, end) = self._line, self.spans[which]
        line.restore(self._before)
        self._keeps_draw = True
        if self._turns.role == "solo":
            line.go_on(start, BARS * self._bar, end)
        else:
            line.answer(start, end, self._part.lag_at(start))
        other = self._phrases[0].draw if which else None
        self._learning.try_out(None if other is None else -other)
        self._draw = self._learning.draw()

    def _take(self, turn: int, answer: str) -> None:
        first, second = self._phrases
        self._say(turn, PAIR_LINES[answer])
        self._learning.prefer(turn, answer, first.number, second.number)
        chosen = {"a": first, "b": second}.get(answer)
        if self.on:
            self._go_on(turn, chosen.after if chosen else self._before, chosen)
        elif chosen:
            self._learning.keep_draw(chosen.draw)
        self.state = NONE

    def _go_on(self, turn: int, context: Kept, chosen: Phrase | None) -> None:
        """The line goes on from a context at the next bar line, to the draw of the phrase that was chosen or another;
        what was not chosen has not been heard as far as the form goes."""
        line, turns, beat = self._line, self._turns, self._part.next_beat(turn)
        self._quiet(turn)
        for phrase, (start, end) in zip(self._phrases, self.spans, strict=False):
            if phrase is not chosen:
                line.forget(start, end)
        line.restore(context)
        self._learning.keep_draw(chosen.draw if chosen else None)
        self._keeps_draw = chosen is not None
        if turns.role == "solo":
            turns.start_tick = self._bar_line(beat)
            line.go_on(turns.start_tick, PHRASE_BARS * self._bar, -1)
        else:
            turns.listen(self._bar_line(beat))

    def _quiet(self, turn: int) -> None:
        """What the line plays ends by the next eighth."""
        self._part.cancel()
        self._part.end_notes(self._transport.ns_at(int(self._transport.tick_at(turn) // 6 + 1) * 6))

    def _refusal(self, muted: bool) -> str:
        turns = self._turns
        if turns.role not in ("solo", "answer"):
            return f"A pair can be played in solo and answer, not in {turns.role}."
        if muted or turns.phase == STOPPED or self._part.ending >= 0:
            return f"A pair cannot be played: the agent {'is muted' if muted else 'has been stopped'}."
        if turns.role == "solo" and turns.phase != PLAY:
            return "A pair cannot be played now: let the agent play again first."
        if turns.role == "answer" and (turns.calling or not self._part.reply_ticks):
            return "A pair of replies needs a call: play one, and hear the reply."
        return ""

    def _bar_line(self, tick: float) -> int:
        return int(-(-tick // self._bar)) * self._bar

    def _say(self, t_ns: int, text: str) -> None:
        self._recorder.status(t_ns, text)
