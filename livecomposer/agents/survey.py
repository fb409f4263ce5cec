"""What becomes of a choice: a model of the heads' states, counted while the prior plays in the environment.

``practice`` counts it once and ships it with the prior; ``agents.dyna_q`` plans in it (Sutton 1990: planning is
learning from a model).
"""

import numpy as np
from numba import njit

from livecomposer.agents.prior import Model, no_models
from livecomposer.music.actions import N_LENGTHS
from livecomposer.music.context import HARMONIZE, ROLE, choose_length, melody_note, start_note
from livecomposer.music.env import NOTE, Stage, act, harmonize, reset
from livecomposer.music.heads import (
    N_ACTIVE,
    draw,
    harmony_context,
    harmony_prior,
    melody_context,
    melody_prior,
    rhythm_context,
    rhythm_prior,
)
from livecomposer.ratings.features import (
    FIRST_OF,
    MOST_ACTIVE,
    harmony_features,
    melody_features,
    rhythm_features,
)
from livecomposer.ratings.features import N_ACTIVE as N_FELT

STEPS = 1_000_000
_ACTIVE = np.array(N_ACTIVE, dtype=np.int64)
_FELT = np.array(N_FELT, dtype=np.int64)


def survey(
    stage: Stage, weights: tuple[np.ndarray, np.ndarray, np.ndarray], n: int = STEPS
) -> tuple[Model, Model, Model]:
    """Play ``n`` events by the prior's weights and count; a model for each head."""
    models = no_models()
    _count(
        stage.own, stage.world, stage.trace, stage.ladder, stage.style, stage.player, stage.rng, stage.columns,
        *weights, n, *(array for model in models for array in model),
    )  # fmt: skip
    for model in models:
        np.divide(model.features, np.maximum(model.chosen, 1.0)[:, :, None], out=model.features)
        behind = model.following.sum(axis=2, keepdims=True)
        np.divide(model.following, np.maximum(behind, 1.0), out=model.following)
    return models


@njit(
    "void(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1], float32[::1],"
    " float32[::1], float32[::1], float32[::1], int64, float32[:,::1], float32[:,:,::1], float32[:,:,::1],"
    " float32[:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,::1], float32[:,:,::1], float32[:,:,::1])",
    cache=True,
    nogil=True,
)
def _count(
    own, world, trace, ladder, style, player, rng, columns, rhythm_w, melody_w, harmony_w, n, r_chosen, r_features,
    r_next, m_chosen, m_features, m_next, h_chosen, h_features, h_next,
):  # fmt: skip
    none = np.zeros(0, dtype=np.float32)
    felt = np.zeros(MOST_ACTIVE, dtype=np.int64)
    r_felt, m_felt, h_felt = felt[: _FELT[0]].copy(), felt[: _FELT[1]].copy(), felt[: _FELT[2]].copy()
    r_mask = np.ones(r_chosen.shape[1], dtype=np.uint8)
    m_mask = np.ones(m_chosen.shape[1], dtype=np.uint8)
    h_mask = np.ones(h_chosen.shape[1], dtype=np.uint8)
    r_values, m_values, h_values = np.zeros(r_mask.shape[0]), np.zeros(m_mask.shape[0]), np.zeros(h_mask.shape[0])
    soft = np.zeros(1)
    last = np.full((3, 2), -1, dtype=np.int64)
    reset(own, world, trace, ladder, style, player, rng, -1)
    for _ in range(n):
        alone = world[ROLE] == HARMONIZE
        note = player[NOTE]
        rhythm, melody = 0, 7
        if not alone:
            state = rhythm_context(own, world, none, r_mask)
            rhythm_prior(own, world, rhythm_w, r_mask, r_values)
            rhythm = draw(r_values, r_mask, r_mask.shape[0], rng, soft)
            rhythm_features(own, world, rhythm, r_felt)
            r_chosen[state, rhythm] += 1.0
            for row in r_felt:
                if row >= 0:
                    r_features[state, rhythm, row] += 1.0
            if last[0, 0] >= 0:
                r_next[last[0, 0], last[0, 1], state] += 1.0
            last[0, 0], last[0, 1] = state, rhythm
            choose_length(own, rhythm)
            note = -1
            if rhythm < N_LENGTHS:
                state = melody_context(own, world, ladder, none, m_mask)
                melody_prior(own, world, ladder, melody_w, m_mask, m_values)
                melody = draw(m_values, m_mask, m_mask.shape[0], rng, soft)
                melody_features(own, world, ladder, melody, m_felt)
                m_chosen[state, melody] += 1.0
                for row in m_felt:
                    m_features[state, melody, row - FIRST_OF[1]] += 1.0
                if last[1, 0] >= 0:
                    m_next[last[1, 0], last[1, 1], state] += 1.0
                last[1, 0], last[1, 1] = state, melody
                note = melody_note(ladder, start_note(own, world), melody)
        voicing = 0
        if note >= 0:
            state = harmony_context(own, world, ladder, note, none, h_mask)
            harmony_prior(own, world, ladder, note, harmony_w, h_values)
            voicing = draw(h_values, h_mask, h_mask.shape[0], rng, soft)
            harmony_features(world, ladder, note, voicing, h_felt)
            h_chosen[state, voicing] += 1.0
            for row in h_felt:
                h_features[state, voicing, row - FIRST_OF[2]] += 1.0
            if last[2, 0] >= 0:
                h_next[last[2, 0], last[2, 1], state] += 1.0
            last[2, 0], last[2, 1] = state, voicing
        if alone:
            over = harmonize(own, world, trace, ladder, style, player, rng, voicing, columns)
        else:
            over = act(own, world, trace, ladder, style, player, rng, rhythm, melody, voicing, columns)
        if over:
            last[:, :] = -1
            reset(own, world, trace, ladder, style, player, rng, -1)
