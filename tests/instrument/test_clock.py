"""The grid: the map between time and ticks, tap, and an external clock with jitter."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomposer.instrument.clock import Transport

MS = 1_000_000
S = 1_000 * MS
BAR = 48


@given(st.floats(30, 300), st.integers(0, 10**15), st.integers(0, 10**12))
def test_ticks_and_times_are_inverse(tempo, start, later):
    transport = Transport(tempo, start)
    assert transport.tick_at(start) == 0.0
    assert abs(transport.ns_at(transport.tick_at(start + later)) - start - later) <= 1
    assert transport.tick_at(start + round(60 * S / tempo)) == pytest.approx(12.0, abs=1e-6)


def test_the_beat_does_not_jump_when_the_tempo_changes():
    transport = Transport(120.0, 0)
    transport.set_tempo(60.0, 3 * S)
    assert [transport.tick_at(t * S) for t in (3, 4, 6)] == [72.0, 84.0, 108.0]
    assert [transport.ns_at(tick) for tick in (72, 96)] == [3 * S, 5 * S]


@pytest.mark.parametrize(("asked", "got"), [(10.0, 30.0), (1000.0, 300.0), (96.5, 96.5)])
def test_tempo_is_clamped(asked, got):
    transport = Transport(120.0, 0)
    transport.set_tempo(asked, 0)
    assert (transport.tempo, transport.tick_at(S)) == (got, pytest.approx(12 * got / 60))


def test_tap():
    """The first tap says nothing; then the mean of the last four intervals, with the beat on the tap."""
    transport = Transport(120.0, 0)
    taps = [1_100, 1_600, 2_200, 2_840, 3_400, 4_000]
    tempos = []
    for t in taps:
        moved = transport.tap(t * MS)
        tempos.append((moved, round(transport.tempo, 3)))
        if moved:
            assert transport.tick_at(t * MS) % 12 == 0
    assert tempos == [
        (False, 120.0), (True, 120.0), (True, 109.091), (True, 103.448), (True, 104.348), (True, 100.0),
    ]  # fmt: skip
    assert transport.tick_at(4_600 * MS) == pytest.approx(transport.tick_at(4_000 * MS) + 12)


def test_a_pause_in_tapping_begins_anew():
    transport = Transport(120.0, 0)
    assert [transport.tap(t * MS) for t in (0, 500, 3_000, 3_500, 3_600)] == [False, True, False, True, False]
    assert transport.tempo == 120.0


def drive(transport, start_ns, tempo, clocks, jitter_ns=0, seed=1):
    """Start, then so many clocks; each one's phase error (ticks) as it comes in, and the last clock's true time."""
    rng = random.Random(seed)
    transport.clock_start(start_ns, BAR)
    first = transport._clock_tick
    errors, true = [], start_ns
    for i in range(clocks):
        true = start_ns + round(i * 60 * S / tempo / 24)
        transport.clock(true + rng.randint(-jitter_ns, jitter_ns) if jitter_ns else true)
        errors.append(transport.tick_at(true) - (first + i / 2))
    return errors, true


def test_the_first_clock_after_start_is_a_bar_line():
    transport = Transport(120.0, 0)
    transport.clock_start(1_300 * MS, BAR)
    assert (transport.clock(1_310 * MS), transport.tick_at(1_310 * MS)) == (True, 48.0)


@pytest.mark.parametrize("tempo", [47.0, 93.5, 120.0, 211.0])
def test_a_steady_clock_is_followed_exactly(tempo):
    transport = Transport(120.0, 0)
    errors, _ = drive(transport, 700 * MS, tempo, 24 * 8 + 1)
    assert max(abs(e) for e in errors[24:]) < 1e-4
    assert transport.tempo == pytest.approx(tempo, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_jitter_on_the_wire_hardly_moves_the_beat(seed):
    """±1 ms on every clock: after two beats the beat never lies more than 2 ms off, and the tempo within 1 %."""
    transport = Transport(120.0, 0)
    errors, _ = drive(transport, 0, 100.0, 24 * 32, MS, seed)
    tick_ms = 60_000 / 100 / 12
    assert max(abs(e) for e in errors[48:]) * tick_ms < 2.0
    assert transport.tempo == pytest.approx(100.0, rel=0.01)


def test_a_change_of_tempo_is_followed_in_phase():
    transport = Transport(120.0, 0)
    _, t = drive(transport, 0, 100.0, 24 * 4 + 1)
    base = transport.tick_at(t)
    errors = []
    for i in range(1, 24 * 12 + 1):
        transport.clock(t + round(i * 60 * S / 130 / 24))
        errors.append(transport.tick_at(t + round(i * 60 * S / 130 / 24)) - (base + i / 2))
    assert transport.tempo == pytest.approx(130.0, rel=1e-6)
    assert abs(errors[-1]) < 0.15
    assert abs(errors[-1]) < max(abs(e) for e in errors) / 10


def test_stop_goes_on_at_the_tempo_reached():
    transport = Transport(120.0, 0)
    _, t = drive(transport, 0, 90.0, 49)
    transport.clock_stop()
    assert transport.clock(t + 100 * MS) is False
    assert transport.tick_at(t + 2 * S) == pytest.approx(24 + 36.0, abs=1e-3)


def test_clocks_without_start_say_nothing():
    transport = Transport(120.0, 0)
    assert [transport.clock(i * 20 * MS) for i in range(50)] == [False] * 50
    assert (transport.tempo, transport.tick_at(S)) == (120.0, 24.0)


def test_which_clocks_move_the_grid():
    transport = Transport(120.0, 0)
    transport.clock_start(0, BAR)
    assert [i for i in range(73) if transport.clock(i * 20 * MS)] == [0, 6, 12, 24, 48, 72]
