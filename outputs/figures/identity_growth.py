"""ICE's shares as a search goes on: lines with the band of their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from outputs.figures import theme
from outputs.figures.identity_rows import TargetRows
from outputs.figures.labels import plotted
from outputs.figures.marks import data_of
from outputs.figures.measure_colours import MEASURE_COLOURS
from outputs.figures.parts import Chart, Column, Kind, Part
from outputs.identity.columns import MEASURES

_COLUMNS = (
    Column("target", "target"),
    Column("measure", "measure"),
    Column("iteration", "iteration", Kind.COUNT),
    Column("queries", "queries of a tree", Kind.NUMBER, 1),
    Column("rate", "rate, 95 %", Kind.NUMBER, low="low", high="high"),
    Column("hits", "hits", Kind.COUNT),
    Column("judged", "judged", Kind.COUNT),
    Column("coverage", "coverage", Kind.PERCENT, 1),
    Column("trees", "trees", Kind.COUNT),
    Column("templates", "templates", Kind.COUNT),
)
_HEIGHT = 190
_ACROSS = 3
_GAP = 24
_HEADROOM = 1.3  # of the highest share; bands that reach above are cut


def growth_part(growth: pl.DataFrame, labels: Mapping[str, str], rows: TargetRows, colours: Mapping[str, str]) -> Part:
    """The part of the table `identity_growth`; `labels`: what targets are called; their colours."""
    return Part(
        name="ice_growth",
        title="Loose, strict and hard as the search goes on",
        frame=growth,
        columns=_COLUMNS,
        filters=[rows.at(*line) for line in growth.select("target", "iteration").iter_rows()],
        note="Over all rows up to an iteration, all trees of a target together. Bands: 95 % intervals, by template; "
        "they are cut where they leave the panel, and the table has them whole. Rows: "
        "the questions that the iteration added.",
        chart=_chart(growth, labels, colours),
        alt="Lines of the loose, strict and hard share after so many queries of a tree, with bands of 95 % intervals.",
    )


def _chart(growth: pl.DataFrame, labels: Mapping[str, str], colours: Mapping[str, str]) -> Chart:
    """A panel for each measure and a line for each target; with many targets the other way round."""
    targets = [labels[name] for name in growth["target"].unique(maintain_order=True)]
    many = len(targets) > len(theme.OKABE_ITO)
    lines = MEASURE_COLOURS if many else {name: colours[name] for name in targets}
    order = targets if many else list(MEASURES)
    values = []
    for row in growth.iter_rows(named=True):
        sides = (labels[row["target"]], row["measure"])
        panel, line = sides if many else sides[::-1]
        numbers = {name: plotted(row[name]) for name in ("queries", "rate", "low", "high")}
        values.append({"panel": panel, "place": order.index(panel), "line": line, **numbers})
    return _drawn(values, lines, len(order))


def _drawn(values: Sequence[Mapping[str, Any]], colours: Mapping[str, str], panels: int) -> Chart:
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    legend = (
        alt.Legend(title=None, orient="top", labelLimit=320, columns=3, symbolOpacity=1) if len(colours) > 1 else None
    )
    top = alt.Scale(domain=[0, _top(values)], nice=False)
    x = alt.X("queries:Q", title="queries of a tree", axis=alt.Axis(tickCount=4, grid=False))
    y = alt.Y("rate:Q", title="share so far", scale=top, axis=alt.Axis(tickCount=5))
    base = alt.Chart().encode(x=x, color=alt.Color("line:N", scale=scale, legend=legend))
    band = base.mark_area(opacity=0.16, clip=True).encode(y=alt.Y("low:Q", scale=top), y2=alt.Y2("high:Q"))
    line = base.mark_line(strokeWidth=2, point={"size": 22, "opacity": 1}).encode(y=y)
    across = min(_ACROSS, panels)
    width = (theme.WIDTH - (across - 1) * _GAP) // across
    sort = alt.EncodingSortField("place", op="min")
    facet = alt.Facet("panel:N", sort=sort, header=alt.Header(title=None, labelLimit=width))
    drawn = alt.layer(band, line).properties(width=width, height=_HEIGHT)
    return drawn.facet(facet=facet, columns=across, spacing=_GAP, data=data_of(values))


def _top(values: Sequence[Mapping[str, Any]]) -> float:
    highest = max((one["rate"] for one in values if one["rate"] is not None), default=0.0)
    return min(1.0, highest * _HEADROOM) or 1.0
