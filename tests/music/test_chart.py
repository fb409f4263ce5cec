"""Charts: what is written is what sounds, tick by tick, against a list of units that is walked slowly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.errors import SettingsError
from livecomposer.music.chart import NEVER, Chart, parse_changes, parse_chart
from livecomposer.music.metre import parse_metre
from livecomposer.music.theory import CHORDS, Chord, parse_chord, spell

FOUR = parse_metre("4/4")
metres = st.sampled_from(["2/4", "3/4", "4/4", "5/4", "7/4", "5/8", "6/8", "7/8", "12/8"]).map(parse_metre)
chords = st.builds(
    lambda root, name, bass: parse_chord(f"{spell(root)}{name}/{spell(bass)}"),
    st.integers(0, 11), st.sampled_from(sorted(CHORDS)), st.integers(0, 11),
)  # fmt: skip
few = st.lists(st.one_of(st.none(), chords), min_size=1, max_size=3)


@st.composite
def unit_lists(draw):
    metre = draw(metres)
    bars = draw(st.integers(1, 5))
    palette = draw(few)
    units = draw(st.lists(st.sampled_from(palette), min_size=bars * metre.units, max_size=bars * metre.units))
    return units, metre


def entries(text, metre=FOUR):
    return [(tick, chord.label if chord else None) for tick, chord in parse_chart(text, metre).entries]


def slow_at(units, unit_ticks, start, tick):
    """The same by walking on unit by unit until the chord is another."""
    n = len(units)
    i = (tick - start) // unit_ticks
    now = units[i % n]
    for j in range(i + 1, i + n + 1):
        if units[j % n] != now:
            return now, start + j * unit_ticks, units[j % n]
    return now, NEVER, now


@pytest.mark.parametrize(
    ("text", "metre", "expected"),
    [
        ("| Dm7 | G7 | Cmaj7 | % |", "4/4", [(0, "Dm7"), (48, "G7"), (96, "Cmaj7")]),
        ("Dm7 G7 | C", "4/4", [(0, "Dm7"), (24, "G7"), (48, "C")]),
        ("C F G", "4/4", [(0, "C"), (24, "F"), (36, "G")]),
        ("C . . G", "4/4", [(0, "C"), (36, "G")]),
        ("C - G", "3/4", [(0, "C"), (24, "G")]),
        ("C G", "3/4", [(0, "C"), (24, "G")]),
        ("C G", "5/4", [(0, "C"), (36, "G")]),
        ("C F G", "7/8", [(0, "C"), (12, "F"), (24, "G")]),
        ("C G", "7/8", [(0, "C"), (24, "G")]),
        ("C G", "6/8", [(0, "C"), (18, "G")]),
        ("C | . G | N.C. | %", "4/4", [(0, "C"), (72, "G"), (96, None)]),
        ("C | C | G", "4/4", [(0, "C"), (96, "G")]),
        ("| C |\n| F || G |", "4/4", [(0, "C"), (48, "F"), (96, "G")]),
        ("C-7 | C-", "4/4", [(0, "Cm7"), (48, "Cm")]),
        ("NC", "4/4", [(0, None)]),
    ],
)
def test_parse_chart(text, metre, expected):
    assert entries(text, parse_metre(metre)) == expected


def test_at_loops_and_merges_across_the_repeat():
    chart = parse_chart("| C | F | G | C |", FOUR)
    c, f, g = parse_chord("C"), parse_chord("F"), parse_chord("G")
    assert (chart.bar_ticks, chart.length_ticks) == (48, 192)
    assert chart.at(0) == (c, 48, f)
    assert chart.at(47) == (c, 48, f)
    assert chart.at(48) == (f, 96, g)
    assert chart.at(150) == (c, 240, f)  # the last C goes on into the next round
    assert chart.at(10 * 192 + 100) == (g, 10 * 192 + 144, c)


def test_one_chord_never_ends():
    chart = parse_chart("| Am7 | % |", FOUR)
    assert chart.at(5) == (parse_chord("Am7"), NEVER, parse_chord("Am7"))


@given(unit_lists(), st.integers(0, 500), st.integers(0, 5000))
def test_at_agrees_with_walking(made, bars, tick):
    units, metre = made
    start = bars * metre.bar_ticks
    assert Chart(units, metre, start).at(tick) == slow_at(units, metre.unit_ticks, start, tick)


@given(unit_lists())
def test_a_label_reads_back(made):
    units, metre = made
    chart = Chart(units, metre)
    again = parse_chart(chart.label, metre)
    assert (again.entries, again.length_ticks) == (chart.entries, chart.length_ticks)


@pytest.mark.parametrize(
    "text", ["| Dm7 | G7 | Cmaj7 | % |", "| C . G7 |", "| C F G |", "| N.C. | Em7/A |", "| C F G . |", "| C7#9 |"]
)
def test_a_label_is_what_was_written(text):
    assert parse_chart(text, FOUR).label.replace("C F G .", "C F G") == text.replace("C F G .", "C F G")


def test_captured_chords_move_to_the_nearest_unit():
    c, f, g = parse_chord("C"), parse_chord("F"), parse_chord("G")
    chart = Chart.captured([(7, c), (50, f), (70, g), (74, c), (200, f)], 2, 96, FOUR)
    assert chart.entries == ((0, c), (48, f), (72, c))
    assert (chart.start, chart.length_ticks) == (96, 96)
    assert chart.at(96) == (c, 144, f)
    assert chart.at(0) == (c, 48, f)
    assert Chart.captured([], 1, 0, FOUR).entries == ((0, None),)


def test_units_fill_whole_bars():
    for units in ([], [None] * 3):
        with pytest.raises(ValueError, match="do not fill bars of 4"):
            Chart(units, FOUR)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a chart needs chords"),
        (" | ", "a chart needs chords"),
        ("| C |  | G |", "bar 2 of the chart is empty"),
        ("%", "the first bar of a chart cannot be %"),
        (". C", 'begins with "."'),
        ("| C | Gmja7 |", 'bar 2 of the chart: there is no chord "Gmja7"; did you mean "Gmaj7"'),
        ("C F G Am D", "bar 1 of the chart, .* has 5 chords; a bar of 4/4 has room for 4"),
        ("| C | % G |", 'no chord "%"'),
        ("|".join(["C"] * 257), "257 bars; 256 are the most"),
    ],
)
def test_parse_chart_refuses_in_one_sentence(text, words):
    with pytest.raises(SettingsError, match=words) as caught:
        parse_chart(text, FOUR)
    assert "\n" not in str(caught.value)


def test_256_bars_are_room_enough():
    assert parse_chart("|".join(["C", "F"] * 128), FOUR).length_ticks == 256 * 48


def test_parse_changes():
    assert parse_changes("  ", FOUR) is None
    assert parse_changes("capture 8", FOUR) == 8
    assert parse_changes("Capture", FOUR) == 4
    chart = parse_changes("Dm7/G", FOUR)
    assert isinstance(chart, Chart)
    assert chart.entries == ((0, Chord(2, "m7", (0, 3, 7, 10), 7)),)
    with pytest.raises(SettingsError, match='write how many bars to capture as a number, such as "capture 4"'):
        parse_changes("capture x", FOUR)
    for text in ("capture 0", "capture 65"):
        with pytest.raises(SettingsError, match="from 1 to 64"):
            parse_changes(text, FOUR)
