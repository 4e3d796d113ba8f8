"""A provider on loopback that keeps accounts: what it decided to bill, whether its answer arrived or not.

Usage and latency vary; some calls fail, some connections are dropped once the answer was made, some calls are refused.
"""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Self

import orjson
from aiohttp import web

MODEL = "lab-1"
USD_PER_INPUT_TOKEN = 2e-6
USD_PER_OUTPUT_TOKEN = 8e-6
_LATENCY_S = (0.003, 0.015)
_READ = (0.5, 0.9)  # tokens for each byte of the body
_WRITTEN = (0.5, 1.0)  # of what the body allows


@dataclass(frozen=True, slots=True)
class Rates:
    """How often what happens instead of an answer; half of the errors come after the answer was made, and billed."""

    error: float = 0.008
    drop: float = 0.005
    refuse: float = 0.0005


@dataclass(slots=True)
class BillingServer:
    """The server, for the length of an `async with` block. `billed_usd` counts every answer that was made."""

    seed: int = 0
    rates: Rates = field(default_factory=Rates)
    base_url: str = ""
    billed_usd: float = 0.0
    calls: int = 0
    in_flight: int = 0
    bills: Counter[str] = field(default_factory=Counter)  # how often each row was billed, by the text it asked
    fates: Counter[str] = field(default_factory=Counter)
    _random: Random = field(init=False)
    _runner: web.AppRunner = field(init=False)

    async def __aenter__(self) -> Self:
        self._random = Random(self.seed)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def write_catalog(self, path: Path) -> Path:
        """A catalog that sends the model here, at the prices that are billed here."""
        path.write_text(
            f'[providers.lab]\nprotocol = "openai"\nbase_url = "{self.base_url}"\nmodels = ["lab-*"]\n'
            f'[providers.lab.prices."*"]\ninput = {USD_PER_INPUT_TOKEN * 1e6}\noutput = {USD_PER_OUTPUT_TOKEN * 1e6}\n'
        )
        return path

    async def until_idle(self) -> None:
        """Until it is at work on nothing."""
        async with asyncio.timeout(10):
            while self.in_flight:
                await asyncio.sleep(0.002)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        try:
            body = await request.read()
            self.calls += 1
            return await self._answer(request, body)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        fate = self._fate()
        self.fates[fate] += 1
        if fate == "refused":
            return _error(429, "rate_limit_exceeded", {"retry-after": "1", "retry-after-ms": "20"})
        usage = None if fate == "failed" else self._bill(body)
        await asyncio.sleep(self._random.uniform(*_LATENCY_S))
        if fate == "dropped":
            with contextlib.suppress(AttributeError):  # the client has left
                request.transport.abort()  # type: ignore[union-attr]
        if usage is None or fate == "failed late":
            return _error(500, "server_error")
        return web.Response(body=orjson.dumps(_completion(usage)), content_type="application/json")

    def _fate(self) -> str:
        draw, late = self._random.random(), self._random.random() < 0.5
        if draw < self.rates.error:
            return "failed late" if late else "failed"
        if draw < self.rates.error + self.rates.drop:
            return "dropped"
        return "refused" if draw < self.rates.error + self.rates.drop + self.rates.refuse else "answered"

    def _bill(self, body: bytes) -> dict[str, int]:
        asked = orjson.loads(body)
        read = int(len(body) * self._random.uniform(*_READ))
        written = int(asked["max_tokens"] * self._random.uniform(*_WRITTEN))
        self.billed_usd += read * USD_PER_INPUT_TOKEN + written * USD_PER_OUTPUT_TOKEN
        self.bills[asked["messages"][0]["content"]] += 1
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def most_usd(body: bytes, max_tokens: int) -> float:
    """What a call with this body may cost at most: a token for each byte, and all that it may write."""
    return len(body) * USD_PER_INPUT_TOKEN + max_tokens * USD_PER_OUTPUT_TOKEN


def _completion(usage: dict[str, int]) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "model": MODEL, "choices": [choice], "usage": usage}


def _error(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    document = {"error": {"message": "no", "code": code}}
    return web.Response(
        status=status, body=orjson.dumps(document), headers=headers or {}, content_type="application/json"
    )
