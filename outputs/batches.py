"""Batches as the log tells of them: the lines with a `step` in `attempts.jsonl`, and their fold.

Each step that could take effect at a provider has a line before it and a line after it, so that whoever finds the log
after a kill knows what to look for: a file that may have been uploaded, a batch that may have been created.
"""

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from providers.batches.wire import Counts
from providers.wire import Usage


class Step(StrEnum):
    """What happened to a batch, in this order."""

    BEGUN = "begun"  # its file is written; the intents of its rows follow. Nothing has been sent
    UPLOADING = "uploading"  # all intents are on disk; the file may arrive from here on
    UPLOADED = "uploaded"  # `file` is its id
    CREATING = "creating"  # the batch may be created from here on; it may stand several times, where the queue was full
    CREATED = "created"  # `id` is the batch's
    POLLED = "polled"  # how it stood
    CANCELLING = "cancelling"  # its end was asked for
    ENDED = "ended"  # finished, expired or cancelled
    SETTLED = "settled"  # each of its lines has been accounted for: `lines` says how many of which kind
    DROPPED = "dropped"  # it never ran, and will not: its rows are free again

    @property
    def last(self) -> bool:
        """Whether nothing more happens to the batch."""
        return self in (Step.SETTLED, Step.DROPPED)


class BatchTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a step's line tells; what it does not mention stays as it was.

    Of `begun`: key, provider, model, group, rows, bytes, sha256 (of the file). Times in seconds since 1970 UTC.
    """

    key: str | None = None
    provider: str | None = None
    model: str | None = None
    group: str | None = None
    rows: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    file: str | None = None
    id: str | None = None
    status: str | None = None
    counts: Counts | None = None
    created_at: float | None = None
    expires_at: float | None = None
    results: tuple[str, ...] | None = None
    usage: Usage | None = None
    lines: dict[str, int] | None = None
    note: str | None = None


@dataclass(slots=True)
class Batch:
    """A batch as its lines tell of it; `seq` is that of the first, by which others name it.

    `rows` are all that were ever in it, rising, in four bytes each; none once it is over and all have left it.
    """

    seq: int
    number: int  # from 1, in the order of the log
    begun_at: float
    told: BatchTold
    step: Step = Step.BEGUN
    step_at: float = 0.0
    cancelling: bool = False
    open_rows: int = 0  # attempts that have not settled
    rows: "array[int]" = field(default_factory=lambda: array("I"))

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.step.last

    @property
    def name(self) -> str:
        """What people know it by: the provider's id, or the key where there is none yet."""
        return self.told.id or self.told.key or f"batch {self.seq}"

    def has(self, row: int) -> bool:
        """Whether a row was ever in it, as long as `rows` are known."""
        place = bisect_left(self.rows, row)
        return place < len(self.rows) and self.rows[place] == row

    def enter(self, row: int) -> None:
        """An attempt of a row begins by it."""
        self.open_rows += 1
        if not self.rows or row > self.rows[-1]:
            self.rows.append(row)
        elif not self.has(row):
            self.rows.insert(bisect_left(self.rows, row), row)

    def leave(self) -> None:
        """An attempt of one of its rows is over."""
        self.open_rows -= 1
        self.forget_rows()

    def forget_rows(self) -> None:
        """Drop `rows` where nobody asks for them any more."""
        if self.over and not self.open_rows:
            self.rows = array("I")


@dataclass(slots=True)
class Batches:
    """The fold of the steps."""

    by_seq: dict[int, Batch] = field(default_factory=dict)
    _by_number: list[Batch] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.by_seq)

    @property
    def all(self) -> tuple[Batch, ...]:
        """Every batch, in the order of the log."""
        return tuple(self._by_number)

    @property
    def open(self) -> list[Batch]:
        """Those that are not over, in the order of the log."""
        return [batch for batch in self._by_number if not batch.over]

    @property
    def unfinished(self) -> list[Batch]:
        """Those that are not over, or were cut off in the midst of freeing their rows, in the order of the log."""
        return [batch for batch in self._by_number if not batch.over or batch.open_rows]

    def numbered(self, number: int) -> Batch:
        """The batch with this number."""
        return self._by_number[number - 1]

    def keyed(self, key: str) -> Batch:
        """The batch with this key. Raises KeyError."""
        return {batch.told.key or "": batch for batch in self._by_number}[key]

    def begin(self, seq: int, at: float, told: BatchTold | None) -> Batch:
        """The first line of a batch."""
        batch = Batch(seq, len(self._by_number) + 1, at, told or BatchTold(), step_at=at)
        self.by_seq[seq] = batch
        self._by_number.append(batch)
        return batch

    def advance(self, seq: int, step: Step, at: float, told: BatchTold | None = None) -> None:
        """One more line of the batch `seq`; of one that is not known nothing is."""
        batch = self.by_seq.get(seq)
        if batch is None:
            return
        if step is Step.CANCELLING:
            batch.cancelling = True  # it says nothing of how far the batch is
        else:
            batch.step, batch.step_at = step, at
            batch.forget_rows()
        if step is Step.ENDED:  # what an earlier look has counted must not stand in for the end
            batch.told = msgspec.structs.replace(batch.told, counts=None, results=None, usage=None)
        if told is not None:
            batch.told = _over(batch.told, told)


def _over(before: BatchTold, told: BatchTold) -> BatchTold:
    said = {name: value for name, value in msgspec.structs.asdict(told).items() if value is not None}
    return msgspec.structs.replace(before, **said)
