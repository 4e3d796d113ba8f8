"""System level: each system's mean score against the mean of what people said of its captions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from outputs.analysis_options import Options
from outputs.captions.correlated import SYSTEM
from outputs.captions.joining import CaptionSet
from outputs.captions.points import Points
from outputs.captions.resampled import TAUS
from outputs.captions.series import Series
from outputs.correlation import kendall, pearson, spearman, undefined
from outputs.statistics.resampling import Floats, Statistic, bootstrap, weighted_means

FEW = 10  # systems: below, any order comes up by chance


def system_rows(
    captions: CaptionSet,
    points: Points,
    series: Sequence[Series],
    segment: Sequence[dict[str, Any]],
    options: Options,
) -> list[dict[str, Any]]:
    """`segment`, the rows of the same metrics caption by caption, made anew of systems; none where there are not two.

    A system's means are over its captions that have both the metric's score and ratings. Intervals are over pictures or
    clips, with the same systems.
    """
    items = list(captions.items.values())
    systems = sorted({item.system for item in items if item.system})
    if len(systems) < 2:
        return []
    rating = _mean_ratings(points, len(items))
    names = np.array([item.system for item in items])
    cluster = np.zeros(len(items), dtype=np.int64)
    cluster[points.item] = points.cluster
    return [row | _row(one, rating, names, systems, cluster, options) for one, row in zip(series, segment, strict=True)]


def _mean_ratings(points: Points, items: int) -> Floats:
    count = np.bincount(points.item, minlength=items)
    total = np.bincount(points.item, weights=points.rating, minlength=items)
    means: Floats = np.divide(total, count, out=np.full(items, np.nan), where=count > 0)
    return means


def _row(
    series: Series, rating: Floats, names: Any, systems: Sequence[str], cluster: Any, options: Options
) -> dict[str, Any]:
    both = series.used & ~np.isnan(rating) & (names != "")
    there = [name for name in systems if (both & (names == name)).any()]
    of = [both & (names == name) for name in there]
    scores = np.array([series.values[its].mean() for its in of])
    ratings = np.array([rating[its].mean() for its in of])
    tau, reason = kendall(scores, ratings), undefined(scores, ratings)
    found: dict[str, Any] = {"n": len(there), "items": int(both.sum()), "clusters": len(np.unique(cluster[both]))}
    found |= {"tau_b": tau.tau_b, "tau_c": tau.tau_c, "reason": reason}
    found |= {"spearman": spearman(scores, ratings), "pearson": pearson(scores, ratings)}
    warnings = [f"only {len(there)} systems"] if len(there) < FEW else []
    bounds = {f"{name}_{end}": math.nan for name in TAUS for end in ("low", "high", "se")}
    if reason is None:
        columns = np.stack([names[both] == name for name in there], axis=1)
        taus = _system_taus(series.values[both], rating[both], columns)
        drawn = bootstrap(taus, cluster[both], resamples=options.resamples, seed=options.seed)
        for at, name in enumerate(TAUS):
            interval = drawn.interval(at)
            ends = {"low": interval.low, "high": interval.high, "se": interval.standard_error}
            bounds |= {f"{name}_{end}": 100 * value for end, value in ends.items()}
            warnings += [interval.warning] if interval.warning and interval.warning not in warnings else []
    return {**found, **bounds, "level": SYSTEM, "warning": "; ".join(warnings) or None}


def _system_taus(scores: Floats, ratings: Floats, systems: Any) -> Statistic:
    """Columns (tau_b, tau_c) of the systems' means; `systems` (items, systems): which system an item is of."""
    of_scores, of_ratings = (weighted_means(np.where(systems, values[:, None], np.nan)) for values in (scores, ratings))
    upper = np.triu_indices(systems.shape[1], 1)

    def taus(weights: Floats) -> Floats:
        x, y = of_scores(weights), of_ratings(weights)
        signs_x, signs_y = (np.sign(means[:, upper[0]] - means[:, upper[1]]) for means in (x, y))
        net, n = (signs_x * signs_y).sum(axis=1), systems.shape[1]
        untied = (signs_x != 0).sum(axis=1) * (signs_y != 0).sum(axis=1)
        levels = np.minimum(_distinct(x), _distinct(y)).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([net / np.sqrt(untied), 2 * net / (n**2 * (levels - 1) / levels)], axis=1)

    return taus


def _distinct(means: Floats) -> Any:
    return 1 + (np.diff(np.sort(means, axis=1), axis=1) != 0).sum(axis=1)
