"""Which rows of two runs of the same questions changed, and how: what `overnight compare` counts, row by row."""

from typing import NamedTuple

import polars as pl

from outputs.comparing import matched
from outputs.tables.loading import LoadedRun

CHANGED: dict[str, type[pl.DataType]] = {
    "request_a": pl.Int64,  # seq of the request's line; null of an imported item
    "request_b": pl.Int64,
    "custom_id_a": pl.String,
    "custom_id_b": pl.String,
    "stage": pl.String,
    "item": pl.String,
    "model_a": pl.String,  # provider/model, as it was asked
    "model_b": pl.String,
    "state_a": pl.String,
    "state_b": pl.String,
    "outcome_a": pl.String,  # of reading the answer; null where none reads it
    "outcome_b": pl.String,
    "text_changed": pl.Boolean,  # null unless it is answered in both
    "dimension": pl.String,  # whose score moved most; null where none moved
    "score_a": pl.Float64,
    "score_b": pl.Float64,
    "difference": pl.Float64,  # B - A
}


CHANGED_SCORES: dict[str, type[pl.DataType]] = {
    "custom_id_a": pl.String,
    "stage": pl.String,
    "model_a": pl.String,  # whose answer was judged, as in `outputs.comparing.SCORES_SCHEMA`
    "model_b": pl.String,
    "judge_a": pl.String,
    "judge_b": pl.String,
    "dimension": pl.String,
    "score_a": pl.Float64,
    "score_b": pl.Float64,
    "difference": pl.Float64,
}


class Changes(NamedTuple):
    """What changed: `rows` as in `CHANGED`, and every score that did, as in `CHANGED_SCORES`."""

    rows: pl.DataFrame
    scores: pl.DataFrame


def changes(a: LoadedRun, b: LoadedRun) -> Changes:
    """The rows of both with another answer, score, outcome or state, and their scores: what moved most comes first.

    Raises InputError where the runs have no row in common.
    """
    _, answers, scores = matched(a, b)
    moved = _moved(scores)
    return Changes(_rows(a, b, answers, moved), moved)


def _rows(a: LoadedRun, b: LoadedRun, answers: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    largest = moved.select("custom_id_a", "dimension", "score_a", "score_b", "difference")
    largest = largest.unique("custom_id_a", keep="first", maintain_order=True)
    rows = answers.lazy().join(largest.lazy(), on="custom_id_a", how="left", maintain_order="left")
    for side, run in (("a", a), ("b", b)):
        rows = rows.join(_known(run, side), on=f"custom_id_{side}", how="left", maintain_order="left")
    both = (pl.col("state_a") == "answered") & (pl.col("state_b") == "answered")
    told = rows.with_columns(
        stage="stage_a", item="item_a", text_changed=pl.when(both).then(pl.col("text_a").ne_missing(pl.col("text_b")))
    )
    found = told.select(pl.col(name).cast(kind) for name, kind in CHANGED.items()).filter(_changed()).collect()
    order = [pl.col("difference").abs(), pl.col("score_a").is_null() != pl.col("score_b").is_null(), "text_changed"]
    return found.sort(order, descending=True, nulls_last=True, maintain_order=True)


def _changed() -> pl.Expr:
    differ = [pl.col(f"{name}_a").ne_missing(pl.col(f"{name}_b")) for name in ("state", "outcome", "score")]
    return pl.any_horizontal(pl.col("text_changed").fill_null(value=False), *differ)


def _moved(scores: pl.DataFrame) -> pl.DataFrame:
    """The scores that are others in both, or that one run alone has."""
    named = scores.with_columns(
        stage="stage_a", score_a="value_a", score_b="value_b", difference=pl.col("value_b") - pl.col("value_a")
    )
    moved = named.filter(pl.col("score_a").ne_missing(pl.col("score_b")))
    told = moved.select(pl.col(name).cast(kind) for name, kind in CHANGED_SCORES.items())
    return told.sort(pl.col("difference").abs(), descending=True, nulls_last=True, maintain_order=True)


def _known(run: LoadedRun, side: str) -> pl.LazyFrame:
    known = ("custom_id", "request", "outcome")
    return run.scan("outcomes").select(pl.col(name).alias(f"{name}_{side}") for name in known)
