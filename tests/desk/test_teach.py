"""``livecomposer learn`` without a port and without a terminal: a list of what happens when, exact words out."""

import os
import sys
from types import SimpleNamespace

import pytest

from livecomposer.cli import main
from livecomposer.desk import teach
from livecomposer.desk.teach import ENTER, Lesson
from livecomposer.errors import PortLost, StoreError
from livecomposer.midi import ports
from livecomposer.midi.profiles import Control, Profile, load_profiles, match_profile, parse_profile

DEVICE = "Thing:Thing MIDI 1 24:0"
PATTERN = r"Thing:Thing\ MIDI\ 1"
YES, NO, UNDO, PANIC = b"\xb0\x14\x7f", b"\x90\x15\x40", b"\x99\x24\x40", b"\xc0\x05"
LOW, HIGH = b"\x90\x15\x40", b"\x90\x6c\x40"


class Stage:
    """A clock, and what happens at which second; ``said`` collects the lines."""

    def __init__(self, *events, there=True):
        self.events = list(events)
        self.now_s = 0.0
        self.said = []
        self.there = there

    def wait(self, seconds):
        if not self.events:
            raise KeyboardInterrupt
        at, event = self.events[0]
        if at > self.now_s + seconds:
            self.now_s += seconds
            return None
        self.now_s = max(self.now_s, at)
        del self.events[0]
        return event

    def hold(self, lesson):
        teach.hold(lesson, DEVICE, self.wait, self.said.append, lambda: self.now_s, lambda: self.there)
        return self.said


def test_a_whole_lesson():
    lesson = Lesson((21, 108))
    assert Stage((1, b"\xf8"), (2, YES), (3, NO), (4, UNDO), (5, PANIC)).hold(lesson) == [
        "Press what you want for yes (Enter: skip).",
        "  yes: CC 20 on channel 1",
        "Press what you want for no (Enter: skip).",
        "  no: A0 (note 21) on channel 1",
        "Press what you want for undo (Enter: skip).",
        "  undo: C2 (note 36) on channel 10",
        "Press what you want for panic (Enter: skip).",
        "  panic: program 5 on channel 1",
    ]
    assert lesson.done and lesson.prompt == ""


def test_the_range_is_asked_for_first():
    lesson = Lesson(None)
    events = (
        (1, YES), (2, UNDO), (3, LOW), (4, b"\x80\x15\x00"), (5, b"\x90\x16\x40"), (6, HIGH), (7, LOW),
        (8, b"\x90\x3c\x40"), (9, ENTER), (10, NO), (11, ENTER), (12, ENTER),
    )  # fmt: skip
    assert Stage(*events).hold(lesson) == [
        "Play your lowest key (Enter: skip).",
        "  one end: note 21",
        "Play your highest key (Enter: skip).",
        "  notes 21 and 22 are less than an octave apart; once more, from end to end",
        "Play your lowest key (Enter: skip).",
        "  one end: note 108",
        "Play your highest key (Enter: skip).",
        "  your keys: notes 21 to 108",
        "Press what you want for yes (Enter: skip).",
        "  C4 (note 60) on channel 1 is a key you play, and it would fall silent; "
        "press a pedal, a button, a pad on channel 10 or one of the two outermost keys",
        "  yes: left as it is",
        "Press what you want for no (Enter: skip).",
        "  no: A0 (note 21) on channel 1",
        "Press what you want for undo (Enter: skip).",
        "  undo: left as it is",
        "Press what you want for panic (Enter: skip).",
        "  panic: left as it is",
    ]


def test_without_a_range_no_key_is_given_away():
    lesson = Lesson(None)
    said = Stage((1, ENTER), (2, LOW), (3, YES), (4, ENTER), (5, ENTER), (6, ENTER)).hold(lesson)
    assert said[1] == "  no keys then: only pedals, buttons and pads can be taught"
    assert said[3].startswith("  A0 (note 21) on channel 1 is a key you play")
    assert lesson.session.controls == (Control("control_change", 0, 20, "rate_up"),)


def test_one_press_that_sends_twice_counts_once():
    lesson = Lesson((21, 108))
    events = ((1, YES), (1.01, b"\xb1\x14\x7f"), (1.1, b"\xb0\x14\x00"), (1.2, b"\xb0\x14\x7f"), (2, b"\xb0\x15\x7f"))
    assert Stage(*events, (3, ENTER), (4, ENTER)).hold(lesson)[:4] == [
        "Press what you want for yes (Enter: skip).",
        "  yes: CC 20 on channel 1",
        "Press what you want for no (Enter: skip).",
        "  no: CC 21 on channel 1",
    ]


def test_a_reminder_after_a_minute_even_while_the_clock_chatters():
    chatter = [(second, b"\xfe") for second in range(1, 130)]
    events = (*chatter, (130, ENTER), (131, ENTER), (132, ENTER), (250, ENTER))
    stage = Stage(*events)
    said = stage.hold(Lesson((21, 108)))
    reminder = '  Still listening to "{}": press what you want for {}. If it stays deaf, look at `livecomposer ports`.'
    assert said[:4] == [
        "Press what you want for yes (Enter: skip).",
        reminder.format(DEVICE, "yes"),
        reminder.format(DEVICE, "yes"),
        "  yes: left as it is",
    ]
    assert said[-3:] == [
        "Press what you want for panic (Enter: skip).",
        reminder.format(DEVICE, "panic"),
        "  panic: left as it is",
    ]


def test_a_device_that_has_gone():
    with pytest.raises(PortLost) as caught:
        Stage((100, ENTER), there=False).hold(Lesson((21, 108)))
    assert str(caught.value) == f'"{DEVICE}" is not there any more; plug it in and begin again'


def test_what_was_taught_lies_over_what_is_known():
    def cc(number, role, channel=-1, **more):
        return Control("control_change", channel, number, role, **more)

    base = Profile(
        "Known", "piano", ("Thing",), avoid=("MIDI 1", "DAW"), channels=(0,), note_range=(0, 127),
        controls=(cc(67, "rate_up"), cc(66, "rate_down"), cc(20, "panic"), cc(7, "level", low=0.0, high=0.5)),
    )  # fmt: skip
    learnt = Profile("New", "keyboard", (PATTERN,), note_range=(21, 108), controls=(cc(20, "rate_up", 0),))
    profile = teach.taught(learnt, base, DEVICE)
    assert profile == Profile(
        "New", "piano", (PATTERN,), avoid=("DAW",), channels=(0,), note_range=(21, 108),
        controls=(cc(20, "rate_up", 0), cc(66, "rate_down"), cc(7, "level", low=0.0, high=0.5)),
    )  # fmt: skip
    assert teach.taught(learnt, None, DEVICE) == learnt
    assert teach.meanings(profile) == [
        "  yes    CC 20 on channel 1",
        "  no     CC 66 on any channel",
        "  level  CC 7 on any channel",
    ]


def test_places_in_words():
    assert teach.place(Control("note_on", 9, 36, "undo")) == "note 36 on channel 10"
    assert teach.place(Control("program_change", 0, 5, "panic")) == "program 5 on channel 1"
    assert teach.place(Control("pitchwheel", -1, -1, "rate")) == "pitchwheel on any channel"


@pytest.mark.parametrize(
    ("port", "name", "file"),
    [
        ("MPK mini 3:MPK mini 3 MIDI 1 20:0", "MPK mini 3 MIDI 1", "mpk-mini-3-midi-1.toml"),
        ("system:midi_capture_1", "system:midi_capture_1", "system-midi-capture-1.toml"),
        ("Oxygen 25", "Oxygen 25", "oxygen-25.toml"),
        ("Generic Keyboard", "Generic Keyboard", "my-generic-keyboard.toml"),
        ("ピアノ 1", "ピアノ 1", "ピアノ-1.toml"),
        ("../..", "../..", "device.toml"),
    ],
)
def test_names(port, name, file):
    assert (teach.device_name(port), teach.file_of(name)) == (name, file)


def test_ranges_that_are_known():
    assert teach.known_range(None) is None
    assert teach.known_range(Profile("X", "keyboard", ("X",))) is None
    assert teach.known_range(Profile("X", "keyboard", ("X",), note_range=(36, 84))) == (36, 84)


def test_keeping_a_copy(tmp_path):
    path = tmp_path / "devices" / "x.toml"
    one, two = (Profile(name, "keyboard", ("X",)) for name in ("one", "two"))
    assert teach.keep(one, path) == f"Wrote {path}."
    assert teach.keep(two, path) == f"Wrote {path}; the one before is kept as x.toml.bak."
    assert parse_profile(path.read_text(), path) == two
    assert parse_profile((tmp_path / "devices" / "x.toml.bak").read_text(), path) == one
    (tmp_path / "devices" / "x.toml.bak").unlink()
    (tmp_path / "devices" / "x.toml.bak").mkdir()
    (tmp_path / "devices" / "x.toml.bak" / "x.toml").mkdir()
    with pytest.raises(StoreError, match=r"cannot be copied to x\.toml\.bak .*; move it away and begin again$"):
        teach.keep(one, path)
    assert parse_profile(path.read_text(), path) == two


# ---- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def devices(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("LIVECOMPOSER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LIVECOMPOSER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ports, "find_system", lambda wanted="": ports.System("alsa", 2))
    monkeypatch.setattr(sys, "stdin", None)  # nobody types
    return tmp_path / "home" / "devices"


@pytest.fixture
def play(monkeypatch):
    """A device that sends these messages as soon as it is opened, each as a press of its own."""

    def play(*messages, names=(DEVICE,)):
        def open_input(system, name, callback):
            for msg in messages:
                callback((list(msg), 0.0), None)
            return SimpleNamespace(close_port=lambda: None, delete=lambda: None)

        monkeypatch.setattr(ports, "list_ports", lambda system: (list(names), []))
        monkeypatch.setattr(ports, "open_input", open_input)
        monkeypatch.setattr(teach, "SETTLE_S", 0.0)

    return play


def test_learn(devices, play, capsys):
    play(LOW, HIGH, YES, NO, UNDO, PANIC)
    assert main(["learn"]) == 0
    path = devices / "thing-midi-1.toml"
    assert capsys.readouterr().out.splitlines()[-7:] == [
        f"Wrote {path}.",
        f'On "{DEVICE}" now:',
        "  yes    CC 20 on channel 1",
        "  no     note 21 on channel 1",
        "  undo   note 36 on channel 10",
        "  panic  program 5 on channel 1",
        "`livecomposer play` will use it.",
    ]
    profile = match_profile(DEVICE, load_profiles(devices)[0])
    assert (profile.path, profile.name, profile.note_range) == (path, "Thing MIDI 1", (21, 108))
    # Once more: its range is known, its file is changed in place.
    play(b"\xb0\x43\x7f", NO, UNDO, PANIC)
    assert main(["learn", "--name", "Stage left"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == [
        f'Listening to "{DEVICE}". Ctrl-C leaves without writing anything.',
        "Press what you want for yes (Enter: skip).",
    ]
    assert f"Wrote {path}; the one before is kept as thing-midi-1.toml.bak." in shown
    assert match_profile(DEVICE, load_profiles(devices)[0]).name == "Stage left"


def test_learn_which_programs_choose_a_taste(devices, play, capsys):
    play(LOW, HIGH, YES, NO, UNDO, PANIC)
    assert main(["learn"]) == 0
    play(LOW, b"\xc0\x03", b"\xc0\x07")
    assert main(["learn", "--tastes"]) == 0
    path = devices / "thing-midi-1.toml"
    assert capsys.readouterr().out.splitlines()[-12:] == [
        f'Listening to "{DEVICE}". Ctrl-C leaves without writing anything.',
        "Send the lowest of the program changes that should choose a taste (Enter: skip).",
        "  lowest: program 3 on channel 1",
        "Send the highest of the program changes that should choose a taste (Enter: skip).",
        "  highest: program 7 on channel 1",
        f"Wrote {path}; the one before is kept as thing-midi-1.toml.bak.",
        f'On "{DEVICE}" now:',
        "  taste  programs 3 to 7 on channel 1",
        "  yes    CC 20 on channel 1",
        "  no     note 21 on channel 1",
        "  undo   note 36 on channel 10",
        "`livecomposer play` will use it.",  # program 5 was panic
    ]


def test_learn_on_a_port_that_play_would_not_take_by_itself(devices, play, capsys):
    play(LOW, HIGH, YES, NO, UNDO, PANIC, names=("Oxygen 25", DEVICE))
    play_first = "Own", "Thing"
    assert main(["learn", "--in", "thing"]) == 0
    capsys.readouterr()
    (devices / "another.toml").write_text(
        f'schema = 1\nname = "{play_first[0]}"\nkind = "keyboard"\nmatch = ["{play_first[1]}", "Oxygen"]\n'
    )
    names, path = ["Oxygen 25", DEVICE], devices / "thing-midi-1.toml"
    assert teach.use(DEVICE, names, path, devices) == (
        f"But another.toml comes before it; move one of the two out of {devices}."
    )
    (devices / "another.toml").unlink()
    assert teach.use(DEVICE, names, path, devices) == f'`livecomposer play --in "{PATTERN}"` will use it.'
    assert teach.use(DEVICE, [DEVICE], path, devices) == "`livecomposer play` will use it."


def test_ctrl_c_writes_nothing(devices, play, capsys, monkeypatch):
    play(LOW, HIGH, YES)

    def hold(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(teach, "hold", hold)
    assert main(["learn"]) == 130
    assert capsys.readouterr().out.splitlines()[1:] == ["", "Left; nothing was written."]
    assert not devices.exists()


def test_nothing_taught_writes_nothing(devices, play, capsys, monkeypatch):
    play()
    monkeypatch.setattr(teach, "hold", lambda lesson, *rest: [lesson.skip() for _ in range(5)])
    assert main(["learn"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing was taught; nothing was written."
    assert not devices.exists()


def test_no_device(devices, play, capsys):
    play(names=())
    assert main(["learn"]) == 2
    assert capsys.readouterr().err == (
        "livecomposer: no MIDI keyboard or controller is there on ALSA; plug one in and begin again\n"
    )
    play()
    assert main(["learn", "--in", "moog"]) == 2
    assert capsys.readouterr().err == (
        f'livecomposer: no MIDI input matches "moog"; found: "{DEVICE}"; plug it in or use --virtual\n'
    )


def test_a_home_that_cannot_be_written_is_told_before_anything_is_asked(devices, play, capsys, tmp_path):
    play(YES)
    (tmp_path / "home").touch()
    assert main(["learn"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("livecomposer: ") and shown.err.count("\n") == 1


def test_typed_lines(monkeypatch):
    read, write = os.pipe()
    os.write(write, b"\nwhat\n")
    os.close(write)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: read))
    taken = []
    teach._read_lines(SimpleNamespace(put=taken.append))
    os.close(read)
    assert taken == [ENTER, ENTER]
