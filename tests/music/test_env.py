"""The environment: row by row what ``Performance`` does, reproducible, and as Gymnasium wants it."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from livecomposer import Performance, Settings
from livecomposer.agents.kernels import new_rng
from livecomposer.agents.prior import load_prior
from livecomposer.instrument.performance import FORM
from livecomposer.music import context as c
from livecomposer.music import env
from livecomposer.music.actions import APPROACHES, NOTES_AT, RHYTHMS, STEPS, TONIC_AT
from livecomposer.music.context import HARMONY, HEADS, MELODY, RHYTHM
from livecomposer.music.env import EPISODE_BARS, Stage
from livecomposer.music.gym import N_FEATURES, SIZES
from livecomposer.music.heads import harmony_context, melody_context, rhythm_context
from livecomposer.music.metre import parse_metre
from livecomposer.music.rules import HEAD_OF, N_RULES, load_weights, play
from tests.instrument import rig
from tests.instrument.rig import MS, show_features
from tests.music import naive

ROLES = {"harmonize": c.HARMONIZE, "duet": c.DUET, "answer": c.ANSWER, "solo": c.SOLO}
STYLE = load_prior("shipped").style
MELODY_V0 = "livecomposer.music.gym:livecomposer/Melody-v0"
DUET_V0 = "livecomposer.music.gym:livecomposer/Duet-v0"


# ---- row by row as a performance ------------------------------------------------------------------------------------
class Log(list):
    """What a performance's line is asked and answers, in order, as (what, ...)."""

    def __init__(self, p: Performance) -> None:
        super().__init__()
        line, hearing = p.line, p.hearing
        decide, cut, chord, answer = line._decide, line.cut, line._chord, line.answer
        struck, held = hearing.struck, hearing.held
        brought_back, leave = line.bring_back, line.leave

        def decided(tick, late):
            event = decide(tick, late)
            self.append(("decide", event))
            return event

        def chosen(own):
            ladder = chord(own)
            if own is line.own:
                given = own[[c.CHORD_ROOT, c.CHORD_BITS, c.NEXT_ROOT, c.NEXT_BITS, c.CHORD_END]].copy()
                self.append(("chord", ladder.row.copy(), given if own[c.GIVEN] else None))
            return ladder

        def forgot(tick):
            gone = cut(tick)
            if gone:
                self.append(("cut", tick))
            return gone

        def answered(tick, end_tick, lag):
            self.append(("answer", tick, end_tick, lag, line.ladder.row.copy(), line.trace[2:].copy()))
            answer(tick, end_tick, lag)

        def heard(t_ns, tick, note):
            melody = struck(t_ns, tick, note)
            if melody:
                self.append(("hear", int(tick + 0.5), note))
            return melody

        def holds(keys):
            self.append(("held", keys))
            held(keys)

        def liked(tick, now):
            found = brought_back(tick, now)
            self.append(("back", line.back))
            return found

        def left():
            leave()
            self.append(("leave",))

        line._decide, line._chord, line.cut, line.answer = decided, chosen, forgot, answered
        line.bring_back, line.leave = liked, left
        hearing.struck, hearing.held = heard, holds


class Scripted(rig.Scripted):
    """Plays its actions without a look at anything."""

    def act(self, *_):
        return next(self.actions)


class Twin:
    """The environment with the arrays of one performance, its simulated player silent."""

    def __init__(self, p: Performance) -> None:
        settings = p.settings
        self.stage = stage = Stage(STYLE, 1)
        while True:
            stage.reset(ROLES[settings.role])
            if c.PARTS[stage.world[c.PART]] == settings.part:
                break
        metre = parse_metre(settings.metre)
        own, world = stage.own, stage.world
        own[:] = c.new_own()
        stage.trace[:] = c.NOTHING
        stage.ladder[:] = p.hearing.ladder.row
        stage.rng[:] = new_rng(settings.seed, FORM)
        stage.player[[env.ON, env.CHORDS, env.END_TICK]] = 0, 0, c.NEVER
        world[[c.BAR_TICKS, c.UNIT, c.STRONG]] = metre.bar_ticks, metre.unit_ticks, metre.strong_bits
        world[[c.PLAYER_NOTE, c.PLAYER_MOVE, c.PLAYER_TICK, c.PLAYER_HELD]] = -1, 0, c.NEVER_BEFORE, 0
        world[[c.GRID_BAR, c.GRID, c.GRID_NOW]] = -1, 0, 0
        if (settings.low, settings.high) != (env.LOW_NOTE, env.HIGH_NOTE):
            world[[c.LOW, c.HIGH]] = settings.low, settings.high
        world[[c.OUTSIDE, c.SCALE_MASK]] = round(100 * settings.outside), settings.scale_mask
        if settings.role != "answer":
            c.begin_form(own, p.turns.start_tick, 4 * metre.bar_ticks, stage.rng)
        self.alone = settings.role == "solo"
        self.befores: list[tuple[int, np.ndarray]] = []
        self.returning = None
        self.decided = 0

    def follow(self, log: Log) -> None:
        """Do what the log says, and compare what comes of it."""
        for what, *rest in log:
            getattr(self, what)(*rest)

    def hear(self, tick, note):
        c.hear(self.stage.world, tick, note)

    def held(self, keys):
        self.stage.world[c.PLAYER_HELD] = keys

    def chord(self, ladder, given):
        stage, own = self.stage, self.stage.own
        stage.ladder[:] = ladder
        if given is not None:
            own[[c.CHORD_ROOT, c.CHORD_BITS, c.NEXT_ROOT, c.NEXT_BITS, c.CHORD_END]] = given
        elif own[c.GIVEN]:
            own[[c.CHORD_ROOT, c.NEXT_ROOT]] = -1
        own[c.GIVEN] = given is not None
        c.prepare(own, stage.world, stage.trace, stage.ladder, stage.rng)
        if self.returning is not None:
            c.come_back(own, stage.world, stage.trace, stage.ladder, *self.returning[:3])

    def back(self, what):
        self.returning = what

    def leave(self):
        self.returning = None
        self.stage.own[c.LAG] = 0

    def answer(self, tick, end_tick, lag, ladder, calls):
        stage = self.stage
        stage.trace[2:] = calls
        self.befores.clear()
        self.returning = None
        c.begin_answer(stage.own, stage.trace, ladder, tick, end_tick - tick, lag, stage.rng)

    def cut(self, tick):
        keep = next(i for i, (t, _) in enumerate(self.befores) if t >= tick)
        self.stage.own[:] = self.befores[keep][1]
        del self.befores[keep:]

    def decide(self, event):
        """One event: the row it is decided in, what each head sees, its length, its note and what the rules say."""
        stage = self.stage
        own, world, ladder = stage.own, stage.world, stage.ladder
        np.testing.assert_array_equal(own, event.before)
        self.befores.append((event.tick, own.copy()))
        rhythm, melody, harmony = event.choices
        self.sees(rhythm, RHYTHM, rhythm_context, own, world)
        assert (int(own[c.TICK]), c.choose_length(own, rhythm.action)) == (event.tick, event.ticks)
        steps = (rhythm.action, 7, 0)
        if melody is not None:
            self.sees(melody, MELODY, melody_context, own, world, ladder)
            self.sees(harmony, HARMONY, harmony_context, own, world, ladder, event.note)
            assert c.melody_note(ladder, c.start_note(own, world), melody.action) == event.note
            steps = (rhythm.action, melody.action, harmony.action)
        arrays = own, world, stage.trace, ladder, stage.style
        if self.alone:
            assert env.act(*arrays, stage.player, stage.rng, *steps, stage.columns) == 0
        else:  # the plan may be cut before it is prepared
            play(*arrays, *steps, stage.columns)
        np.testing.assert_array_equal(stage.columns, event.columns)
        self.decided += 1

    def sees(self, choice, head, kernel, *arrays):
        features = np.zeros(HEADS[head].n_features, dtype=np.float32)
        mask = np.zeros(HEADS[head].n_actions, dtype=np.uint8)
        assert kernel(*arrays, features, mask) == choice.state
        np.testing.assert_array_equal(features, choice.features)
        np.testing.assert_array_equal(mask, choice.mask)


def compare(seconds, strokes=(), doings=(), **settings):
    """Play ``seconds`` of random actions, the player striking (s from, s to, note) and doing (s, method, arguments),
    and follow it; returns the log."""
    p = Performance(Settings(**{"tempo": 240.0, "seed": 7, **settings}))
    show_features(p)
    random = np.random.default_rng(5)
    p.learning.agents[:] = [Scripted(spec, random.integers(0, spec.n_actions, 997).tolist()) for spec in HEADS]
    log, twin = Log(p), Twin(p)
    downs = [(start, p.receive, (bytes((0x90, note, 80)),)) for start, _, note in strokes]
    ups = [(end, p.receive, (bytes((0x80, note, 64)),)) for _, end, note in strokes]
    others = [(t, getattr(p, name), arguments) for t, name, *arguments in doings]
    for t, do, arguments in sorted([*ups, *downs, *others], key=lambda entry: entry[0]):
        do(round(t * 1000) * MS, *arguments)
    p.advance(round(seconds * 1000) * MS)
    twin.follow(log)
    for line in (twin.stage, p.line):
        ladder, rng = (line.ladder, line.rng) if line is twin.stage else (line.ladder.row, line._rng)
        c.prepare(line.own, twin.stage.world, line.trace, ladder, rng)
    assert twin.decided == sum(what == "decide" for what, *_ in log)
    np.testing.assert_array_equal(twin.stage.own, p.line.own)
    np.testing.assert_array_equal(twin.stage.world, p.hearing.world)
    np.testing.assert_array_equal(twin.stage.trace, p.line.trace)
    assert twin.stage.rng == p.line._rng
    return log


def melody(seconds, beat, seed=3):
    """A right hand in C major: (s from, s to, note), in eighths, quarters and halves."""
    random, strokes, t, note = np.random.default_rng(seed), [], 0.01, 72
    scale = [n for n in range(60, 85) if n % 12 in (0, 2, 4, 5, 7, 9, 11)]
    while t < seconds:
        length = beat * random.choice([0.5, 1.0, 1.0, 2.0])
        at = scale.index(note) + int(random.integers(-3, 4))
        note = scale[min(max(at, 0), len(scale) - 1)]
        strokes.append((round(t, 3), round(t + 0.9 * length, 3), note))
        t += length
    return strokes


@pytest.mark.parametrize(
    ("key", "metre"),
    [("C major", "4/4"), ("E harmonic minor", "7/8"), ("A minor pentatonic", "5/4"), ("F lydian", "6/8")],
)
@pytest.mark.parametrize("more", [{}, {"outside": 0.6}, {"scale_mask": False, "low": 55, "high": 67}])
def test_a_solo_is_the_environments(key, metre, more):
    log = compare(60.0, role="solo", key=key, metre=metre, **more)
    events = [event for what, event, *_ in log if what == "decide"]
    assert len(events) > 150
    assert {event.before[c.SECTION] for event in events} == {c.A, c.A_VARIED, c.B, c.A_AGAIN}
    assert any(event.before[c.HINT_RUNG] >= 0 for event in events)
    assert any(event.before[c.TARGET] >= 0 for event in events) == bool(more)


@pytest.mark.parametrize("part", c.PARTS)
@pytest.mark.parametrize("changes", ["", "| C | F Am | Dm7 G7 | C |"])
def test_a_duet_is_the_environments(part, changes):
    log = compare(60.0, melody(60.0, 0.25), role="duet", part=part, changes=changes, outside=0.3)
    assert sum(what == "decide" for what, *_ in log) > 150
    assert sum(what == "hear" for what, *_ in log) > 150
    roots = {int(given[0]) for what, *rest in log if what == "chord" for given in rest[1:] if given is not None}
    assert roots == {0, 2, 5, 7, 9} if changes else len(roots) > 4  # else by ear, of the notes of a beat


def test_a_duet_that_is_decided_again_is_the_environments():
    """Left-hand chords, dislikes and new keys cut the plan; the line is then decided again from where it was."""
    chords = [(60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 62)]
    left = [(2.0 * i + 0.02, 2.0 * i + 1.9, note - 12) for i in range(30) for note in chords[i % 4]]
    doings = [
        *((t, "rate", -1.0) for t in (10.3, 20.4, 30.1)),
        (15.2, "command", "key", "A minor"),
        (33.3, "command", "key", "C major"),
        (40.0, "command", "outside", 0.0),
    ]
    log = compare(60.0, sorted([*left, *melody(60.0, 0.25)]), doings, role="duet")
    assert sum(what == "cut" for what, *_ in log) > 20
    assert any(entry[2] is not None for entry in log if entry[0] == "chord")


def test_answers_are_the_environments():
    """Calls of two bars, and replies that take them up."""
    calls = [(9.0 * i + t, 9.0 * i + end, note) for i in range(6) for t, end, note in melody(3.8, 0.5, seed=i)]
    log = compare(60.0, calls, role="answer", tempo=120.0)
    lags = [entry[3] for entry in log if entry[0] == "answer"]
    assert len(lags) == 6
    assert min(lags) > 0
    assert any(entry[1].before[c.HINT_RHYTHM] >= 0 for entry in log if entry[0] == "decide")


# ---- episodes -------------------------------------------------------------------------------------------------------
def arrays_of(stage):
    return stage.own, stage.world, stage.trace, stage.ladder, stage.style, stage.player, stage.rng


def step(stage, random):
    """One event of random allowed actions; whether the episode is over."""
    own, world, ladder = stage.own, stage.world, stage.ladder
    voicing = int(random.integers(SIZES[HARMONY]))
    if world[c.ROLE] == c.HARMONIZE:
        return env.harmonize(*arrays_of(stage), voicing, stage.columns)
    rhythm, action = int(random.integers(SIZES[RHYTHM])), STEPS.index(0)
    c.choose_length(own, rhythm)
    if not RHYTHMS[rhythm].rest:
        features, mask = np.zeros(HEADS[MELODY].n_features, dtype=np.float32), np.zeros(SIZES[MELODY], dtype=np.uint8)
        melody_context(own, world, ladder, features, mask)
        action = int(random.choice(np.flatnonzero(mask)))
    return env.act(*arrays_of(stage), rhythm, action, voicing, stage.columns)


def episode(stage, role, seed=1):
    """An episode of random actions: the rows that it passes through, and what the rules say of each event."""
    random, over, found = np.random.default_rng(seed), 0, []
    stage.reset(role)
    while not over:
        row = [stage.own.copy(), stage.world.copy(), stage.player.copy()]
        over = step(stage, random)
        found.append([*row, stage.columns.copy()])
    return found


def same(one, other):
    return len(one) == len(other) and all(
        np.array_equal(a, b) for rows in zip(one, other, strict=True) for a, b in zip(*rows, strict=True)
    )


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_an_episode_is_its_seed(role):
    one, other, third = (episode(Stage(STYLE, seed), role) for seed in (5, 5, 6))
    assert same(one, other)
    assert not same(one, third)


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_an_episode_does_not_depend_on_the_one_before(role):
    """All that the heads and their priors see of the first event, and all that the rules say of an episode."""
    for seed in range(12):
        fresh, used = Stage(STYLE, seed), Stage(STYLE, 9)
        for before in np.roll(list(ROLES.values()), seed).tolist():
            episode(used, before, seed)
        used.rng[:] = fresh.rng
        assert looks(used, role) == looks(fresh, role)
        fresh.rng[:] = used.rng
        one, other = ([row[-1] for row in episode(stage, role)] for stage in (fresh, used))
        np.testing.assert_array_equal(one, other)


def looks(stage, role):
    """{feature: value}, masks and rows at the start of an episode (in harmonize the last head's: no other decides)."""
    stage.reset(role)
    own, world, ladder = stage.own, stage.world, stage.ladder
    features, mask = np.zeros(N_FEATURES, dtype=np.float32), np.zeros(sum(SIZES), dtype=np.uint8)
    env.look(own, world, ladder, features, mask)
    plain, note = (own.tolist(), world.tolist()), int(stage.player[env.NOTE])
    if role == c.HARMONIZE:
        features[: -HEADS[HARMONY].n_features] = 0.0
        return dict(enumerate(features.tolist())), naive.harmony_rows(*plain, ladder, note, 0)
    rows = naive.rhythm_rows(*plain, 0), naive.melody_rows(*plain, ladder, STEPS.index(0))
    return dict(enumerate(features.tolist())), mask.tolist(), rows


@pytest.mark.parametrize("role", [c.SOLO, c.DUET], ids=["solo", "duet"])
def test_an_episode_has_sixteen_bars(role):
    """No event begins behind them, and what is left of them at the end is the breath of the last phrase."""
    stage = Stage(STYLE, 3)
    for seed in range(60):
        events = episode(stage, role, seed)
        bar = int(stage.world[c.BAR_TICKS])
        onsets = [int(own[c.TICK]) for own, *_ in events]
        assert onsets[0] == bar
        assert onsets == sorted(set(onsets))
        assert onsets[-1] < (1 + EPISODE_BARS) * bar
        assert sorted({int(own[c.PHRASE_END]) for own, *_ in events}) == [(5 + 4 * i) * bar for i in range(4)]


def test_an_answer_is_as_long_as_its_call():
    stage, lengths = Stage(STYLE, 3), set()
    for seed in range(60):
        events = episode(stage, c.ANSWER, seed)
        first, bar = events[0][0], int(stage.world[c.BAR_TICKS])
        calls = int(first[c.TICK]) // bar - 1  # a bar of nothing, then the call
        lengths.add(calls)
        assert (first[c.PHRASE_END] - first[c.TICK], first[c.LAG] > 0) == (calls * bar, True)
        assert int(stage.own[c.TICK]) == int(first[c.PHRASE_END])
    assert lengths == {1, 2, 3}


def test_harmonize_answers_every_note_of_the_player():
    stage = Stage(STYLE, 3)
    for seed in range(20):
        events = episode(stage, c.HARMONIZE, seed)
        end = (1 + EPISODE_BARS) * int(stage.world[c.BAR_TICKS])
        for own, world, player, _ in events:
            assert (own[c.TICK], player[env.NOTE]) == (world[c.PLAYER_TICK], world[c.PLAYER_NOTE])
            assert own[c.TICK] < end
        assert stage.player[env.NEXT_TICK] >= end


def test_roles_parts_and_metres_are_drawn():
    """With their shares: solo 35 %, duet 40 %, answer 15 %, harmonize 10 %; three duets in five are lines."""
    stage, found = Stage(STYLE, 8), []
    for _ in range(4000):
        stage.reset()
        world = stage.world
        found.append((int(world[c.ROLE]), int(world[c.PART]), int(world[c.BAR_TICKS]), int(stage.ladder[TONIC_AT])))
    roles = [role for role, *_ in found]
    shares = {c.SOLO: 0.35, c.DUET: 0.4, c.ANSWER: 0.15, c.HARMONIZE: 0.1}
    assert {role: abs(roles.count(role) / 4000 - share) < 0.03 for role, share in shares.items()} == dict.fromkeys(
        shares, True
    )
    parts = [part for role, part, *_ in found if role == c.DUET]
    assert [abs(parts.count(i) / len(parts) - share) < 0.04 for i, share in enumerate((0.6, 0.2, 0.2))] == [True] * 3
    assert {part for role, part, *_ in found if role != c.DUET} == {c.LINE}
    assert {bar for *_, bar, _ in found} == {48, 36}
    assert {tonic for *_, tonic in found} == set(range(12))


@pytest.mark.parametrize("role", [c.DUET, c.HARMONIZE], ids=["duet", "harmonize"])
def test_the_simulated_player_stays_on_the_keyboard(role):
    """In the octaves of a right hand, on notes of the scale, and never ahead of the event to come."""
    stage = Stage(STYLE, 3)
    for seed in range(300):
        for own, world, player, _ in episode(stage, role, seed):
            assert world[c.PLAYER_TICK] <= own[c.TICK]
            assert role == c.HARMONIZE or player[env.NEXT_TICK] > own[c.TICK]
            assert 55 <= player[env.NOTE] <= 84
            assert stage.ladder[NOTES_AT + stage.ladder[player[env.NOTE]]] == player[env.NOTE]


def test_the_simulated_player_lets_go():
    """A key is down for the length of its note, also where the player breathes behind it."""
    stage, found = Stage(STYLE, 3), []
    for seed in range(30):
        for own, world, player, _ in episode(stage, c.DUET, seed):
            away = int(own[c.TICK] - world[c.PLAYER_TICK])
            assert int(world[c.PLAYER_HELD]) == (away < player[env.LENGTH])
            found.append(int(world[c.PLAYER_HELD]))
    assert 0.1 < found.count(0) / len(found) < 0.9


def test_chords_are_given_bar_by_bar():
    """Triads or sevenths of the scale, each for a bar; about every second duet in seven notes has them."""
    stage, given, changes = Stage(STYLE, 3), 0, 0
    for seed in range(80):
        events, before = episode(stage, c.DUET, seed), None
        row, bar = stage.ladder, int(stage.world[c.BAR_TICKS])
        given += bool(events[0][0][c.GIVEN])
        for own, *_ in events:
            root, bits = int(own[c.CHORD_ROOT]), int(own[c.CHORD_BITS])
            if not own[c.GIVEN]:
                assert root == -1
                continue
            rung = next(i for i in range(30, 42) if row[NOTES_AT + i] % 12 == root)
            stacked = [sum(1 << int(row[NOTES_AT + rung + 2 * i]) % 12 for i in range(n)) for n in (3, 4)]
            assert bits in stacked
            assert int(own[c.CHORD_END]) == (int(own[c.TICK]) // bar + 1) * bar
            changes += (root, bits) != before
            before = root, bits
    assert 15 < given < 45
    assert changes > 100


# ---- as Gymnasium has it --------------------------------------------------------------------------------------------
def make(name, **keywords):
    return gymnasium.make(name, disable_env_checker=True, **keywords)


def play_through(e, seed, episodes=1):
    """(observation, reward, info) of every step of some episodes of random actions."""
    observation, info = e.reset(seed=seed)
    random, found = np.random.default_rng(seed), [(observation, 0.0, info)]
    while episodes:
        action = [int(random.integers(n)) for n in SIZES] if e.unwrapped.role == c.DUET else int(random.integers(19))
        observation, reward, terminated, truncated, info = e.step(action)
        assert not truncated
        found.append((observation, reward, info))
        if terminated:
            episodes -= 1
            if episodes:
                observation, info = e.reset()
    return found


@pytest.mark.parametrize("name", [MELODY_V0, DUET_V0])
def test_gymnasium_accepts_it(name):
    check_env(make(name).unwrapped, skip_render_check=True)


def test_spaces():
    assert make(MELODY_V0).action_space == gymnasium.spaces.Discrete(15 + len(APPROACHES))
    assert make(DUET_V0).action_space == gymnasium.spaces.MultiDiscrete([14, 19, 14])
    assert {make(name).observation_space.shape for name in (MELODY_V0, DUET_V0)} == {(56 + 64 + 48,)}


@pytest.mark.parametrize("name", [MELODY_V0, DUET_V0])
def test_same_seed_same_episode(name):
    one, other, third = (play_through(make(name), seed) for seed in (4, 4, 5))
    assert [[*map(np.ndarray.tolist, (o, i["action_mask"], i["columns"])), r] for o, r, i in one] == [
        [*map(np.ndarray.tolist, (o, i["action_mask"], i["columns"])), r] for o, r, i in other
    ]
    assert [r for _, r, _ in one] != [r for _, r, _ in third]


@pytest.mark.parametrize("name", [MELODY_V0, DUET_V0])
def test_a_seed_does_not_depend_on_what_was_played_before(name):
    used = make(name)
    play_through(used, 9, episodes=3)
    for (a, r, i), (b, s, j) in zip(play_through(used, 4), play_through(make(name), 4), strict=True):
        np.testing.assert_array_equal(a, b)
        assert r == s
        np.testing.assert_array_equal(i["action_mask"], j["action_mask"])


@pytest.mark.parametrize("name", [MELODY_V0, DUET_V0])
def test_spaces_contain_what_is_seen(name):
    e = make(name)
    n = 19 if name == MELODY_V0 else 47
    for observation, reward, info in play_through(e, 3, episodes=30):
        assert [round(float(x), 2) for x in observation if not -2.0 <= x <= 2.0] == []
        assert e.observation_space.contains(observation)
        assert (type(reward), set(info)) == (float, {"action_mask", "columns"})
        mask, columns = info["action_mask"], info["columns"]
        assert (mask.shape, mask.dtype, columns.shape, columns.dtype) == ((n,), np.int8, (N_RULES,), np.float32)
        assert set(mask.tolist()) <= {0, 1}


def test_what_is_returned_is_not_overwritten():
    e = make(DUET_V0)
    observation, info = e.reset(seed=1)
    kept = observation.copy(), info["action_mask"].copy(), info["columns"].copy()
    for _ in range(5):
        e.step([5, 8, 0])
    for now, then in zip((observation, info["action_mask"], info["columns"]), kept, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(("name", "heads"), [(MELODY_V0, [MELODY]), (DUET_V0, [RHYTHM, MELODY, HARMONY])])
@pytest.mark.parametrize("rules", [None, np.arange(N_RULES) - 10.0])
def test_the_reward_is_the_weighted_sum_of_the_heads_rules(name, heads, rules):
    weights = load_weights() if rules is None else rules
    weights = weights * np.isin(HEAD_OF, heads)
    rewards = []
    for _, reward, info in play_through(make(name, rules=rules), 2, episodes=2)[1:]:
        assert reward == pytest.approx(float(weights @ info["columns"].astype(np.float64)), rel=1e-6, abs=1e-5)
        rewards.append(reward)
    assert len(set(rewards)) > 20


@pytest.mark.parametrize("name", [MELODY_V0, DUET_V0])
def test_a_forbidden_action_is_replaced_by_the_nearest_allowed_step(name):
    """Whatever is asked for, what is played was allowed: the same as asking for that step."""
    asked, allowed = (make(name) for _ in range(2))
    (_, info), _ = (e.reset(seed=7) for e in (asked, allowed))
    random, replaced, terminated = np.random.default_rng(1), 0, False
    for _ in range(300):
        if terminated:
            (_, info), _ = (e.reset() for e in (asked, allowed))
        mask = info["action_mask"] if name == MELODY_V0 else info["action_mask"][14:33]
        melody = int(random.integers(19))
        steps = np.flatnonzero(mask[:15])
        wanted = melody if mask[melody] else int(steps[np.abs(steps - min(melody, 14)).argmin()])
        replaced += wanted != melody
        rhythm = int(random.integers(14))
        one, two = (
            e.step(action if name == MELODY_V0 else [rhythm, action, 1])
            for e, action in ((asked, melody), (allowed, wanted))
        )
        np.testing.assert_array_equal(one[0], two[0])
        assert one[1:4] == two[1:4]
        terminated, info = one[2], one[4]
    assert replaced > 50


@pytest.mark.parametrize("name", [MELODY_V0, DUET_V0])
def test_episodes_end_after_sixteen_bars(name):
    """Or in their last beat, in which nothing would begin."""
    e = make(name)
    for seed in range(20):
        play_through(e, seed)
        stage = e.unwrapped._stage
        end = (1 + EPISODE_BARS) * int(stage.world[c.BAR_TICKS])
        assert end - 12 <= stage.own[c.TICK] <= end
