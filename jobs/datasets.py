"""Readers of evaluation datasets: a file in, items out.

A file is checked whole before its first item comes out. Every fault is an `InputError` naming file, item and field.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jobs import flickr8k
from jobs.dataset_json import Value, read_entries
from jobs.media_pattern import fill, stem
from outputs.items import Item, Rating
from prompts.input_error import InputError
from prompts.toml_text import near_miss

MSVD_DIMENSIONS = ("accuracy", "completeness", "conciseness", "relevance", "average")
_MSVD_MEDIA_NAMES = ("vname", "stem", "item")


def read_msvd_eval(path: Path, media: str | None = None) -> Iterator[Item]:
    """Items of a file in the format of MSVD-Eval, in the file's order.

    The file is one JSON object: id -> {"vname", "ref": [caption], "candidate", "human_score": [row]}, with one row
    [accuracy, completeness, conciseness, relevance, mean] per annotator. Annotators are known by their place, "1", "2"
    and so on, so every item has the same number of rows. The optional key "ratings_kind" says what the ratings are,
    "human" where it is absent.

    An item's clip is its optional key "media", or else the pattern `media` with {vname}, {stem} (that without its
    suffix) and {item} (the id) filled in; it has none where there is neither.
    """
    items = [_item(entry, media) for entry in read_entries(path)]
    annotators = len(items[0].ratings)
    for item in items:
        if len(item.ratings) != annotators:
            what = f"{len(item.ratings)} rows of ratings, but the first item has {annotators}"
            Value(path, item.item, None, "human_score").refuse(f"{what}: annotators are known by their place")
    return iter(items)


class _Read(Protocol):
    def __call__(self, path: Path, media: str | None = None) -> Iterator[Item]: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader, and the names that its media pattern may have places for."""

    read: _Read
    media_names: tuple[str, ...]


READERS = {
    "msvd-eval": Reader(read_msvd_eval, _MSVD_MEDIA_NAMES),
    "flickr8k-expert": Reader(flickr8k.read_flickr8k_expert, flickr8k.MEDIA_NAMES),
}


def find_reader(name: str, spec: Path | str) -> Reader:
    """The reader `name`; `spec` is the file to blame in the InputError for an unknown one."""
    if name not in READERS:
        raise InputError(f"unknown reader {name!r}{near_miss(name, READERS)}", file=spec, field="dataset.reader")
    return READERS[name]


def _item(entry: Value, media: str | None) -> Item:
    vname, candidate = entry.key("vname").text(), entry.key("candidate").text()
    kind = entry.optional("ratings_kind")
    return Item(
        item=entry.item,
        candidate=candidate,
        references=tuple(reference.text() for reference in entry.key("ref").rows()),
        ratings=tuple(_rating(row, place) for place, row in enumerate(entry.key("human_score").rows(), start=1)),
        media=_media(entry, vname, media),
        ratings_kind="human" if kind is None else kind.text(),
    )


def _media(entry: Value, vname: str, pattern: str | None) -> str | None:
    own = entry.optional("media")
    if own is not None:
        return own.text()
    return None if pattern is None else fill(pattern, {"vname": vname, "stem": stem(vname), "item": entry.item})


def _rating(row: Value, place: int) -> Rating:
    numbers = row.rows()
    if len(numbers) != len(MSVD_DIMENSIONS):
        wanted = f"{len(MSVD_DIMENSIONS)} ({', '.join(MSVD_DIMENSIONS)})"
        row.refuse(f"{len(numbers)} ratings where {wanted} are expected")
    return Rating(str(place), dict(zip(MSVD_DIMENSIONS, (number.number() for number in numbers), strict=True)))
