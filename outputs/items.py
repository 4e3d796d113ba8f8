"""What the rows of a run are about: one line of `items.jsonl` per item, written by the job when the run is made."""

import msgspec


class Rating(msgspec.Struct, frozen=True):
    """One annotator's ratings of one item, by dimension."""

    annotator: str
    scores: dict[str, float]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What rows are about: a candidate caption with its references and its human ratings.

    `media` is the path or address of the picture or clip that it describes, `media_sha256` the digest of that file's
    bytes in hex where it was shown to a judge.
    """

    item: str
    candidate: str
    references: tuple[str, ...] = ()
    ratings: tuple[Rating, ...] = ()
    media: str | None = None
    media_sha256: str | None = None
    ratings_kind: str = "human"  # "constructed" where nobody rated: shown wherever a number rests on them
