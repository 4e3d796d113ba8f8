"""The mean of values in clusters with its 95 % interval, however many clusters there are."""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.analysis_options import Options
from outputs.statistics.many import MANY_CLUSTERS, normal_mean
from outputs.statistics.resampling import Floats, Interval, bootstrap, weighted_means


def clustered_mean(values: Floats, clusters: NDArray[np.int64], options: Options) -> Interval:
    """Of finite `values` (rows,), `clusters` (rows,): a number each; by resampling, or by the normal limit of many."""
    if not len(values):
        return Interval(math.nan, math.nan, math.nan, math.nan, 0, "no data")
    if len(np.unique(clusters)) > MANY_CLUSTERS:
        return normal_mean(pl.Series(values), pl.Series(clusters))[0]
    statistic = weighted_means(values[:, None])
    return bootstrap(statistic, clusters, resamples=options.resamples, seed=options.seed).interval(0)
