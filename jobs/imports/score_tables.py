"""The import `scores`: tables of scores that other programs gave captions (CLIPScore, PAC-S, Polos and others).

A long table has a score a row: `item`, `metric`, `value`, and where there are several of a metric `dimension`. A wide
one has an item a row, and a column of numbers for each metric, or none where it says what metrics can be computed of
(`candidate`, `references`) or people's `ratings`. Both may say more of the item: `candidate`,
`references`, `ratings`, `media` and `ratings_kind` as in a table of captions, `dataset`, `system`. An empty value is
left out and counted, never 0.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from jobs.imports.files import check_files
from jobs.imports.rows import IMPORTED, Found, ImportedRequest, Settled, SourceFile, origin
from jobs.imports.score_rows import (
    DIMENSION,
    ITEM,
    METRIC,
    TEXT_SUFFIXES,
    VALUE,
    ScoreRow,
    is_long,
    read_score_rows,
)
from outputs.items import Item
from outputs.records import RequestLine
from prompts.input_error import InputError

OVERALL = "overall"
_ALIKE = ("candidate", "references", "ratings", "media", "dataset", "system")


@dataclass(slots=True)
class _Scored:
    item: Item
    where: dict[str, Any]
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    places: dict[str, dict[str, str]] = field(default_factory=dict)  # where each score stands, as file:line


class ScoresImport:
    """Tables of scores, read and checked."""

    kind = "scores"
    job = "scores"

    def __init__(
        self, paths: Sequence[Path], columns: Mapping[str, str] | None = None, metrics: Sequence[str] = ()
    ) -> None:
        """Raises InputError. `columns` renames (ours to the file's), `metrics` chooses among a wide table's columns."""
        self.found = Found()
        self._metrics = tuple(metrics)
        self._items: dict[str, _Scored] = {}
        for path, digest in check_files(paths).items():
            rows = list(read_score_rows(path, columns or {}))
            if not rows:
                raise InputError("holds no row", file=path)
            long = is_long(rows[0])
            for row in rows:
                self._take_item(row)
            if long:
                self._take_long(rows)
            else:
                self._take_wide(rows, self._columns(path, rows))
            self.found.files.append(SourceFile(path, len(rows), digest, "long" if long else "wide"))
        if not any(scored.scores or _tells(scored.item) for scored in self._items.values()):
            raise InputError("holds no score", file=paths[0])
        if without := sum(not scored.scores for scored in self._items.values()):
            self.found.left_out["items without any score, kept for what else is told of them"] += without

    def items(self) -> Iterator[Item]:
        for scored in self._items.values():
            fields = {**scored.item.fields, IMPORTED: {**scored.where, "scores": scored.places}}
            yield msgspec.structs.replace(scored.item, scores=scored.scores, fields=fields)

    def requests(self) -> Iterator[ImportedRequest]:
        return iter(())

    def settled(self, requests: Iterable[RequestLine]) -> Iterator[tuple[RequestLine, Settled]]:  # noqa: ARG002
        return iter(())

    def _take_item(self, row: ScoreRow) -> None:
        """What a row says of its item, which no other row says otherwise."""
        about = row.about()
        before = self._items.get(about.item)
        if before is None:
            self._items[about.item] = _Scored(about, origin(row.path, row.line))
            return
        changes = {}
        for name in _ALIKE:
            ours, theirs = getattr(before.item, name), getattr(about, name)
            if ours and theirs and ours != theirs:
                first = f"{before.where['source']}:{before.where['line']}"
                what = (
                    f"item {about.item!r} has another one on {first}: each caption of each system has an id of its own"
                )
                raise InputError(what, file=row.path, line=row.line, field=row.theirs.get(name, name))
            changes[name] = ours or theirs
        before.item = msgspec.structs.replace(before.item, **changes)

    def _take_long(self, rows: Sequence[ScoreRow]) -> None:
        for row in rows:
            dimension = OVERALL if row.is_empty(DIMENSION) else row.text(DIMENSION)
            self._add(self._items[row.text(ITEM)], row, row.text(METRIC), dimension, VALUE)
        if others := list(dict.fromkeys(chain.from_iterable(row.others for row in rows))):
            self.found.notes.append(f"{rows[0].path}: columns not taken: {', '.join(others)}")

    def _take_wide(self, rows: Sequence[ScoreRow], metrics: Sequence[str]) -> None:
        for row in rows:
            scored = self._items[row.text(ITEM)]
            for metric in metrics:
                self._add(scored, row, metric, OVERALL, metric)
            known = {
                name: value for name, value in row.others.items() if name not in metrics and not row.is_empty(name)
            }
            scored.item = msgspec.structs.replace(scored.item, fields={**known, **scored.item.fields})

    def _add(self, scored: _Scored, row: ScoreRow, metric: str, dimension: str, column: str) -> None:
        if row.is_empty(column):
            self.found.left_out[f"{metric}: empty values"] += 1
            return
        number = row.number(column)
        places = scored.places.setdefault(metric, {})
        if dimension in places:
            what = f"item {scored.item.item!r} has a score of {metric} ({dimension}) already, from {places[dimension]}"
            raise InputError(what, file=row.path, line=row.line, field=row.theirs.get(column, column))
        scored.scores.setdefault(metric, {})[dimension] = number
        places[dimension] = f"{row.path}:{row.line}"

    def _columns(self, path: Path, rows: Sequence[ScoreRow]) -> list[str]:
        """The columns of a wide table that are metrics: those named, else all that hold numbers.

        Empty where there is none, but items are told of.
        """
        names = list(dict.fromkeys(chain.from_iterable(row.others for row in rows)))
        for metric in self._metrics:
            if metric not in names:
                raise InputError("the table has no such column", file=path, field=f"--metric {metric}")
        kinds = {name: _holds_numbers(rows, name) for name in self._metrics or names}
        for name in [name for name, numbers in kinds.items() if numbers is None]:
            self.found.left_out[f"{name}: a column without a value"] += 1
        found = list(self._metrics) or [name for name, numbers in kinds.items() if numbers]
        if not found and not any(_tells(row.about()) for row in rows):
            what = (
                "has no column of numbers beside those that say what an item is: no metric is in it, and neither "
                "captions nor ratings; say which column has them, as in --column candidate=COLUMN and "
                "--column reference_1=COLUMN, or --column ratings.overall=COLUMN"
            )
            raise InputError(what, file=path, line=rows[0].line)
        if not found:
            self.found.notes.append(f"{path}: no metric is in it; {_told(rows)}")
        return found


def _tells(item: Item) -> bool:
    """Whether there is something to score, or to hold scores against."""
    return bool(item.candidate or item.ratings)


def _told(rows: Sequence[ScoreRow]) -> str:
    """What a table without metrics is good for."""
    items = [row.about() for row in rows]
    usable = sum(bool(item.candidate and item.references) for item in items)
    rated = sum(bool(item.ratings) for item in items)
    return (
        f"analyze computes BLEU, ROUGE-L and CIDEr of the {usable} of its {len(items)} rows that have a candidate and "
        f"references; {rated} have ratings"
    )


def _holds_numbers(rows: Sequence[ScoreRow], name: str) -> bool | None:
    """Whether a column holds numbers, None where it holds nothing; raises InputError for a mixture."""
    kinds = {_is_number(row, name): row for row in reversed(rows) if not row.is_empty(name)}
    if len(kinds) < 2:
        return next(iter(kinds), None)
    odd, usual = kinds[False], kinds[True]
    what = (
        f"a number is expected, as on line {usual.line}, not {odd.value(name).value!r} (or name the metrics: --metric)"
    )
    raise InputError(what, file=odd.path, line=odd.line, field=name)


def _is_number(row: ScoreRow, name: str) -> bool:
    value = row.value(name)
    if row.path.suffix.lower() not in TEXT_SUFFIXES:
        return isinstance(value.value, int | float) and not isinstance(value.value, bool)
    try:
        value.decimal()
    except InputError:
        return False
    return True
