"""What is heard of the player: where and how densely they play, their key, their chords, and the call to answer.

``Performance`` feeds it in its slack, but for ``struck``, which is hot. Nothing here sounds.
"""

import numpy as np

from livecomposer.instrument.call import Call
from livecomposer.music.actions import Ladder
from livecomposer.music.chart import Chart, parse_changes
from livecomposer.music.context import (
    CHORD_BITS,
    CHORD_END,
    CHORD_ROOT,
    GIVEN,
    HIGH,
    LOW,
    NEVER,
    NEXT_BITS,
    NEXT_ROOT,
    OUTSIDE,
    PART,
    PARTS,
    PLAYER_HELD,
    ROLE,
    ROLES,
    SCALE_MASK,
    TICK,
    hear,
    new_world,
)
from livecomposer.music.follow import ChordFollower, KeyFollower
from livecomposer.music.metre import Metre
from livecomposer.music.theory import SCALES, Chord, Key, chord_scale, parse_key
from livecomposer.settings import Settings

LADDERS = 64  # scales bent to a chord that are kept
BESIDE = 10  # semitones: so far under the right hand's last key a key is the left hand's
LEFT_BELOW = 60
RIGHT_NS = 2_000_000_000
DUET_SPAN = 24  # in a duet the agent keeps to so much of its register, from below
BASS_DROP = 20  # and as a bass so far below that


class Hearing:
    """One player's music as the heads see it.

    Attributes
    ----------
    world : int64[N_WORLD]
        See ``music.context``.
    key : Key
    ladder : Ladder
        The key's.
    call : Call
    chart : Chart or None
        Chords that are known ahead.
    """

    def __init__(self, settings: Settings, metre: Metre) -> None:
        self.world = new_world(metre, settings.low, settings.high, settings.role, settings.part)
        self.world[SCALE_MASK] = settings.scale_mask
        self.outside(settings.outside)
        self.call = Call()
        self.chords = ChordFollower()
        self.keys: KeyFollower | None = None
        self._low, self._high, self._split = settings.low, settings.high, settings.split
        self._metre = metre
        changes = parse_changes(settings.changes, metre)
        self.chart: Chart | None = changes if isinstance(changes, Chart) else None
        self._capture = changes if isinstance(changes, int) else 0
        self._captured: list[tuple[int, Chord | None]] = []
        self._capture_tick = -1
        self._bent: dict[int, Ladder] = {}
        self._right = (0, -RIGHT_NS)  # the right hand's last key, and when
        self._chord = -1  # root and bits of the chord that the plan was made with
        self.set_key(settings.first_key)
        self.set_key(settings.key)
        self.set_role(settings.role)

    # ---- settings ----------------------------------------------------------------------------------------------

    def set_key(self, text: str | Key) -> None:
        """Another key; "auto" follows the player's."""
        if text == "auto":
            self.keys = KeyFollower()
            return
        if not isinstance(text, Key):
            self.keys = None
            text = parse_key(text)
        self.key = text
        self.ladder = Ladder(self.key.tonic, self.key.intervals)
        self._bent.clear()

    def set_role(self, role: str) -> None:
        """Another role: the register of the agent's line goes with it."""
        world = self.world
        world[ROLE] = ROLES.index(role)
        world[LOW], world[HIGH] = self._low, self._high
        if role == "duet":
            world[HIGH] = min(self._high, self._low + DUET_SPAN)
            if world[PART] == PARTS.index("bass"):
                world[LOW] = max(self._low - BASS_DROP, 0)
                world[HIGH] = world[LOW] + DUET_SPAN

    def outside(self, value: float) -> None:
        """The knob for chromatic notes, 0 to 1."""
        self.world[OUTSIDE] = round(value * 100)

    # ---- the player --------------------------------------------------------------------------------------------

    def struck(self, t_ns: int, tick: float, note: int) -> bool:
        """A key is down (hot); whether it is the right hand's, and so the melody's."""
        if self._is_left(t_ns, note):
            return False
        self._right = (note, t_ns)
        hear(self.world, int(tick + 0.5), note)
        return True

    def key_down(self, t_ns: int, tick: float, note: int) -> bool:
        """The same key, in the slack; returns whether the key or the chord is another now."""
        self.chords.note_on(t_ns, note)
        if self.keys is not None:
            self.keys.note_on(t_ns, note)
        self._take_down(tick)
        return self._changed()

    def key_up(self, t_ns: int, note: int) -> bool:
        """A key is up."""
        self.call.key_up(t_ns, note)
        self.chords.note_off(t_ns, note)
        return self._changed()

    def rest(self) -> bool:
        """The player has stopped for a beat."""
        if self.keys is not None:
            self.keys.rest()
        return self._changed()

    def held(self, keys: int) -> None:
        """So many keys are down."""
        self.world[PLAYER_HELD] = keys

    def chord(self, own: np.ndarray) -> Ladder:
        """Fill in the chord for the event at ``own[TICK]``; returns the scale to move in, bent to hold it."""
        if self.chart is not None:
            chord, end, after = self.chart.at(max(int(own[TICK]), 0))
            own[GIVEN] = 1
            own[CHORD_ROOT], own[CHORD_BITS] = (chord.root, chord.bits) if chord else (-1, 0)
            own[NEXT_ROOT], own[NEXT_BITS] = (after.root, after.bits) if after else (-1, 0)
            own[CHORD_END] = end
        elif self.chords.root >= 0:
            own[GIVEN] = 1
            own[CHORD_ROOT] = own[NEXT_ROOT] = self.chords.root
            own[CHORD_BITS] = own[NEXT_BITS] = self.chords.bits
            own[CHORD_END] = NEVER
        else:
            if own[GIVEN]:
                own[CHORD_ROOT] = own[NEXT_ROOT] = -1
            own[GIVEN] = 0
        if own[GIVEN] and own[CHORD_ROOT] >= 0:
            return self._scale(int(own[CHORD_BITS]))
        return self.ladder

    def chord_at(self, tick: int) -> tuple[int, int]:
        """Root (-1: none) and pitch classes of the chord at a tick, to show."""
        if self.chart is None:
            return int(self.chords.root), int(self.chords.bits) if self.chords.root >= 0 else 0
        chord = self.chart.at(max(tick, 0))[0]
        return (chord.root, chord.bits) if chord else (-1, 0)

    # ---- inside ------------------------------------------------------------------------------------------------

    def _is_left(self, t_ns: int, note: int) -> bool:
        if self._split >= 0:
            return note < self._split
        right, when = self._right
        return note < LEFT_BELOW and t_ns - when < RIGHT_NS and note <= right - BESIDE

    def _changed(self) -> bool:
        chord = self.chords.root << 12 | self.chords.bits if self.chords.root >= 0 else -1
        changed = chord != self._chord and self.chart is None
        self._chord = chord
        if self.keys is not None and (self.keys.tonic, self.keys.minor) != (self.key.tonic, self.key.name == "minor"):
            name = "minor" if self.keys.minor else "major"
            self.set_key(Key(self.keys.tonic, name, SCALES[name]))
            changed = True
        return changed

    def _scale(self, bits: int) -> Ladder:
        """The key's scale bent to hold a chord."""
        ladder = self._bent.get(bits)
        if ladder is None:
            classes = tuple(i for i in range(12) if bits >> i & 1)
            intervals = chord_scale(self.key, classes)
            ladder = self.ladder if intervals == self.key.intervals else Ladder(self.key.tonic, intervals)
            if len(self._bent) >= LADDERS:
                self._bent.clear()
            self._bent[bits] = ladder
        return ladder

    def _take_down(self, tick: float) -> None:
        """Capture the left hand's chords for so many bars; then they are the chart."""
        if not self._capture or self.chart is not None:
            return
        chord = self.chords.chord
        if self._capture_tick < 0:
            if chord is None:
                return
            self._capture_tick = int(tick + 6) // self._metre.bar_ticks * self._metre.bar_ticks
        bars = self._capture
        at = round((tick - self._capture_tick) / self._metre.unit_ticks) * self._metre.unit_ticks
        if at >= bars * self._metre.bar_ticks:
            self.chart = Chart.captured(self._captured, bars, self._capture_tick, self._metre)
        elif chord is not None and (not self._captured or self._captured[-1][1] != chord):
            self._captured.append((max(at, 0), chord))
