"""The engine: takes rows from their lanes, sends them, and writes what happened; the job is told what is on disk.

For each attempt, its intent is on disk before its bytes leave; an answer or a final failure is on disk before it counts
and before the job is told of it. All waiting and all retrying happens here. A killed engine's successor folds the log
and goes on.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from jobs.protocol import Answered, Failed, Job, Request, Verdict
from orchestrator.deciding import EndLane, TryAgain, decide
from orchestrator.lane import Lane
from orchestrator.requests_file import NewRow, RequestsFile, prepare
from orchestrator.sending import Slot, send, watch_time_outs
from orchestrator.settling import PendingSettlement, answered, failed
from outputs import lines
from outputs.fold import RunState
from outputs.journal import Journal, Log, WriteFailedError
from outputs.records import RequestLine
from prompts.records import Outcome
from providers.catalog import Catalog
from providers.prices import upper_bound_usd
from providers.wire import SIMULATED_HEADER, Answer, Failure


class StopKind(StrEnum):
    """Why an engine stopped admitting rows."""

    INTERRUPTED = "interrupted"
    CANNOT_WRITE = "cannot_write"


@dataclass(slots=True)
class Engine:
    """One run's calls. Build it, `admit` rows, `await run()`."""

    job: Job
    state: RunState
    journal: Journal
    requests: RequestsFile
    catalog: Catalog
    make_lane: Callable[[str, str], Lane]
    provider_override: str | None = None
    lanes: dict[int, Lane] = field(default_factory=dict)  # by lane number
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    stopping: StopKind | None = None
    _slots: list[Slot] = field(default_factory=list)
    _workers: set[asyncio.Task[None]] = field(default_factory=set)
    _unsettled: deque[PendingSettlement] = field(default_factory=deque)
    _unwritten: deque[tuple[int, int]] = field(default_factory=deque)  # (seq, row) of requests not yet on disk
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)
    _crash: BaseException | None = None

    def admit(self, row: int) -> None:
        """Queue a row in its lane, which is made, with its workers, where it is new."""
        number = self.state.lane_of[row]
        lane = self.lanes.get(number)
        if lane is None:
            totals = self.state.lanes[number]
            lane = self.lanes[number] = self.make_lane(totals.provider, totals.model)
        lane.add(row)
        if lane.workers < min(lane.concurrency, lane.waiting + lane.in_flight):
            lane.workers += 1
            self._start_worker(lane)

    async def run(self) -> None:
        """Send until nothing is left that may be sent. Raises what a worker or the job raised, once all has settled."""
        self.journal.on_durable = self._on_durable
        self.journal.on_trouble = self._on_trouble
        if self.journal.failure is not None or self.journal.disk_full:  # while the session was set up
            self._on_trouble()
        watch = asyncio.create_task(watch_time_outs(self._slots, self._shortest_time_out), name="time-outs")
        try:
            self._on_durable(self.journal.durable_seq)
            await self._quiet.wait()
            for lane in self.lanes.values():
                lane.close()
            await asyncio.gather(*self._workers, return_exceptions=True)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        if self._crash is not None:
            raise self._crash

    @property
    def unwritten_rows(self) -> set[int]:
        """Rows that will be admitted by themselves once their line is on disk."""
        return {row for _, row in self._unwritten}

    def drain(self, kind: StopKind) -> None:
        """Admit nothing more; what is in flight is awaited."""
        if self.stopping is None:
            self.stopping = kind
        for lane in self.lanes.values():
            lane.close()
            for pacer in lane.pacers:
                pacer.let_go()
        self._check_quiet()

    def abandon(self) -> None:
        """Stop at once: calls in flight are cut off and stay unsettled."""
        for worker in self._workers:
            worker.cancel()

    # Workers

    def _shortest_time_out(self) -> float:
        return min((lane.provider.timeout_s for lane in self.lanes.values()), default=1.0)

    def _start_worker(self, lane: Lane) -> None:
        slot = Slot()
        self._slots.append(slot)
        slot.task = asyncio.create_task(self._work(lane, slot), name=lane.name)
        self._workers.add(slot.task)
        slot.task.add_done_callback(self._worker_done)

    def _worker_done(self, task: "asyncio.Task[None]") -> None:
        self._workers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash = self._crash or error
            self.drain(StopKind.CANNOT_WRITE if isinstance(error, WriteFailedError) else StopKind.INTERRUPTED)
        self._check_quiet()

    async def _work(self, lane: Lane, slot: Slot) -> None:
        while True:
            row = lane.take_nowait(time.monotonic())  # a coroutine for each row is worth saving
            if row is None and (row := await lane.take()) is None:
                return
            try:
                await self._attempt(lane, slot, row)
            finally:
                lane.in_flight -= 1
                if lane.in_flight == 0:
                    self._check_quiet()

    async def _attempt(self, lane: Lane, slot: Slot, row: int) -> None:
        for pacer in lane.pacers:
            await pacer.acquire()
            if lane.is_held(time.monotonic()):  # while it waited for its turn
                lane.put_back(row, 0.0)
                return
        request = self.requests.read(row)
        call = lane.adapter.encode(request.url, bytes(request.body))
        attempt = self.state.attempts[row] + 1
        reserved = None if lane.rates is None else upper_bound_usd(lane.rates, call.body, lane.max_output_tokens)
        intent = lines.intent(request.seq, attempt, time.time(), reserved)
        seq = self.journal.append(Log.ATTEMPTS, intent)
        self.state.begin_attempt(row, attempt, reserved)
        await self.journal.intent_on_disk(seq)
        started = time.monotonic()
        got = await send(lane, slot, call)
        if isinstance(got, Failure):
            self._failed(lane, row, request, attempt, started, got, b"")
            return
        status, headers, body = got
        decoded = lane.adapter.decode(status, headers, body)
        if isinstance(decoded, Failure):
            self._failed(lane, row, request, attempt, started, decoded, body)
        else:
            self._answered(lane, row, request, attempt, decoded, time.monotonic() - started, headers, body)

    # Settlements

    def _answered(
        self,
        lane: Lane,
        row: int,
        request: RequestLine,
        attempt: int,
        answer: Answer,
        latency_s: float,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        cost = None if lane.rates is None or answer.usage is None else lane.rates.cost_usd(answer.usage)
        line = lines.response(
            request,
            attempt=attempt,
            at=time.time(),
            latency_s=latency_s,
            body=body,
            request_id=headers.get("x-request-id"),
            usage=answer.usage,
            cost_usd=cost,
        )
        if SIMULATED_HEADER in headers and not self.state.simulated:
            self.state.simulated = True
            self.journal.append(Log.EVENTS, lines.event("simulated", time.time(), lane=lane.name))
        seq = self.journal.append(Log.RESPONSES, line)
        lane.transient_run = 0
        lane.throttled_since.pop(row, None)
        kept = (request, body) if self.job.follows_up else None
        self._unsettled.append(PendingSettlement(seq, row, answer.usage, cost, None, kept))

    def _failed(
        self, lane: Lane, row: int, request: RequestLine, attempt: int, began: float, failure: Failure, body: bytes
    ) -> None:
        line = lines.settlement(request.seq, attempt, time.time(), failure, body)
        self.journal.append(Log.ATTEMPTS, line)
        self.state.settle_attempt(row, failure.billing, failure.kind.value)
        decision = decide(lane, row, failure, self.state.failed_attempts[row], began, time.monotonic())
        if isinstance(decision, EndLane):
            self._end_lane(lane, decision)
            lane.put_back(row, 0.0)
            return
        if isinstance(decision, TryAgain):
            lane.put_back(row, decision.due)
            return
        lane.throttled_since.pop(row, None)
        line = lines.error(request, attempt=attempt, at=time.time(), failure=failure, raw=body)
        seq = self.journal.append(Log.ERRORS, line)
        kept = (request, b"") if self.job.follows_up else None
        self._unsettled.append(PendingSettlement(seq, row, None, None, failure, kept))

    def _end_lane(self, lane: Lane, ending: EndLane) -> None:
        if lane.stopped is None:
            line = lines.event("lane_stopped", time.time(), lane=lane.name, reason=ending.reason)
            self.journal.append(Log.EVENTS, line)
        lane.stop(ending.reason, ending.exit_code)

    # What is on disk

    def _on_durable(self, seq: int) -> None:
        try:
            self._admit_written(seq)
            self._settle_written(seq)
        except Exception as error:  # the job's own fault must stop the run, not the loop
            self._crash = self._crash or error
            self.drain(StopKind.INTERRUPTED)
        self._check_quiet()

    def _admit_written(self, seq: int) -> None:
        while self._unwritten and self._unwritten[0][0] <= seq:
            row = self._unwritten.popleft()[1]
            if self.stopping is None:
                self.admit(row)

    def _settle_written(self, seq: int) -> None:
        while self._unsettled and self._unsettled[0].seq <= seq:
            settlement = self._unsettled.popleft()
            if settlement.failure is None:
                repeat = self.state.answer(settlement.row, settlement.seq, settlement.usage, settlement.cost_usd)
            else:
                repeat = self.state.fail(settlement.row)
            if settlement.kept is not None:
                self.tell_job(self._as_told(settlement, repeat))

    def _as_told(self, settlement: PendingSettlement, repeat: bool) -> Answered | Failed:
        assert settlement.kept is not None
        request, body = settlement.kept
        if settlement.failure is not None:
            failure = settlement.failure
            return failed(settlement.seq, request, failure.kind.value, failure.message, repeat)
        lane = self.state.lanes[self.state.lane_of[settlement.row]]
        protocol = self.catalog.provider(lane.provider).protocol
        return answered(settlement.seq, request, protocol, body, repeat)

    def tell_job(self, settled: Answered | Failed) -> None:
        """Hand the job a settlement that is on disk, and log the requests that follow from it."""
        self.take_up(self.job.on_settled(settled), settled.seq)

    def take_up(self, made: Iterable[Request | Verdict], after: int) -> None:
        """Log what follows from the settlement `after`, and count verdicts; see `log_request`."""
        for one in made:
            if isinstance(one, Verdict):
                self.outcomes[one.outcome] = self.outcomes.get(one.outcome, 0) + 1
            else:
                self.log_request(prepare(one, self.catalog, self.provider_override, after))

    def log_request(self, new: NewRow) -> None:
        """Log a request; it is admitted once its line is on disk."""
        row, seq = self.requests.append(new, self.journal)
        self._unwritten.append((seq, row))

    def _on_trouble(self) -> None:
        self.drain(StopKind.CANNOT_WRITE)
        if self.journal.failure is not None:
            self._crash = self._crash or self.journal.failure
            self._quiet.set()

    def _check_quiet(self) -> None:
        """Nothing is in flight, unwritten or unsettled, and no lane has a row that it may still send."""
        if self._unsettled or self._unwritten:
            return
        if all(lane.idle for lane in self.lanes.values()):
            self._quiet.set()
