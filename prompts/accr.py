"""Reads the labelled, delimited scores of a judge's answer: `Accuracy: [[85]]`, one slot per dimension.

The last slot of each label counts, so that neither prices, dates nor drafts in the reasoning become a score. Nothing is
guessed: an answer has all of its scores or an outcome that says which one is wrong. Reading never raises.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean
from typing import NamedTuple

from prompts.expectation import score_at, token_bytes
from prompts.records import Completion, Mode, Outcome, Parsed, SampledToken, Score

AVERAGE = "average"
_EMPHASIS = " \t\r\n*_`"
_STRENGTH = (Mode.NO_LOGPROBS, Mode.SPLIT, Mode.EXPECTATION)  # the weakest first
_SHOWN = 40  # characters of a faulty slot that a reason quotes


class _Slot(NamedTuple):
    content: str
    start: int  # of the content, in characters


def score_names(labels: Sequence[str]) -> tuple[str, ...]:
    """The dimensions that `parse` gives for these labels, the average last."""
    return (*(_key(label) for label in labels), AVERAGE)


def parse(completion: Completion, dimensions: Sequence[str], scale: tuple[int, int]) -> Parsed:
    """Read the scores of `dimensions` (labels), integers of `scale` (both ends included), and their average.

    Scores are keyed by the label in lower case with underscores. An answer that was cut after its last score is OK.
    """
    if completion.finish_reason == "content_filter":
        return Parsed(Outcome.FILTERED, reason="the provider's content filter cut the answer")
    if completion.refusal:
        return Parsed(Outcome.REFUSED, reason="the judge refused to answer")
    slots = {label: _last_slot(completion.text or "", label, scale) for label in dimensions}
    missing = [_key(label) for label, slot in slots.items() if slot is None]
    if missing and completion.finish_reason == "length":
        return Parsed(Outcome.TRUNCATED, reason=f"cut at the token limit before {', '.join(missing)}")
    faults = [fault for label, slot in slots.items() if (fault := _fault(label, slot, scale))]
    if faults:
        return Parsed(Outcome.UNPARSEABLE, reason="; ".join(faults))
    sampled = {label: int(slot.content) for label, slot in slots.items() if slot is not None}
    return Parsed(Outcome.OK, scores=_scores(sampled, completion.tokens, scale))


def _key(label: str) -> str:
    return "_".join(label.lower().split())


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
    if slot is None:
        return f"{_key(label)}: no score"
    shown = repr(slot.content[:_SHOWN])
    if not re.fullmatch(r"[0-9]+", slot.content):
        return f"{_key(label)}: {shown} is not an integer"
    if len(slot.content) > 9 or not scale[0] <= int(slot.content) <= scale[1]:
        return f"{_key(label)}: {shown} is not within {scale[0]} to {scale[1]}"
    return None


def _scores(
    sampled: dict[str, int], tokens: tuple[SampledToken, ...] | None, scale: tuple[int, int]
) -> dict[str, Score]:
    tokens = tokens or ()
    answer = b"".join(map(token_bytes, tokens)).decode("utf-8", "surrogateescape")
    scores = {_key(label): _score(label, value, tokens, answer, scale) for label, value in sampled.items()}
    return {**scores, AVERAGE: _average(list(scores.values()))}


def _score(label: str, sampled: int, tokens: Sequence[SampledToken], answer: str, scale: tuple[int, int]) -> Score:
    """The score at the tokens that spell it; the sampled integer where the tokens do not end on the same slot."""
    slot = _last_slot(answer, label, scale)
    if slot is None or _fault(label, slot, scale) or int(slot.content) != sampled:
        return Score(float(sampled), sampled, Mode.NO_LOGPROBS)
    start = len(answer[: slot.start].encode("utf-8", "surrogateescape"))
    return score_at(tokens, (start, start + len(slot.content)), scale)


def _average(scores: Sequence[Score]) -> Score:
    """The mean value, with the weakest mode and the least mass; `sampled` is the mean sampled integer, rounded."""
    mode = min((score.mode for score in scores), key=_STRENGTH.index)
    masses = [score.mass for score in scores if score.mass is not None]
    return Score(
        fmean(score.value for score in scores),
        round(fmean(score.sampled for score in scores)),
        mode,
        min(masses) if mode is Mode.EXPECTATION else None,
    )
