"""The built-in sound: a synthesiser of 16 MIDI channels on SignalFlow, live or into a buffer.

Owned by one thread (``process`` live, ``render`` offline), which calls ``handle`` for each message and ``tick`` about
once a millisecond; SignalFlow's own audio thread needs no GIL. SignalFlow allows one graph a process, hence one
``Sound`` a process at a time.
"""

import sys
from collections.abc import Mapping
from time import perf_counter
from types import TracebackType
from typing import Any

import numpy as np

from livecomposer.errors import PortError, PortNotFound
from livecomposer.quiet import hushed
from livecomposer.synth import jack
from livecomposer.synth.timbres import DRUM_CHANNEL, DRUMS, TIMBRES, Audio, Timbre, drum_of, for_program, hz_of, make
from livecomposer.synth.voices import EDGE_BLOCKS, Channel, Now, Pool, Start, Voice

DEFAULT_PROGRAMS: Mapping[int, int] = {0: 4, 1: 25}  # channel → General MIDI number: electric piano, steel guitar
DEFAULT_PROGRAM = 4
BEND_SEMITONES = 2.0
TREMOLO_HZ, TREMOLO_DEPTH = 4.6, 0.07  # of the electric piano, against each other left and right
KNEE, CEILING = 0.55, 0.98  # the master is straight up to the knee and never above the ceiling
CURVE_RANGE = 16.0  # sums above this are clipped hard: 32 voices at full velocity reach 7
OFFLINE_FRAMES = 512  # most frames computed in one go
# Buffers between a block computed and a block heard: the one being filled and the one being played.
BUFFERS = 2


class Sound:
    """A playing synthesiser.

    Parameters
    ----------
    backend : ``"auto"`` (JACK if it runs, then whatever the system prefers), a name SignalFlow knows (``"jack"``,
        ``"alsa"``, ``"pulseaudio"``, ``"coreaudio"``, ``"wasapi"``), ``"dummy"`` (real time, heard by nobody) or
        ``"offline"`` (no clock: only ``render`` moves it).
    device : the output device's name; empty for the system's own.
    sample_rate : Hz asked for; the device has the last word.
    block : frames a block asked for; the device has the last word.
    programs : channel (0-15) → General MIDI program (0-127), over ``DEFAULT_PROGRAMS``.

    Raises
    ------
    PortNotFound : no audio device opened. PortError: SignalFlow is missing, or a ``Sound`` is open already.
    """

    def __init__(
        self,
        *,
        backend: str = "auto",
        device: str = "",
        sample_rate: int = 48_000,
        block: int = 128,
        programs: Mapping[int, int] | None = None,
    ) -> None:
        self._signalflow = _import_signalflow()
        with hushed(1, 2):
            others = jack.outputs() if backend in ("auto", "jack") else frozenset()
        self._graph, self.backend = _open(self._signalflow, backend, device, sample_rate, block)
        self._live = self.backend != "offline"
        self._closed = False
        try:
            self._build(programs or {})
            if self._live:
                self._start(others)
        except BaseException:
            self.close()  # or no other could be opened in this process
            raise

    def _build(self, programs: Mapping[int, int]) -> None:
        self._frames = 0
        self._renders = 0
        self._buffers: dict[int, Any] = {}
        self.sample_rate = int(self._graph.sample_rate)
        self.block = int(self._graph.output_buffer_size)
        self._counter = self._signalflow.BlockCounter()
        self._pools = {
            name: Pool(self._signalflow, timbre, make(name, self.sample_rate), self.sample_rate, self._edge)
            for name, timbre in TIMBRES.items()
        }
        self._master = self._connect()
        chosen = {**DEFAULT_PROGRAMS, **programs}
        self._channels = [Channel(for_program(chosen.get(number, DEFAULT_PROGRAM))) for number in range(16)]
        self._channels[DRUM_CHANNEL].timbre = DRUMS
        self._last_block = (0, perf_counter())
        self.pending = False  # a voice waits for a block to pass: render takes small steps meanwhile

    def _start(self, others: frozenset[bytes]) -> None:
        """Only now, with every node in place: the audio thread takes no lock against those who add nodes."""
        try:
            with hushed(1, 2):
                self._graph.start()
                if self.backend == "jack":
                    jack.connect(others)
        except Exception as error:  # whatever a driver throws
            raise PortError(
                f"the audio device ({self.backend}) opened but does not start: {error}; choose another audio backend"
            ) from None

    @property
    def _edge(self) -> int:
        return EDGE_BLOCKS if self._live else 1

    def _connect(self) -> Any:
        """Voices → one bus a timbre → tremolo → sum → the master's curve → output. Once, before any sound."""
        signalflow = self._signalflow
        buses = []
        for name, pool in self._pools.items():
            bus = signalflow.Bus(2)
            for voice in pool.voices:
                bus.add_input(voice.output)
            if name == "piano":
                low = 1.0 - 2.0 * TREMOLO_DEPTH
                left, right = (signalflow.SineLFO(TREMOLO_HZ, low, 1.0, phase) for phase in (0.0, 0.5))
                buses.append(bus * signalflow.ChannelArray([left, right]))
            else:
                buses.append(bus)
        # The counter must be part of the graph in order to count, and must not be heard.
        mix = buses[0] + buses[1] + buses[2] + buses[3] + self._counter * 0.0
        curve = signalflow.WaveShaperBuffer(int(CURVE_RANGE * 1024) + 1)
        curve.data[0][:] = _curve(np.linspace(-CURVE_RANGE, CURVE_RANGE, curve.num_frames))
        shaped = signalflow.WaveShaper(signalflow.Clip(mix * (1.0 / CURVE_RANGE), -1.0, 1.0), curve)
        shaped.play()
        return shaped

    # ---- MIDI ----

    def handle(self, message: bytes) -> None:
        """Play one whole MIDI channel message; anything malformed, and anything else, is ignored."""
        if not message or not 0x80 <= message[0] < 0xF0:
            return
        kind, number = message[0] & 0xF0, message[0] & 0x0F
        if len(message) != (2 if kind in (0xC0, 0xD0) else 3) or max(message[1:]) > 127:
            return
        self.tick()
        now = self._now()
        if kind == 0x90 and message[2]:
            self._note_on(number, message[1], message[2], now)
        elif kind in (0x80, 0x90):
            self._note_off(number, message[1], now)
        elif kind == 0xB0:
            self._control(number, message[1], message[2], now)
        elif kind == 0xC0:
            if number != DRUM_CHANNEL:
                self._channels[number].timbre = for_program(message[1])
        elif kind == 0xE0:
            self._bend(number, message[1] | message[2] << 7)

    def _note_on(self, number: int, note: int, velocity: int, now: Now) -> None:
        channel = self._channels[number]
        pool = self._pools[channel.timbre]
        timbre = pool.timbre
        for voice in self._voices_of(channel):  # the same key again ends what it started
            if voice.sounding is not None and voice.sounding.note == note:
                self._pool_of(voice).end(voice, now)
        root, at = drum_of(note) if timbre.one_shot else (note, float(note))
        sample = pool.nearest(root)
        strength, bright = _touch(timbre, velocity, channel.soft)
        pool.begin(Start(channel, note, sample, hz_of(at) / sample.hz, strength, bright), now)

    def _note_off(self, number: int, note: int, now: Now) -> None:
        channel = self._channels[number]
        for voice in self._voices_of(channel):
            if voice.key_down and voice.sounding is not None and voice.sounding.note == note:
                voice.key_down = False
                self._let_go(voice, channel, now)

    def _let_go(self, voice: Voice, channel: Channel, now: Now) -> None:
        """End a voice unless a key or a pedal holds it, or it is a drum."""
        held = voice.key_down or channel.sustain or voice.sostenuto
        if not held and not voice.timbre.one_shot:
            self._pool_of(voice).end(voice, now)

    def _control(self, number: int, control: int, value: int, now: Now) -> None:
        channel = self._channels[number]
        voices = self._voices_of(channel)
        if control in (7, 11):
            if control == 7:
                channel.volume = value
            else:
                channel.expression = value
            for voice in voices:
                voice.level()
        elif control == 10:
            channel.pan = min(max((value - 64) / 63.0, -1.0), 1.0)
            for voice in voices:
                voice.place()
        elif control == 64:
            channel.sustain = value >= 64
            for voice in voices:
                self._let_go(voice, channel, now)
        elif control == 66:
            if (value >= 64) != channel.sostenuto:
                channel.sostenuto = value >= 64
                for voice in voices:
                    voice.sostenuto = channel.sostenuto and voice.key_down
                    self._let_go(voice, channel, now)
        elif control == 67:
            channel.soft = value >= 64
        elif control == 120:
            for voice in voices:
                self._pool_of(voice).cut(voice, now)
        elif control == 121:  # not volume, pan and program: General MIDI's recommended practice 015
            channel.expression, channel.bend, channel.soft = 127, 1.0, False
            channel.sustain = channel.sostenuto = False
            for voice in voices:
                voice.sostenuto = False
                voice.level()
                voice.tune()
                self._let_go(voice, channel, now)
        elif control >= 123:  # 124-127, the mode messages, mean all notes off as well
            for voice in voices:
                voice.key_down = False
                self._let_go(voice, channel, now)

    def _bend(self, number: int, value: int) -> None:
        channel = self._channels[number]
        channel.bend = 2.0 ** ((value - 8192) / 8192.0 * BEND_SEMITONES / 12.0)
        for voice in self._voices_of(channel):
            voice.tune()

    def silence(self) -> None:
        """All sound off on every channel, pedals up; silent within 25 ms and one buffer."""
        for number in range(16):
            self.handle(bytes((0xB0 | number, 121, 0)))
            self.handle(bytes((0xB0 | number, 120, 0)))

    def _voices_of(self, channel: Channel) -> list[Voice]:
        """Every voice that belongs to the channel, whatever timbre it began with."""
        return [voice for pool in self._pools.values() for voice in pool.voices if voice.belongs_to(channel)]

    def _pool_of(self, voice: Voice) -> Pool:
        return self._pools[voice.timbre.name]

    # ---- time ----

    def _now(self) -> Now:
        if self._live:
            return Now(perf_counter(), int(self._counter.value))
        return Now(self._frames / self.sample_rate, self._renders)

    def tick(self) -> None:
        """Move voices on that wait for time to pass; about every millisecond (20 µs when nothing sounds)."""
        now = self._now()
        self.pending = False
        for pool in self._pools.values():
            self.pending |= pool.tick(now)
        if now.blocks != self._last_block[0]:
            self._last_block = (now.blocks, now.s)

    @property
    def stalled_s(self) -> float:
        """Seconds since the device last took a block; above a second, it is gone. As of the last ``tick``."""
        return perf_counter() - self._last_block[1] if self._live else 0.0

    def render(self, frames: int) -> Audio:
        """The next ``frames`` frames as an array ``(2, frames)``; with backend ``"offline"`` only."""
        if self._live:
            raise PortError(f'the built-in sound plays on "{self.backend}"; open it with backend "offline" to render')
        parts = []
        while frames > 0:
            step = min(frames, 64 if self.pending else OFFLINE_FRAMES)
            if step not in self._buffers:
                self._buffers[step] = self._signalflow.Buffer(2, step)
            self._graph.render_to_buffer(self._buffers[step])
            parts.append(np.array(self._buffers[step].data))
            self._frames += step
            self._renders += 1
            frames -= step
            self.tick()
        return np.concatenate(parts, axis=1) if parts else np.zeros((2, 0), np.float32)

    # ---- facts ----

    @property
    def latency_s(self) -> float:
        """Estimate from ``handle`` to the loudspeaker: the block being filled and the one being played."""
        return BUFFERS * self.block / self.sample_rate if self._live else 0.0

    @property
    def sounding(self) -> int:
        """Voices that are not free."""
        return sum(voice.busy for pool in self._pools.values() for voice in pool.voices)

    @property
    def load(self) -> float:
        """Share of the audio thread's time that the last block took, 0..1."""
        return float(self._graph.cpu_usage)

    def close(self) -> None:
        """Fall silent and give the device back. May be called twice."""
        if not self._closed:
            self._closed = True
            with hushed(1, 2):
                self._graph.destroy()

    def __enter__(self) -> "Sound":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _touch(timbre: Timbre, velocity: int, soft: bool) -> tuple[float, float]:
    """Velocity (and the soft pedal) → level 0..1 and share of the bright layer 0..1."""
    share = velocity / 127.0 * (0.75 if soft else 1.0)
    return share**timbre.loudness, share**timbre.brightness


def _curve(x: np.ndarray) -> np.ndarray:
    """Straight to the knee, then ``knee + room·tanh((x - knee)/room)``, which never passes the ceiling."""
    room = CEILING - KNEE
    size = np.abs(x)
    return np.where(size < KNEE, x, np.sign(x) * (KNEE + room * np.tanh((size - KNEE) / room)))


def _import_signalflow() -> Any:
    try:
        import signalflow  # a C++ library, wanted only where sound is made
    except Exception as error:  # an unusable wheel raises more than ImportError
        raise PortError(
            f"the built-in sound needs SignalFlow, which cannot be loaded ({error}); "
            "run `pip install signalflow`, or play on a MIDI synth"
        ) from None
    return signalflow


def _open(signalflow: Any, backend: str, device: str, sample_rate: int, block: int) -> tuple[Any, str]:
    """An audio graph on the first backend that opens, and that backend's name."""
    if signalflow.AudioGraph.get_shared_graph() is not None:  # a second one would silently be the first
        raise PortError(
            "the built-in sound is already open in this process, which can hold one only; close that one first"
        )
    if backend == "auto":
        # JACK (also PipeWire's) has the shortest buffers where it runs; it is not started for us where it does not.
        tried = ["jack", ""] if sys.platform.startswith("linux") else [""]
    else:
        tried = [{"dummy": "null"}.get(backend, backend)]
    reasons = []
    for name in tried:
        try:
            with hushed(1, 2):
                graph = _graph(signalflow, name, device, sample_rate, block)
        except Exception as error:  # AudioIOException, DeviceNotFoundException and whatever a driver throws
            reasons.append(f"{name or 'default'}: {error}")
            continue
        return graph, {"null": "dummy", "": "default"}.get(name, name)
    wanted = f'audio device "{device}"' if device else "audio device"
    raise PortNotFound(
        f"no {wanted} opened ({'; '.join(reasons)}); "
        "connect or switch on a sound card, choose another audio backend, or play on a MIDI synth"
    )


def _graph(signalflow: Any, backend: str, device: str, sample_rate: int, block: int) -> Any:
    config = signalflow.AudioGraphConfig()
    config.sample_rate = sample_rate
    if backend == "offline":
        config.output_buffer_size = OFFLINE_FRAMES
        output = signalflow.AudioOut_Dummy(2, sample_rate, OFFLINE_FRAMES)
        return signalflow.AudioGraph(config=config, output_device=output, start=False)
    config.output_buffer_size = block
    output = signalflow.AudioOut(backend_name=backend, device_name=device, sample_rate=sample_rate, buffer_size=block)
    return signalflow.AudioGraph(config=config, output_device=output, start=False)
