"""Calls in flight, calls a day, and how many calls a lane starts at once; the time is an argument."""

import pytest

from orchestrator.limits.concurrency import START, AdaptiveConcurrency
from orchestrator.limits.daily import HOUR_S, DailyCount, DailyGate
from orchestrator.limits.slots import Slots

DAY_S = 24 * HOUR_S


class _Lane:
    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_slots_are_given_back_in_turn() -> None:
    """A lane that waits is woken when a call of another lane is over."""
    slots = Slots(1)
    first, second = _Lane(), _Lane()
    assert slots.admits(first, 0.0)
    slots.enter(first, 0.0, 1.0)
    assert not slots.admits(second, 0.0)
    assert not slots.admits(first, 0.0)
    slots.leave(1.0)
    assert (second.woken, first.woken) == (1, 0)
    assert not slots.admits(first, 1.0)
    assert slots.admits(second, 1.0)


def test_more_slots_count_at_once_and_fewer_leave_what_is_in_flight() -> None:
    """A lower limit is reached by calls that end."""
    slots = Slots(2)
    lane = _Lane()
    for _ in range(2):
        assert slots.admits(lane, 0.0)
        slots.enter(lane, 0.0, 1.0)
    assert not slots.admits(lane, 0.0)
    slots.set_limit(3)
    assert lane.woken == 1
    slots.set_limit(1)
    slots.leave(1.0)
    assert not slots.admits(lane, 1.0)
    slots.leave(2.0)
    assert slots.admits(lane, 2.0)


def test_a_day_is_the_last_twenty_four_hours() -> None:
    """What was sent counts until a day later, by the whole hour; then as many may go again."""
    count = DailyCount(3)
    for _ in range(3):
        assert count.wait_s(1000.0) == 0.0
        count.add(1000.0)
    wait_s = count.wait_s(1000.0)
    assert DAY_S - HOUR_S <= wait_s <= DAY_S + HOUR_S
    assert count.wait_s(1000.0 + wait_s - 1.0) > 0.0
    assert count.wait_s(1000.0 + wait_s) == 0.0


def test_a_resumed_run_goes_on_with_the_count() -> None:
    """What earlier sessions sent is not sent once more within the day."""
    count = DailyCount(10)
    count.preload({100: 4, 101: 5})
    assert count.used(101 * HOUR_S) == 9
    count.add(101 * HOUR_S)
    assert count.wait_s(101 * HOUR_S) == pytest.approx(24 * HOUR_S)
    assert count.used(125 * HOUR_S) == 6


def test_a_wait_ends_when_enough_of_the_day_is_forgotten() -> None:
    """Far over a lowered limit, one hour's calls are not enough."""
    count = DailyCount(2, {0: 3, 5: 3})
    assert count.wait_s(6 * HOUR_S) == pytest.approx((5 + 25 - 6) * HOUR_S)


async def test_a_daily_gate_closes_and_a_higher_limit_opens_it() -> None:
    """The lane that waits is woken."""
    gate = DailyGate(1, clock=lambda: 0.0, wall=lambda: 1000.0)
    lane = _Lane()
    assert gate.admits(lane, 0.0)
    gate.enter(lane, 0.0, 1.0)
    assert not gate.admits(lane, 0.0)
    assert gate.wait_s() > 23 * HOUR_S
    gate.set_limit(2)
    assert lane.woken == 1
    gate.close()


def test_a_lane_starts_with_few_calls_and_doubles() -> None:
    """Each answer while the limit is used lets one more go, up to the most."""
    allowed = AdaptiveConcurrency(100)
    assert allowed.allowed == START
    for answer in range(1000):
        allowed.answered(int(allowed.allowed), answer / 100)
    assert allowed.allowed == 100


def test_what_is_not_used_does_not_grow() -> None:
    """Answers with few calls in flight say nothing about more."""
    allowed = AdaptiveConcurrency(100)
    for answer in range(1000):
        allowed.answered(START - 1, float(answer))
    assert allowed.allowed == START


def test_a_refusal_at_the_limit_cuts_it_and_one_below_does_not() -> None:
    """Where fewer were in flight than might have been, it was the pace."""
    allowed = AdaptiveConcurrency(100, 50)
    allowed.episode(20, 0.0)
    assert allowed.allowed == 50
    allowed.episode(50, 0.0)
    assert allowed.allowed == 35


def test_after_a_cut_it_grows_with_the_time() -> None:
    """By 3 % a second, whether answers come by the thousand or one in ten seconds."""
    for answers_a_second in (100, 1, 0.1):
        allowed = AdaptiveConcurrency(1000, 100)
        allowed.episode(100, 0.0)
        for answer in range(1, int(20 * answers_a_second) + 1):
            allowed.answered(int(allowed.allowed), answer / answers_a_second)
        assert allowed.allowed == pytest.approx(70 * 1.822, rel=0.05)


def test_another_upper_limit_holds_at_once() -> None:
    """A lower one cuts, a higher one gives room to grow."""
    allowed = AdaptiveConcurrency(64, 64)
    allowed.set_most(8)
    assert allowed.allowed == 8
    allowed.set_most(16)
    for answer in range(20):
        allowed.answered(int(allowed.allowed), float(answer))
    assert allowed.allowed == 16


def test_a_known_pace_lets_all_go_that_may() -> None:
    """Where headers tell the limit, the number in flight need not be felt for."""
    allowed = AdaptiveConcurrency(512)
    allowed.trust()
    assert allowed.allowed == 512
