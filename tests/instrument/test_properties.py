"""What holds for any performance: time may be advanced in any portions, and nothing sounds after the end."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer import Performance, Settings
from livecomposer.settings import ROLES
from tests.instrument.rig import MS, unfinished

notes = st.integers(55, 67)
commands = st.one_of(
    st.tuples(st.just("role"), st.sampled_from((None, *ROLES))),
    st.tuples(st.just("key"), st.sampled_from(("D dorian", "F# major", "C 0"))),
    st.tuples(st.just("tempo"), st.floats(30, 300)),
    st.tuples(st.sampled_from(("held", "mute", "click")), st.sampled_from((None, 0, 1))),
    st.tuples(st.sampled_from(("adventure", "level")), st.floats(0, 1)),
    st.tuples(st.sampled_from(("tap", "end", "undo", "panic", "key_next", "in_lost", "out_lost")), st.none()),
    st.tuples(st.sampled_from(("ab", "ab_a", "ab_b", "ab_none")), st.none()),
)
entries = st.one_of(
    st.tuples(st.just("key"), notes, st.integers(0, 127)),
    st.tuples(st.just("key"), notes, st.integers(0, 127)),
    st.tuples(st.just("key"), notes, st.integers(0, 127)),
    st.tuples(st.just("pedal"), st.sampled_from((64, 66, 67)), st.integers(0, 127)),
    st.tuples(st.just("bytes"), st.binary(max_size=4), st.none()),
    st.tuples(st.just("bytes"), st.sampled_from((b"\xf8", b"\xfa", b"\xfb", b"\xfc", b"\xfe")), st.none()),
    st.tuples(st.just("rate"), st.floats(-1, 1), st.integers(0, 1500)),
    st.tuples(st.just("command"), commands, st.none()),
    st.tuples(st.just("late"), st.none(), st.none()),
)
steps = st.lists(st.tuples(st.integers(0, 900), entries), max_size=25)
shapes = st.builds(
    dict,
    role=st.sampled_from(ROLES),
    trade_bars=st.integers(0, 1),
    share_sound=st.booleans(),
    click=st.booleans(),
    thru=st.sampled_from(("on", "off")),
    tempo=st.sampled_from((60.0, 120.0, 300.0)),
    agent_channel=st.integers(1, 2),
    clock=st.sampled_from(("auto", "external")),
)


def enter(p, t, entry):
    what, a, b = entry
    if what == "key":
        p.receive(t, bytes((0x90, a, b)))
    elif what == "pedal":
        p.receive(t, bytes((0xB0, a, b)))
    elif what == "bytes":
        p.receive(t, a)
    elif what == "rate":
        p.rate(t - b * MS, a, t)
    elif what == "command":
        p.command(t, *a)
    else:
        p.late(t)


def run(shape, sequence, cuts=()):
    """All that was sent; ``cuts`` are further moments at which time is advanced."""
    p = Performance(Settings(seed=5, **shape))
    t, sent, cuts = 0, [], sorted(cut * MS + MS // 2 for cut in cuts)
    for wait, entry in sequence:
        t += wait * MS
        while cuts and cuts[0] <= t:
            sent += p.advance(cuts.pop(0))
        if entry[0] == "late":  # it concerns what has not been handled yet: say what that is
            sent += p.advance(t - 1)
        enter(p, t, entry)
    end = t + 5000 * MS
    for cut in cuts:
        sent += p.advance(min(max(cut, t), end))
    sent += p.advance(end)
    p.release(end)
    return sent + p.advance(end + 3000 * MS)


@given(shapes, steps, st.lists(st.integers(0, 12_000), max_size=12))
@settings(max_examples=120, deadline=None)
def test_time_may_be_advanced_in_any_portions(shape, sequence, cuts):
    assert run(shape, sequence, cuts) == run(shape, sequence)


@given(shapes, steps)
@settings(max_examples=150, deadline=None)
def test_nothing_sounds_after_the_end(shape, sequence):
    sent = run(shape, sequence)
    assert unfinished(sent) == []
    assert [t for t, _ in sent] == sorted(t for t, _ in sent)


@given(shapes, steps)
@settings(max_examples=150, deadline=None)
def test_every_note_of_the_agent_has_its_own_note_off(shape, sequence):
    """On a channel that the player does not use, ons and offs alternate and are equally many."""
    shape = {**shape, "agent_channel": 5, "share_sound": False}
    ons, offs, state = Counter(), Counter(), {}
    for _, msg in run(shape, [step for step in sequence if step[1][0] != "bytes" or step[1][1][:1] >= b"\xf0"]):
        at = (msg[0] & 15, msg[1])
        if at[0] in (4, 9) and msg[0] & 0xF0 in (0x80, 0x90):
            down = msg[0] & 0xF0 == 0x90
            assert state.get(at, False) != down
            state[at] = down
            (ons if down else offs)[at] += 1
    assert ons == offs


@pytest.mark.parametrize("role", ROLES)
def test_two_performances_do_not_touch_each_other(role):
    """No module holds state: running one in between changes nothing in the other."""
    sequence = [(300, ("key", 60, 80)), (200, ("key", 60, 0)), (900, ("rate", 1.0, 500)), (800, ("key", 62, 90))]
    alone = run({"role": role}, sequence)
    run({"role": "solo", "tempo": 300.0}, sequence)
    assert run({"role": role}, sequence) == alone


@given(shapes, steps)
@settings(max_examples=150, deadline=None)
def test_a_muted_agent_and_lifted_hands_leave_silence(shape, sequence):
    """Without any release: every note has its own end."""
    p = Performance(Settings(seed=5, **shape))
    t, sent = 0, []
    for wait, entry in sequence:
        t += wait * MS
        sent += p.advance(t - 1)
        enter(p, t, entry)
    for name, value in (("mute", 1), ("click", 0)):
        p.command(t, name, value)
    for note in range(128):
        for channel in range(16):
            p.receive(t, bytes((0x80 | channel, note, 0)))
    for channel in range(16):
        p.receive(t, bytes((0xB0 | channel, 64, 0)))
    sent += p.advance(t + 20_000 * MS)
    assert [key for key in unfinished(sent) if key[1] >= 0] == []
