"""Takes that went through the ring, the recorder and the disk are played again, byte for byte."""

import random

import pytest

from livecomposer import Performance, Settings
from livecomposer.errors import StoreError
from livecomposer.instrument.records import unpack
from livecomposer.instrument.replay import Difference, verify
from livecomposer.instrument.ring import Kind, Record, RingWriter, size_of
from livecomposer.settings import ROLES
from livecomposer.studio.recorder import Recorder
from livecomposer.studio.store import Store
from tests.instrument.rig import MS
from tests.instrument.test_replay import PROFILE, TASTES, Later, perform

CAPACITY = 1 << 15
PAIRS = ("ab", "ab_a", "ab_b", "ab_none", "forget", "about_notes", "about_rhythm")


def played(tmp_path, seed, end=True):
    """A wild evening of this seed, as the store has it: its records."""
    rng = random.Random(seed)
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    learner = Later() if seed % 3 else None
    role = ROLES[seed % 4]
    settings = Settings(role=role, seed=seed, agent="q" if seed % 5 == 4 else "dyna-q", click=seed % 2 == 0)
    p = Performance(
        settings, ring=RingWriter(buffer, CAPACITY), learner=learner, profile=PROFILE, start_ns=rng.randrange(10**15)
    )
    for number in range(6):
        t = p.now_ns + 2500 * MS
        p.advance(t)
        p.command(t, PAIRS[(seed + number) % len(PAIRS)])
        if number == 3:
            p.take_up(t + 1, PROFILE if seed % 2 else None)
    if settings.agent == "q":
        for t in range(1, 40):
            p.rate(p.now_ns + 400 * MS, rng.uniform(-1, 1))
            p.receive(p.now_ns + t, bytes((0x90, 50 + t % 20, 80)))
            while learner is not None and learner.jobs:
                job = learner.jobs.pop(0)
                p.adopt(p.now_ns + 7 * MS, job.number, job.run())
        if end:
            p.release(p.now_ns + 900 * MS)
    else:
        perform(p, learner, rng, 250)
    store = Store(tmp_path / "takes.sqlite")
    recorder = Recorder(store, buffer, "run", lambda t_ns: 0.0)
    recorder.drain()
    records = store.records(1)
    assert store.losses(1) == [] and records[-1].seq == recorder.seq
    store.close()
    return records


@pytest.mark.parametrize("seed", range(20))
def test_a_recorded_take_is_played_again_to_the_byte(tmp_path, seed):
    records = played(tmp_path, seed)
    kinds = {Kind(record.kind) for record in records}
    assert kinds >= {Kind.INPUT, Kind.RATING, Kind.COMMAND, Kind.CONTROLS, Kind.END}
    outputs = sum(record.kind == Kind.OUTPUT for record in records)
    assert outputs > 40
    assert verify(records, None, TASTES) == (outputs, None)


def test_all_that_a_log_can_hold_was_among_them(tmp_path):
    kinds, commands, agents = set(), set(), set()
    for seed in range(20):
        (tmp_path / str(seed)).mkdir()
        for record in played(tmp_path / str(seed), seed):
            kinds.add(Kind(record.kind))
            if record.kind == Kind.COMMAND:
                commands.add(unpack(record)[0])
            elif record.kind == Kind.TASTE:
                agents.add(unpack(record)[3])
    assert kinds >= {Kind.LATE, Kind.ADOPT, Kind.TASTE, Kind.ANSWER, Kind.CREDIT, Kind.PLAN, Kind.LIKELY, Kind.DECISION}
    assert commands >= {"role", "undo", "ab", "ab_a", "forget", "restore", "held"}
    assert agents >= {"dyna-q", "q", "ppo"}


def test_a_take_that_was_cut_off_is_compared_as_far_as_it_goes(tmp_path):
    records = played(tmp_path, 5)
    for n in (len(records) // 3, len(records) // 2):
        cut = records[:n]
        outputs = sum(record.kind == Kind.OUTPUT for record in cut)
        assert verify(cut, None, TASTES) == (outputs, None)


def test_one_wrong_byte_is_found(tmp_path):
    records = played(tmp_path, 5)
    at = [i for i, record in enumerate(records) if record.kind == Kind.OUTPUT][20]
    old = records[at]
    wrong = [*records]
    wrong[at] = Record(old.seq, old.t_ns, old.kind, old.payload[:-1] + bytes((old.payload[-1] ^ 1,)))
    number, difference = verify(wrong, None, TASTES)
    assert number == 20 and isinstance(difference, Difference)
    assert difference.recorded == unpack(wrong[at]) and difference.replayed == unpack(old)
    missing = verify(records[:at] + records[at + 1 :], None, TASTES)[1]
    assert missing is not None and missing.number <= at
    with pytest.raises(StoreError, match="lost its beginning"):
        verify(records[1:], None, TASTES)
