"""The prior: what is shipped, what a file may hold, and the style it was counted from."""

import json

import numpy as np
import pytest

from livecomposer.agents import prior as module
from livecomposer.agents.model import pack, unpack
from livecomposer.agents.prior import (
    NAMES,
    SMOOTHING,
    Model,
    Prior,
    counts,
    layout,
    load_prior,
    no_models,
    pack_prior,
    style_of,
)
from livecomposer.errors import ForeignTaste, SettingsError, TasteError
from livecomposer.music.context import HEADS
from livecomposer.music.heads import N_ROWS
from livecomposer.music.rules import N_STYLE, STEP_TABLE
from livecomposer.ratings.features import N_OF


def made(seed=1) -> Prior:
    """A prior of random numbers."""
    random = np.random.default_rng(seed)

    def like(array):
        return random.uniform(size=array.shape).astype(np.float32)

    none = load_prior("none")
    rhythm, melody, harmony = (Model(*map(like, model)) for model in none.models)
    return none._replace(
        weights=tuple(map(like, none.weights)), style=like(none.style), models=(rhythm, melody, harmony),
        meta={"seed": seed, "steps": 12},
    )  # fmt: skip


def every(prior):
    """All its arrays."""
    return [*prior.weights, prior.style, *(array for model in prior.models for array in model)]


def write(path, changed=None, **meta):
    """A model file as ``pack_prior`` has it, but for what is said (array None: left out)."""
    path.write_bytes(pack_prior(made()))
    arrays, found = unpack(path.read_bytes())
    arrays = {name: array for name, array in {**arrays, **(changed or {})}.items() if array is not None}
    path.write_bytes(pack(arrays, {**found, **meta}))
    return str(path)


# ---- loading --------------------------------------------------------------------------------------------------------
def test_the_shipped_prior():
    prior = load_prior("shipped")
    assert [w.shape for w in prior.weights] == [(n,) for n in N_ROWS]
    assert {array.dtype for array in every(prior)} == {np.dtype(np.float32)}
    assert all(np.abs(w).max() > 1.0 for w in prior.weights)
    assert not prior.empty
    assert (prior.meta["kind"], prior.meta["layout"]) == ("prior", layout())


def test_the_shipped_style_is_that_of_the_shipped_counts():
    np.testing.assert_array_equal(load_prior("shipped").style, style_of(counts()))


def test_no_prior_knows_only_the_style():
    prior = load_prior("none")
    assert [(w.shape, int(np.count_nonzero(w))) for w in prior.weights] == [((n,), 0) for n in N_ROWS]
    np.testing.assert_array_equal(prior.style, style_of(counts()))
    assert prior.empty


def test_one_weight_is_not_nothing():
    prior = load_prior("none")
    prior.weights[2][-1] = 1e-9
    assert not prior.empty


def test_saving_and_loading(tmp_path):
    path = tmp_path / "mine.npz"
    saved = made()
    path.write_bytes(pack_prior(saved))
    loaded = load_prior(str(path))
    for one, other in zip(every(loaded), every(saved), strict=True):
        np.testing.assert_array_equal(one, other)
    assert loaded.meta == {"version": 1, "kind": "prior", "layout": layout(), "seed": 1, "steps": 12}


def test_saving_again_gives_the_same_bytes(tmp_path):
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    one.write_bytes(pack_prior(made()))
    other.write_bytes(pack_prior(load_prior(str(one))))
    (arrays, meta), (again, meta_again) = (unpack(path.read_bytes()) for path in (one, other))
    assert meta == meta_again
    assert {name: a.tobytes() for name, a in arrays.items()} == {name: a.tobytes() for name, a in again.items()}


def test_what_is_seen_of_each_feature():
    """The share of a head's events that had it, of those that had any (seven each), by hand; without a survey all are
    alike."""
    assert set(load_prior("none").seen().tolist()) == {np.float32(0.2)}
    models = no_models()
    models[1].chosen[3, 2], models[1].chosen[8, 1] = 3.0, 1.0
    models[1].features[3, 2, 0], models[1].features[8, 1, [0, 4]] = 0.5, [1.0, 0.25]
    seen = load_prior("none")._replace(models=models).seen()
    assert seen.shape == (sum(N_OF),)
    expected = np.full(sum(N_OF), 0.2, dtype=np.float32)
    expected[N_OF[0] : N_OF[0] + N_OF[1]] = 0.0
    events = (3 * 0.5 + 1 + 0.25) / 7
    expected[N_OF[0]], expected[N_OF[0] + 4] = (3 * 0.5 + 1) / events, 0.25 / events
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


# ---- what cannot be loaded ------------------------------------------------------------------------------------------
def refused(name, kind=SettingsError):
    with pytest.raises(kind) as caught:
        load_prior(name)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    name = str(tmp_path / "nowhere.npz")
    assert refused(name) == f"prior = {name!r} cannot be read (No such file or directory); write shipped or none"
    assert refused(str(tmp_path)).startswith(f"prior = {str(tmp_path)!r} cannot be read (")
    assert refused("").startswith("prior = '' cannot be read (")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x93NUMPY", b"no model at all"])
def test_a_damaged_file(tmp_path, data):
    path = tmp_path / "bad.npz"
    path.write_bytes(data)
    assert refused(str(path), TasteError).startswith(f"prior {str(path)!r} is damaged or no file")
    assert path.read_bytes() == data


def test_a_file_cut_short(tmp_path):
    path = tmp_path / "short.npz"
    path.write_bytes(pack_prior(made()))
    whole = path.read_bytes()
    for n in range(1, len(whole), 9973):
        path.write_bytes(whole[:n])
        assert refused(str(path), TasteError).startswith(f"prior {str(path)!r} is damaged or no file")


def test_a_file_of_a_newer_version(tmp_path):
    name = write(tmp_path / "new.npz", version=2)
    assert refused(name, ForeignTaste) == (
        f"prior {name!r} was written by a newer livecomposer (version 2); update to use it"
    )


@pytest.mark.parametrize("meta", [{"kind": "taste"}, {"kind": None}, {"layout": "[]"}, {"layout": None}])
def test_a_file_for_other_heads(tmp_path, meta):
    name = write(tmp_path / "foreign.npz", **meta)
    assert refused(name) == f"prior = {name!r} was made for other heads than this version's; practice again"


BAD = {
    "a head is missing": {"melody": None},
    "the style is missing": {"style": None},
    "a row too few": {"rhythm": np.zeros(N_ROWS[0] - 1, dtype=np.float32)},
    "a row too many": {"harmony": np.zeros(N_ROWS[2] + 1, dtype=np.float32)},
    "two dimensions": {"melody": np.zeros((1, N_ROWS[1]), dtype=np.float32)},
    "NaN": {"melody": np.full(N_ROWS[1], np.nan, dtype=np.float32)},
    "a model is missing": {"melody.chosen": None},
    "a model of other states": {"harmony.following": np.zeros((2, 14, 2), dtype=np.float32)},
    "NaN in a model": {"rhythm.chosen": np.full((HEADS[0].n_states, 14), np.nan, dtype=np.float32)},
    "one infinity": {"style": np.r_[np.zeros(N_STYLE - 1), np.inf].astype(np.float32)},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_file_that_does_not_hold_what_it_names(tmp_path, bad):
    name = write(tmp_path / "bad.npz", bad)
    assert refused(name) == f"prior = {name!r} does not hold what it names; practice again"


def test_doubles_are_taken_as_floats(tmp_path):
    prior = made()
    doubles = {head: w.astype(np.float64) for head, w in zip(NAMES, prior.weights, strict=True)}
    loaded = load_prior(write(tmp_path / "double.npz", {**doubles, "style": prior.style.astype(np.float64)}))
    assert {array.dtype for array in every(loaded)} == {np.dtype(np.float32)}


# ---- the layout -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("tables", ["RHYTHM_TABLES", "MELODY_TABLES", "HARMONY_TABLES"])
def test_the_layout_changes_with_the_tables(tmp_path, monkeypatch, tables):
    """With their names, sizes and order; a file written before no longer fits."""
    name = str(tmp_path / "mine.npz")
    (tmp_path / "mine.npz").write_bytes(pack_prior(made()))
    table, before = getattr(module, tables), layout()
    first = next(iter(table))
    changed = [
        {**table, first: table[first] + 1},
        {f"{key}s" if key == first else key: size for key, size in table.items()},
        dict(reversed(table.items())),
        {key: size for key, size in table.items() if key != first},
    ]
    layouts = set()
    for other in changed:
        monkeypatch.setattr(module, tables, other)
        layouts.add(layout())
        assert refused(name).endswith("was made for other heads than this version's; practice again")
    assert len(layouts - {before}) == 4
    monkeypatch.undo()
    assert (layout(), load_prior(name).meta["layout"]) == (before, before)


def test_the_layout_changes_with_the_actions(monkeypatch):
    before = layout()
    monkeypatch.setattr(module, "VOICINGS", module.VOICINGS[::-1])
    turned = layout()
    monkeypatch.undo()
    monkeypatch.setattr(module, "RHYTHMS", module.RHYTHMS[:-1])
    assert len({before, turned, layout()}) == 3
    json.loads(before)


# ---- the style ------------------------------------------------------------------------------------------------------
def test_rows_of_the_style_are_distributions():
    style = style_of(counts()).astype(np.float64)
    steps, lengths = np.exp(style[:STEP_TABLE]).reshape(-1, 15), np.exp(style[STEP_TABLE:]).reshape(-1, 10)
    assert (len(steps), len(lengths)) == (2 * 7 * 16, 12 * 11)
    np.testing.assert_allclose(steps.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(lengths.sum(axis=1), 1.0, atol=1e-5)


def nothing():
    return {
        "step_major": np.zeros((7, 16, 15)).tolist(),
        "step_minor": np.zeros((7, 16, 15)).tolist(),
        "rhythm": np.zeros((12, 11, 10)).tolist(),
    }


def test_nothing_counted_is_uniform():
    style = style_of(nothing())
    np.testing.assert_allclose(style[:STEP_TABLE], np.log(1 / 15), atol=1e-6)
    np.testing.assert_allclose(style[STEP_TABLE:], np.log(1 / 10), atol=1e-6)


def test_counts_are_smoothed():
    """p(step) = (n + ½) / Σ (n + ½) in its own row; a length's n has 5 p(length) added besides."""
    table = nothing()
    table["step_minor"][4][15][7] = 9
    table["rhythm"][6][2][3] = 4
    style = style_of(table).astype(np.float64)
    steps = np.exp(style[:STEP_TABLE].reshape(2, 7, 16, 15))
    total = 9 + 15 * SMOOTHING
    expected = np.full(15, SMOOTHING / total)
    expected[7] = (9 + SMOOTHING) / total
    np.testing.assert_allclose(steps[1, 4, 15], expected, atol=1e-6)
    np.testing.assert_allclose(steps[0], 1 / 15, atol=1e-6)
    lengths = np.exp(style[STEP_TABLE:].reshape(12, 11, 10))
    other = np.full(10, SMOOTHING)
    other[3] += 5.0
    np.testing.assert_allclose(lengths[0, 0], other / other.sum(), atol=1e-6)
    other[3] += 4.0
    np.testing.assert_allclose(lengths[6, 2], other / other.sum(), atol=1e-6)
