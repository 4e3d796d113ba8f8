"""Anthropic's answers to messages, decoded for the few fields that are used (the answer types of its SDK 2.12)."""

from typing import Annotated, Any

import msgspec

from prompts.records import Completion
from providers.protocols.answers import NULL, Kind, fitting
from providers.wire import Answer, Usage

_Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]  # what is beyond is no count of tokens
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Block(msgspec.Struct, frozen=True):
    type: str
    text: str | None = None


class _Thinking(msgspec.Struct, frozen=True):
    thinking_tokens: _Count | None = None


class _Written(msgspec.Struct, frozen=True):
    ephemeral_1h_input_tokens: _Count | None = None


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_creation: _Written | None = None
    output_tokens_details: _Thinking | None = None

    def inclusive(self) -> Usage | None:
        """`input_tokens` counts neither what was read from a cache nor what was put into one."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        read, written = self.cache_read_input_tokens or 0, self.cache_creation_input_tokens or 0
        thought = self.output_tokens_details.thinking_tokens or 0 if self.output_tokens_details is not None else 0
        sent = self.input_tokens + read + written
        kept = self.cache_creation.ephemeral_1h_input_tokens or 0 if self.cache_creation is not None else 0
        return Usage(sent, self.output_tokens, read, written, min(thought, self.output_tokens), min(kept, written))


class _StopDetails(msgspec.Struct, frozen=True):
    explanation: str | None = None


class _Message(msgspec.Struct, frozen=True):
    """What a 200 must hold to be an answer, and what is read of it."""

    content: list[_Block]
    model: str | None = None
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: _Usage | None = None


class _LenientBlock(msgspec.Struct, frozen=True):
    type: Any = None
    text: msgspec.Raw = NULL


class _LenientMessage(msgspec.Struct, frozen=True):
    """An answer whose lesser fields may be anything."""

    content: list[_LenientBlock]
    model: msgspec.Raw = NULL
    stop_reason: msgspec.Raw = NULL
    stop_details: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL


class _LenientUsage(msgspec.Struct, frozen=True):
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_creation: msgspec.Raw = NULL
    output_tokens_details: msgspec.Raw = NULL


_message = msgspec.json.Decoder(_Message)
_lenient = msgspec.json.Decoder(_LenientMessage)
_text = msgspec.json.Decoder(str | None)
_stop_details = msgspec.json.Decoder(_StopDetails | None)
_usage = msgspec.json.Decoder(_LenientUsage | None)
_written = msgspec.json.Decoder(_Written | None)
_thinking = msgspec.json.Decoder(_Thinking | None)


def _read(body: bytes) -> _Message:
    try:
        return _message.decode(body)
    except msgspec.ValidationError:
        return _read_leniently(body)


def _read_leniently(body: bytes) -> _Message:
    """An answer is paid for: a lesser field that is not as it should be is unknown, and the answer is kept."""
    lenient = _lenient.decode(body)
    texts = [_text.decode(block.text) for block in lenient.content if block.type == "text"]
    return _Message(
        [_Block("text", text) for text in texts],
        fitting(_text, lenient.model),
        fitting(_text, lenient.stop_reason),
        fitting(_stop_details, lenient.stop_details),
        _read_usage(lenient.usage),
    )


def _read_usage(raw: msgspec.Raw) -> _Usage | None:
    """What went through a cache counts, so it must be as it should be; how much was thought need not."""
    read = fitting(_usage, raw)
    return read and _Usage(
        read.input_tokens,
        read.output_tokens,
        read.cache_read_input_tokens,
        read.cache_creation_input_tokens,
        fitting(_written, read.cache_creation),
        fitting(_thinking, read.output_tokens_details),
    )


def _answer(message: _Message) -> Answer:
    return Answer(message.model, None if message.usage is None else message.usage.inclusive())


def _completion(message: _Message) -> Completion:
    """The text blocks as one text; thinking and tool calls are none. A refusal is the classifiers': it was filtered."""
    texts = [block.text or "" for block in message.content if block.type == "text"]
    text = "".join(texts) if texts else None
    reason = message.stop_reason
    refusal = None
    if reason == "refusal":
        refusal = (message.stop_details and message.stop_details.explanation) or text or "refused"
    return Completion(text, None if reason is None else _FINISH.get(reason, reason.lower()), refusal)


MESSAGE: Kind[_Message] = Kind("a message", _read, _answer, _completion)
