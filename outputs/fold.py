"""The state of a run as a fold over its log: what is asked, answered, failed, open, and what it cost.

The engine folds the same steps while it runs as a replay does from disk, so there is one account of what a line means.
Memory: about 44 bytes a row, and 4 more of one whose batch is not over; bodies stay on disk.
"""

import math
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outputs.batches import Batches
from outputs.log_reader import Record, merged
from outputs.records import NO_METADATA, AttemptLine, ErrorLine, EventLine, RequestHead, ResponseHead
from providers.wire import Billing, FailureKind, Usage


class RowFlag:
    """What is known of a row; several may hold. Plain ints: an enum's `&` costs a microsecond, a row takes ten."""

    ANSWERED = 1
    FAILED = 2  # finally: its line is in errors.jsonl and nobody asked for a retry
    WITHDRAWN = 4  # an edited manifest asks for it no more
    SETTLED_BEFORE = 8  # answered or finally failed at least once


# Failures that use up none of a row's attempts: they say nothing about the row.
UNCOUNTED = frozenset(
    {FailureKind.THROTTLED, FailureKind.KEY_REFUSED, FailureKind.QUOTA, FailureKind.LATE, "killed", "not_sent"}
)

_MOST_STAGES = 255
_HOUR_S = 3600
_HOURS_KEPT = 25  # a day's limit may count from any moment of an hour


@dataclass(slots=True)
class LaneTotals:
    """Counts of one lane (a provider and model). Money in USD; `unpriced` counts answers without a known price."""

    provider: str
    model: str
    asked: int = 0
    answered: int = 0
    failed: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    maybe_usd: float = 0.0
    maybe_billed: int = 0
    maybe_unpriced: int = 0  # of those maybe billed, how many without a known price
    unpriced: int = 0
    unpriced_usd: float = 0.0  # what the unpriced answers with a reservation were reserved at
    duplicates: int = 0  # answers that repeat another row's, without a call
    by_batch: int = 0  # answers that came by a batch
    in_batches: int = 0  # rows that are in a batch now
    billed_unanswered: int = 0  # attempts that brought no answer, and are known to have been billed
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """Rows neither answered nor finally failed."""
        return self.asked - self.answered - self.failed


@dataclass(slots=True)
class OpenAttempt:
    """An attempt whose settlement is not on disk."""

    attempt: int
    reserved_usd: float | None


class RunState:
    """Rows by number (their order in `requests.jsonl`), lanes by number, and the fold's steps."""

    def __init__(self) -> None:
        self.seqs = array("Q")
        self.offsets = array("Q")
        self.lane_of = array("H")
        self.stage_of = bytearray()  # by its number in `stages`
        self.flags = bytearray()
        self.failed_attempts = bytearray()  # those that count against the row's limit; 255 at most
        self.attempts = bytearray()  # all of them; 255 at most
        self.answer_seqs = array("Q")  # of the last answer; 0 where there is none
        self.lanes: list[LaneTotals] = []
        self._lane_numbers: dict[tuple[str, str], int] = {}
        self.stages = [""]
        self._stage_numbers = {"": 0}
        self.open_attempts: dict[int, OpenAttempt] = {}  # those of online calls
        self.batches = Batches()
        self.batch_of = array("I")  # the number of the batch that a row is in; 0 where it is in none
        self.reserved_of = array("d")  # USD, of a row in a batch; NaN where unpriced
        self.pending_addition = 0  # request lines that an unfinished edit of the manifest still owes
        self.sha256: str | None = None  # of the manifest that the last edit came from
        self.last_event: EventLine | None = None
        self.simulated = False  # an answer said that it came from a simulator
        self.budget: dict[str, Any] | None = None  # the caps that were set last
        self.dedupe: bool | None = None  # None where nothing was said
        self.estimate: dict[str, Any] | None = None  # the last one
        self.estimate_at = 0.0
        self.via: str | None = None  # how rows travel, as it was said last
        self.attempts_by_hour: dict[int, dict[int, int]] = {}  # lane -> hours since 1970 UTC -> attempts begun

    def __len__(self) -> int:
        return len(self.seqs)

    def row_of(self, request_seq: int) -> int | None:
        """The row whose request line has this seq, or None."""
        row = bisect_left(self.seqs, request_seq)
        return row if row < len(self.seqs) and self.seqs[row] == request_seq else None

    def lane_number(self, provider: str, model: str) -> int:
        key = (provider, model)
        number = self._lane_numbers.get(key)
        if number is None:
            number = self._lane_numbers[key] = len(self.lanes)
            self.lanes.append(LaneTotals(provider, model))
        return number

    def stage_number(self, name: str) -> int:
        """The number of a stage; 0 for none, and for what a manifest calls so beyond what a byte can count."""
        number = self._stage_numbers.get(name)
        if number is None:
            if len(self.stages) > _MOST_STAGES:
                return 0
            number = self._stage_numbers[name] = len(self.stages)
            self.stages.append(name)
        return number

    def is_open(self, row: int) -> bool:
        """Whether the row still wants an answer."""
        return not self.flags[row] & (RowFlag.ANSWERED | RowFlag.FAILED | RowFlag.WITHDRAWN)

    # The steps of the fold.

    def add_request(self, seq: int, offset: int, lane: int, stage: int = 0) -> int:
        """A request line; returns its row."""
        self.seqs.append(seq)
        self.offsets.append(offset)
        self.lane_of.append(lane)
        self.stage_of.append(stage)
        self.flags.append(0)
        self.failed_attempts.append(0)
        self.attempts.append(0)
        self.answer_seqs.append(0)
        self.batch_of.append(0)
        self.reserved_of.append(0.0)
        self.lanes[lane].asked += 1
        if self.pending_addition:
            self.pending_addition -= 1
        return len(self.seqs) - 1

    def begin_attempt(
        self, row: int, attempt: int, reserved_usd: float | None, at: float = 0.0, batch: int | None = None
    ) -> None:
        """The line before an attempt. One that was open before was never settled: killed, and maybe billed.

        `at` in seconds since 1970 UTC; 0 where nobody knows. `batch`: the seq of the batch that it goes by.
        """
        if row in self.open_attempts or self.batch_of[row]:
            self.settle_open_as_killed(row)
        self.attempts[row] = min(attempt, 255)
        lane = self.lane_of[row]
        self.lanes[lane].attempts += 1
        if batch in self.batches.by_seq:
            self._enter_batch(row, batch, reserved_usd)
            return
        self.open_attempts[row] = OpenAttempt(attempt, reserved_usd)
        if at:
            self._count_in_hour(lane, int(at) // _HOUR_S)

    def _enter_batch(self, row: int, seq: int, reserved_usd: float | None) -> None:
        batch = self.batches.by_seq[seq]
        batch.enter(row)
        self.batch_of[row] = batch.number
        self.reserved_of[row] = math.nan if reserved_usd is None else reserved_usd
        self.lanes[self.lane_of[row]].in_batches += 1

    def _end_attempt(self, row: int) -> OpenAttempt | None:
        """The row's attempt, which is over."""
        number = self.batch_of[row]
        if not number:
            return self.open_attempts.pop(row, None)
        self.batch_of[row] = 0
        self.batches.numbered(number).leave()
        self.lanes[self.lane_of[row]].in_batches -= 1
        return OpenAttempt(self.attempts[row], self.reserved_usd(row))

    def reserved_usd(self, row: int) -> float | None:
        """What is reserved for a row in a batch; None where it is unpriced."""
        reserved = self.reserved_of[row]
        return None if math.isnan(reserved) else reserved

    def rows_in(self, seq: int) -> list[int]:
        """The rows that are in a batch still, rising."""
        batch = self.batches.by_seq[seq]
        return [row for row in batch.rows if self.batch_of[row] == batch.number]

    def _count_in_hour(self, lane: int, hour: int) -> None:
        counts = self.attempts_by_hour.setdefault(lane, {})
        if hour in counts:
            counts[hour] += 1
            return
        for old in [past for past in counts if past < hour - _HOURS_KEPT]:
            del counts[old]
        counts[hour] = 1

    def settle_open_as_killed(self, row: int) -> None:
        """An attempt whose process ended before it settled: nobody knows whether it was billed."""
        self.settle_attempt(row, Billing.MAYBE, "killed")

    def settle_attempt(self, row: int, billing: Billing, kind: str, cost_usd: float | None = None) -> None:
        """An attempt that ended without an answer; `cost_usd` where it is known to have been billed."""
        open_attempt = self._end_attempt(row)
        lane = self.lanes[self.lane_of[row]]
        lane.failures[kind] = lane.failures.get(kind, 0) + 1
        if billing is Billing.BILLED and cost_usd is not None:
            lane.billed_unanswered += 1
            lane.cost_usd = _sum_usd(lane.cost_usd, cost_usd)
        if billing is Billing.MAYBE:
            lane.maybe_billed += 1
            if open_attempt is None or open_attempt.reserved_usd is None:
                lane.maybe_unpriced += 1
            else:
                lane.maybe_usd = _sum_usd(lane.maybe_usd, open_attempt.reserved_usd)
        if kind not in UNCOUNTED and self.failed_attempts[row] < 255:
            self.failed_attempts[row] += 1

    def answer(
        self,
        row: int,
        seq: int,
        usage: Usage | None,
        cost_usd: float | None,
        duplicate: bool = False,
        by_batch: bool = False,
    ) -> bool:
        """An answer's line; returns whether the row had been settled before.

        A `duplicate` repeats another row's answer: it costs nothing and settles no attempt.
        """
        lane = self.lanes[self.lane_of[row]]
        repeat = self._settle(row, RowFlag.ANSWERED, lane)
        self.answer_seqs[row] = seq
        lane.by_batch += by_batch
        if duplicate:
            lane.duplicates += 1
        else:
            self._charge(lane, self._end_attempt(row), usage, cost_usd)
        return repeat

    @staticmethod
    def _charge(lane: LaneTotals, settled: OpenAttempt | None, usage: Usage | None, cost_usd: float | None) -> None:
        if usage is not None:
            lane.input_tokens += usage.input_tokens
            lane.output_tokens += usage.output_tokens
        if cost_usd is not None:
            lane.cost_usd = _sum_usd(lane.cost_usd, cost_usd)
            return
        lane.unpriced += 1
        if settled is not None and settled.reserved_usd is not None:
            lane.unpriced_usd = _sum_usd(lane.unpriced_usd, settled.reserved_usd)

    def fail(self, row: int) -> bool:
        """A line of `errors.jsonl`; returns whether the row had been settled before."""
        return self._settle(row, RowFlag.FAILED, self.lanes[self.lane_of[row]])

    def _settle(self, row: int, now: int, lane: LaneTotals) -> bool:
        flags = self.flags[row]
        if not flags & RowFlag.WITHDRAWN:
            self._count(lane, flags, -1)
        flags = (flags & ~(RowFlag.ANSWERED | RowFlag.FAILED)) | now
        if not flags & RowFlag.WITHDRAWN:
            self._count(lane, flags, 1)
        repeat = bool(flags & RowFlag.SETTLED_BEFORE)
        self.flags[row] = flags | RowFlag.SETTLED_BEFORE
        return repeat

    @staticmethod
    def _count(lane: LaneTotals, flags: int, by: int) -> None:
        if flags & RowFlag.ANSWERED:
            lane.answered += by
        elif flags & RowFlag.FAILED:
            lane.failed += by

    def retry_failed(self) -> int:
        """Put the finally failed rows up again, with all their attempts; returns how many."""
        count = 0
        for row, flags in enumerate(self.flags):
            if flags & RowFlag.FAILED and not flags & RowFlag.WITHDRAWN:
                self.flags[row] = flags & ~RowFlag.FAILED
                self.failed_attempts[row] = 0
                self.lanes[self.lane_of[row]].failed -= 1
                count += 1
        return count

    def withdraw(self, row: int, withdrawn: bool = True) -> None:
        """Take a row out of what is asked for, or back in; its answer, if any, stays known."""
        flags = self.flags[row]
        if bool(flags & RowFlag.WITHDRAWN) == withdrawn:
            return
        lane = self.lanes[self.lane_of[row]]
        by = -1 if withdrawn else 1
        lane.asked += by
        self._count(lane, flags, by)
        self.flags[row] = flags | RowFlag.WITHDRAWN if withdrawn else flags & ~RowFlag.WITHDRAWN

    def apply(self, offset: int, record: Record) -> bool:
        """Fold one record of the log. Returns whether it settles a row that had been settled before."""
        match record:
            case RequestHead():
                stage = (record.metadata or NO_METADATA).stage_name
                lane = self.lane_number(record.provider, record.model)
                self.add_request(record.seq, offset, lane, self.stage_number(stage))
            case AttemptLine():
                self._apply_attempt(record)
            case ResponseHead():
                if (row := self.row_of(record.request)) is not None:
                    duplicate = record.duplicate_of is not None
                    by_batch = record.batch is not None
                    return self.answer(row, record.seq, record.usage, record.cost_usd, duplicate, by_batch)
            case ErrorLine():
                if (row := self.row_of(record.request)) is not None:
                    return self.fail(row)
            case EventLine():
                self._apply_event(record)
        return False

    def _apply_attempt(self, record: AttemptLine) -> None:
        if record.step is not None:
            if record.batch is None:
                self.batches.begin(record.seq, record.at, record.told)
            else:
                self.batches.advance(record.batch, record.step, record.at, record.told)
            return
        row = self.row_of(record.request)
        if row is None:
            return
        if record.settled is None:
            self.begin_attempt(row, record.attempt, record.reserved_usd, record.at, record.batch)
        else:
            self.settle_attempt(row, record.settled, record.kind or "unknown", record.cost_usd)

    def _apply_event(self, record: EventLine) -> None:
        self.last_event = record
        match record.event:
            case "simulated":
                self.simulated = True
            case "retry":
                self.retry_failed()
            case "asked_changed":
                self._change_what_is_asked(record)
            case "budget":
                self.budget = record.budget
            case "dedupe":
                self.dedupe = record.dedupe
            case "estimate":
                self.estimate, self.estimate_at = record.estimate, record.at
            case "via":
                self.via = record.via

    def _change_what_is_asked(self, record: EventLine) -> None:
        self.pending_addition = record.adding
        self.sha256 = record.sha256 or self.sha256
        for seqs, withdrawn in ((record.withdrawn, True), (record.restored, False)):
            for seq in seqs:
                if (row := self.row_of(seq)) is not None:
                    self.withdraw(row, withdrawn)


def _sum_usd(total: float, more: float) -> float:
    """The sum to the billionth of a dollar, as the log writes money: a hundred thousand additions do not drift."""
    return round(total + more, 9)


def fold(folder: Path) -> RunState:
    """The state of the run in `folder`. Raises InputError where its log is damaged."""
    state = RunState()
    for _, offset, record in merged(folder):
        state.apply(offset, record)
    return state
