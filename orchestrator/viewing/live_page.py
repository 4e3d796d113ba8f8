"""A run's page: how it goes, kept up to date while it is looked at."""

import asyncio

from aiohttp import web

from orchestrator.viewing.addresses import RUN
from orchestrator.viewing.folders import run_of
from orchestrator.viewing.live_view import command_path
from orchestrator.viewing.moments import written
from orchestrator.viewing.pages import page


def add_routes(app: web.Application) -> None:
    """Add the routes of the page."""
    app.router.add_get(RUN, live)
    app.router.add_get(f"{RUN}live.json", live_json)


async def live(request: web.Request) -> web.Response:
    """The page, complete as it is when it is loaded."""
    run = run_of(request)
    view, record = await run.watched.view(), await asyncio.to_thread(run.record)
    made, command = written(record.created_at), command_path(run.folder)
    return page(request, "live.html", run=run, record=record, view=view, made=made, command=command)


async def live_json(request: web.Request) -> web.Response:
    """What stands on the page now."""
    return web.json_response((await run_of(request).watched.view()).to_json())
