"""What the agents know at minute zero: the weights of each head's prior, and the style that the rules measure by.

``Performance`` loads it at the start; ``practice`` writes the same file. A model file is ``.npz`` with JSON ``meta``.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from livecomposer.agents.model import pack, unpack
from livecomposer.errors import SettingsError
from livecomposer.music.actions import N_LENGTHS, RHYTHMS, STEPS, VOICINGS
from livecomposer.music.heads import HARMONY_TABLES, MELODY_TABLES, N_ROWS, RHYTHM_TABLES
from livecomposer.music.rules import N_STYLE, STEP_TABLE

SHIPPED = "prior.npz"
NAMES = ("rhythm", "melody", "harmony")
SMOOTHING = 0.5  # added to each count


class Prior(NamedTuple):
    """Weights float32[N_ROWS[head]] by head (all zero: it knows nothing), style float32[N_STYLE], and whence."""

    weights: tuple[np.ndarray, np.ndarray, np.ndarray]
    style: np.ndarray
    meta: dict[str, object]

    @property
    def empty(self) -> bool:
        """Whether it knows nothing."""
        return not any(weights.any() for weights in self.weights)


def layout() -> str:
    """What the weights mean; it changes with the tables, the actions and their order."""
    tables = [list(table.items()) for table in (RHYTHM_TABLES, MELODY_TABLES, HARMONY_TABLES)]
    return json.dumps([tables, [r.name for r in RHYTHMS], [v.name for v in VOICINGS]])


def load_prior(name: str) -> Prior:
    """``"shipped"``, ``"none"``, or the path of a model that ``practice`` wrote.

    Raises
    ------
    SettingsError
        The file cannot be read or was made for other heads.
    TasteError
        It is damaged.
    """
    if name == "none":
        nothing = [np.zeros(n, dtype=np.float32) for n in N_ROWS]
        return Prior((nothing[0], nothing[1], nothing[2]), style_of(counts()), {"kind": "prior"})
    try:
        if name == "shipped":
            data = files("livecomposer.priors").joinpath(SHIPPED).read_bytes()
        else:
            data = Path(name).read_bytes()
    except OSError as error:
        raise SettingsError(f"prior = {name!r} cannot be read ({error.strerror}); write shipped or none") from None
    arrays, meta = unpack(data, f"prior {name!r}")
    if meta.get("kind") != "prior" or meta.get("layout") != layout():
        raise SettingsError(f"prior = {name!r} was made for other heads than this version's; practice again")
    weights = [np.ascontiguousarray(arrays.get(head, ()), dtype=np.float32) for head in NAMES]
    style = np.ascontiguousarray(arrays.get("style", ()), dtype=np.float32)
    shapes = [array.shape for array in (*weights, style)]
    if shapes != [(n,) for n in (*N_ROWS, N_STYLE)] or not all(np.isfinite(a).all() for a in (*weights, style)):
        raise SettingsError(f"prior = {name!r} does not hold what it names; practice again")
    return Prior((weights[0], weights[1], weights[2]), style, meta)


def save_prior(path: Path, prior: Prior) -> None:
    """Write a model file."""
    arrays = {**dict(zip(NAMES, prior.weights, strict=True)), "style": prior.style}
    path.write_bytes(pack(arrays, {**prior.meta, "kind": "prior", "layout": layout()}))


def counts() -> dict[str, list]:
    """The shipped counts of steps and lengths (their source is named inside)."""
    return json.loads(files("livecomposer.priors").joinpath("bach.json").read_text(encoding="utf-8"))


def style_of(table: dict[str, list]) -> np.ndarray:
    """ln p of steps and lengths from their counts, float32[N_STYLE], smoothed by ``SMOOTHING``."""
    style = np.zeros(N_STYLE)
    steps = np.array([table["step_major"], table["step_minor"]], dtype=np.float64) + SMOOTHING
    lengths = np.array(table["rhythm"], dtype=np.float64).reshape(12, N_LENGTHS + 1, N_LENGTHS)
    # a place or a length that was never heard is as the quarter's own distribution
    lengths += SMOOTHING + 5.0 * lengths.sum(axis=(0, 1)) / max(lengths.sum(), 1.0)
    style[:STEP_TABLE] = np.log(steps / steps.sum(axis=-1, keepdims=True)).reshape(-1)
    style[STEP_TABLE:] = np.log(lengths / lengths.sum(axis=-1, keepdims=True)).reshape(-1)
    assert steps.shape == (2, 7, len(STEPS) + 1, len(STEPS))
    return style.astype(np.float32)
