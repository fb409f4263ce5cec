"""Same settings, seed and log: the same bytes at the same times, from nothing but the ring."""

import random

import pytest

from livecomposer import Performance, Settings
from livecomposer.errors import StoreError
from livecomposer.instrument.records import unpack
from livecomposer.instrument.replay import replay
from livecomposer.instrument.ring import Kind, RingReader, RingWriter, size_of
from livecomposer.midi.profiles import Control, Profile
from livecomposer.settings import ROLES
from tests.instrument.rig import MS

CAPACITY = 1 << 15
PROFILE = Profile(
    "test", "keyboard", (),
    controls=(
        Control("control_change", -1, 67, "rate_up"), Control("control_change", -1, 66, "rate_down"),
        Control("control_change", -1, 20, "tempo", "relative_twos"), Control("note_on", -1, 21, "tap"),
    ),
)  # fmt: skip


OTHER = [
    bytes.fromhex(text)
    for text in (
        "b0 40 7f", "b0 40 00", "b0 14 02", "b0 43 7f", "b0 43 00", "b0 42 7f", "b0 42 00", "90 15 40", "80 15 00",
        "e0 01 40", "f8", "fa", "fe", "90 3c", "f0" + "00" * 90, "",
    )
]  # fmt: skip


class Later:
    """A learner that keeps its jobs until somebody runs them."""

    def __init__(self):
        self.jobs = []

    def submit(self, job):
        self.jobs.append(job)


def new(settings, **more):
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    return buffer, Performance(settings, ring=RingWriter(buffer, CAPACITY), **more)


def learnt(seed):
    """What was learnt in another performance."""
    p = Performance(Settings(role="solo", seed=seed))
    for i in range(1, 20):
        p.rate(i * 500 * MS, 1.0 if i % seed else -1.0)
    return p.snapshot()


TASTES = [learnt(3), learnt(4)]
CHANGES = (*((data,) for data in TASTES), (None,), *((None, agent) for agent in ("q", "sarsa-lambda", "dqn", "ppo")))


def perform(p, learner, rng, n=500):
    """A wild evening: keys, controllers, clock, ratings, commands, late turns, results whenever; what sounded."""
    t, down, sent = p.now_ns, [], []
    tastes = random.Random(n + p.settings.seed)
    for _ in range(n):
        t += rng.choice((0, 1, 5, 30, 90, 200, 700)) * MS + rng.randrange(1000)
        what = rng.random()
        if rng.random() < 0.2:
            p.late(t)
        if tastes.random() < 0.04:
            p.command(t, *tastes.choice((("restore",), ("taste",), ("taste", "ann"))))
        if tastes.random() < 0.02:
            p.change_taste(t, *tastes.choice(CHANGES))
        if what < 0.35:
            if down and rng.random() < 0.5:
                note = down.pop(rng.randrange(len(down)))
                msg = bytes((0x80, note, rng.randrange(128)))
            else:
                note = rng.randint(40, 90)
                down.append(note)
                msg = bytes((0x90, note, rng.randint(1, 127)))
            p.receive(t - rng.randrange(3) * MS, msg, t)
        elif what < 0.50:
            p.receive(t, rng.choice(OTHER), port=rng.randrange(3))
        elif what < 0.65:
            p.rate(t - rng.randrange(900) * MS, rng.uniform(-1.2, 1.2), t, rng.choice(("api", "keys", "page")))
        elif what < 0.75:
            p.command(t, *rng.choice((
                ("role", rng.choice(ROLES)), ("role",), ("key", "D dorian"),
                ("key", "E\u266d 0,1,2,3,4,5,6,7,8,9,10,11"),
                ("key_next",), ("tempo", rng.uniform(30, 300)), ("tap",), ("held",), ("held", 0), ("mute",),
                ("mute", 0), ("click",), ("adventure", rng.random()), ("level", rng.random()),
                ("end",), ("undo",), ("panic",),
                ("in_lost",), ("out_lost",),
            )))  # fmt: skip
        elif what < 0.85:
            sent += p.advance(t)
        elif learner is not None and learner.jobs:
            job = learner.jobs.pop(0)
            p.adopt(t, job.number, job.run())
    p.release(t + 300 * MS)
    return sent + p.advance(t)


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_replay_is_byte_identical(seed, inline):
    rng = random.Random(seed)
    learner = None if inline else Later()
    settings = Settings(
        role=ROLES[seed % 4],
        seed=seed,
        trade_bars=seed % 3,
        share_sound=seed % 2 == 0,
        click=seed == 3,
        player_program=3,
    )
    buffer, p = new(settings, learner=learner, profile=PROFILE, start_ns=rng.randrange(10**15))
    sent = perform(p, learner, rng)
    reader = RingReader(buffer)
    records = reader.read(CAPACITY)
    kinds = {Kind(record.kind) for record in records}
    assert reader.lost == 0
    assert kinds >= {
        Kind.INPUT,
        Kind.RATING,
        Kind.COMMAND,
        Kind.LATE,
        Kind.PLAN,
        Kind.DECISION,
        Kind.CREDIT,
        Kind.END,
        Kind.TASTE,
    }
    assert inline or Kind.ADOPT in kinds
    assert len(sent) > 300
    assert replay(records, None, TASTES) == sent
    with pytest.raises(StoreError, match="changed to another taste"):
        replay(records)
    outputs = [(record.t_ns, unpack(record)[3]) for record in records if record.kind == Kind.OUTPUT]
    assert outputs == sent


def test_a_replay_can_begin_with_what_had_been_learnt():
    first = Performance(Settings(role="solo", seed=1))
    for i in range(1, 30):
        first.rate(i * 500 * MS, 1.0 if i % 3 else -1.0)
    snapshot = first.snapshot()
    buffer, p = new(Settings(role="solo", seed=2), snapshot=snapshot)
    sent = perform(p, None, random.Random(5), 100)
    records = RingReader(buffer).read(CAPACITY)
    assert replay(records, snapshot, TASTES) == sent
    with pytest.raises(StoreError, match="began with another taste"):
        replay(records)


def test_a_take_without_its_beginning_is_refused():
    buffer, p = new(Settings(role="solo", seed=2))
    p.release(0)
    for records in ([], RingReader(buffer).read()[2:]):
        with pytest.raises(StoreError, match="has lost its beginning"):
            replay(records)


def test_a_replay_learns_what_was_learnt():
    """The learner's results differ by when they were adopted, so the agents' tables are those of the log too."""
    learner = Later()
    buffer, p = new(Settings(role="solo", seed=4), learner=learner)
    for i in range(1, 40):
        p.rate(i * 700 * MS, 1.0 if i % 2 else -0.6)
        if i % 3 == 0:
            job = learner.jobs.pop(0)
            p.adopt((i * 700 + 350) * MS, job.number, job.run())
    sent = p.advance(40_000 * MS)
    p.release(40_000 * MS)
    sent += p.advance(40_000 * MS)
    records = RingReader(buffer).read(CAPACITY)
    assert replay(records) == sent
    without = [record for record in records if record.kind != Kind.ADOPT]
    assert replay(without) != sent


def test_what_was_due_before_it_was_late_is_not_late():
    """Whether time was advanced to that moment or not is not in the log, so it must make no difference."""
    takes = []
    for advance in (False, True):
        buffer, p = new(Settings(role="solo", seed=9))
        sent = p.advance(0) if advance else []
        p.late(9_000 * MS)
        p.release(9_000 * MS)
        takes.append(sent + p.advance(9_000 * MS))
        assert replay(RingReader(buffer).read(CAPACITY)) == takes[-1]
    assert takes[0] == takes[1]
