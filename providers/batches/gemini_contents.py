"""Gemini's batches: the requests of a shard go inside the call that creates it, and the answers come inside the batch.

A batch carries our key as its display name. What the API is like is read from its reference and its SDK 3.4; nothing
here is verified against the live API. States are spelt BATCH_STATE_* by the API and JOB_STATE_* by its SDK.
"""

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from multidict import CIMultiDict

from providers.batches.finding import finding_of
from providers.batches.gemini_lines import CANCELLED, Output, Status, mapped, read_results, split
from providers.batches.http_answers import (
    count,
    counted,
    in_address,
    is_simulated,
    may_be_over,
    moment,
    read,
    refused,
    safe_id,
    unreadable,
)
from providers.batches.line_files import joined, new_file, one_line
from providers.batches.one_call import OneCallClient
from providers.batches.wire import BatchCallError, BatchView, Counts, Finding, HttpSeam, Phase, Result, Shard
from providers.error_bodies import find_error, quota_names
from providers.failures import classify
from providers.protocols.paths import model_in_path
from providers.provider import Provider
from providers.wire import Billing, Failure, FailureKind, HttpCall

_NOUN = "a batch"
_VERSION = re.compile(r"/v1(?:beta)?\Z")
_WHERE = "/v1beta"  # where batches are, whichever version single calls go to
_PAGE = 20  # a page may hold the answers of all its batches
_MOST_PAGES = 2000
_ENDED = frozenset({"SUCCEEDED", "PARTIALLY_SUCCEEDED", "CANCELLED", "EXPIRED"})
_QUEUES = ("batch", "enqueued")  # in the names of quotas that other batches use up, not calls


class _Stats(msgspec.Struct, frozen=True, rename="camel"):
    request_count: Any = 0
    successful_request_count: Any = 0
    failed_request_count: Any = 0
    pending_request_count: Any = 0


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    state: str = ""
    display_name: Any = None
    create_time: Any = None
    batch_stats: _Stats | None = None
    output: Output | None = None


class _Batch(msgspec.Struct, frozen=True):
    """A long-running operation; of the answers inside only whether there are any is of interest here."""

    name: str
    metadata: _Metadata = _Metadata()
    done: Any = False
    error: Status | None = None
    response: Output | None = None

    @property
    def has_answers(self) -> bool:
        """Whether it holds any."""
        return any(output is not None and output.lines for output in (self.response, self.metadata.output))


class _Page(msgspec.Struct, frozen=True, rename="camel"):
    operations: list[_Batch] = []
    next_page_token: str | None = None


_batch = msgspec.json.Decoder(_Batch)
_page = msgspec.json.Decoder(_Page)


class GeminiBatches(OneCallClient):
    """The batches of one key. `model` is the lane's; `http` is closed by whoever made it."""

    def __init__(self, provider: Provider, model: str, base_url: str, key: str | None, http: HttpSeam) -> None:
        self._model = model
        self._base = _VERSION.sub("", base_url.rstrip("/"))
        self._headers = CIMultiDict({} if key is None else {"x-goog-api-key": key})
        self._headers.update(provider.headers)
        self._http = http

    def line(self, id_: str, url: str, call: HttpCall) -> tuple[str, bytes]:  # noqa: ARG002  (`url` is in the call)
        """(model, line): the body as it would go out online, to the model that its path names."""
        model = model_in_path(call.url.removeprefix(self._base)) or self._model
        return model, b'{"request":%b,"metadata":{"key":"%b"}}' % (one_line(call.body), id_.encode())

    async def create(self, shard: Shard) -> BatchView:
        """Have the shard answered by the model that is its group.

        What other batches have in the queue is refused as any used-up quota is, but that no quota is named (reports of
        users; not verified).
        """
        head = b'{"batch":{"displayName":"%b","inputConfig":{"requests":{"requests":[' % shard.key.encode()
        body = await asyncio.to_thread(joined, shard.path, head, b"]}}}}")
        url = f"{self._base}{_WHERE}/models/{in_address(shard.group)}:batchGenerateContent"
        headers = CIMultiDict(self._headers)
        headers["Content-Type"] = "application/json"
        status, told, answer = await self._http("POST", url, headers, body)
        if status != 200:
            error = refused(status, told, answer)
            raise BatchCallError(error.failure, queue_full=_queue_is_full(error.failure, answer))
        return _view(read(_batch, answer, _NOUN), told)

    async def find(self, shard: Shard) -> Finding:
        """Batches that carry the shard's key, in the whole list: nothing says in which order that is."""
        mine: list[BatchView] = []
        token, seen = "", {""}
        for _ in range(_MOST_PAGES):
            query = f"?pageSize={_PAGE}" + (f"&pageToken={in_address(token)}" if token else "")
            answer, told = await self._get(f"{self._base}{_WHERE}/batches{query}")
            page = read(_page, answer, "a list of batches")
            mine += [_view(batch, told) for batch in page.operations if batch.metadata.display_name == shard.key]
            token = page.next_page_token or ""
            if token in seen:
                return finding_of(mine)
            seen.add(token)
        raise unreadable("a list of batches", f"it has more than {_MOST_PAGES} pages")

    async def poll(self, batch_id: str) -> BatchView:
        """How a batch stands. The answer to this holds all its answers, once it has ended."""
        answer, told = await self._get(self._address(batch_id))
        return _view(read(_batch, answer, _NOUN), told)

    async def download(self, batch: BatchView, path: Path) -> None:
        """Put the answers inside the batch into `path`, a line each, those that are none last."""
        whole = path.with_name(path.name + ".whole")
        try:
            status, told, answer = await self._http.download(self._address(batch.id), self._headers, whole)
            if status != 200:
                raise refused(status, told, answer)
            async with new_file(path) as file:
                await asyncio.to_thread(split, whole, file)
        except ValueError as error:
            raise unreadable(_NOUN, error) from None
        finally:
            with contextlib.suppress(OSError):
                whole.unlink(missing_ok=True)

    def results(self, path: Path) -> Iterator[Result]:
        """Read what was downloaded, line by line."""
        return read_results(path)

    async def cancel(self, batch_id: str) -> None:
        """Ask for the end of a batch. Where that is refused, it may have ended: then all is well."""
        status, told, answer = await self._http("POST", f"{self._address(batch_id)}:cancel", self._headers)
        if status == 200:
            return
        error = refused(status, told, answer)
        if not may_be_over(error) or (await self.poll(batch_id)).phase is Phase.RUNNING:
            raise error

    def _address(self, batch_id: str) -> str:
        return f"{self._base}{_WHERE}/{_name(batch_id)}"

    async def _get(self, url: str) -> tuple[Any, Mapping[str, str]]:
        """The body of an answer, which is read from a file where it is too large to be held: it may have the answers
        of whole batches in it.
        """
        try:
            status, told, answer = await self._http("GET", url, self._headers)
        except BatchCallError as error:
            if error.failure.kind is not FailureKind.TOO_LARGE:
                raise
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "answer.json"
                status, told, answer = await self._http.download(url, self._headers, path)
                if status == 200:
                    return mapped(path), told
        if status != 200:
            raise refused(status, told, answer)
        return answer, told


def _name(batch_id: str) -> str:
    """`batches/ID` as it may stand in an address. Raises BatchCallError."""
    folder, _, last = batch_id.partition("/")
    if folder != "batches":
        raise unreadable(_NOUN, "its name does not begin with batches/")
    return f"{folder}/{safe_id(last, _NOUN)}"


def _queue_is_full(failure: Failure, body: bytes) -> bool:
    """Whether a refusal is for what other batches have in the queue, not for calls in a minute or a day."""
    if failure.status != 429 or failure.kind is not FailureKind.THROTTLED:
        return False
    error = find_error(body)
    names = [] if error is None else quota_names(error)
    return not names or any(word in name.lower() for name in names for word in _QUEUES)


def _view(batch: _Batch, told: Mapping[str, str]) -> BatchView:
    metadata = batch.metadata
    stats = metadata.batch_stats
    counts = None
    if stats is not None:
        completed, failed = count(stats.successful_request_count), count(stats.failed_request_count)
        counts = counted(count(stats.request_count), completed, failed)
    phase = _phase(batch, counts)
    problem, full = _problem(batch) if phase is Phase.REFUSED else (None, False)
    return BatchView(
        _name(batch.name),
        phase,
        metadata.state or ("done" if batch.done is True else "unknown"),
        counts,
        created_at=moment(metadata.create_time),
        problem=problem,
        queue_full=full,
        simulated=is_simulated(told),
    )


def _phase(batch: _Batch, counts: Counts | None) -> Phase:
    state = batch.metadata.state.removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
    if state in _ENDED:
        return Phase.ENDED
    if state != "FAILED" and batch.done is not True:
        return Phase.RUNNING
    failed = state == "FAILED" or (batch.error is not None and batch.error.code != CANCELLED)
    answered = batch.has_answers or (counts is not None and counts.completed > 0)
    return Phase.REFUSED if failed and not answered else Phase.ENDED


def _problem(batch: _Batch) -> tuple[Failure, bool]:
    """Why a batch never ran, and whether for the queue; it costs nothing, whatever its error would mean for a call."""
    if batch.error is None:
        return Failure(FailureKind.BATCH_ENDED, Billing.UNBILLED, "the batch failed, and no reason is given"), False
    status, body = batch.error.http
    failure = classify(status, {}, body, now=time.time())
    return msgspec.structs.replace(failure, billing=Billing.UNBILLED), _queue_is_full(failure, body)
