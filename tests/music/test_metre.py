"""Metres: exact figures of the usual ones, and what holds for every one that can be written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.errors import SettingsError
from livecomposer.music.metre import Metre, parse_metre

written = st.one_of(
    st.integers(2, 12).map(lambda n: f"{n}/4"),
    st.integers(3, 12).map(lambda n: f"{n}/8"),
)


@pytest.mark.parametrize(
    ("text", "unit_ticks", "units", "bar_ticks", "strong"),
    [
        ("4/4", 12, 4, 48, (0, 2)),
        ("3/4", 12, 3, 36, (0,)),
        ("2/4", 12, 2, 24, (0,)),
        ("5/4", 12, 5, 60, (0, 3)),
        ("6/4", 12, 6, 72, (0, 2, 4)),
        ("7/4", 12, 7, 84, (0, 3, 5)),
        ("6/8", 6, 6, 36, (0, 3)),
        ("9/8", 6, 9, 54, (0, 3, 6)),
        ("12/8", 6, 12, 72, (0, 3, 6, 9)),
        ("7/8", 6, 7, 42, (0, 2, 4)),
        ("5/8", 6, 5, 30, (0, 3)),
        ("8/8", 6, 8, 48, (0, 3, 6)),
        ("10/8", 6, 10, 60, (0, 3, 6, 8)),
        ("3/8", 6, 3, 18, (0,)),
    ],
)
def test_parse_metre(text, unit_ticks, units, bar_ticks, strong):
    assert parse_metre(text) == Metre(text, unit_ticks, units, bar_ticks, strong)


def test_spaces_do_not_matter():
    assert parse_metre(" 06 / 8 ") == parse_metre("6/8")


def test_strong_bits():
    assert [parse_metre(text).strong_bits for text in ("4/4", "3/4", "6/8", "7/8")] == [0b101, 0b1, 0b1001, 0b10101]


@given(written)
def test_every_metre_falls_into_groups_of_two_and_three(text):
    metre = parse_metre(text)
    assert metre.bar_ticks == metre.units * metre.unit_ticks
    assert metre.strong[0] == 0
    ends = (*metre.strong[1:], metre.units)
    groups = [after - at for at, after in zip(metre.strong, ends, strict=True)]
    assert set(groups) <= {2, 3}


@pytest.mark.parametrize("text", ["", "4", "4/2", "1/4", "13/4", "2/8", "13/8", "4/4/4", "-4/4", "four/4", "4/16"])
def test_parse_metre_refuses_in_one_sentence(text):
    with pytest.raises(SettingsError, match=r"write 2/4 to 12/4 or 3/8 to 12/8") as caught:
        parse_metre(text)
    assert "\n" not in str(caught.value)
