"""One line of a log by its seq, decoded, found without reading the others."""

from pathlib import Path
from typing import TypeVar

import msgspec

from outputs.line_by_seq import line_by_seq

T = TypeVar("T")


def read_line(path: Path, seq: int, kind: type[T]) -> T | None:
    """The line with a seq, decoded; None where there is none. Raises OSError; msgspec's errors where it is damaged."""
    line = line_by_seq(path, seq) if path.exists() else None
    return None if line is None else msgspec.json.decode(line, type=kind)
