"""The context kernels against plain twins, over random rows, keys and registers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.music import context as ctx
from livecomposer.music.actions import RHYTHMS, STEPS, Ladder
from livecomposer.music.context import HARMONY, HEADS, MELODY, RHYTHM
from livecomposer.music.theory import SCALES

rows = st.builds(
    lambda last, step, rhythm, tick, bar, player, held: np.array(
        [last, step, rhythm, tick, bar * 12, player, held], dtype=np.int64
    ),
    st.integers(-1, 127), st.integers(-7, 7), st.integers(0, len(RHYTHMS)), st.integers(0, 10_000), st.integers(2, 12),
    st.integers(-1, 127), st.integers(0, 20),
)  # fmt: skip
ladders = st.builds(Ladder, st.integers(0, 11), st.sampled_from([*SCALES.values(), (0,)]))
registers = st.integers(0, 115).flatmap(lambda low: st.tuples(st.just(low), st.integers(low + 12, 127)))


def call(head, kernel, *arguments):
    spec = HEADS[head]
    features = np.full(spec.n_features, np.nan, dtype=np.float32)
    mask = np.full(spec.n_actions, 7, dtype=np.uint8)
    state = kernel(*arguments, features, mask)
    assert 0 <= state < spec.n_states
    assert ((features >= -1.0) & (features <= 2.0)).all()
    assert set(mask.tolist()) <= {0, 1}
    return state, features, mask


def anchor(row, low, high):
    """Where a melody step is measured from."""
    if row[0] >= 0:
        return int(row[0])
    note = int(row[5]) if row[5] >= 0 else (low + high) // 2
    while note > high:
        note -= 12
    while note < low:
        note += 12
    return note


@given(rows)
def test_rhythm(row):
    state, features, mask = call(RHYTHM, ctx.rhythm_context, row)
    tick, bar = int(row[3]), int(row[4])
    place = {0: 0, 6: 1, 3: 2, 9: 2}.get(tick % 12, 3)
    strong = int(tick % bar // 12 % 2 == 0)
    assert state == (place * 2 + strong) * (len(RHYTHMS) + 1) + row[2]
    assert features.tolist() == pytest.approx([tick % 12 / 12, tick % bar / bar, float(row[6] > 0)])
    assert mask.all()


@given(rows, ladders, registers)
def test_melody(row, ladder, register):
    low, high = register
    row = row.copy()
    if row[0] >= 0:
        row[0] = min(max(int(row[0]), low), high)
    state, features, mask = call(MELODY, ctx.melody_context, row, ladder.notes, ladder.rung, ladder.tonic, low, high)
    at = int(ladder.rung[anchor(row, low, high)])
    reachable = [at + step for step in STEPS]
    assert mask.tolist() == [int(0 <= to < len(ladder.notes) and low <= ladder.notes[to] <= high) for to in reachable]
    above = (int(ladder.notes[at]) - ladder.tonic) % 12
    degree = 0 if above == 0 else 1 if above in (3, 4, 7) else 2
    step = int(row[1])
    size = 5 if row[0] < 0 else 2 if step == 0 else (1 if step >= -2 else 0) if step < 0 else (3 if step <= 2 else 4)
    assert state == (degree * 6 + size) * 2 + int(row[3] % 24 == 0)
    assert features.tolist() == pytest.approx(
        [above / 12, step / 7, (int(ladder.notes[at]) - low) / (high - low), row[3] % row[4] / row[4]], abs=1e-6
    )


@given(rows, ladders, registers)
def test_a_step_is_always_possible_in_a_register_of_an_octave(row, ladder, register):
    low, high = register
    row = row.copy()
    row[0] = -1
    *_, mask = call(MELODY, ctx.melody_context, row, ladder.notes, ladder.rung, ladder.tonic, low, high)
    assert mask.any()


@given(rows, st.integers(0, 127), st.integers(0, 11))
def test_harmony(row, note, tonic):
    state, features, mask = call(HARMONY, ctx.harmony_context, row, note, tonic)
    above, held = (note - tonic) % 12, int(row[6])
    assert state == above * 3 + (0 if held < 2 else 1 if held == 2 else 2)
    assert features.tolist() == pytest.approx([above / 12, min(held, 10) / 10, row[3] % row[4] / row[4]])
    assert mask.all()


@given(rows, st.integers(0, 8), st.integers(1, 24), st.integers(-1, 127), st.integers(-7, 7))
def test_advance(row, rhythm, ticks, note, step):
    after = row.copy()
    ctx.advance(after, rhythm, ticks, note, step)
    expected = row.tolist()
    expected[ctx.LAST_RHYTHM] = rhythm
    expected[ctx.TICK] += ticks
    if note >= 0:
        expected[ctx.LAST_NOTE], expected[ctx.LAST_STEP] = note, step
    assert after.tolist() == expected


def test_a_new_context_is_the_start_of_a_phrase():
    assert ctx.new_context(3).tolist() == [-1, 0, len(RHYTHMS), 0, 36, -1, 0]
