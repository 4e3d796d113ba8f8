"""The reader for FOIL: true captions of pictures, each beside a copy in which one word is wrong."""

from collections.abc import Iterator
from pathlib import Path

from jobs.caption_pairs import pair_items
from jobs.dataset_json import Value, read_document
from jobs.media_pattern import fill, stem
from jobs.reference_captions import COCO, beside, read_coco_captions
from outputs.items import Item

MEDIA_NAMES = ("file", "stem")  # what a media pattern may name


def read_foil(path: Path, captions: Path | None = None, media: str | None = None) -> Iterator[Item]:
    """Items of `foilv1.0_test_2017.json` (or of the training file), pair by pair. Raises InputError.

    The file (Shekhar et al., arXiv 1705.01359) is one JSON object: {"images": [{"id", "file_name"}], "annotations":
    [{"id", "image_id", "caption", "foil": true or false}]}. Two annotations have the same id: a true caption and its
    foil. `captions` is COCO's `captions_val2014.json`, by default beside the first file; a picture's references are its
    captions there but for the true one of the pair, as in published results, so four of five.

    Items are `<id>-a`, the true one, and `<id>-b`, its foil, linked by "pair" and "place" in `fields`. The rating,
    "preferred", is 1 for the true one and 0 for its foil; nobody was asked, so its annotator is "truth". An item's
    picture is its file's name, or the pattern `media` filled in.
    """
    document = read_document(path)
    files = _files(document)
    pairs = _pairs(document, files)
    known = read_coco_captions(beside(path, COCO, captions), {_picture(true)[0] for true, _ in pairs.values()})
    return iter([item for pair, two in pairs.items() for item in _items(pair, two, files, known, media)])


def _files(document: Value) -> dict[int, str]:
    return {_whole(image.key("id")): image.key("file_name").text() for image in document.key("images").rows()}


def _pairs(document: Value, files: dict[int, str]) -> dict[int, tuple[Value, Value]]:
    """The true annotation and the foil of each id, in the file's order."""
    found: dict[int, dict[bool, Value]] = {}
    for row in document.key("annotations").rows():
        pair, foil = _whole(row.key("id")), row.key("foil")
        if not isinstance(foil.value, bool):
            foil.refuse("true or false is expected")
        if foil.value in found.setdefault(pair, {}):
            foil.refuse(f"id {pair} has a second {'foil' if foil.value else 'true caption'}")
        number, picture = _picture(row)
        if number not in files:
            picture.refuse(f"the file has no image {number}")
        found[pair][foil.value] = row
    for pair, two in found.items():
        if len(two) < 2:
            next(iter(two.values())).refuse(f"id {pair} has no {'true caption' if True in two else 'foil'}")
        if _picture(two[True])[0] != _picture(two[False])[0]:
            two[True].key("image_id").refuse(f"is not the picture of the true caption of id {pair}")
    return {pair: (two[False], two[True]) for pair, two in found.items()}


def _picture(row: Value) -> tuple[int, Value]:
    picture = row.key("image_id")
    return _whole(picture), picture


def _whole(value: Value) -> int:
    if isinstance(value.value, bool) or not isinstance(value.value, int):
        value.refuse("a whole number is expected")
    return value.value


def _items(
    pair: int, two: tuple[Value, Value], files: dict[int, str], known: dict[int, list[str]], media: str | None
) -> Iterator[Item]:
    number, picture = _picture(two[0])
    true = " ".join(two[0].key("caption").text().split())
    references = tuple(caption for caption in known.get(number, ()) if caption != true)
    if not references:
        picture.refuse(f"the file of captions has no other caption of picture {number}")
    file = files[number]
    return pair_items(
        str(pair),
        (true, " ".join(two[1].key("caption").text().split())),
        (1.0, 0.0),
        references=references,
        media=file if media is None else fill(media, {"file": file, "stem": stem(file)}),
        annotator="truth",
        fields={},
    )
