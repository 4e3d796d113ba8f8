"""Spearman's and Pearson's correlation under resampling."""

import math

import numpy as np
from numpy.typing import ArrayLike

from outputs.statistics.concordance import sums
from outputs.statistics.kendall import undefined
from outputs.statistics.resampling import Floats, Statistic

_CONSTANT = 1e-13  # of a variance, beside the mean square: what rounding leaves of 0


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
    if undefined(first, second) or not np.isfinite(np.concatenate([first, second])).all():
        return _nothing
    a, b = first - first.mean(), second - second.mean()
    moments = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=1)

    def correlation(weights: Floats) -> Floats:
        n, x, y, xx, yy, xy = (weights @ moments).T
        size = np.where(n > 0, n, 1.0)
        spreads = [np.where(s - m * m / size > _CONSTANT * s, s - m * m / size, 0.0) for s, m in ((xx, x), (yy, y))]
        return _ratio(xy - x * y / size, spreads[0], spreads[1])

    return correlation


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
