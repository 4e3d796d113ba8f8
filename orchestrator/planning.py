"""What a run would send, lane by lane, without sending: rows, bytes, and the most it can cost."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.checking import RequestCheck
from orchestrator.making import check_usable
from orchestrator.opening import SIMULATOR, Options, is_run
from orchestrator.reconcile import compare
from orchestrator.requests_file import NewRow, RequestsFile
from orchestrator.sources import Asked, Progress, check_path, read_source, silent
from outputs.fold import RunState, fold
from outputs.run_record import RunRecord, read_run_record
from prompts.input_error import InputError
from providers.catalog import Catalog, load_catalog
from providers.prices import Rates, resolve_rates, upper_bound_usd


@dataclass(slots=True)
class LanePlan:
    """One lane's share. `most_usd` bounds its cost; None where the price or the longest answer is unknown."""

    provider: str
    model: str
    rows: int = 0
    body_bytes: int = 0
    most_usd: float | None = 0.0
    key_missing: str | None = None  # the environment variable to set
    simulated: bool = False


@dataclass(slots=True)
class Plan:
    """What `overnight run` would do with the same arguments."""

    source: Path
    folder: Path
    is_new: bool
    answered: int = 0
    changes: str | None = None
    lanes: list[LanePlan] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(lane.rows for lane in self.lanes)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**msgspec.to_builtins(self, enc_hook=str), "rows": self.rows}


def make_plan(source: Path, options: Options, progress: Progress = silent) -> Plan:
    """Check a manifest, spec or run folder as `run` would, and count what it would send. Raises InputError."""
    for path in (source, options.out):
        if path is not None:
            check_path(path)
    catalog = load_catalog(options.config)
    if source.is_dir():
        plan = Plan(source, source, is_new=False)
        _plan_recorded(plan, source, fold(source), catalog.with_recorded(read_run_record(source).catalog))
        return plan
    asked = read_source(source, catalog.providers)
    folder = options.out or asked.default_out
    plan = Plan(source, folder, is_new=not is_run(folder))
    if plan.is_new:
        check_usable(folder)
    record = None if plan.is_new else read_run_record(folder)
    override = SIMULATOR if options.simulate else None if record is None else record.provider_override
    check = RequestCheck(asked.job, catalog, asked.path, None, override, progress, need_keys=False)
    if record is None:
        _count(plan, check.rows(), catalog)
    else:
        _plan_again(plan, asked, check, record, catalog)
    return plan


def _plan_again(plan: Plan, asked: Asked, check: RequestCheck, record: RunRecord, catalog: Catalog) -> None:
    if asked.source.kind != record.source.kind:
        raise InputError(f"made from another source, the {record.source.kind} {record.source.name}", file=plan.folder)
    state = fold(plan.folder)
    difference = compare(plan.folder, state, check.rows())
    plan.changes = str(difference) if difference.any else None
    for row in difference.withdrawn:
        state.withdraw(row)
    for row in difference.restored:
        state.withdraw(row, False)
    _plan_recorded(plan, plan.folder, state, catalog.with_recorded(record.catalog))
    _count(plan, (row for number, row in enumerate(check.rows()) if difference.is_added[number]), catalog)


def _plan_recorded(plan: Plan, folder: Path, state: RunState, catalog: Catalog) -> None:
    """Count the rows of a run that still want an answer."""
    plan.answered = sum(lane.answered for lane in state.lanes)
    counter = _Counter(plan, catalog)
    requests = RequestsFile(folder, state)
    for row in range(len(state)):
        if state.is_open(row):
            lane = state.lanes[state.lane_of[row]]
            counter.add(lane.provider, lane.model, bytes(requests.read(row).body))
    requests.close()


def _count(plan: Plan, rows: Iterable[NewRow], catalog: Catalog) -> None:
    counter = _Counter(plan, catalog)
    for row in rows:
        counter.add(row.routed.provider, row.routed.model, row.routed.body)


class _Counter:
    def __init__(self, plan: Plan, catalog: Catalog) -> None:
        self._plan = plan
        self._catalog = catalog
        self._lanes: dict[tuple[str, str], tuple[LanePlan, Rates | None, int | None]] = {}

    def add(self, provider: str, model: str, body: bytes) -> None:
        """One more row."""
        if (provider, model) not in self._lanes:
            self._lanes[provider, model] = self._new_lane(provider, model)
        lane, rates, longest = self._lanes[provider, model]
        lane.rows += 1
        lane.body_bytes += len(body)
        most = None if rates is None else upper_bound_usd(rates, body, longest)
        lane.most_usd = None if most is None or lane.most_usd is None else lane.most_usd + most

    def _new_lane(self, name: str, model: str) -> tuple[LanePlan, Rates | None, int | None]:
        provider = self._catalog.provider(name)
        key = provider.api_key_env
        lane = next((x for x in self._plan.lanes if (x.provider, x.model) == (name, model)), None)
        if lane is None:
            missing = key if key is not None and not os.environ.get(key, "").strip() else None
            lane = LanePlan(name, model, key_missing=missing, simulated=provider.simulated)
            self._plan.lanes.append(lane)
        return lane, resolve_rates(provider, model), provider.facts_of(model).max_output_tokens
