"""What a failed attempt means for its row and its lane, at given times."""

import pytest

from orchestrator.deciding import TRANSIENT_RUN_LIMIT, EndLane, GiveUp, TryAgain, decide
from providers.wire import Billing, Failure, FailureKind
from tests.harness.lanes import make_lane


def _failure(kind: FailureKind, retry_after_s: float | None = None) -> Failure:
    return Failure(kind, Billing.UNBILLED, "why", retry_after_s=retry_after_s)


@pytest.mark.parametrize("kind", [FailureKind.KEY_REFUSED, FailureKind.QUOTA])
def test_a_refused_key_and_a_spent_quota_end_the_lane(kind: FailureKind) -> None:
    """They speak for every row of the lane."""
    decision = decide(make_lane(), 0, _failure(kind), 1, 0.0)
    assert isinstance(decision, EndLane)
    assert decision.exit_code == 6


def test_transient_failures_end_the_lane_only_in_a_row() -> None:
    """A success in between starts the count anew."""
    lane = make_lane()
    transient = _failure(FailureKind.TRANSIENT)
    for _ in range(TRANSIENT_RUN_LIMIT - 1):
        assert isinstance(decide(lane, 0, transient, 1, 0.0), TryAgain)
    lane.transient_run = 0
    assert isinstance(decide(lane, 0, transient, 1, 0.0), TryAgain)
    for _ in range(TRANSIENT_RUN_LIMIT - 2):
        decide(lane, 0, transient, 1, 0.0)
    assert isinstance(decide(lane, 0, transient, 1, 0.0), EndLane)


def test_retry_after_cools_the_whole_lane_down() -> None:
    """What one row was told holds for all."""
    lane = make_lane()
    assert decide(lane, 3, _failure(FailureKind.THROTTLED, 20.0), 0, 100.0) == TryAgain(120.0)
    assert lane.is_held(119.0)
    assert not lane.is_held(120.0)


def test_a_row_throttled_for_an_hour_is_given_up() -> None:
    """Throttling is bounded by time, not by a number of attempts."""
    lane = make_lane()
    for second in range(0, 3600, 60):
        assert isinstance(decide(lane, 3, _failure(FailureKind.THROTTLED, 60.0), 0, float(second)), TryAgain)
    assert decide(lane, 3, _failure(FailureKind.THROTTLED, 60.0), 0, 3600.0) == GiveUp()


def test_a_wait_beyond_an_hour_ends_the_lane() -> None:
    """A provider that says to come back tomorrow is not waited for."""
    decision = decide(make_lane(), 0, _failure(FailureKind.THROTTLED, 86_400.0), 0, 0.0)
    assert isinstance(decision, EndLane)
    assert "86400 s" in decision.reason


def test_a_refused_row_fails_alone() -> None:
    """The lane goes on."""
    lane = make_lane()
    assert decide(lane, 0, _failure(FailureKind.ROW_REFUSED), 1, 0.0) == GiveUp()
    assert lane.stopped is None
