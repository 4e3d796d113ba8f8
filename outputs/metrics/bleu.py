"""BLEU-1 to BLEU-4 of captions and of their corpus, as the field's reference implementation (pycocoevalcap) has them.

Papineni et al. 2002, with the constants of that implementation: 1e-15 is added to the numerators and 1e-9 to the
denominators, so that a caption without a common 4-gram is small, not 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outputs.metrics.blocks import ORDERS, Block, Bools, blocks, grams, long_rows
from outputs.metrics.long_texts import count_grams
from outputs.metrics.texts import Ints, Texts, read_texts

Floats = NDArray[np.float64]

_TINY = 1e-15
_SMALL = 1e-9


@dataclass(frozen=True, slots=True)
class Bleu:
    """`captions` (rows, 4) and `corpus` (4,): BLEU-1 to BLEU-4, from 0 to 1."""

    captions: Floats
    corpus: Floats


def bleu(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Bleu:
    """BLEU of each candidate against its references, and of all. The texts are tokens joined by single spaces.

    The reference length is the closest to the candidate's, of two as close the shorter. A candidate without words is
    0; a corpus without rows is NaN. Raises ValueError where a candidate has no reference.
    """
    return bleu_of(read_texts(candidates, references))


def bleu_of(texts: Texts) -> Bleu:
    """`bleu` of texts that have been read."""
    correct = np.zeros((texts.rows, ORDERS), np.int64)
    closest = np.zeros(texts.rows, np.int64)
    for block in blocks(texts):
        correct[block.rows] = _correct(block)
        closest[block.rows] = _closest(texts.lengths[block.others], block.length, block.firsts)
    for row, references in long_rows(texts):
        correct[row] = _correct_long(texts, row, references)
        closest[row] = _closest(texts.lengths[references], int(texts.lengths[row]), np.zeros(1, np.int64))[0]
    lengths = texts.lengths[: texts.rows]
    guessed = np.maximum(lengths[:, None] - np.arange(ORDERS), 0)
    captions = _scores(correct, guessed, lengths, closest)
    if not texts.rows:
        return Bleu(captions, np.full(ORDERS, np.nan))
    sums = (correct.sum(axis=0), guessed.sum(axis=0), lengths.sum(), closest.sum())
    return Bleu(captions, _scores(*(np.asarray(total)[None] for total in sums))[0])


def _scores(correct: Ints, guessed: Ints, lengths: Ints, closest: Ints) -> Floats:
    """(rows, 4): the geometric means of the precisions, times the brevity penalty."""
    products = np.cumprod((correct + _TINY) / (guessed + _SMALL), axis=1)
    means = products ** (1 / np.arange(1, ORDERS + 1))
    ratio = (lengths + _TINY) / (closest + _SMALL)
    penalty: Floats = np.where(ratio < 1, np.exp(1 - 1 / np.minimum(ratio, 1)), 1)
    scores: Floats = means * penalty[:, None]
    return scores


def _correct(block: Block) -> Ints:
    """(rows, 4): n-grams of the candidates that a reference has, each counted as often as one reference has it."""
    correct = np.zeros((len(block.rows), ORDERS), np.int64)
    most = _most_in_a_reference(block)
    words = block.candidates()
    for order, same in enumerate(grams(words[:, None, :] == words[None, :, :])):
        correct[:, order] = (_earlier(same) < most[order][: len(same)]).sum(axis=0)
    return correct


def _earlier(same: Bools) -> Ints:
    """(places, rows): how many n-grams before this one are the same."""
    before = np.tri(len(same), k=-1, dtype=np.bool_)
    earlier: Ints = (same & before[:, :, None]).sum(axis=1)
    return earlier


def _most_in_a_reference(block: Block) -> Ints:
    """(4, places, rows): how often the candidate's n-gram that begins here is in the reference that has it most."""
    counts = np.zeros((ORDERS, block.length, len(block.others)), np.int64)
    for pairs in block.slices():
        for order, same in enumerate(grams(block.equal(pairs))):
            counts[order, : len(same), pairs] = same.sum(axis=1)
    return np.maximum.reduceat(counts, block.firsts, axis=2)


def _correct_long(texts: Texts, row: int, references: Ints) -> list[int]:
    """(4,): the same of one row, whatever the lengths of its texts."""
    correct = []
    for counted in count_grams(texts, row, references):
        most = np.zeros_like(counted.counts)
        for found in counted.others():
            np.maximum(most, found, out=most)
        correct.append(int(np.minimum(most, counted.counts).sum()))
    return correct


def _closest(lengths: Ints, length: int, firsts: Ints) -> Ints:
    """(rows,): the length of the reference that is closest to the candidate's, the shorter of two as close."""
    # One number orders by distance and then by length: lengths are below 2**31.
    key = (np.abs(lengths - length) << 32) | lengths
    closest: Ints = np.minimum.reduceat(key, firsts) & 0xFFFFFFFF
    return closest
