"""The engine against a real HTTP server on loopback that does what each test tells it to."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tenacity import wait_none

from orchestrator.api import run
from orchestrator.engine import Engine, StopKind
from orchestrator.session import Result
from orchestrator.status import read_status
from outputs.answers import is_simulated
from outputs.journal import Log
from outputs.run_record import read_run_record

ANSWER = {
    "model": "m",
    "choices": [{"message": {"content": "hi"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
Handler = Callable[[str, int, web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers chat completions with what `handler` makes of (the row's text, how often it came, the request)."""

    def __init__(self) -> None:
        self.handler: Handler = _answers
        self.seen: Counter[str] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0
        self.base_url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = (await request.json())["messages"][0]["content"]
        self.seen[text] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self.handler(text, self.seen[text], request)
        finally:
            self.in_flight -= 1


async def _answers(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
    return web.json_response(ANSWER)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", served.handle)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield served
    await runner.cleanup()


class Folder:
    """A working folder with a catalog and a manifest."""

    def __init__(self, path: Path, server: Server) -> None:
        self.path, self.server = path, server
        self.out = path / "run"
        self.settings: dict[str, Any] = {"timeout_s": 30}
        self.limits: dict[str, Any] = {}

    async def run(self, rows: int = 5, **options: Any) -> Result:
        manifest = self.path / "m.jsonl"
        lines = [
            {
                "custom_id": f"r{n}",
                "url": "/v1/chat/completions",
                "body": {"model": "m", "messages": [{"role": "user", "content": f"row {n}"}]},
            }
            for n in range(rows)
        ]
        manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
        catalog = self.path / "catalog.toml"
        settings = {"protocol": "openai", "base_url": self.server.base_url, "models": ["m"], "free": True}
        text = "[providers.here]\n" + "".join(
            f"{key} = {json.dumps(value)}\n" for key, value in {**settings, **self.settings}.items()
        )
        text += "[providers.here.limits]\n" + "".join(f"{key} = {value}\n" for key, value in self.limits.items())
        catalog.write_text(text)
        return await run(manifest, out=self.out, config=catalog, **options)

    def lines(self, log: Log) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / log.file_name).read_bytes().splitlines()]


@pytest.fixture
def folder(tmp_path: Path, server: Server) -> Folder:
    return Folder(tmp_path, server)


async def test_every_row_is_sent_once_and_answered(folder: Folder, server: Server) -> None:
    """A run sends each row once, and the same again sends nothing."""
    result = await folder.run(20)
    assert (result.exit_code, result.answered, result.sent) == (0, 20, 20)
    assert set(server.seen.values()) == {1}
    again = await folder.run(20)
    assert (again.exit_code, again.sent) == (0, 0)
    assert sum(server.seen.values()) == 20


async def test_an_intent_stands_before_each_answer(folder: Folder) -> None:
    """Every answer's attempt has its line in the attempts, with a lower seq."""
    await folder.run(10)
    intents = {(line["request"], line["attempt"]): line["seq"] for line in folder.lines(Log.ATTEMPTS)}
    for line in folder.lines(Log.RESPONSES):
        assert intents[line["request"], line["attempts"]] < line["seq"]


async def test_concurrency_bounds_the_calls_in_flight(folder: Folder, server: Server) -> None:
    """No more calls are under way than were allowed."""

    async def slow(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return web.json_response(ANSWER)

    server.handler = slow
    await folder.run(30, concurrency=4)
    assert server.most_in_flight == 4


async def test_a_transient_failure_is_retried_until_it_passes(folder: Folder, server: Server) -> None:
    """A 500 costs an attempt, is shown as maybe billed, and the row is answered in the end."""

    async def fails_once(_text: str, times: int, _request: web.Request) -> web.StreamResponse:
        return web.json_response(ANSWER) if times > 1 else web.json_response({"error": {}}, status=500)

    server.handler = fails_once
    result = await folder.run(3)
    assert (result.exit_code, result.answered, result.sent) == (0, 3, 6)
    assert result.lanes[0].maybe_billed == 3


async def test_a_refused_row_fails_at_once_and_alone(folder: Folder, server: Server) -> None:
    """A 400 ends its row, with the provider's body kept; the others are answered; exit 3."""

    async def refuses_one(text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        if text == "row 1":
            body = {"error": {"message": "too long", "code": "context_length_exceeded"}}
            return web.json_response(body, status=400)
        return web.json_response(ANSWER)

    server.handler = refuses_one
    result = await folder.run(3)
    assert (result.exit_code, result.answered, result.failed) == (3, 2, 1)
    assert server.seen["row 1"] == 1
    (line,) = folder.lines(Log.ERRORS)
    assert line["error"] == {"code": "row_refused", "message": "too long", "provider_code": "context_length_exceeded"}
    assert json.loads(line["response"]["body"]["raw"])["error"]["message"] == "too long"


async def test_a_refused_key_stops_the_lane_and_keeps_its_rows(folder: Folder, server: Server) -> None:
    """A 401 ends the lane with exit 6; nothing lands in errors.jsonl; once the key is good the rows are sent."""

    async def refuses(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "bad key"}}, status=401)

    server.handler = refuses
    result = await folder.run(50, concurrency=2)
    assert (result.exit_code, result.failed, result.unsent) == (6, 0, 50)
    assert sum(server.seen.values()) <= 4
    assert "bad key" in result.reason
    server.handler = _answers
    assert (await folder.run(50)).exit_code == 0


async def test_throttled_rows_wait_as_told_and_use_up_no_attempt(folder: Folder, server: Server) -> None:
    """429s with Retry-After are waited out, however many, and cost nothing."""
    arrived: list[float] = []

    async def throttles(_text: str, times: int, _request: web.Request) -> web.StreamResponse:
        arrived.append(asyncio.get_running_loop().time())
        if times <= 6:
            return web.json_response({"error": {}}, status=429, headers={"Retry-After": "0.05"})
        return web.json_response(ANSWER)

    server.handler = throttles
    result = await folder.run(1)
    assert (result.exit_code, result.lanes[0].failures) == (0, {"throttled": 6})
    assert result.lanes[0].maybe_billed == 0
    assert min(later - earlier for earlier, later in itertools.pairwise(arrived)) >= 0.045


async def test_a_retry_after_of_a_day_stops_the_lane(folder: Folder, server: Server) -> None:
    """A provider that sends us away for a day ends its lane with exit 6; the rows stay."""

    async def away(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {}}, status=429, headers={"Retry-After": "86400"})

    server.handler = away
    result = await folder.run(5)
    assert (result.exit_code, result.unsent) == (6, 5)


@pytest.fixture
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outages without their waits."""
    monkeypatch.setattr("orchestrator.retry.OUTAGE_WAIT", wait_none())


@pytest.mark.usefixtures("no_rest")
async def test_no_success_at_all_ends_the_lane(folder: Folder, server: Server) -> None:
    """Twenty blows in a row end the lane with exit 7, and no row is given up for it."""

    async def broken(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {}}, status=502)

    server.handler = broken
    result = await folder.run(300, concurrency=8)
    assert (result.exit_code, result.failed, result.unsent) == (7, 0, 300)
    assert sum(server.seen.values()) <= 21 * 8


async def test_a_short_outage_costs_no_row(folder: Folder, server: Server) -> None:
    """A provider that breaks off all calls for a moment is waited for; every row is answered in the end."""
    broken_until = asyncio.get_running_loop().time() + 1.0

    async def comes_back(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        if asyncio.get_running_loop().time() < broken_until:
            return web.json_response({"error": {}}, status=502)
        return web.json_response(ANSWER)

    server.handler = comes_back
    result = await folder.run(100, concurrency=16)
    assert (result.exit_code, result.answered) == (0, 100)


async def test_answers_of_a_simulator_label_the_run_wherever_it_runs(folder: Folder, server: Server) -> None:
    """An answer that says it is simulated labels the run, although the catalog does not know."""

    async def labelled(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        return web.json_response(ANSWER, headers={"x-overnight-simulated": "1"})

    server.handler = labelled
    result = await folder.run(3)
    assert result.simulated
    assert is_simulated(folder.out, read_run_record(folder.out))
    assert read_status(folder.out).simulated


async def test_a_hang_is_cut_off_and_tried_twice(folder: Folder, server: Server) -> None:
    """A call without an answer ends at its time-out, maybe billed; the second one ends the row."""

    async def hangs(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.json_response(ANSWER)

    server.handler = hangs
    folder.settings["timeout_s"] = 0.2
    result = await folder.run(2)
    assert (result.exit_code, result.failed, result.lanes[0].failures) == (3, 2, {"timed_out": 4})
    assert result.lanes[0].maybe_billed == 4


async def test_a_reset_within_the_body_is_maybe_billed_and_retried(folder: Folder, server: Server) -> None:
    """A connection that breaks in the middle of an answer counts as maybe billed; the row is sent again."""

    async def breaks(_text: str, times: int, request: web.Request) -> web.StreamResponse:
        if times > 1:
            return web.json_response(ANSWER)
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.close()
        return response

    server.handler = breaks
    result = await folder.run(2)
    assert (result.exit_code, result.lanes[0].maybe_billed) == (0, 2)


async def test_an_unreadable_200_keeps_what_came(folder: Folder, server: Server) -> None:
    """A 200 that is not JSON is tried twice, fails its row, and its text is in the log."""

    async def page(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>\nnot json</html>", content_type="text/html")

    server.handler = page
    result = await folder.run(1)
    assert (result.exit_code, server.seen["row 0"]) == (3, 2)
    settled = [line for line in folder.lines(Log.ATTEMPTS) if "settled" in line]
    assert {line["raw"] for line in settled} == {"<html>\nnot json</html>"}
    assert {line["settled"] for line in settled} == {"maybe"}


@pytest.mark.usefixtures("no_rest")
async def test_nobody_listening_is_unbilled(folder: Folder, server: Server, unused_port: int) -> None:
    """A refused connection costs nothing, and twenty blows of them end the lane."""
    server.base_url = f"http://127.0.0.1:{unused_port}/v1"
    result = await folder.run(60, concurrency=16)
    assert (result.exit_code, result.lanes[0].maybe_billed) == (7, 0)


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def test_a_huge_answer_is_cut_off(folder: Folder, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer beyond the limit is not read to its end, fails its row at once, and is maybe billed."""
    monkeypatch.setattr("orchestrator.http.MAX_BODY_BYTES", 1 << 20)

    async def huge(_text: str, _times: int, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(b" " * (1 << 18))
        return response

    server.handler = huge
    result = await folder.run(1)
    assert (result.exit_code, result.lanes[0].failures) == (3, {"too_large": 1})
    assert server.seen["row 0"] == 1


async def test_draining_awaits_what_is_in_flight(folder: Folder, server: Server) -> None:
    """An interrupted run answers what it has sent, leaves the rest, exits 130, and goes on from there."""
    engines: list[Engine] = []

    async def interrupts(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        if sum(server.seen.values()) == 10:
            engines[0].drain(StopKind.INTERRUPTED)
        await asyncio.sleep(0.02)
        return web.json_response(ANSWER)

    server.handler = interrupts
    result = await folder.run(100, concurrency=4, on_engine=engines.append)
    assert result.exit_code == 130
    assert result.answered == sum(server.seen.values()) < 20
    server.handler = _answers
    rest = await folder.run(100)
    assert (rest.exit_code, rest.answered, rest.sent) == (0, 100, 100 - result.answered)


async def test_a_drain_does_not_wait_for_the_pace(folder: Folder, server: Server) -> None:
    """Rows that wait for their turn under a slow rate are left unsent when the run drains."""
    folder.limits["rpm"] = 60
    engines: list[Engine] = []

    async def interrupts(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        engines[0].drain(StopKind.INTERRUPTED)
        return web.json_response(ANSWER)

    server.handler = interrupts
    result = await asyncio.wait_for(folder.run(50, on_engine=engines.append), 10)
    assert result.exit_code == 130
    assert sum(server.seen.values()) == 1


async def test_a_row_may_fail_for_good_and_be_put_up_again(folder: Folder, server: Server) -> None:
    """After `retry` the failed rows are sent, and only they."""
    from orchestrator.exporting import retry_failed

    async def refuses(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {}}, status=422)

    server.handler = refuses
    assert (await folder.run(4)).failed == 4
    assert (await folder.run(4)).sent == 0
    assert retry_failed(folder.out) == 4
    server.handler = _answers
    result = await folder.run(4)
    assert (result.exit_code, result.answered, result.failed, result.sent) == (0, 4, 0, 4)


async def test_the_key_goes_out_and_stays_out_of_the_folder(
    folder: Folder, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key from the environment is sent as a bearer token and is in no file of the run."""
    monkeypatch.setenv("HERE_KEY", "sk-canary-123")
    folder.settings["api_key_env"] = "HERE_KEY"
    sent: list[str] = []

    async def looks(_text: str, _times: int, request: web.Request) -> web.StreamResponse:
        sent.append(request.headers["Authorization"])
        return web.json_response(ANSWER)

    server.handler = looks
    await folder.run(2)
    assert set(sent) == {"Bearer sk-canary-123"}
    for file in folder.out.iterdir():
        assert b"canary" not in file.read_bytes()


async def test_a_day_that_is_used_up_ends_the_lane(folder: Folder) -> None:
    """No more calls go out than a day allows, over sessions too, and nobody waits for tomorrow."""
    folder.limits = {"rpd": 3}
    result = await folder.run(5)
    assert (result.exit_code, result.answered, result.sent) == (6, 3, 3)
    assert "for the day are used up" in result.reason
    again = await folder.run(5)
    assert (again.exit_code, again.sent) == (6, 0)
    folder.limits = {"rpd": 4}
    assert (await folder.run(5)).sent == 1


async def test_an_outage_is_met_with_one_call_at_a_time(folder: Folder, server: Server) -> None:
    """Every call into it may be billed: after the first blows a single one finds out whether it is over."""

    async def down(_text: str, _times: int, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "down"}}, status=500)

    server.handler = down
    result = await folder.run(300, thresholds=["failures_in_row=6"], concurrency=64)
    assert result.exit_code == 7
    assert (result.failed, result.answered) == (0, 0)
    assert result.sent <= 3 * 64 + 3


async def test_a_key_that_is_echoed_is_not_kept(
    folder: Folder, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a provider says of our key is written without it."""
    monkeypatch.setenv("HERE_KEY", "sk-verysecret-12345")
    folder.settings["api_key_env"] = "HERE_KEY"

    async def echo(_text: str, _times: int, request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": f"no: {request.headers['Authorization']}"}}, status=401)

    server.handler = echo
    result = await folder.run(2)
    assert result.exit_code == 6
    assert "[key]" in result.reason
    for path in folder.out.iterdir():
        assert b"verysecret" not in path.read_bytes(), path
