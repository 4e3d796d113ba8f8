"""The rows of the runs that are looked through: made when a page wants them, and anew as the log grows.

The rows of a run that goes on stand apart from its tables, in a folder that goes with the server: what is open stays as
it is until newer rows take its place.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.folder_lock import live_pid
from orchestrator.viewing.live import StillReadingError
from orchestrator.viewing.row_making import Making
from outputs.browsing.columns import Value
from outputs.browsing.index import Beside, RowIndex, RowPage
from outputs.browsing.making import browse_table
from outputs.browsing.query import Query
from outputs.journal import Log
from outputs.tables.extent import extent
from outputs.tables.loading import LoadedRun, tables_as_made
from outputs.tables.made import read_made
from outputs.tables.workroom import workroom
from prompts.input_error import InputError

_PATIENCE_S = 1.5  # of a page, before it says that it waits
_LEAST_S, _TIMES = 15.0, 5.0  # between two makings of a run that goes on: by what the last one took
_FAULT_S = 5.0  # a fault is told so long before it is tried again
_MOST_OPEN = 4  # runs whose rows are held
_MOST_ROWS = 1_200_000  # of all of them, but for the one that is looked at
_LARGE = 300_000  # rows, from which on old ones and new ones are not held at a time

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
    place: Path  # of the file of rows
    inode: int  # of that file
    as_of: float
    took: float
    files: contextlib.ExitStack  # what was made for it alone
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _menus: Menus | None = None

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


class RunRows:
    """The rows of one run: `opened` makes or takes them."""

    def __init__(self, folder: Path, kept: "OrderedDict[Path, RunRows]") -> None:
        self.folder = folder
        self._kept = kept  # those that are open, the one that was used last at the end
        self._open: OpenRows | None = None
        self._files_before = contextlib.ExitStack()
        self._making: Making | None = None
        self._task: asyncio.Task[None] | None = None
        self._fault: tuple[float, Exception] | None = None

    @property
    def known(self) -> OpenRows | None:
        """What is open, at no cost."""
        return self._open

    async def opened(self) -> OpenRows:
        """The rows, as new as they are to be had at once. Raises StillReadingError, InputError."""
        now = await asyncio.to_thread(extent, self.folder)
        if self._open is not None and _inode(self._open.place) != self._open.inode:
            self._let_go()  # another process has made them anew: what is held does not fit to what is on disk
        if self._open is None or (self._open.of != now and self._is_time(self._open)):
            self._begin()
        if self._open is None and self._task is not None:
            await asyncio.wait({self._task}, timeout=_PATIENCE_S)
        if self._open is None:
            if self._fault is not None:
                raise self._fault[1]
            raise StillReadingError("the rows are being made" if self._making is None else self._making.how_far)
        self._kept.pop(self.folder, None)
        self._kept[self.folder] = self
        while self._holds_too_much():
            self._kept.popitem(last=False)[1].close()
        return self._open

    def _holds_too_much(self) -> bool:
        held = sum(one.known.index.total for one in self._kept.values() if one.known is not None)
        return len(self._kept) > _MOST_OPEN or (len(self._kept) > 1 and held > _MOST_ROWS)

    def close(self) -> None:
        """Let go of what is open."""
        self._let_go()
        self._files_before.close()

    def _let_go(self) -> None:
        """Hold the rows no more; their files stay until the next ones are let go: a page may still read them."""
        if self._open is not None:
            self._files_before.close()
            self._files_before, self._open = self._open.files, None

    async def end(self) -> None:
        """End what is being made, and let go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.close()

    @staticmethod
    def _is_time(rows: OpenRows) -> bool:
        return time.time() >= rows.as_of + rows.took + max(_LEAST_S, _TIMES * rows.took)

    def _begin(self) -> None:
        recent = self._fault is not None and time.time() < self._fault[0] + _FAULT_S
        if recent or (self._task is not None and not self._task.done()):
            return
        self._fault = None
        self._task = asyncio.create_task(self._make())

    async def _make(self) -> None:
        begun = time.time()
        stack = contextlib.ExitStack()
        try:
            out = await asyncio.to_thread(self._place, stack)
            self._making = Making(self.folder, out)
            place = await self._making.run()
            if self._open is not None and self._open.index.total > _LARGE:
                self._let_go()
            made = await asyncio.to_thread(_opened, self.folder, place)
        except (InputError, OSError) as error:
            stack.close()
            self._fault = (time.time(), error)
            return
        except BaseException:
            stack.close()
            raise
        finally:
            self._making = None
        self._let_go()
        self._open = OpenRows(*made, begun, time.time() - begun, stack)

    def _place(self, stack: contextlib.ExitStack) -> Path | None:
        """Where the tables are made: where they always are, but of a run that goes on apart from them."""
        tables = self.folder / "tables"
        if not os.access(tables if tables.exists() else self.folder, os.W_OK):
            return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overnight-view-")))
        if live_pid(self.folder) is None:
            return None
        return stack.enter_context(workroom(tables))


def _opened(folder: Path, place: Path) -> tuple[LoadedRun, RowIndex, Extent, Path, int]:
    run, made = tables_as_made(folder, place), read_made(place)
    if made is None:
        raise InputError("its tables were taken away while they were read; look again", file=folder)
    of = {log: made.log[log.file_name] for log in Log}
    index, rows = RowIndex.open(run), browse_table(run)
    return run, index, of, rows, _inode(rows)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
