"""The section of runs whose answers are judged: RSE, and the general jobs ask and judge."""

from collections.abc import Iterator, Sequence

import polars as pl

from outputs.analysis_options import Options
from outputs.judged.agreement import agreement_table, order_table, repeats_table
from outputs.judged.aspects import aspects_table
from outputs.judged.differences import differences_table
from outputs.judged.gathering import Judgements, gather
from outputs.judged.judge_tables import judges_tables
from outputs.judged.means import means_table
from outputs.judged.pages import means_tables, reading_notes
from outputs.judged.panels import MACRO, POOLED, Panel, make_panels
from outputs.report import Report, cut_names, page, records, short_names
from outputs.tables.loading import LoadedRun

_MOST_NAMED = 3
NAMES = {"rse": "RSE", "ask": "answers", "judge": "judgements"}


def report_judged(runs: Sequence[LoadedRun], options: Options) -> Report:
    """Mean judgements, differences between models, and how far the judges can be relied on.

    Raises InputError for a run that it cannot read.
    """
    found = gather(runs)
    panels = make_panels(found)
    tables = {
        "means": means_table(found, panels, options),
        "differences": differences_table(panels, options),
        "judge_agreement": agreement_table(panels, options),
        "judge_order": order_table(found, options),
        "judge_repeats": repeats_table(found),
        "aspects": aspects_table(panels),
    }
    notes = [*reading_notes(panels, tables["differences"]), *_notes(found, panels, tables), *found.notes]
    shown = [
        *means_tables(panels, tables["means"], tables["differences"]),
        *judges_tables(tables["judge_agreement"], tables["judge_order"], tables["judge_repeats"]),
    ]
    document = {name: records(table) for name, table in tables.items()} | {"notes": notes}
    return Report(tables, document, page(_title(runs, panels), shown, notes))


def _title(runs: Sequence[LoadedRun], panels: Sequence[Panel]) -> str:
    """What all tables have in common."""
    simulated = any(run.record.simulated for run in runs)
    known = [", ".join(NAMES.get(job, job) for job in dict.fromkeys(run.record.job for run in runs))]
    known.append(", ".join(run.name for run in runs))
    judges = {judge for panel in panels for judge in panel.judges}
    if len(judges) == 1:
        known += [f"judge {name}" for name in cut_names(judges).values()]
    if len(panels) == 1:
        known += [panels[0].prompt, *(f"against {name}" for name in cut_names([panels[0].reference]).values() if name)]
    return " | ".join([word for word in known if word] + (["SIMULATED"] if simulated else []))


def _notes(found: Judgements, panels: Sequence[Panel], tables: dict[str, pl.DataFrame]) -> Iterator[str]:
    means, differences = tables["means"], tables["differences"]
    if not means.height:
        yield "No judgement was asked for: there is nothing to average."
    if len(panels) > 1:
        yield "Judgements by other prompts or against other references are not comparable: each has its own table."
    if means.height and not differences.height:
        yield "One model only: there are no differences to test."
    yield from _coverage_notes(means, differences)
    shorter = found.rows.filter(pl.col("turns") < pl.col("turns_asked")).select("run", "seq").unique().height
    if shorter:
        yield f"{shorter} judgements are of dialogues from which turns are left out, for an answer to them failed."
    own = found.rows.filter(pl.col("self_preference"))["judge"].unique().sort().to_list()
    if own:
        names = ", ".join(cut_names(own).values())
        yield f"* Self-preference: judges of answers of their own, or held against their own: {names}."


def _coverage_notes(means: pl.DataFrame, differences: pl.DataFrame) -> Iterator[str]:
    unequal = differences.filter((pl.col("first_only") > 0) | (pl.col("second_only") > 0))
    if unequal.height:
        pairs = unequal.select("first", "second").unique().height
        yield f"Coverage is unequal: {pairs} pairs of models are compared over the items that both have."
    partial = means.filter(pl.col("dataset") == MACRO, pl.col("mean").is_null(), pl.col("items") > 0)
    missing = list(cut_names(_missing_sets(means)).values())
    if missing:
        yield f"Sets of prompts missing from means, without one readable judgement: {_some(missing)}."
    models = list(cut_names(partial["model"].unique().sort()).values())
    if models:
        yield f"No Avg for want of a set's mean (a mean of some sets is not the mean of all): {', '.join(models)}."
    nothing = list(cut_names(means.filter(pl.col("items") == 0)["model"].unique().sort()).values())
    if nothing:
        yield f"Without one readable judgement in a table: {', '.join(name or '(no model)' for name in nothing)}."
    yield from _doubtful(means.filter(pl.col("warning").is_not_null(), pl.col("items") > 0))


def _missing_sets(means: pl.DataFrame) -> list[str]:
    """Sets, of several, of which a judge has no readable judgement of any model."""
    tested = means.filter(~pl.col("control"))
    by_table = tested.group_by("prompt", "reference", "judge", "dataset").agg(pl.col("items").sum())
    several = by_table.filter((pl.col("dataset") == MACRO).any().over("prompt", "reference", "judge"))
    return (
        several.filter(pl.col("items") == 0, ~pl.col("dataset").is_in([MACRO, POOLED]))["dataset"]
        .unique()
        .sort()
        .to_list()
    )


def _some(names: Sequence[str]) -> str:
    """The first of them, and how many others there are."""
    more = [f"and {len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return ", ".join([*(name or "(no name)" for name in names[:_MOST_NAMED]), *more])


def _in_brackets(dataset: str) -> str:
    """Means over datasets bring brackets of their own."""
    return "" if not dataset else f" {dataset}" if dataset.startswith("(") else f" ({dataset})"


def _doubtful(rows: pl.DataFrame) -> Iterator[str]:
    """How many means have no interval that can be relied on, and of some of them why."""
    if not rows.height:
        return
    short = short_names(rows["model"].unique().sort())
    cells = rows.unique(["model", "dataset"], keep="first", maintain_order=True)
    named = (
        f"{short[model] or '(no model)'}{_in_brackets(dataset)}: {warning}"
        for model, dataset, warning in cells.select("model", "dataset", "warning").head(_MOST_NAMED).iter_rows()
    )
    more = "; the others stand in the table means that overnight analyze writes" if cells.height > _MOST_NAMED else ""
    what = "Interval of 1 mean is" if rows.height == 1 else f"Intervals of {rows.height} means are"
    yield f"{what} missing or doubtful: {'; '.join(named)}{more}."
