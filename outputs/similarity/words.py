"""Answers as sequences of words, and the words as numbers.

A word is a run of letters, digits and underscores, in lower case. Scripts that are written without spaces (Chinese,
Japanese, Thai, Lao, Burmese, Khmer) have a word for each character, as there is no splitter here that knows them. A
text that has no word at all (such as an emoji) has its characters instead, so that every text has a word.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_MOST = 2**63 - 1
_WITHOUT_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    "\u2e80-\u303f\u3040-\u30ff\u31c0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana, Han
)
_MARKS = "\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0900-\u0dff"  # part of a word, though Python's \w leaves some out
_LETTER = rf"[^\W{_WITHOUT_SPACES}]"
_WORD = re.compile(rf"{_LETTER}+(?:[{_MARKS}]+{_LETTER}*)*|(?=\w)[{_WITHOUT_SPACES}]")


def words(text: str) -> list[str]:
    """The words of a text, at least one where it is not blank."""
    return _WORD.findall(text.lower()) or [character for character in text if not character.isspace()]


def encode(texts: Iterable[str]) -> tuple[list[Ints], int]:
    """Each text as the numbers of its words, and how many different words there are."""
    known: defaultdict[str, int] = defaultdict(count().__next__)
    found = []
    for text in texts:
        said = words(text)
        found.append(np.fromiter(map(known.__getitem__, said), np.int64, len(said)))
    return found, len(known)


def n_grams(answers: Sequence[Ints], longest: int) -> Iterator[tuple[Ints, Ints]]:
    """For n = 1 to `longest`: every n-gram of the answers as a number (equal n-grams have equal ones), and its answer.

    The n-grams of an answer stand in its order. Numbers are not below 0.
    """
    flat = np.concatenate([np.empty(0, np.int64), *answers])
    row = np.repeat(np.arange(len(answers)), [len(answer) for answer in answers])
    single = dense(flat)
    kinds = int(single.max(initial=0)) + 1
    code, highest = single, kinds
    for n in range(1, longest + 1):
        if n > 1:
            if highest > _MOST // kinds:
                code = dense(code)
                highest = int(code.max(initial=0)) + 1
            code = code[: max(0, len(flat) - n + 1)] * kinds + single[n - 1 :]
            highest *= kinds
        inside = row[: len(code)] == row[n - 1 :]
        yield code[inside], row[: len(code)][inside]


def dense(codes: Ints) -> Ints:
    """The same numbers by their rank: from 0, without a gap."""
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)
