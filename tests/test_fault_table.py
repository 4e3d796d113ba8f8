"""The fault table, line by line: the command against a server that fails, and what the log says of it afterwards.

How answers that are no answers are kept raw, and that none forges a line, is in `test_odd_answers`; how a row waits, a
lane rests and a run drains in `test_engine`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tenacity import RetryCallState
from tenacity.wait import wait_exponential, wait_random, wait_random_exponential

from outputs.journal import Log
from tests.harness.faulty_server import (
    Fault,
    FaultyServer,
    always,
    cut_short,
    first,
    refusal,
    reset,
    reset_within_the_body,
)
from tests.harness.loopback import Reply
from tests.harness.workplace import Workplace, line

DAY_S = "86400"


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as faulty:
        yield faulty


@pytest.fixture
def work(tmp_path: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A user's working folder; waits that no server asked for are short."""

    def shortly(_: object, retry_state: RetryCallState) -> float:
        return 0.02

    for wait in (wait_exponential, wait_random_exponential, wait_random):
        monkeypatch.setattr(wait, "__call__", shortly)
    return Workplace(tmp_path, server, monkeypatch)


def settlements(work: Workplace, custom_id: str) -> list[tuple[str, str]]:
    """How the attempts of a row settled without an answer, and as what."""
    [request] = [one["seq"] for one in work.lines(Log.REQUESTS) if one["custom_id"] == custom_id]
    return [
        (one["settled"], one["kind"])
        for one in work.lines(Log.ATTEMPTS)
        if one["request"] == request and "settled" in one
    ]


def failed_rows(work: Workplace) -> dict[str, str]:
    """What stands in errors.jsonl: custom_id and kind."""
    return {one["custom_id"]: one["error"]["code"] for one in work.lines(Log.ERRORS)}


def left(work: Workplace) -> int:
    """How many rows the run has still to send."""
    return int(work.overnight("status", "out", "--json").json["unsent"])


def anthropic(status: int, type_: str, error_code: str | None = None) -> Reply:
    details = {} if error_code is None else {"details": {"error_code": error_code}}
    return Reply(orjson.dumps({"type": "error", "error": {"type": type_, "message": "no", **details}}), status)


def gemini(status: int, word: str, *details: dict[str, Any]) -> Reply:
    error = {"code": status, "message": "no", "status": word, "details": list(details)}
    return Reply(orjson.dumps([{"error": error}]), status)


PER_DAY: dict[str, Any] = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}
USED_UP = {
    "x-ratelimit-limit-requests": "200",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "23h59m0s",
}

STOPS: dict[str, tuple[Reply, str]] = {
    "401": (refusal(401, code="invalid_api_key"), "key_refused"),
    "403": (refusal(403), "key_refused"),
    "Gemini's 400 for a bad key": (gemini(400, "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}), "key_refused"),
    "402": (refusal(402), "quota"),
    "a spent account": (refusal(429, {"retry-after": "1"}, code="insufficient_quota"), "quota"),
    "a spend limit": (refusal(429, code="project_spend_limit_exceeded", type="insufficient_quota"), "quota"),
    "Anthropic's spend limit": (anthropic(429, "rate_limit_error", "enforced_spend_limit_reached"), "quota"),
    "Anthropic's billing": (anthropic(402, "billing_error"), "quota"),
    "Gemini's day": (gemini(429, "RESOURCE_EXHAUSTED", PER_DAY, {"retryDelay": "7s"}), "quota"),
    "OpenAI's day": (refusal(429, USED_UP, code="rate_limit_exceeded", type="requests"), "quota"),
    "a day away": (refusal(429, {"retry-after": DAY_S}), "throttled"),
    "a 503 a day away": (refusal(503, {"retry-after": DAY_S}), "throttled"),
    "Gemini's two hours away": (gemini(429, "RESOURCE_EXHAUSTED", {"retryDelay": "7200s"}), "throttled"),
}


@pytest.mark.parametrize("fault", STOPS)
def test_what_speaks_for_the_account_stops_the_lane(work: Workplace, server: FaultyServer, fault: str) -> None:
    """One attempt, unbilled; exit 6; no row fails for it, and all are left to be sent."""
    reply, kind = STOPS[fault]
    server.behaviours = {"a": always(reply), "b": always(reply)}
    work.write([line("a"), line("b")])
    ended = work.run("--concurrency", 1)
    assert ended.code == 6, ended
    assert (server.attempts("a"), server.attempts("b")) == (1, 0)
    assert settlements(work, "a") == [("unbilled", kind)]
    assert (failed_rows(work), left(work)) == ({}, 2)


def test_a_stopped_lane_leaves_the_others_alone(work: Workplace, server: FaultyServer) -> None:
    """Another model's rows are answered, and the run still says that a provider refused."""
    server.behaviours = {"a": always(refusal(401))}
    work.write([line("a"), line("b", body={"model": "lab-2"})])
    assert work.run().code == 6
    assert set(work.answered()) == {"b"}
    assert failed_rows(work) == {}


SOON = {"metadata": {"quotaResetDelay": "0.1s"}}
WAITS: dict[str, tuple[Reply, str]] = {
    "429": (refusal(429, {"retry-after": "0.05"}, code="rate_limit_exceeded", type="tokens"), "throttled"),
    "429 in milliseconds": (refusal(429, {"retry-after-ms": "50"}), "throttled"),
    "429 without a word": (refusal(429), "throttled"),
    "slow down": (refusal(503, code="slow_down"), "throttled"),
    "529": (anthropic(529, "overloaded_error"), "throttled"),
    "an overload as a 500": (anthropic(500, "overloaded_error"), "throttled"),
    "Anthropic's ramp": (anthropic(429, "rate_limit_error", "ramp_limit_exceeded"), "throttled"),
    "503 with Retry-After": (refusal(503, {"retry-after": "0.05"}), "throttled"),
    "Gemini's minute": (gemini(429, "RESOURCE_EXHAUSTED", {"retryDelay": "0.05s"}), "throttled"),
    "a day's quota that is back soon": (gemini(429, "RESOURCE_EXHAUSTED", PER_DAY, SOON), "quota"),
}


@pytest.mark.parametrize("fault", WAITS)
def test_what_passes_is_waited_for(work: Workplace, server: FaultyServer, fault: str) -> None:
    """Refused for speed six times, more often than any row is tried otherwise, it costs nothing and is answered."""
    reply, kind = WAITS[fault]
    server.behaviours = {"a": first(6, reply)}
    work.write([line("a")])
    ended = work.run()
    assert ended.code == 0, ended
    assert settlements(work, "a") == [("unbilled", kind)] * 6
    assert (set(work.answered()), failed_rows(work)) == ({"a"}, {})


REFUSED_ROWS: dict[str, Reply] = {
    "400": refusal(400, type="invalid_request_error"),
    "404": refusal(404, code="model_not_found"),
    "413": anthropic(413, "request_too_large"),
    "422": refusal(422),
    "a context that is too long": refusal(400, code="context_length_exceeded", param="messages"),
    "OpenAI's filter": refusal(400, code="invalid_prompt"),
    "Azure's filter": refusal(400, code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}),
    "Gemini's 400": gemini(400, "INVALID_ARGUMENT"),
}


@pytest.mark.parametrize("fault", REFUSED_ROWS)
def test_a_refused_row_fails_alone(work: Workplace, server: FaultyServer, fault: str) -> None:
    """One attempt, unbilled; the row fails with exit 3, the others are answered."""
    server.behaviours = {"bad": always(REFUSED_ROWS[fault])}
    work.write([line("bad"), line("good")])
    assert work.run().code == 3
    assert (server.attempts("bad"), settlements(work, "bad")) == (1, [("unbilled", "row_refused")])
    assert (failed_rows(work), set(work.answered())) == ({"bad": "row_refused"}, {"good"})


BREAKS: dict[str, Reply | Fault] = {
    "500": refusal(500, type="server_error"),
    "502": Reply(b"<html>Bad gateway</html>", 502),
    "503": refusal(503),
    "504": anthropic(504, "timeout_error"),
    "408": refusal(408),
    "Gemini's 503": gemini(503, "UNAVAILABLE"),
    "a reset": reset,
    "a reset within the body": reset_within_the_body,
    "a body cut short": cut_short,
}


@pytest.mark.parametrize("fault", BREAKS)
def test_what_breaks_is_tried_five_times(work: Workplace, server: FaultyServer, fault: str) -> None:
    """Five attempts, each maybe billed, while others are answered between; then the row fails with exit 3."""
    server.behaviours = {"bad": always(BREAKS[fault])}
    server.pause_s = 0.005
    work.write([line("bad"), *(line(f"good {n}") for n in range(60))])
    assert work.run("--concurrency", 1).code == 3
    assert (server.attempts("bad"), settlements(work, "bad")) == (5, [("maybe", "transient")] * 5)
    assert (failed_rows(work), len(work.answered())) == ({"bad": "transient"}, 60)


@pytest.mark.parametrize("address", ["http://nowhere.invalid/v1", "TLS to a port that speaks none"])
def test_what_cannot_be_reached_costs_nothing(work: Workplace, server: FaultyServer, address: str) -> None:
    """A name that is not known and a broken TLS are unbilled; twenty in a row stop the lane with exit 7."""
    url = server.base_url.replace("http:", "https:") if address.startswith("TLS") else address
    catalog = work.folder / "overnight.toml"
    catalog.write_text(catalog.read_text().replace(server.base_url, url))
    work.write([line("a"), line("b")])
    ended = work.run("--concurrency", 1)
    assert ended.code == 7, ended
    assert settlements(work, "a") + settlements(work, "b") == [("unbilled", "transient")] * 20
    assert (server.calls, failed_rows(work), left(work)) == ([], {}, 2)


def test_a_hang_is_tried_twice(work: Workplace, server: FaultyServer) -> None:
    """No byte in `timeout_s`: two attempts, each maybe billed, then the row fails with exit 3."""
    work.write_catalog("timeout_s = 0.3\n")
    server.behaviours = {"bad": always(server.hang)}
    work.write([line("bad"), line("good")])
    assert work.run().code == 3
    assert (server.attempts("bad"), settlements(work, "bad")) == (2, [("maybe", "timed_out")] * 2)
    assert (failed_rows(work), set(work.answered())) == ({"bad": "timed_out"}, {"good"})


UNREADABLE: dict[str, Reply] = {
    "an error": Reply(b'{"error":{"message":"no","code":"insufficient_quota"}}'),
    "half an answer": Reply(b'{"choices":[{"message":{"content":"hal'),
    "no JSON": Reply(b"OK"),
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_an_unreadable_200_is_tried_twice(work: Workplace, server: FaultyServer, fault: str) -> None:
    """Two attempts, each maybe billed, then the row fails with exit 3 and what came is kept."""
    server.behaviours = {"bad": always(UNREADABLE[fault])}
    work.write([line("bad"), line("good")])
    assert work.run().code == 3
    assert (server.attempts("bad"), settlements(work, "bad")) == (2, [("maybe", "unreadable")] * 2)
    assert (failed_rows(work), set(work.answered())) == ({"bad": "unreadable"}, {"good"})
    [error] = work.lines(Log.ERRORS)
    assert error["response"]["body"]["raw"].encode() == UNREADABLE[fault].body


def test_a_flood_is_not_drunk_up(work: Workplace, server: FaultyServer) -> None:
    """Of a body of 300 MB no more than the limit and the buffers between is read; one attempt, maybe billed, exit 3."""
    server.behaviours = {"bad": always(server.flood(300 << 20))}
    work.write([line("bad"), line("good")])
    assert work.run().code == 3
    assert (server.attempts("bad"), settlements(work, "bad")) == (1, [("maybe", "too_large")])
    assert (failed_rows(work), set(work.answered())) == ({"bad": "too_large"}, {"good"})
    assert 64 << 20 < server.sent_bytes < 96 << 20
    assert all((work.run_folder / log.file_name).stat().st_size < 10_000 for log in Log)


def test_headers_cannot_forge_a_line(work: Workplace, server: FaultyServer) -> None:
    """A request id that looks like the end of a line stays inside its line, with bytes that are no UTF-8 too."""
    forged = '"}{"custom_id":"forged\\u000a\xff'
    answer = work.reply("yes")
    server.behaviours = {"a": always(Reply(answer.body, headers={"x-request-id": forged}))}
    work.write([line("a"), line("b")])
    assert work.run().code == 0
    assert set(work.answered()) == {"a", "b"}
    assert '"}{"custom_id":"forged\\u000a' in work.answered()["a"]["response"]["request_id"]
