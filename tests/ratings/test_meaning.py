"""What a press was meant for: phrases by ear, the habit learnt from when presses come, and how both are weighed."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.agents.protocol import Choice, Steps
from livecomposer.music.actions import HeadSpec
from livecomposer.ratings.credit import PHRASE_WEIGHT, Credit
from livecomposer.ratings.delay import USUAL, Delay
from livecomposer.ratings.habit import GRID, LATEST, STRAY, UNDO, Habit
from livecomposer.ratings.meaning import Meaning
from livecomposer.ratings.phrases import Phrase, Phrases, Verdict

MS = 1_000_000
CHOICE = Choice(0, 1, np.ones(2, np.uint8), np.zeros(1, np.float32), False, 0.0, np.zeros(0, np.int64))


def heard(*notes):
    """Phrases from (onset ms, end ms, the plan's phrase)."""
    phrases = Phrases()
    for onset, end, number in notes:
        phrases.sounded(onset * MS, end * MS, number)
    return phrases


def phrase(number, since, first, last, end, notes):
    return Phrase(number, since * MS if since >= 0 else -1, first * MS, last * MS, end * MS, notes)


FOUR = [(i * 500, i * 500 + 450, 0) for i in range(4)]


def test_a_breath_ends_a_phrase_and_articulation_does_not():
    assert heard(*FOUR).now == phrase(0, -1, 0, 1500, 1950, 4)
    assert heard(*FOUR, (2299, 2700, 0)).now == phrase(0, -1, 0, 2299, 2700, 5)
    assert heard(*FOUR, (2300, 2700, 0)).now == phrase(0, 1500, 2300, 2300, 2700, 1)


def test_two_notes_are_no_phrase_unless_the_plan_ends_it():
    assert heard(*FOUR[:2], (2000, 2450, 0)).now == phrase(0, -1, 0, 2000, 2450, 3)
    assert heard(*FOUR[:2], (2000, 2450, 1)).now == phrase(1, 500, 2000, 2000, 2450, 1)
    assert heard((0, 450, 0), (5, 450, 0), (10, 450, 0), (2000, 2450, 0)).now.notes == 2  # a chord is one onset


def test_what_a_press_may_judge():
    phrases = heard(*FOUR, (3000, 3450, 0), (3500, 3950, 0), (4000, 4450, 0))
    first, second = phrase(0, -1, 0, 1500, 1950, 4), phrase(0, 1500, 3000, 4000, 4450, 3)
    assert phrases.verdicts(1900 * MS, False) == []
    assert phrases.verdicts(2950 * MS, True) == [Verdict(first, 1.0, True, False)]  # the plan had not ended it
    assert phrases.verdicts(4400 * MS, True) == [Verdict(first, 2.45, False, False)]
    assert phrases.verdicts(4950 * MS, True) == [Verdict(second, 0.5, True, True), Verdict(first, 3.0, False, False)]
    phrases.silent(4200 * MS)  # let go early
    assert phrases.verdicts(4200 * MS, True)[0].late_s == 0.0


@given(st.floats(0.05, 3.0), st.integers(1, 12), st.floats(0.03, 0.5))
def test_the_delay_is_a_gamma(d, shape, scale):
    """The difference quotient of the distribution function 1 − e^{−x} Σ x^j/j! that credit is spread by."""
    import math

    def passed(t):
        return 1.0 - math.exp(-t / scale) * sum((t / scale) ** j / math.factorial(j) for j in range(shape))

    step = 1e-5
    assert Delay(shape, scale).density(d) == pytest.approx((passed(d + step) - passed(d - step)) / 2 / step, abs=1e-4)
    assert Delay(shape, scale).density(0.0) == Delay(shape, scale).density(-1.0) == 0.0


densities = st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 2.0))


@given(st.lists(densities, max_size=LATEST + 10))
def test_the_habit_is_the_posterior_of_a_mixture(presses):
    habit = Habit()
    for press in presses:
        habit.pressed(*press)
    log = -0.5 * np.log(GRID * (1 - GRID))
    for about, moment in presses[-LATEST:]:
        log += np.log(GRID * (about + STRAY) + (1 - GRID) * (moment + STRAY))
    weight = np.exp(log - log.max())
    assert habit.share == pytest.approx(float(weight @ GRID / weight.sum()))


@given(st.lists(densities, min_size=LATEST, max_size=LATEST + 20), st.lists(densities, max_size=40))
def test_the_habit_is_undone_exactly(before, after):
    habit = Habit()
    for press in before:
        habit.pressed(*press)
    share = habit.share
    for press in after:
        habit.pressed(*press)
    for _ in after:
        habit.undo()
    assert habit.share == share
    assert len(after) <= UNDO


def player(meaning, steps, press, phrases=30):
    """Phrases of eight notes 0.3 s apart and a second's silence behind each; ``press(first onset, end)`` says when
    this player presses about each. Returns for each press its phrase and what it was taken to mean."""
    told = []
    presses = []
    t = 0
    for number in range(phrases):
        for i in range(8):
            while presses and presses[0][0] <= t:
                at, about = presses.pop(0)
                told.append((about, meaning.of(at * MS, False)))
                meaning.habit.pressed(*told[-1][1].densities)
            steps.append(t * MS, number, CHOICE)
            meaning.phrases.sounded(t * MS, (t + 250) * MS, number)
            if i == 7:
                presses.append((press(t - 2100, t + 250), number))
            t += 300
        t += 1000
    return told


def new_meaning():
    steps = Steps(HeadSpec("rhythm", 2, 1, 2), 512, 1)
    return Meaning(Credit([steps])), steps


def test_a_verdict_that_comes_when_the_next_phrase_has_begun_is_about_the_one_before():
    """Presses 0.6 to 1.6 s behind the end of each phrase, the next begins after 1.05 s."""
    rng = random.Random(1)
    told = player(*new_meaning(), lambda first, end: end + rng.randint(600, 1600))
    judged = [(about, meant.phrase.number if meant.phrase else None) for about, meant in told]
    late = judged[5:]
    assert sum(about == number for about, number in late) >= 0.9 * len(late)
    meant = told[-1][1]
    assert (meant.reached, meant.phrase.notes) == ([(0, 8 * 28 + i, PHRASE_WEIGHT) for i in range(8)], 8)


def test_presses_about_moments_are_not_taken_for_verdicts():
    """Some time in the phrase: also those that come when a phrase is over are about its last notes."""
    rng = random.Random(1)
    meaning, steps = new_meaning()
    told = player(meaning, steps, lambda first, end: rng.randint(first, end) + 800)
    late = [meant.phrase for _, meant in told[5:]]
    assert late.count(None) >= 0.9 * len(late)
    assert meaning.habit.share < 0.2


def test_at_first_a_press_in_the_gap_is_a_verdict_and_one_within_a_phrase_is_not():
    for at, judged in ((2800, True), (2300, False), (1300, False)):
        meaning, steps = new_meaning()
        for i in range(8):
            steps.append(i * 300 * MS, 0, CHOICE)
            meaning.phrases.sounded(i * 300 * MS, (i * 300 + 250) * MS, 0)
        meant = meaning.of(at * MS, at > 2350)
        assert (meant.phrase is not None) == judged
        assert len(meant.reached) == 8 or not judged


def test_what_nobody_can_judge_any_more():
    phrases = heard(*FOUR, *((t + 3000, end + 3000, 1) for t, end, _ in FOUR))
    assert phrases.since(4000 * MS, 3.0) == -1  # the first, at most 3 s behind its end
    assert phrases.since(4951 * MS, 3.0) == 1500 * MS
    assert phrases.since(2900 * MS, 0.5) == -1  # in its silence always
    assert USUAL.density(3.5) < 1e-4  # later than that nobody presses
