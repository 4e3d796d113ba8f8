"""The lines of the table of rows: which columns it has, what their headings do, and how each cell is written."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.amounts import money
from orchestrator.viewing.excerpts import short
from orchestrator.viewing.open_rows import Menus
from orchestrator.viewing.row_query import address, behind
from outputs.browsing.columns import SCORE_OF, SORTED
from outputs.browsing.index import RowPage
from outputs.browsing.query import Query

NONE, UNKNOWN = "–", "n/a"
SHOWN = {  # the columns of the table, those that say nothing left out; and whether they are numbers
    "custom_id": ("row", False),
    "model": ("model", False),
    "lane": ("asked of", False),
    "stage": ("stage", False),
    "dataset": ("dataset", False),
    "field": ("field", False),
    "language": ("language", False),
    "operator": ("operator", False),
    "iteration": ("iteration", True),
    "state": ("state", False),
    "outcome": ("outcome", False),
    "conflict": ("conflict", False),
    "score": ("score", True),
    "dimension": ("dimension", False),
    "cost_usd": ("cost", True),
    "latency_s": ("latency", True),
    "attempts": ("attempts", True),
    "excerpt": ("begins", False),
}
_ALWAYS = ("custom_id", "excerpt")


def columns_of(told: Menus, found: RowPage) -> list[str]:
    """The columns that say something of these rows."""
    return [name for name in SHOWN if _is_shown(name, told, found)]


def _is_shown(name: str, told: Menus, found: RowPage) -> bool:
    """Whether a column says anything, and not the same as another one."""
    match name:
        case "lane":
            return any(row["lane"] != row["model"] for row in found.rows)
        case "attempts":
            return any(value not in (0, 1) for value, _ in told.values[name])
        case "state":
            return len(told.values[name]) > 1
        case "score":
            return bool(_dimensions(told))
        case "dimension":
            return len(_dimensions(told)) > 1 and SCORE_OF not in found.query.filters
    return name in _ALWAYS or told.says_something(name)


def _dimensions(told: Menus) -> list[str]:
    """What the scores of the rows are of."""
    return [str(value) for value, _ in told.values["dimension"] if value != ""]


def heading(name: str, query: Query, told: Menus) -> dict[str, Any]:
    """What stands above a column: sorting by it is a link, turned round where it is sorted by already."""
    (label, number), dimensions = SHOWN[name], _dimensions(told)
    if name == "score" and SCORE_OF in query.filters:
        dimensions = [str(query.filters[SCORE_OF])]
    if name == "score" and len(dimensions) == 1:
        label = f"{label} ({short(dimensions[0], 40)})"
    here = query.sort == name
    descending = not query.descending if here else number
    order = ("descending" if query.descending else "ascending") if here else ""
    link = "" if name not in SORTED else address(query, sort=name, descending=descending, offset=0)
    return {"label": label, "number": number, "order": order, "link": link}


def line(row: Mapping[str, Any], columns: Sequence[str], query: Query) -> dict[str, Any]:
    """A row: where it leads, and its cells as (text, whether it is a number, column)."""
    cells = [(_cell(name, row), SHOWN[name][1], name) for name in columns if name != "custom_id"]
    number = row["request"]
    return {
        "number": number,
        "link": f"row/{number}{behind(query)}",
        "name": row["custom_id"] or f"request {number}",
        "cells": cells,
    }


def _cell(name: str, row: Mapping[str, Any]) -> str:
    value = row[name]
    if name == "cost_usd" and row["lane"] is not None:
        return _cost(row)
    if value is None or value == "":
        return NONE
    match name:
        case "score":
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case "latency_s":
            return f"{value:.2f} s"
        case "conflict" | "by_batch":
            return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _cost(row: Mapping[str, Any]) -> str:
    """What was billed, and what was perhaps billed: nothing is $0.00 that is not known to be."""
    cost, most = (None if row[name] is None else money(row[name]) for name in ("cost_usd", "maybe_usd"))
    if not row["maybe_billed"]:
        return cost or UNKNOWN
    maybe = f"maybe {most or UNKNOWN}"
    return maybe if row["cost_usd"] == 0 else f"{cost or UNKNOWN} + {maybe}"
