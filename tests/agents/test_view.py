"""One kernel a head against the kernels it is made of."""

import numpy as np
import pytest

from livecomposer.agents.view import View, harmony_view, melody_view, rhythm_view
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
    n = 0
    for moment in walk(3, role, 120):
        own, world, ladder = moment.own, moment.world, moment.ladder
        states = (
            rhythm_view(own, world, *views[0].arrays), melody_view(own, world, ladder, *views[1].arrays),
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
