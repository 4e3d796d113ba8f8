"""Results of Gemini's batches: the answers inside a batch become lines of a file, and those what a call would have
brought.

A refused row is a google.rpc.Status: its code is gRPC's, and a call would have had the HTTP status of that code.
"""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from providers.batches.line_files import lines_of, one_line
from providers.batches.wire import Result

CANCELLED = 1
_CODES: dict[int, tuple[int, str]] = {  # google.rpc.Code: the HTTP status, the word
    1: (499, "CANCELLED"),
    2: (500, "UNKNOWN"),
    3: (400, "INVALID_ARGUMENT"),
    4: (504, "DEADLINE_EXCEEDED"),
    5: (404, "NOT_FOUND"),
    6: (409, "ALREADY_EXISTS"),
    7: (403, "PERMISSION_DENIED"),
    8: (429, "RESOURCE_EXHAUSTED"),
    9: (400, "FAILED_PRECONDITION"),
    10: (409, "ABORTED"),
    11: (400, "OUT_OF_RANGE"),
    12: (501, "UNIMPLEMENTED"),
    13: (500, "INTERNAL"),
    14: (503, "UNAVAILABLE"),
    15: (500, "DATA_LOSS"),
    16: (401, "UNAUTHENTICATED"),
}
_LARGEST_CODE = 99  # beyond are statuses of HTTP
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Status(msgspec.Struct, frozen=True):
    """A google.rpc.Status."""

    code: Any = None
    message: Any = None
    details: Any = None

    @property
    def http(self) -> tuple[int, bytes]:
        """(status, body) of the answer that a call refused for this would have had."""
        code = self.code if isinstance(self.code, int) else 2
        status, word = _CODES.get(code, (code if _LARGEST_CODE < code < 600 else 500, "UNKNOWN"))
        message = self.message if isinstance(self.message, str) else ""
        error = {"code": status, "message": message, "status": word}
        if isinstance(self.details, list):
            error["details"] = self.details
        return status, msgspec.json.encode({"error": error})


class Inlined(msgspec.Struct, frozen=True):
    """The answers inside a batch."""

    inlined: list[msgspec.Raw] = msgspec.field(name="inlinedResponses", default_factory=list)


class Output(msgspec.Struct, frozen=True):
    """Where a batch has its answers."""

    inlined: Inlined | None = msgspec.field(name="inlinedResponses", default=None)
    file: Any = msgspec.field(name="responsesFile", default=None)

    @property
    def lines(self) -> list[msgspec.Raw]:
        """The answers, each as it came."""
        return [] if self.inlined is None else self.inlined.inlined


class _Metadata(msgspec.Struct, frozen=True):
    output: Output | None = None


class _Whole(msgspec.Struct, frozen=True):
    """A batch, of which the answers stand in one place or in both."""

    metadata: _Metadata | None = None
    response: Output | None = None


class _Line(msgspec.Struct, frozen=True):
    metadata: Any = None
    response: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")


_whole = msgspec.json.Decoder(_Whole)
_line = msgspec.json.Decoder(_Line)
_status = msgspec.json.Decoder(Status)


def mapped(path: Path) -> Any:
    """The bytes of a file, which stay on disk; b"" where it has none."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else b""


def split(whole: Path, file: IO[bytes]) -> None:
    """Write the answers in a batch, which `whole` has as it came, as lines, those that are answers first.

    Raises ValueError where it holds none that can be read; OSError.
    """
    try:
        read = _whole.decode(mapped(whole))
    except UNREADABLE as error:
        raise ValueError(str(error)) from None
    places = [read.response, None if read.metadata is None else read.metadata.output]
    outputs = [output for output in places if output is not None]
    lines = next((output.lines for output in outputs if output.lines), [])
    if not lines and any(output.file for output in outputs):
        raise ValueError("its answers are in a file, where its requests were not")
    _write(lines, file)


def _write(lines: list[msgspec.Raw], file: IO[bytes]) -> None:
    later: list[int] = []
    for number, raw in enumerate(lines):
        line = one_line(bytes(raw))
        if _refused(line):
            later.append(number)
        else:
            file.write(line + b"\n")
    for number in later:
        file.write(one_line(bytes(lines[number])) + b"\n")


def _refused(line: bytes) -> bool:
    try:
        return not _is_there(_line.decode(line).response)
    except UNREADABLE:
        return True


def _is_there(raw: msgspec.Raw) -> bool:
    return bytes(raw) not in (b"", b"null")


def read_results(path: Path) -> Iterator[Result]:
    """All lines of a file that `split` has written, in its order."""
    for line, whole in lines_of(path):
        yield read_result(line) if whole else Result(None, body=line, torn=True)


def read_result(line: bytes) -> Result:
    """One line; `torn` where it is none."""
    try:
        read = _line.decode(line)
    except UNREADABLE:
        return Result(None, body=line, torn=True)
    key = read.metadata.get("key") if isinstance(read.metadata, dict) else None
    id_ = key if isinstance(key, str) else None
    if _is_there(read.response):
        return Result(id_, 200, bytes(read.response))
    if not _is_there(read.error):
        return Result(id_, body=line, torn=True)
    try:
        error = _status.decode(read.error)
    except UNREADABLE:
        error = Status(message=bytes(read.error).decode("utf-8", "replace"))
    status, body = error.http
    return Result(id_, status, body, ran=error.code != CANCELLED)
