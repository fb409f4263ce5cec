"""Names, scales, keys and chords: exact values from textbooks, and properties that hold for every key."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer.errors import SettingsError
from livecomposer.music.theory import (
    CHORDS,
    SCALES,
    Chord,
    Key,
    chord_name,
    chord_scale,
    degree_of,
    mask,
    nearest,
    next_key,
    note_name,
    note_number,
    parse_chord,
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


@pytest.mark.parametrize(
    ("texts", "intervals"),
    [
        ("C CM Cmaj", (0, 4, 7)),
        ("Cm C- Cmin Cmi", (0, 3, 7)),
        ("Cmaj7 CM7 CΔ CMaj7 CΔ7 Cj7", (0, 4, 7, 11)),
        ("C7", (0, 4, 7, 10)),
        ("Cm7 C-7 Cmin7 Cmi7", (0, 3, 7, 10)),
        ("Cm7b5 Cø Cø7 C-7b5 Cm7(b5) Cm7♭5", (0, 3, 6, 10)),
        ("Cdim C° Co", (0, 3, 6)),
        ("Cdim7 C°7 Co7", (0, 3, 6, 9)),
        ("Caug C+ C#5", (0, 4, 8)),
        ("Csus4 Csus", (0, 5, 7)),
        ("Csus2 C2", (0, 2, 7)),
        ("C6 CM6", (0, 4, 7, 9)),
        ("Cm6 C-6", (0, 3, 7, 9)),
        ("C9", (0, 2, 4, 7, 10)),
        ("Cmaj9 CM9 CΔ9", (0, 2, 4, 7, 11)),
        ("Cm9 Cmin9", (0, 2, 3, 7, 10)),
        ("C6/9 C69", (0, 2, 4, 7, 9)),
        ("Cadd9 C(add9) Cadd2", (0, 2, 4, 7)),
        ("C7sus4 C7sus", (0, 5, 7, 10)),
        ("C7b9 C7(b9) C7-9", (0, 1, 4, 7, 10)),
        ("C7#9 C7(#9) C7♯9", (0, 3, 4, 7, 10)),
        ("C5", (0, 7)),
        ("Cm(maj7) CmM7 CmΔ Cminmaj7 C-Δ7", (0, 3, 7, 11)),
        ("Caug7 C+7 C7#5", (0, 4, 8, 10)),
        ("Cm11", (0, 2, 3, 5, 7, 10)),
        ("C13", (0, 2, 4, 7, 9, 10)),
    ],
)
def test_parse_chord(texts, intervals):
    for text in texts.split():
        if text == "C#5":
            assert parse_chord(text) == Chord(1, "5", (0, 7), 1)  # the note name takes the sharp
        else:
            assert parse_chord(text) == Chord(0, parse_chord(text).name, intervals, 0), text


@pytest.mark.parametrize(
    ("text", "chord", "label", "classes"),
    [
        ("Dm7/G", Chord(2, "m7", (0, 3, 7, 10), 7), "Dm7/G", (2, 5, 9, 0, 7)),
        ("C/E", Chord(0, "", (0, 4, 7), 4), "C/E", (0, 4, 7)),
        ("bb7", Chord(10, "7", (0, 4, 7, 10), 10), "Bb7", (10, 2, 5, 8)),
        ("F♯m", Chord(6, "m", (0, 3, 7), 6), "F#m", (6, 9, 1)),
        ("C6/9/E", Chord(0, "6/9", (0, 2, 4, 7, 9), 4), "C6/9/E", (0, 2, 4, 7, 9)),
        (" G / B ", Chord(7, "", (0, 4, 7), 11), "G/B", (7, 11, 2)),
    ],
)
def test_a_chord_with_its_bass(text, chord, label, classes):
    found = parse_chord(text)
    assert (found, found.label, found.classes) == (chord, label, classes)
    assert found.bits == sum(1 << pc for pc in classes)


def test_a_chord_is_spelt_in_the_key():
    assert parse_chord("G#/D#").spelt(parse_key("Eb major")) == "Ab/Eb"


@given(st.integers(0, 11), st.sampled_from(sorted(CHORDS)), st.integers(0, 11))
def test_a_chord_label_reads_back(root, name, bass):
    chord = Chord(root, name, CHORDS[name], bass)
    assert parse_chord(chord.label) == chord


@pytest.mark.parametrize(
    ("text", "near"),
    [("Cmja7", "Cmaj7"), ("Hm7", "Bm7"), ("Dm77", "Dm7"), ("F/H", "F"), ("Bbsus44", "Bbsus4"), ("Ebdmi7", "Ebdim7")],
)
def test_parse_chord_refuses_and_names_the_nearest(text, near):
    with pytest.raises(SettingsError) as caught:
        parse_chord(text)
    assert str(caught.value) == f'there is no chord "{text}"; did you mean "{near}"?'


@given(st.text(max_size=8))
def test_parse_chord_reads_or_names_a_chord_that_it_reads(text):
    try:
        parse_chord(text)
    except SettingsError as error:
        parse_chord(str(error).rsplit('"', 2)[1])


@pytest.mark.parametrize(
    ("key", "chord", "notes"),
    [
        ("C major", "Am7", "C D E F G A B"),
        ("C major", "E7", "C D E F G# A B"),
        ("C major", "Fm", "C D E F G Ab B"),
        ("C major", "C7", "C D E F G A Bb"),
        ("C major", "D7", "C D E F# G A B"),
        ("C major", "B7", "C D# E F# G A B"),
        ("C major", "Abmaj7", "C D Eb F G Ab B"),
        ("C major", "Ebm", "C D Eb F Gb A Bb"),
        ("C major", "A7", "C# D E F G A B"),
        ("A minor", "E7", "A B C D E F G#"),
        ("A minor", "D", "A B C D E F# G"),
        ("A harmonic minor", "G", "A B C D E F G"),
        ("D dorian", "A7", "D E F G A B C#"),
        ("Eb major", "G7", "Eb F G Ab B C D"),
        ("C major pentatonic", "F", "C D F G A"),
        ("C chromatic", "F#7", "C C# D D# E F F# G G# A A# B"),
    ],
)
def test_chord_scale(key, chord, notes):
    found = chord_scale(parse_key(key), parse_chord(chord).classes)
    tonic = parse_key(key).tonic
    assert found == tuple(sorted((pitch_class(note) - tonic) % 12 for note in notes.split()))


def test_a_tone_between_two_chord_tones_is_added():
    assert chord_scale(parse_key("C major"), (0, 1, 2)) == (0, 1, 2, 4, 5, 7, 9, 11)


@settings(deadline=None)
@given(keys, st.sets(st.integers(0, 11), max_size=6), st.integers(0, 11))
def test_a_chord_scale_holds_the_chord_and_little_else(key, classes, up):
    found = chord_scale(key, classes)
    chord = {(pc - key.tonic) % 12 for pc in classes}
    assert chord <= set(found) <= chord | set(key.intervals)
    assert found == tuple(sorted(set(found)))
    assert len(key.intervals) <= len(found) <= len(key.intervals) + len(chord)
    for gone in set(key.intervals) - set(found):
        assert {(gone - 1) % 12, (gone + 1) % 12} & chord
    if chord <= set(key.intervals):
        assert found == key.intervals
    moved = key._replace(tonic=(key.tonic + up) % 12)
    assert chord_scale(moved, [(pc + up) % 12 for pc in classes]) == found


@given(st.integers(0, 11), st.sampled_from(["", "m", "7", "maj7", "m7", "m7b5", "dim7", "dim"]), st.integers(0, 11))
def test_the_size_of_a_major_scale_stays_under_usual_chords(tonic, name, root):
    key = Key(tonic, "major", SCALES["major"])
    assert len(chord_scale(key, Chord(root, name, CHORDS[name], root).classes)) == 7
