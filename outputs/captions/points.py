"""The points of a correlation: people's ratings by item, whatever metric they are held against."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from outputs.captions.protocols import Protocol
from outputs.items import Item, Rating
from outputs.statistics.resampling import Floats

ACCR = ("accuracy", "completeness", "conciseness", "relevance")
AVERAGE = "average"
PREFERRED = "preferred"  # of two captions of one picture, the better one: for pairs, not for a correlation


@dataclass(frozen=True, slots=True)
class Points:
    """`item` (points,): place of the item; `rating` (points,); `cluster` (points,): a number for each picture or clip.

    `rated` (items,): whether people rated the item in this dimension. `unusable` counts ratings that are no number.
    """

    dimension: str
    protocol: Protocol
    item: NDArray[np.int64]
    rating: Floats
    cluster: NDArray[np.int64]
    rated: NDArray[np.bool_]
    unusable: int


def human_dimensions(rated: Sequence[str]) -> tuple[str, ...]:
    """What metrics are correlated with: the rated dimensions, and the average of ACCR's four where all are there."""
    found = [name for name in rated if name != PREFERRED]
    return (*found, *([AVERAGE] if set(ACCR) <= set(found) and AVERAGE not in found else []))


def cluster_of(item: Item) -> str:
    """What captions depend on together: the picture or clip, else the `group` or `pair` of the item, else itself."""
    if item.media:
        return f"media {item.media}"
    group = next((name for name in ("group", "pair") if item.fields.get(name) is not None), None)
    return f"item {item.item}" if group is None else f"{group} {item.fields[group]}"


def rating_of(rating: Rating, dimension: str) -> float | None:
    """An annotator's rating; None where there is none, NaN where it is no number."""
    if dimension in rating.scores:
        value = rating.scores[dimension]
        return value if math.isfinite(value) else math.nan
    if dimension == AVERAGE and set(ACCR) <= set(rating.scores):
        return fmean(rating.scores[name] for name in ACCR)
    return None


def points_of(items: Sequence[Item], dimension: str, protocol: Protocol) -> Points:
    """The points of one dimension under one protocol."""
    places: list[int] = []
    ratings: list[float] = []
    rated, unusable = np.zeros(len(items), dtype=bool), 0
    for place, item in enumerate(items):
        given = [(r.annotator, value) for r in item.ratings if (value := rating_of(r, dimension)) is not None]
        numbers = [(annotator, value) for annotator, value in given if not math.isnan(value)]
        unusable += len(given) - len(numbers)
        rated[place] = bool(numbers)
        for value in _paired(numbers, protocol):
            places.append(place)
            ratings.append(value)
    numbered: dict[str, int] = {}
    clusters = [numbered.setdefault(cluster_of(item), len(numbered)) for item in items]
    item_of = np.array(places, dtype=np.int64)
    cluster = np.array(clusters, dtype=np.int64)[item_of]
    return Points(dimension, protocol, item_of, np.array(ratings, dtype=np.float64), cluster, rated, unusable)


def _paired(numbers: Sequence[tuple[str, float]], protocol: Protocol) -> Iterator[float]:
    if not numbers:
        return
    if protocol is Protocol.AVERAGED:
        yield fmean(value for _, value in numbers)
    elif protocol is Protocol.RATINGS:
        yield from (value for _, value in numbers)
    else:
        by: dict[str, list[float]] = {}
        for annotator, value in numbers:
            by.setdefault(annotator, []).append(value)
        yield from map(fmean, by.values())
