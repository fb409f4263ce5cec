"""Metres: how many beats a bar has and which of them are strong.

Settings, ``Performance``, the environment and the benches read it; numba-free. 12 ticks are a quarter note.
"""

import re
from typing import NamedTuple

from livecomposer.errors import SettingsError

TICKS_PER_QUARTER = 12
_WRITTEN = re.compile(r"\s*(\d+)\s*/\s*(\d+)\s*")
_STRONG = {"2/4": (0,), "3/4": (0,), "4/4": (0, 2), "5/4": (0, 3), "7/8": (0, 2, 4)}


class Metre(NamedTuple):
    """One metre; make it with `parse_metre`.

    Attributes
    ----------
    name : str
        Such as ``"6/8"``.
    unit_ticks : int
        Ticks of the note that is counted: 12 for quarters, 6 for eighths.
    units : int
        Units in a bar.
    bar_ticks : int
    strong : tuple of int
        Units that are strong beats, ascending; 0 is one.
    """

    name: str
    unit_ticks: int
    units: int
    bar_ticks: int
    strong: tuple[int, ...]

    @property
    def strong_bits(self) -> int:
        """Bit i set for a strong unit i."""
        return sum(1 << unit for unit in self.strong)


def parse_metre(text: str) -> Metre:
    """Read ``"3/4"`` or ``"7/8"``: quarters, 2 to 12 in a bar, or eighths, 3 to 12.

    Strong beats: every second quarter of an even number, 3 + 2 of five; eighths in threes (7/8: 2 + 2 + 3), other
    numbers in threes first and then twos.

    Raises
    ------
    SettingsError
        It is no such metre.
    """
    found = _WRITTEN.fullmatch(text)
    units, note = (int(found[1]), int(found[2])) if found else (0, 0)
    if not ((note == 4 and 2 <= units <= 12) or (note == 8 and 3 <= units <= 12)):
        raise SettingsError(f"metre = {text!r} is not known; write 2/4 to 12/4 or 3/8 to 12/8, such as 3/4 or 6/8")
    name = f"{units}/{note}"
    strong = _STRONG.get(name)
    if strong is None:
        group = 2 if note == 4 and units % 2 == 0 else 3
        strong = tuple(range(0, units, group))
        if len(strong) > 1 and units - strong[-1] == 1:  # no group of one: 3 + 3 + 1 is 3 + 2 + 2
            strong = (*strong[:-1], strong[-1] - 1)
    unit = TICKS_PER_QUARTER if note == 4 else TICKS_PER_QUARTER // 2
    return Metre(name, unit, units, units * unit, strong)
