"""Runs of judgements, made of rows: what a test says of each, and plain values for all else."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from outputs.answers import RowCounts
from outputs.items import Item
from outputs.run_record import PromptRecord, RunRecord, Source
from outputs.tables.columns import REQUESTS, SCORES
from outputs.tables.loading import LoadedRun

Row = dict[str, Any]


def judged(item: str, value: float | None, **changes: Any) -> Row:
    """A judgement of one dimension; without a value it could not be read."""
    row: Row = {
        "stage": "judge", "item": item, "dataset": "arena", "model": "m", "reference": "", "judge": "p/j",
        "control": False, "self_preference": False, "repeat": 0, "answer_repeat": 0, "swapped": False,
        "prompt": "rate@1", "simulated": True, "outcome": "unparseable" if value is None else "ok",
        "dimension": "overall", "value": value,
    }  # fmt: skip
    return row | changes


def asked(stage: str, item: str, model: str = "m", judge: str = "p/j", **told: Any) -> Row:
    """A request, of which the job told `told` besides."""
    told = {"stage": stage, "item": item, "dataset": "arena", "model": model} | told
    if stage == "judge":
        told = {"prompt": "rate@1"} | told
    provider, _, lane = (judge if stage == "judge" else f"p/{model}").partition("/")
    about = {"stage": stage, "item": item, "dataset": told["dataset"]}
    return {**about, "provider": provider, "model": lane, "metadata": json.dumps(told), "state": "answered"}


def grid(values: Mapping[str, Sequence[float | None]], **changes: Any) -> list[Row]:
    """Judgements by model: a value for each of the items 0, 1, ...; None could not be read."""
    return [
        judged(f"{changes.get('dataset', 'arena')}-{place}", value, model=model, **changes)
        for model, its in values.items()
        for place, value in enumerate(its)
    ]


def requests(rows: Iterable[Row]) -> pl.LazyFrame:
    """The table of requests."""
    return pl.DataFrame(list(rows), schema=REQUESTS.schema).lazy()


def judged_run(
    folder: Path,
    rows: Iterable[Row],
    *,
    asking: Iterable[Row] | None = None,
    items: Iterable[Item] = (),
    prompts: Sequence[PromptRecord] = (),
) -> LoadedRun:
    """A run named as its folder. `asking` are its requests, by default one for each judgement."""
    folder.mkdir()
    listed = list(rows)
    if asking is None:
        once = {json.dumps({**row, "dimension": "", "value": 0, "outcome": ""}, default=str): row for row in listed}
        kept = ("dataset", "reference", "control", "answer_repeat", "prompt")
        asking = [
            asked("judge", row["item"], row["model"], row["judge"], **{name: row[name] for name in kept})
            for row in once.values()
            if row["stage"] == "judge"
        ]
    asking = list(asking)
    tables = {"scores": pl.DataFrame(listed, schema=SCORES.schema), "requests": requests(asking).collect()}
    for name, frame in tables.items():
        frame.write_parquet(folder / f"{name}.parquet")
    (folder / "items.jsonl").write_bytes(b"".join(msgspec.json.encode(item) + b"\n" for item in items))
    source = Source("spec", "night.toml", "0" * 64)
    record = RunRecord(
        name=folder.name, created_at="", code_version="", source=source, items=0, requests=len(asking),
        simulated=True, job="rse", prompts=tuple(prompts),
    )  # fmt: skip
    counts = RowCounts(len(asking), len(asking), 0)
    return LoadedRun(folder, record, counts, {name: folder / f"{name}.parquet" for name in tables})
