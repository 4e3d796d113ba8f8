"""What goes online for a deadline's sake, and when: the moments, and what a lane's batches decide at them."""

import asyncio
from array import array
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.batching.cutting import Cut, Leftovers
from orchestrator.batching.lane_batches import LaneBatches
from orchestrator.batching.row_queue import RowQueue
from orchestrator.batching.surroundings import Surroundings
from orchestrator.batching.topping_up import OnlinePace, moments
from orchestrator.batching.via import Via
from orchestrator.deadline import Deadline
from orchestrator.thresholds import Thresholds
from outputs.batches import Batch, BatchTold, Step
from outputs.fold import RunState
from outputs.journal import Log
from providers.provider import BatchApi
from tests.harness.fake_batches import FakeClient, FakeProvider
from tests.harness.lanes import make_lane

AT = 1_790_000_000.0  # the deadline
THRESHOLDS = Thresholds()
ROWS = st.integers(0, 1_000_000)
SECONDS = st.floats(0, 1e4)
PACES = st.builds(
    OnlinePace,
    row_s=st.none() | st.floats(0, 100),
    call_s=st.none() | st.floats(0.01, 600),
    concurrency=st.integers(1, 4096),
)


# The moments


@given(rows=ROWS, pace=PACES, cancel_s=st.floats(0, 1e5), least_s=st.floats(0, 1e5))
def test_the_moments_stand_in_their_order(rows: int, pace: OnlinePace, cancel_s: float, least_s: float) -> None:
    """Beginning ends before cancelling begins, that before the last moment online, and that before the deadline."""
    found = moments(Deadline(AT), rows, pace, Thresholds(batch_cancel_s=cancel_s, batch_least_s=least_s))
    assert found.last_begin <= found.cancel_at <= found.online_at < AT
    assert found.online_at - found.cancel_at == pytest.approx(cancel_s, abs=1e-3)
    assert found.cancel_at - found.last_begin == pytest.approx(least_s, abs=1e-3)


@given(rows=ROWS, pace=PACES)
def test_what_is_left_fits_before_the_deadline(rows: int, pace: OnlinePace) -> None:
    """From `online_at` on there is time for all rows that are left, and a quarter of it and half a minute to spare."""
    found = moments(Deadline(AT), rows, pace, THRESHOLDS)
    assert found.online_at + 1.25 * pace.seconds(rows) + 30 <= AT


@given(rows=ROWS, more=ROWS, pace=PACES)
def test_more_rows_are_begun_earlier(rows: int, more: int, pace: OnlinePace) -> None:
    """No moment is later for more rows than for fewer."""
    few, many = (moments(Deadline(AT), count, pace, THRESHOLDS) for count in (rows, rows + more))
    assert (many.last_begin, many.cancel_at, many.online_at) <= (few.last_begin, few.cancel_at, few.online_at)
    assert pace.seconds(rows) <= pace.seconds(rows + more)


@given(rows=ROWS, pace=PACES, later_s=SECONDS)
def test_a_later_deadline_moves_all_moments_with_it(rows: int, pace: OnlinePace, later_s: float) -> None:
    """By as much as the deadline itself."""
    first, second = (moments(Deadline(at), rows, pace, THRESHOLDS) for at in (AT, AT + later_s))
    for name in ("last_begin", "cancel_at", "online_at"):
        assert getattr(second, name) - getattr(first, name) == pytest.approx(later_s, abs=1e-3)


@given(
    rows=st.integers(1, 1_000_000),
    row_s=st.floats(0, 10),
    call_s=st.floats(0.01, 600),
    slower=st.floats(1, 10),
    concurrency=st.integers(1, 4096),
)
def test_a_slower_pace_takes_no_less_time(
    rows: int, row_s: float, call_s: float, slower: float, concurrency: int
) -> None:
    """Slower rows and slower calls take longer, and no row takes less than one call."""
    usual = OnlinePace(row_s, call_s, concurrency).seconds(rows)
    assert OnlinePace(row_s * slower, call_s, concurrency).seconds(rows) >= usual
    assert OnlinePace(row_s, call_s * slower, concurrency).seconds(rows) >= usual
    assert usual >= max(call_s, rows * row_s, rows * call_s / concurrency)


def test_no_rows_take_no_time_and_an_unknown_pace_some() -> None:
    """Nothing left is nothing to wait for; a call that nobody has timed counts as one of many seconds."""
    assert OnlinePace().seconds(0) == 0
    assert OnlinePace().seconds(1) >= 10


# What the batches of a lane decide


class _Journal:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[Log, bytes]] = []

    def append(self, log: Log, rest: bytes) -> int:
        self.lines.append((log, rest))
        return 1000 + len(self.lines)


class _Attempts:
    """Hears of money."""

    def on_money(self) -> None:
        return None


@dataclass(slots=True)
class Desk:
    """The batches of one lane, whose tasks are never run: each decision is asked for, and looked at."""

    via: Via = Via.AUTO
    allow_rebuy: bool = False
    deadline: Deadline | None = field(default_factory=lambda: Deadline(AT))
    state: RunState = field(default_factory=RunState)
    journal: Any = field(default_factory=_Journal)
    online: list[int] = field(default_factory=list)
    changes: int = 0
    batches: LaneBatches = field(init=False)

    def __post_init__(self) -> None:
        lane = make_lane()
        self.state.lane_number(lane.provider_name, lane.model)
        attempts: Any = _Attempts()
        around = Surroundings(
            folder=None, requests=None, state=self.state, journal=self.journal, attempts=attempts,  # type: ignore[arg-type]  # nothing is read or written here
            thresholds=THRESHOLDS, put_up=self.online.append, send_online=self.online.append,
            trickles=lambda: False, changed=self._change, deadline=lambda: self.deadline,
        )  # fmt: skip
        client = FakeClient(FakeProvider())
        api = BatchApi(max_rows=100)
        self.batches = LaneBatches(lane, client, api, None, around, _spawn, self.via, self.allow_rebuy)
        self.batches.pace = OnlinePace(row_s=1.0, call_s=1.0)

    def _change(self) -> None:
        self.changes += 1

    def rows(self, count: int) -> list[int]:
        """Rows that want an answer."""
        return [self.state.add_request(len(self.state) + 1, 0, 0) for _ in range(count)]

    def wait(self, count: int) -> list[int]:
        """Rows that wait for a batch."""
        rows = self.rows(count)
        for row in rows:
            self.batches.waiting.add(row)
        return rows

    def follow(self, count: int, step: Step = Step.POLLED) -> Batch:
        """A batch of so many rows, each with a tenth of a dollar reserved, which is at this step."""
        seq, lane = 100 * (len(self.state.batches.all) + 1), self.batches.lane
        batch = self.state.batches.begin(seq, 0.0, BatchTold(key=f"on-{seq}", rows=count))
        for row in self.rows(count):
            lane.budget.try_reserve(0.1)
            self.state.begin_attempt(row, 1, 0.1, 0.0, seq)
        self.state.batches.advance(seq, step, 0.0, BatchTold(id=f"batch_{seq}"))
        self.batches.follow_earlier(batch)
        return batch

    def idle(self) -> bool:
        """Whether its batches are."""
        return self.batches.idle

    @property
    def moments(self) -> tuple[float, float, float]:
        """The last moment to begin a batch, and those to cancel and to go online, for what is left now."""
        left = len(self.batches.waiting) + sum(one.batch.open_rows for one in self.batches.followers)
        found = moments(Deadline(AT), left, self.batches.pace, THRESHOLDS)
        return found.last_begin, found.cancel_at, found.online_at


_never: set["asyncio.Task[None]"] = set()


def _spawn(work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
    work.close()
    task: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(3600))
    _never.add(task)
    return task


@pytest.fixture(autouse=True)
def no_tasks() -> Iterator[None]:
    """Forget the tasks that stood for those that were not run; their loop has cancelled them."""
    yield
    _never.clear()


async def test_a_row_goes_by_batch_until_the_last_moment_to_begin_one() -> None:
    """Up to and with that moment, which is earlier the more rows are left; without a deadline at any time."""
    desk = Desk()
    last, *_ = desk.moments
    assert desk.batches.takes(last)
    assert not desk.batches.takes(last + 1)
    desk.wait(10)
    desk.follow(20)
    sooner, *_ = desk.moments
    assert sooner < last - 30
    assert not desk.batches.takes(last)
    assert desk.batches.takes(sooner)
    desk.deadline = None
    assert desk.batches.takes(AT + 1e9)


@pytest.mark.parametrize("via", Via)
async def test_only_auto_minds_the_deadline(via: Via) -> None:
    """Said to be by batch, rows are by batch to the end; said to be online, none is."""
    assert Desk(via).batches.takes(AT - 1) is (via is Via.BATCH)


async def test_nothing_is_taken_once_batches_end() -> None:
    """After a refusal, when the session leaves, and when all are to be cancelled."""
    for end in (LaneBatches.leave, LaneBatches.end_all):
        desk = Desk(Via.BATCH)
        end(desk.batches)
        assert not desk.batches.takes(0)
    desk = Desk(Via.BATCH)
    desk.batches.refused = "no batches today"
    assert not desk.batches.takes(0)


async def test_late_batches_are_cancelled_at_their_moment_and_what_waits_goes_online() -> None:
    """Not before; and then all of them at once, whatever they are at, but for rows that want no answer any more."""
    desk = Desk()
    desk.follow(3)
    desk.follow(2, Step.CREATING)
    waiting = desk.wait(4)
    desk.state.withdraw(waiting[0])
    _, cancel_at, _ = desk.moments
    desk.batches.top_up(cancel_at - 0.01)
    assert ([one.wanted_end for one in desk.batches.followers], desk.online) == ([False, False], [])
    desk.batches.top_up(cancel_at)
    assert [one.wanted_end for one in desk.batches.followers] == [True, True]
    assert desk.online == waiting[1:]
    assert len(desk.batches.waiting) == 0
    assert not desk.batches.leaving


async def test_by_batch_only_nothing_is_cancelled_for_a_deadline() -> None:
    """At the deadline the batches are left to their provider, and not before."""
    desk = Desk(Via.BATCH, allow_rebuy=True)
    desk.follow(3)
    desk.wait(1)
    desk.batches.top_up(AT - 0.01)
    assert (desk.batches.leaving, desk.changes) == (False, 0)
    desk.batches.top_up(AT)
    assert [(one.leaving, one.wanted_end) for one in desk.batches.followers] == [(True, False)]
    assert (desk.batches.leaving, desk.online, desk.changes) == (True, [], 1)


async def test_rows_are_bought_again_from_their_moment_on_where_that_is_allowed() -> None:
    """Those of batches that were seen to run on after their end was asked for, once: their reservation counts as maybe
    spent. Those of others stay."""
    desk = Desk(allow_rebuy=True)
    late, unsure = desk.follow(3), desk.follow(2, Step.CREATING)
    _, _, online_at = desk.moments
    desk.batches.top_up(online_at)
    assert desk.online == []
    desk.batches.followers[0].runs_on = True
    desk.batches.top_up(online_at - 0.01)
    assert desk.online == []
    for _ in range(2):
        desk.batches.top_up(online_at)
        assert desk.online == [0, 1, 2]
    assert (late.open_rows, unsure.open_rows, desk.batches.rebought) == (0, 2, 3)
    lane = desk.state.lanes[0]
    assert (lane.failures, lane.maybe_billed, lane.in_batches) == ({"late": 3}, 3, 2)
    assert lane.maybe_usd == pytest.approx(0.3)
    assert [log for log, _ in desk.journal.lines] == [Log.ATTEMPTS] * 3


async def test_rows_that_wait_online_or_are_in_flight_there_are_left_too() -> None:
    """The moments count them with those in batches, for they go the same way."""
    desk = Desk()
    desk.follow(3)
    lane = desk.batches.lane
    for row in desk.rows(50):
        lane.add(row)
    lane.in_flight += 7
    found = moments(Deadline(AT), 60, desk.batches.pace, THRESHOLDS)
    _, later, _ = desk.moments  # by what is in batches alone
    desk.batches.top_up(found.cancel_at - 0.01)
    assert [one.wanted_end for one in desk.batches.followers] == [False]
    desk.batches.top_up(found.cancel_at)
    assert [one.wanted_end for one in desk.batches.followers] == [True]
    assert found.cancel_at < later - 60


async def test_nothing_is_bought_again_unasked() -> None:
    """Without the permission the rows of a late batch stay in it up to the deadline."""
    desk = Desk()
    late = desk.follow(3)
    desk.batches.top_up(AT - 0.01)
    assert (late.open_rows, desk.online, desk.batches.rebought) == (3, [], 0)


async def test_leaving_lets_every_batch_be() -> None:
    """Each is told, none is cancelled, and with nothing under way the lane's batches are idle."""
    desk = Desk()
    desk.follow(3)
    desk.wait(2)
    desk.batches.leave()
    assert [(one.leaving, one.wanted_end) for one in desk.batches.followers] == [(True, False)]
    assert desk.idle() is False  # its call may be under way
    desk.batches.followers.clear()
    assert desk.idle() is True
    desk.batches.top_up(AT)
    assert desk.changes == 0


async def test_all_batches_are_cancelled_on_request() -> None:
    """Also those that come to be followed after it; it says how many there are."""
    desk = Desk()
    desk.follow(3)
    desk.follow(3, Step.UPLOADING)
    assert desk.batches.end_all() == 2
    desk.follow(1)
    assert [one.wanted_end for one in desk.batches.followers] == [True] * 3


async def test_batches_at_their_end_are_waited_for() -> None:
    """One with rows that are not accounted for, one that was not looked at yet, and one whose last line is not in the
    log; not one that is bought."""
    desk = Desk()
    batch = desk.follow(1)
    assert desk.idle() is False
    desk.state.answer(0, 5, None, None)
    assert batch.open_rows == 0
    assert desk.idle() is False
    desk.batches.followers[0].looked = True
    assert desk.idle() is True
    desk.state.batches.advance(batch.seq, Step.ENDED, 0.0)
    assert desk.idle() is False


async def test_money_that_came_while_a_shard_was_cut_is_not_waited_for() -> None:
    """The last reservation may end between the look at the budget and the end of the cut."""
    desk = Desk(Via.BATCH)
    desk.wait(1)

    class Cutting:
        async def cut(self, waiting: RowQueue, *_: int) -> tuple[Cut, Leftovers]:
            desk.batches.money_came()
            return Cut("on-1", None), Leftovers(awaits_money=True)  # type: ignore[arg-type]  # of no rows: there is no file

    desk.batches._cutter = Cutting()  # type: ignore[assignment]  # in place of the real one
    await desk.batches._cut_once()
    assert not desk.batches.awaits_money


async def test_rows_of_a_paused_stage_are_set_aside_wherever_they_are() -> None:
    """Those that wait, and those that are held: a higher cap must not send them."""
    desk = Desk(Via.BATCH)
    desk.wait(4)
    desk.batches.held = array("I", desk.rows(4))
    desk.batches.set_aside(lambda row: row % 2 == 0)
    assert (list(desk.batches.held), desk.batches.aside) == ([5, 7], 4)
    assert list(desk.batches.waiting.take_all()) == [1, 3]
