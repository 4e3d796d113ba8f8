"""Where the values of a run's scores come from: how many are expectations, and over how much probability.

A score from log probabilities is only as good as the probability mass that the judge put on scores at all: it stands,
with the coverage, beside whatever is computed from them.
"""

import math
from collections.abc import Sequence

import polars as pl

from prompts.records import Mode, Outcome

MODES_SCHEMA: dict[str, type[pl.DataType]] = {
    "run": pl.String,
    "judge": pl.String,
    "dimension": pl.String,
    "asked": pl.Int64,
    "ok": pl.Int64,
    "coverage": pl.Float64,
    **{mode.value: pl.Int64 for mode in Mode},
    "mass_mean": pl.Float64,
    "mass_min": pl.Float64,
    "simulated": pl.Boolean,
}


def modes_table(
    scores: pl.DataFrame, dimensions: Sequence[str], *, run: str, judge: str, asked: int, simulated: bool
) -> pl.DataFrame:
    """One row per dimension, rated or not; `scores` as `outputs.tables.columns` has them, columns as `MODES_SCHEMA`.

    Coverage is ok answers / `asked`, the requests of the run. The columns named for a mode count the ok scores of that
    mode. `mass_mean` and `mass_min` are probabilities, over the expectations; NaN where there is none.
    """
    about = {"run": run, "judge": judge, "asked": asked, "simulated": simulated}
    rows = [about | _row(scores.filter(pl.col("dimension") == dimension), dimension, asked) for dimension in dimensions]
    return pl.DataFrame(rows, schema=MODES_SCHEMA, orient="row")


def _row(scores: pl.DataFrame, dimension: str, asked: int) -> dict[str, object]:
    ok = scores.filter(pl.col("outcome") == Outcome.OK.value)
    masses = ok.filter(pl.col("mode") == Mode.EXPECTATION.value)["mass"].drop_nulls().to_list()
    return {
        "dimension": dimension,
        "ok": ok.height,
        "coverage": ok.height / asked if asked else math.nan,
        **{mode.value: ok.filter(pl.col("mode") == mode.value).height for mode in Mode},
        "mass_mean": math.fsum(masses) / len(masses) if masses else math.nan,
        "mass_min": min(masses, default=math.nan),
    }
