"""Embeddings: an answer without a text. The vectors stay in the raw body; model and usage are read."""

from typing import Annotated

import msgspec

from prompts.records import Completion
from providers.protocols.answers import NULL, Kind, fitting
from providers.protocols.openai_chat import TEXT
from providers.protocols.openai_usage import read_chat_usage
from providers.wire import Answer, Usage


class _Embedding(msgspec.Struct, frozen=True):
    embedding: msgspec.Raw  # numbers, or base64


class _Envelope(msgspec.Struct, frozen=True):
    data: Annotated[list[_Embedding], msgspec.Meta(min_length=1)]
    model: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL


_envelope = msgspec.json.Decoder(_Envelope)


def _answer(envelope: _Envelope) -> Answer:
    return Answer(fitting(TEXT, envelope.model), _usage(envelope))


def _usage(envelope: _Envelope) -> Usage | None:
    """Nothing is sampled for an embedding: all that was used is input."""
    usage = read_chat_usage(envelope.usage)
    if usage is None:
        return None
    return msgspec.structs.replace(usage, completion_tokens=0).inclusive()


def _completion(envelope: _Envelope) -> Completion:  # noqa: ARG001
    return Completion(text=None)


EMBEDDING_LIST: Kind[_Envelope] = Kind("a list of embeddings", _envelope.decode, _answer, _completion)
