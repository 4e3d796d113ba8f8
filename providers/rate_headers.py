"""What a provider's headers say of its limits: how much, what is left of it, and when it is full again.

Four families are read: OpenAI's `x-ratelimit-limit-requests`, Anthropic's `anthropic-ratelimit-requests-limit`, the
RFC drafts' (see `rate_drafts`), and the bare `x-ratelimit-limit` of many gateways.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from providers.moments import read_number, read_wait_s
from providers.rate_drafts import DRAFT_NAMES, read_drafts

DAY_S = 86_400.0
_LONGEST_S = 31 * DAY_S
_MOST = 1e15  # some write a very large number for "no limit"
_PARTS = ("limit", "remaining", "reset")
_Names = tuple[str, str, str]


class Resource(StrEnum):
    """What is limited."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"


class Reading(msgspec.Struct, frozen=True):
    """One limit as an answer's headers tell it.

    `limit` is above 0, in requests or tokens a window; `remaining` is what is left, `reset_s` the seconds from now
    until it is full again or its window ends, `window_s` the window's seconds; None where nothing says it.
    """

    resource: Resource
    limit: float
    remaining: float | None = None
    reset_s: float | None = None
    window_s: float | None = None


def _names(pattern: str, suffix: str = "") -> _Names:
    limit, remaining, reset = (pattern.format(part=part, suffix=suffix) for part in _PARTS)
    return limit, remaining, reset


_OPENAI = "x-ratelimit-{part}-{suffix}"
_ANTHROPIC = "anthropic-ratelimit-{suffix}-{part}"
_BARE = _names("x-ratelimit-{part}")
_FAMILIES = tuple(
    (resource, _names(pattern, resource.value.replace("_", "-")))
    for pattern in (_OPENAI, _ANTHROPIC)
    for resource in Resource
)
_UNITS = {"": Resource.REQUESTS, **{resource.value.replace("_", "-"): resource for resource in Resource}}


def read_rate_headers(headers: Mapping[str, str], now: float) -> tuple[Reading, ...]:
    """All limits that the headers tell; `now` is seconds since 1970. Names in any case. Never raises.

    What makes no sense (words, negative numbers) is as if it were not there; a limit without a number is left out.
    """
    if "ratelimit" not in "\n".join(headers).lower():  # so it is with most servers, and this is asked for every answer
        return ()
    found: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if "ratelimit" in lower:
            found[lower] = f"{found[lower]}, {value}" if lower in found else value
    readings = [_read(found, names, resource, now) for resource, names in _FAMILIES if names[0] in found]
    if not found.keys().isdisjoint(DRAFT_NAMES):
        readings += _read_drafts(found, now)
    if not readings:
        readings.append(_read(found, _BARE, Resource.REQUESTS, now))
    return tuple([reading for reading in readings if reading is not None])


def _read(found: Mapping[str, str], names: _Names, resource: Resource, now: float) -> Reading | None:
    limit, remaining, reset = (found.get(name) for name in names)
    reset_s = None if reset is None else read_wait_s(reset, now)
    left = None if remaining is None else read_number(remaining)
    reading = _reading(resource, None if limit is None else read_number(limit.partition(",")[0]), left, reset_s, None)
    if reading is not None and names[0] == "x-ratelimit-limit-requests" and _is_daily(reading):
        return msgspec.structs.replace(reading, window_s=DAY_S)
    return reading


def _read_drafts(found: Mapping[str, str], now: float) -> list[Reading | None]:
    return [
        _reading(resource, stated.limit, stated.remaining, stated.reset_s, stated.window_s)
        for stated in read_drafts(found, now)
        if (resource := _UNITS.get(stated.unit)) is not None
    ]


def _reading(
    resource: Resource, limit: float | None, remaining: float | None, reset_s: float | None, window_s: float | None
) -> Reading | None:
    if limit is None or not 0 < limit < _MOST:
        return None
    known_window_s = window_s if window_s is not None and 0 < window_s <= _LONGEST_S else None
    return Reading(resource, limit, remaining, reset_s, known_window_s)


def _is_daily(reading: Reading) -> bool:
    """Whether what was used comes back at the rate of a limit a day, to a hundredth.

    With few used the number of them is too coarse to tell, but for a reset that is theirs exactly: a window of a minute
    passes through nearly every ratio on its way.
    """
    if reading.remaining is None or not reading.reset_s or reading.remaining >= reading.limit:
        return False
    used = reading.limit - reading.remaining
    ratio = reading.reset_s * reading.limit / DAY_S / used
    rounding = 0.001 / reading.reset_s  # resets are told in milliseconds
    return abs(ratio - 1) <= max(0.01 if reading.reset_s > 61 else 0.001, min(rounding, 0.01))
