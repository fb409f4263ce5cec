"""Charts: the chords of a song, bar by bar, that loop under the music.

Settings read them, ``instrument.hearing`` asks for the chord at a tick (slack); numba-free. 12 ticks are a quarter.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence

from livecomposer.errors import SettingsError
from livecomposer.music.metre import Metre
from livecomposer.music.theory import Chord, parse_chord

MAX_BARS = 256
MAX_CAPTURE = 64
NEVER = 1 << 40  # ticks: where the next chord begins if there is no other
_NO_CHORD = ("N.C.", "NC", "N.C", "n.c.")
_AGAIN = (".", "-")
_CAPTURE = re.compile(r"capture(?:\s+(\d+))?")


class Chart:
    """Chords by tick; it repeats for ever.

    Parameters
    ----------
    units : sequence of Chord or None
        The chord of every unit, for whole bars of the metre; None is no chord.
    metre : Metre
    start : int
        Tick at which the first bar begins; before it the loop is the same.

    Attributes
    ----------
    bar_ticks, length_ticks : int
        Of a bar, and of the whole before it repeats.
    start : int
    entries : tuple of (int, Chord or None)
        Where each chord begins, in ticks from the start, ascending from 0; neighbours differ.
    """

    __slots__ = ("_bars", "_strong", "_ticks", "bar_ticks", "entries", "length_ticks", "start")

    def __init__(self, units: Sequence[Chord | None], metre: Metre, start: int = 0) -> None:
        if not units or len(units) % metre.units:
            raise ValueError(f"{len(units)} units do not fill bars of {metre.units}")
        self.bar_ticks = metre.bar_ticks
        self.length_ticks = len(units) * metre.unit_ticks
        self.start = start
        self._bars = [tuple(units[at : at + metre.units]) for at in range(0, len(units), metre.units)]
        self._strong = metre.strong
        self.entries = tuple(
            (i * metre.unit_ticks, chord) for i, chord in enumerate(units) if i == 0 or chord != units[i - 1]
        )
        self._ticks = [tick for tick, _ in self.entries]

    @classmethod
    def captured(cls, heard: Sequence[tuple[int, Chord | None]], bars: int, start: int, metre: Metre) -> "Chart":
        """A chart of what was heard over so many bars.

        Parameters
        ----------
        heard : sequence of (int, Chord or None)
            Where each chord began, in ticks from ``start``, ascending; moved to the nearest unit. Of two on one unit
            the later counts, what lies outside the bars does not, and the first holds from the beginning.
        bars : int
            At least 1.
        start : int
            Tick at which the first bar began.
        """
        n = bars * metre.units
        units: list[Chord | None] = [heard[0][1] if heard else None] * n
        for tick, chord in heard:
            at = max((2 * tick + metre.unit_ticks) // (2 * metre.unit_ticks), 0)
            units[at:] = [chord] * (n - at)
        return cls(units, metre, start)

    def at(self, tick: int) -> tuple[Chord | None, int, Chord | None]:
        """What sounds at a tick: the chord, the tick where the next one begins (`NEVER`: nowhere), and that one."""
        entries = self.entries
        if len(entries) == 1:
            return entries[0][1], NEVER, entries[0][1]
        rounds, inside = divmod(tick - self.start, self.length_ticks)
        base = self.start + rounds * self.length_ticks
        i = bisect_right(self._ticks, inside) - 1
        chord = entries[i][1]
        if i + 1 < len(entries):
            return chord, base + entries[i + 1][0], entries[i + 1][1]
        base += self.length_ticks
        if entries[0][1] == chord:  # the last chord goes on into the repeat
            return chord, base + entries[1][0], entries[1][1]
        return chord, base, entries[0][1]

    @property
    def label(self) -> str:
        """What a person reads, ``"| Dm7 | G7 | Cmaj7 | % |"``; `parse_chart` reads it back."""
        words = [
            "%" if i and bar == self._bars[i - 1] else _bar_label(bar, self._strong) for i, bar in enumerate(self._bars)
        ]
        return f"| {' | '.join(words)} |"


def parse_chart(text: str, metre: Metre) -> Chart:
    """Read chords bar by bar.

    Parameters
    ----------
    text : str
        Bars between ``|``: ``"| Dm7 | G7 | Cmaj7 | % |"``. ``%`` repeats the bar before. Several chords share their
        bar as evenly as whole units allow, the longer shares first (7/8: 2 + 2 + 3 for three); ``.`` or ``-`` lets the
        chord go on for another share; ``N.C.`` is no chord.
    metre : Metre

    Raises
    ------
    SettingsError
        One sentence: which bar, and what is wrong with it.
    """
    lines = (line.strip().strip("|") for line in text.splitlines())
    bars = [bar.split() for bar in re.split(r"\|+", "|".join(line for line in lines if line.strip()))]
    if bars == [[]] or not bars:
        raise SettingsError('a chart needs chords; write bars such as "| Dm7 | G7 | Cmaj7 | % |"')
    if len(bars) > MAX_BARS:
        raise SettingsError(f"the chart has {len(bars)} bars; {MAX_BARS} are the most")
    units: list[Chord | None] = []
    for number, words in enumerate(bars, 1):
        units += _read_bar(number, words, units, metre)
    return Chart(units, metre)


def parse_changes(text: str, metre: Metre) -> Chart | int | None:
    """Read the setting ``changes``: a chart, the number of bars to capture (``"capture 4"``), or None for nothing.

    Raises
    ------
    SettingsError
        As `parse_chart`, or for bars outside 1 to 64.
    """
    plain = text.strip()
    if not plain:
        return None
    found = _CAPTURE.fullmatch(plain.lower())
    if found is None and plain.lower().startswith("capture"):
        raise SettingsError(f'changes = {text!r}: write how many bars to capture as a number, such as "capture 4"')
    if found is None:
        return parse_chart(plain, metre)
    bars = int(found[1] or 4)
    if not 1 <= bars <= MAX_CAPTURE:
        raise SettingsError(f"changes = {text!r}: bars to capture go from 1 to {MAX_CAPTURE}")
    return bars


def _read_bar(number: int, words: list[str], before: list[Chord | None], metre: Metre) -> list[Chord | None]:
    """The chord of every unit of one bar; ``before`` are those of the bars before it."""
    if not words:
        raise SettingsError(f"bar {number} of the chart is empty; write % to repeat the bar before it")
    if words == ["%"]:
        if not before:
            raise SettingsError("the first bar of a chart cannot be %; there is none before it to repeat")
        return before[-metre.units :]
    if len(words) > metre.units:
        raise SettingsError(
            f'bar {number} of the chart, "{" ".join(words)}", has {len(words)} chords; '
            f"a bar of {metre.name} has room for {metre.units}"
        )
    units: list[Chord | None] = []
    last: Chord | None = before[-1] if before else None
    for word, share in zip(words, _shares(len(words), metre.units, metre.strong), strict=True):
        if word in _AGAIN:
            if not (before or units):
                raise SettingsError(f'the chart begins with "{word}"; there is no chord before it to go on')
        elif word in _NO_CHORD:
            last = None
        else:
            try:
                last = parse_chord(word)
            except SettingsError as error:
                raise SettingsError(f"bar {number} of the chart: {error}") from None
        units += [last] * share
    return units


def _shares(n: int, units: int, strong: tuple[int, ...]) -> list[int]:
    """Units of each of n equal shares of a bar, longer ones first; the metre's own groups if there are n of them."""
    starts = strong if len(strong) == n else tuple(-(-i * units // n) for i in range(n))
    return [after - at for at, after in zip(starts, (*starts[1:], units), strict=True)]


def _bar_label(bar: tuple[Chord | None, ...], strong: tuple[int, ...]) -> str:
    """The fewest words that give this bar."""
    for n in range(1, len(bar) + 1):
        chords: list[Chord | None] = []
        again: list[Chord | None] = []
        for share in _shares(n, len(bar), strong):
            chords.append(bar[len(again)])
            again += [chords[-1]] * share
        if tuple(again) == bar:
            break
    words = []
    for i, chord in enumerate(chords):
        words.append("." if i and chord == chords[i - 1] else chord.label if chord else _NO_CHORD[0])
    return " ".join(words)
