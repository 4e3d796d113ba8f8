"""Batches of OpenAI, Azure OpenAI, Groq and servers with the same API: a file goes up, a batch is made of it, and files
with its answers and its errors come down.

It goes through the openai package (files and batches), which is loaded with the first call. No live provider was
called: what differs between them is from their documentation.
"""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from providers.batches.finding import ends_before, finding_of
from providers.batches.http_answers import clock_lead_s
from providers.batches.line_files import new_file
from providers.batches.openai_calls import (
    PAGE,
    Ask,
    AskForPage,
    cancel_call,
    create_call,
    list_batches,
    list_files,
    retrieve_call,
    upload_call,
)
from providers.batches.openai_connection import Connection
from providers.batches.openai_results import read_results, request_line
from providers.batches.openai_states import (
    Fields,
    id_of,
    moment_of,
    read_batch,
    read_fields,
    read_list,
)
from providers.batches.wire import KEY_NAME, BatchCallError, BatchView, Finding, Result, Shard
from providers.protocols.azure import azure_root
from providers.protocols.paths import RESPONSES
from providers.provider import BatchApi, Provider
from providers.wire import SIMULATED_HEADER, Billing, Failure, FailureKind, HttpCall

T = TypeVar("T")

_MOST_PAGES = 200
_CLOCKS_DIFFER_S = 600.0
_NO_LIST = frozenset({404, 405, 501})  # of a server without a list of its files
_OVER_ALREADY = frozenset({400, 409})  # what is said to the cancelling of a batch that has ended
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_word = msgspec.json.Decoder(str)


class OpenAIBatches:
    """The client of a lane; see `BatchClient`. Raises InputError where the catalog does not say enough to make one."""

    uploads = True

    def __init__(self, provider: Provider, model: str, base_url: str, key: str | None) -> None:
        api = provider.batch or BatchApi()
        self._window = api.window
        self._azure = provider.protocol == "azure"
        self._deployment = api.deployments.get(model, model) if self._azure else None
        root, version = azure_root(provider, base_url) if self._azure else (base_url.rstrip("/"), None)
        self._connection = Connection(provider, root, key, version)

    def line(self, id_: str, url: str, call: HttpCall) -> tuple[str, bytes]:
        """(group, line) of a row; a group is the endpoint of its batch.

        On Azure a line names the deployment, and paths have no version in front but for responses.
        """
        if self._deployment is None:
            return url, request_line(id_, url, call.body)
        path = url if url == RESPONSES else url.removeprefix("/v1")
        return path, request_line(id_, path, _renamed(call.body, self._deployment))

    async def upload(self, shard: Shard) -> str:
        """Upload the shard's file, read as it goes; returns its id."""
        with shard.path.open("rb") as file:
            _, body = await self._connection.ask(partial(upload_call, shard=shard, file=file), effect=True, upload=True)
        id_ = id_of(read_fields(body) or {})
        if id_ is None:
            raise _unreadable("an uploaded file", Billing.MAYBE)
        return id_

    async def find_upload(self, shard: Shard) -> str | None:
        """The newest file of the shard's name and size; None also where the server has no list of files."""
        size = shard.path.stat().st_size
        try:
            _, files = await self._list(list_files, shard.since)
        except BatchCallError as error:
            if error.failure.status in _NO_LIST:
                return None
            raise
        return next((id_ for file in files if _holds(file, shard, size) and (id_ := id_of(file))), None)

    async def create(self, shard: Shard) -> BatchView:
        """Have the shard's uploaded file answered."""
        return await self._view(partial(create_call, shard=shard, window=self._window), effect=True)

    async def find(self, shard: Shard) -> Finding:
        """Look through the list of batches, back to ten minutes before the shard, for its key or its file."""
        simulated, items = await self._list(list_batches, shard.since)
        ours = [item for item in reversed(items) if _is_of(item, shard)]  # the list has the newest first
        return finding_of(_needed(read_batch(item, simulated), "a batch of ours", Billing.UNBILLED) for item in ours)

    async def poll(self, batch_id: str) -> BatchView:
        """How a batch stands."""
        return await self._view(partial(retrieve_call, batch_id=batch_id), effect=False, batch_id=batch_id)

    async def download(self, batch: BatchView, path: Path) -> None:
        """Put the batch's output file and then its error file into `path`, which appears when it is whole."""
        async with new_file(path) as out:
            for file_id in batch.results:
                if not await self._connection.fetch(file_id, out):
                    out.write(b"\n")

    def results(self, path: Path) -> Iterator[Result]:
        """Read what `download` has written. Never raises for what is in it."""
        return read_results(path)

    async def cancel(self, batch_id: str) -> None:
        """Ask for the end of a batch; one that has ended is left as it is."""
        try:
            await self._connection.ask(partial(cancel_call, batch_id=batch_id), effect=True)
        except BatchCallError as error:
            if error.failure.status not in _OVER_ALREADY:
                raise

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def _view(
        self,
        ask: Ask,
        *,
        effect: bool,
        batch_id: str | None = None,
    ) -> BatchView:
        headers, body = await self._connection.ask(ask, effect=effect)
        view = read_batch(read_fields(body), SIMULATED_HEADER in headers, batch_id)
        return _needed(view, "a batch", Billing.MAYBE if effect else Billing.UNBILLED)

    async def _list(self, ask: AskForPage, since: float) -> tuple[bool, list[Fields]]:
        """(whether the server is a simulator, all items of a list that are not older than ten minutes before `since`).

        Goes on to the end where a list has not its newest first, or does not say how old its items are. Where our clock
        is ahead of the server's by the date of its answer, `since` was so much earlier there.
        """
        found: dict[str, Fields] = {}
        simulated, after = False, None
        for _ in range(_MOST_PAGES):
            headers, body = await self._connection.ask(partial(ask, after=after), effect=False)
            simulated = simulated or SIMULATED_HEADER in headers
            items, more = _needed(read_list(body), "a list", Billing.UNBILLED)
            fresh = {id_: item for item in items if (id_ := id_of(item)) and id_ not in found}
            found |= fresh
            if more is None:
                more = len(items) >= PAGE
            earliest = since - max(0.0, clock_lead_s(headers)) - _CLOCKS_DIFFER_S
            moments = [moment_of(item) for item in fresh.values()]
            if not more or not fresh or ends_before(earliest, moments[0], moments[-1]):
                return simulated, list(found.values())
            after = next(reversed(fresh))
        message = f"the list has no end within {_MOST_PAGES} pages"
        raise BatchCallError(Failure(FailureKind.UNREADABLE, Billing.UNBILLED, message))


def _renamed(body: bytes, deployment: str) -> bytes:
    """The body with the deployment for its model; its other fields as they stand."""
    fields = _fields.decode(body)
    with contextlib.suppress(msgspec.MsgspecError):
        if _word.decode(fields.get("model", b"null")) == deployment:
            return body
    return msgspec.json.encode({**fields, "model": deployment})


def _holds(file: Fields, shard: Shard, size: int) -> bool:
    """Whether an uploaded file is the shard's, and whole."""
    if file.get("filename") != f"{shard.key}.jsonl" or file.get("status") in ("error", "deleted", "deleting"):
        return False
    return file.get("bytes") in (None, size)


def _is_of(item: Fields, shard: Shard) -> bool:
    """By its key, or, where a server keeps no metadata, by its file, which no other shard has."""
    if id_of(item) in shard.known:
        return False
    metadata = item.get("metadata")
    if isinstance(metadata, dict) and metadata.get(KEY_NAME) == shard.key:
        return True
    return shard.file is not None and item.get("input_file_id") == shard.file


def _needed(value: T | None, what: str, billing: Billing) -> T:
    if value is None:
        raise _unreadable(what, billing)
    return value


def _unreadable(what: str, billing: Billing) -> BatchCallError:
    return BatchCallError(Failure(FailureKind.UNREADABLE, billing, f"an answer that is not {what}", status=200))
