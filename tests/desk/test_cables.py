"""Ports that go, come back, are changed and are taught while it plays: no port is opened, each word is looked at."""

from types import SimpleNamespace

import pytest

from livecomposer.desk import cables as module
from livecomposer.desk import lesson
from livecomposer.desk.cables import Cables
from livecomposer.desk.watch import Listing
from livecomposer.desk.wiring import Plan
from livecomposer.errors import PortError
from livecomposer.instrument import inbox
from livecomposer.midi import ports
from livecomposer.midi.profiles import Control, Profile, load_profiles
from livecomposer.settings import Settings

KEYS, SYNTH = "Keys 20:0", "Synth 24:0"
BOTH = Listing([KEYS, "Pads 28:0"], [SYNTH], True)
OWN = Profile("Keys", "keyboard", ("keys",), note_range=(36, 96), controls=(Control("note_on", 9, 36, "panic"),))
YES, NO, UNDO, PANIC = b"\xb0\x14\x7f", b"\x90\x24\x40", b"\x99\x24\x40", b"\xc0\x05"


class Rig:
    """Cables between a machine whose ports the test lists, and an instrument that only listens."""

    def __init__(self, monkeypatch, folder, **plan):
        self.said, self.everywhere, self.told, self.guarded = [], [], [], []
        self.listing = None
        self.now = 100.0
        self.busy = 0.0  # until then nobody can open the input
        self.open = []
        plan = {"midi_in": KEYS, "midi_out": SYNTH, "virtual_in": False, "virtual_out": False, **plan}
        start = Plan(Settings(), ports.System("jack", 2), profile=OWN, sound=False, virtual_player=False,
                     kernels_ready=True, lines=[], **plan)  # fmt: skip
        watch = SimpleNamespace(start=lambda: None, stop=lambda: None, look=self._listing)
        guard = SimpleNamespace(
            lose=lambda: self.guarded.append("lose"), open=lambda: self.guarded.append("open"),
            choose=self.guarded.append,
        )  # fmt: skip
        clock = SimpleNamespace(monotonic=lambda: self.now, perf_counter_ns=lambda: 0)
        monkeypatch.setattr(module, "Watch", lambda name: watch)
        monkeypatch.setattr(lesson, "time", clock)
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(ports, "open_input", self._open)
        monkeypatch.setattr(ports, "close_port", self._close)
        self.folder = folder / "devices"
        self.cables = Cables(start, [OWN], self.folder, guard, self._tell, self.said.append, self.everywhere.append)

    def _listing(self):
        listing, self.listing = self.listing, None
        return listing

    def _tell(self, data):
        entry = inbox.unpack(data)
        assert entry.kind == inbox.PORT
        what = {inbox.LOST: "lost", inbox.BACK: "back", inbox.CHOSEN: "chosen"}[int(entry.number)]
        self.told.append((what, entry.text.decode()))

    def _open(self, system, name, callback):
        if self.now < self.busy:
            raise PortError(f'"{name}" is busy')
        self.open.append((name, callback))
        return self.open[-1]

    def _close(self, port):
        if port is not None:
            self.open.remove(port)

    def look(self, listing=None):
        """What is told and said because of a new listing, or of none."""
        self.listing = listing
        for heard in (self.told, self.said, self.everywhere, self.guarded):
            heard.clear()
        self.now += 1.0
        self.cables.look()
        return list(self.told)

    def press(self, *messages):
        for msg in messages:
            self.open[0][1]((list(msg), 0.0))
            self.look()


@pytest.fixture
def rig(monkeypatch, tmp_path):
    return Rig(monkeypatch, tmp_path)


def test_a_cable_that_is_out_and_in_again(rig):
    assert rig.look(BOTH) == [] and rig.said == []
    assert rig.look(BOTH._replace(inputs=["Pads 28:0"])) == [("lost", "in")]
    assert rig.said == [f'The MIDI input "{KEYS}" has gone: check its cable. Looking for it every second …']
    assert rig.cables.facts["lost"] == ["in"]
    assert rig.look(BOTH._replace(inputs=["Pads 28:0"])) == [] and rig.said == []
    assert rig.look(BOTH._replace(inputs=["Keys 32:0"])) == [("back", "in")]  # under another number
    assert rig.said == [f'The MIDI input "{KEYS}" is back.'] and rig.guarded == []
    assert rig.cables.lost == set()


def test_a_cable_that_was_out_between_two_looks_is_opened_anew(rig):
    rig.look(BOTH)
    assert rig.look(BOTH._replace(outputs=["Synth 40:0"])) == [("lost", "out"), ("back", "out")]
    assert rig.guarded == ["open"]


def test_a_midi_system_that_ends_takes_its_ports_along(monkeypatch, tmp_path):
    rig = Rig(monkeypatch, tmp_path, midi_in=None, virtual_in=True)
    rig.look(BOTH)
    assert rig.look(Listing([], [], False)) == [("lost", "in"), ("lost", "out")]
    assert rig.said == ["JACK has gone, and with it its ports: start it again. Looking for it every second …"]
    assert rig.guarded == ["lose"]
    assert rig.look(BOTH) == [("back", "in"), ("back", "out")]
    assert rig.said == ["JACK is back.", f'The MIDI output "{SYNTH}" is back.'] and rig.guarded == ["open"]


def test_another_port_is_chosen_if_it_is_there(rig):
    rig.look(BOTH)
    rig.cables.choose("in", "Nowhere")
    assert rig.told == [] and rig.said == ['There is no MIDI input "Nowhere" any more.']
    rig.cables.choose("in", "Pads 28:0")
    rig.cables.choose("out", "")
    assert rig.told == [("chosen", "in=Pads 28:0"), ("chosen", "out=")] and rig.guarded == [None]
    assert rig.said[1:] == ['MIDI in: "Pads 28:0".', "MIDI out: none."]
    assert (rig.cables.plan.midi_in, rig.cables.plan.midi_out, rig.cables.plan.profile) == ("Pads 28:0", None, None)


def test_a_lesson_has_the_port_for_itself_and_gives_it_back_with_what_was_taught(rig):
    rig.look(BOTH)
    rig.cables.learn("begin")
    assert rig.told == [("chosen", "in=")] and rig.cables.plan.midi_in is None and rig.open == []
    assert rig.said == [f'The page teaches "{KEYS}": its keys are silent until that is done or left.']
    facts = rig.cables.facts
    assert facts["midi_in"] == KEYS
    assert facts["lesson"] == {"device": KEYS, "prompt": "press what you want for yes", "said": ""}
    rig.look()
    assert [name for name, _ in rig.open] == [KEYS]
    rig.press(YES, NO)
    assert rig.cables.facts["lesson"]["said"] == "no: C2 (note 36) on channel 1"
    rig.cables.learn("skip")
    assert rig.cables.facts["lesson"] == {
        "device": KEYS, "prompt": "press what you want for panic", "said": "undo: left as it is",
    }  # fmt: skip
    rig.press(PANIC)
    assert rig.open == [] and rig.told == [("chosen", f"in={KEYS}")]
    path = rig.folder / "keys.toml"
    assert rig.everywhere == [f"Wrote {path}."] and rig.cables.facts["lesson"] is None
    (profile,) = (p for p in load_profiles(rig.folder)[0] if p.path == path)
    places = [(*control.place, control.role) for control in profile.controls]
    assert places == [
        ("control_change", 0, 20, "rate_up"), ("note_on", 0, 36, "rate_down"), ("program_change", 0, 5, "panic"),
    ]  # fmt: skip
    assert rig.cables.plan.profile == profile and rig.cables.plan.midi_in == KEYS


def test_programs_that_choose_a_taste_are_taught_too(rig):
    rig.look(BOTH)
    rig.cables.learn("tastes")
    rig.look()
    rig.press(b"\xc0\x02", b"\xc0\x07")
    taught = rig.cables.plan.profile.controls
    assert [(c.role, c.low, c.high) for c in taught if c.selects] == [("taste", 2.0, 7.0)]
    assert ("note_on", 9, 36, "panic") in [(*c.place, c.role) for c in taught]  # all else stays


@pytest.mark.parametrize("how", ["leave", "unplugged", "busy", "another port", "nothing taught", "nobody there"])
def test_a_lesson_that_is_not_ended_writes_nothing_and_gives_the_port_back(rig, how):
    rig.look(BOTH)
    rig.busy = rig.now + 2.0
    rig.cables.learn("begin")
    rig.look()
    assert rig.open == [] and rig.cables.facts["lesson"]  # it is tried again
    back = [("chosen", f"in={KEYS}")]
    if how == "busy":
        rig.busy = 1e9
        told = rig.look() or rig.look() or rig.look()
        assert told == back and rig.everywhere == [f'"{KEYS}" is busy.']
    else:
        rig.look()
        rig.look()
        if how != "nothing taught":
            rig.press(YES)
        if how == "unplugged":
            assert rig.look(BOTH._replace(inputs=[])) == back
            assert rig.everywhere == [f'"{KEYS}" has gone; plug it in and begin again.']
            assert rig.look(BOTH._replace(inputs=[])) == [("lost", "in")]
        elif how == "nobody there":
            rig.now += lesson.PATIENCE_S
            assert rig.look() == back
            assert rig.everywhere == [f'"{KEYS}" was not pressed for 60 s; nothing was written.']
        elif how == "another port":
            rig.told.clear()
            rig.cables.choose("in", "Pads 28:0")
            assert rig.told == [("chosen", "in=Pads 28:0")]
        elif how == "leave":
            rig.told.clear()
            rig.cables.learn("leave")
            assert rig.told == back and rig.everywhere == ["Left; nothing was written."]
        else:
            for _ in range(4):
                rig.cables.learn("skip")
            assert rig.look() == back and rig.everywhere == ["Nothing was taught; nothing was written."]
    assert rig.open == [] and rig.cables.facts["lesson"] is None and not rig.folder.exists()


def test_what_was_taught_and_cannot_be_written_is_told(rig, monkeypatch):
    rig.look(BOTH)
    rig.cables.learn("begin")
    rig.look()
    rig.folder.parent.mkdir(exist_ok=True)
    rig.folder.write_text("a file is in the way")
    rig.press(YES, NO, UNDO, PANIC)
    assert rig.told == [("chosen", f"in={KEYS}")] and rig.cables.facts["lesson"] is None
    assert "keys.toml" in rig.everywhere[0] and rig.folder.read_text() == "a file is in the way"


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_asked(rig):
    rig.look(BOTH)
    rig.folder.parent.mkdir(exist_ok=True)
    rig.folder.write_text("a file is in the way")
    rig.cables.learn("begin")
    assert rig.told == [] and rig.cables.facts["lesson"] is None
    assert rig.everywhere[0].startswith(f"{rig.folder} cannot be written (")


def test_another_profile_that_comes_first_is_told(rig):
    rig.folder.mkdir(parents=True)
    (rig.folder / "a.toml").write_text('schema = 1\nname = "A"\nkind = "keyboard"\nmatch = ["keys"]\n')
    rig.look(BOTH)
    rig.cables.learn("begin")
    rig.look()
    rig.press(YES, NO, UNDO, PANIC)
    path = rig.folder / "keys.toml"
    assert rig.everywhere == [f"Wrote {path}. But a.toml comes before it; move one of the two out of {rig.folder}."]


def test_a_controller_that_is_away_cannot_be_taught(rig):
    rig.look(BOTH)
    rig.look(BOTH._replace(inputs=[]))
    rig.cables.learn("begin")
    assert rig.everywhere == [f'"{KEYS}" is away: plug it in, then teach it.'] and rig.cables.facts["lesson"] is None


def test_a_port_that_cannot_be_opened_is_told_once_and_tried_again_quietly(rig):
    why = f'"{KEYS}" on JACK cannot be opened (busy); is another program using it?'
    rig.look(BOTH)
    rig.cables.refuse("in", why)
    assert rig.said == [why] and rig.cables.facts["lost"] == ["in"]
    heard = []
    for second in range(1, 31):
        told = rig.look(BOTH)
        heard += [(second, *entry) for entry in told]
        assert rig.said == []
        if told:
            rig.cables.refuse("in", why)
            assert rig.said == []
    assert heard == [(second, "back", "in") for second in (5, 10, 15, 20, 25, 30)]
    for second in range(1, 13):  # now it can be
        heard = rig.look(BOTH)
        assert heard == ([("back", "in")] if second == 5 else [])
        assert rig.said == ([f'The MIDI input "{KEYS}" is back.'] if second == 10 else [])
    rig.cables.refuse("in", why)
    assert rig.said == [why]


def test_a_port_that_was_refused_and_then_goes_is_not_back(rig):
    rig.look(BOTH)
    rig.cables.refuse("in", "it cannot be opened")
    away = BOTH._replace(inputs=[])
    for _ in range(15):
        assert rig.look(away) == [] and rig.said == []
    assert rig.cables.facts["lost"] == ["in"]
    assert rig.look(BOTH) == [("back", "in")]


def test_a_lesson_waits_as_long_as_somebody_answers(rig):
    rig.look(BOTH)
    rig.cables.learn("begin")
    rig.look()
    for answer in (YES, None, UNDO):
        rig.now += lesson.PATIENCE_S - 5.0
        rig.press(answer) if answer else rig.cables.learn("skip")
    rig.now += lesson.PATIENCE_S - 5.0
    rig.look()
    assert rig.cables.facts["lesson"]["prompt"] == "press what you want for panic"


def test_there_must_be_something_to_teach(monkeypatch, tmp_path):
    rig = Rig(monkeypatch, tmp_path, midi_in=None)
    rig.look(BOTH)
    for step in ("skip", "leave", "begin"):
        rig.cables.learn(step)
    assert rig.told == [] and rig.everywhere == ["There is no controller to teach: choose it as MIDI in first."]


def test_the_end_gives_the_port_of_a_lesson_back(rig):
    rig.look(BOTH)
    rig.cables.learn("begin")
    rig.look()
    assert rig.open
    rig.cables.stop()
    assert not rig.open
