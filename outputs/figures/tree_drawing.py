"""A search tree as a chart: seeds at the left, what was made of them to the right."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from outputs.figures import theme
from outputs.figures.labels import plotted
from outputs.figures.marks import chart_of
from outputs.figures.parts import Chart
from outputs.figures.tree_layout import Place, lineage, tidy, without_circles

MOST_LEAVES = 48
_SEED = "seed"
_SHAPES = ("circle", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")
_LONGEST = 28  # characters of a label
_LETTER = 6.5  # pixels, about
_DARKEST = 0.5  # the least share that the darkest colour stands for
Node = Mapping[str, Any]


def tree_chart(nodes: Sequence[Node], names: Mapping[str, str]) -> tuple[Chart, int]:
    """The chart of the nodes (`search_nodes`) of one tree, and how many of them it shows, by what `names` calls them.

    Of very many the ends of branches that have most conflicts are shown, with all that they descend from.
    """
    parents = without_circles({node["node"]: node["parent"] for node in nodes})
    kept = lineage(_ends(nodes, parents), parents)
    shown = [node for node in nodes if node["node"] in kept]
    places = tidy({node["node"]: parents[node["node"]] for node in shown})
    room = int(theme.WIDTH / (_deepest(places) + 0.9) / _LETTER)
    marks = [_mark(node, places[node["node"]], names[node["node"]], room) for node in shown]
    edges = [step for name in places for step in _edge(name, parents[name], places)]
    return _drawn(marks, edges, places), len(shown)


def _ends(nodes: Sequence[Node], parents: Mapping[str, str | None]) -> list[str]:
    """The nodes that nothing was made of, as many as can be shown."""
    inner = set(parents.values())
    ends = [node for node in nodes if node["node"] not in inner]
    ranked = sorted(ends, key=lambda node: (-node["conflicts"], -node["rows"]))
    return [node["node"] for node in ranked[:MOST_LEAVES]]


def _mark(node: Node, place: Place, name: str, room: int) -> dict[str, Any]:
    """`room`: characters between two levels."""
    share = plotted(node["loose"])
    said = _cut(name, _LONGEST) + ("" if share is None else f"  {share:.2f}")
    if not place.leaf and len(said) > room:
        said = _cut(name, room)
    by = _SEED if node["parent"] is None else node["operator"] or "n/a"
    return {"x": place.level, "y": place.row, "share": share, "by": by, "visits": node["visits"],
            "inner": "" if place.leaf else said, "end": said if place.leaf else ""}  # fmt: skip


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…" if most > 1 else ""


def _deepest(places: Mapping[str, Place]) -> int:
    return max(place.level for place in places.values())


def _edge(name: str, parent: str | None, places: Mapping[str, Place]) -> list[dict[str, Any]]:
    """From the parent to the right, then up or down, then to the node."""
    if parent is None:
        return []
    a, b = places[parent], places[name]
    middle = a.level + 0.5
    corners = ((a.level, a.row), (middle, a.row), (middle, b.row), (b.level, b.row))
    return [{"edge": f"{b.level}/{b.row}", "step": step, "x": x, "y": y} for step, (x, y) in enumerate(corners)]


def _drawn(
    marks: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]], places: Mapping[str, Place]
) -> Chart:
    deepest = _deepest(places)
    rows = sum(place.leaf for place in places.values())
    x = alt.X("x:Q", title="level", scale=alt.Scale(domain=[-0.15, deepest + 0.75], nice=False), axis=_levels(deepest))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[rows - 0.4, -0.75], nice=False))
    lines = chart_of(edges).mark_line(color=theme.FAINT, strokeWidth=1.5).encode(
        x=x, y=y, detail="edge:N", order=alt.Order("step:Q")
    )  # fmt: skip
    base = chart_of(marks).encode(x=x, y=y)
    size = alt.Size("visits:Q", scale=alt.Scale(range=[40, 150], zero=True), legend=None)
    points = base.mark_point(filled=True, fill=theme.GROUND, stroke=theme.INK, strokeWidth=0.8, opacity=1).encode(
        size=size, shape=_shape(marks)
    )
    shared = chart_of([mark for mark in marks if mark["share"] is not None]).encode(x=x, y=y)
    filled = shared.mark_point(filled=True, stroke=theme.INK, strokeWidth=0.8, opacity=1).encode(
        size=size, shape=_shape(marks), fill=_colour(marks)
    )
    ends = base.mark_text(align="left", dx=12).encode(text="end:N")
    inner = base.mark_text(dy=-13).encode(text="inner:N")
    height = max(rows, 2) * theme.ROW * 1.4
    return alt.layer(lines, points, filled, ends, inner).properties(width=theme.WIDTH, height=height)


def _levels(deepest: int) -> alt.Axis:
    return alt.Axis(values=list(range(deepest + 1)), format="d", grid=False)


def _shape(marks: Sequence[Mapping[str, Any]]) -> alt.Shape:
    """A square for a seed; the others in the order of the alphabet, so that trees of a report look alike."""
    ways = sorted({mark["by"] for mark in marks} - {_SEED})
    shapes = [_SHAPES[place % len(_SHAPES)] for place in range(len(ways))]
    scale = alt.Scale(domain=[_SEED, *ways], range=["square", *shapes])
    legend = alt.Legend(title=None, orient="top", columns=6, symbolFillColor=theme.FAINT, labelLimit=140)
    return alt.Shape("by:N", scale=scale, legend=legend)


def _colour(marks: Sequence[Mapping[str, Any]]) -> alt.Fill:
    most = max((mark["share"] for mark in marks if mark["share"] is not None), default=0.0)
    scale = alt.Scale(domain=[0, max(_DARKEST, most)], range=[theme.HEAT[0], theme.HEAT[3]], interpolate="rgb")
    legend = alt.Legend(title="loose", orient="bottom", direction="horizontal", gradientLength=160, tickCount=3)
    return alt.Fill("share:Q", scale=scale, legend=legend)
