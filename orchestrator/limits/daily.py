"""Requests a day: a count over the last twenty-four hours, by the hour, which a resumed run goes on with.

Wall-clock hours, because a day's quota outlives a process; what is counted is what this run folder has sent.
"""

import time
from collections.abc import Callable, Mapping

from orchestrator.limits.gate import Alarm, Gate

HOUR_S = 3600.0
_HOURS = 24


class DailyCount:
    """Calls by hour (whole hours since 1970). The hour in which the oldest ones were made counts in full."""

    def __init__(self, limit: float, before: Mapping[int, int] | None = None) -> None:
        self.limit = limit
        self._hours: dict[int, int] = dict(before or {})

    def used(self, wall: float) -> int:
        """Calls in the last twenty-four hours, at `wall` seconds since 1970."""
        oldest = int(wall // HOUR_S) - _HOURS
        for hour in [hour for hour in self._hours if hour < oldest]:
            del self._hours[hour]
        return sum(self._hours.values())

    def add(self, wall: float) -> None:
        """One more call."""
        hour = int(wall // HOUR_S)
        self._hours[hour] = self._hours.get(hour, 0) + 1

    def preload(self, hours: Mapping[int, int]) -> None:
        """Calls that were made in earlier sessions."""
        for hour, count in hours.items():
            self._hours[hour] = self._hours.get(hour, 0) + count

    def wait_s(self, wall: float) -> float:
        """Seconds until one more call is allowed."""
        if self.used(wall) < self.limit:
            return 0.0
        excess = self.used(wall) - self.limit
        for hour in sorted(self._hours):
            excess -= self._hours[hour]
            if excess < 0:
                return (hour + _HOURS + 1) * HOUR_S - wall
        return _HOURS * HOUR_S


class DailyGate(Gate):
    """A day's requests that lanes pass through."""

    def __init__(
        self, limit: float, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self.count = DailyCount(limit)
        self._clock = clock
        self._wall = wall
        self._alarm = Alarm()

    def wait_s(self) -> float:
        """Seconds until one more call is allowed."""
        return self.count.wait_s(self._wall())

    def is_open(self, now: float) -> bool:
        return self.count.used(self._wall()) < self.count.limit

    def await_opening(self, now: float) -> None:
        self._alarm.set(now + self.wait_s() + 1.0, now, lambda: self.wake_first(self._clock()))

    def opens_in_s(self, now: float) -> float:
        return self.wait_s()

    def take(self, now: float, amount: float) -> None:
        self.count.add(self._wall())

    def set_limit(self, limit: float) -> None:
        """Another limit from now on."""
        self.count.limit = limit
        self.wake_first(self._clock())

    def close(self) -> None:
        self._alarm.cancel()
