"""How the batches of a run stand, by its log, and where a process follows them by what that says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outputs.batches import Batch, Batches, Step

SETTLED = "settled"
_WORDS = {
    Step.BEGUN: "being made",
    Step.UPLOADING: "being uploaded",
    Step.UPLOADED: "uploaded",
    Step.CREATING: "being submitted",
    Step.CREATED: "submitted",
    Step.POLLED: "under way",
    Step.ENDED: "being read",
    Step.SETTLED: SETTLED,
    Step.DROPPED: "dropped",
}
NO_NOTES: Mapping[str, str] = {}
_AT_THE_PROVIDER = frozenset({Step.CREATING, Step.CREATED, Step.POLLED, Step.ENDED})


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """One batch. Times in seconds since 1970 UTC, None where nobody knows.

    `id` is the provider's, or our key while there is none; `step` in plain words, `status` the provider's own one.
    `rows` are in it, of which `open_rows` have not been accounted for; `completed`, `failed` and `total` are the
    provider's counts of lines at `seen_at`. `expected_end` is when all lines will be done if they go on as they did,
    never past `expires_at`; None while none is done. `lines`: how many came to which end, of one that is settled.
    """

    id: str
    key: str
    provider: str
    model: str
    step: str
    status: str | None
    over: bool  # settled or dropped
    cancelling: bool
    at_provider: bool
    rows: int
    open_rows: int
    completed: int | None
    failed: int | None
    total: int | None
    begun_at: float
    created_at: float | None
    seen_at: float
    expires_at: float | None
    expected_end: float | None
    note: str | None
    lines: Mapping[str, int] = field(default_factory=dict)


def batches_of(batches: Batches, now: float, live: Mapping[str, Any] | None = None) -> tuple[BatchStatus, ...]:
    """All batches, open ones first, each part in the order of the log; `live` is what a process said of them last."""
    notes = _notes(live or {})
    found = [status_of(batch, now, notes) for batch in batches.all]
    return tuple(sorted(found, key=lambda one: one.over))


def at_the_provider(batch: Batch) -> bool:
    """Whether a batch goes on, or may go on, at its provider without us."""
    return batch.step in _AT_THE_PROVIDER


def status_of(batch: Batch, now: float, notes: Mapping[str, str] = NO_NOTES) -> BatchStatus:
    """How one batch stands at `now`; `notes` by key."""
    told, counts = batch.told, batch.told.counts
    return BatchStatus(
        id=batch.name,
        key=told.key or "",
        provider=told.provider or "",
        model=told.model or "",
        step="being cancelled" if batch.cancelling and at_the_provider(batch) else _WORDS[batch.step],
        status=told.status,
        over=batch.over,
        cancelling=batch.cancelling,
        at_provider=at_the_provider(batch),
        rows=told.rows or 0,
        open_rows=batch.open_rows,
        completed=None if counts is None else counts.completed,
        failed=None if counts is None else counts.failed,
        total=None if counts is None else counts.total,
        begun_at=batch.begun_at,
        created_at=told.created_at,
        seen_at=batch.step_at,
        expires_at=told.expires_at,
        expected_end=None if batch.over else expected_end(batch, now),
        note=notes.get(told.key or "", told.note),
        lines=told.lines or {},
    )


def expected_end(batch: Batch, now: float) -> float | None:
    """When a running batch will be done, at the pace of its lines until they were counted; None while none is done.

    Not before `now`, and no later than it expires; epoch seconds. A clock that is behind the provider's tells no pace.
    """
    told, counts = batch.told, batch.told.counts
    done = 0 if counts is None else counts.completed + counts.failed
    if batch.step not in (Step.CREATED, Step.POLLED) or told.id is None or counts is None or done <= 0:
        return None
    began = told.created_at or batch.begun_at
    if batch.step_at <= began:
        return told.expires_at
    end = max(now, began + (batch.step_at - began) * max(counts.total, done) / done)
    return end if told.expires_at is None else min(end, told.expires_at)


def _notes(live: Mapping[str, Any]) -> dict[str, str]:
    """By key, what the process that follows the batches notes of them; a heartbeat may hold anything."""
    said = live.get("batches")
    entries = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    return {
        key: note
        for one in entries
        if isinstance(key := one.get("key"), str) and isinstance(note := one.get("note"), str)
    }
