"""A chat completion's request body as it came over HTTP: read, checked, and digested in its canonical form.

Two spellings of one JSON value (order of keys, white space) are one body.
"""

import re
from typing import Annotated, Any

import msgspec
import orjson

from providers.simulator.draws import digest

Count = Annotated[int, msgspec.Meta(ge=1)]


class BadBodyError(Exception):
    """A body that is answered with 400; `param` is the field at fault, where it is one."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class Part(msgspec.Struct, frozen=True):
    """One part of a content. `pictures` reads those that show something; text is `text`; all others are passed over."""

    type: str
    text: str = ""
    image_url: Any = None


class Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""


class Chat(msgspec.Struct, frozen=True):
    """The fields of a body that an answer's shape depends on; all others matter through the digest only."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    stream: bool | None = None

    @property
    def text(self) -> str:
        return "\n".join(message.text for message in self.messages)

    @property
    def last_user_text(self) -> str:
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def most_tokens(self) -> int | None:
        """The length at which each choice is cut."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def alternatives(self) -> int | None:
        """How many alternatives to list for each token; None where no log probabilities were asked for."""
        return (self.top_logprobs or 0) if self.logprobs else None

    def text_tokens(self) -> int:
        """An estimate: a token for every four bytes of text, three for each message and three to begin the answer."""
        text = sum(-(-len(message.text.encode()) // 4) for message in self.messages)
        return text + 3 * len(self.messages) + 3


def read_json(raw: bytes) -> tuple[bytes, Any]:
    """The body's digest and its value; what is no JSON has a BadBodyError as its value, as its digest counts too."""
    try:
        value = orjson.loads(raw)
        return value_digest(value), value
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return digest(raw), BadBodyError("We could not parse the JSON body of your request.")


def value_digest(value: Any) -> bytes:
    """The digest of a body's value. Raises orjson.JSONEncodeError for one that cannot be written."""
    return digest(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def read_chat(value: Any) -> Chat:
    """The body's fields; raises BadBodyError where one is missing or wrong."""
    if isinstance(value, BadBodyError):
        raise value
    try:
        chat = msgspec.convert(value, Chat)
    except msgspec.ValidationError as error:
        raise _bad_body(str(error)) from error
    if chat.stream:
        raise BadBodyError("The simulator does not stream.", "stream", "unsupported_value")
    if chat.top_logprobs is not None and not chat.logprobs:
        raise BadBodyError("'top_logprobs' needs 'logprobs' to be true.", "top_logprobs", "invalid_value")
    return chat


def _bad_body(message: str) -> BadBodyError:
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", message):
        return BadBodyError(f"Missing required parameter: '{missing[1]}'.", missing[1], "missing_required_parameter")
    at = re.search(r"`\$\.(\w+)", message)
    return BadBodyError(message, at[1] if at else None, "invalid_value")
