"""In how many rows of a set a reference has an n-gram."""

from collections.abc import Iterator

import numpy as np

from outputs.metrics.blocks import ORDERS
from outputs.metrics.texts import Ints, Texts


def document_frequencies(texts: Texts) -> Iterator[Ints]:
    """For n-grams of 1 to 4 words, (words,): the frequency of the n-gram that begins at each word, at least 1.

    Where a word is too near to its text's end for an n-gram to begin there, the value is of no use.
    """
    ends = np.repeat(texts.starts + texts.lengths, texts.lengths)
    at = np.arange(len(ends))
    numbers = texts.words[at].astype(np.int64)
    many = texts.vocabulary
    sets = _set_of_each_word(texts)
    rows_of_set = np.bincount(texts.sets, minlength=len(texts.members) - 1)
    alone = np.append(rows_of_set, 1)[sets]  # of an n-gram that is nowhere else; the last one is a candidate's
    for order in range(1, ORDERS + 1):
        if order > 1:
            # What begins with an n-gram that is nowhere else is nowhere else either.
            longer = (at + order <= ends[at]) & (np.bincount(numbers)[numbers] > 1)
            at, numbers = at[longer], numbers[longer]
            numbers, many = _renumbered(numbers * texts.vocabulary + texts.words[at + order - 1])
        found = _frequencies(numbers, many, sets[at], rows_of_set)
        everywhere = alone.copy()
        everywhere[at] = np.maximum(found[numbers], 1)
        yield everywhere


def _set_of_each_word(texts: Texts) -> Ints:
    """(words,): its set of references, -1 for a candidate's."""
    sizes = np.diff(texts.members)
    of_references = np.repeat(np.arange(len(sizes)), sizes)
    return np.repeat(np.concatenate((np.full(texts.rows, -1), of_references)), texts.lengths)


def _renumbered(keys: Ints) -> tuple[Ints, int]:
    """Numbers from 0 without a gap that are equal where the keys are, and how many there are."""
    if not len(keys):
        return keys, 0
    order = np.argsort(keys)
    ordered = keys[order]
    ranks = np.cumsum(np.concatenate(([0], ordered[1:] != ordered[:-1])))
    numbers = np.empty_like(keys)
    numbers[order] = ranks
    return numbers, int(ranks[-1]) + 1


def _frequencies(numbers: Ints, many: int, sets: Ints, rows_of_set: Ints) -> Ints:
    """(many,): in how many rows each n-gram is, from the n-grams and sets of all places that have one."""
    of_references = sets >= 0
    bits = len(rows_of_set).bit_length()
    keys = np.sort(numbers[of_references] << bits | sets[of_references])
    keys = keys[np.diff(keys, prepend=-1) > 0]
    found = np.bincount(keys >> bits, weights=rows_of_set[keys & ((1 << bits) - 1)], minlength=many)
    return found.astype(np.int64)
