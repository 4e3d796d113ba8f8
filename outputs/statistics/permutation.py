"""Permutation tests: is a metric better than another (PERM-BOTH), is a mean difference 0 (sign flips); Holm."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from outputs.statistics.concordance import sums
from outputs.statistics.kendall import resampled_taus, undefined
from outputs.statistics.resampling import Floats, Labels, Statistic

PERMUTATIONS = 9999
_CHUNK_BYTES = 32 * 2**20
_SAME = 1e-12  # what rounding may put between equal values
_COLUMN = {"tau_b": 0, "tau_c": 1}


def perm_both(
    first: ArrayLike,
    second: ArrayLike,
    ratings: ArrayLike,
    *,
    clusters: Labels | None = None,
    variant: str = "tau_b",
    two_sided: bool = False,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> float:
    """The p of "the first metric's tau (`variant`: tau_b, tau_c) is higher"; with `two_sided`, of "the taus differ".

    PERM-BOTH of Deutsch, Dror and Roth, TACL 2021, arXiv 2104.00054: scores are swapped between the metrics at random,
    by row or, with `clusters` (a label a row), by whole clusters; so that they can be, each metric's are turned into
    mid-ranks. p = (as far apart + 1) / (permutations + 1). NaN where a tau is undefined.
    """
    both = [np.asarray(one, dtype=np.float64) for one in (first, second)]
    rated = np.asarray(ratings, dtype=np.float64)
    if any(undefined(one, rated) for one in both):
        return math.nan
    ranks = np.concatenate([rankdata(one) for one in both])
    taus = resampled_taus(
        ranks, np.concatenate([rated, rated])
    )  # a swap is weight 0 for one row of two, 1 for the other
    column = _COLUMN[variant]
    return swap_test(
        lambda swaps: _apart(taus, swaps)[:, column],
        np.arange(len(rated)) if clusters is None else clusters,
        two_sided=two_sided,
        permutations=permutations,
        seed=seed,
    )


def swap_test(
    apart: Callable[[Floats], Floats], clusters: Labels, *, two_sided: bool, permutations: int, seed: int
) -> float:
    """The p of how far two metrics are apart, their scores swapped at random by whole clusters (a label a row).

    `apart`: swaps (sets, rows) of 0 and 1 to differences (sets,), with no swap the one that was seen.
    """
    swapped = _swapped(clusters, permutations, seed)
    seen, count = apart(np.zeros((1, len(clusters))))[0], 0
    for swaps in swapped:
        found = apart(swaps)
        less = np.abs(found) < abs(seen) - _SAME if two_sided else found < seen - _SAME
        count += int(np.count_nonzero(~less))
    return (count + 1) / (permutations + 1)


def _apart(taus: Statistic, swaps: Floats) -> Floats:
    """Taus of the first less those of the second, (sets, 2); `swaps` (sets, rows) of 0 and 1."""
    kept = 1.0 - swaps
    found = taus(np.concatenate([np.concatenate([kept, swaps], axis=1), np.concatenate([swaps, kept], axis=1)]))
    return np.asarray(found[: len(swaps)] - found[len(swaps) :])


def _swapped(clusters: Labels, permutations: int, seed: int) -> Iterator[Floats]:
    """Random 0 and 1, (some, rows), alike within a cluster."""
    of, number = _numbered(clusters)
    source = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_BYTES // (32 * len(of)))
    for start in range(0, permutations, chunk):
        swaps = source.integers(0, 2, (min(chunk, permutations - start), number))
        yield swaps.astype(np.float64)[:, of]


def enough_permutations(comparisons: int) -> int:
    """So many that the least p of a family can be below .05 after Holm's correction, with room: 9,999 at least."""
    return max(PERMUTATIONS, 40 * comparisons - 1)


def sign_flip_tests(
    differences: ArrayLike, clusters: Labels, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> Floats:
    """Two-sided p of each mean difference being 0; `differences` (rows, comparisons), NaN where missing.

    Signs are flipped at random by whole clusters (a label a row), the same for all comparisons (R. Fisher, The Design
    of Experiments, 1935, section 21). p = (as far from 0 + 1) / (permutations + 1); NaN without a value.
    """
    given = np.asarray(differences, dtype=np.float64)
    there = ~np.isnan(given)
    if not given.size:
        return np.full(given.shape[1], math.nan)
    of, number = _numbered(clusters)
    totals = _summed(np.where(there, given, 0.0), of, number)
    seen = np.abs(totals.sum(axis=0))
    least = seen - _SAME * np.abs(totals).sum(axis=0)
    count = np.zeros(given.shape[1])
    whole = totals.sum(axis=0)
    for kept in _kept(number, permutations, seed):
        count += np.count_nonzero(np.abs(2 * (kept @ totals) - whole) >= least, axis=0)  # kept less flipped
    return np.asarray(np.where(there.any(axis=0), (count + 1) / (permutations + 1), math.nan))


def _kept(number: int, permutations: int, seed: int) -> Iterator[Floats]:
    """Random 1 (the sign stays) and 0 (it is flipped), (some, clusters)."""
    source = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_BYTES // (8 * number))
    width = -(-number // 8)
    for start in range(0, permutations, chunk):
        size = min(chunk, permutations - start)
        packed = np.frombuffer(source.bytes(size * width), dtype=np.uint8).reshape(size, width)
        yield np.unpackbits(packed, axis=1, count=number).astype(np.float64)


def _summed(values: Floats, of: NDArray[np.int64], number: int) -> Floats:
    """Sums by cluster: (clusters, columns)."""
    if number == len(of):
        return values
    order = np.argsort(of, kind="stable")
    return sums(order, np.searchsorted(of[order], np.arange(number)))(values)


def _numbered(labels: Labels) -> tuple[NDArray[np.int64], int]:
    """Which cluster each row is of, and how many there are."""
    seen: dict[object, int] = {}
    of = np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.int64)
    return of, len(seen)


def holm(p_values: ArrayLike) -> Floats:
    """S. Holm's adjusted p-values (Scandinavian Journal of Statistics 6, 1979); NaN stays NaN and is not counted."""
    given = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(given.shape, math.nan)
    there = np.flatnonzero(~np.isnan(given))
    order = there[np.argsort(given[there], kind="stable")]
    steps = given[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted
