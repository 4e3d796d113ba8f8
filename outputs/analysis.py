"""`overnight analyze`: run folders become tables, a page for the terminal and a document for programs.

Everything is computed from the folders alone: the raw answers, the items, and the prompts as they were recorded, so
that an old run is read again without a call. Runs of one kind are analysed together, each kind in a section of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Group

from outputs.analysis_options import Options
from outputs.captions_run import report_captions
from outputs.ice_against_rse import report_ice_against_rse
from outputs.identity_run import report_identity
from outputs.judged_run import report_judged
from outputs.report import Report
from outputs.run_summary import coverage_table, summarise, summary_page
from outputs.similarity.section import report_similarity
from outputs.tables.loading import LoadedRun
from outputs.tables.several import load_runs
from prompts.input_error import InputError

SECTIONS: Sequence[tuple[str, frozenset[str], Callable[[Sequence[LoadedRun], Options], Report | None]]] = (
    ("judged", frozenset({"rse", "ask", "judge"}), report_judged),
    ("similarity", frozenset({"rse", "ask", "manifest"}), report_similarity),
    ("ice", frozenset({"ice"}), report_identity),
    ("captions", frozenset({"gveval", "scores"}), report_captions),
)


def analyze_runs(folders: Sequence[Path], options: Options | None = None, out: Path | None = None) -> Report:
    """Read run folders and compute what they come to. The tables of each run are made on the way, in `out` if given.

    The document has `runs`, a summary of each, and a key for each section: `judged`, `similarity`, `ice`,
    `ice_against_rse`, `captions`. Raises InputError for a folder that it cannot read, for one that is named twice, and
    for an option of a section that there is none of.
    """
    return analyze_loaded(load_runs(folders, out), options)


def analyze_loaded(runs: Sequence[LoadedRun], options: Options | None = None) -> Report:
    """What runs that are loaded come to, as `analyze_runs` says."""
    options = Options() if options is None else options
    _check_options(runs, options)
    found = dict(_sections(runs, options))
    coverage = [coverage_table(run) for run in runs]
    summaries = [summarise(run, covered) for run, covered in zip(runs, coverage, strict=True)]
    document: dict[str, Any] = {"runs": summaries, **{name: report.document for name, report in found.items()}}
    tables = {name: table for report in found.values() for name, table in report.tables.items()}
    page = Group(*map(summary_page, summaries), *(report.page for report in found.values()))
    return Report({"coverage": pl.concat(coverage), **tables}, document, page)


def _check_options(runs: Sequence[LoadedRun], options: Options) -> None:
    """Raise InputError for what was chosen of a section that the runs do not have: it would not count."""
    jobs = {name: of for name, of, _ in SECTIONS}
    for flag, chosen, section in (
        ("--pair", options.pairs, "ice"),
        ("--misleading", options.misleading, "ice"),
        ("--protocol", options.protocols, "captions"),
    ):
        if chosen and not any(run.record.job in jobs[section] for run in runs):
            wanted = " or ".join(sorted(jobs[section]))
            raise InputError(f"is for runs of {wanted}, and there is none among these", field=flag)


def _sections(runs: Sequence[LoadedRun], options: Options) -> Iterator[tuple[str, Report]]:
    """The sections that the runs have."""
    found: dict[str, Report] = {}
    for name, jobs, make in SECTIONS:
        of_kind = [run for run in runs if run.record.job in jobs]
        report = make(of_kind, options) if of_kind else None
        if report is not None:
            found[name] = report
            yield name, report
    if "ice" in found and "judged" in found:
        against = report_ice_against_rse(found["ice"], found["judged"], options.seed)
        if against is not None:
            yield "ice_against_rse", against
