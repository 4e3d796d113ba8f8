"""Rows and their pairs of candidate and reference, in blocks whose comparisons fit into memory.

The words of a pair are compared all with all, in a table of as many cells as the product of their lengths. A block
has candidates of one length; its tables have at most `CELLS` cells together. A row that has more alone is in none: such
rows are `long_rows`, and are compared in another way.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outputs.metrics.texts import Ints, Texts, Words, runs

CELLS = 2_000_000
ORDERS = 4

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of `texts`.

    `firsts` is where the pairs of each row begin; `owners` (pairs,) has each pair's place in `rows`, `others` (pairs,)
    its reference. `length` is that of every candidate.
    """

    texts: Texts
    rows: Ints
    length: int
    firsts: Ints
    owners: Ints
    others: Ints

    def candidates(self) -> Words:
        """(length, rows)."""
        return self.texts.columns(self.rows, self.length)

    def slices(self) -> Iterator[slice]:
        """Pairs of the block whose tables fit into memory together, where a single pair's do."""
        longest = max(int(self.texts.lengths[self.others].max()), 1)
        return slices(len(self.others), max(self.length, 1) * longest)

    def equal(self, pairs: slice) -> Bools:
        """(length, longest reference, pairs): whether this word of the candidate is that word of the reference."""
        others = self.others[pairs]
        references = self.texts.columns(others, int(self.texts.lengths[others].max()))
        candidates = self.texts.columns(self.rows[self.owners[pairs]], self.length)
        equal: Bools = candidates[:, None, :] == references[None, :, :]
        return equal


def blocks(texts: Texts) -> Iterator[Block]:
    """All rows but the long ones, each in one block."""
    longest, cells = _sizes(texts)
    lengths = texts.lengths[: texts.rows]
    order = np.lexsort((longest, lengths))
    order = order[cells[order] <= CELLS]
    for same in runs(lengths[order]):
        rows = order[same]
        for part in _parts(cells[rows]):
            yield _block(texts, rows[part])


def long_rows(texts: Texts) -> Iterator[tuple[int, Ints]]:
    """Each row that is in no block, with its references."""
    for row in np.flatnonzero(_sizes(texts)[1] > CELLS).tolist():
        yield row, np.arange(*texts.members[texts.sets[row] :][:2])


def _sizes(texts: Texts) -> tuple[Ints, Ints]:
    """(rows,): the length of the longest reference, and the cells of all tables."""
    longest = np.maximum.reduceat(texts.lengths, texts.members[:-1])[texts.sets] if texts.rows else texts.sets
    lengths = np.maximum(texts.lengths[: texts.rows], 1)
    return longest, lengths * np.maximum(longest, lengths) * texts.references


def fits(cells: int) -> bool:
    """Whether tables of so many cells fit into memory."""
    return cells <= CELLS


def slices(many: int, cells: int) -> Iterator[slice]:
    """`many` things of so many cells each, in slices of at most `CELLS` cells, or of one thing."""
    step = max(CELLS // cells, 1)
    return (slice(low, min(low + step, many)) for low in range(0, many, step))


def grams(equal: Bools) -> Iterator[Bools]:
    """For n-grams of 1 to 4 words, whether those that begin at two places are equal, from whether words are.

    `equal` is (places, places, ...) and is not changed; what comes is smaller by a place on both sides each time, and
    empty where the texts are shorter than n.
    """
    found = equal
    for order in range(1, ORDERS + 1):
        yield found
        found = found[:-1, :-1] & equal[order:, order:]


def _parts(cells: Ints) -> Iterator[slice]:
    """Rows of ascending sizes in parts; a part's tables are as large as its largest row's."""
    low = 0
    while low < len(cells):
        fits = np.maximum.accumulate(cells[low:]) * np.arange(1, len(cells) - low + 1) <= CELLS
        high = low + max(int(np.argmin(fits)) if not fits.all() else len(fits), 1)
        yield slice(low, high)
        low = high


def _block(texts: Texts, rows: Ints) -> Block:
    many = texts.references[rows]
    firsts = np.cumsum(many) - many
    owners = np.repeat(np.arange(len(rows)), many)
    others = texts.members[texts.sets[rows]][owners] + np.arange(len(owners)) - firsts[owners]
    return Block(texts, rows, int(texts.lengths[rows[0]]), firsts, owners, others)
