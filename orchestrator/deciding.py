"""What a failed attempt means for its row and for its lane. Pure: the time is an argument (monotonic seconds)."""

from dataclasses import dataclass

from orchestrator.lane import Lane
from orchestrator.retry import LANE_ENDING, MAX_WAIT_S, next_wait_s, outage_wait_s
from providers.wire import Failure, FailureKind

# Calls that fail together are one blow: a failure counts where its attempt began after the last one that counted.
TRANSIENT_RUN_LIMIT = 20  # such failures in a row, without a success in the lane, that end it
OUTAGE = 3  # such failures in a row after which the lane waits, longer each time, and gives no row up


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


def decide(
    lane: Lane, row: int, failure: Failure, failed_attempts: int, began: float, now: float
) -> EndLane | TryAgain | GiveUp:
    """What follows; counts the lane's run of failures and sets its cooldown on the way.

    `failed_attempts` are those of the row that count against its limit, this one included; `began` is when it began.
    """
    ending = _lane_ending(lane, failure, began, now)
    if ending is not None:
        return ending
    if failure.kind is FailureKind.TRANSIENT and lane.transient_run >= OUTAGE:
        return TryAgain(max(lane.cooldown_until, now))
    if failure.kind is FailureKind.THROTTLED:
        return _throttled(lane, row, failure, now)
    wait_s = next_wait_s(failure.kind, failed_attempts)
    return GiveUp() if wait_s is None else TryAgain(now + wait_s)


def _lane_ending(lane: Lane, failure: Failure, began: float, now: float) -> EndLane | None:
    if failure.kind is FailureKind.TRANSIENT:
        if began >= lane.transient_at:
            lane.transient_run += 1
            lane.transient_at = now
            if lane.transient_run >= OUTAGE:
                lane.cool_down(now + outage_wait_s(lane.transient_run - OUTAGE + 1))
        if lane.transient_run >= TRANSIENT_RUN_LIMIT:
            return EndLane(f"{TRANSIENT_RUN_LIMIT} failures in a row, the last: {failure.message}", 7)
    elif failure.kind in LANE_ENDING:
        return EndLane(f"{failure.kind.value.replace('_', ' ')}: {failure.message}", 6)
    elif failure.kind is FailureKind.THROTTLED and (failure.retry_after_s or 0.0) > MAX_WAIT_S:
        return EndLane(f"throttled for {failure.retry_after_s:.0f} s", 6)
    return None


def _throttled(lane: Lane, row: int, failure: Failure, now: float) -> TryAgain | GiveUp:
    first, times = lane.throttled_since.get(row, (now, 0))
    wait_s = next_wait_s(failure.kind, times + 1, now - first)
    if wait_s is None:
        return GiveUp()
    lane.throttled_since[row] = (first, times + 1)
    if failure.retry_after_s is None:
        return TryAgain(now + wait_s)
    lane.cool_down(now + failure.retry_after_s)
    return TryAgain(now + failure.retry_after_s)
