"""Key and chord followers against plain twins, by ear, and under hands that do not make music."""

import json
import math
from importlib.resources import files
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from livecomposer.music import follow
from livecomposer.music.follow import QUALITIES, ChordFollower, KeyFollower
from livecomposer.music.theory import CHORDS, parse_chord

MS = 1_000_000
BEAT = 600 * MS
# a tune of sixteen notes in C major, and one in A minor with its leading note
MAJOR = (67, 72, 71, 72, 74, 76, 74, 72, 77, 76, 74, 72, 74, 71, 67, 72)
MINOR = (69, 76, 74, 72, 71, 69, 68, 69, 71, 72, 74, 76, 74, 72, 71, 69)
melodies = st.lists(st.tuples(st.integers(0, 900 * MS), st.integers(0, 127)), min_size=1, max_size=60)
presses = st.lists(st.tuples(st.booleans(), st.integers(0, 400 * MS), st.integers(36, 84)), max_size=60)


# ---- the twins ------------------------------------------------------------------------------------------------------
def tables():
    counts = json.loads(files("livecomposer.priors").joinpath("bach.json").read_text(encoding="utf-8"))

    def logs(row, smooth):
        total = sum(row) + smooth * 12
        return [math.log((n + smooth) / total * 12) for n in row]

    single = {
        name: [logs(row, 2.0) for row in counts[f"key_{name}"]] for name in ("top", "every", "bass", "close")
    }  # fmt: skip
    return [[logs(row, 1.0) for row in mode] for mode in counts["key_pairs"]], single


PAIRS, SINGLE = tables()


class SlowKey:
    """Keeps what was struck in groups and counts every group anew."""

    def __init__(self):
        self.groups, self.usual, self.key = [], 500 * MS, None

    def group_score(self, k, i):
        mode, notes = k // 12, self.groups[i][1]
        top = max(notes)
        rel = [(note - k) % 12 for note in sorted(notes)]
        if i == 0:
            score = 1.5 * SINGLE["close"][mode][rel[-1]] + SINGLE["top"][mode][rel[-1]]
        else:
            before = (max(self.groups[i - 1][1]) - k) % 12
            score = 0.7 * PAIRS[mode][before][rel[-1]] + 0.3 * SINGLE["top"][mode][rel[-1]]
        score += sum(0.8 * SINGLE["every"][mode][pc] for pc in rel[:-1])
        return score + (SINGLE["bass"][mode][rel[0]] if min(notes) < top else 0.0)

    def score(self, k):
        score = 0.0
        for i, (_, _notes, closes) in enumerate(self.groups):
            if closes:
                score += 0.2 * SINGLE["close"][k // 12][(max(self.groups[i - 1][1]) - k) % 12]
            score = score * 0.985 + self.group_score(k, i)
        return score

    def settle(self, scores):
        best = max(range(24), key=lambda k: scores[k])
        if self.key is not None:
            if scores[best] > scores[self.key] + 4.0:
                self.key = best
        elif len(self.groups) >= 12 or scores[best] > sorted(scores)[-2] + 5.0:
            self.key = best

    def note_on(self, t, note):
        if self.groups and t - self.groups[-1][0] <= 40 * MS:
            self.groups[-1][1].append(note)
        else:
            closes = False
            if self.groups:
                gap = t - self.groups[-1][0]
                closes = gap > 1.7 * self.usual
                self.usual += (min(gap, 2 * self.usual) - self.usual) // 8
            self.groups.append((t, [note], closes))
        self.settle([self.score(k) for k in range(24)])

    def rest(self):
        if not self.groups:
            return
        notes = self.groups[-1][1]
        scores = [self.score(k) + 3.5 * SINGLE["close"][k // 12][(max(notes) - k) % 12] for k in range(24)]
        if min(notes) < max(notes):
            scores = [score + SINGLE["bass"][k // 12][(min(notes) - k) % 12] for k, score in enumerate(scores)]
        self.settle(scores)


class SlowChord:
    """Tries every chord on every root."""

    def __init__(self):
        self.held, self.struck, self.found = set(), [], None

    def note_on(self, t, note):
        self.held.add(note)
        self.struck = [*self.struck, [t, note]][-16:]
        self.judge(t)

    def note_off(self, t, note):
        if note in self.held:
            self.held.remove(note)
            for entry in self.struck:
                if entry[1] == note:
                    entry[0] = t
        if self.found is not None:
            root, name, _ = self.found
            if not {note % 12 for note in self.held} <= {(root + i) % 12 for i in CHORDS[name]}:
                self.judge(t)

    def judge(self, t):
        notes, least = set(self.held), 1.3
        if len({note % 12 for note in notes}) < 2:
            notes |= {note for when, note in self.struck if t - when <= BEAT}
            least = 1.9
            if len({note % 12 for note in notes}) < 3:
                self.found = None
                return
        heard = {note % 12 for note in notes}
        choices = []
        for quality, name in enumerate(QUALITIES):
            for root in range(12):
                tones = {(root + i) % 12 for i in CHORDS[name]}
                if "sus" in name and (least == 1.9 or tones != heard):
                    continue
                score = len(tones & heard) - 0.6 * len(tones - heard) - 0.8 * len(heard - tones)
                choices.append((round(score + 0.3 * (root == min(notes) % 12), 6), -quality, -root, name))
        score, _, root, name = max(choices)
        self.found = (-root, name, min(notes) % 12) if score > least else None


def play(follower, notes, start=0, every=BEAT):
    for i, note in enumerate(notes):
        follower.note_on(start + i * every, note)
    return follower


# ---- the key --------------------------------------------------------------------------------------------------------
@given(melodies, st.sets(st.integers(0, 59), max_size=4))
def test_the_key_agrees_with_its_twin(melody, rests):
    fast, slow, t = KeyFollower(), SlowKey(), 0
    for i, (gap, note) in enumerate(melody):
        t += gap
        fast.note_on(t, note)
        slow.note_on(t, note)
        if i in rests:
            fast.rest()
            slow.rest()
    scores = [slow.score(k) for k in range(24)]
    assert fast._scores.tolist() == pytest.approx(scores, abs=1e-8)
    ordered = sorted(scores)
    assume(ordered[-1] - ordered[-2] > 1e-6)
    assert fast.known == (slow.key is not None)
    assert fast.key == ((slow.key or 0) % 12, "minor" if (slow.key or 0) >= 12 else "major")
    total = sum(math.exp(score - ordered[-1]) for score in scores)
    assert fast.confidence == pytest.approx(math.exp(scores[slow.key or 0] - ordered[-1]) / total, abs=1e-9)


@given(melodies, st.integers(1, 11))
def test_another_key_is_the_same_music_higher(melody, up):
    low, high, t = KeyFollower(), KeyFollower(up), 0
    for gap, note in melody:
        t += gap
        low.note_on(t, note % 100)
        high.note_on(t, note % 100 + up)
    moved = [low._scores[(k % 12 - up) % 12 + k // 12 * 12] for k in range(24)]
    assert high._scores.tolist() == pytest.approx(moved, abs=1e-9)
    ordered = sorted(moved)
    assume(ordered[-1] - ordered[-2] > 1e-6)
    assert high.key == ((low.tonic + up) % 12, "minor" if low.minor else "major")


@given(
    st.lists(st.lists(st.integers(30, 90), min_size=1, max_size=5, unique=True), min_size=1, max_size=8), st.randoms()
)
def test_the_order_within_a_chord_does_not_matter(groups, random):
    one, other = KeyFollower(), KeyFollower()
    for i, notes in enumerate(groups):
        mixed = notes[:]
        random.shuffle(mixed)
        for note, again in zip(notes, mixed, strict=True):
            one.note_on(i * BEAT, note)
            other.note_on(i * BEAT, again)
    assert one._scores.tolist() == pytest.approx(other._scores.tolist(), abs=1e-9)


@pytest.mark.parametrize("up", range(12))
@pytest.mark.parametrize(("tune", "tonic", "minor"), [(MAJOR, 0, False), (MINOR, 9, True)])
def test_a_tune_has_its_key(tune, tonic, minor, up):
    follower = play(KeyFollower(), [note + up - 6 for note in tune])
    assert (follower.tonic, follower.minor) == ((tonic + up - 6) % 12, minor)
    assert follower.confidence > 0.8


def test_until_a_key_is_known_it_is_the_given_one():
    follower = KeyFollower(4, True)
    assert (follower.key, follower.known) == ((4, "minor"), False)
    play(follower, [60, 67, 60])
    assert (follower.key, follower.known) == ((4, "minor"), False)
    play(follower, MAJOR, 3 * BEAT)
    assert (follower.key, follower.known) == ((0, "major"), True)
    follower.clear()
    assert (follower.key, follower.known) == ((4, "minor"), False)


def test_a_stop_tells_the_key():
    notes = (60, 62, 65, 62, 62, 59, 60, 59, 60, 57, 60, 59, 59, 57, 57)  # C major or A minor? it ends on A
    follower = play(KeyFollower(), notes)
    before = follower.key
    follower.rest()
    assert (before, follower.key) == ((0, "major"), (9, "minor"))


def test_a_long_note_counts_as_an_end():
    even = play(KeyFollower(), MINOR)
    held = play(KeyFollower(), MINOR[:8])
    play(held, MINOR[8:], 10 * BEAT)
    assert held._scores[9 + 12] - held._scores[0] > even._scores[9 + 12] - even._scores[0]


def test_the_key_is_steady_and_follows_a_new_one():
    follower, found = KeyFollower(), []
    for i in range(320):
        follower.note_on(i * BEAT, MAJOR[i % 16] + (2 if i >= 160 else 0))
        found.append(follower.key)
    assert set(found[12:160]) == {(0, "major")}
    changes = [i for i, (a, b) in enumerate(pairwise(found[12:]), 13) if a != b]
    assert len(changes) <= 3  # by way of neighbours on the circle of fifths
    assert all(160 <= i < 240 for i in changes)
    assert found[-1] == (2, "major")


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([(i * 250 * MS, 61) for i in range(240)], id="one note for a minute"),
        pytest.param([(i * 25 * MS, 36 + i * 29 % 60) for i in range(4800)], id="40 notes a second"),
        pytest.param([(i * 500 * MS, 48 + j) for i in range(120) for j in range(12)], id="clusters"),
        pytest.param(
            [(i * 250 * MS, 60 + i // 2 * 7 % 12 + (0, 4)[i % 2]) for i in range(480)], id="another key every beat"
        ),
        pytest.param([(0, i % 128) for i in range(2000)], id="all at once"),
    ],
)
def test_it_survives(events):
    key, chord = KeyFollower(), ChordFollower()
    changes, last = 0, None
    for i, (t, note) in enumerate(events):
        key.note_on(t, note)
        chord.note_on(t, note)
        chord.note_off(t, note)
        if i % 64 == 63:
            key.rest()
        assert 0 <= key.tonic < 12
        assert -1 <= chord.root < 12
        changes += last not in (None, key.key)
        last = key.key
    assert all(map(math.isfinite, key._scores))
    assert 0.0 <= key.confidence <= 1.0
    if len({note for _, note in events}) == 1:
        assert changes <= 1
        assert chord.root == -1


# ---- chords ---------------------------------------------------------------------------------------------------------
@given(presses)
def test_the_chord_agrees_with_its_twin(events):
    fast, slow, t = ChordFollower(), SlowChord(), 0
    for down, gap, note in events:
        t += gap
        for follower in (fast, slow):
            (follower.note_on if down else follower.note_off)(t, note)
        if slow.found is None:
            assert (fast.root, fast.quality, fast.bass, fast.bits, fast.chord) == (-1, -1, -1, 0, None)
        else:
            root, name, bass = slow.found
            chord = fast.chord
            assert chord is not None
            assert (fast.root, QUALITIES[fast.quality], fast.bass) == (root, name, bass)
            assert (chord.root, chord.name, chord.intervals, chord.bass) == (root, name, CHORDS[name], root)
            assert fast.bits == chord.bits


@pytest.mark.parametrize(
    ("notes", "name", "bass"),
    [
        ((60, 64, 67), "C", 0), ((64, 67, 72), "C", 4), ((55, 59, 62, 65), "G7", 7), ((57, 60, 64, 67), "Am7", 9),
        ((60, 64, 67, 69), "C6", 0), ((59, 62, 65, 69), "Bm7b5", 11), ((48, 52, 56), "Caug", 0),
        ((52, 56, 60), "Eaug", 4), ((50, 53, 56, 59), "Ddim7", 2), ((60, 65, 67), "Csus4", 0), ((60, 64), "C", 0),
        ((48, 52, 55, 74), "C", 0), ((48, 52, 55, 65, 74), "C", 0),
    ],
)  # fmt: skip
def test_held_notes_are_a_chord(notes, name, bass):
    follower = ChordFollower()
    for i, note in enumerate(notes):
        follower.note_on(i * 5 * MS, note)
    assert follower.chord == parse_chord(name)
    assert follower.bass == bass


@pytest.mark.parametrize(
    "notes", [(60,), (60, 62), (60, 61), (60, 61, 62), (60, 62, 64), tuple(range(60, 72)), (48, 60)]
)
def test_a_lone_note_a_second_and_a_cluster_are_none(notes):
    follower = ChordFollower()
    for note in notes:
        follower.note_on(0, note)
    assert (follower.root, follower.bits) == (-1, 0)


def test_a_chord_let_go_lasts_until_another_note():
    follower = ChordFollower()
    for note in (48, 52, 55):
        follower.note_on(0, note)
    found = []
    for i, note in enumerate((48, 52, 55)):
        follower.note_off(2000 * MS + i * 20 * MS, note)
        found.append(follower.root)
    follower.note_on(2400 * MS, 76)  # within a beat the chord still counts
    found.append(follower.root)
    follower.note_off(2500 * MS, 76)
    follower.note_on(4000 * MS, 74)
    found.append(follower.root)
    assert found == [0, 0, 0, 0, -1]


def test_a_broken_chord_is_one_and_a_run_is_none():
    found = []
    for notes in ((60, 64, 67), (60, 62, 64, 65, 67)):
        follower = ChordFollower()
        for i, note in enumerate(notes):
            follower.note_on(i * 120 * MS, note)
            follower.note_off(i * 120 * MS + 60 * MS, note)
        found.append(follower.root)
    assert found == [0, -1]


def test_the_beat_may_be_longer():
    found = []
    for beat in (300 * MS, 900 * MS):
        follower = ChordFollower(beat)
        for i, note in enumerate((60, 64, 67)):
            follower.note_on(i * 300 * MS, note)
            follower.note_off(i * 300 * MS + 50 * MS, note)
        found.append(follower.root)
        follower.clear()
        assert follower.root == -1
    assert found == [-1, 0]


@given(st.lists(st.integers(40, 70), min_size=2, max_size=5, unique=True), st.integers(1, 11))
def test_a_chord_moves_with_its_notes(notes, up):
    low, high = ChordFollower(), ChordFollower()
    for note in sorted(notes):
        low.note_on(0, note)
        high.note_on(0, note + up)
    bits = (low.bits << up | low.bits >> (12 - up)) & 0xFFF
    assert (high.root >= 0) == (low.root >= 0)
    if bits.bit_count() == 3 and low.quality not in (QUALITIES.index("aug"), QUALITIES.index("sus4")):
        assert high.quality == low.quality
        assert follow.MISSING < follow.FOREIGN
