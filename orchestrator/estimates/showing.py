"""A plan as a person reads it in 100 columns: intervals by lane, then which limit binds and what will be kept to."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.amounts import money
from orchestrator.estimates.intervals import Interval
from orchestrator.estimates.planning import LanePlan, Plan, StagePlan
from orchestrator.estimates.showing_batches import batch_lines, batch_table
from orchestrator.estimates.spans import count_span, money_span, short_count, short_time, span, time_span
from prompts.plain_text import plain_text


def show_plan(plan: Plan) -> None:
    """A head line, a table of lanes, a line beneath for each, and the verdicts."""
    console = Console()
    what = "would be made" if plan.is_new else f"goes on, {plan.answered:,} answered before"
    follow = f", about {plan.expected:,} to follow from the answers" if plan.expected else ""
    _print(console, f"{plan.folder}: {what}; {plan.rows - plan.expected:,} to send{follow}")
    if plan.in_batches:
        _print(console, f"{plan.in_batches:,} rows more are in batches: they will be followed, not sent again")
    for note in plan.notes:
        _print(console, f"note: {note}")
    if plan.changes:
        _print(console, f"what is asked for changed: {plan.changes}")
    if not plan.lanes:
        return
    console.print(_table(plan))
    for line in (*map(_note, plan.lanes), *_stages(plan)):
        _print(console, line)
    if plan.by_batch is not None or plan.via.batches:
        console.print(batch_table(plan.lanes))
    for line in _verdicts(plan):
        _print(console, line)


def _table(plan: Plan) -> Table:
    """A row for each lane. A narrow terminal cuts names, which stand in full beneath, never numbers."""
    rows = [_cells(lane) for lane in plan.lanes]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("lane")
    for number, heading in enumerate(("rows", "tokens in", "tokens out", "cost", "time"), 1):
        widest = max(len(cells[number]) for cells in rows)
        table.add_column(heading, justify="right", no_wrap=True, min_width=max(widest, len(heading)))
    table.add_column("waits for", no_wrap=True, min_width=max(len(cells[-1]) for cells in rows))
    for name, *cells in rows:
        table.add_row(Text(plain_text(name), no_wrap=True, overflow="ellipsis"), *(Text(plain_text(x)) for x in cells))
    return table


def _print(console: Console, line: str) -> None:
    console.print(plain_text(line), markup=False, highlight=False, soft_wrap=True)


def _cells(lane: LanePlan) -> tuple[str, ...]:
    found = lane.estimate
    assert found is not None
    return (
        f"{lane.provider}/{lane.model}",
        f"{lane.rows:,}",
        count_span(found.input_tokens),
        count_span(found.output_tokens),
        money_span(found.cost_usd),
        time_span(found.seconds),
        found.binding,
    )


def _note(lane: LanePlan) -> str:
    found = lane.estimate
    assert found is not None
    notes = [f"set {lane.key_missing}"] if lane.key_missing else []
    notes += [f"price unknown: add {lane.price_missing} in overnight.toml"] if lane.price_missing else []
    notes += ["simulated"] if lane.simulated else []
    notes.append(f"costs {_most(lane)}")
    if found.sampled < lane.rows:
        notes.append(f"from {found.sampled:,} rows")
    notes += [f"in: {found.counted_by}", f"out: {found.output_by}", found.latency_by]
    return f"{lane.provider}/{lane.model}: {', '.join(notes)}"


def _stages(plan: Plan) -> Iterator[str]:
    """A line for each stage of each lane, where something follows or a lane has several."""
    if not plan.expected and len(plan.stages) == len(plan.lanes):
        return
    for one in plan.stages:
        now, follow = one.rows - one.expected, one.expected
        rows = " and ".join([*([f"{now:,} now"] if now else []), *([f"about {follow:,} to follow"] if follow else [])])
        name = f"{one.stage or 'without a name'}, {one.provider}/{one.model}"
        yield f"stage {name}: {rows}, cost {money_span(one.cost_usd)}, {_most(one)}"


def _most(one: LanePlan | StagePlan) -> str:
    """The bound of a cost; what follows from answers is bounded by examples only."""
    most = "unknown" if one.most_usd is None else money(one.most_usd)
    return f"at most {most}" + (" if what follows is like its examples" if one.expected else "")


def _verdicts(plan: Plan) -> Iterator[str]:
    found = plan.estimate
    if found is not None:
        sums = f"{count_span(found.input_tokens)} tokens in, {count_span(found.output_tokens)} out"
        yield f"all: {sums}, cost {money_span(found.cost_usd)}, time {time_span(found.seconds)}"
        if (slowest := found.slowest) is not None:
            whose = f" of {slowest.bucket}" if slowest.bucket else ""
            yield f"what binds: {slowest.binding}{whose}, for {plan.binding_lane}"
    yield from batch_lines(plan)
    if plan.budget_usd is not None:
        before = f", {money(plan.spent_usd)} of it spent" if plan.spent_usd else ""
        before += f", {money(plan.in_batches_usd)} reserved for batches" if plan.in_batches_usd else ""
        words = {"yes": "kept to", "no": "not enough: rows will be held", "perhaps": "perhaps not enough"}
        yield f"cap of {money(plan.budget_usd)}{before}{_way(plan)}: {words[plan.cap_met or 'perhaps']}"
    if plan.seconds_left is not None:
        words = {"yes": "met", "no": "not met: rows will be left", "perhaps": "perhaps not met"}
        yield f"deadline in {short_time(plan.seconds_left)}{_way(plan)}: {words[plan.deadline_met or 'perhaps']}"
    for name in plan.too_near:
        yield plain_text(f"{name}: so near the deadline nothing would go by batch: cancelling one late has to fit too")
    if (disk := plan.disk) is not None:
        words = {"yes": "enough", "no": "not enough", "perhaps": "perhaps not enough"}
        needed = span(Interval(disk.needed_bytes, disk.needed_bytes, disk.most_bytes), _bytes)
        yield f"disk: {needed} to write, {_bytes(disk.free_bytes)} free: {words[disk.enough]}"


def _way(plan: Plan) -> str:
    """By which way a verdict is meant, where that is not the usual one."""
    return f", via {plan.via}" if plan.via.batches else ""


def _bytes(count: float) -> str:
    return f"{short_count(count)}B"
