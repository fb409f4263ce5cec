"""How well the player's key and chord are followed: Bach's chorales held out from the counts, and block chords.

Called by ``bench.music``; needs the extra ``music``. The truth about a chorale is that of ``bench.corpus``: the tonic
is the bass's last note, the mode that of the signature on it (where that fits none, that of the last chord). The pieces
are ``split(chorales())[1]``, never seen by ``bench.count``; some of their tunes have another setting among the
training ones, so the tunes that have none are also counted apart. Notes come at 100 quarters a minute, those of a chord
from below.

Keys of the report: ``pieces`` (names); ``soprano_16`` (after 16 notes), ``soprano_end``, ``four_end`` (all voices),
``unseen_16`` and ``unseen_end`` (sopranos whose tune is in no training chorale), each ``{n, exact, signature}``, shares
of pieces whose key, or at least key signature, is right; ``changes`` and ``changes_rests``: ``{n, per_minute}``, how
often the key changed once named, in sopranos that leave neither the scale nor the key, without and with pauses of two
quarters after long notes; ``chords``: share right by quality, ``chords_all`` their mean.
"""

from typing import Any

import numpy as np

from livecomposer.bench.corpus import Chorale, chorales, split

QUARTER_NS = 600_000_000
NOTES = 16
SHORT_PIECES = 25
TUNE = 10  # intervals from the beginning that make two sopranos the same tune
LONG = 1.75  # quarters
PAUSE = 2.0  # quarters
PLAYED = ("", "m", "dim", "aug", "maj7", "7", "m7", "m7b5", "dim7", "m(maj7)")
_SCALES = {"major": {0, 2, 4, 5, 7, 9, 11}, "minor": {0, 2, 3, 5, 7, 8, 9, 10, 11}}
# percent, the best of music21 10's key profiles on such pieces: exact after 16 notes and at the end, signature after
# 16 and at the end, exact from four voices
PROFILES = {"soprano_16": (63, 75), "soprano_end": (76, 82), "four_end": (84, None)}
LABELS = {
    "soprano_16": "key, soprano, 16 notes", "soprano_end": "key, soprano, end", "four_end": "key, four voices, end",
    "unseen_16": "  tune unseen, 16 notes", "unseen_end": "  tune unseen, end",
}  # fmt: skip

Event = tuple[float, int]  # quarters, and a note, or -1: the player has stopped


def measure(short: bool) -> dict[str, Any]:
    """Run all; short: 25 pieces, evenly spread."""
    training, held_out = split(chorales())
    if short:
        held_out = held_out[:: max(len(held_out) // SHORT_PIECES, 1)][:SHORT_PIECES]
    known = {_tune(piece) for piece in training}
    early = [judge(piece, first_notes(piece)) for piece in held_out]
    late = [judge(piece, whole(piece.voices[:1])) for piece in held_out]
    unseen = [i for i, piece in enumerate(held_out) if _tune(piece) not in known]
    stable = [piece for piece in held_out if stays(piece)]
    chords = {name or "major": chord_share(name) for name in PLAYED}
    return {
        "pieces": [piece.name for piece in held_out],
        "soprano_16": _shares(early),
        "soprano_end": _shares(late),
        "four_end": _shares([judge(piece, whole(piece.voices)) for piece in held_out]),
        "unseen_16": _shares([early[i] for i in unseen]),
        "unseen_end": _shares([late[i] for i in unseen]),
        "changes": _changes(stable, False),
        "changes_rests": _changes(stable, True),
        "chords": chords,
        "chords_all": round(float(np.mean(list(chords.values()))), 4),
    }


def rows(report: dict[str, Any]) -> list[list[str]]:
    """One sentence each."""
    table = []
    for name, label in LABELS.items():
        found = report[name]
        if not found["n"]:
            continue
        words = f"{label}: {found['exact']:.1%} right, {found['signature']:.1%} the signature, of {found['n']}"
        if name in PROFILES:
            exact, signature = PROFILES[name]
            words += f" (key profiles: {exact} %{'' if signature is None else f', {signature} %'})"
        table.append([words])
    for name, label in (("changes", "steady sopranos"), ("changes_rests", "the same with pauses")):
        if report[name]["n"]:
            table.append(
                [f"key changes in {label}: {report[name]['per_minute']:.2f} a minute, {report[name]['n']} pieces"]
            )
    worst = min(report["chords"], key=report["chords"].get)
    return [*table, [f"block chords: {report['chords_all']:.1%} right, {worst} {report['chords'][worst]:.1%}"]]


# ---- keys -----------------------------------------------------------------------------------------------------------
def first_notes(piece: Chorale) -> list[Event]:
    """The soprano's first 16 notes; the player goes on."""
    return [(float(onset), int(note)) for onset, _, note in piece.voices[0][:NOTES]]


def whole(voices: tuple[np.ndarray, ...], rests: bool = False) -> list[Event]:
    """All notes, and the stop after the last; with ``rests`` a pause after each long note of the first voice."""
    ends = [float(onset + length) for onset, length, _ in voices[0] if length >= LONG] if rests else []
    events: list[Event] = []
    shift = 0.0
    end = 0.0
    for onset, note, length in sorted((float(o), int(n), float(d)) for voice in voices for o, d, n in voice):
        while ends and ends[0] <= onset:
            events.append((ends.pop(0) + shift + PAUSE / 2, -1))
            shift += PAUSE
        events.append((onset + shift, note))
        end = max(end, onset + length + shift)
    return [*events, (end + PAUSE / 2, -1)]


def play(events: list[Event]) -> tuple[tuple[int, str], int, float]:
    """The key at the end, how often it changed once it was known, and how many minutes were played."""
    from livecomposer.music.follow import KeyFollower

    follower = KeyFollower()
    key, changes = None, 0
    for quarter, note in events:
        if note < 0:
            follower.rest()
        else:
            follower.note_on(int(quarter * QUARTER_NS), note)
        if follower.known:
            changes += key is not None and key != follower.key
            key = follower.key
    return follower.key, changes, (events[-1][0] - events[0][0]) * QUARTER_NS / 60e9


def judge(piece: Chorale, events: list[Event]) -> tuple[bool, bool]:
    """Whether the key, and whether its signature, is right."""
    (tonic, mode), _, _ = play(events)
    same = signature(tonic, mode) == signature(piece.tonic, piece.mode)
    return (tonic, mode) == (piece.tonic, piece.mode), same


def signature(tonic: int, mode: str) -> int:
    """Tonic of the major key with the same signature."""
    return (tonic + 3 * (mode == "minor")) % 12


def stays(piece: Chorale) -> bool:
    """Whether the soprano keeps to its scale (in minor with both sixths and sevenths)."""
    return {int(note - piece.tonic) % 12 for note in piece.voices[0][:, 2]} <= _SCALES[piece.mode]


def _tune(piece: Chorale) -> tuple[int, ...]:
    return tuple(int(step) for step in np.diff(piece.voices[0][:, 2])[:TUNE])


def _shares(found: list[tuple[bool, bool]]) -> dict[str, float]:
    if not found:
        return {"n": 0}
    exact, same = np.mean(np.array(found, dtype=float), axis=0)
    return {"n": len(found), "exact": round(float(exact), 4), "signature": round(float(same), 4)}


def _changes(pieces: list[Chorale], rests: bool) -> dict[str, float]:
    played = [play(whole(piece.voices[:1], rests)) for piece in pieces]
    if not played:
        return {"n": 0}
    per_minute = sum(changes for _, changes, _ in played) / sum(minutes for _, _, minutes in played)
    return {"n": len(played), "per_minute": round(per_minute, 3)}


# ---- chords ---------------------------------------------------------------------------------------------------------
def chord_share(name: str) -> float:
    """Share of roots and inversions of a quality that are recognised: the same pitch classes, and the same root unless
    another chord of the follower's has just these."""
    from livecomposer.music.follow import QUALITIES, ChordFollower
    from livecomposer.music.theory import CHORDS

    sets = [frozenset((root + i) % 12 for i in CHORDS[other]) for other in QUALITIES for root in range(12)]
    right = n = 0
    for root in range(12):
        for inversion in range(len(CHORDS[name])):
            notes = [48 + root + i + 12 * (at < inversion) for at, i in enumerate(CHORDS[name])]
            follower = ChordFollower()
            for t, note in enumerate(sorted(notes)):
                follower.note_on(t * 1_000_000, note)
            classes = frozenset(note % 12 for note in notes)
            bits = sum(1 << pc for pc in classes)
            right += follower.bits == bits and (follower.root == root or sets.count(classes) > 1)
            n += 1
    return round(right / n, 4)
