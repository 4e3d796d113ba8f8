"""Batches on a simulator whose clock stands until it is moved, by the official SDKs."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from anthropic import AsyncAnthropic
from anthropic.types.messages import MessageBatch
from openai import AsyncOpenAI
from openai.types import Batch

from tests.harness.simulated import Client, simulated

ENDPOINT: Final = "/v1/chat/completions"
WALL = 1_800_000_000.0


class Clock:
    """A clock that is moved by hand; as a wall clock it shows `WALL` at the beginning."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return WALL + self.now - 100.0


class Asking:
    """A simulator, its clock, and the SDKs on it."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self.client = client
        self.clock = clock
        base_url = client.simulator.base_url
        self.openai = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
        self.anthropic = AsyncAnthropic(base_url=base_url.removesuffix("/v1"), api_key="none", max_retries=0)

    async def submit(self, data: bytes, name: str = "shard.jsonl", **metadata: str) -> Batch:
        """Upload a file and have a batch of it."""
        file = await self.openai.files.create(file=(name, data), purpose="batch")
        return await self.create(file.id, **metadata)

    async def create(self, file: str, **metadata: str) -> Batch:
        return await self.openai.batches.create(
            input_file_id=file, endpoint=ENDPOINT, completion_window="24h", metadata=metadata or None
        )

    async def after(self, seconds: float, batch: Batch) -> Batch:
        """Move the clock and look at a batch."""
        self.clock.now += seconds
        return await self.openai.batches.retrieve(batch.id)

    async def lines(self, file: str | None) -> list[Any]:
        """The lines of a result file; of none, none."""
        return [] if file is None else [orjson.loads(line) for line in (await self.raw(file)).splitlines()]

    async def raw(self, file: str) -> bytes:
        return (await self.openai.files.content(file)).content

    async def ask_messages(self, *texts: str) -> MessageBatch:
        """A batch of messages, `m-0` to as many as there are."""
        return await self.anthropic.messages.batches.create(requests=messages(texts))

    async def message_results(self, batch: MessageBatch) -> list[Any]:
        return [result async for result in await self.anthropic.messages.batches.results(batch.id)]


def chat(content: str, **body: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": content}], **body}


def line(custom_id: str, body: Any, **fields: Any) -> bytes:
    return orjson.dumps({"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body, **fields}) + b"\n"


def lines(count: int, of: Callable[[int], dict[str, Any]] | None = None) -> bytes:
    """`row-0`, `row-1`, ... of distinct bodies."""
    body = of or (lambda number: chat(f"question {number}"))
    return b"".join(line(f"row-{number}", body(number)) for number in range(count))


def messages(texts: Sequence[str]) -> list[Any]:
    return [
        {
            "custom_id": f"m-{number}",
            "params": {"model": "claude", "max_tokens": 50, "messages": [{"role": "user", "content": text}]},
        }
        for number, text in enumerate(texts)
    ]


@asynccontextmanager
async def asking(**settings: Any) -> AsyncIterator[Asking]:
    """A simulator with batches of ten seconds; the first second validates, the last one writes files."""
    clock = Clock()
    async with simulated(clock, clock.wall, **{"batch_s": 10.0, **settings}) as client:
        told = Asking(client, clock)
        async with told.openai, told.anthropic:
            yield told
