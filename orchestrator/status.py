"""How a run stands, from its log and its lock alone: while it runs, and after."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.batch_status import BatchStatus, batches_of
from orchestrator.budget import Caps
from orchestrator.caps import caps_in_force
from orchestrator.estimates.against_actual import compare_estimate
from orchestrator.folder_lock import live_pid
from orchestrator.heartbeat import Heartbeat, is_silent, read_heartbeat
from orchestrator.imported import IMPORT
from outputs.fold import LaneTotals, RunState, fold
from outputs.journal import Log
from outputs.log_reader import read_lines
from outputs.records import EventLine
from outputs.run_record import RunRecord, read_run_record
from prompts.input_error import InputError

_RATE_WINDOW_S = 60.0
_TAIL_BYTES = 8 << 20


class _At(msgspec.Struct):
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """A run at one moment. Money in USD; `rate` is answers per second over the last minute before the newest answer."""

    folder: Path
    name: str
    job: str
    simulated: bool
    pid: int | None  # of the process that works on it; None where there is none
    asked: int
    answered: int
    failed: int
    in_flight: int
    attempts: int
    cost_usd: float
    maybe_usd: float
    maybe_billed: int
    maybe_unpriced: int
    unpriced: int
    rate: float
    last_stop: str | None
    exit_code: int | None
    lanes: tuple[LaneTotals, ...]
    caps: Caps = field(default_factory=Caps)
    heartbeat: Heartbeat | None = None  # of the process that works on it
    silent: bool = False  # that process has not been heard of for half a minute
    about: int = 0  # requests that it will have in the end, those included that will follow from answers
    expected: tuple[dict[str, Any], ...] = ()  # by lane: what the session was estimated to take, and what it took
    batches: tuple[BatchStatus, ...] = ()  # open ones first
    in_batches: int = 0  # rows; none of them is in flight
    via: str | None = None  # how rows travel, as it was said last
    imported: bool = False  # made elsewhere: nothing of it is ever sent
    items: int = 0  # that it was made with; all there is of an import without requests

    @property
    def unsent(self) -> int:
        """Rows neither answered nor finally failed; those in batches are among them."""
        return self.asked - self.answered - self.failed

    @property
    def state(self) -> str:
        """One word: stopped, running, or where its process says more: sending, paused, draining, silent."""
        if self.pid is None:
            return "stopped"
        if self.silent:
            return "silent"
        return "running" if self.heartbeat is None else str(self.heartbeat.rest.get("state", "running"))

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        document: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        document["unsent"] = self.unsent
        document["running"] = self.pid is not None
        document["state"] = self.state
        if self.heartbeat is not None:
            document["heartbeat"] = {"at": self.heartbeat.at, "pid": self.heartbeat.pid, **self.heartbeat.rest}
        return document


def read_status(folder: Path) -> Status:
    """Fold the log. Raises InputError where the folder is no run or its log is damaged."""
    record = read_run_record(folder)
    pid = live_pid(folder)
    return status_of(folder, record, pid, fold(folder), recent_rate(folder))


def status_of(folder: Path, record: RunRecord, pid: int | None, state: RunState, rate: float) -> Status:
    """How a run stands by its folded log. Where no process works on it (`pid` None), open attempts are settled in
    `state` as killed: it must not be folded on then. Raises InputError where lines are lost.
    """
    if pid is None:
        for row in list(state.open_attempts):
            state.settle_open_as_killed(row)
    stop = state.last_event if state.last_event is not None and state.last_event.event == "stop" else None
    lanes = tuple(state.lanes)
    beat = _heartbeat(folder, pid)
    if len(state) < record.requests:
        what = f"{record.source.kind} {record.source.name}"
        raise InputError(f"lines of it are lost; run the {what} again to put them back", file=folder)
    return Status(
        folder=folder,
        name=record.name,
        job=record.job,
        simulated=record.simulated or state.simulated,
        pid=pid,
        asked=sum(lane.asked for lane in lanes),
        answered=sum(lane.answered for lane in lanes),
        failed=sum(lane.failed for lane in lanes),
        in_flight=len(state.open_attempts),
        attempts=sum(lane.attempts for lane in lanes),
        cost_usd=sum(lane.cost_usd for lane in lanes),
        maybe_usd=sum(lane.maybe_usd for lane in lanes),
        maybe_billed=sum(lane.maybe_billed for lane in lanes),
        maybe_unpriced=sum(lane.maybe_unpriced for lane in lanes),
        unpriced=sum(lane.unpriced for lane in lanes),
        rate=rate,
        last_stop=None if stop is None else stop.reason,
        exit_code=None if stop is None else stop.exit_code,
        lanes=lanes,
        caps=caps_in_force(record, state, record.catalog),
        heartbeat=beat,
        silent=beat is not None and is_silent(beat, time.time()),
        about=_about(state),
        expected=_expected(folder, state, pid, stop),
        batches=batches_of(state.batches, time.time(), {} if beat is None else beat.rest),
        in_batches=sum(lane.in_batches for lane in lanes),
        via=state.via,
        imported=record.source.kind == IMPORT,
        items=record.items,
    )


def _heartbeat(folder: Path, pid: int | None) -> Heartbeat | None:
    """The beat of the process that works on the run, not one that a killed process left."""
    beat = None if pid is None else read_heartbeat(folder)
    return beat if beat is not None and pid in (0, beat.pid) else None


def _expected(folder: Path, state: RunState, pid: int | None, stop: EventLine | None) -> tuple[dict[str, Any], ...]:
    if state.estimate is None:
        return ()
    until = time.time() if pid is not None else _last_written(folder) if stop is None else stop.at
    return tuple(compare_estimate(state.estimate, state.lanes, max(0.0, until - state.estimate_at)))


def _about(state: RunState) -> int:
    """As the last session expected it, while anything is left that something may follow from."""
    asked = sum(lane.asked for lane in state.lanes)
    told = (state.estimate or {}).get("about", 0) if any(lane.open for lane in state.lanes) else 0
    return max(asked, told)


def _last_written(folder: Path) -> float:
    """About when a killed session ended."""
    logs = (folder / log.file_name for log in (Log.ATTEMPTS, Log.RESPONSES, Log.ERRORS))
    return max((log.stat().st_mtime for log in logs if log.exists()), default=0.0)


def recent_rate(folder: Path) -> float:
    """Answers per second in the last minute of the log, from its last few megabytes."""
    path = folder / Log.RESPONSES.file_name
    if not path.exists():
        return 0.0
    start = max(0, path.stat().st_size - _TAIL_BYTES)
    lines = (line for _, line in read_lines(path, start))
    if start:
        next(lines, None)  # begins somewhere inside a line
    times = [msgspec.json.decode(line, type=_At).at for line in lines]
    recent = [at for at in times if at > times[-1] - _RATE_WINDOW_S]
    span = recent[-1] - recent[0] if recent else 0.0
    return (len(recent) - 1) / span if span > 0 else 0.0
