"""Spearman's and Pearson's correlation, of the data and under resampling, at any scale of the values."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from outputs.statistics.concordance import sums
from outputs.statistics.kendall import undefined
from outputs.statistics.resampling import Floats, Statistic

_CONSTANT = 1e-13  # of a variance, beside the mean square: what rounding leaves of 0


def pearson(scores: ArrayLike, ratings: ArrayLike) -> float:
    """On the scale -1..1, of (rows,) each; NaN where a side is constant or has a value that is not finite."""
    first, second = np.asarray(scores, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    if undefined(first, second) or not _finite(first, second):
        return math.nan
    a, b = _centred(first), _centred(second)
    return float(_ratio(np.array([a @ b]), np.array([a @ a]), np.array([b @ b]))[0, 0])


def spearman(scores: ArrayLike, ratings: ArrayLike) -> float:
    """Pearson's correlation of the ranks, those of ties being their mean; NaN where a side is constant or has a NaN."""
    first, second = np.asarray(scores, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    return math.nan if undefined(first, second) else pearson(rankdata(first), rankdata(second))


def scaled(values: Floats) -> Floats:
    """`values` times the power of 2 that brings the largest magnitude to 0.5..1: sums and squares stay finite.

    Exact, so that order, ties and means are those of the values.
    """
    return np.asarray(np.ldexp(values, -exponent(values)))


def exponent(values: Floats) -> int:
    """Of 2, of the largest finite magnitude; 0 where there is none."""
    return int(np.frexp(np.abs(values[np.isfinite(values)]).max(initial=0.0))[1])


def resampled_spearman(scores: ArrayLike, ratings: ArrayLike) -> Statistic:
    """One column: the correlation of the mid-ranks that the rows, repeated by their weights, have in the resample.

    `scores` and `ratings` (rows,); weights are whole numbers. NaN where undefined, and with a NaN in the input.
    """
    first, second = np.asarray(scores, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    if undefined(first, second):
        return _nothing
    groups = [_Groups(one) for one in (first, second)]

    def rho(weights: Floats) -> Floats:
        by_row = np.ascontiguousarray(weights.T)
        a, b = (one.centred_ranks(by_row) for one in groups)
        squares = [np.einsum("ij,ij,ij->j", by_row, one, one) for one in (a, b)]
        return _ratio(np.einsum("ij,ij,ij->j", by_row, a, b), squares[0], squares[1])

    return rho


def resampled_pearson(scores: ArrayLike, ratings: ArrayLike) -> Statistic:
    """One column: the correlation of the rows, by their weights; NaN where undefined, and with a NaN in the input."""
    first, second = np.asarray(scores, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    if undefined(first, second) or not _finite(first, second):
        return _nothing
    a, b = _centred(first), _centred(second)
    moments = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=1)

    def correlation(weights: Floats) -> Floats:
        n, x, y, xx, yy, xy = (weights @ moments).T
        size = np.where(n > 0, n, 1.0)
        spreads = [np.where(s - m * m / size > _CONSTANT * s, s - m * m / size, 0.0) for s, m in ((xx, x), (yy, y))]
        return _ratio(xy - x * y / size, spreads[0], spreads[1])

    return correlation


def _finite(first: Floats, second: Floats) -> bool:
    return bool(np.isfinite(first).all() and np.isfinite(second).all())


def _centred(values: Floats) -> Floats:
    """Less their mean, the largest magnitude 0.5..1: squares neither overflow nor vanish."""
    within = scaled(values)
    return scaled(within - within.mean())


class _Groups:
    """Rows of equal value."""

    def __init__(self, values: Floats) -> None:
        self._group = np.unique(values, return_inverse=True)[1]
        order = np.argsort(self._group, kind="stable")
        self._sums = sums(order, np.searchsorted(self._group[order], np.arange(self._group.max() + 1)))

    def centred_ranks(self, weights: Floats) -> Floats:
        """Mid-ranks less their mean, (rows, sets); `weights` (rows, sets). Halves of whole numbers, so exact."""
        total = self._sums(weights)
        upto = np.cumsum(total, axis=0)
        return np.asarray((upto - total / 2 - upto[-1] / 2)[self._group])


def _ratio(product: Floats, first: Floats, second: Floats) -> Floats:
    """(sets, 1)"""
    there = (first > 0) & (second > 0)
    norm = np.sqrt(np.where(there, first, 1.0)) * np.sqrt(np.where(there, second, 1.0))
    return np.asarray(np.where(there, np.clip(product / norm, -1.0, 1.0), math.nan))[:, None]


def _nothing(weights: Floats) -> Floats:
    return np.full((len(weights), 1), math.nan)
