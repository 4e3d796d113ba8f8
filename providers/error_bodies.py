"""The error in a refused answer's body, in the shapes of OpenAI, Anthropic and Gemini: its message, codes and wait.

Nothing here raises, whatever shape a body has: what is not as expected is as if it were not there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from providers.moments import FURTHEST_S, read_duration_s, read_wait_s

MESSAGE_LIMIT = 2000
_DAILY = "PerDay"  # in the names of Gemini's quotas, as in GenerateRequestsPerDayPerProjectPerModel
_DAILY_RETRY_AT_LEAST_S = 60.0


class ErrorBody(msgspec.Struct, frozen=True):
    """The `error` object of a refused answer; all of it is optional in the wild.

    `status` and `details` are Gemini's (a word, a list of typed records), `details` also Anthropic's (an object).
    """

    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    status: Any = None
    details: Any = None


class Told(msgspec.Struct, frozen=True):
    """What an error says: its code for people, all its codes, seconds to wait, whether a day's quota is used up."""

    code: str | None
    codes: frozenset[str]
    wait_s: float | None = None
    daily: bool = False


class _Envelope(msgspec.Struct, frozen=True):
    error: ErrorBody | str | None = None
    type: Any = None


_envelope: msgspec.json.Decoder[_Envelope | list[_Envelope]] = msgspec.json.Decoder(
    _Envelope | list[_Envelope]  # Gemini may put its error in a list
)


def find_error(body: bytes) -> ErrorBody | None:
    """The error object of a body; None where it has none. Never raises."""
    try:
        read = _envelope.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(read, list):
        read = read[0] if read else _Envelope()
    error = read.error
    if isinstance(error, str):
        return ErrorBody(message=error)
    if error is not None and error.code is None and read.type == "error":  # Anthropic's code is its type
        return msgspec.structs.replace(error, code=error.type)
    return error


def read_error(body: bytes) -> ErrorBody:
    """The error object of a body, or one made of the body's beginning where it has none. Never raises."""
    return find_error(body) or ErrorBody(message=body[:MESSAGE_LIMIT].decode("utf-8", "replace"))


def understand(error: ErrorBody, now: float) -> Told:
    """The codes and the wait of an error; `now` is seconds since 1970.

    Gemini asks to retry within seconds even where a day's quota is used up: that is not the time to its reset.
    """
    details = _records(error)
    cause = next((x for x in (_text(error.details, "error_code"), *(_text(d, "reason") for d in details)) if x), None)
    status = error.status if isinstance(error.status, str) else None
    plain = None if error.code is None else str(error.code)
    code = cause or (plain if isinstance(error.code, str) else None) or status or plain
    codes = frozenset(x for x in (cause, status, plain, error.type) if x)
    daily = any(_DAILY in name for name in quota_names(error))
    resets = [reset_s for detail in details if (reset_s := _reset_s(detail, now)) is not None]
    retries = [retry_s for detail in details if (retry_s := _retry_s(detail)) is not None]
    waits = resets + [retry_s for retry_s in retries if not daily or retry_s >= _DAILY_RETRY_AT_LEAST_S]
    return Told(code, codes, max(waits, default=None), daily)


def quota_names(error: ErrorBody) -> list[str]:
    """The quotas that a refusal of Gemini's names as used up."""
    return [name for detail in _records(error) for name in _quotas(detail)]


def _records(error: ErrorBody) -> list[dict[str, Any]]:
    listed = error.details if isinstance(error.details, list) else ()
    return [detail for detail in listed if isinstance(detail, dict)]


def _quotas(detail: Mapping[str, Any]) -> Iterator[str]:
    violations = detail.get("violations")
    for violation in violations if isinstance(violations, list) else ():
        if quota := _text(violation, "quotaId"):
            yield quota
    if quota := _text(detail.get("metadata"), "quota_limit"):
        yield quota


def _reset_s(detail: Mapping[str, Any], now: float) -> float | None:
    metadata = detail.get("metadata")
    moment = _text(metadata, "quotaResetTimeStamp") or _text(metadata, "quotaResetDelay")
    return None if moment is None else read_wait_s(moment, now)


def _retry_s(detail: Mapping[str, Any]) -> float | None:
    delay = _text(detail, "retryDelay")
    seconds = None if delay is None else read_duration_s(delay)
    return None if seconds is None else min(seconds, FURTHEST_S)


def _text(holder: object, key: str) -> str | None:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else None
