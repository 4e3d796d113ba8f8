"""The report of runs whose answers are judged: RSE, and the general jobs ask and judge."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from rich.table import Table

from outputs.answers import read_answers
from outputs.asked import read_asked
from outputs.judgements import judgements_table, readers_of, summary, summary_notes
from outputs.means import GROUP, means_table, should_be_judged
from outputs.report import Report, number, page, percent, records, short_names, table
from outputs.run_record import RunRecord

NAMES = {"rse": "RSE", "ask": "answers", "judge": "judgements"}


def report_judged(run: RunRecord, folder: Path) -> Report:
    """Mean judgements by model, dataset and judge. Raises InputError for a run that it cannot read."""
    readers = readers_of(run, folder)
    judgements = judgements_table(read_answers(folder), readers, simulated=run.simulated)
    dimensions = list(dict.fromkeys(name for read in readers.values() for name in read.dimensions))
    asked = should_be_judged(read_asked(folder))
    means = means_table(judgements, asked, dimensions, simulated=run.simulated)
    document = {**summary(run, folder, judgements), "means": records(means)}
    alone = [str(values[0]) for name in GROUP if (values := means[name].unique().to_list()) and len(values) == 1]
    known = [f"run {run.name}", *(name for name in alone if name), *(["SIMULATED"] if run.simulated else [])]
    title = " | ".join([NAMES[run.job], *known])
    shown = page(title, [_means(means)] if means.height else [], _notes(document, judgements))
    return Report({"judgements": judgements, "means": means}, document, shown)


def _means(means: pl.DataFrame) -> Table:
    """One line for each model, dataset and judge, as far as there are several, with the mean of each dimension."""
    caption = "items: those with a judgement that could be read; coverage: judgements read of those there should be"
    several = [name for name in GROUP if means[name].n_unique() > 1] or ["judge"]
    short = {name: short_names(means[name].unique()) for name in ("model", "judge")}
    dimensions = means["dimension"].unique(maintain_order=True).to_list()
    lines = []
    for (*group, control), rows in means.group_by(*GROUP, "control", maintain_order=True):
        by = dict(zip(GROUP, map(str, group), strict=True))
        words = [
            short.get(name, by).get(by[name], by[name]) + (" (control)" if control and name == several[0] else "")
            for name in several
        ]
        found = {row["dimension"]: row for row in rows.iter_rows(named=True)}
        values = [number(found[name]["mean"] if name in found else None) for name in dimensions]
        first = next(iter(found.values()))
        coverage = f"{percent(first['coverage'])} {first['ok']}/{first['asked']}"
        lines.append((*words, *values, first["items"], coverage))
    headings = (*several, *(name.replace("_", "\n") for name in dimensions), "items", "coverage")
    return table(caption, headings, lines, words=len(several))


def _notes(document: Mapping[str, Any], judgements: pl.DataFrame) -> Iterator[str]:
    yield from summary_notes(document)
    shorter = judgements.filter(pl.col("turns") < pl.col("turns_asked")).unique("seq").height
    if shorter:
        yield f"{shorter} judgements are of dialogues from which turns are left out, for an answer to them failed."
    own = judgements.filter(pl.col("self_preference"))["judge"].unique().sort().to_list()
    if own:
        yield f"Self-preference: judges of answers of their own, or held against their own: {', '.join(own)}."
