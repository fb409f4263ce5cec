"""The rules of music on situations made by hand, against their plain twin, and their weights from TOML."""

import tomllib
from importlib.resources import files
from itertools import product

import numpy as np
import pytest

from livecomposer.errors import SettingsError
from livecomposer.music import context as c
from livecomposer.music.actions import RHYTHMS, STEPS, VOICINGS, Ladder
from livecomposer.music.metre import parse_metre
from livecomposer.music.rules import HEAD_OF, N_RULES, N_STYLE, RULES, STEP_TABLE, judge, load_weights, play
from livecomposer.music.theory import SCALES
from tests.music import naive

C_MAJOR = Ladder(0, SCALES["major"]).row
NAMES = {rhythm.name: i for i, rhythm in enumerate(RHYTHMS)}
EIGHTH, QUARTER, HALF, REST = (NAMES[name] for name in ("1/8", "1/4", "1/2", "1/4 rest"))
VOICED = {voicing.name: i for i, voicing in enumerate(VOICINGS)}
SINGLE, THIRD, OCTAVE, FIFTH, TRIAD = (
    VOICED[name] for name in ("single", "third", "octave", "fifth", "triad, fifth on top")
)
NEUTRAL = np.zeros(N_STYLE, dtype=np.float32)


class Scene:
    """A moment in C major: a quarter on the bar line in the middle of an open phrase, after a G below the centre (66)
    of the register; columns of the rows are given by name."""

    def __init__(self, role="solo", metre="4/4", part="line", **columns):
        self.own, self.world = c.new_own(), c.new_world(parse_metre(metre), 48, 84, role, part)
        self.set(tick=96, last_note=64, last_step=1, last_rhythm=QUARTER, count=4, highest=72, lowest=60, goal=0)
        self.set(**columns)

    def set(self, **columns):
        for name, value in columns.items():
            row = self.world if name.startswith("player_") or name in ("low", "high", "keep") else self.own
            row[getattr(c, name.upper())] = value

    def hear(self, *strokes):
        for tick, note in strokes:
            c.hear(self.world, tick, note)
        return self

    def columns(self, note=67, rhythm=QUARTER, voicing=SINGLE, style=NEUTRAL, ladder=C_MAJOR):
        """What every rule says, rules that say nothing left out."""
        found = np.full(N_RULES, np.nan, dtype=np.float32)
        c.choose_length(self.own, rhythm)
        judge(self.own, self.world, ladder, style, rhythm, note, SAME, voicing, found)
        return {name: round(float(x), 5) for name, x in zip(RULES, found, strict=True) if x}

    def says(self, rule, *args, **kwargs):
        return self.columns(*args, **kwargs).get(rule, 0.0)


SAME = STEPS.index(0)


def chord(*classes):
    return {"chord_root": classes[0], "chord_bits": sum(1 << i for i in classes)}


def test_every_rule_has_a_head_and_a_weight():
    assert HEAD_OF.tolist() == list(RULES.values())
    assert N_RULES == 30
    assert (load_weights() > 0).all()


# ---- rhythm ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("hint", "said"), [(-1, 0.0), (QUARTER, 1.0), (EIGHTH, -0.5), (REST, -0.5)])
def test_length_motif(hint, said):
    assert Scene(hint_rhythm=hint).says("length_motif") == said


def test_length_style():
    """ln p of the length, after the one before, at its place in the quarter: the table's own cell."""
    style = np.arange(N_STYLE, dtype=np.float32)
    lengths = style[STEP_TABLE:].reshape(12, 11, 10)
    assert Scene(tick=102).says("length_style", rhythm=HALF, style=style) == lengths[6, QUARTER, HALF]
    assert Scene(last_rhythm=REST).says("length_style", style=style) == lengths[0, 10, QUARTER]
    assert Scene(last_rhythm=14).says("length_style", style=style) == lengths[0, 10, QUARTER]


@pytest.mark.parametrize(
    ("before", "count", "said"), [(QUARTER, 4, -1.0), (QUARTER, 0, -3.0), (REST, 4, -2.0), (REST, 0, -4.0)]
)
def test_rest(before, count, said):
    """-3 before the first note of a phrase, and one less after another rest."""
    assert Scene(last_rhythm=before, count=count).says("rest", note=-1, rhythm=REST) == said
    assert Scene(last_rhythm=before, count=count).says("rest") == 0.0


@pytest.mark.parametrize(
    ("tick", "rhythm", "end", "said"),
    [
        (96, QUARTER, 144, 0.0),
        (138, QUARTER, 400, -1.0),  # over the bar line from between two beats
        (132, HALF, 400, 0.0),  # from a beat
        (138, EIGHTH, 400, 0.0),  # up to it
        (132, HALF, 144, -1.0),  # cut
        (132, QUARTER, 144, 0.0),
        (126, QUARTER, 144, 0.0),  # an eighth is left
        (127, QUARTER, 144, -0.5),  # a scrap is left
    ],
)
def test_fit(tick, rhythm, end, said):
    assert Scene(tick=tick, phrase_end=end).says("fit", rhythm=rhythm) == said


@pytest.mark.parametrize(
    ("note", "rhythm", "tick", "said"),
    [(67, QUARTER, 132, 1.0), (67, HALF, 120, 1.0), (67, EIGHTH, 138, -1.0), (-1, REST, 132, -1.0),
     (67, HALF, 138, -1.0), (67, QUARTER, 120, 0.0), (-1, REST, 120, 0.0)],
)  # fmt: skip
def test_close(note, rhythm, tick, said):
    """The phrase ends at 144; what is cut to less than a quarter is short."""
    assert Scene(tick=tick, phrase_end=144).says("close", note=note, rhythm=rhythm) == said


def test_room():
    """A busy player struck all beats of the bar before; on them -1, elsewhere 0.5; a sparse one leaves room."""
    busy = [(tick, 72) for tick in (48, 60, 72, 84)]
    duet = Scene("duet").hear(*busy)
    assert [duet.says("room"), (duet.set(tick=102), duet.says("room"))[1]] == [-1.0, 0.5]
    assert Scene("duet").hear(*busy[:2]).says("room") == 0.0
    assert Scene("solo").hear(*busy).says("room") == 0.0
    assert duet.says("room", note=-1, rhythm=REST) == 0.0


@pytest.mark.parametrize(
    ("tick", "rhythm", "said"),
    [(96, QUARTER, 1.0), (108, HALF, 1.0), (96, EIGHTH, -1.0), (102, QUARTER, -1.0)],
)
def test_part(tick, rhythm, said):
    for part in ("comp", "bass"):
        assert Scene("duet", part=part, tick=tick).says("part", rhythm=rhythm) == said
    assert Scene("duet", tick=tick).says("part", rhythm=rhythm) == 0.0
    assert Scene("solo", part="bass", tick=tick).says("part", rhythm=rhythm) == 0.0


@pytest.mark.parametrize(("run", "rhythm", "said"), [(3, QUARTER, 0.0), (4, QUARTER, -1.0), (9, EIGHTH, 0.0)])
def test_monotony(run, rhythm, said):
    """RHYTHM_RUN 4 means that five equal lengths have been: this is the sixth."""
    assert Scene(rhythm_run=run).says("monotony", rhythm=rhythm) == said


# ---- melody ---------------------------------------------------------------------------------------------------------
def test_step_style():
    """ln p of the step from its degree, after the step before: the table's own cell."""
    style = np.arange(N_STYLE, dtype=np.float32)
    table = style[:STEP_TABLE].reshape(2, 7, 16, 15)
    assert Scene().says("step_style", style=style) == table[0, 2, 1 + 7, 2 + 7]  # from E, after a step up, by a third
    assert Scene(last_step=8).says("step_style", style=style) == table[0, 2, 15, 9]
    assert Scene().says("step_style", note=40, style=style) == table[0, 2, 8, 0]  # fourteen steps down count as seven
    minor = Ladder(0, SCALES["minor"]).row
    assert Scene(last_note=63).says("step_style", style=style, ladder=minor) == table[1, 2, 8, 9]
    assert Scene(last_note=-1, count=0).says("step_style", style=style) == 0.0


def test_in_key():
    assert [Scene().says("in_key", note=note) for note in range(60, 72)] == [
        0, -1, 0, -1, 0, 0, -1, 0, -1, 0, -1, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("same", "note", "said"), [(0, 64, 0.0), (1, 64, -0.5), (2, 64, -1.0), (5, 64, -1.0), (2, 65, 0.0)]
)
def test_repetition(same, note, said):
    """SAME 2 means that it has been heard three times: this is the third repetition."""
    assert Scene(same=same).says("repetition", note=note) == said


@pytest.mark.parametrize(
    ("direction", "origin", "note", "said"),
    [
        (1, 57, 71, -1.0), (1, 57, 65, 0.0), (1, 57, 64, 0.0), (1, 57, 62, 0.5), (1, 57, 57, 1.0), (1, 57, 52, 1.0),
        (-1, 71, 57, -1.0), (-1, 71, 62, 0.0), (-1, 71, 67, 0.5), (-1, 71, 71, 1.0), (-1, 71, 74, 1.0),
        (0, 0, 72, 0.0), (0, 0, 52, 0.0),
    ],
)  # fmt: skip
def test_leap(direction, origin, note, said):
    """After a leap to E: up from A (1) or down from B (-1)."""
    assert Scene(leap_dir=direction, leap_from=origin).says("leap", note=note) == said


def test_step_motion():
    found = [Scene().says("step_motion", note=note) for note in (64, 65, 62, 67, 69, 60, 57, 76)]
    assert found == [0.0, 1.0, 1.0, 0.0, -0.2, 0.0, -0.4, -1.0]  # 0, 1, -1, 2, 3, -2, -4, 7 steps
    assert Scene(last_note=-1, count=0).says("step_motion", note=65) == 0.0


@pytest.mark.parametrize(
    ("tick", "tone", "foreign"), [(96, 1.0, -1.0), (120, 1.0, -1.0), (108, 0.5, -0.5), (102, 0.15, -0.15)]
)
def test_chord_tone(tick, tone, foreign):
    scene = Scene(tick=tick, **chord(0, 4, 7))
    assert [scene.says("chord_tone", note=note) for note in (67, 65)] == [tone, foreign]
    assert Scene(tick=tick).says("chord_tone") == 0.0


def test_a_bass_has_the_root_on_the_bar_line():
    found = []
    for tick in (96, 120):
        bass = Scene("duet", part="bass", tick=tick, **chord(0, 4, 7))
        found.append([bass.says("chord_tone", note=note) for note in (60, 67, 65)])
    assert found == [[1.0, -1.0, -1.0], [1.0, 1.0, -1.0]]


@pytest.mark.parametrize(("goal", "note", "said"), [(0, 60, 1.0), (0, 67, -1.0), (4, 67, 1.0), (0, 61, -1.0)])
def test_cadence(goal, note, said):
    scene = Scene(goal=goal, phrase_end=108)
    assert scene.says("cadence", note=note) == said
    scene.set(phrase_end=120)
    assert scene.says("cadence", note=note) == 0.0


def test_opening():
    first = Scene(last_note=-1, count=0, highest=-1, lowest=-1)
    assert [first.says("opening", note=note) for note in (60, 62, 64, 65, 67, 69, 71, 72)] == [
        1.0, -0.5, 0.3, -0.5, 0.3, -0.5, -0.5, 1.0,
    ]  # fmt: skip
    assert Scene().says("opening", note=60) == 0.0


@pytest.mark.parametrize(("hint", "note", "said"), [(-1, 67, 0.0), (67, 67, 1.0), (67, 65, -0.5), (67, 68, -0.5)])
def test_step_motif(hint, note, said):
    scene = Scene(hint_rung=C_MAJOR[hint] if hint >= 0 else -1)
    assert scene.says("step_motif", note=note) == said


@pytest.mark.parametrize(
    ("tick", "count", "note", "said"),
    [
        (96, 4, 72, -1.0), (96, 4, 71, 0.0), (96, 4, 74, 0.3), (96, 2, 74, 0.0), (96, 0, 72, 0.0),
        (60, 4, 74, 0.3), (59, 4, 74, 0.0), (160, 4, 74, 0.3), (161, 4, 74, 0.0),
    ],
)  # fmt: skip
def test_climax(tick, count, note, said):
    """In a phrase of 200 ticks, its middle is 30 to 80 %; staying on the highest note is not reaching it again."""
    scene = Scene(tick=tick, count=count, phrase_tick=0, phrase_end=200)
    assert scene.says("climax", note=note) == said
    scene.set(last_note=72)
    assert scene.says("climax", note=72) == 0.0


def test_lowest():
    """The last note of a phrase may be its lowest again."""
    assert [Scene().says("lowest", note=note) for note in (60, 59, 62)] == [-1.0, 0.0, 0.0]
    assert Scene(phrase_end=108).says("lowest", note=60) == 0.0
    assert Scene(last_note=60).says("lowest", note=60) == 0.0


def test_range():
    """The register is 48 to 84: 66 is its centre, and 75 is half-way to its edge."""
    assert [Scene().says("range", note=note) for note in (66, 75, 57, 84, 48)] == [0.0, -0.125, -0.125, -1.0, -1.0]


@pytest.mark.parametrize(("target", "note", "said"), [(-1, 67, 0.0), (65, 65, 1.0), (65, 67, -1.0)])
def test_approach(target, note, said):
    assert Scene(target=target).says("approach", note=note) == said


@pytest.mark.parametrize(("tick", "weight"), [(96, 1.0), (120, 1.0), (108, 0.7), (102, 0.2)])
def test_consonance(tick, weight):
    """By semitones under the player's C, from 0 to 11."""
    said = [0.8, -1, -1, 1, 1, -1, -1, 0.1, 1, 1, -1, -1]
    duet = Scene("duet", tick=tick).hear((tick - 12, 72))
    assert [duet.says("consonance", note=72 - i) for i in range(12)] == [round(weight * x, 5) for x in said]
    assert Scene(tick=tick).hear((tick - 12, 72)).says("consonance") == 0.0


def test_crossing():
    duet = Scene("duet").hear((84, 67))
    assert [duet.says("crossing", note=note) for note in (65, 67, 69)] == [0.0, -0.5, -1.0]


def test_a_player_who_has_stopped_is_not_played_against():
    """Two beats after their last key, unless it is still down."""
    duet = Scene("duet").hear((72, 67))
    assert duet.says("crossing", note=69) == 0.0
    duet.set(player_held=1)
    assert duet.says("crossing", note=69) == -1.0


@pytest.mark.parametrize(("strokes", "said"), [
    ([(84, 70), (93, 72)], [-0.5, 0.5, 1.0]), ([(84, 74), (96, 72)], [1.0, 0.5, -0.5]),
    ([(84, 70), (92, 72)], [0.0] * 3), ([(84, 72), (96, 72)], [0.0] * 3), ([(96, 72)], [0.0] * 3),
])  # fmt: skip
def test_contrary(strokes, said):
    """A note up, held and down from E, against a player who has moved at most a sixteenth before."""
    duet = Scene("duet").hear(*strokes)
    assert [duet.says("contrary", note=note) for note in (67, 64, 62)] == said


# ---- harmony --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("role", "part", "tick", "rhythm", "said"),
    [
        ("duet", "comp", 96, QUARTER, [-2.0, 0.5, 2.0, 2.0]),
        ("duet", "bass", 96, QUARTER, [0.0, -1.0, -2.0, -3.0]),
        ("duet", "line", 96, QUARTER, [0.0, -0.5, -1.0, -1.5]),
        ("harmonize", "line", 96, QUARTER, [0.0, 1.0, 1.0, 0.3]),
        ("solo", "line", 96, QUARTER, [-0.3, 0.3, 0.6, 0.9]),
        ("answer", "line", 120, HALF, [-0.3, 0.3, 0.6, 0.9]),
        ("solo", "line", 96, EIGHTH, [0.0, -0.5, -1.0, -1.5]),
        ("solo", "line", 108, HALF, [0.0, -0.5, -1.0, -1.5]),
    ],
)
def test_fullness(role, part, tick, rhythm, said):
    scene = Scene(role, part=part, tick=tick)
    voicings = (SINGLE, THIRD, TRIAD, VOICED["seventh"])
    assert [scene.says("fullness", rhythm=rhythm, voicing=voicing) for voicing in voicings] == said


def test_chord_fit():
    """Under G: E; E and C; F and C; E, C and A in C major's triad, and without a chord."""
    voicings = (THIRD, TRIAD, VOICED["sus4"], VOICED["seventh"])
    assert [Scene(**chord(0, 4, 7)).says("chord_fit", voicing=v) for v in voicings] == [0.3, 0.6, -0.7, -0.4]
    assert [Scene().says("chord_fit", voicing=v) for v in voicings] == [0.0] * 4


def test_a_close_has_the_tonics_triad():
    """Under E at the end of a phrase that is to end on C, without a chord: C; C and G; B and G."""
    voicings = (THIRD, VOICED["triad, third on top"], VOICED["triad, root on top"])
    found = [Scene(goal=goal, phrase_end=end).says("chord_fit", note=64, voicing=v)
             for goal, end in ((0, 108), (0, 109), (4, 108)) for v in voicings]  # fmt: skip
    assert found == [0.3, 0.6, -0.7, *[0.0] * 6]
    assert Scene(phrase_end=108, **chord(4, 7, 11)).says("chord_fit", note=64, voicing=THIRD) == -1.0


def test_voice_leading():
    """The lowest voice from C to E, to C, to G an octave below, to G far below."""
    scene = Scene(bass=60)
    voicings = (THIRD, TRIAD, OCTAVE, VOICED["open tenth"])
    assert [scene.says("voice_leading", voicing=v) for v in voicings] == [-0.28571, 0.0, -0.42857, -0.71429]
    assert Scene(bass=36).says("voice_leading", voicing=THIRD) == -1.0
    assert [Scene().says("voice_leading", voicing=v) for v in voicings] == [0.0] * 4
    assert scene.says("voice_leading", voicing=SINGLE) == 0.0


@pytest.mark.parametrize(
    ("last", "bass", "note", "voicing", "said"),
    [
        (64, 57, 67, FIFTH, -1.0),  # A-E, C-G
        (64, 52, 67, OCTAVE, -1.0),  # E-E, G-G
        (64, 60, 67, THIRD, 0.0),  # thirds
        (64, 52, 67, FIFTH, 0.0),  # an octave, then a fifth
        (64, 57, 64, FIFTH, 0.0),  # held
    ],
)
def test_parallels(last, bass, note, voicing, said):
    assert Scene(last_note=last, bass=bass).says("parallels", note=note, voicing=voicing) == said


def test_dissonance():
    """Under C: A; G and E; B and F (a semitone); under F: E and B (a semitone and a tritone); B alone."""
    found = [
        Scene().says("dissonance", note=note, voicing=voicing)
        for note, voicing in ((72, THIRD), (72, VOICED["triad, root on top"]), (72, VOICED["sus4"]),
                              (65, VOICED["sus4"]), (65, FIFTH))
    ]  # fmt: skip
    assert found == [0.0, 0.0, -1.0, -2.0, -1.0]


def test_dissonance_with_the_player():
    """Their F against our E under G, and their C against our B."""
    assert Scene("duet").hear((84, 77)).says("dissonance", voicing=THIRD) == -1.0
    assert Scene("duet").hear((84, 72)).says("dissonance", note=74, voicing=THIRD) == -1.0
    assert Scene("duet").hear((84, 76)).says("dissonance", voicing=THIRD) == 0.0


def test_mud():
    """A chord with a voice below A2; a single voice there is a bass."""
    low = {"last_note": 52, "low": 28, "high": 52, "lowest": 40}
    found = [Scene(**low).says("mud", note=n, voicing=v) for n, v in ((52, TRIAD), (53, TRIAD), (48, THIRD))]
    assert found == [0.0, 0.0, 0.0]
    assert [Scene(**low).says("mud", note=n, voicing=TRIAD) for n in (50, 48)] == [-1.0, -1.0]


# ---- whole events ---------------------------------------------------------------------------------------------------
def test_a_rest_is_judged_by_rhythm_rules_only():
    for role, metre in product((c.SOLO, c.DUET, c.ANSWER), ("", "7/8")):
        for moment in naive.walk(21, role, 600, metre):
            if moment.note < 0:
                found = np.full(N_RULES, np.nan, dtype=np.float32)
                style = np.ones(N_STYLE, dtype=np.float32)
                judge(*moment[:2], moment.ladder, style, moment.rhythm, -1, 7, 0, found)
                said = {name for name, x in zip(RULES, found, strict=True) if x}
                assert said <= {"length_motif", "rest", "fit", "close", "monotony"}


def test_a_first_note_with_nobody_and_nothing_known():
    """Nothing before it, no chord, no motif, no player: what is left to say of a C in an open phrase."""
    own, world = c.new_own(), c.new_world(parse_metre("4/4"), 48, 84)
    found = np.full(N_RULES, np.nan, dtype=np.float32)
    judge(own, world, C_MAJOR, NEUTRAL, QUARTER, 60, SAME, SINGLE, found)
    assert {name: round(float(x), 6) for name, x in zip(RULES, found, strict=True) if x} == {
        "opening": 1.0, "range": -0.037037, "fullness": -0.3,
    }  # fmt: skip


WALKS = [
    *product((c.SOLO, c.ANSWER, c.HARMONIZE), ("", "3/4", "6/8", "5/4", "7/8"), (-1,)),
    *product((c.DUET,), ("", "3/4", "6/8", "5/4", "7/8"), (c.LINE, c.COMP, c.BASS_PART)),
]


@pytest.mark.parametrize(("role", "metre", "part"), WALKS)
def test_judge_is_its_twin(role, metre, part):
    """Over random playing, with a style in which no two cells are alike."""
    style = np.random.default_rng(5).normal(size=N_STYLE).astype(np.float32)
    found = np.full(N_RULES, np.nan, dtype=np.float32)
    for moment in naive.walk(22, role, 400, metre, part):
        own, world, ladder = moment.own, moment.world, moment.ladder
        judge(own, world, ladder, style, moment.rhythm, moment.note, moment.melody, moment.voicing, found)
        said = naive.judge(own.tolist(), world.tolist(), ladder, style, moment.rhythm, moment.note, moment.voicing)
        assert set(said) <= set(RULES)
        np.testing.assert_allclose(found, [said.get(name, 0.0) for name in RULES], rtol=0, atol=1e-6)


def test_play_judges_before_it_advances():
    for moment in naive.walk(23, c.SOLO, 200):
        own, world, trace, ladder = (moment[i].copy() for i in range(4))
        found, said = np.zeros(N_RULES, dtype=np.float32), np.zeros(N_RULES, dtype=np.float32)
        twin, memory = own.copy(), trace.copy()
        args = (moment.rhythm, moment.melody, moment.voicing)
        assert play(own, world, trace, ladder, NEUTRAL, *args, found) == moment.note
        judge(twin, world, ladder, NEUTRAL, moment.rhythm, moment.note, moment.melody, moment.voicing, said)
        ticks = int(twin[c.EVENT_TICKS])
        c.advance(twin, world, memory, ladder, moment.rhythm, ticks, moment.note, moment.melody, moment.voicing)
        np.testing.assert_array_equal(found, said)
        np.testing.assert_array_equal(own, twin)
        np.testing.assert_array_equal(trace, memory)


# ---- weights --------------------------------------------------------------------------------------------------------
def test_shipped_weights_are_those_of_the_file():
    table = tomllib.loads(files("livecomposer.music").joinpath("rules.toml").read_text(encoding="utf-8"))
    assert dict(zip(RULES, load_weights().tolist(), strict=True)) == table
    assert list(table) == list(RULES)


def test_weights_of_ones_own():
    """Those named; the others stay as shipped."""
    names, shipped = list(RULES), load_weights()
    found = load_weights("leap = -2\nmud = 0.25", "mine.toml")
    expected = shipped.copy()
    expected[[names.index("leap"), names.index("mud")]] = -2.0, 0.25
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(load_weights(), shipped)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leep = 1", f"mine.toml: there is no rule 'leep'; there are {', '.join(RULES)}"),
        ("leap = true", "mine.toml: leap = True is not a number from -100 to 100"),
        ("leap = '1'", "mine.toml: leap = '1' is not a number from -100 to 100"),
        ("leap = 100.5", "mine.toml: leap = 100.5 is not a number from -100 to 100"),
        ("leap = nan", "mine.toml: leap = nan is not a number from -100 to 100"),
        ("leap = -inf", "mine.toml: leap = -inf is not a number from -100 to 100"),
        ("[leap]\nx = 1", "mine.toml: leap = {'x': 1} is not a number from -100 to 100"),
        ("leap = ", "mine.toml: not valid TOML: Invalid value (at end of document)"),
        ("leap", "mine.toml: not valid TOML: Expected '=' after a key in a key/value pair (at end of document)"),
    ],
)
def test_weights_that_cannot_be(text, said):
    with pytest.raises(SettingsError) as caught:
        load_weights(text, "mine.toml")
    assert str(caught.value) == said
