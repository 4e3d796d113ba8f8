"""Tables of any kind, row by row: JSON lines, CSV, TSV and Parquet. What is in the columns is the readers' business.

Every fault is an `InputError` naming the file, and the line or row.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, NoReturn

import orjson

from prompts.input_error import InputError
from prompts.toml_text import near_miss

_BOM = b"\xef\xbb\xbf"
_BATCH = 1_000  # rows of a Parquet file in memory at once

_LONGEST_VALUE = 1 << 30  # characters; the module's own limit is less than a long answer has


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number from 1, row by column) for every row of a table; values are JSON values. Raises InputError.

    The suffix says what the file is: `.jsonl`, `.ndjson` and `.json` have one object a line, and `.json` may be one
    list of objects instead; `.csv` and `.tsv` have a header, and all their values are text; `.parquet` is read in
    batches, its dates become ISO text and its NaN null. The number is the file's line, or the row's place in a list or
    a Parquet file. Blank lines are passed over.
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise InputError(f"the suffix {suffix!r} says nothing of what is in it{near_miss(suffix, _READERS)}", file=path)
    try:
        number = 0
        for number, row in _READERS[suffix](path):
            yield number, row
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", file=path) from None
    if not number:
        raise InputError("holds no row", file=path)


def _read_json(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """One list of objects, or one object a line."""
    with path.open("rb") as file:
        opening = file.read(4096).removeprefix(_BOM).lstrip()[:1]
    if opening != b"[":
        yield from _read_json_lines(path)
        return
    text = _decode(path, None, path.read_bytes().removeprefix(_BOM))
    for number, row in enumerate(parse_json(path, None, text), 1):
        yield number, _checked(path, number, row)


def _read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in _text_lines(path):
        if text.strip():
            yield number, _checked(path, number, parse_json(path, number, text))


def parse_json(path: Path, number: int | None, text: str, field: str | None = None) -> Any:
    """A JSON text from a file, without repeated keys or NaN. Raises InputError with this place."""
    try:
        return json.loads(text, object_pairs_hook=_as_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = error.lineno if number is None else number
        what = f"not JSON: {error.msg} (column {error.colno})"
        raise InputError(what, file=path, line=place, field=field) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not readable as JSON: {error}", file=path, line=number, field=field) from None


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = next(key for place, (key, _) in enumerate(pairs) if key in dict(pairs[:place]))
        raise ValueError(f"an object has the key {repeated!r} twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _checked(path: Path, number: int, row: Any) -> dict[str, Any]:
    """The row, where it is an object that can be written down again as it stands."""
    if not isinstance(row, dict):
        raise InputError("an object is expected: one column a key", file=path, line=number)
    for name, value in row.items():
        check_writable(path, number, ascii(name).strip("'"), {name: value})
    return row


def check_writable(path: Path, number: int | None, field: str, value: Any) -> None:
    """Raise InputError where a JSON value cannot be written down again as it stands."""
    try:
        orjson.dumps(value)
    except TypeError as error:  # half a surrogate pair, an integer of more than 64 bits, nested too deeply
        raise InputError(f"has no form in JSON: {error}", file=path, line=number, field=field) from None


def _read_delimited(path: Path, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows under a header; the number is that of the line a row begins on."""
    csv.field_size_limit(_LONGEST_VALUE)
    lines = csv.reader((text for _, text in _text_lines(path)), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    began = 1
    try:
        for values in lines:
            number, began = began, lines.line_num + 1
            if not values:
                continue
            if header is None:
                header = _check_header(path, number, values)
                continue
            if len(values) != len(header):
                what = f"{len(values)} values, but the header has {len(header)} columns"
                raise InputError(what, file=path, line=number)
            yield number, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise InputError(f"not readable: {error}", file=path, line=began) from None


def _check_header(path: Path, number: int, names: list[str]) -> list[str]:
    for place, name in enumerate(names):
        if not name.strip():
            raise InputError(f"column {place + 1} has no name in the header", file=path, line=number)
        if name in names[:place]:
            raise InputError("the header names this column twice", file=path, line=number, field=name)
    return names


def _text_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield number, _decode(path, number, line.removeprefix(_BOM) if number == 1 else line)


def _decode(path: Path, number: int | None, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        place = "" if number is None else " of the line"
        raise InputError(f"not UTF-8 at byte {error.start}{place}", file=path, line=number) from None


def _read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import polars
    from polars.exceptions import PanicException, PolarsError

    try:
        table = polars.scan_parquet(path, glob=False)
        columns = table.collect_schema().names()
        start, batch = 0, table.slice(0, _BATCH).collect()
        while batch.height:
            for number, row in enumerate(batch.iter_rows(), start + 1):
                yield (
                    number,
                    {name: _plain(path, number, name, value) for name, value in zip(columns, row, strict=True)},
                )
            start += batch.height
            batch = table.slice(start, _BATCH).collect()
    except (PolarsError, PanicException) as error:  # it panics over some damaged files
        what = str(error).partition("\n")[0]
        raise InputError(f"not readable as Parquet: {what}", file=path) from None


def _plain(path: Path, number: int, column: str, value: Any) -> Any:
    """A value of a Parquet file as a JSON value."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            raise InputError("an infinite number", file=path, line=number, field=column)
        return None if math.isnan(value) else value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(path, number, column, one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(path, number, column, one) for name, one in value.items()}
    what = f"{type(value).__name__} has no form in JSON; leave the column out, or write it as text"
    raise InputError(what, file=path, line=number, field=column)


_READERS: dict[str, Callable[[Path], Iterator[tuple[int, dict[str, Any]]]]] = {
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json,
    ".csv": lambda path: _read_delimited(path, ","),
    ".tsv": lambda path: _read_delimited(path, "\t"),
    ".parquet": _read_parquet,
}
