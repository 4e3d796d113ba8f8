"""Who may look at runs, and from where: a real server, asked byte by byte."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from orchestrator.viewing import live_page
from orchestrator.viewing.safety import HEADERS, checked_token, new_token
from orchestrator.viewing.server import listen, make_app
from prompts.input_error import InputError
from tests.harness.log_writing import LogWriter
from tests.harness.viewed import TOKEN, Reply, Served, served

PAGES = ("", "list.json", "r/0/", "r/0/live.json", "static/view.css", "static/live.js")
WRONG = "b" + TOKEN[1:]


@pytest.fixture
async def viewer(tmp_path: Path) -> AsyncIterator[Served]:
    """A viewer of one run without requests."""
    LogWriter(tmp_path / "night").record()
    async with served(tmp_path / "night") as server:
        yield server


def is_nothing(reply: Reply, *statuses: int) -> bool:
    """Whether a reply is one of these, and says nothing."""
    return reply.status in statuses and not reply.body


def has_headers(reply: Reply) -> bool:
    """Whether a reply carries what every one of ours does."""
    return all(reply.headers.get(name) == value for name, value in HEADERS.items())


def addresses(server: Served) -> list[tuple[str, str]]:
    """Method and address, behind the token, of every route there is."""
    app = make_app(server.runs, TOKEN, server.port)
    found = []
    for route in app.router.routes():
        assert route.resource is not None
        path = re.sub(r"\{(\w+)[^{}]*\}", lambda one: "view.css" if one[1] == "name" else "1", route.resource.canonical)
        assert f"{path}/".startswith("/1/"), "every route begins with the token"
        found.append((route.method, path.removeprefix("/1").removeprefix("/").replace("r/1", "r/0")))
    return found


@pytest.mark.parametrize("token", ["", WRONG, TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "%61" + TOKEN[1:]])
async def test_without_the_token_there_is_nothing(viewer: Served, token: str) -> None:
    """No route tells anything, not even that it is there."""
    told = {"Origin": viewer.origin, "Content-Type": "application/json"}
    for method, path in addresses(viewer):
        for target in (f"/{token}/{path}", f"/{path}"):
            reply = await viewer.ask(method, target, told if method == "POST" else {})
            assert is_nothing(reply, 404), (method, target)
            assert has_headers(reply)


async def test_with_the_token_there_are_pages(viewer: Served) -> None:
    """Each is whole, and no page holds the token or an address of another place."""
    for path in PAGES:
        reply = await viewer.get(path)
        assert reply.status == 200, path
        assert reply.body
        assert TOKEN not in reply.text
        assert not re.search(r"(?:src|href|action)=\"(?:[a-z]+:|//)", reply.text)


@pytest.mark.parametrize(("path", "there"), [("", f"{TOKEN}/"), ("/r/0", "0/"), ("/r/0?x=1", "0/?x=1")])
async def test_a_last_slash_may_be_left_out(viewer: Served, path: str, there: str) -> None:
    """Who has the token is led to the page, by a relative address; who has not learns nothing."""
    reply = await viewer.ask("GET", f"/{TOKEN}{path}", {})
    assert (reply.status, reply.headers["Location"]) == (302, there)
    assert has_headers(reply)
    assert is_nothing(await viewer.ask("GET", f"/{WRONG}{path}", {}), 404)


@pytest.mark.parametrize(
    ("path", "title", "why", "ways"),
    [
        ("r/0/row/1?modle=x", "This cannot be shown", "modle: rows have no such", ["../", "../rows", "../../../"]),
        ("r/0/row/1", "Not there", "no such row", ["../", "../../../"]),
        ("r/7/", "Not there", "no such run", ["../../"]),
        ("r/0/no-such-page", "Not there", "No page of the viewer has this address.", ["../../"]),
    ],
)
async def test_a_fault_says_what_is_wrong_and_leads_back(
    viewer: Served, path: str, title: str, why: str, ways: list[str]
) -> None:
    """To the run and its rows, where it is of a run, and to the list."""
    page = (await viewer.get(path)).text
    main = page.partition("<main")[2].partition("</main>")[0]
    assert f"<h1>{title}</h1>" in main
    assert why in main
    here = f"/{path.partition('?')[0]}"
    assert [urljoin(here, way) for way in re.findall('href="([^"]*)"', main)] == [urljoin(here, way) for way in ways]


@pytest.mark.parametrize(
    "host", ["example.org", "example.org:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}.x"]
)
async def test_another_host_is_refused(viewer: Served, host: str) -> None:
    """A name that somebody has made point at loopback opens nothing."""
    reply = await viewer.get("", Host=host.format(port=viewer.port))
    assert reply.status == 421
    assert b"night" not in reply.body


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}", "LOCALHOST:{port}"])
async def test_our_hosts_are_let_in(viewer: Served, host: str) -> None:
    """Under each of the names that loopback has."""
    assert (await viewer.get("", Host=host.format(port=viewer.port))).status == 200


@pytest.mark.parametrize("hosts", ["", "Host: 127.0.0.1:{port}\r\nHost: example.org\r\n"])
async def test_a_request_has_one_host(viewer: Served, hosts: str) -> None:
    """None, or two of them, is refused, whoever reads which."""
    lines = f"GET /{TOKEN}/ HTTP/1.1\r\n{hosts.format(port=viewer.port)}Connection: close\r\n\r\n"
    reply = await viewer.raw(lines.encode())
    assert reply.status in (400, 421)
    assert b"night" not in reply.body


@pytest.mark.parametrize(
    "origin", ["https://example.org", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}", ""]
)
async def test_another_origin_is_refused(viewer: Served, origin: str) -> None:
    """Reading as well as changing."""
    said = origin.format(port=viewer.port)
    assert (await viewer.get("r/0/live.json", Origin=said)).status == 403
    assert (await viewer.do({"do": "pause"}, Origin=said)).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
async def test_a_request_from_another_site_is_refused(viewer: Served, site: str) -> None:
    """Whatever it is for: a page, a picture or a change."""
    assert (await viewer.get("", Sec_Fetch_Site=site)).status == 403
    assert (await viewer.do({"do": "pause"}, Sec_Fetch_Site=site)).status == 403


async def test_a_file_may_lead_to_the_first_page_alone(viewer: Served) -> None:
    """As that of `--open`: a window goes there; nothing else is asked for from elsewhere."""
    window = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert (await viewer.get("", **window)).status == 200
    assert (await viewer.get("r/0/", **window)).status == 403
    assert (await viewer.get("", **window | {"Sec_Fetch_Dest": "iframe"})).status == 403
    assert (await viewer.get("", **window | {"Sec_Fetch_Mode": "no-cors"})).status == 403
    assert (await viewer.get("", **window, Origin="null")).status == 403
    assert (await viewer.do({"do": "pause"}, 0, **window)).status == 403


async def test_our_own_pages_are_let_in(viewer: Served) -> None:
    """As a browser says it of them, and of the address bar."""
    assert (await viewer.get("", Sec_Fetch_Site="none")).status == 200
    assert (await viewer.get("r/0/live.json", Sec_Fetch_Site="same-origin", Origin=viewer.origin)).status == 200


async def test_a_change_names_its_page(viewer: Served) -> None:
    """Without Origin nothing is changed."""
    target, told = f"/{TOKEN}/r/0/do", {"Content-Type": "application/json"}
    assert (await viewer.ask("POST", target, told, b'{"do": "pause"}')).status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=x", ""])
async def test_a_change_is_json(viewer: Served, kind: str) -> None:
    """What a form of another page can send without asking is refused."""
    assert (await viewer.do({"do": "pause"}, Content_Type=kind)).status == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_there_are_no_other_methods(viewer: Served, method: str) -> None:
    """Nor any answer to a preflight."""
    reply = await viewer.ask(method, f"/{TOKEN}/r/0/do", {"Origin": viewer.origin})
    assert is_nothing(reply, 405)
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize(
    "path",
    [
        "static/../pages.py",
        "static/%2e%2e/pages.py",
        "static/..%2fpages.py",
        "static/%2Fetc%2Fpasswd",
        "static//etc/passwd",
        "static/view.css%00",
        "static/%00",
        "static\\..\\pages.py",
        "static/.hidden",
        "/r/0/",
        "./r/0/",
        "r/0/../../list.json",
        "r/-1/",
        "r/%30/",
        "r/0/run.json",
        "r/0/lock",
        "r/9999999999999999999999/",
        "r/٣/",
    ],
)
async def test_no_address_leads_elsewhere(viewer: Served, path: str) -> None:
    """Neither to a file of ours that is no page, nor to one of the run, nor to one of the machine."""
    reply = await viewer.get(path)
    assert reply.status in (400, 404)
    assert has_headers(reply)
    assert b"import" not in reply.body
    assert b"root:" not in reply.body


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/{token}/", "//{token}/", "*", "{token}/", "/{token}\\", "/%2F{token}/"]
)
async def test_an_address_is_a_path(viewer: Served, target: str) -> None:
    """As a proxy would write it, it is none."""
    reply = await viewer.ask("GET", target.format(port=viewer.port, token=TOKEN), {})
    assert is_nothing(reply, 400, 404)


@pytest.mark.parametrize(
    "data",
    [b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\r\n\r\n"],
)
async def test_what_is_no_request_learns_nothing(viewer: Served, data: bytes) -> None:
    """The reply is empty, and carries the same headers."""
    reply = await viewer.raw(data)
    assert is_nothing(reply, 400, 404)
    assert has_headers(reply)


async def test_every_reply_carries_the_headers(viewer: Served) -> None:
    """Pages, scripts, refusals and faults."""
    replies = [await viewer.get(path) for path in (*PAGES, "r/7/", "no-such-page", "static/no.css", "r/0/rows?x=1")]
    replies.append(await viewer.get("", Host="example.org"))
    replies.append(await viewer.do({"do": "dance"}))
    assert {reply.status for reply in replies} >= {200, 400, 404, 421}
    assert all(map(has_headers, replies))


async def test_a_command_that_is_too_long_is_not_read(viewer: Served) -> None:
    """A body has an end."""
    assert (await viewer.do({"do": "set", "limit": "x" * 100_000})).status == 413


async def test_nothing_secret_is_logged(
    viewer: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours is told by its kind and place; neither the token, nor what was asked, nor its message."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError(f"the key sk-secret in {TOKEN}")

    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(live_page, "page", fails)
    reply = await viewer.get("r/0/?q=private")
    assert reply.status == 500
    assert "RuntimeError" in reply.text
    for path in (*PAGES, "nothing", "static/%00"):
        await viewer.get(path)
    await viewer.raw(b"GET /" + TOKEN.encode() + b"\x00 HTTP/1.1\r\n\r\n")
    said = "".join(capfd.readouterr()) + caplog.text
    assert "RuntimeError at test_viewing_safety.py" in said
    for secret in (TOKEN, "sk-secret", "private"):
        assert secret not in said + reply.text


async def test_it_listens_on_loopback_alone(viewer: Served) -> None:
    """Another address of the machine, be it a loopback one, is not listened at."""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.2", viewer.port)


def test_a_port_that_is_taken_is_said() -> None:
    """In one line, with its number."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match=f"port {taken.getsockname()[1]}"):
            listen(taken.getsockname()[1])


def test_tokens_are_long_and_fit_a_path() -> None:
    """Those that we draw, and those that a user gives."""
    drawn = {new_token() for _ in range(50)}
    assert len(drawn) == 50
    assert all(checked_token(token) == token and len(token) >= 32 for token in drawn)
    for bad in ("", "short", "a/" * 20, "with spaces in it, and long", "ümläut-ümläut-ümläut", "a" * 1000):
        with pytest.raises(InputError, match="OVERNIGHT_VIEW_TOKEN"):
            checked_token(bad)
