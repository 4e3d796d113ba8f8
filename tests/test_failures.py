"""From a refused answer to a typed failure: by status and code, never by wording."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.failures import MESSAGE_LIMIT, QUOTA_CODES, classify, find_error, read_retry_after
from providers.wire import Billing, Failure, FailureKind

NOW = 1_800_000_000.0
K, B = FailureKind, Billing


def error_body(**error: Any) -> bytes:
    return orjson.dumps({"error": error})


def failure(status: int, body: bytes = b"", **headers: str) -> Failure:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(status, named, body, now=NOW)


@pytest.mark.parametrize(
    ("status", "kind", "billing"),
    [
        (301, K.UNREADABLE, B.MAYBE),
        (204, K.UNREADABLE, B.MAYBE),
        (400, K.ROW_REFUSED, B.UNBILLED),
        (401, K.KEY_REFUSED, B.UNBILLED),
        (402, K.QUOTA, B.UNBILLED),
        (403, K.KEY_REFUSED, B.UNBILLED),
        (404, K.ROW_REFUSED, B.UNBILLED),
        (408, K.TRANSIENT, B.MAYBE),
        (409, K.TRANSIENT, B.UNBILLED),
        (413, K.ROW_REFUSED, B.UNBILLED),
        (418, K.ROW_REFUSED, B.UNBILLED),
        (422, K.ROW_REFUSED, B.UNBILLED),
        (425, K.TRANSIENT, B.UNBILLED),
        (429, K.THROTTLED, B.UNBILLED),
        (499, K.TRANSIENT, B.MAYBE),
        (500, K.TRANSIENT, B.MAYBE),
        (502, K.TRANSIENT, B.MAYBE),
        (503, K.TRANSIENT, B.MAYBE),
        (504, K.TRANSIENT, B.MAYBE),
        (520, K.TRANSIENT, B.MAYBE),
        (529, K.THROTTLED, B.UNBILLED),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>Sorry</html>", error_body(message="no", type="x", code=None)])
def test_a_status_alone_decides_where_no_code_does(
    status: int, kind: FailureKind, billing: Billing, body: bytes
) -> None:
    """Each status has its kind and its settlement, whatever page or message came with it."""
    found = failure(status, body)
    assert (found.kind, found.billing, found.status, found.code) == (kind, billing, status, None)


def test_a_503_that_says_when_to_come_back_is_a_throttle() -> None:
    """503 with Retry-After waits as a 429 does, and nothing was billed."""
    found = failure(503, retry_after="7")
    assert (found.kind, found.billing, found.retry_after_s) == (K.THROTTLED, B.UNBILLED, 7.0)


@pytest.mark.parametrize("status", [400, 402, 403, 429])
@pytest.mark.parametrize("code", sorted(QUOTA_CODES))
def test_a_code_that_says_the_money_is_gone_is_a_quota(status: int, code: str) -> None:
    """Spent credit and spend limits are told by their code, with the status that OpenAI sends or another."""
    for body in (
        error_body(message="You exceeded your current quota", type="insufficient_quota", param=None, code=code),
        error_body(message="", type="requests", code=code),
        error_body(message="x", type=code, code=None),
    ):
        assert (failure(status, body).kind, failure(status, body).billing) == (K.QUOTA, B.UNBILLED)


def test_a_quota_does_not_wait_however_it_asks() -> None:
    """A spent account stays a quota with a Retry-After beside it, and does not come back by itself."""
    body = error_body(message="", type="insufficient_quota", code="insufficient_quota")
    found = failure(429, body, retry_after="1")
    assert (found.kind, found.retry_after_s) == (K.QUOTA, None)


@pytest.mark.parametrize(
    ("type_", "code"),
    [
        ("tokens", "rate_limit_exceeded"),
        ("requests", "rate_limit_exceeded"),
        ("rate_limit_error", "slow_down"),
        ("rate_limit_error", None),
        (None, 429),
    ],
)
def test_a_429_is_a_throttle_whatever_its_words(type_: str | None, code: str | int | None) -> None:
    """A rate limit in the words of a spent quota is still a rate limit: only codes and types count."""
    words = "You exceeded your current quota, please check your plan and billing details: insufficient_quota"
    found = failure(429, error_body(message=words, type=type_, code=code))
    assert (found.kind, found.message) == (K.THROTTLED, words)


@pytest.mark.parametrize(
    "body",
    [
        error_body(message="Rate limit reached, please retry in 2 s", type="invalid_request_error", code=None),
        error_body(
            message="This model's maximum context length is 128000 tokens.",
            type="invalid_request_error",
            param="messages",
            code="context_length_exceeded",
        ),
        error_body(message="no", type="invalid_request_error", code="invalid_prompt"),
        error_body(message="filtered", code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}),
    ],
)
def test_a_400_refuses_the_row(body: bytes) -> None:
    """Context too long, filtered or unreadable prompts fail their row at once, whatever the message says."""
    assert (failure(400, body).kind, failure(400, body).billing) == (K.ROW_REFUSED, B.UNBILLED)


def test_a_500_is_transient_even_where_it_speaks_of_quota() -> None:
    """A server's own fault is never taken for an empty account."""
    assert failure(500, error_body(message="", type="insufficient_quota", code=None)).kind is K.TRANSIENT


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (error_body(message="no such model", type="x", code="model_not_found"), "no such model", "model_not_found"),
        (error_body(message="bad", code=40012), "bad", "40012"),
        (b'{"error":"just words"}', "just words", None),
        (b'{"detail":"Not Found"}', '{"detail":"Not Found"}', None),
        (b"upstream connect error", "upstream connect error", None),
        (b'{"error":{"message":null}}', "HTTP 400", None),
        (b'{"error":null}', '{"error":null}', None),
        (b"", "HTTP 400", None),
        (b'{"error":{"message":["a","list"]}}', '{"error":{"message":["a","list"]}}', None),
        (b"caf\xe9 \xff", "caf\ufffd \ufffd", None),
        (b"[" * 100_000, "[" * MESSAGE_LIMIT, None),
    ],
)
def test_the_message_is_the_body_s_own(body: bytes, message: str, code: str | None) -> None:
    """The error object's message and code are kept; without one the body's beginning stands for it."""
    found = failure(400, body)
    assert (found.message, found.code) == (message, code)


def test_a_long_message_is_cut() -> None:
    """No message is longer than the limit."""
    assert len(failure(400, error_body(message="x" * 100_000)).message) == MESSAGE_LIMIT


@given(st.integers(100, 599), st.binary(max_size=60), st.text(max_size=20))
def test_any_answer_is_some_failure(status: int, body: bytes, header: str) -> None:
    """Whatever came back, and whatever it asked to wait, is classified without an error."""
    found = classify(status, {"retry-after": header}, body, now=NOW)
    assert found.status == status
    assert found.retry_after_s is None or found.retry_after_s >= 0
    assert orjson.dumps(found.message)


def test_a_body_without_an_error_object_has_none() -> None:
    """An answer is not taken for an error."""
    assert find_error(b'{"choices":[]}') is None
    assert find_error(b"nonsense") is None


# Retry-After


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": " 3 "}, 3.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "6m0s"}, 360.0),
        ({"retry-after": "879ms"}, 0.879),
        ({"retry-after": "86400"}, 86_400.0),
        ({"retry-after": "999999999"}, 366 * 86_400.0),
        ({"retry-after": f"{NOW + 75:.0f}"}, 75.0),
        ({"retry-after": datetime.fromtimestamp(NOW + 75, UTC).isoformat()}, 75.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1e300"}, 366 * 86_400.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "20"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "20"}, 20.0),
        ({"retry-after-ms": "-5", "retry-after": "20"}, 20.0),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True)}, 90.0),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW + 90, UTC))}, 90.0),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True)}, 0.0),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
    ],
)
def test_retry_after_in_all_its_spellings(headers: dict[str, str], wait_s: float | None) -> None:
    """Seconds, durations and moments are understood, at most a year; what is none of these is as if not there."""
    assert read_retry_after(headers, NOW) == wait_s


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_utc")
@pytest.mark.parametrize("zone", ["GMT", "-0000", ""])
def test_a_date_without_a_zone_is_utc(zone: str) -> None:
    """An HTTP date means UTC, wherever this machine is and however the server spells it."""
    date = datetime.fromtimestamp(NOW + 60, UTC).strftime(f"%a, %d %b %Y %H:%M:%S {zone}").strip()
    assert read_retry_after({"retry-after": date}, NOW) == 60.0
