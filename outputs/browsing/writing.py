"""The files of a run's rows: the rows, what is searched of them, their longer texts, and how those are sorted."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from outputs.answers import iterate_items
from outputs.browsing.cells import CELLS, LINES, STARTS, CellWriter
from outputs.browsing.columns import BROWSE, NAME
from outputs.browsing.failure_places import FAILURES, write_failure_places
from outputs.browsing.gathering import TEXT, Gathering
from outputs.browsing.item_places import PLACES, write_item_places
from outputs.browsing.item_rows import item_parts
from outputs.browsing.searches import searches_of
from outputs.disk import Disk
from outputs.journal import Log
from outputs.tables.loading import LoadedRun
from outputs.tables.parquet import opened

ROWS, TEXTS, RANKS = f"{NAME}.parquet", "texts.parquet", "ranks.parquet"
FILES = (ROWS, TEXTS, RANKS, LINES, STARTS, PLACES, FAILURES)
RANKED = tuple(name for name in CELLS if name != "excerpt")
_GROUP = 16_384  # rows that are read at once


def write_files(run: LoadedRun, beside: Path, disk: Disk) -> None:
    """Make `FILES` in the folder `beside`, which is left with nothing else. Raises InputError or OSError."""
    rows: list[Path] = []
    texts: list[Path] = []
    with ExitStack() as stack:
        lines, starts = (stack.enter_context(opened(disk, beside / name)) for name in (LINES, STARTS))
        cells = CellWriter(lines, starts)
        for number, part in enumerate(_parts(run)):
            rows.append(_put(part.drop(TEXT), beside / f"rows.{number}.arrow", disk))
            texts.append(_put(part.select(TEXT), beside / f"texts.{number}.arrow", disk))
            cells.write(part)
    _complete(rows, disk)
    _sink(pl.scan_ipc(rows, glob=False).select(*BROWSE.columns), beside / ROWS, disk)
    _sink(pl.scan_ipc(texts, glob=False), beside / TEXTS, disk, compression="lz4")
    ranks = (pl.scan_ipc(rows, glob=False).select(pl.col(name).rank("dense").cast(pl.UInt32)) for name in RANKED)
    with opened(disk, beside / RANKS) as file:
        pl.concat([rank.collect() for rank in ranks], how="horizontal").write_parquet(file)
    with opened(disk, beside / PLACES) as file:
        write_item_places(run.folder / Log.ITEMS.file_name, file)
    with opened(disk, beside / FAILURES) as file:
        write_failure_places(run.folder / Log.ERRORS.file_name, file)
    for path in (*rows, *texts):
        path.unlink()


def _parts(run: LoadedRun) -> Iterator[pl.DataFrame]:
    if not run.counts.asked and not run.record.requests:
        return item_parts(run)
    return Gathering(run, {item.item: item.system for item in iterate_items(run.folder) if item.system}).parts()


def _complete(parts: list[Path], disk: Disk) -> None:
    """Have in the parts what rows of a search say of each other."""
    searches = searches_of(pl.scan_ipc(parts, glob=False))
    if searches is not None:
        for path in parts:
            part = pl.read_ipc(path)
            path.unlink()
            _put(searches.complete(part), path, disk)


def _put(frame: pl.DataFrame, path: Path, disk: Disk) -> Path:
    with opened(disk, path, sync=False) as file:
        frame.write_ipc(file, compression="uncompressed")
    return path


def _sink(rows: pl.LazyFrame, path: Path, disk: Disk, **options: str) -> None:
    with opened(disk, path) as file:
        rows.sink_parquet(file, row_group_size=_GROUP, **options)  # type: ignore[call-overload]
