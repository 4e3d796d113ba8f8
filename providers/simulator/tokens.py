"""The records of a simulated answer: tokens, each with its log probability and alternatives, in choices."""

import re

import msgspec

_TOKEN = re.compile(r" ?\w+| ?[^\w\s]+|\s")


class Token(msgspec.Struct, frozen=True):
    """One token. `alternatives` are (token, logprob) by falling logprob, itself among them; empty where not asked."""

    text: str
    logprob: float = 0.0
    alternatives: tuple[tuple[str, float], ...] = ()


class Choice(msgspec.Struct, frozen=True):
    """One choice of an answer; its tokens, joined, are its content."""

    tokens: tuple[Token, ...]
    finish_reason: str

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens)


class SimulatedAnswer(msgspec.Struct, frozen=True):
    """All that a body gets, but for the envelope around it."""

    choices: tuple[Choice, ...]

    @property
    def completion_tokens(self) -> int:
        return sum(len(choice.tokens) for choice in self.choices)


def split(text: str) -> list[str]:
    """Cut a text into tokens: words and runs of punctuation with the space before them. Joined, they are the text."""
    return _TOKEN.findall(text)
