"""Requests per minute, paced with asyncio-throttle behind one small seam.

The throttler takes no clock and polls, and wakes all its waiters at each poll; so one task stands in line for it, while
somebody wants to send, and keeps the permits it gets for the lanes in their turn. The throttler decides; the schedule
beside it spares it most of the polling, spreads a period's calls over the period, and makes up for what polling loses.
"""

import asyncio
import math
import time
from collections.abc import Callable

from asyncio_throttle.throttler import Throttler

from orchestrator.limits.gate import Gate

MARGIN = 0.99  # of a limit that was told: clocks differ, and networks squeeze calls together
_POLL_S = 0.001
_MIN_PERIOD_S = 0.1
MOST_RPM = 6e6  # more than a process can send; some write a very large number for "no limit"
_YIELD_AFTER = 100
_SLACK_S = 0.05  # what was lost to polling and late timers is made up for, up to this


def burst(rpm: float) -> tuple[int, float]:
    """(calls, period in seconds) that pace `rpm` calls a minute: one a period, or periods of 0.1 s for many."""
    calls = max(1, math.ceil(rpm * _MIN_PERIOD_S / 60))
    return calls, calls * 60 / rpm


class Pacer(Gate):
    """A limit of requests per minute that lanes pass through."""

    def __init__(self, rpm: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._throttler = Throttler(rate_limit=1, period=1.0, retry_interval=_POLL_S)
        self._permits = 0
        self._due = float("-inf")  # when the next permit should come
        self._fetcher: asyncio.Task[None] | None = None
        self.rpm = 0.0
        self.set_rate(rpm)

    def set_rate(self, rpm: float) -> None:
        """Another pace from now on."""
        self.rpm = rpm = min(rpm, MOST_RPM)
        self._throttler.rate_limit, self._period = burst(rpm)
        self._throttler.period = self._period
        self._interval = 60 / rpm
        self._most = max(1, int(_SLACK_S / self._interval))
        self._due = min(self._due, self._clock() + self._interval)
        if self._fetcher is not None and not self._fetcher.done():
            self._fetcher.cancel()  # it may be asleep for an age of the old pace
            self._fetcher = None
            self._start()

    def is_open(self, now: float) -> bool:
        return self._permits > 0

    def await_opening(self, now: float) -> None:
        if self._fetcher is None or self._fetcher.done():
            self._start()

    def opens_in_s(self, now: float) -> float:
        return self._due - now

    def take(self, now: float, amount: float) -> None:
        self._permits -= 1
        self.await_opening(now)

    def close(self) -> None:
        if self._fetcher is not None:
            self._fetcher.cancel()

    def _start(self) -> None:
        self._fetcher = asyncio.get_running_loop().create_task(self._fetch(), name="pacer")

    async def _fetch(self) -> None:
        while self._permits < self._most:
            now = self._clock()
            self._due = max(self._due, now - _SLACK_S)
            if (ahead := self._due - now) > 2 * _POLL_S:
                await asyncio.sleep(ahead - _POLL_S)
            lag = max(0.0, self._clock() - self._due)
            self._throttler.period = self._period - min(lag, self._period / 2)
            async with self._throttler:
                self._permits += 1
            if self._permits % _YIELD_AFTER == 0:
                await asyncio.sleep(0)  # others have work to do, too
            self._due += self._interval
            self.wake_first(self._clock())
