"""Probabilities for tokens: what a sampler might have said instead. Listed probabilities never sum above 1."""

import math
from operator import itemgetter
from random import Random

from providers.simulator.tokens import Token, split

_WORDS_INSTEAD = split(
    " the a this that with from over under near some many quite rather almost while where both each other such"
    " small large early late plain clear first last again still soon often never once here there along about"
)
_WORDS_INSTEAD_TWICE = _WORDS_INSTEAD * 2
_NO_NUMBERS = (" about", "N", " between", "~", " roughly")
_HALVINGS = tuple(rank * math.log(0.5) for rank in range(1, 21))  # each word instead is half as likely as the last
_NEIGHBOURS = 25
_LOGPROB = itemgetter(1)


def plain_token(text: str, random: Random, count: int | None) -> Token:
    """A token with `count` alternatives, itself among them; nothing is drawn where `count` is None."""
    if count is None:
        return Token(text)
    probability = 0.25 + 0.74 * random.random()
    start = random.randrange(len(_WORDS_INSTEAD))
    others = [word for word in _WORDS_INSTEAD_TWICE[start : start + count] if word != text]
    rest = math.log(0.9 * (1 - probability))
    listed = [(word, rest + halvings) for word, halvings in zip(others, _HALVINGS, strict=False)]
    return _token(text, math.log(probability), listed, count)


def score_token(center: float, low: int, high: int, shape: Random, sampling: Random, count: int | None) -> Token:
    """An integer of the scale, sampled near `center`, as one token; `shape` draws the distribution, `sampling` from it.

    A little of the probability lies on tokens that are no numbers, as with a real judge.
    """
    probabilities = _integers(center, low, high, shape)
    sampled = sampling.choices(list(probabilities), list(probabilities.values()))[0]
    if count is None:
        return Token(str(sampled))
    rest = _log(0.98 * (1 - sum(probabilities.values())))
    listed = [(str(number), _log(probability)) for number, probability in probabilities.items() if number != sampled]
    listed += [(word, rest + halvings) for word, halvings in zip(_NO_NUMBERS, _HALVINGS, strict=False)]
    listed.sort(key=_LOGPROB, reverse=True)
    return _token(str(sampled), _log(probabilities[sampled]), listed, count)


def _integers(center: float, low: int, high: int, shape: Random) -> dict[int, float]:
    width = 0.3 + (high - low) * (0.005 + 0.02 * shape.random())
    mass = 0.92 + 0.07 * shape.random()
    middle = round(center)
    nearby = range(max(low, middle - _NEIGHBOURS // 2), min(high, middle + _NEIGHBOURS // 2) + 1)
    weights = {number: math.exp(-abs(number - center) / width) for number in nearby}
    total = sum(weights.values())
    return {number: mass * weight / total for number, weight in weights.items()}


def _token(text: str, logprob: float, others: list[tuple[str, float]], count: int) -> Token:
    """A token with the first of the others; it takes one of the places itself, even where more of them are likelier."""
    if count == 0:
        return Token(text, logprob)
    listed = sorted([(text, logprob), *others[: count - 1]], key=_LOGPROB, reverse=True)
    return Token(text, logprob, tuple(listed))


def _log(probability: float) -> float:
    return math.log(max(probability, 1e-43))
