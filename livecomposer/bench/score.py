"""Three bars in each role, as sheet music: the instrument as it comes, without a rating, beside a tune that many know.

``cli`` calls it; needs the extra ``score`` (music21 makes the notation, verovio engraves it). ``--out DIR`` (default
``docs``) receives ``score-ROLE.svg`` and ``score-ROLE.mid`` for each role. The player plays the opening of Beethoven's
"Ode to Joy" (in *solo*: nothing); an answer is shown behind its call.

Keys of the report: ``machine``, ``ok`` (always True), ``files``, ``notes`` (the agent's, by role).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livecomposer.bench.playing import AGENT, Note, notes_of, strike
from livecomposer.bench.report import machine
from livecomposer.errors import SettingsError
from livecomposer.instrument.performance import Performance
from livecomposer.midi.files import write_performance
from livecomposer.settings import ROLES, Settings

TEMPO = 100.0
BEAT_S = 60.0 / TEMPO
BARS = 3
SEED = 4
KEY = "D major"
TUNE = (66, 66, 67, 69, 69, 67, 66, 64, 62, 62, 64, 66)  # quarters
TOUCH = 0.9  # how much of a note's length is held
TICKS = 12
Row = tuple[int, int, tuple[int, ...]]  # onset and length in ticks, notes


def measure(short: bool, out: str = "docs") -> dict[str, Any]:
    """Play, and write the pages."""
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"out = {out!r}: no folder can be made there ({error.strerror})") from None
    files: list[str] = []
    notes: dict[str, int] = {}
    for role in ROLES:
        player, agent, sent = play(role)
        bars = 2 * BARS + 1 if role == "answer" else BARS
        path = folder / f"score-{role}"
        write_performance(
            path.with_suffix(".mid"),
            *([(t_ns * 1e-9, msg) for t_ns, msg in sent if (msg[0] & 15 == AGENT) is ours] for ours in (False, True)),
            tempo_changes=[(0.0, TEMPO)],
        )
        parts = {} if role == "solo" else {"player": chords(player, bars)}
        parts["agent"] = chords(agent, bars)
        path.with_suffix(".svg").write_text(engrave(parts, bars), encoding="utf-8")
        files += [str(path.with_suffix(suffix)) for suffix in (".svg", ".mid")]
        notes[role] = len(agent)
    return {"machine": machine(), "ok": True, "files": files, "notes": notes}


def rows(report: dict[str, Any]) -> list[list[str]]:
    """What was written."""
    return [[name] for name in report["files"]]


def play(role: str) -> tuple[list[Note], list[Note], list[tuple[int, bytes]]]:
    """Both parts of a role's bars (times in s, the agent's notes as long as they were written), and what was sent."""
    p = Performance(Settings(role=role, key=KEY, tempo=TEMPO, seed=SEED, count_in=False))
    sent: list[tuple[int, bytes]] = []
    player = [] if role == "solo" else [(i * BEAT_S, BEAT_S, note) for i, note in enumerate(TUNE)]
    for t_ns, msg in strike([(onset, TOUCH * length, note) for onset, length, note in player]):
        p.receive(t_ns, msg)
        sent += p.advance(t_ns)
    end = (2 * BARS + 4 if role == "answer" else BARS) * 4 * BEAT_S
    sent += p.advance(round((end - 0.2 * BEAT_S) * 1e9))
    p.release(round(end * 1e9))
    sent += p.advance(p.now_ns)
    touch = TOUCH if role == "harmonize" else p.settings.articulation
    return player, [(onset, held / touch, note) for onset, held, note in notes_of(sent)], sent


def chords(notes: Sequence[Note], bars: int) -> list[Row]:
    """Notes by onset on the grid of 1/12 quarter, each as long as to the next at most, within so many bars."""
    found: dict[int, list[Note]] = {}
    for note in notes:
        found.setdefault(round(note[0] / BEAT_S * TICKS), []).append(note)
    onsets = [tick for tick in sorted(found) if tick < bars * 4 * TICKS]
    table = []
    for tick, after in zip(onsets, [*onsets[1:], bars * 4 * TICKS], strict=True):
        length = max(round(note[1] / BEAT_S * TICKS) for note in found[tick])
        length = min(max(length, 3), after - tick)
        table.append((tick, length, tuple(sorted(note[2] for note in found[tick]))))
    return table


def engrave(parts: dict[str, list[Row]], bars: int) -> str:
    """The parts as a page of sheet music, SVG."""
    try:
        import verovio
        from music21 import chord, clef, key, meter, musicxml, note, stream
    except ImportError:
        raise SettingsError("sheet music needs music21 and verovio; pip install livecomposer[score]") from None
    score: Any = stream.Score()
    for name, table in parts.items():
        part = stream.Part(id=name)
        part.partName = name
        middle = [n for _, _, notes in table for n in notes]
        part.append(clef.BassClef() if middle and sum(middle) / len(middle) < 57 else clef.TrebleClef())
        part.append(key.Key(KEY.split()[0]))
        part.append(meter.TimeSignature("4/4"))
        at = 0
        for tick, length, notes in table:
            if tick > at:
                part.append(note.Rest(quarterLength=(tick - at) / TICKS))
            sound: Any = chord.Chord(list(notes)) if len(notes) > 1 else note.Note(notes[0])
            for pitch in sound.pitches:
                if pitch.accidental is not None and pitch.accidental.name == "natural":
                    pitch.accidental = None  # the key says it
            sound.quarterLength = length / TICKS
            part.append(sound)
            at = tick + length
        if at < bars * 4 * TICKS:
            part.append(note.Rest(quarterLength=bars * 4 - at / TICKS))
        score.insert(0, part)
    exporter = musicxml.m21ToXml.GeneralObjectExporter(score.makeNotation())
    toolkit: Any = verovio.toolkit()
    toolkit.setOptions({
        "adjustPageHeight": True, "adjustPageWidth": True, "breaks": "none", "footer": "none", "header": "none",
        "pageMarginTop": 60, "pageMarginBottom": 60, "pageMarginLeft": 60, "pageMarginRight": 60, "scale": 45,
        "svgViewBox": True,
    })  # fmt: skip
    toolkit.loadData(exporter.parse().decode())
    return str(toolkit.renderToSVG(1))
