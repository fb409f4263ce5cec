"""Experience as rows: what networks learn from, whether it comes from an environment or from the steps of a player.

Trainers take them (``agents.trainer``); one thread owns a set of rows at a time.
"""

import numpy as np
from numba import njit

from livecomposer.agents.network import both

LARGEST = 1e9  # of a feature or reward: the square of more is soon beyond float32


class Rows:
    """Rows in order of time, in one or more lanes (environments) behind one another.

    Row i+1 is what followed row i, unless ``terminated[i]``. A *ghost* is no step: it is only what came after the row
    before it (where experience breaks off: Pardo et al. 2018), and its reward and action mean nothing.

    Attributes
    ----------
    features : float32[capacity, n_features]
    mask : uint8[capacity, n_actions]
    prior : float32[capacity, n_actions]
        Logits that the policy adds to the network's (all 0: there is no prior).
    action : int64[capacity]
    reward : float32[capacity]
    terminated, ghost : uint8[capacity]
    """

    def __init__(self, n_features: int, n_actions: int, lanes: int, room: int) -> None:
        n = lanes * room
        self.lanes, self.room = lanes, room
        self.features = np.zeros((n, n_features), dtype=np.float32)
        self.mask = np.ones((n, n_actions), dtype=np.uint8)
        self.prior = np.zeros((n, n_actions), dtype=np.float32)
        self.action = np.zeros(n, dtype=np.int64)
        self.reward = np.zeros(n, dtype=np.float32)
        self.terminated = np.zeros(n, dtype=np.uint8)
        self.ghost = np.ones(n, dtype=np.uint8)
        self._next = [lane * room for lane in range(lanes)]

    def begin(self, lane: int, features: np.ndarray, mask: np.ndarray, action: int) -> int:
        """A step of a lane; its reward, and whether the episode has ended, may be written to the row returned."""
        i = self._next[lane]
        self.features[i] = features
        self.mask[i] = mask
        self.action[i] = action
        self.ghost[i] = 0
        self._next[lane] = i + 1
        return i

    def end(self, lane: int, features: np.ndarray, mask: np.ndarray) -> None:
        """Experience breaks off here: what the last step led to."""
        i = self._next[lane]
        self.features[i] = features
        self.mask[i] = mask
        self._next[lane] = i + 1

    def full(self, lane: int) -> bool:
        """Whether there is room for one step and a ghost only."""
        return self._next[lane] + 2 >= (lane + 1) * self.room

    def clear(self) -> None:
        """Begin anew."""
        self.ghost[:] = 1
        self.terminated[:] = 0
        for lane in range(self.lanes):
            self._next[lane] = lane * self.room


@njit(both("int64(real[:,::1], real[::1], uint8[::1])"), cache=True, nogil=True)
def set_aside(features, reward, ghost):
    """Make rows with a feature or reward that is no finite number, or beyond ``LARGEST``, ghosts without features;
    returns how many there were."""
    n = 0
    for i in range(reward.shape[0]):
        sound = abs(reward[i]) <= LARGEST
        for k in range(features.shape[1]):
            sound = sound and abs(features[i, k]) <= LARGEST
        if not sound:
            n += 1
            ghost[i] = 1
            reward[i] = 0.0
            features[i, :] = 0.0
    return n
