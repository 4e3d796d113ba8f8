"""How servers write down a wait: seconds, `6m0s`, milliseconds, a date, or seconds since 1970."""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FURTHEST_S = 366 * 86_400.0  # no window and no ban that anybody waits out is longer
_AGO = -86_400.0  # a date before now is a clock that differs, or an answer that was long on its way
_SECONDS_SINCE_1970 = 1e9  # as a wait this would be 31 years
_MILLISECONDS_SINCE_1970 = 1e12
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "\u00b5s": 1e-6, "ns": 1e-9}
_PIECE = re.compile(r"(\d+\.?\d*)(ms|us|\u00b5s|ns|d|h|m|s)")
_DURATION = re.compile(r"(?:\d+\.?\d*(?:ms|us|\u00b5s|ns|d|h|m|s))+")


def read_number(text: str) -> float | None:
    """A finite number of 0 or more; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def read_duration_s(text: str) -> float | None:
    """Seconds in a duration such as `1s`, `6m0s`, `879ms`, `1h2m3.5s`; None where it is none."""
    text = text.strip()
    if not _DURATION.fullmatch(text):
        return None
    seconds = 0.0
    for count, unit in _PIECE.findall(text):
        seconds += float(count) * _UNITS[unit]
    return seconds if seconds < math.inf else None


def read_wait_s(text: str, now: float) -> float | None:
    """Seconds from `now` (since 1970) that a wait in any spelling means, at most `FURTHEST_S`; None for nonsense.

    A moment of up to a day ago is no wait at all; an older one is nonsense.
    """
    number = None if text.endswith("s") else read_number(text)  # a failed reading is dear
    if number is None:
        seconds = read_duration_s(text)
        if seconds is None:
            seconds = _until_date(text.strip(), now)
    elif number >= _MILLISECONDS_SINCE_1970:
        seconds = number / 1000 - now
    elif number >= _SECONDS_SINCE_1970:
        seconds = number - now
    else:
        seconds = number
    if seconds is None or seconds < _AGO:
        return None
    return min(max(0.0, seconds), FURTHEST_S)


def read_date_s(text: str) -> float | None:
    """Seconds since 1970 UTC of a date as RFC 3339 or HTTP spells it; None for anything else."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(text)
            zoned = date if date.tzinfo is not None else date.replace(tzinfo=UTC)  # "-0000", or no zone at all
            return zoned.timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def _until_date(text: str, now: float) -> float | None:
    date_s = read_date_s(text)
    return None if date_s is None else date_s - now
