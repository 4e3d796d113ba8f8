"""The errors of Anthropic, Gemini, OpenAI and Azure, as they write them: which failure each is and how it waits."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.failures import classify
from providers.wire import Billing, Failure, FailureKind

NOW = 1_800_000_000.0
K, B = FailureKind, Billing


def error_body(**error: Any) -> bytes:
    return orjson.dumps({"error": error})


def failure(status: int, body: bytes = b"", **headers: str) -> Failure:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(status, named, body, now=NOW)


# Anthropic


def anthropic(type_: str, error_code: Any = None) -> bytes:
    error: dict[str, Any] = {"type": type_, "message": "words"}
    if error_code is not None:
        error["details"] = {"error_code": error_code}
    return orjson.dumps({"type": "error", "error": error, "request_id": "req_1"})


@pytest.mark.parametrize(
    ("status", "body", "kind", "billing", "code"),
    [
        (400, anthropic("invalid_request_error"), K.ROW_REFUSED, B.UNBILLED, "invalid_request_error"),
        (401, anthropic("authentication_error"), K.KEY_REFUSED, B.UNBILLED, "authentication_error"),
        (402, anthropic("billing_error"), K.QUOTA, B.UNBILLED, "billing_error"),
        (400, anthropic("billing_error"), K.QUOTA, B.UNBILLED, "billing_error"),
        (403, anthropic("permission_error"), K.KEY_REFUSED, B.UNBILLED, "permission_error"),
        (404, anthropic("not_found_error"), K.ROW_REFUSED, B.UNBILLED, "not_found_error"),
        (413, anthropic("request_too_large"), K.ROW_REFUSED, B.UNBILLED, "request_too_large"),
        (429, anthropic("rate_limit_error"), K.THROTTLED, B.UNBILLED, "rate_limit_error"),
        (429, anthropic("rate_limit_error", "ramp_limit_exceeded"), K.THROTTLED, B.UNBILLED, "ramp_limit_exceeded"),
        (
            429,
            anthropic("rate_limit_error", "enforced_spend_limit_reached"),
            K.QUOTA,
            B.UNBILLED,
            "enforced_spend_limit_reached",
        ),
        (
            429,
            anthropic("rate_limit_error", "contract_spend_limit_reached"),
            K.QUOTA,
            B.UNBILLED,
            "contract_spend_limit_reached",
        ),
        (429, anthropic("rate_limit_error", ["?"]), K.THROTTLED, B.UNBILLED, "rate_limit_error"),
        (500, anthropic("api_error"), K.TRANSIENT, B.MAYBE, "api_error"),
        (504, anthropic("timeout_error"), K.TRANSIENT, B.MAYBE, "timeout_error"),
        (529, anthropic("overloaded_error"), K.THROTTLED, B.UNBILLED, "overloaded_error"),
        (500, anthropic("overloaded_error"), K.THROTTLED, B.UNBILLED, "overloaded_error"),
        (503, anthropic("overloaded_error"), K.THROTTLED, B.UNBILLED, "overloaded_error"),
    ],
)
def test_anthropic_s_errors(status: int, body: bytes, kind: FailureKind, billing: Billing, code: str) -> None:
    """Anthropic tells by type, and by the error code in its details what is spent and what only waits."""
    found = failure(status, body)
    assert (found.kind, found.billing, found.code, found.message) == (kind, billing, code, "words")


# Gemini


def gemini(code: int, status: str, *details: Any) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": "words", "status": status, "details": list(details)}})


def quota_failure(*quotas: str) -> dict[str, Any]:
    violations = [{"quotaMetric": "m", "quotaId": quota, "quotaValue": "15"} for quota in quotas]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


def retry_info(delay: Any) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def error_info(reason: str, **metadata: str) -> dict[str, Any]:
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": reason, "domain": "googleapis.com", "metadata": metadata}


MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
EXHAUSTED = "RESOURCE_EXHAUSTED"
HELP = {"@type": "type.googleapis.com/google.rpc.Help", "links": []}


@pytest.mark.parametrize(
    ("status", "body", "kind", "billing", "code", "wait_s"),
    [
        (429, gemini(429, EXHAUSTED), K.THROTTLED, B.UNBILLED, EXHAUSTED, None),
        (
            429,
            gemini(429, EXHAUSTED, quota_failure(MINUTE), HELP, retry_info("47s")),
            K.THROTTLED,
            B.UNBILLED,
            EXHAUSTED,
            47,
        ),
        (429, gemini(429, EXHAUSTED, retry_info("3.5s")), K.THROTTLED, B.UNBILLED, EXHAUSTED, 3.5),
        (429, gemini(429, EXHAUSTED, retry_info({"seconds": 3})), K.THROTTLED, B.UNBILLED, EXHAUSTED, None),
        (429, gemini(429, EXHAUSTED, quota_failure(MINUTE, DAY)), K.QUOTA, B.UNBILLED, EXHAUSTED, None),
        (429, gemini(429, EXHAUSTED, quota_failure(DAY), retry_info("47s")), K.QUOTA, B.UNBILLED, EXHAUSTED, None),
        (429, gemini(429, EXHAUSTED, quota_failure(DAY), retry_info("2400s")), K.QUOTA, B.UNBILLED, EXHAUSTED, 2400),
        (
            429,
            gemini(429, EXHAUSTED, error_info("RATE_LIMIT_EXCEEDED", quota_limit="RequestsPerDayPerUser")),
            K.QUOTA,
            B.UNBILLED,
            "RATE_LIMIT_EXCEEDED",
            None,
        ),
        (
            429,
            gemini(429, EXHAUSTED, quota_failure(DAY), error_info("X", quotaResetDelay="1h0m0.5s")),
            K.QUOTA,
            B.UNBILLED,
            "X",
            3600.5,
        ),
        (
            429,
            gemini(
                429,
                EXHAUSTED,
                quota_failure(DAY),
                error_info("X", quotaResetTimeStamp=datetime.fromtimestamp(NOW + 700, UTC).isoformat()),
            ),
            K.QUOTA,
            B.UNBILLED,
            "X",
            700,
        ),
        (400, gemini(400, "INVALID_ARGUMENT"), K.ROW_REFUSED, B.UNBILLED, "INVALID_ARGUMENT", None),
        (
            400,
            gemini(400, "INVALID_ARGUMENT", error_info("API_KEY_INVALID")),
            K.KEY_REFUSED,
            B.UNBILLED,
            "API_KEY_INVALID",
            None,
        ),
        (403, gemini(403, "PERMISSION_DENIED"), K.KEY_REFUSED, B.UNBILLED, "PERMISSION_DENIED", None),
        (404, gemini(404, "NOT_FOUND"), K.ROW_REFUSED, B.UNBILLED, "NOT_FOUND", None),
        (500, gemini(500, "INTERNAL"), K.TRANSIENT, B.MAYBE, "INTERNAL", None),
        (503, gemini(503, "UNAVAILABLE"), K.TRANSIENT, B.MAYBE, "UNAVAILABLE", None),
        (503, gemini(503, "UNAVAILABLE", retry_info("9s")), K.THROTTLED, B.UNBILLED, "UNAVAILABLE", 9),
        (504, gemini(504, "DEADLINE_EXCEEDED"), K.TRANSIENT, B.MAYBE, "DEADLINE_EXCEEDED", None),
    ],
)
def test_gemini_s_errors(
    status: int, body: bytes, kind: FailureKind, billing: Billing, code: str, wait_s: float | None
) -> None:
    """Gemini tells by its details whose limit it was and how long to wait; a day's quota has only its own reset."""
    for spelling in (body, b"[" + body + b"]"):
        found = failure(status, spelling)
        assert (found.kind, found.billing, found.code, found.message) == (kind, billing, code, "words")
        assert found.retry_after_s == (None if wait_s is None else pytest.approx(wait_s))


def test_a_header_s_wait_comes_before_the_body_s() -> None:
    """Where both say how long to wait, the header counts."""
    assert failure(429, gemini(429, EXHAUSTED, retry_info("47s")), retry_after="3").retry_after_s == 3.0


# OpenAI and Azure


def test_slow_down_is_a_throttle_with_a_503_too() -> None:
    """OpenAI asks for a slower start by a code, with 503 as with 429."""
    for status in (429, 503):
        found = failure(status, error_body(message="", type="server_error", code="slow_down"))
        assert (found.kind, found.billing) == (K.THROTTLED, B.UNBILLED)


@pytest.mark.parametrize(
    ("remaining", "reset", "type_", "kind", "wait_s"),
    [
        ("0", "24h0m0s", "requests", K.QUOTA, 86_400.0),
        ("0", "23h59m30s", "requests", K.QUOTA, 86_370.0),
        ("0", "24h0m0s", "tokens", K.THROTTLED, 20.0),
        ("0", "1m0s", "requests", K.THROTTLED, 20.0),
        ("1", "23h52m48s", "requests", K.THROTTLED, 20.0),
    ],
)
def test_a_day_s_requests_that_are_used_up_are_a_quota(
    remaining: str, reset: str, type_: str, kind: FailureKind, wait_s: float
) -> None:
    """OpenAI's limit a day shows in the headers of its 429: nothing left, and hours until it is full again."""
    body = error_body(message="", type=type_, code="rate_limit_exceeded")
    told = {
        "x_ratelimit_limit_requests": "200",
        "x_ratelimit_remaining_requests": remaining,
        "x_ratelimit_reset_requests": reset,
    }
    found = failure(429, body, retry_after="20", **told)
    assert (found.kind, found.retry_after_s) == (kind, wait_s)


# Anything


KEYS = (
    st.sampled_from(["error", "message", "type", "code", "status", "details", "error_code", "@type", "reason"])
    | st.sampled_from(["metadata", "violations", "quotaId", "quota_limit", "retryDelay", "quotaResetTimeStamp"])
    | st.text(max_size=4)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from([400, 403, 429, 500, 503, 529]), JSON, JSON, JSON)
def test_any_shape_of_error_is_some_failure(status: int, value: Any, details: Any, code: Any) -> None:
    """However an error object is built, it is classified without an error, and its wait makes sense."""
    for document in (value, {"error": value}, [{"error": {"code": code, "details": details, "status": code}}]):
        found = failure(status, json.dumps(document).encode())
        assert found.kind in (K.ROW_REFUSED, K.KEY_REFUSED, K.THROTTLED, K.QUOTA, K.TRANSIENT)
        assert found.retry_after_s is None or 0 <= found.retry_after_s <= 366 * 86_400
