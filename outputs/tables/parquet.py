"""Writing a table that is larger than memory: rows are gathered into parts on disk, and the parts become one file.

Parts are plain Arrow files and are written by a thread while the next rows are read; joining them is polars' own
streaming scan and sink. A full disk is the OSError that it is, which polars alone would not tell.
"""

import gc
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import polars as pl
from polars.exceptions import PolarsError

from outputs.disk import Disk, LogFile
from outputs.tables.columns import MOMENT, TableSpec

PART_ROWS = 65_536
PART_BYTES = 32_000_000  # of text, roughly
Row = Sequence[Any]


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cycle collector: it would look at a million rows of plain values again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Written:
    """Rows that are in parts already."""

    parts: tuple[Path, ...]
    rows: int


class Parts:
    """The rows of one table on their way to `folder`/NAME.parquet. Use it from one thread."""

    def __init__(self, spec: TableSpec, folder: Path, disk: Disk, writer: ThreadPoolExecutor) -> None:
        self._spec, self._folder, self._disk, self._writer = spec, folder, disk, writer
        self._rows: list[Row] = []
        self._bytes = 0
        self._parts: list[Path] = []
        self._writing: Future[None] | None = None
        self.rows = 0

    @property
    def name(self) -> str:
        """The table's."""
        return self._spec.name

    def add(self, row: Row, size: int = 0) -> None:
        """The next row, with a value for each column; `size` is roughly its text's bytes. Raises OSError."""
        self._rows.append(row)
        self._bytes += size
        if len(self._rows) >= PART_ROWS or self._bytes >= PART_BYTES:
            self._write_part()

    def written(self) -> Written:
        """Have all rows so far in parts. Raises OSError."""
        self._flush()
        return Written(tuple(self._parts), self.rows)

    def adopt(self, others: Written) -> None:
        """Rows that somebody else has written, as the next ones. Raises OSError."""
        self._flush()
        self._parts += others.parts
        self.rows += others.rows

    def finish(self) -> Path:
        """Make the table's file of all rows; the writing thread may do that too. Raises OSError."""
        self._await()
        target = self._folder / f"{self._spec.name}.parquet"
        if not self._parts:
            frame = self._take()
            with opened(self._disk, target) as file:
                frame.write_parquet(file)
            return target
        self._flush()
        scan = pl.scan_ipc(self._parts, glob=False)
        with opened(self._disk, target) as file:
            scan.sink_parquet(file, row_group_size=max(1, -(-self.rows // len(self._parts))))
        for part in self._parts:
            part.unlink()
        return target

    def _write_part(self) -> None:
        self._await()
        self._writing = self._writer.submit(self._write, self._take(), self._next_part())

    def _flush(self) -> None:
        self._await()
        if self._rows:
            self._write(self._take(), self._next_part())

    def _next_part(self) -> Path:
        path = self._folder / f"{self._spec.name}.{len(self._parts)}.arrow"
        self._parts.append(path)
        return path

    def _write(self, frame: pl.DataFrame, path: Path) -> None:
        with opened(self._disk, path, sync=False) as file:
            frame.write_ipc(file, compression="uncompressed")

    def _await(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _take(self) -> pl.DataFrame:
        """The gathered rows as columns: a frame made of rows would cost ten times as much."""
        columns: Iterator[Sequence[Any]] = iter(zip(*self._rows, strict=True)) if self._rows else iter(())
        schema = self._spec.schema
        frame = pl.DataFrame([_series(name, next(columns, ()), dtype) for name, dtype in schema.items()])
        self.rows += frame.height
        self._rows, self._bytes = [], 0
        return frame


def _series(name: str, values: Sequence[Any], dtype: Any) -> pl.Series:
    if dtype == MOMENT:
        return pl.Series(name, values, pl.Int64).cast(MOMENT)
    return pl.Series(name, values, dtype)


class _File:
    """A file that polars writes to; keeps the error, of which polars tells only the words."""

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]  # type: ignore[arg-type]
        except OSError as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None: ...

    def read(self, _size: int = -1) -> bytes:
        raise OSError("only written")

    def seek(self, _offset: int, _whence: int = 0) -> int:
        raise OSError("only written to its end")


@contextmanager
def opened(disk: Disk, path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A new file to write a table to; with `sync`, on disk when the block ends. Raises OSError."""
    target = disk.append(path)
    file = _File(target)
    try:
        yield cast("BinaryIO", file)
        if sync:
            target.sync()
    except (PolarsError, OSError):
        if file.error is None:
            raise
        raise file.error from None
    finally:
        target.close()
