"""Getting what an ended batch has brought: downloaded, cleared of secrets, and got again where it is not whole."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.batching.hiding import hide_in_file
from orchestrator.batching.patience import Patience
from orchestrator.batching.reading import Reading, read_results
from orchestrator.batching.shards import told_of
from orchestrator.batching.steps import Steps
from orchestrator.secrets import Secrets
from outputs.batches import Step
from outputs.journal import WriteFailedError
from providers.batches.wire import BatchCallError, BatchClient, BatchView, Phase
from providers.wire import Billing, Failure, FailureKind

_READ_AGAIN = 2  # times that results with lines torn or missing are got once more


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Gets the results of one batch. `rest` waits for so many seconds, and returns False where the batch is to be left.
    While `patience` lasts, results of which nothing can be read are a failed call.
    """

    steps: Steps
    client: BatchClient
    secrets: Secrets
    rest: Callable[[float], Awaitable[bool]]
    patience: Patience

    async def fetch(self) -> Reading | None:
        """The results, got again where lines are torn or missing: a download may be cut short, and what has just ended
        may not be named yet. None: it is left. Raises BatchCallError, also for a while where nothing in them can be
        read; WriteFailedError.
        """
        around, told = self.steps.around, self.steps.batch.told
        path = around.results_path(told.key or "")
        view = BatchView(told.id or "", Phase.ENDED, told.status or "", told.counts, results=told.results or ())
        reading = await self._read() if path.exists() else None
        for again in range(_READ_AGAIN + 1):
            if reading is not None:
                if reading.is_whole(told.rows or 0, view.counts):
                    return reading
                if not await self.rest(min(around.thresholds.batch_look_s, 5.0 * max(1, again))):
                    return None
            try:
                view = view if reading is None else await self._anew(view)
                await self._download(view)
            except BatchCallError:
                if reading is None or self._waits_on():
                    raise
                return reading  # all that will ever come
            reading = await self._read()
            if not reading.is_nothing(told.rows or 0, view.counts):
                self.patience.reset()
        assert reading is not None
        if reading.is_nothing(told.rows or 0, view.counts) and self._waits_on():
            what = f"of {told.rows} lines nothing could be read in the results"
            raise BatchCallError(Failure(FailureKind.TRANSIENT, Billing.UNBILLED, what))
        return reading

    async def _read(self) -> Reading:
        around, key = self.steps.around, self.steps.batch.told.key or ""
        return await read_results(self.client, around.results_path(key), around.state, key)

    def _waits_on(self) -> bool:
        return self.patience.lasted_s(time.monotonic()) < self.steps.around.thresholds.longest_wait_s

    async def _anew(self, before: BatchView) -> BatchView:
        """How the batch stands now, logged where it says more than it did when it ended."""
        view = await self.client.poll(before.id)
        if view.phase is not Phase.ENDED:
            return before
        if (view.counts, view.results) != (before.counts, before.results):
            await self.steps.on_disk(Step.ENDED, told_of(view))
        return view

    async def _download(self, view: BatchView) -> None:
        """Into a file that has the results' name only when no secret is in it."""
        around = self.steps.around
        path = around.results_path(self.steps.batch.told.key or "")
        raw = path.with_name(path.name + ".raw")
        try:
            around.folder.mkdir(exist_ok=True)
            await self.client.download(view, raw)
            await asyncio.to_thread(hide_in_file, raw, self.secrets)
            raw.replace(path)
        except OSError as error:
            raise WriteFailedError(f"a batch's results cannot be written: {error.strerror}") from error
        finally:
            raw.unlink(missing_ok=True)
