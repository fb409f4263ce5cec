"""Our own messages coming back are dropped once each; what the player means never is."""

import random

import pytest

from livecomposer.instrument.echo import (
    AGENTS,
    FOREIGN,
    IDLE_NS,
    PLAYERS,
    PROOF_LASTS_NS,
    PROVEN_NS,
    EchoFilter,
)

MS = 1_000_000
NOTE, OFF, PEDAL = b"\x90\x3c\x40", b"\x80\x3c\x00", b"\xb0\x40\x7f"


def test_the_agents_bytes_come_back_once():
    echo = EchoFilter()
    echo.sent(b"\x91\x3c\x40", 0, FOREIGN)
    assert [echo.is_echo(b"\x91\x3c\x40", t * MS, False) for t in (3, 4)] == [True, False]
    assert echo.dropped == 1


def test_the_newest_is_used_up_first():
    echo = EchoFilter()
    for t in (0, 400 * MS):
        echo.sent(b"\x91\x3c\x40", t, FOREIGN)
    assert [echo.is_echo(b"\x91\x3c\x40", t * MS, False) for t in (401, 700)] == [True, False]


def test_twice_sent_is_twice_dropped():
    echo = EchoFilter()
    echo.sent(b"\x91\x3c\x40", 0, FOREIGN)
    echo.sent(b"\x91\x3c\x40", MS, FOREIGN)
    assert [echo.is_echo(b"\x91\x3c\x40", 3 * MS, False) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(("age", "found"), [(IDLE_NS, True), (IDLE_NS + 1, False)])
@pytest.mark.parametrize("msg", [NOTE, OFF, PEDAL])
def test_what_changes_nothing_is_an_echo_if_it_comes_soon(msg, age, found):
    echo = EchoFilter()
    echo.sent(msg, 0, PLAYERS)
    assert echo.is_echo(msg, age, True) is found


@pytest.mark.parametrize("msg", [NOTE, OFF, PEDAL])
def test_what_changes_something_is_the_players(msg):
    echo = EchoFilter()
    echo.sent(msg, 0, PLAYERS)
    assert echo.is_echo(msg, 3 * MS, False) is False


@pytest.mark.parametrize(("wait", "found"), [(0, True), (PROOF_LASTS_NS - 1, True), (PROOF_LASTS_NS, False)])
def test_a_proof_lasts_two_seconds(wait, found):
    echo = EchoFilter()
    echo.sent(b"\x91\x3c\x40", 0, FOREIGN)
    assert echo.is_echo(b"\x91\x3c\x40", 0, False) is True
    echo.sent(NOTE, wait, PLAYERS)
    assert echo.is_echo(NOTE, wait, False) is found


def test_what_we_sent_on_a_channel_proves_nothing_once_the_player_is_heard_on_it():
    echo = EchoFilter()
    echo.sent(b"\x91\x3c\x40", 0, FOREIGN)
    echo.sent(NOTE, 0, PLAYERS)
    echo.players(1)
    assert echo.is_echo(b"\x91\x3c\x40", 3 * MS, False) is True
    assert echo.is_echo(NOTE, 4 * MS, False) is False


@pytest.mark.parametrize(("age", "found"), [(IDLE_NS, True), (IDLE_NS + 1, False)])
def test_the_agents_note_on_the_players_channel_is_an_echo_if_it_comes_soon(age, found):
    echo = EchoFilter()
    echo.sent(NOTE, 0, AGENTS)
    assert echo.is_echo(NOTE, age, False) is found


def test_a_proven_echo_may_take_half_a_second():
    for age, found in ((PROVEN_NS, True), (PROVEN_NS + 1, False)):
        echo = EchoFilter()
        echo.sent(b"\x91\x00\x01", 0, FOREIGN)
        echo.sent(PEDAL, 0, PLAYERS)
        assert echo.is_echo(b"\x91\x00\x01", 0, False) is True
        assert echo.is_echo(PEDAL, age, False) is found


@pytest.mark.parametrize("msg", [NOTE, OFF, PEDAL, b"\x90\x3c\x00"])
def test_a_controller_that_repeats_itself_proves_nothing(msg):
    """The repeated message itself is dropped; a note struck again after it is not."""
    echo = EchoFilter()
    echo.sent(b"\x90\x40\x40", 0, PLAYERS)
    echo.sent(msg, 0, PLAYERS)
    assert echo.is_echo(msg, 5 * MS, True) is True
    assert echo.is_echo(b"\x90\x40\x40", 200 * MS, False) is False


def test_it_remembers_128():
    for more, found in ((127, True), (128, False)):
        echo = EchoFilter()
        echo.sent(b"\x91\x00\x01", 0, FOREIGN)
        for i in range(more):
            echo.sent(bytes((0x90, i % 128, 7)), 0, PLAYERS)
        assert echo.is_echo(b"\x91\x00\x01", MS, False) is found


def test_a_player_alone_is_never_taken_for_an_echo():
    """A minute of random playing with no loop in the cabling: no message that changes anything is dropped."""
    rng = random.Random(3)
    echo, down, t = EchoFilter(), set(), 0
    for _ in range(3000):
        t += rng.randint(1, 40) * MS
        note = rng.randint(60, 64)
        msg = bytes((0x80, note, 0)) if note in down else bytes((0x90, note, 100))
        assert echo.is_echo(msg, t, False) is False
        (down.discard if note in down else down.add)(note)
        echo.sent(msg, t, PLAYERS)
        if rng.random() < 0.2:
            echo.is_echo(PEDAL, t, True)
            echo.sent(PEDAL, t, PLAYERS)
    assert t > 55_000 * MS
