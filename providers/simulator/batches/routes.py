"""What the server knows of batches: their routes, their part of the counts, their end."""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from providers.simulator.batches.anthropic_batches import AnthropicBatchesEndpoint
from providers.simulator.batches.batch import Batch
from providers.simulator.batches.openai_batches import OpenAIBatchesEndpoint
from providers.simulator.batches.openai_files import FilesEndpoint
from providers.simulator.batches.service import Batches
from providers.simulator.endpoint import json_response
from providers.simulator.settings import SimulatorSettings
from providers.simulator.stats import Stats, Tally
from providers.simulator.viewer import Viewer


class BatchRoutes:
    """All endpoints of batches, over one set of them."""

    def __init__(
        self, settings: SimulatorSettings, tally: Tally, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._batches = Batches(settings, tally, clock, wall)
        viewer = Viewer()
        self._endpoints = (
            FilesEndpoint(self._batches),
            OpenAIBatchesEndpoint(self._batches, viewer),
            AnthropicBatchesEndpoint(self._batches),
        )

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        for endpoint in self._endpoints:
            endpoint.add_routes(router)
        router.add_get("/simulator/batches", self._list)

    def settle(self) -> None:
        """Do all that is due."""
        self._batches.settle_at_once()

    def added_to(self, tally: Tally) -> Stats:
        """The counts, after all that is due was done."""
        self.settle()
        counts = {"batches": self._batches.counts(), "batch_files": len(self._batches.files)}
        return msgspec.structs.replace(tally.stats(), **counts)

    def close(self) -> None:
        """Remove all files."""
        self._batches.close()

    async def _list(self, _: web.Request) -> web.Response:
        now = await self._batches.settle()
        return json_response(200, [_told(batch, now) for batch in self._batches.all()])


def _told(batch: Batch, now: float) -> dict[str, Any]:
    """A batch for whoever looks for one that nobody knows of. Of Anthropic's, which have no name, some custom ids tell
    whose they are."""
    asked, counts = batch.asked, batch.counts
    return {
        "id": batch.id,
        "form": asked.form,
        "name": asked.name,
        "metadata": asked.metadata or {},
        "first_custom_id": asked.lines[0].custom_id if asked.lines else None,
        "rows": len(asked.lines),
        "state": batch.state(now).value,
        "succeeded": counts.succeeded,
        "errored": counts.errored,
        "unrun": counts.unrun,
    }
