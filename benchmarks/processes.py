"""Child processes: started on a core, waited for with a limit, ended by their own id and no other way."""

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cores import on_core

_END_S = 10.0
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


class ChildError(Exception):
    """A child ended as it should not have."""


@dataclass(frozen=True, slots=True)
class Finished:
    """`wall_s` from before the process was made until it had ended; `peak_bytes` is its greatest resident set.

    `cpu_s` are the seconds that processors worked for it.
    """

    exit_code: int
    wall_s: float
    peak_bytes: int
    output: bytes
    cpu_s: float = 0.0


@dataclass(slots=True)
class Child:
    """A running process; `finish` it."""

    command: Sequence[str]
    process: subprocess.Popen[bytes]
    started: float
    errors: IO[bytes]
    output: IO[bytes]

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def finish(self, timeout_s: float, exit_codes: Sequence[int] = (0,)) -> Finished:
        """Wait for its end. Raises ChildError where that takes too long or its exit code is another."""
        if not _ends_within(self.process.pid, timeout_s):
            raise ChildError(f"still running after {timeout_s:g} s: {' '.join(self.command)}")
        _, status, usage = os.wait4(self.process.pid, 0)
        wall_s = time.perf_counter() - self.started
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode not in exit_codes:
            raise ChildError(f"exit code {self.process.returncode}: {' '.join(self.command)}\n{self.said()}")
        cpu_s = usage.ru_utime + usage.ru_stime
        return Finished(self.process.returncode, wall_s, usage.ru_maxrss * 1024, self.printed(), cpu_s)

    def printed(self) -> bytes:
        """What it wrote to standard output so far."""
        return _read(self.output)

    def said(self) -> str:
        """The end of what it wrote to standard error so far."""
        return _read(self.errors).decode(errors="replace")[-2000:]


@contextlib.contextmanager
def running(command: Sequence[str], core: int | None = None, folder: Path | None = None) -> Iterator[Child]:
    """A process for the time of the block; what is left of it then is ended."""
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        with on_core(core):
            started = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=errors
            )
        try:
            yield Child(command, process, started, errors, output)
        finally:
            _end(process)


def run_to_end(
    command: Sequence[str], timeout_s: float, core: int | None = None, folder: Path | None = None
) -> Finished:
    """Run a process that must succeed. Raises ChildError."""
    with running(command, core, folder) as child:
        return child.finish(timeout_s)


def _read(file: IO[bytes]) -> bytes:
    """All of it, without moving the place where the child, which shares it, writes on."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


def _environment() -> dict[str, str]:
    """This process's, without proxies: everything is on loopback."""
    return {name: value for name, value in os.environ.items() if name.lower() not in _PROXIES}


def _ends_within(pid: int, timeout_s: float) -> bool:
    """Unlike `Popen.wait` with a time-out this neither polls nor reaps, so that `wait4` still finds the usage."""
    handle = os.pidfd_open(pid)
    try:
        return bool(select.select([handle], [], [], timeout_s)[0])
    finally:
        os.close(handle)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
