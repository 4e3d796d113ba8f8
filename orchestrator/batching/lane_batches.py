"""The batches of one lane: the rows that wait for one, the shards that are cut of them, and those that are followed."""

import asyncio
import contextlib
import math
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.batching.beginning import begin
from orchestrator.batching.cutting import Cutter, Leftovers
from orchestrator.batching.ending import Ending
from orchestrator.batching.following import Follower
from orchestrator.batching.leaving import leave_money, take_money_back
from orchestrator.batching.room import UNSUBMITTED, room_bytes, takes_room
from orchestrator.batching.row_queue import RowQueue
from orchestrator.batching.surroundings import Surroundings
from orchestrator.batching.topping_up import Moments, OnlinePace, moments
from orchestrator.batching.via import Via
from orchestrator.deciding import EndLane
from orchestrator.lane import Lane
from outputs.batches import Batch, Step
from providers.batches.wire import BatchClient
from providers.prices import Rates
from providers.provider import BatchApi
from providers.wire import Billing, Failure, FailureKind

_QUIET_S = 0.5  # without a new row: no more come for now
_MONEY_S = 60.0  # between two batches that the budget has cut short, while others are under way
_LOOK_S = 5.0  # how often it is looked whether a shard may be cut
_EMPTY_IN_ROW = 3  # batches that answer nothing, after which the lane stops
_FEW_ROWS = 10  # of which a batch says more of them than of its lane: they have attempts of their own to use up

_SMALL_ROWS = 200
_MOST_UNSUBMITTED = 2  # batches that are cut and not created yet: each holds a file, and maybe a body in memory

Spawn = Callable[[Any, str], "asyncio.Task[None]"]


@dataclass(slots=True)
class LaneBatches:
    """`spawn` starts a task whose error ends the run. Rows go in by `add`; `idle` says when nothing more happens."""

    lane: Lane
    client: BatchClient
    api: BatchApi
    rates: Rates | None
    around: Surroundings
    spawn: Spawn
    via: Via
    allow_rebuy: bool = False
    pace: OnlinePace = field(default_factory=OnlinePace)
    waiting: RowQueue = field(default_factory=RowQueue)
    held: "array[int]" = field(default_factory=lambda: array("I"))
    followers: list[Follower] = field(default_factory=list)
    refused: str | None = None  # why nothing goes by batch here any more
    aside: int = 0
    rebought: int = 0
    paused: bool = False
    leaving: bool = False
    ending: bool = False  # all batches are to be cancelled, and nothing new begins
    cutting: bool = False
    awaits_money: bool = False
    _cutter: Cutter = field(init=False)
    _most_rows: int = field(init=False)
    _empty: int = 0
    _cuts_from: int = 0  # rows that waited when the last shard was begun to be cut
    _halved_at: float = -math.inf  # monotonic seconds
    _shrunk_at: float = 0.0  # epoch seconds
    _needs_bytes: int = 0  # by the next row, where the queue had too little room for it
    _money_came: bool = False  # since the last shard was begun to be cut
    _added_at: float = 0.0
    _gathers_since: float = 0.0
    _not_before: float = 0.0
    _timed_out: bool = False  # left for the deadline's sake alone
    _task: "asyncio.Task[None] | None" = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._cutter = Cutter(self.lane, self.client, self.rates, self.around)
        self._most_rows = self.api.max_rows

    # What comes in

    def takes(self, now: float) -> bool:
        """Whether a row that comes up at `now` (epoch seconds) goes by batch."""
        if self.refused is not None or not self.via.batches or self.leaving or self.ending:
            return False
        found = self._moments() if self.via is Via.AUTO else None
        return found is None or now <= found.last_begin

    def add(self, row: int) -> None:
        """Queue a row for the next batch."""
        now = time.monotonic()
        self._gathers_since = self._gathers_since if self.waiting else now
        self._added_at = now
        self.waiting.add(row)
        self.look()

    def follow_earlier(self, batch: Batch) -> None:
        """Go on with a batch of an earlier session."""
        self._follow(batch, resumed=True)

    def set_aside(self, is_aside: Callable[[int], bool]) -> None:
        """Send none of the rows that `is_aside` names, of those that wait here or are held."""
        held = array("I", (row for row in self.held if not is_aside(row)))
        self.aside += self.waiting.drop(is_aside) + len(self.held) - len(held)
        self.held = held

    def release_held(self) -> None:
        """Queue the rows again that the budget had no room for."""
        self.waiting.add_first(self.held)
        self.held = array("I")
        self.money_came()

    def money_came(self) -> None:
        """Something has settled, or the cap was raised."""
        self.awaits_money, self._money_came = False, True
        self.look()

    def look(self) -> None:
        """Something has changed: see what follows."""
        self._changed.set()
        if self._task is None and self.waiting and not self._sends_nothing():
            self._task = self.spawn(self._cut_on(), f"{self.lane.name} batches")
            self._task.add_done_callback(self._cut_done)

    def leave(self) -> None:
        """Begin nothing more, and leave the batches to the provider: the next session follows them."""
        self.leaving, self._timed_out = True, False
        for follower in self.followers:
            follower.leaving = True
            follower.wake()
        self._changed.set()

    def end_all(self) -> int:
        """Begin nothing more, have all batches cancelled, and take in what they have answered; returns how many."""
        self.ending, self.leaving = True, False
        for follower in self.followers:
            follower.wanted_end, follower.leaving = True, False
            follower.wake()
        self._changed.set()
        return len(self.followers)

    @property
    def idle(self) -> bool:
        """Whether nothing more will happen here unless a row is added."""
        if any(map(_is_busy, self.followers)) or self.cutting or (self.awaits_money and self.followers):
            return False
        return not self.waiting or self._sends_nothing()

    def _sends_nothing(self) -> bool:
        if self.lane.stopped is not None or self.lane.closed or self.leaving or self.ending:
            return True
        deadline = self.around.deadline()
        return deadline is not None and deadline.left_s(time.time()) <= 0

    # Cutting

    async def _cut_on(self) -> None:
        """Cut shards until no rows wait, or none may go."""
        while self.waiting and not self._sends_nothing():
            if self.via is Via.AUTO and not self.takes(time.time()):
                self._send_waiting_online()
                break
            if (wait_s := self._wait_s()) > 0:
                await self._rest(wait_s)
                continue
            await self._cut_once()

    def _cut_done(self, _: "asyncio.Task[None]") -> None:
        self._task = None
        self.look()
        self.around.changed()

    def _wait_s(self) -> float:
        """How long to wait before the next shard is cut: for pauses, money, room in the queue, and more rows."""
        if self.paused or self.awaits_money or any(follower.note for follower in self.followers):
            return _LOOK_S
        room = room_bytes(self.api, self.followers)
        if self.followers and (room < max(1, self._needs_bytes) or self._money_trickles()):
            return _LOOK_S
        if sum(follower.batch.step in UNSUBMITTED for follower in self.followers) >= _MOST_UNSUBMITTED:
            return _LOOK_S
        if len(self.waiting) >= self._most_rows:
            return 0.0
        now = time.monotonic()
        gathered = self._gathers_since + self.around.thresholds.batch_gather_s - now
        quiet = self._added_at + _QUIET_S - now
        if quiet <= 0 and self.around.trickles():
            quiet = _LOOK_S
        return max(0.0, min(quiet, gathered))

    def _money_trickles(self) -> bool:
        """Whether room in the budget comes back bit by bit: of each bit a batch would be cut."""
        settling = any(follower.batch.step is Step.ENDED for follower in self.followers)
        return (self.lane.budget.capped and settling) or time.monotonic() < self._not_before

    async def _cut_once(self) -> None:
        self.cutting, self._cuts_from = True, len(self.waiting)
        self._gathers_since = time.monotonic()
        try:
            self._money_came = False
            room, most = room_bytes(self.api, self.followers), room_bytes(self.api, ())
            cut, left = await self._cutter.cut(self.waiting, self._most_rows, room, most)
            self._take_left(left)
            if cut.rows:
                self._follow(await begin(cut, self.lane, self.around), resumed=False)
        finally:
            self.cutting = False
        self.around.changed()

    def _take_left(self, left: Leftovers) -> None:
        self.held.extend(left.held)
        self.awaits_money = left.awaits_money and not self._money_came  # not since it was looked at
        self._not_before = time.monotonic() + _MONEY_S if left.awaits_money else 0.0
        self._needs_bytes = left.needs_bytes
        self._take_too_large(left.too_large)

    def _take_too_large(self, rows: Sequence[int]) -> None:
        for row in rows:
            if not self.around.state.is_open(row):
                continue
            if self.via is not Via.BATCH:
                self.around.send_online(row)
            else:
                what = f"is larger than a batch of {self.lane.provider_name} may be; --via auto sends it online"
                failure = Failure(FailureKind.ROW_REFUSED, Billing.UNBILLED, what)
                self.around.attempts.give_up(row, self.around.requests.read(row), failure, b"")

    # Following

    def _follow(self, batch: Batch, *, resumed: bool) -> None:
        follower = Follower(
            batch, self.lane, self.client, self.rates, self.around, resumed, self._may_halve, self._moved
        )
        follower.submits, follower.allow_rebuy = self.via.batches, self.allow_rebuy
        follower.leaving, follower.wanted_end = self.leaving, follower.wanted_end or self.ending
        self.followers.append(follower)
        self.spawn(self._follow_to_end(follower), f"batch {batch.told.key}")

    def _moved(self, follower: Follower) -> None:
        """One was created, or let into the queue: then there may be room for larger ones than at the last refusal."""
        if follower.let_in and follower.batch.begun_at >= self._shrunk_at:
            self._most_rows = min(self.api.max_rows, max(self._most_rows, 2 * (follower.batch.told.rows or 1)))
        self.look()

    def _may_halve(self, asking: Follower) -> bool:
        """Whether a batch that the queue has no room for is to go in halves: not while others of ours are queued, and
        a small one only now and then, for the room may be taken by somebody else.
        """
        if any(takes_room(other) for other in self.followers if other is not asking):
            return False
        now, small = time.monotonic(), (asking.batch.told.rows or 0) <= _SMALL_ROWS
        if small and now < self._halved_at + self.around.thresholds.batch_queue_s:
            return False
        self._halved_at = now
        return True

    async def _follow_to_end(self, follower: Follower) -> None:
        try:
            ending = await follower.follow()
        finally:
            self.followers.remove(follower)
        self._learn(follower, ending)
        self._not_before = 0.0
        for other in self.followers:
            if other.waits_for_room:
                other.wake()
        self._put_up(follower)
        self.money_came()
        self.around.changed()

    def _learn(self, follower: Follower, ending: Ending) -> None:
        """What a batch's end says of those to come."""
        rows = follower.batch.told.rows or 1
        match ending:
            case Ending.TOO_LARGE if rows == 1:
                self._take_too_large(follower.freed)
                follower.freed = []
            case Ending.TOO_LARGE:
                self._most_rows, self._shrunk_at = max(1, rows // 2), time.time()
            case Ending.REFUSED if follower.problem is not None:
                self._refuse(follower.problem)
            case Ending.GONE:
                self.rebought += sum(map(self.around.state.is_open, follower.freed))
            case Ending.SETTLED:
                self._count_empty(follower)
            case Ending.LEFT:
                leave_money(follower.batch, self.lane, self.around)

    def _refuse(self, problem: Failure) -> None:
        """The provider does not take this lane's batches."""
        what = f"the batch was refused: {problem.message} (--via auto sends its rows online)"
        self._end_batches(problem.message, EndLane(what, 6))

    def _end_batches(self, why: str, ending: EndLane) -> None:
        """Nothing goes by batch here any more; the rest goes online, unless it is to go by batch only."""
        self.refused = why
        if self.via is not Via.BATCH:
            self._send_waiting_online()
        else:
            self.around.attempts.end_lane(self.lane, ending)

    def _count_empty(self, follower: Follower) -> None:
        """Batches that answer nothing, time after time, are no way to an end; one that we cancelled tells nothing."""
        if follower.batch.cancelling:
            return
        self._empty = 0 if follower.answered or not follower.freed else self._empty + 1
        few = (follower.batch.told.rows or 0) < _FEW_ROWS
        if self._empty >= (self.around.thresholds.failures_in_row if few else _EMPTY_IN_ROW):
            what = f"{self._empty} batches in a row answered nothing: {follower.batch.told.status}"
            self._end_batches(what, EndLane(what, 7))

    def _put_up(self, follower: Follower) -> None:
        """Its rows that want to be sent again: online where the batch ended without them, else as new ones are."""
        state, auto = self.around.state, self.via is Via.AUTO
        online = auto and follower.batch.step is Step.SETTLED
        for row in follower.freed:
            if state.is_open(row):
                self.around.send_online(row) if online else self.around.put_up(row)
        follower.freed = []

    # The deadline

    def _moments(self) -> Moments | None:
        deadline = self.around.deadline()
        if deadline is None:
            return None
        waiting = self._cuts_from if self.cutting else len(self.waiting)
        by_batch = waiting + sum(follower.batch.open_rows for follower in self.followers)
        left = by_batch + self.lane.waiting + self.lane.in_flight
        return moments(deadline, left, self.pace, self.around.thresholds)

    def top_up(self, now: float) -> None:
        """See, at `now` (epoch seconds), what goes online for the deadline's sake; at it, leave what is not done."""
        deadline = self.around.deadline()
        if self._timed_out and (deadline is None or deadline.left_s(now) > 0):
            self._come_back()
        if deadline is None or self.leaving or self.ending:
            return
        found = self._moments()
        if self.via is Via.AUTO and found is not None:
            if now >= found.cancel_at:
                self._cancel_late()
            if now >= found.online_at and self.allow_rebuy:
                self._buy_again()
        if deadline.left_s(now) <= 0:
            self.leave()
            self._timed_out = True
            self.around.changed()

    def _come_back(self) -> None:
        """The deadline was moved: go on with what was left at it."""
        self.leaving = self._timed_out = False
        followed = {follower.batch.seq for follower in self.followers}
        for follower in self.followers:
            follower.leaving = False
        ours = (self.lane.provider_name, self.lane.model)
        for batch in self.around.state.batches.unfinished:
            if (batch.told.provider, batch.told.model) == ours and batch.seq not in followed:
                take_money_back(batch, self.lane, self.around)
                self.follow_earlier(batch)
        self.look()

    def _cancel_late(self) -> None:
        self._send_waiting_online()
        for follower in self.followers:
            if not follower.wanted_end:
                follower.wanted_end = True
                follower.wake()

    def _send_waiting_online(self) -> None:
        for row in self.waiting.take_all():
            if self.around.state.is_open(row):
                self.around.send_online(row)

    def _buy_again(self) -> None:
        """Send the rows of late batches online; each batch is followed on, and what it brings is kept in its file."""
        for follower in self.followers:
            if follower.batch.open_rows and follower.runs_on:
                late = follower.give_up_on("late: cancelling took too long, and it was sent online, as was allowed")
                rows = [row for row in late if self.around.state.is_open(row)]
                self.rebought += len(rows)
                for row in rows:
                    self.around.send_online(row)

    async def _rest(self, seconds: float) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()


def _is_busy(follower: Follower) -> bool:
    """Whether a batch holds the run up: it has rows to account for, or was not looked at yet in this session."""
    batch = follower.batch
    return bool(batch.open_rows or follower.freed) or batch.step is Step.ENDED or not follower.looked
