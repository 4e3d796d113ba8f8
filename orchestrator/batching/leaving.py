"""A batch that is left to its provider while the run goes on: what is reserved for its rows stays reserved."""

from orchestrator.batching.surroundings import Surroundings
from orchestrator.lane import Lane
from outputs.batches import Batch


def leave_money(batch: Batch, lane: Lane, around: Surroundings) -> None:
    """Say that it does not come back in this session: rows that it leaves no room for are held, and wait no longer."""
    for row in around.state.rows_in(batch.seq):
        lane.budget.leave(around.state.reserved_usd(row) or 0.0)
    around.attempts.on_money()


def take_money_back(batch: Batch, lane: Lane, around: Surroundings) -> None:
    """Say that a batch that was left is followed once more: what it does not use comes back."""
    for row in around.state.rows_in(batch.seq):
        lane.budget.leave(-(around.state.reserved_usd(row) or 0.0))
