"""How long calls about one batch may fail until its lane is given up. Pure: times are arguments, monotonic seconds."""

from dataclasses import dataclass

from orchestrator.deciding import EndLane
from orchestrator.retry import poll_wait_s
from orchestrator.thresholds import Thresholds
from providers.wire import Failure, FailureKind

_SLOWEST_RETRY_S = 60.0
UNKNOWN = frozenset({404, 410})  # a batch, or what came of it, is not there


@dataclass(slots=True)
class Patience:
    """Failures since the last success. Those of being throttled are bounded by time, those of looks by number and
    time, all others by number. `unknown`: how often in a row the provider did not know the batch.
    """

    fails: int = 0
    unknown: int = 0
    _since: float | None = None
    _tries: int = 0
    _throttled_since: float | None = None

    def note(self, failure: Failure, now: float) -> None:
        """Count a failure."""
        self._tries += 1
        self._since = now if self._since is None else self._since
        self.unknown = self.unknown + 1 if failure.status in UNKNOWN else 0
        if failure.kind is not FailureKind.THROTTLED:
            self.fails += 1
            self._throttled_since = None
        elif self._throttled_since is None:
            self._throttled_since = now

    def reset(self) -> None:
        """A call has succeeded."""
        self.fails, self.unknown, self._tries = 0, 0, 0
        self._since = self._throttled_since = None

    def ending(self, failure: Failure, at: Thresholds, now: float, submitting: bool = True) -> EndLane | None:
        """What it means for the lane, where it has lasted too long. A batch that is `submitting` costs nothing yet; one
        that is under way is worth more patience.
        """
        if (asked_s := failure.retry_after_s or 0.0) > at.longest_wait_s:
            return EndLane(f"asked to wait for {asked_s:.0f} s: {failure.message}", 6)
        if self._throttled_since is not None and now - self._throttled_since > at.throttled_row_s:
            return EndLane(f"throttled for {now - self._throttled_since:.0f} s: {failure.message}", 6)
        if self.fails < at.failures_in_row or (not submitting and self.lasted_s(now) < at.longest_wait_s):
            return None
        return EndLane(f"{self.fails} failures in a row, the last: {failure.message}", 7)

    def lasted_s(self, now: float) -> float:
        """Since the first failure after the last success."""
        return 0.0 if self._since is None else now - self._since

    def wait_s(self, failure: Failure) -> float:
        """How long to wait before the next try."""
        return max(failure.retry_after_s or 0.0, poll_wait_s(self._tries, _SLOWEST_RETRY_S))


def may_have_arrived(status: int | None) -> bool:
    """Whether a submission that was answered so may have taken effect: of what a gateway says nobody knows."""
    return status is not None and (status >= 500 or status in (408, 409))
