"""What a row's attempts say of it: which failures they met, and what was perhaps billed."""

import polars as pl

from providers.wire import Billing

_TOLD = ("attempt_failure", "maybe_billed", "maybe_usd")


def attempts_told(attempts: pl.LazyFrame, requests: pl.Series) -> pl.DataFrame:
    """By request, of these, what its attempts say, columns as in `outputs.browsing.columns.BROWSE`.

    Only requests that it says something of are there. `attempts` has the columns of the table of that name. What an
    attempt that is maybe billed costs at most is not known where any of them has no known price.
    """
    failed = pl.col("settled").is_not_null() & (pl.col("settled") != "answered")
    here = pl.col("request").is_between(requests.min(), requests.max())
    mine = attempts.filter(here, failed | maybe_billed())
    kinds = pl.when(failed).then(pl.col("kind").fill_null("unknown")).drop_nulls()
    most = pl.col("reserved_usd").filter(maybe_billed())
    found = mine.group_by("request").agg(
        kinds.unique().sort().str.join("\n").replace({"": None}).alias("attempt_failure"),
        maybe_billed().sum().cast(pl.Int64).alias("maybe_billed"),
        pl.when(most.null_count() == 0).then(most.sum()).alias("maybe_usd"),
    )
    return found.select("request", *_TOLD).collect(engine="streaming")


def maybe_billed() -> pl.Expr:
    """Whether nobody knows if an attempt was billed: it says so, or nothing says how it settled."""
    return pl.col("settled").is_null() | (pl.col("settled") == Billing.MAYBE.value)
