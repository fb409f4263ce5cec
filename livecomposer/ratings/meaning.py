"""What a press was meant for: the moment just heard, or a phrase that is over.

``instrument.learning`` asks in its slack. Two explanations of the moment at which it came are weighed (Bayes): that it
is about a moment, or that it judges a phrase a breath after its end, each as likely as this player's habit makes it.
"""

from typing import NamedTuple

from livecomposer.ratings.credit import GRACE_S, WINDOW_S, Credit
from livecomposer.ratings.habit import Habit
from livecomposer.ratings.phrases import BREATH_S, Phrase, Phrases

GAP = 0.6  # a second: the least density of a verdict in the silence behind a phrase that the plan has ended,
BREAK = 0.02  # and in a silence within one
LONGEST_S = BREATH_S + WINDOW_S  # from a phrase's end to a press about it, once another has begun


class Meant(NamedTuple):
    """What a press reaches: (head, step number, weight), the phrase that it judges whole (None: a moment), the
    densities of its time by which that was decided, and what it would reach if it were about a moment."""

    reached: list[tuple[int, int, float]]
    phrase: Phrase | None
    densities: tuple[float, float]
    near: list[tuple[int, int, float]]


class Meaning:
    """What presses mean in one performance."""

    def __init__(self, credit: Credit) -> None:
        self.credit = credit
        self.phrases = Phrases()
        self.habit = Habit()

    def of(self, t_ns: int, done: bool) -> Meant:
        """What a press at ``t_ns`` means. ``done``: the phrase is over by the plan."""
        near, chance = self.credit.moment(t_ns)
        density, best, phrase = 0.0, 0.0, None
        for verdict in self.phrases.verdicts(t_ns, done):
            found = self.credit.delay.density(verdict.late_s - BREATH_S) if verdict.late_s <= LONGEST_S else 0.0
            if verdict.silent:
                found = max(found, GAP if verdict.done else BREAK)
            density += found
            if found > best:
                best, phrase = found, verdict.phrase
        moment = chance / self.phrases.cycle_s
        judged = self.habit.chance(density, moment)
        densities = (density, moment)
        if phrase is not None and judged >= 0.5:
            return Meant(self.credit.whole(phrase), phrase, densities, near)
        return Meant(near, None, densities, near)

    def since(self, t_ns: int) -> int:
        """The last onset (ns) before all that a press not taken before ``t_ns`` can judge whole."""
        return self.phrases.since(t_ns - int(GRACE_S * 1e9), LONGEST_S)
