"""The OpenAI protocol: chat completions as OpenAI and every server compatible with it speaks them.

Bodies go out byte for byte as the manifest has them. Answers are decoded for the few fields that the hot path needs,
and checked on the way: an answer is JSON to its last byte.
"""

import time
from collections.abc import Mapping

import msgspec

from prompts.records import Alternative, Completion, SampledToken
from providers.failures import classify
from providers.wire import Answer, Billing, Failure, FailureKind, HttpCall, Usage


class _CachedTokens(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _CachedTokens | None = None


class _Envelope(msgspec.Struct, frozen=True):
    """What a 200 must hold to be an answer: `choices`; and what is read of it."""

    choices: list[msgspec.Raw]
    model: str | None = None
    usage: _Usage | None = None


class _Alternative(msgspec.Struct, frozen=True):
    token: str
    logprob: float


class _Token(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[_Alternative] | None = None


class _Logprobs(msgspec.Struct, frozen=True):
    content: list[_Token] | None = None


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message = _Message()
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Choices(msgspec.Struct, frozen=True):
    choices: list[_Choice]


_envelope = msgspec.json.Decoder(_Envelope)
_choices = msgspec.json.Decoder(_Choices)


class OpenAIAdapter:
    """One lane's calls: base URL and headers are fixed when it is made."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        # Manifest paths start with /v1, base URLs end with a version: one of the two goes.
        self._base = base_url.rstrip("/")
        self._headers = {"Content-Type": "application/json", **headers}

    def encode(self, url: str, body: bytes) -> HttpCall:
        return HttpCall(self._base + url.removeprefix("/v1"), self._headers, body)

    def decode(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        if status != 200:
            return classify(status, headers, body, now=time.time())
        try:
            envelope = _envelope.decode(body)
            if not body.isascii():
                body.decode()  # the decoder skips over strings that it does not need without looking at their UTF-8
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            message = f"a 200 that is not a chat completion: {error}"
            return Failure(FailureKind.UNREADABLE, Billing.MAYBE, message, status=status)
        return Answer(envelope.model, _usage(envelope.usage))

    def completion(self, body: bytes) -> Completion:
        return read_completion(body)


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    details = usage.prompt_tokens_details
    cached = details.cached_tokens or 0 if details is not None else 0
    return Usage(usage.prompt_tokens, usage.completion_tokens, cached)


def read_completion(body: bytes) -> Completion:
    """The first choice of a chat completion. Raises ValueError where the body is not one."""
    choices = _choices.decode(body).choices
    if not choices:
        raise ValueError("no choices in the answer")
    choice = choices[0]
    content = choice.logprobs.content if choice.logprobs is not None else None
    tokens = None if content is None else tuple(_sampled(token) for token in content)
    return Completion(choice.message.content, choice.finish_reason, choice.message.refusal, tokens)


def _sampled(token: _Token) -> SampledToken:
    utf8 = None if token.bytes is None else bytes(byte & 0xFF for byte in token.bytes)
    alternatives = tuple(Alternative(x.token, x.logprob) for x in token.top_logprobs or ())
    return SampledToken(token.token, token.logprob, utf8, alternatives)
