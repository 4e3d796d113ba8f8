"""A reverse proxy on loopback that keeps every request and its answer, and passes both on as they are."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

_HOP_BY_HOP = {"connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it came, and what went back. `target` is the path with its query, as sent."""

    method: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes
    status: int
    answer_headers: Mapping[str, str]
    answer: bytes

    @property
    def json(self) -> Any:
        """The request's body."""
        return json.loads(self.body)


class Recorder:
    """The proxy; `url` stands for `upstream`. Where that is None, everything is answered with `answer`."""

    def __init__(self, upstream: str | None, answer: bytes = b"{}") -> None:
        self.exchanges: list[Exchange] = []
        self._upstream = upstream
        self._answer = answer

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()
        await asyncio.sleep(0)  # lets closed transports go

    @property
    def last(self) -> Exchange:
        """The newest exchange."""
        return self.exchanges[-1]

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        status, headers, answer = await self._ask(request, body)
        target = request.raw_path
        self.exchanges.append(Exchange(request.method, target, request.headers, body, status, headers, answer))
        return web.Response(status=status, headers=headers, body=answer)

    async def _ask(self, request: web.Request, body: bytes) -> tuple[int, CIMultiDict[str], bytes]:
        if self._upstream is None:
            return 200, CIMultiDict({"Content-Type": "application/json"}), self._answer
        url = URL(self._upstream + request.raw_path, encoded=True)
        asked = self._session.request(request.method, url, headers=_passable(request.headers), data=body)
        async with asked as response:
            return response.status, _passable(response.headers), await response.read()


def _passable(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict([(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP])
