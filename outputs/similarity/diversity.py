"""How diverse the answers are: of all models to a prompt, and of a model to all prompts."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.analysis_options import Options
from outputs.judged.panels import MACRO
from outputs.similarity.pairs import Compared
from outputs.similarity.repetition import compression_ratio, mean_cosine, self_bleu, self_repetition, vendi_score
from outputs.similarity.set_means import set_counts, set_means, set_names
from outputs.similarity.structure import FEATURES
from outputs.statistics.resampling import Floats

MEASURES = ("mean_cosine", "vendi", "self_bleu", "compression_ratio", "self_repetition")
OF_COSINES = MEASURES[:2]
DIVERSITY_SCHEMA: dict[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "measure": pl.String,
    "embedding": pl.String,  # what the cosines are of; empty where the measure needs none
    "mean": pl.Float64,  # over prompts that all models answered
    "low": pl.Float64,
    "high": pl.Float64,
    "prompts": pl.Int64,
    "of": pl.Int64,  # prompts drawn
    "models": pl.Int64,  # with an answer; with datasets of different models, the largest number
    "warning": pl.String,
    "simulated": pl.Boolean,
}
WITHIN_SCHEMA: dict[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "model": pl.String,
    "answers": pl.Int64,
    "asked": pl.Int64,  # prompts of the draw
    "coverage": pl.Float64,  # answers / asked
    "words": pl.Float64,  # mean of an answer
    "compared": pl.Int64,  # answers that the next two are over: to prompts that all models answered, if there are such
    "compression_ratio": pl.Float64,
    "self_repetition": pl.Float64,
    "simulated": pl.Boolean,
}


def prompt_diversity(compared: Compared) -> pl.DataFrame:
    """One row per prompt that all models answered: the measures over its answers."""
    rows = []
    for prompt in np.flatnonzero(compared.whole):
        key = compared.texts.prompts[prompt]
        found = _measures(compared, int(prompt))
        rows.append((key.dataset, key.item, int(compared.texts.there[prompt].sum()), *found))
    schema = {"dataset": pl.String, "item": pl.String, "models": pl.Int64, **dict.fromkeys(MEASURES, pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _measures(compared: Compared, prompt: int) -> tuple[float, ...]:
    models = np.flatnonzero(compared.texts.there[prompt])
    if len(models) < 2:
        return (math.nan,) * len(MEASURES)
    encoded = [compared.encoded[place] for place in compared.place[prompt, models]]
    texts = [text for text in compared.texts.answers[prompt] if text is not None]
    cosines = (math.nan, math.nan)
    if compared.embedding:
        block = compared.values[compared.embedding][prompt][np.ix_(models, models)]
        cosines = mean_cosine(block), vendi_score(block)
    bleu, repeated = float(self_bleu(encoded).mean()), float(self_repetition(encoded).mean())
    return (*cosines, bleu, compression_ratio(texts), repeated)


def diversity_table(compared: Compared, by_prompt: pl.DataFrame, options: Options, *, simulated: bool) -> pl.DataFrame:
    """The means over prompts of `prompt_diversity`; columns as in `DIVERSITY_SCHEMA`."""
    texts, measures = compared.texts, MEASURES if compared.embedding else MEASURES[len(OF_COSINES) :]
    values: Floats = np.full((len(texts.prompts), len(measures)), math.nan)
    values[compared.whole] = by_prompt.select(measures).to_numpy()
    means = set_means(values, compared.dataset_of, texts.datasets, options)
    counts = set_counts(~np.isnan(values), compared.dataset_of, len(texts.datasets))
    drawn = set_counts(np.ones((len(values), 1), np.bool_), compared.dataset_of, len(texts.datasets))
    models = [int(texts.there[compared.dataset_of == place].any(axis=0).sum()) for place in range(len(texts.datasets))]
    rows = []
    for place, dataset in enumerate(set_names(texts.datasets)):
        for column, measure in enumerate(measures):
            interval = means[place][column]
            of = max(models) if place >= len(models) else models[place]
            warning = _why_not(of) if math.isnan(interval.estimate) else interval.warning
            embedding = compared.embedding if measure in OF_COSINES else ""
            cells = (interval.estimate, interval.low, interval.high, counts[place, column], drawn[place, 0], of)
            rows.append((dataset, measure, embedding, *cells, warning, simulated))
    return pl.DataFrame(rows, schema=DIVERSITY_SCHEMA, orient="row")


def _why_not(models: int) -> str:
    return "one model only" if models == 1 else "no prompt that all models answered"


def within_models(compared: Compared, *, simulated: bool) -> pl.DataFrame:
    """Coverage of each model and how far its own answers repeat one another; columns as in `WITHIN_SCHEMA`."""
    rows = [(*row, simulated) for row in _within(compared)]
    each = pl.DataFrame(rows, schema=WITHIN_SCHEMA, orient="row")
    return pl.concat([each, _over_datasets(each)]) if len(compared.texts.datasets) > 1 else each


def _over_datasets(each: pl.DataFrame) -> pl.DataFrame:
    """By model: counts together, and the mean over datasets of the rest, which one without a value leaves undefined."""
    counts, means = ("answers", "asked", "compared"), ("words", "compression_ratio", "self_repetition")
    everywhere = pl.len() == each["dataset"].n_unique()
    over = each.group_by("model", maintain_order=True).agg(
        *(pl.col(name).sum() for name in counts),
        *(pl.when(everywhere).then(pl.col(name).mean()).otherwise(math.nan) for name in means),
        pl.col("simulated").first(),
    )
    named = over.with_columns(pl.lit(MACRO).alias("dataset"), (pl.col("answers") / pl.col("asked")).alias("coverage"))
    return named.select(*WITHIN_SCHEMA)


def _within(compared: Compared) -> Iterator[tuple[Any, ...]]:
    texts, words = compared.texts, FEATURES.index("words")
    for place, dataset in enumerate(texts.datasets):
        here = compared.dataset_of == place
        for column, model in enumerate(texts.models):
            asked, said = texts.asked[here, column].sum(), np.flatnonzero(here & texts.there[:, column])
            if not asked:
                continue
            whole = said[compared.whole[said]]
            over = whole if len(whole) else said
            lengths = [compared.forms[answer].counts[words] for answer in compared.place[said, column]]
            mean = float(np.mean(lengths)) if lengths else math.nan
            repeated = _repeated(compared, over, column)
            yield dataset, model, len(said), asked, len(said) / asked, mean, len(over), *repeated


def _repeated(compared: Compared, prompts: NDArray[np.int64], model: int) -> tuple[float, float]:
    """(compression ratio, self-repetition) of a model's answers to some prompts."""
    texts = [text for prompt in prompts if (text := compared.texts.answers[prompt][model]) is not None]
    encoded = [compared.encoded[answer] for answer in compared.place[prompts, model]]
    return compression_ratio(texts), float(self_repetition(encoded).mean()) if encoded else math.nan
