"""Note ownership against a plain oracle: sets of causes, and one note_off for every note_on whatever happens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer.instrument.voices import LINE, SLOTS, SWALLOWED, UP, Voices

ON, OFF = 0x90, 0x80


class Oracle:
    """Who holds what, as sets: ``held`` the player's (channel, note), ``voices`` the agent's, oldest first."""

    def __init__(self, thru):
        self.thru = thru
        self.held = set()
        self.voices = []  # [channel, note, key, key is up]

    def sounding(self):
        agent = {(channel, note) for channel, note, *_ in self.voices}
        return sorted(agent | self.held if self.thru else agent)

    def end(self, wanted):
        self.voices = [voice for voice in self.voices if not wanted(voice)]

    def on(self, channel, note, key):
        if (channel, note) in self.held:
            return False
        if len(self.voices) == SLOTS:
            del self.voices[0]
        self.voices.append([channel, note, key, False])
        return True


class Rig:
    """Voices that send into a list, beside the oracle."""

    def __init__(self, thru=True):
        self.sent = []
        self.voices = Voices(lambda msg, step: self.sent.append(msg), thru)
        self.oracle = Oracle(thru)
        self.slots = []  # (slot, serial) of every voice ever started, with its row in the oracle

    def do(self, what, channel, note, key):
        voices, oracle = self.voices, self.oracle
        if what == "player on":
            if (channel, note) not in oracle.held:  # one hand, one key
                voices.player_on(bytes((ON | channel, note, 90)))
                oracle.held.add((channel, note))
        elif what == "player off":
            if (channel, note) in oracle.held:
                voices.player_off(bytes((OFF | channel, note, 5)))
                oracle.held.discard((channel, note))
        elif what == "on":
            slot = voices.on(channel, note, 70, 3, key)
            assert (slot >= 0) == oracle.on(channel, note, key)
            if slot >= 0:
                self.slots.append((slot, voices.serial[slot], oracle.voices[-1]))
        elif what == "off" and self.slots:
            slot, serial, row = self.slots[note * 7 % len(self.slots)]
            voices.off(slot, serial)
            oracle.end(lambda voice: voice is row)
        elif what == "key up":
            voices.key_up(key, False)
            oracle.end(lambda voice: voice[2] == key)
        elif what == "key up, pedal down":
            voices.key_up(key, True)
            for voice in oracle.voices:
                voice[3] = voice[3] or voice[2] == key
        elif what == "pedal up":
            voices.pedal_up()
            oracle.end(lambda voice: voice[3])
        elif what == "end where":
            voices.end_where(lambda held, added: held == key and added > 61)
            oracle.end(lambda voice: voice[2] == key and voice[1] > 61)
        elif what == "lost":
            voices.release_player()
            oracle.held.clear()
            oracle.end(lambda voice: voice[2] != LINE)
        elif what == "release":
            voices.release()
            oracle.held.clear()
            oracle.voices.clear()


def sounding_of(sent):
    """(channel, note) whose last message is a note_on; note_ons and note_offs must alternate."""
    state = {}
    for msg in sent:
        at = (msg[0] & 15, msg[1])
        if msg[0] & 0xF0 == ON:
            assert not state.get(at), f"two note_ons in a row on {at}"
            state[at] = True
        elif msg[0] & 0xF0 == OFF:
            assert state.get(at), f"a note_off that nothing asked for on {at}"
            state[at] = False
    return sorted(at for at, on in state.items() if on)


actions = st.sampled_from(
    ["player on"] * 3 + ["player off"] * 3 + ["on"] * 6 + ["off"] * 3
    + ["key up", "key up, pedal down", "pedal up", "end where", "lost", "release"]
)  # fmt: skip
events = st.tuples(actions, st.integers(0, 2), st.integers(60, 63), st.sampled_from([LINE, 60, 61, 62]))


@given(st.booleans(), st.lists(events, max_size=80))
@settings(max_examples=200)
def test_random_sequences(thru, sequence):
    rig = Rig(thru)
    for event in sequence:
        rig.do(*event)
        assert rig.voices.sounding() == rig.oracle.sounding() == sounding_of(rig.sent)
        assert rig.voices.keys_down == len(rig.oracle.held)
    rig.do("release", 0, 0, 0)
    assert sounding_of(rig.sent) == []


@given(
    st.lists(st.tuples(st.just("on"), st.integers(0, 3), st.integers(30, 60), st.just(LINE)), min_size=40, max_size=60)
)
def test_more_voices_than_slots_end_the_oldest(sequence):
    rig = Rig()
    for event in sequence:
        rig.do(*event)
        assert sounding_of(rig.sent) == rig.oracle.sounding()
    assert len(rig.voices.line_voices()) == SLOTS


def hexes(sent):
    return [msg.hex(" ") for msg in sent]


def test_a_pitch_held_by_two_causes_ends_with_the_last():
    rig = Rig()
    voices = rig.voices
    first = voices.on(0, 60, 70, 1)
    voices.player_on(b"\x90\x3c\x5a")
    voices.off(first, voices.serial[first])
    assert hexes(rig.sent) == ["90 3c 46", "80 3c 00", "90 3c 5a"]
    voices.player_off(b"\x80\x3c\x05")
    assert hexes(rig.sent[3:]) == ["80 3c 05"]
    rig.sent.clear()
    voices.on(0, 60, 70, 1)
    voices.player_on(b"\x90\x3c\x5a")
    voices.player_off(b"\x80\x3c\x05")
    assert hexes(rig.sent) == ["90 3c 46", "80 3c 00", "90 3c 5a"]
    for slot, serial in voices.line_voices():
        voices.off(slot, serial)
    assert hexes(rig.sent[3:]) == ["80 3c 00"]


def test_an_old_serial_ends_nothing():
    rig = Rig()
    slot = rig.voices.on(1, 60, 70, 1)
    serial = rig.voices.serial[slot]
    rig.voices.off(slot, serial)
    assert rig.voices.on(1, 62, 70, 1) == slot
    rig.voices.off(slot, serial)
    assert hexes(rig.sent) == ["91 3c 46", "81 3c 00", "91 3e 46"]


def test_the_players_bytes_pass_unchanged_even_when_unmatched():
    rig = Rig()
    given_ = [b"\x90\x3c\x01", b"\x90\x3c\x02", b"\x80\x3c\x07", b"\x80\x3c\x08", b"\x99\x24\x40", b"\x99\x24\x00"]
    for msg in given_:
        (rig.voices.player_on if msg[0] & 0xF0 == ON and msg[2] else rig.voices.player_off)(msg)
    assert rig.sent == given_
    assert rig.voices.keys_down == 0


def test_thru_off_knows_keys_without_sending():
    rig = Rig(thru=False)
    rig.voices.player_on(b"\x90\x3c\x40")
    assert (rig.sent, rig.voices.keys_down, rig.voices.player_holds(60)) == ([], 1, True)
    rig.voices.player_off(b"\x80\x3c\x40")
    assert (rig.sent, rig.voices.keys_down, rig.voices.player_holds(60)) == ([], 0, False)


@pytest.mark.parametrize(("channel", "holds"), [(0, True), (5, True), (9, False)])
def test_drums_hold_no_pitch(channel, holds):
    rig = Rig()
    rig.voices.player_on(bytes((ON | channel, 60, 1)))
    assert (rig.voices.player_holds(60), rig.voices.keys_down) == (holds, int(holds))


def test_release_is_complete_and_in_order():
    rig = Rig()
    rig.voices.player_on(b"\x90\x3c\x40")
    rig.voices.on(1, 67, 70, 1)
    rig.voices.route[5] = SWALLOWED
    rig.sent.clear()
    rig.voices.release()
    assert hexes(rig.sent) == [
        "b0 40 00", "b0 42 00", "b0 43 00", "e0 00 40", "b1 40 00", "b1 42 00", "b1 43 00", "e1 00 40",
        "80 3c 00", "81 43 00",
        "b0 7b 00", "b0 78 00", "b1 7b 00", "b1 78 00",
    ]  # fmt: skip
    assert (rig.voices.sounding(), rig.voices.line_voices(), rig.voices.route[5]) == ([], [], UP)
