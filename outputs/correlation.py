"""Correlation of a metric's scores with people's ratings, and of people with each other.

Values are x100, as the field prints them. What cannot be computed is NaN with a reason beside it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import ArrayLike

from outputs.captions.points import rating_of
from outputs.items import Item
from outputs.statistics import kendall as taus
from outputs.statistics.resampling import Floats


@dataclass(frozen=True, slots=True)
class Tau:
    """Kendall's tau-b and tau-c x100 over `n` points; NaN with a reason where they are not defined."""

    n: int
    tau_b: float
    tau_c: float
    reason: str | None = None


def kendall(scores: ArrayLike, ratings: ArrayLike) -> Tau:
    """Kendall's tau-b and tau-c x100 of paired values (tau-b: Kendall 1945; tau-c: Stuart 1953), ties counted."""
    first, second = np.asarray(scores, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    reason = undefined(first, second)
    if reason is not None:
        return Tau(len(first), math.nan, math.nan, reason)
    found = taus.kendall(first, second)
    return Tau(len(first), 100 * found.tau_b, 100 * found.tau_c, found.reason)


def undefined(scores: Floats, ratings: Floats) -> str | None:
    """Why paired values have no correlation; None where they have one."""
    if len(scores) < 2:
        return "fewer than 2 points"
    if not (np.isfinite(scores).all() and np.isfinite(ratings).all()):
        return "not a number in the input"
    if scores.min() == scores.max():
        return "every score is the same"
    if ratings.min() == ratings.max():
        return "every rating is the same"
    return None


def pearson(scores: Floats, ratings: Floats) -> float:
    """Pearson's correlation x100; NaN where a side is constant."""
    if undefined(scores, ratings):
        return math.nan
    return 100 * float(np.corrcoef(scores, ratings)[0, 1])


def spearman(scores: Floats, ratings: Floats) -> float:
    """Spearman's correlation x100: Pearson's of the ranks, those of ties being their mean; NaN where constant."""
    from scipy.stats import rankdata

    if undefined(scores, ratings):
        return math.nan
    return pearson(rankdata(scores), rankdata(ratings))


def human_agreement(items: Iterable[Item], dimension: str) -> Tau:
    """Agreement between annotators: tau over the items that both rated, averaged over all pairs of annotators.

    `n` is the number of items that two annotators or more rated. A pair without a defined tau is left out of the mean.
    """
    rated = [by for item in items if len(by := _by_annotator(item, dimension)) > 1]
    found = [kendall([one for one, _ in both], [other for _, other in both]) for both in _pairs(rated)]
    defined = [tau for tau in found if tau.reason is None]
    if not defined:
        reason = (found[0].reason or "").replace("score", "rating") if found else "no item with two annotators"
        return Tau(len(rated), math.nan, math.nan, reason)
    return Tau(len(rated), fmean(tau.tau_b for tau in defined), fmean(tau.tau_c for tau in defined))


def _pairs(rated: Sequence[dict[str, float]]) -> list[list[tuple[float, float]]]:
    """The ratings of each pair of annotators who rated an item together."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for by in rated:
        for first, second in combinations(sorted(by), 2):
            found.setdefault((first, second), []).append((by[first], by[second]))
    return list(found.values())


def _by_annotator(item: Item, dimension: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for rating in item.ratings:
        value = rating_of(rating, dimension)
        if value is not None and not math.isnan(value):
            found.setdefault(rating.annotator, []).append(value)
    return {annotator: fmean(values) for annotator, values in found.items()}
