"""TOML that a person wrote, read into typed records. Every fault is an `InputError` that names the line or the key."""

import difflib
import functools
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from prompts.input_error import InputError, split_fault

T = TypeVar("T", bound=msgspec.Struct)

_PLACE = re.compile(r"(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL)


def near_miss(word: str, known: Collection[str]) -> str:
    """`: did you mean X?` where one or two known words are close to `word`, else `: known here: X, Y`."""
    close = difflib.get_close_matches(word, known, n=2)
    if close:
        return f": did you mean {' or '.join(map(repr, close))}?"
    return f": known here: {', '.join(sorted(known)) or 'nothing'}"


def parse_toml(text: str, *, file: Path | str, lines_before: int = 0) -> dict[str, Any]:
    """Parse TOML. `lines_before` counts the lines of the file above `text`, so that errors name the file's own line."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise InputError("not TOML that can be read: nested too deeply", file=file) from None
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.fullmatch(str(error))
        if place is None:
            raise InputError(f"not TOML: {error}", file=file) from None
        line = int(place["line"]) if place["line"] else text.count("\n") + 1
        column = f" (column {place['column']})" if place["column"] else ""
        raise InputError(f"not TOML: {place['what']}{column}", file=file, line=lines_before + line) from None


def convert_table(table: Mapping[str, Any], kind: type[T], *, file: Path | str, within: str = "") -> T:
    """Read a table as a record of `kind`. Raises InputError naming a key that is unknown, missing or mistyped.

    `within` is the path of the table in its file, with the dot behind it.
    """
    _refuse_unknown_keys(table, kind, file, prefix=within)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        what, path = split_fault(str(error))
        raise InputError(what, file=file, field=within + path if path else within.rstrip(".") or None) from None


def _refuse_unknown_keys(table: Mapping[str, Any], kind: type[msgspec.Struct], file: Path | str, prefix: str) -> None:
    known = _keys_of(kind)
    for key, value in table.items():
        if key not in known:
            raise InputError(f"unknown key{near_miss(key, known)}", file=file, field=prefix + key)
        for inner in known[key]:
            if isinstance(value, dict):
                _refuse_unknown_keys(value, inner, file, prefix=f"{prefix}{key}.")
            for place, entry in enumerate(value if isinstance(value, list) else ()):
                if isinstance(entry, dict):
                    _refuse_unknown_keys(entry, inner, file, prefix=f"{prefix}{key}[{place}].")


@functools.cache
def _keys_of(kind: type[msgspec.Struct]) -> dict[str, list[type[msgspec.Struct]]]:
    """The keys of a record, and the records in the value of each. Kept: msgspec works the types out with each call."""
    return {field.encode_name: _records_in(field.type) for field in msgspec.structs.fields(kind)}


def _records_in(kind: Any) -> list[type[msgspec.Struct]]:
    """The record that values of this type are, or are made of: itself, optional, or in a list."""
    if get_origin(kind) is dict:
        return []
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [found for inner in get_args(kind) for found in _records_in(inner)]
