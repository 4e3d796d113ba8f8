"""Flickr8k's two sets of ratings as its authors released them: text files with tabs, the captions in a file beside.

They become the same items, under the same ids, as the JSON files that other projects make of them; see `jobs.flickr8k`.
The rules for captions that are a picture's own are those of the script that made these files
(github.com/jmhessel/clipscore, `flickr8k_example/download.py`), so that numbers can be compared with published ones.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.dataset_json import Value
from jobs.flickr8k import CROWD, DIMENSION, HIGHEST, LOWEST
from jobs.media_pattern import fill, stem
from jobs.reference_captions import FLICKR8K, beside, by_picture, picture_name, read_tab_lines, read_token_file
from outputs.items import Item, Rating
from prompts.input_error import InputError

MEDIA_NAMES = ("file", "stem")  # what a media pattern may name
_EXPERT = ("picture", "caption id", "rating 1", "rating 2", "rating 3")
_CROWD = ("picture", "caption id", "share of yes", "yes", "no")
_SLACK = 1e-5  # the shares are written with few digits


def read_expert_raw(path: Path, captions: Path | None = None, media: str | None = None) -> Iterator[Item]:
    """Items of `ExpertAnnotations.txt`, in the file's order. Raises InputError.

    A line is a picture's file name, a caption's id and three ratings from 1 to 4, with tabs between; `captions` is
    `Flickr8k.token.txt`, by default the file of that name beside. Lines whose caption is one of the picture's own are
    left out, as everywhere in the field since SPICE: 5,664 of 5,822 stay. An item is `<picture without .jpg>-<n>`, by
    its place among those that stay of its picture, from 1; its ratings are "overall", of annotators "1", "2" and "3".
    `fields` has the caption's id. An item's picture is the file's name, or the pattern `media` filled in.
    """
    texts = read_token_file(beside(path, FLICKR8K, captions))
    own, places, items = by_picture(texts), dict[str, int](), []
    for row in _rows(path, _EXPERT):
        file, caption = row.key("picture").text(), _caption(row, texts)
        ratings = [row.key(name).decimal().within(LOWEST, HIGHEST) for name in _EXPERT[2:]]
        references = _references(row, own)
        if caption in references:
            continue
        places[file] = places.get(file, 0) + 1
        scores = tuple(Rating(str(n), {DIMENSION: rating}) for n, rating in enumerate(ratings, start=1))
        name = f"{picture_name(file)}-{places[file]}"
        items.append(_item(name, row, caption, references, scores, media, {}))
    return iter(_some(path, items))


def read_crowd_raw(path: Path, captions: Path | None = None, media: str | None = None) -> Iterator[Item]:
    """Items of `CrowdFlowerAnnotations.txt`, in the file's order. Raises InputError.

    A line is a picture's file name, a caption's id, the share of people who said yes, how many said yes and how many
    no, with tabs between; `captions` as for the experts. The rating, "overall", is the share, by the annotator "crowd";
    `fields` has the caption's id and both counts. Captions of the picture's own stay, and are not among its references,
    for none of its captions. An item is `<picture>-<n>`, by its place among its picture's, from 1; its picture is as
    for the experts.
    """
    texts = read_token_file(beside(path, FLICKR8K, captions))
    rows = [(row, _caption(row, texts), _share(row)) for row in _rows(path, _CROWD)]
    own, places, items = by_picture(texts), dict[str, int](), []
    for row, caption, _ in rows:
        references = _references(row, own)
        if caption in references:
            references.remove(caption)
    for row, caption, (share, yes, no) in rows:
        file = row.key("picture").text()
        places[file] = places.get(file, 0) + 1
        fields = {"yes": yes, "no": no}
        scores = (Rating(CROWD, {DIMENSION: share}),)
        items.append(_item(f"{file}-{places[file]}", row, caption, _references(row, own), scores, media, fields))
    return iter(_some(path, items))


def _rows(path: Path, names: tuple[str, ...]) -> Iterator[Value]:
    seen: dict[tuple[str, str], int | None] = {}
    for row in read_tab_lines(path, names):
        pair = (row.key("picture").text(), row.key("caption id").text())
        if pair in seen:
            row.key("caption id").refuse(f"{pair[1]!r} is rated for {pair[0]!r} twice, before on line {seen[pair]}")
        seen[pair] = row.line
        yield row


def _caption(row: Value, texts: dict[str, str]) -> str:
    name = row.key("caption id")
    if name.text() not in texts:
        name.refuse(f"the file of captions has no {name.value!r}")
    return texts[name.text()]


def _references(row: Value, own: dict[str, list[str]]) -> list[str]:
    picture = row.key("picture")
    found = own.get(picture_name(picture.text()))
    if not found:
        picture.refuse(f"the file of captions has no reference for {picture.value!r}")
    return found


def _share(row: Value) -> tuple[float, int, int]:
    share = row.key("share of yes").decimal().within(0, 1)
    yes, no = (_count(row.key(name)) for name in ("yes", "no"))
    if yes + no == 0 or abs(share - yes / (yes + no)) >= _SLACK:
        row.key("share of yes").refuse(f"{share:g} is not the share of {yes} yes and {no} no")
    return share, yes, no


def _count(value: Value) -> int:
    if not value.text().isdecimal():
        value.refuse(f"a count is expected, not {value.value!r}")
    return int(value.text())


def _item(
    name: str,
    row: Value,
    caption: str,
    references: list[str],
    ratings: tuple[Rating, ...],
    media: str | None,
    fields: dict[str, Any],
) -> Item:
    file = row.key("picture").text()
    return Item(
        item=name,
        candidate=caption,
        references=tuple(references),
        ratings=ratings,
        media=file if media is None else fill(media, {"file": file, "stem": stem(file)}),
        fields={"caption": row.key("caption id").text(), **fields},
    )


def _some(path: Path, items: list[Item]) -> list[Item]:
    if not items:
        raise InputError("holds no rated caption that is not the picture's own", file=path)
    return items
