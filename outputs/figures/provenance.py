"""Where a run's answers and ratings are from."""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import polars as pl

from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.run_record import RunRecord
from outputs.tables.loading import LoadedRun

CONSTRUCTED = "constructed"


class _ItemHead(msgspec.Struct):
    ratings_kind: str = "human"


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """How many items a run has, and of how many nobody gave the ratings."""

    items: int = 0
    constructed: int = 0


def item_facts(folder: Path) -> ItemFacts:
    """Read a run's items once, keeping none."""
    heads = read_records(folder / Log.ITEMS.file_name, _ItemHead)
    kinds = [head.ratings_kind == CONSTRUCTED for _, head in heads]
    return ItemFacts(len(kinds), sum(kinds))


def origin(run: LoadedRun) -> str:
    """One word: simulated, imported, or real."""
    if run.record.simulated:
        return "simulated"
    return "imported" if run.record.source.kind == "import" or run.record.job == "scores" else "real"


def items_from(record: RunRecord) -> str:
    """The file that a run's items are from, as its spec names it; else what the run was made from."""
    try:
        spec = tomllib.loads(record.spec_text or "")
    except tomllib.TOMLDecodeError:
        spec = {}
    named = (table.get("path") for table in spec.values() if isinstance(table, dict))
    return next((path for path in named if isinstance(path, str)), record.source.name)


def came_here() -> pl.Expr:
    """Of the table `responses`: whether the run itself got the answer. One that was imported is of no attempt, and has
    the time of its import.
    """
    brought = (pl.col("attempts") == 0) & pl.col("duplicate_of").is_null()
    return ~brought.fill_null(value=False)


def span_text(began: datetime | None, ended: datetime | None) -> str | None:
    """The time between two moments, to the second below an hour, else to the minute."""
    if began is None or ended is None:
        return None
    seconds = (ended - began).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {int(seconds) % 60:02} s"


def moment_text(at: datetime | None) -> str | None:
    """A moment to the second."""
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
