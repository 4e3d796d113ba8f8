"""Every metric's score of every caption, in one long table: judged here, computed here, or imported."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from outputs.captions.joining import CaptionSet
from outputs.captions.judged import judged_scores, takes_sampled
from outputs.captions.metric_names import METRICS, metric_name
from outputs.items import Item
from outputs.tables.loading import LoadedRun

JUDGED, COMPUTED, IMPORTED = "judged", "computed", "imported"
NOT_ASKED, ABSENT = "not asked", "absent"

METRIC_SCORES_SCHEMA: dict[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "item": pl.String,
    "metric": pl.String,
    "judge": pl.String,  # provider/model; null where the metric has no judge
    "dimension": pl.String,
    "value": pl.Float64,  # on the metric's own scale; null where the outcome is not ok
    "source": pl.String,  # judged, computed or imported
    "outcome": pl.String,  # ok; of reading the answer; failed or open (no answer); not asked; absent
    "reason": pl.String,
    "mode": pl.String,  # of a judged score: expectation, split, no_logprobs, or several with + between
    "answers": pl.Int64,  # judgements that the value is the mean of; null where the metric has no judge
    "asked": pl.Int64,  # judgements that were asked for
    "used": pl.Boolean,  # whether the value enters correlations
    "simulated": pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """`scores` as in `METRIC_SCORES_SCHEMA`; `corpus` and `absent`: values and reasons of the computed metrics."""

    scores: pl.DataFrame
    corpus: Mapping[str, float]
    absent: Mapping[str, str]


def score_captions(captions: CaptionSet, runs: Sequence[LoadedRun], *, include_sampled: bool) -> CaptionScores:
    """The scores of a dataset's captions; `runs` are all that are analysed. Every item has a row of every metric."""
    from outputs.metrics.captions import caption_metrics

    usable = [item for item in captions.items.values() if item.candidate and item.references]
    computed = caption_metrics(usable) if usable else None
    frames = [
        *_judged(captions, runs, include_sampled),
        *([_computed(captions, computed.values, computed.absent)] if computed else []),
        _imported(captions),
    ]
    scores = pl.concat([_whole(frame) for frame in frames])
    if computed is None:
        reason = "no caption has a candidate and references" if captions.items else "no captions"
        return CaptionScores(scores, {}, {"BLEU, ROUGE-L, CIDEr, METEOR": reason})
    return CaptionScores(scores, computed.corpus, computed.absent)


def _whole(frame: pl.DataFrame) -> pl.DataFrame:
    """All columns in their order; a value that is no number is none, and says so."""
    number = pl.col("value").is_finite()
    odd = pl.col("value").is_not_null() & ~number
    whole = frame.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in METRIC_SCORES_SCHEMA.items() if name not in frame.columns
    ).with_columns(
        outcome=pl.when(odd).then(pl.lit(ABSENT)).otherwise("outcome"),
        reason=pl.when(odd).then(pl.lit("not a number")).otherwise("reason"),
        value=pl.when(number).then("value"),
    )
    used = pl.col("value").is_not_null() & pl.col("used").fill_null(True)
    return whole.with_columns(used=used).select(pl.col(name).cast(kind) for name, kind in METRIC_SCORES_SCHEMA.items())


def _judged(captions: CaptionSet, runs: Sequence[LoadedRun], include_sampled: bool) -> Iterator[pl.DataFrame]:
    judged = [run for run in runs if run.record.job in METRICS]
    names = [metric_name(run.record) for run in judged]
    its = {run.folder for run in captions.runs}
    found: list[tuple[LoadedRun, str, pl.DataFrame]] = []
    for run, name in zip(judged, names, strict=True):
        if run.folder in its:
            found.append((run, name, judged_scores(run, include_sampled=takes_sampled(run.record, include_sampled))))
    keys = [(name, judge) for _, name, frame in found for judge in frame["judge"].unique()]
    for run, name, frame in found:
        again = any(keys.count((name, judge)) > 1 for judge in frame["judge"].unique())
        sampled = takes_sampled(run.record, include_sampled)
        yield _for_all(captions, frame).with_columns(
            dataset=pl.lit(captions.name),
            metric=pl.lit(f"{name} (run {run.name})" if again else name),
            source=pl.lit(JUDGED),
            used=pl.lit(sampled) | (pl.col("mode") == "expectation"),
            simulated=pl.lit(run.record.simulated),
        )


def _for_all(captions: CaptionSet, frame: pl.DataFrame) -> pl.DataFrame:
    """A row for each item, judge and dimension: those that the run was not to judge say so."""
    kinds = frame.select("judge", "dimension").unique(maintain_order=True)
    items = pl.DataFrame({"item": list(captions.items)}, schema={"item": pl.String})
    return (
        items.join(kinds, how="cross", maintain_order="left_right")
        .join(frame, on=["item", "judge", "dimension"], how="left", maintain_order="left")
        .with_columns(
            pl.col("outcome").fill_null(NOT_ASKED),
            pl.col("answers", "asked").fill_null(0),
        )
    )


def _computed(captions: CaptionSet, values: pl.DataFrame, absent: Mapping[str, str]) -> pl.DataFrame:
    metrics = list(dict.fromkeys([*values["metric"].unique(maintain_order=True), *absent]))
    about = [(item.item, _why_not_computed(item)) for item in captions.items.values()]
    items = pl.DataFrame(about, schema={"item": pl.String, "lacking": pl.String}, orient="row")
    named = pl.DataFrame(
        [(name, absent.get(name)) for name in metrics], schema={"metric": pl.String, "why": pl.String}, orient="row"
    )
    missing = pl.coalesce("lacking", "why", pl.lit("not computed"))
    return (
        items.join(named, how="cross", maintain_order="left_right")
        .join(values, on=["item", "metric"], how="left", maintain_order="left")
        .with_columns(
            dataset=pl.lit(captions.name),
            dimension=pl.lit("overall"),
            source=pl.lit(COMPUTED),
            outcome=pl.when(pl.col("value").is_null()).then(pl.lit(ABSENT)).otherwise(pl.lit("ok")),
            reason=pl.when(pl.col("value").is_null()).then(missing),
            simulated=pl.lit(captions.simulated),
        )
    )


def _why_not_computed(item: Item) -> str | None:
    from outputs.metrics.captions import NO_CANDIDATE, NO_REFERENCES

    if not item.candidate:
        return NO_CANDIDATE
    return None if item.references else NO_REFERENCES


def _imported(captions: CaptionSet) -> pl.DataFrame:
    kinds = dict.fromkeys(
        (metric, dimension)
        for item in captions.items.values()
        for metric, values in item.scores.items()
        for dimension in values
    )
    rows = [
        (item.item, metric, dimension, item.scores.get(metric, {}).get(dimension))
        for metric, dimension in kinds
        for item in captions.items.values()
    ]
    schema = {"item": pl.String, "metric": pl.String, "dimension": pl.String, "value": pl.Float64}
    simulated = captions.simulated or any(run.record.simulated for run in captions.runs if run.record.job == "scores")
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        dataset=pl.lit(captions.name),
        source=pl.lit(IMPORTED),
        outcome=pl.when(pl.col("value").is_null()).then(pl.lit(ABSENT)).otherwise(pl.lit("ok")),
        reason=pl.when(pl.col("value").is_null()).then(pl.lit("no score was imported")),
        simulated=pl.lit(simulated),
    )
