"""Imports go downwards only, and desk, studio, synth and cli start without numba."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

import livecomposer

ROOT = Path(livecomposer.__file__).parent
MODULES = {
    ".".join(("livecomposer", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
ACROSS = ("cli", "desk", "bench", "__main__")  # may import from anywhere
# what the modules of a folder may not import
FORBIDDEN = {
    "music": ("midi.ports", "instrument.live", "studio", "desk"),
    "agents": ("midi.ports", "instrument.live", "studio", "desk"),
    "ratings": ("midi.ports", "instrument.live", "studio", "desk"),
    "midi": ("instrument", "studio", "desk", "synth"),
    "instrument": ("studio", "synth", "desk"),
    "synth": ("studio", "desk"),
    "studio": ("synth", "desk"),
}
# all that a folder may take from the instrument
FROM_INSTRUMENT = {"studio": ("ring", "records", "inbox"), "synth": ("ring", "records")}
IMPURE = ("time", "secrets", "socket", "threading", "multiprocessing", "datetime", "rtmidi", "os")
PURE = ("music", "agents", "ratings")
WITHOUT_NUMBA = [name for name in MODULES if name.split(".")[1:2] in (["desk"], ["synth"], ["studio"], ["cli"])]


def imports(name: str, source: str) -> set[str]:
    """Every module that a source imports, wherever in it, and ``module.name`` for what might be a module."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(place + ".")


def faults(name: str, source: str) -> list[str]:
    """What a module imports against the rules."""
    folder = [*name.split("."), ""][1]
    wrong = []
    for module in sorted(imports(name, source)):
        if any(within(module, f"livecomposer.{place}") for place in FORBIDDEN.get(folder, ())):
            wrong.append(f"{name} imports {module}")
        allowed = [f"livecomposer.instrument.{place}" for place in FROM_INSTRUMENT.get(folder, ())]
        inside = allowed and module.startswith("livecomposer.instrument.")
        if inside and not any(within(module, place) for place in allowed):
            wrong.append(f"{name} imports {module}")
        if folder not in ACROSS and folder and any(within(module, f"livecomposer.{place}") for place in ACROSS):
            wrong.append(f"{name} imports {module}")
        if folder in PURE and any(within(module, place) for place in IMPURE):
            wrong.append(f"{name} imports {module}")
    return wrong


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_downwards_only(name):
    assert faults(name, MODULES[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("livecomposer.music.x", "from livecomposer.midi.ports import open_input"),
        ("livecomposer.agents.x", "from livecomposer.instrument import live"),
        ("livecomposer.ratings.x", "def f():\n    import livecomposer.desk.app"),
        ("livecomposer.instrument.x", "from livecomposer import synth"),
        ("livecomposer.synth.x", "from livecomposer.instrument.voices import Voices"),
        ("livecomposer.studio.x", "from livecomposer.instrument import performance"),
        ("livecomposer.midi.x", "from livecomposer.cli import main"),
        ("livecomposer.music.x", "from time import sleep"),
    ],
)
def test_the_rules_find_what_they_forbid(name, line):
    assert faults(name, line)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("livecomposer.synth.x", "from livecomposer.instrument.ring import Kind"),
        ("livecomposer.desk.x", "from livecomposer.instrument.live import main"),
        ("livecomposer.music.x", "from livecomposer.midi.messages import NOTE_ON"),
    ],
)
def test_the_rules_allow_the_rest(name, line):
    assert faults(name, line) == []


@pytest.mark.parametrize("name", WITHOUT_NUMBA)
def test_starts_without_numba(name):
    code = f"import sys, {name}; sys.exit('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or "numba was loaded"


def test_the_package_itself_is_light():
    code = "import sys, livecomposer, livecomposer.settings; sys.exit(bool({'numba', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert livecomposer.Performance.__module__ == "livecomposer.instrument.performance"
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        livecomposer.Nothing  # noqa: B018 - the look-up is what is tested


@pytest.mark.parametrize("name", [name for name, path in MODULES.items() if "@njit" in path.read_text()])
def test_kernels_are_compiled_before_a_note_is_played(name):
    """Each has its signature: what is compiled when it is first called makes a note late by half a second."""
    module = importlib.import_module(name)
    kernels = [found for found in vars(module).values() if isinstance(found, Dispatcher)]
    assert kernels and [kernel.__name__ for kernel in kernels if not kernel.signatures] == []
