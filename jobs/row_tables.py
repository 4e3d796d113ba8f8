"""The reader "table": a table of any kind becomes items with its columns as fields, for prompts to be filled with."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from jobs.registry import DatasetSpec
from jobs.table_files import read_rows
from outputs.items import Item
from prompts.input_error import InputError
from prompts.toml_text import near_miss

ID = "id"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: `number` is its line or place in the file, if known, `columns` its values by column.

    `item` is its id, and `id_column` the column that has it, if one does.
    """

    path: Path
    number: int | None
    item: str
    columns: dict[str, Any]
    id_column: str | None = None

    def refuse(self, message: str, column: str | None = None) -> NoReturn:
        """Raise the InputError that names this row."""
        raise InputError(message, file=self.path, line=self.number, field=column)


def read_table(path: Path, spec: DatasetSpec) -> Iterator[Item]:
    """Items of a table, in its order; each column is a field. Raises InputError.

    `columns` gives fields names of their own: under `text = "summary"` the field `text` is the file's column `summary`,
    and goes over a column `text` that the file may have. An item's id is as in `read_identified`.
    """
    renamed = {field: column for field, column in spec.columns.items() if field != ID}
    for row in read_identified(path, spec):
        yield Item(item=row.item, fields=fields_of(row, renamed))


def fields_of(row: Row, renamed: Mapping[str, str], used: Collection[str] = ()) -> dict[str, Any]:
    """A row's columns as fields, some of them renamed (column by field), those in `used` left out."""
    for field, column in renamed.items():
        if column not in row.columns:
            row.refuse(f"the row has no such column{near_miss(column, row.columns)}", f"{column} (for {field})")
    gone = {*used, *renamed.values()}
    others = {name: value for name, value in row.columns.items() if name not in gone}
    return others | {field: row.columns[column] for field, column in renamed.items()}


def read_identified(path: Path, spec: DatasetSpec, usual: tuple[str, ...] = (ID,)) -> Iterator[Row]:
    """The rows of a table with their ids: the column that `columns.id` names, else the first of `usual` that is there.

    Where there is none, a row's number is its id. Raises InputError for an id that is missing, empty or there twice.
    """
    seen: dict[str, int] = {}
    for number, columns in read_rows(path):
        column = spec.columns.get(ID) or next((name for name in usual if name in columns), None)
        item = str(number) if column is None else _id(path, number, column, columns)
        row = Row(path, number, item, columns, column)
        if item in seen:
            row.refuse(f"the id {item!r} stands on line {seen[item]} already", column or ID)
        seen[item] = number
        yield row


def _id(path: Path, number: int, column: str, columns: dict[str, Any]) -> str:
    if column not in columns:
        what = f"the row has no such column, which has the ids{near_miss(column, columns)}"
        raise InputError(what, file=path, line=number, field=column)
    value = columns[column]
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InputError("an id is text or a whole number", file=path, line=number, field=column)
    if not str(value).strip():
        raise InputError("the id is empty", file=path, line=number, field=column)
    return str(value)
