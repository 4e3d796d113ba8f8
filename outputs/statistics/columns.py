"""Intervals of many columns with missing values: each is resampled over the clusters that have a value of it.

A cluster without a value counts for nothing in a mean, but would count as one where it is asked whether there are
enough. Columns with values in all clusters, or in many, share their draws; the others have draws of their own, by which
rows are missing.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from outputs.statistics.intervals import Floats, Interval, Places
from outputs.statistics.resampling import Statistic, bootstrap, weighted_means

ENOUGH_CLUSTERS = 200
Make = Callable[[Floats, Places], Statistic]
"""Of values (rows, columns) and strata (rows,), a statistic of some layers of as many columns, side by side."""


def column_intervals(
    values: Floats,
    clusters: NDArray[np.generic],
    *,
    strata: Places | None = None,
    make: Make = lambda values, _: weighted_means(values),
    layers: int = 1,
    share: bool = False,
    resamples: int,
    seed: int,
) -> list[list[Interval]]:
    """By layer, then column, of `values` (rows, columns), NaN where missing; `clusters` and `strata` (rows,).

    With `share` the columns are shares, 0 to 1, and so are the ends of their intervals.
    """
    layer_of = np.zeros(len(values), dtype=np.int64) if strata is None else strata
    found: list[dict[int, Interval]] = [{} for _ in range(layers)]
    for rows, columns in _alike(~np.isnan(values), clusters):
        statistic = make(values[np.ix_(rows, columns)], layer_of[rows])
        drawn = bootstrap(statistic, clusters[rows], strata=layer_of[rows], resamples=resamples, seed=seed)
        for at, column in enumerate(columns.tolist()):
            for layer in range(layers):
                place = layer * len(columns) + at
                found[layer][column] = drawn.share(place) if share else drawn.interval(place)
    return [[by_column[column] for column in range(values.shape[1])] for by_column in found]


def _alike(there: NDArray[np.bool_], clusters: NDArray[np.generic]) -> Iterator[tuple[Places, Places]]:
    """Rows and columns that are resampled together."""
    few = np.array([_is_few(column, clusters) for column in there.T], dtype=bool)
    if (~few).any():
        yield np.arange(len(there)), np.flatnonzero(~few)
    if few.any():
        patterns, of = np.unique(there[:, few], axis=1, return_inverse=True)
        for pattern in range(patterns.shape[1]):
            yield np.flatnonzero(patterns[:, pattern]), np.flatnonzero(few)[of.ravel() == pattern]


def _is_few(there: NDArray[np.bool_], clusters: NDArray[np.generic]) -> bool:
    return not there.all() and len(np.unique(clusters[there])) < ENOUGH_CLUSTERS
