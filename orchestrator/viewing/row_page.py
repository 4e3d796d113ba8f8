"""The page of one row, its pictures, and its texts as they are for whoever wants the whole of them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from orchestrator.viewing.addresses import REQUEST, RUN
from orchestrator.viewing.folders import run_of
from orchestrator.viewing.media import MediaShelf, Shown, read_request
from orchestrator.viewing.pages import page
from orchestrator.viewing.row_view import response_of, view_of
from orchestrator.viewing.rows_page import address, read_query
from outputs.browsing.one_row import RowDetail, read_row
from outputs.browsing.query import Query
from outputs.run_record import RunRecord, read_run_record
from outputs.tables.loading import LoadedRun
from prompts.input_error import InputError

_SHELF: web.AppKey[MediaShelf] = web.AppKey("media", MediaShelf)
_TEXTS = ("response", "request", "answer")


def add_routes(app: web.Application) -> None:
    """Add the routes of a row."""
    app[_SHELF] = MediaShelf()
    app.router.add_get(f"{RUN}row/{REQUEST}", row)
    app.router.add_get(f"{RUN}row/{REQUEST}/raw", raw)
    app.router.add_get(rf"{RUN}media/{REQUEST}/{{place:\d{{1,3}}}}", picture)


async def row(request: web.Request) -> web.Response:
    """The page. Its address carries the filters of the table that it was opened from, for the rows beside it."""
    run, number, query = run_of(request), _number(request), read_query(request)
    opened = await run.rows.opened()
    detail = await asyncio.to_thread(_read, opened.run, number)
    before, after = await opened.neighbours(query, number)
    media = await asyncio.to_thread(_media, request.app[_SHELF], run.folder, number, opened.run.record)
    values = {
        **view_of(detail),
        **_ways(query, number, before, after),
        "run": run,
        "record": opened.run.record,
        "media": media,
    }
    return page(request, "row.html", **values)


def _read(run: LoadedRun, number: int) -> RowDetail:
    """Raises HTTPNotFound where there is no such row."""
    try:
        return read_row(run, number)
    except InputError as error:
        if "has no request" in error.message:
            raise web.HTTPNotFound(reason="no such row") from None
        raise


def _ways(query: Query, number: int, before: int | None, after: int | None) -> dict[str, Any]:
    """The addresses of what is beside a row, from its own."""
    behind = address(query, offset=0, limit=Query().limit)
    more = f"?{behind}" if behind else ""
    return {
        "rows": f"../rows{more}",
        "before": None if before is None else f"{before}{more}",
        "after": None if after is None else f"{after}{more}",
        "filtered": bool(query.filters),
        "more": more,
        "raw": f"{number}/raw",
        "way_to_media": f"../media/{number}",
    }


def _media(shelf: MediaShelf, folder: Path, number: int, record: RunRecord) -> list[Shown]:
    line = read_request(folder, number) if record.shows_media or record.media_root else None
    return [] if line is None else shelf.media_of(folder, line, record)


async def picture(request: web.Request) -> web.Response:
    """One picture of a row, made anew."""
    run, place = run_of(request), int(request.match_info["place"])
    found = await asyncio.to_thread(_picture, request.app[_SHELF], run.folder, _number(request), place)
    if found is None:
        raise web.HTTPNotFound(reason="no such picture")
    return web.Response(body=found[1], content_type=found[0], headers={"Content-Disposition": "inline"})


def _picture(shelf: MediaShelf, folder: Path, number: int, place: int) -> tuple[str, bytes] | None:
    line = read_request(folder, number)
    found = None if line is None else shelf.picture(folder, line, read_run_record(folder), place)
    return None if found is None else (found.type, found.data)


async def raw(request: web.Request) -> web.Response:
    """A text of the row, whole, to be saved: what came back, what was asked, or the answer's words."""
    of = request.query.get("of") or _TEXTS[0]
    if of not in _TEXTS:
        raise InputError(f"{of[:40]!r} is none of {', '.join(_TEXTS)}", field="of")
    opened = await run_of(request).rows.opened()
    number = _number(request)
    detail = await asyncio.to_thread(_read, opened.run, number)
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
