"""The part of a plan that is about batches: a table of lanes, both ways beside each other, and what cannot go so."""

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from orchestrator.amounts import money
from orchestrator.estimates.planning import LanePlan, Plan
from orchestrator.estimates.spans import money_span, short_time, time_span
from prompts.plain_text import plain_text

_HOUR_S = 3600


def batch_table(lanes: Sequence[LanePlan]) -> Table:
    """A row for each lane: how many batches, their cost and the most of it, in what time; a long name is cut."""
    rows = [_cells(lane) for lane in lanes]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("lane by batch")
    for number, heading in enumerate(("batches", "cost", "at most", "within"), 1):
        widest = max(len(cells[number]) for cells in rows)
        table.add_column(heading, justify="right", no_wrap=True, min_width=max(widest, len(heading)))
    for name, *cells in rows:
        table.add_row(Text(plain_text(name), no_wrap=True, overflow="ellipsis"), *(Text(cell) for cell in cells))
    return table


def _cells(lane: LanePlan) -> tuple[str, ...]:
    name = f"{lane.provider}/{lane.model}"
    if lane.batch_hours is None:
        return name, "none", "-", "-", "-"
    most = "unknown" if lane.batch_most_usd is None else money(lane.batch_most_usd)
    return name, f"{lane.batches:,}", money_span(lane.batch_usd), most, short_time(lane.batch_hours * _HOUR_S)


def batch_lines(plan: Plan) -> Iterator[str]:
    """Both ways beside each other, and what cannot go by batch."""
    found, batch = plan.estimate, plan.by_batch
    if found is not None and batch is not None:
        rest = f" ({batch.online_rows:,} rows of it online)" if batch.online_rows else ""
        each = ", each step that follows from answers" if batch.steps else ""
        within = f"within {short_time(batch.hours * _HOUR_S)}{each}"
        online = f"online {money_span(found.cost_usd)} in {time_span(found.seconds)}"
        yield f"{online}; by batch {money_span(batch.usd)} {within}{rest}"
    if batch is not None or plan.via.batches:
        yield from _misses(plan)


def _misses(plan: Plan) -> Iterator[str]:
    for lane in plan.lanes:
        name = f"{lane.provider}/{lane.model}"
        if lane.batch_hours is None:
            yield f"{name}: {lane.batch_missing}: --via batch refuses it, --via auto sends it online"
        elif lane.batch_missing is not None and lane.price_missing is None:
            yield f"{name}: {lane.batch_missing}: add batch_input and batch_output to its prices in overnight.toml"
        if lane.too_long_for_batch:
            rows = f"{lane.too_long_for_batch:,} rows are too long for a batch"
            yield f"{name}: {rows}: --via batch fails them, --via auto sends them online"
