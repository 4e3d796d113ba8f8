"""Runs that are only their tables: for what reads tables and never a log."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from outputs.answers import RowCounts
from outputs.run_record import RunRecord, Source
from outputs.tables.columns import TABLES
from outputs.tables.loading import LoadedRun


def table_run(
    folder: Path, tables: Mapping[str, Iterable[Mapping[str, Any]]], *, job: str = "rse", simulated: bool = False
) -> LoadedRun:
    """A run with these rows in its tables; columns that a row does not name are null, `run` is the folder's name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, spec in TABLES.items():
        rows = [{**dict.fromkeys(spec.schema), "run": folder.name, **row} for row in tables.get(name, ())]
        paths[name] = folder / f"{name}.parquet"
        pl.DataFrame(rows, schema=spec.schema).write_parquet(paths[name])
    asked = len(list(tables.get("requests", ())))
    record = RunRecord(
        name=folder.name,
        created_at="2025-01-01T00:00:00Z",
        code_version="0",
        source=Source("spec", "night.toml", "0" * 64),
        items=0,
        requests=asked,
        simulated=simulated,
        job=job,
    )
    return LoadedRun(folder, record, RowCounts(asked, asked, 0), paths)
