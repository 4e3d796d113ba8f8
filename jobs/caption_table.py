"""The reader for any table of captions: JSON lines, CSV, TSV or Parquet, one caption a row."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jobs.dataset_json import Value
from jobs.media_pattern import fill, stem
from jobs.table_files import read_rows
from outputs.items import Item, Rating
from prompts.input_error import InputError
from prompts.toml_text import near_miss

MEDIA_NAMES = ("item", "media", "stem")  # what a media pattern may name
_WHOLE = ("id", "candidate", "references", "media", "ratings", "ratings_kind")  # one column each
_ONE_OF_SEVERAL = re.compile(r"reference_\d+|ratings\.[^.]+(\.[^.]+)?")
_NEEDED = ("id", "candidate")


def read_caption_table(
    path: Path, columns: Mapping[str, str] | None = None, media: str | None = None
) -> Iterator[Item]:
    """Items of a table, in the file's order; its suffix says how it is written. Raises InputError.

    What a column is for is told by its name:

    - `id`, unique, and `candidate`, the caption; both are needed;
    - `references`: a list of captions, in CSV a JSON list; or `reference_1`, `reference_2` and so on, one caption each,
      of which some may be empty. A table without any has no references; one that has them has them in every row;
    - `media`: the path or address of the picture or clip, which may be empty; the pattern `media` goes over it, with
      {item} (the id), {media} and {stem} (its last part without its suffix) filled in;
    - `ratings.<dimension>`: numbers, by the annotator "1"; `ratings.<annotator>.<dimension>`: by that annotator. An
      empty one is no rating. Or `ratings`: {annotator: {dimension: number}}, in CSV as JSON;
    - `ratings_kind`: "human" where it is absent.

    `columns` says what they are called in this file where that is something else, as in
    `columns = {candidate = "text", "ratings.overall" = "score"}`. All other columns become the item's `fields`: so
    `pair`, `place` and `category` link pairs of captions.
    """
    asked = _check_columns(path, columns or {})
    lines: dict[str, int] = {}
    items: list[Item] = []
    for line, row in read_rows(path):
        if not items:
            _check_present(path, asked, row)
        item = _item(CaptionRow(path, line, row, asked), media)
        if item.item in lines:
            what = f"{item.item!r} stands twice, before on line {lines[item.item]}"
            raise InputError(what, file=path, line=line, field=asked.get("id", "id"))
        lines[item.item] = line
        items.append(item)
    bare = next((item.item for item in items if not item.references), None)
    if bare is not None and any(item.references for item in items):
        raise InputError("has no reference, though other rows have", file=path, line=lines[bare], field="references")
    return iter(items)


def _check_columns(path: Path, columns: Mapping[str, str]) -> Mapping[str, str]:
    for name in columns:
        if name not in _WHOLE and not _ONE_OF_SEVERAL.fullmatch(name):
            known = [*_WHOLE, "reference_1", "ratings.overall"]
            raise InputError(f"is no name of a column of captions{near_miss(name, known)}", file=path, field=name)
    twice = [column for column in columns.values() if list(columns.values()).count(column) > 1]
    if twice:
        raise InputError(f"{twice[0]!r} is named for two columns", file=path, field="columns")
    return columns


def _check_present(path: Path, asked: Mapping[str, str], row: Mapping[str, Any]) -> None:
    for name in (*_NEEDED, *asked):
        column = asked.get(name, name)
        if column not in row:
            raise InputError(f"the table has no column {column!r}{near_miss(column, row)}", file=path, field=name)


class CaptionRow:
    """One row: its values under our names, but for those that are null or blank, and the rest as fields."""

    def __init__(self, path: Path, line: int, row: Mapping[str, Any], asked: Mapping[str, str]) -> None:
        self.path, self.line, self.asked = path, line, asked
        self.values: dict[str, Value] = {}
        self.fields: dict[str, Any] = {}
        ours = {theirs: name for name, theirs in asked.items()}
        for theirs, value in row.items():
            # Where a name of ours is given to another column, the column of that name is any other.
            name = ours.get(theirs, "" if theirs in asked else theirs)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            if name in _WHOLE or _ONE_OF_SEVERAL.fullmatch(name):
                self.values[name] = Value(path, "", value, theirs, line)
            else:
                self.fields[theirs] = value

    def needed(self, name: str) -> Value:
        if name not in self.values:
            raise InputError("is empty", file=self.path, line=self.line, field=self.asked.get(name, name))
        return self.values[name]


def _item(row: CaptionRow, media: str | None) -> Item:
    name, kind = _id(row.needed("id")), row.values.get("ratings_kind")
    return Item(
        item=name,
        candidate=row.needed("candidate").text(),
        references=references_of(row),
        ratings=tuple(Rating(annotator, scores) for annotator, scores in ratings_of(row).items()),
        media=_media(row, name, media),
        ratings_kind="human" if kind is None else kind.text(),
        fields=row.fields,
    )


def _id(value: Value) -> str:
    whole = isinstance(value.value, int) and not isinstance(value.value, bool)
    return str(value.value) if whole else value.text()


def references_of(row: CaptionRow) -> tuple[str, ...]:
    """The row's references; none where it has no such column."""
    found = [value.text() for name, value in row.values.items() if name.startswith("reference_")]
    if "references" in row.values:
        found += [reference.text() for reference in row.values["references"].parsed().rows()]
    return tuple(found)


def ratings_of(row: CaptionRow) -> dict[str, dict[str, float]]:
    """The row's ratings, by annotator and dimension."""
    found: dict[str, dict[str, float]] = {}
    for name, value in row.values.items():
        if name.startswith("ratings."):
            annotator, _, dimension = name.removeprefix("ratings.").rpartition(".")
            found.setdefault(annotator or "1", {})[dimension] = value.decimal().number()
    if "ratings" in row.values:
        for annotator, scores in row.values["ratings"].parsed().entries():
            for dimension, value in scores.entries():
                if dimension in found.setdefault(annotator, {}):
                    value.refuse("has a column of its own too")
                found[annotator][dimension] = value.number()
    return found


def _media(row: CaptionRow, name: str, pattern: str | None) -> str | None:
    own = row.values["media"].text() if "media" in row.values else None
    if pattern is None:
        return own
    if own is None and ("{media}" in pattern or "{stem}" in pattern):
        raise InputError(f"is empty, and the pattern is {pattern!r}", file=row.path, line=row.line, field="media")
    return fill(pattern, {"item": name, "media": own or "", "stem": stem(own or "")})
