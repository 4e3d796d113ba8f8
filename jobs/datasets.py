"""Readers of evaluation datasets: a file in, items out.

A file is checked whole before its first item comes out. Every fault is an `InputError` naming file, item and field.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from jobs import caption_table, composite, flickr8k, flickr8k_raw, foil, pascal50s, vatex
from jobs.dataset_json import Value, read_entries
from jobs.materials import Materials
from jobs.media_pattern import check_pattern, fill, stem
from jobs.prompt_sets import read_prompts
from jobs.registry import DatasetSpec
from jobs.row_tables import read_table
from jobs.run_rows import read_run
from jobs.sampling import by_item, by_pair, sample
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


class Holds(StrEnum):
    """What the items of a dataset are."""

    CAPTIONS = "captions"  # candidates with references, media, ratings
    PROMPTS = "prompts"  # messages to answer
    ROWS = "rows"  # anything: fields by name


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader: what its items are, the names that its media pattern may have places for, whether it reads folders.

    `heeds` has those of the keys `captions` and `columns` that it makes use of; to others the other is an error.
    """

    read: Callable[[Path, DatasetSpec], Iterator[Item]]
    holds: Holds
    media_names: tuple[str, ...] = ()
    folders: bool = False
    heeds: tuple[str, ...] = ()


def _with_captions(
    read: Callable[[Path, Path | None, str | None], Iterator[Item]], media_names: tuple[str, ...]
) -> Reader:
    """A reader of two files, the second of which has captions that the first speaks of."""

    def read_both(path: Path, spec: DatasetSpec) -> Iterator[Item]:
        return read(path, None if spec.captions is None else Path(spec.captions), spec.media)

    return Reader(read_both, Holds.CAPTIONS, media_names, heeds=("captions",))


def _one_rating_each(lowest: float, highest: float) -> Reader:
    def read(path: Path, spec: DatasetSpec) -> Iterator[Item]:
        return flickr8k.read_one_rating_each(path, spec.media, lowest, highest)

    return Reader(read, Holds.CAPTIONS, flickr8k.MEDIA_NAMES)


READERS = {
    "msvd-eval": Reader(lambda path, spec: read_msvd_eval(path, spec.media), Holds.CAPTIONS, _MSVD_MEDIA_NAMES),
    "flickr8k-expert": Reader(
        lambda path, spec: flickr8k.read_flickr8k_expert(path, spec.media), Holds.CAPTIONS, flickr8k.MEDIA_NAMES
    ),
    "flickr8k-cf": _one_rating_each(0, 1),
    "flickr8k-expert-raw": _with_captions(flickr8k_raw.read_expert_raw, flickr8k_raw.MEDIA_NAMES),
    "flickr8k-cf-raw": _with_captions(flickr8k_raw.read_crowd_raw, flickr8k_raw.MEDIA_NAMES),
    "composite": _with_captions(composite.read_composite, composite.MEDIA_NAMES),
    "composite-json": _one_rating_each(composite.LOWEST, composite.HIGHEST),
    "pascal-50s": _with_captions(pascal50s.read_pascal50s, pascal50s.MEDIA_NAMES),
    "foil": _with_captions(foil.read_foil, foil.MEDIA_NAMES),
    "vatex-eval": Reader(lambda path, spec: vatex.read_vatex_eval(path, spec.media), Holds.CAPTIONS, vatex.MEDIA_NAMES),
    "caption-table": Reader(
        lambda path, spec: caption_table.read_caption_table(path, spec.columns, spec.media),
        Holds.CAPTIONS,
        caption_table.MEDIA_NAMES,
        heeds=("columns",),
    ),
    "prompts": Reader(read_prompts, Holds.PROMPTS, heeds=("columns",)),
    "table": Reader(read_table, Holds.ROWS, heeds=("columns",)),
    "run": Reader(lambda path, spec: read_run(path, spec.columns), Holds.ROWS, folders=True, heeds=("columns",)),
}


def find_reader(name: str, source: Path | str, key: str = "dataset", holds: Collection[Holds] = tuple(Holds)) -> Reader:
    """The reader `name`, of items that a job can use. Raises InputError naming `source`, the spec, and its key."""
    known = {name: reader for name, reader in READERS.items() if reader.holds in holds}
    if name in READERS and name not in known:
        what = f"{name!r} reads {READERS[name].holds}; this job wants {' or '.join(holds)}{near_miss('', known)}"
        raise InputError(what, file=source, field=f"{key}.reader")
    if name not in known:
        raise InputError(f"unknown reader {name!r}{near_miss(name, known)}", file=source, field=f"{key}.reader")
    return known[name]


def open_dataset(
    spec: DatasetSpec, materials: Materials, usual: str, *holds: Holds, key: str = "dataset"
) -> Callable[[], Iterator[Item]]:
    """Check what a spec says of a dataset, and return what reads its items: sampled, cut, and named.

    `usual` is the reader where the spec names none, `holds` what the job can use, `key` the dataset's key in the spec.
    Raises InputError, as does the reading.
    """
    source = materials.source
    reader = find_reader(usual if spec.reader is None else spec.reader, source, key, holds)
    for name in ("first", "sample"):
        if (count := getattr(spec, name)) is not None and count < 1:
            raise InputError("at least 1 item", file=source, field=f"{key}.{name}")
    if spec.media is not None:
        check_pattern(spec.media, reader.media_names, source, f"{key}.media")
    for name in ("captions", "columns"):
        if getattr(spec, name) and name not in reader.heeds:
            raise InputError("is nothing that this reader makes use of", file=source, field=f"{key}.{name}")
    if spec.captions is not None:
        captions = materials.file(spec.captions, f"{key}.captions")
        spec = msgspec.structs.replace(spec, captions=str(captions))
    path = materials.file(spec.path, f"{key}.path", or_folder=reader.folders)
    return partial(_read, reader, path, spec, materials)


def open_datasets(
    specs: Sequence[DatasetSpec], materials: Materials, usual: str, *holds: Holds, key: str = "datasets"
) -> list[Callable[[], Iterator[Item]]]:
    """`open_dataset` for each table of a list. Their names tell several of them apart. Raises InputError."""
    source, names = materials.source, [spec.name for spec in specs]
    if not names:
        raise InputError("names no dataset", file=source, field=key)
    for place, name in enumerate(names):
        if len(names) > 1 and not name.strip():
            raise InputError("is missing: of several, each has a name", file=source, field=f"{key}[{place}].name")
        if name in names[:place]:
            raise InputError(f"{name!r} stands twice", file=source, field=f"{key}[{place}].name")
    return [open_dataset(spec, materials, usual, *holds, key=f"{key}[{place}]") for place, spec in enumerate(specs)]


def _read(reader: Reader, path: Path, spec: DatasetSpec, materials: Materials) -> Iterator[Item]:
    materials.require_files()
    items = reader.read(path, spec)
    if spec.sample is not None:
        by = by_pair if reader.holds is Holds.CAPTIONS else by_item  # elsewhere a column `pair` may be anything
        items = sample(items, spec.sample, materials.seed, spec.name, by)
    for most in (spec.first, materials.first):
        items = islice(items, most)
    return (_named(item, spec.name) for item in items) if spec.name else items


def _named(item: Item, name: str) -> Item:
    return msgspec.structs.replace(item, item=f"{name}/{item.item}", dataset=name)


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
