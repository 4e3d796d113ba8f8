"""The pictures of rows as the server gives them out: made by one thread of its own, so that no page waits for them.

A decoder may take a hundred megabytes and a second: one at a time, whatever a page asks for; other pages have the
other threads.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from orchestrator.viewing.addresses import REQUEST, RUN
from orchestrator.viewing.folders import run_of
from orchestrator.viewing.media import Shown, read_request
from orchestrator.viewing.media_shelf import MediaShelf
from outputs.run_record import read_run_record
from providers.media.encoding import Prepared

T = TypeVar("T")


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="media")


@dataclass(slots=True)
class RowMedia:
    """The shelf, and the thread that alone asks it."""

    _shelf: MediaShelf = field(default_factory=MediaShelf)
    _thread: ThreadPoolExecutor = field(default_factory=_one_thread)

    async def of_row(self, folder: Path, number: int) -> list[Shown]:
        """What the request of this number shows. Raises InputError where the run or its log cannot be read."""
        return await self._asked(lambda: self._of_row(folder, number))

    async def picture(self, folder: Path, number: int, place: int) -> Prepared | None:
        """The picture at a place of a row; None where there is none. Raises InputError as `of_row`."""
        return await self._asked(lambda: self._picture(folder, number, place))

    def close(self) -> None:
        """Begin nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _asked(self, what: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, what)

    def _of_row(self, folder: Path, number: int) -> list[Shown]:
        line = read_request(folder, number)
        return [] if line is None else self._shelf.media_of(folder, line, read_run_record(folder))

    def _picture(self, folder: Path, number: int, place: int) -> Prepared | None:
        line = read_request(folder, number)
        return None if line is None else self._shelf.picture(folder, line, read_run_record(folder), place)


MEDIA: web.AppKey[RowMedia] = web.AppKey("media", RowMedia)


def add_routes(app: web.Application) -> None:
    """Add the route of a picture, and what makes them."""
    app[MEDIA] = RowMedia()
    app.on_cleanup.append(_close)
    app.router.add_get(rf"{RUN}media/{REQUEST}/{{place:\d{{1,3}}}}", picture)


async def _close(app: web.Application) -> None:
    app[MEDIA].close()


async def picture(request: web.Request) -> web.Response:
    """One picture of a row, made anew."""
    number, place = int(request.match_info["request"]), int(request.match_info["place"])
    found = await request.app[MEDIA].picture(run_of(request).folder, number, place)
    if found is None:
        raise web.HTTPNotFound(reason="no such picture")
    return web.Response(body=found.data, content_type=found.type, headers={"Content-Disposition": "inline"})
