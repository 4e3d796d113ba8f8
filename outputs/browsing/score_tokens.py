"""The token that a score was read at, with the alternatives that its expectation is over.

Which token it is, only the reading itself knows. So an answer is read once more with a mark for each token in place of
its alternatives: a probability that no other token has, which comes back as the mass of the score read there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prompts.expectation import alternatives_of, integer_in, probability, token_bytes
from prompts.parsers import AnswerReader
from prompts.records import Alternative, Completion, Mode, Parsed, SampledToken
from prompts.score_reading import score_key

_STEP = 1 / 1024  # of the marks' log probabilities


@dataclass(frozen=True, slots=True)
class Weighed:
    """An alternative: its token, and the integer of the scale that it is, if any. `sampled`: it was the answer's."""

    token: str
    logprob: float
    probability: float
    integer: int | None
    sampled: bool


@dataclass(frozen=True, slots=True)
class ScoreToken:
    """The token at `place` (from 0) of an answer. The score is the mean of the integers by their probabilities."""

    place: int
    token: str
    alternatives: tuple[Weighed, ...]


def score_tokens(reader: AnswerReader, completion: Completion, parsed: Parsed) -> Mapping[str, ScoreToken]:
    """By dimension the token of each score in `parsed`, the completion as read, that is an expectation of its own."""
    tokens, scale = completion.tokens, reader.form.scale
    own = [key for label in reader.form.dimensions if (key := score_key(label)) in parsed.scores]
    wanted = [key for key in own if parsed.scores[key].mode is Mode.EXPECTATION]
    if not wanted or tokens is None or scale is None:
        return {}
    marks = {math.exp(_mark(place)): place for place in range(len(tokens))}
    marked = tuple(_marked(token, place) for place, token in enumerate(tokens))
    read = reader(Completion(completion.text, completion.finish_reason, completion.refusal, marked)).scores
    places = {key: marks.get(read[key].mass or 0.0) for key in wanted if key in read}
    return {key: _weighed(tokens[place], place, scale) for key, place in places.items() if place is not None}


def _mark(place: int) -> float:
    return -(place + 1) * _STEP


def _marked(token: SampledToken, place: int) -> SampledToken:
    data = token_bytes(token)
    words = data.decode("utf-8", "replace")
    return SampledToken(words, 0.0, data, (Alternative(words, _mark(place)),) if token.alternatives else ())


def _weighed(token: SampledToken, place: int, scale: tuple[int, int]) -> ScoreToken:
    found = (
        Weighed(
            one.token,
            one.logprob,
            probability(one.logprob),
            integer_in(one.token, scale),
            one.token == token.token,
        )
        for one in alternatives_of(token)
    )
    return ScoreToken(place, token.token, tuple(sorted(found, key=lambda one: -one.probability)))
