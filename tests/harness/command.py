"""The command line as a child process, to be killed and signalled."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.001


@dataclass(slots=True)
class Child:
    """One `overnight` process; what it prints goes to a file."""

    process: asyncio.subprocess.Process
    output: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def exit_code(self, timeout_s: float = 60.0) -> int:
        return await asyncio.wait_for(self.process.wait(), timeout_s)

    def said(self) -> str:
        return self.output.read_text("utf-8", "replace")

    async def until(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> bool:
        """Wait until the condition holds; False where the process ended before."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                if self.ended:
                    return False
                await asyncio.sleep(_POLL_S)
        return True


@contextlib.asynccontextmanager
async def overnight(*arguments: object, folder: Path, unread: bool = False) -> AsyncIterator[Child]:
    """Start `overnight` with these arguments in `folder`; at the end it is killed if it still lives.

    `unread`: what it prints goes into a pipe whose reader has left.
    """
    output = folder / "output.txt"
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(output.open("wb")).fileno()
        if unread:
            reader, target = os.pipe()
            stack.callback(os.close, target)
            os.close(reader)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "orchestrator.cli", *map(str, arguments), stdout=target, stderr=target, cwd=folder
        )
    try:
        yield Child(process, output)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run_to_end(*arguments: object, folder: Path, timeout_s: float = 60.0) -> tuple[int, str]:
    """Run `overnight` to its end; returns the exit code and what it said."""
    async with overnight(*arguments, folder=folder) as child:
        return await child.exit_code(timeout_s), child.said()
