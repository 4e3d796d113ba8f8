"""How the dimensions that a judge rates go together, over the answers of all models; controls are left out."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from outputs.judged.panels import Panel
from outputs.statistics.resampling import Floats

ASPECTS_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("prompt", "reference", "judge", "first", "second"), pl.String),
    "answers": pl.Int64,
    "pearson": pl.Float64,
    "spearman": pl.Float64,
}


def aspects_table(panels: Sequence[Panel]) -> pl.DataFrame:
    """The correlation of every two dimensions over the answers of all models; columns as in `ASPECTS_SCHEMA`."""
    rows = [row for panel in panels for row in _aspects(panel)]
    return pl.DataFrame(rows, schema=ASPECTS_SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None))


def _aspects(panel: Panel) -> Iterator[dict[str, Any]]:
    from scipy.stats import rankdata

    about = {"prompt": panel.prompt, "reference": panel.reference}
    for judge in panel.judges:
        of_judge = panel.of(judge)
        values = of_judge.values[:, of_judge.tested()].reshape(-1, len(panel.dimensions))
        values = values[~np.isnan(values).any(axis=1)]
        pearson = _correlations(values)
        spearman = _correlations(rankdata(values, axis=0) if len(values) else values)
        for i, j in combinations(range(len(panel.dimensions)), 2):
            named = {"judge": judge, "first": panel.dimensions[i], "second": panel.dimensions[j]}
            yield {**about, **named, "answers": len(values), "pearson": pearson[i, j], "spearman": spearman[i, j]}


def _correlations(values: Floats) -> Floats:
    """Of the columns; NaN for one that does not vary, or of fewer than two rows."""
    columns = values.shape[1]
    found = np.full((columns, columns), np.nan)
    varied = np.flatnonzero(np.ptp(values, axis=0) > 0) if len(values) > 1 else np.empty(0, int)
    if len(varied) > 1:
        found[np.ix_(varied, varied)] = np.corrcoef(values[:, varied].T)
    return found
