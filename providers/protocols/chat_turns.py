"""The messages of a chat-completions body as a system text and turns that alternate between the user and the assistant.

Other protocols have one place for what the model is told before the conversation, and take turn about. Neighbouring
messages of one side become one turn, tool results a part of the user's. What has no place there is an error: a system
message after the first turn, a conversation that the assistant opens or has the last word in, a call without a result.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from prompts.input_error import InputError
from providers.protocols.chat_body import (
    AssistantMessage,
    DeveloperMessage,
    Message,
    Picture,
    SystemMessage,
    Text,
    Tongue,
    ToolCall,
    ToolMessage,
    UserMessage,
)


class Said(msgspec.Struct, frozen=True):
    """A text."""

    text: str


class Shown(msgspec.Struct, frozen=True):
    """A picture; `field` is the path of its URL in the body."""

    url: str
    detail: str | None
    field: str


class Called(msgspec.Struct, frozen=True):
    """A tool call; `arguments` is a JSON object as it stands, `field` the call's path in the body."""

    id: str
    name: str
    arguments: msgspec.Raw
    field: str


class Returned(msgspec.Struct, frozen=True):
    """A tool's result, with the name of the function that was called."""

    id: str
    name: str
    text: str


Piece = Said | Shown | Called | Returned


class Turn(msgspec.Struct, frozen=True):
    """What one side says at a time: never nothing."""

    role: Literal["user", "assistant"]
    pieces: list[Piece]


class Conversation(msgspec.Struct, frozen=True):
    """`system` holds the texts of the system messages; the turns begin and end with the user's."""

    system: list[str]
    turns: list[Turn]


_arguments = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_turns(messages: Sequence[Message], tongue: Tongue) -> Conversation:
    """The conversation in a body's messages. Raises InputError for what has no place in one."""
    system: list[str] = []
    turns: list[Turn] = []
    calls = _Calls()
    for index, message in enumerate(messages):
        field = f"messages[{index}]"
        calls.check(message, field)
        if isinstance(message, SystemMessage | DeveloperMessage):
            if turns:
                tongue.refuse(f"{field}.role", "a system message after the first turn (move it to the front)")
            system.extend(text for text in _texts(message.content) if text)
        else:
            _add(turns, message, list(_pieces(message, field, calls)), field)
    last = f"messages[{len(messages) - 1}]"
    calls.check_none_open(last)
    _check_sides(turns, last, tongue)
    return Conversation(system, turns)


def _add(turns: list[Turn], message: Message, pieces: list[Piece], field: str) -> None:
    if not pieces:
        raise InputError("is empty", field=f"body.{field}.content")
    role: Literal["user", "assistant"] = "assistant" if isinstance(message, AssistantMessage) else "user"
    if turns and turns[-1].role == role:
        turns[-1].pieces.extend(pieces)
    else:
        turns.append(Turn(role, pieces))


def _check_sides(turns: Sequence[Turn], last: str, tongue: Tongue) -> None:
    if not turns:
        raise InputError("no message of the user's", field="body.messages")
    if turns[0].role != "user":
        tongue.refuse("messages", "the assistant opens the conversation (begin with a user message)")
    if turns[-1].role != "user":
        tongue.refuse(last, "the assistant has the last word, which would be continued and not answered")


def _pieces(message: Message, field: str, calls: "_Calls") -> Iterator[Piece]:
    if isinstance(message, UserMessage):
        yield from _said_and_shown(message.content, f"{field}.content")
    elif isinstance(message, ToolMessage):
        yield calls.returned(message, field)
    elif isinstance(message, AssistantMessage):
        yield from (Said(text) for text in _texts(message.content or "") if text)
        for index, call in enumerate(message.tool_calls or ()):
            yield calls.called(call, f"{field}.tool_calls[{index}]")


def _said_and_shown(content: str | list[Text | Picture], field: str) -> Iterator[Piece]:
    parts = [Text(content)] if isinstance(content, str) else content
    for index, part in enumerate(parts):
        if isinstance(part, Picture):
            yield Shown(part.image_url.url, part.image_url.detail, f"{field}[{index}].image_url.url")
        elif part.text:  # an empty text says nothing, and is refused elsewhere
            yield Said(part.text)


def _texts(content: str | list[Text]) -> list[str]:
    return [content] if isinstance(content, str) else [part.text for part in content]


class _Calls:
    """Which tool calls were made, and which of them still want their result."""

    def __init__(self) -> None:
        self._made: set[str] = set()
        self._open: dict[str, str] = {}

    def check(self, message: Message, field: str) -> None:
        """All calls of a message have their results before anything else is said."""
        if not isinstance(message, ToolMessage):
            self.check_none_open(field)

    def check_none_open(self, field: str) -> None:
        if self._open:
            raise InputError(f"the tool calls {', '.join(self._open)} have no result yet", field=f"body.{field}")

    def called(self, call: ToolCall, field: str) -> Called:
        if call.id in self._made:
            raise InputError("two tool calls have this id", field=f"body.{field}.id")
        self._made.add(call.id)
        self._open[call.id] = call.function.name
        arguments = _object(call.function.arguments, f"{field}.function.arguments")
        return Called(call.id, call.function.name, arguments, field)

    def returned(self, message: ToolMessage, field: str) -> Returned:
        name = self._open.pop(message.tool_call_id, None)
        if name is None:
            raise InputError("no tool call before it has this id", field=f"body.{field}.tool_call_id")
        return Returned(message.tool_call_id, name, "".join(_texts(message.content)))


def _object(text: str, field: str) -> msgspec.Raw:
    """The JSON object in a string, as it stands; no text at all is how some servers write no arguments."""
    text = text.strip() or "{}"
    try:
        _arguments.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"is not a JSON object: {error}", field=f"body.{field}") from None
    return msgspec.Raw(text)
