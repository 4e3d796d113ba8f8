"""Moments as pages write them: by the clock of this computer, with the zone that it is in."""

from datetime import datetime

UNKNOWN = "?"  # what no calendar has a day for
_FAULTS = (ValueError, OverflowError, OSError)


def clock(at: float, now: float) -> str:
    """`14:03 UTC+02:00`, with its date where that is not today's; `at` and `now` in seconds since 1970."""
    try:
        moment, today = _local(at), _local(now).date()
    except _FAULTS:
        return UNKNOWN
    return f"{moment:%H:%M} {_zone(moment)}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M} {_zone(moment)}"


def second(at: float) -> str:
    """`2026-09-21 19:46:40 UTC+02:00`. Raises ValueError, OverflowError and OSError for what is no moment."""
    moment = _local(at)
    return f"{moment:%Y-%m-%d %H:%M:%S} {_zone(moment)}"


def written(text: str) -> str:
    """A moment of a record, which names its zone, as `second` writes it; as it stands where it is none."""
    try:
        return second(datetime.fromisoformat(text).timestamp())
    except _FAULTS:
        return text


def zone(at: float) -> str:
    """`UTC`, or how far from it this computer's clock is: `UTC+02:00`."""
    return _zone(_local(at))


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at).astimezone()


def _zone(moment: datetime) -> str:
    offset = f"{moment:%z}"
    return "UTC" if offset in ("+0000", "-0000") else f"UTC{offset[:3]}:{offset[3:5]}"
