"""A server on loopback that answers as a test has written down, and keeps what came."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came. `target` is the path with its query, as sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """What goes back: JSON of `body`, or `body` itself where it is bytes."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> bytes:
        """As it is sent."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Scripted:
    """The server: `replies` by "METHOD target"; all else is a 404.

    A reply is a `Said`, a list of them (of which the last stays), or a function of aiohttp's request.
    """

    def __init__(self, replies: Mapping[str, Any] | None = None) -> None:
        self.asked: list[Asked] = []
        self.replies: dict[str, Any] = dict(replies or {})

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await asyncio.sleep(0)  # lets closed transports go

    @property
    def targets(self) -> list[str]:
        """What was asked for so far, as "METHOD target"."""
        return [f"{asked.method} {asked.target}" for asked in self.asked]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.method, request.raw_path, request.headers, await request.read())
        self.asked.append(asked)
        reply = self.replies.get(f"{asked.method} {asked.target}", Said({"error": "not here"}, 404))
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if not isinstance(reply, Said):
            response: web.StreamResponse = await reply(request)
            return response
        headers = {"Content-Type": "application/json", **reply.headers}
        return web.Response(status=reply.status, headers=headers, body=reply.sent)
