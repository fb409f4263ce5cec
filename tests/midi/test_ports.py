"""Ports: which system, which port, and what a person reads when there is none. RtMidi is a ten-line fake."""

import sys
from types import SimpleNamespace

import pytest

from livecomposer.errors import PortError, PortNotFound
from livecomposer.midi import ports
from livecomposer.midi.profiles import load_profiles

PROFILES, _ = load_profiles(None)
ALSA_SAYS = "MidiOutAlsa::initialize: error creating ALSA sequencer client object."
JACK_SAYS = "MidiOutJack::initialize: JACK server not running?"
LAUNCHKEY = "Launchkey Mini MK3:Launchkey Mini MK3 MIDI 1 20:0"
LAUNCHKEY_DAW = "Launchkey Mini MK3:Launchkey Mini MK3 MIDI 2 20:1"


def fake_rtmidi(alsa, jack, opened=None):
    """RtMidi with two systems; each is a list of port names, or the exception its clients raise."""
    systems = {2: alsa, 3: jack}

    class Client:
        def __init__(self, api, name, queue_size_limit=0):
            if isinstance(systems[api], Exception):
                raise systems[api]
            self.names, self.given = systems[api], opened if opened is not None else []

        def get_ports(self):
            return self.names

        def open_port(self, index, name):
            self.given.append((self.names[index], name))

        def open_virtual_port(self, name):
            self.given.append((None, name))

        def set_callback(self, callback):
            self.given.append(callback)

        def ignore_types(self, *types):
            self.given.append(types)

        def delete(self):
            self.names = []

    return SimpleNamespace(
        API_LINUX_ALSA=2, API_UNIX_JACK=3, API_MACOSX_CORE=1, API_WINDOWS_MM=4,
        get_compiled_api=lambda: [2, 3], MidiIn=Client, MidiOut=Client,
    )  # fmt: skip


@pytest.fixture
def use(monkeypatch):
    def use(alsa, jack, opened=None):
        monkeypatch.setitem(sys.modules, "rtmidi", fake_rtmidi(alsa, jack, opened))

    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    return use


def complaint(function, *args):
    with pytest.raises(PortError) as caught:
        function(*args)
    return str(caught.value)


def test_the_first_that_answers_is_used(use):
    use([], [])
    assert ports.find_system() == ports.System("alsa", 2)
    assert ports.find_system("jack") == ports.System("jack", 3)
    use(RuntimeError(ALSA_SAYS), [])
    assert ports.find_system() == ports.System("jack", 3)


def test_none_answers_in_plain_words(use):
    use(RuntimeError(ALSA_SAYS), RuntimeError(JACK_SAYS))
    assert complaint(ports.find_system) == (
        "no MIDI system answers (ALSA: no sequencer, /dev/snd/seq is missing or not permitted; "
        "JACK: no server is running); start one, or play without"
    )
    assert complaint(ports.find_system, "jack") == (
        "JACK does not answer: no server is running; start it, or choose another MIDI system by --api"
    )


def test_unknown_words_stay_as_they_are(use):
    use(RuntimeError("something new."), RuntimeError(JACK_SAYS))
    assert complaint(ports.find_system) == (
        "no MIDI system answers (ALSA: something new; JACK: no server is running); start one, or play without"
    )


def test_a_system_that_is_not_built_in(use):
    use([], [])
    assert complaint(ports.find_system, "winmm") == "there is no Windows MIDI here; --api can be alsa or jack"


def test_without_rtmidi(monkeypatch):
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    said = complaint(ports.find_system)
    assert said.startswith("python-rtmidi cannot be loaded (")
    assert said.endswith("); install it for MIDI, or play without")


def test_our_own_ports_and_loopbacks_are_not_listed(use):
    use(["Midi Through:Midi Through Port-0 14:0", "livecomposer out:livecomposer out", LAUNCHKEY], [])
    assert ports.list_ports(ports.System("alsa", 2)) == ([LAUNCHKEY], [LAUNCHKEY])


def test_a_server_that_has_gone_while_listing(use):
    use([], RuntimeError(JACK_SAYS))
    assert complaint(ports.list_ports, ports.System("jack", 3)) == "JACK does not list its ports: no server is running"


def test_opening_an_input_delivers_everything(use):
    opened = []
    use([LAUNCHKEY_DAW, LAUNCHKEY], [], opened)
    ports.open_input(ports.System("alsa", 2), LAUNCHKEY, print)
    assert opened == [(False, False, False), print, (LAUNCHKEY, "livecomposer in")]


def test_opening_what_has_gone(use):
    use([LAUNCHKEY_DAW], [])
    with pytest.raises(PortNotFound) as caught:
        ports.open_output(ports.System("alsa", 2), LAUNCHKEY)
    assert str(caught.value) == f'"{LAUNCHKEY}" is not there any more; found: "{LAUNCHKEY_DAW}"; plug it in again'


def test_windows_has_no_virtual_ports(use):
    use([], [])
    assert complaint(ports.open_output, ports.System("winmm", 4), None) == (
        "Windows has no virtual MIDI ports; install loopMIDI and name its port with --in and --out"
    )


def test_choosing_an_input():
    other = "Some Keyboard:Some Keyboard MIDI 1 24:0"
    assert ports.choose_input([], "", PROFILES) is None
    name, profile = ports.choose_input([other, LAUNCHKEY_DAW, LAUNCHKEY], "", PROFILES)
    assert (name, profile.name) == (LAUNCHKEY, "Novation Launchkey Mini MK3")
    assert ports.choose_input([other, LAUNCHKEY_DAW, LAUNCHKEY], "launchKEY", PROFILES)[0] == LAUNCHKEY
    assert ports.choose_input([other, LAUNCHKEY_DAW], "launchkey", PROFILES)[0] == LAUNCHKEY_DAW
    assert ports.choose_input([other], "", PROFILES)[1].name == "Keyboard"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("keystep", 'no MIDI input matches "keystep"; found: "A 1", "A 2"; plug it in or use --virtual'),
        ("a", 'the MIDI input pattern "a" matches "A 1", "A 2"; make it name one'),
        ("(", 'the MIDI input pattern "(" is not a regular expression: '
              "missing ), unterminated subpattern at position 0"),
    ],
)  # fmt: skip
def test_a_pattern_must_name_one(pattern, said):
    with pytest.raises(PortNotFound) as caught:
        ports.choose_input(["A 1", "A 2"], pattern, PROFILES)
    assert str(caught.value) == said


def test_choosing_an_output():
    fluid, piano = "FLUID Synth (812):Synth input port (812:0) 128:0", "Roland Digital Piano:MIDI 1 28:0"
    assert ports.choose_output([LAUNCHKEY, fluid], "", PROFILES, LAUNCHKEY) == fluid
    assert ports.choose_output([LAUNCHKEY], "", PROFILES, LAUNCHKEY) is None
    assert ports.choose_output([LAUNCHKEY, piano], "", PROFILES, piano) == piano
    assert ports.choose_output([LAUNCHKEY, piano], "", PROFILES, LAUNCHKEY) is None


def test_a_port_is_found_again_under_its_new_number():
    again = LAUNCHKEY.replace("20:0", "28:0")
    assert ports.find_again(LAUNCHKEY, [LAUNCHKEY_DAW, again]) == again
    assert ports.find_again(LAUNCHKEY, [LAUNCHKEY_DAW, LAUNCHKEY]) == LAUNCHKEY
    assert ports.find_again(LAUNCHKEY, []) == LAUNCHKEY
    assert ports.same_device("MPK mini 3:MPK mini 3 MIDI 1 20:0", "MPK mini 3:MPK mini 3 MIDI 1 24:0")


def test_a_port_that_hangs_while_closing_is_left():
    from threading import Event

    never = Event()
    port = SimpleNamespace(close_port=never.wait, delete=lambda: None)
    assert ports.close_port(port, 0.01) is False
    never.set()
    assert ports.close_port(SimpleNamespace(close_port=lambda: None, delete=lambda: None)) is True
    assert ports.close_port(None) is True
