"""What the rows of a run are about: one line of `items.jsonl` per item, written by the job when the run is made."""

from typing import Any

import msgspec


class Rating(msgspec.Struct, frozen=True):
    """One annotator's ratings of one item, by dimension."""

    annotator: str
    scores: dict[str, float]


class Turn(msgspec.Struct, frozen=True):
    """One message of a prompt: `role` is system, user or assistant."""

    role: str
    content: str


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What rows are about: a caption with its references and its human ratings, a prompt, or a row of any table.

    `item` is its id, unique in the run. `media` is the path or address of the picture or clip that a caption describes,
    `media_sha256` the digest of that file's bytes in hex where it was shown to a judge. `messages` is a prompt, whose
    user messages are the turns of a dialogue. `fields` has all else, by name, as JSON values; `dataset` names the
    dataset that the item is from, where the spec names it. `system` is what made the candidate, where several did.
    `scores` are values that other programs gave it: by metric, then by dimension ("overall" where there is one only).
    """

    item: str
    candidate: str = ""
    references: tuple[str, ...] = ()
    ratings: tuple[Rating, ...] = ()
    media: str | None = None
    media_sha256: str | None = None
    ratings_kind: str = "human"  # "constructed" where nobody rated: shown wherever a number rests on them
    dataset: str = ""
    system: str = ""
    scores: dict[str, dict[str, float]] = {}
    messages: tuple[Turn, ...] = ()
    fields: dict[str, Any] = {}
