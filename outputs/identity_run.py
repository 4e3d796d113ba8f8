"""The report of ICE runs: loose, strict and hard of each target, in parts, as they grow, and how targets differ."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from outputs.analysis_options import Options
from outputs.identity.columns import ROWS
from outputs.identity.differences import differences_table
from outputs.identity.misleading import Rule, choose_rule, rules_table, with_rule
from outputs.identity.page import notes_shown, tables_shown
from outputs.identity.rates import coverage_table, growth_table, rates_by, rates_table
from outputs.identity.rows import identity_rows
from outputs.report import Report, page, records
from outputs.tables.loading import LoadedRun

_DOCUMENTED = {  # what the document calls the tables; the rows are in their file only
    "coverage": "identity_coverage",
    "rates": "rates",
    "rates_by": "rates_by",
    "growth": "identity_growth",
    "differences": "identity_differences",
    "rules": "identity_rules",
}


def report_identity(runs: Sequence[LoadedRun], options: Options) -> Report:
    """How often each target contradicts the facts of its maker.

    Raises InputError for a run that it cannot read, a pair of which a name is no target, and an empty misleading word.
    """
    found = [(run.name, *_rows_of(run, options)) for run in runs]
    rows = pl.concat([pl.DataFrame(schema=ROWS), *(of_run for _, _, of_run in found)])
    tables = {
        "identity": rows,
        "identity_coverage": coverage_table(rows),
        "rates": rates_table(rows),
        "rates_by": rates_by(rows),
        "identity_growth": growth_table(rows),
        "identity_differences": differences_table(rows, options.pairs),
        "identity_rules": rules_table(found),
    }
    simulated = any(run.record.simulated for run in runs)
    document: dict[str, Any] = {name: records(tables[table]) for name, table in _DOCUMENTED.items()}
    notes = list(notes_shown(document)) if rows.height else ["No question was asked."]
    document.update(notes=notes, simulated=simulated)
    title = " | ".join(["ICE", ", ".join(run.name for run in runs), *(["SIMULATED"] if simulated else [])])
    return Report(tables, document, page(title, tables_shown(tables) if rows.height else [], notes))


def _rows_of(run: LoadedRun, options: Options) -> tuple[Rule, pl.DataFrame]:
    rows = identity_rows(run.scan("requests"), run.scan("scores"), simulated=run.record.simulated)
    rule = choose_rule(options.misleading, rows, run.record.spec_text)
    return rule, with_families(with_rule(rows, rule, run), run)


def with_families(rows: pl.DataFrame, run: LoadedRun) -> pl.DataFrame:
    """The rows with the family of the seed that their template descends from, as the run's items say."""
    known = {str(item.fields["seed"]): str(item.fields["family"]) for item in run.items().values()
             if item.fields.get("kind") == "seed" and {"seed", "family"} <= item.fields.keys()}  # fmt: skip
    if not known:
        return rows
    return rows.with_columns(family=pl.col("seed").replace_strict(known, default=None, return_dtype=pl.String))
