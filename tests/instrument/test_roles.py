"""When the agent may speak: the turns alone, in ticks."""

import pytest

from livecomposer.instrument.roles import CALL, LISTEN, PAUSED, PLAY, STOPPED, Turns
from livecomposer.music.metre import parse_metre

BAR = 48


def turns(role, trade=0, metre="4/4"):
    return Turns(role, parse_metre(metre), trade)


@pytest.mark.parametrize(
    ("role", "count_in", "tick", "phase", "start"),
    [
        ("solo", True, 0.0, PLAY, 0),
        ("solo", False, 1.5, PLAY, BAR),
        ("duet", True, 0.0, PLAY, BAR),
        ("duet", True, 49.0, PLAY, 3 * BAR),
        ("duet", False, 49.0, PLAY, 2 * BAR),
        ("answer", True, 0.0, LISTEN, 0),
        ("harmonize", True, 0.0, LISTEN, 0),
    ],
)
def test_where_a_role_begins(role, count_in, tick, phase, start):
    t = turns(role)
    t.begin(tick, count_in)
    assert (t.phase, t.start_tick, t.end_tick) == (phase, start, -1)


@pytest.mark.parametrize(
    ("metre", "played", "length"),
    [("4/4", 6, 24), ("4/4", 29, 24), ("4/4", 31, 48), ("4/4", 48, 48), ("4/4", 61, 48), ("4/4", 72, 72),
     ("4/4", 140, 144), ("3/4", 61, 72), ("6/8", 20, 18), ("7/8", 40, 42)],
)  # fmt: skip
def test_an_answer_has_the_beats_of_the_call_or_whole_bars_a_beat_away(metre, played, length):
    t = turns("answer", metre=metre)
    t.begin(0.0, True)
    assert t.player_on(7.0) == "call"
    t.call(BAR)
    assert (t.player_on(60.0), t.answering) == ("", True)
    assert t.quiet(100.0, 0.5) is False  # a reply is not a solo that goes on
    start = t.reply_beat(100.0, 0.5)
    assert start == (102 if "8" in metre else 108)
    t.reply(start, played)
    assert (t.phase, t.start_tick, t.end_tick, t.answering) == (PLAY, start, start + length, False)


def test_a_new_call_interrupts_the_answer():
    t = turns("answer")
    t.player_on(0.0)
    t.call(0)
    t.reply(36, 48)
    assert t.player_on(40.0) == "yield call"
    t.pause()
    t.call(BAR)
    assert (t.phase, t.call_tick) == (CALL, BAR)


def test_the_answer_ends_at_its_end():
    t = turns("answer")
    t.player_on(0.0)
    t.call(0)
    t.reply(36, 48)
    assert [t.bar(tick) for tick in (36, 48, 84)] == [False, False, False]
    assert (t.phase, t.end_tick) == (LISTEN, 84)


def test_trading_changes_sides_at_the_bar_line():
    t = turns("answer", trade=2)
    assert t.player_on(0.0) == "call"
    t.call(0)
    assert t.quiet(24.0, 0.5) is False
    assert [t.bar(tick) for tick in range(12, 97, 12)] == [False] * 7 + [True]
    assert (t.phase, t.start_tick, t.end_tick) == (PLAY, 96, 192)
    assert [t.bar(tick) for tick in range(108, 193, 12)] == [False] * 8
    assert (t.phase, t.call_tick) == (CALL, 192)


@pytest.mark.parametrize(
    ("tick", "says", "answered"),
    [(100.0, "", False), (107.9, "", False), (108.0, "yield call", True), (179.9, "yield call", True),
     (180.0, "", True), (191.0, "", True)],
)  # fmt: skip
def test_overhang_and_pickup_do_not_cut_the_agent(tick, says, answered):
    """Within a beat of the agent's start it is an overhang, which belongs to the call before; within a beat of its
    end a pickup, which belongs to the call that follows."""
    t = turns("answer", trade=2)
    t.player_on(0.0)
    t.call(0)
    t.bar(96)
    assert t.player_on(tick) == says
    if says:
        return
    t.bar(192)
    assert t.bar(288) is answered
    assert t.phase == (PLAY if answered else LISTEN)


def test_trading_with_nobody_waits():
    t = turns("answer", trade=1)
    t.player_on(0.0)
    t.call(0)
    assert (t.bar(48), t.bar(96), t.phase, t.bar(144), t.phase) == (True, False, CALL, False, LISTEN)


def test_solo_yields_and_comes_back_on_a_bar_line():
    t = turns("solo")
    t.begin(0.0, True)
    assert t.player_on(30.0) == "yield"
    t.pause()
    assert (t.phase, t.player_on(31.0)) == (PAUSED, "")
    assert t.quiet(50.2, 0.5) is True
    assert (t.phase, t.start_tick, t.end_tick) == (PLAY, 96, -1)
    assert t.quiet(80.0, 0.5) is False


@pytest.mark.parametrize("role", ["duet", "harmonize"])
def test_duet_and_harmonize_never_yield(role):
    t = turns(role)
    t.begin(0.0, True)
    before = t.phase
    assert (t.player_on(30.0), t.quiet(60.0, 0.5), t.bar(96), t.phase) == ("", False, False, before)


@pytest.mark.parametrize("role", ["answer", "solo"])
def test_stopped_is_stopped(role):
    t = turns(role)
    t.begin(0.0, True)
    t.phase = STOPPED
    assert (t.player_on(30.0), t.quiet(60.0, 0.5), t.bar(96), t.phase) == ("", False, False, STOPPED)
