"""Melodies in figures: the published melody table, diversity, and likelihood under a model of Bach's melodies.

``bench.music`` calls it; definitions after the code published with Jaques et al. (2017), "Sequence Tutor". A *piece* is
int64[32]: a code for each sixteenth, 0 note off, 1 no event (hold or silence), 2..37 the onset of MIDI 48..83.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from livecomposer.bench.corpus import Melody

OFF, HOLD, FIRST, LOWEST, HIGHEST = 0, 1, 2, 48, 83
STEPS = 32
LEAP = 7
MAJOR = (0, 2, 4, 5, 7, 9, 11)
SIXTEENTH = 0.25
Notes = Sequence[tuple[float, float, int]]

# Table 1 of Jaques et al. (2017), RL Tuner with Q and with Psi; real folk songs, and the same with pitches shuffled.
# (as collected with the definitions above; per cent, but leaps_per_onset)
PUBLISHED: dict[str, dict[str, float]] = {
    "RL Tuner Q": {
        "repeated": 0.0, "not_in_key": 1.0, "tonic_start": 28.8, "leaps_resolved": 91.1, "unique_max": 56.4,
        "unique_min": 51.9, "in_motif": 75.7, "repeated_motif": 0.11,
    },
    "RL Tuner Psi": {
        "repeated": 0.02, "not_in_key": 0.6, "tonic_start": 28.7, "leaps_resolved": 90.0, "unique_max": 59.4,
        "unique_min": 58.3, "in_motif": 73.8, "repeated_motif": 0.09,
    },
    "folk songs": {
        "repeated": 9.9, "not_in_key": 0.15, "tonic_start": 28.5, "leaps_resolved": 89.7, "unique_max": 61.0,
        "unique_min": 58.0, "in_motif": 23.0, "repeated_motif": 0.47, "leaps_per_onset": 0.047,
    },
    "shuffled": {
        "repeated": 3.0, "tonic_start": 17.0, "leaps_resolved": 73.0, "unique_max": 49.0, "unique_min": 49.0,
        "in_motif": 55.0, "repeated_motif": 0.007, "leaps_per_onset": 0.189,
    },
}  # fmt: skip


def encode(notes: Notes, start: float = 0.0) -> np.ndarray:
    """A piece from a melody's notes, each (onset in quarters, length, MIDI note), from ``start`` on.

    Onsets go to the nearest sixteenth (the first of two on the same stays), notes outside 48..83 into it by octaves;
    a note off stands where a note has ended and no other begins.
    """
    piece = np.full(STEPS, HOLD, dtype=np.int64)
    for onset, length, note in notes:
        at = round((onset - start) / SIXTEENTH)
        if not 0 <= at < STEPS or piece[at] >= FIRST:
            continue
        pitch = int(note)
        while pitch < LOWEST:
            pitch += 12
        while pitch > HIGHEST:
            pitch -= 12
        piece[at] = pitch - LOWEST + FIRST
        end = max(round((onset + length - start) / SIXTEENTH), at + 1)
        if end < STEPS and piece[end] < FIRST:
            piece[end] = OFF
    return piece


def onsets(piece: np.ndarray) -> np.ndarray:
    """The MIDI notes of a piece in order."""
    return piece[piece >= FIRST] - FIRST + LOWEST


def excessively_repeated(piece: np.ndarray) -> int:
    """Steps at which the same pitch has come too often: going back until another pitch, more than 4 equal ones with
    no off or hold between, more than 6 with, or a third note off in a row (holds count)."""
    found = 0
    for i in range(STEPS):
        code = piece[i]
        if code == HOLD:
            continue
        equal, offs, between = 0, 0, False
        for j in range(i, -1, -1):
            if code == OFF:
                if piece[j] == OFF:
                    offs += 1
                elif piece[j] >= FIRST:
                    break
            elif piece[j] == code:
                equal += 1
            elif piece[j] >= FIRST:
                break
            else:
                between = True
        found += offs > 2 if code == OFF else equal > (6 if between else 4)
    return found


def leaps(piece: np.ndarray) -> tuple[int, int, int]:
    """(leaps, resolved, doubled): a leap is 7 semitones or more; it is resolved by a leap back after more than 6
    steps, or by returning gradually to the note leapt from, and doubled by another in the same direction."""
    n = resolved = doubled = 0
    last = -1
    origin = direction = 0
    since = 0
    for code in piece:
        since += 1
        if code < FIRST:
            continue
        note = int(code)
        if last >= 0:
            interval = note - last
            if abs(interval) >= LEAP:
                n += 1
                way = 1 if interval > 0 else -1
                if direction == 0:
                    direction, origin, since = way, last, 0
                else:
                    if way == direction:
                        doubled += 1
                    elif since > 6:
                        resolved += 1
                    direction = 0
            elif direction and (note <= origin if direction > 0 else note >= origin):
                resolved += 1
                direction = 0
        last = note
    return n, resolved, doubled


def motif_steps(piece: np.ndarray) -> tuple[int, int]:
    """(steps in a motif, in a repeated motif): the last 8 steps hold at least 3 pitches; and did so wholly before."""
    inside = again = 0
    for end in range(8, STEPS + 1):
        window = piece[end - 8 : end]
        if len(set(window[window >= FIRST].tolist())) < 3:
            continue
        inside += 1
        again += any((piece[s : s + 8] == window).all() for s in range(end - 15) if s + 8 <= end - 8)
    return inside, again


def table(pieces: Sequence[np.ndarray]) -> dict[str, float]:
    """The melody table of pieces in C major, in per cent of steps or pieces (``leaps_per_onset``: a share)."""
    steps = STEPS * len(pieces)
    played = [onsets(piece) for piece in pieces]
    every = np.concatenate(played)
    foreign = int(np.isin(every % 12, MAJOR, invert=True).sum())
    jumps = np.array([leaps(piece) for piece in pieces]).sum(axis=0)
    motifs = np.array([motif_steps(piece) for piece in pieces]).sum(axis=0)
    some = [notes for notes in played if len(notes)]
    return {
        "repeated": 100.0 * sum(map(excessively_repeated, pieces)) / steps,
        "not_in_key": 100.0 * foreign / steps,
        "not_in_key_onset": 100.0 * foreign / max(len(every), 1),
        "tonic_start": 100.0 * sum(int(notes[0]) % 12 == 0 for notes in some) / len(pieces),
        "leaps_resolved": 100.0 * jumps[1] / max(jumps[1] + jumps[2], 1),
        "unique_max": 100.0 * sum((notes == notes.max()).sum() == 1 for notes in some) / len(pieces),
        "unique_min": 100.0 * sum((notes == notes.min()).sum() == 1 for notes in some) / len(pieces),
        "in_motif": 100.0 * motifs[0] / steps,
        "repeated_motif": 100.0 * motifs[1] / steps,
        "leaps_per_onset": jumps[0] / max(len(every), 1),
        "onsets": len(every) / len(pieces),
    }


def diversity(pieces: Sequence[np.ndarray], notes: int = 4000) -> dict[str, float]:
    """Distinct 4-grams of pitches per note, over the first ``notes`` notes; and how many pieces equal another."""
    seen: set[tuple[int, ...]] = set()
    n = 0
    for piece in pieces:
        played = onsets(piece).tolist()
        seen.update(zip(played, played[1:], played[2:], played[3:], strict=False))
        n += len(played)
        if n >= notes:
            break
    copies = Counter(piece.tobytes() for piece in pieces)
    return {"fourgrams_per_note": len(seen) / max(n, 1), "equal": sum(k - 1 for k in copies.values()), "notes": n}


class MelodyModel:
    """How likely a succession of pitch classes is in Bach's melodies: trigrams of semitones above the tonic with their
    direction, interpolated with shorter ones (Witten & Bell 1991)."""

    def __init__(self, melodies: Sequence[np.ndarray]) -> None:
        self._counts: list[dict[tuple[int, ...], Counter[int]]] = [{} for _ in range(3)]
        for notes in melodies:
            for i in range(2, len(notes)):
                context, symbol = _context(notes, i)
                for order in range(3):
                    key = context[2 - order :]
                    self._counts[order].setdefault(key, Counter())[symbol] += 1

    def per_note(self, melodies: Sequence[np.ndarray]) -> float:
        """Mean log-likelihood of a note (nats), from the third of each melody on."""
        total, n = 0.0, 0
        for notes in melodies:
            for i in range(2, len(notes)):
                context, symbol = _context(notes, i)
                p = 1.0 / 49.0
                for order in range(3):
                    found = self._counts[order].get(context[2 - order :])
                    if found:
                        size, kinds = sum(found.values()), len(found)
                        p = (found[symbol] + kinds * p) / (size + kinds)
                total += float(np.log(p))
                n += 1
        return total / max(n, 1)


def _context(notes: np.ndarray, i: int) -> tuple[tuple[int, int], int]:
    """The two notes before (as the interval between them and the later one's place in the key), and the interval."""
    symbol = int(np.clip(notes[i] - notes[i - 1], -24, 24))
    return (int(np.clip(notes[i - 1] - notes[i - 2], -24, 24)), int(notes[i - 1]) % 12), symbol


def likelihood(pieces: Sequence[np.ndarray], held_out: Sequence[Melody], rng: np.random.Generator) -> dict[str, float]:
    """Mean log-likelihood per note of pieces in C, of Bach's own held-out melodies (each half by the other's model),
    of the pieces with their pitches shuffled; and ``share`` = (ours − shuffled) / (Bach − shuffled)."""
    melodies = [m.notes[:, 2].astype(int) - m.tonic + 12 * (m.tonic > 6) for m in held_out if m.mode == "major"]
    half = len(melodies) // 2
    parts = melodies[:half], melodies[half:]
    models = [MelodyModel(part) for part in parts]
    bach = (models[0].per_note(parts[1]) + models[1].per_note(parts[0])) / 2.0
    ours = [onsets(piece) for piece in pieces]
    mixed = [rng.permutation(notes) for notes in ours]
    found = {
        "ours": float(np.mean([model.per_note(ours) for model in models])),
        "shuffled": float(np.mean([model.per_note(mixed) for model in models])),
        "bach": bach,
    }
    return {**found, "share": (found["ours"] - found["shuffled"]) / (bach - found["shuffled"])}
