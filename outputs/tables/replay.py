"""The fold of a run with what tables need beyond it: how each attempt was settled, what each request cost and why it
failed. Memory: about 30 bytes an attempt and 20 a request beside the fold's own; messages stay on disk.
"""

import math
from array import array
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

from outputs.batches import Step
from outputs.fold import RowFlag, RunState
from outputs.journal import Log
from outputs.log_reader import Record, merged
from outputs.records import AttemptLine, ResponseHead
from providers.wire import Billing, Usage


class Settled(IntEnum):
    """How an attempt ended, and which line says so."""

    NOT = 0
    ANSWERED = 1  # a line of responses.jsonl
    WITHOUT_ANSWER = 2  # a line of attempts.jsonl
    SUPERSEDED = 3  # none: the request's next attempt began, so that this one's process was killed


class Replay(RunState):
    """A run's state; by attempt (in the order in which they began) how it was settled; by row what its answers cost.

    `settled_where` is the offset of an attempt's settlement in attempts.jsonl; `settled_at` (seconds since 1970 UTC)
    and `settled_usd` (NaN where unknown) are its answer's. `costs_usd`: NaN where a price is unknown. `failures`: the
    offset of a row's last line in errors.jsonl. `batches_ended`: when a batch (by seq) was seen to have ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.settled = bytearray()
        self.settled_where = array("Q")
        self.settled_at = array("d")
        self.settled_usd = array("d")
        self.costs_usd = array("d")
        self.failures: dict[int, int] = {}
        self.batches_ended: dict[int, float] = {}
        self.answer_lines = 0
        self._under_way: dict[int, int] = {}  # row -> its attempt
        self._offset = 0
        self._at = 0.0

    def read(self, offset: int, record: Record) -> None:
        """Fold one record of the log."""
        self._offset = offset
        if isinstance(record, ResponseHead):
            self._at = record.at
            self.answer_lines += 1
        elif isinstance(record, AttemptLine) and record.step is Step.ENDED and record.batch is not None:
            self.batches_ended[record.batch] = record.at
        self.apply(offset, record)

    def add_request(self, seq: int, offset: int, lane: int, stage: int = 0) -> int:
        self.costs_usd.append(0.0)
        return super().add_request(seq, offset, lane, stage)

    def begin_attempt(
        self, row: int, attempt: int, reserved_usd: float | None, at: float = 0.0, batch: int | None = None
    ) -> None:
        super().begin_attempt(row, attempt, reserved_usd, at, batch)
        self._under_way[row] = len(self.settled)
        self.settled.append(Settled.NOT)
        self.settled_where.append(0)
        self.settled_at.append(math.nan)
        self.settled_usd.append(math.nan)

    def settle_open_as_killed(self, row: int) -> None:
        number = self._under_way.pop(row)
        super().settle_open_as_killed(row)
        self.settled[number] = Settled.SUPERSEDED

    def settle_attempt(self, row: int, billing: Billing, kind: str, cost_usd: float | None = None) -> None:
        super().settle_attempt(row, billing, kind, cost_usd)
        if cost_usd is not None:
            self.costs_usd[row] = round(self.costs_usd[row] + cost_usd, 9)
        number = self._under_way.pop(row, None)
        if number is not None:
            self.settled[number], self.settled_where[number] = Settled.WITHOUT_ANSWER, self._offset

    def answer(
        self,
        row: int,
        seq: int,
        usage: Usage | None,
        cost_usd: float | None,
        duplicate: bool = False,
        by_batch: bool = False,
    ) -> bool:
        if not duplicate:
            cost = math.nan if cost_usd is None else cost_usd
            self.costs_usd[row] = round(self.costs_usd[row] + cost, 9)
            number = self._under_way.pop(row, None)
            if number is not None:
                self.settled[number] = Settled.ANSWERED
                self.settled_at[number], self.settled_usd[number] = self._at, cost
        return super().answer(row, seq, usage, cost_usd, duplicate, by_batch)

    def fail(self, row: int) -> bool:
        self.failures[row] = self._offset
        return super().fail(row)

    def for_answers(self) -> "Replay":
        """A copy with what is asked of it about answers only: `row_of`, `counts` and the number of rows."""
        slim = Replay()
        slim.seqs, slim.flags, slim.answer_seqs = self.seqs, self.flags, self.answer_seqs
        return slim

    @property
    def all_count(self) -> bool:
        """Whether each answer of the log is the one that counts of a request that is asked for."""
        return self.answer_lines == sum(lane.answered for lane in self.lanes)

    def asked(self, row: int) -> bool:
        """Whether the request is still asked for."""
        return not self.flags[row] & RowFlag.WITHDRAWN

    def counts(self, row: int, answer_seq: int) -> bool:
        """Whether an answer is the last one to a request that is still asked for."""
        flags = self.flags[row]
        return self.answer_seqs[row] == answer_seq and bool(flags & RowFlag.ANSWERED) and not flags & RowFlag.WITHDRAWN

    def standing(self, row: int) -> str:
        """answered, failed, open or withdrawn."""
        flags = self.flags[row]
        if flags & RowFlag.WITHDRAWN:
            return "withdrawn"
        return "answered" if flags & RowFlag.ANSWERED else "failed" if flags & RowFlag.FAILED else "open"


def replay(folder: Path, ends: Mapping[Log, int]) -> Replay:
    """The replay of the run in `folder` up to these ends. Raises InputError where its log is damaged."""
    made = Replay()
    for _, offset, record in merged(folder, ends):
        made.read(offset, record)
    return made
