"""Whom a run is measured against, each in a process of its own: a bare aiohttp loop, and the official openai SDK.

They send the bodies of the same manifest and read the answers, and that is all they do: no log, no cost, no retry.
Run as a program, this prints the seconds that sending took, without start-up and imports.
"""

import asyncio
import importlib.util
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from processes import run_to_end
from workload import read_bodies

Body = TypeVar("Body")


class Contender(StrEnum):
    """By what a table calls them."""

    BARE_UVLOOP = "bare aiohttp loop on uvloop"
    BARE_ASYNCIO = "bare aiohttp loop on asyncio's own loop"
    SDK = "openai SDK on asyncio's own loop"


_NEEDS = {Contender.BARE_UVLOOP: "uvloop", Contender.BARE_ASYNCIO: "aiohttp", Contender.SDK: "openai"}
_HEADERS = {"Content-Type": "application/json"}


def is_installed(contender: Contender) -> bool:
    """Whether it can run here."""
    return importlib.util.find_spec(_NEEDS[contender]) is not None


def measure_contender(
    contender: Contender, base_url: str, manifest: Path, concurrency: int, core: int, timeout_s: float
) -> float:
    """Seconds of sending everything. Raises ChildError where an answer is missing."""
    command = [sys.executable, __file__, contender.value, base_url, str(manifest), str(concurrency)]
    return float(run_to_end(command, timeout_s, core).output)


async def _bare(base_url: str, bodies: list[bytes], concurrency: int) -> float:
    import aiohttp

    url = f"{base_url}/chat/completions"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send(body: bytes) -> None:
            async with session.post(url, data=body, headers=_HEADERS) as response:
                await response.read()
                response.raise_for_status()

        return await _timed(bodies, concurrency, send)


def send_bare(base_url: str, bodies: list[bytes], concurrency: int) -> float:
    """Seconds of sending ready bodies from a bare aiohttp loop on uvloop."""
    return _on_uvloop(_bare(base_url, bodies, concurrency))


async def _sdk(base_url: str, bodies: list[bytes], concurrency: int) -> float:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key="none", base_url=base_url, max_retries=0) as client:

        async def send(body: dict[str, Any]) -> None:
            await client.chat.completions.create(**body)

        return await _timed([json.loads(body) for body in bodies], concurrency, send)


async def _timed(bodies: Iterable[Body], concurrency: int, send: Callable[[Body], Awaitable[None]]) -> float:
    """Seconds that some workers take to send all bodies."""
    left = iter(bodies)

    async def work() -> None:
        for body in left:
            await send(body)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return time.perf_counter() - started


def _on_uvloop(sending: Coroutine[Any, Any, float]) -> float:
    import uvloop

    return uvloop.run(sending)


def _main(name: str, base_url: str, manifest: str, concurrency: str) -> None:
    contender = Contender(name)
    send = _sdk if contender is Contender.SDK else _bare
    sending = send(base_url, read_bodies(Path(manifest)), int(concurrency))
    print(_on_uvloop(sending) if contender is Contender.BARE_UVLOOP else asyncio.run(sending))


if __name__ == "__main__":
    _main(*sys.argv[1:])
