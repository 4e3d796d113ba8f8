"""Tokens a minute: a bucket as one moment in time, at which the next call may go; and the gate over it."""

import time
from collections.abc import Callable

from orchestrator.limits.gate import Alarm, Gate
from orchestrator.limits.ratio import PLACES

BURST_S = 0.1  # what was not used for longer than this is gone: late timers are made up for, no more


class Bucket:
    """`rate` units a second, evenly. A call goes once the bucket is not in debt, and may leave it in debt.

    So a call that is larger than any bucket borrows; it neither hangs nor starves.
    """

    __slots__ = ("free_at", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.free_at = float("-inf")  # the moment (monotonic seconds) from which on the next call may go

    def take(self, now: float, amount: float) -> None:
        """A call of `amount` units goes."""
        earliest = now - BURST_S
        self.free_at = (max(self.free_at, earliest)) + amount / self.rate

    def settle(self, difference: float) -> None:
        """A call turned out to need so many units more (or less, below 0) than was taken for it."""
        self.free_at += difference / self.rate

    def set_rate(self, rate: float, now: float) -> None:
        """Another rate from now on; a debt is paid off sooner at a higher one, and never later at a lower one.

        A rate that falls to next to nothing for a while, because others use the same key, would else hold a lane with a
        debt for hours.
        """
        debt_s = max(0.0, self.free_at - now)
        self.free_at = min(self.free_at, now) + debt_s * min(1.0, self.rate / rate)
        self.rate = rate


class TokenGate(Gate):
    """A bucket of tokens that lanes pass through. `resource` is which tokens it counts."""

    def __init__(self, resource: str, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.resource = resource
        self.place = PLACES[resource]  # in Tokens
        self.bucket = Bucket(per_minute / 60)
        self._clock = clock
        self._alarm = Alarm()

    @property
    def per_minute(self) -> float:
        return self.bucket.rate * 60

    def set_rate(self, per_minute: float) -> None:
        """Another limit from now on."""
        now = self._clock()
        self.bucket.set_rate(per_minute / 60, now)
        self.wake_first(now)

    def is_open(self, now: float) -> bool:
        return self.bucket.free_at <= now

    def await_opening(self, now: float) -> None:
        self._alarm.set(self.bucket.free_at, now, self._ring)

    def take(self, now: float, amount: float) -> None:
        self.bucket.take(now, amount)

    def settle(self, difference: float) -> None:
        """A call turned out to need so many tokens more (or less, below 0) than was taken for it."""
        self.bucket.settle(difference)
        if difference < 0 and self._queue:
            self.wake_first(self._clock())

    def opens_in_s(self, now: float) -> float:
        return self.bucket.free_at - now

    def close(self) -> None:
        self._alarm.cancel()

    def _ring(self) -> None:
        self.wake_first(self._clock())
