"""Points with their intervals: a line for each name, a panel for each thing that they are of, a colour for each part.

Names, parts and panels are texts of anybody's: they are values of the data, and stand in no expression.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt

from outputs.figures import theme
from outputs.figures.labels import NOT_DEFINED, plotted
from outputs.figures.marks import data_of
from outputs.figures.parts import Chart

_PART_ROW = 10  # pixels of one of several parts of a name
_BETWEEN_NAMES = 10
_LABEL_LIMIT = 320
_BETWEEN_PANELS = 28
_LEAST_PANEL = 130


@dataclass(frozen=True, slots=True)
class Point:
    """A number that is drawn, with its interval as far as there is one.

    `line`: a place that its panel has marked, `tick`: one that its line has; `wide`: what a wide bar behind it spans.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    part: str = ""
    panel: str = ""
    line: float | None = None
    tick: float | None = None
    wide: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, slots=True)
class Look:
    """`title` is that of the numbers' axis, `parts` and `names` are drawn in their order, parts in their colours.

    `zero` has the axis begin at 0; `at` marks one place in all panels. `across` is how many panels stand side by side.
    `bars` draws bars from 0 in place of points. `own_axes`: each panel has its own scale.
    """

    title: str
    parts: Mapping[str, str]
    across: int = 3
    zero: bool = False
    at: float | None = None
    bars: bool = False
    own_axes: bool = False
    names: tuple[str, ...] = ()  # in their order, where it is not that of the points
    width: int | None = None


def interval_plot(points: Sequence[Point], look: Look) -> Chart:
    """The chart. Where a value is not defined, n/a stands in its line."""
    names = list(look.names or dict.fromkeys(point.name for point in points))
    panels = list(dict.fromkeys(point.panel for point in points))
    across = min(look.across, len(panels)) or 1
    width = look.width or max(_LEAST_PANEL, (theme.WIDTH - (across - 1) * _BETWEEN_PANELS) // across)
    row = _PART_ROW * len(look.parts) + _BETWEEN_NAMES
    layers = [*_lines(look), *_marks(look, names)]
    drawn = alt.layer(*layers).properties(width=width, height=row * len(names))
    made = data_of([_datum(point, look, panels.index(point.panel)) for point in points])
    if len(panels) < 2:
        return alt.layer(*layers, data=made).properties(width=width, height=row * len(names))
    header = alt.Header(title=None, labelLimit=width)
    faceted = drawn.facet(
        facet=alt.Facet("panel:N", sort=alt.EncodingSortField("place", op="min"), header=header),
        columns=across,
        data=made,
        spacing=_BETWEEN_PANELS,
    )
    return faceted.resolve_scale(x="independent") if look.own_axes else faceted


def _datum(point: Point, look: Look, place: int) -> dict[str, object]:
    told: dict[str, object] = {
        "name": point.name, "part": point.part, "panel": point.panel, "value": plotted(point.value),
        "low": plotted(point.low), "high": plotted(point.high), "line": plotted(point.line), "at": look.at,
        "tick": plotted(point.tick), "from": plotted(point.wide[0]), "to": plotted(point.wide[1]), "place": place,
    }  # fmt: skip
    return {**told, "missing": NOT_DEFINED if told["value"] is None else ""}


def _lines(look: Look) -> list[alt.Chart]:
    dashed = alt.Chart().mark_rule(strokeDash=[4, 3], color=theme.INK, opacity=0.7)
    found = [dashed.encode(x=alt.X("line:Q"), color=_colour(look))]
    if look.at is not None:
        found.append(alt.Chart().mark_rule(color=theme.INK, opacity=0.6).encode(x=alt.X("at:Q")))
    return found


def _marks(look: Look, names: Sequence[str]) -> list[alt.Chart]:
    lines = alt.Axis(labelLimit=_LABEL_LIMIT, domain=False, ticks=False)
    y = alt.Y("name:N", title=None, scale=alt.Scale(domain=list(names), paddingInner=0.25), axis=lines)
    offset = alt.YOffset("part:N", scale=alt.Scale(domain=list(look.parts)))
    base = alt.Chart().encode(y=y, yOffset=offset) if len(look.parts) > 1 else alt.Chart().encode(y=y)
    scale = alt.Scale(zero=look.zero or look.bars, nice=True)
    axis = alt.Axis(tickCount=4, labelFlush=False, labelSeparation=6)
    x = alt.X("value:Q", title=look.title, scale=scale, axis=axis)
    points = base.mark_bar(size=_PART_ROW - 2) if look.bars else base.mark_point(filled=True, size=44, opacity=1)
    ink = alt.value(theme.INK) if look.bars else _colour(look)
    rules = base.mark_rule(strokeWidth=1.5).encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"), color=ink)
    text = base.mark_text(align="left", fontSize=10, color=theme.INK).encode(x=alt.value(2), text="missing:N")
    drawn = points.encode(x=x, color=_colour(look))
    if look.bars:
        return [drawn, rules, text]
    wide = base.mark_rule(strokeWidth=_PART_ROW - 3, opacity=0.22).encode(x="from:Q", x2="to:Q", color=_colour(look))
    ticks = base.mark_tick(thickness=2, size=_PART_ROW + 4, opacity=1).encode(x="tick:Q", color=_colour(look))
    return [wide, rules, drawn, ticks, text]


def _colour(look: Look) -> alt.Color:
    parts = list(look.parts)
    shown = alt.Legend(
        title=None, orient="top", labelLimit=_LABEL_LIMIT, columns=3, symbolOpacity=1,
        symbolType="square" if look.bars else "circle",
    )  # fmt: skip
    legend = shown if len(parts) > 1 else None
    return alt.Color("part:N", scale=alt.Scale(domain=parts, range=[look.parts[one] for one in parts]), legend=legend)
