"""What runs cost and how long they took: by model, by stage, and over the night."""

from typing import Any

import altair as alt
import polars as pl

from outputs.figures import theme
from outputs.figures.latencies import latency_part
from outputs.figures.line_names import LONGEST_LABEL, line_names, rows_of, run_column
from outputs.figures.marks import chart_of
from outputs.figures.over_time import over_time
from outputs.figures.parts import Analysis, Chart, Column, Kind, Part, Section
from outputs.figures.spending import by_lane, unsettled_words

_MOST_LINES = 60  # of a chart; the table has all
_KNOWN = ("settled", "maybe billed, at most")
_COLOURS = (theme.OKABE_ITO[0], theme.OKABE_ITO[4])


def money_section(found: Analysis) -> Section | None:
    """Cost by model and stage, spend and answers over the night, latency by lane. None where nothing was asked."""
    lanes = pl.concat([by_lane(run) for run in found.runs])
    if not lanes.height:
        return None
    nights, left_out = over_time(found)
    parts = [_by_model(found, lanes), _by_stage(found), *nights, latency_part(found), _tokens(found, lanes)]
    kept = [part for part in parts if part is not None]
    return Section(
        "cost", "Cost and time", kept, [*_notes(lanes), *left_out], any(run.record.simulated for run in found.runs)
    )


def _notes(lanes: pl.DataFrame) -> list[str]:
    notes = []
    if unpriced := int(lanes["unpriced"].sum()):
        notes.append(f"{unpriced:,} answers have no known price: they are in no sum, and are not counted as 0.")
    if maybe := int(lanes["maybe"].sum()):
        notes.append(
            f"Of {maybe:,} attempts nobody knows whether they were billed: they stand apart from what is settled."
        )
    return notes


def _by_model(found: Analysis, lanes: pl.DataFrame) -> Part:
    paid = pl.col("answers") - pl.col("unpriced") - pl.col("duplicates")
    each = pl.when(paid > 0).then(1000 * pl.col("settled_usd") / paid)
    frame = lanes.with_columns(per_thousand_usd=each)
    columns = [
        *run_column(found),
        Column("lane", "model asked"),
        Column("answers", "answers", Kind.COUNT),
        Column("settled_usd", "settled", Kind.USD),
        Column("per_thousand_usd", "per 1,000 priced answers", Kind.USD),
        Column("maybe_usd", "maybe billed, at most", Kind.USD),
        *(Column(key, heading, Kind.COUNT) for key, heading in _COUNTS if key == "attempts" or frame[key].sum()),
    ]
    filters = [rows_of(found, row["run"], lane=row["lane"]) for row in frame.iter_rows(named=True)]
    drawing = _chart(found, frame) if frame.select(pl.sum("settled_usd", "maybe_usd")).sum_horizontal()[0] else None
    title, said = "Cost by model", _sentence(frame) if drawing is not None else ""
    note = unsettled_words(int(frame["unsettled"].sum()))
    return Part("cost_by_model", title, frame, columns, filters, note, drawing, said)


_COUNTS = (
    ("attempts", "attempts"),
    ("maybe", "maybe billed"),
    ("billed_unanswered", "billed without an answer"),
    ("unpriced", "unpriced"),
    ("by_batch", "by batch"),
    ("duplicates", "taken from a duplicate"),
)


def _sentence(frame: pl.DataFrame) -> str:
    priced = frame.drop_nulls("settled_usd")
    if not priced.height or not priced["settled_usd"].sum():
        return "Bars of what each model may have cost at most: nothing is settled."
    dearest = priced.sort("settled_usd").row(-1, named=True)
    share = dearest["settled_usd"] / priced["settled_usd"].sum()
    return f"Bars of what each model cost, settled and maybe billed. The dearest took {share:.0%} of what is settled."


def _chart(found: Analysis, frame: pl.DataFrame) -> Chart:
    kept = frame.head(_MOST_LINES)
    names = line_names(found, kept["run"].to_list(), kept["lane"].to_list())
    values = [
        {"line": name, "what": what, "usd": usd, "order": place}
        for name, row in zip(names, kept.iter_rows(named=True), strict=True)
        for place, (what, usd) in enumerate(zip(_KNOWN, (row["settled_usd"], row["maybe_usd"]), strict=True))
    ]
    colour = alt.Scale(domain=list(_KNOWN), range=list(_COLOURS))
    drawn: Chart = (
        chart_of(values)
        .mark_bar()
        .encode(
            y=alt.Y("line:N", title=None, sort=names, axis=alt.Axis(labelLimit=LONGEST_LABEL)),
            x=alt.X("usd:Q", title="USD", stack=True, scale=alt.Scale(domain=[0, _end(values)])),
            color=alt.Color("what:N", title=None, scale=colour, legend=alt.Legend(orient="top")),
            order=alt.Order("order:Q"),
        )
        .properties(width=theme.WIDTH, height=alt.Step(theme.ROW))
    )
    return drawn


def _end(values: list[dict[str, Any]]) -> float:
    """Where the axis ends: of nothing but zeros it would be without a length."""
    sums: dict[str, float] = {}
    for value in values:
        sums[value["line"]] = sums.get(value["line"], 0.0) + (value["usd"] or 0.0)
    return max(sums.values(), default=0.0) or 1.0


def _by_stage(found: Analysis) -> Part | None:
    """Costs of the table of coverage, added up over the models of a stage."""
    coverage = found.table("coverage")
    if not coverage.height or not (coverage["stage"] != "").any():
        return None
    priced = pl.col("answered").sum() > pl.col("unpriced").sum()
    frame = coverage.group_by("run", "stage", maintain_order=True).agg(
        pl.col("asked", "answered", "failed").sum(),
        pl.when(priced | (pl.col("cost_usd").sum() > 0)).then(pl.col("cost_usd").sum()).alias("cost_usd"),
        pl.col("unpriced").sum(),
    )
    columns = [
        *run_column(found),
        Column("stage", "stage"),
        *(Column(key, key, Kind.COUNT) for key in ("asked", "answered", "failed")),
        Column("cost_usd", "settled", Kind.USD),
        Column("unpriced", "unpriced", Kind.COUNT),
    ]
    filters = [rows_of(found, row["run"], stage=row["stage"]) for row in frame.iter_rows(named=True)]
    note = "Of requests that are still asked for; what an edited manifest withdrew is in the cost by model."
    return Part("cost_by_stage", "Cost by stage", frame, columns, filters, note)


def _tokens(found: Analysis, lanes: pl.DataFrame) -> Part:
    columns = [
        *run_column(found),
        Column("lane", "model asked"),
        Column("answers", "answers", Kind.COUNT),
        Column("input_tokens", "tokens in", Kind.COUNT),
        Column("cached_tokens", "of these cached", Kind.COUNT),
        Column("output_tokens", "tokens out", Kind.COUNT),
        Column("reasoning_tokens", "of these reasoning", Kind.COUNT),
        Column("untold", "answers that told none", Kind.COUNT),
    ]
    filters = [rows_of(found, row["run"], lane=row["lane"]) for row in lanes.iter_rows(named=True)]
    return Part("tokens", "Tokens by model", lanes, columns, filters)
