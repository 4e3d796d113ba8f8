"""Where the names of points stand in a scatter plot, so that none lies over another one or over a point."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

_LETTER, _LINE = 6.4, 13.0  # of a text of 11 pixels
_DOT = 5.0  # of a point, from its middle


class Corner(NamedTuple):
    """How a text stands to its point, as Vega-Lite says it: `align`, and pixels from the point to the text's middle."""

    align: Literal["left", "center", "right"]
    dx: int
    dy: int


CORNERS = (
    Corner("left", 6, -8), Corner("left", 6, 9), Corner("right", -6, -8), Corner("right", -6, 9),
    Corner("center", 0, -14), Corner("center", 0, 15),
)  # fmt: skip


class Named(NamedTuple):
    """A point, in pixels, and how many letters it has beside it."""

    x: float
    y: float
    letters: int


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


def corners(points: Sequence[Named]) -> list[Corner | None]:
    """Of each point the first corner where its text has room; None where it has none."""
    taken = [_Box(point.x - _DOT, point.y - _DOT, point.x + _DOT, point.y + _DOT) for point in points]
    return [_corner(point, taken) for point in points]


def _corner(point: Named, taken: list[_Box]) -> Corner | None:
    """The corner, whose box is taken from then on."""
    for corner, box in _boxes(point):
        if not any(box.meets(other) for other in taken):
            taken.append(box)
            return corner
    return None


def _boxes(point: Named) -> Iterator[tuple[Corner, _Box]]:
    wide = point.letters * _LETTER
    for corner in CORNERS:
        left = point.x + corner.dx - {"left": 0.0, "center": wide / 2, "right": wide}[corner.align]
        middle = point.y + corner.dy
        yield corner, _Box(left, middle - _LINE / 2, left + wide, middle + _LINE / 2)
