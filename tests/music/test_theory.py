"""Names, scales, keys and chords: exact values from textbooks, and properties that hold for every key."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer.errors import SettingsError
from livecomposer.music.theory import (
    SCALES,
    Key,
    chord_name,
    degree_of,
    mask,
    nearest,
    next_key,
    note_name,
    note_number,
    parse_key,
    pitch_class,
    scale_notes,
    spell,
    step,
)

named_keys = st.builds(
    lambda tonic, name: Key(tonic, name, SCALES[name]), st.integers(0, 11), st.sampled_from(sorted(SCALES))
)
set_keys = st.builds(
    lambda tonic, numbers: parse_key(f"{spell(tonic)} {','.join(map(str, numbers))}"),
    st.integers(0, 11),
    st.lists(st.integers(0, 11), min_size=1, max_size=12),
)
keys = st.one_of(named_keys, set_keys)
notes = st.integers(0, 127)


@pytest.mark.parametrize(
    ("name", "number"),
    [("C4", 60), ("c-1", 0), ("G9", 127), ("A4", 69), ("Cb4", 59), ("B#3", 60), ("E#4", 65), ("F♯3", 54), ("B♭2", 46)],
)
def test_note_number(name, number):
    assert note_number(name) == number


@pytest.mark.parametrize(
    ("name", "expected"),
    [("C", 0), ("Cb", 11), ("E#", 5), ("B#", 0), ("Fb", 4), ("g♯", 8), ("B♭", 10), ("F##", 7), ("Bbb", 9), ("b", 11)],
)
def test_pitch_class(name, expected):
    assert pitch_class(name) == expected


@pytest.mark.parametrize("name", ["", "H", "C4x", "#", "C#b"])
def test_pitch_class_refuses(name):
    with pytest.raises(SettingsError, match="no note name"):
        pitch_class(name)


@pytest.mark.parametrize(("name", "words"), [("C", "with octave"), ("G#9", "highest G9"), ("Cb-1", "lowest note")])
def test_note_number_refuses(name, words):
    with pytest.raises(SettingsError, match=words):
        note_number(name)


@settings(deadline=None)
@given(notes, st.one_of(st.none(), keys))
def test_a_note_is_named_and_read_back(note, key):
    assert note_number(note_name(note, key)) == note


@pytest.mark.parametrize(
    ("text", "tonic", "name"),
    [
        ("D dorian", 2, "dorian"),
        ("Am", 9, "minor"),
        ("CM", 0, "major"),
        ("c# minor", 1, "minor"),
        ("F", 5, "major"),
        ("Bb major", 10, "major"),
        ("b", 11, "major"),
        ("bb", 10, "major"),
        ("Bm", 11, "minor"),
        ("b blues", 11, "blues"),
        ("E phrygian dominant", 4, "phrygian dominant"),
        ("  e   Phrygian  Dominant ", 4, "phrygian dominant"),
        ("C ionian", 0, "major"),
        ("A aeolian", 9, "minor"),
        ("F♯ whole tone", 6, "whole-tone"),
        ("A harmonic-minor", 9, "harmonic minor"),
        ("G Half-Whole", 7, "octatonic half-whole"),
        ("C diminished", 0, "octatonic whole-half"),
        ("D wholetone", 2, "whole-tone"),
        ("Cb major", 11, "major"),
    ],
)
def test_parse_key(text, tonic, name):
    assert parse_key(text) == Key(tonic, name, SCALES[name])


def test_parse_key_takes_any_set():
    assert parse_key("C 0,2,4,7,9") == Key(0, "0,2,4,7,9", (0, 2, 4, 7, 9))
    assert parse_key("Eb 7, 3,3") == Key(3, "0,3,7", (0, 3, 7))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("D doriann", 'did you mean "dorian"'),
        ("D doriann", "allowed are major, dorian, .* or semitones"),
        ("C frigian", 'did you mean "phrygian"'),
        ("H minor", "must begin with a note A to G"),
        ("", "must begin with a note"),
        ("C 0,2,12", "from 0 to 11, not 12"),
        ("C ,", "no scale"),
    ],
)
def test_parse_key_refuses_in_one_sentence(text, words):
    with pytest.raises(SettingsError, match=words) as caught:
        parse_key(text)
    assert "\n" not in str(caught.value)
    assert f'"{text}"' in str(caught.value)


@settings(deadline=None)
@given(keys)
def test_a_label_reads_back(key):
    assert parse_key(key.label) == key


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A# major", "Bb major"),
        ("Db minor", "C# minor"),
        ("D# minor", "Eb minor"),
        ("Ab minor", "G# minor"),
        ("Gb major", "F# major"),
        ("C# major", "Db major"),
        ("Gb lydian", "Gb lydian"),
        ("Bb dorian", "Bb dorian"),
        ("D# phrygian", "D# phrygian"),
    ],
)
def test_a_label_takes_the_simpler_signature(text, label):
    assert parse_key(text).label == label


def test_spelling_follows_the_key():
    assert [spell(pc, parse_key("E major")) for pc in (1, 3, 6, 8)] == ["C#", "D#", "F#", "G#"]
    assert [spell(pc, parse_key("F minor")) for pc in (1, 3, 8, 10)] == ["Db", "Eb", "Ab", "Bb"]
    assert [spell(pc, parse_key("C major")) for pc in (1, 3, 6, 8, 10)] == ["C#", "Eb", "F#", "Ab", "Bb"]


def test_the_seven_modes_share_the_white_keys():
    modes = zip("CDEFGAB", ("major", "dorian", "phrygian", "lydian", "mixolydian", "minor", "locrian"), strict=True)
    white = (1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1)
    assert {mask(parse_key(f"{tonic} {mode}")) for tonic, mode in modes} == {white}


def test_scale_notes_and_degrees():
    key = parse_key("D minor pentatonic")
    assert scale_notes(key, 60, 74) == (60, 62, 65, 67, 69, 72, 74)
    assert [degree_of(key, note) for note in (62, 65, 67, 69, 72, 74, 61)] == [0, 1, 2, 3, 4, 0, None]
    assert scale_notes(key, 63, 62) == ()


def test_nearest_and_step():
    key = parse_key("C major")
    assert [nearest(key, note) for note in (60, 61, 63, 66, 70)] == [60, 60, 62, 65, 69]
    assert [step(key, 60, n) for n in (-8, -1, 0, 1, 2, 7, 9)] == [47, 59, 60, 62, 64, 72, 76]
    assert step(key, 61, 1) == 62  # 61 snaps down to 60 first
    assert step(parse_key("C 0"), 66, 0) == 60  # a tritone from both: downward


@settings(deadline=None)
@given(keys, st.integers(-24, 151))
def test_nearest_is_nearest_and_ties_go_down(key, note):
    found = nearest(key, note)
    tones = scale_notes(key, note - 12, note + 12)
    assert found == min(tones, key=lambda tone: (abs(tone - note), tone))


@settings(deadline=None)
@given(keys, notes, st.integers(-40, 40), st.integers(-40, 40))
def test_steps_add_up_and_count_scale_tones(key, note, a, b):
    start = nearest(key, note)
    end = step(key, note, a)
    assert degree_of(key, end) is not None
    assert step(key, end, b) == step(key, note, a + b)
    between = scale_notes(key, min(start, end), max(start, end))
    assert len(between) - 1 == abs(a)
    assert end == start or (end > start) == (a > 0)


@settings(deadline=None)
@given(keys)
def test_mask_agrees_with_degrees(key):
    assert mask(key) == tuple(int(degree_of(key, pc) is not None) for pc in range(12))
    assert sum(mask(key)) == len(key.intervals)


@settings(deadline=None)
@given(keys)
def test_the_circle_of_fifths_closes_and_keeps_the_scale(key):
    assert next_key(next_key(key, 1), -1) == key
    assert next_key(key, 12) == key
    assert next_key(key).intervals == key.intervals
    assert next_key(key).tonic == (key.tonic + 7) % 12


def test_the_circle_of_fifths_by_name():
    assert [next_key(parse_key("C major"), n).label for n in (1, 2, -1, -2)] == [
        "G major",
        "D major",
        "F major",
        "Bb major",
    ]


@pytest.mark.parametrize(
    ("tones", "bass", "name"),
    [
        ({0, 4, 7}, None, "C"),
        ({60, 64, 67}, 60, "C"),
        ({0, 4, 7}, 4, "C/E"),
        ({9, 0, 4}, None, "Am"),
        ({11, 2, 5}, None, "Bdim"),
        ({0, 4, 8}, 4, "Eaug"),
        ({0, 5, 7}, None, "Csus4"),
        ({0, 2, 7}, 0, "Csus2"),
        ({7, 11, 2, 5}, None, "G7"),
        ({7, 11, 2, 5}, 11, "G7/B"),
        ({0, 4, 7, 11}, None, "Cmaj7"),
        ({2, 5, 9, 0}, None, "Dm7"),
        ({2, 5, 9, 0}, 5, "F6"),
        ({11, 2, 5, 9}, None, "Bm7b5"),
        ({0, 3, 6, 9}, 3, "Ebdim7"),
        ({0, 4, 7, 9}, 0, "C6"),
        ({0, 4, 7, 9}, None, "Am7"),
        ({5, 9, 0}, 7, "F/G"),
        ({0, 7}, None, "C5"),
        ({0, 4}, None, "C"),
        ({0, 2, 4, 7, 10}, None, "C9"),
        ({0, 1, 2}, None, "C C# D"),
        ({5}, None, ""),
        ({5}, 5, ""),
        (set(), None, ""),
    ],
)
def test_chord_name(tones, bass, name):
    assert chord_name(tones, bass) == name


def test_chord_name_is_spelt_in_the_key():
    assert chord_name({8, 11, 3}, key=parse_key("E major")) == "G#m"
    assert chord_name({8, 0, 3}, key=parse_key("C minor")) == "Ab"


@settings(deadline=None)
@given(st.integers(0, 11), st.integers(0, 11))
def test_chord_names_move_with_the_root(root, bass):
    assert chord_name({root, (root + 4) % 12, (root + 7) % 12}) == spell(root)
    assert chord_name({root, (root + 3) % 12, (root + 7) % 12}, root) == spell(root) + "m"


@settings(deadline=None)
@given(st.sets(st.integers(0, 11)), st.one_of(st.none(), st.integers(0, 11)))
def test_chord_name_always_answers(tones, bass):
    name = chord_name(tones, bass)
    assert (name == "") == (len(tones | ({bass} - {None})) < 2)
