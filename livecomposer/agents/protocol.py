"""What every agent offers, and the table of steps it learns from.

The loop owns both. ``act`` is hot (before the note leaves); ``observe``, ``job`` and ``adopt`` are slack; a job's
``run`` is the only thing that the learner thread ever executes.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from livecomposer.music.actions import HeadSpec
from livecomposer.ratings.features import MOST_ACTIVE

_COLUMNS = ("state", "action", "reward", "t_ns", "phrase", "terminated", "mask", "features", "logits", "rows")

CAPACITY = 1 << 15
NO_LOGITS = np.zeros(0, dtype=np.float32)


class Steps:
    """The steps of one head, a row per decision that sounded (or rested); row i+1 follows row i.

    Attributes
    ----------
    n : int
        Rows in use; ``first`` is the number that row 0 had when nothing had been dropped yet.
    state, action : int64[capacity]
    reward : float64[capacity]
        What the step earns by the rules, and the credit that ratings have given it so far.
    t_ns : int64[capacity]
        Onset.
    phrase : int64[capacity]
    terminated : uint8[capacity]
        1 on the last step of a phrase.
    mask : uint8[capacity, n_actions]
    features : float32[capacity, n_features]
        (``n_features`` 0: nobody reads them.)
    logits : float32[capacity, n_actions]
        What the prior gave each action (``n_features`` 0: nobody reads them, and there are none).
    rows : int16[capacity, MOST_ACTIVE]
        Active features of ``ratings.features`` of the action (-1: none, no more).
    """

    def __init__(self, spec: HeadSpec, capacity: int = CAPACITY, n_features: int = 0) -> None:
        self.spec = spec
        self.capacity = capacity
        self.n = 0
        self.first = 0
        self.matured = 0
        self.state = np.zeros(capacity, dtype=np.int64)
        self.action = np.zeros(capacity, dtype=np.int64)
        self.reward = np.zeros(capacity, dtype=np.float64)
        self.t_ns = np.zeros(capacity, dtype=np.int64)
        self.phrase = np.zeros(capacity, dtype=np.int64)
        self.terminated = np.zeros(capacity, dtype=np.uint8)
        self.mask = np.zeros((capacity, spec.n_actions), dtype=np.uint8)
        self.features = np.zeros((capacity, n_features), dtype=np.float32)
        self.logits = np.zeros((capacity, spec.n_actions if n_features else 0), dtype=np.float32)
        self.rows = np.full((capacity, MOST_ACTIVE), -1, dtype=np.int16)

    def append(self, t_ns: int, phrase: int, choice: "Choice", reward: float = 0.0) -> int:
        """Add a row (there must be room: see ``drop_half``) and return its number, counted from the first ever;
        ``reward`` is what it earns by itself."""
        i = self.n
        self.state[i] = choice.state
        self.action[i] = choice.action
        self.reward[i] = reward
        self.t_ns[i] = t_ns
        self.phrase[i] = phrase
        self.terminated[i] = 0
        self.mask[i] = choice.mask
        self.features[i] = choice.features
        self.logits[i] = choice.logits if choice.logits.size else 0.0
        self.rows[i] = -1
        self.rows[i, : len(choice.rows)] = choice.rows
        if i and self.phrase[i - 1] != phrase:
            self.terminated[i - 1] = 1
        self.n = i + 1
        return self.first + i

    def drop_half(self) -> None:
        """Forget the older half of the rows (after the agent has taken them into its base)."""
        half = self.n // 2
        for name in _COLUMNS:
            column = getattr(self, name)
            fresh = np.zeros_like(column)  # a job in flight still reads the old rows
            fresh[: self.n - half] = column[half : self.n]
            setattr(self, name, fresh)
        self.n -= half
        self.first += half
        self.matured = max(0, self.matured - half)


class Choice(NamedTuple):
    """One head's decision with what it was based on, the logit that the prior gave it, the active features of
    ``ratings.features`` (none if nobody learns from them), and what the taste said of it less what was worn out."""

    state: int
    action: int
    mask: np.ndarray
    features: np.ndarray
    late: bool
    prior: float
    rows: np.ndarray
    liking: float = 0.0
    logits: np.ndarray = NO_LOGITS  # what the prior gave every action, for agents that read features


class Agent(Protocol):
    """One learner for one head. Adding one: a file with this face, an entry in ``registry``, a section in README."""

    spec: HeadSpec
    n_features: int  # how many features it reads: the head's, or 0 for none
    capacity: int  # how many of its steps are remembered
    nat: float  # what a nat of the prior is worth, in what ``value`` and ``liking`` count

    def act(
        self, state: int, features: np.ndarray, mask: np.ndarray, prior: np.ndarray, liking: np.ndarray
    ) -> int:  # fmt: skip
        """Choose an action with mask 1; ``prior`` float64[n_actions] is what is known of each before any rating, as
        logits, and ``liking`` the same of what the taste says less what is worn out, in ratings. Hot: microseconds, no
        allocation."""

    def value(self, state: int, features: np.ndarray, action: int) -> float:
        """What it thinks an action is worth beside ``Choice.liking``, in rewards (for the record; slack)."""

    def explore(self, adventure: float) -> None:
        """Set how much it explores, 0 to 1."""

    def observe(self, steps: Steps, i: int) -> None:
        """Learn from matured row ``i``; s′ and its mask are row i+1."""

    def job(self, steps: Steps) -> Any:
        """Work for the learner: a picklable-free closure ``() -> result`` over *copies*, or None."""

    def adopt(self, result: Any) -> None:
        """Take a finished job's result: one attribute assignment, at a turn of the loop."""

    def fold(self, steps: Steps, rows: int) -> None:
        """Take the first ``rows`` rows for good: they are about to be dropped."""

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a file must keep, as named arrays (live, not copies)."""

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from ``state()`` of an agent of the same shape."""

    def keep(self) -> Any:
        """All that it stands on, to come back to; nothing that follows changes it."""

    def restore(self, kept: Any) -> None:
        """Stand again where ``keep()`` was called, here or in another of the same shape; cheap."""
