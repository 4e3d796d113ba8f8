"""Differences between models, pair by pair, over the items that both have a value for.

p is of a sign-flip test over prompts, two-sided, corrected by Holm over the pairs of one family: all pairs of models
of one prompt, reference, judge, dataset (or mean over them) and dimension.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from outputs.analysis_options import Options
from outputs.judged.means import interval_cells
from outputs.judged.panels import POOLED, Panel
from outputs.statistics.permutation import enough_permutations, holm, sign_flip_tests
from outputs.statistics.resampling import Floats, Interval

OVERALL = "overall"
LEVEL = 0.05
DIFFERENCES_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("first", "second", "dataset", "judge", "prompt", "reference", "dimension"), pl.String),
    "difference": pl.Float64,  # of the means, first minus second, over the common items, on the prompt's scale
    "low": pl.Float64,  # of the 95 % interval, paired bootstrap over prompts
    "high": pl.Float64,
    "standard_error": pl.Float64,
    "p": pl.Float64,
    "p_holm": pl.Float64,
    "significant": pl.Boolean,  # p_holm below .05; null where there is no p
    "items": pl.Int64,  # common to both
    "first_only": pl.Int64,  # items that only the first has
    "second_only": pl.Int64,
    "family": pl.String,  # what Holm's correction is over
    "comparisons": pl.Int64,  # of the family, those that have a p
    "warning": pl.String,
}


def headline(dimensions: Sequence[str]) -> tuple[str, ...]:
    """What models are compared by: what the judge was asked overall, else every dimension."""
    return (OVERALL,) if OVERALL in dimensions else tuple(dimensions)


def differences_table(panels: Sequence[Panel], options: Options) -> pl.DataFrame:
    """The differences of all panels; columns as in `DIFFERENCES_SCHEMA`. Without two models there are none."""
    rows = [
        row
        for panel in panels
        for judge in panel.judges
        for dimension in headline(panel.dimensions)
        for row in _rows(panel.of(judge), judge, dimension, options)
    ]
    return pl.DataFrame(rows, schema=DIFFERENCES_SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None))


def _rows(panel: Panel, judge: str, dimension: str, options: Options) -> Iterator[dict[str, Any]]:
    columns = panel.tested()
    pairs = list(combinations(range(len(columns)), 2))
    if not pairs:
        return
    values = panel.values[:, columns, panel.dimensions.index(dimension)]
    firsts, seconds = (list(side) for side in zip(*pairs, strict=True))
    names = [panel.columns[place].model for place in columns]
    about = {"judge": judge, "prompt": panel.prompt, "reference": panel.reference, "dimension": dimension}
    for dataset, rows, found, p in _tested(panel, values[:, firsts] - values[:, seconds], options):
        corrected, by_set = holm(p), [_counts(values[part]) for part in rows]
        counts = sum(by_set, np.zeros((len(columns), len(columns))))
        of = {"dataset": dataset, "family": _family(panel, judge, dataset, dimension)}
        for n, (first, second) in enumerate(pairs):
            common = int(counts[first, second])
            only = {
                "first_only": int(counts[first, first]) - common,
                "second_only": int(counts[second, second]) - common,
            }
            least = min((int(part[first, second]) for part in by_set), default=0)
            yield {
                "first": names[first],
                "second": names[second],
                **about,
                **of,
                "difference": found[n].estimate,
                "p": p[n],
                "p_holm": corrected[n],
                "significant": None if np.isnan(corrected[n]) else bool(corrected[n] < LEVEL),
                "items": common,
                **only,
                "comparisons": int(np.sum(~np.isnan(p))),
                **interval_cells(found[n], least),
            }


def _tested(panel: Panel, apart: Floats, options: Options) -> Iterator[tuple[str, list[slice], list[Interval], Floats]]:
    """Each dataset, and the mean over them: its rows, the intervals and p values of `apart` (items, pairs)."""
    sets = panel.slices()
    by_dataset = dict(zip(panel.datasets, sets, strict=True))
    permutations = enough_permutations(apart.shape[1])
    for dataset, intervals in panel.intervals(apart, options):
        if dataset == POOLED:
            continue
        rows = [by_dataset[dataset]] if dataset in by_dataset else sets
        flipped = apart[by_dataset[dataset]] if dataset in by_dataset else _as_macro(apart, sets)
        p = sign_flip_tests(flipped, np.arange(len(flipped)), permutations=permutations, seed=options.seed)
        yield dataset, rows, intervals, p


def _as_macro(apart: Floats, sets: Sequence[slice]) -> Floats:
    """Differences scaled so that their sum over all items is the sum of the sets' means; NaN where a set has none."""
    scaled = np.empty_like(apart)
    for rows in sets:
        counts = np.sum(~np.isnan(apart[rows]), axis=0)
        scaled[rows] = apart[rows] / np.where(counts > 0, counts, 1)
    empty = np.any([np.all(np.isnan(apart[rows]), axis=0) for rows in sets], axis=0)
    scaled[:, empty] = np.nan
    return scaled


def _counts(values: Floats) -> Floats:
    """How many items each two columns have in common: (columns, columns)."""
    there = (~np.isnan(values)).astype(np.float64)
    return np.asarray(there.T @ there)


def _family(panel: Panel, judge: str, dataset: str, dimension: str) -> str:
    words = (dimension, dataset, judge, panel.prompt, panel.reference)
    return f"all pairs of models: {' | '.join(word for word in words if word)}"
