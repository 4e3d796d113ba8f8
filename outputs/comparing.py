"""`overnight compare`: what changed between two runs of the same questions, and by how much scores moved.

Everything is on the rows that both runs have, and says how many those are. Intervals are 95 %, by paired cluster
bootstrap over items.
"""

import math
from typing import Any

import numpy as np
import polars as pl

from outputs.analysis_options import Options
from outputs.comparing_items import match_items
from outputs.comparison_page import comparison_page
from outputs.matching import Matching, match_rows
from outputs.report import Report, records
from outputs.statistics.correlations import exponent
from outputs.statistics.many import MANY_CLUSTERS, normal_mean
from outputs.statistics.permutation import holm, sign_flip_tests
from outputs.statistics.resampling import Floats, Interval, bootstrap, weighted_means
from outputs.tables.loading import LoadedRun

_INTERVAL: dict[str, type[pl.DataType]] = {"low": pl.Float64, "high": pl.Float64, "standard_error": pl.Float64}
ANSWERS_SCHEMA: dict[str, type[pl.DataType]] = {
    "stage": pl.String,
    "model_a": pl.String,  # provider/model, as it was asked; of an imported caption its system
    "model_b": pl.String,
    "rows": pl.Int64,  # that both runs asked for
    "both": pl.Int64,  # answered in both: what the share is of
    "only_a": pl.Int64,  # answered in A alone
    "only_b": pl.Int64,
    "changed": pl.Int64,  # answers with another text
    "share_changed": pl.Float64,
    **_INTERVAL,
    "warning": pl.String,
    "output_tokens_a": pl.Float64,  # means over the answers of both
    "output_tokens_b": pl.Float64,
    "cost_usd_a": pl.Float64,  # sums over the answers of both; null where a price is not known
    "cost_usd_b": pl.Float64,
    "simulated": pl.Boolean,
}
SCORES_SCHEMA: dict[str, type[pl.DataType]] = {
    "stage": pl.String,
    "model_a": pl.String,  # whose answer was judged; null where the row is of no model; of an imported score the metric
    "model_b": pl.String,
    "judge_a": pl.String,
    "judge_b": pl.String,
    "dimension": pl.String,
    "rows": pl.Int64,  # that both runs asked for
    "both": pl.Int64,  # with a score in both: what the means are over
    "only_a": pl.Int64,  # with a score in A alone
    "only_b": pl.Int64,
    "mean_a": pl.Float64,
    "mean_b": pl.Float64,
    "difference": pl.Float64,  # B - A
    **_INTERVAL,
    "warning": pl.String,
    "mean_absolute_difference": pl.Float64,
    "share_changed": pl.Float64,
    "p": pl.Float64,  # two-sided, by flipping the signs of items
    "p_holm": pl.Float64,  # corrected over all rows of this table
    "simulated": pl.Boolean,
}


def compare_runs(a: LoadedRun, b: LoadedRun, options: Options | None = None) -> Report:
    """What changed from run `a` to run `b`. Raises InputError where they have no row in common.

    Runs without requests, as imports of scores are, are compared item by item.
    """
    options = Options() if options is None else options
    matching, answered, judged = matched(a, b)
    simulated = a.record.simulated or b.record.simulated
    answers = _answers_table(answered, options).with_columns(simulated=pl.lit(simulated))
    scores = _scores_table(judged, options).with_columns(simulated=pl.lit(simulated))
    tables = {
        "answers_changed": answers.select(pl.col(name).cast(kind) for name, kind in ANSWERS_SCHEMA.items()),
        "scores_moved": scores.select(pl.col(name).cast(kind) for name, kind in SCORES_SCHEMA.items()),
    }
    document = {
        "a": _about(a),
        "b": _about(b),
        "simulated": simulated,
        "matched": {"rows": matching.rows.height, "how": matching.how},
        "only_a": matching.only_a,
        "only_b": matching.only_b,
        **{name: records(frame) for name, frame in tables.items()},
    }
    return Report(tables, document, comparison_page(document))


def matched(a: LoadedRun, b: LoadedRun) -> tuple[Matching, pl.DataFrame, pl.DataFrame]:
    """The rows that both have, with how each was answered in both, and the scores of each in both.

    Raises InputError where they have none in common.
    """
    if not (a.counts.asked or b.counts.asked):
        return match_items(a, b)
    matching = match_rows(a, b)
    return matching, _answers(a, b, matching), _scores(a, b, matching)


def _about(run: LoadedRun) -> dict[str, Any]:
    return {"run": run.name, "folder": str(run.folder), "job": run.record.job, "simulated": run.record.simulated}


def _answers(a: LoadedRun, b: LoadedRun, matching: Matching) -> pl.DataFrame:
    """A row for each request that both have: state, text, tokens and cost in both."""

    def side(name: str, run: LoadedRun) -> pl.LazyFrame:
        # A text's hash will do to say whether it is another, and a million texts do not fit into memory.
        answers = run.scan("responses").filter("counts").select("custom_id", pl.col("text").hash(), "output_tokens")
        ended = run.scan("outcomes").select(
            "custom_id", "stage", "item", "state", "cost_usd", model=pl.concat_str("provider", pl.lit("/"), "model")
        )
        return _named(ended.join(answers, on="custom_id", how="left"), name)

    return _paired(matching, side("a", a), side("b", b))


def _scores(a: LoadedRun, b: LoadedRun, matching: Matching) -> pl.DataFrame:
    """A row for each dimension of each judgement that both asked for, whether or not it was answered and read."""
    one, other = (_named(_judgements(run), side) for side, run in (("a", a), ("b", b)))
    asked = _paired(matching, one, other).lazy()
    values = [
        _named(run.scan("scores").select("custom_id", "dimension", "value"), side) for side, run in (("a", a), ("b", b))
    ]
    by = ["stage_a", "model_a", "model_b", "judge_a", "judge_b"]
    rated = [asked.join(known, on=f"custom_id_{side}") for side, known in zip("ab", values, strict=True)]
    dimensions = pl.concat([one.select(*by, "dimension") for one in rated]).unique(maintain_order=True)
    wanted = asked.join(dimensions, on=by, how="inner", nulls_equal=True, maintain_order="left")
    for side, known in zip("ab", values, strict=True):
        wanted = wanted.join(known, on=[f"custom_id_{side}", "dimension"], how="left", maintain_order="left")
    return wanted.collect()


def _judgements(run: LoadedRun) -> pl.LazyFrame:
    """What was asked of judges, with whose answer it was about."""
    told = pl.col("metadata").fill_null("{}").str.json_path_match("$.model")
    judge = pl.concat_str("provider", pl.lit("/"), "model")
    return run.scan("requests").select("custom_id", "stage", "item", model=told, judge=judge)


def _named(frame: pl.LazyFrame, side: str) -> pl.LazyFrame:
    return frame.rename(lambda name: name if name == "dimension" else f"{name}_{side}")


def _paired(matching: Matching, a: pl.LazyFrame, b: pl.LazyFrame) -> pl.DataFrame:
    both = matching.rows.lazy().join(a, on="custom_id_a", how="inner", maintain_order="left")
    return both.join(b, on="custom_id_b", how="inner", maintain_order="left").collect()


def _answers_table(rows: pl.DataFrame, options: Options) -> pl.DataFrame:
    groups = rows.group_by("stage_a", "model_a", "model_b", maintain_order=True)
    found = [_answers_row(group, options) for _, group in groups]
    return pl.DataFrame(found, schema={k: v for k, v in ANSWERS_SCHEMA.items() if k != "simulated"})


def _answers_row(group: pl.DataFrame, options: Options) -> dict[str, Any]:
    in_a, in_b = (pl.col(f"state_{side}") == "answered" for side in "ab")
    both = group.filter(in_a & in_b)
    changed = both["text_a"].ne_missing(both["text_b"])
    return {
        "stage": group["stage_a"][0],
        "model_a": group["model_a"][0],
        "model_b": group["model_b"][0],
        "rows": group.height,
        "both": both.height,
        "only_a": group.filter(in_a & ~in_b).height,
        "only_b": group.filter(in_b & ~in_a).height,
        "changed": int(changed.sum()),
        **_interval("share_changed", both, changed.cast(pl.Float64), options, share=True)[0],
        **{f"output_tokens_{side}": both[f"output_tokens_{side}"].mean() for side in "ab"},
        **{f"cost_usd_{side}": _all_or_none(both[f"cost_usd_{side}"]) for side in "ab"},
    }


def _all_or_none(costs: pl.Series) -> float | None:
    return None if costs.null_count() else float(costs.sum())


def _scores_table(rows: pl.DataFrame, options: Options) -> pl.DataFrame:
    by = ("stage_a", "model_a", "model_b", "judge_a", "judge_b", "dimension")
    found = [_scores_row(group, options) for _, group in rows.group_by(by, maintain_order=True)]
    schema = {name: kind for name, kind in SCORES_SCHEMA.items() if name not in ("simulated", "p_holm")}
    frame = pl.DataFrame(found, schema=schema)
    corrected = holm(frame["p"].to_numpy().astype(float))
    return frame.with_columns(pl.Series("p_holm", corrected, dtype=pl.Float64))


def _scores_row(group: pl.DataFrame, options: Options) -> dict[str, Any]:
    in_a, in_b = (pl.col(f"value_{side}").is_not_null() for side in "ab")
    both = group.filter(in_a & in_b)
    moved = both["value_b"] - both["value_a"]
    interval, p = _interval("difference", both, moved, options)
    return {
        **{name: group[f"{name}_a"][0] for name in ("stage",)},
        **{f"{name}_{side}": group[f"{name}_{side}"][0] for name in ("model", "judge") for side in "ab"},
        "dimension": group["dimension"][0],
        "rows": group.height,
        "both": both.height,
        "only_a": group.filter(in_a & ~in_b).height,
        "only_b": group.filter(in_b & ~in_a).height,
        "mean_a": both["value_a"].mean(),
        "mean_b": both["value_b"].mean(),
        **interval,
        "mean_absolute_difference": moved.abs().mean(),
        "share_changed": (moved != 0).mean(),
        "p": p,
    }


def _interval(
    name: str, rows: pl.DataFrame, values: pl.Series, options: Options, *, share: bool = False
) -> tuple[dict[str, Any], float | None]:
    """The mean of `values` as cells, and the p of its being 0."""
    if not rows.height:
        return {name: None, **dict.fromkeys(_INTERVAL), "warning": "no row is answered in both"}, None
    clusters = rows["item_a"].fill_null(rows["custom_id_a"])  # items, or the rows themselves where they are about none
    by = exponent(values.to_numpy())  # imported scores may be on any scale: their squares are to be finite
    values = pl.Series(values.name, np.ldexp(values.to_numpy(), 0 if share else -by))
    if clusters.n_unique() > MANY_CLUSTERS:
        found, p = normal_mean(values, clusters)
    else:
        found, p = _resampled(values.to_numpy()[:, None], clusters.to_list(), options, share=share)
    cells = {key: float(np.ldexp(x, 0 if share else by)) for key, x in {name: found.estimate, **found.ends}.items()}
    return {**cells, "warning": found.warning}, p


def _resampled(values: Floats, clusters: list[str], options: Options, *, share: bool) -> tuple[Interval, float]:
    resampled = bootstrap(weighted_means(values), clusters, resamples=options.resamples, seed=options.seed)
    if share:
        return resampled.share(0), math.nan
    return resampled.interval(0), float(sign_flip_tests(values, clusters, seed=options.seed)[0])
