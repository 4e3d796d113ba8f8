"""A sample of a dataset's items, drawn with a seed."""

import heapq
from collections.abc import Callable, Iterable, Iterator

from jobs.draws import rank
from outputs.items import Item


def by_item(item: Item) -> str:
    """The item's id."""
    return item.item


def by_pair(item: Item) -> str:
    """The pair of captions that an item is one of, or its own id."""
    return str(item.fields.get("pair", item.item))


def sample(
    items: Iterable[Item], count: int, seed: int, name: str = "", by: Callable[[Item], str] = by_item
) -> Iterator[Item]:
    """`count` of the items, all of them where they are fewer, in their own order; `name` is the dataset's.

    Which ones depends on the seed and on what `by` gives, their ids, alone: a line that is added to the file changes
    the sample by one item at most, and the order of the lines does not matter. Items for which `by` gives the same are
    drawn together, and an odd count has one of the last pair. The chosen items are kept in memory.
    """
    ranked = ((rank(seed, "sample", name, by(item)), place, item) for place, item in enumerate(items))
    chosen = heapq.nsmallest(count, ranked, key=lambda entry: entry[:2])
    return (item for _, _, item in sorted(chosen, key=lambda entry: entry[1]))
