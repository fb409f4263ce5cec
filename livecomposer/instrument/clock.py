"""The grid: from nanoseconds to beats and back, by setting, by tap, or by an external MIDI clock.

``Performance`` owns one ``Transport`` and asks it for every time; it reads no clock itself. Times are
``time.perf_counter_ns()`` when live and whatever the caller counts in virtual time.
"""

from livecomposer.midi.messages import CLOCK, CONTINUE, START, STOP
from livecomposer.music.actions import TICKS_PER_BEAT

NS_PER_MINUTE = 60_000_000_000
TAP_LOW_NS, TAP_HIGH_NS = 200_000_000, 2_000_000_000  # 300 to 30 BPM
CLOCKS_PER_BEAT = 24


class Transport:
    """A linear map between time and ticks (1/12 beat) that can be re-anchored at any moment.

    Attributes
    ----------
    tempo : float
        Beats per minute.
    """

    def __init__(self, tempo: float, start_ns: int) -> None:
        self.tempo = tempo
        self._ns_per_tick = NS_PER_MINUTE / tempo / TICKS_PER_BEAT
        self._anchor_ns = start_ns
        self._anchor_tick = 0.0
        self._last_tap = start_ns - 2 * TAP_HIGH_NS
        self._taps: list[int] = []
        self.external = False
        self._clock_count = 0
        self._clock_tick = 0.0
        self._clock_first_ns = 0

    def tick_at(self, t_ns: int) -> float:
        """The tick (fractional) at a time."""
        return self._anchor_tick + (t_ns - self._anchor_ns) / self._ns_per_tick

    def ns_at(self, tick: float) -> int:
        """The time of a tick."""
        return self._anchor_ns + round((tick - self._anchor_tick) * self._ns_per_tick)

    def set_tempo(self, tempo: float, t_ns: int) -> None:
        """Change tempo from ``t_ns`` on; the beat does not jump. Clamped to 30–300."""
        self.rebase(t_ns, self.tick_at(t_ns))
        self.tempo = min(max(tempo, 30.0), 300.0)
        self._ns_per_tick = NS_PER_MINUTE / self.tempo / TICKS_PER_BEAT

    def rebase(self, t_ns: int, tick: float) -> None:
        """Let ``tick`` fall on ``t_ns``."""
        self._anchor_ns = t_ns
        self._anchor_tick = tick

    def tap(self, t_ns: int) -> bool:
        """A tapped beat: from the second tap on, the tempo is the mean of the last four intervals and the beat falls
        on the tap. Returns whether the tempo was set."""
        interval = t_ns - self._last_tap
        self._last_tap = t_ns
        if not TAP_LOW_NS <= interval <= TAP_HIGH_NS:
            self._taps.clear()
            return False
        self._taps = [*self._taps[-3:], interval]
        beat = round(self.tick_at(t_ns) / TICKS_PER_BEAT) * TICKS_PER_BEAT
        self.set_tempo(NS_PER_MINUTE * len(self._taps) / sum(self._taps), t_ns)
        self.rebase(t_ns, beat)
        return True

    def real_time(self, status: int, t_ns: int, mode: str, bar_ticks: int) -> bool:
        """A real-time message of another machine, obeyed as ``mode`` (the setting ``clock``) says: after Start,
        always ("external"), never ("internal"). Returns whether the grid moved."""
        if mode == "internal":
            return False
        if status in (START, CONTINUE) or (status == CLOCK and mode == "external" and not self.external):
            self.clock_start(t_ns, bar_ticks)
        elif status == STOP:
            self.clock_stop()
        return status == CLOCK and self.clock(t_ns)

    def clock_start(self, t_ns: int, bar_ticks: int) -> None:
        """External Start: the next clock is the first beat of a bar."""
        self.external = True
        self._clock_count = 0
        self._clock_tick = -(-self.tick_at(t_ns) // bar_ticks) * bar_ticks

    def clock_stop(self) -> None:
        """External Stop: go on at the tempo reached."""
        self.external = False

    def clock(self, t_ns: int) -> bool:
        """One of 24 clocks a beat: tempo from the last beat's clocks, and a quarter of the phase error at a time
        (±1 ms of jitter on the wire moves the beat by less than 2 ms). Returns whether the grid moved."""
        if not self.external:
            return False
        count = self._clock_count
        tick = self._clock_tick + count * TICKS_PER_BEAT / CLOCKS_PER_BEAT
        if count == 0:
            self._clock_first_ns = t_ns
            self.rebase(t_ns, tick)
        elif count % CLOCKS_PER_BEAT == 0 or count in (6, 12):  # a first guess after a quarter of a beat
            span = count % CLOCKS_PER_BEAT or CLOCKS_PER_BEAT
            tempo = NS_PER_MINUTE * span / CLOCKS_PER_BEAT / max(t_ns - self._clock_first_ns, 1)
            error = self.tick_at(t_ns) - tick
            self.set_tempo(tempo, t_ns)
            self.rebase(t_ns, tick if count <= CLOCKS_PER_BEAT else tick + error * 0.75)
            if span == CLOCKS_PER_BEAT:
                self._clock_first_ns = t_ns
        self._clock_count = count + 1
        return count == 0 or count % CLOCKS_PER_BEAT == 0 or count in (6, 12)
