"""Pairs for a blind test of a taste, and what the answers to them show: plain functions, without sound or music.

``desk.blind`` calls them. A pair is two phrases from the same context, one played to the taste and one not.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from livecomposer.errors import TasteError

KINDS = ("prior", "twin")
WORDS = {"prior": "against what it knew before", "twin": "against shuffled ratings", "all": "together"}
TRIES = 12  # contexts in a row in which both play the same, until the test gives up
Z95 = 1.959964

Phrase = list[tuple[int, bytes]]  # messages with their times in ns
Choose = Callable[[Phrase, Phrase], str]  # "a" (the first), "b" or "neither"


class Pair(NamedTuple):
    """What is to be compared: the taste and one of ``KINDS`` in the context ``seed``."""

    against: str
    taste_first: bool
    seed: int


class Answer(NamedTuple):
    """What was said of a pair: "a" (the first), "b" or "neither"."""

    pair: Pair
    choice: str

    @property
    def won(self) -> bool | None:
        """Whether the taste was chosen; None for neither."""
        return None if self.choice == "neither" else (self.choice == "a") == self.pair.taste_first


def plan_pairs(n: int, seed: int) -> list[Pair]:
    """``n`` pairs in an order of chance: half of each kind, of each half the taste first (where that is odd, one more
    is against the prior, and chance decides the order)."""
    rng = np.random.default_rng(seed)
    contexts = rng.choice(2**31 - 1 - TRIES, size=n, replace=False)
    pairs: list[Pair] = []
    for kind, of in zip(KINDS, (n - n // 2, n // 2), strict=True):
        first = [True] * (of // 2) + [False] * (of // 2) + [bool(rng.integers(2))] * (of % 2)
        pairs += [Pair(kind, taste_first, 0) for taste_first in first]
    return [pairs[i]._replace(seed=int(context)) for i, context in zip(rng.permutation(n), contexts, strict=True)]


def differing(pair: Pair, play: Callable[[str, int], Phrase]) -> tuple[Pair, Phrase, Phrase] | None:
    """The pair in the first context from its own on in which the two do not sound the same, with the first and the
    second phrase; None after ``TRIES``. ``play(who, seed)`` plays "taste" or one of ``KINDS``."""
    for seed in range(pair.seed, pair.seed + TRIES):
        mine, other = play("taste", seed), play(pair.against, seed)
        if mine != other:
            found = pair._replace(seed=seed)
            return (found, mine, other) if pair.taste_first else (found, other, mine)
    return None


def wilson(wins: int, n: int) -> tuple[float, float]:
    """95 % interval of a share, 0 to 1 without any (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = wins / n, Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def results(answers: Iterable[Answer]) -> dict[str, dict[str, Any]]:
    """By kind, and ``all``: ``won``, ``lost``, ``neither``, and the interval ``low`` to ``high`` of the share won."""
    answers = list(answers)
    found = {}
    for kind in (*KINDS, "all"):
        said = [answer.won for answer in answers if kind in ("all", answer.pair.against)]
        won, lost = said.count(True), said.count(False)
        low, high = wilson(won, won + lost)
        found[kind] = {
            "won": won, "lost": lost, "neither": said.count(None), "low": round(low, 3), "high": round(high, 3),
        }  # fmt: skip
    return found


def verdict(found: dict[str, dict[str, Any]]) -> str:
    """The result in a plain sentence."""
    both = found["all"]
    if both["won"] + both["lost"] == 0:
        return "You preferred neither each time, which shows nothing of the taste; choose one, or first rate more."
    if both["low"] > 0.5:
        clear = [kind for kind in KINDS if found[kind]["low"] > 0.5]
        if clear == ["prior"]:
            return "This is more than chance; that it is the taste and not just change, more pairs must show."
        return "This is more than chance: the taste was heard."
    if both["high"] < 0.5:
        return "This is more than chance, but the wrong way round: the others were preferred."
    return "This is not more than chance; try more pairs (--pairs 24), or rate more and test again."


def lines(name: str, found: dict[str, dict[str, Any]]) -> list[str]:
    """The result as text."""
    text = [f"How often {name} was preferred, and what that says of all such pairs (95 %):"]
    width = max(len(words) for words in WORDS.values())
    for kind, words in WORDS.items():
        row = found[kind]
        judged = row["won"] + row["lost"]
        neither = f"  (neither: {row['neither']})" if row["neither"] else ""
        interval = f"{row['low'] * 100:.0f} to {row['high'] * 100:.0f} %"
        share = f"{row['won']:>2} of {judged:>2}  {interval:<11}" if judged else f"{'none preferred':<21}"
        text.append(f"  {words:<{width}}  {share}{neither}".rstrip())
    return [*text, verdict(found)]


def hold(
    pairs: Sequence[Pair], play: Callable[[str, int], Phrase], choose: Choose, say: Callable[[str], None]
) -> Iterator[Answer]:
    """What ``choose`` says of each pair. Raises TasteError if the taste plays as the others do."""
    for number, pair in enumerate(pairs, 1):
        found = differing(pair, play)
        if found is None:
            raise TasteError(
                "it plays what it would play without these ratings, so there is nothing to hear; rate more"
            )
        say(f"Pair {number} of {len(pairs)}")
        yield Answer(found[0], choose(*found[1:]))
