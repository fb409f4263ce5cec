"""The lesson that measures a player's delay, and what its fit finds in presses drawn from a known one."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.ratings.delay import (
    LATEST_S,
    LEAST,
    MEAN_S,
    NOTE_NS,
    NOTES,
    SCALE,
    SPREAD_S,
    USUAL,
    Delay,
    Found,
    fit,
    lesson,
)

S = 1_000_000_000


@given(st.integers(0, 2**31 - 1))
def test_the_lesson(seed):
    """Half a minute; every wrong note is outside the scale, apart enough to be answered, and all others are in it."""
    played = lesson(seed)
    ons = [(t, msg[1]) for t, msg in played.messages if msg[0] & 0xF0 == 0x90]
    assert [t for t, _ in ons] == [i * NOTE_NS for i in range(NOTES)]
    assert [t for t, note in ons if note not in SCALE] == played.wrong_ns
    assert 8 <= len(played.wrong_ns) <= 12
    edges = [0, *played.wrong_ns, ons[-1][0]]
    assert all(b - a > LATEST_S * S for a, b in pairwise(edges))
    assert [t for t, _ in played.messages] == sorted(t for t, _ in played.messages)
    offs = [(t, msg[1]) for t, msg in played.messages if msg[0] & 0xF0 == 0x80]
    assert [note for _, note in offs] == [note for _, note in ons]


def test_no_two_lessons_are_the_same():
    assert len({tuple(lesson(seed).wrong_ns) for seed in range(20)}) > 10


def presses(wrong, delay_s, rng):
    return [t + round(delay_s(rng) * S) for t in wrong]


def test_the_estimator_by_hand():
    """Delays .4 .5 .6 .7 .8: median .6, MAD .1, spread .148; the Gamma's mean is a little above its median."""
    wrong = [i * 3 * S for i in range(5)]
    found = fit(wrong, [t + round(d * S) for t, d in zip(wrong, (0.4, 0.5, 0.6, 0.7, 0.8), strict=True)])
    spread, mean = 0.14826, 0.6
    for _ in range(4):
        mean = 0.6 / (1 - (spread / mean) ** 2 / 9) ** 3
    assert 0.61 < mean < 0.62
    assert found[:3] == (5, 0, 0)
    assert found.mean_s == pytest.approx((mean + MEAN_S) / 2)
    assert found.spread_s == pytest.approx(((spread**2 + SPREAD_S**2) / 2) ** 0.5)


@pytest.mark.parametrize("mean_s", [0.45, 0.8, 1.2])
def test_a_known_delay_is_found_among_misses_and_strays(mean_s):
    """Many lessons at once, so that shrinking does not matter: a fifth unanswered, one stray press for five answers."""
    rng = random.Random(1)
    shape, scale = 9, mean_s / 9
    wrong = [i * 3 * S for i in range(2000)]
    hit = [t for t in wrong if rng.random() < 0.8]
    given_ = presses(hit, lambda rng: rng.gammavariate(shape, scale), rng)
    given_ += [t + round(rng.uniform(2.25, 2.95) * S) for t in wrong if rng.random() < 0.16]
    found = fit(wrong, given_)
    assert found.hits == pytest.approx(1600, abs=60)
    assert found.mean_s == pytest.approx(mean_s, rel=0.03)
    assert found.spread_s == pytest.approx(mean_s / 3, rel=0.12)
    assert Delay.of(found.mean_s, found.spread_s).shape in range(7, 13)


def test_few_hits_move_it_little_and_too_few_not_at_all():
    wrong = lesson(1).wrong_ns
    quick = [t + 4 * S // 10 for t in wrong]
    assert fit(wrong, quick[: LEAST - 1]) == Found(LEAST - 1, len(wrong) - LEAST + 1, 0)
    five, all_ = fit(wrong, quick[:5]), fit(wrong, quick)
    assert five.mean_s == pytest.approx(0.6)
    assert five.mean_s > all_.mean_s > 0.4


def test_who_presses_all_the_time_is_not_measured():
    wrong = lesson(1).wrong_ns
    found = fit(wrong, range(0, 30 * S, S // 2))
    assert (found.hits, found.misses, found.mean_s) == (len(wrong), 0, None)
    assert found.false_alarms > found.hits


def test_who_guesses_is_not_measured():
    """Blindly, at a pace: most notes seem answered, but now soon and now late. Of those who hear few are refused."""
    refused = known = 0
    for seed in range(40):
        rng, wrong = random.Random(seed), lesson(seed).wrong_ns
        blind = fit(wrong, [round((1.5 + 3.3 * i) * S) for i in range(9)])
        refused += blind.mean_s is None
        known += fit(wrong, [t + round(rng.gammavariate(5, 0.16) * S) for t in wrong]).mean_s is not None
    assert refused >= 20 and known >= 36


@given(st.lists(st.integers(-S, 40 * S), max_size=60), st.integers(0, 50))
def test_whatever_is_pressed_the_delay_is_one_that_settings_take(pressed, seed):
    from livecomposer.settings import Settings

    wrong = lesson(seed).wrong_ns
    found = fit(wrong, pressed)
    assert found.hits + found.misses == len(wrong)
    assert found.hits + found.false_alarms == len(pressed)
    if found.mean_s is not None:
        Settings(delay=found.mean_s, delay_spread=found.spread_s)


def test_the_usual_delay():
    assert Delay(5, 0.16) == USUAL
