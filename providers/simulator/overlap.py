"""How much of a text's words another text has: the only opinion the simulated judge holds."""

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

# Han and kana are written without spaces: there each character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")


class Overlap(msgspec.Struct, frozen=True):
    """Shares from 0 to 1, words counted as often as they occur; `length_ratio` is the shorter length by the longer."""

    shared: int
    precision: float
    recall: float
    length_ratio: float

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def overlap(candidate: str, reference: str) -> Overlap:
    """The overlap of one text with another; all zero where one has no words."""
    ours, theirs = Counter(_WORD.findall(candidate.lower())), Counter(_WORD.findall(reference.lower()))
    if not ours or not theirs:
        return Overlap(0, 0.0, 0.0, 0.0)
    shared, our_total, their_total = (ours & theirs).total(), ours.total(), theirs.total()
    lengths = sorted((our_total, their_total))
    return Overlap(shared, shared / our_total, shared / their_total, lengths[0] / lengths[1])


def best_overlap(candidate: str, references: Sequence[str]) -> Overlap:
    """The overlap with the reference that is most alike."""
    return max((overlap(candidate, reference) for reference in references), key=lambda found: found.f1)
