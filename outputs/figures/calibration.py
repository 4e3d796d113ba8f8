"""Calibration: what people's ratings are on average where a metric's score is so high."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.analysis_options import Options
from outputs.captions.metric_scores import COMPUTED
from outputs.captions.points import Points, points_of, rating_of
from outputs.captions.protocols import Protocol
from outputs.captions.series import Series
from outputs.figures import theme
from outputs.figures.caption_data import KEY, CaptionData, within
from outputs.figures.caption_forest import HEADLINE, drawn_sources
from outputs.figures.clustered_mean import clustered_mean
from outputs.figures.labels import plotted
from outputs.figures.marks import data_of
from outputs.figures.parts import Chart, Column, Filter, Kind, Part
from outputs.figures.scales import beyond, passed, passed_ends
from outputs.items import Item
from outputs.statistics.resampling import Floats, Interval
from prompts.plain_text import plain_text

MOST_BINS = 10
LEAST_IN_A_BIN = 8  # captions, on average
MOST_PANELS = 30
_HEIGHT = 150
_ACROSS = 3
_GAP = 26
_COLUMNS = (
    Column("metric", "metric"),
    Column("judge", "judge"),
    Column("dimension", "score of"),
    Column("human_dimension", "people's"),
    Column("low_score", "score from", Kind.NUMBER),
    Column("high_score", "to", Kind.NUMBER),
    Column("mean_score", "mean score", Kind.NUMBER),
    Column("mean_rating", "mean rating, 95 %", Kind.NUMBER, low="low", high="high"),
    Column("captions", "captions", Kind.COUNT),
    Column("clusters", "clusters", Kind.COUNT),
    Column("warning", "to be known"),
)
_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys((*KEY, "dimension", "human_dimension"), pl.String),
    **dict.fromkeys(("low_score", "high_score", "mean_score", "mean_rating", "low", "high"), pl.Float64),
    "captions": pl.Int64,
    "clusters": pl.Int64,
    "warning": pl.String,
    "least_rating": pl.Float64,  # that anyone gave, of this dimension
    "greatest_rating": pl.Float64,
}


@dataclass(frozen=True, slots=True)
class Bin:
    """Captions of alike scores; `rating` is the interval of their mean rating."""

    low: float
    high: float
    score: float
    rating: Interval
    captions: int


def bin_numbers(scores: Floats) -> NDArray[np.int64]:
    """Which bin each score is of, from 0: as many bins as there are captions for, equally full but that ties stay
    together.
    """
    bins = max(1, min(MOST_BINS, len(scores) // LEAST_IN_A_BIN))
    below = np.searchsorted(np.sort(scores), scores, side="left")  # captions with a lower score
    return np.asarray(np.unique(below * bins // max(len(scores), 1), return_inverse=True)[1], dtype=np.int64)


def calibrated(scores: Floats, ratings: Floats, clusters: NDArray[np.int64], options: Options) -> Iterator[Bin]:
    """The bins of captions with a finite score and their mean rating, (captions,) each, from the lowest scores up."""
    numbers = bin_numbers(scores)
    for number in range(int(numbers.max(initial=-1)) + 1):
        here = numbers == number
        found = clustered_mean(ratings[here], clusters[here], options)
        its = scores[here]
        yield Bin(float(its.min()), float(its.max()), float(its.mean()), found, int(here.sum()))


def calibration_part(data: CaptionData, correlations: pl.DataFrame) -> Part | None:
    """For what is correlated caption by caption in a dataset's `correlations`; None where that is nothing."""
    lines = list(_lines(data, _held(data, correlations)))
    if not lines:
        return None
    frame = pl.DataFrame([row for row, _ in lines], schema=_SCHEMA, orient="row")
    panels = frame.select(*KEY, "dimension", "human_dimension").unique(maintain_order=True)
    more = f" Drawn: the first {MOST_PANELS} of {panels.height}." if panels.height > MOST_PANELS else ""
    return Part(
        name=data.part_name("captions_calibration"),
        title=data.title("calibration of score against rating"),
        frame=frame,
        columns=_COLUMNS,
        filters=[where for _, where in lines],
        note="Captions with a score that counts, in bins of about as many; a point is a bin's mean score and the mean "
        "of its captions' mean ratings, the larger the more captions, with the 95 % interval over pictures or clips. "
        f"The more steadily they rise, the better a score tells how people rate.{_beyond(frame)}{more}",
        chart=_chart(data, frame, panels.head(MOST_PANELS)),
        alt="Mean rating by people against binned score, a panel for each metric and dimension, with 95 % intervals.",
    )


def _beyond(frame: pl.DataFrame) -> str:
    """Intervals that go beyond all ratings of their dimension, which are the only scale that is known of people's."""
    scales = frame.select("least_rating", "greatest_rating").rows()
    intervals = frame.select("low", "high").rows()
    many = sum(any(map(any, passed([one], scale))) for one, scale in zip(intervals, scales, strict=True))
    told = f" ({scales[0][0]:g} to {scales[0][1]:g})" if len(set(scales)) == 1 else ""
    return f" Dashed: the end of the ratings. {beyond(many, f'of the ratings that were given{told}')}" if many else ""


def _given(items: Sequence[Item], dimension: str) -> tuple[float, float]:
    """The least and the greatest rating that an annotator gave."""
    every = (rating_of(rating, dimension) for item in items for rating in item.ratings)
    known = [value for value in every if value is not None and math.isfinite(value)]
    return min(known, default=math.nan), max(known, default=math.nan)


def _held(data: CaptionData, correlations: pl.DataFrame) -> list[tuple[Series, str]]:
    """The metrics of the sources that are drawn, and the dimensions of people that they are held against."""
    held = correlations.filter(pl.col("level") == "segment", pl.col("source").is_in(drawn_sources(data)))
    whole = held.filter(pl.col("source") == COMPUTED, pl.col("human_dimension").is_in(HEADLINE))
    held = whole if whole.height else held  # computed metrics have one dimension only
    series = {(one.metric, one.judge, one.source, one.dimension): one for one in data.series}
    wanted = held.select(*KEY, "dimension", "human_dimension").unique(maintain_order=True)
    return [(series[row[:4]], row[4]) for row in wanted.iter_rows()]


def _lines(data: CaptionData, held: Sequence[tuple[Series, str]]) -> Iterator[tuple[dict[str, Any], Filter | None]]:
    items = list(data.captions.items.values())
    known: dict[str, Points] = {}
    given: dict[str, dict[str, float]] = {}
    for series, human in held:
        if human not in known:
            known[human] = points_of(items, human, Protocol.AVERAGED)
        points = known[human]
        scores = series.values[points.item]
        there = ~np.isnan(scores)
        every = bool((series.ok == (series.used & points.rated)).all())
        led = data.scored((series.metric, series.judge, series.source), series.dimension) if every else None
        about = {**{name: getattr(series, name) for name in (*KEY, "dimension")}, "human_dimension": human}
        if human not in given:
            given[human] = dict(zip(("least_rating", "greatest_rating"), _given(items, human), strict=True))
        for one in calibrated(scores[there], points.rating[there], points.cluster[there], data.options):
            yield about | _row(one) | given[human], within(led, one.low, one.high)


def _row(one: Bin) -> dict[str, Any]:
    return {
        "low_score": one.low, "high_score": one.high, "mean_score": one.score, "mean_rating": one.rating.estimate,
        "low": one.rating.low, "high": one.rating.high, "captions": one.captions, "clusters": one.rating.clusters,
        "warning": one.rating.warning,
    }  # fmt: skip


def _chart(data: CaptionData, frame: pl.DataFrame, panels: pl.DataFrame) -> Chart:
    key = (*KEY, "dimension", "human_dimension")
    rows = frame.join(panels.with_row_index("place"), on=key, nulls_equal=True, maintain_order="left")
    several = panels.select(KEY).n_unique() > 1
    alone = several and panels["human_dimension"].n_unique() == 1
    values = [
        _point(row, data.label(row) if several else "", "" if alone else row["human_dimension"])
        for row in rows.iter_rows(named=True)
    ]
    across = min(_ACROSS, panels.height)
    width = (theme.WIDTH - (across - 1) * _GAP) // across
    base = alt.Chart().encode(
        x=alt.X("score:Q", title="score", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    )
    y = alt.Y("rating:Q", title="mean rating", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    line = base.mark_line(color=theme.OKABE_ITO[0], opacity=0.45, strokeWidth=1.5).encode(y=y)
    rules = base.mark_rule(color=theme.OKABE_ITO[0], strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"))
    size = alt.Size("captions:Q", scale=alt.Scale(range=[20, 90], zero=True), legend=None)
    dots = base.mark_point(filled=True, color=theme.OKABE_ITO[0], opacity=1).encode(y=y, size=size)
    ends = alt.Chart().mark_rule(strokeDash=[4, 3], color=theme.INK, opacity=0.7).encode(y="end:Q")
    drawn = alt.layer(ends, line, rules, dots).properties(width=width, height=_HEIGHT)
    header = alt.Header(title=None, labelLimit=width)
    facet = alt.Facet("panel:N", sort=alt.EncodingSortField("place", op="min"), header=header)
    made = drawn.facet(facet=facet, columns=across, spacing=_GAP, data=data_of(values))
    return made.resolve_scale(x="independent") if several else made


def _point(row: Mapping[str, Any], metric: str, human: str) -> dict[str, Any]:
    numbers = {"score": "mean_score", "rating": "mean_rating", "low": "low", "high": "high"}
    shown = {name: plotted(row[key]) for name, key in numbers.items()}
    panel = ", ".join(name for name in (metric, plain_text(human)) if name)
    ends = passed_ends([(row["low"], row["high"])], (row["least_rating"], row["greatest_rating"]))
    return {**shown, "panel": panel, "place": row["place"], "captions": row["captions"], "end": next(iter(ends), None)}
