"""The rows of an identity search: each question that was asked through a template, with what its judgements say."""

import polars as pl

from outputs.identity.columns import ROWS, fitted
from outputs.identity.metadata import PLACE, told

ASK, LOOSE, STRICT = "ask", "loose", "strict"
_KEY = ("run", *PLACE)


def identity_rows(requests: pl.LazyFrame, scores: pl.LazyFrame, *, simulated: bool) -> pl.DataFrame:
    """One row per question asked of a target; columns as in `outputs.identity.columns.ROWS`, `family` null.

    `requests` and `scores` are a run's tables. A judgement is the first dimension of its prompt; of several judgements
    of a row the last counts, be it readable or not. An import's rows say themselves what was judged elsewhere.
    """
    wanted = ("run", "seq", "custom_id", "stage", "state", "metadata")
    about = requests.filter(pl.col("stage").is_in([ASK, LOOSE, STRICT]), pl.col("state") != "withdrawn")
    known = _placed(told(about.select(wanted).sort("seq").collect()))
    verdicts = _verdicts(known, scores)
    asked = known.filter(pl.col("stage") == ASK).unique(_KEY, keep="last", maintain_order=True)
    for stage, name in ((LOOSE, "conflict"), (STRICT, "claim")):
        found = verdicts.filter(pl.col("stage") == stage).select(*_KEY, pl.col("verdict").alias(name))
        asked = asked.join(found, on=_KEY, how="left", nulls_equal=True, maintain_order="left")
    conflict = pl.coalesce("conflict", "said_conflict")
    claim = pl.when(conflict).then(pl.coalesce("claim", "said_claim"))
    more = {"answered": pl.col("state") == "answered", "simulated": pl.lit(simulated)}
    return fitted(asked.with_columns(conflict=conflict, claim=claim, **more), ROWS)


def _placed(known: pl.DataFrame) -> pl.DataFrame:
    """With every part of the place said: what a row does not say is as if there were one only."""
    return known.with_columns(
        pl.col("target").fill_null(""), pl.col("tree").fill_null(0), pl.col("iteration").fill_null(0)
    )


def _verdicts(known: pl.DataFrame, scores: pl.LazyFrame) -> pl.DataFrame:
    """By stage and place whether a judge found what its prompt asks about; null where its answer cannot be read.

    The integer that the judge wrote counts, as it did in the search.
    """
    said = pl.coalesce(pl.col("sampled").cast(pl.Float64), pl.col("value").round()) > 0
    read = scores.filter(pl.col("stage").is_in([LOOSE, STRICT])).select(
        "run", "seq", "custom_id", verdict=pl.when(pl.col("value").is_not_null()).then(said)
    )
    first = read.collect().unique("seq", keep="first", maintain_order=True)
    last = first.sort("seq").unique(["run", "custom_id"], keep="last", maintain_order=True).drop("seq")
    judged = known.filter(pl.col("stage") != ASK).select("run", "custom_id", "stage", *PLACE)
    found = judged.join(last, on=["run", "custom_id"], how="inner", maintain_order="left")
    return found.unique([*_KEY, "stage"], keep="last", maintain_order=True)
