"""What follows a failed attempt, by the kind of failure."""

import pytest

from orchestrator.retry import LANE_ENDING, Policies, throttled_wait_s
from orchestrator.thresholds import Thresholds
from providers.wire import FailureKind

POLICIES = Policies()
next_wait_s = POLICIES.next_wait_s


@pytest.mark.parametrize(
    ("kind", "attempts"),
    [
        (FailureKind.ROW_REFUSED, 1),
        (FailureKind.TOO_LARGE, 1),
        (FailureKind.TIMED_OUT, 2),
        (FailureKind.UNREADABLE, 2),
        (FailureKind.TRANSIENT, 5),
    ],
)
def test_each_kind_has_its_number_of_attempts(kind: FailureKind, attempts: int) -> None:
    """A row is given up at the attempt that the fault table names, and not before."""
    assert all(next_wait_s(kind, attempt) is not None for attempt in range(1, attempts))
    assert next_wait_s(kind, attempts) is None


def test_throttled_rows_are_bounded_by_time_alone() -> None:
    """Being throttled a hundred times uses up nothing; an hour of it ends the row."""
    assert next_wait_s(FailureKind.THROTTLED, 100, 10.0) is not None
    assert next_wait_s(FailureKind.THROTTLED, 2, 3600.0) is None


def test_waits_are_jittered() -> None:
    """Rows that failed together do not come back together."""
    waits = {next_wait_s(FailureKind.TRANSIENT, 4) for _ in range(20)}
    assert len(waits) > 10


def test_every_kind_has_a_policy() -> None:
    """The set of failures is closed: each has a policy, and those that end a lane are never retried."""
    assert set(POLICIES.by_kind) == set(FailureKind)
    assert all(next_wait_s(kind, 1) is None for kind in LANE_ENDING)


def test_thresholds_are_the_users() -> None:
    """What a user sets is what holds."""
    policies = Policies(Thresholds(transient_attempts=2, throttled_row_s=60))
    assert policies.next_wait_s(FailureKind.TRANSIENT, 1) is not None
    assert policies.next_wait_s(FailureKind.TRANSIENT, 2) is None
    assert policies.next_wait_s(FailureKind.THROTTLED, 1, 61.0) is None


def test_a_lane_that_is_refused_again_and_again_waits_longer_each_time() -> None:
    """Half a second to a second and a half at first, a minute at most."""
    assert 0.5 <= throttled_wait_s(1) <= 1.5
    assert 60 <= throttled_wait_s(30) <= 61
