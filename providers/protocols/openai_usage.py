"""The usage of OpenAI's answers, in both of its vocabularies, as inclusive counts.

A count that is missing is not 0: usage without its two main counts is unknown. Parts never exceed their whole.
"""

from typing import Annotated

import msgspec

from providers.protocols.answers import NULL, fitting
from providers.wire import Usage

Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]  # what is beyond is no count of tokens


class InputDetails(msgspec.Struct, frozen=True):
    """What the input tokens include."""

    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None


class OutputDetails(msgspec.Struct, frozen=True):
    """What the output tokens include."""

    reasoning_tokens: Count | None = None


class ChatUsage(msgspec.Struct, frozen=True):
    """`usage` of chat completions, completions and embeddings.

    Before there were details, DeepSeek told cached tokens as `prompt_cache_hit_tokens` and Moonshot as
    `cached_tokens`; both still do.
    """

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: Count | None = None
    cached_tokens: Count | None = None

    def inclusive(self) -> Usage | None:
        """The counts, where both main ones are there."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        details = self.prompt_tokens_details
        if details is None:
            hits = self.prompt_cache_hit_tokens
            details = InputDetails(self.cached_tokens if hits is None else hits)
        return _inclusive(self.prompt_tokens, self.completion_tokens, details, self.completion_tokens_details)


class ResponsesUsage(msgspec.Struct, frozen=True):
    """`usage` of responses."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None

    def inclusive(self) -> Usage | None:
        """The counts, where both main ones are there."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return _inclusive(self.input_tokens, self.output_tokens, self.input_tokens_details, self.output_tokens_details)


def _inclusive(sent: int, sampled: int, sent_of: InputDetails | None, sampled_of: OutputDetails | None) -> Usage:
    cached = (sent_of.cached_tokens or 0) if sent_of is not None else 0
    written = (sent_of.cache_write_tokens or 0) if sent_of is not None else 0
    reasoning = (sampled_of.reasoning_tokens or 0) if sampled_of is not None else 0
    if cached + written > sent or reasoning > sampled:
        cached = min(cached, sent)
        written, reasoning = min(written, sent - cached), min(reasoning, sampled)
    return Usage(sent, sampled, cached, written, reasoning)


class _LenientChatUsage(msgspec.Struct, frozen=True):
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: msgspec.Raw = NULL
    completion_tokens_details: msgspec.Raw = NULL
    prompt_cache_hit_tokens: msgspec.Raw = NULL
    cached_tokens: msgspec.Raw = NULL


class _LenientResponsesUsage(msgspec.Struct, frozen=True):
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_tokens_details: msgspec.Raw = NULL
    output_tokens_details: msgspec.Raw = NULL


_chat = msgspec.json.Decoder(_LenientChatUsage | None)
_responses = msgspec.json.Decoder(_LenientResponsesUsage | None)
_input_details = msgspec.json.Decoder(InputDetails | None)
_output_details = msgspec.json.Decoder(OutputDetails | None)
_count = msgspec.json.Decoder(Count | None)


def read_chat_usage(raw: msgspec.Raw) -> ChatUsage | None:
    """What of a `usage` can be read: a detail that cannot costs its discount, not the main counts."""
    read = fitting(_chat, raw)
    if read is None:
        return None
    return ChatUsage(
        read.prompt_tokens,
        read.completion_tokens,
        fitting(_input_details, read.prompt_tokens_details),
        fitting(_output_details, read.completion_tokens_details),
        fitting(_count, read.prompt_cache_hit_tokens),
        fitting(_count, read.cached_tokens),
    )


def read_responses_usage(raw: msgspec.Raw) -> ResponsesUsage | None:
    """The same for the usage of responses."""
    read = fitting(_responses, raw)
    if read is None:
        return None
    return ResponsesUsage(
        read.input_tokens,
        read.output_tokens,
        fitting(_input_details, read.input_tokens_details),
        fitting(_output_details, read.output_tokens_details),
    )
