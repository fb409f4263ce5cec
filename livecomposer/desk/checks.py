"""The checks of ``livecomposer doctor``: each looks at one thing of this machine and says what to do about it.

``doctor`` runs each in a thread with a time limit. Whatever may hang or crash is tried in a child (``probes``), and
packages that may be missing are imported only where they are looked at.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from livecomposer.desk import probes, wiring
from livecomposer.desk.listing import survey
from livecomposer.errors import SettingsError, TasteError
from livecomposer.midi import ports
from livecomposer.midi.profiles import load_profiles
from livecomposer.settings import Settings, collect, strange_variables, user_dir

OLDEST = (3, 11)
WITHOUT_WHEELS = (3, 13)  # python-rtmidi 1.5.8 has wheels up to 3.12
PACKAGES = (("mido", "mido"), ("rtmidi", "python-rtmidi"), ("numpy", "numpy"), ("numba", "numba"),
            ("platformdirs", "platformdirs"), ("starlette", "starlette"), ("uvicorn", "uvicorn"),
            ("websockets", "websockets"), ("signalflow", "signalflow"))  # fmt: skip
IMPORT_S = 60.0  # the first import after an installation writes byte code
MIDI_S = 5.0
SOUND_S = 15.0
CHILD_S = 10.0
QUICK_S = 10.0
COARSE_NS = 100_000
GOVERNORS = Path("/sys/devices/system/cpu")


class Finding(NamedTuple):
    """One line: ``state`` is ok, warn (it plays, but) or fail."""

    check: str
    state: str
    found: str
    fix: str = ""


class Check(NamedTuple):
    """Something to look at; ``look`` gets at most ``limit_s``."""

    name: str
    limit_s: float
    look: Callable[[], Iterable[Finding]]


def said(check: str, state: str, sentence: str, fix: str = "") -> Finding:
    """A finding from the sentence of one of our errors, which ends in what to do (``fix`` stands for a missing end)."""
    found, _, end = sentence.rpartition("; ")
    return Finding(check, state, found, end) if found else Finding(check, state, sentence, fix)


def check_python(version: tuple[int, ...] = sys.version_info[:3], wheels: bool | None = None) -> Iterator[Finding]:
    """Is it new enough, and are there wheels for it? ``wheels``: whether python-rtmidi is installed (None: look)."""
    from importlib.util import find_spec

    shown = ".".join(str(part) for part in version)
    there = find_spec("rtmidi") is not None if wheels is None else wheels
    if version[:2] < OLDEST:
        yield Finding("Python", "fail", f"{shown} is too old", "install Python 3.12")
    elif version[:2] < WITHOUT_WHEELS:
        yield Finding("Python", "ok", shown)
    elif there:
        yield Finding("Python", "ok", f"{shown}, for which python-rtmidi had to be compiled")
    else:
        yield Finding(
            "Python", "warn", f"{shown}, for which python-rtmidi has no wheel",
            "use Python 3.12 or 3.11, or install a C++ compiler and the headers of ALSA and JACK",
        )  # fmt: skip


def check_packages() -> Iterator[Finding]:
    """Does each import, and how long does it take?"""
    for module, distribution in PACKAGES:
        version, problem, _ = probes.ask(probes.import_package, module, distribution, timeout_s=IMPORT_S)
        name = f"package {distribution}"
        if not problem:
            yield Finding(name, "ok", f"{version[0]}, imported in {version[1]:.2f} s")
        elif module == "signalflow":
            yield Finding(
                name, "warn", f"cannot be used ({problem})",
                "without it there is no built-in sound; everything else works",
            )  # fmt: skip
        else:
            yield Finding(
                name, "fail", f"cannot be used ({problem})",
                f"install {distribution} again in the environment of livecomposer",
            )  # fmt: skip


def check_midi() -> Iterator[Finding]:
    """Which MIDI systems answer, and is there a keyboard and a synth on the one that ``play`` takes?"""
    settings = _settings()
    profiles, _ = load_profiles(user_dir() / "devices")
    names, problem, _ = probes.ask(probes.midi_systems, timeout_s=CHILD_S)
    if problem:
        yield Finding("MIDI", "fail", problem)
        return
    answers = {name: probes.ask(probes.midi_ports, name, timeout_s=MIDI_S) for name in names}
    wanted = [name for name in names if name == settings.api] if settings.api else names
    taken = next((name for name in wanted if not answers[name].problem), None)
    for name, (found, problem, hung) in answers.items():
        check = f"MIDI {ports.API_LABELS[name]}"
        if not problem:
            inputs, outputs = found
            used = ", used by play" if name == taken else ""
            yield Finding(check, "ok", f"answers: {_count(inputs, 'input')}, {_count(outputs, 'output')}{used}")
        elif hung:
            yield Finding(check, "fail", problem, f"restart {ports.API_LABELS[name]}, or `play` hangs as well")
        else:
            why = problem.split(" does not answer: ")[-1].split("; start it")[0]
            if taken is None:
                yield Finding(check, "warn", why, _start_midi(name))
            else:
                yield Finding(check, "ok", f"{why}; not needed")
    inputs, outputs, problems = survey(settings, answers[taken].value, profiles) if taken else ([], [], [])
    for problem in problems:
        yield said("MIDI choice", "fail", problem)
    for check, found, fix in (
        ("keyboard", inputs, "plug one in; till then the computer keys and a virtual player play"),
        ("synth", outputs, "plug one in; till then the built-in sound plays"),
    ):
        name = next((port["name"] for port in found if port["chosen"]), None)
        if name is not None:
            yield Finding(check, "ok", f'"{name}"')
        else:
            yield Finding(check, "warn", "none found", fix)


def check_profiles() -> Iterator[Finding]:
    """Do all device profiles parse, the packaged and the player's?"""
    folder = user_dir() / "devices"
    profiles, errors = load_profiles(folder)
    for error in errors:
        yield said("device profiles", "fail", str(error), "mend the file or move it away")
    own = sum(profile.path is not None and profile.path.parent == folder for profile in profiles)
    if len(profiles) == own:
        yield Finding("device profiles", "fail", "the packaged ones are missing", "install livecomposer again")
    else:
        yield Finding("device profiles", "ok", f"{len(profiles) - own} packaged, {own} of your own")


def check_settings() -> Iterator[Finding]:
    """Do the settings files and LIVECOMPOSER_* variables parse?"""
    for sentence in strange_variables(os.environ):
        yield said("settings", "warn", sentence, "unset it")
    try:
        collect({}, os.environ, user_dir(), Path.cwd())
    except SettingsError as error:
        yield said("settings", "fail", str(error), "mend it or take it out")
    else:
        yield Finding("settings", "ok", "files and variables can be used")


def check_home() -> Iterator[Finding]:
    """Can what is learnt be kept?"""
    home = user_dir()
    problem = why_not_writable(home)
    if problem:
        yield Finding("home folder", "fail", f"{home} cannot be written ({problem})",
                      "set LIVECOMPOSER_HOME to a folder that can")  # fmt: skip
    else:
        yield Finding("home folder", "ok", str(home))


def why_not_writable(folder: Path) -> str:
    """The reason why no file can be written to a folder that is there or could be made; empty if one can."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def check_tastes() -> Iterator[Finding]:
    """Can every file of what has been learnt be read?"""
    from livecomposer.instrument.snapshot import unpack

    paths = [p for p in sorted((user_dir() / "tastes").glob("*.npz")) if ".unused-" not in p.name]
    good = 0
    for path in paths:
        try:
            unpack(path.read_bytes(), str(path))
            good += 1
        except OSError as error:
            yield Finding("taste", "fail", f"{path} cannot be read ({error.strerror})", "mend its rights")
        except TasteError as error:
            yield Finding("taste", "fail", str(error), "put a copy back; else `play` sets it aside and begins anew")
    if good == len(paths):
        yield Finding("taste", "ok", f"{_count(paths, 'file')} can be read" if paths else "none learnt yet")


def check_kernels() -> Iterator[Finding]:
    """Can compiled kernels be kept, and are there any?"""
    warm = wiring.prepare_cache()
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    problem = why_not_writable(folder)
    if problem:
        yield Finding("compiled kernels", "fail", f"{folder} cannot be written ({problem})",
                      "set NUMBA_CACHE_DIR to a folder that can")  # fmt: skip
    elif not warm:
        yield Finding("compiled kernels", "warn", "none yet, so the first start takes some seconds more",
                      "before a concert, start once: livecomposer play --seconds 1")  # fmt: skip
    else:
        yield Finding("compiled kernels", "ok", f"kept in {folder}")


def check_sound() -> Iterator[Finding]:
    """Does the audio device open?"""
    facts, problem, hung = probes.ask(probes.open_sound, timeout_s=SOUND_S)
    if not problem:
        backend, latency_s, rate = facts
        yield Finding("built-in sound", "ok", f"{backend}, {rate} Hz, about {latency_s * 1e3:.0f} ms of buffer")
    elif hung:
        yield Finding("built-in sound", "warn", problem, "restart the audio system (JACK, PipeWire or other)")
    else:
        yield said("built-in sound", "warn", problem, "play on a MIDI synth; --render FILE.wav needs no device")


def check_priority() -> Iterator[Finding]:
    """Is real-time priority allowed?"""
    if not hasattr(os, "sched_setscheduler"):
        yield Finding("real-time priority", "ok", "this system has none to give; normal priority")
        return
    _, problem, _ = probes.ask(probes.real_time, timeout_s=CHILD_S)
    if not problem:
        yield Finding("real-time priority", "ok", "SCHED_FIFO is allowed")
    else:
        yield Finding(
            "real-time priority", "warn", f"not allowed ({problem})",
            'for steadier timing put "@audio - rtprio 95" into /etc/security/limits.d/audio.conf (the package of JACK '
            "can do it), join with `sudo usermod -aG audio $USER`, and log in anew",
        )  # fmt: skip


def check_processor(cores: int | None = None, folder: Path = GOVERNORS) -> Iterator[Finding]:
    """How many cores may be used, and do they sleep between notes? ``cores``: None to look."""
    if cores is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2:
        yield Finding("processor", "warn", "1 core: playing, learning and sound share it", "close other programs")
    else:
        yield Finding("processor", "ok", f"{cores} cores")
    governors = set()
    for path in folder.glob("cpu[0-9]*/cpufreq/scaling_governor"):
        try:
            governors.add(path.read_text().strip())
        except OSError:  # a core that has been switched off
            pass
    if "powersave" in governors:
        yield Finding("processor speed", "warn", "governor powersave: notes may be late",
                      "while you play: sudo cpupower frequency-set -g performance")  # fmt: skip
    elif governors:
        yield Finding("processor speed", "ok", f"governor {', '.join(sorted(governors))}")


def check_clock(clock: Callable[[], int] = time.perf_counter_ns) -> Iterator[Finding]:
    """How fine is the clock that stamps notes?"""
    step = 10**9
    for _ in range(100):
        start = now = clock()
        while now == start:
            now = clock()
        step = min(step, now - start)
    if step > COARSE_NS:
        yield Finding("clock", "warn", f"counts in steps of {step / 1e6:.2f} ms", "timing cannot be finer here")
    else:
        yield Finding("clock", "ok", f"counts in steps of {max(step, 1) / 1e3:g} µs or less")


CHECKS = (
    Check("Python", QUICK_S, check_python),
    Check("packages", (IMPORT_S + CHILD_S) * len(PACKAGES), check_packages),
    Check("MIDI", CHILD_S * 6, check_midi),
    Check("device profiles", QUICK_S, check_profiles),
    Check("settings", QUICK_S, check_settings),
    Check("home folder", QUICK_S, check_home),
    Check("taste", QUICK_S, check_tastes),
    Check("compiled kernels", QUICK_S, check_kernels),
    Check("built-in sound", SOUND_S + CHILD_S, check_sound),
    Check("real-time priority", CHILD_S * 2, check_priority),
    Check("processor", QUICK_S, check_processor),
    Check("clock", QUICK_S, check_clock),
)


def _settings() -> Settings:
    """The settings in force, or the built-in ones where those are broken (which has a check of its own)."""
    try:
        return collect({}, os.environ, user_dir(), Path.cwd())
    except SettingsError:
        return Settings()


def _start_midi(name: str) -> str:
    if name == "jack":
        return "start it (jackd, or PipeWire's) if you want it"
    return "on Linux: sudo modprobe snd-seq, and join the group audio" if name == "alsa" else "restart it"


def _count(things: Sequence[Any], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"
