"""Completions: the older OpenAI answer, a text without messages, with log probabilities in lists side by side."""

from typing import Annotated

import msgspec

from prompts.records import Alternative, Completion, SampledToken
from providers.protocols.answers import NULL, Kind, fitting
from providers.protocols.openai_chat import TEXT, Token
from providers.protocols.openai_usage import ChatUsage, read_chat_usage
from providers.wire import Answer


class _Logprobs(msgspec.Struct, frozen=True):
    """The lists have an item for each token; llama.cpp answers with chat's `content` instead."""

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    content: list[Token] | None = None

    def sampled(self) -> tuple[SampledToken, ...] | None:
        """The tokens; None where there are none, or the lists do not fit.

        The first token of a prompt that is echoed has no probability: it was not sampled, and is left out.
        """
        if self.content is not None:
            return tuple([token.sampled() for token in self.content])
        tokens, logprobs = self.tokens, self.token_logprobs
        if tokens is None or logprobs is None or len(tokens) != len(logprobs):
            return None
        tops = self.top_logprobs or [None] * len(tokens)
        if len(tops) != len(tokens):
            return None
        together = zip(tokens, logprobs, tops, strict=True)
        return tuple(_sampled(token, logprob, top) for token, logprob, top in together if logprob is not None)


def _sampled(token: str, logprob: float, top: dict[str, float] | None) -> SampledToken:
    return SampledToken(token, logprob, None, tuple(Alternative(*pair) for pair in (top or {}).items()))


class _Choice(msgspec.Struct, frozen=True):
    text: str
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Envelope(msgspec.Struct, frozen=True):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    model: str | None = None
    usage: ChatUsage | None = None


class _LenientChoice(msgspec.Struct, frozen=True):
    text: str
    finish_reason: msgspec.Raw = NULL
    logprobs: msgspec.Raw = NULL


class _LenientEnvelope(msgspec.Struct, frozen=True):
    """An answer whose lesser fields may be anything."""

    choices: Annotated[list[_LenientChoice], msgspec.Meta(min_length=1)]
    model: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL


_envelope = msgspec.json.Decoder(_Envelope)
_lenient = msgspec.json.Decoder(_LenientEnvelope)
_logprobs_decoder = msgspec.json.Decoder(_Logprobs | None)


def _read(body: bytes) -> _Envelope:
    try:
        return _envelope.decode(body)
    except msgspec.ValidationError:
        lenient = _lenient.decode(body)
    choices = [
        _Choice(choice.text, fitting(TEXT, choice.finish_reason), fitting(_logprobs_decoder, choice.logprobs))
        for choice in lenient.choices
    ]
    return _Envelope(choices, fitting(TEXT, lenient.model), read_chat_usage(lenient.usage))


def _answer(envelope: _Envelope) -> Answer:
    return Answer(envelope.model, None if envelope.usage is None else envelope.usage.inclusive())


def _completion(envelope: _Envelope) -> Completion:
    choice = envelope.choices[0]
    tokens = None if choice.logprobs is None else choice.logprobs.sampled()
    return Completion(choice.text, choice.finish_reason, None, tokens)


TEXT_COMPLETION: Kind[_Envelope] = Kind("a completion", _read, _answer, _completion)
