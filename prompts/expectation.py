"""The expectation of a score over the judge's own token probabilities.

It is taken only where the sampled score is exactly one token, and only over the alternatives of that one position. In
every other case the sampled integer stands, and the mode says why: a part of a number is never read as a score.
"""

import math
import re
from collections.abc import Sequence

from prompts.records import Alternative, Mode, SampledToken, Score

UNLISTED_LOGPROB = -9999.0  # what providers write for a token outside their list

# A sign or a decimal mark in front belongs to the number: "-5" and ".5" are not the score 5.
_INTEGER = re.compile(r"(?:[^\w+\-−–.,]|_)*([0-9]{1,9})(?:\W|_)*")


def token_bytes(token: SampledToken) -> bytes:
    """The bytes that a token adds to the answer: the provider's where it gave them, else the token's UTF-8."""
    return token.token.encode("utf-8", "surrogatepass") if token.utf8 is None else token.utf8


def integer_in(text: str, scale: tuple[int, int]) -> int | None:
    """The integer of `scale` (both ends included) that `text` is, but for surrounding space and punctuation."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    value = int(match[1])
    return value if scale[0] <= value <= scale[1] else None


def score_at(tokens: Sequence[SampledToken], span: tuple[int, int], scale: tuple[int, int]) -> Score:
    """The score whose digits stand at the bytes `span` (start, end) of the concatenated tokens.

    value = sum(i * p_i) / sum(p_i) over the alternatives of the score's token that are integers of `scale` (G-VEval,
    arXiv 2412.13647); mass = sum(p_i). The sampled token counts as an alternative where the list lacks it. A score over
    several tokens has mode SPLIT; a position without listed alternatives, or without any probability on an integer, has
    mode NO_LOGPROBS. Raises ValueError where the span holds no integer.
    """
    sampled = int(b"".join(map(token_bytes, tokens))[slice(*span)])
    touched = _tokens_over(tokens, span)
    if len(touched) != 1 or integer_in(token_bytes(touched[0]).decode("utf-8", "replace"), scale) != sampled:
        return Score(float(sampled), sampled, Mode.SPLIT)
    weighted = _weighted_integers(touched[0], scale)
    mass = math.fsum(p for _, p in weighted)
    if mass <= 0.0:
        return Score(float(sampled), sampled, Mode.NO_LOGPROBS)
    return Score(math.fsum(i * p for i, p in weighted) / mass, sampled, Mode.EXPECTATION, mass)


def _tokens_over(tokens: Sequence[SampledToken], span: tuple[int, int]) -> list[SampledToken]:
    touched, position = [], 0
    for token in tokens:
        end = position + len(token_bytes(token))
        if max(position, span[0]) < min(end, span[1]):
            touched.append(token)
        position = end
    return touched


def _weighted_integers(token: SampledToken, scale: tuple[int, int]) -> list[tuple[int, float]]:
    """(integer, probability) of each alternative that is a score; empty where the provider listed no alternatives."""
    integers = ((integer_in(alternative.token, scale), alternative.logprob) for alternative in alternatives_of(token))
    return [(integer, probability(logprob)) for integer, logprob in integers if integer is not None]


def alternatives_of(token: SampledToken) -> list[Alternative]:
    """What the provider listed for a position, the sampled token always among it; empty where it listed nothing."""
    listed = list(token.alternatives)
    if listed and all(alternative.token != token.token for alternative in listed):
        listed.append(Alternative(token.token, token.logprob))
    return listed


def probability(logprob: float) -> float:
    """exp(logprob), at most 1: rounding puts some providers' values a little above zero."""
    return math.exp(min(logprob, 0.0)) if logprob > UNLISTED_LOGPROB else 0.0
