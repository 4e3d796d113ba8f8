"""The simulator as a server on loopback: its routes, start and end. Everything it sends is labelled simulated."""

import asyncio
import ipaddress
import os
import time
from collections.abc import Awaitable, Callable
from typing import Self

import msgspec
from aiohttp import web

from prompts.input_error import InputError
from providers.simulator import bodies
from providers.simulator.batches.routes import BatchRoutes
from providers.simulator.endpoint import ChatEndpoint, json_response
from providers.simulator.settings import SimulatorSettings
from providers.simulator.stats import Stats, Tally
from providers.wire import SIMULATED_HEADER

_LARGEST_BODY = 64 * 1024 * 1024
_CLOSING_S = 0.1  # how long calls under way may go on once the server closes
_BACKLOG = 2048
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Simulator:
    """An OpenAI-compatible server; `async with Simulator(settings) as simulator` runs it on a free port.

    `clock` is a monotonic clock in seconds; only the limits (rpm, tpm) and batches look at it. `wall` is the time since
    1970 UTC in seconds, which files and batches say they are of.
    """

    def __init__(
        self,
        settings: SimulatorSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings or SimulatorSettings()
        self.base_url = ""
        self._clock = clock
        self._tally = Tally()
        self._batches = BatchRoutes(self.settings, self._tally, clock, wall)
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def stats(self) -> Stats:
        """What it saw and did so far, batches' lines whose moment has come among it."""
        return self._batches.added_to(self._tally)

    @property
    def seen(self) -> dict[str, int]:
        """How often each body came, by the first sixteen hexadecimal digits of its digest."""
        self._batches.settle()
        return self._tally.seen()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, on a free port if `port` is 0; returns the base URL, which ends in `/v1`.

        Raises InputError for a host that is not loopback and for a port that cannot be had.
        """
        _check_loopback(host)
        self._closing = asyncio.Event()
        # handler_cancellation: a call that hangs ends when its client leaves, and leaves no task behind.
        runner = web.AppRunner(
            self._application(), access_log=None, handler_cancellation=True, shutdown_timeout=_CLOSING_S
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        except OSError as error:
            await runner.cleanup()
            why = os.strerror(error.errno) if error.errno else str(error)
            raise InputError(f"cannot listen on {host}:{port}: {why}", field="port") from error
        self._runner = runner
        self.base_url = f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}/v1"
        return self.base_url

    async def close(self) -> None:
        """Stop listening and end every call under way, hanging ones too; may be called twice."""
        self._closing.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        self._batches.close()

    def _application(self) -> web.Application:
        endpoint = ChatEndpoint(self.settings, self._tally, self._closing, self._clock)
        application = web.Application(client_max_size=_LARGEST_BODY, middlewares=[_errors_as_json])
        application.on_response_prepare.append(_label)
        application.router.add_post("/v1/chat/completions", endpoint.handle)
        self._batches.add_to(application.router)
        application.router.add_get("/v1/models", _models)
        application.router.add_get("/healthz", _health)
        application.router.add_get("/simulator/stats", self._get_stats)
        if self.settings.record:
            application.router.add_get("/simulator/seen", self._get_seen)
        return application

    async def _get_stats(self, _: web.Request) -> web.Response:
        return json_response(200, msgspec.to_builtins(self.stats))

    async def _get_seen(self, _: web.Request) -> web.Response:
        return json_response(200, self.seen)


async def serve(settings: SimulatorSettings, port: int, ready: Callable[[str], None]) -> None:
    """Run a simulator until cancelled; `ready` is told its base URL once it listens."""
    simulator = Simulator(settings)
    try:
        ready(await simulator.start(port=port))
        await asyncio.Event().wait()
    finally:
        await simulator.close()


def _check_loopback(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InputError(f"{host!r} is not a loopback address; the simulator serves this machine only", field="host")


async def _label(_: web.Request, response: web.StreamResponse) -> None:
    response.headers[SIMULATED_HEADER] = "1"


@web.middleware
async def _errors_as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as problem:
        message = f"{problem.reason} ({request.method} {request.path})"
        return json_response(problem.status, bodies.error(message, "invalid_request_error"))


async def _models(_: web.Request) -> web.Response:
    return json_response(200, bodies.models())


async def _health(_: web.Request) -> web.Response:
    return json_response(200, {"status": "ok", "simulated": True})
