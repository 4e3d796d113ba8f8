"""Results, plans and states as a person reads them. Model text and ids are shown without their control characters."""

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.display import amount, money, short_money
from orchestrator.planning import LanePlan, Plan
from orchestrator.session import Result
from orchestrator.status import Status
from outputs.fold import LaneTotals
from prompts.plain_text import plain_text


def show_result(result: Result) -> None:
    """Two lines: what was done, and what to do next."""
    console = Console()
    label = "SIMULATED: " if result.simulated else ""
    cost = _cost(result.lanes)
    line = f"{label}{result.answered:,} of {result.asked:,} answered, {result.failed:,} failed, {cost}; {result.folder}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    if result.outcomes:
        outcomes = ", ".join(f"{count:,} {outcome.value}" for outcome, count in sorted(result.outcomes.items()))
        console.print(f"read: {outcomes}", markup=False, highlight=False)
    if result.exit_code not in (0, 3):
        reason = plain_text(result.reason)
        console.print(f"stopped: {reason}; {result.unsent:,} left", markup=False, highlight=False, soft_wrap=True)
        console.print(f"go on with: overnight run {result.folder}", markup=False, highlight=False, soft_wrap=True)
    elif result.failed:
        console.print(f"failed rows: overnight retry {result.folder}", markup=False, highlight=False, soft_wrap=True)


def _cost(lanes: tuple[LaneTotals, ...]) -> str:
    text = money(sum(lane.cost_usd for lane in lanes), sum(lane.unpriced for lane in lanes))
    maybe = sum(lane.maybe_billed for lane in lanes)
    if not maybe:
        return text
    unpriced = sum(lane.maybe_unpriced for lane in lanes)
    most = "unknown" if unpriced == maybe else money(sum(lane.maybe_usd for lane in lanes), unpriced)
    return f"{text}, and {maybe:,} attempts maybe billed (at most {most})"


def result_json(result: Result) -> dict[str, Any]:
    """A result for `--json`."""
    return {**msgspec.to_builtins(result, enc_hook=str), "unsent": result.unsent}


def show_status(status: Status) -> None:
    """A head line, a table of lanes, and a line of failures for each lane that has some."""
    console = Console()
    label = "SIMULATED: " if status.simulated else ""
    state = f"running (pid {status.pid})" if status.pid is not None else status.last_stop or "not running"
    head = f"{label}{status.folder}: {plain_text(state)}"
    console.print(head, markup=False, highlight=False, soft_wrap=True)
    line = (
        f"{status.answered:,} of {status.asked:,} answered, {status.failed:,} failed, {status.unsent:,} left, "
        f"{status.in_flight:,} in flight, {_cost(status.lanes)}"
    )
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("lane", overflow="fold")
    for heading in ("asked", "answered", "failed", "attempts", "tokens\nin", "tokens\nout", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    for lane in status.lanes:
        table.add_row(*(Text(plain_text(cell)) for cell in _lane_cells(lane)))
    console.print(table)
    for lane in status.lanes:
        notes = [f"{count:,} {kind}" for kind, count in sorted(lane.failures.items())]
        notes += [f"{lane.unpriced:,} answers unpriced"] if lane.unpriced else []
        if notes:
            text = plain_text(f"{lane.provider}/{lane.model}: {', '.join(notes)}")
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def _lane_cells(lane: LaneTotals) -> tuple[str, ...]:
    return (
        f"{lane.provider}/{lane.model}",
        f"{lane.asked:,}",
        f"{lane.answered:,}",
        f"{lane.failed:,}",
        f"{lane.attempts:,}",
        amount(lane.input_tokens),
        amount(lane.output_tokens),
        short_money(lane.cost_usd, lane.unpriced),
    )


def show_plan(plan: Plan) -> None:
    """A head line and a table of lanes."""
    console = Console()
    what = "would be made" if plan.is_new else f"goes on, {plan.answered:,} answered before"
    console.print(f"{plan.folder}: {what}; {plan.rows:,} to send", markup=False, highlight=False, soft_wrap=True)
    if plan.changes:
        console.print(f"what is asked for changed: {plan.changes}", markup=False, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("lane", overflow="fold")
    for heading in ("rows", "body bytes", "costs at most"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for lane in plan.lanes:
        table.add_row(*(Text(plain_text(cell)) for cell in _plan_cells(lane)))
    console.print(table)


def _plan_cells(lane: LanePlan) -> tuple[str, ...]:
    notes = [f"set {lane.key_missing}"] if lane.key_missing else []
    if lane.simulated:
        notes.append("simulated")
    cost = "unknown" if lane.most_usd is None else money(lane.most_usd)
    return f"{lane.provider}/{lane.model}", f"{lane.rows:,}", f"{lane.body_bytes:,}", cost, ", ".join(notes)
