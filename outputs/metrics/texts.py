"""Candidates and their references as whole numbers: every word is one, and references that rows share are held once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Words = NDArray[np.int32]

_TOGETHER = 10_000  # texts whose words are in memory as text


@dataclass(frozen=True, slots=True)
class Texts:
    """Rows of a candidate and a set of references.

    `words` holds the texts one after the other, each word as a number from 0 to `vocabulary - 1`; text `t` is the
    `lengths[t]` words from `starts[t]`. The first texts are the candidates, row by row; then come the sets of
    references: set `s` is the texts `members[s]` to `members[s + 1] - 1`. `sets` has the set of each row.
    """

    words: Words
    starts: Ints
    lengths: Ints
    members: Ints
    sets: Ints
    vocabulary: int

    @property
    def rows(self) -> int:
        return len(self.sets)

    @property
    def references(self) -> Ints:
        """(rows,): how many references each row has."""
        return np.diff(self.members)[self.sets]

    def of(self, text: int) -> Words:
        """The words of a text."""
        return self.words[self.starts[text] : self.starts[text] + self.lengths[text]]

    def columns(self, texts: Ints, longest: int) -> Words:
        """(longest, texts): the words of some texts, a text a column, -1 below its last word."""
        places = np.arange(longest)[:, None]
        inside = places < self.lengths[texts]
        return np.where(inside, self.words[np.where(inside, self.starts[texts] + places, 0)], np.int32(-1))


def read_texts(candidates: Sequence[str], references: Sequence[Sequence[str]], at_single_spaces: bool = False) -> Texts:
    """Texts as numbers, divided at white space; or at every single space, so that even no text at all is one word.

    Raises ValueError where there is not one set of references for each candidate, or one without a reference.
    """
    if len(candidates) != len(references):
        raise ValueError(f"{len(candidates)} candidates, but {len(references)} sets of references")
    if not all(map(len, references)):
        raise ValueError("a candidate has no reference")
    set_of: defaultdict[tuple[str, ...], int] = defaultdict(count().__next__)
    sets = np.fromiter((set_of[tuple(those)] for those in references), np.int64, len(references))
    sizes = np.fromiter(map(len, set_of), np.int64, len(set_of))
    texts = [*candidates, *chain.from_iterable(set_of)]
    divide = _at_single_spaces if at_single_spaces else _at_white_space
    number_of: defaultdict[str, int] = defaultdict(count().__next__)
    all_words, all_lengths = [np.full(0, -1, np.int32)], [np.zeros(0, np.int64)]
    for low in range(0, len(texts), _TOGETHER):
        found, lengths = divide(texts[low : low + _TOGETHER])
        all_words.append(np.fromiter(map(number_of.__getitem__, found), np.int32, len(found)))
        all_lengths.append(lengths)
    words, lengths = np.concatenate(all_words), np.concatenate(all_lengths)
    return Texts(
        words=words if len(words) else np.full(1, -1, np.int32),
        starts=_starts(lengths)[:-1],
        lengths=lengths,
        members=len(candidates) + _starts(sizes),
        sets=sets,
        vocabulary=len(number_of),
    )


def _at_single_spaces(texts: Sequence[str]) -> tuple[list[str], Ints]:
    """All words, and how many each text has."""
    lengths = np.fromiter((text.count(" ") + 1 for text in texts), np.int64, len(texts))
    return " ".join(texts).split(" "), lengths


def _at_white_space(texts: Sequence[str]) -> tuple[list[str], Ints]:
    """All words, and how many each text has; one split of all is much faster than a split of each."""
    written = [text for text in texts if text]
    joined = " ".join(written)
    words = joined.split()
    if words != (joined.split(" ") if joined else []):
        return _at_white_space([" ".join(text.split()) for text in texts])
    lengths = np.fromiter((text.count(" ") + 1 if text else 0 for text in texts), np.int64, len(texts))
    return words, lengths


def runs(keys: Ints) -> Iterator[slice]:
    """The slices of sorted keys in which all are equal."""
    edges = np.flatnonzero(np.diff(keys)) + 1
    bounds = [0, *edges.tolist(), len(keys)]
    return (slice(low, high) for low, high in pairwise(bounds) if high > low)


def _starts(sizes: Ints) -> Ints:
    """(sizes + 1,): where each of some things of these sizes begins, and where the last one ends."""
    return np.concatenate(([0], np.cumsum(sizes)))
