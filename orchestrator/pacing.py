"""Requests per minute, paced with asyncio-throttle behind one small seam.

The throttler takes no clock and polls, and wakes all its waiters at each poll; so one task stands in line for it and
hands each permit on, first come first served.
"""

import asyncio
import math
from collections import deque

from asyncio_throttle.throttler import Throttler

_POLL_S = 0.001
_MIN_PERIOD_S = 0.1


def burst(rpm: float) -> tuple[int, float]:
    """(calls, period in seconds) that pace `rpm` calls a minute: one a period, or periods of 0.1 s for many."""
    calls = max(1, math.ceil(rpm * _MIN_PERIOD_S / 60))
    return calls, calls * 60 / rpm


class Pacer:
    """A bucket of requests per minute that lanes pass through."""

    def __init__(self, rpm: float) -> None:
        calls, period = burst(rpm)
        self.rpm = rpm
        self._throttler = Throttler(rate_limit=calls, period=period, retry_interval=_POLL_S)
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._acquirer: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Return when the next call may go, or when `let_go` sends everybody away."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        if self._acquirer is None or self._acquirer.done():
            self._acquirer = asyncio.create_task(self._hand_out(), name="pacer")
        await waiter

    def let_go(self) -> None:
        """Send all waiters away at once: nothing more is to be sent."""
        if self._acquirer is not None:
            self._acquirer.cancel()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)

    async def _hand_out(self) -> None:
        while self._waiters:
            if self._waiters[0].done():  # its caller was cancelled
                self._waiters.popleft()
                continue
            async with self._throttler:
                pass
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
