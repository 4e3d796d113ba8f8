"""The command `overnight view`: it serves until it is interrupted."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson

from orchestrator.viewing.folders import ViewedRuns, viewed_runs
from orchestrator.viewing.safety import checked_token, new_token
from orchestrator.viewing.server import listen, serving

TOKEN_FROM = "OVERNIGHT_VIEW_TOKEN"


def view_command(given: Sequence[Path], *, port: int, opens: bool | None, as_json: bool) -> None:
    """Serve pages of these runs, or of those below `runs`. Raises InputError where there are none, or no port."""
    runs = viewed_runs(given)
    said = os.environ.get(TOKEN_FROM)
    token = checked_token(said) if said else new_token()
    at = listen(port)
    asyncio.run(_serve(runs, token, at, opens=_has_screen() if opens is None else opens, as_json=as_json))


async def _serve(runs: ViewedRuns, token: str, at: socket.socket, *, opens: bool, as_json: bool) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    _on_signals(lambda: loop.call_soon_threadsafe(ended.set))
    async with serving(runs, token, at) as url:
        _tell(url, at.getsockname()[1], len(runs.runs), as_json=as_json)
        if opens:
            loop.run_in_executor(None, webbrowser.open, url)
        await ended.wait()


def _on_signals(end: Callable[[], object]) -> None:
    """Ctrl-C, SIGTERM and a terminal that closes end it, whenever they come; one more while it ends does nothing."""

    def told(_number: int, _frame: object) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended
            end()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, told)


def _tell(url: str, port: int, count: int, *, as_json: bool) -> None:
    """The address, alone on standard output."""
    with contextlib.suppress(OSError):
        print(orjson.dumps({"url": url, "port": port}).decode() if as_json else url, flush=True)  # noqa: T201
    if not as_json:
        what = "1 run" if count == 1 else f"{count:,} runs"
        with contextlib.suppress(OSError):
            print(f"{what}; Ctrl-C ends it. Who has this address may look and steer.", file=sys.stderr)  # noqa: T201


def _has_screen() -> bool:
    """Whether somebody sits at a terminal of a machine with a screen."""
    if not sys.stdout.isatty():
        return False
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
