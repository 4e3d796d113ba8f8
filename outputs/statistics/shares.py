"""Shares of hits over clusters of rows, with intervals that hold for rare hits in few clusters too."""

import math

import numpy as np
from numpy.typing import ArrayLike

from outputs.statistics.intervals import Floats, Interval, logit_interval, sizes_of, spread


def share_interval(counts: ArrayLike) -> Interval:
    """`counts` (clusters, 2): rows and hits; or (clusters, 4): rows, conflicts, conflicts judged again, hits of those.

    With two, the share is hits / rows. With four it is L * q, L = conflicts / rows, q = hits / judged again, which is
    hits / rows where all conflicts were judged again. Standard error: the jackknife over clusters. Interval: Student's
    t on the scale of the logit, with the degrees of freedom of `intervals.spread`. Clusters without a row are none.
    """
    given = np.asarray(counts, dtype=np.float64)
    given = given[given[:, 0] > 0] if given.size else np.zeros((0, 2))
    total, clusters = given.sum(axis=0), len(given)
    if not clusters:
        return Interval(math.nan, math.nan, math.nan, math.nan, 0, "no data")
    share = float(_shares(total[None, :])[0])
    if math.isnan(share) or clusters < 2:
        why = "no conflict was judged again" if math.isnan(share) else "fewer than 2 clusters"
        return Interval(share, math.nan, math.nan, math.nan, clusters, why)
    left_out = _shares(total - given)
    if not np.isfinite(left_out).all():
        why = "all that was judged again is in one cluster"
        return Interval(share, math.nan, math.nan, math.nan, clusters, why)
    stratum = np.zeros(clusters, dtype=np.int64)
    found = spread(left_out, stratum)
    return logit_interval(share, found.standard_error, sizes_of(given[:, 0], stratum), found)


def _shares(sums: Floats) -> Floats:
    """(some,) of `sums` (some, 2 or 4); NaN where conflicts were not judged again at all."""
    if sums.shape[1] == 2:
        return np.asarray(sums[:, 1] / sums[:, 0])
    rows, conflicts, again, hits = sums.T
    found = conflicts / rows * np.divide(hits, again, out=np.full(len(sums), math.nan), where=again > 0)
    return np.asarray(np.where(conflicts == 0, 0.0, found))
