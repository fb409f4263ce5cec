"""What the built-in sounds are made of: short recordings computed once at start, as sums of decaying sinusoids.

Called by :mod:`livecomposer.synth.sound` while it opens, never while it plays. Playing a computed recording costs a
voice 2 µs a block, synthesising the same partials live 5 µs and more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]  # (channels, frames)

ROOT_STEP = 5  # semitones between recordings: none is played more than three semitones from where it was made
LOWEST, HIGHEST = 23, 108
LOOP_S = 3.0  # the pad repeats; all its partials fit into the loop a whole number of times
CEILING_HZ = 14_000.0
DB60 = 6.908  # time constants in 60 dB

PIANO, PLUCK, PAD, DRUMS = "piano", "pluck", "pad", "drums"
DRUM_CHANNEL = 9


@dataclass(frozen=True)
class Timbre:
    """How one kind of voice is played. Times are time constants of an exponential approach, in seconds."""

    name: str
    voices: int  # size of the pool
    level: float  # peak of one note at velocity 127 and full volume, before the master's curve
    attack_s: float
    release_s: float
    loudness: float  # exponent: velocity to level
    brightness: float  # exponent: velocity to the share of the bright layer
    loops: bool = False
    one_shot: bool = False  # note_off is ignored: a drum


class Sample(NamedTuple):
    """One recording. ``layers[0]`` sounds always, ``layers[1]``, where there is one, with the velocity."""

    note: int
    hz: float
    layers: tuple[Audio, ...]


TIMBRES: Mapping[str, Timbre] = MappingProxyType(
    {
        PIANO: Timbre(PIANO, 20, 0.46, 0.0007, 0.070, 1.4, 1.5),
        PLUCK: Timbre(PLUCK, 12, 0.50, 0.0004, 0.060, 1.3, 1.2),
        PAD: Timbre(PAD, 10, 0.26, 0.035, 0.220, 1.0, 1.0, loops=True),
        DRUMS: Timbre(DRUMS, 6, 0.38, 0.0003, 0.050, 1.3, 1.0, one_shot=True),
    }
)

# First program of each run of General MIDI numbers (0-127) → the timbre nearest to it. Whatever is blown, bowed or
# held sustains, so it becomes the pad; 40-47 are strings that are also plucked (pizzicato, harp).
_PROGRAMS = ((0, PIANO), (16, PAD), (24, PLUCK), (48, PAD), (104, PLUCK), (109, PAD), (112, PLUCK), (119, PAD))


def for_program(program: int) -> str:
    """The name of the timbre nearest to a General MIDI program number (0-127)."""
    return [name for first, name in _PROGRAMS if first <= program][-1]


def hz_of(note: float) -> float:
    """Equal temperament, A4 (69) = 440 Hz."""
    return float(440.0 * 2.0 ** ((note - 69.0) / 12.0))


def make(name: str, sample_rate: int) -> list[Sample]:
    """The recordings of one timbre, lowest note first.

    Parameters
    ----------
    name : one of ``piano``, ``pluck``, ``pad``, ``drums``.
    sample_rate : Hz; partials above ``CEILING_HZ`` or 0.42 of it are left out, so transposing up does not alias.

    Returns
    -------
    One ``Sample`` per root note (drums: per drum); peaks of the layers played together are at most 1.
    """
    if name == DRUMS:
        return [Sample(note, hz_of(note), (_drum(kind, sample_rate),)) for note, kind in sorted(_DRUM_ROOTS.items())]
    maker = {PIANO: _piano, PLUCK: _pluck, PAD: _pad}[name]
    return [maker(note, sample_rate) for note in range(LOWEST, HIGHEST + ROOT_STEP, ROOT_STEP)]


def partials(
    hz: NDArray[np.floating[Any]],
    amplitude: NDArray[np.floating[Any]],
    decay_s: NDArray[np.floating[Any]],
    seconds: float,
    sample_rate: int,
) -> NDArray[np.float32]:
    """Sum of ``amplitude·exp(-t/decay_s)·sin(2π·hz·t)``: one matrix product instead of a loop over samples.

    With ``z = exp(-1/(decay·rate) + 2πi·hz/rate)`` frame ``b·L + k`` is ``Im Σ a·z^(bL)·z^k``.
    """
    keep = (hz < min(CEILING_HZ, 0.42 * sample_rate)) & (amplitude != 0.0)
    exponent = (-1.0 / decay_s[keep] + 2j * np.pi * hz[keep]) / sample_rate
    frames = int(seconds * sample_rate)
    step = int(np.sqrt(frames)) + 1
    rows = np.exp(np.outer(np.arange(step) * step, exponent)) * amplitude[keep]
    columns = np.exp(np.outer(exponent, np.arange(step)))
    wave = (rows.astype(np.complex64) @ columns.astype(np.complex64)).imag
    return np.ascontiguousarray(wave.reshape(-1)[:frames])


def _fade(wave: NDArray[np.float32], share: float) -> Audio:
    """The last ``share`` falls to zero along a half cosine, so that no recording ends in a step."""
    count = max(int(len(wave) * share), 1)
    wave[-count:] *= (0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, count))).astype(np.float32)
    return wave[np.newaxis, :]


def _together(note: int, layers: tuple[Audio, ...]) -> Sample:
    """Scaled so that both layers at full strength peak at 1."""
    longest = np.zeros(max(layer.shape[1] for layer in layers), np.float32)
    for layer in layers:
        longest[: layer.shape[1]] += layer[0]
    scale = np.float32(1.0 / np.abs(longest).max())
    return Sample(note, hz_of(note), tuple(layer * scale for layer in layers))


def _piano(note: int, sample_rate: int) -> Sample:
    """A tine and its tone bar: few harmonics that last, a bark that depends on the blow, two beam modes that ring.

    6.27 and 17.55 are the second and third modes of a clamped bar (Fletcher & Rossing 1998, §2.15).
    """
    hz = hz_of(note)
    t60 = 14.0 * 2.0 ** (-(note - 21) / 32.0)
    order = np.arange(1, 7)
    body = partials(
        hz * order,
        np.array([1.0, 0.30, 0.10, 0.045, 0.02, 0.01]),
        t60 / DB60 / np.array([1.0, 1.5, 2.2, 3.0, 3.8, 4.6]),
        min(0.75 * t60, 5.0),
        sample_rate,
    )
    order = np.arange(2, 14)
    # The bark: even harmonics first, as where the tine swings past the middle of its pickup.
    bark = 0.42 * np.exp(-0.33 * (order - 2)) * np.where(order % 2 == 0, 1.0, 0.55)
    bark_decay = (0.16 * t60 / DB60) * (2.0 / order) ** 0.8 * 1.6
    thump = np.array([95.0, 190.0, 410.0])
    bright = partials(
        np.concatenate((hz * order, hz * np.array([6.27, 17.55]), thump)),
        np.concatenate((bark, np.array([0.16, 0.06]), np.array([0.05, 0.04, 0.03]))),
        np.concatenate((bark_decay, np.array([0.11, 0.05]), np.array([0.012, 0.010, 0.006]))),
        min(0.5 * t60, 2.5),
        sample_rate,
    )
    return _together(note, (_fade(body, 0.3), _fade(bright, 0.3)))


def _pluck(note: int, sample_rate: int) -> Sample:
    """A string plucked at 0.17 of its length: amplitude ``sin(nπ·0.17)/n`` (bridge force), high partials die first."""
    hz = hz_of(note)
    t60 = 9.0 * 2.0 ** (-(note - 28) / 28.0) + 0.35
    order = np.arange(1, 46)
    stiff = hz * order * np.sqrt(1.0 + 6e-5 * order**2)
    amplitude = np.sin(np.pi * 0.17 * order) / order
    decay = t60 / DB60 / (1.0 + 0.10 * (order - 1) + 0.012 * (order - 1) ** 2)
    dark = np.exp(-0.30 * (order - 1))
    # Two directions of swing, 0.35 Hz apart and one dying sooner: the slow beat of a real string.
    body = partials(
        np.concatenate((stiff, stiff + 0.35)),
        np.concatenate((0.7 * amplitude * dark, 0.3 * amplitude * dark)),
        np.concatenate((decay, 0.6 * decay)),
        min(0.8 * t60, 4.0),
        sample_rate,
    )
    wood = np.array([104.0, 208.0, 395.0])
    bright = partials(
        np.concatenate((stiff, wood)),
        np.concatenate((amplitude * (1.0 - dark) * 1.3, np.array([0.06, 0.05, 0.03]))),
        np.concatenate((0.8 * decay, np.array([0.045, 0.035, 0.02]))),
        min(0.5 * t60, 2.0),
        sample_rate,
    )
    return _together(note, (_fade(body, 0.3), _fade(bright, 0.3)))


def _pad(note: int, sample_rate: int) -> Sample:
    """Each harmonic three times, a few cents apart and differently left and right, in a loop without a seam.

    Every partial fits the loop a whole number of times and starts as plus or minus a cosine: there its slope is zero,
    so the fraction of a frame that the player drops when it wraps is not heard (as sines it clicked at -44 dB).
    """
    frames = int(LOOP_S * sample_rate)
    cycles = max(round(hz_of(note) * LOOP_S), 1)
    rng = np.random.default_rng(note)
    bins = np.zeros((2, frames // 2 + 1), np.complex64)
    for order in range(1, 15):
        centre = cycles * order
        if centre / LOOP_S > min(6_000.0, 0.4 * sample_rate):
            break
        strength = order**-0.9 * np.exp(-((centre / LOOP_S) / 2_600.0)) * (1.0 if order < 3 or order % 2 else 0.7)
        spread = max(round(centre * 0.0024), 1)  # ±4 cents
        for channel in range(2):
            bins[channel, centre] += strength * (1.0 if order == 1 else rng.choice((-1.0, 1.0)))
            for side in (-spread, spread):
                sign = 1.0 if order == 1 else rng.choice((-1.0, 1.0))
                bins[channel, centre + side + channel] += 0.3 * strength * sign
    wave = np.fft.irfft(bins, frames, axis=1)
    wave /= np.sqrt((wave**2).mean()) * 3.0  # equal loudness, not equal peaks: chorusing has high peaks
    return Sample(note, cycles / LOOP_S, (wave.astype(np.float32),))


def _drum(kind: str, sample_rate: int) -> Audio:
    """One stroke of the small kit; noise is fixed, so that two renders are the same bytes."""
    rng = np.random.default_rng(1)

    def ring(hz: list[float], amplitude: list[float], decay_s: list[float], seconds: float) -> NDArray[np.float32]:
        return partials(np.array(hz), np.array(amplitude), np.array(decay_s), seconds, sample_rate)

    def hiss(low_hz: float, decay_s: float, seconds: float) -> NDArray[np.float32]:
        frames = int(seconds * sample_rate)
        spectrum = np.fft.rfft(rng.standard_normal(frames))
        at = np.fft.rfftfreq(frames, 1.0 / sample_rate)
        spectrum *= at**4 / (at**4 + low_hz**4)
        wave = np.fft.irfft(spectrum, frames) * np.exp(-np.arange(frames) / (decay_s * sample_rate))
        return (0.3 * wave / np.sqrt((wave[: frames // 8] ** 2).mean())).astype(np.float32)

    def drop(high_hz: float, low_hz: float, decay_s: float, seconds: float) -> NDArray[np.float32]:
        t = np.arange(int(seconds * sample_rate)) / sample_rate
        phase = low_hz * t + (high_hz - low_hz) * 0.035 * (1.0 - np.exp(-t / 0.035))
        return (np.sin(2.0 * np.pi * phase) * np.exp(-t / decay_s)).astype(np.float32)

    if kind == "kick":
        wave = drop(170.0, 48.0, 0.11, 0.5) + 0.25 * ring([1800.0], [1.0], [0.003], 0.5)
    elif kind == "snare":
        wave = 0.6 * hiss(1400.0, 0.06, 0.35) + 0.7 * drop(260.0, 185.0, 0.05, 0.35)
    elif kind == "tom":
        wave = drop(210.0, 120.0, 0.16, 0.7)
    elif kind == "hat":
        wave = hiss(7000.0, 0.022, 0.15)
    elif kind == "open hat":
        wave = hiss(6500.0, 0.16, 0.7)
    elif kind == "cymbal":
        wave = hiss(4000.0, 0.5, 1.8)
    else:  # a woodblock: two hollow modes and the knock
        high = 1.0 if kind == "high block" else 0.75
        wave = ring([1150.0 * high, 2010.0 * high, 3400.0 * high], [1.0, 0.55, 0.3], [0.022, 0.013, 0.004], 0.18)
    wave /= np.abs(wave).max()
    return _fade(wave, 0.2)


_DRUM_ROOTS = {
    36: "kick",
    38: "snare",
    42: "hat",
    46: "open hat",
    47: "tom",
    49: "cymbal",
    76: "high block",
    77: "low block",
}
_DRUM_KEYS = {35: 36, 40: 38, 37: 76, 39: 38, 44: 42, 41: 47, 43: 47, 45: 47, 48: 47, 50: 47}
_DRUM_KEYS |= dict.fromkeys((51, 52, 53, 55, 57, 59), 49)


def drum_of(note: int) -> tuple[int, float]:
    """For a key of the drum channel: the root note of the recording, and the key it is to be played at.

    Toms are tuned by their key, everything else sounds as it was made; a key outside the kit is a woodblock.
    """
    root = note if note in _DRUM_ROOTS else _DRUM_KEYS.get(note, 76 if note % 2 else 77)
    return root, float(note) if root == 47 else float(root)
