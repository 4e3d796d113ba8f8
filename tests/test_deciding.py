"""What a failed attempt means for its row and its lane, at given times."""

import pytest

from orchestrator.deciding import OUTAGE, Decision, EndLane, Failed, GiveUp, TryAgain, decide
from orchestrator.lane import Lane
from orchestrator.retry import Policies
from orchestrator.thresholds import Thresholds
from providers.wire import Billing, Failure, FailureKind
from tests.harness.lanes import make_lane

POLICIES = Policies()
MOST = POLICIES.thresholds.failures_in_row


def _failure(kind: FailureKind, retry_after_s: float | None = None) -> Failure:
    return Failure(kind, Billing.UNBILLED, "why", retry_after_s=retry_after_s)


def _decide(
    lane: Lane,
    failure: Failure,
    attempts: int = 1,
    began: float = 0.0,
    now: float = 0.0,
    left_s: float | None = None,
    policies: Policies = POLICIES,
) -> Decision:
    return decide(lane, Failed(0, failure, attempts, began), policies, now, left_s)


def _throttle(lane: Lane, now: float, retry_after_s: float | None = None, left_s: float | None = None) -> Decision:
    """A refusal as the engine hands it on: first to the limits, then to be decided upon."""
    lane.limits.refused(0, now, now, retry_after_s, {}, 1)
    return _decide(lane, _failure(FailureKind.THROTTLED, retry_after_s), 0, now, now, left_s)


@pytest.mark.parametrize("kind", [FailureKind.KEY_REFUSED, FailureKind.QUOTA])
def test_a_refused_key_and_a_spent_quota_end_the_lane(kind: FailureKind) -> None:
    """They speak for every row of the lane."""
    decision = _decide(make_lane(), _failure(kind))
    assert isinstance(decision, EndLane)
    assert decision.exit_code == 6


def test_a_quota_that_is_back_soon_is_slept_through() -> None:
    """The lane waits for the reset within the hour, unless the deadline comes before."""
    lane = make_lane()
    assert _decide(lane, _failure(FailureKind.QUOTA, 1800.0), now=100.0) == TryAgain(1900.0)
    assert lane.limits.cooldown.until == 1900.0
    assert isinstance(_decide(lane, _failure(FailureKind.QUOTA, 7200.0)), EndLane)
    assert isinstance(_decide(lane, _failure(FailureKind.QUOTA, 1800.0), left_s=600.0), EndLane)


def _fail(lane: Lane, began: float, now: float) -> Decision:
    return _decide(lane, _failure(FailureKind.TRANSIENT), 5, began, now)


def test_transient_failures_end_the_lane_only_in_a_row() -> None:
    """Twenty blows without a success end the lane; a success in between starts the count anew."""
    lane = make_lane()
    for second in range(MOST - 1):
        assert not isinstance(_fail(lane, second, second), EndLane)
    lane.transient_run = 0
    for second in range(100, 100 + MOST - 1):
        assert not isinstance(_fail(lane, second, second), EndLane)
    decision = _fail(lane, 200.0, 200.0)
    assert isinstance(decision, EndLane)
    assert decision.exit_code == 7


def test_how_many_in_a_row_is_the_users_to_say() -> None:
    """A threshold of three ends the lane at the third blow."""
    lane, policies = make_lane(), Policies(Thresholds(failures_in_row=3))
    ends = [_decide(lane, _failure(FailureKind.TRANSIENT), 1, at, at, policies=policies) for at in (1.0, 2.0, 3.0)]
    assert [isinstance(end, EndLane) for end in ends] == [False, False, True]


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
    for second in range(0, 1000 * (MOST - 1), 1000):
        decision = _fail(lane, float(second), float(second))
        if lane.transient_run >= OUTAGE:
            assert isinstance(decision, TryAgain)
            rests.append(lane.limits.cooldown.until - second)
    assert rests[0] < 3 < rests[4]
    assert 29 < rests[-1] <= 31


def test_retry_after_cools_the_whole_lane_down() -> None:
    """What one row was told holds for all, with a little jitter on top."""
    lane = make_lane()
    lane.add(1)
    assert isinstance(_throttle(lane, 100.0, 20.0), TryAgain)
    assert lane.take_nowait(119.9) is None
    assert lane.take_nowait(124.2) == 1


def test_a_row_throttled_for_an_hour_is_given_up() -> None:
    """Throttling is bounded by time, not by a number of attempts, while others are let in."""
    lane = make_lane()
    for second in range(0, 3600, 60):
        assert isinstance(_throttle(lane, float(second), 50.0), TryAgain)
        lane.limits.cooldown.accepted(second + 1.0)
    assert _throttle(lane, 3600.0, 50.0) == GiveUp()


def test_a_lane_throttled_for_an_hour_stops() -> None:
    """Where nothing at all is let in, its rows stay unsent."""
    lane = make_lane()
    for second in range(0, 3660, 60):
        assert isinstance(_throttle(lane, float(second), 50.0), TryAgain | GiveUp)
    decision = _throttle(lane, 3660.0, 50.0)
    assert isinstance(decision, EndLane)
    assert decision.exit_code == 6


@pytest.mark.parametrize(("wait_s", "left_s"), [(86_400.0, None), (600.0, 300.0)])
def test_a_wait_beyond_an_hour_or_the_deadline_ends_the_lane(wait_s: float, left_s: float | None) -> None:
    """A provider that says to come back tomorrow is not waited for."""
    decision = _throttle(make_lane(), 0.0, wait_s, left_s)
    assert isinstance(decision, EndLane)
    assert decision.exit_code == 6
    assert f"{wait_s:.0f} s" in decision.reason


def test_a_refused_row_fails_alone() -> None:
    """The lane goes on."""
    lane = make_lane()
    assert _decide(lane, _failure(FailureKind.ROW_REFUSED)) == GiveUp()
    assert lane.stopped is None


def test_calls_that_never_come_back_end_the_lane_too() -> None:
    """A provider that only hangs is not fed with the whole manifest."""
    lane = make_lane()
    ends = [_decide(lane, _failure(FailureKind.TIMED_OUT), 2, float(at), float(at)) for at in range(1, MOST + 1)]
    assert ends[:-1] == [GiveUp()] * (MOST - 1)
    assert isinstance(ends[-1], EndLane)
    assert ends[-1].exit_code == 7


def test_an_outage_is_tried_with_one_call_at_a_time() -> None:
    """Every call into an outage may be billed: after each rest only one goes."""
    lane = make_lane()
    for row in range(10):
        lane.add(row)
    for second in range(OUTAGE):
        _fail(lane, float(second), float(second))
    later = lane.limits.cooldown.until
    assert lane.take_nowait(later) == 0
    assert lane.take_nowait(later) is None
    assert lane.take_nowait(later + 3600) is None
    lane.limits.answered(0, later, later + 1, None, {}, 1)
    assert lane.take_nowait(later + 1) == 1
