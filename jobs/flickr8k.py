"""The reader for Flickr8k-Expert: captions of pictures, each rated by three people on a scale from 1 to 4."""

from collections.abc import Iterator
from pathlib import Path

from jobs.dataset_json import Value, read_entries
from jobs.media_pattern import fill, stem
from outputs.items import Item, Rating

DIMENSION = "overall"
MEDIA_NAMES = ("image_path", "file", "stem", "item")  # what a media pattern may name
_LOWEST, _HIGHEST = 1, 4


def read_flickr8k_expert(path: Path, media: str | None = None) -> Iterator[Item]:
    """Items of a file in the format of Flickr8k-Expert, in the file's order.

    The file is one JSON object: id -> {"image_path", "ground_truth": [caption], "human_judgement": [{"image_path",
    "caption", "rating"}]}. An item is one caption of one picture, called `<id>-<n>` by its place among the picture's
    captions from 1, and its ratings, called "overall", are by annotators "1", "2" and so on, by their place among the
    caption's ratings; so every caption has the same number of them. The optional key "ratings_kind" is as in MSVD-Eval.

    An item's picture is its `image_path`, or the pattern `media` with {image_path}, {file} (the last part of the path),
    {stem} (that without its suffix) and {item} (the id) filled in.
    """
    items = [item for entry in read_entries(path) for item in _items(entry, media)]
    annotators = len(items[0].ratings)
    for item in items:
        if len(item.ratings) != annotators:
            what = f"{len(item.ratings)} ratings, but the first caption has {annotators}"
            Value(path, item.item, None).refuse(f"{what}: annotators are known by their place")
    return iter(items)


def _items(entry: Value, media: str | None) -> Iterator[Item]:
    image = entry.key("image_path").text()
    names = {"image_path": image, "file": image.rpartition("/")[2], "stem": stem(image), "item": entry.item}
    kind = entry.optional("ratings_kind")
    references = tuple(caption.text() for caption in entry.key("ground_truth").rows())
    for number, (caption, ratings) in enumerate(_judgements(entry, image).items(), start=1):
        yield Item(
            item=f"{entry.item}-{number}",
            candidate=caption,
            references=references,
            ratings=tuple(Rating(str(n), {DIMENSION: rating}) for n, rating in enumerate(ratings, start=1)),
            media=image if media is None else fill(media, names),
            ratings_kind="human" if kind is None else kind.text(),
        )


def _judgements(entry: Value, image: str) -> dict[str, list[float]]:
    """The ratings of each caption, in the file's order."""
    found: dict[str, list[float]] = {}
    for judgement in entry.key("human_judgement").rows():
        judged = judgement.key("image_path")
        if judged.text() != image:
            judged.refuse(f"is not the item's picture, {image!r}: its references would not fit")
        rating = judgement.key("rating")
        if not _LOWEST <= rating.number() <= _HIGHEST:
            rating.refuse(f"a rating from {_LOWEST} to {_HIGHEST} is expected, not {rating.value!r}")
        found.setdefault(judgement.key("caption").text(), []).append(rating.number())
    return found
