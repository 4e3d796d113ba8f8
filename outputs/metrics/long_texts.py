"""Rows whose texts are too long to be compared word by word with all of the others: their n-grams are counted instead.

Memory is a few whole numbers for each word of a row; the time is that of sorting its words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from outputs.metrics.blocks import ORDERS
from outputs.metrics.texts import Ints, Texts


@dataclass(frozen=True, slots=True)
class Counted:
    """The different n-grams of a text, for one n.

    `places` (n-grams,) is where each begins first, in the words of all texts, `counts` (n-grams,) how often it is
    there. `numbers` has the n-grams of this text and of the others, one after the other; `ends` where each text's end.
    """

    places: Ints
    counts: Ints
    numbers: Ints
    ends: Ints

    def others(self) -> Iterator[Ints]:
        """(n-grams,) of each other text in turn: how often it has them."""
        many = len(self.counts)
        for low, high in zip(self.ends[:-1], self.ends[1:], strict=True):
            found = self.numbers[low:high]
            yield np.bincount(found[found < many], minlength=many)


def count_grams(texts: Texts, text: int, others: Ints) -> Iterator[Counted]:
    """The n-grams of a text of `texts` and how often the `others` have them, for 1 to 4 words."""
    those = np.concatenate(([text], others))
    lengths = texts.lengths[those]
    ends = np.cumsum(lengths)
    of_text = np.repeat(np.arange(len(those)), lengths)
    at = np.arange(int(ends[-1])) - np.repeat(ends - lengths, lengths) + np.repeat(texts.starts[those], lengths)
    left = np.repeat(ends, lengths) - np.arange(int(ends[-1]))  # words from here to the end of the text
    numbers = _numbered(texts.words[at].astype(np.int64))
    for order in range(1, ORDERS + 1):
        if order > 1:
            on = left >= order
            at, left, of_text = at[on], left[on], of_text[on]
            numbers = _numbered(numbers[on] * texts.vocabulary + texts.words[at + order - 1])
        yield _counted(at, numbers, np.searchsorted(of_text, np.arange(1, len(those) + 1)))


def _numbered(keys: Ints) -> Ints:
    """Numbers from 0 in the order in which keys come first: those of the first text are the lowest."""
    _, first, numbers = np.unique(keys, return_index=True, return_inverse=True)
    ranks = np.empty(len(first), np.int64)
    ranks[np.argsort(first)] = np.arange(len(first))
    found: Ints = ranks[numbers]
    return found


def _counted(at: Ints, numbers: Ints, ends: Ints) -> Counted:
    counts = np.bincount(numbers[: ends[0]])
    places = np.empty(len(counts), np.int64)
    places[numbers[: ends[0]][::-1]] = at[: ends[0]][::-1]
    return Counted(places, counts, numbers, ends)
