"""The score token's alternatives as bars, and the score that is their expectation, computed in sight."""

import math
from dataclasses import dataclass

from outputs.browsing.score_tokens import ScoreToken, Weighed

_LEAST = 0.0001  # what four digits show


@dataclass(frozen=True, slots=True)
class Bar:
    """One alternative. `share` is its probability as text, `width` of 100; `term` is integer times probability."""

    token: str
    share: str
    width: float
    integer: int | None
    term: str
    sampled: bool


@dataclass(frozen=True, slots=True)
class Bars:
    """The alternatives of the token that a dimension was read at, the most probable first.

    `mass` is the sum of the probabilities of integers, `weighted` that of the terms, `value` the one by the other.
    """

    dimension: str
    token: str
    bars: tuple[Bar, ...]
    mass: str
    weighted: str
    value: str


def bars_of(dimension: str, token: ScoreToken) -> Bars:
    """The bars of one score's token."""
    counted = [(one.integer, one.probability) for one in token.alternatives if one.integer is not None]
    mass = math.fsum(probability for _, probability in counted)
    weighted = math.fsum(integer * probability for integer, probability in counted)
    value = f"{weighted / mass:.4f}" if mass > 0 else "n/a"
    bars = tuple(_bar(one) for one in token.alternatives)
    return Bars(dimension, token.token, bars, f"{mass:.4f}", f"{weighted:.4f}", value)


def _bar(one: Weighed) -> Bar:
    term = "" if one.integer is None else f"{one.integer * one.probability:.4f}"
    width = round(100 * min(1.0, max(0.0, one.probability)), 2)
    return Bar(one.token, _share(one.probability), width, one.integer, term, one.sampled)


def _share(probability: float) -> str:
    """A probability; a tiny one not as 0, which it is not."""
    return f"< {_LEAST}" if 0 < probability < _LEAST / 2 else f"{probability:.4f}"
