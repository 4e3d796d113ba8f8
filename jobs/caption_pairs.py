"""Two captions of one picture and which of them is the better one: two items, linked by their `fields`."""

from collections.abc import Iterator
from typing import Any

from outputs.items import Item, Rating

PREFERRED = "preferred"  # the rating of a pair's captions: the higher one is the better caption, equal ones are a tie
_PLACES = ("a", "b")


def pair_items(
    pair: str,
    texts: tuple[str, str],
    preferred: tuple[float, float],
    *,
    references: tuple[str, ...],
    media: str,
    annotator: str,
    fields: dict[str, Any],
) -> Iterator[Item]:
    """The items `<pair>-a` and `<pair>-b`. Their `fields` are those given, with "pair" and "place"."""
    for place, text, rating in zip(_PLACES, texts, preferred, strict=True):
        yield Item(
            item=f"{pair}-{place}",
            candidate=text,
            references=references,
            ratings=(Rating(annotator, {PREFERRED: rating}),),
            media=media,
            fields={"pair": pair, "place": place, **fields},
        )
