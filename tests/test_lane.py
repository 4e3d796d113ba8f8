"""The queue of a lane: order, retries, cooldowns, stops. Time is given, never waited for."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.budget import Fit
from orchestrator.deadline import Deadline
from tests.harness.lanes import make_lane


def test_rows_come_in_the_order_they_were_added() -> None:
    """New rows are taken first come first served."""
    lane = make_lane()
    for row in (5, 3, 9):
        lane.add(row)
    assert [lane.take_nowait(0.0) for _ in range(4)] == [5, 3, 9, None]
    assert lane.in_flight == 3


def test_a_due_retry_comes_before_new_rows() -> None:
    """A failed row goes back into its lane after its wait, not behind the whole file."""
    lane = make_lane()
    lane.add(1)
    lane.add(2)
    lane.put_back(7, due=10.0)
    assert lane.take_nowait(9.0) == 1
    assert lane.take_nowait(10.0) == 7
    assert lane.take_nowait(10.0) == 2


def test_only_time_in_the_way_is_looked_at_again() -> None:
    """With nothing but a later retry, the lane says when to look again; with nothing at all, it says nothing."""
    lane = make_lane()
    assert lane.next_look(0.0) is None
    lane.put_back(1, due=4.0)
    assert lane.take_nowait(1.0) is None
    assert lane.next_look(1.0) == 4.0


def test_a_cooldown_holds_all_rows_and_is_never_shortened() -> None:
    """Everybody waits for the longest cooldown that was asked for."""
    lane = make_lane()
    lane.add(1)
    lane.cool_down(20.0)
    lane.cool_down(5.0)
    assert lane.take_nowait(10.0) is None
    assert lane.next_look(10.0) == 20.0
    assert lane.take_nowait(20.0) == 1


def test_a_stopped_lane_keeps_its_rows_and_its_first_reason() -> None:
    """Rows of a stopped lane stay unsent."""
    lane = make_lane()
    lane.add(1)
    lane.add(2)
    lane.stop("key refused", 6)
    lane.stop("another", 7)
    assert lane.take_nowait(0.0) is None
    assert lane.waiting == 2
    assert lane.idle
    assert lane.stopped is not None
    assert (lane.stopped.reason, lane.stopped.exit_code) == ("key refused", 6)


@given(st.lists(st.tuples(st.sampled_from(["add", "back", "take", "wait"]), st.integers(0, 20)), max_size=80))
def test_every_row_is_taken_exactly_once(steps: list[tuple[str, int]]) -> None:
    """Whatever the order of adding, putting back and waiting, no row is lost and none is taken twice."""
    lane = make_lane()
    now, put, taken = 0.0, 0, []
    for step, amount in steps:
        if step == "add":
            lane.add(put)
            put += 1
        elif step == "back":
            lane.put_back(put, now + amount)
            put += 1
        elif step == "wait":
            now += amount
        elif (row := lane.take_nowait(now)) is not None:
            taken.append(row)
    while (row := lane.take_nowait(now + 1000)) is not None:
        taken.append(row)
    assert sorted(taken) == list(range(put))


async def test_a_parked_worker_wakes_for_a_new_row_and_for_a_due_one() -> None:
    """Waiting workers get a row when it is added and when its wait is over."""
    lane = make_lane()
    first, second = asyncio.create_task(lane.take()), asyncio.create_task(lane.take())
    await asyncio.sleep(0)
    lane.put_back(8, due=asyncio.get_running_loop().time() + 0.05)
    lane.add(4)
    assert {await first, await second} == {4, 8}


async def test_a_shorter_wait_overtakes_a_longer_one() -> None:
    """A worker that waits for a distant retry is woken for a nearer one that comes later."""
    lane = make_lane()
    now = asyncio.get_running_loop().time()
    lane.put_back(1, due=now + 60)
    worker = asyncio.create_task(lane.take())
    await asyncio.sleep(0.01)
    lane.put_back(2, due=now + 0.05)
    assert await asyncio.wait_for(worker, 5) == 2


async def test_closing_lets_waiting_workers_go() -> None:
    """A closed lane hands out nothing more, to waiting workers either."""
    lane = make_lane()
    worker = asyncio.create_task(lane.take())
    await asyncio.sleep(0)
    lane.close()
    assert await worker is None


def test_what_the_budget_has_no_room_for_is_held_and_the_rest_goes_on() -> None:
    """A row that is too dear does not hold up the ones behind it, and goes first when the cap is raised."""
    cap = 10
    lane = make_lane(fit=lambda row: Fit.RESERVED if row < cap else Fit.HELD)
    for row in (1, 50, 2, 60):
        lane.add(row)
    assert [lane.take_nowait(0.0) for _ in range(2)] == [1, 2]
    assert lane.take_nowait(0.0) is None
    assert list(lane.held) == [50, 60]
    assert lane.waiting == 0
    cap = 100
    lane.add(3)
    lane.release_held()
    assert [lane.take_nowait(0.0) for _ in range(3)] == [50, 60, 3]


def test_a_row_that_waits_for_money_keeps_its_place() -> None:
    """Nothing overtakes it; it goes as soon as something has settled."""
    fits = [Fit.WAIT, Fit.RESERVED, Fit.RESERVED]
    lane = make_lane(fit=lambda row: fits.pop(0))
    lane.add(1)
    lane.add(2)
    assert lane.take_nowait(0.0) is None
    assert lane.take_nowait(0.0) is None
    lane.money_came()
    assert [lane.take_nowait(0.0) for _ in range(2)] == [1, 2]


def test_a_paused_lane_is_not_done() -> None:
    """Pausing keeps the rows and the run alive; going on takes up where it was."""
    lane = make_lane()
    lane.add(1)
    lane.pause(True)
    assert lane.take_nowait(0.0) is None
    assert not lane.idle
    lane.pause(False)
    assert lane.take_nowait(0.0) == 1


def test_a_lane_that_would_be_late_is_done_until_there_is_more_time() -> None:
    """Its rows stay unsent."""
    lane = make_lane()
    lane.add(1)
    lane.be_late(Deadline(100.0))
    assert lane.take_nowait(0.0) is None
    assert lane.idle
    lane.be_late(None)
    assert lane.take_nowait(0.0) == 1
