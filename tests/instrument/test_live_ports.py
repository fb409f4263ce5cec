"""Ports that are chosen, lost and brought back in the instrument, without a MIDI system."""

import queue

import pytest

from livecomposer.errors import PortError
from livecomposer.instrument import inbox
from livecomposer.instrument.live import Live, Wiring
from livecomposer.midi import ports
from livecomposer.settings import Settings


class Rig:
    """A ``Live`` of which only ports and inbox are there; ``open`` are the ports that are."""

    def __init__(self, monkeypatch, home):
        monkeypatch.setenv("LIVECOMPOSER_HOME", str(home))
        self.open, self.busy = [], set()
        monkeypatch.setattr(ports, "open_input", lambda system, name, callback: self._open("in", name))
        monkeypatch.setattr(ports, "open_output", lambda system, name: self._open("out", name))
        monkeypatch.setattr(ports, "close_port", lambda port: self.open.remove(port.at) if port else None)
        monkeypatch.setattr(ports, "list_ports", lambda system: (["old", "new"], ["old", "new"]))
        live = self.live = object.__new__(Live)
        live.wiring = Wiring(
            settings=Settings(), ring="", guard="", snapshot_memory="", synth_ring=None, virtual_in=False,
            system=ports.System("jack", 2), midi_in="old", midi_out="old", virtual_out=False, profile=None,
            snapshot=None,
        )  # fmt: skip
        live.inbox = queue.SimpleQueue()
        live._in, live._out = self._open("in", "old"), self._open("out", "old")

    def _open(self, side, name):
        if name in self.busy:
            raise PortError(f'"{name}" cannot be opened (busy)')
        self.open.append((side, name))
        return Port((side, name))

    def entries(self):
        found = []
        while not self.live.inbox.empty():
            kind, _, *rest = self.live.inbox.get()
            found.append((kind, *rest))
        return found


class Port:
    def __init__(self, at):
        self.at = at
        self.send_message = None


@pytest.fixture
def rig(monkeypatch, tmp_path):
    return Rig(monkeypatch, tmp_path)


@pytest.mark.parametrize("side", ["in", "out"])
def test_a_chosen_port_that_cannot_be_opened_is_the_chosen_one_all_the_same(rig, side):
    """The one before is let go; what comes back later is the one that was chosen, with what its controls mean."""
    live = rig.live
    rig.busy.add("new")
    live._choose_port(side, "new")
    said, (kind, where, port, profile) = rig.entries()
    assert said == (inbox.SAY, f'lost {side} "new" cannot be opened (busy)')
    assert (kind, where, port) == (inbox.PORT, side, None)
    assert (profile is not None) == (side == "in")  # the keyboard that any input is taken for
    assert (live.wiring.midi_in, live.wiring.midi_out) == (("new", "old") if side == "in" else ("old", "new"))
    if side == "in":  # as the loop does with the entry
        ports.close_port(live._in)
        live._in = None
    else:
        ports.close_port(live._out)
        live._out = None
    for _ in range(3):  # tried in vain, nothing that sounds is disturbed
        live._port_changed(side, True)
        assert rig.entries() == [(inbox.SAY, f'lost {side} "new" cannot be opened (busy)')]
    rig.busy.clear()
    live._port_changed(side, True)  # what hangs at the synth meanwhile ends now
    assert rig.entries() == [(inbox.COMMAND, f"{side}_lost", None)]
    assert (side, "new") in rig.open and (side, "old") not in rig.open


@pytest.mark.parametrize("side", ["in", "out"])
def test_what_a_lost_port_held_is_released_when_it_goes_and_when_it_is_back(rig, side):
    rig.live._port_changed(side, False)
    rig.live._port_changed(side, False)
    assert rig.entries() == [(inbox.COMMAND, f"{side}_lost", None)]
    rig.live._port_changed(side, True)
    assert rig.entries() == [(inbox.COMMAND, f"{side}_lost", None)] and len(rig.open) == 2


def test_no_port_is_a_choice_too(rig):
    rig.live._choose_port("in", "")
    assert rig.entries() == [(inbox.PORT, "in", None, None)]
    assert rig.live.wiring.midi_in is None
