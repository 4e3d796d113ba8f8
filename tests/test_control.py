"""The control socket: who may speak, what is understood, and what happens where it is not."""

import asyncio
import contextlib
import math
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import control
from orchestrator.control import (
    CONTROL,
    MOST_BYTES,
    Adjust,
    Command,
    ControlServer,
    LimitKey,
    Pause,
    Stop,
    Unpause,
    parse_limit,
    send_command,
    split_limit_key,
)
from orchestrator.folder_lock import locked
from prompts.input_error import InputError


class Run:
    """What a run does with commands: keeps them and answers with how many there were."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def handle(self, command: Command) -> dict[str, object]:
        self.commands.append(command)
        return {"number": len(self.commands)}


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
async def listening(tmp_path: Path, run: Run) -> AsyncIterator[Path]:
    """A run folder in which `run` takes commands."""
    async with ControlServer(tmp_path, run.handle, patience_s=20) as server:
        assert server.listening
        yield tmp_path


async def tell(folder: Path, command: Command, timeout_s: float = 20) -> dict[str, Any]:
    """As another terminal does it: the client blocks, in a thread here."""
    return await asyncio.to_thread(send_command, folder, command, timeout_s)


async def say(folder: Path, line: bytes) -> dict[str, Any]:
    """What is answered to raw bytes; {} where nothing is."""
    reader, writer = await asyncio.open_unix_connection(folder / CONTROL)
    with contextlib.closing(writer):
        writer.write(line)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            writer.write_eof()
        answer = await reader.readline()
    return dict(orjson.loads(answer)) if answer else {}


async def test_every_command_arrives_as_it_was_sent(listening: Path, run: Run) -> None:
    """Taking a cap away, leaving it and setting it are three different things."""
    limits = Adjust(concurrency=8, limits={"openai.gpt-4o*.tpm": 1e6})
    caps = [Adjust(budget_usd=None, until=None), Adjust(budget_usd=12.5, until=1.8e9), Adjust(budget_usd=0.0)]
    sent: list[Command] = [Pause(), Unpause(), limits, *caps, Stop()]
    answers = [await tell(listening, command) for command in sent]
    assert run.commands == sent
    assert answers == [{"number": number} for number in range(1, len(sent) + 1)]
    budgets = [command.budget_usd for command in run.commands if isinstance(command, Adjust)]
    assert budgets == [msgspec.UNSET, None, 12.5, 0.0]


async def test_many_clients_are_all_answered(listening: Path, run: Run) -> None:
    """Each gets an answer of its own."""
    answers = await asyncio.gather(*(say(listening, b'{"command":"pause"}\n') for _ in range(50)))
    assert {answer["answer"]["number"] for answer in answers} == set(range(1, 51))


async def test_a_client_that_says_nothing_keeps_nobody_waiting(tmp_path: Path, run: Run) -> None:
    """Others are answered meanwhile, and it is hung up on after a while."""
    async with ControlServer(tmp_path, run.handle, patience_s=0.2):
        reader, writer = await asyncio.open_unix_connection(tmp_path / CONTROL)
        assert await tell(tmp_path, Pause()) == {"number": 1}
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"pause\n", "one JSON object"),
        (b"[]\n", "Expected `object`"),
        (b"{}\n", "is missing"),
        (b'{"command":"fly"}\n', "Invalid value 'fly'"),
        (b'{"command":"pause","now":true}\n', "unknown key"),
        (b'{"command":"set","concurrency":0}\n', ">= 1"),
        (b'{"command":"set","budget_usd":"none"}\n', "Expected `float | null`"),
        (b'{"command":"set","limits":{"openai.rpm":-1}}\n', "> 0"),
        (b'{"command":"\xff"}\n', "one JSON object"),
        (b'{"command":"pause"}', "one line with its end"),
        (b"x" * (2 * MOST_BYTES) + b"\n", "at most"),
    ],
)
async def test_what_is_no_command_is_refused(listening: Path, run: Run, line: bytes, said: str) -> None:
    """It is answered with what is wrong, and the run does not hear of it."""
    answer = await say(listening, line)
    assert (answer["ok"], run.commands) == (False, [])
    assert said in answer["error"]


@given(st.binary(max_size=200))
def test_no_line_raises_anything_but_bad_input(line: bytes) -> None:
    """Whatever another program sends, the run reads a command or a fault."""
    with contextlib.suppress(InputError):
        control._read_command(line)


async def test_a_refusal_of_the_run_reaches_the_client(tmp_path: Path) -> None:
    """With its message and its field, as if the client had found the fault itself."""

    def refuse(_: Command) -> dict[str, object]:
        raise InputError("no provider 'opnai'", field="limit")

    async with ControlServer(tmp_path, refuse):
        with pytest.raises(InputError, match=r"^limit: no provider 'opnai'$"):
            await tell(tmp_path, Adjust(limits={"opnai.rpm": 1.0}))


async def test_a_fault_of_ours_ends_neither_run_nor_server(tmp_path: Path) -> None:
    """It is said, and the next command is heard."""
    faults: list[Exception] = [ZeroDivisionError("oh"), RecursionError()]

    def fail(_: Command) -> dict[str, object]:
        if faults:
            raise faults.pop()
        return {1: object()}  # type: ignore[dict-item]  # no JSON either

    async with ControlServer(tmp_path, fail):
        for said in ("RecursionError", "ZeroDivisionError: oh", "cannot be written as JSON"):
            with pytest.raises(InputError, match=f"internal error: .*{said}"):
                await tell(tmp_path, Pause())


async def test_an_answer_is_never_longer_than_a_client_reads(tmp_path: Path) -> None:
    """One that would be arrives without its details."""
    async with ControlServer(tmp_path, lambda _: {"text": "x" * MOST_BYTES}):
        assert await tell(tmp_path, Pause()) == {}


async def test_the_socket_is_its_owners_alone(listening: Path) -> None:
    """Its mode keeps others out."""
    assert stat.S_IMODE((listening / CONTROL).stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell who connects")
async def test_another_user_is_refused(listening: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the mode does not hold, the system's word on who it is does."""
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(InputError, match="only the user who started the run"):
        await tell(listening, Stop())
    assert run.commands == []


async def test_the_socket_is_gone_when_the_run_is(tmp_path: Path, run: Run) -> None:
    """Nothing stays in the folder, and closing twice does no harm."""
    server = ControlServer(tmp_path, run.handle)
    assert await server.start()
    await server.close()
    await server.close()
    assert not server.listening
    assert list(tmp_path.iterdir()) == []


async def test_a_client_is_no_reason_not_to_close(tmp_path: Path, run: Run) -> None:
    """One that is connected and silent is hung up on."""
    server = ControlServer(tmp_path, run.handle, patience_s=1000)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(tmp_path / CONTROL)
    while not server._clients:
        await asyncio.sleep(0.001)
    await server.close()
    assert await reader.read() == b""
    writer.close()


async def test_what_a_killed_process_left_is_replaced(tmp_path: Path, run: Run) -> None:
    """A stale socket is in nobody's way: a client says that nobody works there, a new run takes its place."""
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / CONTROL))
    with pytest.raises(InputError, match="no process works on it"):
        await tell(tmp_path, Stop())
    async with ControlServer(tmp_path, run.handle):
        assert await tell(tmp_path, Stop()) == {"number": 1}


async def test_a_file_of_that_name_is_left_alone(tmp_path: Path, run: Run) -> None:
    """What is no socket is somebody's, and the run goes on without."""
    (tmp_path / CONTROL).write_text("mine")
    async with ControlServer(tmp_path, run.handle) as server:
        assert not server.listening
    assert (tmp_path / CONTROL).read_text() == "mine"


@pytest.mark.parametrize("fault", ["bind", "chmod"])
async def test_a_run_goes_on_without_where_no_socket_can_be_made(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A file system without sockets, or without modes, is no error; nothing is left there."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    class NoBind(socket.socket):
        bind = refuse

    if fault == "bind":
        monkeypatch.setattr("orchestrator.control.socket.socket", NoBind)
    else:
        monkeypatch.setattr(Path, "chmod", refuse)
    server = ControlServer(tmp_path, run.handle)
    assert not await server.start()
    await server.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="long paths need /proc")
async def test_a_folder_of_any_depth_can_be_steered(tmp_path: Path, run: Run) -> None:
    """A socket's address is short; the folder's path need not be."""
    folder = tmp_path / ("d" * 90) / ("e" * 90)
    folder.mkdir(parents=True)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    async with ControlServer(folder, run.handle):
        assert (folder / CONTROL).is_socket()
        assert await tell(folder, Pause()) == {"number": 1}
    assert list(folder.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_before + 1  # a selector's
    with pytest.raises(InputError, match="no process works on it"):
        await tell(folder, Pause())


def test_where_nobody_works_a_client_says_so(tmp_path: Path) -> None:
    """Neither a folder without a socket nor a missing one is anything worse."""
    for folder in (tmp_path, tmp_path / "none", tmp_path / ("d" * 200)):
        with pytest.raises(InputError, match="no process works on it"):
            send_command(folder, Pause())


def test_where_somebody_works_without_a_socket_a_client_says_that(tmp_path: Path) -> None:
    """The user learns which process it is."""
    with locked(tmp_path), pytest.raises(InputError, match=rf"pid {os.getpid()}\) has no control socket"):
        send_command(tmp_path, Pause())


def test_a_process_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    """A hung run costs its user some seconds, not the terminal."""
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(tmp_path / CONTROL))
        hung.listen()
        with pytest.raises(InputError, match=r"did not answer within 0\.1 s"):
            send_command(tmp_path, Pause(), timeout_s=0.1)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"", "broke off"),
        (b'{"ok":tr', "broke off"),
        (b"hello\n", "no answer"),
        (b"{}\n", "no answer"),
        (b"x" * (MOST_BYTES + 9) + b"\n", "broke off|no answer"),
    ],
)
async def test_a_strange_answer_is_bad_input(tmp_path: Path, reply: bytes, said: str) -> None:
    """Whatever sits behind the socket, the client ends with a plain sentence."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(reply)
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / CONTROL):
        with pytest.raises(InputError, match=said):
            await tell(tmp_path, Pause())


async def test_a_senseless_value_never_leaves_the_client(listening: Path, run: Run) -> None:
    """Above all no NaN, which JSON would write as null: a cap taken away."""
    prices = [Adjust(budget_usd=math.nan), Adjust(budget_usd=-1.0), Adjust(budget_usd=math.inf)]
    for command in [*prices, Adjust(until=math.inf), Adjust(concurrency=0), Adjust(limits={"openai.rpm": math.nan})]:
        with pytest.raises(InputError):
            await tell(listening, command)
    assert run.commands == []


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_run_that_ends_at_once_has_still_answered(tmp_path: Path, loop: str) -> None:
    """Who says stop is told so, although the server closes while it says it; on the faster loop too."""
    new_loop = pytest.importorskip(loop).new_event_loop

    async def serve() -> dict[str, Any]:
        closing: list[asyncio.Task[None]] = []

        def end(_: Command) -> dict[str, object]:
            closing.append(asyncio.create_task(server.close()))
            return {"stopping": True}

        server = ControlServer(tmp_path, end)
        await server.start()
        answer = await tell(tmp_path, Stop())
        await closing[0]
        return answer

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(serve()) == {"stopping": True}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("openai.rpm=300", ("openai.rpm", 300.0)),
        ('openai."gpt-4o*".tpm=1e6', ("openai.gpt-4o*.tpm", 1e6)),
        ("openai.'gpt-4o*'.tpm=1e6", ("openai.gpt-4o*.tpm", 1e6)),
        ("openai.gpt-4o*.tpm=1e6", ("openai.gpt-4o*.tpm", 1e6)),
        (" lab.qwen2.5-72b*.concurrency = 8 ", ("lab.qwen2.5-72b*.concurrency", 8.0)),
        ("lab.a=b.rpm=0.5", ("lab.a=b.rpm", 0.5)),
    ],
)
def test_a_limit_is_read_with_and_without_quotes(text: str, pair: tuple[str, float]) -> None:
    """A shell may have eaten the quotes of the catalog's spelling."""
    assert parse_limit(text) == pair


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("openai.rpm", "is not PROVIDER.LIMIT=NUMBER"),
        ("rpm=3", "is not PROVIDER.LIMIT=NUMBER"),
        (".rpm=3", "is not PROVIDER.LIMIT=NUMBER"),
        ("openai.rpn=3", "did you mean 'rpm'"),
        ("openai.rpm=fast", "'fast' is not a number"),
        ("openai.rpm=0", "above 0"),
        ("openai.rpm=-1", "above 0"),
        ("openai.rpm=nan", "above 0"),
        ("openai.rpm=inf", "at most 1e12"),
        ("openai.concurrency=2.5", "whole number"),
    ],
)
def test_a_bad_limit_is_named(text: str, said: str) -> None:
    """Each fault says what a limit looks like."""
    with pytest.raises(InputError, match=said):
        parse_limit(text)


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("openai.rpm", LimitKey("openai", None, "rpm")),
        ("openai.gpt-4.1*.tpm", LimitKey("openai", "gpt-4.1*", "tpm")),
        ("lab.eu.rpm", LimitKey("lab.eu", None, "rpm")),
        ("lab.eu.m*.rpm", LimitKey("lab.eu", "m*", "rpm")),
        ("lab.us.rpm", LimitKey("lab", "us", "rpm")),
    ],
)
def test_a_key_is_split_by_the_providers_that_there_are(key: str, parts: LimitKey) -> None:
    """Dots in names and patterns are no hindrance; the longest provider counts."""
    assert split_limit_key(key, ["openai", "lab", "lab.eu"]) == parts


def test_a_key_that_means_no_limit_is_named() -> None:
    """With the nearest name where there is one."""
    for key, said in {
        "opnai.rpm": "did you mean 'openai'",
        "openai2.rpm": "no provider of this run",
        "rpm": "no provider of this run",
        "openai..rpm": "no model between its dots",
        "openai.gpt-4o*": "unknown limit",
    }.items():
        with pytest.raises(InputError, match=said):
            split_limit_key(key, ["openai"])
