"""Rank correlations of the means of a few models, one for each resample."""

import numpy as np
from scipy.stats import rankdata

from outputs.statistics.resampling import Floats


def _pearson(first: Floats, second: Floats) -> Floats:
    """The correlation of each pair of rows of two (resamples, models)."""
    a, b = (one - one.mean(axis=1, keepdims=True) for one in (first, second))
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    product = (a * b).sum(axis=1)
    found: Floats = np.divide(product, norm, out=np.full(len(norm), np.nan), where=norm > 1e-9)
    return found


def rank_correlations(first: Floats, second: Floats) -> Floats:
    """Spearman's rho and Kendall's tau-b of each pair of rows of two (resamples, models): (resamples, 2).

    NaN where a row is constant or has a NaN.
    """
    known = np.isfinite(first + second).all(axis=1, keepdims=True)
    a, b = (np.where(known, one, 0.0) for one in (first, second))
    rho = _pearson(rankdata(a, axis=1), rankdata(b, axis=1))
    upper = np.triu_indices(a.shape[1], 1)
    signs_a, signs_b = (np.sign(one[:, upper[0]] - one[:, upper[1]]) for one in (a, b))
    norm = np.sqrt((signs_a**2).sum(axis=1) * (signs_b**2).sum(axis=1))
    tau = np.divide((signs_a * signs_b).sum(axis=1), norm, out=np.full(len(norm), np.nan), where=norm > 0)
    return np.where(known, np.stack([rho, tau], axis=1), np.nan)
