"""A performance in virtual time with a scripted agent, and its output in words a test can read."""

from collections.abc import Iterable, Sequence
from itertools import cycle

import numpy as np

from livecomposer import Performance, Settings
from livecomposer.agents.protocol import CAPACITY
from livecomposer.agents.view import View
from livecomposer.music.actions import RHYTHMS, STEPS, VOICINGS
from livecomposer.music.context import HEADS

MS = 1_000_000
BEAT = 500  # ms, at the rig's 120 BPM
BAR = 4 * BEAT
QUARTER, EIGHTH, HALF, REST = (
    next(i for i, rhythm in enumerate(RHYTHMS) if rhythm.name == name) for name in ("1/4", "1/8", "1/2", "1/4 rest")
)
SINGLE, THIRD, TRIAD = (
    next(i for i, voicing in enumerate(VOICINGS) if voicing.name == name)
    for name in ("single", "third", "triad, fifth on top")
)


class Scripted:
    """An agent that plays a given round of actions, and takes down what it is given to observe."""

    def __init__(self, spec, actions: Iterable[int]) -> None:
        self.spec = spec
        self.n_features = spec.n_features
        self.capacity = CAPACITY
        self.actions = cycle(actions)
        self.asked = 0
        self.observed: list[int] = []
        self.adventure = -1.0
        self.nat = 1.0

    def act(self, state, features, mask, prior, liking):
        assert 0 <= state < self.spec.n_states
        assert np.isfinite(features).all()
        self.asked += 1
        return next(self.actions)

    def value(self, state, features, action):
        return 0.0

    def explore(self, adventure):
        self.adventure = adventure

    def observe(self, steps, i):
        self.observed.append(steps.first + i)

    def job(self, steps):
        return None

    def adopt(self, result):
        raise AssertionError("there was no job")

    def fold(self, steps, rows):
        pass

    def state(self):
        return {}

    def load(self, state):
        pass

    def keep(self):
        return None

    def restore(self, kept):
        pass


def performance(
    role: str, *, rhythm=(QUARTER,), steps=(1, -1), harmony=(SINGLE,), more=None, **settings
) -> Performance:
    """120 BPM, C major, no prior; the line plays quarters up and down a step, unless said otherwise."""
    given = {"role": role, "tempo": 120.0, "seed": 7, "prior": "none", "agent": "q", **settings}
    p = Performance(Settings(**given), **(more or {}))
    credit, p.learning.credit.given = p.learning.credit, {}
    give = credit.give

    def take_down(reached, value):
        for head, step, weight in reached:
            credit.given[head, step] = credit.given.get((head, step), 0.0) + value * weight
        return give(reached, value)

    credit.give = take_down
    script = (rhythm, [STEPS.index(step) for step in steps], harmony)
    p.learning.agents[:] = [Scripted(spec, actions) for spec, actions in zip(HEADS, script, strict=True)]
    show_features(p)
    return p


def show_features(p: Performance) -> None:
    """Let the agents see the heads' features, which its own did not ask for."""
    for head, (spec, table) in enumerate(zip(HEADS, p.learning.steps, strict=True)):
        table.features = np.zeros((table.capacity, spec.n_features), dtype=np.float32)
        table.logits = np.zeros((table.capacity, spec.n_actions), dtype=np.float32)
        prior, liked = p.line._views[head].arrays[:2]
        p.line._views[head] = View(spec, head, spec.n_features, prior, liked if p.learning.taste is not None else None)


def feed(p: Performance, *events: tuple[float, str]) -> None:
    """Messages of the player as (ms, hex)."""
    for t, text in events:
        p.receive(round(t * MS), bytes.fromhex(text))


def keys(p: Performance, *strokes: tuple[float, float, int]) -> None:
    """Keys as (from ms, to ms, note), velocity 80, in order of time."""
    events = [(start, 1, note) for start, _, note in strokes] + [(end, 0, note) for _, end, note in strokes]
    for t, down, note in sorted(events):
        p.receive(round(t * MS), bytes((0x90, note, 80)) if down else bytes((0x80, note, 64)))


def words(sent: Sequence[tuple[int, bytes]]) -> list[str]:
    """``["500.0 91 3c 50", ...]``: ms with one decimal, then the bytes."""
    return [f"{t / MS:.1f} {msg.hex(' ')}" for t, msg in sent]


def heard(p: Performance, until_ms: float, channel: int | None = None) -> list[str]:
    """What has been sent since the last look, up to ``until_ms`` (of one channel, 0-15)."""
    sent = p.advance(round(until_ms * MS))
    return words([(t, msg) for t, msg in sent if channel is None or msg[0] & 15 == channel])


def onsets(p: Performance, until_ms: float, channel: int = 1) -> list[tuple[float, int]]:
    """(ms, note) of the note_ons on a channel."""
    sent = p.advance(round(until_ms * MS))
    return [(round(t / MS, 1), m[1]) for t, m in sent if m[0] == 0x90 | channel and m[2]]


def credited(p: Performance, head: int) -> list[float]:
    """What ratings have given each step of a head."""
    steps, given = p.learning.steps[head], p.learning.credit.given
    return [round(given.get((head, steps.first + i), 0.0), 9) for i in range(steps.n)]


def unfinished(sent: Iterable[tuple[int, bytes]]) -> list[tuple[int, int]]:
    """(channel, note) whose last message was a note_on, and (channel, -controller) of pedals left down."""
    state: dict[tuple[int, int], bool] = {}
    for _, msg in sent:
        kind, channel = msg[0] & 0xF0, msg[0] & 15
        if kind == 0x90:
            state[channel, msg[1]] = msg[2] > 0
        elif kind == 0x80:
            state[channel, msg[1]] = False
        elif kind == 0xB0 and msg[1] in (64, 66, 67):
            state[channel, -msg[1]] = msg[2] > 0
    return sorted(at for at, on in state.items() if on)
