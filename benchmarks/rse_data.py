"""Simulated RSE judgements as the tables of a run: nobody said any of this, and every row says so."""

from pathlib import Path

import numpy as np
import polars as pl

from outputs.tables.columns import TABLES
from outputs.tables.loading import LoadedRun

SETS = ("arena", "numina", "sharegpt")
DIMENSIONS = ("response_style", "logical_structure", "content_detail", "overall", "aspect_mean")
REFERENCE, JUDGE, PROMPT = "lab/reference", "lab/judge", "rse_judge@1.0"
_RUN, _UNREADABLE, _FAILED = "simulated", 0.01, 0.005


def write_rse_tables(folder: Path, models: int, prompts: int, seed: int) -> None:
    """The tables requests and scores of `models` test models, each judged once about each prompt, and the control."""
    names = [*(f"lab/model-{n}" for n in range(models)), REFERENCE]
    items = pl.DataFrame({"item": [f"{SETS[n % 3]}-{n}" for n in range(prompts)]}).with_columns(
        dataset=pl.col("item").str.split("-").list.first()
    )
    cells = pl.DataFrame({"model": names}).join(items, how="cross").with_row_index("seq", offset=1)
    cells = cells.with_columns(control=pl.col("model") == REFERENCE)
    random = np.random.default_rng(seed)
    lost = random.random(cells.height) < _FAILED
    _write(_requests(cells, lost), folder, "requests")
    _write(_scores(cells.filter(~pl.Series(lost)), models + 1, prompts, lost, random), folder, "scores")


def loaded(folder: Path) -> LoadedRun:
    """The run of these tables."""
    from outputs.answers import RowCounts
    from outputs.run_record import RunRecord, Source

    tables = {name: folder / f"{name}.parquet" for name in ("requests", "scores")}
    asked = pl.scan_parquet(tables["requests"]).select(pl.len()).collect().item()
    source = Source("spec", "simulated.toml", "0" * 64)
    record = RunRecord(
        name=_RUN, created_at="", code_version="", source=source, items=0, requests=asked, simulated=True, job="rse"
    )
    return LoadedRun(folder, record, RowCounts(asked, asked, 0), tables)


def _write(rows: pl.DataFrame, folder: Path, name: str) -> None:
    """With all columns of the table, those that are not there null."""
    schema = TABLES[name].schema
    made = [
        pl.col(column).cast(kind) if column in rows.columns else pl.lit(None, kind).alias(column)
        for column, kind in schema.items()
    ]
    rows.select(made).write_parquet(folder / f"{name}.parquet")


def _requests(cells: pl.DataFrame, lost: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> pl.DataFrame:
    """The models' answers, and the judgements of those that did not fail."""
    common = {"run": _RUN, "provider": "lab", "state": "answered"}
    answers = cells.with_columns(
        stage=pl.lit("answer"),
        metadata=pl.struct(
            stage=pl.lit("answer"), item="item", dataset="dataset", model="model", turn=1
        ).struct.json_encode(),
        model=pl.col("model").str.strip_prefix("lab/"),
        custom_id=pl.format("answer-{}", "seq"),
        **{name: pl.lit(value) for name, value in common.items()},
    )
    told = pl.struct(
        item="item", dataset="dataset", model="model", reference=pl.lit(REFERENCE), control="control",
        turns=pl.lit([1]), turns_asked=1, stage=pl.lit("judge"), repeat=0, swapped=pl.lit(value=False),
        prompt=pl.lit(PROMPT), prompt_sha256=pl.lit("0" * 64), self_preference=pl.lit(value=False),
    )  # fmt: skip
    judged = cells.filter(~pl.Series(lost)).with_columns(
        stage=pl.lit("judge"),
        metadata=told.struct.json_encode(),
        model=pl.lit("judge"),
        seq=pl.col("seq") + cells.height,
        custom_id=pl.format("judge-{}", "seq"),
        **{name: pl.lit(value) for name, value in common.items()},
    )
    return pl.concat([answers, judged], how="diagonal_relaxed")


def _scores(
    cells: pl.DataFrame,
    models: int,
    prompts: int,
    lost: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    random: np.random.Generator,
) -> pl.DataFrame:
    """One row per judgement and dimension: whole numbers from 1 to 5 about a mean of the model and of the prompt."""
    level = np.append(random.normal(3.8, 0.25, models - 1), 6.0)[:, None, None]
    latent = level + random.normal(0, 0.5, (1, prompts, 1)) + random.normal(0, 0.6, (models, prompts, 4))
    values = np.clip(np.rint(latent), 1, 5)
    values = np.concatenate([values, values[..., :3].mean(axis=2, keepdims=True)], axis=2).reshape(-1, 5)[~lost]
    unread = random.random(cells.height) < _UNREADABLE
    layers = [
        cells.with_columns(
            dimension=pl.lit(name), value=pl.Series(np.where(unread, np.nan, values[:, n])).fill_nan(None)
        )
        for n, name in enumerate(DIMENSIONS)
    ]
    return pl.concat(layers).with_columns(
        run=pl.lit(_RUN), stage=pl.lit("judge"), custom_id=pl.format("judge-{}", "seq"), reference=pl.lit(REFERENCE),
        self_preference=pl.lit(value=False), judge=pl.lit(JUDGE), repeat=0, answer_repeat=0,
        swapped=pl.lit(value=False), turns=1, turns_asked=1, prompt=pl.lit(PROMPT), simulated=pl.lit(value=True),
        outcome=pl.when(pl.col("value").is_null()).then(pl.lit("unparseable")).otherwise(pl.lit("ok")),
    )  # fmt: skip
