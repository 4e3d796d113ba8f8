"""The HTTP under the batch clients, against real servers on loopback."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

import orchestrator.http
from orchestrator.batching.calls import AiohttpSeam
from orchestrator.http import AiohttpTransport
from orchestrator.secrets import HIDDEN, Secrets
from outputs.journal import WriteFailedError
from providers.batches.wire import BatchCallError
from providers.provider import Provider
from providers.wire import Billing, FailureKind
from tests.harness.scripted_http import Said, Scripted

KEY = {"x-api-key": "a-key-of-a-test"}
LINES = b"".join(b'{"line":%d}\n' % number for number in range(20_000))


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with Scripted() as scripted:
        yield scripted


@pytest.fixture
async def transport(server: Scripted) -> AsyncIterator[AiohttpTransport]:
    async with AiohttpTransport(Provider("openai", base_url=server.url)) as made:
        yield made


@pytest.fixture
def seam(transport: AiohttpTransport) -> AiohttpSeam:
    return AiohttpSeam(transport, 30)


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(LINES))})
    await response.prepare(request)
    await response.write(LINES[:5000])
    assert request.transport is not None
    request.transport.close()
    return response


async def trickle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(12):
        await response.write(b"%d\n" % number)
        await asyncio.sleep(0.1)
    return response


async def test_any_method_goes_out_and_its_answer_comes_back(server: Scripted, seam: AiohttpSeam) -> None:
    """Method, address, headers and body arrive as given; status, headers and body of the answer come back."""
    server.replies = {"POST /v1/x?a=1": Said({"yes": 1}, 201, {"X-Told": "this"}), "GET /v1/y": Said(b"plain")}
    status, headers, body = await seam("POST", f"{server.url}/v1/x?a=1", KEY, b"{}")
    assert (status, headers["x-told"], body) == (201, "this", b'{"yes": 1}')
    assert (await seam("GET", f"{server.url}/v1/y", KEY))[2] == b"plain"
    assert server.targets == ["POST /v1/x?a=1", "GET /v1/y"]
    assert [asked.body for asked in server.asked] == [b"{}", b""]
    assert all(asked.headers["x-api-key"] == KEY["x-api-key"] for asked in server.asked)


async def test_a_body_of_many_megabytes_arrives_whole(server: Scripted, seam: AiohttpSeam) -> None:
    """What is sent in one call may be as large as a batch is."""
    server.replies = {"POST /": Said(b"{}")}
    body = LINES * 40
    await seam("POST", f"{server.url}/", KEY, body)
    assert server.asked[0].body == body


async def test_no_redirect_is_followed(server: Scripted, seam: AiohttpSeam, tmp_path: Path) -> None:
    """A redirect is an answer like any other: the key does not go where it points."""
    async with Scripted() as elsewhere:
        server.replies = {"GET /": Said(b"", 307, {"Location": f"{elsewhere.url}/"})}
        assert (await seam("GET", f"{server.url}/", KEY))[0] == 307
        assert (await seam.download(f"{server.url}/", KEY, tmp_path / "results"))[0] == 307
        assert elsewhere.asked == []
    assert list(tmp_path.iterdir()) == []


async def test_what_cannot_be_reached_was_not_billed(seam: AiohttpSeam, server: Scripted) -> None:
    """Without a connection nothing took effect; an address that is none is an error of the same type."""
    for url in ("http://127.0.0.1:1/", "http://127.0.0.1:99999999/", "nonsense"):
        with pytest.raises(BatchCallError) as caught:
            await seam("POST", url, KEY, b"{}")
        assert caught.value.failure.kind is FailureKind.TRANSIENT
        assert caught.value.failure.billing is Billing.UNBILLED


async def test_an_answer_that_breaks_off_may_have_taken_effect(server: Scripted, seam: AiohttpSeam) -> None:
    """A connection that was lost after the request had gone out leaves it open what happened."""
    server.replies = {"POST /": break_off}
    with pytest.raises(BatchCallError) as caught:
        await seam("POST", f"{server.url}/", KEY, b"{}")
    assert caught.value.failure.billing is Billing.MAYBE


async def test_no_answer_in_time_may_have_taken_effect(
    server: Scripted, transport: AiohttpTransport, tmp_path: Path
) -> None:
    """Calls and downloads end at the time-out."""
    server.replies = {"POST /": hang, "GET /": hang}
    seam = AiohttpSeam(transport, 0.3)
    for call in (
        seam("POST", f"{server.url}/", KEY, b"{}"),
        seam.download(f"{server.url}/", KEY, tmp_path / "results"),
    ):
        with pytest.raises(BatchCallError) as caught:
            await call
        assert (caught.value.failure.kind, caught.value.failure.billing) == (FailureKind.TIMED_OUT, Billing.MAYBE)
    assert list(tmp_path.iterdir()) == []


async def test_a_download_is_a_whole_file(server: Scripted, seam: AiohttpSeam, tmp_path: Path) -> None:
    """What came is in the file to its last byte, and no part of it lies beside."""
    server.replies = {"GET /results": Said(LINES)}
    path = tmp_path / "results"
    path.write_bytes(b"from before")
    status, _, body = await seam.download(f"{server.url}/results", KEY, path)
    assert (status, body) == (200, b"")
    assert path.read_bytes() == LINES
    assert list(tmp_path.iterdir()) == [path]


async def test_a_refused_download_leaves_no_file(server: Scripted, seam: AiohttpSeam, tmp_path: Path) -> None:
    """The answer to a download that is none is told, and what was there before stays."""
    path = tmp_path / "results"
    assert (await seam.download(f"{server.url}/none", KEY, path))[::2] == (404, b'{"error": "not here"}')
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"from before")
    await seam.download(f"{server.url}/none", KEY, path)
    assert path.read_bytes() == b"from before"


async def test_a_download_that_breaks_off_leaves_no_file(server: Scripted, seam: AiohttpSeam, tmp_path: Path) -> None:
    """Half of the results are never taken for all of them."""
    server.replies = {"GET /results": break_off}
    with pytest.raises(BatchCallError):
        await seam.download(f"{server.url}/results", KEY, tmp_path / "results")
    assert list(tmp_path.iterdir()) == []


async def test_a_long_download_has_time(server: Scripted, transport: AiohttpTransport, tmp_path: Path) -> None:
    """A download may take longer than the time-out, as long as something comes."""
    server.replies = {"GET /results": trickle}
    await AiohttpSeam(transport, 1.0).download(f"{server.url}/results", KEY, tmp_path / "results")
    assert (tmp_path / "results").read_bytes() == b"".join(b"%d\n" % number for number in range(12))


async def test_answers_have_a_limit_and_downloads_none(
    server: Scripted, seam: AiohttpSeam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is too large to be held is a typed failure; in a file it may be."""
    monkeypatch.setattr(orchestrator.http, "MAX_BODY_BYTES", 100_000)
    server.replies = {"GET /": Said(LINES)}
    with pytest.raises(BatchCallError) as caught:
        await seam("GET", f"{server.url}/", KEY)
    assert caught.value.failure.kind is FailureKind.TOO_LARGE
    await seam.download(f"{server.url}/", KEY, tmp_path / "results")
    assert (tmp_path / "results").stat().st_size == len(LINES)


async def test_an_echoed_key_is_taken_out(server: Scripted, transport: AiohttpTransport, tmp_path: Path) -> None:
    """Whatever a provider says of a key is not in the answers that are handed on."""
    server.replies = {"GET /": Said({"error": f"no such key: {KEY['x-api-key']}"}, 401)}
    seam = AiohttpSeam(transport, 30, Secrets(KEY.values()))
    for _, _, body in (
        await seam("GET", f"{server.url}/", KEY),
        await seam.download(f"{server.url}/", KEY, tmp_path / "results"),
    ):
        assert body == b'{"error": "no such key: %b"}' % HIDDEN.encode()


async def test_a_full_disk_is_not_the_networks_fault(server: Scripted, seam: AiohttpSeam, tmp_path: Path) -> None:
    """A file that cannot be made or written ends the run as any file of it does."""
    server.replies = {"GET /results": Said(LINES)}
    for path in (tmp_path / "full", tmp_path / "no folder" / "results"):
        if path.parent == tmp_path:
            path.with_name("full.part").symlink_to("/dev/full")
        with pytest.raises(WriteFailedError):
            await seam.download(f"{server.url}/results", KEY, path)
        assert not path.exists()
