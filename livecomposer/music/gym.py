"""``music.env`` as Gymnasium environments: ``livecomposer/Melody-v0`` and ``livecomposer/Duet-v0``.

Needs the extra ``gym``. ``gymnasium.make("livecomposer.music.gym:livecomposer/Duet-v0")`` (importing this module makes
the names known). One step is one decided event.

- **Melody-v0** (solo): the action is the melody head's, Discrete(19); rhythm and harmony are the shipped prior's.
- **Duet-v0** (beside a simulated player): MultiDiscrete([14, 19, 14]), rhythm, melody, harmony.

The observation is float32, the heads' features one behind the other; the reward is the weighted sum of the rules
(nats) that concern the heads one decides for; ``info`` has ``action_mask`` (int8: of the melody head in Melody-v0, of
the three heads one behind the other in Duet-v0) and ``columns``, float32[N_RULES]. An action that the mask forbids is
replaced by the nearest scale step that it allows. An episode ends (``terminated``) after 16 bars.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from livecomposer.agents.prior import load_prior
from livecomposer.music.context import DUET, HARMONY, HEADS, MELODY, RHYTHM, SOLO
from livecomposer.music.env import OVER, Stage, duet_step, look, melody_step, next_note
from livecomposer.music.rules import HEAD_OF, load_weights

SIZES = [spec.n_actions for spec in HEADS]
N_FEATURES = sum(spec.n_features for spec in HEADS)


class Composer(gymnasium.Env[np.ndarray, Any]):
    """What both environments share.

    Parameters
    ----------
    prior : str
        As the setting ``prior``.
    rules : float64[N_RULES], optional
        Weights of the rules (default: as shipped).
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own way
    role = SOLO
    heads: tuple[int, ...] = (MELODY,)

    def __init__(self, prior: str = "shipped", rules: np.ndarray | None = None) -> None:
        known = load_prior(prior)
        weights = load_weights() if rules is None else np.asarray(rules, dtype=np.float64)
        self.observation_space = Box(-2.0, 2.0, (N_FEATURES,), dtype=np.float32)
        self._known = known.weights
        self._weights = (weights * np.isin(HEAD_OF, self.heads)).astype(np.float32)
        self._stage = stage = Stage(known.style, 0)
        self._arrays = (stage.own, stage.world, stage.trace, stage.ladder, stage.style, stage.player, stage.rng)
        self._features = np.zeros(N_FEATURES, dtype=np.float32)
        self._mask = np.zeros(sum(SIZES), dtype=np.uint8)
        ends = np.cumsum([0, *SIZES])
        shown = self._mask[ends[self.heads[0]] : ends[self.heads[-1] + 1]]
        self._shown = shown.view(np.int8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """A new episode; see ``gymnasium.Env.reset``."""
        super().reset(seed=seed)
        if seed is not None:
            self._stage.rng[:] = np.random.SeedSequence(seed).generate_state(1, np.uint64)
        self._stage.reset(self.role)
        self._stage.player[OVER] = 0
        look(self._stage.own, self._stage.world, self._stage.ladder, self._features, self._mask)
        return self._features.copy(), self._info()

    def _info(self) -> dict[str, Any]:
        return {"action_mask": self._shown.copy(), "columns": self._stage.columns.copy()}


class Melody(Composer):
    """``livecomposer/Melody-v0``: see the module."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.action_space = Discrete(SIZES[MELODY])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """A new episode, up to the first note."""
        super().reset(seed=seed, options=options)
        next_note(*self._arrays, self._known[RHYTHM], self._features, self._mask)
        return self._features.copy(), self._info()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Play the note, and the rests behind it."""
        stage = self._stage
        reward = melody_step(
            *self._arrays, int(action), self._known[RHYTHM], self._known[HARMONY], self._weights, stage.columns,
            self._features, self._mask,
        )  # fmt: skip
        return self._features.copy(), reward, bool(stage.player[OVER]), False, self._info()


class Duet(Composer):
    """``livecomposer/Duet-v0``: see the module."""

    role = DUET
    heads = (RHYTHM, MELODY, HARMONY)

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.action_space = MultiDiscrete(SIZES)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Play one event: (rhythm, melody, harmony)."""
        stage = self._stage
        reward = duet_step(
            *self._arrays, int(action[0]), int(action[1]), int(action[2]), self._weights, stage.columns,
            self._features, self._mask,
        )  # fmt: skip
        return self._features.copy(), reward, bool(stage.player[OVER]), False, self._info()


# Gymnasium knows no other way than this, on import
for _name, _entry in (("Melody", Melody), ("Duet", Duet)):
    gymnasium.register(f"livecomposer/{_name}-v0", entry_point=_entry, disable_env_checker=True)
