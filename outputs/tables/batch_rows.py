"""The rows of `batches`: what the fold of the log has kept of each."""

from collections.abc import Iterator
from typing import Any

from outputs.batches import Batch, Step
from outputs.tables.cells import moment, whole
from outputs.tables.columns import LINE_KINDS
from outputs.tables.parquet import Parts
from outputs.tables.replay import Replay


def write_batches(run: str, replayed: Replay, batches: Parts) -> None:
    """Add a row for each batch, in the order of the log. Raises OSError where the table cannot be written."""
    for batch in replayed.batches.by_seq.values():
        batches.add((run, *_row(batch, replayed.batches_ended.get(batch.seq, 0.0))))


def _row(batch: Batch, ended_at: float) -> Iterator[Any]:
    told = batch.told
    yield from (batch.seq, told.key, told.provider, told.model, whole(told.rows), whole(told.bytes))
    yield from (moment(batch.begun_at), moment(told.created_at or 0.0), moment(told.expires_at or 0.0))
    yield from (moment(ended_at), moment(batch.step_at) if batch.over else None)
    yield from (batch.step.value, batch.cancelling, told.status, told.id, told.file)
    lines = (told.lines or {}) if batch.step is Step.SETTLED else None
    yield from (None if lines is None else whole(lines.get(kind, 0)) for kind in LINE_KINDS)
    yield told.note
