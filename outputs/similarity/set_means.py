"""Means, and other statistics, over prompts: by dataset and over the datasets, with intervals from a bootstrap.

Prompts are drawn within their dataset; a mean over datasets gives each the same weight, and is not defined where one of
them has no value. Each column is of the prompts where it has a value: one without would count as a cluster.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from outputs.analysis_options import Options
from outputs.judged.panels import MACRO
from outputs.statistics.resampling import Floats, Interval, Resampled, Statistic, bootstrap, weighted_means

Rows = NDArray[np.int64]


def set_names(datasets: Sequence[str]) -> tuple[str, ...]:
    """The datasets, then what their mean is called where they are several: the order of all that follows."""
    return (*datasets, *([MACRO] if len(datasets) > 1 else []))


def rows_of(dataset_of: Rows, datasets: int) -> list[Rows]:
    """The rows of each dataset, from (rows,) which says of each row which it is of."""
    return [np.flatnonzero(dataset_of == place) for place in range(datasets)]


def bootstrap_sets(statistics: Sequence[Statistic], sizes: Sequence[int], options: Options) -> list[Resampled]:
    """Of each dataset's statistic over its `sizes` rows, each a cluster; then of their mean, where several.

    Datasets are drawn apart, so that the mean of their draws is a draw of their mean, stratified by dataset.
    """
    each = [
        bootstrap(statistic, np.arange(size), resamples=options.resamples, seed=options.seed + place)
        for place, (statistic, size) in enumerate(zip(statistics, sizes, strict=True))
    ]
    return [*each, _mean_of(each)] if len(each) > 1 else each


def _mean_of(each: Sequence[Resampled]) -> Resampled:
    point = np.asarray(np.mean([one.point for one in each], axis=0))
    draws = np.asarray(np.mean([one.draws for one in each], axis=0))
    known = [(one.point, one.left_out) for one in each if one.left_out is not None]
    left = None
    if len(known) == len(each):  # without a prompt, its dataset's value changes and the others stay
        left = np.concatenate([point + (without - of) / len(each) for of, without in known])
    strata = np.repeat(np.arange(len(each)), [one.clusters for one in each])
    return Resampled(point, draws, np.concatenate([one.rows for one in each]), left, strata)


def transformed(resampled: Resampled, function: Callable[[Floats], Floats]) -> Resampled:
    """A function (resamples, columns) -> (resamples, other columns) of what was resampled."""
    left = None if resampled.left_out is None else function(resampled.left_out)
    point, draws = function(resampled.point[None])[0], function(resampled.draws)
    return Resampled(point, draws, resampled.rows, left, resampled.strata)


def set_means(values: Floats, dataset_of: Rows, datasets: Sequence[str], options: Options) -> list[list[Interval]]:
    """By `set_names`, then column, of `values` (prompts, columns), NaN where missing."""
    columns = values.shape[1]
    found: list[list[Interval | None]] = [[None] * columns for _ in set_names(datasets)]
    patterns, of = np.unique(~np.isnan(values), axis=1, return_inverse=True)
    for pattern in range(patterns.shape[1]):
        alike = np.flatnonzero(of.ravel() == pattern)
        rows = [here[patterns[here, pattern]] for here in rows_of(dataset_of, len(datasets))]
        means = [weighted_means(values[np.ix_(here, alike)]) for here in rows]
        for place, resampled in enumerate(bootstrap_sets(means, [len(here) for here in rows], options)):
            for number, column in enumerate(alike.tolist()):
                found[place][column] = resampled.interval(number)
    return [[interval for interval in line if interval is not None] for line in found]


def set_counts(there: NDArray[np.bool_], dataset_of: Rows, datasets: int) -> NDArray[np.int64]:
    """(datasets, and all of them if several; columns): how many prompts have a value, of `there` (prompts, columns)."""
    each = [there[of].sum(axis=0) for of in rows_of(dataset_of, datasets)]
    return np.array([*each, *([np.sum(each, axis=0)] if datasets > 1 else [])], dtype=np.int64)
