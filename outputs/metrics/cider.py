"""CIDEr of captions (Vedantam et al. 2015), as the field's reference implementation (pycocoevalcap) has it.

It has two things of CIDEr-D: counts are clipped, and a difference of length is punished with sigma = 6.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outputs.metrics.blocks import ORDERS, Block, blocks, fits, grams, long_rows, slices
from outputs.metrics.document_frequencies import document_frequencies
from outputs.metrics.long_texts import count_grams
from outputs.metrics.texts import Ints, Texts, read_texts, runs

Floats = NDArray[np.float64]

_SIGMA = 6.0
_SCALE = 10.0


def cider(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Floats:
    """(n,): CIDEr of each candidate against its references, from 0 to 10. The texts are tokens joined by single spaces.

    An n-gram's document frequency is in how many of these rows a reference has it, so that a value depends on the set
    that it is evaluated in; in a set of one row every value is 0. Raises ValueError where a candidate has no reference.
    """
    return cider_of(read_texts(candidates, references))


def cider_of(texts: Texts) -> Floats:
    """`cider` of texts that have been read."""
    scores = np.zeros(texts.rows)
    weights = [_weights(texts.rows, frequencies) for frequencies in document_frequencies(texts)]
    norms = _norms(texts, weights)
    for block in blocks(texts):
        shares = _shares(block, weights)
        products = np.concatenate([_products(block, pairs, shares) for pairs in block.slices()])
        longer = texts.lengths[block.others] - block.length
        norm = norms[block.rows[block.owners]] * norms[block.others]
        scores[block.rows] = _scores(products, norm, longer, block.firsts)
    for row, references in long_rows(texts):
        products = _products_long(texts, row, references, weights)
        longer = texts.lengths[references] - texts.lengths[row]
        scores[row] = _scores(products, norms[row] * norms[references], longer, np.zeros(1, np.int64))[0]
    return scores


def _weights(rows: int, frequencies: Ints) -> Floats:
    """(words,): how rare the n-gram that begins at each word is. It is exactly 0 for one that is in every row."""
    logs = np.log(np.arange(1, max(rows, 1) + 1))
    weights: Floats = logs[-1] - logs[frequencies - 1]
    return weights


def _scores(products: Floats, norm: Floats, longer: Ints, firsts: Ints) -> Floats:
    """(rows,): the mean cosine over references and n, each times the penalty for its length.

    `products` and `norm` are (pairs, 4), `longer` (pairs,) by how many words the reference is longer.
    """
    cosines = products / np.where(norm > 0, norm, 1)
    penalty = np.e ** (-(longer.astype(np.float64) ** 2) / (2 * _SIGMA**2))
    sums = np.add.reduceat(cosines * penalty[:, None], firsts, axis=0)
    many = np.diff(np.append(firsts, len(longer)))
    scores: Floats = sums.mean(axis=1) / many * _SCALE
    return scores


def _shares(block: Block, weights: Sequence[Floats]) -> list[tuple[Ints, Floats]]:
    """For each n, (places, rows): how often the candidate has the n-gram that begins here, and what one place counts.

    That is its squared weight divided by how often it is there, so that it counts once over all its places.
    """
    words = block.candidates()
    shares = []
    for order, same in enumerate(grams(words[:, None, :] == words[None, :, :])):
        counts: Ints = same.sum(axis=1)
        places = block.texts.starts[block.rows] + np.arange(len(same))[:, None]
        shares.append((counts, weights[order][places] ** 2 / counts))
    return shares


def _products(block: Block, pairs: slice, shares: Sequence[tuple[Ints, Floats]]) -> Floats:
    """(pairs, 4): clipped scalar products of the pairs' weighted counts."""
    owners = block.owners[pairs]
    products = np.zeros((len(owners), ORDERS))
    for order, (same, (own, share)) in enumerate(zip(grams(block.equal(pairs)), shares, strict=True)):
        counts = same.sum(axis=1)
        products[:, order] = (np.minimum(counts, own[:, owners]) * counts * share[:, owners]).sum(axis=0)
    return products


def _products_long(texts: Texts, row: int, references: Ints, weights: Sequence[Floats]) -> Floats:
    """(references, 4): the same of one row, whatever the lengths of its texts."""
    products = np.zeros((len(references), ORDERS))
    for order, counted in enumerate(count_grams(texts, row, references)):
        squares = weights[order][counted.places] ** 2
        for place, found in enumerate(counted.others()):
            products[place, order] = (np.minimum(found, counted.counts) * found * squares).sum()
    return products


def _norms(texts: Texts, weights: Sequence[Floats]) -> Floats:
    """(texts, 4): the lengths of the texts' vectors of weighted counts."""
    squares = np.zeros((len(texts.lengths), ORDERS))
    by_length: Ints = np.argsort(texts.lengths, kind="stable")
    for same in runs(texts.lengths[by_length]):
        those = by_length[same]
        length = int(texts.lengths[those[0]])
        if not fits(length**2):
            for text in those.tolist():
                squares[text] = _squares_long(texts, text, weights)
            continue
        for part in slices(len(those), max(length, 1) ** 2):
            squares[those[part]] = _squares(texts, those[part], length, weights)
    return np.sqrt(squares)


def _squares(texts: Texts, those: Ints, length: int, weights: Sequence[Floats]) -> Floats:
    """(texts, 4), of texts of one length. A count's square is the count, summed over the places counted."""
    squares = np.zeros((len(those), ORDERS))
    words = texts.columns(those, length)
    for order, same in enumerate(grams(words[:, None, :] == words[None, :, :])):
        places = texts.starts[those] + np.arange(len(same))[:, None]
        squares[:, order] = (same.sum(axis=1) * weights[order][places] ** 2).sum(axis=0)
    return squares


def _squares_long(texts: Texts, text: int, weights: Sequence[Floats]) -> list[float]:
    """(4,): the same of one text, whatever its length."""
    nothing = np.zeros(0, np.int64)
    return [
        float((counted.counts**2 * weights[order][counted.places] ** 2).sum())
        for order, counted in enumerate(count_grams(texts, text, nothing))
    ]
