"""How a report opens: what was asked, what it cost, how far it can be counted on, and what in it is not real."""

from collections.abc import Iterator, Mapping
from typing import Any

import altair as alt
import polars as pl

from outputs.figures import theme
from outputs.figures.line_names import LONGEST_LABEL, line_names, rows_of, run_column
from outputs.figures.marks import chart_of
from outputs.figures.parts import Analysis, Chart, Column, Kind, Part, Section
from outputs.figures.provenance import ItemFacts, came_here, item_facts, items_from, moment_text, origin, span_text
from outputs.figures.spending import totals, unsettled_words
from outputs.report import numbered
from outputs.tables.loading import LoadedRun
from prompts.records import Outcome

_MOST_LINES = 60  # of the chart of coverage; the table has all
_ENDS = ("could be read", "could not be read", "failed", "to go")
_COLOURS = (theme.OKABE_ITO[0], theme.OKABE_ITO[4], theme.OKABE_ITO[1], theme.FAINT)
_UNREAD = [outcome.value for outcome in Outcome if outcome is not Outcome.OK]


def opening_section(found: Analysis) -> Section:
    """What was asked, what it cost, coverage, and what is simulated, constructed or imported."""
    facts = {run.name: item_facts(run.folder) for run in found.runs}
    parts = [_asked(found), _dates(found), _datasets(found, facts), _prompts(found), _cost(found), _coverage(found)]
    notes = list(_notes(found, facts))
    simulated = any(run.record.simulated for run in found.runs)
    kept = [part for part in parts if part.frame.height]
    return Section("opening", "What was asked", kept, notes, simulated)


def _notes(found: Analysis, facts: dict[str, ItemFacts]) -> Iterator[str]:
    for run in found.runs:
        if run.record.simulated:
            yield f"SIMULATED: answers of {run.name} are a simulator's, made up, and show nothing of any model."
        constructed = facts[run.name].constructed
        if constructed:
            yield (
                f"CONSTRUCTED: the ratings of {numbered(constructed, 'item')} of {run.name} were made up to show the "
                "method; nobody gave them."
            )
        if origin(run) == "imported":
            yield f"IMPORTED: {run.name} was made elsewhere, and brought in from {run.record.source.name}."
        left = run.counts.asked - run.counts.answered - run.counts.failed
        if left:
            are = "is" if left == 1 else "are"
            yield f"UNFINISHED: {numbered(left, 'request')} of {run.name} {are} neither answered nor given up."
    yield "Coverage is the share of answers that could be read, of those asked for; it stands beside every mean."


def _asked(found: Analysis) -> Part:
    rows = [_asked_row(run) for run in found.runs]
    columns = [
        Column("run", "run"),
        Column("job", "job"),
        Column("answers", "answers are"),
        Column("source", "made from"),
        Column("models", "models asked", Kind.COUNT),
        Column("asked", "requests", Kind.COUNT),
        Column("answered", "answered", Kind.COUNT),
        Column("failed", "failed", Kind.COUNT),
        Column("open", "to go", Kind.COUNT),
    ]
    filters = [rows_of(found, run.name) for run in found.runs]
    return Part("asked", "Runs", pl.DataFrame(rows), columns, filters)


def _asked_row(run: LoadedRun) -> dict[str, Any]:
    lanes = run.scan("outcomes").select(pl.struct("provider", "model").n_unique()).collect().item()
    source = f"{run.record.source.kind} {run.record.source.name}"
    asked, answered, failed = run.counts.asked, run.counts.answered, run.counts.failed
    known = {"run": run.name, "job": run.record.job, "answers": origin(run), "source": source, "models": lanes}
    return known | {"asked": asked, "answered": answered, "failed": failed, "open": asked - answered - failed}


def _dates(found: Analysis) -> Part:
    rows = [_dates_row(run) for run in found.runs]
    columns = [
        Column("run", "run"),
        Column("made", "made, UTC"),
        Column("began", "first attempt, UTC"),
        Column("ended", "last answer, UTC"),
        Column("took", "between"),
        Column("seed", "seed", Kind.COUNT),
        *([Column("first", "cut to the first", Kind.COUNT)] if any(row["first"] is not None for row in rows) else []),
        Column("code_version", "code version"),
        Column("sha256", "sha256 of its source"),
    ]
    note = _IMPORTED if any(origin(run) == "imported" for run in found.runs) else ""
    frame = pl.DataFrame(rows, schema_overrides=_DATES)
    return Part("dates", "When, and with which code", frame, columns, note=note)


_SELDOM = (
    ("billed_unanswered", "attempts billed without an answer"),
    ("by_batch", "answers by batch"),
    ("duplicates", "answers taken from a duplicate"),
)
_UNKNOWN = "n/a"
_IMPORTED = "An imported run was made when it was imported; when its answers came is not known."
_DATES = {"took": pl.String, "first": pl.Int64, "began": pl.String, "ended": pl.String}


def _dates_row(run: LoadedRun) -> dict[str, Any]:
    began = run.scan("attempts").select(pl.col("began_at").min()).collect().item()
    ended = run.scan("responses").filter(came_here()).select(pl.col("landed_at").max()).collect().item()
    record = run.record
    return {
        "run": run.name,
        "made": record.created_at.replace("T", " ").removesuffix("Z").removesuffix("+00:00"),
        "began": moment_text(began) or _UNKNOWN,
        "ended": moment_text(ended) or _UNKNOWN,
        "took": span_text(began, ended) or _UNKNOWN,
        "seed": record.seed,
        "first": record.first,
        "code_version": record.code_version,
        "sha256": record.source.sha256[:12],
    }


def _datasets(found: Analysis, facts: Mapping[str, ItemFacts]) -> Part:
    """By dataset; of a run whose items name none, the file that they are from."""
    per_run = [
        run.scan("outcomes")
        .group_by("run", "dataset", maintain_order=True)
        .agg(items=pl.col("item").n_unique(), asked=pl.len())
        .collect(engine="streaming")
        for run in found.runs
    ]
    named = pl.concat(per_run).filter(pl.col("dataset") != "")
    rows = [
        row
        for run in found.runs
        for row in named.filter(pl.col("run") == run.name).to_dicts() or _unnamed(run, facts[run.name].items)
    ]
    frame = pl.DataFrame(rows, schema=named.schema)
    columns = [
        *run_column(found),
        Column("dataset", "dataset, or file of the items"),
        Column("items", "items", Kind.COUNT),
        Column("asked", "requests", Kind.COUNT),
    ]
    known = set(named.select("run", "dataset").iter_rows())
    filters = [
        rows_of(found, row["run"], **({"dataset": row["dataset"]} if (row["run"], row["dataset"]) in known else {}))
        for row in rows
    ]
    return Part("datasets", "Data", frame, columns, filters)


def _unnamed(run: LoadedRun, items: int) -> list[dict[str, Any]]:
    """All items of a run as one line; none of a run without items."""
    line = {"run": run.name, "dataset": items_from(run.record), "items": items, "asked": run.counts.asked}
    return [line] if items else []


def _prompts(found: Analysis) -> Part:
    rows = [
        {"run": run.name, "prompt": prompt.name, "version": prompt.version, "sha256": prompt.sha256[:12]}
        for run in found.runs
        for prompt in run.record.prompts
    ]
    named = (("prompt", "prompt"), ("version", "version"), ("sha256", "sha256 of its text"))
    columns = [*run_column(found), *(Column(key, heading) for key, heading in named)]
    return Part(
        "prompts", "Prompts", pl.DataFrame(rows), columns, note="Their words stand below, as each run recorded them."
    )


def _cost(found: Analysis) -> Part:
    frame = pl.DataFrame([{"run": run.name, **totals(run)} for run in found.runs])
    columns = [
        Column("run", "run"),
        Column("settled_usd", "settled", Kind.USD),
        Column("maybe_usd", "maybe billed, at most", Kind.USD),
        Column("maybe", "attempts maybe billed", Kind.COUNT),
        Column("unpriced", "answers without a known price", Kind.COUNT),
        *(Column(key, heading, Kind.COUNT) for key, heading in _SELDOM if frame[key].sum()),
    ]
    note = (
        "Settled: what answers and billed attempts cost by the prices that the run recorded. Maybe billed: attempts of "
        "which nobody knows whether they were, at the most that they could cost; these are not in what is settled."
    )
    if words := unsettled_words(int(frame["unsettled"].sum())):
        note += f" {words}"
    filters = [rows_of(found, run.name) for run in found.runs]
    return Part("cost", "What it cost", frame, columns, filters, note)


_SO_FAR = " Of the requests asked so far: what follows from answers is asked for as they come."


def _coverage(found: Analysis) -> Part:
    frame = found.table("coverage")
    if not frame.height:
        return Part("coverage", "Coverage", frame, ())
    filters = [rows_of(found, row["run"], stage=row["stage"], lane=row["model"]) for row in frame.iter_rows(named=True)]
    outcomes = [Column(name, name, Kind.COUNT) for name in _UNREAD if frame[name].sum()]
    columns = [
        *run_column(found),
        *([Column("stage", "stage")] if (frame["stage"] != "").any() else []),
        Column("model", "model asked"),
        Column("coverage", "coverage", Kind.PERCENT, 1),
        *(Column(name, name, Kind.COUNT) for name in ("asked", "answered", "failed")),
        Column(Outcome.OK.value, Outcome.OK.value, Kind.COUNT),
        *outcomes,
    ]
    note = "Ok, of those whose answers a prompt with a scale reads; answers that nothing reads count as they are."
    note += _SO_FAR if _unfinished(frame) else ""
    alt_text = _coverage_sentence(frame)
    return Part(
        "coverage", "Coverage by stage and model", frame, columns, filters, note, _chart(found, frame), alt_text
    )


def _unfinished(frame: pl.DataFrame) -> bool:
    return any(_left(row) for row in frame.iter_rows(named=True))


def _coverage_sentence(frame: pl.DataFrame) -> str:
    least = frame.sort("coverage", maintain_order=True).row(0, named=True)
    of = ", of the requests asked so far," if _unfinished(frame) else ""
    return (
        "Bars of the share of requests that ended in each way, one for each stage and model, "
        f"{numbered(frame.height, 'line')}. "
        f"The lowest coverage{of} is {100 * least['coverage']:.1f} per cent."
    )


def _chart(found: Analysis, frame: pl.DataFrame) -> Chart:
    kept = frame.sort("coverage", maintain_order=True).head(_MOST_LINES) if frame.height > _MOST_LINES else frame
    labels = line_names(found, kept["run"].to_list(), kept["model"].to_list(), kept["stage"].to_list())
    values = [
        {"line": label, "end": end, "share": share, "order": place}
        for label, row in zip(labels, kept.iter_rows(named=True), strict=True)
        for place, (end, share) in enumerate(zip(_ENDS, _shares(row), strict=True))
    ]
    colour = alt.Scale(domain=list(_ENDS), range=list(_COLOURS))
    drawn: Chart = (
        chart_of(values)
        .mark_bar()
        .encode(
            y=alt.Y("line:N", title=None, sort=labels, axis=alt.Axis(labelLimit=LONGEST_LABEL)),
            x=alt.X("share:Q", title="share of requests", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("end:N", title=None, scale=colour, legend=alt.Legend(orient="top")),
            order=alt.Order("order:Q"),
        )
        .properties(width=theme.WIDTH, height=alt.Step(theme.ROW))
    )
    return drawn


def _shares(row: dict[str, Any]) -> tuple[float, ...]:
    """How the requests of a line ended, as shares in the order of `_ENDS`."""
    asked = row["asked"]
    good = row[Outcome.OK.value] + row["answered"] - row["read"]
    return (good / asked, (row["answered"] - good) / asked, row["failed"] / asked, _left(row) / asked)


def _left(row: dict[str, Any]) -> int:
    return int(row["asked"] - row["answered"] - row["failed"])
