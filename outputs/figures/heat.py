"""Heat maps whose cells have their values written in them."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from outputs.figures import theme
from outputs.figures.marks import chart_of

_DARK_FROM = 0.7  # of the way from the lowest to the highest colour, where light ink reads better
_LONGEST_LABEL, _LONGEST_SLANTED = 300, 300
_LONGEST_BAR, _SHORTEST_BAR = 180, 80  # of the legend
_WIDE = 0.1
_NARROW = 34  # of a cell, below which its text is small
_Cells = Sequence[Mapping[str, Any]]


def heat(
    cells: _Cells,
    xs: Sequence[str],
    ys: Sequence[str],
    legend: str | Sequence[str],
    *,
    cell: int,
    slanted: bool = False,
    ends: tuple[float, float] | None = None,
) -> alt.LayerChart:
    """`cells` (x, y, value, text): None as a value is n/a, and an empty text is not written; `cell` is their width;
    `legend` is its title, or the lines of it.

    Colours run from the least to the greatest value that is there; a single value stands within `ends`, what the
    measure can be. Names above that are longer than a cell are slanted.
    """
    known = [dict(one) for one in cells if one["value"] is not None]
    unknown = chart_of([dict(one) for one in cells if one["value"] is None])
    stops = _stops([one["value"] for one in known], ends)
    inked = [{**one, "ink": _ink(one["value"], stops)} for one in known]
    places = {"x": _x(xs, cell, slanted=slanted), "y": _y(ys)}
    size = 9 if cell < _NARROW else 11
    ink = alt.Color("ink:N", scale=None, legend=None)
    layers = [
        chart_of(known).mark_rect().encode(**places, color=_colour(stops, legend, cell * len(xs))),
        unknown.mark_rect(filled=False, stroke=theme.FAINT).encode(**places),
        chart_of([one for one in inked if one["text"]])
        .mark_text(fontSize=size)
        .encode(**places, text="text:N", color=ink),
        unknown.mark_text(fontSize=size, text="n/a").encode(**places),
    ]
    sized = alt.layer(*layers).properties(width=cell * len(xs), height=theme.ROW * len(ys))
    made: alt.LayerChart = sized.resolve_scale(color="independent")
    return made


def _x(names: Sequence[str], cell: int, *, slanted: bool) -> alt.X:
    axis = alt.Axis(
        orient="top",
        ticks=False,
        domain=False,
        labelAngle=-45 if slanted else 0,
        labelAlign="left" if slanted else "center",
        labelLimit=_LONGEST_SLANTED if slanted else max(cell - 4, 20),
        labelOverlap=False,
    )
    return alt.X("x:N", title=None, axis=axis, scale=alt.Scale(domain=list(names), paddingInner=0, paddingOuter=0))


def _y(names: Sequence[str]) -> alt.Y:
    axis = alt.Axis(ticks=False, domain=False, labelLimit=_LONGEST_LABEL, labelOverlap=False)
    return alt.Y("y:N", title=None, axis=axis, scale=alt.Scale(domain=list(names), paddingInner=0, paddingOuter=0))


def _colour(stops: Sequence[float], title: str | Sequence[str], width: int) -> alt.Color:
    scale = alt.Scale(domain=list(stops), range=list(theme.HEAT), interpolate="rgb", clamp=True)
    bar = alt.Legend(
        title=title if isinstance(title, str) else list(title),
        orient="bottom",
        direction="horizontal",
        gradientLength=max(_SHORTEST_BAR, min(_LONGEST_BAR, width)),
        titleLimit=400,
        tickCount=3,
        format=f".{digits_for(stops[-1] - stops[0])}f",
    )
    return alt.Color("value:Q", scale=scale, legend=bar)


def digits_for(span: float) -> int:
    """So many digits that values within a span are told apart."""
    return 2 if span > _WIDE else 3 if span > _WIDE / 10 else 4


def _stops(values: Sequence[float], ends: tuple[float, float] | None) -> list[float]:
    """A value for each colour of the theme, from the least to the greatest.

    A single value says nothing of where to begin: colours run over what the measure can be, and where nobody knows
    that, from 0 to the value.
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high and ends is not None and ends[0] <= low <= ends[1]:
        low, high = ends
    elif low == high:
        low, high = (min(0.0, low), max(0.0, low)) if low else (0.0, 1.0)
    steps = len(theme.HEAT) - 1
    return [low + (high - low) * step / steps for step in range(steps + 1)]


def _ink(value: float, stops: Sequence[float]) -> str:
    """What is read on the value's colour."""
    return theme.ON_DARK if (value - stops[0]) / (stops[-1] - stops[0]) > _DARK_FROM else theme.ON_LIGHT
