"""What a taste has learnt, for people: which likes and dislikes are sure enough to be said, and how they look.

``desk.tastes`` calls it for ``livecomposer tastes explain``. A statement needs evidence of two kinds: the taste's own
estimate lies clear of nothing, and the ratings bear it out where chance would not. A hundred things are looked at, so
the second is judged among all of them at once: by how strongly the *most* striking of them goes with the same ratings
in shuffled order (Westfall & Young 1993, the single-step maximum). What chance would do in one of twenty listeners is
said to be so, what it would do in one of five only that it may be.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from livecomposer.errors import SettingsError, StoreError

if TYPE_CHECKING:
    from livecomposer.ratings.taste import Effect, Taste

LEAST_RATINGS = 8  # fewer say nothing
USUALLY = 50  # with so many, the first statements name the taste in 7 of 10 lessons (`bench words`)
LEAST_ABOUT = 4  # of them about a thing that is stated
LEAST_WORTH = 0.08  # of a whole rating
SURE = 2.0  # standard deviations that a stated worth lies from nothing; so many are also shown behind "±"
CHANCE, PERHAPS = 0.05, 0.2  # so often at most does a listener without a taste get anything stated: as sure, as likely
SHUFFLES = 1000
ALIKE = 0.7  # correlation, over the ratings, of two things that cannot be told apart
LEANING = 0.04  # worth from which a thing that is not sure may be named
USUAL = 0.01  # share of events from which a thing counts as one that is played
UNSURE = 5  # things named as not sure
OTHERS = 2  # other readings of a statement that are named with it
WIDTH = 100  # of a line
BAR, FULL = 16, 2.0  # cells of a bar, and the worth that fills them: from a strong dislike to a strong like
EIGHTHS = " ▏▎▍▌▋▊▉"


class Portrait(NamedTuple):
    """What can be said of a taste: ``stated``, the first ``sure`` of which are sure and the rest likely, of both the
    most telling first; ``others``: for each stated thing those as sure that the ratings cannot tell from it;
    ``unsure``, the nearest to being said first."""

    name: str
    ratings: int
    likes: int
    dislikes: int
    pairs: int
    stated: "list[Effect]"
    unsure: "list[Effect]"
    effects: "list[Effect]"
    others: "Sequence[Sequence[Effect]]"
    sure: int


def draw(name: str, taste: "Taste") -> Portrait:
    """The portrait of a taste."""
    from livecomposer.ratings.features import trend_basis

    state, n = taste.state(), taste.n
    effects, pairs = taste.effects(), taste.compared
    values = np.where(pairs, np.sign(state["y"][:n]), state["y"][:n])
    rated = values[~pairs]
    about = state["x"][:n, : len(effects)].astype(np.float64)
    kept: list[int] = []
    unsure: list[Effect] = []
    others: list[list[Effect]] = []
    sure = 0
    if n >= LEAST_RATINGS:
        trends = trend_basis()
        alike, same = likeness(about, trends, taste.seen), likeness(about, trends[:0], taste.seen)
        by_chance = chances(about, values, pairs)
        for limit in (CHANCE, PERHAPS):
            clear = evident(effects, by_chance, limit)
            more = statements(effects, clear, alike, kept)
            others += [[effects[j] for j in found] for found in readings(effects, clear, more, same)]
            kept += more
            if limit == CHANCE:
                sure = len(kept)
        unsure = [effects[i] for i in doubts(effects, kept, alike, taste.seen)]
    likes, dislikes = int((rated > 0).sum()), int((rated < 0).sum())
    stated = [effects[i] for i in kept]
    return Portrait(name, len(rated), likes, dislikes, n - len(rated), stated, unsure, effects, others, sure)


def chances(about: np.ndarray, values: np.ndarray, pairs: np.ndarray | None = None) -> np.ndarray:
    """How often chance alone makes the most striking of all things go with the ratings as strongly as each does.

    Ratings are shuffled among ratings, answers among answers.

    Parameters
    ----------
    about : float64[n, things]
        How much of each thing was in what each rating reached.
    values : float64[n]
        The ratings; of an answer 1, -1 or 0 for neither.
    pairs : bool[n], optional
        Which of them are answers (about the difference of two phrases); None: none.

    Returns
    -------
    float64[things]
        From 1 / (SHUFFLES + 1) to 1.
    """
    n = len(values)
    compared = np.zeros(n, dtype=bool) if pairs is None else pairs
    kinds = [kind for kind in (~compared, compared) if kind.any()]
    columns = np.concatenate([_standard(about[kind]) for kind in kinds])
    groups = [_standard(values[kind, None])[:, 0] for kind in kinds]
    rated = np.concatenate(groups)
    found = np.abs(columns.T @ rated) / n
    if not rated.any():
        return np.ones(about.shape[1])
    rng = np.random.default_rng(0)
    shuffled = np.hstack([rng.permuted(np.tile(group, (SHUFFLES, 1)), axis=1) for group in groups])
    most = np.sort(np.abs(shuffled @ columns / n).max(axis=1))
    reached = SHUFFLES - np.searchsorted(most, found - 1e-12)
    return (1.0 + reached) / (SHUFFLES + 1.0)


def likeness(about: np.ndarray, trends: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Which things say the same: 1, or -1 where liking the one is disliking the other, or 0; int64[things, things].

    Two do if the ratings cannot tell them apart (``ALIKE``), or if one is a trend and the other a feature of it.

    Parameters
    ----------
    about : float64[n, things]
        As in ``chances``; features come first, then trends.
    trends : float64[trends, features]
        How much of each trend every feature has.
    seen : float64[features]
        How usual each is.
    """
    columns = _standard(about)
    together = columns.T @ columns / max(len(columns), 1)
    found = np.where(np.abs(together) >= ALIKE, np.sign(together), 0.0)
    features = trends.shape[1]
    for t, much in enumerate(trends):
        parts = much != 0.0
        mean = much[parts] @ seen[parts] / max(seen[parts].sum(), 1e-9)
        plain = np.all(much[parts] == 1.0)
        goes = np.where(parts, 1.0 if plain else np.sign(much - mean), 0.0)
        found[features + t, :features] = np.where(parts, goes, found[features + t, :features])
        found[:features, features + t] = found[features + t, :features]
    return found.astype(np.int64)


def evident(effects: "Sequence[Effect]", chance: np.ndarray, limit: float = CHANCE) -> list[int]:
    """The numbers of the effects that are sure enough to be said, the surest first; ``limit``: of ``chance``."""
    sure = [
        i
        for i, effect in enumerate(effects)
        if abs(effect.worth) > SURE * effect.sd
        and effect.n >= LEAST_ABOUT
        and abs(effect.worth) >= LEAST_WORTH
        and chance[i] <= limit
    ]
    return sorted(sure, key=lambda i: -round(_surety(effects[i]), 2))


def statements(
    effects: "Sequence[Effect]", sure: Sequence[int], alike: np.ndarray, before: Sequence[int] = ()
) -> list[int]:  # fmt: skip
    """Which of the ``evident`` ones are stated beside those of ``before``: none that says again what a surer one says;
    the one that is certain to matter most comes first."""
    kept: list[int] = []
    for i in sure:
        if i not in before and not any(_agree(effects, alike, i, j) for j in (*before, *kept)):
            kept.append(i)
    return sorted(kept, key=lambda i: -(abs(effects[i].worth) * (1.0 - _surety(effects[i]) ** -2)))


def readings(
    effects: "Sequence[Effect]", sure: Sequence[int], stated: Sequence[int], same: np.ndarray
) -> list[list[int]]:  # fmt: skip
    """For each statement the (``OTHERS`` surest) effects that are as evident and that the ratings cannot tell from it
    (``same``: a ``likeness`` without trends): perhaps it is they that the player means."""
    return [[j for j in sure if j not in stated and _agree(effects, same, i, j)][:OTHERS] for i in stated]


def doubts(effects: "Sequence[Effect]", stated: Sequence[int], alike: np.ndarray, seen: np.ndarray) -> list[int]:
    """The numbers of the effects to name as not sure: those that lean somewhere, then usual ones hardly heard of."""
    leaning = [i for i, e in enumerate(effects) if abs(e.worth) >= LEANING and abs(e.worth) > e.sd]
    leaning.sort(key=lambda i: -round(_surety(effects[i]), 2))
    unheard = [i for i, e in enumerate(effects) if e.n < LEAST_ABOUT and i < len(seen) and seen[i] >= USUAL]
    unheard.sort(key=lambda i: -effects[i].sd)
    named: list[int] = []
    for i in (*leaning, *unheard):
        if i not in stated and not any(alike[i, j] for j in (*stated, *named)):
            named.append(i)
    return named[:UNSURE]


def lines(drawn: Portrait) -> list[str]:
    """The portrait as text."""
    n = drawn.ratings + drawn.pairs
    if n == 0:
        return [f"{drawn.name}: no ratings yet. Play, and rate what you hear."]
    told = f"{_title(drawn)} ({_count(drawn.likes, 'like')}, {_count(drawn.dislikes, 'dislike')})"
    if drawn.pairs:
        told = f"{told}, {_count(drawn.pairs, 'pair')}" if drawn.ratings else _title(drawn)
    if n < LEAST_RATINGS:
        return [f"{told}. That is too few to say anything of it: {LEAST_RATINGS} are the least."]
    text = [told]
    if not drawn.sure:
        why = " All ratings point one way: rate also what you do not like." if _one_sided(drawn) else ""
        more = f"It usually takes {USUALLY} ratings" if n < USUALLY else "More ratings make it surer"
        how = (
            "like and dislike what differs clearly (long and short, high and low, steps and leaps), or answer pairs (b)"
        )
        text = [f"{told}. Nothing is sure yet.{why}", *textwrap.wrap(f"{more}: {how}.", WIDTH)]
    if drawn.stated:
        text.append("")
        text += _table(drawn)
    if drawn.unsure:
        named = "; ".join(effect.words for effect in drawn.unsure)
        text += ["", *textwrap.wrap(f"not sure yet about: {named}", WIDTH, subsequent_indent="  ")]
    if drawn.sure < len(drawn.stated):
        text += ["", '"may": chance alone would make something look like that with one listener in five.']
    if drawn.stated:
        text += [
            "",
            "How much more than a usual note you like one that has it, in ratings (1: a strong like); where it is a",
            "matter of more or less, for a usual difference. The truth lies within ± in about 95 of 100 cases.",
        ]
    return text


def _table(drawn: Portrait) -> list[str]:
    """What is stated, in columns."""
    text = []
    says = len("dislikes" if drawn.sure == len(drawn.stated) else "may dislike")
    width = max(len(effect.words) for effect in drawn.stated)
    for i, (effect, others) in enumerate(zip(drawn.stated, drawn.others, strict=True)):
        text.append(
            f"{verb(drawn, i):<{says}}  {effect.words:<{width}}  {bar(effect.worth):<{BAR}}  "
            f"{_figure(effect.worth, '+'):>5} ± {_figure(SURE * effect.sd)}  ({_count(effect.n, 'rating')})"
        )
        if others:
            either = " or ".join(reading(effect, other) for other in others)
            indent = " " * (says + 2)
            text += textwrap.wrap(f"or {either}: your ratings cannot tell", WIDTH - 10, initial_indent=indent,
                                  subsequent_indent=indent)  # fmt: skip
    return text


def report(drawn: Portrait) -> dict[str, Any]:
    """The portrait for programs, as README says."""
    statements = [
        {"says": _says(effect), **_facts(effect), "or": [reading(effect, other) for other in others]}
        for effect, others in zip(drawn.stated, drawn.others, strict=True)
    ]
    return {
        "name": drawn.name, "ratings": drawn.ratings, "likes": drawn.likes, "dislikes": drawn.dislikes,
        "pairs": drawn.pairs, "statements": statements[: drawn.sure], "maybe": statements[drawn.sure :],
        "unsure": [effect.words for effect in drawn.unsure],
        "effects": [_facts(effect) for effect in drawn.effects],
    }  # fmt: skip


def verb(drawn: Portrait, i: int) -> str:
    """What the i-th statement begins with."""
    return _says(drawn.stated[i]) if i < drawn.sure else f"may {_says(drawn.stated[i]).removesuffix('s')}"


def _says(effect: "Effect") -> str:
    return "likes" if effect.worth > 0 else "dislikes"


def reading(stated: "Effect", other: "Effect") -> str:
    """Another reading of a statement, with its verb if that is not the same."""
    return other.words if other.worth * stated.worth > 0 else f"{_says(other)} {other.words}"


def bar(worth: float) -> str:
    """A bar of ``BAR`` cells for a worth of ``FULL`` or more, in eighths of a cell."""
    eighths = round(min(abs(worth) / FULL, 1.0) * BAR * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def plot(drawn: Portrait, path: Path) -> None:
    """Write the portrait as a PNG picture: bars with what is within ±, pale ones for what may be so, and by name what
    nothing can be said of yet.

    Raises
    ------
    SettingsError
        There is no matplotlib, or no such folder.
    StoreError
        The file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise SettingsError("--plot needs matplotlib; pip install livecomposer[plot]") from None
    if not path.absolute().parent.is_dir():
        raise SettingsError(f"plot = {str(path)!r}: there is no folder {str(path.parent)!r}; make it first")
    if path.is_dir():
        raise SettingsError(f"plot = {str(path)!r} is a folder; name a file in it")
    ground, ink, faint, like, dislike = "#15171c", "#e8e6e1", "#8b919b", "#5ec8a5", "#ef7d6a"
    rows = [*drawn.stated, *drawn.unsure]
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15)
    figure = Figure(figsize=(9, 2.2 + 0.5 * max(len(rows), 1)), facecolor=ground, layout=layout)
    axes = figure.add_subplot(facecolor=ground)
    for y, effect in enumerate(drawn.stated):
        colour = like if effect.worth > 0 else dislike
        axes.barh(y, effect.worth, height=0.62, color=colour, alpha=0.95 if y < drawn.sure else 0.45)
        axes.errorbar(
            effect.worth, y, xerr=SURE * effect.sd, color=ink, alpha=0.9, elinewidth=1.4, capsize=4, capthick=1.4
        )
    for y in range(len(drawn.stated), len(rows)):
        axes.text(0, y, " not sure yet", color=faint, va="center", fontsize=10)
    reach = max([abs(e.worth) + SURE * e.sd for e in drawn.stated], default=1.0) * 1.06
    axes.set(xlim=(-reach, reach), ylim=(max(len(rows), 1) - 0.4, -0.6))
    either = ["".join(f"\nor {reading(e, o)}" for o in others) for e, others in zip(rows, drawn.others, strict=False)]
    either += [""] * len(drawn.unsure)
    axes.set_yticks(range(len(rows)), [f"{e.words}  ({e.n}){more}" for e, more in zip(rows, either, strict=True)])
    axes.axvline(0, color=ink, linewidth=0.9, alpha=0.7 if drawn.stated else 0.0)
    axes.grid(axis="x", color=ink, alpha=0.09)
    axes.set_axisbelow(True)
    axes.tick_params(colors=faint, length=0, labelsize=9)
    axes.tick_params(axis="y", labelsize=10.5)
    for y, label in enumerate(axes.get_yticklabels()):
        label.set_color(ink if y < len(drawn.stated) else faint)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("← liked less than usual      ratings      liked more than usual →", color=faint, fontsize=9.5)
    if not rows:
        axes.text(0, 0, "too few ratings to say anything", color=faint, ha="center", va="center", fontsize=12)
    title = _title(drawn) + (f", {_count(drawn.pairs, 'pair')}" if drawn.ratings and drawn.pairs else "")
    note = "bars: worth (pale: it may be so); lines: 95 %; in brackets: ratings about it; or: they cannot tell"
    axes.set_title(title, color=ink, fontsize=14, loc="left", pad=22)
    if drawn.stated:
        axes.text(0, 1.0, note, transform=axes.transAxes, color=faint, fontsize=9, va="bottom")
    try:
        figure.savefig(path, dpi=140, format="png", facecolor=ground)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror or error}); name another place") from None


def _standard(columns: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and variance 1 (or all 0, where nothing varies)."""
    if not len(columns):
        return columns
    centred = columns - columns.mean(axis=0)
    sd = centred.std(axis=0)
    return np.where(sd > 1e-9, centred / np.where(sd > 1e-9, sd, 1.0), 0.0)


def _agree(effects: "Sequence[Effect]", alike: np.ndarray, i: int, j: int) -> bool:
    return bool(alike[i, j] * effects[i].worth * effects[j].worth > 0)


def _surety(effect: "Effect") -> float:
    return abs(effect.worth) / max(effect.sd, 1e-12)


def _one_sided(drawn: Portrait) -> bool:
    return not drawn.pairs and drawn.ratings in (drawn.likes, drawn.dislikes)


def _title(drawn: Portrait) -> str:
    """How many ratings there are, or if there are none of them, pairs."""
    only_pairs = drawn.pairs and not drawn.ratings
    return f"{drawn.name}: {_count(drawn.pairs, 'pair') if only_pairs else _count(drawn.ratings, 'rating')}"


def _facts(effect: "Effect") -> dict[str, Any]:
    return {"feature": effect.name, "words": effect.words, "worth": round(effect.worth, 3), "sd": round(effect.sd, 3),
            "ratings": effect.n}  # fmt: skip


def _figure(value: float, sign: str = "") -> str:
    """Two decimals without a leading zero: "+.88"."""
    return f"{value:{sign}.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:{sign}.2f}"


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"
