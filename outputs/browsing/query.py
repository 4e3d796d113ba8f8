"""What is asked of a run's rows, as text in an address and back: filters, order, and which part of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import polars as pl

from outputs.browsing.columns import BROWSE, FILTERED, SCORE_MAX, SCORE_MIN, SCORE_OF, SEARCH, SORTED, Filter, Value
from prompts.input_error import InputError
from prompts.toml_text import near_miss

MOST_ROWS = 500  # on one page
LONGEST_SEARCH = 1000  # characters
NOTHING = "()"  # how the value "" is written, for an empty form field means that there is no filter
_ESCAPE = "\\"
_ORDER = ("sort", "descending", "offset", "limit")
_MOST = 2**62
_TRUTH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class Query:
    """The rows that `filters` select, in the order of a column (of the requests where equal), from `offset` on."""

    filters: Filter = field(default_factory=dict)
    sort: str = "request"
    descending: bool = False
    offset: int = 0
    limit: int = 50


def parse_query(params: Mapping[str, str]) -> Query:
    """The query of an address. Empty values are as if they were not there.

    Raises InputError, naming the parameter, for what is no column, or no value of one.
    """
    said = {name: value for name, value in params.items() if value != ""}
    known = (*FILTERED, SCORE_MIN, SCORE_MAX, SCORE_OF, SEARCH)
    for name in said:
        if name not in known and name not in _ORDER:
            raise InputError(f"rows have no such column{near_miss(name, (*known, *_ORDER))}", field=name)
    sort = said.get("sort", "request")
    if sort not in SORTED:
        raise InputError(f"{sort!r} is no column to sort by{near_miss(sort, SORTED)}", field="sort")
    return Query(
        {name: _value(name, said[name]) for name in known if name in said},
        sort,
        _truth("descending", said["descending"]) if "descending" in said else False,
        _whole("offset", said.get("offset", "0"), 0, _MOST),
        _whole("limit", said.get("limit", "50"), 1, MOST_ROWS),
    )


def parameters(filters: Filter) -> str:
    """Filters as they stand in an address, behind its question mark: what `parse_query` reads back."""
    told = {name: value if name == SEARCH else written(value) for name, value in filters.items()}
    return urlencode(told, errors="replace")


def written(value: Value) -> str:
    """A value as one of an address or of a form; never empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    if value == "":
        return NOTHING
    return _ESCAPE + value if value == NOTHING or value.startswith(_ESCAPE) else value


def _value(name: str, text: str) -> Value:
    if name == SEARCH:
        return _searched(text)
    if name == SCORE_OF:
        return _read(text)
    if name in (SCORE_MIN, SCORE_MAX):
        return _number(name, text)
    dtype = BROWSE.columns[name].dtype
    if text == NOTHING or dtype == pl.String:
        return _read(text)
    if dtype == pl.Boolean:
        return _truth(name, text)
    return _whole(name, text, -_MOST, _MOST) if dtype == pl.Int64 else _number(name, text)


def _read(text: str) -> str:
    """A text as it was written."""
    return "" if text == NOTHING else _whole_characters(text.removeprefix(_ESCAPE))


def _searched(text: str) -> str:
    """What is searched for is what was typed: nothing in it is an escape."""
    if len(text) > LONGEST_SEARCH:
        raise InputError(f"a search has at most {LONGEST_SEARCH:,} characters, not {len(text):,}", field=SEARCH)
    return _whole_characters(text)


def _whole_characters(text: str) -> str:
    """Half a surrogate, which no row has, as a question mark."""
    return text.encode("utf-8", "replace").decode()


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{text!r} is no number", field=name)
    return number


def _whole(name: str, text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise InputError(f"{text!r} is no whole number", field=name) from None
    if not least <= number <= most:
        raise InputError(f"{number} is not within {least} to {most}", field=name)
    return number


def _truth(name: str, text: str) -> bool:
    found = _TRUTH.get(text.lower())
    if found is None:
        raise InputError(f"{text!r} is neither true nor false", field=name)
    return found
