"""A gate: one limit that several lanes may pass through, in turn.

A lane that finds the gate closed, or others before it, queues there, once; whoever is first is woken when the gate
opens. A lane queues at one gate at a time: blocked elsewhere, it gives up its place for those behind it.
"""

import asyncio
from collections import deque
from typing import Protocol


class Waiter(Protocol):
    """A lane, as a gate sees it."""

    def wake(self) -> None:
        """Look again whether something may be sent."""


class Gate:
    """Whether a call may pass is said by `is_open`; what it takes, by `enter`."""

    label = ""  # how people call it

    def __init__(self) -> None:
        self._queue: deque[Waiter] = deque()

    def admits(self, waiter: Waiter, now: float) -> bool:
        """Whether a call of this lane may pass now; where not, the lane is queued and will be woken."""
        if (not self._queue or self._queue[0] is waiter) and self.is_open(now):
            return True
        if waiter not in self._queue:
            self._queue.append(waiter)
        if not self.is_open(now):
            self.await_opening(now)
        return False

    def is_open(self, now: float) -> bool:
        """Whether a call may pass now."""
        raise NotImplementedError

    def opens_in_s(self, now: float) -> float:
        """Seconds until it opens, where that is known; else 0."""
        return 0.0

    def await_opening(self, now: float) -> None:
        """See to it that `wake_first` is called when the gate opens."""

    def enter(self, waiter: Waiter, now: float, amount: float) -> None:
        """A call of this many units passes."""
        self.take(now, amount)
        if self._queue:
            if self._queue[0] is waiter:
                self._queue.popleft()
            self.wake_first(now)

    def take(self, now: float, amount: float) -> None:
        """Account for a call that passes."""
        raise NotImplementedError

    def withdraw(self, waiter: Waiter, now: float) -> None:
        """The lane wants nothing just now; the next one moves up."""
        if waiter in self._queue:
            self._queue.remove(waiter)
            self.wake_first(now)

    def close(self) -> None:
        """Wake nobody any more."""

    def wake_first(self, now: float) -> None:
        """Wake who is first, if the gate is open; else wait for it to open."""
        if not self._queue:
            return
        if self.is_open(now):
            self._queue[0].wake()
        else:
            self.await_opening(now)


class Alarm:
    """One timer, set to the earliest moment that anybody asked for."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0

    def set(self, due: float, now: float, ring: "Ring") -> None:
        """Call `ring` at `due`, unless it will be called before."""
        if self._handle is not None:
            if self._due <= due:
                return
            self._handle.cancel()
        self._due = due
        self._handle = asyncio.get_running_loop().call_later(max(0.0, due - now), self._fire, ring)

    def cancel(self) -> None:
        """Call nobody."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self, ring: "Ring") -> None:
        self._handle = None
        ring()


class Ring(Protocol):
    """What an alarm calls."""

    def __call__(self) -> None: ...
