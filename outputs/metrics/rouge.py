"""ROUGE-L of captions (Lin 2004), as the field's reference implementation (pycocoevalcap) has it."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from outputs.metrics.blocks import Bools, blocks, long_rows
from outputs.metrics.texts import Ints, Texts, Words, read_texts

Floats = NDArray[np.float64]

_BETA = 1.2
_BITS = 64


def rouge_l(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Floats:
    """(n,): ROUGE-L of each candidate against its references, from 0 to 1.

    Precision and recall of the longest common subsequence are each the greatest over the references, beta is 1.2.
    Texts are tokens, divided at every single space: one without words has one token, the empty one, which only
    another such text has too. Raises ValueError where a candidate has no reference.
    """
    return rouge_l_of(read_texts(candidates, references, at_single_spaces=True))


def rouge_l_of(texts: Texts) -> Floats:
    """`rouge_l` of texts that have been read, however they were divided: a text without words has the empty one."""
    scores = np.zeros(texts.rows)
    for block in blocks(texts):
        common = np.concatenate([_common(block.equal(pairs)) for pairs in block.slices()])
        scores[block.rows] = _scores(common, texts.lengths[block.others], block.length, block.firsts)
    for row, references in long_rows(texts):
        common = np.array([_common_of(texts.of(row), texts.of(reference)) for reference in references.tolist()])
        first = np.zeros(1, np.int64)
        scores[row] = _scores(common, texts.lengths[references], int(texts.lengths[row]), first)[0]
    return scores


def _scores(common: Ints, lengths: Ints, length: int, firsts: Ints) -> Floats:
    """(rows,): of the longest common subsequences with references of these `lengths`, for candidates of one."""
    common[(lengths == 0) & (length == 0)] = 1
    precision = np.maximum.reduceat(common / max(length, 1), firsts)
    recall = np.maximum.reduceat(common / np.maximum(lengths, 1), firsts)
    below = recall + _BETA**2 * precision
    scores: Floats = (1 + _BETA**2) * precision * recall / np.where(below > 0, below, 1)
    return scores


def _common(equal: Bools) -> Ints:
    """(pairs,): the length of the longest common subsequence of each pair."""
    if equal.shape[1] <= _BITS:
        return _common_short(equal)
    return np.array([_common_long(equal[:, :, pair]) for pair in range(equal.shape[2])], np.int64)


def _common_short(equal: Bools) -> Ints:
    """(pairs,): of pairs whose references have at most 64 words, all at once in the bits of a machine word.

    Hyyro 2004, "Bit-parallel LCS-length computation revisited": a bit of `left` is 1 while its word of the reference is
    not the end of a common subsequence that is longer than that before it.
    """
    places, longest, many = equal.shape
    masks = np.zeros((places, many), np.uint64)
    for place in range(longest):
        masks |= np.left_shift(equal[:, place], np.uint64(place), dtype=np.uint64)
    left: NDArray[np.uint64] = np.full(many, ~np.uint64(0))
    for mask in masks:
        matched = left & mask
        left = np.bitwise_or(left + matched, left - matched)
    ones = np.unpackbits((~left).view(np.uint8).reshape(many, 8), axis=1)
    common: Ints = ones.sum(axis=1, dtype=np.int64)
    return common


def _common_long(equal: Bools) -> int:
    """The same of one pair, (places, places), in one long whole number."""
    return _common_in_bits(np.packbits(equal, axis=1, bitorder="little"), equal.shape[1])


def _common_of(first: Words, second: Words) -> int:
    """The same of two texts, without a table: the longer one is in the bits. Time: the product of the lengths."""
    shorter, longer = sorted((first, second), key=len)
    shorter = shorter[np.isin(shorter, longer)]
    rows = (np.packbits(longer == word, bitorder="little") for word in shorter)
    return _common_in_bits(rows, len(longer))


def _common_in_bits(rows: Iterable[NDArray[np.uint8]], places: int) -> int:
    """The same from the bits of one text's `places` that are equal to each word of the other, word by word."""
    everywhere = (1 << places) - 1
    left: int = everywhere
    for row in rows:
        matched = left & int.from_bytes(row.tobytes(), "little")
        left = ((left + matched) | (left - matched)) & everywhere
    return places - left.bit_count()
