"""The table of rows that a person looks through: its columns, what they mean, and which rows a filter selects.

It has a row for each request that is asked for, in the order of the requests; of a run without requests, as imported
scores are, a row for each item.
"""

from collections.abc import Mapping

import polars as pl

from outputs.tables.columns import MOMENT, Column, TableSpec

Value = str | int | float | bool
Filter = Mapping[str, Value]  # columns and their values, and the keys below; all of them hold
SCORE_MIN, SCORE_MAX, SEARCH = "score_min", "score_max", "q"
SCORE_OF = "score_of"  # the dimension whose scores are meant, in place of each row's main one
EXCERPT = 200  # characters
NAME = "rows"
SEVERAL = "attempt_failure"  # the column that has several values in a row, each a line

BROWSE = TableSpec(
    NAME,
    "a request that is asked for, with how it ended",
    {
        "run": Column(pl.String, "name of the run"),
        "request": Column(pl.Int64, "seq of the request's line: with the run's name, the name of the row"),
        "custom_id": Column(pl.String, "the request's name; of an item, the item's"),
        "lane": Column(pl.String, "provider/model that was asked; null of an item"),
        "model": Column(
            pl.String, "whose answer it is, or whose answer is judged; of ICE the target; null where it is of no model"
        ),
        "stage": Column(pl.String, "stage of the job; null where it has none"),
        "item": Column(pl.String, "what the row is about, as in items.jsonl"),
        "dataset": Column(pl.String, "dataset that the item is from; null where none is named"),
        "field": Column(pl.String, "of ICE, as are the seven that follow: what the question is about"),
        "language": Column(pl.String, "of the question"),
        "template": Column(pl.String, "tree and iteration in which it was first asked through, and its name there"),
        "operator": Column(pl.String, "what the template was made by"),
        "level": Column(pl.Int64, "of the template in its tree; seeds have 0"),
        "iteration": Column(pl.Int64, "of the search"),
        "state": Column(pl.String, "answered, failed or open"),
        "failure": Column(pl.String, "kind of the final failure"),
        "outcome": Column(
            pl.String,
            "of reading the answer: ok, unparseable, refused, truncated, filtered; null where none reads it",
        ),
        "reason": Column(pl.String, "why it is not ok"),
        "answer": Column(pl.Int64, "seq of the answer that counts"),
        "score": Column(pl.Float64, "of `dimension`; null where the outcome is not ok", "the prompt's scale"),
        "dimension": Column(pl.String, "what the score is of: the overall one, or the first that was rated"),
        "conflict": Column(pl.Boolean, "ICE's first judgement found a conflict; null where none can be read"),
        "cost_usd": Column(pl.Float64, "of all answers and billed attempts; null where a price is not known", "USD"),
        "maybe_billed": Column(pl.Int64, "attempts of which nobody knows (yet) whether they were billed"),
        "maybe_usd": Column(pl.Float64, "what those cost at most, 0 for none; null where a price is not known", "USD"),
        "latency_s": Column(pl.Float64, "of the answer; null where nobody measured it", "seconds"),
        "attempts": Column(pl.Int64, "begun so far; 0 for a duplicate"),
        "attempt_failure": Column(
            pl.String, "kinds of the attempts that failed, one a line; a filter names one; null where none failed"
        ),
        "landed_at": Column(MOMENT, "when the answer was there", "UTC"),
        "by_batch": Column(pl.Boolean, "the answer came by a batch; null where there is none"),
        "excerpt": Column(pl.String, f"the first {EXCERPT} characters of the answer, the refusal or the failure"),
    },
)
FILTERED = tuple(name for name in BROWSE.columns if name not in ("run", "landed_at", "excerpt"))
SORTED = tuple(name for name in BROWSE.columns if name not in ("run", "excerpt"))


def completed(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with just the columns of `BROWSE`; those that they lack are null."""
    there = set(rows.columns)
    return rows.select(
        (pl.col(name) if name in there else pl.lit(None).alias(name)).cast(kind) for name, kind in BROWSE.schema.items()
    )


def condition(name: str, value: Value) -> pl.Expr:
    """Whether a row is what a filter says of one column, or of the score. The empty text stands for nothing, too."""
    if name in (SCORE_MIN, SCORE_MAX):
        score = pl.col("score")
        return (score >= float(value) if name == SCORE_MIN else score <= float(value)).fill_null(value=False)
    if value == "" and BROWSE.columns[name].dtype != pl.String:
        return pl.col(name).is_null()
    same = pl.col(name) == pl.lit(value)
    if name == SEVERAL:
        same = pl.col(name).str.split("\n").list.contains(pl.lit(value))
    return (same | pl.col(name).is_null() if value == "" else same).fill_null(value=False)
