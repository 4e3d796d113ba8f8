"""The lines of OpenAI's batches: `{custom_id, method, url, body}` in, `{id, custom_id, response, error}` out.

A body gets the completion that the chat endpoint would give it. The codes of bad lines are as they are reported of
OpenAI's, not verified against it, as are those of lines whose turn never came.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from providers.simulator import bodies
from providers.simulator.batches.records import Line, Made, Problem, Reading
from providers.simulator.chat import BadBodyError, read_chat, read_json, value_digest
from providers.simulator.endpoint import SERVER_ERROR, completed
from providers.simulator.personas import persona_of
from providers.simulator.settings import SimulatorSettings
from providers.simulator.viewer import Viewer

MOST_LINES = 50_000
_FIELDS = (("custom_id", str), ("method", str), ("url", str), ("body", dict))
_UNRUN = {
    True: {
        "code": "batch_expired",
        "message": "This request could not be executed before the completion window expired.",
    },
    False: {"code": "batch_cancelled", "message": "This request was not executed before the batch was cancelled."},
}


class OpenAIForm:
    """How OpenAI writes lines."""

    def __init__(self, settings: SimulatorSettings, viewer: Viewer) -> None:
        self._settings = settings
        self._viewer = viewer

    def answer(self, data: bytes) -> Made:
        """The completion of a line's body, or the 400 that it would get online."""
        body_digest, body = read_json(orjson.dumps(orjson.loads(data)["body"]))
        try:
            chat = read_chat(body)
            persona_of(chat.model).refuse(self._settings.seed, body_digest)
            asked = self._viewer.look_at_once(body_digest, chat)
        except BadBodyError as problem:
            return Made(400, bodies.error(problem.message, "invalid_request_error", problem.param, problem.code))
        answer, value = completed(self._settings, asked)
        return Made(200, value, (asked.prompt_tokens, answer.completion_tokens))

    def failure(self, status: int) -> Made:
        """A server's error or a limit."""
        if status == 429:
            return Made(status, bodies.throttled("this model", "requests", self._settings.throttle_wait_s))
        return Made(status, bodies.error(SERVER_ERROR, "server_error"))

    def ran(self, identifier: str, custom_id: str, made: Made) -> tuple[bool, bytes]:
        """Only 200 goes to the output file."""
        response = {"status_code": made.status, "request_id": f"req_{identifier}", "body": made.value}
        return made.status == 200, _line(identifier, custom_id, response, None)

    def unrun(self, identifier: str, custom_id: str, *, expired: bool) -> bytes:
        """In the error file, without a response."""
        return _line(identifier, custom_id, None, _UNRUN[expired])


def read_input(path: Path, endpoint: str) -> Reading:
    """Read and check an input file, as OpenAI's validation does."""
    reading = Reading()
    ids: set[str] = set()
    for number, offset, data in _lines_of(path):
        problem = _read_line(reading, ids, offset, data, endpoint)
        if problem is not None:
            code, message, param = problem
            reading.problems.append(Problem(code, message, number, param))
    if not reading.lines and not reading.problems:
        reading.problems.append(Problem("empty_file", "The batch's input file has no requests."))
    if len(reading.lines) > MOST_LINES:
        reading.problems.append(Problem("too_many_tasks", f"A batch has at most {MOST_LINES:,} requests."))
    return reading


def _lines_of(path: Path) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    with path.open("rb") as file:
        for number, data in enumerate(file, 1):
            if data.strip():
                yield number, offset, data
            offset += len(data)


def _read_line(
    reading: Reading, ids: set[str], offset: int, data: bytes, endpoint: str
) -> tuple[str, str, str | None] | None:
    """Take a line, or say what is wrong with it: (code, message, param)."""
    try:
        value = orjson.loads(data)
        wrong = _wrong_fields(value, endpoint)
        if wrong is not None:
            return wrong
        body_digest = value_digest(value["body"])
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return "invalid_json_line", "This line is not parseable as valid JSON.", None
    custom_id, model = value["custom_id"], value["body"].get("model")
    if custom_id in ids:
        return "duplicate_custom_id", f"The custom_id {custom_id!r} is that of an earlier line.", "custom_id"
    ids.add(custom_id)
    if reading.lines and model != reading.model:
        return "model_mismatch", "The model is not that of the first line; a batch has one model.", "body.model"
    reading.model = model if isinstance(model, str) else None
    reading.tokens += _text_tokens(value["body"])
    reading.lines.append(Line(custom_id, offset, len(data), body_digest))
    return None


def _wrong_fields(value: Any, endpoint: str) -> tuple[str, str, str | None] | None:
    if not isinstance(value, dict):
        return "invalid_json_line", "This line is not a JSON object.", None
    for field, type_ in _FIELDS:
        if not isinstance(value.get(field), type_):
            return "missing_required_parameter", f"Missing required parameter: '{field}'.", field
    if value["method"] != "POST":
        return "invalid_method", "The method must be POST.", "method"
    if value["url"] != endpoint:
        return "url_mismatch", f"The url is not the batch's endpoint, {endpoint}.", "url"
    return None


def _text_tokens(body: dict[str, Any]) -> int:
    try:
        return read_chat(body).text_tokens()
    except BadBodyError:
        return 0  # it fails when its turn comes


def _line(identifier: str, custom_id: str, response: Any, error: Any) -> bytes:
    return orjson.dumps({"id": f"batch_req_{identifier}", "custom_id": custom_id, "response": response, "error": error})
