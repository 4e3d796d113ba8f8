"""One session of a run: from an opened folder to a stop that says why, with everything answered on disk."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.amounts import dollars
from orchestrator.batching.allowed import via_of
from orchestrator.batching.via import Via
from orchestrator.budget import Budget, Caps
from orchestrator.control import ControlServer
from orchestrator.duplicates import Duplicates
from orchestrator.engine import Engine, StopKind
from orchestrator.estimates.estimating import estimate_run
from orchestrator.heartbeat import beat
from orchestrator.lanes import LaneMaker
from orchestrator.making import RESERVE, code_version, describe, write_record
from orchestrator.media_stage import MediaStage
from orchestrator.opening import Opened, Options
from orchestrator.replaying import Replayed, replay, require_same
from orchestrator.requests_file import RequestsFile
from orchestrator.retry import Policies
from orchestrator.run_reader import FolderReader
from orchestrator.steering import Steering, held, log_caps
from outputs import lines
from outputs.answers import read_items
from outputs.disk import Reserve
from outputs.fold import LaneTotals, RunState
from outputs.items import Item
from outputs.journal import Journal, Log, WriteFailedError
from outputs.log_reader import last_seq
from prompts.records import Outcome
from providers.catalog import EMBEDDED
from providers.media.preflight import Preflight
from providers.media.sources import MediaRoot

_RESERVE_BYTES = 4 << 20
_RESERVE_BYTES_PER_CALL = 64 << 10

# Where several apply, the first counts (DESIGN.md, exit codes).
_PRECEDENCE = (1, 2, 8, 130, 6, 4, 5, 7, 3, 0)


@dataclass(frozen=True, slots=True)
class Result:
    """How a session ended. `exit_code` as the command's; `reason` is a plain sentence; money in USD."""

    folder: Path
    exit_code: int
    reason: str
    asked: int
    answered: int
    failed: int
    sent: int  # attempts made in this session
    lanes: tuple[LaneTotals, ...]
    outcomes: dict[Outcome, int]
    simulated: bool
    held: int = 0  # rows that the budget had no room for
    batches_open: int = 0  # batches that go on at their provider, for the next session to follow
    rebought: int = 0  # rows that were sent online although their batch may have answered them too
    budget: dict[str, Any] = field(default_factory=dict)  # settled, maybe and reserved, in all and under each cap

    @property
    def unsent(self) -> int:
        """Rows neither answered nor finally failed."""
        return self.asked - self.answered - self.failed


async def send(opened: Opened, options: Options, on_engine: Callable[[Engine], None] | None = None) -> Result:
    """Send what an opened run still wants, and say how that ended.

    `on_engine` is handed the engine before the first call, to watch it and to drain it. Raises InputError before the
    first call, and whatever a fault of our own raises after all calls in flight have settled.
    """
    attempts_before = sum(lane.attempts for lane in opened.state.lanes)
    async with _engine(opened, options) as engine:
        if on_engine is not None:
            on_engine(engine)
        unwritten = "the log cannot be written"
        try:
            await engine.run(cancelling=options.cancel_batches)
        except WriteFailedError as error:
            engine.stopping, unwritten = StopKind.CANNOT_WRITE, str(error)
        result = _result(opened, engine, attempts_before, unwritten)
        with contextlib.suppress(WriteFailedError):
            stop = lines.event("stop", time.time(), reason=result.reason, exit_code=result.exit_code)
            engine.journal.append(Log.EVENTS, stop)
    return result


@contextlib.asynccontextmanager
async def _engine(opened: Opened, options: Options) -> AsyncIterator[Engine]:
    """The engine with everything it stands on, set up and, at the end, torn down in the right order."""
    async with contextlib.AsyncExitStack() as stack:
        maker = LaneMaker(opened.catalog, options.concurrency, await _simulator(opened, stack))
        stack.push_async_callback(maker.close)
        reserve = _reserve(opened.folder, options, stack)
        journal = Journal(opened.folder, opened.disk, last_seq(opened.folder) + 1, reserve=reserve)
        stack.push_async_callback(journal.close)
        requests = RequestsFile(opened.folder, opened.state)
        stack.callback(requests.close)
        duplicates = _duplicates(opened, options)
        media = MediaStage(opened.folder, MediaRoot(opened.media_root))
        stack.callback(media.close)
        engine = Engine(
            opened.job,
            opened.state,
            journal,
            requests,
            opened.catalog,
            maker,
            FolderReader(opened.folder, opened.catalog),
            opened.record.provider_override,
            Budget.resumed(opened.caps, opened.state),
            Policies(opened.thresholds),
            options.deadline,
            duplicates,
            Preflight(MediaRoot(opened.media_root)),
            media,
            folder=opened.folder,
            via=via_of(opened.state, options.via),
            allow_rebuy=options.allow_rebuy,
        )
        if options.cancel_batches:
            engine.stopping = StopKind.CANCELLED  # from the first: nothing is sent, nor answered from the log
        stack.push_async_callback(engine.batching.close)
        engine.batching.sweep()
        with contextlib.suppress(WriteFailedError):  # then `engine.run` sends nothing and says why
            await _set_up(opened, engine, options)
        async with _steered(opened.folder, engine):
            yield engine


@contextlib.asynccontextmanager
async def _steered(folder: Path, engine: Engine) -> AsyncIterator[None]:
    """Listen to other terminals, and show them a heartbeat. Where there can be no socket, the run goes on without."""
    steering = Steering(engine)
    beating = asyncio.create_task(beat(folder, steering.describe, now=steering.changed), name="heartbeat")
    try:
        async with ControlServer(folder, steering.handle):
            yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


def _duplicates(opened: Opened, options: Options) -> Duplicates | None:
    """Where equal requests are to be asked once: who leads already."""
    wanted = opened.state.dedupe if options.dedupe is None else options.dedupe
    if not wanted:
        return None
    duplicates = Duplicates(opened.folder, opened.job.follows_up)
    duplicates.note_earlier(opened.state)
    return duplicates


async def _set_up(opened: Opened, engine: Engine, options: Options) -> None:
    """Log what changed since the last session, and queue the rows that want an answer."""
    edited = opened.edit is not None
    replayed = None if edited and options.accept_changes else _replayed(opened, engine, options)
    _begin(opened, engine, options)
    await _write_edit(opened, engine)
    _expect(opened, engine)
    _take_up(opened, engine, _replayed(opened, engine, options) if edited else replayed)
    _estimate(opened, engine, options)
    if engine.stopping is None:
        await _admit(opened.state, engine)


async def _admit(state: RunState, engine: Engine) -> None:
    """Queue the rows that want an answer and are in no batch."""
    unwritten = engine.unwritten_rows
    for row in range(len(state)):
        if state.is_open(row) and not state.batch_of[row] and row not in unwritten:
            engine.admit(row)
    await engine.answer_duplicates()


async def _simulator(opened: Opened, stack: contextlib.AsyncExitStack) -> str | None:
    """Start the embedded simulator where a lane of this run goes there."""
    used = {lane.provider for lane in opened.state.lanes} | set(opened.record.catalog)
    if opened.edit is not None:
        used |= opened.edit.check.providers
    if not any(opened.catalog.provider(name).base_url == EMBEDDED for name in used):
        return None
    from providers.simulator import Simulator, SimulatorSettings

    simulator = await stack.enter_async_context(Simulator(SimulatorSettings(seed=opened.record.seed)))
    return simulator.base_url


def _reserve(folder: Path, options: Options, stack: contextlib.AsyncExitStack) -> Reserve:
    reserve = Reserve(folder / RESERVE, _RESERVE_BYTES + options.concurrency * _RESERVE_BYTES_PER_CALL)
    stack.callback(reserve.free)
    return reserve


def _expect(opened: Opened, engine: Engine) -> None:
    """Tell the engine how many requests its lanes will have, for whoever watches it."""
    for one in opened.to_follow:
        engine.about[one.lane] = engine.about.get(one.lane, 0) + one.rows
    for lane in opened.state.lanes:
        if (lane.provider, lane.model) in engine.about:
            engine.about[lane.provider, lane.model] += lane.asked


def _estimate(opened: Opened, engine: Engine, options: Options) -> None:
    """Log what the rest of the run is expected to take, for `status` to compare with what it takes."""
    if opened.to_send or opened.in_batches:
        estimate = estimate_run(
            opened.folder, opened.state, opened.catalog, options.concurrency, opened.to_follow, via=engine.via
        )
        engine.journal.append(Log.EVENTS, lines.event("estimate", time.time(), estimate=estimate))
        engine.batching.learn_paces(estimate)


def _begin(opened: Opened, engine: Engine, options: Options) -> None:
    """Log the start, and settle the attempts that a killed session left open."""
    now = time.time()
    start = lines.event(
        "start",
        now,
        pid=os.getpid(),
        code_version=code_version(),
        simulated=opened.record.simulated,
        to_send=opened.to_send,
    )
    engine.journal.append(Log.EVENTS, start)
    state = opened.state
    for row, attempt in list(state.open_attempts.items()):
        line = lines.unsettled(state.seqs[row], attempt.attempt, now)
        engine.journal.append(Log.ATTEMPTS, line)
        state.settle_open_as_killed(row)
    if opened.caps.as_record() != (state.budget or Caps().as_record()):
        log_caps(engine, opened.caps)
    if options.dedupe is not None and options.dedupe != bool(state.dedupe):
        engine.journal.append(Log.EVENTS, lines.event("dedupe", now, dedupe=options.dedupe))
    if engine.via.value != (state.via or Via.ONLINE.value):
        engine.journal.append(Log.EVENTS, lines.event("via", now, via=engine.via.value))


async def _write_edit(opened: Opened, engine: Engine) -> None:
    """Log an edit of what is asked for: first what it takes away and brings back, then its new requests."""
    if opened.edit is None:
        return
    difference, state = opened.edit.difference, opened.state
    _log_change(
        engine,
        state,
        withdrawn=difference.withdrawn,
        restored=difference.restored,
        adding=difference.added,
        sha256=opened.edit.asked.source.sha256,
    )
    await engine.journal.flush()  # or a cut here could keep the new requests and forget that they are an edit's
    _write_items(opened, engine)
    for number, new in enumerate(opened.edit.check.rows()):
        if difference.is_added[number]:
            engine.log_request(new)
    await engine.journal.flush()
    check = opened.edit.check
    check.simulated = check.simulated or opened.record.simulated
    record = describe(opened.record.name, opened.edit.asked, check, opened.record.items, opened.record.requests)
    before = opened.record  # what it says of providers and prices still stands for the answers that are there
    record = msgspec.structs.replace(
        record,
        created_at=before.created_at,
        source=before.source,
        catalog={**before.catalog, **record.catalog},
        prices={**before.prices, **record.prices},
    )
    write_record(opened.folder, record, opened.disk)


def _log_change(
    engine: Engine,
    state: RunState,
    *,
    withdrawn: Sequence[int],
    restored: Sequence[int] = (),
    adding: int,
    sha256: str | None = None,
) -> None:
    """Log that rows are asked for no more, or again, and that `adding` new ones follow; and fold it."""
    seqs = {"withdrawn": [state.seqs[row] for row in withdrawn], "restored": [state.seqs[row] for row in restored]}
    line = lines.event("asked_changed", time.time(), **seqs, adding=adding, sha256=sha256)
    engine.journal.append(Log.EVENTS, line)
    for row in withdrawn:
        state.withdraw(row)
    for row in restored:
        state.withdraw(row, False)


def _write_items(opened: Opened, engine: Engine) -> None:
    """Log the items that a changed dataset brought; the last line of an item counts."""
    assert opened.edit is not None
    known = read_items(opened.folder)
    for item in opened.edit.asked.job.items():
        line = msgspec.json.encode(item)
        if msgspec.json.decode(line, type=Item) != known.get(item.item):  # as it is read back: 1 is 1.0
            engine.journal.append(Log.ITEMS, line[1:])


def _replayed(opened: Opened, engine: Engine, options: Options) -> Replayed | None:
    """What a replay finds; None where there is nothing to replay.

    Raises InputError where the job derives other requests than it did, or new ones that cannot be sent.
    """
    if not opened.job.follows_up or opened.made:
        return None
    replayed = replay(opened.folder, opened.state, opened.check, engine.preflight)
    if not options.accept_changes:
        require_same(replayed, opened.folder, opened.state)
    return replayed


def _take_up(opened: Opened, engine: Engine, replayed: Replayed | None) -> None:
    """Go on from what a replay found: log what the log lacks."""
    if replayed is None:
        return
    engine.follow_up.outcomes.update(replayed.outcomes)
    if replayed.unasked or replayed.restored:
        adding = len(replayed.unlogged)
        _log_change(engine, opened.state, withdrawn=replayed.unasked, restored=replayed.restored, adding=adding)
    for new in replayed.unlogged:
        engine.log_request(new)


def _result(opened: Opened, engine: Engine, attempts_before: int, unwritten: str) -> Result:
    lanes = tuple(opened.state.lanes)
    code, reason = _why(opened, engine, unwritten)
    return Result(
        folder=opened.folder,
        exit_code=code,
        reason=reason,
        asked=sum(lane.asked for lane in lanes),
        answered=sum(lane.answered for lane in lanes),
        failed=sum(lane.failed for lane in lanes),
        sent=sum(lane.attempts for lane in lanes) - attempts_before,
        lanes=lanes,
        outcomes=dict(engine.follow_up.outcomes),
        simulated=opened.record.simulated or opened.state.simulated,
        held=held(engine),
        batches_open=engine.batching.at_providers(),
        rebought=engine.batching.rebought,
        budget=engine.budget.describe(),
    )


def _why(opened: Opened, engine: Engine, unwritten: str) -> tuple[int, str]:
    """(exit code, sentence) of the first reason in the order of precedence."""
    failed = sum(lane.failed for lane in opened.state.lanes)
    reasons = {0: "every request is answered"}
    if failed:
        reasons[3] = f"finished; {failed:,} requests failed for good (overnight retry puts them up again)"
    for lane in engine.lanes.values():
        if lane.stopped is not None:
            reasons.setdefault(lane.stopped.exit_code, f"lane {lane.name} stopped: {lane.stopped.reason}")
    if paused := engine.paused_stages.reasons:
        reasons[7] = "; ".join([*paused.values(), *([reasons[7]] if 7 in reasons else [])])
    if engine.deadline is not None and any(
        lane.late_for is not None and lane.waiting for lane in engine.lanes.values()
    ):
        reasons[5] = (
            f"the deadline {datetime.fromtimestamp(engine.deadline.at):%Y-%m-%d %H:%M:%S} leaves no time for more"
        )
    if (left_s := engine.seconds_left()) is not None and left_s <= 0 and (late := engine.batching.left_over()):
        reasons.setdefault(5, f"the deadline has come; {late}")
    if engine.overrun is not None or held(engine):
        reasons[4] = engine.overrun or _over_budget(engine)
    full = engine.journal.disk_full
    if engine.stopping is StopKind.CANCELLED and engine.batching.at_providers():
        if not reasons.keys() & {6, 7}:  # which say why
            reasons[130] = "stopped before all its batches had ended"
    elif engine.stopping in (StopKind.INTERRUPTED, StopKind.STOPPED, StopKind.CANCELLED):
        reasons[130] = engine.stopping.value
    if engine.stopping is StopKind.CANNOT_WRITE or full:
        reasons[8] = "the disk is full" if full else str(engine.journal.failure or unwritten)
    if reasons.keys() <= {0, 3} and (left := sum(lane.open for lane in opened.state.lanes)):
        reasons[5] = f"the deadline was changed when it had come; {left:,} rows are left"
    return next((code, reasons[code]) for code in _PRECEDENCE if code in reasons)


def _over_budget(engine: Engine) -> str:
    """Which caps are nearly used up, and what would let the rest go."""
    budget = engine.budget.describe()
    scopes = [
        f"{name}: {dollars(scope['settled_usd'])} billed, {dollars(scope['maybe_usd'])} maybe, "
        f"of {dollars(scope['cap_usd'])}"
        for name, scope in budget["scopes"].items()
    ]
    return f"the budget has no room for {held(engine):,} rows ({'; '.join(scopes)}); a higher --budget lets them go"
