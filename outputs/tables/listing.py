"""The tables of a run folder as they can be listed: what a row is, how many there are, what the columns mean."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from outputs.tables.columns import TABLES, Column
from outputs.tables.loading import LoadedRun
from prompts.input_error import InputError

_DERIVED = "computed by overnight analyze"


@dataclass(frozen=True, slots=True)
class ListedTable:
    """A table's file: `bytes` of it, and `row` in words. `columns` of a derived table have no meanings."""

    name: str
    row: str
    rows: int
    bytes: int
    path: Path
    columns: dict[str, Column]


def list_tables(run: LoadedRun) -> list[ListedTable]:
    """The tables of a run, and those that the analysis put beside them. Raises InputError where one is unreadable."""
    made = [_listed(path, TABLES[name].row, dict(TABLES[name].columns)) for name, path in run.tables.items()]
    return [*made, *_derived(next(iter(run.tables.values())).parent)]


def _derived(place: Path) -> Iterator[ListedTable]:
    for path in sorted(place.glob("*.parquet")):
        if path.stem not in TABLES:
            columns = {name: Column(dtype, "") for name, dtype in _scan(path).collect_schema().items()}
            yield _listed(path, _DERIVED, columns)


def _listed(path: Path, row: str, columns: dict[str, Column]) -> ListedTable:
    rows = _scan(path).select(pl.len()).collect().item()
    return ListedTable(path.stem, row, rows, path.stat().st_size, path, columns)


def _scan(path: Path) -> pl.LazyFrame:
    try:
        scan = pl.scan_parquet(path, glob=False)
        scan.collect_schema()
    except (pl.exceptions.PolarsError, OSError):
        raise InputError("not a table: delete it, it will be made anew", file=path) from None
    return scan
