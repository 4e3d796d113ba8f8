"""Rows of a table of scores: which columns say what, and the value of a score with the place where it stands."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.caption_table import CaptionRow, ratings_of, references_of
from jobs.dataset_json import Value
from jobs.table_files import read_rows
from outputs.items import Item, Rating
from prompts.input_error import InputError
from prompts.toml_text import near_miss

ITEM, METRIC, VALUE, DIMENSION = "item", "metric", "value", "dimension"
_LONG = (METRIC, VALUE, DIMENSION)
_ABOUT = ("candidate", "references", "media", "ratings", "ratings_kind", "dataset", "system")
_ONE_OF_SEVERAL = re.compile(r"reference_\d+|ratings\.[^.]+(\.[^.]+)?")
_IDS = ("id", "image_id", "video_id", "image", "custom_id")  # what others call `item`, for a hint
TEXT_SUFFIXES = (".csv", ".tsv")  # in which a number is text


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A row under our names. `others` are the columns that are not ours, under theirs."""

    path: Path
    line: int
    columns: Mapping[str, Any]
    theirs: Mapping[str, str]  # what a column of ours is called in the file
    others: Mapping[str, Any]

    def value(self, name: str) -> Value:
        """A column, with its place."""
        held = self.columns[name] if name in self.columns else self.others.get(name)
        return Value(self.path, "", held, self.theirs.get(name, name), self.line)

    def is_empty(self, name: str) -> bool:
        """Whether nothing stands in the column, or there is none."""
        held = self.columns.get(name, self.others.get(name))
        return held is None or (isinstance(held, str) and not held.strip())

    def text(self, name: str) -> str:
        """A column as text that says something. Raises InputError; a whole number will do for a name."""
        value = self.value(name)
        whole = isinstance(value.value, int) and not isinstance(value.value, bool)
        return str(value.value) if whole else value.text()

    def number(self, name: str) -> float:
        """A column as a finite number: in CSV written out, elsewhere a number. Raises InputError."""
        value = self.value(name)
        return (value.decimal() if self.path.suffix.lower() in TEXT_SUFFIXES else value).number()

    def about(self) -> Item:
        """What the row says of its item, beside scores."""
        row = CaptionRow(self.path, self.line, {self.theirs.get(k, k): v for k, v in self.columns.items()}, _ours(self))
        kind = row.values.get("ratings_kind")
        return Item(
            item=self.text(ITEM),
            candidate="" if self.is_empty("candidate") else self.value("candidate").text(),
            references=references_of(row),
            ratings=tuple(Rating(annotator, scores) for annotator, scores in ratings_of(row).items()),
            media=None if self.is_empty("media") else self.value("media").text(),
            ratings_kind="human" if kind is None else kind.text(),
            dataset="" if self.is_empty("dataset") else self.text("dataset"),
            system="" if self.is_empty("system") else self.text("system"),
        )


def _ours(row: ScoreRow) -> dict[str, str]:
    return {name: column for name, column in row.theirs.items() if name in _ABOUT or _ONE_OF_SEVERAL.fullmatch(name)}


def read_score_rows(path: Path, renamed: Mapping[str, str]) -> Iterator[ScoreRow]:
    """The rows of a table; `renamed` says what columns of ours are called in it. Raises InputError."""
    _check_renamed(renamed)
    ours = {column: name for name, column in renamed.items()}
    if path.suffix.lower() == ".parquet":
        _refuse_nan(path, renamed.get(ITEM, ITEM))
    checked = False
    for line, row in read_rows(path):
        if not checked:
            _check_present(path, row, renamed)
            checked = True
        columns: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for column, value in row.items():
            name = ours.get(column, "" if column in renamed else column)
            (columns if _is_ours(name) else others)[name if _is_ours(name) else column] = value
        yield ScoreRow(path, line, columns, renamed, others)


def is_long(row: ScoreRow) -> bool:
    """Whether the table has one score a row, not one item."""
    return METRIC in row.columns or VALUE in row.columns


def _is_ours(name: str) -> bool:
    return name in (ITEM, *_LONG, *_ABOUT) or _ONE_OF_SEVERAL.fullmatch(name) is not None


def _check_renamed(renamed: Mapping[str, str]) -> None:
    known = [ITEM, *_LONG, *_ABOUT, "reference_1", "ratings.overall"]
    for name in renamed:
        if not _is_ours(name):
            raise InputError(f"{name!r} is no column of scores{near_miss(name, known)}", field="--column")
    columns = list(renamed.values())
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{twice!r} is named for two columns", field="--column")


def _check_present(path: Path, row: Mapping[str, Any], renamed: Mapping[str, str]) -> None:
    for name, column in renamed.items():
        if column not in row:
            raise InputError(
                f"the table has no such column (for {name}){near_miss(column, row)}", file=path, field=column
            )
    wanted: Sequence[str] = (ITEM,)
    if METRIC in row or VALUE in row or METRIC in renamed or VALUE in renamed:
        wanted = (ITEM, METRIC, VALUE)
    for name in wanted:
        if renamed.get(name, name) not in row:
            likely = next((one for one in _IDS if one in row), next(iter(row))) if name == ITEM else "COLUMN"
            what = f"the table has no such column; say which one it is: --column {name}={likely}"
            raise InputError(what, file=path, field=name)


def _refuse_nan(path: Path, item: str) -> None:
    """Raise InputError for NaN, which a Parquet file tells apart from a missing value."""
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    try:
        table = pl.scan_parquet(path, glob=False)
        floats = [name for name, kind in table.collect_schema().items() if kind.is_float()]
        for name in floats:
            found = table.select(pl.col(name).is_nan().fill_null(False).arg_max(), any=pl.col(name).is_nan().any())
            for place, any_nan in found.collect().iter_rows():
                if any_nan:
                    what = "NaN is no id" if name == item else "NaN is no score; leave the value out (null)"
                    raise InputError(what, file=path, line=place + 1, field=name)
    except (PolarsError, PanicException, OSError):
        return  # said by who reads the rows
