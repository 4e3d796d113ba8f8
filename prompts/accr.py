"""Reads the labelled, delimited scores of a judge's answer: `Accuracy: [[85]]`, one slot per dimension.

The last slot of each label counts, so that neither prices, dates nor drafts in the reasoning become a score. Nothing is
guessed: an answer has all of its scores or an outcome that says which one is wrong. Reading never raises.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from prompts.records import Completion, Parsed
from prompts.score_reading import AVERAGE, adding, score_names, with_average
from prompts.slots import Slot, last_answer, read_slots, slot_of

__all__ = ["AVERAGE", "parse", "read_labelled", "score_names"]

_CASES_END = 0x2200  # whatever is an ASCII letter in another case (the sign of the kelvin, say) is before this


def parse(completion: Completion, dimensions: Sequence[str], scale: tuple[int, int]) -> Parsed:
    """Read the scores of `dimensions` (labels), integers of `scale` (both ends included), and their average.

    Scores are keyed by the label in lower case with underscores. An answer that was cut after its last score is OK.
    """
    return adding(with_average, read_labelled(completion, dimensions, scale))


def read_labelled(completion: Completion, dimensions: Sequence[str], scale: tuple[int, int]) -> Parsed:
    """`parse` without the average."""

    def last_slot(text: str, label: str) -> Slot | None:
        return last_answer((slot_of(text, *match.span(1)) for match in _pattern(label).finditer(text)), scale)

    return read_slots(completion, dimensions, scale, last_slot)


@lru_cache(maxsize=64)
def _pattern(label: str) -> re.Pattern[str]:
    """The label, not within a word, and its slot. Looked for by its first letter, which is half the time."""
    words = r"\s+".join(map(re.escape, label.split()))
    slot = r"[\s*_`]*[:：][\s*_`]*\[\[([^\[\]]*)\]\]"
    first = label.split()[0][0]
    if not (first.isascii() and first.isalpha()):
        return re.compile(rf"(?<![^\W_]){words}{slot}", re.IGNORECASE)
    cases = "".join(filter(re.compile(first, re.IGNORECASE).match, map(chr, range(_CASES_END))))
    return re.compile(rf"[{cases}](?i:(?<![^\W_].){words[1:]}{slot})")
