"""Anthropic's Message Batches: a shard is one call's body, and its results are one file of lines.

The API keeps nothing of ours with a batch but the ids of its lines, and shows those only once it has ended. So a batch
whose creation was never answered is looked for by its time and its number of rows, and known by its results.
All lines of a batch go out under one version of the API. Lines that errored, expired or were cancelled are not billed
(batch processing guide; not verified against the live API, as nothing here is).
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from multidict import CIMultiDict

from providers.batches.anthropic_lines import read_result, read_results
from providers.batches.finding import ends_before, finding_of
from providers.batches.http_answers import (
    clock_lead_s,
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
from providers.batches.line_files import joined, lines_of, one_line
from providers.batches.one_call import OneCallClient
from providers.batches.wire import BatchCallError, BatchView, Finding, HttpSeam, Looked, Phase, Result, Shard
from providers.protocols.anthropic import VERSION
from providers.protocols.paths import MESSAGES
from providers.provider import Provider
from providers.wire import FailureKind, HttpCall

_VERSION = "anthropic-version"
_NOUN = "a message batch"
_PAGE = 100
_MOST_PAGES = 500
_EARLIER_S = 60.0  # how much before its creation was begun a batch may say that it was created
_LATER_S = 900.0  # and how much after the last try: a call may take its whole time-out until it is there
_FAR_EARLIER_S = 600.0  # batches are listed by time, the newest first: no page after this is of interest
_GONE = (404, 410)


class _Batch(msgspec.Struct, frozen=True):
    id: str
    processing_status: str
    request_counts: Any = None
    created_at: Any = None
    expires_at: Any = None
    results_url: Any = None


class _Page(msgspec.Struct, frozen=True):
    data: list[_Batch]
    has_more: bool = False
    last_id: str | None = None


_batch = msgspec.json.Decoder(_Batch)
_page = msgspec.json.Decoder(_Page)


class AnthropicBatches(OneCallClient):
    """The message batches of one key. `http` is closed by whoever made it."""

    def __init__(self, provider: Provider, base_url: str, key: str | None, http: HttpSeam) -> None:
        base = base_url.rstrip("/").removesuffix("/v1")
        parts = urlsplit(base)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._url = f"{base}{MESSAGES}/batches"
        self._headers = CIMultiDict({_VERSION: provider.api_version or VERSION})
        if key is not None:
            self._headers["x-api-key"] = key
        self._headers.update(provider.headers)
        self._http = http

    def line(self, id_: str, url: str, call: HttpCall) -> tuple[str, bytes]:  # noqa: ARG002  (`url` is in the call)
        """(version of the API, line): the body as it would go out online."""
        return call.headers[_VERSION], b'{"custom_id":"%b","params":%b}' % (id_.encode(), one_line(call.body))

    async def create(self, shard: Shard) -> BatchView:
        """Have the shard answered, under the version that is its group.

        A refusal for too many requests that does not say when to come back is taken for a full queue.
        """
        headers = CIMultiDict(self._headers)
        headers.update({_VERSION: shard.group, "Content-Type": "application/json"})
        body = await asyncio.to_thread(joined, shard.path, b'{"requests":[', b"]}")
        status, told, answer = await self._http("POST", self._url, headers, body)
        if status != 200:
            error = refused(status, told, answer)
            throttled = status == 429 and error.failure.kind is FailureKind.THROTTLED
            raise BatchCallError(error.failure, queue_full=throttled and error.failure.retry_after_s is None)
        return self._view(read(_batch, answer, _NOUN), told)

    async def find(self, shard: Shard) -> Finding:
        """Batches of its time and size: one that has ended shows whose it is, one that runs may be it.

        Of those whose results name no row at all the oldest is taken where there is nothing else: to take up a
        stranger's loses its rows to a failure that says why, not to take up one's own buys them twice.
        """
        mine: list[BatchView] = []
        nobodys: list[BatchView] = []
        running = False
        for view in await self._candidates(shard):
            if view.phase is not Phase.ENDED:
                running = True
                continue
            whose = await self._is_of(view, shard)
            if whose:
                mine.append(view)
            elif whose is None and view.counts is not None and view.counts.total == shard.rows:
                nobodys.append(view)
        if running and not mine:
            return Finding(Looked.PERHAPS)
        return finding_of(reversed(mine)) if mine else finding_of(nobodys[-1:])

    async def _candidates(self, shard: Shard) -> list[BatchView]:
        """The batches that may be the shard's, the newest first."""
        found: list[BatchView] = []
        after: str | None = None
        for _ in range(_MOST_PAGES):
            query = f"?limit={_PAGE}" if after is None else f"?after_id={after}&limit={_PAGE}"
            status, told, answer = await self._http("GET", self._url + query, self._headers)
            if status != 200:
                raise refused(status, told, answer)
            page = read(_page, answer, "a list of message batches")
            lead_s = clock_lead_s(told)
            since = shard.since - lead_s
            views = [self._view(batch, told) for batch in page.data]
            found += [view for view in views if _may_be(view, shard, since, shard.until - lead_s)]
            if not views or not page.has_more or views[-1].id == after:
                return found
            if ends_before(since - _FAR_EARLIER_S, views[0].created_at, views[-1].created_at):
                return found
            after = views[-1].id
        raise unreadable("a list of message batches", f"it has more than {_MOST_PAGES} pages")

    async def _is_of(self, view: BatchView, shard: Shard) -> bool | None:
        """Whether one of its results is a line of the shard's; None where none names any row."""
        path = shard.path.with_name(f"{shard.key}.looked")
        with contextlib.suppress(OSError):  # which shows when the file is written
            path.parent.mkdir(exist_ok=True)
        try:
            await self.download(view, path)
            return await asyncio.to_thread(_whose, path, f"{shard.key}-")
        except BatchCallError as error:
            if error.failure.status in _GONE:
                return False
            raise
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    async def poll(self, batch_id: str) -> BatchView:
        """How a batch stands; its counts move only at its end."""
        status, told, answer = await self._http("GET", self._address(batch_id), self._headers)
        if status != 200:
            raise refused(status, told, answer)
        return self._view(read(_batch, answer, _NOUN), told)

    async def download(self, batch: BatchView, path: Path) -> None:
        """Put the results into `path` as they come: a row has one line among them."""
        url = self._results_url(batch.id, batch.results[0] if batch.results else None)
        status, told, answer = await self._http.download(url, self._headers, path)
        if status != 200:
            raise refused(status, told, answer)

    def results(self, path: Path) -> Iterator[Result]:
        """Read what was downloaded, line by line."""
        return read_results(path)

    async def cancel(self, batch_id: str) -> None:
        """Ask for the end of a batch. Where that is refused, it may have ended: then all is well."""
        status, told, answer = await self._http("POST", f"{self._address(batch_id)}/cancel", self._headers)
        if status == 200:
            return
        error = refused(status, told, answer)
        if not may_be_over(error) or (await self.poll(batch_id)).phase is not Phase.ENDED:
            raise error

    def _address(self, batch_id: str) -> str:
        return f"{self._url}/{in_address(safe_id(batch_id, _NOUN))}"

    def _results_url(self, batch_id: str, told: object) -> str:
        """Where the provider says that the results are, if that is at the provider: the key goes nowhere else."""
        if isinstance(told, str) and told.startswith(f"{self._origin}/"):
            return told
        return f"{self._address(batch_id)}/results"

    def _view(self, batch: _Batch, told: Mapping[str, str]) -> BatchView:
        id_ = safe_id(batch.id, _NOUN)
        ended = batch.processing_status == "ended"
        said = batch.request_counts if isinstance(batch.request_counts, dict) else {}
        completed, running = count(said.get("succeeded")), count(said.get("processing"))
        failed = sum(count(said.get(name)) for name in ("errored", "canceled", "expired"))
        return BatchView(
            id_,
            Phase.ENDED if ended else Phase.RUNNING,
            batch.processing_status,
            counted(running + completed + failed, completed, failed),
            created_at=moment(batch.created_at),
            expires_at=moment(batch.expires_at),
            results=(self._results_url(id_, batch.results_url),) if ended else (),
            simulated=is_simulated(told),
        )


def _may_be(view: BatchView, shard: Shard, since: float, until: float) -> bool:
    """Whether a batch may be the shard's by what is shown of it; `since` and `until` by the clock of the server.

    One that has ended may count fewer lines than it was given: whose it is, its results say. One without counts may be
    of any size.
    """
    if view.id in shard.known:
        return False
    total = shard.rows if view.counts is None else view.counts.total
    if total > shard.rows or (total < shard.rows and view.phase is not Phase.ENDED):
        return False
    return view.created_at is None or since - _EARLIER_S <= view.created_at <= until + _LATER_S


def _whose(path: Path, ours: str) -> bool | None:
    """Whether any line is one of ours, those before it may be anybody's; None where no line names anybody."""
    named = False
    for line, _ in lines_of(path):
        id_ = read_result(line).id
        if id_ is not None and id_.startswith(ours):
            return True
        named = named or id_ is not None
    return False if named else None
