"""Writing a batch's steps to the log, and folding them."""

import contextlib
import time
from dataclasses import dataclass

from orchestrator.batching.surroundings import Surroundings
from outputs import lines
from outputs.batches import Batch, BatchTold, Step
from outputs.journal import Log


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one batch."""

    batch: Batch
    around: Surroundings

    def write(self, step: Step, told: BatchTold | None = None) -> int:
        """Log a step; returns its seq."""
        now = time.time()
        seq = self.around.journal.append(Log.ATTEMPTS, lines.batch_step(step, now, told, self.batch.seq))
        self.around.state.batches.advance(self.batch.seq, step, now, told)
        return seq

    def remove_sent(self) -> None:
        """Delete the file of its lines, which nothing needs any more."""
        with contextlib.suppress(OSError):
            self.around.sent_path(self.batch.told.key or "").unlink(missing_ok=True)

    async def on_disk(self, step: Step, told: BatchTold | None = None) -> None:
        """Log a step; it is on disk when this returns. Raises WriteFailedError."""
        await self.around.journal.intent_on_disk(self.write(step, told))
