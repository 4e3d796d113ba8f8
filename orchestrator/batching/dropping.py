"""Freeing the rows of a batch that never ran: they may go again, but for those whose lines were refused."""

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

from orchestrator.batching.reading import row_of
from orchestrator.batching.settling import Settler
from outputs.batches import Batch
from outputs.fold import RunState
from providers.failures import MESSAGE_LIMIT
from providers.wire import Billing, Failure, FailureKind


async def free_rows(settler: Settler, why: str, sent: Path, bad: Mapping[int, str]) -> int:
    """Take all rows out of the batch. `bad`: why single lines (from 1) of the file `sent` were refused; their rows fail
    for good. Returns how many these were. Raises WriteFailedError.
    """
    state, batch = settler.around.state, settler.batch
    refused = rows_of_lines(state, batch, sent, bad) if bad else {}
    for number, row in enumerate(state.rows_in(batch.seq), 1):
        if row in refused:
            _fail(settler, row, refused[row])
        else:
            settler.free_row(row, why)
        await settler.around.flush_now_and_then(number)
    return len(refused)


def rows_of_lines(state: RunState, batch: Batch, sent: Path, lines: Mapping[int, str]) -> dict[int, str]:
    """By row what `lines` says by the line of a file; a line that cannot be found is left out."""
    found: dict[int, str] = {}
    id_ = re.compile(rb"%b-[0-9]+" % re.escape((batch.told.key or "").encode()))
    with contextlib.suppress(OSError), sent.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number in lines and (named := id_.search(line)) is not None:
                row = row_of(state, batch, named[0].decode())
                found |= {} if row is None else {row: lines[number]}
    return found


def _fail(settler: Settler, row: int, why: str) -> None:
    around, message = settler.around, f"refused in a batch: {why or 'no reason was told'}"[:MESSAGE_LIMIT]
    failure = settler.lane.secrets.hide_in(Failure(FailureKind.ROW_REFUSED, Billing.UNBILLED, message))
    settler.settle_row(row, failure, b"")
    around.attempts.give_up(row, around.requests.read(row), failure, b"")
