"""Which notes a rating has reached, in words, from the ring's records.

Owned by desk's main thread: it is given every record, and asked for lines once a turn. A decision's record comes before
those of the notes it led to, and a rating's before those of its credit.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from livecomposer.instrument.records import BY_AGENT, NOTHING_REACHED, SAME_PRESS, unpack
from livecomposer.instrument.ring import Kind, Record
from livecomposer.midi.messages import NOTE_ON
from livecomposer.music.theory import note_name

APART_NS = 1_000_000_000  # between two lines: of what comes faster the last is said
MOST = 8  # notes named in a line
CLEAR = 1 / 3  # of the most that any note got: less was hardly meant
STEPS = 2048  # steps that are remembered, a whole phrase's and more
SENDING = 16  # events whose notes may still be on their way
RHYTHM, HARMONY = 0, 2  # heads


@dataclass(eq=False)
class Event:
    """What the heads decided together (at ``t_ns``): its notes, from the top."""

    t_ns: int
    chord: bool  # of harmonize: only what is added under the player's key
    notes: list[int] = field(default_factory=list)


@dataclass
class Rated:
    """A rating and what its credit has reached so far: by event the greatest weight, and the heads."""

    value: float
    phrase: int
    weights: dict[int, tuple[Event, float]] = field(default_factory=dict)
    heads: set[int] = field(default_factory=set)
    looked: bool = False


class Reached:
    """Follows the ring of one run."""

    def __init__(self) -> None:
        self._events: OrderedDict[tuple[int, int], Event] = OrderedDict()  # by head and step
        self._sending: OrderedDict[int, Event] = OrderedDict()  # by the step that outputs carry
        self._last: Event | None = None
        self._number = -1
        self._rated: Rated | None = None
        self._line = ""
        self._not_before = 0

    def take(self, record: Record) -> None:
        """Follow a record."""
        if record.kind == Kind.CREDIT:
            self._credit(record)
            return
        self._finish()
        if record.kind == Kind.DECISION:
            self._decision(record)
        elif record.kind == Kind.OUTPUT:
            _, step, by, msg = unpack(record)
            if by == BY_AGENT and msg[0] & 0xF0 == NOTE_ON and msg[2] and step in self._sending:
                self._sending[step].notes.append(msg[1])
        elif record.kind == Kind.RATING:
            _, self._number, _, value, phrase = unpack(record)
            if phrase not in (NOTHING_REACHED, SAME_PRESS):
                self._rated = Rated(value, phrase)
        elif record.kind == Kind.START:  # of a new instrument: it counts anew
            self._events.clear()
            self._sending.clear()
            self._last = None

    def line(self, now_ns: int) -> str:
        """What to say now of the last rating, "" for nothing."""
        if self._rated is not None:  # unless its credit is being written just now
            if self._rated.looked:
                self._finish()
            else:
                self._rated.looked = True
        if not self._line or now_ns < self._not_before:
            return ""
        said, self._line = self._line, ""
        self._not_before = now_ns + APART_NS
        return said

    def _decision(self, record: Record) -> None:
        head, _, _, step, t_in, _, _, _, _ = unpack(record)
        if head == RHYTHM or (head == HARMONY and (self._last is None or self._last.t_ns != t_in)):
            self._last = self._sending[step] = Event(t_in, head == HARMONY)
        if self._last is not None:
            self._events[head, step] = self._last
        while len(self._sending) > SENDING:
            self._sending.popitem(last=False)
        while len(self._events) > STEPS:
            self._events.popitem(last=False)

    def _credit(self, record: Record) -> None:
        number, head, step, weight = unpack(record)
        event = self._events.get((head, step))
        if self._rated is not None and number == self._number:
            self._rated.heads.add(head)
            if event is not None:
                known = self._rated.weights.get(id(event), (event, 0.0))[1]
                self._rated.weights[id(event)] = event, max(weight, known)

    def _finish(self) -> None:
        rated, self._rated = self._rated, None
        if rated is not None:
            self._line = words(rated) or self._line


def words(rated: Rated) -> str:
    """A rating in words: ``♥ liked 3 notes: E4 G4 A4``."""
    most = max((weight for _, weight in rated.weights.values()), default=0.0)
    events = sorted((e for e, weight in rated.weights.values() if weight >= CLEAR * most), key=lambda e: e.t_ns)
    chords = [event for event in events if event.chord]
    notes = [event.notes[0] for event in events if event.notes and not event.chord]
    said = "♥ liked" if rated.value > 0.0 else "✗ disliked" if rated.value < 0.0 else "so-so:"
    if not events:
        return ""
    if len(chords) == len(events) or rated.heads == {HARMONY}:
        what = _counted(len(events), "chord")
    elif rated.heads == {RHYTHM}:
        of = f"the phrase ({_counted(len(notes), 'note')})" if rated.phrase >= 0 else _counted(len(notes), "note")
        what = f"the rhythm of {of}" if notes else "the silence"
    elif not notes:
        what = "the silence"
    elif rated.phrase >= 0:
        return f"{said} the phrase ({_counted(len(notes), 'note')})"
    else:
        names = [note_name(note) for note in notes]
        what = f"{_counted(len(notes), 'note')}: {' '.join(names[-MOST:])}"
    return f"{said} {what}"


def _counted(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
