"""Model files and the shared copy: what goes in comes out, and nothing damaged, foreign or newer gets in."""

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer.agents.model import VERSION, pack, unpack
from livecomposer.agents.prior import load_prior
from livecomposer.agents.registry import make_agents
from livecomposer.agents.tabular import TableAgent, TableSettings
from livecomposer.errors import TasteError
from livecomposer.instrument.snapshot import _PARTS_AT as PARTS_AT
from livecomposer.instrument.snapshot import (
    SharedSnapshot,
    arrays_of,
    layout_of,
    pack_agents,
    unpack_agents,
)
from livecomposer.music.actions import HeadSpec

PRIOR = load_prior("none")
SPECS = (HeadSpec("one", 2, 1, 3), HeadSpec("two", 3, 1, 2))


def small(seed=0):
    """Two agents with a few numbers each, learnt from nothing but a seed."""
    agents = [TableAgent(spec, TableSettings(), 1) for spec in SPECS]
    rng = np.random.default_rng(seed)
    for agent in agents:
        agent.q[:] = rng.normal(size=agent.q.shape)
    return agents


def tables(agents):
    return [agent.q.tolist() for agent in agents]


def test_round_trip():
    saved, fresh = small(1), small(2)
    unpack_agents(pack_agents("q", saved), "q", fresh)
    assert tables(fresh) == tables(saved)
    real, again = make_agents("q", 1, PRIOR)[0], make_agents("q", 2, PRIOR)[0]
    real[0].q[3, 4] = 9.0
    unpack_agents(pack_agents("q", real), "q", again)
    assert tables(again) == tables(real)


WHOLE = pack_agents("q", small(1))


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_damaged_byte_anywhere_is_refused_or_harmless(flip):
    expected, untouched = tables(small(1)), tables(small(2))
    outcomes = set()
    for at in range(len(WHOLE)):
        data = bytearray(WHOLE)
        data[at] ^= flip
        fresh = small(2)
        try:
            unpack_agents(bytes(data), "q", fresh)
        except TasteError as error:
            outcomes.add("refused")
            assert tables(fresh) == untouched
            assert "\n" not in str(error)
        else:
            outcomes.add("harmless")
            assert tables(fresh) == expected
    assert outcomes == {"refused", "harmless"}


@given(st.integers(0, len(WHOLE) - 1))
@settings(max_examples=200)
def test_a_truncated_file_is_refused(size):
    with pytest.raises(TasteError, match="damaged"):
        unpack_agents(WHOLE[:size], "q", small())


@given(st.binary(max_size=200))
def test_noise_is_refused(data):
    with pytest.raises(TasteError, match="damaged"):
        unpack(data)


def refused(data, words, agent="q"):
    fresh = small(2)
    with pytest.raises(TasteError, match=words):
        unpack_agents(data, agent, fresh, "taste.npz")
    assert tables(fresh) == tables(small(2))


def test_a_newer_version_says_so():
    out = io.BytesIO()
    meta = json.dumps({"version": VERSION + 1, "kind": "model"}).encode()
    np.savez(out, meta=np.frombuffer(meta, dtype=np.uint8))
    refused(out.getvalue(), r"taste.npz was written by a newer livecomposer \(version 2\); update to use it")


def test_another_agent_or_layout_is_refused():
    refused(WHOLE, "taste.npz was learnt by agent 'q', not 'dqn'; choose that agent", agent="dqn")
    refused(pack_agents("q", make_agents("q", 1, PRIOR)[0]), "taste.npz has another layout of heads")


def meta():
    return {"kind": "model", "agent": "q", "layout": layout_of(small())}


def test_arrays_that_do_not_fit_their_meta_are_refused():
    arrays = arrays_of(small(1))
    refused(pack({"one.q": arrays["one.q"]}, meta()), "does not hold the arrays that it names")
    refused(pack({**arrays, "two.q": np.zeros((3, 3))}, meta()), "does not hold the arrays that it names")
    refused(pack({**arrays, "two.q": arrays["two.q"].astype(np.float32)}, meta()), "does not hold the arrays")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    agents = small(1)
    agents[1].q[2, 1] = bad
    refused(pack_agents("q", agents), "numbers that are not finite")


def test_no_pickle_is_ever_opened():
    out = io.BytesIO()
    np.savez(out, meta=np.array([{"a": 1}], dtype=object))
    with pytest.raises(TasteError, match="damaged"):
        unpack(out.getvalue())


def shared(agents):
    arrays = arrays_of(agents)
    buffer = memoryview(bytearray(SharedSnapshot.size_of(sum(a.nbytes for a in arrays.values()))))
    writer = SharedSnapshot(buffer)
    writer.describe(arrays, {"kind": "model", "agent": "q", "layout": layout_of(agents)})
    return buffer, writer


def test_shared_copy_round_trip():
    agents = small(1)
    buffer, writer = shared(agents)
    reader = SharedSnapshot(buffer)
    assert reader.read() is None
    for number in (1, 2, 3):
        agents[0].q[0, 0] = float(number)
        writer.write(arrays_of(agents))
        found, data = reader.read(after=number - 1)
        fresh = small(2)
        unpack_agents(data, "q", fresh)
        assert (found, tables(fresh)) == (number, tables(agents))
        assert reader.read(after=number) is None


def test_copies_say_themselves_what_they_hold():
    """Another agent plays from here on; what was left is still that of the one before."""
    agents = small(1)
    buffer, writer = shared(agents)
    writer.leave(arrays_of(agents), 0)
    other = {"one.w": np.arange(5, dtype=np.float32)}
    writer.describe(other, {"kind": "model", "agent": "ppo", "layout": 7})
    writer.write(other, 1)
    arrays, meta = unpack(SharedSnapshot(buffer).read(0, 1)[1])
    assert arrays["one.w"].tolist() == [0, 1, 2, 3, 4] and (meta["agent"], meta["layout"]) == ("ppo", 7)
    left = small(2)
    unpack_agents(SharedSnapshot(buffer).read_left(0), "q", left)
    assert tables(left) == tables(agents)


def test_a_restarted_writer_counts_on():
    agents = small(1)
    buffer, writer = shared(agents)
    writer.write(arrays_of(agents))
    again = SharedSnapshot(buffer)
    again.describe(arrays_of(agents), {"kind": "model", "agent": "q", "layout": layout_of(agents)})
    again.write(arrays_of(agents))
    assert SharedSnapshot(buffer).read(after=1)[0] == 2


def test_a_torn_copy_is_not_taken():
    """Any byte of the half in use, or of the header, seen in mid-write."""
    agents = small(1)
    buffer, writer = shared(agents)
    writer.write(arrays_of(agents))
    whole, found = bytes(buffer), SharedSnapshot(buffer).read()
    _, side, size, _ = struct.unpack_from("<QIII", buffer, 0)
    start = PARTS_AT + side * ((len(buffer) - PARTS_AT) // 3)
    for at in [8, *range(16, 24), *range(start, start + size)]:
        buffer[at] ^= 0x01
        assert SharedSnapshot(buffer).read() is None, at
        buffer[:] = whole
    assert SharedSnapshot(buffer).read() == found


def test_writing_leaves_the_copy_in_use_alone():
    agents = small(1)
    buffer, writer = shared(agents)
    writer.write(arrays_of(agents))
    before = SharedSnapshot(buffer).read()
    head = bytes(buffer[:24])
    agents[0].q[:] = 7.0
    writer.write(arrays_of(agents))
    buffer[:24] = head  # as seen by a reader that had read the header before
    assert SharedSnapshot(buffer).read() == before


def test_what_is_left_is_found_until_another_is_and_the_copy_in_use_stays():
    agents = small(1)
    buffer, writer = shared(agents)
    reader = SharedSnapshot(buffer)
    writer.write(arrays_of(agents), 0)
    in_use = reader.read(0, 0)
    head = bytes(buffer[:24])
    agents[0].q[:] = 5.0
    writer.leave(arrays_of(agents), 0)
    assert (reader.read(0, 0), reader.read_left(1)) == (in_use, None)
    left = small(2)
    unpack_agents(reader.read_left(0), "q", left)
    assert tables(left) == tables(agents)
    agents[0].q[:] = 6.0
    writer.write(arrays_of(agents), 1)
    assert reader.read(0, 0) is None and reader.read(0, 1)[0] == 3
    buffer[:24] = head  # as seen by a reader that had read the header before
    assert SharedSnapshot(buffer).read(0, 0) == in_use
    assert SharedSnapshot(buffer)._number == 2  # a restarted writer counts on from what was left, too
