"""`requests.jsonl`: how a request becomes a line of it, and how a row is read back by its number."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
import orjson

from jobs.protocol import Request
from outputs.fold import RunState
from outputs.journal import Journal, Log
from outputs.records import RequestLine, RequestMetadata
from prompts.input_error import InputError
from providers.catalog import Catalog
from providers.media.preflight import Preflight
from providers.routing import Routed, route

_decode = msgspec.json.Decoder(RequestLine).decode
_stage = msgspec.json.Decoder(RequestMetadata)

_BLOCK_BYTES = 1 << 17


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row on its way into the log: the request's own fields, and where it goes."""

    custom_id: str
    url: str
    metadata: bytes | None
    routed: Routed
    after: int | None = None  # the seq of the settlement that a derived request follows from
    named: str | None = None  # the provider that the request itself names

    @property
    def key(self) -> bytes:
        """The row's identity."""
        return row_key(self.custom_id, self.routed.fingerprint)

    @property
    def stage(self) -> str:
        """The stage that its metadata names; empty where there is none."""
        return _stage.decode(self.metadata or b"{}").stage_name


def row_key(custom_id: str, fingerprint: str) -> bytes:
    """A row's identity as bytes: its id and the fingerprint of what is sent."""
    return f"{custom_id}\n{fingerprint}".encode()


def prepare(
    request: Request,
    catalog: Catalog,
    provider: str | None = None,
    after: int | None = None,
    preflight: Preflight | None = None,
) -> NewRow:
    """Check a request and find its lane. Raises InputError naming the field.

    `provider` overrides the request's own, which must be in the catalog all the same. `preflight` looks at its media.
    """
    if provider is not None and request.provider is not None:
        catalog.provider(request.provider)
    body = bytes(request.body) if isinstance(request.body, msgspec.Raw) else orjson.dumps(request.body)
    routed = route(request.url, provider or request.provider, body, catalog, preflight)
    return NewRow(request.custom_id, request.url, _metadata(request), routed, after, request.provider)


def _metadata(request: Request) -> bytes | None:
    given = request.metadata
    text = bytes(given) if isinstance(given, msgspec.Raw) else orjson.dumps(given)
    return None if text == b"null" else text


def request_line(row: NewRow) -> bytes:
    """The line of `requests.jsonl` for a row, from behind its `seq` on."""
    routed = row.routed
    return b'"custom_id":%b,"method":"POST","url":%b,"provider":%b,"model":%b,"fingerprint":"%b",%b%b"body":%b%b}' % (
        orjson.dumps(row.custom_id),
        orjson.dumps(row.url),
        orjson.dumps(routed.provider),
        orjson.dumps(routed.model),
        routed.fingerprint.encode(),
        b"" if row.after is None else b'"after":%d,' % row.after,
        b'"media":%b,' % msgspec.json.encode(routed.media) if routed.media else b"",
        routed.body,
        b"" if row.metadata is None else b',"metadata":' + row.metadata,
    )


class RequestsFile:
    """Reads rows by number, and appends the ones that come while a run goes on."""

    def __init__(self, folder: Path, state: RunState) -> None:
        path = folder / Log.REQUESTS.file_name
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", file=path) from None
        self._state = state
        self._end = os.fstat(self._fd).st_size
        self._block, self._block_start = b"", 0  # rows are mostly read in order: one system call for many

    def read(self, row: int) -> RequestLine:
        """The request of a row. Its line must have been written (not only appended)."""
        offsets = self._state.offsets
        start = offsets[row]
        end = start + self.size(row)
        block_end = self._block_start + len(self._block)
        if start < self._block_start or end > block_end:
            self._block = os.pread(self._fd, max(end - start, _BLOCK_BYTES), start)
            self._block_start = start
        return _decode(self._block[start - self._block_start : end - self._block_start])

    def size(self, row: int) -> int:
        """The bytes of a row's line."""
        offsets = self._state.offsets
        return (offsets[row + 1] if row + 1 < len(offsets) else self._end) - offsets[row]

    def append(self, row: NewRow, journal: Journal) -> tuple[int, int]:
        """Add a row to the log; returns (row, seq). It may be read once the seq is durable."""
        line = request_line(row)
        seq = journal.append(Log.REQUESTS, line)
        lane = self._state.lane_number(row.routed.provider, row.routed.model)
        stage = self._state.stage_number(row.stage)
        number = self._state.add_request(seq, self._end, lane, stage)
        self._end += len(b'{"seq":%d,' % seq) + len(line) + 1
        return number, seq

    def close(self) -> None:
        os.close(self._fd)
