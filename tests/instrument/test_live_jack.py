"""The instrument on real ports, and every way in which it can end: what it had sounding is always released.

Each test starts the real command under a real JACK server; a player and a synth nobody here wrote the ports of
(RtMidi clients) stand outside. No test looks at how long anything took.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livecomposer.bench.jack import jack_server
from livecomposer.instrument.snapshot import unpack
from tests.instrument.jack_rig import CC, NOTE_OFF, NOTE_ON, Rig, unfinished

pytestmark = pytest.mark.jack


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    with jack_server():
        yield


@pytest.fixture
def rig(server: None, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def phrase(rig: Rig) -> list[bytes]:
    """Eight notes with half-pedalling, bend and pressure; returns what was sent."""
    sent = []

    def send(*message: int) -> None:
        rig.send(*message)
        sent.append(bytes(message))
        time.sleep(0.02)

    send(0xC0, 4)
    for value in (10, 45, 70, 127):
        send(CC, 64, value)
    for i, note in enumerate((60, 62, 64, 65, 67, 65, 64, 62)):
        send(NOTE_ON, note, 70 + i)
        send(0xD0, 30 + i)
        send(0xE0, i, 64 + i)
        send(NOTE_OFF, note, 33)
    send(0xE0, 0, 64)
    for value in (100, 63, 20, 0):
        send(CC, 64, value)
    return sent


def hold(rig: Rig) -> None:
    """Put the pedal down, hold a chord, and wait until all of it has been heard."""
    rig.send(CC, 64, 127)
    for note in (60, 64, 67):
        rig.send(NOTE_ON, note, 90)
        time.sleep(0.06)
    rig.settle()
    assert (0, 60) in unfinished(rig.messages())
    assert (0, -1) in unfinished(rig.messages())


def test_thru_is_byte_for_byte_and_every_note_ends(rig: Rig) -> None:
    rig.start("--virtual", "--role", "harmonize", "--seed", "1")
    rig.connect_virtual()
    sent = phrase(rig)
    rig.settle()
    assert [msg for msg in rig.messages() if msg[0] & 15 == 0] == sent
    assert any(msg[0] == NOTE_ON | 1 for msg in rig.messages())
    assert unfinished(rig.messages()) == []
    assert rig.end() == 0


def test_the_agent_answers_a_call_on_its_own_channel(rig: Rig) -> None:
    rig.start("--virtual", "--role", "answer", "--tempo", "200", "--seed", "3")
    rig.connect_virtual()
    for note in (60, 62, 64, 67):
        rig.send(NOTE_ON, note, 90)
        time.sleep(0.15)
        rig.send(NOTE_OFF, note, 0)
        time.sleep(0.15)
    time.sleep(2.5)
    answer = [msg for msg in rig.messages() if msg[0] == NOTE_ON | 1]
    assert answer
    assert all(msg[1] % 12 in (0, 2, 4, 5, 7, 9, 11) for msg in answer)
    assert rig.end() == 0
    assert unfinished(rig.messages()) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_ended_by_signal_everything_is_released(rig: Rig, how: signal.Signals) -> None:
    rig.plug_keyboard()
    rig.plug_synth()
    rig.start("--in", "rig keys", "--out", "rig synth", "--role", "harmonize")
    hold(rig)
    assert rig.end(how) == 0
    assert unfinished(rig.messages()) == []


def test_instrument_killed_everything_is_released_and_it_comes_back(rig: Rig) -> None:
    rig.plug_keyboard()
    rig.plug_synth()
    rig.start("--in", "rig keys", "--out", "rig synth", "--role", "harmonize")
    hold(rig)
    rig.heard.clear()
    os.kill(rig.instrument_pid(), signal.SIGKILL)
    rig.wait_for("Starting it again")
    for note in (60, 64, 67):
        rig.send(NOTE_OFF, note, 0)
    gap = 0
    while not any("Ready" in line for line in rig.lines[rig.seen :]):  # thru goes on meanwhile
        rig.send(NOTE_ON, 72, 50)
        time.sleep(0.05)
        rig.send(NOTE_OFF, 72, 0)
        time.sleep(0.05)
        gap += 1
    rig.wait_for("Ready")
    rig.settle()
    assert bytes((NOTE_ON, 72, 50)) in rig.messages()
    assert unfinished([bytes((NOTE_ON, n, 1)) for n in (60, 64, 67)] + rig.messages()) == []
    time.sleep(0.5)
    rig.heard.clear()
    sent = phrase(rig)
    rig.settle()
    assert [msg for msg in rig.messages() if msg[0] & 15 == 0] == sent
    assert rig.end() == 0
    assert unfinished(rig.messages()) == []


def test_desk_killed_the_instrument_releases_and_ends(rig: Rig) -> None:
    rig.plug_keyboard()
    rig.plug_synth()
    rig.start("--in", "rig keys", "--out", "rig synth", "--role", "harmonize")
    hold(rig)
    pid = rig.instrument_pid()
    rig.end(signal.SIGKILL)
    end = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _alive(pid)
    assert unfinished(rig.messages()) == []


def test_keyboard_unplugged_its_notes_end_and_it_is_found_again(rig: Rig) -> None:
    rig.plug_keyboard()
    rig.plug_synth()
    rig.start("--in", "rig keys", "--out", "rig synth", "--role", "harmonize")
    hold(rig)
    rig.unplug_keyboard()
    rig.wait_for("has gone")
    rig.settle()
    assert unfinished(rig.messages()) == []
    rig.plug_keyboard()
    rig.wait_for("is back")
    time.sleep(0.5)
    rig.heard.clear()
    sent = phrase(rig)
    rig.settle()
    assert [msg for msg in rig.messages() if msg[0] & 15 == 0] == sent
    assert rig.end() == 0


def test_synth_unplugged_and_back_it_is_released_and_played_again(rig: Rig) -> None:
    rig.plug_keyboard()
    rig.plug_synth()
    rig.start("--in", "rig keys", "--out", "rig synth", "--role", "harmonize")
    hold(rig)
    rig.unplug_synth()
    rig.wait_for("has gone")
    rig.plug_synth()
    rig.wait_for("is back")
    rig.settle()
    assert bytes((CC, 123, 0)) in rig.messages()  # what it still held from before is released
    for note in (60, 64, 67):
        rig.send(NOTE_OFF, note, 0)
    rig.send(CC, 64, 0)
    rig.settle()
    rig.heard.clear()
    sent = phrase(rig)
    rig.settle()
    assert [msg for msg in rig.messages() if msg[0] & 15 == 0] == sent
    assert rig.end() == 0


def test_a_pedal_rates_and_what_was_learnt_is_kept_and_taken_up_again(rig: Rig, tmp_path: Path) -> None:
    rig.start("--virtual", "--role", "harmonize", "--taste", "zoe")
    rig.connect_virtual()
    phrase(rig)
    rig.heard.clear()
    rig.send(CC, 67, 127)  # the soft pedal: like; never passed on
    rig.send(CC, 67, 0)
    rig.wait_for("Rate what *it* played")
    rig.settle()
    assert rig.messages() == []
    path = tmp_path / "tastes" / "zoe.npz"
    assert rig.end() == 0
    arrays, meta = unpack(path.read_bytes())
    assert meta["agent"] == "dyna-q"
    assert (arrays["taste.n"][0], arrays["taste.y"][0]) == (1, 0.5)  # a pedal's press counts half
    rig.lines.clear()
    before = path.read_bytes()
    rig.close()
    rig.start("--virtual", "--role", "harmonize", "--taste", "zoe")
    assert rig.end() == 0
    assert not any("Warning" in line for line in rig.lines)
    assert path.read_bytes() == before


BROKEN = """
import os

from livecomposer.agents.dyna_q import DynaQAgent


def act(self, state, features, mask, prior, liking):
    if os.path.exists(os.environ["LIVECOMPOSER_HOME"] + "/break"):
        raise RuntimeError("broken on purpose")
    return 5  # a triad


DynaQAgent.act = act

if __name__ == "__main__":
    from livecomposer.cli import main

    raise SystemExit(main())
"""


def test_an_exception_in_the_agent_releases_and_restarts(rig: Rig, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    rig.plug_keyboard()
    rig.plug_synth()
    rig.start("--in", "rig keys", "--out", "rig synth", "--role", "harmonize", script=script)
    hold(rig)
    (tmp_path / "break").touch()
    rig.send(NOTE_ON, 72, 90)
    rig.wait_for("internal error")
    (tmp_path / "break").unlink()
    rig.settle()
    assert unfinished(rig.messages()) == []
    rig.wait_for("Ready")
    assert any("broken on purpose" in line for line in rig.lines)
    rig.settle()
    assert rig.end() == 0
    assert unfinished(rig.messages()) == []


def test_malformed_midi_stops_nothing(rig: Rig) -> None:
    rig.start("--virtual", "--role", "harmonize")
    rig.connect_virtual()
    assert rig.keyboard is not None
    for junk in ((0x90,), (60, 90), (0x90, 200, 90), (0xF4,), (0xF9,), (0x80, 60, 0), (0x90, 61, 0), (0xFE,), (0xF8,)):
        try:
            rig.keyboard.send_message(junk)
        except ValueError:
            pass  # RtMidi itself refuses some of them
    rig.keyboard.send_message([0xF0, *([1] * 9000), 0xF7])
    for _ in range(2000):
        rig.keyboard.send_message((CC, 1, 5))
    rig.settle()
    rig.heard.clear()
    sent = phrase(rig)
    rig.settle()
    assert [msg for msg in rig.messages() if msg[0] & 15 == 0 and msg[:2] != bytes((CC, 1))] == sent
    assert rig.end() == 0
    assert unfinished(rig.messages()) == []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
