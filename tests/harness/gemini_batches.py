"""A small server of Gemini's batches on loopback: what may befall them there, and what it has billed.

Requests and answers are inside the batch. Like the API, it shows the answers in two places, counts as digits in quotes,
batches in no order that anybody promised, and nothing of a batch that expired but that it did.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Self

import orjson
from aiohttp import web

MODEL = "gemini-lab"
_CODES = {"throttled": 8, "error": 13, "refused": 3}


@dataclass(frozen=True, slots=True)
class Odds:
    """What befalls batches: rates of calls and of lines, and how many batches expire or fail to begin with."""

    takes_s: float = 0.1
    create_lost: float = 0.0  # creations that have taken effect, while the connection is dropped
    create_refused: float = 0.0  # creations that are answered 500, without effect
    look_fails: float = 0.0
    torn: float = 0.0  # looks at a batch that has ended whose answer breaks off
    queue: int | None = None  # most rows in all batches that run: more are refused
    expire: int = 0  # batches that end without a line
    fail: int = 0  # batches that never run
    error: float = 0.0  # lines that fail with a server's error, unbilled
    throttled: float = 0.0  # lines that were one too many, unbilled
    refused: float = 0.0  # lines that are no good, unbilled
    dropped: float = 0.0  # lines that are billed and counted, and not there
    skipped: float = 0.0  # lines that had no turn, are not counted, and not there
    twice: float = 0.0  # lines that stand twice
    strangers: int = 0  # answers in each batch that nobody asked for


@dataclass(slots=True)
class _Batch:
    name: str
    key: str
    rows: list[dict[str, Any]]
    began: float
    created: str
    state: str = "BATCH_STATE_RUNNING"
    done: bool = False
    lines: list[dict[str, Any]] = field(default_factory=list)
    succeeded: int = 0
    failed: int = 0


class GeminiBatchServer:
    """The server, for the length of an `async with` block; `url` is its root."""

    def __init__(self, odds: Odds | None = None) -> None:
        self.odds = odds or Odds()
        self.batches: dict[str, _Batch] = {}
        self.billed: Counter[str] = Counter()  # how often the answer to each text was billed
        self.online = 0
        self.tokens = Counter[str]()  # in and out, by batch and online
        self._times: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=32 << 20)
        app.router.add_post("/v1beta/models/{model}:batchGenerateContent", self._create)
        app.router.add_post("/v1beta/models/{model}:generateContent", self._generate)
        app.router.add_get("/v1beta/batches", self._list)
        app.router.add_get("/v1beta/batches/{id}", self._look)
        app.router.add_post("/v1beta/batches/{id}:cancel", self._cancel)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await asyncio.sleep(0)  # lets closed transports go

    def usd(self, input_: float, output: float) -> float:
        """What was billed at these prices (USD per million tokens), by batch at half of them."""
        count = self.tokens
        by_batch = count["batch in"] * input_ + count["batch out"] * output
        return (by_batch / 2 + count["online in"] * input_ + count["online out"] * output) / 1e6

    # What befalls

    def _befalls(self, rate: float, what: str) -> bool:
        self._times[what] += 1
        return Random(f"{what} {self._times[what]}").random() < rate

    def _fate(self, text: str) -> str:
        self._times[text] += 1
        place = Random(f"{text} {self._times[text]}").random()
        for name in ("error", "throttled", "refused", "dropped", "skipped", "twice"):
            if place < (rate := getattr(self.odds, name)):
                return name
            place -= rate
        return "well"

    def _answer(self, text: str, way: str) -> dict[str, Any]:
        """An answer, with thoughts that no count of its words includes; it is billed."""
        usage = {"promptTokenCount": len(text), "candidatesTokenCount": 7, "thoughtsTokenCount": 3}
        self.billed[text] += 1
        self.tokens.update({f"{way} in": len(text), f"{way} out": 10})
        parts = {"content": {"parts": [{"text": f"To {text}"}], "role": "model"}, "finishReason": "STOP", "index": 0}
        whole = {**usage, "totalTokenCount": len(text) + 10}
        return {"candidates": [parts], "usageMetadata": whole, "modelVersion": MODEL}

    def _settle(self) -> None:
        """End every batch whose time has come."""
        for number, batch in enumerate(list(self.batches.values())):
            if batch.done or time.monotonic() < batch.began + self.odds.takes_s:
                continue
            batch.done = True
            if number < self.odds.fail:
                batch.state = "BATCH_STATE_FAILED"
            elif number < self.odds.fail + self.odds.expire:
                batch.state = "BATCH_STATE_EXPIRED"
            else:
                self._finish(batch)

    def _finish(self, batch: _Batch) -> None:
        for row in batch.rows:
            fate, text = self._fate(_text(row["request"])), _text(row["request"])
            if fate in _CODES:
                batch.failed += 1
                error = {"code": _CODES[fate], "message": fate, "details": []}
                batch.lines.append({"metadata": row["metadata"], "error": error})
            elif fate != "skipped":
                batch.succeeded += 1
                answered = {"metadata": row["metadata"], "response": self._answer(text, "batch")}
                batch.lines += [answered] * {"dropped": 0, "twice": 2}.get(fate, 1)
        strange: dict[str, Any] = {"response": {"candidates": []}}
        strangers = [{"metadata": {"key": f"stranger-{i}"}, **strange} for i in range(self.odds.strangers)]
        batch.lines = strangers + batch.lines[::-1]
        batch.state = "BATCH_STATE_SUCCEEDED" if not batch.failed else "BATCH_STATE_PARTIALLY_SUCCEEDED"

    # The API

    async def _create(self, request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())["batch"]
        self._settle()
        rows = asked["inputConfig"]["requests"]["requests"]
        if self._befalls(self.odds.create_refused, "refused creation"):
            return _error(500, "INTERNAL")
        queued = sum(len(batch.rows) for batch in self.batches.values() if not batch.done)
        if self.odds.queue is not None and queued + len(rows) > self.odds.queue:
            return _error(429, "RESOURCE_EXHAUSTED")
        name = f"batches/b{len(self.batches)}"
        batch = self.batches[name] = _Batch(name, asked["displayName"], rows, time.monotonic(), _now())
        if self._befalls(self.odds.create_lost, "lost creation") and request.transport is not None:
            request.transport.close()
        return web.json_response(_shown(batch))

    async def _list(self, request: web.Request) -> web.Response:
        self._settle()
        size, start = int(request.query["pageSize"]), int(request.query.get("pageToken") or 0)
        chosen = list(self.batches.values())[start : start + size]
        page: dict[str, Any] = {"operations": [_shown(batch) for batch in chosen]}
        if start + size < len(self.batches):
            page["nextPageToken"] = str(start + size)
        return web.json_response(page)

    async def _look(self, request: web.Request) -> web.StreamResponse:
        self._settle()
        batch = self.batches.get(f"batches/{request.match_info['id']}")
        if batch is None:
            return _error(404, "NOT_FOUND")
        if self._befalls(self.odds.look_fails, "look"):
            return _error(503, "UNAVAILABLE")
        body = orjson.dumps(_shown(batch))
        if batch.done and self._befalls(self.odds.torn, "torn"):
            return await _torn(request, body)
        return web.Response(body=body, content_type="application/json")

    async def _cancel(self, request: web.Request) -> web.Response:
        self._settle()
        batch = self.batches[f"batches/{request.match_info['id']}"]
        if batch.done:
            return _error(400, "FAILED_PRECONDITION")
        batch.done, batch.state = True, "BATCH_STATE_CANCELLED"
        return web.json_response({})

    async def _generate(self, request: web.Request) -> web.Response:
        self.online += 1
        return web.json_response(self._answer(_text(orjson.loads(await request.read())), "online"))


def _text(body: dict[str, Any]) -> str:
    text: str = body["contents"][-1]["parts"][0]["text"]
    return text


def _shown(batch: _Batch) -> dict[str, Any]:
    counts = {"requestCount": str(len(batch.rows))}
    if batch.succeeded:
        counts["successfulRequestCount"] = str(batch.succeeded)
    if batch.failed:
        counts["failedRequestCount"] = str(batch.failed)
    metadata: dict[str, Any] = {
        "displayName": batch.key,
        "state": batch.state,
        "createTime": batch.created,
        "batchStats": counts,
    }
    whole: dict[str, Any] = {"name": batch.name, "metadata": metadata}
    if batch.done:
        whole["done"] = True
    if batch.state == "BATCH_STATE_FAILED":
        whole["error"] = {"code": 3, "message": "no such model for batches"}
    if batch.lines:
        output = {"inlinedResponses": {"inlinedResponses": batch.lines}}
        metadata["output"], whole["response"] = output, output
    return whole


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _error(status: int, word: str) -> web.Response:
    return web.json_response({"error": {"code": status, "message": "why", "status": word}}, status=status)


async def _torn(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
