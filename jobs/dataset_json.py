"""What readers of evaluation datasets share: values, each with the place where it stands, of JSON files and of rows.

Every fault is an `InputError` naming the file, the item or line, and the field.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from prompts.input_error import InputError

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


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


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a file: `field` is its path within the item, empty for the item itself.

    `item` is empty where the value is not within an item that has a name; `line` is the line or row that it stands on,
    where it is known.
    """

    path: Path
    item: str
    value: Any
    field: str = ""
    line: int | None = None

    def refuse(self, message: str) -> NoReturn:
        """Raise the InputError that names this value."""
        item = f"item {self.item!r}" if self.item else ""
        field = ".".join(part for part in (item, self.field) if part)
        raise InputError(message, file=self.path, line=self.line, field=field or None)

    def key(self, name: str) -> "Value":
        """The value of a key of this object, which must have it."""
        value = self.optional(name)
        if value is None:
            self._at(name, None).refuse("is missing")
        return value

    def optional(self, name: str) -> "Value | None":
        """The value of a key of this object, or None."""
        if not isinstance(self.value, dict):
            self.refuse(f"an object is expected, this is {_kind(self.value)}")
        if isinstance(self.value, _Object) and self.value.repeated is not None:
            self._at(self.value.repeated, None).refuse("the item has this key twice")
        return self._at(name, self.value[name]) if name in self.value else None

    def _at(self, name: str, value: Any) -> "Value":
        return Value(self.path, self.item, value, f"{self.field}.{name}" if self.field else name, self.line)

    def entries(self) -> "Iterator[tuple[str, Value]]":
        """The values of this object, which must not be empty, by name."""
        if not isinstance(self.value, dict):
            self.refuse(f"an object is expected, this is {_kind(self.value)}")
        if not self.value:
            self.refuse("is empty")
        return ((name, self.key(name)) for name in self.value)

    def parsed(self) -> "Value":
        """This value, or what it is the JSON of, where it is text."""
        if not isinstance(self.value, str):
            return self
        try:
            found = json.loads(self.value, object_pairs_hook=_as_object)
        except (ValueError, RecursionError) as error:
            self.refuse(f"JSON is expected: {error}")
        return Value(self.path, self.item, found, self.field, self.line)

    def rows(self) -> "list[Value]":
        """The values of this list, which must not be empty."""
        if not isinstance(self.value, list):
            self.refuse(f"a list is expected, this is {_kind(self.value)}")
        if not self.value:
            self.refuse("is empty")
        return [
            Value(self.path, self.item, value, f"{self.field}[{place}]", self.line)
            for place, value in enumerate(self.value)
        ]

    def text(self) -> str:
        """This value as text that says something."""
        if not isinstance(self.value, str):
            self.refuse(f"text is expected, this is {_kind(self.value)}")
        if not self.value.strip():
            self.refuse("is empty")
        if any("\ud800" <= character <= "\udfff" for character in self.value):
            self.refuse("has half of a surrogate pair, which is no character")
        return self.value

    def number(self) -> float:
        """This value as a finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.refuse(f"a number is expected, this is {_kind(self.value)}")
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.refuse("a finite number is expected")
        return number

    def decimal(self) -> "Value":
        """This value, or the number that its text spells, for files where all is text."""
        if not isinstance(self.value, str):
            return self
        if not _DECIMAL.fullmatch(self.value.strip()):
            self.refuse(f"a number is expected, not {self.value!r}")
        return Value(self.path, self.item, float(self.value), self.field, self.line)

    def within(self, lowest: float, highest: float) -> float:
        """This value as a rating on a scale, its ends included."""
        number = self.number()
        if not lowest <= number <= highest:
            self.refuse(f"a rating from {lowest:g} to {highest:g} is expected, not {self.value!r}")
        return number


def read_entries(path: Path) -> Iterator[Value]:
    """The items of a file, by its keys, in its order. Raises InputError for a file that is no object of items."""
    found = _parse(path, read_text(path))
    if not isinstance(found, _Object):
        raise InputError(f"one JSON object of items is expected, this is {_kind(found)}", file=path)
    if found.repeated is not None:
        Value(path, found.repeated, None).refuse("the file has this item twice")
    if not found:
        raise InputError("holds no item", file=path)
    for name, entry in found.items():
        if not name.strip():
            raise InputError("an item's name is empty", file=path, field=f"item {name!r}")
        Value(path, name, name, "id").text()
        yield Value(path, name, entry)


def read_document(path: Path) -> Value:
    """The one JSON value that a file holds. Raises InputError."""
    return Value(path, "", _parse(path, read_text(path)))


def read_text(path: Path) -> str:
    """A file of UTF-8, without its byte order mark. Raises InputError, also where nothing is in it."""
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
