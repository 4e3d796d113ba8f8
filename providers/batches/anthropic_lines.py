"""Lines of the results of message batches, as what a call would have brought (the types of Anthropic's SDK 2.12)."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from providers.batches.line_files import lines_of
from providers.batches.wire import Result

_STATUS = {
    "invalid_request_error": 400,
    "invalid_request": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_UNKNOWN_ERROR = 500
_NOT_RUN = {"canceled": 499, "expired": 408}  # no call answers so: the words of the result are its body
_BEGINS = re.compile(rb'\s*\{\s*"custom_id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')
_NONE = msgspec.Raw(b"")


class _Line(msgspec.Struct, frozen=True):
    custom_id: str
    result: msgspec.Raw


class _Result(msgspec.Struct, frozen=True):
    type: str
    message: msgspec.Raw = _NONE
    error: msgspec.Raw = _NONE


class _Error(msgspec.Struct, frozen=True):
    type: str


class _Envelope(msgspec.Struct, frozen=True):
    error: _Error
    request_id: str | None = None


_line = msgspec.json.Decoder(_Line)
_result = msgspec.json.Decoder(_Result)
_envelope = msgspec.json.Decoder(_Envelope)
_bare = msgspec.json.Decoder(_Error)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_results(path: Path) -> Iterator[Result]:
    """All lines of a file of results, in its order."""
    for line, whole in lines_of(path):
        yield read_result(line) if whole else _torn(line)


def read_result(line: bytes) -> Result:
    """One line; `torn` where it is none."""
    try:
        read = _line.decode(line)
        held = bytes(read.result)
        result = _result.decode(held)
    except _UNREADABLE:
        return _torn(line)
    if result.type in _NOT_RUN:
        return Result(read.custom_id, _NOT_RUN[result.type], held, ran=False)
    if result.type == "succeeded" and bytes(result.message):
        return Result(read.custom_id, 200, bytes(result.message))
    if result.type == "errored" and bytes(result.error):
        return _errored(read.custom_id, bytes(result.error))
    return Result(read.custom_id, body=line, torn=True)


def _errored(id_: str, error: bytes) -> Result:
    """The envelope that a call would have brought; older examples of the documentation have only its inner object."""
    try:
        envelope = _envelope.decode(error)
        return Result(id_, _STATUS.get(envelope.error.type, _UNKNOWN_ERROR), error, envelope.request_id)
    except _UNREADABLE:
        pass
    try:
        status = _STATUS.get(_bare.decode(error).type, _UNKNOWN_ERROR)
    except _UNREADABLE:
        status = _UNKNOWN_ERROR
    return Result(id_, status, b'{"type":"error","error":%b}' % error)


def _torn(line: bytes) -> Result:
    """A line that broke off still says whose it was, where it begins as theirs do."""
    begins = _BEGINS.match(line)
    return Result(None if begins is None else begins[1].decode(), body=line, torn=True)
