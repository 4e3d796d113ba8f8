"""OpenAI's Batch API: creating batches, looking at them, cancelling them."""

import asyncio
from typing import Annotated, Any

import msgspec
import orjson
from aiohttp import web

from providers.simulator import bodies
from providers.simulator.batches.answers import answered, discard, one_page, refusal
from providers.simulator.batches.batch import Asked, Batch
from providers.simulator.batches.fates import befalls
from providers.simulator.batches.files import Stored
from providers.simulator.batches.openai_lines import OpenAIForm, read_input
from providers.simulator.batches.service import Batches, Key
from providers.simulator.batches.shapes import batch_object, page
from providers.simulator.endpoint import SERVER_ERROR, json_response
from providers.simulator.viewer import Viewer

FORM = "openai"
ENDPOINT = "/v1/chat/completions"
_Text = Annotated[str, msgspec.Meta(max_length=512)]
_Name = Annotated[str, msgspec.Meta(max_length=64)]


class _Create(msgspec.Struct, frozen=True):
    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: Annotated[dict[_Name, _Text], msgspec.Meta(max_length=16)] | None = None


class OpenAIBatchesEndpoint:
    """Batches of chat completions."""

    def __init__(self, batches: Batches, viewer: Viewer) -> None:
        self._batches = batches
        self._form = OpenAIForm(batches.settings, viewer)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/batches", self.create)
        router.add_get("/v1/batches", self.list)
        router.add_get("/v1/batches/{id}", self.retrieve)
        router.add_post("/v1/batches/{id}/cancel", self.cancel)

    async def create(self, request: web.Request) -> web.Response:
        """Create a batch, unless the call is refused; the connection may be lost after that."""
        try:
            asked = msgspec.json.decode(await request.read(), type=_Create)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # the last: it is nested too deep
            return refusal(400, str(error))
        stored = self._batches.files.get(asked.input_file_id)
        if stored is None or stored.purpose != "batch":
            return refusal(400, f"There is no file for batches with id {asked.input_file_id}.", "input_file_id")
        if asked.endpoint != ENDPOINT:
            return refusal(400, f"The simulator has batches of {ENDPOINT} only.", "endpoint", "invalid_value")
        if asked.completion_window != "24h":
            return refusal(400, "The completion window must be 24h.", "completion_window", "invalid_value")
        return await self._create(request, asked, stored)

    async def _create(self, request: web.Request, asked: _Create, stored: Stored) -> web.Response:
        batches, settings = self._batches, self._batches.settings
        link = batches.linked(stored.path)
        try:
            reading = await asyncio.to_thread(read_input, link, asked.endpoint)
        except asyncio.CancelledError:
            discard(link)
            raise
        await batches.settle()
        key = batches.call("create", _about(asked, stored))
        if befalls(settings, settings.batch_create_refused_rate, key.digest, "create", key.times):
            discard(link)
            return json_response(500, bodies.error(SERVER_ERROR, "server_error"))
        told = Asked(
            link,
            reading.lines,
            reading.tokens,
            FORM,
            stored.filename,
            reading.model,
            stored.id,
            asked.endpoint,
            asked.metadata,
        )
        batch = batches.create(key, told, self._form, reading.problems, validates=True)
        return answered(request, batch_object(batch, batch.created), self._lost(key))

    def _lost(self, key: Key) -> bool:
        settings = self._batches.settings
        # The same draw as for a refusal, so that together they are at most one fault.
        refused = settings.batch_create_refused_rate
        return befalls(settings, refused + settings.batch_create_lost, key.digest, "create", key.times)

    async def list(self, request: web.Request) -> web.Response:
        """The batches, newest first."""
        now = await self._batches.settle()
        batches = self._batches.newest_first(FORM)
        try:
            chosen, more = one_page(request, batches, [batch.id for batch in batches], 20, 100)
        except ValueError as error:
            return refusal(400, str(error))
        return json_response(200, page([batch_object(batch, now) for batch in chosen], more))

    async def retrieve(self, request: web.Request) -> web.Response:
        """One batch; a look at it may fail."""
        now = await self._batches.settle()
        batch = self._find(request)
        if batch is None:
            return _unknown(request)
        if self._batches.look_fails(batch):
            return json_response(500, bodies.error(SERVER_ERROR, "server_error"))
        return json_response(200, batch_object(batch, now))

    async def cancel(self, request: web.Request) -> web.Response:
        """Ask for the end of a batch; one that is over stays as it is (409)."""
        now = await self._batches.settle()
        batch = self._find(request)
        if batch is None:
            return _unknown(request)
        if batch.state(now).over:
            return refusal(409, f"Cannot cancel a batch with status '{batch.state(now).value}'.")
        batch.cancel(now, self._batches.settings.batch_cancel_s)
        return json_response(200, batch_object(batch, await self._batches.settle()))

    def _find(self, request: web.Request) -> Batch | None:
        batch = self._batches.get(request.match_info["id"])
        return batch if batch is not None and batch.asked.form == FORM else None


def _about(asked: _Create, stored: Stored) -> bytes:
    about: dict[str, Any] = {"endpoint": asked.endpoint, "metadata": asked.metadata, "name": stored.filename}
    return orjson.dumps(about, option=orjson.OPT_SORT_KEYS)


def _unknown(request: web.Request) -> web.Response:
    return refusal(404, f"No batch found with id '{request.match_info['id']}'.")
