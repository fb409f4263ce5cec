"""The virtual player: what must hold for every phrase, and what makes it sound like somebody."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer.errors import SettingsError
from livecomposer.music.player import CHORD_S, HIGH, LOW, SLACK_S, VirtualPlayer
from livecomposer.music.theory import SCALES, Key, degree_of, parse_key, scale_notes

C_MAJOR = parse_key("C major")
keys = st.builds(
    lambda tonic, name: Key(tonic, name, SCALES[name]), st.integers(0, 11), st.sampled_from(sorted(SCALES))
)
roles = st.sampled_from(("harmonize", "duet", "answer"))
tempos = st.floats(20, 400)
seeds = st.integers(0, 2**32)
bars = st.integers(1, 7)


def kinds(events):
    return [(t_s, message[0] & 0xF0, message) for t_s, message in events]


def check(events, key=None, sounding=()):
    """Refuse disorder, notes over themselves, ends without a note, notes off the key; return what still sounds."""
    down = dict.fromkeys(sounding, 0.0)
    pedal = False
    before = 0.0
    for t_s, kind, message in kinds(events):
        assert t_s >= before
        before = t_s
        assert message[0] & 0x0F == 0
        if kind == 0x90:
            assert message[1] not in down
            assert 1 <= message[2] <= 127
            assert LOW - 12 <= message[1] <= HIGH
            assert key is None or degree_of(key, message[1]) is not None
            down[message[1]] = t_s
        elif kind == 0x80:
            assert t_s > down.pop(message[1])
        else:
            assert (message[0], message[1], message[2]) in ((0xB0, 64, 127), (0xB0, 64, 0))
            assert pedal == (message[2] == 0)
            pedal = not pedal
    return set(down), pedal


def onsets(events):
    return [(t_s, message[1], message[2]) for t_s, kind, message in kinds(events) if kind == 0x90]


@settings(deadline=None)
@given(roles, keys, tempos, seeds, bars, st.lists(st.floats(0, 60), max_size=8))
def test_any_way_of_asking_gives_the_same_music(role, key, tempo, seed, bar, asks):
    whole = VirtualPlayer(role, key, tempo, seed, bar_quarters=bar).events(60.0)
    player = VirtualPlayer(role, key, tempo, seed, bar_quarters=bar)
    parts = []
    for until_s in [*sorted(asks), 60.0]:
        part = player.events(until_s)
        assert all(t_s < until_s for t_s, _ in part)
        parts += part
    assert parts == whole


@settings(deadline=None)
@given(roles, keys, tempos, seeds, bars, st.floats(0, 120))
def test_every_note_ends_and_is_in_key(role, key, tempo, seed, bar, until_s):
    player = VirtualPlayer(role, key, tempo, seed, bar_quarters=bar)
    sounding, pedal = check(player.events(until_s), key)
    out = player.release()
    assert {message[1] for message in out if message[0] == 0x80} == sounding
    assert [message for message in out if message[0] == 0xB0] == [bytes((0xB0, 64, 0))] * pedal
    assert player.release() == []
    assert player.events(until_s + 30) == []


changes = st.lists(
    st.tuples(
        st.floats(0, 5),
        st.one_of(
            st.tuples(st.just("set_role"), st.sampled_from(("harmonize", "duet", "answer", "solo"))),
            st.tuples(st.just("set_key"), keys),
            st.tuples(st.just("set_tempo"), tempos),
        ),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(roles, keys, tempos, seeds, changes)
def test_changes_on_the_way_leave_no_note_behind(role, key, tempo, seed, changes):
    player = VirtualPlayer(role, key, tempo, seed)
    now, events = 0.0, []
    for wait, (method, value) in changes:
        now += wait
        events += player.events(now)
        getattr(player, method)(value)
        if method == "set_key":
            key = value
        later = player.events(now + 2.0)
        assert all(t_s >= now and degree_of(key, note) is not None for t_s, note, _ in onsets(later))
        if method == "set_role" and value == "solo":
            assert onsets(later) == []
        events += later
        now += 2.0
    player.set_role("solo")
    events += player.events(now + 60.0)
    assert check(events) == (set(), False)


@settings(deadline=None)
@given(keys, tempos, seeds, st.floats(0, 20), st.floats(0, 10))
def test_resuming_begins_at_a_bar_line(key, tempo, seed, stop_s, pause_s):
    player = VirtualPlayer("duet", key, tempo, seed)
    player.events(stop_s)
    player.release()
    player.resume(stop_s + pause_s)
    bar_s = 4 * 60 / tempo
    events = player.events(stop_s + pause_s + 2 * bar_s + 1)
    check(events, key)
    first = onsets(events)[0][0]
    assert first >= stop_s + pause_s
    assert abs(first / bar_s - round(first / bar_s)) * bar_s <= SLACK_S + 1e-6


def test_solo_is_silent():
    assert VirtualPlayer("solo", C_MAJOR, 120, 1).events(300) == []


def test_seeds_differ():
    takes = {tuple(VirtualPlayer("duet", C_MAJOR, 120, seed).events(30)) for seed in range(20)}
    assert len(takes) == 20


@pytest.mark.parametrize("seed", range(5))
def test_duet_plays_two_bars_and_rests_one(seed):
    events = VirtualPlayer("duet", C_MAJOR, 120, seed).events(60.0)
    played = {int((t_s + SLACK_S) // 2.0) % 3 for t_s, _, _ in onsets(events)}
    assert played == {0, 1}
    assert all((t_s % 6.0) < 4.0 for t_s, kind, _ in kinds(events) if kind == 0x80)


@pytest.mark.parametrize("seed", range(5))
def test_a_call_is_followed_by_its_own_length_and_a_bar(seed):
    events = VirtualPlayer("answer", C_MAJOR, 120, seed).events(200.0)
    bars_played = sorted({int((t_s + SLACK_S) // 2.0) for t_s, _, _ in onsets(events)})
    lengths, bar = [], 0
    while bar < bars_played[-1] - 5:
        length = 2 if bar + 1 in bars_played else 1
        assert bar in bars_played
        silent = range(bar + length, bar + 2 * length + 1)
        assert not set(silent) & set(bars_played)
        lengths.append(length)
        bar = silent[-1] + 1
    assert set(lengths) == {1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_harmonize_goes_on_and_now_and_then_strikes_two_keys(seed):
    struck = onsets(VirtualPlayer("harmonize", C_MAJOR, 120, seed).events(120.0))
    gaps = [b[0] - a[0] for a, b in pairwise(struck)]
    together = [gap for gap in gaps if gap <= CHORD_S]
    assert 0.03 < len(together) / len(struck) < 0.25
    assert all(gap <= CHORD_S or gap > 0.2 for gap in gaps)
    assert max(gaps) < 1.2  # half a bar is the longest note
    single = onsets(VirtualPlayer("duet", C_MAJOR, 120, seed).events(120.0))
    assert min(b[0] - a[0] for a, b in pairwise(single)) > 0.2


@settings(deadline=None)
@given(seeds, roles, tempos)
def test_keys_fall_near_the_beat(seed, role, tempo):
    grid_s = 60 / tempo / 2
    for t_s, _, _ in onsets(VirtualPlayer(role, C_MAJOR, tempo, seed).events(20.0)):
        late = t_s - round((t_s - CHORD_S / 2) / grid_s) * grid_s
        assert -SLACK_S - 1e-6 <= late <= SLACK_S + CHORD_S + 1e-6


@pytest.mark.parametrize("name", ["major", "dorian", "minor pentatonic", "harmonic minor"])
def test_it_moves_by_step_and_leaps_resolve(name):
    key = parse_key(f"D {name}")
    lattice = scale_notes(key, LOW - 12, HIGH)
    steps, leaps, resolved = Counter(), 0, 0
    for seed in range(30):
        struck = onsets(VirtualPlayer("duet", key, 100, seed).events(60.0))
        places = [lattice.index(note) for _, note, _ in struck]
        moves = [b - a for a, b in pairwise(places)]
        steps.update(abs(move) for move in moves)
        for move, then in pairwise(moves):
            if abs(move) > 2:
                leaps += 1
                resolved += abs(then) <= 2
    total = sum(steps.values())
    assert (steps[0] + steps[1] + steps[2]) / total > 0.8
    assert steps[1] / total > 0.5
    assert resolved / leaps > 0.8


@pytest.mark.parametrize("seed", range(20))
def test_phrases_close_on_the_dominant_and_the_tonic_in_turn(seed):
    key = parse_key("A minor")
    phrases = {}
    for t_s, note, _ in onsets(VirtualPlayer("duet", key, 120, seed).events(60.0)):
        phrases.setdefault(int((t_s + SLACK_S) // 6.0), []).append(note)
    assert [degree_of(key, phrases[i][-1]) for i in range(8)] == [4, 0] * 4
    assert all(abs(notes[-1] - notes[-2]) <= 2 for notes in (phrases[i] for i in range(8)))


@pytest.mark.parametrize("seed", range(20))
def test_a_motif_comes_back_and_is_left_after_four_phrases(seed):
    phrases = {}
    for t_s, note, _ in onsets(VirtualPlayer("duet", C_MAJOR, 120, seed).events(96.0)):
        phrase, within = divmod(t_s + SLACK_S, 6.0)
        if within < 2.0:
            phrases.setdefault(int(phrase), []).append((round((within - SLACK_S) / 0.25), note))
    rhythm = {i: [at for at, _ in notes] for i, notes in phrases.items()}
    for first in (0, 4, 8, 12):
        assert rhythm[first] == rhythm[first + 1] == rhythm[first + 2] == rhythm[first + 3]
    contour = [[note for _, note in phrases[i]] for i in (0, 1)]
    places = [[scale_notes(C_MAJOR, LOW, HIGH).index(note) for note in notes] for notes in contour]
    assert [p - places[0][0] for p in places[0]] == [p - places[1][0] for p in places[1]]


def test_the_downbeat_is_heard():
    loud, soft = [], []
    for seed in range(10):
        for t_s, _, velocity in onsets(VirtualPlayer("duet", C_MAJOR, 120, seed).events(60.0)):
            place = round(t_s / 0.25) % 8
            (loud if place == 0 else soft if place % 2 else []).append(velocity)
    assert sum(loud) / len(loud) > sum(soft) / len(soft) + 5


def test_some_phrases_take_the_pedal():
    pedals = [m for _, kind, m in kinds(VirtualPlayer("duet", C_MAJOR, 120, 1).events(120.0)) if kind == 0xB0]
    assert len(pedals) >= 4
    assert len(pedals) % 4 == 0  # two bars, down and up in each


def test_a_new_tempo_keeps_counting_bars():
    player = VirtualPlayer("harmonize", C_MAJOR, 120, 3)
    player.events(3.0)  # a bar and a half
    player.set_tempo(60)
    first = onsets(player.events(9.0))[0][0]
    assert abs(first - 5.0) <= SLACK_S  # half a bar at the new tempo


def test_one_tone_is_scale_enough():
    key = parse_key("C 0")
    sounding, _ = check(VirtualPlayer("harmonize", key, 120, 1).events(60.0), key)
    assert len(sounding) <= 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: VirtualPlayer("bass", C_MAJOR, 120, 1), "harmonize, duet, answer, solo"),
        (lambda: VirtualPlayer("duet", C_MAJOR, 500, 1), "20 to 400"),
        (lambda: VirtualPlayer("duet", C_MAJOR, 120, 1, bar_quarters=0), "1 to 12"),
        (lambda: VirtualPlayer("duet", C_MAJOR, 120, 1).set_role("x"), "allowed are"),
        (lambda: VirtualPlayer("duet", C_MAJOR, 120, 1).set_tempo(0), "out of range"),
    ],
)
def test_bad_settings(make, words):
    with pytest.raises(SettingsError, match=words):
        make()


@pytest.mark.parametrize("until_s", [float("inf"), float("nan")])
def test_time_is_finite(until_s):
    with pytest.raises(ValueError, match="finite"):
        VirtualPlayer("duet", C_MAJOR, 120, 1).events(until_s)
