"""The lines of Anthropic's batches: `{custom_id, params}` in, `{custom_id, result}` out.

There is no such endpoint online: a message is made of the words that the chat endpoint would find for the same system
prompt and messages. Pictures are passed over.
"""

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson

from providers.simulator.answer import answer
from providers.simulator.asked import Asked
from providers.simulator.batches.records import Line, Made, Problem, Reading
from providers.simulator.chat import BadBodyError, read_chat, read_json, value_digest
from providers.simulator.draws import identifier as drawn_identifier
from providers.simulator.endpoint import SERVER_ERROR
from providers.simulator.personas import persona_of
from providers.simulator.settings import SimulatorSettings
from providers.simulator.tokens import SimulatedAnswer

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TYPES = {
    400: "invalid_request_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
}


class _Request(msgspec.Struct, frozen=True):
    custom_id: str
    params: dict[str, Any]


class _Create(msgspec.Struct, frozen=True):
    requests: Annotated[list[_Request], msgspec.Meta(min_length=1, max_length=100_000)]


def error_value(status: int, message: str) -> dict[str, Any]:
    """An error in Anthropic's shape."""
    return {"type": "error", "error": {"type": _TYPES[status], "message": message}, "request_id": None}


class AnthropicForm:
    """How Anthropic writes lines."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings

    def answer(self, data: bytes) -> Made:
        """A message, or the error that bad params get."""
        body_digest, params = read_json(orjson.dumps(orjson.loads(data)["params"]))
        try:
            asked = Asked(body_digest, read_chat(_as_chat(params)))
            persona_of(asked.chat.model).refuse(self._settings.seed, body_digest)
        except BadBodyError as problem:
            return Made(400, error_value(400, problem.message))
        seed = self._settings.seed
        made = answer(seed, asked.chat, body_digest, self._settings.answer_tokens)
        value = _message(asked, made, drawn_identifier(seed, body_digest, "message"))
        return Made(200, value, (asked.prompt_tokens, made.completion_tokens))

    def failure(self, status: int) -> Made:
        """A server's error or a limit."""
        return Made(status, error_value(status, SERVER_ERROR if status == 500 else "Too many at once."))

    def ran(self, identifier: str, custom_id: str, made: Made) -> tuple[bool, bytes]:
        """All results are in one file."""
        if made.status == 200:
            return True, _line(custom_id, {"type": "succeeded", "message": made.value})
        error = {**made.value, "request_id": f"req_{identifier}"}
        return False, _line(custom_id, {"type": "errored", "error": error})

    def unrun(self, _identifier: str, custom_id: str, /, *, expired: bool) -> bytes:
        """Expired or canceled, and nothing else."""
        return _line(custom_id, {"type": "expired" if expired else "canceled"})


def read_requests(uploaded: Path, path: Path) -> Reading:
    """Check the body of a creation, and write its requests to `path`, one a line."""
    reading = Reading()
    try:
        requests = msgspec.json.decode(uploaded.read_bytes(), type=_Create).requests
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # the last: it is nested too deep
        return Reading(problems=[Problem("invalid_request_error", str(error))])
    ids: set[str] = set()
    offset = 0
    with path.open("wb") as file:
        for place, request in enumerate(requests):
            wrong = _wrong(request, ids, place)
            if wrong is not None:
                return Reading(problems=[wrong])
            ids.add(request.custom_id)
            try:
                body_digest = value_digest(request.params)
            except orjson.JSONEncodeError as error:
                return Reading(problems=[Problem("invalid_request_error", f"requests.{place}.params: {error}")])
            size = file.write(orjson.dumps({"custom_id": request.custom_id, "params": request.params}) + b"\n")
            reading.lines.append(Line(request.custom_id, offset, size, body_digest))
            reading.tokens += _text_tokens(request.params)
            offset += size
    return reading


def _wrong(request: _Request, ids: set[str], place: int) -> Problem | None:
    field = f"requests.{place}.custom_id"
    if not _CUSTOM_ID.fullmatch(request.custom_id):
        return Problem("invalid_request_error", f"{field}: it must match ^{_CUSTOM_ID.pattern}$")
    if request.custom_id in ids:
        return Problem("invalid_request_error", f"{field}: it is that of an earlier request")
    return None


def _text_tokens(params: dict[str, Any]) -> int:
    try:
        return read_chat(_as_chat(params)).text_tokens()
    except BadBodyError:
        return 0  # it fails when its turn comes


def _as_chat(params: Any) -> Any:
    """Params as a body of the chat endpoint."""
    if not isinstance(params, dict) or not isinstance(params.get("messages"), list):
        return params
    if not isinstance(params.get("max_tokens"), int):
        raise BadBodyError("max_tokens: Field required", "max_tokens")
    system = [{"role": "system", "content": params["system"]}] if params.get("system") else []
    return {
        "model": params.get("model"),
        "messages": [*system, *params["messages"]],
        "max_tokens": params["max_tokens"],
        "stream": params.get("stream"),
    }


def _message(asked: Asked, made: SimulatedAnswer, id_: str) -> dict[str, Any]:
    [choice] = made.choices
    return {
        "id": f"msg_{id_}",
        "type": "message",
        "role": "assistant",
        "model": asked.chat.model,
        "content": [{"type": "text", "text": choice.text}],
        "stop_reason": "max_tokens" if choice.finish_reason == "length" else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": asked.prompt_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": made.completion_tokens,
            "service_tier": "batch",
        },
    }


def _line(custom_id: str, result: dict[str, Any]) -> bytes:
    return orjson.dumps({"custom_id": custom_id, "result": result})
