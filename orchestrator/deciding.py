"""What a failed attempt means for its row and for its lane. Pure: the time is an argument (monotonic seconds)."""

from dataclasses import dataclass

from orchestrator.lane import Lane
from orchestrator.retry import LANE_ENDING, Policies, outage_wait_s
from providers.wire import Failure, FailureKind

# Of these so many in a row say that nothing will come back. Only the first is worth waiting for without giving rows up.
_BLOWS = frozenset({FailureKind.TRANSIENT, FailureKind.TIMED_OUT})
OUTAGE = 3  # blows in a row after which the lane waits, longer each time, and gives no row up


@dataclass(frozen=True, slots=True)
class EndLane:
    """The failure speaks for all rows of the lane: it stops, and this row stays unsent."""

    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The row's next attempt is due then."""

    due: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The row has failed for good."""


Decision = EndLane | TryAgain | GiveUp


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed attempt of a row. `failed_attempts` are those of the row that count against its limit, this one
    included; `began` is when it began."""

    row: int
    failure: Failure
    failed_attempts: int
    began: float


def decide(lane: Lane, failed: Failed, policies: Policies, now: float, seconds_left: float | None = None) -> Decision:
    """What follows; counts the lane's run of failures and sets its cooldown on the way.

    `seconds_left` is the time to the deadline, if there is one: a lane that is to wait for longer than that stops. That
    the call was refused for speed has been told to the lane's limits before.
    """
    failure = failed.failure
    longest_s = policies.thresholds.longest_wait_s
    if seconds_left is not None:
        longest_s = min(longest_s, max(0.0, seconds_left))
    if failure.kind in LANE_ENDING:
        return _spoken_for_all(lane, failure, longest_s, now)
    if failure.kind is FailureKind.THROTTLED:
        return _throttled(lane, failed, policies, longest_s, now)
    if failure.kind in _BLOWS and (ending := _blow(lane, failed, policies, now)) is not None:
        return ending
    if failure.kind is FailureKind.TRANSIENT and lane.transient_run >= OUTAGE:
        return TryAgain(max(lane.limits.cooldown.until, now))
    wait_s = policies.next_wait_s(failure.kind, failed.failed_attempts)
    return GiveUp() if wait_s is None else TryAgain(now + wait_s)


def _spoken_for_all(lane: Lane, failure: Failure, longest_s: float, now: float) -> EndLane | TryAgain:
    """A refused key, or a quota that is used up: the lane sleeps only where that will be over soon."""
    wait_s = failure.retry_after_s
    if failure.kind is FailureKind.QUOTA and wait_s is not None and wait_s <= longest_s:
        lane.cool_down(now + wait_s)
        return TryAgain(now + wait_s)
    return EndLane(f"{failure.kind.value.replace('_', ' ')}: {failure.message}", 6)


def _blow(lane: Lane, failed: Failed, policies: Policies, now: float) -> EndLane | None:
    """Calls that fail together are one blow: a failure counts where its attempt began after the last that counted."""
    most = policies.thresholds.failures_in_row
    if failed.began >= lane.transient_at:
        lane.transient_run += 1
        lane.transient_at = now
        if lane.transient_run >= OUTAGE and failed.failure.kind is FailureKind.TRANSIENT:
            lane.limits.outage(now, now + outage_wait_s(lane.transient_run - OUTAGE + 1))
    if lane.transient_run < most:
        return None
    return EndLane(f"{most} failures in a row, the last: {failed.failure.message}", 7)


def _throttled(lane: Lane, failed: Failed, policies: Policies, longest_s: float, now: float) -> Decision:
    wait_s = failed.failure.retry_after_s
    if wait_s is not None and wait_s > longest_s:
        return EndLane(f"throttled for {wait_s:.0f} s: {failed.failure.message}", 6)
    since = lane.limits.cooldown.refused_since
    most_s = policies.thresholds.throttled_row_s
    if since is not None and now - since > most_s:
        return EndLane(f"throttled for {now - since:.0f} s without an answer: {failed.failure.message}", 6)
    first, times = lane.throttled_since.get(failed.row, (now, 0))
    if policies.next_wait_s(FailureKind.THROTTLED, times + 1, now - first) is None:
        return GiveUp()
    lane.throttled_since[failed.row] = (first, times + 1)
    return TryAgain(now)
