"""What judges' answers give captions: one row for each item that a judge was asked for and each dimension."""

import polars as pl

from outputs.captions.metric_names import METRICS, samples_of
from outputs.run_record import RunRecord
from outputs.tables.loading import LoadedRun
from prompts.input_error import InputError
from prompts.parsers import reader_for
from prompts.records import Mode, Outcome
from prompts.template import parse_prompt

OVERALL, AVERAGE = "overall", "average"
_BY = ["item", "judge"]


def dimensions_of(run: RunRecord, folder: object) -> tuple[str, ...]:
    """The dimensions that a run's prompt asks for; the average of a single score is that score, and is no other.

    Raises InputError for a run whose answers are no scores of captions.
    """
    if run.job not in METRICS:
        known = ", ".join(sorted(METRICS))
        raise InputError(f"its captions are not judged: its job is {run.job!r}, not {known}", file=str(folder))
    if len(run.prompts) != 1:
        what = f"a run of {run.job} has one prompt, this one records {len(run.prompts)}"
        raise InputError(what, file=str(folder))
    record = run.prompts[0]
    found = reader_for(parse_prompt(record.text, f"{folder}: prompt {record.name} (as recorded)")).dimensions
    return (OVERALL,) if set(found) == {OVERALL, AVERAGE} else tuple(found)


def takes_sampled(run: RunRecord, include_sampled: bool) -> bool:
    """Whether scores that are no expectation count: by choice now, or by the spec's choice of samples."""
    return include_sampled or samples_of(run) is not None


def judged_scores(run: LoadedRun, *, include_sampled: bool) -> pl.DataFrame:
    """Columns item, judge, dimension, value, outcome, reason, mode, answers, asked; a row for each asked item.

    The score of an item that was asked for several times is the mean of its `answers` that are ok. Scores that are no
    expectation are not mixed with those that are, unless `include_sampled`: where an item has both, expectations count.
    An item without an answer has the outcome failed or open. Raises InputError for an item that the run has not.
    """
    dimensions = dimensions_of(run.record, run.folder)
    asked = _asked(run)
    _check_known(run, asked)
    scores = run.scan("scores").filter(pl.col("dimension").is_in(dimensions)).collect()
    ok = pl.col("outcome") == Outcome.OK.value
    expectation = ok & (pl.col("mode") == Mode.EXPECTATION.value)
    mixed = pl.lit(include_sampled) | ~expectation.any().over(*_BY, "dimension")
    means = (
        scores.with_columns(used=ok & (expectation | mixed))
        .group_by(*_BY, "dimension", maintain_order=True)
        .agg(
            value=pl.col("value").filter(pl.col("used")).mean(),
            outcome=pl.when(ok.any()).then(pl.lit(Outcome.OK.value)).otherwise(pl.col("outcome").first()),
            reason=pl.when(ok.any()).then(pl.lit(None, pl.String)).otherwise(pl.col("reason").first()),
            mode=pl.col("mode").filter(pl.col("used")).unique().sort().str.join("+"),
            answers=pl.col("used").sum().cast(pl.Int64),
        )
        .with_columns(pl.col("mode").replace("", None))
    )
    named = pl.DataFrame({"dimension": list(dimensions)}, schema={"dimension": pl.String})
    return (
        asked.join(named, how="cross", maintain_order="left_right")
        .join(means, on=[*_BY, "dimension"], how="left", maintain_order="left")
        .with_columns(
            outcome=pl.coalesce("outcome", "state"),
            reason=pl.when(pl.col("outcome").is_null()).then("failure").otherwise("reason"),
            answers=pl.col("answers").fill_null(0),
        )
        .select(*_BY, "dimension", "value", "outcome", "reason", "mode", "answers", "asked")
    )


def _asked(run: LoadedRun) -> pl.DataFrame:
    """Each item that was asked for: item, judge, asked (how often), state and failure (of a request without answer)."""
    failures = run.scan("outcomes").select(pl.col("request").alias("seq"), failure="failure_message")
    judge = pl.concat_str("provider", "model", separator="/")
    requests = run.scan("requests").filter(pl.col("state") != "withdrawn").with_columns(judge=judge)
    return (
        requests.join(failures, on="seq", how="left", maintain_order="left")
        .group_by(*_BY, maintain_order=True)
        .agg(
            asked=pl.len().cast(pl.Int64),
            state=pl.col("state").sort_by(pl.col("state") == "answered").first(),
            failure=pl.col("failure").drop_nulls().first(),
        )
        .collect()
    )


def _check_known(run: LoadedRun, asked: pl.DataFrame) -> None:
    items = run.items()
    unknown = next((name for name in asked["item"] if name not in items), None)
    if unknown is not None or asked["item"].null_count():
        raise InputError(f"a request is about item {unknown!r}, which the run's items.jsonl has not", file=run.folder)
