"""Calls in flight over all the lanes of an account, where the provider limits them."""

import time
from collections.abc import Callable

from orchestrator.limits.gate import Gate


class Slots(Gate):
    """So many calls at once, over all lanes that pass through."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.limit = limit
        self._clock = clock
        self.in_flight = 0

    def is_open(self, now: float) -> bool:
        return self.in_flight < self.limit

    def take(self, now: float, amount: float) -> None:
        self.in_flight += 1

    def leave(self, now: float) -> None:
        """A call is over."""
        self.in_flight -= 1
        self.wake_first(now)

    def set_limit(self, limit: int) -> None:
        """Another limit from now on; what is in flight stays in flight."""
        self.limit = limit
        self.wake_first(self._clock())
