"""The rows of a run, to be looked through: filtered, searched, sorted and paged, quickly also where they are a million.

In memory is a number for each row and each column that has few values; texts stay on disk, and are read for the rows
of a page only. What was asked for last is kept, so that the next page of it, or its neighbours, cost nothing.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.browsing.cells import read_cells
from outputs.browsing.coded import CodedColumns
from outputs.browsing.columns import BROWSE, SCORE_MAX, SCORE_MIN, SCORE_OF, SEARCH, SORTED, Filter, Value
from outputs.browsing.dimensions import Dimensions
from outputs.browsing.gathering import TEXT, searchable
from outputs.browsing.making import browse_table
from outputs.browsing.query import Query
from outputs.browsing.writing import FILES, TEXTS
from outputs.tables.columns import SCORES
from outputs.tables.loading import LoadedRun
from prompts.input_error import InputError

MOST_VALUES = 200  # of a column that are told
_MASKS, _ORDERS = 16, 4  # of the last answers: a byte a row, and four
_OF_SCORES = (SCORE_OF, SCORE_MIN, SCORE_MAX)
_TRIES = 5  # at opening files that others make anew meanwhile

Mask = NDArray[np.bool_]
Numbers = NDArray[np.uint32]
Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some `rows`, columns as in `outputs.browsing.columns.BROWSE`; `found` of `total` are what the query selects."""

    rows: Sequence[Row]
    found: int
    total: int
    query: Query


class Beside(NamedTuple):
    """The requests before and after a row in what a query selects, and its place there; None where there is none."""

    before: int | None = None
    after: int | None = None
    place: int | None = None


class RowsReplacedError(InputError):
    """The files are not those any more that were opened."""


class RowIndex:
    """The rows of one run, as they were when it was opened; asked by one thread at a time.

    What is not in memory is read from the files: where those were made anew, RowsReplacedError says so.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._of = self._files()
        with self._unchanged():
            self._coded = CodedColumns(folder)
        self._dimensions = Dimensions(folder.parent / f"{SCORES.name}.parquet", self._coded.answers)
        self._masks = _Kept[Mask](_MASKS)
        self._orders = _Kept[Numbers](_ORDERS)

    @classmethod
    def open(cls, run: LoadedRun) -> "RowIndex":
        """The rows of a run, made where they are not there. Raises InputError or OSError where they cannot be."""
        for _ in range(_TRIES - 1):
            with suppress(RowsReplacedError):
                return cls(run.name, browse_table(run).parent)
        return cls(run.name, browse_table(run).parent)

    @property
    def is_current(self) -> bool:
        """Whether the files are still those that were opened."""
        try:
            return self._files() == self._of
        except OSError:
            return False

    @property
    def total(self) -> int:
        """How many rows there are."""
        return self._coded.height

    def page(self, query: Query) -> RowPage:
        """The rows of a query from its offset on, at most its limit."""
        selected = self._selected(query)
        part = selected[query.offset : query.offset + query.limit]
        rows = self._of_dimension(self.read(part.tolist()), part, query.filters)
        return RowPage(rows, len(selected), self.total, query)

    def count(self, filters: Filter) -> int:
        """How many rows a filter selects."""
        return int(self._mask(filters).sum())

    def numbers(self, filters: Filter) -> Numbers:
        """The places of the rows that a filter selects, in the order of the requests."""
        return np.flatnonzero(self._mask(filters)).astype(np.uint32)

    def values(self, column: str) -> list[tuple[Value, int]]:
        """What stands in a column and how often, in order; the most frequent ones where there are many.

        What has no value is told as "". Empty for a column with a value of its own in nearly every row.
        """
        if column == SCORE_OF:
            return [*self._dimensions.known()]
        return self._coded.values(column, MOST_VALUES)

    def more(self, column: str) -> int:
        """How many values `values` leaves out."""
        return 0 if column == SCORE_OF else self._coded.different(column) - len(self.values(column))

    def neighbours(self, query: Query, request: int) -> Beside:
        """What is beside a request in what a query selects, whatever its offset; nothing where it is not selected."""
        selected = self._selected(query)
        place = np.flatnonzero(selected == self._coded.place(request))
        if not len(place):
            return Beside()
        here = int(place[0])
        before = None if here == 0 else self._coded.request(int(selected[here - 1]))
        after = None if here + 1 == len(selected) else self._coded.request(int(selected[here + 1]))
        return Beside(before, after, here)

    def read(self, places: Sequence[int]) -> list[Row]:
        """The rows at these places, in this order."""
        known = self._coded.rows(places)
        with self._unchanged():
            told = read_cells(self._folder, places)
        both = ({**row, **cells, "run": self.name} for row, cells in zip(known, told, strict=True))
        return [{name: row[name] for name in BROWSE.columns} for row in both]

    def _selected(self, query: Query) -> Numbers:
        """The places that a query selects, in its order."""
        mask, order = self._mask(query.filters), self._order(query)
        return order[mask[order]]

    def _order(self, query: Query) -> Numbers:
        if query.sort not in SORTED:
            raise KeyError(query.sort)
        of = query.filters.get(SCORE_OF) if query.sort == "score" else None
        with self._unchanged():
            return self._orders.get((query.sort, query.descending, of), lambda: self._ordered(query, of))

    def _ordered(self, query: Query, of: Value | None) -> Numbers:
        if of is not None:
            return self._dimensions.order(str(of), descending=query.descending)
        return self._coded.order(query.sort, descending=query.descending)

    def _mask(self, filters: Filter) -> Mask:
        mask = np.ones(self.total, np.bool_)
        for name, value in filters.items():
            of = filters.get(SCORE_OF) if name in _OF_SCORES else None
            key = name, type(value), value, of
            mask = mask & self._masks.get(key, lambda n=name, v=value, of=of: self._one(n, v, of))  # type: ignore[misc]
        return mask

    def _one(self, name: str, value: Value, of: Value | None) -> Mask:
        with self._unchanged():
            if of is not None:
                return self._dimensions.mask(str(of), name, value)
            return self._searched(str(value)) if name == SEARCH else self._coded.mask(name, value)

    def _of_dimension(self, rows: list[Row], places: Numbers, filters: Filter) -> list[Row]:
        """The rows at these places, with their score in the dimension that is asked for."""
        if (of := filters.get(SCORE_OF)) is not None:
            for row, score in zip(rows, self._dimensions.scored(str(of)).gather(places), strict=True):
                row["score"], row["dimension"] = score, str(of)
        return rows

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Raise RowsReplacedError where what the block has read is, or may be, of newer rows than those in memory."""
        try:
            yield
        except Exception:  # half of an old file and half of a new one can be anything
            self._check()
            raise
        self._check()

    def _check(self) -> None:
        if not self.is_current:
            raise RowsReplacedError("the rows were made anew meanwhile: open them again", file=self._folder)

    def _files(self) -> list[int]:
        """What tells the files on disk from others of their names."""
        return [(self._folder / name).stat().st_ino for name in FILES]

    def _searched(self, words: str) -> Mask:
        needle = pl.select(searchable(pl.lit(words))).item()
        texts = pl.scan_parquet(self._folder / TEXTS, glob=False)
        found = texts.select(pl.col(TEXT).str.contains(needle, literal=True)).collect(engine="streaming")
        return found.to_series().fill_null(value=False).to_numpy()


class _Kept(dict[Hashable, T]):
    """The last few of what was computed."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def get(self, key: Hashable, make: Callable[[], T]) -> T:  # type: ignore[override]
        found = self.pop(key) if key in self else make()
        self[key] = found
        while len(self) > self._most:
            del self[next(iter(self))]
        return found
