"""What an import brings into a run: items, requests as far as they are known, and how each of them ended."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from outputs.items import Item
from outputs.records import RequestLine
from providers.wire import Failure, Usage

ELSEWHERE = "imported"  # the provider of what no provider of the catalog is known to have answered
IMPORTED = "imported"  # the key of the metadata that says where a row is from
UNKNOWN_MODEL = "unknown"


@dataclass(frozen=True, slots=True)
class ImportedRequest:
    """A request as far as it is known. `body` is JSON bytes, `metadata` plain JSON values."""

    custom_id: str
    url: str
    provider: str
    model: str
    body: bytes
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ImportedAnswer:
    """An answer: its body as it came. `at` in seconds since 1970 UTC; None is for what nobody knows."""

    body: bytes
    at: float | None = None
    request_id: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    origin: Mapping[str, Any] | None = None  # to be said in the line's metadata, where the request's do not say it


@dataclass(frozen=True, slots=True)
class ImportedFailure:
    """A request that failed, and what came back."""

    failure: Failure
    raw: bytes = b""
    origin: Mapping[str, Any] | None = None


Settled = ImportedAnswer | ImportedFailure


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read: the rows in it, and the SHA-256 of its bytes in hex."""

    path: Path
    rows: int
    sha256: str
    holds: str = ""  # what it was taken for, where there are several kinds


@dataclass(slots=True)
class Found:
    """What reading came to, for the user: `left_out` counts by reason what did not become part of the run."""

    files: list[SourceFile] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


class Import(Protocol):
    """Results of one kind, read and checked. `items` and `requests` can be gone through again and come out the same."""

    @property
    def kind(self) -> str:
        """What the command calls it."""

    @property
    def job(self) -> str:
        """The job that the run folder says it is of, which is how it is analysed."""

    @property
    def found(self) -> Found:
        """What reading came to."""

    def items(self) -> Iterator[Item]:
        """What the rows are about."""

    def requests(self) -> Iterator[ImportedRequest]:
        """What was asked."""

    def settled(self, requests: Iterable[RequestLine]) -> Iterator[tuple[RequestLine, Settled]]:
        """How each of the requests of the run, in their order, ended; those with no result are passed over."""


def origin(file: Path, line: int | str, **more: Any) -> dict[str, Any]:
    """Where a row is from, for its metadata: the file as it was named, and the line (in a JSON object, the key)."""
    return {"source": str(file), "line" if isinstance(line, int) else "key": line, **more}
