"""The viewer's server: which address leads where, on loopback only.

A module of pages has `add_routes(app)`, which adds its routes below BASE and RUN: RUN has the run's key, which
`folders.run_of` reads; no address has anything else but numbers and names of ours.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from aiohttp import web

from orchestrator.viewing import compare_page, live_page, pair_page, row_page, rows_page, run_list, steering
from orchestrator.viewing.addresses import BASE, RUN
from orchestrator.viewing.folders import RUNS, ViewedRuns
from orchestrator.viewing.pages import fault_page, read_static
from orchestrator.viewing.safety import MOST_BYTES, QUIET, QuietHandler, guard
from prompts.input_error import InputError

LOOPBACK = "127.0.0.1"
_SHUTDOWN_S = 1.0


def make_app(runs: ViewedRuns, token: str, port: int) -> web.Application:
    """The application that shows these runs to whoever has the token."""
    app = web.Application(middlewares=[guard(token, port, fault_page)], client_max_size=MOST_BYTES)
    app[RUNS] = runs
    for add_routes in _ROUTES:
        add_routes(app)
    for address in (BASE, RUN):
        app.router.add_get(address.removesuffix("/"), _with_slash)
    _add_static(app)
    app.on_cleanup.append(_close)
    return app


async def _with_slash(request: web.Request) -> web.StreamResponse:
    """A page's address as it is typed: its last slash was left out."""
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    return web.Response(status=HTTPStatus.FOUND, headers={"Location": f"{request.path.rpartition('/')[2]}/{query}"})


async def _close(app: web.Application) -> None:
    await app[RUNS].close()


_ROUTES: tuple[Callable[[web.Application], None], ...] = (
    run_list.add_routes,
    live_page.add_routes,
    steering.add_routes,
    rows_page.add_routes,
    row_page.add_routes,
    compare_page.add_routes,
    pair_page.add_routes,
)


def _add_static(app: web.Application) -> None:
    files = read_static()

    async def static(request: web.Request) -> web.Response:
        found = files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found[1], content_type=found[0], charset="utf-8")

    app.router.add_get(f"{BASE}static/{{name}}", static)


def listen(port: int) -> socket.socket:
    """A socket on loopback; a free port for 0. Raises InputError where the port is taken."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((LOOPBACK, port))
    except OSError as error:
        made.close()
        raise InputError(f"port {port} cannot be had: {error.strerror}", field="--port") from None
    return made


@contextlib.asynccontextmanager
async def serving(runs: ViewedRuns, token: str, at: socket.socket) -> AsyncIterator[str]:
    """Serve at this socket while the block runs; yields the address."""
    port = at.getsockname()[1]
    runner = web.AppRunner(make_app(runs, token, port), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()

    def connection() -> QuietHandler:
        return QuietHandler(server, loop=loop, logger=QUIET, access_log=QUIET)

    listening = await loop.create_server(connection, sock=at)
    try:
        yield f"http://{LOOPBACK}:{port}/{token}/"
    finally:
        listening.close()
        await runner.cleanup()
