"""The control socket of a running run: one JSON line in, one JSON line out, over `control.sock` in its folder.

Only the user who started the run may speak there. A run goes on without the socket where none can be made.
"""

import asyncio
import contextlib
import os
import re
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import orjson

from orchestrator.folder_lock import live_pid
from prompts.input_error import InputError, split_fault
from prompts.toml_text import near_miss
from providers.provider import Limits

CONTROL = "control.sock"
MOST_BYTES = 64 << 10  # of a command, and of its answer
_PATIENCE_S = 5.0  # of the server with one client
_CLIENT_PATIENCE_S = 10.0
_LONGEST_PATH = 100  # bytes; a socket's address holds 104 to 108, by system
_CREDENTIALS = struct.Struct("3i")  # process, user, group

_Concurrency = Annotated[int, msgspec.Meta(ge=1, le=4096)]
_Usd = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
_EpochSeconds = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
_Limit = Annotated[float, msgspec.Meta(gt=0, le=1e12)]


class _Tagged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="command"):
    """A command; `command` names it in JSON."""


class Pause(_Tagged, frozen=True, tag="pause"):
    """Start no calls until unpaused; what is in flight is awaited."""


class Unpause(_Tagged, frozen=True, tag="unpause"):
    """Start calls again."""


class Stop(_Tagged, frozen=True, tag="stop", omit_defaults=True):
    """Drain and end. With `cancel_batches`, cancel those that are open, take in what they have answered, and end."""

    cancel_batches: bool = False


class Adjust(_Tagged, frozen=True, tag="set", omit_defaults=True):
    """Change settings of the run: those that are given, the others stay.

    `concurrency` in calls in flight per lane, `budget_usd` of the whole run (None takes the cap away), `until` in
    epoch seconds (None takes the deadline away), `limits` by keys such as `openai.rpm` or `openai.gpt-4o*.tpm`.
    """

    concurrency: _Concurrency | msgspec.UnsetType = msgspec.UNSET
    budget_usd: _Usd | msgspec.UnsetType | None = msgspec.UNSET
    until: _EpochSeconds | msgspec.UnsetType | None = msgspec.UNSET
    limits: dict[str, _Limit] = {}


Command = Pause | Unpause | Stop | Adjust
Handle = Callable[[Command], dict[str, object]]
_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


class _Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    ok: bool
    answer: dict[str, Any] = {}
    error: str = ""
    field: str | None = None


_decode_reply = msgspec.json.Decoder(_Reply).decode


class LimitKey(NamedTuple):
    """Which limit of the catalog is meant; `pattern` is None for the account's own."""

    provider: str
    pattern: str | None
    name: str


class ControlServer:
    """Listens in a run folder whose lock the caller holds, and hands each command to `handle`.

    `handle` runs in the event loop and must return at once; an InputError that it raises goes back to the client.
    """

    def __init__(self, folder: Path, handle: Handle, *, patience_s: float = _PATIENCE_S) -> None:
        self._folder = folder
        self._handle = handle
        self._patience_s = patience_s
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._stack = contextlib.ExitStack()

    async def start(self) -> bool:
        """Listen; False where no socket can be made there."""
        try:
            bound = self._bind()
            self._server = await asyncio.start_unix_server(self._serve, sock=bound, limit=MOST_BYTES)
        except OSError:
            self._stack.close()
        return self.listening

    async def close(self) -> None:
        """Listen no longer, and remove the socket. What was answered is still delivered."""
        if self._server is None:
            return
        server, self._server = self._server, None
        with contextlib.suppress(OSError):
            (self._folder / CONTROL).unlink()
        server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        with contextlib.suppress(TimeoutError):  # a client that does not read its answer
            async with asyncio.timeout(1):
                await server.wait_closed()
        self._stack.close()

    async def __aenter__(self) -> "ControlServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def listening(self) -> bool:
        return self._server is not None

    def _bind(self) -> socket.socket:
        """A bound socket that only its owner may connect to. Raises OSError."""
        path = self._folder / CONTROL
        address = self._stack.enter_context(_address(self._folder))
        if path.is_socket():  # a killed process left it: the lock is ours
            path.unlink()
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.bind(address)
            try:
                path.chmod(stat.S_IRUSR | stat.S_IWUSR)  # nobody can connect before it listens
            except OSError:
                path.unlink(missing_ok=True)
                raise
        except OSError:
            made.close()
            raise
        return made

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            async with asyncio.timeout(self._patience_s):
                writer.write(_encode(await self._answer(reader, writer)))
                await writer.drain()
        except (TimeoutError, OSError):
            writer.transport.abort()
        finally:
            self._clients.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Reply:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            return _Reply(ok=False, error=f"a command has at most {MOST_BYTES:,} bytes")
        except asyncio.IncompleteReadError:
            return _Reply(ok=False, error="a command is one line with its end")
        if not _is_owner(writer):
            return _Reply(ok=False, error="only the user who started the run may steer it")
        try:
            return _Reply(ok=True, answer=self._handle(_read_command(line)))
        except InputError as error:
            return _Reply(ok=False, error=error.message, field=error.field)
        except Exception as error:  # a fault of ours in a command must not end the run
            return _Reply(ok=False, error=f"internal error: {type(error).__name__}: {error}")


def _read_command(line: bytes) -> Command:
    """Raises InputError."""
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError as error:
        what, field = split_fault(str(error))
        raise InputError(what, field=field) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"a command is one JSON object on a line: {error}") from None


def _encode(reply: _Reply) -> bytes:
    """One line that is surely no longer than a client reads."""
    try:
        line = orjson.dumps(msgspec.structs.asdict(reply), default=str) + b"\n"
    except TypeError as error:
        return _encode(_Reply(ok=False, error=f"internal error: the answer cannot be written as JSON: {error}"))
    if len(line) > MOST_BYTES:
        return _encode(_Reply(ok=reply.ok, error=reply.error[:1000], field=reply.field))
    return line


def _is_owner(writer: asyncio.StreamWriter) -> bool:
    """Whether the other side is of our own user, where the system tells; the socket's mode says the same."""
    if sys.platform != "linux":
        return True
    other = writer.get_extra_info("socket")
    _, user, _ = _CREDENTIALS.unpack(other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return bool(user == os.geteuid())


@contextlib.contextmanager
def _address(folder: Path) -> Iterator[str]:
    """The socket's address, short enough for the system where that can be had. Raises OSError."""
    path = folder / CONTROL
    if len(os.fsencode(path)) <= _LONGEST_PATH or sys.platform != "linux":
        yield str(path)
        return
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{CONTROL}"
    finally:
        os.close(fd)


def send_command(folder: Path, command: Command, timeout_s: float = _CLIENT_PATIENCE_S) -> dict[str, Any]:
    """Hand a command to the process that works on a run; returns what that says.

    Raises InputError where nobody works on it, where no answer comes in `timeout_s`, and where it refuses.
    """
    line = _written(command)
    try:
        reply = _exchange(folder, line, time.monotonic() + timeout_s)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise _nobody_listens(folder) from None
    except PermissionError:
        raise InputError("only the user who started the run may steer it", file=folder) from None
    except (TimeoutError, BlockingIOError):
        raise InputError(
            f"its process did not answer within {timeout_s:g} s; it may still do this once it wakes up", file=folder
        ) from None
    except OSError as error:
        raise InputError(f"its process cannot be reached: {error.strerror or error}", file=folder) from None
    return _understood(reply, folder)


def _written(command: Command) -> bytes:
    """A command's line. Raises InputError for values that no run takes."""
    try:
        msgspec.convert(msgspec.to_builtins(command), Command)
    except msgspec.ValidationError as error:
        what, field = split_fault(str(error))
        raise InputError(what, field=field) from None
    return msgspec.json.encode(command) + b"\n"


def _exchange(folder: Path, line: bytes, deadline: float) -> bytes:
    """Send a line and read one. Raises OSError, TimeoutError at the deadline."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server, _address(folder) as address:
        server.settimeout(_left(deadline))
        server.connect(address)
        with contextlib.suppress(BrokenPipeError):  # it may have refused before it had read all
            server.sendall(line)
        reply = b""
        while not reply.endswith(b"\n") and len(reply) <= MOST_BYTES:
            server.settimeout(_left(deadline))
            part = server.recv(MOST_BYTES)
            if not part:
                break
            reply += part
        return reply


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _nobody_listens(folder: Path) -> InputError:
    pid = live_pid(folder)
    if pid is None:
        return InputError("no process works on it", file=folder)
    return InputError(f"the process that works on it (pid {pid or 'unknown'}) has no control socket", file=folder)


def _understood(line: bytes, folder: Path) -> dict[str, Any]:
    """What the process answered. Raises InputError."""
    if not line.endswith(b"\n"):
        raise InputError("its process broke off without an answer", file=folder)
    try:
        reply = _decode_reply(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InputError("its process answered what is no answer; it may be of another version", file=folder) from None
    if not reply.ok:
        raise InputError(reply.error, field=reply.field)
    return reply.answer


def parse_limit(text: str) -> tuple[str, float]:
    """Read `openai.rpm=300`, or `openai."gpt-4o*".tpm=1e6` with or without the quotes, as (key, value).

    Values are per minute (rpd: per day; concurrency: calls in flight). Raises InputError.
    """
    key, equals, said = text.rpartition("=")
    key = re.sub(r"([\"'])(.+?)\1", r"\2", key.strip())
    if not equals or "." not in key.strip("."):
        raise InputError(f"{text!r} is not PROVIDER.LIMIT=NUMBER, such as openai.rpm=300", field="limit")
    name = key.rpartition(".")[2]
    if name not in Limits.__struct_fields__:
        raise InputError(f"unknown limit {name!r}{near_miss(name, Limits.__struct_fields__)}", field="limit")
    return key, _limit_value(name, said)


def _limit_value(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{text!r} is not a number", field="limit") from None
    if not 0 < value <= 1e12:
        raise InputError(f"{name} must be above 0 and at most 1e12, not {text.strip()}", field="limit")
    if name == "concurrency" and not value.is_integer():
        raise InputError(f"concurrency is a whole number, not {text.strip()}", field="limit")
    return value


def split_limit_key(key: str, provider_names: Collection[str]) -> LimitKey:
    """Which limit `openai.rpm` or `openai.gpt-4o*.tpm` means; patterns and names of providers may hold dots.

    Raises InputError for a provider that is not among `provider_names`, and for a limit that does not exist.
    """
    of, _, name = key.rpartition(".")
    if name not in Limits.__struct_fields__:
        raise InputError(f"unknown limit {name!r}{near_miss(name, Limits.__struct_fields__)}", field="limit")
    known = [provider for provider in provider_names if of == provider or of.startswith(provider + ".")]
    if not known:
        near = near_miss(of.partition(".")[0], provider_names)
        raise InputError(f"no provider of this run in {key!r}{near}", field="limit")
    provider = max(known, key=len)
    pattern = of[len(provider) + 1 :]
    if of != provider and not pattern:
        raise InputError(f"{key!r} has no model between its dots", field="limit")
    return LimitKey(provider, pattern or None, name)
