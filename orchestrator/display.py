"""Showing progress: a live table in a terminal, elsewhere a plain line now and then. Both go to standard error."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

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
        print(plain_text(line(watcher.look())), file=sys.stderr, flush=True)  # noqa: T201
        await asyncio.sleep(_LINE_EVERY_S)


def table(progress: Progress) -> Table:
    """The live table."""
    title = "SIMULATED" if progress.simulated else None
    caption = "draining: waiting for what is in flight; Ctrl-C again stops at once" if progress.stopping else None
    shown = Table(title=title, caption=caption, box=None, pad_edge=False, header_style="bold")
    shown.add_column("lane", overflow="ellipsis", no_wrap=True)
    for heading in ("done", "failed", "in flight", "per s", "tokens", "cost", "left"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("", overflow="ellipsis", no_wrap=True)
    for lane in (*progress.lanes, *([progress.total] if len(progress.lanes) > 1 else [])):
        shown.add_row(*(Text(plain_text(cell)) for cell in _cells(lane)))
    return shown


def _cells(lane: LaneProgress) -> tuple[str, ...]:
    return (
        lane.name,
        f"{lane.answered:,}/{lane.asked:,}",
        f"{lane.failed:,}",
        f"{lane.in_flight:,}",
        f"{lane.rate:,.1f}",
        f"{lane.tokens:,}",
        money(lane.cost_usd, lane.unpriced),
        duration(lane.eta_s),
        lane.note,
    )


def line(progress: Progress) -> str:
    """One line for a log file."""
    total = progress.total
    parts = [
        f"{total.answered:,}/{total.asked:,} answered",
        f"{total.failed:,} failed",
        f"{total.in_flight:,} in flight",
        f"{total.rate:,.1f}/s",
        f"{total.tokens:,} tokens",
        money(total.cost_usd, total.unpriced),
        f"{duration(total.eta_s)} left",
    ]
    notes = [f"{lane.name}: {lane.note}" for lane in progress.lanes if lane.note]
    return ("[simulated] " if progress.simulated else "") + ", ".join(parts) + "".join(f"; {note}" for note in notes)


def money(cost_usd: float, unpriced: int = 0) -> str:
    """Dollars, and how many answers have no known price: those are never counted as 0."""
    text = f"${cost_usd:,.2f}" if cost_usd >= 1 or cost_usd == 0 else f"${cost_usd:.4f}"
    return text if not unpriced else f"{text} + {unpriced:,} unpriced"


def duration(seconds: float | None) -> str:
    """`1h02m`, `3m20s`, `12s`, or `?`."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
