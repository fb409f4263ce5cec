"""The compiled control map: exact values, pedals, priorities, and a slow plain oracle for all of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.midi.controls import ControlMap, outer_key_controls
from livecomposer.midi.profiles import (
    CURVES,
    HOLD_MESSAGES,
    HOLD_ROLES,
    KNOB_MESSAGES,
    KNOB_ROLES,
    MODES,
    PRESS_MESSAGES,
    PRESS_ROLES,
    UNNUMBERED,
    Control,
    Profile,
    load_profiles,
)


def values(control, datas):
    cm = ControlMap(None, [control])
    return [cm.value(0, data) for data in datas]


def cc(role, number=67, **more):
    return Control("control_change", -1, number, role, **more)


def test_nothing_is_mapped():
    cm = ControlMap(None)
    assert {cm.find(status, data) for status in range(256) for data in range(256)} == {-1}


def test_a_note_off_finds_its_note_on():
    cm = ControlMap(Profile("X", "pads", ("X",), controls=(Control("note_on", 9, 36, "undo"),)))
    assert cm.find(0x99, 36) == cm.find(0x89, 36) == 0
    assert cm.find(0x98, 36) == cm.find(0x99, 37) == cm.find(0xA9, 36) == cm.find(0xB9, 36) == -1
    assert cm.role(0) == "undo"


def test_any_channel_and_unnumbered_messages():
    cm = ControlMap(None, [cc("rate_up"), Control("pitchwheel", 2, -1, "rate"), Control("aftertouch", -1, -1, "level")])
    assert [cm.find(0xB0 | channel, 67) for channel in range(16)] == [0] * 16
    assert {cm.find(0xE2, data) for data in range(128)} == {1}
    assert {cm.find(0xE3, data) for data in range(128)} == {-1}
    assert {cm.find(0xD0 | channel, data) for channel in range(16) for data in range(128)} == {2}
    assert cm.find(0xF0, 67) == cm.find(0x43, 67) == cm.find(0xB0, 195) == -1


def test_a_range_of_programs_chooses_by_number():
    taste = Control("program_change", 0, 8, "taste", low=8.0, high=11.0)
    cm = ControlMap(None, [taste, Control("program_change", 0, 12, "taste"), Control("note_on", 9, 36, "taste")])
    assert [cm.find(0xC0, program) for program in (7, 8, 11, 12, 13)] == [-1, 0, 0, 1, -1]
    assert [cm.value(0, program) for program in (8, 9, 11)] == [0.0, 1.0, 3.0]
    assert [control.selects for control in cm.controls] == [True, True, False]
    assert (cm.value(cm.find(0x99, 36), 90), cm.find(0xC1, 9)) == (1.0, -1)


def test_program_change_by_number():
    cm = ControlMap(None, [Control("program_change", 0, 5, "rate_down"), Control("program_change", 0, 6, "panic")])
    assert (cm.find(0xC0, 5), cm.find(0xC0, 6), cm.find(0xC0, 7), cm.find(0xC1, 5)) == (0, 1, -1, -1)
    assert [cm.value(0, 5), cm.value(0, 5), cm.value(1, 6)] == [-0.5, -0.5, 1.0]


def test_settings_come_before_the_profile_and_a_channel_before_any():
    profile = Profile("X", "keyboard", ("X",), controls=(cc("undo"), Control("control_change", 3, 67, "panic")))
    cm = ControlMap(profile)
    assert (cm.role(cm.find(0xB0, 67)), cm.role(cm.find(0xB3, 67))) == ("undo", "panic")
    cm = ControlMap(profile, [cc("tap"), Control("control_change", 4, 67, "end"), cc("mute")])
    assert [cm.role(cm.find(0xB0 | channel, 67)) for channel in (0, 3, 4)] == ["tap", "tap", "end"]


def test_notes_rate_by_force():
    assert values(Control("note_on", -1, 22, "rate_up"), (0, 1, 64, 127)) == [
        None, 0.25 + 0.75 / 127, 0.25 + 0.75 * 64 / 127, 1.0,
    ]  # fmt: skip
    assert values(Control("note_on", -1, 21, "rate_down"), (127, 0, 127)) == [-1.0, None, -1.0]
    assert values(Control("note_on", -1, 38, "undo"), (1, 0, 127)) == [1.0, None, 1.0]


def test_a_note_off_is_no_press_whatever_its_velocity():
    cm = ControlMap(None, [Control("note_on", 0, 22, "rate_up")])
    assert cm.value(cm.find(0x80, 22), 64, 0x80) is None


def test_outer_keys():
    cm = ControlMap(None, outer_key_controls())
    assert cm.value(cm.find(0x90, 21), 127) == -1.0
    assert cm.value(cm.find(0x90, 22), 127) == 1.0
    assert cm.find(0x90, 23) == -1
    assert outer_key_controls(28, 0) == (
        Control("note_on", 0, 28, "rate_down"),
        Control("note_on", 0, 29, "rate_up"),
    )


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        # a switch pedal: one edge, one action
        ((127, 0, 127, 0), (0.5, None, 0.5, None)),
        # a continuous pedal trembling about the middle: down at 64, up below 32 only
        ((3, 40, 63, 64, 70, 127, 64, 40, 32, 64, 31, 63, 64), (*[None] * 3, 0.5, *[None] * 8, 0.5)),
        # resting high, switch: the first thing it can send is 0
        ((0, 127, 0, 127), (0.5, None, 0.5, None)),
        # resting high, continuous: the first step down from 127 is seen, 63 is down, 96 is up
        ((126, 90, 64, 63, 20, 0, 63, 90, 95, 63, 96, 64, 63), (*[None] * 3, 0.5, *[None] * 8, 0.5)),
        ((64, 63), (None, 0.5)),
        ((63, 64), (None, 0.5)),
    ],
)
def test_pedals(sent, got):
    assert tuple(values(cc("rate_up"), sent)) == got
    assert tuple(values(cc("rate_down", 66), sent)) == tuple(-v if v else v for v in got)
    assert tuple(values(cc("panic", 64), sent)) == tuple(v and 1.0 for v in got)


def test_a_pad_that_sends_its_force_as_a_controller_is_not_taken_for_a_high_pedal():
    assert values(cc("rate_up", 20), (100, 0, 80, 0, 127, 0)) == [0.5, None, 0.5, None, 0.5, None]
    assert values(cc("rate_up", 20), (0, 127, 0)) == [0.5, None, 0.5]


def test_reset_forgets_pedals():
    cm = ControlMap(None, [cc("undo")])
    assert [cm.value(0, 127), cm.value(0, 127)] == [1.0, None]
    cm.reset()
    assert [cm.value(0, 0), cm.value(0, 127), cm.value(0, 0)] == [1.0, None, 1.0]


def test_absolute_knobs():
    assert values(cc("level"), (0, 64, 127)) == [0.0, 64 / 127, 1.0]
    assert values(cc("tempo"), (0, 127)) == [60.0, 180.0]
    assert values(cc("tempo", low=180.0, high=60.0), (0, 127)) == [180.0, 60.0]
    assert values(cc("level", curve="square"), (0, 64, 127)) == [0.0, (64 / 127) ** 2, 1.0]
    assert values(cc("level", curve="root"), (0, 64, 127)) == [0.0, (64 / 127) ** 0.5, 1.0]
    assert values(cc("rate"), (0, 32, 64, 127)) == [-1.0, -0.5, 0.0, 1.0]
    assert values(cc("rate", low=0.5, high=-1.0), (0, 32, 64, 127)) == [0.5, 0.25, 0.0, -1.0]
    assert values(cc("rate", curve="square"), (0, 32, 64, 127)) == [-1.0, -0.25, 0.0, 1.0]
    assert values(Control("pitchwheel", 0, -1, "rate"), (0, 64, 127)) == [-1.0, 0.0, 1.0]
    assert values(Control("pitchwheel", 0, -1, "tempo"), (0, 64, 127)) == [60.0, 120.0, 180.0]
    assert values(Control("note_on", 0, 60, "level"), (0, 127)) == [None, 1.0]


def test_relative_encoders():
    assert values(cc("level", mode="relative_twos"), (0, 1, 5, 63, 64, 127)) == [None, 1.0, 5.0, 63.0, -64.0, -1.0]
    assert values(cc("level", mode="relative_signed"), (0, 1, 63, 64, 65, 127)) == [None, 1.0, 63.0, None, -1.0, -63.0]
    assert values(cc("level", mode="relative_twos", low=1.0, high=0.0), (1, 127)) == [-1.0, 1.0]
    assert values(cc("rate", mode="relative_twos"), (1, 4, 9, 127, 120)) == [0.25, 1.0, 1.0, -0.25, -1.0]
    cm = ControlMap(None, [cc("level", mode="relative_twos"), cc("rate", mode="relative_twos"), cc("level")])
    assert [cm.relative(i) for i in range(3)] == [True, False, False]


def test_every_shipped_profile_compiles_and_each_control_is_found():
    for profile in load_profiles(None)[0]:
        cm = ControlMap(profile)
        assert {cm.find(s, d) for s in range(0x80, 0xF0) for d in range(128)} == set(
            range(len(profile.controls) if profile.controls else 0)
        ) | {-1}


# ---- against a slow plain oracle -------------------------------------------------------------------------------------


class Naive:
    """The rules of ControlMap, read one after the other."""

    NIBBLES = {  # noqa: RUF012 - never written
        "note_on": (0x90, 0x80), "polytouch": (0xA0,), "control_change": (0xB0,), "program_change": (0xC0,),
        "aftertouch": (0xD0,), "pitchwheel": (0xE0,),
    }  # fmt: skip

    def __init__(self, own, extra):
        self.controls = [*extra, *own]
        self.tiers = [
            [i for i in group if (self.controls[i].channel >= 0) is named]
            for group in (range(len(extra)), range(len(extra), len(self.controls)))
            for named in (True, False)
        ]
        self.first, self.down = {}, set()

    def find(self, status, data1):
        for tier in self.tiers:
            for i in tier:
                c = self.controls[i]
                if (
                    status & 0xF0 in self.NIBBLES[c.message]
                    and c.channel in (-1, status & 15)
                    and (c.message in UNNUMBERED or data1 in self.numbers(c))
                ):
                    return i
        return -1

    @staticmethod
    def numbers(c):
        if c.role == "taste" and c.message == "program_change":
            return range(int(c.low), int(c.high) + 1)
        return (c.number,)

    def value(self, i, data, status):
        c = self.controls[i]
        if c.role == "taste" and c.message == "program_change":
            return data - c.low
        if status < 0x90 or (c.message == "note_on" and data == 0):
            return 0.0 if c.role in HOLD_ROLES else None
        sign = -1 if c.role == "rate_down" else 1
        if c.role in PRESS_ROLES:
            graded = c.role in ("rate_up", "rate_down")
            if c.message == "note_on":
                return sign * (0.25 + 0.75 * data / 127) if graded else 1.0
            if c.message == "control_change":
                first = self.first.setdefault(i, data)
                if first == 0 or (first in range(64, 127) and c.number in (64, 65, 66, 67, 68, 69)):
                    data = 127 - data
                if data < 32 and i in self.down:
                    self.down.discard(i)
                    return 0.0 if c.role in HOLD_ROLES else None
                if data < 64 or i in self.down:
                    return None
                self.down.add(i)
            return sign * 0.5 if graded else 1.0
        if c.mode != "absolute":
            if c.mode == "relative_twos":
                steps = data if data < 64 else data - 128
            else:
                steps = data % 64 * (1 if data < 64 else -1)
            if steps == 0:
                return None
            if c.role == "rate":
                return min(abs(steps) / 4, 1) * (c.high if steps > 0 else c.low)
            return steps if c.high > c.low else -steps
        bend = {"linear": lambda x: x, "square": lambda x: x**2, "root": lambda x: x**0.5}[c.curve]
        side = (data - 64) / 64 if data < 64 else (data - 64) / 63
        if min(c.low, c.high) < 0 < max(c.low, c.high):
            return bend(side) * c.high if side >= 0 else bend(-side) * c.low
        x = bend((side + 1) / 2 if c.message == "pitchwheel" else data / 127)
        return c.low + (c.high - c.low) * x


@st.composite
def controls(draw):
    channel, number = draw(st.sampled_from([-1, -1, 0, 9])), draw(st.sampled_from([20, 36, 64, 67]))
    if draw(st.booleans()):
        role = draw(st.sampled_from(PRESS_ROLES))
        fit = HOLD_MESSAGES if role in HOLD_ROLES else PRESS_MESSAGES
        high = float(draw(st.integers(number, number + 40)))
        return Control(draw(st.sampled_from(fit)), channel, number, role, low=float(number), high=high)
    role, message = draw(st.sampled_from(KNOB_ROLES)), draw(st.sampled_from(KNOB_MESSAGES))
    low, high = draw(st.lists(st.sampled_from([-1.0, -0.25, 0.0, 0.5, 1.0]), min_size=2, max_size=2, unique=True))
    mode = draw(st.sampled_from(MODES)) if message == "control_change" else "absolute"
    curve = draw(st.sampled_from(CURVES)) if mode == "absolute" else "linear"
    return Control(message, channel, -1 if message in UNNUMBERED else number, role, mode, low, high, curve)


messages = st.tuples(
    st.sampled_from([nibble | channel for nibble in range(0x80, 0xF0, 16) for channel in (0, 1, 9)]),
    st.sampled_from([20, 36, 64, 67]),
    st.one_of(st.sampled_from([0, 1, 31, 32, 63, 64, 126, 127]), st.integers(0, 127)),
)


@given(st.lists(controls(), max_size=6), st.lists(controls(), max_size=3), st.lists(messages, max_size=40))
def test_against_the_oracle(own, extra, sent):
    fast = ControlMap(Profile("X", "keyboard", ("X",), controls=tuple(own)), extra)
    slow = Naive(own, extra)
    for status, data1, data2 in sent:
        index = fast.find(status, data1)
        assert index == slow.find(status, data1)
        if index >= 0:
            last = data1 if status & 0xF0 in (0xC0, 0xD0) else data2
            assert fast.value(index, last, status) == pytest.approx(slow.value(index, last, status), abs=1e-12)
