"""The virtual player: someone at the keys when nobody is there.

`instrument.live` (with ``--player virtual``), practice, benchmarks and tests ask it for MIDI; it knows neither clock
nor port, and the same seed and the same calls give the same music. It plays two-bar phrases made of one motif: stated,
moved in sequence, and closed by a cadence on the dominant or the tonic.
"""

import math
from random import Random
from typing import NamedTuple

from livecomposer.errors import SettingsError
from livecomposer.music.theory import Key, degree_of, nearest, scale_notes

ROLES = ("harmonize", "duet", "answer", "solo")
LOW, HIGH = 55, 84  # G3 to C6: a right hand, with room for a bass below
SLACK_S = 0.008  # how far a key falls before or after its beat
CHORD_S = 0.025  # two keys meant as one are at most this far apart
_CLEAR_S = 0.010  # a phrase is silent this long before its end, so that the next may begin early
_APART_S = 0.005  # between the end of a note and the same key struck again

# One beat or two, in quarter notes, with how often a bar takes it.
_CELLS: tuple[tuple[tuple[float, ...], int], ...] = (
    ((1.0,), 5),
    ((0.5, 0.5), 6),
    ((1.5, 0.5), 2),
    ((0.5, 1.0, 0.5), 1),
)
# Scale steps from one note to the next: mostly neighbours; a leap is answered by a step back.
_MOVES: tuple[tuple[int, int], ...] = ((1, 8), (-1, 9), (0, 2), (2, 3), (-2, 3), (3, 1), (-3, 1), (4, 1))


class _Note(NamedTuple):
    beat: float
    length: float
    note: int
    velocity: int


class _Motif(NamedTuple):
    rhythm: tuple[float, ...]  # quarter notes; they fill one bar
    moves: tuple[int, ...]  # scale steps from the first note, which is 0


class VirtualPlayer:
    """A player with a key, a tempo and a role.

    Parameters
    ----------
    role : str
        ``harmonize``: an unbroken melody, now and then two keys at once; ``duet``: two-bar phrases and a bar of rest;
        ``answer``: a call of one or two bars, then rest for as long and one bar more; ``solo``: nothing.
    key : Key
    tempo : float
        Quarter notes a minute, 20–400.
    seed : int
        Same seed, same calls: same music.
    bar_quarters : float
        Quarter notes in a bar, 1 to 12.

    Raises
    ------
    SettingsError
        For an unknown role or a number out of range.
    """

    def __init__(self, role: str, key: Key, tempo: float, seed: int, *, bar_quarters: float = 4.0) -> None:
        if not 1 <= bar_quarters <= 12:
            raise SettingsError(f"quarters in a bar must be 1 to 12, not {bar_quarters}")
        self._role = _checked_role(role)
        self._key = key
        self._beat_s = 60.0 / _checked_tempo(tempo)
        self._random = Random(seed)
        self._bar = bar_quarters
        self._anchor = (0.0, 0.0)  # (seconds, beats): where the present tempo began
        self._next_beat = 0.0  # where the next phrase begins
        self._now_s = 0.0
        self._pending: list[tuple[float, bytes]] = []
        self._sounding: set[int] = set()
        self._pedal_down = False
        self._silent = False
        self._count = 0  # phrases since the motif was new
        self._motif = _Motif((), ())

    def events(self, until_s: float) -> list[tuple[float, bytes]]:
        """Everything from the last call up to, but not including, ``until_s``, in order.

        Parameters
        ----------
        until_s : float
            Seconds from the start, finite. ``events(a) + events(b)`` is what ``events(b)`` alone would have been.

        Returns
        -------
        list of (t_s, bytes)
            Whole messages on channel index 0: note_on, note_off and the sustain pedal (CC 64).
        """
        if not math.isfinite(until_s):
            raise ValueError(f"until_s must be finite, not {until_s}")
        self._now_s = max(self._now_s, until_s)
        if not self._silent and self._role != "solo":
            while self._seconds(self._next_beat) - SLACK_S < until_s:
                self._add_phrase()
        ready = 0
        while ready < len(self._pending) and self._pending[ready][0] < until_s:
            ready += 1
        out, self._pending = self._pending[:ready], self._pending[ready:]
        for _, message in out:
            self._follow(message)
        return out

    def set_role(self, role: str) -> None:
        """Change the role; as with key and tempo, sounding notes end as planned, and the next bar begins a phrase."""
        self._role = _checked_role(role)
        self._restart()

    def set_key(self, key: Key) -> None:
        """Change the key; no note of the old one begins after this call."""
        self._key = key
        self._restart()

    def set_tempo(self, tempo: float) -> None:
        """Change the tempo (20–400 quarter notes a minute) from the last ``until_s`` on; the bars go on counting."""
        beat_s = 60.0 / _checked_tempo(tempo)
        self._anchor = (self._now_s, self._beats(self._now_s))
        self._beat_s = beat_s
        self._restart()

    def release(self) -> list[bytes]:
        """Stop at once: the pedal up and a note_off for all that sounds. Silent until `resume`."""
        out = [bytes((0xB0, 64, 0))] if self._pedal_down else []
        out += [_off(note) for note in sorted(self._sounding)]
        self._sounding.clear()
        self._pedal_down = False
        self._pending = []
        self._silent = True
        return out

    def resume(self, t_s: float) -> None:
        """Take over again: the first phrase begins at the bar line at or after ``t_s`` (seconds from the start)."""
        self._now_s = max(self._now_s, t_s)
        self._silent = False
        self._restart()

    def _seconds(self, beat: float) -> float:
        return self._anchor[0] + (beat - self._anchor[1]) * self._beat_s

    def _beats(self, t_s: float) -> float:
        return self._anchor[1] + (t_s - self._anchor[0]) / self._beat_s

    def _follow(self, message: bytes) -> None:
        kind = message[0] & 0xF0
        if kind == 0x90:
            self._sounding.add(message[1])
        elif kind == 0x80:
            self._sounding.discard(message[1])
        else:
            self._pedal_down = message[2] >= 64

    def _restart(self) -> None:
        """Drop what has not begun; keep the end of what sounds; begin anew at a bar line."""
        line = math.ceil(self._beats(self._now_s + _CLEAR_S + SLACK_S) / self._bar - 1e-9) * self._bar
        self._next_beat = float(max(line, 0))
        latest = max(self._now_s, self._seconds(self._next_beat) - _CLEAR_S)
        kept = []
        waiting = set(self._sounding)
        pedal = self._pedal_down
        for t_s, message in self._pending:
            kind = message[0] & 0xF0
            if kind == 0x80 and message[1] in waiting:
                waiting.discard(message[1])
                kept.append((min(t_s, latest), message))
            elif kind == 0xB0 and pedal and message[2] == 0:
                pedal = False
                kept.append((min(t_s, latest), message))
        self._pending = kept
        self._count = 0

    def _add_phrase(self) -> None:
        start = self._next_beat
        if self._role == "answer":
            bars = self._random.choice((1, 2))
            rest = bars + 1
        else:
            bars = 2
            rest = 1 if self._role == "duet" else 0
        notes = self._compose(start, bars)
        self._next_beat = start + (bars + rest) * self._bar
        end_s = self._seconds(start + bars * self._bar) - _CLEAR_S
        self._pending += self._perform(notes, start, bars, end_s)
        self._count += 1

    # -- what is played

    def _compose(self, start: float, bars: int) -> list[_Note]:
        """A phrase on the page: exact beats, no expression but the accents."""
        lattice = scale_notes(self._key, LOW, HIGH)
        if self._count % 4 == 0:
            self._motif = self._invent(len(lattice))
        motif = self._motif
        if self._count % 4 == 2:  # the contrast: the same rhythm upside down
            motif = _Motif(motif.rhythm, tuple(-move for move in motif.moves))
        centre = len(lattice) // 2
        opening = centre + self._random.choice((-1, 0, 1))
        rhythm: list[float] = []
        places: list[int] = []
        if bars == 2:
            rhythm += motif.rhythm
            places += [opening + move for move in motif.moves]
            opening += self._random.choice((-1, 1, 1, 2))  # the second bar begins as a sequence of the first
        closing = self._closing_rhythm(motif.rhythm)
        kept = max(0, len(closing) - 3)
        final = 0 if self._count % 2 else _dominant(self._key)
        rhythm += closing
        places += [opening + move for move in motif.moves[:kept]]
        places = [_folded(place, len(lattice)) for place in places]
        places += self._cadence(lattice, places[-1] if places else centre, final, len(closing) - kept)
        return self._accented(start, rhythm, [lattice[place] for place in places], bars)

    def _invent(self, size: int) -> _Motif:
        rhythm: list[float] = []
        while sum(rhythm) < self._bar:
            left = self._bar - sum(rhythm)
            fitting = [(cell, weight) for cell, weight in _CELLS if sum(cell) <= left]
            cells, weights = zip(*(fitting or [((left,), 1)]), strict=True)
            rhythm += self._random.choices(cells, weights)[0]
        steps, weights = zip(*_MOVES, strict=True)
        moves = [0]
        last = 0
        while len(moves) < len(rhythm):
            if abs(last) > 2:
                last = -1 if last > 0 else 1  # a leap resolves by step, the other way
            else:
                last = self._random.choices(steps, weights)[0]
                if abs(moves[-1] + last) > min(4, size // 2):
                    last = -1 if moves[-1] > 0 else 1
            moves.append(moves[-1] + last)
        return _Motif(tuple(rhythm), tuple(moves))

    def _closing_rhythm(self, rhythm: tuple[float, ...]) -> list[float]:
        """The motif's rhythm with its last half bar (the last beat in short bars) held as one note."""
        held = float(max(1, self._bar // 2))
        out: list[float] = []
        for length in rhythm:
            left = self._bar - held - sum(out)
            if left <= 0:
                break
            out.append(min(length, left))
        return [*out, held]

    def _cadence(self, lattice: tuple[int, ...], before: int, degree: int, count: int) -> list[int]:
        """``count`` places that walk by step to the nearest tone of that degree."""
        goals = [i for i in range(len(lattice)) if degree_of(self._key, lattice[i]) == degree]
        goal = min(goals, key=lambda i: (abs(i - before), i))
        away = 1 if before > goal or (before == goal and self._random.random() < 0.5) else -1
        return [_folded(goal + away * distance, len(lattice)) for distance in range(count - 1, -1, -1)]

    def _accented(self, start: float, rhythm: list[float], pitches: list[int], bars: int) -> list[_Note]:
        out = []
        beat = 0.0
        for length, note in zip(rhythm, pitches, strict=True):
            in_bar = beat % self._bar
            accent = 10 if in_bar == 0 else 5 if in_bar == self._bar / 2 else 0 if in_bar % 1 == 0 else -6
            arch = 9 * math.sin(math.pi * (beat + 0.5) / (bars * self._bar + 1))
            out.append(_Note(start + beat, length, note, round(72 + accent + arch)))
            beat += length
        return out

    # -- how it is played

    def _perform(self, notes: list[_Note], start: float, bars: int, end_s: float) -> list[tuple[float, bytes]]:
        """The phrase under fingers: timing, touch, a second key here and there, and the pedal."""
        draw = self._random
        legato = draw.random() < 0.6
        struck: list[tuple[float, float, int, int]] = []  # on, off, note, velocity
        for item in notes:
            on_s = max(0.0, self._seconds(item.beat) + draw.uniform(-SLACK_S, SLACK_S))
            share = draw.uniform(0.97, 1.04) if legato else draw.uniform(0.6, 0.88)
            off_s = on_s + share * item.length * self._beat_s
            velocity = item.velocity + draw.randint(-3, 3)
            struck.append((on_s, off_s, item.note, velocity))
            if self._role == "harmonize" and draw.random() < 0.12:
                below = nearest(self._key, item.note - draw.choice((3, 4, 8, 9)))
                if below < item.note:
                    struck.append((on_s + draw.uniform(0.002, CHORD_S), off_s, below, velocity - 8))
        events: list[tuple[float, int, bytes]] = []
        free_at: dict[int, float] = {}
        for on_s, wanted_s, note, velocity in sorted(struck, reverse=True):
            off_s = min(wanted_s, end_s, free_at.get(note, end_s))
            free_at[note] = on_s - _APART_S
            events.append((on_s, 2, bytes((0x90, note, velocity))))
            events.append((off_s, 0, _off(note)))
        if draw.random() < 0.35:
            for bar in range(bars):
                # Pressed after the chord and lifted before the next: nothing blurs across the bar line.
                down_s = self._seconds(start + bar * self._bar) + 0.15 * self._beat_s
                up_s = self._seconds(start + (bar + 1) * self._bar) - _CLEAR_S - SLACK_S
                events.append((down_s, 1, bytes((0xB0, 64, 127))))
                events.append((up_s, 1, bytes((0xB0, 64, 0))))
        return [(t_s, message) for t_s, _, message in sorted(events)]


def _dominant(key: Key) -> int:
    """The degree nearest to a fifth above the tonic."""
    return min(range(len(key.intervals)), key=lambda i: (abs(key.intervals[i] - 7), i))


def _folded(place: int, size: int) -> int:
    """A place reflected into 0..size-1, so that a line turns round at the end of the hand's range."""
    if size == 1:
        return 0
    turned = place % (2 * (size - 1))
    return min(turned, 2 * (size - 1) - turned)


def _off(note: int) -> bytes:
    return bytes((0x80, note, 64))


def _checked_role(role: str) -> str:
    if role not in ROLES:
        raise SettingsError(f'role "{role}" is unknown; allowed are {", ".join(ROLES)}')
    return role


def _checked_tempo(tempo: float) -> float:
    if not 20 <= tempo <= 400:
        raise SettingsError(f"tempo {tempo} is out of range; allowed are 20 to 400 beats a minute")
    return tempo
