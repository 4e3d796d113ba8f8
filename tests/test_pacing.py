"""Requests per minute."""

import asyncio

import pytest

from orchestrator.limits.pacer import Pacer, burst
from tests.harness.virtual_time import run_virtual


class _Caller:
    """Something that wants to send, one call after the other."""

    def __init__(self, pacer: Pacer, name: str, passed: list[tuple[str, float]], most: int = 1000) -> None:
        self._pacer, self._name, self._passed, self._most = pacer, name, passed, most
        self.try_now()

    def try_now(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._most and self._pacer.admits(self, now):
            self._most -= 1
            self._pacer.enter(self, now, 1.0)
            self._passed.append((self._name, now))

    def wake(self) -> None:
        asyncio.get_running_loop().call_soon(self.try_now)


def _pacer(rpm: float) -> Pacer:
    return Pacer(rpm, asyncio.get_running_loop().time)


@pytest.mark.parametrize(("rpm", "calls"), [(1, 1), (600, 1), (601, 2), (60_000, 100)])
def test_fast_lanes_pace_periods_and_slow_ones_single_calls(rpm: float, calls: int) -> None:
    """One call a period where calls are rare; never more than a tenth of a second's quota at once."""
    count, period = burst(rpm)
    assert count == calls
    assert count / period * 60 == pytest.approx(rpm)


@pytest.mark.parametrize("rpm", [30, 600, 1200, 60_000])
def test_calls_are_let_through_at_the_rate(rpm: float) -> None:
    """Over a minute, as many calls pass as the limit allows, within a hundredth, and no burst at the start."""

    async def play() -> list[tuple[str, float]]:
        passed: list[tuple[str, float]] = []
        _Caller(_pacer(rpm), "a", passed, 10**6)
        await asyncio.sleep(60)
        return passed

    passed = run_virtual(play())
    assert rpm * 0.99 - 1 <= len(passed) <= rpm * 1.01 + 1
    first = passed[0][1]
    assert sum(at < first + 1 for _, at in passed) <= max(2, rpm / 60 * 1.15 + 1)


def test_callers_take_turns() -> None:
    """Two that share a pacer get every other call."""

    async def play() -> list[tuple[str, float]]:
        passed: list[tuple[str, float]] = []
        pacer = _pacer(600)
        _Caller(pacer, "a", passed)
        _Caller(pacer, "b", passed)
        await asyncio.sleep(10)
        return passed

    names = [name for name, _ in run_virtual(play())]
    assert abs(names.count("a") - names.count("b")) <= 1
    assert names[2:10] in (["a", "b"] * 4, ["b", "a"] * 4)


def test_who_wants_nothing_any_more_is_passed_over() -> None:
    """A lane that withdraws does not hold up those behind it."""

    async def play() -> int:
        passed: list[tuple[str, float]] = []
        pacer = _pacer(60)
        _Caller(pacer, "a", passed, 1)
        gone = _Caller(pacer, "gone", passed, 1000)
        _Caller(pacer, "b", passed, 3)
        pacer.withdraw(gone, asyncio.get_running_loop().time())
        await asyncio.sleep(10)
        return sum(name == "b" for name, _ in passed)

    assert run_virtual(play()) == 3


def test_another_rate_holds_from_the_next_call_on() -> None:
    """A pacer that was slowed down to one call a minute, and sped up again, is not asleep for that minute."""

    async def play() -> int:
        passed: list[tuple[str, float]] = []
        pacer = _pacer(1)
        _Caller(pacer, "a", passed)
        await asyncio.sleep(1)
        pacer.set_rate(6000)
        await asyncio.sleep(1)
        return len(passed)

    assert 90 <= run_virtual(play()) <= 110
