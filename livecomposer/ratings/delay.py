"""How late a player presses: the density of the time from what is meant to the press.

A value that ``Credit`` holds. Numba-free.
"""

import math
from typing import NamedTuple


class Delay(NamedTuple):
    """A Gamma density with a whole shape k (Erlang 1909): f(d) = d^{k−1} e^{−d/θ} / (θ^k (k−1)!)."""

    shape: int
    scale_s: float

    def density(self, d_s: float) -> float:
        """f, a second."""
        if d_s <= 0.0:
            return 0.0
        x = d_s / self.scale_s
        return math.exp((self.shape - 1) * math.log(x) - x - math.lgamma(self.shape)) / self.scale_s


USUAL = Delay(5, 0.16)  # mode 0.64 s, mean 0.80 s, 5–95 % 0.32–1.46 s; players take 0.2–1.5 s
