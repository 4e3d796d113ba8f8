"""How well each granularity follows the judge: rank correlations with its overall ratings.

The judge's value of an answer is that of the page of the judgements: each judge's mean over repeats and orders of its
ratings of the dimension `overall`, then the mean over judges, of answers that all judges of the run could read; without
the controls. Two levels: over all answers (a row is a model's answer to a prompt), and over models (their mean
similarity to the reference against their mean rating, over prompts where all have both). Intervals: prompts are drawn;
of fewer than four there is none, and no limit is beyond what a correlation can be.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.analysis_options import Options
from outputs.judged.asked import JUDGE
from outputs.similarity.pairs import Compared
from outputs.similarity.ranks import rank_correlations
from outputs.similarity.set_means import bootstrap_sets, rows_of, set_names, transformed
from outputs.similarity.texts import Texts
from outputs.statistics.correlations import resampled_spearman
from outputs.statistics.kendall import resampled_taus
from outputs.statistics.resampling import Floats, Interval, Resampled, Statistic, joined, weighted_means
from outputs.tables.loading import LoadedRun

Flags = NDArray[np.bool_]
OVERALL = "overall"
_ANSWER = ("dataset", "item", "model")
FEWEST_MODELS = 3
FEWEST_PROMPTS = 4  # of an interval
_RANGE = (-1.0, 1.0)  # of a correlation
_MOST_WEIGHTS = 2**20  # at a time
FOLLOWS_SCHEMA: dict[str, type[pl.DataType]] = {
    "granularity": pl.String,
    "dataset": pl.String,
    "level": pl.String,  # answers, models
    "statistic": pl.String,  # spearman, kendall_tau_b
    "estimate": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "points": pl.Int64,  # what is ranked: answers, or models
    "prompts": pl.Int64,
    "warning": pl.String,
    "simulated": pl.Boolean,
}
STATISTICS = ("spearman", "kendall_tau_b")


def find_references(runs: Sequence[LoadedRun], texts: Texts) -> dict[str, str]:
    """By model: the reference that its run holds it against. A run without one has none here."""
    found: dict[str, str] = {}
    for run in runs:
        pairs = run.scan("scores").select("model", "reference").unique().drop_nulls().sort("model", "reference")
        told = list(pairs.collect().iter_rows()) or _of_spec(run, texts)
        for model, reference in told:
            names = texts.names.get((run.name, model)), texts.names.get((run.name, reference))
            if names[0] is not None and names[1] is not None and model != reference:
                found[names[0]] = names[1]
    return found


def _of_spec(run: LoadedRun, texts: Texts) -> list[tuple[str, str]]:
    """What the spec says, where no judge has answered yet."""
    try:
        reference = tomllib.loads(run.record.spec_text or "").get("reference")
    except tomllib.TOMLDecodeError:
        return []
    return [(model, reference) for of, model in texts.names if of == run.name and isinstance(reference, str)]


def judge_values(runs: Sequence[LoadedRun], texts: Texts, references: Mapping[str, str]) -> Floats:
    """(prompts, models): the judge's value of each answer; NaN where there is none."""
    column = {model: place for place, model in enumerate(texts.models)}
    lines: dict[tuple[str, str], list[int]] = {}
    for place, prompt in enumerate(texts.prompts):
        lines.setdefault((prompt.dataset, prompt.item), []).append(place)
    values: Floats = np.full(texts.asked.shape, np.nan)
    for run in runs:
        for dataset, item, model, value in _overall(run).iter_rows():
            name = texts.names.get((run.name, model))
            for line in lines.get((dataset, item), []) if name in references else []:
                if texts.asked[line, column[str(name)]]:
                    values[line, column[str(name)]] = value
    return values


def _overall(run: LoadedRun) -> pl.DataFrame:
    """By answer, where every judge of the run could read it. In one order, so that sums of floats are the same."""
    of_judge = (pl.col("stage") == JUDGE) & ~pl.col("control") & (pl.col("dimension") == OVERALL)
    first = of_judge & pl.col("reference").is_not_null() & (pl.col("answer_repeat").fill_null(0) == 0)
    rows = run.scan("scores").filter(first).select(*_ANSWER, pl.col("judge").fill_null(""), "value").collect()
    read = rows.with_columns(pl.col("value").fill_nan(None)).drop_nulls(["value", "item", "model"])
    by_judge = read.group_by(*_ANSWER, "judge", maintain_order=True).agg(pl.col("value").mean())
    means = by_judge.sort("judge").group_by(_ANSWER, maintain_order=True).agg(pl.len(), pl.col("value").mean())
    return means.filter(pl.col("len") == len(_judges(run) | set(rows["judge"]))).drop("len")


def _judges(run: LoadedRun) -> set[str]:
    """All that were asked, also one that never answered."""
    asked = run.scan("requests").filter(pl.col("stage") == JUDGE, pl.col("state").fill_null("") != "withdrawn")
    name = pl.concat_str("provider", pl.lit("/"), "model", ignore_nulls=True)
    return set(asked.select(name).unique().collect().to_series())


def follows_judge(
    compared: Compared, judged: Floats, references: Mapping[str, str], options: Options, *, simulated: bool
) -> pl.DataFrame:
    """One row per granularity, dataset (and their mean), level and statistic; columns as in `FOLLOWS_SCHEMA`."""
    texts = compared.texts
    similar = np.stack([_to_reference(cube, texts, references) for cube in compared.values.values()])
    rows = rows_of(compared.dataset_of, len(texts.datasets))
    both = ~np.isnan(similar).any(axis=0) & ~np.isnan(judged)
    found = []
    for level, of in (("answers", _over_answers), ("models", _over_models)):
        of_sets, points, prompts = of(similar, judged, both, rows, options)
        for place, (dataset, resampled) in enumerate(zip(set_names(texts.datasets), of_sets, strict=True)):
            for column, (granularity, statistic) in enumerate(product(compared.values, STATISTICS)):
                interval, size = _interval(resampled, column), (points[place], prompts[place])
                cells = (interval.estimate, interval.low, interval.high, *size, _warning(interval, level, *size))
                found.append((granularity, dataset, level, statistic, *cells, simulated))
    found.sort(key=lambda row: list(compared.values).index(row[0]))
    return pl.DataFrame(found, schema=FOLLOWS_SCHEMA, orient="row")


def _to_reference(cube: Floats, texts: Texts, references: Mapping[str, str]) -> Floats:
    """(prompts, models): similarity of each model's answer to its reference's; NaN where it has none."""
    column = {model: place for place, model in enumerate(texts.models)}
    found = np.full(texts.asked.shape, np.nan)
    for model, reference in references.items():
        found[:, column[model]] = cube[:, column[model], column[reference]]
    return found


def _interval(resampled: Resampled, column: int) -> Interval:
    """Of a correlation: so few prompts say nothing of how far it may be off."""
    found = resampled.interval(column, _RANGE)
    if found.clusters >= FEWEST_PROMPTS or np.isnan(found.low):
        return found
    warning = f"fewer than {FEWEST_PROMPTS} prompts: no interval"
    return replace(found, low=np.nan, high=np.nan, standard_error=np.nan, warning=warning)


def _warning(interval: Interval, level: str, points: int, prompts: int) -> str | None:
    if not np.isnan(interval.estimate):
        return interval.warning
    if not prompts:
        return "no prompt with a similarity and a rating"
    few = FEWEST_MODELS if level == "models" else 2
    return f"fewer than {few} {level}" if points < few else "all similarities, or all ratings, are the same"


_Found = tuple[list[Resampled], list[int], list[int]]  # by dataset, then of all: columns; points; prompts


def _over_answers(
    similar: Floats, judged: Floats, both: Flags, rows: Sequence[NDArray[np.int64]], options: Options
) -> _Found:
    """The correlations within each dataset, then their mean. `similar` (granularities, prompts, models)."""
    used = [here[both[here].any(axis=1)] for here in rows]
    statistics = [_of_answers(similar[:, here], judged[here], both[here]) for here in used]
    prompts = [len(here) for here in used]
    points = [int(both[here].sum()) for here in used]
    return bootstrap_sets(statistics, prompts, options), [*points, sum(points)], [*prompts, sum(prompts)]


def _of_answers(similar: Floats, judged: Floats, both: Flags) -> Statistic:
    """Every answer that has both is a row, which weighs as its prompt does. Columns: both statistics by granularity."""
    prompt, model = np.nonzero(both)
    x, y = similar[:, prompt, model], judged[prompt, model]
    each = [one for of in x for one in (resampled_spearman(of, y), _tau_b(of, y))]
    some = max(1, _MOST_WEIGHTS // max(1, len(prompt)))

    def correlations(weights: Floats) -> Floats:
        parts = [weights[start : start + some] for start in range(0, len(weights), some)]
        return np.concatenate([joined(*each)(part[:, prompt]) for part in parts])

    return correlations


def _tau_b(similar: Floats, judged: Floats) -> Statistic:
    taus = resampled_taus(similar, judged)
    return lambda weights: taus(weights)[:, :1]


def _over_models(
    similar: Floats, judged: Floats, both: Flags, rows: Sequence[NDArray[np.int64]], options: Options
) -> _Found:
    """The correlations of the models' means in each dataset, then of the means over datasets of those means.

    Of a dataset's models that have both values at all, over the prompts where all of them do.
    """
    active = [both[here].any(axis=0) for here in rows]
    used = [here[both[here][:, models].all(axis=1) & models.any()] for here, models in zip(rows, active, strict=True)]
    values = [np.concatenate([*similar[:, here], judged[here]], axis=1) for here in used]
    means = bootstrap_sets([weighted_means(of) for of in values], [len(here) for here in used], options)
    ranked = [*active, np.all(active, axis=0)][: len(means)]
    of_sets = [transformed(of, partial(_of_models, models=models)) for of, models in zip(means, ranked, strict=True)]
    prompts = [len(here) for here in used]
    return of_sets, [int(models.sum()) for models in ranked], [*prompts, sum(prompts)]


def _of_models(means: Floats, models: Flags) -> Floats:
    """Of `means` (resamples, similarities by granularity and model, then ratings by model), those of some `models`."""
    *similar, judged = np.split(means, means.shape[1] // len(models), axis=1)
    if models.sum() < FEWEST_MODELS:
        return np.full((len(means), len(STATISTICS) * len(similar)), np.nan)
    return np.concatenate([rank_correlations(one[:, models], judged[:, models]) for one in similar], axis=1)
