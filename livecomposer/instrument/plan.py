"""The agent's line: the next bar or so, decided ahead by the three heads and shown before it sounds.

Works in the slack of the loop, once a beat. What lies in the beat in progress and the next is kept; the rest is
decided again only when something has changed (a rating, the key, adventure).
"""

from typing import NamedTuple

import numpy as np

from livecomposer.agents.protocol import Agent, Choice
from livecomposer.music.actions import (
    HARMONY_FALLBACK,
    RHYTHM_FALLBACK,
    RHYTHMS,
    STEPS,
    TICKS_PER_BEAT,
    Ladder,
    melody_fallback,
)
from livecomposer.music.context import (
    HARMONY,
    HEADS,
    LAST_NOTE,
    LAST_RHYTHM,
    LAST_STEP,
    MELODY,
    PLAYER_NOTE,
    RHYTHM,
    TICK,
    advance,
    harmony_context,
    melody_context,
    new_context,
    rhythm_context,
)


class Planned(NamedTuple):
    """One event to come: ``note`` -1 is a rest, ``added`` the notes under it, ``choices`` by head (None: not asked),
    ``before`` the context that they were made in."""

    tick: int
    ticks: int
    note: int
    added: tuple[int, ...]
    phrase: int
    choices: tuple[Choice | None, Choice | None, Choice | None]
    before: np.ndarray


class Line:
    """Plans for one performance. ``context`` is the row behind the last planned event; ``events`` come in order."""

    def __init__(self, agents: list[Agent], ladder: Ladder, low: int, high: int, beats_per_bar: int) -> None:
        self.agents = agents
        self.ladder = ladder
        self.low = low
        self.high = high
        self.context = new_context(beats_per_bar)
        self.events: list[Planned] = []
        self.end_tick = -1
        self.phrase = 0
        self.phrase_tick = 0
        self.phrase_ticks = 0
        self.active = False
        self._features = [np.zeros(spec.n_features, dtype=np.float32) for spec in HEADS]
        self._masks = [np.zeros(spec.n_actions, dtype=np.uint8) for spec in HEADS]

    def begin(self, tick: int, end_tick: int, phrase_ticks: int) -> None:
        """Start a line at ``tick``, to ``end_tick`` (-1: open), breathing every ``phrase_ticks`` (0: never)."""
        self.events.clear()
        self.active = True
        self.end_tick = end_tick
        self.phrase_ticks = phrase_ticks
        self._new_phrase(tick)

    def stop(self) -> None:
        """No more events."""
        self.events.clear()
        self.active = False

    def extend(self, horizon: int, late: bool) -> None:
        """Decide until the next onset lies at or beyond ``horizon``."""
        while self.active:
            tick = int(self.context[TICK])
            if tick >= horizon or 0 <= self.end_tick <= tick:
                return
            if self.phrase_ticks and tick >= self.phrase_tick + self.phrase_ticks - TICKS_PER_BEAT:
                self._new_phrase(self.phrase_tick + self.phrase_ticks)
                continue
            self.events.append(self._decide(tick, late))

    def cut(self, tick: int) -> bool:
        """Forget what starts at or after ``tick``, so that it is decided again; returns whether anything went."""
        keep = len(self.events)
        while keep and self.events[keep - 1].tick >= tick:
            keep -= 1
        if keep == len(self.events):
            return False
        first = self.events[keep]
        self.context[:PLAYER_NOTE] = first.before[:PLAYER_NOTE]
        self.phrase_tick -= (self.phrase - first.phrase) * self.phrase_ticks
        self.phrase = first.phrase
        del self.events[keep:]
        return True

    def take(self, until: int) -> list[Planned]:
        """Hand over the events that start before ``until``: they are going to sound."""
        n = 0
        while n < len(self.events) and self.events[n].tick < until:
            n += 1
        taken = self.events[:n]
        del self.events[:n]
        return taken

    def harmonize(self, context: np.ndarray, note: int, late: bool) -> Choice:
        """The harmony head's choice under ``note``. Hot: called between thru and the added notes."""
        features, mask = self._features[HARMONY], self._masks[HARMONY]
        state = harmony_context(context, note, self.ladder.tonic, features, mask)
        action = HARMONY_FALLBACK if late else self.agents[HARMONY].act(state, features, mask)
        return Choice(state, action if action >= 0 else HARMONY_FALLBACK, mask, features, late)

    def _new_phrase(self, tick: int) -> None:
        self.phrase += 1
        self.phrase_tick = tick
        self.context[TICK] = tick
        self.context[LAST_NOTE] = -1
        self.context[LAST_STEP] = 0
        self.context[LAST_RHYTHM] = len(RHYTHMS)

    def _decide(self, tick: int, late: bool) -> Planned:
        context, ladder = self.context, self.ladder
        before = context.copy()
        features, masks = self._features, self._masks
        state = rhythm_context(context, features[RHYTHM], masks[RHYTHM])
        action = RHYTHM_FALLBACK if late else self.agents[RHYTHM].act(state, features[RHYTHM], masks[RHYTHM])
        rhythm = self._choice(RHYTHM, state, action if action >= 0 else RHYTHM_FALLBACK, late)
        ticks = RHYTHMS[rhythm.action].ticks
        limit = self.end_tick if self.end_tick >= 0 else tick + ticks
        if self.phrase_ticks:
            limit = min(limit, self.phrase_tick + self.phrase_ticks)
        ticks = max(min(ticks, limit - tick), 1)
        if RHYTHMS[rhythm.action].rest:
            advance(context, rhythm.action, ticks, -1, 0)
            return Planned(tick, ticks, -1, (), self.phrase, (rhythm, None, None), before)

        state = melody_context(
            context, ladder.notes, ladder.rung, ladder.tonic, self.low, self.high, features[MELODY], masks[MELODY]
        )
        at = int(ladder.rung[self._from_note()])
        action = -1 if late else self.agents[MELODY].act(state, features[MELODY], masks[MELODY])
        if action < 0 or not masks[MELODY][action]:
            action = melody_fallback(at, int(ladder.rung[ladder.nearest_tonic(int(ladder.notes[at]))]))
            if not masks[MELODY][action]:  # at the edge of the register
                action = melody_fallback(at, int(ladder.rung[(self.low + self.high) // 2]))
        melody = self._choice(MELODY, state, action, late)
        note = int(ladder.notes[min(max(at + STEPS[action], 0), len(ladder.notes) - 1)])

        state = harmony_context(context, note, ladder.tonic, features[HARMONY], masks[HARMONY])
        action = 0 if late else self.agents[HARMONY].act(state, features[HARMONY], masks[HARMONY])
        harmony = self._choice(HARMONY, state, max(action, 0), late)
        added = tuple(n for n in ladder.voicing(harmony.action, note) if n >= self.low)
        advance(context, rhythm.action, ticks, note, STEPS[melody.action])
        return Planned(tick, ticks, note, added, self.phrase, (rhythm, melody, harmony), before)

    def _from_note(self) -> int:
        """Where the next step is measured from (as ``melody_context`` does)."""
        note = int(self.context[LAST_NOTE])
        if note < 0:
            note = int(self.context[PLAYER_NOTE])
            note = note if note >= 0 else (self.low + self.high) // 2
            while note > self.high:
                note -= 12
            while note < self.low:
                note += 12
        return note

    def _choice(self, head: int, state: int, action: int, late: bool) -> Choice:
        return Choice(state, action, self._masks[head].copy(), self._features[head].copy(), late)
