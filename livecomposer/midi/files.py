"""Standard MIDI files of a performance.

Export (desk) and takes (studio) write and read them, off the hot path. A file is of type 1: a conductor track with
tempo, metre and ratings, then the tracks ``player`` and ``agent``.
"""

import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import mido

from livecomposer.errors import SettingsError, StoreError
from livecomposer.music.metre import Metre, parse_metre
from livecomposer.whole import write_whole

TICKS_PER_BEAT = 480
DEFAULT_TEMPO_US = 500_000  # 120 beats a minute, the format's own default
TRACKS = ("player", "agent")
END_OF_TRACK = b"\xff\x2f\x00"
_PEDALS = (64, 66, 67)
_NOTES_END = (120, 123, 124, 125, 126, 127)  # channel mode messages after which no key is down (MIDI 1.0, table IV)
_LENGTHS = {0x80: 3, 0x90: 3, 0xA0: 3, 0xB0: 3, 0xC0: 2, 0xD0: 2, 0xE0: 3}

Events = Sequence[tuple[float, bytes]]


class TempoMap:
    """Seconds ↔ ticks under tempo changes, exactly as a reader of the file will compute them.

    Tempos are whole microseconds a beat and changes stand on whole ticks, as the format has them, so rounding never
    adds up: a moment rounded to its tick is at most half a tick away when read back.

    Parameters
    ----------
    changes : iterable of (tick, microseconds a beat)
        Ascending; of several on one tick the last holds. Until the first, 120 beats a minute.
    ticks_per_beat : int
    """

    def __init__(self, changes: Iterable[tuple[int, int]] = (), ticks_per_beat: int = TICKS_PER_BEAT) -> None:
        self._ticks_per_second = 1e6 * ticks_per_beat  # over the tempo in microseconds
        self.ticks = [0]
        self.tempos = [DEFAULT_TEMPO_US]
        self._starts = [0.0]  # seconds
        for tick, tempo in changes:
            self._append(tick, tempo)

    @classmethod
    def from_seconds(cls, changes: Iterable[tuple[float, float]]) -> "TempoMap":
        """From (t_s, bpm) in any order; the earliest also holds before its moment.

        Raises
        ------
        SettingsError
            For a tempo outside 4–1000 beats a minute.
        """
        new = cls()
        for i, (t_s, bpm) in enumerate(sorted(changes, key=lambda change: change[0])):
            if not 4 <= bpm <= 1000:
                raise SettingsError(f"tempo {bpm} is out of range; a MIDI file takes 4 to 1000 beats a minute")
            new._append(0 if i == 0 else max(0, round(new.position(t_s))), round(60e6 / bpm))
        return new

    def _append(self, tick: int, tempo: int) -> None:
        if self.ticks[-1] == tick:
            self.tempos[-1] = tempo
            return
        self._starts.append(self.seconds(tick))
        self.ticks.append(tick)
        self.tempos.append(tempo)

    def position(self, t_s: float) -> float:
        """Ticks, not yet rounded, at a moment in seconds."""
        i = max(0, bisect_right(self._starts, t_s) - 1)
        return self.ticks[i] + (t_s - self._starts[i]) * self._ticks_per_second / self.tempos[i]

    def seconds(self, tick: int) -> float:
        """The moment of a tick."""
        i = bisect_right(self.ticks, tick) - 1
        return self._starts[i] + (tick - self.ticks[i]) * self.tempos[i] / self._ticks_per_second


COMMON = parse_metre("4/4")


def write_performance(
    path: str | os.PathLike[str],
    player: Events,
    agent: Events,
    *,
    tempo_changes: Sequence[tuple[float, float]] = (),
    ratings: Sequence[tuple[float, float | str]] = (),
    metre: Metre = COMMON,
    offset_s: float = 0.0,
) -> None:
    """Write what was played as a type 1 file with 480 ticks a beat.

    In the file no note is shorter than a tick, none overlaps another of its pitch and channel (a second note_on ends
    the first; one on the same tick joins it), each has its end, and pedals are up at the end. Note-offs without a note
    are left out, and so is what is no whole channel message. The file appears at once or not at all.

    Parameters
    ----------
    path : path
        Where to write; a file that is there is replaced.
    player, agent : sequence of (t_s, bytes)
        MIDI messages with their moments in seconds, in any order.
    tempo_changes : sequence of (t_s, bpm)
        The earliest also holds before its moment; without any, 120.
    ratings : sequence of (t_s, value)
        Values −1..1, written as markers such as ``like +0.5``, ``dislike -1.0`` and ``neutral +0.0``; a text as it is.
    metre : Metre
    offset_s : float
        The moment that becomes the beginning of the file; anything earlier moves to it.

    Raises
    ------
    SettingsError
        For a tempo that a MIDI file cannot hold.
    StoreError
        If the file cannot be written.
    """
    tempo_map = TempoMap.from_seconds((t_s - offset_s, bpm) for t_s, bpm in tempo_changes)

    def tick_of(t_s: float) -> int:
        return max(0, round(tempo_map.position(t_s - offset_s)))

    conductor: list[tuple[int, mido.MetaMessage]] = [
        (0, mido.MetaMessage("track_name", name="livecomposer")),
        (0, mido.MetaMessage("time_signature", numerator=metre.units, denominator=48 // metre.unit_ticks)),
    ]
    for tick, tempo in zip(tempo_map.ticks, tempo_map.tempos, strict=True):
        conductor.append((tick, mido.MetaMessage("set_tempo", tempo=tempo)))
    for t_s, value in ratings:
        text = value if isinstance(value, str) else rating_text(value)
        conductor.append((tick_of(t_s), mido.MetaMessage("marker", text=text)))
    conductor.sort(key=lambda item: item[0])
    parts = [_ticked(events, tick_of) for events in (player, agent)]
    end = max((tick for part in (conductor, *parts) for tick, _ in part), default=0)
    cleaned = [_cleaned(part, end) for part in parts]
    end = max([end, *(tick for part in cleaned for tick, _ in part)])  # a note begun on the last tick ends after it
    tracks = [_track([(tick, bytes(message.bytes())) for tick, message in conductor], end)]
    for name, part in zip(TRACKS, cleaned, strict=True):
        title = bytes(mido.MetaMessage("track_name", name=name).bytes())
        tracks.append(_track([(0, title), *part], end))
    header = b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), TICKS_PER_BEAT)
    try:
        write_whole(Path(path), header + b"".join(tracks))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}; choose another file or folder") from error


def rating_text(value: float) -> str:
    """The marker of a rating: ``like +0.5``, ``dislike -1.0``, ``neutral +0.0``."""
    shown = round(value, 3) + 0.0  # + 0.0 turns −0.0 into 0.0
    word = "like" if shown > 0 else "dislike" if shown < 0 else "neutral"
    return f"{word} {shown:+}"


def read_performance(
    path: str | os.PathLike[str],
) -> tuple[list[tuple[float, bytes]], list[tuple[float, bytes]]]:
    """Read the channel messages of the tracks ``player`` and ``agent``, with their moments in seconds.

    Raises
    ------
    StoreError
        If the file cannot be read, is no MIDI file, or lacks one of the tracks.
    """
    try:
        file = mido.MidiFile(os.fspath(path))
    except OSError as error:
        # mido reports a damaged file as OSError too, without an errno.
        reason = error.strerror or "it is no MIDI file, or damaged"
        raise StoreError(f"cannot read {os.fspath(path)}: {reason}; choose another file") from error
    except Exception as error:  # a damaged file makes mido raise EOFError, ValueError, KeyError, IndexError, ...
        raise StoreError(
            f"cannot read {os.fspath(path)}: it is no MIDI file, or damaged; choose another file"
        ) from error
    changes: list[tuple[int, int]] = []
    named: dict[str, list[tuple[int, bytes]]] = {}
    for track in file.tracks:
        tick = 0
        events = []
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                changes.append((tick, message.tempo))
            elif not message.is_meta and message.bytes()[0] < 0xF0:
                events.append((tick, bytes(message.bytes())))
        named.setdefault(track.name.strip().lower(), events)
    missing = [name for name in TRACKS if name not in named]
    if missing:
        raise StoreError(
            f'{os.fspath(path)} has no track named "{missing[0]}"; only files that livecomposer exported can be read'
        )
    if file.ticks_per_beat <= 0:
        raise StoreError(f"{os.fspath(path)} counts time in film frames; only files in ticks per beat can be read")
    tempo_map = TempoMap(sorted(changes, key=lambda change: change[0]), file.ticks_per_beat)
    player, agent = ([(tempo_map.seconds(tick), data) for tick, data in named[name]] for name in TRACKS)
    return player, agent


def _ticked(events: Events, tick_of: Callable[[float], int]) -> list[tuple[int, bytes]]:
    """Whole channel messages with their ticks, in order of time."""
    ordered = sorted(events, key=lambda event: event[0])
    return [(tick_of(t_s), data) for t_s, data in ordered if _is_whole(data)]


def _is_whole(data: bytes) -> bool:
    return len(data) > 1 and len(data) == _LENGTHS.get(data[0] & 0xF0) and max(data[1:]) < 0x80


class _Span:
    """One note of the file; ``end`` is None while its key is down."""

    __slots__ = ("end", "message", "release", "start")

    def __init__(self, start: int, message: bytes) -> None:
        self.start = start
        self.end: int | None = None
        self.message = message
        self.release = 64

    def stop(self, tick: int, release: int = 64) -> None:
        if self.end is None:
            self.end = max(tick, self.start + 1)
            self.release = release


def _cleaned(events: list[tuple[int, bytes]], end: int) -> list[tuple[int, bytes]]:
    """The same music with every note ended once, none of no length, none over another, and the pedals up."""
    spans: list[_Span] = []
    last: dict[tuple[int, int], _Span] = {}  # by channel and note
    pedals: dict[tuple[int, int], int] = {}  # by channel and controller
    rows: list[tuple[int, int, bytes]] = []  # tick, order within the tick, message
    for tick, data in events:
        kind, channel = data[0] & 0xF0, data[0] & 0x0F
        if kind == 0x90 and data[2] > 0:
            before = last.get((channel, data[1]))
            if before is not None and before.start == tick:
                before.end = None  # one tick cannot hold two beginnings: they are one note
                continue
            if before is not None and (before.end is None or before.end > tick):
                before.end = tick
            span = last[(channel, data[1])] = _Span(tick, data)
            spans.append(span)
        elif kind in (0x80, 0x90):
            held = last.get((channel, data[1]))
            if held is not None:
                held.stop(tick, data[2] if kind == 0x80 else 64)
        else:
            rows.append((tick, 1, data))
            if kind == 0xB0 and data[1] in _PEDALS:
                pedals[(channel, data[1])] = data[2]
            if kind == 0xB0 and data[1] in _NOTES_END:
                for (held_channel, _), span in last.items():
                    if held_channel == channel:
                        span.stop(tick)
    for span in spans:
        span.stop(end)
        rows.append((span.start, 2, span.message))
        rows.append((span.end or end, 0, bytes((0x80 | span.message[0] & 0x0F, span.message[1], span.release))))
    final = max([end, *(tick for tick, _, _ in rows)])
    rows += [(final, 1, bytes((0xB0 | channel, cc, 0))) for (channel, cc), value in sorted(pedals.items()) if value]
    # Ends before beginnings, programs and pedals between them; sorted() keeps the order of what is equal.
    return [(tick, data) for tick, _, data in sorted(rows, key=lambda row: row[:2])]


def _track(events: Sequence[tuple[int, bytes]], end: int) -> bytes:
    """A track's chunk. By hand: an object for each of an hour's messages takes mido four seconds."""
    out = bytearray()
    before = 0
    for tick, message in [*events, (end, END_OF_TRACK)]:
        out += _delta(tick - before)
        out += message
        before = tick
    return b"MTrk" + struct.pack(">I", len(out)) + bytes(out)


def _delta(ticks: int) -> bytes:
    """A variable-length quantity: 7 bits a byte, the highest first, all but the last marked (SMF 1.0)."""
    if ticks < 0x80:
        return bytes((ticks,))
    found = [ticks & 0x7F]
    while ticks := ticks >> 7:
        found.append(ticks & 0x7F | 0x80)
    return bytes(reversed(found))
