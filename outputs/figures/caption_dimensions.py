"""Metrics of several dimensions, as G-VEval's ACCR: how high each dimension is scored, and how it follows people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.captions.metric_scores import JUDGED
from outputs.captions.points import cluster_of
from outputs.captions.series import Series
from outputs.figures import theme
from outputs.figures.caption_data import KEY, CaptionData
from outputs.figures.clustered_mean import clustered_mean
from outputs.figures.interval_plot import Look, Point, interval_plot
from outputs.figures.labels import text_labels
from outputs.figures.parts import Chart, Column, Kind, Part
from outputs.figures.scales import cut_note, passing_note, prompt_scales

_COLUMNS = (
    Column("metric", "metric"),
    Column("judge", "judge"),
    Column("dimension", "dimension"),
    Column("mean", "mean, 95 %", Kind.NUMBER, 2, "low", "high"),
    Column("deviation", "s.d.", Kind.NUMBER, 2),
    Column("quarter", "25 %", Kind.NUMBER, 2),
    Column("median", "50 %", Kind.NUMBER, 2),
    Column("three_quarters", "75 %", Kind.NUMBER, 2),
    Column("captions", "captions", Kind.COUNT),
    Column("coverage", "coverage", Kind.PERCENT, 1),
    Column("clusters", "clusters", Kind.COUNT),
    Column("tau", "tau x100, 95 %", Kind.NUMBER, 1, "tau_low", "tau_high"),
    Column("human_tau", "people: tau", Kind.NUMBER, 1),
    Column("warning", "to be known"),
)
_NUMBERS = (
    "mean", "low", "high", "deviation", "quarter", "median", "three_quarters", "coverage", "tau", "tau_low", "tau_high",
    "human_tau",
)  # fmt: skip
_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys((*KEY, "dimension", "warning"), pl.String),
    **dict.fromkeys(_NUMBERS, pl.Float64),
    "captions": pl.Int64,
    "clusters": pl.Int64,
}


def dimensions_part(data: CaptionData, correlations: pl.DataFrame) -> Part | None:
    """None where no metric has several dimensions. `correlations` are the dataset's rows of that table."""
    several = [group for group in _by_metric(data.series) if len(group) > 1]
    if not several:
        return None
    taus = _taus(correlations)
    clusters = _clusters(data)
    rows = [_row(data, one, clusters, taus) for group in several for one in group]
    frame = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    return Part(
        name=data.part_name("captions_dimensions"),
        title=data.title("scores by dimension"),
        frame=frame,
        columns=_COLUMNS,
        filters=[data.rows(key) for key in frame.select(KEY).iter_rows()],
        note="Means of the scores that count, with 95 % intervals over pictures or clips; the wide bars hold the "
        f"middle half of the captions.{_protocol(correlations)}{_beyond(data, frame)}",
        chart=_chart(data, frame),
        alt="Mean score of each dimension with its 95 % interval, and its tau with people's ratings of the same.",
    )


def _by_metric(series: Sequence[Series]) -> list[list[Series]]:
    groups: dict[tuple[str, str | None, str], list[Series]] = {}
    for one in series:
        groups.setdefault((one.metric, one.judge, one.source), []).append(one)
    return list(groups.values())


def _clusters(data: CaptionData) -> NDArray[np.int64]:
    numbered: dict[str, int] = {}
    named = (cluster_of(item) for item in data.captions.items.values())
    return np.array([numbered.setdefault(name, len(numbered)) for name in named], dtype=np.int64)


def _beyond(data: CaptionData, frame: pl.DataFrame) -> str:
    """Where means' intervals pass the scale that all judges' prompts have, and taus' intervals are cut."""
    scales = set(prompt_scales(data.captions.runs).values())
    means = frame.filter(pl.col("source") == JUDGED).select("low", "high").rows()
    found = passing_note(means, scales.pop() if len(scales) == 1 else None)
    cut = cut_note([*frame["tau_low"], *frame["tau_high"]], 100)
    return "".join(f" {one}" for one in (found, cut) if one)


def _segment(correlations: pl.DataFrame) -> pl.DataFrame:
    """Caption by caption, by the first protocol: the one of the dataset's field, unless others were chosen."""
    segment = correlations.filter(pl.col("level") == "segment")
    return segment.filter(pl.col("protocol") == segment["protocol"][0]) if segment.height else segment


def _taus(correlations: pl.DataFrame) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    its = _segment(correlations).filter(pl.col("dimension") == pl.col("human_dimension"))
    return {tuple(row[name] for name in (*KEY, "dimension")): row for row in its.iter_rows(named=True)}


def _protocol(correlations: pl.DataFrame) -> str:
    segment = _segment(correlations)
    if segment.is_empty():
        return ""
    tau = str(segment["published"][0]).replace("_", "-")
    against = f"{tau} with people's ratings of the same dimension, protocol {segment['protocol'][0]}"
    return f" Tau: {against}; ticks: how well annotators agree."


def _row(data: CaptionData, one: Series, clusters: NDArray[np.int64], taus: Mapping[Any, Any]) -> dict[str, Any]:
    used = one.used
    values = one.values[used]
    found = clustered_mean(values, clusters[used], data.options)
    quarters = np.quantile(values, [0.25, 0.5, 0.75]).tolist() if len(values) else [None] * 3
    key = (one.metric, one.judge, one.source)
    return {
        **dict(zip(KEY, key, strict=True)), "dimension": one.dimension,
        "mean": found.estimate, "low": found.low, "high": found.high,
        "deviation": float(values.std(ddof=1)) if len(values) > 1 else None,
        **dict(zip(("quarter", "median", "three_quarters"), quarters, strict=True)),
        "captions": len(values), "coverage": int(one.ok.sum()) / len(one.ok) if len(one.ok) else None,
        "clusters": found.clusters, "warning": found.warning,
        **_tau(taus.get((*key, one.dimension))),
    }  # fmt: skip


def _tau(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return dict.fromkeys(("tau", "tau_low", "tau_high", "human_tau"))
    tau = row["published"]
    return {"tau": row[tau], "tau_low": row[f"{tau}_low"], "tau_high": row[f"{tau}_high"],
            "human_tau": row[f"human_{tau}"]}  # fmt: skip


def _chart(data: CaptionData, frame: pl.DataFrame) -> Chart:
    dimensions = text_labels(frame["dimension"])
    labels = [data.label(row) for row in frame.iter_rows(named=True)]
    metrics = list(dict.fromkeys(labels))
    parts = theme.colours(metrics)
    rows = list(zip(labels, frame.iter_rows(named=True), strict=True))
    means = [
        Point(dimensions[row["dimension"]], row["mean"], row["low"], row["high"], label,
              wide=(row["quarter"], row["three_quarters"]))
        for label, row in rows
    ]  # fmt: skip
    taus = list(_tau_points(rows, dimensions))
    width = (theme.WIDTH - 90) // 2
    left = interval_plot(means, Look("mean score, 95 % interval", parts, width=width if taus else None))
    if not taus:
        return left
    right = interval_plot(taus, Look("tau x100, 95 % interval", parts, width=width, zero=True))
    return alt.hconcat(left, right, spacing=30)


def _tau_points(rows: Sequence[tuple[str, Mapping[str, Any]]], dimensions: Mapping[str, str]) -> Iterator[Point]:
    """With how well annotators agree as a tick in the line; none where people rated none of the dimensions."""
    if any(row["tau"] is not None for _, row in rows):
        for label, row in rows:
            name = dimensions[row["dimension"]]
            yield Point(name, row["tau"], row["tau_low"], row["tau_high"], label, tick=row["human_tau"])
