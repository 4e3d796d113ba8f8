"""The words of a request as they were asked: the messages of a body, whatever wire format it is of.

Read for showing: what is not known is left out here, and stands in the raw body. Nothing raises.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from outputs.browsing.native_pictures import native_url

CHAT_MEDIA = ("image_url", "video_url")  # the kinds that chat completions have, which are prepared and then sent
_SYSTEM = ("system", "instructions", "systemInstruction", "system_instruction")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message: its words, or a place where something else stands.

    `medium` is the number, from 0, among the pictures and clips of the body; `address` what the body says of where it
    is: a path, an address, or a data URL, also where another wire format holds its bytes. `kind` says what any other
    piece is.
    """

    text: str | None = None
    medium: int | None = None
    address: str | None = None
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Message:
    """Who speaks, and what."""

    role: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """Its words, and where something else stands its kind in brackets."""
        return "\n".join(f"[{part.kind}]" if part.text is None else part.text for part in self.parts)


def read_messages(body: bytes) -> tuple[Message, ...]:
    """The messages of a chat, Anthropic, Gemini or Responses body (JSON bytes); an input for embeddings as one."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(_number(_messages(told))) if isinstance(told, dict) else ()


def _messages(body: dict[str, Any]) -> Iterator[Message]:
    for name in _SYSTEM:
        if parts := tuple(_parts(body.get(name))):
            yield Message("system", parts)
    for key in ("messages", "contents", "input", "prompt"):
        told = body.get(key)
        if isinstance(told, str) or (isinstance(told, list) and told and not isinstance(told[0], dict)):
            yield Message("user", tuple(_parts(told)))
        elif isinstance(told, list):
            yield from (_message(one) for one in told if isinstance(one, dict))


def _message(told: dict[str, Any]) -> Message:
    role = told.get("role", "user")
    words = told.get("content", told.get("parts"))
    return Message(role if isinstance(role, str) else "user", tuple(_parts(words)))


def _parts(words: object) -> Iterator[Part]:
    if isinstance(words, str):
        yield Part(words)
    elif isinstance(words, dict):
        yield from _parts(words["parts"]) if "parts" in words else (_piece(words),)
    elif isinstance(words, list):
        for word in words:
            yield Part(word) if isinstance(word, str) else _piece(word if isinstance(word, dict) else {})


def _piece(told: dict[str, Any]) -> Part:
    text = told.get("text")
    if isinstance(text, str):
        return Part(text)
    said = told.get("type")
    kind = said if isinstance(said, str) else next(iter(told), "something else")
    if kind not in CHAT_MEDIA:
        native = native_url(told)
        return Part(kind=kind) if native is None else Part(medium=-1, address=native, kind=kind)
    asked = told.get(kind)
    url = asked.get("url") if isinstance(asked, dict) else None
    return Part(medium=-1, address=url if isinstance(url, str) else None, kind=kind)


def _number(messages: Iterator[Message]) -> Iterator[Message]:
    """Pictures and clips get their numbers, which are those of the whole body."""
    count = 0
    for message in messages:
        parts = []
        for part in message.parts:
            is_medium = part.medium is not None
            parts.append(Part(None, count, part.address, part.kind) if is_medium else part)
            count += is_medium
        yield Message(message.role, tuple(parts))
