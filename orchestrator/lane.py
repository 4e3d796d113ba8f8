"""A lane: the queue and the workers of one provider and model.

The core is synchronous and takes the time (monotonic seconds) as an argument; `take` is the thin asynchronous shell
that only waits. Retried rows come before new ones, as soon as they are due; its limits hold all of them, and a row that
the budget has no room for is held back until there is more.
"""

import asyncio
import heapq
import time
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.budget import Fit, LaneBudget
from orchestrator.deadline import Deadline, LatencyGuess
from orchestrator.http import Transport
from orchestrator.limits.gate import Alarm
from orchestrator.limits.lane_limits import LaneLimits
from orchestrator.secrets import NO_SECRETS, Secrets
from providers.prices import Rates
from providers.provider import ImageTokens, Provider
from providers.wire import Adapter

_RESERVED, _WAIT = Fit.RESERVED, Fit.WAIT  # a look-up in the enum for each row is worth saving
_MOST_HELD_AT_ONCE = 200  # rows that are found too dear in one go, before others have a turn


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a lane ended before its rows did, and the exit code that stands for it."""

    reason: str
    exit_code: int


class Lane:
    """Rows of one provider and model, by number.

    `size_of` gives the bytes of a row's line; `fit` reserves the money for a row, or says why it cannot.
    """

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
        limits: LaneLimits,
        budget: LaneBudget,
        secrets: Secrets = NO_SECRETS,
        size_of: Callable[[int], int],
        fit: Callable[[int], Fit] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider_name = provider_name
        self.model = model
        self.provider = provider
        self.adapter = adapter
        self.transport = transport
        self.rates = rates
        facts = provider.facts_of(model)
        self.max_output_tokens = facts.max_output_tokens
        self.image_tokens = facts.image_tokens or ImageTokens()
        self.concurrency = concurrency
        self.limits = limits
        self.budget = budget
        self.secrets = secrets
        self.size_of = size_of
        self.fit = fit  # may be set once more, when the engine has the lane
        self.latency = LatencyGuess(provider.timeout_s)
        self.workers = 0
        self.in_flight = 0
        self.stopped: Stopped | None = None
        self.closed = False
        self.paused = False
        self.late_for: Deadline | None = None  # calls that start now would not land before it
        self.awaits_money = False  # until something in flight has settled
        self.awaits_media = False  # until the pictures of the next row are ready
        self.held = array("I")  # rows that the budget has no room for
        self.aside = 0  # rows that stay unsent, for their stage is paused
        self.transient_run = 0  # transient failures since the last success, those of one moment counted once
        self.transient_at = 0.0  # when the last of them was counted
        self.throttled_since: dict[int, tuple[float, int]] = {}  # row -> (when first, how often)
        self._clock = clock
        self._is_aside: Callable[[int], bool] | None = None
        self._queue = array("I")
        self._head = 0
        self._retries: list[tuple[float, int]] = []
        self._parked: deque[asyncio.Future[None]] = deque()
        self._alarm = Alarm()

    @property
    def name(self) -> str:
        return f"{self.provider_name}/{self.model}"

    @property
    def waiting(self) -> int:
        """Rows queued or waiting for a retry; those held back are not among them."""
        return len(self._queue) - self._head + len(self._retries)

    @property
    def idle(self) -> bool:
        """Whether nothing more will happen here unless a row is added."""
        if self.in_flight:
            return False
        return self.closed or self.stopped is not None or self.late_for is not None or self.waiting == 0

    def note(self) -> str:
        """What a watcher should know beside the counts."""
        if self.stopped is not None:
            return f"stopped: {self.stopped.reason}"
        parts = ["paused" if self.paused else self.limits.note(self._clock())]
        if self.awaits_money:
            parts = ["waits for calls in flight to settle: the budget has no room beside them"]
        if self.awaits_media and not self.in_flight:
            parts = ["makes pictures ready"]
        if self.late_for is not None:
            parts = ["no more calls: they would land after the deadline"]
        if self.held:
            parts.append(f"{len(self.held):,} held: the budget has no room for them")
        if self.aside:
            parts.append(f"{self.aside:,} set aside: their stage is paused")
        return ", ".join(part for part in parts if part)

    def add(self, row: int) -> None:
        """Queue a new row."""
        if self._is_aside is not None and self._is_aside(row):
            self.aside += 1
            return
        self._queue.append(row)
        self._wake(1)

    def put_back(self, row: int, due: float) -> None:
        """Queue a row again, to be taken first once `due` has come."""
        if self._is_aside is not None and self._is_aside(row):
            self.aside += 1
            return
        heapq.heappush(self._retries, (due, row))
        self._wake(1)

    def set_aside(self, is_aside: Callable[[int], bool]) -> None:
        """Send none of the rows that `is_aside` names: of those here, and of those that come."""
        self._is_aside = is_aside
        before = self.waiting + len(self.held)
        self._queue = array("I", (row for row in self._queue[self._head :] if not is_aside(row)))
        self._head = 0
        self._retries = [one for one in self._retries if not is_aside(one[1])]
        heapq.heapify(self._retries)
        self.held = array("I", (row for row in self.held if not is_aside(row)))
        self.aside += before - self.waiting - len(self.held)
        self.awaits_money = self.awaits_media = False  # it may have been for one of them
        self._wake(1)

    def release_held(self) -> None:
        """Queue the rows again that the budget had no room for, before all new ones."""
        self._queue = self.held + self._queue[self._head :]
        self._head = 0
        self.held = array("I")
        self.money_came()

    def money_came(self) -> None:
        """Something has settled, or the cap was raised: look again."""
        self.awaits_money = False
        self._wake(1)

    def media_came(self) -> None:
        """Pictures are ready: look again."""
        self.awaits_media = False
        self._wake(1)

    def upcoming(self, count: int) -> list[int]:
        """Rows that will probably go next, `count` at most."""
        retried = [row for _, row in heapq.nsmallest(count, self._retries)]
        return [*retried, *self._queue[self._head : self._head + count - len(retried)]]

    def cool_down(self, until: float) -> None:
        """Hold all rows until then; a shorter cooldown never cuts a longer one."""
        self.limits.cooldown.rest(until)

    def pause(self, paused: bool) -> None:
        """Take nothing more for now, or go on."""
        self.paused = paused
        if not paused:
            self._wake_all()

    def be_late(self, deadline: Deadline | None) -> None:
        """Take nothing more for the sake of this deadline; None: there is time again."""
        self.late_for = deadline
        if deadline is None:
            self._wake_all()
        else:
            self.limits.withdraw(self, self._clock())

    def stop(self, reason: str, exit_code: int) -> None:
        """End the lane; its rows stay unsent. The first reason stands."""
        if self.stopped is None:
            self.stopped = Stopped(reason, exit_code)
        self._let_go()

    def close(self) -> None:
        """Let the workers go once they have finished what they hold."""
        self.closed = True
        self._let_go()

    def is_held(self) -> bool:
        """Whether nothing may be sent, whatever the time."""
        if self.closed or self.stopped is not None or self.paused:
            return True
        return self.awaits_money or self.awaits_media or self.late_for is not None

    def take_nowait(self, now: float) -> int | None:
        """The next row, counted as in flight; None where there is none yet, or never."""
        limits = self.limits
        if self.is_held() or self.in_flight >= limits.concurrency.allowed:
            limits.withdraw(self, now)
            return None
        for _ in range(_MOST_HELD_AT_ONCE):
            row = self._peek(now)
            if row is None:
                limits.withdraw(self, now)
                return None
            if not limits.admits(self, now):
                return None
            fit = _RESERVED if self.fit is None else self.fit(row)
            if fit is _RESERVED:
                return self._go(row, now)
            if fit is _WAIT or fit is Fit.PREPARING:
                self.awaits_money, self.awaits_media = fit is _WAIT, fit is Fit.PREPARING
                limits.withdraw(self, now)
                return None
            self._pop(now)
            if fit is Fit.HELD:
                self.held.append(row)
        asyncio.get_running_loop().call_soon(self.wake)
        return None

    def _go(self, row: int, now: float) -> int:
        self._pop(now)
        self.in_flight += 1
        self.limits.enter(self, row, self.size_of(row), now)
        if self._parked and self.waiting and self.in_flight < self.limits.concurrency.allowed:
            self._wake(1)  # a worker that has done its call takes the next by itself; others wait to be told
        return row

    def left(self) -> None:
        """A call that was taken here is over."""
        self.in_flight -= 1
        self.limits.left()

    def _peek(self, now: float) -> int | None:
        if self._retries and self._retries[0][0] <= now:
            return self._retries[0][1]
        return self._queue[self._head] if self._head < len(self._queue) else None

    def _pop(self, now: float) -> None:
        if self._retries and self._retries[0][0] <= now:
            heapq.heappop(self._retries)
        else:
            self._head += 1

    def next_look(self, now: float) -> float | None:
        """When to look again, where only time is in the way; else None."""
        if self.is_held() or self.waiting == 0:
            return None
        due = now if self._head < len(self._queue) else self._retries[0][0]
        look = self.limits.cooldown.next_look(max(due, now))
        if look is not None:
            return look
        return due if due > now else None

    async def take(self) -> int | None:
        """The next row, counted as in flight; None when the lane is stopped or closed."""
        while not self.closed and self.stopped is None:
            now = self._clock()
            if (row := self.take_nowait(now)) is not None:
                return row
            if (look := self.next_look(now)) is not None:
                self._alarm.set(look, now, self._wake_all)
            waiter = asyncio.get_running_loop().create_future()
            self._parked.append(waiter)
            await waiter
        return None

    def wake(self) -> None:
        """Let one worker look whether something may be sent."""
        self._wake(1)

    def _let_go(self) -> None:
        self.limits.withdraw(self, self._clock())
        self._alarm.cancel()
        self._wake_all()

    def _wake(self, count: int) -> None:
        while count and self._parked:
            waiter = self._parked.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    def _wake_all(self) -> None:
        self._wake(len(self._parked))
