"""The tables of actions and the ladder, against the plain words of the definitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.music import actions
from livecomposer.music.actions import N_MELODY, RHYTHMS, STEPS, TICKS_PER_BEAT, VOICINGS, Ladder, melody_fallback
from livecomposer.music.context import HEADS
from livecomposer.music.theory import SCALES, parse_key

notes = st.integers(0, 127)
ladders = st.builds(Ladder, st.integers(0, 11), st.sampled_from([*SCALES.values(), (0,), (0, 1)]))


def test_a_ladder_of_c_major():
    ladder = Ladder(0, SCALES["major"])
    assert ladder.notes[:8].tolist() == [0, 2, 4, 5, 7, 9, 11, 12]
    assert (ladder.size, len(ladder.notes)) == (7, 75)
    assert [int(ladder.notes[ladder.rung[note]]) for note in range(60, 73)] == [
        60, 60, 62, 62, 64, 65, 65, 67, 67, 69, 69, 71, 72,
    ]  # fmt: skip


@given(ladders, notes)
def test_the_nearest_tonic(ladder, note):
    tonics = [n for n in range(128) if n % 12 == ladder.tonic]
    assert ladder.nearest_tonic(note) == min(tonics, key=lambda n: (abs(n - note), n))


@given(ladders, st.integers(0, len(VOICINGS) - 1), notes, st.booleans())
def test_a_voicing_counts_in_notes_of_the_scale(ladder, action, note, below):
    scale = [n for n in range(128) if n % 12 in {int(x) % 12 for x in ladder.notes}]
    at = scale.index(min(scale, key=lambda n: (abs(n - note), n)))
    rungs = [at - steps if below else at + steps for steps in VOICINGS[action].below]
    assert ladder.voicing(action, note, below) == tuple(
        scale[to] for to in rungs if 0 <= to < len(scale) and scale[to] != note
    )
    assert len(rungs) <= 4


@pytest.mark.parametrize(
    ("name", "added"),
    [
        ("single", ()), ("third", (69,)), ("sixth", (64,)), ("octave", (60,)), ("fifth", (65,)),
        ("triad, fifth on top", (69, 65)), ("triad, third on top", (69, 64)), ("triad, root on top", (67, 64)),
        ("sus4", (71, 65)), ("seventh", (69, 65, 62)), ("open tenth", (57,)),
        ("seventh, third on top", (69, 67, 64)), ("seventh, fifth on top", (69, 65, 64)),
        ("seventh, drop-2", (65, 62, 57)),
    ],
)  # fmt: skip
def test_every_voicing_under_c5(name, added):
    action = next(i for i, voicing in enumerate(VOICINGS) if voicing.name == name)
    assert Ladder(0, SCALES["major"]).voicing(action, 72) == added


def test_above_mirrors_below():
    assert Ladder(0, SCALES["major"]).voicing(5, 60, below=False) == (64, 67)


@pytest.mark.parametrize(("rung", "tonic", "step"), [(5, 7, 1), (7, 7, 0), (9, 7, -1)])
def test_the_fallback_walks_to_the_tonic(rung, tonic, step):
    assert STEPS[melody_fallback(rung, tonic)] == step


def test_the_tables_fit_the_heads():
    assert [spec.n_actions for spec in HEADS] == [len(RHYTHMS), N_MELODY, len(VOICINGS)]
    assert (RHYTHMS[actions.RHYTHM_FALLBACK].name, VOICINGS[actions.HARMONY_FALLBACK].name) == ("1/4", "third")
    assert [rhythm.rest for rhythm in RHYTHMS] == [False] * actions.N_LENGTHS + [True] * 4


def test_what_the_kernels_read():
    ladder = Ladder(9, SCALES["harmonic minor"])
    assert ladder.row.shape == (actions.LADDER_SIZE,)
    assert ladder.row[: actions.NOTES_AT].tolist() == ladder.rung.tolist()
    n = len(ladder.notes)
    assert ladder.row[actions.NOTES_AT : actions.NOTES_AT + n].tolist() == ladder.notes.tolist()
    assert ladder.row[actions.NOTES_AT + n : actions.COUNT_AT].tolist() == [-1] * (128 - n)
    assert ladder.row[actions.COUNT_AT :].tolist() == [n, 9, 7, 1]
    assert Ladder(0, SCALES["blues"]).row[actions.MINOR_AT] == 1
    assert Ladder(0, SCALES["chromatic"]).row[actions.MINOR_AT] == 0


def test_lengths_are_what_their_names_say():
    parts = {
        "1/16": 0.25,
        "1/8 triplet": 1 / 3,
        "1/8": 0.5,
        "1/4 triplet": 2 / 3,
        "1/8 dotted": 0.75,
        "1/4": 1.0,
        "1/4 dotted": 1.5,
        "1/2": 2.0,
        "1/2 dotted": 3.0,
        "1/1": 4.0,
    }
    for rhythm in RHYTHMS:
        name = rhythm.name.removesuffix(" rest")
        assert rhythm.ticks == round(parts[name] * TICKS_PER_BEAT)
        assert rhythm.rest == rhythm.name.endswith("rest")


def test_a_key_may_have_one_note():
    key = parse_key("F# 0")
    ladder = Ladder(key.tonic, key.intervals)
    assert ladder.notes.tolist() == [6 + 12 * i for i in range(11)]
    assert ladder.voicing(3, 102) == (18,)
