"""The report of an ICE run: loose, strict and hard of each target, with coverage and intervals."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from rich.table import Table

from outputs.answers import read_answers
from outputs.asked import read_asked
from outputs.identity import identity_rows, rates_table, read_verdicts
from outputs.judgements import judgements_table, readers_of, summary, summary_notes
from outputs.report import Report, number, page, percent, records, short_names, table
from outputs.run_record import RunRecord


def report_identity(run: RunRecord, folder: Path) -> Report:
    """How often each target contradicts the facts of its maker. Raises InputError for a run that it cannot read."""
    judgements = judgements_table(read_answers(folder), readers_of(run, folder), simulated=run.simulated)
    asked = list(read_asked(folder))
    rows = identity_rows(asked, read_verdicts(asked, judgements), simulated=run.simulated)
    rates = rates_table(rows)
    document = {**summary(run, folder, judgements), "rates": records(rates)}
    title = " | ".join(["ICE", f"run {run.name}", *(["SIMULATED"] if run.simulated else [])])
    shown = page(title, [_rates(rates)] if rates.height else [], _notes(document))
    return Report({"identity": rows, "judgements": judgements, "rates": rates}, document, shown)


def _rates(rates: pl.DataFrame) -> Table:
    caption = (
        "loose: conflicts, of the rows with a first judgement that could be read; strict and hard: loose, times the "
        "share of its second judgements that find a claim; coverage: rows with all judgements; interval: 95 %, "
        "by template"
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


def _notes(document: Mapping[str, Any]) -> Iterator[str]:
    yield from summary_notes(document)
    for row in document["rates"]:
        if row["measure"] == "loose" and row["judged"] < row["rows"]:
            bound = number(row["rate_over_all_rows"])
            yield f"{row['target']}: loose is at least {bound}, counting rows without a judgement as no conflict."
