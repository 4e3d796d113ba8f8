"""Clustered bootstrap: whole clusters are drawn with replacement, and a row weighs as often as its cluster was drawn.

All columns of a statistic see the same draws, so that differences and other combinations of columns are paired. How an
interval is made is in `outputs/statistics/intervals.py`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from outputs.statistics.intervals import (
    Floats,
    Interval,
    Places,
    Sizes,
    Spread,
    logit_interval,
    no_spread,
    percentile_interval,
    sizes_of,
    spread,
)

__all__ = ["Floats", "Interval", "Labels", "Resampled", "Statistic", "bootstrap", "joined", "weighted_means"]

Statistic = Callable[[Floats], Floats]
"""Weights (resamples, rows), how often each row counts, to values (resamples, columns)."""
Labels = Sequence[object] | NDArray[np.generic]

_CHUNK_BYTES = 32 * 2**20  # of weights
_DRAWN_AT_ONCE = 2**16  # clusters, about: new memory for more would cost more than the draws
_MOST_LEFT_OUT = 1000  # clusters; with more, t is close to normal


def _none() -> Places:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Resampled:
    """`point` (columns,): the statistic of the data; `draws` (resamples, columns): of each resample.

    `rows` (clusters,): how many rows each cluster has. `left_out` (clusters, columns): the statistic without each
    cluster, None where there are too many. `strata` (clusters,): a number each.
    """

    point: Floats
    draws: Floats
    rows: Floats
    left_out: Floats | None = None
    strata: Places = field(default_factory=_none)

    @property
    def clusters(self) -> int:
        """How many clusters there are."""
        return len(self.rows)

    def interval(self, column: int, within: tuple[float, float] | None = None) -> Interval:
        """Of one column, whatever it is: a mean, a correlation; its limits cut to what it can be, `within`."""
        found = self._interval(float(self.point[column]), self.draws[:, column], self._left(column))
        if within is None or math.isnan(found.low):
            return found
        low, high = (min(max(limit, within[0]), within[1]) for limit in (found.low, found.high))
        return replace(found, low=low, high=high)

    def difference(self, first: int, second: int) -> Interval:
        """Of column `first` minus column `second`, paired."""
        left = None if self.left_out is None else self.left_out[:, first] - self.left_out[:, second]
        draws = self.draws[:, first] - self.draws[:, second]
        return self._interval(float(self.point[first] - self.point[second]), draws, left)

    def combination(self, coefficients: Floats) -> Interval:
        """Of a linear combination; `coefficients` (columns,). Columns with coefficient 0 play no part."""
        given = np.asarray(coefficients, dtype=np.float64)
        used = np.flatnonzero(given)
        left = None if self.left_out is None else self.left_out[:, used] @ given[used]
        return self._interval(float(self.point[used] @ given[used]), self.draws[:, used] @ given[used], left)

    def share(self, column: int) -> Interval:
        """Of a column that is a share, 0..1, also a rare one: on the scale of the logit."""
        point = float(self.point[column])
        plain = self._interval(point, self.draws[:, column], self._left(column))
        if math.isnan(plain.low):
            return plain
        return logit_interval(point, plain.standard_error, self._sizes, self._spread(self._left(column)))

    def _left(self, column: int) -> Floats | None:
        return None if self.left_out is None else self.left_out[:, column]

    def _interval(self, estimate: float, draws: Floats, left: Floats | None) -> Interval:
        return percentile_interval(estimate, draws, self._sizes, self._spread(left))

    def _spread(self, left: Floats | None) -> Spread:
        return no_spread(self._sizes) if left is None else spread(left, self.strata)

    @property
    def _sizes(self) -> Sizes:
        return sizes_of(self.rows, self.strata)


def bootstrap(
    statistic: Statistic, clusters: Labels, *, strata: Labels | None = None, resamples: int = 2000, seed: int = 0
) -> Resampled:
    """`clusters`: a label a row. `strata`: a label a row; as many clusters are drawn in each as there are.

    A cluster without data for some column still counts as one: leave it out, or make it another stratum.
    The same seed gives the same draws, whatever the statistic. At most 32 MB of weights are made at a time. Raises
    ValueError where the labels are not equally many.
    """
    cluster_of, stratum_of = _places(clusters, strata)
    rows, number = len(cluster_of), len(stratum_of)
    if not rows:
        columns = statistic(np.ones((1, 0))).shape[1]
        return Resampled(np.full(columns, math.nan), np.full((resamples, columns), math.nan), np.zeros(0))
    point = statistic(np.ones((1, rows)))[0]
    drawn = [statistic(weights) for weights in _drawn(cluster_of, stratum_of, resamples, seed)]
    draws = np.concatenate([np.empty((0, len(point))), *drawn])
    left = _left_out(statistic, cluster_of, number) if number <= _MOST_LEFT_OUT else None
    return Resampled(point, draws, np.bincount(cluster_of).astype(np.float64), left, stratum_of)


def weighted_means(values: Floats) -> Statistic:
    """Of `values` (rows, columns), NaN where missing: column means over what is there; NaN where nothing is."""
    given = np.asarray(values, dtype=np.float64)
    there = ~np.isnan(given)
    whole = bool(there.all())
    filled, mask = np.where(there, given, 0.0), there.astype(np.float64)

    def means(weights: Floats) -> Floats:
        sums = weights @ filled
        total = np.broadcast_to(weights.sum(axis=1)[:, None], sums.shape) if whole else weights @ mask
        return np.asarray(np.divide(sums, total, out=np.full(sums.shape, math.nan), where=total > 0))

    return means


def joined(*statistics: Statistic) -> Statistic:
    """The columns of several statistics of the same rows, side by side."""
    return lambda weights: np.concatenate([one(weights) for one in statistics], axis=1)


def _drawn(cluster_of: Places, stratum_of: Places, resamples: int, seed: int) -> Iterator[Floats]:
    """Weights (some resamples, rows). Each stratum draws from a stream of its own, so that chunks leave no trace."""
    strata = [np.flatnonzero(stratum_of == one) for one in range(int(stratum_of.max()) + 1)]
    sources = np.random.default_rng(seed).spawn(len(strata))
    chunk = max(1, _CHUNK_BYTES // (8 * len(cluster_of)))
    alone = len(cluster_of) == len(stratum_of)  # a cluster a row: places are 0, 1, 2, ...
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        counts = np.empty((len(stratum_of), size))
        for source, members in zip(sources, strata, strict=True):
            counts[members] = _counts(source, size, len(members)).T
        yield (counts if alone else counts[cluster_of]).T


def _counts(source: np.random.Generator, size: int, members: int) -> NDArray[np.int64]:
    """How often each member is drawn: (size, members)."""
    counts = np.empty((size, members), dtype=np.int64)
    some = max(1, _DRAWN_AT_ONCE // members)
    for start in range(0, size, some):
        drawn = source.integers(0, members, (min(some, size - start), members))
        for row, places in enumerate(drawn, start):
            counts[row] = np.bincount(places, minlength=members)
    return counts


def _left_out(statistic: Statistic, cluster_of: Places, clusters: int) -> Floats:
    """The statistic without each cluster: (clusters, columns)."""
    chunk = max(1, _CHUNK_BYTES // (8 * len(cluster_of)))
    found = []
    for start in range(0, clusters, chunk):
        numbers = np.arange(start, min(clusters, start + chunk))
        found.append(statistic((cluster_of[:, None] != numbers[None, :]).astype(np.float64).T))
    return np.concatenate(found)


def _places(clusters: Labels, strata: Labels | None) -> tuple[Places, Places]:
    """Which cluster each row is of, and which stratum each cluster; a cluster in two strata counts as two."""
    layers = ["" for _ in clusters] if strata is None else [str(one) for one in strata]
    known: dict[str, int] = {}
    seen: dict[tuple[int, object], int] = {}
    of = []
    for layer, cluster in zip(layers, clusters, strict=True):
        key = (known.setdefault(layer, len(known)), cluster)
        of.append(seen.setdefault(key, len(seen)))
    return np.array(of, dtype=np.int64), np.array([key[0] for key in seen], dtype=np.int64)
