"""Beginning a batch: its first line and the intents of its rows are on disk before anything can be sent."""

import time

from orchestrator.batching.cutting import Cut
from orchestrator.batching.surroundings import Surroundings
from orchestrator.lane import Lane
from outputs import lines
from outputs.batches import Batch, BatchTold, Step
from outputs.journal import Log

_FLUSH_EVERY = 500  # rows


async def begin(cut: Cut, lane: Lane, around: Surroundings) -> Batch:
    """The batch of a shard that was cut, on disk with the intents of its rows. Raises WriteFailedError."""
    journal, state, now = around.journal, around.state, time.time()
    told = BatchTold(
        key=cut.key,
        provider=lane.provider_name,
        model=lane.model,
        group=cut.group,
        rows=len(cut.rows),
        bytes=cut.size,
        sha256=cut.sha256,
    )
    seq = journal.append(Log.ATTEMPTS, lines.batch_step(Step.BEGUN, now, told))
    batch = state.batches.begin(seq, now, told)
    for number, (row, request, reserved) in enumerate(zip(cut.rows, cut.seqs, cut.reserved, strict=True), 1):
        attempt = state.attempts[row] + 1
        journal.append(Log.ATTEMPTS, lines.intent(request, attempt, now, reserved, seq))
        state.begin_attempt(row, attempt, reserved, now, seq)
        if number % _FLUSH_EVERY == 0:
            await journal.flush()
    await journal.flush()
    return batch
