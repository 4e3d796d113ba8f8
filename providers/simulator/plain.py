"""Plain answers: sentences without a meaning, from a small vocabulary, drawn from a generator."""

import re
from random import Random

_WORD = re.compile(r"\w+")
_DETERMINERS = _WORD.findall("the a every some another that")
_ADJECTIVES = _WORD.findall("quiet narrow copper patient distant wooden pale curious heavy gentle hollow bright")
_NOUNS = _WORD.findall(
    "lantern river ladder orchard signal harbour kettle meadow engine window pebble letter violin bridge"
)
_VERBS = _WORD.findall("follows carries mirrors crosses repairs measures forgets answers circles borrows")
_ENDINGS = ("at dusk", "before the rain", "without a sound", "in early spring", "after long silence", "for a while")


def plain_words(random: Random, mean_tokens: int) -> list[str]:
    """The tokens of an answer of whole sentences, about `mean_tokens` long (half to one and a half of it)."""
    length = max(1, round(mean_tokens * (0.5 + random.random())))
    tokens: list[str] = []
    while len(tokens) < length:
        tokens += _sentence(random, first=not tokens)
    return tokens


def _sentence(random: Random, first: bool) -> list[str]:
    words = [*_noun_phrase(random), random.choice(_VERBS), *_noun_phrase(random)]
    if random.random() < 0.5:
        words += random.choice(_ENDINGS).split()
    head = words[0].capitalize()
    return [head if first else f" {head}", *(f" {word}" for word in words[1:]), "."]


def _noun_phrase(random: Random) -> list[str]:
    adjective = [random.choice(_ADJECTIVES)] if random.random() < 0.6 else []
    return [random.choice(_DETERMINERS), *adjective, random.choice(_NOUNS)]
