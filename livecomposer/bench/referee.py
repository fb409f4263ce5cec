"""Stable-Baselines3 and PyTorch doing what our agents do: what ``bench.speed`` compares with. Needs the extra
``referee``; one thread.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch

Calls = dict[str, Callable[[], Any]]


def deciders(n_features: int, n_actions: int, layers: list[int]) -> tuple[Calls, Calls]:
    """Decisions by the same network, and a DQN update on a batch of 32."""
    torch.set_num_threads(1)
    spaces = gymnasium.spaces

    class Still(gymnasium.Env[np.ndarray, np.int64]):
        """Nothing happens."""

        observation_space = spaces.Box(0.0, 1.0, (n_features,), dtype=np.float32)
        action_space = spaces.Discrete(n_actions)

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            return np.zeros(n_features, dtype=np.float32), {}

        def step(self, action: Any) -> Any:
            return np.zeros(n_features, dtype=np.float32), 0.0, False, False, {}

    kind = {"net_arch": layers, "activation_fn": torch.nn.ReLU}
    dqn = stable_baselines3.DQN(
        "MlpPolicy", Still(), policy_kwargs=kind, batch_size=32, learning_starts=50, train_freq=1000, device="cpu"
    )
    ppo = stable_baselines3.PPO("MlpPolicy", Still(), policy_kwargs=kind, device="cpu")
    dqn.learn(200)
    x = np.random.default_rng(1).random(n_features).astype(np.float32)
    plain = dqn.q_net.q_net
    tensor = torch.from_numpy(x)[None]

    def forward() -> None:
        with torch.no_grad():
            plain(tensor)

    decide: Calls = {
        "torch": forward, "sb3_dqn": lambda: dqn.predict(x, deterministic=True), "sb3_ppo": lambda: ppo.predict(x)
    }  # fmt: skip
    return decide, {"sb3_dqn_step": lambda: dqn.train(1, 32)}


def learners(env: str, warm: int) -> dict[str, Callable[[int], float]]:
    """Each goes on training for so many steps, ``warm`` of them before, with the hyper-parameters of ``bench.speed``,
    and gives the steps in a second of CPU."""
    torch.set_num_threads(1)
    layers = {"net_arch": [64, 64], "activation_fn": torch.nn.ReLU}
    common: dict[str, Any] = {"policy_kwargs": layers, "device": "cpu"}

    def single() -> Any:
        return gymnasium.make(env)

    from stable_baselines3.common.vec_env import DummyVecEnv

    models = {
        "sb3_dqn": stable_baselines3.DQN(
            "MlpPolicy", single(), learning_rate=2.3e-3, batch_size=64, buffer_size=100_000, learning_starts=1000,
            gamma=0.99, target_update_interval=10, train_freq=256, gradient_steps=128, exploration_fraction=0.16,
            exploration_final_eps=0.04, **common,
        ),
        "sb3_a2c": stable_baselines3.A2C("MlpPolicy", single(), **common),
        "sb3_ppo": stable_baselines3.PPO(
            "MlpPolicy", DummyVecEnv([single] * 8), n_steps=32, batch_size=256, n_epochs=20, gae_lambda=0.8,
            gamma=0.98, learning_rate=1e-3, **common,
        ),
    }  # fmt: skip

    def run(model: Any, steps: int) -> float:
        begun, before = time.process_time(), model.num_timesteps
        model.learn(steps, reset_num_timesteps=False)
        return (model.num_timesteps - before) / (time.process_time() - begun)

    for model in models.values():
        run(model, warm)
    return {name: partial(run, model) for name, model in models.items()}
