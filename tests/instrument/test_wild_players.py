"""Players who do not play along: whatever they do, the agent keeps to its scale and register, and every note ends."""

import pytest

from livecomposer import Performance, Settings
from tests.instrument.rig import MS, unfinished

SECONDS = 60
C_MAJOR = {0, 2, 4, 5, 7, 9, 11}


def clusters():
    """Twelve keys at once, twice a second."""
    return [(i * 500, i * 500 + 400, 48 + j) for i in range(2 * SECONDS) for j in range(12)]


def one_note():
    return [(0, SECONDS * 1000, 60)]


def forty_a_second():
    return [(i * 25, i * 25 + 20, 36 + i * 29 % 60) for i in range(40 * SECONDS)]


def another_key_each_beat():
    """A triad a beat, each a semitone and a fifth from the last."""
    return [(i * 500, i * 500 + 450, 60 + i * 8 % 12 + step) for i in range(2 * SECONDS) for step in (0, 4, 7)]


def never_stops():
    return [(i * 210, i * 210 + 215, 60 + i * 5 % 24) for i in range(SECONDS * 1000 // 210)]


PLAYERS = (clusters, one_note, forty_a_second, another_key_each_beat, never_stops)


def play(strokes, **settings):
    """Everything that was sent, until all is released; the click is off."""
    p = Performance(Settings(tempo=120.0, seed=5, count_in=False, **settings))
    events = [(start, 1, note) for start, _, note in strokes] + [(end, 0, note) for _, end, note in strokes]
    sent = []
    for t, down, note in sorted(events):
        p.receive(t * MS, bytes((0x90, note, 80)) if down else bytes((0x80, note, 64)))
        sent += p.advance(t * MS)
    p.advance(p.now_ns)
    sent += p.advance((SECONDS + 4) * 1000 * MS)
    p.release((SECONDS + 5) * 1000 * MS)
    return [*sent, *p.advance((SECONDS + 6) * 1000 * MS)]


@pytest.mark.parametrize("role", ["harmonize", "duet", "answer", "solo"])
@pytest.mark.parametrize("player", PLAYERS, ids=lambda player: player.__name__)
def test_within_its_scale_and_register_and_everything_ends(player, role):
    sent = play(player(), role=role, key="C major", split=0, changes="| N.C. |")
    ours = [msg[1] for _, msg in sent if msg[0] == 0x91 and msg[2]]
    assert {note % 12 for note in ours} <= C_MAJOR
    if role != "harmonize":  # there the key sets the place
        assert all(48 <= note <= 84 for note in ours)
    assert unfinished(sent) == []


@pytest.mark.parametrize("player", PLAYERS, ids=lambda player: player.__name__)
@pytest.mark.parametrize("role", ["harmonize", "duet"])
def test_a_followed_key_and_chord_change_nothing_of_that(player, role):
    sent = play(player(), role=role, key="auto")
    assert unfinished(sent) == []
    sounding, most = set(), 0
    for _, msg in sent:
        if msg[0] in (0x91, 0x81):
            (sounding.add if msg[0] == 0x91 and msg[2] else sounding.discard)(msg[1])
            most = max(most, len(sounding))
    assert 0 < most <= 16
