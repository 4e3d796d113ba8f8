"""Reads the scores of a judge's answer that is one JSON object: `{"reasoning": "...", "accuracy": 7, "relevance": 5}`.

The answer is the object, alone or in one Markdown fence. Each dimension is a key of it, once, with an integer of the
scale; other keys may hold anything. Text beside the object, a dimension given twice, `7.0`, `"7"` or `07` is no answer:
nothing is guessed. Reading never raises.
"""

import re
from collections.abc import Iterator, Sequence
from json import JSONDecodeError, JSONDecoder
from typing import NamedTuple, NoReturn

from prompts.expectation import score_at, token_bytes
from prompts.records import Completion, Outcome, Parsed, SampledToken, Score
from prompts.score_reading import (
    cut_before,
    integer_fault,
    not_answered,
    score_key,
    score_names,
    with_average,
    without_logprobs,
)

__all__ = ["parse", "score_names"]

_OPENING = re.compile(r"\s*(```(?:json)?)?\s*", re.IGNORECASE)
_CLOSING = re.compile(r"\s*(```)?\s*")
_SPACE = re.compile(r"[ \t\r\n]*")  # what JSON allows between its tokens


class _Value(NamedTuple):
    key: str
    written: str  # as it stands in the text
    start: int  # in characters


class _NotAnObjectError(Exception):
    """The text is not one JSON object; the message says why."""


def _refuse_constant(name: str) -> NoReturn:
    raise _NotAnObjectError(f"{name} is not JSON")


_DECODER = JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)


def parse(completion: Completion, dimensions: Sequence[str], scale: tuple[int, int]) -> Parsed:
    """Read the scores of `dimensions` (labels), integers of `scale` (both ends included), and their average.

    Keys and scores go by the label in lower case with underscores. An answer that was cut after its last score is OK.
    """
    if unanswered := not_answered(completion):
        return unanswered
    text, cut = completion.text or "", completion.finish_reason == "length"
    keys = [score_key(label) for label in dimensions]
    found, broken = _values(text, keys)
    missing = [key for key in keys if key not in found]
    if missing and cut:
        return cut_before(missing)
    faults = [broken] if broken and not cut else [fault for key in keys if (fault := _fault(key, found, scale))]
    if faults:
        return Parsed(Outcome.UNPARSEABLE, reason="; ".join(faults))
    values = {key: found[key][0] for key in keys}
    return Parsed(Outcome.OK, scores=with_average(_scores(values, text, completion.tokens or (), scale)))


def _fault(key: str, found: dict[str, list[_Value]], scale: tuple[int, int]) -> str | None:
    values = found.get(key, [])
    if len(values) > 1:
        return f"{key}: given {len(values)} times"
    return integer_fault(key, values[0].written if values else None, scale)


def _values(text: str, keys: Sequence[str]) -> tuple[dict[str, list[_Value]], str | None]:
    """The values of `keys` in the order of the text, and what is wrong with the text; the values before that stand."""
    found: dict[str, list[_Value]] = {}
    try:
        for value in _members(text):
            if value.key in keys:
                found.setdefault(value.key, []).append(value)
    except _NotAnObjectError as fault:
        return found, f"not one JSON object: {fault}"
    except JSONDecodeError as error:
        return found, f"not one JSON object: {error.msg} at character {error.pos}"
    except (ValueError, RecursionError):
        return found, "not one JSON object: nested too deeply"
    return found, None


def _members(text: str) -> Iterator[_Value]:
    """The members of the object that `text` is, each once what follows it has shown that it is whole."""
    opening = _matched(_OPENING, text, 0)
    _, at = _mark(text, opening.end(), "{")
    more = not text.startswith("}", at)
    at += not more
    while more:
        key, at = _DECODER.raw_decode(text, at)
        if text[at - 1] != '"':
            raise _NotAnObjectError(f"a key in quotes is expected before character {at}")
        _, start = _mark(text, at, ":")
        _, end = _DECODER.raw_decode(text, start)
        mark, at = _mark(text, end, ",}")
        yield _Value(score_key(key), text[start:end], start)
        more = mark == ","
    closing = _matched(_CLOSING, text, at)
    if closing.end() < len(text):
        raise _NotAnObjectError(f"there is text after it, from character {closing.end()}")
    if bool(opening[1]) != bool(closing[1]):
        raise _NotAnObjectError("one end of its fence is missing")


def _matched(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    match = pattern.match(text, at)
    assert match is not None, "a pattern that matches nothing, too"
    return match


def _mark(text: str, at: int, wanted: str) -> tuple[str, int]:
    """The next mark, one of `wanted`, and where what follows it begins, with the space before and after passed over."""
    at = _matched(_SPACE, text, at).end()
    mark = text[at : at + 1]
    if not mark:
        raise _NotAnObjectError("it ends early")
    if mark not in wanted:
        raise _NotAnObjectError(f"{' or '.join(wanted)} is expected at character {at}")
    return mark, _matched(_SPACE, text, at + 1).end()


def _scores(
    values: dict[str, _Value], text: str, tokens: Sequence[SampledToken], scale: tuple[int, int]
) -> dict[str, Score]:
    """Each score at the tokens that spell it. A server may have cut a fence off the text, which the tokens still have:
    the text is looked for in them, its last place, and where they do not hold it there are no log probabilities."""
    lead = len(text) - len(text.lstrip())
    place = b"".join(map(token_bytes, tokens)).rfind(_encoded(text.strip()))
    scores = {}
    for key, value in values.items():
        start = place + len(_encoded(text[lead : value.start]))
        span = (start, start + len(value.written))
        scores[key] = without_logprobs(int(value.written)) if place < 0 else score_at(tokens, span, scale)
    return scores


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
