"""Scatter plots of models: a named point each, with an interval on both axes."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from outputs.figures import theme
from outputs.figures.label_places import CORNERS, Named, corners
from outputs.figures.marks import chart_of
from outputs.figures.parts import Chart

MOST_NAMED = 15  # points that have room for a name; more have numbers
_HEIGHT = 380  # CSS pixels
_LONGEST = 260  # pixels of a name
_DRAWN = 0.9  # of the plot: between its least and its greatest number, as axes end at round ones
_THIN = 0.8  # opacity of an interval: those of many points cross
_POINT = theme.OKABE_ITO[0]
_BOUNDS = ("similarity_low", "similarity_high"), ("rate_low", "rate_high")


def scatter(points: Sequence[Mapping[str, Any]], x_title: str, y_title: str) -> Chart:
    """`points`: label, similarity and rate, and of both _low and _high, None where there is no interval."""
    kept = ("label", "similarity", "rate", *_BOUNDS[0], *_BOUNDS[1])
    rows = [{name: point[name] for name in kept} for point in points]
    across, upright = ([row for row in rows if all(row[name] is not None for name in ends)] for ends in _BOUNDS)
    rule: dict[str, Any] = {"color": _POINT, "opacity": _THIN, "strokeWidth": 1.5}
    layers = [
        chart_of(across)
        .mark_rule(**rule)
        .encode(x=_x("similarity_low", x_title), x2="similarity_high:Q", y=_y(y_title)),
        chart_of(upright)
        .mark_rule(**rule)
        .encode(x=_x("similarity", x_title), y=_y(y_title, "rate_low"), y2="rate_high:Q"),
        chart_of(rows).mark_circle(size=60, color=_POINT, opacity=1).encode(x=_x("similarity", x_title), y=_y(y_title)),
        *_names(rows, x_title, y_title),
    ]
    return alt.layer(*layers).properties(width=theme.WIDTH, height=_HEIGHT)


def have_room(points: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the labels of `points` can stand beside them, none over another; else numbers are better."""
    return len(points) <= MOST_NAMED and None not in corners(_named(points))


def _names(rows: Sequence[Mapping[str, Any]], x_title: str, y_title: str) -> list[alt.Chart]:
    """A layer for each corner in which texts stand; what has no room stands in the first."""
    found = [corner or CORNERS[0] for corner in corners(_named(rows))]
    return [
        chart_of([row for row, its in zip(rows, found, strict=True) if its == corner])
        .mark_text(align=corner.align, dx=corner.dx, dy=corner.dy, limit=_LONGEST)
        .encode(x=_x("similarity", x_title), y=_y(y_title), text="label:N")
        for corner in CORNERS
        if corner in found
    ]


def _named(points: Sequence[Mapping[str, Any]]) -> list[Named]:
    """Points as far as it is known where they will be drawn: the axes end near their least and greatest number."""
    xs = [point[name] for point in points for name in ("similarity", *_BOUNDS[0]) if point[name] is not None]
    ys = [point[name] for point in points for name in ("rate", *_BOUNDS[1]) if point[name] is not None]
    wide, high = (max(xs, default=0) - min(xs, default=0)) or 1.0, max(ys, default=0) or 1.0
    return [
        Named(
            theme.WIDTH * _DRAWN * (point["similarity"] - min(xs)) / wide,
            _HEIGHT * _DRAWN * (1 - point["rate"] / high),
            min(len(point["label"]), _LONGEST // 6),
        )
        for point in points
    ]


def _x(field: str, title: str) -> alt.X:
    scale = alt.Scale(zero=False, nice=True, padding=12)
    return alt.X(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(labelFlush=False))


def _y(title: str, field: str = "rate") -> alt.Y:
    return alt.Y(f"{field}:Q", title=title, scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(format="%"))
