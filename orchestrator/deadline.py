"""The deadline of a run: how the user says it, and whether a call that starts now still lands in time.

Nothing here reads a clock or waits. Deadlines are wall-clock time, in epoch seconds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from prompts.input_error import InputError

_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_SPAN = re.compile(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?")
_SECONDS = (86_400, 3600, 60, 1)
_LONGEST_S = 366 * 86_400.0
_UNKNOWN_S = 10.0
_GRANULE_S = 0.1  # the least doubt about a latency, however even they were


def parse_until(text: str, now: datetime) -> float:
    """The instant that `07:00`, `23:30:15`, `2026-11-23T07:00` or `2026-11-23T07:00+01:00` means, in epoch seconds.

    A time of day is the next one; without a zone it is local time: the machine's where `now` is naive, else that of
    `now.tzinfo` (one that knows of the changes to and from summer time, not a fixed offset). A time that does not exist
    in the night of a change is read with the clock before the change; of one that exists twice the next counts.
    Raises InputError for what is no time, is past, or is more than a year away.
    """
    text = text.strip()
    try:
        clock = _CLOCK.fullmatch(text)
        instants = list(_of_clock(clock, now) if clock else _of_date(text, now.tzinfo))
    except (ValueError, OverflowError):
        raise _bad_until(f"{text!r} is not a time such as 07:00 or 2026-11-23T07:00") from None
    at = next((at for at in instants if at > now.timestamp()), None)
    if at is None:
        raise _bad_until(f"{text!r} is past")
    if at - now.timestamp() > _LONGEST_S:
        raise _bad_until(f"{text!r} is more than a year away")
    return at


def _bad_until(message: str) -> InputError:
    return InputError(message, field="--until")


def _of_clock(clock: re.Match[str], now: datetime) -> Iterator[float]:
    hour, minute, second = (int(part or 0) for part in clock.groups())
    for days in range(3):
        day = now.date() + timedelta(days=days)
        yield from _instants(datetime.combine(day, time(hour, minute, second)), now.tzinfo)


def _of_date(text: str, zone: tzinfo | None) -> Iterator[float]:
    if _is_bare_date(text):
        raise _bad_until(f"{text!r} has no time of day; write {text}T07:00, say")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        yield moment.timestamp()
    else:
        yield from _instants(moment, zone)


def _is_bare_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _instants(moment: datetime, zone: tzinfo | None) -> Iterator[float]:
    """When a local time is: twice the same, but where the clock is put back over it the first time and the second."""
    for fold in (0, 1):
        yield moment.replace(tzinfo=zone, fold=fold).timestamp()


def parse_for(text: str) -> float:
    """Seconds of a span such as `8h`, `90m`, `1h30m`, `45s`, `1.5h` or `2d`. Raises InputError."""
    span = _SPAN.fullmatch(text.strip().lower())
    if span is None or not any(span.groups()):
        raise _bad_for(f"{text!r} is not a span of time such as 8h, 90m or 1h30m")
    seconds = sum(float(part or 0) * unit for part, unit in zip(span.groups(), _SECONDS, strict=True))
    if seconds <= 0:
        raise _bad_for(f"{text!r} is no time at all")
    if seconds > _LONGEST_S:
        raise _bad_for(f"{text!r} is more than a year")
    return seconds


def _bad_for(message: str) -> InputError:
    return InputError(message, field="--for")


@dataclass(frozen=True, slots=True)
class Deadline:
    """When answers must have landed, in epoch seconds."""

    at: float

    def left_s(self, now_wall: float) -> float:
        """Seconds until then; negative after."""
        return self.at - now_wall

    def admits(self, now_wall: float, latency_s: float) -> bool:
        """Whether a call that starts now and takes `latency_s` lands in time."""
        return now_wall + latency_s <= self.at


class LatencyGuess:
    """How long a call of a lane takes at most, usually: smoothed mean + 4 x mean deviation, never above its time-out.

    The estimator and its gains are those of TCP's retransmission timer (RFC 6298, section 2).
    """

    __slots__ = ("_deviation_s", "_mean_s", "_timeout_s")

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._mean_s: float | None = None
        self._deviation_s = 0.0

    def note(self, latency_s: float) -> None:
        """Count a call that took so long; one that ran into its time-out took that."""
        if self._mean_s is None:
            self._mean_s, self._deviation_s = latency_s, latency_s / 2
            return
        self._deviation_s += (abs(latency_s - self._mean_s) - self._deviation_s) / 4
        self._mean_s += (latency_s - self._mean_s) / 8

    @property
    def guess_s(self) -> float:
        """Seconds; before the first answer 10, or the time-out where that is shorter."""
        measured_s = self.measured_s
        return min(self._timeout_s, _UNKNOWN_S) if measured_s is None else measured_s

    @property
    def measured_s(self) -> float | None:
        """The same, None before the first answer."""
        if self._mean_s is None:
            return None
        return min(self._timeout_s, self._mean_s + max(_GRANULE_S, 4 * self._deviation_s))
