"""Which key the player is in, and which chord: both from what has been heard so far, updated in place.

``instrument.hearing`` feeds them note by note in the slack; nothing allocates after the start. The key is the one under
which the notes heard are likeliest, with older ones forgotten little by little: a naive Bayes classifier over the top
voice's successions and all voices' notes, as counted in Bach's chorales (``priors/bach.json``).
"""

import json
from importlib.resources import files

import numpy as np
from numba import njit

from livecomposer.music.theory import CHORDS, Chord

TOGETHER_NS = 40_000_000  # keys struck within this are one chord: the highest is the melody's
# The weights are the best of a search by four-fold cross-validation over the training chorales, for naming the key of a
# soprano after 16 notes and at its end, and of four voices, with few changes in melodies that stay in one key. Naming
# one at the very first note and MARGIN 2 cost about 3 changes a minute there (`bench.following`: `changes`).
KEEPS = 0.985  # of what is known, per note: half of it is left after 46 notes; a new key is found within about 65
W_PAIR, W_TOP, W_FIRST = 0.7, 0.3, 1.5  # of a succession, a note of the melody, the very first note
W_EVERY, W_BASS = 0.8, 1.0  # of notes under the melody, and of the lowest
W_CLOSE, W_END = 0.2, 3.5  # of the last note of a phrase, and of what stands when the player has stopped
MARGIN = 4.0  # nats by which another key must be likelier before it is taken for the player's
FIRST, CLEAR = 12, 5.0  # notes before a first key is named; nats between the best two that let it be named earlier
LONG = 1.7  # a note so many times longer than usual closes a phrase
N_KEYS = 24  # 0..11 major by tonic, 12..23 minor
USUAL_NS = 500_000_000

# columns of a KeyFollower's state
_LAST, _LAST_NS, _MEAN_NS, _NOTES, _LOWEST, _KEY, _BEFORE = range(7)
_N_STATE = 7
_TOP, _EVERY, _BASS, _CLOSE = range(4)


def _log(counts: list, smooth: float) -> np.ndarray:
    """ln [12 p] with so many added to every count."""
    table = np.asarray(counts, dtype=np.float64) + smooth
    return np.log(table / table.sum(axis=-1, keepdims=True) * 12.0)


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """float64[2, 12, 12] (mode, pitch class before, pitch class) and float64[2, 4, 12] (mode, what, pitch class)."""
    counts = json.loads(files("livecomposer.priors").joinpath("bach.json").read_text(encoding="utf-8"))
    single = [_log(counts[f"key_{name}"], 2.0) for name in ("top", "every", "bass", "close")]
    return _log(counts["key_pairs"], 1.0), np.ascontiguousarray(np.stack(single, axis=1))


_PAIRS, _SINGLE = _tables()  # at import: a follower may be made while the music plays


class KeyFollower:
    """The player's key.

    Parameters
    ----------
    tonic : int
        Pitch class of the key to answer with until one is known.
    minor : bool
        Its mode.
    """

    def __init__(self, tonic: int = 0, minor: bool = False) -> None:
        self._start = tonic % 12 + 12 * minor
        self._scores = np.zeros(N_KEYS)
        self._with_end = np.zeros(N_KEYS)
        self._state = np.zeros(_N_STATE, dtype=np.int64)
        self.clear()

    def clear(self) -> None:
        """Nothing has been heard."""
        self._scores[:] = 0.0
        self._state[:] = (-1, 0, USUAL_NS, 0, 128, -1, -1)

    @property
    def known(self) -> bool:
        """Whether enough has been heard to name a key: 12 notes, or fewer that leave no doubt."""
        return bool(self._state[_KEY] >= 0)

    @property
    def tonic(self) -> int:
        """Pitch class of the tonic."""
        return self._index() % 12

    @property
    def minor(self) -> bool:
        """Whether the key is minor."""
        return self._index() >= 12

    @property
    def key(self) -> tuple[int, str]:
        """Tonic, and "major" or "minor"."""
        return self.tonic, "minor" if self.minor else "major"

    @property
    def confidence(self) -> float:
        """Probability 0..1 of that key among all 24."""
        odds = np.exp(self._scores - self._scores.max())
        return float(odds[self._index()] / odds.sum())

    def note_on(self, t_ns: int, note: int) -> None:
        """A key is down."""
        _hear_key(self._scores, self._state, _PAIRS, _SINGLE, t_ns, note)

    def rest(self) -> None:
        """The player has stopped: their last note, and the bass under it, tell where they have arrived."""
        _rest(self._scores, self._with_end, self._state, _SINGLE)

    def _index(self) -> int:
        key = int(self._state[_KEY])
        return key if key >= 0 else self._start


# key ← argmax_k score[k] if that is MARGIN above the score of the key (CLEAR above all others if there is none yet)
@njit("void(float64[::1], int64[::1])", cache=True)
def _settle(scores, state):
    best = 0
    for k in range(1, N_KEYS):
        if scores[k] > scores[best]:
            best = k
    now = state[_KEY]
    if now >= 0:
        if scores[best] > scores[now] + MARGIN:
            state[_KEY] = best
        return
    second = -np.inf
    for k in range(N_KEYS):
        if k != best and scores[k] > second:
            second = scores[k]
    if state[_NOTES] >= FIRST or scores[best] > second + CLEAR:
        state[_KEY] = best


# w₁ ln p(pc|pc before, k) + w₂ ln p_top(pc|k); the very first note: w₀ ln p_close(pc|k) + ln p_top(pc|k)
@njit("float64(float64[:,:,::1], float64[:,:,::1], int64, int64, int64)", cache=True)
def _as_top(pairs, single, before, note, k):
    minor, pc = k // 12, (note - k) % 12
    if before < 0:
        return W_FIRST * single[minor, _CLOSE, pc] + single[minor, _TOP, pc]
    return W_PAIR * pairs[minor, (before - k) % 12, pc] + W_TOP * single[minor, _TOP, pc]


# score[k] ← d·(score[k] [+ w₃ ln p_close(pc before|k)]) + as_top + Σ_under w₄ ln p_every(pc|k) + w₅ ln p_bass(pc|k)
# with the highest of the notes struck together as top, the others under it, and the lowest of several as bass,
# in whatever order they come
@njit("void(float64[::1], int64[::1], float64[:,:,::1], float64[:,:,::1], int64, int64)", cache=True)
def _hear_key(scores, state, pairs, single, t_ns, note):
    top, low, before = state[_LAST], state[_LOWEST], state[_BEFORE]
    gap = t_ns - state[_LAST_NS]
    if state[_NOTES] > 0 and gap <= TOGETHER_NS:
        over = note > top
        under = top if over else note
        new_low = min(low, note)
        state[_LAST], state[_LOWEST] = max(top, note), new_low
        for k in range(N_KEYS):
            minor = k // 12
            scores[k] += W_EVERY * single[minor, _EVERY, (under - k) % 12]
            if over:
                scores[k] += _as_top(pairs, single, before, note, k) - _as_top(pairs, single, before, top, k)
            if low < top:
                scores[k] -= W_BASS * single[minor, _BASS, (low - k) % 12]
            if new_low < state[_LAST]:
                scores[k] += W_BASS * single[minor, _BASS, (new_low - k) % 12]
    else:
        closes = False
        if state[_NOTES] > 0:
            closes = gap > LONG * state[_MEAN_NS]
            state[_MEAN_NS] += (min(gap, 2 * state[_MEAN_NS]) - state[_MEAN_NS]) // 8
        for k in range(N_KEYS):
            if closes:
                scores[k] += W_CLOSE * single[k // 12, _CLOSE, (top - k) % 12]
            scores[k] = KEEPS * scores[k] + _as_top(pairs, single, top, note, k)
        state[_BEFORE] = top
        state[_LAST_NS] = t_ns
        state[_LAST] = state[_LOWEST] = note
        state[_NOTES] += 1
    _settle(scores, state)


# score[k] + w₆ ln p_close(pc|k) [+ w₅ ln p_bass(pc of the bass|k)], for this once
@njit("void(float64[::1], float64[::1], int64[::1], float64[:,:,::1])", cache=True)
def _rest(scores, with_end, state, single):
    if state[_NOTES] == 0:
        return
    for k in range(N_KEYS):
        with_end[k] = scores[k] + W_END * single[k // 12, _CLOSE, (state[_LAST] - k) % 12]
        if state[_LOWEST] < state[_LAST]:
            with_end[k] += W_BASS * single[k // 12, _BASS, (state[_LOWEST] - k) % 12]
    _settle(with_end, state)


# ---- chords ---------------------------------------------------------------------------------------------------------
QUALITIES = ("", "m", "7", "maj7", "m7", "m7b5", "dim7", "dim", "aug", "m(maj7)", "6", "m6", "sus4", "7sus4", "sus2")
_SUS = 12  # from here on only if just these are held: in a melody, or with a note missing, they are seconds and fourths
_SHAPES = np.array([sum(1 << i for i in CHORDS[name]) for name in QUALITIES], dtype=np.int64)
MEMORY = 16  # the last notes struck
BEAT_NS = 600_000_000
MISSING, FOREIGN, ON_BASS = 0.6, 0.8, 0.3
HELD_LEAST = 1.3  # a third or a triad with two foreign notes is a chord, a second is none
RECENT_LEAST = 1.9  # a broken triad with one foreign note is a chord, a run of five scale notes is none

# columns of a ChordFollower's state
_ROOT, _QUALITY, _LOW, _NEXT = range(4)


class ChordFollower:
    """The chord under the player's hands, or of what they have just played.

    It is judged anew when a key goes down, and when one comes up only if what is still held does not belong to it: so
    a chord that is let go lasts until something else is played. With fewer than two pitch classes held, the notes that
    sounded within the last beat are judged; a melody note alone is no chord.

    Parameters
    ----------
    beat_ns : int
        How long a beat is.

    Attributes
    ----------
    beat_ns : int
    """

    def __init__(self, beat_ns: int = BEAT_NS) -> None:
        self.beat_ns = beat_ns
        self._held = np.zeros(128, dtype=np.uint8)
        self._recent = np.full(MEMORY, -1, dtype=np.int64)
        self._when = np.zeros(MEMORY, dtype=np.int64)
        self._state = np.zeros(4, dtype=np.int64)
        self.clear()

    def clear(self) -> None:
        """Nothing has been heard, and no key is down."""
        self._held[:] = 0
        self._recent[:] = -1
        self._state[:] = (-1, -1, -1, 0)

    @property
    def root(self) -> int:
        """Pitch class of the root, -1 without a chord."""
        return int(self._state[_ROOT])

    @property
    def quality(self) -> int:
        """Index in ``QUALITIES``, -1 without a chord."""
        return int(self._state[_QUALITY])

    @property
    def bass(self) -> int:
        """Pitch class of the lowest note, -1 without a chord."""
        return int(self._state[_LOW])

    @property
    def bits(self) -> int:
        """Bit i set for pitch class i of the chord; 0 without one."""
        root = int(self._state[_ROOT])
        if root < 0:
            return 0
        shape = int(_SHAPES[self._state[_QUALITY]])
        return (shape << root | shape >> (12 - root)) & 0xFFF

    @property
    def chord(self) -> Chord | None:
        """The same with its name, in root position."""
        root = int(self._state[_ROOT])
        if root < 0:
            return None
        name = QUALITIES[self._state[_QUALITY]]
        return Chord(root, name, CHORDS[name], root)

    def note_on(self, t_ns: int, note: int) -> None:
        """A key is down."""
        _strike(self._held, self._recent, self._when, self._state, t_ns, note)
        _find_chord(self._held, self._recent, self._when, self._state, t_ns, self.beat_ns)

    def note_off(self, t_ns: int, note: int) -> None:
        """A key is up."""
        if _release(self._held, self._recent, self._when, self._state, t_ns, note):
            _find_chord(self._held, self._recent, self._when, self._state, t_ns, self.beat_ns)


@njit("void(uint8[::1], int64[::1], int64[::1], int64[::1], int64, int64)", cache=True)
def _strike(held, recent, when, state, t_ns, note):
    held[note] = 1
    recent[state[_NEXT]] = note
    when[state[_NEXT]] = t_ns
    state[_NEXT] = (state[_NEXT] + 1) % MEMORY


# whether S ⊄ T, S what is still held, T the chord
@njit("boolean(uint8[::1], int64[::1], int64[::1], int64[::1], int64, int64)", cache=True)
def _release(held, recent, when, state, t_ns, note):
    if held[note]:
        held[note] = 0
        for i in range(MEMORY):
            if recent[i] == note:
                when[i] = t_ns  # it sounded until now
    root = state[_ROOT]
    if root < 0:
        return False
    shape = _SHAPES[state[_QUALITY]]
    outside = False
    for other in range(128):
        outside = outside or (held[other] > 0 and not (shape >> ((other - root) % 12)) & 1)
    return outside


@njit("int64(int64)", cache=True)
def _size(bits):
    n = 0
    while bits:
        bits &= bits - 1
        n += 1
    return n


# the shape T on the root r with the greatest |S ∩ T| − 0.6 |T − S| − 0.8 |S − T| + 0.3 [r is the bass], S what sounds
@njit("void(uint8[::1], int64[::1], int64[::1], int64[::1], int64, int64)", cache=True)
def _find_chord(held, recent, when, state, t_ns, beat_ns):
    sounding, lowest = 0, 128
    for note in range(128):
        if held[note]:
            lowest = min(lowest, note)
            sounding |= 1 << (note % 12)
    state[_ROOT] = state[_QUALITY] = state[_LOW] = -1
    best, qualities = HELD_LEAST, _SHAPES.shape[0]
    if _size(sounding) < 2:
        for i in range(MEMORY):
            note = recent[i]
            if note >= 0 and t_ns - when[i] <= beat_ns:
                lowest = min(lowest, note)
                sounding |= 1 << (note % 12)
        best, qualities = RECENT_LEAST, _SUS
        if _size(sounding) < 3:
            return
    heard = _size(sounding)
    for quality in range(qualities):
        shape = _SHAPES[quality]
        tones = _size(shape)
        for root in range(12):
            both = _size((shape << root | shape >> (12 - root)) & sounding)
            if quality >= _SUS and (both < tones or both < heard):
                continue
            score = both - MISSING * (tones - both) - FOREIGN * (heard - both)
            if root == lowest % 12:
                score += ON_BASS
            if score > best + 1e-9:
                best = score
                state[_ROOT] = root
                state[_QUALITY] = quality
    if state[_ROOT] >= 0:
        state[_LOW] = lowest % 12
