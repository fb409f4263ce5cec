"""Learning a controller by pressing it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.errors import ProfileError
from livecomposer.midi.learn import LearnSession, TastesSession, port_pattern
from livecomposer.midi.profiles import Control, Profile, match_profile, parse_profile, write_profile


def note(number, velocity=100, channel=0):
    return bytes((0x90 | channel, number, velocity))


def cc(number, value, channel=0):
    return bytes((0xB0 | channel, number, value))


def test_a_whole_session(tmp_path):
    session = LearnSession(21, 108)
    assert (session.prompt, session.done) == ("press what you want for yes", False)
    assert session.feed(cc(67, 127)) == "yes: CC 67 on channel 1"
    assert session.feed(cc(67, 0)) is None
    assert session.prompt == "press what you want for no"
    assert session.feed(note(21)) == "no: A0 (note 21) on channel 1"
    assert session.feed(bytes((0x80, 21, 64))) is None
    assert session.prompt == "press what you want for undo"
    assert session.feed(note(60, channel=9)) == "undo: C4 (note 60) on channel 10"
    assert session.prompt == "press what you want for panic"
    assert session.feed(b"\xc2\x05") == "panic: program 5 on channel 3"
    assert (session.prompt, session.done) == ("", True)
    assert session.feed(cc(20, 127)) is None
    profile = session.profile("My piano", port_pattern("My piano:My piano MIDI 1 20:0"))
    assert profile == Profile(
        "My piano",
        "keyboard",
        (r"My\ piano:My\ piano\ MIDI\ 1",),
        note_range=(21, 108),
        controls=(
            Control("control_change", 0, 67, "rate_up"),
            Control("note_on", 0, 21, "rate_down"),
            Control("note_on", 9, 60, "undo"),
            Control("program_change", 2, 5, "panic"),
        ),
    )
    assert profile.path is None
    path = tmp_path / "my-piano.toml"
    write_profile(profile, path)
    read = parse_profile(path.read_text(encoding="utf-8"), path)
    assert read == profile
    assert match_profile("My piano:My piano MIDI 1 28:0", [read]) is read


def test_keys_in_the_middle_are_refused_and_the_outermost_are_not():
    refused = (
        "C4 (note 60) on channel 1 is a key you play, and it would fall silent; "
        "press a pedal, a button, a pad on channel 10 or one of the two outermost keys"
    )
    session = LearnSession(21, 108)
    assert session.feed(note(60)) == refused
    assert session.prompt == "press what you want for yes"

    def passes(number):
        fresh = LearnSession(21, 108)
        fresh.feed(note(number))
        return fresh.controls != ()

    assert [number for number in range(128) if passes(number)] == [*range(23), *range(107, 128)]


def test_what_is_taken_is_refused():
    session = LearnSession(36, 84)
    session.feed(note(36))
    assert session.feed(note(36)) == "C2 (note 36) on channel 1 already means yes; press something else for no"
    assert session.feed(note(36, channel=9)) == "no: C2 (note 36) on channel 10"
    session.feed(cc(20, 127))
    session.feed(cc(20, 0))
    assert session.feed(cc(20, 127)) == "CC 20 on channel 1 already means undo; press something else for panic"
    assert session.prompt == "press what you want for panic"


def test_a_sweeping_pedal_is_one_press():
    session = LearnSession(21, 108)
    told = [session.feed(cc(67, value)) for value in (10, 40, 63, 64, 90, 127, 90, 40, 64, 31, 5)]
    assert [text for text in told if text] == ["yes: CC 67 on channel 1"]
    assert session.feed(cc(67, 64)) == "CC 67 on channel 1 already means yes; press something else for no"


@pytest.mark.parametrize(
    "msg",
    [
        b"\xf8", b"\xfe", b"\xfa", b"\xf0\x7e\xf7", b"", b"\x90", b"\x90\x15", b"\x90\x15\x80", b"\x15\x15\x15",
        b"\x80\x15\x40", b"\x90\x15\x00", b"\xb0\x43\x00", b"\xb0\x43\x3f", b"\xe0\x00\x7f", b"\xd0\x7f",
        b"\xa0\x15\x7f", b"\xb0\x00\x79", b"\xb0\x20\x7f", b"\xb0\x65\x7f", b"\xb0\x7b\x7f",
    ],
)  # fmt: skip
def test_what_is_no_press_is_ignored(msg):
    session = LearnSession(21, 108)
    assert session.feed(msg) is None
    assert session.prompt == "press what you want for yes"


def test_skipping():
    session = LearnSession(21, 108)
    session.skip()
    assert session.feed(cc(66, 127)) == "no: CC 66 on channel 1"
    session.skip()
    session.skip()
    session.skip()
    assert session.done
    assert session.profile("X", "X").controls == (Control("control_change", 0, 66, "rate_down"),)


def test_the_programs_that_choose_a_taste(tmp_path):
    session = TastesSession(36, 84)
    assert session.prompt == "send the lowest of the program changes that should choose a taste"
    assert [session.feed(msg) for msg in (note(60), cc(20, 127), b"\xf8", b"\xc2")] == [None] * 4
    assert session.feed(b"\xc2\x08") == "lowest: program 8 on channel 3"
    assert session.prompt == "send the highest of the program changes that should choose a taste"
    assert session.feed(b"\xc2\x08") == "program 8 on channel 3 is not above the lowest, program 8; send a higher one"
    assert session.feed(b"\xc0\x0f") == "program 15 on channel 1: the lowest was on channel 3; send one on that"
    assert (session.feed(b"\xc2\x0f"), session.done, session.prompt) == ("highest: program 15 on channel 3", True, "")
    profile = session.profile("Box", "Box")
    assert profile == Profile(
        "Box", "keyboard", ("Box",), note_range=(36, 84),
        controls=(Control("program_change", 2, 8, "taste", low=8.0, high=15.0),),
    )  # fmt: skip
    path = tmp_path / "box.toml"
    write_profile(profile, path)
    assert "range = [8, 15]\n" in path.read_text() and "number" not in path.read_text()
    assert parse_profile(path.read_text(), path) == profile
    skipped = TastesSession(36, 84)
    skipped.feed(b"\xc2\x08")
    skipped.skip()
    assert (skipped.done, skipped.controls) == (True, ())


def test_port_patterns():
    assert port_pattern("MPK mini 3:MPK mini 3 MIDI 1 20:0") == r"MPK\ mini\ 3:MPK\ mini\ 3\ MIDI\ 1"
    assert port_pattern("MPK mini 3 0", winmm=True) == r"MPK\ mini\ 3"
    assert port_pattern("Oxygen 25") == r"Oxygen\ 25"
    assert port_pattern("A (x)+") == r"A\ \(x\)\+"


def test_a_bad_pattern_is_told_at_once():
    with pytest.raises(ProfileError, match=r"X: match = \['\('\] is not possible"):
        LearnSession(21, 108).profile("X", "(")


@given(st.lists(st.binary(max_size=4) | st.builds(lambda s, a, b: bytes((s, a, b)), st.integers(0x80, 0xEF),
                                                  st.integers(0, 127), st.integers(0, 127)), max_size=60))  # fmt: skip
def test_whatever_is_pressed_the_profile_is_valid(sent):
    session = LearnSession(21, 108)
    for msg in sent:
        text = session.feed(msg)
        assert text is None or text
    profile = session.profile("X", "X")
    assert len({c.place for c in profile.controls}) == len(profile.controls) <= 4
    assert all(c.message != "note_on" or c.channel == 9 or not 23 <= c.number <= 106 for c in profile.controls)
