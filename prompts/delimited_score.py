"""Reads the one score of an answer that stands between delimiters, `[[85]]` or `$85$`: the last one.

A prompt may use for a delimiter what its reasoning uses otherwise, as the dollar sign of G-VEval (arXiv 2412.13647)
stands before prices too. So where both delimiters are the same, what they hold is one word without space around it, or
an integer; and a delimiter that touches a digit on its outer side belongs to that one's price. Reading never raises.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from prompts.records import Completion, Parsed
from prompts.slots import Slot, last_answer, read_slots, slot_of

USUAL = ("[[", "]]")
_AFTER = " \t\r\n*_`."


def delimiter_fault(delimiters: tuple[str, str]) -> str | None:
    """What is wrong with the delimiters of a header; None if nothing is."""
    for mark in delimiters:
        if not mark or any(c.isspace() or c.isdigit() for c in mark):
            return f"{mark!r} is no delimiter: one or more characters, without digits and space"
    return None


def parse(
    completion: Completion, dimensions: Sequence[str], scale: tuple[int, int], delimiters: tuple[str, str] = USUAL
) -> Parsed:
    """Read the score of the one dimension (label), an integer of `scale` (both ends included).

    Of an answer that was cut, nothing but the end of its sentence may follow the score: else it could be a draft.
    """
    cut = completion.finish_reason == "length"

    def last_slot(text: str, label: str) -> Slot | None:  # noqa: ARG001
        matches = _pattern(*delimiters).finditer(text)
        last = last_answer((slot_of(text, *match.span("score")) for match in matches), scale)
        if last is None or not cut:
            return last
        _, _, after = text[last.start + len(last.content) :].partition(delimiters[1])
        return None if after.strip(_AFTER) else last

    return read_slots(completion, dimensions, scale, last_slot)


@lru_cache(maxsize=64)
def _pattern(opening: str, closing: str) -> re.Pattern[str]:
    """Finds every opening delimiter that has a score behind it, also one that closes what is before it."""
    first, last = re.escape(opening), re.escape(closing)
    if opening != closing:
        return re.compile(rf"(?={first}(?P<score>(?:(?!{first}|{last})[\s\S])*){last})")
    word = rf"(?:(?!{first})\S)+"
    spaced = rf"(?<![0-9][ \t]{first})[ \t]+[0-9]+[ \t]*"
    return re.compile(rf"(?<![0-9])(?={first}(?P<score>{word}|{spaced}){first}(?![0-9]))")
