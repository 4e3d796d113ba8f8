"""How well annotators agree with each other: the ceiling of what a metric can be asked for."""

import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import fmean

from outputs.captions.points import rating_of
from outputs.items import Item
from outputs.statistics.kendall import Tau, kendall

_Both = tuple[str, float, float]  # the system, and what each of two annotators said


def human_agreement(items: Iterable[Item], dimension: str, *, by_system: bool = False) -> Tau:
    """Tau over the items that both rated, averaged over all pairs of annotators; `by_system` over means of systems.

    `n` is the number of items that two annotators or more rated, with `by_system` of those that name a system. A pair
    without a defined tau is left out of the mean.
    """
    rated = [
        (item.system, by)
        for item in items
        if (item.system or not by_system) and len(by := _by_annotator(item, dimension)) > 1
    ]
    pairs = [_means(both) if by_system else both for both in _pairs(rated)]
    found = [kendall([one for _, one, _ in both], [other for *_, other in both]) for both in pairs]
    defined = [tau for tau in found if tau.reason is None]
    if not defined:
        reason = (found[0].reason or "").replace("score", "rating") if found else "no item with two annotators"
        return Tau(math.nan, math.nan, len(rated), reason)
    return Tau(fmean(tau.tau_b for tau in defined), fmean(tau.tau_c for tau in defined), len(rated))


def _means(both: Sequence[_Both]) -> list[_Both]:
    of: dict[str, list[_Both]] = {}
    for one in both:
        of.setdefault(one[0], []).append(one)
    return [(name, fmean(one for _, one, _ in its), fmean(other for *_, other in its)) for name, its in of.items()]


def _pairs(rated: Sequence[tuple[str, dict[str, float]]]) -> list[list[_Both]]:
    """The ratings of each pair of annotators who rated an item together."""
    found: dict[tuple[str, str], list[_Both]] = {}
    for system, by in rated:
        for first, second in combinations(sorted(by), 2):
            found.setdefault((first, second), []).append((system, by[first], by[second]))
    return list(found.values())


def _by_annotator(item: Item, dimension: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for rating in item.ratings:
        value = rating_of(rating, dimension)
        if value is not None and not math.isnan(value):
            found.setdefault(rating.annotator, []).append(value)
    return {annotator: fmean(values) for annotator, values in found.items()}
