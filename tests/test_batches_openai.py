"""The batch client of OpenAI's API: against an independent server, and against scripts of all that may go wrong."""

import asyncio
import gzip
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.input_error import InputError
from providers.batches import line_files, openai_connection
from providers.batches.clients import make_batch_client
from providers.batches.openai_files import OpenAIBatches
from providers.batches.openai_results import read_results
from providers.batches.wire import BatchCallError, BatchClient, BatchView, Counts, Looked, Phase, Result, Shard
from providers.protocols.paths import CHAT, RESPONSES
from providers.provider import BatchApi, Provider
from providers.wire import Billing, FailureKind, HttpCall, Usage
from tests.harness.llmock import LLMock
from tests.harness.scripted_openai import Asked, Says, Scripted
from tests.test_connections import Authority

KEY = "on-1a2b3c4d5e"
SINCE = 1_800_000_000.0
BATCH = {"id": "batch_1", "object": "batch", "status": "in_progress", "created_at": int(SINCE) + 5}
MAYBE, UNBILLED = Billing.MAYBE, Billing.UNBILLED


def provider(**fields: Any) -> Provider:
    return Provider("openai", batch=BatchApi(), **fields)


def client_at(url: str, key: str | None = "sk-secret", **fields: Any) -> OpenAIBatches:
    return OpenAIBatches(provider(**fields), "lab-1", url + "/v1", key)


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with Scripted() as scripted:
        yield scripted


@pytest.fixture
async def client(server: Scripted) -> AsyncIterator[OpenAIBatches]:
    made = client_at(server.url)
    yield made
    await made.close()


def body_of(text: str = "hello", model: str = "lab-1") -> bytes:
    message = {"role": "user", "content": text}
    return json.dumps({"model": model, "messages": [message]}, ensure_ascii=False).encode()


def call_of(body: bytes) -> HttpCall:
    return HttpCall("http://127.0.0.1/v1/chat/completions", {}, body)


def shard_of(tmp_path: Path, *lines: bytes, key: str = KEY, file: str | None = None) -> Shard:
    path = tmp_path / f"{key}.shard"
    path.write_bytes(b"".join(line + b"\n" for line in lines or (b"{}",)))
    return Shard(key, path, len(lines), CHAT, "lab-1", SINCE, file)


def results_of(tmp_path: Path, *lines: bytes | str | dict[str, Any]) -> list[Result]:
    written = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    path = tmp_path / "results"
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in written))
    return list(read_results(path))


def listed(*items: dict[str, Any], more: bool | None = False) -> Says:
    page: dict[str, Any] = {"object": "list", "data": list(items)}
    return Says(page if more is None else page | {"has_more": more})


async def failing(awaited: Any) -> BatchCallError:
    with pytest.raises(BatchCallError) as raised:
        await awaited
    return raised.value


# Lines


def test_a_line_holds_the_body_as_it_stands(client_there: OpenAIBatches) -> None:
    """A row's line is its body byte for byte; only what could end the line is written otherwise."""
    group, line = client_there.line(f"{KEY}-7", CHAT, call_of(b'{"a" :1.0,\r\n "a":"\xc3\xbc \\u00fc"}'))
    expected = b'{"custom_id":"on-1a2b3c4d5e-7","method":"POST","url":"/v1/chat/completions","body":%b}'
    assert group == CHAT
    assert line == expected % b'{"a" :1.0,   "a":"\xc3\xbc \\u00fc"}'


def test_no_character_ends_a_line_early(client_there: OpenAIBatches) -> None:
    """A line stays one also for a server that splits lines wherever Unicode has a break."""
    body = body_of("a\u2028b\u2029c\u0085d")
    _, line = client_there.line("on-x-1", CHAT, call_of(body))
    assert len(line.decode().splitlines()) == 1
    assert json.loads(line)["body"] == json.loads(body)


@pytest.fixture
def client_there() -> OpenAIBatches:
    return client_at("http://127.0.0.1:9")


def azure(**fields: Any) -> Provider:
    api = BatchApi(deployments={"gpt-4o": "batch-4o"})
    return Provider("azure", batch=api, **({"api_version": "2024-10-21"} | fields))


def test_lines_of_azure_name_the_deployment() -> None:
    """On Azure a line names the global-batch deployment and a path without a version, but for responses."""
    made = OpenAIBatches(azure(), "gpt-4o", "http://127.0.0.1:9", "k")
    group, line = made.line("on-x-1", CHAT, call_of(b'{"model":"gpt-4o","n" : 1.0}'))
    assert (group, json.loads(line)["url"]) == ("/chat/completions",) * 2
    assert line.endswith(b'"body":{"model":"batch-4o","n":1.0}}')
    assert made.line("on-x-2", RESPONSES, call_of(b'{"model":"gpt-4o"}'))[0] == "/v1/responses"


def test_lines_of_a_deployment_of_the_models_name_stay_as_they_are() -> None:
    """Where the deployment has the model's name nothing is written anew."""
    made = OpenAIBatches(azure(), "gpt-4o-mini", "http://127.0.0.1:9", "k")
    _, line = made.line("on-x-1", CHAT, call_of(b'{"n" : 1.0, "model":"gpt-4o-mini"}'))
    assert line.endswith(b'"body":{"n" : 1.0, "model":"gpt-4o-mini"}}')


def test_what_the_catalog_lacks_is_said() -> None:
    """Azure without a version, and certificates that cannot be read, are bad input before any call."""
    with pytest.raises(InputError, match="no API version"):
        OpenAIBatches(azure(api_version=None), "gpt-4o", "http://127.0.0.1:9", "k")
    with pytest.raises(InputError, match="cannot be read"):
        client_at("http://127.0.0.1:9", ca_file="/nonexistent/ca.pem")


# Calls


async def test_a_file_goes_up(server: Scripted, client: OpenAIBatches, tmp_path: Path) -> None:
    """An upload is the shard's file, byte for byte, under its key's name and for batches."""
    lines = [b'{"row":%d}' % i for i in range(30_000)]
    server.says.append(Says({"id": "file-1"}))
    shard = shard_of(tmp_path, *lines)
    assert await client.upload(shard) == "file-1"
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("POST", "/v1/files")
    assert b'filename="on-1a2b3c4d5e.jsonl"' in asked.body
    assert b'name="purpose"\r\n\r\nbatch\r\n' in asked.body
    assert shard.path.read_bytes() in asked.body


async def test_a_batch_is_created_under_its_key(server: Scripted, client: OpenAIBatches, tmp_path: Path) -> None:
    """What creates a batch names its file, endpoint and window, and bears its key; the view says what came back."""
    server.says.append(Says(BATCH | {"status": "validating", "expires_at": int(SINCE) + 86_400}))
    view = await client.create(shard_of(tmp_path, file="file-1"))
    assert json.loads(server.asked[0].body) == {
        "input_file_id": "file-1",
        "endpoint": CHAT,
        "completion_window": "24h",
        "metadata": {"overnight": KEY},
    }
    expected = BatchView("batch_1", Phase.RUNNING, "validating", None, SINCE + 5, SINCE + 86_400)
    assert view == expected


async def test_only_the_catalogs_headers_leave(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, accounts, headers and proxies of the environment are for somebody else."""
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "foreign")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Foreign: foreign\nAuthorization: Bearer foreign")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    server.otherwise = lambda asked: Says(BATCH)
    for made in (
        client_at(server.url, None),
        client_at(server.url, "sk-1", organization="org-1", project="proj-1", headers={"X-Team": "eval"}),
    ):
        await made.poll("batch_1")
        await made.close()
    bare, dressed = (asked.headers for asked in server.asked)
    assert "foreign" not in str(server.asked)
    assert "authorization" not in bare
    assert dressed["authorization"] == "Bearer sk-1"
    assert (dressed["openai-organization"], dressed["openai-project"]) == ("org-1", "proj-1")
    assert dressed["x-team"] == "eval"


async def test_certificates_are_checked_as_online(tmp_path: Path) -> None:
    """A private CA is trusted where the catalog names it, and nowhere else; no redirect leads out of https."""
    authority = Authority("A private CA")
    trusting = {"ca_file": str(authority.write(tmp_path / "ca.pem"))}
    async with Scripted(tls=authority.server_context(tmp_path)) as secure, Scripted() as plain:
        secure.otherwise = lambda asked: Says(BATCH)
        for fields, reached in ((trusting, True), ({"verify": False}, True), ({}, False)):
            made = client_at(secure.url, **fields)
            if reached:
                assert (await made.poll("batch_1")).id == "batch_1"
            else:
                failure = (await failing(made.create(shard_of(tmp_path, file="file-1")))).failure
                assert (failure.kind, failure.billing) == (FailureKind.TRANSIENT, UNBILLED)
                assert "certificate" in failure.message
            await made.close()
        made = client_at(secure.url, **trusting)
        secure.says.append(Says(b"", 302, {"Location": plain.url + "/blob"}))
        await failing(made.download(ended("file-o"), tmp_path / "out"))
        assert plain.asked == []
        await made.close()


async def test_calls_go_through_the_catalogs_proxy(server: Scripted) -> None:
    """The proxy is asked for the provider's address, with the password that its own address holds."""
    made = client_at("http://provider.invalid", proxy=server.url.replace("http://", "http://me:s3cret-word@"))
    server.says.append(Says(BATCH))
    assert (await made.poll("batch_1")).id == "batch_1"
    headers = server.asked[0].headers
    assert (headers["host"], headers["authorization"]) == ("provider.invalid", "Bearer sk-secret")
    assert headers["proxy-authorization"].startswith("Basic ")
    await made.close()
    made = client_at("http://provider.invalid", proxy="http://me:s3cret-word@127.0.0.1:9")
    failure = (await failing(made.create(Shard(KEY, Path("none"), 1, CHAT, "lab-1", SINCE, "file-1")))).failure
    assert (failure.kind, failure.billing) == (FailureKind.TRANSIENT, UNBILLED)
    assert "s3cret-word" not in failure.message
    await made.close()


async def test_azure_is_called_as_it_documents(server: Scripted, tmp_path: Path) -> None:
    """On Azure files and batches lie under the resource, with its version and its own header for the key."""
    made = OpenAIBatches(azure(), "gpt-4o", server.url, "k-azure")
    server.says.extend([Says({"id": "file-1"}), Says(BATCH), Says(BATCH), Says(b"")])
    shard = shard_of(tmp_path, file="file-1")
    await made.upload(shard)
    await made.create(msgspec.structs.replace(shard, group="/chat/completions"))
    await made.cancel("batch_1")
    await made.download(BatchView("batch_1", Phase.ENDED, "completed", results=("file-2",)), tmp_path / "out")
    assert [asked.path for asked in server.asked] == [
        "/openai/files",
        "/openai/batches",
        "/openai/batches/batch_1/cancel",
        "/openai/files/file-2/content",
    ]
    assert {(asked.query["api-version"], asked.headers["api-key"]) for asked in server.asked} == {
        ("2024-10-21", "k-azure")
    }
    assert all("authorization" not in asked.headers for asked in server.asked)
    await made.close()


Call = Callable[[OpenAIBatches, Shard], Any]
CALLS: dict[str, Call] = {
    "upload": lambda client, shard: client.upload(shard),
    "create": lambda client, shard: client.create(shard),
    "cancel": lambda client, shard: client.cancel("batch_1"),
    "poll": lambda client, shard: client.poll("batch_1"),
    "find": lambda client, shard: client.find(shard),
    "find_upload": lambda client, shard: client.find_upload(shard),
}
EFFECTS = ("upload", "create", "cancel")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("said", "kind", "billing"),
    [
        (Says(drop=True), FailureKind.TRANSIENT, MAYBE),
        (Says({"error": {"message": "oh"}}, 500), FailureKind.TRANSIENT, MAYBE),
        (Says(b"<html>", 502), FailureKind.TRANSIENT, MAYBE),
        (Says({"error": {"message": "no"}}, 401), FailureKind.KEY_REFUSED, UNBILLED),
        (Says({"error": {"code": "insufficient_quota"}}, 429), FailureKind.QUOTA, UNBILLED),
        (Says({"error": {"message": "slowly"}}, 429, {"Retry-After": "17"}), FailureKind.THROTTLED, UNBILLED),
        (Says(b"", 307, {"Location": "http://127.0.0.1:9/"}), FailureKind.UNREADABLE, MAYBE),
        (Says(b"\x1f\x8bno", headers={"Content-Encoding": "gzip"}), FailureKind.TRANSIENT, MAYBE),
    ],
    ids=["drop", "500", "502", "401", "quota", "429", "redirect", "bad gzip"],
)
async def test_failures_are_typed(
    server: Scripted, client: OpenAIBatches, tmp_path: Path, name: str, said: Says, kind: FailureKind, billing: Billing
) -> None:
    """Whatever goes wrong is typed by status and code, is asked once, and may have had an effect only where it can."""
    server.otherwise = lambda asked: said
    failure = (await failing(CALLS[name](client, shard_of(tmp_path, file="file-1")))).failure
    assert (failure.kind, failure.billing) == (kind, billing if name in EFFECTS else UNBILLED)
    assert len(server.asked) == 1
    if "Retry-After" in said.headers:
        assert failure.retry_after_s == 17
    assert "sk-secret" not in failure.message


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"cancel"}))
@pytest.mark.parametrize("body", [b"", b"[1]", b'"x"', b"{}", b"nonsense", b'{"id":5}', b'{"id":', b'{"id":".."}'])
async def test_an_answer_that_is_something_else_is_unreadable(
    server: Scripted, client: OpenAIBatches, tmp_path: Path, name: str, body: bytes
) -> None:
    """A 200 that shows no batch, file or list says nothing of what was done."""
    server.says.append(Says(body))
    failure = (await failing(CALLS[name](client, shard_of(tmp_path, file="file-1")))).failure
    assert (failure.kind, failure.billing) == (
        FailureKind.UNREADABLE,
        MAYBE if name in EFFECTS else UNBILLED,
    )


@pytest.mark.parametrize("name", CALLS)
async def test_nobody_there(tmp_path: Path, name: str) -> None:
    """Where no connection stood nothing was done."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        made = client_at(f"http://127.0.0.1:{taken.getsockname()[1]}")
        failure = (await failing(CALLS[name](made, shard_of(tmp_path)))).failure
    assert (failure.kind, failure.billing) == (FailureKind.TRANSIENT, UNBILLED)
    await made.close()


@pytest.mark.parametrize("name", ["create", "poll"])
async def test_an_answer_that_does_not_come_is_not_awaited(server: Scripted, tmp_path: Path, name: str) -> None:
    """After the provider's time-out a creation may have taken effect, and a look has none."""
    made = client_at(server.url, timeout_s=0.1)
    server.otherwise = lambda asked: Says(BATCH, wait_s=5)
    failure = (await failing(CALLS[name](made, shard_of(tmp_path, file="file-1")))).failure
    kinds = {"create": (FailureKind.TIMED_OUT, MAYBE), "poll": (FailureKind.TRANSIENT, UNBILLED)}
    assert (failure.kind, failure.billing) == kinds[name]
    await made.close()


async def test_an_endless_answer_is_cut_off(
    server: Scripted, client: OpenAIBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer is read up to a limit of what it unpacks to; of a refusal the beginning is enough."""
    monkeypatch.setattr(openai_connection, "MAX_ANSWER_BYTES", 1000)
    packed = gzip.compress(json.dumps(BATCH | {"pad": "x" * 10_000}).encode())
    server.says.append(Says(packed, headers={"Content-Encoding": "gzip"}))
    assert (await failing(client.poll("batch_1"))).failure.kind is FailureKind.TOO_LARGE
    server.says.append(Says(b"x" * (5 << 20), 400))
    failure = (await failing(client.poll("batch_1"))).failure
    assert failure.kind is FailureKind.ROW_REFUSED
    assert len(failure.message) <= 2000


@pytest.mark.parametrize("status", [400, 429])
async def test_a_full_queue_is_told_apart(server: Scripted, client: OpenAIBatches, tmp_path: Path, status: int) -> None:
    """A creation that is refused for what else is in the queue is a matter of time, whatever its status."""
    error = {"code": "token_limit_exceeded", "message": "enqueued tokens"}
    server.says.append(Says({"error": error}, status, {"Retry-After": "60"}))
    raised = await failing(client.create(shard_of(tmp_path, file="file-1")))
    assert raised.queue_full
    assert (raised.failure.kind, raised.failure.billing) == (FailureKind.THROTTLED, UNBILLED)
    assert raised.failure.retry_after_s == 60


@pytest.mark.parametrize("status", [400, 409])
async def test_what_has_ended_is_not_cancelled_again(server: Scripted, client: OpenAIBatches, status: int) -> None:
    """That a batch is over already is no failure of its cancelling; that there is none is one."""
    server.says.append(Says({"detail": "already completed"}, status))
    await client.cancel("batch_1")
    server.says.append(Says({"detail": "no such batch"}, 404))
    assert (await failing(client.cancel("batch_1"))).failure.status == 404


# States


async def seen(server: Scripted, client: OpenAIBatches, **fields: Any) -> BatchView:
    server.says.append(Says(BATCH | fields))
    return await client.poll("batch_1")


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        *((word, Phase.RUNNING) for word in ("validating", "in_progress", "finalizing", "cancelling", "paused", "", 5)),
        *((word, Phase.ENDED) for word in ("completed", "expired", "cancelled", "COMPLETED")),
        ("failed", Phase.REFUSED),
    ],
)
async def test_each_word_is_a_phase(server: Scripted, client: OpenAIBatches, status: Any, phase: Phase) -> None:
    """A word that nobody knows is of a batch that is looked at again."""
    assert (await seen(server, client, status=status)).phase is phase


async def test_all_of_a_batch_is_seen(server: Scripted, client: OpenAIBatches) -> None:
    """Counts, times, files and the usage of all lines are the batch's; its server may be a simulator."""
    usage = {
        "input_tokens": 70,
        "input_tokens_details": {"cached_tokens": 10},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
    }
    fields = {"status": "expired", "request_counts": {"total": 9, "completed": 7, "failed": 2}, "usage": usage}
    files = {"output_file_id": "file-o", "error_file_id": "file-e", "expires_at": SINCE + 9}
    server.says.append(Says(BATCH | fields | files, headers={"X-Overnight-Simulated": "1"}))
    counts, used = Counts(9, 7, 2), Usage(70, 20, 10, 0, 5)
    assert await client.poll("batch_1") == BatchView(
        "batch_1", Phase.ENDED, "expired", counts, SINCE + 5, SINCE + 9, ("file-o", "file-e"), used, simulated=True
    )


@pytest.mark.parametrize(
    "odd",
    [
        {"request_counts": {"total": None, "completed": -1, "failed": "x"}},
        {"request_counts": [1], "errors": "no", "usage": 5, "metadata": 3},
        {"created_at": True, "expires_at": "soon", "output_file_id": "", "error_file_id": 7},
        {"output_file_id": "..", "error_file_id": "a\nb", "usage": {"input_tokens": "many"}},
        {"usage": {"input_tokens": 0, "output_tokens": 0}},
        {"errors": {"data": [None, 5, {"line": True}]}},
    ],
)
async def test_odd_fields_are_as_if_they_were_not_there(
    server: Scripted, client: OpenAIBatches, odd: dict[str, Any]
) -> None:
    """Whatever a field holds, the batch is seen."""
    view = await seen(server, client, **{"status": "completed", **odd})
    assert (view.phase, view.results, view.usage) == (Phase.ENDED, (), None)
    assert view.counts in (None, Counts())


async def test_a_poll_without_an_id_is_of_what_was_asked_for(server: Scripted, client: OpenAIBatches) -> None:
    """A batch keeps its id and its ending where its server tells little else; times come in many spellings."""
    server.says.append(Says({"status": "completed", "created_at": (SINCE + 5) * 1000, "output_file_id": "f"}))
    view = await client.poll("batch_9")
    assert (view.id, view.phase, view.created_at, view.results) == ("batch_9", Phase.ENDED, SINCE + 5, ("f",))
    assert (await seen(server, client, created_at="2027-01-15T08:00:05Z")).created_at == SINCE + 5


async def test_a_batch_that_failed_in_validation_says_why(server: Scripted, client: OpenAIBatches) -> None:
    """What never ran says what is wrong, and with which lines."""
    errors = [
        {"code": "invalid_json_line", "message": "not JSON", "line": 2},
        {"code": "invalid_method", "message": "not POST", "line": 5},
        {"code": "again", "line": 5},
    ]
    view = await seen(server, client, status="failed", errors={"object": "list", "data": errors})
    assert view.phase is Phase.REFUSED
    assert view.bad_lines == {2: "invalid_json_line: not JSON", 5: "invalid_method: not POST"}
    assert view.problem is not None
    assert (view.problem.kind, view.problem.code) == (FailureKind.ROW_REFUSED, "invalid_json_line")
    assert view.problem.billing is UNBILLED
    assert not view.queue_full


@pytest.mark.parametrize(
    ("code", "kind", "full"),
    [
        ("token_limit_exceeded", FailureKind.THROTTLED, True),
        ("billing_hard_limit_reached", FailureKind.QUOTA, False),
        (None, FailureKind.ROW_REFUSED, False),
        (["odd"], FailureKind.ROW_REFUSED, False),
    ],
)
async def test_the_reason_of_a_refusal_is_typed(
    server: Scripted, client: OpenAIBatches, code: Any, kind: FailureKind, full: bool
) -> None:
    """A batch is refused by code: for a full queue, for money, or for itself."""
    view = await seen(server, client, status="failed", errors={"data": [{"code": code, "message": "m", "line": None}]})
    assert view.problem is not None
    assert (view.phase, view.problem.kind, view.queue_full) == (Phase.REFUSED, kind, full)


async def test_a_failed_batch_with_results_has_ended(server: Scripted, client: OpenAIBatches) -> None:
    """A batch is called failed by some where each line failed: it ran, and its lines say how; a full queue says not."""
    errors = {"data": [{"code": "batch_line_error"}]}
    ran = await seen(server, client, status="failed", error_file_id="file-e", errors=errors)
    assert (ran.phase, ran.results, ran.problem) == (Phase.ENDED, ("file-e",), None)
    counted = await seen(server, client, status="failed", request_counts={"total": 2, "completed": 1, "failed": 1})
    assert counted.phase is Phase.ENDED
    full = {"data": [{"code": "token_limit_exceeded"}]}
    named = await seen(server, client, status="failed", error_file_id="file-e", output_file_id="file-o", errors=full)
    assert (named.phase, named.queue_full) == (Phase.REFUSED, True)


@pytest.mark.parametrize(
    "told",
    [f"1{'0' * 400}", f"-1{'0' * 400}", "1e297", "1e-300", "0", "5", "253402300800", "100000000000000", "[1800000000]"],
    ids=range(9),
)
async def test_a_moment_of_another_age_is_none(server: Scripted, client: OpenAIBatches, told: str) -> None:
    """What no batch can have been created at, or can expire at, is as if it were not there."""
    assert (await seen(server, client, expires_at="9999-12-31T23:59:59Z")).expires_at is None
    text = f'{{"id":"batch_1","status":"in_progress","created_at":{told},"expires_at":{told}}}'
    server.says.append(Says(text.encode()))
    view = await client.poll("batch_1")
    assert (view.phase, view.created_at, view.expires_at) == (Phase.RUNNING, None, None)


# Searches


def batch(id_: str, at: float = 5, key: str | None = KEY, **fields: Any) -> dict[str, Any]:
    metadata = None if key is None else {"overnight": key}
    return BATCH | {"id": id_, "created_at": SINCE + at, "metadata": metadata} | fields


async def test_a_batch_whose_creation_was_never_answered_is_found(
    server: Scripted, client: OpenAIBatches, tmp_path: Path
) -> None:
    """What was created without an answer is found by its key; of two of them the later is one too many."""
    shard = shard_of(tmp_path, file="file-1")
    server.says.append(Says(drop=True))
    assert (await failing(client.create(shard))).failure.billing is MAYBE
    server.says.append(listed(batch("b3", 9), batch("b2", 5), batch("x", 5, "on-other"), batch("b1", 5)))
    finding = await client.find(shard)
    assert finding.batch is not None
    assert (finding.looked, finding.batch.id, finding.others) == (Looked.FOUND, "b1", ("b2", "b3"))


async def test_a_server_without_metadata_is_searched_by_file(
    server: Scripted, client: OpenAIBatches, tmp_path: Path
) -> None:
    """Where a server keeps no metadata, the file tells whose batch it is; what is known to be another's is not ours."""
    items = [batch("b2", key=None, input_file_id="file-2"), batch("b1", key=None, input_file_id="file-1")]
    server.otherwise = lambda asked: listed(*items)
    shard = shard_of(tmp_path, file="file-1")
    finding = await client.find(shard)
    assert finding.batch is not None
    assert (finding.batch.id, finding.others) == ("b1", ())
    assert (await client.find(msgspec.structs.replace(shard, file=None))).looked is Looked.NOT_FOUND
    assert (await client.find(msgspec.structs.replace(shard, known=("b1",)))).looked is Looked.NOT_FOUND


async def test_a_refused_batch_gives_way_to_its_successor(
    server: Scripted, client: OpenAIBatches, tmp_path: Path
) -> None:
    """A batch that a full queue refused was created again: what runs is the batch; what was cancelled is no other."""
    refused = batch("b1", 1, status="failed", errors={"data": [{"code": "token_limit_exceeded"}]})
    server.says.append(listed(batch("b3", 9, status="cancelled"), batch("b2", 5), refused))
    finding = await client.find(shard_of(tmp_path))
    assert finding.batch is not None
    assert (finding.batch.id, finding.others) == ("b2", ())
    server.says.append(listed(refused))
    finding = await client.find(shard_of(tmp_path))
    assert finding.batch is not None
    assert finding.batch.queue_full


async def test_lists_are_paged_until_they_are_too_old(server: Scripted, client: OpenAIBatches, tmp_path: Path) -> None:
    """A search turns pages to ten minutes before the shard, and no further."""
    pages = [
        listed(batch("a", 900, "on-x"), batch("b", 800, "on-x"), more=True),
        listed(batch("c", 100, "on-x"), batch("d", -700, "on-x"), more=True),
        listed(batch("e", -800)),
    ]
    server.says.extend(pages)
    assert (await client.find(shard_of(tmp_path))).looked is Looked.NOT_FOUND
    assert [asked.query.get("after") for asked in server.asked] == [None, "b"]


async def test_pages_are_turned_by_the_servers_clock(server: Scripted, client: OpenAIBatches, tmp_path: Path) -> None:
    """Where our clock is an hour ahead of the server's, a search goes back an hour further."""
    late = formatdate(time.time() - 3600, usegmt=True)
    newer = listed(batch("a", -900, "on-x"), batch("b", -1000, "on-x"), more=True)
    server.says.extend([Says(newer.body, headers={"Date": late}), listed(batch("c", -3595))])
    assert (await client.find(shard_of(tmp_path))).looked is Looked.FOUND


@pytest.mark.parametrize("more", [True, None])
async def test_a_list_that_ignores_its_cursor_comes_to_an_end(
    server: Scripted, client: OpenAIBatches, tmp_path: Path, more: bool | None
) -> None:
    """A server that gives the same page again and again is not asked for ever."""
    server.otherwise = lambda asked: listed(*(batch(f"b{i}", 100, "on-x") for i in range(100)), more=more)
    assert (await client.find(shard_of(tmp_path))).looked is Looked.NOT_FOUND
    assert len(server.asked) == 2


async def test_a_list_with_its_oldest_first_is_read_to_the_end(
    server: Scripted, client: OpenAIBatches, tmp_path: Path
) -> None:
    """That a page is old says nothing where the newest come last."""
    server.says.append(listed(batch("a", -9000, "on-x"), batch("b", -8000, "on-x"), more=True))
    server.says.append(listed(batch("c", 5)))
    assert (await client.find(shard_of(tmp_path))).looked is Looked.FOUND


async def test_a_list_without_an_end_is_no_answer(server: Scripted, client: OpenAIBatches, tmp_path: Path) -> None:
    """What was not looked through to its end does not say that there is no batch."""

    def endless(asked: Asked) -> Says:
        return listed(batch(f"b{len(server.asked)}", 100, "on-x"), more=True)

    server.otherwise = endless
    assert (await failing(client.find(shard_of(tmp_path)))).failure.kind is FailureKind.UNREADABLE


async def test_an_uploaded_file_is_found_again(server: Scripted, client: OpenAIBatches, tmp_path: Path) -> None:
    """The file of a shard is known by its name and size; half a file, a broken one and another's are not it."""
    shard = shard_of(tmp_path, b"{}", b"{}")
    named = {"filename": f"{KEY}.jsonl", "created_at": SINCE + 5, "bytes": 6}
    files = [
        named | {"id": "half", "bytes": 3},
        named | {"id": "broken", "status": "error"},
        named | {"id": "other", "filename": "x.jsonl"},
        named | {"id": "ours", "status": "processed"},
    ]
    server.says.append(listed(*files))
    assert await client.find_upload(shard) == "ours"
    assert (server.asked[0].query["purpose"], server.asked[0].query["order"]) == ("batch", "desc")
    server.says.append(listed(*files[:3]))
    assert await client.find_upload(shard) is None


@pytest.mark.parametrize("status", [404, 405])
async def test_a_server_without_a_list_of_files_has_none_of_ours(
    server: Scripted, client: OpenAIBatches, tmp_path: Path, status: int
) -> None:
    """An upload that cannot be found again costs another upload; a batch that cannot be looked for is a failure."""
    server.otherwise = lambda asked: Says(b"", status)
    assert await client.find_upload(shard_of(tmp_path)) is None
    assert (await failing(client.find(shard_of(tmp_path)))).failure.status == status


# Downloads


def ended(*results: str) -> BatchView:
    return BatchView("batch_1", Phase.ENDED, "completed", results=results)


async def test_answers_come_before_failures(server: Scripted, client: OpenAIBatches, tmp_path: Path) -> None:
    """All files of a batch become one, in their order, each ending its last line; they may come packed."""
    packed = gzip.compress(b'{"a":1}')
    server.says.extend([Says(packed, headers={"Content-Encoding": "gzip"}), Says(b""), Says(b'{"b":2}\n')])
    await client.download(ended("file-o", "empty", "file/e"), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b'{"a":1}\n{"b":2}\n'
    assert server.asked[2].path in ("/v1/files/file/e/content", "/v1/files/file%2Fe/content")
    await client.download(ended(), tmp_path / "none")
    assert (tmp_path / "none").read_bytes() == b""


async def test_a_download_follows_a_redirect_without_our_key(server: Scripted, tmp_path: Path) -> None:
    """Files may lie with somebody else, who is told nothing of ours."""
    made = client_at(server.url, headers={"X-Team-Token": "t-secret"})
    async with Scripted(lambda asked: Says(b"{}\n")) as store:
        server.says.append(Says(b"", 302, {"Location": store.url + "/blob?signed=1"}))
        await made.download(ended("file-o"), tmp_path / "out")
        assert store.asked[0].query == {"signed": "1"}
        assert "secret" not in str(store.asked)
    assert "t-secret" in str(server.asked)
    assert (tmp_path / "out").read_bytes() == b"{}\n"
    await made.close()


@pytest.mark.parametrize(
    "broken", [Says({"error": {"message": "gone"}}, 404), Says(b"{}", headers={"Content-Encoding": "gzip"})]
)
async def test_half_a_download_is_none(server: Scripted, client: OpenAIBatches, tmp_path: Path, broken: Says) -> None:
    """Where one file of a batch does not come, there is nothing to read."""
    server.says.extend([Says(b"{}\n"), broken])
    assert (await failing(client.download(ended("file-o", "file-e"), tmp_path / "out"))).failure.billing is UNBILLED
    assert list(tmp_path.iterdir()) == []


# Results


def response(status: int, body: Any) -> dict[str, Any]:
    return {"status_code": status, "request_id": "req-1", "body": body}


def test_an_answer_is_what_a_call_would_have_brought(tmp_path: Path) -> None:
    """Status, request and body of a result are those of its answer, the body byte for byte."""
    line = (
        '{"id":"b","custom_id":"on-x-1","response":{"status_code":200,"request_id":"r","body":{"a" :1.0}},"error":null}'
    )
    azures = '{"error":null,"response":{"body":{"a":"\\u00fc"},"status_code":"200"},"custom_id":"on-x-2"}'
    assert results_of(tmp_path, "\ufeff" + line, "", azures + "\r") == [
        Result("on-x-1", 200, b'{"a" :1.0}', "r"),
        Result("on-x-2", 200, b'{"a":"\\u00fc"}'),
    ]


NOTE = {"code": "batch_expired", "message": "m"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"response": response(429, {"error": {"code": "c"}})}, (429, b'{"error": {"code": "c"}}', True)),
        ({"response": response(400, {"message": "m"})}, (400, b'{"error":{"message": "m"}}', True)),
        ({"response": response(400, None), "error": {"message": "m"}}, (400, b'{"error":{"message": "m"}}', True)),
        ({"response": None, "error": NOTE}, (400, b'{"error":{"code": "batch_expired", "message": "m"}}', False)),
        ({"error": {"code": "batch_cancelled"}}, (400, b'{"error":{"code": "batch_cancelled"}}', False)),
        ({"error": {"code": "request_timeout"}}, (408, b'{"error":{"code": "request_timeout"}}', True)),
        ({"error": {"code": 503, "message": "m"}}, (503, b'{"error":{"code": 503, "message": "m"}}', True)),
        ({"error": {"code": "other"}}, (400, b'{"error":{"code": "other"}}', True)),
        ({"error": "a sentence"}, (400, b'{"error":"a sentence"}', True)),
        ({"response": response(200, None), "error": {"code": 400}}, (400, b'{"error":{"code": 400}}', True)),
        ({"response": response(200, {"x": 1}), "error": {"code": "odd"}}, (200, b'{"x": 1}', True)),
        ({"response": response(200, None)}, (200, b"", True)),
        ({"response": response(7, {"x": 1})}, (200, b'{"x": 1}', True)),
    ],
)
def test_a_failed_row_says_so(tmp_path: Path, line: dict[str, Any], expected: tuple[int, bytes, bool]) -> None:
    """A row that had its turn has a status; one that had none was not billed; what was answered is paid for."""
    (result,) = results_of(tmp_path, {"custom_id": "on-x-1"} | line)
    assert (result.status, result.body, result.ran) == expected
    assert (result.id, result.torn) == ("on-x-1", False)


WHOLE = '{"id": "batch_req_1", "custom_id": "on-x-1", "response": {"status_code": 200, "body": {"a": "b"}}}'
FORGED = (
    '{"id": "b", "response": {"body": {"metadata": {"custom_id": "on-x-9"}, "text": "{\\"custom_id\\": \\"on-x-9\\", '
)


@pytest.mark.parametrize(
    ("line", "id_"),
    [
        (WHOLE[:-1], "on-x-1"),
        (WHOLE[:60], "on-x-1"),
        (WHOLE[: WHOLE.index("on-x-1") + 4], None),
        (WHOLE[: WHOLE.index("on-x-1") + 7], None),
        (WHOLE + WHOLE, "on-x-1"),
        (WHOLE[30:], None),
        (FORGED, None),
        ("nonsense", None),
        ("[1]", None),
        ("[" * 100_000, None),
        ('{"custom_id": "on-x-1"}', "on-x-1"),
        ('{"custom_id": "\\ud800", "response": {"body": {}}}', None),
    ],
)
def test_a_torn_line_is_named_where_its_id_is_whole(tmp_path: Path, line: str, id_: str | None) -> None:
    """A line that is not whole keeps its id where that is certain, and takes none from inside an answer."""
    first, second = results_of(tmp_path, line, WHOLE)
    assert (first.id, first.torn) == (id_, True)
    assert line.encode().startswith(first.body)
    assert (second.id, second.torn) == ("on-x-1", False)


@pytest.mark.parametrize("custom_id", [None, 5, ["on-x-1"]])
def test_a_whole_line_without_an_id_is_nobodys(tmp_path: Path, custom_id: Any) -> None:
    """An id that is none is not guessed."""
    (result,) = results_of(tmp_path, {"custom_id": custom_id, "response": response(200, {})})
    assert (result.id, result.torn, result.body) == (None, False, b"{}")


def test_a_line_that_is_too_long_is_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is not held in memory, and the next one is read."""
    monkeypatch.setattr(line_files, "MOST_LINE_BYTES", 200)
    long = json.dumps({"custom_id": "on-x-2", "response": response(200, "x" * 5000)})
    first, second = results_of(tmp_path, long, WHOLE)
    assert (first.id, first.torn) == ("on-x-2", True)
    assert len(first.body) <= 200
    assert second.id == "on-x-1"


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([WHOLE.encode(), FORGED.encode()])), max_size=6))
def test_reading_results_never_raises(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    """Whatever bytes come down, they are read as results, and whole lines among them as what they are."""
    path = tmp_path_factory.getbasetemp() / "any-results"
    path.write_bytes(b"\n".join([*pieces, WHOLE.encode()]))
    *_, last = read_results(path)
    assert last.id == "on-x-1"


# The independent server


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLMock]:
    with LLMock(tmp_path_factory.mktemp("llmock") / "log") as started:
        yield started


async def until_over(client: BatchClient, batch_id: str) -> BatchView:
    async with asyncio.timeout(60):
        while (view := await client.poll(batch_id)).phase is Phase.RUNNING:
            await asyncio.sleep(0.2)
    return view


async def no_seam(*_: Any, **__: Any) -> Any:
    raise AssertionError("the client has an SDK of its own")


@pytest.mark.parametrize("root", ["/v1", "/groq/openai/v1"])
async def test_batches_of_an_independent_server(mock: LLMock, tmp_path: Path, root: str) -> None:
    """Batches that llmock answers, answers in part, fails as a whole and cancels each come to the end they should."""
    mock.expect()
    client = make_batch_client(provider(base_url=mock.url + root), "lab-1", mock.url + root, "k", no_seam)  # type: ignore[arg-type]  # not called
    texts = {"on-a-1": "one", "on-a-2": "two\u2028lines", "on-a-3": "three"}
    good = [client.line(id_, CHAT, call_of(body_of(text)))[1] for id_, text in texts.items()]
    bad = [client.line(f"on-b-{i}", "/v1/nowhere", call_of(body_of()))[1] for i in range(2)]
    made: dict[str, BatchView] = {}
    for key, lines in {"on-a": good, "on-b": bad, "on-c": [*good, *bad], "on-d": good}.items():
        shard = msgspec.structs.replace(shard_of(tmp_path, *lines, key=key), since=0.0)
        assert await client.find_upload(shard) is None
        shard = msgspec.structs.replace(shard, file=await client.upload(shard))
        assert (await client.find(shard)).looked is Looked.NOT_FOUND
        made[key] = await client.create(shard)
        found = await client.find(shard)
        assert found.batch is not None
        assert (found.looked, found.batch.id, found.others) == (Looked.FOUND, made[key].id, ())
    await client.cancel(made["on-d"].id)
    views = {key: await until_over(client, view.id) for key, view in made.items()}
    assert {key: view.status for key, view in views.items()} == {
        "on-a": "completed",
        "on-b": "failed",
        "on-c": "completed",
        "on-d": "cancelled",
    }
    assert {view.phase for view in views.values()} == {Phase.ENDED}
    assert views["on-c"].counts == Counts(5, 3, 2)
    read: dict[str, list[Result]] = {}
    for key, view in views.items():
        await client.download(view, tmp_path / f"{key}.out")
        read[key] = list(client.results(tmp_path / f"{key}.out"))
        await client.cancel(view.id)
    assert [(result.id, result.status) for result in read["on-a"]] == [(id_, 200) for id_ in texts]
    assert all("choices" in json.loads(result.body) for result in read["on-a"])
    assert [(result.id, result.status, result.ran) for result in read["on-b"]] == [
        ("on-b-0", 400, True),
        ("on-b-1", 400, True),
    ]
    assert [result.status for result in read["on-c"]] == [200, 200, 200, 400, 400]
    assert read["on-d"] == []
    await client.close()


async def test_a_missing_file_is_the_servers_to_tell(mock: LLMock, tmp_path: Path) -> None:
    """A batch of a file that is not there is refused before it is one."""
    client = client_at(mock.url)
    failure = (await failing(client.create(shard_of(tmp_path, file="file-none")))).failure
    assert (failure.kind, failure.status, failure.billing) == (FailureKind.ROW_REFUSED, 400, UNBILLED)
    await client.close()


def test_the_package_is_loaded_with_the_first_call() -> None:
    """Neither the command line nor a client that makes lines loads the openai package."""
    code = (
        "import sys, orchestrator.cli\n"
        "assert not {'openai', 'httpx2', 'providers.batches.openai_files'} & set(sys.modules)\n"
        "from providers.batches.openai_files import OpenAIBatches\n"
        "from providers.provider import Provider\n"
        "from providers.wire import HttpCall\n"
        "client = OpenAIBatches(Provider('openai'), 'm', 'http://127.0.0.1:9/v1', 'k')\n"
        "client.line('a-1', '/v1/x', HttpCall('', {}, b'{}'))\n"
        "print(*sorted({'openai', 'httpx2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ""
