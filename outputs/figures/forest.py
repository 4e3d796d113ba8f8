"""Forest plots: a line each with its mean and 95 % interval, and smaller dots for what the mean is over."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from outputs.figures import theme
from outputs.figures.marks import chart_of
from outputs.figures.parts import Chart

MOST_COLOURS = len(theme.OKABE_ITO)
_APART = 4  # of a mean and its dots, CSS pixels
_LONGEST_LABEL = 300
_Rows = Sequence[Mapping[str, Any]]


def forest(points: _Rows, x_title: str, dots: _Rows = (), zero: bool = False, ends: Sequence[float] = ()) -> Chart:
    """`points` (label, mean, low, high) from top to bottom, `dots` (label, mean, set); what is None is n/a.

    With `zero` a line stands where there is no difference; `ends` are those of the scale that are marked.
    """
    labels = list(dict.fromkeys(point["label"] for point in points))
    rows = [dict(point) for point in points]
    raised = -_APART if dots else 0
    layers = [
        *([_lines([0])] if zero else []),
        *([_lines(ends)] if ends else []),
        chart_of([row for row in rows if row["low"] is not None and row["high"] is not None])
        .mark_rule(strokeWidth=2, color=theme.INK, yOffset=raised)
        .encode(x=_x("low", x_title), x2="high:Q", y=_y(labels)),
        chart_of([row for row in rows if row["mean"] is not None])
        .mark_point(filled=True, shape="diamond", size=80, color=theme.INK, opacity=1, yOffset=raised)
        .encode(x=_x("mean", x_title), y=_y(labels)),
        chart_of([row for row in rows if row["mean"] is None])
        .mark_text(text="n/a", align="left", yOffset=raised)
        .encode(x=alt.value(4), y=_y(labels)),
        *([_dots(dots, labels, x_title)] if dots else []),
    ]
    return alt.layer(*layers).properties(width=theme.WIDTH, height=alt.Step(theme.ROW))


def _x(field: str, title: str) -> alt.X:
    scale = alt.Scale(zero=False, nice=False, padding=8)  # rounded ends would be beyond the judges' scale
    return alt.X(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(labelFlush=False))


def _y(labels: Sequence[str]) -> alt.Y:
    axis = alt.Axis(grid=True, ticks=False, domain=False, labelLimit=_LONGEST_LABEL)
    return alt.Y("label:N", title=None, axis=axis, scale=alt.Scale(domain=list(labels)))


def _lines(places: Sequence[float]) -> alt.Chart:
    made: alt.Chart = (
        chart_of([{"at": place} for place in places]).mark_rule(strokeDash=[4, 3], color=theme.INK).encode(x="at:Q")
    )
    return made


def _dots(dots: _Rows, labels: Sequence[str], x_title: str) -> alt.Chart:
    """In colours where there are as many; else all in one, as a spread."""
    known = [dict(dot) for dot in dots if dot["mean"] is not None]
    names = list(dict.fromkeys(dot["set"] for dot in dots))
    mark = chart_of(known).mark_circle(size=42, opacity=0.9, yOffset=_APART + 1, color=theme.OKABE_ITO[-1])
    made: alt.Chart = mark.encode(x=_x("mean", x_title), y=_y(labels))
    if len(names) > MOST_COLOURS:
        return made
    scale = alt.Scale(domain=names, range=list(theme.colours(names).values()))
    legend = alt.Legend(orient="top", title=None, labelLimit=180, columns=4, symbolOpacity=1)
    coloured: alt.Chart = made.encode(color=alt.Color("set:N", scale=scale, legend=legend))
    return coloured
