"""How long answers took: by lane, of calls, not of batches and duplicates."""

import altair as alt
import polars as pl

from outputs.figures import theme
from outputs.figures.line_names import LONGEST_LABEL, line_names, rows_of, run_column
from outputs.figures.marks import chart_of
from outputs.figures.parts import Analysis, Chart, Column, Kind, Part
from outputs.tables.loading import LoadedRun

_MOST_LINES = 60  # of the chart; the table has all
_MARKS = (("median_s", "median"), ("p95_s", "95 % are within"))


def latency_part(found: Analysis) -> Part | None:
    """Median and 95th percentile of each lane; None where nobody measured."""
    frame = pl.concat([_of_run(run) for run in found.runs])
    if not frame.height:
        return None
    columns = [
        *run_column(found),
        Column("lane", "model asked"),
        Column("measured", "answers measured", Kind.COUNT),
        *(Column(key, heading, Kind.SECONDS) for key, heading in (*_MARKS, ("most_s", "slowest"))),
    ]
    filters = [rows_of(found, row["run"], lane=row["lane"]) for row in frame.iter_rows(named=True)]
    note = "From the first byte that was sent to the last that came, of the attempt that was answered; "
    note += "without batches, and without what was taken from a duplicate."
    slowest = max(frame["p95_s"].to_list())
    said = f"Points of each model's median latency and of its 95th percentile, which is {slowest:.3g} s at most."
    return Part("latency", "Latency by model", frame, columns, filters, note, _chart(found, frame), said)


def _of_run(run: LoadedRun) -> pl.DataFrame:
    latency = pl.col("latency_s")
    called = pl.col("batch").is_null() & pl.col("duplicate_of").is_null()
    timed = run.scan("responses").filter(called, latency.is_not_null())
    sums = timed.group_by(lane=pl.concat_str("provider", pl.lit("/"), "model")).agg(
        measured=pl.len(),
        median_s=latency.median(),
        p95_s=latency.quantile(0.95, "linear"),
        most_s=latency.max(),
    )
    return sums.collect().sort("median_s", "lane").select(pl.lit(run.name).alias("run"), pl.all())


def _chart(found: Analysis, frame: pl.DataFrame) -> Chart:
    kept = frame.head(_MOST_LINES)
    names = line_names(found, kept["run"].to_list(), kept["lane"].to_list())
    rows = list(zip(names, kept.iter_rows(named=True), strict=True))
    spans = [{"line": name, "from": row["median_s"], "to": row["p95_s"]} for name, row in rows]
    points = [{"line": name, "what": what, "s": row[key]} for name, row in rows for key, what in _MARKS]
    y = alt.Y("line:N", title=None, sort=names, axis=alt.Axis(labelLimit=LONGEST_LABEL))
    scale = alt.Scale(domain=[what for _, what in _MARKS], range=[theme.OKABE_ITO[0], theme.OKABE_ITO[1]])
    span = (
        chart_of(spans)
        .mark_rule(color=theme.INK)
        .encode(y=y, x=alt.X("from:Q", title="seconds", scale=alt.Scale(zero=True)), x2="to:Q")
    )
    legend = alt.Legend(orient="top")
    point = (
        chart_of(points)
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            y=y,
            x="s:Q",
            color=alt.Color("what:N", title=None, scale=scale, legend=legend),
            shape=alt.Shape("what:N", title=None, legend=legend, scale=alt.Scale(domain=[what for _, what in _MARKS])),
        )
    )
    return alt.layer(span, point).properties(width=theme.WIDTH, height=alt.Step(theme.ROW))
