"""Mean judgements, by model, dataset and judge, each with its coverage.

A row's judgements (repeats, both orders) are averaged first, so that every item counts once. A mean over several
datasets is the unweighted mean of their means, as RSE's Avg is (Lee et al., ACL 2025, long.248).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from outputs.asked import AskedRow

ANSWER, JUDGE = "answer", "judge"  # the stages of a run
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
_Answer = tuple[str, int]  # item, repeat


def should_be_judged(rows: Iterable[AskedRow]) -> dict[_Key, int]:
    """How many judgements there should be, by (model, dataset, judge, control); judges are `provider/model`.

    An answer that was never judged, because it failed, counts too: as many judgements as the others have. So does a
    model none of whose answers was judged; the reference, which is only judged as a control, does not.
    """
    judged: dict[_Key, Counter[_Answer]] = {}
    answered: dict[tuple[str, str], set[_Answer]] = {}
    references = set()
    for row in rows:
        told = row.told
        model, dataset, item = str(told.get("model") or ""), str(told.get("dataset") or ""), str(told.get("item"))
        if told.get("stage") == JUDGE:
            key = (model, dataset, row.lane, bool(told.get("control")))
            judged.setdefault(key, Counter())[item, told.get("answer_repeat", 0)] += 1
            references.add(told.get("reference"))
        elif told.get("stage") == ANSWER:
            answered.setdefault((model, dataset), set()).add((item, told.get("repeat", 0)))
    each = _judgements_of_an_answer(judged)
    for model, dataset in answered:
        for of, judge in each:
            if of == dataset and model not in references:
                judged.setdefault((model, dataset, judge, False), Counter())
    return {
        key: max(len(answers), len(answered.get(key[:2], ()))) * max(answers.values(), default=each.get(key[1:3], 0))
        for key, answers in judged.items()
    }


def _judgements_of_an_answer(judged: Mapping[_Key, Counter[_Answer]]) -> dict[tuple[str, str], int]:
    """How often a judge is asked about one answer, by dataset and judge."""
    each: Counter[tuple[str, str]] = Counter()
    for (_, dataset, judge, control), answers in judged.items():
        if not control:
            each[dataset, judge] = max(each[dataset, judge], *answers.values())
    return dict(each)


def means_table(
    judgements: pl.DataFrame, asked: Mapping[_Key, int], dimensions: Sequence[str], *, simulated: bool
) -> pl.DataFrame:
    """The means of each model, dataset, judge and dimension; columns as in `MEANS_SCHEMA`.

    `asked` says how many judgements there should be. Where a model has several datasets, the mean of their means stands
    above them. A mean over nothing is null.
    """
    by = [*GROUP, "control", "dimension"]
    rows = judgements.filter(pl.col("stage") == JUDGE).with_columns(pl.col("model").fill_null(""))
    items = rows.group_by([*by, "item"], maintain_order=True).agg(
        pl.col("value").mean(), pl.col("value").count().alias("ok")
    )
    groups = items.group_by(by, maintain_order=True).agg(
        pl.col("value").mean().alias("mean"), pl.col("value").count().alias("items"), pl.col("ok").sum()
    )
    groups = pl.concat([groups, _never_judged(groups, asked, dimensions)], how="diagonal_relaxed")
    keys = groups.select(*GROUP, "control").iter_rows()
    wanted = [asked.get(key, ok) for key, ok in zip(keys, groups["ok"], strict=True)]
    groups = groups.with_columns(pl.Series("asked", wanted, dtype=pl.Int64))
    groups = pl.concat([groups, _over_datasets(groups)], how="diagonal_relaxed")
    return _with_coverage(groups.with_columns(pl.lit(simulated).alias("simulated")))


def _never_judged(groups: pl.DataFrame, asked: Mapping[_Key, int], dimensions: Sequence[str]) -> pl.DataFrame:
    """Rows without a mean for what should have been judged and has no judgement at all."""
    there = set(groups.select(*GROUP, "control").iter_rows())
    missing = [(*key, name, 0, 0) for key in asked if key not in there for name in dimensions]
    schema = {name: MEANS_SCHEMA[name] for name in (*GROUP, "control", "dimension", "items", "ok")}
    return pl.DataFrame(missing, schema=schema, orient="row")


def _over_datasets(groups: pl.DataFrame) -> pl.DataFrame:
    by = ["model", "judge", "control", "dimension"]
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
