"""Simulated listeners: what they hear, like and press, on notes made by hand."""

import ast
import math
import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from livecomposer.bench import listeners
from livecomposer.bench.listeners import (
    ARCHETYPES,
    GROUPS,
    KINDS,
    Habit,
    Heard,
    Listener,
    Taste,
    hear_notes,
    opposite,
    standardised,
    utility,
)

BEAT = 500_000_000  # ns
START = 3_000_000_000
S = 1_000_000_000
OFTEN = 6000.0  # occasions in a minute: one at every note
PLAIN = {"wrong": 0.0, "silence": 0.0, "noise": 0.0}


def send(*notes, beat_ns=BEAT, start_ns=START, channel=1):
    """Messages of notes (onset, length, pitches), times in beats; note-offs come first."""
    sent = []
    for onset, length, *pitches in notes:
        for pitch in pitches:
            sent.append((start_ns + round(onset * beat_ns), 1, bytes((0x90 | channel, pitch, 80))))
            sent.append((start_ns + round((onset + length) * beat_ns), 0, bytes((0x80 | channel, pitch, 0))))
    return [(t_ns, msg) for t_ns, _, msg in sorted(sent)]


def line(*pitches, length=1.0):
    """A line of quarters, as it is heard."""
    return hear_notes(send(*((i, length, pitch) for i, pitch in enumerate(pitches))), BEAT, START)


def raw(name, notes):
    """What a taste feels at each note, before it is standardised."""
    return [ARCHETYPES[name].feels(notes, i) for i in range(len(notes))]


def feed(listener, sent, until_ns):
    for t_ns, msg in sent:
        listener.hear(t_ns, msg)
    return listener.presses(until_ns)


# what is heard


def test_notes_are_heard_from_the_bytes():
    sent = send((0, 1, 60), (1, 0.5, 64, 60, 67), (2.25, 1.75, 55, 52), (5, 0.25, 57))
    assert hear_notes(sent, BEAT, START) == [
        Heard(onset=0.0, length=1.0, gap=0.0, pitch=60, together=1, interval=0, place=0.0, strong=True),
        Heard(onset=1.0, length=0.5, gap=0.0, pitch=67, together=3, interval=7, place=0.0, strong=False),
        Heard(onset=2.25, length=1.75, gap=0.75, pitch=55, together=2, interval=-12, place=0.25, strong=False),
        Heard(onset=5.0, length=0.25, gap=1.0, pitch=57, together=1, interval=2, place=0.0, strong=False),
    ]


def test_other_channels_and_messages_are_not_heard():
    sent = send((0, 1, 60), channel=0) + send((0, 1, 36), channel=9) + [(START, b"\xf8"), (START, b"\xc1\x05")]
    assert hear_notes(sent, BEAT, START) == []
    assert hear_notes([], BEAT, START) == []


def test_a_note_that_still_sounds_is_left_out_and_a_later_one_overlaps_it():
    heard = hear_notes(send((0, 8, 60), (1, 1, 62))[:-1], BEAT, START)
    assert [(note.pitch, note.gap, note.interval) for note in heard] == [(62, 0.0, 2)]


def test_a_note_ends_by_velocity_0_by_a_new_stroke_and_by_a_release():
    on, off = bytes((0x91, 60, 80)), bytes((0x91, 60, 0))
    heard = hear_notes([(START, on), (START + BEAT, off)], BEAT, START)
    assert [note.length for note in heard] == [1.0]
    heard = hear_notes([(START, on), (START + BEAT, on), (START + 3 * BEAT, b"\xb1\x7b\x00")], BEAT, START)
    assert [(note.onset, note.length, note.interval) for note in heard] == [(0.0, 1.0, 0), (1.0, 2.0, 0)]


def test_a_stroke_within_20_ms_joins_the_chord():
    ms = 1_000_000
    sent = [(0, b"\x91\x3c\x50"), (15 * ms, b"\x91\x43\x50"), (18 * ms, b"\x91\x40\x50"), (50 * ms, b"\x91\x41\x50")]
    sent += [(BEAT, bytes((0x81, pitch, 0))) for pitch in (60, 65)]
    sent += [(2 * BEAT, bytes((0x81, pitch, 0))) for pitch in (64, 67)]
    heard = hear_notes(sent, BEAT, 0)
    assert [(note.onset, note.pitch, note.together, note.length) for note in heard] == [
        (0.0, 67, 3, 2.0),
        (0.1, 65, 1, 0.9),
    ]
    assert heard[1].interval == -2


def test_the_top_of_a_chord_may_still_sound_when_it_is_struck_anew_in_the_next():
    on, low, off = b"\x91\x43\x50", b"\x91\x3c\x50", b"\x81\x43\x00"
    sent = [(0, on), (2 * BEAT, low), (2 * BEAT, on), (3 * BEAT, off)]
    assert [(note.onset, note.length) for note in hear_notes(sent, BEAT, 0)] == [(0.0, 2.0), (2.0, 1.0)]


@pytest.mark.parametrize("beat_ns", [BEAT, 535_714_286, 333_333_333])
def test_the_place_in_the_beat_survives_rounding(beat_ns):
    onsets = (0, 1, 2, 3.5, 7, 101, 102, 102.75)
    sent = send(*((onset, 0.2, 60) for onset in onsets), beat_ns=beat_ns)
    sent = [(t_ns - (t_ns > START), msg) for t_ns, msg in sent]  # a nanosecond early
    heard = hear_notes(sent, beat_ns, START)
    assert [round(note.place, 6) for note in heard] == [0, 0, 0, 0.5, 0, 0, 0, 0.75]
    assert [note.strong for note in heard] == [True, False, True, False, False, False, True, False]


# what is liked

TASTES = {
    "falling thirds": (line(60, 57, 53, 57, 55), [0, 1, 1, 0, 0]),
    "rising steps": (line(60, 61, 63, 66, 64), [0, 1, 1, 0, 0]),
    "high notes": (line(60, 72, 54), [0, 1, -0.5]),
    "long notes": (hear_notes(send((0, 0.5, 60), (1, 3, 60), (4, 9, 60)), BEAT, START), [0.5, 3, 4]),
    "full chords": (
        hear_notes(send((0, 1, 60), (1, 1, 60, 64), (2, 1, 60, 64, 67), (3, 1, 60, 64, 67, 70, 72)), BEAT, START),
        [0, 1, 2, 3],
    ),
    "single notes": (hear_notes(send((0, 1, 60), (1, 1, 60, 64)), BEAT, START), [1, 0]),
    "space": (hear_notes(send((0, 1, 60), (1.25, 1, 60), (3.25, 1, 60), (9, 1, 60)), BEAT, START), [0, 0, 1, 2]),
    "leaps": (line(60, 67, 61, 50), [0, 1, 0, 1]),
    "tritones": (line(60, 66, 60, 67), [0, 1, 1, 0]),
    "long low notes": (hear_notes(send((0, 2, 50), (2, 1, 56), (3, 2, 62), (5, 9, 50)), BEAT, START), [2, 0.5, 0, 4]),
    "syncopation": (
        hear_notes(send((0, 0.25, 60), (0.5, 0.25, 60), (0.75, 0.2, 60), (1.5, 0.5, 60)), BEAT, START),
        [0, 1, 1, 0],
    ),
    "no thirds": (line(60, 63, 59, 64, 64), [0, -1, -1, 0, 0]),
    "zigzag": (line(60, 64, 62, 62, 65, 60), [0, 0, 1, 0, 0, 1]),
    "arches": (line(60, 62, 64, 65, 64, 62, 60, 60, 62, 64, 62, 60), [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1]),
    "fresh pitches": (line(60, 60, 61, 62, 63, 64, 65, 66, 67, 68, 60, 60), [1, 0, *[1] * 9, 0]),
    "returning motifs": (
        line(60, 62, 64, 59, 66, 68, 70, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65),
        [0, 0, 0, 0, 0, 0, 0, 1, *[0] * 9],
    ),
    "one register": (line(69, 71, 67, 48), [1, math.exp(-0.5), math.exp(-0.5), 0]),
    "silence then chord": (
        hear_notes(send((0, 1, 60), (1, 1, 60, 64), (4, 1, 60), (6, 1, 60, 64, 67)), BEAT, START),
        [0, 0, 0, 2],
    ),
}


@pytest.mark.parametrize("name", ARCHETYPES)
def test_tastes_by_hand(name):
    notes, wanted = TASTES[name]
    assert raw(name, notes) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("up", [0, 1])
def test_a_motif_is_forgotten_after_32_notes(up):
    motif = (60, 65, 63, 70)
    for between, known in ((24, 1.0), (25, 0.0)):
        fill = [60 + (i // 2 + 1) * (-1) ** i for i in range(between)]  # no interval of it occurs twice
        felt = raw("returning motifs", line(*motif, *fill, *(pitch + up for pitch in motif)))
        assert felt == [0.0] * (len(felt) - 1) + [known]


@pytest.mark.parametrize("name", ARCHETYPES)
def test_a_taste_looks_back_only(name):
    rng = np.random.default_rng(3)
    chords = [(i * 0.75 % 40 + i, rng.uniform(0.1, 0.9), *{*rng.integers(50, 80, 3).tolist()}) for i in range(50)]
    notes = hear_notes(send(*sorted(chords)), BEAT, START)
    assert [ARCHETYPES[name].feels(notes[: i + 1], i) for i in range(len(notes))] == raw(name, notes)


def test_archetypes_have_names_groups_and_a_third_outside():
    assert all(name == taste.name and taste.group in GROUPS for name, taste in ARCHETYPES.items())
    assert [sum(taste.group == group for taste in ARCHETYPES.values()) for group in GROUPS] == [7, 5, 6]
    assert all(ARCHETYPES[name].by_end == ("long" in name or name == "syncopation") for name in ARCHETYPES)
    assert all(pickle.loads(pickle.dumps(taste)) == taste for taste in ARCHETYPES.values())


def takes_of(seed):
    """Random takes with something of everything."""
    rng = np.random.default_rng(seed)
    takes = []
    for _ in range(4):
        at, notes = 0.0, []
        for _ in range(10):
            chords = [{*(60 + rng.integers(-8, 9, rng.integers(1, 4))).tolist()} for _ in range(6)]
            for chord in chords * 2:
                length = rng.choice([0.2, 0.25, 0.5, 1.0, 2.0])
                notes.append((at, length, *chord))
                at += length + rng.choice([0.0, 0.0, 0.5, 1.0])
        takes.append(hear_notes(send(*notes), BEAT, START))
    return takes


@pytest.mark.parametrize("turn", [lambda taste: taste, opposite])
@pytest.mark.parametrize("name", ARCHETYPES)
def test_standardised_likings_have_mean_0_and_sd_1(name, turn):
    takes = takes_of(1)
    taste = standardised(turn(ARCHETYPES[name]), takes)
    likings = np.concatenate([taste.likings(notes) for notes in takes])
    assert likings.mean() == pytest.approx(0, abs=1e-9)
    assert likings.std() == pytest.approx(1)
    assert utility(taste, takes[0]) == pytest.approx(taste.likings(takes[0]).mean())
    assert standardised(taste, takes) == taste


def test_nothing_can_be_standardised_without_a_difference():
    with pytest.raises(ValueError, match="tritones: 3 notes, all liked alike"):
        standardised(ARCHETYPES["tritones"], [line(60, 62, 64)])
    with pytest.raises(ValueError, match="0 notes"):
        standardised(ARCHETYPES["leaps"], [])


def test_utility_by_hand():
    taste = Taste("high", "family", ARCHETYPES["high notes"].feels, mean=0.5, sd=0.25)
    assert taste.likings(line(60, 72)).tolist() == [-2.0, 2.0]
    assert utility(taste, line(60, 72, 66)) == 0.0
    assert utility(taste, line(72)) == 2.0
    assert utility(taste, []) == 0.0


def test_the_opposite_likes_what_was_disliked():
    takes = takes_of(2)
    taste = standardised(ARCHETYPES["zigzag"], takes)
    other = opposite(taste)
    assert (other.name, other.group) == ("opposite of zigzag", "outside")
    assert other.likings(takes[0]).tolist() == (-taste.likings(takes[0])).tolist()
    assert utility(other, takes[1]) == -utility(taste, takes[1])


# how it presses

HIGH = Taste("high", "family", ARCHETYPES["high notes"].feels)  # an octave above 60 counts as 1


def repeat(pitch, n, step=1.0, length=0.5):
    return send(*((i * step, length, pitch) for i in range(n)))


def end_of(n, step=1.0):
    return START + round(n * step * BEAT) + 2 * S


@pytest.mark.parametrize("kind", ["graded", "thumb", "always", "random"])
def test_presses_come_in_order_within_the_delay_after_an_onset(kind):
    presses = feed(Listener(HIGH, Habit(kind, **PLAIN), BEAT, START, 5), repeat(72, 600, 4.0), end_of(600, 4.0))
    delays = np.array([(t_ns - START) % (4 * BEAT) / S for t_ns, _ in presses])  # a note every 2 s, none is later
    assert 380 < len(presses) <= 400  # in 20 minutes; two occasions between notes are one
    assert presses == sorted(presses)
    assert 0.3 <= delays.min() < 0.32
    assert 1.48 < delays.max() <= 1.5
    assert abs(delays.mean() - 0.9) < 0.06
    assert all(-1 <= value <= 1 for _, value in presses)


def test_the_delay_counts_from_the_note_that_was_judged():
    """Only note 40 is high, so the only likes are of it or (a third of it) of the next."""
    habit = Habit("thumb", per_minute=OFTEN, **PLAIN)
    sent = send(*((4 * i, 0.5, 84 if i == 40 else 60) for i in range(60)))
    presses = feed(Listener(HIGH, habit, BEAT, START, 1), sent, end_of(240))
    assert [(t_ns - START) // (4 * BEAT) for t_ns, _ in presses] == [40, 41]
    assert all(0.3 * S <= (t_ns - START) % (4 * BEAT) <= 1.5 * S for t_ns, _ in presses)


def test_a_length_is_judged_when_it_is_known():
    long = Taste("long", "family", ARCHETYPES["long notes"].feels, by_end=True, mean=0.5)
    habit = Habit(per_minute=OFTEN, delay_s=(0.3, 0.3), **PLAIN)
    sent = send((0, 0.5, 60), (4, 0.75, 60), (8, 3, 60))
    presses = feed(Listener(long, habit, BEAT, START, 1), sent, end_of(20))
    # the first is liked by 0, the third has sounded for one beat when it is judged
    assert presses == [
        (START + round(4.75 * BEAT) + 300_000_000, pytest.approx(0.25 * 2 / 3 / 2)),
        (START + 9 * BEAT + 300_000_000, pytest.approx((0.5 * 2 / 3 + 0.25 / 3) / 2)),
    ]


def test_graded_presses_weigh_the_last_note_twice_and_reach_full_strength_at_2_sd():
    habit = Habit(per_minute=OFTEN, delay_s=(0.3, 0.3), **PLAIN)
    sent = send(*((i, 0.5, pitch) for i, pitch in enumerate((72, 60, 66, 84, 96, 24, 12))))
    presses = feed(Listener(HIGH, habit, BEAT, START, 1), sent, end_of(7))
    likings = [1, 0, 0.5, 2, 3, -3, -4]
    moments = [likings[0], *(2 / 3 * b + a / 3 for a, b in pairwise(likings))]
    wanted = [min(max(moment / 2, -1), 1) for moment in moments]
    assert [value for _, value in presses] == pytest.approx(wanted)
    assert [t_ns for t_ns, _ in presses] == [START + i * BEAT + 300_000_000 for i in range(7)]


def test_a_thumb_is_up_or_down_or_stays():
    habit = Habit("thumb", per_minute=OFTEN, delay_s=(0.3, 0.3), **PLAIN)
    for pitch, value in ((64, [1.0]), (62, []), (58, []), (56, [-1.0])):
        presses = feed(Listener(HIGH, habit, BEAT, START, 1), repeat(pitch, 30), end_of(30))
        assert [value for _, value in presses] == value * 30


def test_always_random_and_silent_ones_do_not_listen():
    pressed = {}
    for kind in ("always", "random", "silent"):
        for pitch in (36, 96):
            habit = Habit(kind, per_minute=60, silence=0.0)
            presses = feed(Listener(HIGH, habit, BEAT, START, 1), repeat(pitch, 1200), end_of(1200))
            pressed[kind, pitch] = [value for _, value in presses]
    assert set(pressed["always", 36]) == {1.0}
    assert 590 < len(pressed["always", 36]) < 610
    values = np.array(pressed["random", 36])
    assert (values.min() < -0.95, values.max() > 0.95, abs(values.mean()) < 0.1) == (True, True, True)
    assert all(pressed[kind, 36] == pressed[kind, 96] for kind in ("always", "random"))
    assert pressed["silent", 36] == pressed["silent", 96] == []


@pytest.mark.parametrize("kind", ["graded", "thumb"])
def test_shares_of_wrong_presses_and_of_silence(kind):
    habit = Habit(kind, per_minute=60)
    presses = feed(Listener(HIGH, habit, BEAT, START, 3), repeat(84, 12000), end_of(12000))
    signs = np.array([value < 0 for _, value in presses])  # 2 SD above: noise alone turns none
    assert abs(len(presses) / 6000 - 0.7) < 0.02
    assert abs(signs.mean() - 0.05) < 0.01
    assert {abs(value) for _, value in presses} == {1.0} or kind == "graded"


def test_noise_has_its_sd():
    habit = Habit(per_minute=60, wrong=0.0, silence=0.0, noise=0.4)
    presses = feed(Listener(HIGH, habit, BEAT, START, 3), repeat(66, 8000), end_of(8000))
    values = 2 * np.array([value for _, value in presses])
    assert values.mean() == pytest.approx(0.5, abs=0.02)
    assert values.std() == pytest.approx(0.4, abs=0.02)


def test_nothing_is_pressed_where_nothing_new_is_heard():
    sent = send((0, 0.5, 72), (600, 0.5, 72), (601, 0.5, 72))
    presses = feed(Listener(HIGH, Habit(per_minute=10, **PLAIN), BEAT, START - 30 * S, 1), sent, end_of(700))
    assert [round((t_ns - START) / BEAT) // 10 for t_ns, _ in presses] == [0, 60]


def test_habituation_takes_the_pleasure_out_of_what_does_not_change():
    found = {}
    for share in (0.0, 0.5, 1.0):
        habit = Habit(per_minute=OFTEN, delay_s=(0.3, 0.3), habituation=share, **PLAIN)
        sent = send(*((i, 0.5, 72 if i < 200 else 60) for i in range(300)))
        presses = feed(Listener(HIGH, habit, BEAT, START, 1), sent, end_of(300))
        found[share] = [value for _, value in presses]
    assert set(found[0.0][:200]) == {0.5}
    assert found[1.0][0] == 0.5  # nothing has been heard yet
    at_199 = 1 - (23 / 24) ** 96  # of what was heard it remembers 4 x 24 notes
    assert found[0.5][198] == pytest.approx((1 - 0.5 * at_199) / 2)
    assert found[1.0][198] == pytest.approx((1 - at_199) / 2)
    assert all(a > b for a, b in pairwise(found[1.0][2:90]))
    assert min(found[1.0]) == pytest.approx(-0.5, abs=0.03)  # and then misses it


def test_the_same_seed_presses_the_same_whatever_the_steps():
    sent = send(*((i * 0.75, 0.6, 60 + i * 7 % 13) for i in range(400)))
    once = feed(Listener(HIGH, Habit(habituation=0.3), BEAT, START, 8), sent, end_of(300))
    again = Listener(HIGH, Habit(habituation=0.3), BEAT, START, 8)
    pieces, at = [], 0
    for until_ns in range(START, end_of(300) + 1, 70_000_000):
        while at < len(sent) and sent[at][0] <= until_ns:
            again.hear(*sent[at])
            at += 1
        found = again.presses(until_ns)
        assert all(until_ns - 70_000_000 < t_ns <= until_ns for t_ns, _ in found)
        pieces += found
    pieces += again.presses(end_of(300))
    assert pieces == once
    assert len(once) > 20
    assert feed(Listener(HIGH, Habit(habituation=0.3), BEAT, START, 9), sent, end_of(300)) != once


def test_opposite_tastes_press_at_the_same_times():
    sent = send(*((i, 0.6, 50 + i * 7 % 23) for i in range(400)))
    habit = Habit(noise=0.0)
    one, other = (feed(Listener(taste, habit, BEAT, START, 8), sent, end_of(400)) for taste in (HIGH, opposite(HIGH)))
    assert [(t_ns, -value) for t_ns, value in other] == one


# phrases


def phrases(*lengths, pitch=66, rest=2.0):
    """Phrases of quarters (0.9 long) with rests between, and when each has ended, in beats."""
    at, notes, ends = 0.0, [], []
    for n in lengths:
        notes += [(at + i, 0.9, pitch) for i in range(n)]
        at += n
        ends.append(at - 0.1)
        at += rest
    return send(*notes), ends


def test_a_phrase_is_rated_once_in_the_silence_after_it():
    sent, ends = phrases(4, 8, 3)
    habit = Habit("phrase_end", delay_s=(0.3, 0.3), **PLAIN)
    presses = feed(Listener(HIGH, habit, BEAT, START, 1), sent, end_of(60))
    due = [START + round((end + 0.75) * BEAT) + 300_000_000 for end in ends]
    assert [t_ns for t_ns, _ in presses] == pytest.approx(due, abs=2)
    assert [value for _, value in presses] == pytest.approx([0.5] * 3)


def test_a_phrase_press_is_the_mean_of_that_phrase():
    sent = send(*((i, 0.9, pitch) for i, pitch in enumerate((60, 72, 66, 54))), (8, 0.9, 48), (9, 1, 54), (10, 1, 48))
    presses = feed(Listener(HIGH, Habit("phrase_end", **PLAIN), BEAT, START, 1), sent, end_of(60))
    assert [value for _, value in presses] == pytest.approx([0.25, -2.5 / 3])


def test_a_phrase_press_keeps_its_delay():
    sent, ends = phrases(*[3] * 400, rest=5.0)
    presses = feed(Listener(HIGH, Habit("phrase_end", **PLAIN), BEAT, START, 1), sent, end_of(5000))
    delays = [(t_ns - START) / S - (end + 0.75) * 0.5 for (t_ns, _), end in zip(presses, ends, strict=True)]
    assert 0.3 <= min(delays) < 0.32
    assert 1.48 < max(delays) <= 1.5


def test_two_notes_are_no_phrase_and_a_short_rest_ends_none():
    habit = Habit("phrase_end", **PLAIN)
    assert feed(Listener(HIGH, habit, BEAT, START, 1), phrases(2)[0], end_of(60)) == []
    assert len(feed(Listener(HIGH, habit, BEAT, START, 1), phrases(2, 1)[0], end_of(60))) == 1
    assert len(feed(Listener(HIGH, habit, BEAT, START, 1), phrases(4, 4, rest=0.6)[0], end_of(60))) == 1
    held = [*phrases(4)[0], (START + 3 * BEAT, b"\x91\x30\x50")]  # a low note goes on
    assert feed(Listener(HIGH, habit, BEAT, START, 1), sorted(held), end_of(60)) == []


def test_phrase_ends_too_are_wrong_or_silent_at_times():
    sent, _ = phrases(*[3] * 3000)
    presses = feed(Listener(HIGH, Habit("phrase_end"), BEAT, START, 1), sent, end_of(16000))
    assert abs(len(presses) / 3000 - 0.7) < 0.03
    assert abs(np.mean([value < 0 for _, value in presses]) - 0.05) < 0.02
    assert len({t_ns for t_ns, _ in presses}) == len(presses)


# pairs


def answers(listener, a, b, n=4000):
    said = [listener.prefers(a, b) for _ in range(n)]
    return {word: said.count(word) / n for word in ("a", "b", "neither")}


def test_a_pair_is_answered_by_the_difference_of_liking():
    low, high = repeat(60, 8), repeat(64, 8)  # a third of an SD apart
    listener = Listener(HIGH, Habit(wrong=0.0), BEAT, START, 2)
    p = 1 / (1 + math.exp(-4 / 3))
    assert answers(listener, high, low) == pytest.approx({"a": p, "b": 1 - p, "neither": 0}, abs=0.03)
    assert answers(listener, low, high) == pytest.approx({"a": 1 - p, "b": p, "neither": 0}, abs=0.03)
    assert answers(listener, repeat(84, 8), low)["a"] > 0.99


def test_equal_or_bad_phrases_are_neither():
    listener = Listener(HIGH, Habit(wrong=0.0), BEAT, START, 2)
    assert answers(listener, repeat(70, 8), repeat(70, 5), 50)["neither"] == 1
    assert answers(listener, repeat(36, 8), repeat(48, 8), 50)["neither"] == 1
    assert answers(listener, repeat(36, 8), repeat(60, 8), 50)["b"] == 1
    assert answers(listener, [], [], 50)["neither"] == 1
    assert answers(listener, [*repeat(70, 9), *send((9, 1, 65))], repeat(70, 8), 50)["neither"] == 1  # 1/24 SD
    assert answers(listener, [*repeat(70, 9), *send((9, 1, 63))], repeat(70, 8), 50)["neither"] == 0  # 7/120 SD
    assert answers(listener, repeat(49, 8), repeat(50, 8), 50)["neither"] == 1  # -11/12 and -10/12 SD
    assert answers(listener, repeat(49, 8), repeat(52, 8), 50)["neither"] == 0


def test_wrong_answers_to_pairs():
    listener = Listener(HIGH, Habit(wrong=0.2), BEAT, START, 2)
    assert answers(listener, repeat(96, 8), repeat(60, 8)) == pytest.approx(
        {"a": 0.8, "b": 0.2, "neither": 0}, abs=0.03
    )
    assert answers(listener, repeat(70, 8), repeat(70, 8)) == pytest.approx(
        {"a": 0.1, "b": 0.1, "neither": 0.8}, abs=0.03
    )


def test_answers_to_pairs_do_not_disturb_the_presses():
    sent = repeat(70, 300)
    one, other = (Listener(HIGH, Habit(), BEAT, START, 4) for _ in range(2))
    answers(other, sent[:8], sent[8:16], 10)
    assert feed(one, sent, end_of(300)) == feed(other, sent, end_of(300))
    again = Listener(HIGH, Habit(), BEAT, START, 4)
    said = [again.prefers(repeat(62, 4), repeat(60, 4)) for _ in range(30)]
    again = Listener(HIGH, Habit(), BEAT, START, 4)
    assert [again.prefers(repeat(62, 4), repeat(60, 4)) for _ in range(30)] == said
    assert set(said) == {"a", "b"}


def test_a_taste_may_change_midway():
    listener = Listener(HIGH, Habit(per_minute=OFTEN, delay_s=(0.3, 0.3), **PLAIN), BEAT, START, 1)
    sent = repeat(72, 40)
    change_ns = START + 20 * BEAT
    before = feed(listener, [item for item in sent if item[0] < change_ns], change_ns - 1)
    listener.change(opposite(HIGH))
    after = feed(listener, [item for item in sent if item[0] >= change_ns], end_of(40))
    assert [value for _, value in before] == [0.5] * 20
    assert [value for _, value in after] == [-0.5] * 20
    assert listener.prefers(repeat(36, 8), repeat(84, 8)) == "a"


# settings and isolation


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "polite"},
        {"wrong": 1.1},
        {"silence": -0.1},
        {"habituation": float("nan")},
        {"per_minute": 0.0},
        {"noise": -1.0},
        {"delay_s": (1.0, 0.5)},
        {"delay_s": (0.0, 0.5)},
    ],
)
def test_impossible_habits_are_refused(wrong):
    with pytest.raises(ValueError, match=r"habit|range|delay"):
        Habit(**wrong)


def test_every_kind_of_habit_is_possible():
    assert [Habit(kind).kind for kind in KINDS] == list(KINDS)
    assert Habit() == Habit("graded", 20.0, (0.3, 1.5), 0.05, 0.3, 0.0, 0.2)


def test_listeners_know_nothing_of_the_instrument():
    allowed = {"numpy", "livecomposer.bench.playing"}
    standard = {"math", "bisect", "collections.abc", "dataclasses", "types", "typing"}
    found = set()
    for node in ast.walk(ast.parse(Path(listeners.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(str(node.module))
    assert found <= allowed | standard
    forbidden = ("music", "agents", "ratings", "instrument")
    assert not [name for name in found if name.startswith(tuple(f"livecomposer.{place}" for place in forbidden))]
