"""A server on loopback that says what a test has written down, to any method and path, and keeps what it was asked."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as it came; `path` has no query."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in small letters
    body: bytes


@dataclass(frozen=True, slots=True)
class Says:
    """An answer: `body` is sent as it stands, or as JSON. `drop` breaks the connection, `wait_s` passes before it."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    wait_s: float = 0.0


Answering = Callable[[Asked], Says]


@dataclass(slots=True)
class Scripted:
    """The server, for the length of an `async with` block: `says` in turn, then what `otherwise` makes of a call.

    With `tls` it speaks https.
    """

    otherwise: Answering = lambda asked: Says({"error": {"message": "not scripted"}}, 404)
    says: deque[Says] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    url: str = ""
    _runner: web.AppRunner = field(init=False)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("*", "/{rest:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls).start()
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, request.path, dict(request.query), headers, await request.read())
        self.asked.append(asked)
        said = self.says.popleft() if self.says else self.otherwise(asked)
        await asyncio.sleep(said.wait_s)
        if said.drop and request.transport is not None:
            request.transport.close()
        body = said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)
        return web.Response(status=said.status, body=body, headers={"Content-Type": "application/json"} | said.headers)
