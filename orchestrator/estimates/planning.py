"""What a run would send, lane by lane, without sending: rows, tokens, money, time, and whether it will fit."""

import os
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.batching.allowed import via_of
from orchestrator.batching.topping_up import OnlinePace, moments
from orchestrator.batching.via import Via
from orchestrator.checking import RequestCheck
from orchestrator.deadline import Deadline
from orchestrator.estimates.by_batch import (
    AllByBatch,
    ByBatch,
    all_by_batch,
    costs_of,
    lane_by_batch,
    seconds_of,
    stage_usd,
)
from orchestrator.estimates.counting import PlanCounter, StageCount
from orchestrator.estimates.decoding_media import decode_all
from orchestrator.estimates.estimate import LaneEstimate, LaneFacts, RunEstimate, StageEstimate
from orchestrator.estimates.intervals import Interval
from orchestrator.estimates.verdicts import DiskRoom, Verdict, costs_met, disk_room, fits
from orchestrator.making import check_usable
from orchestrator.opening import SIMULATOR, Options, caps_of, is_run, media_root, read_asked
from orchestrator.reconcile import compare
from orchestrator.requests_file import RequestsFile
from orchestrator.sources import Asked, Progress, check_path, recorded_spec, silent
from orchestrator.thresholds import thresholds_from_table
from orchestrator.to_follow import Following, to_follow
from outputs.fold import RunState, fold
from outputs.run_record import RunRecord, read_run_record
from prompts.input_error import InputError
from providers.catalog import Catalog, load_catalog
from providers.media.sources import MediaRoot
from providers.prices import price_line


@dataclass(slots=True)
class LanePlan:
    """One lane's share. `most_usd` bounds its cost; None where the price or the longest answer is unknown.

    Of its `rows`, about `expected` will follow from answers; what those cost at most is taken from their examples.
    By the provider's batch API: what they cost (`batch_usd`, `batch_most_usd`), in how many `batches`, within how many
    hours; `batch_missing` says why any of it is None. `too_long_for_batch` are rows that no batch has room for.
    """

    provider: str
    model: str
    rows: int = 0
    expected: int = 0
    body_bytes: int = 0
    most_usd: float | None = 0.0
    key_missing: str | None = None  # the environment variable to set
    price_missing: str | None = None  # what to add to overnight.toml
    simulated: bool = False
    estimate: LaneEstimate | None = None
    batch_usd: Interval | None = None
    batch_most_usd: float | None = None
    batch_hours: float | None = None
    batches: int | None = None
    batch_missing: str | None = None
    too_long_for_batch: int = 0


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The share of one stage in one lane; the fields as in `LanePlan`. `cost_usd` is what it is estimated to cost."""

    stage: str
    provider: str
    model: str
    rows: int
    expected: int
    most_usd: float | None
    cost_usd: Interval | None


@dataclass(slots=True)
class Plan:
    """What `overnight run` would do with the same arguments.

    Of all `rows`, about `expected` will follow from answers. `notes` are what the job wants said. `binding` is the
    limit that the slowest lane waits for (see `Pace`), `binding_lane` that lane. `deadline_met` and `cap_met` say yes,
    no or perhaps, and are None where there is no deadline or cap; they are judged by `via`, the way that rows travel.
    `by_batch` is the whole by batch as far as that goes, None where nothing can go so. Rows that are in batches already
    (`in_batches`, of which `in_batches_usd` is reserved) are no part of what is sent.
    """

    source: Path
    folder: Path
    is_new: bool
    answered: int = 0
    changes: str | None = None
    notes: tuple[str, ...] = ()
    lanes: list[LanePlan] = field(default_factory=list)
    stages: list[StagePlan] = field(default_factory=list)
    estimate: RunEstimate | None = None
    binding: str | None = None
    binding_lane: str | None = None
    budget_usd: float | None = None
    spent_usd: float = 0.0  # of the budget, before; attempts that were maybe billed at their most
    seconds_left: float | None = None
    deadline_met: Verdict | None = None
    too_near: tuple[str, ...] = ()  # lanes that would go by batch, were the deadline not so near
    cap_met: Verdict | None = None
    disk: DiskRoom | None = None
    via: Via = Via.ONLINE
    by_batch: AllByBatch | None = None
    in_batches: int = 0
    in_batches_usd: float = 0.0

    @property
    def rows(self) -> int:
        return sum(lane.rows for lane in self.lanes)

    @property
    def expected(self) -> int:
        return sum(lane.expected for lane in self.lanes)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        document: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        if self.estimate is not None:
            document["estimate"] = self.estimate.to_json()["total"]
        if self.disk is not None:
            document["disk"]["enough"] = self.disk.enough
        return {**document, "rows": self.rows, "expected": self.expected}


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
    asked = read_asked(source, catalog, options)
    if asked is None:
        if decode_media:
            what = "give the manifest or the spec: the media of a run folder were looked at when it was made"
            raise InputError(what, file=source, field="--decode-media")
        plan = Plan(source, source, is_new=False)
        counter = _plan_folder(plan, catalog, options)
    else:
        folder = options.out or asked.default_out
        plan = Plan(source, folder, not is_run(folder))
        made = None if plan.is_new else read_run_record(folder)
        plan.budget_usd = caps_of(made, None if made is None else fold(folder), catalog, options, asked.spec).run
        counter = _plan_source(plan, asked, catalog, options, progress, decode_media)
    plan.via = options.via or plan.via
    plan.seconds_left = None if options.deadline is None else options.deadline.left_s(time.time())
    _conclude(plan, counter, options.concurrency)
    return plan


def _plan_folder(plan: Plan, catalog: Catalog, options: Options) -> PlanCounter:
    """Count what a run wants to go on with."""
    record, state = read_run_record(plan.folder), fold(plan.folder)
    plan.budget_usd = caps_of(record, state, catalog, options).run
    catalog = catalog.with_recorded(record.catalog)
    counter = PlanCounter(catalog, options.concurrency)
    spec = recorded_spec(record, catalog.providers)
    following: Iterable[Following] = ()
    if spec is not None:
        plan.notes = spec.job.notes()
        root = media_root(options, None, record)
        check = RequestCheck(
            spec.job,
            catalog,
            plan.folder,
            plan.folder,
            record.provider_override,
            need_keys=False,
            allow_unpriced=True,
            media_root=root,
        )
        following = to_follow(check, plan.folder, state)
    _plan_recorded(plan, counter, state, following)
    return counter


def _plan_source(
    plan: Plan, asked: Asked, catalog: Catalog, options: Options, progress: Progress, decode_media: bool
) -> PlanCounter:
    """Count what a manifest or a spec asks for, less what its run has."""
    if plan.is_new:
        check_usable(plan.folder)
    record = None if plan.is_new else read_run_record(plan.folder)
    plan.notes = asked.job.notes()
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
        for row in decoded(check.rows()):
            counter.add_new(row)
        for following in to_follow(check):
            counter.add_following(following)
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
    for number, new in enumerate(check.rows()):
        if difference.is_added[number]:
            counter.add_new(new)
    _plan_recorded(plan, counter, state, to_follow(check, plan.folder, state))


def _plan_recorded(plan: Plan, counter: PlanCounter, state: RunState, following: Iterable[Following]) -> None:
    """Count the rows of a run that still want an answer, and where any does, those that will follow."""
    plan.answered = sum(lane.answered for lane in state.lanes)
    plan.spent_usd = sum(lane.cost_usd + lane.maybe_usd for lane in state.lanes)
    plan.via = via_of(state, None)
    requests = RequestsFile(plan.folder, state)
    try:
        for row in range(len(state)):
            if state.batch_of[row]:  # it is paid for already, or will be
                plan.in_batches += 1
                plan.in_batches_usd += state.reserved_usd(row) or 0.0
            elif state.is_open(row):
                lane = state.lanes[state.lane_of[row]]
                request = requests.read(row)
                stage = counter.stage(state.stages[state.stage_of[row]], lane.provider, lane.model)
                stage.add(bytes(request.body), request.media, request.url)
        for one in following if counter.counts else ():
            counter.add_following(one)
        counter.learn(plan.folder, state, requests)
    finally:
        requests.close()


def _conclude(plan: Plan, counter: PlanCounter, concurrency: int) -> None:
    """Estimate what was counted, and hold it against deadline, cap and disk."""
    found = plan.estimate = counter.estimate()
    facts = list(zip(counter.facts(), found.stages, strict=True))
    plan.lanes = [_lane_plan(counter, lane, facts) for lane in found.lanes]
    plan.stages = [
        StagePlan(x.stage, x.provider, x.model, stage.rows, x.expected, x.most_usd, stage.cost_usd)
        for x, stage in zip(counter.counts, found.stages, strict=True)
    ]
    if (slowest := found.slowest) is not None:
        plan.binding, plan.binding_lane = slowest.binding, f"{slowest.provider}/{slowest.model}"
    _judge(plan, counter, facts)
    plan.disk = disk_room(facts, counter.request_bytes, concurrency, _free_bytes(plan.folder))


def _judge(plan: Plan, counter: PlanCounter, facts: Sequence[tuple[LaneFacts, StageEstimate]]) -> None:
    """Hold money and time of the way that rows travel against cap and deadline."""
    found = plan.estimate
    assert found is not None
    ways = [_by_batch_of(lane) for lane in plan.lanes]
    goes = {(lane.provider, lane.model): way.goes for lane, way in zip(plan.lanes, ways, strict=True)}
    steps = any(lane.expected for lane, way in zip(plan.lanes, ways, strict=True) if way.goes)
    plan.by_batch = all_by_batch(found, ways, steps=steps)
    online = [stage.cost_usd for stage in found.stages]
    batch = [
        _batch_usd(count, *fact) if goes[count.provider, count.model] else fact[1].cost_usd
        for count, fact in zip(counter.counts, facts, strict=True)
    ]
    left_usd = None if plan.budget_usd is None else plan.budget_usd - plan.spent_usd - plan.in_batches_usd
    plan.cap_met = costs_met(costs_of(plan.via, online, batch), left_usd)
    plan.deadline_met = fits(seconds_of(plan.via, found, ways, steps=steps), plan.seconds_left)
    plan.too_near = tuple(f"{lane.provider}/{lane.model}" for lane in plan.lanes if _is_too_near(plan, counter, lane))


def _is_too_near(plan: Plan, counter: PlanCounter, lane: LanePlan) -> bool:
    """Whether, by `auto`, no batch of a lane would be begun: its rows go online at once for the deadline's sake."""
    if plan.via is not Via.AUTO or plan.seconds_left is None or lane.batch_hours is None or lane.estimate is None:
        return False
    seconds = lane.estimate.seconds
    pace = OnlinePace(None if seconds is None or not lane.rows else seconds.high / lane.rows, None, counter.concurrency)
    thresholds = thresholds_from_table(counter.catalog.thresholds, counter.catalog.file or "the catalog")
    return moments(Deadline(plan.seconds_left), lane.rows, pace, thresholds).last_begin < 0


def _batch_usd(count: StageCount, facts: LaneFacts, found: StageEstimate) -> Interval | None:
    return None if count.batch_rates is None else stage_usd(facts, found, count.batch_rates)


def _by_batch_of(lane: LanePlan) -> ByBatch:
    return ByBatch(lane.batch_usd, lane.batch_most_usd, lane.batch_hours, lane.batches, lane.batch_missing)


def _lane_plan(counter: PlanCounter, lane: LaneEstimate, facts: Iterable[tuple[LaneFacts, StageEstimate]]) -> LanePlan:
    provider = counter.catalog.provider(lane.provider)
    key = provider.api_key_env
    stages = [one for one in counter.counts if (one.provider, one.model) == (lane.provider, lane.model)]
    of_lane = [(known, found) for known, found in facts if (found.provider, found.model) == (lane.provider, lane.model)]
    line_bytes, batch_most = sum(one.line_bytes for one in stages), _sum_known(one.batch_most_usd for one in stages)
    way = lane_by_batch(provider, of_lane, line_bytes, batch_most)
    return LanePlan(
        provider=lane.provider,
        model=lane.model,
        rows=lane.rows,
        expected=sum(one.expected for one in stages),
        body_bytes=sum(one.body_bytes for one in stages),
        most_usd=_sum_known(one.most_usd for one in stages),
        key_missing=key if key is not None and not os.environ.get(key, "").strip() else None,
        price_missing=price_line(lane.provider, lane.model) if stages[0].rates is None else None,
        simulated=provider.simulated,
        estimate=lane,
        batch_usd=way.usd,
        batch_most_usd=way.most_usd,
        batch_hours=way.hours,
        batches=way.batches,
        batch_missing=way.missing,
        too_long_for_batch=sum(one.too_long for one in stages) if way.goes else 0,
    )


def _sum_known(amounts: Iterable[float | None]) -> float | None:
    """The sum; None where one of them is not known."""
    found = list(amounts)
    known = [one for one in found if one is not None]
    return sum(known) if len(known) == len(found) else None


def _free_bytes(folder: Path) -> int:
    """Free on the disk that the folder is, or will be, on."""
    whole = folder.absolute()
    return shutil.disk_usage(next(path for path in (whole, *whole.parents) if path.exists())).free
