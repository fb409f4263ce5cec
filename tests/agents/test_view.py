"""One kernel a head against the kernels it is made of."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer import Performance, Settings
from livecomposer.agents.view import (
    MEMORY_TICKS,
    WELCOME,
    WORN,
    View,
    count_worn,
    harmony_view,
    melody_view,
    rhythm_view,
)
from livecomposer.bench.listeners import hear_notes
from livecomposer.music import context as c
from livecomposer.music import heads
from livecomposer.music.context import HARMONY, HEADS, MELODY, RHYTHM, melody_note, start_note
from livecomposer.ratings import features
from tests.music.naive import walk

NOTE = 64


@pytest.mark.parametrize("taught", [True, False])
@pytest.mark.parametrize("role", [c.SOLO, c.DUET])
def test_a_view_is_context_prior_and_taste(role, taught):
    rng = np.random.default_rng(4)
    taste = rng.normal(size=features.N_FEATURES) if taught else None
    weights = [rng.normal(size=n).astype(np.float32) for n in heads.N_ROWS]
    views = [View(spec, i, spec.n_features, weights[i], taste) for i, spec in enumerate(HEADS)]
    n, blank = 0, c.new_trace()
    for moment in walk(3, role, 120):
        own, world, ladder = moment.own, moment.world, moment.ladder
        states = (
            rhythm_view(own, world, *views[0].arrays), melody_view(own, world, blank, ladder, *views[1].arrays),
            harmony_view(own, world, ladder, NOTE, *views[2].arrays),
        )  # fmt: skip
        for head, (spec, view) in enumerate(zip(HEADS, views, strict=True)):
            seen, mask = np.full(spec.n_features, 9.0, dtype=np.float32), np.full(spec.n_actions, 9, dtype=np.uint8)
            prior, active = np.zeros(spec.n_actions), np.zeros(features.N_ACTIVE[head], dtype=np.int64)
            if head == RHYTHM:
                state = heads.rhythm_context(own, world, seen, mask)
                heads.rhythm_prior(own, world, weights[head], mask, prior)
            elif head == MELODY:
                state = heads.melody_context(own, world, ladder, seen, mask)
                heads.melody_prior(own, world, ladder, weights[head], mask, prior)
            else:
                state = heads.harmony_context(own, world, ladder, NOTE, seen, mask)
                heads.harmony_prior(own, world, ladder, NOTE, weights[head], prior)
            assert states[head] == state
            for found, wanted in ((view.features, seen), (view.mask, mask), (view.prior, prior)):
                np.testing.assert_array_equal(found, wanted)
            for a in range(spec.n_actions):
                liking = 0.0
                if taught and mask[a]:
                    if head == RHYTHM:
                        features.rhythm_features(own, world, a, active)
                    elif head == MELODY:
                        features.melody_features(own, world, ladder, a, active)
                    else:
                        features.harmony_features(world, ladder, NOTE, a, active)
                    liking = taste[active[active >= 0]].sum()
                    assert view.felt[a].tolist() == active.tolist()
                    assert view.choice(state, a, False).rows.tolist() == active.tolist()
                assert view.liking[a] == pytest.approx(liking, abs=1e-12)
                if head == MELODY and mask[a]:
                    assert view.notes[a] == melody_note(ladder, start_note(own, world), a)
        n += 1
    assert n == 120 and len(views[HARMONY].felt) == (HEADS[HARMONY].n_actions if taught else 0)


def test_a_choice_keeps_what_the_next_view_overwrites():
    taste = np.arange(features.N_FEATURES, dtype=float)
    view = View(HEADS[MELODY], MELODY, 3, np.zeros(heads.N_ROWS[MELODY], dtype=np.float32), taste)
    view.mask[2:5] = 1
    view.felt[3], view.features[:] = np.arange(7), 0.5
    view.prior[3], view.liking[3] = 1.5, -2.0
    choice = view.choice(11, 3, True)
    for array in (view.mask, view.felt, view.features, view.values):
        array[:] = 0
    assert choice[:2] == (11, 3) and choice.late and (choice.prior, choice.liking) == (1.5, -2.0)
    assert choice.rows.tolist() == list(range(7)) and choice.features.tolist() == [0.5] * 3
    assert choice.mask.nonzero()[0].tolist() == [2, 3, 4]


def worn(line, note):
    """The slow twin: how often in ``line``, the latest last, its last three notes were followed by ``note``."""
    if len(line) < 3:
        return 0
    return sum(line[i : i + 4] == [*line[-3:], note] for i in range(len(line) - 3))


@given(
    st.lists(st.tuples(st.sampled_from([60, 60, 62, 64, c.REST]), st.sampled_from([3, 6, 12, 48])), max_size=80),
    st.integers(0, 3),
)
def test_a_turn_is_worn_as_often_as_it_was_played_lately(line, late):
    """Rests are passed over; what lies further back than MEMORY_TICKS is forgotten, wherever the memory wraps."""
    trace, tick = c.new_trace(), late * c.TRACE_TICKS // 3
    kept = []
    for note, ticks in line:
        c.remember(trace, 0, tick, ticks, note)
        kept.append((tick, note))
        tick += ticks
    own = c.new_own()
    own[c.TICK] = tick
    heard = [note for at, note in kept if note >= 0 and at >= max(tick - MEMORY_TICKS, 0)]
    mask = np.array([1, 1, 0, 1], dtype=np.uint8)
    values = np.array([[9.0] * 4, [9.0] * 4, [60.0, 62.0, 64.0, 67.0], [9.0] * 4])
    count_worn(own, trace, mask, values)
    assert values[3].tolist() == [worn(heard, 60), worn(heard, 62), 0.0, 0]
    assert (values[:2] == 9.0).all()


def test_a_line_that_jumps_leaves_no_old_notes_behind():
    """The memory is a ring: where nothing was played it would still hold what began there a round before."""
    line = Performance(Settings(role="answer", seed=1)).part.line
    line.trace[0] = 60
    line.own[c.TICK] = 1000
    before = line.keep()
    line.answer(1096, 1192, 0)
    empty = {tick for tick in range(c.TRACE_TICKS) if line.trace[0, tick] == c.NOTHING}
    assert empty == set(range(1000, 1096))
    line.own[c.TICK] = 1192
    line.restore(before)  # as if it had not been; but it was heard
    line.go_on(1200, 192, -1)
    assert (line.trace[0, 1096:1192] == 60).all() and (line.trace[0, 1192:1200] == c.NOTHING).all()
    line.own[c.TICK] = 1300
    line.go_on(1300 + 2 * c.TRACE_TICKS, 192, -1)
    assert (line.trace[0] == c.NOTHING).all()


def test_what_is_worn_costs_more_each_time_but_not_if_the_motif_suggests_it():
    moment = next(m for m in walk(3, c.SOLO, 60) if m.own[c.LAST_NOTE] >= 0)
    own, world, ladder = moment.own.copy(), moment.world, moment.ladder
    own[c.HINT_RUNG], own[c.TICK], own[c.TARGET] = -1, 240, -1
    note = int(own[c.LAST_NOTE])
    trace = c.new_trace()
    for tick in range(0, 8 * 6, 6):
        c.remember(trace, 0, 240 - 48 + tick, 6, note)
    views = [View(HEADS[MELODY], MELODY, 0, np.zeros(heads.N_ROWS[MELODY], dtype=np.float32), taste)
             for taste in (np.zeros(features.N_FEATURES), None)]  # fmt: skip
    for hint, cost in ((-1, WORN * (5 - WELCOME) ** 2), (int(ladder[note]), 0.0)):
        own[c.HINT_RUNG] = hint
        for view, taught in zip(views, (True, False), strict=True):
            melody_view(own, world, trace, ladder, *view.arrays)
            again = (view.notes == note) & (view.mask == 1)
            assert again.sum() == 1
            assert view.liking[again] == pytest.approx(-cost if taught else 0.0)
            assert not view.liking[~again].any()
    assert views[0].worn[views[0].notes == note].tolist() == [5.0]


def test_one_note_is_not_hammered_for_ever():
    """What is tried, and then liked whatever it is, once was one note 35 times."""
    p = Performance(Settings(role="duet", seed=3, count_in=False))
    sent = []
    for turn in range(1, 31):
        sent += p.advance(turn * 2_000_000_000)
        if turn % 2 == 0:
            p.rate(turn * 2_000_000_000, 0.5, source="keys")
    notes = [note.pitch for note in hear_notes(sent, round(60e9 / p.settings.tempo), 1)]
    longest = run = 1
    for before, note in pairwise(notes):
        run = run + 1 if note == before else 1
        longest = max(longest, run)
    assert len(notes) > 60 and longest <= 12
