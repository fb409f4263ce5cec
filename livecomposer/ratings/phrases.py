"""What has been heard, cut into phrases where it breathed, and which of them a press may be a verdict on.

``instrument.learning`` owns one and tells it what sounds; the loop calls it in its slack. A phrase ends for the ear,
not for the plan: with a silence that is long enough, behind notes enough, or where the plan itself begins another.
"""

from collections import deque
from typing import NamedTuple

BREATH_S = 0.35  # of silence, after which a phrase is known to be over
NOTES = 3  # fewer are no phrase yet, unless the plan ends it
TOGETHER_S = 0.02  # onsets this close are one
REMEMBERED = 4  # phrases that are over
CYCLE_S, SLOWEST_S = 6.0, 20.0  # from one phrase's end to the next: before any has been heard, and at most


class Phrase(NamedTuple):
    """One of them; its steps are those that began behind ``since_ns`` and up to ``last_ns``."""

    number: int  # the plan's
    since_ns: int  # last onset of the phrase before
    first_ns: int
    last_ns: int
    end_ns: int
    notes: int


class Verdict(NamedTuple):
    """A phrase that a press may be about."""

    phrase: Phrase
    late_s: float  # from its end to the press
    silent: bool  # nothing had begun since
    done: bool  # the plan had ended it too


class Phrases:
    """The phrases of one performance."""

    def __init__(self) -> None:
        self.now = Phrase(-1, -1, -1, -1, -1, 0)  # the one that sounds or sounded last
        self._over: deque[Phrase] = deque(maxlen=REMEMBERED)
        self.cycle_s = CYCLE_S

    def sounded(self, t_ns: int, end_ns: int, number: int) -> None:
        """A note of the plan's phrase ``number`` began at ``t_ns`` and ends at ``end_ns``."""
        now = self.now
        breathed = t_ns - now.end_ns >= BREATH_S * 1e9 and now.notes >= NOTES
        if not now.notes:
            self.now = Phrase(number, -1, t_ns, t_ns, end_ns, 1)
        elif number != now.number or breathed:
            if self._over:
                apart = min((now.end_ns - self._over[-1].end_ns) * 1e-9, SLOWEST_S)
                self.cycle_s += (apart - self.cycle_s) / 8.0
            self._over.append(now)
            self.now = Phrase(number, now.last_ns, t_ns, t_ns, end_ns, 1)
        else:
            more = t_ns - now.last_ns > TOGETHER_S * 1e9
            self.now = now._replace(last_ns=t_ns, end_ns=end_ns, notes=now.notes + more)

    def silent(self, t_ns: int) -> None:
        """Nothing sounds any more."""
        self.now = self.now._replace(end_ns=min(self.now.end_ns, t_ns))

    def verdicts(self, t_ns: int, done: bool) -> list[Verdict]:
        """What a press at ``t_ns`` may be about, the last first; ``done``: nothing more of the last phrase comes."""
        found = []
        following = None
        for phrase in (self.now, *reversed(self._over)):
            if phrase.notes and t_ns >= phrase.end_ns:
                silent = following is None or t_ns < following.first_ns
                over = done if following is None else following.number != phrase.number
                found.append(Verdict(phrase, (t_ns - phrase.end_ns) * 1e-9, silent, over))
            following = phrase
        return found

    def since(self, t_ns: int, longest_s: float) -> int:
        """The last onset (ns) before all phrases that a press from ``t_ns`` on may be about, if it comes at most
        ``longest_s`` behind a phrase that others have followed."""
        since = self.now.since_ns
        following = self.now
        for phrase in reversed(self._over):
            if t_ns >= following.first_ns and (t_ns - phrase.end_ns) * 1e-9 > longest_s:
                break
            since = phrase.since_ns
            following = phrase
        return since
