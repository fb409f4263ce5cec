"""Which agents there are, by name: a fixed table, filled here and nowhere else.

Modules of agents are imported when one of theirs is chosen: their kernels compile on import.
"""

import difflib
from dataclasses import fields, replace
from importlib import import_module
from typing import Any, NamedTuple

from livecomposer.agents.prior import Prior
from livecomposer.agents.protocol import Agent
from livecomposer.agents.trainer import Trainer
from livecomposer.errors import SettingsError
from livecomposer.music.context import HEADS
from livecomposer.ratings.taste import Taste
from livecomposer.settings import AGENTS


class Entry(NamedTuple):
    """Where an agent's class and hyper-parameters are, and what differs from their defaults: always, when it learns
    from an environment, and when it plays beside a prior."""

    module: str
    agent: str
    settings: str
    always: dict[str, Any]
    training: dict[str, Any]
    playing: dict[str, Any]


_IN_ENV = {"policy": "epsilon-greedy", "gamma": 0.99, "alpha": 0.5, "alpha_end": 0.01, "epsilon": 0.3,
           "epsilon_end": 0.01}  # fmt: skip
_BESIDE = {"width": 32, "depth": 2, "gain": 0.0, "gamma": 0.6}
_PULL = {"normalise": False, "entropy_gain": 1.0 / 18.0}  # a nat away from the prior costs as much as ``dyna_q`` has it


def _table(playing: dict[str, Any], **always: Any) -> Entry:
    return Entry("tabular", "TableAgent", "TableSettings", always, _IN_ENV, playing)


ENTRIES: dict[str, Entry] = {
    "q": _table({}),
    "sarsa": _table({}, method="sarsa"),
    "expected-sarsa": _table({}, method="expected-sarsa"),
    "q-lambda": _table({"lambda_": 0.8}, method="q", lambda_=0.8),
    "sarsa-lambda": _table({"lambda_": 0.8}, method="sarsa", lambda_=0.8),
    "dqn": Entry("dqn", "DQN", "DQNSettings", {}, {}, _BESIDE | {
        "alpha": 1e-3, "memory": 4096, "begin": 1, "updates": 32, "batch": 32, "target_every": 64,
        "unit": 1.0 / 18.0}),
    "reinforce": Entry("policy_gradient", "Reinforce", "ReinforceSettings", {}, {}, _BESIDE | {
        "alpha": 1e-2, "value_steps": 2} | _PULL),
    "a2c": Entry("actor_critic", "Worker", "A2CSettings", {}, {}, _BESIDE | {
        "alpha": 4e-3, "entropy_gain": 1.0 / 18.0}),
    "a3c": Entry("actor_critic", "A3C", "A3CSettings", {}, {}, _BESIDE | {
        "alpha": 4e-3, "workers": 1, "entropy_gain": 1.0 / 18.0}),
    "ppo": Entry("actor_critic", "PPO", "PPOSettings", {}, {}, _BESIDE | {
        "alpha": 3e-3, "epochs": 4} | _PULL),
}  # fmt: skip
TABULAR = tuple(name for name, entry in ENTRIES.items() if entry.module == "tabular")
NETWORKS = tuple(name for name in ENTRIES if name not in TABULAR)


def hyper_of(name: str, given: dict[str, Any] | None = None, playing: bool = False) -> Any:
    """The hyper-parameters of an agent, some of them ``given`` (texts are read as what they are for).

    Raises
    ------
    SettingsError
        Unknown agent or hyper-parameter (the nearest is named), or a value of the wrong kind.
    """
    if name not in ENTRIES:
        known = "plans on a player's ratings and trains on nothing else" if name in AGENTS else "is not known"
        close = "" if name in AGENTS else _nearest(name, ENTRIES)
        raise SettingsError(f"agent = {name!r} {known}{close}; there are: {', '.join(ENTRIES)}")
    entry = ENTRIES[name]
    kind = getattr(import_module(f"livecomposer.agents.{entry.module}"), entry.settings)
    hyper = replace(kind(), **entry.always, **{k: v for k, v in (entry.playing if playing else entry.training).items()
                                               if k not in entry.always})  # fmt: skip
    defaults = {spec.name: getattr(hyper, spec.name) for spec in fields(hyper)}
    changes = {}
    for key, value in (given or {}).items():
        field = key if key in defaults else f"{key}_"
        if field not in defaults:
            raise SettingsError(
                f"agent {name} has no hyper-parameter {key!r}{_nearest(key, defaults)}; it has: {', '.join(defaults)}"
            )
        changes[field] = _as(name, key, value, type(defaults[field]))
    return replace(hyper, **changes)


def _as(name: str, key: str, value: Any, kind: type) -> Any:
    """A value as a hyper-parameter's kind."""
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    try:
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        return kind(value)
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"{key} = {value!r} of agent {name} is not {words[kind]}") from None


def make_trainer(name: str, n_features: int, n_actions: int, hyper: Any, seed: int) -> Trainer:
    """A network that learns, by the name of its agent."""
    entry = ENTRIES[name]
    return getattr(import_module(f"livecomposer.agents.{entry.module}"), entry.agent)(
        n_features, n_actions, hyper, seed
    )  # fmt: skip


def make_agents(
    name: str, seed: int, prior: Prior, policy: str = "softmax", theory: float = 0.0
) -> tuple[list[Agent], Taste | None]:
    """One agent per head (rhythm, melody, harmony), and the taste that they share if they learn through one.

    ``theory`` is for the one who plans: the rules count so much more beside ratings, that is the prior, whose logits
    are what soft Q-learning has found them worth. The others find them in their steps' rewards.

    Raises
    ------
    SettingsError
        For an unknown name.
    """
    if name == "dyna-q":
        from livecomposer.agents.dyna_q import DynaQAgent, DynaQSettings

        taste = Taste(prior.seen(), seed)
        hyper = DynaQSettings()
        hyper = replace(hyper, beta=hyper.beta / (1.0 + theory))
        return [
            DynaQAgent(spec, head, hyper, seed, model, taste)
            for head, (spec, model) in enumerate(zip(HEADS, prior.models, strict=True))
        ], taste
    if name in TABULAR:
        from livecomposer.agents.tabular import TableAgent

        return [TableAgent(spec, hyper_of(name, {"policy": policy}, True), seed) for spec in HEADS], None
    if name not in ENTRIES:
        raise SettingsError(f"agent = {name!r} is not known{_nearest(name, AGENTS)}; there are: {', '.join(AGENTS)}")
    from livecomposer.agents.networked import NetworkAgent

    hyper = hyper_of(name, playing=True)
    return [NetworkAgent(spec, name, hyper, seed) for spec in HEADS], None


def _nearest(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
