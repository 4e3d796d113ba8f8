"""What every parser of scores does alike: answers that hold none, the checks of an integer, keys, and the average.

A parser finds where the scores of an answer stand; whether they count, and what they come to, is decided here, so that
two formats of the same prompt differ in nothing else. Nothing here raises.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from statistics import fmean

from prompts.records import Completion, Mode, Outcome, Parsed, Score

AVERAGE = "average"
_STRENGTH = (Mode.NO_LOGPROBS, Mode.SPLIT, Mode.EXPECTATION)  # the weakest first
_SHOWN = 40  # characters of a faulty score that a reason quotes
LONGEST = 9  # digits of a score
_DIGITS = re.compile(r"[0-9]+")


@lru_cache(maxsize=256)
def score_key(label: str) -> str:
    """The key of a dimension: its label in lower case, with underscores."""
    return "_".join(label.lower().split())


def score_names(labels: Sequence[str]) -> tuple[str, ...]:
    """The dimensions that an answer with these labels gives, the average last."""
    return (*(score_key(label) for label in labels), AVERAGE)


def not_answered(completion: Completion) -> Parsed | None:
    """The outcome of an answer that the filter cut or the judge refused to give; None for any other."""
    if completion.finish_reason == "content_filter":
        return Parsed(Outcome.FILTERED, reason="the provider's content filter cut the answer")
    if completion.refusal:
        return Parsed(Outcome.REFUSED, reason="the judge refused to answer")
    return None


def cut_before(keys: Sequence[str]) -> Parsed:
    """The outcome of an answer that the token limit ended before the scores `keys`."""
    return Parsed(Outcome.TRUNCATED, reason=f"cut at the token limit before {', '.join(keys)}")


def integer_fault(key: str, written: str | None, scale: tuple[int, int]) -> str | None:
    """What keeps `written` from being the score `key`, an integer of `scale` (both ends included); None if nothing."""
    if written is None:
        return f"{key}: no score"
    if not _DIGITS.fullmatch(written):
        return f"{key}: {written[:_SHOWN]!r} is not an integer"
    if len(written) > LONGEST or not scale[0] <= int(written) <= scale[1]:
        return f"{key}: {written[:_SHOWN]!r} is not within {scale[0]} to {scale[1]}"
    return None


def without_logprobs(sampled: int) -> Score:
    """The sampled integer of a score whose tokens are not known."""
    return Score(float(sampled), sampled, Mode.NO_LOGPROBS)


def mean_score(scores: Sequence[Score]) -> Score:
    """Mean value, mean sampled integer (rounded), the weakest mode, the least mass."""
    mode = min((score.mode for score in scores), key=_STRENGTH.index)
    masses = [score.mass for score in scores if score.mass is not None]
    return Score(
        fmean(score.value for score in scores),
        round(fmean(score.sampled for score in scores)),
        mode,
        min(masses) if mode is Mode.EXPECTATION else None,
    )


def with_average(scores: Mapping[str, Score]) -> dict[str, Score]:
    """The scores and the mean of all of them."""
    return {**scores, AVERAGE: mean_score(list(scores.values()))}


def adding(more: Callable[[Mapping[str, Score]], dict[str, Score]], parsed: Parsed) -> Parsed:
    """An answer as read, with the scores that `more` adds to its own; one that is not ok stays as it is."""
    return Parsed(Outcome.OK, scores=more(parsed.scores)) if parsed.outcome is Outcome.OK else parsed
