"""The agent's line: the next bar or so, decided ahead by the three heads and shown before it sounds.

Works in the slack of the loop, once a beat. What lies in the beat in progress and the next is kept; the rest is
decided again only when something has changed (a rating, the key, a chord, adventure).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from livecomposer.agents.prior import Prior
from livecomposer.agents.protocol import Agent, Choice
from livecomposer.agents.view import View, harmony_view, melody_view, rhythm_view
from livecomposer.music.actions import (
    HARMONY_FALLBACK,
    N_LENGTHS,
    NOTES_AT,
    RHYTHM_FALLBACK,
    STEPS,
    Ladder,
    melody_fallback,
)
from livecomposer.music.context import (
    A_AGAIN,
    A_TICK,
    A_VARIED,
    BAR_TICKS,
    EVENT_TICKS,
    HARMONIZE,
    HARMONY,
    HIGH,
    HINT_RHYTHM,
    HINT_RUNG,
    LAG,
    LOW,
    MELODY,
    NOTHING,
    PHRASE,
    PHRASE_END,
    PHRASE_TICK,
    PHRASE_TICKS,
    RHYTHM,
    ROLE,
    SECTION,
    SECTIONS,
    TICK,
    TRACE_TICKS,
    begin_answer,
    begin_form,
    choose_length,
    come_back,
    new_own,
    new_trace,
    prepare,
    sounding,
    start_note,
)
from livecomposer.music.rules import N_RULES, play
from livecomposer.ratings.taste import Taste

STAYS = 1.0  # a planned note is kept unless the prior now finds another e times likelier


class Planned(NamedTuple):
    """One event to come: ``note`` -1 is a rest, ``added`` the notes under it, ``choices`` by head (None: not asked),
    ``before`` the context that they were made in, ``columns`` what the rules say of it, ``odds`` the notes that it was
    drawn from with their probabilities, the likeliest first, ``mind`` the number of the agents that chose."""

    tick: int
    ticks: int
    note: int
    added: tuple[int, ...]
    phrase: int
    choices: tuple[Choice | None, Choice | None, Choice | None]
    before: np.ndarray
    columns: np.ndarray
    odds: tuple[tuple[int, float], ...] = ()
    mind: int = 0


class Kept(NamedTuple):
    """Where a line stands: the context behind its last planned event, and the state of the draws of its form."""

    own: np.ndarray
    form: np.ndarray


class Back(NamedTuple):
    """A bar that has been liked comes back: the one at tick ``source`` in the bar at ``at``, ``shift`` steps higher;
    note by note if it was liked strongly, else as what the motif suggests."""

    source: int
    at: int
    shift: int
    strictly: bool


class Line:
    """Plans for one performance. ``own`` is the context behind the last planned event; ``events`` come in order.

    Parameters
    ----------
    agents : list[Agent]
    world : int64[N_WORLD]
        Shared with ``Performance``, which keeps it.
    prior : Prior
    rng : uint64[1]
        Draws the form.
    chord : callable
        ``chord(own)`` fills the chord columns for the event at ``own[TICK]`` and returns the scale to move in.
    taste : Taste, optional
        What the listener likes, for agents that ask.
    """

    def __init__(
        self, agents: list[Agent], world: np.ndarray, prior: Prior, rng: np.ndarray,
        chord: Callable[[np.ndarray], Ladder], taste: Taste | None = None,
    ) -> None:  # fmt: skip
        self.mind = -1
        self.world = world
        self.own = new_own()
        self.ladder = chord(self.own)
        self.trace = new_trace()
        self.events: list[Planned] = []
        self.end_tick = -1
        self.active = False
        self.on_phrase: Callable[[], None] = _nothing
        self.shown = False  # somebody looks at the odds
        self.back: Back | None = None  # what comes back, or did last
        self._reached = 0  # the tick up to which the line has come, whatever it went back to
        self._prior = prior
        self._rng = rng
        self._chord = chord
        self.decided_by(agents, taste)

    def decided_by(self, agents: list[Agent], taste: Taste | None) -> None:
        """These agents decide from here on; ``mind`` is their number."""
        self.agents = agents
        self.mind += 1
        liked = taste.weights if taste is not None else None
        self._views = [
            View(agent.spec, head, agent.n_features, self._prior.weights[head], liked)
            for head, agent in enumerate(agents)
        ]

    @property
    def phrase(self) -> int:
        """The number of the phrase."""
        return int(self.own[PHRASE])

    def begin(self, tick: int, phrase_ticks: int) -> None:
        """Start a line at ``tick`` that goes on in phrases of ``phrase_ticks``."""
        self._start(tick, -1)
        begin_form(self.own, tick, phrase_ticks, self._rng)

    def answer(self, tick: int, end_tick: int, lag: int) -> None:
        """Start a reply, ``tick`` to ``end_tick``, that takes up the player's motif of ``lag`` ticks ago (0: none)."""
        self._start(tick, end_tick)
        begin_answer(self.own, self.trace, self.ladder.row, tick, end_tick - tick, lag, self._rng)

    def go_on(self, tick: int, phrase_ticks: int, end_tick: int) -> None:
        """Go on from this context with the next phrase of the form at ``tick``, in phrases of ``phrase_ticks``, up to
        ``end_tick`` (-1: open)."""
        self._start(tick, end_tick)
        own = self.own
        own[TICK], own[PHRASE_TICK], own[PHRASE_TICKS] = tick, tick - phrase_ticks, phrase_ticks

    def keep(self) -> Kept:
        """Where the line stands, to come back to."""
        return Kept(self.own.copy(), self._rng.copy())

    def restore(self, kept: Kept) -> None:
        """Stand again where ``keep`` was called; only the phrases are numbered on."""
        number = self.phrase
        self._reached = max(self._reached, int(self.own[TICK]))
        self.own[:] = kept.own
        self.own[PHRASE] = number
        self._rng[:] = kept.form

    def over(self, tick: int) -> bool:
        """Whether all that begins before ``tick`` has been handed over."""
        return not self.events and int(self.own[TICK]) >= tick

    def forget(self, first: int, end: int) -> None:
        """What began from tick ``first`` to ``end`` is no motif any more."""
        self.trace[0, np.arange(first, min(end, first + TRACE_TICKS)) % TRACE_TICKS] = NOTHING

    def stop(self) -> None:
        """No more events."""
        self.events.clear()
        self.active = False
        self.back = None

    def bring_back(self, tick: int, now: int) -> bool:
        """The bar around ``tick`` has been liked: it opens the next phrase that would not have it anyway, at most two
        on; or, if there is a bar line ``now`` (-1: no), comes back there, and transposed if it had done so just before.
        Returns whether it comes back now (not more than twice in a phrase)."""
        own, back = self.own, self.back
        bar = int(self.world[BAR_TICKS])
        source, shift = tick // bar * bar, 0
        length, first = int(own[PHRASE_TICKS]), int(own[A_TICK])
        recent = back is not None and back.at <= now < back.at + bar + length
        if back is not None and back.at <= tick < back.at + bar:
            source, shift = back.source, 2
        fits = now >= 0 and (self.end_tick < 0 or now + bar <= self.end_tick)
        if fits and (not recent or (shift and back is not None and not back.shift)):
            self.back = Back(source, now, shift, True)
            return True
        if length > 0 and (back is None or back.at + bar <= tick):
            at = int(own[PHRASE_TICK]) + length
            following = (int(own[SECTION]) + 1) % SECTIONS
            if following not in (A_VARIED, A_AGAIN):
                self.back = Back(source, at, 0, False)
            elif not first <= source < first + length:
                self.back = Back(source, at + length, 0, False)
        return False

    def leave(self) -> None:
        """What was to come back does not, and the motif is left."""
        self.back = None
        self.own[LAG] = 0

    def close(self, tick: int) -> None:
        """The line ends at ``tick``, and its last phrase heads there for the tonic."""
        self.end_tick = tick
        self.own[PHRASE_END] = tick

    def extend(self, horizon: int, late: bool) -> None:
        """Decide until the next onset lies at or beyond ``horizon``."""
        own = self.own
        if self.end_tick >= 0:
            horizon = min(horizon, self.end_tick)
        while self.active and own[TICK] < horizon:
            self.ladder = self._chord(own)
            if prepare(own, self.world, self.trace, self.ladder.row, self._rng):
                self.on_phrase()
            tick = int(own[TICK])
            if tick >= horizon:
                return
            if self.back is not None:
                come_back(own, self.world, self.trace, self.ladder.row, *self.back[:3])
            if self.end_tick >= 0:
                own[PHRASE_END] = min(int(own[PHRASE_END]), self.end_tick)
            self.events.append(self._decide(tick, late))

    def cut(self, tick: int) -> bool:
        """Forget what starts at or after ``tick``, so that it is decided again; returns whether anything went."""
        keep = len(self.events)
        while keep and self.events[keep - 1].tick >= tick:
            keep -= 1
        if keep == len(self.events):
            return False
        self.own[:] = self.events[keep].before
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

    def harmonize(self, own: np.ndarray, note: int, late: bool) -> Choice:
        """The harmony head's choice under ``note``. Hot: called between thru and the added notes."""
        view = self._views[HARMONY]
        state = harmony_view(own, self.world, self.ladder.row, note, *view.arrays)
        action = -1 if late else self.agents[HARMONY].act(state, *view.seen)
        if action < 0 or not view.mask.item(action):
            alone = 0 if self.world[ROLE] != HARMONIZE else HARMONY_FALLBACK
            action = alone if self._prior.empty else best(view.prior, view.mask)
        return view.choice(state, action, late)

    def reconsider(self, event: Planned) -> Planned:
        """The event as it is to sound now that the player has just struck: its note is drawn anew if, heard against
        theirs, it has become unlikely."""
        melody = event.choices[MELODY]
        if melody is None or sounding(self.world, event.tick) < 0:
            return event
        own = event.before.copy()
        own[EVENT_TICKS] = event.ticks
        self.ladder = self._chord(own)
        state, view = self._see_melody(own), self._views[MELODY]
        prior, mask = view.prior, view.mask
        if mask[melody.action] and prior[melody.action] >= prior[mask == 1].max() - STAYS:
            return event
        choice = view.choice(state, self._pick(MELODY, state, False), False)
        note = int(view.notes[choice.action])
        harmony = self.harmonize(own, note, False)
        choices = (event.choices[RHYTHM], choice, harmony)
        return event._replace(note=note, added=self._added(harmony.action, note), choices=choices)

    def _start(self, tick: int, end_tick: int) -> None:
        reached = self._reached = max(self._reached, int(self.own[TICK]))
        self.forget(reached, tick)  # the memory may still hold there what began a round of it before
        self.events.clear()
        self.active = True
        self.end_tick = end_tick
        self.back = None

    def rhythm(self, late: bool) -> Choice:
        """The rhythm head's choice for the event at ``own[TICK]``; its length is then in the context."""
        own, view = self.own, self._views[RHYTHM]
        state = rhythm_view(own, self.world, *view.arrays)
        again = int(own[HINT_RHYTHM]) if self._again() else -1
        choice = view.choice(state, self._pick(RHYTHM, state, late) if again < 0 else again, late)
        choose_length(own, choice.action)
        return choice

    def melody(self, late: bool) -> tuple[Choice, int]:
        """The melody head's choice for an event of known length, and the note it leads to."""
        state = self._see_melody(self.own)
        view = self._views[MELODY]
        again = -1
        if self._again() and self.own[HINT_RUNG] >= 0:
            note = self.ladder.row[NOTES_AT + self.own[HINT_RUNG]]
            again = next((a for a in range(len(STEPS)) if view.mask[a] and view.notes[a] == note), -1)
        choice = view.choice(state, self._pick(MELODY, state, late) if again < 0 else again, late)
        return choice, int(view.notes[choice.action])

    def _again(self) -> bool:
        """Whether the next event lies in a bar that repeats one note by note: then nothing else is tried."""
        back = self.back
        return back is not None and back.strictly and back.at <= self.own[TICK] < back.at + self.world[BAR_TICKS]

    def _decide(self, tick: int, late: bool) -> Planned:
        own, world, row, style = self.own, self.world, self.ladder.row, self._prior.style
        before = own.copy()
        columns = np.zeros(N_RULES, dtype=np.float32)
        rhythm = self.rhythm(late)
        ticks = int(own[EVENT_TICKS])
        if rhythm.action >= N_LENGTHS:
            play(own, world, self.trace, row, style, rhythm.action, 0, 0, columns)
            return Planned(tick, ticks, -1, (), self.phrase, (rhythm, None, None), before, columns, (), self.mind)
        melody, note = self.melody(late)
        odds = self._odds(melody.state, note) if self.shown else ()
        harmony = self.harmonize(own, note, late)
        play(own, world, self.trace, row, style, rhythm.action, melody.action, harmony.action, columns)
        added = self._added(harmony.action, note)
        choices = (rhythm, melody, harmony)
        return Planned(tick, ticks, note, added, self.phrase, choices, before, columns, odds, self.mind)

    def _odds(self, state: int, note: int) -> tuple[tuple[int, float], ...]:
        """What the melody head has just drawn ``note`` from, by note: π(a) ∝ π₀(a) exp[(Q(s,a) + l(a))/u]; in a bar
        that is repeated there is no choice."""
        if self._again() and self.own[HINT_RUNG] >= 0:
            return ((note, 1.0),)
        view, agent = self._views[MELODY], self.agents[MELODY]
        allowed = np.flatnonzero(view.mask)
        values = np.array([agent.value(state, view.features, int(a)) for a in allowed]) + view.liking[allowed]
        nats = view.prior[allowed] + values / agent.nat
        weights = np.exp(nats - nats.max())
        found: dict[int, float] = {}
        for to, p in zip(view.notes[allowed], weights / weights.sum(), strict=True):
            found[int(to)] = found.get(int(to), 0.0) + float(p)
        return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))

    def _see_melody(self, own: np.ndarray) -> int:
        """Fill the melody head's view; its state."""
        return melody_view(own, self.world, self.trace, self.ladder.row, *self._views[MELODY].arrays)

    def _pick(self, head: int, state: int, late: bool) -> int:
        """The agent's action, or without one (or too late for one) the prior's best."""
        view = self._views[head]
        action = -1 if late else self.agents[head].act(state, *view.seen)
        if action >= 0 and view.mask.item(action):
            return action
        if not self._prior.empty:
            return best(view.prior, view.mask)
        return RHYTHM_FALLBACK if head == RHYTHM else self._step_to_tonic(view.mask)

    def _step_to_tonic(self, mask: np.ndarray) -> int:
        ladder, world = self.ladder, self.world
        at = int(ladder.rung[start_note(self.own, world)])
        action = melody_fallback(at, int(ladder.rung[ladder.nearest_tonic(int(ladder.notes[at]))]))
        if not mask[action]:  # at the edge of the register
            action = melody_fallback(at, int(ladder.rung[(world[LOW] + world[HIGH]) // 2]))
        return action if mask[action] else STEPS.index(0)

    def _added(self, voicing: int, note: int) -> tuple[int, ...]:
        return tuple(n for n in self.ladder.voicing(voicing, note) if n >= self.world[LOW])


def _nothing() -> None:
    pass


def best(prior: np.ndarray, mask: np.ndarray) -> int:
    """The likeliest allowed action."""
    return int(np.where(mask == 1, prior, -np.inf).argmax())
