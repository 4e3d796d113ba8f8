"""Work in a process of its own, for what is too large for the process that serves pages.

The child is a group with what it starts itself. The group ends with whoever waits for it: it is killed where the wait
is given up, and where the server is killed itself, the end of the child's standard input ends it.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from outputs.child_environment import child_environment
from outputs.disk import FULL
from prompts.input_error import InputError

_BOUND = f"from {__name__} import end_with_parent; end_with_parent(); "
_NO_MEMORY = "there is too little memory for it"


@dataclass(slots=True)
class Child:
    """One process, which runs `command` with these arguments; `pid` once it was started."""

    command: str
    arguments: tuple[str, ...]
    pid: int | None = field(default=None, init=False)

    async def told(self) -> str:
        """What it said in the end. Raises InputError with what went wrong in it; OSError where it cannot be started."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _BOUND + self.command),  # -P: nothing is imported from where the user stands
            *self.arguments,
            env=child_environment(),
            stdin=asyncio.subprocess.PIPE,  # nothing is written: it ends with this process
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a group that can be ended; Ctrl-C is the server's
        )
        self.pid = process.pid
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            said, complained = await asyncio.gather(process.stdout.read(), process.stderr.read())
            code = await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        text = said.decode("utf-8", "surrogateescape").removesuffix("\n")
        if code == 0:
            return text
        raise InputError(text or _last_line(complained) or _ended(code))


def _last_line(complained: bytes) -> str:
    """Of a traceback: the error itself."""
    lines = complained.decode("utf-8", "replace").strip().splitlines()
    if lines and any(f"(os error {number})" in lines[-1] for number in FULL):  # as polars says it
        return "the disk is full"
    return lines[-1].strip() if lines else ""


def _ended(code: int) -> str:
    if code == -signal.SIGKILL:
        return f"the process that makes it was killed: perhaps {_NO_MEMORY}"
    return f"the process that makes it ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"


def answer(make: Callable[[], str]) -> None:
    """In the child: say what `make` returns, or what is wrong, on standard output."""
    try:
        _say(make(), "surrogateescape")
    except InputError as error:
        _say(str(error), "backslashreplace")
        raise SystemExit(2) from None
    except OSError as error:
        _say("the disk is full" if error.errno in FULL else f"{error.strerror or error}", "backslashreplace")
        raise SystemExit(8) from None
    except MemoryError:
        _say(_NO_MEMORY, "backslashreplace")
        raise SystemExit(1) from None


def _say(text: str, errors: str) -> None:
    sys.stdout.buffer.write(f"{text}\n".encode("utf-8", errors))
    sys.stdout.flush()


def end_with_parent() -> None:
    """In the child: end it, and all that it started, when its standard input ends."""
    threading.Thread(target=_await_the_end, daemon=True).start()


def _await_the_end() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os.killpg(0, signal.SIGKILL)  # its own group
