"""The reader for VATEX-EVAL: captions of clips, each rated by three people for how well it fits its clip."""

from collections.abc import Iterator
from pathlib import Path

from jobs.dataset_json import Value, read_document
from jobs.media_pattern import fill
from outputs.items import Item, Rating
from prompts.input_error import InputError

DIMENSION = "overall"
MEDIA_NAMES = ("video", "item")  # what a media pattern may name
_KEYS = ("video_ids", "candidates_list", "gts_list")  # one entry a caption
_PICKLED = b"\x80"
_CONVERT = (
    'python -c \'import json, pickle; read = lambda name: pickle.load(open(name + ".pkl", "rb")); '
    'whole = {name: read(name).tolist() for name in ("video_ids", "candidates_list", "gts_list")}; '
    'whole["human_scores"] = read("human_scores").reshape(3, -1).tolist(); '
    'json.dump(whole, open("vatex_eval.json", "w"))\''
)


def read_vatex_eval(path: Path, media: str | None = None) -> Iterator[Item]:
    """Items of a JSON file made of VATEX-EVAL's pickles, in the file's order. Raises InputError.

    VATEX-EVAL (Shi et al., arXiv 2111.08919) is released as `video_ids.pkl`, `candidates_list.pkl`, `gts_list.pkl` and
    `human_scores.pkl`. To open a pickle is to run what is in it, so none is opened here; whoever trusts them makes the
    JSON file with the command that the error for a pickle tells. It is one object with the same names as keys:
    "video_ids" and "candidates_list" have one text a caption, "gts_list" one list of references a caption,
    "human_scores" one list of numbers an annotator, with one number a caption. The four line up by their order.

    An item is a caption, `<video>-<n>` by its place among its clip's, from 1. Its ratings, "overall", are by annotators
    "1", "2" and "3". Its clip is the pattern `media` with {video} and {item} filled in, and there is none without.
    """
    _refuse_pickle(path)
    document = read_document(path)
    videos, candidates, references = (document.key(name).rows() for name in _KEYS)
    scores = [row.rows() for row in document.key("human_scores").rows()]
    for name, column in [*zip(_KEYS, (videos, candidates, references), strict=True)][1:]:
        if len(column) != len(videos):
            document.key(name).refuse(f"{len(column)} entries, but video_ids has {len(videos)}")
    for place, column in enumerate(scores):
        if len(column) != len(videos):
            document.key("human_scores").rows()[place].refuse(f"{len(column)} ratings for {len(videos)} captions")
    ratings = list(zip(*scores, strict=True))
    places: dict[str, int] = {}
    items = []
    for video, candidate, refs, rated in zip(videos, candidates, references, ratings, strict=True):
        places[video.text()] = places.get(video.text(), 0) + 1
        items.append(_item(video.text(), places[video.text()], candidate, refs, rated, media))
    return iter(items)


def _item(
    video: str, place: int, candidate: Value, references: Value, ratings: tuple[Value, ...], media: str | None
) -> Item:
    name = f"{video}-{place}"
    return Item(
        item=name,
        candidate=candidate.text(),
        references=tuple(reference.text() for reference in references.rows()),
        ratings=tuple(Rating(str(n), {DIMENSION: rating.number()}) for n, rating in enumerate(ratings, start=1)),
        media=None if media is None else fill(media, {"video": video, "item": name}),
    )


def _refuse_pickle(path: Path) -> None:
    try:
        with path.open("rb") as file:
            opening = file.read(1)
    except OSError:
        return  # said by what reads it whole
    if opening == _PICKLED or path.suffix in (".pkl", ".pickle"):
        what = (
            f"is a pickle, which could run anything. If you trust it, make a JSON file of it where it lies: {_CONVERT}"
        )
        raise InputError(what, file=path)
