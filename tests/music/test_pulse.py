"""Tempo and beat of a call: what a listener would say, and the kernel beside a slow twin."""

from math import exp, floor, inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer.music import pulse
from livecomposer.music.pulse import HEARD, PLACES, ROOM, Pulse

MS = 1_000_000
S = 1_000_000_000
# openings as ticks of 1/12 quarter from a bar line
ODE = (0, 12, 24, 36, 48, 60, 72, 84, 96, 108, 120, 132, 144, 162, 168)
WALTZ = (24, 36, 60, 72, 84, 96, 108, 132)
JIG = (30, 36, 48, 54, 66, 72, 78, 84, 90)
HORNPIPE = (36, 45, 48, 57, 60, 69, 72, 84, 96, 120)
TRIPLETS = (0, 12, 24, 28, 32, 36, 48, 60, 64, 68, 72, 84)
PICKUP = (42, 48, 54, 60, 72, 84, 90, 96, 120)


def heard(ticks, tempo, start_ns=0, beside=(), velocities=()):
    """A pulse that has heard onsets; ``beside`` in beats."""
    p = Pulse()
    beat = 60e9 / tempo
    for i, tick in enumerate(ticks):
        off = beside[i] if len(beside) else 0.0
        p.hear(start_ns + round((tick / 12 + off) * beat), 60, velocities[i] if velocities else 80)
    return p


def beside_ms(beat_ns, start_ns, tempo):
    """How far a time lies beside the nearest beat, ms."""
    beats = (beat_ns - start_ns) / (60e9 / tempo)
    return (beats - round(beats)) * 60e3 / tempo


@pytest.mark.parametrize("tempo", [75.0, 83.5, 100.0, 120.0, 138.0])
@pytest.mark.parametrize("ticks", [ODE, WALTZ, HORNPIPE, TRIPLETS, PICKUP])
def test_a_melody_in_time_gives_its_tempo_and_beat(ticks, tempo):
    start = 12_345_678_901
    found, beat_ns, confidence = heard(ticks, tempo, start).estimate(100.0)
    assert found == pytest.approx(tempo, rel=1e-6)
    assert abs(beside_ms(beat_ns, start, tempo)) < 0.001
    assert 0.5 < confidence <= 1.0
    assert round((beat_ns - start) / (60e9 / tempo)) == ticks[-1] // 12


def test_a_jig_gives_its_quarters_and_eighths():
    tempo, beat_ns, _ = heard(JIG, 110.0, S).estimate(100.0)
    assert tempo == pytest.approx(110.0, rel=1e-6)
    assert abs(beside_ms(beat_ns, S, 220.0)) < 0.001


@settings(max_examples=40, deadline=None)
@given(
    ticks=st.sampled_from([ODE, WALTZ, HORNPIPE, TRIPLETS, PICKUP]),
    tempo=st.floats(74.0, 132.0),
    start=st.integers(0, 10**13),
    seed=st.integers(0, 999),
)
def test_loose_onsets_change_little(ticks, tempo, start, seed):
    beside = np.random.default_rng(seed).uniform(-0.03, 0.03, len(ticks))
    found, beat_ns, _ = heard(ticks, tempo, start, beside).estimate(100.0)
    assert found == pytest.approx(tempo, rel=0.03)
    assert abs(beside_ms(beat_ns, start, tempo)) < 30.0


def test_where_the_grid_lies_changes_nothing():
    (tempo, beat_ns, confidence), (tempo_2, beat_2, confidence_2) = (
        heard(WALTZ, 97.0, start).estimate(100.0) for start in (0, 987 * S)
    )
    assert (tempo_2, confidence_2, beat_2) == (tempo, confidence, beat_ns + 987 * S)


@pytest.mark.parametrize("onsets", [(), (7 * S,), (7 * S, 8 * S), (7 * S, 7 * S + 30 * MS, 8 * S)])
def test_below_three_onsets_the_hint_is_kept(onsets):
    p = Pulse()
    for t_ns in onsets:
        p.hear(t_ns, 60, 80)
    assert p.estimate(93.0) == (93.0, onsets[0] if onsets else 0, 0.0)


def test_a_chord_is_one_onset_as_loud_as_its_loudest_key():
    p, single = Pulse(), Pulse()
    for i, tick in enumerate(WALTZ):
        at = round(tick / 12 * 0.6 * S)
        single.hear(at, 60, 70 + i)
        p.hear(at, 60, 40)
        p.hear(at + 25 * MS, 64, 70 + i)
        p.hear(at + 40 * MS, 67, 50)
    assert p.n == single.n == len(WALTZ)
    assert p.estimate(100.0) == single.estimate(100.0)


def test_forty_milliseconds_are_counted_from_the_first_key():
    p = Pulse()
    for ms in (0, 39, 78, 120):
        p.hear(ms * MS, 60, 80)
    assert p.n == 3


def test_clear_forgets():
    p = heard(ODE, 120.0)
    p.clear()
    assert (p.n, p.estimate(88.0)) == (0, (88.0, 0, 0.0))
    for tick in WALTZ:
        p.hear(round(tick / 12 * 0.75 * S), 60, 80)
    assert p.estimate(100.0) == heard(WALTZ, 80.0).estimate(100.0)


def test_the_hint_decides_where_the_notes_do_not():
    half = [tick * 2 for tick in range(0, 96, 12)]  # all equal: beats of 50 BPM, or every second of 100
    assert heard(half, 100.0).estimate(100.0)[0] == pytest.approx(100.0)
    assert heard(half, 100.0).estimate(50.0)[0] == pytest.approx(50.0)


def test_loud_notes_draw_the_beat():
    even = range(0, 96, 6)  # eighths or quarters, nothing tells them apart
    plain, accented = (
        heard(even, 80.0, 0, (), [90 if i % 2 == accent else 60 for i in range(16)]).estimate(80.0) for accent in (0, 1)
    )
    assert [round(t) for t, _, _ in (plain, accented)] == [80, 80]
    assert round(beside_ms(accented[1] - plain[1], 0, 80.0)) in (-375, 375)


def test_of_a_long_call_the_last_notes_count():
    p = Pulse()
    t_ns = 0
    for i in range(100):  # 90 BPM, then 120
        p.hear(t_ns, 60, 80)
        t_ns += round((60e9 / (90.0 if i < 60 else 120.0)) / (2 if i % 4 > 1 else 1))
    assert p.n == ROOM
    tempo, beat_ns, _ = p.estimate(100.0)
    assert tempo == pytest.approx(120.0)
    assert t_ns - S < beat_ns < t_ns


def test_the_last_onsets_are_kept_in_place():
    p = Pulse()
    onsets = p._onset
    for i in range(1000):
        p.hear(i * 100 * MS, 60, 80)
    assert p._onset is onsets
    assert onsets.tolist() == [i * 100 * MS for i in range(1000 - ROOM, 1000)]


@settings(max_examples=12, deadline=None)
@given(
    gaps=st.lists(st.integers(41, 1500), min_size=2, max_size=12),
    velocities=st.lists(st.integers(1, 127), min_size=13, max_size=13),
    hint=st.sampled_from([45.0, 100.0, 112.0, 190.0]),
)
def test_the_kernel_finds_what_its_slow_twin_finds(gaps, velocities, hint):
    p = Pulse()
    t_ns = 5 * S
    for gap, velocity in zip([0, *gaps], velocities, strict=False):
        t_ns += gap * MS
        p.hear(t_ns, 60, velocity)
    tempo, beat_ns, confidence = p.estimate(hint)
    n = len(gaps) + 1
    expected = twin(p._onset[:n].tolist(), velocities[:n], True, hint)
    assert tempo == pytest.approx(60.0 / expected[0], rel=1e-9)
    assert beat_ns == pytest.approx(5 * S + expected[1] * 1e9, abs=2)
    assert confidence == pytest.approx(expected[2], abs=1e-9)


def test_the_twin_agrees_on_a_call_without_its_beginning():
    rng = np.random.default_rng(3)
    onsets = np.cumsum(rng.choice([150, 300, 450, 600], ROOM)) * MS
    p = Pulse()
    for t_ns in onsets:
        p.hear(int(t_ns), 60, 80)
    tempo, beat_ns, _ = p.estimate(100.0)
    period, beat, _ = twin(onsets[-HEARD:].tolist(), [80] * HEARD, False, 100.0)
    assert tempo == pytest.approx(60.0 / period, rel=1e-9)
    assert beat_ns == pytest.approx(int(onsets[-HEARD]) + beat * 1e9, abs=2)


def test_the_tables_belong_together():
    assert pulse.LENGTH_COST.shape == (len(PLACES), len(pulse.LENGTHS) + 1)
    assert [pulse.PLACE_OF[tick] for tick in PLACES] == list(range(len(PLACES)))
    assert [pulse.LENGTH_OF[ticks] for ticks in pulse.LENGTHS] == list(range(len(pulse.LENGTHS)))
    assert np.all(pulse.LENGTH_COST[:, :-1][~np.isin((PLACES[:, None] + pulse.LENGTHS) % 12, PLACES)] == 8.0)


# ---- the slow twin --------------------------------------------------------------------------------------------------


def follow_slowly(times, begins, period, phase, gain, loose):
    """(cost, ticks): each onset on the cheapest place within two ticks of where it lies."""
    places = {int(tick): i for i, tick in enumerate(PLACES)}
    columns = {int(ticks): i for i, ticks in enumerate(pulse.LENGTHS)}
    cost, ticks = len(times) * log(period), []
    for t in times:
        y = 12.0 * (t - phase) / period
        choices = []
        for g in range(floor(y) - 1, floor(y) + 3):
            if g % 12 not in places or (ticks and g <= ticks[-1]):
                continue
            c = min((y - g) ** 2 / (2.0 * (12.0 * loose) ** 2), pulse.FAR)
            if ticks:
                c += pulse.LENGTH_COST[places.get(ticks[-1] % 12, 0), columns.get(g - ticks[-1], len(pulse.LENGTHS))]
            elif begins:
                c += pulse.FIRST_COST[places[g % 12]]
            choices.append((c, g))
        least, g = min(choices) if choices else (2.0 * pulse.FAR, ticks[-1] + 1)
        cost += least
        ticks.append(g)
        phase += gain * (y - g) * period / 12.0
    return cost, ticks


def twin(onsets, velocities, begins, hint):
    """(period, beat, confidence)."""
    times = [(t - onsets[0]) * 1e-9 for t in onsets]
    mean = sum(velocities) / len(velocities)
    spread = sqrt(max(sum(v * v for v in velocities) / len(velocities) - mean * mean, 0.0))
    low, high = log(min(pulse.USUAL_LOW, hint / 1.1)), log(max(pulse.USUAL_HIGH, hint * 1.1))
    slowest, fastest = min(pulse.SLOWEST, hint / 1.2), max(pulse.FASTEST, hint * 1.2)

    def prior(period):
        tempo = log(60.0 / period)
        beyond = max(low - tempo, tempo - high, 0.0) / pulse.EDGE
        return 0.5 * ((tempo - log(hint)) / pulse.HINT_SPREAD) ** 2 + 0.5 * beyond**2

    best = []  # (cost, period, phase, place), one for each reading, ascending
    for c in range(pulse.TEMPI):
        period = 60.0 / exp(log(slowest) + log(fastest / slowest) * c / (pulse.TEMPI - 1))
        for place, tick in enumerate(PLACES):
            phase = -tick * period / 12.0
            cost = prior(period) + follow_slowly(times, begins, period, phase, pulse.FOLLOW, pulse.LOOSE_FOLLOWED)[0]
            same = [b for b in best if b[3] == place and abs(b[1] / period - 1.0) < pulse.NEAR]
            if same and cost >= same[0][0]:
                continue
            if same:
                best.remove(same[0])
            best = sorted([*best, (cost, period, phase, place)], key=lambda b: b[0])[: pulse.BEST]
    refined = []
    for _, found, its_phase, _ in best:
        period, phase = found, its_phase
        for turn in range(pulse.ROUNDS):
            ticks = follow_slowly(
                times,
                begins,
                period,
                phase,
                0.0 if turn else pulse.FOLLOW,
                pulse.LOOSE if turn else pulse.LOOSE_FOLLOWED,
            )[1]
            slope, phase = np.polyfit(ticks, times, 1)
            period = 12.0 * slope
        cost, ticks = follow_slowly(times, begins, period, phase, 0.0, pulse.LOOSE)
        loud = sum((v - mean) / max(spread, 4.0) for v, g in zip(velocities, ticks, strict=True) if g % 12 == 0)
        refined.append((cost + prior(period) - pulse.ACCENT * loud, period, phase))
    cost, period, phase = min(refined, key=lambda r: r[0])
    other = inf
    for its_cost, its_period, its_phase in refined:
        shift = (its_phase - phase) / period
        if abs(its_period / period - 1.0) > pulse.NEAR or abs(shift - round(shift)) > 1.0 / 12.0:
            other = min(other, its_cost)
    beat = phase + period * floor((times[-1] - phase) / period + 1.0 / 24.0)
    return period, beat, 1.0 / (1.0 + exp(min(cost - other, 700.0)))
