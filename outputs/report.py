"""What `overnight analyze` makes of a run: tables, a page for the terminal, a document for programs."""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from outputs.disk import FULL, OsDisk
from prompts.input_error import InputError
from prompts.plain_text import plain_text


@dataclass(frozen=True, slots=True)
class Report:
    """`tables` by their file's name, `document` of plain JSON values, `page` for the terminal."""

    tables: Mapping[str, pl.DataFrame]
    document: Mapping[str, Any]
    page: RenderableType


def write_tables(tables: Mapping[str, pl.DataFrame], folder: Path) -> list[Path]:
    """Write tables to `folder`/tables as parquet and CSV, each file all or nothing; returns their paths.

    Raises InputError where they cannot be written, OSError where the disk is full.
    """
    place = folder / "tables"
    try:
        place.mkdir(parents=True, exist_ok=True)
        return [path for name, frame in tables.items() for path in _write(frame, place / name)]
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"cannot be written: {error.strerror}", file=place) from None


def _write(frame: pl.DataFrame, stem: Path) -> list[Path]:
    parquet, disk = io.BytesIO(), OsDisk()
    frame.write_parquet(parquet)
    files = {".parquet": parquet.getvalue(), ".csv": frame.write_csv().encode()}
    for suffix, data in files.items():
        disk.replace(stem.with_suffix(suffix), data)
    return [stem.with_suffix(suffix) for suffix in files]


def records(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """A table as plain JSON values: what is not defined is None."""
    return [
        {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
        for row in frame.iter_rows(named=True)
    ]


def count(frame: pl.DataFrame, column: str) -> dict[str, int]:
    """How often each value of a column occurs, the most frequent first."""
    counted = frame.drop_nulls(column).group_by(column).len().sort(["len", column], descending=[True, False])
    return dict(counted.iter_rows())


def page(title: str, shown: Iterable[Table], notes: Iterable[str]) -> RenderableType:
    """A page for the terminal. Texts from models and datasets are shown as they are, never as markup."""
    return Group(plain(title, style="bold"), *shown, *(plain(note) for note in notes))


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1) -> Table:
    """A table for the terminal; the first `words` columns are words, the others numbers."""
    made = Table(caption=plain(caption), box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, heading in enumerate(headings):
        made.add_column(heading, justify="left" if place < words else "right", overflow="fold")
    for row in rows:
        made.add_row(*(plain(str(cell)) for cell in row))
    return made


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Models by their names without the provider, as far as that tells them apart."""
    listed = list(names)
    bare = [name.partition("/")[2] or name for name in listed]
    return {name: short if bare.count(short) == 1 else name for name, short in zip(listed, bare, strict=True)}


def number(value: float | None, digits: int = 3) -> str:
    """A number, or n/a where it is not defined."""
    return "n/a" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share as a percentage."""
    return "n/a" if value is None or math.isnan(value) else f"{100 * value:.1f} %"


def plain(text: str, style: str = "") -> Text:
    """Text without markup; what cannot be printed (a terminal's control codes) is shown as an escape."""
    return Text(plain_text(text), style)
