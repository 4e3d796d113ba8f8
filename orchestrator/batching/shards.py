"""The file of a batch's lines, as it was cut and as it lies in the run folder at a later session."""

import asyncio
import hashlib

from orchestrator.batching.surroundings import Surroundings
from outputs.batches import Batch, BatchTold
from providers.batches.wire import BatchView, Shard


def shard_of(batch: Batch, model: str, around: Surroundings, tried_at: float) -> Shard:
    """What is submitted for a batch, and by what it is known again; `tried_at`: the last creation was begun by then."""
    told = batch.told
    key = told.key or ""
    known = (other.told.id for other in around.state.batches.all if other is not batch)
    return Shard(
        key,
        around.sent_path(key),
        told.rows or 0,
        told.group or "",
        model,
        batch.begun_at,
        told.file,
        known=tuple(id_ for id_ in known if id_ is not None),
        until=tried_at,
    )


async def is_as_it_was(batch: Batch, around: Surroundings) -> bool:
    """Whether a batch's file is there, byte for byte: what was harmed would ask something else."""
    path = around.sent_path(batch.told.key or "")
    try:
        if path.stat().st_size != batch.told.bytes:
            return False
        with path.open("rb") as file:
            digest = await asyncio.to_thread(hashlib.file_digest, file, "sha256")
    except OSError:
        return False
    return digest.hexdigest() == batch.told.sha256


def told_of(view: BatchView, id_: str | None = None) -> BatchTold:
    """What is logged of a batch as its provider shows it."""
    return BatchTold(
        id=id_,
        status=view.status,
        counts=view.counts,
        created_at=view.created_at,
        expires_at=view.expires_at,
        results=view.results or None,
        usage=view.usage,
    )
