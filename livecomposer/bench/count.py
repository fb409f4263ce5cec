"""Counts steps, lengths and keys in Bach's chorales and old tunes: ``python -m livecomposer.bench.count``.

Writes ``priors/bach.json``: aggregated counts only, from the training half of ``bench.corpus``; needs the
extra ``music``.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from livecomposer.bench.corpus import Chorale, Melody, chorales, split, tunes

SOURCE = (
    "Aggregated counts. Steps and keys: J. S. Bach, four-part chorales; lengths: the same and tunes from Ryan's "
    "Mammoth Collection (1883), Aird's Airs (1782) and O'Neill's Music of Ireland (1903); from music21's corpus."
)
LENGTHS = (3, 4, 6, 8, 9, 12, 18, 24, 36, 48)  # ticks of 1/12 quarter
_DEGREE = {"major": (0, -1, 1, -1, 2, 3, -1, 4, -1, 5, -1, 6), "minor": (0, -1, 1, 2, -1, 3, -1, 4, 5, 5, 6, 6)}
_NONE = 15


def main() -> None:
    """Count and write."""
    training = split(chorales())[0]
    airs = split(tunes())[0]
    steps = {mode: np.zeros((7, 16, 15), dtype=int) for mode in _DEGREE}
    opening = np.zeros(7, dtype=int)
    for chorale in training:
        _count_steps(chorale.soprano, steps, opening)
    of_bach, of_airs = (np.zeros((12, 11, 10), dtype=int) for _ in range(2))
    for chorale in training:
        _count_lengths(chorale.soprano, of_bach)
    for air in airs:
        _count_lengths(air, of_airs)
    share = of_airs.sum() / max(of_bach.sum(), 1)
    found = {
        "source": SOURCE,
        "step_major": steps["major"].tolist(),
        "step_minor": steps["minor"].tolist(),
        "opening": opening.tolist(),
        "rhythm": (np.rint(of_bach * share).astype(int) + of_airs).tolist(),
        **_count_keys(training),
    }
    path = Path(__file__).parents[1] / "priors" / "bach.json"
    path.write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(training)} chorales, {len(airs)} tunes")


def _count_steps(melody: Melody, steps: dict[str, np.ndarray], opening: np.ndarray) -> None:
    """Scale steps by mode, degree of the note before, and step before."""
    degrees = _DEGREE[melody.mode]
    before, last = _NONE, None
    for note in melody.notes[:, 2].astype(int):
        octave, above = divmod(note - melody.tonic, 12)
        if degrees[above] < 0:
            before, last = _NONE, None
            continue
        rung = 7 * octave + degrees[above]
        if last is None:
            if before == _NONE and note == int(melody.notes[0, 2]):
                opening[degrees[above]] += 1
        else:
            step = rung - last
            if abs(step) <= 7:
                steps[melody.mode][last % 7, before, step + 7] += 1
                before = step + 7
            else:
                before = _NONE
        last = rung


def _count_lengths(melody: Melody, table: np.ndarray) -> None:
    """Lengths from onset to onset by place in the quarter and length before."""
    onsets = np.rint(melody.notes[:, 0] * 12).astype(int)
    before = 10
    for onset, length in zip(onsets, np.diff(onsets), strict=False):
        if length in LENGTHS:
            table[onset % 12, before, LENGTHS.index(length)] += 1
            before = LENGTHS.index(length)
        else:
            before = 10


def _count_keys(training: list[Chorale]) -> dict[str, Any]:
    """By mode and semitones above the tonic: the top voice's notes (weighted by quarters), successions and last notes
    of phrases, all voices' notes, and the bass's."""
    top, every, bass, close = (np.zeros((2, 12)) for _ in range(4))
    pairs = np.zeros((2, 12, 12))
    for chorale in training:
        m = ("major", "minor").index(chorale.mode)
        for v, voice in enumerate(chorale.voices):
            rel = (voice[:, 2].astype(int) - chorale.tonic) % 12
            np.add.at(every[m], rel, 1)
            if v == 3:
                np.add.at(bass[m], rel, 1)
            if v == 0:
                np.add.at(top[m], rel, 1)
                np.add.at(pairs[m], (rel[:-1], rel[1:]), 1)
                long = voice[:, 1] >= 1.75
                np.add.at(close[m], rel[long], 1)
                close[m, rel[-1]] += 1
    return {
        "key_top": top.astype(int).tolist(),
        "key_pairs": pairs.astype(int).tolist(),
        "key_close": close.astype(int).tolist(),
        "key_every": every.astype(int).tolist(),
        "key_bass": bass.astype(int).tolist(),
    }


if __name__ == "__main__":
    main()
