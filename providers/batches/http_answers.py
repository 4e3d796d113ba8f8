"""How a batch API's HTTP answers are read: what they hold, or the typed error that they stand for.

An answer to a call that may have taken effect and cannot be read is `maybe`: whoever asked must look for the effect.
"""

import re
import time
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

import msgspec

from providers.batches.wire import BatchCallError, Counts
from providers.failures import MESSAGE_LIMIT, classify
from providers.moments import read_date_s
from providers.wire import SIMULATED_HEADER, Billing, Failure, FailureKind

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,199}")  # a segment of a path that is what it looks like
_YEAR_2000, _YEAR_2200 = 946_684_800, 7_258_118_400  # seconds since 1970 UTC
_REFUSED = (FailureKind.ROW_REFUSED, FailureKind.TRANSIENT)


def refused(status: int, headers: Mapping[str, str], body: bytes) -> BatchCallError:
    """The error of an answer other than a 200."""
    return BatchCallError(classify(status, headers, body, now=time.time()))


def unreadable(noun: str, why: object, status: int = 200) -> BatchCallError:
    """The error of a 200 that is not what it should be: `noun` says what that is."""
    message = f"a {status} that is not {noun}: {why}"[:MESSAGE_LIMIT]
    return BatchCallError(Failure(FailureKind.UNREADABLE, Billing.MAYBE, message, status=status))


def read(decoder: msgspec.json.Decoder[T], body: bytes, noun: str) -> T:
    """The body of a 200. Raises BatchCallError where it is something else."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(noun, error) from None


def safe_id(text: object, noun: str) -> str:
    """An id that may stand in an address. Raises BatchCallError."""
    if not isinstance(text, str) or not _ID.fullmatch(text):
        raise unreadable(noun, "its id is not letters, digits, '.', '_', '~' and '-'")
    return text


def is_simulated(headers: Mapping[str, str]) -> bool:
    """Whether the server says that it is a simulator."""
    return SIMULATED_HEADER in headers


def clock_lead_s(headers: Mapping[str, str]) -> float:
    """How many seconds our clock is ahead of the server's by the date of its answer; 0.0 where it has none."""
    date_s = read_date_s(headers.get("date", ""))
    return 0.0 if date_s is None else time.time() - date_s


def may_be_over(error: BatchCallError) -> bool:
    """Whether a refused cancellation may mean that there is nothing left to cancel: only a look at the batch says."""
    status = error.failure.status or 0
    return 400 <= status < 500 and error.failure.kind in _REFUSED


def moment(value: object) -> float | None:
    """Seconds since 1970 UTC of a field that should be an RFC 3339 date; None where it is none."""
    seconds = read_date_s(value) if isinstance(value, str) else None
    return None if seconds is None else in_our_time(seconds)


def in_our_time(seconds: float) -> float | None:
    """A moment of a batch; None where it is none that one can have: others no calendar here has a day for."""
    return float(seconds) if _YEAR_2000 <= seconds < _YEAR_2200 else None


def count(value: object) -> int:
    """A field that should be a count, as a number or as digits; 0 where it is none."""
    if isinstance(value, str) and len(value) <= 12 and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**12 else 0


def counted(total: int, completed: int, failed: int) -> Counts | None:
    """Counts as a view has them: None where nothing was counted."""
    return Counts(total, completed, failed) if total + completed + failed else None


def in_address(text: str) -> str:
    """A text as a query or a path may have it."""
    return quote(text, safe="")
