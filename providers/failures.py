"""From a refused HTTP answer to a typed failure: by status and error code, never by the wording of a message.

The table is DESIGN.md's; the codes are those of OpenAI and the servers compatible with it, Azure, Anthropic and Gemini.
"""

from collections.abc import Mapping

from providers.error_bodies import MESSAGE_LIMIT, ErrorBody, Told, find_error, read_error, understand
from providers.moments import FURTHEST_S, read_number, read_wait_s
from providers.rate_headers import DAY_S, Resource, read_rate_headers
from providers.wire import Billing, Failure, FailureKind

__all__ = ["MESSAGE_LIMIT", "QUOTA_CODES", "ErrorBody", "classify", "find_error", "read_error", "read_retry_after"]

QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_error",  # from here on Anthropic's
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
    }
)
THROTTLE_CODES = frozenset({"slow_down", "overloaded_error", "ramp_limit_exceeded"})  # with whatever 429 or 5xx
KEY_CODES = frozenset({"API_KEY_INVALID"})  # Gemini's, with a 400
_BY_STATUS: dict[int, tuple[FailureKind, Billing]] = {
    401: (FailureKind.KEY_REFUSED, Billing.UNBILLED),
    402: (FailureKind.QUOTA, Billing.UNBILLED),
    403: (FailureKind.KEY_REFUSED, Billing.UNBILLED),
    408: (FailureKind.TRANSIENT, Billing.MAYBE),
    409: (FailureKind.TRANSIENT, Billing.UNBILLED),
    425: (FailureKind.TRANSIENT, Billing.UNBILLED),
    429: (FailureKind.THROTTLED, Billing.UNBILLED),
    499: (FailureKind.TRANSIENT, Billing.MAYBE),  # what lies between took us for gone, or Gemini says CANCELLED
    529: (FailureKind.THROTTLED, Billing.UNBILLED),
}
_RESET_AT_LEAST_S = 3600.0


def classify(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Failure:
    """The failure that an HTTP answer other than a readable 200 stands for. `now` is seconds since 1970.

    `retry_after_s` is what the headers say, else the body. A quota has one only where it comes back by itself.
    """
    error = read_error(body)
    told = understand(error, now)
    asked_s = read_retry_after(headers, now)
    wait_s = told.wait_s if asked_s is None else asked_s
    kind, billing = _kind(status, told, wait_s)
    if kind is FailureKind.QUOTA:
        wait_s = told.wait_s if told.daily else None
    elif (reset_s := _daily_reset_s(status, error, headers, now)) is not None:
        kind, wait_s = FailureKind.QUOTA, reset_s
    message = (error.message or f"HTTP {status}")[:MESSAGE_LIMIT]
    return Failure(kind, billing, message, status=status, code=told.code, retry_after_s=wait_s)


def _kind(status: int, told: Told, wait_s: float | None) -> tuple[FailureKind, Billing]:
    by_code = _kind_by_code(status, told)
    if by_code is not None:
        return by_code, Billing.UNBILLED
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 503 and wait_s is not None:
        return FailureKind.THROTTLED, Billing.UNBILLED
    if status >= 500:
        return FailureKind.TRANSIENT, Billing.MAYBE
    if status < 400:  # a redirect or an odd success: something between us and the provider answered
        return FailureKind.UNREADABLE, Billing.MAYBE
    return FailureKind.ROW_REFUSED, Billing.UNBILLED


def _kind_by_code(status: int, told: Told) -> FailureKind | None:
    if 400 <= status < 500 and told.codes & QUOTA_CODES:
        return FailureKind.QUOTA
    if status == 429 and told.daily:
        return FailureKind.QUOTA
    if (status == 429 or status >= 500) and told.codes & THROTTLE_CODES:
        return FailureKind.THROTTLED
    if status == 400 and told.codes & KEY_CODES:
        return FailureKind.KEY_REFUSED
    return None


def _daily_reset_s(status: int, error: ErrorBody, headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until a day's requests are full again, where a 429 of OpenAI's means that they are used up."""
    if status != 429 or (error.code, error.type) != ("rate_limit_exceeded", "requests"):
        return None
    for reading in read_rate_headers(headers, now):
        used_up = reading.resource is Resource.REQUESTS and reading.window_s == DAY_S and reading.remaining == 0
        if used_up and reading.reset_s is not None and reading.reset_s > _RESET_AT_LEAST_S:
            return reading.reset_s
    return None


def read_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait as Retry-After in milliseconds, else Retry-After in any spelling, asks; None where none does.

    At most 366 days. `now` is seconds since 1970.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (value := headers.get(name)) is not None and (number := read_number(value)) is not None:
            return min(number / 1000, FURTHEST_S)
    value = headers.get("retry-after")
    return None if value is None else read_wait_s(value, now)
