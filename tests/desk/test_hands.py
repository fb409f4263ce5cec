"""Computer keys and the virtual player, as the instrument's pipe sees them; nobody is left with a note hanging."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer.desk import hands as module
from livecomposer.desk.hands import KEY_NS, Hands
from livecomposer.desk.keys import ACTIONS
from livecomposer.instrument import inbox
from livecomposer.music.player import VirtualPlayer
from livecomposer.music.theory import parse_key

S = 1_000_000_000


class NoKeys:
    there = False

    def wait(self, seconds):
        return []


class Pipe:
    def __init__(self):
        self.entries = []

    def send_bytes(self, data):
        self.entries.append(inbox.unpack(data))

    def midi(self):
        return [entry.text for entry in self.entries if entry.kind == inbox.MIDI]


def connected(player=None):
    hands, pipe = Hands(NoKeys(), player, 0), Pipe()
    hands.connect(pipe)
    hands.ready()
    drain(hands)
    return hands, pipe


def drain(hands):
    while not hands._asked.empty():
        hands._answer(*hands._asked.get())


def open_at_the_end(messages):
    state = {}
    for msg in messages:
        if msg[0] & 0xF0 in (0x80, 0x90):
            state[msg[0] & 15, msg[1]] = msg[0] & 0xF0 == 0x90 and msg[2] > 0
        elif msg[1] == 64:
            state["pedal"] = msg[2] > 0
    return [key for key, down in state.items() if down]


def press(hands, *names):
    for name in names:
        hands._act(ACTIONS[name])


def test_keys_play_rate_and_command():
    hands, pipe = connected()
    press(hands, "a", "x", "d", "z", "up", "left", "m", "tab")
    assert [(e.kind, e.number, e.text) for e in pipe.entries] == [
        (inbox.MIDI, None, bytes((0x90, 60, 90))),
        (inbox.MIDI, None, bytes((0x90, 76, 90))),
        (inbox.RATE, 1.0, b""),
        (inbox.RATE, -0.5, b""),
        (inbox.COMMAND, None, b"click"),
        (inbox.COMMAND, None, b"role"),
    ]


def test_a_key_sounds_300_ms_and_auto_repeat_prolongs_it(monkeypatch):
    now = [5 * S]
    monkeypatch.setattr(module.time, "perf_counter_ns", lambda: now[0])
    hands, pipe = connected()
    press(hands, "a")
    now[0] += KEY_NS - 1
    press(hands, "a")
    hands.end_keys(now[0] + KEY_NS - 1)
    assert pipe.midi() == [bytes((0x90, 60, 90))]
    hands.end_keys(now[0] + KEY_NS)
    assert pipe.midi() == [bytes((0x90, 60, 90)), bytes((0x80, 60, 0))]


def test_help_is_said():
    hands, _ = connected()
    press(hands, "?")
    assert "take the last rating or answer back" in hands.said[0]


@given(st.sampled_from(("duet", "harmonize", "answer")), st.integers(0, 400), st.integers(0, 5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_virtual_player_stops_with_nothing_hanging(role, steps, seed, by_role):
    hands, pipe = connected(VirtualPlayer(role, parse_key("C major"), 140.0, seed))
    start = time.perf_counter_ns()
    hands.begin(start)
    drain(hands)
    for i in range(steps):
        hands._play(start + i * 20_000_000)
    if by_role:
        hands.role("solo", start + steps * 20_000_000)
        drain(hands)
        assert hands.virtual
    else:
        hands.human()
        drain(hands)
        assert not hands.virtual
    assert open_at_the_end(pipe.midi()) == []
    sent = len(pipe.entries)
    hands._play(start + (steps + 100) * 20_000_000)
    assert len(pipe.entries) == sent


def test_a_computer_key_stops_the_virtual_player_first():
    hands, pipe = connected(VirtualPlayer("duet", parse_key("C major"), 140.0, 1))
    press(hands, "a")
    assert not hands.virtual
    assert hands.said == ["You play: the virtual player has stopped."]
    assert pipe.midi() == [bytes((0x90, 60, 90))]


def test_the_virtual_player_follows_the_key():
    hands, pipe = connected(VirtualPlayer("duet", parse_key("C major"), 140.0, 1))
    hands.begin(S)
    drain(hands)
    hands.key(parse_key("F# major"))
    drain(hands)
    for i in range(400):
        hands._play(S + i * 20_000_000)
    notes = {msg[1] % 12 for msg in pipe.midi() if msg[0] & 0xF0 == 0x90}
    assert notes and notes <= {6, 8, 10, 11, 1, 3, 5}


def test_before_the_instrument_plays_keys_are_answered_and_not_obeyed(monkeypatch):
    now = [10 * S]
    monkeypatch.setattr(module.time, "perf_counter_ns", lambda: now[0])
    hands, pipe = Hands(NoKeys(), None, 0), Pipe()
    hands.connect(pipe)
    drain(hands)
    press(hands, "a", "up", "c")
    assert (pipe.entries, hands.saves) == ([], 0)
    assert hands.said == ["Not ready yet: it says so when it plays."]
    now[0] += S
    press(hands, "m")
    assert len(hands.said) == 2
    hands.ready()
    drain(hands)
    press(hands, "c", "up")
    assert (len(pipe.entries), hands.saves, len(hands.said)) == (1, 1, 2)
    now[0] += S
    hands.connect(None)  # the instrument has died
    drain(hands)
    press(hands, "up")
    assert len(hands.said) == 3


def test_the_octave_is_said_and_where_it_ends():
    hands, _ = connected()
    press(hands, "x", "x", "x", "x", "z")
    assert hands.said == [
        "Octave of the computer keys: from C5 up.",
        "Octave of the computer keys: from C6 up.",
        "Octave of the computer keys: from C7 up.",
        "Octave of the computer keys: from C7 up, the highest.",
        "Octave of the computer keys: from C6 up.",
    ]
