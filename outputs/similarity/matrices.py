"""Model-by-model similarities with intervals, and those to the reference: RSE's question without a judge."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.analysis_options import Options
from outputs.similarity.pairs import Compared
from outputs.similarity.set_means import set_counts, set_means, set_names
from outputs.statistics.resampling import Floats, Interval

SIMILARITIES_SCHEMA: dict[str, type[pl.DataType]] = {
    "granularity": pl.String,
    "dataset": pl.String,
    "model_a": pl.String,
    "model_b": pl.String,
    "mean": pl.Float64,  # over the prompts that both answered
    "low": pl.Float64,
    "high": pl.Float64,
    "standard_error": pl.Float64,
    "prompts": pl.Int64,  # that both answered
    "of": pl.Int64,  # prompts that both were asked
    "common_mean": pl.Float64,  # over the prompts that all models answered: what may be compared between pairs
    "common_low": pl.Float64,
    "common_high": pl.Float64,
    "common_prompts": pl.Int64,
    "warning": pl.String,  # why a value is not there, or is doubtful
    "simulated": pl.Boolean,
}
NO_COMMON = "no prompt that both answered"


def similarity_table(compared: Compared, options: Options, *, simulated: bool) -> pl.DataFrame:
    """One row per granularity, dataset (and their mean) and pair of models; columns as in `SIMILARITIES_SCHEMA`."""
    pairs = np.triu_indices(len(compared.texts.models), 1)
    rows = [
        {**row, "simulated": simulated}
        for granularity, cube in compared.values.items()
        for row in _rows(compared, granularity, cube[:, pairs[0], pairs[1]], pairs, options)
    ]
    return pl.DataFrame(rows, schema=SIMILARITIES_SCHEMA, orient="row")


def _rows(
    compared: Compared, granularity: str, values: Floats, pairs: tuple[Any, Any], options: Options
) -> Iterator[dict[str, Any]]:
    texts, sets = compared.texts, len(compared.texts.datasets)
    common = np.where(compared.whole[:, None], values, math.nan)
    means = set_means(np.concatenate([values, common], axis=1), compared.dataset_of, texts.datasets, options)
    counted = [~np.isnan(values), texts.asked[:, pairs[0]] & texts.asked[:, pairs[1]], ~np.isnan(common)]
    both, asked, whole = (set_counts(one, compared.dataset_of, sets) for one in counted)
    for place, dataset in enumerate(set_names(texts.datasets)):
        for column, (a, b) in enumerate(zip(*pairs, strict=True)):
            yield {
                "granularity": granularity,
                "dataset": dataset,
                "model_a": texts.models[a],
                "model_b": texts.models[b],
                **_cells(means[place][column], means[place][values.shape[1] + column]),
                "prompts": both[place, column],
                "of": asked[place, column],
                "common_prompts": whole[place, column],
            }


def _cells(own: Interval, common: Interval) -> dict[str, Any]:
    return {
        "mean": own.estimate,
        **own.ends,
        "common_mean": common.estimate,
        "common_low": common.low,
        "common_high": common.high,
        "warning": NO_COMMON if math.isnan(own.estimate) else own.warning,
    }


def reference_likeness(similarities: pl.DataFrame, references: Mapping[str, str]) -> pl.DataFrame:
    """The rows of the models that are held against a reference, which `references` names by model."""
    known = pl.DataFrame(
        [(model, reference) for model, reference in references.items()],
        schema={"model": pl.String, "reference": pl.String},
        orient="row",
    )
    turned = similarities.rename({"model_a": "model_b", "model_b": "model_a"}).select(similarities.columns)
    both = pl.concat([similarities, turned]).rename({"model_a": "model", "model_b": "reference"})
    return both.join(known, on=["model", "reference"], how="semi").sort(
        "granularity", "dataset", "reference", "model", maintain_order=True
    )


def matrix(similarities: pl.DataFrame, granularity: str, dataset: str, models: tuple[str, ...]) -> Floats:
    """(models, models) over the prompts that all answered, where there are such; else over those of each pair."""
    places = {model: place for place, model in enumerate(models)}
    found: NDArray[np.float64] = np.full((len(models), len(models)), math.nan)
    np.fill_diagonal(found, 1.0)
    rows = similarities.filter((pl.col("granularity") == granularity) & (pl.col("dataset") == dataset))
    column = "common_mean" if rows["common_prompts"].sum() else "mean"
    for a, b, mean in rows.select("model_a", "model_b", column).iter_rows():
        found[places[a], places[b]] = found[places[b], places[a]] = mean
    return found
