"""The numbers of a report's tables and figures as plain values: what the page keeps, and a check holds against."""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

from outputs.figures.parts import Column, Part, Section

MOST_LINES = 300  # of a table on the page
_LONGEST = 400  # characters of a text
_BEGINNING = 200


def numbers_of(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Every part of the sections: its columns, and the values of the lines that the page shows."""
    return [{"section": section.key, **_part(part)} for section in sections for part in section.parts]


def _part(part: Part) -> dict[str, Any]:
    keys = list(dict.fromkeys(key for column in part.columns for key in _keys(column)))
    lines = part.frame.select(keys).head(MOST_LINES)
    rows = [[_value(value) for value in line] for line in lines.iter_rows()]
    return {"part": part.name, "lines": part.frame.height, "columns": keys, "rows": rows}


def _keys(column: Column) -> list[str]:
    return [key for key in (column.key, column.low, column.high) if key is not None]


def _value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return shortened(str(value))


def shortened(text: str) -> str:
    """A text, or the beginning of a very long one with the digest of all of it."""
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:_BEGINNING]}… ({len(text):,} characters, sha256 {digest})"
