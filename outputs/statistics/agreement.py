"""Agreement between raters: Krippendorff's alpha, differences, exact matches, consistency when the order is swapped."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from outputs.statistics.resampling import Floats

Level = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Of two raters over the units that both rated; NaN where there are none (or, for a correlation, no spread)."""

    n: int
    exact: float
    mean_difference: float  # first minus second, signed
    mean_absolute_difference: float
    spearman: float


def krippendorff_alpha(values: Floats, level: Level = "interval") -> float:
    """Of `values` (units, raters), NaN where missing; 1 is agreement, 0 what chance gives, NaN where undefined.

    Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), sections C and D.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 2 or not given.size:
        return math.nan
    given = given[np.sum(~np.isnan(given), axis=1) >= 2]
    there = ~np.isnan(given)
    sizes = there.sum(axis=1)
    if not sizes.size:
        return math.nan
    kinds, places = np.unique(given[there], return_inverse=True)
    if level == "nominal":
        within, all_apart = _unequal(np.nonzero(there)[0], places, sizes)
    else:
        within, all_apart = _squares(given, there, _positions(kinds, places, level)[places])
    observed, expected = (within / (sizes - 1)).sum(), all_apart / (sizes.sum() - 1)
    return float(1 - observed / expected) if expected > 0 else math.nan


def _positions(kinds: Floats, places: NDArray[np.int64], level: Level) -> Floats:
    """Where each value stands: itself, or its mid-rank. Distances are the squared differences of these."""
    totals = np.bincount(places, minlength=len(kinds))
    return np.cumsum(totals) - totals / 2 if level == "ordinal" else kinds


def _squares(given: Floats, there: NDArray[np.bool_], positions: Floats) -> tuple[Floats, float]:
    """Summed over ordered pairs, within each unit and overall: n values have 2n times their squares about the mean."""
    moved = np.zeros_like(given)
    moved[there] = positions - positions.mean()
    sizes = there.sum(axis=1)
    apart = np.where(there, moved - (moved.sum(axis=1) / sizes)[:, None], 0.0)
    return 2 * sizes * (apart**2).sum(axis=1), float(2 * sizes.sum() * (moved**2).sum())


def _unequal(units: NDArray[np.int64], places: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[Floats, float]:
    """Ordered pairs of unequal values, within each unit and overall."""
    cells, times = np.unique(units * (int(places.max()) + 1) + places, return_counts=True)
    equal = np.bincount(cells // (int(places.max()) + 1), weights=times.astype(np.float64) ** 2, minlength=len(sizes))
    totals = np.bincount(places).astype(np.float64)
    return np.asarray(sizes**2 - equal, dtype=np.float64), float(sizes.sum() ** 2 - (totals**2).sum())


def pair_agreement(first: Floats, second: Floats) -> PairAgreement:
    """Of two raters, or of one in two orders (then `mean_difference` is the position bias); NaN where missing."""
    from scipy.stats import rankdata

    both = ~np.isnan(first) & ~np.isnan(second)
    a, b = np.asarray(first)[both], np.asarray(second)[both]
    if not len(a):
        return PairAgreement(0, math.nan, math.nan, math.nan, math.nan)
    apart = a - b
    varied = len(a) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0
    rank = float(np.corrcoef(rankdata(a), rankdata(b))[0, 1]) if varied else math.nan
    return PairAgreement(len(a), float(np.mean(apart == 0)), float(apart.mean()), float(np.abs(apart).mean()), rank)
