"""Deadlines: how they are said, and what still lands in time."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.deadline import Deadline, LatencyGuess, parse_for, parse_until
from prompts.input_error import InputError

NOON = datetime(2026, 11, 22, 12, 0, 0)


@pytest.fixture
def central_europe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock goes from 2:00 to 3:00 on 29 March 2026, and from 3:00 back to 2:00 on 25 October."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc(month: int, day: int, hour: int, minute: int = 0) -> float:
    """Epoch seconds of a moment of 2026."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("07:00", datetime(2026, 11, 23, 7)),
        ("7:00", datetime(2026, 11, 23, 7)),
        ("23:30:15", datetime(2026, 11, 22, 23, 30, 15)),
        ("12:00", datetime(2026, 11, 23, 12)),
        ("12:01", datetime(2026, 11, 22, 12, 1)),
        ("2026-11-23T07:00", datetime(2026, 11, 23, 7)),
        (" 2026-11-23 07:00 ", datetime(2026, 11, 23, 7)),
    ],
)
def test_local_times_are_the_next_ones(text: str, wanted: datetime) -> None:
    """A time of day that is past, or just now, is tomorrow's."""
    assert parse_until(text, NOON) == wanted.timestamp()


def test_a_date_with_a_zone_is_that_instant() -> None:
    """What the machine's zone is does not matter then."""
    assert parse_until("2026-11-23T07:00+05:30", NOON) == utc(11, 23, 1, 30)
    assert parse_until("2026-11-23T07:00Z", NOON) == utc(11, 23, 7)


def test_a_zone_of_the_present_is_the_zone_of_the_time() -> None:
    """A caller may say where local time is."""
    zone = timezone(timedelta(hours=-5))
    assert parse_until("07:00", datetime(2026, 11, 22, 12, tzinfo=zone)) == utc(11, 23, 12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-11-22T11:59", "is past"),
        ("2020-01-01T00:00Z", "is past"),
        ("2026-11-23", "has no time of day"),
        ("2062-11-23T07:00", "more than a year away"),
        ("9999-12-31T23:59", "is not a time|more than a year away"),
        ("0001-01-01T00:00", "is not a time|is past"),
        ("25:00", "is not a time"),
        ("07:60", "is not a time"),
        ("7", "is not a time"),
        ("tomorrow", "is not a time"),
        ("", "is not a time"),
        ("٠٧:٠٠", "is not a time"),
    ],
)
def test_what_is_no_time_to_come_is_bad_input(text: str, said: str) -> None:
    """The message names the option and says what is wrong."""
    with pytest.raises(InputError, match=f"^--until: .*({said})"):
        parse_until(text, NOON)


@pytest.mark.usefixtures("central_europe")
def test_a_time_of_tomorrow_is_right_over_a_change_of_the_clock() -> None:
    """In the nights of the changes, 07:00 is 8 and 10 hours after 22:00, not 9."""
    spring, autumn = datetime(2026, 3, 28, 22), datetime(2026, 10, 24, 22)
    assert parse_until("07:00", spring) - spring.timestamp() == 8 * 3600
    assert parse_until("07:00", autumn) - autumn.timestamp() == 10 * 3600


@pytest.mark.usefixtures("central_europe")
def test_a_time_that_the_clock_leaves_out_is_read_as_if_it_had_not() -> None:
    """02:30 in that night is half an hour after the change."""
    assert parse_until("02:30", datetime(2026, 3, 28, 22)) == utc(3, 29, 1, 30)
    assert parse_until("2026-03-29T02:30", datetime(2026, 3, 28, 22)) == utc(3, 29, 1, 30)


@pytest.mark.usefixtures("central_europe")
def test_of_a_time_that_is_there_twice_the_next_one_counts() -> None:
    """Before both it is the first, between them the second, after both tomorrow's."""
    assert parse_until("02:30", datetime(2026, 10, 24, 22)) == utc(10, 25, 0, 30)
    assert parse_until("02:30", datetime(2026, 10, 25, 2, 45)) == utc(10, 25, 1, 30)
    assert parse_until("2026-10-25T02:30", datetime(2026, 10, 25, 2, 10, fold=1)) == utc(10, 25, 1, 30)
    assert parse_until("02:30", datetime(2026, 10, 25, 2, 45, fold=1)) == utc(10, 26, 1, 30)


@pytest.mark.usefixtures("central_europe")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.times())
def test_a_time_of_day_is_always_ahead_and_within_a_day(now: datetime, clock: object) -> None:
    """Whatever the clock does, the deadline is after now and at most 25 hours away."""
    text = str(clock)[:8]
    assert 0 < parse_until(text, now) - now.timestamp() <= 25 * 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("8h", 28_800),
        ("90m", 5400),
        ("1h30m", 5400),
        ("45s", 45),
        ("1.5h", 5400),
        ("2d", 172_800),
        ("1d2h3m4.5s", 93_784.5),
        (" 8H ", 28_800),
    ],
)
def test_spans_are_sums_of_their_parts(text: str, seconds: float) -> None:
    """Days, hours, minutes and seconds, in this order, each at most once."""
    assert parse_for(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "8", "h", "30m1h", "1h1h", "-1h", "0m", "1e9h", "9999999d", "8 h", "8hours", "٨h"]
)
def test_what_is_no_span_is_bad_input(text: str) -> None:
    """The message names the option."""
    with pytest.raises(InputError, match=r"^--for: "):
        parse_for(text)


def test_calls_are_admitted_while_they_would_land_in_time() -> None:
    """The last moment to start is the deadline less the time that a call takes."""
    deadline = Deadline(1000.0)
    assert deadline.left_s(990.0) == 10.0
    assert deadline.left_s(1001.0) == -1.0
    assert deadline.admits(990.0, 10.0)
    assert not deadline.admits(990.5, 10.0)
    assert not deadline.admits(1001.0, 0.0)


@pytest.mark.parametrize(("timeout_s", "guess_s"), [(600.0, 10.0), (4.0, 4.0)])
def test_before_the_first_answer_a_latency_is_guessed(timeout_s: float, guess_s: float) -> None:
    """Ten seconds, or the time-out where that is shorter."""
    assert LatencyGuess(timeout_s).guess_s == guess_s


def test_the_first_answer_counts_with_half_of_it_as_doubt() -> None:
    """As the timer's definition has it: mean R, deviation R / 2."""
    guess = LatencyGuess(600.0)
    guess.note(2.0)
    assert guess.guess_s == 2.0 + 4 * 1.0
    guess.note(4.0)  # deviation 3/4 x 1 + 1/4 x 2, mean 7/8 x 2 + 1/8 x 4
    assert guess.guess_s == pytest.approx(2.25 + 4 * 1.25)


@given(st.lists(st.floats(0, 1e4), min_size=1), st.floats(0.1, 1e3))
def test_a_guess_is_never_above_the_time_out_or_below_all_that_was_seen(seen: list[float], timeout_s: float) -> None:
    """It lies between the shortest latency noted and the time-out."""
    guess = LatencyGuess(timeout_s)
    for latency in seen:
        guess.note(latency)
    assert min(timeout_s, min(seen)) <= guess.guess_s + 1e-9
    assert guess.guess_s <= timeout_s


def test_even_latencies_leave_little_doubt() -> None:
    """After many calls of two seconds each, the guess is near two seconds and not at it."""
    guess = LatencyGuess(600.0)
    for _ in range(100):
        guess.note(2.0)
    assert 2.0 < guess.guess_s < 2.2
