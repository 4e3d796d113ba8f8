"""How long calls about one batch may fail until its lane is given up. Pure: times are arguments, monotonic seconds."""

from dataclasses import dataclass

from orchestrator.deciding import EndLane
from orchestrator.retry import poll_wait_s
from orchestrator.thresholds import Thresholds
from providers.wire import Failure, FailureKind

_SLOWEST_RETRY_S = 60.0


@dataclass(slots=True)
class Patience:
    """Failures since the last success. Those of being throttled are bounded by time, all others by number."""

    fails: int = 0
    _tries: int = 0
    _throttled_since: float | None = None

    def note(self, failure: Failure, now: float) -> None:
        """Count a failure."""
        self._tries += 1
        if failure.kind is not FailureKind.THROTTLED:
            self.fails += 1
            self._throttled_since = None
        elif self._throttled_since is None:
            self._throttled_since = now

    def reset(self) -> None:
        """A call has succeeded."""
        self.fails, self._tries, self._throttled_since = 0, 0, None

    def ending(self, failure: Failure, thresholds: Thresholds, now: float) -> EndLane | None:
        """What it means for the lane, where it has lasted too long."""
        if self._throttled_since is not None and now - self._throttled_since > thresholds.throttled_row_s:
            return EndLane(f"throttled for {now - self._throttled_since:.0f} s: {failure.message}", 6)
        if self.fails < thresholds.failures_in_row:
            return None
        return EndLane(f"{thresholds.failures_in_row} failures in a row, the last: {failure.message}", 7)

    def wait_s(self, failure: Failure) -> float:
        """How long to wait before the next try."""
        return max(failure.retry_after_s or 0.0, poll_wait_s(self._tries, _SLOWEST_RETRY_S))
