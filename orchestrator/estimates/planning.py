"""What a run would send, lane by lane, without sending: rows, tokens, money, time, and whether it will fit."""

import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.checking import RequestCheck
from orchestrator.estimates.counting import PlanCounter
from orchestrator.estimates.decoding_media import decode_all
from orchestrator.estimates.estimate import LaneEstimate, RunEstimate
from orchestrator.estimates.verdicts import DiskRoom, Verdict, cap_met, disk_room, fits
from orchestrator.making import check_usable
from orchestrator.opening import SIMULATOR, Options, caps_of, is_run, media_root, read_asked
from orchestrator.reconcile import compare
from orchestrator.requests_file import NewRow, RequestsFile
from orchestrator.sources import Asked, Progress, check_path, silent
from outputs.fold import RunState, fold
from outputs.run_record import RunRecord, read_run_record
from prompts.input_error import InputError
from providers.catalog import Catalog, load_catalog
from providers.media.sources import MediaRoot
from providers.prices import price_line


@dataclass(slots=True)
class LanePlan:
    """One lane's share. `most_usd` bounds its cost; None where the price or the longest answer is unknown."""

    provider: str
    model: str
    rows: int = 0
    body_bytes: int = 0
    most_usd: float | None = 0.0
    key_missing: str | None = None  # the environment variable to set
    price_missing: str | None = None  # what to add to overnight.toml
    simulated: bool = False
    estimate: LaneEstimate | None = None


@dataclass(slots=True)
class Plan:
    """What `overnight run` would do with the same arguments.

    `binding` is the limit that the slowest lane waits for (see `Pace`), `binding_lane` that lane. `deadline_met` and
    `cap_met` say yes, no or perhaps, and are None where there is no deadline or cap.
    """

    source: Path
    folder: Path
    is_new: bool
    answered: int = 0
    changes: str | None = None
    lanes: list[LanePlan] = field(default_factory=list)
    estimate: RunEstimate | None = None
    binding: str | None = None
    binding_lane: str | None = None
    budget_usd: float | None = None
    spent_usd: float = 0.0  # of the budget, before; attempts that were maybe billed at their most
    seconds_left: float | None = None
    deadline_met: Verdict | None = None
    cap_met: Verdict | None = None
    disk: DiskRoom | None = None

    @property
    def rows(self) -> int:
        return sum(lane.rows for lane in self.lanes)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        document: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        if self.estimate is not None:
            document["estimate"] = self.estimate.to_json()["total"]
        if self.disk is not None:
            document["disk"]["enough"] = self.disk.enough
        return {**document, "rows": self.rows}


def make_plan(
    source: Path,
    options: Options,
    progress: Progress = silent,
    decode_media: bool = False,
) -> Plan:
    """Check a manifest, spec or run folder as `run` would, and estimate what it would send. Raises InputError.

    `decode_media`: decode all that is shown, too.
    """
    for path in (source, options.out):
        if path is not None:
            check_path(path)
    catalog = load_catalog(options.config)
    if source.is_dir():
        if decode_media:
            what = "give the manifest or the spec: the media of a run folder were looked at when it was made"
            raise InputError(what, file=source, field="--decode-media")
        record, state = read_run_record(source), fold(source)
        plan = Plan(source, source, is_new=False)
        plan.budget_usd = caps_of(record, state, catalog, options).run
        counter = PlanCounter(catalog.with_recorded(record.catalog), options.concurrency)
        _plan_recorded(plan, counter, state)
    else:
        asked = read_asked(source, catalog, options)
        folder = options.out or asked.default_out
        plan = Plan(source, folder, not is_run(folder))
        made = None if plan.is_new else read_run_record(folder)
        plan.budget_usd = caps_of(made, None if made is None else fold(folder), catalog, options, asked.spec).run
        counter = _plan_source(plan, asked, catalog, options, progress, decode_media)
    plan.seconds_left = None if options.deadline is None else options.deadline.left_s(time.time())
    _conclude(plan, counter, options.concurrency)
    return plan


def _plan_source(
    plan: Plan, asked: Asked, catalog: Catalog, options: Options, progress: Progress, decode_media: bool
) -> PlanCounter:
    """Count what a manifest or a spec asks for, less what its run has."""
    if plan.is_new:
        check_usable(plan.folder)
    record = None if plan.is_new else read_run_record(plan.folder)
    override = SIMULATOR if options.simulate else None if record is None else record.provider_override
    root = media_root(options, asked)
    check = RequestCheck(
        asked.job,
        catalog,
        asked.path,
        None,
        override,
        progress,
        need_keys=False,
        allow_unpriced=True,
        media_root=root,
    )
    decoded = partial(decode_all, root=MediaRoot(root), file=asked.path, progress=progress) if decode_media else iter
    if record is None:
        counter = PlanCounter(catalog, options.concurrency)
        _count(counter, decoded(check.rows()))
        return counter
    counter = PlanCounter(catalog.with_recorded(record.catalog), options.concurrency)
    for _ in decoded(check.rows()) if decode_media else ():
        pass
    _plan_again(plan, counter, asked, check, record)
    return counter


def _plan_again(plan: Plan, counter: PlanCounter, asked: Asked, check: RequestCheck, record: RunRecord) -> None:
    if asked.source.kind != record.source.kind:
        raise InputError(f"made from another source, the {record.source.kind} {record.source.name}", file=plan.folder)
    state = fold(plan.folder)
    difference = compare(plan.folder, state, check.rows())
    plan.changes = str(difference) if difference.any else None
    for row in difference.withdrawn:
        state.withdraw(row)
    for row in difference.restored:
        state.withdraw(row, False)
    _plan_recorded(plan, counter, state)
    _count(counter, (row for number, row in enumerate(check.rows()) if difference.is_added[number]))


def _plan_recorded(plan: Plan, counter: PlanCounter, state: RunState) -> None:
    """Count the rows of a run that still want an answer."""
    plan.answered = sum(lane.answered for lane in state.lanes)
    plan.spent_usd = sum(lane.cost_usd + lane.maybe_usd for lane in state.lanes)
    requests = RequestsFile(plan.folder, state)
    try:
        for row in range(len(state)):
            if state.is_open(row):
                lane = state.lanes[state.lane_of[row]]
                request = requests.read(row)
                counter.add(lane.provider, lane.model, bytes(request.body), media=request.media, url=request.url)
        counter.learn(plan.folder, state, requests)
    finally:
        requests.close()


def _count(counter: PlanCounter, rows: Iterable[NewRow]) -> None:
    for row in rows:
        routed = row.routed
        counter.add(routed.provider, routed.model, routed.body, row.metadata or b"", routed.media, row.url)


def _conclude(plan: Plan, counter: PlanCounter, concurrency: int) -> None:
    """Estimate what was counted, and hold it against deadline, cap and disk."""
    found = plan.estimate = counter.estimate()
    for count, lane in zip(counter.counts, found.lanes, strict=True):
        key = counter.catalog.provider(lane.provider).api_key_env
        missing = key if key is not None and not os.environ.get(key, "").strip() else None
        simulated = counter.catalog.provider(lane.provider).simulated
        most = count.most_usd
        add = price_line(lane.provider, lane.model) if count.rates is None else None
        plan.lanes.append(
            LanePlan(lane.provider, lane.model, lane.rows, count.body_bytes, most, missing, add, simulated, lane)
        )
    if (slowest := found.slowest) is not None:
        plan.binding, plan.binding_lane = slowest.binding, f"{slowest.provider}/{slowest.model}"
    left_usd = None if plan.budget_usd is None else plan.budget_usd - plan.spent_usd
    plan.cap_met = cap_met(found.lanes, left_usd)
    plan.deadline_met = fits(found.seconds, plan.seconds_left)
    facts = zip(counter.facts(), found.lanes, strict=True)
    plan.disk = disk_room(facts, counter.request_bytes, concurrency, _free_bytes(plan.folder))


def _free_bytes(folder: Path) -> int:
    """Free on the disk that the folder is, or will be, on."""
    whole = folder.absolute()
    return shutil.disk_usage(next(path for path in (whole, *whole.parents) if path.exists())).free
