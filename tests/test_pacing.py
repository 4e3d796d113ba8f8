"""Requests per minute."""

import asyncio
import time

import pytest

from orchestrator.pacing import Pacer, burst


@pytest.mark.parametrize(("rpm", "calls"), [(1, 1), (600, 1), (601, 2), (60_000, 100)])
def test_fast_lanes_pace_periods_and_slow_ones_single_calls(rpm: float, calls: int) -> None:
    """One call a period where calls are rare; never more than a tenth of a second's quota at once."""
    count, period = burst(rpm)
    assert count == calls
    assert count / period * 60 == pytest.approx(rpm)


async def test_calls_are_let_through_at_the_rate_and_in_order() -> None:
    """No more calls pass than the rate allows, first come first served."""
    pacer = Pacer(1200)  # 20 a second: 2 every 0.1 s
    order: list[int] = []

    async def call(number: int) -> None:
        await pacer.acquire()
        order.append(number)

    started = time.monotonic()
    await asyncio.gather(*(call(number) for number in range(8)))
    assert order == list(range(8))
    assert time.monotonic() - started >= 0.3


async def test_letting_go_frees_everybody() -> None:
    """A drain does not wait for the turns of calls that will not be made."""
    pacer = Pacer(1)
    callers = [asyncio.create_task(pacer.acquire()) for _ in range(5)]
    await asyncio.sleep(0.01)
    pacer.let_go()
    await asyncio.wait_for(asyncio.gather(*callers), 1)


async def test_a_cancelled_caller_costs_no_turn() -> None:
    """Who gives up waiting is passed over."""
    pacer = Pacer(600)
    await pacer.acquire()
    gone = asyncio.create_task(pacer.acquire())
    await asyncio.sleep(0)
    last = asyncio.create_task(pacer.acquire())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait_for(last, 1)
