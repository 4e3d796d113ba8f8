"""A lane: the queue and the workers of one provider and model.

The core is synchronous and takes the time (monotonic seconds) as an argument; `take` is the thin asynchronous shell
that only waits. Retried rows come before new ones, as soon as they are due; a cooldown holds all of them.
"""

import asyncio
import heapq
import time
from array import array
from collections import deque
from dataclasses import dataclass

from orchestrator.http import Transport
from orchestrator.pacing import Pacer
from providers.catalog import Provider
from providers.prices import Rates
from providers.wire import Adapter


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a lane ended before its rows did, and the exit code that stands for it."""

    reason: str
    exit_code: int


class Lane:
    """Rows of one provider and model, by number."""

    def __init__(
        self,
        *,
        provider_name: str,
        model: str,
        provider: Provider,
        adapter: Adapter,
        transport: Transport,
        rates: Rates | None,
        concurrency: int,
        pacers: tuple[Pacer, ...] = (),
    ) -> None:
        self.provider_name = provider_name
        self.model = model
        self.provider = provider
        self.adapter = adapter
        self.transport = transport
        self.rates = rates
        self.max_output_tokens = provider.facts_of(model).max_output_tokens
        self.concurrency = concurrency
        self.pacers = pacers
        self.workers = 0
        self.in_flight = 0
        self.stopped: Stopped | None = None
        self.closed = False
        self.cooldown_until = 0.0
        self.transient_run = 0  # transient failures since the last success, those of one moment counted once
        self.transient_at = 0.0  # when the last of them was counted
        self.throttled_since: dict[int, tuple[float, int]] = {}  # row -> (when first, how often)
        self._queue = array("I")
        self._head = 0
        self._retries: list[tuple[float, int]] = []
        self._parked: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0

    @property
    def name(self) -> str:
        return f"{self.provider_name}/{self.model}"

    @property
    def waiting(self) -> int:
        """Rows queued or waiting for a retry."""
        return len(self._queue) - self._head + len(self._retries)

    @property
    def idle(self) -> bool:
        """Whether nothing more will happen here unless a row is added."""
        return self.in_flight == 0 and (self.closed or self.stopped is not None or self.waiting == 0)

    def note(self) -> str:
        """What a watcher should know beside the counts."""
        if self.stopped is not None:
            return f"stopped: {self.stopped.reason}"
        wait_s = self.cooldown_until - time.monotonic()
        return f"cooling down {wait_s:.0f} s" if wait_s > 0 else ""

    def add(self, row: int) -> None:
        """Queue a new row."""
        self._queue.append(row)
        self._wake(1)

    def put_back(self, row: int, due: float) -> None:
        """Queue a row again, to be taken first once `due` has come."""
        heapq.heappush(self._retries, (due, row))
        self._wake(1)

    def cool_down(self, until: float) -> None:
        """Hold all rows until then; a shorter cooldown never cuts a longer one."""
        self.cooldown_until = max(self.cooldown_until, until)

    def stop(self, reason: str, exit_code: int) -> None:
        """End the lane; its rows stay unsent. The first reason stands."""
        if self.stopped is None:
            self.stopped = Stopped(reason, exit_code)
        self._wake_all()

    def close(self) -> None:
        """Let the workers go once they have finished what they hold."""
        self.closed = True
        self._wake_all()

    def is_held(self, now: float) -> bool:
        """Whether nothing may be sent now: closed, stopped, or cooling down."""
        return self.closed or self.stopped is not None or now < self.cooldown_until

    def take_nowait(self, now: float) -> int | None:
        """The next row, counted as in flight; None where there is none yet, or never."""
        if self.is_held(now):
            return None
        if self._retries and self._retries[0][0] <= now:
            row = heapq.heappop(self._retries)[1]
        elif self._head < len(self._queue):
            row = self._queue[self._head]
            self._head += 1
        else:
            return None
        self.in_flight += 1
        return row

    def wait_s(self, now: float) -> float | None:
        """Seconds until a row may be taken, where only time is in the way; else None."""
        if self.waiting == 0:
            return None
        due = now if self._head < len(self._queue) else self._retries[0][0]
        return max(due, self.cooldown_until) - now

    async def take(self) -> int | None:
        """The next row, counted as in flight; None when the lane is stopped or closed."""
        while not self.closed and self.stopped is None:
            now = time.monotonic()
            if (row := self.take_nowait(now)) is not None:
                return row
            await self._park(now, self.wait_s(now))
        return None

    async def _park(self, now: float, wait_s: float | None) -> None:
        loop = asyncio.get_running_loop()
        if wait_s is not None:
            self._arm(loop, now, wait_s)
        waiter = loop.create_future()
        self._parked.append(waiter)
        await waiter

    def _arm(self, loop: asyncio.AbstractEventLoop, now: float, wait_s: float) -> None:
        """One timer a lane, at the earliest moment anybody waits for."""
        if self._timer is not None:
            if self._timer_due <= now + wait_s:
                return
            self._timer.cancel()
        self._timer_due = now + wait_s
        self._timer = loop.call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wake_all()

    def _wake(self, count: int) -> None:
        while count and self._parked:
            waiter = self._parked.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    def _wake_all(self) -> None:
        self._wake(len(self._parked))
