"""Real melodies from music21's corpus: Bach's four-part chorales, and tunes of the old fiddle and pipe collections.

Called by the benches and by ``bench.count``; needs the extra ``music``. The first call parses for minutes and keeps
what it found in the user's cache folder. Beside Bach's chorales these are Ryan's Mammoth Collection (1883), Aird's
Airs (1782) and O'Neill's (1903), all in the public domain; the Essen collection is not used.
"""

import sys
import zlib
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from livecomposer.errors import SettingsError

VERSION = 2
MOST_TUNES = 400
HELD_OUT = 200
COLLECTIONS = ("ryansMammoth", "airdsAirs", "oneills1850")


class Melody(NamedTuple):
    """A tune: ``notes`` float64[n, 3] (onset and length in quarters, MIDI note), bar lines at multiples of
    ``bar_quarters``, tonic (pitch class), mode ("major" or "minor")."""

    name: str
    tonic: int
    mode: str
    bar_quarters: float
    notes: np.ndarray


class Chorale(NamedTuple):
    """A chorale: ``voices`` (soprano, alto, tenor, bass) as in ``Melody.notes``; the tonic is the bass's last note,
    the mode minor if the signature is that of a minor, dorian or phrygian scale on it, else major (where the signature
    fits none of the modes, by the third of the last chord)."""

    name: str
    tonic: int
    mode: str
    bar_quarters: float
    voices: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

    def chord(self, quarter: float) -> frozenset[int]:
        """Pitch classes that sound at a time."""
        found = set()
        for voice in self.voices:
            at = int(np.searchsorted(voice[:, 0], quarter + 1e-6, "right")) - 1
            if at >= 0 and voice[at, 0] + voice[at, 1] > quarter + 1e-6:
                found.add(int(voice[at, 2]) % 12)
        return frozenset(found)

    @property
    def soprano(self) -> Melody:
        """Its melody."""
        return Melody(self.name, self.tonic, self.mode, self.bar_quarters, self.voices[0])


def chorales() -> list[Chorale]:
    """All four-part chorales, by name, each once."""
    found: dict[bytes, Chorale] = {}
    for name, tonic, mode, bar, *voices in _cached("chorales", _chorale_paths, _read_chorale):
        key = voices[0].tobytes()
        found.setdefault(key, Chorale(name, tonic, mode, bar, tuple(voices)))
    return sorted(found.values(), key=lambda chorale: chorale.name)


def tunes() -> list[Melody]:
    """At most ``MOST_TUNES`` tunes, evenly from the collections, by name."""
    rows = sorted(_cached("tunes", _tune_paths, _read_tune), key=lambda row: row[0])
    return [Melody(*row) for row in rows]


def split(of: list[Any]) -> tuple[list[Any], list[Any]]:
    """(training, held out): in the order of their names' CRC-32, at most ``HELD_OUT`` and five ninths are held out."""
    mixed = sorted(of, key=lambda item: zlib.crc32(item.name.encode()))
    n = min(HELD_OUT, len(mixed) * 5 // 9)
    return sorted(mixed[n:], key=lambda item: item.name), sorted(mixed[:n], key=lambda item: item.name)


# ---- reading --------------------------------------------------------------------------------------------------------
def _cached(what: str, paths: Any, read: Any) -> list[tuple[Any, ...]]:
    import platformdirs

    path = Path(platformdirs.user_cache_dir("livecomposer", appauthor=False)) / f"{what}-{VERSION}.npz"
    if not path.exists():
        _parse(what, paths(), read, path)
    rows = []
    with np.load(path, allow_pickle=False) as file:
        for i, (name, tonic, mode, bar) in enumerate(file["index"].tolist()):
            arrays = [file[key] for key in sorted(k for k in file.files if k.startswith(f"{i}."))]
            rows.append((name, int(tonic), mode, float(bar), *arrays))
    return rows


def _parse(what: str, paths: list[str], read: Any, path: Path) -> None:
    print(f"reading music21's {what} for the first time ({len(paths)} files) ...", file=sys.stderr)
    index: list[tuple[str, str, str, str]] = []
    arrays: dict[str, np.ndarray] = {}
    with get_context("spawn").Pool() as pool:
        for n, row in enumerate(pool.imap(read, paths, chunksize=8)):
            if row is not None:
                name, tonic, mode, bar, *voices = row
                arrays.update({f"{len(index)}.{v}": voice for v, voice in enumerate(voices)})
                index.append((name, str(tonic), mode, str(bar)))
            if n % 50 == 49:
                print(f"  {n + 1} of {len(paths)}", file=sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, index=np.array(index), **arrays)  # type: ignore[arg-type]  # its stub takes a flag


def _corpus() -> Any:
    try:
        from music21 import corpus
    except ImportError:
        raise SettingsError("this needs music21's corpus; pip install livecomposer[music]") from None
    return corpus


def _chorale_paths() -> list[str]:
    return sorted(str(path) for path in _corpus().getComposer("bach") if Path(path).suffix in (".mxl", ".xml", ".krn"))


def _tune_paths() -> list[str]:
    chosen: list[str] = []
    for collection in COLLECTIONS:
        paths = sorted(str(path) for path in _corpus().getPaths() if collection in str(path))
        chosen += paths[:: max(len(paths) * len(COLLECTIONS) // MOST_TUNES, 1)]
    return chosen[: MOST_TUNES * 2]


def _read_chorale(path: str) -> tuple[Any, ...] | None:
    from music21 import converter, meter

    try:
        score: Any = converter.parse(path)
        parts = list(score.parts)
        if len(parts) != 4:
            return None
        signature = parts[0].recurse().getElementsByClass(meter.TimeSignature).first()
        bar = float(signature.barDuration.quarterLength)
        first = parts[0].getElementsByClass("Measure").first()
        missing = bar - float(first.duration.quarterLength) if first is not None else 0.0
        voices = [_notes(part, missing if 0 < missing < bar else 0.0) for part in parts]
        if any(len(voice) < 8 for voice in voices) or not bar.is_integer():
            return None
        tonic = int(voices[3][-1, 2]) % 12
        last = {int(voice[-1, 2] - tonic) % 12 for voice in voices}
        sharps = parts[0].recurse().getElementsByClass("KeySignature").first()
        flats = (tonic * 7 - sharps.sharps) % 12 if sharps is not None else 5  # against the tonic's major signature
        if flats in (0, 1, 11):
            mode = "major"
        elif flats in (2, 3, 4):
            mode = "minor"  # (also where the last chord has a major third)
        else:
            mode = "minor" if 3 in last else "major"
        return (Path(path).stem, tonic, mode, bar, *voices)
    except Exception:
        return None


def _read_tune(path: str) -> tuple[Any, ...] | None:
    from music21 import converter, meter

    try:
        parsed: Any = converter.parse(path)
        score = parsed.scores[0] if hasattr(parsed, "scores") and len(parsed.scores) else parsed
        part = score.parts[0]
        signature = part.recurse().getElementsByClass(meter.TimeSignature).first()
        bar = float(signature.barDuration.quarterLength)
        first = part.getElementsByClass("Measure").first()
        missing = bar - float(first.duration.quarterLength) if first is not None else 0.0
        notes = _notes(part, missing if 0 < missing < bar else 0.0)
        key = part.analyze("key")
        if len(notes) < 16:
            return None
        return (Path(path).stem, int(key.tonic.pitchClass), key.mode, bar, notes)
    except Exception:
        return None


def _notes(part: Any, shift: float) -> np.ndarray:
    rows = []
    for note in part.flatten().stripTies().notes:
        if note.duration.isGrace or note.quarterLength <= 0:
            continue
        pitch = note.sortAscending().pitches[-1] if note.isChord else note.pitch
        rows.append((float(note.offset) + shift, float(note.quarterLength), float(pitch.midi)))
    rows.sort()
    return np.array(rows, dtype=np.float64).reshape(-1, 3)
