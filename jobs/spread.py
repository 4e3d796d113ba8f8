"""A few of many, spread evenly over all of them, to stand for the rest where requests are priced beforehand."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeVar

from outputs.items import Item

T = TypeVar("T")
MOST = 24  # an even number


@dataclass(slots=True)
class Spread(Generic[T]):
    """Keeps the first of every so many that are added: from 12 to 24 of them, all where they are fewer."""

    count: int = 0
    _kept: list[T] = field(default_factory=list)
    _stride: int = 1

    def add(self, one: T) -> None:
        """Count one more, and keep it where it is its turn."""
        if self.count % self._stride == 0:
            if len(self._kept) == MOST:
                self._kept, self._stride = self._kept[::2], 2 * self._stride
            self._kept.append(one)
        self.count += 1

    def shares(self) -> Iterator[tuple[T, int]]:
        """(one that was kept, how many it stands for); the shares differ by one at most and sum to `count`."""
        each, more = divmod(self.count, len(self._kept) or 1)
        for place, one in enumerate(self._kept):
            yield one, each + (place < more)


@dataclass(slots=True)
class SpreadByDataset:
    """A few items of each dataset."""

    _spreads: dict[str, Spread[Item]] = field(default_factory=dict)

    def passing(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items as they come, each added on its way."""
        for item in items:
            self._spreads.setdefault(item.dataset, Spread()).add(item)
            yield item

    def shares(self) -> Iterator[tuple[Item, int]]:
        """(one that was kept, how many of its dataset it stands for), dataset by dataset."""
        return chain.from_iterable(spread.shares() for spread in self._spreads.values())
