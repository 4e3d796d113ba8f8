"""Values as a person reads them in a table: rounded, with their unit and their interval, n/a where not defined."""

import math
from collections.abc import Mapping
from typing import Any

from outputs.figures.parts import Column, Kind
from outputs.report import measure, number, percent
from prompts.plain_text import plain_text

NOT_DEFINED = "n/a"
_SMALLEST_P = 0.001


def written(column: Column, row: Mapping[str, Any]) -> str:
    """A row's value of a column, with its interval where the column has one. Texts are made safe to show."""
    value = _one(column, row[column.key])
    if column.low is None or column.high is None or value == NOT_DEFINED:
        return value
    low, high = _end(column, row[column.low]), _end(column, row[column.high])
    return value if NOT_DEFINED in (low, high) else f"{value} [{low}, {high}]"


def _end(column: Column, value: Any) -> str:
    """An end of an interval: with the digits of what stands before it."""
    if column.kind is Kind.NUMBER and value is not None and abs(value) < 1:
        return number(value, column.digits)
    return _one(column, value)


def _one(column: Column, value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "" if column.kind is Kind.TEXT else NOT_DEFINED
    match column.kind:
        case Kind.TEXT:
            return plain_text(_text(value))
        case Kind.COUNT:
            return f"{value:,.0f}"
        case Kind.PERCENT:
            return percent(value) if column.digits in (1, 3) else f"{100 * value:.{column.digits}f} %"
        case Kind.USD:
            return dollars(value)
        case Kind.SECONDS:
            return f"{measure(value, min(column.digits, 2))} s"
        case Kind.P:
            return f"< {_SMALLEST_P}" if value < _SMALLEST_P else f"{value:.3f}"
        case Kind.NUMBER:
            return measure(value, column.digits)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def dollars(usd: float) -> str:
    """Cents from a dollar on; below, as many decimals as it takes to tell the amount from nothing."""
    if usd >= 1 or usd == 0:
        return f"${usd:,.2f}"
    return f"${usd:.4f}" if usd >= 0.001 else f"${usd:.9f}".rstrip("0")
