"""Intervals as people read them: counts, dollars, times."""

from collections.abc import Callable

from orchestrator.amounts import duration, money
from orchestrator.estimates.intervals import Interval

_DAY_S = 86_400
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def count_span(interval: Interval | None) -> str:
    """`1,234`, `12.3k to 1.23M`, or `unknown`."""
    return span(interval, short_count)


def money_span(interval: Interval | None) -> str:
    """`$1.20 to $3.40`, or `unknown`."""
    return span(interval, short_usd)


def time_span(interval: Interval | None) -> str:
    """`1h10m to 3h`, or `unknown`."""
    return span(interval, short_time)


def span(interval: Interval | None, text: Callable[[float], str]) -> str:
    """Both ends as `text` writes them, once where they read alike."""
    if interval is None:
        return "unknown"
    low, high = text(interval.low), text(interval.high)
    return low if low == high else f"{low} to {high}"


def short_count(number: float) -> str:
    """Whole below 10,000, three digits and k, M or G above."""
    if number < 9_999.5:
        return f"{number:,.0f}"
    for unit, letter in reversed(_UNITS):
        if number < 999.5 * unit or letter == "G":
            return f"{_three_digits(number / unit)}{letter}"
    raise AssertionError


def _three_digits(number: float) -> str:
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:,.{digits}f}"


def short_usd(usd: float) -> str:
    """Three or four digits of dollars."""
    return money(usd) if usd < 1000 else f"${usd:,.0f}"


def short_time(seconds: float) -> str:
    """`45s`, `1h10m`, `3h`, `2d4h`; anything below a second is `1s`."""
    if seconds < 2 * _DAY_S:
        return duration(max(1.0, seconds)).replace("h00m", "h").replace("m00s", "m")
    hours = round(seconds / 3600)
    return f"{hours // 24}d{hours % 24}h" if hours % 24 else f"{hours // 24}d"
