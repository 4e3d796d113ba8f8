"""The longer texts of rows on disk, each row's found at once: a line of JSON a row, and where each line begins.

Parquet is read by thousands of rows; the rows of a page may stand anywhere among a million.
"""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import polars as pl

CELLS = ("custom_id", "item", "reason", "excerpt")
LINES, STARTS = "cells.jsonl", "cells.starts"
_START = np.dtype("<u8")
_decode = msgspec.json.Decoder(dict[str, str | None]).decode


class CellWriter:
    """Writes the cells of parts, one after the other, to two open files."""

    def __init__(self, lines: BinaryIO, starts: BinaryIO) -> None:
        self._lines, self._starts, self._end = lines, starts, 0
        starts.write(np.zeros(1, _START).tobytes())

    def write(self, part: pl.DataFrame) -> None:
        """The next rows. Raises OSError."""
        made = io.BytesIO()
        part.select(CELLS).write_ndjson(made)
        data = made.getvalue()
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")).astype(_START) + 1  # JSON escapes all others
        assert len(ends) == part.height, "a line a row"
        self._lines.write(data)
        self._starts.write((ends + self._end).astype(_START).tobytes())
        self._end += len(data)


def read_cells(folder: Path, places: Sequence[int]) -> list[dict[str, str | None]]:
    """The cells of the rows at these places. Raises OSError."""
    starts, lines = (os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC) for name in (STARTS, LINES))
    try:
        bounds = [np.frombuffer(os.pread(starts, 16, 8 * place), _START).tolist() for place in places]
        return [_decode(os.pread(lines, end - start, start)) for start, end in bounds]
    finally:
        os.close(starts)
        os.close(lines)
