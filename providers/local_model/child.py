"""Starts the local model's server as a child process, and ends it for certain.

The child lives no longer than the block that started it: it is told by its standard input, killed where that is not
enough, and where this process is killed itself, the same pipe ends it.
"""

import contextlib
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from prompts.input_error import InputError
from providers.local_model.entry import CONTEXT, NAMES
from providers.local_model.installed import find_weights

START_S = 60.0  # a second or two, as a rule
_END_S = 2.0
_HOST = "127.0.0.1"
_SHOWN = 300  # characters of what the child said last
_PROGRAM = Path(__file__).with_name("serving.py")


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that listens. `base_url` ends in `/v1`."""

    base_url: str
    process: "subprocess.Popen[bytes]"

    def wait(self) -> int:
        """Wait until it ends by itself, which it does not unless something is wrong; returns its exit code."""
        return self.process.wait()


class _Report(msgspec.Struct):
    base_url: str | None = None
    error: str | None = None


@contextlib.contextmanager
def local_server(port: int = 0) -> Iterator[LocalServer]:
    """Serve the local model on 127.0.0.1 while the block lasts, on a free port if `port` is 0.

    Raises InputError where a package is missing, the port cannot be had, or the server does not come up.
    """
    weights = find_weights()
    _check_port(port)
    with tempfile.TemporaryFile() as log:
        process = _started(weights, port, log)
        try:
            yield LocalServer(_base_url(process, log), process)
        finally:
            _end(process)


def _check_port(port: int) -> None:
    """The server itself does not say why it cannot listen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
            probe.listen()
        except OSError as error:
            raise InputError(f"cannot listen on {_HOST}:{port}: {error.strerror}", field="port") from None


def _started(weights: Path, port: int, log: IO[bytes]) -> "subprocess.Popen[bytes]":
    """The child, in a session of its own: a Ctrl-C is ours to answer, while calls in flight are awaited."""
    arguments = [str(_PROGRAM), str(weights), str(port), str(CONTEXT), *NAMES]
    return subprocess.Popen(
        [sys.executable, "-P", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
    )


def _base_url(process: "subprocess.Popen[bytes]", log: IO[bytes]) -> str:
    report = _report(process)
    if report is not None and report.base_url is not None:
        return report.base_url
    why = "it said nothing for a minute" if report is None else report.error or "it ended"
    log.seek(0)
    said = " ".join(log.read().decode("utf-8", "replace").split())[-_SHOWN:]
    raise InputError(f"the local model does not start: {why}{f' ({said})' if said else ''}")


def _report(process: "subprocess.Popen[bytes]") -> _Report | None:
    """The child's one line; an empty report where it ended without, None where none came in time."""
    assert process.stdout is not None
    deadline, line = time.monotonic() + START_S, b""
    while not line.endswith(b"\n"):
        if not select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        if not (more := process.stdout.read1()):  # type: ignore[attr-defined]
            return _Report()
        line += more
    return msgspec.json.decode(line, type=_Report)


def _end(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
    finally:  # a second Ctrl-C changes nothing
        process.kill()
        process.wait()
        process.stdout.close()
