"""Simulated listeners: each hears the MIDI that the instrument sends, judges it by a hidden taste, and presses late.

``bench taste`` calls them, in virtual time and from one thread each. They know the beat, because they hear a click, and
nothing else of the instrument: what they like is computed here from the bytes, by code that the learner does not share.
They are not people. What they have of people is late, wrong and missing presses, and growing used to things.
"""

import math
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from livecomposer.bench.playing import AGENT

ON, OFF, CONTROL = 0x90 | AGENT, 0x80 | AGENT, 0xB0 | AGENT
ALL_OFF = (120, 123)  # controls that end every note
TOGETHER_NS = 20_000_000  # the ear takes onsets this close for one chord
ON_THE_BEAT = 0.02  # beats before which an onset is on the beat, before or after it
REST = 0.4  # beats; a shorter break is articulation (the instrument's own breaks reach 0.32)
SHORT = 0.35  # beats: a sixteenth or a triplet eighth at most
LOW = 62  # MIDI note below which a note is low
REGISTER, WIDTH = 69, 2.0  # the favourite register: MIDI note and SD in semitones
MOTIF, MEMORY = 3, 32  # intervals in a motif; notes within which it is known again
NEVER = 2**63 - 1

GROUPS = ("family", "contrary", "outside")
KINDS = ("graded", "thumb", "phrase_end", "always", "random", "silent")
FULL = 2.0  # SD of liking that is pressed with full strength
PHRASE_FULL = 1.0  # the same for the mean of a phrase, which spreads less than its notes
DEAD_ZONE = 0.25  # SD within which a thumb stays up
LAST = 2 / 3  # weight of the last note in the moment that is judged, the one before has the rest
PHRASE_REST = 0.75  # beats of silence that end a phrase
PHRASE_NOTES = 3  # notes that make one
RECALL = 24  # notes: the time constant of growing used to things
BETA = 4.0  # rationality of an A/B answer per SD of mean liking
SAME = 0.05  # SD of mean liking between two phrases that sound equally good
DISLIKED = -0.75  # SD of mean liking below which a phrase is clearly disliked

Sent = tuple[int, bytes]


class Heard(NamedTuple):
    """A note of the top line; times in beats, beat 0 being a first beat of a bar of 4/4."""

    onset: float
    length: float  # 0 while it sounds
    gap: float  # from the end of the note before it, 0 where they overlap and for the first note
    pitch: int
    together: int  # notes struck at once, this one included
    interval: int  # semitones from the note before it, 0 for the first note
    place: float  # in the beat, 0 (on it) to 1
    strong: bool  # on beat 1 or 3


class Ear:
    """Turns the agent's messages into notes as they arrive.

    Parameters
    ----------
    beat_ns, start_ns : int
        Length of a beat, and where beat 0 lies.

    Attributes
    ----------
    notes : list of Heard
        The highest note of each onset.
    begun, ended : list of int
        Their times in ns; ``NEVER`` as the end of one that still sounds.
    sounding : set of int
        MIDI notes that sound, also those under the top line.
    quiet_ns : int
        Since when nothing sounds, if nothing does.
    """

    def __init__(self, beat_ns: int, start_ns: int) -> None:
        self.beat_ns, self.start_ns = beat_ns, start_ns
        self.notes: list[Heard] = []
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.sounding: set[int] = set()
        self.quiet_ns = start_ns
        self._chord: set[int] = set()
        self._open: dict[int, int] = {}  # MIDI note -> its place in notes

    def hear(self, t_ns: int, msg: bytes) -> None:
        """Take one message; those of other channels are not heard."""
        if msg[0] == ON and msg[2]:
            self._begin(t_ns, msg[1])
        elif msg[0] in (ON, OFF):
            self._end(t_ns, (msg[1],))
        elif msg[0] == CONTROL and msg[1] in ALL_OFF:
            self._end(t_ns, tuple(self.sounding))

    def _begin(self, t_ns: int, pitch: int) -> None:
        joins = bool(self.notes) and t_ns - self.begun[-1] <= TOGETHER_NS
        if not (joins and pitch in self._chord):
            self._end(t_ns, (pitch,))  # struck anew while it sounds
        if joins:
            self._join(pitch)
        else:
            self._open[pitch] = len(self.notes)
            self.notes.append(self._note(t_ns, pitch))
            self.begun.append(t_ns)
            self.ended.append(NEVER)
            self._chord = {pitch}
        self.sounding.add(pitch)

    def _join(self, pitch: int) -> None:
        """A note struck together with the last one."""
        top = self.notes[-1]
        self._chord.add(pitch)
        if pitch > top.pitch:
            self._open.pop(top.pitch, None)
            self._open[pitch] = len(self.notes) - 1
            interval = pitch - self.notes[-2].pitch if len(self.notes) > 1 else 0
            top = top._replace(pitch=pitch, interval=interval)
            self.ended[-1] = NEVER
        self.notes[-1] = top._replace(together=len(self._chord))

    def _note(self, t_ns: int, pitch: int) -> Heard:
        onset = (t_ns - self.start_ns) / self.beat_ns
        beat = math.floor(onset + ON_THE_BEAT)
        place = onset - beat
        if place < ON_THE_BEAT:
            place = 0.0
        gap, interval = 0.0, 0
        if self.notes:
            gap = max(t_ns - self.ended[-1], 0) / self.beat_ns
            interval = pitch - self.notes[-1].pitch
        return Heard(onset, 0.0, gap, pitch, 1, interval, place, place == 0.0 and beat % 2 == 0)

    def _end(self, t_ns: int, pitches: Iterable[int]) -> None:
        for pitch in pitches:
            if pitch in self.sounding:
                self.sounding.remove(pitch)
                self.quiet_ns = t_ns
            at = self._open.pop(pitch, None)
            if at is not None:
                self.ended[at] = t_ns
                self.notes[at] = self.notes[at]._replace(length=(t_ns - self.begun[at]) / self.beat_ns)


def hear_notes(sent: Iterable[Sent], beat_ns: int, start_ns: int) -> list[Heard]:
    """The top line of what was sent, in order; a note that still sounds at the end is left out.

    Parameters
    ----------
    sent : iterable of (int, bytes)
        Messages with their times in ns, in order of time.
    beat_ns, start_ns : int
        Length of a beat, and where beat 0 lies.
    """
    ear = Ear(beat_ns, start_ns)
    for t_ns, msg in sent:
        ear.hear(t_ns, msg)
    return [note for note, end in zip(ear.notes, ear.ended, strict=True) if end != NEVER]


Feels = Callable[[Sequence[Heard], int], float]


@dataclass(frozen=True)
class Taste:
    """What a listener likes, hidden from the instrument."""

    name: str
    group: str
    """One of ``GROUPS``: in the family of the learner's features, against a tasteful prior, or outside both."""
    feels: Feels
    """Raw liking of ``notes[i]`` after the notes before it; later ones are not looked at."""
    by_end: bool = False
    """Whether a note can be judged only when its length is known, not from its onset."""
    sign: float = 1.0
    """-1 turns it round."""
    mean: float = 0.0
    """Raw liking that is neither liked nor disliked."""
    sd: float = 1.0
    """Raw liking that counts as 1."""

    def liking(self, notes: Sequence[Heard], i: int) -> float:
        """Liking of ``notes[i]``, in SDs."""
        return self.sign * (self.feels(notes, i) - self.mean) / self.sd

    def likings(self, notes: Sequence[Heard]) -> np.ndarray:
        """Liking of every note, float64[n]."""
        return np.array([self.liking(notes, i) for i in range(len(notes))], dtype=np.float64)


def standardised(taste: Taste, takes: Iterable[Sequence[Heard]]) -> Taste:
    """The taste scaled so that over all notes of the takes its liking has mean 0 and SD 1.

    Raises
    ------
    ValueError
        If every note of the takes is liked alike.
    """
    raw = np.array([taste.feels(notes, i) for notes in takes for i in range(len(notes))], dtype=np.float64)
    if raw.size == 0 or raw.std() < 1e-9:
        raise ValueError(f"{taste.name}: {raw.size} notes, all liked alike; standardise by more takes")
    return replace(taste, mean=float(raw.mean()), sd=float(raw.std()))


def opposite(taste: Taste) -> Taste:
    """The taste that likes what this one dislikes."""
    return replace(taste, name=f"opposite of {taste.name}", sign=-taste.sign)


def utility(taste: Taste, notes: Sequence[Heard]) -> float:
    """Mean liking per note of a take, 0 for one without notes."""
    return float(taste.likings(notes).mean()) if notes else 0.0


def _falling_thirds(notes: Sequence[Heard], i: int) -> float:
    return float(notes[i].interval in (-4, -3))


def _rising_steps(notes: Sequence[Heard], i: int) -> float:
    return float(notes[i].interval in (1, 2))


def _high_notes(notes: Sequence[Heard], i: int) -> float:
    return (notes[i].pitch - 60) / 12


def _long_notes(notes: Sequence[Heard], i: int) -> float:
    return min(notes[i].length, 4.0)


def _full_chords(notes: Sequence[Heard], i: int) -> float:
    return float(min(notes[i].together - 1, 3))


def _single_notes(notes: Sequence[Heard], i: int) -> float:
    return float(notes[i].together == 1)


def _space(notes: Sequence[Heard], i: int) -> float:
    return min(notes[i].gap, 2.0) if notes[i].gap >= REST else 0.0


def _leaps(notes: Sequence[Heard], i: int) -> float:
    return float(abs(notes[i].interval) >= 7)


def _tritones(notes: Sequence[Heard], i: int) -> float:
    return float(abs(notes[i].interval) == 6)


def _long_low_notes(notes: Sequence[Heard], i: int) -> float:
    return min(notes[i].length, 4.0) * max(LOW - notes[i].pitch, 0) / 12


def _syncopation(notes: Sequence[Heard], i: int) -> float:
    return float(notes[i].place > 0.0 and notes[i].length <= SHORT)


def _no_thirds(notes: Sequence[Heard], i: int) -> float:
    return -float(abs(notes[i].interval) in (3, 4))


def _zigzag(notes: Sequence[Heard], i: int) -> float:
    return float(i > 0 and notes[i - 1].interval * notes[i].interval < 0)


def _arches(notes: Sequence[Heard], i: int) -> float:
    """Whether the last five notes rise, then fall, without a repeated note."""
    if i < 4:
        return 0.0
    steps = [notes[j].interval for j in range(i - 3, i + 1)]
    rising = sum(step > 0 for step in steps)
    return float(0 < rising < 4 and min(steps[:rising]) > 0 and max(steps[rising:]) < 0)


def _fresh_pitches(notes: Sequence[Heard], i: int) -> float:
    return float(all(notes[j].pitch != notes[i].pitch for j in range(max(i - 8, 0), i)))


def _returning_motifs(notes: Sequence[Heard], i: int) -> float:
    """Whether the last three intervals, not all of them repetitions, were heard before within the last 32 notes."""
    motif = [notes[j].interval for j in range(max(i - MOTIF + 1, 1), i + 1)]
    if len(motif) < MOTIF or not any(motif):
        return 0.0
    first = max(i - MEMORY + 2, 1)  # the first note of those 32 gives no interval within them
    line = [notes[j].interval for j in range(first, i - MOTIF + 1)]
    return float(any(line[j : j + MOTIF] == motif for j in range(len(line) - MOTIF + 1)))


def _one_register(notes: Sequence[Heard], i: int) -> float:
    return math.exp(-0.5 * ((notes[i].pitch - REGISTER) / WIDTH) ** 2)


def _silence_then_chord(notes: Sequence[Heard], i: int) -> float:
    return _space(notes, i) * _full_chords(notes, i)


ARCHETYPES: Mapping[str, Taste] = MappingProxyType(
    {
        taste.name: taste
        for taste in (
            Taste("falling thirds", "family", _falling_thirds),
            Taste("rising steps", "family", _rising_steps),
            Taste("high notes", "family", _high_notes),
            Taste("long notes", "family", _long_notes, by_end=True),
            Taste("full chords", "family", _full_chords),
            Taste("single notes", "family", _single_notes),
            Taste("space", "family", _space),
            Taste("leaps", "contrary", _leaps),
            Taste("tritones", "contrary", _tritones),
            Taste("long low notes", "contrary", _long_low_notes, by_end=True),
            Taste("syncopation", "contrary", _syncopation, by_end=True),
            Taste("no thirds", "contrary", _no_thirds),
            Taste("zigzag", "outside", _zigzag),
            Taste("arches", "outside", _arches),
            Taste("fresh pitches", "outside", _fresh_pitches),
            Taste("returning motifs", "outside", _returning_motifs),
            Taste("one register", "outside", _one_register),
            Taste("silence then chord", "outside", _silence_then_chord),
        )
    }
)


@dataclass(frozen=True)
class Habit:
    """How a listener presses.

    Raises
    ------
    ValueError
        If the kind is unknown or a number is out of range.
    """

    kind: str = "graded"
    """graded: as strong as the liking; thumb: +1 or -1, and nothing when indifferent; phrase_end: once in the silence
    after a phrase, for its mean; always: +1; random: anything; silent: nothing."""
    per_minute: float = 20.0
    """Occasions in a minute while notes are heard, those that pass in silence included; phrase_end has its own."""
    delay_s: tuple[float, float] = (0.3, 1.5)
    """Least and greatest time from what is judged to the press, uniform."""
    wrong: float = 0.05
    """Share of presses with the wrong sign, and of A/B answers that are not meant."""
    silence: float = 0.3
    """Share of occasions on which nothing is pressed."""
    habituation: float = 0.0
    """0: liking is judged as it is; 1: only against what was heard lately."""
    noise: float = 0.2
    """SD of what is added to a judgement, in SDs of liking."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"habit {self.kind!r} is not one of {', '.join(KINDS)}")
        shares = (self.wrong, self.silence, self.habituation)
        low, high = self.delay_s
        if not (all(0 <= share <= 1 for share in shares) and self.per_minute > 0 and self.noise >= 0):
            raise ValueError(f"out of range: {self}")
        if not TOGETHER_NS / 1e9 <= low <= high:
            raise ValueError(f"delay {low} to {high} s: nobody presses before a chord is heard, or less than before")


class Listener:
    """One simulated listener at one performance.

    A note is judged from its onset, once its chord is complete; by a taste for lengths, from its end or when it has
    sounded for a beat. What is pressed depends on the messages and the seed, not on when ``presses`` is called.

    Parameters
    ----------
    taste : Taste
        What it likes, standardised.
    habit : Habit
        How it presses.
    beat_ns, start_ns : int
        Length of a beat, and where beat 0 lies.
    seed : int
        Of all its chances.
    """

    def __init__(self, taste: Taste, habit: Habit, beat_ns: int, start_ns: int, seed: int) -> None:
        self.taste, self.habit = taste, habit
        self._ear = Ear(beat_ns, start_ns)
        # an A/B answer takes nothing from the chances of the presses
        self._rng, self._pair_rng = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
        self._judged = 0  # notes that were known already
        self._phrase = 0  # the first note of this phrase
        self._now_ns = start_ns
        self._due_ns = start_ns + self._wait_ns()
        self._coming: list[tuple[int, float]] = []

    def hear(self, t_ns: int, msg: bytes) -> None:
        """One message that the instrument has sent; in order of time."""
        self._live(t_ns - 1)
        self._ear.hear(t_ns, msg)

    def presses(self, until_ns: int) -> list[tuple[int, float]]:
        """The presses since the last call up to this time, (t_ns, value in -1..1), in order of time.

        All messages up to this time must have been heard.
        """
        self._live(until_ns)
        due = [press for press in self._coming if press[0] <= until_ns]
        self._coming = self._coming[len(due) :]
        return due

    def change(self, taste: Taste) -> None:
        """Like something else from now on; presses already on their way stay."""
        self.taste = taste

    def prefers(self, first: Iterable[Sent], second: Iterable[Sent]) -> str:
        """Which of two phrases is better: "a" (the first), "b" or "neither".

        P(a) = 1 / (1 + exp(-BETA (U(a) - U(b)))) after Bradley and Terry (1952), U the mean liking per note; "neither"
        if they sound equally good or both are clearly disliked. A share ``wrong`` of answers is another than meant.
        """
        a, b = (utility(self.taste, hear_notes(p, self._ear.beat_ns, self._ear.start_ns)) for p in (first, second))
        choose, slip, other = self._pair_rng.random(3)
        if abs(a - b) < SAME or max(a, b) < DISLIKED:
            answer = "neither"
        else:
            answer = "a" if choose < 1 / (1 + math.exp(-BETA * (a - b))) else "b"
        if slip < self.habit.wrong:
            answer = {"a": "b", "b": "a"}.get(answer, "a" if other < 0.5 else "b")
        return answer

    def _wait_ns(self) -> int:
        """Time from one occasion to the next."""
        return round(60e9 / self.habit.per_minute * self._rng.uniform(0.5, 1.5))

    def _live(self, until_ns: int) -> None:
        """Judge all that becomes known up to this time."""
        while True:
            note_ns, phrase_ns = self._next_note(), self._next_phrase()
            due_ns = min(note_ns, phrase_ns)
            if due_ns > until_ns:
                return
            self._now_ns = max(self._now_ns, due_ns)
            if note_ns <= phrase_ns:
                self._judged += 1
                if self._now_ns >= self._due_ns and self.habit.kind not in ("phrase_end", "silent"):
                    self._rate_note(self._judged - 1)
            else:
                self._rate_phrase()

    def _next_note(self) -> int:
        """When the next note can be judged."""
        ear, i = self._ear, self._judged
        if i == len(ear.notes):
            return NEVER
        complete_ns = ear.begun[i] + TOGETHER_NS
        if not self.taste.by_end:
            return complete_ns
        return max(complete_ns, min(ear.ended[i], ear.begun[i] + ear.beat_ns))

    def _next_phrase(self) -> int:
        """When the silence after the notes heard has made them a phrase."""
        ear = self._ear
        if self.habit.kind != "phrase_end" or ear.sounding or len(ear.notes) - self._phrase < PHRASE_NOTES:
            return NEVER
        return ear.quiet_ns + round(PHRASE_REST * ear.beat_ns)

    def _rate_note(self, i: int) -> None:
        """An occasion: the note i has just been heard."""
        while self._due_ns <= self._now_ns:
            self._due_ns += self._wait_ns()
        notes = self._ear.notes[: i + 1]
        if self._ear.ended[i] > self._now_ns:
            length = (self._now_ns - self._ear.begun[i]) / self._ear.beat_ns
            notes[i] = notes[i]._replace(length=length)
        liking = self.taste.liking(notes, i)
        if i:
            liking = LAST * liking + (1 - LAST) * self.taste.liking(notes, i - 1)
        level = self._level(notes[: max(i - 1, 0)])
        from_ns = self._now_ns if self.taste.by_end else self._ear.begun[i]
        self._press(from_ns, liking - level, FULL)

    def _rate_phrase(self) -> None:
        """The occasion after a phrase."""
        notes = self._ear.notes
        liking = float(np.mean([self.taste.liking(notes, i) for i in range(self._phrase, len(notes))]))
        level = self._level(notes[: self._phrase])
        self._phrase = len(notes)
        self._press(self._now_ns, liking - level, PHRASE_FULL)

    def _level(self, notes: Sequence[Heard]) -> float:
        """What it has grown used to before what is judged: a mean that moves by 1 / RECALL a note, from 0 at first."""
        if not self.habit.habituation:
            return 0.0
        last = range(max(len(notes) - 4 * RECALL, 0), len(notes))
        fades = ((1 - 1 / RECALL) ** (len(notes) - 1 - i) / RECALL for i in last)
        return self.habit.habituation * sum(
            fade * self.taste.liking(notes, i) for fade, i in zip(fades, last, strict=True)
        )

    def _press(self, from_ns: int, judged: float, full: float) -> None:
        """Press, or not; an occasion takes the same chances whatever comes of it."""
        habit = self.habit
        silent, wrong, delay, anything = self._rng.random(4)
        judged += habit.noise * self._rng.standard_normal()
        value = min(max(judged / full, -1.0), 1.0)
        if habit.kind == "thumb":
            value = 0.0 if abs(judged) < DEAD_ZONE else math.copysign(1.0, judged)
        if wrong < habit.wrong:
            value = -value
        if habit.kind == "always":
            value = 1.0
        elif habit.kind == "random":
            value = 2 * anything - 1
        if silent >= habit.silence and value:
            low, high = habit.delay_s
            insort(self._coming, (from_ns + round((low + (high - low) * delay) * 1e9), float(value)))
