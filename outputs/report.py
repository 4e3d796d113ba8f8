"""What `overnight analyze` makes of a run: tables, a page for the terminal, a document for programs."""

import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from outputs.disk import FULL, OsDisk
from prompts.input_error import InputError
from prompts.plain_text import plain_text

LONGEST_NAME = 60  # characters of a model's name on a page; tables and documents have all of it
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Report:
    """`tables` by their file's name, `document` of plain JSON values, `page` for the terminal."""

    tables: Mapping[str, pl.DataFrame]
    document: Mapping[str, Any]
    page: RenderableType


def write_tables(tables: Mapping[str, pl.DataFrame], folder: Path, by: str = "analyze") -> list[Path]:
    """Write tables to `folder`/tables as parquet and CSV, each file all or nothing; returns their paths.

    What is not defined is null there. Tables that the command `by` wrote there before, and did not make now, go.
    Raises InputError where they cannot be written, OSError where the disk is full.
    """
    place = folder / "tables"
    try:
        place.mkdir(parents=True, exist_ok=True)
        written = [path for name, frame in tables.items() for path in _write(frame.fill_nan(None), place / name)]
        _replace_earlier(place / f"{by}.json", {path.name for path in written})
        return written
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"cannot be written: {error.strerror}", file=place) from None


def _replace_earlier(listed: Path, written: set[str]) -> None:
    """Delete the files that an earlier list names and the new one does not, and put the new list in its place."""
    try:
        earlier = set(orjson.loads(listed.read_bytes()))
    except (OSError, ValueError, TypeError):
        earlier = set()
    for name in earlier - written:
        if isinstance(name, str) and name == Path(name).name:
            (listed.parent / name).unlink(missing_ok=True)
    OsDisk().replace(listed, orjson.dumps(sorted(written)))


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
        {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
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
        made.add_column(_heading(heading), justify="left" if place < words else "right", overflow="fold")
    for row in rows:
        made.add_row(*(plain(str(cell)) for cell in row))
    return made


def _heading(text: str) -> Text:
    """Without markup: a dataset may be called anything. Line breaks are ours."""
    return Text("\n").join(plain(line) for line in text.split("\n"))


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Models by their names without the provider, as far as that tells them apart; long ones as `cut_names` does."""
    listed = list(names)
    bare = [name.partition("/")[2] or name for name in listed]
    used = Counter(bare) + Counter(name for name in listed if "/" in name)
    short = [one if used[one] == 1 else name for name, one in zip(listed, bare, strict=True)]
    cut = cut_names(short)
    return {name: cut[one] for name, one in zip(listed, short, strict=True)}


def cut_names(names: Iterable[str]) -> dict[str, str]:
    """Names for a page, at most `LONGEST_NAME` characters; those that would be the same then end in a digest."""
    listed = list(dict.fromkeys(names))
    cut = {name: name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in listed}
    used = Counter(cut.values())
    return {name: short if used[short] == 1 else _digested(name) for name, short in cut.items()}


def _digested(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{name[: LONGEST_NAME - _DIGITS - 1]}…{digest}"


def numbered(number: int, what: str) -> str:
    """1 template, 2 templates."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def number(value: float | None, digits: int = 3) -> str:
    """A number, or n/a where it is not defined."""
    return "n/a" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def measure(value: float | None, digits: int = 3) -> str:
    """A number of a quantity on any scale: what is huge or tiny with its power of ten, n/a where it is not defined."""
    usual = value is None or math.isnan(value) or value == 0 or 1e-3 <= abs(value) < 1e6
    return number(value, digits) if usual else f"{value:.{digits - 1}g}"


def percent(value: float | None) -> str:
    """A share as a percentage."""
    return "n/a" if value is None or math.isnan(value) else f"{100 * value:.1f} %"


def plain(text: str, style: str = "") -> Text:
    """Text without markup; what cannot be printed (a terminal's control codes) is shown as an escape."""
    return Text(plain_text(text), style)
