"""The reader for Composite: captions of pictures from Flickr8k, Flickr30k and COCO, rated by people from 1 to 5.

The authors (Aditya et al., arXiv 1511.03292) released what the crowd's platform gave them: for each source of pictures
one CSV file of correctness and one of thoroughness. The pictures' references are in the sources' own files.
"""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from jobs.dataset_json import Value, read_text
from jobs.media_pattern import fill, stem
from jobs.reference_captions import (
    COCO,
    FLICKR8K,
    FLICKR30K,
    beside,
    by_picture,
    picture_name,
    read_coco_captions,
    read_token_file,
)
from outputs.items import Item, Rating
from prompts.input_error import InputError

DIMENSION, THOROUGHNESS = "overall", "thoroughness"
LOWEST, HIGHEST = 1, 5
MEDIA_NAMES = ("file", "stem")  # what a media pattern may name
_PICTURE = "Input.image_url"
_USUAL = {"8k": FLICKR8K, "30k": FLICKR30K, "coco": COCO}  # by how the ratings' file is called


def read_composite(path: Path, captions: Path | None = None, media: str | None = None) -> Iterator[Item]:
    """Items of one of the released CSV files, in the file's order. Raises InputError.

    `8k_correctness.csv` and its like have semicolons between columns; a row is what one person said of one picture, in
    the columns Input.image_url, Input.text1 and so on (3 captions, or 4) and Answer.Q1Answer and so on, 1 to 5. Rows
    without a picture, which end each file, are passed over. `captions` is the file of references: a token file of
    Flickr, or COCO's JSON where it ends in `.json`; by default the released one of that source, beside the first file.

    An item is a caption, `<picture>-<n>` by its number in the row. Further rows of the same picture and captions are
    further annotators "2", "3" and so on. The ratings are "overall", those of a file of thoroughness (its name says
    "throughness") "thoroughness". One of the captions is a person's and among the picture's references: it is not among
    the references here, for none of the picture's captions, and `fields` marks it as "human". Texts are compared by
    their words, case and punctuation aside. An item's picture is the file at the end of its address, or the pattern
    `media` filled in.
    """
    rows = _pictures(path)
    references = _references(path, captions, list(rows))
    dimension = THOROUGHNESS if "through" in path.stem or "thorough" in path.stem else DIMENSION
    return iter([item for rated in rows.values() for item in _items(rated, references, dimension, media)])


def _pictures(path: Path) -> dict[str, list[Value]]:
    """The rows of each picture, by its name."""
    found: dict[str, list[Value]] = {}
    for row in _rows(path):
        rows = found.setdefault(picture_name(row.key(_PICTURE).text()), [])
        if rows and _texts(rows[0]) != _texts(row):
            row.key(_PICTURE).refuse(f"the picture has other captions on line {rows[0].line}")
        rows.append(row)
    if not found:
        raise InputError("holds no rated picture", file=path)
    return found


def _rows(path: Path) -> Iterator[Value]:
    lines = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=";")
    try:
        header = next(lines)
        if _PICTURE not in header:
            raise InputError(f"no column {_PICTURE!r}: columns are separated by semicolons", file=path, line=1)
        for columns in lines:
            row = Value(path, "", dict(zip(header, columns, strict=False)), line=lines.line_num)
            if not row.value.get(_PICTURE, "").strip():
                continue
            if len(columns) != len(header):
                row.refuse(f"{len(columns)} columns, but the header has {len(header)}")
            yield row
    except csv.Error as error:
        raise InputError(f"not readable as CSV: {error}", file=path, line=lines.line_num) from None


def _texts(row: Value) -> list[str]:
    """The captions of a row: as many as the file has columns for."""
    count = sum(1 for name in row.value if re.fullmatch(r"Input\.text\d+", name))
    if not count:
        row.refuse("no column 'Input.text1'")
    return [" ".join(row.key(f"Input.text{number}").text().split()) for number in range(1, count + 1)]


def _references(path: Path, captions: Path | None, pictures: list[str]) -> dict[str, list[str]]:
    usual = next((name for part, name in _USUAL.items() if path.name.startswith(part)), None)
    if captions is None and usual is None:
        raise InputError("where its references are is not known: name them with the key `captions`", file=path)
    found = beside(path, usual or "", captions)
    if found.suffix != ".json":
        return by_picture(read_token_file(found))
    numbers = {name: int(number) for name in pictures if (number := name.rpartition("_")[2]).isdecimal()}
    known = read_coco_captions(found, numbers.values())
    return {name: known.get(number, []) for name, number in numbers.items()}


def _items(rows: list[Value], references: dict[str, list[str]], dimension: str, media: str | None) -> Iterator[Item]:
    picture, texts = rows[0].key(_PICTURE), _texts(rows[0])
    file = picture.text().rpartition("/")[2]
    known = references.get(picture_name(file))
    if not known:
        picture.refuse(f"the file of captions has no reference for {file!r}")
    rated, people = {_words(text) for text in texts}, {_words(text) for text in known}
    kept = tuple(text for text in known if _words(text) not in rated)
    for number, text in enumerate(texts, start=1):
        yield Item(
            item=f"{picture_name(file)}-{number}",
            candidate=text,
            references=kept,
            ratings=tuple(_ratings(rows, number, dimension)),
            media=file if media is None else fill(media, {"file": file, "stem": stem(file)}),
            fields={"human": _words(text) in people},
        )


def _ratings(rows: list[Value], number: int, dimension: str) -> Iterator[Rating]:
    for place, row in enumerate(rows, start=1):
        answer = row.key(f"Answer.Q{number}Answer").decimal().within(LOWEST, HIGHEST)
        yield Rating(str(place), {dimension: answer})


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
