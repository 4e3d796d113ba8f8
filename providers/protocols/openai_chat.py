"""Chat completions, as OpenAI and every server compatible with it answer: decoded for the few fields that are used.

Answers are checked on the way: a field that matters is as it should be, or the answer is none.
"""

from typing import Annotated

import msgspec

from prompts.records import Alternative, Completion, SampledToken
from providers.protocols.answers import NULL, Kind, fitting
from providers.protocols.openai_usage import ChatUsage, read_chat_usage
from providers.wire import Answer


class _Alternative(msgspec.Struct, frozen=True):
    token: str
    logprob: float


class Token(msgspec.Struct, frozen=True):
    """A sampled token of chat completions and responses, and of some servers' completions."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[_Alternative] | None = None

    def sampled(self) -> SampledToken:
        """The token in our words."""
        utf8 = None if self.bytes is None else bytes(byte & 0xFF for byte in self.bytes)
        alternatives = tuple(Alternative(x.token, x.logprob) for x in self.top_logprobs or ())
        return SampledToken(self.token, self.logprob, utf8, alternatives)


class _Logprobs(msgspec.Struct, frozen=True):
    content: list[Token] | None = None


class _Part(msgspec.Struct, frozen=True):
    text: str | None = None


class _Message(msgspec.Struct, frozen=True):
    content: str | list[_Part] | None = None  # some servers answer in parts
    refusal: str | None = None


_NO_MESSAGE = _Message()


class _Choice(msgspec.Struct, frozen=True):
    message: _Message = _NO_MESSAGE
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class Envelope(msgspec.Struct, frozen=True):
    """What a 200 must hold to be an answer, and what is read of it."""

    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    model: str | None = None
    usage: ChatUsage | None = None


class _LenientMessage(msgspec.Struct, frozen=True):
    content: str | list[_Part] | None = None
    refusal: msgspec.Raw = NULL


class _LenientChoice(msgspec.Struct, frozen=True):
    message: _LenientMessage | msgspec.UnsetType = msgspec.UNSET
    finish_reason: msgspec.Raw = NULL
    logprobs: msgspec.Raw = NULL


class _LenientEnvelope(msgspec.Struct, frozen=True):
    """An answer whose lesser fields may be anything."""

    choices: Annotated[list[_LenientChoice], msgspec.Meta(min_length=1)]
    model: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL


_envelope = msgspec.json.Decoder(Envelope)
_lenient = msgspec.json.Decoder(_LenientEnvelope)
TEXT = msgspec.json.Decoder(str | None)
_logprobs_decoder = msgspec.json.Decoder(_Logprobs | None)


def _read(body: bytes) -> Envelope:
    try:
        return _envelope.decode(body)
    except msgspec.ValidationError:
        return _read_leniently(body)


def _read_leniently(body: bytes) -> Envelope:
    """An answer is paid for: a lesser field that is not as it should be is unknown, and the answer is kept."""
    lenient = _lenient.decode(body)
    choices = [_choice(choice) for choice in lenient.choices]
    return Envelope(choices, fitting(TEXT, lenient.model), read_chat_usage(lenient.usage))


def _choice(choice: _LenientChoice) -> _Choice:
    told = choice.message
    message = _NO_MESSAGE if told is msgspec.UNSET else _Message(told.content, fitting(TEXT, told.refusal))
    return _Choice(message, fitting(TEXT, choice.finish_reason), fitting(_logprobs_decoder, choice.logprobs))


def _answer(envelope: Envelope) -> Answer:
    return Answer(envelope.model, None if envelope.usage is None else envelope.usage.inclusive())


def _completion(envelope: Envelope) -> Completion:
    """The first choice, as text and tokens."""
    choice = envelope.choices[0]
    logprobs = choice.logprobs.content if choice.logprobs is not None else None
    tokens = None if logprobs is None else tuple([token.sampled() for token in logprobs])
    content = choice.message.content
    text = "".join(part.text or "" for part in content) if isinstance(content, list) else content
    return Completion(text, choice.finish_reason, choice.message.refusal, tokens)


def has_message(envelope: Envelope) -> bool:
    """Whether the first choice is a message, as no other kind of answer has."""
    return envelope.choices[0].message is not _NO_MESSAGE


CHAT_COMPLETION: Kind[Envelope] = Kind("a chat completion", _read, _answer, _completion)
