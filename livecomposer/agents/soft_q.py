"""Soft Q-learning with the prior's tables as linear features: what ``practice`` trains the prior with.

All three heads learn at once in ``music.env``, each from the rules that concern it (and so from what is shipped as
style, ln p(step), as a KL-regularised reward). Acting is π(a|s) = exp Q(s,a) / Σ_b exp Q(s,b): the finished weights
*are* the prior's logits. (Haarnoja et al. 2017, eq. 4–5; as a way to combine rules with a learned style: Jaques et
al. 2017, section 4.)
"""

import numpy as np
from numba import njit

from livecomposer.music.actions import N_LENGTHS, N_MELODY, RHYTHMS, VOICINGS
from livecomposer.music.context import HARMONIZE, ROLE, choose_length, melody_note, start_note
from livecomposer.music.env import NOTE, act, harmonize, reset
from livecomposer.music.heads import (
    N_ACTIVE,
    draw,
    harmony_context,
    harmony_prior,
    harmony_rows,
    melody_context,
    melody_prior,
    melody_rows,
    rhythm_context,
    rhythm_prior,
    rhythm_rows,
)

GAMMA = (0.5, 0.8, 0.5)  # rhythm, melody, harmony
_GAMMA = np.array(GAMMA)
_N = np.array((len(RHYTHMS), N_MELODY, len(VOICINGS)), dtype=np.int64)
_ACTIVE = np.array(N_ACTIVE, dtype=np.int64)


# w[row] ← w[row] + α/K [r + γ V(s′) − Q(s,a)] for the K rows active in (s,a), bounded to ±10 so that nothing runs away
@njit("float64(float32[::1], int64[:,::1], int64, float64, float64, float64, int64)", cache=True, nogil=True)
def _learn(weights, rows, head, reward, soft, alpha, k):
    value = 0.0
    for i in range(k):
        value += weights[rows[head, i]]
    error = min(max(reward + soft - value, -10.0), 10.0)
    for i in range(k):
        weights[rows[head, i]] += alpha * error / k
    return error


@njit(
    "void(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1], float32[::1],"
    " float32[::1], float32[::1], float64[::1], int64[::1], float32[::1], int64, int64, float64, float64,"
    " float64[:,::1])",
    cache=True,
    nogil=True,
)  # fmt: skip
def train(
    own, world, trace, ladder, style, player, rng, rhythm_w, melody_w, harmony_w, rule_weights, head_of, columns, n,
    role, alpha, alpha_end, curve,
):  # fmt: skip
    """Learn for ``n`` steps, α falling linearly to ``alpha_end``.

    ``curve`` float64[blocks, 3 + rules] receives, for equal shares of the steps, the mean reward of each head, then
    the mean of each rule's column.
    """
    rows = np.zeros(16, dtype=np.int64)
    r_rows, m_rows, h_rows = rows[: _ACTIVE[0]].copy(), rows[: _ACTIVE[1]].copy(), rows[: _ACTIVE[2]].copy()
    kept = np.zeros((3, 16), dtype=np.int64)
    pending = np.zeros(3, dtype=np.int64)
    rewards = np.zeros(3)
    values = np.zeros(20)
    mask = np.ones(20, dtype=np.uint8)
    features = np.zeros(64, dtype=np.float32)
    soft = np.zeros(1)
    r_values, m_values, h_values = values[: _N[0]].copy(), values[: _N[1]].copy(), values[: _N[2]].copy()
    r_mask, m_mask, h_mask = mask[: _N[0]].copy(), mask[: _N[1]].copy(), mask[: _N[2]].copy()
    blocks = curve.shape[0]
    reset(own, world, trace, ladder, style, player, rng, role)
    for i in range(n):
        rate = alpha + (alpha_end - alpha) * i / n
        solo_harmony = world[ROLE] == HARMONIZE
        note = player[NOTE]
        rhythm, melody, voicing = 0, 7, 0
        if not solo_harmony:
            rhythm_context(own, world, features, r_mask)
            rhythm_prior(own, world, rhythm_w, r_mask, r_values)
            rhythm = draw(r_values, r_mask, _N[0], rng, soft)
            if pending[0]:
                _learn(rhythm_w, kept, 0, rewards[0], _GAMMA[0] * soft[0], rate, _ACTIVE[0])
            rhythm_rows(own, world, rhythm, r_rows)
            kept[0, : _ACTIVE[0]] = r_rows
            choose_length(own, rhythm)
            note = -1
            if rhythm < N_LENGTHS:
                melody_context(own, world, ladder, features, m_mask)
                melody_prior(own, world, ladder, melody_w, m_mask, m_values)
                melody = draw(m_values, m_mask, _N[1], rng, soft)
                if pending[1]:
                    _learn(melody_w, kept, 1, rewards[1], _GAMMA[1] * soft[0], rate, _ACTIVE[1])
                melody_rows(own, world, ladder, melody, m_rows)
                kept[1, : _ACTIVE[1]] = m_rows
                note = melody_note(ladder, start_note(own, world), melody)
        if note >= 0:
            harmony_context(own, world, ladder, note, features, h_mask)
            harmony_prior(own, world, ladder, note, harmony_w, h_values)
            voicing = draw(h_values, h_mask, _N[2], rng, soft)
            if pending[2]:
                _learn(harmony_w, kept, 2, rewards[2], _GAMMA[2] * soft[0], rate, _ACTIVE[2])
            harmony_rows(own, world, ladder, note, voicing, h_rows)
            kept[2, : _ACTIVE[2]] = h_rows
        if solo_harmony:
            over = harmonize(own, world, trace, ladder, style, player, rng, voicing, columns)
        else:
            over = act(own, world, trace, ladder, style, player, rng, rhythm, melody, voicing, columns)
        asked = (not solo_harmony, not solo_harmony and note >= 0, note >= 0)
        block = i * blocks // n
        share = blocks / n
        for head in range(3):
            if asked[head]:
                total = 0.0
                for j in range(columns.shape[0]):
                    if head_of[j] == head:
                        total += rule_weights[j] * columns[j]
                rewards[head] = total
                pending[head] = 1
                curve[block, head] += total * share
        for j in range(columns.shape[0]):
            curve[block, 3 + j] += columns[j] * share
        if over:
            if pending[0]:
                _learn(rhythm_w, kept, 0, rewards[0], 0.0, rate, _ACTIVE[0])
            if pending[1]:
                _learn(melody_w, kept, 1, rewards[1], 0.0, rate, _ACTIVE[1])
            if pending[2]:
                _learn(harmony_w, kept, 2, rewards[2], 0.0, rate, _ACTIVE[2])
            pending[:] = 0
            reset(own, world, trace, ladder, style, player, rng, role)
