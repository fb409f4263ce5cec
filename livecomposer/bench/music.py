"""Is it music? The melody table, form, key following, answers and duets, each beside what is known of people's.

``cli`` calls it. All is played through ``Performance`` in virtual time, without ratings, at tempo 120 in C major: a
piece is the first 32 sixteenths of a solo, or of an answer to a call of two bars. What is measured against real
melodies needs the extra ``music`` (`livecomposer.bench.corpus` says which); without it ``music_missing`` says so.
``--out`` keeps the pieces as .mid files.

Keys of the report: ``machine``; ``ok`` (always True); ``tables``: by name (``prior``, ``answers``, ``chromatic``: the
scale mask off, ``untrained``: without the shipped prior) the rates of ``livecomposer.bench.melody`` as ``table``, with
``diversity`` and ``likelihood``; ``bach`` the first two for held-out chorales, in the same number of notes;
``published`` (the literature's); ``form``, ``following``, ``calls``, ``duets``: the reports of those modules.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livecomposer.bench import agents as of_agents
from livecomposer.bench import calls, duets, following, form, melody
from livecomposer.bench.corpus import Melody, chorales, split, tunes
from livecomposer.bench.playing import Note, notes_of, top_line
from livecomposer.bench.report import machine
from livecomposer.errors import SettingsError
from livecomposer.instrument.performance import Performance
from livecomposer.midi.files import write_performance
from livecomposer.music.player import VirtualPlayer
from livecomposer.music.theory import parse_key
from livecomposer.settings import Settings

PIECES, SHORT = 1000, 100
TEMPO = 120.0
KEY = "C major"
CALL_S, REPLY_S = 4.0, 4.0  # two bars each
SLACK_S = 1.1  # a note that begins in time ends in time
LABELS = {
    "repeated": "excessively repeated, % of steps", "not_in_key": "not in key, % of steps",
    "not_in_key_onset": "  of onsets", "tonic_start": "starts on the tonic, %", "leaps_resolved": "leaps resolved, %",
    "leaps_per_onset": "leaps per onset", "unique_max": "unique highest note, %", "unique_min": "unique lowest note, %",
    "in_motif": "in a motif, % of steps", "repeated_motif": "in a repeated motif, %", "onsets": "notes in a piece",
}  # fmt: skip
Events = Sequence[tuple[float, bytes]]


def measure(short: bool, out: str = "", agents: bool = False) -> dict[str, Any]:
    """1,000 pieces of each kind (100 if ``short``), and the rest; ``out``: a folder for .mid files; ``agents``: all
    agents' melodies instead (`livecomposer.bench.agents`)."""
    if agents:
        return of_agents.music(short)
    n = SHORT if short else PIECES
    folder = _folder(out)
    kinds: dict[str, Settings] = {
        "prior": Settings(role="solo", key=KEY, tempo=TEMPO),
        "answers": Settings(role="answer", key=KEY, tempo=TEMPO, trade_bars=2),
        "chromatic": Settings(role="solo", key=KEY, tempo=TEMPO, scale_mask=False),
        "untrained": Settings(role="solo", key=KEY, tempo=TEMPO, prior="none"),
    }
    pieces = {name: [play(s.with_(seed=seed), name, folder) for seed in range(n)] for name, s in kinds.items()}
    report: dict[str, Any] = {
        "machine": machine(),
        "ok": True,
        "tables": {name: {"table": melody.table(p), "diversity": melody.diversity(p)} for name, p in pieces.items()},
        "published": melody.PUBLISHED,
        "form": form.measure(short),
    }
    try:
        held_out = [chorale.soprano for chorale in split(chorales())[1]]
        tunes()  # what follows needs them too, and who has read the one may lack the other
    except SettingsError as error:
        return {**report, "music_missing": str(error)}
    for name, p in pieces.items():
        report["tables"][name]["likelihood"] = melody.likelihood(p, held_out, np.random.default_rng(1))
    report["bach"] = {"table": melody.table(openings(held_out)), "diversity": melody.diversity(whole(held_out))}
    for bench in (following, calls, duets):
        report[bench.__name__.rpartition(".")[2]] = bench.measure(short)
    return report


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The melody table in columns, then sentences."""
    if "agents" in report:
        return of_agents.rows(report)
    columns = {name: found["table"] for name, found in report["tables"].items()}
    if "bach" in report:
        columns["Bach"] = report["bach"]["table"]
    columns |= report["published"]
    lines = [f"{'':34}" + "".join(f"{name:>14}" for name in columns)]
    for key, label in LABELS.items():
        cells = (f"{table[key]:.2f}" if key in table else "–" for table in columns.values())
        lines.append(f"{label:34}" + "".join(f"{cell:>14}" for cell in cells))
    bach = report.get("bach")
    for name, found in report["tables"].items():
        diverse = found["diversity"]
        line = (
            f"{name}: {diverse['fourgrams_per_note']:.3f} distinct 4-grams a note in {diverse['notes']} notes, "
            f"{diverse['equal']} pieces equal to another"
        )
        if "likelihood" in found:
            like = found["likelihood"]
            line += (
                f"; log-likelihood a note {like['ours']:.2f} (shuffled {like['shuffled']:.2f}, Bach "
                f"{like['bach']:.2f}: {like['share']:.0%} of the way)"
            )
        lines.append(line)
    if bach:
        diverse = bach["diversity"]
        lines.append(f"Bach: {diverse['fourgrams_per_note']:.3f} distinct 4-grams a note in {diverse['notes']} notes")
    table = [[line] for line in lines] + form.rows(report["form"])
    if "music_missing" in report:
        return [*table, [f"not measured against real melodies: {report['music_missing']}"]]
    return [*table, *following.rows(report["following"]), *calls.rows(report["calls"]), *duets.rows(report["duets"])]


def play(
    settings: Settings, name: str = "", folder: Path | None = None, snapshot: bytes | None = None
) -> np.ndarray:  # fmt: skip
    """One piece, by what has been learnt (if anything); kept in ``folder`` as .mid if there is one."""
    p = Performance(settings, snapshot=snapshot)
    heard: list[tuple[float, bytes]] = []
    sent: list[tuple[int, bytes]] = []
    start = 0.0
    if settings.role == "answer":
        player = VirtualPlayer("answer", parse_key(KEY), TEMPO, settings.seed)
        heard = player.events(CALL_S) + [(CALL_S - 0.01, msg) for msg in player.release()]
        for t_s, msg in heard:
            p.receive(round(t_s * 1e9), msg)
            sent += p.advance(p.now_ns)
        start = p.transport.ns_at(p.turns.start_tick) * 1e-9 if p.turns.start_tick else CALL_S
    sent += p.advance(round((start + REPLY_S + SLACK_S) * 1e9))
    line = [note for note in top_line(notes_of(sent)) if start - 0.01 <= note[0] < start + REPLY_S - 0.01]
    if folder is not None:
        ours = [(t_ns * 1e-9, msg) for t_ns, msg in sent if msg[0] & 15 == settings.agent_channel - 1]
        path = folder / f"{name}-{settings.seed:04d}.mid"
        write_performance(path, heard, ours, tempo_changes=[(0.0, TEMPO)])
    return melody.encode(in_quarters(line, p.settings.articulation), 2.0 * start)


def in_quarters(line: Sequence[Note], articulation: float) -> list[Note]:
    """Times in quarters at tempo 120, each note as long as it was written."""
    return [(2.0 * onset, 2.0 * length / articulation, note) for onset, length, note in line]


def openings(melodies: Sequence[Melody]) -> list[np.ndarray]:
    """Pieces from the beginnings of melodies in major, moved to C."""
    return [
        melody.encode([(onset, length, note) for onset, length, note in in_c(m)], float(m.notes[0, 0]))
        for m in melodies
        if m.mode == "major"
    ]


def whole(melodies: Sequence[Melody]) -> list[np.ndarray]:
    """The same melodies from beginning to end, only their onsets, as codes of pieces."""
    return [
        np.array([note - melody.LOWEST + melody.FIRST for _, _, note in in_c(m)]) for m in melodies if m.mode == "major"
    ]


def in_c(m: Melody) -> list[Note]:
    """A melody's notes with its tonic moved to C."""
    shift = 12 * (m.tonic > 6) - m.tonic
    return [(float(onset), float(length), int(note) + shift) for onset, length, note in m.notes]


def _folder(out: str) -> Path | None:
    if not out:
        return None
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"out = {out!r}: no folder can be made there ({error.strerror})") from None
    return folder
