"""Back to the start, and on to another taste: exactly, whatever is in flight, and nothing of the one in the other."""

import random
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer import Performance, Settings
from livecomposer.agents.model import pack, unpack
from livecomposer.errors import ForeignTaste, SettingsError, TasteError
from livecomposer.instrument.records import BROUGHT_BACK, CHANGED, RESTORED, Recorder
from livecomposer.instrument.records import unpack as fields
from livecomposer.instrument.ring import Kind, Record, RingReader, RingWriter, size_of
from livecomposer.midi.profiles import Control, Profile
from livecomposer.settings import AGENTS
from tests.instrument.rig import MS
from tests.instrument.test_replay import Later

S = 1000 * MS
CAPACITY = 1 << 15


def rated(p, n, seed=0, t=None):
    """``n`` ratings, one every 700 ms from now (or ``t``) on."""
    rng = random.Random(seed)
    for _ in range(n):
        t = p.now_ns + 700 * MS
        p.rate(t, rng.uniform(-1.0, 1.0))
    return p


def learnt(n, seed=0, agent="dyna-q"):
    return rated(Performance(Settings(role="solo", seed=seed, agent=agent)), n, seed).snapshot()


def standing(p):
    """All that it goes on from: the file, the plan, and what is played for now."""
    taste = p.learning.taste
    futures = [getattr(agent, "future", None) for agent in p.learning.agents]
    played = () if taste is None else (taste.mean.tobytes(), taste.weights.tobytes())
    return p.snapshot(), [None if f is None else f.tobytes() for f in futures], played


MINE, OTHER = learnt(12, 1), learnt(20, 2)


def test_restore_goes_back_exactly_and_again_brings_back_exactly():
    p = Performance(Settings(role="solo", seed=3), snapshot=MINE)
    start = p.learning.keep()
    assert p.snapshot() == MINE
    rated(p, 7)
    before = p.learning.keep()
    learnt_since = p.snapshot()
    p.command(p.now_ns, "restore")
    assert p.snapshot() == MINE != learnt_since
    assert same(p.learning.keep().kept[3], start.kept[3])
    p.undo_rating()
    assert p.snapshot() == MINE  # what was rated before is not there to be taken back
    p.command(p.now_ns, "restore")
    assert p.snapshot() == learnt_since
    assert same(p.learning.keep().kept[3], before.kept[3])
    for _ in range(7):
        assert p.learning.undo()
    assert not p.learning.undo()
    assert p.learning.taste.n == 12


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("what", ["taste", "restore"])
def test_what_was_heard_before_is_no_silence_to_what_stands_now(what):
    """Where nothing has been pressed yet, nobody may have been judging."""
    p = Performance(Settings(role="solo", tempo=120.0, seed=7))
    p.advance(4 * S)
    p.rate(4 * S, 0.5)
    p.advance(12 * S)
    if what == "taste":
        p.change_taste(12 * S, None)
    else:
        p.command(12 * S, "restore")
    for t in (14, 20):
        p.advance(t * S)
        p.rate(t * S, 0.5)
    assert p.learning.taste.n == 2
    assert [row.any() for row in p.learning.taste.state()["silent"][:2]] == [False, True]


def test_what_was_rated_since_makes_it_go_back_once_more():
    p = rated(Performance(Settings(role="solo", seed=3), snapshot=MINE), 3)
    p.command(p.now_ns, "restore")
    rated(p, 2)
    since = p.snapshot()
    p.command(p.now_ns, "restore")
    assert p.snapshot() == MINE
    p.command(p.now_ns, "restore")
    assert p.snapshot() == since


def test_what_is_played_after_restore_is_what_the_start_would_play():
    """The plan in use is that of the start: the same as of one who began with it, but for chance."""
    p = rated(Performance(Settings(role="solo", seed=3), snapshot=MINE), 9)
    p.command(p.now_ns, "restore")
    fresh = Performance(Settings(role="solo", seed=3), snapshot=MINE)
    assert np.array_equal(p.learning.taste.mean, fresh.learning.taste.mean)
    assert np.array_equal(p.learning.taste.weights, fresh.learning.taste.weights)
    assert not np.array_equal(fresh.learning.taste.mean, np.zeros_like(fresh.learning.taste.mean))


@pytest.mark.parametrize("agent", ["dyna-q", "q"])
def test_another_taste_is_taken_up_whole_and_the_first_is_as_it_was_left(agent):
    mine, other = learnt(12, 1, agent), learnt(20, 2, agent)
    p = rated(Performance(Settings(role="solo", seed=3, agent=agent), snapshot=mine), 4)
    left = p.snapshot()
    p.change_taste(p.now_ns, other)
    assert p.snapshot() == other
    p.undo_rating()
    assert p.snapshot() == other  # the ratings of the first are not its own
    rated(p, 3)
    p.command(p.now_ns, "restore")
    assert p.snapshot() == other  # it is what one returns to now
    p.change_taste(p.now_ns, left)
    assert p.snapshot() == left
    p.change_taste(p.now_ns, None)
    assert p.snapshot() == Performance(Settings(role="solo", seed=0, agent=agent)).snapshot()


def test_a_change_reaches_the_plan_within_two_beats():
    p = Performance(Settings(role="solo", seed=3, tempo=120.0), snapshot=MINE)
    p.advance(4 * S)
    planned = list(p.line.events)
    p.change_taste(4 * S, OTHER)
    p.advance(4 * S + 1100 * MS)
    kept = [event for event in p.line.events if any(event is was for was in planned)]
    assert planned and not kept


def test_what_is_made_ready_is_planned_on_what_is_known_and_not_on_what_is_tried():
    ready = Performance(Settings(role="solo", seed=3, adventure=0.9)).standby.ready(OTHER)
    plain = Performance(Settings(role="solo", seed=5, adventure=0.0), snapshot=OTHER)
    for (future, _), agent in zip(ready.kept[:3], plain.learning.agents, strict=True):
        np.testing.assert_array_equal(future, agent.future)
        assert future.any()


def test_what_cannot_be_used_changes_nothing():
    p = rated(Performance(Settings(role="solo", seed=3), snapshot=MINE), 2)
    before = standing(p)
    arrays, meta = unpack(OTHER)
    odd = arrays["taste.y"].copy()
    odd[3] = 7.0
    for data, error in (
        (OTHER[:-30], TasteError),
        (pack(arrays, {**meta, "agent": "q"}), ForeignTaste),
        (pack(arrays, {**meta, "agent": "zeta"}), ForeignTaste),
        (pack({**arrays, "taste.y": odd}, meta), TasteError),
        (pack(arrays, {**meta, "layout": 1}), ForeignTaste),
        (pack(arrays, {**meta, "version": 2}), ForeignTaste),
    ):
        with pytest.raises(error):
            p.change_taste(p.now_ns, data)
        assert standing(p) == before
    p.standby.ready(MINE)
    p.change_taste(p.now_ns, OTHER)  # and what was made ready, or tried in vain, leaves no trace
    fresh = Performance(Settings(role="solo", seed=3))
    fresh.change_taste(0, OTHER)
    assert p.snapshot() == fresh.snapshot() == OTHER
    assert standing(p)[1] == standing(fresh)[1]


def test_a_result_for_the_taste_that_was_left_is_not_taken():
    learner = Later()
    p = Performance(Settings(role="solo", seed=3), snapshot=MINE, learner=learner)
    p.advance(5 * S)
    p.rate(5 * S, 1.0)
    [job] = learner.jobs
    p.change_taste(5 * S, OTHER)
    planned = standing(p)[1]
    assert p.learning.busy and len(learner.jobs) == 1  # one at a time
    p.adopt(5 * S + MS, job.number, job.run())
    assert standing(p)[1] == planned
    p.adopt(5 * S + 2 * MS, learner.jobs[1].number, learner.jobs[1].run())
    assert standing(p)[1] != planned and not p.learning.busy


def test_what_is_recorded():
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    p = Performance(Settings(role="solo", seed=3), snapshot=MINE, ring=RingWriter(buffer, CAPACITY))
    p.command(1 * S, "taste")
    p.command(2 * S, "taste", "ann")
    p.command(3 * S, "taste", 2)
    p.change_taste(4 * S, p.standby.ready(OTHER, 5))
    p.command(5 * S, "restore")
    p.command(6 * S, "restore")
    p.change_taste(7 * S, None)
    records = RingReader(buffer).read(CAPACITY)
    found = [(r.t_ns // S, *fields(r)) for r in records if r.kind in (Kind.TASTE, Kind.COMMAND)]
    assert found == [
        (1, "taste", None), (2, "taste", "ann"), (3, "taste", 2.0), (4, CHANGED, 5, crc32(OTHER), "dyna-q"),
        (5, "restore", None), (5, RESTORED, 0, 0, "dyna-q"), (6, "restore", None), (6, BROUGHT_BACK, 0, 0, "dyna-q"),
        (7, CHANGED, 0, 0, "dyna-q"),
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["", "x" * 32, "é" * 16, -1, 0.5, True, float("nan")])
def test_a_taste_that_cannot_be_asked_for(value):
    with pytest.raises(SettingsError, match="taste = "):
        Performance(Settings(role="solo", seed=1)).command(0, "taste", value)


def test_controls_ask_for_a_taste_and_only_programs_of_the_range_do():
    profile = Profile("x", "keyboard", (), controls=(
        Control("program_change", 0, 8, "taste", low=8.0, high=11.0), Control("note_on", 9, 36, "taste"),
    ))  # fmt: skip
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    p = Performance(Settings(role="solo", seed=3), profile=profile, ring=RingWriter(buffer, CAPACITY))
    for i, msg in enumerate((b"\xc0\x07", b"\xc0\x08", b"\xc0\x0b", b"\xc0\x0c", b"\xc1\x09", b"\x99\x24\x40")):
        p.receive(i * MS, msg)
    asked = [fields(r) for r in RingReader(buffer).read(CAPACITY) if r.kind == Kind.DONE]
    assert asked == [("taste", 0.0), ("taste", 3.0), ("taste", None)]
    passed = [msg for _, msg in p.advance(10 * MS) if msg[0] & 0xF0 == 0xC0]
    assert passed == [b"\xc0\x07", b"\xc0\x0c", b"\xc1\x09"]


def test_on_stage_it_starts_held():
    stage, plain = (Performance(Settings(role="solo", seed=3, stage=on), snapshot=MINE) for on in (True, False))
    assert (stage.learning.held, plain.learning.held) == (True, False)
    assert stage.advance(9 * S) == Performance(Settings(role="solo", seed=3, held=True), snapshot=MINE).advance(9 * S)
    rated(stage, 3)
    assert stage.snapshot() == MINE


# ---- another agent ---------------------------------------------------------------------------------------------------


def test_a_taste_brings_its_agent_and_each_goes_on_as_it_was_left():
    mine, other = learnt(9, 1), learnt(8, 2, "q")
    p = rated(Performance(Settings(role="solo", seed=3), snapshot=mine), 4)
    left = p.snapshot()
    p.change_taste(p.now_ns, other)
    assert (p.standby.agent, p.learning.taste, p.snapshot()) == ("q", None, other)
    assert p.learning.undoable == 0
    rated(p, 5)
    assert p.learning.undoable == 5 and p.snapshot() != other
    p.command(p.now_ns, "restore")
    assert p.snapshot() == other
    p.change_taste(p.now_ns, left)
    assert (p.standby.agent, p.learning.taste.n, p.snapshot()) == ("dyna-q", 13, left)
    assert np.array_equal(standing(p)[2][0], standing(Performance(Settings(role="solo"), snapshot=left))[2][0])


@pytest.mark.parametrize("agent", AGENTS)
def test_every_agent_takes_over_in_mid_phrase_without_losing_a_note(agent):
    """What is planned for this beat and the next sounds as it was planned; then the new one plays, and learns."""
    stay, change = (Performance(Settings(role="solo", seed=3, tempo=120.0), snapshot=MINE) for _ in range(2))
    before = [p.advance(4100 * MS) for p in (stay, change)]
    change.change_taste(4100 * MS, None, agent=agent)
    planned = stay.line.events[:1]
    assert before[0] == before[1] and planned
    soon = [p.advance(4400 * MS) for p in (stay, change)]
    assert soon[0] == soon[1] and any(m[0] & 0xF0 == 0x90 for _, m in soon[1])
    out = change.advance(30 * S)
    assert sum(m[0] & 0xF0 == 0x90 and m[2] > 0 for _, m in out) > 15
    before = change.snapshot()
    rated(change, 3)
    assert change.learning.undoable == 3
    assert unpack(before)[1]["agent"] == unpack(change.snapshot())[1]["agent"] == agent
    for _ in range(3):
        change.undo_rating()
    after = change.snapshot()
    rated(change, 3)
    assert told(change.snapshot()) != told(after)  # it learns from what it has played
    change.release(change.now_ns)
    assert change.voices.sounding() == []


def test_steps_are_numbered_on_and_notes_of_before_have_none():
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    p = Performance(Settings(role="solo", seed=3, tempo=120.0), snapshot=MINE, ring=RingWriter(buffer, CAPACITY))
    p.advance(4100 * MS)
    p.change_taste(4100 * MS, None, agent="q")
    p.advance(12 * S)
    records = RingReader(buffer).read(CAPACITY)
    decided = [fields(r)[3] for r in records if r.kind == Kind.DECISION and fields(r)[0] == 0]
    assert decided == list(range(len(decided)))  # of the rhythm head
    notes = [(r.t_ns, fields(r)[1]) for r in records if r.kind == Kind.OUTPUT and fields(r)[3][0] & 0xF0 == 0x90]
    old = [step for t, step in notes if t > 4100 * MS and step < 0]
    assert old and {step for _, step in notes if step >= 0} <= set(decided)
    steps = [step for t, step in notes if t > 4100 * MS]
    assert steps[: len(old)] == old  # all of the plan that was left, and nothing later


def test_steps_are_numbered_on_beside_the_same_agent():
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    p = Performance(Settings(role="solo", seed=3, agent="q"), ring=RingWriter(buffer, CAPACITY))
    for second, change in ((4, "taste"), (8, "restore"), (12, "restore")):
        p.advance(second * S)
        p.rate(second * S, 1.0)
        p.change_taste(p.now_ns, None) if change == "taste" else p.command(p.now_ns, change)
    p.advance(16 * S)
    decided = [fields(r) for r in RingReader(buffer).read(CAPACITY) if r.kind == Kind.DECISION]
    for head in range(3):
        steps = [found[3] for found in decided if found[0] == head]
        assert steps == list(range(len(steps))) and len(steps) > 10


@pytest.mark.parametrize(("first", "then"), [("dyna-q", "q"), ("q", "ppo"), ("q", "dyna-q")])
def test_who_takes_over_tries_as_much_as_the_player_has_set(first, then):
    p = Performance(Settings(role="solo", seed=3, agent=first, adventure=0.9))
    p.command(0, "adventure", 0.1)
    p.change_taste(0, None, agent=then)
    fresh = Performance(Settings(role="solo", seed=3, agent=then, adventure=0.1))
    heads = [each.learning.agents[1] for each in (p, fresh)]
    n = heads[0].spec.n_actions
    features, mask = np.ones(heads[0].n_features, dtype=np.float32), np.ones(n, dtype=np.uint8)
    draws = [[head.act(0, features, mask, np.linspace(0.0, 2.0, n), np.zeros(n)) for _ in range(200)] for head in heads]
    assert draws[0] == draws[1]
    if then == "dyna-q":
        assert p.learning.taste.daring == fresh.learning.taste.daring


def test_traces_do_not_reach_from_one_taste_into_another():
    p = Performance(Settings(role="solo", seed=3, agent="q-lambda"))
    table = p.learning.agents[1].table
    table.update(3, 2, 1.0, 4, 1, np.ones(table.q.shape[1], dtype=np.uint8))
    assert table.active[0] == 1 and table.trace.any()
    p.change_taste(0, None)
    assert table.active[0] == 0 and not table.trace.any()


@pytest.mark.parametrize(
    ("agent", "name"), [("ppo", "updates"), ("dqn", "updates"), ("a2c", "squares"), ("reinforce", "moments")]
)
def test_numbers_that_a_network_cannot_have_are_refused(agent, name):
    p = Performance(Settings(role="solo", seed=3, agent=agent))
    arrays, meta = unpack(p.snapshot())
    arrays[f"melody.{name}"] = arrays[f"melody.{name}"] - 1
    with pytest.raises(TasteError, match="numbers that cannot be"):
        p.change_taste(0, pack(arrays, meta))


def test_takes_of_before_named_no_agent():
    record = Record(0, 0, Kind.TASTE, bytes([CHANGED]) + (2).to_bytes(4, "little") + (3).to_bytes(4, "little"))
    assert fields(record) == (CHANGED, 2, 3, None)


def test_a_key_struck_before_it_begins_is_answered():
    """The instrument begins a little ahead of now."""
    p = Performance(Settings(role="harmonize", seed=3), start_ns=10 * S)
    p.receive(10 * S - 50 * MS, b"\x90\x43\x50")
    assert sum(m[0] & 0xF0 == 0x90 for _, m in p.advance(10 * S)) > 1


def test_a_switch_in_flight_leaves_the_old_job_aside():
    learner = Later()
    p = Performance(Settings(role="solo", seed=3), snapshot=MINE, learner=learner)
    p.advance(5 * S)
    p.rate(5 * S, 1.0)
    [job] = learner.jobs
    p.change_taste(5 * S, None, agent="ppo")
    first = p.snapshot()
    p.adopt(5 * S + MS, job.number, job.run())
    assert p.snapshot() == first


def test_what_was_made_ready_beside_another_agent_is_refused():
    p = Performance(Settings(role="solo", seed=3), snapshot=MINE)
    ready = p.standby.ready(OTHER)
    p.change_taste(0, None, agent="q")
    before = p.snapshot()
    with pytest.raises(TasteError, match="made ready while dyna-q played, and q plays now"):
        p.change_taste(0, ready)
    assert p.snapshot() == before
    with pytest.raises(SettingsError, match="did you mean 'ppo'"):
        p.change_taste(0, None, agent="poo")


@pytest.mark.parametrize("value", ["", "zeta", 1, True])
def test_an_agent_that_cannot_be_asked_for(value):
    with pytest.raises(SettingsError, match="agent"):
        Performance(Settings(role="solo", seed=1)).command(0, "agent", value)


steps = st.lists(
    st.sampled_from(["rate", "rate", "undo", "restore", "restore", "mine", "other", "new", "play"]), max_size=14
)


@given(steps)
@settings(max_examples=25, deadline=None)
def test_any_order_against_a_plain_model(steps):
    """The model keeps whole files: what is there, what it began with, what was put away, and a stack to undo with."""
    p = Performance(Settings(role="solo", seed=3, adventure=0.0), snapshot=MINE)
    new = Performance(Settings(role="solo", seed=0)).snapshot()
    now, start, away, stack = MINE, MINE, None, []
    for i, step in enumerate(steps):
        if step == "rate":
            t = p.now_ns + 500 * MS
            p.advance(t)
            before = p.snapshot()
            p.rate(t, (-1.0) ** i * 0.7)
            stack.append(before)
            now = p.snapshot()
        elif step == "undo":
            p.undo_rating()
            now = stack.pop() if stack else now
        elif step == "play":
            p.advance(p.now_ns + 300 * MS)
        elif step == "restore":
            if away is not None and not stack:
                (now, stack), away = away, None
            else:
                away, now, stack = (p.snapshot(), stack), start, []
            p.command(p.now_ns, "restore")
        else:
            now = start = {"mine": MINE, "other": OTHER, "new": new}[step]
            p.change_taste(p.now_ns, None if step == "new" else now)
            away, stack = None, []
        assert told(p.snapshot()) == told(now), (i, steps)


def told(data):
    """What a file says but for the draw, which changes with each phrase."""
    arrays = unpack(data)[0]
    return {name: array.tobytes() for name, array in arrays.items() if not name.endswith((".z", ".before"))}


def test_without_a_ring_it_works_as_well():
    assert Recorder(None).taste(0, CHANGED, 1, 2, "q") is None
