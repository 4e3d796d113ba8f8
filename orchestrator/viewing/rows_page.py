"""The table of a run's rows: filters as a form, search, order, pages. Its address is all that it shows."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from orchestrator.amounts import duration, money
from orchestrator.viewing.addresses import RUN
from orchestrator.viewing.folders import ViewedRun, run_of
from orchestrator.viewing.pages import page
from orchestrator.viewing.row_tables import Menus, OpenRows
from outputs.browsing.columns import SCORE_MAX, SCORE_MIN, SEARCH, Value
from outputs.browsing.index import RowPage
from outputs.browsing.query import Query, parameters, parse_query, written

NONE = "–"
SIZES = (25, 50, 100, 200)
MENUS = {  # the columns that are chosen from, where a run has something to choose, and what they are called
    "stage": "stage",
    "model": "model",
    "lane": "asked of",
    "state": "state",
    "outcome": "outcome",
    "failure": "failure",
    "dataset": "dataset",
    "field": "field",
    "language": "language",
    "operator": "operator",
    "level": "level",
    "iteration": "iteration",
    "conflict": "conflict",
    "dimension": "dimension",
    "by_batch": "by batch",
    "attempts": "attempts",
}
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
    "cost_usd": ("cost", True),
    "latency_s": ("latency", True),
    "attempts": ("attempts", True),
    "excerpt": ("begins", False),
}
_ALWAYS = ("custom_id", "excerpt")
_IN_FORM = (SEARCH, SCORE_MIN, SCORE_MAX)


def add_routes(app: web.Application) -> None:
    """Add the page's route."""
    app.router.add_get(f"{RUN}rows", rows)


async def rows(request: web.Request) -> web.Response:
    """The page."""
    run = run_of(request)
    query = read_query(request)
    opened = await run.rows.opened()
    found = await opened.page(query)
    menus = await opened.menus(tuple(MENUS))
    return page(request, "rows.html", **_values(run, opened, found, menus))


def read_query(request: web.Request) -> Query:
    """What an address asks for. Raises InputError for what is no column, no value of one, or named twice."""
    params = {name: value for name, value in request.query.items() if value}
    return parse_query(params)


def address(query: Query, **changed: Any) -> str:
    """A query as it stands in an address, behind the question mark; what is as always is left out."""
    query = replace(query, **changed)
    order = {
        "sort": query.sort if query.sort != "request" else "",
        "descending": "true" if query.descending else "",
        "offset": str(query.offset) if query.offset else "",
        "limit": str(query.limit) if query.limit != Query().limit else "",
    }
    told = [parameters(query.filters), urlencode({name: text for name, text in order.items() if text})]
    return "&".join(text for text in told if text)


@dataclass(frozen=True, slots=True)
class Menu:
    """A menu of the form: `options` as (value, words, chosen)."""

    name: str
    label: str
    options: Sequence[tuple[str, str, bool]]
    more: int  # values that are left out


def _values(run: ViewedRun, opened: OpenRows, found: RowPage, told: Menus) -> dict[str, Any]:
    query = found.query
    columns = [name for name in SHOWN if _is_shown(name, told, found)]
    return {
        "run": run,
        "record": opened.run.record,
        "query": query,
        "menus": list(_menus(told, query)),
        "chips": list(_chips(query)),
        "headings": [_heading(name, query) for name in columns],
        "lines": [_line(row, columns, query) for row in found.rows],
        "found": found.found,
        "total": found.total,
        "first": min(query.offset + 1, found.found),
        "last": min(query.offset + query.limit, found.found),
        "links": _links(query, found.found),
        "sizes": SIZES,
        "search": query.filters.get(SEARCH, ""),
        "scores": [(name, label, query.filters.get(name, "")) for name, label in _SCORES],
        "as_of": _as_of(opened),
        "newer": _newer(run, opened),
    }


_SCORES = ((SCORE_MIN, "score from"), (SCORE_MAX, "to"))


def _is_shown(name: str, told: Menus, found: RowPage) -> bool:
    """Whether a column says anything, and not the same as another one."""
    match name:
        case "lane":
            return any(row["lane"] != row["model"] for row in found.rows)
        case "attempts":
            return any(value not in (0, 1) for value, _ in told.values[name])
        case "state":
            return len(told.values[name]) > 1
    return name in _ALWAYS or told.says_something("dimension" if name == "score" else name)


def _menus(told: Menus, query: Query) -> Iterator[Menu]:
    for name, label in MENUS.items():
        values = told.values[name]
        chosen = query.filters.get(name)
        chooses = any(value is True for value, _ in values) if name == "by_batch" else len(values) > 1
        if not chooses and chosen is None:
            continue
        options = [(written(value), f"{_word(value)} ({count:,})", _same(value, chosen)) for value, count in values]
        if chosen is not None and not any(one[2] for one in options):
            options.insert(0, (written(chosen), _word(chosen), True))
        yield Menu(name, label, options, told.more[name])


def _same(value: Value, chosen: Value | None) -> bool:
    return chosen is not None and type(value) is type(chosen) and value == chosen


def _word(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "(none)" if value == "" else str(value)


def _chips(query: Query) -> Iterator[tuple[str, str, str, str]]:
    """The filters that hold as (name, words, value as sent, the address without it)."""
    for name, value in query.filters.items():
        rest = {key: kept for key, kept in query.filters.items() if key != name}
        words = f"{MENUS.get(name, name.replace('_', ' '))}: {_word(value)}"
        kept = "" if name in MENUS or name in _IN_FORM else written(value)
        yield name, words, kept, address(query, filters=rest, offset=0)


def _heading(name: str, query: Query) -> dict[str, Any]:
    label, number = SHOWN[name]
    here = query.sort == name
    descending = not query.descending if here else number
    order = ("descending" if query.descending else "ascending") if here else ""
    link = "" if name == "excerpt" else address(query, sort=name, descending=descending, offset=0)
    return {"label": label, "number": number, "order": order, "link": link}


def _line(row: Mapping[str, Any], columns: Sequence[str], query: Query) -> dict[str, Any]:
    cells = [(_cell(name, row[name]), SHOWN[name][1], name) for name in columns if name != "custom_id"]
    behind = address(query, offset=0, limit=Query().limit)
    link = f"row/{row['request']}" + (f"?{behind}" if behind else "")
    return {"link": link, "name": row["custom_id"] or f"request {row['request']}", "cells": cells}


def _cell(name: str, value: Any) -> str:
    if value is None or value == "":
        return NONE
    match name:
        case "score":
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case "cost_usd":
            return money(value)
        case "latency_s":
            return f"{value:.2f} s"
        case "conflict" | "by_batch":
            return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _links(query: Query, found: int) -> dict[str, str]:
    """The addresses of other pages of the same rows, those that there are."""
    size, offset = query.limit, query.offset
    end = max(0, (found - 1) // size * size)
    links = {}
    if offset > 0:
        links["first"] = address(query, offset=0)
        links["prev"] = address(query, offset=max(0, min(offset, end + size) - size))
    if offset + size < found:
        links["next"] = address(query, offset=offset + size)
        links["last"] = address(query, offset=end)
    return links


def _as_of(opened: OpenRows) -> str:
    moment = datetime.fromtimestamp(opened.as_of)
    return f"{moment:%Y-%m-%d %H:%M:%S} ({duration(max(0.0, time.time() - opened.as_of))} ago)"


def _newer(run: ViewedRun, opened: OpenRows) -> int:
    """How many answers there are that these rows do not know yet, as far as the log was read."""
    view = run.watched.known
    return 0 if view is None else max(0, view.answered - opened.run.counts.answered)
