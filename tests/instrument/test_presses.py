"""Presses through ``Performance``: bounce, emphasis, correction, strength, what they concern, forgetting, bad ones."""

import math
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer import Performance, Settings
from livecomposer.errors import SettingsError
from livecomposer.instrument.records import COMMANDS, SAME_PRESS, SOURCES, blob_at, unpack
from livecomposer.instrument.replay import replay
from livecomposer.instrument.ring import Kind, RingReader, RingWriter, create
from livecomposer.midi.profiles import Control, Profile
from livecomposer.ratings import taste
from livecomposer.settings import ROLES
from tests.instrument.rig import EIGHTH, MS, QUARTER, THIRD, credited, feed, keys, performance

HOUR = 3_600_000


@pytest.fixture
def ring():
    memory = create(1 << 14)
    yield memory
    memory.close()
    memory.unlink()


def solo(at_ms=6000, **given_):
    p = Performance(Settings(role="solo", tempo=120.0, seed=7, **given_))
    p.advance(at_ms * MS)
    return p


def after(*presses, at_ms=6000):
    """The snapshot after presses (ms, value) on the keys, all taken at ``at_ms``."""
    p = solo(at_ms)
    for t, value in presses:
        p.rate(t * MS, value, at_ms * MS, "keys")
    return p.snapshot()


def test_fifty_presses_a_second_are_one():
    presses = [(5000 + 20 * i, 0.5) for i in range(50)]
    assert after(*presses) == after((5000, 0.5)) != after()


def test_a_thousand_at_the_same_time_are_one_of_a_key_and_a_thousand_of_a_program():
    assert after(*[(5000, -0.5)] * 1000) == after((5000, -0.5))
    p = solo()
    for _ in range(1000):
        p.rate(5000 * MS, -0.5, 6000 * MS)
    assert p.learning.ratings == 1000
    assert np.isfinite(p.learning.taste.weights).all()
    assert len(p.advance(20_000 * MS)) > 20  # it goes on playing


def test_a_wheel_on_its_way_counts_as_far_as_it_went():
    assert after((5000, 0.1), (5020, 0.5), (5040, 0.9), (5060, 0.4), (5080, 0.0)) == after((5000, 0.9))


def test_a_repeated_press_strengthens_the_first():
    """Again on the same notes, the delay counted from the first press; what comes later is about other notes."""
    p = performance("solo", rhythm=(EIGHTH,))
    p.advance(5000 * MS)
    p.rate(4500 * MS, 0.5, 5000 * MS, "keys")
    once = credited(p, 1)
    p.rate(4700 * MS, 0.5, 5000 * MS, "keys")
    assert credited(p, 1) == pytest.approx([2 * x for x in once])
    p.rate(4900 * MS, 0.5, 5000 * MS, "keys")
    assert credited(p, 1) == pytest.approx([3 * x for x in once])
    other = performance("solo", rhythm=(EIGHTH,))
    other.advance(5000 * MS)
    other.rate(3500 * MS, 0.5, 5000 * MS, "keys")
    first = credited(other, 1)
    other.rate(4400 * MS, 0.5, 5000 * MS, "keys")  # within a second, but on others
    second = np.subtract(credited(other, 1), first)
    assert (int(np.argmax(first)), int(np.argmax(second))) == (11, 14)


def test_the_other_sign_on_the_same_notes_corrects():
    assert after((5000, 0.5), (5400, -0.5)) == after((5000, -0.5))
    p = solo()
    for t, value in ((5000, 0.5), (5400, -0.5)):
        p.rate(t * MS, value, 6000 * MS, "keys")
    p.undo_rating(6000 * MS)
    assert p.snapshot() == after()  # the slip has gone with what corrected it


@pytest.mark.parametrize("agent", ["dyna-q", "q"])
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((1.0, 0.5, -0.5, 0.3, 0.0)), st.integers(0, 900)), max_size=12))
def test_undo_is_exact_whatever_the_presses_were_to_each_other(agent, presses):
    """A press that stands for another one is taken back together with it; one that bounced was none."""
    p = solo(agent=agent)
    history, t = [], 2000
    for value, gap in presses:
        t = min(t + gap, 6000)
        state, n = _learnt(p), len(p.learning._given)
        p.rate(t * MS, value, 6000 * MS, "keys")
        history += [state] * (len(p.learning._given) - n)
    for state in reversed(history):
        p.undo_rating(6000 * MS)
        assert _learnt(p) == state
    assert _learnt(p) == _learnt(solo(agent=agent))


def _learnt(p):
    learning = p.learning
    rewards = [table.reward.tobytes() for table in learning.steps]
    return p.snapshot(), rewards, learning.meaning.habit.share, learning._pressed_ns


@pytest.mark.parametrize("value", [0.5, -0.5])
@pytest.mark.parametrize("agent", ["dyna-q", "q"])
def test_the_press_after_an_undo_is_one_of_its_own(agent, value):
    p, fresh = solo(agent=agent), solo(agent=agent)
    p.rate(5000 * MS, 0.5, 6000 * MS, "keys")
    p.undo_rating(6000 * MS)
    for each in (p, fresh):
        each.rate(5300 * MS, value, 6000 * MS, "keys")
    assert _learnt(p) == _learnt(fresh)


def test_an_undo_of_what_reached_nothing_takes_no_other_rating_back():
    p = solo()
    p.rate(5000 * MS, 0.5, 6000 * MS)
    taught = p.snapshot()
    p.rate(-900 * MS, 0.5, 6000 * MS)  # before the first note
    p.undo_rating(6000 * MS)
    assert p.snapshot() == taught
    p.undo_rating(6000 * MS)
    assert p.snapshot() == after()


@pytest.mark.parametrize("role", ["solo", "harmonize"])
def test_a_panic_ends_the_phrase_that_is_judged(role):
    p = performance(role)
    feed(p, (3000, "90 3c 50")) if role == "harmonize" else p.advance(4100 * MS)
    p.command(4100 * MS, "panic")
    assert p.learning.meaning.phrases.now.end_ns == 4100 * MS


# ---- strength ----------------------------------------------------------------------------------------------------


def test_a_pad_is_ranked_and_a_program_is_not():
    profile = Profile("pads", "pads", (), controls=(Control("note_on", 9, 36, "rate_up"),))
    p = performance("solo", more={"profile": profile}, agent="q")
    given_ = []
    give = p.learning.credit.give
    p.learning.credit.give = lambda reached, value: given_.append(value) or give(reached, value)
    for i in range(30):
        feed(p, (1500 * (i + 1), f"99 24 {20 + i:02x}"), (1500 * (i + 1) + 50, "89 24 00"))
    assert given_[:5] == [0.25 + 0.75 * (20 + i) / 127 for i in range(5)]  # as they are
    assert given_[-1] == pytest.approx((59 / 60) * 25 / 30 + (0.25 + 0.75 * 49 / 127) * 5 / 30)
    for i in range(30):
        p.rate((60_000 + 1500 * i) * MS, 0.01 * i)
    assert given_[30:] == [0.01 * i for i in range(30)]


def test_no_press_is_compared_with_what_was_taken_back():
    def strength(taken_back):
        learning, midi, t = solo().learning, SOURCES.index("midi"), 0
        for value in (*(0.2 + 0.01 * i for i in range(12)), *(0.9 for _ in range(taken_back))):
            t += 1500 * MS
            learning.rate(t, t, value, midi, False, 0)
        for _ in range(taken_back):
            assert learning.undo()
        return learning.rate(t + 1500 * MS, t + 1500 * MS, 0.5, midi, False, 0).strength

    assert strength(8) == strength(0) != 0.5


# ---- what it concerns --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("about", "head"), [("rhythm", 0), ("notes", 1), ("chords", 2)])
def test_hold_and_rate(about, head):
    """By control, by command and by keyword alike; without one, all three."""
    control = Control("note_on", -1, 21, f"about_{about}")
    ways = []
    for way in range(3):
        p = performance("solo", more={"profile": Profile("p", "keyboard", (), controls=(control,))})
        p.advance(3000 * MS)
        if way == 0:
            feed(p, (3000, "90 15 40"))
            p.rate(3000 * MS, 1.0)
            feed(p, (3000, "80 15 40"))
        elif way == 1:
            p.command(3000 * MS, f"about_{about}")
            p.rate(3000 * MS, 1.0)
            p.command(3000 * MS, f"about_{about}")
        else:
            p.rate(3000 * MS, 1.0, about=about)
        ways.append([credited(p, h) for h in range(3)])
        assert p.learning.about == set()
        p.rate(3000 * MS, 1.0)
        assert all(sum(credited(p, h)) > 0.9 for h in range(3))
    assert ways[0] == ways[1] == ways[2]
    assert [sum(rewards) > 0.9 for rewards in ways[0]] == [h == head for h in range(3)]


@pytest.mark.parametrize("about", ["rhythm", "notes", "chords"])
def test_what_is_held_is_corrected_and_repeated_like_everything(about):
    for value, n in ((-0.5, 1), (0.5, 2)):
        p = solo()
        for t, pressed in ((5000, 0.5), (5400, value)):
            p.rate(t * MS, pressed, 6000 * MS, "keys", about)
        assert p.learning.taste.n == n
        rated, again = p.learning.taste.state()["x"][:2]
        assert value < 0.0 or (rated == again).all()  # about what the first was about


def test_a_slip_is_put_right_whatever_the_two_presses_are_taken_for():
    """A like and .2 s later a dislike, around the end of a phrase: the one is about a moment, the other may be taken
    for a verdict on the phrase."""
    mixed = 0
    for ms in range(7000, 9000, 50):
        p = solo(ms + 300)
        p.rate(ms * MS, 0.5, None, "keys")
        one = p.learning.meaning.of(ms * MS, p.part.phrase_over()).phrase
        two = p.learning.meaning.of((ms + 200) * MS, p.part.phrase_over()).phrase
        mixed += (one is None) != (two is None)
        p.rate((ms + 200) * MS, -0.5, None, "keys")
        assert p.learning.taste.state()["y"][: p.learning.taste.n].tolist() == [-0.5]
    assert mixed


def test_a_rating_that_cannot_be_holds_nothing():
    p = solo()
    with pytest.raises(SettingsError, match="source = 'foot' is not one of api, keys, midi, page, virtual"):
        p.rate(5000 * MS, 0.5, None, "foot", "notes")
    p.rate(5000 * MS, math.nan, None, "keys", "notes")
    assert p.learning.about == set() and p.learning.taste.n == 0


def test_a_lost_input_lets_go_of_what_was_held():
    control = Control("control_change", -1, 20, "about_notes")
    p = performance("solo", more={"profile": Profile("p", "keyboard", (), controls=(control,))})
    feed(p, (100, "b0 14 7f"))
    assert p.learning.about == {1}
    p.command(200 * MS, "in_lost")
    assert p.learning.about == set()
    with pytest.raises(SettingsError, match="about_form"):
        p.rate(300 * MS, 1.0, about="form")


def test_in_harmonize_a_rating_concerns_harmony_only():
    p = performance("harmonize", harmony=(THIRD,))
    keys(p, *((500 * i, 500 * i + 300, 60 + i) for i in range(8)))
    p.rate(4000 * MS, 1.0)
    assert [p.learning.steps[head].n for head in range(3)] == [0, 0, 8]
    assert sum(credited(p, 2)) > 0.9


# ---- forgetting --------------------------------------------------------------------------------------------------


def test_forget_is_as_many_undos_as_there_were_ratings_in_30_s():
    p, twin = solo(80_000), solo(80_000)
    for i in range(8):
        for one in (p, twin):
            one.rate((80_000 + 7000 * i) * MS, 0.5 - 0.2 * i, None, "keys")
    p.command(130_000 * MS, "forget")
    for _ in range(5):  # pressed at 101, 108, 115, 122 and 129 s
        twin.command(130_000 * MS, "undo")
    assert p.snapshot() == twin.snapshot()
    assert p.learning.taste.n == 3
    p.command(HOUR * MS, "forget")
    assert p.learning.taste.n == 3


# ---- bad ratings -------------------------------------------------------------------------------------------------


def test_before_any_note_it_is_counted_and_teaches_nothing():
    p = performance("harmonize")
    before = p.snapshot()
    p.rate(100 * MS, 1.0, None, "keys")
    assert (p.learning.ratings, p.snapshot()) == (1, before)


def test_from_the_future_is_now():
    p, twin = solo(), solo()
    p.rate(HOUR * MS, 1.0, 6000 * MS, "keys")
    twin.rate(6000 * MS, 1.0, 6000 * MS, "keys")
    assert p.snapshot() == twin.snapshot()


def test_older_than_a_minute_is_ignored_and_said_once(ring):
    p = Performance(Settings(role="solo", tempo=120.0, seed=7), ring=RingWriter(ring.buf, 1 << 14))
    p.advance(90_000 * MS)
    before = p.snapshot()
    for _ in range(3):
        p.rate(29_000 * MS, 1.0, 90_000 * MS, "page")
    assert (p.snapshot(), p.learning.ratings) == (before, 0)
    p.rate(30_000 * MS, 1.0, 90_000 * MS, "page")
    assert p.learning.ratings == 1
    records = RingReader(ring.buf).read(1 << 14)
    said = [blob_at(records, i).decode() for i, record in enumerate(records) if record.kind == Kind.STATUS]
    assert said == [
        "A rating came more than a minute after it was pressed and was not used; check the clock of what sent it."
    ]


def test_the_player_is_told_that_the_taste_seems_to_have_changed(ring, monkeypatch):
    p = Performance(Settings(role="solo", tempo=120.0, seed=7), ring=RingWriter(ring.buf, 1 << 14))
    p.advance(20_000 * MS)
    monkeypatch.setattr(taste, "DOUBT", -1.0)  # every rating shows it
    p.rate(20_000 * MS, 1.0, source="page")
    records = RingReader(ring.buf).read(1 << 14)
    said = [blob_at(records, i).decode() for i, record in enumerate(records) if record.kind == Kind.STATUS]
    assert said == ["Your taste seems to have changed: what was learnt before counts little now; undo if it has not."]


def test_while_held_nothing_is_heard_nor_remembered():
    p, twin = solo(), solo()
    p.freeze(True)
    p.rate(6000 * MS, 1.0, None, "keys")
    p.freeze(False)
    for one in (p, twin):
        one.rate(6300 * MS, -1.0, None, "keys")  # corrects nothing
    assert p.snapshot() == twin.snapshot()
    assert p.learning.ratings == 1


def test_while_held_each_press_is_answered(ring):
    p = Performance(Settings(role="solo", tempo=120.0, seed=7, held=True), ring=RingWriter(ring.buf, 1 << 14))
    p.advance(6000 * MS)
    for ms in (6000, 6020, 6999, 7000):  # at most once a second: it may be a wheel
        p.rate(ms * MS, 1.0, None, "keys")
    records = RingReader(ring.buf).read(1 << 14)
    said = [blob_at(records, i).decode() for i, record in enumerate(records) if record.kind == Kind.STATUS]
    assert said == ["HELD: your rating teaches nothing; let it learn again first."] * 2


def test_while_held_nothing_else_is_tried():
    p = solo()
    p.rate(5500 * MS, 1.0, 6000 * MS)
    p.freeze(True)
    draw, phrase = p.learning.draw().tolist(), p.line.phrase
    p.advance(40_000 * MS)
    assert p.line.phrase > phrase + 2 and p.learning.draw().tolist() == draw
    p.freeze(False)
    p.advance(60_000 * MS)
    assert p.learning.draw().tolist() != draw


def test_during_a_change_of_role_it_is_about_what_was_heard():
    """0.3 s after the line was cut short by a change to harmonize: a verdict on what there was of it."""
    p = performance("solo", rhythm=(QUARTER,))
    p.advance(4100 * MS)
    p.command(4100 * MS, "role", "harmonize")
    p.rate(4400 * MS, 1.0)
    assert credited(p, 1) == [0.3] * 9
    assert p.learning.meaning.phrases.now.end_ns == 4100 * MS


anything = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from((1.0, 0.5, -0.5, -1.0)), st.floats(-1, 1)
)
bad = st.tuples(
    st.just("rate"), anything, st.integers(-90_000, 5_000), st.sampled_from(("api", "keys", "page", "virtual"))
)
does = st.one_of(
    bad, bad, bad,
    st.tuples(st.just("role"), st.sampled_from(ROLES)),
    st.tuples(st.just("command"), st.sampled_from(
        ("undo", "forget", "held", "panic", "about_rhythm", "about_notes", "about_chords", "in_lost")
    )),
    st.tuples(st.just("key"), st.integers(36, 84)),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), does), max_size=40), st.sampled_from(ROLES), st.booleans())
def test_no_rating_is_too_bad(events, role, fast):
    """Whatever comes whenever: it plays on, knows only finite numbers, undoes to the beginning, and replays."""
    memory = create(1 << 14)
    try:
        sent, p = _evening(events, role, fast, memory)
        assert all(np.isfinite(array).all() for kept in p.learning.kept for array in kept.state().values())
        assert 0.0 < p.learning.meaning.habit.share < 1.0
        assert replay(RingReader(memory.buf).read(1 << 14)) == sent
        p.freeze(False)
        while p.learning.undo():
            pass
        assert p.learning.taste.n == 0 and not p.learning.taste.mean.any()
    finally:
        memory.close()
        memory.unlink()


def _evening(events, role, fast, memory: SharedMemory):
    p = Performance(Settings(role=role, tempo=120.0, seed=7), ring=RingWriter(memory.buf, 1 << 14))
    t, sent = 0, []
    for gap, (what, *how) in events:
        t += gap // 100 if fast else gap
        if what == "rate":
            value, late, source = how
            p.rate((t + late) * MS, value, t * MS, source)
        elif what == "role":
            p.command(t * MS, "role", *how)
        elif what == "command":
            p.command(t * MS, *how)
        else:
            keys(p, (t, t + 1, *how))
            t += 1
    p.release((t + 500) * MS)
    return sent + p.advance((t + 500) * MS), p


def test_what_bounced_is_on_the_ring_and_changes_nothing_there(ring):
    p = Performance(Settings(role="solo", tempo=120.0, seed=7), ring=RingWriter(ring.buf, 1 << 14))
    p.advance(6000 * MS)
    for t, value in ((5000, 0.5), (5030, 0.5), (5050, 0.9), (5500, -0.5)):
        p.rate(t * MS, value, 6000 * MS, "keys")
    ratings = [unpack(r) for r in RingReader(ring.buf).read(1 << 14) if r.kind == Kind.RATING]
    keys_ = SOURCES.index("keys")
    assert [(t // MS, number, source, value) for t, number, source, value, _ in ratings] == [
        (5000, 0, keys_, 0.5), (5030, 0, keys_, 0.5), (5050, 0, keys_, 0.9), (5500, 0, keys_, -0.5),
    ]  # fmt: skip
    assert [phrase == SAME_PRESS for *_, phrase in ratings] == [False, True, False, False]
    assert math.isclose(p.learning._given[-1].t_pressed / MS, 5500)


def test_commands_are_only_ever_appended():
    assert COMMANDS[:24] == (
        "role", "key", "tempo", "held", "mute", "level", "adventure", "click", "tap", "end", "panic", "undo",
        "key_next", "in_lost", "out_lost", "outside", "ab", "ab_a", "ab_b", "ab_none", "forget", "about_rhythm",
        "about_notes", "about_chords",
    )  # fmt: skip
