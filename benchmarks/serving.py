"""Servers that a benchmark talks to, on free ports of loopback."""

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from processes import Child, ChildError, running

_READY_S = 20.0
PORT = "{port}"


@contextlib.contextmanager
def serving(command: Sequence[str], folder: Path, port: int | None = None) -> Iterator[str]:
    """Run a server; `PORT` in its command is replaced by a free one. Gives its root URL, without a last slash."""
    port = free_port() if port is None else port
    with running([part.replace(PORT, str(port)) for part in command], folder=folder) as server:
        await_port(port, server)
        yield f"http://127.0.0.1:{port}"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def await_port(port: int, server: Child) -> None:
    """Wait until the server listens. Raises ChildError where it does not."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and server.process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise ChildError(f"nothing listens: {server.said()}")
