"""The objects of OpenAI's Files and Batch APIs."""

from collections.abc import Sequence
from typing import Any

from providers.simulator.batches.batch import WINDOW_S, Batch, State
from providers.simulator.batches.files import Stored


def file_object(stored: Stored) -> dict[str, Any]:
    """A file."""
    return {
        "id": stored.id,
        "object": "file",
        "bytes": stored.size,
        "created_at": stored.created_at,
        "expires_at": None,
        "filename": stored.filename,
        "purpose": stored.purpose,
        "status": "processed",
        "status_details": None,
    }


def batch_object(batch: Batch, now: float) -> dict[str, Any]:
    """A batch as it stands."""
    state, asked = batch.state(now), batch.asked
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": asked.endpoint,
        "model": asked.model,
        "errors": _errors(batch) if state is State.FAILED else None,
        "input_file_id": asked.input_file_id,
        "completion_window": "24h",
        "status": state.value,
        "output_file_id": batch.output_id,
        "error_file_id": batch.error_id,
        **_moments(batch, state, now),
        "request_counts": _request_counts(batch, state),
        "usage": _usage(batch) if state.over and state is not State.FAILED else None,
        "metadata": asked.metadata,
    }


def page(objects: Sequence[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    """A page of a list."""
    ends = {"first_id": objects[0]["id"], "last_id": objects[-1]["id"]} if objects else {}
    return {"object": "list", "data": list(objects), "first_id": None, "last_id": None, **ends, "has_more": has_more}


def _errors(batch: Batch) -> dict[str, Any]:
    data = [
        {"code": problem.code, "message": problem.message, "param": problem.param, "line": problem.line}
        for problem in batch.problems
    ]
    return {"object": "list", "data": data}


def _moments(batch: Batch, state: State, now: float) -> dict[str, int | None]:
    def past(moment: float | None, happened: bool = True) -> int | None:
        return batch.wall(moment) if happened and moment is not None and moment <= now else None

    ran = batch.fates is not None
    finalizing = batch.worked if batch.cancelled is None or batch.worked < batch.cancelled else None
    return {
        "created_at": batch.wall(batch.created),
        "in_progress_at": past(batch.validated, ran),
        "expires_at": batch.wall(batch.created + WINDOW_S),
        "finalizing_at": past(finalizing, ran and state is not State.IN_PROGRESS),
        "completed_at": past(batch.end, state is State.COMPLETED),
        "failed_at": past(batch.end, state is State.FAILED),
        "expired_at": past(batch.end, state is State.EXPIRED),
        "cancelling_at": past(batch.cancel_asked),
        "cancelled_at": past(batch.cancelled, state is State.CANCELLED),
    }


def _request_counts(batch: Batch, state: State) -> dict[str, int]:
    known = state not in (State.VALIDATING, State.FAILED)
    counts = batch.counts
    return {
        "total": len(batch.asked.lines) if known else 0,
        "completed": counts.succeeded,
        "failed": counts.errored + counts.unrun,
    }


def _usage(batch: Batch) -> dict[str, Any]:
    counts = batch.counts
    return {
        "input_tokens": counts.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": counts.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
    }
