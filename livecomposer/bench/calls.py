"""Call and response, judged: openings of real melodies are played to the answer role in virtual time.

``bench.music`` calls it; needs the extra ``music``. 100 calls of 1 to 4 bars and 5 to 16 notes of varied rhythm from
held-out tunes and chorales, in C, at 70 to 140 BPM, begun off any grid, each onset up to 3 % of a beat beside its
place. Then all once more, with the player coming in again at a random moment of the reply.

Keys of the report: ``calls``; ``silent`` (not answered); as shares of the calls: ``tempo`` (the reply's within 3 %),
``tempo_level`` (so, or wrong only by a factor of 2, 3 or 3:2), ``beat`` (its first onset within 30 ms of the call's
beat, in 6/8 of its eighth), ``length`` (first onset to last end, as long as the call ± one beat), ``own`` (it shares 4
consecutive scale-step intervals or the rhythm of 4 notes with its call), ``other`` (with the other calls), ``gain``
(own - other), ``literal`` (the call's own pitch classes and rhythm); ``beat_ms`` (median error); ``interrupted``
(replies cut into), ``late`` (note_ons later than 10 ms after the player's first, until the player has finished).
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise, zip_longest
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from livecomposer.bench.corpus import Melody, chorales, split, tunes
from livecomposer.bench.playing import AGENT, Note, notes_of, scale_places, strike, top_line
from livecomposer.instrument.performance import Performance
from livecomposer.midi.messages import NOTE_ON
from livecomposer.music.theory import parse_key
from livecomposer.settings import Settings

CALLS, SHORT = 100, 8
SEED = 2
SLOWEST, FASTEST = 70.0, 140.0
DISPLACED = 0.03  # beats
FEWEST, MOST = 5, 16  # notes
MOST_BARS = 4
MOST_ALIKE = 0.8  # share of a call's commonest length
LONGEST_REST = 0.5  # beats; a longer one could be taken for the end of the call
TOUCH = 0.95  # how much of a note's length is held
TEMPO_WITHIN = 0.03
BEAT_WITHIN_S = 0.030
ALIKE = 4  # consecutive intervals, or notes
YIELD_NS = 10_000_000
TICKS = 12
LOWEST = 55  # the lowest note lies in the octave above it


class Call(NamedTuple):
    """One call. ``ticks`` are the score's onsets from a bar line, ``lengths`` the score's from onset to onset (the last
    note's own), both in 1/12 beat; that bar line falls on ``start_s``; ``played`` is how the keys go down and up."""

    name: str
    metre: str
    key: str
    tempo: float
    start_s: float
    ticks: tuple[int, ...]
    lengths: tuple[int, ...]
    played: tuple[Note, ...]


class Reply(NamedTuple):
    """What the agent played, top line only: tempo it took, notes (s; as long as they were written, not as they were
    held), and lengths from onset to onset in 1/12 beat."""

    tempo: float
    notes: tuple[Note, ...]
    lengths: tuple[int, ...]


def measure(short: bool) -> dict[str, Any]:
    """100 calls (8 if ``short``), twice."""
    calls = make_calls(SHORT if short else CALLS)
    replies = [reply_to(call, i) for i, call in enumerate(calls)]
    rng = np.random.default_rng(SEED + 1)
    cut = [interrupt(call, i, reply, rng) for i, (call, reply) in enumerate(zip(calls, replies, strict=True))]
    return {**judge(calls, replies), "interrupted": sum(n is not None for n in cut), "late": sum(n or 0 for n in cut)}


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table, in sentences."""
    r = report
    return [
        [f"{r['calls']} calls, {r['silent']} unanswered: tempo within 3 % {r['tempo']:.0%} (but for its level "
         f"{r['tempo_level']:.0%}), beat within 30 ms {r['beat']:.0%} (median {r['beat_ms']:.1f} ms), as long as the "
         f"call ± 1 beat {r['length']:.0%}"],
        [f"replies that share a motif with their call {r['own']:.0%}, with other calls {r['other']:.0%} "
         f"({100 * r['gain']:+.0f} points); literal copies {r['literal']:.0%}"],
        [f"{r['interrupted']} replies interrupted: {r['late']} notes begun more than 10 ms later"],
    ]  # fmt: skip


# ---- the calls ------------------------------------------------------------------------------------------------------


def make_calls(n: int, seed: int = SEED) -> list[Call]:
    """The first ``n`` of a fixed order of calls: tunes and chorales in turn, one call from each until all have given
    one."""
    rng = np.random.default_rng(seed)
    kinds = []
    for melodies in (split(tunes())[1], [chorale.soprano for chorale in split(chorales())[1]]):
        fit = [(melody, sizes) for melody in melodies if metre_of(melody) and (sizes := openings(melody))]
        kinds.append([fit[i] for i in rng.permutation(len(fit))])
    order = [item for pair in zip_longest(*kinds) for item in pair if item is not None]
    calls: list[Call] = []
    while len(calls) < n and order:
        melody, sizes = order[len(calls) % len(order)]
        calls.append(make_call(melody, int(rng.choice(sizes)), rng))
    return calls


def metre_of(melody: Melody) -> str:
    """``"4/4"``, ``"3/4"``, ``"6/8"`` or, for any other, nothing. Three quarters are 6/8 if more notes begin in the
    middle of the bar than on its second and third quarters together halved."""
    if melody.bar_quarters == 4.0:
        return "4/4"
    if melody.bar_quarters != 3.0:
        return ""
    place = Counter(np.round(melody.notes[:, 0] * TICKS % 36).astype(int).tolist())
    return "6/8" if 2 * place[18] > place[12] + place[24] else "3/4"


def openings(melody: Melody) -> list[int]:
    """For how many notes the melody's first 1 to 4 whole bars (after a pickup) make a call."""
    onset, length = melody.notes[:, 0], melody.notes[:, 1]
    ticks = np.round(onset * TICKS).astype(int)
    bar = round(melody.bar_quarters * TICKS)
    first = -(-int(ticks[0]) // bar) * bar
    sizes: list[int] = []
    for bars in range(1, MOST_BARS + 1):
        n = int(np.searchsorted(ticks, first + bars * bar))
        if not FEWEST <= n <= MOST or n == len(ticks) or n in sizes:
            continue
        between = np.diff(ticks[: n + 1])
        rests = onset[1:n] - onset[: n - 1] - length[: n - 1]
        alike = Counter(between[: n - 1].tolist()).most_common(1)[0][1]
        if between.min() > 0 and rests.max() < LONGEST_REST and alike <= MOST_ALIKE * (n - 1):
            sizes.append(n)
    return sizes


def make_call(melody: Melody, n: int, rng: np.random.Generator) -> Call:
    """The first ``n`` notes as they are played: the tonic moved to C, tempo, beginning and displacements drawn."""
    notes = melody.notes[:n]
    tempo = float(rng.uniform(SLOWEST, FASTEST))
    start_s = float(rng.uniform(0.5, 4.5))
    beside = rng.uniform(-DISPLACED, DISPLACED, n)
    beat = 60.0 / tempo
    bar = melody.bar_quarters
    begun = math.floor(notes[0, 0] / bar + 1e-6) * bar
    shift = -melody.tonic - 12 * ((int(notes[:, 2].min()) - melody.tonic - LOWEST) // 12)
    onsets = start_s + (notes[:, 0] - begun + beside) * beat
    ends = onsets + TOUCH * notes[:, 1] * beat
    ends[:-1] = np.minimum(ends[:-1], onsets[1:] - 0.005)
    ticks = np.round((notes[:, 0] - begun) * TICKS).astype(int)
    lengths = [*np.diff(ticks).tolist(), round(float(notes[-1, 1]) * TICKS)]
    played = tuple(
        (float(on), float(end - on), int(note) + shift) for on, end, note in zip(onsets, ends, notes[:, 2], strict=True)
    )
    key = f"C {melody.mode}"
    return Call(melody.name, metre_of(melody), key, tempo, start_s, tuple(ticks.tolist()), tuple(lengths), played)


# ---- playing them ---------------------------------------------------------------------------------------------------


def reply_to(call: Call, seed: int) -> Reply:
    """Play a call and hear the reply out."""
    p = _performance(call, seed)
    sent = _play(p, call.played)
    return hear_reply(call, [*sent, *p.advance(_heard_out_ns(call))], p.transport.tempo, p.settings.articulation)


def interrupt(call: Call, seed: int, reply: Reply, rng: np.random.Generator) -> int | None:
    """Come in again, with the call, in the middle of the reply; late note_ons of the agent (None: it had no reply)."""
    share = rng.uniform(0.05, 0.95)
    if not reply.notes:
        return None
    first, last = reply.notes[0][0], reply.notes[-1]
    moment = first + share * (last[0] + last[1] - first)
    p = _performance(call, seed)
    _play(p, call.played)
    again = [(moment + onset - call.played[0][0], length, note) for onset, length, note in call.played]
    sent = _play(p, again)
    return late_onsets(sent, round(moment * 1e9), _end_ns(again))


def late_onsets(sent: Sequence[tuple[int, bytes]], from_ns: int, to_ns: int) -> int:
    """The agent's note_ons later than 10 ms after ``from_ns``, up to ``to_ns``."""
    return sum(
        msg[0] == NOTE_ON | AGENT and msg[2] > 0 and from_ns + YIELD_NS < t_ns <= to_ns for t_ns, msg in sent
    )  # fmt: skip


def hear_reply(call: Call, sent: Sequence[tuple[int, bytes]], tempo: float, articulation: float) -> Reply:
    """The agent's line in what was sent after the call."""
    end = _end_ns(call.played) / 1e9
    line = [(on, held / articulation, note) for on, held, note in top_line(notes_of(sent)) if on > end]
    tick = 60.0 / tempo / TICKS
    onsets = [note[0] for note in line]
    lengths = [round((b - a) / tick) for a, b in pairwise(onsets)]
    if line:
        lengths.append(round(line[-1][1] / tick))
    return Reply(tempo, tuple(line), tuple(lengths))


def _performance(call: Call, seed: int) -> Performance:
    return Performance(Settings(role="answer", key=call.key, metre=call.metre, seed=seed))


def _play(p: Performance, notes: Sequence[Note]) -> list[tuple[int, bytes]]:
    sent = []
    for t_ns, msg in strike(notes):
        p.receive(t_ns, msg)
        sent += p.advance(t_ns)
    return sent


def _end_ns(notes: Sequence[Note]) -> int:
    return round(max(onset + length for onset, length, _ in notes) * 1e9)


def _heard_out_ns(call: Call) -> int:
    """Silence, a reply twice as long as the call, and 4 bars."""
    length = _end_ns(call.played) - round(call.played[0][0] * 1e9)
    return _end_ns(call.played) + 2 * length + round(20 * 60e9 / call.tempo)


# ---- judging --------------------------------------------------------------------------------------------------------


def judge(calls: Sequence[Call], replies: Sequence[Reply]) -> dict[str, Any]:
    """Figures of the first pass; a call without a reply meets no measure."""
    n = len(calls)
    pairs = list(zip(calls, replies, strict=True))
    answered = [(call, reply) for call, reply in pairs if reply.notes]
    errors = [beat_error_s(call, reply.notes[0][0]) for call, reply in answered]
    asked, said = [motifs_of_call(call) for call in calls], [motifs(r, c.key) for c, r in pairs]
    own = sum(bool(asked[i] & said[i]) for i in range(n)) / n
    other = sum(bool(asked[(i + r) % n] & said[i]) for i in range(n) for r in range(1, n)) / max(n * (n - 1), 1)
    return {
        "calls": n,
        "silent": n - len(answered),
        "tempo": sum(near(reply.tempo / call.tempo, (1.0,)) for call, reply in answered) / n,
        "tempo_level": sum(
            near(reply.tempo / call.tempo, (1.0, 2.0, 0.5, 3.0, 1 / 3, 1.5, 2 / 3)) for call, reply in answered
        ) / n,
        "beat": sum(abs(error) <= BEAT_WITHIN_S for error in errors) / n,
        "beat_ms": 1e3 * median(map(abs, errors)) if errors else math.nan,
        "length": sum(as_long(call, reply) for call, reply in answered) / n,
        "own": own, "other": other, "gain": own - other,
        "literal": sum(literal(call, reply) for call, reply in answered) / n,
    }  # fmt: skip


def near(ratio: float, of: Sequence[float]) -> bool:
    """Whether a tempo ratio is within 3 % of one of these."""
    return any(abs(ratio / level - 1.0) <= TEMPO_WITHIN for level in of)


def beat_error_s(call: Call, t_s: float) -> float:
    """How late (or, negative, early) a time is against the nearest beat of the call, carried on."""
    beat = 60.0 / call.tempo * (0.5 if call.metre.endswith("/8") else 1.0)
    beats = (t_s - call.start_s) / beat
    return (beats - round(beats)) * beat


def as_long(call: Call, reply: Reply) -> bool:
    """Whether the reply lasts as long as the call was written, ± one beat."""
    beat = 60.0 / call.tempo
    asked = sum(call.lengths) / TICKS * beat
    said = max(onset + length for onset, length, _ in reply.notes) - reply.notes[0][0]
    return abs(asked - said) <= beat * (1.0 + TEMPO_WITHIN)


def motifs_of_call(call: Call) -> set[tuple[str, tuple[int, ...]]]:
    """See ``motifs``; lengths are the score's."""
    return motifs(Reply(call.tempo, call.played, call.lengths), call.key)


def motifs(reply: Reply, key: str) -> set[tuple[str, tuple[int, ...]]]:
    """All successions of 4 intervals in scale steps, and of 4 lengths that are not all equal."""
    places = scale_places([note for _, _, note in reply.notes], parse_key(key))
    steps = [b - a for a, b in pairwise(places)]
    found = {("steps", tuple(steps[i : i + ALIKE])) for i in range(len(steps) - ALIKE + 1)}
    lengths = reply.lengths
    runs = [tuple(lengths[i : i + ALIKE]) for i in range(len(lengths) - ALIKE + 1)]
    return found | {("lengths", run) for run in runs if len(set(run)) > 1}


def literal(call: Call, reply: Reply) -> bool:
    """Whether the reply is the call: its pitch classes, and its lengths but for the last."""
    asked, said = ([note % 12 for _, _, note in notes] for notes in (call.played, reply.notes))
    return asked == said and call.lengths[:-1] == reply.lengths[:-1]
