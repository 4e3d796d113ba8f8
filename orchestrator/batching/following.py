"""One batch, from its file to its last line: what is done next depends on the last step in the log alone.

So a session that finds a batch of an earlier one goes on as the earlier one would have. Before what can take effect at
the provider its step is on disk; what may have taken effect without an answer is looked for before it is tried again.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestrator.batching.dropping import free_rows
from orchestrator.batching.ending import Ending
from orchestrator.batching.fetching import Fetcher
from orchestrator.batching.patience import UNKNOWN, Patience, may_have_arrived
from orchestrator.batching.settling import Settler
from orchestrator.batching.shards import is_as_it_was, shard_of, told_of
from orchestrator.batching.steps import Steps
from orchestrator.batching.surroundings import Surroundings
from orchestrator.deciding import EndLane
from orchestrator.lane import Lane
from orchestrator.retry import LANE_ENDING, poll_wait_s
from outputs import lines
from outputs.batches import Batch, BatchTold, Step
from outputs.journal import Log
from providers.batches.wire import BatchCallError, BatchClient, BatchView, Looked, Phase, Shard
from providers.prices import Rates
from providers.wire import Billing, Failure, FailureKind

_TOLD_EVERY_S = 30.0  # counts that move are logged so often
_ASK_AGAIN_S = 60.0
_LOOKED_AT = "validating"  # OpenAI's word for a batch that may be refused yet
_GONE_FOR_GOOD = 3  # times in a row that a batch is not known: one that is new may not be known everywhere at once


Asked = Callable[["Follower"], bool]


@dataclass(slots=True)
class Follower:
    """Takes one batch to its end.

    `may_halve` says whether one that the queue has no room for is to go in halves. `moved` is called when it has been
    created, and when it was seen to be let in. `wanted_end` has it cancelled; `leaving` has it left as soon as no call
    is under way; `wake` after either. `submits`: one that was not created yet may be. `allow_rebuy`: rows of a batch
    that is not known any more are sent again, though they may have been billed.
    """

    batch: Batch
    lane: Lane
    client: BatchClient
    rates: Rates | None
    around: Surroundings
    resumed: bool
    may_halve: Asked
    moved: Callable[["Follower"], None]
    submits: bool = True
    leaving: bool = False
    wanted_end: bool = False
    allow_rebuy: bool = False
    in_queue: bool = False
    let_in: bool = False  # into the provider's queue, beyond a look at its lines
    waits_for_room: bool = False
    looked: bool = False  # at it, in this session
    runs_on: bool = False  # although its end was asked for, or as nobody can say yet whether it is this one
    problem: Failure | None = None
    freed: list[int] = field(default_factory=list)
    answered: int = 0
    note: str = ""  # of trouble that a new batch would meet as well
    hint: str = ""  # of what is this one's own
    steps: Steps = field(init=False)
    _uncertain: bool = field(init=False)  # the last upload or creation may have taken effect
    _tried_at: float = field(init=False)
    _ask_to_end_at: float = 0.0  # monotonic seconds: not before
    _patience: Patience = field(default_factory=Patience)
    _refusals: int = 0  # by a full queue, in a row
    _polls: int = 0
    _told_at: float = 0.0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.steps = Steps(self.batch, self.around)
        self._uncertain = self.resumed
        self._tried_at = time.time()  # a session that was killed may have tried just now, for the last of many times
        self.wanted_end = self.wanted_end or self.batch.cancelling
        self.in_queue = self.batch.step in (Step.CREATED, Step.POLLED)

    def wake(self) -> None:
        """Look again at once."""
        self._changed.set()

    async def follow(self) -> Ending:
        """Go on until the batch is over or left. Raises WriteFailedError."""
        while True:
            if self.batch.step is Step.DROPPED:
                await self._drop("it was dropped before")  # as far as that was not done
                return Ending.DROPPED
            if self.batch.step is Step.SETTLED:
                return Ending.SETTLED
            if self.leaving:
                return Ending.LEFT
            try:
                ending = await self._advance()
                if self.batch.step is not Step.CREATING:  # looking for it is no success: creating it may fail for ever
                    self._patience.reset()
            except BatchCallError as error:
                ending = await self._failed(error)
            if ending is not None:
                return ending

    async def _advance(self) -> Ending | None:
        match self.batch.step:
            case Step.BEGUN if self.resumed:
                await self._drop("its process ended before anything was sent")
            case Step.BEGUN if self.client.uploads:
                await self.steps.on_disk(Step.UPLOADING)
            case Step.BEGUN:
                await self._begin_creating()
            case Step.UPLOADING:
                await self._upload()
            case Step.UPLOADED:
                await self._begin_creating()
            case Step.CREATING:
                return await self._create()
            case Step.ENDED:
                await self._settle()
            case _:
                return await self._poll()
        return None

    # Submitting

    @property
    def _shard(self) -> Shard:
        return shard_of(self.batch, self.lane.model, self.around, self._tried_at)

    @property
    def _why_not(self) -> str:
        """Why it is not to be submitted any more; empty where it is."""
        if self.wanted_end:
            return "cancelled before it was submitted"
        if self.lane.stopped is not None:
            return "its lane has stopped"
        return "" if self.submits else "its rows go online"

    async def _not_sent(self) -> bool:
        """Drop it where it is not to be submitted, or its file is not as it was; returns whether it was."""
        why = self._why_not
        if not why:
            if await is_as_it_was(self.batch, self.around):
                return False
            why = "its file in the run folder is not as it was"
        await self._drop(why)
        return True

    async def _upload(self) -> None:
        if await self._not_sent():
            return
        file = await self.client.find_upload(self._shard) if self._uncertain else None
        if file is None:
            self._uncertain = False
            file = await self.client.upload(self._shard)
        self._uncertain = False
        await self.steps.on_disk(Step.UPLOADED, BatchTold(file=file))

    async def _begin_creating(self) -> None:
        self._uncertain = False
        self._tried_at = time.time()
        await self.steps.on_disk(Step.CREATING)

    async def _create(self) -> Ending | None:
        if self._uncertain:
            await self._look_for_it()
            return None
        if await self._not_sent():
            return None
        self._tried_at = time.time()
        await self._created(await self.client.create(self._shard))
        return None

    async def _look_for_it(self) -> None:
        """A batch that may have been created: take it up where it is found; where it is not, wait, then try again."""
        finding = await self.client.find(self._shard)
        for other in finding.others:  # a server that answered no creation, and then two
            await self.client.cancel(other)
        if finding.batch is not None:
            await self._created(finding.batch)
        elif finding.looked is Looked.PERHAPS:
            self._patience.reset()
            self.looked, self.runs_on = True, self.wanted_end
            self.hint = "waits for a batch that may be this one to end: its creation was not answered"
            await self._rest(self.around.thresholds.batch_poll_s)
        elif (left := self._tried_at + self.around.thresholds.batch_look_s - time.time()) > 0:
            await self._rest(max(0.05, min(left, left / 3 + 0.5)))
        else:
            await self._begin_creating()

    async def _created(self, view: BatchView) -> None:
        self._uncertain = False
        self.note = self.hint = ""
        self.in_queue = True
        self._note_simulated(view)
        await self.steps.on_disk(Step.CREATED, told_of(view, id_=view.id))
        self.moved(self)

    # Waiting for it

    async def _poll(self) -> Ending | None:
        told = self.batch.told
        assert told.id is not None
        if self.wanted_end and time.monotonic() >= self._ask_to_end_at:
            await self._ask_to_end(told.id)
        view = await self.client.poll(told.id)
        self._note_simulated(view)
        self._polls += 1
        self.looked = True
        self.runs_on = self.wanted_end and view.phase is Phase.RUNNING
        if view.phase is Phase.RUNNING:
            self._tell(view)
            await self._rest(poll_wait_s(self._polls, self.around.thresholds.batch_poll_s))
            return None
        self.in_queue = False
        if view.phase is Phase.REFUSED:
            return await self._refused(view)
        await self.steps.on_disk(Step.ENDED, told_of(view))
        return None

    async def _ask_to_end(self, id_: str) -> None:
        """Ask for its end, once; where that is refused, again after a while, and it is followed on."""
        if not self.batch.cancelling:
            await self.steps.on_disk(Step.CANCELLING)
        self._polls, self._ask_to_end_at = 0, math.inf
        try:
            await self.client.cancel(id_)
        except BatchCallError as error:
            self._ask_to_end_at = time.monotonic() + _ASK_AGAIN_S
            if error.failure.kind is not FailureKind.ROW_REFUSED:
                raise
            self.hint = f"its end was asked for, and refused: {self.lane.secrets.hide(error.failure.message)}"

    def _tell(self, view: BatchView) -> None:
        """Log how it stands where that has changed."""
        if not self.let_in and view.status != _LOOKED_AT:
            self.let_in = True
            self.moved(self)
        told, now = self.batch.told, time.time()
        moved = view.counts is not None and view.counts != told.counts
        if view.status != told.status or (moved and now - self._told_at >= _TOLD_EVERY_S):
            self._told_at = now
            self.steps.write(Step.POLLED, told_of(view))

    def _note_simulated(self, view: BatchView) -> None:
        if view.simulated and not self.around.state.simulated:
            self.around.state.simulated = True
            self.around.journal.append(Log.EVENTS, lines.event("simulated", time.time(), lane=self.lane.name))

    # What it brought

    async def _settle(self) -> None:
        fetcher = Fetcher(self.steps, self.client, self.lane.secrets, self._rest, self._patience)
        reading = await fetcher.fetch()
        if reading is None:
            return
        settler = self._settler(self.batch.cancelling)
        await settler.settle(reading)
        if settler.ending is not None:
            self.around.attempts.end_lane(self.lane, settler.ending)
        self.answered = reading.answered
        await self.steps.on_disk(Step.SETTLED, BatchTold(lines=settler.counts))
        self.steps.remove_sent()

    # What goes wrong

    async def _failed(self, error: BatchCallError) -> Ending | None:
        failure = self.lane.secrets.hide_in(error.failure)
        submitting = self.batch.step in (Step.UPLOADING, Step.CREATING)
        unsure = failure.billing is Billing.MAYBE or (submitting and may_have_arrived(failure.status))
        if submitting and unsure and not self._uncertain:
            self._uncertain, self._tried_at = True, time.time()  # it may have arrived at the last moment
        self._patience.note(failure, time.monotonic())
        self.looked = True
        if submitting and not self._uncertain and failure.kind is FailureKind.TOO_LARGE:
            await self._drop(failure.message)
            return Ending.TOO_LARGE
        if submitting and not self._uncertain and error.queue_full:
            return await self._no_room(failure)
        if failure.kind in LANE_ENDING:
            return await self._end_lane(EndLane(f"{failure.kind.value.replace('_', ' ')}: {failure.message}", 6))
        searching = submitting and self._uncertain
        if failure.kind in (FailureKind.ROW_REFUSED, FailureKind.TOO_LARGE) and not unsure and not searching:
            return await self._call_refused(failure, submitting)
        if (ending := self._patience.ending(failure, self.around.thresholds, time.monotonic(), submitting)) is not None:
            return await self._end_lane(ending)
        self.note = f"tries again: {failure.message}"
        await self._rest(self._patience.wait_s(failure))
        self.note = ""
        return None

    async def _end_lane(self, ending: EndLane) -> Ending:
        """The lane stops: what was certainly not submitted is dropped, all else left to its provider."""
        self.around.attempts.end_lane(self.lane, ending)
        if self.batch.step not in (Step.UPLOADING, Step.CREATING) or self._uncertain:
            return Ending.LEFT
        await self._drop(ending.reason)
        return Ending.DROPPED

    async def _call_refused(self, failure: Failure, submitting: bool) -> Ending | None:
        """A refused submission never ran; what the provider does not know of a batch that ran, it may still know."""
        if submitting and not self._uncertain:
            self.problem = failure
            await self._drop(failure.message)
            return Ending.REFUSED
        if failure.status in UNKNOWN and self.batch.told.id is not None:
            return await self._gone(failure)
        what = f"{self.lane.provider_name} does not show the batch {self.batch.name}: {failure.message}"
        return await self._end_lane(EndLane(what, 6))

    async def _gone(self, failure: Failure) -> Ending | None:
        """The provider does not know the batch, or what came of it: nobody can say whether its rows were billed."""
        thresholds, ended = self.around.thresholds, self.batch.step is Step.ENDED
        least_s = thresholds.longest_wait_s if ended else thresholds.batch_look_s
        if self._patience.unknown < _GONE_FOR_GOOD or self._patience.lasted_s(time.monotonic()) < least_s:
            await self._rest(self._patience.wait_s(failure))
            return None
        lost = f"the results of the batch {self.batch.name}" if ended else f"the batch {self.batch.name} any more"
        what = f"{self.lane.provider_name} does not know {lost} ({failure.message})"
        if self.batch.open_rows and not self.allow_rebuy:
            what += "; --allow-rebuy sends its rows again, which may be paid for twice"
            return await self._end_lane(EndLane(what, 6))
        self.freed += self.give_up_on(what)
        await self.steps.on_disk(Step.SETTLED, BatchTold(lines={"missing": len(self.freed)}))
        self.steps.remove_sent()
        return Ending.GONE

    async def _refused(self, view: BatchView) -> Ending | None:
        """It was looked at, and will not run: nothing was billed."""
        self.problem = view.problem or Failure(FailureKind.ROW_REFUSED, Billing.UNBILLED, f"the batch is {view.status}")
        self.problem = self.lane.secrets.hide_in(self.problem)
        if view.queue_full:
            return await self._no_room(self.problem)
        named = await self._drop(self.problem.message, bad=view.bad_lines)
        return None if named else Ending.REFUSED  # what names no line of ours would be refused again

    async def _no_room(self, failure: Failure) -> Ending | None:
        """Wait for room, or go in smaller parts; a single row waits."""
        if (self.batch.told.rows or 0) > 1 and self.may_halve(self):
            await self._drop(failure.message)
            return Ending.TOO_LARGE
        self.in_queue = False
        self._patience.reset()
        self._refusals += 1
        self.note, self.waits_for_room = f"waits for room in the provider's queue: {failure.message}", True
        await self._rest(max(poll_wait_s(self._refusals, self.around.thresholds.batch_queue_s), 0.05))
        self.waits_for_room = False
        if self.leaving or self._why_not:
            await self._drop("it was never let into the provider's queue")
            return None
        self.note = ""
        if self.batch.step is not Step.UPLOADING:
            await self._begin_creating()
        return None

    async def _drop(self, why: str, bad: Mapping[int, str] | None = None) -> int:
        """Say that it will never run, then free its rows; `bad` lines (from 1) fail for good. Returns how many did."""
        if self.batch.step is not Step.DROPPED:
            await self.steps.on_disk(Step.DROPPED, BatchTold(note=why))
        self.in_queue = False
        path = self.around.sent_path(self.batch.told.key or "")
        refused = await free_rows(self._settler(cancelled=True), why, path, bad or {})
        self.steps.remove_sent()
        return refused

    def give_up_on(self, why: str) -> list[int]:
        """Settle its rows as maybe billed, for they are to be answered once more; returns them."""
        settler, rows = self._settler(cancelled=True), self.around.state.rows_in(self.batch.seq)
        for row in rows:
            settler.settle_row(row, Failure(FailureKind.LATE, Billing.MAYBE, why), b"")
        return rows

    def _settler(self, cancelled: bool) -> Settler:
        """It puts rows that want to be sent again into `freed`, one by one: while there are any, the run goes on."""
        return Settler(self.batch, self.lane, self.client, self.rates, self.around, cancelled, self.freed)

    async def _rest(self, seconds: float) -> bool:
        """Wait, unless there is something new to do; returns whether the batch is followed on."""
        if not self.leaving:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            self._changed.clear()
        return not self.leaving
