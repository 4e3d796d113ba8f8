"""The common tongue: a chat-completions body as typed records, for the adapters that translate it.

Whatever is not declared here is an error, so that nothing is dropped silently. JSON that is passed on as it stands
(schemas) stays raw, so that no digit of it changes. A null stands for the protocol's default, and nothing is lost with
it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn

import msgspec

from prompts.input_error import InputError, split_fault

NULL = msgspec.Raw(b"null")
_Positive = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
_Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
_TopLogprobs = Annotated[int, msgspec.Meta(ge=0, le=20)]
_FunctionName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,128}\Z")]
_CallId = Annotated[str, msgspec.Meta(min_length=1)]
_NOT_SAID = "cannot be said in"


@dataclass(frozen=True, slots=True)
class Tongue:
    """A protocol that is translated to: what people call it, and the path that takes its own bodies as they stand."""

    name: str
    native: str
    blank_stops: bool = False  # whether white space alone can end an answer

    def refuse(self, field: str, why: str | None = None) -> NoReturn:
        """Raise InputError for a field (its path from the body on) that has no equal in this protocol."""
        reason = f"{_NOT_SAID} {self.name}" if why is None else f"{_NOT_SAID} {self.name}: {why}"
        raise InputError(f"{reason}; leave it out, or send a native body to {self.native}", field=f"body.{field}")


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Text(_Record, frozen=True, tag_field="type", tag="text"):
    """A text part."""

    text: str


class ImageUrl(_Record, frozen=True):
    """Where a picture is: a data URL or an address."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class Picture(_Record, frozen=True, tag_field="type", tag="image_url"):
    """A picture part."""

    image_url: ImageUrl


class CalledFunction(_Record, frozen=True):
    """What an assistant's tool call asks for; `arguments` is JSON in a string."""

    name: _FunctionName
    arguments: str


class ToolCall(_Record, frozen=True):
    """A tool call in an assistant's message."""

    id: _CallId
    function: CalledFunction
    type: Literal["function"] = "function"


class SystemMessage(_Record, frozen=True, tag_field="role", tag="system"):
    """What the model is told before the conversation."""

    content: str | list[Text]
    name: None = None


class DeveloperMessage(_Record, frozen=True, tag_field="role", tag="developer"):
    """The newer word for a system message."""

    content: str | list[Text]
    name: None = None


class UserMessage(_Record, frozen=True, tag_field="role", tag="user"):
    """A user's words and pictures."""

    content: str | list[Text | Picture]
    name: None = None


class AssistantMessage(_Record, frozen=True, tag_field="role", tag="assistant"):
    """What the model said before."""

    content: str | list[Text] | None = None
    tool_calls: list[ToolCall] | None = None
    name: None = None
    refusal: None = None
    audio: None = None
    function_call: None = None
    annotations: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=0)] | None = None


class ToolMessage(_Record, frozen=True, tag_field="role", tag="tool"):
    """What a tool returned."""

    tool_call_id: _CallId
    content: str | list[Text]


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class Function(_Record, frozen=True):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: _FunctionName
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None


class Tool(_Record, frozen=True):
    """A tool; functions are the only kind that has an equal elsewhere."""

    type: Literal["function"]
    function: Function


class NamedFunction(_Record, frozen=True):
    """The name of a function."""

    name: _FunctionName


class NamedTool(_Record, frozen=True):
    """The choice of one tool."""

    type: Literal["function"]
    function: NamedFunction


class TextFormat(_Record, frozen=True, tag_field="type", tag="text"):
    """Plain text, which is the default."""


class JsonFormat(_Record, frozen=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class Schema(_Record, frozen=True):
    """A JSON schema for the answer; `name` is a label."""

    name: str
    schema: msgspec.Raw = NULL
    description: str | None = None
    strict: bool | None = None


class SchemaFormat(_Record, frozen=True, tag_field="type", tag="json_schema"):
    """JSON after a schema."""

    json_schema: Schema


class Chat(_Record, frozen=True):
    """A chat-completions body. The keys that may only be null have no equal in any other protocol."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    max_tokens: _Positive | None = None
    max_completion_tokens: _Positive | None = None
    temperature: _Temperature | None = None
    top_p: _Share | None = None
    top_k: _Positive | None = None
    stop: str | list[str] | None = None
    n: _Positive | None = None
    seed: int | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    logit_bias: dict[str, float] | None = None
    response_format: TextFormat | JsonFormat | SchemaFormat | None = None
    logprobs: bool | None = None
    top_logprobs: _TopLogprobs | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    stream: bool | None = None
    stream_options: None = None
    modalities: list[str] | None = None
    audio: None = None
    prediction: None = None
    verbosity: None = None
    web_search_options: None = None
    prompt_cache_key: None = None
    safety_identifier: None = None
    function_call: None = None
    functions: None = None

    def most_tokens(self) -> int | None:
        """The most tokens that an answer may have, where the body says."""
        return self.max_completion_tokens if self.max_tokens is None else self.max_tokens

    def stops(self) -> list[str]:
        """The texts that end an answer."""
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or ())


_chat = msgspec.json.Decoder(Chat)


def translate(body: bytes, tongue: Tongue, say: Callable[[Chat], dict[str, Any]]) -> dict[str, Any]:
    """A body as `say` puts it in a tongue. Raises InputError naming the first field that cannot be said."""
    try:
        return say(_read(body, tongue))
    except RecursionError:
        raise InputError("nested too deeply", field="body") from None


def _read(body: bytes, tongue: Tongue) -> Chat:
    try:
        if not body.isascii():
            body.decode()  # what stays raw is not looked at below
        chat = _chat.decode(body)
    except msgspec.ValidationError as error:
        _fault(str(error), tongue)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(str(error), field="body") from None
    _check(chat, tongue)
    return chat


def _fault(error: str, tongue: Tongue) -> NoReturn:
    what, path = split_fault(error)
    if path is None:
        raise InputError(what, field="body")
    if what == "unknown key" or what.startswith(("Expected `null`", "Invalid value")):
        tongue.refuse(path, None if what == "unknown key" or "`null`" in what else what)
    raise InputError(what, field=f"body.{path}")


def _check(chat: Chat, tongue: Tongue) -> None:
    """What no single field shows: fields that contradict each other, and values that only a default may have."""
    if chat.max_completion_tokens not in (None, chat.max_tokens or chat.max_completion_tokens):
        raise InputError("is not what max_tokens is; give one of them", field="body.max_completion_tokens")
    if chat.top_logprobs and not chat.logprobs:
        raise InputError("needs logprobs = true", field="body.top_logprobs")
    if chat.stream:
        raise InputError("streamed answers are not read; leave it out", field="body.stream")
    for index, stop in enumerate(chat.stops()):
        if not stop.strip() and not (stop and tongue.blank_stops):
            place = "stop" if isinstance(chat.stop, str) else f"stop[{index}]"
            tongue.refuse(place, "a text of white space alone, or none, cannot end an answer")
    _refuse_other_than_default(chat, tongue)
    _check_tools(chat)


def _refuse_other_than_default(chat: Chat, tongue: Tongue) -> None:
    if chat.logit_bias:
        tongue.refuse("logit_bias")
    if chat.modalities is not None and chat.modalities != ["text"]:
        tongue.refuse("modalities", "answers are text")
    if chat.store:
        tongue.refuse("store")


def _check_tools(chat: Chat) -> None:
    names = [tool.function.name for tool in chat.tools or ()]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError("two tools have this name", field=f"body.tools[{index}].function.name")
    if not names and chat.tool_choice not in (None, "none", "auto"):
        raise InputError("there are no tools to choose from", field="body.tool_choice")
    if not names and chat.parallel_tool_calls is not None:
        raise InputError("there are no tools to call", field="body.parallel_tool_calls")
    if isinstance(chat.tool_choice, NamedTool) and chat.tool_choice.function.name not in names:
        raise InputError("none of the tools has this name", field="body.tool_choice.function.name")


def schema_of(raw: msgspec.Raw, field: str) -> msgspec.Raw | None:
    """A JSON schema as it stands; None where there is none. Raises InputError where it is not an object."""
    start = bytes(memoryview(raw)[:64]).lstrip()[:4]
    if start == b"null":
        return None
    if not start.startswith(b"{"):
        raise InputError("is not an object", field=f"body.{field}")
    return raw


def answer_schema(asked: Schema, tongue: Tongue) -> msgspec.Raw:
    """The JSON schema that an answer is to keep to. Raises InputError where it is missing or said in two places."""
    field = "response_format.json_schema"
    if asked.description:
        tongue.refuse(f"{field}.description", "the schema has a description of its own")
    schema = schema_of(asked.schema, f"{field}.schema")
    if schema is None:
        raise InputError("is missing", field=f"body.{field}.schema")
    return schema
