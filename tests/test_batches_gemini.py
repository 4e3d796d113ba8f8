"""Gemini's batches: against the official SDK, against servers with its documented answers, and against odd ones."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from google import genai
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

import orchestrator.http
from orchestrator.batching.calls import AiohttpSeam
from orchestrator.http import AiohttpTransport
from providers.adapters import make_adapter
from providers.batches.gemini_contents import GeminiBatches
from providers.batches.gemini_lines import read_result
from providers.batches.wire import BatchCallError, BatchView, Counts, Looked, Phase, Result, Shard
from providers.protocols.paths import CHAT
from providers.provider import Provider
from providers.wire import SIMULATED_HEADER, Billing, FailureKind
from tests.harness.llmock import LLMock
from tests.harness.recorder import Exchange, Recorder
from tests.harness.scripted_http import Said, Scripted

pytestmark = pytest.mark.filterwarnings(  # google-genai subclasses it when its first client is made
    "ignore:Inheritance class AiohttpClientSession from ClientSession:DeprecationWarning"
)

GEMINI = "gemini-2.0-flash"
KEY = "on-1a2b3c4d5e"
CREATE = f"POST /v1beta/models/{GEMINI}:batchGenerateContent"
LIST = "GET /v1beta/batches?pageSize=20"
GET = "GET /v1beta/batches/abc123"
ANSWER = {
    "candidates": [
        {"content": {"parts": [{"text": "Twelve \u2028 \U0001f600"}], "role": "model"}, "finishReason": "STOP"}
    ],
    "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
    "modelVersion": GEMINI,
}
CREATED_AT = 1_763_884_800.5


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with Scripted() as scripted:
        yield scripted


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    async with AiohttpTransport(Provider("gemini")) as made:
        yield made


def batches(transport: AiohttpTransport, base_url: str, **keys: Any) -> GeminiBatches:
    return GeminiBatches(Provider("gemini", **keys), GEMINI, base_url, "k", AiohttpSeam(transport, 30))


def body(number: int) -> dict[str, Any]:
    return {
        "contents": [{"parts": [{"text": f"Row {number}"}], "role": "user"}],
        "systemInstruction": {"parts": [{"text": "Be brief."}], "role": "user"},
        "generationConfig": {"temperature": 0.5},
    }


def shard_of(client: GeminiBatches, base_url: str, folder: Path, rows: int = 2, **keys: Any) -> Shard:
    """A shard on disk, as the engine would write it."""
    native = f"/v1beta/models/{GEMINI}:generateContent"
    adapter = make_adapter(Provider("gemini"), GEMINI, base_url, None)
    made = [
        client.line(f"{KEY}-{number}", native, adapter.encode(native, json.dumps(body(number)).encode()))
        for number in range(rows)
    ]
    path = folder / f"{KEY}.sent.jsonl"
    path.write_bytes(b"".join(line + b"\n" for _, line in made))
    said = {"key": KEY, "path": path, "rows": rows, "group": made[0][0], "model": GEMINI, "since": CREATED_AT, **keys}
    return Shard(**said)


def line(number: int, **held: Any) -> dict[str, Any]:
    return {"metadata": {"key": f"{KEY}-{number}"}, **(held or {"response": ANSWER})}


def batch(name: str = "batches/abc123", state: str = "BATCH_STATE_RUNNING", **more: Any) -> dict[str, Any]:
    """A batch as the API shows it: an operation; counts are digits in quotes."""
    metadata = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "model": f"models/{GEMINI}",
        "name": name,
        "displayName": KEY,
        "state": state,
        "createTime": "2025-11-23T08:00:00.500000000Z",
        "updateTime": "2025-11-23T08:00:01.5Z",
        "batchStats": {"requestCount": "3", "pendingRequestCount": "3"},
        **more.pop("metadata", {}),
    }
    return {"name": name, "metadata": metadata, **more}


def answered(*lines: dict[str, Any], state: str = "BATCH_STATE_SUCCEEDED", **more: Any) -> dict[str, Any]:
    """A batch with its answers, which the API shows in two places."""
    output = {"inlinedResponses": {"inlinedResponses": list(lines)}}
    stats = {"requestCount": "3", "successfulRequestCount": "2", "failedRequestCount": "1"}
    metadata = {"output": output, "batchStats": stats}
    return batch(state=state, metadata=metadata, done=True, response={"@type": "x", **output}, **more)


# What is sent


def test_a_row_goes_to_the_model_of_its_path(transport_free: GeminiBatches) -> None:
    """A line has the body as it would go out online and our id; rows of different models are not mixed."""
    adapter = make_adapter(Provider("gemini"), GEMINI, "http://127.0.0.1:1/v1beta", None)
    chat = json.dumps({"model": GEMINI, "messages": [{"role": "user", "content": "Hello"}]}).encode()
    call = adapter.encode(CHAT, chat)
    group, text = transport_free.line(f"{KEY}-1", CHAT, call)
    assert group == GEMINI
    assert text == b'{"request":%b,"metadata":{"key":"%b-1"}}' % (call.body, KEY.encode())
    other = "/v1/models/gemini-2.5-pro:generateContent"
    native = json.dumps(body(1), indent=1).encode()
    group, text = transport_free.line(f"{KEY}-2", other, adapter.encode(other, native))
    assert group == "gemini-2.5-pro"
    assert b"\n" not in text
    assert json.loads(text)["request"] == body(1)


@pytest.fixture
async def transport_free(transport: AiohttpTransport) -> GeminiBatches:
    return batches(transport, "http://127.0.0.1:1/v1beta")


async def test_a_shard_goes_to_the_model_that_is_its_group(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """The group names the model in the address; key and headers of the catalog go along."""
    server.replies = {"POST /v1beta/models/gemini-2.5-pro:batchGenerateContent": Said(batch())}
    client = batches(transport, f"{server.url}/v1beta/", headers={"X-Team": "eval"})
    view = await client.create(shard_of(client, server.url, tmp_path, group="gemini-2.5-pro"))
    assert view == BatchView("batches/abc123", Phase.RUNNING, "BATCH_STATE_RUNNING", Counts(3), created_at=CREATED_AT)
    assert (server.asked[0].headers["x-goog-api-key"], server.asked[0].headers["x-team"]) == ("k", "eval")


# The official SDK


def sdk_of(base_url: str) -> genai.Client:
    options = types.HttpOptions(base_url=base_url, api_version="v1beta")
    return genai.Client(vertexai=False, api_key="k", http_options=options)


def asked(one: Exchange) -> tuple[str, str, frozenset[tuple[str, str]]]:
    """Method, path and query of a call; how a query is spelt says nothing."""
    path, _, query = one.target.partition("?")
    return one.method, path, frozenset(parse_qsl(query))


def inlined(number: int) -> types.InlinedRequest:
    config = types.GenerateContentConfig(temperature=0.5, system_instruction="Be brief.")
    return types.InlinedRequest(contents=f"Row {number}", config=config, metadata={"key": f"{KEY}-{number}"})


async def test_the_calls_are_the_sdks(server: Scripted, transport: AiohttpTransport, tmp_path: Path) -> None:
    """Creation, look, list with its pages and cancellation are sent, and read, as the google-genai package does."""
    error = {"code": 8, "message": "too much", "details": []}
    done = answered(line(0), line(1, error=error))
    second = {"operations": [batch("batches/other", metadata={"displayName": "another"})]}
    server.replies = {
        CREATE: Said(batch(state="BATCH_STATE_PENDING")),
        GET: Said(done),
        LIST: Said({"operations": [batch()], "nextPageToken": "a/b="}),
        f"{LIST}&pageToken=a/b%3D": Said(second),
        f"{LIST}&pageToken=a%2Fb%3D": Said(second),
        "POST /v1beta/batches/abc123:cancel": Said(b"{}"),
    }
    async with Recorder(server.url) as recorder:
        sdk = sdk_of(recorder.url)
        try:
            source = types.BatchJobSource(inlined_requests=[inlined(0), inlined(1)])
            config = types.CreateBatchJobConfig(display_name=KEY)
            created = await sdk.aio.batches.create(model=GEMINI, src=source, config=config)
            got = await sdk.aio.batches.get(name="batches/abc123")
            listing = await sdk.aio.batches.list(config=types.ListBatchJobsConfig(page_size=20))
            assert [one.display_name async for one in listing] == [KEY, "another"]
            await sdk.aio.batches.cancel(name="batches/abc123")
        finally:
            await sdk.aio.aclose()
            sdk.close()
        theirs = recorder.exchanges.copy()
        recorder.exchanges.clear()
        client = batches(transport, recorder.url)
        shard = shard_of(client, recorder.url, tmp_path)
        ours_created = await client.create(shard)
        view = await client.poll(ours_created.id)
        finding = await client.find(shard)
        await client.cancel(view.id)
        await client.download(view, tmp_path / "results")
        ours = recorder.exchanges
    sent = {asked(one): one for one in ours}
    assert sent.keys() == {asked(one) for one in theirs}
    for one in theirs:
        match = sent[asked(one)]
        assert (match.json if match.body else None) == (one.json if one.body else None)
        assert match.headers["x-goog-api-key"] == one.headers["x-goog-api-key"] == "k"
    assert (created.name, got.name) == (ours_created.id, view.id)
    assert finding.batch is not None
    assert finding.batch.id == "batches/abc123"
    assert got.create_time is not None
    assert view.created_at == got.create_time.timestamp()
    assert got.state is not None
    assert (got.state.name, view.phase) == ("JOB_STATE_SUCCEEDED", Phase.ENDED)
    assert got.dest is not None
    assert got.dest.inlined_responses is not None
    read = list(client.results(tmp_path / "results"))
    keys = [(one.metadata or {})["key"] for one in got.dest.inlined_responses]
    assert [result.id for result in read] == keys
    assert [one.error is None for one in got.dest.inlined_responses] == [result.status == 200 for result in read]


# How a batch stands


@pytest.mark.parametrize("prefix", ["BATCH_STATE_", "JOB_STATE_"])
@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("UNSPECIFIED", Phase.RUNNING),
        ("QUEUED", Phase.RUNNING),
        ("PENDING", Phase.RUNNING),
        ("RUNNING", Phase.RUNNING),
        ("CANCELLING", Phase.RUNNING),
        ("SUCCEEDED", Phase.ENDED),
        ("PARTIALLY_SUCCEEDED", Phase.ENDED),
        ("CANCELLED", Phase.ENDED),
        ("EXPIRED", Phase.ENDED),
        ("FAILED", Phase.REFUSED),
    ],
)
async def test_every_state_has_its_phase(
    server: Scripted, transport: AiohttpTransport, prefix: str, state: str, phase: Phase
) -> None:
    """The states of the API, and as its SDK spells them, say what can be done with a batch; a simulator is known."""
    server.replies = {GET: Said(batch(state=prefix + state), headers={SIMULATED_HEADER: "1"})}
    view = await batches(transport, server.url).poll("batches/abc123")
    assert (view.phase, view.status, view.simulated) == (phase, prefix + state, True)
    assert (view.problem is not None) == (phase is Phase.REFUSED)


@pytest.mark.parametrize(
    ("more", "phase"),
    [
        ({"done": True, "error": {"code": 1}}, Phase.ENDED),
        ({"done": True, "error": {"code": 3}}, Phase.REFUSED),
        ({"done": True, "response": {}}, Phase.ENDED),
        ({"done": False}, Phase.RUNNING),
    ],
)
async def test_an_operation_without_a_state_says_whether_it_is_done(
    server: Scripted, transport: AiohttpTransport, more: Any, phase: Phase
) -> None:
    """A batch that shows no state is known by what every long-running operation has."""
    server.replies = {GET: Said({"name": "batches/abc123", **more})}
    assert (await batches(transport, server.url).poll("batches/abc123")).phase is phase


@pytest.mark.parametrize(
    ("error", "kind", "full"),
    [
        ({"code": 3, "message": "bad line"}, FailureKind.ROW_REFUSED, False),
        ({"code": 8, "message": "queue"}, FailureKind.THROTTLED, True),
        ({"code": 13, "message": "oh"}, FailureKind.TRANSIENT, False),
        (None, FailureKind.BATCH_ENDED, False),
    ],
)
async def test_a_batch_that_failed_cost_nothing(
    server: Scripted, transport: AiohttpTransport, error: Any, kind: FailureKind, full: bool
) -> None:
    """What failed without an answer never ran: its problem is typed and unbilled."""
    said = batch(state="BATCH_STATE_FAILED", done=True, **({"error": error} if error else {}))
    server.replies = {GET: Said(said)}
    view = await batches(transport, server.url).poll("batches/abc123")
    assert view.phase is Phase.REFUSED
    assert view.problem is not None
    assert (view.problem.kind, view.problem.billing, view.queue_full) == (kind, Billing.UNBILLED, full)


@pytest.mark.parametrize("said", [answered(line(0), state="BATCH_STATE_FAILED"), None])
async def test_a_failed_batch_with_answers_has_ended(
    server: Scripted, transport: AiohttpTransport, said: dict[str, Any] | None
) -> None:
    """Where lines were answered, or are said to have been, they were paid for: there is something to settle."""
    stats = {"requestCount": 3, "successfulRequestCount": 1}
    server.replies = {GET: Said(said or batch(state="BATCH_STATE_FAILED", metadata={"batchStats": stats}))}
    assert (await batches(transport, server.url).poll("batches/abc123")).phase is Phase.ENDED


# Answers


@pytest.mark.parametrize("place", ["both", "response", "output"])
async def test_the_answers_inside_become_lines(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path, place: str
) -> None:
    """Wherever a batch has its answers, each is a line with its bytes, refusals last, and nothing else stays."""
    raw = b'{"metadata" : {"key":"%b-7"},\n "response":{ "x" : 1.50,\r\n "y":"\\u2028"}}' % KEY.encode()
    error = json.dumps(line(8, error={"code": 3, "message": "bad"})).encode()
    inside = b'{"inlinedResponses":{"inlinedResponses":[%b,%b]}}' % (error, raw)
    empty = b"{}"
    response, output = inside if place != "output" else empty, inside if place != "response" else empty
    whole = b'{"name":"batches/abc123","metadata":{"state":"BATCH_STATE_SUCCEEDED","output":%b},"response":%b}'
    server.replies = {GET: Said(whole % (output, response))}
    client = batches(transport, server.url)
    path = tmp_path / "results"
    await client.download(BatchView("batches/abc123", Phase.ENDED, "SUCCEEDED"), path)
    read = list(client.results(path))
    assert [(result.id, result.status) for result in read] == [(f"{KEY}-7", 200), (f"{KEY}-8", 400)]
    assert read[0].body == b'{ "x" : 1.50,   "y":"\\u2028"}'
    assert list(tmp_path.iterdir()) == [path]


async def test_a_batch_without_answers_has_no_lines(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """Of a batch that expired or was cancelled before it was read there may be nothing: that is an empty file."""
    server.replies = {GET: Said(batch(state="BATCH_STATE_EXPIRED", done=True, error={"code": 4}))}
    client = batches(transport, server.url)
    await client.download(BatchView("batches/abc123", Phase.ENDED, "EXPIRED"), tmp_path / "results")
    assert list(client.results(tmp_path / "results")) == []


@pytest.mark.parametrize(
    "said",
    [
        Said(json.dumps(answered(line(0))).encode()[:-30]),
        Said(b""),
        Said(b"[" * 100_000),
        Said({"response": {"inlinedResponses": 7}}),
        Said({"response": {"responsesFile": "files/1"}}),
    ],
)
async def test_answers_that_cannot_be_read_are_no_answers(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path, said: Said
) -> None:
    """A batch that broke off, or has its answers elsewhere, is an error and never an empty file."""
    server.replies = {GET: said}
    client = batches(transport, server.url)
    with pytest.raises(BatchCallError) as caught:
        await client.download(BatchView("batches/abc123", Phase.ENDED, "SUCCEEDED"), tmp_path / "results")
    assert caught.value.failure.kind is FailureKind.UNREADABLE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        (1, 499, "CANCELLED"),
        (3, 400, "INVALID_ARGUMENT"),
        (4, 504, "DEADLINE_EXCEEDED"),
        (5, 404, "NOT_FOUND"),
        (7, 403, "PERMISSION_DENIED"),
        (8, 429, "RESOURCE_EXHAUSTED"),
        (9, 400, "FAILED_PRECONDITION"),
        (13, 500, "INTERNAL"),
        (14, 503, "UNAVAILABLE"),
        (16, 401, "UNAUTHENTICATED"),
        (429, 429, "UNKNOWN"),
        (99, 500, "UNKNOWN"),
        ("8", 500, "UNKNOWN"),
    ],
)
def test_a_refused_line_is_what_a_call_would_have_brought(code: Any, status: int, word: str) -> None:
    """The codes of gRPC have their HTTP statuses, and the body Gemini has with them; what was cancelled never ran."""
    result = read_result(json.dumps(line(1, error={"code": code, "message": "why", "details": [1]})).encode())
    assert (result.id, result.status, result.ran) == (f"{KEY}-1", status, code != 1)
    assert json.loads(result.body) == {"error": {"code": status, "message": "why", "status": word, "details": [1]}}


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ({"response": None, "error": None}, Result(f"{KEY}-1", torn=True)),
        ({"error": "words"}, Result(f"{KEY}-1", 500)),
        ({"response": None, "error": {"code": 5}}, Result(f"{KEY}-1", 404)),
        ({"response": [], "error": {"code": 5}}, Result(f"{KEY}-1", 200)),
        ({"metadata": 5, "response": {}}, Result(None, 200)),
        ({"metadata": {"key": 5}, "response": {}}, Result(None, 200)),
        ({"metadata": {"key": 5}, "other": {}}, Result(None, torn=True)),
    ],
)
def test_odd_lines_are_results(held: dict[str, Any], expected: Result) -> None:
    """What a line does not say as it should is left out, and nothing is guessed."""
    result = read_result(json.dumps({**line(1), "response": None, **held}).encode())
    assert (result.id, result.status, result.torn) == (expected.id, expected.status, expected.torn)


@given(st.binary() | st.integers(0, 300).map(lambda end: json.dumps(line(1)).encode()[:end]))
def test_no_line_raises(text: bytes) -> None:
    """Whatever a line holds, it is a result."""
    assert isinstance(read_result(text), Result)


async def test_an_answer_too_large_to_hold_goes_by_a_file(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that ended holds all its answers: it can be looked at and found however large they are."""
    monkeypatch.setattr(orchestrator.http, "MAX_BODY_BYTES", 100_000)
    done = answered(*(line(number, response={"text": "x" * 50_000}) for number in range(10)))
    server.replies = {GET: Said(done), LIST: Said({"operations": [done]})}
    client = batches(transport, server.url)
    view = await client.poll("batches/abc123")
    assert (view.phase, view.counts) == (Phase.ENDED, Counts(3, 2, 1))
    finding = await client.find(shard_of(client, server.url, tmp_path))
    assert finding.batch == view
    await client.download(view, tmp_path / "results")
    assert len(list(client.results(tmp_path / "results"))) == 10


# Errors


def exhausted(*quotas: str, **more: Any) -> dict[str, Any]:
    violations = [{"quotaMetric": "m", "quotaId": quota} for quota in quotas]
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}
    details = [{"@type": "type.googleapis.com/google.rpc.Help", "links": []}, *([failure] if quotas else [])]
    return {"error": {"code": 429, "message": "why", "status": "RESOURCE_EXHAUSTED", "details": details, **more}}


@pytest.mark.parametrize(
    ("said", "kind", "billing", "full"),
    [
        (Said(exhausted(), 429), FailureKind.THROTTLED, Billing.UNBILLED, True),
        (Said(exhausted(details=None), 429), FailureKind.THROTTLED, Billing.UNBILLED, True),
        (Said(exhausted("BatchEnqueuedTokensPerProjectPerModel"), 429), FailureKind.THROTTLED, Billing.UNBILLED, True),
        (Said(exhausted("RequestsPerMinutePerProject"), 429), FailureKind.THROTTLED, Billing.UNBILLED, False),
        (Said(exhausted("RequestsPerDayPerProject"), 429), FailureKind.QUOTA, Billing.UNBILLED, False),
        (Said({"error": {"code": 400, "status": "INVALID_ARGUMENT"}}, 400), FailureKind.ROW_REFUSED, None, False),
        (Said({"error": {"code": 403, "status": "PERMISSION_DENIED"}}, 403), FailureKind.KEY_REFUSED, None, False),
        (Said({"error": {"code": 500, "status": "INTERNAL"}}, 500), FailureKind.TRANSIENT, Billing.MAYBE, False),
        (Said(b"<html>"), FailureKind.UNREADABLE, Billing.MAYBE, False),
        (Said(batch("operations/1")), FailureKind.UNREADABLE, Billing.MAYBE, False),
        (Said(batch("batches/../models")), FailureKind.UNREADABLE, Billing.MAYBE, False),
        (Said(b"", 302, {"Location": "/elsewhere"}), FailureKind.UNREADABLE, Billing.MAYBE, False),
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
    """A full queue names no quota of a minute or a day; what may have taken effect is maybe."""
    server.replies = {CREATE: said}
    client = batches(transport, server.url)
    with pytest.raises(BatchCallError) as caught:
        await client.create(shard_of(client, server.url, tmp_path))
    assert caught.value.failure.kind is kind
    assert caught.value.failure.billing is (billing or Billing.UNBILLED)
    assert caught.value.queue_full is full


async def test_no_name_leads_elsewhere(transport_free: GeminiBatches) -> None:
    """A name from a log that is no batch's is never made part of an address."""
    for name in ("abc", "batches/", "batches/..", "batches/a/b", "models/x", "batches/a?b", ""):
        with pytest.raises(BatchCallError) as caught:
            await transport_free.poll(name)
        assert caught.value.failure.kind is FailureKind.UNREADABLE


async def test_the_oldest_of_several_batches_is_taken(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """A shard that was created twice is found on whichever pages its batches are; those of others are left alone."""
    server.replies = {
        LIST: Said({"operations": [batch("batches/late")], "nextPageToken": "2"}),
        f"{LIST}&pageToken=2": Said(
            {
                "operations": [
                    batch("batches/early", metadata={"createTime": "2025-11-23T07:00:00Z"}),
                    batch("batches/other", metadata={"displayName": "on-ffffffffff"}),
                    {"name": "batches/bare"},
                ]
            }
        ),
    }
    client = batches(transport, server.url)
    finding = await client.find(shard_of(client, server.url, tmp_path))
    assert (finding.looked, finding.others) == (Looked.FOUND, ("batches/late",))
    assert finding.batch is not None
    assert finding.batch.id == "batches/early"


async def test_a_refused_batch_gives_way_to_its_successor(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """A batch that a full queue refused was created again: what runs is the batch; what was cancelled is no other."""
    refused = batch("batches/old", "BATCH_STATE_FAILED", metadata={"createTime": "2025-11-23T06:00:00Z"}, done=True)
    refused["error"] = {"code": 8, "message": "why"}
    late = {"metadata": {"createTime": "2025-11-23T09:00:00Z"}}
    server.replies = {
        LIST: [
            Said({"operations": [batch("batches/gone", "JOB_STATE_CANCELLED", **late), batch(), refused]}),
            Said({"operations": [refused]}),
        ]
    }
    client = batches(transport, server.url)
    finding = await client.find(shard_of(client, server.url, tmp_path))
    assert finding.batch is not None
    assert (finding.batch.id, finding.others) == ("batches/abc123", ())
    finding = await client.find(shard_of(client, server.url, tmp_path))
    assert finding.batch is not None
    assert (finding.batch.id, finding.batch.queue_full) == ("batches/old", True)


@pytest.mark.parametrize("created", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", 1e297])
async def test_a_moment_of_another_age_is_none(server: Scripted, transport: AiohttpTransport, created: Any) -> None:
    """What no batch can have been created at is as if it were not there."""
    server.replies = {GET: Said(batch(metadata={"createTime": created}))}
    assert (await batches(transport, server.url).poll("batches/abc123")).created_at is None


async def test_a_list_that_fails_finds_nothing(server: Scripted, transport: AiohttpTransport, tmp_path: Path) -> None:
    """A search that could not be made is an error, never a batch that was not found; a list without an end ends."""
    client = batches(transport, server.url)
    shard = shard_of(client, server.url, tmp_path)
    for replies in ({LIST: Said({}, 500)}, {LIST: Said({"operations": [], "nextPageToken": "2"})}):
        server.replies = replies
        with pytest.raises(BatchCallError):
            await client.find(shard)
    again = Said({"operations": [], "nextPageToken": "2"})
    server.replies = {LIST: again, f"{LIST}&pageToken=2": again}
    assert (await client.find(shard)).looked is Looked.NOT_FOUND
    server.replies = {LIST: Said({})}
    assert (await client.find(shard)).looked is Looked.NOT_FOUND


async def test_a_cancellation_that_is_refused_is_an_error_while_it_runs(
    server: Scripted, transport: AiohttpTransport
) -> None:
    """Where the batch has ended, a refused cancellation is none that matters; where it runs, it is told."""
    server.replies = {
        "POST /v1beta/batches/abc123:cancel": Said({"error": {"status": "FAILED_PRECONDITION"}}, 400),
        GET: [Said(batch(state="BATCH_STATE_SUCCEEDED")), Said(batch())],
    }
    client = batches(transport, server.url)
    await client.cancel("batches/abc123")
    with pytest.raises(BatchCallError) as caught:
        await client.cancel("batches/abc123")
    assert caught.value.failure.status == 400


# The independent server, which has a form of its own for creation and answers


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLMock]:
    with LLMock(tmp_path_factory.mktemp("llmock") / "log") as server:
        yield server


async def test_an_independent_servers_batch_is_read_and_cancelled(mock: LLMock, transport: AiohttpTransport) -> None:
    """A batch that another server shows in its own way is still looked at, cancelled, and cancelled again."""
    asked_for = json.dumps({"requests": [{"request": body(0)}]}).encode()
    url = f"{mock.url}/gemini/v1beta/models/{GEMINI}:batchGenerateContent"
    _, _, answer = await transport.request("POST", url, {"Content-Type": "application/json"}, asked_for)
    name = json.loads(answer)["name"]
    client = batches(transport, f"{mock.url}/gemini/v1beta")
    assert (await client.poll(name)).phase is Phase.RUNNING
    await client.cancel(name)
    await client.cancel(name)
    view = await client.poll(name)
    assert (view.phase, view.status) == (Phase.ENDED, "JOB_STATE_CANCELLED")
