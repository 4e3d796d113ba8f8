"""Accounting for a batch: each of its rows is answered, or settled and sent again, or failed with the reason why.

What an answer cost is by its usage, at the rates of batches. Lines that the provider itself says have failed, expired
or been cancelled were not billed: batch APIs charge for answers only. A row without a readable line may have been
billed: the provider's own counts say whether it had its turn, and where the provider says what the whole batch used,
the rest of that is what such rows cost. Nothing that may have been billed is sent again by itself.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.batching.reading import Reading, numbered, row_of
from orchestrator.batching.surroundings import FLUSH_EVERY, Surroundings
from orchestrator.budget import round_up_usd
from orchestrator.deciding import EndLane
from orchestrator.lane import Lane
from orchestrator.retry import LANE_ENDING
from orchestrator.settling import PendingSettlement
from outputs import lines
from outputs.batches import Batch
from outputs.fold import RowFlag
from outputs.journal import Log
from outputs.records import RequestLine
from providers.batches.wire import BatchClient, Result
from providers.cost_bounds import has_dear_tier
from providers.prices import Rates
from providers.wire import Answer, Billing, Failure, FailureKind, Usage

_NOTHING = Usage()
_LOST = {
    FailureKind.UNREADABLE: "its line in the batch's results is not whole",
    FailureKind.MISSING: "the batch ended without a line for it",
}


@dataclass(slots=True)
class Settler:
    """Settles the rows of one batch. `freed` are the rows that want to be sent again, in the order of their lines."""

    batch: Batch
    lane: Lane
    client: BatchClient
    rates: Rates | None
    around: Surroundings
    cancelled: bool  # by us: a row that had not had its turn counts no attempt
    freed: list[int]
    ending: EndLane | None = None  # a line spoke for the whole lane
    used: Usage | None = _NOTHING  # by all whole answers; None where one does not say
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def _attempts(self) -> Attempts:
        return self.around.attempts

    async def settle(self, reading: Reading) -> None:
        """Settle every row that is in the batch still. Raises WriteFailedError."""
        unreadable: dict[int, int] = {}  # by the number of its line, the row
        settled = 0
        async for number, result in numbered(self.client, self._path):
            row = row_of(self.around.state, self.batch, result.id)
            if row is None or reading.chosen[row][0] != number:
                continue
            if result.torn or not self._line(row, result):
                unreadable[number] = row
                continue
            settled += 1
            await self.around.flush_now_and_then(settled)
        await self._lost(reading, unreadable)
        await self.around.journal.flush()
        self._count_odd(reading)

    @property
    def _path(self) -> Path:
        return self.around.results_path(self.batch.told.key or "")

    def _in_batch(self, row: int) -> bool:
        return self.around.state.batch_of[row] == self.batch.number

    def _count(self, what: str, by: int = 1) -> None:
        """Count lines, those of rows that an earlier session has settled included."""
        if by:
            self.counts[what] = self.counts.get(what, 0) + by

    def _count_odd(self, reading: Reading) -> None:
        odd = {"unknown": reading.unknown, "duplicated": reading.duplicated, "torn": reading.torn}
        self.counts.update({name: count for name, count in odd.items() if count})

    def _line(self, row: int, result: Result) -> bool:
        """The whole line that counts for a row, which an earlier session may have settled already.

        Returns False where it is an answer that cannot be read.
        """
        request, open_ = self.around.requests.read(row), self._in_batch(row)
        body = self.lane.secrets.hide_bytes(result.body)
        if not result.ran:
            self._count("cancelled" if self.cancelled else "expired")
            if open_:
                self._ended_before(row, request, _told(body))
            return True
        decoded = self.lane.adapter.decode(request.url, result.status, {}, body)
        if isinstance(decoded, Answer):
            self._count("answered")
            self.used = _plus(self.used, decoded.usage)
            if open_:
                self._answered(row, request, decoded, body, result.request_id)
            return True
        if result.status == 200 and decoded.billing is not Billing.UNBILLED:
            return False
        self._count("failed")
        if open_:  # it is not billed, whatever it would have been over HTTP
            self._failed(row, request, msgspec.structs.replace(decoded, billing=Billing.UNBILLED), body)
        return True

    def _answered(self, row: int, request: RequestLine, answer: Answer, body: bytes, request_id: str | None) -> None:
        state, usage = self.around.state, answer.usage
        reserved = state.reserved_usd(row)
        cost = self._cost_usd(request, usage, reserved)
        line = lines.response(
            request,
            attempt=state.attempts[row],
            at=time.time(),
            latency_s=None,
            body=body,
            request_id=None if request_id is None else self.lane.secrets.hide(request_id),
            usage=usage,
            cost_usd=cost,
            batch=self.batch.seq,
        )
        seq = self.around.journal.append(Log.RESPONSES, line)
        kept = (request, body) if self._attempts.keep_bodies else None
        self._attempts.on_settled(PendingSettlement(seq, row, usage, cost, None, kept, reserved, by_batch=True))

    def _cost_usd(self, request: RequestLine, usage: Usage | None, reserved: float | None) -> float | None:
        """What an answer cost; None where its usage, its price, or that of the tier it asked for is not known."""
        if self.rates is None or usage is None:
            return None
        if reserved is None and has_dear_tier(bytes(request.body), url=request.url):
            return None
        return round_up_usd(self.rates.cost_usd(usage))

    def _failed(self, row: int, request: RequestLine, failure: Failure, body: bytes) -> None:
        """A line that says why there is no answer."""
        failure = self.lane.secrets.hide_in(failure)
        self.settle_row(row, failure, body)
        if failure.kind in LANE_ENDING:
            self.ending = EndLane(f"{failure.kind.value.replace('_', ' ')}: {failure.message}", 6)
            self.freed.append(row)
        elif failure.kind is FailureKind.THROTTLED or self._may_go_again(row, failure):
            self.freed.append(row)
        else:
            self._attempts.give_up(row, request, failure, body)

    def _may_go_again(self, row: int, failure: Failure) -> bool:
        """Whether the row has attempts left, and nobody can have been paid for this one."""
        if failure.billing is not Billing.UNBILLED:
            return False
        failed = self.around.state.failed_attempts[row]
        return self._attempts.policies.next_wait_s(failure.kind, failed) is not None

    def _ended_before(self, row: int, request: RequestLine, told: str) -> None:
        """The batch expired or was cancelled before the row's turn."""
        failure = Failure(FailureKind.BATCH_ENDED, Billing.UNBILLED, self.lane.secrets.hide(told))
        if self.cancelled:
            self.free_row(row, told)
            return
        self.settle_row(row, failure, b"")
        if self._may_go_again(row, failure):
            self.freed.append(row)
        else:
            self._attempts.give_up(row, request, failure, b"")

    async def _lost(self, reading: Reading, unreadable: Mapping[int, int]) -> None:
        """Rows that nothing whole came back for: by the provider's counts either they had no turn, or were billed.

        `unreadable`: by the number of its line, each row whose line is not whole.
        """
        missing = [row for row in self.around.state.rows_in(self.batch.seq) if row not in reading.chosen]
        unnamed = max(0, (self.batch.told.rows or 0) - len(reading.chosen))  # those settled before included
        self._count("unreadable", len(unreadable))
        if unnamed and reading.has_all_completed(self.batch.told.counts):
            self._count("cancelled" if self.cancelled else "expired", unnamed)
            await self._had_no_turn(missing)
            missing, unnamed = [], 0
        self._count("missing", unnamed)
        costs = self._rest_of_usage(len(unreadable) + unnamed)
        await self._lose_unreadable({number: row for number, row in unreadable.items() if self._in_batch(row)}, costs)
        for first in range(0, len(missing), FLUSH_EVERY):
            some = missing[first : first + FLUSH_EVERY]
            await self._lose(dict.fromkeys(some, b""), FailureKind.MISSING, costs)

    async def _had_no_turn(self, rows: Sequence[int]) -> None:
        what = f"the batch ended ({self.batch.told.status}) without a line for it, and did not count it as done"
        for number, row in enumerate(rows, 1):
            self._ended_before(row, self.around.requests.read(row), what)
            await self.around.flush_now_and_then(number)

    async def _lose_unreadable(self, lost: Mapping[int, int], costs: float | None) -> None:
        """Fail the rows of these lines, which are read anew: only the bodies of some are in memory at once."""
        if not lost:
            return
        some: dict[int, bytes] = {}
        async for number, result in numbered(self.client, self._path):
            if number in lost:
                some[lost[number]] = result.body
            if len(some) == FLUSH_EVERY:
                await self._lose(some, FailureKind.UNREADABLE, costs)
                some = {}
        await self._lose(some, FailureKind.UNREADABLE, costs)

    def _loss(self, row: int, kind: FailureKind, costs: float | None) -> Failure:
        """Why a row fails that may have been billed; `costs` is its share of what the batch used beside its answers."""
        if costs is not None and costs > (self.around.state.reserved_usd(row) or 0.0):
            costs = None  # more than it can have cost: somebody counts otherwise
        billing = Billing.MAYBE if costs is None else Billing.BILLED
        message = (
            f"{_LOST[kind]}; it was {'maybe ' if costs is None else ''}billed, so that only a retry sends it again"
        )
        return Failure(kind, billing, message)

    async def _lose(self, bodies: Mapping[int, bytes], kind: FailureKind, costs: float | None) -> None:
        """Fail rows for good; `bodies`: what came back for each.

        That they have failed is on disk before they leave the batch: were it the other way round, a kill between the
        two would leave rows that are free to be bought once more.
        """
        state, hide = self.around.state, self.lane.secrets.hide_bytes
        lost = [(row, self._loss(row, kind, costs), hide(body)) for row, body in bodies.items()]
        for row, failure, body in lost:
            if not state.flags[row] & RowFlag.FAILED:  # by a session that was killed before they left the batch
                self._attempts.give_up(row, self.around.requests.read(row), failure, body)
        await self.around.journal.flush()
        for row, failure, body in lost:
            self.settle_row(row, failure, body, costs if failure.billing is Billing.BILLED else None)

    def _rest_of_usage(self, rows: int) -> float | None:
        """What each of so many lost rows cost, by what the whole batch used; None where nobody knows, USD."""
        total, rates = self.batch.told.usage, self.rates
        if not rows or total is None or self.used is None or rates is None or rates.tiers:
            return None
        fields = [(name, getattr(total, name) - getattr(self.used, name)) for name in Usage.__struct_fields__]
        if any(count < 0 for _, count in fields):
            return None
        return round_up_usd(rates.cost_usd(Usage(**dict(fields))) / rows)

    def settle_row(self, row: int, failure: Failure, body: bytes, cost_usd: float | None = None) -> None:
        """Write how the row's attempt in the batch ended, and end its reservation."""
        state, budget = self.around.state, self.lane.budget
        reserved = state.reserved_usd(row)
        at = time.time()
        line = lines.settlement(state.seqs[row], state.attempts[row], at, failure, body, cost_usd)
        self.around.journal.append(Log.ATTEMPTS, line)
        state.settle_attempt(row, failure.billing, failure.kind.value, cost_usd)
        if failure.billing is Billing.UNBILLED:
            budget.release(reserved)
        elif failure.billing is Billing.BILLED and cost_usd is not None:
            budget.settle(reserved, cost_usd)
        else:
            budget.keep_as_maybe(reserved)
        self._attempts.on_money()

    def free_row(self, row: int, why: str) -> None:
        """Take a row out of the batch that it was never sent by, or had no turn in for our own sake."""
        state = self.around.state
        reserved = state.reserved_usd(row)
        line = lines.not_sent(state.seqs[row], state.attempts[row], time.time(), why)
        self.around.journal.append(Log.ATTEMPTS, line)
        state.settle_attempt(row, Billing.UNBILLED, "not_sent")
        self.lane.budget.release(reserved)
        self._attempts.on_money()
        self.freed.append(row)


def _told(body: bytes) -> str:
    said = body.decode(errors="replace").strip()
    return f"the batch ended before its turn{f': {said[:300]}' if said else ''}"


def _plus(total: Usage | None, more: Usage | None) -> Usage | None:
    if total is None or more is None:
        return None
    return Usage(*(getattr(total, name) + getattr(more, name) for name in Usage.__struct_fields__))
