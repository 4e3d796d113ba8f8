"""The report of a run that rates captions: its scores, and how they correlate with people's ratings.

Whatever rests on simulated answers or constructed ratings says so.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from outputs.correlation import correlations_table
from outputs.items import Item
from outputs.metric_names import METRICS, metric_name, samples_of
from outputs.modes import modes_table
from outputs.report import Report, count, plain, records
from outputs.run_record import RunRecord
from outputs.scores import Answer, scores_table
from prompts.input_error import InputError
from prompts.parsers import AnswerReader, reader_for
from prompts.template import parse_prompt

_REASONS_SHOWN = 5


class RowCounts(Protocol):
    """How many requests were asked for, answered and finally failed."""

    @property
    def asked(self) -> int: ...
    @property
    def answered(self) -> int: ...
    @property
    def failed(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a run came to. `outcomes` counts the answers by outcome, `reasons` those that are not ok by their reason."""

    run: RunRecord
    counts: RowCounts
    ratings_kind: str
    rated: tuple[str, ...]  # the dimensions that people rated
    outcomes: dict[str, int]
    reasons: dict[str, int]
    scores: pl.DataFrame
    correlations: pl.DataFrame
    modes: pl.DataFrame


def report_captions(run: RunRecord, folder: Path, include_sampled: bool = False) -> Report:
    """The tables of a run that rates captions. Raises InputError for a run that it cannot read.

    `include_sampled` takes scores without an expectation (mode split or no_logprobs) into the correlations too.
    """
    from outputs.answers import count_requests, read_answers, read_items

    reader_of(run, folder)
    found = analyze(run, read_answers(folder), read_items(folder), count_requests(folder), include_sampled, folder)
    return Report(tables_of(found), to_json(found), render(found))


def tables_of(analysis: Analysis) -> dict[str, pl.DataFrame]:
    """The tables by their files' names."""
    return {"scores": analysis.scores, "correlations": analysis.correlations, "modes": analysis.modes}


def analyze(
    run: RunRecord,
    answers: Iterable[Answer],
    items: Mapping[str, Item],
    counts: RowCounts,
    include_sampled: bool = False,
    folder: Path | str = "run",
) -> Analysis:
    """What a run comes to; `folder` names it in errors."""
    read = reader_of(run, folder)
    include_sampled = include_sampled or samples_of(run) is not None
    scores = scores_table(answers, read, read.dimensions, simulated=run.simulated)
    correlations = correlations_table(
        scores,
        items,
        read.dimensions,
        metric=metric_name(run),
        asked=counts.asked,
        simulated=run.simulated,
        include_sampled=include_sampled,
    )
    modes = modes_table(scores, read.dimensions, asked=counts.asked, simulated=run.simulated)
    per_answer = scores.filter(pl.col("dimension") == read.dimensions[0])
    kinds = sorted({item.ratings_kind for item in items.values() if item.ratings})
    outcomes, reasons = count(per_answer, "outcome"), count(per_answer, "reason")
    rated = tuple(sorted({name for item in items.values() for rating in item.ratings for name in rating.scores}))
    return Analysis(run, counts, ", ".join(kinds), rated, outcomes, reasons, scores, correlations, modes)


def reader_of(run: RunRecord, folder: Path | str) -> AnswerReader:
    """What reads the answers of a run, by the prompt that it recorded. Raises InputError where there is none."""
    if run.job not in METRICS:
        known = ", ".join(sorted(METRICS))
        raise InputError(f"analyze reads the runs of these jobs: {known}; this run's job is {run.job!r}", file=folder)
    if len(run.prompts) != 1:
        raise InputError(f"a run of {run.job} has one prompt, this one records {len(run.prompts)}", file=folder)
    record = run.prompts[0]
    return reader_for(parse_prompt(record.text, f"{folder}: prompt {record.name} (as recorded)"))


def to_json(analysis: Analysis) -> dict[str, Any]:
    """The analysis as plain JSON values: what is not defined is None, with its reason beside it."""
    counts = analysis.counts
    return {
        "run": analysis.run.name,
        "job": analysis.run.job,
        "simulated": analysis.run.simulated,
        "ratings_kind": analysis.ratings_kind,
        "requests": {"asked": counts.asked, "answered": counts.answered, "failed": counts.failed},
        "outcomes": analysis.outcomes,
        "reasons": analysis.reasons,
        "correlations": records(analysis.correlations),
        "modes": records(analysis.modes),
    }


def render(analysis: Analysis) -> RenderableType:
    """The analysis for the terminal. Texts from models and datasets are shown as they are, never as markup."""
    notes = [plain(line) for line in (*_notes(analysis), *_undefined(analysis))]
    table = _table(analysis) if analysis.correlations.height else plain(_why_no_table(analysis))
    return Group(plain(_title(analysis), style="bold"), table, _modes(analysis), *notes)


def _why_no_table(analysis: Analysis) -> str:
    if not analysis.rated:
        return "No rated item: nothing to correlate."
    scored = ", ".join(analysis.scores["dimension"].unique(maintain_order=True))
    return f"Nothing to correlate: people rated {', '.join(analysis.rated)}, the judge scored {scored or 'nothing'}."


def _title(analysis: Analysis) -> str:
    models = sorted(analysis.scores["model"].drop_nulls().unique())
    parts = [metric_name(analysis.run), ", ".join(models), f"run {analysis.run.name}"]
    if analysis.run.simulated:
        parts.append("SIMULATED")
    if analysis.ratings_kind not in ("", "human"):
        parts.append(f"ratings: {analysis.ratings_kind}")
    return " | ".join(part for part in parts if part)


def _table(analysis: Analysis) -> Table:
    caption = "Kendall's tau x100 with each annotator's rating as a point; human: between annotators"
    table = Table(caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("dimension", "tau-b", "tau-c", "n", "items", "coverage", "left\nout", "human\ntau-b", "human\nn"):
        table.add_column(heading, justify="left" if heading == "dimension" else "right", no_wrap=True)
    for row in analysis.correlations.iter_rows(named=True):
        coverage = f"{_number(100 * row['coverage'])} % {row['ok']}/{row['asked']}"
        metric = (row["dimension"], _number(row["tau_b"]), _number(row["tau_c"]), row["n"], row["items"])
        human = (_number(row["human_tau_b"]), row["human_n"])
        table.add_row(*(plain(str(cell)) for cell in (*metric, coverage, row["left_out"], *human)))
    return table


def _modes(analysis: Analysis) -> Table:
    caption = "modes of the ok scores; mass: probability on the scale's integers at an expectation's token"
    table = Table(caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("dimension", "coverage", "expectation", "split", "no\nlogprobs", "mean\nmass", "least\nmass"):
        table.add_column(heading, justify="left" if heading == "dimension" else "right", no_wrap=True)
    for row in analysis.modes.iter_rows(named=True):
        modes = (row["expectation"], row["split"], row["no_logprobs"])
        masses = (_mass(row["mass_mean"]), _mass(row["mass_min"]))
        coverage = f"{_number(100 * row['coverage'])} %"
        table.add_row(*(plain(str(cell)) for cell in (row["dimension"], coverage, *modes, *masses)))
    return table


def _notes(analysis: Analysis) -> list[str]:
    counts, outcomes = analysis.counts, analysis.outcomes
    notes = [f"Requests: {counts.asked} asked, {counts.answered} answered, {counts.failed} failed."]
    notes.append(f"Outcomes: {', '.join(f'{name} {count}' for name, count in outcomes.items()) or 'none'}.")
    notes += [f"  {count} x {reason}" for reason, count in list(analysis.reasons.items())[:_REASONS_SHOWN]]
    table = analysis.correlations
    if table["left_out"].sum():
        notes.append("Left out: scores without an expectation over log probabilities (mode split or no_logprobs).")
    if table["include_sampled"].any():
        notes.append("Scores without an expectation are included, by choice, as the sampled integers.")
    return notes


def _undefined(analysis: Analysis) -> list[str]:
    """Why the numbers of the table that are not defined are not."""
    notes = []
    for row in analysis.correlations.iter_rows(named=True):
        notes += [f"{row['dimension']}: no tau, {row['reason']}."] if row["reason"] else []
        notes += [f"{row['dimension']}: no human tau, {row['human_reason']}."] if row["human_reason"] else []
    return notes


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.1f}"


def _mass(value: float) -> str:
    return "n/a" if math.isnan(value) else "<0.0001" if value < 0.0001 else f"{value:.4f}"
