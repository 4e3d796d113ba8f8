"""Anthropic's Message Batches: creating, listing, looking, results, cancelling."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from providers.simulator.batches.answers import TooLargeError, answered, discard, one_page, send_file, to_disk
from providers.simulator.batches.anthropic_lines import AnthropicForm, error_value, read_requests
from providers.simulator.batches.batch import WINDOW_S, Asked, Batch, State
from providers.simulator.batches.fates import befalls
from providers.simulator.batches.records import Reading
from providers.simulator.batches.service import Batches
from providers.simulator.endpoint import SERVER_ERROR, json_response

FORM = "anthropic"
_LARGEST_BODY = 256 << 20


class AnthropicBatchesEndpoint:
    """Batches of messages. They are not validated for a while: what is wrong with one is said at once."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._form = AnthropicForm(batches.settings)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/messages/batches", self.create)
        router.add_get("/v1/messages/batches", self.list)
        router.add_get("/v1/messages/batches/{id}", self.retrieve)
        router.add_get("/v1/messages/batches/{id}/results", self.results)
        router.add_post("/v1/messages/batches/{id}/cancel", self.cancel)

    async def create(self, request: web.Request) -> web.Response:
        """Create a batch, unless the call is refused; the connection may be lost after that."""
        uploaded, path = self._batches.files.new_path(), self._batches.files.new_path()
        try:
            await to_disk(request.content.iter_any(), uploaded, _LARGEST_BODY)
            reading = await asyncio.to_thread(read_requests, uploaded, path)
        except TooLargeError:
            return _refusal(413, "The request is too large.")
        finally:
            discard(uploaded)
        if reading.problems:
            discard(path)
            return _refusal(400, reading.problems[0].message)
        return await self._create(request, reading, path)

    async def _create(self, request: web.Request, reading: Reading, path: Path) -> web.Response:
        batches, settings = self._batches, self._batches.settings
        now = await batches.settle()
        about = orjson.dumps([[line.custom_id, line.body_digest.hex()] for line in reading.lines])
        key = batches.call("create", about)
        refused = settings.batch_create_refused_rate
        if befalls(settings, refused, key.digest, "create", key.times):
            discard(path)
            return _refusal(500, SERVER_ERROR)
        limit = settings.batch_queue_tokens
        if limit is not None and batches.queued_tokens(now) + reading.tokens > limit:
            discard(path)
            return _refusal(429, "There is too much in the queue of batches.")
        batch = batches.create(key, Asked(path, reading.lines, reading.tokens, FORM), self._form, (), validates=False)
        await batches.settle()
        lost = befalls(settings, refused + settings.batch_create_lost, key.digest, "create", key.times)
        return answered(request, _object(request, batch, batch.created), lost)

    async def list(self, request: web.Request) -> web.Response:
        """The batches, newest first."""
        now = await self._batches.settle()
        batches = self._batches.newest_first(FORM)
        try:
            chosen, more = one_page(request, batches, [batch.id for batch in batches], 20, 1000, "after_id")
        except ValueError as error:
            return _refusal(400, str(error))
        return json_response(200, _page([_object(request, batch, now) for batch in chosen], more))

    async def retrieve(self, request: web.Request) -> web.Response:
        """One batch; a look at it may fail."""
        now = await self._batches.settle()
        batch = self._find(request)
        if batch is None:
            return _unknown(request)
        if self._batches.look_fails(batch):
            return _refusal(500, SERVER_ERROR)
        return json_response(200, _object(request, batch, now))

    async def results(self, request: web.Request) -> web.StreamResponse:
        """The results of a batch that has ended."""
        now = await self._batches.settle()
        batch = self._find(request)
        if batch is None:
            return _unknown(request)
        if not batch.state(now).over:
            return _refusal(404, "The batch has no results before it has ended.")
        stored = self._batches.files.get(batch.output_id or "")
        if stored is None:
            return web.Response(content_type="application/x-jsonl")
        return await send_file(request, self._batches.settings, self._batches.files, stored)

    async def cancel(self, request: web.Request) -> web.Response:
        """Ask for the end of a batch; one that has ended stays as it is (400)."""
        now = await self._batches.settle()
        batch = self._find(request)
        if batch is None:
            return _unknown(request)
        if batch.state(now).over:
            return _refusal(400, "The batch has ended.")
        batch.cancel(now, self._batches.settings.batch_cancel_s)
        return json_response(200, _object(request, batch, await self._batches.settle()))

    def _find(self, request: web.Request) -> Batch | None:
        batch = self._batches.get(request.match_info["id"])
        return batch if batch is not None and batch.asked.form == FORM else None


def _object(request: web.Request, batch: Batch, now: float) -> dict[str, Any]:
    state = batch.state(now)
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": _status(state),
        "request_counts": _counts(batch, state),
        "created_at": _iso(batch.exact_wall(batch.created)),
        "expires_at": _iso(batch.exact_wall(batch.created + WINDOW_S)),
        "ended_at": _iso(batch.exact_wall(batch.end)) if state.over else None,
        "cancel_initiated_at": None if batch.cancel_asked is None else _iso(batch.exact_wall(batch.cancel_asked)),
        "archived_at": None,
        "results_url": f"{request.url.origin()}/v1/messages/batches/{batch.id}/results" if state.over else None,
    }


def _status(state: State) -> str:
    if state.over:
        return "ended"
    return "canceling" if state is State.CANCELLING else "in_progress"


def _counts(batch: Batch, state: State) -> dict[str, int]:
    """They move only at the end."""
    counts = batch.counts
    known = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
    if not state.over:
        return {**known, "processing": len(batch.asked.lines)}
    unrun = "expired" if batch.cancelled is None else "canceled"
    return {**known, "succeeded": counts.succeeded, "errored": counts.errored, unrun: counts.unrun}


def _page(objects: Sequence[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    ends = (objects[0]["id"], objects[-1]["id"]) if objects else (None, None)
    return {"data": list(objects), "first_id": ends[0], "last_id": ends[1], "has_more": has_more}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _refusal(status: int, message: str) -> web.Response:
    return json_response(status, error_value(status, message))


def _unknown(request: web.Request) -> web.Response:
    return _refusal(404, f"There is no batch with id {request.match_info['id']}.")
