"""The first start: which Python, which commands, what is said; with fake Pythons and a fake uv, without any network."""

import ast
import importlib.util
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "run_live.py"
spec = importlib.util.spec_from_file_location("run_live", SCRIPT)
run_live = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_live)

Candidate = run_live.Candidate
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fake programs are shell scripts")

# Answers the probe, "makes" environments that hold a copy of itself, and writes down what else it was asked.
FAKE_PYTHON = """#!/bin/sh
if [ "$1" = "-I" ]; then echo "$FAKE_VERSION 1 $0"; exit 0; fi
echo "$*" >> "$FAKE_LOG"
if [ "$2" = "venv" ]; then
    mkdir -p "$3/bin" "$3/lib/python3.12"
    cp "$0" "$3/bin/python"
    touch "$3/pyvenv.cfg" "$3/bin/pip"
    exit ${FAKE_VENV_CODE:-0}
fi
if [ -n "$FAKE_PIP_SAYS" ]; then echo "$FAKE_PIP_SAYS"; exit 1; fi
exit 0
"""
FAKE_UV = """#!/bin/sh
if [ "$1" = "--version" ]; then echo "uv 1"; exit 0; fi
echo "uv $*" >> "$FAKE_LOG"
if [ "$1" = "venv" ]; then
    if [ -n "$FAKE_UV_FAILS" ]; then echo "error sending request"; exit 2; fi
    mkdir -p "$4/bin" "$4/lib/python3.12"
    cp "$FAKE_PYTHON" "$4/bin/python"
    touch "$4/pyvenv.cfg"
fi
exit 0
"""


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class House:
    """A project folder with fake tools; `start` is one start of the script."""

    def __init__(self, tmp_path, monkeypatch, capsys):
        self.root = tmp_path / "a project"
        self.venv = self.root / ".venv"
        self.stamp = self.venv / run_live.STAMP
        self.bin = tmp_path / "bin"
        self.log = tmp_path / "log"
        self.capsys = capsys
        self.launched = []
        self.environ = {}
        self.root.mkdir()
        (self.root / "pyproject.toml").write_text("[project]\n")
        self.python = program(self.bin / "python3.12", FAKE_PYTHON)
        monkeypatch.setenv("PATH", f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin")
        monkeypatch.setenv("FAKE_LOG", str(self.log))
        monkeypatch.setenv("FAKE_VERSION", "3.12.4")
        monkeypatch.setenv("FAKE_PYTHON", str(self.python))
        monkeypatch.setattr(run_live, "ROOT", str(self.root))
        monkeypatch.setattr(run_live.sys, "executable", None)  # or the Python of these tests would be taken
        monkeypatch.setattr(run_live, "launch", lambda argv: self.launched.append(argv) or 7)
        monkeypatch.chdir(tmp_path)

    def start(self, *args):
        """Exit code, the commands it ran, and what it said."""
        if self.log.exists():
            self.log.unlink()
        code = run_live.main(list(args), self.environ)
        ran = self.log.read_text().splitlines() if self.log.exists() else []
        assert not Path(f"{self.venv}.lock").exists()
        return code, ran, self.capsys.readouterr().err

    @property
    def make(self):
        return f"-m venv {self.venv}"

    def install(self, extras=""):
        return f"-m pip install --no-input -e {self.root}{extras}"


@pytest.fixture
def house(tmp_path, monkeypatch, capsys):
    return House(tmp_path, monkeypatch, capsys)


# ---- the script itself


def test_an_old_python_can_read_it():
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
        # Newer than 3.6 in the library, though not in the grammar.
        assert not (isinstance(node, ast.keyword) and node.arg in ("capture_output", "text", "missing_ok"))
    assert names <= sys.stdlib_module_names
    assert SCRIPT.read_bytes().isascii()


# ---- what to use


def candidate(name, *version, able=True):
    return Candidate([name], version, able)


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ([], None),
        ([candidate("old", 3, 10, 9)], None),
        ([candidate("old", 3, 6, 15), candidate("new", 3, 11, 0)], "new"),
        ([candidate("a", 3, 13, 1), candidate("b", 3, 11, 2)], "b"),
        ([candidate("a", 3, 11, 2), candidate("b", 3, 12, 1)], "a"),
        ([candidate("a", 3, 14, 0), candidate("b", 3, 13, 0)], "a"),
        ([candidate("bare", 3, 12, 1, able=False), candidate("b", 3, 13, 0)], "b"),
        ([candidate("bare", 3, 12, 1, able=False)], "bare"),
        ([candidate("future", 4, 0, 0)], "future"),
    ],
)
def test_choose_python(found, name):
    chosen = run_live.choose_python(found)
    assert (chosen and chosen.command[0]) == name


def test_stamp_changes_with_all_that_matters():
    base = (b"x", (), (3, 12, 1), "/a")
    others = [
        (b"y", (), (3, 12, 1), "/a"),
        (b"x", ("test",), (3, 12, 1), "/a"),
        (b"x", (), (3, 11, 1), "/a"),
        (b"x", (), (3, 12, 1), "/b"),
    ]
    assert len({run_live.stamp(*one) for one in [base, *others]}) == 5
    assert run_live.stamp(b"x", (), (3, 12, 9), "/a") == run_live.stamp(*base)  # a patch release changes nothing


def test_an_environment_with_the_tests_will_do_for_playing_but_not_the_other_way_round():
    plain, test = (run_live.stamp(b"x", extras, (3, 12), "/a") for extras in ((), ("test",)))
    assert run_live.accepted(b"x", (), (3, 12), "/a") == [plain, test]
    assert set(run_live.accepted(b"x", ("test",), (3, 12), "/a")) == {test}


def test_commands():
    inside = os.path.join("/v", "bin", "python")
    assert run_live.make_step("/v", ["/p"], None)[1] == ["/p", "-m", "venv", "/v"]
    assert run_live.make_step("/v", None, "/uv")[1] == ["/uv", "venv", "--python", "3.12", "/v"]
    pip = [inside, "-m", "pip", "install", "--no-input", "-e"]
    assert [argv for _, argv in run_live.install_steps("/r", "/v", [], None, True)] == [[*pip, "/r"]]
    assert [argv for _, argv in run_live.install_steps("/r", "/v", ["test"], None, False)] == [
        [inside, "-m", "ensurepip"],
        [*pip, "/r[test]"],
    ]
    assert [argv for _, argv in run_live.install_steps("/r", "/v", ["test"], "/uv", False)] == [
        ["/uv", "pip", "install", "--python", inside, "-e", "/r[test]"]
    ]
    assert run_live.launch_command("/v", True, ["-k", "x"]) == [inside, "-m", "pytest", "-k", "x"]
    assert run_live.launch_command("/v", False, ["--virtual"]) == [inside, "/v/bin/livecomposer", "play", "--virtual"]
    for name in run_live.COMMANDS:
        assert run_live.launch_command("/v", False, [name, "-x"]) == [inside, "/v/bin/livecomposer", name, "-x"]
    assert run_live.launch_command("/v", False, []) == [inside, "/v/bin/livecomposer", "play"]


def test_every_command_of_the_program_is_handed_over():
    from livecomposer.cli import _parser

    known = next(action.choices for action in _parser()._actions if action.dest == "command")
    assert set(run_live.COMMANDS) == set(known)


def test_commands_on_windows(monkeypatch):
    monkeypatch.setattr(run_live, "WINDOWS", True)
    scripts = os.path.join("v", "Scripts")
    assert run_live.venv_python("v") == os.path.join(scripts, "python.exe")
    assert run_live.launch_command("v", False, ["-x"]) == [os.path.join(scripts, "livecomposer.exe"), "play", "-x"]


# ---- what is said


@pytest.mark.parametrize(
    ("log", "version", "words"),
    [
        ("Temporary failure in name resolution", (3, 12), "no network"),
        ("building rtmidi failed", (3, 13), "on Python 3.13 python-rtmidi is compiled; use Python 3.12, or get"),
        ("building rtmidi failed", (3, 12), "its last lines follow"),
        ("x (from versions: none)", (3, 12), "out of reach"),
        ("[Errno 28] No space left on device", (3, 12), "the disk is full"),
    ],
)
def test_failure_is_one_sentence_and_the_last_lines(log, version, words):
    text = run_live.failure("installing", "first\n" * 20 + "\n" + log + "\n", version, "linux")
    first, *rest = text.splitlines()
    assert words in first
    assert first.startswith("Set-up stopped while installing: ")
    assert first.endswith(".")
    assert [line.strip() for line in rest] == ["first"] * 7 + [log]


def test_what_a_compiler_needs_is_named():
    assert "build-essential python3-dev libasound2-dev libjack-dev" in run_live.build_needs("linux")
    assert "alsa-lib-devel" in run_live.build_needs("linux", has_dnf=True)
    assert "xcode-select" in run_live.build_needs("darwin")
    assert "Build Tools" in run_live.build_needs("win32")
    assert [run_live.needs_compiler((3, minor, 1)) for minor in (11, 12, 13)] == [False, False, True]


def test_a_python_without_venv_is_told_its_package():
    text = run_live.no_venv((3, 11, 2), "linux")
    assert text.startswith("Python 3.11.2 lacks venv and ensurepip")
    assert "sudo apt install python3.11-venv (or python3-venv)" in text
    assert "python.org" in run_live.no_venv((3, 11, 2), "darwin")
    with pytest.raises(run_live.SetupError, match=r"Python 3\.11\.2 lacks venv"):
        run_live.check_python(candidate("p", 3, 11, 2, able=False))


def test_no_python_at_all_is_told_what_to_install():
    with pytest.raises(run_live.SetupError, match=r"needs Python 3\.11 or newer .* install Python 3\.12"):
        run_live.check_python(None)


# ---- looking around


def test_probe_believes_only_a_python_that_runs(tmp_path):
    real = run_live.probe([sys.executable])
    assert real.version == sys.version_info[:3]
    shim = program(tmp_path / "python3.12", "#!/bin/sh\necho 'no such version' >&2\nexit 127\n")
    talker = program(tmp_path / "talker", "#!/bin/sh\necho 3.12.1 1 here\nexit 1\n")
    junk = program(tmp_path / "junk", "#!/bin/sh\necho hello\n")
    assert [run_live.probe([str(path)]) for path in (shim, talker, junk, tmp_path / "nothing")] == [None] * 4


def test_uv_must_run(house):
    assert run_live.find_uv() is None
    program(house.bin / "uv", "#!/bin/sh\nexit 127\n")
    assert run_live.find_uv() is None
    uv = program(house.bin / "uv", FAKE_UV)
    assert run_live.find_uv() == str(uv)


# ---- whole starts


def test_the_first_start_sets_up_and_the_second_only_plays(house):
    code, ran, said = house.start("--virtual")
    assert (code, ran) == (7, [house.make, house.install()])
    assert said.startswith("Setting up (once, about a minute) ...\n")
    assert "installing livecomposer and what it needs ...\n    done (" in said
    assert house.start("--virtual") == (7, [], "")
    bin_ = house.venv / "bin"
    assert house.launched == [[str(bin_ / "python"), str(bin_ / "livecomposer"), "play", "--virtual"]] * 2


def test_the_tests_packages_are_added_once(house):
    house.start()
    assert house.start("--test", "-x")[:2] == (7, [house.install("[test]")])
    assert house.launched[-1][1:] == ["-m", "pytest", "-x"]
    assert Path.cwd() == house.root
    assert house.start("--test")[1] == []
    assert house.start()[1] == []


def test_a_changed_pyproject_installs_again_in_place(house):
    house.start()
    (house.root / "pyproject.toml").write_text("[project]\nname='x'\n")
    assert house.start()[1] == [house.install()]
    assert house.start()[1] == []


def test_an_update_that_fails_leaves_the_environment(house, monkeypatch):
    house.start()
    before = house.stamp.read_text()
    (house.root / "pyproject.toml").write_text("[project]\nname='x'\n")
    monkeypatch.setenv("FAKE_PIP_SAYS", "ReadTimeoutError")
    assert house.start()[0] == 2
    assert house.stamp.read_text() == before


def test_a_half_made_environment_is_made_anew(house):
    house.start()
    house.stamp.unlink()
    (house.venv / "rubbish").touch()
    code, ran, said = house.start()
    assert (code, ran) == (7, [house.make, house.install()])
    assert "removing an unusable" in said
    assert not (house.venv / "rubbish").exists()


@pytest.mark.parametrize("left", [[], ["bin/python"]])
def test_a_folder_without_a_working_python_is_made_anew(house, left):
    for name in left:
        program(house.venv / name, "#!/bin/sh\nexit 1\n")
    house.venv.mkdir(exist_ok=True)
    assert house.start()[:2] == (7, [house.make, house.install()])


def test_a_python_that_moved_on_under_the_environment(house, monkeypatch):
    house.start()
    monkeypatch.setenv("FAKE_VERSION", "3.11.9")  # the packages are in lib/python3.12
    assert house.start()[1] == [house.make, house.install()]


def test_pip_fails(house, monkeypatch):
    monkeypatch.setenv("FAKE_PIP_SAYS", "ERROR: NewConnectionError")
    code, _, said = house.start()
    assert code == 2
    assert "no network" in said
    assert said.endswith("\n    ERROR: NewConnectionError\n")
    assert "Traceback" not in said
    assert not house.stamp.exists()
    assert house.launched == []
    monkeypatch.delenv("FAKE_PIP_SAYS")
    assert house.start()[:2] == (7, [house.make, house.install()])


def test_venv_fails(house, monkeypatch):
    monkeypatch.setenv("FAKE_VENV_CODE", "1")
    code, ran, said = house.start()
    assert (code, ran) == (2, [house.make])
    assert "Set-up stopped while making" in said


def test_no_python_leaves_what_is_there(house):
    house.python.unlink()
    for name in ("python3.12", "python3.11", "python3.13", "python3.14", "python3"):
        program(house.bin / name, "#!/bin/sh\nexit 127\n")
    (house.venv / "lib").mkdir(parents=True)
    code, ran, said = house.start()
    assert (code, ran) == (2, [])
    assert "livecomposer needs Python 3.11 or newer" in said
    assert (house.venv / "lib").is_dir()


def test_uv_is_taken_where_it_is(house):
    uv = program(house.bin / "uv", FAKE_UV)
    assert house.start("--test")[:2] == (
        7,
        [
            f"uv venv --python 3.12 {house.venv}",
            f"uv pip install --python {house.venv}/bin/python -e {house.root}[test]",
        ],
    )
    uv.unlink()
    (house.root / "pyproject.toml").write_text("[project]\nname='x'\n")
    assert house.start()[1] == ["-m ensurepip", house.install()]  # made by uv, without pip


def test_uv_that_cannot_fetch_a_python_gives_way(house, monkeypatch):
    program(house.bin / "uv", FAKE_UV)
    monkeypatch.setenv("FAKE_UV_FAILS", "1")
    code, ran, said = house.start()
    assert (code, ran) == (7, [f"uv venv --python 3.12 {house.venv}", house.make, house.install()])
    assert "uv could not; using Python 3.12.4" in said


def test_another_place_for_the_environment(house, tmp_path):
    house.venv = tmp_path / "elsewhere" / "v"
    house.environ["LIVECOMPOSER_VENV"] = str(house.venv)
    assert house.start()[1] == [house.make, house.install()]
    assert house.start()[1] == []


def test_a_persons_folder_is_never_emptied(house, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "song.mid").touch()
    house.environ["LIVECOMPOSER_VENV"] = str(mine)
    code, ran, said = house.start()
    assert (code, ran) == (2, [])
    assert "is no virtual environment; point LIVECOMPOSER_VENV at a new folder" in said
    assert (mine / "song.mid").exists()


def test_a_persons_own_environment_is_used_not_removed(house, tmp_path):
    house.venv = tmp_path / "own"
    program(house.venv / "bin" / "python", FAKE_PYTHON)
    (house.venv / "lib" / "python3.12").mkdir(parents=True)
    (house.venv / "pyvenv.cfg").touch()
    house.environ["LIVECOMPOSER_VENV"] = str(house.venv)
    assert house.start()[:2] == (7, ["-m ensurepip", house.install()])


def test_a_persons_old_environment_is_refused(house, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_VERSION", "3.9.1")
    program(tmp_path / "own" / "bin" / "python", FAKE_PYTHON)
    (tmp_path / "own" / "lib" / "python3.9").mkdir(parents=True)
    (tmp_path / "own" / "pyvenv.cfg").touch()
    house.environ["LIVECOMPOSER_VENV"] = str(tmp_path / "own")
    code, ran, said = house.start()
    assert (code, ran) == (2, [])
    assert "holds Python 3.9.1, and livecomposer needs 3.11" in said


def test_a_folder_that_cannot_be_written(house, tmp_path):
    (tmp_path / "file").touch()
    house.environ["LIVECOMPOSER_VENV"] = str(tmp_path / "file" / "v")
    code, _, said = house.start()
    assert code == 2
    assert str(tmp_path / "file") in said
    assert "set LIVECOMPOSER_VENV to a folder that you may write" in said


def test_ctrl_c_is_one_sentence(house, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_live, "run_step", interrupted)
    code, _, said = house.start()
    assert code == 130
    assert said.splitlines()[-1] == "Interrupted; start again and the set-up begins anew."
    assert not house.stamp.exists()


def test_help_before_the_set_up_makes_nothing(house, capsys):
    assert run_live.main(["--help"], {}) == 0
    assert "python3 run_live.py --test" in capsys.readouterr().out
    assert not house.venv.exists()
    house.start()
    house.start("--help")
    assert house.launched[-1][-2:] == ["play", "--help"]


# ---- two starts at once


def test_a_dead_starts_lock_is_taken_over(house):
    lock = Path(f"{house.venv}.lock")
    lock.mkdir()
    old = time.time() - run_live.LOCK_STALE_S - 1
    os.utime(lock, (old, old))
    assert house.start()[1] == [house.make, house.install()]


def test_the_second_start_waits_and_finds_it_done(house, monkeypatch):
    lock = Path(f"{house.venv}.lock")

    def other_finishes(_):
        lock.rmdir()
        monkeypatch.setattr(run_live, "is_ready", lambda *_: True)

    house.start()
    (house.root / "pyproject.toml").write_text("[project]\nname='x'\n")
    lock.mkdir()
    # Only in the script: subprocess sleeps, too.
    monkeypatch.setattr(run_live, "time", SimpleNamespace(time=time.time, sleep=other_finishes))
    code, ran, said = house.start()
    assert (code, ran, said) == (7, [], "Another start is setting up; waiting for it ...\n")


# ---- the step from here to the program


def test_windows_passes_the_exit_code_on(monkeypatch):
    monkeypatch.setattr(run_live, "WINDOWS", True)
    assert run_live.launch([sys.executable, "-c", "raise SystemExit(5)"]) == 5


def test_posix_becomes_the_program(monkeypatch):
    became = []

    def execv(path, argv):
        became.append((path, argv))
        raise SystemExit(0)

    monkeypatch.setattr(run_live.os, "execv", execv)
    with pytest.raises(SystemExit):
        run_live.launch(("/p", "a"))
    assert became == [("/p", ["/p", "a"])]


def test_an_interrupted_step_is_ended():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    run_live.stop(process)
    assert process.returncode not in (None, 0)
