"""Two lines, judged: Bach's sopranos as the player's right hand beside the duet role, by ear and with a chart of his
chords; and how much of the agent's music sounds as its plan showed it.

``bench.music`` calls it; needs the extra ``music``. 60 held-out chorales at 90 BPM in virtual time, each onset up to
8 ms beside its place; the agent's line is its highest note at each onset. Lengths count as written, not as held.

Keys of the report: ``pieces``; ``alone`` and ``chart``, each with shares: ``consonant`` (of the agent's notes on strong
beats, with the player's note; a fourth is not), ``true_chord`` (of the same, in Bach's chord), ``chord_tone`` (in the
chart's), ``contrary`` (of the moments where the player moves and the agent sounds: it holds, or moves the other way),
``together`` (of the agent's onsets, within 60 ms of a player's), ``crossing`` (of the time that both sound, the agent
above), and ``strong`` (how many notes on strong beats there were); ``shown``: by role, the share of the agent's notes
that were in the plan one beat before.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from livecomposer.bench.corpus import Chorale, chorales, split
from livecomposer.bench.playing import AGENT, Note, notes_of, strike, top_line
from livecomposer.errors import SettingsError
from livecomposer.instrument.performance import Performance
from livecomposer.instrument.records import unpack
from livecomposer.instrument.ring import Kind, RingReader, RingWriter, size_of
from livecomposer.midi.messages import NOTE_ON
from livecomposer.music.chart import parse_chart
from livecomposer.music.metre import TICKS_PER_QUARTER, parse_metre
from livecomposer.music.player import VirtualPlayer
from livecomposer.music.theory import chord_name, parse_chord, parse_key, spell
from livecomposer.settings import Settings

PIECES, SHORT = 60, 4
TEMPO = 90.0
BEAT_S = 60.0 / TEMPO
JITTER_S = 0.008
TOUCH = 0.95  # how much of a note's length is held
NEAR_S = 0.060
CONSONANT = (0, 3, 4, 7, 8, 9)
PLAIN = ("", "m", "dim", "7", "maj7", "m7", "m7b5", "dim7")  # chords that a chart may name

SHOWN_ROLES = ("solo", "answer", "duet")
SHOWN_SEEDS, SHOWN_SHORT, SHOWN_S = 6, 1, 60.0
SHOWN_TEMPO = 110.0
SHOWN_WITHIN_NS = 40_000_000  # a note of a duet may wait 25 ms for the player
RECORDS = 1 << 12

Moment = tuple[int, frozenset[int]]  # when, ns, and the notes that begin
Plan = tuple[int, tuple[Moment, ...]]  # when it was published, ns, and what it holds


class Strong(NamedTuple):
    """What is known of strong beats: ``beats`` their places in quarters, ``true`` and ``charted`` the pitch classes of
    their chords (``charted`` empty: no chart)."""

    beats: tuple[float, ...]
    true: tuple[frozenset[int], ...]
    charted: tuple[frozenset[int], ...]


def measure(short: bool) -> dict[str, Any]:
    """60 duets (4 if ``short``), by ear and with a chart; then a minute of each role for 6 seeds (1)."""
    pieces = held_out()[: SHORT if short else PIECES]
    seeds = range(SHOWN_SHORT if short else SHOWN_SEEDS)
    return {
        "pieces": len(pieces),
        "alone": shares(play(chorale, i, charted=False) for i, chorale in enumerate(pieces)),
        "chart": shares(play(chorale, i, charted=True) for i, chorale in enumerate(pieces)),
        "shown": {role: shown(role, seeds) for role in SHOWN_ROLES},
    }


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table, in sentences."""
    lines = []
    for name, words in (("alone", "by ear"), ("chart", "with a chart")):
        r = report[name]
        chart = f", {r['chord_tone']:.0%} in the chart's" if name == "chart" else ""
        lines.append([
            f"duets with {report['pieces']} sopranos, {words}: of {r['strong']} notes on strong beats "
            f"{r['consonant']:.0%} consonant, {r['true_chord']:.0%} in Bach's chord{chart}; contrary or oblique "
            f"{r['contrary']:.0%}, onsets together {r['together']:.0%}, above the player for {r['crossing']:.1%} of it"
        ])  # fmt: skip
    found = ", ".join(f"{role} {share:.0%}" for role, share in report["shown"].items())
    return [*lines, [f"sounds as the plan showed it a beat before: {found}"]]


def held_out() -> list[Chorale]:
    """The chorales that are played, in 4/4 and 3/4."""
    return [chorale for chorale in split(chorales())[1] if chorale.bar_quarters in (3.0, 4.0)]


# ---- playing --------------------------------------------------------------------------------------------------------


def play(chorale: Chorale, seed: int, charted: bool) -> Counter[str]:
    """One duet: its `tally`."""
    changes = chart_of(chorale) if charted else ""
    metre = f"{int(chorale.bar_quarters)}/4"
    key = f"{spell(chorale.tonic)} {chorale.mode}"
    p = Performance(
        Settings(role="duet", key=key, tempo=TEMPO, metre=metre, count_in=False, seed=seed, changes=changes)
    )
    player = right_hand(chorale, seed)
    sent = []
    for t_ns, msg in strike([(onset, TOUCH * length, note) for onset, length, note in player]):
        sent += p.advance(t_ns - 1)
        p.receive(t_ns, msg)
    sent += p.advance(round((player[-1][0] + player[-1][1]) * 1e9))
    touch = p.settings.articulation
    line = [(onset, held / touch, note) for onset, held, note in top_line(notes_of(sent))]
    return tally(player, line, strong_beats(chorale, changes))


def right_hand(chorale: Chorale, seed: int) -> list[Note]:
    """The soprano in seconds, each note as long as written or until the next; bar lines lie on multiples of a bar."""
    notes = chorale.voices[0]
    beside = np.random.default_rng(seed).uniform(-JITTER_S, JITTER_S, len(notes))
    onsets = np.maximum(notes[:, 0] * BEAT_S + beside, 0.0)
    ends = onsets + notes[:, 1] * BEAT_S
    ends[:-1] = np.minimum(ends[:-1], onsets[1:])
    return [(float(a), float(b - a), int(note)) for a, b, note in zip(onsets, ends, notes[:, 2], strict=True)]


def chart_of(chorale: Chorale) -> str:
    """Bach's chord on each strong beat, two a bar (one in 3/4), as a chart; where it has no plain name, the one before
    goes on."""
    beats, n = _strong_beats(chorale), 2 if chorale.bar_quarters == 4.0 else 1
    named = [plain_chord(chorale.chord(float(beat))) for beat in beats]
    last = next((name for name in named if name), spell(chorale.tonic) + "m" * (chorale.mode == "minor"))
    words = [last := name or last for name in named]
    bars = (words[at : at + n] for at in range(0, len(words), n))
    return f"| {' | '.join(' '.join(dict.fromkeys(bar)) for bar in bars)} |"


def plain_chord(classes: Iterable[int]) -> str:
    """The name of a triad or seventh chord, ``""`` for all else."""
    name = chord_name(classes)
    try:
        return name if parse_chord(name).name in PLAIN and len(set(classes)) > 2 else ""
    except SettingsError:
        return ""


def _strong_beats(chorale: Chorale) -> list[int]:
    metre = parse_metre(f"{int(chorale.bar_quarters)}/4")
    end = float(chorale.voices[0][-1, 0] + chorale.voices[0][-1, 1])
    bars = -(-int(np.ceil(end)) // metre.units)
    return [bar * metre.units + beat for bar in range(bars) for beat in metre.strong]


def strong_beats(chorale: Chorale, changes: str) -> Strong:
    """The strong beats of a chorale with their chords, and those of the chart that it was played with."""
    beats = _strong_beats(chorale)
    charted: tuple[frozenset[int], ...] = ()
    if changes:
        chart = parse_chart(changes, parse_metre(f"{int(chorale.bar_quarters)}/4"))
        chords = [chart.at(beat * TICKS_PER_QUARTER)[0] for beat in beats]
        charted = tuple(frozenset(chord.classes) if chord else frozenset() for chord in chords)
    return Strong(tuple(map(float, beats)), tuple(chorale.chord(float(beat)) for beat in beats), charted)


# ---- judging --------------------------------------------------------------------------------------------------------


def tally(player: Sequence[Note], line: Sequence[Note], strong: Strong) -> Counter[str]:
    """Count what the report has shares of; notes (onset and length in s, MIDI note), in order, one at a time."""
    found: Counter[str] = Counter()
    starts = [note[0] for note in player]
    for onset, _, note in line:
        found["onsets"] += 1
        found["together"] += any(abs(start - onset) <= NEAR_S for start in starts)
        at = _strong_at(strong, onset)
        other = heard_with(player, onset)
        if at is None or other is None:
            continue
        found["strong"] += 1
        found["consonant"] += abs(other - note) % 12 in CONSONANT
        found["true_chord"] += note % 12 in strong.true[at]
        if strong.charted:
            found["charted"] += 1
            found["chord_tone"] += note % 12 in strong.charted[at]
    for (_, _, before), (onset, _, after) in pairwise(player):
        mine = sounding(line, onset - NEAR_S), sounding(line, onset + NEAR_S)
        if before == after or mine[0] is None or mine[1] is None:
            continue
        found["moves"] += 1
        found["contrary"] += (mine[1] - mine[0]) * (after - before) <= 0
    both, above = overlap(player, line)
    found["both_ms"], found["above_ms"] = round(both * 1e3), round(above * 1e3)
    return found


def shares(tallies: Iterable[Counter[str]]) -> dict[str, float]:
    """The report's figures of many duets together (0 where there was nothing to count)."""
    total: Counter[str] = Counter()
    for one in tallies:
        total.update(one)

    def share(of: str, among: str) -> float:
        return total[of] / max(total[among], 1)

    return {
        "strong": total["strong"],
        "consonant": share("consonant", "strong"),
        "true_chord": share("true_chord", "strong"),
        "chord_tone": share("chord_tone", "charted"),
        "contrary": share("contrary", "moves"),
        "together": share("together", "onsets"),
        "crossing": share("above_ms", "both_ms"),
    }


def heard_with(player: Sequence[Note], t_s: float) -> int | None:
    """The player's note that an onset is heard with: struck at most 60 ms beside it (the latest), or sounding then."""
    at = bisect_right([note[0] for note in player], t_s + NEAR_S) - 1
    if at < 0 or not (t_s - NEAR_S <= player[at][0] or t_s < player[at][0] + player[at][1]):
        return None
    return player[at][2]


def sounding(line: Sequence[Note], t_s: float) -> int | None:
    """The note of a line at a time."""
    at = bisect_right([note[0] for note in line], t_s) - 1
    return line[at][2] if at >= 0 and t_s < line[at][0] + line[at][1] + 1e-6 else None


def overlap(player: Sequence[Note], line: Sequence[Note]) -> tuple[float, float]:
    """Seconds in which both sound, and in which the line is above the player; a note ends where its next begins."""
    both = above = 0.0
    mine = _cut(line)
    for start, end, note in _cut(player):
        for a, b, other in mine:
            common = min(end, b) - max(start, a)
            if common > 0.0:
                both += common
                above += common * (other > note)
    return both, above


def _cut(notes: Sequence[Note]) -> list[tuple[float, float, int]]:
    ends = [*(note[0] for note in notes[1:]), float("inf")]
    return [(on, min(on + length, end), note) for (on, length, note), end in zip(notes, ends, strict=True)]


def _strong_at(strong: Strong, t_s: float) -> int | None:
    """Which strong beat a time is within 60 ms of."""
    return next((i for i, beat in enumerate(strong.beats) if abs(t_s - beat * BEAT_S) <= NEAR_S), None)


# ---- the plan -------------------------------------------------------------------------------------------------------


def shown(role: str, seeds: Iterable[int]) -> float:
    """The share of notes that sounded as shown, over a minute for each seed beside the virtual player."""
    good = total = 0
    for seed in seeds:
        plans, notes = watch(role, seed, SHOWN_S)
        as_shown = count_shown(plans, notes, round(60e9 / SHOWN_TEMPO))
        good, total = good + as_shown, total + len(notes)
    return good / max(total, 1)


def watch(role: str, seed: int, until_s: float) -> tuple[list[Plan], list[tuple[int, int]]]:
    """Play; returns the plans as they were published and the agent's note_ons (ns, note)."""
    buffer = memoryview(bytearray(size_of(RECORDS)))
    p = Performance(Settings(role=role, tempo=SHOWN_TEMPO, seed=seed, count_in=False), ring=RingWriter(buffer, RECORDS))
    reader = RingReader(buffer)
    player = iter(VirtualPlayer(role, parse_key(p.settings.key), SHOWN_TEMPO, seed).events(until_s))
    coming = next(player, None)
    plans: list[Plan] = []
    sent = []
    while p.now_ns < until_s * 1e9:
        due = p.next_due_ns()
        if coming is not None and coming[0] * 1e9 <= due:
            p.receive(round(coming[0] * 1e9), coming[1])
            coming = next(player, None)
        else:
            sent += p.advance(due)
        for record in reader.read():
            if record.kind == Kind.PLAN:
                tick, _, note, added, first = unpack(record)
                events = () if first else plans[-1][1]
                notes = frozenset((note, *added)) - {-1}
                plan = (record.t_ns, (*events, (p.transport.ns_at(tick), notes)))
                plans[len(plans) if first else -1 :] = [plan]
    return plans, [(t_ns, msg[1]) for t_ns, msg in sent if msg[0] == NOTE_ON | AGENT and msg[2]]


def count_shown(plans: Sequence[Plan], notes: Sequence[tuple[int, int]], beat_ns: int) -> int:
    """How many notes were, at their time ± 40 ms, in the plan that had been published last a beat before."""
    published = [t_ns for t_ns, _ in plans]
    good = 0
    for t_ns, note in notes:
        at = bisect_right(published, t_ns - beat_ns) - 1
        good += at >= 0 and any(
            abs(when - t_ns) <= SHOWN_WITHIN_NS and note in begin for when, begin in plans[at][1]
        )  # fmt: skip
    return good
