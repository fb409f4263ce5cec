"""What this player's presses are about: the moment just heard, or the phrase that is over; learnt from when they come.

``instrument.learning`` asks it in its slack. A press about a moment may come at any time while notes are heard; a
verdict on a phrase comes a breath and a delay behind its end. Each press so says something of the habit: a mixture of
the two densities whose share π is unknown (prior Beta(½, ½): most players have one habit), its posterior taken over a
grid of π and this player's last presses.
"""

import numpy as np

LATEST = 64  # presses that count
UNDO = 256  # and as many more that come back when later ones are taken back
STRAY = 0.01  # a second: the density of presses that are about neither
GRID = np.linspace(0.01, 0.99, 25)
_PRIOR = 1.0 / np.sqrt(GRID * (1.0 - GRID))


class Habit:
    """Attributes
    ----------
    share : float
        Of the presses, those that are verdicts on phrases: the posterior's mean.
    """

    def __init__(self) -> None:
        self._n = 0
        self._log = np.zeros((LATEST + UNDO, GRID.size))  # likelihood of each press, by share
        self.share = 0.5

    def chance(self, phrase: float, moment: float) -> float:
        """That a press is about a phrase, the density of its time being ``phrase`` if so and else ``moment``."""
        about = self.share * phrase
        total = about + (1.0 - self.share) * moment
        return about / total if total > 0.0 else 0.0

    def pressed(self, phrase: float, moment: float) -> None:
        """Take such a press into account (0 and 0: one that says nothing of the habit)."""
        if self._n == len(self._log):
            self._log[:-1] = self._log[1:].copy()
            self._n -= 1
        self._log[self._n] = np.log(GRID * (phrase + STRAY) + (1.0 - GRID) * (moment + STRAY))
        self._n += 1
        self._weigh()

    def undo(self) -> None:
        """The last press had not been."""
        self._n = max(self._n - 1, 0)
        self._weigh()

    def _weigh(self) -> None:
        log = self._log[max(self._n - LATEST, 0) : self._n].sum(axis=0)
        weight = _PRIOR * np.exp(log - log.max())
        self.share = float(weight @ GRID / weight.sum())
