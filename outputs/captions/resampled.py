"""Taus of several metrics over the same draws of pictures, so that differences between them are paired.

A metric's own correlation is over the items that it has; two metrics are compared over the items that both have. All
metrics that are wanted over the same items are resampled together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from outputs.analysis_options import Options
from outputs.captions.points import Points
from outputs.captions.series import Series
from outputs.statistics.kendall import resampled_taus
from outputs.statistics.resampling import Floats, Interval, Resampled, bootstrap, joined

TAUS = ("tau_b", "tau_c")


@dataclass(frozen=True, slots=True)
class Common:
    """Metrics over the same points, `kept` (points,) of all; at system level these are captions.

    `column`: the first of the two of a metric's taus.
    """

    kept: NDArray[np.bool_]
    column: dict[int, int]
    drawn: Resampled

    def interval(self, metric: int, tau: str) -> Interval:
        """Of a metric's tau, x100, and within what a tau can be."""
        return _hundredfold(self.drawn.interval(self.column[metric] + TAUS.index(tau)), most=1.0)

    def difference(self, first: int, second: int, tau: str) -> Interval:
        """Of the first metric's tau less the second's, x100, paired."""
        at = TAUS.index(tau)
        return _hundredfold(self.drawn.difference(self.column[first] + at, self.column[second] + at), most=2.0)


def resample(points: Points, series: Sequence[Series], options: Options) -> dict[tuple[int, ...], Common]:
    """The taus of metrics over captions, by `over_common`."""
    return over_common(series, lambda mask, places: _common(points, series, mask[points.item], places, options))


def over_common(
    series: Sequence[Series], taus: Callable[[NDArray[np.bool_], Sequence[int]], Common]
) -> dict[tuple[int, ...], Common]:
    """Metrics by their places: (place,) over its own items, (first, second) over those that both have.

    `taus` makes them of a mask (items,) and the places of the metrics that are wanted over these items.
    """
    used = [one.used for one in series]
    masks: dict[tuple[int, ...], NDArray[np.bool_]] = {(at,): used[at] for at in range(len(series))}
    masks |= {(a, b): used[a] & used[b] for a, b in combinations(range(len(series)), 2)}
    wanted: dict[bytes, list[tuple[int, ...]]] = {}
    for key, mask in masks.items():
        wanted.setdefault(mask.tobytes(), []).append(key)
    found: dict[tuple[int, ...], Common] = {}
    for keys in wanted.values():
        found |= dict.fromkeys(keys, taus(masks[keys[0]], sorted({at for key in keys for at in key})))
    return found


def _common(
    points: Points, series: Sequence[Series], kept: NDArray[np.bool_], places: Sequence[int], options: Options
) -> Common:
    alike = np.stack([points.item[kept].astype(np.float64), points.rating[kept]], axis=1)
    rows, first, times = np.unique(alike, axis=0, return_index=True, return_counts=True)
    items, ratings, clusters = rows[:, 0].astype(np.int64), rows[:, 1], points.cluster[kept][first]
    taus = joined(*(resampled_taus(_of(series[at], items), ratings) for at in places))
    # Annotators who agree are one row of weight 2 or 3: the same taus in less time.
    drawn = bootstrap(lambda drawn: taus(drawn * times), clusters, resamples=options.resamples, seed=options.seed)
    return Common(kept, {at: 2 * column for column, at in enumerate(places)}, drawn)


def _of(series: Series, items: NDArray[np.int64]) -> Floats:
    return series.values[items]


def _hundredfold(found: Interval, most: float) -> Interval:
    low, high = 100 * max(found.low, -most), 100 * min(found.high, most)
    return replace(found, estimate=100 * found.estimate, low=low, high=high, standard_error=100 * found.standard_error)
