"""Responses: OpenAI's newer answer, a list of output items with a status.

Its finish reasons are told in chat's words. A response that failed, or is not finished, is no answer.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from prompts.records import Completion, SampledToken
from providers.failures import QUOTA_CODES
from providers.protocols.answers import NULL, Kind, fitting, held_error
from providers.protocols.openai_chat import TEXT, Token
from providers.protocols.openai_usage import ResponsesUsage, read_responses_usage
from providers.wire import Answer, Billing, Failure, FailureKind

_UNFINISHED = frozenset({"queued", "in_progress", "cancelled"})
_BY_CODE = {
    "server_error": FailureKind.TRANSIENT,
    "vector_store_timeout": FailureKind.TRANSIENT,
    "rate_limit_exceeded": FailureKind.THROTTLED,
    "invalid_prompt": FailureKind.ROW_REFUSED,
    "data_residency_mismatch": FailureKind.ROW_REFUSED,
    "bio_policy": FailureKind.ROW_REFUSED,
    "misalignment_policy_violation": FailureKind.ROW_REFUSED,
    "failed_to_download_image": FailureKind.ROW_REFUSED,
    "unsupported_image_media_type": FailureKind.ROW_REFUSED,
    **dict.fromkeys(QUOTA_CODES, FailureKind.QUOTA),
}
_PICTURE_CODES = ("image_", "invalid_image", "invalid_base64_image", "empty_image")


class _Content(msgspec.Struct, frozen=True):
    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    logprobs: list[Token] | None = None


class _Item(msgspec.Struct, frozen=True):
    type: str | None = None
    content: list[_Content] | None = None


class _Reason(msgspec.Struct, frozen=True):
    reason: str | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str | None = None
    code: str | None = None


class _Envelope(msgspec.Struct, frozen=True):
    output: list[_Item]
    status: str | None = None
    incomplete_details: _Reason | None = None
    error: _Error | None = None
    model: str | None = None
    usage: ResponsesUsage | None = None

    def contents(self, kind: str) -> Iterator[_Content]:
        """The parts of one type in the messages: items of other types have texts that are not the answer."""
        for item in self.output:
            if item.type == "message":
                yield from (part for part in item.content or () if part.type == kind)


class _LenientContent(msgspec.Struct, frozen=True):
    type: str | None = None
    text: str | None = None
    refusal: msgspec.Raw = NULL
    logprobs: msgspec.Raw = NULL


class _LenientItem(msgspec.Struct, frozen=True):
    type: msgspec.Raw = NULL
    content: msgspec.Raw = NULL


class _LenientEnvelope(msgspec.Struct, frozen=True):
    """An answer whose lesser fields may be anything."""

    output: list[_LenientItem]
    status: str | None = None
    incomplete_details: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    model: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL


_envelope = msgspec.json.Decoder(_Envelope)
_lenient = msgspec.json.Decoder(_LenientEnvelope)
_lenient_contents = msgspec.json.Decoder(list[_LenientContent] | None)
_tokens = msgspec.json.Decoder(list[Token] | None)
_reason = msgspec.json.Decoder(_Reason | None)
_error = msgspec.json.Decoder(_Error | str | None)


def _read(body: bytes) -> _Envelope:
    try:
        return _envelope.decode(body)
    except msgspec.ValidationError:
        lenient = _lenient.decode(body)
    error = fitting(_error, lenient.error)
    return _Envelope(
        [_item(item) for item in lenient.output],
        lenient.status,
        fitting(_reason, lenient.incomplete_details),
        _Error(error) if isinstance(error, str) else error,
        fitting(TEXT, lenient.model),
        read_responses_usage(lenient.usage),
    )


def _item(item: _LenientItem) -> _Item:
    """Of items that are no messages nothing is read; a message that cannot be read costs the answer."""
    kind = fitting(TEXT, item.type)
    if kind != "message":
        return _Item(kind)
    contents = _lenient_contents.decode(item.content)
    return _Item(kind, [_content(part) for part in contents or ()])


def _content(part: _LenientContent) -> _Content:
    return _Content(part.type, part.text, fitting(TEXT, part.refusal), fitting(_tokens, part.logprobs))


def _answer(envelope: _Envelope) -> Answer | Failure:
    if envelope.status == "failed":
        error = envelope.error or _Error()
        return held_error(error.message, error.code, _failure_kind(error.code or ""))
    if envelope.status in _UNFINISHED:
        message = f"a 200 with a response that is {envelope.status}: answers in the background are not read"
        return Failure(FailureKind.UNREADABLE, Billing.MAYBE, message, status=200)
    return Answer(envelope.model, None if envelope.usage is None else envelope.usage.inclusive())


def _failure_kind(code: str) -> FailureKind:
    if code.startswith(_PICTURE_CODES):
        return FailureKind.ROW_REFUSED
    return _BY_CODE.get(code, FailureKind.UNREADABLE)


def _completion(envelope: _Envelope) -> Completion:
    """All texts as one, as the official SDK joins them; None where there is none."""
    texts = [part.text or "" for part in envelope.contents("output_text")]
    refusals = [part.refusal or "" for part in envelope.contents("refusal")]
    return Completion(
        "".join(texts) if texts else None,
        _finish_reason(envelope),
        "".join(refusals) if refusals else None,
        _sampled(envelope),
    )


def _sampled(envelope: _Envelope) -> tuple[SampledToken, ...] | None:
    """An empty list stands there where no log probabilities were asked for."""
    tokens = tuple([token.sampled() for part in envelope.contents("output_text") for token in part.logprobs or ()])
    return tokens or None


def _finish_reason(envelope: _Envelope) -> str | None:
    """What was cut short for any other reason than a filter was cut by a length."""
    if envelope.status == "incomplete":
        details = envelope.incomplete_details
        return "content_filter" if details is not None and details.reason == "content_filter" else "length"
    if envelope.status != "completed":
        return None
    kinds = {item.type for item in envelope.output}
    return "tool_calls" if "function_call" in kinds and "message" not in kinds else "stop"


RESPONSE: Kind[Any] = Kind("a response", _read, _answer, _completion)
