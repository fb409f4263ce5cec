"""What a rating does to the music at once: a like brings its bar back, a strong one now, a dislike leaves the motif."""

import pytest

from livecomposer import Performance, Settings
from livecomposer.instrument.plan import Back
from livecomposer.music.context import (
    A_AGAIN,
    A_TICK,
    A_VARIED,
    HINT_RHYTHM,
    HINT_RUNG,
    LAG,
    MOTIF_END,
    PHRASE_TICK,
    SECTION,
    SHIFT,
)
from tests.instrument.test_replay import Later

S = 1_000_000_000
BAR = 48
PHRASE = 4 * BAR
SEEDS = range(24)


def solo(seed, tick):
    """A solo at 120, all of which before ``tick`` has sounded."""
    p = Performance(Settings(role="solo", tempo=120.0, seed=seed))
    p.advance(p.transport.ns_at(tick))
    return p


def planned(p, first, end):
    """The events from tick ``first`` on that begin before ``end``, planned now."""
    p.line.extend(end, False)
    return [event for event in p.line.events if first <= event.tick < end]


def bar_of(trace, tick):
    """What the agent has played in the bar at ``tick``: (place in the bar, note or -1 for a rest)."""
    return {i: int(trace[0, tick + i]) for i in range(BAR) if trace[0, tick + i] != -1}


def onsets(sent):
    return [(t_ns, msg[1]) for t_ns, msg in sent if msg[0] & 0xF0 == 0x90 and msg[2]]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_strong_like_suggests_the_bar_from_the_next_bar_line_on(seed):
    p = solo(seed, 2 * BAR + 20)
    source = bar_of(p.line.trace, BAR)
    assert p.line.bring_back(BAR + 13, 3 * BAR)
    p.line.cut(3 * BAR)
    ladder = p.line.ladder
    events = planned(p, 3 * BAR, 4 * BAR)
    assert events and all(event.before[[LAG, SHIFT, MOTIF_END]].tolist() == [2 * BAR, 0, 4 * BAR] for event in events)
    for event in events:
        note = source.get(event.tick - 3 * BAR, -1)
        assert event.before[HINT_RUNG] == (ladder.row[note] if note >= 0 else -1)
        assert event.before[HINT_RHYTHM] >= 0 or not any(at >= event.tick - 3 * BAR for at in source)


def test_liked_again_it_comes_back_varied_and_then_not_once_more_in_this_phrase():
    p = solo(1, 2 * BAR)
    assert p.line.bring_back(BAR, 2 * BAR)
    assert p.line.back == Back(BAR, 2 * BAR, 0, True)
    assert p.line.bring_back(2 * BAR + 7, 3 * BAR)
    assert p.line.back == Back(BAR, 3 * BAR, 2, True)
    assert not p.line.bring_back(3 * BAR + 7, 4 * BAR)
    assert not p.line.bring_back(BAR, 6 * BAR)
    assert p.line.bring_back(6 * BAR, 8 * BAR)
    assert p.line.back == Back(6 * BAR, 8 * BAR, 0, True)


@pytest.mark.parametrize(
    ("section", "tick", "at"),
    [
        ("A", BAR, None),  # A' has it anyway
        ("A'", 5 * BAR, 8 * BAR),  # B is made of it
        ("B", 9 * BAR, 16 * BAR),  # the last A is A: the next A
        ("last A", 13 * BAR, 16 * BAR),
    ],
)
def test_a_like_brings_the_bar_back_within_two_phrases(section, tick, at):
    p = solo(3, tick + 20)
    assert not p.line.bring_back(tick, -1)
    assert p.line.back == (None if at is None else Back(tick, at, 0, False))
    if at is not None:
        assert at - tick <= 2 * PHRASE
        p.advance(p.transport.ns_at(at - BAR))
        assert all(event.before[LAG] == at - tick for event in planned(p, at, at + BAR))


def test_behind_it_an_a_goes_on_as_an_a():
    p = solo(5, 4 * BAR + 20)
    assert p.line.bring_back(2 * BAR, 5 * BAR)
    p.line.cut(5 * BAR)
    within, behind = planned(p, 5 * BAR, 6 * BAR), planned(p, 6 * BAR, 7 * BAR)
    assert {int(event.before[LAG]) for event in within} == {3 * BAR}
    for event in behind:
        own = event.before
        assert own[SECTION] in (A_VARIED, A_AGAIN) and own[LAG] == own[PHRASE_TICK] - own[A_TICK]


def test_a_dislike_leaves_the_motif_at_the_next_beat_and_what_was_to_come_back():
    p = solo(5, 5 * BAR + 20)
    assert p.line.own[LAG] > 0
    p.line.bring_back(5 * BAR, -1)
    p.part.disliked(p.now_ns)
    beat = p.part.next_beat(p.now_ns)
    assert p.line.back is None
    assert all(event.before[LAG] == 0 for event in planned(p, beat, 6 * BAR))


@pytest.mark.parametrize("value", [0.5, 1.0])
def test_a_like_that_is_taken_back_brings_nothing_back(value):
    """What an earlier like brings back still comes."""
    p = solo(5, 5 * BAR + 20)
    p.rate(p.now_ns, value, source="keys")
    liked = p.line.back
    assert liked is not None
    p.rate(p.now_ns - 3 * S, 0.0)  # says nothing, and is taken back alone
    p.undo_rating()
    assert p.line.back == liked
    p.undo_rating()
    assert p.line.back is None
    p.rate(p.now_ns, value, source="keys")
    assert p.line.back == liked
    p.command(p.now_ns, "forget")
    assert p.line.back is None


def alike(seed, value):
    """Part of the notes of bar 5 (counted from 0) that are bar 4's, a rating being given at the end of that."""
    p = Performance(Settings(role="solo", tempo=120.0, seed=seed))
    notes = onsets(p.advance(int(9.9 * S)))
    if value:
        p.rate(int(9.6 * S), value, int(9.9 * S))
    notes += onsets(p.advance(12 * S))
    top: dict[int, int] = {}
    for t_ns, note in notes:
        at = round(t_ns / S * 24)
        top[at] = max(note, top.get(at, 0))
    four, five = (
        {(at - begin, note) for at, note in top.items() if 0 <= at - begin < BAR} for begin in (4 * BAR, 5 * BAR)
    )
    return len(four & five) / max(len(five), 1)


def test_what_is_liked_strongly_is_heard_again():
    """Beside the same solo unrated, and rated less."""
    strong, plain, none = (sum(alike(seed, value) for seed in SEEDS) / len(SEEDS) for value in (1.0, 0.5, 0.0))
    assert strong > 0.4 > none + 0.2
    assert abs(plain - none) < 0.1


def test_in_a_pair_and_held_nothing_comes_back():
    p = solo(5, 5 * BAR + 20)
    p.freeze()
    p.rate(p.now_ns, 1.0)
    assert p.line.back is None
    p.freeze(False)
    p.command(p.now_ns, "ab")
    p.rate(p.now_ns, 1.0)
    assert p.line.back is None


def test_the_odds_of_a_repeated_note_are_certain_and_nobody_who_does_not_look_has_any_worked_out():
    p = solo(1, 2 * BAR + 20)
    p.line.bring_back(BAR, 3 * BAR)
    p.line.cut(2 * BAR + 24)
    assert all(event.odds == () for event in planned(p, 2 * BAR + 24, 4 * BAR))
    p.line.cut(2 * BAR + 24)
    p.line.shown = True
    repeated = [event for event in planned(p, 3 * BAR, 4 * BAR) if event.note >= 0 and event.before[HINT_RUNG] >= 0]
    assert repeated and all(event.odds == ((event.note, 1.0),) for event in repeated)


def test_what_a_dislike_has_cut_is_decided_anew_also_if_a_like_follows_at_once():
    later = Later()
    p = Performance(Settings(role="solo", tempo=120.0, seed=5), learner=later)
    p.advance(p.transport.ns_at(2 * BAR + 1))
    p.rate(p.now_ns, -1.0)  # the learner is busy: nothing is decided yet
    beat = p.part.next_beat(p.now_ns)
    assert not any(event.tick >= beat for event in p.line.events)
    p.rate(p.now_ns, 1.0)
    while later.jobs:
        job = later.jobs.pop(0)
        p.adopt(p.now_ns, job.number, job.run())
    assert any(event.tick >= beat for event in p.line.events)
