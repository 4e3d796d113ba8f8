"""From chat completions to Gemini's generateContent (the request types of its SDK 3.4).

What has no equal is an error. Kept by other means: `reasoning_effort` is the thinking level, "none" a thinking budget
of 0; a tool's result is the `output` of its function response; a JSON schema is always kept to, strict or not, and its
name, a label, goes. Penalties of 0 are the default and are left out: some models refuse the very fields. `detail` is
settled when a picture is prepared: its size is what is looked at.
"""

import re
from typing import Any

import msgspec

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
from providers.protocols.paths import GENERATE_CONTENT

TONGUE = Tongue("Gemini's generateContent", GENERATE_CONTENT, blank_stops=True)
_DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]+);base64,", re.IGNORECASE)
_FUNCTION_START = re.compile(r"[A-Za-z_]")
_MOST_STOPS = 5
_ROLES = {"user": "user", "assistant": "model"}
_MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY"}
_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}
_JSON = "application/json"


def to_contents(chat: Chat) -> dict[str, Any]:
    """The body of a generateContent request, ready to be encoded. Raises InputError for what cannot be said."""
    _refuse(chat)
    conversation = read_turns(chat.messages, TONGUE)
    system = [{"text": text} for text in conversation.system]
    said = {
        "contents": [_content(turn) for turn in conversation.turns],
        "systemInstruction": {"role": "user", "parts": system} if system else None,  # the role is the SDK's
        "tools": [{"functionDeclarations": _functions(chat)}] if chat.tools else None,
        "toolConfig": _tool_config(chat),
        "serviceTier": _TIERS.get(chat.service_tier or ""),
        "generationConfig": _generation_config(chat) or None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _refuse(chat: Chat) -> None:
    if chat.user is not None:
        TONGUE.refuse("user")
    if chat.metadata:
        TONGUE.refuse("metadata")
    if chat.parallel_tool_calls is False:
        TONGUE.refuse("parallel_tool_calls", "several tools may be called at a time")
    if chat.reasoning_effort == "max":
        TONGUE.refuse("reasoning_effort", "it ends at xhigh")
    if chat.service_tier == "scale":
        TONGUE.refuse("service_tier")
    if chat.seed is not None and not -(2**31) <= chat.seed < 2**31:
        TONGUE.refuse("seed", "it is a number of 32 bits")
    if len(chat.stops()) > _MOST_STOPS:
        TONGUE.refuse("stop", f"it takes {_MOST_STOPS} at most")


def _content(turn: Turn) -> dict[str, Any]:
    return {"role": _ROLES[turn.role], "parts": [_part(piece) for piece in turn.pieces]}


def _part(piece: Piece) -> dict[str, Any]:
    match piece:
        case Said(text):
            return {"text": text}
        case Shown():
            return {"inlineData": _inline_data(piece)}
        case Called(id, name, arguments):
            return {"functionCall": {"id": id, "name": name, "args": arguments}}
        case Returned(id, name, text):
            return {"functionResponse": {"id": id, "name": name, "response": {"output": text}}}


def _inline_data(picture: Shown) -> dict[str, str]:
    found = _DATA_URL.match(picture.url)
    if found is None:
        TONGUE.refuse(picture.field, "it fetches no pictures (give a local file or a data URL in base64)")
    return {"mimeType": found[1].lower(), "data": picture.url[found.end() :]}


def _functions(chat: Chat) -> list[dict[str, Any]]:
    return [_function(tool.function, f"tools[{index}].function") for index, tool in enumerate(chat.tools or ())]


def _function(function: Function, field: str) -> dict[str, Any]:
    if not _FUNCTION_START.match(function.name):
        TONGUE.refuse(f"{field}.name", "a name begins with a letter or _")
    if function.strict:
        TONGUE.refuse(f"{field}.strict")
    declared: dict[str, Any] = {"name": function.name}
    if function.description:
        declared["description"] = function.description
    schema = schema_of(function.parameters, f"{field}.parameters")
    if schema is not None:
        declared["parametersJsonSchema"] = schema
    return declared


def _tool_config(chat: Chat) -> dict[str, Any] | None:
    if not chat.tools or chat.tool_choice is None:
        return None
    if isinstance(chat.tool_choice, NamedTool):
        config = {"mode": "ANY", "allowedFunctionNames": [chat.tool_choice.function.name]}
    else:
        config = {"mode": _MODES[chat.tool_choice]}
    return {"functionCallingConfig": config}


def _generation_config(chat: Chat) -> dict[str, Any]:
    config = {
        "maxOutputTokens": chat.most_tokens(),
        "temperature": chat.temperature,
        "topP": chat.top_p,
        "topK": chat.top_k,
        "candidateCount": chat.n,
        "stopSequences": chat.stops() or None,
        "seed": chat.seed,
        "presencePenalty": chat.presence_penalty or None,
        "frequencyPenalty": chat.frequency_penalty or None,
        "responseLogprobs": chat.logprobs or None,
        "logprobs": chat.top_logprobs or None,
        "thinkingConfig": _thinking_config(chat.reasoning_effort),
        **_response_format(chat),
    }
    return {key: value for key, value in config.items() if value is not None}


def _thinking_config(effort: str | None) -> dict[str, Any] | None:
    if effort is None:
        return None
    return {"thinkingBudget": 0} if effort == "none" else {"thinkingLevel": effort.upper()}


def _response_format(chat: Chat) -> dict[str, str | msgspec.Raw]:
    if isinstance(chat.response_format, JsonFormat):
        return {"responseMimeType": _JSON}
    if not isinstance(chat.response_format, SchemaFormat):
        return {}
    schema = answer_schema(chat.response_format.json_schema, TONGUE)
    return {"responseMimeType": _JSON, "responseJsonSchema": schema}
