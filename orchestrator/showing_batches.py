"""The batches of a run as a person reads them: a table of open ones, and a line for all that are settled."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.amounts import duration
from orchestrator.batch_status import SETTLED, BatchStatus
from prompts.plain_text import plain_text

_MOST_SHOWN = 30
_ENDS = ("answered", "failed", "expired", "cancelled", "missing", "unreadable")  # of rows
_DAY_S = 86_400


def show_batches(console: Console, batches: Sequence[BatchStatus], now: float) -> None:
    """Print them; nothing where there are none. `now` in seconds since 1970."""
    still = [batch for batch in batches if not batch.over]
    if still:
        console.print(batch_table(still[:_MOST_SHOWN], now))
    for line in batch_lines(batches, now):
        console.print(plain_text(line), markup=False, highlight=False, soft_wrap=True)


def batch_table(batches: Sequence[BatchStatus], now: float) -> Table:
    """A row for each batch. A narrow terminal cuts its id and its lane, never numbers."""
    rows = [batch_cells(batch, now) for batch in batches]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("batch")
    table.add_column("lane")
    for number, heading in enumerate(("lines done", "age", "end", "state"), 2):
        widest = max(len(cells[number]) for cells in rows)
        table.add_column(heading, justify="right", no_wrap=True, min_width=max(widest, len(heading)))
    for cells in rows:
        table.add_row(*(Text(plain_text(cell), overflow="ellipsis", no_wrap=True) for cell in cells))
    return table


def batch_cells(batch: BatchStatus, now: float) -> tuple[str, ...]:
    """Id, lane, lines done, age, end and state of one batch."""
    return (
        batch.id,
        f"{batch.provider}/{batch.model}",
        _done(batch),
        duration(max(0.0, now - (batch.created_at or batch.begun_at))),
        _end(batch, now),
        batch.step,
    )


def _done(batch: BatchStatus) -> str:
    """Of how many lines how many are done; of Anthropic's the counts move only at the end."""
    if batch.total is None:
        return f"{batch.rows:,}"
    return f"{(batch.completed or 0) + (batch.failed or 0):,}/{batch.total or batch.rows:,}"


def _end(batch: BatchStatus, now: float) -> str:
    if batch.expected_end is not None:
        return f"~{_moment(batch.expected_end, now)}"
    return "?" if batch.expires_at is None else f"by {_moment(batch.expires_at, now)}"


def _moment(at: float, now: float) -> str:
    """The time of day; with its date where that is more than a day away, and "?" where no calendar has a day for it."""
    try:
        moment = datetime.fromtimestamp(at)
    except (OverflowError, ValueError, OSError):
        return "?"
    return f"{moment:%H:%M}" if abs(at - now) < _DAY_S else f"{moment:%m-%d %H:%M}"


def batch_lines(batches: Sequence[BatchStatus], now: float) -> Iterator[str]:
    """What stands beneath the table: notes, those it leaves out, and what came of the settled ones."""
    still = [batch for batch in batches if not batch.over]
    if len(still) > _MOST_SHOWN:
        yield f"and {len(still) - _MOST_SHOWN:,} batches more (--json has all)"
    for batch in still[:_MOST_SHOWN]:
        failed = f"{batch.failed:,} failed so far" if batch.failed else ""
        late = "past the time at which it expires" if batch.expires_at is not None and batch.expires_at < now else ""
        notes = [note for note in (failed, late, batch.note) if note]
        if notes:
            yield f"{batch.id}: {', '.join(notes)}"
    yield from _settled(batches)


def _settled(batches: Sequence[BatchStatus]) -> Iterator[str]:
    over = [batch for batch in batches if batch.over]
    settled = [batch for batch in over if batch.step == SETTLED]
    lines: Counter[str] = Counter()
    for batch in settled:
        lines.update(batch.lines)
    if settled:
        ends = ", ".join(f"{lines.pop(kind):,} {kind}" for kind in _ENDS if lines[kind])
        odd = ", ".join(f"{count:,} lines {kind}" for kind, count in sorted(lines.items()) if count)
        yield f"{_batches(len(settled))} settled: {'; '.join(part for part in (ends or 'no rows', odd) if part)}"
    if dropped := len(over) - len(settled):
        yield f"{_batches(dropped)} dropped before {'it' if dropped == 1 else 'they'} ran"


def _batches(count: int) -> str:
    return f"{count:,} batch{'es' if count != 1 else ''}"
