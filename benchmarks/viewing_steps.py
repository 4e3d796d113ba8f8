"""Looking through a run's rows, step by step, by one of three means; prints seconds and rows found of each as JSON.

Usage: viewing_steps.py index|polars|duckdb RUN ROWS. The first is ours; the others read the same tables, polars all of
them at once into memory, duckdb from disk as each question asks.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LIMIT = 50
STAGE, LANE = "answer", "simulator/lab/north-7b"
MISS = "no such words"


@dataclass(frozen=True, slots=True)
class Step:
    """One question: `stage` and `lane` filter, `words` are searched, `sort` is a column."""

    name: str
    stage: str | None = None
    lane: str | None = None
    words: str | None = None
    sort: str | None = None
    offset: int = 0


def steps(rows: int) -> list[Step]:
    """The questions, of a run of so many rows as `long_log` writes them with answers that all differ."""
    return [
        Step("first page"),
        Step("filter", STAGE, LANE),
        Step("search, one hit", words=f" {rows * 3 // 4}."),
        Step("search, no hit", words=MISS),
        Step("sort", sort="latency_s"),
        Step("deep page", offset=rows - LIMIT),
    ]


def main(means: str, run: str, rows: int) -> None:
    """Open, and take all steps."""
    began = time.perf_counter()
    ask = {"index": _index, "polars": _polars, "duckdb": _duckdb}[means](Path(run))
    told: dict[str, tuple[float, int]] = {"open": (time.perf_counter() - began, rows)}
    for step in steps(rows):
        began = time.perf_counter()
        found = ask(step)
        told[step.name] = (time.perf_counter() - began, found)
    print(json.dumps(told))


def _index(run: Path) -> Callable[[Step], int]:
    from outputs.browsing.columns import SEARCH
    from outputs.browsing.index import RowIndex
    from outputs.browsing.query import Query
    from outputs.tables.loading import load_run

    index = RowIndex.open(load_run(run))

    def ask(step: Step) -> int:
        told = {"stage": step.stage, "lane": step.lane, SEARCH: step.words}
        filters = {name: value for name, value in told.items() if value is not None}
        return index.page(Query(filters, step.sort or "request", offset=step.offset, limit=LIMIT)).found

    return ask


def _polars(run: Path) -> Callable[[Step], int]:
    import polars as pl

    tables = run / "tables"
    answers = pl.read_parquet(tables / "responses.parquet").filter("counts").select("request", "text", "latency_s")
    rows = pl.read_parquet(tables / "outcomes.parquet").join(answers, on="request", how="left")
    lane = pl.format("{}/{}", "provider", "model")

    def ask(step: Step) -> int:
        found = rows
        if step.stage is not None:
            found = found.filter(pl.col("stage") == step.stage, lane == step.lane)
        if step.words is not None:
            found = found.filter(pl.col("text").str.to_lowercase().str.contains(step.words, literal=True))
        found.sort(step.sort or "request").slice(step.offset, LIMIT).to_dicts()
        return found.height

    return ask


def _duckdb(run: Path) -> Callable[[Step], int]:
    import duckdb

    tables, database = run / "tables", duckdb.connect()
    joined = (
        f"from '{tables}/outcomes.parquet' o left join '{tables}/responses.parquet' r "
        "on o.request = r.request and r.counts where true"
    )

    def ask(step: Step) -> int:
        where, values = "", []
        if step.stage is not None:
            where, values = " and o.stage = ? and o.provider || '/' || o.model = ?", [step.stage, step.lane]
        if step.words is not None:
            where, values = " and r.text ilike ?", [f"%{step.words}%"]
        order = f"order by {'r.' if step.sort else 'o.'}{step.sort or 'request'} limit {LIMIT} offset {step.offset}"
        database.execute(f"select o.*, r.text, r.latency_s {joined}{where} {order}", values).fetchall()
        return int(database.execute(f"select count(*) {joined}{where}", values).fetchall()[0][0])

    return ask


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
