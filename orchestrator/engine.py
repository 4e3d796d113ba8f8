"""The engine: takes rows from their lanes, sends them, and writes what happened; the job is told what is on disk.

For each attempt, its intent is on disk before its bytes leave; an answer or a final failure is on disk before it counts
and before the job is told of it. All waiting and all retrying happens here. A killed engine's successor folds the log
and goes on.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from jobs.protocol import Job, RunReader
from orchestrator.attempts import Attempts
from orchestrator.batching.batching import Batching
from orchestrator.batching.surroundings import FOLDER, Surroundings
from orchestrator.batching.via import Via
from orchestrator.budget import Budget, Caps
from orchestrator.deadline import Deadline
from orchestrator.duplicates import Duplicates
from orchestrator.follow_up import FollowUp
from orchestrator.lane import Lane
from orchestrator.lanes import LaneMaker
from orchestrator.lateness import end_used_up, look_at_deadline, next_look_s
from orchestrator.media_stage import MediaStage
from orchestrator.paused_stages import PausedStages
from orchestrator.requests_file import NewRow, RequestsFile
from orchestrator.retry import Policies
from orchestrator.sending import watch_time_outs
from orchestrator.settling import PendingSettlement
from orchestrator.workers import Workers
from outputs import lines
from outputs.fold import RunState
from outputs.journal import Journal, Log, WriteFailedError
from providers.catalog import Catalog
from providers.media.preflight import Preflight

_COPIES = 1000  # answers written in one go for rows that ask the same


class StopKind(StrEnum):
    """Why an engine stopped admitting rows."""

    INTERRUPTED = "interrupted"
    STOPPED = "stopped by overnight stop"
    CANCELLED = "stopped, and its batches cancelled"
    CANNOT_WRITE = "cannot_write"
    OVERRUN = "overrun"


@dataclass(slots=True)
class Engine:
    """One run's calls. Build it, `admit` rows, `await run()`."""

    job: Job
    state: RunState
    journal: Journal
    requests: RequestsFile
    catalog: Catalog
    maker: LaneMaker
    run_reader: RunReader
    provider_override: str | None = None
    budget: Budget = field(default_factory=lambda: Budget(Caps()))
    policies: Policies = field(default_factory=Policies)
    deadline: Deadline | None = None
    duplicates: Duplicates | None = None
    preflight: Preflight | None = None  # of the pictures of requests that the job derives
    media: MediaStage | None = None
    lanes: dict[int, Lane] = field(default_factory=dict)  # by lane number
    stopping: StopKind | None = None
    paused: bool = False
    about: dict[tuple[str, str], int] = field(default_factory=dict)  # requests that a lane will have in the end
    overrun: str | None = None  # an answer that cost more than was reserved for it
    folder: Path = Path()  # the run's
    via: Via = Via.ONLINE
    allow_rebuy: bool = False
    attempts: Attempts = field(init=False)
    follow_up: FollowUp = field(init=False)
    paused_stages: PausedStages = field(init=False)
    batching: Batching = field(init=False)
    _workers: Workers = field(init=False)
    _unsettled: deque[PendingSettlement] = field(default_factory=deque)
    _unwritten: deque[tuple[int, int]] = field(default_factory=deque)  # (seq, row) of requests not yet on disk
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)
    _crash: BaseException | None = None

    def __post_init__(self) -> None:
        self.attempts = Attempts(
            self.state,
            self.journal,
            self.requests,
            self.job.follows_up or self.duplicates is not None,
            self._unsettled.append,
            self.money_came,
            self.seconds_left,
            self.policies,
            self.media,
        )
        self._workers = Workers(self.attempts, self._check_quiet, self._crashed)
        self.batching = self._make_batching()
        self.paused_stages = PausedStages(self.state, self.journal, self.lanes, self.batching.set_aside)
        self.follow_up = FollowUp(
            self.job,
            self.state,
            self.catalog,
            self.run_reader,
            self.log_request,
            self.paused_stages.pause,
            self.provider_override,
            self.preflight,
            self.policies.thresholds,
        )

    def _make_batching(self) -> Batching:
        thresholds, log = self.policies.thresholds, (self.state, self.journal, self.requests, self.attempts)
        tell = (self._put_up, self.send_online, self._trickles, self._check_quiet)
        around = Surroundings(self.folder / FOLDER, *log, thresholds, *tell, lambda: self.deadline)
        return Batching(around, self.maker, self._lane, self._workers.spawn, self.via, self.allow_rebuy)

    def admit(self, row: int) -> None:
        """Queue a row for a batch, or in its lane, which is made, with its workers, where it is new."""
        if self.duplicates is not None and self.duplicates.follows(row, self.state, self.requests):
            return
        self._put_up(row)

    def _put_up(self, row: int) -> None:
        if not self.batching.take(row):
            self.send_online(row)

    def send_online(self, row: int) -> None:
        """Queue a row in its lane."""
        lane = self._lane(self.state.lane_of[row])
        lane.add(row)
        self._workers.staff(lane)

    def _trickles(self) -> bool:
        """Whether calls are under way whose answers may bring more requests."""
        if not self.job.follows_up:
            return False
        return any(lane.in_flight or (lane.waiting and not lane.is_held()) for lane in self.lanes.values())

    async def answer_duplicates(self) -> None:
        """Before `run`: write earlier sessions' answers for the rows that ask the same. Raises WriteFailedError."""
        if self.duplicates is None:
            return
        self._admit_written(self.journal.durable_seq)  # an edit's rows may ask the same, too
        copies = self.duplicates.copy_earlier(self.state, self.requests, self.journal)
        for number, settlement in enumerate(copies, 1):
            self._unsettled.append(settlement)
            if number % _COPIES == 0:
                await self.journal.flush()  # bodies that wait to be written are in memory

    async def run(self, cancelling: bool = False) -> None:
        """Send until nothing is left that may be sent. Raises what a worker or the job raised, once all has settled.

        `cancelling`: send nothing; only have earlier batches cancelled, and take in what they have answered.
        """
        self.journal.on_durable = self._on_durable
        self.journal.on_trouble = self._on_trouble
        if self.journal.failure is not None or self.journal.disk_full:  # while the session was set up
            self._on_trouble()
        time_outs = watch_time_outs(self._workers.slots, self._shortest_time_out)
        async with self._workers.beside(time_outs, self._watch_deadline()):
            try:
                self.batching.follow_earlier()
                if cancelling:
                    self.stop_cancelling()
                self._on_durable(self.journal.durable_seq)
                await self._quiet.wait()
            except asyncio.CancelledError:
                self.abandon()
                raise
            finally:
                await self._wind_up()
        if self._crash is not None:
            raise self._crash

    async def _wind_up(self) -> None:
        """However the run ends: begin nothing more, and return once what is in flight has ended."""
        self.batching.leave()
        for lane in self.lanes.values():
            lane.close()
        try:
            await self._workers.join()
        finally:
            for lane in self.lanes.values():
                lane.limits.close()

    @property
    def unwritten_rows(self) -> set[int]:
        """Rows that will be admitted by themselves once their line is on disk."""
        return {row for _, row in self._unwritten}

    @property
    def ending(self) -> bool:
        """Whether no call will be started any more."""
        return self.stopping is not None or self._quiet.is_set()

    def drain(self, kind: StopKind) -> None:
        """Admit nothing more; what is in flight is awaited."""
        self.batching.leave()
        self._close_lanes(kind)

    def stop_cancelling(self) -> int:
        """Admit nothing more, and have all batches cancelled; what they have answered is taken in. Returns how many."""
        count = self.batching.cancel_all()
        self._close_lanes(StopKind.CANCELLED)
        return count

    def _close_lanes(self, kind: StopKind) -> None:
        if self.stopping is None:
            self.stopping = kind
        for lane in self.lanes.values():
            lane.close()
        self._check_quiet()

    def abandon(self) -> None:
        """Stop at once: calls in flight are cut off and stay unsettled."""
        self.batching.leave()
        self._workers.cancel()

    # Steering

    def pause(self, paused: bool) -> None:
        """Start no calls for now, or start them again; the run lives on."""
        self.paused = paused
        self.batching.pause(paused)
        for lane in self.lanes.values():
            lane.pause(paused)
        self._check_quiet()

    def set_concurrency(self, concurrency: int) -> None:
        """Another number of calls in flight per lane."""
        self.maker.concurrency = concurrency
        for lane in self.lanes.values():
            lane.concurrency = concurrency
            lane.limits.concurrency.set_most(concurrency)
            self._workers.staff(lane)
            lane.wake()

    def set_caps(self, caps: Caps) -> None:
        """Other caps; rows that were held are looked at again."""
        self.budget.set_caps(caps)
        for lane in self.lanes.values():
            lane.release_held()
            self._workers.staff(lane)
        self.batching.release_held()

    def set_deadline(self, deadline: Deadline | None) -> None:
        """Another deadline, or none."""
        self.deadline = deadline
        self._look_at_deadline()
        self._check_quiet()

    def money_came(self) -> None:
        """A reservation has ended: lanes that waited for money look again."""
        for lane in self.lanes.values():
            if lane.awaits_money:
                lane.money_came()
        self.batching.money_came()

    def seconds_left(self) -> float | None:
        """Seconds to the deadline; None where there is none."""
        return None if self.deadline is None else self.deadline.left_s(time.time())

    # Workers

    def _lane(self, number: int) -> Lane:
        lane = self.lanes.get(number)
        if lane is None:
            totals = self.state.lanes[number]
            lane = self.lanes[number] = self.maker.make(
                totals.provider,
                totals.model,
                budget=self.budget.for_lane(totals.provider, totals.model),
                size_of=self.requests.size,
                on_event=partial(self._log_of_lane, f"{totals.provider}/{totals.model}"),
                sent_by_hour=self.state.attempts_by_hour.get(number, {}),
            )
            lane.fit = partial(self.attempts.fit, lane)
            self.paused_stages.apply(number)
            lane.pause(self.paused)
            self._look_at_deadline()
        return lane

    def _log_of_lane(self, lane: str, name: str, fields: Mapping[str, object]) -> None:
        if self.journal.failure is None:
            self.journal.append(Log.EVENTS, lines.event(name, time.time(), lane=lane, **fields))

    def _shortest_time_out(self) -> float:
        return min((lane.provider.timeout_s for lane in self.lanes.values()), default=1.0)

    async def _watch_deadline(self) -> None:
        while True:
            self._look_at_deadline()
            end_used_up(self.lanes.values(), self._longest_wait_s(), self.attempts.end_lane)
            self._check_quiet()
            await asyncio.sleep(next_look_s(self.lanes.values(), self.deadline, time.time()))

    def _look_at_deadline(self) -> None:
        look_at_deadline(self.lanes.values(), self.deadline, time.time())
        self.batching.look(time.time())

    def _longest_wait_s(self) -> float:
        left, longest_s = self.seconds_left(), self.policies.thresholds.longest_wait_s
        return longest_s if left is None else min(longest_s, max(0.0, left))

    def _crashed(self, error: BaseException) -> None:
        self._crash = self._crash or error
        self.drain(StopKind.CANNOT_WRITE if isinstance(error, WriteFailedError) else StopKind.INTERRUPTED)

    # What is on disk

    def _on_durable(self, seq: int) -> None:
        try:
            self._admit_written(seq)
            self._answer_again()
            self._settle_written(seq)
        except Exception as error:  # the job's own fault must stop the run, not the loop
            self._crashed(error)
        self._check_quiet()

    def _admit_written(self, seq: int) -> None:
        while self._unwritten and self._unwritten[0][0] <= seq:
            row = self._unwritten.popleft()[1]
            if self.stopping is None:
                self.admit(row)

    def _answer_again(self) -> None:
        """A derived request may ask what was answered long ago."""
        if self.duplicates is not None:
            self._unsettled.extend(self.duplicates.copy_earlier(self.state, self.requests, self.journal))

    def _settle_written(self, seq: int) -> None:
        while self._unsettled and self._unsettled[0].seq <= seq:
            settlement = self._unsettled.popleft()
            repeat = self._count(settlement)
            if self._crash is not None:
                continue  # whatever would follow from it follows when the run is resumed
            self.follow_up.settled(settlement, repeat)
            if self.duplicates is not None and settlement.duplicate_of is None:
                self._unsettled.extend(self.duplicates.settle(settlement, self.requests, self.journal))

    def _count(self, settlement: PendingSettlement) -> bool:
        """Take a settlement into the state; returns whether the row had been settled before."""
        if settlement.failure is not None:
            return self.state.fail(settlement.row)
        duplicate = settlement.duplicate_of is not None
        if not duplicate:
            self._settle_money(settlement)
        seq, usage, cost_usd = settlement.seq, settlement.usage, settlement.cost_usd
        return self.state.answer(settlement.row, seq, usage, cost_usd, duplicate, settlement.by_batch)

    def _settle_money(self, settlement: PendingSettlement) -> None:
        """A reservation ends once the answer is on disk: until then a power cut would leave it maybe billed."""
        lane = self.lanes[self.state.lane_of[settlement.row]]
        if lane.budget.settle(settlement.reserved_usd, settlement.cost_usd) and self.overrun is None:
            self.overrun = (
                f"an answer of {lane.name} cost ${settlement.cost_usd:.6f} where at most "
                f"${settlement.reserved_usd or 0:.6f} was reserved: check its price in overnight.toml"
            )
            self.drain(StopKind.OVERRUN)
        self.money_came()

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
        """Nothing is in flight, unwritten or unsettled, and no lane has a row that it may still send.

        After a crash only what is in flight counts: nobody may look at the rest again, and the log has all of it.
        """
        if self._crash is None and (self._unsettled or self._unwritten or self._rests()):
            return
        if self.batching.idle and all(lane.idle for lane in self.lanes.values()):
            self._quiet.set()

    def _rests(self) -> bool:
        """Paused, with rows that want a higher cap: whoever paused may be about to raise it."""
        if not self.paused or self.stopping is not None:
            return False
        if self.batching.held:
            return True
        return any(lane.held and lane.stopped is None and lane.late_for is None for lane in self.lanes.values())
