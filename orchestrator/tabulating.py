"""`overnight tables`: the tables of runs are made, if need be, and listed."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.tables_place import tables_place
from prompts.input_error import InputError

if TYPE_CHECKING:
    from outputs.tables.listing import ListedTable
    from outputs.tables.loading import LoadedRun


def tables_command(
    folders: Sequence[Path], *, columns: str | None = None, out: Path | None = None, as_json: bool = False
) -> None:
    """Make the tables of runs and list them, or the columns of the table `columns`.

    Raises InputError for what is no run, where tables cannot be written, and for a table that there is none of.
    """
    from outputs.tables.listing import list_tables
    from outputs.tables.several import load_runs

    listed = [(run, list_tables(run)) for run in load_runs(folders, tables_place(out, folders))]
    if columns is not None:
        listed = [(run, [_find(tables, columns)]) for run, tables in listed]
    if as_json:
        document = [_run_json(run, tables) for run, tables in listed]
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    console = Console()
    for run, tables in listed:
        for part in _columns_page(run, tables[0]) if columns is not None else _page(run, tables):
            console.print(part, soft_wrap=isinstance(part, Text))  # a path is not broken


def _find(tables: Sequence["ListedTable"], name: str) -> "ListedTable":
    found = next((table for table in tables if table.name == name), None)
    if found is None:
        there = ", ".join(table.name for table in tables)
        raise InputError(f"no table {name!r}; there are {there}", field="--columns")
    return found


def _page(run: "LoadedRun", tables: Sequence["ListedTable"]) -> Iterator[Table | Text]:
    from outputs.report import plain
    from outputs.report import table as shown

    rows = [(table.name, table.row, f"{table.rows:,}", _size(table.bytes)) for table in tables]
    yield plain(f"{run.name}: {tables[0].path.parent}/TABLE.parquet")
    yield shown("", ("table", "a row is", "rows", "size"), rows, words=2)


def _columns_page(run: "LoadedRun", table: "ListedTable") -> Iterator[Table | Text]:
    from outputs.report import plain
    from outputs.report import table as shown

    rows = [(name, _type(column.dtype), column.unit, column.meaning) for name, column in table.columns.items()]
    yield plain(f"{run.name}: {table.path}")
    yield plain(f"{table.rows:,} rows; a row is {table.row}")
    yield shown("", ("column", "type", "unit", "meaning"), rows, words=4)


def _run_json(run: "LoadedRun", tables: Sequence["ListedTable"]) -> dict[str, Any]:
    return {
        "run": run.name,
        "folder": str(run.folder),
        "simulated": run.record.simulated,
        "tables": [_table_json(table) for table in tables],
    }


def _table_json(table: "ListedTable") -> dict[str, Any]:
    columns = [
        {"name": name, "type": _type(column.dtype), "unit": column.unit, "meaning": column.meaning}
        for name, column in table.columns.items()
    ]
    about = {"name": table.name, "row": table.row, "rows": table.rows, "bytes": table.bytes}
    return {**about, "path": str(table.path), "columns": columns}


def _type(dtype: object) -> str:
    """A column's type in one word or two: Datetime is in UTC."""
    text = str(dtype)
    return "Datetime" if text.startswith("Datetime") else text


def _size(count: int) -> str:
    """Bytes in kB up to a megabyte, then in MB."""
    return f"{count / 1e6:,.1f} MB" if count >= 1_000_000 else f"{count / 1e3:,.1f} kB"
