"""What readers of evaluation datasets share: one JSON object of items, each value with the place where it stands.

Every fault is an `InputError` naming file, item and field.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from prompts.input_error import InputError


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
    """One value of a file: `field` is its path within the item, empty for the item itself."""

    path: Path
    item: str
    value: Any
    field: str = ""

    def refuse(self, message: str) -> NoReturn:
        """Raise the InputError that names this value."""
        field = ".".join(part for part in (f"item {self.item!r}", self.field) if part)
        raise InputError(message, file=self.path, field=field)

    def key(self, name: str) -> "Value":
        """The value of a key of this object, which must have it."""
        value = self.optional(name)
        if value is None:
            self._at(name, None).refuse("is missing")
        return value

    def optional(self, name: str) -> "Value | None":
        """The value of a key of this object, or None."""
        if not isinstance(self.value, _Object):
            self.refuse(f"an object is expected, this is {_kind(self.value)}")
        if self.value.repeated is not None:
            self._at(self.value.repeated, None).refuse("the item has this key twice")
        return self._at(name, self.value[name]) if name in self.value else None

    def _at(self, name: str, value: Any) -> "Value":
        return Value(self.path, self.item, value, f"{self.field}.{name}" if self.field else name)

    def rows(self) -> "list[Value]":
        """The values of this list, which must not be empty."""
        if not isinstance(self.value, list):
            self.refuse(f"a list is expected, this is {_kind(self.value)}")
        if not self.value:
            self.refuse("is empty")
        return [Value(self.path, self.item, value, f"{self.field}[{place}]") for place, value in enumerate(self.value)]

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


def read_entries(path: Path) -> Iterator[Value]:
    """The items of a file, by its keys, in its order. Raises InputError for a file that is no object of items."""
    found = _parse(path, _read_text(path))
    if not isinstance(found, _Object):
        raise InputError(f"one JSON object of items is expected, this is {_kind(found)}", file=path)
    if found.repeated is not None:
        Value(path, found.repeated, None).refuse("the file has this item twice")
    if not found:
        raise InputError("holds no item", file=path)
    for name, entry in found.items():
        if not name.strip():
            Value(path, name, None).refuse("an item's name is empty")
        Value(path, name, name, "id").text()
        yield Value(path, name, entry)


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
