"""What this player's presses are about: the moment just heard, or the phrase that is over; learnt from when they come.

``instrument.learning`` asks it in its slack. A press about a moment may come at any time while notes are heard; a
verdict on a phrase comes a breath and a delay behind its end. Each press so says something of the habit: a mixture of
the two densities whose share π is unknown (prior Beta(½, ½): most players have one habit), its posterior taken over a
grid of π and this player's last presses.
"""

import numpy as np
from numba import njit

from livecomposer.ratings import UNDO

LATEST = 64  # presses that count (`UNDO` more come back when later ones are taken back)
STRAY = 0.01  # a second: the density of presses that are about neither
GRID = np.linspace(0.01, 0.99, 25)


# log p(press | π) = log(π (phrase + s) + (1 − π)(moment + s)), s = STRAY
@njit("void(float64[::1], float64, float64)", cache=True)
def press(log, phrase, moment):
    for k in range(GRID.shape[0]):
        log[k] = np.log(GRID[k] * (phrase + STRAY) + (1.0 - GRID[k]) * (moment + STRAY))


# Σ_k π_k w_k / Σ_k w_k, w_k = exp(Σ log p(press | π_k)) / sqrt(π_k (1 − π_k))
@njit("float64(float64[:,::1])", cache=True)
def share_of(logs):
    total = np.zeros(GRID.shape[0])
    for i in range(logs.shape[0]):
        for k in range(GRID.shape[0]):
            total[k] += logs[i, k]
    highest = total.max()
    mass = weighed = 0.0
    for k in range(GRID.shape[0]):
        weight = np.exp(total[k] - highest) / np.sqrt(GRID[k] * (1.0 - GRID[k]))
        mass += weight
        weighed += GRID[k] * weight
    return weighed / mass


class Habit:
    """Attributes
    ----------
    share : float
        Of the presses, those that are verdicts on phrases: the posterior's mean.
    """

    def __init__(self) -> None:
        self._n = 0
        self._log = np.zeros((LATEST + UNDO, GRID.size))  # likelihood of each press, by share
        self._weigh()

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
        press(self._log[self._n], phrase, moment)
        self._n += 1
        self._weigh()

    def undo(self) -> None:
        """The last press had not been."""
        self._n = max(self._n - 1, 0)
        self._weigh()

    def _weigh(self) -> None:
        self.share = share_of(self._log[max(self._n - LATEST, 0) : self._n])
