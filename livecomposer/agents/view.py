"""What a head sees when it decides: its state, and what the prior and the taste say of every action, in one kernel.

``instrument.plan`` owns one ``View`` a head and fills it before each decision (hot in *harmonize*: one call of a kernel
costs 0.5 µs before it has done anything, so perceiving is not several).
"""

import numpy as np
from numba import njit

from livecomposer.agents.protocol import NO_LOGITS, Choice
from livecomposer.music.actions import HeadSpec
from livecomposer.music.context import HINT_RUNG, MELODY, TICK, melody_note, start_note, strength
from livecomposer.music.heads import (
    harmony_context,
    harmony_prior,
    melody_context,
    melody_prior,
    rhythm_context,
    rhythm_prior,
)
from livecomposer.ratings import features as felt
from livecomposer.ratings.features import harmony_kinds, melody_kinds, rhythm_kinds

MEMORY_TICKS = 384  # what was played so long ago is fresh again: eight bars of 4/4
WELCOME = 2.0  # so often a turn of four notes may come back for nothing
WORN = 0.1  # of a rating: what it costs then, by the square of how much oftener it came back
NONE = np.zeros(0, dtype=np.int64)
_new = tuple.__new__  # a NamedTuple's own takes 0.13 µs longer


class View:
    """One head's arrays, used again for each decision.

    Parameters
    ----------
    spec, head, n_features
        Of the head, and how many of its features the agent reads.
    prior : float32[rows]
        Weights of ``music.heads``.
    taste : float64[N_FEATURES], optional
        Weights of ``ratings.features``, live; None: nobody learns from what is liked.

    Attributes
    ----------
    arrays, seen : tuples
        What the kernel is called with behind context, memory (of the melody head) and ladder, and what ``Agent.act``
        is behind the state.
    features : float32[n_features]
        Of ``music.heads`` (``n_features`` 0: nobody reads them).
    mask : uint8[n_actions]
    prior, liking : float64[n_actions]
        Logits, and what the taste says less what is worn out, in ratings (0 without a taste).
    notes : float64[n_actions]
        Where each allowed action leads (the melody head's only),
    worn : float64[n_actions]
        and how often it lately came after the last three notes.
    felt : int64[n_actions, active features]
        Of ``ratings.features``, of each allowed action (no rows: nobody asks).
    """

    def __init__(self, spec: HeadSpec, head: int, n_features: int, prior: np.ndarray, taste: np.ndarray | None) -> None:
        learns = taste is not None
        self.features = np.zeros(n_features, dtype=np.float32)
        self.mask = np.zeros(spec.n_actions, dtype=np.uint8)
        self.values = np.zeros((4, spec.n_actions))
        self.prior, self.liking, self.notes, self.worn = self.values
        self.felt = np.zeros((spec.n_actions if learns else 0, felt.N_ACTIVE[head]), dtype=np.int64)
        liked = np.zeros(felt.N_FEATURES) if taste is None else taste
        self.arrays = (prior, liked, self.features, self.mask, self.values, self.felt)
        self.seen = (self.features, self.mask, self.prior, self.liking)
        self._felt = list(self.felt)
        self._reads = n_features > 0
        self._narrow = head == MELODY  # the others' masks are all ones, always

    def choice(self, state: int, action: int, late: bool) -> Choice:
        """The decision for ``action``, with copies of what the next one overwrites."""
        features = self.features.copy() if self._reads else self.features
        mask = self.mask.copy() if self._narrow else self.mask
        rows = self._felt[action].copy() if self._felt else NONE
        logits = self.prior.astype(np.float32) if self._reads else NO_LOGITS
        prior, liking = self.prior.item(action), self.liking.item(action)
        return _new(Choice, (state, action, mask, features, late, prior, rows, liking, logits))


# liking(a) = Σ_k w[row_k(context, a)] for every allowed action, 0 for the others
@njit("int64(int64[::1], int64[::1], float32[::1], float64[::1], float32[::1], uint8[::1], float64[:,::1],"
      " int64[:,::1])", cache=True)  # fmt: skip
def rhythm_view(own, world, prior, taste, features, mask, values, active):
    """Fill a ``View`` (whose ``arrays`` come behind the context) and return the state."""
    state = rhythm_context(own, world, features, mask)
    rhythm_prior(own, world, prior, mask, values[0])
    force = strength(world, own[TICK])
    for a in range(active.shape[0]):
        found = rhythm_kinds(own, a, force)
        total = 0.0
        for k in range(len(found)):
            active[a, k] = found[k]
            if found[k] >= 0:
                total += taste[found[k]]
        values[1, a] = total
    return state


# worn(a) = |{k >= 0: s_k = note(a), s_k+1 = s_0, s_k+2 = s_1, s_k+3 = s_2}|, s_0, s_1, ... the notes from the last one
# back through MEMORY_TICKS (rests are passed over)
@njit("void(int64[::1], int16[:,::1], uint8[::1], float64[:,::1])", cache=True)
def count_worn(own, trace, mask, values):
    """How often the last three notes were followed by each allowed action's (``values[2]``), into ``values[3]``."""
    for a in range(mask.shape[0]):
        values[3, a] = 0.0
    wrap = trace.shape[1] - 1
    s0 = s1 = s2 = w0 = w1 = w2 = np.int64(-1)
    for tick in range(own[TICK] - 1, max(own[TICK] - MEMORY_TICKS, 0) - 1, -1):
        w3 = np.int64(trace[0, tick & wrap])
        if w3 < 0:
            continue
        if s2 < 0:
            if s0 < 0:
                s0 = w3
            elif s1 < 0:
                s1 = w3
            else:
                s2 = w3
        elif w1 == s0 and w2 == s1 and w3 == s2:
            for a in range(mask.shape[0]):
                if mask[a] and values[2, a] == w0:
                    values[3, a] += 1.0
        w0, w1, w2 = w1, w2, w3


@njit("int64(int64[::1], int64[::1], int16[:,::1], int64[::1], float32[::1], float64[::1], float32[::1], uint8[::1],"
      " float64[:,::1], int64[:,::1])", cache=True)  # fmt: skip
def melody_view(own, world, trace, ladder, prior, taste, features, mask, values, active):
    """The same for the melody head. Turns of four notes wear out, but for what the motif suggests (to leave it is the
    taste's to say): liking(a) -= WORN max(0, worn(a) - WELCOME)²."""
    state = melody_context(own, world, ladder, features, mask)
    melody_prior(own, world, ladder, prior, mask, values[0])
    start = start_note(own, world)
    for a in range(mask.shape[0]):
        values[1, a] = values[2, a] = 0.0
        if mask[a]:
            note = melody_note(ladder, start, a)
            values[2, a] = note
            if active.shape[0]:
                found = melody_kinds(own, ladder, a, note)
                total = 0.0
                for k in range(len(found)):
                    active[a, k] = found[k]
                    total += taste[found[k]]
                values[1, a] = total
    if active.shape[0]:
        count_worn(own, trace, mask, values)
        for a in range(mask.shape[0]):
            if own[HINT_RUNG] < 0 or not mask[a] or ladder[np.int64(values[2, a])] != own[HINT_RUNG]:
                values[1, a] -= WORN * max(values[3, a] - WELCOME, 0.0) ** 2
    return state


@njit("int64(int64[::1], int64[::1], int64[::1], int64, float32[::1], float64[::1], float32[::1], uint8[::1],"
      " float64[:,::1], int64[:,::1])", cache=True)  # fmt: skip
def harmony_view(own, world, ladder, note, prior, taste, features, mask, values, active):
    """The same for the harmony head, under ``note``."""
    state = harmony_context(own, world, ladder, note, features, mask)
    harmony_prior(own, world, ladder, note, prior, values[0])
    for a in range(active.shape[0]):
        found = harmony_kinds(world, ladder, note, a)
        total = 0.0
        for k in range(len(found)):
            active[a, k] = found[k]
            total += taste[found[k]]
        values[1, a] = total
    return state
