"""Kendall's tau-b and tau-c, exact, ties counted: of the data, and of many resamples of it.

tau-b: M. G. Kendall, The treatment of ties in ranking problems, Biometrika 33 (1945); tau-c: A. Stuart, The estimation
and comparison of strengths of association in contingency tables, Biometrika 40 (1953). Values equal those of
`scipy.stats.kendalltau` with `variant` "b" and "c", to the last bit.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from outputs.statistics.concordance import Concordance, Counted
from outputs.statistics.resampling import Floats, Statistic


@dataclass(frozen=True, slots=True)
class Tau:
    """On the scale -1..1; both NaN where `reason` says why."""

    tau_b: float
    tau_c: float
    n: int
    reason: str | None = None


def kendall(scores: ArrayLike, ratings: ArrayLike) -> Tau:
    """Of `scores` and `ratings`, (rows,) each. Raises ValueError where they are not equally long."""
    first, second = _pair(scores, ratings)
    reason = undefined(first, second)
    if reason:
        return Tau(math.nan, math.nan, len(first), reason)
    tau_b, tau_c = resampled_taus(first, second)(np.ones((1, len(first))))[0]
    return Tau(float(tau_b), float(tau_c), len(first))


def undefined(scores: Floats, ratings: Floats) -> str | None:
    """Why a correlation of the two, (rows,) each, has no value; None where it has."""
    if len(scores) < 2:
        return "fewer than 2 points"
    if np.isnan(scores).any() or np.isnan(ratings).any():
        return "a value is missing (NaN)"
    if (scores == scores[0]).all():
        return "all scores are equal"
    return "all ratings are equal" if (ratings == ratings[0]).all() else None


def resampled_taus(scores: ArrayLike, ratings: ArrayLike) -> Statistic:
    """Columns (tau_b, tau_c) under weights that are whole numbers: a row of weight 3 is there three times.

    With `scores` (rows, metrics), the two columns of each metric in turn: tau_b of the first, its tau_c, tau_b of the
    second. NaN where undefined, and for a metric with a NaN.
    """
    ordered, rated = np.asarray(scores, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    columns = ordered.T if ordered.ndim == 2 else ordered[None, :]
    pairs = [None if undefined(one, rated) else Concordance(one, rated) for one in columns]

    def taus(weights: Floats) -> Floats:
        by_row = np.ascontiguousarray(weights.T)
        nothing = np.full((len(weights), 2), math.nan)
        found = [nothing if one is None else _taus(one.count(by_row)) for one in pairs]
        return np.concatenate(found, axis=1) if found else np.empty((len(weights), 0))

    return taus


def _taus(counted: Counted) -> Floats:
    """(sets, 2). The steps and their order are scipy's."""
    there = counted.kinds > 1
    kinds, total = np.where(there, counted.kinds, 2.0), np.where(there, counted.total, 2.0)
    pairs = total * (total - 1) / 2
    untied = [np.where(there, pairs - tied, 1.0) for tied in (counted.tied_scores, counted.tied_ratings)]
    tau_b = counted.net / np.sqrt(untied[0]) / np.sqrt(untied[1])
    tau_c = 2 * (counted.net / (total**2 * (kinds - 1) / kinds))
    both = np.clip(np.stack([tau_b, tau_c], axis=1), -1.0, 1.0)
    return np.asarray(np.where(there[:, None], both, math.nan))


def _pair(scores: ArrayLike, ratings: ArrayLike) -> tuple[Floats, Floats]:
    first, second = (np.asarray(one, dtype=np.float64).ravel() for one in (scores, ratings))
    if len(first) != len(second):
        raise ValueError(f"{len(first)} scores and {len(second)} ratings")
    return first, second
