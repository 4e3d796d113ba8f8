"""System level: taus of systems' mean scores and mean ratings, under resampling; is one metric's better than another's.

Means that differ by what rounding may put between equal ones are tied.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outputs.statistics.correlations import scaled
from outputs.statistics.permutation import swap_test
from outputs.statistics.resampling import Floats, Statistic

TAUS = ("tau_b", "tau_c")
_SAME = 1e-12  # of the mean magnitude of a system's values
_PAIRS = 2**22  # of systems, at a time


def system_means(values: Floats, systems: Sequence[str] | NDArray[np.str_]) -> Floats:
    """Means of `values` (rows,) by system (a label a row), in the labels' order: (systems,), on any scale of values."""
    places = _members(systems)
    return np.asarray((values[:, None] / places.sum(axis=0) * places).sum(axis=0))


def resampled_system_taus(scores: Floats, ratings: Floats, systems: Sequence[str] | NDArray[np.str_]) -> Statistic:
    """Columns (tau_b, tau_c) of each metric's system means against those of the ratings.

    `scores` (rows, metrics), `ratings` (rows,), `systems` a label a row; nothing is missing. NaN where all means of a
    side are equal, and in a resample that has none of a system's rows.
    """
    places = _members(systems)
    columns = [scaled(one) for one in (*scores.T, ratings)]
    sums = np.concatenate([places, *(one[:, None] * places for one in columns)], axis=1)
    scales = [np.abs(one).mean() for one in columns]

    def taus(weights: Floats) -> Floats:
        counts, *totals = np.split(weights @ sums, len(columns) + 1, axis=1)
        means = [_over(total, counts) for total in totals]
        found = [_taus(one, means[-1], (scale, scales[-1])) for one, scale in zip(means[:-1], scales, strict=False)]
        return np.concatenate(found, axis=1)

    return taus


def perm_both_systems(
    first: Floats,
    second: Floats,
    ratings: Floats,
    systems: Sequence[str] | NDArray[np.str_],
    *,
    variant: str = "tau_b",
    permutations: int = 9999,
    seed: int = 0,
) -> float:
    """The two-sided p of "the two metrics' taus over systems differ"; (rows,) each, a row being a caption of a system.

    PERM-BOTH of Deutsch, Dror and Roth, TACL 2021, arXiv 2104.00054: the scores of each caption are swapped between the
    metrics at random, and systems' means made anew. So that they can be, each metric's have mean 0 and variance 1,
    which leaves its tau as it is. p = (as far apart + 1) / (permutations + 1). NaN where a tau is undefined.
    """
    places = _members(systems)
    share = places / places.sum(axis=0)
    a, b = _standard(first), _standard(second)
    gap = (b - a)[:, None] * share
    one, other, rated = (np.asarray(values @ share) for values in (a, b, scaled(ratings)))
    scales, column = (1.0, float(np.abs(rated).mean())), TAUS.index(variant)

    def apart(swaps: Floats) -> Floats:
        moved = swaps @ gap
        found = [_taus(means, rated[None, :], scales)[:, column] for means in (one + moved, other - moved)]
        return np.asarray(found[0] - found[1])

    nobody = np.zeros((1, len(a)))
    if np.isnan(apart(nobody)).any():
        return math.nan
    return swap_test(apart, np.arange(len(a)), two_sided=True, permutations=permutations, seed=seed)


def _members(systems: Sequence[str] | NDArray[np.str_]) -> Floats:
    """1 where a row is of a system: (rows, systems)."""
    names, of = np.unique(np.asarray(systems), return_inverse=True)
    return np.asarray(of[:, None] == np.arange(len(names)), dtype=np.float64)


def _standard(values: Floats) -> Floats:
    centred = scaled(values) - scaled(values).mean()
    spread = float(np.sqrt((centred * centred).mean()))
    return np.asarray(centred / spread) if spread > 0 else centred


def _over(total: Floats, counts: Floats) -> Floats:
    return np.asarray(np.divide(total, counts, out=np.full(total.shape, math.nan), where=counts > 0))


def _taus(scores: Floats, ratings: Floats, scales: tuple[float, float]) -> Floats:
    """Of means (sets, systems), or (1, systems) for all sets: (sets, 2). `scales`: what rounding is measured by."""
    sets, systems = scores.shape
    first, second = np.triu_indices(systems, 1)
    step = max(1, _PAIRS // max(len(first), 1))
    ratings = np.broadcast_to(ratings, scores.shape)
    found = np.full((sets, 2), math.nan)
    for start in range(0, sets, step):
        part = slice(start, start + step)
        means = scores[part], ratings[part]
        measured = list(zip(means, scales, strict=True))
        one, other = (_signs(each[:, first] - each[:, second], scale) for each, scale in measured)
        levels = np.minimum(*(_levels(each, scale) for each, scale in measured))
        net, untied = (one * other).sum(axis=1), (one != 0).sum(axis=1) * (other != 0).sum(axis=1)
        there = (levels > 1) & (untied > 0) & ~np.isnan(means[0]).any(axis=1) & ~np.isnan(means[1]).any(axis=1)
        kinds = np.where(there, levels, 2)
        both = net / np.sqrt(np.where(there, untied, 1)), 2 * net / (systems**2 * (kinds - 1) / kinds)
        found[part] = np.where(there[:, None], np.stack(both, axis=1), math.nan)
    return found


def _signs(differences: Floats, scale: float) -> Floats:
    return np.asarray((differences > _SAME * scale).astype(np.float64) - (differences < -_SAME * scale))


def _levels(means: Floats, scale: float) -> NDArray[np.int64]:
    return np.asarray(1 + (np.diff(np.sort(means, axis=1), axis=1) > _SAME * scale).sum(axis=1))
