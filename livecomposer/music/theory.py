"""Note names, scales, keys and chords as plain integers.

Settings, charts, the virtual player, the context's set-up and the page's labels call it, off the hot path; it is pure
and free of numba, so any process may import it. A *note* is a MIDI number (C4 = 60), a *pitch class* is 0–11 (C = 0), a
*degree* counts scale tones from 0 at the tonic.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from livecomposer.errors import SettingsError

# Semitones above the tonic. The first name of a scale is the one shown; ALIASES lists other names for the same.
SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole-tone": (0, 2, 4, 6, 8, 10),
    "octatonic half-whole": (0, 1, 3, 4, 6, 7, 9, 10),
    "octatonic whole-half": (0, 2, 3, 5, 6, 8, 9, 11),
    "hirajoshi": (0, 2, 3, 7, 8),
    "phrygian dominant": (0, 1, 4, 5, 7, 8, 10),
    "chromatic": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
}
ALIASES: dict[str, str] = {
    "": "major",
    "maj": "major",
    "ionian": "major",
    "m": "minor",
    "min": "minor",
    "aeolian": "minor",
    "natural minor": "minor",
    "pentatonic": "major pentatonic",
    "octatonic": "octatonic half-whole",
    "half-whole": "octatonic half-whole",
    "whole-half": "octatonic whole-half",
    "diminished": "octatonic whole-half",
}
# How many fifths a scale's signature lies above that of the major scale on its tonic; it decides # or b in names.
_SIGNATURE: dict[str, int] = {
    "dorian": -2,
    "phrygian": -4,
    "lydian": 1,
    "mixolydian": -1,
    "minor": -3,
    "locrian": -5,
    "harmonic minor": -3,
    "melodic minor": -3,
    "minor pentatonic": -3,
    "blues": -3,
    "hirajoshi": -3,
    "phrygian dominant": -4,
}
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_USUAL = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_ACCIDENTALS = str.maketrans("♯♭", "#b")
_NAME = re.compile(r"([A-Ga-g])(##|#|bb|b|)")
_NOTE = re.compile(r"([A-Ga-g](?:##|#|bb|b|))(-?\d+)")
_SET = re.compile(r"\d+(\s*,\s*\d+)*")

# Tried in this order where several roots would fit; a fifth may be missing from the shapes at the end.
_CHORDS: tuple[tuple[str, frozenset[int]], ...] = tuple(
    (suffix, frozenset(tones))
    for suffix, tones in (
        ("", (0, 4, 7)),
        ("m", (0, 3, 7)),
        ("7", (0, 4, 7, 10)),
        ("maj7", (0, 4, 7, 11)),
        ("m7", (0, 3, 7, 10)),
        ("m7b5", (0, 3, 6, 10)),
        ("dim7", (0, 3, 6, 9)),
        ("dim", (0, 3, 6)),
        ("aug", (0, 4, 8)),
        ("sus4", (0, 5, 7)),
        ("sus2", (0, 2, 7)),
        ("6", (0, 4, 7, 9)),
        ("m6", (0, 3, 7, 9)),
        ("m(maj7)", (0, 3, 7, 11)),
        ("7sus4", (0, 5, 7, 10)),
        ("9", (0, 2, 4, 7, 10)),
        ("maj9", (0, 2, 4, 7, 11)),
        ("m9", (0, 2, 3, 7, 10)),
        ("6/9", (0, 2, 4, 7, 9)),
        ("add9", (0, 2, 4, 7)),
        ("m(add9)", (0, 2, 3, 7)),
        ("aug7", (0, 4, 8, 10)),
        ("7b5", (0, 4, 6, 10)),
        ("7b9", (0, 1, 4, 7, 10)),
        ("5", (0, 7)),
        ("7", (0, 4, 10)),
        ("maj7", (0, 4, 11)),
        ("m7", (0, 3, 10)),
        ("", (0, 4)),
        ("m", (0, 3)),
    )
)
# Every chord that can be written, in the order of `_CHORDS`, and those that are read but not recognised.
CHORDS: dict[str, tuple[int, ...]] = {
    **{suffix: tuple(sorted(shape)) for suffix, shape in reversed(_CHORDS)},  # the fuller shape comes first and wins
    "7#9": (0, 3, 4, 7, 10),
    "7#11": (0, 4, 6, 7, 10),
    "maj7#11": (0, 4, 6, 7, 11),
    "maj7#5": (0, 4, 8, 11),
    "9sus4": (0, 2, 5, 7, 10),
    "11": (0, 2, 5, 7, 10),
    "m11": (0, 2, 3, 5, 7, 10),
    "13": (0, 2, 4, 7, 9, 10),
    "m6/9": (0, 2, 3, 7, 9),
}
# Other ways to write the same, without brackets; a leading "min", "mi" or "-" is read as "m" before.
_WRITTEN_CHORDS: dict[str, str] = {
    "M": "", "maj": "", "Maj": "", "M7": "maj7", "Maj7": "maj7", "ma7": "maj7", "j7": "maj7", "Δ": "maj7",
    "Δ7": "maj7", "M9": "maj9", "Maj9": "maj9", "Δ9": "maj9", "ø": "m7b5", "ø7": "m7b5", "m7-5": "m7b5",
    "°": "dim", "o": "dim", "°7": "dim7", "o7": "dim7", "+": "aug", "#5": "aug", "+7": "aug7", "7#5": "aug7",
    "7+": "aug7", "sus": "sus4", "7sus": "7sus4", "9sus": "9sus4", "mmaj7": "m(maj7)", "mM7": "m(maj7)",
    "mΔ": "m(maj7)", "mΔ7": "m(maj7)", "maj6": "6", "M6": "6", "69": "6/9", "m69": "m6/9", "madd9": "m(add9)",
    "add2": "add9", "2": "sus2", "4": "sus4", "7-5": "7b5", "7-9": "7b9", "7+9": "7#9", "maj7+5": "maj7#5",
}  # fmt: skip
_MINOR = re.compile(r"min|mi(?!n)|-")


class Key(NamedTuple):
    """A tonic and a scale; make one with `parse_key`.

    Attributes
    ----------
    tonic : int
        Pitch class 0–11.
    name : str
        A name in `SCALES`, or semitones such as ``"0,2,4,7,9"``.
    intervals : tuple of int
        Semitones above the tonic, ascending, within 0–11 and beginning with 0.
    """

    tonic: int
    name: str
    intervals: tuple[int, ...]

    @property
    def label(self) -> str:
        """What a person reads, such as ``"Bb major"``; `parse_key` reads it back."""
        return f"{spell(self.tonic, self)} {self.name}"


class Chord(NamedTuple):
    """A chord; make one with `parse_chord`.

    Attributes
    ----------
    root : int
        Pitch class 0–11.
    name : str
        A name in `CHORDS`.
    intervals : tuple of int
        Semitones above the root, ascending, within 0–11 and beginning with 0.
    bass : int
        Pitch class of the lowest note; the root unless a slash names another.
    """

    root: int
    name: str
    intervals: tuple[int, ...]
    bass: int

    @property
    def classes(self) -> tuple[int, ...]:
        """Pitch classes from the root upward, then the bass if it is foreign to them."""
        tones = tuple((self.root + interval) % 12 for interval in self.intervals)
        return tones if self.bass in tones else (*tones, self.bass)

    @property
    def bits(self) -> int:
        """Bit i set for pitch class i."""
        return sum(1 << pc for pc in self.classes)

    @property
    def label(self) -> str:
        """What a person reads, such as ``"Dm7/G"``; `parse_chord` reads it back."""
        return self.spelt()

    def spelt(self, key: Key | None = None) -> str:
        """The label with the accidentals of a key."""
        slash = "" if self.bass == self.root else f"/{spell(self.bass, key)}"
        return f"{spell(self.root, key)}{self.name}{slash}"


def _signature(key: Key, letter_fifths: int) -> int:
    """Sharps (positive) or flats of the key when its tonic stands at this place on the line of fifths."""
    return letter_fifths + _SIGNATURE.get(key.name, 0)


def _uses_flats(key: Key) -> bool | None:
    """True for a key with flats, False for one with sharps, None where neither spelling is simpler."""
    sharpward = key.tonic * 7 % 12  # place on the line of fifths, C = 0, counted in sharps
    up, down = _signature(key, sharpward), _signature(key, sharpward - 12)
    if abs(up) == abs(down):
        return None
    nearer = min(up, down, key=abs)
    return None if nearer == 0 else nearer < 0


def spell(pitch_class: int, key: Key | None = None) -> str:
    """Name of a pitch class, with the accidentals that a key signature would use.

    Parameters
    ----------
    pitch_class : int
        Any integer; taken modulo 12.
    key : Key, optional
        Without it the usual mixture is used: C# Eb F# Ab Bb.
    """
    flats = None if key is None else _uses_flats(key)
    names = _USUAL if flats is None else _FLATS if flats else _SHARPS
    return names[pitch_class % 12]


def pitch_class(name: str) -> int:
    """Pitch class 0–11 of a name such as ``"C"``, ``"f#"``, ``"Cb"``, ``"E♯"`` or ``"Bbb"``.

    Raises
    ------
    SettingsError
        If it is no note name.
    """
    found = _NAME.fullmatch(name.strip().translate(_ACCIDENTALS))
    if found is None:
        raise SettingsError(f'"{name}" is no note name; write A to G with # or b if needed, such as "F#"')
    return _pitch_class_of(found[1], found[2])


def _pitch_class_of(letter: str, accidentals: str) -> int:
    return (_LETTERS[letter.upper()] + accidentals.count("#") - accidentals.count("b")) % 12


def note_number(name: str) -> int:
    """MIDI number of a name with octave: C4 = 60, Cb4 = 59 and B#3 = 60 (the octave belongs to the letter).

    Raises
    ------
    SettingsError
        If it is no note name or lies outside 0–127 (C-1 to G9).
    """
    found = _NOTE.fullmatch(name.strip().translate(_ACCIDENTALS))
    if found is None:
        raise SettingsError(f'"{name}" is no note with octave; write it like "C4" (middle C) or "Bb2"')
    letter, accidentals = found[1][0], found[1][1:]
    note = _LETTERS[letter.upper()] + accidentals.count("#") - accidentals.count("b") + 12 * (int(found[2]) + 1)
    if not 0 <= note <= 127:
        raise SettingsError(f'"{name}" lies outside the MIDI range; the lowest note is C-1 and the highest G9')
    return note


def note_name(note: int, key: Key | None = None) -> str:
    """Name with octave of a MIDI number, 60 → ``"C4"``; see `spell` for the choice of # or b."""
    return f"{spell(note, key)}{note // 12 - 1}"


def parse_key(text: str) -> Key:
    """Read a key from what a person wrote.

    Parameters
    ----------
    text : str
        A note and a scale (``"D dorian"``, ``"E phrygian dominant"``), a note alone for major (``"F"``), a chord-like
        short form (``"Am"``, ``"c# minor"``), or a note and any set of semitones 0–11 (``"C 0,2,4,7,9"``; 0, the
        tonic, always belongs to it).

    Raises
    ------
    SettingsError
        One sentence: what was not understood, the nearest name, and what is allowed.
    """
    plain = " ".join(text.translate(_ACCIDENTALS).split())
    found = _NAME.match(plain)
    if found is None:
        raise SettingsError(f'key "{text}" must begin with a note A to G (with # or b), such as "C# minor"')
    tonic = _pitch_class_of(found[1], found[2])
    rest = plain[found.end() :].strip()
    if _SET.fullmatch(rest):
        numbers = {0, *(int(number) for number in rest.split(","))}
        if max(numbers) > 11:
            raise SettingsError(f'key "{text}": semitones above the tonic go from 0 to 11, not {max(numbers)}')
        intervals = tuple(sorted(numbers))
        return Key(tonic, ",".join(map(str, intervals)), intervals)
    name = _scale_name(rest)
    if name is None:
        wanted = rest.lower()
        near = get_close_matches(wanted, [*SCALES, *filter(None, ALIASES)], n=1, cutoff=0.5)
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        raise SettingsError(
            f'key "{text}": there is no scale "{rest}"{hint}; allowed are {", ".join(SCALES)}, '
            'or semitones such as "0,2,4,7,9"'
        )
    return Key(tonic, name, SCALES[name])


def _scale_name(rest: str) -> str | None:
    """The name in SCALES that a person's words mean; "M" is major and "m" minor, else case does not matter."""
    if rest == "M":
        return "major"
    wanted = rest.lower()
    for name in (wanted, wanted.replace(" ", "-"), wanted.replace("-", " ")):
        if name in SCALES:
            return name
        if name in ALIASES:
            return ALIASES[name]
    loose = re.sub(r"[ -]", "", wanted)
    for name in (*SCALES, *ALIASES):
        if loose and re.sub(r"[ -]", "", name) == loose:
            return ALIASES.get(name, name)
    return None


def parse_chord(text: str) -> Chord:
    """Read a chord symbol.

    Parameters
    ----------
    text : str
        A note, a suffix and perhaps a slash with a bass: ``"Dm7"``, ``"F#ø"``, ``"Bb6/9"``, ``"C7(b9)"``, ``"Dm7/G"``.

    Raises
    ------
    SettingsError
        One sentence with the nearest chord that there is.
    """
    plain = text.translate(_ACCIDENTALS).strip()
    found = _NAME.match(plain)
    if found is not None:
        root = bass = _pitch_class_of(found[1], found[2])
        rest, slash, low = plain[found.end() :].rpartition("/")
        under = _NAME.fullmatch(low.strip())
        if slash and under is not None:
            bass = _pitch_class_of(under[1], under[2])
        else:
            rest += slash + low
        name = _chord_suffix(rest)
        if name is not None:
            return Chord(root, name, CHORDS[name], bass)
    near = _nearest_chord(plain)
    raise SettingsError(f'there is no chord "{text}"; did you mean "{near}"?')


def _chord_suffix(rest: str) -> str | None:
    """The name in CHORDS that a written suffix means."""
    bare = re.sub(r"[()\s]", "", rest)
    if not bare.startswith("maj"):
        bare = _MINOR.sub("m", bare, count=1) if _MINOR.match(bare) else bare
    for name in (rest, bare, _WRITTEN_CHORDS.get(bare)):
        if name in CHORDS:
            return name
    return None


def _nearest_chord(plain: str) -> str:
    """A valid chord written most like it; H, the German B, is taken for B."""
    found = _NAME.match(plain)
    if found is not None:
        roots: tuple[str, ...] = (found[0][0].upper() + found[0][1:],)
    else:
        roots = ("B",) if plain[:1] in ("H", "h") else _USUAL
    known = [root + suffix for root in roots for suffix in CHORDS]
    return get_close_matches(plain.partition("/")[0], known, n=1, cutoff=0.0)[0]


def chord_scale(key: Key, classes: Iterable[int]) -> tuple[int, ...]:
    """The key's scale bent to hold a chord, for moving in steps over it.

    A chord tone outside the scale takes the place of a scale tone a semitone away that is no chord tone, so that the
    size stays; where there is none, it is added. If both neighbours could go, the spelling decides: a sharp replaces
    the tone below (G# in E7 in C major: G), a flat the one above (Ab in F minor in C major: A). The chord is spelt as
    compactly as can be on the line of fifths (Temperley 2001, chapter 5, after Longuet-Higgins), near the key's centre.

    Parameters
    ----------
    key : Key
    classes : iterable of int
        Pitch classes of the chord, in any order.

    Returns
    -------
    tuple of int
        Semitones above the key's tonic, ascending, within 0–11; 0 is missing where the chord displaces the tonic.
    """
    chord = {(pc - key.tonic) % 12 for pc in classes}
    scale = set(key.intervals)
    centre = 2 + _SIGNATURE.get(key.name, 0)
    for tone, place in sorted(_on_fifths(chord, centre).items()):
        if tone in scale:
            continue
        below, above = (tone - 1) % 12, (tone + 1) % 12
        for neighbour in (below, above) if place > centre else (above, below):
            if neighbour in scale and neighbour not in chord:
                scale.remove(neighbour)
                break
        scale.add(tone)
    return tuple(sorted(scale))


def _on_fifths(tones: set[int], centre: int) -> dict[int, int]:
    """Places of tones on the line of fifths: least spread, then the mean nearest to the centre, then the sharper."""
    around = sorted(tone * 7 % 12 for tone in tones)
    choices = []
    for cut in range(len(around)):
        turned = [*around[cut:], *(place + 12 for place in around[:cut])]
        for shift in (-24, -12, 0, 12):
            places = [place + shift for place in turned]
            mean = sum(places) / len(places)
            choices.append((places[-1] - places[0], abs(mean - centre), -mean, places))
    return {place * 7 % 12: place for place in min(choices)[3]} if choices else {}


def scale_notes(key: Key, low: int, high: int) -> tuple[int, ...]:
    """All notes of the key from ``low`` to ``high``, both included, ascending."""
    member = mask(key)
    return tuple(note for note in range(low, high + 1) if member[note % 12])


def mask(key: Key) -> tuple[int, ...]:
    """Twelve 0/1 values by pitch class (index 0 is C, whatever the tonic): 1 where it belongs to the key."""
    inside = {(key.tonic + interval) % 12 for interval in key.intervals}
    return tuple(int(pc in inside) for pc in range(12))


def degree_of(key: Key, note: int) -> int | None:
    """Degree of a note, 0 for the tonic; None if it is not in the key."""
    interval = (note - key.tonic) % 12
    return key.intervals.index(interval) if interval in key.intervals else None


def nearest(key: Key, note: int) -> int:
    """The scale tone nearest to a note; of two equally near ones the lower."""
    for distance in range(12):
        for candidate in (note - distance, note + distance):
            if degree_of(key, candidate) is not None:
                return candidate
    raise ValueError("a key has at least one tone")


def step(key: Key, note: int, steps: int) -> int:
    """The note ``steps`` scale tones above (or below, if negative); a note off the scale first moves to `nearest`.

    The result may lie outside 0–127: range is the caller's rule.
    """
    start = nearest(key, note)
    size = len(key.intervals)
    octave, interval = divmod(start - key.tonic, 12)
    octaves, degree = divmod(key.intervals.index(interval) + steps, size)
    return key.tonic + 12 * (octave + octaves) + key.intervals[degree]


def next_key(key: Key, fifths: int = 1) -> Key:
    """The same scale ``fifths`` places further round the circle of fifths (+1: C → G, −1: C → F)."""
    return key._replace(tonic=(key.tonic + 7 * fifths) % 12)


def key_names(chosen: str = "C major") -> dict[tuple[int, int], str]:
    """The label of a key by tonic and pitch classes (bit i set for class i); ``chosen`` may be one of its own."""
    key = parse_key(chosen)
    classes = sum(1 << (key.tonic + i) % 12 for i in key.intervals)
    names: dict[tuple[int, int], str] = {(key.tonic, classes): key.label}
    for tonic in range(12):
        for scale, intervals in SCALES.items():
            classes = sum(1 << (tonic + i) % 12 for i in intervals)
            names.setdefault((tonic, classes), Key(tonic, scale, intervals).label)
    return names


def chord_name(pitch_classes: Iterable[int], bass: int | None = None, key: Key | None = None) -> str:
    """Name of what sounds, for display.

    Parameters
    ----------
    pitch_classes : iterable of int
        Notes or pitch classes; only their class counts.
    bass : int, optional
        The lowest one. A chord with its root there is preferred (C6 rather than Am7/C); otherwise it follows a slash.
        A bass foreign to the chord is named the same way (F/G).
    key : Key, optional
        Decides between # and b.

    Returns
    -------
    str
        ``"C"``, ``"Am7"``, ``"G/B"``; the note names for what has no chord name; ``""`` for fewer than two classes.
    """
    sounding = frozenset(pc % 12 for pc in pitch_classes)
    low = None if bass is None else bass % 12
    every = sounding if low is None else sounding | {low}
    if len(every) < 2:
        return ""
    if low is not None:
        found = _match(every, [low])
        if found is not None:
            return spell(low, key) + found[1]
    found = _match(every, sorted(every))
    if low is not None and (found is None or (low - found[0]) % 12 == 2):
        # A ninth in the bass is heard as a foreign bass: F/G, not Fadd9/G.
        found = _match(every - {low}, sorted(every - {low})) or found
    if found is not None:
        slash = "" if low is None else f"/{spell(low, key)}"
        return spell(found[0], key) + found[1] + slash
    first = min(every) if low is None else low
    return " ".join(spell(pc, key) for pc in sorted(every, key=lambda pc: (pc - first) % 12))


def _match(tones: frozenset[int], roots: list[int]) -> tuple[int, str] | None:
    """Root and suffix of the first shape that fits exactly."""
    for suffix, shape in _CHORDS:
        for root in roots:
            if frozenset((pc - root) % 12 for pc in tones) == shape:
                return root, suffix
    return None
