"""What is plugged into what, with ports that only have names."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from livecomposer.desk import wiring
from livecomposer.errors import PortError, PortNotFound, StoreError
from livecomposer.midi import ports
from livecomposer.midi.profiles import load_profiles
from livecomposer.settings import Settings

PROFILES, _ = load_profiles(None)
KEYS, SYNTH, PIANO = "Oxygen 25:Oxygen 25 MIDI 1 20:0", "FLUID Synth (8):Synth input 128:0", "Digital Piano 24:0"


@pytest.fixture
def plug(monkeypatch, tmp_path):
    def plug(inputs, outputs):
        monkeypatch.setattr(ports, "find_system", lambda wanted="": ports.System("alsa", 2))
        monkeypatch.setattr(ports, "list_ports", lambda system: (inputs, outputs))

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return plug


@pytest.fixture
def no_midi(monkeypatch, tmp_path):
    def find_system(wanted=""):
        raise PortError("no MIDI system answers (ALSA: no sequencer); start one, or play without")

    monkeypatch.setattr(ports, "find_system", find_system)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))


def test_keyboard_and_synth(plug):
    plug([KEYS], [KEYS, SYNTH])
    plan = wiring.choose(Settings(seed=1), PROFILES)
    assert (plan.midi_in, plan.midi_out, plan.profile.name) == (KEYS, SYNTH, "M-Audio Oxygen 25")
    assert (plan.sound, plan.virtual_player, plan.settings.thru, plan.settings.seed) == (False, False, "on", 1)
    assert plan.lines == [f'In: "{KEYS}" (M-Audio Oxygen 25)', f'Out: "{SYNTH}"']


def test_a_digital_piano_plays_itself(plug):
    plug([PIANO], [PIANO])
    plan = wiring.choose(Settings(), PROFILES)
    assert (plan.midi_out, plan.settings.thru, plan.sound) == (PIANO, "off", False)
    assert plan.lines == [f'In: "{PIANO}" (Digital piano)', f'Out: "{PIANO}", thru off: the keyboard sounds by itself']


def test_nothing_at_all_still_plays(no_midi):
    plan = wiring.choose(Settings(), PROFILES)
    assert (plan.system, plan.sound, plan.virtual_player, plan.kernels_ready) == (None, True, True, False)
    assert plan.lines == [
        "No MIDI system answers (ALSA: no sequencer); start one, or play without.",
        "In: no MIDI keyboard found; play on the computer keys a w s e d f t g y h u j k",
        "A virtual player comes in when all is ready, and plays until you do.",
        "Out: the built-in sound",
    ]


@pytest.mark.parametrize("asked", [{"midi_in": "x"}, {"midi_out": "x"}, {"api": "jack"}, {"virtual": True}])
def test_what_was_asked_for_must_be_there(no_midi, asked):
    with pytest.raises(PortError, match="no MIDI system answers"):
        wiring.choose(Settings(**asked), PROFILES)


def test_a_pattern_that_matches_nothing(plug):
    plug([KEYS], [])
    with pytest.raises(PortNotFound, match=r'^no MIDI output matches "moog"; found: none at all; plug it in or use'):
        wiring.choose(Settings(midi_out="moog"), PROFILES)


def test_virtual_ports_and_silence(plug):
    plug([KEYS], [SYNTH])
    plan = wiring.choose(Settings(virtual=True), PROFILES)
    assert (plan.midi_in, plan.midi_out, plan.virtual_in, plan.virtual_out) == (None, None, True, True)
    assert plan.lines == ['In: virtual port "livecomposer in"', 'Out: virtual port "livecomposer out"']
    plug([KEYS], [])
    assert wiring.choose(Settings(sound="off"), PROFILES).lines[1] == (
        "Out: nothing (no synth, and the built-in sound is off)"
    )


def test_the_cache_goes_where_it_can_be_written(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *a, **k: str(tmp_path / "cache"))

    def folder():
        monkeypatch.setenv("NUMBA_CACHE_DIR", "")
        monkeypatch.delenv("NUMBA_CACHE_DIR")
        warm = wiring.prepare_cache()
        return Path(os.environ["NUMBA_CACHE_DIR"]), warm

    usual, warm = folder()
    assert (usual.parent, warm) == (tmp_path / "cache", False)
    (usual / "kernels.nbi").touch()
    assert folder() == (usual, True)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *a, **k: str(usual / "kernels.nbi" / "below a file"))
    spare, warm = folder()
    assert (spare.parent, warm) == (tmp_path / "temp", False)
    monkeypatch.setattr(tempfile, "tempdir", str(usual / "kernels.nbi"))
    with pytest.raises(StoreError, match=r"set NUMBA_CACHE_DIR to a folder that is$"):
        folder()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners of folders here")
def test_the_cache_is_never_somebody_elses(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *a, **k: str(tmp_path / "cache"))
    monkeypatch.setattr(os, "getuid", lambda: 4242)  # we made the folders, but are not 4242
    with pytest.raises(StoreError, match=r"^compiled kernels cannot be kept in "):
        wiring.prepare_cache()


def test_kernels_are_made_for_one_agent_and_one_state_of_the_sources(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    wiring.note_kernels("dqn")
    assert (wiring.kernels_made("dqn"), wiring.kernels_made("q")) == (True, False)
    monkeypatch.setattr(wiring, "_kernels", lambda: 1)
    assert not wiring.kernels_made("dqn")


def test_kernels_of_old_versions_are_removed_and_the_newest_and_recent_ones_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *a, **k: str(tmp_path))
    now = time.time()
    for number in range(6):
        folder = tmp_path / f"numba-{number}"
        folder.mkdir()
        (folder / "kernels.nbi").touch()
        os.utime(folder, (0, now - 10 * wiring.RECENT_S - number))
    (tmp_path / "something else").mkdir()
    wiring.prepare_cache()
    own = Path(os.environ["NUMBA_CACHE_DIR"]).name
    assert sorted(os.listdir(tmp_path)) == sorted([own, "numba-0", "numba-1", "numba-2", "something else"])
    for number in range(3, 8):
        (tmp_path / f"numba-{number}").mkdir()
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    wiring.prepare_cache()
    recent = [f"numba-{number}" for number in range(3, 8)]
    assert sorted(os.listdir(tmp_path)) == sorted([own, *recent, "something else"])
