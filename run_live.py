#!/usr/bin/env python3
"""Start livecomposer from a fresh copy: set it up on first use, then play.

    python3 run_live.py [options of "livecomposer play"]
    python3 run_live.py COMMAND ...   (any other command of livecomposer: doctor, ports, tastes, takes, ...)
    python3 run_live.py --test [options of pytest]

A person or CI calls it from a shell. The first start makes a virtual environment (".venv" beside this file, or the
folder named by LIVECOMPOSER_VENV) and installs livecomposer there; later starts find its stamp and take a few
milliseconds. Only the standard library is used, and only Python 3.6's syntax, so that an old Python can say what is
missing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

ROOT = os.path.dirname(os.path.abspath(__file__))
OLDEST = (3, 11)
WITH_WHEELS = ((3, 12), (3, 11))  # python-rtmidi 1.5.8 has wheels up to 3.12; on a newer Python it compiles
COMMANDS = (
    "play", "ports", "doctor", "learn", "calibrate", "tastes", "takes", "export", "replay", "practice", "bench",
)  # fmt: skip
STAMP = "livecomposer-stamp"
LOCK_STALE_S = 20.0  # the owner touches its lock once a second
WINDOWS = os.name == "nt"
PROBE = """
import sys
try:
    import ensurepip, venv
    able = 1
except ImportError:
    able = 0
print("%d.%d.%d %d %s" % (sys.version_info[:3] + (able, sys.executable)))
"""
OFFLINE_WORDS = (
    "name resolution",
    "getaddrinfo",
    "nodename nor servname",
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Network is unreachable",
    "dns error",
    "error sending request",
    "Failed to fetch",
)


class SetupError(Exception):
    """Something the person can mend; its text is the one sentence they see."""


class Candidate(NamedTuple):
    """A Python that answered: how to call it, its version, and whether it can make a virtual environment."""

    command: List[str]
    version: Tuple[int, ...]
    able: bool


def say(text: str, end: str = "\n") -> None:
    """Write to stderr (stdout stays clean for --json), whatever the terminal's encoding."""
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    sys.stderr.write(text.encode(encoding, "replace").decode(encoding) + end)
    sys.stderr.flush()


# ---- pure: what to use and what to run -------------------------------------------------------------------------------


def dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


def choose_python(candidates: Sequence[Candidate]) -> Optional[Candidate]:
    """The first that has wheels for everything, else the first that is new enough; one that can make a venv wins."""
    usable = [c for c in candidates if c.version[:2] >= OLDEST]
    # sorted() is stable: among equals the order of the search decides.
    ranked = sorted(usable, key=lambda c: (not c.able, c.version[:2] not in WITH_WHEELS))
    return ranked[0] if ranked else None


def stamp(pyproject: bytes, extras: Sequence[str], version: Sequence[int], root: str) -> str:
    """What a finished set-up leaves behind; any change of it means installing again.

    The folder belongs to it because an editable install stops working when its folder is moved.
    """
    parts = [pyproject, ",".join(sorted(extras)).encode(), dotted(version[:2]).encode(), os.fsencode(root)]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def accepted(pyproject: bytes, extras: Sequence[str], version: Sequence[int], root: str) -> List[str]:
    """The stamps that will do: what is asked for, or that with the tests' packages on top."""
    return [stamp(pyproject, e, version, root) for e in (tuple(extras), tuple(sorted({"test"}.union(extras))))]


def venv_python(venv: str) -> str:
    return os.path.join(venv, "Scripts", "python.exe") if WINDOWS else os.path.join(venv, "bin", "python")


def make_step(venv: str, python: Optional[Sequence[str]], uv: Optional[str]) -> Tuple[str, List[str]]:
    """What makes an environment, as (what the person reads, what is run)."""
    if uv:
        return "making " + venv, [uv, "venv", "--python", dotted(WITH_WHEELS[0]), venv]
    return "making " + venv, [*(python or ()), "-m", "venv", venv]


def install_steps(
    root: str, venv: str, extras: Sequence[str], uv: Optional[str], has_pip: bool
) -> List[Tuple[str, List[str]]]:
    """What installs livecomposer from its folder, editable, in an environment that is there."""
    inside = venv_python(venv)
    target = root + ("[" + ",".join(extras) + "]" if extras else "")
    label = "installing livecomposer and what it needs"
    if uv:
        return [(label, [uv, "pip", "install", "--python", inside, "-e", target])]
    install = (label, [inside, "-m", "pip", "install", "--no-input", "-e", target])
    # An environment made by uv, or left half-made, has no pip.
    return [install] if has_pip else [("adding pip", [inside, "-m", "ensurepip"]), install]


def launch_command(venv: str, test: bool, args: Sequence[str]) -> List[str]:
    """What is run once everything is there."""
    inside = venv_python(venv)
    if test:
        return [inside, "-m", "pytest", *args]
    command = list(args) if args and args[0] in COMMANDS else ["play", *args]
    if WINDOWS:
        return [os.path.join(venv, "Scripts", "livecomposer.exe"), *command]
    return [inside, os.path.join(venv, "bin", "livecomposer"), *command]


def build_needs(platform: str, has_dnf: bool = False) -> str:
    """The compiler and headers that python-rtmidi needs where it has no wheel."""
    if platform == "darwin":
        return "Xcode's command line tools (xcode-select --install)"
    if platform.startswith("win"):
        return 'the Visual Studio Build Tools with "Desktop development with C++"'
    if has_dnf:
        return "sudo dnf install gcc-c++ python3-devel alsa-lib-devel jack-audio-connection-kit-devel"
    return "sudo apt install build-essential python3-dev libasound2-dev libjack-dev"


def needs_compiler(version: Sequence[int]) -> bool:
    return tuple(version[:2]) > max(WITH_WHEELS)


def failure(step: str, log: str, version: Sequence[int], platform: str, has_dnf: bool = False) -> str:
    """One sentence about a step that failed, then the last lines of what it said."""
    if any(word in log for word in OFFLINE_WORDS):
        why = "there seems to be no network, which the first start needs; connect and start again"
    elif needs_compiler(version) and "rtmidi" in log:
        needs = build_needs(platform, has_dnf)
        why = "on Python {} python-rtmidi is compiled; use Python 3.12, or get what that needs: {}".format(
            dotted(version[:2]), needs
        )
    elif "(from versions: none)" in log:
        why = "a package was not found; perhaps the network or the package index is out of reach"
    elif "No space left" in log:
        why = "the disk is full; about 500 MB are needed"
    else:
        why = "its last lines follow; mend that and start again"
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    return "Set-up stopped while {}: {}.{}".format(step, why, "".join("\n    " + line for line in lines[-8:]))


def no_python(version: Sequence[int], executable: str) -> str:
    return (
        "livecomposer needs Python 3.11 or newer (best 3.12), but this is Python {} ({}) and no newer one was found; "
        "install Python 3.12 and start again with it.".format(dotted(version), executable)
    )


def no_venv(version: Sequence[int], platform: str) -> str:
    where = "reinstall it from python.org"
    if platform.startswith("linux"):
        where = "sudo apt install python{}-venv (or python3-venv), or your system's name for it".format(
            dotted(version[:2])
        )
    return "Python {} lacks venv and ensurepip, so nothing can be installed with it: {}.".format(dotted(version), where)


# ---- looking around --------------------------------------------------------------------------------------------------


def probe(command: Sequence[str]) -> Optional[Candidate]:
    """Run a Python and ask what it is; None if it does not run (a shim on PATH need not lead anywhere)."""
    try:
        done = subprocess.run(
            [*command, "-I", "-c", PROBE],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=20,
            check=False,
        )
        version, able, executable = done.stdout.decode("utf-8", "replace").strip().split(" ", 2)
        parts = tuple(int(part) for part in version.split("."))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if done.returncode != 0:
        return None
    return Candidate([executable] if os.path.exists(executable) else list(command), parts, able == "1")


def find_pythons() -> List[Candidate]:
    """This Python and, unless it will do, the others that can be found; first come the ones to prefer."""
    here = probe([sys.executable]) if sys.executable else None
    if here and here.able and here.version[:2] in WITH_WHEELS:
        return [here]
    names = [["python3.12"], ["python3.11"]]
    if WINDOWS:
        names = [["py", "-3.12"], ["py", "-3.11"], *names]
    later = [["python3.13"], ["python3.14"], ["python3"]] + ([["py", "-3"]] if WINDOWS else [])
    found = [probe(name) for name in names]
    found.append(here)
    found.extend(probe(name) for name in later)
    return [candidate for candidate in found if candidate is not None]


def find_uv() -> Optional[str]:
    uv = shutil.which("uv")
    if uv is None:
        return None
    try:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        return uv if subprocess.run([uv, "--version"], timeout=20, check=False, **quiet).returncode == 0 else None
    except (OSError, subprocess.SubprocessError):
        return None


def read_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def is_ready(root: str, venv: str, extras: Sequence[str]) -> bool:
    """True if a finished set-up is there and its Python still runs (a system upgrade may have taken it away)."""
    written = read_bytes(os.path.join(venv, STAMP)).decode("ascii", "replace").strip()
    inside = probe([venv_python(venv)]) if written else None
    pyproject = read_bytes(os.path.join(root, "pyproject.toml"))
    return inside is not None and written in accepted(pyproject, extras, inside.version, root)


# ---- doing it --------------------------------------------------------------------------------------------------------


class Lock:
    """A folder that only one set-up at a time can make; one not touched for 20 s was left by a start that died."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> "Lock":
        waiting = False
        while True:
            try:
                os.mkdir(self.path)
                return self
            except FileExistsError:
                pass
            try:
                if time.time() - os.stat(self.path).st_mtime > LOCK_STALE_S:
                    os.rmdir(self.path)
                    continue
            except FileNotFoundError:
                continue
            if not waiting:
                say("Another start is setting up; waiting for it ...")
                waiting = True
            time.sleep(0.3)

    def __exit__(self, *exc: object) -> None:
        try:
            os.rmdir(self.path)
        except OSError:
            pass

    def touch(self) -> None:
        try:
            os.utime(self.path)
        except OSError:
            pass


def run_step(label: str, argv: Sequence[str], lock: Lock, began: float) -> Tuple[int, str]:
    """Run one step with its output in a file; a progress line says how long it has been going."""
    env = dict(os.environ, PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_COLOR="1", PYTHONUTF8="1")
    for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"):
        env.pop(name, None)
    live = sys.stderr.isatty()
    if not live:
        say("  {} ...".format(label))
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                list(argv), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env
            )
        except OSError as error:
            return 127, str(error)
        try:
            while True:
                lock.touch()
                if live:
                    say("\r  {} ... {:.0f} s".format(label, time.time() - began), end="")
                try:
                    code = process.wait(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    pass
        except BaseException:
            stop(process)
            if live:
                say("")
            raise
        done = "{} ({:.0f} s)".format("done" if code == 0 else "failed", time.time() - began)
        say("\r  {} ... {}".format(label, done) if live else "    " + done)
        log.seek(0)
        return code, log.read().decode("utf-8", "replace")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a step that the person interrupted."""
    try:
        process.terminate()
        process.wait(timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()


def usable_venv(venv: str, chosen_by_person: bool) -> Optional[Candidate]:
    """The Python of an environment that is there and into which one may install; None if it has to be made (anew).

    One with a stamp was finished once and is brought up to date, so that a start without network leaves it as it was.
    One without is the rest of an interrupted set-up, unless a person named the folder: it may be their own.
    """
    if not (chosen_by_person or read_bytes(os.path.join(venv, STAMP))):
        return None
    inside = probe([venv_python(venv)])
    if inside is None or not os.path.exists(os.path.join(venv, "pyvenv.cfg")):
        return None
    if not WINDOWS and not os.path.isdir(os.path.join(venv, "lib", "python" + dotted(inside.version[:2]))):
        return None  # the system's Python moved on under the environment
    if inside.version[:2] < OLDEST:
        raise SetupError(
            "{} holds Python {}, and livecomposer needs 3.11 or newer; point LIVECOMPOSER_VENV at a new folder.".format(
                venv, dotted(inside.version)
            )
        )
    return inside


def clear_way(venv: str, chosen_by_person: bool) -> None:
    """Remove a half-made environment; in a folder that a person named, nothing but a broken environment is removed."""
    if not os.path.lexists(venv):
        return
    ours = not chosen_by_person or os.path.exists(os.path.join(venv, "pyvenv.cfg"))
    if not os.path.isdir(venv) or (not ours and os.listdir(venv)):
        raise SetupError(
            "{} exists and is no virtual environment; point LIVECOMPOSER_VENV at a new folder.".format(venv)
        )
    say("  removing an unusable {} ...".format(venv))
    if os.path.islink(venv):
        os.unlink(venv)
    else:
        shutil.rmtree(venv)


def make(venv: str, uv: Optional[str], chosen_by_person: bool, lock: Lock, began: float) -> Optional[str]:
    """Make an empty environment; returns the uv to install with, None for pip."""
    python = None if uv else check_python(choose_python(find_pythons()))
    clear_way(venv, chosen_by_person)
    if uv:
        label, argv = make_step(venv, None, uv)
        code, log = run_step(label, argv, lock, began)
        if code == 0:
            return uv
        # uv may have to fetch a Python first; for one that is here this step needs no network.
        python = choose_python(find_pythons())
        if python is None or not python.able:
            raise SetupError(failure(label, log, WITH_WHEELS[0], sys.platform))
        say("  uv could not; using Python {}".format(dotted(python.version)))
        shutil.rmtree(venv, ignore_errors=True)
    assert python is not None
    label, argv = make_step(venv, python.command, None)
    code, log = run_step(label, argv, lock, began)
    if code != 0:
        raise SetupError(failure(label, log, python.version, sys.platform))
    return None


def set_up(root: str, venv: str, extras: Sequence[str], chosen_by_person: bool) -> None:
    """Make the environment unless a finished one is there. Raises SetupError or OSError."""
    os.makedirs(os.path.dirname(venv), exist_ok=True)
    with Lock(venv + ".lock") as lock:
        if is_ready(root, venv, extras):
            return  # another start was faster
        began = time.time()
        say("Setting up (once, about a minute) ...")
        uv = find_uv()
        inside = usable_venv(venv, chosen_by_person)
        if inside is None:
            uv = make(venv, uv, chosen_by_person, lock, began)
            inside = probe([venv_python(venv)])
        if inside is None:
            raise SetupError("{} was made but its Python does not run; remove it and start again.".format(venv))
        has_dnf = shutil.which("dnf") is not None
        if needs_compiler(inside.version):
            needs = build_needs(sys.platform, has_dnf)
            say("  Python {}: python-rtmidi is compiled, which needs: {}".format(dotted(inside.version), needs))
        has_pip = os.path.exists(
            os.path.join(venv, "Scripts", "pip.exe") if WINDOWS else os.path.join(venv, "bin", "pip")
        )
        for label, argv in install_steps(root, venv, extras, uv, has_pip):
            code, log = run_step(label, argv, lock, began)
            if code != 0:
                raise SetupError(failure(label, log, inside.version, sys.platform, has_dnf))
        pyproject = read_bytes(os.path.join(root, "pyproject.toml"))
        with open(os.path.join(venv, STAMP + ".new"), "w") as file:
            file.write(stamp(pyproject, extras, inside.version, root) + "\n")
        os.replace(os.path.join(venv, STAMP + ".new"), os.path.join(venv, STAMP))
        say("Ready after {:.0f} s.".format(time.time() - began))


def check_python(chosen: Optional[Candidate]) -> Candidate:
    """The Python to use; SetupError if there is none, or if it cannot make an environment."""
    if chosen is None:
        raise SetupError(no_python(sys.version_info[:3], sys.executable or "?"))
    if not chosen.able:
        raise SetupError(no_venv(chosen.version, sys.platform))
    return chosen


def launch(argv: Sequence[str]) -> int:
    """Become the program (POSIX), or run it and pass on its exit code (Windows has no exec)."""
    sys.stdout.flush()
    sys.stderr.flush()
    if not WINDOWS:
        os.execv(argv[0], list(argv))
    process = subprocess.Popen(list(argv))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # the console sends Ctrl-C to the program as well, and it ends by itself


def main(argv: Sequence[str], environ: Dict[str, str]) -> int:
    test = list(argv[:1]) == ["--test"]
    args = list(argv[1:] if test else argv)
    extras = ["test"] if test else []
    named = environ.get("LIVECOMPOSER_VENV", "")
    venv = os.path.abspath(os.path.expanduser(named)) if named else os.path.join(ROOT, ".venv")
    try:
        if not is_ready(ROOT, venv, extras):
            if not test and ("-h" in args or "--help" in args):
                print((__doc__ or "").strip())
                print('\nOnce it is set up, --help shows the options of "livecomposer play".')
                return 0
            set_up(ROOT, venv, extras, bool(named))
        if test:
            os.chdir(ROOT)  # pytest takes its settings and test folders from there
        else:
            os.environ["LIVECOMPOSER_COMMAND"] = "py run_live.py" if WINDOWS else "python3 run_live.py"
        return launch(launch_command(venv, test, args))
    except SetupError as error:
        say(str(error))
        return 2
    except OSError as error:
        say(
            "Set-up stopped: cannot write {} ({}); set LIVECOMPOSER_VENV to a folder that you may write.".format(
                error.filename or venv, error.strerror or error
            )
        )
        return 2
    except KeyboardInterrupt:
        say("\nInterrupted; start again and the set-up begins anew.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], dict(os.environ)))
