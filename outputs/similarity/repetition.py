"""How much a set of texts repeats itself: self-BLEU, self-repetition, compression; and the Vendi score."""

import gzip
import math
from collections.abc import Sequence

import numpy as np

from outputs.similarity.overlap import MOST_WORDS
from outputs.similarity.words import Ints, dense, n_grams
from outputs.statistics.resampling import Floats

ORDERS = 4  # of BLEU's n-grams
REPEATED = 4  # words of the n-grams whose repetition counts
_TINY, _SMALL = 1e-15, 1e-9  # of BLEU per caption, as in pycocoevalcap


def self_bleu(answers: Sequence[Ints]) -> Floats:
    """(answers,): BLEU-4 of each text with all others as references (Zhu et al. 2018, Texygen); NaN for one text.

    BLEU of one text is that of captions: clipped precisions of 1 to 4 words, the closest reference's length (ties to
    the shorter), constants 1e-15 and 1e-9. Over the first `MOST_WORDS` words of each text.
    """
    if len(answers) < 2:
        return np.full(len(answers), math.nan)
    bounded = [answer[:MOST_WORDS] for answer in answers]
    sizes = np.array([len(answer) for answer in bounded], dtype=np.float64)
    product = np.ones(len(answers))
    for n, (code, row) in enumerate(n_grams(bounded, ORDERS), 1):
        product *= (_in_others(code, row, len(answers)) + _TINY) / (np.maximum(0, sizes - n + 1) + _SMALL)
    ratio = (sizes + _TINY) / (_closest_lengths(sizes) + _SMALL)
    short = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    found: Floats = product ** (1 / ORDERS) * short
    return found


def _in_others(code: Ints, row: Ints, answers: int) -> Floats:
    """(answers,): the n-grams of each, each counted at most as often as the answer among the others that has most."""
    if not len(code):
        return np.zeros(answers)
    pairs, counts = np.unique(dense(code) * answers + row, return_counts=True)
    kind, of = np.divmod(pairs, answers)
    starts = np.flatnonzero(np.r_[True, np.diff(kind) != 0])
    most = np.maximum.reduceat(counts, starts)[kind]
    leaders = np.flatnonzero(counts == most)
    leader = leaders[np.unique(kind[leaders], return_index=True)[1]]  # one answer of each n-gram
    among_others, without = most.copy(), counts.copy()
    without[leader] = 0
    among_others[leader] = np.maximum.reduceat(without, starts)
    found: Floats = np.bincount(of, weights=np.minimum(counts, among_others), minlength=answers).astype(np.float64)
    return found


def _closest_lengths(sizes: Floats) -> Floats:
    """The length, among the others', that is closest to each."""
    found = []
    for place, size in enumerate(sizes):
        others = np.delete(sizes, place)
        found.append(min(others.tolist(), key=lambda other: (abs(other - size), other)))
    return np.array(found)


def self_repetition(answers: Sequence[Ints]) -> Floats:
    """(answers,): ln(1 + the sum, over a text's different 4-grams, of how many other texts have it).

    Salkar et al. 2022; Shaib et al., arXiv 2403.00553, take the mean over texts. It grows with the number of texts and
    with their length. NaN for one text.
    """
    if len(answers) < 2:
        return np.full(len(answers), math.nan)
    code, row = list(n_grams(answers, REPEATED))[-1]
    kind, of = np.divmod(np.unique(dense(code) * len(answers) + row), len(answers))
    texts_with = np.bincount(kind)
    others = np.bincount(of, weights=texts_with[kind] - 1, minlength=len(answers))
    return np.log1p(others)


def compression_ratio(texts: Sequence[str]) -> float:
    """Bytes of the texts, joined by line feeds, over their bytes after gzip -9 (Shaib et al., arXiv 2403.00553).

    Higher is more repetitive. It grows with the amount of text; gzip sees repetitions within 32 kB only. NaN for none.
    """
    joined = "\n".join(texts).encode("utf-8", "replace")
    return len(joined) / len(gzip.compress(joined, 9, mtime=0)) if joined else math.nan


def mean_cosine(cosines: Floats) -> float:
    """Mean of the cosines between n different unit vectors, from all n * n: (|sum|^2 - n) / (n (n - 1)); NaN for one.

    The sum of all cosines is |sum of the vectors|^2.
    """
    n = len(cosines)
    return float(cosines.sum() - n) / (n * (n - 1)) if n > 1 else math.nan


def vendi_score(kernel: Floats) -> float:
    """exp(entropy of the eigenvalues of K / n): the effective number of different texts, 1 to n.

    Friedman & Dieng 2022. `kernel` (n, n) is positive semidefinite with ones on its diagonal, as cosines are.
    """
    values = np.linalg.eigvalsh(kernel / len(kernel)) if len(kernel) else np.empty(0)
    positive = values[values > 0]
    return float(np.exp(-(positive * np.log(positive)).sum())) if len(positive) else math.nan
