"""The lines of a log that are about one request, found without reading the log."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from outputs.line_by_seq import line_by_seq, offset_of_seq
from outputs.log_reader import read_lines

T = TypeVar("T")


def read_line(path: Path, seq: int, kind: type[T]) -> T | None:
    """The line with a seq, decoded; None where there is none. Raises OSError; msgspec's errors where it is damaged."""
    line = line_by_seq(path, seq) if path.exists() else None
    return None if line is None else msgspec.json.decode(line, type=kind)


def lines_about(path: Path, request: int, after: int) -> Iterator[bytes]:
    """The lines of a settlements' file that begin with this request, of those behind the seq `after`."""
    if not path.exists():
        return
    wanted = b'"request":%d,' % request
    for _, line in read_lines(path, offset_of_seq(path, after)):
        if wanted in line[:64]:
            yield line
