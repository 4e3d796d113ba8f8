"""A strict reader of Gemini's generateContent requests, after the types of its SDK: what it does not know is an error.

It is written without a look at our encoder, so that what one accepts and the other writes can be compared.
"""

from typing import Annotated, Any, Literal

import msgspec

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Filled = Annotated[str, msgspec.Meta(min_length=1)]
_Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")]
_Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    pass


class Blob(_Strict, frozen=True):
    mime_type: Annotated[str, msgspec.Meta(pattern="^image/")]
    data: _Filled


class FunctionCall(_Strict, frozen=True):
    name: _Name
    args: dict[str, Any] = {}
    id: str | None = None


class FunctionResponse(_Strict, frozen=True):
    name: _Name
    response: dict[str, Any]
    id: str | None = None


class Part(_Strict, frozen=True):
    """One of its fields."""

    text: _Filled | None = None
    inline_data: Blob | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None


class Content(_Strict, frozen=True):
    parts: Annotated[list[Part], msgspec.Meta(min_length=1)]
    role: Literal["user", "model"]


class FunctionDeclaration(_Strict, frozen=True):
    name: _Name
    description: str | None = None
    parameters_json_schema: dict[str, Any] | None = None


class Tool(_Strict, frozen=True):
    function_declarations: Annotated[list[FunctionDeclaration], msgspec.Meta(min_length=1)]


class FunctionCallingConfig(_Strict, frozen=True):
    mode: Literal["AUTO", "ANY", "NONE"]
    allowed_function_names: list[_Name] | None = None


class ToolConfig(_Strict, frozen=True):
    function_calling_config: FunctionCallingConfig


class ThinkingConfig(_Strict, frozen=True):
    thinking_level: Literal["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"] | None = None
    thinking_budget: Annotated[int, msgspec.Meta(ge=-1)] | None = None


class GenerationConfig(_Strict, frozen=True):
    max_output_tokens: _Count | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_k: _Count | None = None
    candidate_count: _Count | None = None
    stop_sequences: Annotated[list[_Filled], msgspec.Meta(max_length=5)] = []
    seed: _Int32 | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=1, le=20)] | None = None
    response_mime_type: Literal["text/plain", "application/json"] | None = None
    response_json_schema: dict[str, Any] | None = None
    thinking_config: ThinkingConfig | None = None


class Request(_Strict, frozen=True):
    contents: Annotated[list[Content], msgspec.Meta(min_length=1)]
    system_instruction: Content | None = None
    tools: list[Tool] = []
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig = GenerationConfig()
    service_tier: Literal["flex", "standard", "priority"] | None = None


def read_request(body: bytes) -> Request:
    """The request in a body. Raises ValueError for what the protocol does not take."""
    request = msgspec.json.decode(body, type=Request)
    for index, content in enumerate(request.contents):
        if (content.role == "user") != (index % 2 == 0):
            raise ValueError(f"contents[{index}]: roles must alternate, the user's first")
    if request.contents[-1].role == "model":
        raise ValueError("the last turn must be the user's")
    for content in (*request.contents, *filter(None, (request.system_instruction,))):
        for part in content.parts:
            _check_part(part, content.role)
    _check_config(request)
    _check_responses(request)
    return request


def _check_part(part: Part, role: str) -> None:
    if sum(value is not None for value in msgspec.structs.astuple(part)) != 1:
        raise ValueError("a part has one kind of data")
    if part.function_call is not None and role == "user":
        raise ValueError("a function call is the model's")
    if role == "model" and (part.function_response is not None or part.inline_data is not None):
        raise ValueError("a function response, or a picture, is the user's")


def _check_config(request: Request) -> None:
    config = request.generation_config
    if config.logprobs is not None and not config.response_logprobs:
        raise ValueError("logprobs needs responseLogprobs")
    if config.response_json_schema is not None and config.response_mime_type != "application/json":
        raise ValueError("responseJsonSchema needs responseMimeType")
    names = [declared.name for tool in request.tools for declared in tool.function_declarations]
    if len(set(names)) < len(names):
        raise ValueError("duplicate function declaration")
    calling = request.tool_config.function_calling_config if request.tool_config is not None else None
    if calling is not None and not names:
        raise ValueError("toolConfig without tools")
    allowed = calling.allowed_function_names if calling is not None else None
    if calling is not None and allowed and not (calling.mode == "ANY" and set(allowed) <= set(names)):
        raise ValueError("allowedFunctionNames: mode ANY, and names that are declared")


def _check_responses(request: Request) -> None:
    """As many function responses as calls, in the turn after them, and by their names."""
    asked: list[tuple[str | None, str]] = []
    for content in request.contents:
        given = [(x.id, x.name) for part in content.parts if (x := part.function_response) is not None]
        if sorted(given, key=str) != sorted(asked, key=str):
            raise ValueError("function responses must equal the function calls of the turn before")
        asked = [(call.id, call.name) for part in content.parts if (call := part.function_call) is not None]
