"""The plain manifest: the OpenAI Batch input format, one request a line, checked whole before the first call.

Every error names file, line and field. Accepted besides plain JSONL: a byte order mark, CRLF and blank lines.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import orjson

from jobs.protocol import Answered, Expected, Failed, Request, RunReader, Verdict
from outputs.items import Item
from outputs.key_index import KeyIndex
from outputs.records import NULL
from prompts.input_error import InputError, split_fault
from prompts.toml_text import near_miss

_BOM = b"\xef\xbb\xbf"
_MOST_NESTED = 200  # far below what any decoder of a stored line can follow
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_BRACKETS = re.compile(rb"[\[\]{}]")


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    custom_id: str
    url: str
    body: msgspec.Raw
    method: str = "POST"
    provider: str | None = None
    metadata: msgspec.Raw = NULL


_decode = msgspec.json.Decoder(_Line).decode
_metadata = msgspec.json.Decoder(dict[str, Any])


def read_manifest(path: Path) -> Iterator[tuple[int, Request]]:
    """Yield (line number, request). Raises InputError at the first line that is wrong; ids are not compared here."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    with file:
        offset = 0
        for number, line in enumerate(file, 1):
            text = (line.removeprefix(_BOM) if number == 1 else line).strip()
            if text:
                yield number, _read_line(path, number, line, text, offset)
            offset += len(line)


def _read_line(path: Path, number: int, line: bytes, text: bytes, offset: int) -> Request:
    if not line.isascii():
        try:
            line.decode()
        except UnicodeDecodeError as error:
            place = offset + error.start
            raise InputError(f"not UTF-8 at byte {place} of the file", file=path, line=number) from None
    if text.count(b"[") + text.count(b"{") > _MOST_NESTED and nesting(text) > _MOST_NESTED:
        raise InputError(f"nested too deeply: {_MOST_NESTED} levels at most", file=path, line=number)
    try:
        read = _decode(text)
    except msgspec.DecodeError as error:
        if not isinstance(error, msgspec.ValidationError) or not _is_json(text):
            raise InputError(f"not JSON: {_what_is_no_json(text) or error}", file=path, line=number) from None
        what, field = split_fault(str(error))
        known = near_miss(field or "", _Line.__struct_fields__) if what == "unknown key" else ""
        known = known.replace(": known here", "; known here", 1)
        raise InputError(what + known, file=path, line=number, field=field) from None
    _check(read, path, number)
    return Request(
        custom_id=read.custom_id,
        url=read.url,
        method=read.method,
        body=read.body,
        provider=read.provider,
        metadata=read.metadata,
    )


def nesting(text: bytes) -> int:
    """How many objects and lists of a JSON text are open at most at once."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def _what_is_no_json(text: bytes) -> str | None:
    """What is wrong with a line, and where; orjson says it more plainly than the decoder."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"{error.msg} (column {error.colno})"
    return None


def _check(read: _Line, path: Path, number: int) -> None:
    if not read.custom_id.strip():
        raise InputError("is empty", file=path, line=number, field="custom_id")
    if read.method != "POST":
        raise InputError(f"{read.method!r}: only POST is sent", file=path, line=number, field="method")
    if read.metadata != NULL:
        try:
            _metadata.decode(read.metadata)
        except msgspec.MsgspecError as error:
            what, _ = split_fault(str(error))
            raise InputError(what, file=path, line=number, field="metadata") from None


class ManifestJob:
    """A manifest as a job: it only starts. Checks for repeated ids when the last line has been read."""

    name = "manifest"
    follows_up = False

    def __init__(self, path: Path | None, first: int | None = None) -> None:
        self._path = path
        self._first = first

    def items(self) -> Iterator[Item]:
        return iter(())

    def start(self, items: Iterable[Item]) -> Iterator[Request]:  # noqa: ARG002
        for _, request in self.numbered():
            yield request

    def numbered(self) -> Iterator[tuple[int, Request]]:
        """(line number, request) for every request. Raises InputError, for repeated ids after the last request."""
        if self._path is None:
            raise InputError("give the manifest again: the run folder alone does not hold what is missing")
        ids = KeyIndex()
        empty = True
        for number, request in islice(read_manifest(self._path), self._first):
            ids.add(request.custom_id.encode())
            empty = False
            yield number, request
        if empty:
            raise InputError("no requests in it: the file is empty", file=self._path)
        if rows := ids.repeated():
            self._report_duplicates(self._path, rows)

    @staticmethod
    def _report_duplicates(path: Path, rows: list[int]) -> None:
        """Raise for the first real duplicate among `rows`, whose hashes agree with an earlier row's."""
        suspects = set(rows)
        wanted = {request.custom_id for row, (_, request) in enumerate(read_manifest(path)) if row in suspects}
        first: dict[str, int] = {}
        for number, request in read_manifest(path):
            if request.custom_id not in wanted:
                continue
            if request.custom_id in first:
                message = f"{request.custom_id!r} stands on line {first[request.custom_id]} already"
                raise InputError(message, file=path, line=number, field="custom_id")
            first[request.custom_id] = number

    def expected(self, items: Iterable[Item]) -> Iterable[Expected]:  # noqa: ARG002
        return ()

    def notes(self) -> tuple[str, ...]:
        return ()

    def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterable[Request | Verdict]:  # noqa: ARG002
        return ()
