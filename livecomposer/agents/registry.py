"""Which agents there are, by name: a fixed table, filled here and nowhere else."""

from livecomposer.agents.protocol import Agent
from livecomposer.agents.tabular import QAgent, QSettings
from livecomposer.errors import SettingsError
from livecomposer.music.context import HEADS


def make_agents(name: str, seed: int, policy: str = "softmax") -> list[Agent]:
    """One agent per head (rhythm, melody, harmony). Raises SettingsError for an unknown name."""
    if name == "q":
        return [QAgent(spec, QSettings(policy=policy), seed) for spec in HEADS]
    raise SettingsError(f"agent = {name!r} is not known; there is: q")
