"""A limit as headers tell it, and a fair share of it."""

import pytest

from orchestrator.limits.live import MARGIN, LiveLimit
from providers.rate_headers import Reading, Resource


def reading(limit: float, remaining: float | None = None, reset_s: float | None = None) -> Reading:
    return Reading(Resource.REQUESTS, limit, remaining, reset_s)


def test_nothing_is_known_before_a_header() -> None:
    """No pace without a reading."""
    assert LiveLimit().per_second is None


def test_the_pace_is_the_limit_less_a_margin() -> None:
    """A limit of 600 a minute is ten a second, times 0.99; a window of an hour counts as that."""
    live = LiveLimit()
    live.read(reading(600.0), 0.0)
    assert live.per_second == pytest.approx(10.0 * MARGIN)
    live.read(Reading(Resource.REQUESTS, 3600.0, None, None, 3600.0), 1.0)
    assert live.per_second == pytest.approx(1.0 * MARGIN)


def test_alone_the_whole_limit_is_used() -> None:
    """While much remains, nothing is given up."""
    live = LiveLimit()
    for second in range(100):
        live.read(reading(600.0, 580.0), float(second))
    assert live.share == 1.0


def test_two_that_share_a_key_settle_to_equal_shares() -> None:
    """Whoever had more gives up more: after five minutes both have a half, and something remains."""
    one, other, level = LiveLimit(), LiveLimit(), 600.0
    one.share, other.share = 1.0, 0.05
    shares, lowest = [], 600.0
    for step in range(6000):
        now = step / 10
        level = min(600.0, level + 1.0 - 1.0 * MARGIN * (one.share + other.share))
        for live in (one, other):
            live.read(reading(600.0, max(0.0, level)), now)
        if now > 300:
            shares.append(one.share / (one.share + other.share))
            lowest = min(lowest, level)
    assert sum(shares) / len(shares) == pytest.approx(0.5, abs=0.02)
    assert lowest > 60.0


def test_one_reading_after_a_long_silence_does_not_end_a_lane() -> None:
    """A call that took more than there was leaves nothing; the lane is slow for a while, and comes back."""
    live = LiveLimit()
    live.read(reading(600.0, 600.0), 0.0)
    live.read(reading(600.0, 0.0), 100.0)
    assert live.share > 0.3
    for second in range(101, 140):
        live.read(reading(600.0, min(600.0, 10.0 * (second - 100))), float(second))
    assert live.share == 1.0


def test_a_window_that_is_nearly_over_is_used_up() -> None:
    """Little remains, but it lasts until the reset: nothing is given up."""
    live = LiveLimit()
    for second in range(60):
        live.read(reading(600.0, 600.0 - 9.9 * second, 60.0 - second), float(second))
    assert live.share == 1.0


def test_a_limit_that_changes_counts_at_once() -> None:
    """The next reading's limit is the one that holds."""
    live = LiveLimit()
    live.read(reading(600.0, 500.0), 0.0)
    live.read(reading(300.0, 250.0), 1.0)
    assert live.limit_per_second == 5.0
    assert live.share == pytest.approx(1.0)


def test_a_refusal_costs_a_part_of_the_share_and_never_all_of_it() -> None:
    """Whatever is refused, something goes on."""
    live = LiveLimit()
    live.read(reading(600.0, 500.0), 0.0)
    live.refused()
    assert live.share == pytest.approx(0.85)
    for _ in range(1000):
        live.refused()
    assert live.share > 0.0
