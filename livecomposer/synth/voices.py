"""Pools of voices, made once: a note takes a free voice, sets its numbers and starts it with a single write.

Used by :class:`livecomposer.synth.sound.Sound` alone, from the thread that owns it. The audio thread runs beside it
without a lock, so everything here is one of two kinds: a number written into a ``Constant`` node, or the recording of
a voice that is silent. Nodes are never connected or disconnected while sound is running.

A voice is ``player(s) × Smooth(amp) → panner``. ``amp`` is both the level and the players' start signal: SignalFlow
starts a recording where its clock rises above zero, so one write opens the level and starts the sound in the same
block, and a rise from zero cannot be lost as long as ``amp`` stood at zero for a block before. ``Smooth`` is the
envelope: ``y += (1-k)(amp-y)``.
"""

import math
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Any, NamedTuple

from livecomposer.synth.timbres import Sample, Timbre

# A number set while block n is being computed is seen by block n + 1 at the latest. The block counter itself is a
# node of the same graph, computed before or after the voice: hence three blocks, not two.
EDGE_BLOCKS = 3
EDGE_AT_MOST_S = 0.5  # if the counter stands still, time decides: a note ends even then
FLOOR = 1e-6  # -120 dB: a held voice at volume 0 keeps amp above zero, or it would start anew when the volume returns
CUT_S = 0.0025  # time constant of a cut voice; 9 of them are -78 dB
STEAL_S = 0.001  # of a stolen one: its successor waits STEAL_TAIL of them, 6 ms (-52 dB)
STEAL_TAIL = 6.0
TAIL = 9.0  # time constants until a release counts as silence


class Now(NamedTuple):
    """A moment as voices count: seconds, and finished blocks of audio."""

    s: float
    blocks: int


class Phase(Enum):
    """Where a voice is in its life."""

    FREE = 0
    ON = 1  # key down, or a pedal holds it
    RELEASED = 2
    STOLEN = 3  # fading out; ``waiting`` starts when it is silent


@dataclass
class Channel:
    """What the controllers of one MIDI channel say; its voices read it whenever it changes."""

    timbre: str
    volume: int = 100
    expression: int = 127
    pan: float = 0.0  # -1 left .. 1 right
    bend: float = 1.0  # factor on the frequency
    sustain: bool = False
    sostenuto: bool = False
    soft: bool = False

    @property
    def gain(self) -> float:
        """Level of volume and expression together: 40·log10(value/127) dB each (General MIDI), 1 at the defaults."""
        return (self.volume / 100.0) ** 2 * (self.expression / 127.0) ** 2


class Start(NamedTuple):
    """Everything a voice needs in order to begin a note."""

    channel: Channel
    note: int
    sample: Sample
    speed: float  # of the recording, without bend
    strength: float  # level and brightness that the velocity gives
    bright: float


class Voice:
    """One voice and its nodes. ``signalflow`` is handed in, so that this module imports without it."""

    def __init__(self, signalflow: Any, timbre: Timbre, sample: Sample, buffers: list[Any], sample_rate: int) -> None:
        constant = signalflow.Constant
        self.timbre = timbre
        self.sample_rate = sample_rate
        self.amp = constant(0.0)
        self.k = constant(0.0)
        self.speed = constant(1.0)
        self.pan = constant(0.0)
        self.bright = constant(0.0)
        loop = constant(1.0 if timbre.loops else 0.0)
        # A Constant is computed once for each node that reads it, and from the second time on it shows no rise; the
        # node behind it is computed once a block.
        gate = signalflow.Abs(self.amp)
        self.players = [signalflow.BufferPlayer(buffer, self.speed, loop, None, None, gate) for buffer in buffers]
        source = self.players[0]
        if len(self.players) == 2:
            source = source + self.players[1] * self.bright
        place = signalflow.StereoBalance if sample.layers[0].shape[0] == 2 else signalflow.StereoPanner
        self.output = place(source * signalflow.Smooth(gate, self.k), self.pan)
        self.phase = Phase.FREE
        self.since = Now(0.0, 0)
        self.order = 0
        self.start: Start | None = None
        self.waiting: Start | None = None
        self.key_down = False
        self.sostenuto = False
        self.ending = False  # a note_off came before the first block was out
        self.tail_s = 0.0

    @property
    def sounding(self) -> Start | None:
        """The note that a note_off or a pedal would end: none once it is released."""
        if self.phase is Phase.ON:
            return self.start
        return self.waiting if self.phase is Phase.STOLEN else None

    @property
    def busy(self) -> bool:
        """Anything but free."""
        return self.phase is not Phase.FREE

    def belongs_to(self, channel: Channel) -> bool:
        """Whether it sounds, fades out or waits for ``channel``."""
        start = self.waiting or self.start
        return start is not None and start.channel is channel

    def place(self) -> None:
        """Send the channel's present pan."""
        if self.start is not None:
            self.pan.set_value(self.start.channel.pan)

    def _coefficient(self, time_constant_s: float) -> float:
        return math.exp(-1.0 / (time_constant_s * self.sample_rate))

    def level(self) -> None:
        """Send the channel's present gain to a voice that is on."""
        if self.phase is Phase.ON and self.start is not None:
            self.amp.set_value(max(self.timbre.level * self.start.strength * self.start.channel.gain, FLOOR))

    def tune(self) -> None:
        """Send the present bend."""
        if self.start is not None:
            self.speed.set_value(self.start.speed * self.start.channel.bend)

    def begin(self, start: Start, buffers: list[Any], now: Now) -> None:
        """Start a silent voice."""
        self.start = start
        for player, buffer in zip(self.players, buffers, strict=True):
            player.set_buffer("buffer", buffer)
        self.k.set_value(self._coefficient(self.timbre.attack_s))
        self.bright.set_value(start.bright)
        self.place()
        self.tune()
        self.phase = Phase.ON
        self.since = now
        self.level()

    def fade(self, phase: Phase, time_constant_s: float, now: Now, tails: float = TAIL) -> None:
        """Towards silence."""
        self.phase = phase
        self.since = now
        self.key_down = self.sostenuto = self.ending = False
        self.tail_s = tails * time_constant_s
        self.k.set_value(self._coefficient(time_constant_s))
        self.amp.set_value(0.0)

    def free(self) -> None:
        """Exactly silent from the next block on, and ready."""
        self.k.set_value(0.0)
        self.amp.set_value(0.0)
        self.phase = Phase.FREE
        self.start = self.waiting = None
        self.key_down = self.sostenuto = self.ending = False

    def length_s(self) -> float:
        """Until the recording is over, at its present speed; infinite when it loops."""
        if self.timbre.loops or self.start is None:
            return math.inf
        frames = self.start.sample.layers[0].shape[1]
        return frames / self.sample_rate / (self.start.speed * self.start.channel.bend)


class Pool:
    """The voices of one timbre."""

    def __init__(self, signalflow: Any, timbre: Timbre, samples: list[Sample], sample_rate: int, edge: int) -> None:
        self.timbre = timbre
        self.samples = samples
        self.edge = edge
        self._buffers: dict[int, list[Any]] = {}
        for sample in samples:
            self._buffers[sample.note] = [_buffer(signalflow, layer) for layer in sample.layers]
        first = self._buffers[samples[0].note]
        self.voices = [Voice(signalflow, timbre, samples[0], first, sample_rate) for _ in range(timbre.voices)]
        self._orders = count(1)

    def nearest(self, note: float) -> Sample:
        """The recording made closest to ``note``."""
        return min(self.samples, key=lambda sample: abs(sample.note - note))

    def begin(self, start: Start, now: Now) -> None:
        """Start a note: on a free voice at once, else on a stolen one as soon as that has faded."""
        voice = self._choose()
        voice.order = next(self._orders)
        if voice.phase is Phase.FREE:
            voice.begin(start, self._buffers[start.sample.note], now)
        else:
            if voice.phase is not Phase.STOLEN:
                voice.fade(Phase.STOLEN, STEAL_S, now, tails=STEAL_TAIL)
            voice.waiting = start
            voice.sostenuto = voice.ending = False
        voice.key_down = True

    def _choose(self) -> Voice:
        """Free, else released longest ago, else started longest ago; one already promised only if all are."""
        by_phase: dict[Phase, list[Voice]] = {phase: [] for phase in Phase}
        for voice in self.voices:
            by_phase[voice.phase].append(voice)
        if by_phase[Phase.FREE]:
            return by_phase[Phase.FREE][0]
        if by_phase[Phase.RELEASED]:
            return min(by_phase[Phase.RELEASED], key=lambda voice: voice.since.s)
        return min(by_phase[Phase.ON] or by_phase[Phase.STOLEN], key=lambda voice: voice.order)

    def end(self, voice: Voice, now: Now) -> None:
        """Release a voice, but not before its start has certainly been heard."""
        voice.key_down = voice.sostenuto = False
        if voice.phase is Phase.STOLEN or (voice.phase is Phase.ON and not self._edge_seen(voice, now)):
            voice.ending = True
        elif voice.phase is Phase.ON:
            voice.fade(Phase.RELEASED, self.timbre.release_s, now)

    def cut(self, voice: Voice, now: Now) -> None:
        """As good as at once; a note that is still waiting is dropped."""
        voice.waiting = None
        if voice.phase is not Phase.FREE:
            voice.fade(Phase.RELEASED, CUT_S, now)

    def tick(self, now: Now) -> bool:
        """Move every voice on that is due. True while one of them waits for a block to pass."""
        waiting = False
        for voice in self.voices:
            if voice.phase is Phase.FREE:
                continue
            elapsed = now.s - voice.since.s
            if voice.phase is Phase.ON:
                if voice.ending and self._edge_seen(voice, now):
                    voice.fade(Phase.RELEASED, self.timbre.release_s, now)
                elif elapsed > voice.length_s():
                    voice.fade(Phase.RELEASED, CUT_S, now)
                waiting = waiting or voice.ending
            elif elapsed >= voice.tail_s and self._edge_seen(voice, now):
                start, ending, key_down = voice.waiting, voice.ending, voice.key_down
                if voice.phase is Phase.STOLEN and start is not None:
                    voice.waiting = None
                    voice.begin(start, self._buffers[start.sample.note], now)
                    voice.ending, voice.key_down = ending, key_down
                    waiting = True
                else:
                    voice.free()
            else:
                waiting = waiting or voice.phase is Phase.STOLEN
        return waiting

    def _edge_seen(self, voice: Voice, now: Now) -> bool:
        return now.blocks - voice.since.blocks >= self.edge or now.s - voice.since.s > EDGE_AT_MOST_S


def _buffer(signalflow: Any, layer: Any) -> Any:
    made = signalflow.Buffer(layer.shape[0], layer.shape[1])
    for channel in range(layer.shape[0]):
        made.data[channel][:] = layer[channel]
    return made
