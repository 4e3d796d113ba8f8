"""Captions of pictures with people's ratings, in the JSON form that Flickr8k's two sets and Composite are passed on in.

The file is one JSON object: id -> {"image_path", "ground_truth": [caption], "human_judgement": [{"image_path",
"caption", "rating"}]}. An item's picture is its `image_path`, or the pattern `media` with {image_path}, {file} (the
last part of the path), {stem} (that without its suffix) and {item} (the id) filled in. The optional key "ratings_kind"
is as in MSVD-Eval.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs.dataset_json import Value, read_entries
from jobs.media_pattern import fill, stem
from outputs.items import Item, Rating

DIMENSION = "overall"
CROWD = "crowd"  # the one annotator of ratings that are a share or a mean
MEDIA_NAMES = ("image_path", "file", "stem", "item")  # what a media pattern may name
LOWEST, HIGHEST = 1, 4  # the experts' scale


def read_flickr8k_expert(path: Path, media: str | None = None) -> Iterator[Item]:
    """Items of a file in the format of Flickr8k-Expert, in the file's order. Raises InputError.

    An item is one caption of one picture, called `<id>-<n>` by its place among the picture's captions from 1, and its
    ratings, from 1 to 4 and called "overall", are by annotators "1", "2" and so on, by their place among the caption's
    ratings; so every caption has the same number of them.
    """
    items = [item for entry in read_entries(path) for item in _items(entry, media)]
    annotators = len(items[0].ratings)
    for item in items:
        if len(item.ratings) != annotators:
            what = f"{len(item.ratings)} ratings, but the first caption has {annotators}"
            Value(path, item.item, None).refuse(f"{what}: annotators are known by their place")
    return iter(items)


def read_one_rating_each(path: Path, media: str | None, lowest: float, highest: float) -> Iterator[Item]:
    """Items of a file with one rating of each caption, in the file's order. Raises InputError.

    So come Flickr8k-CF, whose ratings are the share of people who said yes, and Composite, rated from 1 to 5. Each
    judgement is an item, `<id>-<n>` by its place among the picture's from 1, also where two have the same words: they
    are two captions. Its rating, "overall", is by the annotator "crowd".
    """
    items = [
        _item(entry, place, caption, (Rating(CROWD, {DIMENSION: rating}),), media)
        for entry in read_entries(path)
        for place, (caption, rating) in enumerate(_judgements(entry, lowest, highest), start=1)
    ]
    return iter(items)


def _items(entry: Value, media: str | None) -> Iterator[Item]:
    for place, (caption, ratings) in enumerate(_by_caption(_judgements(entry, LOWEST, HIGHEST)).items(), start=1):
        scores = tuple(Rating(str(n), {DIMENSION: rating}) for n, rating in enumerate(ratings, start=1))
        yield _item(entry, place, caption, scores, media)


def _item(entry: Value, place: int, caption: str, ratings: tuple[Rating, ...], media: str | None) -> Item:
    image = entry.key("image_path").text()
    names = {"image_path": image, "file": image.rpartition("/")[2], "stem": stem(image), "item": entry.item}
    kind = entry.optional("ratings_kind")
    return Item(
        item=f"{entry.item}-{place}",
        candidate=caption,
        references=tuple(reference.text() for reference in entry.key("ground_truth").rows()),
        ratings=ratings,
        media=image if media is None else fill(media, names),
        ratings_kind="human" if kind is None else kind.text(),
    )


def _by_caption(judgements: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    """The ratings of each caption, in the file's order."""
    found: dict[str, list[float]] = {}
    for caption, rating in judgements:
        found.setdefault(caption, []).append(rating)
    return found


def _judgements(entry: Value, lowest: float, highest: float) -> Iterator[tuple[str, float]]:
    image = entry.key("image_path").text()
    for judgement in entry.key("human_judgement").rows():
        judged = judgement.key("image_path")
        if judged.text() != image:
            judged.refuse(f"is not the item's picture, {image!r}: its references would not fit")
        yield judgement.key("caption").text(), judgement.key("rating").within(lowest, highest)
