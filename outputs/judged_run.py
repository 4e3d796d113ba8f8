"""The report of runs whose answers are judged: RSE, and the general jobs ask and judge."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from outputs.answers import count_requests, read_answers
from outputs.asked import read_asked
from outputs.judgements import judgements_table, readers_of
from outputs.means import means_table, should_be_judged
from outputs.report import Report, count, number, page, percent, records, table
from outputs.run_record import RunRecord

NAMES = {"rse": "RSE", "ask": "answers", "judge": "judgements"}
_REASONS_SHOWN = 5


def report_judged(run: RunRecord, folder: Path) -> Report:
    """Mean judgements by model, dataset and judge. Raises InputError for a run that it cannot read."""
    judgements = judgements_table(read_answers(folder), readers_of(run, folder), simulated=run.simulated)
    means = means_table(judgements, should_be_judged(read_asked(folder)))
    counts = count_requests(folder)
    per_answer = judgements.unique("seq", maintain_order=True)
    document: dict[str, Any] = {
        "run": run.name,
        "job": run.job,
        "simulated": run.simulated,
        "requests": {"asked": counts.asked, "answered": counts.answered, "failed": counts.failed},
        "outcomes": count(per_answer, "outcome"),
        "reasons": count(per_answer, "reason"),
        "means": records(means),
    }
    title = " | ".join([NAMES[run.job], f"run {run.name}", *(["SIMULATED"] if run.simulated else [])])
    shown = page(title, [_means(means)] if means.height else [], _notes(document, judgements))
    return Report({"judgements": judgements, "means": means}, document, shown)


def _means(means: pl.DataFrame) -> Any:
    caption = "items: those with a judgement that could be read; coverage: judgements read of those there should be"
    headings = ("model", "dataset", "judge", "dimension", "mean", "items", "coverage")
    rows = (
        (
            row["model"] + (" (control)" if row["control"] else ""),
            row["dataset"],
            row["judge"],
            row["dimension"],
            number(row["mean"]),
            row["items"],
            f"{percent(row['coverage'])} {row['ok']}/{row['asked']}",
        )
        for row in means.iter_rows(named=True)
    )
    return table(caption, headings, rows, words=4)


def _notes(document: dict[str, Any], judgements: pl.DataFrame) -> Iterator[str]:
    requests = document["requests"]
    yield f"Requests: {requests['asked']} asked, {requests['answered']} answered, {requests['failed']} failed."
    outcomes = ", ".join(f"{name} {number_of}" for name, number_of in document["outcomes"].items())
    yield f"Judgements: {outcomes or 'none'}."
    yield from (f"  {times} x {reason}" for reason, times in list(document["reasons"].items())[:_REASONS_SHOWN])
    partial = judgements.filter(pl.col("self_preference"))["judge"].unique().sort().to_list()
    if partial:
        yield f"Self-preference: judges of answers of their own, or held against their own: {', '.join(partial)}."
