"""Reads what an answer puts between tags: integers, `<overall>4</overall>`, or a text, `<template>...</template>`.

The tag of a dimension is its key: `<response_style>` for the label Response Style. The last complete pair counts: an
opening tag that another one follows belongs to the reasoning. In an answer that was cut, an opening tag at its end was
the beginning of what should have counted. Reading never raises.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from prompts.records import Completion, Outcome, Parsed
from prompts.score_reading import cut_before, not_answered, score_key
from prompts.slots import Slot, last_answer, read_slots, slot_of

_TAG = re.compile(r"[^\W\d][\w.-]*")


def fits_tag(label: str) -> bool:
    """Whether a label makes a tag."""
    return bool(_TAG.fullmatch(score_key(label)))


def score_names(labels: Sequence[str]) -> tuple[str, ...]:
    """The dimensions that an answer with these tags gives."""
    return tuple(map(score_key, labels))


def parse_integers(completion: Completion, dimensions: Sequence[str], scale: tuple[int, int]) -> Parsed:
    """Read the scores of `dimensions` (labels), integers of `scale` (both ends included), each from its tag.

    A pair that repeats the form of the prompt, `<conflict>0 or 1</conflict>`, is no answer.
    """
    cut = completion.finish_reason == "length"

    def last_slot(text: str, label: str) -> Slot | None:
        return last_answer((slot_of(text, *pair) for pair in _pairs(text, score_key(label), cut=cut)), scale)

    return read_slots(completion, dimensions, scale, last_slot)


def parse_text(completion: Completion, tag: str) -> Parsed:
    """Read the text of the last pair of `tag` that holds a letter or digit: `Parsed.text`, without space around it."""
    if unanswered := not_answered(completion):
        return unanswered
    text, cut = completion.text or "", completion.finish_reason == "length"
    found = [text[start:end].strip() for start, end in _pairs(text, tag, cut=cut)]
    told = [one for one in found if any(map(str.isalnum, one))]
    if told:
        return Parsed(Outcome.OK, text=told[-1])
    return cut_before([tag]) if cut else Parsed(Outcome.UNPARSEABLE, reason=f"{tag}: no text between its tags")


def _pairs(text: str, tag: str, *, cut: bool) -> list[tuple[int, int]]:
    """Start and end of what each pair of tags holds, in characters; none where one that was cut should count."""
    pairs, opened = [], None
    for match in _pattern(tag).finditer(text):
        if not match[1]:
            opened = match.end()
        elif opened is not None:
            pairs.append((opened, match.start()))
            opened = None
    return [] if cut and opened is not None else pairs


@lru_cache(maxsize=64)
def _pattern(tag: str) -> re.Pattern[str]:
    return re.compile(rf"<\s*(/?)\s*{re.escape(tag)}\s*>", re.IGNORECASE)
