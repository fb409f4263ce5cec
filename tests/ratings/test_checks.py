"""What a taste can go on from, and what it cannot."""

import numpy as np
import pytest

from livecomposer.errors import TasteError
from livecomposer.ratings.features import NAMES
from livecomposer.ratings.taste import N_X, ROOM, UNDO, Taste, check

SEEN = np.full(len(NAMES), 0.2, dtype=np.float32)


def rated(n, undone=0, seed=0):
    """A taste after ``n`` ratings, of which the last were taken back."""
    taste = Taste(SEEN, 1)
    rng = np.random.default_rng(seed)
    for _ in range(n):
        x = np.zeros(N_X, dtype=np.float32)
        x[rng.integers(0, N_X - 1, 12)] = rng.normal(size=12)
        t_ns = int(rng.integers(0, 10**12))
        if rng.random() < 0.3:
            taste.prefer(t_ns, str(rng.choice(["a", "b", "neither"])), x, np.roll(x, 1) * (x == 0.0))
            continue
        x[-1] = 1.0
        taste.rate(t_ns, float(rng.uniform(-1.0, 1.0)), x)
    for _ in range(undone):
        taste.undo()
    return taste


@pytest.mark.parametrize(("n", "undone"), [(0, 0), (1, 1), (40, 3), (ROOM, 0), (ROOM, UNDO), (1600, 100)])
def test_whatever_ratings_lead_to_can_be_gone_on_from(n, undone):
    taste = rated(n, undone)
    check(taste.state())
    other = rated(3, seed=9)
    other.load({name: array.copy() for name, array in taste.state().items()})
    assert np.array_equal(other.mean, taste.mean)
    third = rated(5, seed=8)
    third.restore(taste.keep())
    assert np.array_equal(third.mean, taste.mean)
    left = n > undone and undone < UNDO  # else nothing is left to go back to
    assert [one.undo() for one in (taste, other, third)] == [left] * 3
    assert np.array_equal(other.mean, taste.mean) and np.array_equal(third.mean, taste.mean)


RATED = int(np.flatnonzero(~rated(40).compared)[3])


def odd(name, index, value):
    def change(state):
        state[name][index] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (odd("n", 0, -1), "ratings that cannot be"),
        (odd("n", 0, ROOM + 1), "ratings that cannot be"),
        (odd("y", RATED, 1.01), "ratings that cannot be"),
        (odd("y", RATED, -7.0), "ratings that cannot be"),
        (odd("spread", 0, 0.0), "numbers that cannot be"),
        (odd("spread", N_X, -1.0), "numbers that cannot be"),
        (odd("before", (39, 5), 0.0), "numbers that cannot be"),
        (odd("surprise", 0, -1.0), "numbers that cannot be"),
        (odd("surprise", 2, -1.0), "numbers that cannot be"),
        (odd("told", (0, 0), -1.0), "numbers that cannot be"),
        (odd("told", (1, 4), 5.0), "numbers that cannot be"),
        (odd("remains", 3, 0.0), "numbers that cannot be"),
        (odd("remains", 3, 1.5), "numbers that cannot be"),
        (odd("gram", (3, 4), 5.0), "numbers that cannot be"),
        (odd("gram", (3, 3), -5.0), "numbers that cannot be"),
        (odd("product", 0, 1e308), "numbers that cannot be"),
        (odd("weight", 3, 0.0), "numbers that cannot be"),
        (odd("z", 0, 1e300), "numbers that cannot be"),
        (odd("before", (39, -1), -11.0), "numbers that cannot be"),
    ],
)
def test_what_cannot_be_is_refused(change, said):
    state = {name: array.copy() for name, array in rated(40).state().items()}
    change(state)
    with pytest.raises(TasteError, match=f"^{said}$"):
        rated(3).load(state)


def test_a_clock_that_began_anew_is_no_damage():
    """Stamps count from the start of the machine: those of two evenings need not ascend."""
    taste = rated(10)
    assert (np.diff(taste.state()["t"][:10]) < 0).any()
    check(taste.state())


def test_what_was_kept_is_not_changed_by_what_follows():
    taste = rated(10)
    kept = taste.keep()
    before = taste.mean.copy()
    taste.rate(0, -1.0, np.ones(N_X, dtype=np.float32))
    assert not np.array_equal(taste.mean, before)
    taste.restore(kept)
    assert np.array_equal(taste.mean, before)
