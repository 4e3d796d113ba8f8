"""Mean judgements, by model, dataset and judge, each with its coverage.

A row's judgements (repeats, both orders) are averaged first, so that every item counts once. A mean over several
datasets is the unweighted mean of their means, as RSE's Avg is (Lee et al., ACL 2025, long.248).
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import polars as pl

from outputs.asked import AskedRow

ALL_DATASETS = "(mean of datasets)"
GROUP = ("model", "dataset", "judge")
MEANS_SCHEMA: dict[str, type[pl.DataType]] = {
    "model": pl.String,
    "dataset": pl.String,
    "judge": pl.String,
    "control": pl.Boolean,
    "dimension": pl.String,
    "mean": pl.Float64,
    "items": pl.Int64,  # with a judgement that could be read: what the mean is over
    "ok": pl.Int64,  # judgements that could be read
    "asked": pl.Int64,  # judgements that there should be, those of answers that failed included
    "coverage": pl.Float64,  # ok / asked
    "simulated": pl.Boolean,
}
_Key = tuple[str, str, str, bool]


def should_be_judged(
    rows: Iterable[AskedRow], answer_stage: str = "answer", judge_stage: str = "judge"
) -> dict[_Key, int]:
    """How many judgements there should be, by (model, dataset, judge, control).

    An answer that was never judged, because it failed, counts too: as many judgements as the others have. So does a
    model none of whose answers was judged.
    """
    judged: Counter[_Key] = Counter()
    answers: dict[_Key, set[tuple[str, int]]] = {}
    answered: dict[tuple[str, str], set[tuple[str, int]]] = {}
    references = set()
    for row in rows:
        told = row.told
        model, dataset, item = str(told.get("model") or ""), str(told.get("dataset") or ""), str(told.get("item"))
        if told.get("stage") == judge_stage:
            key = (model, dataset, row.model, bool(told.get("control")))
            judged[key] += 1
            answers.setdefault(key, set()).add((item, told.get("answer_repeat", 0)))
            references.add(told.get("reference"))
        elif told.get("stage") == answer_stage:
            answered.setdefault((model, dataset), set()).add((item, told.get("repeat", 0)))
    found = {
        key: count * max(len(answers[key]), len(answered.get(key[:2], ()))) // len(answers[key])
        for key, count in judged.items()
    }
    each = {(dataset, judge): judged[key] // len(answers[key]) for key in judged for _, dataset, judge, _ in [key]}
    for (model, dataset), asked in answered.items():
        for of, judge in each:
            if of == dataset and model not in references:
                found.setdefault((model, dataset, judge, False), each[of, judge] * len(asked))
    return found


def means_table(judgements: pl.DataFrame, asked: Mapping[_Key, int], stage: str = "judge") -> pl.DataFrame:
    """The means of each model, dataset, judge and dimension; columns as in `MEANS_SCHEMA`.

    Where a model has several datasets, the mean of their means stands beneath them. A mean over nothing is null.
    """
    by = [*GROUP, "control", "dimension", "simulated"]
    rows = judgements.filter(pl.col("stage") == stage).with_columns(pl.col("model").fill_null(""))
    items = rows.group_by([*by, "item"], maintain_order=True).agg(
        pl.col("value").mean(), pl.col("value").count().alias("ok")
    )
    groups = items.group_by(by, maintain_order=True).agg(
        pl.col("value").mean().alias("mean"), pl.col("value").count().alias("items"), pl.col("ok").sum()
    )
    groups = pl.concat([groups, _never_judged(groups, asked)], how="diagonal_relaxed")
    keys = groups.select(*GROUP, "control").iter_rows()
    wanted = [asked.get(key, ok) for key, ok in zip(keys, groups["ok"], strict=True)]
    groups = groups.with_columns(pl.Series("asked", wanted, dtype=pl.Int64))
    return _with_coverage(pl.concat([groups, _over_datasets(groups)], how="diagonal_relaxed"))


def _never_judged(groups: pl.DataFrame, asked: Mapping[_Key, int]) -> pl.DataFrame:
    """Rows without a mean for what should have been judged and has no judgement at all."""
    there = set(groups.select(*GROUP, "control").iter_rows())
    dimensions = groups.select("judge", "dimension", "simulated").unique(maintain_order=True)
    missing = [key for key in asked if key not in there]
    names = (
        pl.DataFrame(missing, schema=[*GROUP, "control"], orient="row")
        if missing
        else groups.select(*GROUP, "control").clear()
    )
    return names.join(dimensions, on="judge", maintain_order="left").with_columns(
        pl.lit(0).alias("items"), pl.lit(0).alias("ok")
    )


def _over_datasets(groups: pl.DataFrame) -> pl.DataFrame:
    by = ["model", "judge", "control", "dimension", "simulated"]
    over = groups.group_by(by, maintain_order=True).agg(
        pl.col("mean").mean(),
        pl.col("items").sum(),
        pl.col("ok").sum(),
        pl.col("asked").sum(),
        pl.len().alias("datasets"),
        pl.col("mean").null_count().alias("missing"),
    )
    several = over.filter(pl.col("datasets") > 1).with_columns(
        pl.lit(ALL_DATASETS).alias("dataset"),
        pl.when(pl.col("missing") == 0).then(pl.col("mean")).alias("mean"),  # a mean of some is not the mean of all
    )
    return several.drop("datasets", "missing")


def _with_coverage(groups: pl.DataFrame) -> pl.DataFrame:
    counted = groups.with_columns((pl.col("ok") / pl.col("asked")).alias("coverage"))
    ordered = counted.sort("control", "model", "judge", "dataset", maintain_order=True)
    return ordered.select(pl.col(name).cast(kind) for name, kind in MEANS_SCHEMA.items())
