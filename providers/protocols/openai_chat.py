"""The OpenAI protocol: chat completions as OpenAI and every server compatible with it speaks them.

Bodies go out byte for byte as the manifest has them. Answers are decoded for the few fields that the hot path needs,
and checked on the way: an answer is JSON to its last byte.
"""

import re
import time
from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from multidict import CIMultiDict

from prompts.records import Alternative, Completion, SampledToken
from providers.failures import MESSAGE_LIMIT, classify, find_error
from providers.wire import Answer, Billing, Failure, FailureKind, HttpCall, Usage

T = TypeVar("T")

_Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]  # what is beyond is no count of tokens
_NULL = msgspec.Raw(b"null")


class _CachedTokens(msgspec.Struct, frozen=True):
    cached_tokens: _Count | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    prompt_tokens_details: _CachedTokens | None = None


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


class _Part(msgspec.Struct, frozen=True):
    text: str | None = None


class _Message(msgspec.Struct, frozen=True):
    content: str | list[_Part] | None = None  # some servers answer in parts
    refusal: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message = _Message()
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Envelope(msgspec.Struct, frozen=True):
    """What a 200 must hold to be an answer, and what is read of it."""

    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    model: str | None = None
    usage: _Usage | None = None


class _LenientMessage(msgspec.Struct, frozen=True):
    content: str | list[_Part] | None = None
    refusal: msgspec.Raw = _NULL


class _LenientChoice(msgspec.Struct, frozen=True):
    message: _LenientMessage = _LenientMessage()
    finish_reason: msgspec.Raw = _NULL
    logprobs: msgspec.Raw = _NULL


class _LenientEnvelope(msgspec.Struct, frozen=True):
    """An answer whose lesser fields may be anything."""

    choices: Annotated[list[_LenientChoice], msgspec.Meta(min_length=1)]
    model: msgspec.Raw = _NULL
    usage: msgspec.Raw = _NULL


_envelope = msgspec.json.Decoder(_Envelope)
_lenient = msgspec.json.Decoder(_LenientEnvelope)
_text = msgspec.json.Decoder(str | None)
_usage_decoder = msgspec.json.Decoder(_Usage | None)
_logprobs_decoder = msgspec.json.Decoder(_Logprobs | None)
_ROOM = 60  # frames: whoever reads a stored answer may stand that much deeper than whoever accepted it
_SHORT = 1500  # bytes that cannot nest deeply enough to matter
_VERSION = re.compile(r"/v\d")
_NO_VERSION = " (is base_url missing its /v1?)"


class OpenAIAdapter:
    """One lane's calls: base URL and headers are fixed when it is made."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        # Manifest paths start with /v1, base URLs end with a version: one of the two goes.
        self._base = base_url.rstrip("/")
        self._headers = CIMultiDict({"Content-Type": "application/json", **headers})  # as aiohttp wants them

    def encode(self, url: str, body: bytes) -> HttpCall:
        return HttpCall(self._base + url.removeprefix("/v1"), self._headers, body)

    def decode(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> Answer | Failure:  # noqa: ARG002
        if status != 200:
            return self._with_hint(classify(status, headers, body, now=time.time()), body)
        try:
            envelope = _read(body) if len(body) < _SHORT else _decode_with_room(body)
            if not body.isascii():
                body.decode()  # the decoder skips over strings that it does not need without looking at their UTF-8
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return _unreadable(body, error)
        return Answer(envelope.model, _usage(envelope.usage))

    def _with_hint(self, failure: Failure, body: bytes) -> Failure:
        """A page that is not found, from a server that does not know the protocol's paths there, may lie elsewhere."""
        if failure.status != 404 or _VERSION.search(self._base) or find_error(body) is not None:
            return failure
        message = failure.message[: MESSAGE_LIMIT - len(_NO_VERSION)] + _NO_VERSION
        return msgspec.structs.replace(failure, message=message)


def _decode_with_room(body: bytes, room: int = _ROOM) -> _Envelope:
    return _decode_with_room(body, room - 1) if room else _read(body)


def _read(body: bytes) -> _Envelope:
    try:
        return _envelope.decode(body)
    except msgspec.ValidationError:
        return _read_leniently(body)


def _read_leniently(body: bytes) -> _Envelope:
    """An answer is paid for: a lesser field that is not as it should be is unknown, and the answer is kept."""
    lenient = _lenient.decode(body)
    choices = [
        _Choice(
            _Message(choice.message.content, _fitting(_text, choice.message.refusal)),
            _fitting(_text, choice.finish_reason),
            _fitting(_logprobs_decoder, choice.logprobs),
        )
        for choice in lenient.choices
    ]
    return _Envelope(choices, _fitting(_text, lenient.model), _fitting(_usage_decoder, lenient.usage))


def _fitting(decoder: msgspec.json.Decoder[T | None], raw: msgspec.Raw) -> T | None:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _unreadable(body: bytes, error: Exception) -> Failure:
    told = find_error(body)
    if told is None:
        return Failure(
            FailureKind.UNREADABLE, Billing.MAYBE, f"a 200 that is not a chat completion: {error}", status=200
        )
    code = None if told.code is None else str(told.code)
    message = f"a 200 that holds an error: {told.message or 'without a message'}"[:MESSAGE_LIMIT]
    return Failure(FailureKind.UNREADABLE, Billing.MAYBE, message, status=200, code=code)


def _usage(usage: _Usage | None) -> Usage | None:
    """What was used; None where a count is missing, which is not the same as 0."""
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    details = usage.prompt_tokens_details
    cached = details.cached_tokens or 0 if details is not None else 0
    return Usage(usage.prompt_tokens, usage.completion_tokens, min(cached, usage.prompt_tokens))


def read_completion(body: bytes) -> Completion:
    """The first choice of a chat completion. Raises ValueError where the body is not one."""
    choice = _read(body).choices[0]
    logprobs = choice.logprobs.content if choice.logprobs is not None else None
    tokens = None if logprobs is None else tuple(_sampled(token) for token in logprobs)
    content = choice.message.content
    text = "".join(part.text or "" for part in content) if isinstance(content, list) else content
    return Completion(text, choice.finish_reason, choice.message.refusal, tokens)


def _sampled(token: _Token) -> SampledToken:
    utf8 = None if token.bytes is None else bytes(byte & 0xFF for byte in token.bytes)
    alternatives = tuple(Alternative(x.token, x.logprob) for x in token.top_logprobs or ())
    return SampledToken(token.token, token.logprob, utf8, alternatives)
