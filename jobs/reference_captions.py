"""The references of pictures, from the files that came with the pictures: Flickr's token files and COCO's captions.

Datasets that rate captions of those pictures name a caption, or the picture only, and leave its words to these files.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs.dataset_json import Value, read_document, read_text
from prompts.input_error import InputError

FLICKR8K, FLICKR30K, COCO = "Flickr8k.token.txt", "results_20130124.token", "captions_val2014.json"  # as released


def beside(path: Path, usual: str, chosen: Path | None) -> Path:
    """The second file of a dataset: the one chosen, or that of the usual name beside the first. Raises InputError."""
    found = chosen or path.with_name(usual)
    if not found.is_file():
        what = f"no such file: {found}; its captions are in a second file, which the key `captions` names"
        raise InputError(what, file=path)
    return found


def read_tab_lines(path: Path, names: tuple[str, ...]) -> Iterator[Value]:
    """One object a line of a text file: its columns, which tabs separate, by `names`. Raises InputError.

    Blank lines are passed over.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        columns = [column.strip() for column in line.split("\t")]
        row = Value(path, "", dict(zip(names, columns, strict=False)), line=number)
        if len(columns) != len(names):
            row.refuse(f"{len(columns)} columns where {len(names)} are expected: {', '.join(names)}, with tabs between")
        yield row


def read_token_file(path: Path) -> dict[str, str]:
    """The captions of a token file by their ids. Raises InputError.

    A line is `<picture>.jpg#<number>`, a tab and the caption.
    """
    captions: dict[str, str] = {}
    for row in read_tab_lines(path, ("caption id", "caption")):
        name = row.key("caption id")
        if "#" not in name.text():
            name.refuse(f"<picture>#<number> is expected, not {name.value!r}")
        if name.value in captions:
            name.refuse(f"{name.value!r} stands twice")
        captions[name.value] = row.key("caption").text()
    return captions


def by_picture(captions: dict[str, str]) -> dict[str, list[str]]:
    """The captions of each picture, by its name without suffix.

    The name ends at its first dot: Flickr8k's file has one picture's captions under `<picture>.jpg.1`.
    """
    pictures: dict[str, list[str]] = {}
    for name, caption in captions.items():
        pictures.setdefault(picture_name(name), []).append(caption)
    return pictures


def picture_name(file: str) -> str:
    """The name of a picture, by the name of its file or of one of its captions."""
    return file.rpartition("/")[2].partition("#")[0].partition(".")[0]


def read_coco_captions(path: Path, wanted: Iterable[int] | None = None) -> dict[int, list[str]]:
    """The captions of each picture of a COCO captions file, by the picture's number. Raises InputError.

    The file is one JSON object: {"annotations": [{"image_id", "caption"}]}; all else in it is passed over, and so are
    the pictures that are not wanted.
    """
    asked = None if wanted is None else set(wanted)
    captions: dict[int, list[str]] = {}
    for row in read_document(path).key("annotations").rows():
        picture = int(row.key("image_id").number())
        if asked is None or picture in asked:
            captions.setdefault(picture, []).append(" ".join(row.key("caption").text().split()))
    return captions
