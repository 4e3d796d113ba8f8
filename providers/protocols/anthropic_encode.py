"""From chat completions to Anthropic's messages (the request types of its SDK 2.12).

What has no equal is an error. Kept by other means: `user` is `metadata.user_id`; `reasoning_effort` is the effort of
`output_config`, "none" disables thinking; the service tier "default" is "standard_only"; a JSON schema is always kept
to, strict or not, and its name, a label, goes. A temperature of 1 and a top_p of 1 are the defaults and are left out:
current API versions refuse them. `detail` is settled when a picture is prepared: its size is what is looked at.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from prompts.input_error import InputError
from providers.protocols.chat_body import (
    Chat,
    Function,
    JsonFormat,
    NamedTool,
    SchemaFormat,
    Tongue,
    answer_schema,
    schema_of,
)
from providers.protocols.chat_turns import Called, Piece, Returned, Said, Shown, Turn, read_turns

TONGUE = Tongue("Anthropic's messages", "/v1/messages")
SAMPLING = ("temperature", "top_p", "top_k")  # what API versions from 2026-10-21 on refuse
_DATA_URL = re.compile(r"data:image/(jpeg|png|gif|webp);base64,", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_CALL_ID = re.compile(r"[A-Za-z0-9_-]+")
_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
_CHOICES = {"none": "none", "auto": "auto", "required": "any"}


class _SchemaHead(msgspec.Struct, frozen=True):
    type: Literal["object"]


_schema_head = msgspec.json.Decoder(_SchemaHead)
_any_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def to_messages(chat: Chat, most_tokens: int) -> dict[str, Any]:
    """The body of a messages request, ready to be encoded; `most_tokens` is the most that the model can answer.

    Raises InputError for what cannot be said.
    """
    _refuse(chat)
    conversation = read_turns(chat.messages, TONGUE)
    said = {
        "model": chat.model,
        "max_tokens": chat.most_tokens() or most_tokens,
        "system": _texts(conversation.system) if conversation.system else None,
        "messages": [{"role": turn.role, "content": _content(turn)} for turn in conversation.turns],
        "temperature": None if chat.temperature == 1 else chat.temperature,
        "top_p": None if chat.top_p == 1 else chat.top_p,
        "top_k": chat.top_k,
        "stop_sequences": chat.stops() or None,
        "tools": [_tool(tool.function, f"tools[{i}].function") for i, tool in enumerate(chat.tools or ())] or None,
        "tool_choice": _tool_choice(chat),
        "output_config": _output_config(chat) or None,
        "thinking": {"type": "disabled"} if chat.reasoning_effort == "none" else None,
        "metadata": _metadata(chat),
        "service_tier": "standard_only" if chat.service_tier == "default" else None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _refuse(chat: Chat) -> None:
    if chat.n is not None and chat.n > 1:
        TONGUE.refuse("n", "a call gives one answer")
    if chat.seed is not None:
        TONGUE.refuse("seed")
    for name in ("presence_penalty", "frequency_penalty", "logprobs"):
        if getattr(chat, name):
            TONGUE.refuse(name)
    if chat.temperature is not None and chat.temperature > 1:
        TONGUE.refuse("temperature", "it ends at 1")
    if chat.service_tier not in (None, "auto", "default"):
        TONGUE.refuse("service_tier")
    if chat.reasoning_effort == "minimal":
        TONGUE.refuse("reasoning_effort", "it begins at low")


def _texts(texts: list[str]) -> str | list[dict[str, Any]]:
    return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    first = turn.pieces[0]
    return first.text if isinstance(first, Said) and len(turn.pieces) == 1 else [_block(piece) for piece in turn.pieces]


def _block(piece: Piece) -> dict[str, Any]:
    match piece:
        case Said(text):
            return {"type": "text", "text": text}
        case Shown():
            return {"type": "image", "source": _source(piece)}
        case Called(id, name, arguments, field):
            if not _CALL_ID.fullmatch(id):
                TONGUE.refuse(f"{field}.id", "an id is letters, digits, _ and -")
            return {"type": "tool_use", "id": id, "name": name, "input": arguments}
        case Returned(id, _, text):
            return {"type": "tool_result", "tool_use_id": id, "content": text}


def _source(picture: Shown) -> dict[str, str]:
    if found := _DATA_URL.match(picture.url):
        data = picture.url[found.end() :]
        return {"type": "base64", "media_type": f"image/{found[1].lower()}", "data": data}
    if not _ADDRESS.match(picture.url):
        TONGUE.refuse(picture.field, "a picture is a JPEG, PNG, GIF or WebP in base64, or an http address")
    if picture.detail == "low":
        TONGUE.refuse(picture.field.removesuffix("url") + "detail", "a picture at an address is seen at its own size")
    return {"type": "url", "url": picture.url}


def _tool(function: Function, field: str) -> dict[str, Any]:
    tool: dict[str, Any] = {"name": function.name, "input_schema": _parameters(function, f"{field}.parameters")}
    if function.description:
        tool["description"] = function.description
    if function.strict:
        tool["strict"] = True
    return tool


def _parameters(function: Function, field: str) -> msgspec.Raw:
    schema = schema_of(function.parameters, field)
    if schema is None or not _any_object.decode(schema):
        return _NO_PARAMETERS
    try:
        _schema_head.decode(schema)
    except msgspec.ValidationError:
        raise InputError('parameters are of "type": "object"', field=f"body.{field}.type") from None
    return schema


def _tool_choice(chat: Chat) -> dict[str, Any] | None:
    if not chat.tools:
        return None
    choice: dict[str, Any] = {"type": "auto"}
    if isinstance(chat.tool_choice, NamedTool):
        choice = {"type": "tool", "name": chat.tool_choice.function.name}
    elif chat.tool_choice is not None:
        choice = {"type": _CHOICES[chat.tool_choice]}
    if chat.parallel_tool_calls is False and choice["type"] != "none":
        return {**choice, "disable_parallel_tool_use": True}
    return None if chat.tool_choice is None else choice


def _output_config(chat: Chat) -> Mapping[str, Any]:
    config: dict[str, Any] = {}
    if isinstance(chat.response_format, JsonFormat):
        TONGUE.refuse("response_format.type", "an answer in JSON needs a json_schema")
    if isinstance(chat.response_format, SchemaFormat):
        schema = answer_schema(chat.response_format.json_schema, TONGUE)
        config["format"] = {"type": "json_schema", "schema": schema}
    if chat.reasoning_effort not in (None, "none"):
        config["effort"] = chat.reasoning_effort
    return config


def _metadata(chat: Chat) -> dict[str, str] | None:
    ids = {} if chat.user is None else {"user": chat.user}
    ids |= {f"metadata.{key}": value for key, value in (chat.metadata or {}).items()}
    for field, value in ids.items():
        if field not in ("user", "metadata.user_id"):
            TONGUE.refuse(field)
        if value != next(iter(ids.values())):
            raise InputError("is not what user is; give one of them", field=f"body.{field}")
    return {"user_id": next(iter(ids.values()))} if ids else None
