"""What every analysis begins with: each run, its requests, and how far its answers could be read, stage by stage."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from rich.console import Group, RenderableType

from outputs.report import count, cut_names, plain, records, table
from outputs.tables.loading import LoadedRun
from prompts.records import Outcome
from providers.wire import Billing

_REASONS_SHOWN = 5
_REASONS_KEPT = 100  # of the most frequent: some quote the answer
_LINES_SHOWN = 24
COVERAGE_SCHEMA: dict[str, type[pl.DataType]] = {
    "run": pl.String,
    "stage": pl.String,
    "model": pl.String,  # provider/model, as it was asked
    "asked": pl.Int64,
    "answered": pl.Int64,
    "failed": pl.Int64,  # finally
    "read": pl.Int64,  # answers that a prompt with a scale reads
    **{outcome.value: pl.Int64 for outcome in Outcome},
    "coverage": pl.Float64,  # ok / asked where answers are read, else answered / asked
    "cost_usd": pl.Float64,  # of answers of known price, and attempts billed without one; null where nothing is known
    "unpriced": pl.Int64,  # answers without a known price
}


def coverage_table(run: LoadedRun) -> pl.DataFrame:
    """One row for each stage and model of a run; columns as in `COVERAGE_SCHEMA`."""
    answered = pl.col("state") == "answered"
    read = pl.col("outcome").is_not_null()
    nothing_priced = (pl.col("answered") > 0) & (pl.col("unpriced") == pl.col("answered")) & (pl.col("cost_usd") == 0)
    found = (
        run.scan("outcomes")
        .with_columns(model=pl.concat_str("provider", pl.lit("/"), "model"))
        .group_by("run", "stage", "model", maintain_order=True)
        .agg(
            asked=pl.len(),
            answered=answered.sum(),
            failed=(pl.col("state") == "failed").sum(),
            read=read.sum(),
            **{outcome.value: (pl.col("outcome") == outcome.value).sum() for outcome in Outcome},
            cost_usd=pl.col("cost_usd").sum(),
            unpriced=(answered & pl.col("cost_usd").is_null()).sum(),
        )
        .with_columns(
            cost_usd=pl.when(~nothing_priced).then("cost_usd"),
            coverage=pl.when(pl.col("read") > 0).then(pl.col(Outcome.OK.value)).otherwise("answered") / pl.col("asked"),
        )
    )
    return found.select(pl.col(name).cast(kind) for name, kind in COVERAGE_SCHEMA.items()).collect()


def summarise(run: LoadedRun, coverage: pl.DataFrame) -> dict[str, Any]:
    """A run in plain JSON values: what was asked, answered and failed, and what became of the answers."""
    reasons = run.scan("outcomes").select("reason").drop_nulls().collect()  # short, and only of what is not ok
    counts = run.counts
    answers, attempts = run.scan("responses"), run.scan("attempts")
    return {
        "run": run.name,
        "folder": str(run.folder),
        "job": run.record.job,
        "simulated": run.record.simulated,
        "imported": run.record.source.kind == "import" or run.record.job == "scores",
        "requests": {"asked": counts.asked, "answered": counts.answered, "failed": counts.failed},
        "by_batch": _count(answers.filter(pl.col("counts") & pl.col("batch").is_not_null())),
        "billed_unanswered": _count(attempts.filter(pl.col("settled") == Billing.BILLED.value)),
        "outcomes": {outcome.value: n for outcome in Outcome if (n := int(coverage[outcome.value].sum()))},
        "reasons": dict(list(count(reasons, "reason").items())[:_REASONS_KEPT]),
        "coverage": records(coverage.drop("run")),
    }


def _count(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect().item())


def summary_page(summary: Mapping[str, Any]) -> RenderableType:
    """The summary: what was asked, and how much of it can be counted on, before any mean."""
    known = [f"Run {summary['run']}", str(summary["job"])]
    known += ["SIMULATED"] if summary["simulated"] else []
    known += ["imported"] if summary["imported"] else []
    requests, outcomes = summary["requests"], summary["outcomes"]
    left = requests["asked"] - requests["answered"] - requests["failed"]
    known_of = ", ".join(f"{requests[name]:,} {name}" for name in ("asked", "answered", "failed"))
    ended = f"{known_of}, {left:,} to go"
    notes = [f"Requests: {ended}."] if requests["asked"] else ["Requests: none."]
    if summary["by_batch"]:
        notes.append(f"By batch: {summary['by_batch']} of the answers.")
    if summary["billed_unanswered"]:
        notes.append(f"Attempts billed without an answer: {summary['billed_unanswered']}.")
    if outcomes:
        notes.append(f"Judgements: {', '.join(f'{name} {n}' for name, n in outcomes.items())}.")
    notes += [f"  {n} x {reason}" for reason, n in list(summary["reasons"].items())[:_REASONS_SHOWN]]
    shown = [_coverage(summary["coverage"], " so far" if left else "")] if summary["coverage"] else []
    return Group(plain(" | ".join(known), style="bold"), *map(plain, notes), *shown)


def _coverage(rows: list[Mapping[str, Any]], so_far: str) -> RenderableType:
    kept = sorted(rows, key=lambda row: row["coverage"])[:_LINES_SHOWN]
    of = f"of those asked for{so_far}"
    caption = f"coverage: answers that could be read, {of}; answers that nothing reads count as they are"
    if len(kept) < len(rows):
        caption = f"the {len(kept)} least covered of {len(rows)}; {caption}"
    names = cut_names(row["model"] for row in rows)
    lines = (
        (
            row["stage"] or "-",
            names[row["model"]],
            f"{100 * row['coverage']:.1f} %",
            row["asked"],
            row["answered"],
            row["failed"],
            row["ok"] if row["read"] else "-",
            _others(row),
        )
        for row in rows
        if row in kept
    )
    headings = ("stage", "model", "coverage", "asked", "answered", "failed", "ok", "other outcomes")
    return table(caption, headings, lines, words=2)


def _others(row: Mapping[str, Any]) -> str:
    names = [outcome.value for outcome in Outcome if outcome is not Outcome.OK]
    return ", ".join(f"{row[name]} {name}" for name in names if row[name]) or "-"
