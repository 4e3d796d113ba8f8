"""The form of each model's answers, feature by feature."""

import math

import numpy as np
import polars as pl

from outputs.analysis_options import Options
from outputs.similarity.pairs import Compared
from outputs.similarity.set_means import set_counts, set_means, set_names
from outputs.similarity.structure import FEATURES
from outputs.statistics.resampling import Floats

STRUCTURE_SCHEMA: dict[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "model": pl.String,
    "feature": pl.String,
    "mean": pl.Float64,  # per answer
    "low": pl.Float64,
    "high": pl.Float64,
    "share": pl.Float64,  # of the answers, those that have any
    "answers": pl.Int64,
    "warning": pl.String,
    "simulated": pl.Boolean,
}


def structure_table(compared: Compared, options: Options, *, simulated: bool) -> pl.DataFrame:
    """Means over the prompts that all models answered, where there are such, else over each model's own answers."""
    texts, wide = compared.texts, len(FEATURES)
    values: Floats = np.full((len(texts.prompts), len(texts.models), wide), math.nan)
    for prompt, model in zip(*np.nonzero(compared.place >= 0), strict=True):
        values[prompt, model] = compared.forms[compared.place[prompt, model]].counts
    if compared.whole.any():
        values[~compared.whole] = math.nan
    flat = values.reshape(len(values), -1)
    having = np.where(np.isnan(flat), flat, flat > 0)
    means = set_means(np.concatenate([flat, having], axis=1), compared.dataset_of, texts.datasets, options)
    answers = set_counts(~np.isnan(flat), compared.dataset_of, len(texts.datasets))
    rows = []
    for place, dataset in enumerate(set_names(texts.datasets)):
        for model, name in enumerate(texts.models):
            for number, feature in enumerate(FEATURES):
                column = model * wide + number
                found, counted = means[place][column], answers[place, column]
                warning = found.warning if counted else "no answer"
                cells = (found.estimate, found.low, found.high, means[place][flat.shape[1] + column].estimate, counted)
                rows.append((dataset, name, feature, *cells, warning, simulated))
    return pl.DataFrame(rows, schema=STRUCTURE_SCHEMA, orient="row")
