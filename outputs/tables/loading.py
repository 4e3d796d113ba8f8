"""A run folder as tables: made, or taken as they are where the log has not grown since."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from outputs.answers import RowCounts, read_items
from outputs.items import Item
from outputs.run_record import RunRecord, read_run_record
from outputs.tables.columns import TABLES
from outputs.tables.made import read_made
from outputs.tables.making import make_tables
from prompts.input_error import InputError


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run with its tables. `record.simulated` holds also where only an answer or an item says so.

    `tables`: the parquet files by the names in `outputs.tables.columns.TABLES`; all of them, also where empty.
    `record.name` is what the run is called here; `renamed` where it calls itself otherwise.
    """

    folder: Path
    record: RunRecord
    counts: RowCounts
    tables: Mapping[str, Path]
    renamed: bool = False

    @property
    def name(self) -> str:
        """What pages and tables of an analysis call the run."""
        return self.record.name

    def scan(self, name: str) -> pl.LazyFrame:
        """A table, lazily; columns as in `outputs.tables.columns`."""
        table = pl.scan_parquet(self.tables[name], glob=False)
        return table.with_columns(run=pl.lit(self.name)) if self.renamed else table

    def items(self) -> dict[str, Item]:
        """What the rows are about, by id: read anew with each call."""
        return read_items(self.folder)


def folder_name(run: str) -> str:
    """A run's name as that of a folder: whatever the name is, it leads nowhere else, and no two are the same."""
    safe = re.sub(r"[^\w.-]", "_", run).strip(".")[:100]
    return safe if safe and safe == run else f"{safe}-{hashlib.sha256(run.encode()).hexdigest()[:8]}"


def load_run(folder: Path, out: Path | None = None, *, name: str | None = None) -> LoadedRun:
    """The run in `folder`, its tables in the folder's `tables`, or in `out`/NAME where `out` is given.

    `name` is what it is called here, in place of its own name. A run that is alive is taken as it is now.

    Raises InputError for what is no run, for a damaged log, and where the tables cannot be written; OSError where the
    disk is full.
    """
    record = read_run_record(folder)
    called = record.name if name is None else name
    place = folder / "tables" if out is None else out / folder_name(called)
    made = make_tables(folder, record, place)
    tables = {table: place / f"{table}.parquet" for table in TABLES}
    known = msgspec.structs.replace(record, name=called, simulated=made.simulated)
    return LoadedRun(folder, known, RowCounts(*made.counts), tables, called != record.name)


def tables_as_made(folder: Path, place: Path) -> LoadedRun:
    """The run in `folder` as the tables in `place` tell of it, whatever its log has come to since; under the name that
    it had. Raises InputError where there are none.
    """
    made = read_made(place)
    if made is None:
        raise InputError("is no folder of a run's tables", file=place)
    record = msgspec.structs.replace(read_run_record(folder), name=made.run, simulated=made.simulated)
    return LoadedRun(folder, record, RowCounts(*made.counts), {name: place / f"{name}.parquet" for name in TABLES})
