"""How people's ratings of a caption meet a metric's score of it: protocols by name, and what is published of datasets.

- `ratings`: every rating is a point, paired with its caption's score, whoever gave it (Flickr8k-Expert: 16,992);
- `per-annotator`: each annotator's rating of each caption is a point; where an annotator rated a caption several times,
  their mean (MSVD-Eval: 394). Where nobody did, these are the points of `ratings`, and every number is the same;
- `averaged`: a caption is one point, with the mean of its ratings (Flickr8k-Expert: 5,664; Flickr8k-CF, whose one
  rating is the share of yes).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from outputs.items import Item
from prompts.input_error import InputError
from prompts.toml_text import near_miss


class Protocol(StrEnum):
    """See the module."""

    RATINGS = "ratings"
    AVERAGED = "averaged"
    PER_ANNOTATOR = "per-annotator"


@dataclass(frozen=True, slots=True)
class Field:
    """What a dataset's published numbers are: how ratings are paired, and which of Kendall's taus (tau_b, tau_c)."""

    protocol: Protocol
    tau: str


_KNOWN = {  # by what the dataset or its reader is called, letters and digits alone; the first that fits
    r"flickr8k.*cf": Field(Protocol.AVERAGED, "tau_b"),
    r"flickr8k": Field(Protocol.RATINGS, "tau_c"),
    r"composite": Field(Protocol.RATINGS, "tau_c"),
    r"msvd": Field(Protocol.PER_ANNOTATOR, "tau_b"),
}


def field_of(names: Iterable[str], items: Mapping[str, Item]) -> Field:
    """What is published of a dataset by one of its names; of others by the ratings' shape, with tau-b.

    Captions with one rating each are paired as they are, which `averaged` says; others per annotator.
    """
    for name in names:
        bare = re.sub(r"[^a-z0-9]", "", name.lower())
        for pattern, field in _KNOWN.items():
            if re.search(pattern, bare):
                return field
    single = all(len(item.ratings) <= 1 for item in items.values())
    return Field(Protocol.AVERAGED if single else Protocol.PER_ANNOTATOR, "tau_b")


def chosen_protocols(chosen: Iterable[str]) -> tuple[Protocol, ...]:
    """The protocols by name, each once. Raises InputError for a name that is none."""
    known = [protocol.value for protocol in Protocol]
    for name in chosen:
        if name not in known:
            raise InputError(f"unknown protocol {name!r}{near_miss(name, known)}", field="--protocol")
    return tuple(dict.fromkeys(map(Protocol, chosen)))
