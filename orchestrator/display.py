"""Showing progress: a live table in a terminal, elsewhere a plain line now and then. Both go to standard error."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.amounts import amount, duration, money, short_money
from orchestrator.engine import Engine
from orchestrator.progress import LaneProgress, Progress, Watcher
from prompts.plain_text import plain_text

_LIVE_EVERY_S = 0.25
_LINE_EVERY_S = 30.0
_FIRST_LINE_S = 5.0


@contextlib.asynccontextmanager
async def shown(engine: Engine, simulated: bool, quiet: bool = False) -> AsyncIterator[None]:
    """Show the engine's progress while the block runs."""
    watcher = Watcher(engine, simulated)
    watcher.look()
    if quiet:
        yield
        return
    console = Console(stderr=True)
    task = asyncio.create_task(_live(watcher, console) if console.is_terminal else _lines(watcher), name="display")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _live(watcher: Watcher, console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(table(watcher.look()), refresh=True)
            await asyncio.sleep(_LIVE_EVERY_S)


async def _lines(watcher: Watcher) -> None:
    await asyncio.sleep(_FIRST_LINE_S)
    while True:
        print(line(watcher.look()), file=sys.stderr, flush=True)  # noqa: T201
        await asyncio.sleep(_LINE_EVERY_S)


def table(progress: Progress) -> Group:
    """The live table, with what there is to note of a lane beneath. A narrow terminal cuts names, never numbers."""
    title = "SIMULATED" if progress.simulated else None
    lanes = (*progress.lanes, *([progress.total] if len(progress.lanes) > 1 else []))
    headings = ["done", "failed", "in\nflight", "per s", "tokens", "cost", "left"]
    rows = [list(_cells(lane)) for lane in lanes]
    if progress.total.in_batches:  # a column that most runs have no use for
        headings.insert(3, "in\nbatches")
        for cells, lane in zip(rows, lanes, strict=True):
            cells.insert(4, f"{lane.in_batches:,}")
    shown = Table(title=title, box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    shown.add_column("lane")
    for number, heading in enumerate(headings, 1):
        widest = max((len(cells[number]) for cells in rows), default=0)
        shown.add_column(heading, justify="right", no_wrap=True, min_width=widest)
    for name, *numbers in rows:
        shown.add_row(Text(plain_text(name), no_wrap=True, overflow="ellipsis"), *map(Text, numbers))
    notes = [f"{lane.name}: {note}" for lane in progress.lanes for note in _notes(lane)]
    if progress.bounds:
        notes.insert(0, progress.bounds)
    if progress.stopping:
        notes.append("draining: waiting for what is in flight; Ctrl-C again stops at once")
    return Group(shown, *(Text(plain_text(note), style="italic", overflow="fold") for note in notes))


def _notes(lane: LaneProgress) -> list[str]:
    unpriced = f"{lane.unpriced:,} answers unpriced" if lane.unpriced else ""
    return [note for note in (lane.note, unpriced) if note]


def _cells(lane: LaneProgress) -> tuple[str, ...]:
    return (
        lane.name,
        f"{lane.answered:,}/{_in_all(lane)}",
        f"{lane.failed:,}",
        f"{lane.in_flight:,}",
        f"{lane.rate:,.1f}",
        amount(lane.tokens),
        short_money(lane.cost_usd, lane.unpriced),
        duration(lane.eta_s),
    )


def _in_all(lane: LaneProgress) -> str:
    """How many requests there are; with a tilde where more will follow from answers, and how many that is in all."""
    return f"{lane.asked:,}" if lane.about <= lane.asked else f"~{lane.about:,}"


def line(progress: Progress) -> str:
    """One line for a log file."""
    total = progress.total
    parts = [
        f"{total.answered:,}/{_in_all(total)} answered",
        f"{total.failed:,} failed",
        f"{total.in_flight:,} in flight",
        *([f"{total.in_batches:,} in batches"] if total.in_batches else []),
        f"{total.rate:,.1f}/s",
        f"{total.tokens:,} tokens",
        money(total.cost_usd, total.unpriced),
        f"{duration(total.eta_s)} left",
    ]
    notes = [f"{lane.name}: {lane.note}" for lane in progress.lanes if lane.note]
    notes = [progress.bounds, *notes] if progress.bounds else notes
    label = "[simulated] " if progress.simulated else ""
    return plain_text(label + ", ".join(parts) + "".join(f"; {note}" for note in notes))
