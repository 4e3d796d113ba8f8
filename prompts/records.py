"""What a parser reads (a completion, in one shape for every provider) and what it returns (an outcome with scores)."""

from enum import StrEnum

import msgspec


class Alternative(msgspec.Struct, frozen=True):
    """One candidate token at one position, with its natural log probability."""

    token: str
    logprob: float


class SampledToken(msgspec.Struct, frozen=True):
    """The token that was sampled at one position, and the alternatives the provider listed for that position.

    `utf8` holds the token's bytes where the provider gave them (a token may be a part of a character); else None.
    """

    token: str
    logprob: float
    utf8: bytes | None = None
    alternatives: tuple[Alternative, ...] = ()


class Completion(msgspec.Struct, frozen=True):
    """One answer, normalised. `tokens` is None where the provider sent no log probabilities."""

    text: str | None
    finish_reason: str | None = None  # stop, length, content_filter, ...: OpenAI's words, whatever the provider's
    refusal: str | None = None
    tokens: tuple[SampledToken, ...] | None = None


class Outcome(StrEnum):
    """How reading an answer ended. Only `OK` carries scores; nothing else ever becomes a number."""

    OK = "ok"
    UNPARSEABLE = "unparseable"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    FILTERED = "filtered"


class Mode(StrEnum):
    """Where a score's value comes from."""

    EXPECTATION = "expectation"  # over the integer alternatives of the one score token
    SPLIT = "split"  # the score was sampled as several tokens: the sampled integer
    NO_LOGPROBS = "no_logprobs"  # the provider sent none: the sampled integer


class Score(msgspec.Struct, frozen=True):
    """One score. `mass` is the probability on integers of the scale at the score token; None but for `EXPECTATION`."""

    value: float
    sampled: int
    mode: Mode
    mass: float | None = None


class AnswerFormat(msgspec.Struct, frozen=True, kw_only=True):
    """What a prompt's header says of the answers to it, for the parser that it names.

    `scale` is (lowest, highest), both scores that can be given; `dimensions` are the labels that the answer uses;
    `delimiters` stand before and behind a score.
    """

    parser: str | None = None
    scale: tuple[int, int] | None = None
    dimensions: tuple[str, ...] = ()
    delimiters: tuple[str, str] | None = None


class Parsed(msgspec.Struct, frozen=True):
    """An answer as read: the outcome; where it is ok the scores by dimension, or the text, and where not, a reason."""

    outcome: Outcome
    scores: dict[str, Score] = {}
    reason: str | None = None
    text: str | None = None
