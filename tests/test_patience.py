"""How long calls about a batch may fail."""

from orchestrator.batching.patience import Patience
from orchestrator.thresholds import Thresholds
from providers.wire import Billing, Failure, FailureKind

AT = Thresholds(failures_in_row=3, throttled_row_s=100.0)
DOWN = Failure(FailureKind.TRANSIENT, Billing.UNBILLED, "down")
SLOWER = Failure(FailureKind.THROTTLED, Billing.UNBILLED, "slower", retry_after_s=90.0)


def test_failures_end_the_lane_by_number_and_a_success_forgives_them() -> None:
    """The third failure in a row ends it with 7; one after a success is the first again."""
    patience = Patience()
    for _ in range(2):
        patience.note(DOWN, 0.0)
        assert patience.ending(DOWN, AT, 0.0) is None
    patience.reset()
    patience.note(DOWN, 0.0)
    assert patience.ending(DOWN, AT, 0.0) is None
    patience.note(DOWN, 0.0)
    patience.note(DOWN, 0.0)
    ending = patience.ending(DOWN, AT, 0.0)
    assert ending is not None
    assert ending.exit_code == 7


def test_throttling_ends_the_lane_by_time_alone() -> None:
    """A hundred refusals for speed within the time count for nothing; after it the lane ends with 6."""
    patience = Patience()
    for number in range(100):
        patience.note(SLOWER, float(number))
        assert patience.ending(SLOWER, AT, float(number)) is None
    ending = patience.ending(SLOWER, AT, 101.0)
    assert ending is not None
    assert ending.exit_code == 6


def test_other_failures_between_refusals_for_speed_start_their_time_anew() -> None:
    """The time of being throttled runs only while nothing else is in the way."""
    patience = Patience()
    patience.note(SLOWER, 0.0)
    patience.note(DOWN, 90.0)
    patience.note(SLOWER, 95.0)
    assert patience.ending(SLOWER, AT, 150.0) is None


def test_waits_grow_and_are_never_shorter_than_what_was_asked_for() -> None:
    """Each wait is at least the one before, up to a minute, and at least Retry-After."""
    patience, waits = Patience(), []
    for _ in range(30):
        patience.note(DOWN, 0.0)
        waits.append(patience.wait_s(DOWN))
    assert waits == sorted(waits)
    assert waits[-1] == 60.0
    assert patience.wait_s(SLOWER) == 90.0


def test_looks_at_a_batch_that_is_under_way_may_fail_for_longer() -> None:
    """Failures of looks end the lane only where they have lasted as long as anybody waits, however many they are."""
    at, patience = Thresholds(failures_in_row=3, longest_wait_s=600.0), Patience()
    for number in range(50):
        patience.note(DOWN, number * 10.0)
        assert patience.ending(DOWN, at, number * 10.0, submitting=False) is None
    assert patience.ending(DOWN, at, 500.0) is not None
    ending = patience.ending(DOWN, at, 601.0, submitting=False)
    assert ending is not None
    assert ending.exit_code == 7


def test_a_wait_that_is_asked_for_beyond_what_anybody_waits_ends_the_lane() -> None:
    """Retry-After of a year is no pause but an end, with 6."""
    patience, year = Patience(), Failure(FailureKind.THROTTLED, Billing.UNBILLED, "later", retry_after_s=3e7)
    patience.note(year, 0.0)
    ending = patience.ending(year, Thresholds(), 0.0)
    assert ending is not None
    assert ending.exit_code == 6


def test_only_unknown_batches_in_a_row_count_as_unknown() -> None:
    """Another failure, or a success, begins the count anew."""
    unknown = Failure(FailureKind.ROW_REFUSED, Billing.UNBILLED, "no such batch", status=404)
    patience = Patience()
    for failure, count in [(unknown, 1), (unknown, 2), (DOWN, 0), (unknown, 1)]:
        patience.note(failure, 0.0)
        assert patience.unknown == count
    patience.reset()
    assert patience.unknown == 0
