"""What went wrong: attempts that failed, requests that were given up, and answers that could not be read."""

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import polars as pl

from outputs.figures import theme
from outputs.figures.line_names import LONGEST_LABEL, rows_of, run_column
from outputs.figures.marks import chart_of
from outputs.figures.model_colours import model_colours
from outputs.figures.model_names import shown_names
from outputs.figures.parts import Analysis, Chart, Column, Filter, Kind, Part, Section
from outputs.tables.loading import LoadedRun
from prompts.plain_text import plain_text
from prompts.records import Outcome
from providers.wire import Billing

_MOST_KINDS = 40  # lines of a chart; the table has all
_MOST_LANES = 8  # told apart by colour; the others stand together
_MOST_REASONS = 100
_LONGEST_REASON = 300  # characters
_OTHERS = "other models"
_LANE = pl.concat_str("provider", pl.lit("/"), "model")


def failures_section(found: Analysis) -> Section | None:
    """Failures by class and lane, and outcomes that are not ok. None where nothing went wrong."""
    made = (_attempts(found), _finally(found), _outcomes(found), _reasons(found))
    parts = [part for part in made if part is not None]
    simulated = any(run.record.simulated for run in found.runs)
    return Section("failures", "Failures", parts, list(_notes(found)), simulated) if parts else None


def _notes(found: Analysis) -> Iterator[str]:
    yield (
        "An attempt that failed may have been followed by one that was answered; a request has failed finally when it "
        "was given up. Neither has a score, and both count against coverage."
    )
    if unsettled := sum(_unsettled(run) for run in found.runs):
        yield f"Unsettled attempts (under way, or cut off) are not among those that failed: {unsettled:,}."


def _unsettled(run: LoadedRun) -> int:
    return int(run.scan("attempts").select(pl.col("settled").null_count()).collect(engine="streaming").item())


def _all(found: Analysis, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames) if found.runs else pl.DataFrame()


def _attempts(found: Analysis) -> Part | None:
    frame = _all(found, [_failed_attempts(run) for run in found.runs])
    if not frame.height:
        return None
    columns = [
        *run_column(found),
        Column("kind", "failure"),
        Column("lane", "model asked"),
        Column("status", "HTTP status"),
        Column("attempts", "attempts", Kind.COUNT),
        Column("requests", "requests", Kind.COUNT),
        Column("unbilled", "unbilled", Kind.COUNT),
        Column("billed", "billed", Kind.COUNT),
        Column("maybe", "maybe billed", Kind.COUNT),
    ]
    filters = [
        rows_of(found, row["run"], lane=row["lane"], attempt_failure=row["kind"]) for row in frame.iter_rows(named=True)
    ]
    drawing = _chart(found, frame, "kind", "attempts", "attempts that failed")
    said = f"Bars of the attempts that failed, {int(frame['attempts'].sum()):,} in all, by class of failure and model."
    note = "Rows: the requests of which some attempt failed so."
    return Part("failed_attempts", "Attempts that failed", frame, columns, filters, note, drawing, said)


def _failed_attempts(run: LoadedRun) -> pl.DataFrame:
    failed = run.scan("attempts").filter(pl.col("settled").is_not_null(), pl.col("settled") != "answered")
    how = {
        one.value: (pl.col("settled") == one.value).sum() for one in (Billing.UNBILLED, Billing.BILLED, Billing.MAYBE)
    }
    statuses = pl.col("status").drop_nulls().unique().sort().cast(pl.String).str.join(", ")
    grouped = failed.group_by(pl.col("kind").fill_null("unknown"), lane=_LANE).agg(
        status=statuses, attempts=pl.len(), requests=pl.col("request").n_unique(), **how
    )
    return _named(run, grouped.collect(), "attempts")


def _named(run: LoadedRun, frame: pl.DataFrame, by: str) -> pl.DataFrame:
    """With the run's name, the most frequent first, in an order that does not depend on chance."""
    others = [name for name in frame.columns if frame.schema[name] == pl.String]
    ordered = frame.sort([by, *others], descending=[True, *(False for _ in others)])
    return ordered.select(pl.lit(run.name).alias("run"), pl.all())


def _finally(found: Analysis) -> Part | None:
    frame = _all(found, [_final_failures(run) for run in found.runs])
    if not frame.height:
        return None
    columns = [
        *run_column(found),
        Column("failure", "failure"),
        Column("lane", "model asked"),
        *([Column("stage", "stage")] if (frame["stage"] != "").any() else []),
        Column("requests", "requests", Kind.COUNT),
        Column("message", "one of them in words"),
    ]
    filters = [
        rows_of(found, row["run"], state="failed", failure=row["failure"], lane=row["lane"], stage=row["stage"])
        for row in frame.iter_rows(named=True)
    ]
    drawing = _chart(found, frame, "failure", "requests", "requests that failed finally")
    said = f"Bars of the requests that were given up, {int(frame['requests'].sum()):,} in all, by class and model."
    return Part("final_failures", "Requests that failed finally", frame, columns, filters, "", drawing, said)


def _final_failures(run: LoadedRun) -> pl.DataFrame:
    failed = run.scan("outcomes").filter(pl.col("state") == "failed")
    words = pl.col("failure_message").str.slice(0, _LONGEST_REASON).min()
    grouped = failed.group_by(pl.col("failure").fill_null(""), "stage", lane=_LANE).agg(
        requests=pl.len(), message=words
    )
    return _named(run, grouped.collect(engine="streaming"), "requests")


def _outcomes(found: Analysis) -> Part | None:
    """Answers that could not be read, by stage and model."""
    coverage = found.table("coverage")
    if not coverage.height:
        return None
    kinds = [outcome.value for outcome in Outcome if outcome is not Outcome.OK]
    long = coverage.unpivot(
        kinds, index=["run", "stage", "model", "read"], variable_name="outcome", value_name="answers"
    )
    frame = long.filter(pl.col("answers") > 0).with_columns(share=pl.col("answers") / pl.col("read"))
    if not frame.height:
        return None
    frame = frame.rename({"model": "lane"}).sort("answers", descending=True, maintain_order=True)
    columns = [
        *run_column(found),
        Column("outcome", "outcome"),
        Column("stage", "stage"),
        Column("lane", "model asked"),
        Column("answers", "answers", Kind.COUNT),
        Column("share", "of those read", Kind.PERCENT, 1),
    ]
    filters = [
        rows_of(found, row["run"], outcome=row["outcome"], stage=row["stage"], lane=row["lane"])
        for row in frame.iter_rows(named=True)
    ]
    drawing = _chart(found, frame, "outcome", "answers", "answers that could not be read")
    said = f"Bars of the answers that could not be read, {int(frame['answers'].sum()):,} in all, by outcome and model."
    return Part("outcomes_not_ok", "Answers that could not be read", frame, columns, filters, "", drawing, said)


def _reasons(found: Analysis) -> Part | None:
    frame = _all(found, [_reasons_of(run) for run in found.runs])
    if not frame.height:
        return None
    columns = [
        *run_column(found),
        Column("outcome", "outcome"),
        Column("reason", "reason"),
        Column("answers", "answers", Kind.COUNT),
    ]
    filters = [_reason_filter(found, row) for row in frame.iter_rows(named=True)]
    note = f"The {_MOST_REASONS} most frequent of each run; some quote the answer."
    return Part("reasons", "Why they could not be read", frame, columns, filters, note)


def _reason_filter(found: Analysis, row: dict[str, Any]) -> Filter | None:
    """The rows of a reason; a very long one stands here by its beginning, which selects nothing."""
    if len(row["reason"]) >= _LONGEST_REASON:
        return None
    return rows_of(found, row["run"], outcome=row["outcome"], reason=row["reason"])


def _reasons_of(run: LoadedRun) -> pl.DataFrame:
    told = run.scan("outcomes").filter(pl.col("reason").is_not_null(), pl.col("outcome").is_not_null())
    reason = pl.col("reason").str.slice(0, _LONGEST_REASON)
    grouped = told.group_by("outcome", reason).agg(answers=pl.len())
    return _named(run, grouped.collect(engine="streaming"), "answers").head(_MOST_REASONS)


def _chart(found: Analysis, frame: pl.DataFrame, by: str, counted: str, title: str) -> Chart:
    """Bars for each class, in colours of models."""
    every = shown_names(found.table("coverage")["model"])
    names = [every[lane] for lane in frame["lane"]]
    few = [name for name in every.values() if name in names]
    kept = few if len(few) <= _MOST_LANES else few[: _MOST_LANES - 1]
    shown = [name if name in kept else _OTHERS for name in names]
    values = pl.DataFrame({"class": map(plain_text, frame[by]), "lane": shown, "count": frame[counted]})
    sums = values.group_by("class", "lane", maintain_order=True).sum()
    classes = sums.group_by("class", maintain_order=True).agg(pl.col("count").sum()).sort("count", descending=True)
    order = classes["class"].head(_MOST_KINDS).to_list()
    listed = [*kept, *([_OTHERS] if len(kept) < len(few) else [])]
    colours = {every[name]: colour for name, colour in model_colours(found).items()} | {_OTHERS: theme.FAINT}
    drawn: Chart = (
        chart_of(sums.filter(pl.col("class").is_in(order)).to_dicts())
        .mark_bar()
        .encode(
            y=alt.Y("class:N", title=None, sort=order, axis=alt.Axis(labelLimit=LONGEST_LABEL)),
            x=alt.X("count:Q", title=title, stack=True, axis=alt.Axis(tickMinStep=1)),
            color=alt.Color(
                "lane:N",
                title=None,
                scale=alt.Scale(domain=listed, range=[colours[name] for name in listed]),
                legend=alt.Legend(orient="top", columns=2, labelLimit=LONGEST_LABEL),
            ),
        )
        .properties(width=theme.WIDTH, height=alt.Step(theme.ROW))
    )
    return drawn
