"""The reader for Pascal-50S: pairs of captions of one picture, and how many of 48 people preferred which."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jobs.caption_pairs import pair_items
from jobs.media_pattern import fill, stem
from jobs.reference_captions import beside
from outputs.items import Item
from prompts.input_error import InputError

TRIPLETS = "consensus_pascal.mat"
# Two people's captions, one of them of another picture, a person's and a machine's, two machines'.
CATEGORIES: dict[float, str] = {1: "HC", 2: "HI", 3: "HM", 4: "MM"}
VOTES = 48  # people asked of a pair
MEDIA_NAMES = ("file", "stem", "pair")  # what a media pattern may name


def read_pascal50s(path: Path, captions: Path | None = None, media: str | None = None) -> Iterator[Item]:
    """Items of `pair_pascal.mat`, pair by pair. Raises InputError.

    The file (Vedantam et al., arXiv 1411.5726) is MATLAB's, version 7 or older. Its `new_input` has one entry a pair:
    the picture's file, caption A, caption B; its `category` one number a pair: 1 HC, 2 HI, 3 HM, 4 MM. `captions` is
    `consensus_pascal.mat`, by default beside the first: its `triplets` has 48 entries a pair, in the pairs' order: a
    reference, caption A, caption B, and 1 where that person found A nearer to the reference, -1 where B.

    Items are `<number of the pair, from 1>-a` and `-b`, linked by "pair" and "place" in `fields`, which has the
    "category" too. The rating, "preferred", is the share of the votes for this one, by the annotator "crowd": equal
    shares are a tie, which the published code breaks at random. Their references are all 48; published results with
    references take 5 of them at random. An item's picture is its file's name, or the pattern `media` filled in.
    """
    asked = beside(path, TRIPLETS, captions)
    pairs, codes = (_variable(path, name) for name in ("new_input", "category"))
    votes = _variable(asked, "triplets")
    if not len(pairs) or len(codes) != len(pairs):
        raise InputError(f"{len(pairs)} pairs, but {len(codes)} categories", file=path, field="category")
    if len(votes) != VOTES * len(pairs):
        what = f"{len(votes)} votes for {len(pairs)} pairs, where {VOTES} are expected of each"
        raise InputError(what, file=asked, field="triplets")
    items: list[Item] = []
    for number, (pair, code) in enumerate(zip(pairs, codes, strict=True), start=1):
        mine = votes[VOTES * (number - 1) : VOTES * number]
        items += _items(_Pair(path, asked, number), pair, code, mine, media)
    return iter(items)


def _variable(path: Path, name: str) -> Sequence[Any]:
    """The entries of one variable of a MATLAB file."""
    from scipy.io import loadmat

    try:
        found = loadmat(path, appendmat=False, variable_names=[name]).get(name)
    except NotImplementedError:
        raise InputError("MATLAB's version 7.3 is not read: save it in version 7", file=path) from None
    except Exception as error:  # damaged bytes end in almost any error there
        raise InputError(f"not readable as a MATLAB file: {error}", file=path) from None
    if found is None:
        raise InputError("the file has no such variable", file=path, field=name)
    entries: Sequence[Any] = found.ravel()
    return entries


class _Pair:
    """A pair's place in the two files."""

    def __init__(self, path: Path, asked: Path, number: int) -> None:
        self._path, self._asked, self.number = path, asked, number

    def refuse(self, message: str, field: str) -> NoReturn:
        raise InputError(message, file=self._path, field=f"pair {self.number}.{field}")

    def refuse_vote(self, message: str, vote: int) -> NoReturn:
        raise InputError(message, file=self._asked, field=f"triplets[{VOTES * (self.number - 1) + vote}]")

    def text(self, value: Any, field: str) -> str:
        found = _single(value)
        if not isinstance(found, str) or not found.strip():
            self.refuse("text is expected", field)
        return " ".join(found.split())


def _items(pair: _Pair, entry: Any, code: Any, votes: Sequence[Any], media: str | None) -> Iterator[Item]:
    columns = _columns(entry)
    if len(columns) != 3:
        pair.refuse("a picture and two captions are expected", "new_input")
    file, *texts = (pair.text(*column) for column in zip(columns, ("picture", "caption A", "caption B"), strict=True))
    category = CATEGORIES.get(found) if isinstance(found := _single(code), int | float) else None
    if category is None:
        pair.refuse(f"1 to {len(CATEGORIES)} is expected, not {found}", "category")
    references, for_first = _votes(pair, texts, votes)
    names = {"file": file, "stem": stem(file), "pair": str(pair.number)}
    return pair_items(
        str(pair.number),
        (texts[0], texts[1]),
        (for_first / VOTES, (VOTES - for_first) / VOTES),
        references=references,
        media=file if media is None else fill(media, names),
        annotator="crowd",
        fields={"category": category},
    )


def _votes(pair: _Pair, texts: list[str], votes: Sequence[Any]) -> tuple[tuple[str, ...], int]:
    """The references that people saw, and how many preferred the first caption."""
    references, for_first = [], 0
    for place, vote in enumerate(votes):
        columns = [_single(value) for value in _columns(vote)]
        if len(columns) != 4 or not all(isinstance(text, str) for text in columns[:3]):
            pair.refuse_vote("a reference, two captions and a vote are expected", place)
        reference, *shown, preferred = columns
        if [" ".join(text.split()) for text in shown] != texts:
            pair.refuse_vote(f"the captions are not those of pair {pair.number}: the files do not fit", place)
        if preferred not in (1, -1):
            pair.refuse_vote(f"a vote is 1 or -1, not {preferred!r}", place)
        if not reference.strip():
            pair.refuse_vote("the reference is empty", place)
        references.append(" ".join(reference.split()))
        for_first += preferred == 1
    return tuple(references), for_first


def _columns(entry: Any) -> list[Any]:
    """The fields of a struct, or the cells of a row of cells."""
    import numpy

    if isinstance(entry, numpy.void):
        return list(entry.item())
    return list(entry.ravel()) if isinstance(entry, numpy.ndarray) else [entry]


def _single(value: Any) -> Any:
    """What is in a cell, however many boxes of one are around it; None where a box holds none or several."""
    import numpy

    while isinstance(value, numpy.ndarray):
        if value.size != 1:
            return None
        value = value.ravel()[0]
    return value.item() if isinstance(value, numpy.generic) and not isinstance(value, numpy.void) else value
