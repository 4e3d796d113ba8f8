"""The commands that take their time: run, tail, analyze, simulate."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from orchestrator.control import CONTROL
from orchestrator.display import shown
from orchestrator.engine import Engine, StopKind
from orchestrator.folder_lock import live_pid
from orchestrator.following import follow
from orchestrator.on_stop import run_on_stop, stop_environment
from orchestrator.opening import Opened, Options, opened
from orchestrator.session import Result, send
from orchestrator.showing import result_json, show_result
from outputs.disk import FULL
from outputs.run_record import read_run_record
from prompts.input_error import InputError
from prompts.plain_text import plain_text

T = TypeVar("T")
_GC_THRESHOLDS = (50_000, 20, 100)


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """asyncio.run, on uvloop where it exists, with a garbage collector that looks at what changes."""
    gc.freeze()  # what was imported stays; looking through it again and again costs a tenth of the run
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def say(text: str) -> None:
    """A line for the user that is not output; where nobody reads it, nothing is the worse for it."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


@contextlib.contextmanager
def _read_or_not() -> Iterator[None]:
    """Print in the block; a reader that has left (`| tee` ended by the same Ctrl-C) does not change the exit code."""
    try:
        yield
        sys.stdout.flush()
    except (OSError, SystemExit):  # rich raises SystemExit for a broken pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed to nowhere


def run_command(
    source: Path, options: Options, *, quiet: bool = False, as_json: bool = False, on_stop: str | None = None
) -> int:
    """Run, show progress, print the result; returns the exit code. Raises InputError.

    `on_stop` is a shell command that is run at the end, however the run ended once it had begun.
    """

    def tell(what: str, rows: int) -> None:
        if not quiet and rows % 50_000 == 0:
            say(f"{what}: {rows:,} rows")

    with opened(source, options, progress=tell) as run:
        if not quiet:
            _announce(run)
        try:
            result = run_loop(_send(run, options, quiet))
        except BaseException as error:
            _tell_of_crash(on_stop, run, error)
            raise
    with _read_or_not():
        if as_json:
            sys.stdout.write(orjson.dumps(result_json(result), option=orjson.OPT_INDENT_2).decode() + "\n")
        else:
            show_result(result)
    _tell_of_stop(on_stop, result)
    return result.exit_code


def _tell_of_stop(on_stop: str | None, result: Result) -> None:
    environment = stop_environment(
        reason=result.reason,
        exit_code=result.exit_code,
        run=result.folder,
        answered=result.answered,
        failed=result.failed,
        left=result.unsent,
        cost_usd=None if any(lane.unpriced for lane in result.lanes) else sum(lane.cost_usd for lane in result.lanes),
    )
    _run_on_stop(on_stop, environment)


def _tell_of_crash(on_stop: str | None, run: Opened, error: BaseException) -> None:
    lanes = run.state.lanes
    code, reason = _why_no_result(error)
    environment = stop_environment(
        reason=reason,
        exit_code=code,
        run=run.folder,
        answered=sum(lane.answered for lane in lanes),
        failed=sum(lane.failed for lane in lanes),
        left=sum(lane.open for lane in lanes),
        cost_usd=None,
    )
    _run_on_stop(on_stop, environment)


def _why_no_result(error: BaseException) -> tuple[int, str]:
    """(exit code, sentence) of a session that broke off, as the command will end."""
    if isinstance(error, InputError):
        return 2, str(error)
    if isinstance(error, OSError) and error.errno in FULL:
        return 8, f"the disk is full: {error}"
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted"
    return 1, f"an error of our own: {type(error).__name__}: {error}"


def _run_on_stop(on_stop: str | None, environment: Mapping[str, str]) -> None:
    if on_stop is None:
        return
    with _hung_up_on():
        wrong = run_on_stop(on_stop, environment)
    if wrong is not None:
        say(wrong)


@contextlib.contextmanager
def _hung_up_on() -> Iterator[None]:
    """A terminal that closes hangs up more than once: what is to be done at the end is done all the same."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _announce(run: Opened) -> None:
    simulated = " [simulated]" if run.record.simulated else ""
    for warning in run.warnings:
        say(plain_text(warning))
    for note in run.job.notes():
        say(plain_text(f"note: {note}"))
    if run.edit is not None and run.edit.difference.any:
        say(f"what is asked for changed: {run.edit.difference}")
    following = sum(one.rows for one in run.to_follow)
    follow = f", about {following:,} to follow from the answers" if following else ""
    if run.made:
        say(f"{run.folder}{simulated}: {run.to_send:,} requests to send{follow}")
        return
    answered = sum(lane.answered for lane in run.state.lanes)
    say(f"{run.folder}{simulated}: resuming, {answered:,} answered before, {run.to_send:,} to send{follow}")
    for name, count in run.cut.items():
        say(f"{name}: a torn last line was cut off ({count:,} bytes)")
    if in_batches := sum(lane.in_batches for lane in run.state.lanes):
        count = len(run.state.batches.unfinished)
        many = f"{count:,} batch{'es' if count != 1 else ''}"
        say(f"{in_batches:,} rows are in {many} from before: followed, not sent again")
    if run.state.open_attempts:
        say(f"{len(run.state.open_attempts):,} calls were in flight when it was killed: sent again, maybe billed twice")


async def _send(run: Opened, options: Options, quiet: bool) -> Result:
    ready: asyncio.Future[Engine] = asyncio.get_running_loop().create_future()
    sending = asyncio.create_task(send(run, options, ready.set_result), name="send")
    sending.add_done_callback(lambda _: ready.cancel())
    await asyncio.wait([ready])
    if not ready.cancelled():
        engine = ready.result()
        _handle_signals(engine)
        if not quiet and not (run.folder / CONTROL).is_socket():
            say("no control socket can be made here: pause, unpause, stop and set will not reach this run")
        async with shown(engine, run.record.simulated, quiet):
            await asyncio.wait([sending])
    return sending.result()


def _handle_signals(engine: Engine) -> None:
    """The first Ctrl-C or SIGTERM drains, the second stops at once; a terminal that closes, however often, drains."""

    def hang_up() -> None:
        if engine.stopping is None:
            say("\ndraining: waiting for calls in flight; Ctrl-C again stops at once")
            engine.drain(StopKind.INTERRUPTED)

    def interrupt() -> None:
        hang_up() if engine.stopping is None else engine.abandon()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` wants it to go on
        loop.add_signal_handler(signal.SIGHUP, hang_up)


def tail_command(folder: Path, *, as_json: bool, follow_on: bool, earlier: int) -> None:
    """Print answers as they land."""
    read_run_record(folder)
    run_loop(_tail(folder, as_json, follow_on, earlier))


async def _tail(folder: Path, as_json: bool, follow_on: bool, earlier: int) -> None:
    from orchestrator.tailing import offset_of_last, one_line

    start = offset_of_last(folder, earlier)
    protocols = {name: entry["protocol"] for name, entry in read_run_record(folder).catalog.items()}
    async for line, answer in follow(
        folder, start=start, still_running=lambda: follow_on and live_pid(folder) is not None
    ):
        if as_json:
            sys.stdout.buffer.write(line + b"\n")
        else:
            sys.stdout.write(plain_text(one_line(answer, protocols[answer.provider])) + "\n")
        sys.stdout.flush()


def simulate_command(port: int, **settings: Any) -> None:
    """Serve until interrupted."""
    from providers.simulator import SimulatorSettings, serve

    def ready(base_url: str) -> None:
        print(f"simulating at {base_url} (Ctrl-C ends it)", flush=True)  # noqa: T201

    checked = SimulatorSettings(**settings)
    try:
        run_loop(serve(checked, port, ready))
    except KeyboardInterrupt:
        say("")
