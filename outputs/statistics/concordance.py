"""Concordant minus discordant pairs of weighted rows, exactly, for many sets of weights at once.

Rows are sorted by score once, and rows alike in score and rating are one cell. Cells are cut into blocks of
neighbouring scores, ratings into bands of neighbouring levels. A pair in two blocks and two bands is counted by the
sums of each band in each block; a pair within one block, or within one band, by a small matrix of signs. With few
levels each is a band of its own, and only blocks are left to count; for few sets of weights all of them at once, by
sparse matrices. All is sums of products of integers, and exact while they are below 2^53.
"""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from outputs.statistics.resampling import Floats

Places = NDArray[np.int64]
_FEW_LEVELS = 16  # up to here each level is a band
_BLOCK, _LARGEST_BLOCK = 32, 256  # cells
_FEW_SETS = 100  # below, going from block to block takes longer than counting
_FEW_BLOCK = 16  # cells, where all are counted at once: of each pair within a block there is a number in memory
_SETS = 500  # at a time
_ONE_THREAD = 2**18  # multiplications; BLAS shares larger products between threads, which then wait for one another


class Counted(NamedTuple):
    """(sets,) each."""

    net: Floats  # concordant - discordant
    total: Floats  # of the weights
    tied_scores: Floats  # pairs
    tied_ratings: Floats
    kinds: Floats  # distinct scores or distinct ratings, whichever are fewer


class Concordance:
    """How `scores` and `ratings`, (rows,) each and without NaN, order their pairs."""

    def __init__(self, scores: Floats, ratings: Floats) -> None:
        order = np.lexsort((ratings, scores))
        score = np.unique(scores, return_inverse=True)[1][order]
        level = np.unique(ratings, return_inverse=True)[1][order]
        starts = _changes(score, level)
        self._order, self._merged = order, None if len(starts) == len(order) else sums(order, starts)
        self._score, self._level = score[starts], level[starts]
        groups = _changes(self._score)
        self._grouped = None if len(groups) == len(starts) else sums(np.arange(len(starts)), groups)
        cells, levels = len(starts), int(level.max()) + 1
        few = levels <= _FEW_LEVELS
        size = _BLOCK if few else min(_LARGEST_BLOCK, max(_BLOCK, int(1.25 * cells**0.5)))
        self._blocks = _cut(self._score, size)
        by_level = np.argsort(self._level, kind="stable")
        bands = np.arange(levels) if few else _cut(self._level[by_level], size)
        self._band = np.empty(cells, dtype=np.int64)
        self._band[by_level] = self._level[by_level] if few else _numbered(bands, cells)
        self._bands, self._several = len(bands), not few
        self._within = [] if few else _mixed(np.split(by_level, bands[1:]), self._level)
        self._leveled = sums(by_level, _changes(self._level[by_level]))

    def count(self, weights: Floats) -> Counted:
        """`weights` (rows, sets): whole numbers."""
        parts = [self._count(weights[:, at : at + _SETS]) for at in range(0, weights.shape[1], _SETS)]
        return Counted(*(np.concatenate(one) for one in zip(*parts, strict=True)))

    def _count(self, weights: Floats) -> Counted:
        cells = weights[self._order] if self._merged is None else self._merged(weights)
        groups = cells if self._grouped is None else self._grouped(cells)
        at_once = not self._several and cells.shape[1] < _FEW_SETS
        net, levels = self._at_once(cells) if at_once else self._between(cells)
        if self._several:
            net += self._within_bands(cells)
            levels = self._leveled(cells)
        total = levels.sum(axis=0)
        rated = np.count_nonzero(levels, axis=0).astype(np.float64)
        kinds = np.minimum(_kinds(groups, rated), rated)
        return Counted(net, total, _tied(groups, total), _tied(levels, total), kinds)

    @cached_property
    def _at_once(self) -> Callable[[Floats], tuple[Floats, Floats]]:
        """`_between` where each level is a band, sooner than it where there are few sets."""
        return _few_levels(self._score, self._level, self._bands)

    def _between(self, cells: Floats) -> tuple[Floats, Floats]:
        """Pairs in two blocks and two bands, or in one block, (sets,); and the sums of the bands, (bands, sets)."""
        bands = np.arange(self._bands)
        above = np.sign(bands[:, None] - bands[None, :]).astype(np.float64)
        before = np.zeros((self._bands, cells.shape[1]))
        net = np.zeros(cells.shape[1])
        for start, stop in zip(self._blocks, [*self._blocks[1:], len(cells)], strict=True):
            here = cells[start:stop]
            banded = _product((bands[:, None] == self._band[None, start:stop]).astype(np.float64), here)
            net += _dot(_product(above, before), banded)
            before += banded
            if self._score[start] != self._score[stop - 1]:
                net += _dot(_product(self._signs(np.arange(start, stop)), here), here)
        return net, before

    def _within_bands(self, cells: Floats) -> Floats:
        """Pairs in one band and two blocks: (sets,)."""
        block = _numbered(self._blocks, len(cells))
        net = np.zeros(cells.shape[1])
        for members in self._within:
            here = cells[members]
            apart = block[members][:, None] != block[members][None, :]
            net += _dot(_product(self._signs(members) * apart, here), here)
        return net

    def _signs(self, members: Places) -> Floats:
        """+1 where of two cells the one with the higher score has the higher rating, each pair once."""
        score, level = self._score[members], self._level[members]
        return np.asarray(
            (score[:, None] < score[None, :]) * np.sign(level[None, :] - level[:, None]), dtype=np.float64
        )


def sums(order: Places, starts: Places) -> Callable[[Floats], Floats]:
    """Sums over runs of rows: values (rows, sets) in `order`, a run begins at each of `starts`; (runs, sets)."""
    from scipy.sparse import csr_array

    # Several times as fast as `np.add.reduceat` along the first axis.
    matrix = csr_array((np.ones(len(order)), order, np.append(starts, len(order))), shape=(len(starts), len(order)))
    return lambda values: np.asarray(matrix @ values)


def _few_levels(score: Places, level: Places, levels: int) -> Callable[[Floats], tuple[Floats, Floats]]:
    """As `Concordance._between`, of cells (cells, sets) in the order of the scores: sparse matrices that do it all."""
    from scipy.sparse import csr_array

    blocks, cells = _cut(score, _FEW_BLOCK), np.arange(len(level))
    block, shape = _numbered(blocks, len(level)), (len(blocks), levels)
    banding = csr_array((np.ones(len(level)), (block * levels + level, cells)), shape=(shape[0] * levels, len(level)))
    first, second, sign = _pairs_within(score, level, block)
    signs = csr_array((sign, (first, second)), shape=(len(level), len(level)))

    def between(cells: Floats) -> tuple[Floats, Floats]:
        banded = np.asarray(banding @ cells).reshape(*shape, -1)
        before = np.cumsum(banded, axis=0) - banded
        upto = np.cumsum(before, axis=1)
        net = np.einsum("abj,abj->j", 2 * upto - before - upto[:, -1:], banded)  # of lower levels less of higher ones
        return net + _dot(np.asarray(signs @ cells), cells), banded.sum(axis=0)

    return between


def _pairs_within(score: Places, level: Places, block: Places) -> tuple[Places, Places, Floats]:
    """Pairs of cells in one block with another score and level: the lower score's, the other, and their sign."""
    found = []
    for apart in range(1, min(2 * _FEW_BLOCK, len(score))):  # blocks are shorter, but for those of one score
        near, far = slice(None, -apart), slice(apart, None)
        pairs = (block[near] == block[far]) & (score[near] != score[far]) & (level[near] != level[far])
        first = np.flatnonzero(pairs)
        found.append((first, first + apart, np.sign(level[first + apart] - level[first]).astype(np.float64)))
    none = np.zeros(0, dtype=np.int64)
    first, second, sign = (np.concatenate(part) for part in zip((none, none, np.zeros(0)), *found, strict=True))
    return first, second, sign


def _changes(*sorted_values: Places) -> Places:
    """Where a new value begins."""
    new = np.zeros(len(sorted_values[0]), dtype=bool)
    new[:1] = True
    for values in sorted_values:
        new[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(new)


def _cut(values: Places, size: int) -> Places:
    """First places of runs of about `size`; equal neighbours stay together, and a long run of equals is alone."""
    starts = _changes(values)
    long = np.diff(np.append(starts, len(values))) >= size
    place = starts // size
    new = np.ones(len(starts), dtype=bool)
    new[1:] = (place[1:] != place[:-1]) | long[1:] | long[:-1]
    return starts[new]


def _numbered(starts: Places, length: int) -> Places:
    """Which run each place is in."""
    return np.repeat(np.arange(len(starts)), np.diff(np.append(starts, length)))


def _mixed(bands: list[Places], level: Places) -> list[Places]:
    """Bands of more than one level, each in the order of the scores."""
    return [np.sort(band) for band in bands if level[band[0]] != level[band[-1]]]


def _product(left: Floats, right: Floats) -> Floats:
    """`left @ right`, some columns at a time."""
    step = max(8, _ONE_THREAD // max(left.size, 1))
    if step >= right.shape[1]:
        return np.asarray(left @ right)
    found = np.empty((len(left), right.shape[1]))
    for at in range(0, right.shape[1], step):
        np.matmul(left, right[:, at : at + step], out=found[:, at : at + step])
    return found


def _dot(first: Floats, second: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->j", first, second))


def _tied(sums: Floats, total: Floats) -> Floats:
    return (_dot(sums, sums) - total) / 2


def _kinds(groups: Floats, enough: Floats) -> Floats:
    """How many groups have a weight; counting ends where there are enough in every set."""
    found = np.zeros(groups.shape[1])
    for start in range(0, len(groups), 64):
        found += np.count_nonzero(groups[start : start + 64], axis=0)
        if (found >= enough).all():
            break
    return found
