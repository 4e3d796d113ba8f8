"""How far judges can be relied on: agreement between them, the order of the two texts, repeats.

Controls are left out everywhere: that the reference is like itself is no finding.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from outputs.analysis_options import Options
from outputs.judged.gathering import Judgements
from outputs.judged.means import interval_cells
from outputs.judged.panels import ALL_JUDGES, Panel, ratio_of
from outputs.statistics.agreement import Level, krippendorff_alpha, pair_agreement
from outputs.statistics.resampling import Floats, Interval, Statistic, bootstrap

_ABOUT = ("prompt", "reference", "judge", "dimension")
_ERRORS: dict[str, type[pl.DataType]] = dict.fromkeys(("low", "high", "standard_error"), pl.Float64)
AGREEMENT_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("first", "second", "prompt", "reference", "dimension"), pl.String),  # two judges, or all of them
    "answers": pl.Int64,  # answers that both could be read about, an item's repeats averaged
    "equal": pl.Float64,  # share of exactly equal values
    "mean_difference": pl.Float64,  # first minus second, on the prompt's scale
    **_ERRORS,  # of the mean difference: 95 % interval, bootstrap over prompts
    "mean_absolute_difference": pl.Float64,
    "spearman": pl.Float64,  # over the answers
    "spearman_of_models": pl.Float64,  # over the models' means
    "models": pl.Int64,
    "alpha_interval": pl.Float64,  # Krippendorff's
    "alpha_ordinal": pl.Float64,
    "warning": pl.String,
}
ORDER_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(_ABOUT, pl.String),
    "pairs": pl.Int64,  # of judgements of one answer, one in each order
    "items": pl.Int64,
    "equal": pl.Float64,  # share of exactly equal values
    "mean_difference": pl.Float64,  # the usual order minus the swapped one
    **_ERRORS,
    "mean_absolute_difference": pl.Float64,
    "warning": pl.String,
}
REPEATS_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(_ABOUT, pl.String),
    "answers": pl.Int64,  # judged twice or more, in one order
    "judgements": pl.Int64,
    "equal": pl.Float64,  # share of answers whose repeats all have the same value
    "spread": pl.Float64,  # standard deviation within an answer, pooled over them
    "widest": pl.Float64,  # greatest minus least value of one answer
}


def agreement_table(panels: Sequence[Panel], options: Options) -> pl.DataFrame:
    """Every two judges of a panel, and all where there are more; columns as in `AGREEMENT_SCHEMA`."""
    return _frame([row for panel in panels for row in _agreements(panel, options)], AGREEMENT_SCHEMA)


def _agreements(panel: Panel, options: Options) -> Iterator[dict[str, Any]]:
    judges = [judge for judge in panel.judges if judge != ALL_JUDGES]
    if len(judges) < 2:
        return
    for layer, dimension in enumerate(panel.dimensions):
        values = _by_judge(panel, judges, layer)
        about = {"prompt": panel.prompt, "reference": panel.reference, "dimension": dimension}
        for first, second in combinations(range(len(judges)), 2):
            both = values[..., [first, second]]
            named = {"first": judges[first], "second": judges[second]}
            yield {**about, **named, **_alphas(both), **_pair(both, panel, options)}
        if len(judges) > 2:
            yield {**about, "first": "(all judges)", "second": "", **_alphas(values)}


def _by_judge(panel: Panel, judges: Sequence[str], layer: int) -> Floats:
    """(items, models, judges)."""
    models = sorted({column.model for column in panel.columns if not column.control})
    values = np.full((len(panel.values), len(models), len(judges)), np.nan)
    for place, column in enumerate(panel.columns):
        if not column.control and column.judge in judges:
            values[:, models.index(column.model), judges.index(column.judge)] = panel.values[:, place, layer]
    return values


def _alphas(values: Floats) -> dict[str, Any]:
    units = values.reshape(-1, values.shape[-1])
    levels: tuple[Level, ...] = ("interval", "ordinal")
    return {f"alpha_{level}": krippendorff_alpha(units, level) for level in levels}


def _pair(values: Floats, panel: Panel, options: Options) -> dict[str, Any]:
    """What two judges have of each other: `values` (items, models, 2)."""
    units = values.reshape(-1, 2)
    found = pair_agreement(units[:, 0], units[:, 1])
    apart = values[..., 0] - values[..., 1]
    there = ~np.isnan(apart)
    means = [_column_means(np.where(there, values[..., side], np.nan)) for side in (0, 1)]
    models = int(np.sum(there.any(axis=0)))
    interval = _mean_over_items(np.nansum(apart, axis=1), there.sum(axis=1), panel.strata(), options)
    return {
        "answers": found.n,
        "equal": found.exact,
        "mean_difference": found.mean_difference,
        "mean_absolute_difference": found.mean_absolute_difference,
        "spearman": found.spearman,
        "spearman_of_models": pair_agreement(*means).spearman if models > 2 else None,
        "models": models,
        **interval_cells(interval, int(there.any(axis=1).sum())),
    }


def _column_means(values: Floats) -> Floats:
    counts = np.sum(~np.isnan(values), axis=0)
    return np.where(counts > 0, np.nansum(values, axis=0) / np.maximum(counts, 1), np.nan)


def _mean_over_items(sums: Floats, counts: Floats, strata: Any, options: Options) -> Interval:
    """The mean of all values, `counts` of each item with this sum; items are drawn."""
    both = np.column_stack([sums, counts]).astype(np.float64)

    def ratio(weights: Floats) -> Floats:
        total = weights @ both
        return ratio_of(total[:, :1], total[:, 1:])

    statistic: Statistic = ratio
    items = np.arange(len(both))
    return bootstrap(statistic, items, strata=strata, resamples=options.resamples, seed=options.seed).interval(0)


def order_table(found: Judgements, options: Options) -> pl.DataFrame:
    """What swapping the two texts changed, by judge and dimension; columns as in `ORDER_SCHEMA`."""
    if not found.rows["swapped"].any():
        return pl.DataFrame(schema=ORDER_SCHEMA)
    answer = ("run", "dataset", "item", "model", "answer_repeat", "repeat")
    usual = pl.col("value").filter(~pl.col("swapped")).mean()
    swapped = pl.col("value").filter(pl.col("swapped")).mean()
    pairs = (
        found.rows.filter(~pl.col("control"), pl.col("value").is_not_null())
        .group_by(*_ABOUT, *answer, maintain_order=True)  # sums of floats need one order
        .agg(apart=usual - swapped)
        .drop_nulls("apart")
    )
    items = (
        pairs.group_by(*_ABOUT, "dataset", "item", maintain_order=True)
        .agg(
            pairs=pl.len(),
            sum=pl.col("apart").sum(),
            absolute=pl.col("apart").abs().sum(),
            equal=(pl.col("apart") == 0).sum(),
        )
        .sort(*_ABOUT, "dataset", "item")
    )
    groups = items.group_by(_ABOUT, maintain_order=True)
    return _frame([_order(dict(zip(_ABOUT, key, strict=True)), its, options) for key, its in groups], ORDER_SCHEMA)


def _order(about: dict[str, Any], items: pl.DataFrame, options: Options) -> dict[str, Any]:
    pairs = int(items["pairs"].sum())
    sums, counts = items["sum"].to_numpy(), items["pairs"].to_numpy()
    interval = _mean_over_items(sums, counts, items["dataset"].to_list(), options)
    return {
        **about,
        "pairs": pairs,
        "items": items.height,
        "equal": items["equal"].sum() / pairs,
        "mean_difference": interval.estimate,
        "mean_absolute_difference": items["absolute"].sum() / pairs,
        **interval_cells(interval, items.height),
    }


def repeats_table(found: Judgements) -> pl.DataFrame:
    """How far a judge agrees with itself when asked again; columns as in `REPEATS_SCHEMA`."""
    if not (found.rows["repeat"] > 0).any():
        return pl.DataFrame(schema=REPEATS_SCHEMA)
    answer = ("run", "dataset", "item", "model", "answer_repeat", "swapped")
    value = pl.col("value")
    again = (
        found.rows.filter(~pl.col("control"), value.is_not_null())
        .group_by(*_ABOUT, *answer, maintain_order=True)
        .agg(n=value.len(), squares=((value - value.mean()) ** 2).sum(), width=value.max() - value.min())
        .filter(pl.col("n") > 1)
    )
    tables = again.group_by(_ABOUT, maintain_order=True).agg(
        answers=pl.len(),
        judgements=pl.col("n").sum(),
        equal=(pl.col("width") == 0).mean(),
        spread=(pl.col("squares").sum() / (pl.col("n") - 1).sum()).sqrt(),
        widest=pl.col("width").max(),
    )
    return tables.sort(_ABOUT).select(pl.col(name).cast(kind) for name, kind in REPEATS_SCHEMA.items())


def _frame(rows: list[dict[str, Any]], schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col(pl.Float64).fill_nan(None))
