"""What a failed attempt means for its row and its lane, at given times."""

import pytest

from orchestrator.deciding import OUTAGE, TRANSIENT_RUN_LIMIT, EndLane, GiveUp, TryAgain, decide
from orchestrator.lane import Lane
from providers.wire import Billing, Failure, FailureKind
from tests.harness.lanes import make_lane


def _failure(kind: FailureKind, retry_after_s: float | None = None) -> Failure:
    return Failure(kind, Billing.UNBILLED, "why", retry_after_s=retry_after_s)


@pytest.mark.parametrize("kind", [FailureKind.KEY_REFUSED, FailureKind.QUOTA])
def test_a_refused_key_and_a_spent_quota_end_the_lane(kind: FailureKind) -> None:
    """They speak for every row of the lane."""
    decision = decide(make_lane(), 0, _failure(kind), 1, 0.0, 0.0)
    assert isinstance(decision, EndLane)
    assert decision.exit_code == 6


def _fail(lane: Lane, began: float, now: float) -> EndLane | TryAgain | GiveUp:
    return decide(lane, 0, _failure(FailureKind.TRANSIENT), 5, began, now)


def test_transient_failures_end_the_lane_only_in_a_row() -> None:
    """Twenty blows without a success end the lane; a success in between starts the count anew."""
    lane = make_lane()
    for second in range(TRANSIENT_RUN_LIMIT - 1):
        assert not isinstance(_fail(lane, second, second), EndLane)
    lane.transient_run = 0
    for second in range(100, 100 + TRANSIENT_RUN_LIMIT - 1):
        assert not isinstance(_fail(lane, second, second), EndLane)
    decision = _fail(lane, 200.0, 200.0)
    assert isinstance(decision, EndLane)
    assert decision.exit_code == 7


def test_calls_that_fail_together_are_one_blow() -> None:
    """A connection that breaks under a thousand calls in flight counts once, however many they were."""
    lane = make_lane()
    for call in range(1000):
        assert not isinstance(_fail(lane, 1.0, 2.0 + call / 1000), EndLane)
    assert lane.transient_run == 1


def test_an_outage_makes_the_lane_wait_longer_each_time_and_gives_no_row_up() -> None:
    """While nothing comes back, rows keep their turn and the lane rests, up to half a minute at a time."""
    lane = make_lane()
    rests = []
    for second in range(0, 1000 * (TRANSIENT_RUN_LIMIT - 1), 1000):
        decision = _fail(lane, float(second), float(second))
        if lane.transient_run >= OUTAGE:
            assert isinstance(decision, TryAgain)
            rests.append(lane.cooldown_until - second)
    assert rests[0] < 3 < rests[4]
    assert 29 < rests[-1] <= 31


def test_retry_after_cools_the_whole_lane_down() -> None:
    """What one row was told holds for all."""
    lane = make_lane()
    assert decide(lane, 3, _failure(FailureKind.THROTTLED, 20.0), 0, 0.0, 100.0) == TryAgain(120.0)
    assert lane.is_held(119.0)
    assert not lane.is_held(120.0)


def test_a_row_throttled_for_an_hour_is_given_up() -> None:
    """Throttling is bounded by time, not by a number of attempts."""
    lane = make_lane()
    for second in range(0, 3600, 60):
        assert isinstance(decide(lane, 3, _failure(FailureKind.THROTTLED, 60.0), 0, 0.0, float(second)), TryAgain)
    assert decide(lane, 3, _failure(FailureKind.THROTTLED, 60.0), 0, 0.0, 3600.0) == GiveUp()


def test_a_wait_beyond_an_hour_ends_the_lane() -> None:
    """A provider that says to come back tomorrow is not waited for."""
    decision = decide(make_lane(), 0, _failure(FailureKind.THROTTLED, 86_400.0), 0, 0.0, 0.0)
    assert isinstance(decision, EndLane)
    assert "86400 s" in decision.reason


def test_a_refused_row_fails_alone() -> None:
    """The lane goes on."""
    lane = make_lane()
    assert decide(lane, 0, _failure(FailureKind.ROW_REFUSED), 1, 0.0, 0.0) == GiveUp()
    assert lane.stopped is None
