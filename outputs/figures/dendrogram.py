"""The tree of a clustering beside its heat map, from the order of its leaves and where neighbours are joined.

The names play no part: a leaf is its place in the order.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import altair as alt

from outputs.figures import theme
from outputs.figures.heat import digits_for
from outputs.figures.marks import chart_of

_WIDTH = 120  # CSS pixels
_MARGIN = 0.06  # of the span of similarities, left and right of it


class Line(NamedTuple):
    """From one place to another: `x` are similarities, `y` leaves, the first of which is at 0.5."""

    x: float
    y: float
    x2: float
    y2: float


def tree_lines(joined: Sequence[float], leaf: float) -> list[Line]:
    """Of leaves in order: `joined` are the similarities at which each but the first meets the one before it.

    Leaves begin at the similarity `leaf`. Three lines for each join.
    """
    return [line for three in _joins(joined, leaf) for line in three]


def _joins(joined: Sequence[float], leaf: float) -> Iterator[tuple[Line, Line, Line]]:
    """The most similar first: what stands left and right of a gap are by then whole clusters."""
    ends = {place: (place, leaf, place + 0.5) for place in range(len(joined) + 1)}  # of a cluster at both its ends
    for gap in sorted(range(len(joined)), key=lambda place: -joined[place]):
        (first, x, y), (last, x2, y2) = ends[gap], ends[gap + 1]
        at = joined[gap]
        yield Line(x, y, at, y), Line(x2, y2, at, y2), Line(at, y, at, y2)
        ends[first] = (last, at, (y + y2) / 2)
        ends[last] = (first, at, (y + y2) / 2)


def dendrogram(joined: Sequence[float], leaves: int) -> alt.Chart:
    """As high as a heat map of `leaves` lines, of which the first are in the tree."""
    span = max(joined) - min(joined) or 0.1
    leaf = max(joined) + _MARGIN * 2 * span
    domain = [leaf, min(joined) - _MARGIN * span]
    rows = [line._asdict() for line in tree_lines(joined, leaf)]
    first_and_last = sorted({max(joined), min(joined)})  # more numbers than two would run together
    written = f".{digits_for(span)}f"
    axis = alt.Axis(orient="bottom", grid=False, values=first_and_last, labelFlush=False, format=written)
    x = alt.X("x:Q", title="joined at", axis=axis, scale=alt.Scale(domain=domain, nice=False, zero=False))
    y = alt.Y("y:Q", title=None, axis=None, scale=alt.Scale(domain=[leaves, 0], nice=False, zero=False))
    drawn = chart_of(rows).mark_rule(color=theme.INK, strokeWidth=1.2, strokeCap="square")
    made: alt.Chart = drawn.encode(x=x, x2="x2:Q", y=y, y2="y2:Q").properties(width=_WIDTH, height=theme.ROW * leaves)
    return made
