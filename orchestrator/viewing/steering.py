"""Steering a run from its page: what `overnight pause`, `unpause`, `stop` and `set` do, with their words."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Literal

import msgspec
from aiohttp import web

from orchestrator.asking import adjustment
from orchestrator.control import Adjust, Command, Pause, Stop, Unpause, send_command
from orchestrator.folder_lock import live_pid
from orchestrator.imported import IMPORT
from orchestrator.showing import steered_line
from orchestrator.stopping import nobody_to_stop
from orchestrator.viewing.addresses import RUN
from orchestrator.viewing.folders import ViewedRun, run_of
from orchestrator.viewing.live_view import command_path
from prompts.input_error import InputError, split_fault


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page asks for: texts as a user types them behind the options of `overnight set`; "" says nothing."""

    do: Literal["pause", "unpause", "stop", "set"]
    cancel_batches: bool = False
    concurrency: str = ""
    budget: str = ""
    until: str = ""
    span: str = ""  # --for
    limit: str = ""


_LABELS = {  # of the form's fields, by the options that they stand for
    "budget": "Budget",
    "until": "Until",
    "for": "or for",
    "concurrency": "In flight per lane",
    "limit": "Limit",
}
_decoder = msgspec.json.Decoder(Asked)


def add_routes(app: web.Application) -> None:
    """Add the route that changes a run, the only one."""
    app.router.add_post(f"{RUN}do", do)


async def do(request: web.Request) -> web.Response:
    """Hand a command to the process that works on the run, and say what that answers."""
    run = run_of(request)
    try:
        asked = _decoder.decode(await request.read())
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        what, field = split_fault(str(error))
        raise InputError(what, field=field) from None
    said = await asyncio.to_thread(_done, run, asked)
    run.watched.look_anew()
    return web.json_response({"ok": True, "said": said})


def _done(run: ViewedRun, asked: Asked) -> str:
    """Raises InputError."""
    command = command_of(asked)
    if live_pid(run.folder) is None:
        raise InputError(_nobody(run, asked))
    with in_words_of_the_form():
        return steered_line(run.folder, send_command(run.folder, command))


def _nobody(run: ViewedRun, asked: Asked) -> str:
    if run.record().source.kind == IMPORT:
        return "it was imported: nothing of it is sent, and there is nothing to steer"
    folder = command_path(run.folder)
    if asked.do == "stop" and asked.cancel_batches and nobody_to_stop(run.folder, True):
        return f"no process works on it; this cancels its batches: overnight stop {folder} --cancel-batches"
    return f"no process works on it; this starts one: overnight run {folder}"


def command_of(asked: Asked) -> Command:
    """The command that is meant. Raises InputError for values that say nothing, or what no run takes."""
    match asked.do:
        case "pause":
            return Pause()
        case "unpause":
            return Unpause()
        case "stop":
            return Stop(cancel_batches=asked.cancel_batches)
        case "set":
            return _change_of(asked)


def _change_of(asked: Asked) -> Adjust:
    said = [text.strip() or None for text in (asked.budget, asked.until, asked.span)]
    limits = [one.strip() for one in asked.limit.split(",") if one.strip()]
    concurrency = _whole(asked.concurrency)
    if concurrency is None and not limits and not any(said):
        raise InputError("nothing to change: fill in at least one field")
    if asked.until.strip() and asked.span.strip():
        raise InputError(f"fill in {_LABELS['until']!r} or {_LABELS['for']!r}, not both")
    with in_words_of_the_form():
        return adjustment(concurrency, said[0], said[1], said[2], limits)


@contextlib.contextmanager
def in_words_of_the_form() -> Iterator[None]:
    """What the command line says of an option is said of the field of the page."""
    try:
        yield
    except InputError as error:
        name = (error.field or "").removeprefix("--").removesuffix("_usd")
        if name not in _LABELS:
            raise
        raise InputError(error.message, field=_LABELS[name]) from None


def _whole(text: str) -> int | None:
    if not text.strip():
        return None
    if not (text.strip().isascii() and text.strip().isdecimal()) or int(text) < 1:
        raise InputError(f"{text!r} is no whole number from 1 on", field=_LABELS["concurrency"])
    return int(text)
