"""Reads the labelled, delimited scores of a judge's answer: `Accuracy: [[85]]`, one slot per dimension.

The last slot of each label counts, so that neither prices, dates nor drafts in the reasoning become a score. Nothing is
guessed: an answer has all of its scores or an outcome that says which one is wrong. Reading never raises.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from prompts.expectation import score_at, token_bytes
from prompts.records import Completion, Outcome, Parsed, SampledToken, Score
from prompts.score_reading import (
    AVERAGE,
    cut_before,
    integer_fault,
    not_answered,
    score_key,
    score_names,
    with_average,
    without_logprobs,
)

__all__ = ["AVERAGE", "parse", "score_names"]

_EMPHASIS = " \t\r\n*_`"


class _Slot(NamedTuple):
    content: str
    start: int  # of the content, in characters


def parse(completion: Completion, dimensions: Sequence[str], scale: tuple[int, int]) -> Parsed:
    """Read the scores of `dimensions` (labels), integers of `scale` (both ends included), and their average.

    Scores are keyed by the label in lower case with underscores. An answer that was cut after its last score is OK.
    """
    if unanswered := not_answered(completion):
        return unanswered
    slots = {label: _last_slot(completion.text or "", label, scale) for label in dimensions}
    missing = [score_key(label) for label, slot in slots.items() if slot is None]
    if missing and completion.finish_reason == "length":
        return cut_before(missing)
    faults = [fault for label, slot in slots.items() if (fault := _fault(label, slot, scale))]
    if faults:
        return Parsed(Outcome.UNPARSEABLE, reason="; ".join(faults))
    sampled = {label: int(slot.content) for label, slot in slots.items() if slot is not None}
    return Parsed(Outcome.OK, scores=_scores(sampled, completion.tokens, scale))


@lru_cache(maxsize=64)
def _pattern(label: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, label.split()))
    return re.compile(rf"(?<![^\W_]){words}[\s*_`]*[:：][\s*_`]*\[\[([^\[\]]*)\]\]", re.IGNORECASE)


def _last_slot(text: str, label: str, scale: tuple[int, int]) -> _Slot | None:
    """The last slot of `label`, without emphasis; a repetition of the prompt's `[[0-100]]` is not an answer."""
    last = None
    for match in _pattern(label).finditer(text):
        content = match[1].strip(_EMPHASIS)
        if content != f"{scale[0]}-{scale[1]}":
            last = _Slot(content, match.start(1) + match[1].index(content))
    return last


def _fault(label: str, slot: _Slot | None, scale: tuple[int, int]) -> str | None:
    return integer_fault(score_key(label), None if slot is None else slot.content, scale)


def _scores(
    sampled: dict[str, int], tokens: tuple[SampledToken, ...] | None, scale: tuple[int, int]
) -> dict[str, Score]:
    tokens = tokens or ()
    answer = b"".join(map(token_bytes, tokens)).decode("utf-8", "surrogateescape")
    return with_average(
        {score_key(label): _score(label, value, tokens, answer, scale) for label, value in sampled.items()}
    )


def _score(label: str, sampled: int, tokens: Sequence[SampledToken], answer: str, scale: tuple[int, int]) -> Score:
    """The score at the tokens that spell it; the sampled integer where the tokens do not end on the same slot."""
    slot = _last_slot(answer, label, scale)
    if slot is None or _fault(label, slot, scale) or int(slot.content) != sampled:
        return without_logprobs(sampled)
    start = len(answer[: slot.start].encode("utf-8", "surrogateescape"))
    return score_at(tokens, (start, start + len(slot.content)), scale)
