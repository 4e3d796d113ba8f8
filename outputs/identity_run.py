"""The report of an ICE run: loose, strict and hard of each target, with coverage and intervals."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from rich.table import Table

from outputs.answers import count_requests, read_answers
from outputs.asked import read_asked
from outputs.identity import identity_rows, rates_table, read_verdicts
from outputs.judgements import judgements_table, readers_of
from outputs.report import Report, count, number, page, percent, records, short_names, table
from outputs.run_record import RunRecord


def report_identity(run: RunRecord, folder: Path) -> Report:
    """How often each target contradicts the facts of its maker. Raises InputError for a run that it cannot read."""
    readers = readers_of(run, folder)
    rows = identity_rows(read_asked(folder), read_verdicts(read_answers(folder), readers), simulated=run.simulated)
    judgements = judgements_table(read_answers(folder), readers, simulated=run.simulated)
    rates, counts = rates_table(rows), count_requests(folder)
    per_answer = judgements.unique("seq", maintain_order=True)
    document: dict[str, Any] = {
        "run": run.name,
        "job": run.job,
        "simulated": run.simulated,
        "requests": {"asked": counts.asked, "answered": counts.answered, "failed": counts.failed},
        "outcomes": count(per_answer, "outcome"),
        "reasons": count(per_answer, "reason"),
        "rates": records(rates),
    }
    title = " | ".join(["ICE", f"run {run.name}", *(["SIMULATED"] if run.simulated else [])])
    shown = page(title, [_rates(rates)] if rates.height else [], _notes(document))
    return Report({"identity": rows, "judgements": judgements, "rates": rates}, document, shown)


def _rates(rates: pl.DataFrame) -> Table:
    caption = (
        "rate: of the rows with a judgement that could be read, which coverage is the share of; interval: 95 %, "
        "clustered by template"
    )
    headings = ("target", "measure", "rate", "interval", "coverage", "templates")
    short = short_names(rates["target"].unique())
    shown = (
        (
            short[row["target"]],
            row["measure"],
            number(row["rate"]),
            f"{number(row['low'])} to {number(row['high'])}",
            f"{percent(row['coverage'])} {row['judged']}/{row['rows']}",
            row["templates"],
        )
        for row in rates.iter_rows(named=True)
    )
    return table(caption, headings, shown, words=2)


def _notes(document: dict[str, Any]) -> Iterator[str]:
    requests = document["requests"]
    yield f"Requests: {requests['asked']} asked, {requests['answered']} answered, {requests['failed']} failed."
    outcomes = ", ".join(f"{name} {times}" for name, times in document["outcomes"].items())
    yield f"Judgements: {outcomes or 'none'}."
    for row in document["rates"]:
        if row["measure"] == "loose" and row["judged"] < row["rows"]:
            bound = number(row["rate_over_all_rows"])
            yield f"{row['target']}: loose is at least {bound}, counting rows without a judgement as no conflict."
