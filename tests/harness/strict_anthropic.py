"""A strict reader of Anthropic's messages requests, after the types of its SDK: what it does not know is an error.

It is written without a look at our encoder, so that what one accepts and the other writes can be compared. Sampling
parameters belong to the API version before 2026-10-21.
"""

from typing import Annotated, Any, Literal

import msgspec

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Filled = Annotated[str, msgspec.Meta(min_length=1)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]+$")]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Text(_Strict, frozen=True, tag="text"):
    text: _Filled


class Base64(_Strict, frozen=True, tag="base64"):
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: _Filled


class Url(_Strict, frozen=True, tag="url"):
    url: _Filled


class Image(_Strict, frozen=True, tag="image"):
    source: Base64 | Url


class ToolUse(_Strict, frozen=True, tag="tool_use"):
    id: _Id
    name: _Name
    input: dict[str, Any]


class ToolResult(_Strict, frozen=True, tag="tool_result"):
    tool_use_id: _Id
    content: str | list[Text | Image] = ""
    is_error: bool = False


class User(_Strict, frozen=True, tag_field="role", tag="user"):
    content: _Filled | Annotated[list[Text | Image | ToolResult], msgspec.Meta(min_length=1)]


class Assistant(_Strict, frozen=True, tag_field="role", tag="assistant"):
    content: _Filled | Annotated[list[Text | ToolUse], msgspec.Meta(min_length=1)]


class Tool(_Strict, frozen=True):
    name: _Name
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class Auto(_Strict, frozen=True, tag="auto"):
    disable_parallel_tool_use: bool = False


class Any_(_Strict, frozen=True, tag="any"):  # noqa: N801
    disable_parallel_tool_use: bool = False


class One(_Strict, frozen=True, tag="tool"):
    name: _Name
    disable_parallel_tool_use: bool = False


class NoTool(_Strict, frozen=True, tag="none"):
    pass


class JsonSchema(_Strict, frozen=True):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(_Strict, frozen=True):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonSchema | None = None


class Thinking(_Strict, frozen=True):
    type: Literal["disabled"]


class Metadata(_Strict, frozen=True):
    user_id: str | None = None


class Request(_Strict, frozen=True):
    model: _Filled
    max_tokens: _Count
    messages: Annotated[list[User | Assistant], msgspec.Meta(min_length=1)]
    system: _Filled | Annotated[list[Text], msgspec.Meta(min_length=1)] | None = None
    temperature: _Share | None = None
    top_p: _Share | None = None
    top_k: _Count | None = None
    stop_sequences: list[_Filled] = []
    tools: list[Tool] = []
    tool_choice: Auto | Any_ | One | NoTool | None = None
    output_config: OutputConfig | None = None
    thinking: Thinking | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] = "auto"


def read_request(body: bytes) -> Request:
    """The request in a body. Raises ValueError for what the protocol does not take."""
    request = msgspec.json.decode(body, type=Request)
    for index, message in enumerate(request.messages):
        if isinstance(message, User) != (index % 2 == 0):
            raise ValueError(f"messages.{index}: roles must alternate, the user's first")
    if isinstance(request.messages[-1], Assistant):
        raise ValueError("the last message would be continued")
    if not all(text.strip() for text in request.stop_sequences):
        raise ValueError("stop_sequences: must contain non-whitespace")
    _check_tools(request)
    _check_results(request)
    return request


def _check_tools(request: Request) -> None:
    names = [tool.name for tool in request.tools]
    if len(set(names)) < len(names):
        raise ValueError("tools: names must be unique")
    if any(tool.input_schema.get("type") != "object" for tool in request.tools):
        raise ValueError("tools: input_schema.type: must be object")
    if request.tool_choice is not None and not names:
        raise ValueError("tool_choice: may only be given with tools")
    if isinstance(request.tool_choice, One) and request.tool_choice.name not in names:
        raise ValueError("tool_choice: no such tool")


def _check_results(request: Request) -> None:
    """Every tool_use has its tool_result at the head of the next message, and ids are unique."""
    asked: list[str] = []
    seen: set[str] = set()
    for message in request.messages:
        blocks: list[Any] = [] if isinstance(message.content, str) else list(message.content)
        given = [block.tool_use_id for block in blocks if isinstance(block, ToolResult)]
        if sorted(given) != sorted(asked) or any(not isinstance(block, ToolResult) for block in blocks[: len(given)]):
            raise ValueError("tool_use ids without tool_result blocks immediately after")
        asked = [block.id for block in blocks if isinstance(block, ToolUse)]
        if len({*seen, *asked}) < len(seen) + len(asked):
            raise ValueError("tool_use ids must be unique")
        seen.update(asked)
    if asked:
        raise ValueError("tool_use ids without tool_result")
