"""How the scores of captions are spread: histograms by metric, judge and dimension."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from outputs.captions.metric_scores import IMPORTED, JUDGED
from outputs.figures import theme
from outputs.figures.caption_data import KEY, CaptionData, Key, within
from outputs.figures.marks import data_of
from outputs.figures.parts import Chart, Column, Kind, Part
from outputs.report import count
from outputs.statistics.resampling import Floats
from prompts.plain_text import plain_text

MOST_BINS = 20
MOST_PANELS = 30
_STEPS = (1.0, 2.0, 5.0, 10.0, 20.0)  # the last where rounding makes the fourth too small
_LEAST_WIDTH = 1e-9  # of a bin, beside the values
_LARGEST = 1e300  # value, for round edges
_DIGITS = 14
_HEIGHT = 110
_ACROSS = 3
_GAP = 22
_COLUMNS = (
    Column("metric", "metric"),
    Column("judge", "judge"),
    Column("dimension", "dimension"),
    Column("low", "from", Kind.NUMBER),
    Column("high", "to", Kind.NUMBER),
    Column("captions", "captions", Kind.COUNT),
    Column("share", "share", Kind.PERCENT, 1),
)
_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys((*KEY, "dimension"), pl.String),
    **dict.fromkeys(("low", "high"), pl.Float64),
    "captions": pl.Int64,
    "share": pl.Float64,
    "mean": pl.Float64,
}


@dataclass(frozen=True, slots=True)
class Bins:
    """`edges` (bins + 1,), rising; `counts` (bins,). A bin has its lower edge, the last one its upper edge too."""

    edges: Floats
    counts: Any

    def range(self, bin_: int) -> tuple[float, float]:
        """The least and the greatest number that is of a bin."""
        low, high = float(self.edges[bin_]), float(self.edges[bin_ + 1])
        return (low, high) if bin_ == len(self.counts) - 1 else (low, math.nextafter(high, -math.inf))


def binned(values: Floats, edges: Floats) -> Bins:
    """Finite `values` within the `edges`."""
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return Bins(edges, np.bincount(places, minlength=len(edges) - 1))


def round_edges(values: Floats) -> Floats:
    """Rising edges at round numbers, around finite `values`, for about `MOST_BINS` bins at most; one for one value."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    width = (high - low) / MOST_BINS
    largest = max(abs(low), abs(high))
    if largest > _LARGEST or width <= max(_LEAST_WIDTH * largest, 1 / _LARGEST):
        return np.array(_one_bin(low, high))
    power = math.floor(math.log10(width))
    step = next(step for step in (one * 10.0**power for one in _STEPS) if step >= width)
    edges: Floats = np.arange(math.floor(low / step), math.ceil(high / step) + 1, dtype=np.float64) * step
    edges = np.round(edges, 1 - power) if -_DIGITS < power < 0 else edges
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
    return edges


def _one_bin(low: float, high: float) -> list[float]:
    if low < high:
        return [low, high]
    reach = max(0.5, abs(low) * _LEAST_WIDTH)
    return [low - reach, low + reach]


def distribution_part(data: CaptionData) -> Part | None:
    """The scores that were judged, and those that were brought; None where there are none."""
    keys = [*data.metrics(JUDGED), *data.metrics(IMPORTED)]
    keys = [key for key in keys if data.of(key)["value"].count()]
    if not keys:
        return None
    lines = [line for key in keys for line in _lines(data, key)]
    frame = pl.DataFrame([row for row, _ in lines], schema=_SCHEMA, orient="row")
    panels = frame.select(*KEY, "dimension").unique(maintain_order=True)
    more = f" Drawn: the first {MOST_PANELS} of {panels.height}." if panels.height > MOST_PANELS else ""
    return Part(
        name=data.part_name("captions_scores"),
        title=data.title("how scores are spread"),
        frame=frame,
        columns=_COLUMNS,
        filters=[where for _, where in lines],
        note=f"Captions by score, mean dashed. A bin has its lower end. {_left_out(data, keys)}{more}",
        chart=_chart(data, frame, panels.head(MOST_PANELS)),
        alt="Histograms of the scores of captions, a panel for each metric and dimension, with their means.",
    )


def _lines(data: CaptionData, key: Key) -> Iterator[tuple[dict[str, Any], Any]]:
    """Bins of each dimension, the same for all of a metric, with the filter of their rows."""
    its = data.of(key)
    edges = round_edges(its["value"].drop_nulls().to_numpy())
    for (dimension,), rows in its.group_by("dimension", maintain_order=True):
        values, led = rows["value"].drop_nulls().to_numpy(), data.scored(key, str(dimension))
        found = binned(values, edges)
        about = {**dict(zip(KEY, key, strict=True)), "dimension": str(dimension)}
        mean = float(values.mean()) if len(values) else None
        for place, captions in enumerate(found.counts.tolist()):
            low, high = float(edges[place]), float(edges[place + 1])
            share = captions / len(values) if len(values) else None
            yield (
                {**about, "low": low, "high": high, "captions": captions, "share": share, "mean": mean},
                within(led, *found.range(place)),
            )


def _left_out(data: CaptionData, keys: Sequence[Key]) -> str:
    """What captions have no score, of each metric."""
    said = []
    for key in keys:
        its = data.of(key)
        first = its.filter(pl.col("dimension") == its["dimension"][0])
        without = first.filter(pl.col("value").is_null())
        why = ", ".join(f"{name} {many}" for name, many in count(without, "outcome").items())
        name = data.names(dict(zip(KEY, key, strict=True)))
        said.append(f"{name}: {without.height} of {first.height}{f' ({why})' if why else ''}")
    return f"Left out for want of a score: {'; '.join(said)}."


def _chart(data: CaptionData, frame: pl.DataFrame, panels: pl.DataFrame) -> Chart:
    rows = frame.join(panels.with_row_index("place"), on=[*KEY, "dimension"], nulls_equal=True, maintain_order="left")
    several = panels.select(KEY).n_unique() > 1
    values = [_bar(row, data.label(row) if several else "") for row in rows.iter_rows(named=True)]
    across = min(_ACROSS, panels.height)
    width = (theme.WIDTH - (across - 1) * _GAP) // across
    return _drawn(values, across, width, own=several)


def _bar(row: Mapping[str, Any], metric: str) -> dict[str, Any]:
    dimension = plain_text(row["dimension"])
    panel = f"{metric}, {dimension}" if metric else dimension
    mean = row["mean"] if row["mean"] is not None and row["low"] <= row["mean"] <= row["high"] else None
    return {
        "panel": panel,
        "mean": mean,
        "none": 0,
        **{name: row[name] for name in ("place", "low", "high", "captions")},
    }


def _drawn(values: Sequence[Mapping[str, Any]], across: int, width: int, *, own: bool) -> Chart:
    scale = alt.Scale(zero=False, nice=False)
    x = alt.X("low:Q", title="score", scale=scale, axis=alt.Axis(grid=False, tickCount=5))
    y = alt.Y("captions:Q", title="captions", axis=alt.Axis(tickCount=4))
    bars = (
        alt.Chart()
        .mark_rect(color=theme.OKABE_ITO[0], stroke=theme.GROUND, strokeWidth=0.6)
        .encode(x=x, x2="high:Q", y=y, y2="none:Q")
    )
    mean = alt.Chart().mark_rule(strokeDash=[4, 3], strokeWidth=1.5, color=theme.INK).encode(x="mean:Q")
    drawn = alt.layer(bars, mean).properties(width=width, height=_HEIGHT)
    sort = alt.EncodingSortField("place", op="min")
    facet = alt.Facet("panel:N", sort=sort, header=alt.Header(title=None, labelLimit=width))
    made = drawn.facet(facet=facet, columns=across, spacing=_GAP, data=data_of(values))
    return made.resolve_scale(x="independent", y="independent") if own else made
