"""Where the lines of each request begin in errors.jsonl: its final failures, of which a retry may add more."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from outputs.browsing.places import offsets_of, write_places
from outputs.line_at import LinesAt
from outputs.log_reader import read_records

FAILURES = "errors.places"
T = TypeVar("T")


class _About(msgspec.Struct):
    request: int


def write_failure_places(errors: Path, file: BinaryIO) -> None:
    """Write the places of the lines of the file `errors`."""
    write_places(((line.request, offset) for offset, line in read_records(errors, _About)), file)


def lines_about(errors: Path, places: Path, request: int, kind: type[T]) -> Iterator[T]:
    """The lines about a request, decoded, in the order of the log. Raises OSError."""
    with LinesAt(errors, kind) as lines:
        for offset in reversed(offsets_of(places, request)):
            yield lines.read(offset)
