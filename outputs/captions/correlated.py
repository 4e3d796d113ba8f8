"""The table `correlations`: each metric against each dimension that people rated, caption by caption."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.captions.joining import CaptionSet
from outputs.captions.points import Points
from outputs.captions.resampled import TAUS, Common
from outputs.captions.series import Series
from outputs.statistics.correlations import pearson, spearman
from outputs.statistics.kendall import Tau, undefined
from outputs.statistics.resampling import Floats

SEGMENT, SYSTEM = "segment", "system"
_NUMBERS = ("", "_low", "_high", "_standard_error")

CORRELATIONS_SCHEMA: dict[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "metric": pl.String,
    "judge": pl.String,
    "source": pl.String,
    "dimension": pl.String,  # of the metric
    "human_dimension": pl.String,
    "protocol": pl.String,  # at system level averaged: a system's mean is over the means of its captions' ratings
    "level": pl.String,  # segment: captions are points; system: means of systems are
    "n": pl.Int64,  # points
    "items": pl.Int64,  # captions in them
    "clusters": pl.Int64,  # pictures or clips in them
    "rated": pl.Int64,  # captions that people rated; at system level of those, the ones that name a system
    "asked": pl.Int64,  # of those, the ones that the metric was to score
    "ok": pl.Int64,  # of those, the ones that it did
    "coverage": pl.Float64,  # ok / rated
    "left_out": pl.Int64,  # rated - items: for want of a score, or of one that is an expectation
    "no_expectation": pl.Int64,  # ok, but no expectation over log probabilities
    "include_sampled": pl.Boolean,
    **{f"{tau}{number}": pl.Float64 for tau in TAUS for number in _NUMBERS},  # x100, as all correlations here
    "spearman": pl.Float64,
    "pearson": pl.Float64,
    "reason": pl.String,
    "warning": pl.String,
    "published": pl.String,  # which tau the dataset's field publishes: tau_b or tau_c
    "human_tau_b": pl.Float64,  # agreement between annotators, at the same level
    "human_tau_c": pl.Float64,
    "human_n": pl.Int64,
    "human_reason": pl.String,
    "ratings_kind": pl.String,
    "simulated": pl.Boolean,
}


def correlation_rows(
    captions: CaptionSet,
    points: Points,
    series: Sequence[Series],
    commons: Sequence[Common],
    human: Tau,
    *,
    include_sampled: bool,
) -> list[dict[str, Any]]:
    """A row for each of `series`, whose taus `commons` has, over the metric's own items."""
    about = {"level": SEGMENT, **about_points(captions, points, human, include_sampled=include_sampled)}
    return [
        about | about_series(points.rated, one) | _row(points, one, common, at)
        for at, (one, common) in enumerate(zip(series, commons, strict=True))
    ]


def about_points(captions: CaptionSet, points: Points, human: Tau, *, include_sampled: bool) -> dict[str, Any]:
    """What is the same for every metric."""
    return {
        "dataset": captions.name,
        "human_dimension": points.dimension,
        "protocol": points.protocol.value,
        "include_sampled": include_sampled,
        "published": captions.field.tau,
        "human_tau_b": 100 * human.tau_b,
        "human_tau_c": 100 * human.tau_c,
        "human_n": human.n,
        "human_reason": human.reason,
        "ratings_kind": captions.ratings_kind,
    }


def about_series(rated: NDArray[np.bool_], series: Series) -> dict[str, Any]:
    """What metric it is, and how much it has of the captions that people rated, `rated` (items,)."""
    ok, used = int((rated & series.ok).sum()), int((rated & series.used).sum())
    return {
        "metric": series.metric,
        "judge": series.judge,
        "source": series.source,
        "dimension": series.dimension,
        "simulated": series.simulated,
        "rated": int(rated.sum()),
        "asked": int((rated & series.asked).sum()),
        "ok": ok,
        "coverage": ok / rated.sum() if rated.any() else float("nan"),
        "left_out": int(rated.sum()) - used,
        "no_expectation": ok - used,
    }


def _row(points: Points, series: Series, common: Common, at: int) -> dict[str, Any]:
    items, ratings = points.item[common.kept], points.rating[common.kept]
    scores = series.values[items]
    reason = undefined(scores, ratings)
    found: dict[str, Any] = {
        "n": len(items),
        "items": len(np.unique(items)),
        "clusters": len(np.unique(points.cluster[common.kept])),
        "reason": series.reason if reason and series.reason else reason,
    }
    warnings = [f"{points.unusable} ratings are no numbers"] if points.unusable else []
    return found | correlated(scores, ratings, common, at, warnings if reason else [*warnings, *said_of(common, at)])


def correlated(scores: Floats, ratings: Floats, common: Common, at: int, warnings: Sequence[str]) -> dict[str, Any]:
    """All correlations x100 of the points `scores` and `ratings`, the taus as in `common`, and what is doubtful."""
    found: dict[str, Any] = {"spearman": 100 * spearman(scores, ratings), "pearson": 100 * pearson(scores, ratings)}
    for tau in TAUS:
        interval = common.interval(at, tau)
        values = (interval.estimate, interval.low, interval.high, interval.standard_error)
        found |= {f"{tau}{number}": value for number, value in zip(_NUMBERS, values, strict=True)}
    return {**found, "warning": "; ".join(dict.fromkeys(warnings)) or None}


def said_of(common: Common, at: int) -> list[str]:
    """What is doubtful of a metric's intervals."""
    return [warning for tau in TAUS if (warning := common.interval(at, tau).warning)]
