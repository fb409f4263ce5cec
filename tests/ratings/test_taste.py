"""The learned listener: its regression against numpy, exact undo, what silence says, and planning on it."""

import itertools
import math
from math import erfc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer import Performance, Settings
from livecomposer.agents.kernels import plan_sweeps
from livecomposer.agents.prior import load_prior
from livecomposer.music import context
from livecomposer.music.actions import N_LENGTHS
from livecomposer.music.context import HEADS
from livecomposer.music.metre import parse_metre
from livecomposer.ratings import UNDO, features, taste
from livecomposer.ratings.features import N_FEATURES, N_OF, RHYTHM_FEATURES, TABLES, TRENDS, WORDS, trend_basis
from livecomposer.ratings.regression import AT_MOST, BLANK, DOUBT, REMEMBERS, stacked
from livecomposer.ratings.taste import (
    EXPIRES,
    FARTHEST,
    HEAD_EXPIRES,
    HEAD_TRUST,
    KEEPS,
    LASTING,
    N_BASIS,
    N_X,
    REMAINS,
    ROOM,
    SILENT,
    TRUST,
    TRUSTED,
    Taste,
)
from tests.music.naive import walk

MS = 1_000_000
SEEN = np.full(N_FEATURES, 0.2, dtype=np.float32)


def drawn(n, seed=0):
    """Random rows as ratings are about, and what a listener who cares for two of them says."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, N_X)).astype(np.float32)
    x[:, -1] = 1.0
    return x, np.clip(0.4 * x[:, 3] - 0.4 * x[:, 20] + 0.1 * rng.standard_normal(n), -1, 1)


def taught(n, seed=0, silent=False):
    t, (x, y) = Taste(SEEN, 1), drawn(n, seed)
    for i in range(n):
        t.rate(i, float(y[i]), x[i], x[-1 - i] if silent else None)
    return t, x, y


def state_of(t):
    return [array.tobytes() for array in (*t.state().values(), t.weights, t.mean)]


def test_the_posterior_is_that_of_plain_linear_algebra():
    """Forgetting along each rating, then the Gaussian posterior under the scales that were fitted; draw off."""
    t, x, y = taught(60)
    t.explore(0.0)
    gram, product = np.zeros((N_X, N_X)), np.zeros(N_X)
    for row, value in zip(x.astype(float), y, strict=True):
        g = gram @ row
        if row @ g > 1e-9:
            product -= (1 - KEEPS) * g * (row @ product) / (row @ g)
            gram -= (1 - KEEPS) * np.outer(g, g) / (row @ g)
        gram += np.outer(row, row)
        product += row * value
    spread = t.state()["spread"]
    precision = gram / spread[-1] + np.diag(1.0 / spread[:-1])
    mean = np.linalg.solve(precision, product / spread[-1])
    np.testing.assert_allclose(t._mu, mean, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(t._var, np.diag(np.linalg.inv(precision)), rtol=1e-7)
    np.testing.assert_allclose(t.weights, (by_head(t) @ t.trust) * mean[:N_BASIS] @ centred(t), rtol=1e-7, atol=1e-9)


def by_head(t):
    """Whether a feature or trend is a head's, bool[N_BASIS, 3]."""
    of = np.repeat(np.arange(3), N_OF)
    trends = np.array([of[np.flatnonzero(row)[0]] for row in trend_basis()])
    return np.append(of, trends)[:, None] == np.arange(3)


def centred(t):
    """The basis less what a usual entry of each table has of it."""
    found, at = t._basis.copy(), 0
    for size in (len(entries) for tables in TABLES for entries in tables.values()):
        found[:, at : at + size] -= found[:, at : at + size] @ t.seen[at : at + size, None]
        at += size
    return found


@given(st.lists(
    st.tuples(st.integers(0, 2), st.floats(0.0, 1.0), st.lists(st.integers(-1, N_FEATURES - 1), max_size=7)),
    min_size=1, max_size=30,
))  # fmt: skip
def test_what_a_rating_is_about_is_its_twin(reached):
    heads = np.array([head for head, _, _ in reached])
    weights = np.array([weight for _, weight, _ in reached])
    rows = [np.array(row, dtype=np.int64) for _, _, row in reached]
    weights[[not (row >= 0).any() for row in rows]] = 0.0
    total = np.bincount(heads, weights, 3)
    x = np.zeros(N_FEATURES)
    for head, weight, row in zip(heads, weights, rows, strict=True):
        for k in row[row >= 0]:
            x[k] += weight / (total[head] or 1.0)
    for head in np.flatnonzero(total):
        of = slice(features.FIRST_OF[head], features.FIRST_OF[head] + N_OF[head])
        x[of] -= SEEN.astype(np.float64)[of]
    t = Taste(SEEN, 1)
    about = [(int(head), float(weight), row) for (head, weight, _), row in zip(reached, rows, strict=True)]
    np.testing.assert_array_equal(t.features_of(about), np.append(t._basis @ x, 1.0).astype(np.float32))


def apart(rows):
    """Of rows (r, u_1, u_2, u_3, y): u and y less their means."""
    w = rows[:, 0] @ rows[:, 0]
    found = rows - rows[:, :1] * (rows[:, 0] @ rows / w if w else np.zeros(5))
    return found[:, 1:4], found[:, 4]


def missed(rows, own, c):
    """What the heads' parts, so weighed, leave of y, and what the weights cost."""
    u, y = apart(rows)
    return float(np.sum((y - u @ c) ** 2) + own * np.sum((c - 1.0) ** 2))


def stacked_twin(rows, credit, own):
    """What all together weighs, and the heads by plain linear algebra, whichever of them weigh nothing."""
    u, y = apart(rows)
    whole = u.sum(axis=1)
    together = float(np.clip((whole @ y + credit) / (whole @ whole + credit), 0.0, 1.0))
    candidates = [np.zeros(3)]
    for which in itertools.product([False, True], repeat=3):
        free, c = np.flatnonzero(which), np.zeros(3)
        if free.size:
            c[free] = np.linalg.solve(u[:, free].T @ u[:, free] + own * np.eye(free.size), u[:, free].T @ y + own)
            candidates.append(c)
    return together, min((c for c in candidates if (c >= 0.0).all()), key=lambda c: missed(rows, own, c))


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), *[st.floats(-1.0, 1.0)] * 4), max_size=12),
    st.floats(0.01, 2.0),
    st.floats(0.1, 2.0),
)
def test_the_weights_of_the_heads_are_their_twin(rows, credit, own):
    rows = np.array(rows).reshape(-1, 5)
    together, found = stacked(np.ascontiguousarray(rows.T @ rows), credit, own)
    whole, twin = stacked_twin(rows, credit, own)
    assert (found >= 0.0).all()
    assert together == pytest.approx(whole, abs=1e-9)
    np.testing.assert_allclose(found, twin, atol=1e-4)
    assert missed(rows, own, found) == pytest.approx(missed(rows, own, twin), abs=1e-6)


def test_what_foretells_no_rating_is_not_played_for():
    """Told before each rating by what had been learnt then of each head, beside the mean of those before it."""
    for meant in (True, False):
        t, (x, y) = Taste(SEEN, 1), drawn(100)
        t.explore(0.0)
        if not meant:
            y = np.random.default_rng(5).choice([-1.0, 1.0], 100)
        rows = np.zeros((0, 5))
        for i in range(100):
            told = (t._mu[:N_BASIS] * x[i, :N_BASIS]) @ by_head(t)
            rows = np.vstack([rows * np.sqrt(0.95), [1.0, *told, y[i]]])
            t.rate(i, float(y[i]), x[i])
        _, each = stacked_twin(rows, TRUST * EXPIRES**100, HEAD_TRUST * HEAD_EXPIRES**100 + LASTING)
        np.testing.assert_allclose(t.trust, np.minimum(TRUSTED * each, 1.0), atol=1e-4)
        np.testing.assert_allclose(t.mean, (by_head(t) @ t.trust) * t._mu[:N_BASIS] @ centred(t), rtol=1e-6, atol=1e-9)
        if meant:
            assert (t.trust[:2] > 0.95).all()  # of the third head nothing is liked
        else:
            assert (t.trust < 0.4).all()


def test_what_nobody_cares_for_is_not_played_for():
    """A listener of rhythm only: what some ratings seem to say of the others has foretold nothing."""
    trust = []
    for seed in range(20):
        t, (x, _) = Taste(SEEN, 1), drawn(100, seed)
        noise = np.random.default_rng(seed).normal(0.0, 0.3, 100)
        for i in range(100):
            t.rate(i, float(np.clip(0.4 * x[i, 3] + noise[i], -1.0, 1.0)), x[i])
        trust.append(t.trust)
    rhythm, melody, harmony = np.mean(trust, axis=0)
    assert rhythm == 1.0 and melody < 0.6 and harmony < 0.7


def test_presses_of_one_kind_do_not_part_the_heads():
    """Nor do answers to pairs; one dislike for six likes does."""
    t, (x, y) = Taste(SEEN, 1), drawn(100)
    order = np.argsort(-y)  # likes first
    x, y = x[order], y[order]
    for i in range(40):
        t.rate(i, float(y[i]), x[i])
    assert t.one_sided(40) and len(set(t.trust.tolist())) == 1
    for i in range(60, 100):
        t.rate(i, float(y[i]), x[i])
    assert not t.one_sided(80) and len(set(t.trust.tolist())) > 1
    pairs = Taste(SEEN, 1)
    for i in range(20):
        pairs.prefer(i, "a", x[i], x[i + 20])
    assert len(set(pairs.trust.tolist())) == 1


def test_who_always_says_yes_at_random_is_not_followed_and_who_means_it_is():
    """Both press one way only; what the one is silent about is no different from what they press for."""
    trust = {True: [], False: []}
    for meant, seed in itertools.product(trust, range(8)):
        t, rng = Taste(SEEN, 1), np.random.default_rng(seed)
        for i in range(60):
            x, silent = drawn(2, int(rng.integers(1 << 30)))[0]
            if meant:
                x[3], silent[3] = 1.5, -0.5
            t.rate(i, 1.0, x, silent)
        trust[meant].append(t.trust)
    assert np.min(trust[True], axis=0)[0] > 0.9
    assert (np.mean(trust[False], axis=0) < 0.65).all()


def test_who_answers_pairs_at_random_is_not_followed_and_who_means_it_is():
    """An answer becomes an observation by what was foretold of it: it says of that as little as it weighs."""
    for meant in (True, False):
        trust, far = [], []
        for seed in range(10):
            t, rng, (x, y) = Taste(SEEN, seed), np.random.default_rng(seed), drawn(120, seed)
            for i in range(0, 120, 2):
                likes = y[i] > y[i + 1] if meant else rng.random() < 0.5
                t.prefer(i, "a" if likes else "b", x[i], x[i + 1])
            trust.append(t.trust)
            far.append(np.abs(t.mean).max())
        if meant:
            assert np.min(trust) > 0.9
        else:
            assert np.mean(trust) < 0.4 and np.mean(far) < 0.2


def test_two_likings_are_found_among_all_features():
    t, _, _ = taught(100)
    assert t._mu[[3, 20]] == pytest.approx([0.4, -0.4], abs=0.08)
    assert np.abs(np.delete(t._mu, [3, 20])).max() < 0.12


def test_ratings_without_a_taste_leave_little():
    t, (x, _) = Taste(SEEN, 1), drawn(100)
    values = np.random.default_rng(5).choice([-1.0, 1.0], 100)
    for i in range(100):
        t.rate(i, float(values[i]), x[i])
    known, _, _ = taught(100)
    assert np.abs(t._mu[:-1]).max() < 0.6 * np.abs(known._mu[:-1]).max()


def test_a_rest_that_goes_on_is_worth_what_is_usual():
    """It has no features, and the usual entry of each table is worth nothing."""
    t, (x, y) = Taste(load_prior("shipped").seen(), 1), drawn(60)
    for i in range(60):
        t.rate(i, float(y[i]), x[i])
    of = slice(0, len(RHYTHM_FEATURES["length"]))
    assert t.mean[of].any() and t.mean[of] @ t.seen[of] == pytest.approx(0.0, abs=1e-6)
    own, world = context.new_own(), context.new_world(parse_metre("4/4"), 48, 84)
    rows = np.zeros(3, dtype=np.int64)
    for last, none in ((N_LENGTHS, True), (0, False)):
        own[context.LAST_RHYTHM] = last
        features.rhythm_features(own, world, N_LENGTHS + 1, rows)
        assert (rows < 0).all() == none
    mine, nothing = np.array([1, 9, 14]), np.zeros(0, dtype=np.int64)
    alone = t.features_of([(0, 1.0, mine)])
    np.testing.assert_array_equal(t.features_of([(0, 1.0, mine), (0, 3.0, nothing)]), alone)


def test_few_features_are_tried_boldly():
    t, _, _ = taught(3)
    found = []
    for _ in range(200):
        t.redraw()
        found.append(np.abs(t._z))
    assert np.median(found) < 0.9 and np.quantile(found, 0.98) > 4.0 and np.max(found) <= FARTHEST


def test_what_is_tried_becomes_less():
    early, late = (taught(n)[0] for n in (3, 120))
    for t in (early, late):
        t._z[:] = 1.0
        t._settle()
    ahead = [np.abs(t.weights - t.mean).sum() for t in (early, late)]
    assert ahead[1] < 0.5 * ahead[0]


@pytest.mark.parametrize("n", [1, 15, 120])
def test_what_is_tried_fades_with_the_ratings(n):
    t = taught(n)[0]
    t.explore(0.7)
    tried = 0.7 / np.sqrt(1.0 + (n / taste.BOLD_FOR) ** 2) * (t._draw[:N_BASIS] @ t._centred)
    np.testing.assert_allclose(t.weights - t.mean, tried, rtol=1e-9, atol=1e-12)


def test_before_any_rating_nothing_is_tried():
    t = Taste(SEEN, 1)
    assert not t.weights.any()
    t.redraw()
    assert not t.weights.any()


def test_a_like_keeps_the_draw_and_a_dislike_draws_anew():
    t, x, _ = taught(30)
    z = t._z.copy()
    t.rate(31, 0.8, x[0])
    assert (t._z == z).all()
    t.rate(32, -0.8, x[1])
    assert (t._z != z).all()


SAID = st.one_of(st.floats(-1.0, 1.0), st.sampled_from(("a", "b", "neither")))


@settings(max_examples=20, deadline=None)
@given(st.lists(SAID, min_size=1, max_size=12), st.integers(1, 12), st.booleans())
def test_undo_is_exact_to_any_depth(values, depth, silent):
    t, x, _ = taught(5, silent=silent)
    history = [state_of(t)]
    for i, value in enumerate(values):
        if isinstance(value, str):
            t.prefer(100 + i, value, x[i % 5], x[(i + 2) % 5])
        else:
            t.rate(100 + i, value, x[i % 5], x[0] if silent else None)
        history.append(state_of(t))
    for _ in range(min(depth, len(values))):
        assert t.undo()
        history.pop()
        assert state_of(t) == history[-1]


def test_undo_ends_where_the_log_begins():
    t = Taste(SEEN, 1)
    before = state_of(t)
    assert not t.undo()
    t.rate(0, 1.0, drawn(1)[0][0])
    assert t.undo() and state_of(t) == before


@pytest.mark.parametrize("times", [1, 31, 32, 33, 100, UNDO])
def test_many_are_taken_back_at_once_and_whatever_the_log_began_with(times):
    """As one by one, from marks on the way, after the oldest half has been folded and after a load."""
    x, y = drawn(ROOM + 60)
    t, history = Taste(SEEN, 1), []
    for i in range(ROOM + 60):
        history.append([*state_of(t), *(array.tobytes() for array in t._sums)])
        t.rate(i, float(y[i]), x[i])
    loaded, stood = taught(200, 9)[0], taught(300, 8)[0]
    loaded.load({name: array.copy() for name, array in t.state().items()})
    stood.restore(t.keep())
    for one in (t, loaded, stood):
        assert one.undo(times)
        np.testing.assert_array_equal(one.state()["told"].tobytes(), history[-times][12])
        assert [array.tobytes() for array in one._sums] == history[-times][-3:]
        assert one.mean.tobytes() == history[-times][15]
    assert not t.undo(UNDO + 1)


def test_the_oldest_half_is_folded_and_the_rest_still_taken_back():
    t, x, _ = taught(ROOM + 3)
    assert t.n == ROOM // 2 + 3
    known = t._mu.copy()
    t.rate(0, 1.0, x[0])
    t.undo()
    np.testing.assert_allclose(t._mu, known, rtol=1e-9)
    assert ROOM // 2 % UNDO == 0


def test_save_and_load_go_on_alike():
    t, x, _ = taught(20)
    t.prefer(21, "b", x[0], x[1])
    t.prefer(22, "neither", x[2], x[3])
    other = Taste(SEEN, 2)
    other.load({name: array.copy() for name, array in t.state().items()})
    np.testing.assert_array_equal(other.mean, t.mean)
    t.rate(50, 0.5, x[0])
    other.rate(50, 0.5, x[0])
    assert state_of(other) == state_of(t)
    for one in (t, other):
        one.rate(60, -0.5, x[1])
    np.testing.assert_array_equal(other.mean, t.mean)
    assert (other.weights != t.weights).any()  # what is tried next is drawn anew


def test_silence_speaks_only_for_players_who_press_one_way():
    x, _ = drawn(4)
    likes, both = Taste(SEEN, 1), Taste(SEEN, 1)
    for t, second in ((likes, 0.9), (both, -0.9)):
        t.rate(0, 0.9, x[0], x[1])
        t.rate(1, second, x[0], x[1])
        t.rate(2, 0.9, x[2], x[3])
    root = np.float32(np.sqrt(SILENT))
    np.testing.assert_array_equal(likes.state()["silent"][2], x[3] * root)
    assert not both.state()["silent"][2].any()


def of_another_mind(n):
    """Taught 60 ratings, then more by a listener who dislikes what was liked; and what each of these returned."""
    (x, y), t, changed = drawn(60 + n), taught(60)[0], []
    for i in range(60, 60 + n):
        changed.append(t.rate(i, float(-y[i]), x[i]))
    return t, x, y, changed


def test_another_taste_is_noticed_once_and_soon_played_for(monkeypatch):
    t, _, _, changed = of_another_mind(100)
    assert changed == [False] * 6 + [True] + [False] * 93
    monkeypatch.setattr(taste, "DOUBT", 1e9)
    stubborn, _, _, never = of_another_mind(100)
    assert not any(never) and (np.abs(stubborn._mu[[3, 20]]) < 0.1).all()
    assert t._mu[3] < -0.2 and t._mu[20] > 0.2
    assert t._sums[2][4] == 94.0
    assert t.state()["remains"][:68].tolist() == [1.0] * 66 + [pytest.approx(REMAINS), 1.0]


def test_ratings_are_weighed_for_what_is_known_against_a_constant():
    """Each told before it was known: both likelihoods by their formulas, from the posterior's own matrix."""
    (x, y), t = drawn(100), Taste(SEEN, 1)
    told_t = told_w = told_q = doubt = best = 0.0
    for i in range(100):
        value = float(y[i] if i < 60 else -y[i])
        a = np.triu(t._work)
        row = x[i].astype(np.float64)
        usual = told_t / told_w if told_w else 0.0
        variance = t._spread[N_X] + row @ np.linalg.solve(a.T @ a, row)
        blind = (BLANK + told_q - usual * told_t) / (1.0 + told_w)
        known, nothing = (
            -0.5 * (error**2 / of + math.log(of))
            for error, of in ((value - row @ t._mu, variance), (value - usual, blind))
        )
        doubt -= float(np.clip(known - nothing, -AT_MOST, AT_MOST))
        best, doubt = best + max(-doubt, 0.0), min(max(doubt, 0.0), DOUBT + AT_MOST)
        changed = doubt > DOUBT and best > DOUBT
        assert t.rate(i, value, x[i]) == changed
        if changed:
            doubt = best = 0.0
        keeps = REMEMBERS * (REMAINS if changed else 1.0)
        told_t, told_w, told_q = (keeps * s + new for s, new in ((told_t, value), (told_w, 1.0), (told_q, value**2)))
        sums = (*t._told[0, [4, 0]], t._told[4, 4], *t._sums[2][2:4])
        np.testing.assert_allclose(sums, (told_t, told_w, told_q, doubt, best), rtol=1e-6, atol=1e-9)
    assert t._sums[2][4] == 34.0


def test_the_same_taste_is_not_taken_for_another():
    """Nor one in twenty presses that slips, nor ratings that mean nothing."""
    t, (x, y) = Taste(SEEN, 1), drawn(400)
    assert not any(t.rate(i, float(-y[i] if i % 20 == 19 else y[i]), x[i]) for i in range(400))
    values = np.random.default_rng(5).choice([-1.0, 1.0], 400)
    t = Taste(SEEN, 1)
    assert not any(t.rate(i, float(values[i]), x[i]) for i in range(400))


def test_a_change_of_taste_is_taken_back_with_the_rating_that_showed_it():
    t, _, _, _ = of_another_mind(3)
    x, y = drawn(70)
    history = [state_of(t)]
    for i in range(63, 70):
        t.rate(i, float(-y[i]), x[i])
        history.append(state_of(t))
    assert t.state()["remains"][66] < 1.0
    while len(history) > 1:
        history.pop()
        assert t.undo() and state_of(t) == history[-1]
    assert (t.state()["remains"] == 1.0).all()


def test_a_change_of_taste_is_kept_in_files_and_when_it_is_folded():
    t, x, _, _ = of_another_mind(10)
    other = Taste(SEEN, 2)
    other.load({name: array.copy() for name, array in t.state().items()})
    np.testing.assert_array_equal(other.mean, t.mean)
    for i in range(70, ROOM + 1):
        t.rate(i, 0.1, x[i % 70])
    assert t.n == ROOM // 2 + 1 and (t.state()["remains"] == 1.0).all()
    now = [array.copy() for array in t._sums[:2]]
    t._rebuild()
    for was, again in zip(now, t._sums, strict=False):
        np.testing.assert_allclose(again, was, rtol=1e-6, atol=1e-9)


def test_answers_show_another_taste_too():
    x, y = drawn(200)
    t, changed = Taste(SEEN, 1), []
    for i in range(0, 200, 2):
        liked = (y[i] > y[i + 1]) == (i < 160)
        changed.append(t.prefer(i, "a" if liked else "b", x[i], x[i + 1]))
    assert sum(changed) == 1 and 80 < changed.index(True) < 95


def test_what_was_rated_before_the_change_says_nothing_of_the_taste_now():
    t, _, _, _ = of_another_mind(25)
    assert max(effect.n for effect in t.effects()) <= 19


def test_answers_say_nothing_of_which_way_a_player_presses():
    x, _ = drawn(4)
    t = Taste(SEEN, 1)
    t.rate(0, 0.9, x[0])
    t.prefer(1, "b", x[0], x[1])
    t.rate(2, 0.9, x[2], x[3])
    assert t.state()["silent"][2].any()


@pytest.mark.parametrize("known", [0, 40])
@pytest.mark.parametrize("answer", ["a", "b"])
def test_an_answer_leaves_the_difference_where_the_probit_does(answer, known):
    """Against the integral over the difference, by the posterior that the observation makes under the same scales."""
    t, x, _ = taught(known)
    a, b = x[:2] if known else drawn(2)[0]
    d = (a - b).astype(float)
    spread = t.state()["spread"].copy()
    precision = np.linalg.inv(covariance(t))
    mean, sd = t._mu @ d, np.sqrt(d @ covariance(t) @ d)
    grid = mean + sd * np.linspace(-8, 8, 20_001)
    sign = 1.0 if answer == "a" else -1.0
    weigh = np.exp(-(((grid - mean) / sd) ** 2) / 2) * [erfc(-sign * g / taste.UNSURE / np.sqrt(2)) for g in grid]
    weigh /= weigh.sum()
    expected = weigh @ grid
    variance = weigh @ (grid - expected) ** 2
    before = t._mu.copy()
    t.prefer(500, answer, a, b)
    k, y = t.state()["weight"][known], t.state()["y"][known]
    one = k * d / np.sqrt(spread[-1])
    posterior = np.linalg.inv(precision + np.outer(one, one))
    after = posterior @ (precision @ before + one * k * y / np.sqrt(spread[-1]))
    assert after @ d == pytest.approx(expected, rel=1e-4)
    assert d @ posterior @ d == pytest.approx(variance, rel=1e-4)
    assert np.sign(y) == sign
    if not known:  # nothing to forget: the sums are of it alone
        np.testing.assert_allclose(t._sums[0], np.outer(k * d, k * d), rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(t._sums[1], k * k * y * d, rtol=1e-5, atol=1e-9)


def covariance(t):
    root = np.triu(t._work[:N_X, :N_X])
    return np.linalg.inv(root.T @ root)


def test_neither_says_that_they_are_alike():
    t, x, _ = taught(40)
    foreseen, unsure = t._mu @ (x[0] - x[1]), (x[0] - x[1]) @ covariance(t) @ (x[0] - x[1])
    sigma = np.sqrt(t.state()["spread"][-1])
    t.prefer(500, "neither", x[0], x[1])
    assert t.state()["y"][40] == 0.0
    assert t.state()["weight"][40] == pytest.approx(sigma / taste.ALIKE)
    assert abs(t._mu @ (x[0] - x[1])) < abs(foreseen)
    assert (x[0] - x[1]) @ covariance(t) @ (x[0] - x[1]) < unsure


def test_two_likings_are_found_from_answers_alone_and_phrases_that_are_alike_say_nothing():
    t, rng = Taste(SEEN, 1), np.random.default_rng(4)
    for i in range(80):
        a, b = (0.5 * drawn(2, i)[0]).astype(np.float32)
        a[-1] = b[-1] = 1.0
        better = 0.4 * (a[3] - b[3]) - 0.4 * (a[20] - b[20]) + 0.1 * rng.standard_normal() > 0
        t.prefer(i, "a" if better else "b", a, b)
    found = np.abs(t._mu[:-1])
    assert set(np.argsort(found)[-2:]) == {3, 20}
    assert np.sort(found)[-3] < 0.3 * np.sort(found)[-2]
    assert t._mu[3] > 0 > t._mu[20]
    mean = t.mean.copy()
    t.prefer(100, "a", a, a)
    np.testing.assert_allclose(t.mean, mean, atol=0.05)
    assert np.isfinite(t.weights).all()


def test_answers_that_contradict_everything_known_stay_finite():
    t, x, _ = taught(60)
    by_liking = sorted(x, key=lambda row: t._mu @ row)
    for i in range(40):
        t.prefer(100 + i, "a", by_liking[i % 20], by_liking[-1 - i % 20])
    assert np.isfinite(t._mu).all() and np.isfinite(t.state()["y"]).all()


def test_what_a_rating_is_about():
    """One rhythm step of features 0, 8 and 12, fully, and two melody steps at a quarter and three."""
    t = Taste(SEEN, 1)
    first = features.FIRST_OF[1]
    x = t.features_of([(0, 0.5, np.array([0, 8, 12])), (1, 0.25, np.array([first])), (1, 0.75, np.array([first + 1]))])
    found = np.zeros(N_FEATURES)
    found[[0, 8, 12]] = 1.0
    found[[first, first + 1]] = 0.25, 0.75
    found[: N_OF[0] + N_OF[1]] -= SEEN[: N_OF[0] + N_OF[1]]
    np.testing.assert_allclose(x, [*(t._basis @ found), 1.0], rtol=1e-6, atol=1e-6)


def test_effects_name_what_is_liked_and_how_often_it_was_rated():
    t = Taste(SEEN, 1)
    liked = features.FIRST_OF[1] + WORDS[features.FIRST_OF[1] :].index("falling thirds")
    at = np.arange(features.FIRST_OF[1], features.FIRST_OF[1] + 12)
    rng = np.random.default_rng(3)
    for i in range(60):
        row = int(rng.choice(at))
        t.rate(i, 0.9 if row == liked else -0.1, t.features_of([(1, 1.0, np.array([row]))]))
    best = max(t.effects(), key=lambda e: e.worth / e.sd)
    assert best.words == "falling thirds" and best.worth > 3 * best.sd
    assert best.n == sum(1 for i in range(60) if t.state()["x"][i, liked] > 1.0)


# ---- features -------------------------------------------------------------------------------------------------------
def test_every_feature_has_its_words_and_every_trend_its_table():
    assert len(WORDS) == N_FEATURES == sum(N_OF) and len(set(WORDS)) == N_FEATURES
    tables = {table: len(entries) for tables in TABLES for table, entries in tables.items()}
    assert {name: len(much) for name, (_, _, much) in TRENDS.items()} == {
        name: tables[table] for name, (table, _, _) in TRENDS.items()
    }


def test_one_feature_of_each_table_is_active():
    bounds = np.cumsum([0, *(len(entries) for tables in TABLES for entries in tables.values())])
    kinds = [np.zeros(n, dtype=np.int64) for n in features.N_ACTIVE]
    looks = 0
    for moment in walk(3, 1, 300):
        own, world, ladder = moment.own, moment.world, moment.ladder
        features.rhythm_features(own, world, looks % 14, kinds[0])
        features.melody_features(own, world, ladder, 7, kinds[1])
        features.harmony_features(world, ladder, 60 + looks % 12, looks % 14, kinds[2])
        goes_on = looks % 14 >= N_LENGTHS and N_LENGTHS <= own[context.LAST_RHYTHM] < 14
        for table, row in enumerate(np.concatenate(kinds)):
            assert row == -1 if goes_on and table < 3 else bounds[table] <= row < bounds[table + 1]
        looks += 1
    assert looks == 300


# ---- planning -------------------------------------------------------------------------------------------------------
def test_planning_is_soft_value_iteration():
    rng = np.random.default_rng(2)
    chosen = rng.integers(0, 5, (4, 3)).astype(np.float32)
    chosen[:, 0] = 1.0
    about = rng.random((4, 3, 2)).astype(np.float32)
    following = rng.dirichlet(np.ones(4), (4, 3)).astype(np.float32)
    weights, beta, gamma = np.array([0.5, -0.3]), 3.0, 0.6
    values, future = np.zeros(4), np.zeros((4, 3))
    plan_sweeps(chosen, about, following, weights, beta, gamma, 5, values, future)
    v = np.zeros(4)
    for _ in range(5):
        q = about @ weights + gamma * following @ v
        share = chosen / chosen.sum(axis=1, keepdims=True)
        v = np.log((share * np.exp(beta * q)).sum(axis=1)) / beta
        v -= chosen.sum(axis=1) @ v / chosen.sum()
    np.testing.assert_allclose(values, v, rtol=1e-6)
    np.testing.assert_allclose(future, gamma * following @ v, rtol=1e-6)


# ---- in the instrument ----------------------------------------------------------------------------------------------
def test_a_frozen_copy_of_nothing_learnt_plays_the_prior():
    def played(snapshot):
        p = Performance(Settings(role="solo", seed=3, held=True, explore=False), snapshot=snapshot)
        return p.advance(20_000 * MS)

    assert played(Performance(Settings(role="solo", seed=3)).snapshot()) == played(None)


def test_a_rating_of_a_phrase_in_harmonize_concerns_harmony_only():
    p = Performance(Settings(role="harmonize", seed=3))
    for i in range(6):
        p.receive(i * 500 * MS, bytes((0x90, 60 + i, 90)))
        p.receive((i * 500 + 400) * MS, bytes((0x80, 60 + i, 0)))
    p.rate(2_700 * MS, 1.0)
    x = p.learning.taste.state()["x"][0, :N_FEATURES]
    of = slice(features.FIRST_OF[2], features.FIRST_OF[2] + N_OF[2])
    assert x[of].any() and not np.delete(x, np.arange(of.start, of.stop)).any()


def test_the_prior_knows_what_becomes_of_choices():
    from livecomposer.agents.prior import load_prior

    prior = load_prior("shipped")
    for spec, model, of in zip(HEADS, prior.models, N_OF, strict=True):
        assert model.features.shape == (spec.n_states, spec.n_actions, of)
        visited = model.following.sum(axis=2)
        assert ((np.abs(visited - 1.0) < 1e-3) | (visited == 0.0)).all()
    seen = prior.seen()
    assert [round(float(part.sum()), 2) for part in np.split(seen, np.cumsum(N_OF)[:2])] == [
        float(n) for n in features.N_ACTIVE
    ]


def test_the_record_says_what_was_thought_of_the_note_that_sounds():
    """A planned note sounds long after it was decided, and others have been decided since."""
    from livecomposer.instrument.records import unpack
    from livecomposer.instrument.ring import Kind, RingReader, RingWriter, size_of

    buffer = memoryview(bytearray(size_of(1 << 12)))
    p = Performance(Settings(role="solo", seed=3), ring=RingWriter(buffer, 1 << 12))
    for second in range(4, 12):
        p.advance(second * 1000 * MS)
        p.rate(second * 1000 * MS, (-1.0) ** second)
    reader = RingReader(buffer)
    reader.read()
    sounded = []
    sound = p._sound
    p._sound = lambda due, event: (sounded.append(event), sound(due, event))
    before = [agent.future.copy() for agent in p.learning.agents]
    p.advance(13_000 * MS)
    expected = [
        choice.liking + before[head][choice.state, choice.action]
        for event in sounded
        for head, choice in enumerate(event.choices)
        if choice is not None
    ]
    values = [unpack(record)[-2] for record in reader.read() if record.kind == Kind.DECISION]
    assert len(expected) > 3 and any(expected)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
