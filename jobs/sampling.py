"""A sample of a dataset's items, drawn with a seed."""

import heapq
from collections.abc import Iterable, Iterator

from jobs.draws import rank
from outputs.items import Item


def sample(items: Iterable[Item], count: int, seed: int, name: str = "") -> Iterator[Item]:
    """`count` of the items, all of them where they are fewer, in their own order; `name` is the dataset's.

    Which ones depends on the seed and their ids alone: a line that is added to the file changes the sample by one item
    at most, and the order of the lines does not matter. The two items of a pair are drawn together; an odd count has
    one of the last pair. The chosen items are kept in memory.
    """
    ranked = ((rank(seed, "sample", name, _drawn_by(item)), place, item) for place, item in enumerate(items))
    chosen = heapq.nsmallest(count, ranked, key=lambda entry: entry[:2])
    return (item for _, _, item in sorted(chosen, key=lambda entry: entry[1]))


def _drawn_by(item: Item) -> str:
    return str(item.fields.get("pair", item.item))
