"""Shares over clusters of rows: what is counted of each template, and what the counts come to.

Each cluster (a template) has n rows with a first judgement, x of them conflicts, m conflicts with a second judgement, y
of those hits. The rate is L * q, L = sum(x) / sum(n), q = sum(y) / sum(m): a second judgement is lost from conflicts
only, so that leaving those rows out, or counting them as no hits, would make every rate too low. Where none is lost it
is sum(y) / sum(n). Intervals are those of `outputs.statistics.shares`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from outputs.identity.columns import MEASURES
from outputs.report import numbered
from outputs.statistics.resampling import Floats
from outputs.statistics.shares import share_interval

COUNTS = ("n", "x", "m", "y")


def cluster_counts(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """`by` (cluster included), measure, n, x, m, y as above, `rows`, `unknown`: hits by words that are not known."""
    second = pl.col("conflict") & pl.col("claim").is_not_null()
    claim, clean = pl.col("conflict") & pl.col("claim"), ~pl.col("misleading")
    counts = {
        "loose": (pl.col("conflict"), pl.col("conflict"), pl.lit(False)),
        "strict": (second, claim, pl.lit(False)),
        "hard": (second, claim & clean, claim & pl.col("misleading").is_null()),
    }
    summed = rows.group_by(by, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("rows"),
        _times(pl.col("conflict").is_not_null()).alias("n"),
        _times(pl.col("conflict")).alias("x"),
        *(
            _times(counted).alias(f"{measure}/{name}")
            for measure in MEASURES
            for name, counted in zip(("m", "y", "unknown"), counts[measure], strict=True)
        ),
    )
    return pl.concat(
        summed.select(
            *by, "rows", "n", "x", pl.lit(measure).alias("measure"),
            *(pl.col(f"{measure}/{name}").alias(name) for name in ("m", "y", "unknown")),
        )
        for measure in MEASURES
    )  # fmt: skip


def _times(true: pl.Expr) -> pl.Expr:
    return true.fill_null(False).cast(pl.Int64).sum()


def clustered_shares(counts: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """The share of hits of each group and measure; `by`, then the columns of a share in `outputs.identity.columns`.

    `counts` has one row per cluster and measure, as `cluster_counts` gives them. NaN, with the reason in `warning`,
    where there is nothing to say. Where nothing was judged, or no conflict again, nothing is known of hits: they are
    null, not 0, and no row counts as judged.
    """
    read = pl.col("n") > 0
    groups = counts.group_by([*by, "measure"], maintain_order=True).agg(
        *(pl.col(name).filter(read).alias(f"{name}s") for name in COUNTS),
        *(pl.col(name).sum() for name in (*COUNTS, "rows", "unknown")),
        templates=read.sum().cast(pl.Int64),
        templates_with_hits=(pl.col("y") > 0).sum().cast(pl.Int64),
    )
    known = (pl.col("n") > 0) & ((pl.col("x") == 0) | (pl.col("m") > 0))
    judged = pl.when(known).then(pl.col("n") - (pl.col("x") - pl.col("m"))).otherwise(0)
    found = pl.DataFrame([_share(row) for row in groups.iter_rows(named=True)], schema=_FOUND, orient="row")
    return groups.hstack(found).with_columns(
        templates_with_hits=pl.when(known).then("templates_with_hits"),
        hits=pl.when(known).then("y"),
        judged=judged,
        coverage=judged / pl.col("rows"),
        rate_over_all_rows=pl.when(known).then(pl.col("y") / pl.col("rows")),
    )


_FOUND: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("rate", "low", "high", "standard_error"), pl.Float64),
    "warning": pl.String,
}


def _share(group: Mapping[str, Any]) -> tuple[float, float, float, float, str | None]:
    reason = undefined(group)
    if reason is not None:
        return math.nan, math.nan, math.nan, math.nan, reason
    found = share_interval(np.array([group[f"{name}s"] for name in COUNTS], dtype=np.float64).T)
    if found.low == found.high:
        same = f"the same share in all {found.clusters} templates: no interval"
        return found.estimate, math.nan, math.nan, found.standard_error, same
    return found.estimate, found.low, found.high, found.standard_error, found.warning


def undefined(sums: Mapping[str, Any]) -> str | None:
    """Why the sums n, x, m and `unknown` of some rows have no rate; None where they have one."""
    if not sums["n"]:
        return "no judgement that could be read"
    if sums["x"] and not sums["m"]:
        return "no second judgement that could be read"
    if sums["unknown"]:
        return f"{numbered(sums['unknown'], 'hit')} in templates of which it is not known whether they are misleading"
    return None


def rates_of(sums: Floats) -> Floats:
    """(some,) of `sums` (some, 4) of n, x, m and y; NaN where nothing was judged, or no conflict again."""
    n, x, m, y = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(n > 0, np.where(x > 0, x / n * (y / m), 0.0), math.nan))
