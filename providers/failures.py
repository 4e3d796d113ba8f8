"""From a refused HTTP answer to a typed failure: by status and error code, never by the wording of a message.

The table is DESIGN.md's; the codes are those that OpenAI and the servers compatible with it send.
"""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from providers.wire import Billing, Failure, FailureKind

QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
    }
)
_BY_STATUS: dict[int, tuple[FailureKind, Billing]] = {
    401: (FailureKind.KEY_REFUSED, Billing.UNBILLED),
    402: (FailureKind.QUOTA, Billing.UNBILLED),
    403: (FailureKind.KEY_REFUSED, Billing.UNBILLED),
    408: (FailureKind.TRANSIENT, Billing.MAYBE),
    409: (FailureKind.TRANSIENT, Billing.UNBILLED),
    425: (FailureKind.TRANSIENT, Billing.UNBILLED),
    429: (FailureKind.THROTTLED, Billing.UNBILLED),
    529: (FailureKind.THROTTLED, Billing.UNBILLED),
}
MESSAGE_LIMIT = 2000


class ErrorBody(msgspec.Struct, frozen=True):
    """The `error` object of a refused answer, in OpenAI's shape; all of it is optional in the wild."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class _Envelope(msgspec.Struct, frozen=True):
    error: ErrorBody | str | None = None


_envelope = msgspec.json.Decoder(_Envelope)


def find_error(body: bytes) -> ErrorBody | None:
    """The error object of a body; None where it has none. Never raises."""
    try:
        error = _envelope.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return ErrorBody(message=error) if isinstance(error, str) else error


def read_error(body: bytes) -> ErrorBody:
    """The error object of a body, or one made of the body's beginning where it has none. Never raises."""
    return find_error(body) or ErrorBody(message=body[:MESSAGE_LIMIT].decode("utf-8", "replace"))


def classify(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Failure:
    """The failure that an HTTP answer other than a readable 200 stands for. `now` is seconds since 1970."""
    error = read_error(body)
    code = None if error.code is None else str(error.code)
    retry_after_s = read_retry_after(headers, now)
    kind, billing = _kind(status, {code, error.type}, retry_after_s)
    message = (error.message or f"HTTP {status}")[:MESSAGE_LIMIT]
    return Failure(kind, billing, message, status=status, code=code, retry_after_s=retry_after_s)


def _kind(status: int, codes: set[str | None], retry_after_s: float | None) -> tuple[FailureKind, Billing]:
    if codes & QUOTA_CODES and 400 <= status < 500:
        return FailureKind.QUOTA, Billing.UNBILLED
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 503:
        if retry_after_s is not None:
            return FailureKind.THROTTLED, Billing.UNBILLED
        return FailureKind.TRANSIENT, Billing.MAYBE
    if status >= 500:
        return FailureKind.TRANSIENT, Billing.MAYBE
    if status < 400:  # a redirect or an odd success: something between us and the provider answered
        return FailureKind.UNREADABLE, Billing.MAYBE
    return FailureKind.ROW_REFUSED, Billing.UNBILLED


def read_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait as Retry-After-ms, else Retry-After (seconds or an HTTP date), asks; None where neither does."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            wait_s = float(value) * scale
        except ValueError:
            wait_s = _until_date(value, now)
        if 0 <= wait_s < float("inf"):
            return wait_s
    return None


def _until_date(value: str, now: float) -> float:
    try:
        date = parsedate_to_datetime(value)
        zoned = date if date.tzinfo is not None else date.replace(tzinfo=UTC)  # "-0000", or no zone at all
        return max(0.0, zoned.timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return -1.0
