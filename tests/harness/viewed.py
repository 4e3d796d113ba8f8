"""The viewer's server in this process, and requests to it byte by byte, as no well-behaved client makes them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.viewing.folders import ViewedRuns, viewed_runs
from orchestrator.viewing.server import listen, serving
from tests.harness.log_writing import LogWriter

TOKEN = "a-token-of-the-tests"
_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Served:
    """The server of some runs. Paths begin behind the token."""

    port: int
    runs: ViewedRuns
    token: str = TOKEN

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str, **headers: str) -> Reply:
        """A page, as the address bar asks for it."""
        return await self.ask("GET", f"/{self.token}/{path}", headers)

    async def read(self, path: str) -> str:
        """A page that is to be had; one that says that it waits is asked for again."""
        async with asyncio.timeout(_PATIENCE_S):
            while (reply := await self.get(path)).status == 202:
                await asyncio.sleep(0.1)
        assert reply.status == 200, reply.text
        return reply.text

    async def do(self, document: object, run: int = 0, **headers: str) -> Reply:
        """A command, as the page asks for it."""
        told = {"Origin": self.origin, "Content-Type": "application/json", **headers}
        return await self.ask("POST", f"/{self.token}/r/{run}/do", told, json.dumps(document).encode())

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Any request; without a Host of its own it has the server's. Names of headers may have _ for -."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {target} HTTP/1.1", f"Host: {told.pop('Host', f'127.0.0.1:{self.port}')}"]
        lines += [f"{name}: {value}" for name, value in told.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        return await self.raw("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)

    async def raw(self, data: bytes) -> Reply:
        """These bytes, and what comes back until the server ends the connection."""
        async with asyncio.timeout(_PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(data)
            answer = await reader.read()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        return Reply(int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body)


@contextlib.asynccontextmanager
async def served(*folders: Path) -> AsyncIterator[Served]:
    """The server of these runs, while the block runs."""
    runs, at = viewed_runs(folders), listen(0)
    port = at.getsockname()[1]
    async with serving(runs, TOKEN, at):
        yield Served(port, runs)


def some_run(folder: Path, answered: int = 2) -> LogWriter:
    """A run of three requests, so many of them answered."""
    log = LogWriter(folder).record()
    rows = [log.request() for _ in range(3)]
    for row in rows[:answered]:
        log.attempt(row)
        log.answer(row)
    return log
