"""The command that a user wants run when a run stops. It learns why through its environment only.

The reason may hold a provider's or a model's words, so no part of it is ever read by a shell.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from prompts.plain_text import plain_text

TIMEOUT_S = 60.0
_LONGEST_REASON = 2000  # characters; a system bounds the environment of a command


def stop_environment(
    *, reason: str, exit_code: int, run: Path, answered: int, failed: int, left: int, cost_usd: float | None
) -> dict[str, str]:
    """The variables that say how a run ended. `left` counts unsent rows; a `cost_usd` of None (unpriced) is empty."""
    return {
        "OVERNIGHT_REASON": plain_text(reason)[:_LONGEST_REASON],
        "OVERNIGHT_EXIT_CODE": str(exit_code),
        "OVERNIGHT_RUN": str(run.absolute()),
        "OVERNIGHT_ANSWERED": str(answered),
        "OVERNIGHT_FAILED": str(failed),
        "OVERNIGHT_LEFT": str(left),
        "OVERNIGHT_COST_USD": "" if cost_usd is None else f"{cost_usd:.6f}",
    }


def run_on_stop(command: str, environment: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> str | None:
    """Run a shell command with `environment` over the process's own; returns what went wrong, or None.

    It reads nothing, and writes to standard error, for standard output may be read by a program. It has its own process
    group, so that Ctrl-C does not reach it and a time-out ends its children too. It never raises.
    """
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=_standard_error(),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"the on-stop command could not be started: {plain_text(str(error))}"
    return _awaited(process, timeout_s)


def _standard_error() -> int:
    """Where the command may write: standard error, where that is open."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2


def _awaited(process: subprocess.Popen[bytes], timeout_s: float) -> str | None:
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"the on-stop command took longer than {timeout_s:g} s and was killed"
    except KeyboardInterrupt:
        _kill(process)
        return "the on-stop command was interrupted and killed"
    if code < 0:
        return f"the on-stop command was ended by signal {-code}"
    return f"the on-stop command failed with exit code {code}" if code else None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command and all in its process group."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
