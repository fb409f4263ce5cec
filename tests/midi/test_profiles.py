"""Device profiles: every key checked, the shipped files, matching of port names, writing."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.errors import ProfileError, SettingsError, StoreError
from livecomposer.midi.profiles import (
    CONTROL_ROLES,
    CURVES,
    HOLD_MESSAGES,
    HOLD_ROLES,
    KINDS,
    KNOB_MESSAGES,
    KNOB_ROLES,
    MODES,
    PRESS_MESSAGES,
    PRESS_ROLES,
    ROLE_LIMITS,
    UNNUMBERED,
    Control,
    Feedback,
    Light,
    Profile,
    is_daw_port,
    load_profiles,
    match_profile,
    packaged_dir,
    parse_profile,
    profile_text,
    write_profile,
)

HEAD = 'schema = 1\nname = "X"\nkind = "keyboard"\nmatch = ["X"]\n'
TASTES = '[[control]]\nmessage = "program_change"\nrole = "taste"\nrange = [8, 15]\n'
PEDAL = '[[control]]\nmessage = "control_change"\nnumber = 67\nrole = "rate_up"\n'
SHIPPED, SHIPPED_ERRORS = load_profiles(None)


def complaint(text):
    with pytest.raises(ProfileError) as caught:
        parse_profile(text, "x.toml")
    sentence = str(caught.value)
    assert sentence.startswith("x.toml: ") and "\n" not in sentence
    return sentence.removeprefix("x.toml: ")


def test_smallest_profile():
    profile = parse_profile(HEAD, "somewhere/x.toml")
    assert profile == Profile(
        "X", "keyboard", ("X",), (), tuple(range(16)), (0, 127), (), Feedback(False, False, ()), Path("elsewhere")
    )
    assert profile.path == Path("somewhere/x.toml")
    assert not profile.generic and profile.outer_keys == ()


def test_full_profile():
    profile = parse_profile(
        """
schema = 1
name = "Stage 88"
kind = "piano"
match = ['Stage \\d+', 'ST88']
avoid = ['DAW']
channels = [16, 1, 1]
note_range = [21, 108]
[[control]]
message = "note_on"
number = 21
role = "rate_down"
[[control]]
message = "note_on"
channel = 10
number = 36
role = "undo"
[[control]]
message = "control_change"
channel = 3
number = 20
role = "tempo"
range = [140, 60.5]
curve = "square"
[[control]]
message = "control_change"
channel = 16
number = 21
role = "adventure"
mode = "relative_signed"
[[control]]
message = "pitchwheel"
role = "rate"
[[control]]
message = "control_change"
number = 64
role = "rate_up"
[feedback]
local = true
echo = true
[[feedback.light]]
role = "held"
message = "note_on"
channel = 1
number = 93
on = 5
""",
        "generic-x.toml",
    )
    assert profile == Profile(
        "Stage 88",
        "piano",
        ("Stage \\d+", "ST88"),
        ("DAW",),
        (0, 15),
        (21, 108),
        (
            Control("note_on", -1, 21, "rate_down"),
            Control("note_on", 9, 36, "undo"),
            Control("control_change", 2, 20, "tempo", "absolute", 140.0, 60.5, "square"),
            Control("control_change", 15, 21, "adventure", "relative_signed", 0.0, 1.0),
            Control("pitchwheel", -1, -1, "rate", "absolute", -1.0, 1.0),
            Control("control_change", -1, 64, "rate_up"),
        ),
        Feedback(True, True, (Light("held", "note_on", 0, 93, 5, 0),)),
    )
    assert profile.generic
    assert profile.outer_keys == (21,)


def test_a_knob_without_a_range_takes_its_role_s_own():
    ends = {role: (Control("control_change", 0, 1, role).low, Control("control_change", 0, 1, role).high)
            for role in KNOB_ROLES}  # fmt: skip
    assert ends == {
        "rate": (-1.0, 1.0), "level": (0.0, 1.0), "adventure": (0.0, 1.0), "outside": (0.0, 1.0),
        "tempo": (60.0, 180.0),
    }  # fmt: skip


def test_the_roles_are_a_closed_list():
    assert " ".join(sorted(CONTROL_ROLES)) == (
        "ab ab_a ab_b ab_none about_chords about_notes about_rhythm adventure click end forget held key_next level "
        "mute outside panic rate rate_down rate_up role tap taste tempo undo"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            HEAD + "mach = 1\n",
            "unknown key 'mach' (did you mean 'match'?); allowed are schema, name, kind, match, avoid, channels, "
            "note_range, control, feedback",
        ),
        (
            HEAD + PEDAL + "chanel = 1\n",
            "control 1: unknown key 'chanel' (did you mean 'channel'?); allowed are message, channel, number, role, "
            "mode, range, curve",
        ),
        (
            HEAD + PEDAL.replace("rate_up", "rateup"),
            "control 1: role = 'rateup' is not possible; it must be one of rate, level, adventure, outside, tempo, "
            "rate_up, rate_down, undo, forget, panic, role, held, mute, tap, click, end, key_next, about_notes, "
            "about_rhythm, about_chords, ab, ab_a, ab_b, ab_none, taste (did you mean 'rate_up'?)",
        ),
        (
            HEAD + PEDAL + PEDAL.replace("control_change", "cc"),
            "control 2: message = 'cc' is not possible; it must be one of note_on, polytouch, control_change, "
            "program_change, aftertouch, pitchwheel",
        ),
        (
            HEAD + PEDAL + "channel = 0\n",
            "control 1: channel = 0 is not possible; it must be a whole number from 1 to 16",
        ),
        (
            HEAD + PEDAL + "channel = 17\n",
            "control 1: channel = 17 is not possible; it must be a whole number from 1 to 16",
        ),
        (HEAD + PEDAL + "channel = true\n", "control 1: channel = True is not possible; it must be a whole number"),
        (
            HEAD + PEDAL.replace("67", "120"),
            "control 1: number = 120 is not possible; it must be a whole number from 0 to 119",
        ),
        (HEAD + PEDAL.replace("67", "67.0"), "control 1: number = 67.0 is not possible; it must be a whole number"),
        (HEAD + PEDAL.replace("number = 67\n", ""), "control 1: number is missing; it must be a whole number"),
        (HEAD + PEDAL.replace('role = "rate_up"\n', ""), "control 1: role is missing; it must be a text in quotes"),
        (
            HEAD + PEDAL + "range = [0, 1]\n",
            "control 1: range = [0, 1] is not possible; it must be left out: 'rate_up' is pressed, only rate, level, "
            "adventure, outside, tempo have a range",
        ),
        (
            HEAD + PEDAL.replace("rate_up", "level") + "range = [0, 1.5]\n",
            "control 1: range = [0, 1.5] is not possible; it must be two different numbers from 0 to 1 for the role "
            "'level'",
        ),
        (
            HEAD + PEDAL.replace("rate_up", "rate") + "range = [nan, 1]\n",
            "control 1: range = [nan, 1] is not possible; it must be two different numbers from -1 to 1 for the role "
            "'rate'",
        ),
        (
            HEAD + PEDAL.replace("rate_up", "tempo") + "range = [90, 90]\n",
            "control 1: range = [90, 90] is not possible; it must be two different numbers from 30 to 300 for the role "
            "'tempo'",
        ),
        (
            HEAD + PEDAL.replace("rate_up", "tempo") + 'mode = "relative_two"\n',
            "control 1: mode = 'relative_two' is not possible; it must be one of absolute, relative_twos, "
            "relative_signed (did you mean 'relative_twos'?)",
        ),
        (
            HEAD + PEDAL.replace("rate_up", "tempo") + 'mode = "relative_twos"\ncurve = "root"\n',
            "control 1: curve = 'root' is not possible; it must be left out: relative_twos counts steps",
        ),
        (
            HEAD + '[[control]]\nmessage = "pitchwheel"\nrole = "rate"\nnumber = 0\n',
            "control 1: number = 0 is not possible; it must be left out: pitchwheel has none",
        ),
        (
            HEAD + '[[control]]\nmessage = "pitchwheel"\nrole = "rate"\nmode = "relative_twos"\n',
            "control 1: mode = 'relative_twos' is not possible; it must be 'absolute': pitchwheel has no steps",
        ),
        (
            HEAD + '[[control]]\nmessage = "pitchwheel"\nrole = "undo"\n',
            "control 1: message = 'pitchwheel' is not possible; it must be one of note_on, control_change, "
            "program_change for the role 'undo'",
        ),
        (
            HEAD + PEDAL + PEDAL.replace("rate_up", "undo"),
            "control 2: message, channel and number are those of control 1 (rate_up); allowed is one role each",
        ),
        (HEAD + "control = 1\n", "control = 1 is not possible; it must be a list"),
        (HEAD + "control = [1]\n", "control = [1] is not possible; it must be tables headed [[control]]"),
        (HEAD.replace("1", "2"), "schema = 2 is not possible; it must be 1, the only one this version reads"),
        (HEAD.replace("schema = 1\n", ""), "schema is missing; it must be a whole number"),
        (HEAD.replace('"X"\nk', '" "\nk'), "name = ' ' is not possible; it must be what people call the device"),
        (
            HEAD.replace("keyboard", "keybord"),
            "kind = 'keybord' is not possible; it must be one of keyboard, piano, pads, controller, synth (did you "
            "mean 'keyboard'?)",
        ),
        (
            HEAD.replace('["X"]', "[]"),
            "match = [] is not possible; it must be a list of at least one regex searched in the port's name",
        ),
        (HEAD.replace('["X"]', '"X"'), "match = 'X' is not possible; it must be a list"),
        (
            HEAD.replace('["X"]', '["X", ""]'),
            "match = ['X', ''] is not possible; it must be a list of texts, each a regex searched in the port's name",
        ),
        (
            HEAD + 'avoid = ["(DAW"]\n',
            "avoid = ['(DAW'] is not possible; it must be a list of regexes, and '(DAW' is none (missing ), "
            "unterminated subpattern at position 0)",
        ),
        (
            HEAD + TASTES.replace("[8, 15]", "[8, 8]"),
            "control 1: range = [8, 8] is not possible; it must be [lowest, highest] program that chooses a taste",
        ),
        (
            HEAD + TASTES.replace("range = [8, 15]", ""),
            "control 1: range is missing; it must be [lowest, highest] program that chooses a taste",
        ),
        (
            HEAD + TASTES + "number = 8\n",
            "control 1: number = 8 is not possible; it must be left out: a range of programs chooses tastes",
        ),
        (
            HEAD + TASTES + TASTES.replace("[8, 15]", "[15, 20]"),
            "control 2: message, channel and number are those of control 1 (taste); allowed is one role each",
        ),
        (HEAD + "channels = []\n", "channels = [] is not possible; it must be a list of whole numbers from 1 to 16"),
        (HEAD + "channels = [0]\n", "channels = [0] is not possible; it must be a list of whole numbers from 1 to 16"),
        (HEAD + "note_range = [60]\n", "note_range = [60] is not possible; it must be [lowest, highest] note"),
        (HEAD + "note_range = [61, 60]\n", "note_range = [61, 60] is not possible; it must be [lowest, highest] note"),
        (HEAD + "[feedback]\nlocal = 1\n", "feedback: local = 1 is not possible; it must be true or false"),
        (
            HEAD + "[feedback]\nlocl = true\n",
            "feedback: unknown key 'locl' (did you mean 'local'?); allowed are local, echo, light",
        ),
        (
            HEAD + '[[feedback.light]]\nrole = "held"\nmessage = "note_on"\nchannel = 1\nnumber = 1\non = 128\n',
            "feedback: light 1: on = 128 is not possible; it must be a whole number from 0 to 127",
        ),
        (HEAD + "x = \n", "not valid TOML: Invalid value (at line 5, column 5)"),
        (HEAD + "x = [1,\n", "not valid TOML: Invalid value (at end of document) (line 6)"),
        (HEAD + HEAD, "not valid TOML: Cannot overwrite a value (at line 5, column 11)"),
    ],
)  # fmt: skip
def test_every_mistake_is_one_sentence(text, sentence):
    assert complaint(text) == sentence


def test_a_long_value_is_cut_in_the_complaint():
    assert len(complaint(HEAD.replace("keyboard", "k" * 5000))) < 200


def test_a_profile_error_is_a_settings_error():
    with pytest.raises(SettingsError):
        parse_profile("", "x.toml")


# ---- loading ---------------------------------------------------------------------------------------------------------


def test_every_shipped_profile_parses():
    assert SHIPPED_ERRORS == []
    assert sorted(p.path.name for p in SHIPPED) == sorted(p.name for p in packaged_dir().glob("*.toml"))
    assert [p.path.stem for p in SHIPPED] == [
        "akai-apc-key25-mk2",
        "akai-apc-key25-mk2-control",
        "akai-apc-mini-mk2",
        "akai-midimix",
        "akai-mpk-mini-mk3",
        "akai-mpk-mini-plus",
        "arturia-keylab-mk1",
        "arturia-minilab-3",
        "general-midi-piano",
        "korg-nanokontrol2",
        "m-audio-oxygen-25",
        "novation-launchkey-mini-mk3",
        "novation-launchkey-mk3",
        "generic-digital-piano",
        "generic-pad-controller",
        "generic-synth",
        "generic-keyboard",
    ]
    for profile in SHIPPED:
        assert profile.path.read_text(encoding="utf-8").startswith("# ")
        assert not any(c.message == "control_change" and c.number == 64 for c in profile.controls), profile.path


def test_shipped_controls():
    def of(stem):
        return {(c.message, c.channel, c.number): c.role for c in profile_called(stem).controls}

    assert of("generic-keyboard") == {
        ("control_change", -1, 67): "rate_up",
        ("control_change", -1, 66): "rate_down",
    }
    assert of("generic-digital-piano") == of("generic-keyboard")
    assert profile_called("generic-digital-piano").feedback.local
    assert profile_called("generic-digital-piano").note_range == (21, 108)
    assert of("generic-pad-controller") == {
        ("note_on", 9, 36): "rate_up",
        ("note_on", 9, 37): "rate_down",
        ("note_on", 9, 38): "undo",
        ("note_on", 9, 39): "panic",
    }
    assert of("m-audio-oxygen-25") == {
        ("control_change", 15, 113): "role",
        ("control_change", 15, 114): "rate_down",
        ("control_change", 15, 115): "rate_up",
        ("control_change", 15, 116): "end",
        ("control_change", 15, 117): "mute",
        ("control_change", 15, 118): "held",
    }


def test_the_keys_of_a_keyboard_all_sound():
    for profile in SHIPPED:
        if profile.kind in ("keyboard", "piano"):
            assert profile.outer_keys == (), profile.path


def profile_called(stem):
    return next(p for p in SHIPPED if p.path.stem == stem)


def test_the_user_s_profiles_come_first_and_a_broken_one_is_reported(tmp_path):
    (tmp_path / "mine.toml").write_text(HEAD.replace('"X"]', '"MPK mini 3"]'), encoding="utf-8-sig")
    (tmp_path / "broken.toml").write_text("schema = \n", encoding="utf-8")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"\n')
    (tmp_path / "generic-mine.toml").write_text(HEAD, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a profile", encoding="utf-8")
    profiles, errors = load_profiles(tmp_path)
    assert [p.path.name for p in profiles][:2] == ["mine.toml", "akai-apc-key25-mk2.toml"]
    assert next(p.path.name for p in profiles if p.generic) == "generic-mine.toml"
    assert len(profiles) == len(SHIPPED) + 2
    assert str(errors[0]) == f"{tmp_path / 'broken.toml'}: not valid TOML: Invalid value (at line 1, column 10)"
    assert str(errors[1]).startswith(f"{tmp_path / 'latin.toml'}: the file cannot be read (")
    assert len(errors) == 2
    assert match_profile("MPK mini 3 0", profiles).path.name == "mine.toml"


def test_a_missing_user_folder_is_no_mistake(tmp_path):
    assert load_profiles(tmp_path / "none") == (SHIPPED, [])


# ---- matching --------------------------------------------------------------------------------------------------------

PORTS = [
    # port name, profile for an input, DAW port
    ("MPK mini 3:MPK mini 3 MIDI 1 20:0", "akai-mpk-mini-mk3", False),
    ("MPK mini 3 0", "akai-mpk-mini-mk3", False),
    ("MPK mini 3", "akai-mpk-mini-mk3", False),
    ("mpk MINI 3", "akai-mpk-mini-mk3", False),
    ("MPK mini Plus:MPK mini Plus MIDI 1 28:0", "akai-mpk-mini-plus", False),
    ("MPK mini Plus 1", "akai-mpk-mini-plus", False),
    ("MPK mini Plus Anschluss 1", "akai-mpk-mini-plus", False),
    ("MPK mini Plus II MIDI Port", "generic-keyboard", False),
    ("APC mini mk2:APC mini mk2 APC mini mk2 Contr 24:0", "akai-apc-mini-mk2", False),
    ("APC mini mk2:APC mini mk2 APC mini mk2 Notes 24:1", None, True),
    ("APC mini mk2 1", "akai-apc-mini-mk2", False),
    ("MIDIIN2 (APC mini mk2) 2", None, True),
    ("APC mini mk2 Control", "akai-apc-mini-mk2", False),
    ("APC mini mk2 Notes", None, True),
    ("APC Key 25 mk2:APC Key 25 mk2 APC Key 25 mk2 Keys 24:0", "akai-apc-key25-mk2", False),
    ("APC Key 25 mk2:APC Key 25 mk2 APC Key 25 mk2 Contr 24:1", "akai-apc-key25-mk2-control", True),
    ("APC Key 25 mk2:APC Key 25 mk2 MIDI 1 24:0", "akai-apc-key25-mk2", False),
    ("APC Key 25 mk2:APC Key 25 mk2 MIDI 2 24:1", "akai-apc-key25-mk2-control", True),
    ("APC Key 25 mk2 2", "akai-apc-key25-mk2", False),
    ("MIDIIN2 (APC Key 25 mk2) 3", "akai-apc-key25-mk2-control", True),
    ("APC Key 25 mk2 Control", "akai-apc-key25-mk2-control", True),
    ("MIDI Mix:MIDI Mix MIDI 1 20:0", "akai-midimix", False),
    ("MIDI Mix 0", "akai-midimix", False),
    ("MIDIMix", "akai-midimix", False),
    ("Minilab3:Minilab3 Minilab3 MIDI 24:0", "arturia-minilab-3", False),
    ("Minilab3:Minilab3 Minilab3 DIN THRU 24:1", None, True),
    ("Minilab3:Minilab3 Minilab3 MCU/HUI 24:2", None, True),
    ("Minilab3:Minilab3 Minilab3 ALV 24:3", None, True),
    ("Minilab3 MIDI 0", "arturia-minilab-3", False),
    ("Minilab3 MCU/HUI 2", None, True),
    ("Minilab 37 0", "generic-keyboard", False),
    ("KeyLab 49:KeyLab 49 MIDI 1 20:0", "arturia-keylab-mk1", False),
    ("KeyLab 49 mk3 MIDI", "generic-keyboard", False),
    ("Launchkey Mini MK3:Launchkey Mini MK3 MIDI 1 20:0", "novation-launchkey-mini-mk3", False),
    ("Launchkey Mini MK3:Launchkey Mini MK3 MIDI 2 20:1", None, True),
    ("Launchkey Mini MK3:Launchkey Mini MK3 Launchkey Mi 28:0", "novation-launchkey-mini-mk3", False),
    ("Launchkey Mini MK3:Launchkey Mini MK3 Launchkey Mi 28:1", None, True),
    ("a2j:Launchkey Mini MK3 [20] (capture): Launchkey Mini MK3 MIDI 2", None, True),
    ("Launchkey Mini MK3 MIDI 2", "novation-launchkey-mini-mk3", False),  # WinMM: 2 is the port's index
    ("MIDIIN2 (Launchkey Mini MK3 MID 3", None, True),
    ("Launchkey Mini LKMK3 DAW Out", None, True),
    ("LKMK3 MIDI 0", "novation-launchkey-mini-mk3", False),
    ("MIDIIN2 (LKMK3 MIDI) 1", None, True),
    ("Launchkey MK3 49:Launchkey MK3 49 LKMK3 MIDI In 20:0", "novation-launchkey-mk3", False),
    ("Launchkey MK3 49:Launchkey MK3 49 LKMK3 DAW In 20:1", None, True),
    ("Launchkey MK3 61 LKMK3 MIDI Out", "novation-launchkey-mk3", False),
    ("Launchkey MK3 61 LKMK3 DAW Out", None, True),
    ("Oxygen 25:Oxygen 25 MIDI 1 20:0", "m-audio-oxygen-25", False),
    ("Oxygen Pro 25 0", "generic-keyboard", False),
    ("nanoKONTROL2:nanoKONTROL2 MIDI 1 20:0", "korg-nanokontrol2", False),
    ("nanoKONTROL2:nanoKONTROL2 nanoKONTROL2 _ CTR 28:0", "korg-nanokontrol2", False),
    ("nanoKONTROL2 SLIDER/KNOB", "korg-nanokontrol2", False),
    ("Digital Piano:Digital Piano MIDI 1 20:0", "generic-digital-piano", False),
    ("Roland Digital Piano 0", "generic-digital-piano", False),
    ("P-125 0", "generic-digital-piano", False),
    ("FP-30X MIDI Bluetooth", "generic-digital-piano", False),
    ("Clavinova", "generic-digital-piano", False),
    ("CASIO USB-MIDI:CASIO USB-MIDI MIDI 1 20:0", "generic-digital-piano", False),
    ("Virtual MIDI Piano", "generic-keyboard", False),
    ("LPD8:LPD8 MIDI 1 20:0", "generic-pad-controller", False),
    ("MPD218 0", "generic-pad-controller", False),
    ("iPad", "generic-keyboard", False),
    ("Some Keyboard 20:0", "generic-keyboard", False),
    ("", "generic-keyboard", False),
]


@pytest.mark.parametrize(("port", "stem", "daw"), PORTS)
def test_port_names(port, stem, daw):
    found = match_profile(port, SHIPPED)
    assert (found.path.stem if found else None, is_daw_port(port, SHIPPED)) == (stem, daw)


@pytest.mark.parametrize(
    ("port", "stem"),
    [
        ("FLUID Synth (1234):Synth input port (1234:0) 128:0", "general-midi-piano"),
        ("TiMidity:TiMidity port 0 128:0", "general-midi-piano"),
        ("Microsoft GS Wavetable Synth 0", "general-midi-piano"),
        ("ZynAddSubFX:ZynAddSubFX 129:0", "generic-synth"),
        ("My Synth 1", "generic-synth"),
        ("Roland Digital Piano 1", "generic-digital-piano"),
        ("MPK mini 3 1", None),
        ("IAC Driver Bus 1", None),
        ("Midi Through:Midi Through Port-0 14:0", None),
    ],
)
def test_outputs_are_synths_and_pianos(port, stem):
    found = match_profile(port, SHIPPED, output=True)
    assert (found.path.stem if found else None) == stem


def made(stem, kind="keyboard", match="Box", avoid=()):
    return Profile(stem, kind, (match,), tuple(avoid), path=Path(f"{stem}.toml"))


def test_generic_profiles_wait_and_the_catch_all_waits_longest():
    everything, generic, exact = made("generic-a", match=".*"), made("generic-b"), made("exact")
    assert match_profile("Box 1", [everything, generic, exact]) is exact
    assert match_profile("Box 1", [everything, generic]) is generic
    assert match_profile("Other", [everything, generic, exact]) is everything
    assert match_profile("Other", [generic, exact]) is None


def test_the_first_of_equals_wins():
    first, second = made("b"), made("a")
    assert match_profile("a box", [first, second]) is first


def test_a_daw_port_is_no_keyboard_for_anyone_after():
    box, pads = made("box", avoid=["DAW"]), made("pads", "pads", "Box DAW")
    assert match_profile("Box DAW", [box, made("other"), made("generic-a", match=".*")]) is None
    assert match_profile("Box DAW", [box, pads]) is pads
    assert is_daw_port("Box DAW", [box, pads]) and is_daw_port("Box DAW", [pads, box])


def test_the_player_s_own_keyboard_profile_overrules_a_daw_port():
    own, box = made("own", match="Box DAW"), made("box", avoid=["DAW"])
    assert match_profile("Box DAW", [own, box]) is own
    assert not is_daw_port("Box DAW", [own, box])


# ---- writing ---------------------------------------------------------------------------------------------------------

texts = st.text(min_size=1).filter(str.strip)
patterns = st.lists(st.sampled_from(["MPK mini 3", r"^a\b\d+", "'\"\\\\", "\x7f\t\n", "é", "(x|y)?"]), max_size=3)
numbers = st.integers(0, 119)
channels = st.integers(-1, 15)


@st.composite
def controls(draw):
    if draw(st.booleans()):
        pressed = draw(st.sampled_from(PRESS_ROLES))
        fit = HOLD_MESSAGES if pressed in HOLD_ROLES else PRESS_MESSAGES
        made = Control(draw(st.sampled_from(fit)), draw(channels), draw(numbers), pressed)
        high = made.number + draw(st.integers(1, 8))
        return replace(made, low=float(made.number), high=float(high)) if made.selects else made
    role, message = draw(st.sampled_from(KNOB_ROLES)), draw(st.sampled_from(KNOB_MESSAGES))
    number = -1 if message in UNNUMBERED else draw(numbers)
    low, high = draw(st.lists(st.floats(*ROLE_LIMITS[role]), min_size=2, max_size=2, unique=True))
    mode = draw(st.sampled_from(MODES)) if message == "control_change" else "absolute"
    curve = draw(st.sampled_from(CURVES)) if mode == "absolute" else "linear"
    return Control(message, draw(channels), number, role, mode, low, high, curve)


lights = st.builds(
    Light, st.sampled_from(CONTROL_ROLES), st.sampled_from(["note_on", "control_change"]), st.integers(0, 15), numbers,
    st.integers(0, 127), st.integers(0, 127),
)  # fmt: skip
profiles = st.builds(
    Profile,
    texts,
    st.sampled_from(KINDS),
    patterns.filter(bool).map(tuple),
    patterns.map(tuple),
    st.sets(st.integers(0, 15), min_size=1).map(lambda s: tuple(sorted(s))),
    st.tuples(st.integers(0, 127), st.integers(0, 127)).map(lambda t: (min(t), max(t))),
    st.lists(controls(), max_size=5, unique_by=lambda c: c.place)
    .filter(
        lambda found: all(
            a is b or a.place[:2] != b.place[:2] or not set(a.numbers) & set(b.numbers) for a in found for b in found
        )
    )
    .map(tuple),
    st.builds(Feedback, st.booleans(), st.booleans(), st.lists(lights, max_size=3).map(tuple)),
)


@given(profiles)
def test_what_is_written_reads_back_equal(profile):
    assert parse_profile(profile_text(profile), "x.toml") == profile


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda p: p.path.stem)
def test_shipped_profiles_survive_writing(profile, tmp_path):
    path = tmp_path / "deep" / "copy.toml"
    write_profile(profile, path)
    assert parse_profile(path.read_text(encoding="utf-8"), path) == profile
    assert os.listdir(path.parent) == ["copy.toml"]


def test_writing_replaces_whole_files_only(tmp_path, monkeypatch):
    path = tmp_path / "x.toml"
    path.write_text("old", encoding="utf-8")

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match=r"x\.toml cannot be written \(disk full\)"):
        write_profile(made("x"), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert load_profiles(tmp_path)[1] != []  # "old" is no profile, and a half-written part is not even looked at
    assert len(load_profiles(tmp_path)[0]) == len(SHIPPED)
