"""A listener who likes one melodic interval, and presses late, is heard to win; one who presses at random is not."""

import random
from itertools import pairwise
from statistics import fmean

import numpy as np

from livecomposer import Performance, Settings
from livecomposer.instrument.learning import Learning
from livecomposer.instrument.records import Recorder
from livecomposer.music.actions import RHYTHMS
from livecomposer.music.context import HEADS
from tests.instrument.rig import MS, QUARTER, Scripted, performance

LIKED = (3, 4)  # semitones: a third up
RATINGS = 150
AFTER_S = 120
SEEDS = range(12)


def melody(sent, last):
    """(onset, interval) for each melody note behind ``last``: the first note_on of its moment, (onset, note)."""
    found = []
    for t, msg in sent:
        if msg[0] == 0x91 and t != last[0]:
            if t - last[0] < 1_200 * MS:
                found.append((t, msg[1] - last[1]))
            last = (t, msg[1])
    return found, last


def share(intervals):
    return fmean(interval in LIKED for _, interval in intervals)


def evening(seed, likes):
    """The share of the liked interval in two minutes after 150 presses, each 0.3 to 1.2 s late, when nothing more is
    tried out."""
    p = Performance(Settings(role="solo", seed=seed))
    rng = random.Random(seed)
    t, last, presses, given = 0, (-(10**12), 0), [], 0
    while given < RATINGS:
        t += 50 * MS
        heard, last = melody(p.advance(t), last)
        presses += [at + rng.randint(300, 1200) * MS for at, interval in heard if likes(interval, rng)]
        for press in sorted(press for press in presses if press <= t):
            presses.remove(press)
            p.rate(press, 1.0, t)
            given += 1
    p.command(t, "adventure", 0.0)
    return share(melody(p.advance(t + AFTER_S * 1000 * MS), last)[0])


def test_the_liked_interval_wins():
    start = fmean(
        share(melody(Performance(Settings(role="solo", seed=seed)).advance(AFTER_S * 1000 * MS), (-(10**12), 0))[0])
        for seed in SEEDS
    )
    liked = [evening(seed, lambda interval, rng: interval in LIKED) for seed in SEEDS]
    shuffled = [evening(seed, lambda interval, rng: rng.random() < start) for seed in SEEDS]
    assert min(liked) > 3.0 * start
    assert fmean(shuffled) < 2.5 * start  # of 40 seeds 1.4, and a standard deviation of 0.4 for twelve
    assert fmean(liked) > 5.0 * fmean(shuffled)


def test_silence_is_what_was_heard_since_the_last_press_as_long_as_it_was_heard():
    """At most `SILENCE_S` of it, each note as long as it was to be heard, and nothing of what the press is about."""
    p = performance("solo", rhythm=(QUARTER,))
    p.advance(20_000 * MS)
    learning = p.learning
    last = learning._pressed_ns = 2000 * MS
    table = learning.steps[1]
    onsets = (table.t_ns[: table.n] / MS).tolist()
    at = onsets.index(18_000)
    reached = [(1, table.first + at, 1.0)]
    found = learning._silence(reached, True)
    heard = [(i, min(after - on, 1500) / 1000) for i, (on, after) in enumerate(pairwise(onsets)) if 8000 < on < 18_000]
    assert found == [(1, table.first + i, s) for i, s in heard]
    assert {s for _, s in heard} == {0.5, 1.0}  # there are rests
    learning._pressed_ns = last
    assert learning._silence(reached, False) == []
    assert learning._pressed_ns == table.t_ns[table.n - 1]


def test_silence_says_something_from_the_first_press_on():
    p = Performance(Settings(role="solo", seed=1))
    for second in (8, 16, 24):
        p.advance(second * 1000 * MS)
        p.rate(second * 1000 * MS, 1.0)
    assert [row.any() for row in p.learning.taste.state()["silent"][:4]] == [False, True, True, False]
    p.undo_rating()
    p.undo_rating()
    p.undo_rating()
    p.advance(32_000 * MS)
    p.rate(32_000 * MS, 1.0)  # the first again
    assert not p.learning.taste.state()["silent"].any()


def test_a_result_that_is_out_of_date_is_not_taken():
    jobs = []

    class Keeper:
        def submit(self, job):
            jobs.append(job)

    class Counting(Scripted):
        adopted = 0

        def job(self, steps):
            return lambda: "result"

        def adopt(self, result):
            self.adopted += 1

    agents = [Counting(spec, (0,)) for spec in HEADS]
    learning = Learning(agents, Recorder(None), Keeper(), False)
    for _ in range(3):
        learning.rate(10, 10, 1.0, 0, False)
    assert [job.number for job in jobs] == [0]  # one at a time
    learning.adopt(7, [None] * 3)
    assert (learning.busy, learning.version) == (True, 0)
    learning.adopt(0, jobs[0].run())
    assert ([job.number for job in jobs], learning.busy, learning.version) == ([0, 1], True, 1)
    learning.adopt(1, [None, "result", None])
    assert ([agent.adopted for agent in agents], learning.busy, learning.version) == ([1, 2, 1], False, 2)
    learning.adopt(1, jobs[1].run())
    assert ([agent.adopted for agent in agents], learning.version) == ([1, 2, 1], 2)


def test_undo_takes_back_256_ratings_and_says_when_there_is_none():
    learning = Learning([Scripted(spec, (0,)) for spec in HEADS], Recorder(None), None, False)
    for i in range(300):
        learning.rate(i, i, 1.0, 0, False)
    assert [learning.undo() for _ in range(258)] == [True] * 256 + [False] * 2


def test_the_policy_is_a_setting():
    """ε-greedy at adventure 0 always does the same in the same state; softmax does not."""
    greedy = Performance(
        Settings(role="solo", seed=1, agent="q", policy="epsilon-greedy", adventure=0.0)
    ).learning.agents[0]
    drawn = Performance(Settings(role="solo", seed=1, agent="q", adventure=0.5)).learning.agents[0]
    mask, prior = np.ones(len(RHYTHMS), np.uint8), np.linspace(0.0, 0.5, len(RHYTHMS))
    features, liking = np.zeros(greedy.spec.n_features, np.float32), np.zeros(len(RHYTHMS))
    assert {greedy.act(0, features, mask, prior, liking) for _ in range(100)} == {len(RHYTHMS) - 1}
    assert len({drawn.act(0, features, mask, prior, liking) for _ in range(100)}) > 5
