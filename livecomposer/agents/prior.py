"""What the agents know at minute zero: each head's prior, what comes of its choices, and the style of the rules.

``Performance`` loads it at the start; ``practice`` writes the same file. A model file is ``.npz`` with JSON ``meta``.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from livecomposer.agents.model import pack, unpack
from livecomposer.errors import SettingsError
from livecomposer.music.actions import N_LENGTHS, RHYTHMS, STEPS, VOICINGS, HeadSpec
from livecomposer.music.context import HEADS
from livecomposer.music.heads import HARMONY_TABLES, MELODY_TABLES, N_ROWS, RHYTHM_TABLES
from livecomposer.music.rules import N_STYLE, STEP_TABLE
from livecomposer.ratings.features import N_ACTIVE, N_OF
from livecomposer.ratings.features import NAMES as FEATURES

SHIPPED = "prior.npz"
NAMES = ("rhythm", "melody", "harmony")
SMOOTHING = 0.5  # added to each count


class Model(NamedTuple):
    """What comes of one head's choices: how often each was made float32[s, a], the share of each of its features
    (``ratings.features``) then float32[s, a, features], and of each state behind it float32[s, a, s]."""

    chosen: np.ndarray
    features: np.ndarray
    following: np.ndarray


class Prior(NamedTuple):
    """Weights float32[N_ROWS[head]] by head (all zero: it knows nothing), style float32[N_STYLE], models,
    and whence."""

    weights: tuple[np.ndarray, np.ndarray, np.ndarray]
    style: np.ndarray
    models: tuple[Model, Model, Model]
    meta: dict[str, object]

    @property
    def empty(self) -> bool:
        """Whether it knows nothing."""
        return not any(weights.any() for weights in self.weights)

    def seen(self) -> np.ndarray:
        """The share of each feature among its head's events that have any, float32[N_FEATURES]."""
        shares = []
        for model, of, active in zip(self.models, N_OF, N_ACTIVE, strict=True):
            counts = (model.chosen[:, :, None] * model.features).sum(axis=(0, 1))
            n = float(counts.sum()) / active
            shares.append(counts / n if n else np.full(of, 0.2, dtype=np.float32))
        return np.concatenate(shares)


def layout() -> str:
    """What the weights mean; it changes with the tables, the actions and their order."""
    tables = [list(table.items()) for table in (RHYTHM_TABLES, MELODY_TABLES, HARMONY_TABLES)]
    return json.dumps([tables, [r.name for r in RHYTHMS], [v.name for v in VOICINGS], list(FEATURES), HEADS])


def no_models() -> tuple[Model, Model, Model]:
    """Nothing is known of what comes of choices."""
    r, m, h = (
        Model(*(np.zeros(shape, dtype=np.float32) for shape in shapes_of(spec, of)))
        for spec, of in zip(HEADS, N_OF, strict=True)
    )
    return r, m, h


def shapes_of(spec: HeadSpec, features: int) -> tuple[tuple[int, ...], ...]:
    """Of a model's arrays."""
    s, a = spec.n_states, spec.n_actions
    return (s, a), (s, a, features), (s, a, s)


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
        return Prior((nothing[0], nothing[1], nothing[2]), style_of(counts()), no_models(), {"kind": "prior"})
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

    def array(name: str) -> np.ndarray:
        return np.ascontiguousarray(arrays.get(name, ()), dtype=np.float32)

    weights = [array(head) for head in NAMES]
    style = array("style")
    r, m, h = (Model(*(array(f"{head}.{field}") for field in Model._fields)) for head in NAMES)
    every = (*weights, style, *r, *m, *h)
    wanted: list[tuple[int, ...]] = [(n,) for n in (*N_ROWS, N_STYLE)]
    for spec, of in zip(HEADS, N_OF, strict=True):
        wanted += shapes_of(spec, of)
    if [a.shape for a in every] != wanted or not all(np.isfinite(a).all() for a in every):
        raise SettingsError(f"prior = {name!r} does not hold what it names; practice again")
    return Prior((weights[0], weights[1], weights[2]), style, (r, m, h), meta)


def pack_prior(prior: Prior) -> bytes:
    """The bytes of a model file."""
    arrays = {**dict(zip(NAMES, prior.weights, strict=True)), "style": prior.style}
    for head, model in zip(NAMES, prior.models, strict=True):
        arrays |= {f"{head}.{field}": values for field, values in model._asdict().items()}
    return pack(arrays, {**prior.meta, "kind": "prior", "layout": layout()})


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
