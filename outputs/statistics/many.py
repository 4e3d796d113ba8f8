"""Means over very many clusters: the normal limit, where resampling would take minutes and say the same."""

import math

import polars as pl
from scipy.special import ndtr, ndtri

from outputs.statistics.intervals import CONFIDENCE, Interval

MANY_CLUSTERS = 20_000


def normal_mean(values: pl.Series, clusters: pl.Series) -> tuple[Interval, float]:
    """The mean of `values` (rows,), none missing, with its 95 % interval, and the two-sided p of the mean being 0.

    The standard error is the linearised one over K clusters (W. Cochran, Sampling Techniques, 1977, section 6.3): with
    cluster sums s and sizes n, sqrt(K / (K - 1) * sum((s - mean * n)^2)) / sum(n). NaN with fewer than 2 clusters.
    """
    by = pl.DataFrame({"cluster": clusters, "value": values}).group_by("cluster").agg(pl.col("value").sum(), n=pl.len())
    by = by.sort("cluster")
    count, rows = by.height, len(values)
    if count < 2:
        mean = float(by["value"].sum()) / rows if rows else math.nan
        return Interval(mean, math.nan, math.nan, math.nan, count, "fewer than 2 clusters"), math.nan
    mean = float(by["value"].sum()) / rows
    squares = float(((by["value"] - mean * by["n"]) ** 2).sum())
    error = math.sqrt(count / (count - 1) * squares) / rows
    reach = float(ndtri((1 + CONFIDENCE) / 2)) * error
    p = 2 * float(ndtr(-abs(mean) / error)) if error > 0 else float(mean == 0)
    warning = None if error > 0 else f"no spread between the {count} clusters"
    return Interval(mean, mean - reach, mean + reach, error, count, warning), p
