"""The rows of one run that are open: what is asked of them, and the files that go when nobody reads them any more."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from outputs.browsing.columns import Value
from outputs.browsing.index import Beside, RowIndex, RowPage, RowsReplacedError
from outputs.browsing.query import Query
from outputs.journal import Log
from outputs.tables.loading import LoadedRun, tables_as_made
from outputs.tables.made import read_made

_TRIES = 5  # at opening what others make anew meanwhile

Extent = dict[Log, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Menus:
    """The values of columns and how often each stands there, and how many values are left out."""

    values: Mapping[str, Sequence[tuple[Value, int]]]
    more: Mapping[str, int]

    def says_something(self, name: str) -> bool:
        """Whether any row has a value there, as far as is known."""
        return any(value != "" for value, _ in self.values[name]) if name in self.values else True


def _counted(index: RowIndex, columns: Sequence[str]) -> Menus:
    values = {name: index.values(name) for name in columns}
    return Menus(values, {name: index.more(name) for name in columns})


@dataclass(slots=True)
class OpenRows:
    """The rows of a run `as_of` a moment (epoch seconds), made in `took` seconds; asked by one at a time."""

    run: LoadedRun
    index: RowIndex
    of: Extent  # of the log
    place: Path  # of the tables
    as_of: float
    took: float
    files: contextlib.ExitStack  # what was made for it alone
    mended: bool = False  # they were made in the place of damaged ones
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _menus: Menus | None = None
    _readers: int = 0
    _left: bool = False

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """The files stay while the block runs."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            self._tidy()

    def leave(self) -> None:
        """The files go, as soon as nobody reads them."""
        self._left = True
        self._tidy()

    def _tidy(self) -> None:
        if self._left and not self._readers:
            self.files.close()

    async def page(self, query: Query) -> RowPage:
        """The rows of a query."""
        async with self._turn:
            return await asyncio.to_thread(self.index.page, query)

    async def neighbours(self, query: Query, request: int) -> Beside:
        """What is beside a request in what a query selects."""
        async with self._turn:
            return await asyncio.to_thread(self.index.neighbours, query, request)

    async def menus(self, columns: Sequence[str]) -> Menus:
        """What there is to choose from in these columns; counted once."""
        if self._menus is None:
            async with self._turn:
                self._menus = await asyncio.to_thread(_counted, self.index, columns)
        return self._menus


def open_made(folder: Path, place: Path) -> tuple[LoadedRun, RowIndex, Extent, Path]:
    """The rows that were made of the run in `folder`, its tables in `place`: all of one making, whoever makes them
    anew meanwhile. Raises InputError, OSError; what damaged files raise may be anything.
    """
    for _ in range(_TRIES):
        made = read_made(place)
        if made is None:
            continue
        run = tables_as_made(folder, place)
        index = RowIndex.open(run)
        if read_made(place) == made:
            return run, index, {log: made.log[log.file_name] for log in Log}, place
    raise RowsReplacedError("its tables were made anew while they were read; look again", file=folder)
