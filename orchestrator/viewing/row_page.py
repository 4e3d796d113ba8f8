"""The page of one row, and its texts as they are for whoever wants the whole of them."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from orchestrator.viewing import row_media
from orchestrator.viewing.addresses import REQUEST, RUN
from orchestrator.viewing.folders import ViewedRun, run_of
from orchestrator.viewing.media import Shown
from orchestrator.viewing.open_rows import OpenRows
from orchestrator.viewing.pages import page
from orchestrator.viewing.row_media import MEDIA
from orchestrator.viewing.row_query import address, behind, offset_of, read_query
from orchestrator.viewing.row_view import response_of, view_of
from outputs.browsing.index import Beside
from outputs.browsing.one_row import RowDetail, read_row
from outputs.browsing.query import Query
from outputs.run_record import RunRecord
from prompts.input_error import InputError

_TEXTS = ("response", "request", "answer")


def add_routes(app: web.Application) -> None:
    """Add the routes of a row."""
    row_media.add_routes(app)
    app.router.add_get(f"{RUN}row/{REQUEST}", row)
    app.router.add_get(f"{RUN}row/{REQUEST}/raw", raw)


async def row(request: web.Request) -> web.Response:
    """The page. Its address carries the filters of the table that it was opened from, for the rows beside it."""
    run, number, query = run_of(request), _number(request), read_query(request.query)
    record, detail, beside = await run.rows.read(partial(_read, number, query))
    media = await request.app[MEDIA].of_row(run.folder, number)
    ways = _ways(query, number, beside)
    return await asyncio.to_thread(_page, request, run, record, detail, media, ways)


def _page(
    request: web.Request,
    run: ViewedRun,
    record: RunRecord,
    detail: RowDetail,
    media: Sequence[Shown],
    ways: Mapping[str, Any],
) -> web.Response:
    """In a thread: texts of a megabyte take their time."""
    return page(request, "row.html", **view_of(detail), **ways, run=run, record=record, media=media)


async def _read(number: int, query: Query, opened: OpenRows) -> tuple[RunRecord, RowDetail, Beside]:
    detail = await read_detail(number, opened)
    return opened.run.record, detail, await opened.neighbours(query, number)


async def read_detail(number: int, opened: OpenRows) -> RowDetail:
    """A row with all that the log has of it. Raises HTTPNotFound where there is no such row."""
    try:
        return await asyncio.to_thread(read_row, opened.run, number)
    except InputError as error:
        if "has no request" in error.message:
            raise web.HTTPNotFound(reason="no such row") from None
        raise


def _ways(query: Query, number: int, beside: Beside) -> dict[str, Any]:
    """The addresses of what is beside a row, from its own; the table is that of its page, and leads to its line."""
    more = behind(query)
    offset, line = (query.offset, "") if beside.place is None else (offset_of(query, beside.place), f"#row-{number}")
    table = address(query, offset=offset)
    return {
        "rows": f"../rows{'?' if table else ''}{table}{line}",
        "before": None if beside.before is None else f"{beside.before}{more}",
        "after": None if beside.after is None else f"{beside.after}{more}",
        "filtered": bool(query.filters),
        "more": more,
        "raw": f"{number}/raw",
        "way_to_media": f"../media/{number}",
    }


async def raw(request: web.Request) -> web.Response:
    """A text of the row, whole, to be saved: what came back, what was asked, or the answer's words."""
    of = request.query.get("of") or _TEXTS[0]
    if of not in _TEXTS:
        raise InputError(f"{of[:40]!r} is none of {', '.join(_TEXTS)}", field="of")
    number = _number(request)
    detail = await run_of(request).rows.read(partial(read_detail, number))
    data = _text(detail)[of]
    if data is None:
        raise web.HTTPNotFound(reason=f"the row has no {of}")
    suffix = "txt" if of == "answer" else "json"
    name = f'attachment; filename="row-{number}-{of}.{suffix}"'
    return web.Response(body=data, headers={"Content-Type": "text/plain; charset=utf-8", "Content-Disposition": name})


def _text(detail: RowDetail) -> Mapping[str, bytes | None]:
    said = None if detail.answer is None else detail.answer.completion
    words = None if said is None else said.text if said.text is not None else said.refusal
    return {
        "response": response_of(detail),
        "request": bytes(detail.line.body),
        "answer": None if words is None else words.encode("utf-8", "replace"),
    }


def _number(request: web.Request) -> int:
    return int(request.match_info["request"])
