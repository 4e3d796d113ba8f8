"""Where an imported row is from: the files and lines that the import names, and what was judged there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

IMPORTED = "imported"  # as in jobs.imports.rows: the key that an import says it under
_SOURCE, _LINE, _KEY = "source", "line", "key"
_DEEPEST = 3  # names of a place, as `scores` and then the metric
_MOST = 40  # places


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, or a key of a JSON object. `of` says what of the row is from there; empty: the row itself."""

    of: str
    file: str
    line: int | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Origin:
    """What an import says of a row. `judged`: of ICE conflict and claim, None where nobody told; else empty."""

    places: tuple[Place, ...]
    judged: Mapping[str, bool | None]


def origin_of(*told: object) -> Origin | None:
    """What the first of these says: metadata as JSON (bytes), or an item's fields. None where none says anything."""
    for one in told:
        found = _object(one).get(IMPORTED)
        if isinstance(found, dict):
            places = tuple(place for _, place in zip(range(_MOST), _places("", found, _DEEPEST), strict=False))
            judged = {name: _truth(found[name]) for name in ("conflict", "claim") if name in found}
            return Origin(places, judged)
    return None


def _places(of: str, told: Mapping[str, Any], deep: int) -> Iterator[Place]:
    file, line, key = (told.get(name) for name in (_SOURCE, _LINE, _KEY))
    if isinstance(file, str):
        number = line if isinstance(line, int) and not isinstance(line, bool) else None
        yield Place(of, file, number, key if isinstance(key, str) else None)
    for name, inner in told.items():
        if deep and isinstance(inner, dict):
            yield from _places(f"{of} {name}".strip(), inner, deep - 1)


def _truth(told: object) -> bool | None:
    return told if isinstance(told, bool) else None


def _object(told: object) -> Mapping[str, Any]:
    if isinstance(told, bytes):
        try:
            told = msgspec.json.decode(told)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
    return told if isinstance(told, dict) else {}
