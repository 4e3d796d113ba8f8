"""Batches, files and lists of them as OpenAI's API and servers like it show them, read from their JSON as it came.

What is missing or of another kind is as if it were not there: a batch must not be lost because a field of it is odd.
"""

from typing import Any

import msgspec

from providers.batches.http_answers import count, counted, in_our_time, moment
from providers.batches.openai_failures import is_queue_full
from providers.batches.wire import BatchView, Counts, Phase
from providers.error_bodies import MESSAGE_LIMIT
from providers.failures import classify
from providers.protocols.openai_usage import read_responses_usage
from providers.wire import Billing, Failure, FailureKind, Usage

_OVER = frozenset({"completed", "expired", "cancelled", "canceled"})
_FAILED = "failed"
_MILLISECONDS_SINCE_1970 = 1e11  # as seconds this would be the year 5138
_FAR = 1e14  # milliseconds; a number of any length may come
_LONGEST_ID = 512
_TOLD_ERRORS = 3

Fields = dict[str, Any]


def read_fields(body: bytes) -> Fields | None:
    """A JSON object; None where the body is none."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def read_list(body: bytes) -> tuple[list[Fields], bool | None] | None:
    """(items, whether there are more; None where it does not say) of a page; None where the body is none."""
    told = read_fields(body)
    items = None if told is None else told.get("data", told.get("value"))  # Azure's documentation shows both
    if told is None or not isinstance(items, list):
        return None
    more = told.get("has_more")
    return [item for item in items if isinstance(item, dict)], more if isinstance(more, bool) else None


def id_of(told: Fields, name: str = "id") -> str | None:
    """An id; None where there is none that could stand in an address."""
    value = told.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID or not value.isprintable():
        return None
    return None if value in (".", "..") else value


def moment_of(told: Fields, name: str = "created_at") -> float | None:
    """Seconds since 1970 UTC, where they are given so, in milliseconds, or as a date."""
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return moment(value)
    return in_our_time(min(value, _FAR) / 1000 if value >= _MILLISECONDS_SINCE_1970 else value)


def read_batch(told: Fields | None, simulated: bool, batch_id: str | None = None) -> BatchView | None:
    """The view of a batch; None where this is none. `batch_id` is what was asked for, if it is known."""
    if told is None or not (isinstance(told.get("status"), str) or id_of(told)):
        return None
    id_ = id_of(told) or batch_id
    if id_ is None:
        return None
    errors = _errors(told)
    full = any(is_queue_full(error.get("code")) for error in errors)
    phase = _phase(told, full)
    refused = phase is Phase.REFUSED
    return BatchView(
        id_,
        phase,
        str(told.get("status") or "unknown")[:_LONGEST_ID],
        _counts(told) or (Counts() if _never_began(told) else None),
        moment_of(told),
        moment_of(told, "expires_at"),
        _results(told),
        _usage(told),
        _problem(errors, full) if refused else None,
        refused and full,
        _bad_lines(errors) if refused else {},
        simulated,
    )


def _status(told: Fields) -> str:
    status = told.get("status")
    return status.lower() if isinstance(status, str) else ""


def _phase(told: Fields, full: bool) -> Phase:
    """An unknown word means that it is still running: a batch that is looked at again is not lost.

    A failed batch never ran, but for servers that call one failed each of whose lines failed: it has files then.
    Azure names files in batches that failed in validation too, so that a full queue says more than they do.
    """
    status = _status(told)
    if status != _FAILED:
        return Phase.ENDED if status in _OVER else Phase.RUNNING
    counts = _counts(told) or Counts()
    ran = counts.completed > 0 or (bool(_results(told)) and not (full and counts.failed == 0))
    return Phase.ENDED if ran else Phase.REFUSED


def _results(told: Fields) -> tuple[str, ...]:
    """The files of its answers and of its errors, in this order; one where they are the same."""
    found = (id_of(told, "output_file_id"), id_of(told, "error_file_id"))
    return tuple(dict.fromkeys(id_ for id_ in found if id_ is not None))


def _counts(told: Fields) -> Counts | None:
    """None where there are none: nothing is counted before a batch was validated, and by some servers never."""
    counts = told.get("request_counts")
    if not isinstance(counts, dict):
        return None
    return counted(*(count(counts.get(name)) for name in ("total", "completed", "failed")))


def _never_began(told: Fields) -> bool:
    """Whether a batch was ended before it was validated: it has counted nothing, and has no files."""
    return (
        _status(told) in _OVER - {"completed"} and isinstance(told.get("request_counts"), dict) and not _results(told)
    )


def _usage(told: Fields) -> Usage | None:
    """What all lines used; nothing at all is what servers say that do not count, or not yet."""
    usage = told.get("usage")
    read = read_responses_usage(msgspec.Raw(msgspec.json.encode(usage))) if isinstance(usage, dict) else None
    found = None if read is None else read.inclusive()
    return found if found is not None and found.input_tokens + found.output_tokens > 0 else None


def _errors(told: Fields) -> list[Fields]:
    errors = told.get("errors")
    listed = errors.get("data") if isinstance(errors, dict) else errors
    return [error for error in listed if isinstance(error, dict)] if isinstance(listed, list) else []


def _problem(errors: list[Fields], full: bool) -> Failure:
    """Why a batch never ran: typed by its first error's code, in the words of the first few."""
    first = {"code": errors[0].get("code")} if errors else {}
    told = classify(400, {}, msgspec.json.encode({"error": first}), now=0.0)
    message = "; ".join(_words(error) for error in errors[:_TOLD_ERRORS]) or "the batch failed, without a reason"
    kind = FailureKind.THROTTLED if full else told.kind
    return Failure(kind, Billing.UNBILLED, message[:MESSAGE_LIMIT], code=told.code)


def _bad_lines(errors: list[Fields]) -> dict[int, str]:
    """What is wrong with single lines, from 1 (as in the API's own examples; not verified); the first error of each."""
    found: dict[int, str] = {}
    for error in errors:
        line = error.get("line")
        if isinstance(line, int) and not isinstance(line, bool) and 0 < line <= 10**9:
            found.setdefault(line, _words(error))
    return found


def _words(error: Fields) -> str:
    told = [str(error[name]) for name in ("code", "message") if error.get(name) is not None]
    return ": ".join(told)[:MESSAGE_LIMIT] or "no reason given"
