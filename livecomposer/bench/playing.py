"""What a performance in virtual time has played, as notes; called by the benches of music."""

from collections.abc import Iterable, Sequence

from livecomposer.midi.messages import NOTE_OFF, NOTE_ON
from livecomposer.music.theory import Key, degree_of, nearest

AGENT = 1  # the agent's channel, counted from 0
Note = tuple[float, float, int]  # onset and length in s, MIDI note


def notes_of(sent: Iterable[tuple[int, bytes]], channel: int = AGENT) -> list[Note]:
    """Notes of a channel in order of onset (one still sounding at the end is left out)."""
    began: dict[int, int] = {}
    found = []
    for t_ns, msg in sent:
        if msg[0] == NOTE_ON | channel and msg[2]:
            began[msg[1]] = t_ns
        elif msg[0] in (NOTE_OFF | channel, NOTE_ON | channel) and msg[1] in began:
            start = began.pop(msg[1])
            found.append((start / 1e9, (t_ns - start) / 1e9, msg[1]))
    return sorted(found)


def top_line(notes: Sequence[Note]) -> list[Note]:
    """The highest note of each onset."""
    line: list[Note] = []
    for note in notes:
        if line and abs(note[0] - line[-1][0]) < 1e-4:
            if note[2] > line[-1][2]:
                line[-1] = note
        else:
            line.append(note)
    return line


def strike(notes: Sequence[Note], channel: int = 0, velocity: int = 80) -> list[tuple[int, bytes]]:
    """Notes as the messages of a player, (t_ns, bytes) in order, note-offs first."""
    events = []
    for onset, length, note in notes:
        events.append((round(onset * 1e9), 1, bytes((NOTE_ON | channel, note, velocity))))
        events.append((round((onset + length) * 1e9), 0, bytes((NOTE_OFF | channel, note, 64))))
    return [(t_ns, msg) for t_ns, _, msg in sorted(events)]


def scale_places(notes: Sequence[int], key: Key) -> list[int]:
    """Places on the scale (7 to the octave in a scale of 7); a foreign note has that of its nearest scale note."""
    found = []
    for note in notes:
        on = nearest(key, note)
        found.append((on - key.tonic) // 12 * len(key.intervals) + (degree_of(key, on) or 0))
    return found
