"""``livecomposer ports`` and ``doctor``: exact lines, with ports that only have names and children that only answer."""

import json
import os
import sys
import threading
import time

import pytest

from livecomposer.cli import main
from livecomposer.desk import checks, doctor, probes
from livecomposer.desk.checks import Check, Finding, said
from livecomposer.desk.probes import Answer
from livecomposer.errors import PortError
from livecomposer.midi import ports
from livecomposer.midi.profiles import load_profiles

KEYS, DAW = "Launchkey Mini MK3:Launchkey Mini MK3 MIDI 1 20:0", "Launchkey Mini MK3:Launchkey Mini MK3 MIDI 2 20:1"
SYNTH = "FLUID Synth (8):Synth input port 128:0"
NOTHING = "no MIDI system answers (ALSA: no sequencer; JACK: no server is running); start one, or play without"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("LIVECOMPOSER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LIVECOMPOSER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def plug(monkeypatch):
    def plug(inputs, outputs):
        monkeypatch.setattr(ports, "find_system", lambda wanted="": ports.System(wanted or "alsa", 2))
        monkeypatch.setattr(ports, "list_ports", lambda system: (inputs, outputs))

    return plug


@pytest.fixture
def no_midi(monkeypatch):
    def find_system(wanted=""):
        raise PortError(NOTHING)

    monkeypatch.setattr(ports, "find_system", find_system)


@pytest.fixture
def answers(monkeypatch):
    """Let ``probes.ask`` answer from a table of probe (and first argument) → Answer."""

    def answers(table):
        monkeypatch.setattr(
            probes, "ask", lambda probe, *args, timeout_s: table.get((probe.__name__, *args[:1])) or Answer(None, "?")
        )

    return answers


def lines(findings):
    return [doctor.line(finding) for finding in findings]


# ---- ports ---------------------------------------------------------------------------------------------------------


def test_ports(plug, capsys):
    plug([DAW, KEYS, "Thing 24:0"], [KEYS, SYNTH])
    assert doctor.ports_command("", False) == 0
    assert capsys.readouterr().out.splitlines() == [
        "MIDI system: ALSA",
        "In:",
        f'  "{DAW}"  Novation Launchkey Mini MK3 (keyboard), the port for a DAW: no keys here',
        f'* "{KEYS}"  Novation Launchkey Mini MK3 (keyboard)',
        '  "Thing 24:0"  Keyboard (keyboard)',
        "  (* is what `livecomposer play` takes)",
        "Out:",
        f'  "{KEYS}"  Novation Launchkey Mini MK3 (keyboard)',
        f'* "{SYNTH}"  General MIDI (synth)',
        "  (* is what `livecomposer play` takes)",
    ]


def test_ports_as_json(plug, capsys):
    plug([DAW, KEYS], [SYNTH])
    assert doctor.ports_command("jack", True) == 0
    profile = {"profile": "Novation Launchkey Mini MK3", "kind": "keyboard"}
    assert json.loads(capsys.readouterr().out) == {
        "system": "jack",
        "inputs": [
            {"name": DAW, **profile, "port": "daw", "chosen": False},
            {"name": KEYS, **profile, "port": "keys", "chosen": True},
        ],
        "outputs": [{"name": SYNTH, "profile": "General MIDI", "kind": "synth", "port": "keys", "chosen": True}],
        "problems": [],
    }


def test_no_ports_at_all(plug, capsys, monkeypatch):
    plug([], [])
    assert doctor.ports_command("", False) == 0
    assert capsys.readouterr().out.splitlines() == [
        "MIDI system: ALSA",
        "In:",
        "  none",
        "  `livecomposer play` takes the computer keys and the virtual player",
        "Out:",
        "  none",
        "  `livecomposer play` takes the built-in sound",
    ]
    monkeypatch.setenv("LIVECOMPOSER_VIRTUAL", "yes")
    doctor.ports_command("", False)
    assert [text for text in capsys.readouterr().out.splitlines() if "takes" in text] == [
        '  `livecomposer play` takes its virtual port "livecomposer in"',
        '  `livecomposer play` takes its virtual port "livecomposer out"',
    ]


def test_ports_with_settings_and_files_that_are_wrong(plug, capsys, monkeypatch, home):
    plug([KEYS], [SYNTH])
    monkeypatch.setenv("LIVECOMPOSER_IN", "moog")
    (home / "devices").mkdir(parents=True)
    path = home / "devices" / "mine.toml"
    path.write_text("schema = 2")
    assert doctor.ports_command("", False) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[3] == '  `livecomposer play` cannot choose: "moog" does not name one'
    assert shown[-2:] == [
        f"Warning: {path}: schema = 2 is not possible; it must be 1, the only one this version reads",
        f'Warning: no MIDI input matches "moog"; found: "{KEYS}"; plug it in or use --virtual',
    ]
    monkeypatch.setenv("LIVECOMPOSER_TEMPO", "fast")
    doctor.ports_command("", True)
    assert json.loads(capsys.readouterr().out)["problems"][1] == (
        "environment variable LIVECOMPOSER_TEMPO: tempo = 'fast' is not a number"
    )


def test_no_midi_system(no_midi, capsys):
    assert main(["ports"]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"livecomposer: {NOTHING}\n")
    assert main(["ports", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {"system": None, "inputs": [], "outputs": [], "problems": [NOTHING]}


# ---- doctor --------------------------------------------------------------------------------------------------------


def good():
    yield Finding("one", "ok", "fine")


def poor():
    yield Finding("two", "warn", "none found", "plug one in")


def broken():
    yield Finding("three", "ok", "so far")
    raise ZeroDivisionError("by zero")


def refused():
    raise PortError("the port is busy; close the other program")


def test_lines_and_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CHECKS", (Check("one", 5.0, good), Check("two", 5.0, poor)))
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok    one: fine",
        "warn  two: none found; plug one in",
        "1 ok, 1 warn, 0 fail",
    ]
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"check": "one", "state": "ok", "found": "fine", "fix": ""},
        {"check": "two", "state": "warn", "found": "none found", "fix": "plug one in"},
    ]


def test_a_check_that_raises_or_hangs_fails_and_the_others_go_on(monkeypatch, capsys):
    never = threading.Event()

    def hangs():
        yield Finding("four", "ok", "so far")
        never.wait()

    table = (Check("three", 5.0, broken), Check("four", 0.05, hangs), Check("five", 5.0, refused), Check("", 5.0, good))
    monkeypatch.setattr(doctor, "CHECKS", table)
    assert main(["doctor"]) == 1
    never.set()
    assert capsys.readouterr().out.splitlines() == [
        "ok    three: so far",
        "fail  three: ZeroDivisionError: by zero; please report this",
        "ok    four: so far",
        "fail  four: no end within 0.05 s; something it asks hangs",
        "fail  five: the port is busy; close the other program",
        "ok    one: fine",
        "3 ok, 0 warn, 3 fail",
    ]


def test_a_sentence_becomes_a_finding():
    shown = said("x", "fail", "it broke (here; there); mend it")
    assert shown == Finding("x", "fail", "it broke (here; there)", "mend it")
    assert said("x", "fail", "it broke", "mend it") == Finding("x", "fail", "it broke", "mend it")


@pytest.mark.parametrize(
    ("version", "wheels", "shown"),
    [
        ((3, 10, 2), True, "fail  Python: 3.10.2 is too old; install Python 3.12"),
        ((3, 12, 1), False, "ok    Python: 3.12.1"),
        ((3, 14, 0), True, "ok    Python: 3.14.0, for which python-rtmidi had to be compiled"),
        (
            (3, 13, 0),
            False,
            "warn  Python: 3.13.0, for which python-rtmidi has no wheel; "
            "use Python 3.12 or 3.11, or install a C++ compiler and the headers of ALSA and JACK",
        ),
    ],
)
def test_python(version, wheels, shown):
    assert lines(checks.check_python(version, wheels)) == [shown]


def test_packages(answers):
    there = ("mido", "rtmidi", "numpy", "platformdirs", "starlette", "uvicorn", "websockets")
    table = {("import_package", name): Answer(("1.0", 0.25)) for name in there}
    table["import_package", "numba"] = Answer(None, "ImportError: needs NumPy 2.4 or less")
    table["import_package", "signalflow"] = Answer(None, "ModuleNotFoundError: No module named 'signalflow'")
    answers(table)
    shown = lines(checks.check_packages())
    assert shown[:2] == [
        "ok    package mido: 1.0, imported in 0.25 s",
        "ok    package python-rtmidi: 1.0, imported in 0.25 s",
    ]
    assert shown[3] == (
        "fail  package numba: cannot be used (ImportError: needs NumPy 2.4 or less); "
        "install numba again in the environment of livecomposer"
    )
    assert shown[-1] == (
        "warn  package signalflow: cannot be used (ModuleNotFoundError: No module named 'signalflow'); "
        "without it there is no built-in sound; everything else works"
    )


NO_ALSA = Answer(None, "ALSA does not answer: no sequencer; start it, or choose another MIDI system by --api")
NO_JACK = Answer(None, "JACK does not answer: no server is running; start it, or choose another MIDI system by --api")
SYSTEMS = {("midi_systems",): Answer(["alsa", "jack"])}


def test_midi(answers):
    answers({**SYSTEMS, ("midi_ports", "alsa"): Answer(([DAW, KEYS], [SYNTH])), ("midi_ports", "jack"): NO_JACK})
    assert lines(checks.check_midi()) == [
        "ok    MIDI ALSA: answers: 2 inputs, 1 output, used by play",
        "ok    MIDI JACK: no server is running; not needed",
        f'ok    keyboard: "{KEYS}"',
        f'ok    synth: "{SYNTH}"',
    ]


def test_no_midi_is_a_warning(answers):
    answers({**SYSTEMS, ("midi_ports", "alsa"): NO_ALSA, ("midi_ports", "jack"): NO_JACK})
    assert lines(checks.check_midi()) == [
        "warn  MIDI ALSA: no sequencer; on Linux: sudo modprobe snd-seq, and join the group audio",
        "warn  MIDI JACK: no server is running; start it (jackd, or PipeWire's) if you want it",
        "warn  keyboard: none found; plug one in; till then the computer keys and a virtual player play",
        "warn  synth: none found; plug one in; till then the built-in sound plays",
    ]


def test_midi_that_hangs_and_a_pattern_that_matches_nothing(answers, monkeypatch):
    monkeypatch.setenv("LIVECOMPOSER_OUT", "moog")
    hung = Answer(None, "no answer within 5 s", True)
    answers({**SYSTEMS, ("midi_ports", "alsa"): hung, ("midi_ports", "jack"): Answer(([KEYS], []))})
    assert lines(checks.check_midi()) == [
        "fail  MIDI ALSA: no answer within 5 s; restart ALSA, or `play` hangs as well",
        "ok    MIDI JACK: answers: 1 input, 0 outputs, used by play",
        'fail  MIDI choice: no MIDI output matches "moog"; found: none at all; plug it in or use --virtual',
        f'ok    keyboard: "{KEYS}"',
        "warn  synth: none found; plug one in; till then the built-in sound plays",
    ]


def test_profiles(home):
    packaged = len(load_profiles(None)[0])
    assert lines(checks.check_profiles()) == [f"ok    device profiles: {packaged} packaged, 0 of your own"]
    (home / "devices").mkdir(parents=True)
    (home / "devices" / "a.toml").write_text('schema = 1\nname = "A"\nkind = "keyboard"\nmatch = ["A"]\n')
    (home / "devices" / "b.toml").write_text("schema = 1\nnam = 2\n")
    first, second = lines(checks.check_profiles())
    assert first.startswith(f"fail  device profiles: {home / 'devices' / 'b.toml'}: unknown key 'nam'")
    assert second == f"ok    device profiles: {packaged} packaged, 1 of your own"


def test_settings(home, monkeypatch):
    assert lines(checks.check_settings()) == ["ok    settings: files and variables can be used"]
    monkeypatch.setenv("LIVECOMPOSER_TEMPOO", "1")
    monkeypatch.setenv("LIVECOMPOSER_XYZZY", "1")
    home.mkdir()
    (home / "settings.toml").write_text('rol = "solo"\n')
    assert lines(checks.check_settings()) == [
        "warn  settings: environment variable LIVECOMPOSER_TEMPOO is no setting and is not used; did you mean "
        "'LIVECOMPOSER_TEMPO'?",
        "warn  settings: environment variable LIVECOMPOSER_XYZZY is no setting and is not used; unset it",
        f"fail  settings: {home / 'settings.toml'}: unknown setting 'rol'; did you mean 'role'?",
    ]


def test_home(home, monkeypatch, tmp_path):
    assert lines(checks.check_home()) == [f"ok    home folder: {home}"]
    assert not home.exists()  # looking makes nothing
    (tmp_path / "file").touch()
    bad = tmp_path / "file" / "home"
    monkeypatch.setenv("LIVECOMPOSER_HOME", str(bad))
    (finding,) = checks.check_home()
    assert (finding.state, finding.fix) == ("fail", "set LIVECOMPOSER_HOME to a folder that can")
    assert finding.found.startswith(f"{bad} cannot be written (")


def test_tastes(home):
    from livecomposer.instrument.snapshot import pack

    assert lines(checks.check_tastes()) == ["ok    taste: none learnt yet"]
    (home / "tastes").mkdir(parents=True)
    (home / "tastes" / "mine.npz").write_bytes(pack({}, {"kind": "model"}))
    (home / "tastes" / "old.unused-20250101-000000.npz").write_bytes(b"")
    assert lines(checks.check_tastes()) == ["ok    taste: 1 file can be read"]
    (home / "tastes" / "torn.npz").write_bytes(b"PK")
    (shown,) = lines(checks.check_tastes())
    assert shown.startswith(f"fail  taste: {home / 'tastes' / 'torn.npz'} is damaged or no file")
    assert shown.endswith("put a copy back; else `play` sets it aside and begins anew")


def test_kernels(tmp_path, monkeypatch):
    assert lines(checks.check_kernels()) == [
        "warn  compiled kernels: none yet, so the first start takes some seconds more; "
        "before a concert, start once: livecomposer play --seconds 1"
    ]
    (tmp_path / "cache" / "below").mkdir(parents=True)
    (tmp_path / "cache" / "below" / "a.nbi").touch()
    assert lines(checks.check_kernels()) == [f"ok    compiled kernels: kept in {tmp_path / 'cache'}"]
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache" / "below" / "a.nbi" / "x"))
    (finding,) = checks.check_kernels()
    assert (finding.state, finding.fix) == ("fail", "set NUMBA_CACHE_DIR to a folder that can")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (Answer(("jack", 0.0053, 48000)), "ok    built-in sound: jack, 48000 Hz, about 5 ms of buffer"),
        (Answer(None, "no audio device opened; connect one"),
         "warn  built-in sound: no audio device opened; connect one"),
        (Answer(None, "no answer within 15 s", True),
         "warn  built-in sound: no answer within 15 s; restart the audio system (JACK, PipeWire or other)"),
        (Answer(None, "the attempt died with exit code -11"),
         "warn  built-in sound: the attempt died with exit code -11; "
         "play on a MIDI synth; --render FILE.wav needs no device"),
    ],
)  # fmt: skip
def test_sound(answers, answer, shown):
    answers({("open_sound",): answer})
    assert lines(checks.check_sound()) == [shown]


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="this system has no real-time priority")
def test_priority(answers):
    answers({("real_time",): Answer(None)})
    assert lines(checks.check_priority()) == ["ok    real-time priority: SCHED_FIFO is allowed"]
    answers({("real_time",): Answer(None, "PermissionError: [Errno 1] Operation not permitted")})
    (finding,) = checks.check_priority()
    assert finding[:3] == (
        "real-time priority", "warn", "not allowed (PermissionError: [Errno 1] Operation not permitted)"
    )  # fmt: skip
    assert "@audio - rtprio 95" in finding.fix


def test_processor(tmp_path):
    assert lines(checks.check_processor(4, tmp_path)) == ["ok    processor: 4 cores"]
    for number, governor in enumerate(("powersave", "performance")):
        folder = tmp_path / f"cpu{number}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(governor + "\n")
    assert lines(checks.check_processor(1, tmp_path)) == [
        "warn  processor: 1 core: playing, learning and sound share it; close other programs",
        "warn  processor speed: governor powersave: notes may be late; "
        "while you play: sudo cpupower frequency-set -g performance",
    ]
    (tmp_path / "cpu0" / "cpufreq" / "scaling_governor").write_text("schedutil\n")
    assert lines(checks.check_processor(2, tmp_path))[1] == "ok    processor speed: governor performance, schedutil"


def test_clock():
    def ticking(step):
        reads = iter(range(10**6))
        return lambda: next(reads) // 3 * step

    assert lines(checks.check_clock(ticking(100))) == ["ok    clock: counts in steps of 0.1 µs or less"]
    assert lines(checks.check_clock(ticking(15_600_000))) == [
        "warn  clock: counts in steps of 15.60 ms; timing cannot be finer here"
    ]


# ---- children ------------------------------------------------------------------------------------------------------


def test_a_child_answers_dies_raises_or_hangs():
    # Functions of the standard library, so that the child need not import this file.
    assert probes.ask(probes.import_package, "json", "numpy", timeout_s=60.0).problem == ""
    assert probes.ask(probes.import_package, "no_such_module", "x", timeout_s=60.0) == Answer(
        None, "ModuleNotFoundError: No module named 'no_such_module'"
    )
    assert probes.ask(os._exit, 3, timeout_s=60.0) == Answer(None, "the attempt died with exit code 3")
    assert probes.ask(sys.exit, "enough", timeout_s=60.0) == Answer(None, "SystemExit: enough")
    assert probes.ask(time.sleep, 3600, timeout_s=0.1) == Answer(None, "no answer within 0.1 s", True)
