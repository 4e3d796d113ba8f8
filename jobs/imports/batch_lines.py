"""Lines of batch results: the output and error files of OpenAI and Azure, and what vLLM's run-batch writes.

Each is `{"id", "custom_id", "response": {"status_code", "request_id", "body"}, "error"}`. What differs: Azure has the
keys in another order and a failed row's error in the body; OpenAI has `response: null` for what never ran; vLLM has a
failed row's error, an object or a sentence, beside a response without a body, and both kinds of row in one file.
"""

from pathlib import Path
from typing import Any

import msgspec
import orjson

from jobs.imports.half_surrogates import without_halves
from jobs.manifest import nesting
from outputs.records import NULL
from prompts.input_error import InputError, split_fault

VLLM = "vllm-"  # how the ids of its lines begin
_MOST_NESTED = 200


class BatchResponse(msgspec.Struct, frozen=True):
    """What came back over HTTP."""

    status_code: int = 200
    request_id: str | None = None
    body: msgspec.Raw = NULL


class BatchLine(msgspec.Struct, frozen=True):
    """One line; either `response` or `error` says something."""

    custom_id: str
    response: BatchResponse | None = None
    error: msgspec.Raw = NULL
    id: Any = None

    @property
    def failed(self) -> bool:
        """Whether the line itself says that there is no answer."""
        return self.response is None or not _is_null(self.error) or self.response.status_code != 200

    @property
    def by_vllm(self) -> bool:
        """Whether vLLM wrote it."""
        return isinstance(self.id, str) and self.id.startswith(VLLM)


_decode = msgspec.json.Decoder(BatchLine).decode


def read_batch_line(path: Path, number: int, text: bytes) -> BatchLine:
    """A line of a batch result, halves of surrogate pairs replaced. Raises InputError naming file, line and field."""
    text = without_halves(text)
    if text.count(b"[") + text.count(b"{") > _MOST_NESTED and nesting(text) > _MOST_NESTED:
        raise InputError(f"nested too deeply: {_MOST_NESTED} levels at most", file=path, line=number)
    try:
        line = _decode(text)
    except msgspec.ValidationError as error:
        fault, field = split_fault(str(error))
        raise InputError(_hint(text) or fault, file=path, line=number, field=field) from None
    except msgspec.DecodeError as error:
        raise InputError(f"not JSON: {_fault(text) or error}", file=path, line=number) from None
    if (what := _wrong(line, text)) is not None:
        raise InputError(what, file=path, line=number, field=None if line.custom_id.strip() else "custom_id")
    return line


def _wrong(line: BatchLine, text: bytes) -> str | None:
    if not line.custom_id.strip():
        return "is empty"
    if line.response is None and _is_null(line.error):
        return (
            _hint(text) or "has neither a response nor an error: a line of a batch's output or error file is expected"
        )
    return None


def _hint(text: bytes) -> str | None:
    """What a line is, where it is a well-known other thing."""
    try:
        keys = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).keys()
    except msgspec.MsgspecError:
        return None
    if {"url", "body"} <= keys and "response" not in keys:
        return "a request, not a result: the file that was sent goes to --manifest"
    if "result" in keys and "response" not in keys:
        return "a result of Anthropic's batches, which are not read here: OpenAI's, Azure's and vLLM's are"
    return None


def _fault(text: bytes) -> str | None:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"{error.msg} (column {error.colno})"
    return None


def _is_null(raw: msgspec.Raw) -> bool:
    return bytes(raw) == b"null"
