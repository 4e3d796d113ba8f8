"""Anthropic's message batches: against an independent server, against the official SDK, and against odd servers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import anthropic
import msgspec
import pytest
from anthropic.types.messages import MessageBatchIndividualResponse
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.batching.calls import AiohttpSeam
from orchestrator.http import AiohttpTransport
from providers.adapters import make_adapter
from providers.batches.anthropic_lines import read_result
from providers.batches.anthropic_messages import AnthropicBatches
from providers.batches.wire import BatchCallError, BatchView, Counts, Looked, Phase, Result, Shard
from providers.protocols.paths import CHAT, MESSAGES
from providers.provider import Provider
from providers.wire import SIMULATED_HEADER, Answer, Billing, FailureKind
from tests.harness.llmock import LLMock
from tests.harness.recorder import Exchange, Recorder
from tests.harness.scripted_http import Said, Scripted

CLAUDE = "claude-haiku-4-5"
KEY = "on-1a2b3c4d5e"
LIST = "/v1/messages/batches?limit=100"
NEW, OLD = "2026-10-21", "2023-06-01"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": CLAUDE,
    "content": [{"type": "text", "text": "Twelve \u2028 \U0001f600"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 5},
}


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLMock]:
    with LLMock(tmp_path_factory.mktemp("llmock") / "log") as server:
        yield server


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with Scripted() as scripted:
        yield scripted


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    async with AiohttpTransport(Provider("anthropic")) as made:
        yield made


def batches(transport: AiohttpTransport, base_url: str, **keys: Any) -> AnthropicBatches:
    return AnthropicBatches(Provider("anthropic", **keys), base_url, "k", AiohttpSeam(transport, 30))


def body(number: int, **more: Any) -> dict[str, Any]:
    return {"model": CLAUDE, "max_tokens": 50, "messages": [{"role": "user", "content": f"Row {number}"}], **more}


def shard_of(client: AnthropicBatches, folder: Path, rows: int = 3, **keys: Any) -> Shard:
    """A shard on disk, as the engine would write it."""
    adapter = make_adapter(Provider("anthropic"), CLAUDE, "http://127.0.0.1", None)
    made = [
        client.line(f"{KEY}-{number}", MESSAGES, adapter.encode(MESSAGES, json.dumps(body(number)).encode()))
        for number in range(rows)
    ]
    path = folder / f"{KEY}.sent.jsonl"
    path.write_bytes(b"".join(line + b"\n" for _, line in made))
    said = {"key": KEY, "path": path, "rows": rows, "group": made[0][0], "model": CLAUDE, "since": time.time(), **keys}
    return Shard(**said)


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def batch(id_: str, rows: int = 3, status: str = "ended", at: float | None = None, **more: Any) -> dict[str, Any]:
    """A batch as the API shows it, created now or at another time."""
    at = time.time() if at is None else at
    counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    counts["succeeded" if status == "ended" else "processing"] = rows
    return {
        "id": id_,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": counts,
        "created_at": rfc3339(at),
        "expires_at": rfc3339(at + 86_400),
        "results_url": None,
        **more,
    }


def page(*listed: dict[str, Any], has_more: bool = False) -> Said:
    ids = [one["id"] for one in listed] or [None]
    return Said({"data": list(listed), "has_more": has_more, "first_id": ids[0], "last_id": ids[-1]})


def succeeded(id_: str) -> dict[str, Any]:
    return {"custom_id": id_, "result": {"type": "succeeded", "message": MESSAGE}}


def results_of(*ids: str) -> Said:
    return Said(b"".join(json.dumps(succeeded(id_)).encode() + b"\n" for id_ in ids))


async def ended(client: AnthropicBatches, id_: str) -> BatchView:
    for _ in range(300):
        view = await client.poll(id_)
        if view.phase is not Phase.RUNNING:
            return view
        await asyncio.sleep(0.1)
    raise AssertionError("the batch does not end")


# What is sent


@pytest.mark.parametrize(("more", "version"), [({}, NEW), ({"temperature": 0}, OLD)])
def test_a_row_goes_with_those_of_its_version(transport_free: AnthropicBatches, more: Any, version: str) -> None:
    """A line has the body as it would go out online, and rows of different versions of the API are not mixed."""
    adapter = make_adapter(Provider("anthropic"), CLAUDE, "http://127.0.0.1", None)
    call = adapter.encode(CHAT, json.dumps(body(1, **more)).encode())
    group, line = transport_free.line(f"{KEY}-1", CHAT, call)
    assert group == version
    assert line == b'{"custom_id":"%b-1","params":%b}' % (KEY.encode(), call.body)


def test_a_body_of_several_lines_is_one_line(transport_free: AnthropicBatches) -> None:
    """Line breaks between the tokens of a native body do not break the file of lines."""
    text = json.dumps(body(1), indent=1).replace("\n", "\r\n").encode()
    adapter = make_adapter(Provider("anthropic"), CLAUDE, "http://127.0.0.1", None)
    _, line = transport_free.line(f"{KEY}-1", MESSAGES, adapter.encode(MESSAGES, text))
    assert b"\n" not in line
    assert b"\r" not in line
    assert json.loads(line)["params"] == body(1)


@pytest.fixture
async def transport_free(transport: AiohttpTransport) -> AnthropicBatches:
    return batches(transport, "http://127.0.0.1:1")


async def test_a_batch_of_the_older_version_is_created_under_it(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """The group of a shard is the version in the header; the catalog's headers go along, wherever the address ends."""
    server.replies = {"POST /v1/messages/batches": Said(batch("msgbatch_1", status="in_progress"))}
    client = batches(transport, f"{server.url}/v1/", headers={"X-Team": "eval"})
    await client.create(shard_of(client, tmp_path, group=OLD))
    headers = server.asked[0].headers
    assert (headers["anthropic-version"], headers["x-api-key"], headers["x-team"]) == (OLD, "k", "eval")


# The independent server


async def test_a_batch_from_creation_to_results(mock: LLMock, transport: AiohttpTransport, tmp_path: Path) -> None:
    """An independent server takes a shard, and has for every row what it answers online."""
    mock.expect()
    base_url = mock.url + "/anthropic"
    client = batches(transport, base_url)
    shard = shard_of(client, tmp_path, 5)
    created = await client.create(shard)
    assert (created.phase, created.status, created.counts) == (Phase.RUNNING, "in_progress", Counts(5))
    assert created.created_at is not None
    assert abs(created.created_at - time.time()) < 60
    assert created.expires_at == pytest.approx(created.created_at + 86_400, abs=2)
    view = await ended(client, created.id)
    assert (view.phase, view.counts, view.simulated) == (Phase.ENDED, Counts(5, 5), False)
    path = tmp_path / "results"
    await client.download(view, path)
    found = list(client.results(path))
    assert [result.id for result in found] == [f"{KEY}-{number}" for number in range(5)]
    adapter = make_adapter(Provider("anthropic"), CLAUDE, base_url, "k")
    for result in found:
        answer = adapter.decode(MESSAGES, result.status, {}, result.body)
        assert isinstance(answer, Answer)
        assert answer.usage is not None


async def test_a_lost_batch_is_found_by_its_results(mock: LLMock, transport: AiohttpTransport, tmp_path: Path) -> None:
    """Before it ends, a batch of that size may be ours; then its lines say whose it is."""
    mock.expect()
    client = batches(transport, mock.url + "/anthropic")
    shard = shard_of(client, tmp_path, 4)
    created = await client.create(shard)
    assert (await client.find(shard)).looked is Looked.PERHAPS
    long_ago = msgspec.structs.replace(shard, since=shard.since - 86400, until=shard.since - 7200)
    assert (await client.find(long_ago)).looked is Looked.NOT_FOUND  # created hours after the last try
    await ended(client, created.id)
    finding = await client.find(shard)
    assert (finding.looked, finding.others) == (Looked.FOUND, ())
    assert finding.batch is not None
    assert (finding.batch.id, finding.batch.phase) == (created.id, Phase.ENDED)
    stranger = Shard("on-ffffffffff", shard.path, 4, shard.group, CLAUDE, shard.since)
    assert (await client.find(stranger)).looked is Looked.NOT_FOUND
    assert sorted(path.name for path in tmp_path.iterdir()) == [shard.path.name]


async def test_an_ended_batch_is_cancelled_without_an_error(
    mock: LLMock, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """A cancellation that is refused because the batch has ended is as good as one that is not."""
    mock.expect()
    client = batches(transport, mock.url + "/anthropic")
    created = await client.create(shard_of(client, tmp_path))
    await client.cancel(created.id)
    await client.cancel(created.id)
    view = await client.poll(created.id)
    assert (view.phase, view.counts) == (Phase.ENDED, Counts(3, 0, 3))
    await client.download(view, tmp_path / "results")
    assert list(client.results(tmp_path / "results")) == []


# The official SDK


def sdk_of(base_url: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=base_url, api_key="k", max_retries=0)


def asked(one: Exchange) -> tuple[str, str, frozenset[tuple[str, str]]]:
    """Method, path and query of a call; the order of a query says nothing."""
    path, _, query = one.target.partition("?")
    return one.method, path, frozenset(parse_qsl(query))


async def test_the_calls_are_the_sdks(server: Scripted, transport: AiohttpTransport, tmp_path: Path) -> None:
    """Creation, list with its pages, look, results and cancellation are sent as the anthropic package sends them."""
    now = time.time()
    first = batch("msgbatch_1", at=now)
    replies = {
        "POST /v1/messages/batches": Said(first),
        f"GET {LIST}": page(first, has_more=True),
        "GET /v1/messages/batches?after_id=msgbatch_1&limit=100": page(batch("msgbatch_0", at=now - 5)),
        "GET /v1/messages/batches?limit=100&after_id=msgbatch_1": page(batch("msgbatch_0", at=now - 5)),
        "GET /v1/messages/batches/msgbatch_1/results": results_of(f"{KEY}-0"),
        "GET /v1/messages/batches/msgbatch_0/results": results_of("x-0"),
        "POST /v1/messages/batches/msgbatch_1/cancel": Said(first),
    }
    server.replies = replies
    async with Recorder(server.url) as recorder:
        replies["GET /v1/messages/batches/msgbatch_1"] = Said(
            {**first, "results_url": f"{recorder.url}/v1/messages/batches/msgbatch_1/results"}
        )
        async with sdk_of(recorder.url) as sdk:
            requests: Any = [{"custom_id": f"{KEY}-{number}", "params": body(number)} for number in range(3)]
            await sdk.messages.batches.create(requests=requests)
            assert [one.id async for one in await sdk.messages.batches.list(limit=100)] == ["msgbatch_1", "msgbatch_0"]
            retrieved = await sdk.messages.batches.retrieve("msgbatch_1")
            theirs_read = [line async for line in await sdk.messages.batches.results("msgbatch_1")]
            await sdk.messages.batches.cancel("msgbatch_1")
        theirs = recorder.exchanges.copy()
        recorder.exchanges.clear()
        client = batches(transport, recorder.url)
        shard = shard_of(client, tmp_path, since=now)
        await client.create(shard)
        assert (await client.find(shard)).looked is Looked.FOUND
        view = await client.poll("msgbatch_1")
        await client.download(view, tmp_path / "results")
        await client.cancel("msgbatch_1")
        ours = recorder.exchanges
    sent = {asked(one): one for one in ours}
    for one in theirs:
        match = sent[asked(one)]
        assert (match.json if match.body else None) == (one.json if one.body else None)
        assert match.headers["anthropic-version"] == one.headers["anthropic-version"] == NEW
        assert (match.headers["x-api-key"], one.headers["authorization"]) == ("k", "Bearer k")
    searched = ("GET", "/v1/messages/batches/msgbatch_0/results", frozenset[tuple[str, str]]())
    assert sent.keys() - {asked(one) for one in theirs} == {searched}
    assert view.created_at == retrieved.created_at.timestamp()
    assert view.expires_at == retrieved.expires_at.timestamp()
    assert view.counts == Counts(3, retrieved.request_counts.succeeded)
    assert [line.custom_id for line in theirs_read] == [one.id for one in client.results(tmp_path / "results")]


def refusal(type_: str) -> dict[str, Any]:
    error = {"type": "error", "error": {"type": type_, "message": "why"}, "request_id": "req_1"}
    return {"custom_id": f"{KEY}-1", "result": {"type": "errored", "error": error}}


STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


@pytest.mark.parametrize(("type_", "status"), STATUSES.items())
def test_a_refused_line_is_what_a_call_would_have_brought(type_: str, status: int) -> None:
    """Each error of the documentation has its HTTP status and the envelope that a call's answer has."""
    line = refusal(type_)
    if type_ != "request_too_large":  # which the SDK does not name
        read = MessageBatchIndividualResponse.model_validate(line, strict=False)
        assert read.result.type == "errored"
    result = read_result(json.dumps(line).encode())
    assert (result.id, result.status, result.request_id, result.ran) == (f"{KEY}-1", status, "req_1", True)
    assert json.loads(result.body) == line["result"]["error"]


def test_a_line_that_succeeded_keeps_its_bytes() -> None:
    """The message of an answered line is kept as the provider wrote it."""
    message = b'{"id" : "msg_1", "usage":{"input_tokens":1e0}, "text":"\\u2028 \xc3\xa9"}'
    line = b'{"result":{"message":%b,"type":"succeeded"},"custom_id":"%b-7"}' % (message, KEY.encode())
    assert read_result(line) == Result(f"{KEY}-7", 200, message)


@pytest.mark.parametrize("type_", ["canceled", "expired"])
def test_a_line_that_never_ran_says_so(type_: str) -> None:
    """Lines that were cancelled or expired had no turn, and hold no answer."""
    result = read_result(json.dumps({"custom_id": f"{KEY}-1", "result": {"type": type_}}).encode())
    assert (result.id, result.ran, result.torn) == (f"{KEY}-1", False, False)
    assert json.loads(result.body) == {"type": type_}


@pytest.mark.parametrize(
    ("line", "id_"),
    [
        (json.dumps(succeeded(f"{KEY}-1")).encode()[:60], f"{KEY}-1"),
        (b'{"custom_id":"on-1-2","result":{"type":"of another time"}}', "on-1-2"),
        (b'{"custom_id":"on-1-2","result":{"type":"succeeded"}}', "on-1-2"),
        (b'{"custom_id":"on-1-2","result":7}', "on-1-2"),
        (b'{"result":{"type":"expired"}}', None),
        (b'{"text":"{\\"custom_id\\":\\"on-1-2\\"', None),
        (b'{"custom_id":"' + b"x" * 100, None),
        (b"[" * 100_000, None),
        (b"\xff\xfe", None),
    ],
)
def test_a_line_that_is_not_whole_is_torn(line: bytes, id_: str | None) -> None:
    """What broke off or is something else is told as such, with whose it was where it still says so."""
    assert read_result(line) == Result(id_, body=line, torn=True)


@given(st.binary() | st.integers(0, 400).map(lambda end: json.dumps(refusal("api_error")).encode()[:end]))
def test_no_line_raises(line: bytes) -> None:
    """Whatever a line holds, it is a result."""
    assert isinstance(read_result(line), Result)


def test_an_error_of_an_older_shape_is_given_its_envelope() -> None:
    """An error that stands by itself becomes what a call's answer would be; an unknown one is the provider's fault."""
    line = {"custom_id": "a-1", "result": {"type": "errored", "error": {"type": "invalid_request", "message": "why"}}}
    result = read_result(json.dumps(line).encode())
    assert result.status == 400
    assert json.loads(result.body) == {"type": "error", "error": line["result"]["error"]}  # type: ignore[index]  # JSON
    assert read_result(json.dumps(refusal("news")).encode()).status == 500


def test_results_are_read_in_their_order(transport_free: AnthropicBatches, tmp_path: Path) -> None:
    """Every line of a file is told once, empty lines are none, and the last one needs no line break."""
    path = tmp_path / "results"
    lines = [json.dumps(succeeded("a-2")), "", "torn", json.dumps(refusal("api_error"))]
    path.write_text("\r\n".join(lines))
    found = list(transport_free.results(path))
    assert [(result.id, result.torn) for result in found] == [("a-2", False), (None, True), (f"{KEY}-1", False)]


# Odd servers


@pytest.mark.parametrize(
    "told", ["https://127.0.0.1.example.org/results", "//127.0.0.1/results", "HTTP", "@elsewhere", 7, None]
)
async def test_the_key_goes_to_the_provider_alone(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path, told: Any
) -> None:
    """Results that are said to lie elsewhere are fetched where the API has them."""
    async with Scripted() as elsewhere:
        if told in ("HTTP", "@elsewhere"):
            host = elsewhere.url.removeprefix("http://")
            told = f"{elsewhere.url}/results" if told == "HTTP" else f"{server.url}@{host}/results"
        server.replies = {
            "GET /v1/messages/batches/msgbatch_1": Said(batch("msgbatch_1", results_url=told)),
            "GET /v1/messages/batches/msgbatch_1/results": results_of(f"{KEY}-0"),
        }
        client = batches(transport, server.url)
        view = await client.poll("msgbatch_1")
        await client.download(view, tmp_path / "results")
        await client.download(BatchView("msgbatch_1", Phase.ENDED, "ended", results=(str(told),)), tmp_path / "again")
        assert elsewhere.asked == []
    assert server.targets.count("GET /v1/messages/batches/msgbatch_1/results") == 2


async def test_results_are_fetched_where_the_provider_says(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """Another path of the same provider is followed."""
    url = f"{server.url}/v2/results?of=msgbatch_1"
    server.replies = {
        "GET /v1/messages/batches/msgbatch_1": Said(batch("msgbatch_1", results_url=url)),
        "GET /v2/results?of=msgbatch_1": results_of(f"{KEY}-0"),
    }
    client = batches(transport, server.url)
    await client.download(await client.poll("msgbatch_1"), tmp_path / "results")
    assert [result.id for result in client.results(tmp_path / "results")] == [f"{KEY}-0"]


@pytest.mark.parametrize(
    ("said", "kind", "billing", "full"),
    [
        (Said({"error": {"type": "invalid_request_error"}}, 400), FailureKind.ROW_REFUSED, Billing.UNBILLED, False),
        (Said({"error": {"type": "request_too_large"}}, 413), FailureKind.ROW_REFUSED, Billing.UNBILLED, False),
        (Said({"error": {"type": "authentication_error"}}, 401), FailureKind.KEY_REFUSED, Billing.UNBILLED, False),
        (Said({"type": "error", "error": {"type": "rate_limit_error"}}, 429), FailureKind.THROTTLED, None, True),
        (
            Said({"type": "error", "error": {"type": "rate_limit_error"}}, 429, {"retry-after": "7"}),
            FailureKind.THROTTLED,
            Billing.UNBILLED,
            False,
        ),
        (
            Said({"error": {"details": {"error_code": "enforced_spend_limit_reached"}}}, 429),
            FailureKind.QUOTA,
            Billing.UNBILLED,
            False,
        ),
        (Said({"error": {"type": "api_error"}}, 500), FailureKind.TRANSIENT, Billing.MAYBE, False),
        (Said(b"", 307, {"Location": "/elsewhere"}), FailureKind.UNREADABLE, Billing.MAYBE, False),
        (Said(b"<html>"), FailureKind.UNREADABLE, Billing.MAYBE, False),
        (Said(b"\xff{" + b"[" * 5000), FailureKind.UNREADABLE, Billing.MAYBE, False),
        (Said(batch("../../v1/files")), FailureKind.UNREADABLE, Billing.MAYBE, False),
        (Said(batch("..")), FailureKind.UNREADABLE, Billing.MAYBE, False),
    ],
)
async def test_a_creation_that_fails_is_typed(
    server: Scripted,
    transport: AiohttpTransport,
    tmp_path: Path,
    said: Said,
    kind: FailureKind,
    billing: Billing | None,
    full: bool,
) -> None:
    """What certainly took no effect is unbilled, what may have is maybe; a full queue is told from a limit of calls."""
    server.replies = {"POST /v1/messages/batches": said}
    client = batches(transport, server.url)
    with pytest.raises(BatchCallError) as caught:
        await client.create(shard_of(client, tmp_path))
    assert caught.value.failure.kind is kind
    assert caught.value.failure.billing is (billing or Billing.UNBILLED)
    assert caught.value.queue_full is full


async def test_no_id_leads_elsewhere(transport_free: AnthropicBatches) -> None:
    """An id from a log that is no id is never made part of an address."""
    for id_ in ("..", "a/b", "a?b", "", "x" * 500):
        with pytest.raises(BatchCallError) as caught:
            await transport_free.poll(id_)
        assert caught.value.failure.kind is FailureKind.UNREADABLE


@pytest.mark.parametrize("status", ["in_progress", "canceling", "of another time", "ended"])
async def test_only_what_has_ended_can_be_read(server: Scripted, transport: AiohttpTransport, status: str) -> None:
    """A batch runs until it has ended, and then says how many of its lines were answered; a simulator is known."""
    counts = {"processing": 0, "succeeded": 4, "errored": 3, "canceled": 2, "expired": 1}
    server.replies = {
        "GET /v1/messages/batches/b": Said(
            batch("b", status=status, request_counts=counts, created_at="never"), headers={SIMULATED_HEADER: "1"}
        )
    }
    view = await batches(transport, server.url).poll("b")
    assert view.phase is (Phase.ENDED if status == "ended" else Phase.RUNNING)
    assert (view.status, view.counts, view.created_at, view.simulated) == (status, Counts(10, 4, 6), None, True)


@pytest.mark.parametrize("counts", [None, [], "3", 10**400, {"succeeded": None}, {"processing": 10**400}], ids=range(6))
async def test_odd_counts_hide_no_batch(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path, counts: Any
) -> None:
    """A batch whose counts say nothing can be looked at, and may be the one that is looked for."""
    odd = batch("b", status="in_progress", request_counts=counts)
    server.replies = {"GET /v1/messages/batches/b": Said(odd), f"GET {LIST}": page(odd)}
    client = batches(transport, server.url)
    view = await client.poll("b")
    assert (view.phase, view.counts) == (Phase.RUNNING, None)
    shard = shard_of(client, tmp_path, since=time.time() - 10)
    assert (await client.find(shard)).looked is Looked.PERHAPS


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", 1e297])
async def test_a_moment_of_another_age_is_none(server: Scripted, transport: AiohttpTransport, told: Any) -> None:
    """What no batch can have been created at, or can expire at, is as if it were not there."""
    server.replies = {"GET /v1/messages/batches/b": Said(batch("b", created_at=told, expires_at=told))}
    view = await batches(transport, server.url).poll("b")
    assert (view.created_at, view.expires_at) == (None, None)


async def test_results_that_are_gone_are_an_error(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """A download that brings no results leaves no file."""
    client = batches(transport, server.url)
    with pytest.raises(BatchCallError) as caught:
        await client.download(BatchView("b", Phase.ENDED, "ended"), tmp_path / "results")
    assert caught.value.failure.status == 404
    assert list(tmp_path.iterdir()) == []


async def test_a_cancellation_that_is_refused_is_an_error(server: Scripted, transport: AiohttpTransport) -> None:
    """Where the batch still runs, a refused cancellation is told; where the key is, nothing more is asked."""
    server.replies = {
        "POST /v1/messages/batches/b/cancel": [Said({}, 400), Said({}, 401)],
        "GET /v1/messages/batches/b": Said(batch("b", status="in_progress")),
    }
    client = batches(transport, server.url)
    for status in (400, 401):
        with pytest.raises(BatchCallError) as caught:
            await client.cancel("b")
        assert caught.value.failure.status == status
    assert server.targets.count("GET /v1/messages/batches/b") == 1


# Looking for a batch


async def test_a_batch_whose_results_name_nobody_is_taken_where_there_is_no_other(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """The oldest of the shard's size, and none is called one too many; a stranger's, or one that runs, rules it out."""
    now = time.time()
    older, newer = batch("older", at=now), batch("newer", at=now + 1)
    server.replies = {
        f"GET {LIST}": page(newer, older),
        "GET /v1/messages/batches/older/results": Said(b""),
        "GET /v1/messages/batches/newer/results": Said(b"torn"),
    }
    client = batches(transport, server.url)
    shard = shard_of(client, tmp_path, since=now)
    finding = await client.find(shard)
    assert finding.batch is not None
    assert (finding.batch.id, finding.others) == ("older", ())
    server.replies[f"GET {LIST}"] = page(batch("runs", status="in_progress", at=now), older)
    assert (await client.find(shard)).looked is Looked.PERHAPS
    server.replies |= {f"GET {LIST}": page(older), "GET /v1/messages/batches/older/results": results_of("on-other-1")}
    assert (await client.find(shard)).looked is Looked.NOT_FOUND


async def test_others_of_the_same_size_are_told_apart(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """Of many batches only those of its time and size are looked into; of two that are ours the older is taken."""
    now = time.time()
    server.replies = {
        f"GET {LIST}": page(
            batch("newest", status="in_progress", at=now),
            batch("another", at=now),
            batch("larger", rows=4, at=now),
            batch("twice", at=now),
            batch("once", at=now),
            batch("empty", at=now),
            batch("gone", at=now),
            batch("before", at=now - 120),
            has_more=True,
        ),
        "GET /v1/messages/batches?after_id=before&limit=100": page(batch("old", at=now - 4000), has_more=True),
        "GET /v1/messages/batches/another/results": results_of("on-other-1"),
        "GET /v1/messages/batches/twice/results": results_of(f"{KEY}-2"),
        "GET /v1/messages/batches/once/results": Said(b"torn\n" + results_of(f"{KEY}-1").sent),
        "GET /v1/messages/batches/empty/results": Said(b""),
    }
    client = batches(transport, server.url)
    finding = await client.find(shard_of(client, tmp_path, since=now))
    assert (finding.looked, finding.others) == (Looked.FOUND, ("twice",))
    assert finding.batch is not None
    assert finding.batch.id == "once"
    looked_into = {target.split("/")[4] for target in server.targets if target.endswith("/results")}
    assert looked_into == {"another", "twice", "once", "empty", "gone"}
    assert sum("?" in target for target in server.targets) == 2


async def test_a_batch_is_found_without_the_folder_of_its_file(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """A search needs a place for results, and makes it where there is none any more."""
    server.replies = {
        f"GET {LIST}": page(batch("mine")),
        "GET /v1/messages/batches/mine/results": results_of(f"{KEY}-0"),
    }
    client = batches(transport, server.url)
    shard = shard_of(client, tmp_path, since=time.time() - 10)
    lost = msgspec.structs.replace(shard, path=tmp_path / "batches" / shard.path.name)
    assert (await client.find(lost)).looked is Looked.FOUND
    assert list((tmp_path / "batches").iterdir()) == []


@pytest.mark.parametrize("known", [(), ("running",)])
async def test_what_is_known_to_be_anothers_is_left_out(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path, known: tuple[str, ...]
) -> None:
    """A running batch of the same size is waited for, unless it is known whose it is."""
    now = time.time()
    server.replies = {f"GET {LIST}": page(batch("running", status="in_progress"))}
    client = batches(transport, server.url)
    finding = await client.find(shard_of(client, tmp_path, since=now, known=known))
    assert finding.looked is (Looked.NOT_FOUND if known else Looked.PERHAPS)


async def test_a_list_with_its_oldest_first_is_read_to_the_end(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """That a page is old says nothing where the newest come last."""
    now = time.time()
    server.replies = {
        f"GET {LIST}": page(batch("oldest", at=now - 9000), batch("older", at=now - 8000), has_more=True),
        "GET /v1/messages/batches?after_id=older&limit=100": page(batch("mine", at=now)),
        "GET /v1/messages/batches/mine/results": results_of(f"{KEY}-0"),
    }
    client = batches(transport, server.url)
    assert (await client.find(shard_of(client, tmp_path, since=now))).looked is Looked.FOUND


@pytest.mark.parametrize("ahead_s", [-3000.0, 0.0, 3000.0])
async def test_a_clock_that_differs_hides_no_batch(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path, ahead_s: float
) -> None:
    """Times are compared by the server's clock, which the date of its answer tells."""
    now = time.time()
    there = now - ahead_s
    listed = page(batch("mine", at=there + 1), batch("before", at=there - 120))
    server.replies = {
        f"GET {LIST}": Said(listed.body, headers={"Date": formatdate(time.time() - ahead_s, usegmt=True)}),
        "GET /v1/messages/batches/mine/results": results_of(f"{KEY}-0"),
    }
    client = batches(transport, server.url)
    finding = await client.find(shard_of(client, tmp_path, since=now))
    assert finding.batch is not None
    assert finding.batch.id == "mine"


async def test_a_list_that_fails_finds_nothing(server: Scripted, transport: AiohttpTransport, tmp_path: Path) -> None:
    """A search that could not be made is an error, never a batch that was not found; a list without an end ends."""
    now = time.time()
    client = batches(transport, server.url)
    shard = shard_of(client, tmp_path, since=now)
    failing = {
        "list": {f"GET {LIST}": Said({}, 500)},
        "page": {f"GET {LIST}": page(batch("b", rows=9), has_more=True)},
        "results": {f"GET {LIST}": page(batch("b")), "GET /v1/messages/batches/b/results": Said({}, 503)},
    }
    for replies in failing.values():
        server.replies = replies
        with pytest.raises(BatchCallError):
            await client.find(shard)
    same = page(batch("b", rows=9), has_more=True)
    server.replies = {f"GET {LIST}": same, "GET /v1/messages/batches?after_id=b&limit=100": same}
    assert (await client.find(shard)).looked is Looked.NOT_FOUND
