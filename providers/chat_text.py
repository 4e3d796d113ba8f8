"""The text of a chat-completions body, as far as a model is made to read it: what tokens are counted from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

_raw = msgspec.json.Decoder(dict[str, msgspec.Raw])
_messages = msgspec.json.Decoder(list[dict[str, Any]])
_SHOWN_TO_THE_MODEL = ("tools", "functions", "response_format")


@dataclass(slots=True)
class ChatText:
    """`texts` are the roles, names and words of the messages, `schemas` the JSON texts of all that goes with them.

    `other` holds the JSON texts of the keys of which nobody knows whether a model is shown them, `media` counts parts
    that are pictures, sounds or files.
    """

    texts: list[str] = field(default_factory=list)
    schemas: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    messages: int = 0
    names: int = 0
    parts: int = 0
    media: int = 0

    @property
    def text_bytes(self) -> int:
        """UTF-8 bytes of texts and schemas."""
        return sum(len(text.encode("utf-8", "surrogatepass")) for text in (*self.texts, *self.schemas))


def read_chat_text(body: bytes) -> ChatText | None:
    """The text of a body (JSON bytes); None where it is no chat body."""
    try:
        keys = _raw.decode(body)
        messages = _messages.decode(keys.pop("messages", msgspec.Raw(b"null")))
        found = ChatText(messages=len(messages))
        for message in messages:
            _add_message(found, message)
        for key, value in keys.items():
            if key in _SHOWN_TO_THE_MODEL:
                found.schemas.append(_as_text(value))
            elif key != "model":
                found.other.append(_as_text(value))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found


def _as_text(value: msgspec.Raw) -> str:
    return bytes(value).decode()


def _add_message(found: ChatText, message: Mapping[str, Any]) -> None:
    for key, value in message.items():
        if key == "content" and isinstance(value, list):
            for part in value:
                _add_part(found, part)
        elif isinstance(value, str):
            found.texts.append(value)
            found.names += key == "name"
        elif value is not None:
            found.schemas.append(_json(value))
            found.media += key == "audio"


def _add_part(found: ChatText, part: Any) -> None:
    found.parts += 1
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get(kind) if kind in ("text", "refusal") else None
    if isinstance(part, str):
        found.texts.append(part)
    elif isinstance(text, str):
        found.texts.append(text)
    else:
        found.media += 1


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # numbers beyond 64 bits, or nested deeper than it goes
        return msgspec.json.encode(value).decode()
