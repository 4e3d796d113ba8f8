"""Two measures of common wording between answers to one prompt: 2-grams, and the longest common subsequence."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from outputs.similarity.words import Ints, dense, n_grams
from outputs.statistics.resampling import Floats

MOST_WORDS = 2000  # of an answer, for the measures that depend on its order: their work grows with the square


def bigram_overlap(answers: Sequence[Ints]) -> Floats:
    """Dice's coefficient of the multisets of 2-grams, (answers, answers): 2 * common / (2-grams of one + of the other).

    It is the F1 of 2-grams, as ROUGE-2 counts them, so that it reads as ROUGE-L does. An answer of one word has that
    word for its only 2-gram. The published 2-gram similarity (Lee et al., ACL 2025 long.248) is not defined to the
    letter: this is our definition.
    """
    code, row = list(n_grams([_with_edges(answer) for answer in answers], 2))[1]
    shared = _common(dense(code), row, len(answers))
    sizes = np.bincount(row, minlength=len(answers)).astype(np.float64)
    return 2 * shared / (sizes[:, None] + sizes[None, :])


def _with_edges(answer: Ints) -> Ints:
    """An answer of one word gets an end, which makes a 2-gram of it."""
    return answer if len(answer) > 1 else np.append(answer, -1)


def _common(code: Ints, row: Ints, answers: int) -> Floats:
    """How many n-grams two answers have in common, each as often as both have it.

    The k-th occurrence of an n-gram in an answer is a feature of its own, so that the smaller count is a dot product.
    """
    order = np.lexsort((code, row))
    code, row = code[order], row[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(code) != 0) | (np.diff(row) != 0)])
    lengths = np.diff(np.r_[starts, len(code)])
    occurrence = np.arange(len(code)) - np.repeat(starts, lengths)
    feature = dense(code * (occurrence.max() + 1) + occurrence)
    having = csr_array((np.ones(len(row)), (row, feature)), shape=(answers, int(feature.max()) + 1))
    found: Floats = (having @ having.T).toarray()
    return found


def rouge_l(answers: Sequence[Ints]) -> Floats:
    """ROUGE-L's F1, (answers, answers): 2 * LCS / (words of one + words of the other), over the first `MOST_WORDS`.

    LCS is the longest common subsequence of words (Lin 2004); with beta = 1 the measure is symmetric.
    """
    bounded = [answer[:MOST_WORDS] for answer in answers]
    sizes = np.array([len(answer) for answer in bounded], dtype=np.float64)
    return 2 * common_subsequences(bounded) / (sizes[:, None] + sizes[None, :])


def common_subsequences(answers: Sequence[Ints]) -> Floats:
    """Lengths of the longest common subsequences, (answers, answers).

    Hyyro's bit-parallel recurrence, V' = (V + (V & M)) | (V & ~M), whose zeros count: all answers lie side by side in
    one integer, with a bit between them that stops the sum's carry, so that one pass over an answer's words compares it
    with all before it. Work: words * all words before them / 64 machine words.
    """
    listed = [answer.tolist() for answer in answers]
    starts, length = [], 0
    for answer in listed:
        starts.append(length)
        length += len(answer) + 1
    places: dict[int, int] = {}
    for start, answer in zip(starts, listed, strict=True):
        for offset, word in enumerate(answer):
            places[word] = places.get(word, 0) | (1 << (start + offset))
    found = np.diag([float(len(answer)) for answer in listed])
    for this in range(1, len(listed)):
        keep = 0
        for start, answer in zip(starts[:this], listed[:this], strict=True):
            keep |= ((1 << len(answer)) - 1) << start
        left = keep
        for word in listed[this]:
            hit = left & places[word]
            if hit:
                left = ((left + hit) | (left ^ hit)) & keep
        for other in range(this):
            size = len(listed[other])
            zeros = size - ((left >> starts[other]) & ((1 << size) - 1)).bit_count()
            found[this, other] = found[other, this] = zeros
    return found
