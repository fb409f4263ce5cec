"""The built-in sound, offline. One graph a process: the module shares one Sound, and each test leaves it silent."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("signalflow", reason="SignalFlow has no wheel for this platform")

from livecomposer.errors import PortError, PortNotFound
from livecomposer.synth.sound import CEILING, Sound
from livecomposer.synth.timbres import DRUMS, PAD, PIANO, PLUCK, TIMBRES, drum_of, for_program, hz_of

RATE = 48_000
PITCHED = {PIANO: (0, 4), PLUCK: (1, 25), PAD: (2, 89)}  # timbre → channel, program


@pytest.fixture(scope="module")
def _shared() -> Iterator[Sound]:
    with Sound(backend="offline", sample_rate=RATE) as sound:
        yield sound


@pytest.fixture
def sound(_shared: Sound) -> Sound:
    """Silent, with the defaults of the first moment and the pad on channel 3."""
    _shared.silence()
    for channel in range(16):
        for control, value in ((7, 100), (10, 64)):
            _shared.handle(bytes((0xB0 | channel, control, value)))
        program = {1: 25, 2: 89}.get(channel, 4)
        _shared.handle(bytes((0xC0 | channel, program)))
    _shared.render(RATE // 4)
    assert _shared.sounding == 0
    return _shared


def on(sound: Sound, note: int, velocity: int = 100, channel: int = 0) -> None:
    sound.handle(bytes((0x90 | channel, note, velocity)))


def off(sound: Sound, note: int, channel: int = 0) -> None:
    sound.handle(bytes((0x80 | channel, note, 64)))


def control(sound: Sound, number: int, value: int, channel: int = 0) -> None:
    sound.handle(bytes((0xB0 | channel, number, value)))


def rms(audio: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))


def pitch_hz(audio: np.ndarray, about_hz: float) -> float:
    """The strongest partial within a fifth of ``about_hz``, by a parabola through the log spectrum."""
    mono = audio.mean(axis=0, dtype=np.float64)
    size = 4 * len(mono)
    power = np.abs(np.fft.rfft(mono * np.hanning(len(mono)), size))
    low, high = (int(about_hz * factor * size / RATE) for factor in (0.67, 1.5))
    at = low + int(power[low:high].argmax())
    a, b, c = np.log(power[at - 1 : at + 2])
    return (at + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / size


def centroid_hz(audio: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(audio.mean(axis=0, dtype=np.float64))) ** 2
    return float((power * np.fft.rfftfreq(audio.shape[1], 1 / RATE)).sum() / power.sum())


def onset_frame(audio: np.ndarray, threshold: float = 1e-4) -> int:
    return int(np.argmax(np.abs(audio).max(axis=0) > threshold))


@pytest.mark.parametrize("timbre", PITCHED)
@pytest.mark.parametrize("note", [28, 45, 60, 73, 90, 105])
def test_each_timbre_sounds_at_the_right_pitch(sound: Sound, timbre: str, note: int) -> None:
    on(sound, note, 100, PITCHED[timbre][0])
    audio = sound.render(RATE)
    assert rms(audio[:, : RATE // 2]) > 0.004
    cents = 1200 * np.log2(pitch_hz(audio, hz_of(note)) / hz_of(note))
    assert abs(cents) < 20
    assert abs(audio.mean(axis=1)).max() < 1e-3  # no direct current


@pytest.mark.parametrize("timbre", PITCHED)
def test_a_harder_blow_is_louder(sound: Sound, timbre: str) -> None:
    levels = []
    for velocity in (20, 50, 80, 127):
        on(sound, 60, velocity, PITCHED[timbre][0])
        levels.append(rms(sound.render(RATE // 4)))
        off(sound, 60, PITCHED[timbre][0])
        sound.render(2 * RATE)
    assert levels == sorted(levels)
    assert levels[-1] > 4 * levels[0]


@pytest.mark.parametrize("timbre", [PIANO, PLUCK])
def test_a_harder_blow_is_brighter(sound: Sound, timbre: str) -> None:
    found = []
    for velocity in (30, 120):
        on(sound, 60, velocity, PITCHED[timbre][0])
        found.append(centroid_hz(sound.render(RATE // 5)))
        off(sound, 60, PITCHED[timbre][0])
        sound.render(RATE)
    assert found[1] > 1.1 * found[0]


def test_the_soft_pedal_softens(sound: Sound) -> None:
    levels = []
    for pedal in (0, 127):
        control(sound, 67, pedal)
        on(sound, 60)
        levels.append(rms(sound.render(RATE // 4)))
        off(sound, 60)
        sound.render(RATE)
    assert levels[1] < 0.8 * levels[0]


@pytest.mark.parametrize(("timbre", "at_most_ms"), [(PIANO, 5.0), (PLUCK, 5.0), (PAD, 110.0)])
def test_attack(sound: Sound, timbre: str, at_most_ms: float) -> None:
    on(sound, 69, 100, PITCHED[timbre][0])
    mono = sound.render(RATE // 4).mean(axis=0, dtype=np.float64)
    level = np.sqrt(np.convolve(mono**2, np.ones(218) / 218)[: len(mono)])  # two periods of A4
    attack_ms = float(np.argmax(level > 0.7 * level.max())) / RATE * 1000 - 218 / RATE * 500
    assert attack_ms < at_most_ms
    assert onset_frame(mono[np.newaxis, :]) < 96  # 2 ms


def test_a_pad_lasts_and_a_string_dies(sound: Sound) -> None:
    on(sound, 60, 100, 2)
    assert rms(sound.render(8 * RATE)[:, -RATE:]) > 0.01
    sound.silence()
    sound.render(RATE)
    on(sound, 72, 100, 1)
    assert rms(sound.render(8 * RATE)[:, -RATE:]) == 0.0
    assert sound.sounding == 0  # its voice is free although the key is still down
    off(sound, 72, 1)


def test_a_pad_has_no_seam(sound: Sound) -> None:
    on(sound, 50, 100, 2)
    sound.render(RATE)
    curvature = np.abs(np.diff(sound.render(6 * RATE), 2, axis=1)).max(axis=0)
    assert curvature.max() < 3 * np.quantile(curvature, 0.999)


@pytest.mark.parametrize("timbre", PITCHED)
def test_silence_after_note_off(sound: Sound, timbre: str) -> None:
    channel = PITCHED[timbre][0]
    on(sound, 64, 127, channel)
    sound.render(RATE // 2)
    off(sound, 64, channel)
    sound.render(int(RATE * 10 * TIMBRES[timbre].release_s))
    assert rms(sound.render(RATE // 10)) == 0.0
    assert sound.sounding == 0


def test_note_on_with_velocity_0_is_a_note_off(sound: Sound) -> None:
    on(sound, 64)
    sound.render(4800)
    on(sound, 64, 0)
    sound.render(RATE)
    assert sound.sounding == 0


def test_on_and_off_in_one_block_sounds_and_ends(sound: Sound) -> None:
    on(sound, 60)
    off(sound, 60)
    assert rms(sound.render(4800)) > 1e-4
    sound.render(RATE)
    assert sound.sounding == 0
    assert rms(sound.render(4800)) == 0.0


def test_all_sound_off_is_quick(sound: Sound) -> None:
    control(sound, 64, 127, 2)
    for note in range(40, 70, 3):
        on(sound, note, 127, 2)
    sound.render(RATE)
    control(sound, 120, 0, 2)
    audio = sound.render(RATE // 5)
    assert np.abs(audio[:, int(0.05 * RATE) :]).max() == 0.0


def test_all_sound_off_leaves_other_channels(sound: Sound) -> None:
    on(sound, 60, 100, 0)
    on(sound, 67, 100, 2)
    sound.render(4800)
    control(sound, 120, 0, 0)
    sound.render(4800)
    assert sound.sounding == 1


def test_all_notes_off_respects_the_pedal(sound: Sound) -> None:
    control(sound, 64, 127)
    on(sound, 60)
    sound.render(4800)
    control(sound, 123, 0)
    assert rms(sound.render(RATE)[:, -4800:]) > 1e-3
    control(sound, 64, 0)
    sound.render(RATE)
    assert sound.sounding == 0


def test_sustain_holds_and_releases(sound: Sound) -> None:
    control(sound, 64, 64)
    on(sound, 60)
    sound.render(4800)
    off(sound, 60)
    assert rms(sound.render(RATE)[:, -4800:]) > 1e-3
    on(sound, 67)
    sound.render(4800)
    control(sound, 64, 63)
    sound.render(RATE)
    assert sound.sounding == 1  # the key that is still down
    off(sound, 67)
    sound.render(RATE)
    assert sound.sounding == 0


def test_sostenuto_holds_only_what_was_down(sound: Sound) -> None:
    on(sound, 60)
    sound.render(480)
    control(sound, 66, 127)
    on(sound, 67)
    sound.render(480)
    off(sound, 60)
    off(sound, 67)
    sound.render(RATE)
    assert sound.sounding == 1
    control(sound, 66, 0)
    sound.render(RATE)
    assert sound.sounding == 0


def test_reset_controllers_lifts_pedals_and_bend(sound: Sound) -> None:
    control(sound, 64, 127)
    sound.handle(b"\xe0\x7f\x7f")
    on(sound, 69)
    sound.render(4800)
    off(sound, 69)
    control(sound, 121, 0)
    sound.render(RATE)
    assert sound.sounding == 0
    on(sound, 69)
    assert pitch_hz(sound.render(RATE), 440) == pytest.approx(440, rel=0.005)


def test_volume_expression_and_pan(sound: Sound) -> None:
    on(sound, 60, 100, 2)
    sound.render(RATE // 2)
    loud = rms(sound.render(RATE // 2))
    control(sound, 11, 64, 2)
    sound.render(RATE // 2)
    assert rms(sound.render(RATE // 2)) == pytest.approx(loud * (64 / 127) ** 2, rel=0.3)
    control(sound, 7, 0, 2)
    sound.render(RATE)
    assert rms(sound.render(4800)) < 1e-5
    control(sound, 7, 100, 2)
    control(sound, 11, 127, 2)
    sound.render(RATE // 2)
    assert rms(sound.render(RATE // 2)) == pytest.approx(loud, rel=0.3)  # it was held all the while
    control(sound, 10, 0, 2)
    sound.render(4800)
    left, right = sound.render(4800)
    assert rms(right) < 0.02 * rms(left)


@pytest.mark.parametrize(("value", "semitones"), [(0, -2), (8192, 0), (16383, 2)])
def test_pitch_bend(sound: Sound, value: int, semitones: int) -> None:
    on(sound, 69)
    sound.handle(bytes((0xE0, value & 127, value >> 7)))
    sound.render(480)
    wanted = hz_of(69 + semitones)
    assert abs(1200 * np.log2(pitch_hz(sound.render(RATE), wanted) / wanted)) < 5


def test_a_program_change_takes_the_next_note_and_leaves_the_sounding_one(sound: Sound) -> None:
    on(sound, 60, 100, 5)
    sound.render(4800)
    sound.handle(b"\xc5\x59")
    on(sound, 67, 100, 5)
    sound.render(4800)
    assert sound.sounding == 2
    off(sound, 60, 5)
    off(sound, 67, 5)
    sound.render(3 * RATE)
    assert sound.sounding == 0


def test_programs_map_to_the_nearest_timbre() -> None:
    assert [for_program(n) for n in (0, 7, 24, 33, 47, 48, 55, 88, 95)] == [PIANO] * 2 + [PLUCK] * 3 + [PAD] * 4
    assert {for_program(n) for n in range(128)} == {PIANO, PLUCK, PAD}


@pytest.mark.parametrize("note", [36, 38, 42, 46, 47, 49, 76, 77, 100])
def test_drums_strike_and_end_by_themselves(sound: Sound, note: int) -> None:
    on(sound, note, 110, 9)
    off(sound, note, 9)
    audio = sound.render(3 * RATE)
    assert rms(audio[:, :2400]) > 0.005
    assert onset_frame(audio) < 96
    assert sound.sounding == 0


def test_every_drum_key_has_a_sound() -> None:
    assert all(drum_of(note)[0] in (36, 38, 42, 46, 47, 49, 76, 77) for note in range(128))
    assert TIMBRES[DRUMS].one_shot


@pytest.mark.parametrize(
    "message",
    ["", "90", "903c", "3c64", "903c6400", "908064", "903cff", "f8", "f001f7", "c080", "b07b"],
)
def test_malformed_messages_are_ignored(sound: Sound, message: str) -> None:
    sound.handle(bytes.fromhex(message))
    assert sound.sounding == 0


def test_the_same_key_twice_ends_with_one_note_off(sound: Sound) -> None:
    on(sound, 60)
    sound.render(4800)
    on(sound, 60)
    sound.render(4800)
    off(sound, 60)
    sound.render(RATE)
    assert sound.sounding == 0


def test_32_voices_at_full_velocity_stay_below_1(sound: Sound) -> None:
    for channel in range(3):
        for note in range(11):
            on(sound, 36 + 4 * note, 127, channel)
    audio = sound.render(RATE)
    assert np.abs(audio).max() <= CEILING
    assert np.abs(audio).max() > 0.6


@pytest.mark.parametrize("timbre", PITCHED)
def test_a_stolen_voice_neither_clicks_nor_sticks(sound: Sound, timbre: str) -> None:
    channel = PITCHED[timbre][0]
    count = TIMBRES[timbre].voices
    notes = range(30, 30 + count)
    for note in notes:
        on(sound, note, 60, channel)
    sound.render(RATE)
    on(sound, 90, 1, channel)  # so soft that what is heard is the steal
    steal = sound.render(int(0.02 * RATE))
    assert sound.sounding == count
    after = sound.render(RATE // 10)
    # A hard cut of one voice among these steps by its level, 0.02 and more.
    assert np.abs(np.diff(steal, axis=1)).max() < 1.5 * np.abs(np.diff(after, axis=1)).max() + 0.002
    for note in (*notes, 90):
        off(sound, note, channel)
    sound.render(3 * RATE)
    assert sound.sounding == 0


def test_a_chord_larger_than_the_pool_plays_its_latest_notes_and_ends(sound: Sound) -> None:
    for note in range(20, 100):
        on(sound, note)
    sound.render(4800)
    for note in range(20, 100):
        off(sound, note)
    sound.render(2 * RATE)
    assert sound.sounding == 0


def test_a_stolen_voice_whose_successor_has_already_ended_plays_it_and_ends(sound: Sound) -> None:
    for note in range(30, 30 + TIMBRES[PIANO].voices):
        on(sound, note)
    sound.render(4800)
    on(sound, 90)
    off(sound, 90)
    sound.render(2400)
    sound.silence()
    sound.render(4800)
    assert sound.sounding == 0


def test_onset_is_in_the_frame_it_is_due(sound: Sound) -> None:
    sound.render(1000)
    on(sound, 69, 127)
    assert onset_frame(sound.render(4800)) < 48  # 1 ms of attack


_event = st.one_of(
    st.tuples(st.just(0x90), st.integers(0, 127), st.integers(0, 127)),
    st.tuples(st.just(0x80), st.integers(0, 127), st.integers(0, 127)),
    st.tuples(st.just(0xB0), st.sampled_from((1, 7, 10, 11, 64, 66, 67, 120, 121, 123, 127)), st.integers(0, 127)),
    st.tuples(st.just(0xE0), st.integers(0, 127), st.integers(0, 127)),
)
_sequence = st.lists(
    st.tuples(_event, st.sampled_from((0, 1, 2, 9)), st.sampled_from((0, 0, 0, 1, 64, 500, 3000))), max_size=60
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_sequence)
def test_whatever_is_played_pedals_up_and_note_offs_end_it(_shared: Sound, sequence: list) -> None:
    sound = _shared
    for (status, first, second), channel, frames in sequence:
        sound.handle(bytes((status | channel, first, second)))
        sound.render(frames)
    for channel in (0, 1, 2, 9):
        control(sound, 64, 0, channel)
        control(sound, 66, 0, channel)
        for note in range(128):
            off(sound, note, channel)
    sound.render(4 * RATE)
    assert sound.sounding == 0
    assert rms(sound.render(480)) == 0.0


def test_200_random_notes_end(sound: Sound) -> None:
    rng = np.random.default_rng(3)
    control(sound, 64, 127)
    for _ in range(200):
        note, channel = int(rng.integers(21, 109)), int(rng.integers(0, 3))
        on(sound, note, int(rng.integers(1, 128)), channel)
        sound.render(int(rng.integers(0, 2000)))
        if rng.random() < 0.7:
            off(sound, note, channel)
    for channel in range(3):
        control(sound, 64, 0, channel)
        for note in range(128):
            off(sound, note, channel)
    sound.render(4 * RATE)
    assert sound.sounding == 0
    assert rms(sound.render(480)) == 0.0


def test_a_second_sound_in_one_process_is_refused_in_words(sound: Sound) -> None:
    with pytest.raises(PortError, match="already open in this process"):
        Sound(backend="offline")
    on(sound, 60)
    assert rms(sound.render(4800)) > 0  # and the first one plays on


def test_port_not_found_is_a_port_error() -> None:
    assert issubclass(PortNotFound, PortError)
