"""A simulator on a free port, with one client of it."""

import io
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from providers.simulator import Simulator, SimulatorSettings


class Client:
    """One session to one simulator."""

    def __init__(self, session: aiohttp.ClientSession, simulator: Simulator) -> None:
        self.session = session
        self.simulator = simulator

    async def post(self, body: Any, path: str = "/chat/completions") -> tuple[int, dict[str, str], bytes]:
        data = io.BytesIO(body if isinstance(body, bytes) else orjson.dumps(body))
        async with self.session.post(self.simulator.base_url + path, data=data) as response:
            return (
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await response.read(),
            )

    async def get(self, path: str) -> tuple[int, Any]:
        url = self.simulator.base_url.removesuffix("/v1") + path
        async with self.session.get(url) as response:
            return response.status, orjson.loads(await response.read())


@asynccontextmanager
async def simulated(
    clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time, **settings: Any
) -> AsyncIterator[Client]:
    told = SimulatorSettings(**{"latency_s": 0.0, **settings})
    async with Simulator(told, clock, wall) as simulator, aiohttp.ClientSession() as session:
        yield Client(session, simulator)
