"""Which agents there are, by name: a fixed table, filled here and nowhere else."""

from livecomposer.agents.dyna_q import DynaQAgent, DynaQSettings
from livecomposer.agents.prior import Prior
from livecomposer.agents.protocol import Agent
from livecomposer.agents.tabular import QAgent, QSettings
from livecomposer.errors import SettingsError
from livecomposer.music.context import HEADS
from livecomposer.ratings.taste import Taste


def make_agents(name: str, seed: int, prior: Prior, policy: str = "softmax") -> tuple[list[Agent], Taste | None]:
    """One agent per head (rhythm, melody, harmony), and the taste that they share if they learn through one.

    Raises
    ------
    SettingsError
        For an unknown name.
    """
    if name == "q":
        return [QAgent(spec, QSettings(policy=policy), seed) for spec in HEADS], None
    if name == "dyna-q":
        taste = Taste(prior.seen(), seed)
        hyper = DynaQSettings()
        return [
            DynaQAgent(spec, head, hyper, seed, model, taste)
            for head, (spec, model) in enumerate(zip(HEADS, prior.models, strict=True))
        ], taste
    raise SettingsError(f"agent = {name!r} is not known; there are: dyna-q, q")
