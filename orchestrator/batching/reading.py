"""Reading what came back of a batch: which line counts for which row, and how many of them are odd."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.batching.surroundings import PASS
from outputs.batches import Batch
from outputs.fold import RunState
from providers.batches.wire import BatchClient, Counts, Result

_TORN, _FAILED, _ANSWERED = 1, 2, 3  # the better one counts, of equal ones the first


@dataclass(slots=True)
class Reading:
    """A first look at all lines. `chosen`: for each row the number of the line that counts, and how good it is.

    `unknown` lines are of no row of this batch, `duplicated` ones of a row that has one already, `torn` ones are not
    whole.
    """

    chosen: dict[int, tuple[int, int]] = field(default_factory=dict)
    unknown: int = 0
    duplicated: int = 0
    torn: int = 0

    @property
    def answered(self) -> int:
        """Rows with a whole answer."""
        return sum(how == _ANSWERED for _, how in self.chosen.values())

    def is_whole(self, rows: int, counts: Counts | None) -> bool:
        """Whether nothing seems to be lost: all lines are there, or all that the provider counts as completed."""
        return not self.torn and (len(self.chosen) >= rows or self.has_all_completed(counts))

    def has_all_completed(self, counts: Counts | None) -> bool:
        """Whether the provider counts no more lines as completed than rows have one that may be an answer, be it torn.

        A torn line that names no row may be an answer to any that has none. Counts of fewer answers than there are say
        nothing: they were not kept.
        """
        may_be = sum(how != _FAILED for _, how in self.chosen.values())
        return counts is not None and self.answered <= counts.completed <= may_be

    def is_nothing(self, rows: int, counts: Counts | None) -> bool:
        """Whether nothing of a batch came where there must be something: a page of a proxy, a file not written yet."""
        answered = counts is not None and counts.completed > 1
        return rows > 1 and not self.chosen and (answered or self.torn > 0)

    def note(self, number: int, row: int | None, result: Result) -> None:
        """Count a line; `row` is None where it names none."""
        how = _TORN if result.torn else _ANSWERED if result.ran and result.status == 200 else _FAILED
        self.torn += result.torn
        if row is None:
            self.unknown += not result.torn
            return
        before = self.chosen.get(row)
        self.duplicated += before is not None
        if before is None or before[1] < how:
            self.chosen[row] = (number, how)


def row_of(state: RunState, batch: Batch, id_: str | None) -> int | None:
    """The row that an in-batch id names; None where it is none of this batch's."""
    if id_ is None:
        return None
    of, _, seq = id_.rpartition("-")
    if of != batch.told.key or not seq.isascii() or not seq.isdigit() or len(seq) > 15:
        return None
    row = state.row_of(int(seq))
    return row if row is not None and batch.has(row) else None


async def read_results(client: BatchClient, path: Path, state: RunState, key: str) -> Reading:
    """Look at all lines of a batch's results."""
    reading, batch = Reading(), state.batches.keyed(key)
    async for number, result in numbered(client, path):
        reading.note(number, row_of(state, batch, result.id), result)
    return reading


async def numbered(client: BatchClient, path: Path) -> AsyncIterator[tuple[int, Result]]:
    """The lines of a file of results with their numbers, from 0, letting others work now and then."""
    for number, result in enumerate(client.results(path)):
        if number % PASS == 0:
            await asyncio.sleep(0)
        yield number, result
