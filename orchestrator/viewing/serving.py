"""The command `overnight view`: it serves until it is interrupted."""

import asyncio
import contextlib
import html
import os
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Thread

import orjson

from orchestrator.viewing.folders import ViewedRuns, viewed_runs
from orchestrator.viewing.safety import checked_token, new_token
from orchestrator.viewing.server import listen, serving

TOKEN_FROM = "OVERNIGHT_VIEW_TOKEN"
_LEADING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>overnight view</title><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}"></head><body><p><a href="{url}">The runs</a></p></body></html>
"""


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
        with contextlib.ExitStack() as stack:
            if opens:
                address = stack.enter_context(leading_to(url)).as_uri()
                Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # it may last as long as a browser
            await ended.wait()


@contextlib.contextmanager
def leading_to(url: str) -> Iterator[Path]:
    """A page that leads to the address, which only this user may read, while the block lasts.

    The arguments of a browser's process are for all users to read: the token must not stand in them.
    """
    with tempfile.TemporaryDirectory(prefix="overnight-view-", ignore_cleanup_errors=True) as name:
        page, told = Path(name) / "open.html", html.escape(url)
        page.touch(mode=0o600)
        page.write_text(_LEADING.format(url=told), encoding="utf-8")
        yield page


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
