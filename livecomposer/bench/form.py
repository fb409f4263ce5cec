"""Form, judged: three-minute solos in virtual time, ended by END, heard as sections of four bars, A A' B A.

``bench.music`` calls it. Sections are found by time alone; two are compared by the successions of four intervals in
scale steps that they have in common, so a transposed section still counts as the same.

Keys of the report: ``solos``; ``rounds`` (of A A' B A); ``varied``, ``last``, ``new`` (mean share of A's successions
that A', the last A and B have too); ``returns`` (share of rounds in which A' has at least half of them) and ``leaves``
(in which B has less than half); ``cadences`` (share of solos whose last note is the tonic, on a bar line);
``most_often`` (how often any stretch of eight bars occurs, pitches and onsets).
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from livecomposer.bench.playing import Note, notes_of, scale_places, top_line
from livecomposer.instrument.performance import Performance
from livecomposer.instrument.roles import PHRASE_BARS
from livecomposer.music.theory import parse_key
from livecomposer.settings import Settings

SOLOS, SHORT = 50, 4
SECONDS = 180
TEMPO = 112.0
BAR_S = 4 * 60.0 / TEMPO
KEY = "C major"
ALIKE = 4  # consecutive intervals
HALF = 0.5
STRETCH = 8  # bars
Successions = set[tuple[int, ...]]


def measure(short: bool) -> dict[str, Any]:
    """50 solos (4 if ``short``)."""
    return judge([play(seed) for seed in range(SHORT if short else SOLOS)])


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table, in sentences."""
    r = report
    return [
        [f"{r['solos']} solos of three minutes, {r['rounds']} rounds of A A' B A: A' is A in {r['returns']:.0%}, B is "
         f"another in {r['leaves']:.0%}; in common with A: A' {r['varied']:.0%}, last A {r['last']:.0%}, B "
         f"{r['new']:.0%}"],
        [f"last bar on the tonic {r['cadences']:.0%}; no eight bars come more than {r['most_often']} times"],
    ]  # fmt: skip


def play(seed: int) -> list[Note]:
    """The line of one solo, times in bars; the player asks for its end after three minutes."""
    p = Performance(Settings(role="solo", key=KEY, tempo=TEMPO, seed=seed))
    sent = p.advance(SECONDS * 1_000_000_000)
    p.command(p.now_ns, "end")
    sent += p.advance(p.now_ns + round(8 * BAR_S * 1e9))
    return [(onset / BAR_S, length / BAR_S, note) for onset, length, note in top_line(notes_of(sent))]


def judge(solos: Sequence[Sequence[Note]]) -> dict[str, Any]:
    """The report's figures."""
    found: dict[str, list[float]] = {"varied": [], "new": [], "last": []}
    for line in solos:
        parts = sections(line)
        for at in range(0, len(parts) - 3, 4):
            first = successions(parts[at])
            for name, part in zip(("varied", "new", "last"), parts[at + 1 : at + 4], strict=True):
                found[name].append(common(first, successions(part)))
    n = max(len(found["varied"]), 1)
    return {
        "solos": len(solos),
        "rounds": len(found["varied"]),
        **{name: fmean(shares) if shares else 0.0 for name, shares in found.items()},
        "returns": sum(share >= HALF for share in found["varied"]) / n,
        "leaves": sum(share < HALF for share in found["new"]) / n,
        "cadences": sum(cadence(line) for line in solos) / max(len(solos), 1),
        "most_often": max((most_often(line) for line in solos), default=0),
    }


def sections(line: Sequence[Note]) -> list[list[int]]:
    """The notes of each whole section."""
    parts: list[list[int]] = [[] for _ in range(int(line[-1][0] // PHRASE_BARS) + 1)] if line else []
    for onset, _, note in line:
        parts[int((onset + 1e-6) // PHRASE_BARS)].append(note)
    return parts[:-1]


def successions(notes: Sequence[int]) -> Successions:
    """All successions of four intervals in scale steps."""
    places = scale_places(notes, parse_key(KEY))
    steps = [b - a for a, b in pairwise(places)]
    return {tuple(steps[i : i + ALIKE]) for i in range(len(steps) - ALIKE + 1)}


def common(first: Successions, other: Successions) -> float:
    """The share of the first's successions that the other has too."""
    return len(first & other) / max(len(first), 1)


def cadence(line: Sequence[Note]) -> bool:
    """Whether the last note is the tonic and lies on a bar line."""
    onset, _, note = line[-1]
    return note % 12 == parse_key(KEY).tonic and abs(onset - round(onset)) < 0.02


def most_often(line: Sequence[Note]) -> int:
    """How often the commonest stretch of eight bars occurs, wherever a bar begins."""
    bars: list[list[tuple[int, int]]] = [[] for _ in range(int(line[-1][0]) + 2)]
    for onset, _, note in line:
        bars[int(onset + 1e-3)].append((round((onset + 1e-3) % 1.0 * 48), note))
    stretches = Counter(tuple(map(tuple, bars[at : at + STRETCH])) for at in range(len(bars) - STRETCH + 1))
    return max(stretches.values(), default=0)
