"""The table `metric_coverage`: how many captions each metric scored, and what became of the others."""

from math import isfinite
from typing import Any

import polars as pl

from outputs.captions.metric_scores import NOT_ASKED
from outputs.report import count

COVERAGE_SCHEMA: dict[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "metric": pl.String,
    "judge": pl.String,
    "source": pl.String,
    "dimensions": pl.String,
    "items": pl.Int64,  # captions of the dataset
    "rated": pl.Int64,  # of those, the ones that people rated
    "asked": pl.Int64,  # of the captions, those that the metric was to score
    "ok": pl.Int64,  # of those, the ones with a value
    "coverage": pl.Float64,  # ok / items
    "used": pl.Int64,  # of the ok ones, those that enter correlations
    "outcomes": pl.String,  # of the captions, with how many there are of each
    "reasons": pl.String,  # the most frequent ones
    "mean": pl.Float64,  # over the used ones, of the average of a metric of several dimensions
    "simulated": pl.Boolean,
}
_REASONS = 3


def coverage_table(scores: pl.DataFrame, rated: set[str]) -> pl.DataFrame:
    """A row for each metric of one dataset's `scores`; `rated` are the captions that people rated."""
    rows = [
        _row(dict(zip(("dataset", "metric", "judge", "source"), key, strict=True)), rows, rated)
        for key, rows in scores.group_by("dataset", "metric", "judge", "source", maintain_order=True)
    ]
    return pl.DataFrame(rows, schema=COVERAGE_SCHEMA, orient="row")


def _row(about: dict[str, Any], scores: pl.DataFrame, rated: set[str]) -> dict[str, Any]:
    dimensions = scores["dimension"].unique(maintain_order=True).to_list()
    first = scores.filter(pl.col("dimension") == ("average" if "average" in dimensions else dimensions[0]))
    ok = first["value"].count()
    mean = first.filter("used")["value"].mean()
    return {
        **about,
        "dimensions": ", ".join(dimensions),
        "items": first.height,
        "rated": int(first["item"].is_in(list(rated)).sum()),
        "asked": int((first["outcome"] != NOT_ASKED).sum()),
        "ok": ok,
        "coverage": ok / first.height,
        "used": int(first["used"].sum()),
        "outcomes": _counted(first, "outcome"),
        "reasons": _counted(first, "reason", _REASONS) or None,
        "mean": mean if isinstance(mean, float) and isfinite(mean) else float("nan"),
        "simulated": bool(first["simulated"].any()),
    }


def _counted(rows: pl.DataFrame, column: str, most: int | None = None) -> str:
    return ", ".join(f"{name} {many}" for name, many in list(count(rows, column).items())[:most])
