"""The words of stored answers, whatever protocol they came in; log probabilities only where somebody wants them."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from prompts.records import Completion
from providers.adapters import read_completion, recognise_protocol

UNREAD = Completion(None)  # a body of no known shape
_PLAIN = frozenset({"openai", "azure"})
_NONE = msgspec.Raw(b"null")


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message
    finish_reason: str | None = None
    logprobs: msgspec.Raw = _NONE


class _Chat(msgspec.Struct, frozen=True):
    """A chat completion whose lesser fields are nobody's business here: nearly every answer is one."""

    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]


_chat = msgspec.json.Decoder(_Chat)


class BodyReader:
    """Reads answers of the providers in a run's catalog."""

    def __init__(self, catalog: Mapping[str, Any]) -> None:
        self._protocols = {name: entry.get("protocol") for name, entry in catalog.items() if isinstance(entry, dict)}

    def completion(self, provider: str, body: msgspec.Raw, *, with_tokens: bool) -> Completion:
        """The answer in a body; `UNREAD` where it is none. Never raises. Tokens are there only where wanted."""
        protocol = self._protocols.get(provider)
        if protocol in _PLAIN:
            try:
                choice = _chat.decode(body).choices[0]
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return _read(protocol, bytes(body))
            if not with_tokens or bytes(choice.logprobs) == b"null":
                return Completion(choice.message.content, choice.finish_reason, choice.message.refusal)
        return _read(protocol, bytes(body))


def _read(protocol: str | None, body: bytes) -> Completion:
    try:
        return read_completion(protocol or recognise_protocol(body), body)
    except (ValueError, KeyError, RecursionError):  # msgspec's errors and those of UTF-8 are ValueErrors
        return UNREAD
