"""Lanes that share a gate, and what one of them may not do to the others."""

import asyncio
import random

from orchestrator.lane import Lane
from orchestrator.limits.bucket import TokenGate
from orchestrator.limits.lane_limits import LaneLimits, Told
from orchestrator.limits.pacer import Pacer
from tests.harness.lanes import make_lane
from tests.harness.virtual_time import run_virtual


def _lane(told: Told, rows: int) -> Lane:
    clock = asyncio.get_running_loop().time
    limits = LaneLimits(told, 8, clock=clock, draw=random.Random(1))
    lane = make_lane(limits=limits, clock=clock, concurrency=8)
    for row in range(rows):
        lane.add(row)
    return lane


async def _send(lane: Lane, sent: list[float]) -> None:
    while (await lane.take()) is not None:
        sent.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)
        lane.left()


def test_a_lane_that_cools_down_holds_up_no_other() -> None:
    """One model's refusal leaves the account's limit to the others."""

    async def play() -> int:
        clock = asyncio.get_running_loop().time
        pacer = Pacer(600, clock)
        refused, other = _lane(Told(pacers=(pacer,)), 1000), _lane(Told(pacers=(pacer,)), 1000)
        first: list[float] = []
        second: list[float] = []
        workers = [asyncio.create_task(_send(refused, first)), asyncio.create_task(_send(other, second))]
        await asyncio.sleep(2)
        refused.limits.refused(0, clock(), clock(), 30.0, {}, 1)
        before = len(second)
        await asyncio.sleep(20)
        for worker in workers:
            worker.cancel()
        return len(second) - before

    assert run_virtual(play()) >= 180


def test_tokens_that_are_given_back_let_the_next_lane_go() -> None:
    """A refused giant does not leave its shadow on the bucket."""

    async def play() -> float:
        clock = asyncio.get_running_loop().time
        gate = TokenGate("tokens", 6000, clock)
        giant, small = _lane(Told(tokens=(gate,)), 1), _lane(Told(tokens=(gate,)), 1)
        assert giant.take_nowait(clock()) == 0
        gate.bucket.settle(10_000 - 200)  # it turned out to be large
        sent: list[float] = []
        worker = asyncio.create_task(_send(small, sent))
        await asyncio.sleep(1)
        assert not sent
        gate.settle(-10_000)
        started = clock()
        await asyncio.sleep(1)
        worker.cancel()
        return sent[0] - started

    assert run_virtual(play()) <= 0.1


def test_a_limit_beyond_all_measure_holds_up_nothing() -> None:
    """Some write a very large number for no limit."""

    async def play() -> int:
        lane = _lane(Told(pacers=(Pacer(1e12, asyncio.get_running_loop().time),)), 500)
        sent: list[float] = []
        workers = [asyncio.create_task(_send(lane, sent)) for _ in range(8)]
        await asyncio.sleep(2)
        for worker in workers:
            worker.cancel()
        return len(sent)

    assert run_virtual(play()) == 500


def test_a_lane_says_which_limit_it_waits_for() -> None:
    """From outside, waiting for a limit looks like being stuck, unless it is said."""

    async def play() -> tuple[str, str]:
        clock = asyncio.get_running_loop().time
        pacer = Pacer(1, clock)
        pacer.label = "rpm of lab"
        lane = _lane(Told(pacers=(pacer,)), 5)
        sent: list[float] = []
        worker = asyncio.create_task(_send(lane, sent))
        await asyncio.sleep(10)
        waiting = lane.note()
        lane.awaits_money = True
        worker.cancel()
        return waiting, lane.note()

    waiting, poor = run_virtual(play())
    assert waiting.startswith("waits for rpm of lab (opens in 5")
    assert "settle" in poor
