"""Readers of evaluation datasets: a file in, items out.

A file is checked whole before its first item comes out. Every fault is an `InputError` naming file, item and field.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from outputs.items import Item, Rating
from prompts.input_error import InputError
from prompts.toml_text import near_miss

MSVD_DIMENSIONS = ("accuracy", "completeness", "conciseness", "relevance", "average")


class _Object(dict[str, Any]):
    """A JSON object that remembers a key which its text has twice; a plain dict would drop the first value silently."""

    repeated: str | None = None


def _as_object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object()
    for key, value in pairs:
        if key in found:
            found.repeated = key
        found[key] = value
    return found


def read_msvd_eval(path: Path) -> Iterator[Item]:
    """Items of a file in the format of MSVD-Eval, in the file's order.

    The file is one JSON object: id -> {"vname", "ref": [caption], "candidate", "human_score": [row]}, with one row
    [accuracy, completeness, conciseness, relevance, mean] per annotator. Annotators are known by their place, "1", "2"
    and so on, so every item has the same number of rows. The optional key "ratings_kind" says what the ratings are,
    "human" where it is absent.
    """
    entries = _read_object(path)
    items = [_item(path, name, entry) for name, entry in entries.items()]
    annotators = len(items[0].ratings)
    for item in items:
        if len(item.ratings) != annotators:
            what = f"{len(item.ratings)} rows of ratings, but the first item has {annotators}"
            _refuse(path, f"{what}: annotators are known by their place", item.item, "human_score")
    return iter(items)


READERS: dict[str, Callable[[Path], Iterator[Item]]] = {"msvd-eval": read_msvd_eval}


def find_reader(name: str, spec: Path | str) -> Callable[[Path], Iterator[Item]]:
    """The reader `name`; `spec` is the file to blame in the InputError for an unknown one."""
    if name not in READERS:
        raise InputError(f"unknown reader {name!r}{near_miss(name, READERS)}", file=spec, field="dataset.reader")
    return READERS[name]


def _refuse(path: Path, message: str, item: str, *fields: str) -> NoReturn:
    raise InputError(message, file=path, field=".".join((f"item {item!r}", *fields)))


def _read_object(path: Path) -> _Object:
    found = _parse(path, _read_text(path))
    if not isinstance(found, _Object):
        raise InputError(f"one JSON object of items is expected, this is {_kind(found)}", file=path)
    if found.repeated is not None:
        _refuse(path, "the file has this item twice", found.repeated)
    if not found:
        raise InputError("holds no item", file=path)
    return found


def _read_text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8").removeprefix("\ufeff")
    except OSError as error:
        raise InputError(f"cannot read the dataset: {error.strerror}", file=path, field="dataset.path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}", file=path) from None
    if not text.strip():
        raise InputError("is empty", file=path)
    return text


def _parse(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_as_object)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg} (column {error.colno})", file=path, line=error.lineno) from None
    except (ValueError, RecursionError) as error:  # a number or a nesting beyond what Python reads
        raise InputError(f"not readable as JSON: {error}", file=path) from None


def _item(path: Path, name: str, entry: Any) -> Item:
    if not name.strip():
        _refuse(path, "an item's name is empty", name)
    if not isinstance(entry, _Object):
        _refuse(path, f"an object is expected, this is {_kind(entry)}", name)
    if entry.repeated is not None:
        _refuse(path, "the item has this key twice", name, entry.repeated)
    for key in ("vname", "ref", "candidate", "human_score"):
        if key not in entry:
            _refuse(path, "is missing", name, key)
    _text(path, entry["vname"], name, "vname")
    return Item(
        item=_text(path, name, name, "id"),
        candidate=_text(path, entry["candidate"], name, "candidate"),
        references=_references(path, entry["ref"], name),
        ratings=_ratings(path, entry["human_score"], name),
        ratings_kind=_text(path, entry.get("ratings_kind", "human"), name, "ratings_kind"),
    )


def _text(path: Path, value: Any, item: str, field: str) -> str:
    if not isinstance(value, str):
        _refuse(path, f"text is expected, this is {_kind(value)}", item, field)
    if not value.strip():
        _refuse(path, "is empty", item, field)
    if any("\ud800" <= character <= "\udfff" for character in value):
        _refuse(path, "has half of a surrogate pair, which is no character", item, field)
    return value


def _list(path: Path, value: Any, item: str, field: str) -> list[Any]:
    if not isinstance(value, list):
        _refuse(path, f"a list is expected, this is {_kind(value)}", item, field)
    if not value:
        _refuse(path, "is empty", item, field)
    return value


def _references(path: Path, value: Any, item: str) -> tuple[str, ...]:
    listed = _list(path, value, item, "ref")
    return tuple(_text(path, reference, item, f"ref[{place}]") for place, reference in enumerate(listed))


def _ratings(path: Path, value: Any, item: str) -> tuple[Rating, ...]:
    rows = _list(path, value, item, "human_score")
    return tuple(_rating(path, row, item, place) for place, row in enumerate(rows))


def _rating(path: Path, row: Any, item: str, place: int) -> Rating:
    field = f"human_score[{place}]"
    listed = _list(path, row, item, field)
    if len(listed) != len(MSVD_DIMENSIONS):
        wanted = f"{len(MSVD_DIMENSIONS)} ({', '.join(MSVD_DIMENSIONS)})"
        _refuse(path, f"{len(listed)} ratings where {wanted} are expected", item, field)
    numbers = [_number(path, number, item, f"{field}[{column}]") for column, number in enumerate(listed)]
    return Rating(str(place + 1), dict(zip(MSVD_DIMENSIONS, numbers, strict=True)))


def _number(path: Path, value: Any, item: str, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(path, f"a number is expected, this is {_kind(value)}", item, field)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        _refuse(path, "a finite number is expected", item, field)
    return number


def _kind(value: Any) -> str:
    names = {
        dict: "an object",
        _Object: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        type(None): "null",
    }
    return names.get(type(value), "a number")
