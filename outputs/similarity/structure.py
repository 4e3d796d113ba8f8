"""The form of an answer: what it is built of, how it opens and how it closes; and how alike two forms are."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from outputs.similarity.words import words
from outputs.statistics.resampling import Floats

FEATURES = (
    "words",
    "sentences",  # ends of sentences: . ! ? before a space, and their CJK forms; at least 1
    "paragraphs",  # blocks of lines between empty lines, outside of code
    "headings",  # lines that begin with #
    "bullets",  # lines that begin with - * + or a bullet
    "numbered",  # lines that begin with a number and a dot or a bracket
    "code_blocks",  # fenced by ``` or ~~~
    "table_rows",  # lines between two |
    "bold",  # **spans** or __spans__
    "formulas",  # openings of LaTeX: \( \[ \begin{ and pairs of $$
    "questions",  # question marks
)
PHRASE_WORDS = 3  # of the answer's beginning, and of its last sentence

_FENCE = re.compile(r"[ \t]{0,8}(```|~~~)")
_LINES = {
    "headings": re.compile(r" {0,3}#{1,6}\s+\S"),
    "bullets": re.compile(r"[ \t]{0,16}[-*+•‣◦]\s+\S"),
    "numbered": re.compile(r"[ \t]{0,16}\(?\d{1,3}[.)、]\s*\S"),
    "table_rows": re.compile(r"[ \t]{0,8}\|.*\|[ \t]*$"),
}
_LIST_NUMBER = re.compile(r"[ \t]{0,16}\d{1,3}\.(\s|$)")  # whose dot ends no sentence
_SPANS = {
    "bold": re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__"),
    "formulas": re.compile(r"\\\(|\\\[|\\begin\{|\$\$[^$]+\$\$"),
    "questions": re.compile("[?？]"),
    "sentences": re.compile(r"(?<![.!?])[.!?]++(?=\s|$)|[。！？]++"),
}
_LAST_CHARACTERS = 1000  # where the last sentence is looked for


@dataclass(frozen=True, slots=True)
class Form:
    """`counts` in the order of `FEATURES`; the phrases in lower case."""

    counts: tuple[int, ...]
    opening: tuple[str, ...]
    closing: tuple[str, ...]


def form_of(text: str, length: int) -> Form:
    """The form of an answer of `length` words. What stands in a block of code is counted as words only."""
    prose, blocks = _without_code(text)
    lines = prose.split("\n")
    counts = {name: sum(bool(rule.match(line)) for line in lines) for name, rule in _LINES.items()}
    counts |= {name: sum(1 for _ in rule.finditer(prose)) for name, rule in _SPANS.items()}
    counts |= {"words": length, "code_blocks": blocks, "paragraphs": _paragraphs(lines)}
    counts["sentences"] = max(1, counts["sentences"] - sum(bool(_LIST_NUMBER.match(line)) for line in lines))
    sentences = [part for part in _SPANS["sentences"].split(prose[-_LAST_CHARACTERS:]) if part.strip()]
    closing = words(sentences[-1])[:PHRASE_WORDS] if sentences else []
    opening = words(prose[:_LAST_CHARACTERS])[:PHRASE_WORDS]
    return Form(tuple(counts[name] for name in FEATURES), tuple(opening), tuple(closing))


def _without_code(text: str) -> tuple[str, int]:
    """The text outside of fenced blocks, and how many blocks; one that is never closed runs to the end."""
    blocks, fence = 0, ""
    kept = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        found = _FENCE.match(line)
        if fence:
            fence = "" if found and found[1] == fence else fence
        elif found:
            fence, blocks = found[1], blocks + 1
        else:
            kept.append(line)
    return "\n".join(kept), blocks


def _paragraphs(lines: Sequence[str]) -> int:
    before = ["", *lines]
    return sum(bool(line.strip()) and not above.strip() for above, line in zip(before, lines, strict=False))


def form_similarity(forms: Sequence[Form]) -> Floats:
    """How alike the forms of answers are, (answers, answers), 0 to 1.

    The mean over the features that one of the two answers has at least: smaller count / larger count; and over the
    opening and the closing phrase, 1 where equal, else 0. A feature that neither has says nothing (two plain texts are
    not alike for having no table). The rule looks at the two answers only, so that it does not depend on who else was
    asked.
    """
    counts = np.array([form.counts for form in forms], dtype=np.float64)
    less = np.minimum(counts[:, None], counts[None, :])
    more = np.maximum(counts[:, None], counts[None, :])
    ratios = np.divide(less, more, out=np.zeros_like(less), where=more > 0).sum(axis=2)
    same = sum(_equal(phrases) for phrases in _phrases(forms))
    found: Floats = (ratios + same) / ((more > 0).sum(axis=2) + 2)
    return found


def _phrases(forms: Sequence[Form]) -> Iterator[list[tuple[str, ...]]]:
    yield [form.opening for form in forms]
    yield [form.closing for form in forms]


def _equal(phrases: Sequence[tuple[str, ...]]) -> Floats:
    seen: dict[tuple[str, ...], int] = {}
    kinds = np.array([seen.setdefault(phrase, len(seen)) for phrase in phrases])
    found: Floats = (kinds[:, None] == kinds[None, :]).astype(np.float64)
    return found
