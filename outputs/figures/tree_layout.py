"""A place for every node of a forest: level by level to the right, leaf by leaf downwards, parents amid their children.

No two nodes have the same place: those of one level have leaves of their own below them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """`level`: steps from the root. `row`: from the top, a leaf a row; between rows for a parent of several."""

    level: int
    row: float
    leaf: bool


def tidy(parents: Mapping[str, str | None]) -> dict[str, Place]:
    """The places of nodes, of which `parents` says the parent; those of a parent stand in the order of the mapping.

    A node whose parent is not there is a root. Where parents go round in a circle, one of its nodes is.
    """
    parents = without_circles(parents)
    children: dict[str | None, list[str]] = {}
    for name, parent in parents.items():
        children.setdefault(parent, []).append(name)
    places: dict[str, Place] = {}
    rows = 0
    for name, level in _leaves_first(children):
        below = children.get(name)
        middle = rows if below is None else (places[below[0]].row + places[below[-1]].row) / 2
        places[name] = Place(level, float(middle), below is None)
        rows += below is None
    return {name: places[name] for name in parents}


def without_circles(parents: Mapping[str, str | None]) -> dict[str, str | None]:
    """The parents, so that every node leads to a root."""
    found: dict[str, str | None] = {}
    for name in parents:
        walk: dict[str, None] = {}
        now: str | None = name
        while now is not None and now not in found:
            walk[now] = None
            parent = parents[now]
            if parent is None or parent not in parents or parent in walk:
                found[now] = None
                break
            now = parent
        for one in walk:
            found.setdefault(one, parents[one])
    return {name: found[name] for name in parents}


def lineage(names: Iterable[str], parents: Mapping[str, str | None]) -> set[str]:
    """The nodes with all that they descend from; `parents` without circles."""
    found: set[str] = set()
    for name in names:
        now: str | None = name
        while now is not None and now not in found:
            found.add(now)
            now = parents[now]
    return found


def _leaves_first(children: Mapping[str | None, Sequence[str]]) -> Iterable[tuple[str, int]]:
    """Each node with its level, its children before it."""
    waiting = [(name, 0, False) for name in reversed(children.get(None, []))]
    while waiting:
        name, level, opened = waiting.pop()
        if opened or name not in children:
            yield name, level
            continue
        waiting.append((name, level, True))
        waiting += [(child, level + 1, False) for child in reversed(children[name])]
