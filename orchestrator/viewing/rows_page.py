"""The table of a run's rows: filters as a form, search, order, pages. Its address is all that it shows."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web

from orchestrator.amounts import duration
from orchestrator.viewing.addresses import RUN
from orchestrator.viewing.excerpts import short
from orchestrator.viewing.folders import ViewedRun, run_of
from orchestrator.viewing.moments import second
from orchestrator.viewing.open_rows import Menus, OpenRows
from orchestrator.viewing.pages import page
from orchestrator.viewing.row_lines import columns_of, heading, line
from orchestrator.viewing.row_query import Understood, address, understood
from outputs.browsing.columns import SCORE_MAX, SCORE_MIN, SCORE_OF, SEARCH, Value
from outputs.browsing.index import RowPage
from outputs.browsing.query import Query, written

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
    "dimension": "main dimension",
    SCORE_OF: "score of",
    "by_batch": "by batch",
    "attempts": "attempts",
    "attempt_failure": "an attempt failed by",
}
_SCORES = ((SCORE_MIN, "score from"), (SCORE_MAX, "to"))
_IN_FORM = (SEARCH, SCORE_MIN, SCORE_MAX)


def add_routes(app: web.Application) -> None:
    """Add the page's route."""
    app.router.add_get(f"{RUN}rows", rows)


async def rows(request: web.Request) -> web.Response:
    """The page. What is wrong in the address is said at its field, with all else as it was; then no row is shown."""
    run, asked = run_of(request), understood(request.query)
    opened, found, menus = await run.rows.read(partial(_read, asked))
    status = HTTPStatus.BAD_REQUEST if asked.faults else HTTPStatus.OK
    return await asyncio.to_thread(_page, request, status, run, opened, found, menus, asked)


async def _read(asked: Understood, opened: OpenRows) -> tuple[OpenRows, RowPage, Menus]:
    return opened, await _found(opened, asked), await opened.menus(tuple(MENUS))


async def _found(opened: OpenRows, asked: Understood) -> RowPage:
    """The rows; of a page behind the last one those of the last."""
    query = asked.query
    if asked.faults:
        return RowPage((), 0, opened.index.total, query)
    found = await opened.page(query)
    if found.rows or not found.found:
        return found
    return await opened.page(replace(query, offset=_end(query, found.found)))


def _page(
    request: web.Request,
    status: HTTPStatus,
    run: ViewedRun,
    opened: OpenRows,
    found: RowPage,
    menus: Menus,
    asked: Understood,
) -> web.Response:
    beyond = asked.query.offset if found.query.offset != asked.query.offset else None
    return page(
        request,
        "rows.html",
        status=status,
        beyond=beyond,
        **_values(run, opened, found, menus),
        **_faults(asked, menus, found),
    )


def _faults(asked: Understood, told: Menus, found: RowPage) -> dict[str, Any]:
    """What is wrong in the address: at the fields that the form has, and aside from them."""
    fields = {*_IN_FORM, "limit", *(menu.name for menu in _menus(told, found.query))}
    return {
        "faults": asked.faults,
        "refused": asked.refused,
        "aside": [(short(name), text) for name, text in asked.faults.items() if name not in fields],
    }


@dataclass(frozen=True, slots=True)
class Menu:
    """A menu of the form: `options` as (value, words, chosen), `none` of them in words."""

    name: str
    label: str
    options: Sequence[tuple[str, str, bool]]
    more: int  # values that are left out
    none: str


def _values(run: ViewedRun, opened: OpenRows, found: RowPage, told: Menus) -> dict[str, Any]:
    query = found.query
    columns = columns_of(told, found)
    return {
        "run": run,
        "record": opened.run.record,
        "query": query,
        "menus": list(_menus(told, query)),
        "chips": list(_chips(query)),
        "headings": [heading(name, query, told) for name in columns],
        "lines": [line(row, columns, query) for row in found.rows],
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
        yield Menu(name, label, options, told.more[name], "its main dimension" if name == SCORE_OF else "any")


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


def _links(query: Query, found: int) -> dict[str, str]:
    """The addresses of other pages of the same rows, those that there are."""
    size, offset, end = query.limit, query.offset, _end(query, found)
    links = {}
    if offset > 0:
        links["first"] = address(query, offset=0)
        links["prev"] = address(query, offset=max(0, offset - size))
    if offset + size < found:
        links["next"] = address(query, offset=offset + size)
        links["last"] = address(query, offset=end)
    return links


def _end(query: Query, found: int) -> int:
    """Where the last page begins."""
    return max(0, (found - 1) // query.limit * query.limit)


def _as_of(opened: OpenRows) -> str:
    return f"{second(opened.as_of)} ({duration(max(0.0, time.time() - opened.as_of))} ago)"


def _newer(run: ViewedRun, opened: OpenRows) -> int:
    """How many answers there are that these rows do not know yet, as far as the log was read."""
    view = run.watched.known
    return 0 if view is None else max(0, view.answered - opened.run.counts.answered)
