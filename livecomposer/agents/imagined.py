"""Music imagined: episodes of ``music.env`` played by three heads that learn, judged by a taste and by the rules.

``practice_agents`` calls it. One event of all heads costs microseconds, so that minutes give what would take a player
years. A reward is counted in ratings: what the taste says of the choice, plus what the rules say of it, a nat of theirs
being worth ``NAT``.
"""

from typing import Any

import numpy as np
from numba import njit

from livecomposer.agents.kernels import softmax_decide
from livecomposer.agents.network import network_decide
from livecomposer.agents.prior import Prior
from livecomposer.agents.rows import Rows
from livecomposer.music.actions import N_LENGTHS
from livecomposer.music.context import HARMONIZE, HEADS, ROLE, choose_length, melody_note, start_note
from livecomposer.music.env import NOTE, Stage, act, harmonize, reset
from livecomposer.music.heads import (
    harmony_context,
    harmony_prior,
    melody_context,
    melody_prior,
    rhythm_context,
    rhythm_prior,
)
from livecomposer.music.rules import HEAD_OF, N_RULES
from livecomposer.ratings.features import MOST_ACTIVE, N_ACTIVE, harmony_features, melody_features, rhythm_features

NAT = 1.0 / 18.0  # what a nat of prior or rules is worth in ratings (as ``dyna_q`` has it)
_FELT = np.array(N_ACTIVE, dtype=np.int64)
_WIDEST = max(spec.n_features for spec in HEADS)
_MOST = max(spec.n_actions for spec in HEADS)
_F = tuple(spec.n_features for spec in HEADS)
_A = tuple(spec.n_actions for spec in HEADS)


class Imagined:
    """One stage, and the rows that the heads' choices leave.

    Parameters
    ----------
    prior : Prior
    liked : float64[N_FEATURES]
        What the taste finds each feature worth, in ratings.
    rules : float64[N_RULES]
        Weights of the rules, in nats.
    role : int
        Index in ``context.ROLES``, -1: any.
    seed : int
    n : int
        Events of one call of ``play``.
    reads : bool
        The heads read features (networks do, tables do not; without them the rows have none).
    """

    def __init__(
        self, prior: Prior, liked: np.ndarray, rules: np.ndarray, role: int, seed: int, n: int, reads: bool
    ) -> None:  # fmt: skip
        self.prior, self.liked, self.rules, self.role, self.n = prior, liked, rules * NAT, role, n
        self.stage = Stage(prior.style, seed)
        self.stage.reset(role)
        self._features = np.zeros((3, n, _WIDEST if reads else 0), dtype=np.float32)
        self._logits = np.zeros((3, n, _MOST), dtype=np.float32)
        self._mask = np.zeros((3, n, _MOST), dtype=np.uint8)
        self._whole = np.zeros((3, 2, n), dtype=np.int64)  # states, actions
        self._reward = np.zeros((3, n), dtype=np.float32)
        self._terminated = np.zeros((3, n), dtype=np.uint8)
        self._count = np.zeros(3, dtype=np.int64)
        self._tables = [np.zeros((0, 0)) for _ in HEADS]
        self._params = [np.zeros(0, dtype=np.float32) for _ in HEADS]

    def play(self, tables: list[np.ndarray] | None, nets: list[np.ndarray] | None, policy: dict[str, Any]) -> float:
        """Play ``n`` events by tables or networks; returns the mean reward of an event.

        ``policy`` holds ``width``, ``depth``, ``scale`` (of the network's outputs), ``unit`` (of the prior's logits
        beside a table) and ``heat``.
        """
        stage = self.stage
        imagine(  # type: ignore[call-arg]  # numba types a kernel by its first arguments only
            stage.own, stage.world, stage.trace, stage.ladder, stage.style, stage.player, stage.rng, stage.columns,
            *self.prior.weights, *(nets or self._params), *(tables or self._tables), self.liked, self.rules, HEAD_OF,
            self._features, self._logits, self._mask, self._whole, self._reward, self._terminated, self._count, self.n,
            self.role, policy.get("width", 0), policy.get("depth", 0), policy.get("scale", 1.0),
            policy.get("unit", 1.0), policy["heat"],
        )  # fmt: skip
        return sum(float(self._reward[head, : self._count[head]].sum()) for head in range(3)) / self.n

    def states(self, head: int) -> np.ndarray:
        """The states of the same rows, int64[n]."""
        return self._whole[head, 0, : self._count[head]].copy()


def rows_of(stages: list[Imagined], head: int) -> Rows:
    """What a head has done and earned on these stages, one behind the other; the last row of each is a ghost."""
    counts = [int(music._count[head]) for music in stages]

    def joined(parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([part[:n] for part, n in zip(parts, counts, strict=True)])

    rows = Rows(0, 0, 1, 0)
    rows.features = joined([music._features[head, :, : _F[head]] for music in stages])
    rows.mask = joined([music._mask[head, :, : _A[head]] for music in stages])
    rows.prior = joined([music._logits[head, :, : _A[head]] for music in stages])
    rows.action = joined([music._whole[head, 1] for music in stages])
    rows.reward = joined([music._reward[head] for music in stages])
    rows.terminated = joined([music._terminated[head] for music in stages])
    rows.ghost = np.zeros(len(rows.action), dtype=np.uint8)
    rows.ghost[[end - 1 for end, n in zip(np.cumsum(counts), counts, strict=True) if n]] = 1
    return rows


@njit("int64(float64[:,::1], float32[::1], float32[::1], uint8[::1], float64[::1], float64[::1], float32[::1],"
      " uint64[::1], int64, int64, int64, float64, float64, float64)", cache=True, nogil=True)  # fmt: skip
def _choose(table, params, features, mask, logits, liking, units, rng, state, width, depth, scale, unit, heat):
    if params.shape[0]:
        return network_decide(params, features, mask, logits, units, rng, width, depth, scale, heat, 0.0)
    return softmax_decide(table, state, mask, logits, liking, unit, unit * heat, rng)


@njit("void(float32[:,:,::1], float32[:,:,::1], uint8[:,:,::1], int64[:,:,::1], float32[:,::1], uint8[:,::1],"
      " int64[::1], int64, float32[::1], float64[::1], uint8[::1], int64, int64, float64)",
      cache=True, nogil=True)  # fmt: skip
def _write(
    features, logits, mask, whole, reward, terminated, count, head, x, prior, allowed, state, action, liking
):  # fmt: skip
    i = count[head]
    for k in range(x.shape[0]):
        features[head, i, k] = x[k]
    for a in range(allowed.shape[0]):
        logits[head, i, a] = prior[a]
        mask[head, i, a] = allowed[a]
    whole[head, 0, i], whole[head, 1, i] = state, action
    reward[head, i] = liking
    terminated[head, i] = 0
    count[head] = i + 1


@njit(
    "void(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], int64[::1], uint64[::1], float32[::1],"
    " float32[::1], float32[::1], float32[::1], float32[::1], float32[::1], float32[::1], float64[:,::1],"
    " float64[:,::1], float64[:,::1], float64[::1], float64[::1], int64[::1], float32[:,:,::1], float32[:,:,::1],"
    " uint8[:,:,::1], int64[:,:,::1], float32[:,::1], uint8[:,::1], int64[::1], int64, int64, int64, int64, float64,"
    " float64, float64)",
    cache=True,
    nogil=True,
)
def imagine(
    own, world, trace, ladder, style, player, rng, columns, rhythm_w, melody_w, harmony_w, rhythm_net, melody_net,
    harmony_net, rhythm_q, melody_q, harmony_q, liked, rules, head_of, features, logits, mask, whole, reward,
    terminated, count, n, role, width, depth, scale, unit, heat,
):  # fmt: skip
    """Play ``n`` events and leave each head's rows: one for each event in which it was asked."""
    wide = features.shape[2]
    r_x, m_x, h_x = (
        np.zeros(min(_F[0], wide), np.float32), np.zeros(min(_F[1], wide), np.float32),
        np.zeros(min(_F[2], wide), np.float32),
    )  # fmt: skip
    r_mask, m_mask, h_mask = np.ones(_A[0], np.uint8), np.ones(_A[1], np.uint8), np.ones(_A[2], np.uint8)
    r_prior, m_prior, h_prior = np.zeros(_A[0]), np.zeros(_A[1]), np.zeros(_A[2])
    r_units = np.zeros(depth * width + _A[0], np.float32)
    m_units = np.zeros(depth * width + _A[1], np.float32)
    h_units = np.zeros(depth * width + _A[2], np.float32)
    none = np.zeros(_MOST)
    felt = np.zeros(MOST_ACTIVE, dtype=np.int64)
    r_felt, m_felt, h_felt = felt[: _FELT[0]].copy(), felt[: _FELT[1]].copy(), felt[: _FELT[2]].copy()
    asked = np.zeros(3, dtype=np.int64)
    count[:] = 0
    for _ in range(n):
        alone = world[ROLE] == HARMONIZE
        note = player[NOTE]
        rhythm, melody, voicing = 0, 7, 0
        asked[:] = 0
        if not alone:
            state = rhythm_context(own, world, r_x, r_mask)
            rhythm_prior(own, world, rhythm_w, r_mask, r_prior)
            rhythm = _choose(rhythm_q, rhythm_net, r_x, r_mask, r_prior, none, r_units, rng, state, width, depth, scale,
                             unit, heat)  # fmt: skip
            rhythm_features(own, world, rhythm, r_felt)
            liking = 0.0
            for k in r_felt:
                if k >= 0:
                    liking += liked[k]
            _write(features, logits, mask, whole, reward, terminated, count, 0, r_x, r_prior, r_mask, state, rhythm,
                   liking)  # fmt: skip
            asked[0] = 1
            choose_length(own, rhythm)
            note = -1
            if rhythm < N_LENGTHS:
                state = melody_context(own, world, ladder, m_x, m_mask)
                melody_prior(own, world, ladder, melody_w, m_mask, m_prior)
                melody = _choose(melody_q, melody_net, m_x, m_mask, m_prior, none, m_units, rng, state, width, depth,
                                 scale, unit, heat)  # fmt: skip
                melody_features(own, world, ladder, melody, m_felt)
                liking = 0.0
                for k in m_felt:
                    liking += liked[k]
                _write(features, logits, mask, whole, reward, terminated, count, 1, m_x, m_prior, m_mask, state, melody,
                       liking)  # fmt: skip
                asked[1] = 1
                note = melody_note(ladder, start_note(own, world), melody)
        if note >= 0:
            state = harmony_context(own, world, ladder, note, h_x, h_mask)
            harmony_prior(own, world, ladder, note, harmony_w, h_prior)
            voicing = _choose(harmony_q, harmony_net, h_x, h_mask, h_prior, none, h_units, rng, state, width, depth,
                              scale, unit, heat)  # fmt: skip
            harmony_features(world, ladder, note, voicing, h_felt)
            liking = 0.0
            for k in h_felt:
                liking += liked[k]
            _write(features, logits, mask, whole, reward, terminated, count, 2, h_x, h_prior, h_mask, state, voicing,
                   liking)  # fmt: skip
            asked[2] = 1
        if alone:
            over = harmonize(own, world, trace, ladder, style, player, rng, voicing, columns)
        else:
            over = act(own, world, trace, ladder, style, player, rng, rhythm, melody, voicing, columns)
        for j in range(N_RULES):
            head = head_of[j]
            if asked[head]:
                reward[head, count[head] - 1] += rules[j] * columns[j]
        if over:
            for head in range(3):
                if count[head]:
                    terminated[head, count[head] - 1] = 1
            reset(own, world, trace, ladder, style, player, rng, role)
